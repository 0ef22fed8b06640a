package sandbox_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/smartwalle/alipay/v3"
	"golang.org/x/text/encoding/simplifiedchinese"

	"cloudpay/internal/sandbox"
)

// library is provider 0's application in somebody else's words.
func (b *bench) library() *alipay.Client {
	b.t.Helper()
	a := b.Accounts().Providers[0].Alipay
	client, err := alipay.New(a.AppID, a.AppPrivateKeyPEM, false, alipay.WithSandboxGateway(b.wallet.URL+"/gateway.do"), alipay.WithHTTPClient(b.client(-1)))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := client.LoadAliPayPublicKey(a.AlipayPublicKeyPEM); err != nil {
		b.t.Fatal(err)
	}
	return client
}

func (b *bench) browse(address string) (http.Header, string) {
	b.t.Helper()
	res, err := b.client(-1).Get(address)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.Header, string(raw)
}

// TestAlipaysPaymentPageIsPaidInABrowser follows an address that a library
// signed: page, form, and the way back to the shop.
func TestAlipaysPaymentPageIsPaidInABrowser(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, "success")
	client, no, token := b.library(), b.no(), b.Accounts().Providers[0].Alipay.Merchants[0].AppAuthToken
	var wap alipay.TradeWapPay
	wap.AppAuthToken, wap.OutTradeNo, wap.TotalAmount, wap.Subject, wap.ProductCode = token, no, "3.00", "<b>奶茶", "QUICK_WAP_WAY"
	wap.NotifyURL, wap.ReturnURL, wap.QuitURL = "https://shop.example/notify", "https://shop.example/done?order=7", "javascript:alert(1)"
	address, err := client.TradeWapPay(wap)
	if err != nil {
		t.Fatal(err)
	}
	head, page := b.browse(address.String())
	if head.Get("Content-Type") != "text/html;charset=utf-8" || !strings.Contains(page, "&lt;b&gt;奶茶") || strings.Contains(page, "javascript:") || !strings.Contains(page, "¥3.00") {
		t.Fatalf("page %s\n%s", head.Get("Content-Type"), page)
	}
	if !bothTongues(strings.ReplaceAll(page, "奶茶", "")) {
		t.Errorf("the page is not all in English too:\n%s", page)
	}
	if got := b.aliState(no); got != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("before anybody paid: %s", got)
	}
	link := html.UnescapeString(regexp.MustCompile(`name="link" value="([^"]+)"`).FindStringSubmatch(page)[1])
	post := func(action string) (status int, location string) {
		c := *b.client(-1)
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := c.PostForm(b.wallet.URL+"/cashier/alipay", url.Values{"link": {link}, "customer": {"anna"}, "action": {action}})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Header.Get("Location")
	}
	if status, _ := post("cancel"); status != http.StatusOK || b.aliState(no) != "WAIT_BUYER_PAY" {
		t.Errorf("cancelled: %d, %s", status, b.aliState(no))
	}
	status, location := post("approve")
	back, err := url.Parse(location)
	if err != nil || status != http.StatusSeeOther || b.aliState(no) != "TRADE_SUCCESS" {
		t.Fatalf("approved: %d %v, %s", status, err, b.aliState(no))
	}
	query := back.Query()
	if back.Host != "shop.example" || query.Get("order") != "7" || query.Get("out_trade_no") != no || query.Get("total_amount") != "3.00" {
		t.Errorf("returned to %s", back)
	}
	if err := client.VerifySign(t.Context(), query); err != nil {
		t.Errorf("the way back does not verify: %v", err)
	}
	if status, _ := post("approve"); status != http.StatusConflict {
		t.Errorf("paid again: %d", status)
	}
	if list := box.taken(); len(list) != 1 || !strings.Contains(list[0], "TRADE_SUCCESS") {
		t.Errorf("notices %q", list)
	}
	if got := b.totals(); got.Charged != 300 {
		t.Errorf("totals %+v", got)
	}
}

