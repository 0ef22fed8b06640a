package wallets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Skew asks a wallet something harmless and returns by how much our clock is
// ahead of the wallet's: negative when it is behind. It is known to a second or
// so, since the wallet tells whole seconds; exact is how far it may be wrong. It
// does not matter whether the answer says yes. known is false when no answer
// told the time.
func (w *Wallets) Skew(ctx context.Context, providerID string, ch pay.Channel, merchant channel.Merchant) (ahead, exact time.Duration, known bool, err error) {
	a, err := w.Directory.Account(ctx, providerID, ch)
	if err != nil {
		return 0, 0, false, err
	}
	c, err := w.Build(a) // of its own, so that no breaker and no health hears of it
	if err != nil {
		return 0, 0, false, fmt.Errorf("account of provider %s at %s: %w", providerID, ch, err)
	}
	defer closeIdle(c)
	p, ok := c.(channel.Prober)
	if !ok {
		return 0, 0, false, errors.New("wallets: the adapter cannot be asked")
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	ctx, told := channel.WithWalletTime(ctx)
	before := w.Now()
	_ = p.Probe(ctx, merchant) // a refusal tells the time as well
	after := w.Now()
	at := told()
	if at.IsZero() {
		return 0, 0, false, nil
	}
	// The answer was made between the two, within the second that it names.
	took := after.Sub(before)
	middle := before.Add(took / 2)
	return middle.Sub(at.Add(time.Second / 2)), took/2 + time.Second/2, true, nil
}
