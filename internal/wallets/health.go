package wallets

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// How often health is looked at and written. A row is small, and nobody needs
// it to the second.
const (
	lookEvery  = 10 * time.Second
	writeEvery = time.Minute
	writeTime  = 5 * time.Second
)

// Row is the health of one account as it is kept. It holds no secret.
type Row struct {
	ProviderID string
	Channel    pay.Channel
	// Account is the directory's tag of the account that the keys belong to.
	Account string
	// Credentials is JSON: channel.KeyHealth and what belongs to it.
	Credentials string
	Verified    time.Time // zero for never
	Failed      time.Time // zero for never
	FailedCall  string
	Failure     string
	Written     time.Time
}

// Keeper keeps rows where other processes see them. Implementations are safe
// for concurrent use.
type Keeper interface {
	// PutHealth writes a row. Its times replace only older ones.
	PutHealth(ctx context.Context, r Row) error
	// Healths returns the rows of a provider, "" for all, at most MaxAccounts.
	Healths(ctx context.Context, providerID string) ([]Row, error)
	// AddWalletKeys keeps keys of a wallet for good. Adding one again changes nothing.
	AddWalletKeys(ctx context.Context, providerID string, ch pay.Channel, keys []channel.WalletKey, seen time.Time) error
	// WalletKeys returns the kept keys of an account, at most MaxWalletKeys, the
	// newest first.
	WalletKeys(ctx context.Context, providerID string, ch pay.Channel) ([]channel.WalletKey, error)
}

// credentials is what Row.Credentials holds. Names of members are stored.
type credentials struct {
	Keys           []keyRow `json:"keys,omitempty"`
	RefreshedMS    int64    `json:"refreshed_ms,omitempty"`
	RefreshFailure string   `json:"refresh_failure,omitempty"`
}

type keyRow struct {
	Role    string `json:"role"`
	Serial  string `json:"serial,omitempty"`
	FromMS  int64  `json:"from_ms,omitempty"`
	UntilMS int64  `json:"until_ms,omitempty"`
	UsedMS  int64  `json:"used_ms,omitempty"`
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// maxText bounds what of a failure is kept.
const maxText = 200

func rowOf(k key, tag string, h channel.Health) (Row, error) {
	c := credentials{RefreshedMS: millis(h.Refreshed), RefreshFailure: shortened(h.RefreshFailure)}
	for _, v := range h.Keys {
		c.Keys = append(c.Keys, keyRow{string(v.Role), v.Serial, millis(v.From), millis(v.Until), millis(v.Used)})
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return Row{}, err
	}
	return Row{
		ProviderID: k.providerID, Channel: k.channel, Account: tag, Credentials: string(raw), Verified: moment(millis(h.Verified)),
		Failed: moment(millis(h.Failure.At)), FailedCall: shortened(h.Failure.Call), Failure: shortened(h.Failure.Kind),
	}, nil
}

// shortened keeps a wallet's words storable: short, and without what no
// database takes.
func shortened(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
}

// health is the inverse of rowOf.
func (r Row) health() channel.Health {
	var c credentials
	if json.Unmarshal([]byte(r.Credentials), &c) != nil {
		c = credentials{}
	}
	h := channel.Health{
		Verified: r.Verified, Failure: channel.Failure{At: r.Failed, Call: r.FailedCall, Kind: r.Failure},
		Refreshed: moment(c.RefreshedMS), RefreshFailure: c.RefreshFailure,
	}
	for _, v := range c.Keys {
		h.Keys = append(h.Keys, channel.KeyHealth{
			Role: channel.KeyRole(v.Role), Serial: v.Serial, From: moment(v.FromMS), Until: moment(v.UntilMS), Used: moment(v.UsedMS),
		})
	}
	return h
}

// Run writes the health of the accounts in use until ctx ends, and once more
// then. It returns nil.
func (w *Wallets) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
			defer cancel()
			w.Keep(last)
			return nil
		case <-look.C:
			w.write(ctx, w.due)
		}
	}
}

// Keep writes the health of every account in use that has changed.
func (w *Wallets) Keep(ctx context.Context) {
	w.write(ctx, func(Row, Row) bool { return true })
}

// due reports whether a changed row is worth writing by now: at once when
// somebody may have to act, else once a minute.
func (w *Wallets) due(was, is Row) bool {
	return is.Written.Sub(was.Written) >= writeEvery || was.Account != is.Account || serials(was) != serials(is) ||
		was.Failure != is.Failure || was.Verified.IsZero()
}

// serials names the keys of a row.
func serials(r Row) string {
	var b strings.Builder
	for _, k := range r.health().Keys {
		b.WriteString(string(k.Role) + k.Serial + " ")
	}
	return b.String()
}

