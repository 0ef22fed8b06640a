package sandbox_test

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smartwalle/alipay/v3"

	"cloudpay/internal/sandbox"
)

// aliDetail downloads the detail of a day.
func (b *bench) aliDetail(t *testing.T, date string) string {
	t.Helper()
	status, raw := b.get(b.aliBill(date))
	if status != http.StatusOK {
		t.Fatalf("download: %d", status)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return fromGBK(t, content)
}

// TestBillsShowWhatTheAnswersHid: a bill tells what a wallet really did, also
// where a fault made its answers say something else (upstreams.md §8.7).
func TestBillsShowWhatTheAnswersHid(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.fault(sandbox.Fault{Scenario: "reverse_no_effect", Count: 2})
	b.wxPay("KEPT", b.code(sandbox.WeChat, ""), 100)
	if got := b.wxReverse("KEPT"); got != "SUCCESS" {
		t.Fatal(got)
	}
	b.aliPay("KEPT", b.code(sandbox.Alipay, ""), "1.00")
	if got := b.aliCancel("KEPT"); got != "refund/N" {
		t.Fatal(got)
	}
	b.fault(sandbox.Fault{Scenario: "payerror_but_charged", Count: 1})
	b.wxPay("LIED", b.code(sandbox.WeChat, ""), 200)
	if got := b.wxState("LIED"); got != "PAYERROR" {
		t.Fatal(got)
	}
	b.fault(sandbox.Fault{Scenario: "pay_then_rollback", Count: 1, Params: sandbox.Params{Seconds: new(60.0)}})
	b.aliPay("BACK", b.code(sandbox.Alipay, ""), "3.00")
	b.wxPay("NEVER", b.code(sandbox.WeChat, ""), 600_00) // waits for the password, and is reversed
	b.wxReverse("NEVER")
	b.wxReverse("UNSEEN")
	b.until(nextMorning)

	bill := b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120"}, false)
	for no, want := range map[string]int{"`KEPT,": 1, "`LIED,": 1, "`NEVER,": 0, "`UNSEEN,": 0, "`REVOKED,": 0, "`SUCCESS,`OTHERS": 2} {
		if got := strings.Count(bill, no); got != want {
			t.Errorf("%s stands %d times in\n%s", no, got, bill)
		}
	}
	detail := b.aliDetail(t, "2026-11-20")
	for no, want := range map[string]int{",KEPT\t,交易,": 1, ",KEPT\t,退款,": 0, ",BACK\t,交易,": 1, ",BACK\t,退款,": 1} {
		if got := strings.Count(detail, no); got != want {
			t.Errorf("%s stands %d times in\n%s", no, got, detail)
		}
	}
}

// TestBillsSplitTheDayAtMidnightInBeijing pays and refunds a second apart from
// it, by both wallets.
func TestBillsSplitTheDayAtMidnightInBeijing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	midnight := noon.Add(12 * time.Hour)
	b.until(midnight.Add(-time.Millisecond))
	b.wxPay("GW1", b.code(sandbox.WeChat, ""), 100)
	b.aliPay("GW1", b.code(sandbox.Alipay, ""), "1.00")
	b.until(midnight)
	b.wxRefund("GW1", "R1", 100, 40)
	b.aliRefund("GW1", "R1", "0.40")
	b.wxPay("GW2", b.code(sandbox.WeChat, ""), 100)
	b.aliPay("GW2", b.code(sandbox.Alipay, ""), "1.00")
	b.until(nextMorning.AddDate(0, 0, 1))
	for day, want := range map[string][3]int{"2026-11-20": {1, 0, 0}, "2026-11-21": {1, 1, 1}} { // lines of GW1, its refund, GW2
		bill := b.v2Bill("/pay/downloadbill", kv{"bill_date": strings.ReplaceAll(day, "-", "")}, false)
		got := [3]int{strings.Count(bill, "`GW1,"), strings.Count(bill, "`R1,"), strings.Count(bill, "`GW2,")}
		if got != want {
			t.Errorf("wechat on %s: %v, want %v in\n%s", day, got, want, bill)
		}
		detail := b.aliDetail(t, day)
		got = [3]int{strings.Count(detail, ",GW1\t"), strings.Count(detail, ",R1\t"), strings.Count(detail, ",GW2\t")}
		if got != want {
			t.Errorf("alipay on %s: %v, want %v in\n%s", day, got, want, detail)
		}
	}
}

