package notify

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"cloudpay/internal/secret"
)

func TestPermittedAddresses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in          string
		production  bool
		development bool
	}{
		{"8.8.8.8", true, true},
		{"93.184.216.34", true, true},
		{"100.63.255.255", true, true},
		{"100.128.0.1", true, true},
		{"172.15.255.255", true, true},
		{"172.32.0.1", true, true},
		{"2606:2800:21f:cb07:6820:80da:af6b:8b2c", true, true},
		{"2400:cb00::1", true, true},
		{"2001:4860:4860::8888", true, true},

		{"127.0.0.1", false, true},
		{"127.255.255.254", false, true},
		{"10.1.2.3", false, true},
		{"172.16.0.1", false, true},
		{"172.31.255.255", false, true},
		{"192.168.1.1", false, true},
		{"::1", false, true},
		{"fd12:3456::1", false, true},
		{"fc00::1", false, true},

		{"0.0.0.0", false, false},
		{"0.1.2.3", false, false},
		{"100.64.0.1", false, false},
		{"100.100.100.200", false, false}, // metadata of one cloud
		{"169.254.169.254", false, false}, // metadata of most clouds
		{"169.254.0.23", false, false},    // metadata of another
		{"168.63.129.16", false, false},
		{"192.0.0.192", false, false},
		{"192.0.2.1", false, false},
		{"192.88.99.1", false, false},
		{"198.18.0.1", false, false},
		{"198.19.255.255", false, false},
		{"198.51.100.1", false, false},
		{"203.0.113.1", false, false},
		{"224.0.0.1", false, false},
		{"239.255.255.250", false, false},
		{"240.0.0.1", false, false},
		{"255.255.255.255", false, false},
		{"::", false, false},
		{"::2", false, false},
		{"::127.0.0.1", false, false}, // the old compatible form
		{"::8.8.8.8", false, false},
		{"fe80::1", false, false},
		{"fe80::1%eth0", false, false},
		{"2606:2800::1%eth0", false, false},
		{"fec0::1", false, false},
		{"ff02::1", false, false},
		{"fd00:ec2::254", false, false}, // metadata
		{"fd20:ce::254", false, false},  // metadata
		{"2001::1", false, false},       // Teredo
		{"2001:2::1", false, false},     // benchmarks
		{"2001:10::1", false, false},    // ORCHID
		{"2001:db8::1", false, false},
		{"2002:7f00:1::", false, false},   // 6to4 of 127.0.0.1
		{"2002:808:808::1", false, false}, // 6to4 of a public address: nobody needs it
		{"3fff::1", false, false},
		{"4000::1", false, false},
		{"5f00::1", false, false},
		{"100::1", false, false}, // discard

		{"::ffff:127.0.0.1", false, true},
		{"::ffff:10.0.0.1", false, true},
		{"::ffff:169.254.169.254", false, false},
		{"::ffff:8.8.8.8", true, true},
		{"::ffff:0:8.8.8.8", false, false}, // translated, not mapped
		{"64:ff9b::7f00:1", false, true},   // NAT64 of 127.0.0.1
		{"64:ff9b::a9fe:a9fe", false, false},
		{"64:ff9b::808:808", true, true}, // NAT64 of 8.8.8.8: how an IPv6-only machine calls it
		{"64:ff9b:1::808:808", false, false},
		{"64:ff9b::1:808:808", false, false},
	}
	production, development := guard{}, guard{allowPrivate: true}
	for _, c := range cases {
		a := netip.MustParseAddr(c.in)
		if got := production.permitted(a); got != c.production {
			t.Errorf("permitted(%s) = %v in production, want %v", c.in, got, c.production)
		}
		if got := development.permitted(a); got != c.development {
			t.Errorf("permitted(%s) = %v in development, want %v", c.in, got, c.development)
		}
	}
}

func TestConnectionItselfIsJudgedToo(t *testing.T) {
	t.Parallel()
	g := guard{}
	for in, want := range map[string]bool{
		"93.184.216.34:443": true, "127.0.0.1:443": false, "[::1]:443": false, "[fe80::1%lo]:443": false,
		"[::ffff:10.0.0.1]:443": false, "example.com:443": false, "": false,
	} {
		if err := g.control(t.Context(), "tcp", in, nil); (err == nil) != want {
			t.Errorf("control(%q) = %v, want permitted %v", in, err, want)
		}
	}
	// The dialer that New makes asks it, whatever address it is given.
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	t.Cleanup(server.Close)
	conn, err := New(Config{}).guard.dial(t.Context(), "tcp", server.Listener.Addr().String())
	if err == nil {
		_ = conn.Close()
		t.Error("a loopback address was connected to")
	}
}

func TestDevelopmentMayCallThisMachine(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"response_content":{"status":0}}`))
	}))
	t.Cleanup(server.Close)
	to := Target{URL: server.URL, Key: secret.New(key)}
	c := New(Config{AllowPrivate: true})
	t.Cleanup(c.Close)
	if res := c.Deliver(t.Context(), to, nil); !res.Delivered {
		t.Errorf("development: %+v", res)
	}
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	to.URL = "https://localhost:" + port // resolved by the system
	strict := New(Config{})
	t.Cleanup(strict.Close)
	if res := strict.Deliver(t.Context(), to, nil); res.Delivered || !strings.Contains(res.Err, "not public") {
		t.Errorf("production: %+v, want the address refused", res)
	}
}

func TestDeadPortIsExplained(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := New(Config{AllowPrivate: true})
	res := c.Deliver(t.Context(), Target{URL: "http://" + address + "/", Key: secret.New(key)}, nil)
	if res.Err != "the address cannot be connected to" {
		t.Errorf("Deliver = %+v", res)
	}
}
