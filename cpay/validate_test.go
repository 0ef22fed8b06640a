package cpay

import (
	"errors"
	"testing"
)

// TestValidateOfTheOtherInterfaces: what is there and cannot be meant. What is
// missing is pinned by TestRulesR10….
func TestValidateOfTheOtherInterfaces(t *testing.T) {
	t.Parallel()
	const (
		pay  = `"pay_content":{"out_trade_no":"1","total_fee":1}`
		list = `"out_sub_mch_id":"A","start_time":1,"end_time":2,"page_num":1,"page_size":9`
		shop = `{"out_mch_id":"P","out_sub_mch_id":"A","shop_infos":[`
	)
	for _, tt := range []struct {
		method  Method
		content string
		field   string // "" if the request is fine
	}{
		{MethodOfficialAccountPay, `{"pay_mch_key":{"out_sub_mch_id":"A","pay_platform":1,"wxpay_pay_mch_key_ext":{"sub_open_id":"o"}},` + pay + `}`, ""},
		{MethodOfficialAccountPay, `{"pay_mch_key":{"out_sub_mch_id":"A","alipay_pay_mch_key_ext":{"user_id":"2088"}},` + pay + `}`, ""},
		{MethodOfficialAccountPay, `{"pay_mch_key":{"out_sub_mch_id":"A","pay_platform":2},` + pay + `}`, "pay_mch_key.alipay_pay_mch_key_ext.user_id"},
		{MethodOfficialAccountPay, `{"pay_mch_key":{"out_sub_mch_id":"A","pay_platform":2,"alipay_pay_mch_key_ext":{}},` + pay + `}`, "pay_mch_key.alipay_pay_mch_key_ext.user_id"},
		{MethodOfficialAccountPay, `{"pay_mch_key":{"out_sub_mch_id":"A","wxpay_pay_mch_key_ext":{}},` + pay + `}`, "pay_mch_key.wxpay_pay_mch_key_ext.open_id"},
		{MethodOfficialAccountPay, `{"pay_mch_key":{"out_sub_mch_id":"A","wxpay_pay_mch_key_ext":{"open_id":"o"}},"trade_type":7,` + pay + `}`, ""},
		{MethodOfficialAccountPay, `{"pay_mch_key":{"out_sub_mch_id":"A","wxpay_pay_mch_key_ext":{"open_id":"o"}},"trade_type":5,` + pay + `}`, "trade_type"},
		{MethodAppPay, `{"pay_mch_key":{"out_sub_mch_id":"A","wxpay_pay_mch_key_ext":{"mob_app_id":"w"}},"trade_type":8,` + pay + `}`, "trade_type"},
		{MethodScanCodePay, `{"pay_mch_key":{"out_sub_mch_id":"A","pay_platform":1},"trade_type":8,` + pay + `}`, "trade_type"},
		{MethodScanCodePay, `{"pay_mch_key":{"out_sub_mch_id":"A","pay_platform":1},"trade_type":2,` + pay + `}`, ""},
		{MethodAppPay, `{"pay_mch_key":{"out_sub_mch_id":"A","pay_platform":2,"wxpay_pay_mch_key_ext":{"mob_app_id":"w"}},` + pay + `}`, "pay_mch_key.pay_platform"},
		{MethodMobWebPay, `{"pay_mch_key":{"out_sub_mch_id":"A","pay_platform":3},` + pay + `}`, "pay_mch_key.pay_platform"},
		{MethodClientOrderDetail, `{` + list + `}`, ""},
		{MethodClientOrderDetail, `{` + list + `,"staff_id":"1"}`, "out_shop_id"},
		{MethodClientOrderDetail, `{` + list + `,"device_id":"1","out_shop_id":"S"}`, ""},
		{MethodClientOrderDetail, `{` + list + `,"query_order_type":4}`, "query_order_type"},
		{MethodClientOrderDetail, `{"out_sub_mch_id":"A","start_time":9,"end_time":8,"page_num":1,"page_size":9}`, "end_time"},
		{MethodQueryOrderList, `{` + list + `,"order_type":5,"status":1,"pay_time_type":2}`, ""},
		{MethodQueryOrderList, `{` + list + `,"order_type":6}`, "order_type"},
		{MethodQueryOrderList, `{` + list + `,"status":2}`, "status"},
		{MethodQueryOrderList, `{` + list + `,"pay_time_type":3}`, "pay_time_type"},
		{MethodQueryOrderList, `{` + list + `,"refund_time_type":-1}`, "refund_time_type"},
		{MethodQueryOrderList, `{` + list + `,"time_filter":3}`, "time_filter"},
		{MethodQueryOrderList, `{` + list + `,"qrcode_id":"1"}`, "out_shop_id"},
		{MethodQueryOrderList, `{"out_sub_mch_id":"A","start_time":-1,"end_time":2,"page_num":1,"page_size":9}`, "start_time"},
		{MethodQueryOrderList, `{"out_sub_mch_id":"A","end_time":2,"page_num":-1,"page_size":9}`, "page_num"},
		{MethodQueryOrderList, `{"out_sub_mch_id":"A","end_time":2,"page_num":1,"page_size":-9}`, "page_size"},
		{MethodQueryOrderListOverview, `{"out_sub_mch_id":"A","end_time":2,"device_id":"1"}`, "out_shop_id"},
		{MethodClientSubMchSalesOverview, `{"out_sub_mch_id":"A","end_time":2,"shops":[{"out_shop_id":"S"},{}]}`, "shops[1].out_shop_id"},
		{MethodClientSubMchSalesOverview, `{"out_sub_mch_id":"A","end_time":2,"stat_type":5}`, "stat_type"},
		{MethodSetSubMchShopInfo, shop + `{"shop_id":"1","shop_name":"店"}]}`, ""},
		{MethodSetSubMchShopInfo, shop + `{"out_shop_id":"S"}]}`, ""},
		{MethodSetSubMchShopInfo, shop + `{"out_shop_id":"S"},{"shop_name":"店"}]}`, "shop_infos[1].shop_id"},
		{MethodSetSubMchShopInfo, shop + `{"shop_id":"1"}]}`, "shop_infos[0].shop_name"},
		{MethodSetSubMchShopInfo, shop + `{"out_shop_id":"S","device_infos":[{}]}]}`, "shop_infos[0].device_infos[0].device_id"},
		{MethodSetSubMchShopInfo, shop + `{"out_shop_id":"S","staff_infos":[{"staff_name":"x"}]}]}`, "shop_infos[0].staff_infos[0].staff_id"},
		{MethodSetSubMchShopInfo, `{"out_sub_mch_id":"A","is_all":true,"shop_infos":[]}`, "shop_infos"},
		{MethodDownloadBill, `{"out_sub_mch_id":"A","nonce_str":"n"}`, "bill_date"},
		{MethodQueryIdentityMapping, `{"mch":{"mch_id":"1"}}`, "mch.sub_mch_id"},
		{MethodBriefQueryOrderList, `{"osi":"S","et":2,"pn":1,"ps":9}`, ""},
		{MethodBriefQueryOrderList, `{"osmi":"A","di":"1","et":2,"pn":1,"ps":9}`, "osi"},
		{MethodBriefQueryOrderList, `{"osi":"S","et":2,"pn":1,"ps":9,"ot":9}`, "ot"},
		{MethodBriefQueryOrderListOverview, `{"osi":"S","st":3,"et":2}`, "et"},
		{MethodBriefMicroPay, `{"osi":"S","otn":"a b","tf":1,"ac":"1"}`, "otn"},
		{MethodUnfreeze, `{"pay_mch_key":{"out_sub_mch_id":"A"},"unfreeze_content":{"out_freeze_no":"1","out_unfreeze_no":"-","unfreeze_fee":1}}`, "unfreeze_content.out_unfreeze_no"},
		{MethodQueryUnfreezeOrder, `{"pay_mch_key":{"out_sub_mch_id":"A"},"out_freeze_no":"1","out_unfreeze_no":"-"}`, "out_unfreeze_no"},
		{MethodMicroFreeze, `{"pay_mch_key":{"out_sub_mch_id":"A"},"freeze_content":{"out_freeze_no":"1","freeze_fee":1,"fee_type":"USD"}}`, "freeze_content.fee_type"},
	} {
		m := NewRequest(tt.method)
		if err := Decode([]byte(tt.content), m); err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.content, err)
			continue
		}
		err := m.Validate()
		fe, _ := errors.AsType[*FieldError](err)
		if (err == nil) != (tt.field == "") || fe != nil && fe.Field != tt.field || errors.Is(err, ErrMalformed) {
			t.Errorf("%s %s: Validate = %v, want %q", tt.method, tt.content, err, tt.field)
		}
	}
}

