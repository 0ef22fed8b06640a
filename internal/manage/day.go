package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

const (
	// daysRead is how many records are read at once: one has at most 16 MiB.
	daysRead = 8
	// maxDaysExported is how many days one file has: ten years.
	maxDaysExported = 3660
)

// DaySums are what moved in a day, each positive, in fen.
type DaySums struct {
	InCount   int64 `json:"in_count" doc:"收款笔数"`
	In        int64 `json:"in" doc:"收款金额，分"`
	BackCount int64 `json:"back_count" doc:"退回笔数（退款与撤销）"`
	Back      int64 `json:"back" doc:"退回金额，分"`
}

// DayChannel is one wallet's part of a closed day.
type DayChannel struct {
	Channel   string  `json:"channel" doc:"wxpay 或 alipay"`
	Orders    DaySums `json:"orders" doc:"按订单与退款"`
	Ledger    DaySums `json:"ledger" doc:"按账务"`
	Bill      DaySums `json:"bill" doc:"按渠道账单；未对账时全为 0"`
	Callbacks DaySums `json:"callbacks" doc:"按商户已确认的回调"`
	BillState string  `json:"bill_state" enum:"reconciled,absent" doc:"reconciled 已对账、absent 无账单"`
}

// ClosedDay is one closed day of a merchant: what is signed, without what is
// listed in it.
type ClosedDay struct {
	MerchantID  string       `json:"out_sub_mch_id"`
	Date        string       `json:"date" doc:"营业日，北京时间，如 2026-11-25"`
	Number      int64        `json:"number" doc:"链上第几天，从 1 起"`
	Hash        string       `json:"hash" doc:"该日记录的 SHA-256，十六进制"`
	Previous    string       `json:"previous" doc:"前一日的 hash，第一日为空"`
	Balanced    bool         `json:"balanced" doc:"平账：四方合计一致，且没有未处理的差异"`
	Items       int64        `json:"items" doc:"当日的支付、撤销与退款数"`
	Differences int64        `json:"difference_count" doc:"差异数"`
	Open        int64        `json:"open_count" doc:"关账时未处理的差异数（只计逐条列出的）"`
	Adjustments int64        `json:"adjustment_count" doc:"对以前各日的调整数"`
	ClosedAt    time.Time    `json:"closed_at" doc:"关账时间"`
	Key         string       `json:"key" doc:"签名公钥，Ed25519，base64"`
	Channels    []DayChannel `json:"channels" doc:"各渠道"`
}

// SignedDay is a closed day with its signature.
type SignedDay struct {
	ClosedDay
	ItemsSHA256 string `json:"items_sha256" doc:"当日明细的 SHA-256"`
	Endorsement string `json:"endorsement,omitempty" doc:"换钥后的第一日：旧钥对新钥的签名，base64"`
	Signature   string `json:"signature" doc:"对该日记录的签名，base64；记录的原文见导出文件"`
	MoreDiffs   int64  `json:"more_differences" doc:"未逐条列出的差异数"`
	MoreAdjusts int64  `json:"more_adjustments" doc:"未逐条列出的调整数"`
}

// DayDifference is one thing that did not agree when a day was closed.
type DayDifference struct {
	Kind    string `json:"kind" doc:"ledger 账务、callback 回调、bill_sum 账单合计，或 bill_ 加对账差异类型"`
	Channel string `json:"channel" doc:"wxpay 或 alipay"`
	Item    string `json:"item" doc:"payment:、refund: 或 reversal: 加单号，合计为空"`
	Ours    int64  `json:"ours" doc:"本系统金额，分"`
	Theirs  int64  `json:"theirs" doc:"对方金额，分"`
	State   string `json:"state" doc:"open 未处理、explained 已说明、repaired 已修复"`
	Why     string `json:"why,omitempty" doc:"说明"`
}

// DayAdjustment is what became known of a closed day later.
type DayAdjustment struct {
	Of      string `json:"of" doc:"被调整的营业日"`
	Channel string `json:"channel" doc:"wxpay 或 alipay"`
	Item    string `json:"item" doc:"payment:、refund: 或 reversal: 加单号"`
	In      int64  `json:"in" doc:"收款金额的增减，分"`
	Back    int64  `json:"back" doc:"退回金额的增减，分"`
}

// DayPath names one closed day of a merchant.
type DayPath struct {
	MerchantPath
	Date string `path:"date" doc:"营业日，如 2026-11-25" maxLength:"10"`
}

