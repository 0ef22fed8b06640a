package notify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
)

// Limits of an address.
const (
	maxURL = 1024 // caller_notify_url has 255 characters at most
	// maxAddrs is how many addresses of one name are tried.
	maxAddrs = 3
	// Of the system's ports only 443 may be called: a request to a mail or name
	// server on a public host would be our doing.
	portTLS     = 443
	minUserPort = 1024
)

// guard decides which addresses may be called. A name is resolved here, once
// per connection, every address of it is judged, and the connection is made to
// an address that was judged: a name that changes in between gains nothing.
type guard struct {
	allowPrivate bool
	resolver     Resolver
	dial         func(ctx context.Context, network, address string) (net.Conn, error)
}

// checkURL refuses addresses for their form.
func (g *guard) checkURL(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, refusal("the address is too long")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Hostname() == "":
		return nil, refusal("the address is not readable")
	case u.User != nil:
		return nil, refusal("the address must not carry a name or password")
	case u.Scheme == "http" && g.allowPrivate:
		return u, nil
	case u.Scheme != "https":
		return nil, refusal("the address must begin with https://")
	}
	if u.Port() != "" && !g.allowPrivate {
		p, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || p != portTLS && p < minUserPort {
			return nil, refusal("the port must be 443 or one from 1024 on")
		}
	}
	return u, nil
}

// DialContext resolves and judges the host of address, and connects to one of
// its addresses.
func (g *guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, refusal("the address is not readable")
	}
	addrs, err := g.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, a := range addrs[:min(len(addrs), maxAddrs)] {
		conn, err := g.dial(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// resolve returns the addresses of host. One forbidden address condemns them
// all: an honest name has none.
func (g *guard) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs := make([]netip.Addr, 1)
	var err error
	if addrs[0], err = netip.ParseAddr(host); err != nil {
		if addrs, err = g.resolver.LookupNetIP(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	if len(addrs) == 0 {
		return nil, refusal("the host name has no address")
	}
	for _, a := range addrs {
		if !g.permitted(a) {
			return nil, refusal("the address is not public")
		}
	}
	return addrs, nil
}

// control judges once more what is really connected to, whoever resolved it.
func (g *guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !g.permitted(ap.Addr()) {
		return refusal("the address is not public")
	}
	return nil
}

// permitted reports whether an address may be called.
func (g *guard) permitted(a netip.Addr) bool {
	if a.Zone() != "" {
		return false // a zone names an interface of this machine
	}
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if g.allowPrivate && within(a, private) {
		return !within(a, metadata6)
	}
	if a.Is4() {
		return !within(a, special4)
	}
	return global6.Contains(a) && !within(a, special6)
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(list))
	for i, s := range list {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

// The address blocks, after the IANA special-purpose registries.
var (
	// nat64 carries an IPv4 address in its last four bytes, which is judged.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	// global6 is all the IPv6 there is on the internet; the rest is unspecified,
	// loopback, mapped, unique local (with metadata at fd00:ec2::254), link-local,
	// site-local, multicast, NAT64 for local use, or not given out.
	global6 = netip.MustParsePrefix("2000::/3")

	special4 = prefixes(
		"0.0.0.0/8",        // this network
		"10.0.0.0/8",       // private
		"100.64.0.0/10",    // carrier-grade NAT, metadata of one cloud
		"127.0.0.0/8",      // loopback
		"168.63.129.16/32", // a cloud's host services, on a public-looking address
		"169.254.0.0/16",   // link-local, metadata of most clouds
		"172.16.0.0/12",    // private
		"192.0.0.0/24",     // protocol assignments, metadata of one cloud
		"192.0.2.0/24",     // documentation
		"192.88.99.0/24",   // 6to4 relays
		"192.168.0.0/16",   // private
		"198.18.0.0/15",    // benchmarks
		"198.51.100.0/24",  // documentation
		"203.0.113.0/24",   // documentation
		"224.0.0.0/4",      // multicast
		"240.0.0.0/4",      // reserved, and broadcast
	)
	special6 = prefixes(
		"2001::/23",     // protocol assignments: Teredo, benchmarks, ORCHID
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4: carries an IPv4 address
		"3fff::/20",     // documentation
	)
	// metadata6 is where clouds hand out credentials, within the unique local block.
	metadata6 = prefixes("fd00:ec2::254/128", "fd20:ce::254/128")
	// private is what development may call, less metadata6.
	private = prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
