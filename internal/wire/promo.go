package wire

import (
	"cloudpay/cpay"
	"cloudpay/internal/pay"
)

// maxParts bounds the coupons, vouchers and sources that are shown of one
// payment. WeChat Pay names at most 20 coupons.
const maxParts = 20

// fee shows an amount of a memo: what no client could read is left out (R24).
func fee(n int64) int64 {
	if n < 0 || n > cpay.MaxFee {
		return 0
	}
	return n
}

// couponsOf shows the coupons of a payment or refund.
func couponsOf(p pay.Promotion) (list []cpay.CouponInfo) {
	for _, c := range p.Coupons[:min(len(p.Coupons), maxParts)] {
		list = append(list, cpay.CouponInfo{CouponBatchID: c.BatchID, CouponID: c.ID, CouponFee: fee(c.Fee), CouponType: c.Type})
	}
	return list
}

// billsOf shows where the money of an Alipay payment or refund came from.
func billsOf(p pay.Promotion) (list []cpay.FundBill) {
	for _, b := range p.FundBills[:min(len(p.FundBills), maxParts)] {
		list = append(list, cpay.FundBill{FundChannel: b.Channel, Amount: fee(b.Amount), RealAmount: fee(b.RealAmount)})
	}
	return list
}

// vouchersOf shows the vouchers of an Alipay payment.
func vouchersOf(p pay.Promotion) (list []cpay.VoucherDetail) {
	for _, v := range p.Vouchers[:min(len(p.Vouchers), maxParts)] {
		list = append(list, cpay.VoucherDetail{
			ID: v.ID, Name: v.Name, Type: v.Type, Amount: fee(v.Amount),
			MerchantAmount: fee(v.MerchantAmount), OtherAmount: fee(v.OtherAmount), Memo: v.Memo,
		})
	}
	return list
}
