package manage_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/manage"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

const callbacksA = "/v1/merchants/" + merchantA + "/callbacks"

// attempted writes an attempt to tell merchant A of a payment into the log and
// returns how it is named there.
func (h *house) attempted(t *testing.T, order string, acknowledged bool, ago time.Duration) string {
	t.Helper()
	a := store.CallbackAttempt{
		MerchantID: merchantA, At: h.clock.now().Add(-ago), ID: h.store.NewUnit(), OutTradeNo: order, Event: pay.EventPaid, Attempt: 1,
		Endpoint: "https://baker.example:443", Target: "https://baker.example/n", AuthenKey: 1, Request: `{"payer":"who paid"}`,
		Acknowledged: acknowledged, HTTPStatus: 200, Reply: "ok", Took: 5 * time.Millisecond,
	}
	if !acknowledged {
		a.HTTPStatus, a.Error = 502, "the receiver answered HTTP 502"
	}
	if err := h.store.KeepCallback(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	var p manage.Page[manage.CallbackAttempt]
	h.answer(t, "boss", http.MethodGet, callbacksA+"/attempts?out_trade_no="+order, "", &p)
	for _, v := range p.Items {
		if strings.HasSuffix(v.ID, a.ID) {
			return v.ID
		}
	}
	t.Fatalf("the attempt is not listed: %+v", p)
	return ""
}

// answer makes a request that must succeed and reads what comes back.
func (h *house) answer(t *testing.T, who, method, path, body string, out any) {
	t.Helper()
	w := h.as(t, who, method, path, body)
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s as %s: %d %s", method, path, who, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Fatal(err)
	}
}

// unreachable gives merchant A an address that is refused before anything is
// sent: nothing of a test leaves the machine.
func (h *house) unreachable(t *testing.T) {
	t.Helper()
	if w := h.as(t, "provider", http.MethodPatch, "/v1/merchants/"+merchantA, `{"notify_url":"https://127.0.0.1/n"}`); w.Code != http.StatusOK {
		t.Fatalf("set the address: %d %s", w.Code, w.Body)
	}
}

func attemptRow() row {
	return row{
		who: "boss", wrong: "manager", foreign: "stranger", want: `"request":"{`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			return callbacksA + "/attempts/" + h.attempted(t, prefixA+"x1", true, 0), ""
		},
	}
}

func resentSent() row {
	return row{
		who: "provider", wrong: "boss", foreign: "stranger", want: `"count":1`,
		bad: `{"from":"2026-11-25T10:00:00Z","to":"2026-11-25T09:00:00Z"}`, field: "body.to",
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			h.unreachable(t)
			h.attempted(t, h.order(t), true, time.Minute)
			return callbacksA + "/resend", h.span(time.Hour)
		},
	}
}

func pinged() row {
	return row{
		who: "provider", wrong: "boss", foreign: "stranger", want: `"event":"ping"`,
		before: func(t *testing.T, h *house) (string, string) {
			t.Helper()
			h.unreachable(t)
			return callbacksA + "/ping", ""
		},
	}
}

// span is a body that asks for what was sent in the last so long.
func (h *house) span(long time.Duration) string {
	now := h.clock.now().UTC()
	return `{"from":"` + now.Add(-long).Format(time.RFC3339) + `","to":"` + now.Add(time.Minute).Format(time.RFC3339) + `"}`
}

func TestTheLogOfCallbacksIsReadInPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const order = prefixA + "x1"
	oldest := h.attempted(t, order, false, 3*time.Hour)
	middle := h.attempted(t, order, false, 2*time.Hour)
	newest := h.attempted(t, order, true, time.Hour)
	h.attempted(t, prefixA+"x2", true, time.Minute)
	list := func(query string) (ids []string, next string) {
		t.Helper()
		var p manage.Page[manage.CallbackAttempt]
		h.answer(t, "boss", http.MethodGet, callbacksA+"/attempts?out_trade_no="+order+query, "", &p)
		for _, v := range p.Items {
			if v.Request != "" || v.Reply != "" {
				t.Errorf("a list shows what was sent and answered: %+v", v)
			}
			ids = append(ids, v.ID)
		}
		return ids, p.Next
	}
	first, next := list("&limit=2")
	second, end := list("&limit=2&after=" + next)
	if got := strings.Join(append(first, second...), " "); got != newest+" "+middle+" "+oldest || end != "" {
		t.Errorf("two pages have %s and %q, want %s %s %s", got, end, newest, middle, oldest)
	}
	if failed, _ := list("&failed=true"); strings.Join(failed, " ") != middle+" "+oldest {
		t.Errorf("failed are %v", failed)
	}
	if recent, _ := list("&from=" + h.clock.now().Add(-90*time.Minute).UTC().Format(time.RFC3339)); len(recent) != 1 || recent[0] != newest {
		t.Errorf("of the last 90 minutes are %v, want %s", recent, newest)
	}
	for _, id := range []string{"x", "1-nobody", "-1-a", oldest + "x"} {
		if w := h.as(t, "boss", http.MethodGet, callbacksA+"/attempts/"+id, ""); w.Code != http.StatusNotFound {
			t.Errorf("attempt %s: %d %s, want 404", id, w.Code, w.Body)
		}
	}
	if w := h.as(t, "boss", http.MethodGet, callbacksA+"/attempts?after=x", ""); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("after=x: %d %s, want 422", w.Code, w.Body)
	}
	var v manage.CallbackAttempt
	if h.answer(t, "ops", http.MethodGet, callbacksA+"/attempts/"+oldest, "", &v); v.Request != "" || v.Reply == "" || v.Error == "" {
		t.Errorf("ops reads %+v, want everything but what was sent: it says who paid", v)
	}
}

