package sandbox_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// childDir names the environment variable that turns this test binary into a
// sandbox process for TestTruthSurvivesKill.
const childDir = "SANDBOX_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := runChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild serves a sandbox until its standard input closes, which it does not
// when the process is killed.
func runChild(dir string) error {
	s, err := sandbox.New(context.Background(), sandbox.Config{Dir: dir, Now: func() time.Time { return noon }})
	if err != nil {
		return err
	}
	wallet := httptest.NewUnstartedServer(s.Wallet())
	wallet.TLS = s.TLSConfig()
	wallet.StartTLS()
	fmt.Println(wallet.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestTruthSurvivesKill kills the sandbox's process in the middle of payments
// and compares what callers were told with what the next start knows.
func TestTruthSurvivesKill(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil) // for its accounts and clients; its directory is handed to the child
	var told sync.Map     // out_trade_no → true when the answer said SUCCESS
	codes := make(chan string, 300)
	for i := range cap(codes) {
		codes <- b.code(sandbox.WeChat, fmt.Sprintf("c%d", i))
	}
	client := b.client(0)
	sign := func(no, code string) string { return v2XML(b.wxSigned(payValues(no, code, 100), false)) }
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	var serial, answered atomic.Int64
	for range 3 {
		url, kill := startChild(t, b.config.Dir)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					no := fmt.Sprintf("K%06d", serial.Add(1))
					res, err := client.Post(url+"/pay/micropay", "text/xml", strings.NewReader(sign(no, <-codes)))
					if err != nil {
						return // killed
					}
					raw, err := io.ReadAll(res.Body)
					res.Body.Close()
					if out, perr := v2Parse(raw); err == nil && perr == nil && out["result_code"] == "SUCCESS" {
						told.Store(no, true)
						if answered.Add(1)%20 == 0 {
							kill()
						}
					}
				}
			})
		}
		wg.Wait()
		kill()
	}
	s, err := sandbox.New(t.Context(), b.config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.Trades(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	charged := map[string]int64{}
	for _, tr := range list {
		charged[tr.OutTradeNo] = tr.Charges
	}
	told.Range(func(no, _ any) bool {
		if charged[no.(string)] != 1 {
			t.Errorf("%s was answered as paid and has %d charges", no, charged[no.(string)])
		}
		return true
	})
	total, err := s.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if total.Charges != int64(len(list)) || total.DoubleCharges != 0 || total.Charges < answered.Load() {
		t.Errorf("totals = %+v for %d trades, %d answered", total, len(list), answered.Load())
	}
	if answered.Load() == 0 {
		t.Error("no payment was answered before the kills")
	}
	t.Logf("%d sent, %d answered as paid, %d charged, over 3 kills", serial.Load(), answered.Load(), total.Charges)
}

// startChild runs this binary as a sandbox and returns its address and a
// function that kills it as a power cut would.
func startChild(t *testing.T, dir string) (string, func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("child did not start: %v", err)
	}
	kill := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // an error: it was killed
		stdin.Close()
	})
	t.Cleanup(kill)
	return strings.TrimSpace(line), kill
}

