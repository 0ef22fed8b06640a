package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// noon is the time of everything that tests write.
var noon = time.Date(2026, 11, 21, 4, 0, 0, 123_000_000, time.UTC)

const merchant = "1000010001"

// newOrder is an order as the gateway opens it.
func newOrder(s *store.Store, number string) pay.Order {
	return pay.Order{
		MerchantID: merchant, OutTradeNo: number, ProviderID: "1000000001", Channel: pay.Wxpay, TradeType: pay.TradeMicroPay,
		State: pay.PAYING, Unit: s.NewUnit(), Total: 100, Currency: "CNY", Fingerprint: "f", CodeHash: "code-" + number,
		ShopID: "shop", Body: "咖啡", Extra: `{}`, TransactionID: "cp1", SentAt: noon, CreatedAt: noon, UpdatedAt: noon,
		Truth: pay.TruthLocal, TerminalType: 2, SubTerminalType: 900, QRCodeID: "qr", SourceType: 1, Authen: `{"a":{}}`,
		ExpireAt: noon.Add(time.Hour), Settle: pay.SettleQuick, HoldLate: true,
	}
}

// settleJob is the job that goes with an order.
func settleJob(o pay.Order) jobs.Edit {
	return jobs.Edit{Put: &jobs.Job{Key: keyOf(o), State: jobs.Ready, RunAt: noon, CreatedAt: noon}}
}

func keyOf(o pay.Order) jobs.Key {
	return jobs.Key{MerchantID: o.MerchantID, Kind: "settle", Ref: o.OutTradeNo}
}

// paid is the ordinary end of a payment.
func paid(o pay.Order) pay.Change {
	c := pay.Change{From: o, Order: o, Postings: []pay.Posting{pay.PostPaid(o.Total, o.Total)}, Callbacks: []string{pay.EventPaid}}
	n := &c.Order
	n.State, n.Seen, n.Truth, n.Code, n.TransactionID = pay.PAID, pay.Paid, pay.TruthAnswer, "SUCCESS", "4200"
	n.Settlement, n.Cash, n.PaidAt, n.UpdatedAt = o.Total, o.Total, noon, noon.Add(time.Second)
	return c
}

func open(t *testing.T, s *store.Store, o pay.Order, edits ...jobs.Edit) {
	t.Helper()
	wins(t, true)(s.OpenOrder(t.Context(), o, edits...))
}

// openPaid opens and pays an order and returns it as it is stored.
func openPaid(t *testing.T, s *store.Store, number string) pay.Order {
	t.Helper()
	o := newOrder(s, number)
	open(t, s, o)
	wins(t, true)(s.SettleOrder(t.Context(), paid(o)))
	return stored(t, s, number)
}

func stored(t *testing.T, s *store.Store, number string) pay.Order {
	t.Helper()
	return got[pay.Order](t)(s.Order(t.Context(), merchant, number))
}

// newRefund is a refund as the gateway opens it.
func newRefund(s *store.Store, o pay.Order, number string, amount pay.Fen) pay.Refund {
	return pay.Refund{
		MerchantID: o.MerchantID, OutRefundNo: number, OutTradeNo: o.OutTradeNo, Channel: o.Channel,
		State: pay.RefundPending, Origin: pay.OriginAPI, Unit: s.NewUnit(), Total: o.Total, Amount: amount,
		TradeType: o.TradeType, Do: pay.ActSend, DoAt: noon, CreatedAt: noon, UpdatedAt: noon,
	}
}

// wins fails the test unless a unit was committed without an error and won, or
// lost, as wanted.
func wins(t *testing.T, want bool) func(won bool, err error) {
	t.Helper()
	return func(won bool, err error) {
		t.Helper()
		if err != nil || won != want {
			t.Fatalf("won = %v, %v; want %v", won, err, want)
		}
	}
}

// got fails the test on an error and returns the value.
func got[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: -want +got\n%s", what, diff)
	}
}

func is(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error is %v, want one that is %v", err, kind)
	}
}

// fill gives every field of a struct a value of its own that is not zero, so
// that a column nobody writes or reads shows.
func fill(t *testing.T, p any) {
	t.Helper()
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch f := v.Field(i); f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(noon.Add(time.Duration(i) * time.Hour)))
		case time.Duration:
			f.SetInt(int64(time.Duration(i) * time.Second))
		case directory.Times:
			f.Set(reflect.ValueOf(directory.Times{CreatedAt: noon, UpdatedAt: noon.Add(time.Minute), DeletedAt: noon.Add(time.Hour)}))
		case pay.Prepaid:
			f.Set(reflect.ValueOf(pay.Prepaid{CodeURL: "weixin://wxpay/bizpayurl?pr=1", PrepayID: "wx2", MwebURL: "https://m.example/3", TradeNo: "2026"}))
		default:
			switch f.Kind() { //nolint:exhaustive // the kinds of the domain's rows; any other fails
			case reflect.String:
				f.SetString("值 of " + name)
			case reflect.Int64:
				f.SetInt(int64(1000 + i))
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Slice:
				f.SetBytes([]byte{0, 1, byte(i), 255})
			default:
				t.Fatalf("field %s has a kind that fill does not know", name)
			}
		}
	}
}
