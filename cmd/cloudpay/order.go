package main

import (
	"context"
	"net/http"
)

// orderCmd looks at and works on orders as an operator does.
type orderCmd struct {
	Show    orderShowCmd    `cmd:"" help:"Show an order with its refunds, what happened when, and open callbacks."`
	Query   orderQueryCmd   `cmd:"" help:"Ask the wallet now."`
	Close   orderCloseCmd   `cmd:"" help:"Close an unpaid order."`
	Reverse orderReverseCmd `cmd:"" help:"Reverse an order."`
	Refund  orderRefundCmd  `cmd:"" help:"Refund an order, in part or in full."`
	Refunds orderRefundsCmd `cmd:"" help:"List an order's refunds."`
	Resend  orderResendCmd  `cmd:"" help:"Tell the merchant once more."`
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
