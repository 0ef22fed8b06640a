package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// The kinds of entries of a report.
const (
	ReportOrder  int64 = 1
	ReportRefund int64 = 2
)

// The axes of time of a report: what an order stands at. Refunds stand at
// their acceptance on both.
const (
	AxisCreated int64 = 1
	AxisPaid    int64 = 2
)

// ReportFilter narrows a report of one merchant; "" and 0 match everything.
// Level says at which dims to look (migration 00006): the lowest that tells
// apart what is filtered and grouped by.
type ReportFilter struct {
	MerchantID      string
	Level           int64 // 0, 1 or 2; entries know 0 and 2
	ShopID          string
	StaffID         string
	DeviceID        string
	QRCodeID        string
	SourceType      int64
	Channel         pay.Channel
	TradeType       pay.TradeType
	TerminalType    int64
	SubTerminalType int64
}

// ReportGroup is what figures are grouped by. Members that are not grouped by
// are zero.
type ReportGroup struct {
	StartMS    int64 // begin of the span, Unix milliseconds
	ShopID     string
	StaffID    string
	DeviceID   string
	QRCodeID   string
	SourceType int64
	Channel    pay.Channel
	TradeType  pay.TradeType
}

// ReportBy says which members of ReportGroup tell groups apart.
type ReportBy struct {
	Start, Shop, Staff, Device, QRCode, Source, Channel, Trade bool
}

// ReportSums are the figures of a group, amounts in fen (migration 00006,
// report_cells). They are signed: differences are such figures too.
type ReportSums struct {
	Orders, OrderOKs, Refunds, RefundOKs               int64
	PaidCount, PaidAmount, PaidSettle, PaidFee         int64
	UndoneCount, UndoneAmount, UndoneSettle, UndoneFee int64
	BackCount, BackAmount, BackSettle, BackFee         int64
	Refunded                                           int64
}

// Plus returns the sum of two figures.
func (s ReportSums) Plus(t ReportSums) ReportSums {
	return ReportSums{
		Orders: s.Orders + t.Orders, OrderOKs: s.OrderOKs + t.OrderOKs, Refunds: s.Refunds + t.Refunds, RefundOKs: s.RefundOKs + t.RefundOKs,
		PaidCount: s.PaidCount + t.PaidCount, PaidAmount: s.PaidAmount + t.PaidAmount,
		PaidSettle: s.PaidSettle + t.PaidSettle, PaidFee: s.PaidFee + t.PaidFee,
		UndoneCount: s.UndoneCount + t.UndoneCount, UndoneAmount: s.UndoneAmount + t.UndoneAmount,
		UndoneSettle: s.UndoneSettle + t.UndoneSettle, UndoneFee: s.UndoneFee + t.UndoneFee,
		BackCount: s.BackCount + t.BackCount, BackAmount: s.BackAmount + t.BackAmount,
		BackSettle: s.BackSettle + t.BackSettle, BackFee: s.BackFee + t.BackFee, Refunded: s.Refunded + t.Refunded,
	}
}

// ReportCell is one group and its figures.
type ReportCell struct {
	ReportGroup
	ReportSums
}

// ReportEntry is what one order or refund means to a report. Times are Unix
// milliseconds, 0 for never, amounts fen.
type ReportEntry struct {
	Kind                          int64
	Number, OutTradeNo            string
	ShopID, StaffID, DeviceID     string
	QRCodeID                      string
	SourceType                    int64
	Channel                       pay.Channel
	TradeType                     pay.TradeType
	TerminalType, SubTerminalType int64
	CreatedMS, PaidMS, UndoneMS   int64
	OK, Counted                   int64 // 0 or 1
	Amount, Settle, Fee, Refunded int64
}

// ReportChange is an order or refund that was written since the last fold: how
// it stands, and how it is folded. They differ in no dim.
type ReportChange struct {
	New     ReportEntry // Fee is to be made with Rate
	Rate    int64       // of the fold, in millionths; valid if Folded
	Folded  bool
	Old     ReportEntry
	PayerID string
}

// ReportRef is one row of a list.
type ReportRef struct {
	Kind   int64
	Number string
	Rate   int64 // with which the row was folded, in millionths
	AtMS   int64
}

// ReportReader reads reports on one consistent state of everything. It is valid
// inside ReadReport only.
type ReportReader struct {
	q        *sqlcgen.Queries
	merchant string
	folded   int64
}

// ReadReport runs f on one consistent state. A merchant that was never folded
// is read live as a whole.
func (s *Store) ReadReport(ctx context.Context, merchantID string, f func(*ReportReader) error) error {
	return s.db.snapshot(ctx, func(q *sqlcgen.Queries) error {
		r := &ReportReader{q: q, merchant: merchantID}
		m, err := q.GetReportMark(ctx, merchantID)
		switch err = absent(err); {
		case err == nil:
			r.folded = m.FoldedMs
		case !errors.Is(err, pay.ErrNotFound):
			return fmt.Errorf("read mark of reports: %w", err)
		}
		return f(r)
	})
}

// Changes reads what was written since the last fold, and reports whether that
// is all: more than limit orders or refunds are not read.
func (r *ReportReader) Changes(ctx context.Context, limit int) (cs []ReportChange, all bool, err error) {
	orders, err := r.q.ListLiveOrders(ctx, sqlcgen.ListLiveOrdersParams{MerchantID: r.merchant, FromMs: r.folded, RowLimit: int32(limit) + 1}) //nolint:gosec // limits are small
	if err != nil {
		return nil, false, fmt.Errorf("read orders since the last fold: %w", err)
	}
	refunds, err := r.q.ListLiveRefunds(ctx, sqlcgen.ListLiveRefundsParams{MerchantID: r.merchant, FromMs: r.folded, RowLimit: int32(limit) + 1}) //nolint:gosec // limits are small
	if err != nil {
		return nil, false, fmt.Errorf("read refunds since the last fold: %w", err)
	}
	if len(orders) > limit || len(refunds) > limit {
		return nil, false, nil
	}
	cs = make([]ReportChange, 0, len(orders)+len(refunds))
	for _, o := range orders {
		cs = append(cs, changeOf(ReportOrder, o))
	}
	for _, f := range refunds {
		cs = append(cs, changeOf(ReportRefund, sqlcgen.ListLiveOrdersRow(f)))
	}
	return cs, true, nil
}

