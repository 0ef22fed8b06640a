package directory

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// The kinds of a merchant's keys.
const (
	KindAuthen = "authen" // authen_key, of the MAC
	KindPublic = "public" // the public half of a signing key
)

// Limits of keys.
const (
	// MaxGrace is the longest time that an old key lives on: a terminal in a
	// drawer must be set up again, not waited for.
	MaxGrace = 30 * 24 * time.Hour
	// liveKeys is how many authen_keys of one merchant verify at most: the
	// current one and one that ends. More would make every check longer.
	liveKeys = 2
)

// Key is one key of a merchant. It is read-only for callers.
type Key struct {
	ID        string // unique within the merchant, names the key in logs
	Kind      string // KindAuthen or KindPublic
	Authen    secret.Secret
	PublicPEM string
	Public    *rsa.PublicKey
	CreatedAt time.Time
	EndsAt    time.Time // zero for the current key of its kind
	SeenAt    time.Time // when a request first verified under it, zero before
}

// Verifies reports whether requests under the key are accepted at now.
func (k Key) Verifies(now time.Time) bool { return k.EndsAt.IsZero() || now.Before(k.EndsAt) }

// Fingerprint names the key's value to a person who compares it: the first 16
// hex digits of its SHA-256. A key has 128 random bits, so it gives nothing away.
func (k Key) Fingerprint() string {
	text := k.PublicPEM
	if k.Kind == KindAuthen {
		text = k.Authen.Reveal()
	}
	sum := sha256.Sum256([]byte(text))
	return strings.ToUpper(hex.EncodeToString(sum[:8]))
}

func (m *Merchant) currentKeyID(kind string) string {
	for _, k := range m.Keys {
		if k.Kind == kind && k.EndsAt.IsZero() {
			return k.ID
		}
	}
	return ""
}

// VerifyKeys returns the authen_keys that a request may be made with at now,
// the current one first. There are always two: where only one is live, the
// other is a random key that nobody has, so that checking a request takes as
// long for every merchant and for none. Its ID is "".
func (m *Merchant) VerifyKeys(now time.Time) []Key {
	keys := make([]Key, 0, liveKeys)
	for _, k := range m.Keys {
		if k.Kind == KindAuthen && k.Verifies(now) && len(keys) < liveKeys {
			keys = append(keys, k)
		}
	}
	for len(keys) < liveKeys {
		keys = append(keys, Key{Kind: KindAuthen, Authen: m.pad})
	}
	return keys
}

// VerifyPublicKeys returns the public keys that a signature may be made for at
// now, the current one first; none if the merchant has registered none.
func (m *Merchant) VerifyPublicKeys(now time.Time) []Key {
	var keys []Key
	for _, k := range m.Keys {
		if k.Kind == KindPublic && k.Verifies(now) {
			keys = append(keys, k)
		}
	}
	return keys
}

// CallbackKeys returns the authen_keys that a callback may be made with at
// now, the one to try first in front (money.md §6): the old key until a
// request has verified under the new one or its grace has ended. After a
// rejection the sender takes the next one, in turns.
func (m *Merchant) CallbackKeys(now time.Time) []Key {
	var keys []Key
	for _, k := range m.Keys {
		if k.Kind == KindAuthen && k.Verifies(now) {
			keys = append(keys, k)
		}
	}
	if len(keys) > 1 && keys[0].SeenAt.IsZero() {
		keys[0], keys[1] = keys[1], keys[0]
	}
	return keys
}

// seenKeys remembers which first uses this process has recorded, so that a
// busy merchant costs one write and not one per request.
type seenKeys struct {
	mu   sync.Mutex
	seen map[string]bool
}

// maxSeen bounds what is remembered; losing it costs one write per key.
const maxSeen = 16384

// first reports whether the key was not remembered yet, and remembers it.
func (s *seenKeys) first(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[key] {
		return false
	}
	if s.seen == nil || len(s.seen) >= maxSeen {
		s.seen = map[string]bool{}
	}
	s.seen[key] = true
	return true
}

func (s *seenKeys) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, key)
}

// SawKey records that a request of the merchant verified under that key. Call
// it for every such request: it writes once per key and process, and returns
// at once otherwise. keyID "" is ignored.
func (d *Directory) SawKey(ctx context.Context, m *Merchant, keyID string) error {
	k, ok := lookUp(m.Keys, keyID, func(k Key) string { return k.ID })
	if !ok || !k.SeenAt.IsZero() || d.writer == nil || !d.seen.first(m.ID+"/"+keyID) {
		return nil
	}
	if err := d.writer.SawKey(ctx, m.ID, keyID, d.now()); err != nil {
		d.seen.forget(m.ID + "/" + keyID)
		return fmt.Errorf("record the first use of a key of merchant %s: %w", m.ID, err)
	}
	d.merchants.drop(m.ID)
	return nil
}

