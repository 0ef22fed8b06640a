package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// MaxDayItems is how many items PutDayItems takes at once.
const MaxDayItems = maxStatements - 1

// DayKey is a key that closed days are signed with. Sealed is its private half.
type DayKey struct {
	Number int64
	Public string // Ed25519, base64
	Sealed []byte
	MadeAt time.Time
}

// ClosedDay is one closed day of one merchant, as it was signed.
type ClosedDay struct {
	MerchantID string
	Number     int64
	Date       string
	Hash       string
	Record     string
	Signature  string // base64
	ClosedAt   time.Time
}

// DayItem is how one payment, reversal or refund stood when a day was closed.
type DayItem struct {
	Item       string
	OwnDate    string // its business day, "" when it is no money any more
	Channel    pay.Channel
	OutTradeNo string
	At         time.Time
	Amount     pay.Fen
	Settle     pay.Fen
	Booked     pay.Fen // by the ledger
	Told       bool    // the merchant knows, or need not
	WasDate    string  // how it stood when it was closed before, "" if never
	WasAmount  pay.Fen
}

// DayOrder is an order with money, what was booked for it, and whether the
// merchant is still to be told. Of Order only what is read is set: OutTradeNo,
// Channel, State, Late, PaidSeen, Total, Settlement, Reserved, PaidAt,
// ReverseSentAt, ReversedAt and UpdatedAt.
type DayOrder struct {
	Order                pay.Order
	BookedIn, BookedBack pay.Fen
	UntoldIn, UntoldBack bool
}

// DayRefund is a refund that was sent, or made elsewhere. Of Refund only
// OutRefundNo, OutTradeNo, Channel, State, Amount, Settlement, SentAt,
// SucceededAt and UpdatedAt are set.
type DayRefund struct {
	Refund pay.Refund
	Booked pay.Fen
	Untold bool
}

// DayPage says where a list of what was written goes on: behind this number of
// this moment.
type DayPage struct {
	After  time.Time
	Number string
}

// AddDayKey adds a key to sign days with. If one of its number exists nothing is
// written, and won is false.
func (s *Store) AddDayKey(ctx context.Context, k DayKey) (won bool, err error) {
	u, q := s.newUnit("", "")
	u.add(1)(q.InsertDayKey(ctx, sqlcgen.InsertDayKeyParams{Number: k.Number, PublicKey: k.Public, Sealed: k.Sealed, MadeMs: ms(k.MadeAt)}))
	if won, err = s.submit(ctx, u); err != nil {
		return false, fmt.Errorf("add key for days: %w", err)
	}
	return won, nil
}

// DayKeys reads at most limit keys, newest first.
func (s *Store) DayKeys(ctx context.Context, limit int) ([]DayKey, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read keys for days: limit is out of range")
	}
	rows, err := s.read.ListDayKeys(ctx, int32(limit))
	if err != nil {
		return nil, fmt.Errorf("read keys for days: %w", err)
	}
	return mapped(rows, func(r sqlcgen.DayKey) DayKey { return DayKey{r.Number, r.PublicKey, r.Sealed, at(r.MadeMs)} }), nil
}

func dayOf(r sqlcgen.Day) ClosedDay {
	return ClosedDay{r.MerchantID, r.Number, r.Date, r.Hash, r.Record, r.Signature, at(r.ClosedMs)}
}

// Days reads at most limit closed days of a merchant behind a number, oldest first.
func (s *Store) Days(ctx context.Context, merchantID string, after int64, limit int) ([]ClosedDay, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read closed days: limit is out of range")
	}
	rows, err := s.read.ListDays(ctx, sqlcgen.ListDaysParams{MerchantID: merchantID, After: after, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read closed days: %w", err)
	}
	return mapped(rows, dayOf), nil
}

// DaysBack reads at most limit closed days of a merchant from a date on and before
// another, newest first.
func (s *Store) DaysBack(ctx context.Context, merchantID, from, before string, limit int) ([]ClosedDay, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read closed days: limit is out of range")
	}
	rows, err := s.read.ListDaysBack(ctx, sqlcgen.ListDaysBackParams{MerchantID: merchantID, FromDate: from, Before: before, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read closed days: %w", err)
	}
	return mapped(rows, dayOf), nil
}

