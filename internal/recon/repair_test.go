package recon_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// lost is a payment that the wallet makes and whose answer nobody hears.
func (h *house) lost(total pay.Fen) pay.Order {
	h.t.Helper()
	c, err := h.box.NewPayCode(h.t.Context(), string(h.ch), "anna")
	if err == nil {
		err = h.box.AddFault(sandbox.Fault{Scenario: "drop_after", Count: 1})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	no := h.number()
	_, _ = h.gw.MicroPay(h.t.Context(), h.merchant, gateway.MicroPay{
		OutTradeNo: no, AuthCode: secret.New(c.AuthCode), Total: total, ShopID: "shop", DeviceID: "till-1", Body: "bread",
	})
	o := h.order(no)
	if o.State != pay.PAYING {
		h.t.Fatalf("a payment without an answer is %s", o.State)
	}
	return o
}

func (h *house) order(no string) pay.Order {
	h.t.Helper()
	o, err := h.store.Order(h.t.Context(), "merchant", no)
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}

// foreign is the wallet as somebody else with the merchant's account uses it.
func (h *house) foreign() (channel.Channel, channel.Merchant) {
	h.t.Helper()
	w, err := h.wallets()(h.t.Context(), "provider", h.ch)
	if err != nil {
		h.t.Fatal(err)
	}
	m := h.merchant
	return w, channel.Merchant{
		SubMchID: m.Wx.SubMchID, SubAppID: m.Wx.SubAppID, AppAuthToken: m.Ali.AppAuthToken, SellerID: m.Ali.SellerID, API: m.Wx.API,
	}
}

// balance of one account of the house's wallet.
func (h *house) balance(a pay.Account) pay.Fen {
	h.t.Helper()
	b, err := h.store.Balances(h.t.Context(), "merchant")
	if err != nil {
		h.t.Fatal(err)
	}
	return b[h.ch][a]
}

// TestWhatTheWalletHasIsDrivenToTruth repairs a payment that we do not know the
// end of, one that somebody else made, and a refund of somebody else.
func TestWhatTheWalletHasIsDrivenToTruth(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		unknown, ours := h.lost(1_000), h.sale(2_000)
		w, sub := h.foreign()
		c, err := h.box.NewPayCode(t.Context(), string(h.ch), "anna")
		if err != nil {
			t.Fatal(err)
		}
		theirs := channel.PayRequest{OrderRequest: channel.OrderRequest{Merchant: sub, OutTradeNo: h.number(), Total: 700}, AuthCode: secret.New(c.AuthCode), Body: "bread"}
		if out := w.Pay(t.Context(), theirs); out.Kind != pay.Paid {
			t.Fatalf("Pay = %+v", out)
		}
		back := channel.RefundRequest{OrderRequest: channel.OrderRequest{Merchant: sub, OutTradeNo: ours.OutTradeNo, Total: 2_000}, OutRefundNo: h.number(), Amount: 500}
		if out := w.Refund(t.Context(), back); out.Kind != pay.Paid && out.Kind != pay.Waiting {
			t.Fatalf("Refund = %+v", out)
		}
		h.set(afterDay1)
		h.reconcile(day1)
		want := map[string]string{
			"wallet_more payment:" + unknown.OutTradeNo: day1 + ": 0, they 1000",
			"wallet_more payment:" + theirs.OutTradeNo:  day1 + ": 0, they 700",
			"wallet_more refund:" + back.OutRefundNo:    day1 + ": 0, they -500",
		}
		if diff := cmp.Diff(want, h.diffs("")); diff != "" {
			t.Fatalf("differences: -want +got\n%s", diff)
		}
		for _, item := range []string{"payment:" + unknown.OutTradeNo, "payment:" + theirs.OutTradeNo, "refund:" + back.OutRefundNo} {
			if d := h.repair(store.WalletMore, item); d.State != store.DiffRepaired {
				t.Errorf("%s is %s: %s", item, d.State, d.Why)
			}
		}
		if o := h.order(unknown.OutTradeNo); o.State != pay.PAID || o.Truth != pay.TruthBill {
			t.Errorf("the order is %s by %s, want PAID by its bill", o.State, o.Truth)
		}
		if o := h.order(ours.OutTradeNo); o.Reserved != 500 || o.Refunded != 500 {
			t.Errorf("refunded %d, reserved %d, want 500", o.Refunded, o.Reserved)
		}
		if s := h.balance(pay.AccSuspense); s != -700 {
			t.Errorf("in suspense are %d, want 700 credit", s)
		}
		_, err = h.recon.Repair(t.Context(), recon.Repair{
			DiffKey: store.DiffKey{MerchantID: "merchant", Channel: h.ch, Item: "payment:" + theirs.OutTradeNo, Type: store.WalletMore},
			By:      directory.System, Why: "again",
		})
		if !errors.Is(err, pay.ErrDenied) || h.balance(pay.AccSuspense) != -700 {
			t.Errorf("a repair of what is closed: %v, suspense %d", err, h.balance(pay.AccSuspense))
		}
		if _, err := h.recon.Again(t.Context(), h.key(day1)); err != nil {
			t.Fatal(err)
		}
		if left := h.diffs(store.DiffOpen); len(left) != 0 {
			t.Errorf("open again: %v", left)
		}
	})
}

