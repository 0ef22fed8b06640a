package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// straggler is a wallet to which one cancel is still on its way: its caller has
// given up waiting, and it arrives when the test lets it.
type straggler struct {
	channel.Channel
	late *lateCancel
}

// lateCancel is that cancel, and what was seen of its order.
type lateCancel struct {
	t       *testing.T
	wallet  channel.Channel
	req     *channel.OrderRequest // nil until it is sent
	arrived bool
	paid    pay.Outcome // the query that saw the payment
	silent  int         // queries after its arrival whose answers are lost
}

// arrives lets the cancel be carried out.
func (l *lateCancel) arrives(ctx context.Context) {
	l.arrived = true
	if out := l.wallet.Reverse(ctx, *l.req); !out.Returned {
		l.t.Errorf("the cancel gave nothing back: %+v", out)
	}
}

func (s straggler) Reverse(_ context.Context, r channel.OrderRequest) pay.Outcome {
	s.late.req, s.late.wallet = &r, s.Channel
	return pay.Outcome{Kind: pay.Unknown, Lost: true}
}

func (s straggler) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	out := s.Channel.Query(ctx, r)
	switch {
	case s.late.arrived && s.late.silent > 0:
		s.late.silent--
		return pay.Outcome{Kind: pay.Unknown, Lost: true}
	case out.Kind == pay.Paid && !s.late.arrived: // before the answer is heard
		s.late.arrives(ctx)
	}
	return out
}

func (s straggler) ParseNotice(map[string][]string, []byte) (channel.Notice, error) {
	return channel.Notice{OutTradeNo: s.late.req.OutTradeNo, SubMerchant: s.late.req.Merchant.SellerID, Ack: "success", Outcome: s.late.paid}, nil
}

// A merchant's close of a code was sent as Alipay's cancel by one process and
// was still on its way. The customer paid, another process saw that and held it
// as late money, the cancel gave it back, and the return was refused with
// ACQ.TRADE_HAS_CLOSE: the books owed the customer for ever what he had.
func TestBugCancelOnItsWayReturnedWhatWasHeldAsLateMoney(t *testing.T) {
	t.Parallel()
	const notice, noticeFirst, query = "cancel, then notice", "notice and query, then cancel", "query while closing, then cancel"
	undone, refunded := []string{"late", "late_reversed"}, []string{"late", "refund:late-", "reserve:late-"}
	for _, c := range []struct {
		order  string
		silent int
		posted []string
	}{
		{notice, 0, undone},
		{notice, 3, undone},
		{noticeFirst, 0, refunded},
		{noticeFirst, 3, refunded},
		{query, 0, refunded},
		{query, 3, refunded},
	} {
		t.Run(fmt.Sprint(c.order, " ", c.silent, " lost"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ahead := changed(func(p *pay.Profile) {
					if c.order != query {
						p.ExpireGrace = -110 * time.Minute // a clock that is ahead of the wallet's
					}
				})
				late := &lateCancel{t: t, silent: c.silent}
				h := newHouse(t, options{profiles: ahead, channels: func(find gateway.Channels) gateway.Channels {
					return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
						w, err := find(ctx, provider, ch)
						return straggler{w, late}, err
					}
				}})
				code, no := h.shown(pay.Alipay, nil)
				if err := h.gw.CloseOrder(t.Context(), h.merchant, no); err != nil {
					t.Fatal(err)
				}
				h.until(no, time.Minute, func(o pay.Order) bool { return o.ReverseTries > 0 })
				synctest.Wait()
				if c.order != query {
					h.until(no, time.Hour, func(o pay.Order) bool { return o.State == pay.CLOSED })
				}
				h.pays(code)
				if c.order != query {
					late.paid = late.wallet.Query(t.Context(), *late.req)
					if c.order == notice {
						late.arrives(t.Context())
					}
					if _, _, err := h.gw.Notice(t.Context(), pay.Alipay, "provider", "merchant", nil, nil); err != nil {
						t.Fatal(err)
					}
				}
				h.until(no, 3*time.Hour, func(o pay.Order) bool { return o.Late == pay.LateReturned && !o.Watch })
				h.checkReturned(no, c.posted)
			})
		})
	}
}

// checkReturned checks that late money is booked as returned by these postings,
// and that nothing is owed or left to do.
func (h *house) checkReturned(no string, posted []string) {
	t := h.t
	t.Helper()
	if kept, charges := h.kept(no); kept != 0 || charges != 1 {
		t.Errorf("the wallet keeps %d of %d charges", kept, charges)
	}
	h.checkBooks(no)
	ps, err := h.store.Postings(t.Context(), "merchant", no)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, p := range ps {
		events = append(events, strings.TrimSuffix(p.Event, no))
	}
	slices.Sort(events)
	if diff := cmp.Diff(posted, events); diff != "" {
		t.Errorf("postings (-want +got):\n%s", diff)
	}
	for account, v := range pay.Balances(ps) {
		if v != 0 {
			t.Errorf("account %s holds %d", account, v)
		}
	}
	refunds, err := h.store.Refunds(t.Context(), "merchant", no)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refunds {
		if r.State != pay.RefundSucceeded {
			t.Errorf("refund %s is %s", r.OutRefundNo, r.State)
		}
	}
	<-time.After(time.Minute) // the order looks once more whether its return is done
	if left := h.jobs(); len(left) != 0 {
		t.Errorf("work is left: %+v", left)
	}
}
