package api_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// bubble is one run of a test on fake time, for one wallet.
type bubble struct {
	*testing.T
	house *house
	ch    pay.Channel
}

// inBubble runs a test for both wallets, on fake time and connections in memory.
func inBubble(t *testing.T, run func(b bubble)) {
	t.Helper()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		t.Run(string(ch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { run(bubble{t, newHouse(t, options{pipes: true}), ch}) })
		})
	}
}

// fault makes the wallet of a channel misbehave.
func (h *house) fault(t *testing.T, scenario string, ch pay.Channel, count int64) {
	t.Helper()
	if err := h.box.AddFault(sandbox.Fault{Scenario: scenario, Channel: sandbox.Channel(ch), Count: count}); err != nil {
		t.Fatal(err)
	}
}

// state is the trade state of an order's answer.
func state(a answer, ch pay.Channel) string {
	return a.get("order_content." + string(ch) + "_order_content_ext.current_trade_state")
}

// r38R39MicroPayWhileTheCustomerTypes: status 0 with 9 or 4, and what a
// till asserts is there at once.
func r38R39MicroPayWhileTheCustomerTypes(t *testing.T) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		no := h.number()
		request := microPay(no, h.code(ch, "anna"), 60000)
		waiting := map[pay.Channel]string{pay.Wxpay: "9", pay.Alipay: "4"}[ch]
		first := h.call(t, cpay.MethodMicroPay, request)
		first.is(t, 0, 0)
		if state(first, ch) != waiting || first.get("order_content.transaction_id") == "" || first.get("order_content.total_fee") != "60000" {
			t.Errorf("while the customer types: %s", first.content)
		}
		again := h.call(t, cpay.MethodMicroPay, request) // R43
		if again.is(t, 0, 0); state(again, ch) != waiting || again.get("order_content.transaction_id") != first.get("order_content.transaction_id") {
			t.Errorf("repeated: %s", again.content)
		}
		if err := h.box.Answer(t.Context(), "anna", "approve"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		paid := h.call(t, cpay.MethodMicroPay, request)
		if paid.is(t, 0, 0); state(paid, ch) != "2" {
			t.Errorf("after the password: %s", paid.content)
		}
		refund := h.number()
		accepted := h.call(t, cpay.MethodRefund, refundOf(no, refund, 60000, 60000))
		accepted.is(t, 0, 0)
		time.Sleep(time.Minute)
		back := h.call(t, cpay.MethodQueryRefundOrder, about(no).with("out_refund_no", refund))
		if back.is(t, 0, 0); back.get("refund_order_content.0.refund_id") == "" {
			t.Errorf("R39: no refund_id: %s", back.content)
		}
		replay := h.call(t, cpay.MethodMicroPay, request)
		if ch == pay.Wxpay {
			if replay.is(t, 0, 0); state(replay, ch) != "4" {
				t.Errorf("R38: repeated after a full refund: %s", replay.content)
			}
		} else {
			replay.is(t, 102, 0) // status 0 with Alipay's 5 would be no state that clients expect
		}
		if got := state(h.call(t, cpay.MethodQueryOrder, about(no)), ch); got != map[pay.Channel]string{pay.Wxpay: "4", pay.Alipay: "5"}[ch] {
			t.Errorf("C10: state after a full refund is %s", got)
		}
	})
}

// r38RefusalsAreNeverStatusZero: a wallet's definite refusal is 102, and so
// is every repetition.
func r38RefusalsAreNeverStatusZero(t *testing.T) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		if _, err := h.box.NewCustomer(t.Context(), "poor", 1); err != nil {
			t.Fatal(err)
		}
		no := h.number()
		request := microPay(no, h.code(ch, "poor"), 200)
		for range 2 {
			a := h.call(t, cpay.MethodMicroPay, request)
			if a.is(t, 102, 0); strings.ContainsAny(a.text, "_") || a.text == "" {
				t.Errorf("the cashier reads %q", a.text)
			}
		}
		want := map[pay.Channel]string{pay.Wxpay: "10", pay.Alipay: "7"}[ch]
		if got := state(h.call(t, cpay.MethodQueryOrder, about(no)), ch); got != want {
			t.Errorf("R42: a refused order has state %s, want %s", got, want)
		}
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 200, 200)).is(t, 104, 0)
		h.call(t, cpay.MethodReverse, about(no)).is(t, 0, 0) // nothing is left to reverse
	})
}

// TestUnknownIs103UntilItIsKnown: an answer that gets lost is no failure, and
// the truth comes by query.
func TestUnknownIs103UntilItIsKnown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		h.fault(t, "drop_after", ch, 1)
		no := h.number()
		request := microPay(no, h.code(ch, ""), 2)
		h.call(t, cpay.MethodMicroPay, request).is(t, 103, 0)
		if a := h.call(t, cpay.MethodQueryOrder, about(no)); a.status != 0 {
			t.Errorf("an unknown order is queried as %d", a.status)
		}
		time.Sleep(10 * time.Second)
		a := h.call(t, cpay.MethodMicroPay, request)
		if a.is(t, 0, 0); state(a, ch) != "2" {
			t.Errorf("after the query: %s", a.content)
		}
		if trades, err := h.box.Trades(t.Context(), no); err != nil || len(trades) != 1 || trades[0].Charges != 1 {
			t.Errorf("charged %+v, %v", trades, err)
		}
	})
}

