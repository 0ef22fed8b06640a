package recon

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

const (
	// chunk is how many bytes of a bill are kept as one row.
	chunk = 1 << 20
	// linesAtOnce is how many lines one unit of work writes.
	linesAtOnce = 100
	// longBill is from how many lines on the database is told of them.
	longBill = 1000
)

// fetch gets the trade bill and keeps it. A bill that came before and is the
// same byte for byte stays the version in use.
func (r *Recon) fetch(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	biller, sub, err := r.biller(ctx, run.ReconKey)
	if err != nil {
		return run, err
	}
	day, err := ParseDay(run.Day)
	if err != nil {
		return run, err
	}
	over, now := day.AddDate(0, 0, 1), r.now()
	if ready := over.Add(readyAfter); now.Before(ready) {
		return run, &wait{ready, "账单每天10点后可取"}
	}
	out := biller.Bill(ctx, channel.BillRequest{Kind: channel.BillTrade, Day: day, Merchant: sub})
	if err := r.usable(ctx, run, out); err != nil {
		return run, err
	}
	if out.Empty && now.Before(over.Add(believeEmpty)) {
		traded, err := r.traded(ctx, run.ReconKey, day)
		if err != nil {
			return run, err
		}
		if traded {
			return run, &wait{now.Add(askAgain), "钱包称没有账单，而当日有交易：可能尚未生成"}
		}
	}
	step := next(run, store.ReconLines)
	step.Bill, err = r.keep(ctx, run.ReconKey, channel.BillTrade, out)
	if err != nil {
		return run, err
	}
	step.To.Version, step.To.Lines = step.Bill.Version, 0
	if step.Bill.FetchedAt.IsZero() {
		step.Bill = nil // it is there
	}
	return r.commit(ctx, step)
}

// usable returns why a bill cannot be used, nil if it can. Bytes that arrived
// and cannot be read are kept for a person.
func (r *Recon) usable(ctx context.Context, run store.ReconRun, out channel.BillOutcome) error {
	switch out.Kind {
	case pay.Paid:
		return nil
	case pay.Waiting:
		return &wait{r.now().Add(askAgain), "账单生成中"}
	case pay.Declined, pay.Unknown:
	}
	if len(out.Raw) > 0 {
		sum, err := r.keepBytes(ctx, run.MerchantID, out.Raw)
		if err != nil {
			return err
		}
		r.Log.ErrorContext(ctx, "needs an operator", slog.String("merchant_id", run.MerchantID), slog.String("channel", string(run.Channel)),
			slog.String("day", run.Day), slog.String("sha256", sum), slog.String("why", "a bill arrived that cannot be used; its bytes are kept"))
	}
	if out.Err != nil {
		return fmt.Errorf("the bill of %s cannot be used: %w", run.Day, out.Err)
	}
	return fmt.Errorf("the wallet gave no bill of %s: %s %s %s", run.Day, out.Kind, out.Code, out.Text)
}

// traded reports whether our books have anything of a day that no bill of another
// day has. An order that was undone and never paid is in none.
func (r *Recon) traded(ctx context.Context, k store.ReconKey, day time.Time) (bool, error) {
	span := spanOf(k, day)
	orders, err := r.Store.ReconOrders(ctx, span, restAtOnce)
	if err != nil || len(orders) == restAtOnce {
		return err == nil, err
	}
	refunds, err := r.Store.ReconRefunds(ctx, span, restAtOnce)
	if err != nil || len(refunds) == restAtOnce {
		return err == nil, err
	}
	var list []expected
	for _, o := range orders {
		list = append(list, orderExpected(o)...)
	}
	for _, f := range refunds {
		if f.State == pay.RefundPending || f.State == pay.RefundRejected { // the wallet may have it
			return true, nil
		}
		list = append(list, refundExpected(f)...)
	}
	for _, e := range list {
		if DayOf(e.at) != DayOf(day) {
			continue // its other movement was on this day
		}
		there, err := r.Store.LinesOfItem(ctx, k.MerchantID, k.Channel, e.item)
		elsewhere := slices.ContainsFunc(there, func(l store.BillLine) bool { return l.Day != DayOf(day) })
		if err != nil || !elsewhere {
			return err == nil, err
		}
	}
	return false, nil
}

