package api

import (
	"context"
	"slices"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/report"
	"cloudpay/internal/wire"
)

// clientOrderDetail lists orders and refunds with all that belongs to them
// (protocol.md §2.3 no. 12).
func (s *Server) clientOrderDetail(ctx context.Context, c *call, m *cpay.ClientOrderDetailRequest) (cpay.Message, error) {
	f := report.Filter{
		MerchantID: c.merchant.ID, Kind: kindOf(m.QueryOrderType), Axis: report.Created,
		From: second(m.StartTime), To: afterSecond(m.EndTime), ShopID: m.OutShopID, StaffID: m.StaffID, DeviceID: m.DeviceID,
		TradeType: pay.TradeType(m.TradeType),
	}
	var ok bool
	if f.Channel, ok = channelOf(int64(m.PayPlatform)); !ok {
		return &cpay.ClientOrderDetailResponse{Overview: emptyOverview(m.EnableOverview, f)}, nil
	}
	list, err := s.Reports.List(ctx, f, report.Page{Num: int(m.PageNum), Size: int(m.PageSize)})
	if err != nil {
		return nil, err
	}
	out := &cpay.ClientOrderDetailResponse{TotalCount: list.Total}
	for _, r := range list.Rows {
		out.OrderDetails = append(out.OrderDetails, s.detail(c, r))
	}
	if m.EnableOverview {
		all, _, err := s.Reports.Overview(ctx, f, report.By{})
		if err != nil {
			return nil, err
		}
		o := overview(f, report.Group{Figures: all})
		out.Overview = &o
	}
	return out, nil
}

// detail is one row of client_order_detail.
func (s *Server) detail(c *call, r report.Row) cpay.OrderDetail {
	d := cpay.OrderDetail{DisplayTimeField: "create_time"}
	shopID, staffID := r.Order.ShopID, r.Order.StaffID
	if r.Refund == nil {
		d.Receipt.Order = wire.ReceiptOrder(r.Order)
	} else {
		d.Receipt.RefundOrder = wire.ReceiptRefund(r.Order, *r.Refund)
		shopID, _, staffID = wire.RefundPlace(r.Order, *r.Refund)
	}
	if shop, ok := c.merchant.Shop(shopID); ok {
		info := s.shopInfo(c, shop)
		info.DeviceInfos, info.StaffInfos, info.QRCodeInfos = nil, nil, nil
		d.ShopInfo = &info
		if person, ok := shop.Person(staffID); ok {
			staff := staffInfo(person)
			d.ShopStaffInfo = &staff
		}
	}
	return d
}

// queryOrderList lists orders or refunds, each in one flat object (no. 13).
func (s *Server) queryOrderList(ctx context.Context, c *call, m *cpay.QueryOrderListRequest) (cpay.Message, error) {
	out := &cpay.QueryOrderListResponse{}
	queries, err := s.filters(c, &m.OrderFilter)
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
			shop, device, staff := wire.RefundPlace(r.Order, *r.Refund)
			n := names(c.merchant, shop, device, staff, r.Order.QRCodeID)
			out.OrderDetails = append(out.OrderDetails, cpay.OrderListDetail{RefundOrder: wire.ListRefund(r.Order, *r.Refund, r.Poundage, n)})
			continue
		}
		n := names(c.merchant, r.Order.ShopID, r.Order.DeviceID, r.Order.StaffID, r.Order.QRCodeID)
		out.OrderDetails = append(out.OrderDetails, cpay.OrderListDetail{Order: wire.ListOrder(r.Order, r.Poundage, n)})
	}
	return out, nil
}

// queryOrderListOverview sums up such a list, by wallet (no. 14).
func (s *Server) queryOrderListOverview(ctx context.Context, c *call, m *cpay.QueryOrderListOverviewRequest) (cpay.Message, error) {
	out := &cpay.QueryOrderListOverviewResponse{}
	queries, err := s.filters(c, &m.OrderFilter)
	if err != nil {
		return nil, err
	}
	for _, f := range queries {
		f.OutTradeNo, f.OutRefundNo = m.OutTradeNo, m.OutRefundNo
		_, groups, err := s.Reports.Overview(ctx, f, report.By{Channel: true})
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			out.Overviews = append(out.Overviews, overview(f, g))
		}
	}
	out.TotalCount = int64(len(out.Overviews))
	return out, nil
}

