package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"cloudpay/internal/sandbox"
)

// weather is what goes wrong in a run. Of every kind most runs have nothing or
// little, so that the others have room to be wild.
type weather struct {
	lasts  time.Duration
	strict bool
	rates  map[string]rates // by link
	away   map[string]spans // a link that carries nothing
	// slowDisk, fullDisk, noPages, stops and deaf are times of a slow disk, of one
	// that takes nothing, of one on which no file may grow, and of a process that
	// stands still; deaf those of a merchant's endpoint that takes nothing.
	slowDisk, fullDisk, noPages, stops spans
	deaf                               map[string]spans // by endpoint
	failing                            float64          // how often an endpoint fails
	revival                            time.Time        // when an endpoint comes back whose callbacks are buried, zero for never
	scenarios                          []sandbox.Fault
	jump                               atomic.Int64
	lives                              int
}

// rates are the probabilities of what befalls one message.
type rates struct{ lostThere, lostBack, late, twice, spoilt float64 }

// span is a time, from and to since the start of the bubble.
type span struct{ from, to time.Time }

// spans are times in which something is so.
type spans []span

func (s spans) at(t time.Time) bool {
	for _, sp := range s {
		if !t.Before(sp.from) && t.Before(sp.to) {
			return true
		}
	}
	return false
}

// links are the ways messages travel.
var links = []string{"till", "wxpay", "alipay", "notice", "callback"}

// forecast throws the weather of a seed.
func (w *world) forecast() *weather {
	out := &weather{rates: map[string]rates{}, away: map[string]spans{}, deaf: map[string]spans{}}
	r := w.dice("weather")
	out.lasts = between(r, 4*time.Minute, 12*time.Minute)
	out.strict = r.IntN(3) > 0
	for _, name := range links {
		out.rates[name] = rates{
			lostThere: rate(r, .2), lostBack: rate(r, .3), late: rate(r, .3), twice: rate(r, .2), spoilt: rate(r, .15),
		}
		if name != "callback" && r.IntN(4) == 0 {
			out.away[name] = w.throwSpans(r, out.lasts, 1, 20*time.Second, 4*time.Minute)
		}
	}
	if r.IntN(3) == 0 {
		out.slowDisk = w.throwSpans(r, out.lasts, 2, 5*time.Second, time.Minute)
	}
	if r.IntN(4) == 0 {
		out.fullDisk = w.throwSpans(r, out.lasts, 1, 2*time.Second, 90*time.Second)
	}
	if r.IntN(2) == 0 {
		out.deaf[merchantAt] = w.throwSpans(r, out.lasts, 2, 10*time.Second, out.lasts)
	}
	w.throwMerchants(out)
	m := w.dice("machine") // of its own: the other seeds stay what they were
	if m.IntN(3) == 0 {
		out.noPages = w.throwSpans(m, out.lasts, 2, 10*time.Second, 3*time.Minute)
	}
	if m.IntN(3) == 0 {
		out.stops = w.throwSpans(m, out.lasts, 2, time.Second, 90*time.Second)
	}
	out.scenarios = throwScenarios(r)
	if r.IntN(8) == 0 { // the truth comes late: by notices that were lost for as long as queries were wrong
		out.scenarios = []sandbox.Fault{unpaidSays(sandbox.WeChat, "NOTPAY"), unpaidSays(sandbox.Alipay, "WAIT_BUYER_PAY")}
		out.away["notice"] = spans{{w.start, w.start.Add(out.lasts)}}
	}
	if r := w.dice("undone"); r.IntN(3) == 0 { // of its own: the other seeds stay what they were
		out.scenarios = append(out.scenarios, sandbox.Fault{Scenario: "undone_bare", Rate: 1})
	}
	return out
}

// throwMerchants throws how the merchants' endpoints fail. Some are dead for the
// whole run and for hours after it, up to callbacks that are buried.
func (w *world) throwMerchants(out *weather) {
	r := w.dice("merchants")
	out.failing = rate(r, .5)
	if r.IntN(3) == 0 {
		out.deaf[ownAt] = w.throwSpans(r, out.lasts, 2, 10*time.Second, out.lasts)
	}
	end := w.start.Add(out.lasts)
	at := []string{merchantAt, ownAt}[r.IntN(2)]
	switch r.IntN(40) {
	case 0: // longer than the ladder: 24 h 4 min
		out.revival = end.Add(between(r, 24*time.Hour+10*time.Minute, 25*time.Hour))
		out.deaf[at] = spans{{w.start, out.revival}}
	case 1, 2, 3:
		out.deaf[at] = spans{{w.start, end.Add(between(r, 0, 3*time.Hour))}}
	}
}

