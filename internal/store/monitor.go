package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/monitor"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// The store keeps what clients upload, and queues the purging of it.
var (
	_ monitor.Keeper = (*Store)(nil)
	_ monitor.Queue  = (*Store)(nil)
)

// maxMonitorFigures bounds an answer of MonitorLatency: interfaces × domains ×
// statuses that are told apart.
const maxMonitorFigures = 10_000

// MonitorUsage implements monitor.Keeper.
func (s *Store) MonitorUsage(ctx context.Context, merchantID, device, day string) (monitor.Usage, error) {
	r, err := s.read.GetMonitorUsage(ctx, sqlcgen.GetMonitorUsageParams{MerchantID: merchantID, Device: device, Day: day})
	if errors.Is(absent(err), pay.ErrNotFound) {
		return monitor.Usage{}, nil
	}
	return monitor.Usage{Records: r.Records, Bytes: r.Bytes}, wrap("read usage of monitoring", err)
}

// KeepMonitor implements monitor.Keeper. Its unit takes room of the device
// first: who finds none has lost. That the merchant has none left shows as a
// contradiction, which rolls the unit back.
func (s *Store) KeepMonitor(ctx context.Context, b monitor.Batch, device, merchant monitor.Usage) (kept bool, err error) {
	if len(b.Records) == 0 {
		return true, nil
	}
	u, q := s.newUnit("", b.MerchantID)
	id := func(i int) string { return fmt.Sprintf("%s.%03d", u.id, i) }
	first := sqlcgen.HasMonitorRecordParams{MerchantID: b.MerchantID, AtMs: ms(b.Records[0].At), ID: id(0)}
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		n, err := q.HasMonitorRecord(ctx, first)
		return n > 0, err
	}
	u.add(1)(q.UseMonitor(ctx, sqlcgen.UseMonitorParams{
		MerchantID: b.MerchantID, Device: b.Device, Day: b.Day, Records: int64(len(b.Records)), Bytes: b.Bytes, Unit: u.id,
		MaxRecords: device.Records, MaxBytes: device.Bytes,
	}))
	u.add(1)(q.UseMonitorOfUnit(ctx, sqlcgen.UseMonitorOfUnitParams{
		MerchantID: b.MerchantID, Device: b.Device, Day: b.Day, Records: int64(len(b.Records)), Bytes: b.Bytes, Unit: u.id,
		MaxRecords: merchant.Records, MaxBytes: merchant.Bytes,
	}))
	for i, r := range b.Records {
		u.add(1)(q.PutMonitorRecordOfUnit(ctx, sqlcgen.PutMonitorRecordOfUnitParams{
			AtMs: ms(r.At), ID: id(i), Kind: string(r.Kind), ShopID: r.ShopID, DeviceID: r.DeviceID, Sn: r.SN,
			OrderNo: r.OrderNo, Interface: r.Interface, Domain: r.Domain, Status: r.Status, LogID: r.LogID,
			StartedMs: ms(r.StartedAt), CostMs: costMS(r.Cost), Body: r.Text,
			MerchantID: b.MerchantID, Device: b.Device, Day: b.Day, Unit: u.id,
		}))
	}
	for _, h := range b.Latency {
		c := h.Counts
		u.add(1)(q.AddMonitorLatencyOfUnit(ctx, sqlcgen.AddMonitorLatencyOfUnitParams{
			HourMs: ms(h.Hour), Interface: h.Interface, Domain: h.Domain, Status: h.Status,
			C0: c[0], C1: c[1], C2: c[2], C3: c[3], C4: c[4], C5: c[5], C6: c[6], C7: c[7], C8: c[8],
			C9: c[9], C10: c[10], C11: c[11], C12: c[12], C13: c[13], C14: c[14], C15: c[15], C16: c[16],
			MaxMs: h.MaxMS, MerchantID: b.MerchantID, Device: b.Device, Day: b.Day, Unit: u.id,
		}))
	}
	kept, err = s.submit(ctx, u)
	if errors.Is(err, errContradiction) {
		return false, nil // the merchant has no room left
	}
	return kept, wrap("keep monitoring", err)
}

// costMS is how a duration is stored, -1 for none.
func costMS(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}

