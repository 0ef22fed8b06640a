// Package monitor keeps what clients tell of themselves: the latency and the
// log of the calls they made, their machines, and the reports of devices
// (protocol.md §2.5 no. 32, §2.7).
//
// It reads the verified content of a request as leniently as it can, because
// such data is never refused for what it says (R06): only a compression that
// cannot be read safely is. Before anything is kept, payment codes and keys in
// it are masked. What is kept is bounded per upload, per device and per
// merchant, and for 30 days.
//
// It knows nothing of orders but their numbers. It must not know SQL, HTTP or
// the envelope of the protocol, and it decides nothing about money.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// Limits of what is kept. A till that makes 500 payments a day reports some
// 2,000 calls; the limits leave room for a bad day and end a runaway client.
const (
	// Retention is how long a record is kept.
	Retention = 30 * 24 * time.Hour
	// MaxUploadRecords is the most records of one upload that are kept. A unit
	// of work holds 256 statements.
	MaxUploadRecords = 200
	// maxUploadCalls is the most calls of one upload that are read, kept or not.
	maxUploadCalls = 2000
	// maxText is the longest text of a record, maxUploadText that of an upload.
	maxText, maxUploadText = 8 << 10, 256 << 10
	// MaxDeviceRecords bounds what one device has kept a day.
	MaxDeviceRecords = 5_000
	maxDeviceBytes   = 8 << 20
	// maxMerchantRecords and maxMerchantBytes bound what one merchant has kept a
	// day: device numbers cost nothing to invent.
	maxMerchantRecords, maxMerchantBytes = 200_000, 256 << 20
	// slowDown is the interval in seconds that a client over its limit is given.
	slowDown = 3600
)

// Kind says which interface an upload or a record came by.
type Kind string

// The kinds.
const (
	Calls  Kind = "call"   // upload_client_monitor_info, and one call of an upload
	Conf   Kind = "conf"   // upload_client_conf_info, or the machine_info of an upload
	Device Kind = "device" // device_report
)

// Upload is one verified request of a client.
type Upload struct {
	Kind Kind
	// MerchantID is the merchant whose key verified the request: the owner of
	// all that is kept, whatever the content says.
	MerchantID string
	// Prefixes are the merchant's order prefixes. A number that begins with one
	// is an order number and not masked, even if it looks like a payment code.
	Prefixes []string
	// Content is the verified request_content: the exact JSON text, unread.
	Content string
}

// Record is one thing that a client told. Texts are masked.
type Record struct {
	ID         string // unique within the merchant
	MerchantID string
	Kind       Kind
	At         time.Time // when it arrived, milliseconds
	ShopID     string
	DeviceID   string
	SN         string
	OrderNo    string // out_trade_no or out_refund_no, if one could be told
	Interface  string // a name of protocol.md §3.12, or Other
	Domain     string // host name the client called, "" if not said
	Status     int64  // as the client sent it
	LogID      int64  // of our answer, 0 if not said
	StartedAt  time.Time
	Cost       time.Duration // negative if not said
	Text       string        // the rest, as JSON or as it came
}

// Usage is what was kept of one device, or with device "" of a whole
// merchant, on one day.
type Usage struct{ Records, Bytes int64 }

// room reports whether a batch fits under the limit u beside what is used.
func (u Usage) room(used Usage, b Batch) bool {
	return used.Records+int64(len(b.Records)) <= u.Records && used.Bytes+b.Bytes <= u.Bytes
}

// Batch is what one upload adds. It is kept whole or not at all.
type Batch struct {
	MerchantID string
	Device     string // whose usage it counts for
	Day        string // of usage, yyyymmdd in Shanghai
	Records    []Record
	Bytes      int64 // of all texts
	Latency    []Hour
}

// Keeper keeps records. The store implements it.
type Keeper interface {
	// MonitorUsage returns the usage of a day, zero if there is none.
	MonitorUsage(ctx context.Context, merchantID, device, day string) (Usage, error)
	// KeepMonitor adds a batch if device and merchant stay within their limits;
	// kept is false if they would not, and nothing is written then.
	KeepMonitor(ctx context.Context, b Batch, device, merchant Usage) (kept bool, err error)
	// SearchMonitor returns at most limit records, newest first, that come after
	// the cursor in that order.
	SearchMonitor(ctx context.Context, f Filter, after Cursor, limit int) ([]Record, error)
	// MonitorLatency returns figures of the hours from ≤ hour < to, merchant ""
	// meaning all, summed over hours and merchants.
	MonitorLatency(ctx context.Context, merchantID string, from, to time.Time) ([]Hour, error)
	// PurgeMonitor deletes at most limit records of before that time, with the
	// usage and figures of those days, and says whether there are more.
	PurgeMonitor(ctx context.Context, before time.Time, limit int) (more bool, err error)
}

