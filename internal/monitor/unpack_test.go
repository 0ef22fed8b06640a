package monitor_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cloudpay/internal/monitor"
	"cloudpay/internal/pay"
)

// inner is what clients compress.
const inner = `{"client_int_results":[{"interface":108,"logs":["压缩"],"time_cost":5}],"machine_info":"{}"}`

// packed writes through a compressor.
func packed(t *testing.T, w io.WriteCloser, b *bytes.Buffer, text string) []byte {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	return packed(t, gzip.NewWriter(&b), &b, text)
}

// zipped makes an archive of names and contents, in pairs.
func zipped(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload is a compressed upload.
func upload(t *testing.T, compressType int, data string) monitor.Upload {
	t.Helper()
	return monitor.Upload{Kind: monitor.Calls, MerchantID: "m1", Content: fmt.Sprintf(
		`{"is_compress":true,"compress_type":%d,"compressed_monitor_info":%s}`, compressType, quoted(t, data))}
}

// perByte writes bytes one per character.
func perByte(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

func TestCompressedUploadsAreRead(t *testing.T) {
	t.Parallel()
	var z, d bytes.Buffer
	zl := packed(t, zlib.NewWriter(&z), &z, inner)
	fw, err := flate.NewWriter(&d, 9)
	if err != nil {
		t.Fatal(err)
	}
	df := packed(t, fw, &d, inner)
	gz, zp := gzipped(t, inner), zipped(t, "log.json", inner)
	std := base64.StdEncoding.EncodeToString
	for name, c := range map[string]struct {
		kind int
		data string
	}{
		"zip":                   {1, std(zp)},
		"gzip":                  {3, std(gz)},
		"gzip called zip":       {1, std(gz)},
		"zip called RAR":        {2, std(zp)},
		"zlib":                  {1, std(zl)},
		"bare deflate":          {1, std(df)},
		"base64 of addresses":   {3, base64.RawURLEncoding.EncodeToString(gz)},
		"base64 in lines":       {3, std(gz)[:40] + "\r\n" + std(gz)[40:] + "\n"},
		"hex":                   {3, hex.EncodeToString(gz)},
		"upper-case hex":        {3, strings.ToUpper(hex.EncodeToString(zp))},
		"a byte per character":  {3, perByte(gz)},
		"base64, no compressor": {0, std([]byte(inner))},
		"whole request inside":  {3, std(gzipped(t, `{"uncompressed_monitor_info":`+inner+`}`))},
		"a list inside":         {3, std(gzipped(t, `[{"interface":108,"logs":["压缩"]}]`))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSQLite(t)
			if _, err := w.Accept(t.Context(), upload(t, c.kind, c.data)); err != nil {
				t.Fatal(err)
			}
			if got := w.all(t); len(got) == 0 || got[0].Interface != "reverse" || got[0].Text != "压缩" {
				t.Errorf("kept %+v", got)
			}
		})
	}
}

func TestUnsafeCompressionIsRefused(t *testing.T) {
	t.Parallel()
	std := base64.StdEncoding.EncodeToString
	zeros := strings.Repeat("\x00", 9<<20)
	many := make([]string, 0, 40)
	for i := range 20 {
		many = append(many, fmt.Sprint("f", i), "{}")
	}
	var halves []string
	for i := range 10 { // each within the limit, all together beyond it
		halves = append(halves, fmt.Sprint("f", i), strings.Repeat(`{"a":"0123456789abcdefghijklmnopqrstuvwxyz"}`, 20_000+i))
	}
	for name, c := range map[string]struct {
		kind int
		data []byte
		code string
	}{
		"RAR 4":                {2, []byte("Rar!\x1a\x07\x00rest"), "monitor_rar"},
		"RAR 5 called zip":     {1, []byte("Rar!\x1a\x07\x01\x00rest"), "monitor_rar"},
		"RAR by its type":      {2, []byte("something else"), "monitor_rar"},
		"gzip of 9 MiB zeros":  {3, gzipped(t, zeros), "monitor_too_large"},
		"zip of 9 MiB zeros":   {1, zipped(t, "a", zeros), "monitor_too_large"},
		"1 MiB from 1 KiB":     {3, gzipped(t, zeros[:1<<20]), "monitor_too_large"},
		"two gzips in a row":   {3, append(gzipped(t, zeros[:64<<10]), gzipped(t, zeros[:512<<10])...), "monitor_too_large"},
		"zip of many files":    {1, zipped(t, many...), "monitor_too_large"},
		"files add up to 9 MB": {1, zipped(t, halves...), "monitor_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSQLite(t)
			_, err := w.Accept(t.Context(), upload(t, c.kind, std(c.data)))
			refusal, ok := errors.AsType[*pay.Error](err)
			if !ok || refusal.Code != c.code || !errors.Is(err, pay.ErrInvalid) {
				t.Fatalf("Accept = %v, want %s", err, c.code)
			}
			if got := w.all(t); len(got) != 0 {
				t.Errorf("kept %d records", len(got))
			}
		})
	}
}

