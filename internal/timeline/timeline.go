// Package timeline explains one order: everything that is known to have
// happened to it, in the order of time, what its state rests on, and what
// happens next.
//
// It reads orders, ledger, work, evidence, what clients told and the audit
// trail, and puts them into words. It changes nothing, asks no wallet, and must
// not know HTTP or who may ask: its callers say what they want to see.
package timeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/evidence"
	"cloudpay/internal/jobs"
	"cloudpay/internal/monitor"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Limits of one explanation.
const (
	maxMonitor = 200
	maxAudit   = 200
	maxRaised  = 200 // reasons of one order
)

// Lang is the language of the words.
type Lang string

// The languages. The zero value is Chinese.
const (
	Chinese Lang = "zh"
	English Lang = "en"
)

// Kind says where an entry comes from.
type Kind string

// The kinds.
const (
	Row      Kind = "row"      // the order's or a refund's own row
	Request  Kind = "request"  // a till asked us
	Call     Kind = "call"     // we asked a wallet
	Notice   Kind = "notice"   // a wallet told us
	State    Kind = "state"    // a state changed, or a person was asked for
	Posting  Kind = "posting"  // the ledger
	Callback Kind = "callback" // we told the merchant
	Client   Kind = "client"   // what a device told of itself
	Person   Kind = "person"   // somebody did something by hand
	Missing  Kind = "missing"  // something that should be here is not
)

// Entry is one thing that happened.
type Entry struct {
	At      time.Time
	Kind    Kind
	Text    string
	Details []string
	// Exchanges are the bytes on the wire, as evidence keeps them: sealed until
	// now. They hold payment codes.
	Exchanges []evidence.Exchange
	// Said is the record of a Call or a Notice, nil for everything else.
	Said *evidence.Record
	// rank orders entries of one millisecond as they follow from each other.
	rank  int
	exact time.Time
	// late is how much later it may have been: wallets' times are whole seconds.
	late time.Duration
}

// Verdict is what is known at the end, in sentences.
type Verdict struct {
	Known string   // what is known
	How   string   // how it is known: by us, by the wallet, by the bill
	Next  []string // what happens next and when; what a person should do
}

// Explanation is all of it.
type Explanation struct {
	Order   pay.Order
	Refunds []pay.Refund
	Entries []Entry // oldest first
	Verdict Verdict
	// Notes say what may be missing, and why.
	Notes []string
	// Unreadable is how many pages of evidence did not open: they were changed, or
	// sealed under another installation's key.
	Unreadable int
	// Stopped says that there was more evidence than one search looks through.
	Stopped bool
}

// Options say what is wanted.
type Options struct {
	Lang Lang
	// Clients and People say whether what devices told, with where callbacks went,
	// and what people did is for the reader.
	Clients, People bool
	// Masked leaves out the wallet's number of the payment.
	Masked bool
}

// Config is everything that Timelines needs. Evidence may be nil.
type Config struct {
	Store     *store.Store
	Directory *directory.Directory
	Evidence  *evidence.Recorder
	Monitor   *monitor.Monitor
	// Step says what the order's job does next (gateway.NextStep).
	Step func(pay.Order) pay.Step
	Now  func() time.Time
}

// Timelines explains orders. It is safe for concurrent use.
type Timelines struct{ Config }

// New returns Timelines.
func New(c Config) *Timelines { return &Timelines{c} }

// Merchant returns whose order a number is, by its prefix: prefixes are free of
// each other in the whole installation. The error wraps pay.ErrNotFound when
// nobody has the prefix.
func (t *Timelines) Merchant(ctx context.Context, outTradeNo string) (string, error) {
	return t.Store.MerchantOfNumber(ctx, outTradeNo)
}