type listDaysInput struct {
	MerchantPath
	From  string `query:"from" doc:"从哪一天起（含），如 2026-11-25" maxLength:"10"`
	To    string `query:"to" doc:"到哪一天止（含）" maxLength:"10"`
	After string `query:"after" doc:"上一页的 next" maxLength:"10"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type dayPartInput struct {
	DayPath
	After int `query:"after" doc:"上一页的 next" minimum:"0" maximum:"10000000"`
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}

type exportDaysInput struct {
	MerchantPath
	From string `query:"from" doc:"从哪一天起（含），不填为第一日；填写时用 cloudpay day verify --previous 给出前一日的 hash" maxLength:"10"`
}

type statementInput struct {
	DayPath
	SheetQuery
}

func (s *Server) registerDays() {
	const tag, path = "关账", "/v1/merchants/{out_sub_mch_id}/days"
	add(s, operation{id: "list-closed-days", method: http.MethodGet, path: path, summary: "已关账的营业日，新的在前", tag: tag}, s.listClosedDays)
	addFile(s, operation{id: "export-closed-days", method: http.MethodGet, path: path + "/export", summary: "导出关账链，可用 cloudpay day verify 离线验证", tag: tag}, s.exportDays, mediaDays)
	add(s, operation{id: "get-closed-day", method: http.MethodGet, path: path + "/{date}", summary: "一个已关账的营业日", tag: tag}, s.getClosedDay)
	add(s, operation{id: "list-day-differences", method: http.MethodGet, path: path + "/{date}/differences", summary: "关账时的差异", tag: tag}, s.listDayDifferences)
	add(s, operation{id: "list-day-adjustments", method: http.MethodGet, path: path + "/{date}/adjustments", summary: "该日记录的、对以前各日的调整", tag: tag}, s.listDayAdjustments)
	addFile(s, operation{id: "export-statement", method: http.MethodGet, path: path + "/{date}/statement", summary: "导出已关账日的对账单", tag: tag}, s.exportStatement, mediaCSV, mediaXLSX)
}

// dateOf reads a date of the query or path and names the member when it is none.
// "" is fallback.
func dateOf(field, text, fallback string) (string, error) {
	if text == "" {
		return fallback, nil
	}
	if len(text) == 8 {
		text = text[:4] + "-" + text[4:6] + "-" + text[6:]
	}
	if _, _, err := day.ParseDate(text); err != nil {
		return "", invalidField(field, "日期格式应为 2026-11-25")
	}
	return text, nil
}

func sumsView(v day.Sums) DaySums {
	return DaySums{InCount: v.InCount, In: int64(v.In), BackCount: v.BackCount, Back: int64(v.Back)}
}

// dayView is a day as lists show it, and its record.
func dayView(row store.ClosedDay) (ClosedDay, day.Record, error) {
	var r day.Record
	if err := json.Unmarshal([]byte(row.Record), &r); err != nil {
		return ClosedDay{}, r, fmt.Errorf("read closed day %s of merchant %s: %w", row.Date, row.MerchantID, err)
	}
	v := ClosedDay{
		MerchantID: row.MerchantID, Date: row.Date, Number: row.Number, Hash: row.Hash, Previous: r.Previous, Balanced: r.Balanced, Items: r.Items,
		Differences: int64(len(r.Differences)) + r.MoreDiffs, Adjustments: int64(len(r.Adjustments)) + r.MoreAdjusts, ClosedAt: row.ClosedAt.UTC(),
		Key: r.Key, Channels: make([]DayChannel, 0, len(r.Channels)),
	}
	for _, d := range r.Differences {
		if d.State == store.DiffOpen {
			v.Open++
		}
	}
	for _, c := range r.Channels {
		v.Channels = append(v.Channels, DayChannel{
			Channel: string(c.Channel), Orders: sumsView(c.Orders), Ledger: sumsView(c.Ledger), Bill: sumsView(c.Bill), Callbacks: sumsView(c.Callbacks), BillState: c.BillState,
		})
	}
	return v, r, nil
}

func (s *Server) listClosedDays(ctx context.Context, a *actor, in *listDaysInput) (*answer[Page[ClosedDay]], error) {
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return nil, err
	}
	from, err := dateOf("query.from", in.From, "")
	if err != nil {
		return nil, err
	}
	to, err := dateOf("query.to", in.To, "9999-12-30")
	if err != nil {
		return nil, err
	}
	_, end, err := day.ParseDate(to)
	if err != nil {
		return nil, err
	}
	before, err := dateOf("query.after", in.After, day.DateOf(end))
	if err != nil {
		return nil, err
	}
	before = min(before, day.DateOf(end))
	var all []ClosedDay
	for len(all) <= in.Limit {
		rows, err := s.Store.DaysBack(ctx, m.ID, from, before, daysRead)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			v, _, err := dayView(row)
			if err != nil {
				return nil, err
			}
			all, before = append(all, v), row.Date
		}
		if len(rows) < daysRead {
			break
		}
	}
	return pageOf(all, in.Limit, func(v ClosedDay) ClosedDay { return v }, func(v ClosedDay) string { return v.Date }), nil
}

// closedDay finds the closed day of an operation.
func (s *Server) closedDay(ctx context.Context, a *actor, in DayPath) (store.ClosedDay, error) {
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return store.ClosedDay{}, err
	}
	date, err := dateOf("path.date", in.Date, "")
	if err != nil {
		return store.ClosedDay{}, err
	}
	row, err := s.Store.Day(ctx, m.ID, date)
	if errors.Is(err, pay.ErrNotFound) {
		err = pay.Refuse(pay.ErrNotFound, "day_open", "该日尚未关账")
	}
	return row, err
}

func (s *Server) getClosedDay(ctx context.Context, a *actor, in *DayPath) (*answer[SignedDay], error) {
	row, err := s.closedDay(ctx, a, *in)
	if err != nil {
		return nil, err
	}
	v, r, err := dayView(row)
	if err != nil {
		return nil, err
	}
	return ok(SignedDay{
		ClosedDay: v, ItemsSHA256: r.ItemsSHA256, Endorsement: r.Endorsement, Signature: row.Signature, MoreDiffs: r.MoreDiffs, MoreAdjusts: r.MoreAdjusts,
	}), nil
}

// part is one page of what a record lists.
func part[R, T any](list []R, after, limit int, view func(R) T) *answer[Page[T]] {
	p := Page[T]{Items: make([]T, 0, min(len(list), limit))}
	end := min(after+limit, len(list))
	for i := after; i < end; i++ {
		p.Items = append(p.Items, view(list[i]))
	}
	if end < len(list) {
		p.Next = strconv.Itoa(end)
	}
	return ok(p)
}

func (s *Server) listDayDifferences(ctx context.Context, a *actor, in *dayPartInput) (*answer[Page[DayDifference]], error) {
	row, err := s.closedDay(ctx, a, in.DayPath)
	if err != nil {
		return nil, err
	}
	_, r, err := dayView(row)
	if err != nil {
		return nil, err
	}
	return part(r.Differences, in.After, in.Limit, func(d day.Difference) DayDifference {
		return DayDifference{Kind: d.Kind, Channel: string(d.Channel), Item: d.Item, Ours: int64(d.Ours), Theirs: int64(d.Theirs), State: d.State, Why: d.Why}
	}), nil
}

func (s *Server) listDayAdjustments(ctx context.Context, a *actor, in *dayPartInput) (*answer[Page[DayAdjustment]], error) {
	row, err := s.closedDay(ctx, a, in.DayPath)
	if err != nil {
		return nil, err
	}
	_, r, err := dayView(row)
	if err != nil {
		return nil, err
	}
	return part(r.Adjustments, in.After, in.Limit, func(d day.Adjustment) DayAdjustment {
		return DayAdjustment{Of: d.Of, Channel: string(d.Channel), Item: d.Item, In: int64(d.In), Back: int64(d.Back)}
	}), nil
}

// exportDays writes a chain as the command line does, byte for byte.
func (s *Server) exportDays(ctx context.Context, a *actor, in *exportDaysInput) (file, error) {
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return file{}, err
	}
	from, err := dateOf("query.from", in.From, "")
	if err != nil {
		return file{}, err
	}
	first, last, err := s.Store.EndDays(ctx, m.ID)
	if err == nil && from > first.Date {
		first, err = s.Store.Day(ctx, m.ID, from)
	}
	if errors.Is(err, pay.ErrNotFound) {
		err = pay.Refuse(pay.ErrNotFound, "day_open", "没有已关账的营业日")
	}
	if err != nil {
		return file{}, err
	}
	n := last.Number - first.Number + 1
	if n > maxDaysExported {
		return file{}, invalidField("query.from", fmt.Sprintf("共 %d 日，一次最多导出 %d 日，请填写 from", n, maxDaysExported))
	}
	return file{merchant: m.ID, name: "days-" + m.ID + "-" + first.Date + "-" + last.Date + ".jsonl", media: mediaDays, write: func(ctx context.Context, w io.Writer) error {
		_, err := s.Days.ExportBehind(ctx, m.ID, first.Number-1, n, w)
		return err
	}}, nil
}

func (s *Server) exportStatement(ctx context.Context, a *actor, in *statementInput) (file, error) {
	row, err := s.closedDay(ctx, a, in.DayPath)
	if err != nil {
		return file{}, err
	}
	return in.table(row.MerchantID, "statement-"+row.MerchantID+"-"+row.Date, func(ctx context.Context, w sheet.Writer) error {
		return s.Days.WriteStatement(ctx, w, row.MerchantID, row.Date)
	}), nil
}
