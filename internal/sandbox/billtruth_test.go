package sandbox_test

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
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
