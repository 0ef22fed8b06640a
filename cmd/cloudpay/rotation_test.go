package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// TestPromise9RotatingKeysLosesNoVerification makes 5,000 payments over
// APIv3, half of them by payment code and half by QR code with a notice, while
// WeChat Pay's platform certificate is replaced, replaced again with nothing
// left of the old one, and then gives way to the public key, which the operator
// sets after a rehearsal. Not one answer or notice may fail to verify.
func TestPromise9RotatingKeysLosesNoVerification(t *testing.T) {
	t.Parallel()
	payments := 5000
	if testing.Short() || raced {
		payments = 500
	}
	log := &countingLog{}
	a, box, m := runDemoWith(t, slog.New(log))
	merchant, err := a.directory.Merchant(t.Context(), m.OutSubMchID)
	if err != nil {
		t.Fatal(err)
	}
	r := &rotating{t: t, a: a, box: box, m: m, merchant: merchant, wx: box.box.Accounts().Providers[0].WeChat}
	turns := []struct {
		at   int // in tenths of the payments
		turn func(context.Context) error
	}{
		{2, func(ctx context.Context) error { return box.box.RotateWeChat(ctx, r.wx.MchID, 0, time.Hour) }},
		{4, func(ctx context.Context) error { return box.box.RotateWeChat(ctx, r.wx.MchID, 0, 0) }},
		{5, r.takePublicKey},
		{6, func(ctx context.Context) error { return box.box.MigrateWeChat(ctx, r.wx.MchID, 50, false) }},
		{8, func(ctx context.Context) error { return box.box.MigrateWeChat(ctx, r.wx.MchID, 100, true) }},
	}
	began := time.Now()
	var g errgroup.Group
	const workers = 16
	var next, done atomic.Int64
	for range workers {
		g.Go(func() error {
			for i := int(next.Add(1)); i <= payments; i = int(next.Add(1)) {
				if err := r.pay(t.Context(), i); err != nil {
					return fmt.Errorf("payment %d: %w", i, err)
				}
				n := int(done.Add(1)) // the others go on meanwhile
				for _, one := range turns {
					if n == payments*one.at/10 {
						if err := one.turn(t.Context()); err != nil {
							return fmt.Errorf("turn at %d/10: %w", one.at, err)
						}
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d payments in %v", payments, time.Since(began).Round(time.Millisecond))
	r.compare(payments)
	if n := log.loud.Load(); n > 0 {
		t.Errorf("%d lines of the log are warnings or errors, the first: %v", n, log.first.Load())
	}
	if n := a.counted(t, "cloudpay_channel_outcomes_total", "kind", string(pay.Unknown)); n != 0 {
		t.Errorf("%v outcomes are unknown", n)
	}
	if n := a.counted(t, "cloudpay_operator_needed_total", "", ""); n != 0 {
		t.Errorf("an operator was asked for %v times", n)
	}
	status, err := a.wallets.Status(t.Context(), m.OutMchID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status {
		if s.Channel != pay.Wxpay {
			continue
		}
		if !s.Failure.At.IsZero() || s.RefreshFailure != "" {
			t.Errorf("a call failed: %+v, %s", s.Failure, s.RefreshFailure)
		}
		for _, k := range s.Keys {
			if k.Role == channel.RolePublicKey && k.Used.IsZero() {
				t.Error("the public key verified nothing")
			}
		}
	}
}

// rotating pays at a merchant of the demo while keys change.
type rotating struct {
	t        *testing.T
	a        *app
	box      *boxServer
	m        demoMerchant
	merchant *directory.Merchant
	wx       sandbox.WeChatAccount
	keys     sync.Mutex
}

func (r *rotating) number(i int) string { return fmt.Sprintf("%s%016d", r.m.Prefixes[0], i) }

// pay makes the i-th payment, and returns when it is known to be paid.
func (r *rotating) pay(ctx context.Context, i int) error {
	if i%2 == 0 {
		code, err := r.box.box.NewPayCode(ctx, string(pay.Wxpay), "")
		if err != nil {
			return err
		}
		o, err := r.a.gateway.MicroPay(ctx, r.merchant, gateway.MicroPay{
			OutTradeNo: r.number(i), AuthCode: secret.New(code.AuthCode), Total: pay.Fen(i), ShopID: r.m.OutShopID, DeviceID: r.m.DeviceID, Body: "面包",
		})
		if err == nil && o.State != pay.PAID {
			err = fmt.Errorf("the order is %s (%s)", o.State, o.Code)
		}
		return err
	}
	o, _, err := r.a.gateway.Prepay(ctx, r.merchant, gateway.Prepay{
		OutTradeNo: r.number(i), TradeType: pay.TradeScanCode, Platform: 1, Total: pay.Fen(i), Currency: "CNY",
		ShopID: r.m.OutShopID, DeviceID: r.m.DeviceID, StaffID: r.m.StaffID, Body: "面包",
	})
	if err != nil {
		return err
	}
	customer, err := r.box.box.NewPayCode(ctx, string(pay.Wxpay), "")
	if err != nil {
		return err
	}
	if _, err := r.box.box.PayPrepared(ctx, customer.Customer, sandbox.Invocation{CodeURL: o.Prepaid.CodeURL}); err != nil {
		return err
	}
	// Another payment's sender may have taken the notice along.
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-look.C {
		if o, err = r.a.store.Order(ctx, o.MerchantID, o.OutTradeNo); err != nil || o.State == pay.PAID {
			return err
		}
	}
	told, err := r.box.box.Notices(ctx, o.OutTradeNo)
	return errors.Join(fmt.Errorf("the order is %s, notices %+v", o.State, told), err)
}

// takePublicKey is the operator's part of the migration: WeChat Pay's public key
// is rehearsed and then stored, before anything is signed with it alone.
func (r *rotating) takePublicKey(ctx context.Context) error {
	r.keys.Lock()
	defer r.keys.Unlock()
	old, err := r.a.directory.Account(ctx, r.m.OutMchID, pay.Wxpay)
	if err != nil {
		return err
	}
	w := *old.Wechat
	w.PublicKeyID, w.PublicKeyPEM = r.wx.PublicKeyID, r.wx.PublicKeyPEM
	candidate := directory.Account{ProviderID: old.ProviderID, Channel: pay.Wxpay, Wechat: &w}
	if _, err := r.a.wallets.Rehearse(ctx, &candidate, channel.Merchant{SubMchID: r.merchant.Wx.SubMchID}); err != nil {
		return err
	}
	return r.a.directory.PutAccount(ctx, directory.System, candidate)
}

// compare reads every order at both ends. On a busy machine our own query, due
// after five seconds, may be before a notice; the notice must be taken all the same.
func (r *rotating) compare(payments int) {
	r.t.Helper()
	differ, asked := 0, 0
	for i := 1; i <= payments; i++ {
		o, err := r.a.store.Order(r.t.Context(), r.m.OutSubMchID, r.number(i))
		trades, boxErr := r.box.box.Trades(r.t.Context(), r.number(i))
		want := pay.TruthAnswer
		if i%2 == 1 {
			want = pay.TruthNotice
		}
		if err := errors.Join(err, boxErr); err != nil {
			r.t.Fatal(err)
		}
		if i%2 == 1 {
			if told, err := r.box.box.Notices(r.t.Context(), r.number(i)); err != nil || len(told) != 1 || told[0].State != "taken" || told[0].Tries != 1 {
				r.t.Errorf("payment %d: notices %+v, %v, want one that was taken at once", i, told, err)
			}
		}
		if i%2 == 1 && o.Truth == pay.TruthQuery {
			asked++
			want = pay.TruthQuery
		}
		if o.State != pay.PAID || o.Truth != want || len(trades) != 1 || int64(trades[0].Charged) != int64(o.Total) || trades[0].Charges != 1 || o.Total != pay.Fen(i) {
			if differ++; differ <= 5 {
				r.t.Errorf("payment %d is %s by %s, %d fen; the wallet has %+v", i, o.State, o.Truth, o.Total, trades)
			}
		}
	}
	if asked > payments/4 {
		r.t.Errorf("%d of %d payments by QR code are known by a query: notices do not settle", asked, payments/2)
	}
	if differ > 0 {
		r.t.Errorf("%d of %d differ", differ, payments)
	}
}

// counted is the sum of a counter's rows that have a label's value.
func (a *app) counted(t *testing.T, name, label, value string) (sum float64) {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, row := range f.GetMetric() {
			match := label == ""
			for _, l := range row.GetLabel() {
				match = match || l.GetName() == label && l.GetValue() == value
			}
			if match && f.GetName() == name {
				sum += row.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// countingLog counts what somebody would have to look at.
type countingLog struct {
	loud  atomic.Int64
	first atomic.Value
}

func (l *countingLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}
func (l *countingLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *countingLog) WithGroup(string) slog.Handler      { return l }
func (l *countingLog) Handle(_ context.Context, r slog.Record) error {
	if l.loud.Add(1) == 1 {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
		l.first.Store(cmp.Or(text, "?"))
	}
	return nil
}
