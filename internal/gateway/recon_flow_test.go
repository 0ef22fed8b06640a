package gateway_test

import (
	"errors"
	"log/slog"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/sandbox"
	"cloudpay/internal/store"
)

// reconciled is the flow of a day's bill: a payment is made, and part of it is
// refunded without us. The next morning the day is reconciled, what the bill has
// otherwise is repaired (the refund, and a fee that is a fen too high), and the
// day is reconciled again.
func reconciled(s *site, ch pay.Channel) (no string, repeat func() error) {
	s.keeps(6_000)
	in := s.micro(ch, 1_000, "anna")
	if _, err := s.gw.MicroPay(s.t.Context(), s.merchant, in); err != nil {
		s.t.Fatal(err)
	}
	no = in.OutTradeNo
	s.converge(no)
	fee := sandbox.Fault{Scenario: "bill_fee_diff"}
	fee.Params.OutTradeNo = no
	for _, f := range []sandbox.Fault{fee, {Scenario: "notify_drop"}} { // the bill alone tells of the refund
		if err := s.box.AddFault(f); err != nil {
			s.t.Fatal(err)
		}
	}
	refundNo := s.number()
	s.refundElsewhere(ch, no, refundNo, 300)
	k := store.ReconKey{MerchantID: "merchant", Channel: ch, Day: recon.DayOf(time.Now())}
	day, err := recon.ParseDay(k.Day)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sleep(time.Until(day.AddDate(0, 0, 1).Add(11 * time.Hour)))
	s.out.arm()
	run := func() error {
		_, err := s.reconciler().Again(s.t.Context(), k)
		return err
	}
	s.insist(run)
	repair := func() error {
		err := s.repair(k, "payment:"+no, store.FeeDiff)
		return errors.Join(err, s.repair(k, "refund:"+refundNo, store.WalletMore))
	}
	s.insist(repair)
	s.insist(run)
	s.checkRecon(k, no)
	return no, func() error {
		err := repair()
		s.checkRecon(k, no)
		return err
	}
}

// keeps says what part of a payment the wallets keep, in millionths.
func (s *site) keeps(rate int64) {
	m, err := s.people.UpdateMerchant(s.t.Context(), directory.System, "merchant", func(m *directory.Merchant) error {
		m.Profile.BankRatePPM = rate
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.merchant = m
}

// reconciler is reconciliation in the process that runs.
func (s *site) reconciler() *recon.Recon {
	return recon.New(recon.Config{
		Store: s.store, Directory: s.people, Gateway: s.gw, Channels: s.find, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

// repair closes a difference, unless that has been done by a process that died.
func (s *site) repair(k store.ReconKey, item string, of store.DiffType) error {
	_, err := s.reconciler().Repair(s.t.Context(), recon.Repair{
		DiffKey: store.DiffKey{MerchantID: k.MerchantID, Channel: k.Channel, Item: item, Type: of},
		By:      directory.System, Why: "the wallet is right",
	})
	if refused, ok := errors.AsType[*pay.Error](err); ok && refused.Code == "difference_closed" {
		return nil
	}
	return err
}

// checkRecon compares what is left of the reconciliation with the bill: one bill
// with a line of each, two differences that are repaired, and every fee and the
// refund booked once. A coupon that the merchant pays for lowers what the wallet
// owes and its fees.
func (s *site) checkRecon(k store.ReconKey, no string) {
	ctx := s.t.Context()
	run, err := s.store.ReconRun(ctx, k)
	if err != nil || run.Step != store.ReconDone || run.Lines != 2 || run.Matched != 1 {
		s.t.Errorf("the day is %+v, %v", run, err)
	}
	bills, err := s.store.Bills(ctx, k, string(channel.BillTrade))
	if err != nil || len(bills) != 1 {
		s.t.Errorf("bills: %+v, %v", bills, err)
	}
	diffs, err := s.store.Diffs(ctx, store.DiffFilter{MerchantID: "merchant", FromDay: k.Day, ToDay: k.Day, Limit: 10})
	if err != nil || len(diffs) != 2 {
		s.t.Errorf("differences: %+v, %v", diffs, err)
	}
	for _, d := range diffs {
		if d.State != store.DiffRepaired || d.Who != directory.System.String() {
			s.t.Errorf("difference: %+v", d)
		}
	}
	lines, err := s.store.ReconLines(ctx, k, 0, 10)
	o := s.order(no)
	wantFees, wantDiscount := []pay.Fen{7, -2}, pay.Fen(0)
	if o.Settlement < o.Total { // 900 of 1000 and 270 of 300 at 0.6 %, and the one fen too high
		wantFees, wantDiscount = []pay.Fen{6, -2}, 70
	}
	if err != nil || len(lines) != 2 || lines[0].Fee != wantFees[0] || lines[0].Booked != wantFees[0] || lines[1].Fee != wantFees[1] || lines[1].Booked != wantFees[1] {
		s.t.Errorf("lines: %+v, %v", lines, err)
	}
	ps, err := s.store.Postings(ctx, "merchant", no)
	fee := wantFees[0] + wantFees[1]
	if b := pay.Balances(ps); err != nil || b[pay.AccMerchant] != -700 || b[pay.AccFee] != fee || b[pay.AccDiscount] != wantDiscount || b[pay.AccReceivable] != 700-fee-wantDiscount {
		s.t.Errorf("ledger: %v, %v", b, err)
	}
}
