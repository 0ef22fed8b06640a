package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cloudpay/internal/api"
	"cloudpay/internal/pay"
)

// wechatNotice signs a notice as WeChat Pay does.
func (h *house) wechatNotice(fields map[string]string) string {
	p := h.box.Accounts().Providers[0]
	all := map[string]string{
		"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": p.WeChat.AppID, "mch_id": p.WeChat.MchID,
		"sub_mch_id": p.WeChat.Merchants[0].SubMchID, "fee_type": "CNY", "sign_type": "HMAC-SHA256", "nonce_str": "1",
	}
	maps.Copy(all, fields)
	var text, xml strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		_, _ = fmt.Fprintf(&text, "%s=%s&", name, all[name])
		_, _ = fmt.Fprintf(&xml, "<%s>%s</%s>", name, all[name], name)
	}
	sum := hmac.New(sha256.New, []byte(p.WeChat.APIv2Key))
	sum.Write([]byte(text.String() + "key=" + p.WeChat.APIv2Key))
	return "<xml>" + xml.String() + "<sign>" + strings.ToUpper(hex.EncodeToString(sum.Sum(nil))) + "</sign></xml>"
}

// TestNoticeIsAcknowledgedOnlyWhenItIsOurs: the wallet's own words either way,
// and an order that nothing forged can move.
func TestNoticeIsAcknowledgedOnlyWhenItIsOurs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 100)
	before := h.order(no)
	to := "/notify/wxpay/" + theProvider + "/" + theMerchant
	good := h.wechatNotice(map[string]string{"out_trade_no": no, "total_fee": "100", "transaction_id": before.TransactionID})
	for _, c := range []struct {
		name, path, body string
		status           int
		answer           string
	}{
		{"ours", to, good, http.StatusOK, "SUCCESS"},
		{"again", to, good, http.StatusOK, "SUCCESS"},
		{"forged", to, strings.Replace(good, ">100<", ">101<", 1), http.StatusBadRequest, "FAIL"},
		{"empty", to, "", http.StatusBadRequest, "FAIL"},
		{"too long", to, strings.Repeat("x", 64<<10+1), http.StatusBadRequest, "FAIL"},
		{"another amount", to, h.wechatNotice(map[string]string{"out_trade_no": no, "total_fee": "1"}), http.StatusBadRequest, "FAIL"},
		{"another's order", "/notify/wxpay/" + theProvider + "/sz01OTHERSUBMCH00001", good, http.StatusNotFound, "FAIL"},
		{"another provider", "/notify/wxpay/other/" + theMerchant, good, http.StatusNotFound, "FAIL"},
		{"unknown order", to, h.wechatNotice(map[string]string{"out_trade_no": h.number(), "total_fee": "100"}), http.StatusNotFound, "FAIL"},
		{"alipay", strings.Replace(to, "wxpay", "alipay", 1), good, http.StatusBadRequest, "fail"},
		{"no wallet", strings.Replace(to, "wxpay", "paypal", 1), good, http.StatusNotFound, "fail"},
	} {
		res := h.send(t, http.MethodPost, c.path, strings.NewReader(c.body))
		if res.status != c.status || !strings.Contains(string(res.body), c.answer) {
			t.Errorf("%s: %d %s, want %d %s", c.name, res.status, res.body, c.status, c.answer)
		}
	}
	if after := h.order(no); after != before {
		t.Errorf("the order became %+v", after)
	}
}

// TestForgedNoticesOfOneAddressAreNotLookedAtForLong: verifying one costs a
// look-up and a signature.
func TestForgedNoticesOfOneAddressAreNotLookedAtForLong(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{limits: api.Limits{Stranger: api.Rate{PerSecond: 1, Burst: 2}}})
	no := h.paid(t, pay.Wxpay, 100)
	good := h.wechatNotice(map[string]string{"out_trade_no": no, "total_fee": "100"})
	post := func(remote, body string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/notify/wxpay/"+theProvider+"/"+theMerchant, strings.NewReader(body))
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		h.server.Handler().ServeHTTP(w, r)
		return w.Code
	}
	for range 4 {
		post("203.0.113.7:1", "<xml>forged</xml>")
	}
	if got := post("203.0.113.7:2", good); got != http.StatusServiceUnavailable {
		t.Errorf("after a flood: %d, want 503", got)
	}
	if got := post("203.0.113.8:1", good); got != http.StatusOK {
		t.Errorf("a neighbour: %d, want 200", got)
	}
}
