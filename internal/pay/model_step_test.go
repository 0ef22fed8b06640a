package pay

import (
	"slices"
	"time"
)

// lost is what a caller knows of a call whose answer does not come.
var lost = Outcome{Kind: Unknown, Lost: true}

// payWithin is how long the pay call may take (channel.PayTimeout): time does
// not pass beyond it while it is under way.
const payWithin = 15 * time.Second

// next returns every moment that may follow.
func (m *moment) next() (list []*moment) {
	step := func(label string, fault bool, do func(n *moment)) {
		if fault && m.left.faults == 0 {
			return
		}
		n := m.clone()
		n.label, n.fault = label, fault
		if fault {
			n.left.faults--
		}
		n.s.note("· %s", label)
		do(n)
		if n.s.o != m.s.o && n.job.phase != idle && m.job.phase == n.job.phase {
			n.job.overtaken = true
		}
		list = append(list, n)
	}
	m.payCall(step)
	m.orderJob(step)
	m.refundJobs(step)
	m.others(step)
	if m.pay.phase != idle || m.job.phase != idle || m.ref.phase != idle {
		step("the process dies", true, func(n *moment) { n.die() })
	}
	m.timePasses(step)
	return list
}

// How long a request may be on the wire when nobody waits for it any more: less
// than the rules allow for (money.md §2 and §3 row 11). A pay request is refused
// after the expiry that was sent with it.
const (
	onTheWire = 45 * time.Second
	payLife   = 2 * time.Minute
)

// strays leaves a request on the wire.
func (m *moment) strays(name string) {
	m.stray, m.until = name, m.s.now.Add(onTheWire)
	if name == "pay" {
		m.until = begin.Add(payLife)
	}
}

type stepper func(label string, fault bool, do func(n *moment))

// die forgets the calls under way. A request that is on the wire may arrive.
func (m *moment) die() {
	for _, c := range []*modelCall{&m.pay, &m.job, &m.ref} {
		if c.phase == flying && c.name != "query" {
			m.strays(c.name)
		}
		*c = modelCall{}
	}
}

// payCall is the only send of a code payment.
func (m *moment) payCall(step stepper) {
	answer := func(n *moment, out Outcome) {
		n.pay = modelCall{}
		if n.mistaken && out.Lost {
			out.Kind = Declined
		}
		n.s.take(n.s.p.Apply(n.s.o, CallPay, out, n.s.now))
	}
	switch m.pay.phase {
	case idle:
	case committed:
		step("the pay request leaves", false, func(n *moment) { n.pay.phase = flying })
	case flying:
		step("the pay request arrives", false, func(n *moment) {
			n.pay.phase = answered
			if n.s.w.tomb {
				n.pay.out = verified(Declined, "REVERSED")
				return
			}
			n.pay.out = n.s.w.pay(n.s.now)
		})
		step("the pay request is lost", true, func(n *moment) { answer(n, lost) })
		step("the pay request is late", true, func(n *moment) { n.strays("pay"); answer(n, lost) })
	case answered:
		step("pay is answered", false, func(n *moment) { answer(n, n.pay.out) })
		step("the answer to pay is lost", true, func(n *moment) { answer(n, lost) })
	}
}

// orderJob is the settle job: one act at a time.
func (m *moment) orderJob(step stepper) {
	switch m.job.phase {
	case idle:
		next := m.s.p.Next(m.s.o, m.s.now)
		if next.Act == ActNone || next.At.After(m.s.now) {
			return
		}
		step("the job begins: "+string(next.Act), false, func(n *moment) { n.begin(next.Act) })
	case committed:
		step("the "+m.job.name+" leaves", false, func(n *moment) { n.job.phase = flying })
	case flying:
		step("the "+m.job.name+" arrives", false, func(n *moment) {
			n.job.phase, n.job.out = answered, n.s.w.called(n.job.name, n.s.now)
		})
		step("the "+m.job.name+" is lost", true, func(n *moment) { n.jobAnswered(lost) })
		if m.job.name != "query" && m.stray == "" {
			step("the "+m.job.name+" is late", true, func(n *moment) { n.strays(n.job.name); n.jobAnswered(lost) })
		}
	case answered:
		step("the "+m.job.name+" is answered", false, func(n *moment) { n.jobAnswered(n.job.out) })
		step("the answer to the "+m.job.name+" is lost", true, func(n *moment) { n.jobAnswered(lost) })
	}
}

// called is one call of an order at the wallet.
func (w *wallet) called(call string, now time.Time) Outcome {
	switch call {
	case "reverse", "cancel":
		return w.reverse(now)
	case "close":
		return w.close(now)
	}
	return w.query(now)
}

