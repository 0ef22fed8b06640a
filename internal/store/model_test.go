package store_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// ledger is what a merchant's rows should be.
type ledger struct {
	s        *store.Store
	merchant string
	orders   map[string]pay.Order
	refunds  map[string]pay.Refund
	postings map[string][]pay.Posting
	refundOf map[string][]string
}

// TestUnitsAgreeWithAModel runs random units, many of them stale, against the
// store and against maps, and compares every row after every unit.
func TestUnitsAgreeWithAModel(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			runs := 0
			rapid.Check(t, func(rt *rapid.T) {
				runs++
				m := &ledger{
					s: s, merchant: fmt.Sprintf("m%d", runs), orders: map[string]pay.Order{}, refunds: map[string]pay.Refund{},
					postings: map[string][]pay.Posting{}, refundOf: map[string][]string{},
				}
				rt.Repeat(map[string]func(*rapid.T){
					"open order": m.openOrder, "settle order": m.settleOrder, "open refund": m.openRefund,
					"settle refund": m.settleRefund, "": m.compare,
				})
			})
		})
	}
}

func number(rt *rapid.T) string { return rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "order") }

// agree fails unless the store said what the model expects.
func agree(rt *rapid.T, want bool) func(won bool, err error) bool {
	return func(won bool, err error) bool {
		if err != nil || won != want {
			rt.Fatalf("won = %v, %v; the model says %v", won, err, want)
		}
		return won
	}
}

func (m *ledger) openOrder(rt *rapid.T) {
	o := newOrder(m.s, number(rt))
	o.MerchantID, o.CodeHash = m.merchant, rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "code")
	_, taken := m.orders[o.OutTradeNo]
	for _, other := range m.orders {
		taken = taken || o.CodeHash != "" && other.CodeHash == o.CodeHash && !other.State.Final()
	}
	if agree(rt, !taken)(m.s.OpenOrder(rt.Context(), o)) {
		m.orders[o.OutTradeNo] = o
	}
}

func (m *ledger) settleOrder(rt *rapid.T) {
	o, ok := m.orders[number(rt)]
	if !ok || o.State.Final() {
		rt.Skip("no order to settle")
	}
	c := pay.Change{From: o, Order: o}
	c.Order.Unit = m.s.NewUnit()
	switch rapid.SampledFrom([]pay.OrderState{pay.PAID, pay.REVERSING, pay.DECLINED}).Draw(rt, "to") { //nolint:exhaustive // the three that are drawn
	case pay.PAID:
		c = paid(o)
		c.Order.Unit = m.s.NewUnit()
	case pay.REVERSING:
		c.Order.State, c.Order.ReverseAsk = pay.REVERSING, true
	case pay.DECLINED:
		c.Order.State, c.Order.Code = pay.DECLINED, "NOTENOUGH"
	}
	stale := rapid.Bool().Draw(rt, "stale")
	if stale {
		c.From.Unit = "stale"
	}
	if agree(rt, !stale)(m.s.SettleOrder(rt.Context(), c)) {
		m.orders[o.OutTradeNo] = c.Order
		m.postings[o.OutTradeNo] = append(m.postings[o.OutTradeNo], c.Postings...)
	}
}

func (m *ledger) openRefund(rt *rapid.T) {
	o, ok := m.orders[number(rt)]
	if !ok {
		rt.Skip("no order to refund")
	}
	no := rapid.SampledFrom([]string{"r1", "r2", "r3", "r4", "r5"}).Draw(rt, "refund")
	r := newRefund(m.s, o, no, pay.Fen(rapid.IntRange(1, 60).Draw(rt, "amount")))
	_, taken := m.refunds[no]
	want := !taken && o.State == pay.PAID && o.Reserved+r.Amount <= o.Total
	if !agree(rt, want)(m.s.OpenRefund(rt.Context(), r, pay.PAID, r.OpenPostings())) {
		return
	}
	r.OpenUnit = r.Unit
	m.refunds[no] = r
	m.refundOf[o.OutTradeNo] = append(m.refundOf[o.OutTradeNo], no)
	o.Reserved += r.Amount
	o.Unit, o.UpdatedAt = r.Unit, r.CreatedAt
	m.orders[o.OutTradeNo] = o
	m.postings[o.OutTradeNo] = append(m.postings[o.OutTradeNo], r.OpenPostings()...)
}

