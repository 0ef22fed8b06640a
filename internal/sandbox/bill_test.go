package sandbox_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"cloudpay/internal/sandbox"
)

// sampleBill is a file of vectors/bills.
func sampleBill(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/bills/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(name, ".gbk.") {
		return fromGBK(t, raw)
	}
	return string(raw)
}

func fromGBK(t *testing.T, raw []byte) string {
	t.Helper()
	out, err := simplifiedchinese.GBK.NewDecoder().Bytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// lineOf is the n-th line of a text, from its end if n is negative.
func lineOf(text string, n int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n")
	if n < 0 {
		n += len(lines)
	}
	return lines[n]
}

// v2Bill downloads a bill; a refusal is returned as it came.
func (b *bench) v2Bill(path string, values kv, useHMAC bool) string {
	b.t.Helper()
	status, _, raw, err := b.post(b.client(0), path, "text/xml", v2XML(b.wxSigned(values, useHMAC)), nil)
	if err != nil || status != http.StatusOK {
		b.t.Fatalf("%s %v: HTTP %d, %v", path, values, status, err)
	}
	return string(raw)
}

func gunzip(t *testing.T, raw []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func (b *bench) until(at time.Time) { b.clock.add(at.Sub(b.clock.now())) }

// nextMorning is nine o'clock of the day after the tests' first.
var nextMorning = time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)

// TestWeChatBillsAreWrittenAsTheSamples compares whole bills, byte by byte, with
// lines written here after the samples.
func TestWeChatBillsAreWrittenAsTheSamples(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	plain := kv{"device_info": "S001-01", "attach": "table=3", "body": "牛肉面,大份,`\"\n"}
	pay := func(no string, fen int, more kv) kv {
		values := payValues(no, b.code(sandbox.WeChat, no), fen)
		maps.Copy(values, more)
		code, out := b.wx("/pay/micropay", values)
		if code != "SUCCESS" {
			t.Fatalf("%s: %s", no, code)
		}
		return out
	}
	one := pay("GW1", 1200, plain)
	b.clock.add(time.Minute)
	b.coupons(sandbox.EndpointPay, 500, 1, "NO_CASH")
	two := pay("GW2", 5000, nil)
	b.clock.add(time.Minute)
	three := pay("GW3", 10000, nil)
	b.clock.add(time.Minute)
	_, refund := b.wxRefund("GW2", "RF2", 5000, 1000)
	b.clock.add(time.Minute)
	if got := b.wxReverse("GW3"); got != "SUCCESS" {
		t.Fatal(got)
	}
	b.fault(sandbox.Fault{Scenario: "refund_stuck"})
	_, stuck := b.wxRefund("GW1", "RF1", 1200, 50)
	b.until(nextMorning)

	row := func(at, no string, paid kv, rest string) string {
		device := ""
		if no == "GW1" {
			device = "S001-01"
		}
		return fmt.Sprintf("`2026-11-20 %s,`%s,`%s,`%s,`%s,`%s,`%s,`%s,`MICROPAY,%s\r\n",
			at, w.AppID, w.MchID, w.Merchants[0].SubMchID, device, paid["transaction_id"], no, paid["openid"], rest)
	}
	sample := sampleBill(t, "wechat-trade-all-20260105.csv")
	success := sampleBill(t, "wechat-trade-success-20260105.csv")
	paid := []string{
		row("12:00:00", "GW1", one, "`SUCCESS,`OTHERS,`CNY,`12.00,`0.00,`0,`0,`0.00,`0.00,`,`,`牛肉面,大份,`\" ,`table=3,`0.07000,`0.60%,`12.00,`0.00,`"),
		row("12:01:00", "GW2", two, "`SUCCESS,`OTHERS,`CNY,`45.00,`5.00,`0,`0,`0.00,`0.00,`,`,`测试商品,`,`0.27000,`0.60%,`50.00,`0.00,`"),
		row("12:02:00", "GW3", three, "`SUCCESS,`OTHERS,`CNY,`100.00,`0.00,`0,`0,`0.00,`0.00,`,`,`测试商品,`,`0.60000,`0.60%,`100.00,`0.00,`"),
	}
	all := lineOf(sample, 0) + "\r\n" + strings.Join(paid, "") +
		row("12:03:00", "GW2", two, "`REFUND,`OTHERS,`CNY,`0.00,`0.00,`"+refund["refund_id"]+",`RF2,`9.00,`0.00,`ORIGINAL,`SUCCESS,`测试商品,`,`-0.05000,`0.60%,`0.00,`10.00,`") +
		row("12:04:00", "GW3", three, "`REVOKED,`OTHERS,`CNY,`0.00,`0.00,`0,`0,`100.00,`0.00,`ORIGINAL,`SUCCESS,`测试商品,`,`-0.60000,`0.60%,`0.00,`100.00,`") +
		row("12:04:00", "GW1", one, "`REFUND,`OTHERS,`CNY,`0.00,`0.00,`"+stuck["refund_id"]+",`RF1,`0.50,`0.00,`ORIGINAL,`PROCESSING,`牛肉面,大份,`\" ,`table=3,`0.00000,`0.60%,`0.00,`0.50,`") +
		lineOf(sample, -2) + "\r\n`6,`157.00,`109.50,`0.00,`0.29000,`162.00,`110.50\r\n"
	got := b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120", "bill_type": "ALL"}, false)
	if got != all {
		t.Errorf("ALL is\n%s\nwant\n%s", got, all)
	}
	if packed := b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120", "tar_type": "GZIP"}, true); gunzip(t, []byte(packed)) != all {
		t.Error("the compressed bill is another one")
	}
	got = b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120", "bill_type": "SUCCESS"}, false)
	if lineOf(got, 0) != lineOf(success, 0) || lineOf(got, -1) != "`3,`157.00,`0.00,`0.00,`0.94000,`162.00,`0.00" || strings.Count(got, "\r\n") != 6 {
		t.Errorf("SUCCESS is\n%s", got)
	}
	got = b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120", "bill_type": "REFUND"}, false)
	if strings.Contains(got, "`SUCCESS,`OTHERS") || lineOf(got, -1) != "`3,`0.00,`109.50,`0.00,`-0.65000,`0.00,`110.50" {
		t.Errorf("REFUND is\n%s", got)
	}
	// As the vector of a refusal, byte by byte.
	if got := b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120", "bill_type": "RECHARGE_REFUND"}, false); got != sampleBill(t, "wechat-v2-downloadbill-failure.xml") {
		t.Errorf("RECHARGE_REFUND is %s", got)
	}
}

