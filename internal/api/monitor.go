package api

import (
	"context"

	"cloudpay/cpay"
	"cloudpay/internal/monitor"
)

// uploadClientMonitorInfo keeps what a client tells of its calls (protocol.md
// §2.7). It is never refused for what it says (R06).
func (s *Server) uploadClientMonitorInfo(ctx context.Context, c *call, _ *cpay.UploadClientMonitorInfoRequest) (cpay.Message, error) {
	interval, err := s.upload(ctx, c, monitor.Calls)
	if err != nil {
		return nil, err
	}
	return &cpay.UploadClientMonitorInfoResponse{Interval: interval}, nil
}

// uploadClientConfInfo keeps what a client tells of its machine.
func (s *Server) uploadClientConfInfo(ctx context.Context, c *call, _ *cpay.UploadClientConfInfoRequest) (cpay.Message, error) {
	if _, err := s.upload(ctx, c, monitor.Conf); err != nil {
		return nil, err
	}
	return &cpay.UploadClientConfInfoResponse{}, nil
}

// deviceReport keeps what a device tells of itself (§2.5 no. 32).
func (s *Server) deviceReport(ctx context.Context, c *call, _ *cpay.DeviceReportRequest) (cpay.Message, error) {
	if _, err := s.upload(ctx, c, monitor.Device); err != nil {
		return nil, err
	}
	return &cpay.DeviceReportResponse{}, nil
}

// upload hands the exact content to the monitor, which reads it as leniently as
// it can.
func (s *Server) upload(ctx context.Context, c *call, kind monitor.Kind) (interval int64, err error) {
	return s.Monitor.Accept(ctx, monitor.Upload{
		Kind: kind, MerchantID: c.merchant.ID, Prefixes: c.merchant.Prefixes, Content: string(c.envelope.Content()),
	})
}
