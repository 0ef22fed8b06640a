package wxpay

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// vector3 is one of vectors/upstream-signing.json.
type vector3 struct {
	ID             string
	Kind           string
	Method         string
	RequestTarget  string `json:"request_target"`
	Timestamp      int64
	Nonce          string
	Body           string
	Message        string
	Authorization  string
	Signature      string
	PublicKey      string `json:"public_key"`
	HTTPStatus     int    `json:"http_status"`
	Headers        map[string]string
	ExpectValid    bool `json:"expect_valid"`
	Key            string
	AssociatedData string `json:"associated_data"`
	Plaintext      string
	Ciphertext     string
	APIv3Key       string `json:"api_v3_key"`
	Decrypted      string
	ExpectDecrypt  *bool `json:"expect_decrypt"`
}

type vectorKeys struct {
	PublicKeys map[string]string `json:"public_keys"`
	KeyIDs     map[string]string `json:"key_ids"`
	Vectors    []vector3
}

func readSigning(t *testing.T) vectorKeys {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		vectorKeys
		Vectors []json.RawMessage
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	keys := file.vectorKeys
	for _, one := range file.Vectors {
		var v vector3
		if json.Unmarshal(one, &v) == nil { // the others have other forms
			keys.Vectors = append(keys.Vectors, v)
		}
	}
	return keys
}

func vectors3(t *testing.T, kind string) []vector3 {
	t.Helper()
	var list []vector3
	for _, v := range readSigning(t).Vectors {
		if v.Kind == kind && !strings.HasPrefix(v.ID, "alipay") {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no vector of kind %s", kind)
	}
	return list
}

func (k vectorKeys) key(t *testing.T, name string) *rsa.PublicKey {
	t.Helper()
	block, _ := pem.Decode([]byte(k.PublicKeys[name]))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PublicKey)
}

