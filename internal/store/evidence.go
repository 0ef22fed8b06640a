package store

import (
	"context"
	"fmt"
	"time"

	"cloudpay/internal/evidence"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// The store keeps evidence, and queues the purging of it.
var (
	_ evidence.Keeper = (*Store)(nil)
	_ evidence.Queue  = (*Store)(nil)
)

// KeepEvidence implements evidence.Keeper. Pages have new names, so that a unit
// may be done twice.
func (s *Store) KeepEvidence(ctx context.Context, pages []evidence.Page) error {
	if len(pages) > evidence.MaxBatch {
		return fmt.Errorf("keep evidence: more than %d pages", evidence.MaxBatch)
	}
	u, q := s.newUnit("", "")
	u.always = true
	for _, p := range pages {
		u.add(anyRows)(q.PutEvidencePage(ctx, sqlcgen.PutEvidencePageParams{MerchantID: p.MerchantID, Page: p.ID, Sealed: p.Sealed}))
		u.add(anyRows)(q.PutEvidenceMarks(ctx, sqlcgen.PutEvidenceMarksParams{MerchantID: p.MerchantID, Page: p.ID, Marks: p.Marks}))
	}
	_, err := s.submit(ctx, u)
	return wrap("keep evidence", err)
}

// maxMarks is the longest piece of EvidenceMarks.
const maxMarks = 10_000

// EvidenceMarks implements evidence.Keeper.
func (s *Store) EvidenceMarks(ctx context.Context, merchantID, after, before string, limit int) ([]evidence.Page, error) {
	if limit < 1 || limit > maxMarks {
		return nil, fmt.Errorf("look for evidence: limit must be between 1 and %d", maxMarks)
	}
	rows, err := s.read.ListEvidenceMarks(ctx, sqlcgen.ListEvidenceMarksParams{
		MerchantID: merchantID, After: after, Before: before, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("look for evidence: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListEvidenceMarksRow) evidence.Page {
		return evidence.Page{MerchantID: merchantID, ID: r.Page, Marks: r.Marks}
	}), nil
}

// EvidencePage implements evidence.Keeper.
func (s *Store) EvidencePage(ctx context.Context, merchantID, id string) ([]byte, error) {
	sealed, err := s.read.GetEvidencePage(ctx, sqlcgen.GetEvidencePageParams{MerchantID: merchantID, Page: id})
	return sealed, wrap("read evidence", absent(err))
}

// PurgeEvidence implements evidence.Keeper. It looks before it writes, so that
// finding nothing costs little.
func (s *Store) PurgeEvidence(ctx context.Context, before string, limit int) (more bool, err error) {
	if limit < 1 || limit > maxList {
		return false, fmt.Errorf("purge evidence: limit must be between 1 and %d", maxList)
	}
	most := int32(limit)
	n, err := s.read.CountOldEvidence(ctx, sqlcgen.CountOldEvidenceParams{Before: before, RowLimit: most})
	if err != nil || n == 0 {
		return false, wrap("look for old evidence", err)
	}
	u, q := s.newUnit("", "")
	u.always = true
	u.add(anyRows)(q.PurgeEvidencePages(ctx, sqlcgen.PurgeEvidencePagesParams{Before: before, RowLimit: most}))
	u.add(anyRows)(q.PurgeEvidenceMarks(ctx, sqlcgen.PurgeEvidenceMarksParams{Before: before, RowLimit: most}))
	_, err = s.submit(ctx, u)
	return n == int64(limit), wrap("purge evidence", err)
}

// Booked is an event of the ledger with when and by which unit it was booked.
type Booked struct {
	pay.Posting
	At   time.Time
	Unit string
}

// Booked reads the ledger of one order with its times, oldest first.
func (s *Store) Booked(ctx context.Context, merchantID, outTradeNo string) ([]Booked, error) {
	rows, err := s.read.ListPostings(ctx, sqlcgen.ListPostingsParams{MerchantID: merchantID, OutTradeNo: outTradeNo, RowLimit: maxList})
	if err != nil {
		return nil, fmt.Errorf("read the ledger of order %s: %w", outTradeNo, err)
	}
	var all []Booked
	for _, r := range rows {
		if n := len(all); n == 0 || all[n-1].Event != r.Event {
			all = append(all, Booked{Posting: pay.Posting{Event: r.Event}, At: at(r.AtMs), Unit: r.Unit})
		}
		b := &all[len(all)-1]
		b.Legs = append(b.Legs, pay.Leg{Account: pay.Account(r.Account), Amount: pay.Fen(r.Amount)})
	}
	return all, nil
}

// The lengths of prefixes: eight digits, nine digits, ten letters and digits.
const shortPrefix, digitPrefix, longPrefix = 8, 9, 10

// MerchantOfNumber returns whose number it is, by its prefix; an error that
// wraps pay.ErrNotFound when nobody has that prefix.
func (s *Store) MerchantOfNumber(ctx context.Context, number string) (string, error) {
	begin := func(n int) string { return number[:min(n, len(number))] }
	ids, err := s.read.MerchantOfPrefix(ctx, sqlcgen.MerchantOfPrefixParams{
		Prefix0: begin(shortPrefix), Prefix1: begin(digitPrefix), Prefix2: begin(longPrefix),
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("find the merchant of a number: %w", err)
	case len(ids) != 1:
		return "", pay.Refuse(pay.ErrNotFound, "number_unknown", "没有子商户使用这个单号的前缀")
	}
	return ids[0], nil
}
