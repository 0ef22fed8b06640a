package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// night is a flow of the jobs of reconciliation and of the closed day: a process is
// started on the morning after, and ends somewhere on the way to a chain of closed
// days. Wherever that is, the books, the differences and the chain end as they do
// where nothing goes wrong.
type night struct {
	name string
	days int // that are closed
	// eve is the days before, which are lived once and copied for each of the breaks.
	// It returns a payment of them.
	eve func(s *site, ch pay.Channel) (no string)
	// ends is what is among the books afterwards, nil where a wallet has no such flow.
	ends map[pay.Channel][]string
}

// nights are all flows of the jobs at night.
var nights = []night{
	{"night, reconciled and closed", 1, ordinaryDay, map[pay.Channel][]string{
		pay.Wxpay: {
			"wxpay:map[B:2.00 F:0.04 M:-7.00 P:0.00 R:4.96 S:0.00]", // two paid out
			"wxpay 20000101 done: 4 of 4, bills 1 and 1, round 1\n",
			"payment:900000010000000000000003 3 3: REVERSED RETURNED bill\n", "reversal:900000010000000000000003 -3 -3: REVERSED RETURNED bill\n",
		},
		pay.Alipay: {
			"alipay:map[F:0.04 M:-7.00 P:0.00 R:6.96 S:0.00]",
			"alipay 20000101 done: 4 of 4, bills 1 and 0, round 1\n",
			"payment:900000010000000000000003 3 3: REVERSED RETURNED bill\n", "reversal:900000010000000000000003 -3 -3: REVERSED RETURNED bill\n",
		},
	}},
	{"night, an earlier day once more", 2, missedReversal, map[pay.Channel][]string{
		pay.Alipay: nil, // it cancels on the same day only
		pay.Wxpay: {
			"wxpay:map[F:0.06 M:-10.00 R:9.94 S:0.00]",
			"wxpay 20000101 done: 2 of 2, bills 1 and 0, round 2\n", "wxpay 20000102 done: 1 of 1, bills 1 and 0, round 1\n",
			"reversal:900000010000000000000002 -3 -3: DECLINED RETURNED bill\n",
			"payment:900000010000000000000002 wallet_more of 20000101: 0, 500, explained recon",
		},
	}},
	{"night, a late bill and a new key", 2, keyOfTheNextDay, map[pay.Channel][]string{
		pay.Wxpay: nil, // nothing in it is of a wallet
		pay.Alipay: {
			"alipay:map[F:0.10 M:-17.00 R:16.90]",
			"alipay 20000102 done: 1 of 1, bills 1 and 0, round 1\n", "endorsed false\n", "2 keys\n",
			`"number":2,`, "endorsed true\n",
		},
	}},
}

// closed is how every night ends.
const closed = "closed"

// evening is a night of one wallet, at the moment before its process starts.
type evening struct {
	night
	ch   pay.Channel
	no   string
	from *eve
	want string // how it ends where nothing goes wrong
}

// eve is what is left of the days before.
type eve struct {
	at       time.Time
	pay, box []byte // the databases
	merchant *directory.Merchant
	orders   int64
	heard    map[string]int
}

// evening lives the days before the night, and the night where nothing goes wrong.
func (f night) evening(t *testing.T, ch pay.Channel) *evening {
	t.Helper()
	n := &evening{night: f, ch: ch}
	inMemory(t, func(dir string) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, dir, &outage{kinds: map[string]int{}}, nil, nil)
			n.no = f.eve(s, ch)
			n.from = &eve{merchant: s.merchant, orders: s.orders.Load(), heard: s.toldOf()}
			y, m, d := time.Now().In(shanghai).Date()
			n.from.at = time.Date(y, m, d+1, 11, 0, 0, 0, shanghai)
			s.leave()
			n.from.pay, n.from.box = read(t, dir, "pay.db"), read(t, dir, "sandbox.db")
		})
	})
	n.try(t, &outage{kinds: map[string]int{}})
	if t.Failed() {
		t.FailNow()
	}
	return n
}

// shanghai is where days begin.
var shanghai = time.FixedZone("CST", 8*60*60)

