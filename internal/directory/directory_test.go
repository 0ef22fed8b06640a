package directory

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func publicPEM(t *testing.T, k crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sample is an installation of one provider with two invented merchants.
func sample(publicPEM string) Installation {
	return Installation{
		Providers: []Provider{{ID: "sz01TESTMCH000000001", Name: "测试服务商", NotifyURL: "https://merchant.example/notify"}},
		Merchants: []Merchant{
			{
				ID: "sz01TESTSUBMCH000001", ProviderID: "sz01TESTMCH000000001", Name: "面包店", DefaultBody: "面包",
				Prefixes: []string{"90000001", "sz0100lmnx"}, AuthenKey: secret.New(strings.Repeat("0A", 16)),
				PublicKeyPEM: publicPEM, NotifyURL: "https://baker.example/n", ReversePaid: true, RefundMustSign: true,
				Wx:  WechatMerchant{SubMchID: "1900000109", SubAppID: "wx1"},
				Ali: AlipayMerchant{AppAuthToken: secret.New("token-of-the-baker"), SellerID: "2088000000000001"},
				Shops: []Shop{
					{
						ID: "sz01TESTSHOP00000001", Name: "一店",
						Devices: []Device{{ID: "1", Name: "POS 1", SN: "SN-1"}, {ID: "2", Name: "POS 2"}},
						Staff:   []Staff{{ID: "boss", Name: "店长", ShopManager: true, RefundAuth: true}, {ID: "clerk", Name: "店员"}},
					},
					{ID: "sz01TESTSHOP00000002", Name: "二店", Devices: []Device{{ID: "1", Name: "POS 1"}}},
				},
			},
			{
				ID: "sz01TESTSUBMCH000002", ProviderID: "sz01TESTMCH000000001", Name: "茶馆",
				Prefixes: []string{"90000002"}, AuthenKey: secret.New(strings.Repeat("1B", 16)),
			},
		},
		Accounts: []Account{
			{ProviderID: "sz01TESTMCH000000001", Channel: pay.Wxpay, Wechat: &WechatAccount{
				MchID: "1900000100", AppID: "wx0", APIKey: secret.New("wechat-api-key-0123456789abcdef0"), SignType: SignHMAC,
				CertPEM: "CERT", KeyPEM: secret.New("wechat-client-key"), BaseURL: "https://127.0.0.1:1", CAPEM: "CA",
			}},
			{ProviderID: "sz01TESTMCH000000001", Channel: pay.Alipay, Alipay: &AlipayAccount{
				AppID: "2021000000000001", PrivateKeyPEM: secret.New("alipay-private-key"), AlipayPublicPEM: "PUB",
				GatewayURL: "https://127.0.0.1:2/gateway.do", CAPEM: "CA",
			}},
		},
	}
}

// sameMerchant compares what a seed says with what is read; the rest is
// assigned.
var sameMerchant = cmp.Options{
	cmpopts.IgnoreUnexported(Merchant{}, Staff{}), cmpopts.IgnoreFields(Merchant{}, "PublicKey", "Keys", "Version"),
	cmpopts.IgnoreFields(Device{}, "Prefix", "Ordinal"), cmpopts.IgnoreTypes(time.Time{}), cmpopts.EquateEmpty(),
}

func TestSeededMerchantComesBackWhole(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	key := newKey(t)
	in := sample(publicPEM(t, key.Public()))
	if err := d.Seed(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for i := range in.Merchants {
		got, err := d.Merchant(t.Context(), in.Merchants[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		want := in.Merchants[i]
		if diff := cmp.Diff(&want, got, sameMerchant); diff != "" {
			t.Errorf("merchant (-seeded +read):\n%s", diff)
		}
	}
	got, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001")
	if err != nil || !got.PublicKey.Equal(key.Public()) {
		t.Errorf("public key does not come back: %v", err)
	}
	p, err := d.ProviderOf(t.Context(), got)
	if err != nil || cmp.Diff(in.Providers[0], *p, cmpopts.IgnoreTypes(time.Time{})) != "" {
		t.Errorf("ProviderOf = %+v, %v, want %+v", p, err, in.Providers[0])
	}
	for _, want := range in.Accounts {
		a, err := d.Account(t.Context(), want.ProviderID, want.Channel)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, a, cmpopts.IgnoreFields(Account{}, "Tag")); diff != "" || a.Tag == "" {
			t.Errorf("account (-seeded +read):\n%s, tag %q", diff, a.Tag)
		}
	}
	for _, text := range []string{"0A0A", "token-of", "api-key", "client-key", "private-key", "1900000100"} {
		if m.contains(text) {
			t.Errorf("%q is stored in clear", text)
		}
	}
}

func TestLookupsBelowAMerchant(t *testing.T) {
	t.Parallel()
	m := sample("").Merchants[0]
	shop, ok := m.Shop("sz01TESTSHOP00000001")
	if !ok || shop.Name != "一店" {
		t.Fatalf("Shop = %+v, %v", shop, ok)
	}
	if d, ok := shop.Device("2"); !ok || d.Name != "POS 2" {
		t.Errorf("Device(2) = %+v, %v", d, ok)
	}
	if s, ok := shop.Person("boss"); !ok || !s.RefundAuth {
		t.Errorf("Person(boss) = %+v, %v", s, ok)
	}
	other, _ := m.Shop("sz01TESTSHOP00000002")
	_, noShop := m.Shop("sz01TESTSHOP00000003")
	_, noDevice := other.Device("2")
	_, noPerson := other.Person("boss")
	if noShop || noDevice || noPerson {
		t.Error("a shop, device or person of elsewhere is found")
	}
}

func TestOrderNumbersStartWithAPrefix(t *testing.T) {
	t.Parallel()
	m := &Merchant{Prefixes: []string{"90000001", "sz0100lmnx"}}
	cases := []struct {
		in   string
		want bool
	}{
		{"900000011", true},
		{"sz0100lmnx20171228151031", true},
		{"90000001_a-Z", true},
		{"90000001" + strings.Repeat("9", 24), true},
		{"90000001" + strings.Repeat("9", 25), false},
		{"90000001", false},
		{"sz0100lmnx", false},
		{"sz0100lmn920171228151031", false},
		{"SZ0100LMNX1", false},
		{"900000021", false},
		{"190000001", false},
		{"", false},
		{"90000001 1", false},
		{"90000001*1", false},
		{"90000001号", false},
		{"90000001\n", false},
	}
	for _, c := range cases {
		if got := m.HasPrefix(c.in); got != c.want {
			t.Errorf("HasPrefix(%q) = %v, want %v", c.in, got, c.want)
		}
	}
	if new(Merchant).HasPrefix("900000011") {
		t.Error("a merchant without prefixes accepts a number")
	}
}

func TestTerminalNumbersBelongToTheirPrefix(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/order-numbers.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Generate []struct{ Prefix, Number string }
		Parse    []struct {
			Number, Prefix string
			Expect         struct{ Reason string }
		}
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Generate) == 0 || len(v.Parse) == 0 {
		t.Fatal("the vectors are empty")
	}
	for _, g := range v.Generate {
		if m := (&Merchant{Prefixes: []string{g.Prefix}}); !ValidPrefix(g.Prefix) || !m.HasPrefix(g.Number) {
			t.Errorf("number %s is refused for prefix %s", g.Number, g.Prefix)
		}
	}
	for _, p := range v.Parse {
		// A number in another format is a number of another origin, and allowed.
		m, want := &Merchant{Prefixes: []string{p.Prefix}}, p.Expect.Reason != "prefix"
		if got := m.HasPrefix(p.Number); got != want {
			t.Errorf("HasPrefix(%s) with prefix %s = %v, want %v", p.Number, p.Prefix, got, want)
		}
	}
}

func TestPrefixFormats(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"90000001": true, "010110893": true, "0101108936": true, "sz0100lmnx": true,
		"9000000": false, "sz0100lm": false, "sz0100lmn": false, "sz0100lmnxy": false,
		"sz0100-mnx": false, "sz0100_mnx": false, "": false, "90000001 ": false, "٠١٢٣٤": false,
	} {
		if got := ValidPrefix(in); got != want {
			t.Errorf("ValidPrefix(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestClaimedStrangersLookLikeMerchants(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	in := sample("")
	in.Merchants[1].Disabled = true
	if err := d.Seed(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	known, ok, err := d.Claimed(t.Context(), "sz01TESTSUBMCH000001")
	if err != nil || !ok || known.ID != "sz01TESTSUBMCH000001" {
		t.Fatalf("Claimed(known) = %v, %v, %v", known.ID, ok, err)
	}
	for _, id := range []string{"nobody", "", "no body", strings.Repeat("x", 33), "sz01TESTSUBMCH000002"} {
		s, ok, err := d.Claimed(t.Context(), id)
		if err != nil || ok {
			t.Fatalf("Claimed(%q) = %v, %v, want a stranger", id, ok, err)
		}
		if len(s.AuthenKey.Reveal()) != KeyLen || s.HasPrefix("900000011") || len(s.Shops) != 0 {
			t.Errorf("the stranger for %q is not a stand-in", id)
		}
		sum := sha256.Sum256([]byte("content"))
		if rsa.VerifyPSS(s.PublicKey, crypto.SHA256, sum[:], make([]byte, 256), nil) == nil {
			t.Errorf("a signature verifies for %q", id)
		}
	}
	d.Forget()
	m.mu.Lock()
	m.err = errors.New("disk on fire")
	m.mu.Unlock()
	if s, ok, err := d.Claimed(t.Context(), "nobody"); err == nil || ok || s != nil {
		t.Errorf("Claimed with a broken store = %v, %v, %v, want an error only", s, ok, err)
	}
}

func TestDisabledMerchantIsStillKnownInside(t *testing.T) {
	t.Parallel()
	d, _, _ := newDirectory(t)
	in := sample("")
	in.Merchants[1].Disabled = true
	if err := d.Seed(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	// Its open orders must still be driven to their truth.
	if m, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000002"); err != nil || !m.Disabled {
		t.Errorf("Merchant = %v, want the disabled merchant", err)
	}
}

func TestMissingThingsAreNotFound(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	ctx := t.Context()
	_, e1 := d.Merchant(ctx, "nobody")
	_, e2 := d.Provider(ctx, "nobody")
	_, e3 := d.Account(ctx, "nobody", pay.Wxpay)
	before := m.count()
	_, e4 := d.Merchant(ctx, "../etc")
	_, e5 := d.Provider(ctx, "")
	_, e6 := d.Account(ctx, "nobody", "cash")
	_, e7 := d.Account(ctx, "no/body", pay.Wxpay)
	for i, err := range []error{e1, e2, e3, e4, e5, e6, e7} {
		if !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("case %d: %v, want ErrNotFound", i+1, err)
		}
	}
	if m.count() != before {
		t.Error("an impossible id reached the store")
	}
}

func TestMissingProviderIsNotAMissingMerchant(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	delete(m.rows, object{"provider", "sz01TESTMCH000000001"})
	d.Forget()
	_, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001")
	if err == nil || errors.Is(err, pay.ErrNotFound) {
		t.Errorf("Merchant without its provider = %v, want a broken database", err)
	}
	_, err = d.Account(t.Context(), "sz01TESTMCH000000001", pay.Wxpay)
	if err == nil || errors.Is(err, pay.ErrNotFound) {
		t.Errorf("Account without its provider = %v, want a broken database", err)
	}
}

func TestMovedOrForeignSecretsDoNotOpen(t *testing.T) {
	t.Parallel()
	d, m, c := newDirectory(t)
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	stranger, err := New(m, m, newKeyring(t, "x"), c.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Merchant(t.Context(), "sz01TESTSUBMCH000001"); !errors.Is(err, secret.ErrSealed) && !strings.Contains(fmt.Sprint(err), "does not open") {
		t.Errorf("another master key: %v, want it not to open", err)
	}
	// Whoever can write rows must not be able to give a merchant the key of another.
	d.Forget()
	k, other := row[KeyRow](m, object{"key", "sz01TESTSUBMCH000001/a1"}), row[KeyRow](m, object{"key", "sz01TESTSUBMCH000002/a1"})
	k.Sealed = other.Sealed
	m.rows[k.object()] = k
	if _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001"); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("another merchant's key: %v, want ErrSealed", err)
	}
	r := row[MerchantRow](m, object{"merchant", "sz01TESTSUBMCH000002"})
	r.AliAppAuthToken = other.Sealed
	m.rows[r.object()] = r
	if _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000002"); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("a key in place of a token: %v, want ErrSealed", err)
	}
	a := row[AccountRow](m, object{"account", "sz01TESTMCH000000001/wxpay"})
	a.Fields = row[AccountRow](m, object{"account", "sz01TESTMCH000000001/alipay"}).Fields
	m.rows[a.object()] = a
	if _, err := d.Account(t.Context(), "sz01TESTMCH000000001", pay.Wxpay); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("another wallet's fields: %v, want ErrSealed", err)
	}
}

func TestNewAuthenKeysDiffer(t *testing.T) {
	t.Parallel()
	a, err := NewAuthenKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewAuthenKey()
	if err != nil || a.Equal(b) || len(a.Reveal()) != KeyLen || !plain(a.Reveal()) {
		t.Errorf("NewAuthenKey: %v, want %d different letters and digits", err, KeyLen)
	}
}
