package timeline

import (
	"context"
	"time"

	"cloudpay/internal/evidence"
	"cloudpay/internal/pay"
)

// said adds what evidence knows, and returns it.
func (t *Timelines) said(ctx context.Context, b *builder) (evidence.Found, error) {
	if t.Evidence == nil {
		return evidence.Found{}, nil
	}
	f, err := t.Evidence.Find(ctx, b.e.Order.MerchantID, b.numbers(), b.spans())
	if err != nil {
		return f, err
	}
	b.e.Unreadable, b.e.Stopped = f.Unreadable, f.Stopped
	for i, r := range f.Records {
		switch r.Kind {
		case evidence.Request:
			if !repeated(f.Records, i) {
				b.request(r, times(f.Records, i))
			}
		case evidence.Call:
			b.call(r)
		case evidence.Notice:
			b.notice(r)
		case evidence.Change:
			b.change(r)
		case evidence.Gap:
			b.add(r.At, Missing, rankLater, b.f("此处丢弃了该商户的 %d 条记录（内存已满），直到 %s；其中可能有本单的",
				"%d records of this merchant were dropped here (memory was full), until %s; some may be of this order", r.Count, b.time(r.Until)))
		}
	}
	if f.Unreadable > 0 {
		b.note(b.f("%d 页证据无法解开：被改动，或不是用本系统的密钥封存的", "%d pages of evidence do not open: changed, or sealed under another installation's key", f.Unreadable))
	}
	if f.Stopped {
		b.note(b.f("证据太多，只找了一部分：较晚的可能缺失", "there was too much evidence to look through: later records may be missing"))
	}
	return f, nil
}

// with adds an entry that has bytes.
func (b *builder) with(r evidence.Record, k Kind, rank int, text string, details ...string) {
	b.add(r.At, k, rank, text, details...)
	e := &b.e.Entries[len(b.e.Entries)-1]
	e.Exchanges = r.Exchanges
	if r.Kind == evidence.Call || r.Kind == evidence.Notice {
		e.Said = &r
	}
}

// sameQuestion reports whether two records are one till asking the same thing
// and being told the same.
func sameQuestion(a, b evidence.Record) bool {
	return a.Kind == evidence.Request && b.Kind == evidence.Request && a.Verified && b.Verified && a.Exchanges == nil && b.Exchanges == nil &&
		a.Name == b.Name && a.DeviceID == b.DeviceID && a.Verdict == b.Verdict && a.Text == b.Text && a.OutRefundNo == b.OutRefundNo
}

// repeated reports whether a record only repeats the one before.
func repeated(all []evidence.Record, i int) bool {
	return i > 0 && i < len(all) && sameQuestion(all[i-1], all[i])
}

// times are the records at i and its repetitions.
func times(all []evidence.Record, i int) []evidence.Record {
	n := i + 1
	for n < len(all) && sameQuestion(all[i], all[n]) {
		n++
	}
	return all[i:n]
}

func (b *builder) request(r evidence.Record, all []evidence.Record) {
	again := ""
	if n := len(all); n > 1 {
		again = b.f("共 %d 次，最后一次 %s", "%d times, the last at %s", n, b.time(all[n-1].At))
	}
	who := or(r.DeviceID, "?")
	if !r.Verified {
		b.with(r, Request, rankRequest, b.f("自称本商户的请求 %s：认证码或签名无效，已拒绝，什么也没有改变", "a request %s in this merchant's name: its code or signature is not valid; refused, nothing changed", r.Name),
			b.pairs("答复", "answered", r.Verdict, "log_id", "log_id", number(r.LogID)))
		return
	}
	b.with(r, Request, rankRequest, b.f("%s 请求 %s：%s，答复 status %s，%s", "%s asked %s: %s, answered status %s, %s", who, r.Name,
		b.f("认证有效", "authenticated"), r.Verdict, b.took(r.Took)),
		b.pairs("说明", "text", r.Text, "退款单号", "refund", r.OutRefundNo, "log_id", "log_id", number(r.LogID)), again)
}

func (b *builder) call(r evidence.Record) {
	text := b.f("%s%s：%s，%s", "%s asked to %s: %s, %s", b.channel(r.Channel), b.callName(r.Name), b.outcome(r), b.took(r.Took))
	sign := b.f("应答未验签（没有可信的应答）", "no verified answer")
	if r.Verified {
		sign = b.f("应答的签名有效", "the answer's signature is valid")
	}
	details := []string{sign, b.pairs("退款单号", "refund", r.OutRefundNo, "返回码", "code", r.Code, "说明", "text", r.Text)}
	for _, x := range r.Exchanges {
		details = append(details, b.exchange(x))
	}
	b.with(r, Call, rankCall, text, details...)
}

