package ledger_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cloudpay/internal/ledger"
	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// eve is shortly before midnight in Asia/Shanghai.
var eve = time.Date(2026, 11, 20, 15, 50, 0, 0, time.UTC)

// booked is one leg as the test itself has written it down.
type booked struct {
	at time.Time
	ledger.Balance
}

// books is a merchant whose orders live through random histories, and an account
// of them that was kept beside the store.
type books struct {
	s        *store.Store
	merchant string
	now      time.Time
	orders   []pay.Order
	refunds  []pay.Refund
	legs     []booked
	bills    int
}

func draw[T any](rt *rapid.T, what string, from ...T) T {
	return rapid.SampledFrom(from).Draw(rt, what)
}

func won(rt *rapid.T) func(bool, error) {
	return func(won bool, err error) {
		if err != nil || !won {
			rt.Fatalf("won = %v, %v", won, err)
		}
	}
}

// pass lets time go on, never by nothing: two commits of one order need not be
// told apart within a millisecond.
func (b *books) pass(rt *rapid.T) {
	b.now = b.now.Add(draw(rt, "pass", time.Millisecond, time.Second, 9*time.Minute, 3*time.Hour, 27*time.Hour))
}

func (b *books) note(ch pay.Channel, ps []pay.Posting) {
	for _, p := range ps {
		for _, l := range p.Legs {
			b.legs = append(b.legs, booked{b.now, ledger.Balance{Channel: ch, Account: l.Account, Amount: l.Amount}})
		}
	}
}

// pay opens an order and pays it.
func (b *books) pay(rt *rapid.T) {
	b.pass(rt)
	o := pay.Order{
		MerchantID: b.merchant, OutTradeNo: fmt.Sprintf("o%03d", len(b.orders)), ProviderID: "p",
		Channel: draw(rt, "channel", pay.Wxpay, pay.Alipay), TradeType: pay.TradeMicroPay, State: pay.PAYING, Unit: b.s.NewUnit(),
		Total: pay.Fen(rapid.IntRange(2, 5000).Draw(rt, "total")), Currency: "CNY", SentAt: b.now, CreatedAt: b.now, UpdatedAt: b.now,
		Truth: pay.TruthLocal,
	}
	won(rt)(b.s.OpenOrder(rt.Context(), o))
	b.pass(rt)
	c := pay.Change{From: o, Order: o}
	n := &c.Order
	n.State, n.Unit, n.PaidAt, n.UpdatedAt, n.Truth = pay.PAID, b.s.NewUnit(), b.now, b.now, pay.TruthQuery
	n.Settlement = n.Total - n.Total/pay.Fen(rapid.IntRange(2, 30).Draw(rt, "off"))
	c.Postings = []pay.Posting{pay.PostPaid(n.Total, n.Settlement)}
	won(rt)(b.s.SettleOrder(rt.Context(), c))
	b.orders = append(b.orders, c.Order)
	b.note(o.Channel, c.Postings)
}

// refund accepts a refund of what is left of an order.
func (b *books) refund(rt *rapid.T) {
	if len(b.orders) == 0 {
		rt.Skip("no orders yet")
	}
	b.pass(rt)
	o := &b.orders[rapid.IntRange(0, len(b.orders)-1).Draw(rt, "order")]
	if o.Reserved == o.Total {
		rt.Skip("nothing left")
	}
	r := pay.Refund{
		MerchantID: b.merchant, OutRefundNo: fmt.Sprintf("r%03d", len(b.refunds)), OutTradeNo: o.OutTradeNo, Channel: o.Channel,
		State: pay.RefundPending, Origin: pay.OriginAPI, Unit: b.s.NewUnit(), Total: o.Total, TradeType: o.TradeType, Do: pay.ActSend,
		DoAt: b.now, CreatedAt: b.now, UpdatedAt: b.now, Amount: pay.Fen(rapid.IntRange(1, int(o.Total-o.Reserved)).Draw(rt, "amount")),
	}
	won(rt)(b.s.OpenRefund(rt.Context(), r, pay.PAID, r.OpenPostings()))
	o.Reserved += r.Amount
	b.refunds = append(b.refunds, r)
	b.note(r.Channel, r.OpenPostings())
}

// settle gives a pending refund its answer.
func (b *books) settle(rt *rapid.T) {
	if len(b.refunds) == 0 {
		rt.Skip("no refunds yet")
	}
	b.pass(rt)
	i := rapid.IntRange(0, len(b.refunds)-1).Draw(rt, "refund")
	r := b.refunds[i]
	out := draw(rt, "outcome", pay.Outcome{Kind: pay.Paid, Verified: true}, pay.Outcome{Kind: pay.Declined, Verified: true, Code: "NOTENOUGH"})
	c := pay.Profiles[r.Channel].ApplyRefund(r, pay.CallRefund, out, pay.RefundPaid{Settlement: r.Amount - r.Amount/7}, draw(rt, "by hand", false, false, true), true, b.now)
	if c.From == c.Refund {
		rt.Skip("nothing changes")
	}
	c.Refund.Unit = b.s.NewUnit()
	won(rt)(b.s.SettleRefund(rt.Context(), c))
	for j := range b.orders {
		if b.orders[j].OutTradeNo == r.OutTradeNo {
			b.orders[j].Reserved += c.Reserved
		}
	}
	b.refunds[i] = c.Refund
	b.note(r.Channel, c.Postings)
}

