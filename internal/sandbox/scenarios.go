package sandbox

import (
	"slices"
	"time"
)

// Scenario is one way the wallets can misbehave, or be made to answer, on
// demand (upstreams.md §8.7).
type Scenario struct {
	Name string `json:"name"`
	// Effect says in a sentence what happens.
	Effect   string    `json:"effect"`
	Channels []Channel `json:"channels"`
	// Endpoint is the call it befalls when the fault names none.
	Endpoint string `json:"endpoint"`
	// Params are the scenario's own parameters; out_trade_no, merchant and
	// skip work with every scenario.
	Params []string `json:"params"`

	holds bool     // it makes the caller wait
	needs []string // at least one of these must be given
	apply func(*effect, Channel, Params)
}

// scenarioMTLS is looked up by name because it is decided before a call is
// authentic, when no other rule is asked.
const scenarioMTLS = "require_mtls"

// effect is what befalls one call: the sum of the rules that applied to it.
type effect struct {
	log  *exchange // where the call is written down, nil if nowhere
	call call      // what all of this befalls

	drop     bool          // cut before it is carried out
	hang     time.Duration // held back before it is carried out
	skip     bool          // not carried out
	forced   *forcedAnswer // answered instead of the truth
	state    string        // the state a query tells
	used     bool          // not carried out, and the number is an earlier order's
	bare     bool          // a query does not tell that an undone trade was paid
	password bool          // the phone asks for the password

	lag      time.Duration // marks left on the trade, see trade
	lie      bool
	rollback *time.Duration

	noEffect          bool // reverse: done in words only
	refuseWhilePaying bool
	fate              refundState // what becomes of a refund
	fateIn            time.Duration
	tokenRevoked      bool

	noise    noise // how the answer travels
	badSign  bool
	unsigned bool
	cert     certFault // Alipay, certificate mode: what the answer is signed under
	// plain leaves slashes of Alipay's answers unescaped, escapedSign escapes
	// those of the signature too.
	plain, escapedSign bool
	tampered           *tampering
	delay              time.Duration
	lose               bool

	bill        billFault     // what is wrong with a bill
	skew        time.Duration // of the time that is signed
	wrongSerial bool          // Wechatpay-Serial is nobody's
	rotate      *rotation     // the platform certificate is replaced first
	publicKey   bool          // signed with the public key
	noCerts     bool          // the list of certificates is empty
	foreignKey  bool          // a notice is signed with another's key
	signTest    bool          // a probe comes before the notice
	noResource  bool          // a notice without its content
	badNonce    bool          // a notice with a nonce of five bytes

	gift        *gift         // coupons the customer has
	hold        string        // the state a notice is held back in, "" for none
	holdFor     time.Duration // and for how long at the most
	early       bool          // the notice comes before the answer
	twice       bool          // a notice is sent in two copies
	wrongAmount bool          // a notice tells another amount, under a good signature
	stranger    bool          // a notice names another merchant, under a good signature
}

// forcedAnswer replaces the business part of an answer.
type forcedAnswer struct {
	returnCode, code, subCode, message, key string
	recall, retry                           bool

	status   int  // of APIv3; 0 is the code's own
	verbatim bool // the code's spelling is the caller's
}

// tampering alters a field of an answer after it was signed.
type tampering struct{ field, value string }

// noise is a body that is not an answer.
type noise int

// The kinds of noise.
const (
	noiseNone noise = iota
	noiseHTTP502
	noiseEmpty
	noiseTruncated
	noiseGarbled
)

// mark leaves on a trade what later calls will meet.
func (e *effect) mark(t *trade, now time.Time) {
	if e.lag > 0 {
		t.lagMS = e.lag.Milliseconds()
	}
	if e.lie {
		t.lie = true
	}
	if e.rollback != nil {
		t.rollbackMS = now.Add(*e.rollback).UnixMilli()
	}
	if e.gift != nil {
		t.memo.Coupons = e.gift.coupons(t.total)
	}
}