// clientSubMchSalesOverview is what was sold by day, week, month or year (no. 15).
func (s *Server) clientSubMchSalesOverview(ctx context.Context, c *call, m *cpay.ClientSubMchSalesOverviewRequest) (cpay.Message, error) {
	if err := ofProvider(c.merchant, m.OutMchID); err != nil {
		return nil, err
	}
	out := &cpay.ClientSubMchSalesOverviewResponse{}
	f := report.Filter{
		MerchantID: c.merchant.ID, Kind: report.Both, Axis: report.Paid,
		From: second(m.StartTime), To: afterSecond(m.EndTime), TradeType: pay.TradeType(m.TradeType),
	}
	var ok bool
	if f.Channel, ok = channelOf(int64(m.PayPlatform)); !ok {
		out.Overview = &cpay.StatInfo{OutMchID: c.merchant.ProviderID, OutSubMchID: c.merchant.ID, PayPlatform: m.PayPlatform}
		return out, nil
	}
	q := report.StatQuery{
		Filter: f, Type: report.StatType(max(1, m.StatType)), ByChannel: true,
		Page: report.Page{Num: int(max(1, m.PageNum)), Size: int(m.PageSize)},
	}
	if q.Page.Size == 0 {
		q.Page.Size = report.MaxPage
	}
	for _, shop := range m.Shops {
		if _, ok := c.merchant.Shop(shop.OutShopID); !ok {
			return nil, shopUnknown()
		}
		q.Shops = append(q.Shops, report.ShopStaff{ShopID: shop.OutShopID, StaffIDs: shop.StaffIDs})
	}
	stats, err := s.Reports.Stats(ctx, q)
	if err != nil {
		return nil, err
	}
	out.TotalCount = stats.Total
	all := stat(c.merchant, report.StatItem{Figures: stats.All, Channel: f.Channel})
	out.Overview = &all
	for _, item := range stats.Items {
		out.StatInfos = append(out.StatInfos, stat(c.merchant, item))
	}
	return out, nil
}

// filters turns a filter of the wire into those of the reports: none if
// nothing can match, one for each wallet asked for.
func (s *Server) filters(c *call, m *cpay.OrderFilter) ([]report.Filter, error) {
	f := report.Filter{
		MerchantID: c.merchant.ID, Kind: kindOf(m.OrderType), Axis: report.Paid, SuccessOnly: m.Status == 0,
		From: second(m.StartTime), To: afterSecond(m.EndTime), ShopID: m.OutShopID, StaffID: m.StaffID, DeviceID: m.DeviceID,
		QRCodeID: m.QRCodeID, SourceType: m.SourceType, TradeType: pay.TradeType(m.TradeType),
	}
	if m.PayTimeType == createTime || m.PayTimeType == 0 && m.Status != 0 {
		f.Axis = report.Created // what was never paid has no time of success
	}
	if err := f.CheckSpan(s.Now()); err != nil {
		return nil, err
	}
	if m.OrderType == cpay.OrderTypeFreezes || m.OrderType == cpay.OrderTypeUnfreezes {
		return nil, nil // there are no deposits
	}
	return byWallet(f, m.SubPayPlatforms), nil
}

// createTime is the pay_time_type by which an order stands at its creation.
const createTime = 1

// byWallet returns the filter for each kind of wallet asked for that exists.
// All of them together, or none named, are one filter.
func byWallet(f report.Filter, platforms []int64) []report.Filter {
	var out []report.Filter
	for _, ch := range channels {
		if slices.Contains(platforms, wire.SubPlatform(ch)) {
			one := f
			one.Channel = ch
			out = append(out, one)
		}
	}
	if len(out) == len(channels) || len(platforms) == 0 {
		return []report.Filter{f}
	}
	return out
}

// kindOf is what a list holds; deposits are looked at before.
func kindOf(t cpay.OrderType) report.Kind {
	switch t {
	case cpay.OrderTypeOrders:
		return report.Orders
	case cpay.OrderTypeRefunds:
		return report.Refunds
	case cpay.OrderTypeBoth, cpay.OrderTypeFreezes, cpay.OrderTypeUnfreezes:
	}
	return report.Both
}