// Day reads one closed day, or returns an error that wraps pay.ErrNotFound.
func (s *Store) Day(ctx context.Context, merchantID, date string) (ClosedDay, error) {
	r, err := s.read.GetDay(ctx, sqlcgen.GetDayParams{MerchantID: merchantID, Date: date})
	if err != nil {
		return ClosedDay{}, fmt.Errorf("read closed day %s: %w", date, absent(err))
	}
	return dayOf(r), nil
}

// EndDays reads the first and the last closed day of a merchant, or returns an
// error that wraps pay.ErrNotFound.
func (s *Store) EndDays(ctx context.Context, merchantID string) (first, last ClosedDay, err error) {
	f, err := s.read.FirstDay(ctx, merchantID)
	if err != nil {
		return first, last, fmt.Errorf("read first closed day: %w", absent(err))
	}
	l, err := s.read.LastDay(ctx, merchantID)
	if err != nil {
		return first, last, fmt.Errorf("read last closed day: %w", absent(err))
	}
	return dayOf(f), dayOf(l), nil
}

// DraftDay begins to close a day, and removes what an earlier attempt left. It
// returns the unit that the next step needs; from now on whoever began before
// can write no more.
func (s *Store) DraftDay(ctx context.Context, merchantID, date string) (unit string, err error) {
	first, q := s.newUnit("", merchantID)
	first.always = true
	first.add(anyRows)(q.InsertDayDraft(ctx, merchantID))
	if _, err := s.submit(ctx, first); err != nil {
		return "", fmt.Errorf("begin to close day %s: %w", date, err)
	}
	u, q := s.newUnit("", merchantID)
	u.add(1)(q.TakeDayDraft(ctx, sqlcgen.TakeDayDraftParams{MerchantID: merchantID, Date: date, Unit: u.id}))
	u.add(anyRows)(q.ClearDayDraft(ctx, sqlcgen.ClearDayDraftParams{MerchantID: merchantID, Date: date, Unit: u.id}))
	u.add(anyRows)(q.ClearUnbegunDays(ctx, sqlcgen.ClearUnbegunDaysParams{MerchantID: merchantID, Unit: u.id}))
	if _, err = s.submit(ctx, u); err != nil {
		return "", fmt.Errorf("begin to close day %s: %w", date, err)
	}
	return u.id, nil
}

// PutDayItems writes at most MaxDayItems items of the day that is being closed
// and returns the unit for the next step. won is false when somebody else has
// begun meanwhile; nothing was written then.
func (s *Store) PutDayItems(ctx context.Context, merchantID, date, unit string, items []DayItem) (next string, won bool, err error) {
	u, q := s.newUnit("", merchantID)
	u.add(1)(q.KeepDayDraft(ctx, sqlcgen.KeepDayDraftParams{Unit: u.id, MerchantID: merchantID, Date: date, FromUnit: unit}))
	for _, i := range items {
		u.add(1)(q.PutDayItem(ctx, sqlcgen.PutDayItemParams{
			Item: i.Item, OwnDate: i.OwnDate, Channel: string(i.Channel), OutTradeNo: i.OutTradeNo, AtMs: ms(i.At), Amount: int64(i.Amount),
			Settle: int64(i.Settle), Booked: int64(i.Booked), Told: i.Told, WasDate: i.WasDate, WasAmount: int64(i.WasAmount),
			MerchantID: merchantID, Unit: u.id,
		}))
	}
	if won, err = s.submit(ctx, u); err != nil {
		return "", false, fmt.Errorf("write items of day %s: %w", date, err)
	}
	return u.id, won, nil
}

