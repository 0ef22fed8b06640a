package pay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// refundCells is what each answer makes of a pending refund whose earlier
// sends were all answered; with * after the outcome when one was not, too. The
// result is the state, the next act, and the events booked. Every other cell
// of the product leaves the refund PENDING, to be asked for, with nothing
// booked. A refund in any other state never changes.
const refundCells = `
refund        paid*      SUCCEEDED refund told
refund        declined   REJECTED reject
refund        returned   REJECTED reject
query_refund  paid*      SUCCEEDED refund told
query_refund  declined*  REJECTED reject
query_refund  returned*  REJECTED reject
query_refund  missing*   PENDING send
`

func TestRefundCells(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(refundCells)) {
		f := strings.Fields(line)
		outcome, both := strings.CutSuffix(f[1], "*")
		want[f[0]+" "+outcome+" true"] = strings.Join(f[2:], " ")
		if both {
			want[f[0]+" "+outcome+" false"] = strings.Join(f[2:], " ")
		}
	}
	for _, state := range RefundStates {
		for _, call := range []RefundCall{CallRefund, CallQueryRefund} {
			for _, o := range outcomes {
				for _, answered := range []bool{true, false} {
					r := Refund{OutRefundNo: "R1", State: state, Origin: OriginAPI, Amount: 60, Total: total, Do: ActSend, Tries: 1, Unanswered: true}
					c := Profiles[Wxpay].ApplyRefund(r, call, o.out, RefundPaid{Settlement: 58}, false, answered, at(9))
					name := fmt.Sprintf("%s %s %s %v", state, call, o.name, answered)
					if state != RefundPending {
						if c.Refund != r || len(c.Postings)+len(c.Callbacks) != 0 || c.Reserved != 0 || c.Refunded != 0 {
							t.Errorf("%s: changed to %+v", name, c.Refund)
						}
						continue
					}
					expect, listed := want[strings.TrimPrefix(name, "PENDING ")]
					if !listed {
						expect = "PENDING ask"
					}
					if got := didRefund(c); got != expect {
						t.Errorf("%s: %s, want %s", name, got, expect)
					}
					checkRefundMoney(t, name, c)
				}
			}
		}
	}
}

func didRefund(c RefundChange) string {
	did := []string{string(c.Refund.State)}
	if c.Refund.State == RefundPending {
		did = append(did, string(c.Refund.Do))
	}
	did = append(did, eventsOf(c.Postings)...)
	if slices.Contains(c.Callbacks, "refund:R1") {
		did = append(did, "told")
	}
	return strings.Join(did, " ")
}

// checkRefundMoney checks the columns of the order against the new state.
func checkRefundMoney(t *testing.T, name string, c RefundChange) {
	t.Helper()
	var reserved, refunded Fen
	if c.Refund.State == RefundSucceeded {
		refunded = 60
	}
	if c.Refund.State == RefundRejected {
		reserved = -60
	}
	if c.Reserved != reserved || c.Refunded != refunded {
		t.Errorf("%s: reserved %d refunded %d, want %d %d", name, c.Reserved, c.Refunded, reserved, refunded)
	}
	if c.Refund.State == RefundPending && c.Refund.DoAt.Before(at(9)) {
		t.Errorf("%s: due in the past", name)
	}
	for _, p := range c.Postings {
		if sumOf(p) != 0 {
			t.Errorf("%s: posting %s sums to %d", name, p.Event, sumOf(p))
		}
	}
}

// refunding is a paid order with one refund of 60 fen, about to be sent.
func refunding(t *testing.T, ch Channel) *world {
	t.Helper()
	s := start(t, ch, paysAtOnce, 0)
	s.openRefund("R1", OriginAPI, 60)
	return s
}

func (s *world) refundEnds(t *testing.T, want RefundState) Refund {
	t.Helper()
	s.settle()
	if want != RefundNeedsHand {
		s.agree()
	}
	r := s.refunds["R1"]
	if r.State != want {
		s.fatalf("the refund ended %s, want %s", r.State, want)
	}
	return r
}

func TestRefundLostBeforeTheWalletIsSentAgainUnderItsNumber(t *testing.T) {
	t.Parallel()
	for ch := range Profiles {
		s := refunding(t, ch)
		s.loses("refund", lostBefore, 1)
		s.refundEnds(t, RefundSucceeded)
		if s.w.refunds["R1"] != 60 || count(s.told, "refund:R1") != 1 {
			t.Errorf("%s: refunds %v told %v", ch, s.w.refunds, s.told)
		}
	}
}

