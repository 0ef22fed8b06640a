package manage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
)

const (
	// downloadTime bounds one file, for who reads slowly.
	downloadTime = 10 * time.Minute
	// maxDownloads is how many files are written at once, one of each merchant: each
	// keeps a core busy, and payments need them.
	maxDownloads = 4
	// downloadBuffer is what is kept back until it is certain that there is more.
	downloadBuffer = 64 << 10
)

// file is an answer that is written while it is read.
type file struct {
	merchant string // whose
	name     string // that a browser keeps it under
	media    string
	write    func(ctx context.Context, w io.Writer) error
}

// media of files.
const (
	mediaDays = "application/x-ndjson"
	mediaCSV  = "text/csv; charset=utf-8"
	mediaXLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
)

// SheetQuery chooses how a table is written.
type SheetQuery struct {
	Format string `query:"format" doc:"csv（UTF-8，带 BOM）或 xlsx" enum:"csv,xlsx" default:"csv"`
}

// table is a file of tables in the format that was asked for.
func (q SheetQuery) table(merchant, name string, write func(context.Context, sheet.Writer) error) file {
	f := file{merchant: merchant, name: name + "." + q.Format, media: mediaCSV}
	if q.Format == string(sheet.XLSX) {
		f.media = mediaXLSX
	}
	f.write = func(ctx context.Context, to io.Writer) error {
		w, err := sheet.New(to, sheet.Format(q.Format))
		if err == nil {
			err = write(ctx, w)
		}
		if err == nil {
			err = w.Close()
		}
		return err
	}
	return f
}

// addFile registers an operation that answers with a file in one of some forms.
func addFile[I any](s *Server, op operation, do func(ctx context.Context, a *actor, in *I) (file, error), media ...string) {
	op.files = media
	add(s, op, func(ctx context.Context, a *actor, in *I) (*huma.StreamResponse, error) {
		f, err := do(ctx, a, in)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) { s.send(ctx, hc, f) }}, nil
	})
}

// filesOf is what the document says of an answer that is a file.
func filesOf(media []string) map[string]*huma.Response {
	if len(media) == 0 {
		return nil
	}
	content := map[string]*huma.MediaType{}
	for _, m := range media {
		schema := &huma.Schema{Type: huma.TypeString}
		if m == mediaXLSX {
			schema.Format = "binary"
		}
		if base, _, err := mime.ParseMediaType(m); err == nil {
			content[base] = &huma.MediaType{Schema: schema}
		}
	}
	return map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK), Content: content}}
}

// send writes a file. What goes wrong before its first bytes are sent is a
// problem as everywhere; afterwards the connection is broken off, so that nobody
// takes half a file for a whole one.
func (s *Server) send(ctx context.Context, hc huma.Context, f file) {
	_, w := humago.Unwrap(hc)
	ctx, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	end, err := s.downloads.begin(f.merchant)
	if err != nil {
		s.refuse(ctx, w, err)
		return
	}
	defer end()
	if until, ok := ctx.Deadline(); ok {
		_ = http.NewResponseController(w).SetWriteDeadline(until) // the server's own is for short answers
	}
	out := &download{w: w, f: f}
	b := bufio.NewWriterSize(out, downloadBuffer)
	if err = f.write(ctx, b); err == nil {
		err = b.Flush()
	}
	switch {
	case err == nil && out.begun:
	case err == nil: // there is nothing in it
		_, _ = out.Write(nil)
	case !out.begun:
		s.refuse(ctx, w, err)
	default:
		s.Log.WarnContext(ctx, "a file was broken off", slog.String("name", f.name), slog.String("error", err.Error()))
		panic(http.ErrAbortHandler)
	}
}

// download sends headers before the first bytes.
type download struct {
	w     http.ResponseWriter
	f     file
	begun bool
}

// Write sends bytes.
func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		h := d.w.Header()
		h.Set("Content-Type", d.f.media)
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.f.name}))
		d.w.WriteHeader(http.StatusOK)
	}
	n, err := d.w.Write(p)
	if err != nil {
		return n, fmt.Errorf("send %s: %w", d.f.name, err)
	}
	return n, nil
}

// downloads counts the files under way.
type downloads struct {
	mu sync.Mutex
	of map[string]bool // by merchant
}

// begin takes a place and returns how to give it back.
func (d *downloads) begin(merchant string) (end func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[merchant] || len(d.of) == maxDownloads {
		return nil, pay.Refuse(pay.ErrUnavailable, "download_busy", "正在导出其他文件，请稍后再试")
	}
	if d.of == nil {
		d.of = map[string]bool{}
	}
	d.of[merchant] = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.of, merchant)
	}, nil
}

// brokenOff reports whether a panic is how net/http ends a connection.
func brokenOff(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}
