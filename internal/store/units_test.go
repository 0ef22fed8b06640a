package store_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// TestFailingUnitDoesNotHurtItsNeighbours commits units whose SQL fails (an
// event that is booked already) together with good ones and losers.
func TestFailingUnitDoesNotHurtItsNeighbours(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			for round := 0; s.Stats().Replays == 0 || round < 3; round++ {
				if round == 50 {
					t.Fatal("no group was ever replayed")
				}
				broken := openPaid(t, s, fmt.Sprintf("%d-broken", round))
				var wg sync.WaitGroup
				for i := range 48 {
					wg.Go(func() {
						o := newOrder(s, fmt.Sprintf("%d-%d", round, i))
						switch i % 3 {
						case 0:
							won, err := s.OpenOrder(t.Context(), o, settleJob(o))
							if err != nil || !won {
								t.Errorf("good unit: %v, %v", won, err)
							}
						case 1:
							if won, err := s.SettleOrder(t.Context(), paid(broken)); err == nil || won {
								t.Errorf("failing unit: %v, %v", won, err)
							}
						default:
							won, err := s.SettleOrder(t.Context(), paid(o)) // not there
							if err != nil || won {
								t.Errorf("losing unit: %v, %v", won, err)
							}
						}
					})
				}
				wg.Wait()
				same(t, "broken order", stored(t, s, broken.OutTradeNo), broken)
				same(t, "jobs", len(got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{Limit: 1000}))), 16*(round+1))
			}
			st := s.Stats()
			if st.Failed == 0 || st.Lost == 0 || st.Queued != 0 || st.Groups == 0 || st.Units < st.Failed+st.Lost {
				t.Errorf("figures do not fit: %+v", st)
			}
		})
	}
}

func TestCloseKeepsWhatWasSubmitted(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s, reader := opened(), opened()
			var mu sync.Mutex
			var acknowledged []string
			var wg sync.WaitGroup
			started := make(chan struct{}, 16)
			for c := range 16 {
				wg.Go(func() {
					for i := 0; ; i++ {
						o := newOrder(s, fmt.Sprintf("%d-%d", c, i))
						won, err := s.OpenOrder(t.Context(), o)
						if err != nil {
							return // closed
						}
						if !won {
							t.Error("lost alone")
						}
						mu.Lock()
						acknowledged = append(acknowledged, o.OutTradeNo)
						mu.Unlock()
						if i == 3 {
							started <- struct{}{}
						}
					}
				})
			}
			for range 16 {
				<-started
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			for _, number := range acknowledged {
				stored(t, reader, number)
			}
		})
	}
}

func TestCallerThatGivesUpMayHaveCommitted(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			for i := range 50 {
				o := newOrder(s, strconv.Itoa(i))
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				mine, err := s.OpenOrder(ctx, o, settleJob(o))
				if err != nil {
					// Another unit finds out: it wins if and only if the first one did not commit.
					again := newOrder(s, o.OutTradeNo)
					won, err := s.OpenOrder(t.Context(), again, settleJob(o))
					if err != nil {
						t.Fatal(err)
					}
					mine = !won
				}
				same(t, "row is of the first unit", stored(t, s, o.OutTradeNo).Unit == o.Unit, mine)
			}
			same(t, "jobs", len(got[[]jobs.Job](t)(s.ListJobs(t.Context(), store.JobFilter{}))), 50)
		})
	}
}

func TestMerchantsOfAllCommittersArePaid(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		for _, oneByOne := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", e.Name, oneByOne), func(t *testing.T) {
				t.Parallel()
				s := e.New(t)(func(c *store.Config) { c.OneByOne, c.Committers = oneByOne, 4 })
				if err := storetest.Payments(t.Context(), s, "x", 16, 200); err != nil {
					t.Fatal(err)
				}
				var receivable pay.Fen
				for m := range 32 {
					b := got[map[pay.Channel]map[pay.Account]pay.Fen](t)(s.Balances(t.Context(), fmt.Sprintf("10000%04d", m)))
					receivable += b[pay.Wxpay][pay.AccReceivable]
				}
				same(t, "receivable", receivable, 200*1250)
				if err := s.Ping(t.Context()); err != nil {
					t.Error(err)
				}
				if err := s.Verify(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
