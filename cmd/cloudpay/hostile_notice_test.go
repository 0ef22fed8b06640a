package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// TestNoticesThatMustNotBeTaken: over HTTP, from the sandbox, each with a good
// one after it. Of the first nothing is believed or written, a person hears of
// it only where somebody should look, and the good one settles the order.
func TestNoticesThatMustNotBeTaken(t *testing.T) {
	t.Parallel()
	log := &countingLog{}
	a, box, m := runDemoWith(t, slog.New(log))
	i := 0
	for _, c := range []struct {
		fault  string
		api    string // "" is Alipay
		status string // how the first attempt is answered, "" for "taken"
		logged bool
		raised float64
		words  string // that the sandbox keeps of a refusal by APIv3
	}{
		{fault: "notify_bad_nonce", api: directory.APIv3, status: "400", logged: true, words: `{"code":"FAIL"`},
		{fault: "notify_empty_resource", api: directory.APIv3, status: "400", logged: true, words: `{"code":"FAIL"`},
		{fault: "notify_foreign_key", api: directory.APIv3, status: "400", logged: true, words: `{"code":"FAIL"`},
		{fault: "notify_wrong_amount", api: directory.APIv3, status: "400", logged: true, raised: 1, words: `{"code":"FAIL"`},
		{fault: "notify_wrong_merchant", api: directory.APIv3, status: "400", logged: true, raised: 1, words: `{"code":"FAIL"`},
		{fault: "notify_signtest", api: directory.APIv3},
		{fault: "notify_dup", api: directory.APIv3},
		{fault: "notify_wrong_amount", api: directory.APIv2, status: "400", logged: true, raised: 1},
		{fault: "notify_wrong_merchant", api: directory.APIv2, status: "400", logged: true, raised: 1},
		{fault: "notify_dup", api: directory.APIv2},
		{fault: "notify_wrong_amount", status: "400", logged: true, raised: 1},
		{fault: "notify_wrong_merchant", status: "400", logged: true, raised: 1},
		{fault: "notify_dup"},
	} {
		name := c.fault + " " + c.api
		i++
		merchant, err := a.directory.UpdateMerchant(t.Context(), directory.System, m.OutSubMchID, func(m *directory.Merchant) error {
			m.Wx.API = c.api
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		platform := int64(1)
		if c.api == "" {
			platform = 2
		}
		no := fmt.Sprintf("%s%016d", m.Prefixes[0], i)
		o, _, err := a.gateway.Prepay(t.Context(), merchant, gateway.Prepay{
			OutTradeNo: no, TradeType: pay.TradeScanCode, Platform: platform, Total: 200, Currency: "CNY",
			ShopID: m.OutShopID, DeviceID: m.DeviceID, StaffID: m.StaffID, Body: "测试",
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := box.box.AddFault(sandbox.Fault{Scenario: c.fault, Count: 1, Params: sandbox.Params{OutTradeNo: no}}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		loud, raised := log.loud.Load(), a.counted(t, "cloudpay_operator_needed_total", "", "")
		if _, err := box.box.PayPrepared(t.Context(), "anna", sandbox.Invocation{CodeURL: o.Prepaid.CodeURL}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		told, err := box.box.Notices(t.Context(), no)
		if err != nil || len(told) != 1 {
			t.Fatalf("%s: notices %+v, %v", name, told, err)
		}
		if c.status == "" {
			if told[0].State != "taken" {
				t.Errorf("%s: %+v, want it taken", name, told[0])
			}
		} else if o, err := a.store.Order(t.Context(), m.OutSubMchID, no); err != nil || o.Truth == pay.TruthNotice || told[0].State == "taken" ||
			!strings.HasPrefix(told[0].Answer, c.status) || !strings.Contains(told[0].Answer, c.words) {
			t.Errorf("%s: answered %q, the order is %s by %s, %v", name, told[0].Answer, o.State, o.Truth, err)
		}
		if got := log.loud.Load() > loud; got != c.logged {
			t.Errorf("%s: logged %v, want %v (%v)", name, got, c.logged, log.first.Load())
		}
		if got := a.counted(t, "cloudpay_operator_needed_total", "", "") - raised; got != c.raised {
			t.Errorf("%s: an operator was asked for %v times, want %v", name, got, c.raised)
		}
		if c.status != "" {
			next := 20 * time.Second // WeChat's second attempt, and Alipay's
			if c.api == "" {
				next = 5 * time.Minute
			}
			if _, err := box.box.Advance(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		}
		o, err = a.store.Order(t.Context(), m.OutSubMchID, no)
		if err != nil || o.State != pay.PAID || o.Total != 200 || c.status == "" && o.Truth != pay.TruthNotice {
			t.Errorf("%s: in the end %s by %s, %v, want it paid", name, o.State, o.Truth, err)
		}
	}
}

// TestBugNoticeOfAReplacedKeyWasBelieved: a wallet signed with keys that were
// replaced here a moment ago, or somebody did for whose sake they were
// replaced. Such a notice is a reason to ask the wallet. Where its answer
// verifies, here with APIv3, the order is paid by it; where it does not,
// nothing is believed until the wallet tells of it again.
func TestBugNoticeOfAReplacedKeyWasBelieved(t *testing.T) {
	t.Parallel()
	a, box, m := runDemo(t)
	for i, api := range []string{directory.APIv3, directory.APIv2, ""} {
		merchant, err := a.directory.UpdateMerchant(t.Context(), directory.System, m.OutSubMchID, func(m *directory.Merchant) error {
			m.Wx.API = api
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ch := pay.Wxpay
		if api == "" {
			ch = pay.Alipay
		}
		no := fmt.Sprintf("%s%016d", m.Prefixes[0], i)
		o, _, err := a.gateway.Prepay(t.Context(), merchant, gateway.Prepay{
			OutTradeNo: no, TradeType: pay.TradeScanCode, Platform: ch.Platform(), Total: 200, Currency: "CNY",
			ShopID: m.OutShopID, DeviceID: m.DeviceID, StaffID: m.StaffID, Body: "测试",
		})
		if err != nil {
			t.Fatal(err)
		}
		old, err := a.directory.Account(t.Context(), m.OutMchID, ch)
		if err != nil {
			t.Fatal(err)
		}
		replaced := directory.Account{ProviderID: m.OutMchID, Channel: ch}
		if w := old.Wechat; w != nil {
			w := *w
			w.APIKey, w.APIv3Key = secret.New(strings.Repeat("0", 32)), secret.New(strings.Repeat("1", 32))
			for _, p := range box.box.Accounts().Providers {
				if p.WeChat.MchID == w.MchID { // with APIv3 answers go on verifying
					w.PublicKeyID, w.PublicKeyPEM = p.WeChat.PublicKeyID, p.WeChat.PublicKeyPEM
				}
			}
			replaced.Wechat = &w
		} else {
			l := *old.Alipay
			l.AlipayPublicPEM = publicHalf(m.PrivateKeyPEM) // of somebody else
			replaced.Alipay = &l
		}
		if err := a.directory.PutAccount(t.Context(), directory.System, replaced); err != nil {
			t.Fatal(err)
		}
		if _, err := box.box.PayPrepared(t.Context(), "anna", sandbox.Invocation{CodeURL: o.Prepaid.CodeURL}); err != nil {
			t.Fatal(err)
		}
		o, err = a.store.Order(t.Context(), m.OutSubMchID, no)
		if asked := api == directory.APIv3; err != nil || (o.State == pay.PAID) != asked || o.Truth == pay.TruthNotice {
			t.Errorf("%s %s: %s by %s, %v, want it paid by a query: %v", ch, api, o.State, o.Truth, err, asked)
		}
		restored := *old
		if err := a.directory.PutAccount(t.Context(), directory.System, restored); err != nil {
			t.Fatal(err)
		}
		next := 20 * time.Second // WeChat's second attempt, and Alipay's
		if api == "" {
			next = 5 * time.Minute
		}
		if _, err := box.box.Advance(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if o, err = a.store.Order(t.Context(), m.OutSubMchID, no); err != nil || o.State != pay.PAID {
			t.Errorf("%s %s: in the end %s by %s, %v, want it paid", ch, api, o.State, o.Truth, err)
		}
	}
}
