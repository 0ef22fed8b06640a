package day

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// Config is what days are closed from.
type Config struct {
	Store *store.Store
	// Vault returns the key that the signing keys are sealed with.
	Vault func(context.Context) (*secret.DataKey, error)
	// Trust notes that an order rests on the wallet's bill, as the gateway does
	// it; nil notes nothing.
	Trust func(ctx context.Context, merchantID, outTradeNo string) error
	Now   func() time.Time
	Log   *slog.Logger
}

// Days closes days and reads closed ones. It is safe for concurrent use; of two
// that close the same day one gets ErrBusy.
type Days struct{ c Config }

// New returns days on a store.
func New(c Config) *Days { return &Days{c} }

// Errors of closing a day.
var (
	// ErrClosed says that the day is closed. It is never rewritten: what became
	// known since is in the record of a later day.
	ErrClosed = errors.New("the day is closed already; what became known since is an adjustment in a later day")
	// ErrBill says that a bill of the day is not reconciled yet.
	ErrBill = errors.New("not reconciled yet")
	// ErrBusy says that somebody else closes a day of the merchant just now.
	ErrBusy = errors.New("somebody else closes a day of this merchant just now: look again")
)

const (
	readPage = 1000 // rows that are read at once
	// slack is how much earlier than a moment of a wallet a row may have been
	// written here, by clocks that do not agree.
	slack = time.Hour
)

// channels are the wallets that a day has, in the order of the record.
var channels = []pay.Channel{pay.Alipay, pay.Wxpay}

// closing is one day on its way.
type closing struct {
	*Days
	merchant, date string
	from, to       time.Time
	start          time.Time // when reading began
	firstDate      string    // of the chain
	last           store.ClosedDay
	unit           string
	pending        []store.DayItem
	runs           map[pay.Channel]string // where each bill stood when reading began: its run's unit, "" for none
}

// Close closes a day of a merchant and returns its record. The first day that is
// closed begins the chain; after that days are closed one after the other. Every
// wallet at which the merchant had anything must be reconciled for that day,
// unless withoutBill says that there will be no bill: such a day is not balanced.
func (d *Days) Close(ctx context.Context, merchantID, date string, withoutBill bool) (Record, error) {
	rec, err := d.close(ctx, merchantID, date, withoutBill)
	if err != nil {
		return rec, fmt.Errorf("close %s of merchant %s: %w", date, merchantID, err)
	}
	return rec, nil
}

func (d *Days) close(ctx context.Context, merchantID, date string, withoutBill bool) (Record, error) {
	c, err := d.begin(ctx, merchantID, date)
	if err != nil {
		return Record{}, err
	}
	if err := c.lookAtBills(ctx); err != nil {
		return Record{}, err
	}
	if c.unit, err = d.c.Store.DraftDay(ctx, merchantID, date); err != nil {
		return Record{}, err
	}
	if err := c.collect(ctx); err != nil {
		return Record{}, err
	}
	rec, err := c.record(ctx, withoutBill)
	if err != nil {
		return Record{}, err
	}
	return c.finish(ctx, rec)
}

// begin checks whether the day may be closed now.
func (d *Days) begin(ctx context.Context, merchantID, date string) (*closing, error) {
	from, to, err := ParseDate(date)
	if err != nil {
		return nil, err
	}
	c := &closing{Days: d, merchant: merchantID, date: date, from: from, to: to, start: d.c.Now().Truncate(time.Millisecond), firstDate: date}
	if c.start.Before(to) {
		return nil, errors.New("the day is not over")
	}
	first, last, err := d.c.Store.EndDays(ctx, merchantID)
	switch {
	case errors.Is(err, pay.ErrNotFound):
		return c, nil
	case err != nil:
		return nil, err
	case date <= last.Date && date >= first.Date:
		return nil, ErrClosed
	case date != nextDate(last.Date):
		return nil, fmt.Errorf("days are closed one after the other: the next is %s", nextDate(last.Date))
	}
	c.firstDate, c.last = first.Date, last
	return c, nil
}

