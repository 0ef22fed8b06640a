package store_test

import (
	"testing"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/storetest"
)

func TestEveryEventOfTheLedgerIsKeptAndBalances(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			open(t, s, o)
			c := pay.Change{From: o, Order: o}
			c.Order.Unit = s.NewUnit()
			four := pay.Posting{Event: "four", Legs: []pay.Leg{{Account: "A", Amount: 1}, {Account: "B", Amount: 2}, {Account: "C", Amount: 3}, {Account: "D", Amount: -6}}}
			c.Postings = []pay.Posting{
				four, pay.PostLate(100, 100), pay.PostPaid(100, 97), pay.PostRefunded("r", 50, 48), pay.PostRejected("r", 5),
				pay.PostReserved("r", 50), pay.PostBankReturn("r", 3),
			}
			wins(t, true)(s.SettleOrder(t.Context(), c))

			kept := got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, "1"))
			byEvent := map[string][]pay.Leg{}
			for _, p := range kept {
				byEvent[p.Event] = p.Legs
			}
			want := map[string][]pay.Leg{}
			for _, p := range c.Postings {
				want[p.Event] = p.Legs
			}
			same(t, "postings", byEvent, want)
			var sum pay.Fen
			balances := got[map[pay.Channel]map[pay.Account]pay.Fen](t)(s.Balances(t.Context(), merchant))
			for _, b := range balances[pay.Wxpay] {
				sum += b
			}
			same(t, "sum of all accounts", sum, 0)
			for account, b := range pay.Balances(c.Postings) {
				same(t, "account "+string(account), balances[pay.Wxpay][account], b)
			}
			same(t, "another merchant", len(got[map[pay.Channel]map[pay.Account]pay.Fen](t)(s.Balances(t.Context(), "2"))), 0)
		})
	}
}

func TestPostingThatDoesNotBalanceIsRefused(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			open(t, s, o)
			for _, legs := range [][]pay.Leg{
				{{Account: "A", Amount: 1}, {Account: "B", Amount: -2}},
				{{Account: "A", Amount: 0}},
				{},
				{{Account: "A", Amount: 1}, {Account: "B", Amount: 1}, {Account: "C", Amount: 1}, {Account: "D", Amount: 1}, {Account: "E", Amount: -4}},
			} {
				c := paid(o)
				c.Postings = []pay.Posting{{Event: "bad", Legs: legs}}
				if _, err := s.SettleOrder(t.Context(), c); err == nil {
					t.Errorf("legs %v were booked", legs)
				}
			}
			same(t, "order", stored(t, s, "1"), o)
		})
	}
}

func TestEventIsBookedOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			c := paid(o) // by a mistake of the domain, from the row as it is now
			if won, err := s.SettleOrder(t.Context(), c); err == nil || won {
				t.Fatalf("an event was booked twice: %v, %v", won, err)
			}
			same(t, "order", stored(t, s, "1"), o)
			same(t, "postings", len(got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, "1"))), 1)
		})
	}
}
