package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"cloudpay/ui"
)

// PhoneCustomer is the customer whose phone is shown when nobody names one.
const PhoneCustomer = "xiaoming"

// pagePolicy lets the phone's page load from its own origin and nowhere else.
// Codes and photographs it has just made are blobs. No script and no style can
// stand inside the page.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// clockHeader carries the sandbox's time in Unix milliseconds with every
// answer, unchanged ones included: the page counts down by it, not by the
// browser's clock, so that it follows the time machine.
const clockHeader = "Sandbox-Now"

// errDenied is wrapped by errors about what this phone may not do.
var errDenied = errors.New("denied")

// phone is one door to the customer's phone: the page and its API. It knows
// only what a customer can see and do.
type phone struct {
	s *Sandbox
	// token must come with every call of the API as a bearer token, "" for none.
	token string
	// customer is the only one this phone belongs to, "" for any.
	customer string
}

// Phone serves the customer's phone at /phone to other machines, such as a real
// phone in the same network (docs/sandbox.md). Its page and pictures are
// public; each call of its API must carry token, which the caller makes at
// random and shows to one person. It acts for one customer and never reaches
// the control API: no faults, no clock, no truth, no other customer. The token
// travels in a header and never in a cookie, so that other sites' pages cannot
// make a browser use it, and a page under a rebound name does not have it.
// It panics if token or customer is empty.
func (s *Sandbox) Phone(token, customer string) http.Handler {
	if token == "" || !validCustomerID(customer) {
		panic("sandbox: a phone for other machines needs a token and a customer")
	}
	mux := http.NewServeMux()
	(&phone{s: s, token: token, customer: customer}).routes(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}

// routes adds the page, its files and its API to mux.
func (p *phone) routes(mux *http.ServeMux) {
	files := pageFiles(ui.Phone())
	page := func(w http.ResponseWriter, r *http.Request) { files["index.html"].serve(w, r, "no-cache") }
	mux.HandleFunc("GET /phone", page)
	mux.HandleFunc("GET /phone/{$}", page)
	mux.HandleFunc("GET /phone/assets/{file}", func(w http.ResponseWriter, r *http.Request) {
		f := files["assets/"+r.PathValue("file")]
		if f == nil {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r, "public, max-age=31536000, immutable") // the name holds the content's hash
	})
	for pattern, h := range map[string]func(*http.Request) (int, any, error){
		"PUT /phone/api/customers/{id}":           p.takeUp,
		"GET /phone/api/customers/{id}":           p.state,
		"POST /phone/api/customers/{id}/codes":    p.newCode,
		"POST /phone/api/customers/{id}/answers":  p.answer,
		"POST /phone/api/customers/{id}/scans":    p.scan,
		"GET /phone/api/customers/{id}/statement": p.statement,
		"POST /phone/api/photos":                  p.photo,
		"GET /phone/api/barcodes/{text}":          p.barcode,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, h) })
	}
}

// serve runs one call of the API. Answers to GET carry an ETag of what they
// say, so that asking again every second costs a few bytes.
func (p *phone) serve(w http.ResponseWriter, r *http.Request, h func(*http.Request) (int, any, error)) {
	pageHeaders(w.Header())
	if p.token != "" {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(p.token)) != 1 {
			http.Error(w, `{"error":"this phone is not paired: open the link that the terminal shows"}`, http.StatusUnauthorized)
			return
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxPhoto)
	var status int
	var out any
	var err error
	if id := r.PathValue("id"); id != "" && p.customer != "" && id != p.customer {
		err = errors.Join(errDenied, errors.New("this phone is another customer's"))
	} else {
		status, out, err = h(r)
	}
	if err != nil {
		status, out = p.s.phoneError(r, err)
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic("sandbox: an answer has no JSON form: " + err.Error())
	}
	head := w.Header()
	head.Set(clockHeader, strconv.FormatInt(p.s.c.Now().UnixMilli(), 10))
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet && status == http.StatusOK {
		sum := sha256.Sum256(body)
		tag := `"` + hex.EncodeToString(sum[:12]) + `"`
		head.Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller who has gone needs no answer
}

// refusalError is a refusal that the page shows in its own language.
type refusalError struct {
	status int
	reason string
	text   string
}

// Error is the refusal in English, for whoever calls the API without the page.
func (e *refusalError) Error() string { return e.text }

// phoneError is controlError with the refusals that only a phone has.
func (s *Sandbox) phoneError(r *http.Request, err error) (int, any) {
	if refusal, ok := errors.AsType[*refusalError](err); ok {
		return refusal.status, map[string]string{"error": refusal.text, "reason": refusal.reason}
	}
	if errors.Is(err, errDenied) {
		return http.StatusForbidden, map[string]string{"error": err.Error()}
	}
	return s.controlError(r, err)
}

// pageHeaders are the defences of everything under /phone.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), screen-wake-lock=(self), microphone=(), geolocation=()")
}

// pageFile is one file of the page, held ready in both forms.
type pageFile struct {
	kind          string
	plain, zipped []byte
	tag           string
}

// serve answers the file with one Cache-Control.
func (f *pageFile) serve(w http.ResponseWriter, r *http.Request, cache string) {
	h := w.Header()
	pageHeaders(h)
	h.Set("Cache-Control", cache)
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// pageFiles reads a built page. It is in the binary, so a fault in it is a
// programmer's.
func pageFiles(built fs.FS) map[string]*pageFile {
	files := map[string]*pageFile{}
	err := fs.WalkDir(built, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		if _, err := z.Write(raw); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		sum := sha256.Sum256(raw)
		f := &pageFile{kind: mimeOf(name), plain: raw, tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		if zipped.Len() < len(raw) {
			f.zipped = zipped.Bytes()
		}
		files[name] = f
		return nil
	})
	if err != nil || files["index.html"] == nil {
		panic("sandbox: the phone's page is not in the binary: run 'make ui'")
	}
	return files
}

// mimeOf names a page's file type without asking the machine's own table.
func mimeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// takeUp makes the customer if there is none of the name, and answers the
// state of the phone. It is safe to repeat.
func (p *phone) takeUp(r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	err := p.s.run(r.Context(), func(ctx context.Context, tx *txn) error {
		_, err := p.s.ensureCustomer(ctx, tx, id)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return p.state(r)
}
