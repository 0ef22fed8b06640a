package sim

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/store"
)

// Nights are rare: what a wallet says of a day it says the next morning, and so a
// run with a night costs as much as two.
const (
	oneNightIn  = 6
	idleAtNight = 10 * time.Minute // nobody else writes jobs of bills
	maxMorning  = 3                // sales of a morning
)

// night is what comes after a run's own day: the morning on which the bills of that
// day are there and everything goes wrong once more, and another on which nothing
// does.
type night struct {
	day     string         // of the run's beginning, in Beijing
	next    string         // the day after it
	dawn    time.Time      // from here on
	over    time.Time      // until here things go wrong
	last    time.Time      // the morning of the next day's bills
	off     bool           // nobody runs between the evening and a morning
	lie     *sandbox.Fault // in the bill of the day, nil for none
	excused string         // the order that it was about, once it has been found

	mu    sync.Mutex
	kills []kill // of reconciliation, the next one first
}

// kill is the end of a process in the middle of its work on bills and days.
type kill struct {
	units int // how many units it still begins
	how   int32
}

// rough reports whether it is a morning on which things go wrong.
func (n *night) rough(t time.Time) bool {
	return n != nil && !t.Before(n.dawn) && t.Before(n.over)
}

// throwNight throws whether a run has a night. In one of three of those the day turns in
// the middle of it, so what has happened until then is left out.
func (w *world) throwNight() {
	r := w.dice("night")
	if r.IntN(oneNightIn) > 0 || w.NoNights {
		return
	}
	if r.IntN(3) == 0 {
		midnight := channel.BillDay(w.start).AddDate(0, 0, 1)
		w.sleep(midnight.Add(-between(r, 20*time.Second, 8*time.Minute)).Sub(w.start))
		w.start = w.Now()
	}
	today := channel.BillDay(w.start)
	n := &night{day: recon.DayOf(today), next: recon.DayOf(today.AddDate(0, 0, 1)), off: r.IntN(4) > 0}
	n.dawn = today.AddDate(0, 0, 1).Add(10*time.Hour + between(r, 0, 4*time.Minute))
	n.over = n.dawn.Add(between(r, 10*time.Minute, 40*time.Minute))
	n.last = today.AddDate(0, 0, 2).Add(10 * time.Hour)
	w.night = n
}

// throwMorning throws what goes wrong in the morning.
func (w *world) throwMorning() {
	if !w.weather.revival.IsZero() { // a day and more is what that one needs
		w.night = nil
	}
	n := w.night
	if n == nil {
		return
	}
	r := w.dice("morning")
	w.weather.rates[billLink] = rates{lostThere: rate(r, .4), lostBack: rate(r, .4), late: rate(r, .4), spoilt: rate(r, .5)}
	add := func(of spans, one int, low, high time.Duration) spans {
		if r.IntN(one) > 0 {
			return of
		}
		return append(of, throwSpans(r, n.dawn, n.over.Sub(n.dawn), 2, low, high)...)
	}
	wx := w.weather
	wx.slowDisk, wx.fullDisk = add(wx.slowDisk, 4, 5*time.Second, time.Minute), add(wx.fullDisk, 4, 2*time.Second, 90*time.Second)
	wx.noPages, wx.stops = add(wx.noPages, 4, 10*time.Second, 3*time.Minute), add(wx.stops, 4, time.Second, 90*time.Second)
	for _, name := range []string{"wxpay", "alipay", billLink} {
		wx.away[name] = add(wx.away[name], 5, 20*time.Second, 10*time.Minute)
	}
	for range r.IntN(4) {
		n.kills = append(n.kills, kill{1 + r.IntN(25), armedBefore + int32(r.IntN(2))}) //nolint:gosec // below 2
	}
}

// ofNight are the units of work that count for the killing: those of bills and days.
var ofNight = map[string]bool{
	"InsertReconRun": true, "MoveReconRun": true, "InsertBillChunk": true, "InsertDayDraft": true, "TakeDayDraft": true,
	"KeepDayDraft": true, "InsertDayKey": true,
}

// count counts a unit of work, and has the process die in it if it is the one. Units
// of other runs may be committed with it, and one that is not of bills may be the
// one that the process dies in.
func (n *night) count(p *process, what string) {
	if n == nil || !ofNight[what] || !n.rough(p.w.Now()) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.kills) == 0 {
		return
	}
	if n.kills[0].units--; n.kills[0].units == 0 {
		p.armed.Store(n.kills[0].how)
		n.kills = n.kills[1:]
		p.w.fault("killed while it reconciles")
	}
}

