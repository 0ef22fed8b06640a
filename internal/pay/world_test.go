package pay

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// loss says what becomes of one call on its way.
type loss int

const (
	arrives    loss = iota // and its answer comes back
	lostBefore             // the wallet never sees it
	lostAfter              // the wallet acts, the answer is lost
)

// tester is what *testing.T and *rapid.T share.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world drives one order against one wallet as the gateway does: commit, call,
// settle, one act at a time, on a clock of its own. Every change is checked
// against the diagram and the ledger rules.
type world struct {
	t       tester
	p       Profile
	w       *wallet
	now     time.Time
	o       Order
	late    Outcome   // the pay answer that is still on its way
	lateAt  time.Time // when it arrives, zero when it has
	refunds map[string]Refund
	posts   []Posting
	told    []string
	raised  []string
	log     []string
	calls   []string // "15 reverse": the second and the call
	loss    func(call string) loss
	heard   bool        // some pay call or query was answered
	crash   func() bool // after the commit of an intent, before the call
}

func newWorld(t tester, p Profile, w *wallet) *world {
	w.used()
	return &world{
		t: t, p: p, w: w, now: begin, refunds: map[string]Refund{},
		o: Order{
			MerchantID: "m1", OutTradeNo: "T1", Channel: w.channel, TradeType: TradeMicroPay, State: PAYING,
			Total: total, Currency: "CNY", DeviceID: "d1", SentAt: begin, CreatedAt: begin, Truth: TruthLocal,
		},
		loss:  func(string) loss { return arrives },
		crash: func() bool { return false },
	}
}

// fatalf ends the test with the history of the order.
func (s *world) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s\nhistory:\n  %s\norder: %+v\nwallet: %+v", fmt.Sprintf(format, args...), strings.Join(s.log, "\n  "), s.o, *s.w)
}

func (s *world) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%7.1fs %s", s.now.Sub(begin).Seconds(), fmt.Sprintf(format, args...)))
}

// call makes one call, or loses it.
func (s *world) call(name string, do func() Outcome) Outcome {
	out := Outcome{Kind: Unknown, Lost: true}
	fate := s.loss(name)
	if fate != lostBefore {
		if said := do(); fate == arrives {
			out = said
		}
	}
	s.calls = append(s.calls, fmt.Sprintf("%g %s", s.now.Sub(begin).Seconds(), name))
	s.heard = s.heard || !out.Lost && name == "query"
	s.note("%s (%d): %s %s %s", name, fate, out.Kind, out.Code, out.Next)
	return out
}

// take writes a change, after checking all that must hold of any change.
func (s *world) take(c Change) {
	s.t.Helper()
	if c.From != s.o {
		s.fatalf("the change was decided on another row")
	}
	from := s.o
	s.o = c.Order
	if !Allowed(from.State, s.o.State) {
		s.fatalf("%s became %s", from.State, s.o.State)
	}
	if from.State == REVERSING && !from.ReverseSentAt.IsZero() && (s.o.State == PAID || slices.Contains(c.Callbacks, EventPaid)) {
		s.fatalf("a reverse that was sent became a payment")
	}
	if c.Changed() && s.o.UpdatedAt != s.now {
		s.fatalf("a changed row must say when")
	}
	if s.o.State.Final() && !s.o.Watch && !s.o.AskAt.IsZero() {
		s.fatalf("a final order still wants to be asked")
	}
	if from.closeTold() && (s.o.State == PAID || slices.Contains(c.Callbacks, EventPaid)) {
		s.fatalf("an order that was closed for its merchant became a payment")
	}
	for _, r := range c.Refunds {
		if _, known := s.refunds[r.OutRefundNo]; known {
			s.fatalf("refund %s exists already", r.OutRefundNo)
		}
		s.refunds[r.OutRefundNo] = r
	}
	s.told = append(s.told, c.Callbacks...)
	s.raise(c.Raise)
	s.book(c.Postings)
	if from.State != s.o.State {
		s.note("%s → %s %v", from.State, s.o.State, c.Callbacks)
	}
}

