// Package api is the machines' HTTP: the Cloud Pay interfaces under /cpay/ and
// the health and metrics pages.
//
// It reads and answers the wire, and calls one gateway method per request. It
// knows the protocol's statuses. It must not hold a rule of money or SQL.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/evidence"
	"cloudpay/internal/gateway"
	"cloudpay/internal/monitor"
	"cloudpay/internal/report"
)

// Limits of the machines' HTTP.
const (
	// maxHeader bounds the request's headers; devices send a few hundred bytes.
	maxHeader = 8 << 10
	// headerTime and bodyTime bound a slow sender.
	headerTime = 10 * time.Second
	bodyTime   = 15 * time.Second
	// idleTime keeps a device's connection between payments (protocol.md R17).
	idleTime = 240 * time.Second
	// writeTime covers the longest use case (8 s) and a slow reader.
	writeTime = 60 * time.Second
)

// Config is everything a Server needs.
type Config struct {
	Gateway   *gateway.Gateway
	Directory *directory.Directory
	Reports   *report.Reports
	Monitor   *monitor.Monitor
	Days      *day.Days // closed days, for statements
	// Evidence keeps requests about orders byte for byte; nil keeps none.
	Evidence *evidence.Recorder
	// Docs is served below /docs/; nil serves nothing there.
	Docs http.Handler
	// Ready says whether requests can be served: nil when the store answers.
	Ready func(context.Context) error
	// Registry is where the metrics live; it is served at /metrics.
	Registry *prometheus.Registry
	Now      func() time.Time
	Log      *slog.Logger
	// WalletOwner returns the merchant that a wallet knows by that id, for
	// query_identity_mapping; an error of kind pay.ErrNotFound for nobody.
	WalletOwner func(ctx context.Context, id string) (string, error)
	// PublicURL is where clients reach this installation, for the addresses in
	// answers; "" is https and the host name that each caller used.
	PublicURL string
	// BindURL is the beginning of the QR codes by which devices from the factory
	// are bound; "" is DefaultBindURL.
	BindURL string
	// Limits bound how often somebody may call; see DefaultLimits. The zero
	// Limits bound nothing.
	Limits Limits
}

// Server answers machines. It is safe for concurrent use.
type Server struct {
	Config
	requests *prometheus.HistogramVec
	logIDs   logIDs
	limits   *limits
	records  records
}

// New returns a server.
func New(c Config) *Server {
	s := &Server{
		Config: c, limits: newLimits(c.Limits),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "cloudpay", Name: "request_seconds", Help: "Time to answer by interface and status.",
			Buckets: []float64{.001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "status"}),
	}
	s.logIDs.start(c.Now())
	c.Registry.MustRegister(s.requests)
	return s
}

// HTTPServer wraps the handler with the limits a public listener needs. The
// caller owns it: Serve on what Tolerate returns, then Shutdown.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler: s.Handler(), MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}
