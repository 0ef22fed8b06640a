package wxpay

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/secret"
)

const (
	testV3Key    = "fedcba9876543210fedcba9876543210"
	testPublicID = "PUB_KEY_ID_0119000001092026010100000000000001"
)

// testNow is when everything in these tests happens, unless the wallet's clock
// is moved.
var testNow = time.Date(2026, 1, 1, 1, 30, 0, 0, time.UTC)

// pair is an RSA key with a certificate.
type pair struct {
	key     *rsa.PrivateKey
	serial  string
	certPEM string
	keyPEM  string
	pubPEM  string
}

// pairs are made once: RSA keys are the whole cost of these tests. 0 is the
// provider's, 1 and 2 are the platform's, 3 is the public key, 4 a stranger's.
var pairs = sync.OnceValue(func() []pair {
	list := make([]pair, 5)
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() { list[i] = newPair(int64(i), minKeyBits) })
	}
	wg.Wait()
	return list
})

func newPair(n int64, bits int) pair {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	serial := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(0x5157F0), 136), big.NewInt(n))
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Tenpay.com sign"},
		NotBefore: testNow.Add(-30 * 24 * time.Hour), NotAfter: testNow.Add(5 * 365 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return pair{
		key: key, serial: strings.ToUpper(serial.Text(16)), certPEM: block("CERTIFICATE", der),
		keyPEM: block("PRIVATE KEY", private), pubPEM: block("PUBLIC KEY", public),
	}
}

// wallet3 is a small WeChat Pay of APIv3: it checks each request's signature,
// hands it to answer and signs what that returns. It serves its certificates.
type wallet3 struct {
	*httptest.Server
	t        *testing.T
	requests chan request3

	mu     sync.Mutex
	now    time.Time
	answer func(r request3) answer3
	listed []pair // certificates that /v3/certificates tells of
	signer pair   // signs answers, unless the request names the public key
	serial string // of the signer
	list   func(a *answer3)
	lists  int
	v2     fieldsOf // what every call of v2 is answered
}

type request3 struct {
	method, target, serial string
	body                   string
	fields                 map[string]any
}

// answer3 is an answer; the zero status is 200.
type answer3 struct {
	status   int
	body     string
	unsigned bool
	change   func(h http.Header) // of the signed headers
}

// play3 starts a wallet that answers with what answer returns, and a channel of
// APIv3 to it that knows no key yet.
func play3(t *testing.T, answer func(r request3) answer3, change ...func(c *Config)) (*Channel, *wallet3) {
	t.Helper()
	w := &wallet3{t: t, requests: make(chan request3, 1000), now: testNow, answer: answer}
	w.signWith(pairs()[1])
	w.listed = []pair{pairs()[1]}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	w.StartTLS()
	t.Cleanup(w.Close)
	return w.channel(change...), w
}

func (w *wallet3) channel(change ...func(c *Config)) *Channel {
	w.t.Helper()
	conf := w.config()
	for _, f := range change {
		f(&conf)
	}
	c, err := New(conf)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.CloseIdle)
	return c
}

func (w *wallet3) config() Config {
	pool := x509.NewCertPool()
	pool.AddCert(w.Certificate())
	return Config{
		BaseURL: w.URL, RootCAs: pool, MchID: testMch, AppID: testApp, API: channel.APIv3, APIv3Key: secret.New(testV3Key),
		ClientCertPEM: pairs()[0].certPEM, ClientKeyPEM: secret.New(pairs()[0].keyPEM), Now: w.clock,
	}
}

// withPublicKey gives an account the public key.
func withPublicKey(c *Config) { c.PublicKeyID, c.PublicKeyPEM = testPublicID, pairs()[3].pubPEM }

func (w *wallet3) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *wallet3) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// set changes what the wallet does.
func (w *wallet3) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *wallet3) signWith(p pair) { w.signer, w.serial = p, p.serial }

// downloads is how often the certificates were asked for.
func (w *wallet3) downloads() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lists
}

func (w *wallet3) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if !strings.HasPrefix(r.URL.Path, "/v3/") {
		w.requests <- request3{method: r.Method, target: r.RequestURI, body: string(body)}
		_, _ = rw.Write((&wallet{signType: SignMD5}).sealed(w.v2))
		return
	}
	w.authorized(r, body)
	req := request3{method: r.Method, target: r.RequestURI, serial: r.Header.Get(headerSerial), body: string(body)}
	if len(body) > 0 && json.Unmarshal(body, &req.fields) != nil {
		w.t.Errorf("the request is not JSON: %s", body)
	}
	var a answer3
	if r.URL.Path == "/v3/certificates" {
		a = w.certificates()
	} else {
		w.requests <- req
		w.mu.Lock()
		answer := w.answer
		w.mu.Unlock()
		a = answer(req)
	}
	w.write(rw, req, a)
}

// authorized checks the Authorization header with the provider's certificate.
func (w *wallet3) authorized(r *http.Request, body []byte) {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "WECHATPAY2-SHA256-RSA2048 ")
	part := map[string]string{}
	for one := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(one, "=")
		part[name] = strings.Trim(value, `"`)
	}
	text := r.Method + "\n" + r.RequestURI + "\n" + part["timestamp"] + "\n" + part["nonce_str"] + "\n" + string(body) + "\n"
	sum := sha256.Sum256([]byte(text))
	raw, err := base64.StdEncoding.DecodeString(part["signature"])
	stamp := strconv.FormatInt(w.clock().Unix(), 10)
	if !ok || err != nil || part["mchid"] != testMch || part["serial_no"] != pairs()[0].serial || part["timestamp"] != stamp || len(part["nonce_str"]) != 32 ||
		rsa.VerifyPKCS1v15(&pairs()[0].key.PublicKey, crypto.SHA256, sum[:], raw) != nil {
		w.t.Errorf("the request's signature is wrong: %s", r.Header.Get("Authorization"))
	}
	if r.Header.Get("Accept") != "application/json" || r.Header.Get("User-Agent") == "" || len(body) > 0 && r.Header.Get("Content-Type") != "application/json" {
		w.t.Errorf("a required header is missing: %v", r.Header)
	}
}

