package store

import (
	"context"
	"fmt"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// OpenRefund reserves r.Amount on the order, if the order is in state from and
// has that much left, and inserts the refund with its postings and jobs
// (money.md §4). won is false when it cannot be reserved or the refund number
// exists; nothing was written then. The return of late money takes from an order
// whose money is held, and every other refund from one whose money is not. r.Unit becomes the unit of both rows; when
// it is empty the store makes one. r.OpenUnit is ignored.
func (s *Store) OpenRefund(ctx context.Context, r pay.Refund, from pay.OrderState, postings []pay.Posting, edits ...jobs.Edit) (won bool, err error) {
	u, q := s.newUnit(r.Unit, r.MerchantID)
	u.clash = true
	u.found = foundOrder(u, r.OutTradeNo)
	u.add(1)(q.ReserveOrder(ctx, sqlcgen.ReserveOrderParams{
		Amount: int64(r.Amount), Unit: u.id, UpdatedMs: ms(r.CreatedAt), MerchantID: r.MerchantID,
		OutTradeNo: r.OutTradeNo, FromState: string(from), OutRefundNo: r.OutRefundNo, Held: r.Origin == pay.OriginLate,
	}))
	u.add(1)(q.InsertRefund(ctx, refundParams(r, u.id)))
	u.post(ctx, q, r.OutTradeNo, postings)
	u.edit(ctx, q, r.OutTradeNo, edits)
	if won, err = s.submit(ctx, u); err != nil {
		return false, fmt.Errorf("open refund %s: %w", r.OutRefundNo, err)
	}
	return won, nil
}

// SettleRefund writes c.Refund, carries its amounts over to the order, and
// writes postings and jobs, if the stored refund still has c.From's State and
// Unit, and the order c.OnOrder, unless that is empty. won is false when somebody else was first; nothing was written then.
// Refund and order get one new unit: c.Refund.Unit if that is neither empty nor
// c.From.Unit, else one that the store makes.
func (s *Store) SettleRefund(ctx context.Context, c pay.RefundChange, edits ...jobs.Edit) (won bool, err error) {
	r := c.Refund
	u, q := s.newUnit(freshUnit(r.Unit, c.From.Unit), c.From.MerchantID)
	u.found = foundOrder(u, c.From.OutTradeNo)
	if c.OnOrder != "" { // every change of a refund marks its order, so that the order's row tells of both
		u.add(1)(q.TakeOrder(ctx, sqlcgen.TakeOrderParams{
			Unit: u.id, MerchantID: c.From.MerchantID, OutTradeNo: c.From.OutTradeNo, FromUnit: c.OnOrder,
		}))
	}
	u.add(1)(q.SettleRefund(ctx, sqlcgen.SettleRefundParams{
		State: string(r.State), Unit: u.id, RefundID: r.RefundID, Settlement: int64(r.Settlement), Cash: int64(r.Cash),
		RecvAccount: r.RecvAccount, SucceededMs: ms(r.SucceededAt), SentMs: ms(r.SentAt), TriedMs: ms(r.TriedAt),
		Tries: r.Tries, Accepted: r.Accepted, Unanswered: r.Unanswered, Refused: r.Refused, DoAct: string(r.Do),
		DoMs: ms(r.DoAt), MissingMs: ms(r.MissingAt), UpdatedMs: ms(r.UpdatedAt), Code: r.Code, Text: r.Text, Promo: r.Promo,
		MerchantID: c.From.MerchantID, OutRefundNo: c.From.OutRefundNo, OutTradeNo: c.From.OutTradeNo,
		FromState: string(c.From.State), FromUnit: c.From.Unit, OnOrder: c.OnOrder != "",
	}))
	u.add(1)(q.BookRefundOnOrder(ctx, sqlcgen.BookRefundOnOrderParams{
		Reserved: int64(c.Reserved), Refunded: int64(c.Refunded), SentMs: ms(c.SentAt), Late: string(c.Late), Unit: u.id,
		UpdatedMs: ms(r.UpdatedAt), MerchantID: c.From.MerchantID, OutTradeNo: c.From.OutTradeNo, OutRefundNo: c.From.OutRefundNo,
	}))
	u.post(ctx, q, c.From.OutTradeNo, c.Postings)
	u.human(ctx, q, c.From.OutTradeNo, r.OutRefundNo, c.Hand, c.Raise, c.Calm, r.UpdatedAt)
	if c.Late != pay.LateNone { // what ends with it was raised for the order too
		u.calm(ctx, q, c.From.OutTradeNo, "", c.Calm, r.UpdatedAt)
	}
	u.edit(ctx, q, c.From.OutTradeNo, edits)
	if won, err = s.submit(ctx, u); err != nil {
		return false, fmt.Errorf("settle refund %s: %w", c.From.OutRefundNo, err)
	}
	return won, nil
}

func refundParams(r pay.Refund, unit string) sqlcgen.InsertRefundParams {
	return sqlcgen.InsertRefundParams{
		OutRefundNo: r.OutRefundNo, State: string(r.State), Origin: string(r.Origin), Amount: int64(r.Amount),
		Reason: r.Reason, NotifyUrl: r.NotifyURL, Extra: r.Extra, RefundID: r.RefundID, Settlement: int64(r.Settlement),
		Cash: int64(r.Cash), RecvAccount: r.RecvAccount, SucceededMs: ms(r.SucceededAt), SentMs: ms(r.SentAt),
		TriedMs: ms(r.TriedAt), Tries: r.Tries, Accepted: r.Accepted, Unanswered: r.Unanswered, Refused: r.Refused,
		DoAct: string(r.Do), DoMs: ms(r.DoAt), MissingMs: ms(r.MissingAt), CreatedMs: ms(r.CreatedAt),
		UpdatedMs: ms(r.UpdatedAt), Code: r.Code, Text: r.Text,
		ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID, AuthorizedBy: r.AuthorizedBy,
		TerminalType: r.TerminalType, SubTerminalType: r.SubTerminalType, Authen: r.Authen, Account: r.Account, Promo: r.Promo,
		MerchantID: r.MerchantID, OutTradeNo: r.OutTradeNo, Unit: unit,
	}
}

// Refund reads one refund, or returns an error that wraps pay.ErrNotFound.
func (s *Store) Refund(ctx context.Context, merchantID, outRefundNo string) (pay.Refund, error) {
	r, err := s.read.GetRefund(ctx, sqlcgen.GetRefundParams{MerchantID: merchantID, OutRefundNo: outRefundNo})
	if err != nil {
		return pay.Refund{}, fmt.Errorf("read refund %s: %w", outRefundNo, absent(err))
	}
	return refundOf(r), nil
}

// Refunds reads the refunds of one order in the order of their creation; it is
// empty when there are none.
func (s *Store) Refunds(ctx context.Context, merchantID, outTradeNo string) ([]pay.Refund, error) {
	rows, err := s.read.ListRefunds(ctx, sqlcgen.ListRefundsParams{
		MerchantID: merchantID, OutTradeNo: outTradeNo, RowLimit: maxList,
	})
	if err != nil {
		return nil, fmt.Errorf("read refunds of order %s: %w", outTradeNo, err)
	}
	return mapped(rows, refundOf), nil
}
