package alipay

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"

	"cloudpay/internal/channel"
)

const (
	sampleZip     = "bills/alipay-trade-20260105.csv.zip"
	sampleDetail  = "bills/alipay-trade-20260105-detail.gbk.csv"
	sampleSummary = "bills/alipay-trade-20260105-summary.gbk.csv"
)

func sample(tb testing.TB, file string) []byte {
	tb.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// plainSample is a sample decoded.
func plainSample(tb testing.TB, file string) string {
	tb.Helper()
	text, err := decodeGBK(sample(tb, file))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func gbk(tb testing.TB, text string) []byte {
	tb.Helper()
	raw, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// billVector is one file of vectors/upstream-bills.json.
type billVector struct {
	File    string           `json:"file"`
	Summary map[string]int64 `json:"summary"`
	Rows    []map[string]any `json:"rows"`
}

func billVectors(t *testing.T) map[string]billVector {
	t.Helper()
	var file struct {
		Bills []billVector `json:"bills"`
	}
	if err := json.Unmarshal(sample(t, "upstream-bills.json"), &file); err != nil {
		t.Fatal(err)
	}
	list := map[string]billVector{}
	for _, v := range file.Bills {
		list[v.File] = v
	}
	return list
}

func TestSampleBillReadsAsExpected(t *testing.T) {
	t.Parallel()
	list := billVectors(t)
	for _, file := range []string{sampleZip, sampleDetail} {
		p, err := parseBill(sample(t, file))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		want := list[sampleDetail]
		s := p.bill.Summary
		got := map[string]int64{
			"payments": s.Payments, "refunds": s.Refunds, "received_fen": int64(s.Settlement), "refunded_fen": -int64(s.RefundSettled),
		}
		if diff := cmp.Diff(want.Summary, got); diff != "" {
			t.Errorf("%s: summary (-want +got):\n%s", file, diff)
		}
		if diff := cmp.Diff(want.Rows, vectorRows(p.bill)); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", file, diff)
		}
		if p.account != "2088000000000002" || p.from != "2026年01月05日" {
			t.Errorf("%s: account %s from %s", file, p.account, p.from)
		}
		if file == sampleDetail {
			continue
		}
		rows := list[sampleSummary].Rows
		if diff := cmp.Diff(rows[:len(rows)-1], storeRows(p.bill)); diff != "" {
			t.Errorf("stores (-want +got):\n%s", diff)
		}
		if s.Fee != 35 || s.Total-s.Refunded != 6080 {
			t.Errorf("sums = %+v", s)
		}
	}
}

// vectorRows writes lines in the words and signs of the vectors.
func vectorRows(b channel.Bill) []map[string]any {
	var list []map[string]any
	for _, l := range b.Lines {
		sign, request := 1.0, any(nil)
		if l.Kind == channel.BillRefund {
			sign = -1
		}
		if l.OutRefundNo != "" {
			request = l.OutRefundNo
		}
		// 0 times −1 is −0, which is another number to cmp.
		amount := func(n float64) any { return sign*n + 0 }
		list = append(list, map[string]any{
			"kind": string(l.Kind), "trade_no": l.TransactionID, "out_trade_no": l.OutTradeNo, "out_request_no": request,
			"created": l.Created.Format(wireTime), "finished": l.Time.Format(wireTime), "store": l.StoreID,
			"order_fen": amount(float64(l.Total)), "received_fen": amount(float64(l.Settlement)),
			"alipay_discount_fen": amount(float64(l.Coupons)), "merchant_discount_fen": amount(float64(l.Discount)),
			"fee_fen": -float64(l.Fee), "subject": l.Product,
		})
	}
	return list
}

func storeRows(b channel.Bill) []map[string]any {
	var list []map[string]any
	for _, s := range b.Stores {
		list = append(list, map[string]any{
			"store": s.StoreID, "payments": float64(s.Payments), "refunds": float64(s.Refunds), "order_fen": float64(s.Total),
			"received_fen": float64(s.Received), "fee_fen": -float64(s.Fee), "net_fen": float64(s.Net),
		})
	}
	return list
}

func TestBillsThatAreWrongSayWhere(t *testing.T) {
	t.Parallel()
	text := plainSample(t, sampleDetail)
	for name, c := range map[string]struct{ old, new, want string }{
		"a line missing":        {strings.SplitAfter(text, "\n")[5], "", "交易合计笔数"},
		"an amount received":    {",12.00,12.00,", ",12.00,12.01,", "交易合计商家实收"},
		"a discount":            {",1.00,2.00,0.00", ",1.00,2.01,0.00", "交易合计商家优惠"},
		"a refund":              {",-6.60,-6.60", ",-6.60,-6.61", "退款合计商家实收"},
		"cut in the table":      {text[strings.Index(text, "#-----------------------------------------业务明细列表结束"):], "", "not complete"},
		"cut before its totals": {text[strings.Index(text, "#交易合计"):], "", "not complete"},
		"more after its end":    {"#交易合计", "x\n#交易合计", "after the table's end"},
		"a column missing":      {"商户订单号", "别的单号", "lacks the column 商户订单号"},
		"an unknown kind":       {",退款,团餐", ",转账,团餐", "业务类型"},
		"no time":               {"2026-01-05 08:20:01", "2026-01-05 25:20:01", "完成时间"},
		"half a fen":            {",12.00,12.00,", ",12.00,12.005,", "商家实收(元)"},
		"another title":         {"#支付宝业务明细", "#支付宝账务明细", "neither"},
		"a line without end":    {",S001,", "," + strings.Repeat(",", channel.MaxBillLine), "longer than"},
		"a value missing":       {",S001,桥头面馆", ",S001", "values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(text, c.old, c.new, 1)
			if changed == text {
				t.Fatalf("%q is not in the sample", c.old)
			}
			if _, err := parseBill(gbk(t, changed)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("parseBill = %v; want an error with %q", err, c.want)
			}
		})
	}
}

func TestSummaryByStoreIsCompared(t *testing.T) {
	t.Parallel()
	detail, text := plainSample(t, sampleDetail), plainSample(t, sampleSummary)
	read := func(detail, summary string) error {
		p := billParts{sums: map[string]*storeSums{}}
		if err := p.detail(detail); err != nil {
			return err
		}
		if err := p.summary(summary); err != nil {
			return err
		}
		return p.check()
	}
	if err := read(detail, text); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"a count", "桥头面馆,2,1", "桥头面馆,3,1", "交易订单总笔数"},
		{"an amount", "72.00,70.00", "72.01,70.00", "订单金额(元)"},
		{"a fee", "-0.42", "-0.41", "服务费(元)"},
		{"a net amount", "69.58", "69.59", "实收净额(元)"},
		{"the total", "60.80", "60.81", "订单金额(元)"},
		{"a store missing", strings.SplitAfter(text, "\n")[6], "", "lacks a store"},
		{"a store twice", "S002\t", "S001\t", "twice"},
		{"another account", "20880000000000020156", "20880000000000030156", "accounts"},
		{"another day", "[2026年01月05日", "[2026年01月04日", "days"},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		if err := read(detail, changed); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", c.name, err, c.want)
		}
	}
}

