package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"time"
)

// Limits of the fault book.
const (
	maxFaults     = 100                 // rules at a time; exhausted ones make room
	maxFaultHold  = 10 * time.Minute    // longest a fault holds a caller back
	maxFaultState = 30 * 24 * time.Hour // longest it holds a state back
	maxFaultSkip  = 1_000_000
	defaultWait   = 12 * time.Second // upstreams.md §8.8 and issue: "slow 12 s"
	defaultSeed   = 1
	maxParamBytes = 200
)

// The calls a fault can be aimed at, in words both wallets share. EndpointAny
// aims at every call.
const (
	EndpointPay         = "pay"
	EndpointPrepay      = "prepay" // WeChat unifiedorder, Alipay precreate and create
	EndpointNotify      = "notify" // a wallet's message to a merchant's notify_url
	EndpointQuery       = "query"
	EndpointReverse     = "reverse" // WeChat reverse, Alipay cancel
	EndpointRefund      = "refund"
	EndpointRefundQuery = "refundquery"
	EndpointClose       = "close"
	EndpointAliCert     = "alipaycert" // Alipay's certificate by its serial number
	EndpointAliAuth     = "alipayauth" // Alipay's tokens of merchants and customers
	EndpointBillFile    = "billfile"   // the download of a bill that was announced
	EndpointBill        = "bill"       // asking for a bill, and WeChat v2's download
	// The calls of APIv3 that move no order.
	EndpointAbnormal     = "abnormal" // apply-abnormal-refund
	EndpointCertificates = "certificates"
	EndpointEcho         = "echo"
	EndpointAny          = "*"
)

// endpointNames lets a fault name a call as its wallet does.
var endpointNames = map[string]string{
	EndpointPay: EndpointPay, "micropay": EndpointPay, "alipay.trade.pay": EndpointPay,
	EndpointPrepay: EndpointPrepay, "unifiedorder": EndpointPrepay, "alipay.trade.precreate": EndpointPrepay, "alipay.trade.create": EndpointPrepay,
	kindWap: EndpointPrepay, kindPage: EndpointPrepay, kindAliApp: EndpointPrepay,
	EndpointNotify: EndpointNotify,
	EndpointQuery:  EndpointQuery, "orderquery": EndpointQuery, "alipay.trade.query": EndpointQuery,
	EndpointReverse: EndpointReverse, "cancel": EndpointReverse, "alipay.trade.cancel": EndpointReverse,
	EndpointRefund: EndpointRefund, "alipay.trade.refund": EndpointRefund,
	EndpointRefundQuery: EndpointRefundQuery, "alipay.trade.fastpay.refund.query": EndpointRefundQuery,
	EndpointOther: EndpointOther, "authcodetoopenid": EndpointOther, "report": EndpointOther,
	EndpointClose: EndpointClose, "closeorder": EndpointClose, "alipay.trade.close": EndpointClose,
	EndpointAliAuth: EndpointAliAuth, methodAppToken: EndpointAliAuth, methodAppTokenQuery: EndpointAliAuth, methodLoginToken: EndpointAliAuth,
	EndpointAliCert: EndpointAliCert, "alipay.open.app.alipaycert.download": EndpointAliCert,
	EndpointBillFile: EndpointBillFile, "billdownload": EndpointBillFile,
	EndpointBill: EndpointBill, "downloadbill": EndpointBill, "tradebill": EndpointBill, "alipay.data.dataservice.bill.downloadurl.query": EndpointBill,
	EndpointAbnormal: EndpointAbnormal, EndpointCertificates: EndpointCertificates, EndpointEcho: EndpointEcho,
	"codepay": EndpointPay, "native": EndpointPrepay, "jsapi": EndpointPrepay, "app": EndpointPrepay, "h5": EndpointPrepay,
	EndpointAny: EndpointAny,
}

// Fault is a rule of mischief: which scenario befalls which calls, how often.
type Fault struct {
	// ID is given by the sandbox.
	ID int64 `json:"id,omitempty"`
	// Scenario is a name from Scenarios.
	Scenario string `json:"scenario"`
	// Channel limits the rule to one wallet; empty means both.
	Channel Channel `json:"channel,omitempty"`
	// Endpoint limits the rule to one call, "*" to none; empty means the
	// scenario's own.
	Endpoint string `json:"endpoint,omitempty"`
	// Count is how many times the rule applies before it is exhausted; 0 is
	// without end.
	Count int64 `json:"count,omitempty"`
	// Rate is the probability that the rule applies to a call it matches; 0
	// means always. The n-th call that matches draws the n-th number of
	// math/rand/v2's PCG seeded with (Seed, 0), so the number of hits among n
	// calls depends on the seed alone, and the calls they fall on only on the
	// order of arrival. The generator's state survives a restart.
	Rate float64 `json:"rate,omitempty"`
	// Seed seeds Rate's generator; absent means 1.
	Seed *uint64 `json:"seed,omitempty"`
	// Params refine the scenario; each scenario lists the ones it takes.
	Params Params `json:"params,omitzero"`
	// Seen and Fired count the calls that matched and those it applied to.
	Seen  int64 `json:"seen,omitempty"`
	Fired int64 `json:"fired,omitempty"`
}

