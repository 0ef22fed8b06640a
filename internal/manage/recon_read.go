package manage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// Limits of one export of bills.
const (
	maxBillDays  = 93      // a quarter
	maxBillLines = 200_000 // 37 MiB of CSV, or 4 s of a core for XLSX
	maxBillDiffs = 9_999   // what the store hands out at once, less one
)

// errAfter says that after is not what a page ended with.
var errAfter = invalidField("query.after", "after 须是上一页的 next")

// placeOfDiff is where a list goes on behind a difference. An item is as long as a
// wallet's numbers, and may hold anything.
func placeOfDiff(d store.Diff) string {
	raw, err := json.Marshal([]string{d.Day, string(d.Channel), d.Item, string(d.Type)})
	if err != nil {
		panic("manage: texts do not encode: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// cutPlaceOfDiff is the inverse of placeOfDiff; "" is the beginning.
func cutPlaceOfDiff(s string) (p store.DiffPlace, err error) {
	if s == "" {
		return p, nil
	}
	var parts []string
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(raw, &parts) != nil || len(parts) != 4 || strings.Contains(strings.Join(parts, ""), "\x00") {
		return p, errAfter
	}
	return store.DiffPlace{Day: parts[0], Channel: pay.Channel(parts[1]), Item: parts[2], Type: store.DiffType(parts[3])}, nil
}

// differences is one page of what a filter selects in a span of days.
func (s *Server) differences(ctx context.Context, f store.DiffFilter, in Days, view func(store.Diff) Difference) (*answer[Page[Difference]], error) {
	var err error
	if f.FromDay, f.ToDay, err = in.days(); err != nil {
		return nil, err
	}
	if f.After, err = cutPlaceOfDiff(in.After); err != nil {
		return nil, err
	}
	f.Limit = in.Limit + 1
	list, err := s.Store.Diffs(ctx, f)
	if err != nil {
		return nil, err
	}
	return pageOf(list, in.Limit, view, placeOfDiff), nil
}

// DifferenceTotals are the differences of a merchant, counted and summed.
type DifferenceTotals struct {
	Count int64             `json:"count" doc:"差异数"`
	Open  int64             `json:"open_count" doc:"其中未处理的"`
	Items []DifferenceTotal `json:"items" doc:"按渠道、类型与状态分组"`
}

// DifferenceTotal is one group of differences. Of type fee the amounts are fees.
type DifferenceTotal struct {
	Channel string    `json:"channel" doc:"wxpay 或 alipay"`
	Type    string    `json:"type" doc:"差异类型，同列表"`
	State   string    `json:"state" doc:"open 未处理、explained 已说明、repaired 已修复"`
	Count   int64     `json:"count" doc:"差异数"`
	Ours    int64     `json:"ours" doc:"本系统金额合计，分，退回为负；手续费差异为应收手续费"`
	Theirs  int64     `json:"theirs" doc:"账单金额合计，分"`
	Net     int64     `json:"net" doc:"差额 = 账单 - 本系统，分"`
	Oldest  time.Time `json:"oldest_seen_at" doc:"其中最早的首次发现时间"`
}

type totalDifferencesInput struct {
	MerchantPath
	From    string `query:"from" doc:"从哪一天起（含），如 2026-11-25" maxLength:"10"`
	To      string `query:"to" doc:"到哪一天止（含）" maxLength:"10"`
	Channel string `query:"channel" enum:"wxpay,alipay"`
	State   string `query:"state" doc:"只计此状态的" enum:"open,explained,repaired"`
	Type    string `query:"type" doc:"只计此类型的" enum:"wallet_more,we_more,amount,state,fee,date_edge"`
}

func (s *Server) totalDifferences(ctx context.Context, a *actor, in *totalDifferencesInput) (*answer[DifferenceTotals], error) {
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return nil, err
	}
	f := store.DiffFilter{MerchantID: m.ID, Channel: pay.Channel(in.Channel), State: in.State, Type: store.DiffType(in.Type)}
	if f.FromDay, f.ToDay, err = (Days{From: in.From, To: in.To}).days(); err != nil {
		return nil, err
	}
	sums, err := s.Store.DiffSums(ctx, f)
	if err != nil {
		return nil, err
	}
	out := DifferenceTotals{Items: make([]DifferenceTotal, 0, len(sums))}
	for _, v := range sums {
		out.Count += v.Count
		if v.State == store.DiffOpen {
			out.Open += v.Count
		}
		out.Items = append(out.Items, DifferenceTotal{
			Channel: string(v.Channel), Type: string(v.Type), State: v.State, Count: v.Count, Ours: int64(v.Ours), Theirs: int64(v.Theirs),
			Net: int64(v.Theirs - v.Ours), Oldest: v.FirstAt.UTC(),
		})
	}
	return ok(out), nil
}

type exportReconInput struct {
	MerchantPath
	From string `query:"from" required:"true" doc:"从哪一天起（含），如 2026-11-25" maxLength:"10" minLength:"8"`
	To   string `query:"to" required:"true" doc:"到哪一天止（含），最多 93 天" maxLength:"10" minLength:"8"`
	SheetQuery
}

// exportRecon writes a merchant's reconciled days, the lines of their bills and
// their differences. A bill names the wallets' numbers, which who sees orders
// masked does not read.
func (s *Server) exportRecon(ctx context.Context, a *actor, in *exportReconInput) (file, error) {
	if directory.Allowed(a.Grants.Role, directory.SeeOrders) == directory.Masked {
		return file{}, errRole
	}
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return file{}, err
	}
	from, to, err := (Days{From: in.From, To: in.To}).days()
	if err != nil {
		return file{}, err
	}
	if err := s.checkExport(ctx, m.ID, from, to); err != nil {
		return file{}, err
	}
	return in.table(m.ID, "recon-"+m.ID+"-"+from+"-"+to, func(ctx context.Context, w sheet.Writer) error {
		return recon.Export(ctx, s.Store, m.ID, from, to, w)
	}), nil
}

// checkExport refuses a span that is none, or too much for one file.
func (s *Server) checkExport(ctx context.Context, merchantID, from, to string) error {
	first, err := recon.ParseDay(from)
	if err != nil {
		return err
	}
	last, err := recon.ParseDay(to)
	if err != nil {
		return err
	}
	switch {
	case last.Before(first):
		return invalidField("query.to", "to 不能早于 from")
	case last.After(first.AddDate(0, 0, maxBillDays-1)):
		return invalidField("query.to", fmt.Sprintf("一次最多导出 %d 天", maxBillDays))
	}
	_, lines, err := s.Store.ReconSize(ctx, merchantID, from, to)
	if err != nil {
		return err
	}
	sums, err := s.Store.DiffSums(ctx, store.DiffFilter{MerchantID: merchantID, FromDay: from, ToDay: to})
	if err != nil {
		return err
	}
	diffs := int64(0)
	for _, v := range sums {
		diffs += v.Count
	}
	if lines > maxBillLines || diffs > maxBillDiffs {
		return invalidField("query.to", fmt.Sprintf("共 %d 行账单、%d 项差异，一次最多 %d 行、%d 项，请缩短日期", lines, diffs, maxBillLines, maxBillDiffs))
	}
	return nil
}
