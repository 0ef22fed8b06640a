package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"cloudpay/cpay"
)

// sale is one order number, what was done with it, and what the till was told.
type sale struct {
	no       string
	merchant int
	platform cpay.PayPlatform
	total    int64
	scan     bool // a code to scan; else a payment code

	mu      sync.Mutex
	told    cpay.State // paid, declined, or unknown
	refunds []*chaosRefund
	story   []string
}

// chaosRefund is one refund that was asked for.
type chaosRefund struct {
	no       string
	amount   int64
	accepted bool // the till was told so
}

// tell notes what happened, for the end.
func (s *sale) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story = append(s.story, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// chaosTill sells for one merchant.
type chaosTill struct {
	w      *chaosWorld
	m      demoMerchant
	client *cpay.Client
}

// newTills makes a till for each merchant.
func (w *chaosWorld) newTills(t *testing.T) []*chaosTill {
	t.Helper()
	var tills []*chaosTill
	for _, m := range w.people {
		private, err := cpay.ParsePrivateKey([]byte(m.PrivateKeyPEM))
		if err != nil {
			t.Fatal(err)
		}
		c, err := cpay.NewClient(cpay.Config{
			Domains: []string{w.balancer}, Keys: cpay.Keys{AuthenKey: cpay.NewKey(m.AuthenKey), PrivateKey: private},
			Account: cpay.Account{OutMchID: m.OutMchID, OutSubMchID: m.OutSubMchID, OutShopID: m.OutShopID, DeviceID: m.DeviceID, StaffID: m.StaffID},
			Transport: &http.Transport{
				Proxy: nil, MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Second, // so that a gateway that is back is used again
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		tills = append(tills, &chaosTill{w: w, m: m, client: c})
	}
	return tills
}

// sell lets tills sell until the load and the trouble are over and enough was
// sold; then it lets them finish.
func (w *chaosWorld) sell(t *testing.T, p chaosPlan, over <-chan struct{}) {
	t.Helper()
	tills := w.newTills(t)
	long := p.load >= 5*time.Minute
	began := time.Now()
	tick := time.NewTicker(time.Second / time.Duration(p.perSec))
	defer tick.Stop()
	places := make(chan struct{}, p.tills)
	var open sync.WaitGroup
	for n := int64(1); ; n++ {
		select {
		case <-w.ctx.Done():
			t.Fatal(w.ctx.Err())
		case <-tick.C:
		}
		select {
		case <-over:
			if time.Since(began) >= p.load && n > p.orders {
				open.Wait()
				return
			}
		default:
		}
		rng := rand.New(rand.NewPCG(p.seed, uint64(n)))
		s := &sale{merchant: rng.IntN(len(tills)), total: 100 + rng.Int64N(30_000), platform: cpay.PlatformWxpay, scan: rng.IntN(5) == 0, told: cpay.StateUnknown}
		if rng.IntN(2) == 0 {
			s.platform = cpay.PlatformAlipay
		}
		till := tills[s.merchant]
		s.no = fmt.Sprintf("%s%016d", till.m.Prefixes[0], n)
		w.sales = append(w.sales, s)
		places <- struct{}{}
		open.Go(func() {
			defer func() { <-places }()
			till.serve(s, rng, long)
		})
	}
}

// serve sells once, as its generator wants it.
func (t *chaosTill) serve(s *sale, rng *rand.Rand, long bool) {
	ctx, cancel := context.WithTimeout(t.w.ctx, 2*time.Minute)
	defer cancel()
	customer := "c" + s.no
	var state cpay.State
	if s.scan {
		state = t.scan(ctx, s, customer, rng, long)
	} else {
		state = t.code(ctx, s, customer, rng)
	}
	s.tell("the till is told: %v", state)
	s.mu.Lock()
	s.told = state
	s.mu.Unlock()
	if state == cpay.StatePaid && rng.IntN(4) == 0 {
		t.refund(ctx, s, rng)
	}
}

// wallet names the wallet of a sale as the sandbox does.
func (s *sale) wallet() string {
	if s.platform == cpay.PlatformAlipay {
		return "alipay"
	}
	return "wxpay"
}

// content is what is to be paid. The merchant is told at his own address.
func (t *chaosTill) content(s *sale) cpay.PayContent {
	return cpay.PayContent{OutTradeNo: s.no, TotalFee: s.total, FeeType: "CNY", Body: "chaos", CallerNotifyURL: t.w.merchants.url(s.merchant)}
}

// code charges a payment code. Every seventh customer is asked for his password,
// and approves, cancels or walks away; every twelfth cashier changes his mind.
func (t *chaosTill) code(ctx context.Context, s *sale, customer string, rng *rand.Rand) cpay.State {
	if rng.IntN(7) == 0 {
		s.total += 60_000 // above the limit from which wallets ask for the password
		answers := []string{"approve", "approve", "approve", "cancel", ""}
		if answer := answers[rng.IntN(len(answers))]; answer != "" {
			go t.answer(ctx, s, customer, answer)
		}
	}
	var code struct {
		AuthCode string `json:"auth_code"`
	}
	if err := t.w.control(ctx, http.MethodPost, "/paycodes", map[string]string{"channel": s.wallet(), "customer": customer}, &code); err != nil {
		s.tell("no payment code: %v", err)
		return cpay.StateUnknown
	}
	content := t.content(s)
	content.AuthorCode = cpay.PayCode(code.AuthCode)
	if rng.IntN(12) == 0 {
		go t.reverse(ctx, s, time.Duration(rng.Int64N(int64(3*time.Second))))
	}
	res := t.client.MicroPayAndWait(ctx, &cpay.MicroPayRequest{PayContent: content}, cpay.WaitOptions{Queries: 15, Interval: 2 * time.Second})
	if res.Err != nil {
		s.tell("the till hears: %v", res.Err)
	}
	return res.State
}

// answer answers the customer's dialogue once it is there.
func (t *chaosTill) answer(ctx context.Context, s *sale, customer, action string) {
	for range 20 {
		err := t.w.control(ctx, http.MethodPost, "/customers/"+url.PathEscape(customer)+"/answer", map[string]string{"action": action}, nil)
		if err == nil {
			s.tell("the customer answers: %s", action)
			return
		}
		if t.w.rest(500*time.Millisecond) != nil {
			return
		}
	}
}

// reverse is a cashier who changes his mind.
func (t *chaosTill) reverse(ctx context.Context, s *sale, after time.Duration) {
	if t.w.rest(after) != nil {
		return
	}
	_, err := t.client.Reverse(ctx, &cpay.ReverseRequest{OutTradeNo: s.no})
	s.tell("the cashier reverses: %v", err)
}

// scan shows a code. Seven of eight customers pay; the others' orders are closed
// or run out. WeChat is told to close after five minutes, so a short run leaves
// that to Alipay.
func (t *chaosTill) scan(ctx context.Context, s *sale, customer string, rng *rand.Rand, long bool) cpay.State {
	pays := rng.IntN(8) > 0 || s.platform == cpay.PlatformWxpay && !long
	content := t.content(s)
	content.TimeExpire = time.Now().Add(75 * time.Second).Unix()
	req := &cpay.ScanCodePayRequest{PayMchKey: cpay.PayMchKey{PayPlatform: s.platform}, PayContent: content}
	var shown *cpay.ScanCodePayResponse
	err := errors.New("nothing was sent")
	for shown == nil && ctx.Err() == nil && time.Now().Unix() < content.TimeExpire {
		if shown, err = t.client.ScanCodePay(ctx, req); err != nil && !cpay.Unknown(err) {
			s.tell("no code to scan: %v", err)
			return cpay.StateUnknown
		}
	}
	if shown == nil {
		s.tell("no code to scan in time: %v", err)
		return cpay.StateUnknown
	}
	if !pays {
		if rng.IntN(2) == 0 {
			_, err := t.client.CloseOrder(ctx, &cpay.CloseOrderRequest{OutTradeNo: s.no})
			s.tell("the till closes: %v", err)
		}
		return cpay.StateUnknown
	}
	err = t.w.control(ctx, http.MethodPost, "/customers/"+url.PathEscape(customer)+"/open",
		map[string]string{"code_url": shown.CodeURL, "action": "approve"}, nil)
	s.tell("the customer scans and approves: %v", err)
	for range 10 {
		q, err := t.client.QueryOrder(ctx, &cpay.QueryOrderRequest{OutTradeNo: s.no})
		if err == nil && q.OrderContent.Outcome() != cpay.StateWaiting {
			return q.OrderContent.Outcome()
		}
		if t.w.rest(2*time.Second) != nil {
			break
		}
	}
	return cpay.StateUnknown
}

// refund gives back a part, or all, or twice more than there is.
func (t *chaosTill) refund(ctx context.Context, s *sale, rng *rand.Rand) {
	amounts := [][]int64{{s.total}, {s.total / 3}, {s.total / 3, s.total - s.total/3}, {s.total/2 + 1, s.total/2 + 1}}
	for i, amount := range amounts[rng.IntN(len(amounts))] {
		r := &chaosRefund{no: fmt.Sprintf("%s%02d", s.no, i+1), amount: amount}
		s.mu.Lock()
		s.refunds = append(s.refunds, r)
		s.mu.Unlock()
		err := errors.New("nothing was sent")
		for try := 0; try < 5 && (try == 0 || cpay.Unknown(err)); try++ {
			_, err = t.client.Refund(ctx, &cpay.RefundRequest{
				PayMchKey:     cpay.PayMchKey{PayPlatform: s.platform},
				RefundContent: cpay.RefundContent{OutTradeNo: s.no, OutRefundNo: r.no, TotalFee: s.total, RefundFee: amount},
			})
		}
		s.tell("refund %s of %d: %v", r.no, amount, err)
		s.mu.Lock()
		r.accepted = err == nil
		s.mu.Unlock()
	}
}
