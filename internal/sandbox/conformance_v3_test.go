package sandbox_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"cloudpay/internal/sandbox"
)

// toBench sends every call to the bench, whatever host it is for: the library
// has the host in its code (upstreams.md §7.1).
type toBench struct {
	host string
	next http.RoundTripper
}

func (b toBench) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = "https", b.host, ""
	return b.next.RoundTrip(r)
}

// official is the wallet's own client library with everything it verifies by.
type official struct {
	*core.Client
	account   sandbox.WeChatAccount
	key       *rsa.PrivateKey
	publicKey *rsa.PublicKey
	http      *http.Client
	mgr       *downloader.CertificateDownloaderMgr // certificate mode only
}

// realTime lets a sandbox run on the machine's clock, which the library checks
// times against.
func realTime(c *sandbox.Config) { c.Now, c.RefundDelay = time.Now, time.Millisecond }

// newOfficial makes the library's client in one of its two modes.
func newOfficial(t *testing.T, b *bench, publicKeyMode bool) *official {
	t.Helper()
	o := &official{account: b.Accounts().Providers[0].WeChat}
	var err error
	if o.key, err = utils.LoadPrivateKey(o.account.ClientKeyPEM); err != nil {
		t.Fatal(err)
	}
	if o.publicKey, err = utils.LoadPublicKey(o.account.PublicKeyPEM); err != nil {
		t.Fatal(err)
	}
	o.http = &http.Client{Transport: toBench{host: b.wallet.Listener.Addr().String(), next: b.client(-1).Transport}, Timeout: 30 * time.Second}
	auth := option.WithWechatPayPublicKeyAuthCipher(o.account.MchID, o.account.SerialNo, o.key, o.account.PublicKeyID, o.publicKey)
	if !publicKeyMode {
		plain, err := core.NewClient(t.Context(), option.WithMerchantCredential(o.account.MchID, o.account.SerialNo, o.key),
			option.WithHTTPClient(o.http), option.WithoutValidator())
		if err != nil {
			t.Fatal(err)
		}
		o.mgr = downloader.NewCertificateDownloaderMgr(t.Context())
		t.Cleanup(o.mgr.Stop)
		if err := o.mgr.RegisterDownloaderWithClient(t.Context(), plain, o.account.MchID, o.account.APIv3Key); err != nil {
			t.Fatalf("download of certificates: %v", err)
		}
		auth = option.WithWechatPayAutoAuthCipherUsingDownloaderMgr(o.account.MchID, o.account.SerialNo, o.key, o.mgr)
	}
	if o.Client, err = core.NewClient(t.Context(), auth, option.WithHTTPClient(o.http)); err != nil {
		t.Fatal(err)
	}
	return o
}

// receiver keeps what arrives at a notify_url. Its answer is 204 while it takes
// notices, else 500.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []*http.Request // with the body to be read again
	refuse bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	v := &receiver{}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := cloned(t, r)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.got = append(v.got, kept)
		if v.refuse {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(v.Close)
	return v
}

// all returns what has arrived.
func (v *receiver) all() []*http.Request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.got)
}

// TestOfficialLibraryIsServed drives native and jsapi orders, queries, a close,
// a refund and its notices with WeChat's own library, unmodified but for the
// host, verifying every answer, in both of its modes.
func TestOfficialLibraryIsServed(t *testing.T) {
	t.Parallel()
	for name, publicKeyMode := range map[string]bool{"certificate mode": false, "public-key mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newReceiver(t)
			b := newBench(t, func(c *sandbox.Config) { realTime(c); c.Notify = v.Client().Transport })
			if publicKeyMode { // as a merchant has it who registers today
				if err := b.MigrateWeChat(t.Context(), b.Accounts().Providers[0].WeChat.MchID, 100, true); err != nil {
					t.Fatal(err)
				}
			}
			o := newOfficial(t, b, publicKeyMode)
			o.nativeLife(t, b, v.URL)
			o.jsapiLife(t, b, v.URL)
			o.closes(t, b, v.URL)
			o.readNotices(t, v)
		})
	}
}

