package api

import (
	"context"

	"cloudpay/cpay"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/report"
	"cloudpay/internal/secret"
	"cloudpay/internal/wire"
)

// briefMicroPay charges a payment code for a device with a short envelope
// (protocol.md §2.5 no. 28). The wallet is that of the code.
func (s *Server) briefMicroPay(ctx context.Context, c *call, m *cpay.BriefMicroPayRequest) (cpay.Message, error) {
	o, err := s.Gateway.MicroPay(ctx, c.merchant, gateway.MicroPay{
		OutTradeNo: m.OutTradeNo, AuthCode: secret.New(string(m.AuthorCode)), Total: pay.Fen(m.TotalFee),
		ShopID: m.OutShopID, DeviceID: m.DeviceID, Body: m.Body, SubTerminalType: m.SubTerminalType, Authen: c.authen,
		Extra: wire.Extra{Client: cpay.OrderClient{DeviceID: m.DeviceID, SubTerminalType: m.SubTerminalType, SNCode: m.SNCode}}.Encode(),
	})
	if err == nil {
		err = o.PayAnswer()
	}
	if err != nil {
		return nil, err
	}
	return &cpay.BriefMicroPayResponse{BriefStates: wire.BriefState(o, true)}, nil
}

// briefQueryOrder shows the state of an order (no. 29).
func (s *Server) briefQueryOrder(ctx context.Context, c *call, m *cpay.BriefQueryOrderRequest) (cpay.Message, error) {
	if err := ownShop(c, m.OutShopID); err != nil {
		return nil, err
	}
	o, err := s.Gateway.QueryOrder(ctx, c.merchant, m.OutTradeNo)
	if err != nil {
		return nil, err
	}
	return &cpay.BriefQueryOrderResponse{
		PayPlatform: cpay.PayPlatform(o.Channel.Platform()), OutTradeNo: o.OutTradeNo, TotalFee: int64(o.Total), BriefStates: wire.BriefState(o, false),
	}, nil
}

// briefQueryOrderList lists orders and refunds (no. 30).
func (s *Server) briefQueryOrderList(ctx context.Context, c *call, m *cpay.BriefQueryOrderListRequest) (cpay.Message, error) {
	out := &cpay.BriefQueryOrderListResponse{}
	queries, err := s.briefFilters(c, &m.BriefOrderFilter)
	if err != nil || len(queries) == 0 {
		return out, err
	}
	list, err := s.Reports.List(ctx, queries[0], report.Page{Num: int(m.PageNum), Size: int(m.PageSize)})
	if err != nil {
		return nil, err
	}
	out.TotalCount = list.Total
	for _, r := range list.Rows {
		if r.Refund != nil {
			out.OrderDetails = append(out.OrderDetails, cpay.BriefOrderDetail{RefundOrder: wire.BriefRefund(r.Order, *r.Refund)})
			continue
		}
		out.OrderDetails = append(out.OrderDetails, cpay.BriefOrderDetail{Order: wire.BriefOrder(r.Order)})
	}
	return out, nil
}

// briefQueryOrderListOverview sums up such a list by wallet (no. 31).
func (s *Server) briefQueryOrderListOverview(ctx context.Context, c *call, m *cpay.BriefQueryOrderListOverviewRequest) (cpay.Message, error) {
	out := &cpay.BriefQueryOrderListOverviewResponse{}
	queries, err := s.briefFilters(c, &m.BriefOrderFilter)
	if err != nil {
		return nil, err
	}
	for _, f := range queries {
		_, groups, err := s.Reports.Overview(ctx, f, report.By{Channel: true})
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			o := overview(f, g)
			out.Overviews = append(out.Overviews, cpay.BriefOverview{
				SubPayPlatform: o.SubPayPlatform, SuccessCount: o.SuccessCount, SuccessAmount: o.SuccessAmount, SettleAmount: o.SettleAmount,
				DiscountAmount: o.DiscountAmount, PaySettleAmount: o.PaySettleAmount, RefundSettleAmount: o.RefundSettleAmount,
				RefundCreateCount: o.RefundCreateCount, RefundCreateAmount: o.RefundCreateAmount, Poundage: o.Poundage,
				IncomeAmount: o.IncomeAmount, OrderRefundedAmount: o.OrderRefundedAmount,
			})
		}
	}
	return out, nil
}

// briefFilters is filters for the brief lists, which show what succeeded at
// the time of its success, as the others do by default.
func (s *Server) briefFilters(c *call, m *cpay.BriefOrderFilter) ([]report.Filter, error) {
	if err := ownShop(c, m.OutShopID); err != nil {
		return nil, err
	}
	return s.filters(c, &cpay.OrderFilter{
		SubPayPlatforms: m.SubPayPlatforms, OutShopID: m.OutShopID, DeviceID: m.DeviceID, TradeType: m.TradeType,
		OrderType: m.OrderType, StartTime: m.StartTime, EndTime: m.EndTime,
	})
}

// ownShop refuses a shop of somebody else, where a merchant and a shop are named.
func ownShop(c *call, id string) error {
	if _, ok := c.merchant.Shop(id); id != "" && !ok {
		return shopUnknown()
	}
	return nil
}
