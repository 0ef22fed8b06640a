package manage_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/day"
	"cloudpay/internal/manage"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

const daysA = "/v1/merchants/" + merchantA + "/days"

// noon of the day so many days before the house was built, in Asia/Shanghai.
func (h *house) noon(ago int) time.Time {
	y, m, d := h.began.In(time.FixedZone("CST", 8*60*60)).AddDate(0, 0, -ago).Date()
	return time.Date(y, m, d, 4, 0, 0, 0, time.UTC)
}

// booked is an order of a merchant that was paid at a moment and found paid at
// another, as the store has it.
func (h *house) booked(t *testing.T, merchant, no string, total pay.Fen, at, found time.Time) {
	t.Helper()
	o := pay.Order{
		MerchantID: merchant, OutTradeNo: no, ProviderID: providerA, Channel: pay.Wxpay, TradeType: pay.TradeMicroPay, State: pay.PAYING,
		Unit: h.store.NewUnit(), Total: total, Currency: "CNY", ShopID: shopA, SentAt: at, CreatedAt: at, UpdatedAt: at, Truth: pay.TruthLocal,
	}
	c := pay.Change{From: o, Order: o, Postings: []pay.Posting{pay.PostPaid(total, total)}}
	n := &c.Order
	n.State, n.Unit, n.PaidAt, n.UpdatedAt, n.Settlement, n.Truth = pay.PAID, h.store.NewUnit(), at, found, total, pay.TruthQuery
	for _, write := range []func() (bool, error){
		func() (bool, error) { return h.store.OpenOrder(t.Context(), o) }, func() (bool, error) { return h.store.SettleOrder(t.Context(), c) },
	} {
		if won, err := write(); err != nil || !won {
			t.Fatal(won, err)
		}
	}
}

// billed reconciles a day of a merchant with these payments in the bill, and
// these differences.
func (h *house) billed(t *testing.T, merchant string, at time.Time, lines []store.BillLine, diffs ...store.Diff) {
	t.Helper()
	k := store.ReconKey{MerchantID: merchant, Channel: pay.Wxpay, Day: strings.ReplaceAll(day.DateOf(at), "-", "")}
	if err := h.store.PlanRecon(t.Context(), k, at); err != nil {
		t.Fatal(err)
	}
	run, err := h.store.ReconRun(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	step := store.ReconStep{From: run, To: run, By: "recon", At: at, Lines: lines, Diffs: diffs}
	step.To.Unit, step.To.Version, step.To.Step, step.To.DoneAt, step.To.Lines = h.store.NewUnit(), 1, store.ReconDone, at, int64(len(lines))
	for i, l := range lines {
		lines[i].Line, lines[i].At, lines[i].Kind, lines[i].Item, lines[i].Settlement = int64(i), at, "payment", "payment:"+l.OutTradeNo, l.Total
	}
	for i := range diffs {
		d := &diffs[i]
		d.Channel, d.Day, d.Round, d.FirstAt, d.Line = k.Channel, k.Day, run.Round, at, -1
		if d.MerchantID == "" { // it is not the provider's
			d.MerchantID = merchant
		}
	}
	if won, err := h.store.MoveRecon(t.Context(), step); err != nil || !won {
		t.Fatalf("MoveRecon = %v, %v", won, err)
	}
}

// closed closes a day of a merchant.
func (h *house) closed(t *testing.T, merchant string, at time.Time) day.Record {
	t.Helper()
	r, err := h.days.Close(t.Context(), merchant, day.DateOf(at), false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// closedDay is a row about merchant A, which has one closed day: DATE in the path,
// which goes on behind its days, or without a / behind its reconciliation.
func closedDay(suffix string, r row) row {
	r.before = func(t *testing.T, h *house) (string, string) {
		t.Helper()
		at := h.noon(5)
		h.booked(t, merchantA, prefixA+"d1", 200, at, at)
		h.billed(t, merchantA, at, []store.BillLine{{OutTradeNo: prefixA + "d1", Total: 200}})
		h.closed(t, merchantA, at)
		base := daysA
		if !strings.HasPrefix(suffix, "/") && !strings.HasPrefix(suffix, "?") {
			base = "/v1/merchants/" + merchantA + "/recon/"
		}
		return base + strings.ReplaceAll(suffix, "DATE", day.DateOf(at)), ""
	}
	return r
}

// evil is an order number that a spreadsheet would run.
const evil = `=HYPERLINK("x")`

// chained is a house of its own with two merchants, m with two closed days and n
// with none; the second day of m is not balanced and corrects the first. get reads
// as the operator.
func chained(t *testing.T, st *store.Store) (h *house, get func(path string) *httptest.ResponseRecorder, days [2]time.Time) {
	t.Helper()
	h, err := build(st)
	if err != nil {
		t.Fatal(err)
	}
	root := manage.AsOperator(t.Context(), "root")
	for _, made := range [][2]string{
		{"/v1/providers", `{"out_mch_id":"p","name":"服务商"}`},
		{"/v1/merchants", `{"out_mch_id":"p","out_sub_mch_id":"m","company_name":"店"}`},
		{"/v1/merchants", `{"out_mch_id":"p","out_sub_mch_id":"n","company_name":"店"}`},
	} {
		if w := h.do(root, request{method: "POST", path: made[0], body: made[1]}); w.Code != http.StatusCreated {
			t.Fatalf("POST %s: %d %s", made[0], w.Code, w.Body)
		}
	}
	days = [2]time.Time{h.noon(5), h.noon(4)}
	h.booked(t, "m", evil, 100, days[0], days[0])
	h.billed(t, "m", days[0], []store.BillLine{{OutTradeNo: evil, TransactionID: "+1", State: "@x", Total: 100}})
	h.closed(t, "m", days[0])
	h.booked(t, "m", "found", 9, days[0].Add(time.Minute), days[1])
	h.booked(t, "m", "b", 50, days[1], days[1])
	h.billed(t, "m", days[1], nil, store.Diff{DiffKey: store.DiffKey{Item: "payment:b", Type: store.WeMore}, OutTradeNo: "b", Ours: 50, OurState: "PAID", State: store.DiffOpen})
	h.closed(t, "m", days[1])
	return h, func(path string) *httptest.ResponseRecorder {
		return h.do(root, request{method: "GET", path: "/v1/merchants/" + path})
	}, days
}

// read reads an answer that must be there.
func read[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return v
}

func onEngines(t *testing.T, f func(*testing.T, *store.Store)) {
	t.Helper()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			f(t, e.New(t)())
		})
	}
}

