package cpay

import (
	"context"
	"errors"
	"time"
)

// Defaults of WaitOptions: 25 queries, 6 seconds apart, as the original SDKs
// (protocol.md §4.5).
const (
	defaultQueries  = 25
	defaultInterval = 6 * time.Second
)

// arrival is how long a request that was given up may still be on its way to the
// server's disk: in a network, in a proxy, or behind a disk that stalls.
const arrival = 30 * time.Second

// Texts for the person at the till, from the terminal acceptance rules
// (protocol.md §6.1).
const (
	tellPaying   = "等待用户输入密码中"
	tellAsking   = "正在查询支付结果"
	tellPaid     = "收款成功"
	tellUnknown  = "通过订单查询确认支付结果或手机端商户管理系统确认支付结果"
	tellDeclined = "支付失败"
	tellCancel   = "用户取消支付"
	tellClosed   = "已关闭或已退款"
	tellReversed = "订单已撤销，未收款"
	tellUnpaid   = "订单已关闭，未收款"
	tellRefunded = "该订单已付款，后已退款"
	tellReentry  = "单号已被另一笔支付使用，请勿撤单，请先查询该单号"
)

// State is what is known about the money of one order.
type State int

// The zero State is unknown, so that forgetting to set one claims nothing.
const (
	// StateUnknown means that the customer may have paid. Tell the person at the
	// till to look it up; do not charge again before.
	StateUnknown State = iota
	// StateWaiting means not paid yet, and it may still happen.
	StateWaiting
	// StatePaid means paid.
	StatePaid
	// StateDeclined means that it is certain that the customer has not paid, or
	// that Alipay has closed the order without leaving money.
	StateDeclined
	// StateRefunded means paid, and refunded since, wholly or in part.
	StateRefunded
	// StateNotOurs means that the order number belongs to another payment (407).
	// Nothing was charged by this call, but that other payment may well be the
	// same sale, so query the number before charging again. Never reverse it.
	StateNotOurs
)

// String returns the name of the state in lower case.
func (s State) String() string {
	switch s {
	case StateUnknown:
	case StateWaiting:
		return "waiting"
	case StatePaid:
		return "paid"
	case StateDeclined:
		return "declined"
	case StateRefunded:
		return "refunded"
	case StateNotOurs:
		return "not ours"
	}
	return "unknown"
}

// Outcome reads what the wallet's state means for the money. States that say
// nothing certain are unknown.
func (m *OrderContent) Outcome() State {
	switch {
	case m.WxpayExt != nil:
		return m.WxpayExt.CurrentTradeState.outcome()
	case m.AlipayExt != nil:
		return m.AlipayExt.outcome()
	}
	return StateUnknown
}

// outcome sorts the states by what is certain about the money; a deposit's states
// are not about this payment.
func (s WxpayOrderState) outcome() State {
	switch s {
	case WxpayMicroPaid, WxpayPaid:
		return StatePaid
	case WxpayRefunded:
		return StateRefunded
	case WxpayCancelled, WxpayClosed, WxpayReversed, WxpayFailed, WxpayVoid:
		return StateDeclined
	case WxpayInitial, WxpayWaiting, WxpayUserPaying, WxpayAccepting:
		return StateWaiting
	case WxpayUnfrozen, WxpayDepositUsed:
	}
	return StateUnknown
}

// outcome is the same for Alipay. A finished trade was paid (money.md §1), although
// the SDKs in the field show it as initial.
func (m *AlipayOrderContentExt) outcome() State {
	switch m.CurrentTradeState {
	case AlipayPaid, AlipayFinished:
		return StatePaid
	case AlipayClosed: // one state for two stories; a refund leaves its traces
		if m.RefundFee > 0 || m.GmtRefund > 0 {
			return StateRefunded
		}
		return StateDeclined
	case AlipayVoid:
		return StateDeclined
	case AlipayInitial, AlipayWaiting:
		return StateWaiting
	}
	return StateUnknown
}

