package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/sandbox"
)

// sale is one customer who wants to pay one amount, and the till that wants it.
type sale struct {
	w        *world
	id       int
	wallet   sandbox.Channel
	total    int64
	till     int
	qr       bool          // the customer scans, instead of the till
	think    time.Duration // before the customer does what he is asked
	does     string        // approve, cancel, or "" for nothing
	powerCut time.Duration // the till loses power this long after it began, 0 for never
	undo     time.Duration // the cashier asks for a reverse or a close, 0 for never
	expires  time.Duration // how long a code may be scanned
	refunds  []refund
	again    bool // after a refusal the customer tries once more
	numbers  int
	dup      bool // another sale is tried under the same number
	own      bool // it is told of at an address of its own
}

// refund is one wish to give money back once the sale is paid.
type refund struct {
	after  time.Duration
	amount int64
	twice  bool
}

// throwSale throws a sale.
func (w *world) throwSale(r *rand.Rand, id int) *sale {
	s := &sale{
		w: w, id: id, wallet: sandbox.WeChat, till: r.IntN(tills), qr: r.IntN(3) == 0,
		think: between(r, time.Second, 80*time.Second), again: r.IntN(2) == 0, dup: r.IntN(8) == 0,
		expires: between(r, 65*time.Second, 6*time.Minute),
	}
	if r.IntN(4) == 0 {
		s.wallet = sandbox.Alipay
	}
	s.own = w.dice("own", s.customer()).IntN(3) == 0
	s.total = 1 + r.Int64N(300_00)
	if r.IntN(4) == 0 {
		s.total += 500_00 // asks for the password
	}
	s.does = []string{sandbox.ActionApprove, sandbox.ActionApprove, sandbox.ActionApprove, sandbox.ActionCancel, ""}[r.IntN(5)]
	if r.IntN(5) == 0 {
		s.powerCut = between(r, 100*time.Millisecond, 40*time.Second)
	}
	if r.IntN(6) == 0 {
		s.undo = between(r, 2*time.Second, 100*time.Second)
	}
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(3) {
			amount := s.total
			if r.IntN(3) > 0 {
				amount = 1 + r.Int64N(s.total)
			}
			s.refunds = append(s.refunds, refund{between(r, time.Second, 2*time.Minute), amount, r.IntN(3) == 0})
		}
	}
	return s
}

// next is the next number of this sale.
func (s *sale) next() string {
	s.numbers++
	return number(s.id, s.numbers)
}

// customer is who pays.
func (s *sale) customer() string { return fmt.Sprintf("c%d", s.id) }

// notifyURL is where the order is to be told of, "" for the provider's address.
func (s *sale) notifyURL() string {
	if s.own {
		return ownURL
	}
	return ""
}

// client is the till's.
func (s *sale) client() (*cpay.Client, error) {
	return cpay.NewClient(cpay.Config{
		Domains: []string{publicHost}, Account: cpay.Account{
			OutMchID: providerID, OutSubMchID: merchantID, OutShopID: shopID, DeviceID: tillID(s.till),
		},
		Keys: cpay.Keys{AuthenKey: s.w.key()}, Transport: &link{w: s.w, name: "till", to: s.w.gateway},
	})
}

// run sells.
func (s *sale) run(ctx context.Context) {
	c, err := s.client()
	if err != nil {
		s.w.violated("no till: %v", err)
		return
	}
	if s.qr {
		s.sellByCode(ctx, c)
		return
	}
	for {
		no := s.next()
		state := s.charge(ctx, c, no)
		if state == cpay.StatePaid {
			s.giveBack(ctx, c, no)
		}
		if state != cpay.StateDeclined || !s.again || s.numbers > 1 || s.w.calmed() {
			return
		}
	}
}

// platform is the wire's name of the wallet.
func (s *sale) platform() cpay.PayPlatform {
	if s.wallet == sandbox.Alipay {
		return cpay.PlatformAlipay
	}
	return cpay.PlatformWxpay
}

// charge scans a payment code and waits as the SDK does. A till that loses its
// power finds the sale in its journal and repeats the same request (P10); one
// that is left with an unknown outcome does so too, later.
func (s *sale) charge(ctx context.Context, c *cpay.Client, no string) cpay.State {
	w := s.w
	code, err := w.box.NewPayCode(ctx, string(s.wallet), s.customer())
	if err != nil {
		w.violated("no payment code: %v", err)
		return cpay.StateUnknown
	}
	w.actor(func() { s.answers(ctx) })
	if s.undo > 0 {
		w.actor(func() { s.reverse(ctx, c, no) })
	}
	req := &cpay.MicroPayRequest{PayContent: cpay.PayContent{
		OutTradeNo: no, AuthorCode: cpay.PayCode(code.AuthCode), TotalFee: s.total, Body: "bread",
		CallerNotifyURL: s.notifyURL(),
	}}
	if s.dup {
		w.actor(func() { s.chargeTwice(ctx, c, *req) })
	}
	repeat := false
	for {
		res, cut := s.wait(ctx, c, req, repeat)
		repeat = true
		if cut {
			w.fault("till: power cut")
			w.note("till", "%s loses power", no)
			w.sleep(between(w.dice("power", no), 5*time.Second, 2*time.Minute))
			continue
		}
		w.note("till", "%s is told %v", no, res.State)
		switch res.State {
		case cpay.StatePaid, cpay.StateRefunded:
			w.tellPaid(ctx, no, s.total, "the till")
			return cpay.StatePaid
		case cpay.StateDeclined:
			w.tellUnpaid(ctx, no, s.total, "the till")
			return res.State
		case cpay.StateNotOurs:
			return res.State
		case cpay.StateUnknown, cpay.StateWaiting:
		}
		if w.Now().After(w.lastCalm().Add(2 * truthWithin)) {
			w.violated("P7: the till is still told nothing of %s: %v", no, res.Err)
			return res.State
		}
		w.sleep(between(w.dice("again", no), time.Minute, 5*time.Minute))
	}
}

