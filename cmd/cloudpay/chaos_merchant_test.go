package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"cloudpay/cpay"
)

// chaosMerchants is the endpoint of all merchants: it verifies, remembers and
// acknowledges, and a fifth of the time it does not at first.
type chaosMerchants struct {
	keys   []cpay.Key
	server *httptest.Server
	away   atomic.Bool // it refuses everything
	healed atomic.Bool // it refuses nothing any more

	tried    chaosSet     // events by what was heard of them, taken or not
	heard    chaosSet     // events that were taken, "paid NO", "refund NO", "reversed NO"
	wrong    chaosSet     // what verified and was not true, or did not verify
	refused  atomic.Int64 // attempts that were refused or cut
	verified atomic.Int64
}

func newChaosMerchants(t *testing.T, people []demoMerchant) *chaosMerchants {
	t.Helper()
	m := &chaosMerchants{}
	for _, p := range people {
		m.keys = append(m.keys, cpay.NewKey(p.AuthenKey))
	}
	m.server = httptest.NewServer(m)
	t.Cleanup(func() {
		m.server.CloseClientConnections()
		m.server.Close()
	})
	return m
}

// url is where one merchant listens.
func (m *chaosMerchants) url(merchant int) string {
	return m.server.URL + "/" + strconv.Itoa(merchant)
}

// ServeHTTP takes one callback. Of ten events, the first attempt of one is
// refused, and one is taken while the acknowledgement is lost.
func (m *chaosMerchants) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if m.away.Load() {
		m.refused.Add(1)
		http.Error(rw, "down", http.StatusServiceUnavailable)
		return
	}
	who, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	body, err2 := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || err2 != nil || who < 0 || who >= len(m.keys) {
		return // cut off in the middle
	}
	event, err := m.read(who, body)
	if err != nil {
		m.wrong.add(err.Error())
		http.Error(rw, "no", http.StatusBadRequest)
		return
	}
	m.verified.Add(1)
	first := m.tried.add(event) == 1 && !m.healed.Load()
	h := fnv.New64a()
	_, _ = io.WriteString(h, event)
	switch dice := h.Sum64() % 10; {
	case first && dice == 0:
		m.refused.Add(1)
		http.Error(rw, "not now", http.StatusInternalServerError)
		return
	case first && dice == 1:
		m.refused.Add(1)
		m.heard.add(event)
		panic(http.ErrAbortHandler)
	}
	m.heard.add(event)
	_, _ = rw.Write(cpay.SealCallbackReply(cpay.CallbackReply{}, m.keys[who]))
}

// read verifies a callback and says what it tells.
func (m *chaosMerchants) read(who int, body []byte) (string, error) {
	e, err := cpay.Open(body, cpay.Keys{AuthenKey: m.keys[who]})
	if err != nil {
		return "", fmt.Errorf("a callback does not verify: %w", err)
	}
	msg, err := e.Callback()
	if err != nil {
		return "", fmt.Errorf("a callback cannot be read: %w", err)
	}
	switch msg := msg.(type) {
	case *cpay.PayCallback:
		if s := msg.OrderContent.Outcome(); s != cpay.StatePaid && s != cpay.StateRefunded {
			return "", fmt.Errorf("a paid callback of %s says %v", msg.OrderContent.OutTradeNo, s)
		}
		return "paid " + msg.OrderContent.OutTradeNo, nil
	case *cpay.RefundCallback:
		if len(msg.RefundOrderContent) != 1 {
			return "", fmt.Errorf("a refund callback tells of %d refunds", len(msg.RefundOrderContent))
		}
		return "refund " + msg.RefundOrderContent[0].OutRefundNo, nil
	case *cpay.ReverseCallback:
		return "reversed " + msg.OutTradeNo, nil
	}
	return "", fmt.Errorf("a callback of type %T", msg)
}
