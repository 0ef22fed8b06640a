package sandbox_test

import (
	"crypto/aes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/sandbox"
)

// noticeBench is a bench whose notices go to a receiver, both on a clock that
// stands still.
func noticeBench(t *testing.T) (*bench, *receiver) {
	t.Helper()
	v := newReceiver(t)
	return newBench(t, func(c *sandbox.Config) { c.Notify = v.Client().Transport }), v
}

// v3Heard is a notice as its receiver reads it.
type v3Heard struct {
	header http.Header
	raw    string
	id     string
	event  string
	plain  obj // nil if it could not be opened
	signed error
	opened error
}

// hear reads a notice of APIv3.
func (b *bench) hear(t *testing.T, r *http.Request) v3Heard {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var n struct {
		ID           string
		CreateTime   string `json:"create_time"`
		ResourceType string `json:"resource_type"`
		EventType    string `json:"event_type"`
		Summary      string
		Resource     *struct {
			Algorithm, Ciphertext, Nonce string
			AssociatedData               string `json:"associated_data"`
			OriginalType                 string `json:"original_type"`
		}
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		t.Fatalf("notice %s: %v", raw, err)
	}
	h := v3Heard{header: r.Header, raw: string(raw), id: n.ID, event: n.EventType, signed: b.v3Verify(t, r.Header, raw)}
	if n.ResourceType != "encrypt-resource" || n.CreateTime == "" || n.Summary == "" {
		t.Errorf("notice = %s", raw)
	}
	if n.Resource == nil {
		h.opened = errors.New("no resource")
		return h
	}
	var plain []byte
	if plain, h.opened = b.v3Open(n.Resource.Nonce, n.Resource.AssociatedData, n.Resource.Ciphertext); h.opened == nil {
		h.opened = json.Unmarshal(plain, &h.plain)
	}
	return h
}

// v3Paid prepares and pays a native order.
func (b *bench) v3Paid(t *testing.T, no string, fen int, url string) {
	t.Helper()
	if _, err := b.PayPrepared(t.Context(), "anna", sandbox.Invocation{CodeURL: b.v3Native(t, no, fen, url)}); err != nil {
		t.Fatal(err)
	}
}

// TestV3NoticesTellOfPayments looks at a notice from its headers to its
// content.
func TestV3NoticesTellOfPayments(t *testing.T) {
	t.Parallel()
	b, v := noticeBench(t)
	no := b.no()
	b.v3Paid(t, no, 100, v.URL)
	if got := b.v3Pay(t, b.no(), 100); got.status != 200 {
		t.Fatalf("codepay = %d", got.status)
	}
	came := v.all()
	if len(came) != 1 {
		t.Fatalf("%d notices, want one: none is sent of a code payment", len(came))
	}
	n := b.hear(t, came[0])
	if n.signed != nil || n.opened != nil || n.event != "TRANSACTION.SUCCESS" || n.plain["out_trade_no"] != no || n.plain["trade_state"] != "SUCCESS" ||
		n.plain["amount"].(obj)["total"] != 100.0 || n.plain["payer"].(obj)["sp_openid"] == "" || n.plain["success_time"] == nil {
		t.Errorf("notice = %s: %v, signature %v, content %v", n.raw, n.opened, n.signed, n.plain)
	}
	for name, want := range map[string]string{
		"Accept": "*/*", "Cache-Control": "no-cache", "Pragma": "no-cache", "User-Agent": "Mozilla/4.0", "Content-Type": "application/json",
		"Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
	} {
		if got := n.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if list, err := b.Notices(t.Context(), no); err != nil || len(list) != 1 || list[0].State != "taken" || list[0].Tries != 1 {
		t.Errorf("notices = %+v, %v", list, err)
	}
}

// TestV3NoticesAreRepeatedByTheLadder refuses a notice to the end and compares
// the attempts: another time, nonce and signature each, one id.
func TestV3NoticesAreRepeatedByTheLadder(t *testing.T) {
	t.Parallel()
	b, v := noticeBench(t)
	v.refuse = true
	no := b.no()
	b.v3Paid(t, no, 1, v.URL)
	for _, wait := range []time.Duration{
		15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, 30 * time.Minute,
		30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
	} {
		b.clock.add(wait - time.Second)
		if n, err := b.SendNotices(t.Context()); err != nil || n != 0 {
			t.Fatalf("%d sent a second early, %v", n, err)
		}
		b.clock.add(time.Second)
		if n, err := b.SendNotices(t.Context()); err != nil || n != 1 {
			t.Fatalf("%d sent when due, %v", n, err)
		}
	}
	b.clock.add(100 * time.Hour)
	if n, err := b.SendNotices(t.Context()); err != nil || n != 0 {
		t.Errorf("%d sent after the last, %v", n, err)
	}
	ids, signatures, nonces := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range v.all() {
		n := b.hear(t, r)
		if n.signed != nil || n.opened != nil {
			t.Errorf("attempt: %v, %v", n.signed, n.opened)
		}
		ids[n.id], signatures[n.header.Get("Wechatpay-Signature")], nonces[n.header.Get("Wechatpay-Nonce")] = true, true, true
	}
	if len(ids) != 1 || len(signatures) != 16 || len(nonces) != 16 {
		t.Errorf("16 attempts had %d ids, %d signatures and %d nonces", len(ids), len(signatures), len(nonces))
	}
	if list, err := b.Notices(t.Context(), no); err != nil || list[0].State != "given_up" {
		t.Errorf("notices = %+v, %v", list, err)
	}
}

// TestV3TheStatusDecides answers notices in ways that do and do not count.
func TestV3TheStatusDecides(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		body   string
		taken  bool
	}{
		"200 without a body":  {200, "", true},
		"204":                 {204, "", true},
		"200 that says FAIL":  {200, `{"code":"FAIL"}`, true},
		"201":                 {201, "", false},
		"302":                 {302, "", false},
		"500 that says fine":  {500, `{"code":"SUCCESS"}`, false},
		"400 with v2's words": {400, "<xml><return_code>SUCCESS</return_code></xml>", false},
	} {
		b := newBench(t, func(c *sandbox.Config) {
			c.Notify = answering(func(*http.Request) *http.Response {
				return &http.Response{
					StatusCode: tt.status, Status: http.StatusText(tt.status), Body: io.NopCloser(strings.NewReader(tt.body)),
					Header: http.Header{"Location": {"http://127.0.0.1:1/elsewhere"}},
				}
			})
		})
		no := b.no()
		b.v3Paid(t, no, 1, "http://127.0.0.1:1/n")
		list, err := b.Notices(t.Context(), no)
		if err != nil || len(list) != 1 || (list[0].State == "taken") != tt.taken {
			t.Errorf("%s: %+v, %v, want taken %v", name, list, err, tt.taken)
		}
	}
}

