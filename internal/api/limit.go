package api

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"cloudpay/internal/pay"
)

// Rate is a token bucket: so many requests a second over time, and Burst of
// them at once. The zero Rate limits nothing.
type Rate struct {
	PerSecond int64
	Burst     int64
}

// Limits say how often somebody may call. Merchants and devices are counted
// once a request is authentic, strangers by their address when it is not.
type Limits struct {
	Merchant Rate
	Device   Rate
	// Stranger bounds the refusals (101) of one address. While it is used up,
	// requests from there are answered with 3 and not looked at. Loopback and
	// private addresses are a proxy or one's own network and are not counted.
	Stranger Rate
}

// DefaultLimits are generous: a till that polls sends one request in two
// seconds, and a back office that uses one device_id for a whole shop a few
// dozen. They stop a loop in somebody's program, not a good day.
func DefaultLimits() Limits {
	return Limits{
		Merchant: Rate{PerSecond: 500, Burst: 1000},
		Device:   Rate{PerSecond: 50, Burst: 100},
		Stranger: Rate{PerSecond: 20, Burst: 200},
	}
}

// limitsKept bounds what one limiter remembers: some 150 bytes each, so 8 MiB
// for all three. When it is full, those not seen for longest start afresh.
const limitsKept = 16 << 10

// limits are the three limiters of a server.
type limits struct {
	merchants limiter[string]
	devices   limiter[deviceKey]
	strangers limiter[netip.Addr]
}

// deviceKey names a device of a merchant.
type deviceKey struct{ merchant, device string }

func newLimits(l Limits) *limits {
	return &limits{
		merchants: newLimiter[string](l.Merchant), devices: newLimiter[deviceKey](l.Device), strangers: newLimiter[netip.Addr](l.Stranger),
	}
}

// Refusals for haste. To a known caller the result of the order that the
// request is about is not known: 103, ask again.
var (
	errMerchantHasty = pay.Refuse(pay.ErrUnavailable, "merchant_rate", "商户请求过于频繁，请3秒后重试")
	errDeviceHasty   = pay.Refuse(pay.ErrUnavailable, "device_rate", "设备请求过于频繁，请3秒后重试")
	// errFlood is a stranger's. It is answered with 3, not 101, because an
	// honest device may share the address, and 101 would say that its payment
	// failed.
	errFlood = errors.New("too many refused requests from this address")
)

// merchant takes one request of a merchant, whose id lives as long as the
// directory's row.
func (l *limits) merchant(id string, now time.Time) error {
	if !l.merchants.take(id, now, func(s string) string { return s }) {
		return errMerchantHasty
	}
	return nil
}

// device takes one request of a device. Requests that name none are not
// counted here.
func (l *limits) device(merchant, device string, now time.Time) error {
	if device == "" {
		return nil
	}
	// The name is a part of the request's text, which must not be kept for it.
	own := func(k deviceKey) deviceKey { return deviceKey{k.merchant, strings.Clone(k.device)} }
	if !l.devices.take(deviceKey{merchant, device}, now, own) {
		return errDeviceHasty
	}
	return nil
}

// flooded reports whether an address has used up its refusals.
func (l *limits) flooded(remote string, now time.Time) bool {
	addr, counted := origin(remote)
	return counted && l.strangers.spent(addr, now)
}

// refused counts a refusal.
func (l *limits) refused(remote string, now time.Time) {
	if addr, counted := origin(remote); counted {
		l.strangers.take(addr, now, func(a netip.Addr) netip.Addr { return a })
	}
}

// homeBits is the part of an IPv6 address that belongs to one household, which
// may use all addresses below it.
const homeBits = 64

// origin is whom an address belongs to, and whether it is counted.
func origin(remote string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, false
	}
	addr = addr.Unmap().WithZone("")
	if addr.IsLoopback() || addr.IsPrivate() {
		return netip.Addr{}, false
	}
	if addr.Is6() {
		home, err := addr.Prefix(homeBits)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = home.Addr()
	}
	return addr, true
}

// limiter keeps one bucket per key. Instead of tokens it remembers when the
// bucket will be full again, so a bucket needs no upkeep and one that is full
// need not be remembered at all. It is safe for concurrent use.
type limiter[K comparable] struct {
	each  time.Duration // in which one token grows
	whole time.Duration // in which an empty bucket fills

	mu    sync.Mutex
	young map[K]time.Time // used since the last turn
	old   map[K]time.Time
}

func newLimiter[K comparable](r Rate) limiter[K] {
	if r.PerSecond <= 0 {
		return limiter[K]{}
	}
	each := time.Second / time.Duration(r.PerSecond)
	return limiter[K]{each: each, whole: each * time.Duration(max(r.Burst, 1)), young: map[K]time.Time{}}
}

// take takes a token, or reports that there is none. own makes a key that may
// be kept.
func (l *limiter[K]) take(key K, now time.Time, own func(K) K) bool {
	if l.each == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.young[key]
	if !known {
		full = l.old[key]
		key = own(key)
		if len(l.young) >= limitsKept/2 {
			l.old, l.young = l.young, make(map[K]time.Time, limitsKept/2)
		}
	}
	if full.Before(now) {
		full = now
	}
	enough := full.Add(l.each).Sub(now) <= l.whole
	if enough {
		full = full.Add(l.each)
	}
	l.young[key] = full
	return enough
}

// spent reports whether there is no token.
func (l *limiter[K]) spent(key K, now time.Time) bool {
	if l.each == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.young[key]
	if !known {
		full = l.old[key]
	}
	return full.Add(l.each).Sub(now) > l.whole
}
