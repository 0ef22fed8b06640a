package gateway_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// noticed is a house whose wallet prepares every order, has never heard of any
// when asked, and whose notices are what the test puts there.
func noticed(t *testing.T, receiver *receiver, next *channel.Notice) *house {
	t.Helper()
	return newHouse(t, options{
		notifyURL: "http://127.0.0.1:9000/notify", receiver: receiver, idle: time.Hour,
		channels: wrap(wrapped{
			prepay: func(channel.PrepayRequest) channel.PrepayOutcome {
				return channel.PrepayOutcome{
					Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}, Prepaid: pay.Prepaid{CodeURL: "weixin://1"},
				}
			},
			query: func(pay.Outcome) pay.Outcome { return pay.Outcome{Kind: pay.Unknown, Lost: true} },
			parse: func([]byte) (channel.Notice, error) {
				if next.OutTradeNo == "" {
					return channel.Notice{}, errors.New("does not verify")
				}
				return *next, nil
			},
		}),
	})
}

func (h *house) notice(provider, merchant string) (string, error) {
	ack, _, err := h.gw.Notice(h.t.Context(), pay.Wxpay, provider, merchant, nil, nil)
	return ack, err
}

func paidNotice(h *house, no string) channel.Notice {
	return channel.Notice{
		SubMerchant: h.merchant.Wx.SubMchID, OutTradeNo: no, Ack: "taken", AckType: "text/xml",
		Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: pay.Payment{
			TransactionID: "4200", Total: 100, Settlement: 98, PaidAt: time.Now(), PayerID: "o1", Promo: `{"coupon_fee":2}`,
		}},
	}
}

func TestPaidNoticeSettlesOnceHoweverOftenItComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next channel.Notice
		r := newReceiver()
		h := noticed(t, r, &next)
		in := h.scan(pay.Wxpay)
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		next = paidNotice(h, in.OutTradeNo)
		for range 3 {
			if ack, err := h.notice("provider", "merchant"); err != nil || ack != "taken" {
				t.Fatalf("%q, %v", ack, err)
			}
		}
		<-time.After(time.Minute)
		o := h.order(in.OutTradeNo)
		if o.State != pay.PAID || o.Truth != pay.TruthNotice || o.Settlement != 98 || o.Promo == "" || r.count() != 1 {
			t.Errorf("%s by %s, settled %d, promo %q, told %d times", o.State, o.Truth, o.Settlement, o.Promo, r.count())
		}
		h.checkBooks(in.OutTradeNo)
	})
}

func TestNoticeThatIsNotOursChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next channel.Notice
		h := noticed(t, newReceiver(), &next)
		in := h.scan(pay.Wxpay)
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		before := h.order(in.OutTradeNo)
		for _, c := range []struct {
			name, provider, merchant string
			change                   func(*channel.Notice)
			want                     error
		}{
			{"unverified", "provider", "merchant", func(n *channel.Notice) { n.OutTradeNo = "" }, pay.ErrDenied},
			{"other provider", "other", "merchant", func(*channel.Notice) {}, pay.ErrNotFound},
			{"unknown merchant", "provider", "other", func(*channel.Notice) {}, pay.ErrNotFound},
			{"unknown order", "provider", "merchant", func(n *channel.Notice) { n.OutTradeNo += "1" }, pay.ErrNotFound},
			{"another's money", "provider", "merchant", func(n *channel.Notice) { n.SubMerchant = "1900000000" }, pay.ErrDenied},
			{"no merchant", "provider", "merchant", func(n *channel.Notice) { n.SubMerchant = "" }, pay.ErrDenied},
			{"another amount", "provider", "merchant", func(n *channel.Notice) { n.Outcome.Payment.Total = 1 }, pay.ErrDenied},
			{"no amount", "provider", "merchant", func(n *channel.Notice) { n.Outcome.Payment.Total = 0 }, pay.ErrDenied},
		} {
			next = paidNotice(h, in.OutTradeNo)
			c.change(&next)
			if ack, err := h.notice(c.provider, c.merchant); !errors.Is(err, c.want) || ack != "" {
				t.Errorf("%s: %q, %v, want %v", c.name, ack, err, c.want)
			}
		}
		if after := h.order(in.OutTradeNo); after != before {
			t.Errorf("the order became %+v", after)
		}
		if _, _, err := h.gw.Notice(t.Context(), pay.Alipay, "provider", "merchant", nil, nil); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("a notice of the other wallet: %v", err)
		}
	})
}

