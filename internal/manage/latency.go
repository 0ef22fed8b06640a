package manage

import (
	"context"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/monitor"
)

// ClientLatency is how long clients waited for one interface.
type ClientLatency struct {
	Interface string `json:"interface" doc:"接口名，未知为 other"`
	Domain    string `json:"domain" doc:"域名，未配置的为 other"`
	Status    string `json:"status" doc:"status，未知为 other"`
	Count     int64  `json:"count"`
	P50MS     int64  `json:"p50_ms" doc:"毫秒，下同"`
	P95MS     int64  `json:"p95_ms"`
	P99MS     int64  `json:"p99_ms"`
	MaxMS     int64  `json:"max_ms"`
}

type latencyInput struct {
	MerchantID string    `query:"out_sub_mch_id" doc:"为空是所有子商户，仅限运维" maxLength:"32"`
	From       time.Time `query:"from" doc:"含此时刻之后开始的小时，默认 24 小时前"`
	To         time.Time `query:"to" doc:"到何时止（不含），默认现在；最长 30 天"`
}

// clientLatency sums what clients reported, by the hour.
func (s *Server) clientLatency(ctx context.Context, a *actor, in *latencyInput) (*answer[Page[ClientLatency]], error) {
	if in.MerchantID == "" {
		if err := a.keepsRunning(); err != nil {
			return nil, err
		}
	} else if _, err := s.merchant(ctx, a, directory.SeeCallbacks, in.MerchantID); err != nil {
		return nil, err
	}
	const usual = 24 * time.Hour
	if in.To.IsZero() {
		in.To = s.Now()
	}
	if in.From.IsZero() {
		in.From = in.To.Add(-usual)
	}
	figures, err := s.Monitor.Latency(ctx, in.MerchantID, in.From, in.To)
	if err != nil {
		return nil, err
	}
	out := Page[ClientLatency]{Items: make([]ClientLatency, 0, len(figures))}
	for _, f := range figures {
		out.Items = append(out.Items, latencyOf(f))
	}
	return ok(out), nil
}

func latencyOf(f monitor.Latency) ClientLatency {
	return ClientLatency{
		Interface: f.Interface, Domain: f.Domain, Status: f.Status, Count: f.Count,
		P50MS: f.P50MS, P95MS: f.P95MS, P99MS: f.P99MS, MaxMS: f.MaxMS,
	}
}
