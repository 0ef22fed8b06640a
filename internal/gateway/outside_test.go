package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// refundElsewhere refunds part of an order as the merchant would in the
// wallet's own console: with the provider's keys, and without us.
func (h *house) refundElsewhere(ch pay.Channel, no, refundNo string, amount pay.Fen) {
	h.t.Helper()
	w, sub := h.atWallet(ch)
	out := w.Refund(h.t.Context(), channel.RefundRequest{
		OrderRequest: channel.OrderRequest{Merchant: sub, OutTradeNo: no, Total: h.order(no).Total}, OutRefundNo: refundNo, Amount: amount, NotifyURL: h.address(ch),
	})
	if out.Kind != pay.Paid && out.Kind != pay.Waiting {
		h.t.Fatalf("the wallet does not refund: %+v", out.Outcome)
	}
}

// atWallet is a channel of the provider, and the merchant at it.
func (h *house) atWallet(ch pay.Channel) (channel.Channel, channel.Merchant) {
	h.t.Helper()
	w, err := h.find(h.t.Context(), "provider", ch)
	if err != nil {
		h.t.Fatal(err)
	}
	m := h.merchant
	return w, channel.Merchant{SubMchID: m.Wx.SubMchID, SubAppID: m.Wx.SubAppID, API: m.Wx.API, AppAuthToken: m.Ali.AppAuthToken, SellerID: m.Ali.SellerID}
}

func (h *house) address(ch pay.Channel) string {
	return "https://pay.example.com" + gateway.NoticePath + string(ch) + "/provider/merchant"
}

// TestRefundsMadeElsewhereAreTakenOverBeforeAnOrderIsCalledPaid: the answer to
// the payment and its notice got lost, part of it was refunded without us, and
// then the wallet is asked (money.md §2).
func TestRefundsMadeElsewhereAreTakenOverBeforeAnOrderIsCalledPaid(t *testing.T) {
	t.Parallel()
	for name, api := range map[string]string{"v2": channel.APIv2, "v3": channel.APIv3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, options{api: api})
				in := h.scan(pay.Wxpay)
				o, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
				if err != nil {
					t.Fatal(err)
				}
				h.pays(sandbox.Invocation{CodeURL: o.Prepaid.CodeURL})
				h.refundElsewhere(pay.Wxpay, in.OutTradeNo, "console-1", 30)
				<-time.After(5 * time.Second) // it arrives
				o = h.until(in.OutTradeNo, 10*time.Minute, func(o pay.Order) bool { return o.State == pay.PAID })
				if o.Reserved != 30 || o.Refunded != 30 || o.Finished {
					t.Errorf("called paid with %d refunded of %d, finished %v", o.Refunded, o.Total, o.Finished)
				}
				r, err := h.store.Refund(t.Context(), "merchant", "console-1")
				if err != nil || r.Origin != pay.OriginChannel || r.State != pay.RefundSucceeded || r.Amount != 30 || r.RefundID == "" {
					t.Errorf("taken over as %+v, %v", r, err)
				}
				// What is left, and no more, is refundable here.
				for _, amount := range []pay.Fen{o.Total - 29, o.Total - 30} {
					_, _, err := h.gw.Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: h.number(), Total: o.Total, Amount: amount})
					if (err == nil) != (amount == o.Total-30) {
						t.Errorf("refund of %d of %d: %v", amount, o.Total, err)
					}
				}
				h.checkBooks(in.OutTradeNo)
			})
		})
	}
}

// TestANoticeOfARefundMadeElsewhereTakesItOver: of a paid order, by each
// wallet's own notice, once however often it comes.
func TestANoticeOfARefundMadeElsewhereTakesItOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ch  pay.Channel
		api string
	}{"v2": {pay.Wxpay, channel.APIv2}, "v3": {pay.Wxpay, channel.APIv3}, "alipay": {ch: pay.Alipay}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, options{api: c.api, notices: true})
				in := h.scan(c.ch)
				o, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
				if err != nil {
					t.Fatal(err)
				}
				h.pays(sandbox.Invocation{CodeURL: o.Prepaid.CodeURL})
				h.until(in.OutTradeNo, time.Minute, func(o pay.Order) bool { return o.State == pay.PAID })
				// One of our own first: what is added is only theirs.
				own := h.number()
				if _, _, err := h.gw.Refund(t.Context(), h.merchant, gateway.Refund{OutTradeNo: in.OutTradeNo, OutRefundNo: own, Total: in.Total, Amount: 10}); err != nil {
					t.Fatal(err)
				}
				h.until(in.OutTradeNo, 5*time.Minute, func(o pay.Order) bool {
					h.tell()
					return o.Refunded == 10
				})
				<-time.After(2 * time.Minute) // WeChat wants a minute between refunds
				h.refundElsewhere(c.ch, in.OutTradeNo, "console-1", 30)
				o = h.until(in.OutTradeNo, 10*time.Minute, func(o pay.Order) bool {
					h.tell()
					return o.Refunded == 40
				})
				if o.State != pay.PAID || o.Reserved != 40 || o.Finished {
					t.Errorf("%s with %d reserved, finished %v", o.State, o.Reserved, o.Finished)
				}
				r, err := h.store.Refund(t.Context(), "merchant", "console-1")
				if err != nil || r.Origin != pay.OriginChannel || r.Amount != 30 {
					t.Errorf("taken over as %+v, %v", r, err)
				}
				for _, n := range h.heard() { // each once more, as it came
					if _, _, err := h.gw.Notice(t.Context(), c.ch, "provider", "merchant", n.header, n.body); err != nil {
						t.Errorf("a repetition: %v", err)
					}
				}
				<-time.After(time.Minute)
				if o := h.order(in.OutTradeNo); o.Refunded != 40 || o.State != pay.PAID {
					t.Errorf("after repeated notices %s with %d refunded", o.State, o.Refunded)
				}
				h.checkBooks(in.OutTradeNo)
			})
		})
	}
}

// tell has the wallets send the notices that are due.
func (h *house) tell() {
	h.t.Helper()
	if _, err := h.box.SendNotices(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// heard returns the notices that came so far.
func (h *house) heard() []heardNotice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]heardNotice(nil), h.notes...)
}

// heardNotice is a notice as it came.
type heardNotice struct {
	header map[string][]string
	body   []byte
}
