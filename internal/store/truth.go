package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// human records what of a change is about people: who did it, why one is asked
// for, and which reasons have ended.
func (u *unit) human(ctx context.Context, q *sqlcgen.Queries, outTradeNo, outRefundNo string, by pay.Hand, raise string, calm []string, now time.Time) {
	if by.Act != "" {
		u.add(1)(q.InsertHandOfUnit(ctx, sqlcgen.InsertHandOfUnitParams{
			MerchantID: u.merchant, OutTradeNo: outTradeNo, OutRefundNo: outRefundNo, Unit: u.id, Act: by.Act, Who: by.Who, Why: by.Why,
		}))
	}
	if raise != "" {
		u.add(1)(q.RaiseOfUnit(ctx, sqlcgen.RaiseOfUnitParams{
			MerchantID: u.merchant, OutTradeNo: outTradeNo, OutRefundNo: outRefundNo, Unit: u.id, Why: raise,
		}))
	}
	u.calm(ctx, q, outTradeNo, outRefundNo, calm, now)
}

// calm ends reasons that no longer hold.
func (u *unit) calm(ctx context.Context, q *sqlcgen.Queries, outTradeNo, outRefundNo string, reasons []string, now time.Time) {
	for _, why := range reasons {
		u.add(anyRows)(q.CalmOfUnit(ctx, sqlcgen.CalmOfUnitParams{
			MerchantID: u.merchant, OutTradeNo: outTradeNo, OutRefundNo: outRefundNo, Unit: u.id, Why: why, DoneMs: ms(now),
		}))
	}
}

// Done is one thing that a person did to an order or a refund by hand.
type Done struct {
	pay.Hand
	OutRefundNo string // "" for the order itself
	At          time.Time
}

// Hands reads what people did to one order by hand, oldest first; it is empty
// when nobody did anything.
func (s *Store) Hands(ctx context.Context, merchantID, outTradeNo string) ([]Done, error) {
	rows, err := s.read.ListHands(ctx, sqlcgen.ListHandsParams{MerchantID: merchantID, OutTradeNo: outTradeNo, RowLimit: maxList})
	if err != nil {
		return nil, fmt.Errorf("read hands on order %s: %w", outTradeNo, err)
	}
	return mapped(rows, func(r sqlcgen.Hand) Done {
		return Done{Hand: pay.Hand{Act: r.Act, Who: r.Who, Why: r.Why}, OutRefundNo: r.OutRefundNo, At: at(r.AtMs)}
	}), nil
}

// Attention is one reason for which an order or a refund wants a person.
type Attention struct {
	MerchantID  string
	OutTradeNo  string
	OutRefundNo string // "" for the order itself
	Why         string
	First, Last time.Time
	Times       int64
}

// Raise notes that an order wants a person, for a reason that changed nothing.
// Changes of orders and refunds carry theirs themselves.
func (s *Store) Raise(ctx context.Context, a Attention) error {
	u, q := s.newUnit("", a.MerchantID)
	u.always = true
	u.add(1)(q.Raise(ctx, sqlcgen.RaiseParams{
		MerchantID: a.MerchantID, OutTradeNo: a.OutTradeNo, OutRefundNo: a.OutRefundNo, Why: a.Why, AtMs: ms(a.Last),
	}))
	if _, err := s.submit(ctx, u); err != nil {
		return fmt.Errorf("raise order %s: %w", a.OutTradeNo, err)
	}
	return nil
}

// Calm ends every open reason of an order, because somebody has seen to it. It
// reports whether there was one.
func (s *Store) Calm(ctx context.Context, merchantID, outTradeNo, who, why string, now time.Time) (ended bool, err error) {
	u, q := s.newUnit("", merchantID)
	u.add(anyRows)(q.Calm(ctx, sqlcgen.CalmParams{
		DoneMs: ms(now), DoneBy: who, DoneWhy: why, MerchantID: merchantID, OutTradeNo: outTradeNo,
	}))
	won, err := s.submit(ctx, u)
	if err != nil {
		return false, fmt.Errorf("calm order %s: %w", outTradeNo, err)
	}
	return won, nil
}

// MaxAttention bounds a list of what wants a person: more than a person reads.
const MaxAttention = 1000

// Attentions reads what wants a person, oldest first: of one merchant, or of all
// when merchantID is "".
func (s *Store) Attentions(ctx context.Context, merchantID string, limit int) ([]Attention, error) {
	if limit < 1 || limit > MaxAttention {
		return nil, errors.New("read what wants a person: limit is out of range")
	}
	rows, err := s.read.ListAttention(ctx, sqlcgen.ListAttentionParams{MerchantID: merchantID, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read what wants a person: %w", err)
	}
	return mapped(rows, attentionOf), nil
}

// AttentionsOf reads what about one order and its refunds wants a person, oldest
// first.
func (s *Store) AttentionsOf(ctx context.Context, merchantID, outTradeNo string, limit int) ([]Attention, error) {
	if limit < 1 || limit > MaxAttention {
		return nil, errors.New("read what wants a person: limit is out of range")
	}
	rows, err := s.read.ListAttentionOf(ctx, sqlcgen.ListAttentionOfParams{MerchantID: merchantID, OutTradeNo: outTradeNo, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read what wants a person: %w", err)
	}
	return mapped(rows, attentionOf), nil
}

func attentionOf(r sqlcgen.Attention) Attention {
	return Attention{
		MerchantID: r.MerchantID, OutTradeNo: r.OutTradeNo, OutRefundNo: r.OutRefundNo, Why: r.Why,
		First: at(r.FirstMs), Last: at(r.LastMs), Times: r.Times,
	}
}
