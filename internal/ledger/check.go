package ledger

import (
	"context"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

const (
	checkPage = 500 // orders that are read at once
	// checkAgain is how often an order is read again that somebody is just
	// writing, as far as the check can tell.
	checkAgain = 3
)

// Fault is one thing that is wrong in the books of a merchant. OutTradeNo is ""
// for a fault of the fold.
type Fault struct {
	MerchantID string
	OutTradeNo string
	Text       string
}

// Checked is what a check has looked at.
type Checked struct {
	Merchants, Orders, Faults int64
}

// Check compares the ledger of every order of a merchant with the order and its
// refunds (money.md §5): the legs sum to zero, P is what is reserved and not paid
// back, and M is the payment less accepted refunds and less a reverse. Then it
// compares the fold with the sum of all postings. It hands every fault to f and
// goes on. Payments may be made meanwhile: every page is one snapshot.
func (l *Ledger) Check(ctx context.Context, merchantID string, f func(Fault) error) (Checked, error) {
	n := Checked{Merchants: 1}
	found := func(no, text string) error {
		n.Faults++
		return f(Fault{merchantID, no, text})
	}
	for after := ""; ; {
		page, err := l.c.Store.BookedOrders(ctx, merchantID, after, checkPage)
		if err != nil {
			return n, err
		}
		for _, o := range page {
			for _, text := range wrong(o) {
				if err := found(o.Order.OutTradeNo, text); err != nil {
					return n, err
				}
			}
			after = o.Order.OutTradeNo
			n.Orders++
		}
		if len(page) < checkPage {
			break
		}
	}
	text, err := l.checkFold(ctx, merchantID)
	if err == nil && text != "" {
		err = found("", text)
	}
	return n, err
}

// CheckAll checks every merchant.
func (l *Ledger) CheckAll(ctx context.Context, f func(Fault) error) (Checked, error) {
	var all Checked
	err := l.merchants(ctx, func(id string) error {
		n, err := l.Check(ctx, id, f)
		all.Merchants, all.Orders, all.Faults = all.Merchants+n.Merchants, all.Orders+n.Orders, all.Faults+n.Faults
		return err
	})
	return all, err
}

// wrong says what is wrong in the books of one order.
func wrong(o store.BookedOrder) (texts []string) {
	var sum pay.Fen
	for _, v := range o.Balances {
		sum += v
	}
	if sum != 0 {
		texts = append(texts, fmt.Sprintf("its postings sum to %s, not to zero", sum))
	}
	m, p := o.Order.Books(o.Refunds)
	if got := -o.Balances[pay.AccMerchant]; got != m {
		texts = append(texts, fmt.Sprintf("M is %s and should be %s: paid less accepted refunds less reverses (%s)", got, m, o.Order.State))
	}
	if got := -o.Balances[pay.AccRefunding]; got != p {
		texts = append(texts, fmt.Sprintf("P is %s and should be %s: open reservations", got, p))
	}
	return texts
}

// checkFold compares the answer of the fold with the sum of all postings. What
// is booked between the two is not yet there to both, so they are asked for a
// moment that is over, and again if they differ.
func (l *Ledger) checkFold(ctx context.Context, merchantID string) (text string, err error) {
	for range checkAgain {
		before := l.c.Now().Add(-time.Minute)
		fast, err := l.c.Store.LedgerBalance(ctx, merchantID, before)
		if err != nil {
			return "", err
		}
		slow, err := l.c.Store.LedgerSlowly(ctx, merchantID, before)
		if err != nil {
			return "", err
		}
		if text = difference(together(fast), together(slow)); text == "" {
			return "", nil
		}
	}
	return text, nil
}

// difference says where two trial balances differ, "" for nowhere. An account
// with zero is one that is absent.
func difference(fold, postings []Balance) string {
	for i, v := range fold {
		fold[i].Amount = 0
		for _, w := range postings {
			if w.Channel == v.Channel && w.Account == v.Account {
				fold[i].Amount = w.Amount
			}
		}
		if fold[i].Amount != v.Amount {
			return fmt.Sprintf("the fold has %s on %s of %s and the postings sum to %s", v.Amount, v.Account, v.Channel, fold[i].Amount)
		}
	}
	for _, w := range postings {
		known := w.Amount == 0
		for _, v := range fold {
			known = known || w.Channel == v.Channel && w.Account == v.Account
		}
		if !known {
			return fmt.Sprintf("the fold has nothing on %s of %s and the postings sum to %s", w.Account, w.Channel, w.Amount)
		}
	}
	return ""
}
