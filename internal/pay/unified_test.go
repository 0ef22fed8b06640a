package pay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// life is how long the unified orders of these tests can be paid.
const life = 10 * time.Minute

// scenario is a customer in front of a code: seconds, negative for never.
type scenario struct{ scans, pays float64 }

// prepared returns the world of a unified order whose prepay call was made.
func prepared(t tester, ch Channel, sc scenario, loss func(string) loss) *world {
	w := newWallet(ch, ignores, time.Time{})
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

// unifiedPositions is every state of a unified order, split where its row decides.
var unifiedPositions = []struct {
	name string
	row  Order
}{
	{"PAYING", Order{State: PAYING}},
	{"PAYING over", Order{State: PAYING, ExpireAt: at(100)}},
	{"PAYING duplicate", Order{State: PAYING, NoReverse: true}},
	{"PAYING dup over", Order{State: PAYING, NoReverse: true, ExpireAt: at(100)}},
	{"PAID", Order{State: PAID, Settlement: settled}},
	{"DECLINED", Order{State: DECLINED}},
	{"CLOSING asked", Order{State: CLOSING, ReverseAsk: true}},
	{"CLOSING told", Order{State: CLOSING, ReverseAsk: true, UnpaidAt: at(90), ReverseTries: 1}},
	{"CLOSING told over", Order{State: CLOSING, ReverseAsk: true, UnpaidAt: at(90), ReverseTries: 1, ExpireAt: at(100)}},
	{"CLOSING expired", Order{State: CLOSING, UnpaidAt: at(200), ExpireAt: at(100)}},
	{"CLOSING sent", Order{State: CLOSING, UnpaidAt: at(200), ExpireAt: at(100), ReverseTries: 1, ReverseDone: true}},
	{"CLOSING duplicate", Order{State: CLOSING, NoReverse: true}},
	{"CLOSING dup over", Order{State: CLOSING, NoReverse: true, ExpireAt: at(100)}},
	{"CLOSED", Order{State: CLOSED}},
}

// unifiedMoves is as moves, for unified orders.
const unifiedMoves = `
PAYING            query    paid       PAID paid told
PAYING            query    declined   CLOSING
PAYING            query    returned   REVERSING paid
PAYING            notice   paid       PAID paid told
PAYING            notice   declined   CLOSING
PAYING            notice   returned   REVERSING paid
PAYING over       query    paid       PAID paid told
PAYING over       query    waiting    CLOSING
PAYING over       query    payerror   CLOSING
PAYING over       query    missing    CLOSING
PAYING over       query    declined   CLOSING
PAYING over       query    returned   REVERSING paid
PAYING over       notice   paid       PAID paid told
PAYING over       notice   declined   CLOSING
PAYING over       notice   returned   REVERSING paid
PAYING duplicate  query    paid       PAID paid told
PAYING duplicate  query    declined   DECLINED
PAYING duplicate  query    returned   DECLINED
PAYING duplicate  query    payerror   DECLINED
PAYING duplicate  query    missing    DECLINED
PAYING duplicate  notice   paid       PAID paid told
PAYING duplicate  notice   declined   DECLINED
PAYING duplicate  notice   returned   DECLINED
PAYING dup over   query    paid       PAID paid told
PAYING dup over   query    waiting    DECLINED
PAYING dup over   query    payerror   DECLINED
PAYING dup over   query    missing    DECLINED
PAYING dup over   query    declined   DECLINED
PAYING dup over   query    returned   DECLINED
PAYING dup over   notice   paid       PAID paid told
PAYING dup over   notice   declined   DECLINED
PAYING dup over   notice   returned   DECLINED
PAID              query    returned   PAID outside
PAID              notice   returned   PAID outside
DECLINED          query    paid       DECLINED late HELD
DECLINED          notice   paid       DECLINED late HELD
CLOSING asked     query    paid       PAID paid told
CLOSING asked     query    declined   CLOSED
CLOSING asked     query    returned   CLOSED paid reversed RETURNED
CLOSING asked     notice   paid       PAID paid told
CLOSING asked     notice   declined   CLOSED
CLOSING asked     notice   returned   CLOSED paid reversed RETURNED
CLOSING told      query    paid       CLOSED late HELD
CLOSING told      query    declined   CLOSED
CLOSING told      query    returned   CLOSED paid reversed RETURNED
CLOSING told      notice   paid       CLOSED late HELD
CLOSING told      notice   declined   CLOSED
CLOSING told      notice   returned   CLOSED paid reversed RETURNED
CLOSING told over query    paid       CLOSED late HELD
CLOSING told over query    waiting    CLOSED
CLOSING told over query    payerror   CLOSED
CLOSING told over query    missing    CLOSED
CLOSING told over query    declined   CLOSED
CLOSING told over query    returned   CLOSED paid reversed RETURNED
CLOSING told over notice   paid       CLOSED late HELD
CLOSING told over notice   declined   CLOSED
CLOSING told over notice   returned   CLOSED paid reversed RETURNED
CLOSING expired   query    paid       PAID paid told
CLOSING expired   query    missing    CLOSED
CLOSING expired   query    declined   CLOSED
CLOSING expired   query    returned   CLOSED paid reversed RETURNED
CLOSING expired   notice   paid       PAID paid told
CLOSING expired   notice   declined   CLOSED
CLOSING expired   notice   returned   CLOSED paid reversed RETURNED
CLOSING sent      query    paid       PAID paid told
CLOSING sent      query    waiting    CLOSED
CLOSING sent      query    payerror   CLOSED
CLOSING sent      query    missing    CLOSED
CLOSING sent      query    declined   CLOSED
CLOSING sent      query    returned   CLOSED paid reversed RETURNED
CLOSING sent      notice   paid       PAID paid told
CLOSING sent      notice   declined   CLOSED
CLOSING sent      notice   returned   CLOSED paid reversed RETURNED
CLOSING duplicate query    paid       PAID paid told
CLOSING duplicate query    declined   CLOSED
CLOSING duplicate query    returned   CLOSED
CLOSING duplicate notice   paid       PAID paid told
CLOSING duplicate notice   declined   CLOSED
CLOSING duplicate notice   returned   CLOSED
CLOSING dup over  query    paid       PAID paid told
CLOSING dup over  query    waiting    CLOSED
CLOSING dup over  query    payerror   CLOSED
CLOSING dup over  query    missing    CLOSED
CLOSING dup over  query    declined   CLOSED
CLOSING dup over  query    returned   CLOSED
CLOSING dup over  notice   paid       PAID paid told
CLOSING dup over  notice   declined   CLOSED
CLOSING dup over  notice   returned   CLOSED
CLOSED            query    paid       CLOSED late HELD
CLOSED            notice   paid       CLOSED late HELD
`

// TestUnifiedCells applies every outcome of every call to every position.
func TestUnifiedCells(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(unifiedMoves)) {
		want[strings.Join(strings.Fields(line[:38]), " ")] = strings.TrimSpace(line[38:])
	}
	seen := 0
	for _, from := range unifiedPositions {
		for _, call := range []Call{CallQuery, CallNotice, CallReverse, CallClose} {
			for _, o := range outcomes {
				name := from.name + " " + string(call) + " " + o.name
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					row := from.row
					row.TradeType = TradeScanCode
					if row.ExpireAt.IsZero() {
						row.ExpireAt = begin.Add(life)
					}
					checkCell(t, row, call, o.out, want[name])
				})
				if _, moves := want[name]; moves {
					seen++
				}
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d listed cells exist", seen, len(want))
	}
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
		{Wxpay, scenario{-1, -1}, []string{"660 query", "660 close", "660 query"}},
		{Alipay, scenario{-1, -1}, []string{"660 query", "660 query"}}, // never scanned: nothing to close
		{Alipay, scenario{30, -1}, []string{"660 query", "660 close", "660 query"}},
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
		s := prepared(t, ch, scenario{599, 599.5}, nil)
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
		{"wxpay", Wxpay, scenario{-1, -1}, 12, []string{"12 query", "300 close", "300 query"}, LateNone},
		{"wxpay later", Wxpay, scenario{-1, -1}, 400, []string{"400 query", "400 close", "400 query"}, LateNone},
		{"wxpay paid meanwhile", Wxpay, scenario{90, 100}, 12, []string{"12 query", "300 close", "300 query"}, LateReturned},
		{"alipay scanned", Alipay, scenario{5, -1}, 12, []string{"12 query", "12 cancel", "12 query"}, LateNone},
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
		s := prepared(t, Alipay, scenario{pays, pays}, nil)
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
	s := prepared(t, Alipay, scenario{5, 12.5}, nil)
	s.until(at(12))
	_ = s.merchantCloses()
	s.turn() // asks
	s.now = at(13)
	s.ends(t, CLOSED)
	if diff := cmp.Diff([]string{"paid", "reversed"}, eventsOf(s.posts)); diff != "" || len(s.told) != 0 {
		t.Errorf("told %v: %s", s.told, diff)
	}
}

func TestRow12CloseThatComesTooLateIsToldSo(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := prepared(t, ch, scenario{5, 11}, nil)
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
	s := prepared(t, Wxpay, scenario{-1, -1}, nil)
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

var scenarios = []scenario{{-1, -1}, {3, -1}, {2, 4}, {20, 25}, {290, 302}, {400, 430}, {598, 599}}

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
