package manage_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/day"
	"cloudpay/internal/manage"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// disagreeing gives merchant m of chained four more differences, and its provider
// one of an account that merchants share.
func disagreeing(t *testing.T, h *house) {
	t.Helper()
	of := func(item string, kind store.DiffType, ours, theirs pay.Fen) store.Diff {
		return store.Diff{DiffKey: store.DiffKey{Item: item, Type: kind}, OutTradeNo: strings.TrimPrefix(item, "payment:"), Ours: ours, Theirs: theirs}
	}
	shared := of("payment:SHARED", store.WalletMore, 0, 777)
	shared.MerchantID = store.OfProvider("p")
	h.billed(t, "m", h.noon(3), []store.BillLine{{OutTradeNo: "own", Total: 5}}, of("payment:"+evil, store.AmountDiff, 100, 90), of("payment:"+evil, store.FeeDiff, 1, 2),
		of("payment:包/ %_", store.WalletMore, 0, 30), of("payment:own", store.WalletMore, 0, 5), shared)
}

func TestDifferencesAreReadInPagesAndSummed(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, st *store.Store) {
		t.Helper()
		h, get, _ := chained(t, st)
		disagreeing(t, h)
		list := func(query string) manage.Page[manage.Difference] {
			t.Helper()
			return read[manage.Page[manage.Difference]](t, get("m/recon/differences?"+query))
		}
		all := list("")
		if len(all.Items) != 5 || all.Next != "" {
			t.Fatalf("the differences are %+v", all)
		}
		var paged []manage.Difference
		for next, pages := "", 0; pages == 0 || next != ""; pages++ {
			p := list("limit=2&after=" + next)
			paged, next = append(paged, p.Items...), p.Next
			if len(p.Items) > 2 || pages > 3 {
				t.Fatalf("page %d has %+v", pages, p)
			}
		}
		if diff := cmp.Diff(all.Items, paged); diff != "" {
			t.Errorf("-all +pages\n%s", diff)
		}
		for query, want := range map[string]int{
			"type=wallet_more": 2, "type=fee": 1, "type=fee&state=explained": 0, "channel=alipay": 0, "out_trade_no=own": 1, "out_trade_no=" + url.QueryEscape(evil): 2,
			"from=" + day.DateOf(h.noon(3)): 4, "to=" + day.DateOf(h.noon(4)): 1,
		} {
			if p := list(query); len(p.Items) != want {
				t.Errorf("%s: %d differences, want %d", query, len(p.Items), want)
			}
		}
		at := h.noon(3)
		totals := read[manage.DifferenceTotals](t, get("m/recon/differences/totals?channel=wxpay&from="+day.DateOf(at)))
		want := manage.DifferenceTotals{Count: 4, Open: 4, Items: []manage.DifferenceTotal{
			{Channel: "wxpay", Type: "amount", State: "open", Count: 1, Ours: 100, Theirs: 90, Net: -10, Oldest: at},
			{Channel: "wxpay", Type: "fee", State: "open", Count: 1, Ours: 1, Theirs: 2, Net: 1, Oldest: at},
			{Channel: "wxpay", Type: "wallet_more", State: "open", Count: 2, Theirs: 35, Net: 35, Oldest: at},
		}}
		if diff := cmp.Diff(want, totals); diff != "" {
			t.Errorf("totals: -want +got\n%s", diff)
		}
		for _, path := range []string{"n/recon/differences", "n/recon/differences/totals", "n/recon/days"} {
			if w := get(path); !strings.Contains(w.Body.String(), `"items":[]`) {
				t.Errorf("%s of another merchant: %s", path, w.Body)
			}
		}
		for _, after := range []string{"x", "W10", "WyIxIiwiMiIsIjMiLDRd", "WyJhXHUwMDAwIiwiIiwiIiwiIl0"} {
			if w := get("m/recon/differences?after=" + after); w.Code != 422 || !strings.Contains(w.Body.String(), "query.after") {
				t.Errorf("after=%s: %d %s, want 422", after, w.Code, w.Body)
			}
		}
	})
}

