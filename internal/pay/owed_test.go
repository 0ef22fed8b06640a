package pay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// owed is a closed order whose payment is held as late money, a cancel having
// left before, with the refund that returns it.
func owed(origin RefundOrigin) (Order, Refund) {
	o := Order{
		OutTradeNo: "T1", State: CLOSED, TradeType: TradeScanCode, ReverseAsk: true, ReverseTries: 1, Late: LateHeld,
		Total: total, Settlement: total - 1, SentAt: begin, PaidAt: at(5), RefundSentAt: at(10), Reserved: total,
	}
	if origin == OriginReverse {
		o.State, o.Late, o.PaidSeen, o.ReverseSentAt = REVERSING, LateNone, true, at(6)
	}
	return o, Refund{OutRefundNo: "late", OutTradeNo: "T1", State: RefundPending, Origin: origin, Amount: total, Total: total, Do: ActSend}
}

// TestRefusedReturnAsksForTheOrder: the refund of a trade that a cancel has
// closed is refused, and whether that is a refusal of what is owed the order says.
func TestRefusedReturnAsksForTheOrder(t *testing.T) {
	t.Parallel()
	refused := Outcome{Kind: Declined, Verified: true, Reason: ReasonState, Code: "ACQ.TRADE_HAS_CLOSE"}
	unlisted := Outcome{Kind: Unknown, Verified: true, Code: "ORDER_IS_REVOKED"}
	returned := Outcome{Kind: Declined, Verified: true, Returned: true, Code: "REVOKED", Payment: Payment{Total: total, PaidAt: at(5)}}
	back := []string{"refund"}
	for _, c := range []struct {
		name    string
		origin  RefundOrigin
		said    Outcome // of the refund
		order   Outcome
		want    RefundState
		posted  []string
		late    LateState
		without RefundState // the order's answer
	}{
		{"returned by the cancel", OriginLate, refused, returned, RefundSucceeded, back, LateReturned, RefundRejected},
		{"an unlisted refusal", OriginLate, unlisted, returned, RefundSucceeded, back, LateReturned, RefundPending},
		{"a refund for a reverse", OriginReverse, refused, returned, RefundSucceeded, back, "", RefundPending},
		{"still paid", OriginLate, refused, Outcome{Kind: Paid, Verified: true}, RefundRejected, []string{"reject"}, "", RefundRejected},
		{"closed and never paid", OriginLate, refused, Outcome{Kind: Declined, Verified: true}, RefundRejected, []string{"reject"}, "", RefundRejected},
		{"no answer", OriginLate, refused, Outcome{Kind: Unknown, Lost: true}, RefundPending, nil, "", RefundRejected},
		{"unverified", OriginLate, refused, Outcome{Kind: Declined, Returned: true}, RefundPending, nil, "", RefundRejected},
		{"question refused", OriginLate, refused, Outcome{Kind: Declined, Verified: true, Reason: ReasonConfiguration}, RefundPending, nil, "", RefundRejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := Profiles[Alipay]
			o, r := owed(c.origin)
			change := p.ApplyRefund(p.StartRefund(r, at(10)).Refund, CallRefund, c.said, RefundPaid{}, false, true, at(11))
			if change.Refund.State != c.without || !change.WantsOrder(CallRefund, c.said) {
				t.Fatalf("%s, asks for the order: %v", change.Refund.State, change.WantsOrder(CallRefund, c.said))
			}
			got := p.OrderSaid(o, change, c.order, at(12))
			if diff := cmp.Diff(c.posted, eventsOf(got.Postings)); diff != "" || got.Refund.State != c.want || got.Late != c.late {
				t.Errorf("%s, late %q, posted (-want +got):\n%s", got.Refund.State, got.Late, diff)
			}
			switch got.Refund.State {
			case RefundSucceeded:
				if got.Refunded != total || got.Reserved != 0 || got.Refund.Settlement != o.Settlement || got.Raise != "" {
					t.Errorf("refunded %d, reserved %d, settled %d, raised %q", got.Refunded, got.Reserved, got.Refund.Settlement, got.Raise)
				}
			case RefundPending:
				if got.Reserved != 0 || got.Refund.Do != ActAsk || !got.Refund.Refused || !got.Refund.DoAt.After(at(12)) {
					t.Errorf("reserved %d, next %s at %v", got.Reserved, got.Refund.Do, got.Refund.DoAt)
				}
			case RefundRejected:
				if got.Reserved != -total || got.Raise == "" {
					t.Errorf("reserved %d, raised %q", got.Reserved, got.Raise)
				}
			case RefundNeedsHand, RefundOffline:
				t.Error("nothing was sent back by a bank")
			}
		})
	}
	for _, origin := range []RefundOrigin{OriginAPI, OriginChannel} {
		_, r := owed(origin)
		c := Profiles[Alipay].ApplyRefund(r, CallRefund, refused, RefundPaid{}, false, true, at(11))
		if c.WantsOrder(CallRefund, refused) {
			t.Errorf("a refund of origin %s asks for its order", origin)
		}
	}
}