func TestNamesWithCommasStayWhole(t *testing.T) {
	t.Parallel()
	for _, product := range []string{"牛肉面,大份", "a,b,c,\"d\"", "2026-01-05 08:20:00,2026-01-05 08:20:01", "面,12.00,12.00"} {
		text := strings.Replace(plainSample(t, sampleDetail), "牛肉面 ", product+" ", 1)
		p, err := parseBill(gbk(t, text))
		if err != nil {
			t.Fatalf("%s: %v", product, err)
		}
		if l := p.bill.Lines[0]; l.Product != product || l.Total != 1200 || l.StoreID != "S001" {
			t.Errorf("%s: read as %+v", product, l)
		}
	}
	text := strings.ReplaceAll(plainSample(t, sampleDetail), "桥头面馆", "桥头,面馆")
	p, err := parseBill(gbk(t, text))
	if err != nil || p.bill.Lines[0].Product != "牛肉面" || p.bill.Lines[0].DeviceID != "T01" {
		t.Errorf("a store's name with a comma: %+v, %v", p.bill.Lines, err)
	}
}

// TestBugFigureThatCannotBeReadWasTakenForEqual: the closing figures of a
// detail were compared in whole fen, so one that is no amount, or has a part of
// a fen too much, went for the sum of the lines.
func TestBugFigureThatCannotBeReadWasTakenForEqual(t *testing.T) {
	t.Parallel()
	text := plainSample(t, sampleDetail)
	figure := paymentTotal.FindStringSubmatch(lineWith(t, text, "#交易合计"))[2]
	for _, wrong := range []string{"..", "1.2.3", figure + "1", figure + ".0"} {
		spoilt := strings.Replace(text, "商家实收共"+figure+"元", "商家实收共"+wrong+"元", 1)
		if spoilt == text {
			t.Fatal("nothing was replaced")
		}
		if _, err := parseBill(gbk(t, spoilt)); err == nil {
			t.Errorf("%q was taken for %s", wrong, figure)
		}
	}
}

// lineWith returns the line that begins with start.
func lineWith(t *testing.T, text, start string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, start) {
			return strings.TrimRight(line, "\r\n")
		}
	}
	t.Fatalf("no line begins with %s", start)
	return ""
}
