package pay

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// life is how long the unified orders of these tests can be paid.
const life = 10 * time.Minute

// scenario is a customer in front of a code: seconds, negative for never.
type scenario struct {
	scans, pays float64
	before      customer // usedNumber, usedAmount, or "" for a number of our own
}

// prepared returns the world of a unified order whose prepay call was made.
func prepared(t tester, ch Channel, sc scenario, loss func(string) loss) *world {
	w := newWallet(ch, sc.before, time.Time{})
	w.unified, w.expiry = true, begin.Add(life)
	if sc.scans >= 0 {
		w.scans = at(sc.scans)
	}
	if sc.pays >= 0 {
		w.acts = at(sc.pays)
	}
	s := newWorld(t, Profiles[ch], w)
	s.o.TradeType, s.o.ExpireAt = TradeScanCode, begin.Add(life)
	if loss != nil {
		s.loss = loss
	}
	s.prepay()
	return s
}

// prepay makes the prepay call, again if need be.
func (s *world) prepay() {
	var pre Prepaid
	out := s.call("prepay", func() (out Outcome) { out, pre = s.w.prepay(s.now); return out })
	if out.Lost {
		pre = Prepaid{}
	}
	s.take(s.p.ApplyPrepay(s.o, out, pre, s.now))
	s.w.handed = s.w.handed || s.o.Payable()
}

// merchantCloses is a merchant's wish; the refusal is returned.
func (s *world) merchantCloses() error {
	c, err := s.p.CloseAsked(s.o, s.now)
	s.note("merchant asks to close: %v", err)
	if err != nil && c.Changed() {
		s.fatalf("a refused close changed the order")
	}
	s.take(c)
	return err
}

// TestPrepayAnswers is every answer to a prepay call.
func TestPrepayAnswers(t *testing.T) {
	t.Parallel()
	code := Prepaid{CodeURL: "weixin://1"}
	refusedOut := Outcome{Kind: Declined, Verified: true, Code: "NOAUTH", Reason: ReasonConfiguration}
	for _, c := range []struct {
		name    string
		out     Outcome
		pre     Prepaid
		state   OrderState
		seen    Kind
		askAt   time.Time
		answer  error
		payable bool
	}{
		{"prepared", verified(Paid, "SUCCESS"), code, PAYING, Waiting, at(6), nil, true},
		{"prepared without a code", verified(Paid, "SUCCESS"), Prepaid{}, PAYING, Unknown, at(6), ErrUnavailable, false},
		{"lost", Outcome{Kind: Unknown, Lost: true}, Prepaid{}, PAYING, Unknown, at(6), ErrUnavailable, false},
		{"waiting", verified(Waiting, "X"), Prepaid{}, PAYING, Unknown, at(6), ErrUnavailable, false},
		{"refused", refusedOut, Prepaid{}, DECLINED, "", time.Time{}, ErrDead, false},
		{"duplicate", Outcome{Kind: Declined, Verified: true, Reason: ReasonDuplicate}, Prepaid{}, DECLINED, "", time.Time{}, ErrConflict, false},
		{"number in use", Outcome{Kind: Unknown, Verified: true, Code: "ORDERPAID", Next: NextQueryFirst, NoReverse: true}, Prepaid{}, PAYING, Unknown, at(1), ErrUnavailable, false},
	} {
		o := Order{State: PAYING, TradeType: TradeScanCode, Total: total, SentAt: begin, ExpireAt: begin.Add(life)}
		got := Profiles[Wxpay].ApplyPrepay(o, c.out, c.pre, at(1)).Order
		if got.State != c.state || got.Seen != c.seen || !got.AskAt.Equal(c.askAt) || got.Payable() != c.payable {
			t.Errorf("%s: %s seen %q ask at %v payable %v", c.name, got.State, got.Seen, got.AskAt, got.Payable())
		}
		if c.answer == nil {
			if err := got.PayAnswer(); err != nil {
				t.Errorf("%s: answered %v", c.name, err)
			}
		} else {
			kindOf(t, got.PayAnswer(), c.answer)
		}
	}
	alert := Profiles[Wxpay].ApplyPrepay(Order{State: PAYING}, Outcome{Kind: Unknown, Code: "X", Alert: true}, Prepaid{}, at(1))
	if alert.Raise == "" {
		t.Error("an alert was not raised")
	}
}