// SearchMonitor implements monitor.Keeper: one index per question.
func (s *Store) SearchMonitor(ctx context.Context, f monitor.Filter, after monitor.Cursor, limit int) ([]monitor.Record, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("search monitoring: limit must be between 1 and %d", maxList)
	}
	var (
		rows       []sqlcgen.MonitorRecord
		err        error
		from, most = ms(f.From), int32(limit)
		before, id = ms(after.At), after.ID
	)
	switch {
	case f.LogID != 0:
		rows, err = s.read.ListMonitorByLogID(ctx, sqlcgen.ListMonitorByLogIDParams{
			LogID: f.LogID, MerchantID: f.MerchantID, FromMs: from, BeforeMs: before, BeforeID: id, RowLimit: most,
		})
	case f.OrderNo != "":
		rows, err = s.read.ListMonitorByOrder(ctx, sqlcgen.ListMonitorByOrderParams{
			OrderNo: f.OrderNo, MerchantID: f.MerchantID, FromMs: from, BeforeMs: before, BeforeID: id, RowLimit: most,
		})
	case f.SN != "":
		rows, err = s.read.ListMonitorBySN(ctx, sqlcgen.ListMonitorBySNParams{
			Sn: f.SN, MerchantID: f.MerchantID, FromMs: from, BeforeMs: before, BeforeID: id, RowLimit: most,
		})
	case f.DeviceID != "":
		rows, err = s.read.ListMonitorByDevice(ctx, sqlcgen.ListMonitorByDeviceParams{
			MerchantID: f.MerchantID, DeviceID: f.DeviceID, FromMs: from, BeforeMs: before, BeforeID: id, RowLimit: most,
		})
	default:
		rows, err = s.read.ListMonitorByTime(ctx, sqlcgen.ListMonitorByTimeParams{
			MerchantID: f.MerchantID, FromMs: from, BeforeMs: before, BeforeID: id, RowLimit: most,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("search monitoring: %w", err)
	}
	return mapped(rows, monitorOf), nil
}

func monitorOf(r sqlcgen.MonitorRecord) monitor.Record {
	return monitor.Record{
		ID: r.ID, MerchantID: r.MerchantID, Kind: monitor.Kind(r.Kind), At: at(r.AtMs), ShopID: r.ShopID,
		DeviceID: r.DeviceID, SN: r.Sn, OrderNo: r.OrderNo, Interface: r.Interface, Domain: r.Domain, Status: r.Status,
		LogID: r.LogID, StartedAt: at(r.StartedMs), Cost: time.Duration(r.CostMs) * time.Millisecond, Text: r.Body,
	}
}

// MonitorLatency implements monitor.Keeper.
func (s *Store) MonitorLatency(ctx context.Context, merchantID string, from, to time.Time) ([]monitor.Hour, error) {
	rows, err := s.read.SumMonitorLatency(ctx, sqlcgen.SumMonitorLatencyParams{
		FromMs: ms(from), ToMs: ms(to), MerchantID: merchantID, RowLimit: maxMonitorFigures,
	})
	if err != nil {
		return nil, fmt.Errorf("sum latency: %w", err)
	}
	return mapped(rows, func(r sqlcgen.SumMonitorLatencyRow) monitor.Hour {
		return monitor.Hour{Interface: r.Interface, Domain: r.Domain, Status: r.Status, Histogram: monitor.Histogram{
			Counts: [monitor.NBuckets]int64{
				r.C0, r.C1, r.C2, r.C3, r.C4, r.C5, r.C6, r.C7, r.C8,
				r.C9, r.C10, r.C11, r.C12, r.C13, r.C14, r.C15, r.C16,
			},
			MaxMS: r.MaxMs,
		}}
	}), nil
}

// PurgeMonitor implements monitor.Keeper. It looks before it writes, so that
// finding nothing costs little.
func (s *Store) PurgeMonitor(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	if limit < 1 || limit > maxList {
		return false, fmt.Errorf("purge monitoring: limit must be between 1 and %d", maxList)
	}
	most, day := int32(limit), monitor.Day(before)
	records, err1 := s.read.CountOldMonitor(ctx, sqlcgen.CountOldMonitorParams{BeforeMs: ms(before), RowLimit: most})
	usage, err2 := s.read.CountOldMonitorUsage(ctx, sqlcgen.CountOldMonitorUsageParams{BeforeDay: day, RowLimit: most})
	hours, err3 := s.read.CountOldMonitorLatency(ctx, sqlcgen.CountOldMonitorLatencyParams{BeforeMs: ms(before), RowLimit: most})
	if err := errors.Join(err1, err2, err3); err != nil {
		return false, fmt.Errorf("look for old monitoring: %w", err)
	}
	u, q := s.newUnit("", "")
	u.always = true
	if records > 0 {
		u.add(anyRows)(q.PurgeMonitorRecords(ctx, sqlcgen.PurgeMonitorRecordsParams{BeforeMs: ms(before), RowLimit: most}))
	}
	if usage > 0 {
		u.add(anyRows)(q.PurgeMonitorUsage(ctx, sqlcgen.PurgeMonitorUsageParams{BeforeDay: day, RowLimit: most}))
	}
	if hours > 0 {
		u.add(anyRows)(q.PurgeMonitorLatency(ctx, sqlcgen.PurgeMonitorLatencyParams{BeforeMs: ms(before), RowLimit: most}))
	}
	_, err = s.submit(ctx, u)
	return max(records, usage, hours) == int64(limit), wrap("purge monitoring", err)
}
