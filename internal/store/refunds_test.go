package store_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

func TestEveryFieldOfARefundIsKept(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			var r pay.Refund
			fill(t, &r)
			r.MerchantID, r.OutTradeNo, r.Channel, r.Total, r.Amount = o.MerchantID, o.OutTradeNo, o.Channel, o.Total, 30
			r.TradeType = o.TradeType
			r.Unit = s.NewUnit()
			wins(t, true)(s.OpenRefund(t.Context(), r, pay.PAID, nil))
			r.OpenUnit = r.Unit
			same(t, "after opening", got[pay.Refund](t)(s.Refund(t.Context(), merchant, r.OutRefundNo)), r)

			// Everything that a settlement writes, on its way back to zero.
			n := pay.Refund{
				MerchantID: r.MerchantID, OutRefundNo: r.OutRefundNo, OutTradeNo: r.OutTradeNo, Channel: r.Channel,
				Origin: r.Origin, OpenUnit: r.OpenUnit, Total: r.Total, Amount: r.Amount, Reason: r.Reason,
				NotifyURL: r.NotifyURL, Extra: r.Extra, CreatedAt: r.CreatedAt, Unit: s.NewUnit(), State: pay.RefundPending,
				ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID, AuthorizedBy: r.AuthorizedBy, TradeType: r.TradeType,
				TerminalType: r.TerminalType, SubTerminalType: r.SubTerminalType, Authen: r.Authen, Account: r.Account,
			}
			wins(t, true)(s.SettleRefund(t.Context(), pay.RefundChange{From: r, Refund: n}))
			same(t, "after settling", got[pay.Refund](t)(s.Refund(t.Context(), merchant, r.OutRefundNo)), n)

			full := r
			full.Unit, full.State = s.NewUnit(), pay.RefundSucceeded
			wins(t, true)(s.SettleRefund(t.Context(), pay.RefundChange{From: n, Refund: full}))
			same(t, "after settling again", got[pay.Refund](t)(s.Refund(t.Context(), merchant, r.OutRefundNo)), full)
		})
	}
}

func TestRefundReservesThenSettlesOnTheOrder(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			r := newRefund(s, o, "r1", 60)
			job := jobs.Edit{Put: &jobs.Job{Key: jobs.Key{MerchantID: merchant, Kind: "refund", Ref: "r1"}, RunAt: noon, CreatedAt: noon}}
			wins(t, true)(s.OpenRefund(t.Context(), r, pay.PAID, r.OpenPostings(), job))
			o = stored(t, s, "1")
			same(t, "reserved", []pay.Fen{o.Reserved, o.Refunded}, []pay.Fen{60, 0})
			same(t, "unit of the order", o.Unit, r.Unit)

			// Sent: only the order's time of sending changes.
			sent := pay.RefundChange{From: r, Refund: r, SentAt: noon}
			sent.Refund.Unit, sent.Refund.SentAt = s.NewUnit(), noon
			wins(t, true)(s.SettleRefund(t.Context(), sent))
			o = stored(t, s, "1")
			same(t, "sent", o.RefundSentAt, noon)
			same(t, "reserved", o.Reserved, 60)

			// Paid, and a loser that saw the row before it.
			done := pay.RefundChange{From: sent.Refund, Refund: sent.Refund, Refunded: 60, Postings: []pay.Posting{pay.PostRefunded("r1", 60, 60)}}
			done.Refund.State, done.Refund.Unit, done.Refund.Settlement = pay.RefundSucceeded, s.NewUnit(), 60
			wins(t, true)(s.SettleRefund(t.Context(), done, jobs.Edit{Done: &job.Put.Key}))
			reject := pay.RefundChange{From: sent.Refund, Refund: sent.Refund, Reserved: -60, Postings: []pay.Posting{pay.PostRejected("r1", 60)}}
			reject.Refund.State = pay.RefundRejected
			wins(t, false)(s.SettleRefund(t.Context(), reject, job))
			o = stored(t, s, "1")
			same(t, "refunded", []pay.Fen{o.Reserved, o.Refunded}, []pay.Fen{60, 60})
			same(t, "time of sending", o.RefundSentAt, noon)
			same(t, "jobs", len(got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{}))), 0)
			b := got[map[pay.Channel]map[pay.Account]pay.Fen](t)(s.Balances(t.Context(), merchant))[pay.Wxpay]
			same(t, "ledger", []pay.Fen{b[pay.AccReceivable], b[pay.AccMerchant], b[pay.AccRefunding]}, []pay.Fen{40, -40, 0})
		})
	}
}

