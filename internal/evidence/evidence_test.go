package evidence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/channel"
	"cloudpay/internal/evidence"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

var start = time.Date(2026, 11, 26, 15, 0, 0, 0, time.UTC)

// desk is a recorder on a real store, at a time that the test moves.
type desk struct {
	*evidence.Recorder
	store *store.Store
	now   time.Time
	reg   *prometheus.Registry
}

func vault(t *testing.T) *secret.DataKey {
	t.Helper()
	k, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.NewDataKey("*installation")
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.OpenDataKey("*installation", sealed)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newDesk(t *testing.T, s *store.Store, v *secret.DataKey) *desk {
	t.Helper()
	d := &desk{store: s, now: start, reg: prometheus.NewRegistry()}
	d.Recorder = evidence.New(evidence.Config{
		Keeper: s, Queue: s, Vault: v, Now: func() time.Time { return d.now },
		Log: slog.New(slog.DiscardHandler), Metrics: evidence.NewMetrics(d.reg),
	})
	return d
}

// find flushes and looks for an order on the day of the test.
func (d *desk) find(t *testing.T, merchant string, numbers ...string) evidence.Found {
	t.Helper()
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := d.Find(t.Context(), merchant, numbers, []evidence.Span{{From: start.Add(-time.Hour), To: d.now.Add(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// bytesOf compares raw bytes, which print as their length only.
var bytesOf = cmp.Comparer(func(a, b evidence.Raw) bool { return bytes.Equal(a, b) })

func call(merchant, order string, at time.Time) evidence.Record {
	return evidence.Record{
		Kind: evidence.Call, MerchantID: merchant, OutTradeNo: order, OutRefundNo: "r" + order, At: at, Took: 40 * time.Millisecond,
		Channel: pay.Wxpay, Name: "pay", Verdict: "PAID", Verified: true, Code: "SUCCESS", Reason: "none", Text: "好", From: "PAYING",
		Truth: "answer", Unit: "u.1", DeviceID: "till-1", LogID: 42,
		Exchanges: []evidence.Exchange{{
			Method: "POST", URL: "https://wallet/pay", Header: evidence.Raw("Content-Type: text/xml\n"), Request: evidence.Raw("<xml>134567890123456789</xml>"),
			Status: 200, AnswerHeader: evidence.Raw("Wechatpay-Signature: x\n"), Answer: evidence.Raw("<xml>ok</xml>"), Took: 30 * time.Millisecond,
		}, {Method: "GET", URL: "https://wallet/certificates", Lost: "timeout"}},
	}
}

func TestWhatWasSaidIsFoundAgainByteForByteAndNowhereInClear(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s, v := e.New(t)(), vault(t)
			d := newDesk(t, s, v)
			want := call("m1", "o1", start)
			d.Add(want)
			d.Add(call("m1", "o2", start))
			d.Add(call("m2", "o1", start)) // another merchant's order of the same number
			got := d.find(t, "m1", "o1")
			if diff := cmp.Diff(evidence.Found{Records: []evidence.Record{want}}, got, bytesOf); diff != "" {
				t.Error(diff)
			}
			if got := d.find(t, "m1", "ro2"); len(got.Records) != 1 || got.Records[0].OutTradeNo != "o2" {
				t.Errorf("by the number of its refund: %v", got.Records)
			}
			pages, err := s.EvidenceMarks(t.Context(), "m1", "", "g", 10)
			if err != nil || len(pages) != 1 {
				t.Fatalf("%d pages, %v; want both records in one", len(pages), err)
			}
			sealed, err := s.EvidencePage(t.Context(), "m1", pages[0].ID)
			if err != nil || bytes.Contains(sealed, []byte("134567890123456789")) || bytes.Contains(sealed, []byte("o1")) {
				t.Errorf("the page shows what it holds, or %v", err)
			}
			if text := fmt.Sprintf("%v %+v %s", want, want, want.Exchanges[0].Request); strings.Contains(text, "134567890123456789") {
				t.Errorf("a printed record shows the bytes: %s", text)
			}
			// Another installation's key opens nothing, and says so.
			other := newDesk(t, s, vault(t))
			if got := other.find(t, "m1", "o1"); len(got.Records) != 0 || got.Unreadable != 1 {
				t.Errorf("under another key: %d records, %d unreadable", len(got.Records), got.Unreadable)
			}
		})
	}
}

func TestOldPagesArePurgedInBatches(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			d := newDesk(t, s, vault(t))
			for range 3 {
				d.Add(call("m1", "o1", d.now))
				if got := d.find(t, "m1", "o1"); got.Unreadable != 0 {
					t.Fatal(got)
				}
				d.now = d.now.Add(24 * time.Hour)
			}
			before := evidence.PageID(start.Add(30 * time.Hour))
			for i, want := range []struct{ more bool }{{true}, {true}, {false}} {
				if more, err := s.PurgeEvidence(t.Context(), before, 1); err != nil || more != want.more {
					t.Errorf("purge %d: more %v, %v", i, more, err)
				}
			}
			pages, err := s.EvidenceMarks(t.Context(), "m1", "", "g", 10)
			if err != nil || len(pages) != 1 {
				t.Fatalf("%d pages are left, %v; want the youngest", len(pages), err)
			}
			if _, err := s.EvidencePage(t.Context(), "m1", pages[0].ID); err != nil {
				t.Error(err)
			}
			if _, err := s.EvidencePage(t.Context(), "m1", evidence.PageID(start)); !errors.Is(err, pay.ErrNotFound) {
				t.Errorf("a page that is not there: %v", err)
			}
		})
	}
}

