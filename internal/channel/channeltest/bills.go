package channeltest

import (
	"fmt"
	"testing"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// product is a name with everything that bills separate values with.
const product = "牛肉面,大份,`加蛋`,\"不辣\""

// RunBills makes two days of payments, refunds and reversals, moves the clock
// two days on, fetches the bills through the adapter and compares every line
// with what really happened (sandbox.Movements), and every figure with what the
// test asked for. Then it plays what can be wrong with a bill.
func RunBills(t *testing.T, a Adapter) {
	t.Helper()
	shared := newSuite(t, a, nil)
	biller, ok := shared.c.(channel.Biller)
	if !ok {
		t.Fatalf("%T has no bills", shared.c)
	}
	f := &billScene{scene: &scene{suite: shared, t: t}, b: biller, day: shared.bench.Now(), asked: map[string]asked{}}
	f.firstDay()
	f.secondDay()
	f.bench.advance(48 * time.Hour)
	for _, one := range []struct {
		name string
		run  func(f *billScene)
	}{
		{"every line is what happened", (*billScene).linesAreTrue},
		{"the movements of the account are what happened", (*billScene).flowsAreTrue},
		{"days without a bill are told apart", (*billScene).noBills},
		{"the listed words for no bill are read as listed", (*billScene).codes},
		{"what was fetched reads again", (*billScene).again},
		{"a bill that differs shows it", (*billScene).discrepancies},
		{"a bill at the wrong time or spoilt is not used", (*billScene).spoilt},
		{"answers that cannot be believed are lost", (*billScene).unbelievable},
		{"a bill of any business reads as it was written", (*billScene).anyBusiness},
	} {
		t.Run(one.name, func(t *testing.T) {
			g := *f
			g.scene = &scene{suite: shared, t: t}
			one.run(&g)
		})
	}
}

// asked is what the test asked the wallet for under one order number.
type asked struct {
	total, coupons, own pay.Fen // own are the merchant's coupons
	product             string
}

// billScene is two days of a merchant's business.
type billScene struct {
	*scene
	b        channel.Biller
	day      time.Time
	merchant channel.Merchant
	asked    map[string]asked
	refunds  map[string]pay.Fen // by refund number
	reversed map[string]bool
	late     channel.PayRequest // paid on the first day at 23:59:59
	first    channel.PayRequest
}

// sale makes a payment that succeeds, with coupons of a kind if coupons is not 0.
func (f *billScene) sale(total, coupons pay.Fen, kind, body string) channel.PayRequest {
	f.t.Helper()
	r, _ := f.request(total, "")
	r.Body = body
	a := asked{total: total, product: body}
	if coupons > 0 {
		f.fault("coupon", r.OutTradeNo, func(x *sandbox.Fault) {
			x.Params.AmountFen, x.Params.Coupons, x.Params.Kind = sandbox.Fen(coupons), 2, kind
		})
		a.coupons = coupons
		if kind == "NO_CASH" {
			a.own = coupons
		}
	}
	if out := f.c.Pay(f.t.Context(), r); out.Kind != pay.Paid {
		f.t.Fatalf("Pay = %+v", out)
	}
	f.asked[r.OutTradeNo] = a
	f.merchant = r.Merchant
	return r
}

// back refunds a part of an order.
func (f *billScene) back(r channel.PayRequest, amount pay.Fen) {
	f.t.Helper()
	no := f.order()
	out := f.c.Refund(f.t.Context(), channel.RefundRequest{OrderRequest: r.OrderRequest, OutRefundNo: no, Amount: amount, Reason: "不要了"})
	if out.Kind != pay.Paid && out.Kind != pay.Waiting {
		f.t.Fatalf("Refund = %+v", out)
	}
	f.refunds[no] = amount
	f.bench.advance(2 * time.Minute)
}

// undo reverses an order.
func (f *billScene) undo(r channel.PayRequest) {
	f.t.Helper()
	f.bench.advance(time.Minute)
	if out := f.c.Reverse(f.t.Context(), r.OrderRequest); out.Kind != pay.Paid {
		f.t.Fatalf("Reverse = %+v", out)
	}
	f.reversed[r.OutTradeNo] = true
}

// firstDay begins at noon and ends a second before midnight.
func (f *billScene) firstDay() {
	f.t.Helper()
	f.refunds, f.reversed = map[string]pay.Fen{}, map[string]bool{}
	f.first = f.sale(12_00, 0, "", product)
	f.sale(8_83, 0, "", "豆浆,油条")
	whole := f.sale(100_00, 0, "", "团餐")
	f.back(whole, 100_00)
	parts := f.sale(35_57, 0, "", product)
	f.back(parts, 10_00)
	f.back(parts, 3_33)
	for _, kind := range []string{"CASH", "NO_CASH"} {
		f.back(f.sale(50_01, 5_03, kind, "面,"+kind), 20_00)
		all := f.sale(66_67, 7_00, kind, "全退"+kind)
		f.back(all, 33_33)
		f.back(all, 33_34)
		f.undo(f.sale(40_00, 4_00, kind, "撤销"+kind))
	}
	f.undo(f.sale(10_01, 0, "", product))
	f.prepaidSale()
	if f.Wallet == sandbox.WeChat {
		f.troubledRefunds()
	}
	// An order nobody paid has no line.
	unpaid, _ := f.request(600_00, "")
	if out := f.c.Pay(f.t.Context(), unpaid); out.Kind != pay.Waiting {
		f.t.Fatalf("Pay = %+v, want Waiting", out)
	}
	f.undo(unpaid)
	delete(f.reversed, unpaid.OutTradeNo)

	end := channel.BillDay(f.day).AddDate(0, 0, 1).Add(-time.Second)
	f.bench.advance(end.Sub(f.bench.Now()))
	f.late = f.sale(23_59, 0, "", "夜宵")
}

// prepaidSale is an order that the customer pays by scanning a code.
func (f *billScene) prepaidSale() {
	f.t.Helper()
	p, customer := f.prepare(pay.TradeScanCode, 45_67)
	p.Body = product
	out := f.c.Prepay(f.t.Context(), p)
	if out.Kind != pay.Paid {
		f.t.Fatalf("Prepay = %+v", out)
	}
	f.paysBy(customer, f.invocation(p, out.Prepaid))
	f.asked[p.OutTradeNo] = asked{total: 45_67, product: product}
}

// troubledRefunds are refunds that do not arrive: WeChat's bill lists them on
// the day they were accepted.
func (f *billScene) troubledRefunds() {
	f.t.Helper()
	for _, fault := range []string{"refund_stuck", "refund_closed", "refund_abnormal"} {
		r := f.sale(9_99, 0, "", fault)
		f.fault(fault, r.OutTradeNo, nil)
		f.back(r, 5_00)
	}
}

// secondDay begins a second after midnight with refunds of the day before.
func (f *billScene) secondDay() {
	f.t.Helper()
	f.bench.advance(2 * time.Second)
	f.back(f.late, 23_59)
	f.back(f.first, 1_00)
	f.sale(7_77, 0, "", "第二天")
}

// fetch gets a bill that must be there.
func (f *billScene) fetch(r channel.BillRequest) channel.BillOutcome {
	f.t.Helper()
	out := f.b.Bill(f.t.Context(), r)
	if out.Kind != pay.Paid || out.Empty || out.Err != nil {
		f.t.Fatalf("Bill of %s = %+v, empty %v, error %v", r.Day.Format(time.DateOnly), out.Outcome, out.Empty, out.Err)
	}
	return out
}

// request of one merchant's trade bill of the n-th day.
func (f *billScene) trades(n int) channel.BillRequest {
	return channel.BillRequest{Kind: channel.BillTrade, Day: f.day.AddDate(0, 0, n), Merchant: f.merchant}
}

// truth lists what happened on the n-th day, by the key of a bill's line.
func (f *billScene) truthOf(n int) map[string]sandbox.Movement {
	f.t.Helper()
	list, err := f.bench.box.Movements(f.t.Context(), f.day.AddDate(0, 0, n))
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[string]sandbox.Movement{}
	for _, m := range list {
		if m.Channel == f.Wallet && m.Kind != "topup" && m.Kind != "returned" {
			out[movementKey(m)] = m
		}
	}
	return out
}

func movementKey(m sandbox.Movement) string { return m.Kind + " " + m.OutTradeNo + " " + m.OutRefundNo }

// key is the same of a line. Alipay's bill does not tell a cancelled payment
// from a refunded one, but for the missing number of a refund.
func (f *billScene) key(l channel.BillLine) string {
	kind := map[channel.BillLineKind]string{channel.BillPayment: "payment", channel.BillRefund: "refund", channel.BillReversal: "reverse"}[l.Kind]
	if f.Wallet == sandbox.Alipay && l.Kind == channel.BillRefund && l.OutRefundNo == "" {
		kind = "reverse"
	}
	return kind + " " + l.OutTradeNo + " " + l.OutRefundNo
}

// linesAreTrue compares both days' lines with the movements of money, and what
// they say with what was asked for.
func (f *billScene) linesAreTrue() {
	seen := 0
	for n := range 2 {
		truth := f.truthOf(n)
		out := f.fetch(f.trades(n))
		if len(out.Bill.Lines) != len(truth) {
			f.t.Errorf("day %d: %d lines, %d movements", n, len(out.Bill.Lines), len(truth))
		}
		for _, l := range out.Bill.Lines {
			m, there := truth[f.key(l)]
			if !there {
				f.t.Errorf("day %d: the line %q is of nothing that happened", n, f.key(l))
				continue
			}
			delete(truth, f.key(l))
			f.lineIsTrue(l, m)
			seen++
		}
		for key := range truth {
			f.t.Errorf("day %d: %q has no line", n, key)
		}
		if f.Wallet == sandbox.WeChat { // the provider's bill of all its merchants: the same, there is one
			all := f.trades(n)
			all.Merchant = channel.Merchant{API: f.merchant.API}
			if got := f.fetch(all); len(got.Bill.Lines) != len(out.Bill.Lines) {
				f.t.Errorf("day %d: %d lines of all merchants", n, len(got.Bill.Lines))
			}
		}
	}
	if want := len(f.asked) + len(f.refunds) + len(f.reversed); seen != want {
		f.t.Errorf("%d lines over two days, %d payments, refunds and reversals were made", seen, want)
	}
}

// lineIsTrue compares one line with its movement and with what was asked.
func (f *billScene) lineIsTrue(l channel.BillLine, m sandbox.Movement) {
	f.t.Helper()
	a := f.asked[l.OutTradeNo]
	total, coupons := a.total, a.coupons
	if f.Wallet == sandbox.Alipay {
		coupons -= a.own // they stand in Discount
	}
	net := total - a.own
	fee := (net*60 + 5_000) / 10_000 // 0.60%, rounded half up
	if l.Kind != channel.BillPayment {
		total = f.refunds[l.OutRefundNo]
		if f.reversed[l.OutTradeNo] {
			total = a.total
		}
		net, fee = l.Settlement, -pay.Fen(m.Fee) // shares: compared with the movement
		coupons = l.Coupons
		if total == a.total && (net != a.total-a.own || fee != -((net*60+5_000)/10_000)) {
			f.t.Errorf("%s: a whole order gave back %d and a fee of %d", f.key(l), net, fee)
		}
	}
	gross := pay.Fen(m.Gross)
	if l.Kind != channel.BillPayment {
		gross = -gross
	}
	at := m.At
	if l.Kind == channel.BillRefund && f.Wallet == sandbox.Alipay && !m.Arrived.IsZero() {
		at = m.Arrived
	}
	got := fmt.Sprintln(l.Total, l.Settlement, l.Coupons, l.Fee, l.FeeText, l.Time.Unix(), l.TransactionID, l.Product, l.RefundID)
	want := fmt.Sprintln(total, net, coupons, fee, "", at.Unix(), m.TransactionID, a.product, refundID(f.Wallet, m))
	if got != want || l.Settlement != gross || l.Fee != -pay.Fen(m.Fee) {
		f.t.Errorf("%s:\n got %s want %s and %d fen with a fee of %d", f.key(l), got, want, gross, -m.Fee)
	}
	if f.Wallet == sandbox.Alipay && l.Kind == channel.BillPayment && l.Discount != a.own {
		f.t.Errorf("%s: discount %d, want %d", f.key(l), l.Discount, a.own)
	}
	arrived := pay.Fen(m.Customer) == total
	if state := l.RefundState; l.Kind == channel.BillRefund && state != "" && (state == "SUCCESS") != arrived {
		f.t.Errorf("%s: refund state %s, and %d of %d fen arrived", f.key(l), state, m.Customer, total)
	}
	if l.Kind != channel.BillRefund && !arrived {
		f.t.Errorf("%s: the customer moved %d fen, the bill says %d", f.key(l), m.Customer, total)
	}
}

// refundID is the wallet's number of a refund in its bill: Alipay's has none.
func refundID(w sandbox.Channel, m sandbox.Movement) string {
	if w == sandbox.Alipay {
		return ""
	}
	return m.RefundID
}

// flowsAreTrue compares the fund bill with the movements: each of them, their
// sum, and the balance.
func (f *billScene) flowsAreTrue() {
	if f.Wallet == sandbox.Alipay {
		if out := f.b.Bill(f.t.Context(), channel.BillRequest{Kind: channel.BillFund, Day: f.day, Merchant: f.merchant}); out.Kind != pay.Declined {
			f.t.Errorf("a fund bill of Alipay = %+v, want Declined", out.Outcome)
		}
		return
	}
	balance := pay.Fen(1_000_000_00)
	for n := range 2 {
		list, err := f.bench.box.Movements(f.t.Context(), f.day.AddDate(0, 0, n))
		if err != nil {
			f.t.Fatal(err)
		}
		bill := f.fetch(channel.BillRequest{Kind: channel.BillFund, Day: f.day.AddDate(0, 0, n), Merchant: channel.Merchant{API: f.merchant.API}}).Bill
		before := balance
		for _, flow := range bill.Flows {
			if flow.In {
				balance += flow.Amount
			} else {
				balance -= flow.Amount
			}
			if flow.Balance != balance {
				f.t.Errorf("day %d: balance %d after %+v, want %d", n, flow.Balance, flow, balance)
			}
		}
		var moved pay.Fen
		lines := 0
		for _, m := range list {
			if m.Channel != f.Wallet {
				continue
			}
			moved += pay.Fen(m.Gross + m.Fee)
			if lines++; m.Kind == "payment" {
				lines++ // its fee
			}
		}
		if balance-before != moved || len(bill.Flows) != lines {
			f.t.Errorf("day %d: %d lines move %d fen, %d and %d happened", n, len(bill.Flows), balance-before, lines, moved)
		}
	}
	merchants, err := f.bench.box.Merchants(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, m := range merchants {
		if m.Channel == f.Wallet && pay.Fen(m.Available+m.Unsettled) != balance {
			f.t.Errorf("the merchant holds %+v, the bills end at %d", m, balance)
		}
	}
	f.merchantFlows(balance)
}

// merchantFlows fetches the bill of one merchant's account, which only APIv3 has.
func (f *billScene) merchantFlows(balance pay.Fen) {
	f.t.Helper()
	r := channel.BillRequest{Kind: channel.BillFund, Day: f.day.AddDate(0, 0, 1), Merchant: f.merchant}
	out := f.b.Bill(f.t.Context(), r)
	if out.Kind == pay.Declined && !out.Verified { // v2
		return
	}
	if flows := out.Bill.Flows; out.Kind != pay.Paid || len(flows) == 0 || flows[len(flows)-1].Balance != balance {
		f.t.Errorf("the merchant's own fund bill = %+v, %v", out.Outcome, out.Err)
	}
}
