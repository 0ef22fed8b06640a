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
	"cloudpay/internal/sandbox"
)

// sentBack is an order of 100 of which the bank has sent a refund of 40 back.
func (h *house) sentBack() (no, refundNo string) {
	h.t.Helper()
	o, err := h.pay(pay.Wxpay, 100, "")
	if err == nil {
		err = h.box.AddFault(sandbox.Fault{Scenario: "refund_abnormal", Count: 1})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	refundNo = h.number()
	if _, _, err := h.gw.Refund(h.t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: refundNo, Total: 100, Amount: 40}); err != nil {
		h.t.Fatal(err)
	}
	<-time.After(2 * time.Hour)
	if r, err := h.store.Refund(h.t.Context(), "merchant", refundNo); err != nil || r.State != pay.RefundNeedsHand {
		h.t.Fatalf("%s, %v", r.State, err)
	}
	return o.OutTradeNo, refundNo
}

// TestRefundPaidToTheMerchantsAccountWaitsUntilTheCustomerHasIt: the wallet's
// SUCCESS was booked as if the customer had the money (decision 0066).
func TestRefundPaidToTheMerchantsAccountWaitsUntilTheCustomerHasIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, options{})
		no, refundNo := h.sentBack()
		if _, err := h.gw.ResumeRefund(t.Context(), h.merchant, no, refundNo, true, operator); !errors.Is(err, pay.ErrUnavailable) {
			t.Fatalf("it is on its way to the merchant: %v", err)
		}
		<-time.After(24 * time.Hour)
		r, err := h.gw.ResumeRefund(t.Context(), h.merchant, no, refundNo, false, operator)
		if err != nil || r.State != pay.RefundNeedsHand {
			t.Fatalf("with the merchant it is %s, %v", r.State, err)
		}
		if o := h.order(no); o.Refunded != 0 || o.Reserved != 40 || len(h.attention()) == 0 {
			t.Errorf("refunded %d, reserved %d, wants %+v", o.Refunded, o.Reserved, h.attention())
		}
		if _, err := h.gw.ResumeRefund(t.Context(), h.merchant, no, refundNo, false, operator); !errors.Is(err, pay.ErrDenied) {
			t.Errorf("asked once more: %v", err)
		}
		if r, err = h.gw.OfflineRefund(t.Context(), h.merchant, no, refundNo, operator); err != nil || r.State != pay.RefundOffline {
			t.Fatalf("paid to the customer it is %s, %v", r.State, err)
		}
		all, err := h.store.Balances(t.Context(), "merchant")
		b := all[pay.Wxpay]
		if err != nil || b[pay.AccReceivable] != 60 || b[pay.AccSettled] != 40 || b[pay.AccReturned] != 0 || b[pay.AccOffline] != -40 || b[pay.AccMerchant] != -60 {
			t.Errorf("books %v, %v", b, err)
		}
		if o := h.order(no); o.Refunded != 40 || len(h.attention()) != 0 {
			t.Errorf("refunded %d, wants %+v", o.Refunded, h.attention())
		}
	})
}

// unwilling is a wallet that pays nothing to merchants, and calls every refund
// made that it is asked for once it was told to.
type unwilling struct {
	channel.Channel
	told *bool
}

// RefundAbnormal implements channel.AbnormalRefunder.
func (w unwilling) RefundAbnormal(context.Context, channel.AbnormalRefund) channel.RefundOutcome {
	*w.told = true
	return channel.RefundOutcome{Outcome: pay.Outcome{Kind: pay.Declined, Verified: true, Code: "NO_AUTH"}}
}

// QueryRefund implements channel.Channel.
func (w unwilling) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	if *w.told {
		return channel.RefundOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true}, Refund: pay.RefundPaid{Refund: r.Amount, Settlement: r.Amount}}
	}
	return w.Channel.QueryRefund(ctx, r)
}

// TestRefundThatTheWalletWillNotPayToTheMerchantReachesTheCustomer: after its
// refusal "it has arrived" means the customer again.
func TestRefundThatTheWalletWillNotPayToTheMerchantReachesTheCustomer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := false
		h := newHouse(t, options{channels: func(find gateway.Channels) gateway.Channels {
			return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
				w, err := find(ctx, provider, ch)
				return unwilling{w, &told}, err
			}
		}})
		no, refundNo := h.sentBack()
		if _, err := h.gw.ResumeRefund(t.Context(), h.merchant, no, refundNo, true, operator); !errors.Is(err, pay.ErrDenied) {
			t.Fatalf("the wallet refuses: %v", err)
		}
		if r, err := h.gw.ResumeRefund(t.Context(), h.merchant, no, refundNo, false, operator); err != nil || r.State != pay.RefundSucceeded {
			t.Errorf("it is %s, %v", r.State, err)
		}
		hands, err := h.store.Hands(t.Context(), "merchant", no)
		if err != nil || len(hands) != 3 || hands[0].Act != pay.HandToMerchant && hands[1].Act != pay.HandToMerchant || hands[2].Act != pay.HandResume {
			t.Errorf("by hand: %+v, %v", hands, err)
		}
	})
}
