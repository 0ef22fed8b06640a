package recon_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// reconciled is a store in which one day of merchant m has a bill of n lines and
// a difference. It returns the moment of everything.
func reconciled(t *testing.T, s *store.Store, n int) time.Time {
	t.Helper()
	noon := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	key := store.ReconKey{MerchantID: "m", Channel: pay.Wxpay, Day: "20261120"}
	if err := s.PlanRecon(t.Context(), key, noon); err != nil {
		t.Fatal(err)
	}
	for from := 0; from < n; from += 200 {
		run, err := s.ReconRun(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		step := store.ReconStep{From: run, To: run, By: "recon", At: noon}
		step.To.Unit, step.To.Step, step.To.Version, step.To.Lines, step.To.Matched, step.To.DoneAt = s.NewUnit(), store.ReconDone, 1, int64(n), 1, noon
		for i := from; i < min(n, from+200); i++ {
			step.Lines = append(step.Lines, store.BillLine{
				Line: int64(i), Item: "payment:a", Kind: "payment", At: noon, OutTradeNo: "a", TransactionID: "4200", State: "SUCCESS", Total: 100, Settlement: 98, Fee: 1, Rate: "0.60%",
			})
		}
		if from == 0 {
			step.Lines[1].Item, step.Lines[1].Kind, step.Lines[1].OutRefundNo, step.Lines[1].Total, step.Lines[1].Fee = "refund:=r", "refund", "=r", 40, -1
			step.Diffs = []store.Diff{{
				DiffKey: store.DiffKey{MerchantID: "m", Channel: pay.Wxpay, Item: "refund:=r", Type: store.WalletMore}, Day: key.Day, OutTradeNo: "a", OutRefundNo: "=r",
				Theirs: -40, OurState: "REJECTED", TheirState: "REFUND SUCCESS", Version: 1, Line: 1, Round: 1, FirstAt: noon,
			}}
		}
		if won, err := s.MoveRecon(t.Context(), step); !won || err != nil {
			t.Fatal(won, err)
		}
	}
	return noon
}

// exported writes everything of November in a format.
func exported(t *testing.T, s *store.Store, f sheet.Format, merchant string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := sheet.New(&b, f)
	if err == nil {
		err = recon.Export(t.Context(), s, merchant, "20261101", "20261130", w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExportHasBillsAndResults(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			reconciled(t, s, 2)
			r := csv.NewReader(strings.NewReader(string(exported(t, s, sheet.CSV, "m"))))
			r.FieldsPerRecord = -1
			rows, err := r.ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			at := "2026-11-20 12:00:00"
			want := [][]string{
				{"20261120", "wxpay", "done", "1", "1", "2", "1", at},
				{"20261120", "wxpay", "0", at, "payment", "a", "4200", "", "", "SUCCESS", "", "1.00", "0.98", "0.01", "0.60%"},
				{"20261120", "wxpay", "1", at, "refund", "a", "4200", "'=r", "", "SUCCESS", "", "-0.40", "-0.98", "-0.01", "0.60%"},
				{"20261120", "wxpay", "渠道多(长款) wallet_more", "refund:=r", "a", "'=r", "0.00", "-0.40", "REJECTED", "REFUND SUCCESS", "open", at, "", "", ""},
			}
			if diff := cmp.Diff(want, [][]string{rows[1], rows[3], rows[4], rows[6]}); diff != "" {
				t.Error(diff)
			}
			if other := exported(t, s, sheet.CSV, "n"); bytes.Contains(other, []byte("20261120")) {
				t.Error("another merchant's day is exported")
			}
		})
	}
}

func TestExportReadsLongBillsToTheirEnd(t *testing.T) {
	t.Parallel()
	s := storetest.Engines()[0].New(t)()
	const lines = 2001 // two pages and one
	reconciled(t, s, lines)
	f, err := excelize.OpenReader(bytes.NewReader(exported(t, s, sheet.XLSX, "m")))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := f.GetRows("账单 bill")
	if err != nil || len(rows) != 1+lines {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
