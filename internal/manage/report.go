package manage

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/report"
)

// ReportQuery says which orders and refunds a report is about.
type ReportQuery struct {
	MerchantPath
	Kind        string    `query:"kind" doc:"订单、退款或两者" enum:"orders,refunds,both" default:"orders"`
	Axis        string    `query:"time" doc:"按创建时间或支付成功时间" enum:"created,paid" default:"created"`
	From        time.Time `query:"from" doc:"从何时起（含），默认为 to 之前 90 天"`
	To          time.Time `query:"to" doc:"到何时止（不含），默认为现在；跨度最多 90 天"`
	SuccessOnly bool      `query:"success_only" doc:"只列出成功的"`
	ShopID      string    `query:"out_shop_id" maxLength:"32"`
	StaffID     string    `query:"staff_id" maxLength:"32"`
	DeviceID    string    `query:"device_id" maxLength:"32"`
	QRCodeID    string    `query:"qrcode_id" maxLength:"64"`
	Channel     string    `query:"channel" enum:"wxpay,alipay"`
	TradeType   int64     `query:"trade_type" minimum:"0" maximum:"99"`
	Source      int64     `query:"source" minimum:"0" maximum:"99"`
	Terminal    int64     `query:"terminal_type" minimum:"0" maximum:"99"`
	SubTerminal int64     `query:"sub_terminal_type" minimum:"0"`
	OutTradeNo  string    `query:"out_trade_no" maxLength:"32"`
	OutRefundNo string    `query:"out_refund_no" maxLength:"32"`
}

// ReportRow is one order, or one refund and the order that it is of.
type ReportRow struct {
	At       time.Time `json:"at"`
	Order    Order     `json:"order"`
	Refund   *Refund   `json:"refund,omitempty"`
	Poundage int64     `json:"poundage" doc:"手续费，分"`
}

// ReportPage is a page of orders and refunds, newest first.
type ReportPage struct {
	Total int64       `json:"total" doc:"所有页的总数"`
	Items []ReportRow `json:"items"`
	Next  string      `json:"next,omitempty" doc:"下一页的 after；没有更多时为空"`
}

// Figures are the sums of a report. Amounts in fen.
type Figures struct {
	Rows          int64 `json:"rows"`
	TotalCount    int64 `json:"total_count" doc:"支付笔数（含已撤销）"`
	TotalAmount   int64 `json:"total_fee"`
	SuccessCount  int64 `json:"success_count"`
	SuccessAmount int64 `json:"success_fee"`
	RefundCount   int64 `json:"refund_count"`
	RefundAmount  int64 `json:"refund_fee"`
	NetAmount     int64 `json:"net_fee" doc:"实收额 = 交易额 - 退款额"`
	Settle        int64 `json:"settlement_fee"`
	Discount      int64 `json:"discount_fee"`
	Poundage      int64 `json:"poundage"`
	Income        int64 `json:"income" doc:"结算金额 - 手续费"`
}

// ReportGroup is one group of an overview.
type ReportGroup struct {
	ShopID    string `json:"out_shop_id,omitempty"`
	StaffID   string `json:"staff_id,omitempty"`
	DeviceID  string `json:"device_id,omitempty"`
	QRCodeID  string `json:"qrcode_id,omitempty"`
	Source    int64  `json:"source,omitempty"`
	Channel   string `json:"channel,omitempty"`
	TradeType int64  `json:"trade_type,omitempty"`
	Figures
}

// Overview is a report's sums, as a whole and by group.
type Overview struct {
	All    Figures       `json:"all"`
	Groups []ReportGroup `json:"groups"`
}

// StatItem is what was sold in one span of time.
type StatItem struct {
	Begin   time.Time `json:"begin" doc:"起始日零点（北京时间）"`
	Channel string    `json:"channel,omitempty"`
	Payers  int64     `json:"payers" doc:"不同顾客数，-1 为未统计"`
	Figures
}

