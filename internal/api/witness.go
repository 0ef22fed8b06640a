package api

import (
	"strconv"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/evidence"
)

// witness keeps a request about an order. The bytes of those that move money
// are kept; of questions, which a till repeats every few seconds, only that
// they were asked and how they were answered.
func (s *Server) witness(c *call, order, refund string, took time.Duration) {
	if s.Evidence == nil || order == "" && refund == "" && c.hinted == "" {
		return
	}
	r := evidence.Record{
		Kind: evidence.Request, MerchantID: c.hinted, OutTradeNo: order, OutRefundNo: refund, At: s.Now().Add(-took).UTC().Truncate(time.Millisecond),
		Took: took, Name: c.route.method, Verdict: strconv.FormatInt(int64(c.head.Status), 10), Verified: c.known,
		Text: c.head.Description, DeviceID: c.about.device, LogID: int64(c.head.LogID),
	}
	if moves(c.route.method) {
		r.Exchanges = []evidence.Exchange{{Method: "POST", URL: cpay.Path(c.route.method), Request: evidence.Raw(c.body)}}
	}
	if !c.known {
		if r.Exchanges != nil { // without its bytes nobody could find it
			s.Evidence.AddStranger(r)
		}
		return
	}
	r.MerchantID = c.merchant.ID
	s.Evidence.Add(r)
}

// moves reports whether an interface may move money.
func moves(m cpay.Method) bool {
	switch m {
	case cpay.MethodMicroPay, cpay.MethodScanCodePay, cpay.MethodOfficialAccountPay, cpay.MethodMiniProgramPay, cpay.MethodAppPay,
		cpay.MethodMobWebPay, cpay.MethodCloseOrder, cpay.MethodReverse, cpay.MethodRefund, cpay.MethodBriefMicroPay:
		return true
	}
	return false
}
