package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExitCodesTellRefusalsFromFailures: what was refused and changed nothing is
// 1, a mistake of whoever typed is 64, and 70 is left for what broke.
func TestExitCodesTellRefusalsFromFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dsn, file, ca := "sqlite:"+filepath.Join(dir, "pay.db"), filepath.Join(dir, "a.backup"), filepath.Join(dir, "ca")
	cloudpay(t, "migrate", "--dsn", dsn).want(t, exitOK, "schema")
	cloudpay(t, "jobs", "release", "", "settle", "1", "--dsn", dsn).want(t, exitDeclined, "no buried job")
	cloudpay(t, "day", "show", "--dsn", dsn, "--merchant", "m").want(t, exitOK, "no closed days")
	cloudpay(t, "day", "show", "--dsn", dsn, "--merchant", "m", "--date", "2025-11-22").want(t, exitDeclined, "is not closed")
	cloudpay(t, "backup", "--dsn", dsn, file).want(t, exitOK, "written")
	cloudpay(t, "backup", "--dsn", dsn, file).want(t, exitUsage, "a backup replaces nothing")
	cloudpay(t, "ca", "init", "--dir", ca).want(t, exitOK, "sha256")
	cloudpay(t, "ca", "init", "--dir", ca).want(t, exitUsage, "a root is never replaced")
	cloudpay(t, "backup", "--dsn", "sqlite:"+filepath.Join(dir, "none.db"), filepath.Join(dir, "b.backup")).want(t, exitFailed, "check its path, owner and mode")
}

// TestASandboxSaysWhatIsWrong: its sentence is shown, not its JSON.
func TestASandboxSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	box := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/totals") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid scenario \"nosuch\""}`))
	}))
	defer box.Close()
	cloudpay(t, "sandbox", "fault", "nosuch", "--control", box.URL).want(t, exitDeclined, `the sandbox refuses: invalid scenario "nosuch"`+"\n")
	cloudpay(t, "sandbox", "totals", "--control", box.URL).want(t, exitFailed, "the sandbox failed (500)")
}

// TestAFaultIsAimedFromTheShell: what the control API takes, with numbers and truth
// values as it has them.
func TestAFaultIsAimedFromTheShell(t *testing.T) {
	t.Parallel()
	var got string
	box := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
		got = string(raw)
		_, _ = w.Write([]byte(`{"id":1}`))
	}))
	defer box.Close()
	fault := []string{"sandbox", "fault", "answer_code", "--control", box.URL, "--endpoint", "query"}
	cloudpay(t, append(fault, "--param", "code=40004", "--param", "committed=true", "--param", "skip=2")...).want(t, exitOK, `{"id":1}`)
	const want = `{"endpoint":"query","params":{"code":"40004","committed":true,"skip":2},"scenario":"answer_code"}`
	if strings.TrimSpace(got) != want {
		t.Errorf("the sandbox is sent %s, want %s", got, want)
	}
	cloudpay(t, append(fault, "--param", "colour=red")...).want(t, exitUsage, "--param colour=red: no scenario takes that")
	cloudpay(t, append(fault, "--param", "skip=two")...).want(t, exitUsage, "--param skip=two: no scenario takes that")
}

// TestLogsSayTimesWithTheirUnit: a bare number of nanoseconds means nothing at
// three in the morning.
func TestLogsSayTimesWithTheirUnit(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	newLog(&b, "info").Info("answered", slog.Duration("took", 230_426*time.Nanosecond), slog.Int("bytes", 573))
	if got := b.String(); !strings.Contains(got, `"took":"230µs","bytes":573`) {
		t.Errorf("logged %s", got)
	}
}
