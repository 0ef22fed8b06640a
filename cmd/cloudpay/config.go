package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"cloudpay/internal/api"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// settings are what the gateway can be told, by file, environment and flags,
// the latter winning. Every zero value is usable except DSN and MasterKeyFile,
// which serve needs.
type settings struct {
	DSN           string `name:"dsn" env:"CLOUDPAY_DSN" placeholder:"sqlite:FILE|postgres://…" help:"Database: sqlite:/path/to/file.db or a postgres:// address."`
	MasterKeyFile string `name:"master-key-file" env:"CLOUDPAY_MASTER_KEY_FILE" placeholder:"FILE" help:"File that holds the master key (mode 0600); or env:NAME, passphrase:SALTFILE with the passphrase in CLOUDPAY_PASSPHRASE, kms:FILE:PROGRAM."`
	OldMasterKey  string `name:"old-master-key-file" env:"CLOUDPAY_OLD_MASTER_KEY_FILE" placeholder:"FILE" help:"The master key that is being replaced, until its rotation is done; named as the other."`

	Addr      string `name:"addr" env:"CLOUDPAY_ADDR" default:"127.0.0.1:8800" placeholder:"HOST:PORT" help:"Where the API listens; port 0 picks a free one."`
	AdminAddr string `name:"admin-addr" env:"CLOUDPAY_ADMIN_ADDR" placeholder:"HOST:PORT" help:"Where the management API /v1 listens, instead of at --addr; the same certificates serve it."`
	tlsSettings

	PublicURL             string `name:"public-url" env:"CLOUDPAY_PUBLIC_URL" placeholder:"https://HOST" help:"Where the wallets reach this server with their notices; without it payments of codes and pages are found out by asking."`
	AllowPrivateCallbacks bool   `name:"allow-private-callbacks" env:"CLOUDPAY_ALLOW_PRIVATE_CALLBACKS" help:"Development only: callbacks may go to private addresses and plain HTTP."`

	RefundSpacing *time.Duration `name:"refund-spacing" env:"CLOUDPAY_REFUND_SPACING" placeholder:"DURATION" help:"Pause between refunds of one order; the default is the wallet's rule (WeChat 60s, Alipay 3s)."`
	ReverseFrom   *time.Duration `name:"reverse-from" env:"CLOUDPAY_REVERSE_FROM" placeholder:"DURATION" help:"When an unpaid code payment is reversed; default 60s."`
	NeverReverse  bool           `name:"never-reverse" env:"CLOUDPAY_NEVER_REVERSE" help:"Never reverse by itself: only when a cashier asks."`

	MerchantRate int64 `name:"merchant-rate" env:"CLOUDPAY_MERCHANT_RATE" default:"500" placeholder:"N" help:"Requests per second that one merchant may make, twice as many at once; 0 means no limit."`
	DeviceRate   int64 `name:"device-rate" env:"CLOUDPAY_DEVICE_RATE" default:"50" placeholder:"N" help:"Requests per second that one device may make, twice as many at once; 0 means no limit."`
	StrangerRate int64 `name:"stranger-rate" env:"CLOUDPAY_STRANGER_RATE" default:"20" placeholder:"N" help:"Refused requests per second and public address, ten times as many at once; 0 means no limit."`

	MonitorInterval int64 `name:"monitor-interval" env:"CLOUDPAY_MONITOR_INTERVAL" default:"0" placeholder:"SECONDS" help:"How often clients are told to upload their monitoring; 0 leaves it to them."`

	EvidenceDays int64 `name:"evidence-days" env:"CLOUDPAY_EVIDENCE_DAYS" default:"0" placeholder:"DAYS" help:"How long what tills and wallets said is kept, byte for byte and sealed, for cloudpay explain; 0 means 90 days, -1 keeps nothing."`

	LogLevel   string `name:"log-level" env:"CLOUDPAY_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"Least level that is logged."`
	Committers int    `name:"committers" env:"CLOUDPAY_COMMITTERS" default:"0" placeholder:"N" help:"PostgreSQL connections that commit; 0 means the preset."`

	// Clock is the sandbox's, which the demo runs on. Nothing a user can set leads
	// here, so that serve never has it.
	Clock func() time.Time `kong:"-"`
}

// now is the time the whole gateway runs on.
func (s settings) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

// maxPublicURL leaves room for the path of a notice in the 256 characters that
// wallets take.
const maxPublicURL = 120

// maxMonitorInterval is a day: a client that uploads less often tells nothing
// in time.
const maxMonitorInterval = 86_400

// maxEvidenceDays is ten years: longer than any law about receipts asks.
const maxEvidenceDays = 3660

// check reports all mistakes at once.
func (s settings) check() error {
	var errs []error
	bad := func(why string) { errs = append(errs, errors.New(why)) }
	errs = append(errs, s.tlsSettings.check()...)
	if u, err := url.Parse(s.PublicURL); s.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil || len(s.PublicURL) > maxPublicURL) {
		bad("public-url must be the https address of this server, without a query, at most 120 characters long")
	}
	if s.RefundSpacing != nil && *s.RefundSpacing < 0 {
		bad("refund-spacing must not be negative")
	}
	if s.MonitorInterval < 0 || s.MonitorInterval > maxMonitorInterval {
		bad("monitor-interval must be between 0 and 86400 seconds")
	}
	if s.EvidenceDays < -1 || s.EvidenceDays > maxEvidenceDays {
		bad("evidence-days must be between 1 and 3660, 0 for the preset, or -1 for none")
	}
	if s.ReverseFrom != nil && *s.ReverseFrom < 15*time.Second {
		bad("reverse-from must be at least 15s: wallets refuse an earlier reverse")
	}
	for _, set := range []struct {
		name string
		rate int64
	}{{"merchant-rate", s.MerchantRate}, {"device-rate", s.DeviceRate}, {"stranger-rate", s.StrangerRate}} {
		if set.rate < 0 || set.rate > 1_000_000 {
			bad(set.name + " must be between 0 and 1000000")
		}
	}
	if s.Committers < 0 || s.Committers > 16 {
		bad("committers must be between 0 and 16")
	}
	return errors.Join(errs...)
}

