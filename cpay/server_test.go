package cpay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// reply is one scripted answer of a server.
type reply struct {
	head  Head
	order *OrderContent // answered to micro_pay and query_order
	body  Message       // answered as it is
	raw   string        // the whole body instead of a sealed one
	http  int           // HTTP status, 200 when 0
	lost  bool          // the connection breaks after the request was taken
	hang  bool          // no answer until the caller gives up
	key   Key           // another key than the client's
}

var errLost = errors.New("connection reset by peer")

// call is one request that a server took.
type call struct {
	host    string
	method  string
	body    string
	request Request
	signed  bool
}

// server is the other end of a Client, built on the server half of this package
// and reached without a socket. Each method answers its script in order and then
// the last line of it for ever.
type server struct {
	t    *testing.T
	keys Keys
	down map[string]bool // hosts that nobody answers at

	mu     sync.Mutex
	script map[string][]reply
	calls  []call
}

func newServer(t *testing.T, script map[string][]reply) *server {
	t.Helper()
	return &server{t: t, keys: testKeys, script: script, down: map[string]bool{}}
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	method := strings.TrimPrefix(r.URL.Path, "/cpay/")
	got := s.take(r, method, string(body))
	switch {
	case got.hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case got.lost:
		return nil, errLost
	case got.http == 0:
		got.http = http.StatusOK
	}
	header := http.Header{}
	if got.http == http.StatusTemporaryRedirect {
		header.Set("Location", "https://elsewhere.example/cpay/"+method)
	}
	return &http.Response{
		StatusCode: got.http, Header: header, Request: r,
		Body: io.NopCloser(bytes.NewReader(s.render(method, got))),
	}, nil
}

// take notes the call and picks the answer.
func (s *server) take(r *http.Request, method, body string) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down[r.URL.Host] {
		return reply{lost: true}
	}
	c := call{host: r.URL.Host, method: method, body: body}
	if method != MethodPing {
		c.request, c.signed = s.open(method, body)
		if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			s.t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
	}
	s.calls = append(s.calls, c)
	script := s.script[method]
	switch {
	case len(script) > 1:
		s.script[method] = script[1:]
		return script[0]
	case len(script) == 1:
		return script[0]
	case method == MethodPing:
		return reply{raw: string(Encode(&PingResponse{Description: "ok", Timestamp: 1568810077}))}
	}
	s.t.Errorf("unexpected %s", method)
	return reply{lost: true}
}

func (s *server) open(method, body string) (Request, bool) {
	m := NewRequest(method)
	if m == nil {
		s.t.Errorf("unexpected %s", method)
		return nil, false
	}
	e, err := Parse(method, []byte(body))
	if err == nil {
		err = e.Verify(s.keys)
	}
	if err == nil {
		err = e.Decode(m)
	}
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		s.t.Errorf("%s: %v", method, err)
		return m, false
	}
	return m, e.Signed()
}

func (s *server) render(method string, r reply) []byte {
	if r.raw != "" || r.http != http.StatusOK {
		return []byte(r.raw)
	}
	key := s.keys.AuthenKey
	if !r.key.IsZero() {
		key = r.key
	}
	body := r.body
	if r.order != nil {
		switch method {
		case MethodMicroPay:
			body = &MicroPayResponse{OrderContent: *r.order}
		case MethodQueryOrder:
			body = &QueryOrderResponse{OrderContent: *r.order}
		default:
			s.t.Errorf("%s does not answer an order", method)
		}
	}
	if Brief(method) {
		return SealBriefResponse(r.head, method, body, key)
	}
	return SealResponse(r.head, method, body, key)
}

// methods lists what was called, without pings unless they are asked for.
func (s *server) methods(pings bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, c := range s.calls {
		if pings || c.method != MethodPing {
			names = append(names, c.method)
		}
	}
	return strings.Join(names, " ")
}

func (s *server) hosts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, c := range s.calls {
		names = append(names, c.host+"/"+c.method)
	}
	return strings.Join(names, " ")
}

