package api

import (
	"context"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// queryOrder shows an order by its number alone (protocol.md §2.2).
func (s *Server) queryOrder(ctx context.Context, c *call, m *cpay.QueryOrderRequest) (cpay.Message, error) {
	o, err := s.Gateway.QueryOrder(ctx, c.merchant, m.OutTradeNo)
	if err != nil {
		return nil, err
	}
	return &cpay.QueryOrderResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o), OrderClient: wire.Client(o)}, nil
}

// closeOrder closes unified orders; a code payment is refused.
func (s *Server) closeOrder(ctx context.Context, c *call, m *cpay.CloseOrderRequest) (cpay.Message, error) {
	if err := s.Gateway.CloseOrder(ctx, c.merchant, m.OutTradeNo); err != nil {
		return nil, err
	}
	return &cpay.CloseOrderResponse{}, nil
}

// reverse undoes a code payment (protocol.md §4.4).
func (s *Server) reverse(ctx context.Context, c *call, m *cpay.ReverseRequest) (cpay.Message, error) {
	if err := mustSign(c); err != nil {
		return nil, err
	}
	o, err := s.Gateway.Reverse(ctx, reversing(c.merchant, &m.PayMchKey), m.OutTradeNo, m.OrderClient.DeviceID)
	if err == nil {
		err = o.ReverseAnswer()
	}
	if err != nil {
		return nil, err
	}
	return &cpay.ReverseResponse{}, nil
}

// reversing is the merchant for a reverse. Of a paid order it is a refund, so that
// whoever is named as consenting must be allowed to refund (money.md §3 row 8);
// an unpaid one anybody may reverse. A reverse has no api_version to ask for more.
func reversing(m *directory.Merchant, k *cpay.PayMchKey) *directory.Merchant {
	if k.AuthorizationStaffID == "" && !k.IsSubMchAdmin {
		return m
	}
	if _, err := directory.MayRefund(m, k.OutShopID, k.AuthorizationStaffID, k.IsSubMchAdmin); err == nil {
		return m
	}
	unpaid := *m
	unpaid.ReversePaid = false
	return &unpaid
}

// refund gives money back. Status 0 means accepted.
func (s *Server) refund(ctx context.Context, c *call, m *cpay.RefundRequest) (cpay.Message, error) {
	if err := mustSign(c); err != nil {
		return nil, err
	}
	if err := sameProvider(c.merchant, m.PayMchKey); err != nil {
		return nil, err
	}
	by, err := mayRefund(c.merchant, m)
	if err != nil {
		return nil, err
	}
	f, client := &m.RefundContent, &m.OrderClient
	in := gateway.Refund{
		OutTradeNo: f.OutTradeNo, OutRefundNo: f.OutRefundNo, Total: pay.Fen(f.TotalFee), Amount: pay.Fen(f.RefundFee),
		Currency: f.RefundFeeType, Reason: f.RefundReason, ShopID: m.PayMchKey.OutShopID, DeviceID: client.DeviceID, StaffID: client.StaffID,
		AuthorizedBy: by, TerminalType: client.TerminalType, SubTerminalType: client.SubTerminalType, Authen: c.authen,
		Extra: wire.Extra{RefundFlowID: f.ClientRefundFlowID, Client: *client}.Encode(),
	}
	if e := f.WxpayExt; e != nil {
		in.Account = e.RefundAccount
	}
	o, r, err := s.Gateway.Refund(ctx, c.merchant, in)
	if err != nil {
		return nil, err
	}
	return &cpay.RefundResponse{PayMchKey: wire.MchKey(o), RefundOrderContent: wire.Refund(o, r)}, nil
}

// queryRefundOrder shows one refund, or all of an order.
func (s *Server) queryRefundOrder(ctx context.Context, c *call, m *cpay.QueryRefundOrderRequest) (cpay.Message, error) {
	o, rs, err := s.Gateway.QueryRefunds(ctx, c.merchant, m.OutTradeNo, m.OutRefundNo)
	if err != nil {
		return nil, err
	}
	out := &cpay.QueryRefundOrderResponse{PayMchKey: wire.MchKey(o)}
	for _, r := range rs {
		out.RefundOrderContent = append(out.RefundOrderContent, wire.Refund(o, r))
	}
	return out, nil
}

// mustSign applies the merchant's switch 退款必须签名.
func mustSign(c *call) error {
	if c.merchant.RefundMustSign && !c.signed {
		return pay.Refuse(pay.ErrDenied, "must_sign", "该商户退款必须使用签名")
	}
	return nil
}

// apiVersionChecked is the api_version from which a refund names the person
// who allows it.
const apiVersionChecked = 2

// authorizedByAdmin stands for the merchant's administrator in a refund's
// AuthorizedBy.
const authorizedByAdmin = "admin"

// mayRefund checks who refunds, if the caller wants it checked (api_version 2,
// protocol.md §2.2). by is whom the request names, checked or not.
func mayRefund(m *directory.Merchant, r *cpay.RefundRequest) (by string, err error) {
	k := &r.PayMchKey
	if r.APIVersion >= apiVersionChecked {
		if _, err := directory.MayRefund(m, k.OutShopID, k.AuthorizationStaffID, k.IsSubMchAdmin); err != nil {
			return "", err
		}
	}
	if k.IsSubMchAdmin {
		return authorizedByAdmin, nil
	}
	return k.AuthorizationStaffID, nil
}
