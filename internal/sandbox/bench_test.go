package sandbox_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// clock is a business clock that moves only when told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// noon is when the tests' days begin: noon in Beijing, far from midnight.
var noon = time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)

// bench is a sandbox behind a real TLS listener with a client of each wallet,
// written from upstreams.md and sharing nothing with the sandbox.
type bench struct {
	*sandbox.Sandbox
	t       *testing.T
	clock   *clock
	config  sandbox.Config
	wallet  *httptest.Server
	control *httptest.Server
	clients map[int]*http.Client // by provider
	serial  int
}

func newBench(t *testing.T, change func(*sandbox.Config)) *bench {
	t.Helper()
	c := &clock{t: noon}
	b := &bench{t: t, clock: c, config: sandbox.Config{Dir: t.TempDir(), Now: c.now}}
	if change != nil {
		change(&b.config)
	}
	keys, err := keysOnce()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.config.Dir, "sandbox.db"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

// keysOnce makes accounts and keys once for all tests of the run and returns
// the database that holds them and nothing else.
var keysOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sandbox-keys")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := sandbox.New(context.Background(), sandbox.Config{Dir: dir, Now: time.Now})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "sandbox.db"))
})

// start opens the sandbox and its two listeners.
func (b *bench) start() {
	b.t.Helper()
	s, err := sandbox.New(b.t.Context(), b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Sandbox, b.clients = s, map[int]*http.Client{}
	b.wallet = httptest.NewUnstartedServer(s.Wallet())
	b.wallet.TLS = s.TLSConfig()
	b.wallet.StartTLS()
	b.control = httptest.NewServer(s.Control())
}

// stop ends the sandbox before its listeners, so that held calls are let go.
func (b *bench) stop() {
	if err := b.Close(); err != nil {
		b.t.Errorf("close sandbox: %v", err)
	}
	b.wallet.CloseClientConnections()
	b.wallet.Close()
	b.control.Close()
}

// restart closes the sandbox and opens it again on the same directory.
func (b *bench) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

// client presents provider p's certificate; p < 0 presents none.
func (b *bench) client(p int) *http.Client {
	b.t.Helper()
	if b.clients[p] == nil {
		var certs []tls.Certificate
		if p >= 0 {
			certs = []tls.Certificate{b.clientCert(p)}
		}
		b.clients[p] = b.clientWith(certs)
	}
	return b.clients[p]
}

// clientWith trusts only the sandbox's authority.
func (b *bench) clientWith(certs []tls.Certificate) *http.Client {
	b.t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(b.Accounts().CAPEM)) {
		b.t.Fatal("no authority")
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, Certificates: certs},
		MaxIdleConnsPerHost: 64,
	}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func (b *bench) clientCert(p int) tls.Certificate {
	b.t.Helper()
	w := b.Accounts().Providers[p].WeChat
	pair, err := tls.X509KeyPair([]byte(w.ClientCertPEM), []byte(w.ClientKeyPEM))
	if err != nil {
		b.t.Fatal(err)
	}
	return pair
}

// kv is a flat set of named values.
type kv map[string]string

// no makes an order number nobody has used.
func (b *bench) no() string {
	b.serial++
	return fmt.Sprintf("T%06d", b.serial)
}

func (b *bench) code(channel sandbox.Channel, customer string) string {
	b.t.Helper()
	c, err := b.NewPayCode(b.t.Context(), string(channel), customer)
	if err != nil {
		b.t.Fatal(err)
	}
	return c.AuthCode
}

