package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// CodeSuffix is the end of a payment code that sets off a scenario at the
// payment it is used for.
type CodeSuffix struct {
	Suffix   string `json:"suffix"`
	Scenario string `json:"scenario"`
}

// codeSuffixes is the list. A suffix never changes its meaning: test suites
// write them down. Codes drawn at random never end like this.
var codeSuffixes = []CodeSuffix{
	{"9001", "drop_after"},
	{"9002", "drop_before"},
	{"9003", "syserr_committed"},
	{"9004", "syserr_uncommitted"},
	{"9005", "timeout"},
	{"9006", "slow"},
	{"9007", "bankerr"},
	{"9008", "duplicate"},
	{"9009", "force_password"},
	{"9010", "slow_state"},
	{"9011", "payerror_but_charged"},
	{"9012", "pay_then_rollback"},
	{"9013", "coupon"},
	{"9014", "rate_limit"},
	{"9015", "http502_html"},
	{"9016", "empty_body"},
	{"9017", "truncated_body"},
	{"9018", "bad_json"},
	{"9019", "bad_sign"},
	{"9020", "unsigned_2xx"},
	{"9021", "tamper"},
	{"9022", "no_money"},
	{"9023", "code_expired"},
}

// CodeSuffixes lists the ends of payment codes that set off a scenario. A code
// with such an end is asked for by name: NewScenarioCode.
func CodeSuffixes() []CodeSuffix { return slices.Clone(codeSuffixes) }

// NegativeTests lists the cases of the header Wechatpay-Negative-Test that are
// played.
func NegativeTests() []string {
	var names []string
	for name := range negativeTests {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// scenarioOfCode is the scenario a code's end sets off, nil for none.
func scenarioOfCode(code string) *Scenario {
	i := slices.IndexFunc(codeSuffixes, func(c CodeSuffix) bool { return strings.HasSuffix(code, c.Suffix) })
	if i < 0 {
		return nil
	}
	return scenarioNamed(codeSuffixes[i].Scenario)
}

// suffixOf is the end that sets off a scenario with a wallet, or what is wrong
// with asking for it.
func suffixOf(ch Channel, scenario string) (string, error) {
	i := slices.IndexFunc(codeSuffixes, func(c CodeSuffix) bool { return c.Scenario == scenario })
	if i < 0 {
		var names []string
		for _, c := range codeSuffixes {
			names = append(names, c.Scenario)
		}
		return "", fmt.Errorf("%w scenario %q: a payment code sets off one of %v", ErrInvalid, cut(scenario), names)
	}
	if works := scenarioNamed(scenario).Channels; !slices.Contains(works, ch) {
		return "", fmt.Errorf("%w scenario %q: it works on %v", ErrInvalid, scenario, works)
	}
	return codeSuffixes[i].Suffix, nil
}

// NewScenarioCode is NewPayCode with a code whose last digits set off a
// scenario at the payment it is used for, once, like any payment code.
func (s *Sandbox) NewScenarioCode(ctx context.Context, channel, customer, scenario string) (PayCode, error) {
	suffix := ""
	if scenario != "" {
		var err error
		if suffix, err = suffixOf(Channel(channel), scenario); err != nil {
			return PayCode{}, err
		}
	}
	return s.issueCode(ctx, channel, customer, suffix)
}