func (m *ledger) settleRefund(rt *rapid.T) {
	open := slices.Sorted(maps.Keys(m.refunds))
	open = slices.DeleteFunc(open, func(no string) bool { return m.refunds[no].State != pay.RefundPending })
	if len(open) == 0 {
		rt.Skip("no refund to settle")
	}
	r := m.refunds[rapid.SampledFrom(open).Draw(rt, "refund")]
	c := pay.RefundChange{From: r, Refund: r}
	c.Refund.Unit = m.s.NewUnit()
	if rapid.Bool().Draw(rt, "succeeds") {
		c.Refund.State, c.Refunded = pay.RefundSucceeded, r.Amount
		c.Postings = []pay.Posting{pay.PostRefunded(r.OutRefundNo, r.Amount, r.Amount-r.Amount/10)}
	} else {
		c.Refund.State, c.Reserved = pay.RefundRejected, -r.Amount
		c.Postings = []pay.Posting{pay.PostRejected(r.OutRefundNo, r.Amount)}
	}
	stale := rapid.Bool().Draw(rt, "stale")
	if stale {
		c.From.Unit = "stale"
	}
	if !agree(rt, !stale)(m.s.SettleRefund(rt.Context(), c)) {
		return
	}
	m.refunds[r.OutRefundNo] = c.Refund
	o := m.orders[r.OutTradeNo]
	o.Reserved += c.Reserved
	o.Refunded += c.Refunded
	o.Unit, o.UpdatedAt = c.Refund.Unit, c.Refund.UpdatedAt
	m.orders[o.OutTradeNo] = o
	m.postings[o.OutTradeNo] = append(m.postings[o.OutTradeNo], c.Postings...)
}

// compare reads everything back, and checks the ledger of each order as
// money.md §5 asks.
func (m *ledger) compare(rt *rapid.T) {
	for no, want := range m.orders {
		o, err := m.s.Order(rt.Context(), m.merchant, no)
		if err != nil || o != want {
			rt.Fatalf("order %s is %+v, %v; the model says %+v", no, o, err, want)
		}
		if o.Refunded < 0 || o.Refunded > o.Reserved || o.Reserved > o.Total {
			rt.Fatalf("order %s: refunded %d of reserved %d of total %d", no, o.Refunded, o.Reserved, o.Total)
		}
		ps, err := m.s.Postings(rt.Context(), m.merchant, no)
		if err != nil || len(ps) != len(m.postings[no]) {
			rt.Fatalf("order %s has %d postings, %v; the model says %d", no, len(ps), err, len(m.postings[no]))
		}
		var sum, pending, accepted pay.Fen
		for _, n := range m.refundOf[no] {
			switch r := m.refunds[n]; r.State { //nolint:exhaustive // the three that the model makes
			case pay.RefundPending:
				pending += r.Amount
				accepted += r.Amount
			case pay.RefundSucceeded:
				accepted += r.Amount
			}
		}
		b := pay.Balances(ps)
		for _, v := range b {
			sum += v
		}
		if sum != 0 || -b[pay.AccRefunding] != pending || o.State == pay.PAID && -b[pay.AccMerchant] != o.Total-accepted {
			rt.Fatalf("order %s does not balance: %v, pending %d, accepted %d", no, b, pending, accepted)
		}
	}
	for no, want := range m.refunds {
		if r, err := m.s.Refund(rt.Context(), m.merchant, no); err != nil || r != want {
			rt.Fatalf("refund %s is %+v, %v; the model says %+v", no, r, err, want)
		}
	}
}