func (s *world) raise(why string) {
	if why != "" {
		s.raised = append(s.raised, why)
		s.note("raised: %s", why)
	}
}

// book appends postings and checks the ledger against the rows (money.md §5):
// what each account should hold follows from the order and its refunds alone.
func (s *world) book(ps []Posting) {
	s.t.Helper()
	for _, p := range ps {
		s.note("posting %s %v", p.Event, p.Legs)
		if slices.ContainsFunc(s.posts, func(old Posting) bool { return old.Event == p.Event }) {
			s.fatalf("event %s is booked twice", p.Event)
		}
		s.posts = append(s.posts, p)
	}
	b := Balances(s.posts)
	var sum, open, byHand, done, gone Fen
	for _, amount := range b {
		sum += amount
	}
	for _, r := range s.refunds {
		switch r.State {
		case RefundPending:
			open += r.Amount
		case RefundSucceeded:
			done += r.Amount
			gone += r.Settlement
		case RefundNeedsHand:
			byHand += r.Amount
		case RefundRejected, RefundOffline:
		}
	}
	o := s.o
	paid := o.State == PAID || o.State == REVERSING && o.PaidSeen
	var merchant, suspense, receivable Fen
	if paid {
		merchant = o.Total - o.Reserved
		receivable = o.Settlement - gone
	}
	if o.Late == LateHeld && o.Reserved == 0 {
		suspense = o.Total
	}
	if o.Late != LateNone || o.State == REVERSED && o.Reserved > 0 {
		receivable = o.Settlement - gone // until the refund that stands for the reverse is settled, too
	}
	if o.Late == LateReturned && o.Reserved == 0 {
		receivable = 0 // given back by a cancel
	}
	for _, want := range []Leg{
		{AccMerchant, -merchant}, {AccRefunding, -open}, {AccSuspense, -suspense}, {AccReturned, -byHand}, {AccReceivable, receivable},
	} {
		if b[want.Account] != want.Amount {
			s.fatalf("account %s holds %d, want %d", want.Account, b[want.Account], want.Amount)
		}
	}
	if sum != 0 || o.Reserved != open+done+byHand || o.Refunded != done || done > o.Reserved || o.Reserved < 0 || o.Reserved > o.Total {
		s.fatalf("sum %d, reserved %d of %d open %d byHand, refunded %d of %d", sum, o.Reserved, open, byHand, o.Refunded, done)
	}
	if n := count(s.told, EventPaid); n > 1 {
		s.fatalf("the merchant was told %d times of one payment", n)
	}
}

func count(list []string, s string) (n int) {
	for _, e := range list {
		if e == s {
			n++
		}
	}
	return n
}

// send makes the pay call. Its answer is settled after the delay; until then
// the ladder may already be at work.
func (s *world) send(delay time.Duration) {
	out := s.call("pay", func() Outcome { return s.w.pay(s.now) })
	s.late, s.lateAt = out, s.now.Add(delay)
	if delay == 0 {
		s.answer()
	}
}

func (s *world) answer() {
	s.lateAt = time.Time{}
	s.note("pay is answered: %s %s", s.late.Kind, s.late.Code)
	s.heard = s.heard || !s.late.Lost
	s.take(s.p.Apply(s.o, CallPay, s.late, s.now))
}

// cashierReverses is a cashier's wish; the refusal is returned.
func (s *world) cashierReverses() error {
	c, err := s.p.ReverseAsked(s.o, "d1", true, s.now)
	s.note("cashier asks to reverse: %v", err)
	if err != nil && c.Changed() {
		s.fatalf("a refused reverse changed the order")
	}
	s.take(c)
	return err
}

// notice is the wallet's own message, possibly an old one.
func (s *world) notice(out Outcome) {
	s.note("notice: %s %s", out.Kind, out.Code)
	s.take(s.p.Apply(s.o, CallNotice, out, s.now))
}