// answering is a transport that answers by itself.
type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// TestV3RefundNotices tells of the three ends of a refund, and picks the form
// by what the refund said.
func TestV3RefundNotices(t *testing.T) {
	t.Parallel()
	b, v := noticeBench(t)
	sub := b.Accounts().Providers[0].WeChat.Merchants[0].SubMchID
	native, code, byV2 := b.no(), b.no(), b.no()
	b.v3Paid(t, native, 100, v.URL+"/order")
	b.v3Pay(t, code, 100)
	b.v3Pay(t, byV2, 100)
	refund := func(no, refundNo, url, scenario string) {
		t.Helper()
		if scenario != "" {
			b.fault(sandbox.Fault{Scenario: scenario, Channel: sandbox.WeChat, Count: 1})
		}
		body := obj{"sub_mchid": sub, "out_trade_no": no, "out_refund_no": refundNo, "amount": obj{"refund": 10, "total": 100, "currency": "CNY"}}
		if url != "" {
			body["notify_url"] = url
		}
		if got := b.v3Post(t, v3Refunds, body); got.status != 200 {
			t.Fatalf("refund %s = %d %s", refundNo, got.status, got.raw)
		}
	}
	refund(native, "R1", v.URL+"/refund", "")
	refund(native, "R2", v.URL+"/refund", "refund_abnormal")
	refund(native, "R3", v.URL+"/refund", "refund_closed")
	refund(native, "R4", "", "")
	refund(code, "R5", "", "")
	refund(code, "R6", v.URL+"/refund", "")
	if got, _ := b.wx("/secapi/pay/refund", kv{
		"out_trade_no": byV2, "out_refund_no": "R7", "total_fee": "100", "refund_fee": "10", "notify_url": v.URL + "/v2",
	}); got != "SUCCESS" {
		t.Fatalf("refund by v2 = %s", got)
	}
	if got, _ := b.wxRefund(byV2, "R8", 100, 10); got != "SUCCESS" {
		t.Fatalf("refund by v2 = %s", got)
	}
	if _, err := b.SendNotices(t.Context()); err != nil || len(v.all()) != 1 {
		t.Fatalf("%d notices before the refunds are done, %v, want the payment's", len(v.all()), err)
	}
	b.clock.add(2 * time.Second)
	if n, err := b.SendNotices(t.Context()); err != nil || n != 6 {
		t.Errorf("%d notices of eight refunds, %v; want 6: two have nowhere to go", n, err)
	}
	heard := map[string]string{}
	for _, r := range v.all()[1:] {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
			inner := b.openInfo(t, r)
			heard[inner["out_refund_no"]] = r.URL.Path + " v2 " + inner["refund_status"] + " " + inner["refund_fee"]
			continue
		}
		n := b.hear(t, r)
		if n.signed != nil || n.opened != nil {
			t.Errorf("notice %s: %v, %v", n.raw, n.signed, n.opened)
			continue
		}
		if n.plain["status"] != nil || (n.plain["success_time"] != nil) != (n.plain["refund_status"] == "SUCCESS") {
			t.Errorf("content of a refund notice = %v", n.plain)
		}
		heard[n.plain["out_refund_no"].(string)] = r.URL.Path + " " + n.event + " " + n.plain["refund_status"].(string)
	}
	want := map[string]string{
		"R1": "/refund REFUND.SUCCESS SUCCESS", "R2": "/refund REFUND.ABNORMAL ABNORMAL", "R3": "/refund REFUND.CLOSED CLOSED",
		"R4": "/order v2 SUCCESS 10", "R6": "/refund REFUND.SUCCESS SUCCESS", "R7": "/v2 v2 SUCCESS 10",
	}
	for no, text := range want {
		if heard[no] != text {
			t.Errorf("%s was told of as %q, want %q", no, heard[no], text)
		}
	}
	if len(heard) != len(want) {
		t.Errorf("heard of %v", heard)
	}
}