// read reads a database that nobody has open.
func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, name+"-wal")); err == nil {
		t.Fatalf("%s is still in use", name)
	}
	b, err := os.ReadFile(filepath.Join(dir, name)) // #nosec G304 -- the test's own
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// goOn makes a site in dir one of the morning after.
func (e *eve) goOn(s *site, dir string) {
	<-time.After(time.Until(e.at))
	if err := os.WriteFile(filepath.Join(dir, "pay.db"), e.pay, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.merchant, s.heard, s.nightly = e.merchant, maps.Clone(e.heard), true
	s.orders.Store(e.orders)
	s.out.arm()
}

// nights are what a process does besides payments, as `cloudpay serve` has it done:
// reconciliation, and a minute later the closing of days, so that they meet in one
// order only where nothing goes wrong.
func (s *site) nights() []func(context.Context) error {
	days, work, log := s.days(), s.store, slog.New(slog.DiscardHandler)
	r := s.reconciler()
	return []func(context.Context) error{
		func(ctx context.Context) error { return r.Run(ctx, time.Minute) },
		func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Minute):
			}
			return jobs.New(jobs.Config{
				Queue: work, Now: time.Now, Log: log, Workers: 2, Drain: 500 * time.Millisecond, MaxIdle: time.Minute,
				Kinds: map[string]jobs.Kind{day.CloseKind: days.Kind()}, Standing: []func(context.Context) error{days.Schedule},
			}).Run(ctx)
		},
	}
}

// together does several things until all of them have ended.
func together(ctx context.Context, work []func(context.Context) error) error {
	var wg sync.WaitGroup
	ended := make([]error, len(work))
	for i, f := range work {
		wg.Go(func() { ended[i] = f(ctx) })
	}
	wg.Wait()
	return errors.Join(ended...)
}

// days are the closed days of the process that runs.
func (s *site) days() *day.Days {
	people, gw := s.people, s.gw
	return day.New(day.Config{
		Store: s.store, Vault: people.Vault, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Trust: func(ctx context.Context, merchantID, no string) error {
			m, err := people.Merchant(ctx, merchantID)
			if err != nil {
				return err
			}
			return gw.TrustBill(ctx, m, no)
		},
	})
}

// try lives the night once with an outage.
func (n *evening) try(t *testing.T, out *outage) (end string) {
	t.Helper()
	inMemory(t, func(dir string) {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("%s, %s: %v", n.name, n.ch, out)
				}
			}()
			s := newSite(t, dir, out, nil, n.from)
			if !s.untilClosed(n.days) {
				end = "open"
				return
			}
			n.compare(s, 0)
			s.check(n.no)
			s.died()
			out.disarm()
			s.byHand(n.days)
			n.compare(s, 1)
			end = closed
		})
	})
	return end
}

// compare compares the books with those of the night where nothing goes wrong, or is
// that night. again is how often each day was reconciled once more.
func (n *evening) compare(s *site, again int64) {
	is := s.books(n.days, again)
	if n.want == "" {
		n.want = is
		for _, part := range n.ends[n.ch] {
			if !strings.Contains(is, part) {
				s.t.Errorf("it has no %q:\n%s", part, is)
			}
		}
	}
	if diff := cmp.Diff(n.want, is); diff != "" {
		s.t.Errorf("it ended otherwise than where nothing went wrong: -want +got\n%s", diff)
	}
}

// byHand does once more by hand what the jobs have done.
func (s *site) byHand(days int) {
	ctx := s.t.Context()
	runs, err := s.store.ReconRuns(ctx, "merchant", "00000000", "99999999", days)
	for _, r := range runs {
		_, err2 := s.reconciler().Again(ctx, r.ReconKey)
		err = errors.Join(err, err2)
	}
	if err != nil {
		s.t.Error(err)
	}
	first, _, err := s.store.EndDays(ctx, "merchant")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.days().Close(ctx, "merchant", first.Date, true); !errors.Is(err, day.ErrClosed) {
		s.t.Errorf("a closed day is closed again: %v", err)
	}
}

// untilClosed waits until so many days are closed and nothing is left to do but what
// comes every day.
func (s *site) untilClosed(n int) bool {
	const step = 2 * time.Minute
	for range 4 * time.Hour / step {
		s.pass(step)
		all, err := s.store.Days(s.t.Context(), "merchant", 0, n+1)
		if err != nil {
			s.t.Fatal(err)
		}
		left := false
		for _, j := range s.jobs() {
			left = left || j.Kind != "recon_plan" && j.Kind != day.CloseKind
		}
		if len(all) == n && !left {
			return true
		}
	}
	s.t.Errorf("after four hours there is still to do: %+v", s.jobs())
	return false
}