// TestFirstPrepayAnswerStands: a repetition, or an answer that comes late,
// takes nothing back.
func TestFirstPrepayAnswerStands(t *testing.T) {
	t.Parallel()
	for _, o := range []Order{
		{State: PAYING, TradeType: TradeScanCode, Prepaid: Prepaid{CodeURL: "a"}},
		{State: PAID, TradeType: TradeScanCode},
		{State: DECLINED, TradeType: TradeScanCode},
		{State: CLOSING, TradeType: TradeScanCode},
	} {
		for _, out := range []Outcome{verified(Paid, "SUCCESS"), verified(Declined, "NOAUTH"), {Kind: Unknown, NoReverse: true}} {
			if c := Profiles[Wxpay].ApplyPrepay(o, out, Prepaid{CodeURL: "b"}, at(1)); c.Changed() {
				t.Errorf("%s: %s changed it to %+v", o.State, out.Kind, c.Order)
			}
		}
	}
}

func TestLifeOfAUnifiedOrderIsTheWallets(t *testing.T) {
	t.Parallel()
	now := begin.Add(400 * time.Millisecond)
	for _, c := range []struct {
		name  string
		ch    Channel
		asked time.Time
		want  time.Time
	}{
		{"wxpay default", Wxpay, time.Time{}, begin.Add(2 * time.Hour)},
		{"wxpay asked", Wxpay, at(90), at(90)},
		{"wxpay shortest", Wxpay, now.Add(time.Minute), at(60)},
		{"wxpay too long", Wxpay, begin.Add(48 * time.Hour), begin.Add(2 * time.Hour)},
		{"wxpay too short", Wxpay, at(60), time.Time{}},
		{"wxpay past", Wxpay, at(-5), time.Time{}},
		{"alipay default", Alipay, time.Time{}, now.Add(2 * time.Hour)},
		{"alipay counts minutes", Alipay, at(150), now.Add(2 * time.Minute)},
		{"alipay too short", Alipay, at(59), time.Time{}},
	} {
		got, err := Profiles[c.ch].ExpireOf(c.asked, now)
		if !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if c.want.IsZero() {
			kindOf(t, err, ErrInvalid)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestUnifiedOrderIsAskedOnceMoreWhenItIsOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ch   Channel
		sc   scenario
		tail []string
	}{
		{Wxpay, scenario{scans: -1, pays: -1}, []string{"660 query", "660 close", "660 query"}},
		{Alipay, scenario{scans: -1, pays: -1}, []string{"660 query", "660 query"}}, // never scanned: nothing to close
		{Alipay, scenario{scans: 30, pays: -1}, []string{"660 query", "660 close", "660 query"}},
	} {
		s := prepared(t, c.ch, c.sc, nil)
		s.w.stays = true // the wallet's own expiry comes late
		s.ends(t, CLOSED)
		if diff := cmp.Diff(c.tail, s.calls[len(s.calls)-len(c.tail):]); diff != "" {
			t.Errorf("%s scans %v: %s", c.ch, c.sc.scans, diff)
		}
		kindOf(t, s.o.PayAnswer(), ErrDead)
	}
}

func TestPaymentInTheLastMinuteCounts(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := prepared(t, ch, scenario{scans: 599, pays: 599.5}, nil)
		s.loses("query", lostBefore, 660)
		s.ends(t, PAID)
		if !slices.Equal(s.told, []string{EventPaid}) {
			t.Errorf("%s: told %v", ch, s.told)
		}
	}
}

// TestRow12Close: the merchant's wish is answered once the wallet was seen to
// hold the order unpaid, WeChat is told at five minutes, Alipay at once and
// then asked until the code is dead.
func TestRow12Close(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ch   Channel
		sc   scenario
		asks float64
		want []string // calls from the wish on
		late LateState
	}{
		{"wxpay", Wxpay, scenario{scans: -1, pays: -1}, 12, []string{"12 query", "300 close", "300 query"}, LateNone},
		{"wxpay later", Wxpay, scenario{scans: -1, pays: -1}, 400, []string{"400 query", "400 close", "400 query"}, LateNone},
		{"wxpay paid meanwhile", Wxpay, scenario{scans: 90, pays: 100}, 12, []string{"12 query", "300 close", "300 query"}, LateReturned},
		{"alipay scanned", Alipay, scenario{scans: 5, pays: -1}, 12, []string{"12 query", "12 cancel", "12 query"}, LateNone},
	} {
		s := prepared(t, c.ch, c.sc, nil)
		s.until(at(c.asks))
		if err := s.merchantCloses(); err != nil {
			t.Fatal(err)
		}
		kindOf(t, s.o.CloseAnswer(), ErrUnavailable)
		from := len(s.calls)
		s.turn()
		if err := s.o.CloseAnswer(); err != nil {
			t.Errorf("%s: seen unpaid, answered %v", c.name, err)
		}
		kindOf(t, s.o.PayAnswer(), ErrDead)
		s.ends(t, CLOSED)
		calls := slices.DeleteFunc(slices.Clone(s.calls[from:]), func(c string) bool { return strings.Contains(c, "refund") })
		if diff := cmp.Diff(c.want, calls); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if s.o.Late != c.late || len(s.told) != 0 {
			t.Errorf("%s: late %q told %v", c.name, s.o.Late, s.told)
		}
	}
}