func changeOf(kind int64, v sqlcgen.ListLiveOrdersRow) ReportChange {
	c := ReportChange{
		New: ReportEntry{
			Kind: kind, Number: v.Number, OutTradeNo: v.OutTradeNo, ShopID: v.ShopID, StaffID: v.StaffID, DeviceID: v.DeviceID,
			QRCodeID: v.QrcodeID, SourceType: v.SourceType, Channel: pay.Channel(v.Channel), TradeType: pay.TradeType(v.TradeType),
			TerminalType: v.TerminalType, SubTerminalType: v.SubTerminalType, CreatedMS: v.CreatedMs, PaidMS: v.PaidMs,
			UndoneMS: v.UndoneMs, OK: v.Ok, Counted: v.Counted, Amount: v.Amount, Settle: v.Settle, Refunded: v.Refunded,
		},
		Rate: v.OldRate, Folded: v.OldVersion != "", PayerID: v.PayerID,
	}
	if c.Folded {
		c.Old = c.New
		o := &c.Old
		o.CreatedMS, o.PaidMS, o.UndoneMS, o.OK, o.Counted = v.OldCreatedMs, v.OldPaidMs, v.OldUndoneMs, v.OldOk, v.OldCounted
		o.Amount, o.Settle, o.Fee, o.Refunded = v.OldAmount, v.OldSettle, v.OldFee, v.OldRefunded
	}
	return c
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Counts counts the folded rows of lists in spans that begin in [from, to), Unix
// milliseconds: Cells by Start with nothing but Orders to RefundOKs.
func (r *ReportReader) Counts(ctx context.Context, f ReportFilter, axis int64, span time.Duration, from, to int64) ([]ReportCell, error) {
	rows, err := r.q.ListReportCounts(ctx, sqlcgen.ListReportCountsParams{
		MerchantID: r.merchant, Level: f.Level, ShopID: f.ShopID, StaffID: f.StaffID, DeviceID: f.DeviceID, QrcodeID: f.QRCodeID,
		SourceType: f.SourceType, Channel: string(f.Channel), TradeType: int64(f.TradeType), TerminalType: f.TerminalType,
		SubTerminalType: f.SubTerminalType, Axis: axis, SpanMs: span.Milliseconds(), FromMs: from, ToMs: to,
	})
	if err != nil {
		return nil, fmt.Errorf("read counts of reports: %w", err)
	}
	return mapped(rows, func(v sqlcgen.ListReportCountsRow) ReportCell {
		return ReportCell{
			ReportGroup: ReportGroup{StartMS: v.StartMs},
			ReportSums:  ReportSums{Orders: v.Orders, OrderOKs: v.OrderOks, Refunds: v.Refunds, RefundOKs: v.RefundOks},
		}
	}), nil
}

// Cells sums the folded cells of spans that begin in [from, to), Unix
// milliseconds, by group.
func (r *ReportReader) Cells(ctx context.Context, f ReportFilter, by ReportBy, axis int64, span time.Duration, from, to int64) ([]ReportCell, error) {
	rows, err := r.q.ListReportCells(ctx, sqlcgen.ListReportCellsParams{
		ByStart: one(by.Start), ByShop: one(by.Shop), ByStaff: one(by.Staff), ByDevice: one(by.Device), ByQrcode: one(by.QRCode),
		BySource: one(by.Source), ByChannel: one(by.Channel), ByTrade: one(by.Trade), MerchantID: r.merchant, Level: f.Level,
		ShopID: f.ShopID, StaffID: f.StaffID, DeviceID: f.DeviceID, QrcodeID: f.QRCodeID, SourceType: f.SourceType,
		Channel: string(f.Channel), TradeType: int64(f.TradeType), TerminalType: f.TerminalType, SubTerminalType: f.SubTerminalType,
		Axis: axis, SpanMs: span.Milliseconds(), FromMs: from, ToMs: to,
	})
	if err != nil {
		return nil, fmt.Errorf("read cells of reports: %w", err)
	}
	return mapped(rows, func(v sqlcgen.ListReportCellsRow) ReportCell {
		return ReportCell{
			ReportGroup: ReportGroup{
				StartMS: v.StartMs, ShopID: v.ShopID, StaffID: v.StaffID, DeviceID: v.DeviceID, QRCodeID: v.QrcodeID,
				SourceType: v.SourceType, Channel: pay.Channel(v.Channel), TradeType: pay.TradeType(v.TradeType),
			},
			ReportSums: ReportSums{
				Orders: v.Orders, OrderOKs: v.OrderOks, Refunds: v.Refunds, RefundOKs: v.RefundOks,
				PaidCount: v.PaidCount, PaidAmount: v.PaidAmount, PaidSettle: v.PaidSettle, PaidFee: v.PaidFee,
				UndoneCount: v.UndoneCount, UndoneAmount: v.UndoneAmount, UndoneSettle: v.UndoneSettle, UndoneFee: v.UndoneFee,
				BackCount: v.BackCount, BackAmount: v.BackAmount, BackSettle: v.BackSettle, BackFee: v.BackFee, Refunded: v.Refunded,
			},
		}
	}), nil
}
