package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// ReportPiece is a piece of a list: entries of some kinds that stand in
// [From, To), Unix milliseconds.
type ReportPiece struct {
	Axis            int64
	From, To        int64
	Orders, Refunds bool // which kinds
	OKOnly          bool
	Offset, Limit   int
}

// Page reads folded entries, newest first; at one time refunds come before
// orders, and then numbers descend.
func (r *ReportReader) Page(ctx context.Context, f ReportFilter, p ReportPiece) (refs []ReportRef, err error) {
	a := sqlcgen.PageEntriesCreated0Params{
		MerchantID: r.merchant, Level: f.Level, ShopID: f.ShopID, StaffID: f.StaffID, DeviceID: f.DeviceID, QrcodeID: f.QRCodeID,
		SourceType: f.SourceType, Channel: string(f.Channel), TradeType: int64(f.TradeType), TerminalType: f.TerminalType,
		SubTerminalType: f.SubTerminalType, FromMs: p.From, ToMs: p.To, MinKind: ReportRefund, MaxKind: ReportOrder,
		MinOk: one(p.OKOnly), RowOffset: int32(p.Offset), RowLimit: int32(p.Limit), //nolint:gosec // bounded by what stands in a piece
	}
	if p.Orders {
		a.MinKind = ReportOrder
	}
	if p.Refunds {
		a.MaxKind = ReportRefund
	}
	if f.Level != 0 {
		a.Level = 2
	}
	switch {
	case p.Axis == AxisCreated && a.Level == 0:
		rows, failed := r.q.PageEntriesCreated0(ctx, a)
		refs, err = mapped(rows, refOf), failed
	case p.Axis == AxisCreated:
		rows, failed := r.q.PageEntriesCreated2(ctx, sqlcgen.PageEntriesCreated2Params(a))
		refs, err = mapped(rows, func(v sqlcgen.PageEntriesCreated2Row) ReportRef { return refOf(sqlcgen.PageEntriesCreated0Row(v)) }), failed
	case a.Level == 0:
		rows, failed := r.q.PageEntriesPaid0(ctx, sqlcgen.PageEntriesPaid0Params(a))
		refs, err = mapped(rows, func(v sqlcgen.PageEntriesPaid0Row) ReportRef { return refOf(sqlcgen.PageEntriesCreated0Row(v)) }), failed
	default:
		rows, failed := r.q.PageEntriesPaid2(ctx, sqlcgen.PageEntriesPaid2Params(a))
		refs, err = mapped(rows, func(v sqlcgen.PageEntriesPaid2Row) ReportRef { return refOf(sqlcgen.PageEntriesCreated0Row(v)) }), failed
	}
	if err != nil {
		return nil, fmt.Errorf("read a page of entries: %w", err)
	}
	return refs, nil
}

func refOf(v sqlcgen.PageEntriesCreated0Row) ReportRef {
	return ReportRef{Kind: v.Kind, Number: v.Number, Rate: v.Rate, AtMS: v.AtMs}
}

// Edge reads the folded entries that stand in [from, to), Unix milliseconds, a
// piece of time too short for cells. On AxisPaid an order that was reversed in
// it comes too, wherever it was paid, and twice if both fall into the piece.
// Level 0 entries carry no shop, staff, device or code.
func (r *ReportReader) Edge(ctx context.Context, f ReportFilter, axis, from, to int64, limit int) (paid, undone []ReportEntry, err error) {
	a := sqlcgen.EdgeEntriesCreated0Params{
		MerchantID: r.merchant, Level: f.Level, ShopID: f.ShopID, StaffID: f.StaffID, DeviceID: f.DeviceID, QrcodeID: f.QRCodeID,
		SourceType: f.SourceType, Channel: string(f.Channel), TradeType: int64(f.TradeType), TerminalType: f.TerminalType,
		SubTerminalType: f.SubTerminalType, FromMs: from, ToMs: to, RowLimit: int32(limit) + 1, //nolint:gosec // limits are small
	}
	if f.Level != 0 {
		a.Level = 2
	}
	switch {
	case axis == AxisCreated && a.Level == 0:
		rows, failed := r.q.EdgeEntriesCreated0(ctx, a)
		paid, err = mapped(rows, entryOf), failed
	case axis == AxisCreated:
		rows, failed := r.q.EdgeEntriesCreated2(ctx, sqlcgen.EdgeEntriesCreated2Params(a))
		paid, err = mapped(rows, func(v sqlcgen.EdgeEntriesCreated2Row) ReportEntry { return entryOf(sqlcgen.EdgeEntriesCreated0Row(v)) }), failed
	case a.Level == 0:
		rows, failed := r.q.EdgeEntriesPaid0(ctx, sqlcgen.EdgeEntriesPaid0Params(a))
		paid, err = mapped(rows, func(v sqlcgen.EdgeEntriesPaid0Row) ReportEntry { return entryOf(sqlcgen.EdgeEntriesCreated0Row(v)) }), failed
	default:
		rows, failed := r.q.EdgeEntriesPaid2(ctx, sqlcgen.EdgeEntriesPaid2Params(a))
		paid, err = mapped(rows, func(v sqlcgen.EdgeEntriesPaid2Row) ReportEntry { return entryOf(sqlcgen.EdgeEntriesCreated0Row(v)) }), failed
	}
	if err == nil && axis == AxisPaid {
		undone, err = r.undone(ctx, a)
	}
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read entries of a piece of time: %w", err)
	case len(paid) > limit || len(undone) > limit:
		return nil, nil, errors.New("read entries of a piece of time: there are too many")
	}
	return paid, undone, nil
}

