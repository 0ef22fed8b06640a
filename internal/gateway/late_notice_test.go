package gateway_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// TestAPaidNoticeOfAClosedOrderIsLateMoney: the close seemed to be done, the
// customer paid all the same, and the wallet's own notice says so. The money goes
// back, by every interface, and the merchant hears of no payment.
func TestAPaidNoticeOfAClosedOrderIsLateMoney(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ch  pay.Channel
		api string
	}{"v2": {pay.Wxpay, channel.APIv2}, "v3": {pay.Wxpay, channel.APIv3}, "alipay": {ch: pay.Alipay}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				closing := true
				h := newHouse(t, options{api: c.api, notices: true, channels: func(find gateway.Channels) gateway.Channels {
					return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
						w, err := find(ctx, provider, ch)
						return forgetful{w, &closing}, err
					}
				}})
				in := h.scan(c.ch)
				o, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(6 * time.Minute)
				if err := h.gw.CloseOrder(t.Context(), h.merchant, in.OutTradeNo); err != nil {
					t.Fatal(err)
				}
				h.until(in.OutTradeNo, 3*time.Hour, func(o pay.Order) bool { return o.State == pay.CLOSED })
				closing = false
				h.pays(sandbox.Invocation{CodeURL: o.Prepaid.CodeURL})
				o = h.until(in.OutTradeNo, 10*time.Minute, func(o pay.Order) bool {
					h.tell()
					return o.Late == pay.LateReturned
				})
				if kept, charges := h.kept(in.OutTradeNo); o.State != pay.CLOSED || kept != 0 || charges != 1 {
					t.Errorf("%s, the wallet keeps %d of %d charges", o.State, kept, charges)
				}
				h.checkBooks(in.OutTradeNo)
			})
		})
	}
}

// forgetful says that orders are closed, and does nothing, while closing is set.
type forgetful struct {
	channel.Channel
	closing *bool
}

func (f forgetful) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if *f.closing {
		return pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}
	}
	return f.Channel.Close(ctx, r)
}

func (f forgetful) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if *f.closing {
		return pay.Outcome{Kind: pay.Paid, Verified: true, Code: "close"}
	}
	return f.Channel.Reverse(ctx, r)
}

func (f forgetful) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	if *f.closing {
		return pay.Outcome{Kind: pay.Declined, Verified: true, Code: "CLOSED"}
	}
	return f.Channel.Query(ctx, r)
}
