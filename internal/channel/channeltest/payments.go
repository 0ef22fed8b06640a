package channeltest

import (
	"context"
	"sync"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// withPassword is an amount for which the phone asks for the password.
const withPassword pay.Fen = 600_00

// dialogue is how long an unanswered password dialogue stays open.
const dialogue = 30 * time.Second

func (s *scene) free() {
	r := s.paid(2)
	out := s.c.Query(s.t.Context(), r.OrderRequest)
	s.want("Query", out, isPaid)
	p, truth := out.Payment, s.truth(r.OutTradeNo)
	if p.TransactionID != truth.TransactionID || p.TransactionID == "" || p.Total != 2 || p.Settlement != 2 || p.Cash != 2 || p.PayerID == "" {
		s.t.Errorf("payment %+v, the wallet's is %+v", p, truth)
	}
	if !p.PaidAt.Equal(s.bench.Now().Truncate(time.Second)) || p.PaidAt.Location() != time.UTC {
		s.t.Errorf("paid at %v, want %v in UTC", p.PaidAt, s.bench.Now())
	}
	if p.RefundState || p.Finished || p.Refunded != 0 {
		s.t.Errorf("payment %+v, want nothing refunded", p)
	}
	s.holds(r.OutTradeNo, 2, 0)
}

func (s *scene) password() {
	r, customer := s.request(withPassword, "")
	s.want("Pay", s.c.Pay(s.t.Context(), r), isWaiting)
	s.want("Query while waiting", s.c.Query(s.t.Context(), r.OrderRequest), isWaiting)
	s.answer(customer, sandbox.ActionApprove)
	s.want("Query after approval", s.c.Query(s.t.Context(), r.OrderRequest), isPaid)
	s.holds(r.OutTradeNo, withPassword, 0)
}

func (s *scene) answer(customer, action string) {
	s.t.Helper()
	if err := s.bench.box.Answer(s.t.Context(), customer, action); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) cancelled() {
	r, customer := s.request(withPassword, "")
	s.want("Pay", s.c.Pay(s.t.Context(), r), isWaiting)
	s.answer(customer, sandbox.ActionCancel)
	out := s.c.Query(s.t.Context(), r.OrderRequest)
	// WeChat says PAYERROR, which is no safe end; Alipay goes on waiting.
	if !out.Verified || out.Kind != pay.Waiting && out.Next != pay.NextReverse {
		s.t.Errorf("Query after the customer cancelled = %+v, want Waiting or Unknown with REVERSE", out)
	}
	s.reversed(r, isDead)
	s.holds(r.OutTradeNo, 0, 0)
}

func (s *scene) ignored() {
	r, customer := s.request(withPassword, "")
	s.want("Pay", s.c.Pay(s.t.Context(), r), isWaiting)
	s.bench.advance(dialogue + time.Second)
	s.want("Query after the dialogue closed", s.c.Query(s.t.Context(), r.OrderRequest), isWaiting)
	s.reversed(r, isDead)
	if err := s.bench.box.Answer(s.t.Context(), customer, sandbox.ActionApprove); err == nil {
		s.t.Error("the customer could approve after the reverse")
	}
	s.holds(r.OutTradeNo, 0, 0)
}

// reversed reverses an order and confirms by a query that it ended as wanted.
func (s *scene) reversed(r channel.PayRequest, end pay.Outcome) {
	s.t.Helper()
	if out := s.c.Reverse(s.t.Context(), r.OrderRequest); out.Kind != pay.Paid || !out.Verified {
		s.t.Errorf("Reverse = %+v, want done", out)
	}
	s.want("Query after the reverse", s.c.Query(s.t.Context(), r.OrderRequest), end)
}

func (s *scene) badCodes() {
	refusal := pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonCustomer, Verified: true}
	used, _ := s.request(2, "")
	s.want("Pay", s.c.Pay(s.t.Context(), used), isPaid)
	used.OutTradeNo = s.order()
	s.want("Pay with a used code", s.c.Pay(s.t.Context(), used), refusal)
	old, _ := s.request(2, "")
	s.bench.advance(3 * time.Minute)
	old.Start, old.Expire = s.bench.Now(), s.bench.Now().Add(2*time.Minute)
	s.want("Pay with an old code", s.c.Pay(s.t.Context(), old), refusal)
	poor, err := s.bench.box.NewCustomer(s.t.Context(), "", 1)
	if err != nil {
		s.t.Fatal(err)
	}
	short, _ := s.request(2, poor.ID)
	s.want("Pay with an empty purse", s.c.Pay(s.t.Context(), short), refusal)
	for _, r := range []channel.PayRequest{used, old, short} {
		s.holds(r.OutTradeNo, 0, 0)
	}
}

