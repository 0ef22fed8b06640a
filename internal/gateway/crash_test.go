package gateway_test

import (
	"errors"
	"maps"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/secret"
)

// flow is one way of a payment from the till to the callback.
type flow struct {
	name string
	end  pay.OrderState // undisturbed
	// every is the time between queries, 0 for the preset. It spares a flow that
	// waits long for nothing hundreds of steps that are all alike.
	every time.Duration
	// run does what till and customer do, arms the outage where the flow begins,
	// and returns the order's number and the till's last request, which is
	// repeated at the end.
	run func(s *site, ch pay.Channel) (no string, repeat func() error)
}

// flows are all ways that crash and failure are tried on.
var flows = []flow{
	{"micro_pay, paid", pay.PAID, 0, func(s *site, ch pay.Channel) (string, func() error) {
		return s.sale(ch, 100, "anna")
	}},
	{"micro_pay, password", pay.PAID, 0, func(s *site, ch pay.Channel) (string, func() error) {
		no, repeat := s.sale(ch, 60000, "anna")
		s.pass(12 * time.Second)
		s.answers("approve")
		return no, repeat
	}},
	{"micro_pay, password ignored", pay.REVERSED, 0, func(s *site, ch pay.Channel) (string, func() error) {
		return s.sale(ch, 60000, "anna")
	}},
	{"micro_pay, declined", pay.DECLINED, 0, func(s *site, ch pay.Channel) (string, func() error) {
		if _, err := s.box.NewCustomer(s.t.Context(), "poor", 1); err != nil {
			s.t.Fatal(err)
		}
		return s.sale(ch, 100, "poor")
	}},
	{"micro_pay, answer lost", pay.PAID, 0, func(s *site, ch pay.Channel) (string, func() error) {
		if err := s.box.AddFault(sandbox.Fault{Scenario: "drop_after", Count: 1}); err != nil {
			s.t.Fatal(err)
		}
		return s.sale(ch, 100, "anna")
	}},
	{"scan_code_pay, paid, notice", pay.PAID, 0, func(s *site, ch pay.Channel) (string, func() error) {
		url, no, repeat := s.shows(ch)
		s.pass(7 * time.Second)
		if _, err := s.box.PayPrepared(s.t.Context(), "anna", sandbox.Invocation{CodeURL: url}); err != nil {
			s.t.Errorf("the customer cannot pay: %v", err)
		}
		return no, repeat
	}},
	{"scan_code_pay, closed", pay.CLOSED, 30 * time.Second, func(s *site, ch pay.Channel) (string, func() error) {
		_, no, _ := s.shows(ch)
		s.pass(7 * time.Second)
		closing := func() error { return s.gw.CloseOrder(s.t.Context(), s.merchant, no) }
		s.insist(func() error { return taken(closing()) })
		return no, closing
	}},
	{"reverse", pay.REVERSED, 0, func(s *site, ch pay.Channel) (string, func() error) {
		in := s.micro(ch, 60000, "anna")
		if _, err := s.gw.MicroPay(s.t.Context(), s.merchant, in); err != nil {
			s.t.Fatal(err)
		}
		s.out.arm()
		reverse := func() error {
			_, err := s.gw.Reverse(s.t.Context(), s.merchant, in.OutTradeNo, "till-1")
			return err
		}
		s.insist(func() error { return taken(reverse()) })
		return in.OutTradeNo, reverse
	}},
	{"refund", pay.PAID, 0, func(s *site, ch pay.Channel) (string, func() error) {
		in := s.micro(ch, 100, "anna")
		if _, err := s.gw.MicroPay(s.t.Context(), s.merchant, in); err != nil {
			s.t.Fatal(err)
		}
		s.converge(in.OutTradeNo)
		s.out.arm()
		refundNo := s.number()
		refund := func() error {
			_, _, err := s.refund(in.OutTradeNo, refundNo, 100, 60)
			return err
		}
		s.once(refund)
		return in.OutTradeNo, refund
	}},
	{"callback, taken the third time", pay.PAID, 0, func(s *site, ch pay.Channel) (string, func() error) {
		s.busy = 2
		return s.sale(ch, 100, "anna")
	}},
	{"recon, repaired", pay.PAID, 0, reconciled},
}

// taken lets an answer that is not known yet pass: the jobs go on.
func taken(err error) error {
	if errors.Is(err, pay.ErrUnavailable) {
		return nil
	}
	return err
}

// micro is a micro_pay with a fresh code.
func (s *site) micro(ch pay.Channel, total pay.Fen, customer string) gateway.MicroPay {
	return gateway.MicroPay{
		OutTradeNo: s.number(), AuthCode: secret.New(s.code(ch, customer).AuthCode), Total: total, ShopID: "shop", DeviceID: "till-1",
	}
}