// TestCancelThatIsHeardAfterTheCloseIsBooked: its answer says that a payment
// went back, of which nothing was known or whose return was refused.
func TestCancelThatIsHeardAfterTheCloseIsBooked(t *testing.T) {
	t.Parallel()
	p := Profiles[Alipay]
	gave := Outcome{Kind: Paid, Verified: true, Returned: true}
	for name, c := range map[string]struct {
		change func(*Order)
		posted []string // nil: nothing is to be asked
	}{
		"nothing known":    {func(o *Order) { o.Late, o.Reserved, o.RefundSentAt = LateNone, 0, time.Time{} }, []string{"late", "late_reversed"}},
		"return refused":   {func(o *Order) { o.Reserved = 0 }, []string{"late_reversed"}},
		"return under way": {func(*Order) {}, nil},
		"not sent yet":     {func(o *Order) { o.Reserved, o.RefundSentAt = 0, time.Time{} }, nil},
		"returned":         {func(o *Order) { o.Late = LateReturned }, nil},
		"waits for a person": {
			func(o *Order) { o.HoldLate, o.Reserved, o.RefundSentAt = true, 0, time.Time{} }, []string{"late_reversed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, call := range []Call{CallClose, CallReverse} {
				o, _ := owed(OriginLate)
				c.change(&o)
				after := p.Apply(o, call, gave, at(20)).Order
				if c.posted == nil {
					if after != o {
						t.Errorf("%s changed %+v", call, after)
					}
					continue
				}
				if step := p.Next(after, at(20)); step.Act != ActQuery {
					t.Fatalf("next is %v", step)
				}
				for _, dumb := range []Outcome{{Kind: Unknown, Lost: true}, verified(Waiting, "WAIT_BUYER_PAY"), {Kind: Unknown, Verified: true, Reason: ReasonNotFound}} {
					after = p.Apply(after, CallQuery, dumb, at(21)).Order
					if step := p.Next(after, at(21)); step.Act != ActQuery || !step.At.After(at(21)) {
						t.Fatalf("%+v: next is %v", dumb, step)
					}
				}
				end := p.Apply(after, CallQuery, Outcome{
					Kind: Declined, Verified: true, Returned: true, Payment: Payment{Total: total, PaidAt: at(5)},
				}, at(30))
				if diff := cmp.Diff(c.posted, eventsOf(end.Postings)); diff != "" || end.Order.Late != LateReturned || end.Order.Watch {
					t.Errorf("late %q, watched %v: %s", end.Order.Late, end.Order.Watch, diff)
				}
			}
		})
	}
}

// A cancel whose answer came late had given the money back, and the answer was
// dropped because the money was held for a person: whether he adopted it before
// or after, the merchant was told of money that nobody has.
func TestBugCancelGaveBackWhatAPersonAdopted(t *testing.T) {
	t.Parallel()
	p := Profiles[Alipay]
	gave := Outcome{Kind: Paid, Verified: true, Returned: true}
	back := Outcome{Kind: Declined, Verified: true, Returned: true, Payment: Payment{Total: total, PaidAt: at(5)}}
	adopt := func(o Order) Order {
		c, err := p.AdoptLate(o, Hand{Who: "member:ann"}, at(21))
		if err != nil {
			t.Fatal(err)
		}
		return c.Order
	}
	hear := func(o Order) Order { return p.Apply(o, CallClose, gave, at(20)).Order }
	for name, steps := range map[string][]func(Order) Order{"adopted, then heard": {adopt, hear}, "heard, then adopted": {hear, adopt}} {
		o, _ := owed(OriginLate)
		o.HoldLate, o.Reserved, o.RefundSentAt = true, 0, time.Time{}
		for _, do := range steps {
			o = do(o)
		}
		if step := p.Next(o, at(22)); step.Act != ActQuery {
			t.Errorf("%s: next is %v", name, step)
			continue
		}
		end := p.Apply(o, CallQuery, back, at(23))
		if end.Order.Refunded != total || end.Order.Watch || end.Raise == "" || len(end.Refunds) != 1 {
			t.Errorf("%s: refunded %d, watched %v, raised %q", name, end.Order.Refunded, end.Order.Watch, end.Raise)
		}
	}
}
