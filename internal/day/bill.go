package day

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// maxDiffs is how many differences of one bill are looked at: the most that the
// store hands out at once.
const maxDiffs = 10_000

// run reads how far a bill of the day is; found says that it is planned.
func (c *closing) run(ctx context.Context, ch pay.Channel) (run store.ReconRun, found bool, err error) {
	run, err = c.c.Store.ReconRun(ctx, store.ReconKey{MerchantID: c.merchant, Channel: ch, Day: strings.ReplaceAll(c.date, "-", "")})
	if errors.Is(err, pay.ErrNotFound) {
		return run, false, nil
	}
	return run, err == nil, err
}

// lookAtBills notes how far the bills are before anything is read: reconciliation
// books, and what it books behind a page that was read would be in the bill's sum
// alone.
func (c *closing) lookAtBills(ctx context.Context) error {
	c.runs = make(map[pay.Channel]string)
	for _, ch := range channels {
		run, _, err := c.run(ctx, ch)
		if err != nil {
			return err
		}
		c.runs[ch] = run.Unit
	}
	return nil
}

// bill fills in what the wallet's bill says of the day, and how it differs. used
// says that the channel has anything to do with the day.
func (c *closing) bill(ctx context.Context, rec *Record, ch *Channel, withoutBill bool) (used bool, err error) {
	run, found, err := c.run(ctx, ch.Channel)
	switch {
	case err != nil:
		return false, err
	case !found && ch.Orders == Sums{}:
		return false, nil
	case run.Step != store.ReconDone && !withoutBill:
		return false, fmt.Errorf("the bill of %s is %w", ch.Channel, ErrBill)
	case run.Step != store.ReconDone:
		return true, nil
	case run.Unit != c.runs[ch.Channel]:
		return false, fmt.Errorf("the bill of %s, when the day was read, was %w", ch.Channel, ErrBill)
	}
	key := run.ReconKey
	ch.BillState = BillReconciled
	sums, err := c.c.Store.DayBill(ctx, key, c.date)
	if err != nil {
		return false, err
	}
	for _, s := range sums {
		if isPayment(s.Kind + ":") {
			ch.Bill = ch.Bill.Plus(Sums{InCount: s.Lines, In: s.Total})
		} else {
			ch.Bill = ch.Bill.Plus(Sums{BackCount: s.Lines, Back: s.Total})
		}
	}
	if err := c.trust(ctx, key); err != nil {
		return false, err
	}
	return true, c.differences(ctx, rec, ch, key)
}

// trust notes of every order that the bill confirms that it does. Whoever is
// interrupted here closes the day once more.
func (c *closing) trust(ctx context.Context, key store.ReconKey) error {
	if c.c.Trust == nil {
		return nil
	}
	for after := int64(-1); ; {
		page, err := c.c.Store.BilledOrders(ctx, key, after, readPage)
		if err != nil {
			return err
		}
		for _, o := range page {
			if err := c.c.Trust(ctx, c.merchant, o.OutTradeNo); err != nil {
				return fmt.Errorf("note that the bill confirms order %s: %w", o.OutTradeNo, err)
			}
			after = o.Line
		}
		if len(page) < readPage {
			return nil
		}
	}
}

