package store_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

func TestEveryFieldOfAnOrderIsKept(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			open(t, s, o)
			same(t, "after opening", stored(t, s, "1"), o)

			c := pay.Change{From: o, Order: o}
			fill(t, &c.Order)
			// What an order keeps for life.
			n := &c.Order
			n.MerchantID, n.OutTradeNo, n.ProviderID, n.Channel, n.TradeType = o.MerchantID, o.OutTradeNo, o.ProviderID, o.Channel, o.TradeType
			n.Total, n.Currency, n.Fingerprint, n.CodeHash = o.Total, o.Currency, o.Fingerprint, o.CodeHash
			n.ShopID, n.DeviceID, n.StaffID, n.Body, n.NotifyURL, n.Extra = o.ShopID, o.DeviceID, o.StaffID, o.Body, o.NotifyURL, o.Extra
			n.SentAt, n.CreatedAt, n.ExpireAt, n.Settle = o.SentAt, o.CreatedAt, o.ExpireAt, o.Settle
			n.TerminalType, n.SubTerminalType, n.QRCodeID, n.SourceType, n.Authen = o.TerminalType, o.SubTerminalType, o.QRCodeID, o.SourceType, o.Authen
			n.Reserved, n.Refunded = 60, 40
			n.Unit = s.NewUnit()
			wins(t, true)(s.SettleOrder(t.Context(), c))
			same(t, "after settling", stored(t, s, "1"), c.Order)

			// And every field on its way back to zero.
			back := pay.Change{From: c.Order, Order: o}
			back.Order.Unit = s.NewUnit()
			wins(t, true)(s.SettleOrder(t.Context(), back))
			same(t, "after settling back", stored(t, s, "1"), back.Order)
		})
	}
}

func TestOrdinaryPaymentIsKept(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			open(t, s, o, settleJob(o))
			c := paid(o)
			c.Order.Unit = s.NewUnit()
			wins(t, true)(s.SettleOrder(t.Context(), c, jobs.Edit{Done: &jobs.Key{MerchantID: merchant, Kind: "settle", Ref: "1"}}))
			same(t, "order", stored(t, s, "1"), c.Order)
			same(t, "postings", got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, "1")), c.Postings)
			same(t, "jobs", len(got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{}))), 0)
		})
	}
}

func TestOpenOrderRefusesWhatASettlementWrites(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			o.Reserved = 1
			if _, err := s.OpenOrder(t.Context(), o); err == nil {
				t.Fatal("a new order with a reservation was accepted")
			}
			_, err := s.Order(t.Context(), merchant, "1")
			is(t, err, pay.ErrNotFound)
		})
	}
}

func TestSettleOrderRefusesToChangeTheIntent(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			open(t, s, o)
			c := paid(o)
			c.Order.Total = 1
			if _, err := s.SettleOrder(t.Context(), c); err == nil {
				t.Fatal("the total of an order was changed")
			}
			same(t, "order", stored(t, s, "1"), o)
		})
	}
}

func TestNumberIsTakenOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			first := newOrder(s, "1")
			open(t, s, first)
			second := newOrder(s, "1")
			second.Total, second.CodeHash = 7, "another code"
			wins(t, false)(s.OpenOrder(t.Context(), second, settleJob(second)))
			same(t, "order", stored(t, s, "1"), first)
			same(t, "jobs of the loser", len(got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{}))), 0)

			other := newOrder(s, "1") // another merchant's number is another number
			other.MerchantID = "2"
			open(t, s, other)
		})
	}
}

func TestPaymentCodeIsHeldByOneOpenOrder(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			with := func(number string) pay.Order {
				o := newOrder(s, number)
				o.CodeHash = "the code"
				return o
			}
			first := with("1")
			open(t, s, first)
			wins(t, false)(s.OpenOrder(t.Context(), with("2")))
			same(t, "holder", got[pay.Order](t)(s.OrderByCode(t.Context(), merchant, "the code")).OutTradeNo, "1")

			// Every state that is not final goes on holding it.
			c := pay.Change{From: first, Order: first}
			c.Order.State, c.Order.Unit = pay.REVERSING, s.NewUnit()
			wins(t, true)(s.SettleOrder(t.Context(), c))
			wins(t, false)(s.OpenOrder(t.Context(), with("2")))

			// A final state lets it go, and a paid order that is reversed later does
			// not claim it again: by then somebody else may hold it.
			wins(t, true)(s.SettleOrder(t.Context(), paid(c.Order)))
			_, err := s.OrderByCode(t.Context(), merchant, "the code")
			is(t, err, pay.ErrNotFound)
			open(t, s, with("2"))
			c.From = stored(t, s, "1")
			c.Order = c.From
			c.Order.State = pay.REVERSING
			wins(t, true)(s.SettleOrder(t.Context(), c))
			same(t, "holder", got[pay.Order](t)(s.OrderByCode(t.Context(), merchant, "the code")).OutTradeNo, "2")

			// Orders without a code do not meet.
			for _, number := range []string{"3", "4"} {
				o := newOrder(s, number)
				o.CodeHash = ""
				open(t, s, o)
			}
		})
	}
}