// Explain reads everything about one order. The error wraps pay.ErrNotFound
// when there is none.
func (t *Timelines) Explain(ctx context.Context, merchantID, outTradeNo string, opt Options) (*Explanation, error) {
	o, err := t.Store.Order(ctx, merchantID, outTradeNo)
	if err != nil {
		return nil, fmt.Errorf("read order: %w", err)
	}
	refunds, err := t.Store.Refunds(ctx, merchantID, outTradeNo)
	if err != nil {
		return nil, err
	}
	b := &builder{words: words{opt.Lang}, now: t.Now().UTC(), e: &Explanation{Order: o, Refunds: refunds}}
	if opt.Masked {
		b.e.Order.TransactionID = ""
	}
	b.rows()
	said, err := t.said(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := t.books(ctx, b); err != nil {
		return nil, err
	}
	work, err := t.work(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := t.told(ctx, b, opt.Clients); err != nil {
		return nil, err
	}
	if opt.Clients {
		if err := t.clients(ctx, b); err != nil {
			return nil, err
		}
	}
	if opt.People {
		if err := t.people(ctx, b); err != nil {
			return nil, err
		}
	}
	if err := t.wanted(ctx, b); err != nil {
		return nil, err
	}
	b.missing(said)
	b.verdict(t.Step(o), work)
	b.sort()
	return b.e, nil
}

// sort puts the entries into the order in which they happened.
func (b *builder) sort() {
	slices.SortStableFunc(b.e.Entries, func(x, y Entry) int {
		if c := x.At.Add(x.late).Compare(y.At.Add(y.late)); c != 0 {
			return c
		}
		return cmp.Or(x.rank-y.rank, x.exact.Compare(y.exact))
	})
}

// builder collects entries.
type builder struct {
	words
	now time.Time
	e   *Explanation
}

// Ranks of entries of one millisecond: a request comes before the intent that it
// leads to, the intent before the call that follows from it, a state before the
// postings of its unit.
const (
	rankRequest = iota
	rankRow
	rankCall
	rankState
	rankPosting
	rankLater
)

func (b *builder) add(at time.Time, k Kind, rank int, text string, details ...string) {
	if at.IsZero() {
		return
	}
	details = slices.DeleteFunc(details, func(s string) bool { return s == "" })
	// To the millisecond, as rows have it: finer, a request would stand behind its own order.
	b.e.Entries = append(b.e.Entries, Entry{At: at.UTC().Truncate(time.Millisecond), Kind: k, Text: text, Details: details, rank: rank, exact: at})
}

// byWallet puts the last entry to the end of its second, where nothing that it
// follows from can stand behind it.
func (b *builder) byWallet() {
	e := &b.e.Entries[len(b.e.Entries)-1]
	if e.At.Equal(e.At.Truncate(time.Second)) {
		e.late = time.Second - time.Millisecond
	}
}

// rows adds what the rows of the order and its refunds remember.
func (b *builder) rows() {
	o := b.e.Order
	b.add(o.CreatedAt, Row, rankRow,
		b.f("订单落库：%s，%s 元，%s；结果驱动任务同时落库", "order committed: %s, %s yuan, %s; with the job that drives it to its truth",
			b.trade(o.TradeType), o.Total, b.channel(o.Channel)),
		b.pairs("门店", "shop", o.ShopID, "设备", "device", o.DeviceID, "店员", "staff", o.StaffID))
	if !o.PaidAt.IsZero() {
		b.add(o.PaidAt, Row, rankCall, b.f("顾客付款（钱包的时间，只到秒）", "the customer paid (the wallet's time, in whole seconds)"),
			b.pairs("钱包单号", "wallet's number", o.TransactionID))
		b.byWallet()
	}
	b.add(o.ReverseSentAt, Row, rankRow, b.f("决定撤单或关单并落库，之后才发出", "reverse or close decided and committed, before it was sent"))
	for _, r := range b.e.Refunds {
		b.add(r.CreatedAt, Row, rankRow,
			b.f("退款 %s 受理：%s 元，%s", "refund %s accepted: %s yuan, %s", r.OutRefundNo, r.Amount, b.origin(r.Origin)),
			b.pairs("店员", "staff", r.StaffID, "授权人", "authorized by", r.AuthorizedBy, "原因", "reason", r.Reason))
		if !r.SucceededAt.IsZero() {
			b.add(r.SucceededAt, Row, rankCall, b.f("退款 %s 到账（钱包的时间，只到秒）", "refund %s paid out (the wallet's time, in whole seconds)", r.OutRefundNo))
			b.byWallet()
		}
	}
}

// spans are the pieces of time in which something about the order may have been
// said: wallets repeat a notice for a day.
func (b *builder) spans() []evidence.Span {
	const before, notices = time.Minute, 25 * time.Hour
	o := b.e.Order
	around := func(from, to time.Time) evidence.Span {
		return evidence.Span{From: from.Add(-before), To: to.Add(notices)}
	}
	spans := []evidence.Span{around(o.CreatedAt, o.CreatedAt)}
	if !o.State.Final() {
		spans = append(spans, around(o.CreatedAt, b.now))
	}
	for _, t := range []time.Time{o.UpdatedAt, o.AskedAt, o.PaidAt, o.ReverseSentAt, o.ReversedAt} {
		if !t.IsZero() {
			spans = append(spans, around(t, t))
		}
	}
	for _, r := range b.e.Refunds {
		spans = append(spans, around(r.CreatedAt, r.UpdatedAt))
	}
	return spans
}

// numbers are the order's and its refunds'.
func (b *builder) numbers() []string {
	all := []string{b.e.Order.OutTradeNo}
	for _, r := range b.e.Refunds {
		all = append(all, r.OutRefundNo)
	}
	return all
}

// books adds the ledger, with the balance of each account after every event.
func (t *Timelines) books(ctx context.Context, b *builder) error {
	booked, err := t.Store.Booked(ctx, b.e.Order.MerchantID, b.e.Order.OutTradeNo)
	if err != nil {
		return err
	}
	balance := make(map[pay.Account]pay.Fen, len(accounts))
	for _, p := range booked {
		var legs []string
		for _, l := range p.Legs {
			balance[l.Account] += l.Amount
			side := b.f("借", "Dr")
			amount := l.Amount
			if amount < 0 {
				side, amount = b.f("贷", "Cr"), -amount
			}
			legs = append(legs, fmt.Sprintf("%s %s %s", side, b.account(l.Account), amount))
		}
		b.add(p.At, Posting, rankPosting, b.f("记账 %s：%s", "booked %s: %s", p.Event, join(legs)),
			b.f("余额 %s", "balances %s", b.balances(balance)), b.pairs("单元", "unit", p.Unit))
	}
	return nil
}

// openWork is what is still to be done about the order.
type openWork struct {
	settle    *jobs.Job
	refunds   []jobs.Job
	callbacks []jobs.Job
}

// The kinds of work as the gateway names them in the rows.
const (
	kindSettle    = "settle"
	kindRefund    = "refund"
	kindRefundAsk = "refund_ask"
	kindCallback  = "callback"
)

// work reads the jobs of the order and adds what they remember.
func (t *Timelines) work(ctx context.Context, b *builder) (openWork, error) {
	var w openWork
	o := b.e.Order
	find := func(kind, ref string) (*jobs.Job, error) {
		j, err := t.Store.Job(ctx, jobs.Key{MerchantID: o.MerchantID, Kind: kind, Ref: ref})
		if errors.Is(err, pay.ErrNotFound) {
			return nil, nil //nolint:nilnil // no work is an answer
		}
		return &j, err
	}
	var err error
	if w.settle, err = find(kindSettle, o.OutTradeNo); err != nil {
		return w, err
	}
	for _, r := range b.e.Refunds {
		for _, kind := range []string{kindRefund, kindRefundAsk} {
			j, err := find(kind, r.OutRefundNo)
			if err != nil {
				return w, err
			}
			if j != nil {
				w.refunds = append(w.refunds, *j)
			}
		}
	}
	for _, event := range b.events() {
		j, err := find(kindCallback, o.OutTradeNo+"/"+event)
		if err != nil {
			return w, err
		}
		if j != nil {
			w.callbacks = append(w.callbacks, *j)
			b.add(j.CreatedAt, Callback, rankLater, b.f("回调 %s 落库待送", "callback %s committed, to be delivered", event))
		}
	}
	return w, nil
}

// events are all that the merchant may be told about the order.
func (b *builder) events() []string {
	all := []string{pay.EventPaid, pay.EventReversed}
	for _, r := range b.e.Refunds {
		all = append(all, pay.EventRefund+r.OutRefundNo)
	}
	return all
}

// clients adds what devices told of the order.
func (t *Timelines) clients(ctx context.Context, b *builder) error {
	for _, n := range b.numbers() {
		p, err := t.Monitor.Search(ctx, monitor.Filter{MerchantID: b.e.Order.MerchantID, OrderNo: n}, "", maxMonitor)
		if err != nil {
			return err
		}
		for _, r := range p.Records {
			at, clock := r.At, ""
			if !r.StartedAt.IsZero() {
				at, clock = r.StartedAt, b.f("时间以设备的钟为准，%s 上报", "by the device's clock; uploaded %s", b.time(r.At))
			}
			b.add(at, Client, rankLater, b.f("设备 %s 日志：%s 状态 %d，%s", "device %s logged: %s status %d, %s", or(r.DeviceID, r.SN, "?"), r.Interface, r.Status, b.took(r.Cost)),
				clock, r.Text)
		}
		if p.Next != "" {
			b.note(b.f("设备日志多于 %d 条，只列出最新的", "there are more than %d lines of devices; the newest are shown", maxMonitor))
		}
	}
	return nil
}

// people adds what was done by hand.
func (t *Timelines) people(ctx context.Context, b *builder) error {
	o := b.e.Order
	done, err := t.Store.Hands(ctx, o.MerchantID, o.OutTradeNo)
	if err != nil {
		return err
	}
	for _, h := range done {
		b.add(h.At, Person, rankState, b.f("人工处理 %s：%s", "settled by hand, %s: %s", h.Act, h.Who),
			b.pairs("原因", "why", h.Why, "退款单号", "refund", h.OutRefundNo))
	}
	lines, err := t.Directory.Audit(ctx, directory.AuditFilter{MerchantID: o.MerchantID, ObjectKind: "order", ObjectID: o.OutTradeNo, Limit: maxAudit + 1})
	if err != nil {
		return err
	}
	if len(lines) > maxAudit {
		lines = lines[:maxAudit]
		b.note(b.f("人工操作多于 %d 次，只列出最新的", "more than %d things were done by hand; the newest are shown", maxAudit))
	}
	for _, l := range lines {
		b.add(l.At, Person, rankLater, b.f("人工操作 %s：%s", "done by hand, %s: %s", l.Action, or(l.ActorName, l.ActorID)),
			b.pairs("身份", "as", string(l.ActorKind), "之前", "before", l.Before, "之后", "after", l.After))
	}
	return nil
}

// wanted adds to what comes next for what a person is asked.
func (t *Timelines) wanted(ctx context.Context, b *builder) error {
	o := b.e.Order
	list, err := t.Store.AttentionsOf(ctx, o.MerchantID, o.OutTradeNo, maxRaised+1)
	if err != nil {
		return err
	}
	if len(list) > maxRaised {
		list = list[:maxRaised]
		b.note(b.f("需要人处理的事项多于 %d 条，只列出最早的", "more than %d things want a person; the oldest are shown", maxRaised))
	}
	for _, a := range list {
		b.e.Verdict.Next = append(b.e.Verdict.Next, b.f("需要人处理：%s（自 %s，共 %d 次）", "wants a person: %s (since %s, %d times)", a.Why, b.time(a.First), a.Times))
	}
	return nil
}

func (b *builder) note(text string) { b.e.Notes = append(b.e.Notes, text) }
