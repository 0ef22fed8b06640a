package api

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"log/slog"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// vouch finds whose keys may have authenticated a request and checks it with
// them (protocol.md §1.4). Somebody unknown costs as much as a wrong code:
// there are keys to check with in any case.
func (s *Server) vouch(ctx context.Context, c *call, e *cpay.Envelope, hint cpay.Hint) error {
	if c.route.owner == byDevice {
		return s.vouchDevice(ctx, c, e, hint.SNCode)
	}
	m, known, err := s.claimed(ctx, c.route.owner, hint)
	if err != nil {
		return err
	}
	now := s.Now()
	key, ok := s.check(e, m, now)
	if !ok || !known {
		// Another process may have changed the keys since ours were read.
		var changed bool
		id := cmp.Or(m.ID, hint.OutSubMchID, hint.OutShopID)
		if m, known, changed, err = s.Directory.Newer(ctx, id, m); err != nil {
			return err
		}
		if changed {
			key, ok = s.check(e, m, now)
		}
	}
	if !ok || !known {
		if known {
			c.hinted = m.ID
		}
		return errAuthen
	}
	c.merchant, c.key = m, cpay.NewKey(key.Authen.Reveal())
	if err := s.Directory.SawKey(ctx, m, key.ID); err != nil {
		s.Log.WarnContext(ctx, "first use of a key not recorded", slog.String("error", err.Error()))
	}
	return nil
}

// claimed returns the merchant that a request names as its sender.
func (s *Server) claimed(ctx context.Context, by owner, hint cpay.Hint) (*directory.Merchant, bool, error) {
	id := hint.OutSubMchID
	switch {
	case id != "":
	case by == byShop:
		return s.Directory.ClaimedShop(ctx, hint.OutShopID)
	case hint.Wallet.SubMchID != "":
		var err error
		if id, err = s.WalletOwner(ctx, hint.Wallet.SubMchID); err != nil && !errors.Is(err, pay.ErrNotFound) {
			return nil, false, err
		}
	}
	return s.Directory.Claimed(ctx, id)
}

// check verifies e with the merchant's keys, of which any that is valid now
// will do, and returns the authen_key for the answer. All keys are tried,
// whichever fits, so that time does not tell how many there are.
func (s *Server) check(e *cpay.Envelope, m *directory.Merchant, now time.Time) (directory.Key, bool) {
	info := e.AuthenInfo()
	authen, public := m.VerifyKeys(now), s.publicKeys(m, now)
	if info.A == nil {
		authen = authen[:1] // nothing to check with it
	}
	if info.S == nil {
		public = public[:1]
	}
	found := -1
	for i := range authen {
		key := cpay.NewKey(authen[i].Authen.Reveal())
		for _, p := range public {
			if e.Verify(cpay.Keys{AuthenKey: key, PublicKey: p}) == nil && found < 0 {
				found = i
			}
		}
	}
	switch {
	case found < 0:
		return directory.Key{}, false
	case info.A == nil: // a signature says nothing of which authen_key its sender has
		return m.CallbackKeys(now)[0], true
	}
	return authen[found], true
}

// signingKeys is how many public keys a signature is checked with: the current
// one and one that ends.
const signingKeys = 2

// publicKeys returns the public keys of a merchant, filled up with one that
// nobody can sign for.
func (s *Server) publicKeys(m *directory.Merchant, now time.Time) []*rsa.PublicKey {
	keys := make([]*rsa.PublicKey, 0, signingKeys)
	for _, k := range m.VerifyPublicKeys(now) {
		if len(keys) < signingKeys {
			keys = append(keys, k.Public)
		}
	}
	for len(keys) < signingKeys {
		keys = append(keys, s.Directory.Stranger().PublicKey)
	}
	return keys
}

// vouchDevice checks a request of a device with its init key.
func (s *Server) vouchDevice(ctx context.Context, c *call, e *cpay.Envelope, sn string) error {
	v, known, err := s.Directory.ClaimedDevice(ctx, sn)
	if err != nil {
		return err
	}
	key := cpay.NewKey(v.InitKey.Reveal())
	if err := e.Verify(cpay.Keys{AuthenKey: key, PublicKey: s.Directory.Stranger().PublicKey}); err != nil || !known {
		return errAuthen
	}
	c.device, c.key = v, key
	return nil
}