// TestASlowWalletIsAnsweredInTime: terminals read for ten seconds.
func TestASlowWalletIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		h.fault(t, "timeout", ch, 1)
		no := h.number()
		start := time.Now()
		h.call(t, cpay.MethodMicroPay, microPay(no, h.code(ch, ""), 2)).is(t, 103, 0)
		if took := time.Since(start); took > 9*time.Second {
			t.Errorf("answered after %v", took)
		}
		time.Sleep(time.Minute)
		if got := state(h.call(t, cpay.MethodQueryOrder, about(no)), ch); got != "2" {
			t.Errorf("a minute later the state is %s", got)
		}
	})
}

// r43DifferingRepetitionsAre407AndChangeNothing.
func r43DifferingRepetitionsAre407AndChangeNothing(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	request := microPay(no, h.code(pay.Wxpay, ""), 100)
	h.call(t, cpay.MethodMicroPay, request).is(t, 0, 0)
	before := h.order(no)
	for name, o := range map[string]object{
		"amount": request.with("pay_content.total_fee", 200), "code": request.with("pay_content.author_code", h.code(pay.Wxpay, "")),
		"device": request.with("order_client.device_id", "till-2"), "wallet": request.with("pay_content.author_code", h.code(pay.Alipay, "")),
	} {
		a := h.call(t, cpay.MethodMicroPay, o)
		if a.is(t, 104, 407); strings.Contains(strings.ReplaceAll(a.text, "禁止撤单", ""), "撤单") {
			t.Errorf("R44: another %s suggests to reverse: %q", name, a.text)
		}
	}
	for name, o := range map[string]object{
		"nonce": request.with("nonce_str", "other"), "address": request.with("order_client.spbill_create_ip", "192.0.2.99"),
		"version": request.with("order_client.sdk_version", "2.0"), "platform derived": request.with("pay_mch_key.pay_platform", 1),
	} {
		if a := h.call(t, cpay.MethodMicroPay, o); a.status != 0 {
			t.Errorf("another %s is answered with %d/%d %q", name, a.status, a.internal, a.text)
		}
	}
	if h.order(no) != before {
		t.Error("a repetition changed the order")
	}
	if trades, err := h.box.Trades(t.Context(), no); err != nil || len(trades) != 1 || trades[0].Charges != 1 {
		t.Errorf("charged %+v, %v", trades, err)
	}
}

// r43RefundsRepeatSafely: the same number is the same refund, and another
// amount under it is refused.
func r43RefundsRepeatSafely(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no, other, refund := h.paid(t, pay.Alipay, 100), h.paid(t, pay.Alipay, 100), h.number()
	h.call(t, cpay.MethodRefund, refundOf(no, refund, 100, 40)).is(t, 0, 0)
	h.call(t, cpay.MethodRefund, refundOf(no, refund, 100, 40)).is(t, 0, 0)
	h.call(t, cpay.MethodRefund, refundOf(no, refund, 100, 41)).is(t, 104, 0)
	h.call(t, cpay.MethodRefund, refundOf(no, refund, 99, 40)).is(t, 104, 0)
	h.call(t, cpay.MethodRefund, refundOf(other, refund, 100, 40)).is(t, 104, 0)
	if o := h.order(no); o.Reserved != 40 {
		t.Errorf("reserved %d, want 40", o.Reserved)
	}
	if h.order(other).Reserved != 0 {
		t.Error("a refund number of another order reserved money")
	}
}

// r44ReverseIsRefusedWhereItMustNeverHappen.
func r44ReverseIsRefusedWhereItMustNeverHappen(t *testing.T) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		paid := h.paid(t, ch, 2)
		a := h.call(t, cpay.MethodReverse, about(paid))
		if a.is(t, 104, 0); !strings.Contains(a.text, "已支付，请退款") {
			t.Errorf("a paid order: %q", a.text)
		}
		h.call(t, cpay.MethodReverse, about(h.number())).is(t, 104, 400) // not accepted
		no := h.number()
		h.call(t, cpay.MethodMicroPay, microPay(no, h.code(ch, "anna"), 60000)).is(t, 0, 0)
		other := h.call(t, cpay.MethodReverse, about(no).with("order_client.device_id", "till-2"))
		if other.is(t, 104, 0); !strings.Contains(other.text, "设备") || h.order(no).State != pay.PAYING {
			t.Errorf("another terminal: %q, %s", other.text, h.order(no).State)
		}
		h.call(t, cpay.MethodReverse, about(no)).is(t, 103, 0) // on its way (money.md §3 row 7)
		time.Sleep(time.Minute)
		h.call(t, cpay.MethodReverse, about(no)).is(t, 0, 0)
		want := map[pay.Channel]string{pay.Wxpay: "8", pay.Alipay: "5"}[ch]
		if got := state(h.call(t, cpay.MethodQueryOrder, about(no)), ch); got != want {
			t.Errorf("a reversed order has state %s", got)
		}
		h.call(t, cpay.MethodMicroPay, microPay(no, h.code(ch, "anna"), 60000)).is(t, 104, 407)
	})
}

