package manage

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"cloudpay/internal/pay"
)

// Problem is how an operation fails: RFC 9457. Its type names the kind of
// mistake and stays the same, detail is a sentence for a person, errors name
// the members at fault.
type Problem = huma.ErrorModel //nolint:errname // RFC 9457 calls it a problem

// problemType is what the type of every problem of ours begins with.
const problemType = "urn:cloudpay:error:"

func newProblem(status int, code, text string) *Problem {
	return &Problem{Type: problemType + code, Title: http.StatusText(status), Status: status, Detail: text}
}

// problemOf is the one table from the domain's kinds of errors to statuses.
// known is false for what nobody outside may read.
func problemOf(err error) (p *Problem, known bool) {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p, true
	}
	e, ok := errors.AsType[*pay.Error](err)
	if !ok {
		if errors.Is(err, pay.ErrNotFound) {
			return newProblem(http.StatusNotFound, "not_found", "不存在"), true
		}
		if errors.Is(err, pay.ErrConflict) {
			return newProblem(http.StatusConflict, "conflict", "与已有数据冲突"), true
		}
		return newProblem(http.StatusInternalServerError, "internal", "系统错误"), false
	}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(e.Kind, pay.ErrInvalid):
		status = http.StatusUnprocessableEntity
	case errors.Is(e.Kind, pay.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(e.Kind, pay.ErrConflict):
		status = http.StatusConflict
	case errors.Is(e.Kind, pay.ErrDenied):
		status = http.StatusForbidden
	case errors.Is(e.Kind, pay.ErrUnavailable):
		status = http.StatusServiceUnavailable
	}
	p = newProblem(status, e.Code, e.Text)
	if field, ok := strings.CutPrefix(e.Code, "invalid_"); ok {
		p.Errors = append(p.Errors, &huma.ErrorDetail{Message: e.Text, Location: "body." + field})
	}
	return p, true
}

// refusal is what a handler returns for an error. What is not meant for others
// goes to the log.
func (s *Server) refusal(ctx context.Context, err error) *Problem {
	p, known := problemOf(err)
	if !known {
		s.Log.ErrorContext(ctx, "management request failed", slog.String("error", err.Error()))
	}
	return p
}

// refuse answers before an operation was found.
func (s *Server) refuse(ctx context.Context, w http.ResponseWriter, err error) {
	p := s.refusal(ctx, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="cloudpay"`)
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	raw, err := json.Marshal(p)
	if err != nil {
		panic("manage: a problem does not encode: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(raw)
}

// hideValues takes out of a problem what the caller sent: it may be a secret
// in the wrong member. The rest names the member, which is enough.
func hideValues(_ huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*Problem)
	if !ok {
		return v, nil
	}
	for _, e := range p.Errors {
		e.Value = nil
	}
	if p.Type == "" {
		p.Type = problemType + "invalid"
	}
	return p, nil
}