// write keeps the rows that have changed and are wanted. What cannot be kept is
// tried again at the next look.
func (w *Wallets) write(ctx context.Context, wanted func(was, is Row) bool) {
	if w.Keeper == nil {
		return
	}
	now := w.Now().UTC()
	for k, b := range w.inUse() {
		c, ok := b.channel.(channel.Healther)
		if !ok {
			continue
		}
		is, err := rowOf(k, b.tag, c.Health())
		if err != nil {
			continue
		}
		w.mu.Lock()
		was := w.wrote[k]
		w.mu.Unlock()
		was.Written, is.Written = time.Time{}, time.Time{}
		if was == is {
			continue
		}
		w.mu.Lock()
		was.Written, is.Written = w.wrote[k].Written, now
		w.mu.Unlock()
		if !wanted(was, is) {
			continue
		}
		err = w.Keeper.PutHealth(ctx, is)
		if v, ok := b.channel.(channel.Rechecker); ok && err == nil && serials(was) != serials(is) {
			err = w.keepKeys(ctx, k, v.WalletKeys(), now)
		}
		if err != nil {
			if ctx.Err() == nil {
				w.Log.WarnContext(ctx, "health of an account was not kept", slog.String("provider_id", k.providerID),
					slog.String("channel", string(k.channel)), slog.String("error", err.Error()))
			}
			continue
		}
		w.mu.Lock()
		w.wrote[k] = is
		w.mu.Unlock()
	}
}

// inUse copies what is built.
func (w *Wallets) inUse() map[key]*built {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.built)
}

// Status is how one account is, for people.
type Status struct {
	ProviderID string
	Channel    pay.Channel
	API        string // what merchants without a choice use, "" for Alipay
	channel.Health
	Written  time.Time // when a serving node last told, zero for never
	Warnings []Warning
}

// Status returns how the accounts are, of one provider or of all ("") in the
// order of their ids: what this process knows and what serving nodes have kept,
// whichever is newer. It calls no wallet.
func (w *Wallets) Status(ctx context.Context, providerID string) ([]Status, error) {
	var rows []Row
	if w.Keeper != nil {
		var err error
		if rows, err = w.Keeper.Healths(ctx, providerID); err != nil {
			return nil, err
		}
	}
	ids := []string{providerID}
	if providerID == "" {
		ids = nil
		providers, err := w.Directory.Providers(ctx, "", MaxAccounts/2)
		if err != nil {
			return nil, err
		}
		for _, p := range providers {
			ids = append(ids, p.ID)
		}
	}
	var list []Status
	for _, id := range ids {
		for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
			a, err := w.Directory.Account(ctx, id, ch)
			if errors.Is(err, pay.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			list = append(list, w.status(ctx, a, rows))
		}
	}
	return list, nil
}

func (w *Wallets) status(ctx context.Context, a *directory.Account, rows []Row) Status {
	s := Status{ProviderID: a.ProviderID, Channel: a.Channel}
	if a.Wechat != nil {
		s.API = a.Wechat.API
		if s.API == "" {
			s.API = channel.APIv2
		}
	}
	c, err := w.Channel(ctx, a.ProviderID, a.Channel)
	if err != nil {
		s.add(WarnUnusable, "the account cannot be used: "+err.Error())
	} else if c, ok := c.(channel.Healther); ok {
		s.Health = c.Health()
	}
	for _, r := range rows {
		if r.ProviderID == a.ProviderID && r.Channel == a.Channel {
			s.merge(r, r.Account == a.Tag)
		}
	}
	s.warn(w.Now())
	return s
}

// merge adds what a serving node has kept. same says that it spoke of the same
// account: keys of another are no news of this one.
func (s *Status) merge(r Row, same bool) {
	h := r.health()
	s.Written = r.Written
	if h.Verified.After(s.Verified) {
		s.Verified = h.Verified
	}
	if h.Failure.At.After(s.Failure.At) {
		s.Failure = h.Failure
	}
	if !same {
		return
	}
	if h.Refreshed.After(s.Refreshed) {
		s.Refreshed, s.RefreshFailure = h.Refreshed, h.RefreshFailure
	}
	for _, k := range h.Keys {
		i := slices.IndexFunc(s.Keys, func(o channel.KeyHealth) bool { return o.Role == k.Role && o.Serial == k.Serial })
		switch {
		case i < 0:
			s.Keys = append(s.Keys, k)
		case k.Used.After(s.Keys[i].Used):
			s.Keys[i].Used = k.Used
		}
	}
}