func TestRow12UnscannedCodeIsWatchedUntilItIsDead(t *testing.T) {
	t.Parallel()
	for _, pays := range []float64{-1, 400} {
		s := prepared(t, Alipay, scenario{scans: pays, pays: pays}, nil)
		s.until(at(12))
		_ = s.merchantCloses()
		s.ends(t, CLOSED)
		if pays < 0 {
			if last := s.calls[len(s.calls)-1]; last != "660 query" || count(s.calls, "12 cancel") != 1 {
				t.Errorf("calls %v", s.calls)
			}
			continue
		}
		if s.o.Late != LateReturned || s.w.kept() != 0 || len(s.told) != 0 {
			t.Errorf("late %q, kept %d, told %v", s.o.Late, s.w.kept(), s.told)
		}
	}
}

// TestRow12CancelThatMeetsAPaymentGivesItBack: between the query and the
// cancel the customer pays; the cancel returns it, and both are booked.
func TestRow12CancelThatMeetsAPaymentGivesItBack(t *testing.T) {
	t.Parallel()
	s := prepared(t, Alipay, scenario{scans: 5, pays: 12.5}, nil)
	s.until(at(12))
	_ = s.merchantCloses()
	s.turn() // asks
	s.now = at(13)
	s.ends(t, CLOSED)
	if diff := cmp.Diff([]string{"late", "late_reversed"}, eventsOf(s.posts)); diff != "" || len(s.told) != 0 {
		t.Errorf("told %v: %s", s.told, diff)
	}
}

func TestRow12CloseThatComesTooLateIsToldSo(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := prepared(t, ch, scenario{scans: 5, pays: 11}, nil)
		s.until(at(10))
		s.now = at(12) // paid at 11, and nobody has looked yet
		_ = s.merchantCloses()
		s.ends(t, PAID)
		refused(t, string(ch), s.o.CloseAnswer(), ErrDenied, "close_paid")
		if s.o.ReverseAsk || !slices.Equal(s.told, []string{EventPaid}) {
			t.Errorf("%s: told %v", ch, s.told)
		}
	}
}

func TestCloseAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		o      Order
		kind   error
		code   string
		want   OrderState
		moved  bool
		answer error
	}{
		{"code payment", Order{State: PAYING, TradeType: TradeMicroPay}, ErrDenied, "close_micropay", PAYING, false, ErrUnavailable},
		{"paying", Order{State: PAYING}, nil, "", CLOSING, true, ErrUnavailable},
		{"paid", Order{State: PAID}, ErrDenied, "close_paid", PAID, false, ErrDenied},
		{"duplicate", Order{State: PAYING, NoReverse: true}, ErrDenied, "close_duplicate", PAYING, false, ErrUnavailable},
		{"ended as duplicate", Order{State: DECLINED, Duplicate: true}, ErrDenied, "close_duplicate", DECLINED, false, nil},
		{"expiring", Order{State: CLOSING, UnpaidAt: at(2)}, nil, "", CLOSING, true, ErrUnavailable},
		{"asked", Order{State: CLOSING, ReverseAsk: true}, nil, "", CLOSING, false, ErrUnavailable},
		{"told", Order{State: CLOSING, ReverseAsk: true, UnpaidAt: at(2)}, nil, "", CLOSING, false, nil},
		{"reversing", Order{State: REVERSING}, nil, "", REVERSING, false, ErrUnavailable},
		{"closed", Order{State: CLOSED}, nil, "", CLOSED, false, nil},
		{"declined", Order{State: DECLINED}, nil, "", DECLINED, false, nil},
		{"reversed", Order{State: REVERSED}, nil, "", REVERSED, false, nil},
	} {
		o := c.o
		if o.TradeType == 0 {
			o.TradeType = TradeScanCode
		}
		change, err := Profiles[Wxpay].CloseAsked(o, at(3))
		refused(t, c.name, err, c.kind, c.code)
		if change.Order.State != c.want || change.Changed() != c.moved {
			t.Errorf("%s: %s, changed %v", c.name, change.Order.State, change.Changed())
		}
		if c.answer == nil {
			if err := change.Order.CloseAnswer(); err != nil {
				t.Errorf("%s: answered %v", c.name, err)
			}
		} else {
			kindOf(t, change.Order.CloseAnswer(), c.answer)
		}
	}
}

