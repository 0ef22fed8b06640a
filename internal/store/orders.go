package store

import (
	"context"
	"errors"
	"fmt"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// maxList bounds every list that has no limit of its own: an order with more
// refunds or postings than this does not exist (refunds are at least 1 fen and
// seconds apart).
const maxList = 10_000

// OpenOrder inserts an order and its jobs: commit 1 of a payment. won is false
// when the number exists, or when another open order of the merchant holds the
// same payment code; nothing was written then. o.Unit becomes the row's unit;
// when it is empty the store makes one, which only a later read shows. The
// order must be new: of what a settlement writes only State, TransactionID,
// AskAt, Seen and Truth may be set.
func (s *Store) OpenOrder(ctx context.Context, o pay.Order, edits ...jobs.Edit) (won bool, err error) {
	if !isNew(o) {
		return false, fmt.Errorf("open order %s: it carries more than a new order has", o.OutTradeNo)
	}
	u, q := s.newUnit(o.Unit, o.MerchantID)
	u.found = foundOrder(u, o.OutTradeNo)
	u.add(1)(q.InsertOrder(ctx, sqlcgen.InsertOrderParams{
		MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, State: string(o.State), Unit: u.id,
		CodeHeld: o.CodeHash != "" && !o.State.Final(), Total: int64(o.Total), ProviderID: o.ProviderID,
		Channel: string(o.Channel), TradeType: int64(o.TradeType), Currency: o.Currency, Fingerprint: o.Fingerprint,
		CodeHash: o.CodeHash, ShopID: o.ShopID, DeviceID: o.DeviceID, StaffID: o.StaffID, Body: o.Body,
		NotifyUrl: o.NotifyURL, Extra: o.Extra, TransactionID: o.TransactionID, SentMs: ms(o.SentAt),
		CreatedMs: ms(o.CreatedAt), UpdatedMs: ms(o.UpdatedAt), AskMs: ms(o.AskAt), Seen: string(o.Seen),
		Truth: string(o.Truth), TerminalType: o.TerminalType, SubTerminalType: o.SubTerminalType, QrcodeID: o.QRCodeID,
		SourceType: o.SourceType, Authen: o.Authen, ExpireMs: ms(o.ExpireAt), Settle: string(o.Settle), HoldLate: o.HoldLate,
	}))
	u.edit(ctx, q, o.OutTradeNo, edits)
	if won, err = s.submit(ctx, u); err != nil {
		return false, fmt.Errorf("open order %s: %w", o.OutTradeNo, err)
	}
	return won, nil
}

// isNew reports whether o has nothing that InsertOrder does not write.
func isNew(o pay.Order) bool {
	return o == pay.Order{
		MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, ProviderID: o.ProviderID, Channel: o.Channel,
		TradeType: o.TradeType, State: o.State, Unit: o.Unit, Total: o.Total, Currency: o.Currency,
		Fingerprint: o.Fingerprint, CodeHash: o.CodeHash, ShopID: o.ShopID, DeviceID: o.DeviceID, StaffID: o.StaffID,
		Body: o.Body, NotifyURL: o.NotifyURL, Extra: o.Extra, TransactionID: o.TransactionID, SentAt: o.SentAt,
		CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt, AskAt: o.AskAt, Seen: o.Seen, Truth: o.Truth,
		TerminalType: o.TerminalType, SubTerminalType: o.SubTerminalType, QRCodeID: o.QRCodeID, SourceType: o.SourceType,
		Authen: o.Authen, ExpireAt: o.ExpireAt, Settle: o.Settle, HoldLate: o.HoldLate,
	}
}

// SettleOrder writes c.Order, its postings, the refunds it discovers and the
// jobs, if the stored row still has c.From's State and Unit. won is false when
// somebody else settled first; nothing was written then. The row's new unit is
// c.Order.Unit if that is neither empty nor c.From.Unit, else one that the
// store makes. An event that is booked already is an error.
func (s *Store) SettleOrder(ctx context.Context, c pay.Change, edits ...jobs.Edit) (won bool, err error) {
	if !sameIntent(c.From, c.Order) {
		return false, fmt.Errorf("settle order %s: the change touches what an order never changes", c.From.OutTradeNo)
	}
	u, q := s.newUnit(freshUnit(c.Order.Unit, c.From.Unit), c.From.MerchantID)
	u.found = foundOrder(u, c.From.OutTradeNo)
	if isPayment(c) {
		u.add(1)(q.SettleOrderPaid(ctx, paidParams(c, u.id)))
	} else {
		u.add(1)(q.SettleOrder(ctx, settleParams(c, u.id)))
	}
	u.post(ctx, q, c.From.OutTradeNo, c.Postings)
	for _, r := range c.Refunds {
		if r.OutTradeNo != c.From.OutTradeNo || r.MerchantID != c.From.MerchantID {
			return false, fmt.Errorf("settle order %s: refund %s is of another order", c.From.OutTradeNo, r.OutRefundNo)
		}
		u.add(1)(q.InsertRefund(ctx, refundParams(r, u.id)))
	}
	u.human(ctx, q, c.From.OutTradeNo, "", c.Hand, c.Raise, c.Calm, c.Order.UpdatedAt)
	u.edit(ctx, q, c.From.OutTradeNo, edits)
	if won, err = s.submit(ctx, u); err != nil {
		return false, fmt.Errorf("settle order %s: %w", c.From.OutTradeNo, err)
	}
	return won, nil
}

// freshUnit returns the unit that the caller chose for its change, "" for none.
func freshUnit(chosen, from string) string {
	if chosen == from {
		return ""
	}
	return chosen
}

// sameIntent reports whether two rows agree in everything that an order keeps
// for life and that no settlement writes.
func sameIntent(a, b pay.Order) bool {
	return a.MerchantID == b.MerchantID && a.OutTradeNo == b.OutTradeNo && a.ProviderID == b.ProviderID &&
		a.Channel == b.Channel && a.TradeType == b.TradeType && a.Total == b.Total && a.Currency == b.Currency &&
		a.Fingerprint == b.Fingerprint && a.CodeHash == b.CodeHash && a.ShopID == b.ShopID && a.DeviceID == b.DeviceID &&
		a.StaffID == b.StaffID && a.TerminalType == b.TerminalType && a.SubTerminalType == b.SubTerminalType &&
		a.QRCodeID == b.QRCodeID && a.SourceType == b.SourceType && a.Authen == b.Authen && a.ExpireAt.Equal(b.ExpireAt) && a.Body == b.Body && a.NotifyURL == b.NotifyURL && a.Extra == b.Extra &&
		a.Settle == b.Settle && a.SentAt.Equal(b.SentAt) && a.CreatedAt.Equal(b.CreatedAt)
}

// isPayment reports whether a change touches only what SettleOrderPaid writes.
func isPayment(c pay.Change) bool {
	o := c.From
	n := &c.Order
	o.State, o.Unit, o.TransactionID, o.UpdatedAt, o.AskAt = n.State, n.Unit, n.TransactionID, n.UpdatedAt, n.AskAt
	o.Seen, o.Truth, o.Settlement, o.Cash, o.PayerID = n.Seen, n.Truth, n.Settlement, n.Cash, n.PayerID
	o.BankType, o.PaidAt, o.Code, o.Promo = n.BankType, n.PaidAt, n.Code, n.Promo
	return o == *n
}

func paidParams(c pay.Change, unit string) sqlcgen.SettleOrderPaidParams {
	o := c.Order
	return sqlcgen.SettleOrderPaidParams{
		State: string(o.State), Unit: unit, Open: !o.State.Final(), TransactionID: o.TransactionID,
		UpdatedMs: ms(o.UpdatedAt), AskMs: ms(o.AskAt), Seen: string(o.Seen), Truth: string(o.Truth),
		Settlement: int64(o.Settlement), Cash: int64(o.Cash), PayerID: o.PayerID, BankType: o.BankType,
		PaidMs: ms(o.PaidAt), Code: o.Code, Promo: o.Promo,
		MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, FromState: string(c.From.State), FromUnit: c.From.Unit,
	}
}

func settleParams(c pay.Change, unit string) sqlcgen.SettleOrderParams {
	o := c.Order
	return sqlcgen.SettleOrderParams{
		State: string(o.State), Unit: unit, Open: !o.State.Final(), Reserved: int64(o.Reserved), Refunded: int64(o.Refunded),
		TransactionID: o.TransactionID, UpdatedMs: ms(o.UpdatedAt), AskMs: ms(o.AskAt), Seen: string(o.Seen),
		Truth: string(o.Truth), Settlement: int64(o.Settlement), Cash: int64(o.Cash), PayerID: o.PayerID,
		BankType: o.BankType, PaidMs: ms(o.PaidAt), Code: o.Code, Reason: string(o.Reason), Text: o.Text,
		Late: string(o.Late), Finished: o.Finished, RefundSentMs: ms(o.RefundSentAt), AskedMs: ms(o.AskedAt),
		Asks: o.Asks, UnpaidMs: ms(o.UnpaidAt), MissingMs: ms(o.MissingAt), ReverseSentMs: ms(o.ReverseSentAt),
		ReversedMs: ms(o.ReversedAt), ReverseTries: o.ReverseTries, ReversePauseMs: o.ReversePause.Milliseconds(),
		NoReverse: o.NoReverse, Stopped: o.Stopped, Duplicate: o.Duplicate, ReverseAsk: o.ReverseAsk, Watch: o.Watch,
		ReverseDone: o.ReverseDone, RefundInstead: o.RefundInstead, PaidSeen: o.PaidSeen, ReverseGone: o.ReverseGone,
		Prepaid: prepaidText(o.Prepaid), Promo: o.Promo, HoldLate: o.HoldLate,
		MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, FromState: string(c.From.State), FromUnit: c.From.Unit,
	}
}

// foundOrder reads back whether a unit that wrote this order was committed.
func foundOrder(u *unit, outTradeNo string) func(context.Context, *sqlcgen.Queries) (bool, error) {
	return func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		n, err := q.HasUnitOfOrder(ctx, sqlcgen.HasUnitOfOrderParams{MerchantID: u.merchant, OutTradeNo: outTradeNo, Unit: u.id})
		return n > 0, err
	}
}

