package channel

import (
	"errors"
	"sync"
	"time"

	"cloudpay/internal/pay"
)

// Healther is a channel that can tell how it stands. Both wallets' adapters
// implement it.
type Healther interface {
	// Health tells about the account's keys and its last calls. It calls nobody,
	// and reads under a lock that no call waits for long.
	Health() Health
}

// Health is what an adapter knows of one account: the keys it uses, and how
// its last calls went. Times are UTC, zero for "never" or "not known". It holds
// no secret and may be shown and stored.
type Health struct {
	// Keys are the certificates and keys in use, ours first.
	Keys []KeyHealth
	// Verified is when an answer or notice last verified.
	Verified time.Time
	// Failure is the last call without a verified answer, or the last refusal of
	// our own signature or account.
	Failure Failure
	// Refreshed is when the wallet's certificates were last fetched, and
	// RefreshFailure why the last attempt failed ("" when it did not).
	Refreshed      time.Time
	RefreshFailure string
}

// KeyHealth is one certificate or public key of an account.
type KeyHealth struct {
	Role   KeyRole
	Serial string    // certificate serial, or PUB_KEY_ID_…; "" for a key without a name
	From   time.Time // zero for a key that is not a certificate
	Until  time.Time // zero for a key that never expires
	Used   time.Time // when it last verified something; zero for our own
}

// KeyRole says whose key it is and what for.
type KeyRole string

// The roles of keys.
const (
	RoleOurs      KeyRole = "ours"       // signs our requests: API certificate, application certificate or key
	RolePlatform  KeyRole = "platform"   // a certificate of the wallet, verifies its answers and notices
	RolePublicKey KeyRole = "public_key" // a bare public key of the wallet, verifies its answers and notices
	RoleRoot      KeyRole = "root"       // a root that the wallet's certificate is checked against
)

// Failure is one call that went wrong.
type Failure struct {
	At   time.Time
	Call string // the adapter's name of the call, such as pay or refund
	Kind string // a fixed name such as timeout or signature, or the wallet's code
}

// Pulse remembers when an account last answered and last failed. The zero
// value is ready, and it is safe for concurrent use. With a nil clock it
// remembers no times.
type Pulse struct {
	mu       sync.Mutex
	verified time.Time
	failure  Failure
}

// Good notes a verified answer or notice.
func (p *Pulse) Good(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.verified = now.UTC()
}

// Bad notes a call without a verified answer.
func (p *Pulse) Bad(now time.Time, call, kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = Failure{At: now.UTC(), Call: call, Kind: kind}
}

// Outcome notes how a call ended: verified, lost, or a refusal for the
// operator (an alert about configuration).
func (p *Pulse) Outcome(now time.Time, call string, out pay.Outcome) {
	if out.Verified {
		p.Good(now)
	}
	switch {
	case out.Lost:
		p.Bad(now, call, lostKind(out))
	case out.Alert:
		p.Bad(now, call, out.Code)
	}
}

// Last returns what was noted.
func (p *Pulse) Last() (verified time.Time, failure Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.verified, p.failure
}

// lostKind is the name of a loss: the wallet's code if it sent one, else the
// name of the LostError whose text the outcome carries.
func lostKind(out pay.Outcome) string {
	if out.Code != "" {
		return out.Code
	}
	return LostError(out.Text).Name()
}

// Name is a short name of the loss for logs and boards.
func (e LostError) Name() string {
	switch e {
	case ErrTimeout:
		return "timeout"
	case ErrDial:
		return "dial"
	case ErrTLS:
		return "tls"
	case ErrCut:
		return "cut"
	case ErrStatus:
		return "status"
	case ErrTooLong:
		return "too_long"
	case ErrUnreadable:
		return "unreadable"
	case ErrSignature:
		return "signature"
	case ErrKeys:
		return "keys"
	}
	return "other"
}

// ErrProbe is what ParseNotice returns for a message that the wallet sends to
// see whether it is refused (WeChat's SIGNTEST, upstreams.md §3.7). It must be
// answered like every refused notice, and is no reason for an alarm.
var ErrProbe = errors.New("channel: a probe of the wallet, not a notice")
