package report_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"cloudpay/internal/pay"
	"cloudpay/internal/report"
	"cloudpay/internal/store"
)

// eve is shortly before midnight in Asia/Shanghai.
var eve = time.Date(2026, 11, 20, 15, 50, 0, 0, time.UTC)

// world is one merchant whose orders live through random histories, as the
// gateway would write them, while reports are folded at random moments.
type world struct {
	s        *store.Store
	merchant string
	now      time.Time
	rate     int64
	orders   []string
	refunds  []string
	r        *report.Reports
}

func newWorld(s *store.Store, merchant string) *world {
	w := &world{s: s, merchant: merchant, now: eve, rate: 6000}
	w.r = report.New(report.Config{Store: s, Now: func() time.Time { return w.now }, Rate: func(context.Context, string) (int64, error) { return w.rate, nil }})
	return w
}

func draw[T any](rt *rapid.T, what string, from ...T) T {
	return rapid.SampledFrom(from).Draw(rt, what)
}

func must[T any](rt *rapid.T) func(v T, err error) T {
	return func(v T, err error) T {
		if err != nil {
			rt.Fatal(err)
		}
		return v
	}
}

func (w *world) pass(rt *rapid.T) {
	w.now = w.now.Add(draw(rt, "pass", time.Millisecond, time.Second, 9*time.Minute, 3*time.Hour, 27*time.Hour))
}

func (w *world) order(rt *rapid.T) pay.Order {
	if len(w.orders) == 0 {
		rt.Skip("no orders yet")
	}
	return must[pay.Order](rt)(w.s.Order(rt.Context(), w.merchant, rapid.SampledFrom(w.orders).Draw(rt, "order")))
}

func (w *world) open(rt *rapid.T) {
	o := pay.Order{
		MerchantID: w.merchant, OutTradeNo: fmt.Sprintf("o%03d", len(w.orders)), ProviderID: "p",
		Channel: draw(rt, "channel", pay.Wxpay, pay.Alipay), TradeType: draw(rt, "trade", pay.TradeMicroPay, pay.TradeMicroPay, pay.TradeScanCode),
		State: pay.PAYING, Unit: w.s.NewUnit(), Total: pay.Fen(rapid.IntRange(1, 5000).Draw(rt, "total")), Currency: "CNY",
		ShopID: draw(rt, "shop", "s1", "s2"), DeviceID: draw(rt, "device", "d1", "d2"), StaffID: draw(rt, "staff", "", "a"),
		QRCodeID: draw(rt, "code", "", "q"), SourceType: draw[int64](rt, "source", 0, 1), TerminalType: draw[int64](rt, "terminal", 1, 2),
		SubTerminalType: draw[int64](rt, "model", 900, 901), SentAt: w.now, CreatedAt: w.now, UpdatedAt: w.now, Truth: pay.TruthLocal,
	}
	w.won(rt)(w.s.OpenOrder(rt.Context(), o))
	w.orders = append(w.orders, o.OutTradeNo)
}

func (w *world) won(rt *rapid.T) func(bool, error) {
	return func(won bool, err error) {
		if err != nil || !won {
			rt.Fatalf("won = %v, %v", won, err)
		}
	}
}

// change writes what an outcome means for an order.
func (w *world) change(rt *rapid.T, c pay.Change) {
	c.Order.Unit = w.s.NewUnit()
	w.won(rt)(w.s.SettleOrder(rt.Context(), c))
	for _, r := range c.Refunds {
		w.refunds = append(w.refunds, r.OutRefundNo)
	}
}

// hear gives an order a random answer of the wallet.
func (w *world) hear(rt *rapid.T) {
	o := w.order(rt)
	p := pay.Profiles[o.Channel]
	paidAt := w.now.Add(-draw(rt, "lag", 0, time.Second, 8*time.Minute))
	if paidAt.Before(o.SentAt) {
		paidAt = o.SentAt
	}
	pm := pay.Payment{
		TransactionID: "4200", PaidAt: paidAt, Total: o.Total, Settlement: o.Total - o.Total/pay.Fen(rapid.IntRange(2, 30).Draw(rt, "off")),
		PayerID: draw(rt, "payer", "u1", "u2", "u3"),
	}
	out := draw(rt, "outcome",
		pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: pm},
		pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: pm},
		pay.Outcome{Kind: pay.Declined, Verified: true, Code: "CLOSED", Payment: pm},
		pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REVOKED", Returned: true, Payment: pm},
		pay.Outcome{Kind: pay.Unknown, Lost: true})
	call := draw(rt, "call", pay.CallQuery, pay.CallQuery, pay.CallNotice)
	switch {
	case o.State == pay.PAYING && draw(rt, "answer", true, false):
		call = pay.CallPay
	case o.State == pay.REVERSING && o.ReverseTries > 0 && draw(rt, "answer", true, false):
		call = pay.CallReverse
		if draw(rt, "expired", false, false, true) && o.PaidSeen {
			out = pay.Outcome{Kind: pay.Declined, Verified: true, Next: pay.NextRefundInstead, Code: "REVERSE_EXPIRE"}
		}
	}
	w.change(rt, p.Apply(o, call, out, w.now))
}

// reverse asks for a reverse, or goes on with one.
func (w *world) reverse(rt *rapid.T) {
	o := w.order(rt)
	p := pay.Profiles[o.Channel]
	if o.State == pay.REVERSING && !o.RefundInstead && !o.NoReverse && !o.Duplicate {
		w.change(rt, p.StartReverse(o, w.now))
		return
	}
	c, err := p.ReverseAsked(o, "", true, w.now)
	if err != nil || !c.Changed() {
		rt.Skip("may not be reversed")
	}
	w.change(rt, c)
}

