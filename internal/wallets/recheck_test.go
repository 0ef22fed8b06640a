package wallets_test

import (
	"context"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/wallets"
)

// Recheck fits what is signed by name with the wallet's own key, or with one
// that was kept.
func (w *wallet) Recheck(k channel.Kept, others []channel.WalletKey) channel.Check {
	for _, o := range others {
		if o.PEM == string(k.Body) {
			return channel.CheckVerified
		}
	}
	if w.key == string(k.Body) {
		return channel.CheckVerified
	}
	return channel.CheckNoFit
}

// WalletKeys names one key of the time.
func (w *wallet) WalletKeys() []channel.WalletKey {
	return []channel.WalletKey{{Role: channel.RolePlatform, Serial: "AB", PEM: "cert of the time"}}
}

// TestWhatFitsNoKeyFailedUnlessTheAccountChanged: only then the key may be gone.
func TestWhatFitsNoKeyFailedUnlessTheAccountChanged(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := &house{account: account("k", "1")}
	h.account.Previous, h.account.PreviousUntil = account("old", "0"), now.Add(time.Hour)
	changed := now.Add(-time.Hour)
	w := newWallets(h)
	w.Changed = func(context.Context, string, pay.Channel) (time.Time, error) { return changed, nil }
	if _, err := w.Channel(t.Context(), "p", pay.Wxpay); err != nil {
		t.Fatal(err)
	}
	h.made[0].set(func(v *channel.Health) {
		v.Keys = []channel.KeyHealth{{Role: channel.RolePlatform, Serial: "AB"}}
	})
	w.Keep(t.Context())
	if got, err := h.WalletKeys(t.Context(), "p", pay.Wxpay); err != nil || len(got) != 1 {
		t.Fatalf("a new key of the wallet is not kept: %v, %v", got, err)
	}
	for _, c := range []struct {
		name, body string
		at         time.Time
		want       channel.Check
	}{
		{"the account's key", "k", now, channel.CheckVerified},
		{"the key before it", "old", now.Add(-2 * time.Hour), channel.CheckVerified},
		{"a kept key", "cert of the time", now.Add(-2 * time.Hour), channel.CheckVerified},
		{"changed bytes since the key is in use", "x", now, channel.CheckFailed},
		{"nothing fits from before the change", "x", now.Add(-2 * time.Hour), channel.CheckNoKey},
	} {
		got, err := w.Recheck(t.Context(), "p", pay.Wxpay, c.at, channel.Kept{Body: []byte(c.body)})
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	if got, err := w.Recheck(t.Context(), "nobody", pay.Wxpay, now, channel.Kept{}); err != nil || got != channel.CheckNoKey {
		t.Errorf("no account: %s, %v", got, err)
	}
	var _ wallets.Keeper = h
}