func (s *scene) lostAfter() {
	r, _ := s.request(2, "")
	s.fault("drop_after", r.OutTradeNo, nil)
	s.want("Pay", s.c.Pay(s.t.Context(), r), isLost)
	s.want("Query", s.c.Query(s.t.Context(), r.OrderRequest), isPaid)
	s.holds(r.OutTradeNo, 2, 0)
}

func (s *scene) lostBefore() {
	r, _ := s.request(2, "")
	s.fault("drop_before", r.OutTradeNo, nil)
	s.want("Pay", s.c.Pay(s.t.Context(), r), isLost)
	s.want("Query", s.c.Query(s.t.Context(), r.OrderRequest), isMissing)
	s.holds(r.OutTradeNo, 0, 0)
}

func (s *scene) systemError() {
	unknown := pay.Outcome{Kind: pay.Unknown, Verified: true}
	charged, _ := s.request(2, "")
	s.fault("syserr_committed", charged.OutTradeNo, nil)
	s.want("Pay", s.c.Pay(s.t.Context(), charged), unknown)
	s.want("Query", s.c.Query(s.t.Context(), charged.OrderRequest), isPaid)
	not, _ := s.request(2, "")
	s.fault("syserr_uncommitted", not.OutTradeNo, nil)
	s.want("Pay", s.c.Pay(s.t.Context(), not), unknown)
	s.want("Query", s.c.Query(s.t.Context(), not.OrderRequest), isMissing)
	s.holds(charged.OutTradeNo, 2, 0)
	s.holds(not.OutTradeNo, 0, 0)
}

// slow gives up on an answer that is late (12 s) once the wallet has charged.
func (s *scene) slow() {
	r, _ := s.request(2, "")
	s.fault("slow", r.OutTradeNo, nil)
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		for ctx.Err() == nil {
			if list, err := s.bench.box.Trades(ctx, r.OutTradeNo); err == nil && len(list) == 1 && list[0].Charges == 1 {
				return
			}
		}
	})
	s.want("Pay", s.c.Pay(ctx, r), isLost)
	wg.Wait()
	s.want("Query", s.c.Query(s.t.Context(), r.OrderRequest), isPaid)
	s.holds(r.OutTradeNo, 2, 0)
}

func (s *scene) cancelledContext() {
	r, _ := s.request(2, "")
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	s.want("Pay", s.c.Pay(ctx, r), isLost)
	s.want("Query", s.c.Query(ctx, r.OrderRequest), isLost)
	if out := s.c.Reverse(ctx, r.OrderRequest); out.Kind != pay.Unknown || !out.Lost || out.Next != pay.NextRetrySame {
		s.t.Errorf("Reverse = %+v, want lost and to be repeated", out)
	}
	s.holds(r.OutTradeNo, 0, 0)
}

// unbelievable spoils the answer of a payment that was made, then that of the
// query about it.
func (s *scene) unbelievable() {
	for _, scenario := range []string{"bad_sign", "unsigned_2xx", "truncated_body", "empty_body", "bad_json", "http502_html"} {
		r, _ := s.request(2, "")
		s.fault(scenario, r.OutTradeNo, nil)
		s.want("Pay with "+scenario, s.c.Pay(s.t.Context(), r), isLost)
		s.fault(scenario, r.OutTradeNo, on(sandbox.EndpointQuery))
		s.want("Query with "+scenario, s.c.Query(s.t.Context(), r.OrderRequest), isLost)
		s.want("Query", s.c.Query(s.t.Context(), r.OrderRequest), isPaid)
		s.holds(r.OutTradeNo, 2, 0)
	}
	r, _ := s.request(2, "")
	field := map[sandbox.Channel]string{sandbox.WeChat: "total_fee", sandbox.Alipay: "total_amount"}[s.Wallet]
	s.fault("tamper", r.OutTradeNo, func(f *sandbox.Fault) { f.Params.Field, f.Params.Value = field, "1" })
	s.want("Pay with an altered amount", s.c.Pay(s.t.Context(), r), isLost)
}