// openInfo decrypts the req_info of a refund notice of v2.
func (b *bench) openInfo(t *testing.T, r *http.Request) kv {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := v2Parse(raw)
	if err != nil || outer["return_code"] != "SUCCESS" || outer["sign"] != "" {
		t.Fatalf("refund notice = %s, %v", raw, err)
	}
	sealed, err := base64.StdEncoding.DecodeString(outer["req_info"])
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte(b.Accounts().Providers[0].WeChat.APIv2Key))
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sealed); i += 16 {
		block.Decrypt(sealed[i:i+16], sealed[i:i+16])
	}
	plain := sealed[:len(sealed)-int(sealed[len(sealed)-1])]
	if !strings.HasPrefix(string(plain), "<root>") {
		t.Fatalf("req_info = %s", plain)
	}
	inner, err := v2Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	return inner
}

// TestV3NoticeFaults spoils one attempt each and looks at what came.
func TestV3NoticeFaults(t *testing.T) {
	t.Parallel()
	b, v := noticeBench(t)
	v.refuse = true
	w := b.Accounts().Providers[0].WeChat
	first := func(f sandbox.Fault) []v3Heard {
		t.Helper()
		before := len(v.all())
		f.Endpoint, f.Count = sandbox.EndpointNotify, 1
		b.fault(f)
		b.v3Paid(t, b.no(), 100, v.URL)
		var list []v3Heard
		for _, r := range v.all()[before:] {
			list = append(list, b.hear(t, r))
		}
		return list
	}
	if list := first(sandbox.Fault{Scenario: "notify_dup"}); len(list) != 2 || list[0].id != list[1].id {
		t.Errorf("notify_dup sent %d copies", len(list))
	}
	if n := first(sandbox.Fault{Scenario: "notify_wrong_amount"})[0]; n.signed != nil || n.plain["amount"].(obj)["total"] != 101.0 {
		t.Errorf("notify_wrong_amount: %v, %v", n.signed, n.plain)
	}
	if n := first(sandbox.Fault{Scenario: "notify_wrong_merchant"})[0]; n.signed != nil || n.plain["sub_mchid"] == w.Merchants[0].SubMchID {
		t.Errorf("notify_wrong_merchant: %v, %v", n.signed, n.plain)
	}
	if n := first(sandbox.Fault{Scenario: "notify_empty_resource"})[0]; n.signed != nil || n.opened == nil || strings.Contains(n.raw, `"resource"`) {
		t.Errorf("notify_empty_resource: %v, %s", n.signed, n.raw)
	}
	if n := first(sandbox.Fault{Scenario: "notify_bad_nonce"})[0]; n.signed != nil || n.opened == nil || n.opened.Error() != "a nonce of 5 bytes" {
		t.Errorf("notify_bad_nonce: %v, %v", n.signed, n.opened)
	}
	if n := first(sandbox.Fault{Scenario: "notify_foreign_key"})[0]; n.signed == nil || n.opened != nil || b.v3Key(t, n.header.Get("Wechatpay-Serial")) == nil {
		t.Errorf("notify_foreign_key: signature %v, content %v", n.signed, n.opened)
	}
	if list := first(sandbox.Fault{Scenario: "notify_signtest"}); len(list) != 2 || list[0].signed == nil || list[1].signed != nil ||
		!strings.HasPrefix(list[0].header.Get("Wechatpay-Signature"), "WECHATPAY/SIGNTEST/") {
		t.Errorf("notify_signtest sent %d", len(list))
	}
	if n := first(sandbox.Fault{Scenario: "tamper"})[0]; n.signed == nil {
		t.Error("tamper: the signature is good")
	}
	if n := first(sandbox.Fault{Scenario: "stale_timestamp"})[0]; n.signed != nil || n.header.Get("Wechatpay-Timestamp") != "1795146600" {
		t.Errorf("stale_timestamp: %v, %s", n.signed, n.header.Get("Wechatpay-Timestamp"))
	}
	if n := first(sandbox.Fault{Scenario: "pubkey_migration"})[0]; n.signed != nil || n.header.Get("Wechatpay-Serial") != w.PublicKeyID {
		t.Errorf("pubkey_migration: %v, %s", n.signed, n.header.Get("Wechatpay-Serial"))
	}
	old := b.v3Certificates(t)[0].serial
	if n := first(sandbox.Fault{Scenario: "cert_rotate"})[0]; n.signed != nil || n.header.Get("Wechatpay-Serial") == old {
		t.Errorf("cert_rotate: %v, %s", n.signed, n.header.Get("Wechatpay-Serial"))
	}
	if list := first(sandbox.Fault{Scenario: "drop_before"}); len(list) != 0 {
		t.Errorf("drop_before sent %d", len(list))
	}
}

