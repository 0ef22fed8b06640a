package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// r19HeadersAreSmallAndTheBodyHasALength reads raw answers as an embedded
// client does. That the status is 200 and the length right is checked for every
// answer of these tests (R20).
func r19HeadersAreSmallAndTheBodyHasALength(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 2)
	conn := h.connect(t)
	defer conn.Close()
	r := bufio.NewReader(conn)
	requests := map[string][]byte{
		"success": byMAC(about(no).text()), "refusal": byMAC(about(h.number()).text()), "not authentic": []byte("{}"),
	}
	for name, body := range requests {
		if _, err := fmt.Fprintf(conn, "POST /cpay/query_order HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		header, answer := rawAnswer(t, r)
		if len(header) >= 1024 || !strings.HasPrefix(header, "HTTP/1.1 200 OK\r\n") ||
			!strings.Contains(header, "\r\nContent-Length: ") || strings.Contains(strings.ToLower(header), "transfer-encoding") {
			t.Errorf("%s: %d bytes of header:\n%s", name, len(header), header)
		}
		read(t, cpay.MethodQueryOrder, theKey, answer)
	}
}

// connect opens one raw connection.
func (h *house) connect(t *testing.T) net.Conn {
	t.Helper()
	if h.listen != nil {
		conn, err := h.listen.dial()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// rawAnswer reads one answer with its length.
func rawAnswer(t *testing.T, r *bufio.Reader) (header string, body []byte) {
	t.Helper()
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("read header: %v after %q", err, header)
		}
		header += line
		_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		if line == "\r\n" {
			break
		}
	}
	body = make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatalf("read body: %v", err)
	}
	return header, body
}

// r23MembersThatClientsDereferenceArePresent at status 0 of each call.
func r23MembersThatClientsDereferenceArePresent(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for ch, ext := range map[pay.Channel]string{pay.Wxpay: "wxpay", pay.Alipay: "alipay"} {
		no, refund := h.number(), h.number()
		want := func(a answer, paths ...string) {
			a.is(t, 0, 0)
			for _, p := range paths {
				if a.get(p) == "" {
					t.Errorf("%s: %s is missing in %s", ch, p, a.content)
				}
			}
			other := map[string]string{"wxpay": "alipay", "alipay": "wxpay"}[ext]
			if strings.Contains(a.content, `"`+other+`_`) {
				t.Errorf("R29: %s shows the ext of %s: %s", ch, other, a.content)
			}
		}
		order := []string{
			"order_content.total_fee", "order_content.out_trade_no", "order_content.transaction_id", "pay_mch_key.pay_platform",
			"order_content." + ext + "_order_content_ext.current_trade_state",
		}
		want(h.call(t, cpay.MethodMicroPay, microPay(no, h.code(ch, ""), 100)), order...)
		want(h.call(t, cpay.MethodQueryOrder, about(no)), order...)
		state := map[string]string{"wxpay": "state", "alipay": "refund_status"}[ext]
		members := func(at string) []string {
			return []string{
				"pay_mch_key.pay_platform", at + ".out_trade_no", at + ".out_refund_no", at + ".total_fee", at + ".refund_fee",
				at + "." + ext + "_refund_order_content_ext." + state, at + ".refund_id",
			}
		}
		accepted := h.call(t, cpay.MethodRefund, refundOf(no, refund, 100, 40))
		want(accepted, members("refund_order_content")...)
		if accepted.body["order_client"] != nil {
			t.Errorf("R30: refund shows order_client: %s", accepted.content)
		}
		if _, object := accepted.body["refund_order_content"].(map[string]any); !object {
			t.Errorf("R29: refund_order_content of refund is no object: %s", accepted.content)
		}
		listed := h.call(t, cpay.MethodQueryRefundOrder, about(no))
		want(listed, members("refund_order_content.0")...)
		if len(listed.list("refund_order_content")) != 1 {
			t.Errorf("R29: refund_order_content of query_refund_order is no list of one: %s", listed.content)
		}
		if ch == pay.Alipay {
			path := "refund_order_content.0.alipay_refund_order_content_ext.gmt_refund_pay"
			if got := listed.get(path); got == "" || got == "0" { // that it is a number is checked for every answer: R25
				t.Errorf("R25: gmt_refund_pay is %q", got)
			}
		}
	}
}

// r24LogIDsDifferAndArePositive also after a start at a moment whose low
// bits are all set; the range is checked for every answer.
func r24LogIDsDifferAndArePositive(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	seen := map[int64]bool{}
	for range 50 {
		a := h.post(t, cpay.MethodQueryOrder, nil)
		id := number(t, a.inner, "log_id")
		if seen[id] {
			t.Errorf("log_id %d twice", id)
		}
		seen[id] = true
	}
}

// r29DetailIsTextOfADetailOrAbsent, whatever the first till sent.
func r29DetailIsTextOfADetailOrAbsent(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for detail, want := range map[string]string{
		`{"goods_detail":[{"goods_name":"茶","quantity":1,"price":2}]}`: `{"goods_detail":[{"goods_name":"茶","quantity":1,"price":2}]}`,
		"two loaves of bread": "", "": "",
	} {
		no := h.number()
		h.call(t, cpay.MethodMicroPay, microPay(no, h.code(pay.Wxpay, ""), 2).with("pay_content.detail", detail)).is(t, 0, 0)
		if got := h.call(t, cpay.MethodQueryOrder, about(no)).get("order_content.detail"); got != want {
			t.Errorf("detail %q is shown as %q", detail, got)
		}
	}
	no := h.number() // an object in its place is as good as its text
	h.call(t, cpay.MethodMicroPay, microPay(no, h.code(pay.Wxpay, ""), 2).with("pay_content.detail", object{"goods_detail": []object{}})).is(t, 0, 0)
	if got := h.call(t, cpay.MethodQueryOrder, about(no)).get("order_content.detail"); got != `{"goods_detail":[]}` {
		t.Errorf("a detail object is shown as %q", got)
	}
}