// refund accepts a refund: asked for, in place of a reverse, or of late money.
func (w *world) refund(rt *rapid.T) {
	o := w.order(rt)
	r := pay.Refund{
		MerchantID: w.merchant, OutRefundNo: fmt.Sprintf("r%03d", len(w.refunds)), OutTradeNo: o.OutTradeNo, Channel: o.Channel,
		State: pay.RefundPending, Origin: pay.OriginAPI, Unit: w.s.NewUnit(), Total: o.Total, TradeType: o.TradeType,
		Amount: pay.Fen(rapid.IntRange(1, int(o.Total)).Draw(rt, "amount")), Do: pay.ActSend, DoAt: w.now, CreatedAt: w.now, UpdatedAt: w.now,
	}
	if draw(rt, "elsewhere", true, false) {
		r.ShopID, r.DeviceID, r.TerminalType, r.SubTerminalType = "s2", "d9", 1, 900
	}
	switch {
	case o.State == pay.PAID:
		r.Amount = min(r.Amount, o.Total-o.Reserved)
	case o.State == pay.REVERSING && o.RefundInstead && o.PaidSeen && o.Reserved == 0:
		r.Origin, r.Amount = pay.OriginReverse, o.Total
	case o.Late == pay.LateHeld && o.Reserved == 0:
		r.Origin, r.Amount = pay.OriginLate, o.Total
	default:
		rt.Skip("nothing to refund")
	}
	if r.Amount == 0 {
		rt.Skip("nothing left to refund")
	}
	w.won(rt)(w.s.OpenRefund(rt.Context(), r, o.State, r.OpenPostings()))
	w.refunds = append(w.refunds, r.OutRefundNo)
}

// settle gives a refund a random answer, and ends the reverse that it stands for.
func (w *world) settle(rt *rapid.T) {
	if len(w.refunds) == 0 {
		rt.Skip("no refunds yet")
	}
	r := must[pay.Refund](rt)(w.s.Refund(rt.Context(), w.merchant, rapid.SampledFrom(w.refunds).Draw(rt, "refund")))
	p := pay.Profiles[r.Channel]
	out := draw(rt, "outcome", pay.Outcome{Kind: pay.Paid, Verified: true}, pay.Outcome{Kind: pay.Paid, Verified: true},
		pay.Outcome{Kind: pay.Waiting, Verified: true}, pay.Outcome{Kind: pay.Declined, Verified: true, Code: "NOTENOUGH"})
	pd := pay.RefundPaid{RefundID: "5000", Settlement: r.Amount - r.Amount/7}
	c := p.ApplyRefund(r, pay.CallRefund, out, pd, draw(rt, "by hand", false, false, false, true), true, w.now)
	if c.From == c.Refund {
		rt.Skip("nothing changes")
	}
	c.Refund.Unit = w.s.NewUnit()
	w.won(rt)(w.s.SettleRefund(rt.Context(), c))
	if c.Refund.State == pay.RefundSucceeded && r.Origin == pay.OriginReverse {
		w.change(rt, p.RefundedInstead(must[pay.Order](rt)(w.s.Order(rt.Context(), w.merchant, r.OutTradeNo)), w.now))
	}
}

// fold folds some of what is due, or all of it, or looks for latecomers.
func (w *world) fold(rt *rapid.T) {
	if draw(rt, "new rate", false, false, true) {
		w.rate = rapid.Int64Range(0, 10_000).Draw(rt, "rate")
	}
	until := w.now.Add(-draw(rt, "behind", 0, time.Second, 10*time.Minute))
	for range draw(rt, "steps", 1, 100) {
		if !must[bool](rt)(w.s.FoldReport(rt.Context(), w.merchant, w.rate, until, draw(rt, "rows", 1, 3, 50))) {
			break
		}
	}
	if draw(rt, "sweep", false, false, true) {
		must[int64](rt)(w.s.SweepReport(rt.Context(), w.merchant, w.rate, w.now.Add(-time.Hour), w.now))
	}
}

// all reads everything: what a report is compared with.
func (w *world) all(rt *rapid.T) (orders []pay.Order, refunds []pay.Refund) {
	for _, no := range w.orders {
		orders = append(orders, must[pay.Order](rt)(w.s.Order(rt.Context(), w.merchant, no)))
	}
	for _, no := range w.refunds {
		refunds = append(refunds, must[pay.Refund](rt)(w.s.Refund(rt.Context(), w.merchant, no)))
	}
	return orders, refunds
}

// events are the names of what is booked for an order, and its balances without
// late money and its return.
func (w *world) ledger(rt *rapid.T, o pay.Order, refunds []pay.Refund) (events []string, b map[pay.Account]pay.Fen) {
	ps := must[[]pay.Posting](rt)(w.s.Postings(rt.Context(), w.merchant, o.OutTradeNo))
	for _, p := range ps {
		events = append(events, p.Event)
	}
	return events, pay.Balances(slices.DeleteFunc(ps, func(p pay.Posting) bool {
		return p.Event == "late" || p.Event == "late_reversed" || slices.ContainsFunc(refunds, func(r pay.Refund) bool {
			return r.Origin == pay.OriginLate && (p.Event == "reserve:"+r.OutRefundNo || p.Event == "reject:"+r.OutRefundNo ||
				p.Event == "refund:"+r.OutRefundNo || p.Event == "return:"+r.OutRefundNo)
		})
	}))
}
