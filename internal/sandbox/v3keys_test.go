package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"cloudpay/internal/sandbox"
)

// TestV3CertificatesAreListedAndSign downloads the first platform certificate
// and sees that it signs answers, as of its own serial.
func TestV3CertificatesAreListedAndSign(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	list := b.v3Certificates(t)
	if len(list) != 1 {
		t.Fatalf("%d certificates, want one", len(list))
	}
	if got := strings.ToUpper(fmt.Sprintf("%x", list[0].cert.SerialNumber)); got != list[0].serial || len(got) != 40 {
		t.Errorf("serial_no = %s, the certificate's is %s", list[0].serial, got)
	}
	got := b.v3(t, v3Call{method: "GET", path: "/v3/certificates"})
	if got.header.Get("Wechatpay-Serial") != list[0].serial || !got.verified {
		t.Errorf("the list is signed as %s, verified %v", got.header.Get("Wechatpay-Serial"), got.verified)
	}
	if got := string(got.raw); !strings.Contains(got, `"algorithm":"AEAD_AES_256_GCM"`) || !strings.Contains(got, `"associated_data":"certificate"`) {
		t.Errorf("/v3/certificates = %s", got)
	}
}

// TestV3TheRequestChoosesTheKey names each key in Wechatpay-Serial.
func TestV3TheRequestChoosesTheKey(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	cert := b.v3Certificates(t)[0].serial
	signer := func(named string) string {
		t.Helper()
		got := b.v3(t, v3Call{method: "POST", path: "/v3/security/echo", body: obj{"a": 1}, serial: named})
		if got.status != 200 || !got.verified {
			t.Errorf("with Wechatpay-Serial %q: %d %s, verified %v", named, got.status, got.raw, got.verified)
		}
		return got.header.Get("Wechatpay-Serial")
	}
	for named, want := range map[string]string{"": cert, cert: cert, strings.ToLower(cert): cert, w.PublicKeyID: w.PublicKeyID, "7777": cert, "PUB_KEY_ID_1": cert} {
		if got := signer(named); got != want {
			t.Errorf("Wechatpay-Serial %q is answered with %s, want %s", named, got, want)
		}
	}
	migrate := func(percent float64, unlisted bool) {
		if err := b.MigrateWeChat(t.Context(), w.MchID, percent, unlisted); err != nil {
			t.Fatal(err)
		}
	}
	migrate(50, false)
	if got := signer(""); got != cert {
		t.Errorf("in the middle of the migration: %s, want the certificate", got)
	}
	migrate(100, false)
	if got := signer(""); got != w.PublicKeyID {
		t.Errorf("after the migration: %s, want the public key", got)
	}
	if got := signer(cert); got != cert {
		t.Errorf("after the migration, asked for the certificate: %s", got)
	}
	migrate(100, true)
	if got := b.v3(t, v3Call{method: "GET", path: "/v3/certificates"}); got.status != 200 || string(got.raw) != `{"data":[]}` || !got.verified {
		t.Errorf("the list in public-key mode = %d %s", got.status, got.raw)
	}
	if got := signer(cert); got != w.PublicKeyID {
		t.Errorf("a certificate that is not listed signs: %s", got)
	}
}