// faultRule is a Fault at work: with the scenario looked up and the generator
// at the place its draws have brought it to.
type faultRule struct {
	Fault
	scenario *Scenario
	pcg      *rand.PCG
	second   int64 // of the calls that Params.QPS lets through
	passed   int64 // how many were
}

// over reports whether a call is beyond what Params.QPS lets through in this
// second of the sandbox's clock; without one every call is.
func (r *faultRule) over(now time.Time) bool {
	if r.Params.QPS == 0 {
		return true
	}
	if now.Unix() != r.second {
		r.second, r.passed = now.Unix(), 0
	}
	r.passed++
	return r.passed > r.Params.QPS
}

// faultBook holds the rules in memory. It is written only inside a
// transaction, and mu lets calls without rules pass without one.
type faultBook struct {
	mu    sync.Mutex
	rules []*faultRule
}

// snapshot copies the list, so that a reader does not meet a writer.
func (b *faultBook) snapshot() []*faultRule {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.rules)
}

// replace puts a new list in place.
func (b *faultBook) replace(rules []*faultRule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = rules
}

// load reads the rules of an earlier start.
func (b *faultBook) load(ctx context.Context, tx *txn) error {
	var rules []*faultRule
	err := tx.each(ctx, "SELECT seq, spec, seen, fired, rng FROM faults ORDER BY seq", nil, func(rows *sql.Rows) error {
		var spec string
		var state []byte
		var seq, seen, fired int64
		if err := rows.Scan(&seq, &spec, &seen, &fired, &state); err != nil {
			return err
		}
		r := &faultRule{pcg: rand.NewPCG(0, 0)}
		if err := json.Unmarshal([]byte(spec), &r.Fault); err != nil {
			return fmt.Errorf("read fault: %w", err)
		}
		if err := r.pcg.UnmarshalBinary(state); err != nil {
			return fmt.Errorf("read fault: %w", err)
		}
		if r.scenario = scenarioNamed(r.Scenario); r.scenario == nil {
			return fmt.Errorf("fault %d uses the unknown scenario %q; install the cloudpay that made it", seq, r.Scenario)
		}
		r.ID, r.Seen, r.Fired = seq, seen, fired
		rules = append(rules, r)
		return nil
	})
	b.replace(rules)
	return err
}

// check finds what is wrong with a rule and puts its names in normal form. A
// rule that could never apply, or asks for what its scenario does not do, is a
// mistake in a test and is refused rather than ignored.
func (f *Fault) check() (*Scenario, error) {
	sc := scenarioNamed(f.Scenario)
	if sc == nil {
		return nil, fmt.Errorf("%w scenario %q: GET /sandbox/v1/scenarios lists them", ErrInvalid, f.Scenario)
	}
	if f.Channel != "" && !slices.Contains(sc.Channels, f.Channel) {
		return nil, fmt.Errorf("%w channel %q: %s works on %v", ErrInvalid, f.Channel, f.Scenario, sc.Channels)
	}
	if f.Endpoint == "" {
		f.Endpoint = sc.Endpoint
	}
	endpoint, known := endpointNames[f.Endpoint]
	if !known {
		return nil, fmt.Errorf("%w endpoint %q", ErrInvalid, f.Endpoint)
	}
	f.Endpoint = endpoint
	for _, name := range f.Params.given() {
		if !slices.Contains(sc.Params, name) {
			return nil, fmt.Errorf("%w params.%s: %s takes %v", ErrInvalid, name, f.Scenario, sc.Params)
		}
	}
	if f.Count == 0 {
		f.Count = f.Params.N
	}
	if f.Rate == 0 {
		f.Rate = f.Params.Percent / 100
	}
	if err := f.checkNumbers(sc); err != nil {
		return nil, err
	}
	if len(sc.needs) > 0 && !slices.ContainsFunc(f.Params.given(), func(n string) bool { return slices.Contains(sc.needs, n) }) {
		return nil, fmt.Errorf("%w params: %s needs one of %v", ErrInvalid, f.Scenario, sc.needs)
	}
	f.ID, f.Seen, f.Fired = 0, 0, 0
	return sc, nil
}

