package channel

import (
	"context"
	"crypto/rand"
)

// Prober is a channel that can be rehearsed. Both wallets' adapters implement
// it.
type Prober interface {
	// Probe asks the wallet something that changes nothing, and returns nil when
	// the answer verifies: then the keys of both sides fit. merchant may be empty
	// for a provider that has none yet; its API says which of WeChat Pay's is
	// tried. The error names what went wrong and holds nothing secret.
	Probe(ctx context.Context, merchant Merchant) error
}

// ProbeNumber returns an order number that no order has: 26 letters and digits
// of 130 random bits, which begin with no merchant's prefix.
func ProbeNumber() string { return "probe" + rand.Text() }
