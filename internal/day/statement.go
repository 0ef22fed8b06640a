package day

import (
	"context"
	"errors"
	"strings"

	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// StatementPage is how many items one answer of interface 201 has: about 60 KiB.
const StatementPage = 500

// Statement is a part of a merchant's statement of a closed day.
type Statement struct {
	Hash    string // of the day's record
	Content string // CSV with CRLF; its first line names the columns on the first part only
	Next    string // where the next part goes on, "" for none
}

// Statement returns the part of a merchant's statement behind after, which is ""
// for the beginning: every payment, reversal and refund of the day as it was
// closed. It returns an error of kind pay.ErrNotFound for a day that is not closed,
// of pay.ErrInvalid for what is no date.
func (d *Days) Statement(ctx context.Context, merchantID, date, after string) (Statement, error) {
	if _, _, err := ParseDate(date); err != nil {
		return Statement{}, pay.Refuse(pay.ErrInvalid, "bill_date", "bill_date 应为 2026-11-20 这样的日期")
	}
	row, err := d.c.Store.Day(ctx, merchantID, date)
	if errors.Is(err, pay.ErrNotFound) {
		err = pay.Refuse(pay.ErrNotFound, "day_open", "该日尚未关账，没有对账单")
	}
	if err != nil {
		return Statement{}, err
	}
	var b strings.Builder
	w, err := sheet.New(&b, sheet.CSV)
	if err != nil {
		return Statement{}, err
	}
	s := Statement{Hash: row.Hash}
	if s.Next, err = d.lines(ctx, w, merchantID, date, after, 1); err != nil {
		return Statement{}, err
	}
	if err := w.Close(); err != nil {
		return Statement{}, err
	}
	s.Content = strings.TrimPrefix(b.String(), "\ufeff")
	if after != "" {
		_, s.Content, _ = strings.Cut(s.Content, "\r\n") // the columns were named before
	}
	return s, nil
}

// WriteStatement writes a merchant's whole statement of a closed day as a table.
func (d *Days) WriteStatement(ctx context.Context, w sheet.Writer, merchantID, date string) error {
	if _, err := d.c.Store.Day(ctx, merchantID, date); err != nil {
		return err
	}
	_, err := d.lines(ctx, w, merchantID, date, "", 0)
	return err
}

// lines writes a table of parts items behind after, of all of them if parts is 0,
// and returns where the next part goes on.
func (d *Days) lines(ctx context.Context, w sheet.Writer, merchantID, date, after string, parts int) (next string, err error) {
	err = w.Table("对账单 statement", "时间 time", "类型 type", "通道 channel", "商户订单号 out_trade_no", "商户退款单号 out_refund_no",
		"金额 amount", "应结金额 settlement", "手续费 fee")
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		list, err := d.c.Store.Statement(ctx, merchantID, date, after, StatementPage)
		if err != nil {
			return "", err
		}
		for _, l := range list {
			if err := w.Row(statementRow(l)...); err != nil {
				return "", err
			}
			after = l.Item
		}
		if len(list) < StatementPage {
			return "", nil
		}
		if n == parts {
			return after, nil
		}
	}
}

// kinds are what people call items.
var kinds = map[string]string{"payment": "支付 payment", "refund": "退款 refund", "reversal": "撤销 reversal"}

// statementRow is one item: what went back is negative.
func statementRow(l store.StatementLine) []sheet.Cell {
	kind, no, _ := strings.Cut(l.Item, ":")
	sign, refund := int64(1), ""
	if kind != "payment" {
		sign = -1
	}
	if kind == "refund" {
		refund = no
	}
	return []sheet.Cell{
		sheet.Time(l.At), sheet.Text(kinds[kind]), sheet.Text(string(l.Channel)), sheet.Text(l.OutTradeNo), sheet.Text(refund),
		sheet.Yuan(sign * int64(l.Amount)), sheet.Yuan(sign * int64(l.Settle)), sheet.Yuan(int64(l.Fee)),
	}
}