// rate is 0 in every second case, and else at most most.
func rate(r *rand.Rand, most float64) float64 {
	if r.IntN(2) == 0 {
		return 0
	}
	return r.Float64() * most
}

// throwSpans throws at most n times within a run.
func (w *world) throwSpans(r *rand.Rand, lasts time.Duration, n int, low, high time.Duration) (out spans) {
	return throwSpans(r, w.start, lasts, n, low, high)
}

// throwSpans throws at most n times that begin within a while.
func throwSpans(r *rand.Rand, start time.Time, lasts time.Duration, n int, low, high time.Duration) (out spans) {
	for range 1 + r.IntN(n) {
		from := start.Add(between(r, 0, lasts))
		out = append(out, span{from, from.Add(between(r, low, high))})
	}
	return out
}

// wrongs are the ways in which the wallets themselves misbehave: scenarios of
// the sandbox, each with what it needs.
var wrongs = []sandbox.Fault{
	{Scenario: "syserr_committed"},
	{Scenario: "syserr_uncommitted"},
	{Scenario: "bankerr"},
	{Scenario: "slow_state"},
	{Scenario: "payerror_but_charged"},
	{Scenario: "duplicate"},
	unpaidSays(sandbox.WeChat, "NOTPAY"),
	unpaidSays(sandbox.Alipay, "WAIT_BUYER_PAY"),
	{Scenario: "rate_limit"},
	{Scenario: "rate_limit", Endpoint: sandbox.EndpointQuery},
	{Scenario: "no_money"},
	{Scenario: "code_expired"},
	{Scenario: "force_password"},
	{Scenario: "coupon"},
	{Scenario: "reverse_recall"},
	{Scenario: "cancel_retry"},
	{Scenario: "reverse_userpaying"},
	{Scenario: "reverse_no_effect"},
	{Scenario: "refund_stuck", Params: sandbox.Params{Seconds: new(90.0)}},
	{Scenario: "refund_syserr"},
	{Scenario: "bad_sign"},
	{Scenario: "unsigned_2xx"},
	{Scenario: "tamper"},
	{Scenario: "http502_html", Endpoint: sandbox.EndpointAny},
	{Scenario: "empty_body", Endpoint: sandbox.EndpointQuery},
	{Scenario: "notify_dup"},
	{Scenario: "notify_wrong_amount"},
	{Scenario: "notify_wrong_merchant"},
	{Scenario: "timeout"},
	{Scenario: "delay_after"},
}

// unpaidSays is a wallet whose queries call everything unpaid.
func unpaidSays(ch sandbox.Channel, state string) sandbox.Fault {
	return sandbox.Fault{Scenario: "answer_state", Channel: ch, Rate: 1, Params: sandbox.Params{State: state}}
}

// throwScenarios throws how the wallets misbehave. One of them at most lies about
// what it did: a wallet that calls a number another payment's and then calls
// that payment failed, while it has the money, leaves nobody but the bill to ask.
func throwScenarios(r *rand.Rand) (out []sandbox.Fault) {
	lies := false
	for range r.IntN(5) {
		f := wrongs[r.IntN(len(wrongs))]
		liar := slices.Contains([]string{"duplicate", "payerror_but_charged", "answer_state"}, f.Scenario)
		if liar && lies {
			continue
		}
		lies = lies || liar
		f.Rate = .05 + .45*r.Float64()
		f.Seed = new(r.Uint64())
		out = append(out, f)
	}
	return out
}

// How far the machine's clock may be wrong: mostly by less than the minute by
// which money.md §2 tells our payments from others', sometimes by more than the
// five minutes after which APIv3 takes no signature. The profile's PayTimeDoubt
// is longer.
const (
	maxJump = 50 * time.Second
	farJump = 10 * time.Minute
)

