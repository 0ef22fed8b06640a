package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"cloudpay/internal/api"
	"cloudpay/internal/manage"
)

// requestCmd finds a request by what its caller read in the answer.
type requestCmd struct {
	manageFlags
	LogID uint32 `arg:"" name:"log-id" help:"The log_id of the answer."`
}

// Run prints what a running server remembers of the request.
func (c *requestCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, pathOf("requests", strconv.FormatUint(uint64(c.LogID), 10)), nil)
}

// answeredBy is the management API's way to the requests that a server has
// answered.
func answeredBy(s *api.Server) func(logID uint32) (manage.AnsweredRequest, bool) {
	return func(logID uint32) (manage.AnsweredRequest, bool) {
		r, found := s.Find(logID)
		return manage.AnsweredRequest{
			LogID: r.LogID, At: r.At.UTC().Truncate(time.Millisecond), TookMS: r.Took.Milliseconds(), Method: r.Method, MerchantID: r.MerchantID, DeviceID: r.DeviceID,
			OutTradeNo: r.OutTradeNo, OutRefundNo: r.OutRefundNo, Status: int64(r.Status), InternalStatus: r.InternalStatus,
			Description: r.Description,
		}, found
	}
}
