package monitor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/pay"
)

// MaxPage is the longest page of a search.
const MaxPage = 200

// Filter says what to look for. At most one of LogID, OrderNo, DeviceID and SN
// is set. MerchantID is required for a search by device or by time alone; with
// the others "" means all merchants, which only an operator may see.
type Filter struct {
	MerchantID string
	LogID      int64
	OrderNo    string
	DeviceID   string
	SN         string
	From, To   time.Time // of arrival, From ≤ at < To; zero: the last 30 days
}

// Cursor is a place between two records, newest first: after the one of that
// time and id.
type Cursor struct {
	At time.Time
	ID string
}

// Page is one page of a search.
type Page struct {
	Records []Record // newest first
	Next    string   // gives the next page to Search; "" at the end
}

// Search returns a page of at most limit records, newest first. cursor is ""
// or what a page before gave. A page costs the same wherever it is.
func (m *Monitor) Search(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	if err := f.check(); err != nil {
		return Page{}, err
	}
	if limit < 1 || limit > MaxPage {
		return Page{}, pay.Refuse(pay.ErrInvalid, "monitor_limit", fmt.Sprintf("每页条数须在1到%d之间", MaxPage))
	}
	now := m.Now().UTC()
	// What is due for purging is not shown, whether it is still there or not.
	if oldest := now.Add(-Retention); f.From.Before(oldest) {
		f.From = oldest
	}
	if f.To.IsZero() {
		f.To = now.Add(time.Hour)
	}
	after := Cursor{At: f.To}
	if cursor != "" {
		c, err := parseCursor(cursor)
		if err != nil {
			return Page{}, pay.Refuse(pay.ErrInvalid, "monitor_cursor", "翻页参数无效")
		}
		if c.At.Before(after.At) {
			after = c
		}
	}
	records, err := m.Keeper.SearchMonitor(ctx, f, after, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("search monitoring: %w", err)
	}
	p := Page{Records: records}
	if len(records) > limit {
		p.Records = records[:limit]
		last := p.Records[limit-1]
		p.Next = strconv.FormatInt(last.At.UnixMilli(), 36) + "~" + last.ID
	}
	return p, nil
}

// check refuses what cannot be answered from an index.
func (f Filter) check() error {
	keys := 0
	for _, set := range []bool{f.LogID != 0, f.OrderNo != "", f.DeviceID != "", f.SN != ""} {
		if set {
			keys++
		}
	}
	switch {
	case keys > 1:
		return pay.Refuse(pay.ErrInvalid, "monitor_filter", "log_id、单号、设备和SN只能填一个")
	case f.MerchantID == "" && (keys == 0 || f.DeviceID != ""):
		return pay.Refuse(pay.ErrInvalid, "monitor_filter", "按设备或时间查询须指定子商户")
	case !f.To.IsZero() && !f.From.Before(f.To):
		return pay.Refuse(pay.ErrInvalid, "monitor_range", "开始时间须早于结束时间")
	}
	return nil
}

// parseCursor reads what Search wrote.
func parseCursor(s string) (Cursor, error) {
	at, id, ok := strings.Cut(s, "~")
	ms, err := strconv.ParseInt(at, 36, 64)
	if err != nil || !ok || len(id) > 64 || strings.ContainsRune(id, 0) {
		return Cursor{}, errors.New("not a cursor")
	}
	return Cursor{At: time.UnixMilli(ms).UTC(), ID: strings.ToValidUTF8(id, "")}, nil
}
