package manage

import (
	"context"
	"time"

	"cloudpay/internal/pay"
)

// AnsweredRequest is one Cloud Pay request that a process has answered,
// without its content.
type AnsweredRequest struct {
	LogID          uint32    `json:"log_id"`
	At             time.Time `json:"at"`
	TookMS         int64     `json:"took_ms" doc:"处理耗时，毫秒"`
	Method         string    `json:"method" doc:"接口名"`
	MerchantID     string    `json:"out_sub_mch_id,omitempty" doc:"未认证的请求为空"`
	DeviceID       string    `json:"device_id,omitempty"`
	OutTradeNo     string    `json:"out_trade_no,omitempty"`
	OutRefundNo    string    `json:"out_refund_no,omitempty"`
	Status         int64     `json:"status"`
	InternalStatus int64     `json:"internal_status"`
	Description    string    `json:"description" doc:"应答给调用者的描述"`
}

type requestInput struct {
	LogID uint32 `path:"log_id" minimum:"1" doc:"应答中的 log_id"`
}

// answeredRequest finds a request by the log_id that its caller was told, for
// those who keep the system running. Only the process that answered it
// remembers it, and only its last requests: older ones are in the log.
func (s *Server) answeredRequest(_ context.Context, a *actor, in *requestInput) (*answer[AnsweredRequest], error) {
	if err := a.keepsRunning(); err != nil {
		return nil, err
	}
	if s.Requests != nil {
		if r, found := s.Requests(in.LogID); found {
			return ok(r), nil
		}
	}
	return nil, pay.Refuse(pay.ErrNotFound, "request_unknown", "本进程最近的请求中没有这个 log_id，请查日志")
}