// What was decided on an order's row, too, is lost with it, and with the refund's.
func TestChangeOfARefundThatHangsOnItsOrderIsLostWhenTheOrderMoved(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			o := openPaid(t, s, "1")
			r := newRefund(s, o, "r1", 60)
			wins(t, true)(s.OpenRefund(t.Context(), r, pay.PAID, r.OpenPostings()))
			before := stored(t, s, "1").Unit
			wins(t, true)(s.OpenRefund(t.Context(), newRefund(s, o, "r2", 40), pay.PAID, nil))
			c := pay.RefundChange{From: r, Refund: r, Refunded: 60, OnOrder: before, Postings: []pay.Posting{pay.PostRefunded("r1", 60, 60)}}
			c.Refund.State, c.Refund.Unit = pay.RefundSucceeded, ""
			wins(t, false)(s.SettleRefund(t.Context(), c))
			same(t, "refund", got[pay.Refund](t)(s.Refund(t.Context(), merchant, "r1")).State, pay.RefundPending)
			c.OnOrder = stored(t, s, "1").Unit
			wins(t, true)(s.SettleRefund(t.Context(), c))
			now := stored(t, s, "1")
			same(t, "refunded", []pay.Fen{now.Reserved, now.Refunded}, []pay.Fen{100, 60})
			wins(t, false)(s.SettleRefund(t.Context(), c))
			same(t, "ledger", got[map[pay.Channel]map[pay.Account]pay.Fen](t)(s.Balances(t.Context(), merchant))[pay.Wxpay][pay.AccRefunding], 0)
		})
	}
}

func TestRejectedRefundFreesItsReservation(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			r := newRefund(s, o, "r1", 100)
			wins(t, true)(s.OpenRefund(t.Context(), r, pay.PAID, r.OpenPostings()))
			wins(t, false)(s.OpenRefund(t.Context(), newRefund(s, o, "r2", 1), pay.PAID, nil))
			c := pay.RefundChange{From: r, Refund: r, Reserved: -100, Late: pay.LateReturned, Postings: []pay.Posting{pay.PostRejected("r1", 100)}}
			c.Refund.State = pay.RefundRejected
			wins(t, true)(s.SettleRefund(t.Context(), c))
			o = stored(t, s, "1")
			same(t, "reserved", o.Reserved, 0)
			same(t, "late", o.Late, pay.LateReturned)
			wins(t, true)(s.OpenRefund(t.Context(), newRefund(s, o, "r3", 100), pay.PAID, nil))
		})
	}
}

func TestRefundIsNotOpened(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			first := newRefund(s, o, "r1", 60)
			wins(t, true)(s.OpenRefund(t.Context(), first, pay.PAID, first.OpenPostings()))
			openPaid(t, s, "2")
			before := stored(t, s, "1")
			otherOrder := newRefund(s, o, "r1", 1)
			otherOrder.OutTradeNo = "2"
			absent := newRefund(s, o, "r9", 1)
			absent.OutTradeNo = "9"
			tests := []struct {
				name string
				r    pay.Refund
				from pay.OrderState
			}{
				{"more than is left", newRefund(s, o, "r2", 41), pay.PAID},
				{"from another state", newRefund(s, o, "r2", 1), pay.REVERSING},
				{"with a number that exists", newRefund(s, o, "r1", 1), pay.PAID},
				{"with a number that exists on another order", otherOrder, pay.PAID},
				{"of an order that does not exist", absent, pay.PAID},
			}
			for _, tt := range tests {
				job := jobs.Edit{Put: &jobs.Job{Key: jobs.Key{MerchantID: merchant, Kind: "refund", Ref: "x"}, RunAt: noon, CreatedAt: noon}}
				won, err := s.OpenRefund(t.Context(), tt.r, tt.from, tt.r.OpenPostings(), job)
				if won || err != nil {
					t.Errorf("%s: won = %v, %v; want a loss", tt.name, won, err)
				}
				same(t, tt.name, stored(t, s, "1"), before)
			}
			same(t, "other order", stored(t, s, "2").Reserved, 0)
			same(t, "refunds", len(got[[]pay.Refund](t)(s.Refunds(t.Context(), merchant, "1"))), 1)
			same(t, "jobs", len(got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{}))), 0)
		})
	}
}

