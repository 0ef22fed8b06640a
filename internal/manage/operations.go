package manage

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// maxCallbacks is how many open callbacks of one merchant are looked at for
// one order: a dead address of a busy merchant collects thousands.
const maxCallbacks = 1000

type listCallbacksInput struct {
	MerchantPath
	Buried bool `query:"buried" doc:"只列出已停止的"`
	Limit  int  `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}

type resendInput struct {
	OrderPath
	Body struct {
		Event string `json:"event" doc:"paid、reversed，或 refund: 加退款单号" minLength:"1" maxLength:"48"`
	}
}

// Job is a piece of durable work.
type Job struct {
	MerchantID string    `json:"out_sub_mch_id"`
	Kind       string    `json:"kind"`
	Ref        string    `json:"ref"`
	State      string    `json:"state" enum:"ready,buried"`
	RunAt      time.Time `json:"run_at"`
	Attempt    int64     `json:"attempt"`
	LastError  string    `json:"last_error,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
}

type listJobsInput struct {
	MerchantID string `query:"out_sub_mch_id" maxLength:"32"`
	Kind       string `query:"kind" maxLength:"40"`
	State      string `query:"state" enum:"ready,buried" default:"buried"`
	Limit      int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}

type releaseInput struct {
	Body struct {
		MerchantID string `json:"out_sub_mch_id" doc:"如列表所示" maxLength:"32"`
		Kind       string `json:"kind" minLength:"1" maxLength:"40"`
		Ref        string `json:"ref" maxLength:"120"`
	}
}

func (s *Server) registerOperations() {
	add(s, operation{id: "list-callbacks", method: http.MethodGet, path: "/v1/merchants/{out_sub_mch_id}/callbacks", summary: "未完成的回调", tag: "回调"}, s.listCallbacks)
	add(s, operation{id: "resend-callback", method: http.MethodPost, path: ordersPath + "/{out_trade_no}/callbacks", summary: "重发回调", tag: "回调"}, s.resend)
	add(s, operation{id: "list-jobs", method: http.MethodGet, path: "/v1/jobs", summary: "持久任务", tag: "运维"}, s.listJobs)
	add(s, operation{id: "release-job", method: http.MethodPost, path: "/v1/jobs/release", summary: "恢复已停止的任务", tag: "运维"}, s.releaseJob)
}

// cutRef splits the reference of a callback's job: order number and event.
func cutRef(ref string) (outTradeNo, event string, found bool) { return strings.Cut(ref, "/") }

func (s *Server) listCallbacks(ctx context.Context, a *actor, in *listCallbacksInput) (*answer[Page[Delivery]], error) {
	m, err := s.merchant(ctx, a, directory.SeeCallbacks, in.Merchant)
	if err != nil {
		return nil, err
	}
	f := store.JobFilter{MerchantID: m.ID, Kind: kindCallback, Limit: in.Limit}
	if in.Buried {
		f.State = jobs.Buried
	}
	list, err := s.Store.ListJobs(ctx, f)
	if err != nil {
		return nil, err
	}
	return whole(list, deliveryView), nil
}

func (s *Server) resend(ctx context.Context, a *actor, in *resendInput) (*struct{}, error) {
	m, o, err := s.order(ctx, a, directory.SetCallbacks, in.OrderPath)
	if err != nil {
		return nil, err
	}
	if err := s.Gateway.Resend(ctx, m, o.OutTradeNo, in.Body.Event); err != nil {
		return nil, err
	}
	return nil, s.Directory.Record(ctx, a.by(), directory.Event{
		Action: "callback.resend", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "order", ObjectID: o.OutTradeNo,
		After: map[string]any{"event": in.Body.Event},
	})
}

// keepsRunning reports whether the actor looks after the whole installation.
func (a *actor) keepsRunning() error {
	if a.Grants.Role == directory.RoleOps && a.Grants.ProviderID == "" {
		return nil
	}
	return a.operator()
}

func (s *Server) listJobs(ctx context.Context, a *actor, in *listJobsInput) (*answer[Page[Job]], error) {
	if err := a.keepsRunning(); err != nil {
		return nil, err
	}
	list, err := s.Store.ListJobs(ctx, store.JobFilter{MerchantID: in.MerchantID, Kind: in.Kind, State: jobs.State(in.State), Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	return whole(list, func(j jobs.Job) Job {
		return Job{
			MerchantID: j.MerchantID, Kind: j.Kind, Ref: j.Ref, State: string(j.State), RunAt: j.RunAt, Attempt: j.Attempt,
			LastError: j.LastError, CreatedAt: j.CreatedAt,
		}
	}), nil
}

func (s *Server) releaseJob(ctx context.Context, a *actor, in *releaseInput) (*struct{}, error) {
	if err := a.keepsRunning(); err != nil {
		return nil, err
	}
	k := jobs.Key{MerchantID: in.Body.MerchantID, Kind: in.Body.Kind, Ref: in.Body.Ref}
	released, err := s.Store.ReleaseJob(ctx, k, s.Now())
	if err != nil {
		return nil, err
	}
	if !released {
		return nil, pay.Refuse(pay.ErrNotFound, "job_missing", "没有这个已停止的任务")
	}
	s.Gateway.Runner().Wake()
	return nil, s.record(ctx, a, "job.release", "job", k.MerchantID+"/"+k.Kind+"/"+k.Ref, nil, nil)
}
