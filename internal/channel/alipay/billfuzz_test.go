package alipay

import (
	"archive/zip"
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shape is a bill in a shape that a wallet or a bad line may give it.
type shape struct {
	name string
	raw  []byte
	want string // in the error, "" for one that reads as the sample's lines
}

// entry is a file of an archive.
type entry struct {
	name string
	raw  []byte
}

// archive packs files as the wallet does.
func archive(tb testing.TB, list ...entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range list {
		w, err := z.Create(e.name)
		if err == nil {
			_, err = w.Write(e.raw)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// table changes the values of every line of a bill's table.
func table(text string, f func(values []string) []string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			line = strings.Join(f(strings.Split(strings.TrimSuffix(line, "\r\n"), ",")), ",") + "\r\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// swapped exchanges the first and third column.
func swapped(text string) string {
	return table(text, func(v []string) []string {
		v[0], v[2] = v[2], v[0]
		return v
	})
}

// widened puts a column that nobody knows behind the others.
func widened(text string) string {
	n := 0
	return table(text, func(v []string) []string {
		if n++; n == 1 {
			return append(v, "新列")
		}
		return append(v, "x")
	})
}

// shapes are what the parser is tried with.
func shapes(tb testing.TB) []shape {
	tb.Helper()
	text, sums := plainSample(tb, sampleDetail), plainSample(tb, sampleSummary)
	change := func(text string, pairs ...string) []byte {
		for i := 0; i < len(pairs); i += 2 {
			out := strings.Replace(text, pairs[i], pairs[i+1], 1)
			if out == text {
				tb.Fatalf("%q is not in the sample", pairs[i])
			}
			text = out
		}
		return gbk(tb, text)
	}
	detail, summary := gbk(tb, text), gbk(tb, sums)
	whole := archive(tb, entry{"a.csv", detail}, entry{"b.csv", summary})
	damaged := bytes.Clone(whole)
	damaged[60] ^= 0x55
	tail := text[strings.Index(text, "#交易合计"):strings.Index(text, "#导出时间")]
	zeros := "#交易合计：0笔，商家实收共0.00元，商家优惠共0.00元\r\n#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元\r\n"
	many := make([]entry, 0, maxBillFiles+1)
	for i := range maxBillFiles + 1 {
		many = append(many, entry{strconv.Itoa(i), detail})
	}
	second := strings.SplitAfter(text, "\n")[5] // the line of the first payment
	return []shape{
		{"a detail alone", detail, ""},
		{"detail and summary", whole, ""},
		{"summary before detail", archive(tb, entry{"a.csv", summary}, entry{"b.csv", detail}), ""},
		{"in a folder of the archive", archive(tb, entry{"bill/", nil}, entry{"bill/a.csv", detail}), ""},
		{"an entry whose name leads outside", archive(tb, entry{"../../a.csv", detail}), ""},
		{"with line feeds only", gbk(tb, strings.ReplaceAll(text, "\r\n", "\n")), ""},
		{"with empty lines", gbk(tb, strings.ReplaceAll(text, "\r\n", "\r\n\r\n")), ""},
		{"with columns in another order", gbk(tb, swapped(text)), ""},
		{"a summary with columns in another order", archive(tb, entry{"a.csv", detail}, entry{"b.csv", gbk(tb, swapped(sums))}), ""},
		{"with a column more", gbk(tb, widened(text)), ""},
		{"a summary with a column more", archive(tb, entry{"a.csv", detail}, entry{"b.csv", gbk(tb, widened(sums))}), ""},
		{"with brackets of half width", gbk(tb, strings.NewReplacer("（", "(", "）", ")").Replace(text)), ""},
		{"in UTF-8", []byte(text), "neither as its detail nor as its summary"},
		{"in UTF-8 with its mark of order", []byte("\xef\xbb\xbf" + text), "neither as its detail nor as its summary"},
		{"empty", nil, "neither as its detail nor as its summary"},
		{"carriage returns only", gbk(tb, strings.ReplaceAll(text, "\r\n", "\r")), "neither as its detail nor as its summary"},
		{"a header alone", gbk(tb, text[:strings.Index(text, "2026010522")]), "not complete"},
		{"cut within its closing figures", gbk(tb, text[:strings.Index(text, "元，商家优惠退款")]), "not complete"},
		{"with its closing figures twice", change(text, tail, tail+tail), "twice"},
		{"with its closing figures before the table", change(text, tail, "", "#账号", zeros+"#账号"), "交易合计笔数"},
		{"with the table's end within", change(text, second, second+"#业务明细列表结束\r\n"), "after the table's end"},
		{"with a line twice", change(text, second, second+second), "交易合计笔数"},
		{"with an amount of 10^18", change(text, ",12.00,12.00,", ",1000000000000000000,12.00,"), "订单金额(元)"},
		{"with a fee of 10^18", change(text, ",-0.07,", ",-1000000000000000000,"), "服务费(元)"},
		{"with a total of 10^18", change(text, "商家实收共85.40元", "商家实收共1000000000000000000元"), "交易合计商家实收"},
		{"with a count of 10^18", change(text, "#交易合计：3笔", "#交易合计：1000000000000000000笔"), "交易合计笔数"},
		{"with a negative payment", change(text, ",12.00,12.00,", ",-12.00,-12.00,", "共85.40元", "共61.40元"), "sign"},
		{"with a positive refund", change(text, ",-6.60,-6.60,", ",6.60,6.60,", "共-26.60元", "共-13.40元"), "sign"},
		{"with half a character", append(bytes.Clone(detail[:len(detail)-2]), 0x81), ""},
		{"an archive of nothing", archive(tb), "no detail"},
		{"an archive of a summary", archive(tb, entry{"b.csv", summary}), "no detail"},
		{"an archive with another file", archive(tb, entry{"a.csv", detail}, entry{"readme.txt", []byte("hello")}), "neither as its detail nor as its summary"},
		{"an archive of many files", archive(tb, many...), "more than 32 files"},
		{"an archive in an archive", archive(tb, entry{"a.zip", whole}), "neither as its detail nor as its summary"},
		{"the detail twice with one summary", archive(tb, entry{"a.csv", detail}, entry{"a.csv", detail}, entry{"b.csv", summary}), "summary of a store"},
		{"a cut archive", whole[:len(whole)-9], "damaged"},
		{"an archive with a bad sum", damaged, "damaged"},
		{"the beginning of an archive", []byte("PK"), "damaged"},
		{"a refusal", sample(tb, "bills/alipay-no-bill.json"), "neither as its detail nor as its summary"},
	}
}

func TestBillsOfAnyShape(t *testing.T) {
	t.Parallel()
	good, err := parseBill(sample(t, sampleDetail))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range shapes(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := parseBill(c.raw)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("parseBill = %+v, %v; want an error with %q", p.bill.Summary, err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(good.bill.Lines, p.bill.Lines); diff != "" {
				t.Errorf("other lines (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(good.bill.Summary, p.bill.Summary); diff != "" {
				t.Errorf("another summary (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseBill(f *testing.F) {
	for _, c := range shapes(f) {
		f.Add(c.raw)
	}
	f.Add(sample(f, sampleZip))
	f.Add(sample(f, sampleSummary))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 || strings.HasPrefix(string(raw), "PK") && len(raw) > 4<<10 {
			t.Skip("long inputs only slow the search")
		}
		p, err := parseBill(raw)
		if err != nil {
			if len(p.bill.Lines) > 0 {
				t.Errorf("%v, and %d lines", err, len(p.bill.Lines))
			}
			return
		}
		sums := p.bill.Summary
		if sums.Payments+sums.Refunds != int64(len(p.bill.Lines)) || sums.Count != int64(len(p.bill.Lines)) {
			t.Errorf("%d lines, and the summary says %+v", len(p.bill.Lines), sums)
		}
		for _, l := range p.bill.Lines {
			if l.Kind == "" || l.Time.IsZero() || l.Total < 0 || l.Settlement < 0 {
				t.Errorf("a line is %+v", l)
			}
			if l.Kind == "payment" {
				sums.Total, sums.Settlement = sums.Total-l.Total, sums.Settlement-l.Settlement
			} else {
				sums.Refunded, sums.RefundSettled = sums.Refunded-l.Total, sums.RefundSettled-l.Settlement
			}
		}
		if sums.Total != 0 || sums.Settlement != 0 || sums.Refunded != 0 || sums.RefundSettled != 0 {
			t.Errorf("the summary is %+v more than the lines", sums)
		}
	})
}
