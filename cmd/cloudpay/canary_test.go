package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/backup"
	"cloudpay/internal/directory"
	"cloudpay/internal/evidence"
	"cloudpay/internal/manage"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
	"cloudpay/internal/timeline"
)

// The secrets that TestPromise8 plants. The rest are made by the sandbox.
const (
	canaryPass    = "canary-passphrase-of-the-master-key"
	canaryInitKey = "CANARYCANARYCANARYCANARYCANARY01"
	canarySN      = "CANARY-SN-1"
	canaryPIN     = "739164820375"
	canaryToken   = "canary-app-auth-token-0123456789"
)

// canary is a whole installation whose secrets are known.
type canary struct {
	t       *testing.T
	app     *app
	box     *boxServer
	api     string
	dsn     string
	log     output
	secrets map[string]string
	shown   strings.Builder // what was answered to those who may not know
	m       demoMerchant
	client  *cpay.Client
}

// TestPromise8NoSecretIsInClear plants known secrets through the flows that a real installation
// has, with the passphrase as the source of its master key, and then looks for
// them in the database, its log and backups of it, in logs, metrics, errors
// and the audit trail, in clear, in hex and in base64.
func TestPromise8NoSecretIsInClear(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			c := newCanary(t, e)
			c.plantInDirectory()
			c.trade()
			c.beRefused()
			c.rotate()
			c.explained()
			c.look("log", c.log.String())
			c.look("answers and errors", c.shown.String())
			c.look("metrics", c.get("/metrics"))
			lines, err := c.app.directory.Audit(t.Context(), directory.AuditFilter{Limit: directory.MaxPage})
			if err != nil || len(lines) < 10 {
				t.Fatalf("%d lines of the trail, %v", len(lines), err)
			}
			c.look("audit trail", fmt.Sprintf("%v", lines))
			c.lookAtBackup()
			if e.Name == store.SQLite {
				c.lookAtFile()
			} else {
				c.lookAtDump()
			}
			if !strings.Contains(c.log.String(), "order settled") || !strings.Contains(c.get("/metrics"), "cloudpay_") {
				t.Error("the log or the metrics were not there to be looked at")
			}
		})
	}
}

