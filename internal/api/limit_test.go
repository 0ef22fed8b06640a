package api

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func same[K any](k K) K { return k }

func TestALimiterGivesABurstAndThenItsRate(t *testing.T) {
	t.Parallel()
	l := newLimiter[string](Rate{PerSecond: 10, Burst: 3})
	taken := func(at time.Duration) (n int) {
		for l.take("a", noon.Add(at), same) {
			if n++; n > 100 {
				t.Fatal("limits nothing")
			}
		}
		return n
	}
	for _, tt := range []struct {
		at   time.Duration
		want int
	}{{0, 3}, {0, 0}, {99 * time.Millisecond, 0}, {100 * time.Millisecond, 1}, {250 * time.Millisecond, 1}, {10 * time.Second, 3}, {9 * time.Second, 0}} {
		if got := taken(tt.at); got != tt.want {
			t.Errorf("after %s: %d taken, want %d", tt.at, got, tt.want)
		}
	}
	if !l.take("b", noon, same) {
		t.Error("one key pays for another")
	}
}

func TestALimiterKnowsWhenItIsSpentWithoutTaking(t *testing.T) {
	t.Parallel()
	l := newLimiter[string](Rate{PerSecond: 1, Burst: 2})
	for i, want := range []bool{false, false, true} {
		for range 3 {
			if got := l.spent("a", noon); got != want {
				t.Errorf("after %d: spent %v", i, got)
			}
		}
		l.take("a", noon, same)
	}
	if l.spent("a", noon.Add(time.Second)) {
		t.Error("still spent after a second")
	}
}

func TestNoRateLimitsNothing(t *testing.T) {
	t.Parallel()
	l := newLimiter[string](Rate{})
	for range 10_000 {
		if !l.take("a", noon, same) || l.spent("a", noon) {
			t.Fatal("refused")
		}
	}
}

func TestALimiterForgetsThoseNotSeenForLongest(t *testing.T) {
	t.Parallel()
	l := newLimiter[string](Rate{PerSecond: 1, Burst: 1})
	l.take("busy", noon, same)
	for i := range 10 * limitsKept {
		l.take(strconv.Itoa(i), noon, same)
		if i%1000 == 0 && l.take("busy", noon, same) {
			t.Fatalf("one that keeps calling was forgotten after %d others", i)
		}
	}
	if n := len(l.young) + len(l.old); n > limitsKept {
		t.Errorf("%d keys are kept, want at most %d", n, limitsKept)
	}
}

// TestKeysDoNotHoldOnToRequests: a key that is a piece of a request's text
// would keep 64 KiB alive for each of 16,000 devices.
func TestKeysDoNotHoldOnToRequests(t *testing.T) {
	t.Parallel()
	l := newLimits(Limits{Device: Rate{PerSecond: 1, Burst: 1}})
	text := strings.Repeat("x", 1<<10)
	if err := l.device("m", text[:5], noon); err != nil {
		t.Fatal(err)
	}
	for k := range l.devices.young {
		if unsafe.StringData(k.device) == unsafe.StringData(text) {
			t.Error("the key is a piece of the request")
		}
	}
	if err := l.device("m", "", noon); err != nil {
		t.Errorf("no device: %v", err)
	}
}

func TestStrangersAreCountedByTheirHousehold(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"203.0.113.9:1234":            "203.0.113.9",
		"[::ffff:203.0.113.9]:1":      "203.0.113.9",
		"[2001:db8:1:2:3:4:5:6]:99":   "2001:db8:1:2::",
		"[2001:db8:1:2:9:9:9:9%e0]:9": "2001:db8:1:2::",
		"127.0.0.1:80":                "", "[::1]:80": "", "10.1.2.3:1": "", "192.168.0.1:1": "", "[fd00::1]:1": "", "pipe": "", "x:1": "",
	} {
		addr, counted := origin(remote)
		if counted != (want != "") || counted && addr != netip.MustParseAddr(want) {
			t.Errorf("%s belongs to %v, counted %v; want %q", remote, addr, counted, want)
		}
	}
}
