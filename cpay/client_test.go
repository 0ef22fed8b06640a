package cpay

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryCallSucceedsAndIsFilledIn(t *testing.T) {
	t.Parallel()
	for _, keys := range []Keys{testKeys, signingKeys()} {
		s := newServer(t, everything())
		s.keys = keys
		c := newTestClient(t, s, func(cfg *Config) { cfg.Keys = keys })
		for method, err := range callEach(t.Context(), c) {
			if err != nil {
				t.Errorf("%s: %v", method, err)
				continue
			}
			if method == MethodPing {
				continue
			}
			got := s.last(t, method)
			if want := keys.PrivateKey != nil && (method == MethodRefund || method == MethodReverse); got.signed != want {
				t.Errorf("%s: signed %v, want %v", method, got.signed, want)
			}
			content := string(Encode(got.request))
			for _, want := range []string{
				`"out_mch_id":"sz01TESTMCH000000001"`, `"out_sub_mch_id":"sz01TESTSUBMCH000001"`,
				`"out_shop_id":"sz01TESTSHOP00000001"`, `"device_id":"dev01"`, `"staff_id":"1003"`, `"terminal_type":2`,
				`"sub_terminal_type":900`, `"machine_no":"020000000001"`, `"sdk_version":"gocpay1.0"`,
				`"spbill_create_ip":"127.0.0.1"`, `"sn_code":"T1"`, `"nonce_str":"`,
			} {
				if !strings.Contains(content, want) {
					t.Errorf("%s lacks %s: %s", method, want, content)
				}
			}
		}
	}
	if len(sdkVersion) > 10 { // protocol.md R50
		t.Error("sdk_version is too long")
	}
}

func TestRequestsOfTheCallerAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t, everything())
	req := sale()
	req.OrderClient.DeviceID = "other"
	if _, err := newTestClient(t, s).MicroPay(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if req.PayMchKey.OutMchID != "" || req.NonceStr != "" || req.PayContent.FeeType != "" {
		t.Errorf("the request was changed: %+v", req)
	}
	got, ok := s.last(t, MethodMicroPay).request.(*MicroPayRequest)
	if !ok || got.OrderClient.DeviceID != "other" || got.PayContent.FeeType != "CNY" {
		t.Errorf("sent %+v", got)
	}
}

// TestRetriesFollowTheStatus is the table of protocol.md §4.1.
func TestRetriesFollowTheStatus(t *testing.T) {
	t.Parallel()
	wrongKey := reply{order: wx(WxpayMicroPaid), key: NewKey("other")}
	for _, tt := range []struct {
		name  string
		reply reply
		calls int
		took  time.Duration
		check func(error) bool
	}{
		{"0", reply{order: wx(WxpayUserPaying)}, 1, 0, func(err error) bool { return err == nil }},
		{"3", refusal(StatusInternal, 0, ""), 3, 2 * time.Second, isUnknownStatus},
		{"101", refusal(StatusBadCall, 7, ""), 1, 0, isDefinite},
		{"102", refusal(StatusNewNumber, 0, ""), 1, 0, isDefinite},
		{"103", refusal(StatusUnknown, 0, ""), 3, 6 * time.Second, isUnknownStatus},
		{"104", refusal(StatusRefused, 0, ""), 1, 0, isDefinite},
		{"407", refusal(StatusRefused, 407, ""), 1, 0, func(err error) bool {
			e, ok := errors.AsType[*Error](err)
			return ok && e.Reentry()
		}},
		{"unlisted", refusal(999, 0, ""), 3, 2 * time.Second, isUnknownStatus},
		{"lost", reply{lost: true}, 3, 2 * time.Second, isTransport(errLost)},
		{"hanging", reply{hang: true}, 3, 32 * time.Second, isTransport(context.DeadlineExceeded)},
		{"HTTP 502", reply{http: http.StatusBadGateway, raw: "<html>"}, 3, 2 * time.Second, isTransport(ErrMalformed)},
		{"redirect", reply{http: http.StatusTemporaryRedirect}, 3, 2 * time.Second, isTransport(ErrMalformed)},
		{"no JSON", reply{raw: "<html>"}, 3, 2 * time.Second, isTransport(ErrMalformed)},
		{"too long", reply{raw: strings.Repeat(" ", MaxBody+100)}, 3, 2 * time.Second, isTransport(ErrMalformed)},
		{"another key", wrongKey, 3, 2 * time.Second, isTransport(ErrNotAuthentic)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, map[string][]reply{MethodMicroPay: {tt.reply}})
				start := time.Now()
				resp, err := newTestClient(t, s).MicroPay(t.Context(), sale())
				if !tt.check(err) || (err == nil) != (resp != nil) {
					t.Errorf("got %v, %v", resp, err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if len(s.calls) != tt.calls {
					t.Errorf("%d calls, want %d", len(s.calls), tt.calls)
				}
				for _, c := range s.calls {
					if c.body != s.calls[0].body {
						t.Error("a repeated call differs from the first")
					}
				}
			})
		})
	}
}

