package wxpay

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// billDay is the day of the samples; at 00:30 in Beijing it is still the day
// before in London.
var billDay = time.Date(2026, 1, 4, 16, 30, 0, 0, time.UTC)

var (
	tradeBill = channel.BillRequest{Kind: channel.BillTrade, Day: billDay}
	fundBill  = channel.BillRequest{Kind: channel.BillFund, Day: billDay, Account: channel.BillBasic}
)

// playBill starts a WeChat of v2 that answers every call with one body.
func playBill(t *testing.T, status int, body []byte) (*Channel, <-chan request) {
	t.Helper()
	w := &wallet{signType: SignMD5, requests: make(chan request, 10)}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		m, err := parseMessage(raw, "xml")
		if err != nil {
			t.Errorf("the request is not a message: %v", err)
		}
		w.requests <- request{path: r.URL.Path, m: m, cert: len(r.TLS.PeerCertificates) > 0}
		rw.WriteHeader(status)
		_, _ = rw.Write(body)
	}))
	w.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	w.StartTLS()
	t.Cleanup(w.Close)
	c, err := New(w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c, w.requests
}

func packed(raw []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(raw)
	_ = z.Close()
	return b.Bytes()
}

func failure(code, text string) []byte {
	return []byte("<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[" + text + "]]></return_msg><error_code><![CDATA[" + code + "]]></error_code></xml>")
}

func TestV2BillsAreAskedForAsDocumented(t *testing.T) {
	t.Parallel()
	c, requests := playBill(t, http.StatusOK, sample(t, "bills/wechat-v2-downloadbill-failure.xml"))
	of := tradeBill
	of.Merchant.SubMchID = testSub
	c.Bill(t.Context(), of)
	c.Bill(t.Context(), tradeBill)
	operation := fundBill
	operation.Account = channel.BillOperation
	c.Bill(t.Context(), operation)
	for i, want := range []map[string]string{
		{"path": "/pay/downloadbill", "bill_date": "20260105", "bill_type": "ALL", "tar_type": "GZIP", "sub_mch_id": testSub},
		{"path": "/pay/downloadbill", "bill_date": "20260105", "bill_type": "ALL", "tar_type": "GZIP"},
		{"path": "/pay/downloadfundflow", "bill_date": "20260105", "account_type": "Operation", "tar_type": "GZIP", "sign_type": "HMAC-SHA256"},
	} {
		got := <-requests
		sign := SignMD5
		if i == 2 {
			sign = SignHMAC
		}
		if got.path != want["path"] || got.cert != (i == 2) || !sign.verify(got.m, testKey) || got.m.get("mch_id") != testMch || got.m.get("appid") != testApp {
			t.Errorf("request %d: %+v", i, got)
		}
		delete(want, "path")
		want["mch_id"], want["appid"] = testMch, testApp
		for _, name := range got.m.names {
			if name != "nonce_str" && name != "sign" && got.m.get(name) != want[name] {
				t.Errorf("request %d: %s is %q, want %q", i, name, got.m.get(name), want[name])
			}
		}
		if len(got.m.names) != len(want)+2 {
			t.Errorf("request %d has %v", i, got.m.names)
		}
	}
	one := fundBill
	one.Merchant.SubMchID = testSub
	if out := c.Bill(t.Context(), one); out.Kind != pay.Declined || out.Verified || len(requests) != 0 {
		t.Errorf("a merchant's fund bill by v2 = %+v", out.Outcome)
	}
}