// Order reads one order, or returns an error that wraps pay.ErrNotFound.
func (s *Store) Order(ctx context.Context, merchantID, outTradeNo string) (pay.Order, error) {
	r, err := s.read.GetOrder(ctx, sqlcgen.GetOrderParams{MerchantID: merchantID, OutTradeNo: outTradeNo})
	if err != nil {
		return pay.Order{}, fmt.Errorf("read order %s: %w", outTradeNo, absent(err))
	}
	return orderOf(r), nil
}

// OrderByCode reads the open order that holds a payment code, or returns an
// error that wraps pay.ErrNotFound.
func (s *Store) OrderByCode(ctx context.Context, merchantID, codeHash string) (pay.Order, error) {
	r, err := s.read.GetOrderByCode(ctx, sqlcgen.GetOrderByCodeParams{MerchantID: merchantID, CodeHash: codeHash})
	if err != nil {
		return pay.Order{}, fmt.Errorf("read order by payment code: %w", absent(err))
	}
	return orderOf(r), nil
}

// OpenOrders reads at most limit of a merchant's orders that are not final,
// oldest first. It walks all orders of the merchant: for tests and doctor.
func (s *Store) OpenOrders(ctx context.Context, merchantID string, limit int) ([]pay.Order, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read open orders: limit is out of range")
	}
	rows, err := s.read.ListOpenOrders(ctx, sqlcgen.ListOpenOrdersParams{MerchantID: merchantID, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read open orders: %w", err)
	}
	return mapped(rows, orderOf), nil
}
