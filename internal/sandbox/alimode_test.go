package sandbox_test

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smartwalle/alipay/v3"

	"cloudpay/internal/sandbox"
)

// certs reads the certificates of a PEM text that can be read.
func certs(text string) (list []*x509.Certificate) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return list
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			list = append(list, c)
		}
	}
}

// snOf is the serial number of upstreams.md §4.1, several joined.
func snOf(list ...*x509.Certificate) string {
	var all []string
	for _, c := range list {
		sum := md5.Sum([]byte(c.Issuer.String() + c.SerialNumber.String()))
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return strings.Join(all, "_")
}

// byCert are the parameters that make a call one of certificate mode.
func byCert(a sandbox.AlipayAccount) kv {
	return kv{"app_cert_sn": snOf(certs(a.AppCertPEM)[0]), "alipay_root_cert_sn": snOf(certs(a.RootCertPEM)...)}
}

// certCall makes a call of certificate mode and returns the answer with the
// serial number it names. The signature is checked with the certificate of that
// number, which is downloaded, chain and time included.
func (b *bench) certCall(method string, biz kv) (map[string]any, string, error) {
	b.t.Helper()
	a := b.Accounts().Providers[0].Alipay
	raw := b.gateway(b.aliParams(method, biz, byCert(a)))
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &outer); err != nil {
		return nil, "", err
	}
	var sign, sn string
	json.Unmarshal(outer["sign"], &sign)
	json.Unmarshal(outer["alipay_cert_sn"], &sn)
	object := outer[strings.ReplaceAll(method, ".", "_")+"_response"]
	var out map[string]any
	if err := json.Unmarshal(object, &out); err != nil {
		return nil, sn, err
	}
	cert, err := b.downloaded(sn)
	if err != nil {
		return out, sn, err
	}
	der, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		return out, sn, err
	}
	sum := sha256.Sum256(object)
	return out, sn, rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], der)
}

func (b *bench) gateway(form url.Values) []byte {
	b.t.Helper()
	_, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded;charset=utf-8", form.Encode(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

// downloaded fetches a certificate and verifies it against the root.
func (b *bench) downloaded(sn string) (*x509.Certificate, error) {
	b.t.Helper()
	a := b.Accounts().Providers[0].Alipay
	params := b.aliParams("alipay.open.app.alipaycert.download", kv{"alipay_cert_sn": sn}, kv{"app_auth_token": ""})
	var answer struct {
		Response map[string]string `json:"alipay_open_app_alipaycert_download_response"`
	}
	if err := json.Unmarshal(b.gateway(params), &answer); err != nil {
		return nil, err
	}
	if answer.Response["code"] != "10000" {
		return nil, errors.New(answer.Response["sub_code"])
	}
	text, err := base64.StdEncoding.DecodeString(answer.Response["alipay_cert_content"])
	if err != nil {
		return nil, err
	}
	chain, roots, between := certs(string(text)), x509.NewCertPool(), x509.NewCertPool()
	for _, c := range certs(a.RootCertPEM) {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if snOf(chain[0]) != sn {
		b.t.Errorf("the certificate of %s is %s", sn, snOf(chain[0]))
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: b.clock.now()})
	return chain[0], err
}

func TestAlipayAnswersByCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.Accounts().Providers[0].Alipay
	if n := strings.Count(a.RootCertPEM, "BEGIN"); n != 3 || len(certs(a.RootCertPEM)) != 2 {
		t.Errorf("%d roots, %d of them readable, want 3 and 2", n, len(certs(a.RootCertPEM)))
	}
	no := b.no()
	out, sn, err := b.certCall("alipay.trade.pay", kv{
		"out_trade_no": no, "total_amount": "1.00", "subject": "测试", "scene": "bar_code", "auth_code": b.code(sandbox.Alipay, ""),
	})
	if err != nil || out["code"] != "10000" || sn != snOf(certs(a.AlipayCertPEM)[0]) {
		t.Errorf("pay = %v under %s, %v", out, sn, err)
	}
	if got := b.aliState(no); got != "TRADE_SUCCESS" { // in key mode
		t.Errorf("query in key mode = %s", got)
	}
	b.restart()
	if again := b.Accounts().Providers[0].Alipay; again.AlipayCertPEM != a.AlipayCertPEM || again.AppCertPEM != a.AppCertPEM || again.RootCertPEM != a.RootCertPEM {
		t.Error("the certificates did not survive a restart")
	}
}

func TestAlipayRefusesOtherCertificates(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	own, other := byCert(b.Accounts().Providers[0].Alipay), byCert(b.Accounts().Providers[1].Alipay)
	for name, c := range map[string]struct {
		change kv
		want   string
	}{
		"another application's":          {kv{"app_cert_sn": other["app_cert_sn"], "alipay_root_cert_sn": own["alipay_root_cert_sn"]}, "isv.app-cert-not-exist"},
		"no root":                        {kv{"app_cert_sn": own["app_cert_sn"]}, "isv.missing-alipay-root-cert-sn"},
		"half of the root":               {kv{"app_cert_sn": own["app_cert_sn"], "alipay_root_cert_sn": own["alipay_root_cert_sn"][:32]}, "isv.invalid-alipay-root-cert-sn"},
		"wrong signature":                {kv{"app_cert_sn": own["app_cert_sn"], "alipay_root_cert_sn": own["alipay_root_cert_sn"], "sign": "AAAA"}, "isv.invalid-signature"},
		"the certificate comes first":    {kv{"app_cert_sn": "x", "sign": "AAAA"}, "isv.app-cert-not-exist"},
		"the timestamp comes before it":  {kv{"app_cert_sn": "x", "timestamp": "yesterday"}, "isv.invalid-timestamp"},
		"the token comes after them all": {kv{"app_cert_sn": own["app_cert_sn"], "alipay_root_cert_sn": own["alipay_root_cert_sn"], "app_auth_token": "x"}, "aop.invalid-app-auth-token"},
	} {
		raw := b.gateway(b.aliParams("alipay.trade.query", kv{"out_trade_no": "X"}, c.change))
		if !bytes.Contains(raw, []byte(`"sub_code":"`+c.want+`"`)) {
			t.Errorf("%s: %s, want %s", name, raw, c.want)
		}
	}
}

func TestAlipayRotatesItsCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.Accounts().Providers[0].Alipay
	status, _ := b.ctl(http.MethodPost, "/sandbox/v1/alipay/rotate", `{"app_id":"`+a.AppID+`","overlap":"1h","valid":"1h"}`)
	a = b.Accounts().Providers[0].Alipay
	old := snOf(certs(a.AlipayCertPEM)[0])
	made, err := b.RotateAlipay(t.Context(), a.AppID, time.Hour, 720*time.Hour)
	if status != http.StatusOK || err != nil {
		t.Fatalf("rotate = %d, %v", status, err)
	}
	if made.SN == old || made.Until.Sub(noon) < 719*time.Hour || made.CertPEM != b.Accounts().Providers[0].Alipay.AlipayCertPEM {
		t.Errorf("rotated to %+v", made)
	}
	seen := map[string]int{}
	for range 10 {
		_, sn, err := b.certCall("alipay.trade.query", kv{"out_trade_no": "X"})
		if err != nil {
			t.Fatal(err)
		}
		seen[sn]++
	}
	if seen[old] != 5 || seen[made.SN] != 5 {
		t.Errorf("an overlap signed under %v, want both in turn", seen)
	}
	b.restart()
	b.clock.add(time.Hour)
	if _, sn, err := b.certCall("alipay.trade.query", kv{"out_trade_no": "X"}); err != nil || sn != made.SN {
		t.Errorf("after the overlap: %s, %v", sn, err)
	}
	if _, err := b.downloaded(old); err != nil {
		t.Errorf("the old certificate: %v", err)
	}
	for body, want := range map[string]int{`{"app_id":"1"}`: http.StatusNotFound, `{"app_id":"` + a.AppID + `","valid":"-1h"}`: http.StatusBadRequest, `{"valid":"soon"}`: http.StatusBadRequest} {
		if status, _ := b.ctl(http.MethodPost, "/sandbox/v1/alipay/rotate", body); status != want {
			t.Errorf("rotate %s = %d, want %d", body, status, want)
		}
	}
}

func TestAlipayCertificatesOfFaultsAreHandedOutAndWorthless(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	for name, is := range map[string]func(error) bool{
		"cert_unknown": func(err error) bool { return err != nil && err.Error() == "ALIPAY_CERT_NOT_EXIST" },
		"cert_forged":  func(err error) bool { return errors.As(err, &unknown) },
		"cert_expired": func(err error) bool { return errors.As(err, &invalid) && invalid.Reason == x509.Expired },
	} {
		b.fault(sandbox.Fault{Scenario: name, Endpoint: sandbox.EndpointQuery, Count: 1})
		if out, _, err := b.certCall("alipay.trade.query", kv{"out_trade_no": "X"}); out["code"] != "40004" || !is(err) {
			t.Errorf("%s = %v, %v", name, out, err)
		}
	}
}

// TestAlipaySlashes: the signature is over the bytes sent, however they are escaped.
func TestAlipaySlashes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	prepare := func(scenario string) string {
		if scenario != "" {
			b.fault(sandbox.Fault{Scenario: scenario, Count: 1})
		}
		raw := b.gateway(b.aliParams("alipay.trade.precreate", kv{"out_trade_no": b.no(), "total_amount": "1.00", "subject": `a\b`}, nil))
		if _, _, err := b.aliRead(raw); err != nil {
			t.Errorf("%s: %v in %s", scenario, err, raw)
		}
		return string(raw)
	}
	if raw := prepare(""); !strings.Contains(raw, `https:\/\/qr`) {
		t.Errorf("by default: %s", raw)
	}
	if raw := prepare("plain_slashes"); !strings.Contains(raw, `https://qr`) {
		t.Errorf("plain_slashes: %s", raw)
	}
	raw := ""
	for range 20 { // a signature without a slash is rare
		if raw = prepare("escaped_sign"); strings.Contains(raw[strings.Index(raw, `"sign"`):], `\/`) {
			return
		}
	}
	t.Errorf("escaped_sign: %s", raw)
}

// TestALibraryTakesUpARotation: in production mode smartwalle/alipay downloads a
// certificate that it does not know.
func TestALibraryTakesUpARotation(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.Accounts().Providers[0].Alipay
	client, err := alipay.New(a.AppID, a.AppPrivateKeyPEM, true, alipay.WithProductionGateway(b.wallet.URL+"/gateway.do"), alipay.WithHTTPClient(b.client(-1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(client.LoadAppCertPublicKey(a.AppCertPEM), client.LoadAlipayCertPublicKey(a.AlipayCertPEM), client.LoadAliPayRootCert(a.RootCertPEM)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.RotateAlipay(t.Context(), a.AppID, 0, 0); err != nil {
		t.Fatal(err)
	}
	rsp, err := client.TradeQuery(t.Context(), alipay.TradeQuery{AppAuthToken: a.Merchants[0].AppAuthToken, OutTradeNo: "NONE"})
	if err != nil || rsp.SubCode != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("after the rotation: %+v, %v", rsp, err)
	}
}