func (w *wallet3) certificates() answer3 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	data := []any{}
	for _, p := range w.listed {
		data = append(data, map[string]any{
			"serial_no": p.serial, "effective_time": "2026-01-01T00:00:00+08:00", "expire_time": "2031-01-01T00:00:00+08:00",
			"encrypt_certificate": seal(w.t, testV3Key, "certificate", []byte(p.certPEM)),
		})
	}
	raw, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		w.t.Error(err)
	}
	a := answer3{body: string(raw)}
	if w.list != nil {
		w.list(&a)
	}
	return a
}

func (w *wallet3) write(rw http.ResponseWriter, r request3, a answer3) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.mu.Lock()
	signer, serial, now := w.signer, w.serial, w.now
	w.mu.Unlock()
	if r.serial == testPublicID {
		signer, serial = pairs()[3], testPublicID
	}
	if a.status < 300 && !a.unsigned {
		maps.Copy(rw.Header(), signedHeader(signer, serial, now, []byte(a.body)))
	}
	if a.change != nil {
		rw.Header().Set("X-Body", url.QueryEscape(a.body)) // for stale
		a.change(rw.Header())
	}
	rw.WriteHeader(a.status)
	_, _ = io.WriteString(rw, a.body)
}

// signedHeader are the headers of a signed answer or notice.
func signedHeader(p pair, serial string, now time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(now.Unix(), 10)
	sum := sha256.Sum256([]byte(stamp + "\nEcHVwXhBqfKmSWwW\n" + string(body) + "\n"))
	raw, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	h := http.Header{}
	h.Set("Wechatpay-Serial", serial)
	h.Set("Wechatpay-Timestamp", stamp)
	h.Set("Wechatpay-Nonce", "EcHVwXhBqfKmSWwW")
	h.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(raw))
	h.Set("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048")
	return h
}

// seal is the other side of sealed.open.
func seal(tb testing.TB, key, data string, plain []byte) map[string]any {
	tb.Helper()
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		tb.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	const nonce = "61f9c719728a"
	return map[string]any{
		"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": data,
		"ciphertext": base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), plain, []byte(data))),
	}
}

// time20s is longer than the pause between two downloads for unknown serials.
const time20s = 20 * time.Second

// stale moves a signed timestamp; the signature fits it, so that only its age is
// wrong.
func stale(off time.Duration) func(h http.Header) {
	return func(h http.Header) {
		at, err := strconv.ParseInt(h.Get(headerTimestamp), 10, 64)
		if err != nil {
			panic(err)
		}
		body, _ := url.QueryUnescape(h.Get("X-Body"))
		maps.Copy(h, signedHeader(pairs()[1], pairs()[1].serial, time.Unix(at, 0).Add(off), []byte(body)))
	}
}

// object is a JSON object; with lays the later ones over the earlier, nil
// takes a member away.
type object map[string]any

func with(all ...object) object {
	out := object{}
	for _, o := range all {
		for name, value := range o {
			if out[name] = value; value == nil {
				delete(out, name)
			}
		}
	}
	return out
}

func (o object) json() string {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(o); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// says answers every request with an object.
func says(o object) func(request3) answer3 {
	return func(request3) answer3 { return answer3{body: o.json()} }
}

// paid3 is the order object of a payment of 12 yuan with two coupons.
var paid3 = object{
	"sp_appid": testApp, "sp_mchid": testMch, "sub_mchid": testSub, "out_trade_no": testOrder,
	"transaction_id": "4200001234202601010000000001", "trade_type": "MICROPAY", "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
	"bank_type": "OTHERS", "success_time": "2026-01-01T09:30:00+08:00", "payer": object{"sp_openid": "oUpF8uMuAJO0000000000000001A"},
	"amount": object{"total": 1200, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"},
	"promotion_detail": []object{
		{"coupon_id": "10000001", "scope": "GLOBAL", "type": "NOCASH", "amount": 150, "stock_id": "931386"},
		{"coupon_id": "10000002", "scope": "SINGLE", "type": "CASH", "amount": 50, "stock_id": "931387"},
	},
}

// unpaid3 is the order object of an order that nobody has paid.
func unpaid3(state string) object {
	return object{
		"sp_appid": testApp, "sp_mchid": testMch, "sub_mchid": testSub, "out_trade_no": testOrder,
		"trade_state": state, "trade_state_desc": "说明", "amount": object{"total": 1200, "currency": "CNY"},
	}
}

// refunded3 is a refund object.
var refunded3 = object{
	"refund_id": "50000000001202601010000000001", "out_refund_no": testRefund, "transaction_id": "4200001234202601010000000001",
	"out_trade_no": testOrder, "channel": "ORIGINAL", "user_received_account": "招商银行信用卡0403",
	"success_time": "2026-01-02T10:00:00+08:00", "create_time": "2026-01-02T09:59:00+08:00", "status": "SUCCESS", "funds_account": "UNSETTLED",
	"amount": object{
		"total": 1200, "refund": 500, "payer_total": 1000, "payer_refund": 400, "settlement_refund": 450, "settlement_total": 1050,
		"discount_refund": 100, "currency": "CNY",
	},
	"promotion_detail": []object{{"promotion_id": "10000001", "scope": "GLOBAL", "type": "DISCOUNT", "amount": 150, "refund_amount": 50}},
}
