package recon_test

import (
	"log/slog"
	"testing"

	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// TestAnOrderUndoneUnpaidIsNoTrade is what the simulation found (its seed 132 of
// 2026-11-26): a day on which all that happened was the reverse of an order that
// nobody had paid waited until midnight for a bill that no wallet makes.
func TestAnOrderUndoneUnpaidIsNoTrade(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		now := h.now()
		o := pay.Order{
			MerchantID: "merchant", OutTradeNo: h.number(), ProviderID: "provider", Channel: h.ch, TradeType: pay.TradeMicroPay, State: pay.PAYING,
			Unit: h.store.NewUnit(), Total: 100, Currency: "CNY", SentAt: now, CreatedAt: now, UpdatedAt: now, Truth: pay.TruthLocal,
		}
		if won, err := h.store.OpenOrder(h.t.Context(), o); err != nil || !won {
			h.t.Fatal(won, err)
		}
		c := pay.Change{From: o, Order: o}
		c.Order.State, c.Order.Unit, c.Order.ReversedAt, c.Order.ReverseSentAt = pay.REVERSED, h.store.NewUnit(), now, now
		if won, err := h.store.SettleOrder(h.t.Context(), c); err != nil || !won {
			h.t.Fatal(won, err)
		}
		h.set(afterDay1)
		if run := h.reconcile(day1); run.Lines != 0 {
			h.t.Errorf("the bill of nothing has %d lines", run.Lines)
		}
		if all := h.diffs(""); len(all) != 0 {
			h.t.Errorf("differences: %v", all)
		}
	})
}

// TestAFirstDayThatWaitsBeginsTheChain is what the simulation found (its seed 104 of
// 2026-11-26): the first day had a difference open until after the next midnight, and
// the chain began with the day after it.
func TestAFirstDayThatWaitsBeginsTheChain(t *testing.T) {
	t.Parallel()
	eachWallet(t, func(h *house) {
		days := day.New(day.Config{Store: h.store, Vault: h.people.Vault, Now: h.now, Log: slog.New(slog.DiscardHandler)})
		closed := func(want int) {
			h.t.Helper()
			if err := days.CloseDue(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
			list, err := h.store.Days(h.t.Context(), "merchant", 0, 9)
			if err != nil || len(list) != want || want > 0 && list[0].Date != "2026-11-25" {
				h.t.Errorf("%d days are closed, want %d from the first on, %v", len(list), want, err)
			}
		}
		o := h.sale(1_000)
		h.fault("bill_extra_row", o.OutTradeNo)
		h.set(afterDay1)
		h.reconcile(day1)
		closed(0)
		h.set(afterDay2)
		h.reconcile(day2)
		closed(0)
		h.repair(store.WalletMore, "payment:EXTRA"+o.OutTradeNo)
		closed(2)
	})
}