// Queue is the durable work in which purging is a row. The store implements it.
type Queue interface {
	jobs.Queue
	EditJobs(ctx context.Context, merchantID string, edits ...jobs.Edit) error
}

// Config is everything a Monitor needs. Hosts, Interval and Registry may be left out.
type Config struct {
	Keeper Keeper
	Queue  Queue
	// Hosts are the names this installation is reached by. Figures are kept for
	// each of them; every other domain is counted as Other.
	Hosts []string
	// Interval is what clients are told to upload at, in seconds; 0 leaves them
	// at theirs.
	Interval int64
	Registry prometheus.Registerer
	Now      func() time.Time
	Log      *slog.Logger
}

// Monitor takes uploads and answers questions about them. It is safe for
// concurrent use.
type Monitor struct {
	Config
	hosts   map[string]bool
	metrics *metrics
	runner  *jobs.Runner
}

// New returns a Monitor. It starts nothing: call Run for the purging of old records.
func New(c Config) *Monitor {
	m := &Monitor{Config: c, hosts: map[string]bool{}, metrics: newMetrics(c.Registry)}
	for _, h := range c.Hosts {
		m.hosts[strings.ToLower(h)] = true
	}
	m.runner = jobs.New(jobs.Config{
		Queue: c.Queue, Now: c.Now, Log: c.Log, MaxIdle: purgeIdle, Workers: 1, Drain: purgeDrain,
		Kinds: map[string]jobs.Kind{kindPurge: {Handler: m.purgeJob, Ladder: purgeLadder, Forever: true}},
	})
	return m
}

// Accept keeps what an upload says and returns the interval, in seconds, at
// which its sender should upload, 0 for no change. It is a *pay.Error of kind
// pay.ErrInvalid, to be shown to the sender, only if the data is compressed in
// a way that is not supported or expands beyond all measure; what cannot be
// read otherwise is kept as such. An upload beyond the limits of the day is
// answered well and not kept: its client must not fail for it.
func (m *Monitor) Accept(ctx context.Context, u Upload) (interval int64, err error) {
	now := m.Now().UTC().Truncate(time.Millisecond)
	p := &parser{monitor: m, upload: u, now: now}
	if err := p.parse(); err != nil {
		m.metrics.upload(u.Kind, "refused")
		return 0, err
	}
	result, err := m.keep(ctx, p.batch())
	if err != nil {
		m.metrics.upload(u.Kind, "failed")
		return 0, fmt.Errorf("keep monitoring of merchant %s: %w", u.MerchantID, err)
	}
	m.metrics.upload(u.Kind, result)
	if result == "kept" {
		m.metrics.calls(p.calls)
		return m.Interval, nil
	}
	return max(m.Interval, slowDown), nil
}

// keep writes a batch if device and merchant have room for it on this day.
func (m *Monitor) keep(ctx context.Context, b Batch) (result string, err error) {
	device, err1 := m.Keeper.MonitorUsage(ctx, b.MerchantID, b.Device, b.Day)
	merchant, err2 := m.Keeper.MonitorUsage(ctx, b.MerchantID, "", b.Day)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	ofDevice, ofMerchant := Usage{MaxDeviceRecords, maxDeviceBytes}, Usage{maxMerchantRecords, maxMerchantBytes}
	if !ofDevice.room(device, b) || !ofMerchant.room(merchant, b) { // the usual way; the store decides races
		return "over_limit", nil
	}
	kept, err := m.Keeper.KeepMonitor(ctx, b, ofDevice, ofMerchant)
	switch {
	case err != nil:
		return "", err
	case !kept:
		return "over_limit", nil
	}
	return "kept", nil
}

// refuse is an upload that its sender must pack in another way.
func refuse(code, text string) error { return pay.Refuse(pay.ErrInvalid, code, text) }
