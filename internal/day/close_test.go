package day_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/day"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

const merchant = "1000010001"

// noon of the first day in Asia/Shanghai.
var noon = time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)

// shop is a merchant whose days are closed, on a clock of its own.
type shop struct {
	t   *testing.T
	s   *store.Store
	d   *day.Days
	now time.Time

	vault func(context.Context) (*secret.DataKey, error)
}

func onBoth(t *testing.T, f func(*testing.T, *shop)) {
	t.Helper()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			f(t, newShop(t, e.New(t)()))
		})
	}
}

// newShop is a shop with books on a store.
func newShop(t *testing.T, s *store.Store) *shop {
	t.Helper()
	w := &shop{t: t, s: s, now: noon}
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", secret.MasterLen)))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.NewDataKey("*installation")
	if err != nil {
		t.Fatal(err)
	}
	w.vault = func(context.Context) (*secret.DataKey, error) { return keys.OpenDataKey("*installation", sealed) }
	w.d = day.New(day.Config{Store: w.s, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler), Vault: w.vault})
	return w
}

func (w *shop) won(won bool, err error) {
	w.t.Helper()
	if err != nil || !won {
		w.t.Fatalf("won = %v, %v", won, err)
	}
}

// paid makes an order that was paid at a moment and found paid now.
func (w *shop) paid(no string, ch pay.Channel, total pay.Fen, at time.Time, ps ...pay.Posting) pay.Order {
	w.t.Helper()
	o := pay.Order{
		MerchantID: merchant, OutTradeNo: no, ProviderID: "p", Channel: ch, TradeType: pay.TradeMicroPay, State: pay.PAYING, Unit: w.s.NewUnit(),
		Total: total, Currency: "CNY", SentAt: at, CreatedAt: at, UpdatedAt: at, Truth: pay.TruthLocal,
	}
	w.won(w.s.OpenOrder(w.t.Context(), o))
	if ps == nil {
		ps = []pay.Posting{pay.PostPaid(total, total)}
	}
	c := pay.Change{From: o, Order: o, Postings: ps}
	n := &c.Order
	n.State, n.Unit, n.PaidAt, n.UpdatedAt, n.Settlement, n.Truth = pay.PAID, w.s.NewUnit(), at, w.now, total, pay.TruthQuery
	w.won(w.s.SettleOrder(w.t.Context(), c))
	return c.Order
}

// refund accepts a refund and sends it now.
func (w *shop) refund(o pay.Order, no string, amount pay.Fen) pay.Refund {
	w.t.Helper()
	r := pay.Refund{
		MerchantID: merchant, OutRefundNo: no, OutTradeNo: o.OutTradeNo, Channel: o.Channel, State: pay.RefundPending, Origin: pay.OriginAPI,
		Unit: w.s.NewUnit(), Total: o.Total, Amount: amount, TradeType: o.TradeType, Do: pay.ActSend, DoAt: w.now, CreatedAt: w.now, UpdatedAt: w.now,
	}
	w.won(w.s.OpenRefund(w.t.Context(), r, pay.PAID, r.OpenPostings()))
	c := pay.Profiles[o.Channel].StartRefund(r, w.now)
	c.Refund.Unit = w.s.NewUnit()
	w.won(w.s.SettleRefund(w.t.Context(), c))
	return c.Refund
}

