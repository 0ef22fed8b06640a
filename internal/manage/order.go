package manage

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// kindCallback is the kind of the jobs that tell merchants, as the gateway
// names it in the rows.
const kindCallback = "callback"

// Order is an order as an operator sees it. Amounts in fen.
type Order struct {
	MerchantID    string     `json:"out_sub_mch_id"`
	OutTradeNo    string     `json:"out_trade_no"`
	ProviderID    string     `json:"out_mch_id"`
	Channel       string     `json:"channel"`
	TradeType     int64      `json:"trade_type"`
	State         string     `json:"state" doc:"PAYING、PAID、DECLINED、REVERSING、REVERSED、CLOSING、CLOSED"`
	Total         int64      `json:"total_fee" doc:"分"`
	Refunded      int64      `json:"refunded_fee" doc:"已退款，分"`
	Reserved      int64      `json:"refund_accepted_fee" doc:"已受理退款（含进行中），分"`
	Settlement    int64      `json:"settlement_fee,omitempty" doc:"结算金额，分"`
	Cash          int64      `json:"cash_fee,omitempty" doc:"顾客实付，分"`
	ShopID        string     `json:"out_shop_id,omitempty"`
	DeviceID      string     `json:"device_id,omitempty"`
	StaffID       string     `json:"staff_id,omitempty"`
	Body          string     `json:"body,omitempty"`
	TransactionID string     `json:"transaction_id,omitempty"`
	PayerID       string     `json:"payer_id,omitempty"`
	BankType      string     `json:"bank_type,omitempty"`
	Code          string     `json:"code,omitempty" doc:"渠道最近的返回码"`
	Reason        string     `json:"reason,omitempty"`
	Text          string     `json:"text,omitempty"`
	Truth         string     `json:"truth,omitempty" doc:"状态的依据：bill、query、notice、answer、local"`
	Confirmed     string     `json:"confirmed_by" doc:"由谁确认：local 本地、channel 渠道、bill 账单"`
	Late          string     `json:"late,omitempty" doc:"迟到资金：HELD、RETURNED、ADOPTED"`
	Asks          int64      `json:"queries" doc:"已查询次数"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	PaidAt        *time.Time `json:"paid_at,omitempty"`
	NextAskAt     *time.Time `json:"next_query_at,omitempty"`
	ExpireAt      *time.Time `json:"expire_at,omitempty"`
}

// OrderDetail is an order with its refunds and what happened when.
type OrderDetail struct {
	Order
	Refunds   []Refund   `json:"refunds"`
	Timeline  []Moment   `json:"timeline" doc:"已知的经过，旧的在前"`
	Callbacks []Delivery `json:"callbacks" doc:"未完成的回调"`
	Events    []string   `json:"events" doc:"可以重发的回调事件"`
	Hands     []Hand     `json:"by_hand,omitempty" doc:"人工处理，旧的在前"`
}

// Refund is a refund as an operator sees it. Amounts in fen.
type Refund struct {
	OutRefundNo  string     `json:"out_refund_no"`
	OutTradeNo   string     `json:"out_trade_no"`
	State        string     `json:"state" doc:"PENDING、SUCCEEDED、REJECTED、NEEDS_HAND、OFFLINE"`
	Origin       string     `json:"origin" doc:"api、reverse、late、channel"`
	Amount       int64      `json:"refund_fee" doc:"分"`
	Settlement   int64      `json:"settlement_fee,omitempty" doc:"分"`
	Reason       string     `json:"refund_reason,omitempty"`
	StaffID      string     `json:"staff_id,omitempty"`
	AuthorizedBy string     `json:"authorized_by,omitempty"`
	RefundID     string     `json:"refund_id,omitempty"`
	Code         string     `json:"code,omitempty"`
	Text         string     `json:"text,omitempty"`
	CreatedAt    time.Time  `json:"created_at"`
	SucceededAt  *time.Time `json:"succeeded_at,omitempty"`
}

// Hand is what a person did to an order or a refund by hand.
type Hand struct {
	At          time.Time `json:"at"`
	Act         string    `json:"act" doc:"做了什么：adopt 认领、return 退回、offline 线下退款、resume 继续退款"`
	OutRefundNo string    `json:"out_refund_no,omitempty"`
	Who         string    `json:"who" doc:"操作人"`
	Why         string    `json:"why" doc:"理由，由操作人填写"`
}

// Moment is one thing that happened to an order.
type Moment struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	Note string    `json:"note,omitempty"`
}

// OrderPath names the order of an operation.
type OrderPath struct {
	MerchantPath
	Order string `path:"out_trade_no" maxLength:"32"`
}

type refundInput struct {
	OrderPath
	Body struct {
		OutRefundNo  string `json:"out_refund_no" doc:"退款单号，以订单前缀开头；同一单号只退一次" minLength:"1" maxLength:"32"`
		Amount       int64  `json:"refund_fee" doc:"分" minimum:"1"`
		Reason       string `json:"refund_reason,omitempty" maxLength:"80"`
		ShopID       string `json:"out_shop_id,omitempty" doc:"退款门店，不填为订单的门店" maxLength:"32"`
		StaffID      string `json:"staff_id,omitempty" doc:"退款店员" maxLength:"32"`
		AuthorizedBy string `json:"authorized_by,omitempty" doc:"授权人 staff_id" maxLength:"32"`
	}
}

const ordersPath = "/v1/merchants/{out_sub_mch_id}/orders"

func (s *Server) registerOrders() {
	const tag, path = "订单", ordersPath + "/{out_trade_no}"
	add(s, operation{id: "get-order", method: http.MethodGet, path: path, summary: "订单、退款与经过", tag: tag}, s.getOrder)
	add(s, operation{id: "query-order", method: http.MethodPost, path: path + "/query", summary: "立即向渠道查询", tag: tag}, s.queryOrder)
	add(s, operation{id: "close-order", method: http.MethodPost, path: path + "/close", summary: "关闭未支付的订单", tag: tag}, s.closeOrder)
	add(s, operation{id: "reverse-order", method: http.MethodPost, path: path + "/reverse", summary: "撤单", tag: tag}, s.reverseOrder)
	add(s, operation{id: "list-order-refunds", method: http.MethodGet, path: path + "/refunds", summary: "订单的退款", tag: tag}, s.listRefunds)
	add(s, operation{id: "refund-order", method: http.MethodPost, path: path + "/refunds", summary: "退款", tag: tag, status: http.StatusCreated}, s.refundOrder)
}

func orderView(o pay.Order) Order {
	return Order{
		MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, ProviderID: o.ProviderID, Channel: string(o.Channel), TradeType: int64(o.TradeType),
		State: string(o.State), Total: int64(o.Total), Refunded: int64(o.Refunded), Reserved: int64(o.Reserved),
		Settlement: int64(o.Settlement), Cash: int64(o.Cash), ShopID: o.ShopID, DeviceID: o.DeviceID, StaffID: o.StaffID, Body: o.Body,
		TransactionID: o.TransactionID, PayerID: o.PayerID, BankType: o.BankType, Code: o.Code, Reason: string(o.Reason), Text: o.Text,
		Truth: string(o.Truth), Confirmed: o.Truth.Confirmed(), Late: string(o.Late), Asks: o.Asks, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
		PaidAt: moment(o.PaidAt), NextAskAt: moment(o.AskAt), ExpireAt: moment(o.ExpireAt),
	}
}

func refundView(r pay.Refund) Refund {
	return Refund{
		OutRefundNo: r.OutRefundNo, OutTradeNo: r.OutTradeNo, State: string(r.State), Origin: string(r.Origin), Amount: int64(r.Amount),
		Settlement: int64(r.Settlement), Reason: r.Reason, StaffID: r.StaffID, AuthorizedBy: r.AuthorizedBy, RefundID: r.RefundID,
		Code: r.Code, Text: r.Text, CreatedAt: r.CreatedAt, SucceededAt: moment(r.SucceededAt),
	}
}

// masked hides who paid from those who keep the machines running.
func (a *actor) masked(o Order) Order {
	if a.Grants.Role == directory.RoleOps {
		o.PayerID, o.TransactionID, o.Body = mask(o.PayerID), mask(o.TransactionID), ""
	}
	return o
}

// mask keeps the last four characters.
func mask(s string) string {
	const keep = 4
	if len(s) <= keep {
		return ""
	}
	return "****" + s[len(s)-keep:]
}

// order finds the order of an operation. A capability that reaches one shop or
// one's own doings is checked against the order's shop and staff.
func (s *Server) order(ctx context.Context, a *actor, c directory.Capability, in OrderPath) (*directory.Merchant, pay.Order, error) {
	if err := a.hasRoleFor(c); err != nil {
		return nil, pay.Order{}, err
	}
	m, err := s.Directory.Merchant(ctx, in.Merchant)
	if errors.Is(err, pay.ErrNotFound) {
		return nil, pay.Order{}, errForeign
	} else if err != nil {
		return nil, pay.Order{}, err
	}
	o, err := s.Store.Order(ctx, m.ID, in.Order)
	if errors.Is(err, pay.ErrNotFound) {
		return nil, pay.Order{}, errForeign
	} else if err != nil {
		return nil, pay.Order{}, err
	}
	t := of(m).at(o.ShopID)
	if directory.Allowed(a.Grants.Role, c) == directory.OwnDoing && !m.Policy.StaffSeesShop {
		t.staff = "-" // what nobody did is not one's own
		if o.StaffID != "" {
			t.staff = o.StaffID
		}
	}
	return m, o, a.may(c, t)
}

func (s *Server) getOrder(ctx context.Context, a *actor, in *OrderPath) (*answer[OrderDetail], error) {
	m, o, err := s.order(ctx, a, directory.SeeOrders, *in)
	if err != nil {
		return nil, err
	}
	refunds, err := s.Store.Refunds(ctx, m.ID, o.OutTradeNo)
	if err != nil {
		return nil, err
	}
	waiting, err := s.Store.ListJobs(ctx, store.JobFilter{MerchantID: m.ID, Kind: kindCallback, Limit: maxCallbacks})
	if err != nil {
		return nil, err
	}
	shown := a.masked(orderView(o))
	o.TransactionID = shown.TransactionID // the timeline names it too
	d := OrderDetail{
		Order: shown, Refunds: []Refund{}, Timeline: momentsOf(o, refunds), Callbacks: []Delivery{},
		Events: append([]string{}, s.Gateway.Events(o, refunds)...),
	}
	for _, r := range refunds {
		d.Refunds = append(d.Refunds, refundView(r))
	}
	hands, err := s.Store.Hands(ctx, m.ID, o.OutTradeNo)
	if err != nil {
		return nil, err
	}
	for _, h := range hands {
		d.Hands = append(d.Hands, Hand{At: h.At, Act: h.Act, OutRefundNo: h.OutRefundNo, Who: h.Who, Why: h.Why})
	}
	for _, j := range waiting {
		if v := deliveryView(j); v.OutTradeNo == o.OutTradeNo {
			d.Callbacks = append(d.Callbacks, v)
		}
	}
	return ok(d), nil
}

// momentsOf is what the rows know of the past, oldest first.
func momentsOf(o pay.Order, refunds []pay.Refund) []Moment {
	var all []Moment
	add := func(at time.Time, what, note string) {
		if !at.IsZero() {
			all = append(all, Moment{At: at, What: what, Note: note})
		}
	}
	add(o.CreatedAt, "created", "")
	add(o.SentAt, "sent", string(o.Channel))
	add(o.AskedAt, "queried", string(o.Seen))
	add(o.PaidAt, "paid", o.TransactionID)
	add(o.ReverseSentAt, "reverse_started", "")
	add(o.ReversedAt, "reverse_sent", "")
	if o.State.Final() && o.State != pay.PAID {
		add(o.UpdatedAt, string(o.State), o.Text)
	}
	for _, r := range refunds {
		add(r.CreatedAt, "refund_accepted", r.OutRefundNo)
		add(r.SentAt, "refund_sent", r.OutRefundNo)
		add(r.SucceededAt, "refunded", r.OutRefundNo)
		if r.State == pay.RefundRejected {
			add(r.UpdatedAt, "refund_rejected", r.OutRefundNo+" "+r.Text)
		}
	}
	slices.SortStableFunc(all, func(a, b Moment) int { return a.At.Compare(b.At) })
	return all
}

func (s *Server) queryOrder(ctx context.Context, a *actor, in *OrderPath) (*answer[Order], error) {
	m, o, err := s.order(ctx, a, directory.SeeOrders, *in)
	if err != nil {
		return nil, err
	}
	if o, err = s.Gateway.AskNow(ctx, m, o.OutTradeNo); err != nil {
		return nil, err
	}
	return ok(a.masked(orderView(o))), nil
}

func (s *Server) closeOrder(ctx context.Context, a *actor, in *OrderPath) (*answer[Order], error) {
	m, o, err := s.order(ctx, a, directory.MakeRefunds, *in)
	if err != nil {
		return nil, err
	}
	if err := s.Gateway.CloseOrder(ctx, m, o.OutTradeNo); err != nil {
		return nil, err
	}
	return s.changed(ctx, a, m, o, "order.close")
}

// reverseOrder undoes a payment. It moves money, so it asks for what a refund
// asks for.
func (s *Server) reverseOrder(ctx context.Context, a *actor, in *OrderPath) (*answer[Order], error) {
	m, o, err := s.order(ctx, a, directory.MakeRefunds, *in)
	if err != nil {
		return nil, err
	}
	if _, err := s.Gateway.Reverse(ctx, m, o.OutTradeNo, o.DeviceID); err != nil {
		return nil, err
	}
	return s.changed(ctx, a, m, o, "order.reverse")
}

// changed records what was done to an order and returns it as it stands now.
func (s *Server) changed(ctx context.Context, a *actor, m *directory.Merchant, before pay.Order, action string) (*answer[Order], error) {
	o, err := s.Store.Order(ctx, m.ID, before.OutTradeNo)
	if err != nil {
		return nil, err
	}
	err = s.Directory.Record(ctx, a.by(), directory.Event{
		Action: action, ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "order", ObjectID: o.OutTradeNo,
		Before: map[string]any{"state": before.State}, After: map[string]any{"state": o.State},
	})
	if err != nil {
		return nil, err
	}
	return ok(a.masked(orderView(o))), nil
}

func (s *Server) listRefunds(ctx context.Context, a *actor, in *OrderPath) (*answer[Page[Refund]], error) {
	m, o, err := s.order(ctx, a, directory.SeeOrders, *in)
	if err != nil {
		return nil, err
	}
	refunds, err := s.Store.Refunds(ctx, m.ID, o.OutTradeNo)
	if err != nil {
		return nil, err
	}
	return whole(refunds, refundView), nil
}

func (s *Server) refundOrder(ctx context.Context, a *actor, in *refundInput) (*answer[Refund], error) {
	m, o, err := s.order(ctx, a, directory.MakeRefunds, in.OrderPath)
	if err != nil {
		return nil, err
	}
	b := in.Body
	if b.ShopID == "" {
		b.ShopID = o.ShopID
	}
	if a.Grants.ShopID != "" && b.ShopID != a.Grants.ShopID {
		return nil, errForeign
	}
	if b.AuthorizedBy != "" {
		if _, err := directory.MayRefund(m, b.ShopID, b.AuthorizedBy, false); err != nil {
			return nil, err
		}
	}
	if a.Grants.StaffID != "" {
		b.StaffID = a.Grants.StaffID // the refund staff recorded is the refund operator (R14)
	}
	_, r, err := s.Gateway.Refund(ctx, m, gateway.Refund{
		OutTradeNo: o.OutTradeNo, OutRefundNo: b.OutRefundNo, Total: o.Total, Amount: pay.Fen(b.Amount), Reason: b.Reason,
		ShopID: b.ShopID, StaffID: b.StaffID, AuthorizedBy: b.AuthorizedBy,
	})
	if err != nil {
		return nil, err
	}
	err = s.Directory.Record(ctx, a.by(), directory.Event{
		Action: "order.refund", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "order", ObjectID: o.OutTradeNo,
		After: map[string]any{"out_refund_no": r.OutRefundNo, "refund_fee": r.Amount, "staff_id": b.StaffID, "authorized_by": b.AuthorizedBy},
	})
	if err != nil {
		return nil, err
	}
	return ok(refundView(r)), nil
}

// Delivery is a callback that the merchant has not acknowledged.
type Delivery struct {
	MerchantID string    `json:"out_sub_mch_id"`
	OutTradeNo string    `json:"out_trade_no"`
	Event      string    `json:"event" doc:"paid、reversed，或 refund: 加退款单号"`
	State      string    `json:"state" doc:"ready：会再送；buried：已停止，需人工重发"`
	Attempt    int64     `json:"attempts"`
	NextAt     time.Time `json:"next_at"`
	LastError  string    `json:"last_error,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
}

func deliveryView(j jobs.Job) Delivery {
	no, event, _ := cutRef(j.Ref)
	return Delivery{
		MerchantID: j.MerchantID, OutTradeNo: no, Event: event, State: string(j.State), Attempt: j.Attempt, NextAt: j.RunAt,
		LastError: j.LastError, CreatedAt: j.CreatedAt,
	}
}
