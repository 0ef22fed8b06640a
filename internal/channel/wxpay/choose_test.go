package wxpay

import (
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// TestTheMerchantChoosesTheInterface has an account of both interfaces.
func TestTheMerchantChoosesTheInterface(t *testing.T) {
	t.Parallel()
	both := func(c *Config) { c.APIKey = secret.New(testKey) }
	byV3, w := play3(t, says(paid3), both)
	w.v2 = merge(common, paid, fieldsOf{"trade_state": "SUCCESS"})
	byV2 := w.channel(both, func(c *Config) { c.API = "" })
	as := func(api string) channel.PayRequest {
		r := charge
		r.Merchant.API = api
		return r
	}
	limited := as(channel.APIv3)
	limited.LimitPay = "no_credit" // which APIv3's code pay cannot say
	const v2, v3 = "/pay/micropay", "/v3/pay/partner/transactions/codepay"
	for _, one := range []struct {
		c    *Channel
		r    channel.PayRequest
		want string
	}{
		{byV3, as(""), v3},
		{byV3, as(channel.APIv3), v3},
		{byV3, as(channel.APIv2), v2},
		{byV2, as(""), v2},
		{byV2, as(channel.APIv2), v2},
		{byV2, as(channel.APIv3), v3},
		{byV3, limited, v2},
	} {
		if got := one.c.Pay(t.Context(), one.r); got.Kind != pay.Paid {
			t.Errorf("%+v", got)
		}
		if req := <-w.requests; req.target != one.want {
			t.Errorf("sent to %s, want %s", req.target, one.want)
		}
	}
	if got := w.channel().Pay(t.Context(), limited); got.Kind != pay.Declined || got.Reason != pay.ReasonConfiguration || got.Verified {
		t.Errorf("a limit that cannot be said: %+v", got)
	}
	if len(w.requests) != 0 {
		t.Errorf("%d requests were sent", len(w.requests))
	}
}

// TestThePhoneIsSignedForAsTheOrderWasPrepared, whatever the merchant's interface
// is by then.
func TestThePhoneIsSignedForAsTheOrderWasPrepared(t *testing.T) {
	t.Parallel()
	both := func(c *Config) { c.APIKey = secret.New(testKey) }
	byV3, w := play3(t, says(paid3), both)
	byV2 := w.channel(both, func(c *Config) { c.API = channel.APIv2 })
	for name, c := range map[string]*Channel{"v2": byV2, "v3": byV3} {
		for api, want := range map[string]string{"": "MD5", channel.APIv3: "RSA"} {
			a, err := c.ClientArgs(prepay(pay.TradeMiniProgram), pay.Prepaid{PrepayID: "wx1", API: api}, testNow)
			if err != nil || a.SignType != want || a.PaySign == "" {
				t.Errorf("prepared by %q, account of %s: %+v, %v, want %s", api, name, a, err, want)
			}
		}
	}
}

// TestWithoutTheKeysOfAnInterfaceNothingIsSent: a payment is refused, and what
// is about an order that exists stays unknown.
func TestWithoutTheKeysOfAnInterfaceNothingIsSent(t *testing.T) {
	t.Parallel()
	onlyV3, w3 := play3(t, says(paid3))
	onlyV2, w2 := play(t, SignMD5, func(request) fieldsOf { return merge(common, paid) })
	for api, c := range map[string]*Channel{channel.APIv2: onlyV3, channel.APIv3: onlyV2} {
		o, r := order, refund
		o.Merchant.API = api
		r.OrderRequest = o
		for name, got := range map[string]pay.Outcome{
			"pay":    c.Pay(t.Context(), channel.PayRequest{OrderRequest: o}),
			"prepay": c.Prepay(t.Context(), channel.PrepayRequest{OrderRequest: o, TradeType: pay.TradeScanCode}).Outcome,
		} {
			if got.Kind != pay.Declined || got.Reason != pay.ReasonConfiguration || !got.Alert || got.Verified {
				t.Errorf("%s by %s: %+v", name, api, got)
			}
		}
		for name, got := range map[string]pay.Outcome{
			"query": c.Query(t.Context(), o), "reverse": c.Reverse(t.Context(), o), "close": c.Close(t.Context(), o),
			"refund": c.Refund(t.Context(), r).Outcome, "refund query": c.QueryRefund(t.Context(), r).Outcome,
		} {
			if got.Kind != pay.Unknown || !got.Lost || !got.Alert {
				t.Errorf("%s by %s: %+v", name, api, got)
			}
		}
	}
	if got := onlyV3.Refunds(t.Context(), order); got.Kind != pay.Unknown || !got.Lost {
		t.Errorf("a list of refunds, which is v2's: %+v", got)
	}
	if got := onlyV2.RefundAbnormal(t.Context(), channel.AbnormalRefund{}); got.Kind != pay.Unknown || !got.Lost {
		t.Errorf("an abnormal refund, which is APIv3's: %+v", got)
	}
	if len(w2.requests) != 0 || len(w3.requests) != 0 {
		t.Errorf("%d and %d requests were sent", len(w2.requests), len(w3.requests))
	}
}
