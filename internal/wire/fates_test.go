package wire_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listed are the members of requests that the seed (S003) lists in PayMchKey,
// PayContent, Detail, RefundContent and OrderClient, those of SubMchInfo that a
// payment depends on, and those of answers that the wallets fill in.
const listed = `
pay_platform out_mch_id out_sub_mch_id out_shop_id notify_open_ids open_id user_id
out_trade_no author_code time_expire total_fee fee_type body detail cost_price receipt_id goods_detail
attach goods_tag product_id limit_pay discountable_amount undiscountable_amount product_code royalty_info extend_params disable_pay_channels
out_refund_no refund_fee refund_fee_type state cash_refund_fee coupon_refund_fee refund_account
device_id staff_id terminal_type sub_terminal_type
default_order_body bank_rate direct
code_url is_transforming cash_fee settlement_total_fee coupon_infos prepare_id trade_state_desc voucher_detail_list fund_bill_list
`

// TestEveryMemberHasAFateWithATest reads the table of docs/divergences.md: no
// member of the seed is missing, and every line names a test that exists.
func TestEveryMemberHasAFateWithATest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/divergences.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Fates of members")
	table, _, _ = strings.Cut(table, "\n## ")
	for member := range strings.FieldsSeq(listed) {
		if !strings.Contains(table, "`"+member+"`") {
			t.Errorf("%s has no fate", member)
		}
	}
	tests := testsOf(t)
	lines := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		lines++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		name := strings.Trim(strings.TrimSpace(cells[len(cells)-1]), "`")
		if !tests[name] {
			t.Errorf("%s is tested by %q, which does not exist", strings.TrimSpace(cells[0]), name)
		}
	}
	if lines < 20 {
		t.Errorf("%d lines of fates were read", lines)
	}
}

// testsOf are the names of the tests of our rooms.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for line := range strings.Lines(string(src)) {
			if rest, ok := strings.CutPrefix(line, "func Test"); ok {
				name, _, _ := strings.Cut(rest, "(")
				names["Test"+name] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
