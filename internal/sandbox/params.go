package sandbox

import "time"

// Params refine a scenario. A scenario refuses those it does not take;
// OutTradeNo, Merchant and Skip aim any of them.
type Params struct {
	Seconds    *float64 `json:"seconds,omitempty"`     // a wait
	Committed  *bool    `json:"committed,omitempty"`   // whether the call was carried out all the same
	N          int64    `json:"n,omitempty"`           // another spelling of Count
	Code       string   `json:"code,omitempty"`        // an err_code, sub_code or Alipay top-level code
	SubCode    string   `json:"sub_code,omitempty"`    // beside an Alipay top-level code
	ReturnCode string   `json:"return_code,omitempty"` // WeChat's outer code
	Message    string   `json:"message,omitempty"`     // the text beside a code
	Key        string   `json:"key,omitempty"`         // Alipay: the answer's key, e.g. error_response
	State      string   `json:"state,omitempty"`       // a state a query answers
	Field      string   `json:"field,omitempty"`       // the element tamper alters
	Value      string   `json:"value,omitempty"`       // what it becomes
	AmountFen  Fen      `json:"amount_fen,omitempty"`  // coupon: what all of them pay
	Coupons    int64    `json:"coupons,omitempty"`     // coupon: how many
	Kind       string   `json:"kind,omitempty"`        // coupon: CASH or NO_CASH
	Required   *bool    `json:"required,omitempty"`    // require_mtls
	Page       *bool    `json:"page,omitempty"`        // require_mtls: an HTML page instead of a cut
	Status     int64    `json:"status,omitempty"`      // APIv3: the HTTP status beside a code
	Percent    float64  `json:"percent,omitempty"`     // pubkey_migration: another spelling of Rate
	QPS        int64    `json:"qps,omitempty"`         // rate_limit: calls let through per second
	OutTradeNo string   `json:"out_trade_no,omitempty"`
	Merchant   string   `json:"merchant,omitempty"`
	Skip       int64    `json:"skip,omitempty"` // matching calls to let pass first
}

// given lists the scenario-specific parameters that were set.
func (p Params) given() []string {
	var names []string
	for _, m := range []struct {
		name string
		set  bool
	}{
		{"seconds", p.Seconds != nil},
		{"committed", p.Committed != nil},
		{"n", p.N != 0},
		{"code", p.Code != ""},
		{"sub_code", p.SubCode != ""},
		{"return_code", p.ReturnCode != ""},
		{"message", p.Message != ""},
		{"key", p.Key != ""},
		{"state", p.State != ""},
		{"field", p.Field != ""},
		{"value", p.Value != ""},
		{"amount_fen", p.AmountFen != 0},
		{"coupons", p.Coupons != 0},
		{"kind", p.Kind != ""},
		{"required", p.Required != nil},
		{"page", p.Page != nil},
		{"qps", p.QPS != 0},
		{"status", p.Status != 0},
		{"percent", p.Percent != 0},
	} {
		if m.set {
			names = append(names, m.name)
		}
	}
	return names
}

// wait is the parameter seconds, or the scenario's default.
func (p Params) wait(fallback time.Duration) time.Duration {
	if p.Seconds == nil {
		return fallback
	}
	return time.Duration(*p.Seconds * float64(time.Second))
}

// isCommitted says whether the call is carried out; the default is the nastier yes.
func (p Params) isCommitted() bool { return p.Committed == nil || *p.Committed }