// bill reconciles a day with these lines and differences.
func (w *shop) bill(ch pay.Channel, date string, lines []store.BillLine, diffs ...store.Diff) {
	w.t.Helper()
	key := store.ReconKey{MerchantID: merchant, Channel: ch, Day: strings.ReplaceAll(date, "-", "")}
	if err := w.s.PlanRecon(w.t.Context(), key, w.now); err != nil {
		w.t.Fatal(err)
	}
	run, err := w.s.ReconRun(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	step := store.ReconStep{From: run, To: run, By: "recon", At: w.now}
	step.To.Unit, step.To.Version, step.To.Step, step.To.DoneAt = w.s.NewUnit(), 1, store.ReconDone, w.now
	for i := range lines {
		lines[i].Line = int64(i)
	}
	for i := range diffs {
		diffs[i].MerchantID, diffs[i].Channel, diffs[i].Day, diffs[i].Round, diffs[i].FirstAt = merchant, ch, key.Day, run.Round, w.now
	}
	step.Lines, step.Diffs = lines, diffs
	w.won(w.s.MoveRecon(w.t.Context(), step))
}

func line(kind, no string, total pay.Fen) store.BillLine {
	return store.BillLine{Item: kind + ":" + no, Kind: kind, At: noon, OutTradeNo: no, Total: total, Settlement: total}
}

func (w *shop) close(date string) day.Record {
	w.t.Helper()
	r, err := w.d.Close(w.t.Context(), merchant, date, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// file exports all days and verifies them with the first key that there was.
func (w *shop) file() (day.Verified, []byte) {
	w.t.Helper()
	var b bytes.Buffer
	if _, err := w.d.Export(w.t.Context(), merchant, &b); err != nil {
		w.t.Fatal(err)
	}
	keys, err := w.d.Keys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	first, err := day.ParseKey(keys[len(keys)-1].Public)
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := day.Verify(bytes.NewReader(b.Bytes()), day.Trust{Key: first}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return v, b.Bytes()
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

func TestADayThatAgreesIsBalanced(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		a := w.paid("a", pay.Wxpay, 100, noon)
		w.paid("b", pay.Wxpay, 50, noon)
		w.paid("c", pay.Alipay, 30, noon)
		w.paid("late", pay.Wxpay, 7, noon.Add(13*time.Hour)) // of the next day
		w.refund(a, "r", 40)
		w.now = noon.Add(24 * time.Hour)
		w.bill(pay.Wxpay, "2026-11-20", []store.BillLine{line("payment", "a", 100), line("payment", "b", 50), line("refund", "r", 40)})
		w.bill(pay.Alipay, "2026-11-20", []store.BillLine{line("payment", "c", 30)})
		r := w.close("2026-11-20")
		wx := day.Sums{InCount: 2, In: 150, BackCount: 1, Back: 40}
		ali := day.Sums{InCount: 1, In: 30}
		same(t, "channels", r.Channels, []day.Channel{
			{Channel: pay.Alipay, Orders: ali, Ledger: ali, Bill: ali, Callbacks: ali, BillState: day.BillReconciled},
			{Channel: pay.Wxpay, Orders: wx, Ledger: wx, Bill: wx, Callbacks: wx, BillState: day.BillReconciled},
		})
		if !r.Balanced || r.Items != 4 || len(r.Differences)+len(r.Adjustments) > 0 {
			t.Errorf("record is %+v", r)
		}
		if v, _ := w.file(); v.Days != 1 || v.Last != "2026-11-20" || v.LastKey != r.Key {
			t.Errorf("verified %+v", v)
		}
		shown, hash, err := w.d.Show(t.Context(), merchant, "2026-11-20")
		if v, _ := w.file(); err != nil || hash != v.LastHash || shown.ItemsSHA256 != r.ItemsSHA256 {
			t.Errorf("shown as %s, %v", hash, err)
		}
	})
}

func TestADayNeedsItsBillsAndItsTurn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		ctx := t.Context()
		w.paid("a", pay.Wxpay, 100, noon)
		refused := func(date string, withoutBill bool, want string, is error) {
			t.Helper()
			_, err := w.d.Close(ctx, merchant, date, withoutBill)
			if err == nil || !strings.Contains(err.Error(), want) || is != nil && !errors.Is(err, is) {
				t.Errorf("%s: error is %v, want %q", date, err, want)
			}
		}
		refused("2026-11-20", false, "not over", nil)
		refused("yesterday", false, "2026-11-20", nil)
		w.now = noon.Add(24 * time.Hour)
		refused("2026-11-20", false, "the bill of wxpay is not reconciled yet", day.ErrBill)
		if days, err := w.s.Days(ctx, merchant, 0, 9); err != nil || len(days) > 0 {
			t.Errorf("%d days are closed, %v", len(days), err)
		}
		r, err := w.d.Close(ctx, merchant, "2026-11-20", true)
		if err != nil || r.Balanced || r.Channels[0].BillState != day.BillAbsent {
			t.Errorf("closed without a bill as %+v, %v", r, err)
		}
		refused("2026-11-20", false, "closed already", day.ErrClosed)
		refused("2026-11-19", false, "the next is 2026-11-21", nil)
		w.now = noon.Add(72 * time.Hour)
		refused("2026-11-22", false, "the next is 2026-11-21", nil)
		if r := w.close("2026-11-21"); !r.Balanced || r.Items != 0 || len(r.Channels) != 0 || r.Number != 2 {
			t.Errorf("an empty day is %+v", r)
		}
		w.file()
	})
}

