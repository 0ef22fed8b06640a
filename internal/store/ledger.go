package store

import (
	"context"
	"errors"
	"fmt"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// maxLegs is the longest event: a payment with a discount has three legs.
const maxLegs = 4

// post records the postings of an order that the unit has just written.
func (u *unit) post(ctx context.Context, q *sqlcgen.Queries, outTradeNo string, ps []pay.Posting) {
	for _, p := range ps {
		var sum pay.Fen
		for _, l := range p.Legs {
			sum += l.Amount
		}
		switch {
		case sum != 0:
			u.bad = errors.Join(u.bad, fmt.Errorf("posting %s does not balance", p.Event))
			return
		case len(p.Legs) < 2 || len(p.Legs) > maxLegs:
			u.bad = errors.Join(u.bad, fmt.Errorf("posting %s has %d legs", p.Event, len(p.Legs)))
			return
		case len(p.Legs) == 2:
			u.add(2)(q.InsertPosting2(ctx, sqlcgen.InsertPosting2Params{
				Event: p.Event, MerchantID: u.merchant, OutTradeNo: outTradeNo, Unit: u.id,
				Account0: string(p.Legs[0].Account), Amount0: int64(p.Legs[0].Amount),
				Account1: string(p.Legs[1].Account), Amount1: int64(p.Legs[1].Amount),
			}))
			continue
		}
		legs := [maxLegs]pay.Leg{}
		copy(legs[:], p.Legs)
		u.add(int64(len(p.Legs)))(q.InsertPosting4(ctx, sqlcgen.InsertPosting4Params{
			Event: p.Event, MerchantID: u.merchant, OutTradeNo: outTradeNo, Unit: u.id,
			Account0: string(legs[0].Account), Amount0: int64(legs[0].Amount),
			Account1: string(legs[1].Account), Amount1: int64(legs[1].Amount),
			Account2: string(legs[2].Account), Amount2: int64(legs[2].Amount),
			Account3: string(legs[3].Account), Amount3: int64(legs[3].Amount),
		}))
	}
}

// Postings reads the ledger of one order, oldest first; it is empty when
// nothing was booked.
func (s *Store) Postings(ctx context.Context, merchantID, outTradeNo string) ([]pay.Posting, error) {
	rows, err := s.read.ListPostings(ctx, sqlcgen.ListPostingsParams{
		MerchantID: merchantID, OutTradeNo: outTradeNo, RowLimit: maxList,
	})
	if err != nil {
		return nil, fmt.Errorf("read postings of order %s: %w", outTradeNo, err)
	}
	var ps []pay.Posting
	for _, r := range rows {
		if n := len(ps); n == 0 || ps[n-1].Event != r.Event {
			ps = append(ps, pay.Posting{Event: r.Event})
		}
		p := &ps[len(ps)-1]
		p.Legs = append(p.Legs, pay.Leg{Account: pay.Account(r.Account), Amount: pay.Fen(r.Amount)})
	}
	return ps, nil
}

// Balances folds a merchant's ledger per channel and account, in fen, debit
// positive. Accounts that were never used are absent.
func (s *Store) Balances(ctx context.Context, merchantID string) (map[pay.Channel]map[pay.Account]pay.Fen, error) {
	rows, err := s.read.SumPostings(ctx, merchantID)
	if err != nil {
		return nil, fmt.Errorf("fold ledger of merchant %s: %w", merchantID, err)
	}
	b := make(map[pay.Channel]map[pay.Account]pay.Fen)
	for _, r := range rows {
		ch := pay.Channel(r.Channel)
		if b[ch] == nil {
			b[ch] = make(map[pay.Account]pay.Fen)
		}
		b[ch][pay.Account(r.Account)] = pay.Fen(r.Balance)
	}
	return b, nil
}
