package sandbox

import (
	"slices"
	"strings"
)

// signal is a fault asked for by the call itself, by header or by amount.
type signal struct {
	name  string
	apply func(*effect)
}

// negativeTests are the cases of the official header Wechatpay-Negative-Test
// that are played (upstreams.md §2.8).
var negativeTests = map[string]func(*effect){
	"MICROPAY_USERPAYING":     func(e *effect) { e.password = true },
	"MICROPAY_SYSTEMERROR":    refusing("SYSTEMERROR"),
	"MICROPAY_NOTENOUGH":      refusing("NOTENOUGH"),
	"MICROPAY_AUTHCODEEXPIRE": refusing("AUTHCODEEXPIRE"),
	"MICROPAY_BANKERROR":      refusing("BANKERROR"),
	"MICROPAY_ORDERPAID":      refusing("ORDERPAID"),
	"MICROPAY_ORDERCLOSED":    refusing("ORDERCLOSED"),
	"MICROPAY_ORDERREVERSED":  refusing("ORDERREVERSED"),
}

// refusing makes a case that answers a code and carries nothing out.
func refusing(code string) func(*effect) {
	return func(e *effect) { e.skip, e.forced = true, &forcedAnswer{code: code} }
}

// ClassicAmount is an amount that sets off a scenario under Config.Classic.
type ClassicAmount struct {
	Amount   Fen    `json:"amount_fen"`
	Scenario string `json:"scenario"`
}

// classicAmounts is the list, smallest first.
var classicAmounts = []ClassicAmount{
	{9_01, "drop_after"},
	{9_02, "drop_before"},
	{9_03, "syserr"},
	{9_04, "slow"},
	{9_05, "duplicate"},
	{9_06, "bad_sign"},
	{9_07, "truncated_body"},
	{9_08, "force_password"},
}

// ClassicAmounts lists the amounts that set off a scenario at every payment
// under Config.Classic, smallest first.
func ClassicAmounts() []ClassicAmount { return slices.Clone(classicAmounts) }

// signals collects what a call asks for itself. Without Config.Classic an
// amount is only an amount.
func (s *Sandbox) signals(c call) []signal {
	var list []signal
	if c.channel == WeChat && c.endpoint == EndpointPay {
		if apply := negativeTests[strings.TrimSpace(c.header)]; apply != nil {
			list = append(list, signal{name: "negative_test", apply: apply})
		}
	}
	if sc := scenarioOfCode(c.code); sc != nil && c.endpoint == EndpointPay && slices.Contains(sc.Channels, c.channel) {
		list = append(list, signal{name: sc.Name, apply: func(e *effect) { sc.apply(e, c.channel, Params{}) }})
	}
	if c.lab && c.endpoint == EndpointPay && slices.Contains(labCoupons, c.amount) {
		list = append(list, signal{name: "coupon", apply: func(e *effect) { scenarioNamed("coupon").apply(e, c.channel, Params{}) }})
	}
	if !s.c.Classic || c.endpoint != EndpointPay {
		return list
	}
	for _, special := range classicAmounts {
		if special.Amount == c.amount {
			sc := scenarioNamed(special.Scenario)
			list = append(list, signal{name: sc.Name, apply: func(e *effect) { sc.apply(e, c.channel, Params{}) }})
		}
	}
	return list
}
