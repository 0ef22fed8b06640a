package day

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// maxKeys bounds how many keys are looked through: one a month for a century.
const maxKeys = 1200

// Keys returns the public keys that days were and are signed with, newest first.
// The first call of an installation makes one.
func (d *Days) Keys(ctx context.Context) ([]store.DayKey, error) {
	keys, err := d.c.Store.DayKeys(ctx, maxKeys)
	if err == nil && len(keys) == 0 {
		if err = d.make(ctx, 1); err == nil {
			keys, err = d.c.Store.DayKeys(ctx, maxKeys)
		}
	}
	return keys, err
}

// Rotate makes a new key. Days that are closed from now on are signed with it;
// the first of every merchant carries the endorsement of the old one, whose
// private half is kept for that.
func (d *Days) Rotate(ctx context.Context) (store.DayKey, error) {
	keys, err := d.Keys(ctx)
	if err != nil {
		return store.DayKey{}, err
	}
	if err := d.make(ctx, keys[0].Number+1); err != nil {
		return store.DayKey{}, err
	}
	if keys, err = d.Keys(ctx); err != nil {
		return store.DayKey{}, err
	}
	return keys[0], nil
}

// make adds a key of a number, unless somebody else is faster.
func (d *Days) make(ctx context.Context, number int64) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make key for days: %w", err)
	}
	vault, err := d.c.Vault(ctx)
	if err != nil {
		return err
	}
	k := store.DayKey{Number: number, Public: base64.StdEncoding.EncodeToString(public), MadeAt: d.c.Now()}
	k.Sealed = vault.Seal(placeOf(k.Public), secret.New(string(private.Seed())))
	_, err = d.c.Store.AddDayKey(ctx, k)
	return err
}

// placeOf is where a private key belongs, so that none opens as another's.
func placeOf(public string) secret.Place { return secret.Place{Purpose: "day_key", Owner: public} }

// open returns the private half of a key.
func (d *Days) open(ctx context.Context, k store.DayKey) (ed25519.PrivateKey, error) {
	vault, err := d.c.Vault(ctx)
	if err != nil {
		return nil, err
	}
	seed, err := vault.Open(placeOf(k.Public), k.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open the key for days: %w", err)
	}
	if len(seed.Reveal()) != ed25519.SeedSize {
		return nil, errors.New("the key for days is not one")
	}
	return ed25519.NewKeyFromSeed([]byte(seed.Reveal())), nil
}

// signer returns the key that signs today.
func (d *Days) signer(ctx context.Context) (ed25519.PrivateKey, error) {
	keys, err := d.Keys(ctx)
	if err != nil {
		return nil, err
	}
	return d.open(ctx, keys[0])
}

// endorse says with the key of the last record that another follows it, "" if it
// is the same.
func (d *Days) endorse(ctx context.Context, last store.ClosedDay, next ed25519.PrivateKey) (string, error) {
	var rec Record
	if err := json.Unmarshal([]byte(last.Record), &rec); err != nil {
		return "", fmt.Errorf("read the day before: %w", err)
	}
	public, ok := next.Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("the key for days has no public half")
	}
	if rec.Key == base64.StdEncoding.EncodeToString(public) {
		return "", nil
	}
	keys, err := d.Keys(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.Public != rec.Key {
			continue
		}
		old, err := d.open(ctx, k)
		if err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(ed25519.Sign(old, EndorsedBytes(public))), nil
	}
	return "", errors.New("the key of the day before is not there any more: the chain cannot go on under another")
}
