// Package wallets keeps the providers' accounts at the wallets in use: it
// builds a channel per account and builds it again when the account changes,
// keeps the keys before the change verifying beside the new ones, tries a new
// account before it is switched on, and knows how every account is.
//
// It knows accounts, the contract of a channel and the health that a channel
// tells. It must not know a wallet's protocol (cmd gives it the adapters), an
// order, HTTP or SQL.
package wallets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// MaxAccounts bounds what is looked at together: an installation has a few
// providers with two accounts each.
const MaxAccounts = 1000

// Directory is what this room asks of the directory.
type Directory interface {
	Account(ctx context.Context, providerID string, ch pay.Channel) (*directory.Account, error)
	Providers(ctx context.Context, after string, limit int) ([]directory.Provider, error)
}

// Config is everything that Wallets needs. All members but Keeper and Changed are required.
type Config struct {
	Directory Directory
	// Build makes the adapter of an account. It connects to nothing, and its
	// error says what to correct without a secret.
	Build func(*directory.Account) (channel.Channel, error)
	// Keeper keeps health where other processes see it; nil keeps it nowhere.
	Keeper Keeper
	// Changed tells when an account was last changed; nil takes every account to
	// have been changed since.
	Changed func(ctx context.Context, providerID string, ch pay.Channel) (time.Time, error)
	Now     func() time.Time
	Log     *slog.Logger
}

// Wallets is the accounts in use. It is safe for concurrent use. The owner of
// a serving process calls Run.
type Wallets struct {
	Config
	mu     sync.Mutex
	built  map[key]*built
	former map[key]*built // of Account.Previous
	wrote  map[key]Row    // what was kept last
}

type key struct {
	providerID string
	channel    pay.Channel
}

type built struct {
	tag     string
	channel channel.Channel
}

// New returns the accounts in use. It builds none yet.
func New(c Config) *Wallets {
	return &Wallets{Config: c, built: map[key]*built{}, former: map[key]*built{}, wrote: map[key]Row{}}
}

// Channel returns the channel of an account, as gateway.Channels wants it. Calls
// that run on the channel before a change end on it, with the keys they began with.
func (w *Wallets) Channel(ctx context.Context, providerID string, ch pay.Channel) (channel.Channel, error) {
	a, err := w.Directory.Account(ctx, providerID, ch)
	if err != nil {
		return nil, err
	}
	return w.of(w.built, a, a.Tag)
}

// Former returns the channel of an account as it was before its keys were
// replaced, while those still verify. An error that wraps pay.ErrNotFound says
// that there is none.
func (w *Wallets) Former(ctx context.Context, providerID string, ch pay.Channel) (channel.Channel, error) {
	a, err := w.Directory.Account(ctx, providerID, ch)
	if err != nil {
		return nil, err
	}
	if a.Previous == nil || !w.Now().Before(a.PreviousUntil) {
		return nil, fmt.Errorf("%s account of provider %s has no former keys: %w", ch, providerID, pay.ErrNotFound)
	}
	return w.of(w.former, a.Previous, a.Tag)
}

// of finds the channel of an account in a map, or builds it.
func (w *Wallets) of(in map[key]*built, a *directory.Account, tag string) (channel.Channel, error) {
	k := key{a.ProviderID, a.Channel}
	w.mu.Lock()
	defer w.mu.Unlock()
	old := in[k]
	if old != nil && old.tag == tag {
		return old.channel, nil
	}
	c, err := w.Build(a)
	if err != nil {
		return nil, fmt.Errorf("account of provider %s at %s: %w", a.ProviderID, a.Channel, err)
	}
	in[k] = &built{tag: tag, channel: c}
	if old != nil {
		closeIdle(old.channel)
	}
	return c, nil
}

// closeIdle drops connections that nobody will use again.
func closeIdle(c channel.Channel) {
	if c, ok := c.(interface{ CloseIdle() }); ok {
		c.CloseIdle()
	}
}

// probeTime bounds one question of a rehearsal: a download of certificates and
// a question, each of which has channel.QueryTimeout.
const probeTime = 2 * channel.QueryTimeout

// Rehearse tries an account that is not in use yet: it asks its wallet
// something harmless by every API that the account has keys for, and wants each
// answer to verify. merchant is one of the provider's; some wallets answer
// nobody else. The error says which try failed and why, and holds no secret.
func (w *Wallets) Rehearse(ctx context.Context, a *directory.Account, merchant channel.Merchant) ([]string, error) {
	c, err := w.Build(a)
	if err != nil {
		return nil, pay.Refuse(pay.ErrInvalid, "rehearsal_failed", "演练未通过："+err.Error())
	}
	defer closeIdle(c)
	p, ok := c.(channel.Prober)
	if !ok {
		return nil, errors.New("wallets: the adapter cannot be rehearsed")
	}
	apis := []string{""}
	if wx := a.Wechat; wx != nil {
		apis = nil
		if !wx.APIv3Key.IsZero() {
			apis = append(apis, channel.APIv3)
		}
		if !wx.APIKey.IsZero() {
			apis = append(apis, channel.APIv2)
		}
	}
	for _, api := range apis {
		merchant.API = api
		one, cancel := context.WithTimeout(ctx, probeTime)
		err := p.Probe(one, merchant)
		cancel()
		if err != nil {
			text := "演练未通过，账户没有更改"
			if api != "" {
				text += "（" + api + "）"
			}
			return nil, pay.Refuse(pay.ErrInvalid, "rehearsal_failed", text+"："+err.Error())
		}
	}
	return apis, nil
}