func TestRefundLostAfterTheWalletIsFoundByItsQuery(t *testing.T) {
	t.Parallel()
	s := refunding(t, Wxpay)
	s.loses("refund", lostAfter, 1)
	s.refundEnds(t, RefundSucceeded)
	s.called(t, "0 pay", "0 refund R1", "2 query_refund R1")
}

func TestRefusedRefundFreesItsReservation(t *testing.T) {
	t.Parallel()
	s := refunding(t, Wxpay)
	s.w.refuse = 1
	s.refundEnds(t, RefundRejected)
	if s.o.Reserved != 0 {
		t.Errorf("reserved %d", s.o.Reserved)
	}
}

func TestRefusedRefundWithAnUnansweredSendWaitsForTwoSightings(t *testing.T) {
	t.Parallel()
	s := refunding(t, Wxpay)
	s.loses("refund", lostBefore, 1)
	s.w.refuse = 1
	s.until(at(10))
	if r := s.refunds["R1"]; r.State != RefundPending || !r.Refused || s.o.Reserved != 60 {
		s.fatalf("%s refused %v: the first send may still arrive", r.State, r.Refused)
	}
	s.until(at(20))
	s.loses("query_refund", lostBefore, 90)
	r := s.refundEnds(t, RefundRejected)
	if gap := s.now.Sub(r.MissingAt); gap < time.Minute || s.o.Reserved != 0 {
		t.Errorf("freed %v after the first sighting, reserved %d", gap, s.o.Reserved)
	}
}

func TestRefusedRefundThatTheWalletMadeSucceeds(t *testing.T) {
	t.Parallel()
	s := refunding(t, Wxpay)
	s.take(s.p.Apply(s.o, CallQuery, s.w.query(s.now), s.now))
	s.takeRefund(s.p.StartRefund(s.refunds["R1"], s.now))
	_, _ = s.w.refund("R1", 60) // its answer is lost
	s.takeRefund(s.p.StartRefund(s.refunds["R1"], s.now))
	s.takeRefund(s.p.ApplyRefund(s.refunds["R1"], CallRefund, Outcome{Kind: Declined, Verified: true, Code: "x"}, RefundPaid{}, false, false, s.now))
	s.refundEnds(t, RefundSucceeded)
}

func TestRefundSentBackByTheBankKeepsItsReservation(t *testing.T) {
	t.Parallel()
	s := refunding(t, Wxpay)
	s.takeRefund(s.p.StartRefund(s.refunds["R1"], s.now))
	s.takeRefund(s.p.ApplyRefund(s.refunds["R1"], CallQueryRefund, Outcome{Kind: Unknown, Verified: true, Code: "CHANGE", Next: NextOperator}, RefundPaid{}, true, true, s.now))
	s.refundEnds(t, RefundNeedsHand)
	if s.o.Reserved != 60 || s.o.Refunded != 0 || len(s.raised) != 1 {
		t.Errorf("reserved %d refunded %d raised %v", s.o.Reserved, s.o.Refunded, s.raised)
	}
}

func TestRefundOfAnotherAmountIsNotBelieved(t *testing.T) {
	t.Parallel()
	s := refunding(t, Wxpay)
	s.takeRefund(s.p.ApplyRefund(s.refunds["R1"], CallQueryRefund, verified(Paid, "SUCCESS"), RefundPaid{Refund: 61}, false, true, s.now))
	if r := s.refunds["R1"]; r.State != RefundPending || len(s.raised) != 1 || r.Do != ActAsk || !r.DoAt.After(s.now) {
		t.Errorf("%+v raised %v", r, s.raised)
	}
}

func TestAcceptedRefundTheWalletForgetsIsRaisedAndKept(t *testing.T) {
	t.Parallel()
	s := refunding(t, Wxpay)
	s.w.takes = true
	s.takeRefund(s.p.StartRefund(s.refunds["R1"], s.now))
	s.takeRefund(s.p.ApplyRefund(s.refunds["R1"], CallRefund, verified(Waiting, "SUCCESS"), RefundPaid{RefundID: "5000"}, false, true, s.now))
	missing := Outcome{Kind: Unknown, Verified: true, Reason: ReasonNotFound, Code: "REFUNDNOTEXIST", Alert: true}
	s.takeRefund(s.p.ApplyRefund(s.refunds["R1"], CallQueryRefund, missing, RefundPaid{}, false, true, s.now))
	if r := s.refunds["R1"]; r.State != RefundPending || r.Do != ActAsk || r.RefundID != "5000" || s.o.Reserved != 60 {
		t.Errorf("%+v", r)
	}
	if len(s.raised) != 1 {
		t.Errorf("raised %v", s.raised)
	}
}

