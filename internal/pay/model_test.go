package pay

import (
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// This file explores every interleaving of caller, job, refund, notice,
// customer and wallet for one order, breadth first, and remembers what it has
// seen. It is exhaustive within its bounds: so many faults, notices and wishes
// in one life. What is lost may come late; a process may die between a commit
// and its call, and during the call. The rules are those of world.take and
// world.book, and in the end world.agree; besides, every state must be able to
// end when nothing fails any more.

// bounds are what may happen at most in one life of an order.
type bounds struct {
	faults  int8 // answers lost, requests late, crashes
	notices int8 // deliveries of the wallet's notice, old ones too
	wishes  int8 // a cashier's reverse or a merchant's close
	refunds int8 // refunds of 60 of 100 that are asked for
	byHand  bool // the bank sends refunds back
}

// phase is where a call stands.
type phase int8

const (
	idle      phase = iota
	committed       // its intent is on disk, it has not left
	flying          // it is on its way to the wallet
	answered        // its answer is on its way back
)

// modelCall is one call under way.
type modelCall struct {
	name      string
	phase     phase
	out       Outcome
	paid      RefundPaid
	byHand    bool
	asked     Order // the row that the call was decided on
	overtaken bool  // the row has changed since
	before    bool  // refunds: every send before had an answer
}

// moment is one state of the exploration.
type moment struct {
	s                    *world
	pay, job, ref        modelCall
	stray                string    // a request that nobody waits for and that may still arrive
	until                time.Time // when it is no longer on the wire
	left                 bounds
	heard                bool // the wallet's notice was delivered
	fault                bool // the edge that led here
	label                string
	lostUpdate, mistaken bool // planted bugs
}

// clone copies a moment, so that its successors do not share anything.
func (m *moment) clone() *moment {
	n := *m
	s := *m.s
	w := *m.s.w
	w.refunds, s.refunds = maps.Clone(w.refunds), maps.Clone(s.refunds)
	s.posts, s.told, s.raised, s.log, s.calls = slices.Clip(s.posts), slices.Clip(s.told), slices.Clip(s.raised), slices.Clip(s.log), nil
	s.w, n.s, n.fault = &w, &s, false
	return &n
}

// key is what makes two moments the same one.
type key struct {
	now, acts, scans, until        time.Time
	o                              Order
	refunds                        [4]Refund
	events                         string
	told                           int
	raised                         bool
	paidAt                         time.Time
	exists, closed, payError, tomb bool
	reversed, handed               bool
	charges, refuse                int
	given                          [4]Fen
	pay, job, ref                  modelCall
	stray                          string
	left                           bounds
	heard                          bool
}

// slots are the refund numbers of a life.
var slots = [4]string{"R0", "R1", "rv", "late"}

func (m *moment) key(seed maphash.Seed) uint64 {
	s, w := m.s, m.s.w
	k := key{
		now: s.now, acts: w.acts, scans: w.scans, until: m.until, o: s.o, told: count(s.told, EventPaid), raised: len(s.raised) > 0,
		paidAt: w.paidAt, exists: w.exists, closed: w.closed, payError: w.payError, tomb: w.tomb, reversed: w.reversed, handed: w.handed,
		charges: w.charges, refuse: w.refuse, pay: m.pay, job: m.job, ref: m.ref, stray: m.stray, left: m.left, heard: m.heard,
	}
	k.o.UpdatedAt, k.job.asked, k.ref.asked, k.pay.asked = time.Time{}, Order{}, Order{}, Order{}
	if m.lostUpdate {
		k.job.asked = m.job.asked
	}
	var events []string
	for _, p := range s.posts {
		events = append(events, p.Event)
	}
	k.events = strings.Join(events, " ")
	for i, no := range slots {
		k.refunds[i], k.given[i] = s.refunds[no], w.refunds[no]
		k.refunds[i].UpdatedAt = time.Time{}
	}
	return maphash.Comparable(seed, k)
}

// exploration is what was found.
type exploration struct {
	states, edges, ends int
	violation           string
}

// broken carries a violated rule out of the world's checks.
type broken struct{ text string }

// modelT is the tester of a world under exploration.
type modelT struct{}

func (modelT) Helper()                           {}
func (modelT) Fatalf(format string, args ...any) { panic(broken{fmt.Sprintf(format, args...)}) }

// explore walks everything that can happen after start, at most so many states.
// It stops at the first violation; breadth first, so that its history is a
// shortest one.
func explore(start *moment, most int) (e exploration) {
	var m *moment
	defer func() {
		switch p := recover().(type) {
		case nil:
		case broken:
			e.violation = p.text
		default: // the package itself refuses
			e.violation = fmt.Sprintf("%v\nafter:\n  %s", p, strings.Join(m.s.log, "\n  "))
		}
	}()
	seed := maphash.MakeSeed()
	number := map[uint64]int32{start.key(seed): 0}
	queue := []*moment{start}
	parent, label := []int32{-1}, []string{""}
	var back [][]int32 // by state, from where a good step leads here
	back = append(back, nil)
	var ends []int32
	for at := int32(0); len(queue) > 0; at++ {
		m = queue[0]
		queue[0], queue = nil, queue[1:]
		next := m.next()
		if m.over() {
			m.mustAgree()
			ends = append(ends, at)
		}
		for _, n := range next {
			e.edges++
			k := n.key(seed)
			to, known := number[k]
			if !known {
				to = int32(len(back)) // #nosec G115 -- bounded by most
				if int(to) >= most {
					panic(broken{fmt.Sprintf("more than %d states: bound the exploration", most)})
				}
				number[k] = to
				queue = append(queue, n)
				back, parent, label = append(back, nil), append(parent, at), append(label, n.label)
			}
			if !n.fault {
				back[to] = append(back[to], at)
			}
		}
	}
	e.states, e.ends = len(back), len(ends)
	alive := make([]bool, len(back))
	for todo := ends; len(todo) > 0; todo = todo[1:] {
		if alive[todo[0]] {
			continue
		}
		alive[todo[0]] = true
		todo = append(todo, back[todo[0]]...)
	}
	if stuck := slices.Index(alive, false); stuck >= 0 {
		var path []string
		for i := int32(stuck); i > 0; i = parent[i] { // #nosec G115 -- bounded by most
			path = append(path, label[i])
		}
		slices.Reverse(path)
		e.violation = "from here no step leads to an end:\n  " + strings.Join(path, "\n  ")
	}
	return e
}

// coarse is a profile with the rules of the preset and fewer moments to look at.
func coarse(ch Channel) Profile {
	p := Profiles[ch]
	p.QueryEvery = 30 * time.Second
	p.QuerySlow = []time.Duration{time.Minute}
	p.ReversePauses = []time.Duration{30 * time.Second}
	p.RefundPauses = []time.Duration{30 * time.Second, time.Minute}
	return p
}

// codePayment is the beginning of a micro_pay: its intent is on disk.
func codePayment(ch Channel, does customer, left bounds) *moment {
	w := newWallet(ch, does, time.Time{})
	s := newWorld(modelT{}, coarse(ch), w)
	return &moment{s: s, left: left, pay: modelCall{name: "pay", phase: committed}}
}

// shownCode is the beginning of a QR order: its code is on the screen.
func shownCode(ch Channel, left bounds) *moment {
	w := newWallet(ch, approves, time.Time{})
	w.unified, w.expiry = true, begin.Add(3*time.Minute)
	s := newWorld(modelT{}, coarse(ch), w)
	s.p.QueryEvery, s.p.CloseFrom = time.Minute, min(s.p.CloseFrom, time.Minute)
	s.o.TradeType, s.o.ExpireAt = TradeScanCode, w.expiry
	s.prepay()
	return &moment{s: s, left: left}
}

// modelBounds are those of make test, or more: CLOUDPAY_MODEL=2 and so on.
func modelBounds(t *testing.T) (faults int8) {
	t.Helper()
	text := os.Getenv("CLOUDPAY_MODEL")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseInt(text, 10, 8)
	if err != nil {
		t.Fatal(err)
	}
	return int8(n)
}

// lives are the beginnings that are explored.
func lives(faults int8) map[string]*moment {
	all := map[string]*moment{}
	for _, ch := range []Channel{Wxpay, Alipay} {
		for _, does := range []customer{paysAtOnce, approves, cancels, refusedNow, busyCharged, riskRefused} {
			b := bounds{faults: faults, notices: 1, wishes: 1}
			all[fmt.Sprintf("%s micro_pay, the customer %s", ch, does)] = codePayment(ch, does, b)
			if does == paysAtOnce || does == approves {
				late := codePayment(ch, does, b)
				late.s.w.expired = true
				all[fmt.Sprintf("%s micro_pay, the customer %s, too late to reverse", ch, does)] = late
			}
		}
		b := bounds{faults: faults, notices: 2, wishes: 1}
		all[string(ch)+" QR order"] = shownCode(ch, b)
		for _, takes := range []bool{false, true} {
			for refuse := range 2 {
				m := codePayment(ch, paysAtOnce, bounds{faults: faults, refunds: 2})
				m.s.w.takes, m.s.w.refuse = takes, refuse
				all[fmt.Sprintf("%s refunds, accepted first %v, refused %d times", ch, takes, refuse)] = m
			}
		}
		all[string(ch)+" refunds, the bank sends them back"] = codePayment(ch, paysAtOnce, bounds{faults: faults, refunds: 2, byHand: true})
		all[string(ch)+" refund and reverse"] = codePayment(ch, paysAtOnce, bounds{faults: faults, refunds: 1, wishes: 1})
	}
	return all
}

// TestModel explores every life within the bounds.
func TestModel(t *testing.T) {
	t.Parallel()
	const most = 1_000_000 // some gigabytes
	for name, start := range lives(modelBounds(t)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := explore(start, most)
			if e.violation != "" {
				t.Fatal(e.violation)
			}
			if e.ends == 0 {
				t.Error("nothing ends")
			}
			t.Logf("%d states, %d transitions, %d ends", e.states, e.edges, e.ends)
		})
	}
}

// TestModelFindsPlantedBugs explores what a mistaken server would do: it writes
// an answer over the row that it had read, takes a lost answer for a refusal, or
// does not look at a refused order once more.
func TestModelFindsPlantedBugs(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(*moment){
		"no compare-and-set":                     func(m *moment) { m.lostUpdate = true },
		"a time-out read as a refusal":           func(m *moment) { m.mistaken = true },
		"a refused order is not looked at again": func(m *moment) { m.s.p.WatchAt = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var found string
			all := lives(1)
			for _, life := range slices.Sorted(maps.Keys(all)) {
				if plant(all[life]); found == "" {
					if e := explore(all[life], 200_000); e.violation != "" {
						found = life + ": " + e.violation
					}
				}
			}
			if found == "" {
				t.Error("not found")
			}
			t.Logf("found in %.2500s", found)
		})
	}
}