func (b *bench) fault(f sandbox.Fault) {
	b.t.Helper()
	if err := b.AddFault(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) trade(no string) sandbox.Trade {
	b.t.Helper()
	list, err := b.Trades(b.t.Context(), no)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(list) != 1 {
		b.t.Fatalf("Trades(%q) = %+v, want one", no, list)
	}
	return list[0]
}

func (b *bench) totals() sandbox.Totals {
	b.t.Helper()
	t, err := b.Totals(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// balance is what a customer has, in fen.
func (b *bench) balance(id string) sandbox.Fen {
	b.t.Helper()
	c, err := b.Customer(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return c.Balance
}

// --- WeChat Pay v2, from upstreams.md §2.1 ---

func v2Sign(values kv, key string, useHMAC bool) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name != "sign" && values[name] != "" {
			parts = append(parts, name+"="+values[name])
		}
	}
	text := strings.Join(parts, "&") + "&key=" + key
	if useHMAC {
		h := hmac.New(sha256.New, []byte(key))
		io.WriteString(h, text)
		return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
	}
	sum := md5.Sum([]byte(text))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func v2XML(values kv) string {
	var b strings.Builder
	b.WriteString("<xml>")
	for name, value := range values {
		b.WriteString("<" + name + ">")
		xml.EscapeText(&b, []byte(value))
		b.WriteString("</" + name + ">")
	}
	b.WriteString("</xml>")
	return b.String()
}

func v2Parse(body []byte) (kv, error) {
	var doc struct {
		Items []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	out := kv{}
	for _, item := range doc.Items {
		out[item.XMLName.Local] = item.Text
	}
	return out, nil
}

// wxBase signs values as provider 0 for its first merchant.
func (b *bench) wxSigned(values kv, useHMAC bool) kv {
	w := b.Accounts().Providers[0].WeChat
	all := kv{"appid": w.AppID, "mch_id": w.MchID, "sub_mch_id": w.Merchants[0].SubMchID, "nonce_str": rand.Text()}
	maps.Copy(all, values)
	if useHMAC {
		all["sign_type"] = "HMAC-SHA256"
	}
	if _, set := values["sign"]; !set {
		all["sign"] = v2Sign(all, w.APIv2Key, useHMAC)
	}
	return all
}

// post sends a body to the wallet and reads the answer.
func (b *bench) post(client *http.Client, path, contentType, body string, header http.Header) (int, http.Header, []byte, error) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.wallet.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, raw, err
}

var errUnsigned = errors.New("answer is not signed as it should be")

// wxCall sends a signed call with provider 0's certificate and verifies the
// answer. A transport error, a bad signature and return_code=FAIL are errors.
func (b *bench) wxCall(path string, values kv) (kv, error) {
	b.t.Helper()
	return b.wxCallAs(b.client(0), path, values, false)
}

func (b *bench) wxCallAs(client *http.Client, path string, values kv, useHMAC bool) (kv, error) {
	b.t.Helper()
	status, header, raw, err := b.post(client, path, "text/xml", v2XML(b.wxSigned(values, useHMAC)), nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK || header.Get("Content-Type") != "text/plain" {
		return nil, fmt.Errorf("HTTP %d %s", status, header.Get("Content-Type"))
	}
	out, err := v2Parse(raw)
	if err != nil {
		return nil, err
	}
	if out["return_code"] != "SUCCESS" {
		return out, fmt.Errorf("return_code %s: %s", out["return_code"], out["return_msg"])
	}
	if out["sign"] == "" || out["sign"] != v2Sign(out, b.Accounts().Providers[0].WeChat.APIv2Key, useHMAC) {
		return out, errUnsigned
	}
	return out, nil
}

// wx is wxCall for calls that must be answered properly. It returns the code:
// "SUCCESS", or the err_code.
func (b *bench) wx(path string, values kv) (string, kv) {
	b.t.Helper()
	out, err := b.wxCall(path, values)
	if err != nil {
		b.t.Fatalf("%s %v: %v", path, values, err)
	}
	if out["result_code"] == "SUCCESS" {
		return "SUCCESS", out
	}
	return out["err_code"], out
}

func (b *bench) wxPay(no, code string, fen int) (string, kv) {
	b.t.Helper()
	return b.wx("/pay/micropay", payValues(no, code, fen))
}

func payValues(no, code string, fen int) kv {
	return kv{
		"body": "测试商品", "out_trade_no": no, "total_fee": fmt.Sprint(fen), "spbill_create_ip": "127.0.0.1", "auth_code": code,
	}
}

// wxState is what orderquery says: a trade_state, or the err_code.
func (b *bench) wxState(no string) string {
	b.t.Helper()
	code, out := b.wx("/pay/orderquery", kv{"out_trade_no": no})
	if code != "SUCCESS" {
		return code
	}
	return out["trade_state"]
}

func (b *bench) wxReverse(no string) string {
	b.t.Helper()
	code, out := b.wx("/secapi/pay/reverse", kv{"out_trade_no": no})
	if out["recall"] == "Y" {
		return "recall"
	}
	return code
}

func (b *bench) wxRefund(no, refundNo string, total, fen int) (string, kv) {
	b.t.Helper()
	return b.wx("/secapi/pay/refund", kv{
		"out_trade_no": no, "out_refund_no": refundNo, "total_fee": fmt.Sprint(total), "refund_fee": fmt.Sprint(fen),
	})
}

// wxRefundState is what refundquery says of one refund number.
func (b *bench) wxRefundState(refundNo string) string {
	b.t.Helper()
	code, out := b.wx("/pay/refundquery", kv{"out_refund_no": refundNo})
	if code != "SUCCESS" {
		return code
	}
	return out["refund_status_0"]
}

// --- Alipay, from upstreams.md §4.1 ---

// aliParams signs a call as provider 0's application for its first merchant.
func (b *bench) aliParams(method string, biz kv, change kv) url.Values {
	b.t.Helper()
	a := b.Accounts().Providers[0].Alipay
	content, err := json.Marshal(biz)
	if err != nil {
		b.t.Fatal(err)
	}
	all := kv{
		"app_id": a.AppID, "method": method, "format": "JSON", "charset": "utf-8", "sign_type": "RSA2",
		"timestamp": "2026-11-20 12:00:00", "version": "1.0", "app_auth_token": a.Merchants[0].AppAuthToken,
		"biz_content": string(content),
	}
	maps.Copy(all, change)
	if _, set := change["sign"]; !set {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if all[name] != "" {
				parts = append(parts, name+"="+all[name])
			}
		}
		all["sign"] = b.rsaSign(a.AppPrivateKeyPEM, strings.Join(parts, "&"))
	}
	form := url.Values{}
	for name, value := range all {
		form.Set(name, value)
	}
	return form
}

func (b *bench) rsaSign(keyPEM, text string) string {
	b.t.Helper()
	block, _ := pem.Decode([]byte(keyPEM))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		b.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	sign, err := rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	if err != nil {
		b.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sign)
}

// aliRead cuts the answer object out of the body and verifies it.
func (b *bench) aliRead(raw []byte) (map[string]any, string, error) {
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &outer); err != nil {
		return nil, "", err
	}
	var sign string
	json.Unmarshal(outer["sign"], &sign)
	delete(outer, "sign")
	if len(outer) != 1 {
		return nil, "", fmt.Errorf("answer has members %v", slices.Collect(maps.Keys(outer)))
	}
	for key, object := range outer {
		var out map[string]any
		if err := json.Unmarshal(object, &out); err != nil {
			return nil, key, err
		}
		block, _ := pem.Decode([]byte(b.Accounts().Providers[0].Alipay.AlipayPublicKeyPEM))
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, key, err
		}
		der, err := base64.StdEncoding.DecodeString(sign)
		if err != nil {
			return out, key, errUnsigned
		}
		sum := sha256.Sum256(object)
		if rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, sum[:], der) != nil {
			return out, key, errUnsigned
		}
		return out, key, nil
	}
	return nil, "", errors.New("empty answer")
}