// since is how far back rows may have been written that this day is about.
func (c *closing) since() time.Time {
	since := c.from
	if !c.last.ClosedAt.IsZero() && c.last.ClosedAt.Before(since) {
		since = c.last.ClosedAt
	}
	return since.Add(-slack)
}

// collect writes down how the items of the day stand, and those of closed days
// that stand differently now.
func (c *closing) collect(ctx context.Context) error {
	for p := (store.DayPage{After: c.since()}); ; {
		page, err := c.c.Store.DayOrders(ctx, c.merchant, p, readPage)
		if err != nil {
			return err
		}
		for _, o := range page {
			p = store.DayPage{After: o.Order.UpdatedAt, Number: o.Order.OutTradeNo}
			for _, i := range itemsOf(o) {
				if err := c.put(ctx, i); err != nil {
					return err
				}
			}
		}
		if len(page) < readPage {
			break
		}
	}
	for p := (store.DayPage{After: c.since()}); ; {
		page, err := c.c.Store.DayRefunds(ctx, c.merchant, p, readPage)
		if err != nil {
			return err
		}
		for _, r := range page {
			p = store.DayPage{After: r.Refund.UpdatedAt, Number: r.Refund.OutRefundNo}
			if err := c.put(ctx, itemOf(r)); err != nil {
				return err
			}
		}
		if len(page) < readPage {
			break
		}
	}
	return c.flush(ctx)
}

// put keeps an item if it is of this day, or of a closed one and not as it was.
func (c *closing) put(ctx context.Context, i store.DayItem) error {
	was, err := c.c.Store.DayItemBefore(ctx, c.merchant, i.Item, c.date)
	if err != nil && !errors.Is(err, pay.ErrNotFound) {
		return err
	}
	i.WasDate, i.WasAmount = was.OwnDate, was.Amount
	switch {
	case i.OwnDate > c.date: // it counts on its own day; here it only leaves
		i.OwnDate, i.Amount, i.Settle, i.Booked, i.Told = "", 0, 0, 0, true
	case i.OwnDate < c.firstDate: // of a day before the chain
		i.OwnDate, i.Amount = "", 0
	}
	if i.OwnDate == was.OwnDate && i.Amount == was.Amount {
		return nil
	}
	if c.pending = append(c.pending, i); len(c.pending) < store.MaxDayItems {
		return nil
	}
	return c.flush(ctx)
}

func (c *closing) flush(ctx context.Context) error {
	if len(c.pending) == 0 {
		return nil
	}
	next, won, err := c.c.Store.PutDayItems(ctx, c.merchant, c.date, c.unit, c.pending)
	if err != nil {
		return err
	}
	if !won {
		return ErrBusy
	}
	c.unit, c.pending = next, c.pending[:0]
	return nil
}

// itemsOf returns the payment of an order, and its reversal if there is one. Late
// money is a payment too: the wallet's bill has it.
func itemsOf(o store.DayOrder) []store.DayItem {
	n := o.Order
	in := store.DayItem{
		Item: "payment:" + n.OutTradeNo, Channel: n.Channel, OutTradeNo: n.OutTradeNo, At: n.PaidAt, Booked: o.BookedIn,
		Told: n.State != pay.PAID || !o.UntoldIn,
	}
	if n.State == pay.PAID || n.PaidSeen || n.Late != pay.LateNone {
		in.OwnDate, in.Amount, in.Settle = DateOf(n.PaidAt), n.Total, n.Settlement
	}
	items := []store.DayItem{in}
	undone := n.State == pay.REVERSED && n.PaidSeen && n.Late == pay.LateNone || n.Late == pay.LateReturned
	if undone && n.Reserved == 0 || o.BookedBack != 0 {
		at := n.UndoneAt()
		back := store.DayItem{
			Item: "reversal:" + n.OutTradeNo, Channel: n.Channel, OutTradeNo: n.OutTradeNo, At: at, Booked: o.BookedBack, Told: !o.UntoldBack,
			OwnDate: DateOf(at),
		}
		if undone && n.Reserved == 0 {
			back.Amount, back.Settle = n.Total, n.Settlement
		}
		items = append(items, back)
	}
	return items
}