// spanOf is what moved on a day.
func spanOf(k store.ReconKey, day time.Time) store.ReconSpan {
	return store.ReconSpan{MerchantID: k.MerchantID, Channel: k.Channel, From: day, To: day.AddDate(0, 0, 1), After: day.Add(-skew)}
}

// keep stores a bill's bytes and returns its row: a new version, or with a zero
// FetchedAt the newest one, if that is the same.
func (r *Recon) keep(ctx context.Context, k store.ReconKey, kind channel.BillKind, out channel.BillOutcome) (*store.Bill, error) {
	sum, err := r.keepBytes(ctx, k.MerchantID, out.Raw)
	if err != nil {
		return nil, err
	}
	before, err := r.Store.Bills(ctx, k, string(kind))
	if err != nil {
		return nil, err
	}
	b := &store.Bill{
		ReconKey: k, Kind: string(kind), Version: 1, SHA256: sum, Announced: strings.TrimSpace(out.HashType + " " + out.Hash),
		Bytes: int64(len(out.Raw)), Empty: out.Empty, FetchedAt: r.now(),
	}
	if len(before) > 0 {
		if b.Version = before[0].Version + 1; before[0].SHA256 == sum && before[0].Empty == out.Empty {
			b.Version, b.FetchedAt = before[0].Version, time.Time{}
		}
	}
	return b, nil
}

// keepBytes stores the bytes of a bill in pieces and returns their SHA-256. A
// piece that is there already was written by an attempt that was cut off.
func (r *Recon) keepBytes(ctx context.Context, merchantID string, raw []byte) (sum string, err error) {
	h := sha256.Sum256(raw)
	sum = hex.EncodeToString(h[:])
	n := int64(0)
	for piece := range slices.Chunk(raw, chunk) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err = z.Write(piece); err == nil {
			err = z.Close()
		}
		if err == nil {
			err = r.Store.PutBillChunk(ctx, merchantID, sum, n, b.Bytes())
		}
		if err != nil {
			return "", fmt.Errorf("keep the bill: %w", err)
		}
		n++
	}
	return sum, nil
}

// Raw reads the bytes of a bill back and checks them.
func (r *Recon) Raw(ctx context.Context, b store.Bill) ([]byte, error) {
	raw := make([]byte, 0, min(b.Bytes, channel.MaxBill))
	for n := int64(0); int64(len(raw)) < b.Bytes; n++ {
		packed, err := r.Store.BillChunk(ctx, b.MerchantID, b.SHA256, n)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, fmt.Errorf("read the bill: %w", err)
		}
		piece, err := io.ReadAll(io.LimitReader(z, chunk+1))
		if err != nil {
			return nil, fmt.Errorf("read the bill: %w", err)
		}
		raw = append(raw, piece...)
	}
	if h := sha256.Sum256(raw); hex.EncodeToString(h[:]) != b.SHA256 {
		return nil, errors.New("read the bill: its bytes are not those that were kept")
	}
	return raw, nil
}

// bill returns the version in use of a bill of a run.
func (r *Recon) bill(ctx context.Context, k store.ReconKey, kind channel.BillKind, version int64) (store.Bill, error) {
	list, err := r.Store.Bills(ctx, k, string(kind))
	if err != nil {
		return store.Bill{}, err
	}
	for _, b := range list {
		if b.Version == version {
			return b, nil
		}
	}
	return store.Bill{}, fmt.Errorf("the %s bill of %s has no version %d", kind, k.Day, version)
}

// parsed reads a kept bill.
func (r *Recon) parsed(ctx context.Context, k store.ReconKey, kind channel.BillKind, version int64) (channel.Bill, error) {
	b, err := r.bill(ctx, k, kind, version)
	if err != nil || b.Empty {
		return channel.Bill{}, err
	}
	biller, _, err := r.biller(ctx, k)
	if err != nil {
		return channel.Bill{}, err
	}
	raw, err := r.Raw(ctx, b)
	if err != nil {
		return channel.Bill{}, err
	}
	return biller.ParseBill(raw)
}

