package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// maxControlBody bounds a request to the control API; the largest useful one
// is a fault of a few hundred bytes.
const maxControlBody = 64 << 10

// Control is the bench's own interface (docs/sandbox.md): JSON over plain HTTP
// for loopback. It holds payment codes and truth, so browsers' cross-site
// requests are refused, and so are those that name another host than this
// machine's loopback: to a browser, a page whose name was rebound to it is of
// the same site. Anything else that can reach the port is trusted.
func (s *Sandbox) Control() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(*http.Request) (int, any, error){
		"POST /sandbox/v1/paycodes":              s.postPayCode,
		"POST /sandbox/v1/customers":             s.postCustomer,
		"GET /sandbox/v1/customers/{id}":         s.getCustomer,
		"POST /sandbox/v1/customers/{id}/answer": s.postAnswer,
		"POST /sandbox/v1/customers/{id}/open":   s.postOpen,
		"GET /sandbox/v1/customers/{id}/ids":     s.getIdentity,
		"GET /sandbox/v1/clock":                  s.getClock,
		"POST /sandbox/v1/clock":                 s.postClock,
		"GET /sandbox/v1/notices":                s.getNotices,
		"POST /sandbox/v1/notices/send":          s.postNotices,
		"POST /sandbox/v1/faults":                s.postFault,
		"GET /sandbox/v1/faults":                 s.getFaults,
		"DELETE /sandbox/v1/faults":              s.deleteFaults,
		"POST /sandbox/v1/customers/{id}/login":  s.postLogin,
		"POST /sandbox/v1/alipay/revoke":         s.postAlipayRevocation,
		"POST /sandbox/v1/alipay/rotate":         s.postAlipayRotation,
		"GET /sandbox/v1/scenarios":              s.getScenarios,
		"GET /sandbox/v1/scene":                  s.getScene,
		"PUT /sandbox/v1/scene":                  s.putScene,
		"GET /sandbox/v1/requests":               s.getRequests,
		"GET /sandbox/v1/requests/{id}":          s.getRequest,
		"GET /sandbox/v1/trades":                 s.getTrades,
		"GET /sandbox/v1/arrived":                s.getArrived,
		"GET /sandbox/v1/totals":                 s.getTotals,
		"GET /sandbox/v1/merchants":              s.getMerchants,
		"GET /sandbox/v1/movements":              s.getMovements,
		"POST /sandbox/v1/merchants":             s.postMerchant,
		"GET /sandbox/v1/wechat/{mchid}/keys":    s.getWeChatKeys,
		"POST /sandbox/v1/wechat/{mchid}/rotate": s.postRotate,
		"POST /sandbox/v1/wechat/{mchid}/pubkey": s.postMigrate,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.answerControl(w, r, h) })
	}
	mux.HandleFunc("GET /sandbox/v1/ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = io.WriteString(w, s.accounts.CAPEM)
	})
	(&phone{s: s}).routes(mux)
	s.requestPages(mux)
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.answersTo(r.Host) {
			http.Error(w, "the control API answers to localhost and loopback addresses only, and to names given by --name", http.StatusForbidden)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// answersTo reports whether a Host header names this machine's loopback, or a
// name that whoever started the sandbox gave it.
func (s *Sandbox) answersTo(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if slices.ContainsFunc(s.c.Names, func(n string) bool { return strings.EqualFold(n, host) }) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// answerControl runs one handler and writes what it returns. A query parameter
// no handler knows is refused like an unknown field.
func (s *Sandbox) answerControl(w http.ResponseWriter, r *http.Request, h func(*http.Request) (int, any, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
	status, out, err := h(r)
	if err != nil {
		status, out = s.controlError(r, err)
	}
	if out == nil {
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic("sandbox: an answer has no JSON form: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller who has gone needs no answer
}

// controlError is the one place where an error becomes a status. What is the
// caller's fault is told in full, what is ours is logged.
func (s *Sandbox) controlError(r *http.Request, err error) (int, any) {
	status := http.StatusInternalServerError
	tooLarge := &http.MaxBytesError{}
	switch {
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, ErrConflict):
		status = http.StatusConflict
	}
	text := err.Error()
	if status == http.StatusInternalServerError {
		s.c.Log.ErrorContext(r.Context(), "control call failed", slog.String("path", r.URL.Path), slog.String("error", text))
		text = "the sandbox could not do it; see its log"
	}
	return status, map[string]string{"error": text}
}

// readControl decodes a body that must be one JSON object with no member the
// sandbox does not know.
func readControl(r *http.Request, into any) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return errors.Join(ErrInvalid, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.Join(ErrInvalid, errors.New("read body: "+strings.TrimPrefix(err.Error(), "json: ")))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.Join(ErrInvalid, errors.New("read body: text after the object"))
	}
	return nil
}

// readQuery refuses query parameters other than the one named.
func readQuery(r *http.Request, allowed string) (string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", errors.Join(ErrInvalid, errors.New("read query: "+err.Error()))
	}
	for name := range values {
		if name != allowed {
			return "", errors.Join(ErrInvalid, errors.New("unknown query parameter "+name))
		}
	}
	return values.Get(allowed), nil
}

// postPayCode turns a phone to a fresh code: NewScenarioCode.
func (s *Sandbox) postPayCode(r *http.Request) (int, any, error) {
	var in struct {
		Channel  string `json:"channel"`
		Customer string `json:"customer"`
		Scenario string `json:"scenario"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	code, err := s.NewScenarioCode(r.Context(), in.Channel, in.Customer, in.Scenario)
	return http.StatusOK, code, err
}

// postCustomer makes a customer. Without balance_fen it is the usual 10,000
// yuan; a balance of 0 is a customer who cannot pay.
func (s *Sandbox) postCustomer(r *http.Request) (int, any, error) {
	in := struct {
		ID      string `json:"id"`
		Balance Fen    `json:"balance_fen"`
	}{Balance: openingBalance}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	c, err := s.NewCustomer(r.Context(), in.ID, in.Balance)
	return http.StatusOK, c, err
}

// getCustomer shows the phone: balance and open dialogues.
func (s *Sandbox) getCustomer(r *http.Request) (int, any, error) {
	c, err := s.Customer(r.Context(), r.PathValue("id"))
	return http.StatusOK, c, err
}

// postAnswer lets the customer answer the oldest dialogue, and tells which
// trade that was and how it ended.
func (s *Sandbox) postAnswer(r *http.Request) (int, any, error) {
	var in struct {
		Action string `json:"action"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	t, err := s.answerOne(r.Context(), r.PathValue("id"), in.Action, "")
	return http.StatusOK, t, err
}

// postOpen opens a prepared order on the customer's phone; with an action it is
// answered at once, and the answer is the trade, as postAnswer's.
func (s *Sandbox) postOpen(r *http.Request) (int, any, error) {
	var in struct {
		Invocation
		Action string `json:"action"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Action != "" && in.Action != ActionApprove && in.Action != ActionCancel {
		return 0, nil, fmt.Errorf("%w action %q: use %q or %q, or leave it out", ErrInvalid, in.Action, ActionApprove, ActionCancel)
	}
	w, err := s.Open(r.Context(), r.PathValue("id"), in.Invocation)
	if err != nil || in.Action == "" {
		return http.StatusOK, w, err
	}
	t, err := s.answerOne(r.Context(), r.PathValue("id"), in.Action, w.OutTradeNo)
	return http.StatusOK, t, err
}

// getIdentity tells who the customer is towards an application.
func (s *Sandbox) getIdentity(r *http.Request) (int, any, error) {
	appID, err := readQuery(r, "app_id")
	if err != nil {
		return 0, nil, err
	}
	id, err := s.Identify(r.Context(), r.PathValue("id"), appID)
	return http.StatusOK, id, err
}

// getNotices lists what was told to notify_urls.
func (s *Sandbox) getNotices(r *http.Request) (int, any, error) {
	outTradeNo, err := readQuery(r, "out_trade_no")
	if err != nil {
		return 0, nil, err
	}
	list, err := s.Notices(r.Context(), outTradeNo)
	return http.StatusOK, map[string][]Notice{"notices": list}, err
}

// postNotices sends what is due now, for a test that does not want to wait.
func (s *Sandbox) postNotices(r *http.Request) (int, any, error) {
	n, err := s.SendNotices(r.Context())
	return http.StatusOK, map[string]int{"sent": n}, err
}

// postFault adds a rule and answers it in normal form, with its id.
func (s *Sandbox) postFault(r *http.Request) (int, any, error) {
	var in Fault
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	f, err := s.addFault(r.Context(), in)
	return http.StatusOK, f, err
}

// getFaults lists the rules with how often each was seen and applied.
func (s *Sandbox) getFaults(r *http.Request) (int, any, error) {
	list, err := s.Faults(r.Context())
	return http.StatusOK, map[string][]Fault{"faults": list}, err
}

// deleteFaults takes all rules away.
func (s *Sandbox) deleteFaults(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, s.clearFaults(r.Context())
}

// getScenarios lists what a rule can name, so that a script need not guess.
func (s *Sandbox) getScenarios(*http.Request) (int, any, error) {
	return http.StatusOK, map[string]any{
		"scenarios": Scenarios(), "code_suffixes": CodeSuffixes(), "negative_tests": NegativeTests(), "classic_amounts": ClassicAmounts(),
	}, nil
}

// getTrades tells the truth about one order number, over both wallets and all
// merchants, or about the newest trades.
func (s *Sandbox) getTrades(r *http.Request) (int, any, error) {
	outTradeNo, err := readQuery(r, "out_trade_no")
	if err != nil {
		return 0, nil, err
	}
	list, err := s.Trades(r.Context(), outTradeNo)
	return http.StatusOK, map[string][]Trade{"trades": list}, err
}

// getArrived tells what arrived with an order number beside the money.
func (s *Sandbox) getArrived(r *http.Request) (int, any, error) {
	outTradeNo, err := readQuery(r, "out_trade_no")
	if err != nil {
		return 0, nil, err
	}
	out, err := s.Arrived(r.Context(), outTradeNo)
	return http.StatusOK, out, err
}

// getTotals tells the truth about everything.
func (s *Sandbox) getTotals(r *http.Request) (int, any, error) {
	t, err := s.Totals(r.Context())
	return http.StatusOK, t, err
}