func TestV2BillsAreToldApartByTheirFirstBytes(t *testing.T) {
	t.Parallel()
	trade, fund := sample(t, "bills/wechat-trade-all-20260105.csv"), sample(t, "bills/wechat-fundflow-basic-20260105.csv")
	type want struct {
		kind               pay.Kind
		empty, alert, lost bool
		raw, bad           bool
		lines              int
	}
	gone := want{kind: pay.Unknown, lost: true}
	for name, c := range map[string]struct {
		ask    channel.BillRequest
		status int
		body   []byte
		want   want
	}{
		"text":                 {tradeBill, 200, trade, want{kind: pay.Paid, raw: true, lines: 8}},
		"text without a mark":  {tradeBill, 200, sample(t, "bills/wechat-trade-success-20260105.csv"), want{kind: pay.Paid, raw: true, lines: 5}},
		"compressed":           {tradeBill, 200, sample(t, "bills/wechat-trade-all-20260105.csv.gz"), want{kind: pay.Paid, raw: true, lines: 8}},
		"movements":            {fundBill, 200, packed(fund), want{kind: pay.Paid, raw: true, lines: 5}},
		"a bill without lines": {tradeBill, 200, sample(t, "bills/wechat-trade-all-empty.csv"), want{kind: pay.Paid, raw: true}},
		"the vector of none":   {tradeBill, 200, sample(t, "bills/wechat-v2-downloadbill-failure.xml"), want{kind: pay.Paid, empty: true}},
		"none by its text":     {tradeBill, 200, failure("", "NO Bill Exist"), want{kind: pay.Paid, empty: true}},
		"creating":             {tradeBill, 200, failure("20003", "Bill Creating"), want{kind: pay.Waiting}},
		"a wrong type":         {tradeBill, 200, failure("20001", "invalid bill_type"), want{kind: pay.Declined, alert: true}},
		"a wrong signature":    {tradeBill, 200, failure("", "签名错误"), want{kind: pay.Unknown, lost: true, alert: true}},
		"a system error":       {tradeBill, 200, failure("SYSTEMERROR", "下载失败"), gone},
		"success in XML":       {tradeBill, 200, bytes.ReplaceAll(failure("", "OK"), []byte("FAIL"), []byte("SUCCESS")), want{kind: pay.Unknown, lost: true, alert: true}},
		"a page":               {tradeBill, 200, []byte("\n<html><body>busy</body></html>"), gone},
		"nothing":              {tradeBill, 200, nil, gone},
		"a gateway's page":     {tradeBill, 502, trade, gone},
		"damaged gzip":         {tradeBill, 200, packed(trade)[:200], want{kind: pay.Unknown, alert: true, bad: true}},
		"half a bill":          {tradeBill, 200, trade[:len(trade)/2], want{kind: pay.Unknown, alert: true, bad: true, raw: true}},
		"another kind":         {fundBill, 200, trade, want{kind: pay.Unknown, alert: true, bad: true, raw: true}},
		"another merchant": {
			channel.BillRequest{Kind: channel.BillTrade, Day: billDay, Merchant: channel.Merchant{SubMchID: testSub}},
			200, trade,
			want{kind: pay.Unknown, alert: true, bad: true, raw: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch, _ := playBill(t, c.status, c.body)
			out := ch.Bill(t.Context(), c.ask)
			got := want{
				kind: out.Kind, empty: out.Empty, alert: out.Alert, lost: out.Lost, raw: out.Raw != nil, bad: out.Err != nil,
				lines: len(out.Bill.Lines) + len(out.Bill.Flows),
			}
			if got != c.want || out.Verified || out.Hash != "" {
				t.Errorf("got %+v (%s %s, %v), want %+v", got, out.Code, out.Text, out.Err, c.want)
			}
		})
	}
}

