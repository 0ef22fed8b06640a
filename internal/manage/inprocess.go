package manage

import (
	"bytes"
	"io"
	"net/http"
)

// InProcess is an http.RoundTripper that gives requests to a server of this
// process, without a socket. The command line uses it when no server runs, so
// that both ways go through the same operations.
type InProcess struct{ Server *Server }

// RoundTrip answers the request. It never returns an error: what goes wrong is
// a problem in the answer.
func (t InProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	rec := newRecorder()
	t.Server.ServeHTTP(rec, r)
	rec.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: http.StatusText(rec.status), StatusCode: rec.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.head, Body: io.NopCloser(bytes.NewReader(rec.body.Bytes())), ContentLength: int64(rec.body.Len()), Request: r,
	}, nil
}
