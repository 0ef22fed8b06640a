package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// spy carries the SDK's requests, keeps them, and may change the answers.
type spy struct {
	inner  http.RoundTripper
	change func(raw []byte) []byte

	mu     sync.Mutex
	bodies []string
}

func (s *spy) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.bodies = append(s.bodies, string(body))
		s.mu.Unlock()
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	res, err := s.inner.RoundTrip(req)
	if err != nil || s.change == nil {
		return res, err
	}
	raw, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	raw = s.change(raw)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return res, nil
}

// sdk is a client of the house that signs refunds.
func (h *house) sdk(t *testing.T, s *spy) *cpay.Client {
	t.Helper()
	s.inner = h.http.Transport
	c, err := cpay.NewClient(cpay.Config{
		Domains: []string{h.base}, Account: cpay.Account{OutMchID: theProvider, OutSubMchID: theMerchant, OutShopID: theShop, DeviceID: "till-1"},
		Terminal: cpay.Terminal{TerminalType: 4}, Keys: cpay.Keys{AuthenKey: cpay.NewKey(theKey), PrivateKey: signingKey},
		Transport: s, Attempts: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// r49TheSDKReturnsAnErrorForEveryStatus, and never neither result nor error.
func r49TheSDKReturnsAnErrorForEveryStatus(t *testing.T) {
	t.Helper()
	t.Parallel()
	var broken brokenChannels
	h := newHouse(t, options{channels: broken.wrap})
	c := h.sdk(t, &spy{})
	call := func(no, code string, fen int64) (*cpay.MicroPayResponse, error) {
		return c.MicroPay(t.Context(), &cpay.MicroPayRequest{
			PayContent: cpay.PayContent{OutTradeNo: no, AuthorCode: cpay.PayCode(code), TotalFee: fen, FeeType: "CNY", Body: "bread"},
		})
	}
	no, code := h.number(), h.code(pay.Wxpay, "")
	if res, err := call(no, code, 2); err != nil || res == nil {
		t.Fatalf("status 0: %v, %v", res, err)
	}
	refuse := func(want cpay.Status, res *cpay.MicroPayResponse, err error) {
		t.Helper()
		ours, ok := errors.AsType[*cpay.Error](err)
		if res != nil || !ok || ours.Status != want {
			t.Errorf("status %d: result %v, error %v", want, res, err)
		}
	}
	res, err := call(no, code, 3)
	refuse(104, res, err)
	res, err = call(h.number(), "130000000000000000", 2)
	refuse(102, res, err)
	broken.fail(errors.New("the account cannot be read"))
	res, err = call(h.number(), h.code(pay.Wxpay, ""), 2)
	refuse(103, res, err)
	fresh := h.code(pay.Wxpay, "")
	if err := h.closeStore(); err != nil {
		t.Fatal(err)
	}
	h.people.Forget()
	if res, err = call(h.number(), fresh, 2); res != nil || err == nil {
		t.Errorf("status 3: result %v, error %v", res, err)
	}
}

// r50TheSDKKeepsItsRules: it verifies, demands a code at status 0, signs what
// it hashed, and sends what old servers can read.
func r50TheSDKKeepsItsRules(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	s := &spy{}
	c := h.sdk(t, s)
	no := h.paid(t, pay.Wxpay, 20)
	if _, err := c.Refund(t.Context(), &cpay.RefundRequest{RefundContent: cpay.RefundContent{OutTradeNo: no, OutRefundNo: h.number(), TotalFee: 20, RefundFee: 2}}); err != nil {
		t.Fatalf("a signed refund: %v", err)
	}
	if _, err := c.QueryOrder(t.Context(), &cpay.QueryOrderRequest{OutTradeNo: no}); err != nil {
		t.Fatal(err)
	}
	for _, body := range s.bodies {
		checkSDKRequest(t, body)
	}
	if !strings.Contains(s.bodies[0], `"sign":"`) || strings.Contains(s.bodies[0], `"signature"`) {
		t.Errorf("the refund is not signed: %s", s.bodies[0])
	}
	for name, change := range map[string]func([]byte) []byte{
		"changed content": func(b []byte) []byte { return bytes.Replace(b, []byte(`total_fee\":20`), []byte(`total_fee\":10`), 1) },
		"code removed":    func(b []byte) []byte { return append(b[:bytes.Index(b, []byte(`,"authen_info"`))], '}') },
		"code changed": func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"authen_code":"`), []byte(`"authen_code":"00`), 1)
		},
		"empty code": func(b []byte) []byte {
			return append(b[:bytes.Index(b, []byte(`,"authen_info"`))], `,"authen_info":{}}`...)
		},
	} {
		res, err := h.sdk(t, &spy{change: change}).QueryOrder(t.Context(), &cpay.QueryOrderRequest{OutTradeNo: no})
		if res != nil || !errors.Is(err, cpay.ErrNotAuthentic) {
			t.Errorf("%s: result %v, error %v", name, res, err)
		}
	}
}

// checkSDKRequest looks at a request that the SDK sent.
func checkSDKRequest(t *testing.T, body string) {
	t.Helper()
	var outer struct {
		Content string `json:"request_content"`
	}
	if err := json.Unmarshal([]byte(body), &outer); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(outer.Content))
	d.UseNumber()
	var content map[string]any
	if err := d.Decode(&content); err != nil {
		t.Fatal(err)
	}
	client, _ := content["order_client"].(map[string]any)
	if v, _ := client["sdk_version"].(string); v == "" || len(v) > 10 {
		t.Errorf("sdk_version is %q", v)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, e := range v {
				if name != strings.ToLower(name) {
					t.Errorf("member %s", name)
				}
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case json.Number:
			if strings.ContainsAny(v.String(), ".eE") {
				t.Errorf("number %s", v)
			}
		}
	}
	walk(content)
}
