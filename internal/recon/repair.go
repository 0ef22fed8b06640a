package recon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// maxWhy is the longest reason, in characters.
const maxWhy = 200

// Repair is what a person does about a difference.
type Repair struct {
	store.DiffKey
	By  directory.Actor
	Why string // required: it is kept with the difference and in the audit trail
	// Explain closes the difference without asking the wallet or changing
	// anything: the reason is known from elsewhere.
	Explain bool
}

// end is how a difference ends.
type end struct {
	state string
	note  string // what was found out
	posts []store.BillPosting
	run   *store.ReconRun // that must not have moved since it was looked at, nil for none
}

// Repair closes one open difference. Unless it is only explained, the wallet is
// asked first, and what it says is settled as always:
//
//   - it confirms our books: explained, nothing changes;
//   - it confirms the bill: our books follow, by settlement of the order or
//     refund, or where there is none, into suspense; repaired;
//   - a fee is booked as the bill says;
//   - it says nothing that decides: pay.ErrUnavailable, and it stays open.
//
// What we have and the wallet denies stays open for a person, with
// pay.ErrDenied: nothing is invented, and nothing is taken away.
func (r *Recon) Repair(ctx context.Context, in Repair) (store.Diff, error) {
	if why := strings.TrimSpace(in.Why); why == "" || utf8.RuneCountInString(why) > maxWhy || storable(why) != why {
		return store.Diff{}, pay.Refuse(pay.ErrInvalid, "why", "请写明原因，不超过200字")
	}
	d, err := r.Store.Diff(ctx, in.DiffKey)
	if errors.Is(err, pay.ErrNotFound) {
		return store.Diff{}, pay.Refuse(pay.ErrNotFound, "difference_missing", "没有这条差异")
	} else if err != nil {
		return store.Diff{}, err
	}
	if d.State != store.DiffOpen {
		return d, pay.Refuse(pay.ErrDenied, "difference_closed", "该差异已处理")
	}
	what := directory.Event{
		Action: "recon.repair", ObjectKind: "difference", ObjectID: d.Item + " " + string(d.Type),
		Before: map[string]any{"state": d.State, "ours": d.Ours, "theirs": d.Theirs, "day": d.Day, "channel": d.Channel},
	}
	e := end{state: store.DiffExplained, note: "人工说明"}
	provider, nobodys := strings.CutPrefix(d.MerchantID, store.OfProvider(""))
	if nobodys {
		what.ProviderID = provider
		if !in.Explain {
			return d, undecided("共用账户中不属于任何商户的明细，请与钱包核对后说明")
		}
	} else {
		m, err := r.merchant(ctx, d.MerchantID)
		if err != nil {
			return d, err
		}
		what.ProviderID, what.MerchantID = m.ProviderID, m.ID
		if !in.Explain {
			if e, err = r.find(ctx, m, d); err != nil {
				return d, err
			}
		}
	}
	won, err := r.Gateway.EndDifference(ctx, d, e.state, in.By.String(), strings.TrimSpace(in.Why)+"（"+e.note+"）", e.run, e.posts...)
	if err != nil {
		return d, err
	}
	if !won {
		return d, pay.Refuse(pay.ErrUnavailable, "busy", "该差异正在处理，请稍后重试")
	}
	after, err := r.Store.Diff(ctx, in.DiffKey)
	if err != nil {
		return d, err
	}
	what.After = map[string]any{"state": after.State, "why": after.Why}
	return after, r.Directory.Record(ctx, in.By, what)
}

// find asks the wallet what is true of a difference, and settles it.
func (r *Recon) find(ctx context.Context, m *directory.Merchant, d store.Diff) (end, error) {
	switch {
	case d.Type == store.FeeDiff:
		return r.acceptFee(ctx, d)
	case strings.Contains(d.Item, "#"): // the wallet's second line of one thing
		return end{}, undecided("账单中重复出现，请与钱包核对后用 explain 说明")
	}
	o, err := r.Store.Order(ctx, m.ID, d.OutTradeNo)
	switch {
	case err == nil && o.Channel != d.Channel: // the number is ours at the other wallet
		return r.findStranger(ctx, m, d)
	case d.OutRefundNo != "":
		return r.findRefund(ctx, m, d)
	case errors.Is(err, pay.ErrNotFound):
		return r.findStranger(ctx, m, d)
	case err != nil:
		return end{}, err
	}
	return r.findOrder(ctx, m, d)
}

// undecided says why a difference stays open.
func undecided(why string) error { return pay.Refuse(pay.ErrDenied, "undecided", why) }

// silent says that the wallet's answer decides nothing.
func silent(out pay.Outcome) error {
	return pay.Refuse(pay.ErrUnavailable, "wallet_silent", "钱包没有给出结论，请稍后重试："+string(out.Kind)+" "+out.Code)
}

// acceptFee books what is left of a fee, unless the day is being done again
// meanwhile, which may book it itself.
func (r *Recon) acceptFee(ctx context.Context, d store.Diff) (end, error) {
	k := store.ReconKey{MerchantID: d.MerchantID, Channel: d.Channel, Day: d.Day}
	run, err := r.Store.ReconRun(ctx, k)
	if err != nil {
		return end{}, err
	}
	lines, err := r.Store.ReconLines(ctx, k, max(d.Line, 0), 1)
	if err != nil {
		return end{}, err
	}
	if len(lines) == 0 || lines[0].Item != d.Item || lines[0].Fee != d.Theirs {
		return end{}, undecided("账单已更新，请重新对账")
	}
	e := end{state: store.DiffRepaired, note: fmt.Sprintf("按账单记手续费 %d 分", d.Theirs), run: &run}
	if rest := d.Theirs - lines[0].Booked; rest != 0 {
		e.posts = []store.BillPosting{{OutTradeNo: d.OutTradeNo, Posting: pay.PostFeeAccepted(d.Item, pay.BillName(d.Day, d.Version), rest)}}
	}
	return e, nil
}

