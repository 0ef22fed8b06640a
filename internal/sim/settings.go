package sim

import (
	"context"
	"errors"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// planSettings throws what the merchant chooses: when the server gives up an unpaid
// payment by itself, and what becomes of late money. An order keeps the choice that it
// was opened with.
func (w *world) planSettings() {
	r := w.dice("settings")
	if r.IntN(3) > 0 {
		return
	}
	choice := directory.Settle{
		Profile: pay.Settings[r.IntN(len(pay.Settings))],
		Late:    []string{"", directory.LateReturn, directory.LateHold}[r.IntN(3)],
	}
	at := w.start
	if r.IntN(3) == 0 {
		at = at.Add(between(r, 0, w.weather.lasts))
	}
	w.manual = choice.Profile == pay.SettleManual
	w.at(at, "", func(ctx context.Context) { w.actor(func() { w.choose(ctx, choice) }) })
}

// choose has the merchant choose, as often as it takes.
func (w *world) choose(ctx context.Context, c directory.Settle) {
	for {
		err := errors.New("no process runs")
		if p := w.running(); p != nil {
			_, err = p.people.UpdateMerchant(ctx, directory.System, merchantID, func(m *directory.Merchant) error {
				m.Policy.Settle = c
				return nil
			})
		}
		w.note("merchant", "chooses %q and %q: %v", c.Profile, c.Late, err == nil)
		if err == nil {
			w.fault("setting " + string(c.Profile))
			return
		}
		w.sleep(between(w.dice("choose"), time.Second, 10*time.Second))
	}
}

// patienceOfCashiers is how long a cashier waits for a payment that the server does not
// give up by itself.
const patienceOfCashiers = 2 * time.Minute

// callCashiers has cashiers reverse what is still open, where the server never does it
// by itself: P7 counts on them then.
func (w *world) callCashiers(ctx context.Context) {
	if !w.manual {
		return
	}
	w.at(w.lastCalm().Add(patienceOfCashiers), "", func(context.Context) {
		p := w.running()
		if p == nil {
			return // checkFinal will say so
		}
		all, err := w.ordersOf(ctx, p.store)
		if err != nil {
			w.violated("orders cannot be read: %v", err)
			return
		}
		for _, no := range sorted(all) {
			if o := all[no]; o.State == pay.PAYING && o.TradeType == pay.TradeMicroPay {
				s := &sale{w: w, till: tillOf(o.DeviceID), wallet: sandbox.Channel(o.Channel), total: int64(o.Total)}
				w.fault("cashier reverses")
				w.actor(func() { s.giveUp(ctx, no) })
			}
		}
	})
}

// giveUp reverses a payment until it is known what became of it.
func (s *sale) giveUp(ctx context.Context, no string) {
	w := s.w
	c, err := s.client()
	if err != nil {
		w.violated("no till: %v", err)
		return
	}
	for range 20 {
		_, err := c.Reverse(ctx, &cpay.ReverseRequest{OutTradeNo: no, TradeType: cpay.TradeMicroPay, PayMchKey: cpay.PayMchKey{PayPlatform: s.platform()}})
		w.note("till", "gives %s up: %s", no, verdict(err))
		if err == nil {
			w.tellUnpaid(ctx, no, s.total, "the answer to a reverse")
		}
		if !cpay.Unknown(err) {
			return
		}
		w.sleep(between(w.dice("give up", no), 5*time.Second, 15*time.Second))
	}
}