// tell is the sentence for the person at the till.
func (m *OrderContent) tell(s State) string {
	switch s {
	case StatePaid:
		if m.AlipayExt != nil {
			return "支付宝" + tellPaid
		}
		if m.WxpayExt != nil {
			return "微信支付" + tellPaid
		}
		return tellPaid
	case StateRefunded:
		return tellRefunded
	case StateWaiting:
		return tellPaying
	case StateDeclined:
		return m.tellDeclined()
	case StateNotOurs:
		return tellReentry
	case StateUnknown:
	}
	return tellUnknown
}

// tellDeclined prefers the reason that the wallet gave.
func (m *OrderContent) tellDeclined() string {
	if m.AlipayExt != nil {
		if m.AlipayExt.CurrentTradeState == AlipayClosed {
			if m.TimeEnd == 0 { // an order that was refunded had been paid before
				return tellUnpaid
			}
			return tellClosed
		}
		return tellDeclined
	}
	if m.WxpayExt == nil {
		return tellDeclined
	}
	switch ext := m.WxpayExt; {
	case ext.CurrentTradeState == WxpayCancelled:
		return tellCancel
	case ext.CurrentTradeState == WxpayReversed:
		return tellReversed
	case ext.TradeStateDesc != "":
		return ext.TradeStateDesc
	}
	return tellDeclined
}

// WaitOptions says how long MicroPayAndWait asks.
type WaitOptions struct {
	// Queries is how many times the order is queried, 25 when 0.
	Queries int
	// Interval is the time between two queries, 6 seconds when 0.
	Interval time.Duration
	// Repeat says that this request may have been sent before: by a till that lost
	// its power and finds the sale in its journal, or by an earlier call that ended
	// unknown. A refusal is then believed only if the server does not know the
	// order, because what it refuses is the repetition.
	Repeat bool
	// Progress, if set, is called after the submission and after each query that
	// leaves the outcome open. It must return quickly.
	Progress func(Progress)
}

// Progress is one step of waiting.
type Progress struct {
	Tell  string // for the person at the till
	Query int    // queries made so far
	Err   error  // why the last call told nothing, or nil
}

// Result is how a payment ended, as far as it is known.
type Result struct {
	State State
	// Tell is the sentence for the person at the till.
	Tell string
	// Order is the last order content seen, nil if there was none.
	Order *OrderContent
	// Err is the refusal, or why the outcome is unknown; nil when it is paid.
	Err error
}

// MicroPayAndWait charges a customer and waits for the outcome: it submits,
// queries until the order is final, and reports. When a call is lost it asks;
// when the server does not know the order it repeats the same request under the
// same number, which cannot charge twice. It never reverses and never takes
// another number. A refusal of the repetition is believed only once the first
// request cannot arrive any more. Whoever calls it again for the same sale sets
// Repeat.
//
// There is no error to return on purpose, because an error is not an outcome: the
// Result says whether the customer paid, did not pay, or nobody knows. Ending ctx
// stops the waiting and leaves the outcome unknown.
func (c *Client) MicroPayAndWait(ctx context.Context, req *MicroPayRequest, opts WaitOptions) Result {
	if opts.Queries <= 0 {
		opts.Queries = defaultQueries
	}
	if opts.Interval <= 0 {
		opts.Interval = defaultInterval
	}
	w := &waiting{client: c, req: req, opts: opts, lost: opts.Repeat}
	if w.submit(ctx) {
		return w.result
	}
	for w.asked < opts.Queries {
		w.progress()
		if !w.hurry {
			if !pause(ctx, opts.Interval) {
				break
			}
			w.waited += opts.Interval
		}
		if w.query(ctx) {
			return w.result
		}
	}
	if w.result.Err == nil {
		w.result.Err = ctx.Err()
	}
	w.result.State, w.result.Tell = StateUnknown, tellUnknown
	return w.result
}

// waiting is one payment on its way to an outcome.
type waiting struct {
	client *Client
	req    *MicroPayRequest
	opts   WaitOptions
	result Result
	asked  int
	waited time.Duration // between queries, in all
	// lost: a submission went unanswered, so it may have been carried out.
	lost bool
	// hurry: the answer was lost on the way, so ask at once.
	hurry bool
	// ours: a submission was answered, so the order of this number is ours.
	// Without it an order found by a query may be an older one, made by a till
	// whose counter was set back.
	ours bool
	// refused is what a repeated submission was answered with.
	refused *Error
}

