package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// openDoor opens a sandbox with a door for phones; both are closed at the end.
func openDoor(t *testing.T, addr string) (*phoneDoor, error) {
	t.Helper()
	b, err := openSandbox(t.Context(), sandboxOptions{Dir: t.TempDir(), Profile: "seed", WalletAddr: "127.0.0.1:0", ControlAddr: "127.0.0.1:0"},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.close() })
	d, err := phoneFlags{PhoneListen: addr}.open(t.Context(), b.box)
	if err == nil {
		t.Cleanup(func() { _ = d.close() })
	}
	return d, err
}

func TestPhoneDoorIsClosedUnlessAsked(t *testing.T) {
	t.Parallel()
	d, err := openDoor(t, "")
	if err != nil || d.listener != nil || len(d.links) != 0 {
		t.Fatalf("without --phone-listen: %+v, %v", d, err)
	}
	var out bytes.Buffer
	d.greet(&out)
	if err := d.serve(t.Context()); err != nil || out.Len() != 0 {
		t.Errorf("a closed door serves %v and says %q", err, &out)
	}
	if _, err := openDoor(t, "8803"); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("an address without port: %v", err)
	}
}

func TestPhoneDoorServesWhoeverHasTheLink(t *testing.T) {
	t.Parallel()
	d, err := openDoor(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.serve(ctx) }()
	m := regexp.MustCompile(`^(http://127\.0\.0\.1:\d+)/phone#pair=(\w{20,})$`).FindStringSubmatch(d.links[0])
	if m == nil {
		t.Fatalf("links = %q", d.links)
	}
	for token, want := range map[string]int{m[2]: http.StatusOK, "": http.StatusUnauthorized, m[2] + "x": http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, m[1]+"/phone/api/customers/xiaoming", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("token %q = %d, want %d", token, res.StatusCode, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serve = %v after its end", err)
	}
	other, err := openDoor(t, "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if len(other.links) == 0 || strings.Contains(other.links[0], "0.0.0.0") || strings.HasSuffix(other.links[0], m[2]) {
		t.Errorf("links of every address = %q, want ones a phone can reach, with a token of their own", other.links)
	}
}

// TestPhoneLinkScansFromTheTerminal decodes the half blocks as a camera sees them.
func TestPhoneLinkScansFromTheTerminal(t *testing.T) {
	t.Parallel()
	const link, pixels = "http://192.168.100.200:8803/phone#pair=ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4
	lines := strings.Split(strings.TrimSuffix(terminalQR(link), "\n"), "\n")
	rows := make([][]rune, 0, len(lines))
	for _, l := range lines {
		rows = append(rows, []rune(regexp.MustCompile(`^  |\x1b\[[0-9;]*m`).ReplaceAllString(l, "")))
	}
	if width := len(rows[0]); width > 78 {
		t.Errorf("the picture is %d columns wide", width)
	}
	pic := image.NewGray(image.Rect(0, 0, len(rows[0])*pixels, len(rows)*2*pixels))
	for y := range pic.Bounds().Dy() {
		for x := range pic.Bounds().Dx() {
			cell, upper := rows[y/pixels/2][x/pixels], y/pixels%2 == 0
			if cell == ' ' || cell == '▀' && !upper || cell == '▄' && upper {
				pic.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(pic)
	if err != nil {
		t.Fatal(err)
	}
	found, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil || found.GetText() != link {
		t.Errorf("the terminal's picture reads %v, %v", found, err)
	}
}

// TestScriptSceneDecidesWhatTheTillSees is AC-183 at the till: what the
// scenario panel sets for the next payment, and what the cashier then reads.
// What is unknown until a reverse is in the sandbox's own test of scenes.
func TestScriptSceneDecidesWhatTheTillSees(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	for i, tt := range []struct {
		next, text string
		code       int
	}{
		{"", "微信支付收款成功", exitOK},
		{"no_money", "余额不足", exitDeclined},
		{"code_expired", "付款码已过期", exitDeclined},
		{"syserr_paid", "微信支付收款成功", exitOK},
		{"answer_lost", "微信支付收款成功", exitOK},
		{"bad_signature", "微信支付收款成功", exitOK},
		{"duplicate", "ORDERPAID", exitDeclined},
	} {
		d.sandboxJSON(t, http.MethodPut, "/scene", map[string]string{"next": tt.next}, nil)
		order := fmt.Sprintf("%s%016d", d.file.Merchants[0].Prefixes[0], i)
		r := cloudpay(t, "pay", "--data", d.dir, "--order", order, "--auth-code", d.payCode(t, "wxpay", "xiaoming"),
			"--amount", "0.02", "--interval", "200ms", "--queries", "100")
		if r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.text) {
			t.Errorf("next=%q: exit %d, %s%s, want %d and %s", tt.next, r.code, r.stdout, r.stderr, tt.code, tt.text)
		}
	}
}
