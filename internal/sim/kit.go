package sim

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// Names in the one installation that all seeds share.
const (
	providerID = "provider"
	merchantID = "merchant"
	shopID     = "shop"
	prefix     = "90000001"
	tills      = 3
	publicHost = "pay.example.com"

	walletsKeep = 6000 // of a payment, in millionths, agreed with the merchant: the sandbox's own rate
)

// Kit is what every run of a process shares because it takes long to make: keys,
// accounts, and the two databases of an installation that has done nothing yet.
type Kit struct {
	sandboxDB []byte
	payDB     map[modes][]byte // by how the wallets are spoken to
	accounts  sandbox.Provider
	cert      *x509.Certificate // the provider's, as TLS would show it to the wallet
	authenKey cpay.Key
	spare     []*rsa.PrivateKey // of rotations
}

// masterKey seals the merchants' keys of a simulated installation.
func masterKey() (*secret.Keyring, error) {
	return secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
}

// NewKit makes a kit. It must be made outside of any bubble.
func NewKit(ctx context.Context, now func() time.Time) (*Kit, error) {
	dir, err := os.MkdirTemp(memory(), "cloudpay-sim-kit")
	if err != nil {
		return nil, err
	}
	k := &Kit{payDB: map[modes][]byte{}}
	if err := errors.Join(k.make(ctx, dir, now), os.RemoveAll(dir)); err != nil {
		return nil, fmt.Errorf("make the kit of a simulation: %w", err)
	}
	return k, nil
}

func (k *Kit) make(ctx context.Context, dir string, now func() time.Time) error {
	box, err := sandbox.New(ctx, sandbox.Config{Dir: dir, Providers: 1, MerchantsPerProvider: 1, Now: now})
	if err != nil {
		return err
	}
	k.accounts = box.Accounts().Providers[0]
	if err := box.Close(); err != nil { //nolint:contextcheck // the sandbox closes without one
		return err
	}
	block, _ := pem.Decode([]byte(k.accounts.WeChat.ClientCertPEM))
	if k.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return err
	}
	for range maxRotations + maxRenewals + maxAliRotations {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		k.spare = append(k.spare, key)
	}
	file := filepath.Join(dir, "pay.db")
	c := store.Config{DSN: "sqlite:" + file}
	if err := k.install(ctx, c, now); err != nil {
		return err
	}
	for _, m := range allModes {
		if err := k.open(ctx, c, now, m); err != nil {
			return err
		}
		if k.payDB[m], err = os.ReadFile(file); err != nil { //nolint:gosec // our own directory
			return err
		}
	}
	k.sandboxDB, err = os.ReadFile(filepath.Join(dir, "sandbox.db")) //nolint:gosec // our own directory
	return err
}

// with runs something on the directory of an installation.
func with(ctx context.Context, c store.Config, now func() time.Time, do func(*directory.Directory) error) (err error) {
	st, err := store.Open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	keys, err := masterKey()
	if err != nil {
		return err
	}
	people, err := directory.New(st, st, keys, now)
	if err != nil {
		return err
	}
	return do(people)
}

// open opens the provider's accounts at the wallets.
func (k *Kit) open(ctx context.Context, c store.Config, now func() time.Time, m modes) error {
	return with(ctx, c, now, func(people *directory.Directory) error {
		for _, a := range accountsOf(k.accounts, m) {
			if err := people.PutAccount(ctx, directory.System, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// install makes the database of an installation with one merchant.
func (k *Kit) install(ctx context.Context, c store.Config, now func() time.Time) error {
	if _, _, err := store.Migrate(ctx, c); err != nil {
		return err
	}
	authen, err := directory.NewAuthenKey()
	if err != nil {
		return err
	}
	k.authenKey = cpay.NewKey(authen.Reveal())
	wx, ali := k.accounts.WeChat.Merchants[0], k.accounts.Alipay.Merchants[0]
	m := directory.Merchant{
		ID: merchantID, ProviderID: providerID, Name: "Simulated Merchant", Prefixes: []string{prefix}, AuthenKey: authen,
		Wx:    directory.WechatMerchant{SubMchID: wx.SubMchID, SubAppID: wx.SubAppID},
		Ali:   directory.AlipayMerchant{AppAuthToken: secret.New(ali.AppAuthToken), SellerID: ali.UserID},
		Shops: []directory.Shop{{ID: shopID, Name: "shop"}},
	}
	for i := range tills {
		m.Shops[0].Devices = append(m.Shops[0].Devices, directory.Device{ID: tillID(i), Name: tillID(i)})
	}
	return with(ctx, c, now, func(people *directory.Directory) error {
		if err := people.Seed(ctx, directory.Installation{
			Providers: []directory.Provider{{ID: providerID, Name: "provider", NotifyURL: "http://" + merchantAt + "/callback"}},
			Merchants: []directory.Merchant{m},
		}); err != nil {
			return err
		}
		// A seed leaves the profile alone, and Alipay's bill names no rate of its own:
		// without an agreed one its fees are booked as they come.
		_, err := people.UpdateMerchant(ctx, directory.System, merchantID, func(m *directory.Merchant) error {
			m.Profile.BankRatePPM = walletsKeep
			return nil
		})
		return err
	})
}

func tillID(i int) string { return fmt.Sprintf("till-%d", i+1) }

// tillOf is the till of a name: only that may reverse what it has sold.
func tillOf(id string) int {
	for i := range tills {
		if tillID(i) == id {
			return i
		}
	}
	return 0
}
