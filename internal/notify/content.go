package notify

import (
	"bytes"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// PaidContent renders the pay-success callback of an order as it stands now
// (protocol.md §1.10). What is long is left out when the sealed body would be
// longer than a receiver reads: first the list of goods, which may have 6,000
// characters of which each may take 14 bytes, then the coupons, vouchers and
// whom to notify. Everything else fits.
func PaidContent(o pay.Order) []byte {
	m := &cpay.PayCallback{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o), OrderClient: wire.Client(o)}
	c := &m.OrderContent
	for _, drop := range []func(){
		func() { c.Detail = "" },
		func() {
			c.CouponInfos, m.PayMchKey.NotifyOpenIDs = nil, nil
			if c.WxpayExt != nil {
				c.WxpayExt.CouponInfos, c.WxpayExt.SceneInfo = nil, ""
			}
			if c.AlipayExt != nil {
				c.AlipayExt.VoucherDetailList, c.AlipayExt.FundBillList = nil, nil
				c.AlipayExt.DiscountGoodsDetail, c.AlipayExt.ExtendParams = "", ""
			}
		},
	} {
		content := cpay.Encode(m)
		if quoted(content) <= maxQuoted {
			return content
		}
		drop()
	}
	return cpay.Encode(m)
}

// quoted is the length of a content as the string of a sealed body.
func quoted(content []byte) int {
	return len(content) + bytes.Count(content, []byte{'"'}) + bytes.Count(content, []byte{'\\'})
}

// maxQuoted leaves room for what is around the content of a sealed body: its
// member names and a MAC, together below 256 bytes.
const maxQuoted = cpay.MaxBody - 256

// RefundContent renders the refund-success callback of one refund of an order
// as both stand now. The wire wants an array.
func RefundContent(o pay.Order, r pay.Refund) []byte {
	m := &cpay.RefundCallback{PayMchKey: wire.MchKey(o), RefundOrderContent: []cpay.RefundOrderContent{wire.Refund(o, r)}}
	m.PayMchKey.NotifyOpenIDs = nil // they were the payment's
	return cpay.Encode(m)
}

// ReversedContent renders the reverse-success callback of an order (protocol.md
// §1.10). It names the order and no more.
func ReversedContent(o pay.Order) []byte {
	return cpay.Encode(&cpay.ReverseCallback{OutTradeNo: o.OutTradeNo})
}

// PingContent renders a test callback. It speaks of no order and no amount, so
// that no receiver can take it for money.
func PingContent() []byte {
	return cpay.Encode(&cpay.PingCallback{Ping: "测试回调，不是交易 / a test, not a payment"})
}
