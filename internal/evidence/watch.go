package evidence

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Watch returns the channel with every call about an order kept. It changes
// nothing about the calls. What the channel can do besides, listing refunds and
// sending on abnormal ones, the watched one can too.
func (r *Recorder) Watch(c channel.Channel, merchantID string, ch pay.Channel) channel.Channel {
	if r == nil {
		return c
	}
	w := &watched{Channel: c, r: r, merchant: merchantID, channel: ch}
	lists, canList := c.(channel.RefundLister)
	sends, canSend := c.(channel.AbnormalRefunder)
	l, s := &lister{w, lists}, &sender{w, sends}
	switch {
	case canList && canSend:
		return struct {
			*watched
			*lister
			*sender
		}{w, l, s}
	case canList:
		return struct {
			*watched
			*lister
		}{w, l}
	case canSend:
		return struct {
			*watched
			*sender
		}{w, s}
	}
	return w
}

// watched keeps the calls of the contract.
type watched struct {
	channel.Channel
	r        *Recorder
	merchant string
	channel  pay.Channel
}

// seeing is one call under way.
type seeing struct {
	record Record
	r      *Recorder
	last   time.Time // when the request under way began
	began  time.Time
}

// begin returns a context that tells what the call sends, and what end needs.
func (w *watched) begin(ctx context.Context, call, outTradeNo, outRefundNo string) (context.Context, *seeing) {
	now := w.r.Now()
	s := &seeing{r: w.r, began: now, last: now, record: Record{
		Kind: Call, MerchantID: w.merchant, OutTradeNo: outTradeNo, OutRefundNo: outRefundNo,
		At: now.UTC().Truncate(time.Millisecond), Channel: w.channel, Name: call,
	}}
	return channel.WithWitness(ctx, s.saw), s
}

// saw takes one request and its answer. A call makes its requests one after the
// other.
func (s *seeing) saw(v channel.Sighting) {
	now := s.r.Now()
	e := Exchange{
		Method: v.Method, URL: v.URL, Header: headers(v.Header), Request: Raw(v.Request), Status: int64(v.Status),
		AnswerHeader: headers(v.AnswerHeader), Answer: Raw(v.Answer), Took: now.Sub(s.last),
	}
	if v.Lost != "" {
		e.Lost = v.Lost.Name()
	}
	s.last = now
	if len(s.record.Exchanges) == maxExchanges { // the last ones are what the outcome rests on
		s.record.Exchanges = s.record.Exchanges[1:]
	}
	s.record.Exchanges = append(s.record.Exchanges, e)
}

// end keeps the call with its outcome.
func (s *seeing) end(out pay.Outcome) {
	v := s.record
	v.Took = s.r.Now().Sub(s.began)
	v.Verdict, v.Verified, v.Code, v.Reason, v.Text = string(out.Kind), out.Verified, out.Code, string(out.Reason), out.Text
	s.r.Add(v)
}

// Pay implements channel.Channel.
func (w *watched) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	ctx, s := w.begin(ctx, "pay", r.OutTradeNo, "")
	out := w.Channel.Pay(ctx, r)
	s.end(out)
	return out
}

// Prepay implements channel.Channel.
func (w *watched) Prepay(ctx context.Context, r channel.PrepayRequest) channel.PrepayOutcome {
	ctx, s := w.begin(ctx, "prepay", r.OutTradeNo, "")
	out := w.Channel.Prepay(ctx, r)
	s.end(out.Outcome)
	return out
}

// Query implements channel.Channel.
func (w *watched) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	ctx, s := w.begin(ctx, "query", r.OutTradeNo, "")
	out := w.Channel.Query(ctx, r)
	s.end(out)
	return out
}

// Reverse implements channel.Channel.
func (w *watched) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	ctx, s := w.begin(ctx, "reverse", r.OutTradeNo, "")
	out := w.Channel.Reverse(ctx, r)
	s.end(out)
	return out
}

// Close implements channel.Channel.
func (w *watched) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	ctx, s := w.begin(ctx, "close", r.OutTradeNo, "")
	out := w.Channel.Close(ctx, r)
	s.end(out)
	return out
}

// Refund implements channel.Channel.
func (w *watched) Refund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	ctx, s := w.begin(ctx, "refund", r.OutTradeNo, r.OutRefundNo)
	out := w.Channel.Refund(ctx, r)
	s.end(out.Outcome)
	return out
}

// QueryRefund implements channel.Channel.
func (w *watched) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	ctx, s := w.begin(ctx, "query_refund", r.OutTradeNo, r.OutRefundNo)
	out := w.Channel.QueryRefund(ctx, r)
	s.end(out.Outcome)
	return out
}

type lister struct {
	w     *watched
	lists channel.RefundLister
}

// Refunds implements channel.RefundLister.
func (l *lister) Refunds(ctx context.Context, r channel.OrderRequest) channel.RefundList {
	ctx, s := l.w.begin(ctx, "list_refunds", r.OutTradeNo, "")
	out := l.lists.Refunds(ctx, r)
	s.end(out.Outcome)
	return out
}

type sender struct {
	w     *watched
	sends channel.AbnormalRefunder
}

// RefundAbnormal implements channel.AbnormalRefunder.
func (n *sender) RefundAbnormal(ctx context.Context, r channel.AbnormalRefund) channel.RefundOutcome {
	ctx, s := n.w.begin(ctx, "refund_abnormal", r.OutTradeNo, r.OutRefundNo)
	out := n.sends.RefundAbnormal(ctx, r)
	s.end(out.Outcome)
	return out
}

// kept are the headers that are part of what was signed, or by which a wallet
// finds a request again. The wallets' own begin with wechatpay- or alipay-.
var kept = []string{"Authorization", "Content-Type", "Date", "Request-Id", "Traceid"}

// headers keeps the headers that matter, in the order of their names.
func headers(h http.Header) Raw {
	if len(h) == 0 {
		return nil
	}
	names := make([]string, 0, len(h))
	for name := range h {
		canonical := http.CanonicalHeaderKey(name)
		if slices.Contains(kept, canonical) || strings.HasPrefix(canonical, "Wechatpay-") || strings.HasPrefix(canonical, "Alipay-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b []byte
	for _, name := range names {
		for _, v := range h[name] {
			b = append(b, http.CanonicalHeaderKey(name)+": "+v+"\n"...)
		}
	}
	return b
}

// Told keeps a wallet's notice and what became of it. number is "" when it did
// not verify: then what it says is only found in its bytes. err is why it was
// refused, nil when it was acknowledged.
func (r *Recorder) Told(merchantID string, ch pay.Channel, number, refund string, at time.Time, h http.Header, body []byte, err error) {
	if r == nil {
		return
	}
	now := r.Now()
	v := Record{
		Kind: Notice, MerchantID: merchantID, OutTradeNo: number, OutRefundNo: refund, At: at.UTC().Truncate(time.Millisecond),
		Took: now.Sub(at), Channel: ch, Name: "notice", Verdict: "verified", Verified: number != "",
		Exchanges: []Exchange{{Method: http.MethodPost, Header: headers(h), Request: Raw(body)}},
	}
	if err != nil {
		v.Verdict, v.Text = "refused", err.Error()
	}
	if number == "" {
		r.AddStranger(v)
		return
	}
	r.Add(v)
}