// bill books the fee of an order, or a payout of no order, at a time that is over.
func (b *books) bill(rt *rapid.T) {
	b.pass(rt)
	key := store.ReconKey{MerchantID: b.merchant, Channel: pay.Wxpay, Day: "20261120"}
	if err := b.s.PlanRecon(rt.Context(), key, b.now); err != nil {
		rt.Fatal(err)
	}
	run, err := b.s.ReconRun(rt.Context(), key)
	if err != nil {
		rt.Fatal(err)
	}
	b.bills++
	step := store.ReconStep{From: run, To: run, By: "recon", At: b.now}
	step.To.Unit = b.s.NewUnit()
	p := store.BillPosting{OutTradeNo: "*bills", At: b.now.Add(-draw(rt, "ago", 0, time.Second, 30*time.Hour))}
	if len(b.orders) > 0 && draw(rt, "fee", true, false) {
		p.OutTradeNo = rapid.SampledFrom(b.orders).Draw(rt, "of").OutTradeNo
	}
	fee := pay.Fen(rapid.IntRange(1, 50).Draw(rt, "amount"))
	p.Posting = pay.Posting{Event: fmt.Sprintf("fee:%d", b.bills), Legs: []pay.Leg{{Account: pay.AccFee, Amount: fee}, {Account: pay.AccReceivable, Amount: -fee}}}
	step.Postings = []store.BillPosting{p}
	won(rt)(b.s.MoveRecon(rt.Context(), step))
	for _, l := range p.Legs {
		b.legs = append(b.legs, booked{p.At, ledger.Balance{Channel: pay.Wxpay, Account: l.Account, Amount: l.Amount}})
	}
}

// fold folds some of what is due, or all of it.
func (b *books) fold(rt *rapid.T) {
	until := b.now.Add(-draw(rt, "behind", 0, time.Second, 10*time.Minute))
	for range draw(rt, "steps", 1, 100) {
		more, err := b.s.FoldLedger(rt.Context(), b.merchant, until, draw(rt, "orders", 1, 3, 50))
		if err != nil {
			rt.Fatal(err)
		}
		if !more {
			break
		}
	}
	if draw(rt, "sweep", false, false, true) {
		if late, err := b.s.SweepLedger(rt.Context(), b.merchant, eve, b.now); err != nil || late > 0 {
			rt.Fatalf("%d legs were late, %v", late, err)
		}
	}
}

// naive sums up what the test has written down.
func (b *books) naive(before time.Time) map[ledger.Balance]pay.Fen {
	sums := map[ledger.Balance]pay.Fen{}
	for _, l := range b.legs {
		if l.at.Before(before) {
			sums[ledger.Balance{Channel: l.Channel, Account: l.Account}] += l.Amount
		}
	}
	return sums
}

// TestBalancesAtAnyMomentAgreeWithANaiveAccount runs random histories that are
// folded at random moments, and compares the trial balance at random moments, to
// the millisecond, with an account that was kept beside.
func TestBalancesAtAnyMomentAgreeWithANaiveAccount(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			runs := 0
			rapid.Check(t, func(rt *rapid.T) {
				runs++
				b := &books{s: s, merchant: fmt.Sprintf("m%d", runs), now: eve}
				l := ledger.New(ledger.Config{Store: s, Now: func() time.Time { return b.now }})
				rt.Repeat(map[string]func(*rapid.T){"pay": b.pay, "pay more": b.pay, "refund": b.refund, "settle": b.settle, "bill": b.bill, "fold": b.fold})
				moments := []time.Time{b.now.Add(time.Millisecond), eve}
				for range 4 {
					at := eve.Add(time.Duration(rapid.Int64Range(0, int64(b.now.Sub(eve))+1).Draw(rt, "at")))
					moments = append(moments, at.Truncate(draw(rt, "round", time.Millisecond, 10*time.Minute, 24*time.Hour)))
				}
				if len(b.legs) > 0 { // at a booking, and right behind it
					at := b.legs[rapid.IntRange(0, len(b.legs)-1).Draw(rt, "leg")].at
					moments = append(moments, at, at.Add(time.Millisecond))
				}
				for _, at := range moments {
					got := map[ledger.Balance]pay.Fen{}
					list, err := l.Balances(rt.Context(), b.merchant, at)
					if err != nil {
						rt.Fatal(err)
					}
					for _, v := range list {
						got[ledger.Balance{Channel: v.Channel, Account: v.Account}] = v.Amount
					}
					if diff := cmp.Diff(b.naive(at), got); diff != "" {
						rt.Fatalf("before %v: -naive +folded\n%s", at, diff)
					}
				}
				n, err := l.Check(rt.Context(), b.merchant, func(f ledger.Fault) error { return fmt.Errorf("%s: %s", f.OutTradeNo, f.Text) })
				if err != nil || n.Orders != int64(len(b.orders)) {
					rt.Fatalf("checked %+v of %d orders: %v", n, len(b.orders), err)
				}
				b.export(rt, l)
			})
		})
	}
}

