package wallets_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/wallets"
)

// house is a directory of one account, and a keeper, both in memory.
type house struct {
	mu      sync.Mutex
	account *directory.Account
	rows    []wallets.Row
	keys    []channel.WalletKey
	made    []*wallet
}

func (h *house) Account(_ context.Context, providerID string, ch pay.Channel) (*directory.Account, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if providerID != "p" || ch != pay.Wxpay {
		return nil, pay.ErrNotFound
	}
	return h.account, nil
}

func (h *house) Providers(context.Context, string, int) ([]directory.Provider, error) {
	return []directory.Provider{{ID: "p"}}, nil
}

func (h *house) PutHealth(_ context.Context, r wallets.Row) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows = append(h.rows, r)
	return nil
}

func (h *house) Healths(context.Context, string) ([]wallets.Row, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.rows) == 0 {
		return nil, nil
	}
	return h.rows[len(h.rows)-1:], nil
}

func (h *house) AddWalletKeys(_ context.Context, _ string, _ pay.Channel, keys []channel.WalletKey, _ time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys = append(h.keys, keys...)
	return nil
}

func (h *house) WalletKeys(context.Context, string, pay.Channel) ([]channel.WalletKey, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keys, nil
}

func (h *house) written() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.rows)
}

// build makes a wallet that is healthy as it is told.
func (h *house) build(a *directory.Account) (channel.Channel, error) {
	if a.Wechat.MchID == "" {
		return nil, errors.New("no number")
	}
	w := &wallet{key: a.Wechat.APIKey.Reveal()}
	h.made = append(h.made, w)
	return w, nil
}

// wallet tells of itself what it is told, and answers to one key.
type wallet struct {
	channel.Channel
	key    string
	mu     sync.Mutex
	health channel.Health
	idle   bool
}

func (w *wallet) CloseIdle() { w.idle = true }

func (w *wallet) Health() channel.Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.health
}

func (w *wallet) set(change func(*channel.Health)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.health)
}

func (w *wallet) Probe(_ context.Context, m channel.Merchant) error {
	if w.key != "good" {
		return errors.New(m.API + " refused")
	}
	return nil
}

func newWallets(h *house) *wallets.Wallets {
	return wallets.New(wallets.Config{Directory: h, Build: h.build, Keeper: h, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
}

func account(key, tag string) *directory.Account {
	return &directory.Account{ProviderID: "p", Channel: pay.Wxpay, Tag: tag, Wechat: &directory.WechatAccount{MchID: "1", APIKey: secret.New(key)}}
}

// TestAnAccountThatChangesHasANewChannelAndItsFormerOne: until the grace ends.
func TestAnAccountThatChangesHasANewChannelAndItsFormerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &house{account: account("old", "1")}
		w := newWallets(h)
		first, err := w.Channel(t.Context(), "p", pay.Wxpay)
		again, err2 := w.Channel(t.Context(), "p", pay.Wxpay)
		if err := errors.Join(err, err2); err != nil || first != again {
			t.Fatalf("one account has two channels: %v", err)
		}
		if _, err := w.Former(t.Context(), "p", pay.Wxpay); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("former keys of an account without: %v", err)
		}
		changed := account("new", "2")
		changed.Previous, changed.PreviousUntil = account("old", ""), time.Now().Add(time.Hour)
		h.account = changed
		next, err := w.Channel(t.Context(), "p", pay.Wxpay)
		if err != nil || next == first || !h.made[0].idle {
			t.Errorf("the changed account has the old channel, or its connections stay: %v", err)
		}
		former, err := w.Former(t.Context(), "p", pay.Wxpay)
		if one, ok := former.(*wallet); err != nil || !ok || one.key != "old" {
			t.Errorf("the former channel: %v", err)
		}
		<-time.After(time.Hour)
		if _, err := w.Former(t.Context(), "p", pay.Wxpay); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("former keys after their grace: %v", err)
		}
		if _, err := w.Channel(t.Context(), "p", pay.Alipay); !errors.Is(err, pay.ErrNotFound) {
			t.Errorf("an account that is not there: %v", err)
		}
		h.account = account("new", "3")
		h.account.Wechat.MchID = ""
		if _, err := w.Channel(t.Context(), "p", pay.Wxpay); err == nil || !strings.Contains(err.Error(), "no number") {
			t.Errorf("an account that no channel can be made of: %v", err)
		}
		list, err := w.Status(t.Context(), "")
		if err != nil || len(list) != 1 || list[0].Warnings[0].Code != wallets.WarnUnusable {
			t.Errorf("its status: %+v, %v", list, err)
		}
	})
}

