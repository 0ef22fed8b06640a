// Package manage is the management API /v1: everybody who exists, orders,
// callbacks, reports and operations, for the command line, scripts and the
// browser apps. Its OpenAPI 3.1 document is made from the Go types here.
//
// It knows HTTP, tokens, scopes and idempotency keys, and asks the directory,
// the gateway and the store for everything else. It must not know SQL, a rule
// of money or the Cloud Pay wire: it decides who may ask, never what is true.
package manage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/monitor"
	"cloudpay/internal/recon"
	"cloudpay/internal/report"
	"cloudpay/internal/store"
	"cloudpay/internal/timeline"
	"cloudpay/internal/wallets"
)

// maxBody is the largest request: enrolments of factory devices; a merchant
// with its logo has 64 KiB. Pages of lists are bounded where they are declared.
const maxBody = 192 << 10

// DocumentPath is where the OpenAPI document is served.
const DocumentPath = "/docs/api/openapi.json"

// Config is everything that the management API needs. All members but
// AllowPrivate, Requests, Wallets and PublicURL are required.
type Config struct {
	Store     *store.Store
	Directory *directory.Directory
	Gateway   *gateway.Gateway
	// Wallets tries accounts before they are stored, and knows how those in use
	// are; nil does neither.
	Wallets *wallets.Wallets
	Reports *report.Reports
	Recon   *recon.Recon
	Days    *day.Days
	Monitor *monitor.Monitor
	// Timelines explains orders.
	Timelines *timeline.Timelines
	// Requests finds a Cloud Pay request of this process by its log_id; nil when
	// it answers none. It may be set until the first request.
	Requests func(logID uint32) (AnsweredRequest, bool)
	// AllowPrivate says that callbacks may go to private addresses.
	AllowPrivate bool
	// PublicURL is where terminals reach the installation, for links; "" is https
	// and the host name that the caller used.
	PublicURL string
	Now       func() time.Time
	Log       *slog.Logger
}

// Server answers /v1 and the OpenAPI document. It is safe for concurrent use.
type Server struct {
	Config
	mux      *http.ServeMux
	api      huma.API
	document []byte
	swept    atomic.Int64 // when old answers were last forgotten, Unix seconds

	downloads downloads
}

// New returns the server.
func New(c Config) (*Server, error) {
	s := &Server{Config: c, mux: http.NewServeMux()}
	s.api = humago.New(s.mux, apiConfig())
	s.register()
	if _, err := explain(s.api.OpenAPI()); err != nil {
		return nil, err
	}
	if _, _, err := translate(s.api.OpenAPI()); err != nil {
		return nil, err
	}
	var err error
	if s.document, err = documentOf(s.api.OpenAPI()); err != nil {
		return nil, fmt.Errorf("make the OpenAPI document: %w", err)
	}
	return s, nil
}

// apiConfig describes the API as a whole. The documents' own pages are off:
// they would load scripts from elsewhere.
func apiConfig() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "cloudpay 管理接口", Version: "1",
				Description: "管理云支付的全部对象：服务商、子商户、门店、设备、店员、密钥、订单、回调与任务。金额单位为分，时间为 RFC 3339（UTC）。" +
					"写操作可带 Idempotency-Key，24 小时内重复请求得到同一个应答。",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "cloudpay token add 打印一次的令牌"},
				},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{hideValues},
	}
}

// documentOf is the OpenAPI document in a form that a reviewer can read.
func documentOf(o *huma.OpenAPI) ([]byte, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// Document returns the OpenAPI 3.1 document. It holds no secret.
func (s *Server) Document() []byte { return s.document }

// Handles reports whether a request belongs here.
func Handles(path string) bool {
	return path == "/v1" || strings.HasPrefix(path, "/v1/") || path == DocumentPath
}

// ServeHTTP answers one request: who asks, is it a repetition, then the
// operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path == DocumentPath {
		s.serveDocument(w, r)
		return
	}
	h.Set("Cache-Control", "no-store") // answers are about people and money, some hold keys
	defer s.recovered(r.Context(), w, r.URL.Path)
	a, err := s.authenticate(r)
	if err != nil {
		s.refuse(r.Context(), w, err)
		return
	}
	if !readable(r.URL) {
		s.refuse(r.Context(), w, newProblem(http.StatusUnprocessableEntity, "path", "地址含有无法使用的字符"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.refuse(r.Context(), w, bodyError(err))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	ctx := context.WithValue(r.Context(), actorKey{}, a)
	r = r.WithContext(ctx)
	if !isWrite(r.Method) {
		s.route(w, r)
		return
	}
	rec := s.once(r, a, body)
	s.Log.InfoContext(ctx, "managed", slog.String("actor", a.ID), slog.String("method", r.Method),
		slog.String("path", r.URL.Path), slog.Int("status", rec.status))
	rec.send(w)
}

// recovered ends a request that panicked. It is deferred.
func (s *Server) recovered(ctx context.Context, w http.ResponseWriter, path string) {
	if p := recover(); p != nil {
		if brokenOff(p) {
			panic(p)
		}
		s.Log.ErrorContext(ctx, "management request panicked", slog.String("path", path),
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		writeProblem(w, newProblem(http.StatusInternalServerError, "internal", "系统错误"))
	}
}

// route finds the operation. Paths that do not exist are problems too.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" {
		writeProblem(w, newProblem(http.StatusNotFound, "path", "没有这个接口："+shortened(r.Method+" "+r.URL.Path)))
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) serveDocument(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, "method", "只支持 GET"))
		return
	}
	w.Header().Set("Content-Type", "application/openapi+json")
	_, _ = w.Write(s.document)
}

// register adds every operation, in the order of the document.
func (s *Server) register() {
	s.registerProviders()
	s.registerSubProviders()
	s.registerAccounts()
	s.registerChannels()
	s.registerMerchants()
	s.registerKeys()
	s.registerPrefixes()
	s.registerAdmins()
	s.registerShops()
	s.registerDevices()
	s.registerStaff()
	s.registerSetup()
	s.registerOrders()
	s.registerExplanation()
	s.registerRecon()
	s.registerDays()
	s.registerLedger()
	s.registerOperations()
	s.registerCallbacks()
	s.registerTruth()
	s.registerMembers()
	s.registerTokens()
	s.registerAudit()
	s.registerReports()
	s.registerMonitor()
	s.registerDoctor()
}

// isWrite reports whether a method changes something.
func isWrite(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// readable reports whether path and query are text. PostgreSQL takes no NUL and
// no broken UTF-8, not even to look for them, and no id or number holds one.
func readable(u *url.URL) bool {
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil {
		return false
	}
	for _, s := range []string{u.Path, query} {
		if !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
			return false
		}
	}
	return true
}

func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(http.StatusRequestEntityTooLarge, "body", fmt.Sprintf("请求体超过 %d 字节", maxBody))
	}
	return newProblem(http.StatusBadRequest, "body", "请求体未能读完")
}

// shortened keeps what strangers send short where it is repeated.
func shortened(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
