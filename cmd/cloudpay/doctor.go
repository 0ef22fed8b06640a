package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cloudpay/internal/manage"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// lowDisk is the free space below which the doctor speaks up: a day of a busy
// installation and its log.
const lowDisk = 1 << 30

// doctorCmd checks an installation.
type doctorCmd struct {
	settings
	serverFlags
	JSON bool `name:"json" help:"One JSON object per line."`
}

// Run looks at everything, or has the server at --server look, in the order in which an installation is set up,
// prints one line per check with the next command to type, and fails if
// something is missing. It changes nothing.
func (c *doctorCmd) Run(ctx context.Context, e env) error {
	if c.Server != "" {
		return c.askServer(ctx, e)
	}
	var all []manage.Finding
	note := func(check, state, text, next string) {
		all = append(all, manage.Finding{Check: check, State: state, Text: text, Next: next})
	}
	// verdict notes a check that can only be good or bad.
	verdict := func(check, good string, err error, next string) {
		if err != nil {
			note(check, manage.StateFail, err.Error(), next)
			return
		}
		note(check, manage.StateOK, good, "")
	}
	verdict("settings", "are consistent", c.check(), "")
	keys, next, err := c.lookAtKey(ctx, e)
	verdict("master key", "can be read", err, next)
	if next, err = c.lookForStore(); err != nil {
		note("database", manage.StateFail, err.Error(), next)
	} else {
		all = append(all, c.lookInside(ctx, e, keys)...)
	}
	if path, ok := strings.CutPrefix(c.DSN, "sqlite:"); ok {
		c.lookAtDisk(path, note)
	}
	c.lookAtAddress(ctx, note)
	return c.tell(e, all)
}

// askServer has a running server look at itself.
func (c *doctorCmd) askServer(ctx context.Context, e env) error {
	i, err := c.dial(e)
	if err != nil {
		return err
	}
	raw, err := i.call(ctx, http.MethodGet, pathOf("doctor"), nil)
	if err = errors.Join(err, i.close()); err != nil {
		return err
	}
	var p struct {
		Items []manage.Finding `json:"items"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return c.tell(e, p.Items)
}

// tell prints the findings and chooses the exit code.
func (c *doctorCmd) tell(e env, all []manage.Finding) error {
	failed := 0
	marks := map[string]string{manage.StateOK: "✔", manage.StateWarn: "！", manage.StateFail: "✘"}
	for _, f := range all {
		if f.State == manage.StateFail {
			failed++
		}
		f.Text, f.Next = shown(f.Text), shown(f.Next)
		if c.JSON {
			if err := json.NewEncoder(e.stdout).Encode(f); err != nil {
				return err
			}
			continue
		}
		_, _ = fmt.Fprintf(e.stdout, "%s %-11s %s\n", marks[f.State], f.Check, f.Text)
		if f.Next != "" {
			_, _ = fmt.Fprintf(e.stdout, "  → %s\n", f.Next)
		}
	}
	if failed > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("%d of the checks failed", failed)}
	}
	return nil
}

// lookAtKey opens the master key.
func (c *doctorCmd) lookAtKey(ctx context.Context, e env) (keys *secret.Keyring, next string, err error) {
	if c.MasterKeyFile == "" {
		return nil, "cloudpay master-key create master.key", errors.New("master-key-file is not set: keys at rest need it")
	}
	keys, err = openKeyring(ctx, e, c.MasterKeyFile, c.OldMasterKey)
	if errors.Is(err, fs.ErrNotExist) {
		next = "cloudpay master-key create " + c.MasterKeyFile
	}
	return keys, next, err
}

// lookForStore finds out whether there is a database at all.
func (c *doctorCmd) lookForStore() (next string, err error) {
	if c.DSN == "" {
		return "cloudpay migrate --dsn sqlite:/var/lib/cloudpay/pay.db", errors.New("dsn is not set")
	}
	if path, ok := strings.CutPrefix(c.DSN, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return "cloudpay migrate --dsn " + c.DSN, err
		}
	}
	return "", nil
}

// lookInside opens the database and, with its master key, asks the
// installation's own doctor. Without the key the rows are not opened.
func (c *doctorCmd) lookInside(ctx context.Context, e env, keys *secret.Keyring) []manage.Finding {
	st, err := store.Open(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "error")})
	if err != nil {
		next := ""
		if strings.Contains(err.Error(), "cloudpay migrate") {
			next = "cloudpay migrate --dsn " + hideDSN(c.DSN)
		}
		return []manage.Finding{{Check: "database", State: manage.StateFail, Text: err.Error(), Next: next}}
	}
	all := []manage.Finding{{Check: "database", State: manage.StateOK, Text: "opens (" + st.Engine() + ")"}}
	if err := st.Close(); err != nil {
		all = append(all, manage.Finding{Check: "database", State: manage.StateFail, Text: err.Error()})
	}
	if keys == nil {
		return all
	}
	a, err := openApp(ctx, c.settings, keys, newLog(e.stderr, "error"))
	if err != nil {
		return append(all, manage.Finding{Check: "database", State: manage.StateFail, Text: err.Error()})
	}
	all = append(all, a.manage.Doctor(ctx)...)
	if err := a.close(ctx); err != nil {
		all = append(all, manage.Finding{Check: "database", State: manage.StateFail, Text: err.Error()})
	}
	return all
}

// lookAtDisk asks how much room a database file has.
func (c *doctorCmd) lookAtDisk(path string, note func(check, state, text, next string)) {
	free, err := freeSpace(filepath.Dir(path))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		note("disk", manage.StateFail, err.Error(), "")
	case free < lowDisk:
		note("disk", manage.StateWarn, fmt.Sprintf("%d MiB are free at %s", free>>20, filepath.Dir(path)), "")
	default:
		note("disk", manage.StateOK, fmt.Sprintf("%d GiB are free", free>>30), "")
	}
}

// lookAtAddress looks at where tills and wallets reach the server.
func (c *doctorCmd) lookAtAddress(ctx context.Context, note func(check, state, text, next string)) {
	l, err := c.listen(ctx)
	if err != nil {
		note("address", manage.StateFail, err.Error(), "")
		return
	}
	note("address", manage.StateOK, "can listen on "+l.Addr().String(), "")
	if t, ok := l.(*tlsListener); ok {
		for _, w := range t.warnings(time.Now()) {
			note("tls", manage.StateWarn, w, "")
		}
	} else if host := hostOf(c.Addr); !isLoopback(host) {
		note("tls", manage.StateWarn, "tills reach "+c.Addr+" without TLS, unless a proxy in front adds it", "cloudpay ca issue --help")
	}
	if c.PublicURL == "" {
		note("public url", manage.StateWarn, "is not set: wallets tell nobody of payments, which are found out by asking", "cloudpay serve --public-url https://HOST")
	}
	if err := l.Close(); err != nil {
		note("address", manage.StateFail, err.Error(), "")
	}
}
