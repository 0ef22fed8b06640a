package sandbox_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartwalle/alipay/v3"

	"cloudpay/internal/sandbox"
)

// inbox is a merchant's notify_url.
type inbox struct {
	mu     sync.Mutex
	answer func(r *http.Request) (*http.Response, error)
	bodies []string
}

func (i *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bodies = append(i.bodies, string(body))
	return i.answer(r)
}

// taken returns what arrived since the last call.
func (i *inbox) taken() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := i.bodies
	i.bodies = nil
	return list
}

func (i *inbox) answers(status int, body string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

const wxAck = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"

func newInbox(t *testing.T, ack string) (*bench, *inbox) {
	t.Helper()
	box := &inbox{}
	box.answers(http.StatusOK, ack)
	return newBench(t, func(c *sandbox.Config) { c.Notify = box }), box
}

// TestWeChatTellsOfPayments verifies a notice with the code that verifies
// answers in these tests, which shares nothing with the sandbox's own.
func TestWeChatTellsOfPayments(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, wxAck)
	no := b.no()
	b.pays("anna", b.native(no, 100))
	list := box.taken()
	if len(list) != 1 {
		t.Fatalf("%d notices, want 1", len(list))
	}
	n, err := v2Parse([]byte(list[0]))
	if err != nil {
		t.Fatal(err)
	}
	w := b.Accounts().Providers[0].WeChat
	if n["sign"] != v2Sign(n, w.APIv2Key, false) {
		t.Error("the notice's signature is wrong")
	}
	_, asked := b.wx("/pay/orderquery", kv{"out_trade_no": no})
	for _, name := range []string{
		"appid", "mch_id", "sub_mch_id", "openid", "is_subscribe", "trade_type", "bank_type", "total_fee", "settlement_total_fee", "fee_type",
		"cash_fee", "transaction_id", "out_trade_no", "time_end",
	} {
		if n[name] == "" || n[name] != asked[name] {
			t.Errorf("%s is %q in the notice and %q in the query", name, n[name], asked[name])
		}
	}
	code, _ := b.wxPay(b.no(), b.code(sandbox.WeChat, ""), 100)
	if list := box.taken(); code != "SUCCESS" || len(list) != 0 {
		t.Errorf("micropay = %s and %d notices, want none", code, len(list))
	}
	told, err := b.Notices(t.Context(), no)
	want := []sandbox.Notice{{Channel: sandbox.WeChat, OutTradeNo: no, URL: notifyURL, State: "taken", Tries: 1, Answer: wxAck}}
	if diff := cmp.Diff(want, told); err != nil || diff != "" {
		t.Errorf("Notices: %v %s", err, diff)
	}
}

