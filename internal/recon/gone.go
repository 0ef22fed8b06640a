package recon

import (
	"context"
	"errors"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// cameAndWent books payments that a bill has of orders which ended unpaid in our
// books and are known to have gone back (decision 0066). b has the orders as they
// stand afterwards.
func (r *Recon) cameAndWent(ctx context.Context, m *directory.Merchant, b *books, lines []store.ReconLine) error {
	for _, l := range lines {
		o, ours := b.orders[l.OutTradeNo]
		back := l.Item == reversalItem(l.OutTradeNo)
		if !ours || !back && l.Item != paymentItem(l.OutTradeNo) {
			continue
		}
		if o.State.Final() && !booked(o) {
			in, out, err := r.bothLines(ctx, b.run.ReconKey, o.OutTradeNo)
			if err != nil {
				return err
			}
			if in == nil {
				continue
			}
			billed := pay.BilledPayment{TransactionID: in.TransactionID, Total: in.Total, Settlement: in.Settlement, PaidAt: in.At}
			if out != nil && out.Total == in.Total {
				billed.ReversedAt = out.At
			}
			if o, err = r.Gateway.CameAndWent(ctx, m, o, billed); err != nil {
				return err
			}
			b.orders[l.OutTradeNo] = o
		}
		if o.Late == pay.LateReturned {
			other := store.DiffKey{MerchantID: b.run.MerchantID, Channel: b.run.Channel, Item: reversalItem(o.OutTradeNo), Type: store.StateDiff}
			if back {
				other.Item, other.Type = paymentItem(o.OutTradeNo), store.WalletMore
			}
			if err := r.otherDay(ctx, b.run, o, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// bothLines finds the lines in force of an order's payment and of its reversal,
// nil for none. One that came twice is no proof of anything.
func (r *Recon) bothLines(ctx context.Context, k store.ReconKey, no string) (in, out *store.BillLine, err error) {
	one := func(item string) *store.BillLine {
		list, e := r.Store.LinesOfItem(ctx, k.MerchantID, k.Channel, item)
		if err = errors.Join(err, e); len(list) != 1 {
			return nil
		}
		return &list[0]
	}
	in, out = one(paymentItem(no)), one(reversalItem(no))
	return in, out, err
}

// otherDay has the day of an order's other line compared again that has found it a
// difference: it is booked, now that the bill of this day is there. That a person has
// explained the difference meanwhile books no fee. A round that began after the order
// was booked is left alone, so that two days never begin each other for ever.
func (r *Recon) otherDay(ctx context.Context, run store.ReconRun, o pay.Order, other store.DiffKey) error {
	d, err := r.Store.Diff(ctx, other)
	if errors.Is(err, pay.ErrNotFound) {
		return nil
	}
	if err != nil || d.Day == run.Day {
		return err
	}
	k := run.ReconKey
	k.Day = d.Day
	was, err := r.Store.ReconRun(ctx, k)
	if err != nil {
		return err
	}
	if was.StartedAt.Before(o.UpdatedAt) || was.Step == store.ReconDone && d.State == store.DiffOpen {
		return r.compareAgain(ctx, was)
	}
	return nil
}
