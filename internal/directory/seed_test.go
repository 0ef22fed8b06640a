package directory

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func TestSeedingTwiceKeepsKeysReadable(t *testing.T) {
	t.Parallel()
	d, m, c := newDirectory(t)
	in := sample("")
	if err := d.Seed(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	dataKey := string(row[ProviderRow](m, object{"provider", "sz01TESTMCH000000001"}).DataKey)
	old, err := d.Account(t.Context(), "sz01TESTMCH000000001", pay.Wxpay)
	if err != nil {
		t.Fatal(err)
	}
	in.Merchants[0].Name = "新面包店"
	in.Merchants = in.Merchants[:1] // the other one stays as it is
	restarted, err := New(m, m, newKeyring(t, "k"), c.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := restarted.Seed(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if string(row[ProviderRow](m, object{"provider", "sz01TESTMCH000000001"}).DataKey) != dataKey {
		t.Error("seeding again replaced the data key")
	}
	for id, name := range map[string]string{"sz01TESTSUBMCH000001": "新面包店", "sz01TESTSUBMCH000002": "茶馆"} {
		got, err := restarted.Merchant(t.Context(), id)
		if err != nil || got.Name != name {
			t.Errorf("merchant %s after the second seed: %v, want %s", id, err, name)
		}
	}
	again, err := restarted.Account(t.Context(), "sz01TESTMCH000000001", pay.Wxpay)
	if err != nil || again.Tag != old.Tag {
		t.Errorf("the account's tag changed although its row did not: %v", err)
	}
	in.Accounts[0].Wechat.APIKey = secret.New("another-api-key-0123456789abcdef0")
	if err := restarted.Seed(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	again, err = restarted.Account(t.Context(), "sz01TESTMCH000000001", pay.Wxpay)
	if err != nil || again.Tag == old.Tag {
		t.Errorf("the account's tag did not change with its row: %v", err)
	}
}

func TestSeedIsSeenAtOnceByItsProcess(t *testing.T) {
	t.Parallel()
	d, _, _ := newDirectory(t)
	if _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001"); !errors.Is(err, pay.ErrNotFound) {
		t.Fatal(err)
	}
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001"); err != nil {
		t.Errorf("a seeded merchant is not found: %v", err)
	}
}

func TestSeedRefusesContradictionsBeforeWriting(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name  string
		spoil func(*Installation)
		want  string
	}{
		{"long id", func(in *Installation) { in.Merchants[0].ID = strings.Repeat("x", 33) }, "1 to 32"},
		{"odd id", func(in *Installation) { in.Merchants[0].Shops[0].ID = "shop 1" }, "shop \"shop 1\""},
		{"odd device", func(in *Installation) { in.Merchants[0].Shops[0].Devices[0].ID = "机" }, "device"},
		{"odd staff", func(in *Installation) { in.Merchants[0].Shops[0].Staff[0].ID = "" }, "staff"},
		{"long name", func(in *Installation) { in.Providers[0].Name = strings.Repeat("长", 129) }, "384 bytes"},
		{"name not UTF-8", func(in *Installation) { in.Merchants[0].Name = "\xff" }, "UTF-8"},
		{"long body", func(in *Installation) { in.Merchants[0].DefaultBody = strings.Repeat("长", 129) }, "default body"},
		{"two merchants of one id", func(in *Installation) { in.Merchants[1].ID = in.Merchants[0].ID }, "occurs twice"},
		{"two providers of one id", func(in *Installation) { in.Providers = append(in.Providers, in.Providers[0]) }, "occurs twice"},
		{"two shops of one id", func(in *Installation) {
			in.Merchants[1].Shops = []Shop{{ID: in.Merchants[0].Shops[0].ID}}
		}, "occurs twice"},
		{"two accounts", func(in *Installation) { in.Accounts = append(in.Accounts, in.Accounts[0]) }, "occurs twice"},
		{"unknown provider", func(in *Installation) { in.Merchants[0].ProviderID = "other" }, "not part of this seed"},
		{"account of an unknown provider", func(in *Installation) { in.Accounts[0].ProviderID = "other" }, "not part of this seed"},
		{"short key", func(in *Installation) { in.Merchants[0].AuthenKey = secret.New("short") }, "authen_key"},
		{"odd key", func(in *Installation) { in.Merchants[0].AuthenKey = secret.New(strings.Repeat(" ", 32)) }, "authen_key"},
		{"no prefix", func(in *Installation) { in.Merchants[0].Prefixes = nil }, "needs an order prefix"},
		{"odd prefix", func(in *Installation) { in.Merchants[0].Prefixes[0] = "12" }, "8 to 10 digits"},
		{"equal prefixes", func(in *Installation) { in.Merchants[1].Prefixes = []string{"90000001"} }, "starts with"},
		{"one prefix starts another", func(in *Installation) { in.Merchants[1].Prefixes = []string{"900000019"} }, "starts with"},
		{"one prefix starts its sister", func(in *Installation) {
			in.Merchants[0].Prefixes = []string{"90000001", "90000001ab"}
		}, "starts with"},
		{"callback by ftp", func(in *Installation) { in.Merchants[0].NotifyURL = "ftp://merchant.example" }, "https://"},
		{"callback with a password", func(in *Installation) { in.Providers[0].NotifyURL = "https://a:b@merchant.example" }, "password"},
		{"callback unreadable", func(in *Installation) { in.Providers[0].NotifyURL = "https://%zz" }, "not readable"},
		{"callback too long", func(in *Installation) {
			in.Providers[0].NotifyURL = "https://merchant.example/" + strings.Repeat("x", 255)
		}, "255"},
		{"public key not PEM", func(in *Installation) { in.Merchants[0].PublicKeyPEM = "key" }, "not PEM"},
		{"public key of another kind", func(in *Installation) { in.Merchants[0].PublicKeyPEM = publicPEM(t, ec.Public()) }, "RSA with 2048"},
		{"public key broken", func(in *Installation) {
			in.Merchants[0].PublicKeyPEM = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
		}, "SubjectPublicKeyInfo"},
		{"account of both wallets", func(in *Installation) { in.Accounts[0].Alipay = in.Accounts[1].Alipay }, "only that one"},
		{"account of no wallet", func(in *Installation) { in.Accounts[0].Channel = "cash" }, "only that one"},
		{"wechat without anything", func(in *Installation) { in.Accounts[0].Wechat = &WechatAccount{} }, "APIv2 key is missing"},
		{"wechat certificate without key", func(in *Installation) { in.Accounts[0].Wechat.KeyPEM = secret.Secret{} }, "belong together"},
		{"alipay without anything", func(in *Installation) { in.Accounts[1].Alipay = &AlipayAccount{} }, "private key is missing"},
		{"wallet without TLS", func(in *Installation) { in.Accounts[1].Alipay.GatewayURL = "http://127.0.0.1/gateway.do" }, "https://"},
		{"wallet by name only", func(in *Installation) { in.Accounts[0].Wechat.BaseURL = "api.example" }, "https://"},
		{"too many", func(in *Installation) { in.Merchants = make([]Merchant, maxSeed+1) }, "more than 1000"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, m, _ := newDirectory(t)
			in := sample("")
			c.spoil(&in)
			err := d.Seed(t.Context(), in)
			if !errors.Is(err, pay.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Seed = %v, want ErrInvalid with %q", err, c.want)
			}
			if len(m.rows)+len(m.audit) != 0 {
				t.Error("a refused seed wrote something")
			}
		})
	}
}

func TestSeedReportsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	d, _, _ := newDirectory(t)
	in := sample("")
	in.Merchants[0].AuthenKey = secret.New("the-short-key")
	in.Merchants[1].Prefixes = nil
	in.Accounts[0].Wechat.SignType = "SHA1"
	err := d.Seed(t.Context(), in)
	for _, want := range []string{"authen_key", "order prefix", "sign type"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("Seed = %v, want it to mention %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "the-short-key") {
		t.Errorf("the error shows the key: %v", err)
	}
}

func TestSeedStopsAtAnotherMerchantsPrefixOrShop(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Merchant){
		"prefix":        func(x *Merchant) { x.Prefixes = []string{"900000013"} },
		"shorter start": func(x *Merchant) { x.Prefixes = []string{"sz0100lmnx"} },
		"shop":          func(x *Merchant) { x.Shops = []Shop{{ID: "sz01TESTSHOP00000001", Name: "mine"}} },
	} {
		other := Installation{
			Providers: []Provider{{ID: "sz01TESTMCH000000002"}},
			Merchants: []Merchant{{
				ID: "sz01TESTSUBMCH000009", ProviderID: "sz01TESTMCH000000002",
				Prefixes: []string{"90000009"}, AuthenKey: secret.New(strings.Repeat("2C", 16)),
			}},
		}
		spoil(&other.Merchants[0])
		if err := d.Seed(t.Context(), other); !errors.Is(err, pay.ErrConflict) {
			t.Errorf("%s of another merchant: %v, want ErrConflict", name, err)
		}
	}
	if got := row[ShopRow](m, object{"shop", "sz01TESTSUBMCH000001/sz01TESTSHOP00000001"}); got.MerchantID != "sz01TESTSUBMCH000001" || got.Name != "一店" {
		t.Errorf("the shop was changed: %+v", got)
	}
	moved := sample("")
	moved.Providers[0].ID, moved.Accounts = "sz01TESTMCH000000002", nil
	for i := range moved.Merchants {
		moved.Merchants[i].ProviderID = "sz01TESTMCH000000002"
	}
	if err := d.Seed(t.Context(), moved); !errors.Is(err, pay.ErrConflict) {
		t.Errorf("a merchant moved to another provider: %v, want ErrConflict", err)
	}
}

func TestSeedRefusesAnAccountThatIsTooLarge(t *testing.T) {
	t.Parallel()
	d, _, _ := newDirectory(t)
	in := sample("")
	in.Accounts[0].Wechat.CAPEM = strings.Repeat("x", MaxFields)
	if err := d.Seed(t.Context(), in); err == nil || !strings.Contains(err.Error(), "at most 32768") {
		t.Errorf("Seed = %v, want the limit", err)
	}
}

func TestReaderCannotSeed(t *testing.T) {
	t.Parallel()
	_, m, c := newDirectory(t)
	d, err := New(m, nil, newKeyring(t, "k"), c.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Seed(t.Context(), sample("")); err == nil {
		t.Error("a directory without a writer seeded")
	}
}

func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	d, _, _ := newDirectory(t)
	in := sample("")
	if err := d.Seed(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	m, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001")
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.Account(t.Context(), "sz01TESTMCH000000001", pay.Wxpay)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v %#v", m, *m, m, *a.Wechat, in, d, d.keys)
	for _, key := range []string{"0A0A0A", "token-of", "api-key-0123", "client-key"} {
		if strings.Contains(text, key) {
			t.Errorf("printing shows %q", key)
		}
	}
	if diff := cmp.Diff("***", m.AuthenKey.String()); diff != "" {
		t.Error(diff)
	}
}
