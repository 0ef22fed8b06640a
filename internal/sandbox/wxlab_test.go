package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"cloudpay/internal/sandbox"
)

func TestACodeExchangedForAnOpenIDIsThatMerchants(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	code := b.code(sandbox.WeChat, "anna")
	got, out := b.wx("/tools/authcodetoopenid", kv{"auth_code": code, "sub_appid": w.Merchants[0].SubAppID})
	if got != "SUCCESS" || out["openid"] != b.identity("anna", w.AppID).OpenID || out["sub_openid"] != b.identity("anna", w.Merchants[0].SubAppID).OpenID {
		t.Errorf("authcodetoopenid = %s %v", got, out)
	}
	if got, _ := b.wx("/tools/authcodetoopenid", kv{"auth_code": code}); got != "SUCCESS" {
		t.Errorf("asked again = %s: the code is not used up", got)
	}
	stranger := payValues(b.no(), code, 100)
	stranger["sub_mch_id"] = w.Merchants[1].SubMchID
	if got, _ := b.wx("/pay/micropay", stranger); got != "AUTH_CODE_INVALID" {
		t.Errorf("another merchant's charge = %s", got)
	}
	if got, _ := b.wx("/tools/authcodetoopenid", kv{"auth_code": code, "sub_mch_id": w.Merchants[1].SubMchID}); got != "AUTH_CODE_INVALID" {
		t.Errorf("another merchant's question = %s", got)
	}
	if got, _ := b.wxPay(b.no(), code, 100); got != "SUCCESS" {
		t.Errorf("the merchant's own charge = %s", got)
	}
	old := b.code(sandbox.WeChat, "anna")
	b.clock.add(3 * 60e9)
	for code, want := range map[string]string{code: "AUTH_CODE_ERROR", old: "AUTHCODEEXPIRE", "130000000000000000": "AUTH_CODE_INVALID", b.code(sandbox.Alipay, ""): "AUTH_CODE_INVALID", "": "LACK_PARAMS"} {
		if got, _ := b.wx("/tools/authcodetoopenid", kv{"auth_code": code}); got != want {
			t.Errorf("authcodetoopenid of %q = %s, want %s", code, got, want)
		}
	}
}

func TestReportsAreTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if got, out := b.wx("/payitil/report", kv{"interface_url": "https://api.mch.weixin.qq.com/pay/micropay", "user_ip": "127.0.0.1", "execute_time_": "100"}); got != "SUCCESS" {
		t.Errorf("report = %s %v", got, out)
	}
	if got, _ := b.wx("/payitil/report", kv{"user_ip": "127.0.0.1"}); got != "LACK_PARAMS" {
		t.Errorf("report without interface_url = %s", got)
	}
}

// TestWeChatsTestEnvironmentsHaveTheirOwnKey fetches the key from both places
// and calls both prefixes with it.
func TestWeChatsTestEnvironmentsHaveTheirOwnKey(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	send := func(path string, values kv, header http.Header) kv {
		_, _, raw, err := b.post(b.client(-1), path, "text/xml", v2XML(values), header)
		if err != nil {
			t.Fatal(err)
		}
		out, err := v2Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var keys []string
	for _, path := range []string{"/sandboxnew/pay/getsignkey", "/xdc/apiv2getsignkey/sign/getsignkey"} {
		ask := kv{"mch_id": b.Accounts().Providers[0].WeChat.MchID, "nonce_str": "n1"}
		if out := send(path, kv{"mch_id": ask["mch_id"], "nonce_str": "n1", "sign": strings.Repeat("A", 32)}, nil); out["return_code"] != "FAIL" || out["sandbox_signkey"] != "" {
			t.Errorf("%s without a good signature = %v", path, out)
		}
		ask["sign"] = v2Sign(ask, b.Accounts().Providers[0].WeChat.APIv2Key, false)
		keys = append(keys, send(path, ask, nil)["sandbox_signkey"])
	}
	key := keys[0]
	if len(key) != 32 || keys[1] != key || key == b.Accounts().Providers[0].WeChat.APIv2Key {
		t.Fatalf("keys %q", keys)
	}
	lab := func(path string, values kv, header http.Header) kv {
		all := b.wxSigned(values, false)
		delete(all, "sign")
		all["sign"] = v2Sign(all, key, false)
		out := send(path, all, header)
		if out["sign"] != v2Sign(out, key, false) {
			t.Errorf("%s is not signed with the environment's key: %v", path, out)
		}
		return out
	}
	for _, prefix := range []string{"/sandboxnew", "/xdc/apiv2sandbox"} {
		no := b.no()
		if out := lab(prefix+"/pay/micropay", payValues(no, b.code(sandbox.WeChat, ""), 100), nil); out["result_code"] != "SUCCESS" {
			t.Errorf("%s micropay = %v", prefix, out)
		}
		if out := lab(prefix+"/pay/orderquery", kv{"out_trade_no": no}, nil); out["trade_state"] != "SUCCESS" {
			t.Errorf("%s orderquery = %v", prefix, out)
		}
		if out := send(prefix+"/pay/orderquery", b.wxSigned(kv{"out_trade_no": no}, false), nil); out["return_code"] != "FAIL" {
			t.Errorf("%s takes the real key: %v", prefix, out)
		}
	}
	no := b.no()
	if out := lab("/sandboxnew/pay/micropay", payValues(no, b.code(sandbox.WeChat, ""), 501), nil); out["coupon_count"] != "1" {
		t.Errorf("5.01 yuan = %v, want a coupon", out)
	}
	refund := kv{"out_trade_no": no, "out_refund_no": "R1", "total_fee": "501", "refund_fee": "501"}
	if out := lab("/sandboxnew/pay/refund", refund, nil); out["result_code"] != "SUCCESS" {
		t.Errorf("a refund without a certificate = %v", out)
	}
	header := http.Header{"Wechatpay-Negative-Test": {"MICROPAY_NOTENOUGH"}}
	if out := lab("/xdc/apiv2sandbox/pay/micropay", payValues(b.no(), b.code(sandbox.WeChat, ""), 100), header); out["err_code"] != "NOTENOUGH" {
		t.Errorf("negative test = %v", out)
	}
	for _, path := range []string{"/xdc/apiv2sandbox/pay/unifiedorder", "/sandboxnew/pay/closeorder"} {
		if status, _, _, err := b.post(b.client(-1), path, "text/xml", "<xml></xml>", nil); err != nil || status != http.StatusNotFound {
			t.Errorf("%s = %d, %v", path, status, err)
		}
	}
}