// TestEveryAPIOfAnAccountIsRehearsed: and one that fails is named.
func TestEveryAPIOfAnAccountIsRehearsed(t *testing.T) {
	t.Parallel()
	h := &house{}
	w := newWallets(h)
	both := account("good", "")
	both.Wechat.APIv3Key = secret.New("k")
	if apis, err := w.Rehearse(t.Context(), both, channel.Merchant{}); err != nil || strings.Join(apis, " ") != "v3 v2" {
		t.Errorf("%v, %v, want v3 and v2", apis, err)
	}
	if _, err := w.Rehearse(t.Context(), account("bad", ""), channel.Merchant{}); !errors.Is(err, pay.ErrInvalid) || !strings.Contains(err.Error(), "v2 refused") {
		t.Errorf("a bad key: %v", err)
	}
	if _, err := w.Rehearse(t.Context(), &directory.Account{ProviderID: "p", Channel: pay.Wxpay, Wechat: &directory.WechatAccount{}}, channel.Merchant{}); !errors.Is(err, pay.ErrInvalid) {
		t.Errorf("an account that no channel can be made of: %v", err)
	}
}

// TestHealthIsWrittenRarely: at once when somebody may have to act, else once a
// minute, and not at all while nothing changes.
func TestHealthIsWrittenRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &house{account: account("k", "1")}
		w := newWallets(h)
		if _, err := w.Channel(t.Context(), "p", pay.Wxpay); err != nil {
			t.Fatal(err)
		}
		c := h.made[0]
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		step := func(what string, wait time.Duration, want int, change func(*channel.Health)) {
			t.Helper()
			c.set(change)
			before := h.written()
			<-time.After(wait)
			synctest.Wait()
			if got := h.written() - before; got != want {
				t.Errorf("%s: written %d times, want %d", what, got, want)
			}
		}
		step("the first", 11*time.Second, 1, func(*channel.Health) {})
		step("the first answer", 11*time.Second, 1, func(h *channel.Health) { h.Verified = time.Now() })
		step("more answers", 11*time.Second, 0, func(h *channel.Health) { h.Verified = time.Now() })
		step("after a minute", time.Minute, 1, func(*channel.Health) {})
		step("nothing new", 10*time.Minute, 0, func(*channel.Health) {})
		step("answers again", 11*time.Second, 1, func(h *channel.Health) { h.Verified = time.Now() })
		step("a new kind of failure", 11*time.Second, 1, func(h *channel.Health) {
			h.Failure = channel.Failure{At: time.Now(), Call: "pay", Kind: "time\x00out" + strings.Repeat("x", 500)}
		})
		step("the same again", 11*time.Second, 0, func(h *channel.Health) { h.Failure.At = time.Now() })
		step("a new key", 11*time.Second, 1, func(h *channel.Health) {
			h.Keys = []channel.KeyHealth{{Role: channel.RolePlatform, Serial: "AB", Until: time.Now().Add(time.Hour)}}
		})
		c.set(func(h *channel.Health) { h.Verified = time.Now() })
		before := h.written()
		stop()
		if err := <-ended; err != nil || h.written() != before+1 {
			t.Errorf("at the end: %v, written %d times", err, h.written()-before)
		}
		last := h.rows[len(h.rows)-1]
		if strings.Contains(last.Failure, "\x00") || len(last.Failure) > 200 {
			t.Errorf("a failure is kept as %q", last.Failure)
		}
	})
}

