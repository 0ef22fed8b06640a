package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// orderCmd looks at and works on orders as an operator does.
type orderCmd struct {
	List    orderListCmd    `cmd:"" help:"List a merchant's orders and refunds, newest first."`
	Totals  orderTotalsCmd  `cmd:"" help:"Sum up a merchant's orders and refunds."`
	Show    orderShowCmd    `cmd:"" help:"Show an order with its refunds, what happened when, and open callbacks."`
	Query   orderQueryCmd   `cmd:"" help:"Ask the wallet now."`
	Close   orderCloseCmd   `cmd:"" help:"Close an unpaid order."`
	Reverse orderReverseCmd `cmd:"" help:"Reverse an order."`
	Refund  orderRefundCmd  `cmd:"" help:"Refund an order, in part or in full."`
	Refunds orderRefundsCmd `cmd:"" help:"List an order's refunds."`
	Resend  orderResendCmd  `cmd:"" help:"Tell the merchant once more."`

	Adopt      orderAdoptCmd      `cmd:"" help:"Adopt late money of a dead order: it is the merchant's, who is told that it is paid."`
	ReturnLate orderReturnLateCmd `cmd:"" name:"return-late" help:"Give late money back that waits for a person."`
	ByHand     orderByHandCmd     `cmd:"" name:"refund-by-hand" help:"End a refund that the bank sent back."`
}

// byHandArg says why somebody does something by hand.
type byHandArg struct {
	orderArg
	Why string `name:"why" required:"" help:"Why; it stays with the order and in the audit trail."`
}

type orderAdoptCmd struct{ byHandArg }

// Run adopts the money and prints the order.
func (c *orderAdoptCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("late"), body{"decision": "adopt", "why": c.Why})
}

type orderReturnLateCmd struct{ byHandArg }

// Run has the money returned and prints the order.
func (c *orderReturnLateCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("late"), body{"decision": "return", "why": c.Why})
}

type orderByHandCmd struct {
	byHandArg
	Number  string `name:"refund" required:"" placeholder:"NUMBER" help:"Refund number."`
	Outcome string `name:"outcome" required:"" enum:"offline,resume,to-merchant" help:"offline: the customer got the money outside the wallet. resume: ask the wallet whether it has arrived. to-merchant: have WeChat Pay pay it to the merchant's bank account, then ask; once the merchant has paid the customer, say offline."`
}

// Run decides and prints the refund.
func (c *orderByHandCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("refunds", c.Number, "by-hand"), body{"decision": strings.ReplaceAll(c.Outcome, "-", "_"), "why": c.Why})
}

// reportFlags say which orders and refunds are meant.
type reportFlags struct {
	Kind    string        `name:"kind" enum:"orders,refunds,both" default:"orders" help:"orders, refunds or both."`
	Since   time.Duration `name:"since" default:"24h" help:"Of the last so long, at most 2160h."`
	Paid    bool          `name:"paid" help:"By the time of payment, instead of creation; only what was paid."`
	Shop    string        `name:"shop" help:"Only of this out_shop_id."`
	Staff   string        `name:"staff" help:"Only of this staff_id."`
	Device  string        `name:"device" help:"Only of this device_id."`
	Channel string        `name:"channel" enum:"wxpay,alipay," default:"" help:"Only of this wallet."`
}

func (f reportFlags) query() (url.Values, error) {
	if f.Since <= 0 {
		return nil, usage("--since must be positive")
	}
	q := url.Values{"kind": {f.Kind}, "time": {"created"}, "from": {time.Now().Add(-f.Since).UTC().Format(time.RFC3339)}}
	if f.Paid {
		q.Set("time", "paid")
	}
	for name, v := range map[string]string{"out_shop_id": f.Shop, "staff_id": f.Staff, "device_id": f.Device, "channel": f.Channel} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q, nil
}

type orderListCmd struct {
	ofMerchant
	listFlags
	reportFlags
}

// Run lists orders and refunds, newest first.
func (c *orderListCmd) Run(ctx context.Context, e env) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	return c.list(ctx, e, c.listFlags, c.path("orders"), q, []column{
		{"时间", "at"},
		{"订单号", "order.out_trade_no"},
		{"退款单号", "refund.out_refund_no"},
		{"渠道", "order.channel"},
		{"状态", "order.state"},
		{"确认", "order.confirmed_by"},
		{"金额(分)", "order.total_fee"},
		{"退款(分)", "refund.refund_fee"},
		{"门店", "order.out_shop_id"},
		{"设备", "order.device_id"},
		{"店员", "order.staff_id"},
	})
}

type orderTotalsCmd struct {
	ofMerchant
	reportFlags
	By []string `name:"by" enum:"shop,staff,device,qrcode,source,channel,trade_type" help:"Group by: shop, staff, device, qrcode, source, channel, trade_type."`
}

// Run prints the sums, as a whole and by group.
func (c *orderTotalsCmd) Run(ctx context.Context, e env) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	q.Set("kind", "both")
	if len(c.By) > 0 {
		q.Set("by", strings.Join(c.By, ","))
	}
	return c.send(ctx, e, http.MethodGet, c.path("overview")+"?"+q.Encode(), nil)
}

// orderArg names an order.
type orderArg struct {
	ofMerchant
	Order string `arg:"" help:"out_trade_no."`
}

func (c orderArg) path(more ...string) string {
	return c.ofMerchant.path(append([]string{"orders", c.Order}, more...)...)
}

type orderShowCmd struct{ orderArg }

// Run prints the order.
func (c *orderShowCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, c.path(), nil)
}

type orderQueryCmd struct{ orderArg }

// Run asks and prints the order.
func (c *orderQueryCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("query"), nil)
}

type orderCloseCmd struct{ orderArg }

// Run closes and prints the order.
func (c *orderCloseCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("close"), nil)
}

type orderReverseCmd struct{ orderArg }

// Run asks for the reverse and prints the order.
func (c *orderReverseCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("reverse"), nil)
}

type orderRefundCmd struct {
	orderArg
	Number       string `name:"refund" required:"" placeholder:"NUMBER" help:"Refund number, beginning with an order prefix; the same number never refunds twice."`
	Amount       string `name:"amount" required:"" placeholder:"YUAN" help:"Yuan with two decimals."`
	Reason       string `name:"reason" help:"Reason."`
	Staff        string `name:"staff" help:"staff_id of who refunds."`
	AuthorizedBy string `name:"authorized-by" help:"staff_id of who permits it."`
}

// Run sends the refund and prints it. Exit code 0 is accepted, 1 refused, 2
// unknown.
func (c *orderRefundCmd) Run(ctx context.Context, e env) error {
	fen, err := amount(c.Amount)
	if err != nil {
		return err
	}
	return c.send(ctx, e, http.MethodPost, c.path("refunds"), body{
		"out_refund_no": c.Number, "refund_fee": int64(fen), "refund_reason": c.Reason, "staff_id": c.Staff, "authorized_by": c.AuthorizedBy,
	})
}

type orderRefundsCmd struct{ orderArg }

// Run lists the refunds.
func (c *orderRefundsCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, c.path("refunds"), []column{
		{"退款单号", "out_refund_no"}, {"状态", "state"}, {"金额(分)", "refund_fee"}, {"来源", "origin"}, {"受理", "created_at"}, {"到账", "succeeded_at"},
	})
}

type orderResendCmd struct {
	orderArg
	Event string `name:"event" default:"paid" help:"paid, reversed, or refund: and the refund number."`
}

// Run puts the callback back to work.
func (c *orderResendCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("callbacks"), body{"event": c.Event})
}
