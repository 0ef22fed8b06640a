package alipay

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

const (
	testApp    = "2026000000000001"
	testOrder  = "GW20260101000005"
	testRefund = "RF20260101000001"
	testCode   = "281234567890123456"
	testToken  = "202601BB0000000000000000000000001"
	testSeller = "2088000000000002"
)

// keys of the application and of Alipay, made once: RSA keys are slow to make.
var keys = sync.OnceValue(func() (k struct{ app, alipay *rsa.PrivateKey }) {
	var err error
	if k.app, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	if k.alipay, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	return k
})

// wallet is a small Alipay gateway: it hands each request to answer and signs
// what that returns.
type wallet struct {
	*httptest.Server
	requests chan request
}

type request struct {
	method string
	form   url.Values
	biz    map[string]any
}

// fieldsOf are the members of an answer. Names with a colon are directions to
// the wallet: ":raw" is sent as it is, ":unsigned" leaves the signature out,
// ":sign" is sent for one, ":error" answers under error_response.
type fieldsOf map[string]any

func play(t *testing.T, answer func(r request) fieldsOf) (*Channel, *wallet) {
	t.Helper()
	w := &wallet{requests: make(chan request, 1000)}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, err := url.ParseQuery(string(body))
		if err != nil || r.URL.RawQuery != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded;charset=utf-8" {
			t.Errorf("the request is not a form: %v", err)
		}
		req := request{method: form.Get("method"), form: form}
		if err := json.Unmarshal([]byte(form.Get("biz_content")), &req.biz); err != nil {
			t.Errorf("biz_content: %v", err)
		}
		w.requests <- req
		_, _ = rw.Write(sealed(t, req.method, answer(req)))
	}))
	w.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.StartTLS()
	t.Cleanup(w.Close)
	c, err := New(w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c, w
}

func (w *wallet) config(t *testing.T) Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(w.Certificate())
	return Config{
		GatewayURL: w.URL + "/gateway.do", RootCAs: pool, AppID: testApp,
		AppPrivateKeyPEM:   secret.New(privatePEM(t, keys().app)),
		AlipayPublicKeyPEM: publicPEM(t, &keys().alipay.PublicKey),
		Now:                func() time.Time { return start },
	}
}

func privatePEM(t *testing.T, k *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func publicPEM(t *testing.T, k *rsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// sealed writes and signs an answer. As the real gateway sometimes does, it
// escapes slashes, in the signature too.
func sealed(t *testing.T, method string, f fieldsOf) []byte {
	t.Helper()
	if raw, ok := f[":raw"].(string); ok {
		return []byte(raw)
	}
	member := strings.ReplaceAll(method, ".", "_") + "_response"
	if f[":error"] != nil {
		member = errorMember
	}
	plain := fieldsOf{}
	for name, value := range f {
		if !strings.HasPrefix(name, ":") && value != "" {
			plain[name] = value
		}
	}
	content, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(content), "/", `\/`)
	sign, err := signText(keys().alipay, text)
	if err != nil {
		t.Fatal(err)
	}
	if given, ok := f[":sign"].(string); ok {
		sign = given
	}
	if f[":unsigned"] != nil {
		return []byte(`{"` + member + `":` + text + `}`)
	}
	return []byte(`{"` + member + `":` + text + `,"sign":"` + strings.ReplaceAll(sign, "/", `\/`) + `"}`)
}

// merge lays the later members over the earlier ones; "" takes one away.
func merge(all ...fieldsOf) fieldsOf {
	out := fieldsOf{}
	for _, f := range all {
		maps.Copy(out, f)
	}
	return out
}

var success = fieldsOf{"code": "10000", "msg": "Success"}

// paid are the members of a payment of 12 yuan with a coupon.
var paid = fieldsOf{
	"trade_no": "2026010122001400000000000001", "out_trade_no": testOrder, "buyer_user_id": "2088000000000001",
	"buyer_logon_id": "159****5620", "total_amount": "12.00", "receipt_amount": "11.00", "buyer_pay_amount": "10.0",
	"gmt_payment": "2026-01-01 09:30:00", "send_pay_date": "2026-01-01 09:30:00",
	"fund_bill_list": []map[string]string{{"fund_channel": "ALIPAYACCOUNT", "amount": "10.00"}}, "store_name": "旗舰店/一楼",
}

var (
	order = channel.OrderRequest{
		Merchant:   channel.Merchant{AppAuthToken: secret.New(testToken), SellerID: testSeller},
		OutTradeNo: testOrder, Total: 1200,
	}
	refund = channel.RefundRequest{OrderRequest: order, OutRefundNo: testRefund, Amount: 500, Reason: "不合适"}
	start  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	charge = channel.PayRequest{
		OrderRequest: order, AuthCode: secret.New(testCode), Currency: "CNY", Body: "测试/商品=&50%",
		DeviceID: "D1", ShopID: "S1", StaffID: "E1", ClientIP: "10.1.2.3", Start: start, Expire: start.Add(2*time.Minute + 59*time.Second),
	}
	wantPaid = pay.Payment{
		TransactionID: "2026010122001400000000000001", PaidAt: time.Date(2026, 1, 1, 1, 30, 0, 0, time.UTC),
		Total: 1200, Settlement: 1100, Cash: 1000, PayerID: "2088000000000001",
		Promo: `{"fund_bills":[{"channel":"ALIPAYACCOUNT","amount":1000}],"buyer_logon_id":"159****5620"}`,
	}
)

// signingVector is one of vectors/upstream-signing.json.
type signingVector struct {
	ID              string
	Kind            string
	Params          map[string]string
	StringToSign    string `json:"string_to_sign"`
	PublicKey       string `json:"public_key"`
	Sign            string
	Body            string
	ResponseKey     string `json:"response_key"`
	SignedSubstring string `json:"signed_substring"`
	ExpectValid     bool   `json:"expect_valid"`
}

// signingVectors returns the vectors of a kind and all public keys of the file.
func signingVectors(t *testing.T, kind string) ([]signingVector, map[string]string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		PublicKeys map[string]string `json:"public_keys"`
		Vectors    []json.RawMessage
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var out []signingVector
	for _, one := range file.Vectors {
		var head struct{ Kind string }
		if err := json.Unmarshal(one, &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind != kind {
			continue
		}
		var v signingVector
		if err := json.Unmarshal(one, &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		t.Fatalf("no vector of kind %s", kind)
	}
	return out, file.PublicKeys
}