// TestWhatIsWarnedOf names each reason once, and is silent about what is well.
func TestWhatIsWarnedOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		day := 24 * time.Hour
		for name, c := range map[string]struct {
			health channel.Health
			want   string
		}{
			"well": {channel.Health{Verified: now, Refreshed: now, Keys: []channel.KeyHealth{
				{Role: channel.RoleOurs, Until: now.Add(31 * day)}, {Role: channel.RolePublicKey, Serial: "PUB_KEY_ID_1"},
			}}, ""},
			"ours ends soon":     {channel.Health{Verified: now, Keys: []channel.KeyHealth{{Role: channel.RoleOurs, Serial: "S", Until: now.Add(29 * day)}}}, "key_ends"},
			"ours ended":         {channel.Health{Verified: now, Keys: []channel.KeyHealth{{Role: channel.RoleOurs, Until: now}}}, "key_ends"},
			"theirs is the last": {channel.Health{Verified: now, Keys: []channel.KeyHealth{{Role: channel.RolePlatform, Until: now.Add(day)}}}, "key_ends"},
			"root ends soon":     {channel.Health{Verified: now, Keys: []channel.KeyHealth{{Role: channel.RoleRoot, Until: now.Add(day)}}}, "key_ends"},
			"theirs has a successor": {channel.Health{Verified: now, Keys: []channel.KeyHealth{
				{Role: channel.RolePlatform, Serial: "A", Until: now.Add(day)}, {Role: channel.RolePlatform, Serial: "B", Until: now.Add(900 * day)},
			}}, ""},
			"theirs gives way to the public key": {channel.Health{Verified: now, Keys: []channel.KeyHealth{
				{Role: channel.RolePlatform, Until: now.Add(day)}, {Role: channel.RolePublicKey},
			}}, ""},
			"nothing yet":      {channel.Health{}, "unverified"},
			"quiet":            {channel.Health{Verified: now.Add(-3 * day)}, "quiet"},
			"the last failed":  {channel.Health{Verified: now.Add(-time.Hour), Failure: channel.Failure{At: now, Call: "pay", Kind: "signature"}}, "failed"},
			"failed before":    {channel.Health{Verified: now, Failure: channel.Failure{At: now.Add(-time.Hour), Kind: "timeout"}}, ""},
			"not fetched":      {channel.Health{Verified: now, RefreshFailure: "timeout"}, "refresh"},
			"fetched long ago": {channel.Health{Verified: now, Refreshed: now.Add(-14 * time.Hour)}, "refresh"},
		} {
			h := &house{account: account("k", "1")}
			w := newWallets(h)
			if _, err := w.Channel(t.Context(), "p", pay.Wxpay); err != nil {
				t.Fatal(err)
			}
			h.made[0].set(func(v *channel.Health) { *v = c.health })
			list, err := w.Status(t.Context(), "p")
			if err != nil || len(list) != 1 {
				t.Fatal(err)
			}
			var codes []string
			for _, v := range list[0].Warnings {
				codes = append(codes, v.Code)
			}
			if got := strings.Join(codes, " "); got != c.want || list[0].API != channel.APIv2 {
				t.Errorf("%s: warned of %q, want %q: %+v", name, got, c.want, list[0].Warnings)
			}
		}
	})
}

// TestWhatOthersKeptOfAnotherAccountIsOld: keys before a change are no keys of
// the account that took its place; the time of the last answer is.
func TestWhatOthersKeptOfAnotherAccountIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &house{account: account("k", "1")}
		serving, asking := newWallets(h), newWallets(h)
		if _, err := serving.Channel(t.Context(), "p", pay.Wxpay); err != nil {
			t.Fatal(err)
		}
		h.made[0].set(func(v *channel.Health) {
			v.Verified, v.Refreshed = time.Now(), time.Now()
			v.Failure = channel.Failure{At: time.Now().Add(-time.Hour), Call: "pay", Kind: "dial"}
			v.Keys = []channel.KeyHealth{{Role: channel.RolePlatform, Serial: "AB", Until: time.Now().Add(900 * 24 * time.Hour), Used: time.Now()}}
		})
		serving.Keep(t.Context())
		for tag, keys := range map[string]int{"1": 1, "2": 0} {
			h.account = account("k", tag)
			list, err := asking.Status(t.Context(), "p")
			if err != nil || len(list) != 1 || len(list[0].Keys) != keys || list[0].Verified.IsZero() || list[0].Failure.Kind != "dial" || list[0].Written.IsZero() {
				t.Errorf("account %s: %+v, %v, want %d keys", tag, list, err, keys)
			}
		}
	})
}

// TestFiguresOfAccounts: no figure for what never happened, and none twice.
func TestFiguresOfAccounts(t *testing.T) {
	t.Parallel()
	h := &house{account: account("k", "1")}
	w := newWallets(h)
	if _, err := w.Channel(t.Context(), "p", pay.Wxpay); err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(w)
	count := func() map[string]float64 {
		t.Helper()
		got := map[string]float64{}
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, row := range f.GetMetric() {
				got[strings.TrimSuffix(strings.TrimPrefix(f.GetName(), "cloudpay_channel_"), "_timestamp_seconds")] += row.GetGauge().GetValue()
			}
		}
		return got
	}
	if got := count(); len(got) != 0 {
		t.Errorf("before anything happened: %v", got)
	}
	h.made[0].set(func(v *channel.Health) {
		v.Verified, v.Failure = time.Unix(1000, 0), channel.Failure{At: time.Unix(2000, 0), Kind: "timeout"}
		v.Keys = []channel.KeyHealth{{Role: channel.RoleOurs, Serial: "A", Until: time.Unix(3000, 0)}, {Role: channel.RolePublicKey, Serial: "P"}}
	})
	if diff := cmp.Diff(map[string]float64{"verified": 1000, "failed": 2000, "key_ends": 3000}, count()); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}
