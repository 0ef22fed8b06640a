package recon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/alipay"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// sandboxDB is a sandbox with its keys already made.
var sandboxDB []byte

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cloudpay-recon")
	if err != nil {
		panic(err)
	}
	box, err := sandbox.New(context.Background(), sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: time.Now})
	if err == nil {
		err = box.Close()
	}
	if err == nil {
		sandboxDB, err = os.ReadFile(filepath.Join(dir, "sandbox.db")) // #nosec G304 -- just made
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// rate is what the sandbox's wallets keep, in millionths.
const rate = 6000

// morning is when the first day of a test begins: 10:00 in Beijing.
var morning = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

// clock is the time of everybody in a house.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// house is a gateway with a real store, a real sandbox and its bills.
type house struct {
	*clock
	t        *testing.T
	gw       *gateway.Gateway
	store    *store.Store
	box      *sandbox.Sandbox
	merchant *directory.Merchant
	people   *directory.Directory
	recon    *recon.Recon
	ch       pay.Channel
	n        int
	spoil    func(channel.BillRequest, channel.BillOutcome) channel.BillOutcome // on a bill's way, nil for not
	refuses  bool                                                               // every refund is made, and called refused
	reread   func([]byte, func([]byte) (channel.Bill, error)) (channel.Bill, error)
}

// newHouse builds a house on one engine for one wallet. Its gateway is not
// running: what a caller waits for is done at once.
func newHouse(t *testing.T, e storetest.Engine, ch pay.Channel, api string) *house {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), sandboxDB, 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, clock: &clock{t: morning}, ch: ch}
	box, err := sandbox.New(ctx, sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	h.box, h.store = box, e.New(t)()
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	if h.people, err = directory.New(h.store, h.store, keys, h.now); err != nil {
		t.Fatal(err)
	}
	h.seed(api)
	log := slog.New(slog.DiscardHandler)
	find := h.wallets()
	told := notify.New(notify.Config{AllowPrivate: true})
	t.Cleanup(told.Close)
	h.gw = gateway.New(gateway.Config{
		Store: h.store, Directory: h.people, Channels: find, Notify: told, CodeKey: []byte("test code key"), Now: h.now, Log: log,
	})
	h.recon = recon.New(recon.Config{Store: h.store, Directory: h.people, Gateway: h.gw, Channels: find, Now: h.now, Log: log})
	return h
}

