package evidence

import (
	"time"

	"cloudpay/internal/pay"
)

// Names of changes that are no new state.
const (
	Raised = "raised" // a person was asked for
	Moved  = "moved"  // a new state
)

// Settled keeps a change of an order that was committed, with the unit that
// wrote it, at the time that the row says.
func (r *Recorder) Settled(c pay.Change) {
	if r == nil {
		return
	}
	o := c.Order
	r.Add(Record{
		Kind: Change, MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, At: o.UpdatedAt, Channel: o.Channel, Name: Moved,
		From: string(c.From.State), Verdict: string(o.State), Truth: string(o.Truth), Unit: o.Unit, Code: o.Code, Reason: string(o.Late),
	})
}

// SettledRefund keeps a change of a refund that was committed.
func (r *Recorder) SettledRefund(c pay.RefundChange) {
	if r == nil {
		return
	}
	f := c.Refund
	r.Add(Record{
		Kind: Change, MerchantID: f.MerchantID, OutTradeNo: f.OutTradeNo, OutRefundNo: f.OutRefundNo, At: f.UpdatedAt, Channel: f.Channel,
		Name: Moved, From: string(c.From.State), Verdict: string(f.State), Unit: f.Unit, Code: f.Code, Text: f.Text,
	})
}

// Raise keeps that a person was asked for, and why. refund is "" for an order.
func (r *Recorder) Raise(o pay.Order, refund, why string, at time.Time) {
	if r == nil {
		return
	}
	r.Add(Record{
		Kind: Change, MerchantID: o.MerchantID, OutTradeNo: o.OutTradeNo, OutRefundNo: refund, At: at, Channel: o.Channel,
		Name: Raised, Verdict: string(o.State), Text: why,
	})
}
