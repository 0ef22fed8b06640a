package manage

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/store"
)

// ReconDay is how far one day of a merchant is reconciled with one wallet.
type ReconDay struct {
	MerchantID string     `json:"out_sub_mch_id"`
	Channel    string     `json:"channel" doc:"wxpay 或 alipay"`
	Day        string     `json:"day" doc:"账期，北京时间，如 20261125"`
	Step       string     `json:"step" doc:"下一步：fetch、lines、match、rest、flows、close；done 为已完成"`
	Round      int64      `json:"round" doc:"第几次对账"`
	Version    int64      `json:"bill_version" doc:"账单版本，0 为尚未取得"`
	Lines      int64      `json:"lines" doc:"账单行数"`
	Matched    int64      `json:"matched" doc:"其中与账务一致的行数"`
	StartedAt  time.Time  `json:"started_at" doc:"本次开始时间"`
	DoneAt     *time.Time `json:"done_at,omitempty" doc:"本次完成时间"`
}

// Difference is one thing that a wallet's bill and our books disagree about.
type Difference struct {
	MerchantID  string     `json:"out_sub_mch_id"`
	Channel     string     `json:"channel" doc:"wxpay 或 alipay"`
	Item        string     `json:"item" doc:"payment:、refund: 或 reversal: 加单号"`
	Type        string     `json:"type" doc:"wallet_more 渠道多(长款)、we_more 平台多(短款)、amount 金额、state 状态、fee 手续费、date_edge 日切"`
	Day         string     `json:"day" doc:"账期，北京时间，如 20261125"`
	OutTradeNo  string     `json:"out_trade_no"`
	OutRefundNo string     `json:"out_refund_no,omitempty"`
	Ours        int64      `json:"ours" doc:"本系统金额，分，退回为负；手续费差异为应收手续费"`
	Theirs      int64      `json:"theirs" doc:"账单金额，分"`
	Net         int64      `json:"net" doc:"差额 = 账单 - 本系统，分"`
	OurState    string     `json:"our_state,omitempty" doc:"本系统状态"`
	TheirState  string     `json:"their_state,omitempty" doc:"账单状态"`
	State       string     `json:"state" doc:"open 未处理、explained 已说明、repaired 已修复"`
	AgeDays     int64      `json:"age_days" doc:"发现至今（或至处理时）的整天数"`
	FirstAt     time.Time  `json:"first_seen_at" doc:"首次发现时间"`
	Who         string     `json:"closed_by,omitempty" doc:"处理人"`
	Why         string     `json:"why,omitempty" doc:"处理说明"`
	ClosedAt    *time.Time `json:"closed_at,omitempty" doc:"处理时间"`
}

// ReconPath names one day of one wallet.
type ReconPath struct {
	MerchantPath
	Channel string `path:"channel" enum:"wxpay,alipay"`
	Day     string `path:"day" doc:"账期，如 2026-11-25" maxLength:"10"`
}

// ReconSpan is a span of days of a merchant.
type ReconSpan struct {
	MerchantPath
	Days
}

