package channel

import "net/http"

// Check is what looking again at kept bytes of a wallet came to.
type Check string

// The results.
const (
	CheckVerified Check = "verified" // a signature or code is there and holds
	CheckFailed   Check = "failed"   // what is kept is not what was signed
	// CheckNoFit: no key at hand fits, and the wallet names none, so that only
	// who knows when keys changed can say whether this is CheckFailed.
	CheckNoFit    Check = "no_fit"
	CheckNoKey    Check = "no_key"   // the key that it names is not kept any more
	CheckUnsigned Check = "unsigned" // the wallet signs no such message
)

// Kept is an answer or a notice of a wallet as it was kept.
type Kept struct {
	Notice  bool
	URL     string // that was asked; "" for a notice
	Request []byte // our own body; nil for a notice
	Status  int    // HTTP status of an answer; 0 for a notice
	Header  http.Header
	Body    []byte
	// Believed says that what came of it rested on a checked signature.
	Believed bool
}

// WalletKey is a key of the wallet's that verifies: a certificate or a bare
// public key. It is public, and may be kept and shown.
type WalletKey struct {
	Role   KeyRole // RolePlatform or RolePublicKey
	Serial string
	PEM    string
}

// Rechecker is a channel that can check again what was kept of its wallet. Both
// wallets' adapters implement it. It calls nobody.
type Rechecker interface {
	// Recheck checks the signature of kept bytes with the account's keys, with
	// those that the wallet has shown it, and with others that were kept. How old
	// the signature is does not matter.
	Recheck(k Kept, others []WalletKey) Check
	// WalletKeys returns the wallet's keys that are known now.
	WalletKeys() []WalletKey
}