// Statistics are sums by span of time, newest first.
type Statistics struct {
	All   Figures    `json:"all"`
	Total int64      `json:"total"`
	Items []StatItem `json:"items"`
}

type listOrdersInput struct {
	ReportQuery
	After string `query:"after" doc:"上一页的 next" maxLength:"80"`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type overviewInput struct {
	ReportQuery
	By []string `query:"by" doc:"按什么分组" enum:"shop,staff,device,qrcode,source,channel,trade_type" maxItems:"7"`
}

type statisticsInput struct {
	ReportQuery
	Span      string `query:"span" doc:"按天、周、月或年" enum:"day,week,month,year" default:"day"`
	ByChannel bool   `query:"by_channel" doc:"分渠道"`
	Page      int    `query:"page" minimum:"1" maximum:"100000" default:"1"`
	Limit     int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

func (s *Server) registerReports() {
	const tag, path = "报表", "/v1/merchants/{out_sub_mch_id}"
	add(s, operation{id: "list-orders", method: http.MethodGet, path: ordersPath, summary: "查询订单与退款，新的在前", tag: tag}, s.listOrders)
	add(s, operation{id: "overview", method: http.MethodGet, path: path + "/overview", summary: "汇总", tag: tag}, s.overview)
	add(s, operation{id: "statistics", method: http.MethodGet, path: path + "/statistics", summary: "按时间统计", tag: tag}, s.statistics)
}

// filter makes the filter of a report, narrowed to what the actor may see.
func (s *Server) filter(ctx context.Context, a *actor, c directory.Capability, in ReportQuery) (report.Filter, error) {
	if in.ShopID == "" {
		in.ShopID = a.Grants.ShopID
	}
	m, err := s.merchantAt(ctx, a, c, in.Merchant, in.ShopID)
	if err != nil {
		return report.Filter{}, err
	}
	if directory.Allowed(a.Grants.Role, c) == directory.OwnDoing && !m.Policy.StaffSeesShop {
		if in.StaffID != "" && in.StaffID != a.Grants.StaffID {
			return report.Filter{}, errForeign
		}
		in.StaffID = a.Grants.StaffID
	}
	f := report.Filter{
		MerchantID: m.ID, Kind: map[string]report.Kind{"orders": report.Orders, "refunds": report.Refunds, "both": report.Both}[in.Kind],
		Axis: map[string]report.Axis{"created": report.Created, "paid": report.Paid}[in.Axis], From: in.From, To: in.To,
		SuccessOnly: in.SuccessOnly, ShopID: in.ShopID, StaffID: in.StaffID, DeviceID: in.DeviceID, QRCodeID: in.QRCodeID,
		SourceType: in.Source, Channel: pay.Channel(in.Channel), TradeType: pay.TradeType(in.TradeType), TerminalType: in.Terminal,
		SubTerminalType: in.SubTerminal, OutTradeNo: in.OutTradeNo, OutRefundNo: in.OutRefundNo,
	}
	now := s.Now()
	if f.From.IsZero() {
		to := f.To
		if to.IsZero() {
			to = now
		}
		f.From = to.Add(-report.MaxSpan)
	}
	return f, f.CheckSpan(now)
}

func (s *Server) listOrders(ctx context.Context, a *actor, in *listOrdersInput) (*answer[ReportPage], error) {
	f, err := s.filter(ctx, a, directory.SeeOrders, in.ReportQuery)
	if err != nil {
		return nil, err
	}
	p := report.Page{Num: 1, Size: in.Limit}
	if in.After != "" {
		if p.After, err = parseCursor(in.After); err != nil {
			return nil, err
		}
	}
	list, err := s.Reports.List(ctx, f, p)
	if err != nil {
		return nil, err
	}
	out := ReportPage{Total: list.Total, Items: make([]ReportRow, 0, len(list.Rows))}
	for _, r := range list.Rows {
		row := ReportRow{At: r.At, Order: a.masked(orderView(r.Order)), Poundage: int64(r.Poundage)}
		if r.Refund != nil {
			v := refundView(*r.Refund)
			row.Refund = &v
		}
		out.Items = append(out.Items, row)
	}
	if n := len(list.Rows); n == in.Limit {
		c := list.Rows[n-1].Cursor()
		out.Next = fmt.Sprintf("%d.%d.%s", c.At.UnixMilli(), c.Kind, c.Number)
	}
	return ok(out), nil
}

// parseCursor reads what a page before called next.
func parseCursor(text string) (*report.Cursor, error) {
	at, rest, _ := strings.Cut(text, ".")
	kind, number, found := strings.Cut(rest, ".")
	ms, err1 := strconv.ParseInt(at, 10, 64)
	k, err2 := strconv.ParseInt(kind, 10, 64)
	if !found || err1 != nil || err2 != nil {
		return nil, invalidField("query.after", "翻页参数无效")
	}
	return &report.Cursor{At: time.UnixMilli(ms).UTC(), Kind: report.Kind(k), Number: number}, nil
}

func (s *Server) overview(ctx context.Context, a *actor, in *overviewInput) (*answer[Overview], error) {
	f, err := s.filter(ctx, a, directory.SeeStatistics, in.ReportQuery)
	if err != nil {
		return nil, err
	}
	var by report.By
	for _, name := range in.By {
		switch name {
		case "shop":
			by.Shop = true
		case "staff":
			by.Staff = true
		case "device":
			by.Device = true
		case "qrcode":
			by.QRCode = true
		case "source":
			by.Source = true
		case "channel":
			by.Channel = true
		case "trade_type":
			by.Trade = true
		}
	}
	all, groups, err := s.Reports.Overview(ctx, f, by)
	if err != nil {
		return nil, err
	}
	out := Overview{All: figuresView(all), Groups: []ReportGroup{}}
	if len(in.By) > 0 {
		for _, g := range groups {
			out.Groups = append(out.Groups, ReportGroup{
				ShopID: g.ShopID, StaffID: g.StaffID, DeviceID: g.DeviceID, QRCodeID: g.QRCodeID, Source: g.SourceType,
				Channel: string(g.Channel), TradeType: int64(g.TradeType), Figures: figuresView(g.Figures),
			})
		}
	}
	return ok(out), nil
}

func figuresView(f report.Figures) Figures {
	return Figures{
		Rows: f.Rows, TotalCount: f.TotalCount, TotalAmount: int64(f.TotalAmount), SuccessCount: f.SuccessCount, SuccessAmount: int64(f.SuccessAmount),
		RefundCount: f.RefundCount, RefundAmount: int64(f.RefundAmount), NetAmount: int64(f.NetAmount), Settle: int64(f.Settle),
		Discount: int64(f.Discount), Poundage: int64(f.Poundage), Income: int64(f.Income),
	}
}

func (s *Server) statistics(ctx context.Context, a *actor, in *statisticsInput) (*answer[Statistics], error) {
	f, err := s.filter(ctx, a, directory.SeeStatistics, in.ReportQuery)
	if err != nil {
		return nil, err
	}
	st, err := s.Reports.Stats(ctx, report.StatQuery{
		Filter: f, ByChannel: in.ByChannel, Page: report.Page{Num: in.Page, Size: in.Limit},
		Type: map[string]report.StatType{"day": report.Daily, "week": report.Weekly, "month": report.Monthly, "year": report.Yearly}[in.Span],
	})
	if err != nil {
		return nil, err
	}
	out := Statistics{All: figuresView(st.All), Total: st.Total, Items: make([]StatItem, 0, len(st.Items))}
	for _, i := range st.Items {
		out.Items = append(out.Items, StatItem{Begin: i.Begin, Channel: string(i.Channel), Payers: i.Payers, Figures: figuresView(i.Figures)})
	}
	return ok(out), nil
}