// findStranger asks for an order that we do not have.
func (r *Recon) findStranger(ctx context.Context, m *directory.Merchant, d store.Diff) (end, error) {
	if d.Theirs <= 0 {
		return end{}, undecided("本系统没有该订单，请与钱包核对后用 explain 说明")
	}
	out, err := r.Gateway.AskStranger(ctx, m, d.Channel, d.OutTradeNo, d.Theirs)
	switch {
	case err != nil:
		return end{}, err
	case out.Kind == pay.Paid && out.Payment.Total == d.Theirs:
		posts, err := r.suspense(ctx, d)
		return end{state: store.DiffRepaired, note: "钱包确认收款，本系统无此订单：挂账", posts: posts}, err
	case out.Verified && (out.Reason == pay.ReasonNotFound || out.Kind == pay.Waiting || out.Kind == pay.Declined && out.Reason == pay.ReasonState):
		return end{state: store.DiffExplained, note: "钱包查询无此收款：" + out.Code}, nil
	}
	return end{}, silent(out)
}

// suspense books what the wallet has more than we have, less what a repair by an
// earlier version of the bill has booked. What is of no order of ours is booked
// under the bill's own name.
func (r *Recon) suspense(ctx context.Context, d store.Diff) ([]store.BillPosting, error) {
	fixed, err := r.Store.Fixed(ctx, d, billBook)
	rest := d.Theirs - d.Ours - fixed
	if err != nil || rest == 0 {
		return nil, err
	}
	no := d.OutTradeNo
	if d.Ours == 0 {
		no = billBook
	}
	return []store.BillPosting{{OutTradeNo: no, Posting: pay.PostUnexplained(d.Item, pay.BillName(d.Day, d.Version), rest)}}, nil
}

// findOrder asks for an order of ours and settles the answer.
func (r *Recon) findOrder(ctx context.Context, m *directory.Merchant, d store.Diff) (end, error) {
	o, out, err := r.Gateway.AskWallet(ctx, m, d.OutTradeNo)
	if err != nil {
		return end{}, err
	}
	back := d.Item == reversalItem(d.OutTradeNo)
	paid := out.Kind == pay.Paid && (out.Payment.Total == 0 || out.Payment.Total == o.Total)
	returned := out.Returned || out.Payment.RefundState
	// A wallet that calls the order undone need not say that it had been paid.
	undoneThere := out.Kind == pay.Declined && (out.Reason == pay.ReasonNone || out.Reason == pay.ReasonState)
	switch {
	case !out.Verified || out.Lost:
		return end{}, silent(out)
	case out.Differs && d.Type == store.AmountDiff:
		posts, err := r.suspense(ctx, d)
		return end{state: store.DiffRepaired, note: "钱包确认账单金额：差额挂账", posts: posts}, err
	case out.Differs:
		return end{}, undecided("钱包称该单号是另一笔付款，请人工核对")
	case d.Type == store.WalletMore && !back && booked(o), d.Type == store.StateDiff && back && (undone(o) || returned && o.Refunded > 0):
		if err := r.Gateway.TrustBill(ctx, m, o.OutTradeNo); err != nil {
			return end{}, err
		}
		return end{state: store.DiffRepaired, note: "钱包确认账单，订单现为 " + string(o.State) + string(o.Late)}, nil
	case !back && booked(o) && (paid || returned), back && undone(o) && (returned || undoneThere):
		return end{state: store.DiffExplained, note: "钱包确认本系统记录：" + out.Code}, nil
	case back && undone(o) && o.Late == pay.LateReturned && paid && !returned: // nobody would look for the money any more
		return end{}, undecided("钱包称未退回，而本系统记为已退回，请与钱包核对，退回后用 explain 说明")
	case back && booked(o) && paid && !returned: // the bill says that it was given back; the wallet does not
		return end{state: store.DiffExplained, note: "钱包确认未退回：" + out.Code}, nil
	case !booked(o) && out.Kind != pay.Paid && (out.Kind == pay.Waiting || out.Reason == pay.ReasonNotFound || out.Kind == pay.Declined):
		return end{state: store.DiffExplained, note: "钱包查询未收款：" + out.Code}, nil
	case booked(o) && !paid:
		return end{}, undecided("钱包否认已确认的付款，已报警，请人工核对：" + out.Code)
	}
	return end{}, silent(out)
}

// findRefund asks for a refund and settles the answer.
func (r *Recon) findRefund(ctx context.Context, m *directory.Merchant, d store.Diff) (end, error) {
	amount := -d.Theirs
	if d.Theirs == 0 {
		amount = -d.Ours
	}
	f, out, err := r.Gateway.AskRefund(ctx, m, d.OutTradeNo, d.OutRefundNo, amount)
	switch {
	case errors.Is(err, pay.ErrNotFound):
		return end{}, undecided("钱包没有可以接管的退款，请与钱包核对后用 explain 说明")
	case err != nil:
		return end{}, err
	case !out.Verified || out.Lost:
		return end{}, silent(out)
	case d.Type == store.WalletMore && (f.State == pay.RefundSucceeded || f.State == pay.RefundPending || f.State == pay.RefundNeedsHand):
		return end{state: store.DiffRepaired, note: "钱包确认账单，退款现为 " + string(f.State)}, nil
	case out.Kind == pay.Paid && f.State == pay.RefundSucceeded:
		return end{state: store.DiffExplained, note: "钱包确认本系统记录：" + out.Code}, nil
	}
	return end{}, undecided("钱包与本系统的退款状态不一致，请人工核对：" + string(f.State) + " " + out.Code)
}
