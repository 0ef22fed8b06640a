// Package docs shows interface documents to developers: it renders OpenAPI 3.1
// on the server into plain pages, one per interface, in Chinese and English, and
// texts beside them.
//
// It knows OpenAPI, HTML and HTTP. It must not know what the interfaces do: it
// is given documents and a way to seal examples. Pages run no script, load
// nothing from elsewhere, and say so in their Content-Security-Policy.
package docs

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets
var assets embed.FS

// policy forbids everything but our style sheet.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Text is a text in both languages.
type Text struct{ ZH, EN string }

// in returns the text of a language.
func (t Text) in(lang string) string {
	if lang == english && t.EN != "" || t.ZH == "" {
		return t.EN
	}
	return t.ZH
}

// Table is a table beside the interfaces, for example of statuses.
type Table struct {
	Title Text
	Head  []Text
	Rows  [][]Text
}

// Page is one document.
type Page struct {
	// Name is its place below /docs/, for example "cpay".
	Name  string
	Title Text
	// Intro is plain text, a paragraph per line.
	Intro Text
	// Document is OpenAPI 3.1 in JSON, nil for a page of text.
	Document []byte
	// Text is the whole page in the Markdown that blocksOf reads, instead of a
	// document.
	Text   Text
	Tables []Table
	// Values are JSON values of members by their names, for examples. A member
	// that has one is shown even if it is optional.
	Values map[string]string
	// Seal turns the content of an example into what is really sent, nil to show
	// it as it is.
	Seal func(operation string, content []byte, response bool) ([]byte, error)
}

const (
	chinese = "zh-CN"
	english = "en"
)

// Site serves documents. It is immutable and safe for concurrent use.
type Site struct {
	pages    map[string][]*document // by language
	template *template.Template
	css      []byte
	cssPath  string
	rendered sync.Map // path → func() ([]byte, error), once each
}

// New reads the documents. Pages are rendered when they are first asked for.
func New(pages ...Page) (*Site, error) {
	css, err := assets.ReadFile("assets/docs.css")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(css)
	s := &Site{pages: map[string][]*document{}, css: css, cssPath: "/docs/assets/docs." + hex.EncodeToString(sum[:6]) + ".css"}
	if s.template, err = template.New("").Funcs(pieces).ParseFS(assets, "assets/*.html"); err != nil {
		return nil, fmt.Errorf("read the templates of the documents: %w", err)
	}
	for _, p := range pages {
		for _, lang := range []string{chinese, english} {
			d, err := read(p, lang)
			if err != nil {
				return nil, fmt.Errorf("read the document %s: %w", p.Name, err)
			}
			s.pages[lang] = append(s.pages[lang], d)
		}
	}
	return s, nil
}

// ServeHTTP answers everything below /docs/.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	path := strings.TrimSuffix(r.URL.Path, "/")
	if path == s.cssPath {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		answer(w, r, "text/css; charset=utf-8", s.css)
		return
	}
	h.Set("Cache-Control", "no-cache")
	for _, d := range s.pages[chinese] {
		if d.Document != nil && path == d.Base(chinese)+"/openapi.json" {
			answer(w, r, "application/json", d.Document)
			return
		}
	}
	v, ok := s.find(path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	render, _ := s.rendered.LoadOrStore(path, sync.OnceValues(func() ([]byte, error) { return s.render(v) }))
	once, ok := render.(func() ([]byte, error))
	if !ok {
		panic("docs: a page is not a function")
	}
	body, err := once()
	if err != nil {
		http.Error(w, "this page cannot be rendered", http.StatusInternalServerError)
		return
	}
	answer(w, r, "text/html; charset=utf-8", body)
}