func TestClosedDaysAreReadInPages(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, st *store.Store) {
		t.Helper()
		_, get, at := chained(t, st)
		first, second := day.DateOf(at[0]), day.DateOf(at[1])
		all := read[manage.Page[manage.ClosedDay]](t, get("m/days"))
		if len(all.Items) != 2 || all.Next != "" {
			t.Fatalf("the days are %+v", all)
		}
		last, old := all.Items[0], all.Items[1]
		if !old.Balanced || old.Date != first || old.Number != 1 || old.Previous != "" || old.Differences+old.Adjustments != 0 || old.Items != 1 {
			t.Errorf("the first day is %+v", old)
		}
		if last.Balanced || last.Date != second || last.Previous != old.Hash || last.Differences != 1 || last.Open != 1 || last.Adjustments != 1 {
			t.Errorf("the second day is %+v", last)
		}
		page := read[manage.Page[manage.ClosedDay]](t, get("m/days?limit=1"))
		rest := read[manage.Page[manage.ClosedDay]](t, get("m/days?limit=1&after="+page.Next))
		if diff := cmp.Diff(all.Items, append(page.Items, rest.Items...)); diff != "" || rest.Next != "" {
			t.Errorf("two pages, then %q: -all +pages\n%s", rest.Next, diff)
		}
		for query, want := range map[string]int{"from=" + second: 1, "to=" + first: 1, "from=" + second + "&to=" + first: 0, "to=" + strings.ReplaceAll(second, "-", ""): 2} {
			if p := read[manage.Page[manage.ClosedDay]](t, get("m/days?"+query)); len(p.Items) != want {
				t.Errorf("%s: %d days, want %d", query, len(p.Items), want)
			}
		}
		one := read[manage.SignedDay](t, get("m/days/"+second))
		if diff := cmp.Diff(last, one.ClosedDay); diff != "" || one.Signature == "" || one.Channels[0].Orders.In != 50 || one.Channels[0].Bill.In != 0 {
			t.Errorf("the second day by itself is %+v\n%s", one, diff)
		}
		diffs := read[manage.Page[manage.DayDifference]](t, get("m/days/"+second+"/differences"))
		want := []manage.DayDifference{{Kind: "bill_we_more", Channel: "wxpay", Item: "payment:b", Ours: 50, State: "open"}}
		if diff := cmp.Diff(want, diffs.Items); diff != "" {
			t.Errorf("differences: -want +got\n%s", diff)
		}
		adjusted := read[manage.Page[manage.DayAdjustment]](t, get("m/days/"+second+"/adjustments?limit=1"))
		if diff := cmp.Diff([]manage.DayAdjustment{{Of: first, Channel: "wxpay", Item: "payment:found", In: 9}}, adjusted.Items); diff != "" || adjusted.Next != "" {
			t.Errorf("adjustments, then %q: -want +got\n%s", adjusted.Next, diff)
		}
		if p := read[manage.Page[manage.DayAdjustment]](t, get("m/days/"+second+"/adjustments?after=7")); len(p.Items) > 0 || p.Next != "" {
			t.Errorf("behind the end are %+v", p)
		}
		if p := read[manage.Page[manage.ClosedDay]](t, get("n/days")); len(p.Items) > 0 {
			t.Errorf("another merchant has %+v", p)
		}
		for path, want := range map[string]int{
			"n/days/" + first: 404, "n/days/export": 404, "n/days/" + first + "/statement": 404, "m/days/" + day.DateOf(at[0].AddDate(0, 0, -1)): 404,
			"m/days/2026-13-01": 422, "m/days?after=x": 422, "m/days?to=1": 422, "m/days?limit=201": 422, "m/days/export?from=9": 422, "m/days/export?from=2999-01-01": 404,
		} {
			if w := get(path); w.Code != want {
				t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
			}
		}
	})
}