func TestSendingAgainAndPingsAreInTheAuditTrail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.unreachable(t)
	h.attempted(t, h.order(t), true, time.Minute)
	audited := func(action string) (times int) {
		t.Helper()
		var p manage.Page[map[string]any]
		h.answer(t, "operator", http.MethodGet, "/v1/audit", "", &p)
		for _, e := range p.Items {
			if e["action"] == action {
				times++
			}
		}
		return times
	}
	refused := []string{
		`{"from":"2026-11-25T10:00:00Z","to":"2026-11-25T10:00:00Z"}`,
		`{"from":"1990-01-01T10:00:00Z","to":"1990-01-02T10:00:00Z"}`,
		strings.TrimSuffix(h.span(time.Hour), "}") + `,"after":"x"}`,
	}
	for _, body := range refused {
		if w := h.as(t, "provider", http.MethodPost, callbacksA+"/resend", body); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("resend %s: %d %s, want 422", body, w.Code, w.Body)
		}
	}
	if n := audited("callback.resend_sent"); n != 0 {
		t.Errorf("%d refusals are in the audit trail", n)
	}
	var sent manage.ResendSent
	if h.answer(t, "provider", http.MethodPost, callbacksA+"/resend", h.span(time.Hour), &sent); sent.Count != 1 || sent.Next != "" {
		t.Errorf("resend = %+v, want one", sent)
	}
	var ping, kept manage.CallbackAttempt
	h.answer(t, "provider", http.MethodPost, callbacksA+"/ping", "", &ping)
	if ping.Acknowledged || ping.Error == "" || ping.OutTradeNo != "" || !strings.Contains(ping.Request, `"ping"`) {
		t.Errorf("ping of a private address = %+v, want it refused", ping)
	}
	if h.answer(t, "provider", http.MethodGet, callbacksA+"/attempts/"+ping.ID, "", &kept); kept != ping {
		t.Errorf("the log has %+v, want %+v", kept, ping)
	}
	if a, b := audited("callback.resend_sent"), audited("callback.ping"); a != 1 || b != 1 {
		t.Errorf("the audit trail has %d resends and %d pings, want one each", a, b)
	}
}

// TestAnAttemptSaysWhenItsEventIsTriedAgain: whoever looks at a failure wants to
// know whether to wait.
func TestAnAttemptSaysWhenItsEventIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const order = prefixA + "x1"
	id := h.attempted(t, order, false, time.Minute)
	next := func() *manage.NextAttempt {
		t.Helper()
		var d manage.CallbackDetail
		h.answer(t, "boss", http.MethodGet, callbacksA+"/attempts/"+id, "", &d)
		return d.Next
	}
	if got := next(); got != nil {
		t.Errorf("nothing is to be sent, and next is %+v", got)
	}
	j := jobs.Job{
		Key: jobs.Key{MerchantID: merchantA, Kind: "callback", Ref: order + "/paid"}, State: jobs.Ready, Attempt: 3,
		RunAt: h.clock.now().Add(20 * time.Minute).UTC().Truncate(time.Millisecond), CreatedAt: h.clock.now(),
	}
	if err := h.store.EditJobs(t.Context(), merchantA, jobs.Edit{Put: &j}); err != nil {
		t.Fatal(err)
	}
	if got := next(); got == nil || got.State != "ready" || !got.At.Equal(j.RunAt) {
		t.Errorf("next is %+v, want %v", got, j.RunAt)
	}
}
