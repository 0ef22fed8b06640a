package sandbox_test

import (
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cloudpay/internal/sandbox"
)

// TestACodesEndSetsOffItsScenario asks for a code of each scenario and pays
// with it; the totals tell what befell the payment.
func TestACodesEndSetsOffItsScenario(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, c := range sandbox.CodeSuffixes() {
		if c.Scenario == "timeout" || c.Scenario == "slow" {
			continue // they hold the caller back for seconds
		}
		for _, s := range sandbox.Scenarios() {
			if s.Name != c.Scenario {
				continue
			}
			ways := s.Channels
			if slices.Contains(ways, sandbox.WeChat) {
				ways = append(slices.Clone(ways), "v3")
			}
			for _, way := range ways {
				ch := way
				if way == "v3" {
					ch = sandbox.WeChat
				}
				before := b.totals().Faults[c.Scenario]
				code, err := b.NewScenarioCode(t.Context(), string(ch), "", c.Scenario)
				if err != nil || !strings.HasSuffix(code.AuthCode, c.Suffix) {
					t.Fatalf("%s: %q, %v", c.Scenario, code.AuthCode, err)
				}
				switch way {
				case sandbox.WeChat:
					_, _ = b.wxCall("/pay/micropay", payValues(b.no(), code.AuthCode, 100))
				case "v3":
					_, _ = b.v3Do(t, v3Call{method: "POST", path: "/v3/pay/partner/transactions/codepay", body: codepayBody(b, b.no(), code.AuthCode, 100)})
				case sandbox.Alipay:
					_, _ = b.aliCall("alipay.trade.pay", kv{
						"out_trade_no": b.no(), "scene": "bar_code", "auth_code": code.AuthCode, "subject": "s", "total_amount": "1.00",
					})
				}
				if got := b.totals().Faults[c.Scenario] - before; got != 1 {
					t.Errorf("a %s code of %s set it off %d times", way, c.Scenario, got)
				}
			}
		}
	}
}

func TestOrdinaryCodesSetOffNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	seen := map[string]bool{}
	for _, c := range sandbox.CodeSuffixes() {
		if seen[c.Suffix] || seen[c.Scenario] || len(c.Suffix) != 4 {
			t.Errorf("%+v is not one of its kind", c)
		}
		seen[c.Suffix], seen[c.Scenario] = true, true
	}
	for range 2000 { // a quarter of a percent of random digits would end like one
		code := b.code(sandbox.WeChat, "anna")
		if seen[code[len(code)-4:]] {
			t.Fatalf("a code drawn at random ends in …%s", code[len(code)-4:])
		}
	}
	for body, want := range map[string]string{
		`{"channel":"wxpay","scenario":"notify_dup"}`:        "a payment code sets off one of",
		`{"channel":"wxpay","scenario":"nonsense"}`:          "a payment code sets off one of",
		`{"channel":"wxpay","scenario":"pay_then_rollback"}`: "works on [alipay]",
		`{"channel":"cash","scenario":"drop_after"}`:         "works on",
	} {
		if status, out := b.ctl("POST", "/sandbox/v1/paycodes", body); status != 400 || !strings.Contains(out["error"].(string), want) {
			t.Errorf("%s = %d %v", body, status, out)
		}
	}
	status, out := b.ctl("POST", "/sandbox/v1/paycodes", `{"channel":"alipay","scenario":"pay_then_rollback","customer":"ben"}`)
	if code, _ := out["auth_code"].(string); status != 200 || !strings.HasSuffix(code, "9012") || out["customer"] != "ben" {
		t.Errorf("paycodes = %d %v", status, out)
	}
	_, out = b.ctl("GET", "/sandbox/v1/scenarios", "")
	if list, _ := out["code_suffixes"].([]any); len(list) != len(sandbox.CodeSuffixes()) {
		t.Errorf("scenarios tell %d suffixes", len(list))
	}
}

// TestNamesAreCertifiedAndAnswered gives a sandbox that exists another name.
func TestNamesAreCertifiedAndAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ca := b.Accounts().CAPEM
	ask := func(host string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.control.URL+"/sandbox/v1/clock", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if got := ask("sandbox:8802"); got != http.StatusForbidden {
		t.Errorf("an unknown name is answered %d", got)
	}
	b.config.Names = []string{"Sandbox", "192.0.2.7"}
	b.restart()
	for host, want := range map[string]int{"sandbox:8802": 200, "192.0.2.7": 200, "localhost": 200, "evil.example": 403, "192.0.2.8:80": 403} {
		if got := ask(host); got != want {
			t.Errorf("Host %s is answered %d, want %d", host, got, want)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	leaf, err := x509.ParseCertificate(b.TLSConfig().Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"sandbox", "192.0.2.7", "localhost", "127.0.0.1", "api.mch.weixin.qq.com", "api2.mch.weixin.qq.com", "openapi.alipay.com",
		"openapi-sandbox.dl.alipaydev.com",
	} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("the certificate under the old authority: %v", err)
		}
	}
	for _, bad := range []string{"", "a b", "a:1", "http://a", "-a", strings.Repeat("a", 64)} {
		c := b.config
		c.Dir, c.Names = t.TempDir(), []string{bad}
		if s, err := sandbox.New(t.Context(), c); err == nil {
			_ = s.Close()
			t.Errorf("the name %q is taken", bad)
		}
	}
}
