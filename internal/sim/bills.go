package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/store"
)

// both are the wallets, whose bills are one for each.
var both = []pay.Channel{pay.Wxpay, pay.Alipay}

// sorted are the keys of a map in order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// unbilled says which bills should be reconciled by now and are not.
func (w *world) unbilled(ctx context.Context, p *process) (names []string) {
	n := w.night
	if n == nil || w.Now().Before(n.dawn) {
		return nil
	}
	days := []string{n.day}
	if !w.Now().Before(n.last) {
		days = append(days, n.next)
	}
	for _, d := range days {
		for _, ch := range both {
			run, err := p.store.ReconRun(ctx, store.ReconKey{MerchantID: merchantID, Channel: ch, Day: d})
			if err != nil || run.Step != store.ReconDone {
				names = append(names, fmt.Sprintf("the bill %s of %s is at %q (%v)", ch, d, run.Step, err))
			}
		}
	}
	return names
}

// waitForBills lets time pass until the bills of a day are reconciled.
func (w *world) waitForBills(ctx context.Context, d string) {
	for end := w.Now().Add(patience); w.Now().Before(end); w.drive(ctx, w.Now().Add(stepAtEnd)) {
		if w.quiet(ctx) {
			return
		}
	}
	w.violated("the bills of %s are not reconciled after %v: %s", d, patience, w.unquiet(ctx))
}

// waitForDay lets time pass until a day is closed.
func (w *world) waitForDay(ctx context.Context, d string) {
	for end := w.Now().Add(patience); w.Now().Before(end); w.drive(ctx, w.Now().Add(stepAtEnd)) {
		p := w.running()
		if p == nil {
			continue
		}
		if _, last, err := p.store.EndDays(ctx, merchantID); err == nil && strings.ReplaceAll(last.Date, "-", "") >= d {
			return
		}
	}
	w.violated("the day %s is not closed %v after its differences are", d, patience)
}

// differences reads all differences of a run.
func (w *world) differences(ctx context.Context, p *process, state string) []store.Diff {
	list, err := p.store.Diffs(ctx, store.DiffFilter{MerchantID: merchantID, FromDay: "00000000", ToDay: "99999999", State: state, Limit: 1000})
	if err != nil {
		w.violated("differences cannot be read: %v", err)
	}
	return list
}

// keepBooks is the person who looks at what reconciliation has found. A lie of the
// wallet's must be there, and nothing that nobody has done. Where he lets a
// difference be repaired the books follow the bill if the wallet confirms it; in
// the end the wallet corrects its bill, and the books must be right.
func (w *world) keepBooks(ctx context.Context) {
	p := w.running()
	if p == nil {
		w.violated("no process runs after the bills")
		return
	}
	open := w.differences(ctx, p, store.DiffOpen)
	for _, d := range w.differences(ctx, p, "") {
		w.note("difference", "%s of %s in the bill of %s: ours %d, theirs %d, %s (%s)", d.Type, d.Item, d.Day, d.Ours, d.Theirs, d.State, d.Why)
		if !w.excused(d) {
			w.violated("the bill of %s: %s of %s, ours %d (%s), theirs %d (%s), and nothing was wrong", d.Day, d.Type, d.Item, d.Ours, d.OurState, d.Theirs, d.TheirState)
		}
	}
	lie := w.night.lie
	if lie == nil {
		return
	}
	w.night.lie = nil
	w.fault("bill lies: " + lie.Scenario)
	if !slices.ContainsFunc(open, func(d store.Diff) bool {
		return w.tells(d, lie)
	}) {
		w.violated("the bill lied about %s (%s), and no such difference was found", lie.Params.OutTradeNo, lie.Scenario)
	}
	w.night.excused = lie.Params.OutTradeNo
	r := w.dice("keep books")
	for _, d := range open {
		if r.IntN(2) == 0 {
			_, err := p.recon.Repair(ctx, recon.Repair{DiffKey: d.DiffKey, By: directory.System, Why: "the wallet is asked"})
			w.note("operator", "repairs %s of %s: %v", d.Type, d.Item, err == nil)
		}
	}
	if err := w.box.ClearFaults(); err != nil { //nolint:contextcheck // it takes none
		w.violated("the sandbox keeps its faults: %v", err)
	}
	for _, ch := range both {
		run, err := p.recon.Again(ctx, store.ReconKey{MerchantID: merchantID, Channel: ch, Day: w.night.day})
		if err != nil || run.Step != store.ReconDone {
			w.violated("the bill %s of %s is at %q when it is reconciled again: %v", ch, w.night.day, run.Step, err)
		}
	}
}

// tells reports whether a difference is what a lie must be found as. A row that is
// missing near midnight may yet be in the bill of the next day.
func (w *world) tells(d store.Diff, lie *sandbox.Fault) bool {
	return strings.Contains(d.OutTradeNo, lie.Params.OutTradeNo) &&
		(d.Type == lies[lie.Scenario] || d.Type == store.DateEdge && lie.Scenario == "bill_missing_row" && w.nearMidnight())
}

// nearMidnight reports whether the run began so late that its day turned in it.
func (w *world) nearMidnight() bool { return w.start.Sub(channel.BillDay(w.start)) > 20*time.Hour }