// TestAnEdgeThatNoBillExplainsIsMissing misses an order of the last minute in
// both days' bills.
func TestAnEdgeThatNoBillExplainsIsMissing(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		h.sale(100)
		h.set(morning.Add(13*time.Hour + 59*time.Minute + 50*time.Second))
		late := h.sale(5_000)
		h.fault("bill_missing_row", late.OutTradeNo)
		h.set(morning.Add(15 * time.Hour))
		h.sale(200) // or there is no second bill
		h.set(afterDay1)
		h.reconcile(day1)
		if diff := cmp.Diff(map[string]string{"date_edge payment:" + late.OutTradeNo: day1 + ": 5000, they 0"}, h.diffs(store.DiffOpen)); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
		h.set(afterDay2)
		h.reconcile(day2)
		want := map[string]string{"we_more payment:" + late.OutTradeNo: day1 + ": 5000, they 0"}
		if diff := cmp.Diff(want, h.diffs(store.DiffOpen)); diff != "" {
			t.Fatalf("after the second day: -want +got\n%s", diff)
		}
		if _, err := h.recon.Again(t.Context(), h.key(day1)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, h.diffs(store.DiffOpen)); diff != "" {
			t.Fatalf("after the first day was done again: -want +got\n%s", diff)
		}
	})
}

// TestACorrectedBillIsANewVersion does a day again after the wallet corrected
// its bill: both versions are kept, and the difference is explained.
func TestACorrectedBillIsANewVersion(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		o := h.sale(1_000)
		h.fault("bill_amount_diff", o.OutTradeNo)
		h.set(afterDay1)
		h.reconcile(day1)
		if len(h.diffs(store.DiffOpen)) != 1 {
			t.Fatalf("differences: %v", h.diffs(""))
		}
		if err := h.box.ClearFaults(); err != nil {
			t.Fatal(err)
		}
		run, err := h.recon.Again(t.Context(), h.key(day1))
		if err != nil || run.Version != 2 || run.Round != 2 || run.Matched != 1 {
			t.Fatalf("second round: %+v, %v", run, err)
		}
		if left := h.diffs(store.DiffOpen); len(left) != 0 {
			t.Errorf("still open: %v", left)
		}
		bills, err := h.store.Bills(t.Context(), h.key(day1), string(channel.BillTrade))
		if err != nil || len(bills) != 2 {
			t.Fatalf("%d versions are kept, %v", len(bills), err)
		}
		for _, b := range bills {
			if raw, err := h.recon.Raw(t.Context(), b); err != nil || int64(len(raw)) != b.Bytes || b.Bytes == 0 {
				t.Errorf("version %d reads back as %d bytes of %d, %v", b.Version, len(raw), b.Bytes, err)
			}
		}
		if f := h.balance(pay.AccFee); f != 6 {
			t.Errorf("fees are %d, want 6, once", f)
		}
	})
}

