package wxpay

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"

	"cloudpay/internal/channel"
)

const (
	sampleTrade = "bills/wechat-trade-all-20260105.csv"
	sampleFund  = "bills/wechat-fundflow-basic-20260105.csv"
)

// shape is a bill in a shape that a wallet or a bad line may give it.
type shape struct {
	name string
	raw  []byte
	want string // in the error, "" for a bill that reads as lines
	like string // the sample that it reads as, "" for none
}

// swapped exchanges the first and third column of every table of a bill.
func swapped(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(strings.TrimPrefix(line, bom), "\r\n")
		tick, separator := "", ","
		if strings.HasPrefix(line, "`") {
			tick, separator = "`", ",`"
		}
		values := strings.Split(strings.TrimPrefix(line, tick), separator)
		values[0], values[2] = values[2], values[0]
		out.WriteString(tick + strings.Join(values, separator) + "\r\n")
	}
	return out.String()
}

// widened puts a column that nobody knows behind the others.
func widened(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		more := ",新列"
		if strings.HasPrefix(line, "`") {
			more = ",`x"
		}
		out.WriteString(strings.TrimSuffix(line, "\r\n") + more + "\r\n")
	}
	return out.String()
}

// zipped compresses a bill.
func zipped(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(raw); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// shapes are what the parser is tried with: they have the bill of one answer each.
func shapes(tb testing.TB) []shape {
	tb.Helper()
	trade, fund := string(sample(tb, sampleTrade)), string(sample(tb, sampleFund))
	bare := strings.TrimPrefix(trade, bom)
	change := func(text, old, with string) []byte {
		out := strings.Replace(text, old, with, 1)
		if out == text {
			tb.Fatalf("%q is not in the sample", old)
		}
		return []byte(out)
	}
	gbk, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(bare))
	if err != nil {
		tb.Fatal(err)
	}
	gz, lines := zipped(tb, []byte(trade)), strings.SplitAfter(bare, "\r\n")
	bad := bytes.Clone(gz)
	bad[len(bad)-6] ^= 1 // of its checksum
	list := []shape{
		{"as it comes", []byte(trade), "", sampleTrade},
		{"a fund bill as it comes", []byte(fund), "", sampleFund},
		{"without its mark of order", []byte(bare), "", sampleTrade},
		{"with line feeds only", []byte(strings.ReplaceAll(trade, "\r\n", "\n")), "", sampleTrade},
		{"without an end of its last line", []byte(strings.TrimSuffix(trade, "\r\n")), "", sampleTrade},
		{"with empty lines behind", []byte(trade + "\r\n\n\r\n"), "", sampleTrade},
		{"with columns in another order", []byte(swapped(trade)), "", sampleTrade},
		{"a fund bill with columns in another order", []byte(swapped(fund)), "", sampleFund},
		{"with a column more", []byte(widened(trade)), "", sampleTrade},
		{"a fund bill with a column more", []byte(widened(fund)), "", sampleFund},
		{"with brackets of full width", []byte(strings.NewReplacer("(元)", "（元）").Replace(fund)), "", sampleFund},
		{"compressed", gz, "", sampleTrade},
		{"compressed in two parts", append(zipped(tb, []byte(trade[:999])), zipped(tb, []byte(trade[999:]))...), "", sampleTrade},
		{"of no line", []byte(lines[0] + lines[9] + "`0,`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00\r\n"), "", "bills/wechat-trade-all-empty.csv"},
		{"with the largest amount", change(string(change(trade, "`12.00,`0.00,`0,", "`9999999999.99,`0.00,`0,")), "`201.30", "`9999999999.99"), "应结订单总金额", ""},
		{"with two marks of order", []byte(bom + trade), "lacks the column 交易时间", ""},
		{"with carriage returns only", []byte(strings.ReplaceAll(trade, "\r\n", "\r")), "bill", ""},
		{"in GBK", gbk, "UTF-8", ""},
		{"in UTF-16", []byte("\xff\xfe" + trade[3:]), "UTF-8", ""},
		{"empty", nil, "lacks the column 交易时间", ""},
		{"a mark of order alone", []byte(bom), "lacks the column 交易时间", ""},
		{"empty lines", []byte("\r\n\r\n"), "lacks the column 交易时间", ""},
		{"a header alone", []byte(lines[0]), "not complete", ""},
		{"without the header of its summary", []byte(strings.Join(slices.Concat(lines[:9], lines[10:]), "")), "values for 27 columns", ""},
		{"cut within the figures of its summary", []byte(trade[:len(trade)-30]), "values for 7 columns", ""},
		{"with an empty line within", []byte(strings.Join(slices.Concat(lines[:3], []string{"\r\n"}, lines[3:]), "")), "lacks the column 总交易单数", ""},
		{"with two summaries", []byte(trade + lines[9] + lines[10]), "after its end", ""},
		{"with a line twice", []byte(strings.Join(slices.Concat(lines[:2], lines[1:]), "")), "总交易单数", ""},
		{"with an amount of 10^18", change(trade, "`12.00,`0.00,`0,", "`1000000000000000000,`0.00,`0,"), "line 3", ""},
		{"with a fee of 10^18", change(trade, "`0.07000", "`1000000000000000000"), "手续费", ""},
		{"with a count of 10^18", change(trade, "`8,`201.30", "`1000000000000000000,`201.30"), "总交易单数", ""},
		{"with a negative payment", change(string(change(trade, "`12.00,`0.00,`0,", "`-12.00,`0.00,`0,")), "`201.30", "`177.30"), "negative", ""},
		{"with a negative refund", change(string(change(trade, "`0.00,`10.00,`\r", "`0.00,`-10.00,`\r")), "`206.30,`130.00", "`206.30,`110.00"), "negative", ""},
		{"with a negative movement", change(string(change(fund, "`收入,`12.00", "`收入,`-12.00")), "`112.00", "`88.00"), "negative", ""},
		{"compressed twice", zipped(tb, gz), "UTF-8", ""},
		{"compressed and cut", gz[:len(gz)-9], "damaged", ""},
		{"compressed with a bad sum", bad, "damaged", ""},
		{"compressed with more behind", append(bytes.Clone(gz), trade...), "damaged", ""},
		{"the beginning of a compressed file", []byte("\x1f\x8b"), "damaged", ""},
		{"a refusal", sample(tb, "bills/wechat-v2-downloadbill-failure.xml"), "lacks the column", ""},
	}
	for _, product := range []string{"牛`肉`面", "a,`b", "`", ",`,`", "\"面,大份\"", "\x00", "2026-01-05 08:15:02,`SUCCESS,`12.00"} {
		list = append(list, shape{"with the name " + product, change(trade, "`牛肉面,`table=3", "`"+product+",`table=3"), "", ""})
	}
	return list
}

