// Package directory knows who exists and who may: providers, sub-providers,
// merchants, shops, devices, staff, order prefixes, keys, the accounts at the
// wallets, operators and their roles.
//
// It reads rows through a Loader, opens what is sealed in them, and keeps what
// it read for a few seconds. Every change is made from one consistent read,
// checked against the rules of ux.md §1.11, and committed with its lines of the
// audit trail in one unit of work, if nobody has changed the same merchant or
// provider meanwhile. It must not know SQL, HTTP, the wire protocol or any
// wallet: it hands out keys and names, and others use them.
package directory

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// Directory answers who exists. It is safe for concurrent use; what it returns
// is shared and must not be changed. What another process changes is seen
// within 10 seconds.
type Directory struct {
	loader Loader
	writer Writer
	keys   *secret.Keyring
	clock  func() time.Time

	providers *cache[*provider]
	merchants *cache[*Merchant]
	accounts  *cache[*Account]
	owners    *cache[string] // of shops
	vault     *cache[*secret.DataKey]
	stranger  *Merchant
	seen      seenKeys
	pins      tries
}

// now is the present as it is stored: whole milliseconds, UTC.
func (d *Directory) now() time.Time { return d.clock().UTC().Truncate(time.Millisecond) }

// provider is a provider with its opened data key, which never leaves the room.
type provider struct {
	Provider
	key *secret.DataKey
}

// New returns a directory over what the store holds. now is read to age what
// is kept in memory. writer may be nil for a process that only reads.
func New(loader Loader, writer Writer, keys *secret.Keyring, now func() time.Time) (*Directory, error) {
	d := &Directory{loader: loader, writer: writer, keys: keys, clock: now}
	d.providers = newCache(now, d.loadProvider)
	d.merchants = newCache(now, d.loadToKeep)
	d.accounts = newCache(now, d.loadAccount)
	d.owners = newCache(now, loader.LoadShopOwner)
	d.vault = newCache(now, d.loadVault)
	stranger, err := newStranger()
	if err != nil {
		return nil, err
	}
	d.stranger = stranger
	return d, nil
}

// Merchant returns the merchant with that id. The error wraps pay.ErrNotFound
// when there is none; every other error means that the answer is not known.
// Disabled and deleted merchants are returned, because what they have begun
// must be finished: callers of a machine's request use Claimed.
func (d *Directory) Merchant(ctx context.Context, id string) (*Merchant, error) {
	if !ValidID(id) {
		return nil, notFound("merchant")
	}
	return d.merchants.get(ctx, id)
}

