package recon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// This file says whose a line is. A bill is of one account at a wallet, and
// several merchants may have the same one; none of them may see the others'
// trade (docs/decisions/0066).

// whose says to whom a line is shown.
type whose int

const (
	ours      whose = iota // the merchant whose day it is
	others                 // another merchant, who has the line in his own day
	providers              // nobody but the provider
)

// owners tells whose the orders of one bill are.
type owners struct {
	m      *directory.Merchant
	shared bool             // other merchants have the account
	of     map[string]whose // by order prefix
	seen   map[string]int   // how many lines of nobody had that name
}

// owners finds out whose the numbers of a bill are. Prefixes are prefix-free
// over the installation and never given out twice, so they name the merchant.
func (r *Recon) owners(ctx context.Context, run store.ReconRun, bill channel.Bill) (*owners, error) {
	m, err := r.merchant(ctx, run.MerchantID)
	if err != nil {
		return nil, err
	}
	o := &owners{m: m, of: map[string]whose{}, seen: map[string]int{}}
	account := m.Wx.SubMchID
	if run.Channel == pay.Alipay {
		account = m.Ali.SellerID
	}
	if o.shared, err = r.Store.SharesWallet(ctx, m.ProviderID, m.ID, run.Channel, account); err != nil {
		return nil, err
	}
	given, err := r.Store.PrefixOwners(ctx, foreignPrefixes(m, bill))
	if err != nil {
		return nil, err
	}
	known := map[string]whose{}
	for prefix, id := range given {
		if id == m.ID { // of a number that we would not give
			o.of[prefix] = ours
			continue
		}
		if _, ok := known[id]; !ok {
			if known[id], err = r.sees(ctx, m, id, run.Channel); err != nil {
				return nil, err
			}
		}
		o.of[prefix] = known[id]
		o.shared = o.shared || known[id] == others
	}
	return o, nil
}

// sees reports whether another merchant has the line of a merchant's account in
// his own bill: others if he has, else providers.
func (r *Recon) sees(ctx context.Context, m *directory.Merchant, id string, ch pay.Channel) (whose, error) {
	other, err := r.Directory.Merchant(ctx, id)
	switch {
	case errors.Is(err, pay.ErrNotFound):
		return providers, nil
	case err != nil:
		return providers, err
	case other.DeletedAt.IsZero() && sameAccount(m, other, ch):
		return others, nil
	}
	return providers, nil
}

// sameAccount reports whether two merchants have one account at a wallet.
func sameAccount(a, b *directory.Merchant, ch pay.Channel) bool {
	if a.ProviderID != b.ProviderID {
		return false
	}
	switch ch {
	case pay.Wxpay:
		return a.Wx.SubMchID != "" && a.Wx.SubMchID == b.Wx.SubMchID
	case pay.Alipay:
		return a.Ali.SellerID != "" && a.Ali.SellerID == b.Ali.SellerID ||
			!a.Ali.AppAuthToken.IsZero() && a.Ali.AppAuthToken.Equal(b.Ali.AppAuthToken)
	}
	return false
}

// foreignPrefixes lists what may be order prefixes of other merchants in a bill,
// each once.
func foreignPrefixes(m *directory.Merchant, bill channel.Bill) (list []string) {
	seen := map[string]bool{}
	add := func(no string) {
		if m.HasPrefix(no) {
			return
		}
		for _, p := range prefixesOf(no) {
			if !seen[p] {
				seen[p] = true
				list = append(list, p)
			}
		}
	}
	for i := range bill.Lines {
		add(bill.Lines[i].OutTradeNo)
	}
	for i := range bill.Flows {
		add(bill.Flows[i].Voucher)
	}
	return list
}

// prefixesOf returns the beginnings of a number that may be order prefixes.
func prefixesOf(no string) (list []string) {
	for n := directory.MinPrefix; n <= directory.MaxPrefix && n < len(no); n++ {
		if directory.ValidPrefix(no[:n]) {
			list = append(list, no[:n])
		}
	}
	return list
}

// whose says to whom a line with that order number is shown. What is under
// nobody's number is the merchant's if he has the account for himself.
func (o *owners) whose(no string) whose {
	if o.m.HasPrefix(no) {
		return ours
	}
	for _, p := range prefixesOf(no) {
		if w, ok := o.of[p]; ok {
			return w
		}
	}
	if o.shared {
		return providers
	}
	return ours
}

// mine counts the lines that are shown to the merchant whose day it is.
func (o *owners) mine(lines []channel.BillLine) (n int64) {
	for i := range lines {
		if o.whose(lines[i].OutTradeNo) == ours {
			n++
		}
	}
	return n
}

// unclaimed is a line that is of none of those who have the account. Whichever of
// them reads the bill notes the same. Lines of one name are told apart by the day
// and their place among them: none may hide another.
func (o *owners) unclaimed(run store.ReconRun, l channel.BillLine, at int64, now time.Time) store.Diff {
	line := store.ReconLine{BillLine: lineOf(l, at)}
	b := books{run: run, now: now}
	d := b.diff(line, store.WalletMore, 0, "")
	d.MerchantID, d.Item = store.OfProvider(o.m.ProviderID), d.Item+"@"+number(l.Merchant)
	o.seen[d.Item]++
	if nth := o.seen[d.Item]; nth > 1 || line.Item == reversalItem(line.OutTradeNo) {
		d.Item += fmt.Sprintf("#%s.%d", run.Day, nth)
	}
	return d
}
