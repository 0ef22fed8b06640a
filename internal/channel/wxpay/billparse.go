package wxpay

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// The columns of the bills that are read (upstreams.md §3.8). Every value has
// a back-tick in front of it; the names of columns have none.
const (
	colTime       = "交易时间"
	colState      = "交易状态"
	colTotal      = "订单金额"
	colSettled    = "应结订单金额"
	colCoupon     = "代金券金额"
	colRefund     = "申请退款金额"
	colRefundPart = "退款金额"
	colCouponBack = "充值券退款金额"
	colFee        = "手续费"
	colProduct    = "商品名称"
	colFlowTime   = "记账时间"
	colFlowNo     = "资金流水单号"
	colFlowWay    = "收支类型"
	colFlowAmount = "收支金额(元)"
	colFlowLeft   = "账户结余(元)"
	colFlowNote   = "备注"
)

var (
	tradeRequired = []string{colTime, "微信订单号", "商户订单号", colState, colSettled, colFee, colTotal}
	tradeFree     = []string{colProduct, "商户数据包", "设备号"}
	sumRequired   = []string{"总交易单数", "应结订单总金额", "手续费总金额", "订单总金额"}
	flowRequired  = []string{colFlowTime, "微信支付业务单号", colFlowNo, colFlowWay, colFlowAmount, colFlowLeft}
	flowSums      = []string{"资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"}
)

// billKinds are the states of a trade bill's lines.
var billKinds = map[string]channel.BillLineKind{
	"SUCCESS": channel.BillPayment, "REFUND": channel.BillRefund, "REVOKED": channel.BillReversal,
}

const (
	bom  = "\xef\xbb\xbf"
	tick = "`"
)

// isGzip reports whether a body is compressed, by its first bytes.
func isGzip(raw []byte) bool { return bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) }

// ParseBill reads a trade or fund bill, compressed or not, and compares its
// summary with its lines. It implements channel.Biller.
func (c *Channel) ParseBill(raw []byte) (channel.Bill, error) { return parseBill(raw) }

func parseBill(raw []byte) (channel.Bill, error) {
	if isGzip(raw) {
		var err error
		if raw, err = channel.Gunzip(raw); err != nil {
			return channel.Bill{}, err
		}
	}
	bill, _, err := readBill(raw)
	return bill, err
}

// readBill reads a bill that is not compressed and tells which kind it is.
func readBill(raw []byte) (bill channel.Bill, kind channel.BillKind, err error) {
	switch {
	case len(raw) > channel.MaxBill:
		return channel.Bill{}, "", channel.ErrBillTooLong
	case !utf8.Valid(raw):
		return channel.Bill{}, "", errors.New("the bill is not UTF-8")
	}
	b := &billReader{rest: strings.TrimPrefix(string(raw), bom)}
	header, _ := b.next()
	if b.long {
		return channel.Bill{}, "", errLongLine
	}
	if strings.Contains(header, colFlowNo) {
		bill, err = b.flows(names(header))
		return bill, channel.BillFund, err
	}
	bill, err = b.trades(names(header))
	return bill, channel.BillTrade, err
}

// names splits a line of column names. Parentheses are full-width or not.
func names(header string) []string {
	return strings.Split(strings.NewReplacer("（", "(", "）", ")").Replace(header), ",")
}

// errLongLine says that a line is no line of a bill.
var errLongLine = errors.New("a line of the bill is longer than 64 KiB")

// errNegative says that a line has an amount below zero: the state of a trade and
// the way of a movement tell its direction, and a sign beside them would turn it.
const errNegative = "line %d of the bill has a negative amount"

// billReader walks the lines of a bill.
type billReader struct {
	rest string
	line int
	long bool // a line was longer than MaxBillLine: it reads as empty
}

// next returns the next line; at the end ok is false.
func (b *billReader) next() (line string, ok bool) {
	if b.rest == "" {
		return "", false
	}
	b.line++
	line, b.rest, _ = strings.Cut(b.rest, "\n")
	if len(line) > channel.MaxBillLine {
		b.long = true
		return "", true
	}
	return strings.TrimSuffix(line, "\r"), true
}

// row takes the values of a line apart. They are separated by a comma followed
// by a back-tick, because a product's name may hold commas.
func (b *billReader) row(t *channel.BillTable, line string) (*channel.BillRow, error) {
	return t.Row(b.line, strings.Split(strings.TrimPrefix(line, tick), ","+tick), ","+tick)
}