// begin is what gateway.act does before its call.
func (m *moment) begin(act Act) {
	s := m.s
	switch act {
	case ActQuery:
		m.job = modelCall{name: "query", phase: flying}
	case ActReverse, ActCancel:
		if s.w.unified || s.o.NoReverse || s.o.Duplicate || s.now.Before(s.o.SentAt.Add(s.p.EarliestSend)) {
			s.fatalf("a reverse that must not leave")
		}
		s.take(s.p.StartReverse(s.o, s.now))
		m.job = modelCall{name: "reverse", phase: committed}
		if act == ActCancel && s.o.State == REVERSING {
			m.job.name = "close"
		}
	case ActClose:
		s.take(s.p.StartClose(s.o, s.now))
		m.job = modelCall{name: "close", phase: committed}
		if s.p.ClosesByCancel(s.o) {
			m.job.name = "cancel"
		}
	case ActRefund:
		s.returnInFull()
	case ActNone, ActSend, ActAsk:
		s.fatalf("%q is no act of an order", act)
	}
	m.job.asked = s.o
}

// jobAnswered settles the answer to the job's call as gateway.settle does: on
// the row as it stands, which somebody else may have changed.
func (m *moment) jobAnswered(out Outcome) {
	s, j := m.s, m.job
	m.job = modelCall{}
	row := s.o
	if m.lostUpdate {
		row = j.asked
		s.o = row
	}
	call := CallQuery
	switch {
	case j.name == "reverse":
		call = CallReverse
	case j.name != "query":
		call = CallClose
	}
	if call == CallQuery && j.overtaken && out.SaysUnpaid() && !m.lostUpdate {
		s.take(s.p.AskAgain(row, s.now))
		return
	}
	s.take(s.p.Apply(row, call, out, s.now))
}

// refundJobs send refunds and ask for them, one at a time.
func (m *moment) refundJobs(step stepper) {
	switch m.ref.phase {
	case idle:
		for _, no := range slots {
			r, ok := m.s.refunds[no]
			if !ok || r.State != RefundPending || m.s.p.SendAt(m.s.o, r).After(m.s.now) {
				continue
			}
			step("the job of refund "+no+" begins: "+string(r.Do), false, func(n *moment) {
				n.ref = modelCall{name: no, phase: flying, before: !r.Unanswered}
				if r.Do == ActSend {
					n.s.takeRefund(n.s.p.StartRefund(r, n.s.now))
					n.ref.name, n.ref.phase = "refund "+no, committed
				}
			})
		}
	case committed:
		step("the "+m.ref.name+" leaves", false, func(n *moment) { n.ref.phase = flying })
	case flying:
		step("the "+m.ref.name+" arrives", false, func(n *moment) { n.refundArrives() })
		step("the "+m.ref.name+" is lost", true, func(n *moment) { n.refundAnswered(true) })
		if _, sends := cutRefund(m.ref.name); sends && m.stray == "" {
			step("the "+m.ref.name+" is late", true, func(n *moment) { n.strays(n.ref.name); n.refundAnswered(true) })
		}
	case answered:
		step("the "+m.ref.name+" is answered", false, func(n *moment) { n.refundAnswered(false) })
		step("the answer to the "+m.ref.name+" is lost", true, func(n *moment) { n.refundAnswered(true) })
	}
}

// cutRefund reads a call's name: the refund's number, and whether it is a send.
func cutRefund(name string) (no string, sends bool) {
	const send = "refund "
	if len(name) > len(send) && name[:len(send)] == send {
		return name[len(send):], true
	}
	return name, false
}

func (m *moment) refundArrives() {
	w := m.s.w
	no, sends := cutRefund(m.ref.name)
	m.ref.phase = answered
	if sends {
		m.ref.out, m.ref.paid = w.refund(no, m.s.refunds[no].Amount)
		if m.left.byHand {
			m.ref.out, m.ref.paid = verified(Waiting, "PROCESSING"), RefundPaid{}
		}
		return
	}
	m.ref.out, m.ref.paid = w.queryRefund(no)
	if _, done := w.refunds[no]; m.left.byHand && done {
		m.ref.out, m.ref.paid, m.ref.byHand = verified(Waiting, "CHANGE"), RefundPaid{}, true
	}
}

// refundAnswered is the end of gateway.refundJob.
func (m *moment) refundAnswered(gone bool) {
	s, c := m.s, m.ref
	m.ref = modelCall{}
	no, sends := cutRefund(c.name)
	call := CallQueryRefund
	if sends {
		call = CallRefund
	}
	if gone {
		c.out, c.paid, c.byHand = lost, RefundPaid{}, false
	}
	r := s.refunds[no]
	change := s.p.ApplyRefund(r, call, c.out, c.paid, c.byHand, c.before, s.now)
	if change.WantsOrder(call, c.out) {
		change = s.p.OrderSaid(s.o, change, s.w.query(s.now), s.now)
	}
	s.takeRefund(change)
}

