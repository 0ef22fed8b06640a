package api_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// lostWays are all ways in which a pay request or its answer can come to
// nothing, and whether the customer is charged all the same.
var lostWays = []struct {
	scenario string
	charged  bool
}{
	{"drop_before", false},
	{"drop_after", true},
	{"timeout", true},
	{"syserr_committed", true},
	{"syserr_uncommitted", false},
	{"http502_html", true},
	{"empty_body", true},
	{"truncated_body", true},
	{"bad_json", true},
	{"bad_sign", true},
	{"unsigned_2xx", true},
}

// TestPromise3UnknownIsNeverReportedAsFailed loses one pay request in every way
// there is, and the queries of the next minute with it. Meanwhile a till asks and
// repeats. Whatever says that the order is dead must be the truth, and nothing
// may say so while a customer is, or may be, charged. Refunds likewise.
func TestPromise3UnknownIsNeverReportedAsFailed(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		for _, way := range lostWays {
			t.Run(string(ch)+"/"+way.scenario, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t, options{pipes: true, idle: 20 * time.Second})
					no := h.unknownPayment(t, ch, way.scenario, way.charged)
					if way.charged {
						h.unknownRefund(t, ch, no)
					}
				})
			})
		}
	}
}

// lose has the wallet's calls of one kind fail, count times.
func (h *house) lose(t *testing.T, scenario, endpoint string, ch pay.Channel, count int64) {
	t.Helper()
	f := sandbox.Fault{Scenario: scenario, Endpoint: endpoint, Channel: sandbox.Channel(ch), Count: count}
	if err := h.box.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

// unknownPayment sends a payment whose answer is lost, and asks for it until its
// end. It returns the order's number.
func (h *house) unknownPayment(t *testing.T, ch pay.Channel, scenario string, charged bool) string {
	t.Helper()
	const fen = 100
	h.lose(t, scenario, sandbox.EndpointPay, ch, 1)
	h.lose(t, "drop_before", sandbox.EndpointQuery, ch, 12)
	no := h.number()
	request := microPay(no, h.code(ch, ""), fen)
	first := h.call(t, cpay.MethodMicroPay, request)
	first.is(t, 103, 0)
	end := ""
	for step := 0; end == "" && step < 100; step++ {
		kept := h.keptOf(t, no)
		a, q := h.call(t, cpay.MethodMicroPay, request), h.call(t, cpay.MethodQueryOrder, about(no))
		if q.status != 0 {
			t.Fatalf("an order that exists is queried as %d/%d %q", q.status, q.internal, q.text)
		}
		switch s := state(q, ch); {
		case s == "2":
			end = "paid"
			if kept != fen || !charged {
				t.Errorf("shown as paid; the wallet kept %d", kept)
			}
		case slices.Contains([]string{"9", "4", "1"}, s):
		default:
			end = "dead"
			if kept != 0 {
				t.Errorf("shown as %s, and the wallet kept %d", s, kept)
			}
		}
		switch a.status {
		case 103:
		case 0:
			if s := state(a, ch); s != "2" && s != "9" && s != "4" {
				t.Errorf("micro_pay answers 0 with state %s", s)
			}
		default:
			if kept != 0 || end != "dead" {
				t.Errorf("micro_pay is refused with %d/%d %q, the wallet kept %d and the query says %q", a.status, a.internal, a.text, kept, end)
			}
		}
		time.Sleep(7 * time.Second)
	}
	if want := map[bool]string{true: "paid", false: "dead"}[charged]; end != want {
		t.Errorf("the order ended %q, want %q", end, want)
	}
	time.Sleep(time.Hour)
	if kept := h.keptOf(t, no); (kept == fen) != charged {
		t.Errorf("an hour later the wallet has kept %d", kept)
	}
	return no
}

// keptOf is what the customer has paid for an order and not got back.
func (h *house) keptOf(t *testing.T, no string) (kept int64) {
	t.Helper()
	trades, err := h.box.Trades(t.Context(), no)
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range trades {
		kept += int64(tr.Charged - tr.Refunded)
	}
	return kept
}

// unknownRefund loses the answers to a refund, and to the queries for it.
func (h *house) unknownRefund(t *testing.T, ch pay.Channel, no string) {
	t.Helper()
	h.lose(t, "drop_after", sandbox.EndpointRefund, ch, 1)
	h.lose(t, "drop_before", sandbox.EndpointRefundQuery, ch, 5)
	refund := h.number()
	request := refundOf(no, refund, 100, 40)
	asked := about(no)
	asked["out_refund_no"] = refund
	for range 10 {
		h.call(t, cpay.MethodRefund, request).is(t, 0, 0)
		a := h.call(t, cpay.MethodQueryRefundOrder, asked)
		if a.is(t, 0, 0); h.onlyRefund(t, no).State == pay.RefundRejected {
			t.Error("a refund whose answer was lost is rejected")
		}
		time.Sleep(7 * time.Second)
	}
	time.Sleep(8 * time.Hour) // refunds are asked for ever more slowly: a bank takes days
	if r := h.onlyRefund(t, no); r.State != pay.RefundSucceeded || h.keptOf(t, no) != 60 {
		t.Errorf("the refund is %s and the wallet kept %d", r.State, h.keptOf(t, no))
	}
}

// onlyRefund is the only refund of an order.
func (h *house) onlyRefund(t *testing.T, no string) pay.Refund {
	t.Helper()
	list, err := h.store.Refunds(t.Context(), theMerchant, no)
	if err != nil || len(list) != 1 {
		t.Fatalf("refunds = %+v, %v", list, err)
	}
	return list[0]
}