// r21LongAnswersKeepBelowTheBufferOfCClients is R21 over HTTP.
func r21LongAnswersKeepBelowTheBufferOfCClients(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	no := h.number()
	long := microPay(no, h.code(pay.Wxpay, ""), 100).
		with("pay_content.detail", `{"goods_detail":[{"goods_name":"`+strings.Repeat("茶", 5000)+`","quantity":1,"price":1}]}`).
		with("pay_content.body", strings.Repeat("面", 128)).with("pay_content.remark", strings.Repeat("备", 127)).
		with("pay_content.caller_notify_url", "https://merchant.example/"+strings.Repeat("x", 900)).
		with("pay_mch_key.sub_mch_pay_info", strings.Repeat("信", 1024))
	answers := []answer{h.call(t, cpay.MethodMicroPay, long), h.call(t, cpay.MethodQueryOrder, about(no))}
	var last string
	for range 12 {
		last = h.number()
		answers = append(answers, h.call(t, cpay.MethodRefund,
			refundOf(no, last, 100, 1).with("refund_content.refund_reason", strings.Repeat("退", 255))))
	}
	all := h.call(t, cpay.MethodQueryRefundOrder, about(no))
	for _, a := range append(answers, all) {
		if a.is(t, 0, 0); len(a.raw) >= 3584 {
			t.Errorf("an answer has %d bytes: %s", len(a.raw), a.content)
		}
	}
	n := len(all.list("refund_order_content"))
	if n == 0 || all.get(fmt.Sprintf("refund_order_content.%d.out_refund_no", n-1)) != last {
		t.Errorf("the newest of 12 refunds is not among the %d that fit", n)
	}
}

// TestEveryStatusLooksAsItMust drives each status of protocol.md §4.1 out of
// the server; what must hold for each is checked where answers are read.
func TestEveryStatusLooksAsItMust(t *testing.T) {
	t.Parallel()
	var broken brokenChannels
	h := newHouse(t, options{channels: broken.wrap})
	no := h.number()
	code := h.code(pay.Wxpay, "")
	got := map[int64]answer{}
	note := func(a answer) { got[a.status] = a }
	note(h.call(t, cpay.MethodMicroPay, microPay(no, code, 2)))                            // 0
	note(h.call(t, cpay.MethodMicroPay, microPay(h.number(), "130000000000000000", 2)))    // 102: no such code
	note(h.call(t, cpay.MethodCloseOrder, about(no)))                                      // 104
	note(h.post(t, cpay.MethodMicroPay, envelope(microPay(no, code, 2).text(), object{}))) // 101
	broken.fail(errors.New("the account cannot be read"))
	note(h.call(t, cpay.MethodMicroPay, microPay(h.number(), h.code(pay.Wxpay, ""), 2))) // 103
	for _, status := range []int64{0, 101, 102, 103, 104} {
		if _, ok := got[status]; !ok {
			t.Errorf("no answer with status %d, but %v", status, statuses(got))
		}
	}
	if a := got[103]; !strings.Contains(a.text, "未知") || strings.Contains(a.text, "account") {
		t.Errorf("103 says %q", a.text)
	}
	if a := got[102]; a.text == "" || len(a.body) != 1 {
		t.Errorf("102 says more than its nonce: %s", a.content)
	}
}

func statuses(m map[int64]answer) []int64 {
	var s []int64
	for k := range m {
		s = append(s, k)
	}
	slices.Sort(s)
	return s
}

// brokenChannels stands before the real wallets and fails on demand.
type brokenChannels struct{ err atomic.Pointer[error] }

func (b *brokenChannels) fail(err error) { b.err.Store(&err) }

func (b *brokenChannels) wrap(find gateway.Channels) gateway.Channels {
	return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
		if err := b.err.Load(); err != nil {
			return nil, *err
		}
		return find(ctx, provider, ch)
	}
}

// TestStatusThreeComesWithoutAnIdentifiedCaller: the directory cannot be read,
// so nobody can be authenticated and nothing is known.
func TestStatusThreeComesWithoutAnIdentifiedCaller(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	content := about(h.number()).text()
	if err := h.closeStore(); err != nil {
		t.Fatal(err)
	}
	a := h.post(t, cpay.MethodQueryOrder, byMAC(content))
	a.is(t, 3, 0)
	if strings.Contains(a.text, "sql") {
		t.Errorf("3 says %q", a.text)
	}
	if !strings.Contains(h.log.String(), `"level":"ERROR"`) {
		t.Error("nobody is told that the directory cannot be read")
	}
}

// TestOtherVerbsAndPathsDoNotReachAnInterface.
func TestOtherVerbsAndPathsDoNotReachAnInterface(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	for path, want := range map[string]int{
		"/cpay/micro_pay": http.StatusMethodNotAllowed, "/cpay/": http.StatusNotFound, "/cpay/unknown": http.StatusNotFound, "/x": http.StatusNotFound,
	} {
		if res := h.send(t, http.MethodGet, path, nil); res.status != want {
			t.Errorf("GET %s is answered with %d, want %d", path, res.status, want)
		}
	}
	if res := h.send(t, http.MethodPost, "/metrics", bytes.NewReader(nil)); res.status != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics is answered with %d", res.status)
	}
}