func TestWhatDoesNotAgreeIsListed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		w.paid("a", pay.Wxpay, 100, noon)
		w.paid("b", pay.Wxpay, 50, noon, pay.PostPaid(49, 49)) // booked otherwise
		w.paid("c", pay.Wxpay, 30, noon)                       // the bill has not got it, and says so
		w.paid("d", pay.Wxpay, 20, noon)                       // the bill has not got it, and nobody says so
		tell := &jobs.Job{Key: jobs.Key{MerchantID: merchant, Kind: "callback", Ref: "a/paid"}, State: jobs.Ready, RunAt: w.now, CreatedAt: w.now}
		if err := w.s.EditJobs(t.Context(), merchant, jobs.Edit{Put: tell}); err != nil {
			t.Fatal(err)
		}
		w.now = noon.Add(24 * time.Hour)
		w.bill(pay.Wxpay, "2026-11-20", []store.BillLine{line("payment", "a", 100), line("payment", "b", 50), line("payment", "x", 8)},
			store.Diff{DiffKey: store.DiffKey{Item: "payment:c", Type: store.WeMore}, Ours: 30},
			store.Diff{DiffKey: store.DiffKey{Item: "payment:x", Type: store.WalletMore}, Theirs: 8},
			store.Diff{DiffKey: store.DiffKey{Item: "payment:a", Type: store.FeeDiff}, Ours: 1, Theirs: 2})
		r := w.close("2026-11-20")
		for i := range r.Differences {
			r.Differences[i].Why = ""
		}
		same(t, "differences", r.Differences, []day.Difference{
			{Kind: day.DiffCallback, Channel: pay.Wxpay, Item: "payment:a", Ours: 100, State: "open"},
			{Kind: day.DiffLedger, Channel: pay.Wxpay, Item: "payment:b", Ours: 50, Theirs: 49, State: "open"},
			{Kind: "bill_fee", Channel: pay.Wxpay, Item: "payment:a", Ours: 1, Theirs: 2, State: "open"},
			{Kind: "bill_we_more", Channel: pay.Wxpay, Item: "payment:c", Ours: 30, State: "open"},
			{Kind: "bill_wallet_more", Channel: pay.Wxpay, Item: "payment:x", Theirs: 8, State: "open"},
			{Kind: day.DiffSum, Channel: pay.Wxpay, Ours: 200, Theirs: 158, State: "open"},
		})
		same(t, "sums", r.Channels, []day.Channel{{
			Channel: pay.Wxpay, BillState: day.BillReconciled, Orders: day.Sums{InCount: 4, In: 200}, Ledger: day.Sums{InCount: 4, In: 199},
			Bill: day.Sums{InCount: 3, In: 158}, Callbacks: day.Sums{InCount: 3, In: 100},
		}})
		if r.Balanced {
			t.Error("it is balanced")
		}
	})
}

