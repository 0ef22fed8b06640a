package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/monitor"
)

// MonitorRecord is one thing that a client told of itself.
type MonitorRecord struct {
	ID         string     `json:"id"`
	MerchantID string     `json:"out_sub_mch_id"`
	Kind       string     `json:"kind" doc:"call、conf 或 device"`
	At         time.Time  `json:"at" doc:"收到的时间"`
	ShopID     string     `json:"out_shop_id,omitempty"`
	DeviceID   string     `json:"device_id,omitempty"`
	SN         string     `json:"sn_code,omitempty"`
	OrderNo    string     `json:"order_no,omitempty"`
	Interface  string     `json:"interface,omitempty"`
	Domain     string     `json:"domain,omitempty"`
	Status     int64      `json:"status"`
	LogID      int64      `json:"log_id,omitempty"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	CostMS     int64      `json:"cost_ms" doc:"耗时，毫秒；-1 为未知"`
	Text       string     `json:"text,omitempty" doc:"其余内容，付款码与密钥已隐去"`
}

type monitorInput struct {
	MerchantID string    `query:"out_sub_mch_id" doc:"按设备或时间查询时必填；为空是所有子商户，仅限运维" maxLength:"32"`
	LogID      int64     `query:"log_id" minimum:"0"`
	OrderNo    string    `query:"order_no" maxLength:"32"`
	DeviceID   string    `query:"device_id" maxLength:"32"`
	SN         string    `query:"sn_code" maxLength:"127"`
	From       time.Time `query:"from" doc:"从何时起（含），默认 30 天前"`
	To         time.Time `query:"to" doc:"到何时止（不含）"`
	After      string    `query:"after" maxLength:"80"`
	Limit      int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (s *Server) registerMonitor() {
	add(s, operation{id: "search-monitor", method: http.MethodGet, path: "/v1/monitor", summary: "查询终端上报的调用与日志，新的在前", tag: "运维"}, s.searchMonitor)
	add(s, operation{id: "client-latency", method: http.MethodGet, path: "/v1/monitor/latency", summary: "终端上报的接口耗时", tag: "运维"}, s.clientLatency)
	add(s, operation{id: "get-request", method: http.MethodGet, path: "/v1/requests/{log_id}", summary: "按 log_id 查一次云支付请求", tag: "运维"}, s.answeredRequest)
}

func (s *Server) searchMonitor(ctx context.Context, a *actor, in *monitorInput) (*answer[Page[MonitorRecord]], error) {
	if in.MerchantID == "" {
		if err := a.keepsRunning(); err != nil {
			return nil, err
		}
	} else if _, err := s.merchant(ctx, a, directory.SeeCallbacks, in.MerchantID); err != nil {
		return nil, err
	}
	p, err := s.Monitor.Search(ctx, monitor.Filter{
		MerchantID: in.MerchantID, LogID: in.LogID, OrderNo: in.OrderNo, DeviceID: in.DeviceID, SN: in.SN, From: in.From, To: in.To,
	}, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := Page[MonitorRecord]{Items: make([]MonitorRecord, 0, len(p.Records)), Next: p.Next}
	for _, r := range p.Records {
		v := MonitorRecord{
			ID: r.ID, MerchantID: r.MerchantID, Kind: string(r.Kind), At: r.At, ShopID: r.ShopID, DeviceID: r.DeviceID, SN: r.SN, OrderNo: r.OrderNo,
			Interface: r.Interface, Domain: r.Domain, Status: r.Status, LogID: r.LogID, StartedAt: moment(r.StartedAt), CostMS: r.Cost.Milliseconds(), Text: r.Text,
		}
		if r.Cost < 0 {
			v.CostMS = -1
		}
		out.Items = append(out.Items, v)
	}
	return ok(out), nil
}
