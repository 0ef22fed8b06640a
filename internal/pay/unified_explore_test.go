package pay

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var scenarios = []scenario{
	{scans: -1, pays: -1},
	{scans: 3, pays: -1},
	{scans: 2, pays: 4},
	{scans: 20, pays: 25},
	{scans: 290, pays: 302},
	{scans: 400, pays: 430},
	{scans: 598, pays: 599},
	{scans: 3, pays: 5, before: usedNumber},
	{scans: 3, pays: 5, before: usedAmount},
}

// TestTruthfulWalletEndsEveryUnifiedOrder walks every way in which the first
// calls can be lost, for every customer, with and without a merchant who
// closes. Each order ends, and as the wallet's truth.
func TestTruthfulWalletEndsEveryUnifiedOrder(t *testing.T) {
	t.Parallel()
	const calls = 5
	for ch := range Profiles {
		for _, sc := range scenarios {
			for _, closes := range []float64{-1, 2, 21, 301} {
				t.Run(fmt.Sprintf("%s %v closes %v", ch, sc, closes), func(t *testing.T) {
					t.Parallel()
					for fates := range 243 {
						rest := fates
						s := prepared(t, ch, sc, func(string) loss {
							fate := loss(rest % 3)
							rest /= 3
							return fate
						})
						s.note("fates %d of %d calls", fates, calls)
						if s.o.Prepaid == (Prepaid{}) { // the merchant repeats his request
							s.prepay()
						}
						if closes >= 0 {
							s.until(at(closes))
							_ = s.merchantCloses()
						}
						s.settle()
						s.agree()
					}
				})
			}
		}
	}
}

// TestUnifiedOrdersKeepTheRules drives random lives as TestOrdersKeepTheRules.
func TestUnifiedOrdersKeepTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ch := rapid.SampledFrom([]Channel{Wxpay, Alipay}).Draw(t, "channel")
		sc := rapid.SampledFrom(scenarios).Draw(t, "customer")
		bad := rapid.IntRange(0, 40).Draw(t, "bad calls")
		s := prepared(t, ch, sc, func(string) loss {
			if bad--; bad < 0 {
				return arrives
			}
			return rapid.SampledFrom([]loss{arrives, lostBefore, lostAfter}).Draw(t, "fate")
		})
		s.w.stays = rapid.Bool().Draw(t, "stays")
		s.w.takes = rapid.Bool().Draw(t, "takes")
		s.w.recalls = rapid.IntRange(0, 3).Draw(t, "recalls")
		s.crash = func() bool { return bad > 0 && rapid.IntRange(0, 5).Draw(t, "crash") == 0 }
		var seen []Outcome
		told := false
		for range rapid.IntRange(0, 60).Draw(t, "turns") {
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0:
				s.now = s.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "outage")) * time.Second)
			case 1:
				_ = s.merchantCloses()
			case 2:
				if s.o.State == PAYING {
					s.prepay()
				}
			case 3:
				seen = append(seen, s.w.query(s.now))
			case 4:
				if len(seen) > 0 {
					s.notice(rapid.SampledFrom(seen).Draw(t, "notice"))
				}
			case 5:
				if s.p.CheckRefund(s.o, total, 40, s.now) == nil {
					s.openRefund(fmt.Sprintf("R%d", len(s.refunds)), OriginAPI, 40)
				}
			default:
				s.turn()
			}
			told = told || s.o.State == CLOSING && s.o.CloseAnswer() == nil
			if told && s.o.State == PAID {
				s.fatalf("paid, after the merchant was told that it is closed")
			}
		}
		bad = 0
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