// checkNumbers bounds what is counted, drawn or waited for. The comparisons are
// written so that NaN fails them.
func (f *Fault) checkNumbers(sc *Scenario) error {
	p, longest := f.Params, maxFaultState
	if sc.holds {
		longest = maxFaultHold
	}
	if f.Count < 0 || p.N < 0 {
		return fmt.Errorf("%w count: it must not be negative", ErrInvalid)
	}
	if !(f.Rate >= 0 && f.Rate <= 1) {
		return fmt.Errorf("%w rate: use 0 to 1", ErrInvalid)
	}
	if p.Seconds != nil && !(*p.Seconds >= 0 && *p.Seconds <= longest.Seconds()) {
		return fmt.Errorf("%w params.seconds: use 0 to %d", ErrInvalid, int(longest.Seconds()))
	}
	if p.QPS < 0 || p.QPS > maxFaultSkip {
		return fmt.Errorf("%w params.qps: use 1 to %d", ErrInvalid, maxFaultSkip)
	}
	if p.Skip < 0 || p.Skip > maxFaultSkip {
		return fmt.Errorf("%w params.skip: use 0 to %d", ErrInvalid, maxFaultSkip)
	}
	if p.AmountFen < 0 || p.AmountFen > maxTotal || p.Coupons < 0 || p.Coupons > maxCoupons {
		return fmt.Errorf("%w params: use amount_fen 0 to %d and coupons 0 to %d", ErrInvalid, maxTotal, maxCoupons)
	}
	if p.Status != 0 && (p.Status < 200 || p.Status > 599) {
		return fmt.Errorf("%w params.status: use 200 to 599", ErrInvalid)
	}
	if p.Kind != "" && p.Kind != "CASH" && p.Kind != "NO_CASH" {
		return fmt.Errorf("%w params.kind: use CASH or NO_CASH", ErrInvalid)
	}
	if _, err := path.Match(p.OutTradeNo, ""); err != nil {
		return fmt.Errorf("%w params.out_trade_no: it is not a pattern", ErrInvalid)
	}
	for _, text := range []string{p.Code, p.SubCode, p.ReturnCode, p.Message, p.Key, p.State, p.Field, p.Value, p.OutTradeNo, p.Merchant} {
		if len(text) > maxParamBytes {
			return fmt.Errorf("%w params: a text is longer than %d bytes", ErrInvalid, maxParamBytes)
		}
	}
	return nil
}

// AddFault puts a rule to work and returns when it is on disk. Several rules
// may apply to one call; they are taken in the order they were added.
func (s *Sandbox) AddFault(f Fault) error {
	_, err := s.addFault(context.Background(), f)
	return err
}

// addFault is AddFault under the caller's context, returning the rule as it
// stands.
func (s *Sandbox) addFault(ctx context.Context, f Fault) (Fault, error) {
	if _, err := f.check(); err != nil {
		return f, err
	}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		rules := slices.DeleteFunc(s.faults.snapshot(), (*faultRule).exhausted)
		rule, err := tx.insertFault(ctx, f, len(rules))
		if err != nil {
			return err
		}
		f.ID = rule.ID
		s.faults.replace(append(rules, rule))
		return nil
	})
	if err != nil {
		return f, fmt.Errorf("add fault: %w", err)
	}
	return f, nil
}

// insertFault checks a rule and writes it down beside the others at work.
func (t *txn) insertFault(ctx context.Context, f Fault, others int) (*faultRule, error) {
	sc, err := f.check()
	if err != nil {
		return nil, err
	}
	if others >= maxFaults {
		return nil, fmt.Errorf("%w: %d faults are at work; DELETE /sandbox/v1/faults first", ErrConflict, maxFaults)
	}
	seed := uint64(defaultSeed)
	if f.Seed != nil {
		seed = *f.Seed
	}
	if f.ID, err = t.next(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM faults"); err != nil {
		return nil, err
	}
	rule := &faultRule{Fault: f, scenario: sc, pcg: rand.NewPCG(seed, 0)}
	spec, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	state, err := rule.pcg.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return rule, t.exec(ctx, "INSERT INTO faults (seq, spec, seen, fired, rng) VALUES (?,?,0,0,?)", f.ID, string(spec), state)
}

