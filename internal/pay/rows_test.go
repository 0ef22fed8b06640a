package pay

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start sends the payment and returns the world right after the answer.
func start(t *testing.T, ch Channel, does customer, acts float64) *world {
	t.Helper()
	w := newWallet(ch, does, time.Time{})
	if acts > 0 {
		w.acts = at(acts)
	}
	s := newWorld(t, Profiles[ch], w)
	s.send(0)
	return s
}

// loses makes every call that begins with the prefix lose its answer until a
// moment.
func (s *world) loses(prefix string, fate loss, until float64) {
	s.loss = func(call string) loss {
		if strings.HasPrefix(call, prefix) && s.now.Before(at(until)) {
			return fate
		}
		return arrives
	}
}

// ends checks the end of a scenario: the state, and that it is the truth.
func (s *world) ends(t *testing.T, want OrderState) {
	t.Helper()
	s.settle()
	s.agree()
	if s.o.State != want {
		s.fatalf("ended %s, want %s", s.o.State, want)
	}
}

func (s *world) called(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.calls); diff != "" {
		s.fatalf("calls (-want +got):\n%s", diff)
	}
}

func kindOf(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want of kind %v", err, want)
	}
}

func TestRow1WaitingIsAskedEveryFiveSeconds(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, approves, 17)
	if err := s.o.PayAnswer(); err != nil {
		t.Errorf("a waiting order answers %v, want itself (9)", err)
	}
	s.ends(t, PAID)
	s.called(t, "0 pay", "5 query", "10 query", "15 query", "20 query")
}

func TestRow1LostAnswerIsAskedForAtOnce(t *testing.T) {
	t.Parallel()
	w := newWallet(Wxpay, ignores, time.Time{})
	s := newWorld(t, Profiles[Wxpay], w)
	s.loses("pay", lostBefore, 1)
	s.send(0)
	kindOf(t, s.o.PayAnswer(), ErrUnavailable)
	s.until(at(6))
	s.called(t, "0 pay", "0 query", "5 query")
	kindOf(t, s.o.PayAnswer(), ErrUnavailable)
}

func TestRow1CrashDuringThePayCallIsAskedAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	s := newWorld(t, Profiles[Wxpay], newWallet(Wxpay, ignores, time.Time{}))
	s.until(at(5))
	s.called(t, "5 query")
}

func TestRow2UnpaidOrderIsReversedAtSixtySeconds(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, ignores, 0)
	s.ends(t, REVERSED)
	want := []string{"0 pay"}
	for _, c := range []string{"5", "10", "15", "20", "25", "30", "35", "40", "45", "50", "55", "60"} {
		want = append(want, c+" query")
	}
	s.called(t, append(want, "60 reverse", "60 query")...)
	if len(s.posts) != 0 || !slices.Equal(s.told, []string{EventReversed}) {
		t.Errorf("an unpaid reverse booked %v and told %v", s.posts, s.told)
	}
	kindOf(t, s.o.PayAnswer(), ErrDead)
}

func TestRow2StaleEvidenceIsRenewedBeforeTheReverse(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, approves, 58)
	s.until(at(40))
	s.now = at(61) // nobody asked since 40 s
	s.ends(t, PAID)
	if slices.ContainsFunc(s.calls, func(c string) bool { return strings.Contains(c, "reverse") }) {
		t.Errorf("reversed a paid order: %v", s.calls)
	}
}

func TestRow3BlindReverseOnlyBetween90And150Seconds(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, busyCharged, 0)
	s.loses("query", lostBefore, 120)
	s.ends(t, REVERSED)
	if i := slices.IndexFunc(s.calls, func(c string) bool { return strings.HasSuffix(c, "reverse") }); s.calls[i] != "90 reverse" {
		t.Errorf("first reverse %q, want at 90 s", s.calls[i])
	}
	if !slices.Equal(s.told, []string{EventReversed}) {
		t.Errorf("told %v of a payment that was taken back", s.told)
	}
}

