package report

import (
	"context"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Figures are the sums of a report (OrderStatClientInfo, protocol.md §2.0).
// Counts and amounts that a reverse took back are not in Success…; on AxisPaid
// the reverse may lie in the range and the payment before it, so these, and
// what follows from them, may be negative. Always
//
//	Net = Settle + Discount, and Settle = PaySettle − RevokeSettle − RefundSettle.
type Figures struct {
	Rows int64 // what a list with the same filter has, by its SuccessOnly

	TotalCount    int64 // payments, those included that were reversed
	TotalAmount   pay.Fen
	SuccessCount  int64
	SuccessAmount pay.Fen
	RefundCount   int64 // accepted refunds
	RefundAmount  pay.Fen
	NetCount      int64 // SuccessCount − RefundCount
	NetAmount     pay.Fen

	PaySettle    pay.Fen // what the wallet owes for the payments
	RevokeSettle pay.Fen
	RefundSettle pay.Fen // of a refund under way its amount
	Settle       pay.Fen
	Discount     pay.Fen // discounts the merchant bears

	Poundage      pay.Fen // less what reverses and refunds gave back
	Income        pay.Fen // Settle − Poundage
	OrderRefunded pay.Fen // succeeded refunds of these orders, whenever they were made
}

// figures turns sums into figures. Sums are far from the limits of int64: 10^9
// orders of 10^9 fen.
func (q *query) figures(s store.ReportSums) Figures {
	if q.Kind == Refunds {
		s = store.ReportSums{Refunds: s.Refunds, RefundOKs: s.RefundOKs, BackCount: s.BackCount, BackAmount: s.BackAmount, BackSettle: s.BackSettle, BackFee: s.BackFee}
	}
	if q.Kind == Orders {
		s.BackCount, s.BackAmount, s.BackSettle, s.BackFee = 0, 0, 0, 0
	}
	f := Figures{
		Rows: q.rows(s), TotalCount: s.PaidCount, TotalAmount: pay.Fen(s.PaidAmount),
		SuccessCount: s.PaidCount - s.UndoneCount, SuccessAmount: pay.Fen(s.PaidAmount - s.UndoneAmount),
		RefundCount: s.BackCount, RefundAmount: pay.Fen(s.BackAmount),
		PaySettle: pay.Fen(s.PaidSettle), RevokeSettle: pay.Fen(s.UndoneSettle), RefundSettle: pay.Fen(s.BackSettle),
		Settle:        pay.Fen(s.PaidSettle - s.UndoneSettle - s.BackSettle),
		Poundage:      pay.Fen(s.PaidFee - s.UndoneFee - s.BackFee),
		OrderRefunded: pay.Fen(s.Refunded),
	}
	f.NetCount, f.NetAmount = f.SuccessCount-f.RefundCount, f.SuccessAmount-f.RefundAmount
	f.Discount, f.Income = f.NetAmount-f.Settle, f.Settle-f.Poundage
	return f
}

// By says which members of a group tell groups apart.
type By struct {
	Shop, Staff, Device, QRCode, Source, Channel, Trade bool
}

// Group is one group of a report and its figures. Members that the groups are
// not told apart by are zero.
type Group struct {
	ShopID     string
	StaffID    string
	DeviceID   string
	QRCodeID   string
	SourceType int64
	Channel    pay.Channel
	TradeType  pay.TradeType
	Figures
}

// sums are figures under way, by group.
type sums map[store.ReportGroup]store.ReportSums

// add adds an entry's part of the figures, or with sign -1 takes it out. listed
// is the payment or refund, undone the reverse; on the axis of creation an
// order stands at one place with both.
func (m sums) add(q *query, by store.ReportBy, e store.ReportEntry, at, sign int64, listed, undone bool) {
	if !q.has(e) || at <= 0 || at < q.from || at >= q.to {
		return
	}
	var s store.ReportSums
	switch {
	case listed && e.Kind == store.ReportOrder:
		s.Orders, s.OrderOKs, s.PaidCount, s.PaidAmount = sign, sign*e.OK, sign*e.Counted, sign*e.Amount
		s.PaidSettle, s.PaidFee, s.Refunded = sign*e.Settle, sign*e.Fee, sign*e.Refunded
	case listed:
		s.Refunds, s.RefundOKs, s.BackCount, s.BackAmount = sign, sign*e.OK, sign*e.Counted, sign*e.Amount
		s.BackSettle, s.BackFee = sign*e.Settle, sign*e.Fee
	}
	if undone && e.UndoneMS > 0 {
		s.UndoneCount, s.UndoneAmount, s.UndoneSettle, s.UndoneFee = sign*e.Counted, sign*e.Amount, sign*e.Settle, sign*e.Fee
	}
	m.put(groupOf(by, e, at), s)
}

func (m sums) put(g store.ReportGroup, s store.ReportSums) {
	t := m[g]
	m[g] = t.Plus(s)
}

// groupOf is the group of an entry.
func groupOf(by store.ReportBy, e store.ReportEntry, at int64) (g store.ReportGroup) {
	if by.Start {
		g.StartMS = floor(at, day)
	}
	if by.Shop {
		g.ShopID = e.ShopID
	}
	if by.Staff {
		g.StaffID = e.StaffID
	}
	if by.Device {
		g.DeviceID = e.DeviceID
	}
	if by.QRCode {
		g.QRCodeID = e.QRCodeID
	}
	if by.Source {
		g.SourceType = e.SourceType
	}
	if by.Channel {
		g.Channel = e.Channel
	}
	if by.Trade {
		g.TradeType = e.TradeType
	}
	return g
}

// entry adds all parts of an entry that a change took part in.
func (m sums) entry(q *query, by store.ReportBy, e store.ReportEntry, sign int64) {
	if q.Axis == Created {
		m.add(q, by, e, e.CreatedMS, sign, true, true)
		return
	}
	m.add(q, by, e, e.PaidMS, sign, true, false)
	m.add(q, by, e, e.UndoneMS, sign, false, true)
}

// gather sums up a query by group: the cells of whole spans, the entries of the
// rest, and what has changed since.
func (q *query) gather(ctx context.Context, rd *store.ReportReader, by store.ReportBy, cs []store.ReportChange) (sums, error) {
	m := sums{}
	for _, p := range split(q.from, q.to, q.Level) {
		if p.span > 0 {
			cells, err := rd.Cells(ctx, q.ReportFilter, by, int64(q.Axis), p.span, p.from, p.to)
			if err != nil {
				return nil, err
			}
			for _, c := range cells {
				if by.Start {
					c.StartMS = floor(c.StartMS, day)
				}
				m.put(c.ReportGroup, c.ReportSums)
			}
			continue
		}
		listed, undone, err := rd.Edge(ctx, q.ReportFilter, int64(q.Axis), p.from, p.to, maxEdge)
		if err != nil {
			return nil, err
		}
		part := *q
		part.from, part.to = p.from, p.to
		for _, e := range listed {
			if q.Axis == Created {
				m.edge(&part, by, e, e.CreatedMS, true, true)
			} else {
				m.edge(&part, by, e, e.PaidMS, true, false)
			}
		}
		for _, e := range undone {
			m.edge(&part, by, e, e.UndoneMS, false, true)
		}
	}
	for _, c := range cs {
		m.entry(q, by, c.New, 1)
		if c.Folded {
			m.entry(q, by, c.Old, -1)
		}
	}
	return m, nil
}

// edge adds an entry that the database has already filtered; at level 0 it
// carries no shop to filter by.
func (m sums) edge(part *query, by store.ReportBy, e store.ReportEntry, at int64, listed, undone bool) {
	all := *part
	all.ReportFilter = store.ReportFilter{}
	m.add(&all, by, e, at, 1, listed, undone)
}

// Overview sums up what a list with the same filter has, as a whole and by
// group (query_order_list_overview). Groups without any row are absent; their
// order is by shop, staff, device, code, source, channel and trade type.
// Errors as in List.
func (r *Reports) Overview(ctx context.Context, f Filter, by By) (all Figures, groups []Group, err error) {
	b := store.ReportBy{Shop: by.Shop, Staff: by.Staff, Device: by.Device, QRCode: by.QRCode, Source: by.Source, Channel: by.Channel, Trade: by.Trade}
	q, err := r.ready(ctx, f, b)
	if err != nil {
		return Figures{}, nil, err
	}
	var m sums
	err = r.c.Store.ReadReport(ctx, f.MerchantID, func(rd *store.ReportReader) error {
		m, err = q.all(ctx, rd, b)
		return err
	})
	if err != nil {
		return Figures{}, nil, err
	}
	var total store.ReportSums
	for _, g := range m.groups() {
		s := m[g]
		total = total.Plus(s)
		groups = append(groups, Group{
			ShopID: g.ShopID, StaffID: g.StaffID, DeviceID: g.DeviceID, QRCodeID: g.QRCodeID, SourceType: g.SourceType,
			Channel: g.Channel, TradeType: g.TradeType, Figures: q.figures(s),
		})
	}
	return q.figures(total), groups, nil
}

// all is gather, for filters that name orders, too.
func (q *query) all(ctx context.Context, rd *store.ReportReader, by store.ReportBy) (sums, error) {
	if !q.named {
		cs, err := q.changes(ctx, rd)
		if err != nil {
			return nil, err
		}
		return q.gather(ctx, rd, by, cs)
	}
	cs, err := q.one(ctx, rd)
	m := sums{}
	for _, c := range cs {
		c.New.Fee = q.fee(c)
		m.entry(q, by, c.New, 1)
	}
	return m, err
}
