package manage

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// CallbackAttempt is one attempt to deliver a callback.
type CallbackAttempt struct {
	ID           string    `json:"id"`
	MerchantID   string    `json:"out_sub_mch_id"`
	At           time.Time `json:"at"`
	OutTradeNo   string    `json:"out_trade_no,omitempty"`
	Event        string    `json:"event" doc:"paid、reversed、refund: 加退款单号，或 ping"`
	Attempt      int64     `json:"attempt"`
	Endpoint     string    `json:"endpoint" doc:"协议、主机与端口"`
	Target       string    `json:"target" doc:"回调地址，参数值已隐去"`
	AuthenKey    int64     `json:"authen_key_no" doc:"所用密钥：1 为先用的，2 为另一个"`
	Acknowledged bool      `json:"acknowledged" doc:"对方已确认"`
	HTTPStatus   int64     `json:"http_status" doc:"0 为没有应答"`
	Error        string    `json:"error,omitempty" doc:"未确认的原因"`
	TookMS       int64     `json:"took_ms" doc:"耗时，毫秒"`
	Request      string    `json:"request,omitempty" doc:"request_content，已隐去敏感内容；列表中没有，运维角色看不到"`
	Reply        string    `json:"reply,omitempty" doc:"应答的开头，已隐去敏感内容；列表中没有"`
}

// CallbackDetail is one attempt, and what becomes of its event.
type CallbackDetail struct {
	CallbackAttempt
	Next *NextAttempt `json:"next,omitempty" doc:"该事件的下一次；没有时不再有待送的"`
}

// NextAttempt is when an event is tried again.
type NextAttempt struct {
	State    string    `json:"state" enum:"ready,buried" doc:"ready：会再送；buried：已停止，需人工重发"`
	Attempts int64     `json:"attempts" doc:"已尝试的次数"`
	At       time.Time `json:"at" doc:"不早于此时再送；buried 的不再送"`
}

// attemptView is an attempt with what was sent and answered. Those who keep the
// machines running do not read what was sent: it says who paid.
func attemptView(a *actor, c store.CallbackAttempt) CallbackAttempt {
	v := attemptLine(c)
	v.Request, v.Reply = c.Request, c.Reply
	if a.Grants.Role == directory.RoleOps {
		v.Request = ""
	}
	return v
}

// attemptLine is attemptView without the long texts.
func attemptLine(a store.CallbackAttempt) CallbackAttempt {
	return CallbackAttempt{
		ID: attemptID(a), MerchantID: a.MerchantID, At: a.At.UTC().Truncate(time.Millisecond), OutTradeNo: a.OutTradeNo, Event: a.Event, Attempt: a.Attempt, Endpoint: a.Endpoint,
		Target: a.Target, AuthenKey: a.AuthenKey, Acknowledged: a.Acknowledged, HTTPStatus: a.HTTPStatus, Error: a.Error,
		TookMS: a.Took.Milliseconds(),
	}
}

// attemptID names an attempt within its merchant: its time and its id.
func attemptID(a store.CallbackAttempt) string {
	return strconv.FormatInt(a.At.UnixMilli(), 10) + "-" + a.ID
}

// cutAttemptID is the inverse of attemptID.
func cutAttemptID(s string) (at time.Time, id string, err error) {
	millis, id, ok := strings.Cut(s, "-")
	n, err := strconv.ParseInt(millis, 10, 64)
	if err != nil || !ok || n <= 0 {
		return time.Time{}, "", errForeign
	}
	return time.UnixMilli(n).UTC(), id, nil
}

