package pay

import (
	"strings"
	"testing"
)

// unifiedPositions is every state of a unified order, split where its row decides.
var unifiedPositions = []struct {
	name string
	row  Order
}{
	{"PAYING", Order{State: PAYING}},
	{"PAYING over", Order{State: PAYING, ExpireAt: at(100)}},
	{"PAYING duplicate", Order{State: PAYING, NoReverse: true}},
	{"PAYING dup gone", Order{State: PAYING, NoReverse: true, MissingAt: at(100)}},
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
PAYING duplicate  notice   paid       PAID paid told
PAYING duplicate  notice   declined   DECLINED
PAYING duplicate  notice   returned   DECLINED
PAYING dup gone   query    paid       PAID paid told
PAYING dup gone   query    declined   DECLINED
PAYING dup gone   query    returned   DECLINED
PAYING dup gone   query    payerror   DECLINED
PAYING dup gone   query    missing    DECLINED
PAYING dup gone   notice   paid       PAID paid told
PAYING dup gone   notice   declined   DECLINED
PAYING dup gone   notice   returned   DECLINED
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
CLOSING asked     query    returned   CLOSED late late_reversed RETURNED
CLOSING asked     notice   paid       PAID paid told
CLOSING asked     notice   declined   CLOSED
CLOSING asked     notice   returned   CLOSED late late_reversed RETURNED
CLOSING told      query    paid       CLOSED late HELD
CLOSING told      query    declined   CLOSED
CLOSING told      query    returned   CLOSED late late_reversed RETURNED
CLOSING told      notice   paid       CLOSED late HELD
CLOSING told      notice   declined   CLOSED
CLOSING told      notice   returned   CLOSED late late_reversed RETURNED
CLOSING told over query    paid       CLOSED late HELD
CLOSING told over query    waiting    CLOSED
CLOSING told over query    payerror   CLOSED
CLOSING told over query    missing    CLOSED
CLOSING told over query    declined   CLOSED
CLOSING told over query    returned   CLOSED late late_reversed RETURNED
CLOSING told over notice   paid       CLOSED late HELD
CLOSING told over notice   declined   CLOSED
CLOSING told over notice   returned   CLOSED late late_reversed RETURNED
CLOSING expired   query    paid       PAID paid told
CLOSING expired   query    missing    CLOSED
CLOSING expired   query    declined   CLOSED
CLOSING expired   query    returned   CLOSED late late_reversed RETURNED
CLOSING expired   notice   paid       PAID paid told
CLOSING expired   notice   declined   CLOSED
CLOSING expired   notice   returned   CLOSED late late_reversed RETURNED
CLOSING sent      query    paid       PAID paid told
CLOSING sent      query    waiting    CLOSED
CLOSING sent      query    payerror   CLOSED
CLOSING sent      query    missing    CLOSED
CLOSING sent      query    declined   CLOSED
CLOSING sent      query    returned   CLOSED late late_reversed RETURNED
CLOSING sent      notice   paid       PAID paid told
CLOSING sent      notice   declined   CLOSED
CLOSING sent      notice   returned   CLOSED late late_reversed RETURNED
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
