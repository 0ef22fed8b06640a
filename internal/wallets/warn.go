package wallets

import (
	"fmt"
	"time"

	"cloudpay/internal/channel"
)

// When an account is worth a word.
const (
	// endsSoon is how long before its end a certificate is named: renewing one
	// with a wallet takes days and people.
	endsSoon = 30 * 24 * time.Hour
	// quietFor is how long an account may be without a verified answer: longer
	// than a week-end.
	quietFor = 72 * time.Hour
	// staleAfter is how old the list of platform certificates may be
	// (upstreams.md §3.2 wants a look every 12 h).
	staleAfter = 13 * time.Hour
)

// Warning is something that somebody should know of an account.
type Warning struct {
	Code string
	Text string
	Role channel.KeyRole // of WarnKeyEnds
}

// The codes of warnings.
const (
	WarnUnusable   = "unusable"   // no channel can be made of the account
	WarnKeyEnds    = "key_ends"   // a certificate ends soon, or has
	WarnUnverified = "unverified" // nothing has been verified with it yet
	WarnQuiet      = "quiet"      // nothing has been verified for long
	WarnFailed     = "failed"     // the last call failed
	WarnRefresh    = "refresh"    // the wallet's certificates are not fetched
)

func (s *Status) add(code, text string) {
	s.Warnings = append(s.Warnings, Warning{Code: code, Text: text})
}

// warn adds what somebody should know.
func (s *Status) warn(now time.Time) {
	for _, k := range s.Keys {
		left := k.Until.Sub(now)
		if k.Until.IsZero() || left >= endsSoon || s.replaced(k) {
			continue
		}
		ends := "ends"
		if left <= 0 {
			ends = "ended"
		}
		s.Warnings = append(s.Warnings, Warning{
			Code: WarnKeyEnds, Role: k.Role, Text: fmt.Sprintf("%s %s %s on %s", roleName(k.Role), k.Serial, ends, k.Until.UTC().Format(time.DateOnly)),
		})
	}
	switch {
	case s.Verified.IsZero():
		s.add(WarnUnverified, "no answer has been verified yet")
	case now.Sub(s.Verified) >= quietFor:
		s.add(WarnQuiet, "no answer has been verified since "+s.Verified.UTC().Format(time.RFC3339))
	}
	if f := s.Failure; f.At.After(s.Verified) {
		s.add(WarnFailed, fmt.Sprintf("the last call failed: %s at %s, %s", f.Call, f.At.UTC().Format(time.RFC3339), f.Kind))
	}
	switch {
	case s.RefreshFailure != "":
		s.add(WarnRefresh, "the wallet's certificates were not fetched: "+s.RefreshFailure)
	case !s.Refreshed.IsZero() && now.Sub(s.Refreshed) >= staleAfter && now.Sub(s.Verified) < quietFor:
		s.add(WarnRefresh, "the wallet's certificates were last fetched at "+s.Refreshed.UTC().Format(time.RFC3339))
	}
}

// replaced reports whether the wallet has a key that lives longer than k, which
// is one of its own: then nobody here has to do a thing.
func (s *Status) replaced(k channel.KeyHealth) bool {
	if k.Role != channel.RolePlatform {
		return false
	}
	for _, o := range s.Keys {
		if o.Role == channel.RolePublicKey || o.Role == channel.RolePlatform && o.Until.After(k.Until) {
			return true
		}
	}
	return false
}

func roleName(r channel.KeyRole) string {
	switch r {
	case channel.RoleOurs:
		return "our certificate"
	case channel.RolePlatform:
		return "the wallet's certificate"
	case channel.RolePublicKey:
		return "the wallet's public key"
	case channel.RoleRoot:
		return "the root"
	}
	return string(r)
}
