package cpay

import (
	"context"
	"errors"
)

// MicroPay charges a customer and returns the order as it stands, which may be
// that the customer is typing a password. It repeats the same call while the
// outcome is unknown, which never charges twice. To wait for the outcome use
// MicroPayAndWait.
func (c *Client) MicroPay(ctx context.Context, req *MicroPayRequest) (*MicroPayResponse, error) {
	return c.microPay(ctx, req, c.cfg.Attempts)
}

// microPay is MicroPay with its own number of attempts.
func (c *Client) microPay(ctx context.Context, req *MicroPayRequest, attempts int) (*MicroPayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	if r.PayContent.FeeType == "" {
		r.PayContent.FeeType = "CNY"
	}
	resp, err := invoke[MicroPayResponse](ctx, c, &r, ByMAC, attempts)
	if err != nil {
		return nil, err
	}
	got, want := &resp.OrderContent, &r.PayContent
	if got.OutTradeNo != want.OutTradeNo || got.TotalFee != want.TotalFee {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// ScanCodePay makes a code for the customer to scan.
func (c *Client) ScanCodePay(ctx context.Context, req *ScanCodePayRequest) (*ScanCodePayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	if r.PayContent.FeeType == "" {
		r.PayContent.FeeType = "CNY"
	}
	return invoke[ScanCodePayResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// QueryOrder asks for an order. Error.NotFound tells that there is none.
func (c *Client) QueryOrder(ctx context.Context, req *QueryOrderRequest) (*QueryOrderResponse, error) {
	return c.queryOrder(ctx, req, c.cfg.Attempts)
}

// queryOrder is QueryOrder with its own number of attempts.
func (c *Client) queryOrder(ctx context.Context, req *QueryOrderRequest, attempts int) (*QueryOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	resp, err := invoke[QueryOrderResponse](ctx, c, &r, ByMAC, attempts)
	if err != nil {
		return nil, err
	}
	if resp.OrderContent.OutTradeNo != r.OutTradeNo {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// CloseOrder closes an unpaid order that the customer was to scan or open.
func (c *Client) CloseOrder(ctx context.Context, req *CloseOrderRequest) (*CloseOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	return invoke[CloseOrderResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// Reverse asks the server to undo a micro_pay. Nothing in this package calls it
// by itself, because a reversed payment that was made is a refund nobody asked
// for. An unknown outcome means that it may still happen: query.
func (c *Client) Reverse(ctx context.Context, req *ReverseRequest) (*ReverseResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	return invoke[ReverseResponse](ctx, c, &r, c.signing(), c.cfg.Attempts)
}

// Refund asks for money to be returned. The same OutRefundNo again never returns
// it twice, so after an unknown outcome repeat the same request or query.
func (c *Client) Refund(ctx context.Context, req *RefundRequest) (*RefundResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	if r.RefundContent.RefundFeeType == "" {
		r.RefundContent.RefundFeeType = "CNY"
	}
	resp, err := invoke[RefundResponse](ctx, c, &r, c.signing(), c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	got, want := &resp.RefundOrderContent, &r.RefundContent
	if got.OutRefundNo != want.OutRefundNo || got.RefundFee != want.RefundFee {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// QueryRefundOrder asks for one refund, or for all refunds of an order when
// OutRefundNo is empty. That there are none is an empty list, however the server
// says it (protocol.md §2.2).
func (c *Client) QueryRefundOrder(ctx context.Context, req *QueryRefundOrderRequest) (*QueryRefundOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	resp, err := invoke[QueryRefundOrderResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if e, ok := errors.AsType[*Error](err); ok && e.Definite() && e.Internal == InternalNoRefund {
		return &QueryRefundOrderResponse{PayMchKey: r.PayMchKey}, nil
	}
	return resp, err
}
