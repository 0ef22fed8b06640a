package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cloudpay/internal/sandbox"
)

// sandboxCmd runs the sandbox alone, or talks to one that runs.
type sandboxCmd struct {
	Serve     sandboxServeCmd     `cmd:"" default:"withargs" help:"Run the sandbox alone (the default)."`
	Account   sandboxAccountCmd   `cmd:"" help:"Write a provider's keys and certificates at the wallets into files."`
	Export    sandboxExportCmd    `cmd:"" help:"Write a provider's keys as other SDKs read them, with a program that uses them."`
	Paycode   sandboxPaycodeCmd   `cmd:"" help:"Print a fresh payment code of a customer."`
	Answer    sandboxAnswerCmd    `cmd:"" help:"Answer a customer's password prompt."`
	Open      sandboxOpenCmd      `cmd:"" help:"Open a prepared order on a customer's phone, and answer it."`
	Fault     sandboxFaultCmd     `cmd:"" help:"Make the wallets misbehave."`
	Clock     sandboxClockCmd     `cmd:"" help:"Print the sandbox's time, or move it forward."`
	Scenarios sandboxScenariosCmd `cmd:"" help:"List everything that can be made to happen."`
	Totals    sandboxTotalsCmd    `cmd:"" help:"Print what really happened."`
}

// sandboxServeCmd runs the sandbox without a gateway.
type sandboxServeCmd struct {
	Data        string `name:"data" default:".sandbox" placeholder:"DIR" help:"Where state and keys are kept."`
	Addr        string `name:"addr" default:"127.0.0.1:8801" placeholder:"HOST:PORT" help:"Where the wallets listen (HTTPS)."`
	HTTP        string `name:"http" placeholder:"HOST:PORT" help:"Where the wallets listen without TLS too."`
	Listen      string `name:"listen" placeholder:"HOST" help:"Serve the wallets at HOST:443 (HTTPS) and HOST:80 instead: for clients pointed here by a hosts file."`
	ControlAddr string `name:"control-addr" default:"127.0.0.1:8802" placeholder:"HOST:PORT" help:"Where the control API listens (HTTP; beyond loopback only with --name)."`

	DownloadURL string `name:"download-url" placeholder:"URL" help:"Where bills are announced to be (default: WeChat's own host, and for Alipay the host that was asked)."`

	Name []string `name:"name" placeholder:"NAME" help:"Another name or address of this machine, as in a container network: the certificate is good for it, the control API answers to it. May be repeated."`

	Strict   bool   `name:"strict" help:"Enforce the wallets' pauses."`
	Profile  string `name:"profile" enum:"seed,current,classic" default:"seed" help:"Password rules; classic adds the wallets' special amounts."`
	LogLevel string `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"Least level that is logged."`
	phoneFlags
}

// Run serves until the process is told to stop. DIR/sandbox.json then holds
// the accounts that a client needs.
func (c *sandboxServeCmd) Run(ctx context.Context, e env) (err error) {
	defer func() { err = stopped(ctx, err) }()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	log := newLog(e.stderr, c.LogLevel)
	o := sandboxOptions{
		Dir: c.Data, Strict: c.Strict, Profile: c.Profile, WalletAddr: c.Addr, PlainAddr: c.HTTP, ControlAddr: c.ControlAddr, Names: c.Name,
		DownloadURL: c.DownloadURL,
	}
	if c.Listen != "" {
		o.WalletAddr, o.PlainAddr = net.JoinHostPort(c.Listen, "443"), net.JoinHostPort(c.Listen, "80")
	}
	b, err := openSandbox(ctx, o, log)
	if err != nil {
		return err
	}
	file := sandboxFile{Wallet: b.reach("https", b.wallet), Control: b.reach("http", b.control), Accounts: b.box.Accounts()}
	if b.plain != nil {
		file.Plain = b.reach("http", b.plain)
	}
	if err := writeJSON(filepath.Join(c.Data, "sandbox.json"), file); err != nil {
		return errors.Join(err, b.close())
	}
	_, _ = fmt.Fprintf(e.stdout, "cloudpay sandbox is running.\n\n  Wallets   %s   (CA and accounts: %s)\n", file.Wallet, filepath.Join(c.Data, "sandbox.json"))
	if b.plain != nil {
		_, _ = fmt.Fprintf(e.stdout, "            %s   (without TLS)\n", file.Plain)
	}
	_, _ = fmt.Fprintf(e.stdout, "  Control   %[1]s/sandbox/v1/\n  Requests  %[1]s/sandbox/requests\n  Phone     %[1]s/phone\n", file.Control)
	return c.serve(ctx, e, b)
}

