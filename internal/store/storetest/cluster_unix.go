//go:build unix

package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// keeper runs the server until its standard input ends, which it does when the
// test process ends in whatever way; then it stops the server and removes the
// directory. $0 is the server, $1 the directory.
const keeper = `"$0" -D "$1/data" -k "$1" -h "" -c max_connections=300 -c fsync=on >>"$1/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$1"`

// start makes a cluster in a temporary directory and starts its server, which
// listens on a socket in that directory only. As root it runs as the user
// postgres, since PostgreSQL refuses root.
func start() (s server, err error) {
	bin, err := binaries()
	if err != nil {
		return s, err
	}
	dir, err := os.MkdirTemp("", "cpg")
	if err != nil {
		return s, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt of the tests is for the tests
	if os.Geteuid() == 0 {
		if attr.Credential, err = unprivileged(); err != nil {
			return s, err
		}
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			return s, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// #nosec G204 -- the programs are PostgreSQL's own
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"),
		"-U", "cloudpay", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return s, fmt.Errorf("initdb: %w: %s", err, out)
	}
	// #nosec G204 -- as above; no context, since the keeper ends by its input
	shell := exec.Command("/bin/sh", "-c", keeper, filepath.Join(bin, "postgres"), dir) //nolint:noctx // see above
	shell.SysProcAttr, shell.Dir = attr, dir
	if s.lifeline, err = shell.StdinPipe(); err != nil {
		return s, err
	}
	if err := shell.Start(); err != nil {
		return s, err
	}
	u := url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: url.Values{"host": {dir}, "user": {"cloudpay"}}.Encode()}
	s.dsn = u.String()
	return s, ready(ctx, s.dsn, filepath.Join(dir, "log"))
}

// ready waits until the server answers.
func ready(ctx context.Context, dsn, log string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := execute(ctx, dsn, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			said, _ := os.ReadFile(log) // #nosec G304 -- our own log
			return fmt.Errorf("the server does not answer: %w: %s", err, said)
		}
	}
}

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
	return "", errors.New("neither PATH nor /usr/lib/postgresql has initdb and postgres; install the package postgresql, or set CLOUDPAY_TEST_PG")
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