func TestReconciledDaysAreReadInPages(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, st *store.Store) {
		t.Helper()
		h, get, _ := chained(t, st)
		disagreeing(t, h)
		var days []string
		for next, pages := "", 0; pages == 0 || next != ""; pages++ {
			p := read[manage.Page[manage.ReconDay]](t, get("m/recon/days?limit=1&to="+day.DateOf(h.noon(4))+"&after="+next))
			for _, d := range p.Items {
				days = append(days, d.Day)
			}
			if next = p.Next; pages > 3 {
				t.Fatal("the list does not end")
			}
		}
		of := func(ago int) string { return strings.ReplaceAll(day.DateOf(h.noon(ago)), "-", "") }
		if diff := cmp.Diff([]string{of(4), of(5)}, days); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if w := get("m/recon/days?after=x"); w.Code != 422 || !strings.Contains(w.Body.String(), "query.after") {
			t.Errorf("after=x: %d %s", w.Code, w.Body)
		}
	})
}

func TestBillsAreExportedWithinBounds(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, st *store.Store) {
		t.Helper()
		h, get, _ := chained(t, st)
		disagreeing(t, h)
		span := "/recon/export?from=" + day.DateOf(h.noon(6)) + "&to=" + day.DateOf(h.noon(2))
		got := get("m" + span).Body.String()
		for _, want := range []string{`"'=HYPERLINK(""x"")"`, ",'+1,", ",'@x,", "wallet_more", "payment:own", "账期 day"} {
			if !strings.Contains(got, want) {
				t.Errorf("the CSV lacks %s:\n%s", want, got)
			}
		}
		if strings.Contains(got, "SHARED") || strings.Contains(got, ",=") || strings.Contains(got, `,"=`) || strings.Contains(got, ",+1") || strings.Contains(got, ",@x") {
			t.Errorf("the CSV:\n%s", got)
		}
		book := unpacked(t, get("m"+span+"&format=xlsx").Body.Bytes())
		if !strings.Contains(book, "&#39;=HYPERLINK") || strings.Contains(book, "<f>") || strings.Contains(book, "SHARED") {
			t.Errorf("the workbook:\n%s", book)
		}
		if got := get("n" + span).Body.String(); strings.Contains(got, "payment") && !strings.Contains(got, "item") || strings.Contains(got, "own") || strings.Contains(got, "HYPERLINK") {
			t.Errorf("another merchant's:\n%s", got)
		}
		if w := get("nobody" + span); w.Code != 404 {
			t.Errorf("nobody's: %d %s", w.Code, w.Body)
		}
		today := day.DateOf(h.noon(0))
		for query, field := range map[string]string{
			"from=" + today: "query.to", "to=" + today: "query.from", "from=2026-01-01&to=2026-04-04": "query.to", "from=2026-01-02&to=2026-01-01": "query.to",
			"from=20260230&to=20260301": "query.from", "from=20260201&to=20260301&format=ods": "query.format",
		} {
			if w := get("m/recon/export?" + query); w.Code != 422 || !strings.Contains(w.Body.String(), field) {
				t.Errorf("%s: %d %s, want 422 that names %s", query, w.Code, w.Body, field)
			}
		}
		h.claimed(t, "m", 200_001)
		if w := get("m" + span); w.Code != 422 || !strings.Contains(w.Body.String(), "200003") {
			t.Errorf("bills of 200,003 lines: %d %s, want 422", w.Code, w.Body)
		}
	})
}

// claimed gives a day of a merchant a bill that says to have so many lines.
func (h *house) claimed(t *testing.T, merchant string, lines int64) {
	t.Helper()
	k := store.ReconKey{MerchantID: merchant, Channel: pay.Alipay, Day: strings.ReplaceAll(day.DateOf(h.noon(4)), "-", "")}
	if err := h.store.PlanRecon(t.Context(), k, h.noon(4)); err != nil {
		t.Fatal(err)
	}
	run, err := h.store.ReconRun(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	step := store.ReconStep{From: run, To: run, By: "recon", At: h.noon(4)}
	step.To.Unit, step.To.Lines = h.store.NewUnit(), lines
	if won, err := h.store.MoveRecon(t.Context(), step); err != nil || !won {
		t.Fatal(won, err)
	}
}