// channelOf is the wallet of a pay_platform, "" for all; ok is false for one
// that we have no orders of.
func channelOf(platform int64) (ch pay.Channel, ok bool) {
	if platform == 0 {
		return "", true
	}
	for _, ch := range channels {
		if ch.Platform() == platform {
			return ch, true
		}
	}
	return "", false
}

// second is a time of the wire, zero for 0.
func second(unix int64) time.Time {
	if unix <= 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}

// afterSecond is the end of a span that includes that second.
func afterSecond(unix int64) time.Time {
	if unix <= 0 {
		return time.Time{}
	}
	return time.Unix(unix+1, 0).UTC()
}

// overview is a group of figures as OrderStatClientInfo.
func overview(f report.Filter, g report.Group) cpay.OrderStatClientInfo {
	o := cpay.OrderStatClientInfo{
		OutSubMchID: f.MerchantID, OutShopID: f.ShopID, StaffID: f.StaffID, DeviceID: f.DeviceID, QRCodeID: f.QRCodeID,
		SourceType: f.SourceType, TradeType: cpay.TradeType(f.TradeType), FeeType: "CNY",
		SuccessCount: g.SuccessCount, SuccessAmount: int64(g.SuccessAmount), SettleAmount: int64(g.Settle), DiscountAmount: int64(g.Discount),
		PaySettleAmount: int64(g.PaySettle), RefundSettleAmount: int64(g.RefundSettle),
		RefundCreateCount: g.RefundCount, RefundCreateAmount: int64(g.RefundAmount),
		Poundage: int64(g.Poundage), IncomeAmount: int64(g.Income), OrderRefundedAmount: int64(g.OrderRefunded),
	}
	ch := g.Channel
	if ch == "" {
		ch = f.Channel
	}
	if ch != "" {
		o.SubPayPlatform = wire.SubPlatform(ch)
	}
	return o
}

// emptyOverview is the overview of nothing, if one is wanted.
func emptyOverview(wanted bool, f report.Filter) *cpay.OrderStatClientInfo {
	if !wanted {
		return nil
	}
	o := overview(f, report.Group{})
	return &o
}

// stat is one line of the sales overview.
func stat(m *directory.Merchant, i report.StatItem) cpay.StatInfo {
	s := cpay.StatInfo{
		OutMchID: m.ProviderID, OutSubMchID: m.ID, OutShopID: i.ShopID, StaffID: i.StaffID,
		TotalCount: i.TotalCount, TotalAmount: int64(i.TotalAmount), SuccessCount: i.SuccessCount, SuccessAmount: int64(i.SuccessAmount),
		SettleAmount: int64(i.Settle), RefundCount: i.RefundCount, RefundAmount: int64(i.RefundAmount),
		NetCount: i.NetCount, NetAmount: int64(i.NetAmount), DistinctPayerCount: max(0, i.Payers),
		PaySettleAmount: int64(i.PaySettle), RevokeSettleAmount: int64(i.RevokeSettle), RefundSettleAmount: int64(i.RefundSettle),
	}
	if i.Channel != "" {
		s.PayPlatform = cpay.PayPlatform(i.Channel.Platform())
	}
	if shop, ok := m.Shop(i.ShopID); ok {
		s.ShopID = shop.Number
	}
	if !i.Begin.IsZero() {
		s.Date = i.Begin.Unix()
	}
	return s
}

// names are what an order's ids are called now.
func names(m *directory.Merchant, shopID, deviceID, staffID, codeID string) wire.Names {
	shop, ok := m.Shop(shopID)
	if !ok {
		return wire.Names{}
	}
	n := wire.Names{Shop: shop.Name}
	if d, ok := shop.Device(deviceID); ok {
		n.Device = d.Name
	}
	if p, ok := shop.Person(staffID); ok {
		n.Staff = p.Name
	}
	for _, q := range shop.Profile.QRCodes {
		if q.ID == codeID {
			n.QRCode = q.Name
		}
	}
	return n
}

// channels are the wallets that orders can be of.
var channels = [...]pay.Channel{pay.Wxpay, pay.Alipay}

// shopUnknown refuses a shop that the merchant does not have.
func shopUnknown() error { return pay.Refuse(pay.ErrDenied, "shop", "门店不存在") }
