package manage_test

import (
	"testing"

	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/store"
)

// reconciled is about a day without trade, whose bill is there.
func reconciled() row {
	return row{
		who: "provider", wrong: "boss", foreign: "stranger", want: `"step":"done"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			return "/v1/merchants/" + merchantA + "/recon/days/wxpay/" + recon.DayOf(h.clock.now().AddDate(0, 0, -3)), ""
		},
	}
}

// planned is a difference that a bill of a merchant shows.
func planned(t *testing.T, h *house, d store.Diff) {
	t.Helper()
	k := store.ReconKey{MerchantID: merchantA, Channel: pay.Wxpay, Day: "20261125"}
	err := h.store.PlanRecon(t.Context(), k, h.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	run, err := h.store.ReconRun(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	d.Day, d.Channel, d.Line, d.Round, d.FirstAt = k.Day, pay.Wxpay, -1, 1, h.clock.now()
	step := store.ReconStep{From: run, To: run, By: "test", At: h.clock.now(), Diffs: []store.Diff{d}}
	step.To.Unit = h.store.NewUnit()
	if won, err := h.store.MoveRecon(t.Context(), step); err != nil || !won {
		t.Fatalf("MoveRecon = %v, %v", won, err)
	}
}

// unclaimed is about a line of a shared account that is of no merchant.
func unclaimed() row {
	const item = "payment:K1@1900000001"
	return row{
		who: "provider", wrong: "boss", foreign: "stranger", bad: `{"channel":"odd","item":"x","why":"y"}`, field: "body.channel", want: `"state":"explained"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			planned(t, h, store.Diff{DiffKey: store.DiffKey{MerchantID: store.OfProvider(providerA), Item: item, Type: store.WalletMore}, OutTradeNo: "K1", Theirs: 5})
			return "/v1/providers/" + providerA + "/recon/explain", `{"channel":"wxpay","item":"` + item + `","why":"另一系统的收款"}`
		},
	}
}

// differing is about a difference that is only explained.
func differing() row {
	const item = "payment:A1"
	body := func(of string) string {
		return `{"channel":"wxpay","item":"` + item + `","type":"` + of + `","why":"钱包已确认","explain":true}`
	}
	return row{
		who: "provider", wrong: "boss", foreign: "stranger", bad: body("odd"), field: "body.type", want: `"state":"explained"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			planned(t, h, store.Diff{DiffKey: store.DiffKey{MerchantID: merchantA, Item: item, Type: store.WeMore}, OutTradeNo: "A1", Ours: 5, OurState: "PAID"})
			return "/v1/merchants/" + merchantA + "/recon/repair", body("we_more")
		},
	}
}
