package sandbox

import (
	"context"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The sources a merchant can name for the money of a refund.
const (
	refundUnsettled = "REFUND_SOURCE_UNSETTLED_FUNDS"
	refundRecharge  = "REFUND_SOURCE_RECHARGE_FUNDS"
)

// wxRefund accepts a refund, POST /secapi/pay/refund. Success means accepted,
// not refunded: the money moves after RefundDelay, and only refundquery says
// so (upstreams.md §2.2). The same out_refund_no with the same trade and
// amount is the same refund, however often it is asked for; with another
// amount it is refused. total_fee must be what was paid.
func (s *Sandbox) wxRefund(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	f := r.fields
	total, ok := parseFen(f.get("total_fee"))
	if !ok {
		return wxRefuse("PARAM_ERROR", "total_fee参数格式错误"), nil
	}
	amount, ok := parseFen(f.get("refund_fee"))
	if !ok {
		return wxRefuse("PARAM_ERROR", "refund_fee参数格式错误"), nil
	}
	switch {
	case !validWxNumber(f.get("out_refund_no"), maxWxRefundNo):
		return wxRefuse("PARAM_ERROR", "out_refund_no参数格式错误"), nil
	case !slices.Contains([]string{"", refundUnsettled, refundRecharge}, f.get("refund_account")):
		return wxRefuse("PARAM_ERROR", "refund_account参数格式错误"), nil
	case utf8.RuneCountInString(f.get("refund_desc")) > 80:
		return wxRefuse("PARAM_ERROR", "refund_desc长度超过80"), nil
	case f.get("notify_url") != "" && !validNotifyURL(f.get("notify_url")):
		return wxRefuse("PARAM_ERROR", "notify_url参数格式错误"), nil
	}
	t, refusal, err := s.wxFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if t == nil && f.get("transaction_id") != "" {
		return wxRefuse("INVALID_TRANSACTIONID", "无效的transaction_id"), nil
	}
	if t == nil {
		return wxRefuse("ORDERNOTEXIST", "订单不存在"), nil
	}
	if total != t.total {
		return wxRefuse("PARAM_ERROR", "订单金额与支付时不一致"), nil
	}
	ref, result, err := s.refundTrade(ctx, tx, t, f.get("out_refund_no"), amount, f.get("refund_account"), r.eff)
	if err == nil && result == refundAccepted && f.get("notify_url") != "" {
		err = s.noteRefund(ctx, tx, t, ref, refundNote{NotifyURL: f.get("notify_url"), Reason: f.get("refund_desc")})
	}
	if err != nil {
		return wxAnswer{}, err
	}
	return wxRefundAnswer(t, ref, result), nil
}

// wxRefundAnswer puts what became of a refund call into WeChat's words. A
// repetition is answered like the first call: v2 does not tell them apart.
// Refusals without a documented code of their own are ERROR (upstreams.md §2.6).
func wxRefundAnswer(t *trade, ref *refund, result refundResult) wxAnswer {
	switch result {
	case refundAccepted, refundRepeated:
		var f wxFields
		f = f.with("transaction_id", t.tradeNo)
		f = f.with("out_trade_no", t.outTradeNo)
		f = f.with("out_refund_no", ref.outRefundNo)
		f = f.with("refund_id", ref.refundID)
		f = f.with("refund_fee", ref.amount.fenText())
		f = f.with("settlement_refund_fee", (ref.amount - t.backOf(ref, t.uncashed())).fenText())
		f = f.with("total_fee", t.total.fenText())
		f = f.with("settlement_total_fee", (t.total - t.uncashed()).fenText())
		f = f.with("fee_type", "CNY")
		f = f.with("cash_fee", (t.total - t.couponTotal()).fenText())
		f = append(f, wxRefundCoupons(t, ref, "")...)
		return wxAnswer{fields: f}
	case refundDiffers:
		return wxRefuse("PARAM_ERROR", "退款单号已用于另一笔退款")
	case refundTooMuch:
		return wxRefuse("ERROR", "累计退款金额大于支付金额")
	case refundNotPaid:
		return wxRefuse("ERROR", "订单未支付，不能退款")
	case refundEnded:
		return wxRefuse("ERROR", "订单已全额退款或已撤销")
	case refundTooLate:
		return wxRefuse("TRADE_OVERDUE", "订单已超过可退款的最大期限")
	case refundTooMany:
		return wxRefuse("ERROR", "退款次数超过50次")
	case refundShort:
		return wxRefuse("NOTENOUGH", "商户余额不足，请充值后重新发起")
	case refundTooSoon:
		return wxRefuse("INVALID_REQ_TOO_MUCH", "同一订单两次退款间隔不足1分钟")
	}
	panic("sandbox: unknown result of a refund " + strconv.Itoa(int(result)))
}

// wxRefundState is a refund's state in WeChat's words. CHANGE means that the
// customer's bank refused the money; it is neither done nor undone.
func wxRefundState(state refundState) string {
	switch state {
	case refundProcessing:
		return "PROCESSING"
	case refundSuccess:
		return "SUCCESS"
	case refundClosed:
		return "REFUNDCLOSE"
	case refundAbnormal:
		return "CHANGE"
	}
	panic("sandbox: unknown refund state " + string(state))
}

// wxRefundQuery lists refunds, found by the most specific number given:
// refund_id, out_refund_no, transaction_id, out_trade_no (upstreams.md §2.2).
func (s *Sandbox) wxRefundQuery(ctx context.Context, tx *txn, r *wxRequest) (wxAnswer, error) {
	offset, ok := parseOffset(r.fields.get("offset"))
	if !ok {
		return wxRefuse("PARAM_ERROR", "offset参数格式错误"), nil
	}
	t, list, refusal, err := s.wxRefundsNamed(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if len(list) == 0 {
		return wxRefuse("REFUNDNOTEXIST", "退款单不存在"), nil
	}
	page := list[min(offset, len(list)):min(offset+maxWxPage, len(list))]
	if len(page) == 0 {
		return wxRefuse("REFUNDNOTEXIST", "offset之后没有退款单"), nil
	}
	var f wxFields
	f = f.with("total_refund_count", strconv.Itoa(len(list)))
	f = f.with("transaction_id", t.tradeNo)
	f = f.with("out_trade_no", t.outTradeNo)
	f = f.with("total_fee", t.total.fenText())
	f = f.with("settlement_total_fee", (t.total - t.uncashed()).fenText())
	f = f.with("fee_type", "CNY")
	f = f.with("cash_fee", (t.total - t.couponTotal()).fenText())
	f = f.with("refund_count", strconv.Itoa(len(page)))
	// Elements are numbered per page, from 0, and only refunds that arrived
	// have a time.
	for i, ref := range page {
		n := "_" + strconv.Itoa(i)
		state := wxRefundState(ref.state)
		if r.eff.state != "" {
			state = r.eff.state
		}
		f = f.with("out_refund_no"+n, ref.outRefundNo)
		f = f.with("refund_id"+n, ref.refundID)
		f = f.with("refund_channel"+n, "ORIGINAL")
		f = f.with("refund_fee"+n, ref.amount.fenText())
		f = f.with("settlement_refund_fee"+n, (ref.amount - t.backOf(ref, t.uncashed())).fenText())
		f = append(f, wxRefundCoupons(t, ref, n)...)
		f = f.with("refund_status"+n, state)
		account := ref.account
		if account == "" {
			account = refundUnsettled
		}
		f = f.with("refund_account"+n, account)
		f = f.with("refund_recv_accout"+n, "支付用户的零钱") // misspelt on the wire
		if ref.state == refundSuccess {
			f = f.with("refund_success_time"+n, at(ref.doneMS).Format(longDay))
		}
	}
	return wxAnswer{fields: f}, nil
}

// parseOffset reads refundquery's offset; absent is the first page.
func parseOffset(text string) (int, bool) {
	if text == "" {
		return 0, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n <= maxRefunds
}

// wxRefundsNamed finds the refunds a query means, and their trade: one refund
// by either of its numbers, or all of a trade's. Refunds of other merchants
// are not found.
func (s *Sandbox) wxRefundsNamed(ctx context.Context, tx *txn, r *wxRequest) (*trade, []*refund, wxAnswer, error) {
	f := r.fields
	refundID, outRefundNo := f.get("refund_id"), f.get("out_refund_no")
	if refundID == "" && outRefundNo == "" {
		t, refusal, err := s.wxFind(ctx, tx, r)
		if err != nil || refusal.code != "" || t == nil {
			return nil, nil, refusal, err
		}
		list, err := s.refundsOf(ctx, tx, t)
		return t, list, wxAnswer{}, err
	}
	where, number := "WHERE refund_id = ?", refundID
	if refundID == "" {
		where, number = "WHERE unique_key = ?", refundKey(&trade{channel: WeChat, merchant: r.merchant.SubMchID}, outRefundNo)
	}
	list, err := tx.refunds(ctx, where, number)
	if err != nil || len(list) == 0 {
		return nil, nil, wxAnswer{}, err
	}
	// refund_id is unique in the wallet, so ownership is checked on the trade.
	owner, err := tx.trades(ctx, "WHERE seq = ? AND channel = ? AND merchant = ?", list[0].trade, WeChat, r.merchant.SubMchID)
	if err != nil || len(owner) == 0 {
		return nil, nil, wxAnswer{}, err
	}
	all, err := s.refundsOf(ctx, tx, owner[0])
	all = slices.DeleteFunc(all, func(other *refund) bool { return other.seq != list[0].seq })
	return owner[0], all, wxAnswer{}, err
}
