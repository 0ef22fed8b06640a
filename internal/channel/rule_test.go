package channel

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/pay"
)

func TestClassesMeanWhatTheSharedListSays(t *testing.T) {
	t.Parallel()
	for class, want := range map[Class]pay.Outcome{
		ClassPaid:          {Kind: pay.Paid},
		ClassWaiting:       {Kind: pay.Waiting},
		ClassDeclined:      {Kind: pay.Declined},
		ClassUnknown:       {Kind: pay.Unknown},
		ClassQueryFirst:    {Kind: pay.Unknown, Next: pay.NextQueryFirst},
		ClassRetrySame:     {Kind: pay.Unknown, Next: pay.NextRetrySame},
		ClassReverse:       {Kind: pay.Unknown, Next: pay.NextReverse},
		ClassRefundInstead: {Kind: pay.Unknown, Next: pay.NextRefundInstead},
		ClassOperator:      {Kind: pay.Unknown, Next: pay.NextOperator},
		"A CLASS OF LATER": {Kind: pay.Unknown},
	} {
		if diff := cmp.Diff(want, Rule{Class: class}.Outcome()); diff != "" {
			t.Errorf("%s: %s", class, diff)
		}
	}
	full := Rule{Class: ClassQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true, Alert: true, Pause: 5}
	want := pay.Outcome{Kind: pay.Unknown, Next: pay.NextQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true, Alert: true, Pause: 5}
	if diff := cmp.Diff(want, full.Outcome()); diff != "" {
		t.Error(diff)
	}
}

func TestTablesFindExactLinesBeforeStars(t *testing.T) {
	t.Parallel()
	table := Table{{Code: "SUB_*", Class: ClassDeclined}, {Code: "SUB_ONE", Class: ClassWaiting}}
	for code, want := range map[string]Class{
		"SUB_ONE": ClassWaiting, "SUB_TWO": ClassDeclined, "SUB_": ClassDeclined, "SUB": ClassUnknown, "": ClassUnknown,
	} {
		if got := table.Find(code); got.Class != want || got.Alert != (want == ClassUnknown) {
			t.Errorf("Find(%q) = %+v, want %s", code, got, want)
		}
	}
}
