package recon_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/secret"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// neighbour enters another merchant, with the first one's accounts if change does
// not say otherwise.
func (h *house) neighbour(id, prefix string, change func(*directory.Merchant)) *directory.Merchant {
	h.t.Helper()
	authen, err := directory.NewAuthenKey()
	if err != nil {
		h.t.Fatal(err)
	}
	m := directory.Merchant{
		ID: id, ProviderID: "provider", Name: id, Prefixes: []string{prefix}, AuthenKey: authen, Wx: h.merchant.Wx, Ali: h.merchant.Ali,
		Shops: []directory.Shop{{ID: "shop-" + id, Name: "shop", Devices: []directory.Device{{ID: "till-1", Name: "1"}}}},
	}
	if change != nil {
		change(&m)
	}
	out, err := h.people.CreateMerchant(h.t.Context(), directory.System, m)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// strange is a payment that somebody makes with the merchant's account, under a
// number of nobody here.
func (h *house) strange(no string, total pay.Fen) {
	h.t.Helper()
	w, sub := h.foreign()
	c, err := h.box.NewPayCode(h.t.Context(), string(h.ch), "anna")
	if err != nil {
		h.t.Fatal(err)
	}
	p := channel.PayRequest{OrderRequest: channel.OrderRequest{Merchant: sub, OutTradeNo: no, Total: total}, AuthCode: secret.New(c.AuthCode), Body: "bread"}
	if out := w.Pay(h.t.Context(), p); out.Kind != pay.Paid {
		h.t.Fatalf("Pay = %+v", out)
	}
}

// seen is everything that a merchant is shown of the first day: its differences,
// the export, the closed day and its statement.
func (h *house) seen(m *directory.Merchant) string {
	h.t.Helper()
	ctx := h.t.Context()
	var b bytes.Buffer
	w, err := sheet.New(&b, sheet.CSV)
	if err == nil {
		err = recon.Export(ctx, h.store, m.ID, day1, day1, w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
	if _, err := days.Close(ctx, m.ID, "2026-11-25", false); err != nil {
		h.t.Fatal(err)
	}
	if _, err := days.Export(ctx, m.ID, &b); err != nil {
		h.t.Fatal(err)
	}
	s, err := days.Statement(ctx, m.ID, "2026-11-25", "")
	if err != nil {
		h.t.Fatal(err)
	}
	flows, err := h.store.BillFlows(ctx, store.ReconKey{MerchantID: m.ID, Channel: h.ch, Day: day1}, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range flows {
		b.WriteString(f.Voucher + " " + f.BusinessNo + "\n")
	}
	return b.String() + s.Content
}

// TestMerchantsOfOneAccountSeeOnlyTheirOwn was found in the last session: two
// merchants with one account at a wallet saw, and could book, each other's trade.
// What is of neither is shown to their provider.
func TestMerchantsOfOneAccountSeeOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(h *house) {
		t := h.t
		other := h.neighbour("other", "90000002", nil)
		away := h.neighbour("away", "900000031", func(m *directory.Merchant) { // has left the account
			m.Wx.SubMchID, m.Ali = "1999999999", directory.AlipayMerchant{SellerID: "2088000000000001"}
		})
		mine := h.sale(1_000)
		mineBack := h.back(mine, 300)
		theirs, theirsBack := "900000020000001", "900000020000002"
		c, err := h.box.NewPayCode(t.Context(), string(h.ch), "anna")
		if err != nil {
			t.Fatal(err)
		}
		h.pays(other, theirs, c.AuthCode, 2_000)
		h.refunds(other, theirs, theirsBack, 2_000, 700)
		h.strange("KIOSK-0001", 555)
		h.strange(away.Prefixes[0]+"0001", 444)
		h.set(afterDay1)
		h.arrives(mine, mineBack)
		for _, m := range []*directory.Merchant{h.merchant, other} {
			k := store.ReconKey{MerchantID: m.ID, Channel: h.ch, Day: day1}
			if err := h.store.PlanRecon(t.Context(), k, h.now()); err != nil {
				t.Fatal(err)
			}
			run, err := h.recon.Do(t.Context(), k)
			if err != nil || run.Step != store.ReconDone || run.Lines != 2 || run.Matched != 2 {
				t.Fatalf("the day of %s is %+v, %v", m.ID, run, err)
			}
		}
		for _, c := range []struct {
			m      *directory.Merchant
			own    []string
			hidden []string
		}{
			{h.merchant, []string{mine.OutTradeNo, mineBack}, []string{theirs, theirsBack, "KIOSK", away.Prefixes[0], "555", "4.44"}},
			{other, []string{theirs, theirsBack}, []string{mine.OutTradeNo, mine.TransactionID, mineBack, "KIOSK", away.Prefixes[0]}},
		} {
			text := h.seen(c.m)
			for _, s := range c.own {
				if !strings.Contains(text, s) {
					t.Errorf("%s does not see its own %s", c.m.ID, s)
				}
			}
			for _, s := range c.hidden {
				if strings.Contains(text, s) {
					t.Errorf("%s sees %s:\n%s", c.m.ID, s, text)
				}
			}
		}
		h.unclaimed("payment:KIOSK-0001", "payment:"+away.Prefixes[0]+"0001")
	})
}

// unclaimed checks what the provider is shown, and closes it.
func (h *house) unclaimed(want ...string) {
	h.t.Helper()
	list, err := h.store.Diffs(h.t.Context(), store.DiffFilter{MerchantID: store.OfProvider("provider"), FromDay: day1, ToDay: day1, Limit: 100})
	if err != nil {
		h.t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		item, account, _ := strings.Cut(d.Item, "@")
		if got = append(got, item); account == "" || d.State != store.DiffOpen || d.Type != store.WalletMore {
			h.t.Errorf("listed as %+v", d)
		}
		in := recon.Repair{DiffKey: d.DiffKey, By: directory.Actor{Kind: directory.ByMember, ID: "anna"}, Why: "a kiosk without us"}
		if _, err := h.recon.Repair(h.t.Context(), in); !errors.Is(err, pay.ErrDenied) {
			h.t.Errorf("a repair of what is nobody's: %v", err)
		}
		in.Explain = true
		if d, err := h.recon.Repair(h.t.Context(), in); err != nil || d.State != store.DiffExplained {
			h.t.Errorf("explained: %+v, %v", d, err)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("the provider is shown: -want +got\n%s", diff)
	}
	rows, err := h.people.Audit(h.t.Context(), directory.AuditFilter{ProviderID: "provider", ObjectKind: "difference"})
	if err != nil || len(rows) != len(want) {
		h.t.Errorf("audit: %+v, %v", rows, err)
	}
}

// TestNoLineOfNobodyHidesAnother: what is of none of those who share an account may
// come twice under one name, as all refunds of Alipay's without a number do.
func TestNoLineOfNobodyHidesAnother(t *testing.T) {
	t.Parallel()
	onBoth(t, func(h *house) {
		h.neighbour("other", "90000002", nil)
		h.strange("KIOSK-0001", 555)
		h.set(afterDay1)
		h.reread = func(raw []byte, parse func([]byte) (channel.Bill, error)) (channel.Bill, error) {
			bill, err := parse(raw)
			for _, l := range bill.Lines {
				if l.OutTradeNo != "KIOSK-0001" {
					continue
				}
				again, back, more := l, l, l
				back.Kind, back.Total = channel.BillReversal, 55
				more.Kind, more.Total = channel.BillReversal, 45
				bill.Lines = append(bill.Lines, again, back, more)
				break
			}
			return bill, err
		}
		h.reconcile(day1)
		h.unclaimed("payment:KIOSK-0001", "payment:KIOSK-0001", "reversal:KIOSK-0001", "reversal:KIOSK-0001")
	})
}

// TestADayIsDoneAgainAfterOthersGotTheAccount: what a day of before shows of the
// account must not stay with the one merchant who had it then.
func TestADayIsDoneAgainAfterOthersGotTheAccount(t *testing.T) {
	t.Parallel()
	onBoth(t, func(h *house) {
		t := h.t
		mine := h.sale(1_000)
		h.strange("KIOSK-0001", 555)
		h.set(afterDay1)
		if run := h.reconcile(day1); run.Lines != 2 {
			t.Fatalf("alone: %+v", run)
		}
		h.neighbour("other", "90000002", nil)
		run, err := h.recon.Again(t.Context(), h.key(day1))
		if err != nil || run.Step != store.ReconDone || run.Lines != 1 {
			t.Fatalf("again: %+v, %v", run, err)
		}
		if open := h.diffs(store.DiffOpen); len(open) != 0 {
			t.Errorf("the merchant is asked about %v", open)
		}
		lines, err := h.store.ReconLines(t.Context(), h.key(day1), 0, 100)
		if err != nil || len(lines) != 1 || lines[0].OutTradeNo != mine.OutTradeNo {
			t.Errorf("the merchant's lines: %+v, %v", lines, err)
		}
		flows, err := h.store.BillFlows(t.Context(), h.key(day1), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range flows {
			if f.Voucher != mine.OutTradeNo {
				t.Errorf("the merchant sees a movement of %q", f.Voucher)
			}
		}
		h.unclaimed("payment:KIOSK-0001")
	})
}

// TestALineOfAnotherWalletsOrderIsADifference: a number that an earlier system had
// used at the other wallet was compared with our order at this one, and what nobody
// had booked agreed.
func TestALineOfAnotherWalletsOrderIsADifference(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		paid, dead := h.sale(1_000), h.gone(2_000, pay.REVERSED, morning.Add(time.Minute))
		h.ch = map[pay.Channel]pay.Channel{pay.Wxpay: pay.Alipay, pay.Alipay: pay.Wxpay}[h.ch] // from here on the other one
		w, sub := h.foreign()
		for _, o := range []pay.Order{paid, dead} {
			c, err := h.box.NewPayCode(t.Context(), string(h.ch), "anna")
			if err != nil {
				t.Fatal(err)
			}
			r := channel.OrderRequest{Merchant: sub, OutTradeNo: o.OutTradeNo, Total: o.Total}
			if out := w.Pay(t.Context(), channel.PayRequest{OrderRequest: r, AuthCode: secret.New(c.AuthCode), Body: "bread"}); out.Kind != pay.Paid {
				t.Fatalf("Pay = %+v", out)
			}
		}
		h.set(afterDay1)
		h.reconcile(day1)
		want := map[string]string{
			"wallet_more payment:" + paid.OutTradeNo: day1 + ": 0, they 1000",
			"wallet_more payment:" + dead.OutTradeNo: day1 + ": 0, they 2000",
		}
		if diff := cmp.Diff(want, h.diffs("")); diff != "" {
			t.Fatalf("differences: -want +got\n%s", diff)
		}
		if o := h.order(dead.OutTradeNo); o.Late != pay.LateNone {
			t.Errorf("late money is %s", o.Late)
		}
		for _, o := range []pay.Order{paid, dead} { // the wallet is asked that has the line
			if d := h.repair(store.WalletMore, "payment:"+o.OutTradeNo); d.State != store.DiffRepaired {
				t.Errorf("%s: %s", d.State, d.Why)
			}
		}
		if s := h.balance(pay.AccSuspense); s != -3_000 {
			t.Errorf("in suspense are %d, want 3000 credit", s)
		}
		other := h.ch
		h.ch = paid.Channel
		h.reconcile(day1)
		days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
		r, err := days.Close(t.Context(), "merchant", "2026-11-25", false)
		if err != nil || slices.ContainsFunc(r.Differences, func(d day.Difference) bool { return d.Channel == other && d.State == store.DiffOpen }) {
			t.Errorf("the day is %+v, %v", r, err)
		}
	})
}
