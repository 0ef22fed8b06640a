package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// maxAnswer is the size that embedded C clients can take with room to spare
// (protocol.md R21, §1.12).
const maxAnswer = 3584

// crowded returns an order whose every member is as long as its place allows,
// in the script that costs most on the wire.
func crowded(ch pay.Channel) pay.Order {
	o := paid(order(ch, pay.TradeMicroPay))
	han := func(n int) string { return strings.Repeat("汉", n) }
	o.OutTradeNo = "90000001" + strings.Repeat("9", 24)
	o.MerchantID, o.ProviderID, o.ShopID = strings.Repeat("m", 32), strings.Repeat("p", 32), strings.Repeat("s", 32)
	o.TransactionID = strings.Repeat("4", 64)
	o.Total, o.Settlement, o.Cash = pay.MaxFen, pay.MaxFen, pay.MaxFen
	o.Body, o.NotifyURL, o.BankType = han(128), "https://merchant.example/"+strings.Repeat("/", 999), han(64)
	o.Prepaid = pay.Prepaid{CodeURL: strings.Repeat("u", 64), PrepayID: strings.Repeat("i", 64)}
	var promo pay.Promotion
	for range 30 {
		promo.Coupons = append(promo.Coupons, pay.Coupon{BatchID: strings.Repeat("1", 20), ID: strings.Repeat("2", 20), Fee: 1 << 40, Type: "NO_CASH"})
		promo.Vouchers = append(promo.Vouchers, pay.Voucher{ID: han(32), Name: han(64), Type: han(32), Amount: -1, Memo: han(256)})
		promo.FundBills = append(promo.FundBills, pay.FundBill{Channel: "ALIPAYACCOUNT", Amount: cpay.MaxFee, RealAmount: cpay.MaxFee})
	}
	promo.GoodsDetail, promo.BuyerLogon = han(512), han(100)
	o.Promo, o.ExpireAt, o.SourceType = promo.Encode(), at, cpay.MaxFee
	o.Extra = wire.Extra{
		ProductID: han(32), ProductCode: han(128), ExtendParams: han(256), SceneInfo: han(256), NotifyOpenIDs: strings.Repeat("o ", 19),
		Detail: `{"goods_detail":[{"goods_id":"1","goods_name":"` + han(5900) + `","quantity":1,"price":1}]}`,
		Remark: han(127), ClientFlowID: han(128), Attach: han(127), GoodsTag: han(64), LimitPay: han(64), SubMchPayInfo: han(1024),
		Discountable: cpay.MaxFee, Undiscountable: cpay.MaxFee, DisablePayChannels: han(128),
		Client: cpay.OrderClient{
			DeviceID: han(128), StaffID: han(128), TerminalType: cpay.MaxFee, SubTerminalType: cpay.MaxFee,
			MachineNo: han(128), SDKVersion: han(128), SpbillCreateIP: han(128), ShopID: han(128), SNCode: han(128),
		},
	}.Encode()
	return o
}

// crowdedRefund is the longest refund of an order.
func crowdedRefund(o pay.Order, n int) pay.Refund {
	r := refund(o, pay.RefundSucceeded)
	r.OutRefundNo = fmt.Sprintf("90000001%024d", n)
	r.RefundID, r.RecvAccount, r.Reason = strings.Repeat("5", 64), strings.Repeat("户", 64), strings.Repeat("退", 255)
	r.Total, r.Amount, r.Settlement, r.Cash = o.Total, o.Total, o.Total, o.Total
	r.Promo, r.Account = o.Promo, "REFUND_SOURCE_UNSETTLED_FUNDS"
	r.Extra = wire.Extra{RefundFlowID: strings.Repeat("流", 128)}.Encode()
	return r
}

