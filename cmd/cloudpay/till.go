package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// tillFlags say for whom and against which gateway a shell command acts.
type tillFlags struct {
	Data     string `name:"data" default:".demo" placeholder:"DIR" help:"Data directory of the demo, whose demo.json holds ids and keys."`
	Account  string `name:"account" placeholder:"FILE" help:"Another file of demo.json's form, instead of DIR/demo.json."`
	Merchant string `name:"merchant" placeholder:"NAME" help:"Which merchant of the file: its name or out_sub_mch_id; the first without it."`
	API      string `name:"api" placeholder:"URL" help:"Another gateway than the file names."`
	ServerCA string `name:"server-ca-file" env:"CLOUDPAY_SERVER_CA_FILE" placeholder:"FILE" help:"Root certificates of the gateway instead of the system's."`
}

// till is a merchant's till at the shell.
type till struct {
	merchant demoMerchant
	client   *cpay.Client
}

// open reads the account file and makes the client.
func (f tillFlags) open() (*till, error) {
	path := f.Account
	if path == "" {
		path = filepath.Join(f.Data, "demo.json")
	}
	raw, err := readFile(path, maxAccounts)
	if err != nil {
		return nil, usage("%w: start the gateway with 'cloudpay demo' first, or say --account FILE", err)
	}
	var file demoFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, usage("%s is not readable as demo.json: %w", path, err)
	}
	if f.API != "" {
		file.API = f.API
	}
	m, err := file.find(f.Merchant)
	if err != nil {
		return nil, err
	}
	if len(m.Prefixes) == 0 {
		return nil, usage("%s: merchant %s has no prefixes to begin an order number with", path, m.Name)
	}
	keys := cpay.Keys{AuthenKey: cpay.NewKey(m.AuthenKey)}
	if m.PrivateKeyPEM != "" {
		if keys.PrivateKey, err = cpay.ParsePrivateKey([]byte(m.PrivateKeyPEM)); err != nil {
			return nil, usage("private_key_pem of %s: %w", m.Name, err)
		}
	}
	var transport http.RoundTripper // nil is the client's own
	if f.ServerCA != "" {
		if transport, err = trusting(f.ServerCA); err != nil {
			return nil, err
		}
	}
	c, err := cpay.NewClient(cpay.Config{
		Domains: []string{file.API}, Keys: keys, Transport: transport,
		Account:  cpay.Account{OutMchID: m.OutMchID, OutSubMchID: m.OutSubMchID, OutShopID: m.OutShopID, DeviceID: m.DeviceID, StaffID: m.StaffID},
		Terminal: cpay.Terminal{TerminalType: 4, MachineNo: "shell"},
	})
	if err != nil {
		return nil, usage("%w", err)
	}
	return &till{merchant: m, client: c}, nil
}

// find picks a merchant by name or id, the first for "".
func (f demoFile) find(name string) (demoMerchant, error) {
	var names []string
	for _, m := range f.Merchants {
		if name == "" || name == m.Name || name == m.OutSubMchID {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return demoMerchant{}, usage("no merchant %q; there are: %s", name, strings.Join(names, ", "))
}

// number makes an order or refund number of 24 digits: prefix, time, random
// tail. Randomness stands in for a counter that a shell cannot keep.
func (t *till) number() (string, error) {
	p := t.merchant.Prefixes[0]
	n := p + time.Now().Format("060102150405")
	for len(n) < 24 {
		d, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			return "", fmt.Errorf("make a number: %w", err)
		}
		n += d.String()
	}
	return n, nil
}

// amount reads yuan as typed, and refuses zero.
func amount(s string) (pay.Fen, error) {
	f, err := pay.ParseYuan(s)
	if err == nil {
		err = f.Check()
	}
	if err != nil {
		return 0, usage("--amount %s: %w", s, sentence(err))
	}
	return f, nil
}

// sentence is the text of a refusal without its code.
func sentence(err error) error {
	if e, ok := errors.AsType[*pay.Error](err); ok {
		return errors.New(e.Text)
	}
	return err
}

// told is what a call's error means at the shell: refused (1) or unknown (2).
func told(err error) error {
	if e, ok := errors.AsType[*cpay.FieldError](err); ok {
		return usage("%w", e)
	}
	if e, ok := errors.AsType[*cpay.Error](err); ok && e.Definite() {
		return &exitError{code: exitDeclined, err: errors.New(e.Description)}
	}
	return &exitError{code: exitUnknown, err: fmt.Errorf("结果未知，请稍后查询：%w%s", err, remedy(err))}
}

// unreached says why a gateway could not be asked, "" for what it answered
// itself: a cashier waits for the customer, and need not read that.
func unreached(err error) string {
	if err == nil {
		return ""
	}
	if _, answered := errors.AsType[*cpay.Error](err); answered {
		return ""
	}
	why := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		why = u.Err // which call it was makes no difference
	}
	return shown(why.Error()) + remedy(err)
}

