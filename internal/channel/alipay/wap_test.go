package alipay

import (
	"strings"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// TestThePaymentPageIsSignedHere opens an address in the sandbox, in both modes.
func TestThePaymentPageIsSignedHere(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"key", "certificate"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newCertBench(t)
			if mode == "key" {
				b.conf.AppCertPEM, b.conf.AlipayCertPEM, b.conf.RootCertPEM = "", "", ""
				b.conf.AlipayPublicKeyPEM = b.Accounts().Providers[0].Alipay.AlipayPublicKeyPEM
			}
			c := b.channel(t)
			m := b.Accounts().Providers[0].Alipay.Merchants[0]
			r := channel.PrepayRequest{
				OrderRequest: channel.OrderRequest{
					Merchant: channel.Merchant{AppAuthToken: secret.New(m.AppAuthToken), SellerID: m.UserID}, OutTradeNo: "WAP1", Total: 1234,
				},
				TradeType: pay.TradeMobileWeb, Body: "测试/商品 50%", StaffID: "E1", DeviceID: "D1", ClientIP: "10.1.2.3",
				SceneInfo: `{"h5_info":{"type":"Wap","wap_url":"https://shop.example/cart?a=1","wap_name":"店"}}`,
				Start:     b.clock(), Expire: b.clock().Add(30 * time.Minute),
			}
			out := c.Prepay(t.Context(), r)
			if out.Kind != pay.Paid || out.Verified || b.got["alipay.trade.wap.pay"] != 0 {
				t.Fatalf("%+v", out)
			}
			if args, err := c.ClientArgs(r, out.Prepaid, b.clock()); err != nil || args != (channel.ClientArgs{}) {
				t.Errorf("arguments %+v, %v", args, err)
			}
			if got := c.Query(t.Context(), r.OrderRequest); got.Reason != pay.ReasonNotFound {
				t.Errorf("before it is opened: %+v", got)
			}
			altered := strings.Replace(out.Prepaid.MwebURL, "12.34", "0.01", 1)
			if _, err := b.Open(t.Context(), "anna", sandbox.Invocation{MwebURL: altered}); err == nil {
				t.Error("an altered amount opened")
			}
			paid, err := b.PayPrepared(t.Context(), "anna", sandbox.Invocation{MwebURL: out.Prepaid.MwebURL})
			if err != nil || paid.Charged != 1234 {
				t.Fatalf("paid %+v, %v", paid, err)
			}
			found := c.Query(t.Context(), r.OrderRequest)
			if found.Kind != pay.Paid {
				t.Errorf("after it is paid: %+v", found)
			}
			arrived, err := b.Arrived(t.Context(), "WAP1")
			if err != nil || arrived.Options["quit_url"] != "https://shop.example/cart?a=1" || arrived.Options["operator_id"] != "" {
				t.Errorf("arrived %+v, %v", arrived, err)
			}
			byNumber(t, c, r.OrderRequest, found.Payment.TransactionID)
		})
	}
}

// byNumber asks for a paid order by Alipay's number.
func byNumber(t *testing.T, c *Channel, r channel.OrderRequest, tradeNo string) {
	t.Helper()
	r.TransactionID = tradeNo
	if got := c.Query(t.Context(), r); got.Kind != pay.Paid {
		t.Errorf("by both numbers: %+v", got)
	}
	ours := r.OutTradeNo
	r.OutTradeNo = ""
	if got := c.Query(t.Context(), r); got.Kind != pay.Paid || got.Payment.TransactionID != tradeNo {
		t.Errorf("by Alipay's number: %+v", got)
	}
	r.OutTradeNo = ours + "0"
	if got := c.Query(t.Context(), r); got.Kind != pay.Unknown || !got.Alert {
		t.Errorf("by Alipay's number of another order: %+v", got)
	}
	r.OutTradeNo, r.Total = "", r.Total+1
	if got := c.Query(t.Context(), r); got.Kind != pay.Unknown || !got.Alert {
		t.Errorf("by Alipay's number with another amount: %+v", got)
	}
}

func TestAnAnswerAboutAnotherNumberDiffers(t *testing.T) {
	t.Parallel()
	c, w := play(t, func(request) fieldsOf { return merge(success, paid, fieldsOf{"trade_status": "TRADE_SUCCESS"}) })
	r := order
	r.TransactionID = "T2"
	if got := c.Query(t.Context(), r); got.Kind != pay.Unknown || !got.Alert {
		t.Errorf("%+v", got)
	}
	if req := <-w.requests; req.biz["trade_no"] != "T2" || req.biz["out_trade_no"] != testOrder {
		t.Errorf("asked with %v", req.biz)
	}
}

func TestOnlyAWebAddressIsAWayBack(t *testing.T) {
	t.Parallel()
	for scene, want := range map[string]string{
		"": "", "x": "", "null": "", `{"h5_info":1}`: "", `{"store_info":{"id":"1"}}`: "",
		`{"h5_info":{"wap_url":"javascript:alert(1)"}}`:                                "",
		`{"h5_info":{"wap_url":"https://a.example/` + strings.Repeat("x", 400) + `"}}`: "",
		`{"h5_info":{"wap_url":"https://a.example"}}`:                                  "https://a.example",
	} {
		if got := quitURL(scene); got != want {
			t.Errorf("%s: %q, want %q", scene, got, want)
		}
	}
}

// TestARefundWithoutANumberIsNoPayment guards money.md §2: a refund made
// elsewhere need not have a number, and its notice says TRADE_SUCCESS again.
func TestARefundWithoutANumberIsNoPayment(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]string{
		"a part, by its sum":  {"refund_fee": "5.00"},
		"a part, by its time": {"gmt_refund": "2026-01-02 10:00:00.320"},
		"all of it":           {"refund_fee": "12.00", "trade_status": "TRADE_CLOSED", "gmt_close": "2026-01-02 10:00:00"},
	} {
		n, err := receiver(t).ParseNotice(nil, posted(t, fields))
		if err != nil || n.OutRefundNo != testOrder || n.Outcome.Kind != pay.Unknown || n.Outcome.Next != pay.NextQueryFirst {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}
