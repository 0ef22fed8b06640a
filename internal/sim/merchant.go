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

// callbackLink carries callbacks. notify makes its own connections, so it gets
// one end of a pipe, and at the other end one request is read and carried on.
func (w *world) callbackLink(from *process) *link {
	return &link{w: w, name: "callback", from: from, to: func() (http.Handler, *process) {
		if w.weather.deaf.at(w.Now()) {
			w.fault("merchant's endpoint dead")
			return nil, nil
		}
		return http.HandlerFunc(w.callback), nil
	}}
}

// dialMerchant is notify.Config.Dial.
func (p *process) dialMerchant(context.Context, string, string) (net.Conn, error) {
	if p.isDead() {
		return nil, errDead
	}
	ours, theirs := net.Pipe()
	l := p.w.callbackLink(p)
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
		req.URL.Scheme, req.URL.Host, req.RequestURI = "http", merchantAt, ""
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

// callback is the merchants' endpoint: it verifies, remembers and acknowledges.
func (w *world) callback(rw http.ResponseWriter, r *http.Request) {
	if w.weather.deaf.at(w.Now()) {
		http.Error(rw, "down", http.StatusInternalServerError)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if err := w.take(r.Context(), body); err != nil {
		w.note("merchant", "does not take a callback: %v", err)
		http.Error(rw, "no", http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(rw, `{"response_content":"{\"status\":0}"}`)
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
		w.told.event("paid "+m.OrderContent.OutTradeNo, w)
		if s := m.OrderContent.Outcome(); s == cpay.StatePaid || s == cpay.StateRefunded {
			w.tellPaid(ctx, m.OrderContent.OutTradeNo, m.OrderContent.TotalFee, "a callback")
		} else {
			w.violated("a paid callback of %s says %v", m.OrderContent.OutTradeNo, s)
		}
	case *cpay.RefundCallback:
		for i := range m.RefundOrderContent {
			w.told.event("refund "+m.RefundOrderContent[i].OutRefundNo, w)
		}
	case *cpay.ReverseCallback:
		w.told.event("reversed "+m.OutTradeNo, w)
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
