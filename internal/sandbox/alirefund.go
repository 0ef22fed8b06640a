package sandbox

import (
	"context"
	"slices"
	"strconv"
)

// aliRefund returns money, alipay.trade.refund. The money moves at once, which
// is what fund_change=Y says; a repetition of the same out_request_no and
// amount moves nothing and says fund_change=N. Without out_request_no it can only be the whole
// amount, and the order number stands in (upstreams.md §4.4).
func (s *Sandbox) aliRefund(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	amount, ok := parseYuan(string(r.biz.RefundAmount))
	if !ok {
		return failed("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效"), nil
	}
	t, refusal, err := s.aliFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if t == nil {
		return failed("ACQ.TRADE_NOT_EXIST", "交易不存在"), nil
	}
	no := string(r.biz.OutRequestNo)
	if no == "" {
		if no = t.outTradeNo; amount != t.total {
			return aliInvalid("部分退款时out_request_no必填"), nil
		}
	}
	if len(no) > maxAliNumber {
		return aliInvalid("out_request_no参数无效"), nil
	}
	ref, result, err := s.refundTrade(ctx, tx, t, no, amount, "", r.eff)
	if err != nil {
		return aliAnswer{}, err
	}
	return aliRefundAnswer(r, t, ref, result), nil
}

// aliRefundAnswer puts what became of a refund call into Alipay's words
// (upstreams.md §4.6).
func aliRefundAnswer(r *aliRequest, t *trade, ref *refund, result refundResult) aliAnswer {
	switch result {
	case refundAccepted, refundRepeated:
		moved := "N"
		if result == refundAccepted && ref.state == refundSuccess {
			moved = "Y"
		}
		out := aliAnswer{fields: aliBuyer(r.app.account.AppID, t)}
		out.fields = out.fields.with("fund_change", moved)
		// cumulative for the trade, and only what has moved
		out.fields = out.fields.with("refund_fee", t.returned.Yuan())
		back := Fen(0) // what this refund moved
		if moved == "Y" {
			back = ref.amount - t.backOf(ref, t.uncashed())
		}
		out.fields = out.fields.with("send_back_fee", back.Yuan())
		if ref.state == refundSuccess {
			out.fields = out.fields.with("gmt_refund_pay", at(ref.doneMS).Format(longDay))
			out.fields = out.fields.withRaw("refund_detail_item_list", aliRefundItems(t, ref))
		}
		return out
	case refundDiffers:
		return failed("ACQ.DISCORDANT_REPEAT_REQUEST", "同一退款请求号的退款金额不一致")
	case refundTooMuch:
		return failed("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
	case refundNotPaid:
		return failed("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
	case refundEnded:
		return failed("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
	case refundTooLate:
		return failed("ACQ.TRADE_HAS_FINISHED", "交易已完结")
	case refundTooMany:
		return failed("ACQ.TRADE_NOT_ALLOW_REFUND", "当前交易不允许退款")
	case refundShort:
		return failed("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
	case refundTooSoon:
		return aliRefuse("40005", "isv.app-call-limited", "同一交易两次退款间隔不足3秒")
	}
	panic("sandbox: unknown result of a refund " + strconv.Itoa(int(result)))
}

// aliRefundQuery tells whether a refund is done. One that is not, or was never
// asked for, is answered 10000 without its members (upstreams.md §4.4).
func (s *Sandbox) aliRefundQuery(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	if r.biz.OutRequestNo == "" {
		return aliInvalid("缺少out_request_no"), nil
	}
	t, refusal, err := s.aliFind(ctx, tx, r)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	if t == nil {
		return failed("ACQ.TRADE_NOT_EXIST", "交易不存在"), nil
	}
	list, err := s.refundsOf(ctx, tx, t)
	if err != nil {
		return aliAnswer{}, err
	}
	// The number is looked up among this trade's refunds: at Alipay it is
	// unique within the trade only.
	i := slices.IndexFunc(list, func(ref *refund) bool { return ref.outRefundNo == string(r.biz.OutRequestNo) })
	if i < 0 || list[i].state != refundSuccess && r.eff.state == "" {
		return aliAnswer{}, nil
	}
	state := "REFUND_SUCCESS"
	if r.eff.state != "" {
		state = r.eff.state
	}
	var out aliAnswer
	out.fields = out.fields.with("trade_no", t.tradeNo)
	out.fields = out.fields.with("out_trade_no", t.outTradeNo)
	out.fields = out.fields.with("out_request_no", list[i].outRefundNo)
	out.fields = out.fields.with("total_amount", t.total.Yuan())
	out.fields = out.fields.with("refund_amount", list[i].amount.Yuan())
	out.fields = out.fields.with("refund_status", state)
	if slices.Contains(r.biz.QueryOptions, "gmt_refund_pay") && list[i].doneMS > 0 {
		out.fields = out.fields.with("gmt_refund_pay", at(list[i].doneMS).Format(longDay))
	}
	out.fields = out.fields.with("send_back_fee", (list[i].amount - t.backOf(list[i], t.uncashed())).Yuan())
	if slices.Contains(r.biz.QueryOptions, "refund_detail_item_list") && list[i].doneMS > 0 {
		out.fields = out.fields.withRaw("refund_detail_item_list", aliRefundItems(t, list[i]))
	}
	return out, nil
}
