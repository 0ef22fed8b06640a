package sandbox

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // photographs come as JPEG …
	_ "image/png"  // … or PNG
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/code128"
	"github.com/boombuler/barcode/qr"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Limits of symbols and photographs.
const (
	maxSymbolText  = 512     // longest payment link is about 120 bytes
	maxBarcodeText = 64      // longest order number is 64
	maxPhoto       = 2 << 20 // the page sends photographs scaled to 1,600 pixels
	maxPhotoPixels = 4 << 20 // so a small file cannot unpack into all memory
	maxPhotos      = 2       // read at once: each takes up to 70 MB and a core
)

// symbol is a barcode or QR code as the page draws it: an SVG path of unit
// squares, without a quiet zone, which the page leaves white around it.
type symbol struct {
	Payload   string `json:"payload"`
	Symbology string `json:"symbology"` // code128 or qr
	// Modules is the width in unit squares; a barcode is one high.
	Modules int    `json:"modules"`
	Path    string `json:"path"`
}

// drawCode128 draws a text of digits or letters.
func drawCode128(text string) (symbol, error) {
	if text == "" || len(text) > maxBarcodeText {
		return symbol{}, fmt.Errorf("%w text: a barcode holds 1 to %d characters", ErrInvalid, maxBarcodeText)
	}
	code, err := code128.Encode(text)
	if err != nil {
		return symbol{}, fmt.Errorf("%w text: %w", ErrInvalid, err)
	}
	width := code.Bounds().Dx()
	return symbol{Payload: text, Symbology: "code128", Modules: width, Path: rows(code, width, 1)}, nil
}

// drawQR draws any text, with the error correction of ux.md §2.11.
func drawQR(text string) (symbol, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return symbol{}, fmt.Errorf("draw QR code: %w", err)
	}
	size := code.Bounds().Dx()
	return symbol{Payload: text, Symbology: "qr", Modules: size, Path: rows(code, size, size)}, nil
}

// rows writes the dark runs of each row as rectangles of height 1.
func rows(code barcode.Barcode, width, height int) string {
	var b strings.Builder
	for y := range height {
		for x := 0; x < width; {
			if !dark(code, x, y) {
				x++
				continue
			}
			from := x
			for x < width && dark(code, x, y) {
				x++
			}
			n := strconv.Itoa(x - from)
			b.WriteString("M" + strconv.Itoa(from) + " " + strconv.Itoa(y) + "h" + n + "v1h-" + n + "z")
		}
	}
	return b.String()
}

// dark reports whether one unit square is black.
func dark(code barcode.Barcode, x, y int) bool {
	r, _, _, _ := code.At(x, y).RGBA()
	return r < 0x8000
}

// photo reads the QR code on a photograph. It is for phones whose browser has
// no decoder of its own, or no live camera because the page is not encrypted.
func (p *phone) photo(r *http.Request) (int, any, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, err
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil || config.Width <= 0 || config.Height <= 0 || config.Width > maxPhotoPixels/config.Height {
		return 0, nil, fmt.Errorf("%w photograph: send a JPEG or PNG of at most %d pixels", ErrInvalid, maxPhotoPixels)
	}
	select {
	case p.s.photos <- struct{}{}:
		defer func() { <-p.s.photos }()
	case <-r.Context().Done():
		return 0, nil, fmt.Errorf("%w photograph: nobody waits for it", ErrInvalid)
	}
	picture, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return 0, nil, fmt.Errorf("%w photograph: it is damaged", ErrInvalid)
	}
	text, ok := readQR(picture)
	if !ok {
		return 0, nil, &refusalError{http.StatusNotFound, "no_qr", "there is no QR code on the photograph"}
	}
	return http.StatusOK, map[string]string{"text": text}, nil
}

// readQR finds a QR code. The library can be led astray by a picture, so that
// its panics are taken for "nothing found".
func readQR(picture image.Image) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return "", false
	}
	// One drawn symbol in a thousand leads the search for its corners astray,
	// which a picture without perspective does not need.
	for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE} {
		hints := make(map[gozxing.DecodeHintType]any, 1)
		hints[hint] = true
		found, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
		if err == nil {
			return found.GetText(), len(found.GetText()) <= maxSymbolText
		}
	}
	return "", false
}
