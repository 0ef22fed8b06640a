package api

import (
	"context"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/wire"
)

// codeRefundMissing tells 426 from 400.
const codeRefundMissing = gateway.CodeRefundMissing

// microPay charges a payment code (protocol.md §2.1).
func (s *Server) microPay(ctx context.Context, c *call, m *cpay.MicroPayRequest) (cpay.Message, error) {
	if err := sameProvider(c.merchant, m.PayMchKey); err != nil {
		return nil, err
	}
	p := &m.PayContent
	x := wire.Extra{
		Detail: p.Detail, Remark: p.Remark, ClientFlowID: p.ClientFlowID,
		SubMchPayInfo: m.PayMchKey.SubMchPayInfo, Client: m.OrderClient,
	}
	in := gateway.MicroPay{
		OutTradeNo: p.OutTradeNo, AuthCode: secret.New(string(p.AuthorCode)), Platform: int64(m.PayMchKey.PayPlatform),
		Total: pay.Fen(p.TotalFee), Currency: p.FeeType, ShopID: m.PayMchKey.OutShopID,
		DeviceID: m.OrderClient.DeviceID, StaffID: m.OrderClient.StaffID, Body: p.Body, Detail: p.Detail,
		ClientIP: m.OrderClient.SpbillCreateIP, NotifyURL: p.CallerNotifyURL,
	}
	if e := p.WxpayExt; e != nil {
		in.Attach, in.GoodsTag, in.LimitPay = e.Attach, e.GoodsTag, e.LimitPay
		x.Attach, x.GoodsTag, x.LimitPay = e.Attach, e.GoodsTag, e.LimitPay
	}
	if e := p.AlipayExt; e != nil {
		in.DiscountableAmount, in.UndiscountableAmount = pay.Fen(e.DiscountableAmount), pay.Fen(e.UndiscountableAmount)
		in.DisablePayChannels = e.DisablePayChannels
		x.Discountable, x.Undiscountable, x.DisablePayChannels = e.DiscountableAmount, e.UndiscountableAmount, e.DisablePayChannels
	}
	in.Extra = x.Encode()
	o, err := s.Gateway.MicroPay(ctx, c.merchant, in)
	if err == nil {
		err = o.PayAnswer()
	}
	if err != nil {
		return nil, err
	}
	return &cpay.MicroPayResponse{PayMchKey: wire.MchKey(o), OrderContent: wire.Paying(o)}, nil
}

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
	o, err := s.Gateway.Reverse(ctx, c.merchant, m.OutTradeNo, m.OrderClient.DeviceID)
	if err == nil {
		err = o.ReverseAnswer()
	}
	if err != nil {
		return nil, err
	}
	return &cpay.ReverseResponse{}, nil
}

// refund gives money back. Status 0 means accepted.
func (s *Server) refund(ctx context.Context, c *call, m *cpay.RefundRequest) (cpay.Message, error) {
	if err := mustSign(c); err != nil {
		return nil, err
	}
	if err := sameProvider(c.merchant, m.PayMchKey); err != nil {
		return nil, err
	}
	if err := mayRefund(c.merchant, m); err != nil {
		return nil, err
	}
	f := &m.RefundContent
	o, r, err := s.Gateway.Refund(ctx, c.merchant, gateway.Refund{
		OutTradeNo: f.OutTradeNo, OutRefundNo: f.OutRefundNo, Total: pay.Fen(f.TotalFee), Amount: pay.Fen(f.RefundFee),
		Currency: f.RefundFeeType, Reason: f.RefundReason,
		Extra: wire.Extra{RefundFlowID: f.ClientRefundFlowID, Client: m.OrderClient}.Encode(),
	})
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

// sameProvider refuses a request that names another provider than the
// merchant's: its sender is set up wrongly.
func sameProvider(m *directory.Merchant, k cpay.PayMchKey) error {
	if k.OutMchID != "" && k.OutMchID != m.ProviderID {
		return pay.Refuse(pay.ErrDenied, "provider", "子商户不属于该服务商")
	}
	return nil
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

// mayRefund checks who refunds, if the caller wants it checked: the merchant's
// administrator, a manager of the shop, or staff with the right to refund
// (protocol.md §2.2).
func mayRefund(m *directory.Merchant, r *cpay.RefundRequest) error {
	k := &r.PayMchKey
	if r.APIVersion < apiVersionChecked || k.IsSubMchAdmin {
		return nil
	}
	if shop, ok := m.Shop(k.OutShopID); ok {
		if person, ok := shop.Person(k.AuthorizationStaffID); ok && (person.RefundAuth || person.ShopManager) {
			return nil
		}
	}
	return pay.Refuse(pay.ErrDenied, "refund_permission", "没有退款权限，请由店长或管理员授权")
}