// prepare leaves on an order without a trade what its trade will begin with.
func (e *effect) prepare(p *payment) {
	if e.gift != nil {
		p.memo.Coupons = e.gift.coupons(p.total)
	}
}

// decide settles what will become of a refund.
func (e *effect) decide(r *refund, now time.Time) {
	switch e.fate {
	case refundProcessing: // stuck, for a while or for ever
		r.dueMS = 0
		if e.fateIn > 0 {
			r.dueMS = now.Add(e.fateIn).UnixMilli()
		}
	case refundAbnormal, refundClosed:
		r.fate = e.fate
	case refundSuccess, "":
	}
}

// The channels a scenario can work on.
var (
	both    = []Channel{WeChat, Alipay}
	onlyWx  = []Channel{WeChat}
	onlyAli = []Channel{Alipay}
)

// Scenarios lists everything a Fault can name, for documents and help.
func Scenarios() []Scenario { return slices.Clone(scenarioTable) }

// scenarioNamed finds a scenario, or nil.
func scenarioNamed(name string) *Scenario {
	i := slices.IndexFunc(scenarioTable, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &scenarioTable[i]
}

// scenarioTable is the list, in the order of a call's life; what only befalls
// bills and the keys of APIv3 comes last.
var scenarioTable = slices.Concat(commonScenarios, noticeScenarios, billScenarios, v3Scenarios)

// commonScenarios are those of payments and of what travels.
var commonScenarios = []Scenario{
	{
		Name: "drop_before", Effect: "the connection is cut before the call is carried out", Channels: both, Endpoint: EndpointPay,
		apply: func(e *effect, _ Channel, _ Params) { e.drop = true },
	},
	{
		Name: "timeout", Effect: "the call is held back (12 s), then carried out, even if the caller has gone", Channels: both,
		Endpoint: EndpointPay, Params: []string{"seconds"}, holds: true,
		apply: func(e *effect, _ Channel, p Params) { e.hang = p.wait(defaultWait) },
	},
	{
		Name: scenarioMTLS, Effect: "a client certificate is not demanded (required false), or its lack gets an HTML page (page true)",
		Channels: onlyWx, Endpoint: EndpointAny, Params: []string{"required", "page"},
	},
	{
		Name: "auth_token_revoke", Effect: "the merchant has withdrawn app_auth_token: 20001", Channels: onlyAli, Endpoint: EndpointAny,
		apply: func(e *effect, _ Channel, _ Params) { e.tokenRevoked = true },
	},
	{
		Name: "rate_limit", Effect: "refused for too many calls (more than qps a second): INVALID_REQ_TOO_MUCH, 40005", Channels: both,
		Endpoint: EndpointPay, Params: []string{"qps"},
		apply: func(e *effect, ch Channel, _ Params) {
			e.skip = true
			e.forced = pick(ch, forcedAnswer{code: "INVALID_REQ_TOO_MUCH"}, forcedAnswer{code: "40005", subCode: "isv.app-call-limited"})
		},
	},
	{
		Name: "force_password", Effect: "the phone asks for the password whatever the amount", Channels: both, Endpoint: EndpointPay,
		apply: func(e *effect, _ Channel, _ Params) { e.password = true },
	},
	{
		Name: "no_money", Effect: "refused: NOTENOUGH or ACQ.BUYER_BALANCE_NOT_ENOUGH", Channels: both, Endpoint: EndpointPay,
		apply: refusal("NOTENOUGH", "ACQ.BUYER_BALANCE_NOT_ENOUGH", "余额不足"),
	},
	{
		Name: "code_expired", Effect: "refused: AUTHCODEEXPIRE or ACQ.PAYMENT_AUTH_CODE_INVALID", Channels: both, Endpoint: EndpointPay,
		apply: refusal("AUTHCODEEXPIRE", "ACQ.PAYMENT_AUTH_CODE_INVALID", "付款码已过期，请刷新后再扫"),
	},
	systemError("syserr", EndpointPay, nil, "committed", "code"),
	systemError("syserr_committed", EndpointPay, new(true), "code"),
	systemError("syserr_uncommitted", EndpointPay, new(false), "code"),
	{
		Name: "bankerr", Effect: "BANKERROR, carried out or not (committed)", Channels: onlyWx, Endpoint: EndpointPay,
		Params: []string{"committed"},
		apply: func(e *effect, _ Channel, p Params) {
			e.skip, e.forced = !p.isCommitted(), &forcedAnswer{code: "BANKERROR"}
		},
	},
	{
		Name: "duplicate", Channels: both,
		Effect:   "ORDERPAID or ACQ.TRADE_HAS_SUCCESS, carried out; committed false: not, and the number is that of an earlier order, now closed",
		Endpoint: EndpointPay, Params: []string{"committed"},
		apply: func(e *effect, ch Channel, p Params) {
			e.skip, e.used = !p.isCommitted(), !p.isCommitted()
			e.forced = pick(ch, forcedAnswer{code: "ORDERPAID"}, forcedAnswer{code: "40004", subCode: "ACQ.TRADE_HAS_SUCCESS"})
		},
	},
	{
		Name: "answer_code", Effect: "a given code is answered; not carried out unless committed is true", Channels: both,
		Endpoint: EndpointPay, Params: []string{"code", "sub_code", "return_code", "message", "key", "status", "committed"},
		needs: []string{"code", "return_code"}, apply: applyAnswerCode,
	},
	{
		Name: "answer_state", Effect: "a query answers a given state instead of the true one", Channels: both,
		Endpoint: EndpointQuery, Params: []string{"state"}, needs: []string{"state"},
		apply: func(e *effect, _ Channel, p Params) { e.state = p.State },
	},
	{
		Name: "undone_bare", Effect: "a query of an undone payment answers its state, and not that it had been paid", Channels: onlyWx,
		Endpoint: EndpointQuery,
		apply:    func(e *effect, _ Channel, _ Params) { e.bare = true },
	},
	{
		Name: "slow_state", Effect: "for a while (12 s) after payment, queries say USERPAYING or ACQ.TRADE_NOT_EXIST", Channels: both,
		Endpoint: EndpointPay, Params: []string{"seconds"},
		apply: func(e *effect, _ Channel, p Params) { e.lag = p.wait(defaultWait) },
	},
	{
		Name: "payerror_but_charged", Effect: "charged, but pay answers USERPAYING and queries answer PAYERROR until it is reversed",
		Channels: onlyWx, Endpoint: EndpointPay,
		apply: func(e *effect, _ Channel, _ Params) { e.lie = true },
	},
	{
		Name: "pay_then_rollback", Effect: "10000, then (seconds later, at once by default) the money goes back and the trade is TRADE_CLOSED",
		Channels: onlyAli, Endpoint: EndpointPay, Params: []string{"seconds"},
		apply: func(e *effect, _ Channel, p Params) { e.rollback = new(p.wait(0)) },
	},
	{
		Name: "coupon", Effect: "coupons (1) pay amount_fen (a tenth) of the order; kind CASH is the wallet's money, NO_CASH the merchant's",
		Channels: both, Endpoint: EndpointPay, Params: []string{"amount_fen", "coupons", "kind"},
		apply: func(e *effect, _ Channel, p Params) {
			e.gift = &gift{amount: p.AmountFen, count: p.Coupons, cash: p.Kind != "NO_CASH"}
		},
	},
	{
		Name: "notify_dup", Effect: "the notice comes twice", Channels: both, Endpoint: EndpointNotify,
		apply: func(e *effect, _ Channel, _ Params) { e.twice = true },
	},
	{
		Name: "notify_wrong_amount", Effect: "the notice tells one fen more, under a good signature", Channels: both, Endpoint: EndpointNotify,
		apply: func(e *effect, _ Channel, _ Params) { e.wrongAmount = true },
	},
	{
		Name: "notify_wrong_merchant", Effect: "the notice names another merchant, under a good signature", Channels: both, Endpoint: EndpointNotify,
		apply: func(e *effect, _ Channel, _ Params) { e.stranger = true },
	},
	{
		Name: "reverse_recall", Effect: "recall=Y, nothing done (n times)", Channels: onlyWx, Endpoint: EndpointReverse,
		Params: []string{"n"},
		apply:  func(e *effect, _ Channel, _ Params) { e.skip, e.forced = true, &forcedAnswer{recall: true} },
	},
	{
		Name: "cancel_retry", Effect: "retry_flag=Y, nothing done (n times)", Channels: onlyAli, Endpoint: EndpointReverse,
		Params: []string{"n"},
		apply:  func(e *effect, _ Channel, _ Params) { e.skip, e.forced = true, &forcedAnswer{retry: true} },
	},
	{
		Name: "reverse_userpaying", Effect: "refused with USERPAYING while the password dialogue is open", Channels: onlyWx,
		Endpoint: EndpointReverse,
		apply:    func(e *effect, _ Channel, _ Params) { e.refuseWhilePaying = true },
	},
	{
		Name: "reverse_no_effect", Effect: "says it is done and does nothing", Channels: both, Endpoint: EndpointReverse,
		apply: func(e *effect, _ Channel, _ Params) { e.noEffect = true },
	},
	{
		Name: "refund_stuck", Effect: "accepted, and stays in progress (for seconds, or for ever)", Channels: both,
		Endpoint: EndpointRefund, Params: []string{"seconds"},
		apply: func(e *effect, _ Channel, p Params) { e.fate, e.fateIn = refundProcessing, p.wait(0) },
	},
	{
		Name: "refund_abnormal", Effect: "accepted, then CHANGE: the customer's bank sent it back", Channels: onlyWx, Endpoint: EndpointRefund,
		apply: func(e *effect, _ Channel, _ Params) { e.fate = refundAbnormal },
	},
	{
		Name: "refund_closed", Effect: "accepted, then REFUNDCLOSE: the money stayed with the merchant", Channels: onlyWx, Endpoint: EndpointRefund,
		apply: func(e *effect, _ Channel, _ Params) { e.fate = refundClosed },
	},
	systemError("refund_syserr", EndpointRefund, nil, "committed", "code"),
	transport("http502_html", "carried out, but a balancer answers 502 with an HTML page", func(e *effect) { e.noise = noiseHTTP502 }),
	transport("empty_body", "carried out, but the answer is empty", func(e *effect) { e.noise = noiseEmpty }),
	transport("truncated_body", "carried out, but the connection is reset in the middle of the answer", func(e *effect) { e.noise = noiseTruncated }),
	transport("bad_json", "carried out, but the answer is garbled: not JSON, not XML", func(e *effect) { e.noise = noiseGarbled }),
	transport("bad_sign", "carried out, but the answer's signature is wrong", func(e *effect) { e.badSign = true }),
	transport("unsigned_2xx", "carried out, but the answer has no signature", func(e *effect) { e.unsigned = true }),
	certScenario("cert_unknown", "names a certificate that cannot be downloaded", certUnknown),
	certScenario("cert_forged", "is signed under a certificate that does not lead to the root, and can be downloaded", certForged),
	certScenario("cert_expired", "is signed under a certificate whose time is over", certExpired),
	{
		Name: "plain_slashes", Effect: `carried out; slashes in the answer are not escaped as \/`, Channels: onlyAli, Endpoint: EndpointAny,
		apply: func(e *effect, _ Channel, _ Params) { e.plain = true },
	},
	{
		Name: "escaped_sign", Effect: `carried out; slashes in the answer's sign are escaped as \/ too`, Channels: onlyAli, Endpoint: EndpointAny,
		apply: func(e *effect, _ Channel, _ Params) { e.escapedSign = true },
	},
	{
		Name: "tamper", Effect: "a field of the answer (the amount) is altered after it was signed", Channels: both, Endpoint: EndpointPay,
		Params: []string{"field", "value"},
		apply:  func(e *effect, _ Channel, p Params) { e.tampered = &tampering{field: p.Field, value: p.Value} },
	},
	slowAnswer("delay_after"),
	slowAnswer("slow"),
	{
		Name: "drop_after", Effect: "carried out, then the connection is cut without an answer", Channels: both, Endpoint: EndpointPay,
		apply: func(e *effect, _ Channel, _ Params) { e.lose = true },
	},
}

// pick chooses the answer in the words of the wallet that is asked.
func pick(ch Channel, wx, ali forcedAnswer) *forcedAnswer {
	if ch == WeChat {
		return &wx
	}
	return &ali
}

// refusal makes a scenario that refuses a call with the wallet's own code.
func refusal(wx, ali, text string) func(*effect, Channel, Params) {
	return func(e *effect, ch Channel, _ Params) {
		e.skip = true
		e.forced = pick(ch, forcedAnswer{code: wx, message: text}, forcedAnswer{code: "40004", subCode: ali, message: text})
	}
}

// systemError makes the scenarios that answer SYSTEMERROR. committed nil
// leaves the choice to the parameter.
func systemError(name, endpoint string, committed *bool, params ...string) Scenario {
	text := "SYSTEMERROR or ACQ.SYSTEM_ERROR (code 20000: isp.unknow-error)"
	switch {
	case committed == nil:
		text += ", carried out or not (committed)"
	case *committed:
		text += ", carried out"
	default:
		text += ", not carried out"
	}
	return Scenario{
		Name: name, Effect: text, Channels: both, Endpoint: endpoint, Params: params,
		apply: func(e *effect, ch Channel, p Params) {
			if committed != nil {
				p.Committed = committed
			}
			e.skip = !p.isCommitted()
			ali := forcedAnswer{code: "40004", subCode: "ACQ.SYSTEM_ERROR"}
			if p.Code == "20000" {
				ali = forcedAnswer{code: "20000", subCode: "isp.unknow-error"}
			}
			e.forced = pick(ch, forcedAnswer{code: "SYSTEMERROR"}, ali)
		},
	}
}

// transport makes the scenarios that spoil an answer on its way.
func transport(name, text string, spoil func(*effect)) Scenario {
	return Scenario{
		Name: name, Effect: text + " (committed false: not carried out)", Channels: both, Endpoint: EndpointPay,
		Params: []string{"committed"},
		apply: func(e *effect, _ Channel, p Params) {
			e.skip = e.skip || !p.isCommitted()
			spoil(e)
		},
	}
}

// certScenario makes the scenarios about Alipay's certificate.
func certScenario(name, text string, fault certFault) Scenario {
	return Scenario{
		Name: name, Effect: "carried out; in certificate mode the answer " + text, Channels: onlyAli, Endpoint: EndpointAny,
		apply: func(e *effect, _ Channel, _ Params) { e.cert = fault },
	}
}

// slowAnswer makes the two names of one scenario: the knob's and the issue's.
func slowAnswer(name string) Scenario {
	return Scenario{
		Name: name, Effect: "carried out, then answered late (12 s)", Channels: both, Endpoint: EndpointPay,
		Params: []string{"seconds"}, holds: true,
		apply: func(e *effect, _ Channel, p Params) { e.delay = p.wait(defaultWait) },
	}
}

// applyAnswerCode reads an all-digit code as Alipay's top-level code and any
// other as a sub_code under 40004, or WeChat's err_code.
func applyAnswerCode(e *effect, ch Channel, p Params) {
	e.skip = p.Committed == nil || !*p.Committed
	f := forcedAnswer{
		returnCode: p.ReturnCode, code: p.Code, subCode: p.SubCode, message: p.Message, key: p.Key, status: int(p.Status), verbatim: true,
	}
	if ch == Alipay && !allDigits(p.Code) {
		f.code, f.subCode = "40004", p.Code
	}
	e.forced = &f
}
