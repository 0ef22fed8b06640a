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
	testscript.Main(m, map[string]func(){"cloudpay": main})
}

// TestScript runs the sessions of testdata/script: what a person types, and
// what must stand on the screen.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// process is one running cloudpay.
type process struct {
	cmd    *exec.Cmd
	done   chan error
	stderr *bytes.Buffer
}

// startProcess runs this binary as cloudpay. The test's end kills it.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), done: make(chan error, 1), stderr: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), asBinary+"=1", "GORACE=halt_on_error=1")
	p.cmd.Stderr = p.stderr
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
	for deadline := time.Now().Add(time.Minute); ; {
		raw, err := os.ReadFile(path)
		if err == nil {
			if err := json.Unmarshal(raw, &d.file); err != nil {
				t.Fatal(err)
			}
			return d
		}
		select {
		case err := <-p.done:
			p.done = nil
			t.Fatalf("the demo ended: %v\n%s", err, p.stderr)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the demo does not start\n%s", p.stderr)
		}
	}
}

// ran is what a command printed and returned.
type ran struct {
	stdout, stderr string
	code           int
}

// cloudpay runs one command to its end.
func cloudpay(t *testing.T, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asBinary+"=1")
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