// due returns when something happens next, the zero time if nothing does.
func (s *world) due() time.Time {
	var next time.Time
	soon := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	step := s.p.Next(s.o, s.now)
	if again := s.p.Next(s.o, s.now); again != step {
		s.fatalf("the same row and time gave two steps")
	}
	if step.Act == ActNone && !s.o.State.Final() {
		s.fatalf("nothing is left to do for an order in %s", s.o.State)
	}
	if step.Act != ActNone {
		soon(later(step.At, s.now))
	}
	for _, r := range s.refunds {
		if r.State == RefundPending {
			soon(later(s.p.SendAt(s.o, r), s.now))
		}
	}
	soon(s.lateAt)
	return next
}

// turn moves the clock to what is due next and does it. It reports false when
// nothing is left to do.
func (s *world) turn() bool {
	s.t.Helper()
	next := s.due()
	if next.IsZero() {
		return false
	}
	s.now = later(next, s.now)
	if !s.lateAt.IsZero() && !s.lateAt.After(s.now) {
		s.answer()
		return true
	}
	for _, r := range slices.SortedFunc(maps.Values(s.refunds), func(a, b Refund) int { return cmp.Compare(a.OutRefundNo, b.OutRefundNo) }) {
		if r.State == RefundPending && !s.p.SendAt(s.o, r).After(s.now) {
			s.refundTurn(r)
			return true
		}
	}
	step := s.p.Next(s.o, s.now)
	if step.Act == ActNone || step.At.After(s.now) {
		return true // the clock moved
	}
	s.act(step.Act)
	return true
}

func (s *world) act(act Act) {
	s.t.Helper()
	switch act {
	case ActQuery:
		s.take(s.p.Apply(s.o, CallQuery, s.call("query", func() Outcome { return s.w.query(s.now) }), s.now))
	case ActClose:
		s.take(s.p.StartClose(s.o, s.now))
		s.note("close starts")
		if s.crash() {
			return
		}
		name, do := "close", s.w.close
		if s.p.ClosesByCancel(s.o) {
			name, do = "cancel", s.w.reverse
		}
		s.take(s.p.Apply(s.o, CallClose, s.call(name, func() Outcome { return do(s.now) }), s.now))
	case ActReverse, ActCancel:
		if s.w.unified {
			s.fatalf("a unified order is never reversed")
		}
		// Only where nothing at all was heard can a blind reverse meet an
		// earlier order's payment (row 3).
		if s.o.NoReverse || s.o.Duplicate || s.w.before && s.heard || s.now.Before(s.o.SentAt.Add(s.p.EarliestSend)) {
			s.fatalf("a reverse that must not leave")
		}
		s.take(s.p.StartReverse(s.o, s.now))
		s.note("%s starts", act)
		if s.crash() {
			return
		}
		if act == ActCancel && s.o.State == REVERSING {
			s.take(s.p.Apply(s.o, CallClose, s.call("close", func() Outcome { return s.w.close(s.now) }), s.now))
			return
		}
		s.take(s.p.Apply(s.o, CallReverse, s.call("reverse", func() Outcome { return s.w.reverse(s.now) }), s.now))
	case ActRefund:
		s.returnInFull()
	case ActNone, ActSend, ActAsk:
		s.fatalf("%q is no act of an order", act)
	}
}

func (s *world) returnInFull() {
	no, origin := "rv", OriginReverse
	if s.o.Late == LateHeld {
		no, origin = "late", OriginLate
	}
	r, known := s.refunds[no]
	switch {
	case !known:
		s.openRefund(no, origin, s.o.Total)
	case r.State == RefundSucceeded:
		s.take(s.p.RefundedInstead(s.o, s.now))
	default:
		s.fatalf("the refund %s is asked for again while it is %s", no, r.State)
	}
}