func (r *ReportReader) undone(ctx context.Context, a sqlcgen.EdgeEntriesCreated0Params) ([]ReportEntry, error) {
	rows, err := r.q.EdgeEntriesUndone(ctx, sqlcgen.EdgeEntriesUndoneParams{
		MerchantID: a.MerchantID, ShopID: a.ShopID, StaffID: a.StaffID, DeviceID: a.DeviceID, QrcodeID: a.QrcodeID,
		SourceType: a.SourceType, Channel: a.Channel, TradeType: a.TradeType, TerminalType: a.TerminalType,
		SubTerminalType: a.SubTerminalType, FromMs: a.FromMs, ToMs: a.ToMs, RowLimit: a.RowLimit,
	})
	return mapped(rows, func(v sqlcgen.EdgeEntriesUndoneRow) ReportEntry { return entryOf(sqlcgen.EdgeEntriesCreated0Row(v)) }), err
}

func entryOf(v sqlcgen.EdgeEntriesCreated0Row) ReportEntry {
	return ReportEntry{
		Kind: v.Kind, Number: v.Number, ShopID: v.ShopID, StaffID: v.StaffID, DeviceID: v.DeviceID, QRCodeID: v.QrcodeID,
		SourceType: v.SourceType, Channel: pay.Channel(v.Channel), TradeType: pay.TradeType(v.TradeType), CreatedMS: v.CreatedMs,
		PaidMS: v.PaidMs, UndoneMS: v.UndoneMs, OK: v.Ok, Counted: v.Counted, Amount: v.Amount, Settle: v.Settle, Fee: v.Fee,
		Refunded: v.Refunded,
	}
}

// Payers reads who paid the orders that stand as paid in [from, to), Unix
// milliseconds, each once and at most limit, as far as the orders are folded.
func (r *ReportReader) Payers(ctx context.Context, f ReportFilter, from, to int64, limit int) (ids []string, err error) {
	a := sqlcgen.ListPayers0Params{
		MerchantID: r.merchant, Level: f.Level, ShopID: f.ShopID, StaffID: f.StaffID, DeviceID: f.DeviceID, QrcodeID: f.QRCodeID,
		SourceType: f.SourceType, Channel: string(f.Channel), TradeType: int64(f.TradeType), TerminalType: f.TerminalType,
		SubTerminalType: f.SubTerminalType, FromMs: from, ToMs: to, RowLimit: int32(limit), //nolint:gosec // limits are small
	}
	if f.Level == 0 {
		ids, err = r.q.ListPayers0(ctx, a)
	} else {
		a.Level = 2
		ids, err = r.q.ListPayers2(ctx, sqlcgen.ListPayers2Params(a))
	}
	if err != nil {
		return nil, fmt.Errorf("read payers: %w", err)
	}
	return ids, nil
}

// Named reads one order, if outTradeNo is not empty, and the refunds that are
// of this order or have this number, as they stand now, with the rate of each:
// the one it was folded with, or else the given one. Amounts as in a change.
func (r *ReportReader) Named(ctx context.Context, outTradeNo, outRefundNo string, rate int64) (cs []ReportChange, err error) {
	if outTradeNo != "" {
		rows, err := r.q.GetReportOrder(ctx, sqlcgen.GetReportOrderParams{Rate: rate, MerchantID: r.merchant, Number: outTradeNo})
		if err != nil {
			return nil, fmt.Errorf("read order %s for a report: %w", outTradeNo, err)
		}
		for _, v := range rows {
			cs = append(cs, namedOf(ReportOrder, v))
		}
	}
	rows, err := r.q.GetReportRefunds(ctx, sqlcgen.GetReportRefundsParams{
		Rate: rate, MerchantID: r.merchant, OutTradeNo: outTradeNo, OutRefundNo: outRefundNo, RowLimit: maxList,
	})
	if err != nil {
		return nil, fmt.Errorf("read refunds for a report: %w", err)
	}
	for _, v := range rows {
		cs = append(cs, namedOf(ReportRefund, sqlcgen.GetReportOrderRow(v)))
	}
	return cs, nil
}

