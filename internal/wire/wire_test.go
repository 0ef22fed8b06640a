package wire_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// at is a time of the tests, with a part of a second that the wire cannot show.
var at = time.Date(2026, 11, 21, 4, 5, 6, 789e6, time.UTC)

// order returns a plain order in PAYING.
func order(ch pay.Channel, tt pay.TradeType) pay.Order {
	return pay.Order{
		MerchantID: "sz01TESTSUBMCH000001", ProviderID: "sz01TESTMCH000000001", ShopID: "sz01TESTSHOP00000001",
		OutTradeNo: "900000010000000001", Channel: ch, TradeType: tt, State: pay.PAYING, Seen: pay.Waiting,
		Total: 100, Currency: "CNY", DeviceID: "till-1", StaffID: "1003", Body: "bread",
		TransactionID: "cp1700000000000", SentAt: at, CreatedAt: at, UpdatedAt: at,
	}
}

// paid books a payment of an order.
func paid(o pay.Order) pay.Order {
	o.State, o.Seen = pay.PAID, pay.Paid
	o.TransactionID, o.PaidAt, o.Settlement, o.Cash, o.BankType = "4200001", at.Add(3*time.Second), o.Total, o.Total, "CMB_DEBIT"
	return o
}

// everyOrder calls f with every combination of what the projection reads, also
// with those that no payment reaches.
func everyOrder(f func(name string, o pay.Order)) {
	bools := []bool{false, true}
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, tt := range []pay.TradeType{pay.TradeMicroPay, pay.TradeScanCode} {
			for _, state := range pay.OrderStates {
				for _, part := range []pay.Fen{0, 40, 100} {
					for _, done := range []pay.Fen{0, 40, 100} {
						for _, finished := range bools {
							for _, stopped := range bools {
								for _, late := range []pay.LateState{pay.LateNone, pay.LateHeld, pay.LateReturned, pay.LateAdopted} {
									if done > part {
										continue
									}
									o := paid(order(ch, tt))
									o.State, o.Reserved, o.Refunded, o.Finished, o.Stopped, o.Late = state, part, done, finished, stopped, late
									f(fmt.Sprintf("%s type %d %s reserved %d refunded %d finished %v stopped %v late %q",
										ch, tt, state, part, done, finished, stopped, late), o)
								}
							}
						}
					}
				}
			}
		}
	}
}

