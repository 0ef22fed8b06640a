package evidence

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"cloudpay/internal/pay"
)

// Limits of looking for one order. A busy merchant has five pages a second.
const (
	maxMarks   = 1_000_000 // looked at: some two seconds
	maxOpened  = 5_000     // pages opened: some 50 MB read
	marksAtOne = 5_000
	// written is how much later than its record a page may be: a call lasts up to
	// 30 s, and a store that was away is waited for.
	written = 10 * time.Minute
)

// Span is a piece of time.
type Span struct{ From, To time.Time }

// Found is what was found about an order.
type Found struct {
	// Records, oldest first. Those of gaps and of strangers are among them: their
	// OutTradeNo is "".
	Records []Record
	// Unreadable is how many pages could not be opened, for example because they
	// were changed, or sealed under the key of another installation.
	Unreadable int
	// Stopped says that there was more to look through than one search may: what
	// is younger than the last record may be missing.
	Stopped bool
}

// Find returns what is kept about any of the numbers within the spans. What
// strangers sent is returned when it holds one of the numbers in clear.
func (r *Recorder) Find(ctx context.Context, merchantID string, numbers []string, spans []Span) (Found, error) {
	var f Found
	if r == nil {
		return f, errNone
	}
	s := search{r: r, merchant: merchantID, numbers: numbers, keys: keys{vault: r.Vault}, found: &f}
	for _, n := range append([]string{""}, numbers...) {
		s.marks = append(s.marks, mark(n))
	}
	for _, span := range merged(spans) {
		if err := s.span(ctx, span); err != nil {
			return f, err
		}
	}
	slices.SortStableFunc(f.Records, func(a, b Record) int { return a.At.Compare(b.At) })
	return f, nil
}

// merged sorts spans, widens them by how late pages are written, and joins what
// overlaps.
func merged(spans []Span) []Span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	var out []Span
	for _, s := range spans {
		s.To = s.To.Add(written)
		if n := len(out); n > 0 && !s.From.After(out[n-1].To) {
			if s.To.After(out[n-1].To) {
				out[n-1].To = s.To
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// search is one Find under way.
type search struct {
	r        *Recorder
	merchant string
	numbers  []string
	marks    []uint32
	keys     keys
	found    *Found
	looked   int
	opened   int
}

func (s *search) span(ctx context.Context, span Span) error {
	after, before := PageID(span.From), PageID(span.To)
	for !s.found.Stopped {
		pages, err := s.r.Keeper.EvidenceMarks(ctx, s.merchant, after, before, marksAtOne)
		if err != nil {
			return err
		}
		for _, p := range pages {
			after = p.ID
			if !marked(p.Marks, s.marks) {
				continue
			}
			if err := s.page(ctx, p.ID); err != nil {
				return err
			}
		}
		if len(pages) < marksAtOne {
			return nil
		}
		s.looked += len(pages)
		s.found.Stopped = s.looked >= maxMarks || s.opened >= maxOpened
	}
	return nil
}

func (s *search) page(ctx context.Context, id string) error {
	sealed, err := s.r.Keeper.EvidencePage(ctx, s.merchant, id)
	if errors.Is(err, pay.ErrNotFound) {
		return nil // purged just now
	}
	if err != nil {
		return err
	}
	s.opened++
	records, err := s.keys.open(s.merchant, id, sealed)
	if err != nil {
		s.found.Unreadable++ // what could be read of it is shown
	}
	for _, v := range records {
		if s.wants(&v) {
			s.found.Records = append(s.found.Records, v)
		}
	}
	return nil
}

func (s *search) wants(v *Record) bool {
	switch {
	case v.Kind == Gap:
		return true
	case v.OutTradeNo != "" || v.OutRefundNo != "":
		return slices.Contains(s.numbers, v.OutTradeNo) || slices.Contains(s.numbers, v.OutRefundNo)
	}
	for i := range v.Exchanges {
		for _, n := range s.numbers {
			if bytes.Contains(v.Exchanges[i].Request, []byte(n)) {
				return true
			}
		}
	}
	return false
}
