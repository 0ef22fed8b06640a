package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"cloudpay/cpay"
)

// asTill makes the test binary a till: its value is a tillOrder in JSON.
const asTill = "CLOUDPAY_TEST_AS_TILL"

// tillOrder is what the cashier wants of one life of a till.
type tillOrder struct {
	API     string       `json:"api"`
	Account demoMerchant `json:"account"`
	Journal string       `json:"journal"`
	Number  string       `json:"number"` // of the first attempt, but for its last digit
	Codes   []string     `json:"codes"`  // what the customer shows, one after the other
	Fen     int64        `json:"fen"`
	KillAt  int          `json:"kill_at"` // the step at which the power goes, counted from 1; 0 for never
}

// Ends of a till's life.
const (
	tillPaid    = 0
	tillRefused = 10 // every code was declined
	tillConfuse = 20 // something that must not happen; it says what
)

// entry is a line of the journal: an attempt that begins, or with a State its end.
type entry struct {
	Number string `json:"number"`
	Code   string `json:"code,omitempty"`
	State  string `json:"state,omitempty"`
}

// poweredTill is one life of a till. It does what a till must (cpay.WaitOptions):
// it writes the attempt down before it asks for money, asks for an attempt whose
// end it does not find, with Repeat, and takes another code only after a refusal
// that it has written down.
type poweredTill struct {
	order  tillOrder
	client *cpay.Client
	steps  int
}

// step is a moment at which the power may go: kill -9, sent by itself.
func (p *poweredTill) step() {
	if p.steps++; p.steps == p.order.KillAt {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// beTill lives the life of a till and returns its exit code.
func beTill() int {
	p := &poweredTill{}
	end := tillConfuse
	err := json.Unmarshal([]byte(os.Getenv(asTill)), &p.order)
	if err == nil {
		end, err = p.live(context.Background())
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return tillConfuse
	}
	return end
}

func (p *poweredTill) live(ctx context.Context) (int, error) {
	a := p.order.Account
	var err error
	p.client, err = cpay.NewClient(cpay.Config{
		Domains: []string{p.order.API}, Keys: cpay.Keys{AuthenKey: cpay.NewKey(a.AuthenKey)}, Transport: unplugged{p},
		Account:  cpay.Account{OutMchID: a.OutMchID, OutSubMchID: a.OutSubMchID, OutShopID: a.OutShopID, DeviceID: a.DeviceID, StaffID: a.StaffID},
		Terminal: cpay.Terminal{TerminalType: 4, MachineNo: "till"}, Attempts: 1,
	})
	if err != nil {
		return 0, err
	}
	lines, err := readJournal(p.order.Journal)
	if err != nil {
		return 0, err
	}
	attempts, repeat := 0, false
	var open entry
	for _, e := range lines {
		switch e.State {
		case "":
			attempts, open, repeat = attempts+1, e, true
		case cpay.StatePaid.String():
			return tillPaid, nil // it had been written down before the power went
		default:
			repeat = false
		}
	}
	for {
		if !repeat {
			if attempts == len(p.order.Codes) {
				return tillRefused, nil
			}
			attempts++
			open = entry{Number: fmt.Sprintf("%s%d", p.order.Number, attempts), Code: p.order.Codes[attempts-1]}
			if err := p.write(open); err != nil {
				return 0, err
			}
		}
		state, err := p.ask(ctx, open, repeat)
		if err != nil {
			return 0, err
		}
		if err := p.write(entry{Number: open.Number, State: state.String()}); err != nil {
			return 0, err
		}
		if repeat = false; state == cpay.StatePaid {
			p.step() // it is shown to the cashier
			return tillPaid, nil
		}
	}
}

// ask asks for the money of one attempt until the end is known.
func (p *poweredTill) ask(ctx context.Context, e entry, repeat bool) (cpay.State, error) {
	req := &cpay.MicroPayRequest{PayContent: cpay.PayContent{
		OutTradeNo: e.Number, AuthorCode: cpay.PayCode(e.Code), TotalFee: p.order.Fen, FeeType: "CNY", Body: "bread",
	}}
	for range 20 {
		res := p.client.MicroPayAndWait(ctx, req, cpay.WaitOptions{
			Queries: 200, Interval: 20 * time.Millisecond, Repeat: repeat, Progress: func(cpay.Progress) { p.step() },
		})
		switch res.State {
		case cpay.StatePaid, cpay.StateDeclined:
			return res.State, nil
		case cpay.StateRefunded, cpay.StateNotOurs:
			return 0, fmt.Errorf("attempt %s is %v: %w", e.Number, res.State, res.Err)
		case cpay.StateUnknown, cpay.StateWaiting:
			repeat = true
		}
	}
	return 0, fmt.Errorf("attempt %s has no end", e.Number)
}

// unplugged is a till's network cable: the power may go before a request leaves,
// when it is gone, and when its answer is there.
type unplugged struct{ p *poweredTill }

func (u unplugged) RoundTrip(req *http.Request) (*http.Response, error) {
	u.p.step()
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
		u.p.step()
	}})
	res, err := http.DefaultTransport.RoundTrip(req.WithContext(ctx))
	u.p.step()
	return res, err
}

// write appends a line to the journal, and the power may go in the middle of it.
func (p *poweredTill) write(e entry) (err error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(p.order.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	p.step()
	for _, part := range [][]byte{raw[:1], raw[1 : len(raw)/2], raw[len(raw)/2:], {'\n'}} {
		if _, err := f.Write(part); err != nil {
			return err
		}
		p.step()
	}
	if err := f.Sync(); err != nil {
		return err
	}
	p.step()
	return nil
}

// readJournal reads the lines that are whole and cuts off one that is not: its
// attempt asked for nothing yet, or its end is asked for again.
func readJournal(path string) (lines []entry, err error) {
	raw, err := os.ReadFile(path) // #nosec G304 -- the test's own file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(raw, '\n') + 1
	if err := os.Truncate(path, int64(whole)); err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(raw[:whole])); ; {
		var e entry
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return lines, nil
		} else if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		lines = append(lines, e)
	}
}

