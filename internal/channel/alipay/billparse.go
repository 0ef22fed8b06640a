package alipay

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// The first lines of the two files of a bill: they are told apart by them,
// because the names of the entries vary (upstreams.md §4.8).
const (
	detailTitle  = "#支付宝业务明细查询"
	summaryTitle = "#支付宝业务汇总查询"
)

// The columns that are read, with their parentheses half-width.
const (
	colTradeNo  = "支付宝交易号"
	colNumber   = "商户订单号"
	colKind     = "业务类型"
	colProduct  = "商品名称"
	colCreated  = "创建时间"
	colFinished = "完成时间"
	colStore    = "门店编号"
	colTotal    = "订单金额(元)"
	colReceived = "商家实收(元)"
	colDiscount = "商家优惠(元)"
	colFee      = "服务费(元)"
	colPayments = "交易订单总笔数"
	colRefunds  = "退款订单总笔数"
	colNet      = "实收净额(元)"
	allStores   = "合计"
)

var (
	detailRequired = []string{colTradeNo, colNumber, colKind, colFinished, colTotal, colReceived, colFee}
	detailFree     = []string{colProduct, "门店名称", "备注", "券名称", "操作员", "终端号", colStore}
	storeRequired  = []string{colStore, colPayments, colRefunds, colTotal, colReceived, colFee, colNet}
	storeFree      = []string{"门店名称", colStore}
)

// billKinds are the kinds of lines.
var billKinds = map[string]channel.BillLineKind{"交易": channel.BillPayment, "退款": channel.BillRefund}

// The figures at the end of a detail file.
var (
	paymentTotal = regexp.MustCompile(`^#交易合计：(\d+)笔，商家实收共(-?[\d.]+)元，商家优惠共(-?[\d.]+)元$`)
	refundTotal  = regexp.MustCompile(`^#退款合计：(\d+)笔，商家实收退款共(-?[\d.]+)元，商家优惠退款共(-?[\d.]+)元$`)
	accountLine  = regexp.MustCompile(`^#账号：\[(\d{16,20})\]$`)
	fromLine     = regexp.MustCompile(`^#起始日期：\[(\d{4}年\d{2}月\d{2}日) `)
)

// maxBillFiles is far above the files of a documented archive (2).
const maxBillFiles = 32

// accountTail is what an account has behind the merchant's user id.
const accountTail = "0156"

// ParseBill reads a trade bill: the zip archive, or its detail file alone. It
// compares the totals of the file and of the summary by store with the lines.
// It implements channel.Biller.
func (c *Channel) ParseBill(raw []byte) (channel.Bill, error) {
	p, err := parseBill(raw)
	return p.bill, err
}

// billParts is a bill with what its head says of it.
type billParts struct {
	bill    channel.Bill
	account string // the merchant's user id
	from    string // first day, as 2006年01月02日
	sums    map[string]*storeSums
	details int
	stores  []storeRow
}

// storeSums are the sums of a store's lines, or of all. Refunds count negative,
// as in the files; the fee is exact, in thousandths of a fen.
type storeSums struct {
	payments, refunds  int64
	total, received    pay.Fen
	fee                int64
	paid, paidDiscount pay.Fen
	back, backDiscount pay.Fen
}

// storeRow is one row of the summary by store.
type storeRow struct {
	store channel.BillStore
	fee   int64 // as written
	net   int64
}

func parseBill(raw []byte) (billParts, error) {
	p := billParts{sums: map[string]*storeSums{}}
	files, err := billFiles(raw)
	if err != nil {
		return billParts{}, err
	}
	for _, text := range files {
		title, _, _ := strings.Cut(text, "\n")
		switch strings.TrimSuffix(title, "\r") {
		case detailTitle:
			err = p.detail(text)
		case summaryTitle:
			err = p.summary(text)
		default:
			err = errors.New("a file of the bill begins neither as its detail nor as its summary")
		}
		if err != nil {
			return billParts{}, err
		}
	}
	if p.details == 0 {
		return billParts{}, errors.New("the bill has no detail file")
	}
	if err := p.check(); err != nil {
		return billParts{}, err
	}
	return p, nil
}