// differences lists what reconciliation has found, and what of the sums that does
// not account for.
func (c *closing) differences(ctx context.Context, rec *Record, ch *Channel, key store.ReconKey) error {
	diffs, err := c.c.Store.Diffs(ctx, store.DiffFilter{MerchantID: c.merchant, Channel: ch.Channel, FromDay: key.Day, ToDay: key.Day, Limit: maxDiffs})
	if err != nil {
		return err
	}
	in, back, seen := ch.Orders.In-ch.Bill.In, ch.Orders.Back-ch.Bill.Back, map[string]bool{}
	account := func(ours, theirs Sums) {
		in -= ours.In - theirs.In
		back -= ours.Back - theirs.Back
	}
	for _, d := range diffs {
		rec.differ(Difference{"bill_" + string(d.Type), ch.Channel, d.Item, d.Ours, d.Theirs, d.State, d.Why})
		for _, item := range stoodFor(d) {
			if seen[item] {
				continue
			}
			seen[item] = true
			ours, theirs, err := c.both(ctx, key, item)
			if err != nil {
				return err
			}
			account(ours, theirs)
		}
	}
	beside, err := c.beside(ctx, key, seen)
	if err != nil {
		return err
	}
	for _, e := range beside {
		d := e.Diff
		rec.differ(Difference{"bill_" + string(d.Type), ch.Channel, d.Item, d.Ours, d.Theirs, d.State, d.Why})
		account(e.ours, e.theirs)
	}
	if in != 0 || back != 0 {
		rec.differ(Difference{
			DiffSum, ch.Channel, "", ch.Orders.net(), ch.Bill.net(), store.DiffOpen,
			fmt.Sprintf("%s of what came in and %s of what went back are not in any difference of the bill", in, back),
		})
	}
	return nil
}

// stoodFor are the items that a difference stands for. A payment that the bill tells
// as returned is no payment in it, and has no other difference.
func stoodFor(d store.Diff) []string {
	item, _, _ := strings.Cut(d.Item, "#") // a line that came twice has its number behind
	if d.Type == store.StateDiff && item == "reversal:"+d.OutTradeNo {
		return []string{item, "payment:" + d.OutTradeNo}
	}
	return []string{item}
}

// edge is a difference of date that the bill of a neighbouring day has, and what its
// item counts in this day.
type edge struct {
	store.Diff
	ours, theirs Sums
}

// beside finds the differences of date of the days before and after that this day is
// the other half of: its orders have what the other bill has, or the other way round.
// What this day's own differences account for, as seen says, is left out.
func (c *closing) beside(ctx context.Context, key store.ReconKey, seen map[string]bool) (list []edge, err error) {
	for _, by := range []int{-1, 1} {
		other := key
		other.Day = c.from.In(shanghai).AddDate(0, 0, by).Format("20060102")
		diffs, err := c.c.Store.Diffs(ctx, store.DiffFilter{MerchantID: c.merchant, Channel: key.Channel, FromDay: other.Day, ToDay: other.Day, Limit: maxDiffs})
		if err != nil {
			return nil, err
		}
		for _, d := range diffs {
			if d.Type != store.DateEdge || seen[d.Item] {
				continue
			}
			e := edge{Diff: d}
			if e.ours, e.theirs, err = c.both(ctx, key, d.Item); err != nil {
				return nil, err
			}
			if e.ours == e.theirs {
				continue // neither half is of this day, or both are
			}
			if e.ours != (Sums{}) { // a line that the other bill has no more explains nothing
				there, err := c.billOf(ctx, other, d.Item)
				if err != nil {
					return nil, err
				}
				if there != e.ours {
					continue
				}
			}
			seen[d.Item] = true
			list = append(list, e)
		}
	}
	return list, nil
}

// both returns what an item counts in this day by our orders and by the bill, as sums
// without counts.
func (c *closing) both(ctx context.Context, key store.ReconKey, item string) (ours, theirs Sums, err error) {
	i, err := c.c.Store.DayItemBefore(ctx, c.merchant, item, c.date+"~") // the day itself is before that
	switch {
	case errors.Is(err, pay.ErrNotFound):
	case err != nil:
		return ours, theirs, err
	case i.Channel != key.Channel: // the number is ours at the other wallet
	case i.OwnDate == c.date && isPayment(item):
		ours.In = i.Amount
	case i.OwnDate == c.date:
		ours.Back = i.Amount
	case i.OwnDate != "" || i.WasDate != "": // counted with an earlier day, as the bill's sum is
		return ours, theirs, nil
	}
	theirs, err = c.billOf(ctx, key, item)
	return ours, theirs, err
}

// billOf is what a bill has of an item. A refund may be told as a payment.
func (c *closing) billOf(ctx context.Context, key store.ReconKey, item string) (s Sums, err error) {
	s.In, s.Back, err = c.c.Store.BillOfItem(ctx, key, item, c.date)
	return s, err
}
