package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// asBinary makes the test binary behave as cloudpay, so that processes can be
// started and killed without building anything.
const asBinary = "CLOUDPAY_TEST_AS_BINARY"

func TestMain(m *testing.M) {
	if os.Getenv(asBinary) == "1" {
		main()
	}
	if os.Getenv(asTill) != "" {
		os.Exit(beTill())
	}
	testscript.Main(m, map[string]func(){"cloudpay": main})
}

// TestScript runs the sessions of testdata/script: what a person types, and
// what must stand on the screen.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// output collects what a running process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is one running cloudpay.
type process struct {
	cmd            *exec.Cmd
	done           chan error
	stdout, stderr *output
}

// startProcess runs this binary as cloudpay. The test's end kills it.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), done: make(chan error, 1), stdout: &output{}, stderr: &output{}}
	p.cmd.Env = append(os.Environ(), asBinary+"=1", "GORACE=halt_on_error=1 atexit_sleep_ms=0")
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process at once, as a power cut does.
func (p *process) kill() {
	if p.done == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	p.done = nil
}

// stop asks the process to end and returns how it did.
func (p *process) stop(t *testing.T, limit time.Duration) error {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.done:
		p.done = nil
		return err
	case <-time.After(limit):
		p.kill()
		return fmt.Errorf("still running %v after SIGTERM", limit)
	}
}

// until waits until want is true, and fails with what the process said when it
// ends first or takes too long.
func (p *process) until(t *testing.T, what string, want func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !want(); {
		select {
		case err := <-p.done:
			p.done = nil
			t.Fatalf("the process ended before %s: %v\n%s%s", what, err, p.stdout, p.stderr)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("still no %s\n%s%s", what, p.stdout, p.stderr)
		}
	}
}

// demo is a running demo.
type demo struct {
	*process
	dir  string
	file demoFile
}

// startDemo starts a demo on dir and waits until it has announced itself.
func startDemo(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	path := filepath.Join(dir, "demo.json")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	p := startProcess(t, append([]string{"demo", "--data", dir, "--addr", "127.0.0.1:0"}, args...)...)
	d := &demo{process: p, dir: dir}
	p.until(t, "demo.json", func() bool {
		raw, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(raw, &d.file) == nil
	})
	return d
}

// ran is what a command printed and returned.
type ran struct {
	stdout, stderr string
	code           int
}

// cloudpay runs one command to its end.
func cloudpay(t *testing.T, args ...string) ran {
	t.Helper()
	return cloudpayIn(t, nil, args...)
}

// cloudpayIn runs one command with more environment.
func cloudpayIn(t *testing.T, env []string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), asBinary+"=1"), env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	r := ran{stdout: out.String(), stderr: errOut.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return r
}

// want fails unless the command returned code and printed text somewhere.
func (r ran) want(t *testing.T, code int, text string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.stdout+r.stderr, text) {
		t.Errorf("exit %d, want %d with %q\nstdout: %s\nstderr: %s", r.code, code, text, r.stdout, r.stderr)
	}
}

// sandboxJSON calls the control API.
func (d *demo) sandboxJSON(t *testing.T, method, path string, in, out any) {
	t.Helper()
	f := boxFlags{Control: d.file.Sandbox}
	raw, err := f.call(t.Context(), method, path, in)
	if err != nil {
		t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			t.Fatal(err)
		}
	}
}

// payCode asks the sandbox for a code.
func (d *demo) payCode(t *testing.T, channel, customer string) string {
	t.Helper()
	in := map[string]string{"channel": channel}
	if customer != "" {
		in["customer"] = customer
	}
	var out struct {
		AuthCode string `json:"auth_code"`
	}
	d.sandboxJSON(t, http.MethodPost, "/paycodes", in, &out)
	return out.AuthCode
}

// tryPayCode asks the sandbox for a code, and returns "" while it is away.
func tryPayCode(ctx context.Context, d *demo, channel string) string {
	f := boxFlags{Control: d.file.Sandbox}
	raw, err := f.call(ctx, http.MethodPost, "/paycodes", map[string]string{"channel": channel})
	if err != nil {
		return ""
	}
	var out struct {
		AuthCode string `json:"auth_code"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return ""
	}
	return out.AuthCode
}