// TestManyRefundsNeverExceedTheOrder opens 64 refunds of 60 % of one order at
// once, from two processes. SQLite runs them one after the other; PostgreSQL
// runs them at READ COMMITTED, where a sum over refunds would let two through.
func TestManyRefundsNeverExceedTheOrder(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			stores := []*store.Store{opened(), opened()}
			want := map[string]string{store.SQLite: "serializable", store.Postgres: "read committed"}[stores[0].Engine()]
			same(t, "isolation", got[string](t)(stores[0].Isolation(t.Context())), want)
			for round := range 5 {
				o := openPaid(t, stores[0], strconv.Itoa(round))
				var won atomic.Int64
				var wg sync.WaitGroup
				for i := range 64 {
					wg.Go(func() {
						r := newRefund(stores[i%2], o, fmt.Sprintf("%d-%d", round, i), 60)
						ok, err := stores[i%2].OpenRefund(t.Context(), r, pay.PAID, r.OpenPostings())
						if err != nil {
							t.Error(err)
						}
						if ok {
							won.Add(1)
						}
					})
				}
				wg.Wait()
				same(t, "accepted", won.Load(), 1)
				same(t, "reserved", stored(t, stores[0], o.OutTradeNo).Reserved, 60)
				same(t, "refunds", len(got[[]pay.Refund](t)(stores[0].Refunds(t.Context(), merchant, o.OutTradeNo))), 1)
			}
		})
	}
}

// TestOneRefundNumberOnTwoOrders races the same number onto two orders from
// two processes: on PostgreSQL both may pass the look for the number, and the
// plain insert decides. It must roll back its own reservation and no more.
func TestOneRefundNumberOnTwoOrders(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			stores := []*store.Store{opened(), opened()}
			for round := range 20 {
				orders := []pay.Order{
					openPaid(t, stores[0], fmt.Sprintf("%d-a", round)), openPaid(t, stores[0], fmt.Sprintf("%d-b", round)),
				}
				var won atomic.Int64
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() {
						s := stores[i%2]
						r := newRefund(s, orders[i%2], fmt.Sprintf("r%d", round), 10)
						ok, err := s.OpenRefund(t.Context(), r, pay.PAID, r.OpenPostings())
						if err != nil {
							t.Error(err)
						}
						if ok {
							won.Add(1)
						}
					})
				}
				wg.Wait()
				same(t, "accepted", won.Load(), 1)
				reserved := stored(t, stores[0], orders[0].OutTradeNo).Reserved + stored(t, stores[0], orders[1].OutTradeNo).Reserved
				same(t, "reserved", reserved, 10)
			}
		})
	}
}

func TestRefundsAreListedInTheOrderOfCreation(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			for i, number := range []string{"z", "y", "x"} {
				r := newRefund(s, o, number, 1)
				r.CreatedAt = noon.AddDate(0, 0, i)
				wins(t, true)(s.OpenRefund(t.Context(), r, pay.PAID, nil))
			}
			var numbers []string
			for _, r := range got[[]pay.Refund](t)(s.Refunds(t.Context(), merchant, "1")) {
				numbers = append(numbers, r.OutRefundNo)
			}
			same(t, "refunds", numbers, []string{"z", "y", "x"})
		})
	}
}