// CallbackEndpoint is an endpoint as the answering process has met it.
type CallbackEndpoint struct {
	Endpoint   string     `json:"endpoint" doc:"协议、主机与端口；订单自带的地址后有子商户号"`
	State      string     `json:"state" enum:"open,closed" doc:"open：没有应答，每次只试一条"`
	Running    int        `json:"running" doc:"正在送的条数"`
	AtOnce     int        `json:"at_once" doc:"最多同时送几条"`
	Failures   int        `json:"failures" doc:"连续失败次数"`
	DownSince  *time.Time `json:"down_since,omitempty" doc:"从何时起没有应答"`
	NextTryAt  *time.Time `json:"next_try_at,omitempty" doc:"下次试送不早于"`
	LastError  string     `json:"last_error,omitempty"`
	MerchantID string     `json:"out_sub_mch_id,omitempty"`
}

type attemptsInput struct {
	MerchantPath
	OutTradeNo string    `query:"out_trade_no" maxLength:"32"`
	Endpoint   string    `query:"endpoint" doc:"如 https://till.example:443" maxLength:"300"`
	Failed     bool      `query:"failed" doc:"只列出未确认的"`
	From       time.Time `query:"from" doc:"从何时起（含），默认 30 天前"`
	PageQuery
}

type attemptInput struct {
	MerchantPath
	ID string `path:"attempt_id" maxLength:"80"`
}

type resendSentInput struct {
	MerchantPath
	Body struct {
		From  time.Time `json:"from" doc:"从何时起（含）送过的"`
		To    time.Time `json:"to" doc:"到何时止（不含）"`
		After string    `json:"after,omitempty" doc:"上一次的 next" maxLength:"120"`
	}
}

// ResendSent is what became of sending again what was sent in a time.
type ResendSent struct {
	Count int    `json:"count" doc:"重发的条数"`
	Next  string `json:"next,omitempty" doc:"不为空时还有，作为 after 再调用"`
}

// resendPage is how many events one call sends again: each is a commit.
const resendPage = 500

func (s *Server) registerCallbacks() {
	const base = "/v1/merchants/{out_sub_mch_id}/callbacks"
	add(s, operation{id: "list-callback-attempts", method: http.MethodGet, path: base + "/attempts", summary: "回调记录，新的在前", tag: "回调"}, s.listAttempts)
	add(s, operation{id: "get-callback-attempt", method: http.MethodGet, path: base + "/attempts/{attempt_id}", summary: "一次回调的内容与应答", tag: "回调"}, s.getAttempt)
	add(s, operation{id: "resend-callbacks", method: http.MethodPost, path: base + "/resend", summary: "重发一段时间内送过的回调", tag: "回调"}, s.resendSent)
	add(s, operation{id: "ping-callback", method: http.MethodPost, path: base + "/ping", summary: "发一次测试回调", tag: "回调"}, s.ping)
	add(s, operation{id: "list-callback-endpoints", method: http.MethodGet, path: "/v1/callback-endpoints", summary: "回调地址的状态（本进程所见）", tag: "运维"}, s.listEndpoints)
}

func (s *Server) listAttempts(ctx context.Context, a *actor, in *attemptsInput) (*answer[Page[CallbackAttempt]], error) {
	m, err := s.merchant(ctx, a, directory.SeeCallbacks, in.Merchant)
	if err != nil {
		return nil, err
	}
	f := store.CallbackFilter{
		MerchantID: m.ID, OutTradeNo: in.OutTradeNo, Endpoint: in.Endpoint, Failed: in.Failed, From: s.remembered(in.From), Limit: in.Limit + 1,
	}
	if in.After != "" {
		if f.Before, f.BeforeID, err = cutAttemptID(in.After); err != nil {
			return nil, invalidField("query.after", "after 须是上一页的 next")
		}
	}
	rows, err := s.Store.Callbacks(ctx, f)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, in.Limit, attemptLine, attemptID), nil
}

// remembered is the later of a time and the beginning of what the log shows.
func (s *Server) remembered(from time.Time) time.Time {
	if oldest := s.Now().Add(-gateway.CallbackRetention); from.Before(oldest) {
		return oldest
	}
	return from
}

