package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"golang.org/x/sync/errgroup"

	"cloudpay/internal/sandbox"
)

// phoneFlags let a real phone in the same network be the customer's.
type phoneFlags struct {
	PhoneListen string `name:"phone-listen" placeholder:"HOST:PORT" help:"Serve the customer's phone to other machines too, such as a real phone in this network: 0.0.0.0:8803. Whoever has the link that is printed acts as one invented customer, and nothing else. Off by default."`
}

// maxPhoneLinks bounds the addresses that are printed for one listener.
const maxPhoneLinks = 4

// phoneDoor is the listener for other machines' phones; without an address it
// is closed, and its methods do nothing.
type phoneDoor struct {
	listener net.Listener
	handler  http.Handler
	links    []string
}

// open opens the door with a token of its own, which is good until the process
// ends. The caller closes it by serve or close.
func (f phoneFlags) open(ctx context.Context, box *sandbox.Sandbox) (*phoneDoor, error) {
	if f.PhoneListen == "" {
		return &phoneDoor{}, nil
	}
	host, _, err := net.SplitHostPort(f.PhoneListen)
	if err != nil {
		return nil, usage("phone address %q: write HOST:PORT, 0.0.0.0:8803 for every address of this machine", f.PhoneListen)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.PhoneListen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", f.PhoneListen, err)
	}
	token := rand.Text()
	d := &phoneDoor{listener: l, handler: box.Phone(token, sandbox.PhoneCustomer)}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	for _, name := range reachableNames(host) {
		d.links = append(d.links, "http://"+net.JoinHostPort(name, port)+"/phone#pair="+token)
	}
	return d, nil
}

// serve runs a sandbox with its door until ctx ends.
func (f phoneFlags) serve(ctx context.Context, e env, b *boxServer) error {
	door, err := f.open(ctx, b.box)
	if err != nil {
		return errors.Join(err, b.close())
	}
	door.greet(e.stdout)
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return b.serve(inner) })
	g.Go(func() error { return door.serve(inner) })
	return g.Wait()
}

// reachableNames are the addresses that a phone can reach a listening host by.
func reachableNames(host string) []string {
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return []string{host}
	}
	var names []string
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		addrs = nil
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() && len(names) < maxPhoneLinks {
			names = append(names, n.IP.String())
		}
	}
	if len(names) == 0 {
		return []string{"127.0.0.1"}
	}
	return names
}

// serve answers until ctx ends.
func (d *phoneDoor) serve(ctx context.Context) error {
	if d.listener == nil {
		return nil
	}
	const headerTime, readTime, idleTime = 10 * time.Second, 30 * time.Second, time.Minute
	srv := &http.Server{Handler: d.handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: readTime, IdleTimeout: idleTime, MaxHeaderBytes: 16 << 10}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve phone: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-inner.Done()
		return srv.Close()
	})
	return g.Wait()
}

// close closes a door that serve has not taken over.
func (d *phoneDoor) close() error {
	if d.listener == nil {
		return nil
	}
	return d.listener.Close()
}

// greet prints the links, and for a person's terminal the first as a QR code.
func (d *phoneDoor) greet(w io.Writer) {
	if len(d.links) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\nA real phone in this network opens (until this process ends; plain HTTP, an invented customer's money):\n\n")
	for _, link := range d.links {
		_, _ = fmt.Fprintf(w, "  %s\n", link)
	}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			_, _ = fmt.Fprintf(w, "\n%s", terminalQR(d.links[0]))
		}
	}
}

// terminalQR draws a text as a QR code of half blocks, black on white whatever
// the terminal's colours, with its quiet zone. "" if it does not fit.
func terminalQR(text string) string {
	const quiet = 2
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil {
		return ""
	}
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	var b strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		b.WriteString("  \x1b[30;107m")
		for x := -quiet; x < size+quiet; x++ {
			switch upper, lower := dark(x, y), dark(x, y+1); {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}