// submit sends the request once and reports whether the outcome is known. A
// refusal is believed only if no earlier submission can have been carried out.
func (w *waiting) submit(ctx context.Context) bool {
	resp, err := w.client.microPay(ctx, w.req, 1)
	if err == nil {
		w.ours = true
		return w.learn(&resp.OrderContent)
	}
	w.result.Err = err
	if field, ok := errors.AsType[*FieldError](err); ok && !errors.Is(err, ErrMalformed) {
		return w.end(StateDeclined, field.Description()) // it was never sent
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok || !e.Definite():
		w.hurry = !ok && !w.lost
		w.ours = w.ours || (ok && e.Status == StatusUnknown)
		w.lost = true
		return false
	case e.Reentry() || e.Status == StatusNewNumber || !w.lost:
		return w.refuse(e)
	}
	// Only of this repetition is it certain that it was refused. The order may
	// exist from the first time; the next query tells.
	w.refused = e
	return false
}

// refuse ends with a refusal that is certain.
func (w *waiting) refuse(e *Error) bool {
	w.result.Err = e
	if e.Reentry() {
		return w.end(StateNotOurs, tellReentry)
	}
	if e.Description == "" {
		return w.end(StateDeclined, tellDeclined)
	}
	return w.end(StateDeclined, e.Description)
}

// query asks for the order once and reports whether the outcome is known.
func (w *waiting) query(ctx context.Context) bool {
	w.asked++
	w.hurry = false
	resp, err := w.client.queryOrder(ctx, &QueryOrderRequest{
		PayMchKey:   w.req.PayMchKey,
		OrderClient: w.req.OrderClient,
		OutTradeNo:  w.req.PayContent.OutTradeNo,
		TradeType:   TradeMicroPay,
	}, 1)
	if err == nil {
		return w.found(ctx, &resp.OrderContent)
	}
	w.result.Err = err
	if e, ok := errors.AsType[*Error](err); !ok || !e.NotFound() {
		return false
	}
	switch {
	case w.ours: // it was there; a server that forgot it must not charge again
		return false
	case w.refused != nil && w.waited < arrival:
		return false // what was sent first may still arrive
	case w.refused != nil:
		return w.refuse(w.refused)
	}
	return w.submit(ctx) // what was sent may still be on its way, hence the same again
}

// found judges an order that a query returned. While no submission was answered
// it asks whose it is by repeating the submission: the server compares what is
// in it and answers with the state, or with 407.
func (w *waiting) found(ctx context.Context, o *OrderContent) bool {
	switch {
	case o.TotalFee != w.req.PayContent.TotalFee:
		w.result.Order, w.result.Err = o, mismatch(MethodQueryOrder)
		return w.end(StateNotOurs, tellReentry)
	case w.ours || o.AuthorCode == w.req.PayContent.AuthorCode:
		w.ours = true
		return w.learn(o)
	}
	w.result.Order = o
	return w.submit(ctx)
}

// learn takes over what an answer says about the order and reports whether that
// is final.
func (w *waiting) learn(o *OrderContent) bool {
	w.result.Order, w.result.Err = o, nil
	switch s := o.Outcome(); s {
	case StatePaid, StateDeclined, StateRefunded, StateNotOurs:
		return w.end(s, o.tell(s))
	case StateWaiting, StateUnknown:
	}
	return false
}

// end sets the outcome and returns true, for its caller to return.
func (w *waiting) end(s State, tell string) bool {
	w.result.State, w.result.Tell = s, tell
	return true
}

// progress tells the caller what is awaited.
func (w *waiting) progress() {
	if w.opts.Progress == nil {
		return
	}
	p := Progress{Tell: tellAsking, Query: w.asked, Err: w.result.Err}
	if p.Err == nil && w.result.Order != nil {
		p.Tell = w.result.Order.tell(StateWaiting)
	}
	w.opts.Progress(p)
}