func TestWeChatFundBillIsWrittenAsTheSample(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	m := b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID
	b.set(t, sandbox.WeChat, m, `"available_fen":50000`)
	_, one := b.wxPay("GW1", b.code(sandbox.WeChat, "a"), 1200)
	_, two := b.wxPay("GW2", b.code(sandbox.WeChat, "b"), 10000)
	b.clock.add(time.Minute)
	_, back := b.wxRefund("GW1", "RF1", 1200, 300)
	b.wxReverse("GW2")
	b.until(nextMorning)
	values := kv{"bill_date": "20261120", "account_type": "Basic"}
	got := b.v2Bill("/pay/downloadfundflow", values, true)
	sample := sampleBill(t, "wechat-fundflow-basic-20260105.csv")
	flow := regexpReplace(got)
	line := func(at, no, kind, name, way, amount, left, note, voucher string) string {
		business := "交易"
		if kind == "退款" || kind == "提现" {
			business = kind
		}
		return "`2026-11-20 " + at + ",`" + no + ",`FLOW,`" + business + ",`" + name + ",`" + way + ",`" + amount + ",`" + left + ",`" + m + "API,`" + note + ",`" + voucher + "\r\n"
	}
	want := lineOf(sample, 0) + "\r\n" +
		line("12:00:00", "NO", "提现", "提现", "支出", "999500.00", "500.00", "", "") +
		line("12:00:00", one["transaction_id"], "", "交易", "收入", "12.00", "512.00", "", "GW1") +
		line("12:00:00", one["transaction_id"], "", "扣除交易手续费", "支出", "0.07", "511.93", "", "GW1") +
		line("12:00:00", two["transaction_id"], "", "交易", "收入", "100.00", "611.93", "", "GW2") +
		line("12:00:00", two["transaction_id"], "", "扣除交易手续费", "支出", "0.60", "611.33", "", "GW2") +
		line("12:01:00", back["refund_id"], "退款", "退款", "支出", "2.98", "608.35", "退款总金额3.00元;含手续费0.02元", "GW1") +
		line("12:01:00", "NO", "退款", "退款", "支出", "99.40", "508.95", "退款总金额100.00元;含手续费0.60元", "GW2") +
		lineOf(sample, -2) + "\r\n`7,`2,`112.00,`5,`999603.05\r\n"
	if flow != want {
		t.Errorf("the fund bill is\n%s\nwant\n%s", flow, want)
	}
	// The provider's two merchants stand on one running balance; the second
	// begins with a million yuan.
	all := b.v2Bill("/pay/downloadfundflow", kv{"bill_date": "20261120", "account_type": "Basic", "sub_mch_id": ""}, true)
	if got := strings.Split(lineOf(all, 7), ",`")[7]; got != "1000508.95" {
		t.Errorf("both merchants end with %s", got)
	}
	if got := b.v2Bill("/pay/downloadfundflow", values, false); !strings.Contains(got, "HMAC-SHA256") {
		t.Errorf("signed with MD5 it is %s", got)
	}
	if _, _, _, err := b.post(b.client(-1), "/pay/downloadfundflow", "text/xml", v2XML(b.wxSigned(values, true)), nil); !isCut(err) {
		t.Errorf("without a client certificate: %v, want a cut", err)
	}
	values["account_type"] = "Fees"
	if got := b.v2Bill("/pay/downloadfundflow", values, true); !strings.Contains(got, "No Bill Exist") {
		t.Errorf("the account of fees is %s", got)
	}
}