// others are the people and the wire.
func (m *moment) others(step stepper) {
	s, w := m.s, m.s.w
	if m.stray != "" {
		step("the late "+m.stray+" arrives", false, func(n *moment) { n.strayArrives() })
	}
	if m.left.wishes > 0 && !s.o.State.Final() || m.left.wishes > 0 && s.o.State == PAID && s.o.Reserved == 0 {
		step("somebody wants it reversed or closed", false, func(n *moment) {
			n.left.wishes--
			if n.s.w.unified {
				_ = n.s.merchantCloses()
				return
			}
			_ = n.s.cashierReverses()
		})
	}
	if m.left.refunds > 0 && s.o.State == PAID {
		no, amount := slots[2-m.left.refunds], Fen(60)
		if s.p.CheckRefund(s.o, total, amount, s.now) == nil {
			step("a refund is asked for", false, func(n *moment) {
				n.left.refunds--
				n.s.openRefund(no, OriginAPI, amount)
			})
		} else if s.p.CheckRefund(s.o, total, 40, s.now) == nil {
			step("a refund of the rest is asked for", false, func(n *moment) {
				n.left.refunds--
				n.s.openRefund(no, OriginAPI, 40)
			})
		}
	}
	if m.left.notices > 0 && !w.paidAt.IsZero() && (w.unified || w.channel == Alipay) {
		step("the notice of the payment comes", false, func(n *moment) {
			n.left.notices--
			n.heard = true
			n.s.notice(n.s.w.success())
		})
		if out := m.clone().s.w.query(s.now); out.Returned {
			step("the notice of the return comes", false, func(n *moment) { n.left.notices--; n.s.notice(out) })
		}
	}
	m.customer(step)
}

// customer acts once, while the wallet lets him.
func (m *moment) customer(step stepper) {
	s, w := m.s, m.s.w
	expiry := begin.Add(2 * time.Minute)
	if w.unified {
		expiry = w.expiry
	}
	if !w.acts.IsZero() || !s.now.Before(expiry) || !w.paidAt.IsZero() {
		return
	}
	if w.unified && w.scans.IsZero() {
		if w.handed && !w.closed {
			step("the customer scans", false, func(n *moment) { n.s.w.scans = n.s.now; n.s.w.tick(n.s.now) })
		}
		return
	}
	if w.open() && slices.Contains([]customer{approves, cancels, refusedNow}, w.does) {
		step("the customer acts", false, func(n *moment) { n.s.w.acts = n.s.now; n.s.w.tick(n.s.now) })
	}
}

func (m *moment) strayArrives() {
	w, now := m.s.w, m.s.now
	call := m.stray
	m.stray, m.until = "", time.Time{}
	if no, sends := cutRefund(call); sends {
		w.refund(no, m.s.refunds[no].Amount)
		return
	}
	if call == "pay" {
		w.tick(now)
		if !w.tomb && !w.exists && !w.sent {
			w.pay(now)
		}
		return
	}
	w.called(call, now)
}

// timePasses moves the clock to what is due next, once nothing is due now.
func (m *moment) timePasses(step stepper) {
	if m.job.phase != idle || m.ref.phase != idle {
		return // calls are short: what happens meanwhile happens at one moment
	}
	due := m.s.due()
	if due.IsZero() || !due.After(m.s.now) || m.pay.phase != idle && due.After(begin.Add(payWithin)) {
		return
	}
	step("time passes", false, func(n *moment) {
		n.s.now = due
		n.s.note("it is later")
		if n.stray != "" && !due.Before(n.until) {
			n.stray, n.until = "", time.Time{}
		}
	})
}

// over reports whether nothing is left to do.
func (m *moment) over() bool {
	return m.pay.phase == idle && m.job.phase == idle && m.ref.phase == idle && m.stray == "" && m.s.due().IsZero()
}

// mustAgree compares the end with the wallet. A QR order that is paid after its
// end is known by its notice, so that one has to come first.
func (m *moment) mustAgree() {
	w := m.s.w
	if w.unified && !w.paidAt.IsZero() && !m.heard && m.left.notices > 0 {
		return
	}
	for no, r := range m.s.refunds {
		if r.State == RefundNeedsHand {
			delete(w.refunds, no) // the bank sent it back: the merchant has it again
		}
	}
	m.s.agree()
}
