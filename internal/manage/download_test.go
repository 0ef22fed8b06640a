package manage

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"cloudpay/internal/pay"
)

// files serves one file that write makes.
func files(t *testing.T, write func(context.Context, io.Writer) error) *httptest.Server {
	t.Helper()
	s := &Server{Config: Config{Log: slog.New(slog.DiscardHandler)}, mux: http.NewServeMux()}
	s.api = humago.New(s.mux, apiConfig())
	addFile(s, operation{id: "file", method: http.MethodGet, path: "/v1/{of}"}, func(_ context.Context, _ *actor, in *struct {
		Of string `path:"of"`
	},
	) (file, error) {
		return file{merchant: in.Of, name: in.Of + ".jsonl", media: mediaDays, write: write}, nil
	}, mediaDays)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(r.Context(), w, r.URL.Path)
		s.route(w, r.WithContext(context.WithValue(r.Context(), actorKey{}, &actor{})))
	}))
	t.Cleanup(h.Close)
	return h
}

// fetch reads a file to its end.
func fetch(t *testing.T, url string) (status int, media, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header.Get("Content-Type"), string(raw), err
}

// TestHalfAFileIsNoFile: the end of a chain of days cannot be seen in the file.
func TestHalfAFileIsNoFile(t *testing.T) {
	t.Parallel()
	broken := pay.Refuse(pay.ErrUnavailable, "broken", "坏了")
	for name, c := range map[string]struct {
		bytes  int
		err    error
		status int
		whole  bool
	}{
		"whole":                       {3 * downloadBuffer, nil, http.StatusOK, true},
		"empty":                       {0, nil, http.StatusOK, true},
		"broken before the beginning": {0, broken, http.StatusServiceUnavailable, true},
		"broken while little is read": {downloadBuffer / 2, broken, http.StatusServiceUnavailable, true},
		"broken half way":             {3 * downloadBuffer, broken, http.StatusOK, false},
		"broken, and nobody's affair": {10, errors.New("secret"), http.StatusInternalServerError, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := files(t, func(_ context.Context, w io.Writer) error {
				_, err := io.WriteString(w, strings.Repeat("x", c.bytes))
				return errors.Join(err, c.err)
			})
			status, media, body, err := fetch(t, h.URL+"/v1/m")
			if status != c.status || (err == nil) != c.whole {
				t.Errorf("%d %q, %v; want %d, and whole: %v", status, media, err, c.status, c.whole)
			}
			if refused := status != http.StatusOK; refused != (media == "application/problem+json") || refused == (media == mediaDays) || strings.Contains(body, "secret") {
				t.Errorf("%d %s: %.80s", status, media, body)
			}
		})
	}
}

func TestAMerchantHasOneFileAtATime(t *testing.T) {
	t.Parallel()
	started, goOn := make(chan struct{}), make(chan struct{})
	h := files(t, func(_ context.Context, w io.Writer) error {
		started <- struct{}{}
		<-goOn
		_, err := io.WriteString(w, "x")
		return err
	})
	done := make(chan int)
	for _, of := range []string{"a", "b", "c", "d"} {
		go func() {
			status, _, _, _ := fetch(t, h.URL+"/v1/"+of)
			done <- status
		}()
		<-started
	}
	for _, of := range []string{"a", "e"} { // the same merchant again, and one too many
		if status, _, body, _ := fetch(t, h.URL+"/v1/"+of); status != http.StatusServiceUnavailable || !strings.Contains(body, "download_busy") {
			t.Errorf("%s: %d %s, want 503", of, status, body)
		}
	}
	close(goOn)
	for range maxDownloads {
		if status := <-done; status != http.StatusOK {
			t.Errorf("a file that was begun ends with %d", status)
		}
	}
	go func() { <-started }()
	if status, _, body, _ := fetch(t, h.URL+"/v1/a"); status != http.StatusOK {
		t.Errorf("afterwards: %d %s", status, body)
	}
}