// Faults lists the rules, exhausted ones included until they make room.
func (s *Sandbox) Faults(ctx context.Context) ([]Fault, error) {
	list := []Fault{}
	err := s.run(ctx, func(context.Context, *txn) error {
		for _, r := range s.faults.snapshot() {
			list = append(list, r.Fault)
		}
		return nil
	})
	return list, err
}

// ClearFaults takes every rule away. Flags they left on trades stay, and so do
// the counts.
func (s *Sandbox) ClearFaults() error { return s.clearFaults(context.Background()) }

// clearFaults is ClearFaults under the caller's context.
func (s *Sandbox) clearFaults(ctx context.Context) error {
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		s.faults.replace(nil)
		return tx.exec(ctx, "DELETE FROM faults")
	})
	if err != nil {
		return fmt.Errorf("clear faults: %w", err)
	}
	return nil
}

// call is what a rule is matched against.
type call struct {
	channel    Channel
	endpoint   string
	merchant   string
	outTradeNo string
	amount     Fen    // 0 when the call has none
	header     string // Wechatpay-Negative-Test
	code       string // the payment code, whose end may set off a scenario
	lab        bool   // it came to WeChat's old or current test environment
}

// exhausted reports whether the rule has applied as often as it may.
func (r *faultRule) exhausted() bool { return r.Count > 0 && r.Fired >= r.Count }

// matches reports whether a call is one the rule is aimed at. It says nothing
// about the dice: draw does.
func (r *faultRule) matches(c call) bool {
	if r.exhausted() || r.Channel != "" && r.Channel != c.channel || !slices.Contains(r.scenario.Channels, c.channel) {
		return false
	}
	if r.Endpoint != EndpointAny && r.Endpoint != c.endpoint || r.Params.Merchant != "" && r.Params.Merchant != c.merchant {
		return false
	}
	hit := true
	if r.Params.OutTradeNo != "" && c.endpoint != EndpointBill { // there it names a row
		hit, _ = path.Match(r.Params.OutTradeNo, c.outTradeNo) // the pattern was checked when it was added
	}
	return hit
}

// draw decides whether the rule applies to a call it matches. Calls let pass by
// skip draw no number, so that the sequence begins where the rule does.
func (r *faultRule) draw() bool {
	r.Seen++
	if r.Seen <= r.Params.Skip {
		return false
	}
	if r.Rate > 0 && rand.New(r.pcg).Float64() >= r.Rate { //nolint:gosec // faults must repeat from a seed
		return false
	}
	r.Fired++
	return true
}

// takeFaults collects what befalls an authentic call and commits the counts
// before anything happens, so that they hold even if the process dies in the
// middle of the mischief.
func (s *Sandbox) takeFaults(ctx context.Context, c call) (*effect, error) {
	eff := &effect{log: exchangeOf(ctx), call: c}
	signals := s.signals(c)
	var names []string
	defer func() { eff.log.aimed(c, names) }()
	if len(signals) == 0 && len(s.faults.snapshot()) == 0 {
		return eff, nil
	}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		for _, sig := range signals {
			sig.apply(eff)
			names = append(names, sig.name)
			if err := tx.countFault(ctx, sig.name); err != nil {
				return err
			}
		}
		for _, r := range s.faults.snapshot() {
			if eff.drop { // nothing can befall a call that never arrives
				break
			}
			if r.scenario.apply == nil || !r.matches(c) || !r.over(tx.now) {
				continue
			}
			fired, err := tx.draw(ctx, r)
			if err != nil {
				return err
			}
			if fired {
				r.scenario.apply(eff, c.channel, r.Params)
				names = append(names, r.Scenario)
			}
		}
		return nil
	})
	return eff, err
}

// draw draws for one rule and writes down how that left it.
func (t *txn) draw(ctx context.Context, r *faultRule) (bool, error) {
	fired := r.draw()
	state, err := r.pcg.MarshalBinary()
	if err != nil {
		return false, err
	}
	if err := t.exec(ctx, "UPDATE faults SET seen = ?, fired = ?, rng = ? WHERE seq = ?", r.Seen, r.Fired, state, r.ID); err != nil {
		return false, err
	}
	if !fired {
		return false, nil
	}
	return true, t.countFault(ctx, r.Scenario)
}

// countFault counts one application of a scenario, for Totals. The count
// outlives the rule.
func (t *txn) countFault(ctx context.Context, scenario string) error {
	return t.exec(ctx, "INSERT INTO fault_counts (scenario, fired) VALUES (?, 1) "+
		"ON CONFLICT (scenario) DO UPDATE SET fired = fired + 1", scenario)
}