// announced is an answer of APIv3 about a file.
func announced(raw []byte, link string) map[string]any {
	sum := sha1.Sum(raw)
	return map[string]any{"hash_type": "SHA1", "hash_value": hex.EncodeToString(sum[:]), "download_url": link}
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

const fileURL = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=vector-token-0000000001"

// billWallet answers the question with said and the download with file.
func billWallet(said, file answer3) func(r request3) answer3 {
	return func(r request3) answer3 {
		if strings.HasPrefix(r.target, "/v3/billdownload/") {
			file.unsigned = true
			return file
		}
		return said
	}
}

func TestV3BillsAreAskedForAndDownloadedAsDocumented(t *testing.T) {
	t.Parallel()
	trade, fund := sample(t, "bills/wechat-trade-all-20260105.csv"), sample(t, "bills/wechat-fundflow-basic-20260105.csv")
	// The hash of the shared vector is over the uncompressed bytes.
	said := answer3{body: string(sample(t, "bills/wechat-v3-tradebill-answer.json"))}
	for _, file := range []string{string(trade), string(packed(trade))} {
		c, w := play3(t, billWallet(said, answer3{body: file}))
		out := c.Bill(t.Context(), tradeBill)
		if out.Kind != pay.Paid || !out.Verified || out.Hash != "6ef28200d2eda75a0e139eeb465d1eef917a5a9b" || !bytes.Equal(out.Raw, trade) || len(out.Bill.Lines) != 8 {
			t.Errorf("Bill = %+v, %v, hash %s", out.Outcome, out.Err, out.Hash)
		}
		for _, want := range []string{"/v3/bill/tradebill?bill_date=2026-01-05&bill_type=ALL&tar_type=GZIP", "/v3/billdownload/file?token=vector-token-0000000001"} {
			if got := <-w.requests; got.method != http.MethodGet || got.target != want { // our own host, and signed: wallet3 checks
				t.Errorf("asked for %s, want %s", got.target, want)
			}
		}
	}
	c, w := play3(t, billWallet(answer3{body: asJSON(announced(fund, fileURL))}, answer3{body: string(packed(fund))}))
	if out := c.Bill(t.Context(), fundBill); out.Kind != pay.Paid || len(out.Bill.Flows) != 5 {
		t.Errorf("fund bill = %+v, %v", out.Outcome, out.Err)
	}
	if got := (<-w.requests).target; got != "/v3/bill/fundflowbill?account_type=BASIC&bill_date=2026-01-05&tar_type=GZIP" {
		t.Errorf("asked for %s", got)
	}
	<-w.requests
	of := tradeBill
	of.Merchant.SubMchID = testSub
	c.Bill(t.Context(), of)
	if got := (<-w.requests).target; !strings.Contains(got, "&sub_mchid="+testSub) {
		t.Errorf("asked for %s", got)
	}
}

func TestV3BillsThatAreNotAsAnnouncedAreNotUsed(t *testing.T) {
	t.Parallel()
	trade := sample(t, "bills/wechat-trade-all-20260105.csv")
	good := answer3{body: asJSON(announced(trade, fileURL))}
	with := func(name string, value any) answer3 {
		m := announced(trade, fileURL)
		m[name] = value
		return answer3{body: asJSON(m)}
	}
	for name, c := range map[string]struct {
		said, file answer3
		want       pay.Kind
		bad        bool // the file arrived
	}{
		"another hash":          {with("hash_value", strings.Repeat("0", 40)), answer3{body: string(trade)}, pay.Unknown, true},
		"the packed bytes' own": {answer3{body: asJSON(announced(packed(trade), fileURL))}, answer3{body: string(packed(trade))}, pay.Unknown, true},
		"another kind of hash":  {with("hash_type", "MD5"), answer3{body: string(trade)}, pay.Unknown, true},
		"a hash of no kind":     {with("hash_type", ""), answer3{body: string(trade)}, pay.Unknown, true},
		"an altered bill":       {good, answer3{body: strings.Replace(string(trade), "12.00", "13.00", 1)}, pay.Unknown, true},
		"half a bill":           {good, answer3{body: string(trade[:1000])}, pay.Unknown, true},
		"no file":               {good, answer3{status: 403, body: `{"code":"NO_AUTH","message":"token"}`}, pay.Unknown, false},
		"a file of nobody":      {with("download_url", "file:///etc/passwd"), answer3{}, pay.Unknown, false},
		"another path":          {with("download_url", "https://api.mch.weixin.qq.com/pay/refund"), answer3{}, pay.Unknown, false},
		"no address":            {with("download_url", ""), answer3{}, pay.Unknown, false},
		"an unsigned answer":    {answer3{body: good.body, unsigned: true}, answer3{body: string(trade)}, pay.Unknown, false},
		"no JSON":               {answer3{body: "busy"}, answer3{body: string(trade)}, pay.Unknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch, _ := play3(t, billWallet(c.said, c.file))
			out := ch.Bill(t.Context(), tradeBill)
			if out.Kind != c.want || out.Empty || (out.Err != nil) != c.bad || out.Verified || len(out.Bill.Lines) != 0 {
				t.Errorf("Bill = %+v, %v, empty %v, %d lines", out.Outcome, out.Err, out.Empty, len(out.Bill.Lines))
			}
		})
	}
}

// TestBillCodesFollowTheSharedList answers with the codes of
// vectors/upstream-codes-wechat-*.json.
func TestBillCodesFollowTheSharedList(t *testing.T) {
	t.Parallel()
	classes := map[string]pay.Kind{"EMPTY": pay.Paid, "RETRY_LATER": pay.Waiting, "DECLINED": pay.Declined}
	check := func(name, class string, out channel.BillOutcome) {
		t.Helper()
		if want, known := classes[class]; !known || out.Kind != want || out.Empty != (class == "EMPTY") {
			t.Errorf("%s is %+v, empty %v; the list says %s", name, out.Outcome, out.Empty, class)
		}
	}
	list := readVectors3(t).Calls["bill"].Codes
	if len(list) == 0 {
		t.Fatal("the list has no codes of bills")
	}
	for _, r := range list {
		c, _ := play3(t, func(request3) answer3 { return answer3{status: 400, body: `{"code":"` + r.Code + `","message":"x"}`} })
		check(r.Code, string(r.Class), c.Bill(t.Context(), tradeBill))
	}
	var file struct {
		Calls map[string]struct {
			Codes []struct {
				Code, Class string
				ReturnMsg   string `json:"return_msg"`
			}
		}
	}
	if err := json.Unmarshal(sample(t, "upstream-codes-wechat-v2.json"), &file); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Calls["downloadbill"].Codes {
		c, _ := playBill(t, http.StatusOK, failure(r.Code, r.ReturnMsg))
		check(r.Code+r.ReturnMsg, r.Class, c.Bill(t.Context(), tradeBill))
	}
}

