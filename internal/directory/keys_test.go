package directory_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func publicKey(t *testing.T) string {
	t.Helper()
	k := got[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	der := got[[]byte](t)(x509.MarshalPKIXPublicKey(&k.PublicKey))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// verifies reports whether a request made with that key is accepted.
func verifies(m *directory.Merchant, key secret.Secret, now time.Time) bool {
	ok := false
	for _, k := range m.VerifyKeys(now) {
		ok = k.Authen.Equal(key) || ok
	}
	return ok
}

func TestOldAndNewKeyVerifyDuringTheGrace(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx, grace := t.Context(), time.Hour
		first := h.merchant().AuthenKey
		m := got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: grace}))
		second := m.AuthenKey
		if second.Equal(first) || len(second.Reveal()) != directory.KeyLen {
			t.Fatal("the key is the same, or none")
		}
		check := func(when string, old bool) {
			t.Helper()
			m := h.merchant()
			if verifies(m, first, h.now()) != old || !verifies(m, second, h.now()) {
				t.Errorf("%s: the old key verifies: %v, want %v", when, !old, old)
			}
			if n := len(m.VerifyKeys(h.now())); n != 2 {
				t.Errorf("%s: %d keys to check with, want 2 at any time", when, n)
			}
		}
		check("at once", true)
		_, err := h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: grace})
		refused(t, err, pay.ErrConflict, "key_in_grace")
		h.advance(grace - time.Millisecond)
		check("just before the end", true)
		h.advance(time.Millisecond)
		check("at the end", false)
		third := got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: grace}))
		got[*directory.Merchant](t)(h.EndGrace(ctx, byOperator, theMerchant))
		if m := h.merchant(); verifies(m, second, h.now()) || !verifies(m, third.AuthenKey, h.now()) {
			t.Error("EndGrace did not end the old key, or the new one too")
		}
		// A key that leaked ends at once, whatever grace was running.
		h.advance(time.Second)
		fourth := got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: grace}))
		own := secret.New(strings.Repeat("Z9", 16))
		got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{AuthenKey: own}))
		if m := h.merchant(); verifies(m, third.AuthenKey, h.now()) || verifies(m, fourth.AuthenKey, h.now()) || !m.AuthenKey.Equal(own) {
			t.Error("a reset without grace left an old key alive, or did not take the given one")
		}
	})
}

func TestCallbacksUseTheOldKeyUntilTheNewOneWasSeen(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		old := h.merchant().AuthenKey
		m := got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: time.Hour}))
		order := func(now time.Time) []secret.Secret {
			var keys []secret.Secret
			for _, k := range h.merchant().CallbackKeys(now) {
				keys = append(keys, k.Authen)
			}
			return keys
		}
		if keys := order(h.now()); len(keys) != 2 || !keys[0].Equal(old) || !keys[1].Equal(m.AuthenKey) {
			t.Error("before the new key was seen: want the old one first, then the new one")
		}
		must(t, h.SawKey(ctx, m, m.VerifyKeys(h.now())[1].ID)) // the old one says nothing
		if keys := order(h.now()); !keys[0].Equal(old) {
			t.Error("a use of the old key counts for the new one")
		}
		must(t, h.SawKey(ctx, m, m.VerifyKeys(h.now())[0].ID))
		if keys := order(h.now()); len(keys) != 2 || !keys[0].Equal(m.AuthenKey) {
			t.Error("after the new key was seen: want it first")
		}
		if keys := order(h.now().Add(time.Hour)); len(keys) != 1 || !keys[0].Equal(m.AuthenKey) {
			t.Error("after the grace: want the new key only")
		}
		seen := h.merchant().Keys[0].SeenAt
		h.advance(time.Minute)
		must(t, h.open().SawKey(ctx, m, m.Keys[0].ID)) // another process, a stale snapshot
		must(t, h.SawKey(ctx, m, ""))                  // the padding
		if again := h.merchant().Keys[0].SeenAt; !again.Equal(seen) || seen.IsZero() {
			t.Errorf("first use moved from %v to %v", seen, again)
		}
	})
}