func TestLostRaceWritesNothing(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			before := got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, "1"))
			work := job("settle", "1", "", 0, noon)
			put(t, s, work)
			stale := o
			stale.Unit = "an older unit"
			otherState := o
			otherState.State = pay.PAYING
			for name, from := range map[string]pay.Order{"unit": stale, "state": otherState} {
				c := pay.Change{From: from, Order: from, Postings: []pay.Posting{pay.PostReversed(100, 100)}}
				c.Order.State = pay.REVERSING
				r := newRefund(s, o, "outside", 10)
				r.Origin, r.State = pay.OriginChannel, pay.RefundSucceeded
				c.Refunds = []pay.Refund{r}
				moved := job("settle", "1", "line", 1, noon.Add(time.Hour))
				other := job("settle", "2", "", 0, noon)
				for _, edit := range []jobs.Edit{{Put: &moved}, {Put: &other}, {Touch: &jobs.Touch{Key: work.Key, RunAt: noon.Add(time.Hour)}}, {Done: &work.Key}} {
					wins(t, false)(s.SettleOrder(t.Context(), c, edit))
				}
				same(t, name+": order", stored(t, s, "1"), o)
				same(t, name+": postings", got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, "1")), before)
				same(t, name+": refunds", len(got[[]pay.Refund](t)(s.Refunds(t.Context(), merchant, "1"))), 0)
				same(t, name+": jobs", all(t, s), []jobs.Job{work})
			}
		})
	}
}

func TestManySettlementsOfOneOrderHaveOneWinner(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			stores := []*store.Store{opened(), opened()} // as two processes
			s := stores[0]
			for round := range 5 {
				o := newOrder(s, strconv.Itoa(round))
				open(t, s, o)
				var won atomic.Int64
				var wg sync.WaitGroup
				for i := range 64 {
					wg.Go(func() {
						c := paid(o)
						key := keyOf(o)
						key.Ref = fmt.Sprintf("%s-%d", o.OutTradeNo, i)
						ok, err := stores[i%2].SettleOrder(t.Context(), c, jobs.Edit{Put: &jobs.Job{Key: key, RunAt: noon, CreatedAt: noon}})
						if err != nil {
							t.Error(err)
						}
						if ok {
							won.Add(1)
						}
					})
				}
				wg.Wait()
				same(t, "winners", won.Load(), 1)
				same(t, "postings", len(got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, o.OutTradeNo))), 1)
				same(t, "jobs", len(got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{}))), round+1)
			}
		})
	}
}

func TestRefundsFoundAtTheWalletAreImported(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := openPaid(t, s, "1")
			r := newRefund(s, o, "outside-1", 100)
			r.State, r.Origin, r.Settlement, r.SucceededAt = pay.RefundSucceeded, pay.OriginChannel, 100, noon
			c := pay.Change{From: o, Order: o, Refunds: []pay.Refund{r}, Postings: []pay.Posting{pay.PostChannelRefund("outside-1", 100, 100)}}
			c.Order.Reserved, c.Order.Refunded = 100, 100
			c.Order.Unit = s.NewUnit()
			wins(t, true)(s.SettleOrder(t.Context(), c))
			r.Unit, r.OpenUnit = c.Order.Unit, c.Order.Unit
			same(t, "refund", got[pay.Refund](t)(s.Refund(t.Context(), merchant, "outside-1")), r)
		})
	}
}

func TestReadsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			o := newOrder(s, "1")
			open(t, s, o)
			_, err := s.Order(t.Context(), "another merchant", "1")
			is(t, err, pay.ErrNotFound)
			_, err = s.OrderByCode(t.Context(), "another merchant", o.CodeHash)
			is(t, err, pay.ErrNotFound)
			_, err = s.Refund(t.Context(), merchant, "1")
			is(t, err, pay.ErrNotFound)
			same(t, "refunds", len(got[[]pay.Refund](t)(s.Refunds(t.Context(), merchant, "1"))), 0)
			same(t, "postings", len(got[[]pay.Posting](t)(s.Postings(t.Context(), merchant, "1"))), 0)
		})
	}
}

func TestOpenOrdersAreListedOldestFirst(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			openPaid(t, s, "paid")
			for i, number := range []string{"c", "b", "a"} {
				o := newOrder(s, number)
				o.CreatedAt = noon.Add(time.Duration(i) * time.Millisecond)
				open(t, s, o)
			}
			var numbers []string
			for _, o := range got[[]pay.Order](t)(s.OpenOrders(t.Context(), merchant, 2)) {
				numbers = append(numbers, o.OutTradeNo)
			}
			same(t, "open orders", numbers, []string{"c", "b"})
		})
	}
}

func TestTextThatOneEngineCannotStoreIsRefusedByBoth(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s := opened()
			for _, bad := range []string{"a\x00b", "\xff\xfe"} {
				o := newOrder(s, "1")
				o.Body = bad
				_, err := s.OpenOrder(t.Context(), o)
				is(t, err, pay.ErrInvalid)
			}
			same(t, "units submitted", s.Stats().Units, 0)
		})
	}
}