func testConfig(transport http.RoundTripper) Config {
	return Config{
		Domains: []string{"pay.example.com"},
		Account: Account{
			OutMchID: "sz01TESTMCH000000001", OutSubMchID: "sz01TESTSUBMCH000001", OutShopID: "sz01TESTSHOP00000001",
			DeviceID: "dev01", StaffID: "1003",
		},
		Keys:      testKeys,
		Terminal:  Terminal{TerminalType: 2, SubTerminalType: 900, MachineNo: "020000000001", SNCode: "T1"},
		Transport: transport,
	}
}

func newTestClient(t *testing.T, s *server, change ...func(*Config)) *Client {
	t.Helper()
	cfg := testConfig(s)
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	testTradeNo  = "9000000120240102030405"
	testPayCode  = "134680423163089456"
	testFee      = 2
	testRefundNo = "90000001R0000000105"
)

func sale() *MicroPayRequest {
	return &MicroPayRequest{PayContent: PayContent{
		OutTradeNo: testTradeNo, AuthorCode: testPayCode, TotalFee: testFee, Body: "茶叶蛋",
	}}
}

func wx(state WxpayOrderState) *OrderContent {
	return &OrderContent{
		OutTradeNo: testTradeNo, TotalFee: testFee, AuthorCode: testPayCode,
		WxpayExt: &WxpayOrderContentExt{CurrentTradeState: state},
	}
}

func ali(state AlipayOrderState) *OrderContent {
	return &OrderContent{
		OutTradeNo: testTradeNo, TotalFee: testFee, AuthorCode: testPayCode,
		AlipayExt: &AlipayOrderContentExt{CurrentTradeState: state},
	}
}

func refusal(status Status, internal int64, description string) reply {
	return reply{head: Head{Status: status, InternalStatus: internal, Description: description, LogID: 5}}
}

// callEach makes every call of a client once and returns their errors by method.
func callEach(ctx context.Context, c *Client) map[string]error {
	errs := map[string]error{}
	_, errs[MethodMicroPay] = c.MicroPay(ctx, sale())
	_, errs[MethodScanCodePay] = c.ScanCodePay(ctx, &ScanCodePayRequest{
		PayMchKey: PayMchKey{PayPlatform: PlatformWxpay}, PayContent: PayContent{OutTradeNo: testTradeNo, TotalFee: testFee},
	})
	_, errs[MethodQueryOrder] = c.QueryOrder(ctx, &QueryOrderRequest{OutTradeNo: testTradeNo})
	_, errs[MethodCloseOrder] = c.CloseOrder(ctx, &CloseOrderRequest{OutTradeNo: testTradeNo})
	_, errs[MethodReverse] = c.Reverse(ctx, &ReverseRequest{OutTradeNo: testTradeNo})
	_, errs[MethodRefund] = c.Refund(ctx, &RefundRequest{RefundContent: RefundContent{
		OutTradeNo: testTradeNo, OutRefundNo: testRefundNo, TotalFee: testFee, RefundFee: 1,
	}})
	_, errs[MethodQueryRefundOrder] = c.QueryRefundOrder(ctx, &QueryRefundOrderRequest{OutTradeNo: testTradeNo})
	_, errs[MethodPing] = c.Ping(ctx)
	return errs
}

// everything answers every call with success.
func everything() map[string][]reply {
	refund := RefundOrderContent{
		OutTradeNo: testTradeNo, OutRefundNo: testRefundNo, TotalFee: testFee, RefundFee: 1,
		WxpayExt: &WxpayRefundOrderContentExt{State: WxpayRefundProcessing},
	}
	return map[string][]reply{
		MethodMicroPay:         {{order: wx(WxpayMicroPaid)}},
		MethodScanCodePay:      {{body: &ScanCodePayResponse{CodeURL: "weixin://wxpay/x"}}},
		MethodQueryOrder:       {{order: wx(WxpayMicroPaid)}},
		MethodCloseOrder:       {{}},
		MethodReverse:          {{}},
		MethodRefund:           {{body: &RefundResponse{RefundOrderContent: refund}}},
		MethodQueryRefundOrder: {{body: &QueryRefundOrderResponse{RefundOrderContent: []RefundOrderContent{refund}}}},
	}
}

func (s *server) last(t *testing.T, method string) call {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.calls) {
		if c.method == method {
			return c
		}
	}
	t.Fatalf("%s was never called", method)
	return call{}
}
