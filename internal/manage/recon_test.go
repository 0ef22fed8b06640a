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
			k := store.ReconKey{MerchantID: merchantA, Channel: pay.Wxpay, Day: "20261125"}
			err := h.store.PlanRecon(t.Context(), k, h.clock.now())
			if err != nil {
				t.Fatal(err)
			}
			run, err := h.store.ReconRun(t.Context(), k)
			if err != nil {
				t.Fatal(err)
			}
			step := store.ReconStep{From: run, To: run, By: "test", At: h.clock.now(), Diffs: []store.Diff{{
				DiffKey: store.DiffKey{MerchantID: merchantA, Channel: pay.Wxpay, Item: item, Type: store.WeMore}, Day: k.Day,
				OutTradeNo: "A1", Ours: 5, OurState: "PAID", Line: -1, Round: 1, FirstAt: h.clock.now(),
			}}}
			step.To.Unit = h.store.NewUnit()
			if won, err := h.store.MoveRecon(t.Context(), step); err != nil || !won {
				t.Fatalf("MoveRecon = %v, %v", won, err)
			}
			return "/v1/merchants/" + merchantA + "/recon/repair", body("we_more")
		},
	}
}