// TestV3RotationHasAnOverlap lets a certificate be announced, take over and see
// the old one go, each at its time, and keeps it all over a restart.
func TestV3RotationHasAnOverlap(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mchID := b.Accounts().Providers[0].WeChat.MchID
	first := b.v3Certificates(t)[0].serial
	status, out := b.ctl("POST", "/sandbox/v1/wechat/"+mchID+"/rotate", `{"lead_seconds":60,"overlap_seconds":600}`)
	if list, _ := out["certificates"].([]any); status != http.StatusOK || len(list) != 2 || list[0].(obj)["signs"] != true || list[1].(obj)["signs"] != false {
		t.Fatalf("rotate = %d %v", status, out)
	}
	signs := func() string {
		got := b.v3(t, v3Call{method: "POST", path: "/v3/security/echo", body: obj{}})
		if !got.verified {
			t.Errorf("the answer of %s is not verified", got.header.Get("Wechatpay-Serial"))
		}
		return got.header.Get("Wechatpay-Serial")
	}
	second := b.v3Certificates(t)[1].serial
	if got := signs(); got != first {
		t.Errorf("the certificate that is only announced signs")
	}
	b.clock.add(time.Minute)
	if got := signs(); got != second {
		t.Errorf("the old certificate signs after the lead")
	}
	if got := b.v3(t, v3Call{method: "POST", path: "/v3/security/echo", body: obj{}, serial: first}); got.header.Get("Wechatpay-Serial") != first {
		t.Errorf("the old certificate, asked for while it is listed, does not sign")
	}
	b.restart()
	if list := b.v3Certificates(t); len(list) != 2 || signs() != second {
		t.Errorf("%d certificates after a restart, signed by %s", len(list), signs())
	}
	b.clock.add(10 * time.Minute)
	if list := b.v3Certificates(t); len(list) != 1 || list[0].serial != second {
		t.Errorf("%d certificates after the overlap, want the new one", len(list))
	}
	if got := b.v3(t, v3Call{method: "POST", path: "/v3/security/echo", body: obj{}, serial: first}); got.header.Get("Wechatpay-Serial") != second {
		t.Errorf("a dropped certificate signs")
	}
	if status, out := b.ctl("POST", "/sandbox/v1/wechat/"+mchID+"/rotate", `{}`); status != http.StatusOK || len(out["certificates"].([]any)) != 1 {
		t.Errorf("a rotation without overlap = %d %v", status, out)
	}
	for path, body := range map[string]string{
		"/sandbox/v1/wechat/1/rotate":                `{}`,
		"/sandbox/v1/wechat/" + mchID + "/rotate":    `{"lead_seconds":-1}`,
		"/sandbox/v1/wechat/" + mchID + "/pubkey":    `{"percent":101}`,
		"/sandbox/v1/wechat/" + mchID + "/pubkey?x=": `{"per_cent":1}`,
	} {
		if status, _ := b.ctl("POST", path, body); status != http.StatusBadRequest && status != http.StatusNotFound {
			t.Errorf("%s %s = %d, want a refusal", path, body, status)
		}
	}
	if status, out := b.ctl("POST", "/sandbox/v1/wechat/"+mchID+"/pubkey", `{"percent":0.1}`); status != http.StatusOK || out["percent"] != 0.1 {
		t.Errorf("migrate = %d %v", status, out)
	}
	if status, out := b.ctl("GET", "/sandbox/v1/wechat/"+mchID+"/keys", ""); status != http.StatusOK || out["percent"] != 0.1 {
		t.Errorf("keys = %d %v", status, out)
	}
}