// TestAProbeThatIsTakenSpoilsTheAttempt lets a receiver take everything, which
// is what a probe is sent to find.
func TestAProbeThatIsTakenSpoilsTheAttempt(t *testing.T) {
	t.Parallel()
	b, v := noticeBench(t)
	b.fault(sandbox.Fault{Scenario: "notify_signtest", Count: 1})
	no := b.no()
	b.v3Paid(t, no, 1, v.URL)
	list, err := b.Notices(t.Context(), no)
	if err != nil || list[0].State != "waiting" || !strings.Contains(list[0].Answer, "SIGNTEST") || len(v.all()) != 1 {
		t.Errorf("notices = %+v, %v", list, err)
	}
}

// TestV3NoticesMoveToThePublicKeyBySteps counts by which key notices are signed
// at each step, and that a repetition keeps its key.
func TestV3NoticesMoveToThePublicKeyBySteps(t *testing.T) {
	t.Parallel()
	b, v := noticeBench(t)
	v.refuse = true
	w := b.Accounts().Providers[0].WeChat
	const orders = 100
	for range orders {
		b.v3Paid(t, b.no(), 1, v.URL)
	}
	counted := func(percent float64) map[string]bool {
		t.Helper()
		if err := b.MigrateWeChat(t.Context(), w.MchID, percent, false); err != nil {
			t.Fatal(err)
		}
		before := len(v.all())
		b.clock.add(15 * time.Second)
		if n, err := b.SendNotices(t.Context()); err != nil || n != orders {
			t.Fatalf("%d sent, %v", n, err)
		}
		moved := map[string]bool{}
		for _, r := range v.all()[before:] {
			n := b.hear(t, r)
			if n.signed != nil {
				t.Errorf("notice: %v", n.signed)
			}
			if n.header.Get("Wechatpay-Serial") == w.PublicKeyID {
				moved[n.id] = true
			}
		}
		b.clock.add(time.Hour) // past the ladder's next steps
		return moved
	}
	if moved := counted(0); len(moved) != 0 {
		t.Errorf("%d moved at 0 %%", len(moved))
	}
	half := counted(50)
	if len(half) < 25 || len(half) > 75 {
		t.Errorf("%d of %d moved at 50 %%", len(half), orders)
	}
	all := counted(100)
	if len(all) != orders {
		t.Errorf("%d of %d moved at 100 %%", len(all), orders)
	}
	again := counted(50)
	for id := range half {
		if !again[id] {
			t.Errorf("notice %s moved back", id)
		}
	}
	if len(again) != len(half) {
		t.Errorf("%d moved at 50 %%, %d before", len(again), len(half))
	}
}

// TestV2OrdersKeepV2Notices pays an order of each interface.
func TestV2OrdersKeepV2Notices(t *testing.T) {
	t.Parallel()
	b, v := noticeBench(t)
	code, out := b.wx("/pay/unifiedorder", kv{
		"body": "x", "out_trade_no": b.no(), "total_fee": "1", "spbill_create_ip": "127.0.0.1", "notify_url": v.URL, "trade_type": "NATIVE", "product_id": "1",
	})
	if code != "SUCCESS" {
		t.Fatalf("unifiedorder = %s", code)
	}
	if _, err := b.PayPrepared(t.Context(), "anna", sandbox.Invocation{CodeURL: out["code_url"]}); err != nil {
		t.Fatal(err)
	}
	b.v3Paid(t, b.no(), 1, v.URL)
	var types []string
	for _, r := range v.all() {
		types = append(types, r.Header.Get("Content-Type"))
	}
	if want := []string{"text/xml", "application/json"}; !slices.Equal(types, want) {
		t.Errorf("notices of a v2 and a v3 order = %v, want %v", types, want)
	}
}