// sales are the ways of a sale whose till loses its power.
var sales = []struct {
	name  string
	fault string // of the first pay request at the wallet, "" for none
	poor  bool   // the first code has no money behind it
}{
	{name: "paid at once"},
	{name: "answer lost after charging", fault: "drop_after"},
	{name: "declined, then another code", poor: true},
}

// TestPromise10NoSecondChargeAfterAPowerCut kills a till that takes money with
// cpay.MicroPayAndWait and a journal, with kill -9 and at every step: in the
// middle of a line of the journal, before and after each request and its answer,
// and before it shows the end. Every other time its second life is killed, too.
// Gateway and wallets are a process of their own, which stays.
func TestPromise10NoSecondChargeAfterAPowerCut(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	const fen = 125
	number := 0
	for _, sale := range sales {
		for _, wallet := range []string{"wxpay", "alipay"} {
			cuts, lives, at := 0, 0, 1
			for undisturbed := false; !undisturbed; at++ {
				number++
				first := d.payCode(t, wallet, "")
				if sale.poor {
					poor := fmt.Sprintf("poor-%d", number)
					d.sandboxJSON(t, http.MethodPost, "/customers", map[string]any{"id": poor, "balance_fen": 1}, nil)
					first = d.payCode(t, wallet, poor)
				}
				if sale.fault != "" {
					d.sandboxJSON(t, http.MethodPost, "/faults", map[string]any{"scenario": sale.fault, "count": 1}, nil)
				}
				p := &powerCut{t: t, d: d, order: tillOrder{
					API: d.file.API, Account: d.file.Merchants[0], Journal: filepath.Join(t.TempDir(), "journal"),
					Number: fmt.Sprintf("%s%015d", d.file.Merchants[0].Prefixes[0], number), Fen: fen,
					Codes: []string{first, d.payCode(t, wallet, ""), d.payCode(t, wallet, "")},
				}}
				cut := p.life(at)
				if undisturbed = !cut; cut {
					cuts++
				}
				if cut && at%2 == 0 && p.life(1+at%7) {
					cuts++
				}
				p.life(0)
				p.check(map[bool]int{false: 1, true: 2}[sale.poor])
				lives += p.lives
				if t.Failed() {
					t.Fatalf("%s, %s, cut at step %d", sale.name, wallet, at)
				}
			}
			if cuts < 12 {
				t.Errorf("%s, %s: the power went %d times: that is not every step", sale.name, wallet, cuts)
			}
			t.Logf("%s, %s: the power went %d times in %d lives, at each of %d steps", sale.name, wallet, cuts, lives, at-2)
			d.sandboxJSON(t, http.MethodDelete, "/faults", nil, nil)
		}
	}
	var totals struct {
		DoubleCharges int64 `json:"double_charges"`
	}
	d.sandboxJSON(t, http.MethodGet, "/totals", nil, &totals)
	if totals.DoubleCharges != 0 {
		t.Errorf("the wallets count %d double charges", totals.DoubleCharges)
	}
}

// powerCut is one sale and the lives of its till.
type powerCut struct {
	t     *testing.T
	d     *demo
	order tillOrder
	lives int
}

// life lets the till live, and reports whether the power went. A till that was
// not cut must have been paid.
func (p *powerCut) life(killAt int) (cut bool) {
	p.t.Helper()
	p.lives++
	p.order.KillAt = killAt
	raw, err := json.Marshal(p.order)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), os.Args[0]) // #nosec G204 -- this test's own binary
	cmd.Env = append(os.Environ(), asTill+"="+string(raw))
	out, err := cmd.CombinedOutput()
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return false
	case ended && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && killAt > 0:
		return true
	}
	p.t.Fatalf("life %d of the till: %v\n%s", p.lives, err, out)
	return false
}

// check compares the journal with what the wallets did: paid once, by the
// attempt that the journal calls paid.
func (p *powerCut) check(attempts int) {
	p.t.Helper()
	lines, err := readJournal(p.order.Journal)
	if err != nil {
		p.t.Fatal(err)
	}
	ends := map[string]string{}
	for _, e := range lines {
		if _, begun := ends[e.Number]; !begun && e.State != "" || begun && e.State == "" || ends[e.Number] != "" {
			p.t.Errorf("the journal is not a till's: %+v", lines)
		}
		ends[e.Number] = e.State
	}
	var kept, charges int64
	for no, state := range ends {
		var out struct {
			Trades []struct {
				Charged, Refunded, Charges int64
			} `json:"trades"`
		}
		p.d.sandboxJSON(p.t, http.MethodGet, "/trades?out_trade_no="+no, nil, &out)
		var here int64
		for _, tr := range out.Trades {
			here += tr.Charged - tr.Refunded
			charges += tr.Charges
		}
		if (state == cpay.StatePaid.String()) != (here == p.order.Fen) {
			p.t.Errorf("attempt %s ended %q and the wallet kept %d", no, state, here)
		}
		kept += here
	}
	if kept != p.order.Fen || charges != 1 || len(ends) != attempts {
		p.t.Errorf("the customer of a sale of %d fen paid %d in %d charges and %d attempts (want %d): %+v", p.order.Fen, kept, charges, len(ends), attempts, lines)
	}
}
