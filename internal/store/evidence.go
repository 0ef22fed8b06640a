package store

import (
	"context"
	"fmt"

	"cloudpay/internal/evidence"
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