// TestOrderStatesAreThoseOfMoneyRules is money.md §1, line by line.
func TestOrderStatesAreThoseOfMoneyRules(t *testing.T) {
	t.Parallel()
	is := func(s pay.OrderState) func(*pay.Order) { return func(o *pay.Order) { o.State = s } }
	taken := func(reserved, refunded pay.Fen, finished bool) func(*pay.Order) {
		return func(o *pay.Order) {
			*o = paid(*o)
			o.Reserved, o.Refunded, o.Finished = reserved, refunded, finished
		}
	}
	stopped := func(s pay.OrderState) func(*pay.Order) {
		return func(o *pay.Order) { o.State, o.Stopped = s, true }
	}
	late := func(s pay.OrderState, l pay.LateState) func(*pay.Order) {
		return func(o *pay.Order) { *o = paid(*o); o.State, o.Late = s, l }
	}
	tests := []struct {
		name            string
		change          func(*pay.Order)
		wx, wxUnified   cpay.WxpayOrderState
		ali, aliUnified cpay.AlipayOrderState
	}{
		{"PAYING", is(pay.PAYING), 9, 6, 4, 4},
		{"PAYING, nothing heard", func(o *pay.Order) { o.Seen = pay.Unknown }, 9, 6, 4, 4},
		{"PAYING, customer stopped, not confirmed", stopped(pay.PAYING), 9, 6, 4, 4},
		{"REVERSING", is(pay.REVERSING), 9, 6, 4, 4},
		{"REVERSING, paid and told to nobody", func(o *pay.Order) {
			*o = paid(*o)
			o.State, o.PaidSeen = pay.REVERSING, true
		}, 9, 6, 4, 4},
		{"CLOSING", is(pay.CLOSING), 9, 6, 4, 4},
		{"PAID", taken(0, 0, false), 2, 3, 2, 2},
		{"refund accepted", taken(40, 0, false), 4, 4, 2, 2},
		{"partly refunded", taken(40, 40, false), 4, 4, 2, 2},
		{"full refund accepted", taken(100, 40, false), 4, 4, 2, 2},
		{"fully refunded", taken(100, 100, false), 4, 4, 5, 5},
		{"TRADE_FINISHED", taken(0, 0, true), 2, 3, 6, 6},
		{"TRADE_FINISHED, partly refunded", taken(40, 40, true), 4, 4, 6, 6},
		{"TRADE_FINISHED, fully refunded", taken(100, 100, true), 4, 4, 5, 5},
		{"DECLINED", is(pay.DECLINED), 10, 10, 7, 7},
		{"DECLINED, customer stopped", stopped(pay.DECLINED), 5, 5, 5, 5},
		{"CLOSED, late money held", late(pay.CLOSED, pay.LateHeld), 11, 7, 7, 5},
		{"CLOSED, late money returned", late(pay.CLOSED, pay.LateReturned), 11, 7, 7, 5},
		{"CLOSED, late money adopted", late(pay.CLOSED, pay.LateAdopted), 2, 3, 2, 2},
		{"REVERSED, late money adopted", late(pay.REVERSED, pay.LateAdopted), 2, 3, 2, 2},
		{"DECLINED, late money adopted", late(pay.DECLINED, pay.LateAdopted), 2, 3, 2, 2},
		{"REVERSED", is(pay.REVERSED), 8, 8, 5, 5},
		{"REVERSED, customer stopped", stopped(pay.REVERSED), 5, 5, 5, 5},
		{"REVERSED by a full refund", func(o *pay.Order) {
			*o = paid(*o)
			o.State, o.Reserved, o.Refunded = pay.REVERSED, 100, 100
		}, 8, 8, 5, 5},
		{"CLOSED", is(pay.CLOSED), 11, 7, 7, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			show := func(ch pay.Channel, typ pay.TradeType) cpay.OrderContent {
				o := order(ch, typ)
				tt.change(&o)
				return wire.Order(o)
			}
			if got := show(pay.Wxpay, pay.TradeMicroPay).WxpayExt.CurrentTradeState; got != tt.wx {
				t.Errorf("wxpay is %d, want %d", got, tt.wx)
			}
			if got := show(pay.Wxpay, pay.TradeScanCode).WxpayExt.CurrentTradeState; got != tt.wxUnified {
				t.Errorf("wxpay unified is %d, want %d", got, tt.wxUnified)
			}
			if got := show(pay.Alipay, pay.TradeMicroPay).AlipayExt.CurrentTradeState; got != tt.ali {
				t.Errorf("alipay is %d, want %d", got, tt.ali)
			}
			if got := show(pay.Alipay, pay.TradeScanCode).AlipayExt.CurrentTradeState; got != tt.aliUnified {
				t.Errorf("alipay unified is %d, want %d", got, tt.aliUnified)
			}
		})
	}
}

// TestUnpaidOrdersNeverLookPaid is R42: a till that takes every local state
// but these four as paid must not be wrong about an order without money.
func TestUnpaidOrdersNeverLookPaid(t *testing.T) {
	t.Parallel()
	unpaid := []cpay.LocalState{cpay.LocalFail, cpay.LocalClosed, cpay.LocalInit, cpay.LocalUserPaying}
	everyOrder(func(name string, o pay.Order) {
		c := wire.Order(o)
		switch o.Standing() { // adopted late money is paid
		case pay.PAID:
			if got := c.Outcome(); got != cpay.StatePaid && got != cpay.StateRefunded {
				t.Errorf("%s: outcome is %v", name, got)
			}
		case pay.PAYING, pay.REVERSING, pay.CLOSING:
			if got := c.Outcome(); got != cpay.StateWaiting {
				t.Errorf("%s: outcome is %v", name, got)
			}
			fallthrough
		case pay.DECLINED, pay.REVERSED, pay.CLOSED:
			if got := c.Local(); !slices.Contains(unpaid, got) {
				t.Errorf("%s: local state is %v", name, got)
			}
			if o.State.Final() && c.Outcome() != cpay.StateDeclined {
				t.Errorf("%s: outcome is %v", name, c.Outcome())
			}
		}
	})
}

// TestLateMoneyStaysOffTheWire is money.md §1: the order stays what it was.
func TestLateMoneyStaysOffTheWire(t *testing.T) {
	t.Parallel()
	everyOrder(func(name string, o pay.Order) {
		if o.State == pay.PAID || o.State.Final() && o.Late == pay.LateAdopted { // a person adopted it
			return
		}
		c := wire.Order(o)
		if c.TimeEnd != 0 || c.CashFee != 0 || c.CashFeeType != "" || c.SettlementTotalFee != 0 {
			t.Errorf("%s: shows a payment: %+v", name, c)
		}
		if x := c.WxpayExt; x != nil && x.BankType != "" {
			t.Errorf("%s: shows the bank", name)
		}
		if x := c.AlipayExt; x != nil && x.RefundFee != 0 {
			t.Errorf("%s: shows a refund of %d", name, x.RefundFee)
		}
	})
}

