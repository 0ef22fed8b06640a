// Package report answers lists, overviews and statistics of one merchant's
// orders and refunds (protocol.md §2.3), and keeps what they are read from.
//
// # Figures that agree
//
// A fold copies each order and refund into an entry and sums entries into cells
// of days and shorter spans (internal/store/migrations/00006_report.sql). It
// runs minutes behind, so that it never meets a payment under way. A report
// reads cells and entries, and puts right what was written since: all in one
// consistent state of the database. Its figures therefore agree to the fen with
// the orders, and with the ledger, at any moment, whether or not a fold ever ran.
//
// # What counts
//
// An order counts from the moment the merchant is credited for it until a
// reverse takes it back; a refund from its acceptance unless it is rejected
// (money.md §5, §7). Late money is not the merchant's and does not count, nor
// does its return. On AxisPaid payments stand at the wallet's pay time and
// reverses at the time of the reverse, so that a day that is over stays as it
// was, and a day may be negative. Days are those of Asia/Shanghai.
//
// # Cost
//
// A page costs the same wherever it lies: counts of days and spans lead to the
// few minutes (merchant), the hour (shop) or the day (staff, device, code) that
// hold it. A total costs the days of its range.
//
// # What this room must not know
//
// It reads. It must not change an order, know the wire's messages, or ask the
// directory for names: its callers join those. It waits for nothing.
package report