func TestPublicKeysRotateApart(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	authen := h.merchant().AuthenKey
	one, two := publicKey(t), publicKey(t)
	if keys := h.merchant().VerifyPublicKeys(h.now()); len(keys) != 0 {
		t.Fatalf("%d public keys before any", len(keys))
	}
	rotate := func(r directory.Rotation) *directory.Merchant {
		t.Helper()
		return got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, r))
	}
	rotate(directory.Rotation{PublicKeyPEM: one})
	h.advance(time.Second)
	m := rotate(directory.Rotation{PublicKeyPEM: two, Grace: time.Hour})
	keys := m.VerifyPublicKeys(h.now())
	if len(keys) != 2 || keys[0].PublicPEM != two || keys[1].PublicPEM != one || keys[0].Public == nil || m.PublicKeyPEM != two {
		t.Error("want the new public key, then the old one")
	}
	if !m.AuthenKey.Equal(authen) {
		t.Error("the authen_key changed with the public key")
	}
	if keys[0].Fingerprint() == keys[1].Fingerprint() || len(keys[0].Fingerprint()) != 16 {
		t.Error("fingerprints do not tell keys apart")
	}
	m = rotate(directory.Rotation{DropPublicKey: true})
	if len(m.VerifyPublicKeys(h.now())) != 0 || m.PublicKey != nil {
		t.Error("a dropped public key still verifies")
	}
	_, err := h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{PublicKeyPEM: "key"})
	refused(t, err, pay.ErrInvalid, "invalid_public_key")
	_, err = h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{AuthenKey: secret.New("short")})
	refused(t, err, pay.ErrInvalid, "invalid_authen_key")
	_, err = h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: directory.MaxGrace + 1})
	refused(t, err, pay.ErrInvalid, "invalid_grace")
	// The present key again is no rotation.
	if again := rotate(directory.Rotation{AuthenKey: authen}); again.Version != m.Version {
		t.Error("rotating to the present key changed something")
	}
}

// TestRotationLosesNoRequest rotates a merchant's key under load: clients on
// two nodes use the old key until the rotation is answered and the new one
// from then on, and no request may be refused. A node that still remembers the
// old keys asks again before it refuses.
func TestRotationLosesNoRequest(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		nodes := []*directory.Directory{h.open(), h.open()}
		accepted := func(d *directory.Directory, key secret.Secret) bool {
			m, known, err := d.Claimed(ctx, theMerchant)
			if err == nil && known && verifies(m, key, h.now()) {
				return d.SawKey(ctx, m, m.VerifyKeys(h.now())[0].ID) == nil
			}
			m, known, changed, err := d.Newer(ctx, theMerchant, m)
			return err == nil && known && changed && verifies(m, key, h.now())
		}
		var mu sync.RWMutex // held for reading during a request
		current := h.merchant().AuthenKey
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					mu.RLock()
					ok := accepted(nodes[i%2], current)
					mu.RUnlock()
					if !ok {
						t.Errorf("client %d: request %d was refused", i, n)
						return
					}
				}
			})
		}
		for i := range 6 {
			m := got[*directory.Merchant](t)(h.RotateKeys(ctx, byOperator, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: time.Hour}))
			mu.Lock()
			current = m.AuthenKey
			if i%2 == 1 {
				h.advance(2 * time.Hour) // the grace is over, and what nodes remember is old
			} else {
				got[*directory.Merchant](t)(h.EndGrace(ctx, byOperator, theMerchant))
			}
			mu.Unlock()
		}
		close(stop)
		wg.Wait()
	})
}