// nativeLife prepares a native order, pays it, and refunds a part.
func (o *official) nativeLife(t *testing.T, b *bench, url string) {
	t.Helper()
	ctx, shop := t.Context(), o.account.Merchants[0]
	svc := native.NativeApiService{Client: o.Client}
	no := b.no()
	made, _, err := svc.Prepay(ctx, native.PrepayRequest{
		SpAppid: &o.account.AppID, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID, SubAppid: &shop.SubAppID,
		Description: new("测试 <商品> & 50%"), OutTradeNo: &no, NotifyUrl: new(url + "/pay"), Attach: new("附加"),
		Amount: &native.Amount{Total: new(int64(201)), Currency: new("CNY")},
	})
	if err != nil {
		t.Fatalf("Prepay: %v", err)
	}
	open, _, err := svc.QueryOrderByOutTradeNo(ctx, native.QueryOrderByOutTradeNoRequest{OutTradeNo: &no, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID})
	if err != nil || *open.TradeState != "NOTPAY" || open.TransactionId != nil || open.SuccessTime != nil {
		t.Errorf("query of an unpaid order = %v, %v", open, err)
	}
	if _, err := b.PayPrepared(ctx, "anna", sandbox.Invocation{CodeURL: *made.CodeUrl}); err != nil {
		t.Fatal(err)
	}
	paid, _, err := svc.QueryOrderByOutTradeNo(ctx, native.QueryOrderByOutTradeNoRequest{OutTradeNo: &no, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID})
	if err != nil || *paid.TradeState != "SUCCESS" || *paid.Amount.Total != 201 || *paid.Amount.PayerTotal != 201 || *paid.TradeType != "NATIVE" ||
		*paid.Payer.SubOpenid == "" || *paid.Attach != "附加" {
		t.Fatalf("query of a paid order = %v, %v", paid, err)
	}
	byID, _, err := svc.QueryOrderById(ctx, native.QueryOrderByIdRequest{TransactionId: paid.TransactionId, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID})
	if err != nil || *byID.OutTradeNo != no {
		t.Errorf("query by transaction_id = %v, %v", byID, err)
	}
	refunds := refunddomestic.RefundsApiService{Client: o.Client}
	back, _, err := refunds.Create(ctx, refunddomestic.CreateRequest{
		SubMchid: &shop.SubMchID, TransactionId: paid.TransactionId, OutRefundNo: new("R" + no), Reason: new("商品退货"), NotifyUrl: new(url + "/refund"),
		Amount: &refunddomestic.AmountReq{Refund: new(int64(51)), Total: new(int64(201)), Currency: new("CNY")},
	})
	if err != nil || *back.Amount.Refund != 51 || *back.Amount.PayerRefund != 51 || *back.OutTradeNo != no {
		t.Fatalf("refund = %v, %v", back, err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		found, _, err := refunds.QueryByOutRefundNo(ctx, refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: new("R" + no), SubMchid: &shop.SubMchID})
		if err != nil {
			t.Fatal(err)
		}
		if *found.Status == refunddomestic.STATUS_SUCCESS {
			if found.SuccessTime == nil || *found.RefundId != *back.RefundId {
				t.Errorf("refund query = %v", found)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the refund stays %v", *found.Status)
		}
	}
	if got, _, err := svc.QueryOrderByOutTradeNo(ctx, native.QueryOrderByOutTradeNoRequest{OutTradeNo: &no, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID}); err != nil ||
		*got.TradeState != "REFUND" {
		t.Errorf("query after the refund = %v, %v", got, err)
	}
	if _, err := b.SendNotices(ctx); err != nil {
		t.Fatal(err)
	}
}

// jsapiLife prepares an order for a customer's openid and pays it with the
// parameters that the library signs for the page.
func (o *official) jsapiLife(t *testing.T, b *bench, url string) {
	t.Helper()
	ctx, shop := t.Context(), o.account.Merchants[0]
	who, err := b.Identify(ctx, "ben", shop.MiniAppID)
	if err != nil {
		t.Fatal(err)
	}
	no := b.no()
	svc := jsapi.JsapiApiService{Client: o.Client}
	request := jsapi.PrepayRequest{
		SpAppid: &o.account.AppID, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID, SubAppid: &shop.MiniAppID, Description: new("会员卡"),
		OutTradeNo: &no, NotifyUrl: new(url + "/pay"), Amount: &jsapi.Amount{Total: new(int64(1))}, Payer: &jsapi.Payer{SubOpenid: &who.OpenID},
	}
	made, _, err := svc.PrepayWithRequestPayment(ctx, request, shop.MiniAppID)
	if err != nil {
		t.Fatalf("Prepay: %v", err)
	}
	if _, _, err := svc.Prepay(ctx, request); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	request.Amount = &jsapi.Amount{Total: new(int64(2))}
	if _, _, err := svc.Prepay(ctx, request); !isCode(err, http.StatusForbidden, "OUT_TRADE_NO_USED") {
		t.Errorf("the same number with another amount: %v", err)
	}
	args := sandbox.JSAPIArgs{
		AppID: *made.Appid, TimeStamp: *made.TimeStamp, NonceStr: *made.NonceStr, Package: *made.Package, SignType: *made.SignType, PaySign: *made.PaySign,
	}
	if _, err := b.PayPrepared(ctx, "ben", sandbox.Invocation{JSAPI: &args}); err != nil {
		t.Fatal(err)
	}
	request.Amount = &jsapi.Amount{Total: new(int64(1))}
	if _, _, err := svc.Prepay(ctx, request); !isCode(err, http.StatusBadRequest, "ORDERPAID") {
		t.Errorf("preparing a paid number: %v", err)
	}
	args.PaySign = args.PaySign[1:] + "A"
	if _, err := b.Open(ctx, "ben", sandbox.Invocation{JSAPI: &args}); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("Open with a wrong paySign: %v", err)
	}
}