func TestRow3AfterwardsTheQueryDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		does customer
		want OrderState
	}{{busyCharged, PAID}, {ignores, DECLINED}, {arrivesLater, REVERSED}} {
		s := start(t, Wxpay, c.does, 0)
		s.now = at(80)
		s.loses("query", lostBefore, 400)
		s.until(at(85))
		s.now = at(151) // an outage over the whole blind window
		s.until(at(390))
		if s.o.State != PAYING || s.w.reverses > 0 {
			s.fatalf("a blind reverse left after the window")
		}
		s.ends(t, c.want)
		if raised := slices.Contains(s.raised, "paid, found after terminals stopped asking"); raised != (c.want == PAID) {
			t.Errorf("%s raised %v", c.want, s.raised)
		}
	}
}

func TestRow4CustomerWhoCancelsIsReversedFrom15Seconds(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, cancels, 8)
	s.ends(t, REVERSED)
	s.called(t, "0 pay", "5 query", "10 query", "15 reverse", "15 query")
	if e, ok := errors.AsType[*Error](s.o.PayAnswer()); !s.o.Stopped || !ok || e.Code != "stopped" || !errors.Is(e, ErrDead) {
		t.Errorf("stopped %v, answer %v; want shown as declined", s.o.Stopped, s.o.PayAnswer())
	}
}

func TestRow4LateApprovalDuringTheReverseIsBookedToldNobodyAndReversed(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, approves, 61)
	s.loses("reverse", lostBefore, 66)
	s.ends(t, REVERSED)
	if !s.o.PaidSeen || !slices.Equal(s.told, []string{EventReversed}) || !s.w.reversed {
		t.Errorf("paid seen %v, told %v, reversed %v", s.o.PaidSeen, s.told, s.w.reversed)
	}
	var events []string
	for _, p := range s.posts {
		events = append(events, p.Event)
	}
	if diff := cmp.Diff([]string{"paid", "reversed"}, events); diff != "" {
		t.Errorf("postings (-want +got):\n%s", diff)
	}
}

func TestRow5RefusalIsDeclinedAndKeepsItsSentence(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, refusedNow, 0)
	s.ends(t, DECLINED)
	s.called(t, "0 pay")
	s = start(t, Alipay, refusedNow, 0)
	s.ends(t, DECLINED)
	s.called(t, "0 pay", "30 query", "30 reverse") // WAIT_BUYER_PAY → cancel
	if e, ok := errors.AsType[*Error](s.o.PayAnswer()); !ok || e.Text != "余额不足" || s.o.Code != "NOTENOUGH" {
		t.Errorf("answer %v code %s: the cancel may not replace the refusal", s.o.PayAnswer(), s.o.Code)
	}
}

func TestRow5RefusedOrderThatIsPaidAfterAllIsReturned(t *testing.T) {
	t.Parallel()
	s := start(t, Alipay, refusedNow, 25)
	s.ends(t, DECLINED)
	if s.o.Late != LateReturned || len(s.told) != 0 {
		t.Errorf("late %q told %v, want returned and told nobody", s.o.Late, s.told)
	}
	s = start(t, Alipay, refusedNow, 31) // between the query and the cancel
	s.until(at(30))
	s.loses("reverse", lostBefore, 35)
	s.ends(t, DECLINED)
}

func TestRow5CancelOfRefusedOrderThatWasPaidBooksBoth(t *testing.T) {
	t.Parallel()
	s := start(t, Alipay, refusedNow, 31)
	s.until(at(29))
	s.take(s.p.Apply(s.o, CallQuery, s.w.query(s.now), s.now)) // still waiting
	s.now = at(32)
	s.ends(t, DECLINED)
	if len(s.posts) != 2 || s.o.Late != LateReturned || !s.w.reversed {
		t.Errorf("posted %v late %q", s.posts, s.o.Late)
	}
}

func TestRow6DuplicatesAreNeverReversed(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		for _, does := range []customer{usedNumber, usedAmount} {
			s := start(t, ch, does, 0)
			kindOf(t, s.cashierReverses(), ErrDenied)
			s.ends(t, DECLINED)
			kindOf(t, s.o.PayAnswer(), ErrConflict)
			kindOf(t, s.cashierReverses(), ErrDenied)
			if s.w.reverses != 0 || len(s.posts) != 0 {
				t.Errorf("%s: reversed %d times, posted %v", does, s.w.reverses, s.posts)
			}
		}
	}
}