// TestAlipayTellsOfPaymentsAndRefunds verifies notices with a client library
// that neither side of this project wrote.
func TestAlipayTellsOfPaymentsAndRefunds(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, "success")
	a := b.Accounts().Providers[0].Alipay
	client, err := alipay.New(a.AppID, a.AppPrivateKeyPEM, false,
		alipay.WithSandboxGateway(b.wallet.URL+"/gateway.do"), alipay.WithHTTPClient(b.client(-1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.LoadAliPayPublicKey(a.AlipayPublicKeyPEM); err != nil {
		t.Fatal(err)
	}
	told := func() *alipay.Notification {
		list := box.taken()
		if len(list) != 1 {
			t.Fatalf("%d notices, want 1", len(list))
		}
		values, err := url.ParseQuery(list[0])
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range values {
			if len(value) != 1 || value[0] == "" {
				t.Errorf("%s is %q: a parameter must not be empty", name, value)
			}
		}
		n, err := client.DecodeNotification(t.Context(), values)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	no := b.no()
	made, err := client.TradePreCreate(t.Context(), alipay.TradePreCreate{Trade: alipay.Trade{
		AppAuthToken: a.Merchants[0].AppAuthToken, Subject: "测试 商品 50%25+x", OutTradeNo: no, TotalAmount: "2.00",
		ProductCode: "QR_CODE_OFFLINE", NotifyURL: "http://127.0.0.1:1/notify/alipay",
	}})
	if err != nil || made.QRCode == "" {
		t.Fatalf("TradePreCreate = %+v, %v", made, err)
	}
	b.pays("anna", sandbox.Invocation{CodeURL: made.QRCode})
	if n := told(); n.TradeStatus != "TRADE_SUCCESS" || n.OutTradeNo != no || n.TotalAmount != "2.00" || n.AppId != a.AppID ||
		n.SellerId != a.Merchants[0].UserID || n.Subject != "测试 商品 50%25+x" || n.RefundFee != "" {
		t.Errorf("notice %+v", n)
	}
	for i, status := range []string{"TRADE_SUCCESS", "TRADE_CLOSED"} {
		if code, _ := b.aliRefund(no, "R"+status, "1.00"); code != "10000" {
			t.Fatalf("refund = %s", code)
		}
		if _, err := b.SendNotices(t.Context()); err != nil {
			t.Fatal(err)
		}
		fee := []string{"1.00", "2.00"}[i]
		if n := told(); string(n.TradeStatus) != status || n.RefundFee != fee || n.OutBizNo != "R"+status || n.TotalAmount != "2.00" {
			t.Errorf("notice of refund %d: %+v", i, n)
		}
	}
	buyer := b.identity("anna", a.AppID).BuyerID
	created, err := client.TradeCreate(t.Context(), alipay.TradeCreate{
		Trade: alipay.Trade{
			AppAuthToken: a.Merchants[0].AppAuthToken, Subject: "测试", OutTradeNo: b.no(), TotalAmount: "1.00", ProductCode: "JSAPI_PAY",
		},
		BuyerId: buyer,
	})
	if err != nil || created.TradeNo == "" {
		t.Fatalf("TradeCreate = %+v, %v", created, err)
	}
	b.pays("anna", sandbox.Invocation{TradeNo: created.TradeNo})
	if list := box.taken(); len(list) != 0 {
		t.Errorf("%d notices without a notify_url", len(list))
	}
}

// TestNoticesAreRepeatedUntilTaken walks both schedules to their ends.
func TestNoticesAreRepeatedUntilTaken(t *testing.T) {
	t.Parallel()
	for _, ch := range []sandbox.Channel{sandbox.WeChat, sandbox.Alipay} {
		b, box := newInbox(t, "")
		waits := map[sandbox.Channel][]time.Duration{
			sandbox.WeChat: {
				15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
				30 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
			},
			sandbox.Alipay: {4 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour},
		}[ch]
		for i, refusal := range []func(){
			func() { box.answers(http.StatusInternalServerError, "success") },
			func() { box.answers(http.StatusOK, "SUCCESS") },
			func() { box.answers(http.StatusFound, wxAck) },
			func() { box.answers(http.StatusOK, "<xml><return_code>FAIL</return_code></xml>") },
			func() {
				box.mu.Lock()
				defer box.mu.Unlock()
				box.answer = func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }
			},
		} {
			refusal()
			no := b.no()
			if ch == sandbox.WeChat {
				b.pays("anna", b.native(no, 1))
			} else {
				_, err := b.aliCall("alipay.trade.precreate", kv{"out_trade_no": no, "total_amount": "0.01", "subject": "测试"})
				if err != nil {
					t.Fatal(err)
				}
				continue // without a notify_url: the loop below has one
			}
			if list, _ := b.Notices(t.Context(), no); len(list) != 1 || list[0].State != "waiting" || list[0].Tries != 1 || list[0].Answer == "" && i != 4 {
				t.Errorf("refusal %d: %+v, want one that waits", i, list)
			}
		}
		box.answers(http.StatusOK, "no")
		no := b.no()
		if ch == sandbox.WeChat {
			b.pays("ben", b.native(no, 1))
		} else {
			form := b.aliParams("alipay.trade.precreate", kv{"out_trade_no": no, "total_amount": "0.01", "subject": "测试"}, kv{"notify_url": "http://127.0.0.1:1/n"})
			_, _, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded", form.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			out, _, err := b.aliRead(raw)
			if err != nil {
				t.Fatal(err)
			}
			b.pays("ben", sandbox.Invocation{CodeURL: out["qr_code"].(string)})
		}
		start := b.clock.now()
		for i, wait := range waits {
			b.clock.add(wait - time.Millisecond)
			box.taken()
			b.sendsNotices()
			early := len(box.taken())
			b.clock.add(time.Millisecond)
			b.sendsNotices()
			b.sendsNotices()
			if on := b.tries(no); on != int64(i+2) {
				t.Fatalf("%s: after wait %d: %d tries, want %d (%d early)", ch, i, on, i+2, early)
			}
		}
		b.clock.add(48 * time.Hour)
		b.sendsNotices()
		list, _ := b.Notices(t.Context(), no)
		if list[0].State != "given_up" || list[0].Tries != int64(len(waits)+1) || b.clock.now().Sub(start) < 24*time.Hour {
			t.Errorf("%s: at the end %+v", ch, list)
		}
	}
}

func (b *bench) sendsNotices() {
	b.t.Helper()
	if _, err := b.SendNotices(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) tries(no string) int64 {
	b.t.Helper()
	list, err := b.Notices(b.t.Context(), no)
	if err != nil || len(list) != 1 {
		b.t.Fatalf("Notices = %+v, %v", list, err)
	}
	return list[0].Tries
}

func TestNoticesWaitForAPlaceToGoAndSurviveARestart(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil) // nothing to send with
	no := b.no()
	b.pays("anna", b.native(no, 1))
	if status, out := b.ctl("POST", "/sandbox/v1/notices/send", ""); status != 200 || out["sent"] != 0.0 {
		t.Errorf("send = %d %v", status, out)
	}
	box := &inbox{}
	box.answers(http.StatusOK, wxAck)
	b.config.Notify = box
	b.restart()
	if status, out := b.ctl("POST", "/sandbox/v1/notices/send", ""); status != 200 || out["sent"] != 1.0 || len(box.taken()) != 1 {
		t.Errorf("send = %d %v", status, out)
	}
	status, out := b.ctl("GET", "/sandbox/v1/notices?out_trade_no="+no, "")
	list, _ := out["notices"].([]any)
	if status != 200 || len(list) != 1 || list[0].(map[string]any)["state"] != "taken" {
		t.Errorf("notices = %d %v", status, out)
	}
}

// TestNoticesGoOutByThemselves runs the loop on a timer that the test holds.
func TestNoticesGoOutByThemselves(t *testing.T) {
	t.Parallel()
	box, ticks := &inbox{}, make(chan time.Time)
	box.answers(http.StatusOK, "later")
	b := newBench(t, func(c *sandbox.Config) {
		c.Notify, c.After = box, func(time.Duration) <-chan time.Time { return ticks }
	})
	done := make(chan struct{})
	go func() { b.ServeNotices(t.Context()); close(done) }()
	b.pays("anna", b.native(b.no(), 1))
	if list := box.taken(); len(list) != 1 {
		t.Errorf("%d notices with the payment, want 1", len(list))
	}
	b.clock.add(15 * time.Second)
	ticks <- b.clock.now()
	ticks <- b.clock.now() // is taken when the first round is over
	if list := box.taken(); len(list) != 1 {
		t.Errorf("%d notices in the first round, want 1", len(list))
	}
	if err := b.Close(); err != nil { // the loop ends with the sandbox
		t.Error(err)
	}
	<-done
}

// TestFaultsBefallNotices loses, holds back and spoils single attempts.
func TestFaultsBefallNotices(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, wxAck)
	w := b.Accounts().Providers[0].WeChat
	for scenario, want := range map[string]struct {
		copies int
		state  string
		good   bool
	}{
		"drop_before":         {0, "waiting", false},
		"drop_after":          {1, "waiting", true},
		"timeout":             {1, "taken", true},
		"bad_sign":            {1, "taken", false},
		"unsigned_2xx":        {1, "taken", false},
		"tamper":              {1, "taken", false},
		"notify_dup":          {2, "taken", true},
		"notify_wrong_amount": {1, "taken", true},
	} {
		no := b.no()
		f := sandbox.Fault{Scenario: scenario, Endpoint: sandbox.EndpointNotify, Count: 1, Params: sandbox.Params{OutTradeNo: no}}
		if scenario == "timeout" {
			f.Params.Seconds = new(0.0)
		}
		b.fault(f)
		b.pays("anna", b.native(no, 100))
		list := box.taken()
		told, err := b.Notices(t.Context(), no)
		if err != nil || len(list) != want.copies || len(told) != 1 || told[0].State != want.state {
			t.Errorf("%s: %d copies, %+v, %v, want %+v", scenario, len(list), told, err, want)
			continue
		}
		for _, body := range list {
			n, err := v2Parse([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if good := n["sign"] != "" && n["sign"] == v2Sign(n, w.APIv2Key, false); good != want.good {
				t.Errorf("%s: signature good %v, want %v", scenario, good, want.good)
			}
			if amount := n["total_fee"]; (amount == "101") != (scenario == "notify_wrong_amount") {
				t.Errorf("%s: total_fee %s", scenario, amount)
			}
		}
	}
}

// TestSendersNeverMakeOneAttemptTwice lets several senders look at once.
func TestSendersNeverMakeOneAttemptTwice(t *testing.T) {
	t.Parallel()
	b, box := newInbox(t, "no")
	for range 10 {
		b.pays("anna", b.native(b.no(), 1))
	}
	box.taken()
	b.clock.add(15 * time.Second)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := b.SendNotices(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if list := box.taken(); len(list) != 10 {
		t.Errorf("%d attempts, want one for each of 10 notices", len(list))
	}
}