// TestMicroPayAnswersOnlyTheStatesClientsExpect is R38 and R40: whatever
// micro_pay may answer at status 0 has the states 2, 9, 4 or 2, 4.
func TestMicroPayAnswersOnlyTheStatesClientsExpect(t *testing.T) {
	t.Parallel()
	answered := 0
	everyOrder(func(name string, o pay.Order) {
		if o.TradeType != pay.TradeMicroPay || o.PayAnswer() != nil {
			return
		}
		answered++
		c := wire.Paying(o)
		switch {
		case c.WxpayExt != nil:
			if s := c.WxpayExt.CurrentTradeState; s != 2 && s != 4 && s != 9 {
				t.Errorf("%s: micro_pay answers %d", name, s)
			}
		case c.AlipayExt != nil:
			if s := c.AlipayExt.CurrentTradeState; s != 2 && s != 4 {
				t.Errorf("%s: micro_pay answers %d", name, s)
			}
		}
		if c.TransactionID == "" || c.TotalFee != int64(o.Total) || c.OutTradeNo != o.OutTradeNo { // R39
			t.Errorf("%s: micro_pay leaves out what tills assert: %+v", name, c)
		}
	})
	if answered == 0 {
		t.Error("no order is answered at status 0")
	}
}

func TestRefundStatesAreThoseOfMoneyRules(t *testing.T) {
	t.Parallel()
	want := map[pay.RefundState]struct {
		wx    cpay.WxpayRefundState
		ali   cpay.AlipayRefundState
		busy  bool
		local cpay.LocalRefundState
	}{
		pay.RefundPending:   {4, 1, true, cpay.LocalRefundProcessing},
		pay.RefundSucceeded: {2, 2, false, cpay.LocalRefundSuccess},
		pay.RefundRejected:  {3, 3, false, cpay.LocalRefundFail},
		pay.RefundNeedsHand: {5, 3, true, cpay.LocalRefundFail},
		pay.RefundOffline:   {2, 2, false, cpay.LocalRefundSuccess},
	}
	for _, state := range pay.RefundStates {
		w, ok := want[state]
		if !ok {
			t.Errorf("%s is not in money.md §1", state)
		}
		for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
			o := paid(order(ch, pay.TradeMicroPay))
			c := wire.Refund(o, refund(o, state))
			switch {
			case c.WxpayExt != nil && c.AlipayExt == nil && ch == pay.Wxpay:
				if c.WxpayExt.State != w.wx {
					t.Errorf("%s: wxpay is %d, want %d", state, c.WxpayExt.State, w.wx)
				}
			case c.AlipayExt != nil && c.WxpayExt == nil && ch == pay.Alipay:
				if c.AlipayExt.RefundStatus != w.ali {
					t.Errorf("%s: alipay is %d, want %d", state, c.AlipayExt.RefundStatus, w.ali)
				}
				if moved := c.AlipayExt.FundChange == "Y"; moved != (state == pay.RefundSucceeded) {
					t.Errorf("%s: fund_change is %q", state, c.AlipayExt.FundChange)
				}
			default:
				t.Errorf("%s at %s has not exactly the ext of its wallet", state, ch)
			}
			if c.IsTransforming != w.busy || c.Local() != w.local {
				t.Errorf("%s at %s: transforming %v, local %v", state, ch, c.IsTransforming, c.Local())
			}
		}
	}
}

// refund returns a refund of 40 in a state.
func refund(o pay.Order, s pay.RefundState) pay.Refund {
	r := pay.Refund{
		MerchantID: o.MerchantID, OutRefundNo: "90000001R1", OutTradeNo: o.OutTradeNo, Channel: o.Channel, State: s,
		Origin: pay.OriginAPI, Total: o.Total, Amount: 40, Reason: "stale", RefundID: "cp1700000000001", CreatedAt: at, UpdatedAt: at,
	}
	if s == pay.RefundSucceeded {
		r.Settlement, r.Cash, r.SucceededAt, r.RefundID, r.RecvAccount = 40, 40, at.Add(time.Minute), "5030001", "零钱"
	}
	return r
}

