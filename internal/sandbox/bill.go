package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"path"
	"slices"
	"strings"
	"time"
)

// When bills appear and for how long they can be had (upstreams.md §3.8, §8.6).
const (
	billReadyAfter = 9 * time.Hour       // after the end of the day, in Beijing
	billKept       = 92 * 24 * time.Hour // three months
	billMonthAfter = 2 * 24 * time.Hour  // Alipay's monthly bill comes on the 3rd
)

// maxBillRows bounds one bill: a test bench's day with more would not fit its
// memory twice, and nobody reads it.
const maxBillRows = 100_000

// billSpan is what a bill covers: from is its first moment and until the first
// one after it.
type billSpan struct{ from, until, ready time.Time }

// spanOf reads a bill's date: a day by layout, or a month where monthly is set.
func spanOf(text, layout, monthly string) (billSpan, bool) {
	if day, err := time.ParseInLocation(layout, text, beijing); err == nil {
		until := day.AddDate(0, 0, 1)
		return billSpan{day, until, until.Add(billReadyAfter)}, true
	}
	if monthly == "" {
		return billSpan{}, false
	}
	day, err := time.ParseInLocation(monthly, text, beijing)
	until := day.AddDate(0, 1, 0)
	return billSpan{day, until, until.Add(billMonthAfter + billReadyAfter)}, err == nil
}

// billStage says whether a bill can be had.
type billStage int

// The stages of a bill.
const (
	billReady    billStage = iota
	billCreating           // the day is not over, or the bill not made
	billFuture             // the day has not begun
	billGone               // of more than three months ago
)

// stage tells where the bill stands; late is how much later than usual it comes.
func (b billSpan) stage(now time.Time, late time.Duration) billStage {
	switch {
	case b.from.After(now):
		return billFuture
	case now.Before(b.ready.Add(late)):
		return billCreating
	case now.Sub(b.from) > billKept:
		return billGone
	}
	return billReady
}

// billKind says what a row of a bill is.
type billKind int

// The kinds of rows.
const (
	billPaid billKind = iota
	billRefund
	billReversed
	billRollback
)

// billRow is one row of a trade bill: what the wallet believes of a payment or
// of money that went back. Amounts are positive.
type billRow struct {
	t       *trade
	r       *refund // of a refund
	kind    billKind
	atMS    int64
	amount  Fen // of the order, or of it what went back
	settled Fen // without the merchant's own coupons
	cash    Fen // paid by the wallet's coupons
	fee     Fen // what the wallet keeps or gives back
	state   refundState
	odd     bool // fault: the state is told wrongly
}

// billScope says whose bill it is: a provider's, or one merchant's of it.
type billScope struct {
	channel            Channel
	provider, merchant string
}

// billRows lists the rows of a trade bill, by merchant and time. A refund is of
// the day on which WeChat accepted it and Alipay carried it out; its state is
// the one when the bill was made.
func (s *Sandbox) billRows(ctx context.Context, tx *txn, of billScope, span billSpan, eff *effect) ([]billRow, error) {
	if err := s.returnDue(ctx, tx); err != nil {
		return nil, err
	}
	shift := eff.bill.shift
	from, until := span.from.Add(-shift).UnixMilli(), span.until.Add(-shift).UnixMilli()
	args := []any{of.channel, of.provider, of.merchant, from, until, maxBillRows}
	paid, err := tx.trades(ctx, "WHERE channel = ?1 AND provider = ?2 AND (?3 = '' OR merchant = ?3) AND paid_ms >= ?4 AND paid_ms < ?5 AND paid_ms > 0 LIMIT ?6", args...)
	if err != nil {
		return nil, err
	}
	var rows []billRow
	for _, t := range paid {
		rows = append(rows, billRow{t: t, kind: billPaid, atMS: t.paidMS, amount: t.total, settled: t.net(), cash: t.couponTotal() - t.uncashed(), fee: t.fee()})
	}
	ended, err := tx.trades(ctx, "WHERE channel = ?1 AND provider = ?2 AND (?3 = '' OR merchant = ?3) AND ended_ms >= ?4 AND ended_ms < ?5 AND ended_ms > 0 AND paid_ms > 0 LIMIT ?6", args...)
	if err != nil {
		return nil, err
	}
	for _, t := range ended {
		kind, before := billReversed, Fen(0)
		if t.state == tradeClosed {
			kind, before = billRollback, t.reserved
		}
		if before < t.total {
			rows = append(rows, backRow(t, kind, t.endedMS, before, t.total-before))
		}
	}
	back, err := s.billRefunds(ctx, tx, of.channel, args, span)
	if err != nil {
		return nil, err
	}
	rows = append(rows, back...)
	slices.SortStableFunc(rows, func(a, b billRow) int {
		if a.t.merchant != b.t.merchant {
			return strings.Compare(a.t.merchant, b.t.merchant)
		}
		return int(a.atMS - b.atMS)
	})
	return eff.bill.spoil(rows, of.channel), nil
}

