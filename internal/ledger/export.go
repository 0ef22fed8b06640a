package ledger

import (
	"context"
	"fmt"
	"time"

	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// Export writes every leg that a merchant booked from one moment until before
// another as one table, in the order of the bookings, and what stood on the
// accounts at its end as another. It folds first, so it may take a while on a
// ledger that was never folded. It returns how many legs it wrote.
func (l *Ledger) Export(ctx context.Context, f *Folder, merchantID string, from, before time.Time, w sheet.Writer) (legs int64, err error) {
	if err := f.Merchant(ctx, merchantID); err != nil {
		return 0, err
	}
	if err := w.Table("分录 postings", "时间 time", "商户 merchant", "通道 channel", "订单 order", "事件 event", "序 leg", "科目 account",
		"名称 name", "借 debit", "贷 credit", "毫秒 ms"); err != nil {
		return 0, err
	}
	err = l.c.Store.LedgerLines(ctx, merchantID, from, before, func(p store.LedgerLine) error {
		legs++
		debit, credit := sheet.Yuan(int64(p.Amount)), sheet.Cell{}
		if p.Amount < 0 {
			debit, credit = sheet.Cell{}, sheet.Yuan(int64(-p.Amount))
		}
		return w.Row(sheet.Time(p.At), sheet.Text(merchantID), sheet.Text(string(p.Channel)), sheet.Text(p.OutTradeNo), sheet.Text(p.Event),
			sheet.Int(p.Leg), sheet.Text(string(p.Account)), sheet.Text(Name(p.Account)), debit, credit, sheet.Int(p.At.UnixMilli()))
	})
	if err != nil {
		return legs, fmt.Errorf("export ledger: %w", err)
	}
	b, err := l.Balances(ctx, merchantID, before)
	if err != nil {
		return legs, err
	}
	return legs, WriteBalances(w, merchantID, before, b)
}

// WriteBalances writes a trial balance as a table.
func WriteBalances(w sheet.Writer, merchantID string, before time.Time, b []Balance) error {
	if err := w.Table("余额 balance", "此前 before", "商户 merchant", "通道 channel", "科目 account", "名称 name", "借 debit", "贷 credit"); err != nil {
		return err
	}
	for _, v := range b {
		debit, credit := sheet.Yuan(int64(v.Amount)), sheet.Cell{}
		if v.Amount < 0 {
			debit, credit = sheet.Cell{}, sheet.Yuan(int64(-v.Amount))
		}
		if err := w.Row(sheet.Time(before), sheet.Text(merchantID), sheet.Text(string(v.Channel)), sheet.Text(string(v.Account)),
			sheet.Text(Name(v.Account)), debit, credit); err != nil {
			return err
		}
	}
	return nil
}
