package channeltest

import (
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// refundTime is longer than the sandbox takes for a refund, and than the
// wallets ask for between two refunds of one order.
const refundTime = 2 * time.Minute

// refunding pays an order of 2 yuan and returns a refund of part of it.
func (s *scene) refunding(amount pay.Fen) channel.RefundRequest {
	s.t.Helper()
	r := s.paid(200)
	return channel.RefundRequest{OrderRequest: r.OrderRequest, OutRefundNo: s.order(), Amount: amount, Reason: "商品不合适"}
}

// done waits for a refund by the clock and checks that the wallet calls it paid.
func (s *scene) done(r channel.RefundRequest) {
	s.t.Helper()
	s.bench.advance(refundTime)
	out := s.c.QueryRefund(s.t.Context(), r)
	s.want("QueryRefund", out.Outcome, isPaid)
	if out.Refund.Refund != r.Amount || out.Refund.Settlement != r.Amount || out.Refund.SucceededAt.IsZero() || out.ByHand {
		s.t.Errorf("QueryRefund = %+v, want %d fen returned", out, int64(r.Amount))
	}
}

func (s *scene) refund() {
	r := s.refunding(50)
	out := s.c.Refund(s.t.Context(), r)
	switch s.Wallet {
	case sandbox.WeChat: // accepted, then done
		s.want("Refund", out.Outcome, isWaiting)
		s.want("QueryRefund at once", s.c.QueryRefund(s.t.Context(), r).Outcome, isWaiting)
		if out.Refund.RefundID == "" || out.Refund.Refund != 50 {
			s.t.Errorf("Refund = %+v", out.Refund)
		}
	case sandbox.Alipay:
		s.want("Refund", out.Outcome, isPaid)
	}
	s.done(r)
	s.holds(r.OutTradeNo, 200, 50)
	query := s.c.Query(s.t.Context(), r.OrderRequest)
	s.want("Query of a partly refunded order", query, isPaid)
	if query.Payment.RefundState != (s.Wallet == sandbox.WeChat) || query.Payment.Total != 200 {
		s.t.Errorf("payment %+v", query.Payment)
	}
	rest := r
	rest.OutRefundNo, rest.Amount = s.order(), 150
	s.c.Refund(s.t.Context(), rest)
	s.done(rest)
	s.holds(r.OutTradeNo, 200, 200)
	// Alipay closes an order that was refunded in full; WeChat keeps REFUND.
	end := isPaid
	if s.Wallet == sandbox.Alipay {
		end = isGone
	}
	s.want("Query of a fully refunded order", s.c.Query(s.t.Context(), r.OrderRequest), end)
}

func (s *scene) refundOnce() {
	r := s.refunding(50)
	s.c.Refund(s.t.Context(), r)
	s.done(r)
	again := s.c.Refund(s.t.Context(), r)
	if !again.Verified || again.Kind == pay.Declined || again.Kind == pay.Paid && s.Wallet == sandbox.Alipay {
		s.t.Errorf("the same refund again = %+v, want accepted or to be asked for", again.Outcome)
	}
	s.done(r)
	other := r
	other.Amount = 60
	if out := s.c.Refund(s.t.Context(), other); out.Kind != pay.Declined || !out.Verified {
		s.t.Errorf("the same number with another amount = %+v, want a refusal", out.Outcome)
	}
	s.holds(r.OutTradeNo, 200, 50)
	s.want("QueryRefund for another amount", s.c.QueryRefund(s.t.Context(), other).Outcome, pay.Outcome{Kind: pay.Unknown, Alert: true})
}

func (s *scene) refundTooMuch() {
	r := s.refunding(150)
	s.c.Refund(s.t.Context(), r)
	s.done(r)
	more := r
	more.OutRefundNo, more.Amount = s.order(), 51
	if out := s.c.Refund(s.t.Context(), more); out.Kind != pay.Declined || !out.Verified {
		s.t.Errorf("Refund of more than the rest = %+v, want a refusal", out.Outcome)
	}
	wrong := r
	wrong.OutRefundNo, wrong.Amount, wrong.Total = s.order(), 10, 199
	if out := s.c.Refund(s.t.Context(), wrong); s.Wallet == sandbox.WeChat && (out.Kind != pay.Declined || !out.Verified) {
		s.t.Errorf("Refund with another total = %+v, want a refusal", out.Outcome) // Alipay is not told the total
	}
}

func (s *scene) refundLost() {
	r := s.refunding(50)
	s.fault("drop_before", r.OutTradeNo, on(sandbox.EndpointRefund))
	s.want("Refund", s.c.Refund(s.t.Context(), r).Outcome, isLost)
	s.want("QueryRefund", s.c.QueryRefund(s.t.Context(), r).Outcome, isMissing)
	s.fault("drop_after", r.OutTradeNo, on(sandbox.EndpointRefund))
	s.want("Refund", s.c.Refund(s.t.Context(), r).Outcome, isLost)
	s.fault("bad_sign", r.OutTradeNo, on(sandbox.EndpointRefundQuery))
	s.want("QueryRefund", s.c.QueryRefund(s.t.Context(), r).Outcome, isLost)
	s.done(r)
	s.fault("refund_syserr", r.OutTradeNo, nil)
	s.want("Refund", s.c.Refund(s.t.Context(), r).Outcome, pay.Outcome{Kind: pay.Unknown, Next: pay.NextRetrySame, Verified: true})
	s.holds(r.OutTradeNo, 200, 50)
	if s.Wallet != sandbox.WeChat {
		return
	}
	for _, one := range []struct {
		scenario string
		want     pay.Outcome
		byHand   bool
	}{
		{"refund_closed", pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonState, Verified: true}, false},
		{"refund_abnormal", pay.Outcome{Kind: pay.Unknown, Next: pay.NextOperator, Verified: true}, true},
	} {
		r := s.refunding(50)
		s.fault(one.scenario, r.OutTradeNo, nil)
		s.want("Refund", s.c.Refund(s.t.Context(), r).Outcome, isWaiting)
		s.bench.advance(refundTime)
		out := s.c.QueryRefund(s.t.Context(), r)
		s.want("QueryRefund after "+one.scenario, out.Outcome, one.want)
		if out.ByHand != one.byHand {
			s.t.Errorf("after %s ByHand = %v", one.scenario, out.ByHand)
		}
	}
}
