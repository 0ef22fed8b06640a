package wxpay

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
)

// billVector is one bill of vectors/upstream-bills.json.
type billVector struct {
	File     string           `json:"file"`
	Sha1     string           `json:"sha1_uncompressed"`
	SameAs   string           `json:"same_as"`
	Account  string           `json:"account_type"`
	Upstream string           `json:"upstream"`
	Summary  map[string]int64 `json:"summary"`
	Rows     []map[string]any `json:"rows"`
}

func billVectors(t *testing.T) map[string]billVector {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-bills.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Bills []billVector `json:"bills"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	list := map[string]billVector{}
	for _, v := range file.Bills {
		if strings.HasPrefix(v.File, "bills/wechat") && (strings.HasSuffix(v.File, ".csv") || strings.HasSuffix(v.File, ".gz")) {
			list[v.File] = v
		}
	}
	return list
}

func sample(tb testing.TB, file string) []byte {
	tb.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func TestSampleBillsReadAsExpected(t *testing.T) {
	t.Parallel()
	list := billVectors(t)
	if len(list) != 5 {
		t.Fatalf("%d sample bills, want 5", len(list))
	}
	for file, v := range list {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			raw := sample(t, file)
			bill, err := parseBill(raw)
			if err != nil {
				t.Fatal(err)
			}
			plain := raw
			if isGzip(raw) {
				if plain, err = channel.Gunzip(raw); err != nil {
					t.Fatal(err)
				}
			}
			sum := sha1.Sum(plain)
			if got := hex.EncodeToString(sum[:]); got != v.Sha1 {
				t.Errorf("sha1 = %s, want %s", got, v.Sha1)
			}
			if v.SameAs != "" {
				v = list[v.SameAs]
			}
			if diff := cmp.Diff(v.Summary, vectorSummary(bill, v.Account != "")); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			if v.Rows == nil {
				return
			}
			if diff := cmp.Diff(v.Rows, vectorRows(bill)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// vectorSummary writes a summary in the words of the vectors.
func vectorSummary(b channel.Bill, fund bool) map[string]int64 {
	s := b.Summary
	if fund {
		return map[string]int64{
			"count": s.Count, "in_count": s.InCount, "in_fen": int64(s.In), "out_count": s.OutCount, "out_fen": int64(s.Out),
		}
	}
	return map[string]int64{
		"count": s.Count, "settlement_fen": int64(s.Settlement), "refund_fen": int64(s.RefundSettled),
		"recharge_coupon_refund_fen": int64(s.CouponsBack), "fee_fen": int64(s.Fee), "order_fen": int64(s.Total),
		"applied_refund_fen": int64(s.Refunded),
	}
}

// vectorRows writes lines in the words of the vectors.
func vectorRows(b channel.Bill) []map[string]any {
	list := []map[string]any{}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	for _, l := range b.Lines {
		row := map[string]any{
			"time": l.Time.Format("2006-01-02 15:04:05"), "sub_mchid": l.Merchant, "transaction_id": l.TransactionID,
			"out_trade_no": l.OutTradeNo, "trade_type": l.TradeType, "state": l.State, "order_fen": float64(l.Total),
			"settlement_fen": float64(l.Settlement), "coupon_fen": float64(l.Coupons), "refund_fen": 0.0,
			"refund_id": text(l.RefundID), "out_refund_no": text(l.OutRefundNo), "refund_state": text(l.RefundState),
			"fee_fen": float64(l.Fee), "product": l.Product, "attach": l.Attach,
		}
		if l.Kind != channel.BillPayment {
			row["order_fen"], row["settlement_fen"], row["coupon_fen"], row["refund_fen"] = 0.0, 0.0, 0.0, float64(l.Total)
		}
		list = append(list, row)
	}
	for _, f := range b.Flows {
		way := "out"
		if f.In {
			way = "in"
		}
		list = append(list, map[string]any{
			"time": f.Time.Format("2006-01-02 15:04:05"), "business_no": f.BusinessNo, "flow_no": f.FlowNo, "business": f.Business,
			"type": f.Type, "direction": way, "amount_fen": float64(f.Amount), "balance_fen": float64(f.Balance), "voucher": f.Voucher,
		})
	}
	return list
}

func TestBillsThatAreWrongSayWhere(t *testing.T) {
	t.Parallel()
	trade, fund := string(sample(t, "bills/wechat-trade-all-20260105.csv")), string(sample(t, "bills/wechat-fundflow-basic-20260105.csv"))
	for name, c := range map[string]struct{ from, old, new, want string }{
		"an order missing":      {trade, strings.SplitAfter(trade, "\r\n")[1], "", "总交易单数"},
		"a line of no values":   {trade, "`2026-01-05 08:15:02", "x`2026-01-05 08:15:02", "twice"},
		"an amount changed":     {trade, "`12.00,`0.00,`0,", "`12.01,`0.00,`0,", "应结订单总金额"},
		"a fee changed":         {trade, "`0.07000,", "`0.07100,", "手续费总金额"},
		"a refund changed":      {trade, "`10.00,`0.00,`ORIGINAL", "`10.01,`0.00,`ORIGINAL", "退款总金额"},
		"an applied refund":     {trade, "`0.00,`10.00,`\r", "`0.00,`10.01,`\r", "申请退款总金额"},
		"a total changed":       {trade, "`0.60%,`12.00", "`0.60%,`12.01", "订单总金额"},
		"a count changed":       {trade, "`8,`201.30", "`9,`201.30", "总交易单数"},
		"cut before its end":    {trade, "`8,`201.30,`130.00,`0.00,`0.42000,`206.30,`130.00\r\n", "", "not complete"},
		"more after its end":    {trade, "`206.30,`130.00\r\n", "`206.30,`130.00\r\nx", "after its end"},
		"a column missing":      {trade, "商户订单号", "别的单号", "lacks the column 商户订单号"},
		"a column twice":        {trade, "商户数据包", "商品名称", "twice"},
		"a line without end":    {trade, "`豆浆油条,", strings.Repeat(",`", channel.MaxBillLine), "longer than"},
		"a header without end":  {trade, "商品名称", strings.Repeat(",", channel.MaxBillLine+1), "longer than"},
		"a value missing":       {trade, "`豆浆油条,", "", "line 2"},
		"an unknown state":      {trade, "`REVOKED", "`PARTLY", "line 8"},
		"half a fen":            {trade, "`12.00,`0.00,`0,", "`12.005,`0.00,`0,", "应结订单金额"},
		"no amount":             {trade, "`12.00,`0.00,`0,", "`1e3,`0.00,`0,", "line 3"},
		"no time":               {trade, "`2026-01-05 08:15:02", "`2026-13-05 08:15:02", "交易时间"},
		"not UTF-8":             {trade, "豆浆", "\xb6\xb9", "UTF-8"},
		"a movement changed":    {fund, "`12.00,`512.00", "`12.01,`512.00", "收入金额"},
		"a movement's way":      {fund, "`收入,`12.00", "`支出,`12.00", "收入笔数"},
		"a movement of no way":  {fund, "`收入,`12.00", "`转移,`12.00", "收支类型"},
		"a movement's balance":  {fund, "`12.00,`512.00", "`12.00,`x", "账户结余(元)"},
		"an outgo in the sum":   {fund, "`3,`100.07", "`3,`100.08", "支出金额"},
		"the number of outgoes": {fund, "`3,`100.07", "`4,`100.07", "支出笔数"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(c.from, c.old, c.new, 1)
			if text == c.from {
				t.Fatalf("%q is not in the sample", c.old)
			}
			if bill, err := parseBill([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("parseBill = %+v, %v; want an error with %q", bill.Summary, err, c.want)
			}
		})
	}
}

func TestColumnsMayMoveAndGrow(t *testing.T) {
	t.Parallel()
	const text = "新列,商品名称,订单金额,手续费,应结订单金额,交易状态,商户订单号,微信订单号,交易时间\n" +
		"`x,`a,b`c,`面,`\"1\",`12.00,`0.07200,`12.00,`SUCCESS,`N1,`T1,`2026-01-05 08:15:02\n" +
		"新数,总交易单数,应结订单总金额,手续费总金额,订单总金额\n`?,`1,`12.00,`0.07200,`12.00\n"
	bill, err := parseBill([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	l := bill.Lines[0]
	if l.Product != "a,b`c,`面,`\"1\"" || l.Fee != 7 || l.FeeText != "0.07200" || l.Total != 1200 {
		t.Errorf("line = %+v", l)
	}
}