// Days are a span of days.
type Days struct {
	From  string `query:"from" doc:"从哪一天起（含），如 2026-11-25" maxLength:"10"`
	To    string `query:"to" doc:"到哪一天止（含）" maxLength:"10"`
	After string `query:"after" doc:"上一页的 next" maxLength:"800"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}

type listDifferencesInput struct {
	ReconSpan
	Channel    string `query:"channel" enum:"wxpay,alipay"`
	State      string `query:"state" doc:"只列出此状态的" enum:"open,explained,repaired"`
	Type       string `query:"type" doc:"只列出此类型的" enum:"wallet_more,we_more,amount,state,fee,date_edge"`
	OutTradeNo string `query:"out_trade_no" maxLength:"64"`
}

type repairInput struct {
	MerchantPath
	Body struct {
		Channel string `json:"channel" enum:"wxpay,alipay"`
		Item    string `json:"item" doc:"如列表所示" minLength:"1" maxLength:"400"`
		Type    string `json:"type" doc:"如列表所示" enum:"wallet_more,we_more,amount,state,fee,date_edge"`
		Why     string `json:"why" doc:"原因，与处理人一同留存" minLength:"1" maxLength:"200"`
		Explain bool   `json:"explain,omitempty" doc:"只作说明：不询问钱包，不改动账务"`
	}
}

func (s *Server) registerRecon() {
	const tag, path = "对账", "/v1/merchants/{out_sub_mch_id}/recon"
	add(s, operation{id: "list-recon-days", method: http.MethodGet, path: path + "/days", summary: "各日的对账", tag: tag}, s.listReconDays)
	add(s, operation{id: "run-recon", method: http.MethodPost, path: path + "/days/{channel}/{day}", summary: "对账，已完成的重新取账单再对", tag: tag}, s.runRecon)
	add(s, operation{id: "list-differences", method: http.MethodGet, path: path + "/differences", summary: "对账差异", tag: tag}, s.listDifferences)
	add(s, operation{id: "total-differences", method: http.MethodGet, path: path + "/differences/totals", summary: "对账差异合计", tag: tag}, s.totalDifferences)
	addFile(s, operation{id: "export-recon", method: http.MethodGet, path: path + "/export", summary: "导出账期、账单明细与差异", tag: tag}, s.exportRecon, mediaCSV, mediaXLSX)
	s.registerUnclaimed()
	add(s, operation{id: "repair-difference", method: http.MethodPost, path: path + "/repair", summary: "处理差异：先询问钱包，再按结论修复或说明", tag: tag}, s.repairDifference)
}

// days reads a span; without a beginning it is everything.
func (in Days) days() (from, to string, err error) {
	from, to = "00000000", "99999999"
	for _, d := range []struct {
		name, text string
		into       *string
	}{{"query.from", in.From, &from}, {"query.to", in.To, &to}} {
		date, err := dateOf(d.name, d.text, "")
		if err != nil {
			return "", "", err
		}
		if date != "" {
			*d.into = strings.ReplaceAll(date, "-", "")
		}
	}
	return from, to, nil
}

func reconDayView(r store.ReconRun) ReconDay {
	return ReconDay{
		MerchantID: r.MerchantID, Channel: string(r.Channel), Day: r.Day, Step: r.Step, Round: r.Round, Version: r.Version, Lines: r.Lines,
		Matched: r.Matched, StartedAt: r.StartedAt, DoneAt: moment(r.DoneAt),
	}
}

func (s *Server) differenceView(d store.Diff) Difference {
	until := d.ClosedAt
	if until.IsZero() {
		until = s.Now()
	}
	return Difference{
		MerchantID: d.MerchantID, Channel: string(d.Channel), Item: d.Item, Type: string(d.Type), Day: d.Day, OutTradeNo: d.OutTradeNo,
		OutRefundNo: d.OutRefundNo, Ours: int64(d.Ours), Theirs: int64(d.Theirs), Net: int64(d.Theirs - d.Ours), OurState: d.OurState,
		TheirState: d.TheirState, State: d.State, AgeDays: int64(until.Sub(d.FirstAt) / (24 * time.Hour)), FirstAt: d.FirstAt,
		Who: d.Who, Why: d.Why, ClosedAt: moment(d.ClosedAt),
	}
}

func (s *Server) listReconDays(ctx context.Context, a *actor, in *ReconSpan) (*answer[Page[ReconDay]], error) {
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return nil, err
	}
	from, to, err := in.days()
	if err != nil {
		return nil, err
	}
	after := store.ReconKey{MerchantID: m.ID, Day: to}
	if in.After != "" {
		last, channel, found := strings.Cut(in.After, "-")
		if !found || len(last) != len(to) {
			return nil, errAfter
		}
		after.Day, after.Channel = min(last, to), pay.Channel(channel)
	}
	list, err := s.Store.ReconRunsBehind(ctx, after, from, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return pageOf(list, in.Limit, reconDayView, func(r store.ReconRun) string { return r.Day + "-" + string(r.Channel) }), nil
}

func (s *Server) runRecon(ctx context.Context, a *actor, in *ReconPath) (*answer[ReconDay], error) {
	m, err := s.merchant(ctx, a, directory.RunReconciliation, in.Merchant)
	if err != nil {
		return nil, err
	}
	day, err := recon.ParseDay(in.Day)
	if err != nil {
		return nil, err
	}
	k := store.ReconKey{MerchantID: m.ID, Channel: pay.Channel(in.Channel), Day: recon.DayOf(day)}
	run, err := s.Recon.Again(ctx, k)
	if err != nil {
		return nil, err
	}
	err = s.Directory.Record(ctx, a.by(), directory.Event{
		Action: "recon.run", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "recon", ObjectID: in.Channel + " " + k.Day,
		After: map[string]any{"round": run.Round, "lines": run.Lines, "matched": run.Matched},
	})
	if err != nil {
		return nil, err
	}
	return ok(reconDayView(run)), nil
}

func (s *Server) listDifferences(ctx context.Context, a *actor, in *listDifferencesInput) (*answer[Page[Difference]], error) {
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return nil, err
	}
	f := store.DiffFilter{
		MerchantID: m.ID, Channel: pay.Channel(in.Channel), State: in.State, Type: store.DiffType(in.Type), OutTradeNo: in.OutTradeNo,
	}
	return s.differences(ctx, f, in.Days, s.differenceView)
}

func (s *Server) repairDifference(ctx context.Context, a *actor, in *repairInput) (*answer[Difference], error) {
	m, err := s.merchant(ctx, a, directory.RunReconciliation, in.Merchant)
	if err != nil {
		return nil, err
	}
	b := in.Body
	d, err := s.Recon.Repair(ctx, recon.Repair{
		DiffKey: store.DiffKey{MerchantID: m.ID, Channel: pay.Channel(b.Channel), Item: b.Item, Type: store.DiffType(b.Type)},
		By:      a.by(), Why: strings.TrimSpace(b.Why), Explain: b.Explain,
	})
	if err != nil {
		return nil, err
	}
	return ok(s.differenceView(d)), nil
}