// sale sends a micro_pay once; whatever is answered, the till stays silent.
func (s *site) sale(ch pay.Channel, total pay.Fen, customer string) (no string, repeat func() error) {
	in := s.micro(ch, total, customer)
	s.out.arm()
	ask := func() error {
		_, err := s.gw.MicroPay(s.t.Context(), s.merchant, in)
		return err
	}
	s.once(func() error {
		if err := ask(); err != nil && !errors.Is(err, pay.ErrDead) {
			return taken(err)
		}
		return nil
	})
	return in.OutTradeNo, ask
}

// shows prepares a code, as often as it takes to have one.
func (s *site) shows(ch pay.Channel) (url, no string, repeat func() error) {
	in := s.scan(ch)
	in.ExpireAt = time.Now().Add(2 * time.Minute) // Alipay's codes can be paid until then, closed or not
	s.out.arm()
	ask := func() error {
		o, _, err := s.gw.Prepay(s.t.Context(), s.merchant, in)
		url = o.Prepaid.CodeURL
		return err
	}
	s.insist(ask)
	return url, in.OutTradeNo, ask
}

// answers lets the customer answer the wallet's dialogue, if there is one.
func (s *site) answers(action string) {
	if err := s.box.Answer(s.t.Context(), "anna", action); err != nil && (s.out.broken() == "" || !errors.Is(err, sandbox.ErrNotFound)) {
		s.t.Errorf("the customer cannot answer: %v", err)
	}
}

// TestCrashAnywhereConverges ends the process at every commit, call, callback
// and notice of every flow, on both sides of it, one at a time.
func TestCrashAnywhereConverges(t *testing.T) {
	t.Parallel()
	everyStep(t, true)
}

// TestNthFailureConverges fails each of them instead, until the flow meets none.
func TestNthFailureConverges(t *testing.T) {
	t.Parallel()
	everyStep(t, false)
}

// everyStep breaks the first, second, … step of each flow, until there are no more.
func everyStep(t *testing.T, kills bool) {
	t.Helper()
	for i, f := range flows {
		for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
			t.Run(f.name+"/"+string(ch), func(t *testing.T) {
				t.Parallel()
				eachStep(t, kills, i, string(f.end), func(out *outage) string { return string(f.try(t, ch, out)) })
			})
		}
	}
	for i, f := range nights {
		for ch, ends := range f.ends {
			if ends == nil {
				continue
			}
			t.Run(f.name+"/"+string(ch), func(t *testing.T) {
				t.Parallel()
				n := f.evening(t, ch)
				eachStep(t, kills, i, closed, func(out *outage) string { return n.try(t, out) })
			})
		}
	}
}

// eachStep is everyStep of the i-th flow. try runs the flow once and returns how
// it ended.
func eachStep(t *testing.T, kills bool, i int, want string, try func(*outage) string) {
	t.Helper()
	first := 1 + i%min(stride, 4) // the shortest flow has four steps
	ends, kinds, runs := map[string]int{}, map[string]int{}, 0
	for _, after := range []bool{false, true} {
		for at, more := first, true; more; at += stride {
			out := &outage{at: at, after: after, kills: kills, kinds: map[string]int{}}
			end := try(out)
			if more = out.broken() != ""; more {
				ends[end]++
				runs++
				continue
			}
			if end != want || at == 1 {
				t.Errorf("undisturbed, it ends %s after %d steps, want %s", end, at-1, want)
			}
			kinds = maps.Clone(out.kinds)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("broken %d times, before and after each of: %s; ended: %s", runs, count(kinds), count(ends))
}

// inMemory gives f an empty directory that costs no disk.
func inMemory(t *testing.T, f func(dir string)) {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "cloudpay-crash") //nolint:usetesting // where it costs no disk
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	f(dir)
}

// try runs the flow once with an outage and returns how the order ended.
func (f flow) try(t *testing.T, ch pay.Channel, out *outage) (end pay.OrderState) {
	t.Helper()
	inMemory(t, func(dir string) {
		synctest.Test(t, func(t *testing.T) { end = f.once(t, ch, out, dir) })
	})
	return end
}

// once is try in a bubble.
func (f flow) once(t *testing.T, ch pay.Channel, out *outage, dir string) (end pay.OrderState) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%s, %s: %v", f.name, ch, out)
		}
	}()
	var profiles map[pay.Channel]pay.Profile
	if f.every != 0 {
		profiles = changed(func(p *pay.Profile) { p.QueryEvery = f.every })
	}
	s := newSite(t, dir, out, profiles, nil)
	no, repeat := f.run(s, ch)
	s.converge(no)
	end = s.check(no)
	s.died()
	if end == notBegun {
		return end // repeating it is a new sale
	}
	// The till repeats what it may not have heard the answer to.
	_ = repeat()
	s.converge(no)
	if again := s.check(no); again != end {
		t.Errorf("repeating the request made %s of a %s order", again, end)
	}
	return end
}

// died checks that the process has ended once, if it had to.
func (s *site) died() {
	if s.out.kills && (s.out.broken() != "") != (s.lives == 2) {
		s.t.Errorf("%d lives", s.lives)
	}
}

// memory is where files cost no disk, "" for the default.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}
