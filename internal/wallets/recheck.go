package wallets

import (
	"context"
	"errors"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// MaxWalletKeys bounds the kept keys of one account: a wallet changes its key
// once in some years.
const MaxWalletKeys = 200

// keepKeys keeps the keys of a wallet that are in use. Nobody knows a newer one
// than those who verify with it.
func (w *Wallets) keepKeys(ctx context.Context, k key, keys []channel.WalletKey, now time.Time) error {
	if len(keys) == 0 {
		return nil
	}
	return w.Keeper.AddWalletKeys(ctx, k.providerID, k.channel, keys, now)
}

// Recheck checks again what an account's wallet said at a time, with the keys of
// the account, those before its last change while they are kept, and those of
// the wallet that were ever met. It calls no wallet. When nothing fits and the
// account has been changed since, the key is taken to be kept no longer.
func (w *Wallets) Recheck(ctx context.Context, providerID string, ch pay.Channel, at time.Time, k channel.Kept) (channel.Check, error) {
	c, err := w.Channel(ctx, providerID, ch)
	if errors.Is(err, pay.ErrNotFound) {
		return channel.CheckNoKey, nil
	}
	if err != nil {
		return "", err
	}
	var others []channel.WalletKey
	if w.Keeper != nil {
		if others, err = w.Keeper.WalletKeys(ctx, providerID, ch); err != nil {
			return "", err
		}
	}
	got := recheck(c, k, others)
	if got != channel.CheckNoFit {
		return got, nil
	}
	former, err := w.Former(ctx, providerID, ch)
	switch {
	case errors.Is(err, pay.ErrNotFound):
	case err != nil:
		return "", err
	default:
		if got := recheck(former, k, nil); got == channel.CheckVerified || got == channel.CheckUnsigned {
			return got, nil
		}
	}
	if w.Changed == nil {
		return channel.CheckNoKey, nil
	}
	changed, err := w.Changed(ctx, providerID, ch)
	if err != nil {
		return "", err
	}
	if at.Before(changed) {
		return channel.CheckNoKey, nil
	}
	return channel.CheckFailed, nil
}

func recheck(c channel.Channel, k channel.Kept, others []channel.WalletKey) channel.Check {
	v, ok := c.(channel.Rechecker)
	if !ok {
		return channel.CheckNoKey
	}
	return v.Recheck(k, others)
}
