package report_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/report"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// sell makes a paid order at a time and returns it as it is stored.
func sell(t *testing.T, s *store.Store, no string, at time.Time, total pay.Fen) pay.Order {
	t.Helper()
	o := pay.Order{
		MerchantID: "m", OutTradeNo: no, ProviderID: "p", Channel: pay.Wxpay, TradeType: pay.TradeMicroPay, State: pay.PAYING,
		Unit: s.NewUnit(), Total: total, Currency: "CNY", ShopID: "s1", DeviceID: "d1", SentAt: at, CreatedAt: at, UpdatedAt: at,
		Truth: pay.TruthLocal,
	}
	if won, err := s.OpenOrder(t.Context(), o); err != nil || !won {
		t.Fatal(won, err)
	}
	c := pay.Profiles[o.Channel].Apply(o, pay.CallPay, pay.Outcome{Kind: pay.Paid, Verified: true, Payment: pay.Payment{Total: total, PaidAt: at, PayerID: "u" + no}}, at)
	c.Order.Unit = s.NewUnit()
	if won, err := s.SettleOrder(t.Context(), c); err != nil || !won {
		t.Fatal(won, err)
	}
	return c.Order
}

func reports(s *store.Store, now time.Time) *report.Reports {
	return report.New(report.Config{Store: s, Now: func() time.Time { return now }})
}

func TestOrdersStandInTheDayOfShanghai(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			midnight := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
			sell(t, s, "before", midnight.Add(-time.Millisecond), 100)
			sell(t, s, "after", midnight, 7)
			now := midnight.Add(time.Hour)
			for range 2 { // live, and folded
				st, err := reports(s, now).Stats(t.Context(), report.StatQuery{
					Filter: report.Filter{MerchantID: "m", Kind: report.Both, Axis: report.Paid}, Type: report.Daily, Page: report.Page{Num: 1, Size: 10},
				})
				if err != nil || len(st.Items) != 2 || st.Items[0].SuccessAmount != 7 || st.Items[1].SuccessAmount != 100 ||
					st.Items[0].Begin.Format(time.DateOnly) != "2026-11-21" || st.Items[0].Payers != 1 || st.All.SuccessAmount != 107 {
					t.Fatalf("statistics = %+v, %v", st, err)
				}
				if _, err := s.FoldReport(t.Context(), "m", 0, now, 100); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestReportsRefuseWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	s := storetest.Engines()[0].New(t)()
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	r := reports(s, now)
	good := report.Filter{MerchantID: "m", Kind: report.Both, Axis: report.Created}
	for name, c := range map[string]struct {
		f report.Filter
		p report.Page
	}{
		"no merchant":        {report.Filter{Kind: report.Both, Axis: report.Paid}, report.Page{Num: 1, Size: 1}},
		"no kind":            {report.Filter{MerchantID: "m", Axis: report.Paid}, report.Page{Num: 1, Size: 1}},
		"no axis":            {report.Filter{MerchantID: "m", Kind: report.Both}, report.Page{Num: 1, Size: 1}},
		"page zero":          {good, report.Page{Size: 1}},
		"empty page":         {good, report.Page{Num: 1}},
		"long page":          {good, report.Page{Num: 1, Size: report.MaxPage + 1}},
		"time runs backward": {report.Filter{MerchantID: "m", Kind: report.Both, Axis: report.Paid, From: now, To: now.Add(-1)}, report.Page{Num: 1, Size: 1}},
	} {
		if _, err := r.List(t.Context(), c.f, c.p); !errors.Is(err, pay.ErrInvalid) {
			t.Errorf("%s: %v, want pay.ErrInvalid", name, err)
		}
	}
	if _, err := r.Stats(t.Context(), report.StatQuery{Filter: good, Page: report.Page{Num: 1, Size: 1}}); !errors.Is(err, pay.ErrInvalid) {
		t.Errorf("no stat_type: %v, want pay.ErrInvalid", err)
	}
	far := report.Filter{From: now.Add(-report.MaxSpan - time.Second)}
	if err := far.CheckSpan(now); !errors.Is(err, pay.ErrInvalid) {
		t.Errorf("91 days: %v, want pay.ErrInvalid", err)
	}
	far.From = now.Add(-report.MaxSpan)
	if err := far.CheckSpan(now); err != nil {
		t.Errorf("90 days: %v, want none", err)
	}
	if l, err := r.List(t.Context(), good, report.Page{Num: 1 << 40, Size: 100}); err != nil || len(l.Rows) != 0 {
		t.Errorf("page past the end = %+v, %v, want none (R32)", l, err)
	}
}

func TestOneNumberPicksAnOrderAndItsRefunds(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
			sell(t, s, "a", at, 100)
			o := sell(t, s, "b", at, 200)
			r := pay.Refund{
				MerchantID: "m", OutRefundNo: "r", OutTradeNo: "b", Channel: o.Channel, State: pay.RefundPending, Origin: pay.OriginAPI,
				Unit: s.NewUnit(), Total: 200, Amount: 50, Do: pay.ActSend, DoAt: at, CreatedAt: at, UpdatedAt: at,
			}
			if won, err := s.OpenRefund(t.Context(), r, pay.PAID, r.OpenPostings()); err != nil || !won {
				t.Fatal(won, err)
			}
			rs := reports(s, at.Add(time.Hour))
			for _, c := range []struct {
				trade, refund string
				rows          int64
				net           pay.Fen
			}{{"b", "", 2, 150}, {"b", "r", 1, -50}, {"", "r", 1, -50}, {"a", "", 1, 100}, {"a", "r", 0, 0}, {"c", "", 0, 0}} {
				f := report.Filter{MerchantID: "m", Kind: report.Both, Axis: report.Paid, OutTradeNo: c.trade, OutRefundNo: c.refund}
				l, err := rs.List(t.Context(), f, report.Page{Num: 1, Size: 10})
				if err != nil || l.Total != c.rows || int64(len(l.Rows)) != c.rows {
					t.Errorf("list of %q %q = %+v, %v, want %d rows", c.trade, c.refund, l, err, c.rows)
				}
				if all, _, err := rs.Overview(t.Context(), f, report.By{}); err != nil || all.NetAmount != c.net || all.Rows != c.rows {
					t.Errorf("overview of %q %q = %+v, %v, want net %d", c.trade, c.refund, all, err, c.net)
				}
			}
		})
	}
}