// TestAlipayLibraryFindsTheBill asks with somebody else's client.
func TestAlipayLibraryFindsTheBill(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.Accounts().Providers[0].Alipay
	b.aliPay("GW1", b.code(sandbox.Alipay, ""), "1.00")
	client, err := alipay.New(a.AppID, a.AppPrivateKeyPEM, false,
		alipay.WithSandboxGateway(b.wallet.URL+"/gateway.do"), alipay.WithHTTPClient(b.client(-1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.LoadAliPayPublicKey(a.AlipayPublicKeyPEM); err != nil {
		t.Fatal(err)
	}
	ask := alipay.BillDownloadURLQuery{AppAuthToken: a.Merchants[0].AppAuthToken, BillType: "trade", BillDate: "2026-11-20"}
	if got, err := client.BillDownloadURLQuery(t.Context(), ask); err != nil || got.Code != "40004" || got.SubCode != "isp.BILL_NOT_EXIST" {
		t.Errorf("before nine: %+v, %v", got, err)
	}
	b.until(nextMorning)
	got, err := client.BillDownloadURLQuery(t.Context(), ask)
	if err != nil || got.Code != "10000" {
		t.Fatalf("at nine: %+v, %v", got, err)
	}
	if status, raw := b.get(got.BillDownloadURL); status != http.StatusOK || !bytes.HasPrefix(raw, []byte("PK")) {
		t.Errorf("downloaded: %d, %d bytes", status, len(raw))
	}
}

// TestBillsAreOfWhoAsks: a provider gets its own merchants' lines, a merchant's
// bill only his, and a token is good for the provider it was given to.
func TestBillsAreOfWhoAsks(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	own, other := b.Accounts().Providers[0].WeChat, b.Accounts().Providers[1].WeChat
	sell := func(no, merchant string) {
		values := payValues(no, b.code(sandbox.WeChat, ""), 100)
		values["sub_mch_id"] = merchant
		if code, _ := b.wx("/pay/micropay", values); code != "SUCCESS" {
			t.Fatal(code)
		}
	}
	sell("FIRST", own.Merchants[0].SubMchID)
	sell("SECOND", own.Merchants[1].SubMchID)
	b.until(nextMorning)
	for merchant, want := range map[string][2]int{"": {1, 1}, own.Merchants[0].SubMchID: {1, 0}, own.Merchants[1].SubMchID: {0, 1}} {
		bill := b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120", "sub_mch_id": merchant}, false)
		if got := [2]int{strings.Count(bill, "`FIRST,"), strings.Count(bill, "`SECOND,")}; got != want {
			t.Errorf("the bill of %q has %v, want %v", merchant, got, want)
		}
	}
	if got := b.v2Bill("/pay/downloadbill", kv{"bill_date": "20261120", "sub_mch_id": other.Merchants[0].SubMchID}, false); !strings.Contains(got, "invalid sub_mch_id") {
		t.Errorf("another provider's merchant by v2: %s", got)
	}
	get := func(path string) v3Answered { return b.v3(t, v3Call{method: http.MethodGet, path: path}) }
	for _, query := range []string{"tradebill?", "sub-merchant-fundflowbill?account_type=BASIC&algorithm=AEAD_AES_256_GCM&"} {
		if got := get("/v3/bill/" + query + "bill_date=2026-11-20&sub_mchid=" + other.Merchants[0].SubMchID); got.status != http.StatusForbidden {
			t.Errorf("another provider's merchant by v3: %d %s", got.status, got.raw)
		}
	}
	said := get("/v3/bill/tradebill?bill_date=2026-11-20")
	link, _ := said.body["download_url"].(string)
	_, path, _ := strings.Cut(link, "weixin.qq.com")
	stamp, nonce := strconv.FormatInt(b.clock.now().Unix(), 10), "0123456789abcdef0123456789abcdef"
	theirs := b.v3(t, v3Call{
		method: http.MethodGet, path: path, mchID: other.MchID, serialNo: other.SerialNo,
		header: http.Header{"Authorization": {`WECHATPAY2-SHA256-RSA2048 mchid="` + other.MchID + `",nonce_str="` + nonce + `",signature="` +
			rsaSign(t, other.ClientKeyPEM, "GET\n"+path+"\n"+stamp+"\n"+nonce+"\n\n") + `",timestamp="` + stamp + `",serial_no="` + other.SerialNo + `"`}},
	})
	if theirs.status != http.StatusForbidden || theirs.code != "NO_AUTH" {
		t.Errorf("another provider's token: %d %s", theirs.status, theirs.raw)
	}
	if mine := get(path); mine.status != http.StatusOK {
		t.Errorf("the own token: %d", mine.status)
	}
}