func TestAClosedDayIsNeverRewritten(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		a := w.paid("a", pay.Wxpay, 100, noon)
		r := w.refund(a, "r", 40)
		w.now = noon.Add(24 * time.Hour)
		w.bill(pay.Wxpay, "2026-11-20", []store.BillLine{line("payment", "a", 100), line("refund", "r", 40)})
		w.close("2026-11-20")
		_, before := w.file()
		if _, err := w.d.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}

		// The refund is refused, an order is found that was paid on the closed day, and
		// the next day has a payment of its own, and the bill of the day before's.
		w.now = w.now.Add(time.Hour)
		c := pay.Profiles[pay.Wxpay].ApplyRefund(r, pay.CallRefund, pay.Outcome{Kind: pay.Declined, Verified: true, Code: "NOTENOUGH"}, pay.RefundPaid{}, false, true, w.now)
		c.Refund.Unit = w.s.NewUnit()
		w.won(w.s.SettleRefund(t.Context(), c))
		w.paid("found", pay.Wxpay, 9, noon.Add(time.Minute))
		w.paid("b", pay.Wxpay, 50, w.now)
		w.now = noon.Add(48 * time.Hour)
		w.bill(pay.Wxpay, "2026-11-21", []store.BillLine{line("payment", "b", 50)})
		second := w.close("2026-11-21")
		same(t, "adjustments", second.Adjustments, []day.Adjustment{
			{Of: "2026-11-20", Channel: pay.Wxpay, Item: "payment:found", In: 9},
			{Of: "2026-11-20", Channel: pay.Wxpay, Item: "refund:r", Back: -40},
		})
		if !second.Balanced || second.Items != 1 || second.Endorsement == "" {
			t.Errorf("the second day is %+v", second)
		}
		v, after := w.file()
		if !bytes.HasPrefix(after, before) || v.Days != 2 || v.LastKey != second.Key {
			t.Errorf("the first day has changed, or %+v", v)
		}

		// What was adjusted once is not adjusted again; what changes again is.
		w.now = noon.Add(72 * time.Hour)
		third := w.close("2026-11-22")
		if len(third.Adjustments) > 0 || !third.Balanced || third.Endorsement != "" {
			t.Errorf("the third day is %+v", third)
		}
	})
}

// TestAnAlipayRefundCountsWhenItIsMade was found in review: one that was sent just
// before midnight and made behind it stood in the wrong day, which never balanced.
func TestAnAlipayRefundCountsWhenItIsMade(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		a := w.paid("a", pay.Alipay, 100, noon)
		w.now = noon.Add(12*time.Hour - 2*time.Second)
		r := w.refund(a, "r", 40)
		c := pay.Profiles[pay.Alipay].ApplyRefund(r, pay.CallRefund, pay.Outcome{Kind: pay.Paid, Verified: true},
			pay.RefundPaid{Refund: 40, SucceededAt: w.now.Add(3 * time.Second)}, false, true, w.now.Add(4*time.Second))
		c.Refund.Unit = w.s.NewUnit()
		w.won(w.s.SettleRefund(t.Context(), c))
		w.now = noon.Add(48 * time.Hour)
		w.bill(pay.Alipay, "2026-11-20", []store.BillLine{line("payment", "a", 100)})
		w.bill(pay.Alipay, "2026-11-21", []store.BillLine{line("refund", "r", 40)})
		for _, date := range []string{"2026-11-20", "2026-11-21"} {
			if r := w.close(date); r.Items != 1 || len(r.Differences) > 0 || len(r.Adjustments) > 0 {
				t.Errorf("%s is %+v", date, r)
			}
		}
	})
}

