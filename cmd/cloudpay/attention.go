package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// attentionCmd shows what wants a person.
type attentionCmd struct {
	List attentionListCmd `cmd:"" default:"withargs" help:"List orders and refunds that want a person, oldest first (the default)."`
	Done attentionDoneCmd `cmd:"" help:"Take an order off the list, because somebody has seen to it."`
}

type attentionListCmd struct {
	manageFlags
	Merchant string `name:"merchant" help:"Only of this out_sub_mch_id."`
	Limit    int    `name:"limit" default:"200" help:"At most this many, up to 1000."`
}

// Run lists what wants a person.
func (c *attentionListCmd) Run(ctx context.Context, e env) error {
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	if c.Merchant != "" {
		q.Set("out_sub_mch_id", c.Merchant)
	}
	return c.listAll(ctx, e, pathOf("attention")+"?"+q.Encode(), []column{
		{"第一次", "first_at"}, {"子商户编号", "out_sub_mch_id"}, {"订单号", "out_trade_no"}, {"退款单号", "out_refund_no"}, {"次数", "times"}, {"原因", "why"},
	})
}

type attentionDoneCmd struct{ byHandArg }

// Run takes the order off the list.
func (c *attentionDoneCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("attention", "end"), body{"why": c.Why})
}