// outcome says how a call came out.
func (b *builder) outcome(r evidence.Record) string {
	lost := len(r.Exchanges) > 0 && r.Exchanges[len(r.Exchanges)-1].Lost != ""
	why := ""
	if lost {
		why = b.f("（应答丢失：%s）", " (the answer was lost: %s)", b.loss(r.Exchanges[len(r.Exchanges)-1].Lost))
	}
	switch pay.Kind(r.Verdict) {
	case pay.Paid:
		if r.Name == "pay" || r.Name == "query" {
			return b.f("已支付", "paid")
		}
		return b.f("已完成", "done")
	case pay.Waiting:
		if r.Name == "query" {
			return b.f("未支付，仍在等待", "unpaid, still waiting")
		}
		return b.f("已受理，等待中", "accepted, waiting")
	case pay.Declined:
		if r.Code == "CLOSED" || r.Code == "REVOKED" || r.Code == "TRADE_CLOSED" {
			return b.f("订单已关闭或撤销", "closed or undone")
		}
		return b.f("明确拒绝", "definitely refused")
	case pay.Unknown:
		return b.f("结果未知", "the result is unknown") + why
	}
	return r.Verdict
}

// exchange is one line about bytes: masked, without what they say.
func (b *builder) exchange(x evidence.Exchange) string {
	to := x.Method + " " + path(x.URL)
	if x.Lost != "" {
		return b.f("%s：发出 %d 字节，应答丢失（%s），%s", "%s: %d bytes sent, the answer was lost (%s), %s", to, len(x.Request), b.loss(x.Lost), b.took(x.Took))
	}
	return b.f("%s：发出 %d 字节，HTTP %d，收到 %d 字节，%s", "%s: %d bytes sent, HTTP %d, %d bytes received, %s", to, len(x.Request), x.Status, len(x.Answer), b.took(x.Took))
}

func (b *builder) notice(r evidence.Record) {
	what := b.f("支付", "the payment")
	if r.OutRefundNo != "" {
		what = b.f("退款 %s", "refund %s", r.OutRefundNo)
	}
	switch {
	case !r.Verified:
		b.with(r, Notice, rankCall, b.f("收到写有本单号的%s通知，验签不通过，已拒绝，内容不予采信", "a notice of %s names this order; it does not verify: refused, and nothing of it is believed", b.channel(r.Channel)),
			b.pairs("原因", "why", r.Text))
	case r.Verdict != "verified":
		b.with(r, Notice, rankCall, b.f("%s通知（%s）：签名有效，但没有采信", "notice of %s about %s: its signature is valid, but it was not taken", b.channel(r.Channel), what),
			b.pairs("原因", "why", r.Text))
	default:
		b.with(r, Notice, rankCall, b.f("%s通知（%s）：签名有效，落库后已应答，%s", "notice of %s about %s: its signature is valid; committed, then acknowledged, %s", b.channel(r.Channel), what, b.took(r.Took)))
	}
}

func (b *builder) change(r evidence.Record) {
	subject := b.f("订单", "order")
	if r.OutRefundNo != "" {
		subject = b.f("退款 %s", "refund %s", r.OutRefundNo)
	}
	if r.Name == evidence.Raised {
		b.add(r.At, State, rankState, b.f("%s 需要人处理：%s", "%s needs a person: %s", subject, r.Text))
		return
	}
	b.add(r.At, State, rankState, b.f("%s %s → %s", "%s %s → %s", subject, r.From, r.Verdict),
		b.pairs("依据", "rests on", b.truthName(pay.Truth(r.Truth)), "迟到资金", "late money", r.Reason, "返回码", "code", r.Code, "单元", "unit", r.Unit))
}

// missing says what the rows know of and evidence does not show.
func (b *builder) missing(f evidence.Found) {
	o := b.e.Order
	if o.SentAt.IsZero() {
		return
	}
	sent, asked := false, false
	for _, r := range f.Records {
		if r.Kind == evidence.Call {
			sent = sent || r.Name == "pay" || r.Name == "prepay"
			asked = asked || r.Name == "query" && !r.At.Before(o.AskedAt.Add(-time.Minute))
		}
	}
	why := b.f("可能的原因：进程在最后 200 毫秒内被强行终止、已过保存期、保存已关闭，或请求根本没有发出",
		"because the process was killed within its last 200 ms, the time of keeping is over, nothing is kept, or it never left")
	if !sent && b.now.Sub(o.SentAt) > time.Minute {
		b.add(o.SentAt, Missing, rankCall, b.f("支付请求的字节没有保存", "the bytes of the pay request are not kept"), why)
	}
	if !asked && !o.AskedAt.IsZero() && b.now.Sub(o.AskedAt) > time.Minute {
		b.add(o.AskedAt, Missing, rankCall, b.f("订单记得此刻查询过，但这次查询的字节没有保存", "the order remembers a query here, but its bytes are not kept"), why)
	}
}
