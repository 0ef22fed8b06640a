package day_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

func TestAStatementHasEveryItemOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *shop) {
		t.Helper()
		ctx := t.Context()
		a := w.paid("a0", pay.Wxpay, 100, noon)
		w.refund(a, "=r", 40) // a number that a spreadsheet would run
		bill := []store.BillLine{line("payment", "a0", 100), line("refund", "=r", 40)}
		bill[0].Fee, bill[1].Fee = 3, -1
		for i := range day.StatementPage {
			no := fmt.Sprintf("b%03d", i)
			w.paid(no, pay.Alipay, pay.Fen(i+1), noon)
		}
		w.now = noon.Add(24 * time.Hour)
		w.bill(pay.Wxpay, "2026-11-20", bill)
		if _, err := w.d.Close(ctx, merchant, "2026-11-20", true); err != nil {
			t.Fatal(err)
		}
		var parts []string
		for after := ""; ; {
			s, err := w.d.Statement(ctx, merchant, "2026-11-20", after)
			if err != nil {
				t.Fatal(err)
			}
			if parts = append(parts, s.Content); s.Next == "" {
				break
			}
			after = s.Next
		}
		if len(parts) != 2 {
			t.Fatalf("%d parts", len(parts))
		}
		var file bytes.Buffer
		out, err := sheet.New(&file, sheet.CSV)
		if err == nil {
			err = w.d.WriteStatement(ctx, out, merchant, "2026-11-20")
		}
		if err = errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(parts, "")
		same(t, "the parts together", text, strings.TrimPrefix(file.String(), "\ufeff"))
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		byItem := map[string][]string{}
		for _, r := range rows[1:] {
			byItem[r[1]+r[3]] = r
		}
		if len(rows) != 1+2+day.StatementPage || len(byItem) != len(rows)-1 {
			t.Errorf("%d rows, %d items", len(rows), len(byItem))
		}
		same(t, "payment", byItem["支付 paymenta0"], []string{"2026-11-20 12:00:00", "支付 payment", "wxpay", "a0", "", "1.00", "1.00", "0.03"})
		same(t, "refund", byItem["退款 refunda0"], []string{"2026-11-20 12:00:00", "退款 refund", "wxpay", "a0", "'=r", "-0.40", "0.00", "-0.01"})

		if _, err := w.d.Statement(ctx, merchant, "2026-11-21", ""); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("a day that is not closed: %v", err)
		}
		if _, err := w.d.Statement(ctx, merchant, "20261120", ""); !errors.Is(err, pay.ErrInvalid) {
			t.Errorf("what is no date: %v", err)
		}
		if _, err := w.d.Statement(ctx, "another", "2026-11-20", ""); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("another merchant's: %v", err)
		}
	})
}