func TestAlipaysErrorPageIsInGBK(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, c := range map[string]struct {
		change kv
		biz    kv
		want   []string
	}{
		"bad signature": {kv{"sign": "AAAA"}, nil, []string{"错误代码 invalid-signature", "错误原因: 验签出错", "app_id=2021"}},
		"unknown app":   {kv{"app_id": "2021"}, nil, []string{"错误代码 invalid-app-id"}},
		"bad amount":    {nil, kv{"total_amount": "0"}, []string{"错误代码 ACQ.INVALID_PARAMETER"}},
		"other product": {nil, kv{"product_code": "QR_CODE_OFFLINE"}, []string{"错误代码 ACQ.INVALID_PARAMETER", "product_code"}},
		"no product":    {nil, kv{"product_code": ""}, []string{"product_code"}},
		"no page":       {kv{"return_url": "javascript:x"}, nil, []string{"return_url"}},
		"unprintable":   {kv{"sign": "AAAA", "passback": "\U0001F600"}, nil, []string{"SYSTEM_ERROR"}},
	} {
		biz := kv{"out_trade_no": b.no(), "total_amount": "1.00", "subject": "茶", "product_code": "QUICK_WAP_WAY"}
		maps.Copy(biz, c.biz)
		head, page := b.browse(b.wallet.URL + "/gateway.do?" + b.aliParams("alipay.trade.wap.pay", biz, c.change).Encode())
		text, err := simplifiedchinese.GBK.NewDecoder().String(page)
		if err != nil || head.Get("Content-Type") != "text/html;charset=GBK" {
			t.Errorf("%s: %s, %v", name, head.Get("Content-Type"), err)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
	}
}

func TestAlipaysAddressesAreOpenedByThePhone(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	signed := func(method, product string, change kv) (string, string) {
		no := b.no()
		biz := kv{"out_trade_no": no, "total_amount": "1.00", "subject": "茶", "product_code": product}
		maps.Copy(biz, change)
		return no, b.aliParams(method, biz, nil).Encode()
	}
	page := func(query string) sandbox.Invocation {
		return sandbox.Invocation{MwebURL: "https://openapi.alipay.com/gateway.do?" + query}
	}
	for _, c := range []struct {
		method, product string
		open            func(string) sandbox.Invocation
	}{
		{"alipay.trade.wap.pay", "QUICK_WAP_WAY", page},
		{"alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY", page},
		{"alipay.trade.app.pay", "QUICK_MSECURITY_PAY", func(query string) sandbox.Invocation { return sandbox.Invocation{OrderString: query} }},
	} {
		no, query := signed(c.method, c.product, nil)
		if _, err := b.Open(t.Context(), "anna", c.open(strings.Replace(query, "1.00", "0.01", 1))); !errors.Is(err, sandbox.ErrInvalid) {
			t.Errorf("%s: an altered amount opened: %v", c.method, err)
		}
		b.pays("anna", c.open(query))
		if got := b.aliState(no); got != "TRADE_SUCCESS" {
			t.Errorf("%s: %s", c.method, got)
		}
		if _, err := b.Open(t.Context(), "anna", c.open(query)); !errors.Is(err, sandbox.ErrConflict) {
			t.Errorf("%s: a paid order opened: %v", c.method, err)
		}
	}
	_, call := signed("alipay.trade.precreate", "QR_CODE_OFFLINE", nil)
	if _, err := b.Open(t.Context(), "anna", page(call)); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("a call opened as a page: %v", err)
	}
	_, ended := signed("alipay.trade.wap.pay", "QUICK_WAP_WAY", kv{"time_expire": "2026-11-20 12:01:00"})
	b.clock.add(time.Minute)
	if _, err := b.Open(t.Context(), "anna", page(ended)); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("an address that has run out opened: %v", err)
	}
}

// TestAlipayTellsWhenAnOrderOfAPageCloses: a time-out has no refund_fee and is
// no payment.
func TestAlipayTellsWhenAnOrderOfAPageCloses(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, "success")
	no := b.no()
	query := b.aliParams("alipay.trade.wap.pay", kv{
		"out_trade_no": no, "total_amount": "1.00", "subject": "茶", "product_code": "QUICK_WAP_WAY", "timeout_express": "5m",
	}, kv{"notify_url": "https://shop.example/notify"}).Encode()
	if _, err := b.Open(t.Context(), "anna", sandbox.Invocation{MwebURL: b.wallet.URL + "/gateway.do?" + query}); err != nil {
		t.Fatal(err)
	}
	b.clock.add(5 * time.Minute)
	if got := b.aliState(no); got != "TRADE_CLOSED" {
		t.Errorf("after the end: %s", got)
	}
	b.sendsNotices()
	list := box.taken()
	if len(list) != 1 {
		t.Fatalf("%d notices, want 1", len(list))
	}
	form, err := url.ParseQuery(list[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.library().DecodeNotification(t.Context(), form); err != nil {
		t.Error(err)
	}
	if form.Get("trade_status") != "TRADE_CLOSED" || form.Get("gmt_close") != "2026-11-20 12:05:00" || form.Has("refund_fee") || form.Has("gmt_payment") || form.Has("receipt_amount") {
		t.Errorf("notice %v", form)
	}
}

// TestAlipayTellsWhenAPaidOrderIsFinished: once, and it is no second payment.
func TestAlipayTellsWhenAPaidOrderIsFinished(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, "success")
	no := b.no()
	query := b.aliParams("alipay.trade.app.pay", kv{
		"out_trade_no": no, "total_amount": "1.00", "subject": "茶", "product_code": "QUICK_MSECURITY_PAY",
	}, kv{"notify_url": "https://shop.example/notify"}).Encode()
	b.pays("anna", sandbox.Invocation{OrderString: query})
	b.clock.add(400 * 24 * time.Hour)
	for range 2 {
		if got := b.aliState(no); got != "TRADE_FINISHED" {
			t.Errorf("after the window: %s", got)
		}
		b.sendsNotices()
	}
	list := box.taken()
	if len(list) != 2 || !strings.Contains(list[0], "TRADE_SUCCESS") || !strings.Contains(list[1], "TRADE_FINISHED") || !strings.Contains(list[1], "gmt_payment") {
		t.Errorf("notices %q", list)
	}
}

// TestAlipayTakesAbsoluteTargets: some clients and proxies send the whole
// address in the request line.
func TestAlipayTakesAbsoluteTargets(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	host := strings.TrimPrefix(b.wallet.URL, "https://")
	conn, err := tls.Dial("tcp", host, b.client(-1).Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query := b.aliParams("alipay.trade.query", kv{"out_trade_no": "NONE"}, nil).Encode()
	if _, err := io.WriteString(conn, "GET https://openapi.alipay.com/gateway.do?"+query+" HTTP/1.1\r\nHost: openapi.alipay.com\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := b.aliRead(raw); err != nil || out["sub_code"] != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("%v, %v", out, err)
	}
}