// sandboxFile is DIR/sandbox.json: what clients of the wallets need.
type sandboxFile struct {
	Wallet   string           `json:"wallet"`
	Plain    string           `json:"wallet_http,omitempty"`
	Control  string           `json:"control"`
	Accounts sandbox.Accounts `json:"accounts"`
}

// reach is the address of a listener for others: one that listens everywhere is
// told by the sandbox's first name.
func (b *boxServer) reach(scheme string, l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); err != nil || !ip.IsUnspecified() {
		return baseURL(scheme, l.Addr())
	}
	return scheme + "://" + net.JoinHostPort(b.name, port)
}

// sandboxOptions say how a sandbox runs.
type sandboxOptions struct {
	Dir, Profile            string
	DownloadURL             string
	Strict                  bool
	Shared                  bool // the gateway runs on the sandbox's clock
	WalletAddr, ControlAddr string
	PlainAddr               string   // of the wallets without TLS, "" for none
	Names                   []string // of this machine, beside localhost
}

// boxServer is a sandbox with its listeners. Whoever opened it closes it, by
// serve or by close.
type boxServer struct {
	box             *sandbox.Sandbox
	wallet, control net.Listener
	plain           net.Listener // nil without PlainAddr
	name            string
}

// openSandbox opens the sandbox and its listeners. The control API listens on
// loopback only, because whoever reaches it commands every customer, unless
// the machine was given a name for others to reach it by.
func openSandbox(ctx context.Context, o sandboxOptions, log *slog.Logger) (*boxServer, error) {
	host, _, err := net.SplitHostPort(o.ControlAddr)
	if err != nil {
		return nil, usage("control address %q: write HOST:PORT", o.ControlAddr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && len(o.Names) == 0 {
		return nil, usage("control address %q: the control API has no sign-in, so it listens on loopback only; "+
			"in a closed network, say --name by which it is reached there", o.ControlAddr)
	}
	c := sandbox.Config{
		Dir: o.Dir, Strict: o.Strict, Profile: o.Profile, Names: o.Names, Now: time.Now, Shared: o.Shared, Log: log,
		DownloadURL: o.DownloadURL,
		Notify:      &http.Transport{Proxy: nil, IdleConnTimeout: time.Minute}, // notices go where the merchant said, and nowhere else
	}
	if o.Profile == "classic" {
		c.Profile, c.Classic = "seed", true
	}
	box, err := sandbox.New(ctx, c)
	if err != nil {
		return nil, err
	}
	b := &boxServer{box: box, name: append(slices.Clone(o.Names), "localhost")[0]}
	var lc net.ListenConfig
	for _, on := range []struct {
		addr string
		l    *net.Listener
	}{{o.WalletAddr, &b.wallet}, {o.PlainAddr, &b.plain}, {o.ControlAddr, &b.control}} {
		if on.addr == "" {
			continue
		}
		if *on.l, err = lc.Listen(ctx, "tcp", on.addr); err != nil {
			return nil, errors.Join(fmt.Errorf("listen on %s: %w", on.addr, err), b.close())
		}
	}
	return b, nil
}

// serve answers until ctx ends, then closes everything.
func (b *boxServer) serve(ctx context.Context) error {
	const headerTime = 10 * time.Second
	server := func(h http.Handler) *http.Server {
		return &http.Server{Handler: h, ReadHeaderTimeout: headerTime, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	}
	servers := map[*http.Server]net.Listener{
		server(b.box.Wallet()): tls.NewListener(b.wallet, b.box.TLSConfig()), server(b.box.Control()): b.control,
	}
	if b.plain != nil {
		servers[server(b.box.Wallet())] = b.plain
	}
	g, inner := errgroup.WithContext(ctx)
	for srv, l := range servers {
		g.Go(func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve sandbox: %w", err)
			}
			return nil
		})
		g.Go(func() error {
			<-inner.Done()
			return srv.Close()
		})
	}
	g.Go(func() error {
		b.box.ServeNotices(inner)
		return nil
	})
	return errors.Join(g.Wait(), closeAll(b.box))
}

// close closes what serve has not taken over.
func (b *boxServer) close() error {
	open := []io.Closer{b.box}
	for _, l := range []net.Listener{b.wallet, b.plain, b.control} {
		if l != nil {
			open = append(open, l)
		}
	}
	return closeAll(open...)
}

// boxFlags find the control API of a running sandbox.
type boxFlags struct {
	Data    string `name:"data" default:".demo" placeholder:"DIR" help:"Data directory of the running demo or sandbox."`
	Control string `name:"control" placeholder:"URL" help:"Control API, instead of looking it up in DIR."`
}

// url returns the base of the control API.
func (f boxFlags) url() (string, error) {
	if f.Control != "" {
		return f.Control, nil
	}
	for _, in := range [...]struct{ file, member string }{{"demo.json", "sandbox"}, {"sandbox.json", "control"}} {
		raw, err := readFile(filepath.Join(f.Data, in.file), maxAccounts)
		if err != nil {
			continue
		}
		var m map[string]json.RawMessage
		var u string
		if json.Unmarshal(raw, &m) == nil && json.Unmarshal(m[in.member], &u) == nil {
			return u, nil
		}
	}
	return "", usage("no running demo or sandbox found in %s: start one with 'cloudpay demo', or say --control URL", f.Data)
}

// call sends one request to the control API and returns its answer.
func (f boxFlags) call(ctx context.Context, method, path string, in any) ([]byte, error) {
	// An advance of the clock sends notices for up to half a minute.
	const limit, answerTime = 1 << 20, 45 * time.Second
	base, err := f.url()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+"/sandbox/v1"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Transport: &http.Transport{Proxy: nil}}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("the sandbox does not answer: %w; is the demo running?", err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("read the sandbox's answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		var told struct {
			Error string `json:"error"`
		}
		text := string(bytes.TrimSpace(raw))
		if json.Unmarshal(raw, &told) == nil && told.Error != "" {
			text = told.Error
		}
		if res.StatusCode/100 == 4 {
			return nil, refused("the sandbox refuses: %s", shown(text))
		}
		return nil, fmt.Errorf("the sandbox failed (%d): %s", res.StatusCode, shown(text))
	}
	return raw, nil
}