// export writes a span of the ledger out and compares it with the account.
func (b *books) export(rt *rapid.T, l *ledger.Ledger) {
	var out bytes.Buffer
	w, err := sheet.New(&out, sheet.CSV)
	if err != nil {
		rt.Fatal(err)
	}
	from := eve.Add(time.Duration(rapid.Int64Range(0, int64(b.now.Sub(eve))+1).Draw(rt, "from"))).Truncate(time.Millisecond)
	f := ledger.NewFolder(ledger.Config{Store: b.s, Now: func() time.Time { return b.now }}, slog.New(slog.DiscardHandler))
	legs, err := l.Export(rt.Context(), f, b.merchant, from, b.now, w)
	if err != nil {
		rt.Fatal(err)
	}
	if err := w.Close(); err != nil {
		rt.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(out.String()))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		rt.Fatal(err)
	}
	want, got := map[string]int{}, map[string]int{}
	for _, p := range b.legs {
		if !p.at.Before(from) && p.at.Before(b.now) {
			want[fmt.Sprintf("%d %s %s %d", p.at.UnixMilli(), p.Channel, p.Account, p.Amount)]++
		}
	}
	last := ""
	for _, row := range rows[1 : legs+1] {
		amount := row[8]
		if amount == "" {
			amount = "-" + row[9]
		}
		n, err := pay.ParseYuan(strings.TrimPrefix(amount, "-"))
		if err != nil {
			rt.Fatal(err)
		}
		if strings.HasPrefix(amount, "-") {
			n = -n
		}
		got[fmt.Sprintf("%s %s %s %d", row[10], row[2], row[6], n)]++
		if row[10] < last {
			rt.Fatalf("%s stands behind %s", row[10], last)
		}
		last = row[10]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("-booked +exported\n%s", diff)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			now := eve
			l := ledger.New(ledger.Config{Store: s, Now: func() time.Time { return now.Add(time.Hour) }})
			open := func(no string, ps ...pay.Posting) {
				o := pay.Order{
					MerchantID: "m", OutTradeNo: no, ProviderID: "p", Channel: pay.Wxpay, TradeType: pay.TradeMicroPay, State: pay.PAYING,
					Unit: s.NewUnit(), Total: 100, Currency: "CNY", SentAt: now, CreatedAt: now, UpdatedAt: now, Truth: pay.TruthLocal,
				}
				c := pay.Change{From: o, Order: o, Postings: ps}
				c.Order.State, c.Order.Unit, c.Order.PaidAt, c.Order.Settlement = pay.PAID, s.NewUnit(), now, 100
				for _, f := range []func() (bool, error){
					func() (bool, error) { return s.OpenOrder(t.Context(), o) }, func() (bool, error) { return s.SettleOrder(t.Context(), c) },
				} {
					if won, err := f(); !won || err != nil {
						t.Fatal(won, err)
					}
				}
			}
			open("a", pay.PostPaid(100, 90))
			open("b", pay.PostPaid(99, 99)) // another amount than the order's
			open("c")                       // paid, and never booked
			open("d", pay.PostPaid(100, 100), pay.PostReserved("r", 30))
			var got []string
			n, err := l.Check(t.Context(), "m", func(f ledger.Fault) error {
				got = append(got, f.OutTradeNo+": "+f.Text)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"b: M is 0.99 and should be 1.00: paid less accepted refunds less reverses (PAID)",
				"c: M is 0.00 and should be 1.00: paid less accepted refunds less reverses (PAID)",
				"d: M is 0.70 and should be 1.00: paid less accepted refunds less reverses (PAID)",
				"d: P is 0.30 and should be 0.00: open reservations",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if want := (ledger.Checked{Merchants: 1, Orders: 4, Faults: 4}); n != want {
				t.Errorf("checked %+v, want %+v", n, want)
			}
		})
	}
}

func TestEveryAccountHasAName(t *testing.T) {
	t.Parallel()
	for _, a := range ledger.Accounts {
		if ledger.Name(a) == "" {
			t.Errorf("%s has no name", a)
		}
	}
	if got := ledger.Sums([]ledger.Balance{{"wxpay", "R", 5}, {"wxpay", "M", -4}, {"alipay", "R", 0}}); got[pay.Wxpay] != 1 || got[pay.Alipay] != 0 {
		t.Errorf("sums are %v", got)
	}
}
