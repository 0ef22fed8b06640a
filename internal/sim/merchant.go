package sim

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"cloudpay/cpay"
)

// Where merchants are told: at the provider's address, or at that of the order.
const (
	merchantAt = "127.0.0.1:9000"
	ownAt      = "127.0.0.1:9001"
	ownURL     = "http://" + ownAt + "/own"
)

// dead reports whether an endpoint takes nothing at this moment.
func (w *world) dead(at string) bool { return w.weather.deaf[at].at(w.Now()) }

// callbackLink carries callbacks. notify makes its own connections, so it gets
// one end of a pipe, and at the other end one request is read and carried on.
func (w *world) callbackLink(from *process, at string) *link {
	return &link{w: w, name: "callback", from: from, to: func() (http.Handler, *process) {
		if w.dead(at) {
			w.fault("merchant's endpoint dead")
			return nil, nil
		}
		return http.HandlerFunc(w.callback), nil
	}}
}

// dialMerchant is notify.Config.Dial.
func (p *process) dialMerchant(_ context.Context, _, address string) (net.Conn, error) {
	if p.isDead() {
		return nil, errDead
	}
	ours, theirs := net.Pipe()
	l := p.w.callbackLink(p, address)
	p.w.spawn(func() { //nolint:contextcheck // the merchant does not end with the dialling
		defer func() { _ = theirs.Close() }()
		req, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.URL.Scheme, req.URL.Host, req.RequestURI = "http", address, ""
		// The caller gives up after notify's limit; he closes the pipe then.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		res, err := l.RoundTrip(req.WithContext(ctx))
		if err != nil {
			return
		}
		defer func() { _ = res.Body.Close() }()
		res.Close = true
		_ = res.Write(theirs)
	})
	return ours, nil
}

// failing is how a merchant's endpoint fails.
type failing int

// The ways in which a merchant does not acknowledge.
const (
	works    failing = iota
	breaks           // before it has taken the callback
	forgets          // after it has: the same comes again
	declines         // it has taken it and answers another status than 0
	babbles          // it has taken it and its answer is no reply
	hangs            // it has taken it and never answers
)

var failings = [...]string{
	breaks: "merchant: breaks", forgets: "merchant: takes it and breaks", declines: "merchant: takes it and declines",
	babbles: "merchant: takes it and babbles", hangs: "merchant: takes it and hangs",
}

// fails throws how the endpoint fails this time.
func (w *world) fails(path string) failing {
	r := w.dice("merchant", path)
	if w.calmed() || r.Float64() >= w.weather.failing {
		return works
	}
	how := breaks + failing(r.IntN(int(hangs)))
	w.fault(failings[how])
	return how
}

// callback is the merchants' endpoint: it verifies, remembers and acknowledges.
func (w *world) callback(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	how := w.fails(r.URL.Path)
	if w.dead(r.Host) || how == breaks {
		http.Error(rw, "down", http.StatusInternalServerError)
		return
	}
	if err := w.take(r.Context(), body); err != nil {
		w.note("merchant", "does not take a callback: %v", err)
		http.Error(rw, "no", http.StatusBadRequest)
		return
	}
	switch how {
	case works, breaks:
		_, _ = io.WriteString(rw, `{"response_content":"{\"status\":0}"}`)
	case forgets:
		http.Error(rw, "down", http.StatusInternalServerError)
	case declines:
		_, _ = io.WriteString(rw, `{"response_content":"{\"status\":1}"}`)
	case babbles:
		_, _ = io.WriteString(rw, "<html>OK</html>")
	case hangs:
		w.sleep(time.Minute)
		panic(http.ErrAbortHandler)
	}
}

// take reads one callback. What does not verify is not taken.
func (w *world) take(ctx context.Context, body []byte) error {
	e, err := w.opened(body)
	if err != nil {
		return err
	}
	m, err := e.Callback()
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *cpay.PayCallback:
		w.hear("paid "+m.OrderContent.OutTradeNo, m.OrderContent.OutTradeNo, m.OrderContent.TotalFee)
		if s := m.OrderContent.Outcome(); s == cpay.StatePaid || s == cpay.StateRefunded {
			w.tellPaid(ctx, m.OrderContent.OutTradeNo, m.OrderContent.TotalFee, "a callback")
		} else {
			w.violated("a paid callback of %s says %v", m.OrderContent.OutTradeNo, s)
		}
	case *cpay.RefundCallback:
		for i := range m.RefundOrderContent {
			r := &m.RefundOrderContent[i]
			w.hear("refund "+r.OutRefundNo, r.OutTradeNo, -r.RefundFee)
		}
	case *cpay.ReverseCallback:
		w.hear("reversed "+m.OutTradeNo, m.OutTradeNo, 0)
	}
	return nil
}

// numberLen is the length of every order and refund number of a run.
const numberLen = len(prefix) + 8

// number makes an order or refund number: who, and his how-manieth.
func number(sale, n int) string {
	s := strconv.Itoa(sale*1000 + n)
	return prefix + "00000000"[len(s):] + s
}
