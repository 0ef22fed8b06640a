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

// route is one enveloped interface of Cloud Pay. What the protocol says of its
// form follows from the method, in package cpay.
type route struct {
	method cpay.Method // the last part of the path
	owner  owner
	serve  func(*Server, *route) http.Handler

	member string // the object in the answer: not always the method
	limit  int64  // longest body in bytes
	seal   func(cpay.Head, cpay.Method, cpay.Message, cpay.Key) []byte
}

// table is every enveloped interface, in the order of protocol.md §2. A
// signature is taken instead of a code wherever the merchant has a public key
// (protocol.md §1.3); the handlers of refund and reverse may demand it.
func table() []route {
	return []route{
		{method: cpay.MethodMicroPay, serve: enveloped((*Server).microPay)},
		{method: cpay.MethodScanCodePay, serve: enveloped((*Server).scanCodePay)},
		{method: cpay.MethodOfficialAccountPay, serve: enveloped((*Server).officialAccountPay)},
		{method: cpay.MethodMiniProgramPay, serve: enveloped((*Server).miniProgramPay)},
		{method: cpay.MethodAppPay, serve: enveloped((*Server).appPay)},
		{method: cpay.MethodMobWebPay, serve: enveloped((*Server).mobWebPay)},

		{method: cpay.MethodQueryOrder, serve: enveloped((*Server).queryOrder)},
		{method: cpay.MethodCloseOrder, serve: enveloped((*Server).closeOrder)},
		{method: cpay.MethodReverse, serve: enveloped((*Server).reverse)},
		{method: cpay.MethodRefund, serve: enveloped((*Server).refund)},
		{method: cpay.MethodQueryRefundOrder, serve: enveloped((*Server).queryRefundOrder)},

		{method: cpay.MethodClientOrderDetail, serve: enveloped((*Server).clientOrderDetail)},
		{method: cpay.MethodQueryOrderList, serve: enveloped((*Server).queryOrderList)},
		{method: cpay.MethodQueryOrderListOverview, serve: enveloped((*Server).queryOrderListOverview)},
		{method: cpay.MethodClientSubMchSalesOverview, serve: enveloped((*Server).clientSubMchSalesOverview)},
		{method: cpay.MethodDownloadBill, serve: enveloped((*Server).downloadBill)},

		{method: cpay.MethodQuerySubMchShopInfo, serve: enveloped((*Server).querySubMchShopInfo)},
		{method: cpay.MethodSetSubMchShopInfo, serve: enveloped((*Server).setSubMchShopInfo)},
		{method: cpay.MethodSDKQuerySubMchInfo, serve: enveloped((*Server).sdkQuerySubMchInfo)},
		{method: cpay.MethodQueryIdentityMapping, serve: enveloped((*Server).queryIdentityMapping)},
		{method: cpay.MethodClientInitialize, serve: enveloped((*Server).clientInitialize)},
		{method: cpay.MethodClientTryGetInitializers, serve: enveloped((*Server).clientTryGetInitializers)},

		{method: cpay.MethodUnbindDeviceSNCode, serve: enveloped((*Server).unbindDeviceSNCode)},
		{method: cpay.MethodCheckBillDeviceBindInfo, owner: byDevice, serve: enveloped((*Server).checkBillDeviceBindInfo)},
		{method: cpay.MethodGenerateBillDeviceBindQRCode, owner: byDevice, serve: enveloped((*Server).generateBillDeviceBindQRCode)},
		{method: cpay.MethodGetBillDeviceBindInfo, owner: byDevice, serve: enveloped((*Server).getBillDeviceBindInfo)},
		{method: cpay.MethodBriefMicroPay, owner: byShop, serve: enveloped((*Server).briefMicroPay)},
		{method: cpay.MethodBriefQueryOrder, owner: byShop, serve: enveloped((*Server).briefQueryOrder)},
		{method: cpay.MethodBriefQueryOrderList, owner: byShop, serve: enveloped((*Server).briefQueryOrderList)},
		{method: cpay.MethodBriefQueryOrderListOverview, owner: byShop, serve: enveloped((*Server).briefQueryOrderListOverview)},
		{method: cpay.MethodDeviceReport, serve: enveloped((*Server).deviceReport)},

		{method: cpay.MethodMicroFreeze, serve: enveloped((*Server).deposit)},
		{method: cpay.MethodScancodeFreeze, serve: enveloped((*Server).deposit)},
		{method: cpay.MethodDepositConsume, serve: enveloped((*Server).deposit)},
		{method: cpay.MethodUnfreeze, serve: enveloped((*Server).deposit)},
		{method: cpay.MethodQueryFreezeOrder, serve: enveloped((*Server).deposit)},
		{method: cpay.MethodQueryUnfreezeOrder, serve: enveloped((*Server).deposit)},

		{method: cpay.MethodUploadClientMonitorInfo, serve: enveloped((*Server).uploadClientMonitorInfo)},
		{method: cpay.MethodUploadClientConfInfo, serve: enveloped((*Server).uploadClientConfInfo)},
	}
}

// routes returns the table with what the protocol says of each method.
func routes() []route {
	all := table()
	for i := range all {
		r := &all[i]
		r.member, r.limit, r.seal = cpay.ResponseMember(r.method), int64(cpay.MaxRequest(r.method)), cpay.SealResponse
		if cpay.Brief(r.method) {
			r.seal = cpay.SealBriefResponse
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
	mux.HandleFunc("GET "+cpay.Path(cpay.MethodUseDeviceSetting), s.useDeviceSetting)
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