import (
	"context"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Limits of a report.
const (
	// MaxPage is the longest page: 100 orders are about 200 kB of answer.
	MaxPage = 100
	// MaxSpan bounds the range of lists on the wire (protocol.md §2.3, 90 days).
	MaxSpan = 90 * day
	// maxChanges is the most orders or refunds that are read live. More means that
	// the fold is hours behind.
	maxChanges = 50_000
	// maxEdge is the most entries that are read of a piece of time too short for
	// cells: ten minutes, an hour of a shop, or a day of a till.
	maxEdge = 50_000
)

// Config is what reports need. All members but Rate are required.
type Config struct {
	Store *store.Store
	Now   func() time.Time
	// Rate returns a merchant's bank_rate in millionths, 0 for none. nil is 0 for all.
	Rate func(ctx context.Context, merchantID string) (int64, error)
}

// Reports answers reports. It is safe for concurrent use.
type Reports struct {
	c Config
}

// New returns reports on a store.
func New(c Config) *Reports {
	if c.Rate == nil {
		c.Rate = func(context.Context, string) (int64, error) { return 0, nil }
	}
	return &Reports{c: c}
}

// Kind says what a report is about. The values are the wire's (protocol.md §3.14).
type Kind int64

// The kinds of reports.
const (
	Orders  Kind = 1
	Refunds Kind = 2
	Both    Kind = 3
)

// Axis says at which of its times an order stands. Refunds stand at their
// acceptance, which is their creation here, on both.
type Axis int64

// The axes. On Paid only orders stand that the customer paid.
const (
	Created Axis = Axis(store.AxisCreated)
	Paid    Axis = Axis(store.AxisPaid)
)

// Filter says which orders and refunds of one merchant a report is about. Only
// MerchantID, Kind and Axis are required: "", 0 and zero times match everything.
type Filter struct {
	MerchantID string // out_sub_mch_id
	Kind       Kind
	Axis       Axis
	// From and To bound the time on the axis: From included, To not. A zero To is
	// now; what lies in the future is never reported.
	From, To time.Time
	// SuccessOnly leaves out of lists and counts of rows what does not stand as
	// paid (orders) or as paid back (refunds). Figures never count those.
	SuccessOnly bool

	ShopID          string // out_shop_id
	StaffID         string
	DeviceID        string
	QRCodeID        string
	SourceType      int64
	Channel         pay.Channel
	TradeType       pay.TradeType
	TerminalType    int64
	SubTerminalType int64

	// OutTradeNo picks one order and its refunds, OutRefundNo one refund. The
	// other members apply too.
	OutTradeNo  string
	OutRefundNo string
}

// CheckSpan refuses a range longer than MaxSpan, or one that is upside down.
// now stands for a zero To. The error is of kind pay.ErrInvalid.
func (f Filter) CheckSpan(now time.Time) error {
	to := f.To
	if to.IsZero() {
		to = now
	}
	if to.Before(f.From) {
		return pay.Refuse(pay.ErrInvalid, "report_range", "end_time 早于 start_time")
	}
	if to.Sub(f.From) > MaxSpan {
		return pay.Refuse(pay.ErrInvalid, "report_span", "start_time 与 end_time 的跨度不能超过 90 天")
	}
	return nil
}

// query is a filter made ready.
type query struct {
	Filter
	store.ReportFilter
	from, to int64 // Unix milliseconds, [from, to)
	rate     int64
	named    bool
}

// ready checks a filter. by is what figures are grouped by.
func (r *Reports) ready(ctx context.Context, f Filter, by store.ReportBy) (*query, error) {
	switch {
	case f.MerchantID == "":
		return nil, pay.Refuse(pay.ErrInvalid, "report_merchant", "缺少 out_sub_mch_id")
	case f.Kind < Orders || f.Kind > Both:
		return nil, pay.Refuse(pay.ErrInvalid, "report_kind", "order_type 只能是 1、2 或 3")
	case f.Axis != Created && f.Axis != Paid:
		return nil, pay.Refuse(pay.ErrInvalid, "report_axis", "时间类型只能是 1 或 2")
	case !f.To.IsZero() && f.To.Before(f.From):
		return nil, pay.Refuse(pay.ErrInvalid, "report_range", "end_time 早于 start_time")
	}
	rate, err := r.c.Rate(ctx, f.MerchantID)
	if err != nil {
		return nil, err
	}
	// One span beyond now: a row written while we look belongs to it.
	now := ceil(r.c.Now().UnixMilli()+1, slotMerchant)
	// Time 0 is where stands what has not happened.
	q := &query{Filter: f, rate: rate, from: 1, to: now, named: f.OutTradeNo != "" || f.OutRefundNo != ""}
	if !f.From.IsZero() {
		q.from = max(1, f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		q.to = min(now, f.To.UnixMilli())
	}
	q.to = max(q.to, q.from)
	q.ReportFilter = store.ReportFilter{
		MerchantID: f.MerchantID, ShopID: f.ShopID, StaffID: f.StaffID, DeviceID: f.DeviceID, QRCodeID: f.QRCodeID,
		SourceType: f.SourceType, Channel: f.Channel, TradeType: f.TradeType, TerminalType: f.TerminalType,
		SubTerminalType: f.SubTerminalType,
	}
	switch {
	case f.StaffID != "" || f.DeviceID != "" || f.QRCodeID != "" || by.Staff || by.Device || by.QRCode:
		q.Level = 2
	case f.ShopID != "" || by.Shop:
		q.Level = 1
	}
	return q, nil
}

// has reports whether the filter's dims match an entry.
func (q *query) has(e store.ReportEntry) bool {
	f := q.ReportFilter
	return (f.ShopID == "" || f.ShopID == e.ShopID) && (f.StaffID == "" || f.StaffID == e.StaffID) &&
		(f.DeviceID == "" || f.DeviceID == e.DeviceID) && (f.QRCodeID == "" || f.QRCodeID == e.QRCodeID) &&
		(f.SourceType == 0 || f.SourceType == e.SourceType) && (f.Channel == "" || f.Channel == e.Channel) &&
		(f.TradeType == 0 || f.TradeType == e.TradeType) && (f.TerminalType == 0 || f.TerminalType == e.TerminalType) &&
		(f.SubTerminalType == 0 || f.SubTerminalType == e.SubTerminalType)
}

// listed returns where an entry stands in a list of this query; ok is false if
// it does not.
func (q *query) listed(e store.ReportEntry) (at int64, ok bool) {
	at = e.CreatedMS
	if q.Axis == Paid {
		at = e.PaidMS
	}
	wanted := e.Kind == store.ReportOrder && q.Kind != Refunds || e.Kind == store.ReportRefund && q.Kind != Orders
	return at, wanted && at > 0 && at >= q.from && at < q.to && (!q.SuccessOnly || e.OK == 1) && q.has(e)
}

// changes reads what was written since the last fold.
func (q *query) changes(ctx context.Context, rd *store.ReportReader) ([]store.ReportChange, error) {
	cs, all, err := rd.Changes(ctx, maxChanges)
	if err != nil {
		return nil, err
	}
	if !all {
		return nil, pay.Refuse(pay.ErrUnavailable, "report_behind", "统计数据正在整理，请稍后再试")
	}
	for i := range cs {
		cs[i].New.Fee = q.fee(cs[i])
	}
	return cs, nil
}

// fee is the poundage of a change as it stands now: with the rate of its first
// fold, or else the merchant's.
func (q *query) fee(c store.ReportChange) int64 {
	rate := q.rate
	if c.Folded {
		rate = c.Rate
	}
	return int64(Poundage(pay.Fen(c.New.Settle), rate))
}

// Poundage is the fee of an amount at a rate in millionths (bank_rate, S003
// SubMchInfo), as pay computes it.
func Poundage(amount pay.Fen, rate int64) pay.Fen { return pay.Poundage(amount, rate) }
