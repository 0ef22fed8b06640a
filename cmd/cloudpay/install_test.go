package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestInstall runs sessions in which a real installation is made with the
// command line alone: no demo, no console, no default password.
func TestInstall(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/install", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"start": startCommand, "member": memberCommand, "line": lineCommand,
	}})
}

// startCommand is: start VAR REGEXP ARGS… It runs cloudpay in the background
// until the script ends, waits until its output matches, and puts what the
// first group matched into VAR.
func startCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start VAR REGEXP ARGS...")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	out := &output{}
	cmd := exec.Command(os.Args[0], args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.Getenv("WORK"), out, out
	cmd.Env = append(os.Environ(), asBinary+"=1")
	for _, name := range []string{"CLOUDPAY_DSN", "CLOUDPAY_MASTER_KEY_FILE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(time.Minute); ; {
		if m := want.FindStringSubmatch(out.String()); m != nil {
			ts.Setenv(args[0], m[1])
			return
		}
		select {
		case err := <-ended:
			ended <- err
			ts.Fatalf("%v ended: %v\n%s", args[2:], err, out)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v says no %s\n%s", args[2:], args[1], out)
		}
	}
}

// memberCommand is: member VAR NAME. It puts a member of the JSON object that
// the last command printed into VAR.
func memberCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: member VAR NAME")
	}
	var o map[string]any
	dec := json.NewDecoder(bytes.NewReader([]byte(ts.ReadFile("stdout"))))
	dec.UseNumber()
	ts.Check(dec.Decode(&o))
	v, ok := o[args[1]].(string)
	if !ok || v == "" {
		ts.Fatalf("no member %s in %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], v)
}

// lineCommand is: line VAR. It puts the first line that the last command
// printed into VAR.
func lineCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: line VAR")
	}
	first, _, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	ts.Setenv(args[0], first)
}