func namedOf(kind int64, v sqlcgen.GetReportOrderRow) ReportChange {
	return ReportChange{Rate: v.Rate, Folded: true, PayerID: v.PayerID, New: ReportEntry{
		Kind: kind, Number: v.Number, OutTradeNo: v.OutTradeNo, ShopID: v.ShopID, StaffID: v.StaffID, DeviceID: v.DeviceID,
		QRCodeID: v.QrcodeID, SourceType: v.SourceType, Channel: pay.Channel(v.Channel), TradeType: pay.TradeType(v.TradeType),
		TerminalType: v.TerminalType, SubTerminalType: v.SubTerminalType, CreatedMS: v.CreatedMs, PaidMS: v.PaidMs,
		UndoneMS: v.UndoneMs, OK: v.Ok, Counted: v.Counted, Amount: v.Amount, Settle: v.Settle, Refunded: v.Refunded,
	}}
}

// perRead is how many rows ListOrdersByNumber and ListRefundsByNumber name.
const perRead = 20

// OrdersByNumber reads orders by their numbers, as they stand now. Those that
// do not exist are absent.
func (s *Store) OrdersByNumber(ctx context.Context, merchantID string, numbers []string) (map[string]pay.Order, error) {
	out := make(map[string]pay.Order, len(numbers))
	for len(numbers) > 0 {
		n := namedTwenty(&numbers)
		rows, err := s.read.ListOrdersByNumber(ctx, sqlcgen.ListOrdersByNumberParams{
			MerchantID: merchantID, N1: n[0], N2: n[1], N3: n[2], N4: n[3], N5: n[4], N6: n[5], N7: n[6], N8: n[7], N9: n[8], N10: n[9],
			N11: n[10], N12: n[11], N13: n[12], N14: n[13], N15: n[14], N16: n[15], N17: n[16], N18: n[17], N19: n[18], N20: n[19],
		})
		if err != nil {
			return nil, fmt.Errorf("read orders of a page: %w", err)
		}
		for _, r := range rows {
			out[r.OutTradeNo] = orderOf(r)
		}
	}
	return out, nil
}

// RefundsByNumber is OrdersByNumber for refunds.
func (s *Store) RefundsByNumber(ctx context.Context, merchantID string, numbers []string) (map[string]pay.Refund, error) {
	out := make(map[string]pay.Refund, len(numbers))
	for len(numbers) > 0 {
		n := namedTwenty(&numbers)
		rows, err := s.read.ListRefundsByNumber(ctx, sqlcgen.ListRefundsByNumberParams{
			MerchantID: merchantID, N1: n[0], N2: n[1], N3: n[2], N4: n[3], N5: n[4], N6: n[5], N7: n[6], N8: n[7], N9: n[8], N10: n[9],
			N11: n[10], N12: n[11], N13: n[12], N14: n[13], N15: n[14], N16: n[15], N17: n[16], N18: n[17], N19: n[18], N20: n[19],
		})
		if err != nil {
			return nil, fmt.Errorf("read refunds of a page: %w", err)
		}
		for _, r := range rows {
			out[r.OutRefundNo] = refundOf(r)
		}
	}
	return out, nil
}

// namedTwenty takes the next numbers off the list and fills up by repeating one.
func namedTwenty(numbers *[]string) (n [perRead]string) {
	took := copy(n[:], *numbers)
	*numbers = (*numbers)[took:]
	for i := took; i < perRead; i++ {
		n[i] = n[0]
	}
	return n
}

// LastTrade returns when an order of a shop, or with shopID "" of the merchant,
// was last paid: the wallet's time. It is the zero time if none ever was.
func (s *Store) LastTrade(ctx context.Context, merchantID, shopID string) (last time.Time, err error) {
	err = s.ReadReport(ctx, merchantID, func(r *ReportReader) error {
		folded, err := r.q.LastFoldedTrade(ctx, sqlcgen.LastFoldedTradeParams{MerchantID: merchantID, ShopID: shopID})
		if err != nil {
			return err
		}
		live, err := r.q.LastLiveTrade(ctx, sqlcgen.LastLiveTradeParams{MerchantID: merchantID, FromMs: r.folded, ShopID: shopID})
		last = at(max(folded, live))
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read last trade of merchant %s: %w", merchantID, err)
	}
	return last, nil
}
