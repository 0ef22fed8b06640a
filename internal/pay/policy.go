package pay

import "time"

// Profile is the reverse policy of one channel as data (money.md §3). Times
// count from Order.SentAt unless said otherwise.
type Profile struct {
	QueryEvery     time.Duration   // between queries while the order is young (row 1)
	QuerySlow      []time.Duration // between queries after BlindUntil, by step; the last repeats
	PayTimeDoubt   time.Duration   // and by no more than this beyond it, a person decides (docs/decisions/0046)
	PayTimeSlack   time.Duration   // a pay time earlier than SentAt by more than this is not ours (§2)
	ReverseFrom    time.Duration   // row 2
	Fresh          time.Duration   // how long a verified answer counts (row 2)
	BlindFrom      time.Duration   // row 3
	BlindUntil     time.Duration   // row 3
	EarliestSend   time.Duration   // no reverse leaves earlier (rows 4 and 7)
	ReversePauses  []time.Duration // row 9; the last repeats without end
	AlertAtTry     int64           // row 9
	RaiseAfter     time.Duration   // P7: a code payment that is open for so long is raised, once
	WatchAt        time.Duration   // row 5: when a refused order is asked once more, 0 for never
	MissingGap     time.Duration   // row 11: between two sightings of "does not exist"
	MissingAfter   time.Duration   // row 11: no sooner after the send
	ConfirmAfter   time.Duration   // a paid answer is confirmed once by query after this, 0 for never (upstreams.md §4.3)
	Expire         time.Duration   // row 13: expiry of a code payment sent to the wallet
	ExpireUnified  time.Duration   // row 13: life of a unified order that names none
	ExpireMin      time.Duration   // row 13: shortest life of a unified order
	ExpireMax      time.Duration   // row 13: longest life: a prepared order lives no longer at the wallet
	ExpireStep     time.Duration   // row 13: the wallet counts lives in whole steps, 0 for a moment in seconds
	ExpireGrace    time.Duration   // row 12: an order is asked once more this long after its expiry
	CloseFrom      time.Duration   // row 12: no close leaves earlier
	CancelToClose  bool            // row 12: a close that a merchant asks for is sent as a cancel
	NeverByItself  bool            // S004: reverse only when a cashier asks
	ReverseWithin  time.Duration   // row 8: a paid order may be reversed this long, 0 for "the same Beijing day"
	RefundSpacing  time.Duration   // §2: between refunds of one order
	RefundPauses   []time.Duration // between asks and repeats of one refund; the last repeats
	RefundMissing  time.Duration   // §2: between two "no such refund"
	RefundableDays int             // after that the wallet refuses
}

// Profiles holds the preset of each channel: the numbers of money.md §3.
var Profiles = map[Channel]Profile{
	Wxpay:  wxpayProfile,
	Alipay: alipayProfile,
}

var wxpayProfile = Profile{
	QueryEvery:     5 * time.Second,
	QuerySlow:      []time.Duration{10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute},
	PayTimeDoubt:   15 * time.Minute,
	PayTimeSlack:   time.Minute,
	ReverseFrom:    time.Minute,
	Fresh:          10 * time.Second,
	BlindFrom:      90 * time.Second,
	BlindUntil:     150 * time.Second,
	EarliestSend:   15 * time.Second,
	ReversePauses:  []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second},
	AlertAtTry:     10,
	RaiseAfter:     15 * time.Minute,
	MissingGap:     time.Minute,
	MissingAfter:   150 * time.Second,
	Expire:         2 * time.Minute,
	ExpireUnified:  2 * time.Hour,
	ExpireMin:      time.Minute,
	ExpireMax:      2 * time.Hour,
	ExpireGrace:    time.Minute,
	CloseFrom:      5 * time.Minute,
	ReverseWithin:  7 * 24 * time.Hour,
	RefundSpacing:  time.Minute,
	RefundPauses:   refundPauses,
	RefundMissing:  time.Minute,
	RefundableDays: 365,
}

var alipayProfile = func() Profile {
	p := wxpayProfile
	p.ReversePauses = []time.Duration{10 * time.Second}
	p.RefundPauses = refundPauses[3:] // a refund is asked for 10 s after at the earliest (upstreams.md §6)
	p.WatchAt = 30 * time.Second
	p.ConfirmAfter = 30 * time.Second // a charge may rarely be rolled back
	p.ReverseWithin = 0
	p.ExpireStep = time.Minute // qr_code_timeout_express and timeout_express count minutes
	p.CloseFrom, p.CancelToClose = 0, true
	p.RefundSpacing = 3 * time.Second
	return p
}()

// refundPauses is quick at first, for the cashier who waits, and then slow:
// a bank may take days.
var refundPauses = []time.Duration{
	2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour,
}

// pick returns the n-th step of a ladder, counting from 1; the last repeats.
func pick(ladder []time.Duration, n int64) time.Duration {
	if len(ladder) == 0 {
		return 0
	}
	return ladder[min(max(n-1, 0), int64(len(ladder)-1))]
}

