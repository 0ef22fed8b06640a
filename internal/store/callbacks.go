package store

import (
	"context"
	"fmt"
	"time"

	"cloudpay/internal/store/sqlcgen"
)

// CallbackAttempt is one attempt to deliver a callback, as it is remembered.
// Texts are masked and cut by whoever keeps it; times have milliseconds.
type CallbackAttempt struct {
	MerchantID   string
	At           time.Time // when it began
	ID           string
	OutTradeNo   string // "" for a test ping
	Event        string
	Attempt      int64  // 1 for the first since the event was put into service
	Endpoint     string // scheme, host and port
	Target       string // the address, masked
	AuthenKey    int64  // 1 for the key to try first among those in force, 2 for the next
	Request      string // the content, without its MAC
	Acknowledged bool
	HTTPStatus   int64 // 0 for no answer
	Reply        string
	Error        string // "" when it was acknowledged
	Took         time.Duration
}

// CallbackFilter selects attempts of one merchant. Empty members match
// everything.
type CallbackFilter struct {
	MerchantID string // required
	OutTradeNo string
	Endpoint   string
	Failed     bool // only those that were not acknowledged
	From       time.Time
	// Before is where the last page ended, At and ID of its last attempt; the zero
	// time is the newest.
	Before   time.Time
	BeforeID string
	Limit    int // between 1 and 10,000
}

// KeepCallback writes down one attempt.
func (s *Store) KeepCallback(ctx context.Context, a CallbackAttempt) error {
	u, q := s.newUnit("", a.MerchantID)
	u.always = true
	u.add(anyRows)(q.KeepCallback(ctx, sqlcgen.KeepCallbackParams{
		MerchantID: a.MerchantID, AtMs: ms(a.At), ID: a.ID, OutTradeNo: a.OutTradeNo, Event: a.Event, Attempt: a.Attempt,
		Endpoint: a.Endpoint, Target: a.Target, AuthenKey: a.AuthenKey, Request: a.Request, Acknowledged: a.Acknowledged,
		HttpStatus: a.HTTPStatus, Reply: a.Reply, Error: a.Error, TookMs: a.Took.Milliseconds(),
	}))
	_, err := s.submit(ctx, u)
	return wrap("keep callback", err)
}

// callbackOf turns a row into an attempt.
func callbackOf(r sqlcgen.CallbackAttempt) CallbackAttempt {
	return CallbackAttempt{
		MerchantID: r.MerchantID, At: at(r.AtMs), ID: r.ID, OutTradeNo: r.OutTradeNo, Event: r.Event, Attempt: r.Attempt,
		Endpoint: r.Endpoint, Target: r.Target, AuthenKey: r.AuthenKey, Request: r.Request, Acknowledged: r.Acknowledged,
		HTTPStatus: r.HttpStatus, Reply: r.Reply, Error: r.Error, Took: time.Duration(r.TookMs) * time.Millisecond,
	}
}

// Callbacks reads attempts, newest first.
func (s *Store) Callbacks(ctx context.Context, f CallbackFilter) ([]CallbackAttempt, error) {
	if f.MerchantID == "" || f.Limit < 1 || f.Limit > maxList {
		return nil, fmt.Errorf("list callbacks: a merchant and a limit between 1 and %d are needed", maxList)
	}
	before, failed := int64(1)<<62, int64(0)
	if !f.Before.IsZero() {
		before = ms(f.Before)
	}
	if f.Failed {
		failed = 1
	}
	var rows []sqlcgen.CallbackAttempt
	var err error
	if f.OutTradeNo == "" {
		rows, err = s.read.ListCallbacks(ctx, sqlcgen.ListCallbacksParams{
			MerchantID: f.MerchantID, FromMs: ms(f.From), BeforeMs: before, BeforeID: f.BeforeID, Endpoint: f.Endpoint, Failed: failed,
			RowLimit: int32(f.Limit),
		})
	} else {
		rows, err = s.read.ListCallbacksOfOrder(ctx, sqlcgen.ListCallbacksOfOrderParams{
			MerchantID: f.MerchantID, OutTradeNo: f.OutTradeNo, FromMs: ms(f.From), BeforeMs: before, BeforeID: f.BeforeID,
			Endpoint: f.Endpoint, Failed: failed, RowLimit: int32(f.Limit),
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list callbacks: %w", err)
	}
	return mapped(rows, callbackOf), nil
}

// Callback reads one attempt; an error that wraps pay.ErrNotFound says that there
// is none.
func (s *Store) Callback(ctx context.Context, merchantID string, began time.Time, id string) (CallbackAttempt, error) {
	r, err := s.read.GetCallback(ctx, sqlcgen.GetCallbackParams{MerchantID: merchantID, AtMs: ms(began), ID: id})
	if err != nil {
		return CallbackAttempt{}, wrap("read callback", absent(err))
	}
	return callbackOf(r), nil
}

// SentEvent is an event of an order that was sent to its merchant.
type SentEvent struct {
	OutTradeNo string
	Event      string
}

// SentEvents reads which events of a merchant were sent from one time until
// before another, each once, in order from after a given one.
func (s *Store) SentEvents(ctx context.Context, merchantID string, from, to time.Time, after SentEvent, limit int) ([]SentEvent, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("list sent callbacks: limit must be between 1 and %d", maxList)
	}
	rows, err := s.read.ListSentEvents(ctx, sqlcgen.ListSentEventsParams{
		MerchantID: merchantID, FromMs: ms(from), ToMs: ms(to), AfterOrder: after.OutTradeNo, AfterEvent: after.Event, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list sent callbacks: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListSentEventsRow) SentEvent { return SentEvent(r) }), nil
}

// PurgeCallbacks deletes at most limit of the oldest attempts of before a time.
// more is true when there may be others. It looks before it writes, so that
// finding nothing costs little.
func (s *Store) PurgeCallbacks(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	if limit < 1 || limit > maxList {
		return false, fmt.Errorf("purge callbacks: limit must be between 1 and %d", maxList)
	}
	old, err := s.read.CountOldCallbacks(ctx, sqlcgen.CountOldCallbacksParams{BeforeMs: ms(before), RowLimit: int32(limit)})
	if err != nil || old == 0 {
		return false, wrap("look for old callbacks", err)
	}
	u, q := s.newUnit("", "")
	u.always = true
	u.add(anyRows)(q.PurgeCallbacks(ctx, sqlcgen.PurgeCallbacksParams{BeforeMs: ms(before), RowLimit: int32(limit)}))
	_, err = s.submit(ctx, u)
	return old == int64(limit), wrap("purge callbacks", err)
}