// closes closes an order twice, and fails to close a paid one.
func (o *official) closes(t *testing.T, b *bench, url string) {
	t.Helper()
	ctx, shop := t.Context(), o.account.Merchants[0]
	svc := native.NativeApiService{Client: o.Client}
	no := b.no()
	if _, _, err := svc.Prepay(ctx, native.PrepayRequest{
		SpAppid: &o.account.AppID, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID, Description: new("关"), OutTradeNo: &no,
		NotifyUrl: new(url + "/pay"), Amount: &native.Amount{Total: new(int64(5))},
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		result, err := svc.CloseOrder(ctx, native.CloseOrderRequest{OutTradeNo: &no, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID})
		if err != nil || result.Response.StatusCode != http.StatusNoContent {
			t.Errorf("close = %v, %v", result, err)
		}
	}
	found, _, err := svc.QueryOrderByOutTradeNo(ctx, native.QueryOrderByOutTradeNoRequest{OutTradeNo: &no, SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID})
	if err != nil || *found.TradeState != "CLOSED" {
		t.Errorf("query of a closed order = %v, %v", found, err)
	}
	_, _, err = svc.QueryOrderByOutTradeNo(ctx, native.QueryOrderByOutTradeNoRequest{OutTradeNo: new("NOSUCH"), SpMchid: &o.account.MchID, SubMchid: &shop.SubMchID})
	if !isCode(err, http.StatusNotFound, "ORDER_NOT_EXIST") {
		t.Errorf("query of an unknown order: %v", err)
	}
}

// isCode reports whether an error is the wallet's of a status and a code.
func isCode(err error, status int, code string) bool {
	var api *core.APIError
	return errors.As(err, &api) && api.StatusCode == status && api.Code == code
}

// handler reads notices with the library's combined verifier.
func (o *official) handler(t *testing.T) *notify.Handler {
	t.Helper()
	certs := core.CertificateGetter(noCertificates{})
	if o.mgr != nil {
		certs = o.mgr.GetCertificateVisitor(o.account.MchID)
	}
	h, err := notify.NewRSANotifyHandler(o.account.APIv3Key, verifiers.NewSHA256WithRSACombinedVerifier(certs, o.account.PublicKeyID, *o.publicKey))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// noCertificates are those of a merchant in public-key mode.
type noCertificates struct{}

func (noCertificates) Get(context.Context, string) (*x509.Certificate, bool) { return nil, false }
func (noCertificates) GetAll(context.Context) map[string]*x509.Certificate   { return nil }
func (noCertificates) GetNewestSerial(context.Context) string                { return "" }

// readNotices verifies and opens every notice that came: two payments and a
// refund.
func (o *official) readNotices(t *testing.T, v *receiver) {
	t.Helper()
	h := o.handler(t)
	events := map[string]int{}
	for _, r := range v.all() {
		var paid partnerpayments.Transaction
		var back struct {
			RefundStatus string `json:"refund_status"`
			OutRefundNo  string `json:"out_refund_no"`
			Amount       struct{ Refund, PayerRefund int64 }
		}
		into := any(&paid)
		if r.URL.Path == "/refund" {
			into = &back
		}
		n, err := h.ParseNotifyRequest(t.Context(), r, into)
		if err != nil {
			t.Errorf("notice to %s: %v", r.URL.Path, err)
			continue
		}
		events[n.EventType]++
		switch n.EventType {
		case "TRANSACTION.SUCCESS":
			if *paid.TradeState != "SUCCESS" || *paid.SpMchid != o.account.MchID {
				t.Errorf("notice of a payment = %v", paid)
			}
		case "REFUND.SUCCESS":
			if back.RefundStatus != "SUCCESS" || back.Amount.Refund != 51 {
				t.Errorf("notice of a refund = %+v", back)
			}
		default:
			t.Errorf("event %s", n.EventType)
		}
	}
	if events["TRANSACTION.SUCCESS"] != 2 || events["REFUND.SUCCESS"] != 1 {
		t.Errorf("events = %v, want two payments and a refund", events)
	}
}

// TestOfficialLibraryRefusesWhatItShould spoils signatures, times and notices
// and sees that the library, which has no reason to be kind, refuses each.
func TestOfficialLibraryRefusesWhatItShould(t *testing.T) {
	t.Parallel()
	b := newBench(t, realTime)
	o := newOfficial(t, b, false)
	for _, scenario := range []string{"bad_sign", "unsigned_2xx", "wrong_serial", "stale_timestamp", "clock_skew", "tamper", "truncated_body", "bad_json"} {
		b.fault(sandbox.Fault{Scenario: scenario, Channel: sandbox.WeChat, Endpoint: "codepay", Count: 1})
		if _, _, err := o.codepay(t, b, 1); err == nil {
			t.Errorf("%s: the answer was accepted", scenario)
		}
	}
	if status, state, err := o.codepay(t, b, 1); err != nil || status != http.StatusOK || state != "SUCCESS" {
		t.Errorf("codepay = %d %s, %v", status, state, err)
	}
	if status, state, err := o.codepay(t, b, 600_00); err != nil || status != http.StatusAccepted || state != "USERPAYING" {
		t.Errorf("codepay with a password = %d %s, %v, want a verified 202", status, state, err)
	}
}

// codepay pays through the library's generic call: it has no service for it.
func (o *official) codepay(t *testing.T, b *bench, fen int) (status int, state string, err error) {
	t.Helper()
	result, err := o.Post(t.Context(), "https://api.mch.weixin.qq.com/v3/pay/partner/transactions/codepay", codepayBody(b, b.no(), b.code(sandbox.WeChat, ""), fen))
	if err != nil {
		return 0, "", err
	}
	defer result.Response.Body.Close()
	var out struct {
		TradeState string `json:"trade_state"`
	}
	if err := json.NewDecoder(result.Response.Body).Decode(&out); err != nil {
		return result.Response.StatusCode, "", err
	}
	return result.Response.StatusCode, out.TradeState, nil
}

// TestOfficialLibraryRefusesSpoiltNotices checks the five notice faults that
// the library is known to meet with an error. On the two that make it panic
// (upstreams.md §7.1) it is not tried.
func TestOfficialLibraryRefusesSpoiltNotices(t *testing.T) {
	t.Parallel()
	v := newReceiver(t)
	v.refuse = true
	b := newBench(t, func(c *sandbox.Config) { realTime(c); c.Notify = v.Client().Transport })
	o := newOfficial(t, b, false)
	for _, scenario := range []string{"notify_foreign_key", "notify_signtest", "stale_timestamp", "bad_sign", "tamper", "unsigned_2xx", "wrong_serial"} {
		before := len(v.all())
		b.fault(sandbox.Fault{Scenario: scenario, Channel: sandbox.WeChat, Endpoint: sandbox.EndpointNotify, Count: 1})
		link := b.v3Native(t, b.no(), 1, v.URL)
		if _, err := b.PayPrepared(t.Context(), "anna", sandbox.Invocation{CodeURL: link}); err != nil {
			t.Fatal(err)
		}
		came := v.all()[before:]
		if len(came) == 0 {
			t.Fatalf("%s: no notice came", scenario)
		}
		if _, err := o.handler(t).ParseNotifyRequest(t.Context(), came[0], &struct{}{}); err == nil {
			t.Errorf("%s: the notice was accepted", scenario)
		}
		if scenario != "notify_signtest" {
			continue
		}
		if len(came) != 2 {
			t.Fatalf("%d notices with a probe, want the probe and the notice", len(came))
		}
		if _, err := o.handler(t).ParseNotifyRequest(t.Context(), came[1], &struct{}{}); err != nil {
			t.Errorf("the notice after a probe: %v", err)
		}
	}
}

// pemCert reads the certificate of a provider's client.
func pemCert(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestSerialsAreWrittenAsTheLibraryWritesThem compares the serial of the
// account with the one the library would send.
func TestSerialsAreWrittenAsTheLibraryWritesThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, p := range b.Accounts().Providers {
		if got, want := p.WeChat.SerialNo, utils.GetCertificateSerialNumber(*pemCert(t, p.WeChat.ClientCertPEM)); got != want || len(got) != 40 {
			t.Errorf("SerialNo = %s, want %s of 40 digits", got, want)
		}
		if key := p.WeChat.APIv3Key; len(key) != 32 {
			t.Errorf("APIv3Key has %d characters, want 32", len(key))
		}
		if fmt.Sprintf("%.11s", p.WeChat.PublicKeyID) != "PUB_KEY_ID_" {
			t.Errorf("PublicKeyID = %s", p.WeChat.PublicKeyID)
		}
	}
}

// TestOfficialLibrarySurvivesARotation rotates the platform certificate under
// the library, which learns of the new one while the old one still signs for
// it, and then moves on to the public key.
func TestOfficialLibrarySurvivesARotation(t *testing.T) {
	t.Parallel()
	b := newBench(t, realTime)
	o := newOfficial(t, b, false)
	pay := func(when string) {
		t.Helper()
		if status, state, err := o.codepay(t, b, 1); err != nil || status != http.StatusOK || state != "SUCCESS" {
			t.Errorf("%s: codepay = %d %s, %v", when, status, state, err)
		}
	}
	old := o.mgr.GetNewestCertificateSerial(t.Context(), o.account.MchID)
	if err := b.RotateWeChat(t.Context(), o.account.MchID, 0, time.Hour); err != nil {
		t.Fatal(err)
	}
	pay("before the library knows of the new certificate")
	o.mgr.DownloadCertificates(t.Context())
	if known := o.mgr.GetCertificateMap(t.Context(), o.account.MchID); len(known) != 2 {
		t.Fatalf("the library knows %d certificates, want both", len(known))
	}
	pay("while both are listed")
	if _, err := b.Advance(t.Context(), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	o.mgr.DownloadCertificates(t.Context())
	if known := o.mgr.GetCertificateMap(t.Context(), o.account.MchID); len(known) != 1 || known[old] != nil {
		t.Errorf("the library knows %d certificates after the overlap, want the new one", len(known))
	}
	pay("after the overlap")
	if err := b.MigrateWeChat(t.Context(), o.account.MchID, 100, false); err != nil {
		t.Fatal(err)
	}
	pay("by certificate, after the migration") // the library asks for it by its serial
	pub := newOfficial(t, b, true)
	if status, state, err := pub.codepay(t, b, 1); err != nil || status != http.StatusOK || state != "SUCCESS" {
		t.Errorf("by public key: codepay = %d %s, %v", status, state, err)
	}
}