// TestABillThatIsNotThereIsWaitedFor asks before the bill is made, and once more
// when it says that there was no trade.
func TestABillThatIsNotThereIsWaitedFor(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		o := h.sale(1_000)
		h.fault("bill_missing_row", o.OutTradeNo)
		waits := func(at time.Time) {
			t.Helper()
			h.set(at)
			if err := h.store.PlanRecon(t.Context(), h.key(day1), h.now()); err != nil {
				t.Fatal(err)
			}
			if run, err := h.recon.Do(t.Context(), h.key(day1)); !errors.Is(err, pay.ErrUnavailable) || run.Step != store.ReconFetch {
				t.Errorf("at %s: %s, %v", at, run.Step, err)
			}
		}
		midnight := morning.Add(14 * time.Hour)
		waits(midnight.Add(8 * time.Hour))  // 08:00
		waits(midnight.Add(11 * time.Hour)) // no bill, but we know of trade
		h.set(midnight.Add(25 * time.Hour))
		h.reconcile(day1)
		if diff := cmp.Diff(map[string]string{"we_more payment:" + o.OutTradeNo: day1 + ": 1000, they 0"}, h.diffs(store.DiffOpen)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// TestABillThatCannotBeUsedIsKept keeps the bytes of a bill that does not add up.
func TestABillThatCannotBeUsedIsKept(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		h.sale(1_000)
		h.set(afterDay1)
		h.spoil = func(_ channel.BillRequest, _ channel.BillOutcome) channel.BillOutcome {
			return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Unknown, Alert: true}, Raw: []byte("abc"), Err: errors.New("it does not add up")}
		}
		if err := h.store.PlanRecon(t.Context(), h.key(day1), h.now()); err != nil {
			t.Fatal(err)
		}
		if run, err := h.recon.Do(t.Context(), h.key(day1)); err == nil || run.Step != store.ReconFetch {
			t.Errorf("%s, %v", run.Step, err)
		}
		const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of abc, FIPS 180
		if _, err := h.store.BillChunk(t.Context(), "merchant", sum, 0); err != nil {
			t.Errorf("its bytes: %v", err)
		}
		h.spoil = nil
		h.reconcile(day1)
	})
}

// TestRepairsSayWhy refuses what has no reason, and explains without a change.
func TestRepairsSayWhy(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		t := h.t
		o := h.sale(1_000)
		h.fault("bill_fee_diff", o.OutTradeNo)
		h.set(afterDay1)
		h.reconcile(day1)
		in := recon.Repair{
			DiffKey: store.DiffKey{MerchantID: "merchant", Channel: h.ch, Item: "payment:" + o.OutTradeNo, Type: store.FeeDiff},
			By:      directory.System, Explain: true,
		}
		if _, err := h.recon.Repair(t.Context(), in); !errors.Is(err, pay.ErrInvalid) {
			t.Errorf("without a reason: %v", err)
		}
		other := in
		other.Item, other.Why = "payment:nobody's", "x"
		if _, err := h.recon.Repair(t.Context(), other); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("a difference that is not there: %v", err)
		}
		in.Why = "the wallet will pay it back"
		if d, err := h.recon.Repair(t.Context(), in); err != nil || d.State != store.DiffExplained || h.balance(pay.AccFee) != 0 {
			t.Errorf("explained: %+v, %v, fees %d", d, err, h.balance(pay.AccFee))
		}
		rows, err := h.people.Audit(t.Context(), directory.AuditFilter{MerchantID: "merchant", ObjectKind: "difference"})
		if err != nil || len(rows) != 1 || rows[0].Action != "recon.repair" {
			t.Errorf("audit: %+v, %v", rows, err)
		}
	})
}