// profiles is the reverse policy with the settings applied.
func (s settings) profiles() map[pay.Channel]pay.Profile {
	out := maps.Clone(pay.Profiles)
	for ch, p := range out {
		if s.RefundSpacing != nil {
			p.RefundSpacing = *s.RefundSpacing
		}
		if s.ReverseFrom != nil {
			p.ReverseFrom = *s.ReverseFrom
		}
		p.NeverByItself = s.NeverReverse
		out[ch] = p
	}
	return out
}

// limits is how often somebody may call, with the settings applied.
func (s settings) limits() api.Limits {
	l := api.DefaultLimits()
	for _, set := range []struct {
		rate *api.Rate
		to   int64
	}{{&l.Merchant, s.MerchantRate}, {&l.Device, s.DeviceRate}, {&l.Stranger, s.StrangerRate}} {
		set.rate.Burst = set.rate.Burst / set.rate.PerSecond * set.to
		set.rate.PerSecond = set.to
	}
	return l
}

// store is the part of the settings that the store needs.
func (s settings) store() store.Config {
	return store.Config{DSN: s.DSN, Committers: s.Committers}
}

// configFile finds --config in args or the environment and reads the file
// strictly. Its values rank below environment and flags. The resolver gives
// nothing when there is no file.
func configFile(args []string, getenv func(string) string) (kong.Resolver, error) {
	path := getenv("CLOUDPAY_CONFIG")
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			path = v
		} else if a == "--config" && i+1 < len(args) {
			path = args[i+1]
		}
	}
	if path == "" {
		return kong.ResolverFunc(func(*kong.Context, *kong.Path, *kong.Flag) (any, error) { return nil, nil }), nil //nolint:nilnil // kong's way to say "not from here"
	}
	values, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for key := range values {
		if !slices.Contains(settingNames(), key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("settings file %s: unknown key %s; known are %s", path, strings.Join(unknown, ", "), strings.Join(settingNames(), ", "))
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, e := range flag.Envs {
			if getenv(e) != "" {
				return nil, nil //nolint:nilnil // kong's way to say "not from here": the environment wins over the file
			}
		}
		v, ok := values[flag.Name]
		if !ok {
			return nil, nil //nolint:nilnil // kong's way to say "not from here"
		}
		return v, nil
	}), nil
}

// readConfig reads one JSON object of scalars. Keys are flag names.
func readConfig(path string) (map[string]any, error) {
	raw, err := readFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("settings file: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var values map[string]any
	if err := dec.Decode(&values); err != nil {
		return nil, fmt.Errorf("settings file %s is not one JSON object: %w", path, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("settings file %s holds more than one JSON object", path)
	}
	for key, v := range values {
		switch v := v.(type) {
		case string, bool:
		case json.Number:
			values[key] = v.String()
		default:
			return nil, fmt.Errorf("settings file %s: %s must be a string, a number or true/false", path, key)
		}
	}
	return values, nil
}

// configCmd prints the settings in force.
type configCmd struct {
	settings
}

// Run prints the settings as JSON with secrets hidden. Its output can be used
// as a settings file.
func (c *configCmd) Run(e env) error {
	if err := c.check(); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	shown := map[string]any{
		"dsn": hideDSN(c.DSN), "master-key-file": c.MasterKeyFile, "old-master-key-file": c.OldMasterKey, "addr": c.Addr, "admin-addr": c.AdminAddr,
		"tls-min":    c.TLSMin,
		"public-url": c.PublicURL, "allow-private-callbacks": c.AllowPrivateCallbacks, "never-reverse": c.NeverReverse,
		"merchant-rate": c.MerchantRate, "device-rate": c.DeviceRate, "stranger-rate": c.StrangerRate,
		"monitor-interval": c.MonitorInterval, "evidence-days": c.EvidenceDays,
		"log-level": c.LogLevel, "committers": c.Committers,
	}
	for name, d := range map[string]*time.Duration{"refund-spacing": c.RefundSpacing, "reverse-from": c.ReverseFrom} {
		if d != nil {
			shown[name] = d.String()
		}
	}
	for name, list := range map[string][]string{"tls-cert-file": c.TLSCertFile, "tls-key-file": c.TLSKeyFile, "host": c.hosts()} {
		if len(list) > 0 {
			shown[name] = strings.Join(list, ",")
		}
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(shown)
}

// hideDSN replaces the passwords in a database address. Of what is not one of
// the forms that the store takes, nothing is shown.
func hideDSN(dsn string) string {
	if dsn == "" || strings.HasPrefix(dsn, "sqlite:") {
		return dsn
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" {
		return "***"
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "***"
	}
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") { // password, sslpassword
			q.Set(name, "xxxxx")
			u.RawQuery = q.Encode()
		}
	}
	return u.Redacted()
}