func TestHostileZipsAreReadAsDataOnly(t *testing.T) {
	t.Parallel()
	std := base64.StdEncoding.EncodeToString
	whole := zipped(t, "a.json", inner)
	garbled := bytes.Clone(whole)
	copy(garbled[34:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	for name, c := range map[string]struct {
		data []byte
		want string // text of the first record
	}{
		"names that climb":      {zipped(t, "../../etc/passwd", inner, "/root/x", inner), "压缩"},
		"a name with NUL":       {zipped(t, "a\x00b", inner), "压缩"},
		"two of one name":       {zipped(t, "a", inner, "a", inner), "压缩"},
		"a zip within a zip":    {zipped(t, "a.zip", string(zipped(t, "b", inner))), "PK\x03\x04"},
		"a text, not JSON":      {zipped(t, "log.txt", "10:00 start"), "10:00 start"},
		"a folder only":         {zipped(t, "dir/", ""), "not readable"},
		"no files":              {zipped(t), "not readable"},
		"cut off":               {whole[:len(whole)/2], "not readable"},
		"contents garbled":      {garbled, "not readable"},
		"gzip with broken sum":  {gzipped(t, inner)[:len(gzipped(t, inner))-4], "not readable"},
		"gzip header only":      {[]byte{0x1f, 0x8b}, "not readable"},
		"random bytes":          {[]byte("\x78\x9c\xff\xfe\x00\x01random"), "not readable"},
		"a claim of many files": {append(bytes.Clone(whole[:len(whole)-12]), "\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00"...), "not readable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSQLite(t)
			if _, err := w.Accept(t.Context(), upload(t, 1, std(c.data))); err != nil {
				t.Fatal(err)
			}
			if got := w.all(t); len(got) == 0 || !strings.Contains(got[0].Text, c.want) {
				t.Errorf("kept %+v, want %q", got, c.want)
			}
		})
	}
}

// FuzzAccept: whatever a client sends, the server lives, refuses only what is
// compressed in a bad way, and keeps no payment code.
func FuzzAccept(f *testing.F) {
	f.Add(byte(0), sent)
	f.Add(byte(1), `{"sn":"x","api_calling_infos":[{"out_trade_no":"1","delay_ms":1}]}`)
	f.Add(byte(2), `{"machine_info":"{}"}`)
	f.Add(byte(0), `{"is_compress":true,"compress_type":3,"compressed_monitor_info":"H4sIAAAAAAAA/wAAAP//AQAA//8AAAAAAAAAAA=="}`)
	f.Add(byte(0), `{"is_compress":true,"compress_type":1,"compressed_monitor_info":"UEsDBBQACAAIAAAA"}`)
	keep := &memory{}
	m := monitor.New(monitor.Config{Keeper: keep, Queue: noQueue{}, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler)})
	codes := regexp.MustCompile(`(^|[^0-9])1[0-5][0-9]{16}([^0-9]|$)`)
	kinds := []monitor.Kind{monitor.Calls, monitor.Device, monitor.Conf}
	f.Fuzz(func(t *testing.T, kind byte, content string) {
		keep.batches = nil
		_, err := m.Accept(t.Context(), monitor.Upload{Kind: kinds[int(kind)%len(kinds)], MerchantID: "m1", Content: content})
		if err != nil && !errors.Is(err, pay.ErrInvalid) {
			t.Fatal(err)
		}
		for _, b := range keep.batches {
			if len(b.Records) > monitor.MaxUploadRecords || len(b.Latency) > monitor.MaxFigures {
				t.Fatalf("%d records, %d figures", len(b.Records), len(b.Latency))
			}
			for _, r := range b.Records {
				for _, s := range []string{r.Text, r.OrderNo, r.DeviceID, r.SN, r.ShopID, r.Domain} {
					if !utf8.ValidString(s) || strings.ContainsRune(s, 0) || codes.MatchString(s) {
						t.Fatalf("kept %q", s)
					}
				}
			}
		}
	})
}