// liveOn goes through the night and what follows it.
func (w *world) liveOn(ctx context.Context) {
	w.toMorning(ctx, w.night.dawn)
	w.planMorning(ctx)
	w.drive(ctx, w.night.over)
	w.settleDown(ctx)
	w.keepBooks(ctx)
	w.waitForDay(ctx, w.night.day)
	w.toMorning(ctx, w.night.last)
	w.waitForBills(ctx, w.night.next)
	w.keepBooks(ctx)
	w.waitForDay(ctx, w.night.next)
	w.checkBills(ctx)
}

// toMorning lets the night pass. Mostly nobody runs meanwhile.
func (w *world) toMorning(ctx context.Context, morning time.Time) {
	p := w.running()
	if w.night.off && p != nil && w.Now().Before(morning) {
		w.note("process", "%d is stopped for the night", p.no)
		if err := p.stop(ctx); err != nil {
			w.violated("process %d does not stop: %v", p.no, err)
		}
		w.drive(ctx, morning)
		if err := w.startProcess(ctx); err != nil {
			w.violated("the process does not start: %v", err)
		}
		return
	}
	w.drive(ctx, morning)
}

// planMorning puts what happens in the morning on the driver's list.
func (w *world) planMorning(ctx context.Context) {
	n := w.night
	w.note("weather", "is rough again")
	w.fault("bills of a night")
	r := w.dice("dawn")
	within := func() time.Time { return n.dawn.Add(between(r, 0, n.over.Sub(n.dawn))) }
	for i := range r.IntN(maxMorning + 1) {
		s := w.throwSale(r, maxSales+1+i)
		w.at(within(), "", func(ctx context.Context) { w.actor(func() { s.run(ctx) }) })
	}
	if r.IntN(3) == 0 {
		w.at(within(), "", func(context.Context) {
			if p := w.running(); p != nil {
				p.kill("in the morning")
			}
		})
	}
	if r.IntN(4) == 0 {
		w.at(within(), "", w.restart)
	}
	faults := throwScenarios(r)
	if r.IntN(2) == 0 {
		faults = nil
	}
	for _, f := range append(faults, throwBillFaults(r)...) {
		if err := w.box.AddFault(f); err != nil { //nolint:contextcheck // it takes none
			w.violated("the sandbox takes no fault %s: %v", f.Scenario, err)
		}
	}
	if r.IntN(2) == 0 {
		w.throwLie(ctx, r)
		w.lieOn() //nolint:contextcheck // as above
	}
}

// throwBillFaults throws how the wallets hand out bills.
func throwBillFaults(r *rand.Rand) (out []sandbox.Fault) {
	for _, f := range []sandbox.Fault{
		{Scenario: "bill_late", Params: sandbox.Params{Seconds: new(between(r, time.Hour, 3*time.Hour).Seconds())}},
		{Scenario: "bill_bad_hash"},
		{Scenario: "bill_gzip"},
		{Scenario: "bill_token_expired"},
		{Scenario: "bill_30s_expiry"},
	} {
		if r.IntN(4) == 0 {
			f.Rate, f.Seed = .3+.7*r.Float64(), new(r.Uint64())
			out = append(out, f)
		}
	}
	return out
}

// lies are the ways in which a bill is wrong, and what of it must be found.
var lies = map[string]store.DiffType{
	"bill_missing_row": store.WeMore,
	"bill_extra_row":   store.WalletMore,
	"bill_amount_diff": store.AmountDiff,
	"bill_fee_diff":    store.FeeDiff,
	"bill_state_diff":  store.StateDiff,
}

// throwLie throws how the bill of the day tells of one of its payments.
func (w *world) throwLie(ctx context.Context, r *rand.Rand) {
	p := w.running()
	if p == nil {
		return
	}
	all, err := w.ordersOf(ctx, p.store)
	if err != nil {
		w.violated("orders cannot be read: %v", err)
		return
	}
	var paid []pay.Order
	for _, no := range sorted(all) {
		if o := all[no]; o.Taken() && recon.DayOf(o.PaidAt) == w.night.day {
			paid = append(paid, o)
		}
	}
	names := sorted(lies)
	name := names[r.IntN(len(names))]
	if len(paid) == 0 {
		return
	}
	o := paid[r.IntN(len(paid))]
	w.night.lie = &sandbox.Fault{Scenario: name, Channel: sandbox.Channel(o.Channel), Params: sandbox.Params{OutTradeNo: o.OutTradeNo}}
	w.note("wallet", "its bill lies about %s: %s", o.OutTradeNo, name)
}

// lieOn has the wallet lie in its bill, if it does so: that is no fault that ends with
// the morning.
func (w *world) lieOn() {
	if w.night == nil || w.night.lie == nil {
		return
	}
	if err := w.box.AddFault(*w.night.lie); err != nil {
		w.violated("the sandbox takes no fault %s: %v", w.night.lie.Scenario, err)
	}
}