func (b *bench) aliCall(method string, biz kv) (map[string]any, error) {
	b.t.Helper()
	form := b.aliParams(method, biz, nil)
	status, header, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded;charset=utf-8", form.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK || header.Get("Content-Type") != "text/html;charset=utf-8" {
		return nil, fmt.Errorf("HTTP %d %s", status, header.Get("Content-Type"))
	}
	out, key, err := b.aliRead(raw)
	if err == nil && key != strings.ReplaceAll(method, ".", "_")+"_response" {
		err = fmt.Errorf("answer under %q", key)
	}
	return out, err
}

// ali is aliCall for calls that must be answered properly. It returns the
// code: the sub_code of a business refusal, or the top-level code.
func (b *bench) ali(method string, biz kv) (string, map[string]any) {
	b.t.Helper()
	out, err := b.aliCall(method, biz)
	if err != nil {
		b.t.Fatalf("%s %v: %v", method, biz, err)
	}
	if out["code"] == "40004" {
		return out["sub_code"].(string), out
	}
	return out["code"].(string), out
}

func (b *bench) aliPay(no, code, yuan string) (string, map[string]any) {
	b.t.Helper()
	return b.ali("alipay.trade.pay", kv{
		"out_trade_no": no, "total_amount": yuan, "subject": "测试商品", "auth_code": code, "scene": "bar_code",
	})
}

// aliState is what trade.query says: a trade_status, or the sub_code.
func (b *bench) aliState(no string) string {
	b.t.Helper()
	code, out := b.ali("alipay.trade.query", kv{"out_trade_no": no})
	if code != "10000" {
		return code
	}
	return out["trade_status"].(string)
}

// aliCancel is what trade.cancel says: its action, or the sub_code.
func (b *bench) aliCancel(no string) string {
	b.t.Helper()
	code, out := b.ali("alipay.trade.cancel", kv{"out_trade_no": no})
	if code != "10000" {
		return code
	}
	action, _ := out["action"].(string)
	return action + "/" + out["retry_flag"].(string)
}

func (b *bench) aliRefund(no, requestNo, yuan string) (string, map[string]any) {
	b.t.Helper()
	return b.ali("alipay.trade.refund", kv{"out_trade_no": no, "out_request_no": requestNo, "refund_amount": yuan})
}

// --- the control API ---

// ctl calls the control API and decodes its answer.
func (b *bench) ctl(method, path, body string) (int, map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.control.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.control.Client().Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var out map[string]any
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			b.t.Fatalf("%s %s: %q is not JSON", method, path, raw)
		}
	}
	return res.StatusCode, out
}

// isCut reports whether an error is what a lost answer looks like.
func isCut(err error) bool {
	var netErr *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &netErr)
}