func TestABillConfirmsItsOrders(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		for _, no := range []string{"a", "b", "c", "d"} {
			w.paid(no, pay.Wxpay, 100, noon)
		}
		w.now = noon.Add(24 * time.Hour)
		w.bill(pay.Wxpay, "2026-11-20", []store.BillLine{line("payment", "a", 100), line("payment", "b", 100), line("payment", "c", 99)},
			store.Diff{DiffKey: store.DiffKey{Item: "payment:a", Type: store.FeeDiff}, Ours: 1, Theirs: 2},
			store.Diff{DiffKey: store.DiffKey{Item: "payment:b", Type: store.StateDiff}, Ours: 100, Theirs: 100})
		var trusted []string
		days := day.New(day.Config{
			Store: w.s, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler), Vault: w.vault,
			Trust: func(_ context.Context, id, no string) error {
				trusted = append(trusted, id+" "+no)
				return nil
			},
		})
		if _, err := days.Close(t.Context(), merchant, "2026-11-20", false); err != nil {
			t.Fatal(err)
		}
		same(t, "trusted", trusted, []string{merchant + " a"})
	})
}

// TestTwoWhoCloseOneDay interleaves two attempts at every step.
func TestTwoWhoCloseOneDay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		ctx := t.Context()
		item := store.DayItem{Item: "payment:a", OwnDate: "2026-11-20", Channel: pay.Wxpay, OutTradeNo: "a", At: noon, Amount: 1, WasDate: "x", Told: true}
		first, err := w.s.DraftDay(ctx, merchant, "2026-11-20")
		if err != nil {
			t.Fatal(err)
		}
		first, won, err := w.s.PutDayItems(ctx, merchant, "2026-11-20", first, []store.DayItem{item})
		w.won(won, err)
		second, err := w.s.DraftDay(ctx, merchant, "2026-11-20")
		if err != nil {
			t.Fatal(err)
		}
		if _, won, err := w.s.PutDayItems(ctx, merchant, "2026-11-20", first, []store.DayItem{item}); won || err != nil {
			t.Errorf("who was overtaken writes: %v, %v", won, err)
		}
		closed := store.ClosedDay{MerchantID: merchant, Number: 1, Date: "2026-11-20", Hash: "h", Record: "{}", Signature: "s", ClosedAt: noon}
		if won, err := w.s.CloseDay(ctx, closed, first); won || err != nil {
			t.Errorf("who was overtaken closes: %v, %v", won, err)
		}
		if items, err := w.s.DayItems(ctx, merchant, "2026-11-20", "", 9); err != nil || len(items) > 0 {
			t.Errorf("what the first wrote is still there: %+v, %v", items, err)
		}
		second, won, err = w.s.PutDayItems(ctx, merchant, "2026-11-20", second, []store.DayItem{item})
		w.won(won, err)
		w.won(w.s.CloseDay(ctx, closed, second))
		again, err := w.s.DraftDay(ctx, merchant, "2026-11-20")
		if err != nil {
			t.Fatal(err)
		}
		if won, err := w.s.CloseDay(ctx, closed, again); won || err != nil {
			t.Errorf("a closed day is closed again: %v, %v", won, err)
		}
		items, err := w.s.DayItems(ctx, merchant, "2026-11-20", "", 9)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "items", items, []store.DayItem{item})
		got, err := w.s.Day(ctx, merchant, "2026-11-20")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "day", got, closed)
	})
}

func TestOneKeyIsMadeAtFirstUse(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		one, err := w.d.Keys(t.Context())
		if err != nil || len(one) != 1 {
			t.Fatalf("%d keys, %v", len(one), err)
		}
		if bytes.Contains(one[0].Sealed, []byte(one[0].Public)) || len(one[0].Sealed) <= 32 {
			t.Error("it is not sealed")
		}
		if won, err := w.s.AddDayKey(t.Context(), store.DayKey{Number: 1, Public: "other", Sealed: []byte{1}, MadeAt: noon}); won || err != nil {
			t.Errorf("a second first key was taken: %v, %v", won, err)
		}
		two, err := w.d.Rotate(t.Context())
		all, err2 := w.d.Keys(t.Context())
		if err != nil || err2 != nil || two.Number != 2 || len(all) != 2 || all[1].Public != one[0].Public {
			t.Errorf("after a rotation: %v, %v, %v, %+v", err, err2, two.Number, all)
		}
		if text := fmt.Sprintf("%+v", w.d); strings.Contains(text, "PRIVATE") {
			t.Error(text)
		}
	})
}
