package channeltest

import (
	"context"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// attempt is one call on an order of its own.
type attempt struct {
	endpoint   string
	outTradeNo string
	do         func(ctx context.Context) pay.Outcome
}

// attempts are a call of every kind, each ready to succeed.
func (s *scene) attempts() []attempt {
	s.t.Helper()
	prepare, _ := s.prepare(s.Kinds[0], 200)
	asked, reversed := s.paid(200).OrderRequest, s.paid(200).OrderRequest
	open, customer, in := s.made(s.Kinds[0], 200)
	if s.untouched(s.Kinds[0]) == isMissing { // a trade exists once the code was scanned
		if _, err := s.bench.box.Open(s.t.Context(), customer, in); err != nil {
			s.t.Fatal(err)
		}
	}
	refund, refunded := s.refunding(50), s.refunding(50)
	s.c.Refund(s.t.Context(), refunded)
	s.done(refunded)
	fresh, _ := s.request(200, "") // last: its code lives a minute
	return []attempt{
		{sandbox.EndpointPay, fresh.OutTradeNo, func(ctx context.Context) pay.Outcome { return s.c.Pay(ctx, fresh) }},
		{sandbox.EndpointPrepay, prepare.OutTradeNo, func(ctx context.Context) pay.Outcome { return s.c.Prepay(ctx, prepare).Outcome }},
		{sandbox.EndpointQuery, asked.OutTradeNo, func(ctx context.Context) pay.Outcome { return s.c.Query(ctx, asked) }},
		{sandbox.EndpointReverse, reversed.OutTradeNo, func(ctx context.Context) pay.Outcome { return s.c.Reverse(ctx, reversed) }},
		{sandbox.EndpointClose, open.OutTradeNo, func(ctx context.Context) pay.Outcome { return s.c.Close(ctx, open.OrderRequest) }},
		{sandbox.EndpointRefund, refund.OutTradeNo, func(ctx context.Context) pay.Outcome { return s.c.Refund(ctx, refund).Outcome }},
		{sandbox.EndpointRefundQuery, refunded.OutTradeNo, func(ctx context.Context) pay.Outcome { return s.c.QueryRefund(ctx, refunded).Outcome }},
	}
}

// lostOf is the outcome of a call whose answer is of no use. What may be
// repeated as it stands asks for that.
func lostOf(endpoint string) pay.Outcome {
	out := isLost
	if endpoint == sandbox.EndpointPrepay || endpoint == sandbox.EndpointReverse {
		out.Next = pay.NextRetrySame
	}
	return out
}

// spoiltAnswers spoils the answer to every call in every way a line or a
// balancer can, and those a stranger might: none of them is ever a refusal.
func (s *scene) spoiltAnswers() {
	scenarios := []string{
		"drop_before", "drop_after", "bad_sign", "unsigned_2xx", "truncated_body", "empty_body", "bad_json", "http502_html", "tamper", "timeout",
	}
	if s.v3() {
		scenarios = append(scenarios, "wrong_serial", "stale_timestamp", "clock_skew")
	}
	for _, scenario := range scenarios {
		for _, one := range s.attempts() {
			if s.v3() && one.endpoint == sandbox.EndpointClose && bodiless[scenario] {
				continue // it has no body that could be spoilt
			}
			s.fault(scenario, one.outTradeNo, on(one.endpoint))
			ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
			if scenario == "timeout" { // which holds an answer back for 12 s
				ctx, cancel = context.WithTimeout(s.t.Context(), 100*time.Millisecond)
			}
			s.want(one.endpoint+" with "+scenario, one.do(ctx), lostOf(one.endpoint))
			cancel()
		}
		s.bench.advance(time.Minute) // serials that nobody has are looked for again
	}
}

// bodiless are the scenarios that spoil a body.
var bodiless = map[string]bool{"truncated_body": true, "empty_body": true, "bad_json": true, "tamper": true}

// byTheWalletsNumber asks for orders by the number that bills name them by.
func (s *scene) byTheWalletsNumber() {
	r := s.paid(200)
	mine := s.c.Query(s.t.Context(), r.OrderRequest)
	byID := channel.OrderRequest{Merchant: r.Merchant, Total: 200, TransactionID: mine.Payment.TransactionID}
	s.want("Query by the wallet's number", s.c.Query(s.t.Context(), byID), isPaid)
	both := byID
	both.OutTradeNo = r.OutTradeNo
	if out := s.c.Query(s.t.Context(), both); out.Payment != mine.Payment {
		s.t.Errorf("Query by the wallet's number = %+v, by ours %+v", out.Payment, mine.Payment)
	}
	both.OutTradeNo = s.order()
	if out := s.c.Query(s.t.Context(), both); out.Kind != pay.Unknown || !out.Alert || out.Verified {
		s.t.Errorf("Query by numbers of two orders = %+v, want Unknown with an alert", out)
	}
	byID.Total = 201
	s.want("Query by the wallet's number for another amount", s.c.Query(s.t.Context(), byID), isOther)
	byID.TransactionID = "4200000000202611200000000000"
	if s.Wallet == sandbox.Alipay {
		byID.TransactionID = "2026112022001400000000000000"
	}
	s.want("Query by a number that nobody has", s.c.Query(s.t.Context(), byID), isMissing)
}

// listing lists refunds that the gateway made, and those made elsewhere.
func (s *scene) listing() {
	lister, ok := s.c.(channel.RefundLister)
	if !ok || s.v3() { // APIv3 alone has no list
		return
	}
	none := s.paid(200)
	s.want("Refunds of an order without any", lister.Refunds(s.t.Context(), none.OrderRequest).Outcome, isMissing)
	order := s.paid(200).OrderRequest
	var made []string
	for range 23 { // more than one answer holds
		r := channel.RefundRequest{OrderRequest: order, OutRefundNo: s.order(), Amount: 5}
		s.want("Refund", s.c.Refund(s.t.Context(), r).Outcome, isWaiting)
		s.bench.advance(refundTime)
		made = append(made, r.OutRefundNo)
	}
	list := lister.Refunds(s.t.Context(), order)
	s.want("Refunds", list.Outcome, isPaid)
	if len(list.Refunds) != len(made) {
		s.t.Fatalf("%d refunds are listed, want %d", len(list.Refunds), len(made))
	}
	seen := map[string]bool{}
	for _, one := range list.Refunds {
		seen[one.OutRefundNo] = true
		if one.Kind != pay.Paid || one.Refund.Refund != 5 || one.Refund.RefundID == "" {
			s.t.Errorf("listed %+v", one)
		}
	}
	for _, no := range made {
		if !seen[no] {
			s.t.Errorf("refund %s is not listed", no)
		}
	}
	order.Total = 201
	if out := lister.Refunds(s.t.Context(), order); out.Kind != pay.Unknown || !out.Alert {
		s.t.Errorf("Refunds for another total = %+v", out.Outcome)
	}
}

// abnormal sends on refunds that the bank sent back: to the merchant, and to
// another card of the customer, in words that only the wallet can open.
func (s *scene) abnormal() {
	sender, ok := s.c.(channel.AbnormalRefunder)
	if !ok || !s.v3() { // v2 has no such call
		return
	}
	for _, account := range []string{"", "6222021234567890123"} {
		r := s.refunding(50)
		s.fault("refund_abnormal", r.OutTradeNo, nil)
		s.want("Refund", s.c.Refund(s.t.Context(), r).Outcome, isWaiting)
		s.bench.advance(refundTime)
		back := s.c.QueryRefund(s.t.Context(), r)
		if !back.ByHand {
			s.t.Fatalf("QueryRefund = %+v, want sent back", back)
		}
		again := channel.AbnormalRefund{RefundRequest: r, RefundID: back.Refund.RefundID}
		if account != "" {
			again.BankType, again.Account, again.RealName = "ICBC_DEBIT", secret.New(account), secret.New("张三")
		}
		s.want("RefundAbnormal", sender.RefundAbnormal(s.t.Context(), again).Outcome, isWaiting)
		s.done(r)
		s.holds(r.OutTradeNo, 200, 50)
		if out := sender.RefundAbnormal(s.t.Context(), again); out.Kind != pay.Declined || !out.Verified {
			s.t.Errorf("RefundAbnormal of a refund that is done = %+v, want a refusal", out.Outcome)
		}
	}
}

// refundTold reads what WeChat tells of a refund's end. v2's notice is a hint.
func (s *scene) refundTold() {
	if s.Wallet != sandbox.WeChat { // Alipay tells of refunds in notices of the order
		return
	}
	for scenario, state := range map[string]pay.Kind{"": pay.Paid, "refund_closed": pay.Declined, "refund_abnormal": pay.Unknown} {
		r := s.refunding(50)
		r.NotifyURL = NotifyURL
		if scenario != "" {
			s.fault(scenario, r.OutTradeNo, nil)
		}
		s.want("Refund", s.c.Refund(s.t.Context(), r).Outcome, isWaiting)
		s.bench.taken()
		s.bench.advance(refundTime)
		s.c.QueryRefund(s.t.Context(), r) // a refund ends when somebody looks
		if _, err := s.bench.box.SendNotices(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		list := s.bench.taken()
		if len(list) != 1 {
			s.t.Fatalf("%d notices of a refund, want 1", len(list))
		}
		n, err := s.parse(list[0])
		if err != nil || n.OutTradeNo != r.OutTradeNo || n.OutRefundNo != r.OutRefundNo || n.SubMerchant != r.Merchant.SubMchID || n.Refund.Refund != 50 {
			s.t.Fatalf("the notice of a refund reads %+v, %v", n, err)
		}
		if s.v3() && (n.Outcome.Kind != state || !n.Outcome.Verified) {
			s.t.Errorf("%s: %+v, want %s", scenario, n.Outcome, state)
		}
		if !s.v3() && (n.Outcome.Kind != pay.Unknown || n.Outcome.Next != pay.NextQueryFirst || n.Outcome.Verified) {
			s.t.Errorf("%s: %+v, want a hint", scenario, n.Outcome)
		}
	}
}