// Next decides what the server does next for an order and when (money.md §3).
// It is pure: the same row and time give the same step. A step whose time has
// come is due; ActNone means that nothing is left to do.
func (p Profile) Next(o Order, now time.Time) Step {
	switch o.State {
	case PAYING:
		return p.nextPaying(o, now)
	case REVERSING:
		return p.nextReversing(o, now)
	case CLOSING:
		return p.nextClosing(o)
	case DECLINED, CLOSED, REVERSED:
		switch {
		case o.Watch:
			return p.nextWatch(o)
		case o.Late == LateHeld && !o.HoldLate && o.Reserved == 0 && o.RefundSentAt.IsZero() && !o.NoReverse && !o.Duplicate:
			// Returned once. While that refund is open it drives itself; if the
			// wallet refused it, or the money may be another order's, a person
			// decides (money.md §1: policy returns it or raises it).
			return Step{Act: ActRefund, At: now}
		}
	case PAID:
		if o.Watch { // the one confirming query
			return Step{Act: ActQuery, At: o.AskAt}
		}
	}
	return Step{}
}

// nextPaying covers rows 1 to 4, 6 and the settings of S004.
func (p Profile) nextPaying(o Order, now time.Time) Step {
	age := now.Sub(o.SentAt)
	ask := Step{Act: ActQuery, At: o.AskAt}
	if o.AskAt.IsZero() {
		ask.At = o.SentAt.Add(p.QueryEvery) // the call is in flight, or we died during it
	}
	if o.TradeType.Unified() { // row 6
		return p.nextUnified(o, ask.At)
	}
	if o.NoReverse || p.NeverByItself { // row 6, S004
		return ask
	}
	if o.Stopped { // row 4
		return Step{Act: ActReverse, At: later(now, o.SentAt.Add(p.EarliestSend))}
	}
	if age < p.ReverseFrom {
		return ask
	}
	fresh := !o.UnpaidAt.IsZero() && now.Sub(o.UnpaidAt) <= p.Fresh
	if fresh && !o.UnpaidAt.Before(o.SentAt.Add(p.ReverseFrom)) { // row 2
		return Step{Act: ActReverse, At: now}
	}
	blind := age >= p.BlindFrom && age <= p.BlindUntil
	if blind && !fresh && !o.AskedAt.Before(o.SentAt.Add(p.BlindFrom)) { // row 3
		return Step{Act: ActReverse, At: now}
	}
	return ask
}

// nextReversing covers rows 6, 7, 9, 10 and 11.
func (p Profile) nextReversing(o Order, now time.Time) Step {
	// Row 6: known as a duplicate only after the cashier asked. And a unified order
	// that the wallet paid back by itself is never reversed.
	if o.TradeType.Unified() || o.NoReverse && (!o.RefundInstead || !o.PaidSeen) {
		return Step{Act: ActQuery, At: later(o.AskAt, o.AskedAt.Add(p.askPause(o, o.AskedAt)))}
	}
	if o.ReverseSentAt.IsZero() { // row 7: asked for, not sent yet
		due := o.SentAt.Add(p.EarliestSend)
		if !o.AskedAt.Before(due) {
			return Step{Act: ActReverse, At: now} // the query at the last moment found no payment
		}
		at := o.AskAt
		if at.IsZero() || at.After(due) {
			at = due
		}
		return Step{Act: ActQuery, At: at}
	}
	if !o.AskAt.IsZero() {
		return Step{Act: ActQuery, At: o.AskAt}
	}
	if o.RefundInstead { // row 10
		if o.PaidSeen && o.Reserved > 0 && o.Refunded < o.Total {
			return Step{Act: ActRefund, At: now.Add(refundLook)} // the refund drives itself
		}
		if o.PaidSeen {
			return Step{Act: ActRefund, At: now}
		}
		return Step{Act: ActCancel, At: o.ReversedAt.Add(pick(p.ReversePauses, o.ReverseTries))}
	}
	pause := max(pick(p.ReversePauses, o.ReverseTries), o.ReversePause)
	return Step{Act: ActReverse, At: o.ReversedAt.Add(pause)}
}

// refundLook is how often a reverse that became a refund looks whether that
// refund is done.
const refundLook = 10 * time.Second

// nextWatch covers row 5: a refused order is asked once; if the wallet still
// waits for the buyer it is cancelled, unless the number may be another order's
// (row 6). A reversed order is only asked.
func (p Profile) nextWatch(o Order) Step {
	switch {
	case o.State == DECLINED && o.Seen == Waiting && !p.NeverByItself && !o.NoReverse && !o.Duplicate:
		return Step{Act: ActCancel, At: later(o.AskedAt, o.ReversedAt.Add(pick(p.ReversePauses, o.ReverseTries)))}
	case o.AskAt.IsZero():
		return Step{Act: ActQuery, At: o.SentAt.Add(p.WatchAt)}
	}
	return Step{Act: ActQuery, At: o.AskAt}
}

// askPause is the wait between two queries, by the order's age.
func (p Profile) askPause(o Order, now time.Time) time.Duration {
	if now.Sub(o.SentAt) < p.BlindUntil {
		return p.QueryEvery
	}
	young := int64(p.BlindUntil / max(p.QueryEvery, 1))
	return pick(p.QuerySlow, (o.Asks-young)/4+1)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
