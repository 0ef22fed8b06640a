package pay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFenPrintsYuan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    Fen
		want string
	}{
		{0, "0.00"},
		{2, "0.02"},
		{1250, "12.50"},
		{-2, "-0.02"},
		{-1250, "-12.50"},
		{MaxFen, "21474836.47"},
		{math.MaxInt64, "92233720368547758.07"},
		{math.MinInt64, "-92233720368547758.08"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("Fen(%d) prints %s, want %s", int64(c.f), got, c.want)
		}
	}
}

func TestFenRefusesOverflow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f, g     Fen
		add, sub bool // possible
	}{
		{1, 2, true, true},
		{math.MaxInt64, 1, false, true},
		{math.MinInt64, -1, false, true},
		{math.MinInt64, 1, true, false},
		{math.MaxInt64, -1, true, false},
		{-1, math.MinInt64, false, false},
		{0, math.MinInt64, true, false},
	} {
		sum, err := c.f.Add(c.g)
		if (err == nil) != c.add || err == nil && sum != c.f+c.g || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%d + %d = %d, %v", int64(c.f), int64(c.g), int64(sum), err)
		}
		diff, err := c.f.Sub(c.g)
		if (err == nil) != c.sub || err == nil && diff != c.f-c.g || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%d - %d = %d, %v", int64(c.f), int64(c.g), int64(diff), err)
		}
	}
}

func TestFenCheck(t *testing.T) {
	t.Parallel()
	refused(t, "one fen", Fen(1).Check(), nil, "")
	refused(t, "the largest", MaxFen.Check(), nil, "")
	refused(t, "nothing", Fen(0).Check(), ErrInvalid, "amount_not_positive")
	refused(t, "negative", Fen(-1).Check(), ErrInvalid, "amount_not_positive")
	refused(t, "too large", (MaxFen + 1).Check(), ErrInvalid, "amount_too_large")
}

func TestParseYuan(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Fen{
		"0.00": 0, "0.01": 1, "0.02": 2, "1.00": 100, "12.50": 1250, "1250.00": 125000, "21474836.47": MaxFen,
	} {
		if got, err := ParseYuan(s); err != nil || got != want {
			t.Errorf("ParseYuan(%q) = %d, %v, want %d", s, int64(got), err, int64(want))
		}
	}
	for _, s := range []string{
		"", ".", "0", "1", "0.0", "0.001", "1.", ".5", ".50", "1e3", "1E3.00", "1,000.00", "00.10", "01.00", "-1.00", "+1.00",
		" 1.00", "1.00 ", "1.00\n", "1.2.3", "1..2", "1.2.", "..00", "21474836.48", "92233720368547758.08",
		"99999999999999999999.00", "１.００", "1.0０", "١.٠٠", "0x1.00", "1_0.00", "¥1.00", "NaN", "Inf",
	} {
		got, err := ParseYuan(s)
		if err == nil {
			t.Errorf("ParseYuan(%q) = %d, want a refusal", s, int64(got))
			continue
		}
		refused(t, s, err, ErrInvalid, "amount_unreadable")
	}
}

func TestParseYuanReadsWhatFenPrints(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := Fen(rapid.Int64Range(0, int64(MaxFen)).Draw(t, "fen"))
		if got, err := ParseYuan(f.String()); err != nil || got != f {
			t.Fatalf("%s is read as %d, %v", f, int64(got), err)
		}
		s := rapid.StringMatching(`[0-9]{0,3}[0-9.,e+ -]{0,4}`).Draw(t, "text")
		if got, err := ParseYuan(s); err == nil && got.String() != s {
			t.Fatalf("%q is read as %s", s, got)
		}
	})
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	for ch, n := range map[Channel]int64{Wxpay: 1, Alipay: 2, "": 0} {
		if ch.Platform() != n || ChannelOf(n) != ch {
			t.Errorf("%q is platform %d, and %d is %q", ch, ch.Platform(), n, ChannelOf(n))
		}
	}
	if Channel("cash").Platform() != 0 || ChannelOf(3) != "" {
		t.Error("an unknown wallet has a platform")
	}
}

