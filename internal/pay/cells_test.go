package pay

import (
	"slices"
	"strings"
	"testing"
)

// outcomes is every kind of answer of the cells, by name.
var outcomes = []struct {
	name string
	out  Outcome
}{
	{"paid", Outcome{Kind: Paid, Verified: true, Code: "SUCCESS", Payment: Payment{PaidAt: at(4), Total: total, Settlement: settled}}},
	{"waiting", Outcome{Kind: Waiting, Verified: true, Code: "USERPAYING"}},
	{"declined", Outcome{Kind: Declined, Verified: true, Code: "CLOSED"}},
	{"returned", Outcome{Kind: Declined, Verified: true, Code: "REVOKED", Returned: true, Payment: Payment{PaidAt: at(4), Settlement: settled}}},
	{"lost", Outcome{Kind: Unknown, Lost: true}},
	{"retry", Outcome{Kind: Unknown, Verified: true, Code: "SYSTEMERROR", Next: NextRetrySame}},
	{"duplicate", Outcome{Kind: Unknown, Verified: true, Code: "ORDERPAID", Next: NextQueryFirst, Reason: ReasonDuplicate, NoReverse: true}},
	{"payerror", Outcome{Kind: Unknown, Verified: true, Code: "PAYERROR", Next: NextReverse}},
	{"missing", Outcome{Kind: Unknown, Verified: true, Code: "ORDERNOTEXIST", Reason: ReasonNotFound}},
	{"operator", Outcome{Kind: Unknown, Verified: true, Code: "TRADE_ERROR", Next: NextOperator}},
	{"expired", Outcome{Kind: Unknown, Verified: true, Code: "REVERSE_EXPIRE", Next: NextRefundInstead}},
}

// positions is every state, split where its row decides.
var positions = []struct {
	name string
	row  Order
}{
	{"PAYING", Order{State: PAYING}},
	{"PAYING duplicate", Order{State: PAYING, NoReverse: true}},
	{"PAYING dup gone", Order{State: PAYING, NoReverse: true, MissingAt: at(120)}},
	{"PAID", Order{State: PAID, Settlement: settled}},
	{"DECLINED", Order{State: DECLINED}},
	{"DECLINED watched", Order{State: DECLINED, Watch: true, AskAt: at(30)}},
	{"REVERSING unsent", Order{State: REVERSING}},
	{"REVERSING sent", Order{State: REVERSING, ReverseSentAt: at(60), ReverseTries: 1}},
	{"REVERSING done", Order{State: REVERSING, ReverseSentAt: at(60), ReverseTries: 1, ReverseDone: true}},
	{"REVERSING paid", Order{State: REVERSING, ReverseSentAt: at(60), ReverseTries: 1, PaidSeen: true, Settlement: settled}},
	{"REVERSING gone", Order{State: REVERSING, ReverseSentAt: at(60), ReverseTries: 1, ReverseGone: true, MissingAt: at(120), ReversedAt: at(180)}},
	{"REVERSED", Order{State: REVERSED}},
	{"REVERSED watched", Order{State: REVERSED, Watch: true, AskAt: at(200)}},
	{"CLOSED", Order{State: CLOSED}},
}

// moves is every cell that moves money or the state: position, call and
// outcome, then the new state, the events booked, what the merchant is told
// and late money. In every other cell of the product nothing of this happens.
const moves = `
PAYING            pay      paid       PAID paid told
PAYING            pay      declined   DECLINED
PAYING            pay      returned   DECLINED
PAYING            query    paid       PAID paid told
PAYING            query    declined   DECLINED
PAYING            query    returned   REVERSING paid
PAYING            notice   paid       PAID paid told
PAYING            notice   declined   DECLINED
PAYING            notice   returned   REVERSING paid
PAYING duplicate  pay      paid       PAID paid told
PAYING duplicate  pay      declined   DECLINED
PAYING duplicate  pay      returned   DECLINED
PAYING duplicate  query    paid       PAID paid told
PAYING duplicate  query    declined   DECLINED
PAYING duplicate  query    returned   DECLINED
PAYING duplicate  query    payerror   DECLINED
PAYING duplicate  notice   paid       PAID paid told
PAYING duplicate  notice   declined   DECLINED
PAYING duplicate  notice   returned   DECLINED
PAYING dup gone   pay      paid       PAID paid told
PAYING dup gone   pay      declined   DECLINED
PAYING dup gone   pay      returned   DECLINED
PAYING dup gone   query    paid       PAID paid told
PAYING dup gone   query    declined   DECLINED
PAYING dup gone   query    returned   DECLINED
PAYING dup gone   query    payerror   DECLINED
PAYING dup gone   query    missing    DECLINED
PAYING dup gone   notice   paid       PAID paid told
PAYING dup gone   notice   declined   DECLINED
PAYING dup gone   notice   returned   DECLINED
PAID              query    returned   PAID outside
PAID              notice   returned   PAID outside
DECLINED          pay      paid       DECLINED late HELD
DECLINED          query    paid       DECLINED late HELD
DECLINED          notice   paid       DECLINED late HELD
DECLINED watched  pay      paid       DECLINED late HELD
DECLINED watched  query    paid       DECLINED late HELD
DECLINED watched  notice   paid       DECLINED late HELD
REVERSING unsent  pay      paid       PAID paid told
REVERSING unsent  query    paid       PAID paid told
REVERSING unsent  query    declined   REVERSED
REVERSING unsent  query    returned   REVERSED paid reversed
REVERSING unsent  notice   paid       PAID paid told
REVERSING unsent  notice   declined   REVERSED
REVERSING unsent  notice   returned   REVERSED paid reversed
REVERSING sent    pay      paid       REVERSING paid
REVERSING sent    query    paid       REVERSING paid
REVERSING sent    query    declined   REVERSED
REVERSING sent    query    returned   REVERSED paid reversed
REVERSING sent    notice   paid       REVERSING paid
REVERSING sent    notice   declined   REVERSED
REVERSING sent    notice   returned   REVERSED paid reversed
REVERSING done    pay      paid       REVERSING paid
REVERSING done    query    paid       REVERSING paid
REVERSING done    query    declined   REVERSED
REVERSING done    query    returned   REVERSED paid reversed
REVERSING done    notice   paid       REVERSING paid
REVERSING done    notice   declined   REVERSED
REVERSING done    notice   returned   REVERSED paid reversed
REVERSING paid    query    declined   REVERSED reversed
REVERSING paid    query    returned   REVERSED reversed
REVERSING paid    notice   declined   REVERSED reversed
REVERSING paid    notice   returned   REVERSED reversed
REVERSING gone    pay      paid       REVERSING paid
REVERSING gone    query    paid       REVERSING paid
REVERSING gone    query    declined   REVERSED
REVERSING gone    query    returned   REVERSED paid reversed
REVERSING gone    query    missing    CLOSED
REVERSING gone    notice   paid       REVERSING paid
REVERSING gone    notice   declined   REVERSED
REVERSING gone    notice   returned   REVERSED paid reversed
REVERSED watched  query    paid       REVERSED late HELD
CLOSED            pay      paid       CLOSED late HELD
CLOSED            query    paid       CLOSED late HELD
CLOSED            notice   paid       CLOSED late HELD
`