// wrongAmount asks for an order of another amount: the wallet's answer is
// verified and about other money than was asked for.
func (s *scene) wrongAmount() {
	r := s.paid(200)
	other := r.OrderRequest
	other.Total = 201
	s.want("Query for another amount", s.c.Query(s.t.Context(), other), isOther)
	s.reversed(r, isGone)
	s.want("Query for another amount, reversed", s.c.Query(s.t.Context(), other), isOther)
}

func (s *scene) duplicate() {
	r := s.paid(200)
	for _, total := range []pay.Fen{200, 300} {
		again, _ := s.request(total, "")
		again.OutTradeNo = r.OutTradeNo
		s.want("Pay of a used number", s.c.Pay(s.t.Context(), again), pay.Outcome{
			Kind: pay.Unknown, Next: pay.NextQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true, Verified: true,
		})
	}
	s.holds(r.OutTradeNo, 200, 0)
}

func (s *scene) missing() {
	r, _ := s.request(2, "")
	s.want("Query", s.c.Query(s.t.Context(), r.OrderRequest), isMissing)
	refund := channel.RefundRequest{OrderRequest: r.OrderRequest, OutRefundNo: s.order(), Amount: 1}
	s.want("Refund", s.c.Refund(s.t.Context(), refund).Outcome, pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonNotFound, Verified: true})
	refund.OrderRequest = s.paid(2).OrderRequest
	s.want("QueryRefund", s.c.QueryRefund(s.t.Context(), refund).Outcome, isMissing)
	if out := s.c.Close(s.t.Context(), r.OrderRequest); out.Kind != pay.Declined || out.Reason != pay.ReasonNotFound {
		s.t.Errorf("Close = %+v, want a refusal that found nothing", out)
	}
}

func (s *scene) reversePaid() {
	r := s.paid(200)
	s.reversed(r, isGone)
	s.holds(r.OutTradeNo, 200, 200)
	s.reversed(r, isGone) // repeatable without harm
	s.holds(r.OutTradeNo, 200, 200)
	out := s.c.Query(s.t.Context(), r.OrderRequest)
	if out.Payment.PaidAt.IsZero() || out.Payment.Total != 200 {
		s.t.Errorf("the payment that went back reads %+v", out.Payment)
	}
}

func (s *scene) reverseAgain() {
	r := s.paid(200)
	scenario := map[sandbox.Channel]string{sandbox.WeChat: "reverse_recall", sandbox.Alipay: "cancel_retry"}[s.Wallet]
	again := pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Verified: true}
	for range 3 {
		s.fault(scenario, r.OutTradeNo, nil)
		s.want("Reverse", s.c.Reverse(s.t.Context(), r.OrderRequest), again)
	}
	s.fault("drop_after", r.OutTradeNo, on(sandbox.EndpointReverse))
	s.want("Reverse", s.c.Reverse(s.t.Context(), r.OrderRequest), pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Lost: true})
	s.reversed(r, isGone)
	s.holds(r.OutTradeNo, 200, 200)
}

func (s *scene) reverseUnseen() {
	r, _ := s.request(2, "")
	out := s.c.Reverse(s.t.Context(), r.OrderRequest)
	if out.Kind != pay.Paid || out.Returned {
		s.t.Fatalf("Reverse = %+v, want done with nothing returned", out)
	}
	if s.Wallet == sandbox.Alipay {
		// Alipay forgets the number; that it found nothing is said instead.
		if out.Reason != pay.ReasonNotFound {
			s.t.Errorf("Reverse = %+v, want not_found", out)
		}
		return
	}
	s.want("Pay that arrives late", s.c.Pay(s.t.Context(), r), pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonOrderDead, Verified: true})
	s.holds(r.OutTradeNo, 0, 0)
}

