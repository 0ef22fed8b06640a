package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Page says which part of a list is wanted: a page by its number, as machines
// ask, or what follows a row, as our own consoles do.
type Page struct {
	Num   int // from 1; ignored if After is set
	Size  int // 1 to MaxPage
	After *Cursor
}

// Cursor names the last row of a page.
type Cursor struct {
	At     time.Time
	Kind   Kind // Orders or Refunds
	Number string
}

// List is a page of orders and refunds, newest first. Rows of one time stand
// refunds first and then by number, downwards, so that a list has one order.
type List struct {
	Total int64 // rows that match, on all pages
	Rows  []Row // empty past the end
}

// Row is one order, or one refund and the order that it is of.
type Row struct {
	At       time.Time // on the filter's axis
	Order    pay.Order
	Refund   *pay.Refund // nil in the row of an order
	Poundage pay.Fen     // of the payment, or given back with the refund; 0 while nothing counts
}

// Cursor returns what names the row.
func (r Row) Cursor() Cursor {
	if r.Refund != nil {
		return Cursor{r.At, Refunds, r.Refund.OutRefundNo}
	}
	return Cursor{r.At, Orders, r.Order.OutTradeNo}
}

// List reads a page. The error is of kind pay.ErrInvalid for a filter or page
// that cannot be meant, and pay.ErrUnavailable while the fold is far behind.
func (r *Reports) List(ctx context.Context, f Filter, p Page) (List, error) {
	if p.Size < 1 || p.Size > MaxPage {
		return List{}, pay.Refuse(pay.ErrInvalid, "report_page_size", "page_size 须在 1 到 100 之间")
	}
	if p.After == nil && p.Num < 1 {
		return List{}, pay.Refuse(pay.ErrInvalid, "report_page_num", "page_num 从 1 开始")
	}
	q, err := r.ready(ctx, f, store.ReportBy{})
	if err != nil {
		return List{}, err
	}
	var l List
	var refs []store.ReportRef
	err = r.c.Store.ReadReport(ctx, f.MerchantID, func(rd *store.ReportReader) error {
		l, refs = List{}, nil
		x := &lister{query: q, rd: rd}
		if q.named {
			err := x.pick(ctx)
			l.Total, refs = int64(len(x.fresh)), x.pageOf(p)
			return err
		}
		var err error
		if x.cs, err = q.changes(ctx, rd); err != nil {
			return err
		}
		l.Total, refs, err = x.page(ctx, p)
		return err
	})
	if err != nil {
		return List{}, err
	}
	l.Rows, err = r.rows(ctx, f.MerchantID, refs)
	return l, err
}