// regexpReplace puts fixed words in place of the numbers that the sandbox makes
// up for movements, and for what has no number of its own.
func regexpReplace(bill string) string {
	lines := strings.Split(bill, "\r\n")
	for i, line := range lines {
		v := strings.Split(line, ",`")
		if len(v) != 11 || len(v[2]) != 28 {
			continue
		}
		if v[2] = "FLOW"; strings.HasPrefix(v[1], "10000000001") || strings.HasPrefix(v[1], "50400000001") {
			v[1] = "NO"
		}
		lines[i] = strings.Join(v, ",`")
	}
	return strings.Join(lines, "\r\n")
}

func TestBillsAppearAtNine(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.wxPay("GW1", b.code(sandbox.WeChat, ""), 100)
	b.aliPay("GW1", b.code(sandbox.Alipay, ""), "1.00")
	v3 := func(query string) string {
		return b.v3(t, v3Call{method: http.MethodGet, path: "/v3/bill/tradebill?" + query}).code
	}
	ali := func(date string) string {
		code, _ := b.ali("alipay.data.dataservice.bill.downloadurl.query", kv{"bill_type": "trade", "bill_date": date})
		return code
	}
	for _, c := range []struct {
		at         time.Time
		day        string
		v2, v3     string
		ali, month string
	}{
		{noon, "2026-11-20", "Bill Creating", "STATEMENT_CREATING", "isp.BILL_NOT_EXIST", "isp.BILL_NOT_EXIST"},
		{noon, "2026-11-19", "No Bill Exist", "NO_STATEMENT_EXIST", "isp.BILL_NOT_EXIST", "isp.BILL_NOT_EXIST"},
		{noon, "2026-11-21", "invalid bill_date", "PARAM_ERROR", "isp.BILL_NOT_EXIST", "isp.BILL_NOT_EXIST"},
		{noon, "2026-02-30", "invalid bill_date", "PARAM_ERROR", "40002", "isp.BILL_NOT_EXIST"},
		{nextMorning.Add(-time.Second), "2026-11-20", "Bill Creating", "STATEMENT_CREATING", "isp.BILL_NOT_EXIST", "isp.BILL_NOT_EXIST"},
		{nextMorning, "2026-11-20", "交易时间", "", "10000", "isp.BILL_NOT_EXIST"},
		{nextMorning.AddDate(0, 0, 12).Add(-time.Second), "2026-11-20", "交易时间", "", "10000", "isp.BILL_NOT_EXIST"},
		{nextMorning.AddDate(0, 0, 12), "2026-11-20", "交易时间", "", "10000", "10000"}, // the 3rd of December
		{nextMorning.AddDate(0, 0, 92), "2026-11-20", "invalid bill_date", "PARAM_ERROR", "isp.BILL_NOT_EXIST", "isp.BILL_NOT_EXIST"},
	} {
		b.until(c.at)
		if got := b.v2Bill("/pay/downloadbill", kv{"bill_date": strings.ReplaceAll(c.day, "-", "")}, false); !strings.Contains(got, c.v2) {
			t.Errorf("%s at %s by v2: %s, want %s", c.day, c.at, got, c.v2)
		}
		if got := v3("bill_date=" + c.day); got != c.v3 {
			t.Errorf("%s at %s by v3: %q, want %q", c.day, c.at, got, c.v3)
		}
		if got := ali(c.day); got != c.ali {
			t.Errorf("%s at %s by alipay: %s, want %s", c.day, c.at, got, c.ali)
		}
		if got := ali("2026-11"); got != c.month {
			t.Errorf("the month at %s: %s, want %s", c.at, got, c.month)
		}
	}
}

