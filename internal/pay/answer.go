package pay

// PayAnswer is what a pay request is told about its order: nil when the answer
// carries the order itself (status 0: waiting, paid, or paid and refunded
// since), or the refusal. An unknown result is ErrUnavailable, never a refusal
// (money.md §1, §2; protocol.md R38).
func (o Order) PayAnswer() error {
	switch o.Standing() {
	case PAID:
		if o.Channel == Alipay && o.Refunded == o.Total {
			return Refuse(ErrDead, "refunded", "订单已全额退款")
		}
		return nil
	case PAYING:
		if o.Payable() || o.Seen == Waiting && !o.TradeType.Unified() {
			return nil
		}
		return unknown()
	case CLOSING:
		if o.closeTold() {
			return Refuse(ErrDead, "closing", "订单正在关闭")
		}
		return unknown()
	case REVERSING:
		return unknown()
	case DECLINED:
		if o.Duplicate {
			return duplicate()
		}
		return Refuse(ErrDead, "declined", o.declineText())
	case REVERSED:
		if o.Duplicate {
			return duplicate()
		}
		if o.Stopped {
			return Refuse(ErrDead, "stopped", "用户已取消支付")
		}
		return Refuse(ErrDead, "reversed", "订单已撤销")
	case CLOSED:
		return Refuse(ErrDead, "closed", "订单已关闭")
	}
	return unknown()
}

func duplicate() error {
	return Refuse(ErrConflict, "duplicate", "订单号重复，请更换订单号，禁止撤单")
}

func unknown() error {
	return Refuse(ErrUnavailable, "unknown", "支付结果未知，请稍后查询")
}

// declineText is the sentence for the till: the wallet's own, if it gave one.
func (o Order) declineText() string {
	if o.Text != "" {
		return o.Text
	}
	return "支付失败，请更换付款码和订单号重试"
}

// ReverseAnswer is what a reverse request is told: nil once nothing is left to
// pay (REVERSED, CLOSED, DECLINED), ErrUnavailable while it is under way, and
// ErrDenied when the payment was found before the reverse left (money.md §3
// rows 7 and 8).
func (o Order) ReverseAnswer() error {
	switch o.Standing() {
	case REVERSED, CLOSED, DECLINED:
		return nil
	case PAID:
		return Refuse(ErrDenied, "reverse_paid", "订单已支付，请退款")
	case PAYING, REVERSING, CLOSING:
	}
	return Refuse(ErrUnavailable, "reversing", "正在撤单，请稍后查询")
}
