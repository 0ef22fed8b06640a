package api_test

import (
	"bytes"
	"strings"
	"testing"

	"cloudpay/cpay"
)

// TestAddressesFollowThePublicURL: what answers hand out begins with the
// configured address, its scheme included, or else with https and the name that
// the caller used.
func TestAddressesFollowThePublicURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://127.0.0.1:8800", "https://pay.test/behind/"} {
		h := newHouse(t, options{url: url})
		want := strings.TrimSuffix(url, "/")
		if url == "" {
			want = "https://" + strings.TrimPrefix(h.base, "http://")
		}
		shops := h.postTo(t, cpay.MethodQuerySubMchShopInfo, cpay.ResponseMember(cpay.MethodQuerySubMchShopInfo), theKey, bytes.NewReader(byMAC(object{
			"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "page_num": 1, "page_size": 10,
		}.text())))
		shops.is(t, 0, 0)
		desk := h.call(t, cpay.MethodClientInitialize, object{"out_sub_mch_id": theMerchant, "out_shop_id": theShop, "authorize_terminal_type": 1})
		desk.is(t, 0, 0)
		for got, path := range map[string]string{
			shops.get("shop_infos.0.out_shop_id_url"):             "/cpay/qrcode_shop?",
			shops.get("shop_infos.0.staff_infos.0.trade_qr_code"): "/cpay/qrcode_person?",
			desk.get("qr_code_url"):                               "/cpay/client_authorize?",
		} {
			if !strings.HasPrefix(got, want+path) {
				t.Errorf("public url %q: an answer hands out %q, want %s", url, got, want+path)
			}
		}
	}
}