// books is all that a night leaves behind, as text: what is on which account, where
// the orders, the runs and the differences stand, and the chain of closed days as it
// is exported, once it is verified. What a second attempt may change is left out:
// the times of the attempts, and the keys.
func (s *site) books(days int, again int64) string {
	s.t.Helper()
	ctx := s.t.Context()
	var b strings.Builder
	balances, err := s.store.Balances(ctx, "merchant")
	fmt.Fprintf(&b, "balances %v\n", balances)
	runs, err1 := s.store.ReconRuns(ctx, "merchant", "00000000", "99999999", 100)
	for _, r := range runs {
		bills, err2 := s.store.Bills(ctx, r.ReconKey, string(channel.BillTrade))
		fmt.Fprintf(&b, "%s %s %s: %d of %d, bills %d and %d, round %d\n", r.Channel, r.Day, r.Step, r.Matched, r.Lines, len(bills), r.FlowVersion, r.Round-again)
		flows, err3 := s.store.BillFlows(ctx, r.ReconKey, 0, 100)
		for _, f := range flows {
			fmt.Fprintf(&b, " movement %+v\n", f)
		}
		lines, err4 := s.store.ReconLines(ctx, r.ReconKey, 0, 100)
		for _, l := range lines {
			o := s.order(l.OutTradeNo)
			fmt.Fprintf(&b, " %s %d %d: %s %s %s\n", l.Item, l.Fee, l.Booked, o.State, o.Late, o.Truth)
		}
		err = errors.Join(err, err2, err3, err4)
	}
	diffs, err2 := s.store.Diffs(ctx, store.DiffFilter{MerchantID: "merchant", FromDay: "00000000", ToDay: "99999999", Limit: 100})
	for _, d := range diffs {
		fmt.Fprintf(&b, "%s %s of %s: %d, %d, %s %s %s\n", d.Item, d.Type, d.Day, d.Ours, d.Theirs, d.State, d.Who, d.Why)
	}
	keys, err3 := s.store.DayKeys(ctx, 10)
	fmt.Fprintf(&b, "%d keys\n", len(keys))
	var file bytes.Buffer
	_, err4 := s.days().Export(ctx, "merchant", &file)
	if err := errors.Join(err, err1, err2, err3, err4); err != nil || len(keys) == 0 {
		s.t.Fatalf("%d keys, %v", len(keys), err)
	}
	key, err := day.ParseKey(keys[len(keys)-1].Public) // the first vouches for the next
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := day.Verify(&file, day.Trust{Key: key}, func(r day.Record) error {
		endorsed := r.Endorsement != ""
		r.ClosedAt, r.Key, r.Previous, r.Endorsement = "", "", "", ""
		line, err := json.Marshal(r)
		fmt.Fprintf(&b, "%s endorsed %t\n", line, endorsed)
		return err
	})
	if err != nil || v.Days != int64(days) || len(v.Unbalanced) != 0 {
		s.t.Errorf("the chain is %+v, %v", v, err)
	}
	return b.String()
}

// begin makes the merchant one whose days are reconciled with a wallet.
func (s *site) begin(ch pay.Channel, api string) {
	s.keeps(6_000)
	p := s.box.Accounts().Providers[0]
	a := directory.Account{ProviderID: "provider", Channel: ch}
	switch ch {
	case pay.Wxpay:
		a.Wechat = &directory.WechatAccount{
			MchID: p.WeChat.MchID, AppID: p.WeChat.AppID, API: channel.APIv2, APIKey: secret.New(p.WeChat.APIv2Key),
			APIv3Key: secret.New(p.WeChat.APIv3Key), SignType: directory.SignHMAC, CertPEM: p.WeChat.ClientCertPEM,
			KeyPEM: secret.New(p.WeChat.ClientKeyPEM), BaseURL: "https://wallet.test",
		}
	case pay.Alipay:
		a.Alipay = &directory.AlipayAccount{
			AppID: p.Alipay.AppID, PrivateKeyPEM: secret.New(p.Alipay.AppPrivateKeyPEM), AlipayPublicPEM: p.Alipay.AlipayPublicKeyPEM,
			GatewayURL: "https://wallet.test/gateway.do",
		}
	}
	m, err := s.people.UpdateMerchant(s.t.Context(), directory.System, "merchant", func(m *directory.Merchant) error {
		m.Wx.API = api
		return nil
	})
	if err = errors.Join(err, s.people.PutAccount(s.t.Context(), directory.System, a)); err != nil {
		s.t.Fatal(err)
	}
	s.merchant = m
}

