package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// open opens the database beside the gateways.
func (w *chaosWorld) open(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{DSN: w.dsn, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// callbackWithin is how long the one attempt of a callback may take that is due
// after the trouble: the other events of its order go before it.
const callbackWithin = 2 * time.Minute

// settled waits until no payment, refund or callback has anything left to do, and
// returns what has at the deadline. P5 is the merchants' ladder, not P7: a callback
// that was refused or cut off in the trouble may rest until the step of its ladder
// that it had reached by then, 20 minutes after six attempts. Nothing refuses it any
// more, so that one attempt must do.
func (w *chaosWorld) settled(t *testing.T, deadline time.Time) (left []jobs.Job) {
	t.Helper()
	st := w.open(t)
	var callbacks time.Time
	for {
		left = left[:0]
		for _, kind := range []string{"settle", "refund", "refund_ask", "callback"} {
			some, err := st.ListJobs(t.Context(), store.JobFilter{Kind: kind, Limit: 10_000})
			if err != nil {
				t.Fatal(err)
			}
			left = append(left, some...)
		}
		if callbacks.IsZero() { // the steps they have reached
			callbacks = deadline
			for _, j := range left {
				if due := j.RunAt.Add(callbackWithin); j.Kind == "callback" && due.After(callbacks) {
					callbacks = due
				}
			}
		}
		due := deadline
		if !slices.ContainsFunc(left, func(j jobs.Job) bool { return j.Kind != "callback" || j.State == jobs.Buried }) {
			due = callbacks
		}
		if len(left) == 0 || time.Now().After(due) {
			return left
		}
		if err := w.rest(time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

// chaosTruth is the table of a run.
type chaosTruth struct {
	states                             map[pay.OrderState]int
	orders, unheardOf, charged, kept   int // numbers; of them never accepted; charged; of them not given back in full
	toldPaid, toldUnpaid, believedPaid int
	wrong, twice, lost, falselyUnpaid  int // must be 0
	stuck, held                        int // must be 0
	refundsAsked, refundsTold          int
	refundsDone, refundsRejected       int
	refundsOver, refundsLost           int // must be 0
	books                              int // orders whose ledger disagrees: must be 0
	due, missing, untrue               int // callbacks; the last two must be 0
}

// compare looks at every order and prints the table. What must be 0 and is not
// fails the test, with the story of the orders.
func (w *chaosWorld) compare(t *testing.T, times chaosTimes, left []jobs.Job) {
	t.Helper()
	st := w.open(t)
	truth := chaosTruth{states: make(map[pay.OrderState]int)}
	const stories = 10
	bad := 0
	for _, s := range w.sales {
		complaints, err := w.judge(t, st, s, &truth)
		if err != nil {
			t.Fatal(err)
		}
		if len(complaints) == 0 {
			continue
		}
		if bad++; bad <= stories {
			t.Errorf("%s: %s\n%s", s.no, strings.Join(complaints, "; "), w.story(t, st, s))
		}
	}
	for _, j := range left {
		truth.stuck++
		if bad++; bad <= stories {
			t.Errorf("%s %s %s is still to be done: attempt %d at %v: %s", j.State, j.Kind, j.Ref, j.Attempt, j.RunAt, j.LastError)
		}
	}
	if bad > stories {
		t.Errorf("%d more of that", bad-stories)
	}
	var totals struct {
		DoubleCharges int64            `json:"double_charges"`
		Faults        map[string]int64 `json:"faults"`
	}
	if err := w.control(w.ctx, http.MethodGet, "/totals", nil, &totals); err != nil {
		t.Fatal(err)
	}
	if totals.DoubleCharges > 0 {
		t.Errorf("the wallets charged %d times more than once", totals.DoubleCharges)
	}
	w.merchants.wrong.mu.Lock()
	for what, n := range w.merchants.wrong.all {
		truth.untrue += n
		t.Errorf("merchants heard: %s (%d times)", what, n)
	}
	w.merchants.wrong.mu.Unlock()
	w.checkLogs(t)
	t.Log(w.table(truth, totals.Faults, times))
}

// judge compares one order with its wallet, its ledger and everybody who was
// told of it.
func (w *chaosWorld) judge(t *testing.T, st *store.Store, s *sale, truth *chaosTruth) (complaints []string, err error) {
	t.Helper()
	complain := func(counter *int, format string, args ...any) {
		*counter++
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	truth.orders++
	o, err := st.Order(t.Context(), w.people[s.merchant].OutSubMchID, s.no)
	known := err == nil
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	kept, charges, err := w.walletTruth(s.no)
	if err != nil {
		return nil, err
	}
	if charges > 0 {
		truth.charged++
	}
	if kept > 0 {
		truth.kept++
	}
	if charges > 1 {
		complain(&truth.twice, "charged %d times", charges)
	}
	paid := known && o.State == pay.PAID
	switch s.told {
	case cpay.StatePaid, cpay.StateRefunded:
		truth.toldPaid++
		if !paid {
			complain(&truth.lost, "the till was told paid and it is %q", o.State)
		}
	case cpay.StateDeclined, cpay.StateNotOurs:
		truth.toldUnpaid++
		if paid {
			complain(&truth.falselyUnpaid, "the till was told %v and it is paid", s.told)
		}
	case cpay.StateUnknown, cpay.StateWaiting:
	}
	if !known {
		truth.unheardOf++
		if charges > 0 {
			complain(&truth.wrong, "the wallet charged an order that we do not know")
		}
		return complaints, nil
	}
	truth.states[o.State]++
	want := int64(0)
	if paid {
		truth.believedPaid++
		want = int64(o.Total - o.Refunded)
	}
	if kept != want {
		complain(&truth.wrong, "it is %s with refunds of %d, and the wallet keeps %d, not %d", o.State, o.Refunded, kept, want)
	}
	if !o.State.Final() {
		complain(&truth.stuck, "it is still %s", o.State)
	}
	if o.Late == pay.LateHeld {
		complain(&truth.held, "late money is still held")
	}
	more, err := w.judgeRefunds(t, st, s, o, truth)
	complaints = append(complaints, more...)
	complaints = append(complaints, w.judgeCallbacks(o, paid, truth)...)
	return complaints, err
}

// judgeRefunds looks at the refunds of an order and at its ledger. It counts
// callbacks of refunds, too.
func (w *chaosWorld) judgeRefunds(t *testing.T, st *store.Store, s *sale, o pay.Order, truth *chaosTruth) (complaints []string, err error) {
	t.Helper()
	complain := func(counter *int, format string, args ...any) {
		*counter++
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	refunds, err := st.Refunds(t.Context(), o.MerchantID, o.OutTradeNo)
	if err != nil {
		return nil, err
	}
	byNo := map[string]pay.Refund{}
	var done pay.Fen
	for _, r := range refunds {
		byNo[r.OutRefundNo] = r
		switch r.State {
		case pay.RefundSucceeded, pay.RefundOffline:
			truth.refundsDone++
			done += r.Amount
			if r.Origin == pay.OriginAPI {
				truth.due++
				if w.merchants.heard.of("refund "+r.OutRefundNo) == 0 {
					complain(&truth.missing, "the merchant never heard of refund %s", r.OutRefundNo)
				}
			}
		case pay.RefundRejected:
			truth.refundsRejected++
		case pay.RefundPending, pay.RefundNeedsHand:
			complain(&truth.stuck, "refund %s is still %s", r.OutRefundNo, r.State)
		}
	}
	for _, asked := range s.refunds {
		truth.refundsAsked++
		if r, ok := byNo[asked.no]; asked.accepted {
			truth.refundsTold++
			if !ok || int64(r.Amount) != asked.amount {
				complain(&truth.refundsLost, "refund %s was accepted and is not there", asked.no)
			}
		}
	}
	if o.Refunded > o.Total || o.Reserved > o.Total || o.State == pay.PAID && done != o.Refunded {
		complain(&truth.refundsOver, "refunds of %d, refunded %d, reserved %d of %d", done, o.Refunded, o.Reserved, o.Total)
	}
	postings, err := st.Postings(t.Context(), o.MerchantID, o.OutTradeNo)
	if err != nil {
		return nil, err
	}
	b := pay.Balances(postings)
	sum, owed := pay.Fen(0), pay.Fen(0)
	for _, v := range b {
		sum += v
	}
	if o.State == pay.PAID {
		owed = o.Total - o.Reserved
	}
	if sum != 0 || -b[pay.AccMerchant] != owed {
		complain(&truth.books, "its ledger sums to %d and owes the merchant %d, not %d", sum, -b[pay.AccMerchant], owed)
	}
	return complaints, nil
}

// judgeCallbacks looks whether the merchant heard what is true, and nothing else.
func (w *chaosWorld) judgeCallbacks(o pay.Order, paid bool, truth *chaosTruth) (complaints []string) {
	complain := func(counter *int, format string, args ...any) {
		*counter++
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	for _, event := range []struct {
		name      string
		due, true bool
	}{
		{"paid", paid, paid},
		{"reversed", o.State == pay.REVERSED && !o.Duplicate, o.State == pay.REVERSED},
	} {
		n := w.merchants.heard.of(event.name + " " + o.OutTradeNo)
		if event.due {
			truth.due++
		}
		switch {
		case event.due && n == 0:
			complain(&truth.missing, "the merchant never heard %s", event.name)
		case !event.true && n > 0:
			complain(&truth.untrue, "the merchant heard %s and it is %s", event.name, o.State)
		}
	}
	return complaints
}

// walletTruth asks the wallets what they keep for an order, and how often they
// charged for it.
func (w *chaosWorld) walletTruth(no string) (kept, charges int64, err error) {
	var out struct {
		Trades []struct{ Charged, Refunded, Charges int64 } `json:"trades"`
	}
	if err := w.control(w.ctx, http.MethodGet, "/trades?out_trade_no="+no, nil, &out); err != nil {
		return 0, 0, err
	}
	for _, tr := range out.Trades {
		kept += tr.Charged - tr.Refunded
		charges += tr.Charges
	}
	return kept, charges, nil
}

// story is everything that is known of an order.
func (w *chaosWorld) story(t *testing.T, st *store.Store, s *sale) string {
	t.Helper()
	var b strings.Builder
	m := w.people[s.merchant].OutSubMchID
	o, err := st.Order(t.Context(), m, s.no)
	fmt.Fprintf(&b, "  order: %+v %v\n", o, err)
	refunds, _ := st.Refunds(t.Context(), m, s.no)
	for _, r := range refunds {
		fmt.Fprintf(&b, "  refund: %+v\n", r)
	}
	postings, _ := st.Postings(t.Context(), m, s.no)
	fmt.Fprintf(&b, "  ledger: %+v\n", postings)
	kept, charges, err := w.walletTruth(s.no)
	fmt.Fprintf(&b, "  wallet keeps %d after %d charges %v\n", kept, charges, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.story {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	for i, n := range w.nodes {
		raw, _ := os.ReadFile(n.log.Name())
		for line := range bytes.Lines(raw) {
			if bytes.Contains(line, []byte(s.no)) {
				fmt.Fprintf(&b, "  gateway %d: %s", i+1, line)
			}
		}
	}
	return b.String()
}

// checkLogs looks for a gateway that broke instead of refusing.
func (w *chaosWorld) checkLogs(t *testing.T) {
	t.Helper()
	for _, n := range append(slices.Clone(w.nodes), w.wallets) {
		raw, err := os.ReadFile(n.log.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"panic: ", "panicked", "fatal error: ", "DATA RACE"} {
			if i := bytes.Index(raw, []byte(word)); i >= 0 {
				t.Errorf("%s broke:\n%s", n.args[0], raw[max(0, i-200):min(len(raw), i+4000)])
				break
			}
		}
	}
}

// table prints a run.
func (w *chaosWorld) table(c chaosTruth, faults map[string]int64, times chaosTimes) string {
	var buf bytes.Buffer
	tw := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	row := func(what string, n any, note string) { _, _ = fmt.Fprintf(tw, "  %s\t%v\t%s\n", what, n, note) }
	fmt.Fprintf(&buf, "chaos on %s, seed %d: %v of trouble, all settled %v after it\n", w.engine, w.seed, times.sold.Round(time.Second), times.healed.Round(time.Second))
	row("orders", c.orders, fmt.Sprintf("%d never accepted; %v", c.unheardOf, c.states))
	row("charged by the wallets", c.charged, fmt.Sprintf("%d of them not given back in full", c.kept))
	row("told paid", c.toldPaid, fmt.Sprintf("told unpaid %d", c.toldUnpaid))
	row("believed paid", c.believedPaid, "")
	row("wrong", c.wrong, "must be 0: what we believe is not what the wallet keeps")
	row("charged twice", c.twice, "must be 0")
	row("lost", c.lost, "must be 0: told paid and not paid")
	row("told unpaid and paid", c.falselyUnpaid, "must be 0")
	row("stuck", c.stuck, "must be 0")
	row("late money held", c.held, "must be 0")
	row("ledgers wrong", c.books, "must be 0")
	row("refunds asked", c.refundsAsked, fmt.Sprintf("accepted %d, succeeded %d (late money that went back included), rejected %d", c.refundsTold, c.refundsDone, c.refundsRejected))
	row("refunds over, lost", fmt.Sprintf("%d, %d", c.refundsOver, c.refundsLost), "must be 0")
	events, times2 := w.merchants.heard.sum()
	row("callbacks due", c.due, fmt.Sprintf("heard %d, %d times in all, refused by merchants %d", events, times2, w.merchants.refused.Load()))
	row("callbacks missing, untrue", fmt.Sprintf("%d, %d", c.missing, c.untrue), "must be 0")
	var ended, starts int64
	for _, n := range w.nodes {
		ended += n.ended.Load()
		starts += n.starts.Load()
	}
	for _, kind := range chaosTroubles {
		row(kind.name, w.count(kind.name).Load(), "")
	}
	row("gateways ended by themselves", ended, fmt.Sprintf("of %d starts: database or disk away", starts))
	if !w.disk.mounted {
		row("NO DISK OF ITS OWN", "", "RLIMIT_FSIZE stood in for a full disk")
	}
	row("calls of the wallets", w.calls.all, fmt.Sprintf("%d faults on them, %.0f%%", w.calls.faulty, 100*float64(w.calls.faulty)/float64(max(1, w.calls.all))))
	_, _ = fmt.Fprintf(tw, "  faults by kind\t\t%v\n", faults)
	_ = tw.Flush()
	return buf.String()
}

func isNotFound(err error) bool { return errors.Is(err, pay.ErrNotFound) }