// billFiles returns the files of a bill, decoded from GBK. The limit holds for
// all of them together.
func billFiles(raw []byte) ([]string, error) {
	if len(raw) > channel.MaxBill {
		return nil, channel.ErrBillTooLong
	}
	if !bytes.HasPrefix(raw, []byte("PK")) {
		text, err := decodeGBK(raw)
		return []string{text}, err
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, channel.ErrBillDamaged
	}
	if len(z.File) > maxBillFiles {
		return nil, fmt.Errorf("the archive of the bill has more than %d files", maxBillFiles)
	}
	var files []string
	size := int64(0)
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		content, err := readEntry(f, channel.MaxBill-size)
		if err != nil {
			return nil, err
		}
		size += int64(len(content))
		text, err := decodeGBK(content)
		if err != nil {
			return nil, err
		}
		files = append(files, text)
	}
	return files, nil
}

func readEntry(f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, channel.ErrBillDamaged
	}
	defer r.Close()
	return channel.ReadBill(r, limit)
}

// decodeGBK decodes a file. Bytes that are not GBK become U+FFFD, which no
// column of a known form takes.
func decodeGBK(raw []byte) (string, error) {
	text, err := simplifiedchinese.GBK.NewDecoder().Bytes(raw)
	if err != nil {
		return "", errors.New("the bill is not GBK")
	}
	return string(text), nil
}

// names splits a line of column names.
func names(header string) []string {
	return trimmed(strings.NewReplacer("（", "(", "）", ")").Replace(header))
}

// trimmed splits a line into values without the spaces and tabs around them.
func trimmed(line string) []string {
	values := strings.Split(line, ",")
	for i, v := range values {
		values[i] = strings.Trim(v, " \t")
	}
	return values
}

// fileLines calls head with every line that begins with #, and row with every
// row of the table. The last # line of all must come after the table: a file
// that was cut off has none.
func fileLines(text string, head func(line string) error, table func(header []string) (*channel.BillTable, error), row func(r *channel.BillRow) error) error {
	var t *channel.BillTable
	ended := false
	n, rows := 0, 0
	for raw := range strings.Lines(text) {
		n++
		line := strings.TrimRight(raw, "\r\n")
		var err error
		switch {
		case line == "":
		case len(line) > channel.MaxBillLine:
			err = fmt.Errorf("line %d of the bill is longer than %d bytes", n, channel.MaxBillLine)
		case strings.HasPrefix(line, "#"):
			ended = t != nil
			err = head(line)
		case t == nil:
			t, err = table(names(line))
		case ended:
			err = fmt.Errorf("line %d of the bill comes after the table's end", n)
		case rows == channel.MaxBillLines:
			err = fmt.Errorf("the bill has more than %d lines", channel.MaxBillLines)
		default:
			rows++
			var r *channel.BillRow
			if r, err = t.Row(n, trimmed(line), ","); err == nil {
				err = row(r)
			}
		}
		if err != nil {
			return err
		}
	}
	if !ended {
		return errors.New("the bill ends within its table: it is not complete")
	}
	return nil
}

// head takes what the head of a file says: both files, and all parts of a
// detail, must be of one account and day.
func (p *billParts) head(line string) error {
	if m := accountLine.FindStringSubmatch(line); m != nil {
		account := strings.TrimSuffix(m[1], accountTail)
		if len(account) != 16 {
			account = m[1]
		}
		if p.account != "" && p.account != account {
			return errors.New("the files of the bill are of different accounts")
		}
		p.account = account
	}
	if m := fromLine.FindStringSubmatch(line); m != nil {
		if p.from != "" && p.from != m[1] {
			return errors.New("the files of the bill are of different days")
		}
		p.from = m[1]
	}
	return nil
}

// sumsOf returns the sums of a store, "" for those without.
func (p *billParts) sumsOf(store string) *storeSums {
	if p.sums[store] == nil {
		p.sums[store] = &storeSums{}
	}
	return p.sums[store]
}

