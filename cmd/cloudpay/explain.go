package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloudpay/internal/manage"
)

// explainCmd tells everything about one order.
type explainCmd struct {
	manageFlags
	Order    string `arg:"" help:"out_trade_no."`
	Merchant string `name:"merchant" placeholder:"ID" help:"out_sub_mch_id; without it the order's prefix says whose it is."`
	Raw      bool   `name:"raw" help:"With the bytes as they were on the wire. They hold payment codes; reading them is recorded."`
	Lang     string `name:"lang" enum:"zh,en" default:"zh" help:"zh or en."`
}

// Run prints the timeline, and what is known at its end.
func (c *explainCmd) Run(ctx context.Context, e env) error {
	q := url.Values{"lang": {c.Lang}}
	if c.Merchant != "" {
		q.Set("out_sub_mch_id", c.Merchant)
	}
	if c.Raw {
		q.Set("raw", "true")
	}
	return c.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, http.MethodGet, pathOf("orders", c.Order, "explanation")+"?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		if c.JSON {
			return c.print(e, raw)
		}
		var x manage.Explanation
		if err := json.Unmarshal(raw, &x); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		return printExplanation(e.stdout, x, c.Lang == "en")
	})
}

// kindNames are the kinds of entries in both languages, each of one width.
var kindNames = map[string][2]string{
	"row": {"订单", "order   "}, "request": {"终端", "till    "}, "call": {"调用", "wallet  "}, "notice": {"通知", "notice  "}, "state": {"状态", "state   "},
	"posting": {"记账", "ledger  "}, "callback": {"回调", "callback"}, "client": {"设备", "device  "}, "person": {"人工", "by hand "}, "missing": {"缺失", "missing "},
}

// printExplanation writes one line per entry with its details below, a heading
// per day, and the verdict at the end, where the eye is when the text stops.
func printExplanation(w io.Writer, x manage.Explanation, english bool) error {
	which := 0
	if english {
		which = 1
	}
	say := func(texts ...string) string { return texts[which] }
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	o := x.Order
	line("%s  %s  %s  %s %s", o.OutTradeNo, o.Channel, o.State, say("子商户", "merchant"), o.MerchantID)
	beijing, day := time.FixedZone("CST", 8*60*60), ""
	for _, v := range x.Entries {
		at := v.At.In(beijing)
		if d := at.Format(time.DateOnly); d != day {
			day = d
			line("\n%s", d)
		}
		line("%s  %s  %s", at.Format("15:04:05.000"), kindNames[v.Kind][which], shown(v.Text))
		for _, d := range v.Details {
			line("%20s%s", "", shown(d))
		}
		for _, r := range v.Raw {
			printRaw(line, r)
		}
	}
	line("")
	for _, n := range x.Notes {
		line("%s  %s", say("注意", "note "), shown(n))
	}
	line("%s  %s", say("结论", "known"), shown(x.Verdict.Known))
	line("%s  %s", say("依据", "how  "), shown(x.Verdict.How))
	for _, n := range x.Verdict.Next {
		line("%s  %s", say("接着", "next "), shown(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printRaw writes the bytes of one exchange. A terminal obeys no byte of them.
func printRaw(line func(string, ...any), r manage.RawText) {
	block := func(mark, text string) {
		for l := range strings.Lines(text) {
			line("%18s%s %s", "", mark, shown(strings.TrimRight(l, "\r\n")))
		}
	}
	block(">", strings.TrimSpace(r.Method+" "+r.URL))
	block(">", r.Header)
	block(">", r.Request)
	if r.Status != 0 {
		block("<", fmt.Sprintf("HTTP %d", r.Status))
	}
	block("<", r.AnswerHeader)
	block("<", r.Answer)
	if r.Lost != "" {
		block("<", "("+r.Lost+")")
	}
	if r.Cut > 0 {
		block("!", fmt.Sprintf("%d bytes were too many to be kept", r.Cut))
	}
}
