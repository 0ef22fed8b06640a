package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/secret"
)

// rotate replaces the merchant's authen_key. The old one goes on verifying for
// longer than a run has faults, so nobody may notice (P9). Callbacks may be
// signed with the new key before whoever asked for it has heard of it.
func (w *world) rotate(ctx context.Context) {
	r := w.dice("key")
	text := fmt.Sprintf("%016X%016X", r.Uint64(), r.Uint64())
	w.mu.Lock()
	w.accepted = append(w.accepted, cpay.NewKey(text))
	w.mu.Unlock()
	w.actor(func() {
		for !w.replaceKey(ctx, text) { // the same again, as an operator would
			w.sleep(between(w.dice("key again"), time.Second, 10*time.Second))
		}
		w.fault("key rotated")
		w.sleep(between(r, 0, time.Minute))
		w.mu.Lock()
		w.keys = append(w.keys, cpay.NewKey(text))
		w.mu.Unlock()
	})
}

// replaceKey tries once and reports whether it is done.
func (w *world) replaceKey(ctx context.Context, text string) bool {
	p := w.running()
	if p == nil {
		return false
	}
	_, err := p.people.RotateKeys(ctx, directory.System, merchantID, directory.Rotation{AuthenKey: secret.New(text), Grace: 48 * time.Hour})
	w.note("key", "is replaced: %v", err == nil)
	return err == nil
}

// key is the key that tills use now.
func (w *world) key() cpay.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[len(w.keys)-1]
}

// opened verifies a callback with one of the merchant's keys.
func (w *world) opened(body []byte) (*cpay.Envelope, error) {
	w.mu.Lock()
	keys := append([]cpay.Key{w.Kit.authenKey}, w.accepted...)
	w.mu.Unlock()
	for _, k := range keys {
		if e, err := cpay.Open(body, cpay.Keys{AuthenKey: k}); err == nil {
			return e, nil
		}
	}
	return nil, errors.New("it does not verify")
}
