package api_test

import (
	"bytes"
	"fmt"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/api"
	"cloudpay/internal/directory"
)

// TestShopsKeepEveryMember: what set_sub_mch_shop_info is told of a shop, its
// devices and staff is what query_sub_mch_shop_info shows (protocol.md §2.0).
func TestShopsKeepEveryMember(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	ask := func(method string, in object) answer {
		t.Helper()
		a := h.postTo(t, method, cpay.ResponseMember(method), theKey, bytes.NewReader(byMAC(in.text())))
		a.is(t, 0, 0)
		return a
	}
	shop := object{
		"shop_id": "N7", "shop_name": "七店", "branch_name": "东", "province": "广东", "city": "深圳", "district": "南山", "address": "科技园 1 号",
		"coordinate_type": 2, "longitude": "113.9", "latitude": "22.5", "height": "12", "phone": "0755-1", "goods_tag": "tag",
		"receive_notify_after_duty": true, "pay_page_mode": 3, "shop_type": 4, "send_micro_pay_notify": true, "shop_group_id": "g",
		"disable_membership_card": true,
	}
	device := object{"device_id": "d", "device_type": 2, "remark": "前台", "device_name": "一号", "ext_setting": "{}", "device_shift_type": 2, "out_device_id": "x"}
	person := object{
		"staff_id": "9", "staff_name": "小王", "remark": "早班", "shop_manager": true, "receive_one_code_pay_notify": true, "mch_open_id": "o1",
		"cloud_pay_open_id": "o2", "refund_auth": true, "national_code": "86", "mobile_phone": "138", "out_staff_id": "y",
	}
	mch := object{"out_mch_id": theProvider, "out_sub_mch_id": theMerchant}
	made := ask(cpay.MethodSetSubMchShopInfo, mch.with("is_all", false).with("shop_infos", []any{
		shop.with("device_infos", []any{device}).with("staff_infos", []any{person}),
	}))
	id := made.get("shop_infos.0.out_shop_id")
	shown := ask(cpay.MethodQuerySubMchShopInfo, mch.with("out_shop_id", id).with("page_num", 1).with("page_size", 1))
	for _, a := range []answer{made, shown} {
		for at, want := range map[string]object{"": shop, "device_infos.0.": device, "staff_infos.0.": person} {
			for member, v := range want {
				if got := a.get("shop_infos.0." + at + member); got != fmt.Sprint(v) {
					t.Errorf("%s%s is %q, want %v", at, member, got, v)
				}
			}
		}
	}
}

// TestMerchantNameIsNeverEmpty: seed S003 has it in every SubMchInfo.
func TestMerchantNameIsNeverEmpty(t *testing.T) {
	t.Parallel()
	for want, profile := range map[string]directory.MerchantProfile{
		"at the wallet": {MerchantName: "at the wallet", ShortName: "short"}, "short": {ShortName: "short"}, "long": {},
	} {
		if got := api.MerchantName(&directory.Merchant{Name: "long", Profile: profile}); got != want {
			t.Errorf("merchant_name is %q, want %q", got, want)
		}
	}
	h := newHouse(t, options{merchant: func(m *directory.Merchant) { m.Name = "long" }})
	a := h.postTo(t, cpay.MethodSDKQuerySubMchInfo, cpay.ResponseMember(cpay.MethodSDKQuerySubMchInfo), theKey,
		bytes.NewReader(byMAC(object{"out_sub_mch_id": theMerchant, "page_num": 1, "page_size": 1}.text())))
	a.is(t, 0, 0)
	if got := a.get("sub_mch_infos.0.sub_mch_infos.0.merchant_name"); got != "long" {
		t.Errorf("merchant_name is %q, want the name", got)
	}
}