// sandboxPaycodeCmd prints a payment code.
type sandboxPaycodeCmd struct {
	boxFlags
	Channel  string `name:"channel" enum:"wxpay,alipay" required:"" help:"The wallet."`
	Customer string `name:"customer" placeholder:"NAME" help:"The customer; a new one with ¥10,000 is made without it."`
	Scenario string `name:"scenario" placeholder:"NAME" help:"What befalls the payment: a code with that suffix (cloudpay sandbox scenarios)."`
	JSON     bool   `name:"json" help:"Print customer and expiry too."`
}

// Run prints the code alone on stdout, so that a shell can pass it on.
func (c *sandboxPaycodeCmd) Run(ctx context.Context, e env) error {
	in := map[string]string{"channel": c.Channel}
	if c.Customer != "" {
		in["customer"] = c.Customer
	}
	if c.Scenario != "" {
		in["scenario"] = c.Scenario
	}
	raw, err := c.call(ctx, http.MethodPost, "/paycodes", in)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = fmt.Fprintf(e.stdout, "%s\n", bytes.TrimSpace(raw))
		return err
	}
	var out struct {
		AuthCode string `json:"auth_code"`
		Customer string `json:"customer"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return fmt.Errorf("read the sandbox's answer: %w", err)
	}
	_, _ = fmt.Fprintf(e.stderr, "customer %s\n", out.Customer)
	_, err = fmt.Fprintln(e.stdout, out.AuthCode)
	return err
}

// sandboxAnswerCmd answers a password prompt.
type sandboxAnswerCmd struct {
	boxFlags
	Customer string `arg:"" help:"The customer who is asked."`
	Action   string `arg:"" enum:"approve,cancel" help:"approve or cancel."`
}

// Run answers the customer's oldest waiting trade.
func (c *sandboxAnswerCmd) Run(ctx context.Context, e env) error {
	raw, err := c.call(ctx, http.MethodPost, "/customers/"+url.PathEscape(c.Customer)+"/answer", map[string]string{"action": c.Action})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", bytes.TrimSpace(raw))
	return err
}

// sandboxOpenCmd opens a prepared order as a customer.
type sandboxOpenCmd struct {
	boxFlags
	Customer string `arg:"" help:"The customer; a new one is made if need be."`
	What     string `arg:"" help:"What the phone is handed: a code_url or qr_code, an mweb_url, Alipay's trade_no, or a JSON object with jsapi or app (docs/sandbox.md)."`
	Action   string `name:"action" enum:"approve,cancel," default:"" help:"Answer it at once: approve or cancel."`
}

// Run opens the order and prints what the phone shows, or what became of it.
func (c *sandboxOpenCmd) Run(ctx context.Context, e env) error {
	in := map[string]any{}
	switch {
	case strings.HasPrefix(c.What, "{"):
		if err := json.Unmarshal([]byte(c.What), &in); err != nil {
			return usage("what the phone is handed: not a JSON object: %v", err)
		}
	case strings.HasPrefix(c.What, "weixin:"), strings.HasPrefix(c.What, "https://qr."):
		in["code_url"] = c.What
	case strings.HasPrefix(c.What, "https:"):
		in["mweb_url"] = c.What
	default:
		in["trade_no"] = c.What
	}
	if c.Action != "" {
		in["action"] = c.Action
	}
	raw, err := c.call(ctx, http.MethodPost, "/customers/"+url.PathEscape(c.Customer)+"/open", in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", bytes.TrimSpace(raw))
	return err
}

// sandboxFaultCmd sets or clears faults.
type sandboxFaultCmd struct {
	boxFlags
	Scenario string  `arg:"" optional:"" help:"Name of the scenario (docs/sandbox.md); none clears all faults."`
	Channel  string  `name:"channel" enum:"wxpay,alipay," default:"" help:"Only this wallet."`
	Count    int64   `name:"count" help:"How many times, 0 for without end."`
	Rate     float64 `name:"rate" help:"Probability from 0 to 1, 0 for always."`
	Seed     int64   `name:"seed" help:"Seed of the probability."`
	Endpoint string  `name:"endpoint" placeholder:"CALL" help:"The call it befalls, instead of the scenario's own: pay, query, reverse, refund … or *."`

	Params map[string]string `name:"param" placeholder:"NAME=VALUE" help:"A parameter of the scenario (sandbox scenarios lists them), or out_trade_no, merchant, skip; may be repeated."`
}

// params are the parameters as the control API reads them: numbers and truth
// values as such where it has such.
func (c *sandboxFaultCmd) params() (map[string]any, error) {
	out := make(map[string]any, len(c.Params))
	for name, value := range c.Params {
		for _, v := range []any{value, json.RawMessage(value)} {
			raw, err := json.Marshal(map[string]any{name: v})
			if err != nil {
				continue
			}
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields()
			if d.Decode(new(sandbox.Params)) == nil {
				out[name] = v
				break
			}
		}
		if out[name] == nil {
			return nil, usage("--param %s=%s: no scenario takes that; cloudpay sandbox scenarios lists what each takes", name, value)
		}
	}
	return out, nil
}

// Run sends the fault, or clears all.
func (c *sandboxFaultCmd) Run(ctx context.Context, e env) error {
	if c.Scenario == "" {
		_, err := c.call(ctx, http.MethodDelete, "/faults", nil)
		return err
	}
	in := map[string]any{"scenario": c.Scenario}
	if c.Channel != "" {
		in["channel"] = c.Channel
	}
	if c.Count != 0 {
		in["count"] = c.Count
	}
	if c.Rate != 0 {
		in["rate"], in["seed"] = c.Rate, c.Seed
	}
	if c.Endpoint != "" {
		in["endpoint"] = c.Endpoint
	}
	if len(c.Params) > 0 {
		params, err := c.params()
		if err != nil {
			return err
		}
		in["params"] = params
	}
	raw, err := c.call(ctx, http.MethodPost, "/faults", in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", bytes.TrimSpace(raw))
	return err
}

// sandboxTotalsCmd prints the sandbox's truth.
type sandboxTotalsCmd struct {
	boxFlags
}

// Run prints the totals as JSON.
func (c *sandboxTotalsCmd) Run(ctx context.Context, e env) error {
	raw, err := c.call(ctx, http.MethodGet, "/totals", nil)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", bytes.TrimSpace(raw))
	return err
}
