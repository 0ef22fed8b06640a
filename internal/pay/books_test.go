package pay

import "testing"

func TestBooks(t *testing.T) {
	t.Parallel()
	api := func(s RefundState, a Fen) Refund { return Refund{State: s, Origin: OriginAPI, Amount: a} }
	for _, c := range []struct {
		name    string
		order   Order
		refunds []Refund
		m, p    Fen
	}{
		{"unpaid", Order{State: PAYING, Total: 100}, nil, 0, 0},
		{"paid", Order{State: PAID, Total: 100}, nil, 100, 0},
		{
			"paid with refunds in every state",
			Order{State: PAID, Total: 100},
			[]Refund{api(RefundPending, 1), api(RefundSucceeded, 2), api(RefundRejected, 4), api(RefundNeedsHand, 8), api(RefundOffline, 16)},
			73, 1,
		},
		{"returned outside us", Order{State: PAID, Total: 100}, []Refund{{State: RefundSucceeded, Origin: OriginChannel, Amount: 100}}, 0, 0},
		{"paid while it is being reversed", Order{State: REVERSING, PaidSeen: true, Total: 100}, nil, 100, 0},
		{"reversed, was paid", Order{State: REVERSED, PaidSeen: true, Total: 100}, nil, 0, 0},
		{"reversed, never paid", Order{State: REVERSED, Total: 100}, nil, 0, 0},
		{"reversed by a refund", Order{State: REVERSED, PaidSeen: true, Total: 100}, []Refund{{State: RefundSucceeded, Origin: OriginReverse, Amount: 100}}, 0, 0},
		{"late money is held", Order{State: CLOSED, Late: LateHeld, Total: 100}, nil, 0, 0},
		{"late money is on its way back", Order{State: CLOSED, Late: LateHeld, Total: 100}, []Refund{{State: RefundPending, Origin: OriginLate, Amount: 100}}, 0, 100},
		{"late money is back", Order{State: CLOSED, Late: LateReturned, Total: 100}, []Refund{{State: RefundSucceeded, Origin: OriginLate, Amount: 100}}, 0, 0},
		{"late money was adopted", Order{State: CLOSED, Late: LateAdopted, Total: 100}, nil, 100, 0},
		{"paid again after a reverse, and adopted", Order{State: REVERSED, PaidSeen: true, Late: LateAdopted, Total: 100}, []Refund{api(RefundPending, 30)}, 70, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if m, p := c.order.Books(c.refunds); m != c.m || p != c.p {
				t.Errorf("M is %d and P is %d, want %d and %d", m, p, c.m, c.p)
			}
		})
	}
}
