package api

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// names says whose request this was, and about which numbers. What is not a
// number of that merchant is left out: a till may have put a payment code there.
func (c *call) names() (merchant, order, refund string) {
	if c.merchant == nil {
		return "", "", "" // a stranger, or a device that belongs to nobody yet
	}
	if c.merchant.HasPrefix(c.about.order) {
		order = c.about.order
	}
	if c.merchant.HasPrefix(c.about.refund) {
		refund = c.about.refund
	}
	return c.merchant.ID, order, refund
}

// done remembers a request and writes its one log line, so that an operator
// who is given a log_id finds it. Neither holds content: sizes and names only.
func (s *Server) done(ctx context.Context, c *call, err error, took time.Duration) {
	status := strconv.FormatInt(int64(c.head.Status), 10)
	s.requests.WithLabelValues(c.route.method, status).Observe(took.Seconds())
	merchant, order, refund := c.names()
	s.witness(c, order, refund, took)
	level := slog.LevelDebug
	var attrs []slog.Attr
	flood := errors.Is(err, errFlood)
	if !flood { // what is many is neither kept nor logged
		s.records.add(Record{
			LogID: c.head.LogID, At: s.Now(), Took: took, Method: c.route.method, MerchantID: merchant,
			DeviceID: c.about.device, OutTradeNo: order, OutRefundNo: refund,
			Status: c.head.Status, InternalStatus: c.head.InternalStatus, Description: c.head.Description,
		})
	}
	if err != nil && !flood {
		level = slog.LevelInfo
		attrs = append(attrs, slog.String("error", err.Error()))
		if c.head.Status == cpay.StatusInternal {
			level = slog.LevelError
		}
	}
	if !s.Log.Enabled(ctx, level) {
		return
	}
	for _, a := range [...]struct{ name, value string }{
		{"merchant_id", merchant}, {"out_trade_no", order}, {"out_refund_no", refund},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	attrs = append(attrs, slog.String("method", c.route.method), slog.String("status", status),
		slog.Int64("log_id", int64(c.head.LogID)), slog.Int("request_bytes", c.size), slog.Duration("took", took))
	s.Log.LogAttrs(ctx, level, "request answered", attrs...)
}

// status is the only place that turns an error into a status of the protocol
// (style.md §B.4, money.md §1).
func (s *Server) status(c *call, err error) {
	h := &c.head
	var (
		refused *refusal
		ours    *pay.Error
		field   *cpay.FieldError
	)
	switch {
	case err == nil:
		return
	case errors.As(err, &refused):
		h.Status, h.InternalStatus, h.Description = cpay.StatusBadCall, refused.internal, refused.text
	case errors.As(err, &field):
		h.Status, h.Description = cpay.StatusRefused, field.Description()
	case errors.As(err, &ours):
		h.Status, h.InternalStatus = statusOf(ours)
		h.Description = cmp.Or(texts[ours.Code], ours.Text)
	case errors.Is(err, errFlood):
		h.Status, h.Description = cpay.StatusInternal, "请求过于频繁，请稍后重试"
	case c.known:
		// Something of ours broke after the request was accepted: its result is
		// unknown, never failed (P3).
		h.Status, h.Description = cpay.StatusUnknown, "系统内部错误，结果未知，请稍后查询"
	default:
		h.Status, h.Description = cpay.StatusInternal, "系统内部错误，请稍后重试"
	}
	if !c.known && h.Status.Authenticated() {
		h.Status = cpay.StatusBadCall // nobody to authenticate the answer for
	}
}

// statusOf is the table from kinds and codes of refusals to statuses and
// internal statuses (protocol.md §4.1, §4.2).
func statusOf(e *pay.Error) (cpay.Status, int64) {
	switch {
	case errors.Is(e, pay.ErrUnavailable):
		return cpay.StatusUnknown, 0
	case errors.Is(e, pay.ErrDead):
		return cpay.StatusNewNumber, 0
	}
	return cpay.StatusRefused, internalOf[e.Code]
}

// internalOf are the internal statuses that clients look at, by the code of
// the refusal. The original's others are free to choose; ours are 0.
var internalOf = map[string]int64{
	"order_missing":           cpay.InternalNoOrder,
	gateway.CodeRefundMissing: cpay.InternalNoRefund,
	"reentry":                 cpay.InternalReentry,
	"duplicate":               cpay.InternalReentry,
	"device_bound":            cpay.InternalDeviceBound,
}

// texts are what a caller reads about things of the directory that do not
// exist, for which that room has no words of the wire.
var texts = map[string]string{
	"merchant_unknown": "子商户不存在",
	"provider_unknown": "服务商不存在",
	"shop_unknown":     "门店不存在",
	"device_unknown":   "设备不存在",
	"staff_unknown":    "店员不存在",
}

// logIDs numbers requests: positive 32-bit numbers that differ between starts
// (protocol.md R24).
type logIDs struct{ last atomic.Uint32 }

func (l *logIDs) start(now time.Time) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli()))
	l.last.Store(binary.BigEndian.Uint32(b[4:]))
}

func (l *logIDs) next() uint32 {
	for {
		if n := l.last.Add(1); n != 0 {
			return n
		}
	}
}