// vectorChannel is an account whose platform keys are those of the vectors, at
// the time of one of them.
func vectorChannel(t *testing.T, now int64) *Channel {
	t.Helper()
	file := readSigning(t)
	c, err := New(Config{
		BaseURL: "https://api.mch.weixin.qq.com", MchID: testMch, AppID: testApp, API: channel.APIv3, APIv3Key: secret.New(testKey),
		PublicKeyID: file.KeyIDs["wechat_public_key_id"], PublicKeyPEM: file.PublicKeys["wechat_public_key"],
		ClientCertPEM: pairs()[0].certPEM, ClientKeyPEM: secret.New(pairs()[0].keyPEM),
		Now: func() time.Time { return time.Unix(now, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.v3.keys.fetch = nil
	keys := *c.v3.keys.byID.Load()
	serial := file.KeyIDs["wechat_platform_serial"]
	keys[serial] = &platformKey{
		serial: serial, key: file.key(t, "wechat_platform"), from: time.Unix(0, 0), until: time.Unix(now, 0).Add(time.Hour), used: new(atomic.Int64),
	}
	return c
}

func TestV3RequestTextsFollowTheSharedVectors(t *testing.T) {
	t.Parallel()
	file := readSigning(t)
	for _, v := range vectors3(t, "wechat_v3_request") {
		stamp := "1767225600"
		text := requestText(v.Method, v.RequestTarget, stamp, v.Nonce, []byte(v.Body))
		if text != v.Message {
			t.Errorf("%s: signed text %q, want %q", v.ID, text, v.Message)
		}
		raw, _ := base64.StdEncoding.DecodeString(v.Signature)
		sum := sha256.Sum256([]byte(text))
		if err := rsa.VerifyPKCS1v15(file.key(t, v.PublicKey), crypto.SHA256, sum[:], raw); err != nil {
			t.Errorf("%s: %v", v.ID, err)
		}
		c := vectorChannel(t, v.Timestamp)
		got, err := c.v3.authorize(v.Method, v.RequestTarget, []byte(v.Body))
		if err != nil {
			t.Fatal(err)
		}
		// All but nonce, signature and serial, which are another key's.
		shape := func(s string) string {
			var names []string
			for one := range strings.SplitSeq(s, ",") {
				names = append(names, one[:strings.IndexByte(one, '"')])
			}
			return strings.Join(names, ",")
		}
		if shape(got) != shape(v.Authorization) || !strings.Contains(got, `mchid="1900000109"`) || !strings.Contains(got, `timestamp="`+stamp+`"`) ||
			!strings.Contains(got, `serial_no="`+pairs()[0].serial+`"`) {
			t.Errorf("%s: %s", v.ID, got)
		}
	}
}

func headerOf(v vector3) http.Header {
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return h
}

func TestV3AnswersFollowTheSharedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors3(t, "wechat_v3_response") {
		c := vectorChannel(t, 1767225601)
		if err := c.v3.verify(t.Context(), headerOf(v), []byte(v.Body), c.v3.keys.answers); (err == nil) != v.ExpectValid {
			t.Errorf("%s: %v, want valid %v", v.ID, err, v.ExpectValid)
		}
		late := vectorChannel(t, 1767225601+300)
		if err := late.v3.verify(t.Context(), headerOf(v), []byte(v.Body), late.v3.keys.answers); err == nil {
			t.Errorf("%s verifies five minutes later", v.ID)
		}
	}
}

func TestV3SealedFollowTheSharedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors3(t, "aead_aes_256_gcm") {
		plain, err := sealed{Algorithm: "AEAD_AES_256_GCM", Ciphertext: v.Ciphertext, Data: v.AssociatedData, Nonce: v.Nonce}.open(v.Key)
		if valid := err == nil; v.ID != "wechat-v3-certificate" && valid != v.ExpectValid || v.Plaintext != "" && valid && string(plain) != v.Plaintext {
			t.Errorf("%s: %q, %v, want valid %v", v.ID, plain, err, v.ExpectValid)
		}
		if v.ID == "wechat-v3-certificate" {
			key, err := parsePlatform(plain)
			if err != nil || key.serial != readSigning(t).KeyIDs["wechat_platform_serial"] {
				t.Errorf("%s: %+v, %v", v.ID, key, err)
			}
		}
	}
}

func TestV3NoticesFollowTheSharedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors3(t, "wechat_v3_notification") {
		c := vectorChannel(t, 1767231002)
		n, err := c.ParseNotice(headerOf(v), []byte(v.Body))
		good := v.ExpectValid && v.ExpectDecrypt == nil
		if (err == nil) != good {
			t.Errorf("%s: %v, want good %v", v.ID, err, good)
		}
		if probe := strings.Contains(v.ID, "signtest"); errors.Is(err, channel.ErrProbe) != probe {
			t.Errorf("%s: %v, want a probe %v", v.ID, err, probe)
		}
		if good && (n.OutTradeNo != "GW20260101000004" || n.Outcome.Kind != pay.Paid || n.Outcome.Payment.Total != 100 || n.SubMerchant != testSub) {
			t.Errorf("%s: %+v", v.ID, n)
		}
	}
}

func TestV3PhoneSignaturesFollowTheSharedVectors(t *testing.T) {
	t.Parallel()
	c := vectorChannel(t, 1767225600)
	now := time.Unix(1767225600, 0)
	p := pay.Prepaid{PrepayID: "wx01090000000000000000000000000001", API: channel.APIv3}
	page := channel.PrepayRequest{OrderRequest: order, TradeType: pay.TradeOfficialAccount, OpenID: "oMain"}
	app := channel.PrepayRequest{OrderRequest: order, TradeType: pay.TradeApp, SubAppID: "wx0000000000000002"}
	mini := channel.PrepayRequest{OrderRequest: order, TradeType: pay.TradeMiniProgram, SubAppID: "wx0000000000000002", SubOpenID: "oSub"}
	messages := map[string]string{}
	for _, v := range vectors3(t, "rsa_sha256") {
		messages[v.ID] = v.Message
	}
	for _, one := range []struct {
		name string
		r    channel.PrepayRequest
		text string
		want channel.ClientArgs
	}{
		{"page", page, messages["wechat-v3-jsapi-paysign"], channel.ClientArgs{AppID: testApp, Package: "prepay_id=" + p.PrepayID, SignType: "RSA"}},
		{
			"mini program", mini, strings.Replace(messages["wechat-v3-jsapi-paysign"], testApp, "wx0000000000000002", 1),
			channel.ClientArgs{AppID: "wx0000000000000002", Package: "prepay_id=" + p.PrepayID, SignType: "RSA"},
		},
		{
			"application", app, messages["wechat-v3-app-sign"],
			channel.ClientArgs{AppID: "wx0000000000000002", Package: "Sign=WXPay", PartnerID: testMch, PrepayID: p.PrepayID, SignType: "RSA"},
		},
	} {
		got, err := c.ClientArgs(one.r, p, now)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(one.text, "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", got.NonceStr, 1)
		raw, _ := base64.StdEncoding.DecodeString(got.PaySign)
		sum := sha256.Sum256([]byte(text))
		if err := rsa.VerifyPKCS1v15(&pairs()[0].key.PublicKey, crypto.SHA256, sum[:], raw); err != nil || one.text == "" {
			t.Errorf("%s: %v", one.name, err)
		}
		one.want.Timestamp, one.want.NonceStr, one.want.PaySign = "1767225600", got.NonceStr, got.PaySign
		if got != one.want || len(got.NonceStr) != 32 {
			t.Errorf("%s: %+v, want %+v", one.name, got, one.want)
		}
	}
	if got, err := c.ClientArgs(channel.PrepayRequest{TradeType: pay.TradeScanCode}, p, now); err != nil || got != (channel.ClientArgs{}) {
		t.Errorf("a QR code: %+v, %v", got, err)
	}
	if _, err := c.ClientArgs(page, pay.Prepaid{API: channel.APIv3}, now); err == nil {
		t.Error("arguments without a prepay_id")
	}
}

// unseal is the other side of platformKey.encrypt.
func unseal(t *testing.T, key *rsa.PrivateKey, text string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}