// content is the inner JSON of an answer, with its numbers as written.
func content(t *testing.T, answer []byte) map[string]any {
	t.Helper()
	var outer struct {
		Content *string `json:"response_content"`
	}
	if err := json.Unmarshal(answer, &outer); err != nil || outer.Content == nil {
		t.Fatalf("answer is not an envelope around a string: %v", err)
	}
	d := json.NewDecoder(strings.NewReader(*outer.Content))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// member walks down a path such as micro_pay.order_content.total_fee; a number
// in the path is an index.
func member(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// TestCrowdedAnswersFitEmbeddedClients is R21, R22 and R23: even the longest
// answer fits, and what C clients dereference is still there.
func TestCrowdedAnswersFitEmbeddedClients(t *testing.T) {
	t.Parallel()
	key := cpay.NewKey("k")
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		o := crowded(ch)
		ext, state := "wxpay_", "state"
		if ch == pay.Alipay {
			ext, state = "alipay_", "refund_status"
		}
		refunds := func(n int) (all []cpay.RefundOrderContent) {
			for i := range n {
				all = append(all, wire.Refund(o, crowdedRefund(o, i)))
			}
			return all
		}
		orderMembers := []string{
			"pay_mch_key.pay_platform", "pay_mch_key.out_sub_mch_id", "order_content.total_fee", "order_content.out_trade_no",
			"order_content.transaction_id", "order_content." + ext + "order_content_ext.current_trade_state",
		}
		refundMembers := func(at string) []string {
			return []string{
				"pay_mch_key.pay_platform", at + ".out_trade_no", at + ".out_refund_no", at + ".total_fee", at + ".refund_fee",
				at + "." + ext + "refund_order_content_ext." + state,
			}
		}
		answers := []struct {
			method string
			body   cpay.Message
			want   []string
		}{
			{cpay.MethodMicroPay, &cpay.MicroPayResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Paying(o)}, orderMembers},
			{cpay.MethodQueryOrder, &cpay.QueryOrderResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o), OrderClient: wire.Client(o)}, orderMembers},
			{cpay.MethodRefund, &cpay.RefundResponse{PayMchKey: wire.MchKey(o), RefundOrderContent: refunds(1)[0]}, refundMembers("refund_order_content")},
			{cpay.MethodQueryRefundOrder, &cpay.QueryRefundOrderResponse{PayMchKey: wire.MchKey(o), RefundOrderContent: refunds(50)}, refundMembers("refund_order_content.0")},
		}
		for _, a := range answers {
			t.Run(string(ch)+" "+a.method, func(t *testing.T) {
				t.Parallel()
				b := cpay.SealResponse(cpay.Head{LogID: 1<<32 - 1}, a.method, a.body, key)
				if len(b) >= maxAnswer {
					t.Errorf("answer has %d bytes, limit %d", len(b), maxAnswer)
				}
				m := content(t, b)
				for _, path := range append([]string{"nonce_str"}, a.want...) {
					if v := member(m[a.method], path); v == nil || v == "" {
						t.Errorf("%s is lost to the limit", path)
					}
				}
				checkScalars(t, a.method, m[a.method])
			})
		}
	}
}

// checkScalars fails on what C clients copy into 64 bytes unchecked, on numbers
// other than plain 32-bit integers (R22, R24, R25), and on null.
func checkScalars(t *testing.T, name string, v any) {
	t.Helper()
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			checkScalars(t, k, e)
		}
	case []any:
		for _, e := range x {
			checkScalars(t, name, e)
		}
	case string:
		id := strings.HasPrefix(name, "out_") || name == "transaction_id" || name == "refund_id"
		if id && len(x) >= 64 {
			t.Errorf("%s has %d bytes", name, len(x))
		}
	case json.Number:
		if n, err := x.Int64(); err != nil || n < 0 || n > cpay.MaxFee || x.String() != strconv.FormatInt(n, 10) {
			t.Errorf("%s is %s", name, x)
		}
	case bool:
	default:
		t.Errorf("%s is %v", name, x)
	}
}

// TestNumbersOfEveryOrderFitAnInt32 is R24 and R25 for orders of every state.
func TestNumbersOfEveryOrderFitAnInt32(t *testing.T) {
	t.Parallel()
	everyOrder(func(_ string, o pay.Order) {
		if o.Stopped || o.Late != pay.LateNone {
			return
		}
		key := cpay.NewKey("k")
		b := cpay.SealResponse(cpay.Head{}, cpay.MethodQueryOrder,
			&cpay.QueryOrderResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o), OrderClient: wire.Client(o)}, key)
		if i := bytes.IndexFunc(b, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Errorf("byte %d of an answer is not ASCII: R36", i)
		}
		checkScalars(t, "", content(t, b)[cpay.MethodQueryOrder])
	})
}
