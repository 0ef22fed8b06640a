package channeltest

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// Keys says what an account of APIv3 verifies with.
type Keys string

// The three kinds of accounts.
const (
	Certificates Keys = "platform certificates"
	PublicKey    Keys = "public key" // and WeChat Pay has no certificates for it
	BothKeys     Keys = "both"       // during the migration
)

// migrate makes the bench's wallet sign as it does towards the adapter's account.
func (b *Bench) migrate(k Keys, percent float64) {
	b.t.Helper()
	if err := b.box.MigrateWeChat(b.t.Context(), b.Provider.WeChat.MchID, percent, k == PublicKey); err != nil {
		b.t.Fatal(err)
	}
}

// hostileNotices are notices of APIv3 that must be refused; two of them make
// wechatpay-go panic (upstreams.md §7.1).
func (s *scene) hostileNotices() {
	if !s.v3() {
		return
	}
	for _, scenario := range []string{
		"notify_foreign_key", "notify_empty_resource", "notify_bad_nonce", "wrong_serial", "stale_timestamp", "clock_skew", "notify_signtest",
	} {
		r, customer, in := s.made(s.Kinds[0], 200)
		s.bench.taken()
		s.fault(scenario, r.OutTradeNo, on(sandbox.EndpointNotify))
		s.paysBy(customer, in)
		list := s.bench.taken()
		if len(list) == 0 {
			s.t.Fatalf("%s: no notice", scenario)
		}
		n, err := s.parse(list[0])
		if err == nil || n != (channel.Notice{}) {
			s.t.Errorf("%s: believed %+v", scenario, n)
		}
		if probe := scenario == "notify_signtest"; errors.Is(err, channel.ErrProbe) != probe {
			s.t.Errorf("%s: %v, want a probe %v", scenario, err, probe)
		}
		s.want("Query", s.c.Query(s.t.Context(), r.OrderRequest), isPaid)
		s.bench.advance(time.Minute)
	}
}

// RunRotation plays a change of WeChat Pay's keys while payments, queries and
// notices go on: nothing that is true is disbelieved. The adapter's account has
// both kinds of keys, or certificates only, and is then not migrated.
func RunRotation(t *testing.T, a Adapter, payments int) {
	t.Helper()
	shared := newSuite(t, a, nil)
	s := &scene{suite: shared, t: t}
	mch := s.bench.Provider.WeChat.MchID
	rotate := func(lead, overlap time.Duration) {
		if err := s.bench.box.RotateWeChat(t.Context(), mch, lead, overlap); err != nil {
			t.Error(err)
		}
	}
	type step struct {
		do    func()
		quiet bool // between payments: a code does not outlive the clock's leap
	}
	steps := []step{
		{do: func() { rotate(0, time.Hour) }},                                     // the new one signs at once, both are listed
		{do: func() { rotate(24*time.Hour, time.Hour) }},                          // the new one is listed before it signs
		{do: func() { s.bench.advance(24*time.Hour + time.Second) }, quiet: true}, // and then it does
		{do: func() { rotate(0, 0) }},                                             // the old ones are gone at once
		{do: func() { s.bench.advance(13 * time.Hour) }, quiet: true},             // longer than a list may be old
		{do: func() { rotate(0, time.Hour) }},
	}
	if a.Keys == BothKeys {
		for _, percent := range []float64{0.1, 1, 10, 50, 100} {
			steps = append(steps, step{do: func() { s.bench.migrate(BothKeys, percent) }})
		}
		steps = append(steps, step{do: func() { s.bench.migrate(PublicKey, 100) }})
	}
	each := payments / (len(steps) + 1)
	s.underWay(each)
	for _, one := range steps {
		var wg sync.WaitGroup
		wg.Go(one.do)
		if one.quiet {
			wg.Wait()
		}
		s.underWay(each) // the change happens in their middle
		wg.Wait()
	}
	h, ok := s.c.(channel.Healther)
	if !ok {
		t.Fatalf("%T does not tell how it stands", s.c)
	}
	if f := h.Health().Failure; f != (channel.Failure{}) {
		t.Errorf("something was disbelieved: %+v", f)
	}
}

// underWay makes n payments by code, eight at a time, asks for each, and every
// tenth time prepares an order, pays it and reads its notice.
func (s *scene) underWay(n int) {
	s.t.Helper()
	jobs := make(chan channel.PayRequest, n)
	for range n {
		r, _ := s.request(2, "")
		jobs <- r
	}
	close(jobs)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 8 {
		wg.Go(func() {
			for r := range jobs {
				if out := s.c.Pay(s.t.Context(), r); out.Kind != pay.Paid {
					s.t.Errorf("Pay = %+v", out)
				}
				if out := s.c.Query(s.t.Context(), r.OrderRequest); out.Kind != pay.Paid {
					s.t.Errorf("Query = %+v", out)
				}
			}
		})
	}
	for range n / 10 {
		r, customer, in := s.made(s.Kinds[0], 2)
		s.paysBy(customer, in)
		list := s.bench.taken()
		if len(list) != 1 {
			s.t.Errorf("%s notices, want 1", strconv.Itoa(len(list)))
			continue
		}
		if note, err := s.parse(list[0]); err != nil || note.OutTradeNo != r.OutTradeNo {
			s.t.Errorf("a notice is disbelieved: %+v, %v", note, err)
		}
	}
}
