package main

import (
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/cpay"
)

// TestScriptABuriedJobIsReleased: a callback whose payload is unreadable is
// buried by the running gateway, found by jobs and doctor, and delivered once a
// person has mended and released it.
func TestScriptABuriedJobIsReleased(t *testing.T) {
	t.Parallel()
	var healthy, delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if healthy.Load() == 0 {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		delivered.Add(1)
		_, _ = w.Write(cpay.SealCallbackReply(cpay.CallbackReply{}, cpay.NewKey("any")))
	}))
	defer receiver.Close()

	dir := t.TempDir()
	dsn := "sqlite:" + filepath.Join(dir, "cloudpay.db")
	d := startDemo(t, dir)
	m := d.file.Merchants[0]
	order := m.Prefixes[0] + "0000000000000001"
	till, err := tillFlags{Data: dir}.open()
	if err != nil {
		t.Fatal(err)
	}
	_, err = till.client.MicroPay(t.Context(), &cpay.MicroPayRequest{PayContent: cpay.PayContent{
		OutTradeNo: order, AuthorCode: cpay.PayCode(d.payCode(t, "wxpay", "")), TotalFee: 2, CallerNotifyURL: receiver.URL,
	}})
	if err != nil {
		t.Fatal(err)
	}
	ref := order + "/paid"
	jobs := func(args ...string) ran {
		return cloudpay(t, append([]string{"jobs"}, append(args, "--dsn", dsn)...)...)
	}
	d.until(t, "the refused callback", func() bool {
		r := jobs()
		return strings.Contains(r.stdout, "ready") && strings.Contains(r.stdout, ref) && strings.Contains(r.stdout, "HTTP 500")
	})
	jobs("release", m.OutSubMchID, "callback", ref).want(t, exitDeclined, "not found") // it is not buried
	d.end(t)

	payload := editJob(t, dir, ref, "unreadable")
	d = startDemo(t, dir)
	d.until(t, "the burial", func() bool { return strings.Contains(jobs("--buried").stdout, ref) })
	d.end(t)
	buried := jobs("--buried", "--json")
	var line jobLine
	if err := json.Unmarshal([]byte(buried.stdout), &line); err != nil || line.MerchantID != m.OutSubMchID || line.Kind != "callback" ||
		line.Ref != ref || line.State != "buried" || !strings.Contains(line.LastError, "not readable") {
		t.Errorf("jobs --buried --json prints %s (%v)", buried.stdout, err)
	}
	cloudpay(t, "doctor", "--dsn", dsn, "--master-key-file", filepath.Join(dir, "master.key"), "--addr", "127.0.0.1:0").
		want(t, exitFailed, "1 jobs are buried")

	editJob(t, dir, ref, payload)
	healthy.Store(1)
	jobs("release", m.OutSubMchID, "callback", ref).want(t, exitOK, "released")
	jobs("release", m.OutSubMchID, "callback", ref).want(t, exitDeclined, "not found")
	jobs("--buried").want(t, exitOK, "no jobs")
	d = startDemo(t, dir)
	d.until(t, "the delivery", func() bool { return delivered.Load() == 1 })
	d.until(t, "the end of the job", func() bool { return !strings.Contains(jobs().stdout, ref) })
}

// end stops a demo in good order.
func (d *demo) end(t *testing.T) {
	t.Helper()
	if err := d.stop(t, 5*time.Second); err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, d.stderr)
	}
}

// editJob replaces a callback's payload, makes it due and returns what it held.
func editJob(t *testing.T, dir, ref, payload string) (was string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "cloudpay.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT payload FROM jobs WHERE ref = ?", ref).Scan(&was); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE jobs SET payload = ?, run_ms = 1, due_ms = 1 WHERE ref = ?", payload, ref); err != nil {
		t.Fatal(err)
	}
	return was
}