func TestWhatDoesNotFitIsCountedAndSaid(t *testing.T) {
	t.Parallel()
	e := storetest.Engines()[0]
	d := newDesk(t, e.New(t)(), vault(t))
	const most = 32 << 10
	for range most + 7 {
		d.Add(evidence.Record{Kind: evidence.Change, MerchantID: "m1", OutTradeNo: "o2", At: d.now})
	}
	d.now = d.now.Add(time.Second)
	got := d.find(t, "m1", "o1")
	want := []evidence.Record{{Kind: evidence.Gap, MerchantID: "m1", At: start, Count: 7, Until: start}}
	if diff := cmp.Diff(want, got.Records); diff != "" {
		t.Error(diff)
	}
	figures, err := d.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	dropped := 0.0
	for _, f := range figures {
		for _, m := range f.GetMetric() {
			if f.GetName() == "cloudpay_evidence_records_total" && m.GetLabel()[0].GetValue() == "dropped" {
				dropped = m.GetCounter().GetValue()
			}
		}
	}
	if dropped != 7 {
		t.Errorf("%v dropped records are counted, want 7", dropped)
	}
	d.Add(call("m1", "o1", d.now)) // there is room again
	if got := d.find(t, "m1", "o1"); len(got.Records) != 2 {
		t.Errorf("%d records afterwards", len(got.Records))
	}
}

func TestLongBodiesAreCutAndSaySo(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storetest.Engines()[0].New(t)(), vault(t))
	r := call("m1", "o1", start)
	long := evidence.Raw(strings.Repeat("x", 20<<10))
	r.Exchanges = []evidence.Exchange{{Request: long, Answer: long}, {Request: long, Answer: long}, {}, {}, {}}
	for range 5 { // more than a page
		d.Add(r)
	}
	got := d.find(t, "m1", "o1")
	if len(got.Records) != 5 || len(got.Records[0].Exchanges) != 2 { // empty ones take no room
		t.Fatalf("%d records", len(got.Records))
	}
	x := got.Records[0].Exchanges
	if len(x[0].Request) != 16<<10 || x[0].Cut != 8<<10 || len(x[1].Request) != 8<<10 || len(x[1].Answer) != 0 || x[1].Cut != 32<<10 {
		t.Errorf("kept %d+%d and %d+%d bytes, cut %d and %d", len(x[0].Request), len(x[0].Answer), len(x[1].Request), len(x[1].Answer), x[0].Cut, x[1].Cut)
	}
}

func TestStrangersAreKeptAFewAMinuteAndFoundByTheirBytes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storetest.Engines()[0].New(t)(), vault(t))
	told := func(order string) {
		d.Told("m1", pay.Wxpay, "", "", d.now, http.Header{"Wechatpay-Serial": {"1"}, "Cookie": {"c"}}, []byte("<xml>"+order+"</xml>"), errors.New("no"))
	}
	for range 100 {
		told("o1")
	}
	got := d.find(t, "m1", "o1")
	if len(got.Records) != 60 || got.Records[0].Verified || string(got.Records[0].Exchanges[0].Header) != "Wechatpay-Serial: 1\n" {
		t.Errorf("%d records, first %+v", len(got.Records), got.Records[:1])
	}
	if got := d.find(t, "m1", "o2"); len(got.Records) != 0 {
		t.Error("another order finds them too")
	}
	d.now = d.now.Add(time.Minute)
	told("o2")
	if got := d.find(t, "m1", "o2"); len(got.Records) != 1 {
		t.Errorf("%d records in the next minute", len(got.Records))
	}
}

func TestAWriteThatFailedIsRepeatedAndNothingIsTwice(t *testing.T) {
	t.Parallel()
	s := storetest.Engines()[0].New(t)()
	k := &flaky{Store: s, fails: 2}
	now := start
	r := evidence.New(evidence.Config{Keeper: k, Queue: s, Vault: vault(t), Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	r.Add(call("m1", "o1", now))
	for i := range 2 {
		if err := r.Flush(t.Context()); err == nil {
			t.Errorf("write %d did not fail", i)
		}
		r.Add(call("m1", "o1", now))
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := r.Find(t.Context(), "m1", []string{"o1"}, []evidence.Span{{From: now.Add(-time.Hour), To: now.Add(time.Hour)}})
	if err != nil || len(got.Records) != 3 {
		t.Errorf("%d records, %v; want 3", len(got.Records), err)
	}
}

// flaky is a store that fails after it has written, as when an answer is lost.
type flaky struct {
	*store.Store
	fails int
}

func (f *flaky) KeepEvidence(ctx context.Context, pages []evidence.Page) error {
	err := f.Store.KeepEvidence(ctx, pages)
	if f.fails > 0 {
		f.fails--
		return errors.New("lost")
	}
	return err
}

func TestNobodyKeepsAnything(t *testing.T) {
	t.Parallel()
	var r *evidence.Recorder
	r.Add(evidence.Record{})
	r.AddStranger(evidence.Record{})
	r.Told("m", pay.Wxpay, "o", "", start, nil, nil, nil)
	r.Settled(pay.Change{})
	r.SettledRefund(pay.RefundChange{})
	r.Raise(pay.Order{}, "", "", start)
	if err := r.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	var c channel.Channel = answering{}
	if got := r.Watch(c, "m", pay.Wxpay); got != c {
		t.Error("a channel is watched for nobody")
	}
}