// TestExactlyOneExtIsShown is R29.
func TestExactlyOneExtIsShown(t *testing.T) {
	t.Parallel()
	everyOrder(func(name string, o pay.Order) {
		c := wire.Order(o)
		if (c.WxpayExt != nil) != (o.Channel == pay.Wxpay) || (c.AlipayExt != nil) != (o.Channel == pay.Alipay) || c.CardExt != nil || c.RecordExt != nil {
			t.Errorf("%s: shows another ext than that of %s", name, o.Channel)
		}
		if got := wire.MchKey(o).PayPlatform; int64(got) != o.Channel.Platform() {
			t.Errorf("%s: pay_platform is %d", name, got)
		}
	})
}

func TestTimesAreWholeSecondsAndAbsentUntilTheyHappen(t *testing.T) {
	t.Parallel()
	o := paid(order(pay.Wxpay, pay.TradeMicroPay))
	c := wire.Order(o)
	if c.CreateTime != at.Unix() || c.LastUpdateTime != at.Unix() || c.TimeEnd != at.Unix()+3 {
		t.Errorf("times are %d, %d, %d", c.CreateTime, c.LastUpdateTime, c.TimeEnd)
	}
	if c.IsTransforming || c.SettlementTotalFee != 100 || c.CashFee != 100 || c.CashFeeType != "CNY" || c.WxpayExt.BankType != "CMB_DEBIT" {
		t.Errorf("a paid order shows %+v", c)
	}
	if c := wire.Order(order(pay.Wxpay, pay.TradeMicroPay)); c.TimeEnd != 0 || !c.IsTransforming {
		t.Errorf("an unpaid order shows %+v", c)
	}
	o.Reserved, o.Refunded = 100, 40
	if !wire.Order(o).IsTransforming {
		t.Error("an order with an open refund is shown as settled")
	}
	for _, s := range pay.RefundStates {
		for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
			o := paid(order(ch, pay.TradeMicroPay))
			r := refund(o, s)
			c := wire.Refund(o, r)
			want := int64(0)
			if s == pay.RefundSucceeded {
				want = at.Unix() + 60
			}
			if c.CreateTime != at.Unix() || c.RefundSuccessTime != want || c.AlipayExt != nil && c.AlipayExt.GmtRefundPay != want {
				t.Errorf("%s at %s: times are %d, %d", s, ch, c.CreateTime, c.RefundSuccessTime)
			}
		}
	}
}

// TestADescriptionFitsItsState says what a cashier may read about an order.
func TestADescriptionFitsItsState(t *testing.T) {
	t.Parallel()
	describe := func(change func(*pay.Order)) string {
		o := order(pay.Wxpay, pay.TradeMicroPay)
		change(&o)
		return wire.Order(o).WxpayExt.TradeStateDesc
	}
	tests := []struct {
		want   string
		change func(*pay.Order)
	}{
		{"等待用户输入密码中", func(*pay.Order) {}},
		{"支付结果未知，正在查询", func(o *pay.Order) { o.Seen = pay.Unknown }},
		{"正在撤单", func(o *pay.Order) { o.State = pay.REVERSING }},
		{"正在关闭", func(o *pay.Order) { o.State = pay.CLOSING }},
		{"支付成功", func(o *pay.Order) { *o = paid(*o) }},
		{"已部分退款", func(o *pay.Order) { *o = paid(*o); o.Reserved = 40 }},
		{"已全额退款，退款处理中", func(o *pay.Order) { *o = paid(*o); o.Reserved = 100 }},
		{"已全额退款", func(o *pay.Order) { *o = paid(*o); o.Reserved, o.Refunded = 100, 100 }},
		{"支付失败", func(o *pay.Order) { o.State = pay.DECLINED }},
		{"余额不足", func(o *pay.Order) { o.State, o.Text = pay.DECLINED, "余额不足" }},
		{"用户已取消支付", func(o *pay.Order) { o.State, o.Stopped = pay.DECLINED, true }},
		{"用户已取消支付", func(o *pay.Order) { o.State, o.Stopped = pay.REVERSED, true }},
		{"已撤单", func(o *pay.Order) { o.State, o.Text = pay.REVERSED, "支付成功" }},
		{"订单已关闭", func(o *pay.Order) { o.State = pay.CLOSED }},
	}
	for _, tt := range tests {
		if got := describe(tt.change); got != tt.want {
			t.Errorf("description is %q, want %q", got, tt.want)
		}
	}
	for _, s := range pay.OrderStates {
		if describe(func(o *pay.Order) { o.State = s }) == "" {
			t.Errorf("%s has no description", s)
		}
	}
}
