package manage

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// operation is one line of the API's table.
type operation struct {
	id, method, path, summary, tag string
	status                         int      // 0 is 200
	files                          []string // media of the answer, when it is a file
}

// add registers an operation. do gets who asks and returns an error of the
// domain or a *Problem.
func add[I, O any](s *Server, op operation, do func(ctx context.Context, a *actor, in *I) (*O, error)) {
	o := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Summary: op.summary, Tags: []string{op.tag},
		DefaultStatus: op.status, MaxBodyBytes: maxBody, Responses: filesOf(op.files),
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
	}
	if isWrite(op.method) {
		o.Errors = append(o.Errors, http.StatusConflict)
		o.Parameters = append(o.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Description: "同一个值 24 小时内只执行一次",
			Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(maxIdemKey)},
		})
	}
	huma.Register(s.api, o, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, actorOf(ctx), in)
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		return out, nil
	})
}

// answer is what an operation returns: one JSON object.
type answer[T any] struct{ Body T }

func ok[T any](v T) *answer[T] { return &answer[T]{v} }

// Page is a piece of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"下一页的 after；没有更多时为空"`
}

// PageQuery selects a piece of a list. Its fields are huma's, which reads embedded types only when they are exported.
type PageQuery struct {
	After string `query:"after" doc:"上一页的 next" maxLength:"200"`
	Limit int    `query:"limit" doc:"最多几项" minimum:"1" maximum:"200" default:"50"`
}

// pageOf turns one row more than the page into a page.
func pageOf[R, T any](rows []R, limit int, view func(R) T, key func(R) string) *answer[Page[T]] {
	p := Page[T]{Items: make([]T, 0, min(len(rows), limit))}
	for i, r := range rows {
		if i == limit {
			p.Next = key(rows[i-1])
			break
		}
		p.Items = append(p.Items, view(r))
	}
	return ok(p)
}
