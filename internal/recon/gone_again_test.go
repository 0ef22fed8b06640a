package recon_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/store"
)

// wentNextDay is a payment of the first day that somebody else reversed on the
// second, of an order that was declined.
func (h *house) wentNextDay() pay.Order {
	h.t.Helper()
	h.skipAlipay()
	return h.gone(1_000, pay.DECLINED, morning.Add(15*time.Hour)) // 01:00 in Beijing
}

// bothAgree does what is left of the first day, as its job does it, and wants
// nothing open and the order booked.
func (h *house) bothAgree(o pay.Order) {
	h.t.Helper()
	h.reconcile(day1)
	if left := h.diffs(store.DiffOpen); len(left) != 0 {
		h.t.Errorf("differences: %v", left)
	}
	h.cameAndWent(o)
}

// dayJob is the job of a day.
func (h *house) dayJob(day string) jobs.Key {
	return jobs.Key{MerchantID: "merchant", Kind: "recon", Ref: string(h.ch) + ":" + day}
}

// TestTheOtherDayOfAPaymentThatCameAndWentIsDoneAgain: whatever that day's run is
// doing, and whatever has become of its difference and of its bill.
func TestTheOtherDayOfAPaymentThatCameAndWentIsDoneAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(h *house){
		"its job found the day done as the new round began": func(h *house) {
			o := h.wentNextDay()
			h.set(afterDay1)
			h.reconcile(day1)
			h.set(afterDay2)
			job := h.dayJob(day1)
			raced := recon.New(recon.Config{Store: h.store, Directory: h.people, Gateway: h.gw, Channels: h.wallets(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
				run, err := h.store.ReconRun(h.t.Context(), h.key(day1))
				if err == nil && run.Step == store.ReconDone { // what the runner does at any moment
					err = h.store.EditJobs(h.t.Context(), job.MerchantID, jobs.Edit{Done: &job})
				}
				if err != nil {
					h.t.Error(err)
				}
				return h.now()
			}})
			if err := h.store.PlanRecon(h.t.Context(), h.key(day2), h.now()); err != nil {
				h.t.Fatal(err)
			}
			if _, err := raced.Do(h.t.Context(), h.key(day2)); err != nil {
				h.t.Fatal(err)
			}
			if _, err := h.store.Job(h.t.Context(), job); err != nil {
				h.t.Errorf("nobody does the first day: %v", err)
			}
			h.bothAgree(o)
		},
		"it waits for its fund bill": func(h *house) {
			o := h.wentNextDay()
			h.set(afterDay1)
			h.spoil = func(r channel.BillRequest, out channel.BillOutcome) channel.BillOutcome {
				if r.Kind == channel.BillFund {
					return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Waiting}}
				}
				return out
			}
			if err := h.store.PlanRecon(h.t.Context(), h.key(day1), h.now()); err != nil {
				h.t.Fatal(err)
			}
			if _, err := h.recon.Do(h.t.Context(), h.key(day1)); err != nil && !errors.Is(err, pay.ErrUnavailable) {
				h.t.Fatal(err)
			}
			h.spoil = nil
			h.set(afterDay2)
			h.reconcile(day2)
			h.bothAgree(o)
		},
		"the wallet has its bill no more": func(h *house) {
			o := h.wentNextDay()
			h.set(afterDay1)
			h.reconcile(day1)
			h.set(afterDay2)
			h.spoil = func(r channel.BillRequest, out channel.BillOutcome) channel.BillOutcome {
				if recon.DayOf(r.Day) == day1 {
					return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Declined, Code: "GONE"}}
				}
				return out
			}
			h.reconcile(day2)
			h.bothAgree(o)
		},
		"it is the later one": func(h *house) {
			o := h.wentNextDay()
			h.set(afterDay2)
			h.reconcile(day2)
			h.reconcile(day1)
			if run := h.reconcile(day2); run.Round != 2 {
				h.t.Errorf("the second day is %+v", run)
			}
			h.bothAgree(o)
		},
		"a person has explained its difference": func(h *house) {
			o := h.wentNextDay()
			h.set(afterDay1)
			h.reconcile(day1)
			_, err := h.recon.Repair(h.t.Context(), recon.Repair{
				DiffKey: store.DiffKey{MerchantID: "merchant", Channel: h.ch, Item: "payment:" + o.OutTradeNo, Type: store.WalletMore},
				By:      directory.Actor{Kind: directory.ByMember, ID: "anna"}, Why: "he has paid in cash", Explain: true,
			})
			if err != nil {
				h.t.Fatal(err)
			}
			h.set(afterDay2)
			h.reconcile(day2)
			h.bothAgree(o) // its fee is booked, too
		},
		"the day is closed, and a close had been sent on it": func(h *house) {
			o := h.wentNextDay()
			c := pay.Change{From: o, Order: o}
			c.Order.ReversedAt, c.Order.ReverseTries, c.Order.Unit = morning.Add(time.Minute), 1, h.store.NewUnit()
			if won, err := h.store.SettleOrder(h.t.Context(), c); err != nil || !won {
				h.t.Fatal(won, err)
			}
			h.set(afterDay1)
			h.reconcile(day1)
			days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
			if r, err := days.Close(h.t.Context(), "merchant", "2026-11-25", false); err != nil || r.Balanced {
				h.t.Fatalf("the first day is %+v, %v", r, err)
			}
			h.set(afterDay2)
			h.reconcile(day2)
			h.bothAgree(o)
			r, err := days.Close(h.t.Context(), "merchant", "2026-11-26", false)
			if err != nil || !r.Balanced || len(r.Adjustments) != 1 || r.Adjustments[0].Of != "2026-11-25" || r.Adjustments[0].In != 1_000 {
				h.t.Errorf("the second day is %+v, %v", r, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWallet(t, test)
		})
	}
}

