// Package ledger answers what stands on the accounts of money.md §5 at any
// moment, checks the books, and writes them out.
//
// A moment is answered by everything that was booked before it, to the
// millisecond of the booking. A fold (internal/store, migration 00015) keeps sums
// of days and of ten minutes, and the ledger's events by their time; what was
// booked since the last fold is read live in the same snapshot. So an answer is
// exact whether or not the fold has run, and costs the same however long the
// ledger is (docs/decisions/0052).
//
// It knows accounts, orders and their times. It must not know a wallet, the wire
// or HTTP, and it moves no money: it only reads what was booked.
package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Config is what a ledger is read from.
type Config struct {
	Store *store.Store
	Now   func() time.Time
}

// Ledger answers. It is safe for concurrent use.
type Ledger struct{ c Config }

// New returns a ledger on a store.
func New(c Config) *Ledger { return &Ledger{c} }

// Accounts lists every account in the order in which people read them.
var Accounts = []pay.Account{
	pay.AccReceivable, pay.AccMerchant, pay.AccDiscount, pay.AccFee, pay.AccRefunding, pay.AccSuspense, pay.AccReturned,
	pay.AccSettled, pay.AccOffline,
}

// names are what people call the accounts.
var names = map[pay.Account]string{
	pay.AccReceivable: "应收钱包 receivable", pay.AccMerchant: "应付商户 merchant payable", pay.AccDiscount: "商户优惠 merchant discount",
	pay.AccFee: "手续费 fee", pay.AccRefunding: "退款中 refund pending", pay.AccSuspense: "暂记 suspense (late money)",
	pay.AccReturned: "银行退回 returned by bank", pay.AccSettled: "已结算 settled", pay.AccOffline: "线下退款 paid back offline",
}

// Name returns what people call an account, Chinese first, "" for none of ours.
func Name(a pay.Account) string { return names[a] }

// Balance is what stands on one account of one channel in fen, debit positive.
type Balance struct {
	Channel pay.Channel
	Account pay.Account
	Amount  pay.Fen
}

// Balances returns what stands on a merchant's accounts by everything that was
// booked before a moment, by channel and then in the order of Accounts. Accounts
// on which nothing was ever booked are absent, and so are merchants without a
// ledger. The sum of a channel is zero, or the books are wrong.
func (l *Ledger) Balances(ctx context.Context, merchantID string, before time.Time) ([]Balance, error) {
	sums, err := l.c.Store.LedgerBalance(ctx, merchantID, before)
	if err != nil {
		return nil, err
	}
	return together(sums), nil
}

// AllBalances returns the sums of Balances over all merchants. Each merchant is
// one snapshot, so that what is booked meanwhile may be in one and not in another:
// ask for a moment that is over.
func (l *Ledger) AllBalances(ctx context.Context, before time.Time) ([]Balance, error) {
	var all []store.LedgerSum
	err := l.merchants(ctx, func(id string) error {
		sums, err := l.c.Store.LedgerBalance(ctx, id, before)
		if all = append(all, sums...); err != nil || len(all) < 1000 {
			return err
		}
		b := together(all)
		all = all[:0]
		for _, v := range b {
			all = append(all, store.LedgerSum(v))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return together(all), nil
}

// merchants calls f for every merchant.
func (l *Ledger) merchants(ctx context.Context, f func(id string) error) error {
	after := ""
	for {
		ids, err := l.c.Store.ReportMerchants(ctx, after, merchantsRead)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := f(id); err != nil {
				return err
			}
			after = id
		}
		if len(ids) < merchantsRead {
			return nil
		}
	}
}

// together sums what is on the same account.
func together(sums []store.LedgerSum) []Balance {
	type key struct {
		channel pay.Channel
		account pay.Account
	}
	at := map[key]int{}
	var b []Balance
	for _, s := range sums {
		k := key{s.Channel, s.Account}
		i, ok := at[k]
		if !ok {
			i, at[k] = len(b), len(b)
			b = append(b, Balance{Channel: s.Channel, Account: s.Account})
		}
		b[i].Amount += s.Amount
	}
	slices.SortFunc(b, func(x, y Balance) int {
		return cmp.Or(cmp.Compare(x.Channel, y.Channel),
			cmp.Compare(slices.Index(Accounts, x.Account), slices.Index(Accounts, y.Account)), cmp.Compare(x.Account, y.Account))
	})
	return b
}

// Sums returns what each channel's accounts sum to. Anything but zero is a
// mistake in the books.
func Sums(b []Balance) map[pay.Channel]pay.Fen {
	sums := make(map[pay.Channel]pay.Fen)
	for _, v := range b {
		sums[v.Channel] += v.Amount
	}
	return sums
}

// String prints one line for a person.
func (b Balance) String() string {
	return fmt.Sprintf("%s %s %s", b.Channel, b.Account, b.Amount)
}
