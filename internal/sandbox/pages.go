package sandbox

import (
	"bytes"
	_ "embed" // the pages are in the binary
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The pages of the log: server-made, without script (docs/decisions/0021).
var (
	//go:embed pages/requests.gohtml
	requestsPage string
	//go:embed pages/style.css
	requestsStyle []byte
)

// logPolicy lets a page of the log load its style sheet and nothing else:
// what it shows was sent by others.
const logPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// logTemplates are the list and the page of one exchange. They are constants,
// so a mistake in them is a programmer's.
var logTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.In(beijing).Format("01-02 15:04:05.000") },
	"words": func(list []string) string { return strings.Join(list, " ") },
	"lines": func(list []string) string { return strings.Join(list, "\n") },
	"verdict": func(result string) string {
		return map[string]string{
			verdictGood: "验签通过 · signature good", verdictBad: "验签失败 · signature wrong", verdictUnchecked: "未验签 · not checked",
			verdictTaken: "已确认 · acknowledged", verdictRefused: "未确认 · not acknowledged",
		}[result]
	},
	"wallet": func(ch Channel) string { return map[Channel]string{WeChat: "微信支付", Alipay: "支付宝"}[ch] },
}).Parse(requestsPage))

// requestPages adds the log's pages to the control mux.
func (s *Sandbox) requestPages(mux *http.ServeMux) {
	mux.HandleFunc("GET /sandbox/requests", func(w http.ResponseWriter, r *http.Request) {
		q, err := readLogQuery(r)
		if err != nil {
			s.showLog(w, r, "", nil, err)
			return
		}
		limit := ""
		if q.limit > 0 {
			limit = strconv.Itoa(q.limit)
		}
		s.showLog(w, r, "list", map[string]any{
			"OutTradeNo": q.outTradeNo, "Channel": q.channel, "Limit": limit, "List": s.Requests(q.outTradeNo, q.channel, q.limit), "Kept": maxExchanges,
		}, nil)
	})
	mux.HandleFunc("GET /sandbox/requests/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, x, err := s.getRequest(r)
		s.showLog(w, r, "one", x, err)
	})
	mux.HandleFunc("GET /sandbox/requests/style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(requestsStyle)
	})
}

// showLog writes a page, or says why there is none.
func (s *Sandbox) showLog(w http.ResponseWriter, r *http.Request, name string, data any, err error) {
	h := w.Header()
	h.Set("Content-Security-Policy", logPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if err != nil {
		status, text := s.controlError(r, err)
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		if m, ok := text.(map[string]string); ok {
			_, _ = w.Write([]byte(m["error"] + "\n"))
		}
		return
	}
	var page bytes.Buffer
	if err := logTemplates.ExecuteTemplate(&page, name, data); err != nil {
		panic("sandbox: a page of the log cannot be made: " + err.Error())
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes())
}