// answer writes a body that a reader may have already.
func answer(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("Etag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// pieces give the parts of a page what they show together with its words.
var pieces = template.FuncMap{
	"wrap":   func(v view, op *operation) piece { return piece{L: v.L, Op: op} },
	"bodyOf": func(l labels, b *body) piece { return piece{L: l, Body: b} },
	"humps":  humps,
	"rows":   func(l labels, r []row) piece { return piece{L: l, Rows: r} },
}

type piece struct {
	L    labels
	Op   *operation
	Body *body
	Rows []row
}

// view is what the template of a page is given.
type view struct {
	Lang  string
	L     labels
	CSS   string
	Other string // the same page in the other language
	Home  string
	Site  []link
	Title string

	Doc    *document // nil on the first page
	Groups []navGroup
	Ops    []*operation // what this page shows; empty on overviews
	Intro  []string
	Tables []shownTable
	Blocks []block // of a page of text
}

type link struct {
	Href, Text string
	Here       bool
}

type navGroup struct {
	Title string
	Links []navLink
}

type navLink struct {
	link
	Method, Path string
}

type shownTable struct {
	Title string
	Head  []string
	Rows  [][]string
}

// find says what is shown at a path.
func (s *Site) find(path string) (view, bool) {
	lang, rest := chinese, strings.TrimPrefix(path, "/docs")
	if tail, ok := strings.CutPrefix(rest, "/en"); ok && (tail == "" || tail[0] == '/') {
		lang, rest = english, tail
	}
	v := view{Lang: lang, L: words[lang], CSS: s.cssPath, Home: root(lang) + "/", Other: root(other(lang)) + rest}
	if rest == "" {
		v.Other += "/"
	}
	name, tail, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	for _, d := range s.pages[lang] {
		v.Site = append(v.Site, link{d.Base(lang), d.Title.in(lang), d.Name == name})
		if d.Name == name {
			v.Doc = d
		}
	}
	if rest == "" {
		v.Title = v.L.Documents
		return v, true
	}
	if v.Doc == nil {
		return view{}, false
	}
	v.Title = v.Doc.Title.in(lang)
	if v.Doc.Document == nil {
		v.Blocks = v.Doc.blocks
		return v, tail == ""
	}
	v.Groups = v.Doc.nav(lang, tail)
	switch op := v.Doc.bySlug[tail]; {
	case tail == "":
		v.Intro = strings.Split(v.Doc.Intro.in(lang), "\n")
		v.Tables = v.Doc.tables(lang)
	case tail == "all":
		v.Ops = v.Doc.operations
		v.Tables = v.Doc.tables(lang)
	case op != nil:
		v.Ops = []*operation{op}
		v.Title = op.Heading() + " · " + v.Title
	default:
		return view{}, false
	}
	return v, true
}

// render fills the template.
func (s *Site) render(v view) ([]byte, error) {
	var b bytes.Buffer
	if err := s.template.ExecuteTemplate(&b, "page.html", v); err != nil {
		return nil, fmt.Errorf("render %s: %w", v.Title, err)
	}
	return b.Bytes(), nil
}

func root(lang string) string {
	if lang == english {
		return "/docs/en"
	}
	return "/docs"
}

func other(lang string) string {
	if lang == english {
		return chinese
	}
	return english
}

// Base is where a document is found.
func (d *document) Base(lang string) string { return root(lang) + "/" + d.Name }

// nav lists the operations of a document in its order, grouped by tag.
func (d *document) nav(lang, here string) (groups []navGroup) {
	at := map[string]int{}
	for _, op := range d.operations {
		i, ok := at[op.Tag]
		if !ok {
			i = len(groups)
			at[op.Tag] = i
			groups = append(groups, navGroup{Title: op.Tag})
		}
		groups[i].Links = append(groups[i].Links, navLink{
			link{d.Base(lang) + "/" + op.Slug, op.Summary, op.Slug == here}, op.Method, op.Path,
		})
	}
	return groups
}

func (d *document) tables(lang string) (out []shownTable) {
	for _, t := range d.Tables {
		s := shownTable{Title: t.Title.in(lang)}
		for _, h := range t.Head {
			s.Head = append(s.Head, h.in(lang))
		}
		for _, r := range t.Rows {
			var cells []string
			for _, c := range r {
				cells = append(cells, c.in(lang))
			}
			s.Rows = append(s.Rows, cells)
		}
		out = append(out, s)
	}
	return out
}