func newCanary(t *testing.T, e storetest.Engine) *canary {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	c := &canary{t: t, dsn: e.DSN(t)}
	log := newLog(&c.log, "debug")
	getenv := func(name string) string {
		if name == "CLOUDPAY_PASSPHRASE" {
			return canaryPass
		}
		return ""
	}
	spec := "passphrase:" + filepath.Join(dir, "salt")
	master := must(secret.Create(ctx, must(secret.ParseSource(spec, getenv))))
	keys := must(openKeyring(ctx, env{getenv: getenv}, spec, ""))
	c.box = must(openSandbox(ctx, sandboxOptions{Dir: dir, Profile: "seed", WalletAddr: "127.0.0.1:0", ControlAddr: "127.0.0.1:0"}, log))
	l := must((&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"))
	s := settings{DSN: c.dsn, AllowPrivateCallbacks: true, PublicURL: baseURL("http", l.Addr()), RefundSpacing: new(time.Duration)}
	if _, _, err := store.Migrate(ctx, s.store()); err != nil {
		t.Fatal(err)
	}
	c.app = must(openApp(ctx, s, keys, log))
	merchants := must(demoMerchants(filepath.Join(dir, "merchants.json"), c.box.box.Accounts()))
	in := demoInstallation(merchants, c.box)
	in.Merchants[1].Ali.AppAuthToken = secret.New(canaryToken)
	if err := c.app.directory.Seed(ctx, in); err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 2)
	go func() { done <- c.box.serve(run) }()
	go func() { done <- c.app.serve(run, l) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	c.api, c.m = baseURL("http", l.Addr()), merchants[0]
	c.client = c.till(c.m.AuthenKey)
	wx, ali := in.Accounts[0].Wechat, in.Accounts[1].Alipay
	c.secrets = map[string]string{
		"passphrase": canaryPass, "master key": master.Reveal(), "init key": canaryInitKey, "PIN": canaryPIN,
		"app_auth_token": canaryToken, "authen_key": c.m.AuthenKey, "APIv2 key": wx.APIKey.Reveal(), "APIv3 key": wx.APIv3Key.Reveal(),
		"wallet client key": inner(t, wx.KeyPEM.Reveal()), "Alipay private key": inner(t, ali.PrivateKeyPEM.Reveal()),
		"merchant's private key": inner(t, c.m.PrivateKeyPEM),
	}
	return c
}

// inner is a part of a private key that no public half or header holds.
func inner(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("a private key is not PEM")
	}
	return string(block.Bytes[len(block.Bytes)-33:])
}

func (c *canary) till(authenKey string) *cpay.Client {
	c.t.Helper()
	return must(cpay.NewClient(cpay.Config{
		Domains: []string{c.api}, Keys: cpay.Keys{AuthenKey: cpay.NewKey(authenKey), PrivateKey: must(cpay.ParsePrivateKey([]byte(c.m.PrivateKeyPEM)))},
		Account:  cpay.Account{OutMchID: c.m.OutMchID, OutSubMchID: c.m.OutSubMchID, OutShopID: c.m.OutShopID, DeviceID: c.m.DeviceID, StaffID: c.m.StaffID},
		Terminal: cpay.Terminal{TerminalType: 4, MachineNo: "canary"}, Attempts: 1,
	}))
}

// say keeps what somebody was told who may not know a secret.
func (c *canary) say(v any) { _, _ = fmt.Fprintf(&c.shown, "%v %+v\n", v, v) }

// plantInDirectory sets up what a merchant's people and terminals have.
func (c *canary) plantInDirectory() {
	ctx, d, by := c.t.Context(), c.app.directory, directory.Actor{Kind: directory.ByCommand, ID: "test"}
	check := func(err error) {
		c.t.Helper()
		if err != nil {
			c.t.Fatal(err)
		}
	}
	_, err := d.ImportInitKeys(ctx, by, strings.NewReader(canarySN+" "+canaryInitKey))
	check(err)
	check(d.SetPIN(ctx, by, c.m.OutSubMchID, c.m.OutShopID, c.m.StaffID, secret.New(canaryPIN)))
	_, err = d.UpdateDevice(ctx, by, c.m.OutSubMchID, c.m.OutShopID, c.m.DeviceID, func(v *directory.Device) error {
		v.Category = directory.CategorySmart
		return nil
	})
	check(err)
	ticket, err := d.NewTicket(ctx, by, directory.TicketRequest{MerchantID: c.m.OutSubMchID, ShopID: c.m.OutShopID, DeviceID: c.m.DeviceID})
	check(err)
	c.secrets["configuration code"] = ticket.SI.Reveal()
	set := c.get("/cpay/use_device_setting?osi=" + c.m.OutShopID + "&si=" + ticket.SI.Reveal() + "&sn=" + canarySN)
	if !strings.Contains(set, c.m.AuthenKey) {
		c.t.Errorf("the terminal was not set up: %.300s", set)
	}
	v, known, err := d.ClaimedDevice(ctx, canarySN)
	if err != nil || !known {
		c.t.Fatal(known, err)
	}
	a, err := d.StartBinding(ctx, v)
	check(err)
	c.secrets["token of a device"] = a.Token.Reveal()
	_, err = d.GrantBinding(ctx, by, a.Activator, directory.TicketRequest{MerchantID: c.m.OutSubMchID, ShopID: c.m.OutShopID, DeviceID: c.m.DeviceID})
	check(err)
	m, err := d.Merchant(ctx, c.m.OutSubMchID)
	check(err)
	c.say(m)
	c.say(*m)
	c.say(v)
	c.say(a)
}

// trade pays, with a callback, and refunds with a signature.
func (c *canary) trade() {
	ctx := c.t.Context()
	called := make(chan struct{}, 8)
	merchant := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&c.log, r.Body) // whoever reads a callback must not learn a key either
		_, _ = io.WriteString(w, `{"response_content":"{\"status\":0}"}`)
		called <- struct{}{}
	}))
	c.t.Cleanup(merchant.Close)
	d := &demo{file: demoFile{Sandbox: baseURL("http", c.box.control.Addr())}}
	for i, wallet := range []string{"wxpay", "alipay"} {
		code, number := d.payCode(c.t, wallet, ""), fmt.Sprintf("%s%016d", c.m.Prefixes[0], i)
		c.secrets["payment code of "+wallet] = code
		_, err := c.client.MicroPay(ctx, &cpay.MicroPayRequest{PayContent: cpay.PayContent{
			OutTradeNo: number, AuthorCode: cpay.PayCode(code), TotalFee: 2, FeeType: "CNY", Body: "canary", CallerNotifyURL: merchant.URL,
		}})
		if err != nil {
			c.t.Fatalf("%s: %v", wallet, err)
		}
		select {
		case <-called:
		case <-ctx.Done():
			c.t.Fatal("no callback")
		}
		_, err = c.client.Refund(ctx, &cpay.RefundRequest{RefundContent: cpay.RefundContent{
			OutTradeNo: number, OutRefundNo: number + "r", TotalFee: 2, RefundFee: 2, RefundFeeType: "CNY",
		}})
		if err != nil {
			c.t.Fatalf("refund %s: %v", wallet, err)
		}
		// The code again with another order: the refusal must not repeat it.
		_, err = c.client.MicroPay(ctx, &cpay.MicroPayRequest{PayContent: cpay.PayContent{
			OutTradeNo: number + "x", AuthorCode: cpay.PayCode(code), TotalFee: 2, FeeType: "CNY", Body: "canary",
		}})
		c.say(err)
	}
}