func TestRow7CashierAsksAndTheReverseLeavesAt15Seconds(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, ignores, 0)
	s.until(at(3))
	if err := s.cashierReverses(); err != nil {
		t.Fatal(err)
	}
	kindOf(t, s.o.ReverseAnswer(), ErrUnavailable)
	kindOf(t, s.o.PayAnswer(), ErrUnavailable)
	s.ends(t, REVERSED)
	s.called(t, "0 pay", "3 query", "8 query", "13 query", "15 query", "15 reverse", "15 query")
	if err := s.o.ReverseAnswer(); err != nil {
		t.Errorf("a reversed order answers %v, want nil", err)
	}
	if err := s.cashierReverses(); err != nil {
		t.Errorf("a repeated reverse answers %v, want nil", err)
	}
}

func TestRow7PaymentFoundBeforeTheSendIsAPayment(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, approves, 14)
	s.until(at(3))
	if err := s.cashierReverses(); err != nil {
		t.Fatal(err)
	}
	s.ends(t, PAID)
	kindOf(t, s.o.ReverseAnswer(), ErrDenied)
	if s.w.reverses != 0 || s.o.ReverseAsk {
		t.Errorf("%d reverses, still asked for: %v", s.w.reverses, s.o.ReverseAsk)
	}
}

func TestRow8PaidOrderIsReversedWhereTheMerchantAllowsIt(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := start(t, ch, paysAtOnce, 0)
		s.until(at(5))
		if err := s.cashierReverses(); err != nil {
			t.Fatal(err)
		}
		s.ends(t, REVERSED)
		s.called(t, "0 pay", "15 reverse", "15 query")
		if len(s.posts) != 2 || !s.w.reversed {
			t.Errorf("posted %v", s.posts)
		}
	}
}

func TestRow9ReverseIsRepeatedWithoutEnd(t *testing.T) {
	t.Parallel()
	for ch, want := range map[Channel]time.Duration{
		// 1+2+4+8+16 and seven times 30; with ten seconds between all of them.
		Wxpay: 241 * time.Second, Alipay: 120 * time.Second,
	} {
		s := start(t, ch, ignores, 0)
		s.w.recalls, s.w.stays = 12, true
		s.ends(t, REVERSED)
		if s.w.reverses != 13 || s.now.Sub(s.o.ReverseSentAt) != want {
			t.Errorf("%s: %d reverses in %v, want 13 in %v", ch, s.w.reverses, s.now.Sub(s.o.ReverseSentAt), want)
		}
		if count(s.raised, "the tenth reverse has no definite answer") != 1 {
			t.Errorf("%s: raised %v", ch, s.raised)
		}
	}
}

func TestRow9WalletsPauseIsKept(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, ignores, 0)
	s.now = at(15)
	s.take(s.p.StartReverse(s.o, s.now))
	s.take(s.p.Apply(s.o, CallReverse, Outcome{Kind: Unknown, Next: NextRetrySame, Verified: true, Code: "USERPAYING", Pause: 5 * time.Second}, s.now))
	if got, want := s.p.Next(s.o, s.now), (Step{ActReverse, at(20)}); got != want {
		t.Errorf("next %v, want %v", got, want)
	}
}

func TestRow9DoneIsBelievedOnlyAfterAQuery(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, paysAtOnce, 0)
	_ = s.cashierReverses()
	s.loses("query", lostBefore, 600)
	s.until(at(599))
	if s.o.State != REVERSING || !s.o.ReverseDone || s.w.reverses != 1 {
		t.Errorf("%s after %d reverses, want REVERSING until a query confirms", s.o.State, s.w.reverses)
	}
	s.ends(t, REVERSED)
}