// rows calls each with every line of the first table and returns the line
// after it, which holds the column names of the summary.
func (b *billReader) rows(t *channel.BillTable, each func(r *channel.BillRow) error) (string, error) {
	for n := 0; ; n++ {
		line, ok := b.next()
		if !ok {
			return "", errors.New("the bill ends without its summary: it is not complete")
		}
		if b.long {
			return "", errLongLine
		}
		if !strings.HasPrefix(line, tick) {
			return line, nil
		}
		if n == channel.MaxBillLines {
			return "", fmt.Errorf("the bill has more than %d lines", channel.MaxBillLines)
		}
		r, err := b.row(t, line)
		if err == nil {
			err = each(r)
		}
		if err != nil {
			return "", err
		}
	}
}

// summary reads the one line of the second table, behind which there is
// nothing.
func (b *billReader) summary(header string, required []string) (*channel.BillTable, *channel.BillRow, error) {
	t, err := channel.NewBillTable(names(header), required, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	line, ok := b.next()
	if !ok || !strings.HasPrefix(line, tick) {
		return nil, nil, errors.New("the bill ends without the figures of its summary: it is not complete")
	}
	r, err := b.row(t, line)
	if err != nil {
		return nil, nil, err
	}
	for {
		more, ok := b.next()
		if !ok {
			return t, r, nil
		}
		if more != "" {
			return nil, nil, fmt.Errorf("line %d of the bill comes after its end", b.line)
		}
	}
}

// tradeSums are the sums of the columns that the summary adds up; the fee is in
// thousandths of a fen.
type tradeSums struct {
	settled, refundPart, couponBack, total, refund pay.Fen
	fee                                            int64
}

// trades reads a trade bill: ALL, SUCCESS or REFUND, which have different
// columns.
func (b *billReader) trades(header []string) (channel.Bill, error) {
	var out channel.Bill
	t, err := channel.NewBillTable(header, tradeRequired, tradeFree, func(r *channel.BillRow) { tradeLine(r) })
	if err != nil {
		return out, err
	}
	var sums tradeSums
	after, err := b.rows(t, func(r *channel.BillRow) error {
		l, fee := tradeLine(r)
		if err := r.Err(); err != nil {
			return err
		}
		if l.Kind == "" {
			return fmt.Errorf("line %d of the bill has a state that no rule names", b.line)
		}
		if l.Kind != channel.BillPayment && !t.Has(colRefund) {
			return fmt.Errorf("line %d of the bill is a refund, and the bill lacks the column %s", b.line, colRefund)
		}
		if l.Total < 0 || l.Settlement < 0 || l.Coupons < 0 {
			return fmt.Errorf(errNegative, b.line)
		}
		out.Lines = append(out.Lines, l)
		sums.add(r, fee)
		return r.Err()
	})
	if err != nil {
		return channel.Bill{}, err
	}
	out.Summary, err = b.tradeSummary(after, int64(len(out.Lines)), sums)
	if err != nil {
		return channel.Bill{}, err
	}
	return out, nil
}

// add adds up the columns as they stand, whatever the line is.
func (s *tradeSums) add(r *channel.BillRow, fee int64) {
	s.settled += r.Fen(colSettled)
	s.refundPart += r.Fen(colRefundPart)
	s.couponBack += r.Fen(colCouponBack)
	s.total += r.Fen(colTotal)
	s.refund += r.Fen(colRefund)
	s.fee += fee
}

// tradeLine reads one line; fee is exact, in thousandths of a fen. It reads
// every column whose form is known, so that r.Err tells whether they are it.
func tradeLine(r *channel.BillRow) (l channel.BillLine, fee int64) {
	fee = r.Fee(colFee)
	l = channel.BillLine{
		Kind: billKinds[r.Text(colState)], Time: r.Time(colTime), Merchant: r.Text("特约商户号"),
		TransactionID: r.Text("微信订单号"), OutTradeNo: r.Text("商户订单号"), State: r.Text(colState),
		RefundID: number(r.Text("微信退款单号")), OutRefundNo: number(r.Text("商户退款单号")), RefundState: r.Text("退款状态"),
		Total: r.Fen(colTotal), Settlement: r.Fen(colSettled), Coupons: r.Fen(colCoupon),
		Fee: channel.RoundFen(fee), FeeText: channel.FeeText(fee, r.Text(colFee)), Rate: r.Text("费率"),
		TradeType: r.Text("交易类型"), BankType: r.Text("付款银行"), Payer: r.Text("用户标识"), DeviceID: r.Text("设备号"),
		Product: r.Text(colProduct), Attach: r.Text("商户数据包"),
	}
	total, settled, coupons := r.Fen(colRefund), r.Fen(colRefundPart), r.Fen(colCouponBack)
	if l.Kind == channel.BillRefund || l.Kind == channel.BillReversal {
		l.Total, l.Settlement, l.Coupons = total, settled, coupons
	}
	return l, fee
}

// number reads a refund number: payments have a 0 there.
func number(s string) string {
	if s == "0" {
		return ""
	}
	return s
}

// tradeSummary reads the summary and compares every figure with the lines.
func (b *billReader) tradeSummary(header string, lines int64, sums tradeSums) (channel.BillSummary, error) {
	t, r, err := b.summary(header, sumRequired)
	if err != nil {
		return channel.BillSummary{}, err
	}
	fee := r.Units("手续费总金额")
	s := channel.BillSummary{
		Count: r.Count("总交易单数"), Total: r.Fen("订单总金额"), Settlement: r.Fen("应结订单总金额"),
		RefundSettled: r.Fen("退款总金额"), CouponsBack: r.Fen("充值券退款总金额"), Refunded: r.Fen("申请退款总金额"),
		Fee: channel.RoundFen(fee), FeeText: channel.FeeText(fee, r.Text("手续费总金额")),
	}
	if err := r.Err(); err != nil {
		return channel.BillSummary{}, err
	}
	figures := []channel.BillFigure{{Name: "总交易单数", Said: s.Count, Sums: lines}, {Name: "手续费总金额", Said: fee, Sums: sums.fee}}
	for _, f := range []struct {
		name      string
		said, sum pay.Fen
	}{
		{"应结订单总金额", s.Settlement, sums.settled},
		{"退款总金额", s.RefundSettled, sums.refundPart},
		{"充值券退款总金额", s.CouponsBack, sums.couponBack},
		{"订单总金额", s.Total, sums.total},
		{"申请退款总金额", s.Refunded, sums.refund},
	} {
		if t.Has(f.name) {
			figures = append(figures, channel.BillFigure{Name: f.name, Said: int64(f.said), Sums: int64(f.sum)})
		}
	}
	return s, channel.CheckFigures(figures...)
}

// flows reads a fund bill.
func (b *billReader) flows(header []string) (channel.Bill, error) {
	var out channel.Bill
	t, err := channel.NewBillTable(header, flowRequired, []string{colFlowNote}, func(r *channel.BillRow) { flowLine(r) })
	if err != nil {
		return out, err
	}
	var sums channel.BillSummary
	after, err := b.rows(t, func(r *channel.BillRow) error {
		f := flowLine(r)
		if f.Amount < 0 {
			return fmt.Errorf(errNegative, b.line)
		}
		switch way := r.Text(colFlowWay); way {
		case "收入":
			f.In = true
			sums.InCount, sums.In = sums.InCount+1, sums.In+f.Amount
		case "支出":
			sums.OutCount, sums.Out = sums.OutCount+1, sums.Out+f.Amount
		default:
			return fmt.Errorf("line %d of the bill, column %s: neither 收入 nor 支出", b.line, colFlowWay)
		}
		out.Flows = append(out.Flows, f)
		return r.Err()
	})
	if err != nil {
		return channel.Bill{}, err
	}
	sums.Count = int64(len(out.Flows))
	_, r, err := b.summary(after, flowSums)
	if err != nil {
		return channel.Bill{}, err
	}
	out.Summary = channel.BillSummary{
		Count: r.Count(flowSums[0]), InCount: r.Count(flowSums[1]), In: r.Fen(flowSums[2]),
		OutCount: r.Count(flowSums[3]), Out: r.Fen(flowSums[4]),
	}
	if err := r.Err(); err != nil {
		return channel.Bill{}, err
	}
	s := out.Summary
	err = channel.CheckFigures(
		channel.BillFigure{Name: flowSums[0], Said: s.Count, Sums: sums.Count}, channel.BillFigure{Name: flowSums[1], Said: s.InCount, Sums: sums.InCount},
		channel.BillFigure{Name: flowSums[2], Said: int64(s.In), Sums: int64(sums.In)},
		channel.BillFigure{Name: flowSums[3], Said: s.OutCount, Sums: sums.OutCount},
		channel.BillFigure{Name: flowSums[4], Said: int64(s.Out), Sums: int64(sums.Out)},
	)
	if err != nil {
		return channel.Bill{}, err
	}
	return out, nil
}

// flowLine reads one movement but its direction.
func flowLine(r *channel.BillRow) channel.BillFlow {
	return channel.BillFlow{
		Time: r.Time(colFlowTime), BusinessNo: r.Text("微信支付业务单号"), FlowNo: r.Text(colFlowNo), Business: r.Text("业务名称"),
		Type: r.Text("业务类型"), Amount: r.Fen(colFlowAmount), Balance: r.Fen(colFlowLeft),
		Applicant: r.Text("资金变更提交申请人"), Note: r.Text(colFlowNote), Voucher: r.Text("业务凭证号"),
	}
}