// itemOf returns the refund, on the day of its acceptance (money.md §7), which
// with Alipay is when it was made, as in its bill.
func itemOf(r store.DayRefund) store.DayItem {
	n := r.Refund
	i := store.DayItem{
		Item: "refund:" + n.OutRefundNo, Channel: n.Channel, OutTradeNo: n.OutTradeNo, At: n.SentAt, Booked: r.Booked, Told: !r.Untold,
	}
	if i.At.IsZero() || n.Channel == pay.Alipay && !n.SucceededAt.IsZero() {
		i.At = n.SucceededAt
	}
	if n.State != pay.RefundRejected {
		i.OwnDate, i.Amount, i.Settle = DateOf(i.At), n.Amount, n.Settlement
	}
	return i
}

// record sums up what was collected.
func (c *closing) record(ctx context.Context, withoutBill bool) (Record, error) {
	rec := Record{Merchant: c.merchant, Date: c.date, Number: c.last.Number + 1, Previous: c.last.Hash}
	sums := make(map[pay.Channel]*Channel)
	for _, ch := range channels {
		sums[ch] = &Channel{Channel: ch, BillState: BillAbsent}
	}
	var hashes [][sha256.Size]byte
	for after := ""; ; {
		page, err := c.c.Store.DayItems(ctx, c.merchant, c.date, after, readPage)
		if err != nil {
			return rec, err
		}
		for _, i := range page {
			after = i.Item
			ch := sums[i.Channel]
			if ch == nil {
				return rec, fmt.Errorf("item %s is of the channel %q", i.Item, i.Channel)
			}
			rec.adjust(i)
			if i.OwnDate == c.date {
				rec.count(ch, i)
				hashes = append(hashes, sha256.Sum256(ItemLine(i)))
			}
		}
		if len(page) < readPage {
			break
		}
	}
	rec.Items, rec.ItemsSHA256 = int64(len(hashes)), together(hashes)
	for _, name := range channels {
		ch := sums[name]
		used, err := c.bill(ctx, &rec, ch, withoutBill)
		if err != nil {
			return rec, err
		}
		if used {
			rec.Channels = append(rec.Channels, *ch)
		}
	}
	rec.Balanced = rec.agrees()
	return rec, nil
}

// agrees reports whether the sums of every channel are the same and nothing is
// open. What an explained or repaired difference of a bill stands for may part
// the bill's sum from the others; that it accounts for all of it was looked at.
func (r *Record) agrees() bool {
	for _, ch := range r.Channels {
		if ch.Orders != ch.Ledger || ch.Orders != ch.Callbacks || ch.BillState != BillReconciled {
			return false
		}
	}
	return r.MoreDiffs == 0 && !slices.ContainsFunc(r.Differences, func(d Difference) bool { return d.State == store.DiffOpen })
}

// ItemLine is how an item goes into a record's items_sha256: the SHA-256 of the
// sorted SHA-256s of these lines.
func ItemLine(i store.DayItem) []byte {
	raw, err := json.Marshal([]any{i.Item, i.Channel, i.OutTradeNo, i.At.UnixMilli(), int64(i.Amount), int64(i.Settle)})
	if err != nil {
		panic("day: strings and numbers do not encode: " + err.Error())
	}
	return raw
}

