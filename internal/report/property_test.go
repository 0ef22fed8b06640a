package report_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cloudpay/internal/pay"
	"cloudpay/internal/report"
	"cloudpay/internal/store/storetest"
)

// TestReportsAgreeWithOrdersAndLedger runs random histories of orders, refunds,
// reverses and late money, folded at random moments, and compares random
// reports with a naive account of all rows and with the ledger.
func TestReportsAgreeWithOrdersAndLedger(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			runs := 0
			rapid.Check(t, func(rt *rapid.T) {
				runs++
				w := newWorld(s, fmt.Sprintf("m%d", runs))
				rt.Repeat(map[string]func(*rapid.T){
					"pass": w.pass, "open": w.open, "open more": w.open, "hear": w.hear, "hear more": w.hear, "reverse": w.reverse,
					"refund": w.refund, "settle": w.settle, "fold": w.fold,
				})
				for range 3 {
					w.compare(rt, w.filter(rt))
				}
				w.balance(rt)
			})
		})
	}
}

// filter draws a filter, often one that matches something.
func (w *world) filter(rt *rapid.T) report.Filter {
	f := report.Filter{
		MerchantID: w.merchant, Kind: draw(rt, "kind", report.Orders, report.Refunds, report.Both, report.Both),
		Axis: draw(rt, "axis", report.Created, report.Paid), SuccessOnly: draw(rt, "successes", true, false),
	}
	span := w.now.Sub(eve)
	moment := func(what string) time.Time {
		at := eve.Add(time.Duration(rapid.Int64Range(0, int64(span)+1).Draw(rt, what)))
		return at.Truncate(draw(rt, "round", time.Millisecond, 10*time.Minute, time.Hour, 24*time.Hour))
	}
	if draw(rt, "from", true, false) {
		f.From = moment("from")
	}
	if to := moment("to"); draw(rt, "to", true, false) && to.After(f.From) {
		f.To = to
	}
	if draw(rt, "by shop", true, false) {
		f.ShopID = draw(rt, "shop", "s1", "s2")
		f.StaffID = draw(rt, "staff", "", "", "a")
		f.DeviceID = draw(rt, "device", "", "", "d1", "d9")
		f.QRCodeID = draw(rt, "code", "", "", "", "q")
	}
	if draw(rt, "by sort", true, false, false) {
		f.Channel = draw(rt, "channel", "", pay.Wxpay, pay.Alipay)
		f.TradeType = draw(rt, "trade", 0, pay.TradeMicroPay, pay.TradeScanCode)
		f.SourceType, f.TerminalType = draw[int64](rt, "source", 0, 1), draw[int64](rt, "terminal", 0, 2)
		f.SubTerminalType = draw[int64](rt, "model", 0, 901)
	}
	return f
}

// line is one row as the naive account sees it.
type line struct {
	At      time.Time
	Kind    report.Kind
	Number  string
	Channel pay.Channel
}

// account is the naive account of a filter.
type account struct {
	lines   []line
	figures report.Figures
	days    map[string]pay.Fen // net, by day
	payers  map[string]bool
}

