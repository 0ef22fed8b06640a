package report

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Limits of statistics.
const (
	// maxShops bounds the shops that one request may name: each is read by itself.
	maxShops = 100
	// maxItems bounds the items of one request, on all pages: 400 days of 100 shops.
	maxItems = 40_000
	// maxPayers bounds the payments whose payers are counted for one page: each is
	// a row of orders to read, about 5 µs.
	maxPayers = 2_000
)

// StatType says which span of time an item of statistics stands for. The values
// are the wire's (protocol.md §3.14).
type StatType int64

// The spans. A week begins on Monday.
const (
	Daily   StatType = 1
	Monthly StatType = 2
	Weekly  StatType = 3
	Yearly  StatType = 4
)

// StatQuery asks for statistics (client_sub_mch_sales_overview).
type StatQuery struct {
	Filter Filter // ShopID and StaffID are ignored if Shops is not empty
	Type   StatType
	// Shops picks shops and, within each, staff; a shop without staff is one item
	// per span. Empty is the merchant, or what Filter says, as one.
	Shops     []ShopStaff
	ByChannel bool // tell the wallets apart
	Page      Page // by number
}

// ShopStaff names a shop and staff of it.
type ShopStaff struct {
	ShopID   string
	StaffIDs []string
}

// Stats are statistics: the whole, and items, newest first, then by shop, staff
// and wallet.
type Stats struct {
	All   Figures
	Total int64 // items on all pages
	Items []StatItem
}

// StatItem is what was sold in one span of time.
type StatItem struct {
	Begin    time.Time // in Asia/Shanghai: midnight of the first day of the span
	ShopID   string    // "" for all shops
	StaffID  string    // "" for all staff
	Channel  pay.Channel
	Payers   int64 // different customers; -1 if the page has too many payments to count them
	from, to int64
	Figures
}

var shanghai = time.FixedZone("Asia/Shanghai", int(beijing/1000))

// begin returns the midnight at which the span of a day begins.
func (t StatType) begin(dayMS int64) time.Time {
	d := time.UnixMilli(dayMS).In(shanghai)
	switch t {
	case Daily:
	case Weekly:
		d = d.AddDate(0, 0, -(int(d.Weekday())+6)%7)
	case Monthly:
		d = d.AddDate(0, 0, 1-d.Day())
	case Yearly:
		d = d.AddDate(0, 0, 1-d.YearDay())
	}
	return d
}

// end returns the midnight at which the span that begins at a midnight ends.
func (t StatType) end(begin time.Time) time.Time {
	switch t {
	case Daily:
	case Weekly:
		return begin.AddDate(0, 0, 7)
	case Monthly:
		return begin.AddDate(0, 1, 0)
	case Yearly:
		return begin.AddDate(1, 0, 0)
	}
	return begin.AddDate(0, 0, 1)
}

// Stats sums up by span of time. Errors as in List.
func (r *Reports) Stats(ctx context.Context, sq StatQuery) (Stats, error) {
	if sq.Type < Daily || sq.Type > Yearly {
		return Stats{}, pay.Refuse(pay.ErrInvalid, "report_stat_type", "stat_type 只能是 1、2、3 或 4")
	}
	if sq.Page.Size < 1 || sq.Page.Size > MaxPage || sq.Page.Num < 1 {
		return Stats{}, pay.Refuse(pay.ErrInvalid, "report_page_size", "page_num 从 1 开始，page_size 须在 1 到 100 之间")
	}
	if len(sq.Shops) > maxShops {
		return Stats{}, pay.Refuse(pay.ErrInvalid, "report_shops", "shops 最多 100 个")
	}
	scopes, err := r.scopes(ctx, sq)
	if err != nil {
		return Stats{}, err
	}
	var st Stats
	err = r.c.Store.ReadReport(ctx, sq.Filter.MerchantID, func(rd *store.ReportReader) error {
		st = Stats{}
		cs, err := scopes[0].changes(ctx, rd)
		if err != nil {
			return err
		}
		var total store.ReportSums
		for _, q := range scopes {
			items, sum, err := q.items(ctx, rd, sq, cs)
			if err != nil {
				return err
			}
			total = total.Plus(sum)
			if st.Items = append(st.Items, items...); len(st.Items) > maxItems {
				return pay.Refuse(pay.ErrInvalid, "report_items", "统计条目过多，请缩小时间范围或门店范围")
			}
		}
		st.All, st.Total = scopes[0].figures(total), int64(len(st.Items))
		slices.SortFunc(st.Items, func(a, b StatItem) int {
			return cmp.Or(b.Begin.Compare(a.Begin), cmp.Compare(a.ShopID, b.ShopID), cmp.Compare(a.StaffID, b.StaffID), cmp.Compare(a.Channel, b.Channel))
		})
		from := min(int64(sq.Page.Num-1)*int64(sq.Page.Size), st.Total)
		st.Items = st.Items[from:min(from+int64(sq.Page.Size), st.Total)]
		return payers(ctx, rd, scopes[0], st.Items, cs)
	})
	if err != nil {
		return Stats{}, err
	}
	return st, nil
}