// detail reads a detail file and compares the figures at its end with it.
func (p *billParts) detail(text string) error {
	p.details++
	var sums storeSums
	var paid, back []string // the figures, which are compared when the table is read
	head := func(line string) error {
		for _, one := range []struct {
			form *regexp.Regexp
			said *[]string
		}{{paymentTotal, &paid}, {refundTotal, &back}} {
			m := one.form.FindStringSubmatch(line)
			if m != nil && *one.said != nil {
				return errors.New("the bill has its closing figures twice")
			}
			if m != nil {
				*one.said = m
			}
		}
		return p.head(line)
	}
	table := func(header []string) (*channel.BillTable, error) {
		return channel.NewBillTable(header, detailRequired, detailFree, func(r *channel.BillRow) { detailLine(r) })
	}
	err := fileLines(text, head, table, func(r *channel.BillRow) error {
		l, fee := detailLine(r)
		if l.Merchant = p.account; r.Err() != nil {
			return r.Err()
		}
		if l.Kind == "" {
			return errors.New("a line of the bill has a 业务类型 that no rule names")
		}
		if l.Total < 0 || l.Settlement < 0 {
			return errors.New("a line of the bill has an amount whose sign is not that of its 业务类型")
		}
		p.bill.Lines = append(p.bill.Lines, l)
		for _, s := range []*storeSums{&sums, p.sumsOf("store:" + l.StoreID), p.sumsOf(allStores)} {
			s.add(r, l.Kind, fee)
		}
		return r.Err()
	})
	if err != nil {
		return err
	}
	if paid == nil || back == nil {
		return errors.New("the bill ends without 交易合计 and 退款合计: it is not complete")
	}
	return channel.CheckFigures(append(totals("交易合计", paid, sums.payments, sums.paid, sums.paidDiscount),
		totals("退款合计", back, sums.refunds, sums.back, sums.backDiscount)...)...)
}

// totals are the three figures of a closing line, amounts in units.
func totals(name string, m []string, count int64, received, discount pay.Fen) []channel.BillFigure {
	figure := func(part, text string, units int64) channel.BillFigure {
		n, ok := channel.BillUnits(text)
		if !ok {
			n = units + 1 // what cannot be read is not equal
		}
		return channel.BillFigure{Name: name + part, Said: n, Sums: units}
	}
	return []channel.BillFigure{
		figure("笔数", m[1], count*100*channel.FeeUnit), figure("商家实收", m[2], int64(received)*channel.FeeUnit),
		figure("商家优惠", m[3], int64(discount)*channel.FeeUnit),
	}
}

// add adds up the columns as they stand.
func (s *storeSums) add(r *channel.BillRow, kind channel.BillLineKind, fee int64) {
	received, discount := r.Fen(colReceived), r.Fen(colDiscount)
	if kind == channel.BillPayment {
		s.payments, s.paid, s.paidDiscount = s.payments+1, s.paid+received, s.paidDiscount+discount
	} else {
		s.refunds, s.back, s.backDiscount = s.refunds+1, s.back+received, s.backDiscount+discount
	}
	s.total, s.received, s.fee = s.total+r.Fen(colTotal), s.received+received, s.fee+fee
}

// detailLine reads one line; fee is as written, in thousandths of a fen. It
// reads every column whose form is known, so that r.Err tells whether they are
// it.
func detailLine(r *channel.BillRow) (l channel.BillLine, fee int64) {
	fee = r.Fee(colFee)
	l = channel.BillLine{
		Kind: billKinds[r.Text(colKind)], Time: r.Time(colFinished), TransactionID: r.Text(colTradeNo), OutTradeNo: r.Text(colNumber),
		OutRefundNo: r.Text("退款批次号/请求号"), State: r.Text(colKind),
		Total: r.Fen(colTotal), Settlement: r.Fen(colReceived), Discount: r.Fen(colDiscount),
		Coupons: r.Fen("支付宝红包(元)") + r.Fen("集分宝(元)") + r.Fen("支付宝优惠(元)"),
		Fee:     channel.RoundFen(-fee), FeeText: channel.FeeText(fee, r.Text(colFee)),
		Payer: r.Text("对方账户"), DeviceID: r.Text("终端号"), StoreID: r.Text(colStore), Product: r.Text(colProduct),
	}
	for _, name := range []string{"券核销金额(元)", "商家红包消费金额(元)", "卡消费金额(元)", "分润(元)"} {
		r.Units(name)
	}
	if l.Kind == channel.BillRefund {
		l.Total, l.Settlement, l.Discount, l.Coupons = -l.Total, -l.Settlement, -l.Discount, -l.Coupons
	}
	if r.Has(colCreated) {
		l.Created = r.Time(colCreated)
	}
	return l, fee
}

