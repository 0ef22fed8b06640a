package sandbox_test

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// cloned copies a request that was received, so that its body can be read by
// whoever wants it later.
func cloned(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	kept := r.Clone(r.Context())
	kept.Body = io.NopCloser(bytes.NewReader(raw))
	return kept
}

// obj is a JSON object.
type obj = map[string]any

// codepayBody is a payment with a code for provider 0's first shop.
func codepayBody(b *bench, no, code string, fen int) obj {
	w := b.Accounts().Providers[0].WeChat
	return obj{
		"sp_appid": w.AppID, "sp_mchid": w.MchID, "sub_mchid": w.Merchants[0].SubMchID, "description": "测试商品", "out_trade_no": no,
		"payer": obj{"auth_code": code}, "amount": obj{"total": fen, "currency": "CNY"},
		"scene_info": obj{"device_id": "T1", "device_ip": "127.0.0.1", "store_info": obj{"id": "S1"}},
	}
}

// v3Call is one call of a client written from upstreams.md §3, which shares
// nothing with the sandbox. What is left empty is done right.
type v3Call struct {
	method, path string
	body         any // JSON, or a string as it is
	serial       string
	header       http.Header // set last; an empty value takes a header away
	// signer changes what is signed or how.
	at        time.Time
	mchID     string
	serialNo  string
	signed    string // instead of the body
	scheme    string
	signature string
	// signingKey is another private key in PEM.
	signingKey string
}

// v3Answered is what came back; verified tells that it carried a good signature.
type v3Answered struct {
	status   int
	header   http.Header
	raw      []byte
	body     obj
	code     string
	verified bool
}

// v3 sends a call as provider 0 and verifies a 2xx with whatever key its
// serial names.
func (b *bench) v3(t *testing.T, c v3Call) v3Answered {
	t.Helper()
	out, err := b.v3Do(t, c)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return out
}

// v3Do is v3 for a call that may be cut off.
func (b *bench) v3Do(t *testing.T, c v3Call) (v3Answered, error) {
	t.Helper()
	out, err := b.send(t, c)
	out.verified = err == nil && b.v3Verify(t, out.header, out.raw) == nil
	return out, err
}

