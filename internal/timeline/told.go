package timeline

import (
	"context"
	"strconv"
	"time"

	"cloudpay/internal/store"
)

const (
	// maxAttempts is how many attempts to tell the merchant are shown: the ladder
	// makes some dozen for an event, and a person may send one again.
	maxAttempts = 200
	// attemptsKept is how long the log of callbacks is kept
	// (gateway.CallbackRetention).
	attemptsKept = 30 * 24 * time.Hour
)

// told adds every attempt to tell the merchant of the order. Where it went and
// what came back is for those who may see the log of callbacks.
func (t *Timelines) told(ctx context.Context, b *builder, inFull bool) error {
	o := b.e.Order
	list, err := t.Store.Callbacks(ctx, store.CallbackFilter{MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, Limit: maxAttempts + 1})
	if err != nil {
		return err
	}
	if len(list) > maxAttempts {
		list = list[:maxAttempts]
		b.note(b.f("回调超过 %d 次，只列出最新的", "there are more than %d attempts to call back; the newest are shown", maxAttempts))
	}
	if b.now.Sub(o.CreatedAt) > attemptsKept {
		b.note(b.f("每次回调的记录只保存 30 天，更早的不在此处", "attempts to call back are kept for 30 days; earlier ones are not here"))
	}
	for _, a := range list {
		b.attempt(a, inFull)
	}
	return nil
}

func (b *builder) attempt(a store.CallbackAttempt, inFull bool) {
	came := b.f("没有应答", "no answer")
	switch {
	case a.Acknowledged:
		came = b.f("商户已确认（HTTP %d）", "the merchant acknowledged it (HTTP %d)", a.HTTPStatus)
	case a.HTTPStatus != 0:
		came = b.f("商户没有确认（HTTP %d）", "the merchant did not acknowledge it (HTTP %d)", a.HTTPStatus)
	}
	text := b.f("回调 %s 第 %d 次送出：%s，%s", "callback %s, attempt %d: %s, %s", a.Event, a.Attempt, came, b.took(a.Took))
	if !inFull {
		b.add(a.At, Callback, rankLater, text)
		return
	}
	b.add(a.At, Callback, rankLater, text,
		b.pairs("地址", "to", a.Target, "出错", "failed", a.Error, "认证密钥", "key", strconv.FormatInt(a.AuthenKey, 10)),
		b.pairs("内容", "content", a.Request), b.pairs("应答", "answer", a.Reply))
}
