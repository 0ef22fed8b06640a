//go:build unix

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// keeper runs the server until its standard input ends, which it does when the
// test process ends in whatever way; then it stops the server at once, as a
// power cut does, and removes the directory if it is the last to use it. $0 is
// the server, $1 the directory, $2 whether to remove it, $3 more settings.
const keeper = `"$0" -D "$1/data" -k "$1" -h "" -c max_connections=300 -c fsync=on $3 >>"$1/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
[ "$2" = keep ] || rm -rf "$1"`

// Cluster is a PostgreSQL server of a test's own, which the test may stop as a
// power cut does and start again. It is used by one goroutine at a time.
type Cluster struct {
	dir, bin string
	attr     *syscall.SysProcAttr
	keep     string        // whether the keeper leaves the directory
	settings string        // more arguments of the server
	lifeline io.Closer     // nil while the server is stopped
	ended    chan struct{} // closed when the keeper has ended
}

// NewCluster makes a cluster in a directory of its own below parent, "" for the
// one of temporary files, and starts its server; both end with the test. As root
// the user postgres must be able to get there, which t.TempDir forbids. Where
// there is no PostgreSQL it skips the test, or fails it if CLOUDPAY_REQUIRE_PG is 1.
// CLOUDPAY_TEST_PG does not count: a server that others use cannot be stopped.
func NewCluster(tb testing.TB, parent string) *Cluster {
	tb.Helper()
	dir, err := os.MkdirTemp(parent, "cpg") //nolint:usetesting // its directory is closed to the user postgres
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()
	c, err := initCluster(ctx, dir)
	if errors.Is(err, errNoPostgres) {
		if v, _ := os.LookupEnv("CLOUDPAY_REQUIRE_PG"); v == "1" {
			tb.Fatalf("PostgreSQL is required: %v", err)
		}
		tb.Skipf("NOT TESTED ON POSTGRESQL: %v", err)
	}
	if err == nil {
		c.keep, c.settings = "keep", "-c max_wal_size=128MB" // so that a small disk holds it
		err = c.Start(ctx)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Stop() })
	return c
}

// DSN returns the URL of the cluster's database postgres. The server listens on
// a socket in its directory only.
func (c *Cluster) DSN() string {
	u := url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: url.Values{"host": {c.dir}, "user": {"cloudpay"}}.Encode()}
	return u.String()
}

// Start starts the stopped server and waits until it answers.
func (c *Cluster) Start(ctx context.Context) error {
	// #nosec G204 -- the programs are PostgreSQL's own; no context, since the keeper ends by its input
	shell := exec.Command("/bin/sh", "-c", keeper, filepath.Join(c.bin, "postgres"), c.dir, c.keep, c.settings) //nolint:noctx // see above
	shell.SysProcAttr, shell.Dir = c.attr, c.dir
	var err error
	if c.lifeline, err = shell.StdinPipe(); err != nil {
		return err
	}
	if err := shell.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	c.ended = ended
	go func() {
		_ = shell.Wait()
		close(ended)
	}()
	return c.Ready(ctx)
}

// Stop ends the server in the middle of whatever it does (pg_ctl's immediate
// mode): the next start recovers from its log. A server that has ended by itself
// may be stopped too.
func (c *Cluster) Stop() error {
	if c.lifeline == nil {
		return nil
	}
	err := c.lifeline.Close()
	<-c.ended
	c.lifeline = nil
	return err
}

// LimitFiles limits the size of the files that the server's processes write, by
// util-linux's prlimit, run as the server's user: a number of bytes or
// "unlimited".
func (c *Cluster) LimitFiles(ctx context.Context, size string) error {
	var errs []error
	for _, pid := range c.pids() {
		// #nosec G204 -- a program of the system, and numbers
		cmd := exec.CommandContext(ctx, "prlimit", "--pid", strconv.Itoa(pid), "--fsize="+size+":")
		cmd.SysProcAttr = c.attr
		if out, err := cmd.CombinedOutput(); err != nil && syscall.Kill(pid, 0) == nil {
			errs = append(errs, fmt.Errorf("prlimit: %w: %s", err, out))
		}
	}
	return errors.Join(errs...)
}

// pids returns the processes of the running server, as Linux lists them.
func (c *Cluster) pids() []int {
	raw, err := os.ReadFile(filepath.Join(c.dir, "data", "postmaster.pid"))
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	parent, err := strconv.Atoi(line)
	if err != nil {
		return nil
	}
	pids := []int{parent}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", parent))
	for field := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// initCluster makes a cluster. As root it belongs to the user postgres, since
// PostgreSQL refuses root.
func initCluster(ctx context.Context, dir string) (*Cluster, error) {
	c := &Cluster{dir: dir, attr: &syscall.SysProcAttr{Setpgid: true}} // an interrupt of the tests is for the tests
	var err error
	if c.bin, err = binaries(); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if c.attr.Credential, err = unprivileged(); err != nil {
			return nil, err
		}
		if err := os.Chown(dir, int(c.attr.Credential.Uid), int(c.attr.Credential.Gid)); err != nil {
			return nil, err
		}
	}
	// #nosec G204 -- the programs are PostgreSQL's own
	initdb := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "-D", filepath.Join(dir, "data"),
		"-U", "cloudpay", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = c.attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return c, nil
}

// start makes a cluster in a temporary directory, which goes with the process,
// and starts its server.
func start() (s server, err error) {
	dir, err := os.MkdirTemp("", "cpg")
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := initCluster(ctx, dir)
	if err != nil {
		return s, errors.Join(err, os.RemoveAll(dir))
	}
	err = c.Start(ctx)
	return server{dsn: c.DSN(), lifeline: c.lifeline}, err
}

// Ready waits until the server answers.
func (c *Cluster) Ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := execute(ctx, c.DSN(), "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			said, _ := os.ReadFile(filepath.Join(c.dir, "log")) // #nosec G304 -- our own log
			return fmt.Errorf("the server does not answer: %w: %s", err, said)
		}
	}
}

// errNoPostgres says that this machine lacks the programs.
var errNoPostgres = errors.New("no PostgreSQL")

// binaries finds the directory of initdb and postgres: Debian's newest, or the
// one that PATH names.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) })
	slices.Reverse(found) // 15 before 9.6; among equal lengths Glob's order, reversed
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, path)
		}
	}
	for _, path := range found {
		dir := filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w: neither PATH nor /usr/lib/postgresql has initdb and postgres; install the package postgresql, or set CLOUDPAY_TEST_PG", errNoPostgres)
}

// unprivileged returns the user postgres, or nobody.
func unprivileged() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}
