package monitor

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
	"strings"
)

// Limits of what compressed data may become. An upload is at most 1 MiB, and
// logs shrink to a tenth or a fiftieth.
const (
	maxPlain   = 8 << 20  // of one upload
	maxRatio   = 200      // deflate reaches 1,032 on zeros, logs do not
	freePlain  = 64 << 10 // below this the ratio says nothing
	maxEntries = 16       // of a zip; clients send one
)

// compressRAR is the one CompressType of protocol.md §3.10 that matters: what
// is really there is told by its first bytes, which clients get right.
const compressRAR = 2

// errUnreadable is data that is not what it should be. It is kept as such.
var errUnreadable = errors.New("compressed data is not readable")

// Refusals of packed data.
var (
	errRAR  = refuse("monitor_rar", "不支持RAR压缩，请使用zip、gzip或不压缩")
	errBomb = refuse("monitor_too_large", "监控数据解压后过大，请分次上报")
)

// unpack turns compressed_monitor_info into the JSON texts it holds. The
// string is base64 in any of its alphabets, hex, or the bytes themselves, one
// per character; what they are is told by their first bytes, so that a wrong
// compress_type does no harm. It returns errRAR, errBomb or errUnreadable.
func unpack(s string, compressType int64) ([]loose, error) {
	for _, raw := range readings(s) {
		texts, err := expand(raw)
		if !errors.Is(err, errUnreadable) {
			return texts, err
		}
	}
	if compressType == compressRAR {
		return nil, errRAR
	}
	return nil, errUnreadable
}

// readings are the bytes that a string may stand for, likeliest first.
func readings(s string) [][]byte {
	var all [][]byte
	trimmed := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, s)
	if b, err := hex.DecodeString(trimmed); err == nil && len(b) > 0 {
		all = append(all, b)
	}
	unpadded := strings.TrimRight(trimmed, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(unpadded); err == nil && len(b) > 0 {
			all = append(all, b)
		}
	}
	return append(all, latin1(s), []byte(s))
}

// latin1 reads a string as bytes that were written one per character, "" if it
// holds any other character.
func latin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF {
			return nil
		}
		b = append(b, byte(r)) //nolint:gosec // at most 0xFF
	}
	return b
}

// expand tells a format by its first bytes and expands it.
func expand(raw []byte) ([]loose, error) {
	switch {
	case bytes.HasPrefix(raw, []byte("Rar!\x1a\x07")):
		return nil, errRAR
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")), bytes.HasPrefix(raw, []byte("PK\x05\x06")):
		return expandZip(raw)
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, errUnreadable
		}
		return one(r, len(raw))
	case plain(raw):
		return []loose{raw}, nil
	case len(raw) > 2 && raw[0]&0x0f == 8 && (int(raw[0])<<8|int(raw[1]))%31 == 0: // what zlib's compress() makes
		r, err := zlib.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, errUnreadable
		}
		return one(r, len(raw))
	case len(raw) > 2:
		texts, err := one(flate.NewReader(bytes.NewReader(raw)), len(raw))
		if err == nil && !plain(texts[0]) { // anything may look like a bare deflate stream
			return nil, errUnreadable
		}
		if errors.Is(err, errBomb) {
			return nil, errUnreadable
		}
		return texts, err
	}
	return nil, errUnreadable
}

// plain reports what looks like JSON that was not compressed at all.
func plain(raw []byte) bool {
	raw = bytes.TrimLeft(raw, "\ufeff \t\r\n")
	return len(raw) > 0 && (raw[0] == '{' || raw[0] == '[')
}

// one expands a stream that came from that many bytes.
func one(r io.Reader, from int) ([]loose, error) {
	b := &budget{left: plainLimit(from)}
	text, err := b.read(r)
	if err != nil {
		return nil, err
	}
	return []loose{text}, nil
}

// plainLimit is how much that many packed bytes may become.
func plainLimit(from int) int64 {
	return min(maxPlain, max(freePlain, int64(from)*maxRatio))
}

// budget bounds what all streams of one upload may become together.
type budget struct{ left int64 }

// read expands one stream. What it expanded before it broke off is lost.
func (b *budget) read(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, b.left+1))
	if int64(len(text)) > b.left {
		return nil, errBomb
	}
	b.left -= int64(len(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return text, nil
}

// expandZip reads the files of an archive, in its order. Names mean nothing
// here and nothing is written anywhere; an archive within is not opened; what
// is encrypted or packed in another way is left out.
func expandZip(raw []byte) ([]loose, error) {
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, errUnreadable
	}
	if len(z.File) > maxEntries {
		return nil, errBomb
	}
	b := &budget{left: plainLimit(len(raw))}
	var texts []loose
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			continue
		}
		text, err := b.read(r)
		_ = r.Close()
		if errors.Is(err, errBomb) {
			return nil, errBomb
		}
		if err == nil && len(text) > 0 {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return nil, errUnreadable
	}
	return texts, nil
}