// send signs and sends a call and reads the answer. It may be used side by side.
func (b *bench) send(t *testing.T, c v3Call) (v3Answered, error) {
	t.Helper()
	w := b.Accounts().Providers[0].WeChat
	var body string
	switch v := c.body.(type) {
	case nil:
	case string:
		body = v
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		body = string(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, b.wallet.URL+c.path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	at := c.at
	if at.IsZero() {
		at = b.config.Now()
	}
	signed := body
	if c.signed != "" {
		signed = c.signed
	}
	stamp, nonce := strconv.FormatInt(at.Unix(), 10), rand.Text()
	signature := c.signature
	if signature == "" {
		signature = rsaSign(t, cmp.Or(c.signingKey, w.ClientKeyPEM), c.method+"\n"+c.path+"\n"+stamp+"\n"+nonce+"\n"+signed+"\n")
	}
	pick := func(given, usual string) string {
		if given != "" {
			return given
		}
		return usual
	}
	req.Header.Set("Authorization", fmt.Sprintf(`%s mchid="%s",nonce_str="%s",signature="%s",timestamp="%s",serial_no="%s"`,
		pick(c.scheme, "WECHATPAY2-SHA256-RSA2048"), pick(c.mchID, w.MchID), nonce, signature, stamp, pick(c.serialNo, w.SerialNo)))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "bench/1")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.serial != "" {
		req.Header.Set("Wechatpay-Serial", c.serial)
	}
	maps.Copy(req.Header, c.header) // also nil, which keeps Go from adding its own
	res, err := b.client(-1).Do(req)
	if err != nil {
		return v3Answered{}, err
	}
	defer res.Body.Close()
	out := v3Answered{status: res.StatusCode, header: res.Header}
	if out.raw, err = io.ReadAll(res.Body); err != nil {
		return out, err
	}
	if len(out.raw) > 0 && json.Unmarshal(out.raw, &out.body) == nil {
		out.code, _ = out.body["code"].(string)
	}
	return out, nil
}

// rsaSign signs a text with SHA-256 and PKCS#1 v1.5.
func rsaSign(t *testing.T, keyPEM, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(keyPEM))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	raw, err := rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// v3Verify checks the five headers over a body with the key they name.
func (b *bench) v3Verify(t *testing.T, h http.Header, body []byte) error {
	t.Helper()
	key := b.v3Key(t, h.Get("Wechatpay-Serial"))
	if key == nil {
		return errors.New("no key of serial " + h.Get("Wechatpay-Serial"))
	}
	if h.Get("Wechatpay-Signature-Type") != "WECHATPAY2-SHA256-RSA2048" {
		return errors.New("no Wechatpay-Signature-Type")
	}
	raw, err := base64.StdEncoding.DecodeString(h.Get("Wechatpay-Signature"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(h.Get("Wechatpay-Timestamp") + "\n" + h.Get("Wechatpay-Nonce") + "\n" + string(body) + "\n"))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw)
}

// v3Key is the key a serial names, nil when nobody has it. Certificates are
// fetched once each, without looking at the signature of that answer.
func (b *bench) v3Key(t *testing.T, serial string) *rsa.PublicKey {
	t.Helper()
	w := b.Accounts().Providers[0].WeChat
	if serial == w.PublicKeyID {
		block, _ := pem.Decode([]byte(w.PublicKeyPEM))
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return key.(*rsa.PublicKey)
	}
	if key := b.certs[serial]; key != nil || serial == "" || b.fetching {
		return key
	}
	b.fetching = true
	defer func() { b.fetching = false }()
	for _, e := range b.v3Certificates(t) {
		b.certs[e.serial] = e.cert.PublicKey.(*rsa.PublicKey)
	}
	return b.certs[serial]
}

// v3Listed is an entry of /v3/certificates, opened.
type v3Listed struct {
	serial string
	cert   *x509.Certificate
}

// v3Certificates downloads and opens the platform certificates.
func (b *bench) v3Certificates(t *testing.T) []v3Listed {
	t.Helper()
	got := b.v3(t, v3Call{method: http.MethodGet, path: "/v3/certificates"})
	if got.status != http.StatusOK {
		t.Fatalf("/v3/certificates = %d %s", got.status, got.raw)
	}
	var list struct {
		Data []struct {
			SerialNo  string `json:"serial_no"`
			Encrypted struct {
				Algorithm, Nonce, Ciphertext string
				AssociatedData               string `json:"associated_data"`
			} `json:"encrypt_certificate"`
		}
	}
	if err := json.Unmarshal(got.raw, &list); err != nil {
		t.Fatal(err)
	}
	out := []v3Listed{}
	for _, e := range list.Data {
		plain, err := b.v3Open(e.Encrypted.Nonce, e.Encrypted.AssociatedData, e.Encrypted.Ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v3Listed{serial: e.SerialNo, cert: pemCert(t, string(plain))})
	}
	return out
}

// v3Open decrypts what was encrypted under the APIv3 key.
func (b *bench) v3Open(nonce, associated, text string) ([]byte, error) {
	block, err := aes.NewCipher([]byte(b.Accounts().Providers[0].WeChat.APIv3Key))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(nonce) != gcm.NonceSize() {
		return nil, fmt.Errorf("a nonce of %d bytes", len(nonce))
	}
	return gcm.Open(nil, []byte(nonce), raw, []byte(associated))
}

// v3Post is a POST that must be answered.
func (b *bench) v3Post(t *testing.T, path string, body any) v3Answered {
	t.Helper()
	return b.v3(t, v3Call{method: http.MethodPost, path: path, body: body})
}

// v3Native prepares a native order for provider 0's first shop.
func (b *bench) v3Native(t *testing.T, no string, fen int, url string) string {
	t.Helper()
	got := b.v3Post(t, "/v3/pay/partner/transactions/native", v3NativeBody(b, no, fen, url))
	link, _ := got.body["code_url"].(string)
	if got.status != http.StatusOK || !got.verified || link == "" {
		t.Fatalf("native = %d %s, verified %v", got.status, got.raw, got.verified)
	}
	return link
}

func v3NativeBody(b *bench, no string, fen int, url string) obj {
	w := b.Accounts().Providers[0].WeChat
	return obj{
		"sp_appid": w.AppID, "sp_mchid": w.MchID, "sub_mchid": w.Merchants[0].SubMchID, "description": "测试商品", "out_trade_no": no,
		"notify_url": url, "amount": obj{"total": fen, "currency": "CNY"},
	}
}

// v3Pay charges a code with codepay.
func (b *bench) v3Pay(t *testing.T, no string, fen int) v3Answered {
	t.Helper()
	return b.v3Post(t, "/v3/pay/partner/transactions/codepay", codepayBody(b, no, b.code(sandbox.WeChat, ""), fen))
}

// v3State is what the query says: a trade_state, or the code.
func (b *bench) v3State(t *testing.T, no string) string {
	t.Helper()
	w := b.Accounts().Providers[0].WeChat
	got := b.v3(t, v3Call{
		method: http.MethodGet, path: "/v3/pay/partner/transactions/out-trade-no/" + no + "?sp_mchid=" + w.MchID + "&sub_mchid=" + w.Merchants[0].SubMchID,
	})
	if got.status != http.StatusOK {
		return got.code
	}
	if !got.verified {
		return "unverified"
	}
	return got.body["trade_state"].(string)
}

// v3Partner is the body of close and reverse.
func (b *bench) v3Partner() obj {
	w := b.Accounts().Providers[0].WeChat
	return obj{"sp_mchid": w.MchID, "sub_mchid": w.Merchants[0].SubMchID}
}

// v3Refund asks for a refund of an order.
func (b *bench) v3Refund(t *testing.T, no, refundNo string, total, fen int) v3Answered {
	t.Helper()
	return b.v3Post(t, "/v3/refund/domestic/refunds", obj{
		"sub_mchid": b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID, "out_trade_no": no, "out_refund_no": refundNo,
		"amount": obj{"refund": fen, "total": total, "currency": "CNY"},
	})
}

// unix writes a time as the wallet does.
func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// openSQLite opens a database nobody else has open.
func openSQLite(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// keyedClient calls concurrently and verifies every answer with keys it keeps
// by serial, fetching the list once for each serial it does not know.
type keyedClient struct {
	*bench
	mu      sync.Mutex
	keys    map[string]bool // serials that signed
	fetched int
}

// call echoes a number, reports an answer that does not verify, and pays now
// and then.
func (c *keyedClient) call(t *testing.T, i int) {
	t.Helper()
	path, body := "/v3/security/echo", any(obj{"i": i})
	if i%50 == 0 {
		path, body = "/v3/pay/partner/transactions/codepay", codepayBody(c.bench, fmt.Sprint("K", i), c.code(sandbox.WeChat, ""), 1)
	}
	got, err := c.send(t, v3Call{method: http.MethodPost, path: path, body: body})
	if err != nil || got.status != http.StatusOK {
		t.Errorf("call %d = %d %s, %v", i, got.status, got.raw, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	serial := got.header.Get("Wechatpay-Serial")
	c.keys[serial] = true
	if c.certs[serial] == nil && !strings.HasPrefix(serial, "PUB_KEY_ID_") {
		c.fetched++
	}
	if err := c.v3Verify(t, got.header, got.raw); err != nil {
		t.Errorf("call %d: %v", i, err)
	}
}
