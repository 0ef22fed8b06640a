package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/user"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/manage"
)

// Limits of the command line's own calls.
const (
	manageAnswer = 4 << 20          // the largest answer: a page of merchants
	manageTime   = 60 * time.Second // a refund waits for a wallet
	maxToken     = 4 << 10
	maxKeyFile   = 64 << 10
)

// serverFlags find a running server and show it a token.
type serverFlags struct {
	Server    string `name:"server" env:"CLOUDPAY_SERVER" placeholder:"URL" help:"A running server, e.g. https://pay.example.com; without it the database is opened."`
	ServerCA  string `name:"server-ca-file" env:"CLOUDPAY_SERVER_CA_FILE" placeholder:"FILE" help:"Root certificates for --server instead of the system's."`
	TokenFile string `name:"token-file" env:"CLOUDPAY_TOKEN_FILE" placeholder:"FILE" help:"File with the token for --server; or put the token into the environment as CLOUDPAY_TOKEN."`
}

// manageFlags say which installation a command works on: a server that runs,
// or the database itself when none does. Both ways go through the same
// management API.
type manageFlags struct {
	serverFlags
	DSN           string `name:"dsn" env:"CLOUDPAY_DSN" placeholder:"sqlite:FILE|postgres://…" help:"The database, when no server is used."`
	MasterKeyFile string `name:"master-key-file" env:"CLOUDPAY_MASTER_KEY_FILE" placeholder:"FILE" help:"File that holds the master key (mode 0600), when no server is used; or another source, as for serve."`
	OldMasterKey  string `name:"old-master-key-file" env:"CLOUDPAY_OLD_MASTER_KEY_FILE" placeholder:"FILE" hidden:"" help:"The master key that is being replaced, until its rotation is done."`

	PublicURL string `name:"public-url" env:"CLOUDPAY_PUBLIC_URL" placeholder:"https://HOST" help:"Where terminals reach the installation, for links, when no server is used; as for serve."`

	IdemKey string `name:"idempotency-key" placeholder:"KEY" help:"Do it at most once in 24 hours under this key: a command whose answer got lost can be repeated with it."`

	JSON bool `name:"json" help:"JSON for scripts: one object, or one per line for lists."`
}

// installation is the management API as a command sees it.
type installation struct {
	http    *http.Client
	base    string
	token   string
	idemKey string
	// operator is set when the command works on the database itself.
	operator string
	close    func() error
}

// open reaches the installation. The caller closes it.
func (f manageFlags) open(ctx context.Context, e env) (*installation, error) {
	if f.Server != "" {
		return f.dial(e)
	}
	if f.DSN == "" {
		return nil, usage("say which installation: --server URL for one that runs, or --dsn and --master-key-file for its database")
	}
	s := settings{DSN: f.DSN, MasterKeyFile: f.MasterKeyFile, PublicURL: f.PublicURL}
	if s.MasterKeyFile == "" {
		return nil, usage("say where the master key of the database is: --master-key-file FILE; make one with: cloudpay master-key create FILE")
	}
	keys, err := openKeyring(ctx, e, s.MasterKeyFile, f.OldMasterKey)
	if err != nil {
		return nil, err
	}
	a, err := openApp(ctx, s, keys, newLog(e.stderr, "warn"))
	if err != nil {
		return nil, err
	}
	return &installation{
		http: &http.Client{Transport: manage.InProcess{Server: a.manage}, Timeout: manageTime},
		base: "http://installation", operator: operatorName(), close: func() error { return a.close(ctx) },
	}, nil
}

// dial prepares calls to a running server.
func (f serverFlags) dial(e env) (*installation, error) {
	u, err := url.Parse(f.Server)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, usage("--server %q: write it as https://host", f.Server)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, usage("--server %q: a token goes over https only, or to this machine", f.Server)
	}
	token := e.getenv("CLOUDPAY_TOKEN")
	if f.TokenFile != "" {
		var err error
		if token, err = readSecret(e, f.TokenFile, maxToken); err != nil {
			return nil, err
		}
	}
	if token == "" {
		return nil, usage("no token for %s: say --token-file FILE, or set CLOUDPAY_TOKEN; make one with: cloudpay token add --role operator NAME", f.Server)
	}
	t, err := trusting(f.ServerCA)
	if err != nil {
		return nil, err
	}
	return &installation{
		http: &http.Client{Transport: t, Timeout: manageTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		base: strings.TrimSuffix(f.Server, "/"), token: token, close: func() error { t.CloseIdleConnections(); return nil },
	}, nil
}

// trusting is a transport that believes the root certificates of a file, or the
// system's for "".
func trusting(file string) (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if file == "" {
		return t, nil
	}
	raw, err := readFile(file, maxKeyFile)
	if err != nil {
		return nil, usage("--server-ca-file: %w", err)
	}
	if t.TLSClientConfig.RootCAs, err = rootsOf(string(raw)); err != nil {
		return nil, usage("--server-ca-file %s: %w", file, err)
	}
	return t, nil
}

// remedy is what to do about a server that does not show what it should, after
// the error that says so; "" when there is nothing to advise.
func remedy(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "; if it is a root of your own, say --server-ca-file FILE (cloudpay ca export writes it)"
	}
	return ""
}

