package sandbox

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// holdBefore applies what befalls a call before it is carried out. A call held
// back is carried out even if its caller has hung up meanwhile, because a
// request in flight does not know: that is how a charge arrives after the
// reverse that was meant to prevent it.
func (s *Sandbox) holdBefore(ctx context.Context, eff *effect) {
	if eff.drop {
		panic(http.ErrAbortHandler)
	}
	if eff.hang > 0 && !s.wait(context.WithoutCancel(ctx), eff.hang) {
		panic(http.ErrAbortHandler)
	}
}

// wait waits for d and reports whether it passed, rather than the caller
// leaving or the sandbox closing.
func (s *Sandbox) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-s.c.After(d):
		return true
	case <-ctx.Done():
	case <-s.closing:
	}
	return false
}

// deliver sends an answer that is already on disk, with what befalls it on the
// way: it may come late, not at all, in part, or as something else. None of
// that changes what happened.
func (s *Sandbox) deliver(w http.ResponseWriter, r *http.Request, eff *effect, body []byte, contentType string) {
	s.send(w, r, eff, reply{status: http.StatusOK, header: map[string]string{"Content-Type": contentType}, body: body})
}

// reply is an answer as it goes on the wire. Its header has the wire's own
// spelling of names.
type reply struct {
	status int
	header map[string]string
	body   []byte
}

// send is deliver for an answer with a status and headers of its own.
func (s *Sandbox) send(w http.ResponseWriter, r *http.Request, eff *effect, rep reply) {
	if eff.early {
		s.tellEarly(r.Context(), eff.call)
	}
	if eff.delay > 0 && !s.wait(r.Context(), eff.delay) || eff.lose {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	if eff.noise != noiseHTTP502 {
		for name, value := range rep.header {
			h.Set(name, value)
		}
	}
	status, body := rep.status, rep.body
	switch eff.noise {
	case noiseNone:
	case noiseHTTP502:
		status = http.StatusBadGateway
		h.Set("Content-Type", "text/html")
		body = []byte("<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>")
	case noiseEmpty:
		body = nil
	case noiseGarbled:
		body = append([]byte("<<{"), body[:len(body)/2]...)
	case noiseTruncated:
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body[:len(body)/2]) // the next line cuts the connection
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller who has gone needs no answer
}

// abort gives up a call the sandbox itself could not carry out, as a wallet
// that crashed would: nothing was committed and nothing is answered.
func (s *Sandbox) abort(ctx context.Context, doing string, err error) {
	s.c.Log.ErrorContext(ctx, "wallet call given up", slog.String("doing", doing), slog.String("error", err.Error()))
	panic(http.ErrAbortHandler)
}

// sendText answers with a plain text and a status.
func sendText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) //nolint:gosec // a plain text runs nothing
}