// TestAMerchantMayAllowTheReverseOfPaidOrders is money.md §3 row 8: an Alipay
// order that a full reverse returned is closed, and not shown as refunded.
func TestAMerchantMayAllowTheReverseOfPaidOrders(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		t.Run(string(ch), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, options{pipes: true, merchant: func(m *directory.Merchant) { m.ReversePaid = true }})
				no := h.paid(t, ch, 2)
				if a := h.call(t, cpay.MethodReverse, about(no)); a.status != 103 && a.status != 0 {
					t.Errorf("answer is %d %q", a.status, a.text)
				}
				time.Sleep(time.Minute)
				h.call(t, cpay.MethodReverse, about(no)).is(t, 0, 0)
				a := h.call(t, cpay.MethodQueryOrder, about(no))
				for _, member := range []string{"time_end", "cash_fee", "alipay_order_content_ext.refund_fee"} {
					if got := a.get("order_content." + member); got != "" {
						t.Errorf("a reversed order shows %s %s", member, got)
					}
				}
			})
		})
	}
}

// r41RefundsAreListedInCreationOrder.
func r41RefundsAreListedInCreationOrder(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 100)
	var made []string
	for i := range 5 { // numbers that sort against the order of creation
		refund := fmt.Sprintf("%s%016d", thePrefix, 9000-i)
		made = append(made, refund)
		h.call(t, cpay.MethodRefund, refundOf(no, refund, 100, i+1)).is(t, 0, 0)
	}
	a := h.call(t, cpay.MethodQueryRefundOrder, about(no))
	for i, want := range made {
		if got := a.get("refund_order_content." + strconv.Itoa(i) + ".out_refund_no"); got != want {
			t.Errorf("refund %d is %s, want %s", i, got, want)
		}
	}
	one := h.call(t, cpay.MethodQueryRefundOrder, about(no).with("out_refund_no", made[2]))
	if len(one.list("refund_order_content")) != 1 || one.get("refund_order_content.0.refund_fee") != "3" {
		t.Errorf("one refund of five: %s", one.content)
	}
}

// r45RefundsNeverExceedTheOrder, and the sentence that the cashier reads.
func r45RefundsNeverExceedTheOrder(t *testing.T) {
	t.Helper()
	t.Parallel()
	const exceeds = "超过可退金额"
	h := newHouse(t, options{})
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		no := h.paid(t, ch, 100)
		refuse := func(total, fen int64, want string) {
			t.Helper()
			a := h.call(t, cpay.MethodRefund, refundOf(no, h.number(), total, fen))
			if a.is(t, 104, 0); !strings.Contains(a.text, want) {
				t.Errorf("%s refund of %d of %d: %q, want %q", ch, fen, total, a.text, want)
			}
		}
		refuse(100, 101, exceeds) // more than all from the start
		refuse(99, 99, "金额不一致")
		refuse(101, 101, "金额不一致")
		refuse(100, 0, "refund_fee")
		refuse(100, -1, "refund_fee")
		refuse(0, 1, "total_fee")
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 100, 60)).is(t, 0, 0)
		refuse(100, 41, exceeds)
		refuse(100, 100, exceeds)
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 100, 40)).is(t, 0, 0)
		refuse(100, 1, exceeds)
		refuse(100, 2147483647, exceeds)
		refuse(100, 2147483648, "refund_fee")
		if o := h.order(no); o.Reserved != 100 {
			t.Errorf("reserved %d", o.Reserved)
		}
	}
}

// TestC10AcceptanceAmounts is the acceptance of S002: pay 0.03, refund 0.01,
// refund 0.02, on both platforms.
func TestC10AcceptanceAmounts(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h, ch := b.T, b.house, b.ch
		no := h.paid(t, ch, 3)
		part := map[pay.Channel]string{pay.Wxpay: "4", pay.Alipay: "2"}[ch]
		full := map[pay.Channel]string{pay.Wxpay: "4", pay.Alipay: "5"}[ch]
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 3, 1)).is(t, 0, 0)
		time.Sleep(time.Minute)
		if got := state(h.call(t, cpay.MethodQueryOrder, about(no)), ch); got != part {
			t.Errorf("after a partial refund the state is %s, want %s", got, part)
		}
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 3, 2)).is(t, 0, 0)
		time.Sleep(time.Minute)
		if got := state(h.call(t, cpay.MethodQueryOrder, about(no)), ch); got != full {
			t.Errorf("after the full refund the state is %s, want %s", got, full)
		}
	})
}
