package sandbox

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// certFault is what befalls the certificate that an answer is signed under.
type certFault int

// The certificates of faults. Their signatures are good: only who looks at the
// certificate itself can tell.
const (
	certSound   certFault = iota
	certUnknown           // a serial number that nobody hands out
	certForged            // a chain that does not lead to the root
	certExpired           // a good chain whose time is over
)

// signer is the certificate that the next answer is signed under: the one in
// use, or while a rotation lasts each of two in turn.
func (m *aliMode) signer(now time.Time, fault certFault) aliSigner {
	all := m.certs.Load()
	last := all.certs[len(all.certs)-1]
	switch fault {
	case certSound:
	case certUnknown:
		last.sn = strings.Repeat("0", hex.EncodedLen(16))
		return last
	case certForged:
		return all.forged
	case certExpired:
		return all.expired
	}
	if len(all.certs) > 1 && now.UnixMilli() < all.overlapMS && m.turn.Add(1)%2 == 0 {
		return all.certs[len(all.certs)-2]
	}
	return last
}

// newest is the certificate in use.
func (m *aliMode) newest() aliSigner {
	all := m.certs.Load()
	return all.certs[len(all.certs)-1]
}

// checkAliCert looks at the names of certificates that a call carries. A call
// without app_cert_sn is one of key mode.
func (r *aliRequest) checkCert() aliAnswer {
	sn := r.params["app_cert_sn"]
	if sn == "" {
		return aliAnswer{}
	}
	r.byCert = true
	all := r.app.mode.certs.Load()
	switch root := r.params["alipay_root_cert_sn"]; {
	case sn != all.appSN:
		return aliRefuse("40002", "isv.app-cert-not-exist", "应用公钥证书不存在")
	case root == "":
		return aliRefuse("40001", "isv.missing-alipay-root-cert-sn", "缺少支付宝根证书序列号参数")
	case root != all.rootSN:
		return aliRefuse("40002", "isv.invalid-alipay-root-cert-sn", "无效支付宝根证书序列号")
	}
	return aliAnswer{}
}

// aliSeal is the tail of an answer: its signature and, in certificate mode, the
// name of the certificate behind it.
func (s *Sandbox) aliSeal(req *aliRequest, signed []byte) (string, error) {
	key, sn := req.app.key, ""
	if req.byCert {
		signer := req.app.mode.signer(s.c.Now(), req.eff.cert)
		key, sn = signer.key, signer.sn
	}
	sign, err := rsa2Sign(key, signed)
	if err != nil {
		return "", err
	}
	if req.eff.badSign {
		sign = spoil(sign)
	}
	if req.eff.escapedSign {
		sign = strings.ReplaceAll(sign, "/", `\/`)
	}
	tail := `,"sign":"` + sign + `"` // base64 needs no escaping, and clients take it as it stands
	if sn != "" {
		tail += `,"alipay_cert_sn":"` + sn + `"`
	}
	return tail, nil
}

// unescaped takes the escapes of slashes out of a JSON text.
func unescaped(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`\/`), []byte("/")) }

// aliNoticeKey is what a notice of an application is signed with: the key of
// the mode that its order came in.
func (a *aliApp) noticeKey(byCert bool) *rsa.PrivateKey {
	if byCert {
		return a.mode.newest().key
	}
	return a.key
}

// aliCertDownload hands out a certificate of Alipay's by its serial number,
// alipay.open.app.alipaycert.download. The ones that faults sign under are
// handed out too.
func (s *Sandbox) aliCertDownload(_ context.Context, _ *txn, r *aliRequest) (aliAnswer, error) {
	sn := aliOption(r.biz.raw)("alipay_cert_sn")
	if sn == "" {
		return aliRefuse("40001", "isv.missing-parameter", "缺少参数alipay_cert_sn"), nil
	}
	all := r.app.mode.certs.Load()
	for _, one := range append(slices.Clone(all.certs), all.forged, all.expired) {
		if one.sn == sn {
			var out aliAnswer
			out.fields = out.fields.with("alipay_cert_content", base64.StdEncoding.EncodeToString([]byte(one.pem)))
			return out, nil
		}
	}
	return failed("ALIPAY_CERT_NOT_EXIST", "支付宝公钥证书不存在"), nil
}

// AlipayCertificate is one of Alipay's certificates towards an application.
type AlipayCertificate struct {
	AppID   string    `json:"app_id"`
	SN      string    `json:"alipay_cert_sn"`
	CertPEM string    `json:"cert_pem"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
}

// RotateAlipay replaces the certificate that Alipay signs its answers and
// notices to an application with. For overlap the one before signs every other
// answer; it stays downloadable for ever. valid is how long the new one lives,
// 0 for as long as any clock runs. Errors wrap ErrNotFound, ErrInvalid or
// ErrConflict.
func (s *Sandbox) RotateAlipay(ctx context.Context, appID string, overlap, valid time.Duration) (AlipayCertificate, error) {
	app := s.ali[appID]
	switch {
	case app == nil:
		return AlipayCertificate{}, fmt.Errorf("application %q: %w", appID, ErrNotFound)
	case overlap < 0 || valid < 0:
		return AlipayCertificate{}, fmt.Errorf("%w: overlap and valid must not be negative", ErrInvalid)
	}
	app.mode.mu.Lock()
	defer app.mode.mu.Unlock()
	now := s.c.Now()
	from, until := validFrom, validUntil
	if valid > 0 {
		from, until = s.wireNow().Add(-time.Minute), s.wireNow().Add(valid) // what others compare with their own time
	}
	var fresh *aliCerts
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		var raw []byte
		var pki aliPKI
		if _, err := tx.row(ctx, "SELECT value FROM meta WHERE name = 'alipay_pki'", nil, []any{&raw}); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &pki); err != nil {
			return fmt.Errorf("read alipay's certificates: %w", err)
		}
		kept := pki.Apps[appID]
		if len(kept.Certs) >= maxAliCerts {
			return fmt.Errorf("%w: the application has had %d certificates", ErrConflict, maxAliCerts)
		}
		made, err := pki.makeCert(appID, from, until, s.c.NewKey)
		if err != nil {
			return err
		}
		kept.Certs, kept.OverlapMS = append(kept.Certs, made), now.Add(overlap).UnixMilli()
		if fresh, err = pki.parse(appID, kept); err != nil {
			return err
		}
		return tx.saveAliPKI(ctx, &pki)
	})
	if err != nil {
		return AlipayCertificate{}, fmt.Errorf("rotate alipay's certificate: %w", err)
	}
	app.mode.certs.Store(fresh)
	newest := app.mode.newest()
	return AlipayCertificate{AppID: appID, SN: newest.sn, CertPEM: newest.pem, From: from, Until: until}, nil
}

// postAlipayRotation is RotateAlipay.
func (s *Sandbox) postAlipayRotation(r *http.Request) (int, any, error) {
	var in struct {
		AppID   string `json:"app_id"`
		Overlap string `json:"overlap"`
		Valid   string `json:"valid"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	spans := [2]time.Duration{}
	for i, text := range []string{in.Overlap, in.Valid} {
		if text == "" {
			continue
		}
		var err error
		if spans[i], err = time.ParseDuration(text); err != nil {
			return 0, nil, fmt.Errorf("%w duration %q: write it as 720h or 30m", ErrInvalid, text)
		}
	}
	out, err := s.RotateAlipay(r.Context(), in.AppID, spans[0], spans[1])
	return http.StatusOK, out, err
}