func isUnknownStatus(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Unknown() && Unknown(err)
}

func isDefinite(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Definite() && !Unknown(err)
}

func isTransport(cause error) func(error) bool {
	return func(err error) bool {
		_, ok := errors.AsType[*TransportError](err)
		return ok && errors.Is(err, cause) && Unknown(err)
	}
}

func TestARetryMaySucceed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string][]reply{MethodMicroPay: {
			{lost: true}, refusal(StatusUnknown, 0, ""), {order: wx(WxpayMicroPaid)},
		}})
		resp, err := newTestClient(t, s).MicroPay(t.Context(), sale())
		if err != nil || resp.OrderContent.Outcome() != StatePaid {
			t.Errorf("got %+v, %v", resp, err)
		}
	})
}

func TestTimeoutsAndAttemptsAreSettable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string][]reply{MethodMicroPay: {{hang: true}}})
		c := newTestClient(t, s, func(cfg *Config) { cfg.Timeout, cfg.Attempts = 3*time.Second, 2 })
		start := time.Now()
		if _, err := c.MicroPay(t.Context(), sale()); !Unknown(err) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 7*time.Second || len(s.calls) != 2 {
			t.Errorf("took %v and %d calls", took, len(s.calls))
		}
	})
}

func TestTheCallersDeadlineEndsRetries(t *testing.T) {
	t.Parallel()
	for _, script := range []reply{{hang: true}, {lost: true}} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, map[string][]reply{MethodQueryOrder: {script}})
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := newTestClient(t, s).QueryOrder(ctx, &QueryOrderRequest{OutTradeNo: "1"})
			if !Unknown(err) || time.Since(start) != 500*time.Millisecond || len(s.calls) != 1 {
				t.Errorf("%v after %v and %d calls", err, time.Since(start), len(s.calls))
			}
		})
	}
}

func TestInvalidRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := newTestClient(t, s)
	req := sale()
	req.PayContent.TotalFee = 0
	_, err := c.MicroPay(t.Context(), req)
	if fe, ok := errors.AsType[*FieldError](err); !ok || fe.Field != "pay_content.total_fee" || Unknown(err) {
		t.Errorf("got %v", err)
	}
	if _, err := c.QueryOrder(t.Context(), &QueryOrderRequest{}); err == nil || len(s.calls) != 0 {
		t.Errorf("got %v and %d calls", err, len(s.calls))
	}
}