// summary reads the summary by store. It is compared after all details.
func (p *billParts) summary(text string) error {
	table := func(header []string) (*channel.BillTable, error) {
		return channel.NewBillTable(header, storeRequired, storeFree, func(r *channel.BillRow) { storeLine(r) })
	}
	return fileLines(text, p.head, table, func(r *channel.BillRow) error {
		p.stores = append(p.stores, storeLine(r))
		return r.Err()
	})
}

func storeLine(r *channel.BillRow) storeRow {
	fee := r.Fee(colFee)
	return storeRow{
		store: channel.BillStore{
			StoreID: r.Text(colStore), Name: r.Text("门店名称"), Payments: r.Count(colPayments), Refunds: r.Count(colRefunds),
			Total: r.Fen(colTotal), Received: r.Fen(colReceived), Fee: channel.RoundFen(-fee), Net: channel.RoundFen(r.Units(colNet)),
		},
		fee: fee, net: r.Units(colNet),
	}
}

// check compares the summary by store with the lines, and fills the bill's own.
func (p *billParts) check() error {
	all := p.sumsOf(allStores)
	p.bill.Summary = channel.BillSummary{
		Count: int64(len(p.bill.Lines)), Payments: all.payments, Refunds: all.refunds,
		Settlement: all.paid, Discount: all.paidDiscount, RefundSettled: -all.back, RefundDiscount: -all.backDiscount,
		Fee: channel.RoundFen(-all.fee),
	}
	for _, l := range p.bill.Lines {
		if l.Kind == channel.BillPayment {
			p.bill.Summary.Total += l.Total
		} else {
			p.bill.Summary.Refunded += l.Total
		}
	}
	if p.stores == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, row := range p.stores {
		key := "store:" + row.store.StoreID
		if row.store.StoreID == allStores {
			key = allStores
		} else {
			p.bill.Stores = append(p.bill.Stores, row.store)
		}
		if seen[key] {
			return errors.New("the bill's summary has a store twice")
		}
		seen[key] = true
		if err := row.check(p.sumsOf(key)); err != nil {
			return fmt.Errorf("summary of a store: %w", err)
		}
	}
	for key := range p.sums {
		if !seen[key] && key != allStores {
			return errors.New("the bill's summary lacks a store that its detail has")
		}
	}
	return nil
}

// check compares one row with the sums of its lines.
func (row storeRow) check(s *storeSums) error {
	return channel.CheckFigures(
		channel.BillFigure{Name: colPayments, Said: row.store.Payments, Sums: s.payments},
		channel.BillFigure{Name: colRefunds, Said: row.store.Refunds, Sums: s.refunds},
		channel.BillFigure{Name: colTotal, Said: int64(row.store.Total), Sums: int64(s.total)},
		channel.BillFigure{Name: colReceived, Said: int64(row.store.Received), Sums: int64(s.received)},
		channel.BillFigure{Name: colFee, Said: row.fee, Sums: s.fee},
		channel.BillFigure{Name: colNet, Said: row.net, Sums: int64(s.received)*channel.FeeUnit + s.fee},
	)
}

// isDay reports whether the bill is of a day. A bill that does not say is.
func (p *billParts) isDay(day time.Time) bool {
	return p.from == "" || p.from == channel.BillDay(day).Format("2006年01月02日")
}
