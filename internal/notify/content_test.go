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
			Extra: wire.Extra{
				Detail: `{"goods_detail":[],"x":"` + long(5970) + `"}`, Remark: long(127), ClientFlowID: long(128),
				Attach: long(127), GoodsTag: long(64), LimitPay: long(64), SubMchPayInfo: long(1024),
				Client: cpay.OrderClient{
					DeviceID: long(128), StaffID: long(128), MachineNo: long(128), SDKVersion: long(128),
					SpbillCreateIP: long(128), ShopID: long(128), SNCode: long(128),
				},
			}.Encode(),
		}
		r := pay.Refund{
			OutRefundNo: o.OutTradeNo, OutTradeNo: o.OutTradeNo, Channel: pay.Wxpay, Reason: long(255),
			Extra: wire.Extra{RefundFlowID: long(128)}.Encode(),
		}
		for kind, content := range map[string][]byte{"paid": PaidContent(o), "refund": RefundContent(o, r)} {
			body, err := cpay.Seal(content, keys, cpay.ByMAC)
			if err != nil || len(body) > cpay.MaxBody {
				t.Errorf("%s %s: %d bytes, %v; want at most %d", name, kind, len(body), err, cpay.MaxBody)
			}
		}
		if name != "plain" {
			continue
		}
		var m cpay.PayCallback
		if err := cpay.Decode(PaidContent(o), &m); err != nil || m.OrderContent.Detail == "" {
			t.Errorf("a callback that fits lost its detail: %v", err)
		}
	}
}
