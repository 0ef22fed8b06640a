package notify

import (
	"bytes"
	"crypto/rand"
	"encoding/json"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// PaidContent renders the pay-success callback of an order as it stands now
// (protocol.md §1.10). The list of goods is left out when the sealed body would
// be longer than a receiver reads: it may have 6,000 characters, of which each
// may take 14 bytes, and everything else fits beside it.
func PaidContent(o pay.Order) []byte {
	m := &cpay.PayCallback{PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o), OrderClient: wire.Client(o)}
	content := cpay.Encode(m)
	if quoted := len(content) + bytes.Count(content, []byte{'"'}) + bytes.Count(content, []byte{'\\'}); quoted > maxQuoted {
		m.OrderContent.Detail = ""
		content = cpay.Encode(m)
	}
	return content
}

// maxQuoted leaves room for what is around the content of a sealed body: its
// member names and a MAC, together below 256 bytes.
const maxQuoted = cpay.MaxBody - 256

// RefundContent renders the refund-success callback of one refund of an order
// as both stand now. The wire wants an array.
func RefundContent(o pay.Order, r pay.Refund) []byte {
	return cpay.Encode(&cpay.RefundCallback{
		PayMchKey: wire.MchKey(o), RefundOrderContent: []cpay.RefundOrderContent{wire.Refund(o, r)},
	})
}

// ReversedContent renders the reverse-success callback of an order (protocol.md
// §1.10). It names the order and no more.
func ReversedContent(o pay.Order) []byte {
	content, err := json.Marshal(struct {
		OutTradeNo string `json:"out_trade_no"`
		NonceStr   string `json:"nonce_str"`
	}{o.OutTradeNo, rand.Text()})
	if err != nil {
		panic("notify: two strings do not encode: " + err.Error())
	}
	return content
}
