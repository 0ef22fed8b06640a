package evidence

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"time"

	"cloudpay/internal/secret"
)

// Limits of a page. What secret seals is at most 64 KiB, and bytes that do not
// compress grow a little.
const (
	maxPageBytes = 56 << 10 // before compression; ends a page that has a record
	maxUnpacked  = 128 << 10
	markBytes    = 4
)

// Page is some records of one merchant as they are stored.
type Page struct {
	MerchantID string
	// ID begins with the time of writing, so that ids are in the order of time.
	ID     string
	Sealed []byte
	Marks  []byte // of the numbers that the page speaks of; see mark
}

// PageID is how the ids of all pages of that millisecond begin.
func PageID(t time.Time) string { return fmt.Sprintf("%011x", t.UnixMilli()) }

// timeOf is the inverse of PageID.
func timeOf(id string) time.Time {
	var ms int64
	if len(id) < 11 {
		return time.Time{}
	}
	if _, err := fmt.Sscanf(id[:11], "%x", &ms); err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// mark is a short hash of a number: enough to open few pages in vain, and
// nothing that anybody else could want. The mark of "" stands for records that
// nobody vouches for, and for gaps.
func mark(number string) uint32 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, number)
	return h.Sum32()
}

// marked reports whether marks holds one of wanted.
func marked(marks []byte, wanted []uint32) bool {
	for len(marks) >= markBytes {
		if slices.Contains(wanted, binary.BigEndian.Uint32(marks)) {
			return true
		}
		marks = marks[markBytes:]
	}
	return false
}

// keys finds the key of a day. A day's pages are sealed under a key of their
// own, because a key may seal 2³² values with random nonces, and a busy
// installation writes more pages than that in some years.
type keys struct {
	vault *secret.DataKey
	day   string
	key   *secret.DataKey
}

// of returns the key of the day on which a page was written.
func (k *keys) of(id string) (*secret.DataKey, error) {
	day := timeOf(id).Format(time.DateOnly)
	if k.key == nil || k.day != day {
		key, err := k.vault.Sub("evidence " + day)
		if err != nil {
			return nil, err
		}
		k.day, k.key = day, key
	}
	return k.key, nil
}

func placeOf(merchantID, id string) secret.Place {
	return secret.Place{Purpose: "evidence", Owner: merchantID + "/" + id}
}

// packer turns records into pages. It belongs to one goroutine.
type packer struct {
	keys    keys
	deflate *flate.Writer // the fastest that finds repetitions
	hurried *flate.Writer // half the time, twice the bytes
	rushing bool          // use hurried
	raw     []byte
	one     []byte
	packed  bytes.Buffer
}

func newPacker(vault *secret.DataKey) *packer {
	w, err1 := flate.NewWriter(io.Discard, flate.BestSpeed)
	h, err2 := flate.NewWriter(io.Discard, flate.HuffmanOnly)
	if err := errors.Join(err1, err2); err != nil {
		panic("evidence: " + err.Error()) // the levels are constants
	}
	return &packer{keys: keys{vault: vault}, deflate: w, hurried: h}
}

// pages packs the records of one merchant. next makes ids.
func (p *packer) pages(merchantID string, records []*Record, next func() string) ([]Page, error) {
	var pages []Page
	var marks []uint32
	p.raw = p.raw[:0]
	flush := func() error {
		if len(p.raw) == 0 {
			return nil
		}
		page, err := p.page(merchantID, next(), marks)
		pages, marks, p.raw = append(pages, page), marks[:0], p.raw[:0]
		return err
	}
	for _, r := range records {
		p.one = r.append(p.one[:0])
		if len(p.raw) > 0 && len(p.raw)+len(p.one) > maxPageBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		p.raw = binary.AppendUvarint(p.raw, uint64(len(p.one)))
		p.raw = append(p.raw, p.one...)
		for _, n := range [...]string{r.OutTradeNo, r.OutRefundNo} {
			if n == "" && r.OutTradeNo != "" {
				continue // not about a refund
			}
			if m := mark(n); !slices.Contains(marks, m) {
				marks = append(marks, m)
			}
		}
	}
	return pages, flush()
}

// page compresses and seals what has been collected.
func (p *packer) page(merchantID, id string, marks []uint32) (Page, error) {
	p.packed.Reset()
	w := p.deflate
	if p.rushing {
		w = p.hurried
	}
	w.Reset(&p.packed)
	_, err1 := w.Write(p.raw)
	key, err2 := p.keys.of(id)
	if err := errors.Join(err1, w.Close(), err2); err != nil {
		return Page{}, fmt.Errorf("pack evidence: %w", err)
	}
	page := Page{MerchantID: merchantID, ID: id, Marks: make([]byte, 0, markBytes*len(marks))}
	for _, m := range marks {
		page.Marks = binary.BigEndian.AppendUint32(page.Marks, m)
	}
	page.Sealed = key.Seal(placeOf(merchantID, id), secret.New(p.packed.String()))
	return page, nil
}

// open returns the records of a page. The error is secret.ErrSealed when it was
// changed, moved, or sealed under another installation's key.
func (k *keys) open(merchantID, id string, sealed []byte) ([]Record, error) {
	key, err := k.of(id)
	if err != nil {
		return nil, err
	}
	packed, err := key.Open(placeOf(merchantID, id), sealed)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader([]byte(packed.Reveal()))), maxUnpacked))
	if err != nil {
		return nil, errRecord
	}
	var records []Record
	for len(raw) > 0 {
		n, used := binary.Uvarint(raw)
		if used <= 0 || n > uint64(len(raw)-used) { //nolint:gosec // used is not more than len(raw)
			return records, errRecord
		}
		r, err := recordOf(merchantID, raw[used:used+int(n)]) //nolint:gosec // not longer than raw, as was just checked
		if err != nil {
			return records, err
		}
		records = append(records, r)
		raw = raw[used+int(n):] //nolint:gosec // as above
	}
	return records, nil
}
