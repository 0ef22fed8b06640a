package api

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cloudpay/cpay"
)

// readyTime bounds the look at the store behind /readyz.
const readyTime = 2 * time.Second

// Handler returns all routes, in the order of the protocol's chapters.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /cpay/micro_pay", handle(s, cpay.MethodMicroPay, s.microPay))
	mux.Handle("POST /cpay/query_order", handle(s, cpay.MethodQueryOrder, s.queryOrder))
	mux.Handle("POST /cpay/close_order", handle(s, cpay.MethodCloseOrder, s.closeOrder))
	mux.Handle("POST /cpay/reverse", handle(s, cpay.MethodReverse, s.reverse))
	mux.Handle("POST /cpay/refund", handle(s, cpay.MethodRefund, s.refund))
	mux.Handle("POST /cpay/query_refund_order", handle(s, cpay.MethodQueryRefundOrder, s.queryRefundOrder))
	mux.HandleFunc("GET /cpay/ping", s.ping)
	mux.HandleFunc("POST /cpay/ping", s.ping)
	mux.HandleFunc("GET /{$}", s.keepAlive)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}))
	return mux
}

// ping answers any body, unauthenticated and flat (protocol.md §1.7).
func (s *Server) ping(w http.ResponseWriter, _ *http.Request) {
	write(w, cpay.Encode(&cpay.PingResponse{Description: "ok", Timestamp: s.Now().Unix()}))
}

// keepAlive answers the request by which devices hold their connection
// (protocol.md §2.5, R17): a plain 200 with a length, which the simplest HTTP
// reader in the field understands.
func (s *Server) keepAlive(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") }

// healthz says that the process runs.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") }

// readyz says whether requests can be served. The reason stays in the log.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		text(w, http.StatusServiceUnavailable, "not ready\n")
		return
	}
	text(w, http.StatusOK, "ready\n")
}

// text answers a person or a probe.
func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}
