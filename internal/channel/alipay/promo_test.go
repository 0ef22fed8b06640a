package alipay

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/pay"
)

func TestWhoPaidForWhatIsReadInBothSpellings(t *testing.T) {
	t.Parallel()
	answer := `{"fund_bill_list":[{"fund_channel":"ALIPAYACCOUNT","amount":10,"real_amount":11.21},{"fund_channel":"POINT","amount":"0.1"}],
	 "voucher_detail_list":[{"id":"20151026000","name":"XX超市5折优惠","type":"ALIPAY_FIX_VOUCHER","amount":"10.00","merchant_contribute":9,
	 "other_contribute":1,"memo":"学生专用优惠"}],"point_amount":"0.10","invoice_amount":"12.34","buyer_logon_id":"159****5620",
	 "discount_goods_detail":"[{\"goods_id\":\"S\",\"discount_amount\":\"100.00\"}]"}`
	want := pay.Promotion{
		FundBills: []pay.FundBill{{Channel: "ALIPAYACCOUNT", Amount: 1000, RealAmount: 1121}, {Channel: "POINT", Amount: 10}},
		Vouchers: []pay.Voucher{{
			ID: "20151026000", Name: "XX超市5折优惠", Type: "ALIPAY_FIX_VOUCHER", Amount: 1000, MerchantAmount: 900, OtherAmount: 100, Memo: "学生专用优惠",
		}},
		PointFee: 10, InvoiceFee: 1234, BuyerLogon: "159****5620", GoodsDetail: `[{"goods_id":"S","discount_amount":"100.00"}]`,
	}
	notice := map[string]string{
		"fund_bill_list": `[{"fundChannel":"ALIPAYACCOUNT","amount":"10.00","realAmount":"11.21"},{"fundChannel":"POINT","amount":"0.10"}]`,
		"voucher_detail_list": `[{"voucherId":"20151026000","name":"XX超市5折优惠","type":"ALIPAY_FIX_VOUCHER","amount":"10.00",
		 "merchantContribute":"9.00","otherContribute":"1.00","memo":"学生专用优惠"}]`,
		"point_amount": "0.10", "invoice_amount": "12.34", "buyer_logon_id": "159****5620",
		"discount_goods_detail": `[{"goods_id":"S","discount_amount":"100.00"}]`,
	}
	text, err := json.Marshal(notice)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []string{answer, string(text)} {
		m, err := splitObject([]byte(one))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, pay.DecodePromotion(promotion(m))); diff != "" {
			t.Error(diff)
		}
	}
}

// TestAMemoNeverFailsAndNeverGrows feeds lists that are none, amounts that
// cannot be read exactly, and far too much of everything.
func TestAMemoNeverFailsAndNeverGrows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`: "",
		`{"fund_bill_list":"x","voucher_detail_list":{},"point_amount":"-1","invoice_amount":"1e3","discount_goods_detail":"[","buyer_logon_id":7}`: `{"buyer_logon_id":"7"}`,
		`{"fund_bill_list":[1,"a",null,{"fund_channel":"A","amount":"0.001"},{"fund_channel":["B"],"amount":"99999999999999.00"}]}`:                 `{"fund_bills":[{"channel":"","amount":0},{"channel":"A","amount":0},{"channel":"","amount":0}]}`,
		`{"invoice_amount":0.1,"point_amount":null}`: `{"invoice_fee":10}`,
		`{"buyer_logon_id":"a\u202eb\u0007c"}`:       `{"buyer_logon_id":"abc"}`,
	} {
		m, err := splitObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := promotion(m); got != want {
			t.Errorf("%s reads %s, want %s", text, got, want)
		}
	}
	long := strings.Repeat("长", 2000)
	item := `{"id":"` + long + `","name":"` + long + `","type":"` + long + `","memo":"` + long + `","amount":"1","fund_channel":"` + long + `"},`
	list := "[" + strings.TrimSuffix(strings.Repeat(item, 30), ",") + "]"
	m := members{
		"fund_bill_list": json.RawMessage(list), "voucher_detail_list": json.RawMessage(list), "refund_detail_item_list": json.RawMessage(list),
		"buyer_logon_id": json.RawMessage(`"` + long + `"`), "discount_goods_detail": json.RawMessage(`["` + long + `"]`),
	}
	p := pay.DecodePromotion(promotion(m))
	if len(p.FundBills) != maxListed || len(p.Vouchers) != maxListed || p.GoodsDetail != "" {
		t.Errorf("%d fund bills, %d vouchers, goods of %d bytes", len(p.FundBills), len(p.Vouchers), len(p.GoodsDetail))
	}
	for name, got := range map[string][2]int{
		"channel": {len([]rune(p.FundBills[0].Channel)), maxWord}, "id": {len([]rune(p.Vouchers[0].ID)), maxWord},
		"name": {len([]rune(p.Vouchers[0].Name)), maxName}, "memo": {len([]rune(p.Vouchers[0].Memo)), maxMemo},
		"logon": {len([]rune(p.BuyerLogon)), maxLogon},
	} {
		if got[0] != got[1] {
			t.Errorf("%s has %d characters, want %d", name, got[0], got[1])
		}
	}
	if bills := pay.DecodePromotion(refundPromotion(m)).FundBills; len(bills) != maxListed {
		t.Errorf("%d sources of a refund, want %d", len(bills), maxListed)
	}
}

// TestAmountsOfAMemoAreExact reads amounts that a float
// would round, and such as no wallet writes.
func TestAmountsOfAMemoAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		`0.29`: 29, `"0.29"`: 29, `1.1`: 110, `9007199254.74`: 900719925474, `"9007199254740.99"`: 0, `10`: 1000, `"00.1"`: 0, `1E2`: 0, `-1`: 0, `true`: 0,
	} {
		var a amountText
		if err := json.Unmarshal([]byte(text), &a); err != nil || a.fen() != want {
			t.Errorf("%s reads %d, %v, want %d", text, a.fen(), err, want)
		}
	}
}

// FuzzMemo feeds anything for the lists of an answer: a memo never fails, never
// grows past its limits, and is read back as it was written.
func FuzzMemo(f *testing.F) {
	f.Add(`[{"fund_channel":"ALIPAYACCOUNT","amount":"1.00"}]`, `{"goods_detail":[{"goods_name":"a","quantity":1,"price":1}]}`)
	f.Add(`"[{\"fundChannel\":\"A\",\"amount\":1e9}]"`, `{"goods_detail":{}}`)
	f.Add(`[[],{},null,1,"\ud800"]`, `[`)
	f.Fuzz(func(t *testing.T, list, detail string) {
		raw := json.RawMessage(list)
		if !json.Valid(raw) {
			raw, _ = json.Marshal(list)
		}
		m := members{"fund_bill_list": raw, "voucher_detail_list": raw, "discount_goods_detail": raw, "buyer_logon_id": raw, "point_amount": raw}
		text := promotion(m)
		p := pay.DecodePromotion(text)
		if len(p.FundBills) > maxListed || len(p.Vouchers) > maxListed || len(p.GoodsDetail) > maxGoodsText || p.Encode() != text {
			t.Errorf("%s reads %s", list, text)
		}
		if len(goodsOf(detail)) > maxGoods {
			t.Errorf("%s has %d goods", detail, len(goodsOf(detail)))
		}
	})
}