// Rotation says how the keys of a merchant change. Members that are zero leave
// their key as it is.
type Rotation struct {
	// NewAuthenKey makes a new random authen_key; AuthenKey takes one that was
	// made elsewhere instead.
	NewAuthenKey bool
	AuthenKey    secret.Secret
	// PublicKeyPEM is a new public key. DropPublicKey removes the present one.
	PublicKeyPEM  string
	DropPublicKey bool
	// Grace is how long the old keys go on verifying, up to MaxGrace. 0 ends
	// them, and any older one, at once: the answer to a key that leaked.
	Grace time.Duration
}

// RotateKeys gives a merchant new keys and returns it; its AuthenKey is to be
// shown once. With a grace period no request is lost: old and new both verify
// until it ends. A second rotation within the grace of the first is refused
// (conflict, key_in_grace) unless Grace is 0. Terminals that were set up by QR
// code must be set up again (R10).
func (d *Directory) RotateKeys(ctx context.Context, by Actor, merchantID string, r Rotation) (*Merchant, error) {
	if r.Grace < 0 || r.Grace > MaxGrace {
		return nil, invalid("grace", "宽限期必须在 0 到 30 天之间")
	}
	return d.changeMerchant(ctx, by, "merchant.rotate_keys", merchantID, func(m *Merchant) error {
		now := d.now()
		if r.NewAuthenKey || !r.AuthenKey.IsZero() {
			key := r.AuthenKey
			if r.NewAuthenKey {
				var err error
				if key, err = NewAuthenKey(); err != nil {
					return err
				}
			}
			if err := m.replaceKey(Key{Kind: KindAuthen, Authen: key}, r.Grace, now); err != nil {
				return err
			}
		}
		if r.PublicKeyPEM != "" || r.DropPublicKey {
			return m.replaceKey(Key{Kind: KindPublic, PublicPEM: r.PublicKeyPEM}, r.Grace, now)
		}
		return nil
	})
}

// EndGrace ends all keys but the current ones at once.
func (d *Directory) EndGrace(ctx context.Context, by Actor, merchantID string) (*Merchant, error) {
	return d.changeMerchant(ctx, by, "merchant.end_grace", merchantID, func(m *Merchant) error {
		now := d.now()
		for i := range m.Keys {
			if k := &m.Keys[i]; !k.EndsAt.IsZero() && k.Verifies(now) {
				k.EndsAt = now
			}
		}
		return nil
	})
}

// replaceKey makes k the current key of its kind. A public key without text
// leaves the merchant without one.
func (m *Merchant) replaceKey(k Key, grace time.Duration, now time.Time) error {
	last := 0
	for i := range m.Keys {
		old := &m.Keys[i]
		if n, err := strconv.Atoi(old.ID[1:]); err == nil && old.Kind == k.Kind {
			last = max(last, n)
		}
		if old.Kind != k.Kind || !old.Verifies(now) {
			continue
		}
		if old.EndsAt.IsZero() && k.same(*old) {
			return nil // it is the current one already
		}
		if !old.EndsAt.IsZero() && grace > 0 {
			return pay.Refuse(pay.ErrConflict, "key_in_grace", "上一次重置密钥的宽限期尚未结束，请先结束宽限期")
		}
		old.EndsAt = now.Add(grace)
	}
	if k.Kind == KindPublic && k.PublicPEM == "" {
		m.PublicKeyPEM, m.PublicKey = "", nil
		return nil
	}
	if err := readKey(&k); err != nil {
		return err
	}
	k.ID, k.CreatedAt = fmt.Sprintf("%c%d", k.Kind[0], last+1), now
	m.Keys = append([]Key{k}, m.Keys...)
	if k.Kind == KindAuthen {
		m.AuthenKey = k.Authen
		return nil
	}
	m.PublicKeyPEM, m.PublicKey = k.PublicPEM, k.Public
	return nil
}

func (k Key) same(o Key) bool {
	if k.Kind == KindAuthen {
		return k.Authen.Equal(o.Authen)
	}
	return k.PublicPEM == o.PublicPEM
}

// readKey refuses a key that cannot be used, and reads a public one.
func readKey(k *Key) error {
	if k.Kind == KindPublic {
		public, err := parsePublicKey(k.PublicPEM)
		if err != nil {
			return invalid("public_key", err.Error())
		}
		k.Public = public
		return nil
	}
	if text := k.Authen.Reveal(); len(text) != KeyLen || !plain(text) {
		return invalid("authen_key", fmt.Sprintf("authen_key must have %d letters and digits", KeyLen))
	}
	return nil
}

// NewAuthenKey makes a random authen_key: KeyLen upper-case hex digits, as the
// console of the original showed them (protocol.md §1.2).
func NewAuthenKey() (secret.Secret, error) {
	b := make([]byte, KeyLen/2)
	if _, err := rand.Read(b); err != nil {
		return secret.Secret{}, fmt.Errorf("make authen_key: %w", err)
	}
	return secret.New(fmt.Sprintf("%X", b)), nil
}