// TestAnswersMustBeAboutTheCall: the MAC alone does not tie an answer to its
// request, because the nonce is not echoed.
func TestAnswersMustBeAboutTheCall(t *testing.T) {
	t.Parallel()
	other, less := wx(WxpayMicroPaid), wx(WxpayMicroPaid)
	other.OutTradeNo = "90000001another"
	less.TotalFee = 1
	refund := &RefundResponse{RefundOrderContent: RefundOrderContent{OutRefundNo: "another", RefundFee: 1}}
	for name, script := range map[string]map[string][]reply{
		"another number":  {MethodMicroPay: {{order: other}}, MethodQueryOrder: {{order: other}}},
		"another amount":  {MethodMicroPay: {{order: less}}},
		"another refund":  {MethodRefund: {{body: refund}}},
		"no order at all": {MethodMicroPay: {{}}, MethodQueryOrder: {{}}, MethodRefund: {{}}},
	} {
		all := everything()
		maps.Copy(all, script)
		errs := callEach(t.Context(), newTestClient(t, newServer(t, all)))
		for method, err := range errs {
			_, tampered := script[method]
			if believed := !errors.Is(err, ErrNotAuthentic) || !Unknown(err); tampered && believed || !tampered && err != nil {
				t.Errorf("%s: %s: %v", name, method, err)
			}
		}
	}
}

func TestNoRefundsIsAnEmptyList(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]reply{
		"426":        refusal(StatusRefused, InternalNoRefund, "退款单不存在"),
		"no member":  {},
		"empty list": {body: &QueryRefundOrderResponse{}},
	} {
		c := newTestClient(t, newServer(t, map[string][]reply{MethodQueryRefundOrder: {r}}))
		resp, err := c.QueryRefundOrder(t.Context(), &QueryRefundOrderRequest{OutTradeNo: "1"})
		if err != nil || len(resp.RefundOrderContent) != 0 {
			t.Errorf("%s: %+v, %v", name, resp, err)
		}
	}
	c := newTestClient(t, newServer(t, map[string][]reply{MethodQueryOrder: {refusal(StatusRefused, InternalNoOrder, "")}}))
	_, err := c.QueryOrder(t.Context(), &QueryOrderRequest{OutTradeNo: "1"})
	if e, ok := errors.AsType[*Error](err); !ok || !e.NotFound() {
		t.Errorf("unknown order: %v", err)
	}
}

func TestNewClientChecksItsConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"no key":            func(c *Config) { c.Keys = Keys{} },
		"no merchant":       func(c *Config) { c.Account.OutSubMchID = "" },
		"no domain":         func(c *Config) { c.Domains = nil },
		"many domains":      func(c *Config) { c.Domains = make([]string, 17) },
		"empty domain":      func(c *Config) { c.Domains = []string{""} },
		"ftp":               func(c *Config) { c.Domains = []string{"ftp://pay.example.com"} },
		"not an address":    func(c *Config) { c.Domains = []string{"https://pay example"} },
		"negative timeout":  func(c *Config) { c.Timeout = -1 },
		"negative attempts": func(c *Config) { c.Attempts = -1 },
	} {
		cfg := testConfig(nil)
		change(&cfg)
		if _, err := NewClient(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	got, err := baseURLs([]string{"a.example", "https://b.example/", "http://127.0.0.1:80/cpay", "c.example/cpay/"})
	want := "https://a.example https://b.example http://127.0.0.1:80 https://c.example"
	if err != nil || strings.Join(got, " ") != want {
		t.Errorf("baseURLs = %v, %v, want %s", got, err, want)
	}
}

// TestClientOverARealConnection uses the transport that is used when none is
// injected.
func TestClientOverARealConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t, everything())
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := s.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(resp.Body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(resp.StatusCode)
		if _, err := w.Write(b.Bytes()); err != nil {
			t.Error(err)
		}
	}))
	defer web.Close()
	cfg := testConfig(nil)
	cfg.Domains = []string{web.URL}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for method, err := range callEach(t.Context(), c) {
		if err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestTheLogTellsNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newServer(t, map[string][]reply{MethodMicroPay: {{lost: true}, {order: wx(WxpayMicroPaid)}}})
		c := newTestClient(t, s, func(cfg *Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		if _, err := c.MicroPay(t.Context(), sale()); err != nil {
			t.Fatal(err)
		}
		text := log.String()
		if !strings.Contains(text, "method=micro_pay") || !strings.Contains(text, "log_id=") {
			t.Errorf("log: %s", text)
		}
		if strings.Contains(text, testPayCode) || strings.Contains(text, testKeys.AuthenKey.reveal()) {
			t.Errorf("a secret shows in %s", text)
		}
	})
}