// scopes makes one query for each shop, or shop and person, that is asked for.
func (r *Reports) scopes(ctx context.Context, sq StatQuery) (qs []*query, err error) {
	add := func(f Filter) {
		f.OutTradeNo, f.OutRefundNo = "", ""
		q, failed := r.ready(ctx, f, store.ReportBy{})
		qs, err = append(qs, q), cmp.Or(err, failed)
	}
	f := sq.Filter
	if len(sq.Shops) == 0 {
		add(f)
	}
	seen := map[[2]string]bool{}
	for _, s := range sq.Shops {
		staff := s.StaffIDs
		if len(staff) == 0 {
			staff = []string{""}
		}
		for _, id := range staff {
			if seen[[2]string{s.ShopID, id}] {
				continue // named twice, counted once
			}
			seen[[2]string{s.ShopID, id}] = true
			f.ShopID, f.StaffID = s.ShopID, id
			if add(f); len(qs) > maxShops {
				return nil, pay.Refuse(pay.ErrInvalid, "report_shops", "shops 与 staff_ids 合计最多 100 个")
			}
		}
	}
	return qs, err
}

// items sums up one scope by span.
func (q *query) items(ctx context.Context, rd *store.ReportReader, sq StatQuery, cs []store.ReportChange) (items []StatItem, all store.ReportSums, err error) {
	m, err := q.gather(ctx, rd, store.ReportBy{Start: true, Channel: sq.ByChannel}, cs)
	if err != nil {
		return nil, all, err
	}
	spans := sums{}
	for g, s := range m {
		all = all.Plus(s)
		g.StartMS = sq.Type.begin(g.StartMS).UnixMilli()
		spans.put(g, s)
	}
	for _, g := range spans.groups() {
		begin := time.UnixMilli(g.StartMS).In(shanghai)
		items = append(items, StatItem{
			Begin: begin, ShopID: q.Filter.ShopID, StaffID: q.Filter.StaffID, Channel: cmp.Or(g.Channel, q.Filter.Channel),
			from: max(q.from, g.StartMS), to: min(q.to, sq.Type.end(begin).UnixMilli()), Figures: q.figures(spans[g]),
		})
	}
	return items, all, nil
}

// payers counts the customers of a page's items, if that is few enough work.
func payers(ctx context.Context, rd *store.ReportReader, q *query, items []StatItem, cs []store.ReportChange) error {
	var payments int64
	for i := range items {
		items[i].Payers = -1
		payments += max(0, items[i].SuccessCount)
	}
	if payments > maxPayers {
		return nil
	}
	for i := range items {
		it := &items[i]
		one := *q
		one.Axis, one.from, one.to = Paid, it.from, it.to
		one.ReportFilter.ShopID, one.ReportFilter.StaffID, one.ReportFilter.Channel = it.ShopID, it.StaffID, it.Channel
		one.Kind, one.SuccessOnly = Orders, true
		if it.StaffID != "" {
			one.Level = 2
		} else if it.ShopID != "" {
			one.Level = max(1, one.Level)
		}
		ids, err := rd.Payers(ctx, one.ReportFilter, it.from, it.to, maxPayers+1)
		if err != nil {
			return err
		}
		all := map[string]bool{}
		for _, id := range ids {
			all[id] = true
		}
		for _, c := range cs {
			if _, ok := one.listed(c.New); ok && c.PayerID != "" {
				all[c.PayerID] = true
			}
		}
		it.Payers = int64(len(all))
	}
	return nil
}

// groups returns the groups that have figures, in the order of their members.
func (m sums) groups() []store.ReportGroup {
	gs := slices.DeleteFunc(slices.Collect(maps.Keys(m)), func(g store.ReportGroup) bool { return m[g] == store.ReportSums{} })
	slices.SortFunc(gs, func(a, b store.ReportGroup) int {
		return cmp.Or(cmp.Compare(a.StartMS, b.StartMS), cmp.Compare(a.ShopID, b.ShopID), cmp.Compare(a.StaffID, b.StaffID),
			cmp.Compare(a.DeviceID, b.DeviceID), cmp.Compare(a.QRCodeID, b.QRCodeID), cmp.Compare(a.SourceType, b.SourceType),
			cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.TradeType, b.TradeType))
	})
	return gs
}