// plan puts everything on the driver's list.
func (w *world) plan() {
	r := w.dice("plan")
	for _, f := range w.weather.scenarios {
		if err := w.box.AddFault(f); err != nil {
			w.violated("the sandbox takes no fault %s: %v", f.Scenario, err)
		}
	}
	within := func() time.Time { return w.start.Add(between(r, 0, w.weather.lasts)) }
	for i := range 1 + r.IntN(maxSales) {
		s := w.throwSale(r, i)
		w.at(within(), "", func(ctx context.Context) { w.actor(func() { s.run(ctx) }) })
	}
	for range kills(r) {
		how := int32(r.IntN(3)) //nolint:gosec // below 3
		w.at(within(), "", func(context.Context) {
			p := w.running()
			switch {
			case p == nil:
			case how == armedNot:
				p.kill("between commits")
			default:
				p.armed.Store(how)
			}
		})
	}
	if r.IntN(4) == 0 {
		w.at(within(), "", w.restart)
	}
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(2) {
			jump, at := between(r, -maxJump, maxJump), within()
			if far := w.dice("clock", jump.String()); far.IntN(3) == 0 {
				jump = between(far, -farJump, farJump)
			}
			w.at(at, "", func(context.Context) {
				kind := "clock jump"
				if max(jump, -jump) > maxJump {
					kind = "clock jump of minutes"
				}
				w.fault(kind)
				w.note("clock", "is wrong by %v", jump.Truncate(time.Millisecond))
				w.weather.jump.Store(int64(jump))
			})
		}
	}
	if k := w.dice("keys"); k.IntN(4) == 0 { // dice of its own: the other seeds stay what they were
		w.at(w.start.Add(between(k, 0, w.weather.lasts)), "", w.rotate)
	}
	w.planAccounts()
	w.planSettings()
	w.planRevival()
	w.after(between(r, time.Second, 3*time.Second), "", w.sendNotices)
	for range 3 {
		w.at(within(), "", w.checkRunning)
	}
}

// planRevival has customers pay after an endpoint has come back: what is
// delivered to it then brings back what was buried (P5).
func (w *world) planRevival() {
	if w.weather.revival.IsZero() {
		return
	}
	r := w.dice("revival")
	s := w.throwSale(r, maxSales)
	// A simple one: it is to be delivered.
	s.qr, s.dup, s.powerCut, s.undo, s.refunds, s.does = false, false, 0, 0, nil, sandbox.ActionApprove
	s.total, s.own = 1+r.Int64N(100_00), len(w.weather.deaf[ownAt]) > 0 && w.weather.deaf[ownAt].at(w.weather.revival.Add(-time.Second))
	w.at(w.weather.revival, "", func(ctx context.Context) {
		w.fault("merchant's endpoint back after its callbacks were buried")
		w.actor(func() { s.run(ctx) })
	})
}

// kills is how often the process dies in a run: mostly once or twice.
func kills(r *rand.Rand) int { return []int{0, 1, 1, 2, 2, 3, 5}[r.IntN(7)] }

// restart stops the process in good order and starts it again.
func (w *world) restart(ctx context.Context) {
	p := w.running()
	if p == nil {
		return
	}
	w.fault("restarted")
	w.note("process", "%d is stopped", p.no)
	if err := p.stop(ctx); err != nil {
		w.violated("process %d does not stop: %v", p.no, err)
	}
	if p.isDead() {
		return // killed while it stopped: that starts it again
	}
	if err := w.startProcess(ctx); err != nil {
		w.violated("the process does not start: %v", err)
	}
}

// sendNotices sends what the wallets have to tell, again and again.
func (w *world) sendNotices(ctx context.Context) {
	w.actor(func() {
		if _, err := w.box.SendNotices(ctx); err != nil {
			w.violated("notices are not sent: %v", err)
		}
	})
	every := 4 * time.Second
	if w.night.rough(w.Now()) {
		every = 15 * time.Second
	}
	switch calm := w.Now().Sub(w.lastCalm()); {
	case calm > time.Hour: // nothing is left but callbacks
		every = 5 * time.Minute
	case calm >= 0:
		every = 30 * time.Second
	}
	w.after(every+between(w.dice("notices"), 0, time.Second), "", w.sendNotices)
}

// becomeCalm ends the faults: a process runs, its clock is right, and whatever
// is sent arrives.
func (w *world) becomeCalm(ctx context.Context) {
	w.weather.jump.Store(0)
	if p := w.running(); p != nil {
		p.armed.Store(armedNot)
	}
	totals, err := w.box.Totals(ctx)
	if err != nil {
		w.violated("the sandbox does not count: %v", err)
	}
	for name, n := range totals.Faults {
		w.mu.Lock()
		w.faults["wallet: "+name] = int(n)
		w.mu.Unlock()
	}
	if err := w.box.ClearFaults(); err != nil { //nolint:contextcheck // it takes none
		w.violated("the sandbox keeps its faults: %v", err)
	}
	w.lieOn() //nolint:contextcheck // as above
	w.note("weather", "is calm")
}
