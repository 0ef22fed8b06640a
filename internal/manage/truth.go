package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Attention is one reason for which an order or a refund wants a person.
type Attention struct {
	MerchantID  string    `json:"out_sub_mch_id"`
	OutTradeNo  string    `json:"out_trade_no,omitempty"`
	OutRefundNo string    `json:"out_refund_no,omitempty"`
	Why         string    `json:"why" doc:"原因"`
	First       time.Time `json:"first_at" doc:"第一次"`
	Last        time.Time `json:"last_at" doc:"最近一次"`
	Times       int64     `json:"times" doc:"次数"`
}

type listAttentionInput struct {
	MerchantID string `query:"out_sub_mch_id" doc:"只看这个子商户" maxLength:"32"`
	Limit      int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}

type endAttentionInput struct {
	OrderPath
	Body struct {
		Why string `json:"why" doc:"为什么，写入审计" minLength:"1" maxLength:"255"`
	}
}

type decideLateInput struct {
	OrderPath
	Body struct {
		Decision string `json:"decision" enum:"adopt,return" doc:"adopt 认领：归商户并回调；return 退回顾客"`
		Why      string `json:"why" doc:"为什么，写入审计" minLength:"1" maxLength:"255"`
	}
}

type decideRefundInput struct {
	OrderPath
	Refund string `path:"out_refund_no" maxLength:"64"`
	Body   struct {
		Decision string `json:"decision" enum:"offline,resume,to_merchant" doc:"offline 已线下退给顾客；resume 向渠道查询是否已到账；to_merchant 让渠道改退到商户账户，再查询"`
		Why      string `json:"why" doc:"为什么，写入审计" minLength:"1" maxLength:"255"`
	}
}

func (s *Server) registerTruth() {
	const tag, path = "人工处理", ordersPath + "/{out_trade_no}"
	add(s, operation{id: "list-attention", method: http.MethodGet, path: "/v1/attention", summary: "需要人工处理的事项", tag: tag}, s.listAttention)
	add(s, operation{id: "end-attention", method: http.MethodPost, path: path + "/attention/end", summary: "订单的事项已处理", tag: tag}, s.endAttention)
	add(s, operation{id: "decide-late", method: http.MethodPost, path: path + "/late", summary: "认领或退回迟到资金", tag: tag}, s.decideLate)
	add(s, operation{id: "decide-refund", method: http.MethodPost, path: path + "/refunds/{out_refund_no}/by-hand", summary: "处理被银行退回的退款", tag: tag}, s.decideRefund)
}

// listAttention shows what wants a person: of a merchant to who sees its orders,
// and of all to who keeps the system running.
func (s *Server) listAttention(ctx context.Context, a *actor, in *listAttentionInput) (*answer[Page[Attention]], error) {
	if in.MerchantID == "" {
		if err := a.keepsRunning(); err != nil {
			return nil, err
		}
	} else if _, err := s.merchant(ctx, a, directory.SeeOrders, in.MerchantID); err != nil {
		return nil, err
	}
	list, err := s.Store.Attentions(ctx, in.MerchantID, in.Limit)
	if err != nil {
		return nil, err
	}
	return whole(list, func(v store.Attention) Attention { return Attention(v) }), nil
}

// endAttention takes an order off the list.
func (s *Server) endAttention(ctx context.Context, a *actor, in *endAttentionInput) (*struct{}, error) {
	m, o, err := s.order(ctx, a, directory.MakeRefunds, in.OrderPath)
	if err != nil {
		return nil, err
	}
	ended, err := s.Store.Calm(ctx, m.ID, o.OutTradeNo, a.by().String(), in.Body.Why, s.Now())
	if err != nil {
		return nil, err
	}
	if !ended {
		return nil, pay.Refuse(pay.ErrNotFound, "attention_missing", "该订单没有需要处理的事项")
	}
	return nil, s.Directory.Record(ctx, a.by(), directory.Event{
		Action: "attention.end", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "order", ObjectID: o.OutTradeNo,
		After: map[string]any{"why": in.Body.Why},
	})
}

// decideLate adopts late money or has it returned. Either moves money, so it
// asks for what a refund asks for.
func (s *Server) decideLate(ctx context.Context, a *actor, in *decideLateInput) (*answer[Order], error) {
	m, before, err := s.order(ctx, a, directory.MakeRefunds, in.OrderPath)
	if err != nil {
		return nil, err
	}
	by, decide := pay.Hand{Who: a.by().String(), Why: in.Body.Why}, s.Gateway.AdoptLate
	if in.Body.Decision == pay.HandReturn {
		decide = s.Gateway.ReturnLate
	}
	o, err := decide(ctx, m, before.OutTradeNo, by)
	if err != nil {
		return nil, err
	}
	err = s.Directory.Record(ctx, a.by(), directory.Event{
		Action: "late." + in.Body.Decision, ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "order", ObjectID: o.OutTradeNo,
		Before: map[string]any{"late": before.Late}, After: map[string]any{"late": o.Late, "why": in.Body.Why},
	})
	if err != nil {
		return nil, err
	}
	return ok(a.masked(orderView(o))), nil
}

// decideRefund ends a refund that the bank sent back.
func (s *Server) decideRefund(ctx context.Context, a *actor, in *decideRefundInput) (*answer[Refund], error) {
	m, o, err := s.order(ctx, a, directory.MakeRefunds, in.OrderPath)
	if err != nil {
		return nil, err
	}
	by := pay.Hand{Who: a.by().String(), Why: in.Body.Why}
	var r pay.Refund
	if in.Body.Decision == pay.HandOffline {
		r, err = s.Gateway.OfflineRefund(ctx, m, o.OutTradeNo, in.Refund, by)
	} else {
		r, err = s.Gateway.ResumeRefund(ctx, m, o.OutTradeNo, in.Refund, in.Body.Decision == "to_merchant", by)
	}
	if err != nil {
		return nil, err
	}
	err = s.Directory.Record(ctx, a.by(), directory.Event{
		Action: "refund." + in.Body.Decision, ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "refund", ObjectID: r.OutRefundNo,
		Before: map[string]any{"state": pay.RefundNeedsHand}, After: map[string]any{"state": r.State, "why": in.Body.Why},
	})
	if err != nil {
		return nil, err
	}
	return ok(refundView(r)), nil
}

// checkAttention tells how much wants a person.
func (s *Server) checkAttention(ctx context.Context, c *checkup) {
	list, err := s.Store.Attentions(ctx, "", store.MaxAttention)
	switch {
	case err != nil:
		c.fail("attention", err.Error(), "")
	case len(list) > 0:
		c.warn("attention", count(len(list), store.MaxAttention, "order")+" or refunds want a person, since "+list[0].First.UTC().Format(time.RFC3339), "cloudpay attention list")
	default:
		c.ok("attention", "nothing wants a person")
	}
}