func (s *Server) getAttempt(ctx context.Context, a *actor, in *attemptInput) (*answer[CallbackDetail], error) {
	m, err := s.merchant(ctx, a, directory.SeeCallbacks, in.Merchant)
	if err != nil {
		return nil, err
	}
	at, id, err := cutAttemptID(in.ID)
	if err != nil {
		return nil, err
	}
	got, err := s.Store.Callback(ctx, m.ID, at, id)
	if err != nil {
		return nil, err
	}
	d := CallbackDetail{CallbackAttempt: attemptView(a, got)}
	if got.OutTradeNo == "" { // a ping is not repeated
		return ok(d), nil
	}
	j, err := s.Store.Job(ctx, jobs.Key{MerchantID: m.ID, Kind: kindCallback, Ref: got.OutTradeNo + "/" + got.Event})
	switch {
	case err == nil:
		d.Next = &NextAttempt{State: string(j.State), Attempts: j.Attempt, At: j.RunAt.UTC()}
	case !errors.Is(err, pay.ErrNotFound):
		return nil, err
	}
	return ok(d), nil
}

// resendSent sends again what was sent in a time, a page of it. What was sent
// again before a failure is in the audit trail too.
func (s *Server) resendSent(ctx context.Context, a *actor, in *resendSentInput) (*answer[ResendSent], error) {
	m, err := s.merchant(ctx, a, directory.SetCallbacks, in.Merchant)
	if err != nil {
		return nil, err
	}
	from := s.remembered(in.Body.From)
	if !in.Body.To.After(from) {
		return nil, invalidField("body.to", "to 须晚于 from，且在 30 天之内")
	}
	var after store.SentEvent
	if in.Body.After != "" {
		var found bool
		if after.OutTradeNo, after.Event, found = cutRef(in.Body.After); !found {
			return nil, invalidField("body.after", "after 须是上一次的 next")
		}
	}
	res, err := s.Gateway.ResendSent(ctx, m, from, in.Body.To, after, resendPage)
	if err == nil || res.Count > 0 {
		err = errors.Join(err, s.Directory.Record(ctx, a.by(), directory.Event{
			Action: "callback.resend_sent", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "merchant", ObjectID: m.ID,
			After: map[string]any{"from": from.UTC().Format(time.RFC3339), "to": in.Body.To.UTC().Format(time.RFC3339), "count": res.Count},
		}))
	}
	if err != nil {
		return nil, err
	}
	out := ResendSent{Count: res.Count}
	if res.More {
		out.Next = res.Next.OutTradeNo + "/" + res.Next.Event
	}
	return ok(out), nil
}

func (s *Server) ping(ctx context.Context, a *actor, in *MerchantPath) (*answer[CallbackAttempt], error) {
	m, err := s.merchant(ctx, a, directory.SetCallbacks, in.Merchant)
	if err != nil {
		return nil, err
	}
	got, err := s.Gateway.Ping(ctx, m)
	if err != nil {
		return nil, err
	}
	return ok(attemptView(a, got)), s.Directory.Record(ctx, a.by(), directory.Event{
		Action: "callback.ping", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "merchant", ObjectID: m.ID,
		After: map[string]any{"acknowledged": got.Acknowledged, "http_status": got.HTTPStatus},
	})
}

func (s *Server) listEndpoints(_ context.Context, a *actor, _ *struct{}) (*answer[Page[CallbackEndpoint]], error) {
	if err := a.keepsRunning(); err != nil {
		return nil, err
	}
	lanes := s.Gateway.Runner().Lanes()
	return whole(lanes, func(l jobs.LaneState) CallbackEndpoint {
		e := CallbackEndpoint{
			State: "closed", Running: l.Running, AtOnce: l.Limit, Failures: l.Failures, DownSince: moment(l.DownSince), NextTryAt: moment(l.NextTry), LastError: l.LastError,
		}
		e.Endpoint, e.MerchantID, _ = strings.Cut(l.Lane, " ")
		if l.Open {
			e.State, e.AtOnce = "open", 1
		}
		return e
	}), nil
}