// billRefunds lists the rows of refunds.
func (s *Sandbox) billRefunds(ctx context.Context, tx *txn, ch Channel, args []any, span billSpan) ([]billRow, error) {
	where := "WHERE trade IN (SELECT seq FROM trades WHERE channel = ?1 AND provider = ?2 AND (?3 = '' OR merchant = ?3)) AND "
	by := "accepted_ms >= ?4 AND accepted_ms < ?5 LIMIT ?6"
	if ch == Alipay {
		by = "state = 'success' AND done_ms >= ?4 AND done_ms < ?5 LIMIT ?6"
	}
	list, err := tx.refunds(ctx, where+by, args...)
	if err != nil {
		return nil, err
	}
	var rows []billRow
	for _, r := range list {
		owner, err := tx.trades(ctx, "WHERE seq = ?", r.trade)
		if err != nil {
			return nil, err
		}
		row := backRow(owner[0], billRefund, r.acceptedMS, r.before, r.amount)
		if ch == Alipay {
			row.atMS = r.doneMS
		}
		row.r, row.state = r, refundProcessing
		if r.doneMS > 0 && r.doneMS < span.ready.UnixMilli() {
			row.state = r.state
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// backRow is the row of money that went back.
func backRow(t *trade, kind billKind, atMS int64, before, amount Fen) billRow {
	cash := t.couponTotal() - t.uncashed()
	return billRow{
		t: t, kind: kind, atMS: atMS, amount: amount, settled: t.netOf(before, amount), state: refundSuccess,
		cash: t.shareOf(cash, before+amount) - t.shareOf(cash, before), fee: t.feeOf(before, amount),
	}
}

// billFault is what a fault does to a bill. The pointers name the row it is
// done to by a pattern of out_trade_no, "" for the first.
type billFault struct {
	missing, extra, amount, fee, state *string
	shift, late                        time.Duration
	badHash, gzip, dead                bool
}

// spoil alters rows. The sums of the bill are made afterwards, so that a bill
// stays true to itself.
func (f billFault) spoil(rows []billRow, ch Channel) []billRow {
	pick := func(pattern *string) int {
		if pattern == nil {
			return -1
		}
		return slices.IndexFunc(rows, func(r billRow) bool {
			hit, _ := path.Match(*pattern, r.t.outTradeNo) // the pattern was checked when it was added
			return hit || *pattern == ""
		})
	}
	if i := pick(f.amount); i >= 0 {
		rows[i].amount, rows[i].settled = rows[i].amount+1, rows[i].settled+1
	}
	if i := pick(f.fee); i >= 0 {
		rows[i].fee++
	}
	if i := pick(f.state); i >= 0 {
		rows[i].odd = true
	}
	if i := pick(f.extra); i >= 0 {
		stranger := *rows[i].t
		stranger.outTradeNo, stranger.tradeNo = "EXTRA"+stranger.outTradeNo, newTradeNo(ch, 9_000_000_000+stranger.seq, at(stranger.createdMS))
		more := rows[i]
		more.t, more.kind, more.r = &stranger, billPaid, nil
		rows = append(rows, more)
	}
	if i := pick(f.missing); i >= 0 {
		rows = slices.Delete(rows, i, i+1)
	}
	return rows
}

// billScenarios are what befalls bills (upstreams.md §8.7). out_trade_no names
// the row, not the call.
var billScenarios = []Scenario{
	billScenario("bill_missing_row", "a row of the bill (the first, or of out_trade_no) is missing", func(b *billFault, p Params) { b.missing = &p.OutTradeNo }),
	billScenario("bill_extra_row", "the bill has a payment that nobody made", func(b *billFault, p Params) { b.extra = &p.OutTradeNo }),
	billScenario("bill_amount_diff", "a row is one fen too high", func(b *billFault, p Params) { b.amount = &p.OutTradeNo }),
	billScenario("bill_fee_diff", "a row's fee is one fen too high", func(b *billFault, p Params) { b.fee = &p.OutTradeNo }),
	billScenario("bill_state_diff", "a payment is told as reversed (Alipay: refunded), a refund as failed (Alipay: paid)", func(b *billFault, p Params) { b.state = &p.OutTradeNo }),
	billScenario("bill_cross_midnight", "what happened in the day's last seconds (60) stands in the next day's bill",
		func(b *billFault, p Params) { b.shift = p.wait(time.Minute) }, "seconds"),
	billScenario("bill_late", "the bill comes later than at 09:00 (3600 s)", func(b *billFault, p Params) { b.late = p.wait(time.Hour) }, "seconds"),
	billScenario("bill_bad_hash", "APIv3: the announced hash is not the bill's", func(b *billFault, _ Params) { b.badHash = true }, onlyWxBill),
	billScenario("bill_gzip", "the bill comes compressed, though nobody asked for it", func(b *billFault, _ Params) { b.gzip = true }, onlyWxBill),
	billScenario("bill_token_expired", "APIv3: the download's token has run out before it is used", func(b *billFault, _ Params) { b.dead = true }, onlyWxBill),
	billScenario("bill_30s_expiry", "the download's URL has run out before it is used", func(b *billFault, _ Params) { b.dead = true }, onlyAliBill),
}

// Marks among the parameters of billScenario for the wallet it is limited to.
const onlyWxBill, onlyAliBill = "\x00wxpay", "\x00alipay"

func billScenario(name, effectText string, apply func(*billFault, Params), params ...string) Scenario {
	sc := Scenario{
		Name: name, Effect: effectText, Channels: both, Endpoint: EndpointBill,
		apply: func(e *effect, _ Channel, p Params) { apply(&e.bill, p) },
	}
	for _, p := range params {
		switch p {
		case onlyWxBill:
			sc.Channels = onlyWx
		case onlyAliBill:
			sc.Channels = onlyAli
		default:
			sc.Params = append(sc.Params, p)
		}
	}
	return sc
}

// gzipped compresses a bill.
func gzipped(raw []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(raw) // into memory: neither fails
	_ = z.Close()
	return b.Bytes()
}

// maxBillFiles bounds the bills that wait to be downloaded.
const maxBillFiles = 1000

// keepBill keeps a bill under a token until it is too late to download it.
func (t *txn) keepBill(ctx context.Context, owner, kind string, content []byte, dead time.Time) (string, error) {
	if err := t.exec(ctx, "DELETE FROM bill_files WHERE dead_ms < ?", t.nowMS()); err != nil {
		return "", err
	}
	if err := t.exec(ctx, "DELETE FROM bill_files WHERE token IN (SELECT token FROM bill_files ORDER BY dead_ms DESC LIMIT -1 OFFSET ?)", maxBillFiles); err != nil {
		return "", err
	}
	token := randomHex(24)
	return token, t.exec(ctx, "INSERT INTO bill_files (token, owner, type, content, dead_ms) VALUES (?,?,?,?,?)",
		token, owner, kind, content, dead.UnixMilli())
}

// bill finds a kept bill; one that is too late is not found. A bill can be
// downloaded again as long as its token lives.
func (t *txn) bill(ctx context.Context, token, owner string) (kind string, content []byte, found bool, err error) {
	found, err = t.row(ctx, "SELECT type, content FROM bill_files WHERE token = ? AND owner = ? AND dead_ms > ?",
		[]any{token, owner, t.nowMS()}, []any{&kind, &content})
	return kind, content, found, err
}