func TestSameBeijingDay(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 12, 31, 16, 0, 0, 0, time.UTC) // 2027-01-01 in Beijing
	for _, c := range []struct {
		a, b time.Time
		want bool
	}{
		{midnight, midnight, true},
		{midnight.Add(-time.Nanosecond), midnight, false},
		{midnight, midnight.Add(24*time.Hour - time.Nanosecond), true},
		{midnight, midnight.Add(24 * time.Hour), false},
		{midnight, midnight.AddDate(1, 0, 0), false},
		{midnight.Add(-time.Hour), midnight.Add(-2 * time.Hour), true},
		{midnight.In(time.FixedZone("", -11*3600)), midnight.Add(time.Hour), true},
	} {
		if got := SameBeijingDay(c.a, c.b); got != c.want || SameBeijingDay(c.b, c.a) != c.want {
			t.Errorf("SameBeijingDay(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestFingerprintHoldsTheIntentAndNothingElse(t *testing.T) {
	t.Parallel()
	base := Intent{Total: 100, Currency: "CNY", TradeType: TradeMicroPay, Channel: Wxpay, CodeHash: "c", PayerID: "p", ShopID: "s", DeviceID: "d"}
	seen := map[string]string{base.Fingerprint(): "itself"}
	for name, change := range map[string]func(*Intent){
		"total_fee": func(i *Intent) { i.Total++ }, "fee_type": func(i *Intent) { i.Currency = "USD" },
		"trade_type": func(i *Intent) { i.TradeType = TradeScanCode }, "platform": func(i *Intent) { i.Channel = Alipay },
		"code": func(i *Intent) { i.CodeHash = "e" }, "payer": func(i *Intent) { i.PayerID = "q" },
		"shop": func(i *Intent) { i.ShopID = "t" }, "device": func(i *Intent) { i.DeviceID = "e" },
		"shifted": func(i *Intent) { i.ShopID, i.DeviceID = "sd", "" }, "split": func(i *Intent) { i.ShopID = "s1:d" },
	} {
		other := base
		change(&other)
		f := other.Fingerprint()
		if old, same := seen[f]; same {
			t.Errorf("%s has the fingerprint of %s", name, old)
		}
		seen[f] = name
	}
	// The text is fixed: a new release must recognise the orders of the old one.
	text := "3:1003:CNY1:15:wxpay1:c1:p1:s1:d"
	sum := sha256.Sum256([]byte(text))
	if base.Fingerprint() != hex.EncodeToString(sum[:]) {
		t.Error("the fingerprint's text has changed")
	}
}

func TestDifferentIntentsHaveDifferentFingerprints(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[0-9:a]{0,3}`)
	intent := rapid.Custom(func(t *rapid.T) Intent {
		return Intent{
			Total: Fen(rapid.Int64Range(-2, 30).Draw(t, "total")), Currency: text.Draw(t, "currency"),
			TradeType: TradeType(rapid.Int64Range(1, 2).Draw(t, "type")), Channel: Channel(text.Draw(t, "channel")),
			CodeHash: text.Draw(t, "code"), PayerID: text.Draw(t, "payer"), ShopID: text.Draw(t, "shop"), DeviceID: text.Draw(t, "device"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := intent.Draw(t, "a"), intent.Draw(t, "b")
		if (a == b) != (a.Fingerprint() == b.Fingerprint()) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

func TestCodeHashDependsOnTheKey(t *testing.T) {
	t.Parallel()
	// RFC 4231, test case 2.
	if got := CodeHash([]byte("Jefe"), "what do ya want for nothing?"); got != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Errorf("CodeHash = %s", got)
	}
	if CodeHash([]byte("a"), "130000000000000000") == CodeHash([]byte("b"), "130000000000000000") {
		t.Error("two installations share a hash")
	}
}

func TestErrorsHaveAKindACodeAndASentence(t *testing.T) {
	t.Parallel()
	refused(t, "denied", Refuse(ErrDenied, "x", "不行"), ErrDenied, "x")
	if errors.Is(Refuse(ErrDenied, "x", "不行"), ErrDead) {
		t.Error("a refusal has two kinds")
	}
}
