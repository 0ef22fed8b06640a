package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// Installation is everything that Seed makes exist.
type Installation struct {
	Providers []Provider
	Merchants []Merchant
	Accounts  []Account
}

// maxSeed bounds each list of an installation: a seed is a demo or a small
// house, and it is checked pair by pair.
const maxSeed = 1000

// Seed makes the installation exist: what is missing is added, what is there is
// made equal, nothing is removed. It may be repeated. Nothing is written when
// the installation contradicts itself; the error then lists every mistake and
// wraps pay.ErrInvalid. A prefix or shop that a merchant outside the
// installation holds stops it with an error that wraps pay.ErrConflict; what
// was written before stays, and a corrected Seed completes it.
func (d *Directory) Seed(ctx context.Context, in Installation) error {
	if d.writer == nil {
		return errors.New("seed: this process may only read")
	}
	if err := in.check(); err != nil {
		return &pay.Error{Kind: pay.ErrInvalid, Code: "seed_invalid", Text: err.Error()}
	}
	defer d.Forget()
	keys := map[string]*secret.DataKey{}
	for _, p := range in.Providers {
		key, err := d.putProvider(ctx, p)
		if err != nil {
			return fmt.Errorf("seed provider %s: %w", p.ID, err)
		}
		keys[p.ID] = key
	}
	for i := range in.Merchants {
		m := &in.Merchants[i]
		if err := d.putMerchant(ctx, m, keys[m.ProviderID]); err != nil {
			return fmt.Errorf("seed merchant %s: %w", m.ID, err)
		}
	}
	for i := range in.Accounts {
		a := &in.Accounts[i]
		if err := d.putAccount(ctx, a, keys[a.ProviderID]); err != nil {
			return fmt.Errorf("seed %s account of provider %s: %w", a.Channel, a.ProviderID, err)
		}
	}
	return nil
}