func TestRow10ReverseThatIsTooLateBecomesARefund(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := start(t, ch, paysAtOnce, 0)
		s.w.expired, s.w.refuse, s.w.takes = true, 2, true
		_ = s.cashierReverses()
		s.until(at(17))
		if s.o.State != REVERSING || !s.o.RefundInstead || s.refunds["rv"].State != RefundPending {
			s.fatalf("a refused refund must not end the reverse")
		}
		s.ends(t, REVERSED)
		if s.w.refunds["rv"] != total || s.refunds["rv"].State != RefundSucceeded || !slices.Equal(s.told, []string{EventPaid, EventReversed}) {
			t.Errorf("%s: refunded %v, told %v", ch, s.w.refunds, s.told)
		}
	}
}

func TestRow10WaitingOrderIsClosed(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := start(t, ch, ignores, 0)
		s.w.expired = true
		s.loses("close", lostBefore, 64)
		s.ends(t, REVERSED)
		if !s.w.closed || s.w.reversed || len(s.posts) != 0 {
			t.Errorf("%s: closed %v, posted %v", ch, s.w.closed, s.posts)
		}
	}
}

func TestRow11UnknownOrderIsClosedAfterTwoSightings(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := start(t, ch, arrivesLater, 0)
		s.w.sent = false // the request never got out
		s.ends(t, CLOSED)
		if age := s.now.Sub(begin); age < 150*time.Second || s.now.Sub(s.o.MissingAt) < time.Minute || age > 200*time.Second {
			t.Errorf("%s: closed at %v, first missed at %v", ch, age, s.o.MissingAt)
		}
		if s.o.ReversedAt.Sub(s.o.MissingAt) < time.Minute || s.w.reverses != 2 { // both say so, twice
			t.Errorf("%s: %d reverses, the last at %v, first missed at %v", ch, s.w.reverses, s.o.ReversedAt, s.o.MissingAt)
		}
		kindOf(t, s.o.PayAnswer(), ErrDead)
	}
}

func TestRow11OneSightingIsForgottenWhenTheOrderAppears(t *testing.T) {
	t.Parallel()
	s := start(t, Alipay, ignores, 0)
	s.o.State, s.o.ReverseSentAt, s.o.ReverseDone, s.o.MissingAt = REVERSING, at(60), true, at(61)
	s.now = at(170)
	s.take(s.p.Apply(s.o, CallQuery, verified(Waiting, "WAIT_BUYER_PAY"), s.now))
	if !s.o.MissingAt.IsZero() || s.o.ReverseDone || s.o.State != REVERSING {
		s.fatalf("an order that exists is not missing")
	}
}

func TestRow13ExpirySentUpstreamIsTwoMinutes(t *testing.T) {
	t.Parallel()
	for ch, p := range Profiles {
		if p.Expire != 2*time.Minute {
			t.Errorf("%s expires after %v, want 2m", ch, p.Expire)
		}
	}
}

func TestS004ProfileReversesAtThirtySeconds(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	p.ReverseFrom = 30 * time.Second
	s := newWorld(t, p, newWallet(Wxpay, ignores, time.Time{}))
	s.send(0)
	s.ends(t, REVERSED)
	if !s.o.ReverseSentAt.Equal(at(30)) {
		t.Errorf("reverse sent at %v, want 30 s", s.o.ReverseSentAt)
	}
}

func TestS004NeverByItselfLeavesTheReverseToTheCashier(t *testing.T) {
	t.Parallel()
	for ch, p := range Profiles {
		for _, does := range []customer{ignores, cancels, refusedNow} {
			p.NeverByItself = true
			s := newWorld(t, p, newWallet(ch, does, time.Time{}))
			if does == cancels {
				s.w.acts = at(8)
			}
			s.send(0)
			s.until(at(3600))
			if s.w.reverses != 0 {
				t.Errorf("%s %s: %d reverses nobody asked for", ch, does, s.w.reverses)
			}
			if s.o.State != PAYING {
				continue // the wallet closed it at its expiry
			}
			if err := s.cashierReverses(); err != nil {
				t.Fatal(err)
			}
			s.ends(t, REVERSED)
		}
	}
}