func TestFolderFoldsWhatIsOldEnough(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
			for i := range 20 {
				sell(t, s, strconv.Itoa(i), now.Add(-time.Hour+time.Duration(i)*time.Minute), 100)
			}
			sell(t, s, "new", now.Add(-time.Minute), 100)
			f := report.NewFolder(report.Config{Store: s, Now: func() time.Time { return now }}, slog.New(slog.DiscardHandler))
			for range 2 {
				if err := f.Merchant(t.Context(), "m"); err != nil {
					t.Fatal(err)
				}
			}
			var live int
			err := s.ReadReport(t.Context(), "m", func(r *store.ReportReader) error {
				cs, _, err := r.Changes(t.Context(), 100)
				live = len(cs)
				return err
			})
			if err != nil || live != 1 {
				t.Errorf("%d rows are read live, %v, want the new one", live, err)
			}
			all, _, err := reports(s, now).Overview(t.Context(), report.Filter{MerchantID: "m", Kind: report.Both, Axis: report.Paid}, report.By{})
			if err != nil || all.SuccessCount != 21 {
				t.Errorf("overview = %+v, %v, want 21 orders", all, err)
			}
			if last, err := s.LastTrade(t.Context(), "m", "s1"); err != nil || !last.Equal(now.Add(-time.Minute)) {
				t.Errorf("last trade %v, %v, want the new one's", last, err)
			}
			if last, err := s.LastTrade(t.Context(), "m", "s2"); err != nil || !last.IsZero() {
				t.Errorf("last trade of a shop without any: %v, %v", last, err)
			}
		})
	}
}

// TestLatecomersAreFolded is about an order whose commit came after the fold
// had passed its time.
func TestLatecomersAreFolded(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
			f := report.NewFolder(report.Config{Store: s, Now: func() time.Time { return now }}, slog.New(slog.DiscardHandler))
			sell(t, s, "a", now.Add(-time.Hour), 100)
			if _, err := s.FoldReport(t.Context(), "m", 0, now.Add(-time.Minute), 10); err != nil {
				t.Fatal(err)
			}
			sell(t, s, "late", now.Add(-30*time.Minute), 7)
			if err := f.Merchant(t.Context(), "m"); err != nil {
				t.Fatal(err)
			}
			all, _, err := reports(s, now).Overview(t.Context(), report.Filter{MerchantID: "m", Kind: report.Both, Axis: report.Created}, report.By{})
			if err != nil || all.SuccessAmount != 107 {
				t.Errorf("overview = %+v, %v, want 107", all, err)
			}
		})
	}
}

