package alipay

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// tradeBill asks for the sample's day, which in London is still the day before.
var tradeBill = channel.BillRequest{
	Kind: channel.BillTrade, Day: time.Date(2026, 1, 4, 16, 30, 0, 0, time.UTC),
	Merchant: channel.Merchant{AppAuthToken: order.Merchant.AppAuthToken, SellerID: testSeller},
}

// playBill starts a gateway that names an address ("" is its own) and answers a
// download there.
func playBill(t *testing.T, address string, status int, file []byte) (c *Channel, downloads <-chan string) {
	t.Helper()
	seen := make(chan string, 10)
	w := &wallet{}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/gateway.do" {
			seen <- r.Method + " " + r.RequestURI
			rw.WriteHeader(status)
			_, _ = rw.Write(file)
			return
		}
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		if got := form.Get("method") + form.Get("biz_content") + form.Get("app_auth_token"); got !=
			`alipay.data.dataservice.bill.downloadurl.query{"bill_type":"trade","bill_date":"2026-01-05"}`+testToken {
			t.Errorf("asked for %s", got)
		}
		to := address
		if to == "" {
			to = "https://" + r.Host + "/downloadBillFile.resource?token=a%2Fb&x=1"
		}
		_, _ = rw.Write(sealed(t, form.Get("method"), merge(success, fieldsOf{"bill_download_url": to})))
	}))
	w.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.StartTLS()
	t.Cleanup(w.Close)
	ch, err := New(w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ch.CloseIdle)
	return ch, seen
}

func TestABillIsDownloadedWhereAlipaySays(t *testing.T) {
	t.Parallel()
	archive := sample(t, sampleZip)
	c, downloads := playBill(t, "", http.StatusOK, archive)
	out := c.Bill(t.Context(), tradeBill)
	if out.Kind != pay.Paid || !out.Verified || out.Empty || !bytes.Equal(out.Raw, archive) || len(out.Bill.Lines) != 5 || len(out.Bill.Stores) != 2 {
		t.Errorf("Bill = %+v, %v", out.Outcome, out.Err)
	}
	if got := <-downloads; got != "GET /downloadBillFile.resource?token=a%2Fb&x=1" {
		t.Errorf("downloaded by %s", got)
	}
}

func TestBillsThatCannotBeUsedAreNot(t *testing.T) {
	t.Parallel()
	archive := sample(t, sampleZip)
	ofAnother, ofLater := tradeBill, tradeBill
	ofAnother.Merchant.SellerID = "2088000000000003"
	ofLater.Day = ofLater.Day.AddDate(0, 0, 1)
	for name, c := range map[string]struct {
		ask     channel.BillRequest
		address string
		status  int
		file    []byte
		bad     bool // a file arrived
	}{
		"a page":          {tradeBill, "", 200, []byte("<html>下载链接已失效</html>"), false},
		"refused":         {tradeBill, "", 403, archive, false},
		"nothing":         {tradeBill, "", 200, nil, false},
		"damaged":         {tradeBill, "", 200, archive[:len(archive)-100], true},
		"not a bill":      {tradeBill, "", 200, []byte("PK but no archive"), true},
		"another host":    {tradeBill, "https://127.0.0.1:1/x", 200, archive, false},
		"a look-alike":    {tradeBill, "https://evilalipay.com/x", 200, archive, false},
		"without TLS":     {tradeBill, "http://dwbillcenter.alipay.com/x", 200, archive, false},
		"with a user":     {tradeBill, "https://a@dwbillcenter.alipay.com/x", 200, archive, false},
		"no address":      {tradeBill, "about:blank", 200, archive, false},
		"another account": {ofAnother, "", 200, archive, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch, downloads := playBill(t, c.address, c.status, c.file)
			out := ch.Bill(t.Context(), c.ask)
			if out.Kind != pay.Unknown || out.Empty || (out.Err != nil) != c.bad || (out.Raw != nil) != c.bad || len(out.Bill.Lines) != 0 {
				t.Errorf("Bill = %+v, %v, empty %v", out.Outcome, out.Err, out.Empty)
			}
			if c.address != "" && len(downloads) != 0 {
				t.Errorf("downloaded by %s", <-downloads)
			}
		})
	}
	p, err := parseBill(archive)
	if err != nil || p.isDay(ofLater.Day) || !p.isDay(tradeBill.Day) {
		t.Errorf("the sample is of %s, %v", p.from, err)
	}
	fund := tradeBill
	fund.Kind = channel.BillFund
	if ch, _ := playBill(t, "", 200, nil); ch.Bill(t.Context(), fund).Kind != pay.Declined {
		t.Error("a fund bill was not refused")
	}
}

// TestBillsKnowTheHostsOfAlipay checks the hosts that are trusted without
// dialling them.
func TestBillsKnowTheHostsOfAlipay(t *testing.T) {
	t.Parallel()
	c, _ := playBill(t, "", 200, nil)
	for host, want := range map[string]bool{
		"dwbillcenter.alipay.com": true, "DWBILLCENTER.ALIPAY.COM": true, "x.alipaydev.com": true, c.gateway.Host: true,
		"alipay.com.evil.example": false, "evilalipay.com": false, "alipay.com:8443.example": false, "127.0.0.1": false,
	} {
		if got := c.mayServeBills(&url.URL{Scheme: "https", Host: host}); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// TestBillCodesFollowTheSharedList answers with the sub_codes of
// vectors/upstream-codes-alipay.json under every prefix, signed and not.
func TestBillCodesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	_, call := readVectors(t)
	list := call(callBill.method).SubCodes
	if len(list) == 0 {
		t.Fatal("the list has no codes of bills")
	}
	for _, r := range list {
		for _, prefix := range []string{"", "isp.", "isv.", "ACQ.", "aop.isp."} {
			for _, signed := range []bool{true, false} {
				code := prefix + strings.ToLower(strings.TrimPrefix(r.Code, "*"))
				c, _ := play(t, func(request) fieldsOf {
					f := fieldsOf{"code": "40004", "msg": "Business Failed", "sub_code": code, "sub_msg": "账单不存在"}
					if !signed {
						f[":unsigned"] = true
					}
					return f
				})
				out := c.Bill(t.Context(), tradeBill)
				if r.Class != "EMPTY" || out.Empty != signed || (out.Kind == pay.Paid) != signed || out.Verified != signed {
					t.Errorf("%s, signed %v: %+v, empty %v; the list says %s", code, signed, out.Outcome, out.Empty, r.Class)
				}
			}
		}
	}
	vector := string(sample(t, "bills/alipay-no-bill.json")) // its signature is a placeholder
	c, _ := play(t, func(request) fieldsOf { return fieldsOf{":raw": vector} })
	if out := c.Bill(t.Context(), tradeBill); out.Kind != pay.Unknown || out.Empty {
		t.Errorf("a wrong signature = %+v", out.Outcome)
	}
	c, _ = play(t, func(request) fieldsOf { return fieldsOf{"code": "40004", "sub_code": "isp.A_CODE_OF_LATER"} })
	if out := c.Bill(t.Context(), tradeBill); out.Kind != pay.Unknown || !out.Alert || out.Empty {
		t.Errorf("an unlisted code = %+v", out.Outcome)
	}
}
