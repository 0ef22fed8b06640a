package wxpay

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

const (
	testKey    = "0123456789abcdef0123456789abcdef" // of the shared vectors
	testMch    = "1900000109"
	testSub    = "1900000110"
	testApp    = "wx0000000000000001"
	testOrder  = "GW20260101000002"
	testRefund = "RF20260101000001"
	testCode   = "134567890123456789"
)

// wallet is a small WeChat Pay: it hands each request to answer and signs what
// that returns.
type wallet struct {
	*httptest.Server
	signType SignType
	requests chan request
}

type request struct {
	path string
	m    message
	cert bool
	text string
}

// fieldsOf are the elements of an answer; "sign" set to "" leaves it unsigned.
type fieldsOf map[string]string

// play starts a wallet that answers with what answer returns, and a channel to it.
func play(t *testing.T, signType SignType, answer func(r request) fieldsOf) (*Channel, *wallet) {
	t.Helper()
	w := &wallet{signType: signType, requests: make(chan request, 1000)}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m, err := parseMessage(body, "xml")
		if err != nil {
			t.Errorf("the request is not a message: %v", err)
		}
		req := request{path: r.URL.Path, m: m, cert: len(r.TLS.PeerCertificates) > 0, text: string(body)}
		w.requests <- req
		_, _ = rw.Write(w.sealed(answer(req)))
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
	return c, w
}

func (w *wallet) config(t *testing.T) Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(w.Certificate())
	cert, key := clientCert(t)
	return Config{
		BaseURL: w.URL, RootCAs: pool, MchID: testMch, AppID: testApp, APIKey: secret.New(testKey),
		ClientCertPEM: cert, ClientKeyPEM: secret.New(key), SignType: w.signType,
	}
}

// sealed writes and signs an answer. A lone "raw" is sent as it is.
func (w *wallet) sealed(f fieldsOf) []byte {
	if raw, ok := f["raw"]; ok {
		return []byte(raw)
	}
	var m message
	for name, value := range f {
		m.set(name, value)
	}
	if _, given := f["sign"]; !given {
		m.set("sign", w.signType.signature(m, testKey))
	}
	return m.encode()
}

// merge lays the later fields over the earlier ones.
func merge(all ...fieldsOf) fieldsOf {
	out := fieldsOf{}
	for _, f := range all {
		maps.Copy(out, f)
	}
	return out
}

// common are the elements of every verified answer.
var common = fieldsOf{
	"return_code": "SUCCESS", "return_msg": "OK", "appid": testApp, "mch_id": testMch, "sub_mch_id": testSub,
	"nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "result_code": "SUCCESS",
}

// paid are the elements of a payment of 12 yuan with a coupon.
var paid = fieldsOf{
	"out_trade_no": testOrder, "transaction_id": "4200001234202601010000000001", "openid": "oUpF8uMuAJO0000000000000001A",
	"trade_type": "MICROPAY", "bank_type": "OTHERS", "fee_type": "CNY", "total_fee": "1200", "settlement_total_fee": "1100",
	"cash_fee": "1000", "coupon_fee": "200", "coupon_count": "1", "coupon_id_0": "10000001", "coupon_fee_0": "200",
	"time_end": "20260101093000",
}

var (
	order  = channel.OrderRequest{Merchant: channel.Merchant{SubMchID: testSub}, OutTradeNo: testOrder, Total: 1200}
	refund = channel.RefundRequest{OrderRequest: order, OutRefundNo: testRefund, Amount: 500, Reason: "不合适"}
	start  = time.Date(2026, 1, 1, 1, 29, 58, 0, time.UTC)
	charge = channel.PayRequest{
		OrderRequest: order, AuthCode: secret.New(testCode), Currency: "CNY", Body: "测试 商品&=",
		DeviceID: "D1", ShopID: "S1", ClientIP: "10.1.2.3", Start: start, Expire: start.Add(2 * time.Minute),
	}
)

// wantPaid is what paid means.
var wantPaid = pay.Payment{
	TransactionID: "4200001234202601010000000001", PaidAt: time.Date(2026, 1, 1, 1, 30, 0, 0, time.UTC),
	Total: 1200, Settlement: 1100, Cash: 1000, PayerID: "oUpF8uMuAJO0000000000000001A", BankType: "OTHERS",
	Promo: `{"coupon_fee":200,"coupons":[{"id":"10000001","fee":200}]}`,
}

// clientCert makes a certificate like the provider's API certificate.
func clientCert(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testMch}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// signingVector is one of vectors/upstream-signing.json.
type signingVector struct {
	ID           string
	Kind         string
	Key          string
	SignType     SignType `json:"sign_type"`
	Params       map[string]string
	StringToSign string `json:"string_to_sign"`
	Sign         string
	Body         string
	ExpectValid  bool `json:"expect_valid"`
	Input        string
	Output       string
	Plaintext    string
	Ciphertext   string
}

func signingVectors(t *testing.T, kind string) []signingVector {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []json.RawMessage }
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&file); err != nil {
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
	return out
}
