package recon_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/channel/wxpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/notify"
	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// benchDay is the day of the long bills, and benchNow the next one's noon.
const benchDay = "20261125"

var (
	benchFirst = time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC)
	benchNow   = benchFirst.Add(36 * time.Hour)
)

// playback is a wallet that gives two bills out of memory, and reads them as
// WeChat's adapter does.
type playback struct {
	*wxpay.Channel

	trade, fund []byte
}

// Bill implements channel.Biller.
func (p *playback) Bill(_ context.Context, r channel.BillRequest) channel.BillOutcome {
	raw := p.trade
	if r.Kind == channel.BillFund {
		raw = p.fund
	}
	bill, err := p.ParseBill(raw)
	if err != nil {
		return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Unknown}, Err: err}
	}
	return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Paid}, Raw: raw, Bill: bill}
}

// longHouse is a merchant with a long day in the store, and the bills of it.
type longHouse struct {
	store  *store.Store
	recon  *recon.Recon
	wallet *playback
	lines  int64
	now    func() time.Time
}

// newLongHouse loads a day of orders, of which six tenths are WeChat's, and writes
// the wallet's bills of it.
func newLongHouse(tb testing.TB, e storetest.Engine, orders int) *longHouse {
	tb.Helper()
	ctx, dsn, log := tb.Context(), e.DSN(tb), slog.New(slog.DiscardHandler)
	open := storetest.Migrated(tb, dsn)
	load := storetest.Load{Merchant: "merchant", Orders: orders, Days: 1, First: benchFirst}
	if err := load.Fill(ctx, dsn); err != nil {
		tb.Fatal(err)
	}
	h := &longHouse{store: open(), now: func() time.Time { return benchNow }}
	keys, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		tb.Fatal(err)
	}
	people, err := directory.New(h.store, h.store, keys, h.now)
	if err != nil {
		tb.Fatal(err)
	}
	authen, err := directory.NewAuthenKey()
	if err != nil {
		tb.Fatal(err)
	}
	err = people.Seed(ctx, directory.Installation{
		Providers: []directory.Provider{{ID: "provider", Name: "provider"}},
		Merchants: []directory.Merchant{{
			ID: "merchant", ProviderID: "provider", Name: "Test Merchant", Prefixes: []string{"90000001"}, AuthenKey: authen,
			Wx: directory.WechatMerchant{SubMchID: "1900000110", API: channel.APIv3},
		}},
	})
	if err == nil {
		_, err = people.UpdateMerchant(ctx, directory.System, "merchant", func(m *directory.Merchant) error {
			m.Profile.BankRatePPM = rate
			return nil
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	h.write(tb)
	told := notify.New(notify.Config{AllowPrivate: true})
	tb.Cleanup(told.Close)
	find := func(context.Context, string, pay.Channel) (channel.Channel, error) { return h.wallet, nil }
	now := func() time.Time { return h.now() }
	gw := gateway.New(gateway.Config{
		Store: h.store, Directory: people, Channels: find, Notify: told, CodeKey: []byte("test code key"), Now: now, Log: log,
	})
	h.recon = recon.New(recon.Config{Store: h.store, Directory: people, Gateway: gw, Channels: find, Now: now, Log: log})
	return h
}

// writer writes the wallet's two bills of a day.
type writer struct {
	trade, fund                          bytes.Buffer
	lines, flows                         int
	settled, back, fee, total, asked, in pay.Fen
	out                                  pay.Fen
}

// line is one line of the trade bill and two movements of the fund bill: the
// money and the fee.
func (w *writer) line(at time.Time, no, transaction, refundNo, state string, total, settled pay.Fen) {
	fee, when := pay.Poundage(settled, rate), at.In(time.FixedZone("", 8*3600)).Format(time.DateTime)
	paid, paidSettled, back, backSettled, refundID, way := total, settled, pay.Fen(0), pay.Fen(0), "0", "收入"
	if state != "SUCCESS" {
		paid, paidSettled, back, backSettled, fee, way = 0, 0, total, settled, -fee, "支出"
	}
	if refundNo != "0" {
		refundID = "R" + transaction
	}
	_, _ = fmt.Fprintf(&w.trade, "`%s,`wx0000000000000001,`1900000109,`1900000110,`T01,`%s,`%s,`oUpF8uMuAJO00000000000000007,`MICROPAY,`%s,`OTHERS,`CNY,`%s,`0.00,`%s,`%s,`%s,`0.00,`,`SUCCESS,`牛肉面,大份,`,`%s000,`0.60%%,`%s,`%s,`\r\n",
		when, transaction, no, state, paidSettled, refundID, refundNo, backSettled, fee, paid, back)
	w.lines++
	w.settled, w.back, w.fee, w.total, w.asked = w.settled+paidSettled, w.back+backSettled, w.fee+fee, w.total+paid, w.asked+back
	if way == "收入" {
		w.in += settled
	} else {
		w.out += settled
	}
	w.flow(when, no, "交易", way, settled)
}

// flow is a movement of the fund bill.
func (w *writer) flow(when, no, business, way string, amount pay.Fen) {
	w.flows++
	_, _ = fmt.Fprintf(&w.fund, "`%s,`%s,`42000099%012d,`%s,`%s,`%s,`%s,`500.00,`1900000110API,`,`%s\r\n", when, no, w.flows, business, business, way, amount, no)
}

// write makes the bills of what the store has of the day.
func (h *longHouse) write(tb testing.TB) {
	tb.Helper()
	var w writer
	_, _ = w.trade.WriteString("交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n")
	_, _ = w.fund.WriteString("记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号\r\n")
	span := store.ReconSpan{MerchantID: "merchant", Channel: pay.Wxpay, From: benchFirst, To: benchFirst.AddDate(0, 0, 1)}
	const page = 1000
	for full := true; full; {
		list, err := h.store.ReconOrders(tb.Context(), span, page)
		if err != nil {
			tb.Fatal(err)
		}
		for _, o := range list {
			span.After, span.AfterNo = o.UpdatedAt, o.OutTradeNo
			w.line(o.PaidAt, o.OutTradeNo, o.TransactionID, "0", "SUCCESS", o.Total, o.Settlement)
			if o.State == pay.REVERSED {
				w.line(o.UndoneAt(), o.OutTradeNo, o.TransactionID, "0", "REVOKED", o.Total, o.Settlement)
			}
		}
		full = len(list) == page
	}
	span.After, span.AfterNo = time.Time{}, ""
	for full := true; full; {
		list, err := h.store.ReconRefunds(tb.Context(), span, page)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range list {
			span.After, span.AfterNo = f.UpdatedAt, f.OutRefundNo
			w.line(f.SentAt, f.OutTradeNo, "T", f.OutRefundNo, "REFUND", f.Amount, f.Settlement)
		}
		full = len(list) == page
	}
	w.flow("2026-11-25 23:00:00", "", "提现", "支出", payoutOfBench)
	w.out += payoutOfBench
	outs := strings.Count(w.fund.String(), "`支出,")
	_, _ = fmt.Fprintf(&w.trade, "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n`%d,`%s,`%s,`0.00,`%s000,`%s,`%s\r\n",
		w.lines, w.settled, w.back, w.fee, w.total, w.asked)
	_, _ = fmt.Fprintf(&w.fund, "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n`%d,`%d,`%s,`%d,`%s\r\n", w.flows, w.flows-outs, w.in, outs, w.out)
	h.wallet = &playback{Channel: &wxpay.Channel{}, trade: w.trade.Bytes(), fund: w.fund.Bytes()}
	h.lines = int64(w.lines)
}

// payoutOfBench is what the wallet pays out on the day.
const payoutOfBench pay.Fen = 4_321

// key is the day.
func (*longHouse) key() store.ReconKey {
	return store.ReconKey{MerchantID: "merchant", Channel: pay.Wxpay, Day: benchDay}
}

// agrees checks that the day is done, that every line was found to agree, and that
// each fee and the payout are booked once.
func (h *longHouse) agrees(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	run, err := h.store.ReconRun(ctx, h.key())
	if err != nil || run.Step != store.ReconDone || run.Lines != h.lines || run.Matched != h.lines {
		tb.Fatalf("the day is %+v, %v; want %d lines", run, err, h.lines)
	}
	diffs, err := h.store.Diffs(ctx, store.DiffFilter{MerchantID: "merchant", FromDay: "00000000", ToDay: "99999999", Limit: 10})
	if err != nil || len(diffs) > 0 {
		tb.Fatalf("differences: %+v, %v", diffs, err)
	}
	sums, err := h.store.BillSums(ctx, h.key())
	if err != nil {
		tb.Fatal(err)
	}
	var fees pay.Fen
	for _, s := range sums {
		fees += s.Fee
	}
	b, err := h.store.Balances(ctx, "merchant")
	if err != nil || b[pay.Wxpay][pay.AccFee] != fees || fees == 0 || b[pay.Wxpay][pay.AccSettled] != payoutOfBench {
		tb.Fatalf("ledger: %v, %v; want fees of %d and a payout of %d", b, err, fees, payoutOfBench)
	}
}

// peakOf runs do and returns by how much the heap grew meanwhile, at most.
func peakOf(do func()) (bytes uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtime.GC()
	metrics.Read(sample)
	before, most := sample[0].Value.Uint64(), atomic.Uint64{}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		at := []metrics.Sample{{Name: sample[0].Name}}
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			metrics.Read(at)
			most.Store(max(most.Load(), at[0].Value.Uint64()))
			select {
			case <-end:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	do()
	close(end)
	<-ended
	return most.Load() - min(before, most.Load())
}

// drive reconciles the day from its beginning to its end.
func (h *longHouse) drive(tb testing.TB) {
	tb.Helper()
	if err := h.store.PlanRecon(tb.Context(), h.key(), benchNow); err != nil {
		tb.Fatal(err)
	}
	if _, err := h.recon.Do(tb.Context(), h.key()); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkRecon prints how long days of 10,000 and 100,000 lines take
// (make bench). CLOUDPAY_BENCH_LINES makes the second longer or shorter.
func BenchmarkRecon(b *testing.B) {
	most := 100_000
	if v, ok := os.LookupEnv("CLOUDPAY_BENCH_LINES"); ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
		most = n
	}
	for b.Loop() {
		var buf strings.Builder
		w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(w, "\n%d CPUs, %s\nengine\tlines\tseconds\tlines/s\tcommits\tpeak heap\ttimes 10,000 lines\n", runtime.NumCPU(), runtime.Version())
		for _, e := range storetest.Engines() {
			if e.Name == os.Getenv("CLOUDPAY_BENCH_WITHOUT") {
				continue
			}
			var first time.Duration
			for _, n := range []int{10_000, most} {
				h := newLongHouse(b, e, n*100/63) // to have n lines, with refunds and reversals
				units := h.store.Stats().Units
				start := time.Now()
				peak := peakOf(func() { h.drive(b) })
				took := time.Since(start)
				units = h.store.Stats().Units - units
				h.agrees(b)
				if first == 0 {
					first = took * time.Duration(10_000) / time.Duration(h.lines)
				}
				_, _ = fmt.Fprintf(w, "%s\t%d\t%.2f\t%.0f\t%d\t%d MiB\t%.2f\n", e.Name, h.lines, took.Seconds(), float64(h.lines)/took.Seconds(), units, peak>>20, float64(took)/float64(first))
			}
		}
		_ = w.Flush()
		fmt.Println(buf.String())
	}
}
