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

// TestBugRefundMadeElsewhereWasLostInARace: the order's row changes between the
// wallet's list and its import. The notice was taken all the same, so that it
// never came again, and what went back was not taken over.
func TestBugRefundMadeElsewhereWasLostInARace(t *testing.T) {
	t.Parallel()
	for name, ch := range map[string]pay.Channel{"wxpay": pay.Wxpay, "alipay": pay.Alipay} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var meanwhile func()
				h := newHouse(t, options{notices: true, channels: func(find gateway.Channels) gateway.Channels {
					return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
						w, err := find(ctx, provider, ch)
						if err != nil || ch == pay.Alipay {
							return asked{w, &meanwhile}, err
						}
						return lister{asked{w, new(func())}, &meanwhile}, nil
					}
				}})
				in := h.scan(ch)
				o, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
				if err != nil {
					t.Fatal(err)
				}
				h.pays(sandbox.Invocation{CodeURL: o.Prepaid.CodeURL})
				h.until(in.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.PAID })
				<-time.After(2 * time.Minute)
				raced := false
				meanwhile = func() {
					if raced {
						return
					}
					raced = true
					refund := gateway.Refund{OutTradeNo: in.OutTradeNo, OutRefundNo: h.number(), Total: in.Total, Amount: 10}
					if _, _, err := h.gw.Refund(t.Context(), h.merchant, refund); err != nil {
						t.Error(err)
					}
				}
				h.refundElsewhere(ch, in.OutTradeNo, "console-1", 30)
				h.until(in.OutTradeNo, 20*time.Minute, func(o pay.Order) bool {
					h.tell()
					return o.Refunded == 40
				})
				if !raced {
					t.Error("nothing came between")
				}
				h.checkBooks(in.OutTradeNo)
			})
		})
	}
}

// asked lets something happen while a refund is asked for.
type asked struct {
	channel.Channel
	meanwhile *func()
}

func (a asked) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	out := a.Channel.QueryRefund(ctx, r)
	if do := *a.meanwhile; do != nil && r.OutRefundNo == "console-1" {
		do()
	}
	return out
}

// lister lets something happen while refunds are listed.
type lister struct {
	asked
	meanwhile *func()
}

func (l lister) Refunds(ctx context.Context, r channel.OrderRequest) channel.RefundList {
	list := l.Channel.(channel.RefundLister).Refunds(ctx, r)
	if do := *l.meanwhile; do != nil {
		do()
	}
	return list
}