// TestPaidNoticeForAClosedOrderIsLateMoney: the merchant has been told that it
// is closed, so the money goes back and he hears nothing.
func TestPaidNoticeForAClosedOrderIsLateMoney(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next channel.Notice
		var refunded []channel.RefundRequest
		r := newReceiver()
		h := newHouse(t, options{
			notifyURL: "http://127.0.0.1:9000/notify", receiver: r,
			channels: func(find gateway.Channels) gateway.Channels {
				return func(ctx context.Context, p string, ch pay.Channel) (channel.Channel, error) {
					c, err := find(ctx, p, ch)
					return refunding{wrapped{
						Channel: c,
						prepay: func(channel.PrepayRequest) channel.PrepayOutcome {
							return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true}, Prepaid: pay.Prepaid{CodeURL: "weixin://1"}}
						},
						query: func(pay.Outcome) pay.Outcome { return pay.Outcome{Kind: pay.Waiting, Verified: true, Code: "NOTPAY"} },
						close: func(channel.OrderRequest) pay.Outcome { return pay.Outcome{Kind: pay.Paid, Verified: true} },
						parse: func([]byte) (channel.Notice, error) { return next, nil },
					}, &refunded}, err
				}
			},
		})
		in := h.scan(pay.Wxpay)
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, in); err != nil {
			t.Fatal(err)
		}
		if err := h.gw.CloseOrder(t.Context(), h.merchant, in.OutTradeNo); err != nil {
			t.Fatalf("an unpaid order cannot be closed: %v", err)
		}
		next = paidNotice(h, in.OutTradeNo)
		if ack, err := h.notice("provider", "merchant"); err != nil || ack != "taken" {
			t.Fatalf("%q, %v", ack, err)
		}
		o := h.until(in.OutTradeNo, 10*time.Minute, func(o pay.Order) bool { return o.Late == pay.LateReturned })
		if o.State != pay.CLOSED || len(refunded) != 1 || refunded[0].Amount != 100 || r.count() != 0 {
			t.Errorf("%s, refunded %+v, told %d times", o.State, refunded, r.count())
		}
		if err := h.gw.CloseOrder(t.Context(), h.merchant, in.OutTradeNo); err != nil {
			t.Errorf("closing what is closed: %v", err)
		}
		h.checkBooks(in.OutTradeNo)
	})
}

// refunding is a wallet that pays every refund.
type refunding struct {
	wrapped
	got *[]channel.RefundRequest
}

func (r refunding) Refund(_ context.Context, in channel.RefundRequest) channel.RefundOutcome {
	*r.got = append(*r.got, in)
	return channel.RefundOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true}, Refund: pay.RefundPaid{Refund: in.Amount}}
}

// TestRefundNoticeIsAHint: nothing of it is believed, the refund is asked for.
func TestRefundNoticeIsAHint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next channel.Notice
		h := newHouse(t, options{channels: wrap(wrapped{parse: func([]byte) (channel.Notice, error) { return next, nil }})})
		o, err := h.pay(pay.Wxpay, 100, "")
		if err != nil || o.State != pay.PAID {
			t.Fatal(o.State, err)
		}
		no := h.number()
		_, refund, err := h.gw.Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: no, Total: 100, Amount: 40})
		if err != nil || refund.State != pay.RefundPending {
			t.Fatal(refund.State, err)
		}
		next = channel.Notice{SubMerchant: h.merchant.Wx.SubMchID, OutTradeNo: o.OutTradeNo, OutRefundNo: no, Ack: "taken"}
		next.Refund.Refund = 1 // a lie
		began := time.Now()
		if _, err := h.notice("provider", "merchant"); err != nil {
			t.Fatal(err)
		}
		<-time.After(100 * time.Millisecond)
		got, err := h.store.Refund(t.Context(), "merchant", no)
		if err != nil || got.TriedAt.Before(began.Truncate(time.Millisecond)) || got.Amount != 40 {
			t.Errorf("tried at %v, noticed at %v: %v", got.TriedAt, began, err)
		}
		next.OutRefundNo = "made-elsewhere"
		asks := h.order(o.OutTradeNo).Asks
		if _, err := h.notice("provider", "merchant"); err != nil {
			t.Fatal(err)
		}
		h.until(o.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.Asks > asks && !o.Watch })
		other, err := h.pay(pay.Wxpay, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		next.OutTradeNo, next.OutRefundNo = other.OutTradeNo, no
		if _, err := h.notice("provider", "merchant"); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("a refund of another order: %v", err)
		}
	})
}
