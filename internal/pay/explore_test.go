package pay

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// behaviours are the customers of the exploration, with the second they act.
var behaviours = []struct {
	does customer
	acts float64
}{
	{paysAtOnce, 0},
	{approves, 14},
	{approves, 61},
	{approves, 75},
	{cancels, 8},
	{ignores, 0},
	{refusedNow, 0},
	{refusedNow, 25},
	{busyCharged, 0},
	{riskRefused, 0},
	{usedNumber, 0},
	{usedAmount, 0},
	{arrivesLater, 20},
	{arrivesLater, 92},
}

// TestTruthfulWalletEndsEveryOrder walks every way in which the first calls
// of an order can be lost, before or after the wallet acts, for every
// customer, with and without a cashier who asks to reverse. When the wallet
// answers at last, each order ends, and as the wallet's truth.
func TestTruthfulWalletEndsEveryOrder(t *testing.T) {
	t.Parallel()
	const calls = 5 // 3^5 fates of the first five calls
	for ch, p := range Profiles {
		for _, b := range behaviours {
			for _, asks := range []float64{-1, 3, 20} {
				for _, expired := range []bool{false, true} {
					name := fmt.Sprintf("%s %s %v asks %v expired %v", ch, b.does, b.acts, asks, expired)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						for fates := range 243 {
							w := newWallet(ch, b.does, time.Time{})
							if b.acts > 0 {
								w.acts = at(b.acts)
							}
							w.expired, w.takes = expired, ch == Wxpay
							s := newWorld(t, p, w)
							rest := fates
							s.loss = func(string) loss {
								fate := loss(rest % 3)
								rest /= 3
								return fate
							}
							s.note("fates %d of %d calls", fates, calls)
							run(s, asks)
						}
					})
				}
			}
		}
	}
}

func run(s *world, asks float64) {
	s.send(0)
	if asks >= 0 {
		s.until(at(asks))
		_ = s.cashierReverses()
	}
	s.settle()
	s.agree()
}

// TestOrdersKeepTheRules drives random lives of an order: lost calls, crashes
// between commit and call, outages, late pay answers, old notices, cashiers
// who reverse and refund. The rules are checked at every change (world.take,
// world.book), and at the end the order is the wallet's truth.
func TestOrdersKeepTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ch := rapid.SampledFrom([]Channel{Wxpay, Alipay}).Draw(t, "channel")
		b := rapid.SampledFrom(behaviours).Draw(t, "customer")
		w := newWallet(ch, b.does, time.Time{})
		if b.acts > 0 {
			w.acts = at(rapid.Float64Range(1, 200).Draw(t, "acts"))
		}
		w.expired = rapid.Bool().Draw(t, "expired")
		w.takes = rapid.Bool().Draw(t, "takes")
		w.recalls = rapid.IntRange(0, 4).Draw(t, "recalls")
		w.refuse = rapid.IntRange(0, 2).Draw(t, "refuse")
		s := newWorld(t, Profiles[ch], w)
		bad := rapid.IntRange(0, 40).Draw(t, "bad calls")
		s.loss = func(string) loss {
			if bad--; bad < 0 {
				return arrives
			}
			return rapid.SampledFrom([]loss{arrives, lostBefore, lostAfter}).Draw(t, "fate")
		}
		s.crash = func() bool { return bad > 0 && rapid.IntRange(0, 5).Draw(t, "crash") == 0 }
		s.send(time.Duration(rapid.IntRange(0, 20).Draw(t, "answer after")) * time.Second)
		var seen []Outcome // what a notice may repeat, however late
		for range rapid.IntRange(0, 40).Draw(t, "turns") {
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0:
				s.now = s.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "outage")) * time.Second)
			case 1:
				_ = s.cashierReverses()
			case 2:
				amount := Fen(rapid.IntRange(1, int(total)).Draw(t, "refund"))
				if s.p.CheckRefund(s.o, total, amount, s.now) == nil {
					s.openRefund(fmt.Sprintf("R%d", len(s.refunds)), OriginAPI, amount)
				}
			case 3:
				seen = append(seen, w.query(s.now))
			case 4:
				if len(seen) > 0 && b.does != usedAmount {
					s.notice(rapid.SampledFrom(seen).Draw(t, "notice"))
				}
			default:
				s.turn()
			}
		}
		bad = 0
		w.refuse = 0
		s.settle()
		s.agree()
		final := s.o.State
		for _, out := range seen {
			s.notice(out)
			if s.o.State != final {
				s.fatalf("a final state moved")
			}
		}
		s.settle()
		s.agree()
	})
}
