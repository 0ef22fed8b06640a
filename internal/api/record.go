package api

import (
	"strings"
	"sync"
	"time"

	"cloudpay/cpay"
)

// subject is what a request is about, for limits and for finding it again.
type subject struct {
	device string
	order  string // out_trade_no
	refund string // out_refund_no
}

// subjectOf reads it from a message.
func subjectOf(m cpay.Request) subject {
	switch m := m.(type) {
	case *cpay.MicroPayRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.PayContent.OutTradeNo}
	case *cpay.ScanCodePayRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.PayContent.OutTradeNo}
	case *cpay.OfficialAccountPayRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.PayContent.OutTradeNo}
	case *cpay.MiniProgramPayRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.PayContent.OutTradeNo}
	case *cpay.AppPayRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.PayContent.OutTradeNo}
	case *cpay.MobWebPayRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.PayContent.OutTradeNo}
	case *cpay.QueryOrderRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.OutTradeNo}
	case *cpay.CloseOrderRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.OutTradeNo}
	case *cpay.ReverseRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.OutTradeNo}
	case *cpay.RefundRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.RefundContent.OutTradeNo, refund: m.RefundContent.OutRefundNo}
	case *cpay.QueryRefundOrderRequest:
		return subject{device: m.OrderClient.DeviceID, order: m.OutTradeNo, refund: m.OutRefundNo}
	}
	return deviceSubject(m)
}

// deviceSubject is subjectOf for requests that name their device elsewhere than
// in order_client.
func deviceSubject(m cpay.Request) subject {
	switch m := m.(type) {
	case *cpay.ClientOrderDetailRequest:
		return subject{device: m.DeviceID}
	case *cpay.QueryOrderListRequest:
		return subject{device: m.DeviceID}
	case *cpay.QueryOrderListOverviewRequest:
		return subject{device: m.DeviceID, order: m.OutTradeNo, refund: m.OutRefundNo}
	case *cpay.UnbindDeviceSNCodeRequest:
		return subject{device: m.DeviceID}
	case *cpay.CheckBillDeviceBindInfoRequest:
		return subject{device: m.SNCode}
	case *cpay.GenerateBillDeviceBindQRCodeRequest:
		return subject{device: m.SNCode}
	case *cpay.GetBillDeviceBindInfoRequest:
		return subject{device: m.SNCode}
	case *cpay.BriefMicroPayRequest:
		return subject{device: m.DeviceID, order: m.OutTradeNo}
	case *cpay.BriefQueryOrderRequest:
		return subject{device: m.DeviceID, order: m.OutTradeNo}
	case *cpay.BriefQueryOrderListRequest:
		return subject{device: m.DeviceID}
	case *cpay.BriefQueryOrderListOverviewRequest:
		return subject{device: m.DeviceID}
	case *cpay.DeviceReportRequest:
		return subject{device: m.DeviceID}
	case *cpay.UploadClientMonitorInfoRequest:
		return subject{device: m.OrderClient.DeviceID}
	case *cpay.UploadClientConfInfoRequest:
		return subject{device: m.OrderClient.DeviceID}
	}
	return subject{}
}

// Record is one request that was answered, without its content.
type Record struct {
	LogID          uint32 // as the caller was told
	At             time.Time
	Took           time.Duration
	Method         cpay.Method
	MerchantID     string // "" if the caller was not identified
	DeviceID       string
	OutTradeNo     string
	OutRefundNo    string
	Status         cpay.Status
	InternalStatus int64
	Description    string // as the caller was told
}

// recordsKept is how many requests are remembered for an operator who was
// given a log_id: minutes at the highest load, days in a small shop, 3 MiB.
// Older ones are in the log.
const recordsKept = 10_000

// records remembers the last requests. It is safe for concurrent use.
type records struct {
	mu   sync.Mutex
	ring []Record
	next int
}

// add remembers a request. Its texts are copied, because they are pieces of
// requests that must not be kept for them.
func (r *records) add(v Record) {
	v.DeviceID, v.OutTradeNo, v.OutRefundNo = strings.Clone(v.DeviceID), strings.Clone(v.OutTradeNo), strings.Clone(v.OutRefundNo)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < recordsKept {
		r.ring = append(r.ring, v)
		return
	}
	r.ring[r.next] = v
	r.next = (r.next + 1) % recordsKept
}

// Find returns the request that was answered with this log_id, if it is one of
// the last 10,000.
func (s *Server) Find(logID uint32) (Record, bool) {
	r := &s.records
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ring {
		if r.ring[i].LogID == logID {
			return r.ring[i], true
		}
	}
	return Record{}, false
}