func TestV3BillIsAnnouncedUnderASignatureAndDownloadedWithout(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.wxPay("GW1", b.code(sandbox.WeChat, ""), 100)
	b.until(nextMorning)
	get := func(path string) v3Answered { return b.v3(t, v3Call{method: http.MethodGet, path: path}) }
	text := b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120"}, false)
	sum := sha1.Sum([]byte(text))
	for _, packed := range []bool{false, true} {
		query := "/v3/bill/tradebill?bill_date=2026-11-20"
		if packed {
			query += "&tar_type=GZIP"
		}
		said := get(query)
		link, _ := said.body["download_url"].(string)
		path, found := strings.CutPrefix(link, "https://api.mch.weixin.qq.com")
		if !said.verified || !found || said.body["hash_type"] != "SHA1" || said.body["hash_value"] != hex.EncodeToString(sum[:]) {
			t.Fatalf("announced: %s, verified %v", said.raw, said.verified)
		}
		file := get(path)
		body := string(file.raw)
		if packed {
			body = gunzip(t, file.raw)
		}
		if file.status != http.StatusOK || body != text || file.header.Get("Wechatpay-Signature") != "" {
			t.Errorf("downloaded: %d, signature %q, %d bytes", file.status, file.header.Get("Wechatpay-Signature"), len(body))
		}
		if unsigned := b.v3(t, v3Call{method: http.MethodGet, path: path, signature: "AAAA"}); unsigned.status != http.StatusUnauthorized {
			t.Errorf("a download with a wrong signature: %d", unsigned.status)
		}
		b.restart()
		b.clock.add(5*time.Minute - time.Second)
		if again := get(path); again.status != http.StatusOK {
			t.Errorf("a second before the token runs out, after a restart: %d %s", again.status, again.raw)
		}
		b.clock.add(time.Second)
		if late := get(path); late.status != http.StatusForbidden || late.code != "NO_AUTH" {
			t.Errorf("after five minutes: %d %s", late.status, late.raw)
		}
	}
	for path, want := range map[string]string{
		"/v3/bill/tradebill?bill_date=2026-11-19":                      "wechat-v3-no-statement.json",
		"/v3/bill/fundflowbill?bill_date=2026-11-21":                   "wechat-v3-statement-creating.json",
		"/v3/bill/fundflowbill?bill_date=2026-11-20&account_type=FEES": "wechat-v3-no-statement.json",
	} {
		if got := get(path); got.status != http.StatusBadRequest || got.header.Get("Wechatpay-Signature") != "" || !sameJSON(string(got.raw), sampleBill(t, want)) {
			t.Errorf("%s: %d %s", path, got.status, got.raw)
		}
	}
	for _, query := range []string{"tradebill", "tradebill?bill_date=20261120", "tradebill?bill_date=2026-11-20&bill_type=X", "sub-merchant-fundflowbill?bill_date=2026-11-20&sub_mchid=1"} {
		if got := get("/v3/bill/" + query); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, got.status, got.raw)
		}
	}
}

