package manage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/evidence"
	"cloudpay/internal/pay"
	"cloudpay/internal/timeline"
)

// Explanation is one order as a timeline, and what is known at its end.
type Explanation struct {
	Order   Order           `json:"order" doc:"订单"`
	Entries []TimelineEntry `json:"entries" doc:"经过，旧的在前"`
	Verdict TimelineVerdict `json:"verdict" doc:"结论"`
	Notes   []string        `json:"notes" doc:"可能缺失什么，为什么"`
	// Verified is the sum of all checks.
	Verified *Verification `json:"verification,omitempty" doc:"重新验签的合计，仅 verify=true 时有"`
}

// TimelineEntry is one thing that happened.
type TimelineEntry struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind" enum:"row,request,call,notice,state,posting,callback,client,person,missing" doc:"来源：row 订单行、request 终端请求、call 调用钱包、notice 钱包通知、state 状态变化、posting 记账、callback 回调、client 设备日志、person 人工操作、missing 缺失"`
	Text    string    `json:"text" doc:"发生了什么"`
	Details []string  `json:"details" doc:"细节"`
	Raw     []RawText `json:"raw,omitempty" doc:"线上的原始字节，仅 raw=true 且有权限时有"`
	Checks  []Recheck `json:"checks,omitempty" doc:"所存应答或通知重新验签的结果，仅 verify=true 时有"`
}

// RawText is one request and its answer as they were on the wire. Bytes that
// are not UTF-8 are replaced.
type RawText struct {
	Method       string `json:"method,omitempty" doc:"HTTP 方法"`
	URL          string `json:"url,omitempty" doc:"请求地址"`
	Header       string `json:"header,omitempty" doc:"请求头中被签名或有关的部分"`
	Request      string `json:"request,omitempty" doc:"请求体"`
	Status       int64  `json:"http_status,omitempty" doc:"HTTP 状态"`
	AnswerHeader string `json:"answer_header,omitempty" doc:"应答头中的签名"`
	Answer       string `json:"answer,omitempty" doc:"应答体"`
	Lost         string `json:"lost,omitempty" doc:"应答丢失的原因"`
	Cut          int64  `json:"cut_bytes,omitempty" doc:"过长而未保存的字节数"`
}

// TimelineVerdict is what is known, how, and what happens next.
type TimelineVerdict struct {
	Known string   `json:"known" doc:"知道什么"`
	How   string   `json:"how" doc:"依据：本地、渠道、账单"`
	Next  []string `json:"next" doc:"接下来会发生什么，何时"`
}

type explainInput struct {
	Order      string `path:"out_trade_no" maxLength:"32"`
	MerchantID string `query:"out_sub_mch_id" doc:"不填则按订单前缀查找" maxLength:"32"`
	Lang       string `query:"lang" enum:"zh,en" default:"zh" doc:"语言"`
	Verify     bool   `query:"verify" doc:"对所存的每个钱包应答与通知重新验签"`
	Raw        bool   `query:"raw" doc:"带上原始字节，其中有付款码；仅限 operator，会记入审计"`
}

func (s *Server) registerExplanation() {
	add(s, operation{
		id: "explain-order", method: http.MethodGet, path: "/v1/orders/{out_trade_no}/explanation",
		summary: "一个订单的全部经过：请求、钱包调用、通知、记账、回调、设备日志与结论", tag: "订单",
	}, s.explainOrder)
}

// explainOrder shows everything about an order to whoever may see it. What
// devices told is for those who may see callbacks, what people did for those who
// may read the trail, and bytes for the operator, who has the keys to them.
func (s *Server) explainOrder(ctx context.Context, a *actor, in *explainInput) (*answer[Explanation], error) {
	if err := a.hasRoleFor(directory.SeeOrders); err != nil {
		return nil, err
	}
	if in.Raw {
		if err := a.operator(); err != nil {
			return nil, err
		}
	}
	if in.MerchantID == "" {
		id, err := s.Timelines.Merchant(ctx, in.Order)
		if errors.Is(err, pay.ErrNotFound) {
			return nil, errForeign
		} else if err != nil {
			return nil, err
		}
		in.MerchantID = id
	}
	m, o, err := s.order(ctx, a, directory.SeeOrders, OrderPath{MerchantPath: MerchantPath{Merchant: in.MerchantID}, Order: in.Order})
	if err != nil {
		return nil, err
	}
	if in.Raw { // before anything is shown
		err := s.Directory.Record(ctx, a.by(), directory.Event{
			Action: "order.read_raw", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "order", ObjectID: o.OutTradeNo,
		})
		if err != nil {
			return nil, err
		}
	}
	shown := a.masked(orderView(o))
	e, err := s.Timelines.Explain(ctx, m.ID, o.OutTradeNo, timeline.Options{
		Lang: timeline.Lang(in.Lang), Clients: a.may(directory.SeeCallbacks, of(m)) == nil, People: a.readsTrail(),
		Masked: shown.TransactionID != o.TransactionID,
	})
	if err != nil {
		return nil, err
	}
	out := Explanation{
		Order: shown, Entries: make([]TimelineEntry, 0, len(e.Entries)), Notes: append([]string{}, e.Notes...),
		Verdict: TimelineVerdict{Known: e.Verdict.Known, How: e.Verdict.How, Next: e.Verdict.Next},
	}
	for _, v := range e.Entries {
		t := TimelineEntry{At: v.At, Kind: string(v.Kind), Text: v.Text, Details: append([]string{}, v.Details...)}
		if in.Raw {
			t.Raw = rawView(v.Exchanges)
		}
		out.Entries = append(out.Entries, t)
	}
	if in.Verify {
		if out.Verified, err = s.verify(ctx, o, e, out.Entries, in.Lang == string(timeline.English)); err != nil {
			return nil, err
		}
	}
	return ok(out), nil
}

// readsTrail reports whether the actor may read who did what to an order that
// it may see.
func (a *actor) readsTrail() bool {
	switch a.Grants.Role {
	case RoleOperator, directory.RoleOps, directory.RoleProvider, directory.RoleBoss:
		return true
	case directory.RoleSubProvider, directory.RoleManager, directory.RoleCashier, directory.RoleFinance, directory.RoleDeveloper, directory.RoleVendor:
	}
	return false
}

func rawView(list []evidence.Exchange) []RawText {
	out := make([]RawText, 0, len(list))
	for _, x := range list {
		out = append(out, RawText{
			Method: x.Method, URL: x.URL, Header: string([]byte(x.Header)), Request: string([]byte(x.Request)), Status: x.Status,
			AnswerHeader: string([]byte(x.AnswerHeader)), Answer: string([]byte(x.Answer)), Lost: x.Lost, Cut: x.Cut,
		})
	}
	return out
}
