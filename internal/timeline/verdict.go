package timeline

import (
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// verdict says what is known, how, and what happens next.
func (b *builder) verdict(step pay.Step, w openWork) {
	v := &b.e.Verdict
	v.Known, v.How = b.known(), b.how()
	next := func(text string) { v.Next = append(v.Next, text) }
	o := b.e.Order
	switch {
	case w.settle != nil && w.settle.State == jobs.Buried:
		next(b.f("结果驱动任务已停止（%s），请运行 cloudpay jobs release", "the order's job has stopped (%s): run cloudpay jobs release", w.settle.LastError))
	case w.settle != nil:
		text := b.f("%s：%s，已查单 %d 次", "%s: %s, asked %d times so far", b.act(step.Act), b.when(w.settle.RunAt), o.Asks)
		if o.ReverseTries > 0 {
			text += b.f("，已撤单 %d 次", ", reversed %d times", o.ReverseTries)
		}
		if w.settle.LastError != "" {
			text += b.f("；上次出错：%s", "; the last failed: %s", w.settle.LastError)
		}
		next(text)
	case !o.State.Final():
		next(b.f("没有驱动该订单的任务，这不应发生：请运行 cloudpay order query", "no job drives the order, which should not be: run cloudpay order query"))
	}
	for _, j := range w.refunds {
		next(b.f("退款 %s：%s，%s，已做 %d 次", "refund %s: %s, %s, %d times so far", j.Ref, b.refundAct(j.Kind), b.when(j.RunAt), b.tries(j.Ref)))
	}
	for _, j := range w.callbacks {
		_, event := cut(j.Ref)
		if j.State == jobs.Buried {
			next(b.f("回调 %s 已停止，商户仍不知道（%s）：商户地址恢复后自动补送，或运行 cloudpay order resend", "callback %s has stopped and the merchant does not know (%s): it goes out when the address is back, or by cloudpay order resend", event, j.LastError))
			continue
		}
		next(b.f("回调 %s：%s，已送 %d 次", "callback %s: %s, %d attempts so far", event, b.when(j.RunAt), j.Attempt))
	}
	for _, r := range b.e.Refunds {
		if r.State == pay.RefundNeedsHand {
			next(b.f("退款 %s 被银行退回，需要人处理", "refund %s came back from the bank and needs a person", r.OutRefundNo))
		}
	}
	if o.Late == pay.LateHeld {
		next(b.f("迟到的钱挂在暂收账上，等待退回或由人认领", "the late money stands in suspense until it is returned or adopted by a person"))
	}
	if len(v.Next) == 0 {
		next(b.f("没有待办", "nothing is left to do"))
	}
}

// tries is how often a refund was sent or asked for. Its job counts only what
// failed one after the other.
func (b *builder) tries(no string) (n int64) {
	for _, r := range b.e.Refunds {
		if r.OutRefundNo == no {
			n = r.Tries
		}
	}
	return n
}

// known is what is known about the money.
func (b *builder) known() string {
	o := b.e.Order
	switch o.State {
	case pay.PAYING:
		if o.Seen == pay.Waiting {
			return b.f("等待顾客付款（例如正在输入密码）；没有收到钱，也没有失败", "waiting for the customer, who may be typing a password; no money yet, and no failure")
		}
		return b.f("结果未知：不知道顾客是否已付款，不能当作失败，也不要重复收款", "unknown: the customer may have paid; it is no failure, and must not be charged again")
	case pay.PAID:
		switch {
		case o.Refunded == o.Total:
			return b.f("已支付 %s 元，已全额退款", "paid %s yuan, refunded in full", o.Total)
		case o.Reserved > 0:
			return b.f("已支付 %s 元，已受理退款 %s 元，其中到账 %s 元", "paid %s yuan; refunds of %s yuan accepted, %s yuan of them paid out", o.Total, o.Reserved, o.Refunded)
		}
		return b.f("已支付 %s 元", "paid %s yuan", o.Total)
	case pay.DECLINED:
		return b.f("未支付：钱包明确拒绝（%s %s）", "not paid: the wallet definitely refused (%s %s)", o.Code, o.Text) + b.late()
	case pay.REVERSING:
		if o.PaidSeen {
			return b.f("撤单进行中：顾客已付款，钱正在退回", "being reversed: the customer had paid, the money is on its way back")
		}
		return b.f("撤单进行中：最终会是已撤销，或发现已支付", "being reversed: it ends as reversed, or is found paid")
	case pay.REVERSED:
		return b.f("已撤销：没有收钱，或已全部退回", "reversed: no money was taken, or all of it went back") + b.late()
	case pay.CLOSING:
		return b.f("关单进行中", "being closed")
	case pay.CLOSED:
		return b.f("已关闭，未支付", "closed, not paid") + b.late()
	}
	return string(o.State)
}

// late is what became of money that came too late.
func (b *builder) late() string {
	switch b.e.Order.Late {
	case pay.LateNone:
		return ""
	case pay.LateHeld:
		return b.f("；之后又到了钱，挂在暂收账上", "; money came afterwards and stands in suspense")
	case pay.LateReturned:
		return b.f("；之后又到了钱，已退回顾客", "; money came afterwards and was returned")
	case pay.LateAdopted:
		return b.f("；之后又到了钱，已由人认领", "; money came afterwards and was adopted by a person")
	}
	return ""
}

// how is what the state rests on (design.md §11).
func (b *builder) how() string {
	switch b.e.Order.Truth {
	case pay.TruthLocal:
		return b.f("本地：只有我们自己的记录，渠道尚未证实", "local: only our own record; the wallet has not confirmed it")
	case pay.TruthAnswer:
		return b.f("渠道已证实：请求的应答", "confirmed by the wallet: its answer to the call")
	case pay.TruthNotice:
		return b.f("渠道已证实：钱包的通知", "confirmed by the wallet: its notice")
	case pay.TruthQuery:
		return b.f("渠道已证实：查询的应答", "confirmed by the wallet: its answer to a query")
	case pay.TruthBill:
		return b.f("账单已证实", "confirmed by the bill")
	}
	return b.f("不明", "not known")
}

// when is a time and how far away it is.
func (b *builder) when(at time.Time) string {
	d := at.Sub(b.now).Round(time.Second)
	if d <= 0 {
		return b.f("现在（%s 已到期）", "now (due since %s)", b.time(at))
	}
	return b.f("%s（%s 后）", "at %s (in %s)", b.time(at), d.String())
}
