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

// owner says whose key authenticates an interface (protocol.md §1.4).
type owner uint8

const (
	byMerchant owner = iota // named by pay_mch_key.out_sub_mch_id or out_sub_mch_id
	byShop                  // named by osi, the out_shop_id of the brief interfaces
	byDevice                // named by sn_code or sn: the init key of a device from the factory
)

// route is one enveloped interface of Cloud Pay.
type route struct {
	method cpay.Method // the last part of the path
	member string      // the object in the answer
	owner  owner
	brief  bool  // the envelope {"r","a"} (protocol.md §1.9)
	limit  int64 // longest body in bytes
	serve  func(*Server, *route) http.Handler
}

// table is every enveloped interface, in the order of protocol.md §2. A
// signature is taken instead of a code wherever the merchant has a public key
// (protocol.md §1.3); the handlers of refund and reverse may demand it.
func table() []route {
	return []route{
		{method: cpay.MethodMicroPay, serve: enveloped((*Server).microPay)},
		{method: cpay.MethodQueryOrder, serve: enveloped((*Server).queryOrder)},
		{method: cpay.MethodCloseOrder, serve: enveloped((*Server).closeOrder)},
		{method: cpay.MethodReverse, serve: enveloped((*Server).reverse)},
		{method: cpay.MethodRefund, serve: enveloped((*Server).refund)},
		{method: cpay.MethodQueryRefundOrder, serve: enveloped((*Server).queryRefundOrder)},

		{method: methodMicroFreeze, serve: enveloped((*Server).deposit)},
		{method: methodScanCodeFreeze, member: memberScanCodeFreeze, serve: enveloped((*Server).deposit)},
		{method: methodDepositConsume, serve: enveloped((*Server).deposit)},
		{method: methodUnfreeze, serve: enveloped((*Server).deposit)},
		{method: methodQueryFreezeOrder, serve: enveloped((*Server).deposit)},
		{method: methodQueryUnfreezeOrder, serve: enveloped((*Server).deposit)},
	}
}

// routes returns the table with its defaults filled in.
func routes() []route {
	all := table()
	for i := range all {
		r := &all[i]
		if r.member == "" {
			r.member = r.method
		}
		if r.limit == 0 {
			r.limit = maxBody
		}
	}
	return all
}

// Handler returns all routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.Handle("POST "+cpay.Path(r.method), r.serve(s, &r))
	}
	mux.HandleFunc(noticePattern, s.notice)
	mux.HandleFunc("GET /cpay/ping", s.ping)
	mux.HandleFunc("POST /cpay/ping", s.ping)
	mux.HandleFunc("GET /{$}", s.keepAlive)
	if s.Docs != nil {
		mux.Handle("GET /docs/", s.Docs)
	}
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