// TestPlatformOfAPreparedPayment: asked for, or said by the ext.
func TestPlatformOfAPreparedPayment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key  PayMchKey
		want PayPlatform
	}{
		{PayMchKey{}, 0},
		{PayMchKey{PayPlatform: PlatformAlipay, WxpayExt: new(WxpayPayMchKeyExt)}, PlatformAlipay},
		{PayMchKey{WxpayExt: new(WxpayPayMchKeyExt), AlipayExt: new(AlipayPayMchKeyExt)}, PlatformWxpay},
		{PayMchKey{AlipayExt: new(AlipayPayMchKeyExt)}, PlatformAlipay},
	} {
		official, mini := OfficialAccountPayRequest{PayMchKey: tt.key}, MiniProgramPayRequest{PayMchKey: tt.key}
		if official.Platform() != tt.want || mini.Platform() != tt.want {
			t.Errorf("Platform of %+v = %d and %d, want %d", tt.key, official.Platform(), mini.Platform(), tt.want)
		}
	}
}

// TestAuthenInfoIsKeptAsItCame: a server stores it with the order.
func TestAuthenInfoIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	e, err := Open(enveloped(t, `{}`), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	info := e.AuthenInfo()
	var back AuthenInfo
	if err := Decode(Encode(&info), &back); err != nil || back.A == nil || back.A.AuthenType != 1 ||
		back.A.AuthenCode != testKeys.AuthenKey.MAC([]byte(`{}`)) || back.S != nil {
		t.Errorf("AuthenInfo = %+v, %v", back, err)
	}
}
