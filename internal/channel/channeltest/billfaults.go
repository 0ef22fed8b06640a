package channeltest

import (
	"crypto/sha1" //nolint:gosec // bills announce SHA-1 (upstreams.md §3.8)
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// noBills asks for days on which nothing happened, and for days that are not
// over.
func (f *billScene) noBills() {
	out := f.b.Bill(f.t.Context(), f.trades(-1))
	if out.Kind != pay.Paid || !out.Empty || len(out.Bill.Lines) != 0 {
		f.t.Errorf("a day without trades = %+v, empty %v", out.Outcome, out.Empty)
	}
	today := channel.BillRequest{Kind: channel.BillTrade, Day: f.bench.Now(), Merchant: f.merchant}
	out = f.b.Bill(f.t.Context(), today)
	if waits := out.Kind == pay.Waiting && !out.Empty; waits != (f.Wallet == sandbox.WeChat) || !waits && !out.Empty {
		f.t.Errorf("a day that is not over = %+v, empty %v", out.Outcome, out.Empty)
	}
	today.Day = today.Day.AddDate(0, 0, 3)
	if out = f.b.Bill(f.t.Context(), today); out.Kind == pay.Paid && !out.Empty || out.Kind == pay.Waiting {
		f.t.Errorf("a day to come = %+v, empty %v", out.Outcome, out.Empty)
	}
}

// codes are the wallets' own words for a bill that is not there
// (vectors/upstream-codes-*.json, the calls of bills).
func (f *billScene) codes() {
	type word struct {
		p     sandbox.Params
		kind  pay.Kind
		empty bool
	}
	words := []word{{sandbox.Params{Code: "40004", SubCode: "isp.BILL_NOT_EXIST"}, pay.Paid, true}, {sandbox.Params{Code: "40004", SubCode: "isp.NO_BILL_DATA"}, pay.Paid, true}}
	switch {
	case f.Wallet == sandbox.WeChat && f.v3():
		words = []word{{sandbox.Params{Code: "NO_STATEMENT_EXIST"}, pay.Paid, true}, {sandbox.Params{Code: "STATEMENT_CREATING"}, pay.Waiting, false}}
	case f.Wallet == sandbox.WeChat:
		words = []word{
			{sandbox.Params{Code: "20002", Message: "No Bill Exist"}, pay.Paid, true},
			{sandbox.Params{Code: "20003", Message: "Bill Creating"}, pay.Waiting, false},
			{sandbox.Params{Code: "20001", Message: "invalid bill_type"}, pay.Declined, false},
		}
	}
	for _, w := range words {
		out := f.with("answer_code", "", func(x *sandbox.Fault) { x.Endpoint, x.Params = sandbox.EndpointBill, w.p })
		if out.Kind != w.kind || out.Empty != w.empty {
			f.t.Errorf("%+v is read as %+v, empty %v; want %s, empty %v", w.p, out.Outcome, out.Empty, w.kind, w.empty)
		}
	}
}

// again reads what was kept of a bill, and checks the announced hash.
func (f *billScene) again() {
	out := f.fetch(f.trades(0))
	bill, err := f.b.ParseBill(out.Raw)
	if err != nil {
		f.t.Fatal(err)
	}
	if diff := cmp.Diff(out.Bill, bill); diff != "" {
		f.t.Errorf("the bill read again (-first +second):\n%s", diff)
	}
	if sum := sha1.Sum(out.Raw); out.Hash != "" && out.Hash != hex.EncodeToString(sum[:]) { //nolint:gosec // see the import
		f.t.Errorf("the announced hash is %s", out.Hash)
	}
}

// with fetches the first day's bill under one fault.
func (f *billScene) with(scenario, outTradeNo string, change func(x *sandbox.Fault)) channel.BillOutcome {
	f.t.Helper()
	defer func() {
		if err := f.bench.box.ClearFaults(); err != nil {
			f.t.Fatal(err)
		}
	}()
	f.fault(scenario, outTradeNo, func(x *sandbox.Fault) {
		x.Count = 0
		if change != nil {
			change(x)
		}
	})
	return f.b.Bill(f.t.Context(), f.trades(0))
}

// discrepancies are bills that are true to themselves and not to what happened:
// the adapter hands them out, and the lines show it.
func (f *billScene) discrepancies() {
	good := f.fetch(f.trades(0)).Bill.Lines
	find := func(lines []channel.BillLine, no string) (channel.BillLine, bool) {
		i := slices.IndexFunc(lines, func(l channel.BillLine) bool { return l.OutTradeNo == no && l.Kind == channel.BillPayment })
		if i < 0 {
			return channel.BillLine{}, false
		}
		return lines[i], true
	}
	no := f.first.OutTradeNo
	was, _ := find(good, no)
	for scenario, shows := range map[string]func(lines []channel.BillLine, l channel.BillLine, there bool) bool{
		"bill_missing_row": func(lines []channel.BillLine, _ channel.BillLine, there bool) bool {
			return !there && len(lines) == len(good)-1
		},
		"bill_extra_row": func(lines []channel.BillLine, _ channel.BillLine, there bool) bool {
			return there && len(lines) == len(good)+1
		},
		"bill_amount_diff": func(_ []channel.BillLine, l channel.BillLine, _ bool) bool {
			return l.Total == was.Total+1 && l.Fee == was.Fee
		},
		"bill_fee_diff": func(_ []channel.BillLine, l channel.BillLine, _ bool) bool {
			return l.Total == was.Total && l.Fee == was.Fee+1
		},
		"bill_state_diff": func(lines []channel.BillLine, _ channel.BillLine, there bool) bool {
			return !there && len(lines) == len(good)
		},
	} {
		out := f.with(scenario, no, nil)
		l, there := find(out.Bill.Lines, no)
		if out.Kind != pay.Paid || out.Empty || !shows(out.Bill.Lines, l, there) {
			f.t.Errorf("%s: %+v, %v: %d lines, %+v", scenario, out.Outcome, out.Err, len(out.Bill.Lines), l)
		}
	}
	out := f.with("bill_cross_midnight", "", nil)
	if _, there := find(out.Bill.Lines, f.late.OutTradeNo); there || len(out.Bill.Lines) != len(good)-1 {
		f.t.Errorf("bill_cross_midnight: %+v, %d lines, the last payment there: %v", out.Outcome, len(out.Bill.Lines), there)
	}
	f.fault("bill_cross_midnight", "", nil)
	out = f.b.Bill(f.t.Context(), f.trades(1))
	if _, there := find(out.Bill.Lines, f.late.OutTradeNo); !there {
		f.t.Errorf("bill_cross_midnight: the last payment is not in the next day's bill: %+v", out.Outcome)
	}
	if out = f.with("bill_gzip", "", f.where(sandbox.WeChat)); f.Wallet == sandbox.WeChat && out.Kind != pay.Paid {
		f.t.Errorf("bill_gzip: %+v, %v", out.Outcome, out.Err)
	}
}

// where turns a fault of one wallet into one that is harmless at the other.
func (f *billScene) where(w sandbox.Channel) func(x *sandbox.Fault) {
	return func(x *sandbox.Fault) {
		if f.Wallet != w {
			x.Scenario = "force_password"
		}
	}
}

// spoilt are bills that come late, not as announced, or not at all.
func (f *billScene) spoilt() {
	late := f.with("bill_late", "", func(x *sandbox.Fault) { x.Params.Seconds = new((72 * time.Hour).Seconds()) })
	if !late.Empty && late.Kind != pay.Waiting {
		f.t.Errorf("bill_late: %+v, empty %v", late.Outcome, late.Empty)
	}
	if f.Wallet == sandbox.Alipay {
		if out := f.with("bill_30s_expiry", "", nil); out.Kind != pay.Unknown || out.Raw != nil {
			f.t.Errorf("bill_30s_expiry: %+v", out.Outcome)
		}
		return
	}
	// v2 announces no hash and has no token.
	announced := f.fetch(f.trades(0)).Hash != ""
	out := f.with("bill_bad_hash", "", nil)
	if announced && (out.Kind != pay.Unknown || out.Err == nil || out.Raw == nil || len(out.Bill.Lines) != 0) {
		f.t.Errorf("bill_bad_hash: %+v, %v", out.Outcome, out.Err)
	}
	if out := f.with("bill_token_expired", "", nil); announced && (out.Kind != pay.Unknown || !out.Lost) {
		f.t.Errorf("bill_token_expired: %+v", out.Outcome)
	}
}

// unbelievable spoils the answer to the question and the download itself.
func (f *billScene) unbelievable() {
	for _, endpoint := range []string{sandbox.EndpointBill, sandbox.EndpointBillFile} {
		for _, scenario := range []string{"drop_before", "drop_after", "http502_html", "empty_body", "truncated_body", "bad_json", "syserr"} {
			if endpoint == sandbox.EndpointBillFile && (f.fetch(f.trades(0)).Hash == "" && f.Wallet == sandbox.WeChat || scenario == "syserr") {
				continue // v2's bill is the answer itself; an empty file is no bill, and says nothing else
			}
			out := f.with(scenario, "", on(endpoint))
			if out.Kind != pay.Unknown || out.Empty || len(out.Bill.Lines) != 0 {
				f.t.Errorf("%s on %s: %+v, empty %v, %d lines", scenario, endpoint, out.Outcome, out.Empty, len(out.Bill.Lines))
			}
		}
	}
	for _, scenario := range []string{"bad_sign", "unsigned_2xx"} {
		out := f.with(scenario, "", on(sandbox.EndpointBill))
		if signed := f.Wallet == sandbox.Alipay || out.Hash != "" || out.Kind != pay.Paid; signed && out.Kind != pay.Unknown {
			f.t.Errorf("%s: %+v", scenario, out.Outcome)
		}
	}
}