// together is one hash of many, whatever their order.
func together(hashes [][sha256.Size]byte) string {
	slices.SortFunc(hashes, func(a, b [sha256.Size]byte) int { return strings.Compare(string(a[:]), string(b[:])) })
	h := sha256.New()
	for _, v := range hashes {
		_, _ = h.Write(v[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// isPayment tells payments from what goes back.
func isPayment(item string) bool { return strings.HasPrefix(item, "payment:") }

// sumsOf is one amount on its side.
func sumsOf(item string, amount pay.Fen) Sums {
	if isPayment(item) {
		return Sums{InCount: 1, In: amount}
	}
	return Sums{BackCount: 1, Back: amount}
}

// count adds an item to the sums of its channel.
func (r *Record) count(ch *Channel, i store.DayItem) {
	ch.Orders = ch.Orders.Plus(sumsOf(i.Item, i.Amount))
	if i.Booked != 0 {
		ch.Ledger = ch.Ledger.Plus(sumsOf(i.Item, i.Booked))
	}
	if i.Booked != i.Amount {
		r.differ(Difference{DiffLedger, i.Channel, i.Item, i.Amount, i.Booked, store.DiffOpen, "the books of this order differ: cloudpay ledger check"})
	}
	if i.Told {
		ch.Callbacks = ch.Callbacks.Plus(sumsOf(i.Item, i.Amount))
	} else {
		r.differ(Difference{DiffCallback, i.Channel, i.Item, i.Amount, 0, store.DiffOpen, "the merchant has not acknowledged it"})
	}
}

// adjust notes what has changed of closed days.
func (r *Record) adjust(i store.DayItem) {
	switch {
	case i.WasDate == i.OwnDate && i.OwnDate != r.Date: // of one closed day
		r.correct(i.WasDate, i, i.Amount-i.WasAmount)
		return
	case i.WasDate != "":
		r.correct(i.WasDate, i, -i.WasAmount)
	}
	if i.OwnDate != "" && i.OwnDate != r.Date {
		r.correct(i.OwnDate, i, i.Amount)
	}
}

func (r *Record) correct(date string, i store.DayItem, by pay.Fen) {
	if len(r.Adjustments) >= maxListed {
		r.MoreAdjusts++
		return
	}
	a := Adjustment{Of: date, Channel: i.Channel, Item: i.Item, Back: by}
	if isPayment(i.Item) {
		a.In, a.Back = by, 0
	}
	r.Adjustments = append(r.Adjustments, a)
}

func (r *Record) differ(d Difference) {
	if len(r.Differences) >= maxListed {
		r.MoreDiffs++
		return
	}
	r.Differences = append(r.Differences, d)
}

// finish signs the record and writes it.
func (c *closing) finish(ctx context.Context, rec Record) (Record, error) {
	rec.ClosedAt = c.start.UTC().Format("2006-01-02T15:04:05.000Z")
	key, err := c.signer(ctx)
	if err != nil {
		return rec, err
	}
	if c.last.Number > 0 {
		if rec.Endorsement, err = c.endorse(ctx, c.last, key); err != nil {
			return rec, err
		}
	}
	s, err := Sign(rec, key)
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(s.Bytes, &rec); err != nil { // as it stands in files
		return rec, err
	}
	if line, err := s.Line(); err != nil || len(line) > maxLine {
		return rec, errors.Join(errors.New("the record is too long"), err)
	}
	won, err := c.c.Store.CloseDay(ctx, store.ClosedDay{
		MerchantID: c.merchant, Number: rec.Number, Date: c.date, Hash: s.Hash(), Record: string(s.Bytes),
		Signature: base64.StdEncoding.EncodeToString(s.Signature), ClosedAt: c.start,
	}, c.unit)
	if err == nil && !won {
		err = ErrBusy
	}
	if err != nil {
		return rec, err
	}
	c.c.Log.InfoContext(ctx, "day closed", slog.String("merchant_id", c.merchant), slog.String("date", c.date), slog.Int64("items", rec.Items),
		slog.Bool("balanced", rec.Balanced), slog.Int("differences", len(rec.Differences)), slog.Int("adjustments", len(rec.Adjustments)), slog.String("hash", s.Hash()))
	return rec, nil
}
