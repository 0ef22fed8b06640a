package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// wholePermille is a migration that is over.
const wholePermille = 1000

// maxKeyWait bounds the lead and the overlap of a rotation: longer than any
// client may go without asking.
const maxKeyWait = 366 * 24 * time.Hour

// rotation replaces the platform certificate of a provider.
type rotation struct {
	lead    time.Duration // how long the new one is listed before it signs
	overlap time.Duration // how long the old ones are listed after that
	// expiring makes it a renewal of the certificate that expires then, in Unix
	// milliseconds; 0 is a rotation that is asked for.
	expiring int64
}

// A platform certificate is replaced so long before it expires, and its
// successor is listed so long before it signs.
const (
	renewBefore = 30 * 24 * time.Hour
	renewLead   = 24 * time.Hour
)

// PlatformKey is one key that WeChat Pay signs with, as the bench sees it.
type PlatformKey struct {
	Serial string `json:"serial"`
	// Signs tells that answers are signed with it if a request names no key.
	Signs      bool      `json:"signs"`
	ListedFrom time.Time `json:"listed_from,omitzero"`
	SignsFrom  time.Time `json:"signs_from,omitzero"`
	DropsAt    time.Time `json:"drops_at,omitzero"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
}

// WeChatKeys are the keys WeChat Pay has towards one provider.
type WeChatKeys struct {
	MchID        string        `json:"mch_id"`
	Certificates []PlatformKey `json:"certificates"`
	PublicKeyID  string        `json:"public_key_id"`
	// Percent of the notices are signed with the public key; at 100 the
	// answers are, too.
	Percent  float64 `json:"percent"`
	Unlisted bool    `json:"unlisted"`
}

// utcMS is a stored time in UTC, the zero time for never.
func utcMS(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// keysOf finds a provider by its number.
func (s *Sandbox) keysOf(mchID string) (*wxProvider, error) {
	p := s.wx[mchID]
	if p == nil {
		return nil, fmt.Errorf("merchant number %q: %w", mchID, ErrNotFound)
	}
	return p, nil
}

// WeChatKeys tells which keys WeChat Pay signs with towards a provider.
// ErrNotFound is no such provider.
func (s *Sandbox) WeChatKeys(mchID string) (WeChatKeys, error) {
	p, err := s.keysOf(mchID)
	if err != nil {
		return WeChatKeys{}, err
	}
	k, now := p.keys, s.c.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	out := WeChatKeys{
		MchID: mchID, Certificates: []PlatformKey{}, PublicKeyID: p.account.PublicKeyID,
		Percent: float64(k.ring.Permille) / 10, Unlisted: k.ring.Unlisted,
	}
	live := k.ring.live(now)
	if k.ring.Unlisted {
		live = nil
	}
	for _, c := range live {
		cert, err := parseCert(c.CertPEM)
		if err != nil {
			return WeChatKeys{}, err
		}
		key := PlatformKey{
			Serial: c.Serial, Signs: c == k.ring.active(now) && k.ring.Permille < wholePermille,
			ListedFrom: utcMS(c.ListMS), SignsFrom: utcMS(c.SignMS), DropsAt: utcMS(c.DropMS), ExpiresAt: cert.NotAfter,
		}
		out.Certificates = append(out.Certificates, key)
	}
	return out, nil
}

// RotateWeChat makes a new platform certificate for a provider. It is listed at
// once, signs after lead, and the others are dropped overlap after that. Both
// may be zero. It is on disk when the call returns.
func (s *Sandbox) RotateWeChat(ctx context.Context, mchID string, lead, overlap time.Duration) error {
	if lead < 0 || lead > maxKeyWait || overlap < 0 || overlap > maxKeyWait {
		return fmt.Errorf("%w rotation: use waits of 0 to %s", ErrInvalid, maxKeyWait)
	}
	return s.rotatePlatform(ctx, mchID, rotation{lead: lead, overlap: overlap})
}

// MigrateWeChat moves a provider to the WeChat Pay public key: percent of the
// notices, at 100 the answers too that no request asks another key for.
// unlisted takes the certificates away altogether.
func (s *Sandbox) MigrateWeChat(ctx context.Context, mchID string, percent float64, unlisted bool) error {
	if !(percent >= 0 && percent <= 100) {
		return fmt.Errorf("%w percent: use 0 to 100", ErrInvalid)
	}
	return s.changeKeys(ctx, mchID, func(_ *identity, _ *WeChatAccount, ring *wxKeyring, _ time.Time) error {
		ring.Permille, ring.Unlisted = int(percent*10+0.5), unlisted
		return nil
	})
}

// renewPlatform rotates by itself, as upstream does, before the youngest
// certificate expires by the clock of those who verify with it. Where a test
// has jumped over its end, the new one signs at once.
func (s *Sandbox) renewPlatform(ctx context.Context, p *wxProvider) error {
	p.keys.mu.Lock()
	end := p.keys.endMS
	p.keys.mu.Unlock()
	now := s.wireNow()
	if now.Add(renewBefore).UnixMilli() < end {
		return nil
	}
	turn := rotation{lead: renewLead, overlap: overlapSpan, expiring: end}
	if now.UnixMilli() >= end {
		turn.lead = 0
	}
	return s.rotatePlatform(ctx, p.account.MchID, turn)
}

// rotatePlatform is RotateWeChat for a rotation that is within bounds.
func (s *Sandbox) rotatePlatform(ctx context.Context, mchID string, turn rotation) error {
	return s.changeKeys(ctx, mchID, func(id *identity, _ *WeChatAccount, ring *wxKeyring, now time.Time) error {
		if end, err := ring.end(); err != nil || turn.expiring > 0 && turn.expiring != end {
			return err // somebody else has renewed it meanwhile
		}
		from := s.wireNow().Add(-time.Hour) // whoever checks it may have a slow clock
		key, err := s.c.NewKey()
		if err != nil {
			return err
		}
		next, err := id.makePlatform(key, from, from.Add(platformLife))
		if err != nil {
			return err
		}
		next.ListMS, next.SignMS = now.UnixMilli(), now.Add(turn.lead).UnixMilli()
		drop := now.Add(turn.lead + turn.overlap).UnixMilli()
		for i := range ring.Platform {
			if p := &ring.Platform[i]; p.DropMS == 0 || p.DropMS > drop {
				p.DropMS = drop
			}
		}
		ring.Platform = slices.DeleteFunc(ring.Platform, func(p platformCert) bool { return p.DropMS <= now.UnixMilli() })
		if len(ring.Platform) >= maxRotations {
			return fmt.Errorf("%w: %d certificates overlap already", ErrConflict, maxRotations)
		}
		ring.Platform = append(ring.Platform, next)
		return nil
	})
}

// changeKeys changes a provider's ring and API certificate on disk, then in memory. One change is
// made at a time, so that the two never differ in their order.
func (s *Sandbox) changeKeys(ctx context.Context, mchID string, change func(*identity, *WeChatAccount, *wxKeyring, time.Time) error) error {
	p, err := s.keysOf(mchID)
	if err != nil {
		return err
	}
	s.keyChange.Lock()
	defer s.keyChange.Unlock()
	var ring wxKeyring
	var account WeChatAccount
	err = s.run(ctx, func(ctx context.Context, tx *txn) error {
		var raw []byte
		var id identity
		if _, err := tx.row(ctx, "SELECT value FROM meta WHERE name = 'identity'", nil, []any{&raw}); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &id); err != nil {
			return fmt.Errorf("read sandbox accounts: %w", err)
		}
		i := slices.IndexFunc(id.Accounts.Providers, func(p Provider) bool { return p.WeChat.MchID == mchID })
		if i < 0 {
			return fmt.Errorf("merchant number %q: %w", mchID, ErrNotFound)
		}
		if err := change(&id, &id.Accounts.Providers[i].WeChat, &id.WeChatKeys[i], tx.now); err != nil {
			return err
		}
		ring, account = id.WeChatKeys[i], id.Accounts.Providers[i].WeChat
		if raw, err = json.Marshal(id); err != nil {
			return fmt.Errorf("write sandbox accounts: %w", err)
		}
		return tx.exec(ctx, "UPDATE meta SET value = ? WHERE name = 'identity'", raw)
	})
	if err != nil {
		return fmt.Errorf("change wechat keys: %w", err)
	}
	if err := p.keys.replace(account, ring); err != nil {
		return fmt.Errorf("change wechat keys: %w", err)
	}
	s.c.Log.InfoContext(ctx, "wechat keys changed", slog.String("mch_id", mchID), slog.Int("certificates", len(ring.Platform)),
		slog.Int("permille", ring.Permille), slog.Bool("unlisted", ring.Unlisted))
	return nil
}

// getWeChatKeys shows a provider's keys.
func (s *Sandbox) getWeChatKeys(r *http.Request) (int, any, error) {
	out, err := s.WeChatKeys(r.PathValue("mchid"))
	return http.StatusOK, out, err
}

// postRotate makes a new platform certificate and shows the keys as they are
// then.
func (s *Sandbox) postRotate(r *http.Request) (int, any, error) {
	var in struct {
		Lead    int64 `json:"lead_seconds"`
		Overlap int64 `json:"overlap_seconds"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	longest := int64(maxKeyWait.Seconds())
	if in.Lead < 0 || in.Lead > longest || in.Overlap < 0 || in.Overlap > longest {
		return 0, nil, fmt.Errorf("%w lead_seconds, overlap_seconds: use 0 to %d", ErrInvalid, longest)
	}
	err := s.RotateWeChat(r.Context(), r.PathValue("mchid"), time.Duration(in.Lead)*time.Second, time.Duration(in.Overlap)*time.Second)
	if err != nil {
		return 0, nil, err
	}
	return s.getWeChatKeys(r)
}

// postMigrate sets how far the migration to the public key has gone.
func (s *Sandbox) postMigrate(r *http.Request) (int, any, error) {
	var in struct {
		Percent  float64 `json:"percent"`
		Unlisted bool    `json:"unlisted"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	if err := s.MigrateWeChat(r.Context(), r.PathValue("mchid"), in.Percent, in.Unlisted); err != nil {
		return 0, nil, err
	}
	return s.getWeChatKeys(r)
}
