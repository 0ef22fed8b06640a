package recon

import (
	"context"
	"fmt"

	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// Limits of an export.
const (
	exportPage  = 1000
	maxExported = 10_000 // days and differences of one span: the most that the store hands out at once
)

// Export writes what was reconciled for a merchant in a span of days as three
// tables: the days, every line of the bills in force, and every difference with
// what became of it. Days are as in ParseDay's second form, 20261125. It refuses
// a span with more than 10,000 days or differences: ask for less.
func Export(ctx context.Context, st *store.Store, merchantID, from, to string, w sheet.Writer) error {
	runs, err := st.ReconRuns(ctx, merchantID, from, to, maxExported)
	if err != nil {
		return err
	}
	diffs, err := st.Diffs(ctx, store.DiffFilter{MerchantID: merchantID, FromDay: from, ToDay: to, Limit: maxExported})
	if err != nil {
		return err
	}
	if len(runs) == maxExported || len(diffs) == maxExported {
		return fmt.Errorf("there are %d days or differences or more: export a shorter span", maxExported)
	}
	if err := exportRuns(w, runs); err != nil {
		return err
	}
	if err := exportLines(ctx, st, runs, w); err != nil {
		return err
	}
	return exportDiffs(w, diffs)
}

func exportRuns(w sheet.Writer, runs []store.ReconRun) error {
	if err := w.Table("账期 days", "账期 day", "通道 channel", "步骤 step", "轮次 round", "账单版本 version", "行数 lines", "相符 matched", "完成 done"); err != nil {
		return err
	}
	for _, r := range runs {
		if err := w.Row(sheet.Text(r.Day), sheet.Text(string(r.Channel)), sheet.Text(r.Step), sheet.Int(r.Round), sheet.Int(r.Version),
			sheet.Int(r.Lines), sheet.Int(r.Matched), sheet.Time(r.DoneAt)); err != nil {
			return err
		}
	}
	return nil
}

func exportLines(ctx context.Context, st *store.Store, runs []store.ReconRun, w sheet.Writer) error {
	if err := w.Table("账单 bill", "账期 day", "通道 channel", "行 line", "时间 time", "类型 kind", "商户订单号 out_trade_no", "渠道单号 transaction_id",
		"商户退款单号 out_refund_no", "渠道退款单号 refund_id", "状态 state", "退款状态 refund_state", "金额 total", "应结金额 settlement",
		"手续费 fee", "费率 rate"); err != nil {
		return err
	}
	for _, r := range runs {
		for from := int64(0); ; {
			lines, err := st.ReconLines(ctx, r.ReconKey, from, exportPage)
			if err != nil {
				return err
			}
			for _, l := range lines {
				if err := w.Row(billRow(r.ReconKey, l.BillLine)...); err != nil {
					return err
				}
				from = l.Line + 1
			}
			if len(lines) < exportPage {
				break
			}
		}
	}
	return nil
}

// billRow is one line of a bill; what goes back is negative.
func billRow(k store.ReconKey, l store.BillLine) []sheet.Cell {
	signed := func(n pay.Fen) sheet.Cell {
		if l.Kind != "payment" {
			n = -n
		}
		return sheet.Yuan(int64(n))
	}
	return []sheet.Cell{
		sheet.Text(k.Day), sheet.Text(string(k.Channel)), sheet.Int(l.Line), sheet.Time(l.At), sheet.Text(l.Kind), sheet.Text(l.OutTradeNo),
		sheet.Text(l.TransactionID), sheet.Text(l.OutRefundNo), sheet.Text(l.RefundID), sheet.Text(l.State), sheet.Text(l.RefundState),
		signed(l.Total), signed(l.Settlement), sheet.Yuan(int64(l.Fee)), sheet.Text(l.Rate),
	}
}

// diffNames are what people call the types of differences (ux.md C-13).
var diffNames = map[store.DiffType]string{
	store.WalletMore: "渠道多(长款) wallet_more", store.WeMore: "平台多(短款) we_more", store.AmountDiff: "金额不一致 amount",
	store.StateDiff: "状态不一致 state", store.FeeDiff: "手续费不一致 fee", store.DateEdge: "日切 date_edge",
}

func exportDiffs(w sheet.Writer, diffs []store.Diff) error {
	if err := w.Table("差异 differences", "账期 day", "通道 channel", "类型 type", "对象 item", "商户订单号 out_trade_no", "商户退款单号 out_refund_no",
		"我方 ours", "渠道 theirs", "我方状态 our_state", "渠道状态 their_state", "处理 state", "发现 first_seen", "处理人 who", "原因 why",
		"处理时间 closed"); err != nil {
		return err
	}
	for _, d := range diffs {
		name := diffNames[d.Type]
		if name == "" {
			name = string(d.Type)
		}
		if err := w.Row(sheet.Text(d.Day), sheet.Text(string(d.Channel)), sheet.Text(name), sheet.Text(d.Item), sheet.Text(d.OutTradeNo),
			sheet.Text(d.OutRefundNo), sheet.Yuan(int64(d.Ours)), sheet.Yuan(int64(d.Theirs)), sheet.Text(d.OurState), sheet.Text(d.TheirState),
			sheet.Text(d.State), sheet.Time(d.FirstAt), sheet.Text(d.Who), sheet.Text(d.Why), sheet.Time(d.ClosedAt)); err != nil {
			return err
		}
	}
	return nil
}