func TestAlertOnARefundReachesAPerson(t *testing.T) {
	t.Parallel()
	out := Outcome{Kind: Unknown, Verified: true, Code: "NEW_CODE", Alert: true}
	c := Profiles[Alipay].ApplyRefund(Refund{State: RefundPending}, CallRefund, out, RefundPaid{}, false, true, begin)
	if !strings.Contains(c.Raise, "NEW_CODE") || c.Refund.Code != "NEW_CODE" {
		t.Errorf("raised %q", c.Raise)
	}
}

func TestRefundWithoutASettlementIsBookedAtItsAmount(t *testing.T) {
	t.Parallel()
	for _, said := range []Fen{0, -1, 61} {
		c := Profiles[Wxpay].ApplyRefund(Refund{State: RefundPending, Amount: 60, Origin: OriginAPI}, CallQueryRefund, verified(Paid, "SUCCESS"), RefundPaid{Settlement: said, SucceededAt: at(3)}, false, true, at(9))
		if c.Refund.Settlement != 60 || !c.Refund.SucceededAt.Equal(at(3)) {
			t.Errorf("settlement %d at %v", c.Refund.Settlement, c.Refund.SucceededAt)
		}
	}
}

func TestRefundsOfOneOrderKeepTheirDistance(t *testing.T) {
	t.Parallel()
	for ch, want := range map[Channel]string{Wxpay: "60 refund R2", Alipay: "3 refund R2"} {
		s := refunding(t, ch)
		s.openRefund("R2", OriginAPI, 40)
		s.settle()
		s.agree()
		if !slices.Contains(s.calls, want) {
			t.Errorf("%s: calls %v, want %s", ch, s.calls, want)
		}
	}
}

func TestCheckRefund(t *testing.T) {
	t.Parallel()
	paid := Order{State: PAID, Total: total, PaidAt: begin}
	with := func(change func(*Order)) Order {
		o := paid
		change(&o)
		return o
	}
	in := func(state OrderState) Order { return with(func(o *Order) { o.State = state }) }
	for _, c := range []struct {
		name          string
		o             Order
		total, amount Fen
		after         time.Duration
		kind          error
		code          string
	}{
		{"all of it", paid, total, total, 0, nil, ""},
		{"the rest", with(func(o *Order) { o.Reserved = 60 }), total, 40, 0, nil, ""},
		{"last day", paid, total, 1, 365 * 24 * time.Hour, nil, ""},
		{"one fen too much", with(func(o *Order) { o.Reserved = 60 }), total, 41, 0, ErrDenied, "refund_exceeds"},
		{"nothing", paid, total, 0, 0, ErrInvalid, "amount_not_positive"},
		{"negative", paid, total, -1, 0, ErrInvalid, "amount_not_positive"},
		{"other total", paid, total - 1, 1, 0, ErrInvalid, "refund_total"},
		{"overdue", paid, total, 1, 365*24*time.Hour + time.Second, ErrDenied, "refund_overdue"},
		{"finished", with(func(o *Order) { o.Finished = true }), total, 1, 0, ErrDenied, "refund_finished"},
		{"paying", in(PAYING), total, 1, 0, ErrDenied, "refund_unpaid"},
		{"reversing", in(REVERSING), total, 1, 0, ErrDenied, "refund_busy"},
		{"closing", in(CLOSING), total, 1, 0, ErrDenied, "refund_busy"},
		{"declined", in(DECLINED), total, 1, 0, ErrDenied, "refund_dead"},
		{"reversed", in(REVERSED), total, 1, 0, ErrDenied, "refund_dead"},
		{"closed", in(CLOSED), total, 1, 0, ErrDenied, "refund_dead"},
	} {
		refused(t, c.name, Profiles[Wxpay].CheckRefund(c.o, c.total, c.amount, begin.Add(c.after)), c.kind, c.code)
	}
}