func (s *scene) closing() {
	r, _ := s.request(withPassword, "")
	s.want("Pay", s.c.Pay(s.t.Context(), r), isWaiting)
	s.want("Close", s.c.Close(s.t.Context(), r.OrderRequest), isPaid)
	s.want("Query", s.c.Query(s.t.Context(), r.OrderRequest), isDead)
	paid := s.paid(2)
	s.want("Close of a paid order", s.c.Close(s.t.Context(), paid.OrderRequest), pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonState, Verified: true})
	s.holds(paid.OutTradeNo, 2, 0)
}

// codes makes the wallet give every listed answer once.
func (s *scene) codes() {
	if len(s.Codes) == 0 {
		s.t.Fatal("the adapter's test lists no codes")
	}
	order := s.paid(200).OrderRequest
	for _, one := range s.Codes {
		r, _ := s.request(200, "")
		no, scenario := order.OutTradeNo, "answer_code"
		if one.State != "" {
			scenario = "answer_state"
		}
		prepare, _ := s.prepare(s.Kinds[0], 200)
		switch one.Endpoint {
		case sandbox.EndpointPay:
			no = r.OutTradeNo
		case sandbox.EndpointPrepay:
			no = prepare.OutTradeNo
		}
		s.fault(scenario, no, func(f *sandbox.Fault) {
			f.Endpoint, f.Params.Code, f.Params.State, f.Params.Status = one.Endpoint, one.Code, one.State, one.Status
		})
		refund := channel.RefundRequest{OrderRequest: order, OutRefundNo: s.order(), Amount: 1}
		var out pay.Outcome
		switch one.Endpoint {
		case sandbox.EndpointPay:
			out = s.c.Pay(s.t.Context(), r)
		case sandbox.EndpointPrepay:
			out = s.c.Prepay(s.t.Context(), prepare).Outcome
		case sandbox.EndpointQuery:
			out = s.c.Query(s.t.Context(), order)
		case sandbox.EndpointReverse:
			out = s.c.Reverse(s.t.Context(), order)
		case sandbox.EndpointClose:
			out = s.c.Close(s.t.Context(), order)
		case sandbox.EndpointRefund:
			out = s.c.Refund(s.t.Context(), refund).Outcome
		case sandbox.EndpointRefundQuery:
			out = s.c.QueryRefund(s.t.Context(), refund).Outcome
		default:
			s.t.Fatalf("no call is named %q", one.Endpoint)
		}
		s.want(one.Endpoint+" answered "+one.Code+one.State, out, one.Want)
	}
	s.holds(order.OutTradeNo, 200, 0)
}

// crowd pays many orders at once while answers get lost, and holds every
// outcome against the wallet's account.
func (s *scene) crowd() {
	const payments = 60
	requests := make([]channel.PayRequest, payments)
	for i := range requests {
		requests[i], _ = s.request(pay.Fen(100+i), "")
		switch i % 5 {
		case 0:
			s.fault("drop_after", requests[i].OutTradeNo, nil)
		case 1:
			s.fault("drop_before", requests[i].OutTradeNo, nil)
		}
	}
	outcomes := make([]pay.Outcome, payments)
	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() { outcomes[i] = s.c.Pay(s.t.Context(), requests[i]) })
	}
	wg.Wait()
	for i, r := range requests {
		truth := s.truth(r.OutTradeNo)
		query := s.c.Query(s.t.Context(), r.OrderRequest)
		switch {
		case truth.Charges > 1:
			s.t.Errorf("order %d was charged %d times", i, truth.Charges)
		case outcomes[i].Kind == pay.Paid && truth.Charges != 1, outcomes[i].Kind != pay.Paid && outcomes[i].Kind != pay.Unknown:
			s.t.Errorf("order %d: outcome %+v, the wallet says %+v", i, outcomes[i], truth)
		case (query.Kind == pay.Paid) != (truth.Charges == 1), query.Kind != pay.Paid && verdict(query) != verdict(isMissing):
			s.t.Errorf("order %d: query %+v, the wallet says %+v", i, query, truth)
		}
	}
}