func TestRestartContinues(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	paid, waiting := b.no(), b.no()
	b.wxPay(paid, b.code(sandbox.WeChat, "ming"), 100)
	b.wxRefund(paid, "R1", 100, 40)
	b.wxPay(waiting, b.code(sandbox.WeChat, "ming"), 600_00)
	ali := b.no()
	b.aliPay(ali, b.code(sandbox.Alipay, "li"), "600.00")
	unused, used := b.code(sandbox.WeChat, "wang"), b.code(sandbox.WeChat, "wang")
	b.wxPay(b.no(), used, 1)
	b.fault(sandbox.Fault{Scenario: "bankerr", Count: 2})
	_, _ = b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 1)
	before, accounts := b.totals(), b.Accounts()

	b.restart()
	if got := b.Accounts(); len(got.Providers) != len(accounts.Providers) || got.Providers[0].WeChat.APIv2Key != accounts.Providers[0].WeChat.APIv2Key ||
		got.CAPEM != accounts.CAPEM {
		t.Error("the accounts changed over a restart")
	}
	if got := b.totals(); got.Charged != before.Charged || got.Charges != before.Charges || got.Faults["bankerr"] != 1 {
		t.Errorf("totals after = %+v, before %+v", got, before)
	}
	if got, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 1); got != "BANKERROR" {
		t.Errorf("the fault's second turn = %s, want BANKERROR", got)
	}
	if got, _ := b.wxPay(b.no(), unused, 1); got != "SUCCESS" {
		t.Errorf("a code from before = %s, want SUCCESS", got)
	}
	if got, _ := b.wxPay(b.no(), used, 1); got != "AUTH_CODE_ERROR" {
		t.Errorf("a code used before = %s, want AUTH_CODE_ERROR", got)
	}
	b.clock.add(2 * time.Second)
	if got := b.wxRefundState("R1"); got != "SUCCESS" {
		t.Errorf("a refund from before = %s, want SUCCESS", got)
	}
	must(b, b.Answer(t.Context(), "ming", "approve"))
	if got := b.wxState(waiting); got != "SUCCESS" {
		t.Errorf("a dialogue from before, approved = %s, want SUCCESS", got)
	}
	b.restart()
	if got := b.aliCancel(ali); got != "close/N" {
		t.Errorf("cancel of a trade from before = %s, want close/N", got)
	}
}

func TestRestartCanAddAccounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	first := b.Accounts().Providers[0]
	b.config.Providers, b.config.MerchantsPerProvider = 3, 4
	b.restart()
	got := b.Accounts()
	if len(got.Providers) != 3 || len(got.Providers[0].WeChat.Merchants) != 4 || len(got.Providers[2].Alipay.Merchants) != 4 {
		t.Fatalf("accounts did not grow: %d providers", len(got.Providers))
	}
	if got.Providers[0].WeChat.MchID != first.WeChat.MchID || got.Providers[0].Alipay.Merchants[0] != first.Alipay.Merchants[0] {
		t.Error("growing changed an account")
	}
	seen := map[string]bool{}
	for _, p := range got.Providers {
		for _, m := range p.WeChat.Merchants {
			if seen[m.SubMchID] {
				t.Errorf("sub_mch_id %s is given twice", m.SubMchID)
			}
			seen[m.SubMchID] = true
		}
	}
}

func TestSecondSandboxOnOneDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s, err := sandbox.New(t.Context(), b.config)
	if err == nil {
		s.Close()
		t.Fatal("two sandboxes share one directory")
	}
	if !strings.Contains(err.Error(), "another sandbox") {
		t.Errorf("New = %v, want it to name the reason", err)
	}
}

func TestBrokenDirectoryIsToldApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sandbox.db"), []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sandbox.New(t.Context(), sandbox.Config{Dir: dir, Now: time.Now}); err == nil {
		s.Close()
		t.Error("New took a file that is no database")
	}
	for name, c := range map[string]sandbox.Config{
		"no directory":      {Now: time.Now},
		"no clock":          {Dir: dir},
		"unknown profile":   {Dir: dir, Now: time.Now, Profile: "lavish"},
		"too many accounts": {Dir: dir, Now: time.Now, Providers: 1000},
		"a negative delay":  {Dir: dir, Now: time.Now, RefundDelay: -1},
	} {
		if s, err := sandbox.New(t.Context(), c); err == nil {
			s.Close()
			t.Errorf("New with %s succeeded", name)
		}
	}
}

func TestStateFileIsPrivate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 1)
	files, err := filepath.Glob(filepath.Join(b.config.Dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(f), info.Mode().Perm())
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", b.Accounts(), b.Accounts(), b.Accounts()); strings.Contains(text, "KEY") {
		t.Error("printing the accounts shows a key")
	}
}

func TestOneCodePaysOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const callers = 64
	for _, sameNumber := range []bool{true, false} {
		code, client := b.code(sandbox.WeChat, ""), b.client(0)
		before := b.totals()
		numbers := make([]string, callers)
		numbers[0] = b.no()
		for i := range numbers {
			if numbers[i] = numbers[0]; !sameNumber {
				numbers[i] = b.no()
			}
		}
		var paid atomic.Int64
		var wg sync.WaitGroup
		for _, no := range numbers {
			wg.Go(func() {
				out, err := b.wxCallAs(client, "/pay/micropay", payValues(no, code, 100), false)
				if err != nil {
					t.Errorf("micropay = %v", err)
				}
				if out["result_code"] == "SUCCESS" {
					paid.Add(1)
				} else if out["err_code"] != "AUTH_CODE_ERROR" {
					t.Errorf("micropay = %s, want AUTH_CODE_ERROR", out["err_code"])
				}
			})
		}
		wg.Wait()
		after := b.totals()
		if paid.Load() != 1 || after.Charges-before.Charges != 1 || after.DoubleCharges != 0 {
			t.Errorf("%d callers were told paid, %d debits, want 1 and 1", paid.Load(), after.Charges-before.Charges)
		}
	}
}

func TestConcurrentRefundsStayWithinThePayment(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no, client := b.no(), b.client(0)
	b.wxPay(no, b.code(sandbox.WeChat, ""), 100)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			out, err := b.wxCallAs(client, "/secapi/pay/refund", kv{
				"out_trade_no": no, "out_refund_no": fmt.Sprintf("R%d", i), "total_fee": "100", "refund_fee": "60",
			}, false)
			if err != nil {
				t.Errorf("refund = %v", err)
			}
			if out["result_code"] == "SUCCESS" {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	b.clock.add(2 * time.Second)
	if got := b.trade(no); accepted.Load() != 1 || got.Refunded != 60 {
		t.Errorf("%d refunds accepted, trade %+v, want 1 and 60", accepted.Load(), got)
	}
}

// TestApprovalAndReverseExcludeEachOther lets both arrive together: whichever
// wins, the customer keeps the money. The reverse is handed to the handler
// without a socket, as a simulation would, so that neither has a head start.
func TestApprovalAndReverseExcludeEachOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{b.clientCert(0).Leaf}}
	approved := 0
	for i := range 60 {
		customer, no := fmt.Sprintf("c%d", i), b.no()
		b.wxPay(no, b.code(sandbox.WeChat, customer), 600_00)
		body := v2XML(b.wxSigned(kv{"out_trade_no": no}, false))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/secapi/pay/reverse", strings.NewReader(body))
		req.TLS = state
		reversed := httptest.NewRecorder()
		var answer error
		var wg sync.WaitGroup
		if i%2 == 0 {
			wg.Go(func() { answer = b.Answer(t.Context(), customer, "approve") })
		}
		wg.Go(func() { b.Wallet().ServeHTTP(reversed, req) })
		if i%2 == 1 {
			wg.Go(func() { answer = b.Answer(t.Context(), customer, "approve") })
		}
		wg.Wait()
		if out, err := v2Parse(reversed.Body.Bytes()); err != nil || out["result_code"] != "SUCCESS" {
			t.Errorf("reverse = %v, %v", out, err)
		}
		got := b.trade(no)
		if got.State != "REVOKED" || got.Charged != got.Refunded || (got.Charges == 1) != (answer == nil) {
			t.Errorf("after approval (%v) and reverse: %+v", answer, got)
		}
		if answer == nil {
			approved++
		}
		if balance := b.balance(customer); balance != 10_000_00 {
			t.Errorf("balance = %d, want everything", balance)
		}
	}
	t.Logf("the approval came first %d of 60 times", approved)
}