// naive reads every row and does what the package comment says, one by one. The
// ledger tells it which payments and reverses are booked.
func (w *world) naive(rt *rapid.T, f report.Filter) account {
	a := account{days: map[string]pay.Fen{}, payers: map[string]bool{}}
	orders, refunds := w.all(rt)
	byNo := map[string]pay.Order{}
	in := func(at time.Time) bool {
		return !at.IsZero() && !at.Before(f.From) && (f.To.IsZero() || at.Before(f.To))
	}
	zone := time.FixedZone("", 8*3600)
	for _, o := range orders {
		byNo[o.OutTradeNo] = o
		if f.Kind == report.Refunds || !w.matches(f, o.ShopID, o.StaffID, o.DeviceID, o.TerminalType, o.SubTerminalType, o) {
			continue
		}
		at := o.CreatedAt
		if f.Axis == report.Paid {
			at = o.PaidAt
		}
		events, _ := w.ledger(rt, o, refunds)
		booked := slices.Contains(events, "paid") && o.State != pay.DECLINED
		if in(at) {
			if !f.SuccessOnly || o.State == pay.PAID {
				a.lines = append(a.lines, line{at, report.Orders, o.OutTradeNo, o.Channel})
			}
			if booked {
				a.figures.TotalCount++
				a.figures.TotalAmount += o.Total
				a.figures.PaySettle += o.Settlement
				a.figures.OrderRefunded += o.Refunded
				a.days[at.In(zone).Format(time.DateOnly)] += o.Total
			}
			if o.State == pay.PAID && o.PayerID != "" {
				a.payers[o.PayerID] = true
			}
		}
		if f.Axis == report.Paid {
			at = cmp.Or(o.ReverseSentAt, o.PaidAt)
		}
		if in(at) && booked && slices.Contains(events, "reversed") {
			a.figures.SuccessCount--
			a.figures.SuccessAmount -= o.Total
			a.figures.RevokeSettle += o.Settlement
			a.days[at.In(zone).Format(time.DateOnly)] -= o.Total
		}
	}
	for _, r := range refunds {
		o := byNo[r.OutTradeNo]
		if r.ShopID == "" {
			r.ShopID, r.StaffID, r.DeviceID, r.TerminalType, r.SubTerminalType = o.ShopID, o.StaffID, o.DeviceID, o.TerminalType, o.SubTerminalType
		}
		if f.Kind == report.Orders || !in(r.CreatedAt) || !w.matches(f, r.ShopID, r.StaffID, r.DeviceID, r.TerminalType, r.SubTerminalType, o) {
			continue
		}
		if !f.SuccessOnly || r.State == pay.RefundSucceeded {
			a.lines = append(a.lines, line{r.CreatedAt, report.Refunds, r.OutRefundNo, r.Channel})
		}
		if r.State == pay.RefundRejected || r.Origin == pay.OriginLate {
			continue
		}
		a.figures.RefundCount++
		a.figures.RefundAmount += r.Amount
		a.days[r.CreatedAt.In(zone).Format(time.DateOnly)] -= r.Amount
		if r.State == pay.RefundSucceeded {
			a.figures.RefundSettle += r.Settlement
		} else {
			a.figures.RefundSettle += r.Amount
		}
	}
	g := &a.figures
	g.Rows = int64(len(a.lines))
	g.SuccessCount += g.TotalCount
	g.SuccessAmount += g.TotalAmount
	g.NetCount, g.NetAmount = g.SuccessCount-g.RefundCount, g.SuccessAmount-g.RefundAmount
	g.Settle = g.PaySettle - g.RevokeSettle - g.RefundSettle
	g.Discount = g.NetAmount - g.Settle
	slices.SortFunc(a.lines, func(x, y line) int {
		return cmp.Or(y.At.Compare(x.At), cmp.Compare(y.Kind, x.Kind), cmp.Compare(y.Number, x.Number))
	})
	return a
}

func (*world) matches(f report.Filter, shop, staff, device string, terminal, model int64, o pay.Order) bool {
	return (f.ShopID == "" || f.ShopID == shop) && (f.StaffID == "" || f.StaffID == staff) && (f.DeviceID == "" || f.DeviceID == device) &&
		(f.QRCodeID == "" || f.QRCodeID == o.QRCodeID) && (f.SourceType == 0 || f.SourceType == o.SourceType) &&
		(f.Channel == "" || f.Channel == o.Channel) && (f.TradeType == 0 || f.TradeType == o.TradeType) &&
		(f.TerminalType == 0 || f.TerminalType == terminal) && (f.SubTerminalType == 0 || f.SubTerminalType == model)
}

func same[T any](rt *rapid.T, what string, got, want T) {
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Fatalf("%s: -want +got\n%s", what, diff)
	}
}