// TestAPaymentThatTheWalletStillHasIsNotExplained: our books have it that it went
// back, the bill and the wallet have it that it did not. It was closed as explained,
// and nobody looked for the customer's money any more.
func TestAPaymentThatTheWalletStillHasIsNotExplained(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		o := h.gone(2_000, pay.REVERSED, time.Time{})
		h.set(afterDay1)
		h.reconcile(day1)
		in := recon.Repair{
			DiffKey: store.DiffKey{MerchantID: "merchant", Channel: h.ch, Item: "reversal:" + o.OutTradeNo, Type: store.WeMore},
			By:      directory.Actor{Kind: directory.ByMember, ID: "anna"}, Why: "checked with the wallet",
		}
		if d, err := h.recon.Repair(h.t.Context(), in); !errors.Is(err, pay.ErrDenied) || d.State != store.DiffOpen {
			h.t.Errorf("the difference is %s, %v", d.State, err)
		}
	})
}

// TestAWalletThatSaysNoMoreThanItsPapersConfirmsAReversal: that the order is undone,
// and not that it had been paid, was called a denial of the payment.
func TestAWalletThatSaysNoMoreThanItsPapersConfirmsAReversal(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		o := h.gone(2_000, pay.REVERSED, morning.Add(time.Minute))
		if err := h.box.AddFault(sandbox.Fault{Scenario: "undone_bare"}); err != nil {
			h.t.Fatal(err)
		}
		h.reread = func(raw []byte, parse func([]byte) (channel.Bill, error)) (channel.Bill, error) {
			bill, err := parse(raw)
			bill.Lines = slices.DeleteFunc(bill.Lines, func(l channel.BillLine) bool { return l.Kind != channel.BillPayment })
			return bill, err
		}
		h.set(afterDay1)
		h.reconcile(day1)
		if d := h.repair(store.WeMore, "reversal:"+o.OutTradeNo); d.State != store.DiffExplained {
			h.t.Errorf("the difference is %s: %s", d.State, d.Why)
		}
	})
}

// TestABillIsNotBelievedEmptyTooEarly: a wallet may say that there is no bill before
// it has made it.
func TestABillIsNotBelievedEmptyTooEarly(t *testing.T) {
	t.Parallel()
	none := func(of string) func(channel.BillRequest, channel.BillOutcome) channel.BillOutcome {
		return func(r channel.BillRequest, out channel.BillOutcome) channel.BillOutcome {
			if recon.DayOf(r.Day) == of && r.Kind == channel.BillTrade {
				return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true}, Empty: true}
			}
			return out
		}
	}
	t.Run("of a day that is done again", func(t *testing.T) {
		t.Parallel()
		eachWallet(t, func(h *house) {
			h.sale(1_000)
			h.set(afterDay1)
			h.reconcile(day1)
			h.spoil = none(day1)
			if run, err := h.recon.Again(h.t.Context(), h.key(day1)); !errors.Is(err, pay.ErrUnavailable) || run.Step != store.ReconFetch {
				h.t.Errorf("the day is %+v, %v; differences: %v", run, err, h.diffs(""))
			}
		})
	})
	t.Run("of a refund that we call rejected", func(t *testing.T) {
		t.Parallel()
		eachWallet(t, func(h *house) {
			o, no := h.sale(1_000), h.number()
			h.set(afterDay1)
			h.reconcile(day1)
			h.refuses = true
			_, _, err := h.gw.Refund(h.t.Context(), h.merchant, gateway.Refund{OutTradeNo: o.OutTradeNo, OutRefundNo: no, Total: 1_000, Amount: 300})
			if !errors.Is(err, pay.ErrDenied) {
				h.t.Fatal(err)
			}
			h.set(morning.AddDate(0, 0, 2).Add(time.Hour)) // 11:00
			h.spoil = none(day2)
			if err := h.store.PlanRecon(h.t.Context(), h.key(day2), h.now()); err != nil {
				h.t.Fatal(err)
			}
			if run, err := h.recon.Do(h.t.Context(), h.key(day2)); !errors.Is(err, pay.ErrUnavailable) || run.Step != store.ReconFetch {
				h.t.Errorf("the day is %+v, %v", run, err)
			}
			h.spoil = nil
			h.reconcile(day2)
			if left := h.diffs(store.DiffOpen); len(left) != 1 {
				h.t.Errorf("differences: %v, want the refund", left)
			}
		})
	})
}