// operatorName is who types, for the audit trail.
func operatorName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "operator"
}

// problem is a refusal of the management API.
type problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

// Error is the sentence and the members at fault.
func (p *problem) Error() string {
	var b strings.Builder
	b.WriteString(shown(p.Detail))
	for _, e := range p.Errors {
		if e.Message != p.Detail || e.Location == "" {
			_, _ = fmt.Fprintf(&b, "; %s", shown(e.Message))
		}
		if e.Location != "" {
			_, _ = fmt.Fprintf(&b, " (%s)", shown(strings.TrimPrefix(e.Location, "body.")))
		}
	}
	return b.String()
}

// call makes one request and returns the answer's JSON. A refusal exits with
// 1; a write whose answer got lost with 2, since it may have been done.
func (i *installation) call(ctx context.Context, method, path string, in any) (json.RawMessage, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	if i.operator != "" {
		ctx = manage.AsOperator(ctx, i.operator)
	}
	req, err := http.NewRequestWithContext(ctx, method, i.base+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if i.idemKey != "" && method != http.MethodGet {
		req.Header.Set("Idempotency-Key", i.idemKey)
	}
	if i.token != "" {
		req.Header.Set("Authorization", "Bearer "+i.token)
	}
	lost := exitFailed
	if method != http.MethodGet {
		lost = exitUnknown
	}
	res, err := i.http.Do(req)
	if err != nil {
		return nil, &exitError{code: lost, err: fmt.Errorf("%s does not answer: %w%s", i.base, err, remedy(err))}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, manageAnswer))
	if err != nil {
		return nil, &exitError{code: lost, err: fmt.Errorf("read the answer: %w", err)}
	}
	if res.StatusCode/100 == 2 {
		return raw, nil
	}
	p := &problem{}
	if json.Unmarshal(raw, p) != nil || p.Detail == "" {
		p.Detail = fmt.Sprintf("%s answers %d; is it a cloudpay server?", i.base, res.StatusCode)
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return nil, &exitError{code: lost, err: p}
	}
	return nil, &exitError{code: exitDeclined, err: p}
}

// send makes one request and prints the answer.
func (f manageFlags) send(ctx context.Context, e env, method, path string, in any) error {
	return f.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, method, path, in)
		if err != nil {
			return err
		}
		return f.print(e, raw)
	})
}

// with opens the installation around do.
func (f manageFlags) with(ctx context.Context, e env, do func(*installation) error) error {
	i, err := f.open(ctx, e)
	if err != nil {
		return err
	}
	i.idemKey = f.IdemKey
	return errors.Join(do(i), i.close())
}

// print shows one object.
func (f manageFlags) print(e env, raw json.RawMessage) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		if f.JSON {
			return nil
		}
		_, err := fmt.Fprintln(e.stdout, "完成")
		return err
	}
	if !f.JSON {
		return printFields(e.stdout, raw)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, err := fmt.Fprintf(e.stdout, "%s\n", b.Bytes())
	return err
}

// listFlags bound a list.
type listFlags struct {
	Limit int `name:"limit" default:"200" help:"At most this many."`
}

// list reads pages until the limit and prints them.
func (f manageFlags) list(ctx context.Context, e env, l listFlags, path string, q url.Values, columns []column) error {
	const most = 10_000 // what a terminal can still be piped through
	if l.Limit < 1 || l.Limit > most {
		return usage("--limit must be between 1 and %d", most)
	}
	return f.with(ctx, e, func(i *installation) error {
		items, err := i.pages(ctx, path, q, l.Limit)
		if err != nil {
			return err
		}
		return f.printAll(e, items, columns)
	})
}

// listAll prints a list that has no pages.
func (f manageFlags) listAll(ctx context.Context, e env, path string, columns []column) error {
	return f.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		var p struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		return f.printAll(e, p.Items, columns)
	})
}

// printAll shows a list: lines of JSON for scripts, a table for people.
func (f manageFlags) printAll(e env, items []json.RawMessage, columns []column) error {
	if f.JSON {
		for _, item := range items {
			if err := f.print(e, item); err != nil {
				return err
			}
		}
		return nil
	}
	if len(items) == 0 {
		_, err := fmt.Fprintln(e.stdout, "没有记录")
		return err
	}
	return printList(e.stdout, columns, items)
}

// pages follows a list's cursor.
func (i *installation) pages(ctx context.Context, path string, q url.Values, limit int) ([]json.RawMessage, error) {
	const page = 100 // the shortest longest page of all lists
	if q == nil {
		q = url.Values{}
	}
	var items []json.RawMessage
	for {
		q.Set("limit", strconv.Itoa(min(page, limit-len(items))))
		raw, err := i.call(ctx, http.MethodGet, path+"?"+q.Encode(), nil)
		if err != nil {
			return nil, err
		}
		var p struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next"`
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		items = append(items, p.Items...)
		if p.Next == "" || len(items) >= limit {
			return items, nil
		}
		q.Set("after", p.Next)
	}
}

// pathOf joins the segments of a path, each escaped.
func pathOf(segments ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
