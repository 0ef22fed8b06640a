package cpay

// PayPlatform is the wallet of an order (protocol.md §3.1).
type PayPlatform int64

// The platforms. 0 is not sent: the server derives it from the payment code.
const (
	// PlatformWxpay is WeChat Pay.
	PlatformWxpay PayPlatform = 1
	// PlatformAlipay is Alipay.
	PlatformAlipay PayPlatform = 2
	// PlatformCard is the merchant's member card.
	PlatformCard PayPlatform = 3
	// PlatformRecord is the bookkeeping of money taken elsewhere.
	PlatformRecord PayPlatform = 4
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
	// TradeMicroPay: the till scans the customer's code.
	TradeMicroPay TradeType = 1
	// TradeScanCode: the customer scans a code made for the order.
	TradeScanCode TradeType = 2
	// TradeOfficialAccount: on a page opened inside the wallet.
	TradeOfficialAccount TradeType = 3
	// TradeApp: in the merchant's mobile application.
	TradeApp TradeType = 4
	// TradeSoundWave: by sound; listed and used by nobody.
	TradeSoundWave TradeType = 5
	// TradeMobileWeb: on a page opened in a browser.
	TradeMobileWeb TradeType = 6
	// TradeOneCode: the customer scans the shop's code for all wallets.
	TradeOneCode TradeType = 8
	// TradeMiniProgram: in a mini program of the wallet.
	TradeMiniProgram TradeType = 9
)

// WxpayOrderState is current_trade_state of a WeChat Pay order (protocol.md §3.4).
type WxpayOrderState int64

// The states of a WeChat Pay order.
const (
	// WxpayInitial is before the wallet was asked.
	WxpayInitial WxpayOrderState = 1
	// WxpayMicroPaid is paid by micro_pay.
	WxpayMicroPaid WxpayOrderState = 2
	// WxpayPaid is paid by a customer who scanned or opened the order.
	WxpayPaid WxpayOrderState = 3
	// WxpayRefunded is paid and then refunded, wholly or in part.
	WxpayRefunded WxpayOrderState = 4
	// WxpayCancelled is stopped by the customer.
	WxpayCancelled WxpayOrderState = 5
	// WxpayWaiting waits for the customer to scan; never for micro_pay (R40).
	WxpayWaiting WxpayOrderState = 6
	// WxpayClosed is closed unpaid.
	WxpayClosed WxpayOrderState = 7
	// WxpayReversed is undone, whatever was paid is returned.
	WxpayReversed WxpayOrderState = 8
	// WxpayUserPaying waits for the customer's password.
	WxpayUserPaying WxpayOrderState = 9
	// WxpayFailed is refused by the wallet.
	WxpayFailed WxpayOrderState = 10
	// WxpayVoid never reached the wallet.
	WxpayVoid WxpayOrderState = 11
	// WxpayAccepting is taken and not yet decided.
	WxpayAccepting WxpayOrderState = 12
	// WxpayUnfrozen is a deposit that was returned.
	WxpayUnfrozen WxpayOrderState = 13
	// WxpayDepositUsed is a deposit that was consumed.
	WxpayDepositUsed WxpayOrderState = 14
)

// AlipayOrderState is current_trade_state of an Alipay order (protocol.md §3.5).
type AlipayOrderState int64

// The states of an Alipay order.
const (
	// AlipayInitial is before the wallet was asked.
	AlipayInitial AlipayOrderState = 1
	// AlipayPaid is paid, also after a partial refund.
	AlipayPaid AlipayOrderState = 2
	// AlipayWaiting waits for the customer.
	AlipayWaiting AlipayOrderState = 4
	// AlipayClosed is closed unpaid, or paid and refunded in full.
	AlipayClosed AlipayOrderState = 5
	// AlipayFinished is paid and can no longer be refunded.
	AlipayFinished AlipayOrderState = 6
	// AlipayVoid does not exist at the wallet.
	AlipayVoid AlipayOrderState = 7
)

// WxpayRefundState is the state of a WeChat Pay refund (protocol.md §3.7).
type WxpayRefundState int64

// The states of a WeChat Pay refund.
const (
	// WxpayRefundInitial is before the wallet was asked.
	WxpayRefundInitial WxpayRefundState = 1
	// WxpayRefundSucceeded means that the customer has the money.
	WxpayRefundSucceeded WxpayRefundState = 2
	// WxpayRefundFailed means that the wallet refused.
	WxpayRefundFailed WxpayRefundState = 3
	// WxpayRefundProcessing is on its way.
	WxpayRefundProcessing WxpayRefundState = 4
	// WxpayRefundByHand came back from the bank to the merchant, who must settle it by hand.
	WxpayRefundByHand WxpayRefundState = 5
	// WxpayRefundVoid never reached the wallet.
	WxpayRefundVoid WxpayRefundState = 6
)

// AlipayRefundState is refund_status of an Alipay refund (protocol.md §3.8).
type AlipayRefundState int64

// The states of an Alipay refund.
const (
	// AlipayRefundInitial is before the wallet was asked.
	AlipayRefundInitial AlipayRefundState = 1
	// AlipayRefundSucceeded means that the customer has the money.
	AlipayRefundSucceeded AlipayRefundState = 2
	// AlipayRefundFailed means that the wallet refused.
	AlipayRefundFailed AlipayRefundState = 3
	// AlipayRefundProcessing is on its way.
	AlipayRefundProcessing AlipayRefundState = 4
	// AlipayRefundVoid does not exist at the wallet.
	AlipayRefundVoid AlipayRefundState = 5
)

// LocalState is the state of an order as SDKs in the field show it (protocol.md
// §3.16). Decide with Outcome instead: LocalState calls a finished Alipay order
// initial.
type LocalState int

// The local states of an order.
const (
	// LocalNone is an order of no wallet that SDKs know.
	LocalNone LocalState = iota
	// LocalInit is not decided.
	LocalInit
	// LocalUserPaying waits for the customer.
	LocalUserPaying
	// LocalSuccess is paid.
	LocalSuccess
	// LocalFail is not paid.
	LocalFail
	// LocalReverse is listed and never shown: SDKs show LocalFail.
	LocalReverse
	// LocalRefund is refunded, wholly or in part.
	LocalRefund
	// LocalClosed is closed, or an Alipay order refunded in full.
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

// local is the column of WeChat Pay.
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

// local is the column of Alipay. 6 is a paid order; the SDKs do not know it.
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
	// LocalRefundNone is a refund of no wallet that SDKs know.
	LocalRefundNone LocalRefundState = iota
	// LocalRefundProcessing is accepted and not decided.
	LocalRefundProcessing
	// LocalRefundSuccess means that the customer has the money.
	LocalRefundSuccess
	// LocalRefundFail means that the customer does not get it this way.
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

// local is the column of WeChat Pay refunds.
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

// local is the column of Alipay refunds.
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