// seed writes the merchant's entry.
func (h *house) seed(api string) {
	ctx := h.t.Context()
	authen, err := directory.NewAuthenKey()
	if err != nil {
		h.t.Fatal(err)
	}
	a := h.box.Accounts().Providers[0]
	m := directory.Merchant{
		ID: "merchant", ProviderID: "provider", Name: "Test Merchant", Prefixes: []string{"90000001"}, AuthenKey: authen,
		Wx:    directory.WechatMerchant{SubMchID: a.WeChat.Merchants[0].SubMchID, SubAppID: a.WeChat.Merchants[0].SubAppID, API: api},
		Ali:   directory.AlipayMerchant{AppAuthToken: secret.New(a.Alipay.Merchants[0].AppAuthToken), SellerID: a.Alipay.Merchants[0].UserID},
		Shops: []directory.Shop{{ID: "shop", Name: "shop", Devices: []directory.Device{{ID: "till-1", Name: "1"}}}},
	}
	err = h.people.Seed(ctx, directory.Installation{
		Providers: []directory.Provider{{ID: "provider", Name: "provider"}}, Merchants: []directory.Merchant{m},
	})
	if err == nil {
		h.merchant, err = h.people.UpdateMerchant(ctx, directory.System, "merchant", func(m *directory.Merchant) error {
			m.Profile.BankRatePPM = rate
			return nil
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// wallets builds the real adapters against the sandbox's handler.
func (h *house) wallets() gateway.Channels {
	p := h.box.Accounts().Providers[0]
	block, _ := pem.Decode([]byte(p.WeChat.ClientCertPEM))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		h.t.Fatal(err)
	}
	line := direct{h.box.Wallet(), cert}
	wx, err := wxpay.New(wxpay.Config{
		BaseURL: "https://wallet.test", MchID: p.WeChat.MchID, AppID: p.WeChat.AppID, APIKey: secret.New(p.WeChat.APIv2Key),
		APIv3Key: secret.New(p.WeChat.APIv3Key), PublicKeyID: p.WeChat.PublicKeyID, PublicKeyPEM: p.WeChat.PublicKeyPEM, Now: h.now,
		SignType: "HMAC-SHA256", ClientCertPEM: p.WeChat.ClientCertPEM, ClientKeyPEM: secret.New(p.WeChat.ClientKeyPEM), Transport: line,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ali, err := alipay.New(alipay.Config{
		GatewayURL: "https://wallet.test/gateway.do", AppID: p.Alipay.AppID, AppPrivateKeyPEM: secret.New(p.Alipay.AppPrivateKeyPEM),
		AlipayPublicKeyPEM: p.Alipay.AlipayPublicKeyPEM, Now: h.now, Transport: line,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return func(_ context.Context, _ string, ch pay.Channel) (channel.Channel, error) {
		if ch == pay.Alipay {
			return way{ali, ali, h}, nil
		}
		return way{wx, wx, h}, nil
	}
}

// way is a channel whose bills may be spoilt on their way.
type way struct {
	channel.Channel
	channel.Biller
	h *house
}

// Bill implements channel.Biller.
func (w way) Bill(ctx context.Context, r channel.BillRequest) channel.BillOutcome {
	out := w.Biller.Bill(ctx, r)
	if w.h.spoil != nil {
		return w.h.spoil(r, out)
	}
	return out
}

// ParseBill implements channel.Biller.
func (w way) ParseBill(raw []byte) (channel.Bill, error) {
	if w.h.reread != nil {
		return w.h.reread(raw, w.Biller.ParseBill)
	}
	return w.Biller.ParseBill(raw)
}

// Refund implements channel.Channel.
func (w way) Refund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	out := w.Channel.Refund(ctx, r)
	if w.h.refuses {
		return channel.RefundOutcome{Outcome: pay.Outcome{Kind: pay.Declined, Verified: true, Code: "REFUSED"}}
	}
	return out
}

// direct is a RoundTripper that calls a handler in the same process.
type direct struct {
	handler http.Handler
	cert    *x509.Certificate // the client's, as TLS would have shown it
}

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	in := req.Clone(req.Context())
	in.RequestURI, in.RemoteAddr = req.URL.RequestURI(), "127.0.0.1:1"
	in.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{d.cert}}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, in)
	return w.Result(), nil
}

// number returns a fresh order or refund number.
func (h *house) number() string {
	h.n++
	return fmt.Sprintf("90000001%08d", h.n)
}

// sale is a payment that is made at once.
func (h *house) sale(total pay.Fen) pay.Order {
	h.t.Helper()
	c, err := h.box.NewPayCode(h.t.Context(), string(h.ch), "anna")
	if err != nil {
		h.t.Fatal(err)
	}
	return h.pays(h.merchant, h.number(), c.AuthCode, total)
}

// pays is a payment at the first till of a merchant's first shop.
func (h *house) pays(m *directory.Merchant, no, code string, total pay.Fen) pay.Order {
	h.t.Helper()
	o, err := h.gw.MicroPay(h.t.Context(), m, gateway.MicroPay{
		OutTradeNo: no, AuthCode: secret.New(code), Total: total, ShopID: m.Shops[0].ID, DeviceID: "till-1", Body: "bread",
	})
	if err != nil || o.State != pay.PAID {
		h.t.Fatalf("a payment is %s (%s), %v", o.State, o.Code, err)
	}
	return o
}

// back refunds a part of an order.
func (h *house) back(o pay.Order, amount pay.Fen) string {
	h.t.Helper()
	no := h.number()
	h.refunds(h.merchant, o.OutTradeNo, no, o.Total, amount)
	return no
}

// refunds gives a part of a merchant's order back.
func (h *house) refunds(m *directory.Merchant, no, refundNo string, total, amount pay.Fen) {
	h.t.Helper()
	_, f, err := h.gw.Refund(h.t.Context(), m, gateway.Refund{OutTradeNo: no, OutRefundNo: refundNo, Total: total, Amount: amount})
	if err != nil || f.State == pay.RefundRejected {
		h.t.Fatalf("a refund is %s, %v", f.State, err)
	}
}

// arrives lets a refund reach its end, which WeChat's takes some time for.
func (h *house) arrives(o pay.Order, no string) {
	h.t.Helper()
	f, _, err := h.gw.AskRefund(h.t.Context(), h.merchant, o.OutTradeNo, no, 0)
	if err != nil || f.State != pay.RefundSucceeded {
		h.t.Fatalf("a refund is %s, %v", f.State, err)
	}
}

// fault makes every bill from now on be spoilt in the row of an order.
func (h *house) fault(scenario, no string) {
	h.t.Helper()
	f := sandbox.Fault{Scenario: scenario, Channel: sandbox.Channel(h.ch)}
	f.Params.OutTradeNo = no
	if err := h.box.AddFault(f); err != nil {
		h.t.Fatal(err)
	}
}

// key is a day of the house's wallet.
func (h *house) key(day string) store.ReconKey {
	return store.ReconKey{MerchantID: "merchant", Channel: h.ch, Day: day}
}

// reconcile does a day, as the nightly job does it.
func (h *house) reconcile(day string) store.ReconRun {
	h.t.Helper()
	if err := h.store.PlanRecon(h.t.Context(), h.key(day), h.now()); err != nil {
		h.t.Fatal(err)
	}
	run, err := h.recon.Do(h.t.Context(), h.key(day))
	if err != nil || run.Step != store.ReconDone {
		h.t.Fatalf("the day %s is at %s, %v", day, run.Step, err)
	}
	return run
}

// diffs renders the differences of all days in one state, "" for all.
func (h *house) diffs(state string) map[string]string {
	h.t.Helper()
	list, err := h.store.Diffs(h.t.Context(), store.DiffFilter{
		MerchantID: "merchant", Channel: h.ch, FromDay: "00000000", ToDay: "99999999", State: state, Limit: 1000,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range list {
		out[string(d.Type)+" "+d.Item] = fmt.Sprintf("%s: %d, they %d", d.Day, d.Ours, d.Theirs)
	}
	return out
}

// repair closes a difference for a person.
func (h *house) repair(of store.DiffType, item string) store.Diff {
	h.t.Helper()
	d, err := h.recon.Repair(h.t.Context(), recon.Repair{
		DiffKey: store.DiffKey{MerchantID: "merchant", Channel: h.ch, Item: item, Type: of},
		By:      directory.Actor{Kind: directory.ByMember, ID: "anna"}, Why: "checked with the wallet",
	})
	if err != nil {
		h.t.Fatalf("repair %s of %s: %v", of, item, err)
	}
	return d
}
