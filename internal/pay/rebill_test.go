package pay

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestARejectedRefundThatTheWalletHasMadeIsTakenBack: what it does to the books, and
// when it is left to a person.
func TestARejectedRefundThatTheWalletHasMadeIsTakenBack(t *testing.T) {
	t.Parallel()
	made, pd := Outcome{Kind: Paid, Verified: true}, RefundPaid{Refund: 40, Settlement: 39, RefundID: "W1"}
	api := Refund{OutRefundNo: "R1", OutTradeNo: "T1", State: RefundRejected, Origin: OriginAPI, Amount: 40}
	late := api
	late.Origin, late.Amount = OriginLate, 100
	paid := Order{State: PAID, Total: 100, PaidSeen: true}
	held := Order{State: CLOSED, Total: 100, Late: LateHeld}
	c, err := wxpayProfile.TakeBack(paid, api, made, pd, false, at(100))
	if err != nil || c.Refund.State != RefundSucceeded || c.Reserved != 40 || c.Refunded != 40 || !slices.Equal(c.Callbacks, []string{EventRefund + "R1"}) {
		t.Errorf("%+v, %v", c, err)
	}
	books := append([]Posting{PostPaid(100, 98), PostReserved("R1", 40), PostRejected("R1", 40)}, c.Postings...)
	if diff := cmp.Diff([]Leg{{AccReceivable, 59}, {AccDiscount, 1}, {AccMerchant, -60}}, balance(books)); diff != "" {
		t.Errorf("books: -want +got\n%s", diff)
	}
	c, err = wxpayProfile.TakeBack(held, late, made, RefundPaid{}, false, at(100))
	if err != nil || c.Late != LateReturned || c.Reserved != 100 || len(c.Callbacks) != 0 || !slices.Contains(c.Calm, RaiseLate) {
		t.Errorf("late: %+v, %v", c, err)
	}
	books = append([]Posting{PostLate(100, 100), PostLateReserved("R1", 100), PostLateRejected("R1", 100)}, c.Postings...)
	if left := balance(books); len(left) != 0 {
		t.Errorf("books of late money: %v", left)
	}

	full, reversed, adopted, pending := paid, paid, held, api
	full.Reserved, reversed.State, adopted.Late, pending.State = 61, REVERSED, LateAdopted, RefundPending
	for name, c := range map[string]struct {
		o    Order
		r    Refund
		out  Outcome
		pd   RefundPaid
		hand bool
		want error
	}{
		"it is open":                    {paid, pending, made, pd, false, ErrDenied},
		"no room is left":               {full, api, made, pd, false, ErrDenied},
		"the order was reversed":        {reversed, api, made, pd, false, ErrDenied},
		"the late money was adopted":    {adopted, late, made, RefundPaid{}, false, ErrDenied},
		"it is on its way":              {paid, api, Outcome{Kind: Waiting, Verified: true}, pd, false, ErrUnavailable},
		"the answer is not verified":    {paid, api, Outcome{Kind: Paid}, pd, false, ErrUnavailable},
		"the bank has sent it back":     {paid, api, made, pd, true, ErrUnavailable},
		"the wallet has another amount": {paid, api, made, RefundPaid{Refund: 41}, false, ErrUnavailable},
	} {
		got, err := wxpayProfile.TakeBack(c.o, c.r, c.out, c.pd, c.hand, at(100))
		kindOf(t, err, c.want)
		if got.Reserved != 0 || len(got.Postings) != 0 || got.Refund.State != c.r.State {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestARefundPaidToTheMerchantsAccountIsStillOwed: "it has arrived" then means with
// the merchant, and the customer is paid outside the wallet.
func TestARefundPaidToTheMerchantsAccountIsStillOwed(t *testing.T) {
	t.Parallel()
	back := Refund{OutRefundNo: "R1", OutTradeNo: "T1", State: RefundNeedsHand, Origin: OriginAPI, Amount: 40}
	made, pd := Outcome{Kind: Paid, Verified: true}, RefundPaid{Refund: 40, Settlement: 39, SucceededAt: at(90)}
	c, err := wxpayProfile.Resume(back, made, pd, false, true, operator, at(100))
	if err != nil || c.Refund.State != RefundNeedsHand || c.Refunded != 0 || len(c.Callbacks)+len(c.Calm) != 0 || c.Hand.Act != HandResume {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = wxpayProfile.Resume(c.Refund, made, pd, false, true, operator, at(101))
	kindOf(t, err, ErrDenied)
	end, err := wxpayProfile.Offline(c.Refund, operator, at(102))
	if err != nil || end.Refund.State != RefundOffline || end.Refunded != 40 || !slices.Equal(end.Callbacks, []string{EventRefund + "R1"}) {
		t.Errorf("%+v, %v", end, err)
	}
	books := slices.Concat([]Posting{PostPaid(100, 98), PostReserved("R1", 40), PostBankReturn("R1", 40)}, c.Postings, end.Postings)
	if diff := cmp.Diff([]Leg{{AccReceivable, 59}, {AccDiscount, 2}, {AccMerchant, -60}, {AccOffline, -40}, {AccSettled, 39}}, balance(books)); diff != "" {
		t.Errorf("books: -want +got\n%s", diff)
	}
}

// TestAReverseCountsFromItsFirstSend: the wallet did it then or later, so that its
// bill has it on that day or the next, and never before.
func TestAReverseCountsFromItsFirstSend(t *testing.T) {
	t.Parallel()
	o := Order{PaidAt: at(1)}
	if got := o.UndoneAt(); !got.Equal(at(1)) {
		t.Errorf("of no send: %s", got)
	}
	o.ReversedAt = at(3)
	if got := o.UndoneAt(); !got.Equal(at(3)) {
		t.Errorf("of a cancel: %s", got)
	}
	o.ReverseSentAt = at(2)
	if got := o.UndoneAt(); !got.Equal(at(2)) {
		t.Errorf("sent twice: %s", got)
	}
}

// TestAPaymentThatCameAndWentIsBookedAsLateMoney: what it does to the books, and of
// which orders nothing is believed.
func TestAPaymentThatCameAndWentIsBookedAsLateMoney(t *testing.T) {
	t.Parallel()
	reversed := Order{
		MerchantID: "m1", OutTradeNo: "T1", Channel: Wxpay, TradeType: TradeMicroPay, State: REVERSED, Total: 100, Truth: TruthQuery,
		SentAt: begin, ReverseSentAt: at(60), ReversedAt: at(60), ReverseTries: 1,
	}
	order := func(change func(*Order)) Order {
		o := reversed
		change(&o)
		return o
	}
	in := BilledPayment{TransactionID: "4200", Total: 100, Settlement: 98, PaidAt: at(59)}
	both := in
	both.ReversedAt = at(61)
	other, early, late := both, in, in
	other.Total, early.PaidAt, late.PaidAt = 101, begin.Add(-billClock-1), at(60).Add(billClock+1)
	for name, c := range map[string]struct {
		o    Order
		in   BilledPayment
		want bool
	}{
		"reversed by us":                     {reversed, in, true},
		"reversed, and the bill says so":     {reversed, both, true},
		"asked about, and the bill says so":  {order(func(o *Order) { o.Watch, o.AskAt = true, at(90) }), both, true},
		"closed, and the bill says reversed": {order(func(o *Order) { o.State = CLOSED }), both, true},
		"closed by a cancel, and reversed":   {order(func(o *Order) { o.State, o.ReverseSentAt = CLOSED, time.Time{} }), both, true},
		"it may be another's, and went back": {order(func(o *Order) { o.NoReverse, o.Duplicate = true, true }), both, true},
		"declined by somebody's reverse":     {order(func(o *Order) { o.State, o.ReverseSentAt, o.ReversedAt = DECLINED, time.Time{}, time.Time{} }), both, true},

		"it may be another's":         {order(func(o *Order) { o.NoReverse, o.Duplicate = true, true }), in, false},
		"paid long before":            {reversed, early, false},
		"paid long after":             {reversed, late, false},
		"it is still to be asked for": {order(func(o *Order) { o.Watch, o.AskAt = true, at(90) }), in, false},
		"closed":                      {order(func(o *Order) { o.State = CLOSED }), in, false},
		"ended without a reverse":     {order(func(o *Order) { o.ReverseSentAt = time.Time{} }), in, false},
		"another amount":              {reversed, other, false},
		"it is open":                  {order(func(o *Order) { o.State = REVERSING }), both, false},
		"it is booked":                {order(func(o *Order) { o.PaidSeen = true }), both, false},
		"its late money was returned": {order(func(o *Order) { o.Late = LateReturned }), both, false},
	} {
		got := wxpayProfile.CameAndWent(c.o, c.in, at(1000))
		n := got.Order
		if !c.want {
			if got.Changed() {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if n.State != c.o.State || n.Late != LateReturned || n.Truth != TruthBill || n.Settlement != 98 || !n.PaidAt.Equal(at(59)) || n.TransactionID != "4200" {
			t.Errorf("%s: the order is %+v", name, n)
		}
		if want := map[bool]time.Time{false: at(60), true: at(61)}[c.o.ReverseSentAt.IsZero()]; !n.UndoneAt().Equal(want) {
			t.Errorf("%s: undone at %v, want %v", name, n.UndoneAt(), want)
		}
		if len(got.Callbacks) != 0 || len(got.Postings) != 2 || len(balance(got.Postings)) != 0 {
			t.Errorf("%s: tells %v, books %v", name, got.Callbacks, got.Postings)
		}
		if step := wxpayProfile.Next(n, at(1000)); step.Act != ActNone {
			t.Errorf("%s: afterwards %+v", name, step)
		}
	}
}