// TestV3CertificatesAreRenewedBeforeTheyExpire comes near the end of a
// certificate's life, and jumps past the end of the next.
func TestV3CertificatesAreRenewedBeforeTheyExpire(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	list := b.v3Certificates(t)
	b.clock.add(list[0].cert.NotAfter.Sub(noon) - 30*24*time.Hour - time.Hour)
	if got := b.v3Certificates(t); len(got) != 1 {
		t.Fatalf("%d certificates a month and an hour before the end, want one", len(got))
	}
	b.clock.add(time.Hour)
	var wg sync.WaitGroup
	for range 4 { // side by side, one renewal is made
		wg.Go(func() {
			if _, err := b.send(t, v3Call{method: "POST", path: "/v3/security/echo", body: obj{}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	renewed := b.v3Certificates(t)
	if len(renewed) != 2 || !renewed[1].cert.NotBefore.Before(b.clock.now()) || renewed[1].cert.NotAfter.Sub(b.clock.now()) < 4*365*24*time.Hour {
		t.Fatalf("%d certificates a month before the end, want two", len(renewed))
	}
	signs := func() string {
		got := b.v3(t, v3Call{method: "POST", path: "/v3/security/echo", body: obj{}})
		if !got.verified {
			t.Errorf("%d %s %v is not verified, certificates %v", got.status, got.raw, got.header, len(b.certs))
		}
		return got.header.Get("Wechatpay-Serial")
	}
	if got := signs(); got != renewed[0].serial {
		t.Error("the new certificate signs before its day of notice is over")
	}
	b.clock.add(24 * time.Hour)
	if got := signs(); got != renewed[1].serial {
		t.Error("the old certificate signs after the day of notice")
	}
}

// TestV3AnExpiredCertificateSignsNothing jumps past the end of a certificate in
// one go: its successor signs at once.
func TestV3AnExpiredCertificateSignsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	old := b.v3Certificates(t)[0]
	b.clock.add(old.cert.NotAfter.Sub(noon) + time.Hour)
	if got := b.v3Pay(t, b.no(), 1); got.status != 200 || !got.verified || got.header.Get("Wechatpay-Serial") == old.serial {
		t.Errorf("codepay = %d %s, signed by %s", got.status, got.raw, got.header.Get("Wechatpay-Serial"))
	}
}

// TestV3KeyFaults plays the key scenarios as rules on calls.
func TestV3KeyFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	first := b.v3Certificates(t)[0].serial
	b.fault(sandbox.Fault{Scenario: "cert_overlap", Endpoint: "codepay", Count: 1, Params: sandbox.Params{Seconds: new(60.0)}})
	second := b.v3Pay(t, b.no(), 1)
	if serial := second.header.Get("Wechatpay-Serial"); serial == first || !second.verified || len(b.v3Certificates(t)) != 2 {
		t.Errorf("cert_overlap: signed by %s, verified %v", serial, second.verified)
	}
	b.fault(sandbox.Fault{Scenario: "cert_rotate", Endpoint: "codepay", Count: 1})
	third := b.v3Pay(t, b.no(), 1)
	if list := b.v3Certificates(t); len(list) != 1 || list[0].serial != third.header.Get("Wechatpay-Serial") {
		t.Errorf("cert_rotate leaves %d certificates", len(list))
	}
	b.fault(sandbox.Fault{Scenario: "cert_list_empty", Count: 1})
	if list := b.v3Certificates(t); len(list) != 0 {
		t.Errorf("cert_list_empty leaves %d certificates", len(list))
	}
	b.fault(sandbox.Fault{Scenario: "pubkey_migration", Endpoint: "codepay", Count: 1})
	if got := b.v3Pay(t, b.no(), 1); got.header.Get("Wechatpay-Serial") != w.PublicKeyID || !got.verified {
		t.Errorf("pubkey_migration: signed by %s", got.header.Get("Wechatpay-Serial"))
	}
	b.fault(sandbox.Fault{Scenario: "stale_timestamp", Count: 1})
	if got := b.v3Pay(t, b.no(), 1); got.header.Get("Wechatpay-Timestamp") != unix(noon.Add(-10*time.Minute)) || !got.verified {
		t.Errorf("stale_timestamp: %s, verified %v", got.header.Get("Wechatpay-Timestamp"), got.verified)
	}
	b.fault(sandbox.Fault{Scenario: "clock_skew", Count: 1, Params: sandbox.Params{Seconds: new(301.0)}})
	if got := b.v3Pay(t, b.no(), 1); got.header.Get("Wechatpay-Timestamp") != unix(noon.Add(301*time.Second)) || !got.verified {
		t.Errorf("clock_skew: %s, verified %v", got.header.Get("Wechatpay-Timestamp"), got.verified)
	}
	for _, f := range []sandbox.Fault{
		{Scenario: "pubkey_migration", Params: sandbox.Params{Percent: 101}},
		{Scenario: "pubkey_migration", Params: sandbox.Params{Percent: -1}},
		{Scenario: "cert_rotate", Channel: sandbox.Alipay},
		{Scenario: "answer_code", Params: sandbox.Params{Code: "X", Status: 99}},
	} {
		if err := b.AddFault(f); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}

// TestASandboxOfBeforeV3GrowsItsKeys takes the keys of APIv3 out of a file and
// opens it again: everything else stays as it was.
func TestASandboxOfBeforeV3GrowsItsKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	old := b.Accounts().Providers[0].WeChat
	b.stop()
	editIdentity(t, filepath.Join(b.config.Dir, "sandbox.db"), func(id obj) {
		delete(id, "wechat_keys")
		for _, p := range id["accounts"].(obj)["providers"].([]any) {
			for _, name := range []string{"api_v3_key", "serial_no", "public_key_id", "public_key_pem"} {
				delete(p.(obj)["wechat"].(obj), name)
			}
		}
	})
	b.start()
	w := b.Accounts().Providers[0].WeChat
	if w.APIv2Key != old.APIv2Key || w.ClientCertPEM != old.ClientCertPEM || w.SerialNo != old.SerialNo {
		t.Error("what was there has changed")
	}
	if w.APIv3Key == "" || w.APIv3Key == old.APIv3Key || w.PublicKeyPEM == "" || w.PublicKeyPEM == old.PublicKeyPEM {
		t.Error("the keys that were missing are not new")
	}
	if got := b.v3Pay(t, b.no(), 1); got.status != 200 || !got.verified {
		t.Errorf("codepay = %d %s, verified %v", got.status, got.raw, got.verified)
	}
}

// TestV3KeysChangeUnderFiveThousandCalls verifies every answer of thousands of
// payments while the certificate rotates twice and the migration to the public
// key begins and ends. A client that fetches the list at a serial it does not
// know loses no answer.
func TestV3KeysChangeUnderFiveThousandCalls(t *testing.T) {
	t.Parallel()
	calls, workers := 5000, 8
	if testing.Short() {
		calls = 500
	}
	b := newBench(t, nil)
	w := b.Accounts().Providers[0].WeChat
	client := &keyedClient{bench: b, keys: map[string]bool{}}
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				client.call(t, i)
			}
		})
	}
	for i := range calls {
		if i%(calls/10) == calls/20 {
			switch i / (calls / 10) {
			case 1: // announced first, as upstream does it
				if err := b.RotateWeChat(t.Context(), w.MchID, 0, time.Hour); err != nil {
					t.Error(err)
				}
			case 3: // and all at once
				b.fault(sandbox.Fault{Scenario: "cert_rotate", Endpoint: "echo", Count: 1})
			case 5:
				if err := b.MigrateWeChat(t.Context(), w.MchID, 50, false); err != nil {
					t.Error(err)
				}
			case 7:
				if err := b.MigrateWeChat(t.Context(), w.MchID, 100, false); err != nil {
					t.Error(err)
				}
			case 8:
				if err := b.MigrateWeChat(t.Context(), w.MchID, 100, true); err != nil {
					t.Error(err)
				}
			}
		}
		next <- i
	}
	close(next)
	wg.Wait()
	client.mu.Lock()
	defer client.mu.Unlock()
	if len(client.keys) != 4 {
		t.Errorf("answers were signed by %d keys, want three certificates and the public key", len(client.keys))
	}
	t.Logf("%d calls, keys %v, the list was fetched %d times", calls, client.keys, client.fetched)
}

// editIdentity changes the accounts that a closed sandbox keeps.
func editIdentity(t *testing.T, path string, change func(obj)) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	db := openSQLite(t, path)
	var raw []byte
	if err := db.QueryRowContext(t.Context(), "SELECT value FROM meta WHERE name = 'identity'").Scan(&raw); err != nil {
		t.Fatal(err)
	}
	var id obj
	if err := json.Unmarshal(raw, &id); err != nil {
		t.Fatal(err)
	}
	change(id)
	raw, err := json.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE meta SET value = ? WHERE name = 'identity'", raw); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
