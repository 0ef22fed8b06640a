package cpay

// PayPlatform is the wallet of an order (protocol.md §3.1).
type PayPlatform int64

// The platforms. 0 is not sent: the server derives it from the payment code.
const (
	PlatformWxpay  PayPlatform = 1
	PlatformAlipay PayPlatform = 2
	PlatformCard   PayPlatform = 3 // the merchant's member card
	PlatformRecord PayPlatform = 4 // bookkeeping of money taken elsewhere
)

// PlatformOf tells the wallet of a payment code by its prefix and length
// (protocol.md §3.15): WeChat Pay 10–15 with 18 digits, Alipay 25–30 with 16 to
// 24. It returns 0 for anything else, also for codes that only a configured
// gateway knows.
func PlatformOf(code PayCode) PayPlatform {
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return 0
		}
	}
	if len(code) < 16 {
		return 0
	}
	switch prefix := code[:2]; {
	case "10" <= prefix && prefix <= "15" && len(code) == 18:
		return PlatformWxpay
	case "25" <= prefix && prefix <= "30" && len(code) <= 24:
		return PlatformAlipay
	}
	return 0
}

// TradeType says how an order is paid (protocol.md §3.3).
type TradeType int64

// The trade types.
const (
	TradeMicroPay        TradeType = 1 // the till scans the customer's code
	TradeScanCode        TradeType = 2 // the customer scans a code made for the order
	TradeOfficialAccount TradeType = 3
	TradeApp             TradeType = 4
	TradeSoundWave       TradeType = 5
	TradeMobileWeb       TradeType = 6
	TradeOneCode         TradeType = 8
	TradeMiniProgram     TradeType = 9
)

// WxpayOrderState is current_trade_state of a WeChat Pay order (protocol.md §3.4).
type WxpayOrderState int64

// The states of a WeChat Pay order.
const (
	WxpayInitial     WxpayOrderState = 1
	WxpayMicroPaid   WxpayOrderState = 2
	WxpayPaid        WxpayOrderState = 3 // an order that the customer scanned or opened
	WxpayRefunded    WxpayOrderState = 4 // wholly or in part
	WxpayCancelled   WxpayOrderState = 5 // the customer stopped
	WxpayWaiting     WxpayOrderState = 6 // never for micro_pay (protocol.md R40)
	WxpayClosed      WxpayOrderState = 7
	WxpayReversed    WxpayOrderState = 8
	WxpayUserPaying  WxpayOrderState = 9 // typing the password
	WxpayFailed      WxpayOrderState = 10
	WxpayVoid        WxpayOrderState = 11 // never reached the wallet
	WxpayAccepting   WxpayOrderState = 12
	WxpayUnfrozen    WxpayOrderState = 13
	WxpayDepositUsed WxpayOrderState = 14
)

// AlipayOrderState is current_trade_state of an Alipay order (protocol.md §3.5).
type AlipayOrderState int64

// The states of an Alipay order.
const (
	AlipayInitial  AlipayOrderState = 1
	AlipayPaid     AlipayOrderState = 2 // also after a partial refund
	AlipayWaiting  AlipayOrderState = 4
	AlipayClosed   AlipayOrderState = 5 // closed, or refunded in full
	AlipayFinished AlipayOrderState = 6 // paid and no longer refundable
	AlipayVoid     AlipayOrderState = 7
)

// WxpayRefundState is the state of a WeChat Pay refund (protocol.md §3.7).
type WxpayRefundState int64

// The states of a WeChat Pay refund.
const (
	WxpayRefundInitial    WxpayRefundState = 1
	WxpayRefundSucceeded  WxpayRefundState = 2
	WxpayRefundFailed     WxpayRefundState = 3
	WxpayRefundProcessing WxpayRefundState = 4
	WxpayRefundByHand     WxpayRefundState = 5 // the bank returned it to the merchant
	WxpayRefundVoid       WxpayRefundState = 6
)

// AlipayRefundState is refund_status of an Alipay refund (protocol.md §3.8).
type AlipayRefundState int64

// The states of an Alipay refund.
const (
	AlipayRefundInitial    AlipayRefundState = 1
	AlipayRefundSucceeded  AlipayRefundState = 2
	AlipayRefundFailed     AlipayRefundState = 3
	AlipayRefundProcessing AlipayRefundState = 4
	AlipayRefundVoid       AlipayRefundState = 5
)

// LocalState is the state of an order as SDKs in the field show it (protocol.md
// §3.16). Decide with Outcome instead: LocalState calls a finished Alipay order
// initial.
type LocalState int

// The local states of an order.
const (
	LocalNone LocalState = iota
	LocalInit
	LocalUserPaying
	LocalSuccess
	LocalFail
	LocalReverse
	LocalRefund
	LocalClosed
)

// Local maps the state of the wallet as the Java SDK does (protocol.md §5.6); the
// C SDK differs in the states 6 and 7 of WeChat Pay, which it calls failed. It is
// LocalNone for an order of another platform.
func (m *OrderContent) Local() LocalState {
	switch {
	case m.WxpayExt != nil:
		return m.WxpayExt.CurrentTradeState.local()
	case m.AlipayExt != nil:
		return m.AlipayExt.CurrentTradeState.local()
	}
	return LocalNone
}

func (s WxpayOrderState) local() LocalState {
	switch s {
	case WxpayMicroPaid, WxpayPaid:
		return LocalSuccess
	case WxpayRefunded:
		return LocalRefund
	case WxpayCancelled, WxpayReversed, WxpayFailed, WxpayVoid:
		return LocalFail
	case WxpayWaiting, WxpayUserPaying:
		return LocalUserPaying
	case WxpayClosed:
		return LocalClosed
	case WxpayInitial, WxpayAccepting, WxpayUnfrozen, WxpayDepositUsed:
	}
	return LocalInit
}

func (s AlipayOrderState) local() LocalState {
	switch s {
	case AlipayPaid:
		return LocalSuccess
	case AlipayWaiting:
		return LocalUserPaying
	case AlipayClosed:
		return LocalClosed
	case AlipayVoid:
		return LocalFail
	case AlipayInitial, AlipayFinished:
	}
	return LocalInit
}

// LocalRefundState is the state of a refund as SDKs in the field show it.
type LocalRefundState int

// The local states of a refund.
const (
	LocalRefundNone LocalRefundState = iota
	LocalRefundProcessing
	LocalRefundSuccess
	LocalRefundFail
)

// Local maps the state of the refund as the SDKs do (protocol.md §5.6). A refund
// that was accepted is not yet money returned; LocalRefundSuccess is.
func (m *RefundOrderContent) Local() LocalRefundState {
	switch {
	case m.WxpayExt != nil:
		return m.WxpayExt.State.local()
	case m.AlipayExt != nil:
		return m.AlipayExt.RefundStatus.local()
	}
	return LocalRefundNone
}

func (s WxpayRefundState) local() LocalRefundState {
	switch s {
	case WxpayRefundInitial, WxpayRefundProcessing:
		return LocalRefundProcessing
	case WxpayRefundSucceeded:
		return LocalRefundSuccess
	case WxpayRefundFailed, WxpayRefundByHand, WxpayRefundVoid:
		return LocalRefundFail
	}
	return LocalRefundNone
}

func (s AlipayRefundState) local() LocalRefundState {
	switch s {
	case AlipayRefundInitial, AlipayRefundProcessing:
		return LocalRefundProcessing
	case AlipayRefundSucceeded:
		return LocalRefundSuccess
	case AlipayRefundFailed, AlipayRefundVoid:
		return LocalRefundFail
	}
	return LocalRefundNone
}