// TestMoneyIsConserved runs random calls under random faults and checks that
// customers' balances, the movements and the trades tell one story.
func TestMoneyIsConserved(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			rng := rand.New(rand.NewPCG(seed, 1))
			for _, scenario := range []string{"drop_after", "drop_before", "syserr", "payerror_but_charged", "pay_then_rollback"} {
				b.fault(sandbox.Fault{Scenario: scenario, Rate: 0.1, Seed: &seed})
			}
			for _, scenario := range []string{"refund_closed", "refund_abnormal", "refund_stuck", "reverse_no_effect"} {
				b.fault(sandbox.Fault{Scenario: scenario, Rate: 0.2, Seed: &seed})
			}
			customers := []string{"a", "b", "c", "d"}
			for _, c := range customers {
				if _, err := b.NewCustomer(t.Context(), c, 2000_00); err != nil {
					t.Fatal(err)
				}
			}
			for range 250 {
				randomStep(b, rng, customers)
			}
			b.clock.add(time.Hour)
			total := b.totals()
			var held sandbox.Fen
			for _, c := range customers {
				held += b.balance(c)
			}
			if held != 8000_00-total.Charged+total.Refunded {
				t.Errorf("customers hold %d, opened with %d, %+v", held, 8000_00, total)
			}
			list, err := b.Trades(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			var charged, refunded sandbox.Fen
			for _, tr := range list {
				charged, refunded = charged+tr.Charged, refunded+tr.Refunded
				if tr.Charges > 1 || tr.Refunded > tr.Charged {
					t.Errorf("trade %+v", tr)
				}
				if ended := tr.State == "REVOKED" || tr.State == "TRADE_CLOSED"; ended && tr.Charged != tr.Refunded {
					t.Errorf("trade %+v ended with money in it", tr)
				}
			}
			if charged != total.Charged || refunded != total.Refunded || total.DoubleCharges != 0 {
				t.Errorf("trades sum to %d and %d, totals %+v", charged, refunded, total)
			}
			t.Logf("%+v", total)
		})
	}
}

// randomStep makes one call on one of twenty numbers, and lets time pass.
func randomStep(b *bench, rng *rand.Rand, customers []string) {
	b.t.Helper()
	b.clock.add(time.Duration(rng.IntN(10)) * time.Second)
	n, customer := rng.IntN(20), customers[rng.IntN(len(customers))]
	no, refundNo := fmt.Sprintf("N%d", n), fmt.Sprintf("R%d-%d", n, rng.IntN(3))
	fen := []int{1, 250, 600_00}[n%3]
	wx := n%2 == 0
	switch rng.IntN(5) {
	case 0, 1:
		if wx {
			_, _ = b.wxCall("/pay/micropay", payValues(no, b.code(sandbox.WeChat, customer), fen))
			return
		}
		_, _ = b.aliCall("alipay.trade.pay", kv{
			"out_trade_no": no, "total_amount": sandbox.Fen(fen).Yuan(), "subject": "x", "auth_code": b.code(sandbox.Alipay, customer),
		})
	case 2:
		_ = b.Answer(b.t.Context(), customer, []string{"approve", "cancel"}[rng.IntN(2)])
	case 3:
		if wx {
			_, _ = b.wxCall("/secapi/pay/reverse", kv{"out_trade_no": no})
			return
		}
		_, _ = b.aliCall("alipay.trade.cancel", kv{"out_trade_no": no})
	case 4:
		part := max(1, fen/(1+rng.IntN(2)))
		if wx {
			_, _ = b.wxCall("/secapi/pay/refund", kv{
				"out_trade_no": no, "out_refund_no": refundNo, "total_fee": strconv.Itoa(fen), "refund_fee": strconv.Itoa(part),
			})
			return
		}
		_, _ = b.aliCall("alipay.trade.refund", kv{"out_trade_no": no, "out_request_no": refundNo, "refund_amount": sandbox.Fen(part).Yuan()})
	}
}