func TestBillsOfAnyShape(t *testing.T) {
	t.Parallel()
	for _, c := range shapes(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bill, err := parseBill(c.raw)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("parseBill = %+v, %v; want an error with %q", bill.Summary, err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if product, named := strings.CutPrefix(c.name, "with the name "); named {
				if l := bill.Lines[1]; l.Product != product || l.Attach != "table=3" || l.Total != 1200 || l.Fee != 7 {
					t.Errorf("read as %+v", l)
				}
				return
			}
			want, err := parseBill(sample(t, c.like))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, bill); diff != "" {
				t.Errorf("another bill (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLinesThatComeTwiceAreBothRead: a bill that tells of the same thing twice
// agrees with its own sums, and reconciliation must see both.
func TestLinesThatComeTwiceAreBothRead(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(string(sample(t, sampleTrade)), "\r\n")
	lines[10] = "`9,`213.30,`130.00,`0.00,`0.49000,`218.30,`130.00\r\n"
	bill, err := parseBill([]byte(strings.Join(slices.Insert(lines, 5, lines[2]), "")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bill.Lines[1], bill.Lines[4]); diff != "" || len(bill.Lines) != 9 {
		t.Errorf("%d lines, of which two differ: %s", len(bill.Lines), diff)
	}
}

func FuzzParseBill(f *testing.F) {
	for _, c := range shapes(f) {
		f.Add(c.raw)
	}
	f.Add(sample(f, "bills/wechat-trade-all-20260105.csv.gz"))
	f.Add(sample(f, "bills/wechat-trade-success-20260105.csv"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 || isGzip(raw) && len(raw) > 4<<10 {
			t.Skip("long inputs only slow the search")
		}
		bill, err := parseBill(raw)
		if err != nil {
			if len(bill.Lines)+len(bill.Flows) > 0 {
				t.Errorf("%v, and %d lines", err, len(bill.Lines)+len(bill.Flows))
			}
			return
		}
		if n := int64(len(bill.Lines) + len(bill.Flows)); n != bill.Summary.Count {
			t.Errorf("%d lines, and the summary says %d", n, bill.Summary.Count)
		}
		sums := channel.BillSummary{}
		for _, l := range bill.Lines {
			if l.Kind == "" || l.Time.IsZero() || l.Total < 0 || l.Settlement < 0 || l.Coupons < 0 {
				t.Errorf("a line is %+v", l)
			}
		}
		for _, w := range bill.Flows {
			if w.Amount < 0 || w.Time.IsZero() {
				t.Errorf("a movement is %+v", w)
			}
			if w.In {
				sums.In += w.Amount
			} else {
				sums.Out += w.Amount
			}
		}
		if sums.In != bill.Summary.In || sums.Out != bill.Summary.Out {
			t.Errorf("movements of %d and %d, and the summary says %+v", sums.In, sums.Out, bill.Summary)
		}
	})
}