func TestRow5WaitingSeenBeforeTheRefusalDoesNotHastenTheCancel(t *testing.T) {
	t.Parallel()
	s := newWorld(t, Profiles[Alipay], newWallet(Alipay, refusedNow, time.Time{}))
	s.send(8 * time.Second)
	s.until(at(9))
	s.ends(t, DECLINED)
	s.called(t, "0 pay", "5 query", "30 query", "30 reverse")
}

func TestRow9EveryThirdLostReverseIsFollowedByAQuery(t *testing.T) {
	t.Parallel()
	s := start(t, Wxpay, ignores, 0)
	s.loses("reverse", lostAfter, 64)
	s.ends(t, REVERSED)
	if tail := s.calls[len(s.calls)-4:]; !slices.Equal(tail, []string{"60 reverse", "61 reverse", "63 reverse", "63 query"}) {
		t.Errorf("calls end in %v: the query shows that it was done", tail)
	}
}

func TestRow9TenthReverseThatIsDoneAlertsNobody(t *testing.T) {
	t.Parallel()
	o := Order{State: REVERSING, ReverseSentAt: at(60), ReverseTries: 10, Total: total}
	if c := Profiles[Wxpay].Apply(o, CallReverse, verified(Paid, "SUCCESS"), at(300)); c.Raise != "" {
		t.Errorf("raised %q", c.Raise)
	}
}

func TestRow10CloseIsNotRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	p := Profiles[Wxpay]
	o := Order{State: REVERSING, ReverseSentAt: at(60), ReversedAt: at(60), ReverseTries: 1, RefundInstead: true, Total: total, SentAt: begin}
	o = p.Apply(o, CallClose, Outcome{Kind: Unknown, Lost: true}, at(70)).Order
	o = p.Apply(o, CallQuery, verified(Waiting, "NOTPAY"), at(70)).Order
	if got, want := p.Next(o, at(70)), (Step{ActCancel, at(71)}); got != want {
		t.Errorf("next %v, want %v", got, want)
	}
}

func TestRow10RefundThatTheWalletClosedIsSentAgain(t *testing.T) {
	t.Parallel()
	r := Refund{State: RefundPending, Origin: OriginReverse, Amount: total, Accepted: true, Tries: 2}
	c := Profiles[Wxpay].ApplyRefund(r, CallQueryRefund, verified(Declined, "REFUNDCLOSE"), RefundPaid{}, false, true, at(9))
	if n := c.Refund; n.State != RefundPending || n.Accepted || n.Do != ActSend || !n.DoAt.After(at(9)) || c.Raise == "" || c.Reserved != 0 {
		t.Errorf("%+v raised %q", n, c.Raise)
	}
}

func TestRow11SightingsAreAMinuteApart(t *testing.T) {
	t.Parallel()
	missing := Outcome{Kind: Unknown, Verified: true, Reason: ReasonNotFound, Code: "ORDERNOTEXIST"}
	for _, c := range []struct {
		first, reversed, now float64
		want                 OrderState
	}{
		{151, 211, 210.9, REVERSING},
		{151, 211, 211, CLOSED},
		{60, 149, 149.9, REVERSING},
		{60, 149, 150, CLOSED},
		{60, 119.9, 150, REVERSING},
		{60, 120, 150, CLOSED}, // the reverse has said it once, or twice
	} {
		o := Order{State: REVERSING, ReverseSentAt: at(60), ReversedAt: at(c.reversed), ReverseGone: true, MissingAt: at(c.first), Total: total, SentAt: begin}
		got := Profiles[Wxpay].Apply(o, CallQuery, missing, at(c.now)).Order
		if got.State != c.want {
			t.Errorf("first missed at %v s, reversed at %v s, again at %v s: %s, want %s", c.first, c.reversed, c.now, got.State, c.want)
		}
		if step := Profiles[Wxpay].Next(got, at(c.now)); c.reversed == 119.9 && step.Act != ActReverse {
			t.Errorf("next is %q, want the reverse once more", step.Act)
		}
	}
}
