package channeltest

import (
	"time"

	"pgregory.net/rapid"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// billRunes are what names of goods are made of, and what bills are separated by.
var billRunes = []rune("面大份0a.,，;；`'\"#|:：()（）-_+*%$<>[]{}")

// anyBusiness is the property that what the sandbox writes the adapter reads:
// each check is a day of its own, with payments of any names and refunds of any
// parts, whose bill must say exactly that.
func (f *billScene) anyBusiness() {
	rapid.Check(f.t, func(t *rapid.T) {
		day := channel.BillDay(f.bench.Now()).Add(36 * time.Hour) // noon of the next
		f.bench.advance(day.Sub(f.bench.Now()))
		want := map[string]channel.BillLine{}
		for range rapid.IntRange(1, 3).Draw(t, "orders") {
			r, _ := f.request(pay.Fen(rapid.IntRange(1, 499_99).Draw(t, "total")), "")
			r.Body = rapid.StringOfN(rapid.SampledFrom(billRunes), 1, 30, -1).Draw(t, "name")
			if out := f.c.Pay(f.t.Context(), r); out.Kind != pay.Paid {
				t.Fatalf("Pay of %q = %+v", r.Body, out)
			}
			want["payment "+r.OutTradeNo+" "] = channel.BillLine{Kind: channel.BillPayment, Total: r.Total, Settlement: r.Total, Product: r.Body}
			left := r.Total
			for left > 0 && rapid.Bool().Draw(t, "refund") {
				no, part := f.order(), pay.Fen(rapid.Int64Range(1, int64(left)).Draw(t, "part"))
				f.c.Refund(f.t.Context(), channel.RefundRequest{OrderRequest: r.OrderRequest, OutRefundNo: no, Amount: part})
				f.bench.advance(10 * time.Second)
				left -= part
				want["refund "+r.OutTradeNo+" "+no] = channel.BillLine{Kind: channel.BillRefund, Total: part, Settlement: part, Product: r.Body}
			}
		}
		f.bench.advance(24 * time.Hour)
		out := f.b.Bill(f.t.Context(), channel.BillRequest{Kind: channel.BillTrade, Day: day, Merchant: f.merchant})
		if out.Kind != pay.Paid || out.Err != nil || len(out.Bill.Lines) != len(want) {
			t.Fatalf("Bill = %+v, %v: %d lines, want %d", out.Outcome, out.Err, len(out.Bill.Lines), len(want))
		}
		for _, l := range out.Bill.Lines {
			w := want[f.key(l)]
			if l.Kind != w.Kind || l.Total != w.Total || l.Settlement != w.Settlement || l.Product != w.Product {
				t.Fatalf("%s: %s %d %d %q, want %s %d %d %q", f.key(l), l.Kind, l.Total, l.Settlement, l.Product, w.Kind, w.Total, w.Settlement, w.Product)
			}
		}
	})
}