// CloseDay writes a closed day. won is false when somebody else has begun
// meanwhile, or has closed it; nothing was written then.
func (s *Store) CloseDay(ctx context.Context, d ClosedDay, unit string) (won bool, err error) {
	u, q := s.newUnit("", d.MerchantID)
	u.clash = true
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		r, err := q.GetDay(ctx, sqlcgen.GetDayParams{MerchantID: d.MerchantID, Date: d.Date})
		if errors.Is(absent(err), pay.ErrNotFound) {
			return false, nil
		}
		return r.Unit == u.id, err
	}
	u.add(1)(q.KeepDayDraft(ctx, sqlcgen.KeepDayDraftParams{Unit: u.id, MerchantID: d.MerchantID, Date: d.Date, FromUnit: unit}))
	u.add(1)(q.InsertDay(ctx, sqlcgen.InsertDayParams{
		Number: d.Number, Hash: d.Hash, Record: d.Record, Signature: d.Signature, ClosedMs: ms(d.ClosedAt), MerchantID: d.MerchantID, Unit: u.id,
	}))
	if won, err = s.submit(ctx, u); err != nil {
		return false, fmt.Errorf("close day %s: %w", d.Date, err)
	}
	return won, nil
}

// DayItemBefore reads how an item stood when it was closed last before a day, or
// returns an error that wraps pay.ErrNotFound.
func (s *Store) DayItemBefore(ctx context.Context, merchantID, item, date string) (DayItem, error) {
	r, err := s.read.GetDayItem(ctx, sqlcgen.GetDayItemParams{MerchantID: merchantID, Item: item, Before: date})
	if err != nil {
		return DayItem{}, fmt.Errorf("read closed item %s: %w", item, absent(err))
	}
	return dayItemOf(r), nil
}

// DayItems reads at most limit items of the record of a day behind one, in the
// order of the database.
func (s *Store) DayItems(ctx context.Context, merchantID, date, after string, limit int) ([]DayItem, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read closed items: limit is out of range")
	}
	rows, err := s.read.ListDayItems(ctx, sqlcgen.ListDayItemsParams{MerchantID: merchantID, Date: date, After: after, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read items of day %s: %w", date, err)
	}
	return mapped(rows, dayItemOf), nil
}

func dayItemOf(r sqlcgen.DayItem) DayItem {
	return DayItem{
		r.Item, r.OwnDate, pay.Channel(r.Channel), r.OutTradeNo, at(r.AtMs), pay.Fen(r.Amount), pay.Fen(r.Settle), pay.Fen(r.Booked), r.Told,
		r.WasDate, pay.Fen(r.WasAmount),
	}
}

// DayOrders reads at most limit orders with money that were written behind p, in
// that order.
func (s *Store) DayOrders(ctx context.Context, merchantID string, p DayPage, limit int) ([]DayOrder, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read orders of a day: limit is out of range")
	}
	rows, err := s.read.ListDayOrders(ctx, sqlcgen.ListDayOrdersParams{MerchantID: merchantID, AfterMs: p.After.UnixMilli(), AfterNo: p.Number, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read orders of a day: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListDayOrdersRow) DayOrder {
		return DayOrder{
			Order: pay.Order{
				MerchantID: merchantID, OutTradeNo: r.OutTradeNo, Channel: pay.Channel(r.Channel), State: pay.OrderState(r.State), Late: pay.LateState(r.Late),
				PaidSeen: r.PaidSeen, Total: pay.Fen(r.Total), Settlement: pay.Fen(r.Settlement), Reserved: pay.Fen(r.Reserved), PaidAt: at(r.PaidMs),
				ReverseSentAt: at(r.ReverseSentMs), ReversedAt: at(r.ReversedMs), UpdatedAt: at(r.UpdatedMs),
			},
			BookedIn: pay.Fen(r.BookedIn), BookedBack: pay.Fen(r.BookedBack), UntoldIn: r.UntoldIn, UntoldBack: r.UntoldBack,
		}
	}), nil
}

