package main

import (
	"context"
	"encoding/json"
	"errors"
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
	Verify   bool   `name:"verify" help:"Check the signature of every kept answer and notice of a wallet again; exit 1 if one does not hold or kept pages do not open."`
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
	if c.Verify {
		q.Set("verify", "true")
	}
	return c.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, http.MethodGet, pathOf("orders", c.Order, "explanation")+"?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		var x manage.Explanation
		if err := json.Unmarshal(raw, &x); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if c.JSON {
			err = c.print(e, raw)
		} else {
			err = printExplanation(e.stdout, x, c.Lang == "en")
		}
		if err != nil {
			return err
		}
		return c.judge(x.Verified)
	})
}

// judge is how the command ends after a verification.
func (c *explainCmd) judge(v *manage.Verification) error {
	switch {
	case !c.Verify:
		return nil
	case v == nil:
		return errors.New("the server checked nothing: it is older than this command")
	case !v.Good:
		return &exitError{code: exitDeclined, err: fmt.Errorf("what is kept of order %s does not verify: %d answers or notices failed, %d pages do not open", c.Order, v.Counts.Failed, v.Unreadable)}
	}
	return nil
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
		for _, k := range v.Checks {
			line("%20s%s %s", "", checkMarks[k.Result], k.Text)
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
	if s := x.Verified; s != nil {
		n := s.Counts
		line(say("验签  有效 %d，不符 %d，密钥已不保存 %d，协议不签名 %d，当时已拒绝 %d，没有应答 %d，未存全 %d，解不开 %d 页",
			"check  %d verified, %d FAILED, %d without their key, %d unsigned by protocol, %d refused then and now, %d lost, %d incomplete; %d pages do not open"),
			n.Verified, n.Failed, n.NoKey, n.Unsigned, n.Refused, n.Lost, n.Incomplete, s.Unreadable)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// checkMarks stand before the results of a verification.
var checkMarks = map[string]string{"verified": "✔", "failed": "✘", "no_key": "？", "incomplete": "？", "unsigned": "－", "refused": "－", "lost": "－"}

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