// sealBill encrypts a file as the bill of one merchant.
func sealBill(t *testing.T, plain []byte, once string) (file []byte, wrapped string) {
	t.Helper()
	key := []byte("0123456789abcdefghijklmnopqrstuv")
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &pairs()[0].key.PublicKey, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return gcm.Seal(nil, []byte(once), plain, nil), base64.StdEncoding.EncodeToString(raw)
}

func TestAMerchantsFundBillIsDecrypted(t *testing.T) {
	t.Parallel()
	fund := sample(t, "bills/wechat-fundflow-basic-20260105.csv")
	one := fundBill
	one.Merchant.SubMchID = testSub
	half := bytes.Index(fund, []byte("18:30:00")) // the bill in two files, told of in the wrong order
	for name, c := range map[string]struct {
		parts  [][]byte
		change func(m map[string]any)
		want   pay.Kind
	}{
		"whole":             {[][]byte{fund}, nil, pay.Paid},
		"in two":            {[][]byte{fund[:half], fund[half:]}, nil, pay.Paid},
		"another hash":      {[][]byte{fund}, func(m map[string]any) { m["hash_value"] = strings.Repeat("0", 40) }, pay.Unknown},
		"a nonce of five":   {[][]byte{fund}, func(m map[string]any) { m["nonce"] = "12345" }, pay.Unknown},
		"another nonce":     {[][]byte{fund}, func(m map[string]any) { m["nonce"] = "abcdefghijkl" }, pay.Unknown},
		"a key of nobody":   {[][]byte{fund}, func(m map[string]any) { m["encrypt_key"] = "AAAA" }, pay.Unknown},
		"a key not encoded": {[][]byte{fund}, func(m map[string]any) { m["encrypt_key"] = "?" }, pay.Unknown},
		"no files":          {nil, nil, pay.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string][]byte{}
			list := []any{}
			for i, part := range c.parts {
				file, wrapped := sealBill(t, packed(part), "0123456789ab")
				link := fmt.Sprintf("/v3/billdownload/file?token=%d", i)
				m := announced(part, "https://api.mch.weixin.qq.com"+link)
				m["bill_sequence"], m["encrypt_key"], m["nonce"] = i+1, wrapped, "0123456789ab"
				if c.change != nil {
					c.change(m)
				}
				files[link] = file
				list = append([]any{m}, list...)
			}
			ch, w := play3(t, func(r request3) answer3 {
				if file, ok := files[r.target]; ok {
					return answer3{body: string(file), unsigned: true}
				}
				return answer3{body: asJSON(map[string]any{"download_bill_count": len(list), "download_bill_list": list})}
			})
			out := ch.Bill(t.Context(), one)
			if out.Kind != c.want || out.Kind == pay.Paid && (!bytes.Equal(out.Raw, fund) || len(out.Bill.Flows) != 5 || !out.Verified) {
				t.Errorf("Bill = %+v, %v, %d flows", out.Outcome, out.Err, len(out.Bill.Flows))
			}
			if got := (<-w.requests).target; got != "/v3/bill/sub-merchant-fundflowbill?account_type=BASIC&algorithm=AEAD_AES_256_GCM&bill_date=2026-01-05&sub_mchid="+testSub+"&tar_type=GZIP" {
				t.Errorf("asked for %s", got)
			}
		})
	}
}

func TestBillsNeedTheKeysOfTheirInterface(t *testing.T) {
	t.Parallel()
	c, _ := playBill(t, http.StatusOK, nil)
	r := tradeBill
	r.Merchant.API = channel.APIv3
	if out := c.Bill(t.Context(), r); out.Kind != pay.Unknown || !out.Alert {
		t.Errorf("v3 without its keys = %+v", out.Outcome)
	}
	c3, w := play3(t, func(request3) answer3 { return answer3{} })
	r.Merchant.API = channel.APIv2
	if out := c3.Bill(t.Context(), r); out.Kind != pay.Unknown || !out.Alert || len(w.requests) != 0 {
		t.Errorf("v2 without its key = %+v", out.Outcome)
	}
}