// openRefund reserves and writes a refund as the store does.
func (s *world) openRefund(no string, origin RefundOrigin, amount Fen) {
	r := Refund{
		MerchantID: "m1", OutRefundNo: no, OutTradeNo: "T1", Channel: s.o.Channel, State: RefundPending, Origin: origin,
		Total: s.o.Total, Amount: amount, Do: ActSend, DoAt: s.now, CreatedAt: s.now,
	}
	s.refunds[no] = r
	s.o.Reserved += amount
	s.note("refund %s of %d is accepted", no, amount)
	s.book(r.OpenPostings())
}

func (s *world) refundTurn(r Refund) {
	answered := !r.Unanswered
	call, paid := CallQueryRefund, RefundPaid{}
	ask := func() (out Outcome) { out, paid = s.w.queryRefund(r.OutRefundNo); return out }
	if r.Do == ActSend {
		s.takeRefund(s.p.StartRefund(r, s.now))
		r = s.refunds[r.OutRefundNo]
		if s.crash() {
			return
		}
		call = CallRefund
		ask = func() (out Outcome) { out, paid = s.w.refund(r.OutRefundNo, r.Amount); return out }
	}
	out := s.call(string(call)+" "+r.OutRefundNo, ask)
	if out.Lost {
		paid = RefundPaid{}
	}
	s.takeRefund(s.p.ApplyRefund(r, call, out, paid, false, answered, s.now))
}

func (s *world) takeRefund(c RefundChange) {
	s.t.Helper()
	r := c.Refund
	s.refunds[r.OutRefundNo] = r
	s.o.Reserved += c.Reserved
	s.o.Refunded += c.Refunded
	if !c.SentAt.IsZero() {
		s.o.RefundSentAt = c.SentAt
	}
	if c.Late != LateNone {
		s.o.Late = c.Late
	}
	s.told = append(s.told, c.Callbacks...)
	s.raise(c.Raise)
	if c.From.State != r.State {
		s.note("refund %s: %s → %s", r.OutRefundNo, c.From.State, r.State)
	}
	s.book(c.Postings)
}

// settle runs until nothing is left to do, or fails: too many turns is no
// end, and too many at one moment is a spin.
func (s *world) settle() {
	s.t.Helper()
	const maxActs, maxAtOnce = 200, 8 // a turn that only looks at a refund under way is no act
	last, still := s.now, 0
	for begun, turns := len(s.log), 0; len(s.log)-begun < maxActs && turns < 1e5; turns++ {
		if !s.turn() {
			return
		}
		if still++; s.now.After(last) {
			last, still = s.now, 0
		}
		if still > maxAtOnce {
			s.fatalf("the order spins")
		}
	}
	s.fatalf("no final state after %d acts", maxActs)
}

// until runs what is due up to a moment and stops the clock there.
func (s *world) until(when time.Time) {
	s.t.Helper()
	for range 1000 {
		next := s.due()
		if next.IsZero() || next.After(when) {
			s.now = later(s.now, when)
			return
		}
		s.turn()
	}
	s.fatalf("the order spins")
}

// agree checks that what we believe is what happened (money.md §3).
func (s *world) agree() {
	s.t.Helper()
	if s.w.charges > 1 {
		s.fatalf("the customer was charged %d times", s.w.charges)
	}
	want := Fen(0)
	if s.o.State == PAID {
		want = s.o.Total - s.o.Refunded
	}
	if s.o.Late == LateHeld {
		if s.refunds["late"].State != RefundRejected || len(s.raised) == 0 {
			s.fatalf("late money was neither returned nor raised")
		}
		want = s.o.Total
	}
	if s.w.kept() != want {
		s.fatalf("%s, late %q, but the customer has paid %d, want %d", s.o.State, s.o.Late, s.w.kept(), want)
	}
	if n := count(s.told, EventPaid); s.o.State == PAID && n != 1 {
		s.fatalf("told %d times of a payment", n)
	}
}
