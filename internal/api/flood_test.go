package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/api"
	"cloudpay/internal/pay"
)

// clock is a clock that a test moves.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func TestAHastyMerchantIsAskedToWait(t *testing.T) {
	t.Parallel()
	c := newClock()
	h := newHouse(t, options{now: c.now, limits: api.Limits{Merchant: api.Rate{PerSecond: 1, Burst: 3}}})
	for range 3 {
		h.call(t, cpay.MethodQueryOrder, about(h.number())).is(t, 104, 400)
	}
	a := h.call(t, cpay.MethodQueryOrder, about(h.number()))
	a.is(t, 103, 0) // authenticated, as post has checked
	if !strings.Contains(a.text, "商户请求过于频繁") {
		t.Errorf("described as %q", a.text)
	}
	c.advance(time.Second)
	h.call(t, cpay.MethodQueryOrder, about(h.number())).is(t, 104, 400)
	other := about("90000002X1").with("pay_mch_key.out_sub_mch_id", "sz01OTHERSUBMCH00001").text()
	key := strings.Repeat("o", 32)
	body := envelope(other, object{"a": object{"authen_type": 1, "authen_code": mac(key, other)}})
	h.postAs(t, cpay.MethodQueryOrder, key, strings.NewReader(string(body))).is(t, 104, 400)
}

// TestAWrongCodeCostsTheMerchantNothing: otherwise strangers could silence a
// merchant by its public id.
func TestAWrongCodeCostsTheMerchantNothing(t *testing.T) {
	t.Parallel()
	c := newClock()
	h := newHouse(t, options{now: c.now, limits: api.Limits{
		Merchant: api.Rate{PerSecond: 1, Burst: 1}, Device: api.Rate{PerSecond: 1, Burst: 1},
	}})
	for range 5 {
		h.post(t, cpay.MethodQueryOrder, envelope(about(h.number()).text(), object{"a": object{"authen_type": 1, "authen_code": mac(strings.Repeat("x", 32), "")}})).is(t, 101, 7)
	}
	h.call(t, cpay.MethodQueryOrder, about(h.number())).is(t, 104, 400)
}

func TestAHastyDeviceIsAskedToWait(t *testing.T) {
	t.Parallel()
	c := newClock()
	h := newHouse(t, options{now: c.now, limits: api.Limits{Device: api.Rate{PerSecond: 1, Burst: 2}}})
	no, code := h.number(), h.code(pay.Wxpay, "")
	h.call(t, cpay.MethodMicroPay, microPay(no, code, 2)).is(t, 0, 0)
	h.call(t, cpay.MethodQueryOrder, about(no)).is(t, 0, 0)
	a := h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 2, 2))
	a.is(t, 103, 0)
	if !strings.Contains(a.text, "设备请求过于频繁") {
		t.Errorf("described as %q", a.text)
	}
	if o := h.order(no); o.Reserved != 0 {
		t.Errorf("a request that was not served reserved %d", o.Reserved)
	}
	h.call(t, cpay.MethodQueryOrder, about(no).with("order_client.device_id", "till-2")).is(t, 0, 0)
	h.call(t, cpay.MethodQueryOrder, about(no).with("order_client", nil)).is(t, 0, 0)
	c.advance(time.Second)
	h.call(t, cpay.MethodQueryOrder, about(no)).is(t, 0, 0)
}

// from posts a body as if it came from an address, which a test on loopback
// cannot do otherwise.
func (h *house) from(t *testing.T, remote, method, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, cpay.Path(method), strings.NewReader(body))
	r.RemoteAddr = remote
	w := httptest.NewRecorder()
	h.server.Handler().ServeHTTP(w, r)
	return read(t, method, theKey, w.Body.Bytes())
}

func TestFloodsOfStrangersAreCutOffByAddress(t *testing.T) {
	t.Parallel()
	c := newClock()
	h := newHouse(t, options{now: c.now, limits: api.Limits{Stranger: api.Rate{PerSecond: 1, Burst: 5}}})
	honest := string(byMAC(about(h.number()).text()))
	wrong := string(envelope(about(h.number()).text(), object{"a": object{"authen_type": 1, "authen_code": strings.Repeat("0", 64)}}))
	for i := range 5 {
		h.from(t, "203.0.113.9:"+strconv.Itoa(1000+i), cpay.MethodQueryOrder, honest).is(t, 104, 400) // costs nothing
		h.from(t, "203.0.113.9:"+strconv.Itoa(1000+i), cpay.MethodQueryOrder, []string{wrong, "junk", ""}[i%3]).is(t, 101, []int64{7, 0, 0}[i%3])
	}
	for _, body := range []string{wrong, "junk", honest} {
		// 3 and not 101: a device behind the same address must not take its payment for failed.
		h.from(t, "203.0.113.9:7", cpay.MethodQueryOrder, body).is(t, 3, 0)
	}
	h.from(t, "203.0.113.10:7", cpay.MethodQueryOrder, wrong).is(t, 101, 7)
	h.from(t, "203.0.113.10:7", cpay.MethodQueryOrder, honest).is(t, 104, 400)
	c.advance(time.Second)
	h.from(t, "203.0.113.9:7", cpay.MethodQueryOrder, honest).is(t, 104, 400)
	for range 20 {
		h.from(t, "127.0.0.1:7", cpay.MethodQueryOrder, wrong).is(t, 101, 7)
	}
	if strings.Contains(h.log.String(), "too many refused") {
		t.Error("a flood fills the log")
	}
}

// thousand is how many terminals keep a connection in TestAThousandConnections.
const thousand = 1000

// TestAThousandConnections: with 1,000 connections open, each of them gets the
// same right answers as the first would alone (issue 3).
func TestAThousandConnections(t *testing.T) {
	t.Parallel()
	n := thousand
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if want := uint64(3 * thousand); files.Cur < want {
		files.Cur = min(files.Max, want)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
			t.Fatal(err)
		}
	}
	if room := int(min(files.Cur, 1<<20)) / 3; room < n { // both ends are ours
		t.Logf("THIS MACHINE ALLOWS ONLY %d OPEN FILES: TESTED WITH %d CONNECTIONS INSTEAD OF %d", files.Cur, room, n)
		n = room
	}
	h := newHouse(t, options{})
	no := h.paid(t, pay.Wxpay, 2)
	alone := h.call(t, cpay.MethodQueryOrder, about(no))
	open := make([]net.Conn, n)
	for i := range open {
		open[i] = h.connect(t)
	}
	query := func(device int) string {
		body := byMAC(about(no).with("order_client", nil).with("nonce_str", strconv.Itoa(device)).text())
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", cpay.Path(cpay.MethodQueryOrder), len(body), body)
	}
	var group sync.WaitGroup
	for i, conn := range open { // all at once
		group.Go(func() {
			r := bufio.NewReader(conn)
			for range 2 {
				_, _ = io.WriteString(conn, "\r\nPOST /cpay/ping HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nCPing")
				if _, body := rawAnswer(t, r); !strings.Contains(string(body), `"status":0`) {
					t.Errorf("connection %d: ping is answered %s", i, body)
				}
				_, _ = io.WriteString(conn, query(i))
				_, body := rawAnswer(t, r)
				a := read(t, cpay.MethodQueryOrder, theKey, body)
				for _, member := range []string{"out_trade_no", "total_fee", "transaction_id", "wxpay_order_content_ext.current_trade_state"} {
					if got, want := a.get("order_content."+member), alone.get("order_content."+member); got != want || got == "" {
						t.Errorf("connection %d: %s is %q, want %q", i, member, got, want)
					}
				}
			}
		})
	}
	group.Wait()
}