// sameJSON compares two flat objects whatever the order of their members.
func sameJSON(a, b string) bool {
	for part := range strings.SplitSeq(strings.Trim(b, "{}"), ",") {
		if !strings.Contains(a, part) {
			return false
		}
	}
	return len(a) == len(b)
}

// aliBill asks for a bill and returns its URL.
func (b *bench) aliBill(date string) string {
	b.t.Helper()
	code, out := b.ali("alipay.data.dataservice.bill.downloadurl.query", kv{"bill_type": "trade", "bill_date": date})
	link, _ := out["bill_download_url"].(string)
	if code != "10000" || link == "" {
		b.t.Fatalf("bill of %s: %v", date, out)
	}
	return link
}

// get downloads without any credentials.
func (b *bench) get(link string) (int, []byte) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, link, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.client(-1).Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, raw
}

func TestAlipayBillIsWrittenAsTheSample(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	user := b.Accounts().Providers[0].Alipay.Merchants[0].UserID
	pay := func(no, subject, yuan, store string) map[string]any {
		code, out := b.ali("alipay.trade.pay", kv{
			"out_trade_no": no, "total_amount": yuan, "subject": subject, "auth_code": b.code(sandbox.Alipay, no), "scene": "bar_code",
			"store_id": store, "terminal_id": "T01", "operator_id": "OP01",
		})
		if code != "10000" {
			t.Fatalf("%s: %s", no, code)
		}
		return out
	}
	one := pay("GW1", "牛肉面,大份\"🍜\"", "12.00", "S001")
	b.clock.add(time.Minute)
	b.fault(sandbox.Fault{Scenario: "coupon", Count: 1, Params: sandbox.Params{AmountFen: 200, Kind: "NO_CASH"}})
	two := pay("GW2", "团餐", "66.60", "S002")
	b.clock.add(time.Minute)
	b.aliRefund("GW2", "RF2", "6.60")
	three := pay("GW3", "撤销", "8.80", "S001")
	b.clock.add(time.Second)
	b.aliCancel("GW3")
	b.until(nextMorning)

	link := b.aliBill("2026-11-20")
	u, err := url.Parse(link)
	if err != nil || u.Path != "/downloadBillFile.resource" || u.Query().Get("downloadFileName") != user+"0156_20261120.csv.zip" {
		t.Errorf("the URL is %s, %v", link, err)
	}
	status, raw := b.get(link)
	if status != http.StatusOK {
		t.Fatalf("download: %d %s", status, raw)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || len(z.File) != 2 {
		t.Fatal(err, len(z.File))
	}
	var files []string
	for i, name := range []string{"_20261120_业务明细.csv", "_20261120_业务明细(汇总).csv"} {
		f := z.File[i]
		if fromGBK(t, []byte(f.Name)) != user+"0156"+name || !f.NonUTF8 || f.Flags&0x800 != 0 {
			t.Errorf("entry %d is %q, flags %x", i, f.Name, f.Flags)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fromGBK(t, content))
	}
	head := func(sample string) string {
		text := strings.Join(strings.SplitAfter(sampleBill(t, sample), "\r\n")[:5], "")
		return strings.NewReplacer("20880000000000020156", user+"0156", "2026年01月05日", "2026年11月20日", "2026年01月06日", "2026年11月21日").Replace(text)
	}
	line := func(pay map[string]any, no, kind, subject, from, to, store, amounts, rest string) string {
		return fmt.Sprintf("%s\t,%s\t,%s,%s    ,2026-11-20 %s,2026-11-20 %s,%s,%s,OP01,T01,%s\t,%s,0.00,,0.00,0.00,%s,0.00,\r\n",
			pay["trade_no"], no, kind, subject, from, to, store, store, pay["buyer_logon_id"], amounts, rest)
	}
	const product = "牛肉面,大份\"?\"" // GBK has no bowl of noodles
	detail := head("alipay-trade-20260105-detail.gbk.csv") +
		line(one, "GW1", "交易", product, "12:00:00", "12:00:00", "S001", "12.00,12.00,0.00,0.00,0.00,0.00", ",-0.07") +
		line(two, "GW2", "交易", "团餐", "12:01:00", "12:01:00", "S002", "66.60,64.60,0.00,0.00,0.00,2.00", ",-0.39") +
		line(three, "GW3", "交易", "撤销", "12:02:00", "12:02:00", "S001", "8.80,8.80,0.00,0.00,0.00,0.00", ",-0.05") +
		line(two, "GW2", "退款", "团餐", "12:01:00", "12:02:00", "S002", "-6.60,-6.41,0.00,0.00,0.00,-0.19", "RF2\t,0.04") +
		line(three, "GW3", "退款", "撤销", "12:02:00", "12:02:01", "S001", "-8.80,-8.80,0.00,0.00,0.00,0.00", ",0.05") +
		"#-----------------------------------------业务明细列表结束------------------------------------\r\n" +
		"#交易合计：3笔，商家实收共85.40元，商家优惠共2.00元\r\n#退款合计：2笔，商家实收退款共-15.21元，商家优惠退款共-0.19元\r\n" +
		"#导出时间：[2026年11月21日 09:00:00]\r\n"
	summary := head("alipay-trade-20260105-summary.gbk.csv") +
		"S001\t,S001,2,1,12.00,12.00,0.00,0.00,0.00,-0.07,0.00,11.93\r\nS002\t,S002,1,1,60.00,58.19,0.00,1.81,0.00,-0.35,0.00,57.84\r\n" +
		"合计,,3,2,72.00,70.19,0.00,1.81,0.00,-0.42,0.00,69.77\r\n" +
		"#----------------------------------------业务汇总列表结束-------------------------------------\r\n#导出时间：[2026年11月21日 09:00:00]\r\n"
	if files[0] != detail {
		t.Errorf("the detail is\n%s\nwant\n%s", files[0], detail)
	}
	if files[1] != summary {
		t.Errorf("the summary is\n%s\nwant\n%s", files[1], summary)
	}
	b.restart()
	moved := strings.Replace(link, u.Host, strings.TrimPrefix(b.wallet.URL, "https://"), 1)
	b.clock.add(30*time.Second - time.Millisecond)
	if status, _ := b.get(moved); status != http.StatusOK {
		t.Errorf("before 30 s, after a restart: %d", status)
	}
	b.clock.add(time.Millisecond)
	if status, _ := b.get(moved); status != http.StatusForbidden {
		t.Errorf("after 30 s: %d", status)
	}
}

func TestDownloadURLCanBeSet(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"bills.example", "ftp://bills.example", "https://", "https://bills.example/path", "https://bills.example?a=1", "%"} {
		if s, err := sandbox.New(t.Context(), sandbox.Config{Dir: t.TempDir(), Now: time.Now, DownloadURL: wrong}); err == nil {
			t.Errorf("%q was accepted", wrong)
			s.Close()
		}
	}
	b := newBench(t, func(c *sandbox.Config) { c.DownloadURL = "https://bills.example:8443/" })
	b.wxPay("GW1", b.code(sandbox.WeChat, ""), 100)
	b.aliPay("GW1", b.code(sandbox.Alipay, ""), "1.00")
	b.until(nextMorning)
	said := b.v3(t, v3Call{method: http.MethodGet, path: "/v3/bill/tradebill?bill_date=2026-11-20"})
	if link, _ := said.body["download_url"].(string); !strings.HasPrefix(link, "https://bills.example:8443/v3/billdownload/file?token=") {
		t.Errorf("wechat: %s", said.raw)
	}
	if link := b.aliBill("2026-11-20"); !strings.HasPrefix(link, "https://bills.example:8443/downloadBillFile.resource?") {
		t.Errorf("alipay: %s", link)
	}
}
