package sandbox_test

import (
	"image"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/sandbox"
)

// heldPicture is a format of which the decoder waits until it is let go.
type heldPicture struct{ read, decoding, release chan struct{} }

func (h *heldPicture) register() {
	const magic = "HELDPICTURE"
	image.RegisterFormat("held", magic, func(io.Reader) (image.Image, error) {
		h.decoding <- struct{}{}
		<-h.release
		return image.NewGray(image.Rect(0, 0, 8, 8)), nil
	}, func(io.Reader) (image.Config, error) {
		h.read <- struct{}{}
		return image.Config{ColorModel: color.GrayModel, Width: 8, Height: 8}, nil
	})
}

// TestFewPhotographsAreReadAtOnce: a photograph of 33 KB unpacks into 70 MB, so
// that eight at once took 600 MB.
func TestFewPhotographsAreReadAtOnce(t *testing.T) {
	t.Parallel()
	keys, err := keysOnce()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const sent, atOnce = 5, 2
		h := &heldPicture{read: make(chan struct{}, sent), decoding: make(chan struct{}, sent), release: make(chan struct{})}
		h.register()
		box, err := sandbox.New(t.Context(), sandbox.Config{Dir: dir, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := box.Close(); err != nil {
				t.Error(err)
			}
		}()
		control, answers := box.Control(), make(chan int, sent)
		for range sent {
			go func() {
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, "/phone/api/photos", strings.NewReader("HELDPICTURE"))
				r.Host = "localhost"
				control.ServeHTTP(w, r)
				answers <- w.Code
			}()
		}
		synctest.Wait() // all have come, and none goes on by itself
		if n := len(h.decoding); len(h.read) != sent || n != atOnce {
			t.Errorf("%d of %d photographs came and %d are read at once, want %d", len(h.read), sent, n, atOnce)
		}
		close(h.release)
		for range sent {
			if status := <-answers; status != http.StatusNotFound {
				t.Errorf("a photograph without a code = %d", status)
			}
		}
	})
}