// putProvider stores a provider and returns the data key that is in force,
// which is an older one if the provider exists.
func (d *Directory) putProvider(ctx context.Context, p Provider) (*secret.DataKey, error) {
	sealed, err := d.keys.NewDataKey(p.ID)
	if err != nil {
		return nil, err
	}
	err = d.writer.PutProvider(ctx, ProviderRow{ID: p.ID, Name: p.Name, NotifyURL: p.NotifyURL, DataKey: sealed})
	if err != nil {
		return nil, err
	}
	stored, err := d.loader.LoadProvider(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	return d.keys.OpenDataKey(p.ID, stored.DataKey)
}

// putMerchant stores a merchant and what is below it. Its prefixes come before
// its shops: a merchant without a prefix can do nothing, so a seed that stops
// half-way leaves nobody half able.
func (d *Directory) putMerchant(ctx context.Context, m *Merchant, key *secret.DataKey) error {
	r := MerchantRow{
		ID: m.ID, ProviderID: m.ProviderID, Name: m.Name, DefaultBody: m.DefaultBody,
		AuthenKey:    key.Seal(secret.Place{Purpose: purposeAuthenKey, Owner: m.ID}, m.AuthenKey),
		PublicKeyPEM: m.PublicKeyPEM, NotifyURL: m.NotifyURL,
		ReversePaid: m.ReversePaid, RefundMustSign: m.RefundMustSign, Disabled: m.Disabled,
		WxSubMchID: m.Wx.SubMchID, WxSubAppID: m.Wx.SubAppID, AliSellerID: m.Ali.SellerID,
	}
	if !m.Ali.AppAuthToken.IsZero() {
		r.AliAppAuthToken = key.Seal(secret.Place{Purpose: purposeAppAuthToken, Owner: m.ID}, m.Ali.AppAuthToken)
	}
	if err := d.writer.PutMerchant(ctx, r); err != nil {
		return err
	}
	for _, p := range m.Prefixes {
		if err := d.writer.PutPrefix(ctx, PrefixRow{MerchantID: m.ID, Prefix: p}); err != nil {
			return fmt.Errorf("prefix %s: %w", p, err)
		}
	}
	for _, s := range m.Shops {
		if err := d.putShop(ctx, m.ID, s); err != nil {
			return fmt.Errorf("shop %s: %w", s.ID, err)
		}
	}
	return nil
}

func (d *Directory) putShop(ctx context.Context, merchantID string, s Shop) error {
	if err := d.writer.PutShop(ctx, ShopRow{MerchantID: merchantID, ID: s.ID, Name: s.Name}); err != nil {
		return err
	}
	for _, v := range s.Devices {
		r := DeviceRow{MerchantID: merchantID, ShopID: s.ID, ID: v.ID, Name: v.Name, SN: v.SN}
		if err := d.writer.PutDevice(ctx, r); err != nil {
			return fmt.Errorf("device %s: %w", v.ID, err)
		}
	}
	for _, v := range s.Staff {
		r := StaffRow{
			MerchantID: merchantID, ShopID: s.ID, ID: v.ID, Name: v.Name,
			ShopManager: v.ShopManager, RefundAuth: v.RefundAuth,
		}
		if err := d.writer.PutStaff(ctx, r); err != nil {
			return fmt.Errorf("staff %s: %w", v.ID, err)
		}
	}
	return nil
}

func (d *Directory) putAccount(ctx context.Context, a *Account, key *secret.DataKey) error {
	text, err := a.encode()
	if err != nil {
		return err
	}
	at := secret.Place{Purpose: purposeAccount, Owner: accountKey(a.ProviderID, a.Channel)}
	return d.writer.PutAccount(ctx, AccountRow{ProviderID: a.ProviderID, Channel: a.Channel, Fields: key.Seal(at, text)})
}

// check reports every contradiction within the installation.
func (in Installation) check() error {
	if len(in.Providers) > maxSeed || len(in.Merchants) > maxSeed || len(in.Accounts) > 2*maxSeed {
		return fmt.Errorf("more than %d providers or merchants", maxSeed)
	}
	c := checker{seen: map[string]bool{}}
	for _, p := range in.Providers {
		c.named("provider", "", p.ID, p.Name)
		c.add("provider "+p.ID, checkURL(p.NotifyURL))
	}
	for i := range in.Merchants {
		c.merchant(&in.Merchants[i])
	}
	c.prefixFree(in.Merchants)
	for i := range in.Accounts {
		a := &in.Accounts[i]
		c.provider("account", a.ProviderID)
		c.once("account", accountKey(a.ProviderID, a.Channel))
		c.add("", a.check())
	}
	return errors.Join(c.errs...)
}

// checker collects mistakes, and the ids that were seen.
type checker struct {
	seen map[string]bool // by kind, owner and id
	errs []error
}

func (c *checker) add(what string, err error) {
	switch {
	case err == nil:
	case what == "":
		c.errs = append(c.errs, err)
	default:
		c.errs = append(c.errs, fmt.Errorf("%s: %w", what, err))
	}
}

// named checks the id and the name of one thing, and that it occurs once under
// its owner.
func (c *checker) named(kind, owner, id, name string) {
	if !ValidID(id) {
		c.errs = append(c.errs, fmt.Errorf("%s %.40q: an id has 1 to %d characters out of 0-9 A-Z a-z _ -", kind, id, MaxID))
	}
	if len(name) > MaxName || !utf8.ValidString(name) {
		c.errs = append(c.errs, fmt.Errorf("%s %.40q: its name must be UTF-8 of at most %d bytes", kind, id, MaxName))
	}
	c.once(kind, owner+"/"+id)
}

func (c *checker) once(kind, key string) {
	if c.seen[kind+" "+key] {
		c.errs = append(c.errs, fmt.Errorf("%s %.80q occurs twice", kind, strings.TrimPrefix(key, "/")))
	}
	c.seen[kind+" "+key] = true
}

func (c *checker) provider(who, id string) {
	if !c.seen["provider /"+id] {
		c.errs = append(c.errs, fmt.Errorf("%s: provider %.40q is not part of this seed", who, id))
	}
}

func (c *checker) merchant(m *Merchant) {
	who := "merchant " + m.ID
	c.named("merchant", "", m.ID, m.Name)
	c.provider(who, m.ProviderID)
	c.add(who, checkURL(m.NotifyURL))
	if len(m.AuthenKey.Reveal()) != KeyLen || !plain(m.AuthenKey.Reveal()) {
		c.errs = append(c.errs, fmt.Errorf("%s: authen_key must have %d letters and digits", who, KeyLen))
	}
	_, err := parsePublicKey(m.PublicKeyPEM)
	c.add(who, err)
	if len(m.DefaultBody) > MaxName || !utf8.ValidString(m.DefaultBody) {
		c.errs = append(c.errs, fmt.Errorf("%s: its default body must be UTF-8 of at most %d bytes", who, MaxName))
	}
	if len(m.Prefixes) == 0 {
		c.errs = append(c.errs, fmt.Errorf("%s: it needs an order prefix", who))
	}
	for _, p := range m.Prefixes {
		if !ValidPrefix(p) {
			c.errs = append(c.errs, fmt.Errorf("%s: prefix %.40q must be 8 to 10 digits or 10 letters and digits", who, p))
		}
	}
	for _, s := range m.Shops {
		c.named("shop", "", s.ID, s.Name) // unique in the installation
		for _, v := range s.Devices {
			c.named("device", s.ID, v.ID, v.Name)
		}
		for _, v := range s.Staff {
			c.named("staff", s.ID, v.ID, v.Name)
		}
	}
}

// prefixFree refuses prefixes one of which starts another (money.md §2).
func (c *checker) prefixFree(ms []Merchant) {
	type owned struct{ prefix, merchant string }
	var all []owned
	for i := range ms {
		for _, p := range ms[i].Prefixes {
			all = append(all, owned{p, ms[i].ID})
		}
	}
	for i, a := range all {
		for j, b := range all {
			if i != j && strings.HasPrefix(a.prefix, b.prefix) && (a.prefix != b.prefix || i < j) {
				c.errs = append(c.errs, fmt.Errorf("prefix %.40q of merchant %s starts with prefix %.40q of merchant %s",
					a.prefix, a.merchant, b.prefix, b.merchant))
			}
		}
	}
}