// DayRefunds is DayOrders for refunds that were sent, or made elsewhere.
func (s *Store) DayRefunds(ctx context.Context, merchantID string, p DayPage, limit int) ([]DayRefund, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read refunds of a day: limit is out of range")
	}
	rows, err := s.read.ListDayRefunds(ctx, sqlcgen.ListDayRefundsParams{MerchantID: merchantID, AfterMs: p.After.UnixMilli(), AfterNo: p.Number, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read refunds of a day: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListDayRefundsRow) DayRefund {
		return DayRefund{
			Refund: pay.Refund{
				MerchantID: merchantID, OutRefundNo: r.OutRefundNo, OutTradeNo: r.OutTradeNo, Channel: pay.Channel(r.Channel),
				State: pay.RefundState(r.State), Amount: pay.Fen(r.Amount), Settlement: pay.Fen(r.Settlement), SentAt: at(r.SentMs),
				SucceededAt: at(r.SucceededMs), UpdatedAt: at(r.UpdatedMs),
			},
			Booked: pay.Fen(r.Booked), Untold: r.Untold,
		}
	}), nil
}

// DayBill sums the lines in force of a day's bill by kind, without those of items
// that were closed with an earlier day, and of failed refunds as BillOfItem. Only Kind, Lines and Total are set.
func (s *Store) DayBill(ctx context.Context, k ReconKey, date string) ([]BillSum, error) {
	rows, err := s.read.SumDayBill(ctx, sqlcgen.SumDayBillParams{MerchantID: k.MerchantID, Channel: string(k.Channel), BillDay: k.Day, Date: date})
	if err != nil {
		return nil, fmt.Errorf("sum the bill of %s: %w", k.Day, err)
	}
	return mapped(rows, func(r sqlcgen.SumDayBillRow) BillSum {
		return BillSum{Kind: r.Kind, Lines: r.Lines, Total: pay.Fen(r.Total)}
	}), nil
}

// BillOfItem sums the lines in force of one item in one day's bill: what came in, and
// what went back. A refund that the wallet calls failed is none, unless it counts on
// date, the day that is closed.
func (s *Store) BillOfItem(ctx context.Context, k ReconKey, item, date string) (in, back pay.Fen, err error) {
	n, err := s.read.SumBillOfItem(ctx, sqlcgen.SumBillOfItemParams{MerchantID: k.MerchantID, Channel: string(k.Channel), BillDay: k.Day, Item: item, Date: date})
	if err != nil {
		return 0, 0, fmt.Errorf("read %s in the bill of %s: %w", item, k.Day, err)
	}
	return pay.Fen(n.Came), pay.Fen(n.Back), nil
}

// StatementLine is one item of a closed day as its merchant reads it.
type StatementLine struct {
	Item       string
	Channel    pay.Channel
	OutTradeNo string
	At         time.Time
	Amount     pay.Fen
	Settle     pay.Fen
	Fee        pay.Fen // by the bills, negative for what came back; 0 if there is none
}

// Statement reads at most limit items of a closed day behind one, in the order
// of the database.
func (s *Store) Statement(ctx context.Context, merchantID, date, after string, limit int) ([]StatementLine, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read statement: limit is out of range")
	}
	rows, err := s.read.ListStatement(ctx, sqlcgen.ListStatementParams{MerchantID: merchantID, Date: date, After: after, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read statement of %s: %w", date, err)
	}
	return mapped(rows, func(r sqlcgen.ListStatementRow) StatementLine {
		return StatementLine{r.Item, pay.Channel(r.Channel), r.OutTradeNo, at(r.AtMs), pay.Fen(r.Amount), pay.Fen(r.Settle), pay.Fen(r.Fee)}
	}), nil
}

// BilledOrder is an order that a line of a bill confirms.
type BilledOrder struct {
	Line       int64
	OutTradeNo string
}

// BilledOrders reads at most limit orders that a day's bill confirms and that do
// not rest on a bill yet, by their lines, behind one; -1 is before the first.
func (s *Store) BilledOrders(ctx context.Context, k ReconKey, after int64, limit int) ([]BilledOrder, error) {
	if limit < 1 || limit > maxList {
		return nil, errors.New("read billed orders: limit is out of range")
	}
	rows, err := s.read.ListBilledOrders(ctx, sqlcgen.ListBilledOrdersParams{
		MerchantID: k.MerchantID, Channel: string(k.Channel), BillDay: k.Day, After: after, RowLimit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read orders in the bill of %s: %w", k.Day, err)
	}
	return mapped(rows, func(r sqlcgen.ListBilledOrdersRow) BilledOrder { return BilledOrder(r) }), nil
}