// rows reads the orders and refunds of a page, as they stand now. Whatever was
// removed meanwhile is left out; nothing removes orders today.
func (r *Reports) rows(ctx context.Context, merchantID string, refs []store.ReportRef) ([]Row, error) {
	var orderNos, refundNos []string
	for _, f := range refs {
		if f.Kind == store.ReportRefund {
			refundNos = append(refundNos, f.Number)
		} else {
			orderNos = append(orderNos, f.Number)
		}
	}
	refunds, err := r.c.Store.RefundsByNumber(ctx, merchantID, refundNos)
	if err != nil {
		return nil, err
	}
	for _, f := range refunds {
		orderNos = append(orderNos, f.OutTradeNo)
	}
	orders, err := r.c.Store.OrdersByNumber(ctx, merchantID, orderNos)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(refs))
	for _, f := range refs {
		row := Row{At: time.UnixMilli(f.AtMS).UTC()}
		no := f.Number
		if f.Kind == store.ReportRefund {
			refund, ok := refunds[no]
			if !ok {
				continue
			}
			row.Refund, no = &refund, refund.OutTradeNo
			row.Poundage = refundFee(refund, f.Rate)
		}
		order, ok := orders[no]
		if !ok {
			continue
		}
		if row.Order = order; row.Refund == nil && (order.Taken() || order.PaidSeen) {
			row.Poundage = Poundage(order.Settlement, f.Rate)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// refundFee is what a refund gives back of the poundage, as the cells count it.
func refundFee(r pay.Refund, rate int64) pay.Fen {
	switch {
	case r.State == pay.RefundRejected || r.Origin == pay.OriginLate:
		return 0
	case r.State == pay.RefundSucceeded:
		return Poundage(r.Settlement, rate)
	}
	return Poundage(r.Amount, rate)
}

// lister finds a page.
type lister struct {
	*query
	rd    *store.ReportReader
	cs    []store.ReportChange
	fresh []store.ReportRef // of pick
}

// bucket is a span of time and how many rows of the list stand in it.
type bucket struct {
	from, to int64
	n        int64
	whole    bool // a day that may be cut into slots
}

// page reads a page and counts the whole list.
func (x *lister) page(ctx context.Context, p Page) (total int64, refs []store.ReportRef, err error) {
	bs, total, err := x.buckets(ctx, split(x.from, x.to, x.Level))
	if err != nil {
		return 0, nil, err
	}
	if p.After == nil {
		refs, err = x.collect(ctx, bs, int64(p.Num-1)*int64(p.Size), p.Size)
		return total, refs, err
	}
	// The rest of the cursor's millisecond, and then what is older.
	at := p.After.At.UnixMilli()
	last := store.ReportRef{Kind: int64(p.After.Kind), Number: p.After.Number, AtMS: at}
	if at < x.to {
		same, err := x.read(ctx, at, at+1, 0, maxEdge)
		if err != nil {
			return 0, nil, err
		}
		for _, s := range same {
			if newer(last, s) < 0 && len(refs) < p.Size {
				refs = append(refs, s)
			}
		}
	}
	if bs, _, err = x.buckets(ctx, split(x.from, max(x.from, min(at, x.to)), x.Level)); err != nil {
		return 0, nil, err
	}
	older, err := x.collect(ctx, bs, 0, p.Size-len(refs))
	return total, append(refs, older...), err
}

// buckets counts the rows of pieces, newest first. Buckets without rows are
// left out.
func (x *lister) buckets(ctx context.Context, ps []piece) (bs []bucket, total int64, err error) {
	for _, p := range slices.Backward(ps) {
		counts, err := x.counts(ctx, p)
		if err != nil {
			return nil, 0, err
		}
		begin := len(bs)
		for start, n := range counts {
			if n > 0 {
				bs = append(bs, bucket{start, p.end(start), n, p.span == day && slotOf(x.Level) > 0})
				total += n
			}
		}
		slices.SortFunc(bs[begin:], func(a, b bucket) int { return cmp.Compare(b.from, a.from) })
	}
	return bs, total, nil
}

// counts counts the rows of one piece by span: what is folded, less what was
// folded and has changed, plus what it has become.
func (x *lister) counts(ctx context.Context, p piece) (map[int64]int64, error) {
	m := map[int64]int64{}
	if p.span > 0 {
		cells, err := x.rd.Counts(ctx, x.ReportFilter, int64(x.Axis), p.span, p.from, p.to)
		if err != nil {
			return nil, err
		}
		for _, c := range cells {
			m[c.StartMS] += x.rows(c.ReportSums)
		}
	} else {
		listed, _, err := x.rd.Edge(ctx, x.ReportFilter, int64(x.Axis), p.from, p.to, maxEdge)
		if err != nil {
			return nil, err
		}
		for _, e := range listed {
			if x.SuccessOnly && e.OK == 0 || e.Kind == store.ReportOrder && x.Kind == Refunds || e.Kind == store.ReportRefund && x.Kind == Orders {
				continue
			}
			m[p.from]++
		}
	}
	for _, c := range x.cs {
		if at, ok := x.listed(c.New); ok && at >= p.from && at < p.to {
			m[p.start(at)]++
		}
		if at, ok := x.listed(c.Old); c.Folded && ok && at >= p.from && at < p.to {
			m[p.start(at)]--
		}
	}
	return m, nil
}

// collect reads size rows from an offset on. It walks the counts to the spans
// that hold them, and reads only those.
func (x *lister) collect(ctx context.Context, bs []bucket, offset int64, size int) ([]store.ReportRef, error) {
	i, bs, err := x.walk(ctx, bs, 0, &offset)
	if err != nil || i == len(bs) || size == 0 {
		return nil, err
	}
	rest := int64(0)
	for _, b := range bs[i:] {
		rest += b.n
	}
	need := min(offset+int64(size), rest) - 1 // the last row wanted, seen from bucket i
	j, bs, err := x.walk(ctx, bs, i, &need)
	if err != nil {
		return nil, err
	}
	return x.read(ctx, bs[j].from, bs[i].to, int(offset), size)
}

// walk goes from bucket i to the one that holds the row at an offset, and cuts a
// day that holds it into slots. The offset is then seen from that bucket.
func (x *lister) walk(ctx context.Context, bs []bucket, i int, offset *int64) (int, []bucket, error) {
	for i < len(bs) {
		if *offset >= bs[i].n {
			*offset -= bs[i].n
			i++
			continue
		}
		if !bs[i].whole {
			return i, bs, nil
		}
		slots, _, err := x.buckets(ctx, []piece{{bs[i].from, bs[i].to, slotOf(x.Level)}})
		if err != nil {
			return 0, nil, err
		}
		bs = slices.Replace(slices.Clone(bs), i, i+1, slots...)
	}
	return i, bs, nil
}

// read reads rows that stand in [from, to): what is folded and has not changed,
// and what was written since.
func (x *lister) read(ctx context.Context, from, to int64, offset, size int) ([]store.ReportRef, error) {
	type key struct {
		kind   int64
		number string
	}
	stale := map[key]bool{}
	var fresh []store.ReportRef
	for _, c := range x.cs {
		if at, ok := x.listed(c.Old); c.Folded && ok && at >= from && at < to {
			stale[key{c.Old.Kind, c.Old.Number}] = true
		}
		if at, ok := x.listed(c.New); ok && at >= from && at < to {
			fresh = append(fresh, x.ref(c, at))
		}
	}
	p := store.ReportPiece{
		Axis: int64(x.Axis), From: from, To: to, Orders: x.Kind != Refunds, Refunds: x.Kind != Orders, OKOnly: x.SuccessOnly,
		Offset: offset, Limit: size,
	}
	if len(stale) == 0 && len(fresh) == 0 {
		return x.rd.Page(ctx, x.ReportFilter, p)
	}
	p.Offset, p.Limit = 0, offset+size+len(stale)
	refs, err := x.rd.Page(ctx, x.ReportFilter, p)
	if err != nil {
		return nil, err
	}
	refs = slices.DeleteFunc(refs, func(r store.ReportRef) bool { return stale[key{r.Kind, r.Number}] })
	refs = append(refs, fresh...)
	slices.SortFunc(refs, newer)
	return refs[min(offset, len(refs)):min(offset+size, len(refs))], nil
}

func (x *lister) ref(c store.ReportChange, at int64) store.ReportRef {
	rate := x.rate
	if c.Folded {
		rate = c.Rate
	}
	return store.ReportRef{Kind: c.New.Kind, Number: c.New.Number, Rate: rate, AtMS: at}
}

// newer is the order of every list.
func newer(a, b store.ReportRef) int {
	return cmp.Or(cmp.Compare(b.AtMS, a.AtMS), cmp.Compare(b.Kind, a.Kind), cmp.Compare(b.Number, a.Number))
}

// pick reads the rows that the filter names one by one.
func (x *lister) pick(ctx context.Context) error {
	cs, err := x.one(ctx, x.rd)
	for _, c := range cs {
		if at, ok := x.listed(c.New); ok {
			x.fresh = append(x.fresh, x.ref(c, at))
		}
	}
	slices.SortFunc(x.fresh, newer)
	return err
}

// one reads the order and the refunds that a filter names.
func (q *query) one(ctx context.Context, rd *store.ReportReader) ([]store.ReportChange, error) {
	cs, err := rd.Named(ctx, q.OutTradeNo, q.OutRefundNo, q.rate)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(cs, func(c store.ReportChange) bool {
		return q.OutTradeNo != "" && c.New.OutTradeNo != q.OutTradeNo ||
			q.OutRefundNo != "" && (c.New.Kind != store.ReportRefund || c.New.Number != q.OutRefundNo)
	}), nil
}

// pageOf cuts a page out of what pick found.
func (x *lister) pageOf(p Page) []store.ReportRef {
	from := (int64(p.Num) - 1) * int64(p.Size)
	if p.After != nil {
		last := store.ReportRef{Kind: int64(p.After.Kind), Number: p.After.Number, AtMS: p.After.At.UnixMilli()}
		n, found := slices.BinarySearchFunc(x.fresh, last, newer)
		if from = int64(n); found {
			from++
		}
	}
	n := int64(len(x.fresh))
	return x.fresh[min(from, n):min(from+int64(p.Size), n)]
}