// ordinaryDay is a payment of which a part went back, one that came and went without
// our knowing of it, and with WeChat Pay a payout.
func ordinaryDay(s *site, ch pay.Channel) (no string) {
	s.begin(ch, channel.APIv3)
	no, _ = s.sale(ch, 1_000, "anna")
	s.converge(no)
	if _, _, err := s.refund(no, s.number(), 1_000, 300); err != nil {
		s.t.Fatal(err)
	}
	s.converge(no)
	s.gone(ch, pay.REVERSED, 0)
	if ch == pay.Wxpay {
		s.paysOut(200)
	}
	return no
}

// paysOut lets WeChat Pay pay the merchant out.
func (s *site) paysOut(amount sandbox.Fen) {
	ctx, sub := s.t.Context(), s.merchant.Wx.SubMchID
	all, err := s.box.Merchants(ctx)
	for _, m := range all {
		if m.Channel == sandbox.WeChat && m.Merchant == sub {
			_, err = s.box.SetMerchant(ctx, m.Channel, sub, sandbox.MerchantChange{Available: new(m.Available - amount)})
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// missedReversal is a payment of an order that has failed in our books, which the
// bill of its day has as a difference; somebody else gives it back after midnight.
func missedReversal(s *site, ch pay.Channel) (no string) {
	s.begin(ch, channel.APIv2)
	no, _ = s.sale(ch, 1_000, "anna")
	s.converge(no)
	first := recon.DayOf(time.Now())
	y, m, d := time.Now().In(shanghai).Date()
	s.gone(ch, pay.DECLINED, time.Until(time.Date(y, m, d+1, 1, 0, 0, 0, shanghai)))
	s.sleep(10 * time.Hour)
	k := store.ReconKey{MerchantID: "merchant", Channel: ch, Day: first}
	if _, err := s.reconciler().Again(s.t.Context(), k); err != nil {
		s.t.Fatal(err)
	}
	return no
}

// keyOfTheNextDay is a day that is closed and one that is over, between which the key
// that signs them was replaced. The second day's bill comes later than it should.
func keyOfTheNextDay(s *site, ch pay.Channel) (no string) {
	s.begin(ch, channel.APIv2)
	no, _ = s.sale(ch, 1_000, "anna")
	s.converge(no)
	ctx, first := s.t.Context(), time.Now()
	s.sleep(27 * time.Hour)
	k := store.ReconKey{MerchantID: "merchant", Channel: ch, Day: recon.DayOf(first)}
	_, err := s.reconciler().Again(ctx, k)
	_, err2 := s.days().Close(ctx, "merchant", day.DateOf(first), false)
	_, err3 := s.days().Rotate(ctx)
	late := sandbox.Fault{Scenario: "bill_late", Params: sandbox.Params{Seconds: new(7500.)}} // until 11:05
	if err = errors.Join(err, err2, err3, s.box.AddFault(late)); err != nil {
		s.t.Fatal(err)
	}
	second, _ := s.sale(ch, 700, "anna")
	s.converge(second)
	return no
}

// gone is a payment that nobody heard of, of an order that ended as state. The wallet
// gives it back some time later.
func (s *site) gone(ch pay.Channel, state pay.OrderState, later time.Duration) {
	ctx := s.t.Context()
	if err := s.box.AddFault(sandbox.Fault{Scenario: "drop_after", Count: 1}); err != nil {
		s.t.Fatal(err)
	}
	in := s.micro(ch, 500, "anna")
	if _, err := s.gw.MicroPay(ctx, s.merchant, in); err != nil {
		s.t.Fatal(err)
	}
	c := pay.Change{From: s.order(in.OutTradeNo)}
	c.Order = c.From
	if c.From.State != pay.PAYING {
		s.t.Fatalf("a payment without an answer is %s", c.From.State)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	c.Order.State, c.Order.Unit, c.Order.Truth, c.Order.AskAt, c.Order.UpdatedAt = state, s.store.NewUnit(), pay.TruthQuery, time.Time{}, now
	if state == pay.REVERSED {
		c.Order.ReverseSentAt, c.Order.ReversedAt, c.Order.ReverseTries = now, now, 1
	}
	if won, err := s.store.SettleOrder(ctx, c); err != nil || !won {
		s.t.Fatal(won, err)
	}
	if later > 0 {
		s.sleep(later)
	}
	w, sub := s.atWallet(ch)
	if out := w.Reverse(ctx, channel.OrderRequest{Merchant: sub, OutTradeNo: in.OutTradeNo, Total: in.Total}); out.Kind != pay.Paid {
		s.t.Fatalf("the wallet does not give back: %+v", out)
	}
	s.converge(in.OutTradeNo)
}
