package main

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// reconCmd reconciles with the wallets' bills (对账).
type reconCmd struct {
	Run    reconRunCmd    `cmd:"" help:"Reconcile a day now: fetch the bill, compare it; a day that is done is done again."`
	List   reconListCmd   `cmd:"" help:"List a merchant's reconciled days, newest first."`
	Diff   reconDiffCmd   `cmd:"" help:"List what bills and our books disagree about."`
	Export reconExportCmd `cmd:"" help:"Write days, bills and differences as CSV or XLSX."`
	Repair reconRepairCmd `cmd:"" help:"Close a difference: the wallet is asked first, then our books follow or it is explained."`

	Unclaimed reconUnclaimedCmd `cmd:"" help:"List or explain what an account that merchants share has of none of them."`
}

type reconRunCmd struct {
	ofMerchant
	Date    string   `name:"date" required:"" placeholder:"2026-11-25" help:"The day, by the wallets' times in Asia/Shanghai."`
	Channel []string `name:"channel" enum:"wxpay,alipay" default:"wxpay,alipay" help:"The wallets."`
}

// Run reconciles and prints how far the day came.
func (c *reconRunCmd) Run(ctx context.Context, e env) error {
	for _, ch := range c.Channel {
		if err := c.send(ctx, e, http.MethodPost, c.path("recon", "days", ch, c.Date), nil); err != nil {
			return err
		}
	}
	return nil
}

// daysFlags are a span of days.
type daysFlags struct {
	From string `name:"from" placeholder:"DAY" help:"From this day on, e.g. 2026-11-01."`
	To   string `name:"to" placeholder:"DAY" help:"Until this day."`
}

func (f daysFlags) query() url.Values {
	q := url.Values{}
	for name, v := range map[string]string{"from": f.From, "to": f.To} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}

type reconListCmd struct {
	ofMerchant
	listFlags
	daysFlags
}

// Run lists days.
func (c *reconListCmd) Run(ctx context.Context, e env) error {
	return c.list(ctx, e, c.listFlags, c.path("recon", "days"), c.query(), []column{
		{"账期", "day"},
		{"渠道", "channel"},
		{"步骤", "step"},
		{"次数", "round"},
		{"行数", "lines"},
		{"一致", "matched"},
	})
}

type reconDiffCmd struct {
	ofMerchant
	listFlags
	daysFlags
	Channel string `name:"channel" enum:"wxpay,alipay," default:"" help:"Only of this wallet."`
	All     bool   `name:"all" help:"Also those that are closed."`
}

// Run lists differences.
func (c *reconDiffCmd) Run(ctx context.Context, e env) error {
	q := c.query()
	if c.Channel != "" {
		q.Set("channel", c.Channel)
	}
	if !c.All {
		q.Set("state", "open")
	}
	return c.list(ctx, e, c.listFlags, c.path("recon", "differences"), q, []column{
		{"账期", "day"},
		{"渠道", "channel"},
		{"类型", "type"},
		{"项目", "item"},
		{"平台(分)", "ours"},
		{"渠道(分)", "theirs"},
		{"差额", "net"},
		{"状态", "state"},
		{"天数", "age_days"},
		{"处理人", "closed_by"},
		{"说明", "why"},
	})
}

type reconRepairCmd struct {
	ofMerchant
	Channel string `name:"channel" enum:"wxpay,alipay" required:"" help:"The wallet."`
	Item    string `name:"item" required:"" placeholder:"payment:NUMBER" help:"As recon diff shows it."`
	Type    string `name:"type" enum:"wallet_more,we_more,amount,state,fee,date_edge" required:"" help:"As recon diff shows it."`
	Why     string `name:"why" required:"" help:"The reason: it is kept with who."`
	Explain bool   `name:"explain" help:"Only explain: the wallet is not asked and nothing is changed."`
}

// Run closes a difference and prints it.
func (c *reconRepairCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("recon", "repair"), map[string]any{
		"channel": c.Channel, "item": c.Item, "type": c.Type, "why": c.Why, "explain": c.Explain,
	})
}

// reconUnclaimedCmd is for a provider whose merchants share an account at a
// wallet: what is of none of them is shown to nobody else.
type reconUnclaimedCmd struct {
	manageFlags
	listFlags
	daysFlags
	Provider string `name:"provider" required:"" help:"out_mch_id."`
	All      bool   `name:"all" help:"Also what is explained."`
	Explain  string `name:"explain" placeholder:"ITEM" help:"Explain this item, as it is listed; needs --channel and --why."`
	Channel  string `name:"channel" enum:"wxpay,alipay," default:"" help:"With --explain: the wallet."`
	Why      string `name:"why" help:"With --explain: the reason; it is kept with who."`
}

// Run lists what is nobody's, or explains one of it.
func (c *reconUnclaimedCmd) Run(ctx context.Context, e env) error {
	if c.Explain != "" {
		if c.Channel == "" || c.Why == "" {
			return usage("--explain needs --channel and --why")
		}
		return c.send(ctx, e, http.MethodPost, pathOf("providers", c.Provider, "recon", "explain"), map[string]any{
			"channel": c.Channel, "item": c.Explain, "why": c.Why,
		})
	}
	q := c.query()
	if !c.All {
		q.Set("state", "open")
	}
	return c.list(ctx, e, c.listFlags, pathOf("providers", c.Provider, "recon", "unclaimed"), q, []column{
		{"账期", "day"},
		{"渠道", "channel"},
		{"项目@账户", "item"},
		{"渠道(分)", "theirs"},
		{"状态", "state"},
		{"天数", "age_days"},
		{"处理人", "closed_by"},
		{"说明", "why"},
	})
}

// reconcile does the wallets' bills until ctx ends.
func (a *app) reconcile(ctx context.Context) error {
	idle := time.Minute
	if a.moves {
		idle = time.Second
	}
	return a.recon.Run(ctx, idle)
}