// lines writes the merchant's lines of the kept bill, one unit of work after the
// other, from where the run stands, and what the account has of no merchant as
// differences of the provider. Writing them again writes nothing.
func (r *Recon) lines(ctx context.Context, run store.ReconRun) (store.ReconRun, error) {
	bill, err := r.parsed(ctx, run.ReconKey, channel.BillTrade, run.Version)
	if err != nil {
		return run, err
	}
	of, err := r.owners(ctx, run, bill)
	if err != nil {
		return run, err
	}
	from, err := position(run)
	if err != nil {
		return run, err
	}
	from = min(max(from, 0), int64(len(bill.Lines)))
	n := of.mine(bill.Lines[:from])
	var drop store.Clear
	if n != run.Lines { // whose they are has changed since
		from, n, drop = 0, 0, store.ClearLines
	}
	if from == 0 && of.mine(bill.Lines) < int64(len(bill.Lines)) {
		drop = store.ClearLines // the account may have been the merchant's alone when they were written
	}
	for i, l := range bill.Lines[:from] {
		if of.whose(l.OutTradeNo) == providers {
			of.unclaimed(run, l, int64(i), r.now()) // it is noted: its name is taken
		}
	}
	at := from - 1
	for batch := range slices.Chunk(bill.Lines[from:], linesAtOnce) {
		step := next(run, store.ReconLines)
		step.Clear = drop
		for _, l := range batch {
			at++
			switch of.whose(l.OutTradeNo) {
			case ours:
				step.Lines = append(step.Lines, lineOf(l, at))
				n++
			case providers:
				step.Diffs = append(step.Diffs, of.unclaimed(run, l, at, r.now()))
			case others:
			}
		}
		if len(step.Lines)+len(step.Diffs) == 0 && drop == store.ClearNothing {
			continue
		}
		drop = store.ClearNothing
		step.To.Lines, step.To.Position = n, strconv.FormatInt(at+1, 10)
		unit, there := run.Unit, step.To.Position
		if run, err = r.commit(ctx, step); err != nil {
			return run, err
		}
		if run.Step != store.ReconLines || run.Position != there || run.Unit == unit {
			return run, nil // somebody else goes on with it
		}
	}
	if run.Lines >= longBill {
		if err := r.Store.LinesWritten(ctx); err != nil {
			return run, err
		}
	}
	return r.commit(ctx, next(run, store.ReconMatch))
}

// lineOf is a line as it is stored.
func lineOf(l channel.BillLine, n int64) store.BillLine {
	out := store.BillLine{
		Line: n, Kind: string(l.Kind), At: l.Time, OutTradeNo: number(l.OutTradeNo), TransactionID: number(l.TransactionID),
		OutRefundNo: number(l.OutRefundNo), RefundID: number(l.RefundID), State: storable(l.State), RefundState: storable(l.RefundState),
		Total: l.Total, Settlement: l.Settlement, Fee: l.Fee, Rate: storable(l.Rate),
	}
	switch {
	case out.OutRefundNo != "":
		out.Item = refundItem(out.OutRefundNo)
	case l.Kind == channel.BillPayment:
		out.Item = paymentItem(out.OutTradeNo)
	default: // Alipay tells a cancelled payment as a refund without a number
		out.Item = reversalItem(out.OutTradeNo)
	}
	return out
}

// Items name what a line is of.
func paymentItem(no string) string  { return "payment:" + no }
func refundItem(no string) string   { return "refund:" + no }
func reversalItem(no string) string { return "reversal:" + no }

// maxNumber is the longest number that is stored as it is, in bytes: a wallet's
// have 64 characters, and an index holds a few thousand bytes.
const maxNumber = 128

// number is a number as it is stored: a longer one than any wallet has is cut,
// and told from others by its hash, so that it stops no day.
func number(s string) string {
	if s = storable(s); len(s) <= maxNumber {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return storable(s[:maxNumber/2]) + "~" + hex.EncodeToString(h[:16])
}

// storable drops what no database keeps.
func storable(s string) string { return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "") }