// payCmd charges a payment code.
type payCmd struct {
	tillFlags
	AuthCode string        `name:"auth-code" required:"" placeholder:"CODE" help:"The payment code from the customer's phone."`
	Amount   string        `name:"amount" required:"" placeholder:"YUAN" help:"Yuan with two decimals, e.g. 0.02."`
	Order    string        `name:"order" placeholder:"NUMBER" help:"Order number; a new one without it. The same number never charges twice."`
	Body     string        `name:"body" placeholder:"TEXT" help:"What the customer reads."`
	Interval time.Duration `name:"interval" default:"2s" help:"Pause between queries."`
	Queries  int           `name:"queries" default:"75" help:"Queries before the result is called unknown."`
}

// Run charges, waits, and says what became of it. Exit code 0 is paid, 1
// declined, 2 unknown.
func (c *payCmd) Run(ctx context.Context, e env) error {
	fen, err := amount(c.Amount)
	if err != nil {
		return err
	}
	t, err := c.open()
	if err != nil {
		return err
	}
	if c.Order == "" {
		if c.Order, err = t.number(); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(e.stdout, "订单 %s  金额 ¥%s\n", c.Order, fen)
	shown, why := "", ""
	res := t.client.MicroPayAndWait(ctx, &cpay.MicroPayRequest{
		PayContent: cpay.PayContent{
			OutTradeNo: c.Order, AuthorCode: cpay.PayCode(strings.TrimSpace(c.AuthCode)), TotalFee: int64(fen), FeeType: "CNY", Body: c.Body,
		},
	}, cpay.WaitOptions{
		Queries: c.Queries, Interval: c.Interval,
		Progress: func(p cpay.Progress) {
			if p.Tell != shown {
				shown = p.Tell
				_, _ = fmt.Fprintf(e.stdout, "%s…\n", p.Tell)
			}
			if text := unreached(p.Err); text != "" && text != why { // once, not at every query
				why = text
				_, _ = fmt.Fprintf(e.stderr, "cloudpay: 网关没有答复：%s\n", text)
			}
		},
	})
	return c.tell(e, res)
}

// tell prints the last line and chooses the exit code.
func (c *payCmd) tell(e env, res cpay.Result) error {
	switch res.State {
	case cpay.StatePaid, cpay.StateRefunded:
		_, _ = fmt.Fprintf(e.stdout, "✔ %s\n", res.Tell)
		return nil
	case cpay.StateDeclined:
		_, _ = fmt.Fprintf(e.stdout, "✘ %s\n", res.Tell)
		return &exitError{code: exitDeclined}
	case cpay.StateUnknown, cpay.StateWaiting, cpay.StateNotOurs: // 407 may be this very sale: look before charging again
	}
	_, _ = fmt.Fprintf(e.stdout, "？ %s\n  订单号 %s\n", res.Tell, c.Order)
	return &exitError{code: exitUnknown}
}

// queryCmd shows an order.
type queryCmd struct {
	tillFlags
	Order string `arg:"" help:"Order number."`
}

// Run prints the order's state and its refunds. Exit codes as for pay.
func (c *queryCmd) Run(ctx context.Context, e env) error {
	t, err := c.open()
	if err != nil {
		return err
	}
	q, err := t.client.QueryOrder(ctx, &cpay.QueryOrderRequest{OutTradeNo: c.Order})
	if err != nil {
		return told(err)
	}
	o := q.OrderContent
	var refunds []cpay.RefundOrderContent
	r, err := t.client.QueryRefundOrder(ctx, &cpay.QueryRefundOrderRequest{OutTradeNo: c.Order})
	if err == nil {
		refunds = r.RefundOrderContent
	} else if x, ok := errors.AsType[*cpay.Error](err); !ok || !x.NotFound() {
		return told(err)
	}
	state := o.Outcome()
	_, _ = fmt.Fprintf(e.stdout, "订单 %s  %s  ¥%s  %s\n", o.OutTradeNo, walletName(q.PayMchKey.PayPlatform), pay.Fen(o.TotalFee), describe(state, o, refunds))
	if o.TransactionID != "" {
		_, _ = fmt.Fprintf(e.stdout, "  交易号 %s\n", o.TransactionID)
	}
	for _, r := range refunds {
		_, _ = fmt.Fprintf(e.stdout, "  退款 %s  ¥%s  %s\n", r.OutRefundNo, pay.Fen(r.RefundFee), refundState(r))
	}
	switch state {
	case cpay.StatePaid, cpay.StateRefunded:
		return nil
	case cpay.StateDeclined, cpay.StateNotOurs:
		return &exitError{code: exitDeclined}
	case cpay.StateUnknown, cpay.StateWaiting:
	}
	return &exitError{code: exitUnknown}
}

// walletName is how a cashier calls the wallet.
func walletName(p cpay.PayPlatform) string {
	switch p {
	case cpay.PlatformWxpay:
		return "微信支付"
	case cpay.PlatformAlipay:
		return "支付宝"
	case cpay.PlatformCard:
		return "会员卡"
	case cpay.PlatformRecord:
		return "记账"
	}
	return "未知钱包"
}

// describe derives the words for an order from its state and its refunds.
func describe(state cpay.State, o cpay.OrderContent, refunds []cpay.RefundOrderContent) string {
	var back, open int64
	for _, r := range refunds {
		switch r.Local() {
		case cpay.LocalRefundSuccess:
			back += r.RefundFee
		case cpay.LocalRefundProcessing:
			open += r.RefundFee
		case cpay.LocalRefundNone, cpay.LocalRefundFail:
		}
	}
	switch state {
	case cpay.StatePaid, cpay.StateRefunded:
		switch {
		case back == o.TotalFee:
			return "已全额退款"
		case back+open == o.TotalFee:
			return "已全额退款（处理中）"
		case back+open > 0:
			return "已部分退款 ¥" + pay.Fen(back+open).String()
		}
		return "支付成功"
	case cpay.StateWaiting:
		return "等待支付"
	case cpay.StateDeclined:
		if o.WxpayExt != nil && o.WxpayExt.TradeStateDesc != "" {
			return "未支付：" + o.WxpayExt.TradeStateDesc
		}
		return "未支付"
	case cpay.StateNotOurs:
		return "单号重复"
	case cpay.StateUnknown:
	}
	return "结果未知"
}

// refundState says how far a refund is.
func refundState(r cpay.RefundOrderContent) string {
	switch r.Local() {
	case cpay.LocalRefundSuccess:
		return "退款成功"
	case cpay.LocalRefundProcessing:
		return "已受理，退款中"
	case cpay.LocalRefundFail:
		return "退款失败"
	case cpay.LocalRefundNone:
	}
	return "未知"
}

// refundCmd refunds an order.
type refundCmd struct {
	tillFlags
	Order        string        `arg:"" help:"Order number."`
	Amount       string        `name:"amount" placeholder:"YUAN" help:"Yuan with two decimals; the whole order without it."`
	RefundNumber string        `name:"refund" placeholder:"NUMBER" help:"Refund number; a new one without it. The same number never refunds twice."`
	Reason       string        `name:"reason" placeholder:"TEXT" help:"Reason, shown to the customer."`
	Wait         time.Duration `name:"wait" default:"10s" help:"How long to wait for an accepted refund to arrive."`
}

// Run sends the refund. Exit code 0 is accepted, 1 refused, 2 unknown.
func (c *refundCmd) Run(ctx context.Context, e env) error {
	var fen pay.Fen
	if c.Amount != "" {
		var err error
		if fen, err = amount(c.Amount); err != nil {
			return err
		}
	}
	t, err := c.open()
	if err != nil {
		return err
	}
	q, err := t.client.QueryOrder(ctx, &cpay.QueryOrderRequest{OutTradeNo: c.Order})
	if err != nil {
		return told(err)
	}
	if fen == 0 {
		fen = pay.Fen(q.OrderContent.TotalFee)
	}
	if fen > pay.Fen(q.OrderContent.TotalFee) {
		return &exitError{code: exitDeclined, err: errors.New("超过可退金额")}
	}
	if c.RefundNumber == "" {
		if c.RefundNumber, err = t.number(); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(e.stdout, "退款 %s  订单 %s  金额 ¥%s\n", c.RefundNumber, c.Order, fen)
	r, err := t.client.Refund(ctx, &cpay.RefundRequest{
		PayMchKey: cpay.PayMchKey{PayPlatform: q.PayMchKey.PayPlatform},
		RefundContent: cpay.RefundContent{
			OutTradeNo: c.Order, OutRefundNo: c.RefundNumber, TotalFee: q.OrderContent.TotalFee,
			RefundFee: int64(fen), RefundFeeType: "CNY", RefundReason: c.Reason,
		},
	})
	if err != nil {
		return told(err)
	}
	return c.await(ctx, e, t, r.RefundOrderContent)
}

// await watches an accepted refund for a while. Accepted is good enough for
// exit code 0: the money is on its way whether or not it is seen arriving.
func (c *refundCmd) await(ctx context.Context, e env, t *till, r cpay.RefundOrderContent) error {
	const pause = 500 * time.Millisecond
	shown := false
	for end := time.Now().Add(c.Wait); r.Local() == cpay.LocalRefundProcessing && time.Now().Before(end); {
		if !shown {
			shown = true
			_, _ = fmt.Fprintln(e.stdout, "已受理，等待到账…")
		}
		select {
		case <-ctx.Done():
			return told(ctx.Err())
		case <-time.After(pause):
		}
		q, err := t.client.QueryRefundOrder(ctx, &cpay.QueryRefundOrderRequest{OutTradeNo: c.Order, OutRefundNo: c.RefundNumber})
		if err == nil && len(q.RefundOrderContent) == 1 {
			r = q.RefundOrderContent[0]
		}
	}
	if r.Local() == cpay.LocalRefundFail {
		_, _ = fmt.Fprintf(e.stdout, "✘ %s\n", refundState(r))
		return &exitError{code: exitDeclined}
	}
	_, _ = fmt.Fprintf(e.stdout, "✔ %s\n", refundState(r))
	return nil
}

// reverseCmd undoes a payment.
type reverseCmd struct {
	tillFlags
	Order    string        `arg:"" help:"Order number."`
	Interval time.Duration `name:"interval" default:"3s" help:"Pause between attempts."`
	Tries    int           `name:"tries" default:"30" help:"Attempts before the result is called unknown."`
}

// Run asks until the reverse is confirmed. Exit code 0 is reversed, 1 refused,
// 2 unknown.
func (c *reverseCmd) Run(ctx context.Context, e env) error {
	t, err := c.open()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(e.stdout, "撤单 %s …\n", c.Order)
	for range max(c.Tries, 1) {
		_, err = t.client.Reverse(ctx, &cpay.ReverseRequest{OutTradeNo: c.Order})
		if err == nil {
			_, _ = fmt.Fprintln(e.stdout, "✔ 订单已撤销，未收款")
			return nil
		}
		if !cpay.Unknown(err) {
			return told(err)
		}
		select {
		case <-ctx.Done():
			return told(err)
		case <-time.After(c.Interval):
		}
	}
	return told(err)
}