// compare asks for a filter's list, page by page and row by row, for its
// overview and for its statistics.
func (w *world) compare(rt *rapid.T, f report.Filter) {
	want := w.naive(rt, f)
	size := rapid.IntRange(1, 8).Draw(rt, "page size")
	var pages, followed []line
	var poundage pay.Fen
	for n := 1; ; n++ {
		l := must[report.List](rt)(w.r.List(rt.Context(), f, report.Page{Num: n, Size: size}))
		same(rt, "total", l.Total, int64(len(want.lines)))
		if len(l.Rows) == 0 {
			break
		}
		for _, r := range l.Rows {
			pages = append(pages, lineOf(r))
			if r.Refund != nil {
				poundage -= r.Poundage
			} else {
				poundage += r.Poundage
			}
		}
	}
	same(rt, "pages", pages, want.lines)
	for p := (report.Page{Num: 1, Size: size}); ; {
		l := must[report.List](rt)(w.r.List(rt.Context(), f, p))
		if len(l.Rows) == 0 {
			break
		}
		for _, r := range l.Rows {
			followed = append(followed, lineOf(r))
		}
		c := l.Rows[len(l.Rows)-1].Cursor()
		p.After = &c
	}
	same(rt, "rows after rows", followed, want.lines)

	all, groups, err := w.r.Overview(rt.Context(), f, report.By{Channel: true, Shop: true, Trade: true, Source: true})
	if err != nil {
		rt.Fatal(err)
	}
	if undone := all.RevokeSettle != 0; f.Axis == report.Created && !undone && !f.SuccessOnly { // every row of the figures is in the list
		same(rt, "poundage", all.Poundage, poundage)
	}
	same(rt, "income", all.Income, all.Settle-all.Poundage)
	got := all
	got.Poundage, got.Income = 0, 0
	same(rt, "overview", got, want.figures)
	var sum report.Figures
	for _, g := range groups {
		sum.Rows += g.Rows
		sum.NetAmount += g.NetAmount
		sum.Poundage += g.Poundage
	}
	same(rt, "sum of groups", sum, report.Figures{Rows: all.Rows, NetAmount: all.NetAmount, Poundage: all.Poundage})
	w.compareStats(rt, f, want)
}

func lineOf(r report.Row) line {
	l := line{r.At, report.Orders, r.Order.OutTradeNo, r.Order.Channel}
	if r.Refund != nil {
		l.Kind, l.Number = report.Refunds, r.Refund.OutRefundNo
	}
	return l
}

func (w *world) compareStats(rt *rapid.T, f report.Filter, want account) {
	sq := report.StatQuery{Filter: f, Type: report.Daily, Page: report.Page{Num: 1, Size: 100}}
	st := must[report.Stats](rt)(w.r.Stats(rt.Context(), sq))
	days := map[string]pay.Fen{}
	for _, it := range st.Items {
		days[it.Begin.Format(time.DateOnly)] += it.NetAmount
	}
	for d, n := range want.days {
		if days[d] != n {
			rt.Fatalf("net of %s is %d, want %d", d, days[d], n)
		}
	}
	same(rt, "statistics", st.All.NetAmount, want.figures.NetAmount)
	sq.Type = report.Yearly
	if st = must[report.Stats](rt)(w.r.Stats(rt.Context(), sq)); st.Total == 1 && f.Axis == report.Paid && f.Kind != report.Refunds {
		same(rt, "net of the year", st.Items[0].NetAmount, want.figures.NetAmount)
		if f.DeviceID+f.StaffID+f.QRCodeID == "" {
			same(rt, "payers", st.Items[0].Payers, int64(len(want.payers)))
		}
	}
	sq.Shops, sq.Type = []report.ShopStaff{{ShopID: "s1"}, {ShopID: "s2", StaffIDs: []string{"", "a"}}}, report.Weekly
	must[report.Stats](rt)(w.r.Stats(rt.Context(), sq))
}

// balance compares the figures of all times with the ledger.
func (w *world) balance(rt *rapid.T) {
	orders, refunds := w.all(rt)
	for _, ch := range []pay.Channel{"", pay.Wxpay, pay.Alipay} {
		sum := make(map[pay.Account]pay.Fen)
		for _, o := range orders {
			if ch != "" && o.Channel != ch {
				continue
			}
			_, b := w.ledger(rt, o, refunds)
			for acc, v := range b {
				sum[acc] += v
			}
		}
		f := report.Filter{MerchantID: w.merchant, Kind: report.Both, Axis: draw(rt, "axis", report.Created, report.Paid), Channel: ch}
		all, _, err := w.r.Overview(rt.Context(), f, report.By{})
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "net and what the merchant is owed", all.NetAmount, -sum[pay.AccMerchant])
		same(rt, "settle and what the wallet owes", all.Settle, sum[pay.AccReceivable]+sum[pay.AccRefunding]+sum[pay.AccReturned]+sum[pay.AccOffline])
		same(rt, "discount", all.Discount, sum[pay.AccDiscount])
	}
}