// Claimed returns the merchant that a request, not yet authenticated, names as
// its sender. For one that does not exist, or is disabled, known is false and
// m is a stand-in with random keys, so that the caller checks the MAC all the
// same and answers as for a wrong one: it must refuse when known is false,
// whatever the check says (design.md §9: unknown merchant and wrong MAC answer
// alike). err means that the answer is not known.
func (d *Directory) Claimed(ctx context.Context, id string) (m *Merchant, known bool, err error) {
	m, err = d.Merchant(ctx, id)
	if errors.Is(err, pay.ErrNotFound) {
		return d.stranger, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	p, err := d.provider(ctx, m.ProviderID)
	if err != nil {
		return nil, false, err
	}
	if m.Disabled || p.Disabled || !m.DeletedAt.IsZero() {
		return d.stranger, false, nil
	}
	return m, true, nil
}

// ClaimedShop is Claimed for calls that name a shop only (protocol.md §1.4):
// the merchant is the one whose living shop that is.
func (d *Directory) ClaimedShop(ctx context.Context, shopID string) (m *Merchant, known bool, err error) {
	m, err = d.MerchantOfShop(ctx, shopID)
	if errors.Is(err, pay.ErrNotFound) {
		return d.stranger, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return d.Claimed(ctx, m.ID)
}

// Newer is for a caller whose check against what Claimed returned has failed,
// before it refuses: within the few seconds that rows are kept in memory,
// another process may have changed the merchant's keys. changed says that it
// has; m and known are then as Claimed has them now, to be checked once more.
// It reads one small row, for merchants that exist and for others alike.
func (d *Directory) Newer(ctx context.Context, id string, old *Merchant) (m *Merchant, known, changed bool, err error) {
	if !ValidID(id) {
		return old, false, false, nil
	}
	version, err := d.loader.Version(ctx, ownerOfMerchant(id))
	if err != nil {
		return nil, false, false, fmt.Errorf("load the version of merchant %s: %w", id, err)
	}
	held := old.Version
	if kept, ok := d.merchants.peek(id); ok && old == d.stranger {
		held = kept.Version // of a merchant that is disabled: its tills go on asking
	}
	if version == held {
		return old, false, false, nil
	}
	d.merchants.drop(id)
	m, known, err = d.Claimed(ctx, id)
	return m, known, true, err
}

// MerchantOfShop returns the merchant that a shop belongs to. The error wraps
// pay.ErrNotFound when there is no such shop, or it was deleted.
func (d *Directory) MerchantOfShop(ctx context.Context, shopID string) (*Merchant, error) {
	if !ValidID(shopID) {
		return nil, notFound("shop")
	}
	id, err := d.owners.get(ctx, shopID)
	if err != nil {
		return nil, fmt.Errorf("load the owner of shop %s: %w", shopID, err)
	}
	m, err := d.Merchant(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, ok := m.Shop(shopID); !ok {
		return nil, notFound("shop")
	}
	return m, nil
}

// Stranger returns the stand-in of Claimed. Its keys are random: what is
// checked against them takes as long as with a real merchant's and never holds.
func (d *Directory) Stranger() *Merchant { return d.stranger }

// Provider returns the provider with that id. Errors as in Merchant.
func (d *Directory) Provider(ctx context.Context, id string) (*Provider, error) {
	p, err := d.provider(ctx, id)
	if err != nil {
		return nil, err
	}
	return &p.Provider, nil
}

// ProviderOf returns the provider that the merchant belongs to.
func (d *Directory) ProviderOf(ctx context.Context, m *Merchant) (*Provider, error) {
	return d.Provider(ctx, m.ProviderID)
}

// Account returns a provider's account at a wallet. Errors as in Merchant.
func (d *Directory) Account(ctx context.Context, providerID string, ch pay.Channel) (*Account, error) {
	if !ValidID(providerID) || ch.Platform() == 0 {
		return nil, notFound("account")
	}
	return d.accounts.get(ctx, accountKey(providerID, ch))
}

// Forget drops what is kept in memory, so that the next answer is what the
// store holds now.
func (d *Directory) Forget() {
	d.providers.forget()
	d.merchants.forget()
	d.accounts.forget()
	d.owners.forget()
	d.vault.forget()
}

func (d *Directory) provider(ctx context.Context, id string) (*provider, error) {
	if !ValidID(id) {
		return nil, notFound("provider")
	}
	return d.providers.get(ctx, id)
}

func (d *Directory) loadProvider(ctx context.Context, id string) (*provider, error) {
	r, err := d.loader.LoadProvider(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("load provider %s: %w", id, err)
	}
	key, err := d.keys.OpenDataKey(r.ID, r.DataKey)
	if err != nil {
		return nil, fmt.Errorf("load provider %s: %w", id, err)
	}
	opened, err := providerOf(r)
	if err != nil {
		return nil, fmt.Errorf("load provider %s: %w", id, err)
	}
	return &provider{opened, key}, nil
}

func (d *Directory) loadMerchant(ctx context.Context, id string) (*Merchant, error) {
	rows, err := d.loader.LoadMerchant(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("load merchant %s: %w", id, err)
	}
	p, err := d.provider(ctx, rows.Merchant.ProviderID)
	if err != nil {
		// Not %w: that the provider is missing is a broken database, and not an
		// answer to the question whether the merchant exists.
		return nil, fmt.Errorf("load merchant %s: its %s", id, err.Error())
	}
	m, err := assemble(rows, p.key, d.stranger.AuthenKey)
	if err != nil {
		return nil, fmt.Errorf("load merchant %s: %w", id, err)
	}
	return m, nil
}

// loadToKeep is loadMerchant without the rows that only an edit needs: what is
// kept in memory need not be there twice.
func (d *Directory) loadToKeep(ctx context.Context, id string) (*Merchant, error) {
	m, err := d.loadMerchant(ctx, id)
	if err != nil {
		return nil, err
	}
	staff := slices.DeleteFunc(m.rows.Staff, func(r StaffRow) bool { return len(r.PIN) == 0 })
	m.rows = MerchantRows{Staff: slices.Clip(staff)} // CheckPIN looks there
	return m, nil
}

// signatureBits is the size of every merchant's key (protocol.md §1.3).
const signatureBits = 2048

// parsePublicKey reads a merchant's public key. "" is no key.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	if text == "" {
		return nil, nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("public key is not PEM")
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("public key is not a SubjectPublicKeyInfo; export it with: openssl pkey -pubout")
	}
	key, ok := k.(*rsa.PublicKey)
	if !ok || key.N.BitLen() != signatureBits {
		return nil, fmt.Errorf("public key must be RSA with %d bits", signatureBits)
	}
	return key, nil
}

// newStranger makes the stand-in for merchants that do not exist: a key that
// nobody has, and a modulus that nobody can sign for but that costs as much to
// verify with as any other.
func newStranger() (*Merchant, error) {
	n := make([]byte, signatureBits/8)
	if _, err := rand.Read(n); err != nil {
		return nil, fmt.Errorf("make stranger: %w", err)
	}
	n[0] |= 0x80
	n[len(n)-1] |= 1
	key, err := NewAuthenKey()
	if err != nil {
		return nil, err
	}
	return &Merchant{
		AuthenKey: key, Disabled: true, pad: key,
		PublicKey: &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537},
	}, nil
}

// tagOf names the content of a row without giving it away.
func tagOf(sealed []byte) string {
	sum := sha256.Sum256(sealed)
	return hex.EncodeToString(sum[:8])
}

func notFound(what string) error {
	return pay.Refuse(pay.ErrNotFound, what+"_unknown", what+" does not exist")
}