func TestFoldJobIsOneRowThatComesBack(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
			f := report.NewFolder(report.Config{Store: s, Now: func() time.Time { return now }}, slog.New(slog.DiscardHandler))
			for range 2 {
				if err := f.Schedule(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			runner := jobs.New(jobs.Config{
				Queue: s, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Kinds: map[string]jobs.Kind{report.FoldKind: f.Kind()},
			})
			if ran, err := runner.RunNow(context.WithoutCancel(t.Context()), jobs.Key{Kind: report.FoldKind, Ref: "all"}); err != nil || !ran {
				t.Fatal(ran, err)
			}
			js, err := s.ListJobs(t.Context(), store.JobFilter{Kind: report.FoldKind, Limit: 10})
			if err != nil || len(js) != 1 || !js[0].RunAt.After(now) || js[0].LastError != "" {
				t.Errorf("jobs = %+v, %v, want the one, later", js, err)
			}
		})
	}
}

func TestPoundageIsRoundedHalfUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ amount, want pay.Fen }{{0, 0}, {83, 0}, {84, 1}, {10_000, 60}, {10_083, 60}, {10_084, 61}} {
		if got := report.Poundage(c.amount, 6000); got != c.want {
			t.Errorf("Poundage(%d, 0.6 %%) = %d, want %d", c.amount, got, c.want)
		}
	}
}

// TestRefundInPlaceOfAReverseIsCountedOnce: the wallet calls an order revoked
// while a refund stands for its reverse, and then money comes late. The ledger
// has no reverse then, so neither have reports.
func TestRefundInPlaceOfAReverseIsCountedOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			p := pay.Profiles[pay.Wxpay]
			at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
			o := pay.Order{
				MerchantID: "m", OutTradeNo: "o", ProviderID: "p", Channel: pay.Wxpay, TradeType: pay.TradeMicroPay, State: pay.PAYING,
				Unit: s.NewUnit(), Total: 100, Currency: "CNY", SentAt: at, CreatedAt: at, UpdatedAt: at, Truth: pay.TruthLocal,
			}
			won := func(won bool, err error) {
				if err != nil || !won {
					t.Fatal(won, err)
				}
			}
			settle := func(c pay.Change) {
				c.Order.Unit = s.NewUnit()
				won(s.SettleOrder(t.Context(), c))
				var err error
				if o, err = s.Order(t.Context(), "m", "o"); err != nil {
					t.Fatal(err)
				}
			}
			paid := pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: pay.Payment{TransactionID: "4200", Total: 100, PaidAt: at}}
			won(s.OpenOrder(t.Context(), o))
			asked, err := p.ReverseAsked(o, "", true, at)
			if err != nil {
				t.Fatal(err)
			}
			settle(asked)
			settle(p.StartReverse(o, at))
			settle(p.Apply(o, pay.CallQuery, paid, at))
			settle(p.StartReverse(o, at))
			settle(p.Apply(o, pay.CallReverse, pay.Outcome{Kind: pay.Declined, Verified: true, Next: pay.NextRefundInstead, Code: "REVERSE_EXPIRE"}, at))
			r := pay.Refund{
				MerchantID: "m", OutRefundNo: "r", OutTradeNo: "o", Channel: pay.Wxpay, State: pay.RefundPending, Origin: pay.OriginReverse,
				Unit: s.NewUnit(), Total: 100, Amount: 100, Do: pay.ActSend, DoAt: at, CreatedAt: at, UpdatedAt: at,
			}
			won(s.OpenRefund(t.Context(), r, o.State, r.OpenPostings()))
			o, err = s.Order(t.Context(), "m", "o")
			if err != nil {
				t.Fatal(err)
			}
			revoked := pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REVOKED", Returned: true, Payment: paid.Payment}
			for _, c := range []struct {
				call pay.Call
				out  pay.Outcome
			}{{pay.CallQuery, revoked}, {pay.CallNotice, paid}, {pay.CallQuery, paid}} {
				settle(p.Apply(o, c.call, c.out, at))
			}
			if o.State != pay.REVERSED || o.Late == pay.LateNone || o.Reserved != 100 {
				t.Fatalf("the order is %s, late %q, reserved %d", o.State, o.Late, o.Reserved)
			}
			for range 2 { // live, and folded
				all, _, err := reports(s, at.Add(time.Hour)).Overview(t.Context(), report.Filter{MerchantID: "m", Kind: report.Both, Axis: report.Paid}, report.By{})
				if err != nil || all.NetAmount != 0 || all.RevokeSettle != 0 || all.RefundAmount != 100 || all.SuccessCount != 1 {
					t.Fatalf("figures = %+v, %v", all, err)
				}
				if _, err := s.FoldReport(t.Context(), "m", 0, at.Add(time.Hour), 100); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