// beRefused sends secrets to places where they do not belong.
func (c *canary) beRefused() {
	ctx := c.t.Context()
	code := "130123456789012345"
	c.secrets["payment code that is refused"] = code
	_, err := c.till(strings.Repeat("0", 32)).MicroPay(ctx, &cpay.MicroPayRequest{PayContent: cpay.PayContent{
		OutTradeNo: c.m.Prefixes[0] + "9", AuthorCode: cpay.PayCode(code), TotalFee: 2, FeeType: "CNY", Body: "canary",
	}})
	c.say(err)
	for _, body := range []string{
		`{"request_content":"{\"author_code\":\"` + code + `\",\"key\":\"` + c.m.AuthenKey + `\"}","authen_info":{}}`, `{"` + code, code,
	} {
		res, err := http.Post(c.api+"/cpay/micro_pay", "application/json", strings.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		raw, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		c.say(string(raw))
	}
	c.say(c.get("/cpay/use_device_setting?osi=" + c.m.OutShopID + "&si=" + c.secrets["configuration code"] + "&sn=OTHER"))
	d, by := c.app.directory, directory.Actor{Kind: directory.ByCommand, ID: "test"}
	_, err = d.ImportInitKeys(ctx, by, strings.NewReader(canarySN+" "+canaryInitKey+" surplus"))
	c.say(err)
	_, err = d.RotateKeys(ctx, by, c.m.OutSubMchID, directory.Rotation{AuthenKey: secret.New(c.m.AuthenKey + "x")})
	c.say(err)
	c.say(d.SetPIN(ctx, by, c.m.OutSubMchID, c.m.OutShopID, c.m.StaffID, secret.New(canaryPIN+"x")))
	source := must(secret.ParseSource("env:NAME", func(string) string { return canaryPass }))
	_, err = source.Master(ctx)
	c.say(err)
	// The management API, with bodies that are wrong and hold secrets.
	web := &http.Client{Transport: manage.InProcess{Server: c.app.manage}}
	for _, path := range []string{"/v1/providers", "/v1/merchants", "/v1/merchants/" + c.m.OutSubMchID + "/keys"} {
		body := `{"authen_key":"` + c.m.AuthenKey + `","name":7,"pin":"` + canaryPIN + `"}`
		res, err := web.Post("http://installation"+path, "application/json", strings.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		raw, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		c.say(res.Status)
		if strings.Contains(string(raw), c.m.AuthenKey) {
			c.t.Errorf("%s repeats a key that it refuses", path)
		}
	}
}

// rotate replaces the merchant's key and the master key.
func (c *canary) rotate() {
	ctx, by := c.t.Context(), directory.Actor{Kind: directory.ByCommand, ID: "test"}
	m, err := c.app.directory.RotateKeys(ctx, by, c.m.OutSubMchID, directory.Rotation{NewAuthenKey: true, Grace: time.Hour})
	if err != nil {
		c.t.Fatal(err)
	}
	c.secrets["new authen_key"] = m.AuthenKey.Reveal()
	if _, err := c.till(m.AuthenKey.Reveal()).QueryOrder(ctx, &cpay.QueryOrderRequest{OutTradeNo: c.m.Prefixes[0] + "0000000000000000"}); err != nil {
		c.t.Errorf("the new key does not work: %v", err)
	}
	fresh := must(secret.OpenKeyring(secret.New(strings.Repeat("N", secret.MasterLen)), secret.New(c.secrets["master key"])))
	c.secrets["new master key"] = strings.Repeat("N", secret.MasterLen)
	d := must(directory.New(c.app.store, c.app.store, fresh, time.Now))
	if n, err := d.RotateMaster(ctx, by); err != nil || n < 2 {
		c.t.Errorf("rotation of the master key: %d, %v", n, err)
	}
}

// explained looks at what is kept of the calls: it holds the payment code, and
// opens under the new master key, but nothing shows it that was not asked to.
func (c *canary) explained() {
	c.t.Helper()
	ctx, number := c.t.Context(), c.m.Prefixes[0]+"0000000000000000"
	if err := c.app.evidence.Flush(ctx); err != nil {
		c.t.Fatal(err)
	}
	fresh := must(secret.OpenKeyring(secret.New(c.secrets["new master key"])))
	vault := must(must(directory.New(c.app.store, c.app.store, fresh, time.Now)).Vault(ctx))
	kept := evidence.New(evidence.Config{Keeper: c.app.store, Queue: c.app.store, Vault: vault, Now: time.Now, Log: c.app.log})
	found := must(kept.Find(ctx, c.m.OutSubMchID, []string{number}, []evidence.Span{{From: time.Now().Add(-time.Hour), To: time.Now()}}))
	sent, asked := false, false
	for _, r := range found.Records {
		for _, x := range r.Exchanges {
			holds := strings.Contains(string([]byte(x.Request)), c.secrets["payment code of wxpay"])
			sent, asked = sent || holds && r.Kind == evidence.Call, asked || holds && r.Kind == evidence.Request
		}
	}
	if !sent || !asked || found.Unreadable > 0 {
		c.t.Errorf("the bytes of the payment are not all kept: call %v, request %v, %d pages unreadable", sent, asked, found.Unreadable)
	}
	c.say(found)
	c.say(must(c.app.manage.Timelines.Explain(ctx, c.m.OutSubMchID, number, timeline.Options{Clients: true, People: true})))
}

func (c *canary) get(path string) string {
	c.t.Helper()
	res, err := http.Get(c.api + path)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(raw)
}

// look fails for every secret that the text holds in any form.
func (c *canary) look(where, text string) {
	c.t.Helper()
	lower := strings.ToLower(text)
	for what, s := range c.secrets {
		hexed := hex.EncodeToString([]byte(s))
		if strings.Contains(text, s) || strings.Contains(lower, hexed) {
			c.t.Errorf("%s: holds the %s", where, what)
		}
		for shift := range 3 { // base64 depends on what stands before it
			coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", shift) + s))
			if part := coded[4 : len(coded)-4]; len(part) > 10 && strings.Contains(text, part) {
				c.t.Errorf("%s: holds the %s in base64", where, what)
			}
		}
	}
}

// lookAtBackup looks at what cloudpay backup writes, without the encryption that
// it offers on top.
func (c *canary) lookAtBackup() {
	c.t.Helper()
	var file bytes.Buffer
	if _, err := backup.Write(c.t.Context(), &file, store.Config{DSN: c.dsn}, time.Now()); err != nil {
		c.t.Fatal(err)
	}
	z, err := gzip.NewReader(&file)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil || !strings.Contains(string(raw), c.m.OutSubMchID) {
		c.t.Fatalf("a backup of %d bytes, %v", len(raw), err)
	}
	c.look("backup", string(raw))
}

// lookAtFile looks at the database while it is open, and at a backup.
func (c *canary) lookAtFile() {
	c.t.Helper()
	path := strings.TrimPrefix(c.dsn, "sqlite:")
	backup := filepath.Join(c.t.TempDir(), "backup.db")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(c.t.Context(), "VACUUM INTO '"+backup+"'; PRAGMA wal_checkpoint(PASSIVE)") // the log stays, and is in the file too
		_ = db.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range []string{path + "-wal", path + "-shm", path, backup} {
		raw, err := os.ReadFile(name)
		if err != nil || len(raw) == 0 {
			c.t.Fatalf("%s: %d bytes, %v", name, len(raw), err)
		}
		c.look(filepath.Base(name), string(raw))
	}
}

// lookAtDump looks at what an operator's backup of PostgreSQL holds.
func (c *canary) lookAtDump() {
	c.t.Helper()
	tools, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(tools) == 0 {
		c.t.Skip("NOT LOOKED AT A BACKUP OF POSTGRESQL: there is no pg_dump")
	}
	out, err := exec.CommandContext(c.t.Context(), tools[len(tools)-1], "--dbname", c.dsn).Output()
	if err != nil || !strings.Contains(string(out), c.m.OutSubMchID) {
		c.t.Fatalf("pg_dump: %d bytes, %v", len(out), err)
	}
	c.look("dump", string(out))
}
