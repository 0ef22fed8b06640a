package notify

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// TestCallbackAndAnswerShowTheSame: of every state of an order and of a refund a
// callback says what a query at that moment would (money.md §1, §6).
func TestCallbackAndAnswerShowTheSame(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, trade := range []pay.TradeType{pay.TradeMicroPay, pay.TradeScanCode} {
			for _, state := range pay.OrderStates {
				for _, late := range []pay.LateState{pay.LateNone, pay.LateHeld, pay.LateReturned, pay.LateAdopted} {
					for _, finished := range []bool{false, true} {
						for _, refunded := range []pay.Fen{0, 40, 100} {
							o := pay.Order{
								MerchantID: "m", OutTradeNo: "1", ProviderID: "p", Channel: ch, TradeType: trade, State: state, Late: late, Finished: finished,
								Total: 100, Currency: "CNY", Settlement: 90, TransactionID: "4200", Reserved: refunded, Refunded: refunded,
							}
							var m cpay.PayCallback
							if err := cpay.Decode(PaidContent(o), &m); err != nil {
								t.Fatal(err)
							}
							m.OrderContent.NonceStr = "" // of each message its own
							if diff := cmp.Diff(wire.Order(o), m.OrderContent); diff != "" {
								t.Errorf("%s %s %s: -query +callback\n%s", ch, state, late, diff)
							}
						}
					}
				}
			}
		}
		for _, state := range pay.RefundStates {
			o := pay.Order{MerchantID: "m", OutTradeNo: "1", Channel: ch, TradeType: pay.TradeMicroPay, State: pay.PAID, Total: 100, Currency: "CNY"}
			r := pay.Refund{OutTradeNo: "1", OutRefundNo: "2", Channel: ch, State: state, Total: 100, Amount: 40, Settlement: 36, RefundID: "5000"}
			var m cpay.RefundCallback
			if err := cpay.Decode(RefundContent(o, r), &m); err != nil {
				t.Fatal(err)
			}
			m.RefundOrderContent[0].NonceStr = ""
			if diff := cmp.Diff([]cpay.RefundOrderContent{wire.Refund(o, r)}, m.RefundOrderContent); diff != "" {
				t.Errorf("%s %s: -query +callback\n%s", ch, state, diff)
			}
		}
	}
}