// wait is MicroPayAndWait, and what a power cut leaves of it.
func (s *sale) wait(ctx context.Context, c *cpay.Client, req *cpay.MicroPayRequest, repeat bool) (res cpay.Result, cut bool) {
	if s.powerCut == 0 {
		return c.MicroPayAndWait(ctx, req, cpay.WaitOptions{Repeat: repeat}), false
	}
	powered, cancel := context.WithTimeout(ctx, s.powerCut)
	defer cancel()
	s.powerCut = 0
	res = c.MicroPayAndWait(powered, req, cpay.WaitOptions{Repeat: repeat})
	return res, powered.Err() != nil
}

// chargeTwice is a till whose counter was set back: it takes the number of
// another sale for one of its own.
func (s *sale) chargeTwice(ctx context.Context, c *cpay.Client, req cpay.MicroPayRequest) {
	w := s.w
	no := req.PayContent.OutTradeNo
	w.sleep(between(w.dice("dup", no), 0, time.Minute))
	code, err := w.box.NewPayCode(ctx, string(s.wallet), s.customer()+"-other")
	if err != nil {
		w.violated("no payment code: %v", err)
		return
	}
	req.PayContent.AuthorCode, req.PayContent.TotalFee = cpay.PayCode(code.AuthCode), s.total+1
	w.told.mu.Lock()
	w.told.others[claim{no, s.total + 1}] = true
	w.told.mu.Unlock()
	res := c.MicroPayAndWait(ctx, &req, cpay.WaitOptions{Queries: 3})
	w.fault("duplicate number")
	w.note("till", "%s with another amount is told %v", no, res.State)
	switch res.State {
	case cpay.StatePaid, cpay.StateRefunded:
		w.tellPaid(ctx, no, s.total+1, "the other till") // its sale was first
	case cpay.StateDeclined:
		w.tellUnpaid(ctx, no, s.total+1, "the other till")
	case cpay.StateNotOurs, cpay.StateUnknown, cpay.StateWaiting:
	}
}

// answers is the customer at the password dialogue.
func (s *sale) answers(ctx context.Context) {
	if s.does == "" {
		return
	}
	w := s.w
	for range 4 {
		w.sleep(s.think + between(w.dice("think", s.customer()), 0, time.Second))
		err := w.box.Answer(ctx, s.customer(), s.does)
		switch {
		case err == nil:
			w.note("customer", "%s does %s", s.customer(), s.does)
			return
		case !errors.Is(err, sandbox.ErrNotFound):
			w.violated("the phone of %s breaks: %v", s.customer(), err)
		}
	}
}

// reverse is the cashier who asks to undo the sale.
func (s *sale) reverse(ctx context.Context, c *cpay.Client, no string) {
	w := s.w
	w.sleep(s.undo)
	_, err := c.Reverse(ctx, &cpay.ReverseRequest{OutTradeNo: no, TradeType: cpay.TradeMicroPay, PayMchKey: cpay.PayMchKey{PayPlatform: s.platform()}})
	w.note("till", "asks to reverse %s: %s", no, verdict(err))
	if err == nil && !s.dup {
		w.tellUnpaid(ctx, no, s.total, "the answer to a reverse")
	}
}

// verdict names an answer without what is random in it.
func verdict(err error) string {
	e, ok := errors.AsType[*cpay.Error](err)
	switch {
	case err == nil:
		return "done"
	case ok:
		return fmt.Sprintf("status %d/%d", e.Status, e.Internal)
	}
	return "no answer"
}

// giveBack refunds parts of a paid sale, and each as often as it takes to know.
func (s *sale) giveBack(ctx context.Context, c *cpay.Client, no string) {
	for i, r := range s.refunds {
		s.w.sleep(r.after)
		s.giveBackOnce(ctx, c, no, number(s.id, 100+i), r)
	}
}

func (s *sale) giveBackOnce(ctx context.Context, c *cpay.Client, no, refundNo string, r refund) {
	w := s.w
	req := &cpay.RefundRequest{
		PayMchKey:     cpay.PayMchKey{PayPlatform: s.platform()},
		RefundContent: cpay.RefundContent{OutTradeNo: no, OutRefundNo: refundNo, TotalFee: s.total, RefundFee: r.amount},
	}
	if r.twice {
		w.actor(func() {
			w.sleep(between(w.dice("twice", refundNo), 0, time.Second))
			_, err := c.Refund(ctx, req)
			w.note("till", "refunds %s a second time: %s", refundNo, verdict(err))
		})
	}
	for range 20 {
		_, err := c.Refund(ctx, req)
		w.note("till", "refunds %s of %s: %s", refundNo, no, verdict(err))
		if err == nil {
			w.told.mu.Lock()
			w.told.accepted[refundNo] = r.amount
			w.told.mu.Unlock()
		}
		if !cpay.Unknown(err) {
			return
		}
		w.sleep(between(w.dice("refund", refundNo), 10*time.Second, 2*time.Minute))
	}
}