func TestTheExportedChainVerifiesOffline(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, st *store.Store) {
		t.Helper()
		h, get, at := chained(t, st)
		keys, err := h.days.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		key, err := day.ParseKey(keys[0].Public)
		if err != nil {
			t.Fatal(err)
		}
		w := get("m/days/export")
		name := "days-m-" + day.DateOf(at[0]) + "-" + day.DateOf(at[1]) + ".jsonl"
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/x-ndjson" || w.Header().Get("Content-Disposition") != "attachment; filename="+name {
			t.Fatalf("the file: %d %v", w.Code, w.Header())
		}
		var same bytes.Buffer
		if _, err := h.days.Export(t.Context(), "m", &same); err != nil || !bytes.Equal(same.Bytes(), w.Body.Bytes()) {
			t.Errorf("%v: it is not what the command line writes:\n%s\n%s", err, w.Body, same.Bytes())
		}
		v, err := day.Verify(bytes.NewReader(w.Body.Bytes()), day.Trust{Key: key}, nil)
		if err != nil || v.Days != 2 || v.Merchant != "m" {
			t.Errorf("Verify = %+v, %v", v, err)
		}
		shown := read[manage.SignedDay](t, get("m/days/"+day.DateOf(at[1])))
		if shown.Hash != v.LastHash || shown.Key != v.LastKey {
			t.Errorf("the day is shown with %s and %s, the file has %s and %s", shown.Hash, shown.Key, v.LastHash, v.LastKey)
		}
		changed := bytes.Replace(w.Body.Bytes(), []byte(`"in":100`), []byte(`"in":900`), 1)
		if _, err := day.Verify(bytes.NewReader(changed), day.Trust{Key: key}, nil); err == nil {
			t.Error("a changed amount goes unnoticed")
		}
		part := get("m/days/export?from=" + day.DateOf(at[1])).Body.Bytes()
		if v, err := day.Verify(bytes.NewReader(part), day.Trust{Key: key, Previous: shown.Previous}, nil); err != nil || v.Days != 1 {
			t.Errorf("from the second day on: %+v, %v", v, err)
		}
		if _, err := day.Verify(bytes.NewReader(part), day.Trust{Key: key}, nil); err == nil {
			t.Error("a part verifies as a whole chain")
		}
	})
}

// unpacked is every sheet and text of a workbook.
func unpacked(t *testing.T, book []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(book), int64(len(book)))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, io.LimitReader(r, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

func TestAStatementRunsNothingInASpreadsheet(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, st *store.Store) {
		t.Helper()
		_, get, at := chained(t, st)
		path := "m/days/" + day.DateOf(at[0]) + "/statement"
		w := get(path)
		if got := w.Body.String(); w.Header().Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(got, `"'=HYPERLINK(""x"")"`) || strings.Contains(got, `,"=`) {
			t.Errorf("the CSV: %v\n%s", w.Header(), got)
		}
		w = get(path + "?format=xlsx")
		if got := unpacked(t, w.Body.Bytes()); !strings.Contains(got, `&#39;=HYPERLINK`) || strings.Contains(got, "<f>") || !strings.HasSuffix(w.Header().Get("Content-Disposition"), ".xlsx") {
			t.Errorf("the workbook: %v\n%s", w.Header(), got)
		}
	})
}

func TestTheBalanceAtAMoment(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, st *store.Store) {
		t.Helper()
		_, get, at := chained(t, st)
		balance := func(query string) (r int64, b manage.LedgerBalance) {
			t.Helper()
			b = read[manage.LedgerBalance](t, get("m/ledger/balance"+query))
			for _, c := range b.Channels {
				if !b.Balanced || c.Sum != 0 {
					t.Errorf("%s: %+v", query, b)
				}
				for _, v := range c.Accounts {
					if v.Account == "R" {
						r += v.Debit - v.Credit
					}
				}
			}
			return r, b
		}
		moment := func(at time.Time) string { return "?at=" + at.Format(time.RFC3339) }
		for query, want := range map[string]int64{
			"": 159, moment(at[0]): 0, moment(at[0].Add(time.Second)): 100, moment(at[1].Add(time.Second)): 159, "?at=2999-01-01T00:00:00Z": 159,
			"?channel=alipay": 0, "?channel=wxpay": 159,
		} {
			if got, b := balance(query); got != want {
				t.Errorf("%q: the wallet owes %d, want %d: %+v", query, got, want, b)
			}
		}
		if w := get("m/ledger/balance?at=2999-01-01T00:00:00Z"); strings.Contains(w.Body.String(), "2999") {
			t.Errorf("a moment to come: %s", w.Body)
		}
		if b := read[manage.LedgerBalance](t, get("n/ledger/balance")); len(b.Channels) > 0 {
			t.Errorf("another merchant has %+v", b)
		}
	})
}