// TestCells applies every outcome of every call to every position.
func TestCells(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(moves)) {
		want[strings.Join(strings.Fields(line[:38]), " ")] = strings.TrimSpace(line[38:])
	}
	seen := 0
	for _, from := range positions {
		for _, call := range []Call{CallPay, CallQuery, CallNotice, CallReverse, CallClose} {
			for _, o := range outcomes {
				name := from.name + " " + string(call) + " " + o.name
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					checkCell(t, from.row, call, o.out, want[name])
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

func checkCell(t *testing.T, row Order, call Call, out Outcome, want string) {
	t.Helper()
	row.Total, row.SentAt, row.Channel = total, begin, Wxpay
	if row.TradeType == 0 {
		row.TradeType = TradeMicroPay
	}
	c := Profiles[Wxpay].Apply(row, call, out, at(210))
	if c.From != row {
		t.Error("the change names another row")
	}
	did := append([]string{string(c.Order.State)}, eventsOf(c.Postings)...)
	if slices.Contains(c.Callbacks, EventPaid) {
		did = append(did, "told")
	}
	if c.Order.Late != row.Late {
		did = append(did, string(c.Order.Late))
	}
	if want == "" {
		want = string(row.State)
	}
	if got := strings.Join(did, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !Allowed(row.State, c.Order.State) {
		t.Errorf("%s → %s is not in the diagram", row.State, c.Order.State)
	}
	for _, p := range c.Postings {
		if sum := sumOf(p); sum != 0 {
			t.Errorf("posting %s sums to %d", p.Event, sum)
		}
	}
	if row.State.Final() && !row.Watch && out.Kind != Paid && !out.Returned && c.Changed() {
		t.Errorf("an answer without money changed a final order: %+v", c.Order)
	}
	if step := Profiles[Wxpay].Next(c.Order, at(210)); step.Act == ActNone && !c.Order.State.Final() {
		t.Errorf("nothing is left to do in %s", c.Order.State)
	}
}

func eventsOf(ps []Posting) (events []string) {
	for _, p := range ps {
		event, _, _ := strings.Cut(p.Event, ":")
		events = append(events, event)
	}
	return events
}

func sumOf(p Posting) (sum Fen) {
	for _, leg := range p.Legs {
		sum += leg.Amount
	}
	return sum
}

// TestAllowedIsTheDiagram compares Allowed with money.md §1 and row 11 of §3.
func TestAllowedIsTheDiagram(t *testing.T) {
	t.Parallel()
	diagram := map[OrderState]string{
		PAYING: "PAID DECLINED REVERSING CLOSING", CLOSING: "CLOSED PAID", PAID: "REVERSING",
		REVERSING: "REVERSED PAID CLOSED", DECLINED: "", REVERSED: "", CLOSED: "",
	}
	for _, from := range OrderStates {
		for _, to := range OrderStates {
			want := from == to || slices.Contains(strings.Fields(diagram[from]), string(to))
			if got := Allowed(from, to); got != want {
				t.Errorf("Allowed(%s, %s) = %v, want %v", from, to, got, want)
			}
		}
		if final := from != PAYING && from != REVERSING && from != CLOSING; from.Final() != final {
			t.Errorf("%s final %v, want %v", from, from.Final(), final)
		}
	}
	if OrderState("").Final() {
		t.Error("no state is final")
	}
}

func TestForbiddenMovePanics(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(){
		"transition": func() { wxpayProfile.seal(Change{From: Order{State: PAID}, Order: Order{State: DECLINED}}, begin) },
		"balance":    func() { post("paid", Leg{AccReceivable, 1}) },
		"duplicate":  func() { wxpayProfile.StartReverse(Order{State: PAYING, NoReverse: true}, begin) },
		"final":      func() { wxpayProfile.StartReverse(Order{State: PAID}, begin) },
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
