package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Payments makes n payments of two commits each, from callers goroutines that
// serve 32 merchants in turn: an order with its settle job, then the order paid
// with its posting and the job gone. It is the load of every figure of the
// store; the caller takes the time. run must differ between calls on one
// database, since it is part of the order numbers.
func Payments(ctx context.Context, s *store.Store, run string, callers, n int) error {
	const merchants = 32
	var (
		next atomic.Int64
		wg   sync.WaitGroup
		errs = make([]error, callers)
	)
	for c := range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n) && errs[c] == nil; i = next.Add(1) {
				errs[c] = payment(ctx, s, fmt.Sprintf("10000%04d", i%merchants), run+strconv.FormatInt(i, 10))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

var errLost = errors.New("storetest: a payment lost a race that it ran alone")

// payment makes one payment with rows of the size that the field has.
func payment(ctx context.Context, s *store.Store, merchant, number string) error {
	const hash = "0123456789abcdef0123456789abcdef0123456789ab" // and the number: 64 characters in the field
	at := time.UnixMilli(1_790_000_000_000).UTC()
	o := pay.Order{
		MerchantID: merchant, OutTradeNo: "2026112100" + number, ProviderID: "1000000001", Channel: pay.Wxpay,
		TradeType: pay.TradeMicroPay, State: pay.PAYING, Unit: s.NewUnit(), Total: 1250, Currency: "CNY",
		Fingerprint: hash + "01234567890123456789", CodeHash: hash + number, ShopID: "1000010001",
		DeviceID: "1000010001-01", StaffID: "1000010001-07", Body: "测试门店 咖啡", Extra: `{"attach":"","client_flow_id":"8f14e45f"}`,
		TransactionID: "cp1790000000000" + number, SentAt: at, CreatedAt: at, UpdatedAt: at, Truth: pay.TruthLocal,
	}
	key := jobs.Key{MerchantID: merchant, Kind: "settle", Ref: o.OutTradeNo}
	job := jobs.Job{Key: key, State: jobs.Ready, RunAt: at.Add(5 * time.Second), CreatedAt: at}
	if won, err := s.OpenOrder(ctx, o, jobs.Edit{Put: &job}); err != nil || !won {
		return errors.Join(errLost, err)
	}
	c := pay.Change{From: o, Order: o, Postings: []pay.Posting{pay.PostPaid(o.Total, o.Total)}}
	n := &c.Order
	n.State, n.Seen, n.Truth, n.Code = pay.PAID, pay.Paid, pay.TruthAnswer, "SUCCESS"
	n.TransactionID, n.PayerID, n.BankType = "4200001234202611211234567890", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "OTHERS"
	n.Settlement, n.Cash, n.PaidAt, n.UpdatedAt = o.Total, o.Total, at.Add(time.Second), at.Add(time.Second)
	if won, err := s.SettleOrder(ctx, c, jobs.Edit{Done: &key}); err != nil || !won {
		return errors.Join(errLost, err)
	}
	return nil
}
