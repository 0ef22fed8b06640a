package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"cloudpay/internal/pay"
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

// seedStep is how many edits of a seed go into one unit of work; each is a row
// or, for the merchant itself, a handful.
const seedStep = MaxChange - 40

// Seed makes the installation exist: what is missing is added, what is there is
// made equal, nothing is removed, and terminals stay bound. It may be repeated.
// Nothing is written when the installation contradicts itself; the error then
// lists every mistake and wraps pay.ErrInvalid. A prefix or shop that a
// merchant outside the installation holds stops it with an error that wraps
// pay.ErrConflict; what was written before stays, and a corrected Seed
// completes it.
func (d *Directory) Seed(ctx context.Context, in Installation) error {
	if d.writer == nil {
		return errors.New("seed: this process may only read")
	}
	if err := in.check(); err != nil {
		return &pay.Error{Kind: pay.ErrInvalid, Code: "seed_invalid", Text: err.Error()}
	}
	defer d.Forget()
	for _, p := range in.Providers {
		if err := d.seedProvider(ctx, p); err != nil {
			return fmt.Errorf("seed provider %s: %w", p.ID, err)
		}
	}
	for i := range in.Merchants {
		m := &in.Merchants[i]
		if err := d.seedMerchant(ctx, m); err != nil {
			return fmt.Errorf("seed merchant %s: %w", m.ID, err)
		}
	}
	for _, a := range in.Accounts {
		if err := d.PutAccount(ctx, System, a); err != nil {
			return fmt.Errorf("seed %s account of provider %s: %w", a.Channel, a.ProviderID, err)
		}
	}
	return nil
}

func (d *Directory) seedProvider(ctx context.Context, p Provider) error {
	_, err := d.CreateProvider(ctx, System, p)
	if errors.Is(err, pay.ErrConflict) {
		_, err = d.UpdateProvider(ctx, System, p.ID, func(old *Provider) error {
			old.Name, old.NotifyURL = p.Name, p.NotifyURL
			return nil
		})
	}
	return err
}

// seedMerchant stores a merchant and what is below it, in as few units of work
// as hold it. The merchant with its prefixes comes first: without a prefix it
// can do nothing, so a seed that stops half-way leaves nobody half able.
func (d *Directory) seedMerchant(ctx context.Context, m *Merchant) error {
	edits := m.seedEdits()
	first := edits[:min(seedStep, len(edits))]
	_, err := d.fresh(ctx, m.ID)
	if errors.Is(err, pay.ErrNotFound) {
		made := &Merchant{ID: m.ID, ProviderID: m.ProviderID, AuthenKey: m.AuthenKey, Prefixes: m.Prefixes, PublicKeyPEM: m.PublicKeyPEM}
		for _, edit := range first {
			edit(made)
		}
		_, err = d.CreateMerchant(ctx, System, *made)
		edits = edits[len(first):]
	}
	for err == nil && len(edits) > 0 {
		step := edits[:min(seedStep, len(edits))]
		edits = edits[len(step):]
		_, err = d.changeMerchant(ctx, System, "seed", m.ID, func(now *Merchant) error {
			if now.ProviderID != m.ProviderID {
				return pay.Refuse(pay.ErrConflict, "merchant_of_another", "the merchant belongs to another provider")
			}
			for _, edit := range step {
				edit(now)
			}
			for _, p := range m.Prefixes {
				if indexOf(now.Prefixes, p, func(s string) string { return s }) < 0 {
					now.Prefixes = append(now.Prefixes, p)
				}
			}
			now.AuthenKey, now.PublicKeyPEM = m.AuthenKey, m.PublicKeyPEM
			return now.takeSeedKeys(d.now())
		})
	}
	return err
}

// seedEdits are the edits that make a merchant equal to m.
func (m *Merchant) seedEdits() []func(*Merchant) {
	edits := []func(*Merchant){func(now *Merchant) {
		now.Name, now.DefaultBody, now.NotifyURL = m.Name, m.DefaultBody, m.NotifyURL
		now.ReversePaid, now.RefundMustSign, now.Disabled = m.ReversePaid, m.RefundMustSign, m.Disabled
		now.Wx, now.Ali, now.Policy = m.Wx, m.Ali, m.Policy
	}}
	for _, s := range m.Shops {
		edits = append(edits, func(now *Merchant) {
			if i := indexOf(now.Shops, s.ID, shopID); i >= 0 {
				now.Shops[i].Name = s.Name
				return
			}
			now.Shops = append(now.Shops, Shop{ID: s.ID, Number: s.Number, Name: s.Name, Profile: s.Profile})
		})
		for _, v := range s.Devices {
			edits = append(edits, func(now *Merchant) { seedDevice(now, s.ID, v) })
		}
		for _, p := range s.Staff {
			edits = append(edits, func(now *Merchant) { seedStaff(now, s.ID, p) })
		}
	}
	return edits
}

func seedDevice(now *Merchant, shop string, v Device) {
	s := &now.Shops[indexOf(now.Shops, shop, shopID)]
	i := indexOf(s.Devices, v.ID, deviceID)
	if i < 0 {
		s.Devices = append(s.Devices, v)
		return
	}
	old := &s.Devices[i]
	old.Name, old.Type, old.Category = v.Name, v.Type, v.Category
	if old.SN == "" {
		old.SN = v.SN
	}
}

func seedStaff(now *Merchant, shop string, p Staff) {
	s := &now.Shops[indexOf(now.Shops, shop, shopID)]
	i := indexOf(s.Staff, p.ID, staffID)
	if i < 0 {
		s.Staff = append(s.Staff, p)
		return
	}
	s.Staff[i].Name, s.Staff[i].ShopManager, s.Staff[i].RefundAuth = p.Name, p.ShopManager, p.RefundAuth
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