// excused reports whether the seed has done something that a difference tells of: the
// bill lies about that order, or it happened near midnight by clocks that do not
// agree, and the bill of the day beside it has explained it.
func (w *world) excused(d store.Diff) bool {
	if lie := w.night.lie; lie != nil && strings.Contains(d.OutTradeNo, lie.Params.OutTradeNo) {
		return true
	}
	return d.OutTradeNo != "" && strings.Contains(d.OutTradeNo, cmp.Or(w.night.excused, "-")) || d.Type == store.DateEdge && w.nearMidnight()
}

// checkBills compares the books with the wallets' movements of money, and looks at the
// days that are closed.
func (w *world) checkBills(ctx context.Context) {
	p := w.running()
	if p == nil {
		w.violated("no process runs after the bills")
		return
	}
	all, err := w.ordersOf(ctx, p.store)
	if err != nil {
		w.violated("orders cannot be read: %v", err)
		return
	}
	for _, d := range w.differences(ctx, p, store.DiffOpen) {
		w.violated("the difference %s of %s is still open in the bill of %s", d.Type, d.Item, d.Day)
	}
	moved := w.checkMoney(ctx, p.store, all)
	w.checkDays(ctx, p, moved)
}

// movedOf sums up what moved at one wallet.
type movedOf struct{ in, back int64 }

// checkMoney compares the ledger of every order with what its wallet has moved, fees
// included: each is booked once.
func (w *world) checkMoney(ctx context.Context, st *store.Store, all map[string]pay.Order) map[pay.Channel]movedOf {
	gross, fees, moved := map[string]int64{}, map[string]int64{}, make(map[pay.Channel]movedOf)
	for at := channel.BillDay(w.start); at.Before(w.Now()); at = at.AddDate(0, 0, 1) {
		list, err := w.box.Movements(ctx, at)
		if err != nil {
			w.violated("movements cannot be read: %v", err)
		}
		for _, m := range list {
			gross[m.OutTradeNo] += int64(m.Gross)
			fees[m.OutTradeNo] -= int64(m.Fee)
			sums := moved[pay.Channel(m.Channel)]
			switch m.Kind {
			case "payment":
				sums.in++
			case "refund", "reverse", "rollback":
				sums.back++
			case "returned":
				sums.back--
			}
			moved[pay.Channel(m.Channel)] = sums
		}
	}
	all = maps.Clone(all)
	all["*bill"] = pay.Order{OutTradeNo: "*bill"}
	for _, no := range sorted(all) {
		ps, err := st.Postings(ctx, merchantID, no)
		if err != nil {
			w.violated("postings of %s cannot be read: %v", no, err)
			continue
		}
		b := pay.Balances(ps)
		if has := int64(b[pay.AccFee]); has != fees[no] {
			w.violated("fees of %s are %d, and the wallet took %d", no, has, fees[no])
		}
		if has := int64(b[pay.AccReceivable]); has != gross[no]-fees[no] {
			w.violated("by the ledger the wallet owes %d of %s, by its movements %d", has, no, gross[no]-fees[no])
		}
		if b[pay.AccSuspense] != 0 {
			w.violated("%d of %s are still in suspense", b[pay.AccSuspense], no)
		}
	}
	return moved
}

// checkDays verifies the chain of closed days, and that the four sums of each agree:
// orders, ledger, bill and callbacks (P6).
func (w *world) checkDays(ctx context.Context, p *process, moved map[pay.Channel]movedOf) {
	var file bytes.Buffer
	if _, err := p.days(slog.New(slog.DiscardHandler)).Export(ctx, merchantID, &file); err != nil {
		w.violated("closed days are not exported: %v", err)
		return
	}
	total := make(map[pay.Channel]day.Sums)
	v, err := day.Verify(&file, day.Trust{}, func(r day.Record) error {
		if !r.Balanced {
			w.violated("P6: the closed day %s does not balance: %+v, %+v", r.Date, r.Channels, r.Differences)
		}
		for _, ch := range r.Channels {
			total[ch.Channel] = total[ch.Channel].Plus(ch.Orders)
			w.note("closed", "%s %s: orders %+v, ledger %+v, bill %+v, callbacks %+v", r.Date, ch.Channel, ch.Orders, ch.Ledger, ch.Bill, ch.Callbacks)
			if len(r.Differences) == 0 && ch.Bill != ch.Orders {
				w.violated("P6: on %s the orders of %s are %+v and the bill has %+v", r.Date, ch.Channel, ch.Orders, ch.Bill)
			}
		}
		for _, a := range r.Adjustments {
			w.note("closed", "%s adjusts %s of %s by %d and %d", r.Date, a.Item, a.Of, a.In, a.Back)
		}
		if len(r.Adjustments) > 0 {
			return errors.New("nothing changed after its day was closed, and it has adjustments")
		}
		return nil
	})
	if err != nil {
		w.violated("the chain of closed days does not verify: %v", err)
		return
	}
	if last := strings.ReplaceAll(v.Last, "-", ""); last < w.night.next || v.Days < 2 {
		w.violated("the chain of closed days has %d and ends with %s", v.Days, v.Last)
	}
	for _, ch := range both {
		if has := (movedOf{total[ch].InCount, total[ch].BackCount}); has != moved[ch] {
			w.violated("closed days have %+v movements of %s, and the wallet %+v", has, ch, moved[ch])
		}
	}
}