func TestCheckingAgainFindsChangesOfOtherNodesOnly(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	node := h.open()
	m, _, err := node.Claimed(ctx, theMerchant)
	must(t, err)
	if _, _, changed, err := node.Newer(ctx, theMerchant, m); changed || err != nil {
		t.Errorf("nothing changed, but Newer says %v, %v", changed, err)
	}
	stranger, _, err := node.Claimed(ctx, "nobody")
	must(t, err)
	if _, known, changed, err := node.Newer(ctx, "nobody", stranger); known || changed || err != nil {
		t.Errorf("a stranger became known: %v %v %v", known, changed, err)
	}
	if _, known, changed, err := node.Newer(ctx, "no/body", stranger); known || changed || err != nil {
		t.Errorf("an impossible id: %v %v %v", known, changed, err)
	}
	if _, _, err := node.Claimed(ctx, "sz01NEWSUB0000000001"); err != nil { // remembered as absent
		t.Fatal(err)
	}
	made := got[*directory.Merchant](t)(h.CreateMerchant(ctx, byOperator, directory.Merchant{ID: "sz01NEWSUB0000000001", ProviderID: theProvider}))
	if m, known, changed, err := node.Newer(ctx, made.ID, stranger); !known || !changed || err != nil || !m.AuthenKey.Equal(made.AuthenKey) {
		t.Errorf("a new merchant is not found: %v %v %v", known, changed, err)
	}
	got[*directory.Merchant](t)(h.UpdateMerchant(ctx, byOperator, made.ID, func(m *directory.Merchant) error { m.Disabled = true; return nil }))
	if _, known, _, err := node.Newer(ctx, made.ID, made); known || err != nil {
		t.Errorf("a disabled merchant is known: %v, %v", known, err)
	}
}

func TestDisabledProviderStopsItsMerchants(t *testing.T) {
	t.Parallel()
	h, ctx := onSQLite(t), t.Context()
	got[*directory.Provider](t)(h.UpdateProvider(ctx, byOperator, theProvider, func(p *directory.Provider) error { p.Disabled = true; return nil }))
	if _, known, err := h.Claimed(ctx, theMerchant); known || err != nil {
		t.Errorf("Claimed = %v, %v, want a stranger", known, err)
	}
	if _, known, err := h.ClaimedShop(ctx, theShop); known || err != nil {
		t.Errorf("ClaimedShop = %v, %v, want a stranger", known, err)
	}
}

func TestPrefixesAreAllocatedOnceAndForAll(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		first := h.merchant().Prefixes
		if len(first) != 2 || directory.KindOfPrefix(first[0]) != directory.DigitPrefix || directory.KindOfPrefix(first[1]) != directory.LetterPrefix {
			t.Fatalf("prefixes of a new merchant: %v, want one of digits and one of letters", first)
		}
		all := slices.Clone(first)
		for _, kind := range []directory.PrefixKind{directory.DigitPrefix, directory.LetterPrefix, directory.DigitPrefix} {
			p := got[string](t)(h.AllocatePrefix(ctx, byOperator, theMerchant, kind))
			if directory.KindOfPrefix(p) != kind || !directory.ValidPrefix(p) {
				t.Errorf("%s is no %s prefix", p, kind)
			}
			if kind == directory.DigitPrefix && (len(p) != 8 || p[0] != '0') || kind == directory.LetterPrefix && len(p) != 10 {
				t.Errorf("prefix %s has another form", p)
			}
			if !h.merchant().HasPrefix(p + "1") {
				t.Errorf("prefix %s does not work", p)
			}
			all = append(all, p)
		}
		_, err := h.AllocatePrefix(ctx, byOperator, theMerchant, "roman")
		refused(t, err, pay.ErrInvalid, "invalid_kind")
		must(t, h.DeleteMerchant(ctx, byOperator, theMerchant))
		for _, p := range all { // not even after the deletion
			_, err := h.CreateMerchant(ctx, byOperator, directory.Merchant{ProviderID: theProvider, Prefixes: []string{p}})
			if err == nil || !strings.Contains(err.Error(), pay.ErrConflict.Error()) {
				t.Errorf("prefix %s was given out twice: %v", p, err)
			}
		}
		_, err = h.UpdateMerchant(ctx, byOperator, theMerchant, func(*directory.Merchant) error { return nil })
		refused(t, err, pay.ErrNotFound, "merchant_unknown")
	})
}
