package notify

import (
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// The longest order that the API accepts sealed to more than a receiver reads,
// so that its callback was refused at every attempt and then buried.
func TestCallbackOfTheLongestOrderFits(t *testing.T) {
	t.Parallel()
	keys := cpay.Keys{AuthenKey: cpay.NewKey("0123456789abcdef0123456789abcdef")}
	for name, char := range map[string]string{"four-byte": "\U0001F600", "chinese": "面", "slashes": "/", "plain": "a"} {
		long := func(n int) string { return strings.Repeat(char, n) }
		o := pay.Order{
			MerchantID: "merchant", OutTradeNo: "900000010000000000000001", ProviderID: "provider", Channel: pay.Wxpay,
			TradeType: pay.TradeMicroPay, State: pay.PAID, Total: 100, Currency: "CNY", Body: long(128), NotifyURL: long(1024),
			Promo: promo(long).Encode(),
			Extra: wire.Extra{
				ProductID: long(64), ProductCode: long(128), ExtendParams: long(512), SceneInfo: long(512),
				NotifyOpenIDs: strings.Repeat(" "+long(255), 19), Discountable: 1, Undiscountable: 1, DisablePayChannels: long(128),
				Detail: `{"goods_detail":[],"x":"` + long(5970) + `"}`, Remark: long(127), ClientFlowID: long(128),
				Attach: long(127), GoodsTag: long(64), LimitPay: long(64), SubMchPayInfo: long(1024),
				Client: cpay.OrderClient{
					DeviceID: long(128), StaffID: long(128), MachineNo: long(128), SDKVersion: long(128),
					SpbillCreateIP: long(128), ShopID: long(128), SNCode: long(128),
				},
			}.Encode(),
		}
		r := pay.Refund{
			OutRefundNo: o.OutTradeNo, OutTradeNo: o.OutTradeNo, Channel: pay.Wxpay, Reason: long(255), Promo: o.Promo,
			Extra: wire.Extra{RefundFlowID: long(128)}.Encode(),
		}
		ali := o
		ali.Channel = pay.Alipay
		for kind, content := range map[string][]byte{"paid": PaidContent(o), "refund": RefundContent(o, r), "alipay": PaidContent(ali)} {
			body, err := cpay.Seal(content, keys, cpay.ByMAC)
			if err != nil || len(body) > cpay.MaxBody {
				t.Errorf("%s %s: %d bytes, %v; want at most %d", name, kind, len(body), err, cpay.MaxBody)
			}
		}
		if name != "plain" {
			continue
		}
		o.Promo = ""
		var m cpay.PayCallback
		if err := cpay.Decode(PaidContent(o), &m); err != nil || m.OrderContent.Detail == "" {
			t.Errorf("a callback that fits lost its detail: %v", err)
		}
	}
}

// promo is all that a wallet may say of coupons and vouchers.
func promo(long func(int) string) (p pay.Promotion) {
	for range 20 {
		p.Coupons = append(p.Coupons, pay.Coupon{BatchID: long(20), ID: long(20), Fee: 1, Type: "NO_CASH"})
		p.Vouchers = append(p.Vouchers, pay.Voucher{ID: long(32), Name: long(64), Type: long(32), Amount: 1, Memo: long(256)})
		p.FundBills = append(p.FundBills, pay.FundBill{Channel: "ALIPAYACCOUNT", Amount: 1})
	}
	return p
}