func TestCloseThatMayNotLeavePanics(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(){
		"open":      func() { wxpayProfile.StartClose(Order{State: PAYING}, begin) },
		"duplicate": func() { wxpayProfile.StartClose(Order{State: CLOSING, NoReverse: true}, begin) },
		"prepay":    func() { wxpayProfile.Apply(Order{State: PAYING}, CallPrepay, Outcome{}, begin) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a programmer's mistake went through", name)
				}
			}()
			do()
		}()
	}
}

func TestTenthCloseIsRaised(t *testing.T) {
	t.Parallel()
	o := Order{State: CLOSING, TradeType: TradeScanCode, ReverseTries: 10, Total: total}
	if c := Profiles[Wxpay].Apply(o, CallClose, verified(Unknown, "SYSTEMERROR"), at(400)); c.Raise == "" {
		t.Error("nobody was asked for")
	}
	if c := Profiles[Wxpay].Apply(o, CallClose, verified(Paid, "SUCCESS"), at(400)); c.Raise != "" {
		t.Errorf("raised %q", c.Raise)
	}
}

// TestUnifiedOrderGivenBackIsNeverReversed: the wallet says paid and returned,
// then changes its mind.
func TestUnifiedOrderGivenBackIsNeverReversed(t *testing.T) {
	t.Parallel()
	s := prepared(t, Wxpay, scenario{scans: -1, pays: -1}, nil)
	returned := Outcome{Kind: Declined, Verified: true, Code: "REVOKED", Returned: true, Payment: s.w.payment()}
	s.take(s.p.Apply(s.o, CallQuery, returned, s.now))
	s.take(s.p.Apply(s.o, CallQuery, verified(Waiting, "NOTPAY"), s.now))
	if step := s.p.Next(s.o, s.now); s.o.State != REVERSING || step.Act != ActQuery {
		t.Errorf("%s: next %v", s.o.State, step)
	}
	s.take(s.p.Apply(s.o, CallQuery, returned, s.now))
	if s.o.State != REVERSED || count(s.told, EventPaid) != 0 {
		t.Errorf("%s told %v", s.o.State, s.told)
	}
}

func TestLinkOfAMobilePageIsRenewed(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	first, second := Prepaid{MwebURL: "https://1", PrepayID: "1"}, Prepaid{MwebURL: "https://2", PrepayID: "2"}
	o := Order{State: PAYING, TradeType: TradeMobileWeb, Prepaid: first, SentAt: begin, ExpireAt: begin.Add(life)}
	for _, c := range []struct {
		name   string
		change func(*Order)
		now    float64
		want   bool
	}{
		{"fresh", func(*Order) {}, 239, false},
		{"old", func(*Order) {}, 240, true},
		{"over", func(*Order) {}, 600, false},
		{"a code lives as long as its order", func(o *Order) { o.TradeType = TradeScanCode }, 500, false},
		{"unanswered", func(o *Order) { o.Prepaid = Prepaid{} }, 1, true},
		{"unanswered, another's number", func(o *Order) { o.Prepaid, o.NoReverse = Prepaid{}, true }, 1, false},
		{"paid", func(o *Order) { o.State = PAID }, 500, false},
	} {
		row := o
		c.change(&row)
		if got := row.WantsPrepay(at(c.now)); got != c.want {
			t.Errorf("%s: wants prepay %v", c.name, got)
		}
	}
	if got := p.ApplyPrepay(o, verified(Paid, "SUCCESS"), second, at(250)).Order; got.Prepaid != second || got.State != PAYING {
		t.Errorf("renewed to %+v", got)
	}
	for _, out := range []Outcome{verified(Declined, "NOAUTH"), {Kind: Unknown, Lost: true}, {Kind: Unknown, NoReverse: true}} {
		if c := p.ApplyPrepay(o, out, Prepaid{}, at(250)); c.Changed() {
			t.Errorf("%s took the link away: %+v", out.Kind, c.Order)
		}
	}
}
