package wxpay

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"errors"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// errNotice is every reason for not believing a notice; it says nothing of it.
var errNotice = errors.New("wxpay: the notice does not verify or cannot be read")

// ack tells WeChat not to repeat a notice (upstreams.md §2.7).
const ack = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"

// ParseNotice reads a pay notice (signed) or a refund notice (encrypted, not
// signed). A refund notice is only a hint: its encryption has no integrity, so
// its outcome is Unknown with QUERY_FIRST, and the refund query decides
// (upstreams.md §2.7). It implements channel.Channel.
//
// A notice of APIv3 is JSON, signed and encrypted; either kind may come,
// whichever interface the order was made by.
func (c *Channel) ParseNotice(header map[string][]string, body []byte) (channel.Notice, error) {
	if isJSON(body) {
		if c.v3 == nil {
			return channel.Notice{}, errNotice
		}
		return c.v3.notice(header, body)
	}
	if c.key.IsZero() {
		return channel.Notice{}, errNotice
	}
	m, err := parseMessage(body, "xml")
	if err != nil || m.get("return_code") != "SUCCESS" {
		return channel.Notice{}, errNotice
	}
	if m.get("req_info") != "" {
		return c.refundNotice(m)
	}
	// The appid may be another of the provider's (channel.PrepayRequest.AppID):
	// the number and the signature say whose notice it is.
	if !c.signType.verify(m, c.key.Reveal()) || m.get("mch_id") != c.mchID || m.get("sub_mch_id") == "" || m.get("out_trade_no") == "" {
		return channel.Notice{}, errNotice
	}
	n := channel.Notice{
		SubMerchant: m.get("sub_mch_id"), OutTradeNo: m.get("out_trade_no"),
		Ack: ack, AckType: "text/xml",
	}
	total, ok := readFen(m, "total_fee")
	switch {
	case m.get("result_code") != "SUCCESS":
		// Notices come after success only, so this one decides nothing.
		n.Outcome = ruled(channel.Rule{Class: channel.ClassQueryFirst}, m.get("err_code"), m.get("err_code_des"))
	case !ok || total <= 0 || m.get("fee_type") != "" && m.get("fee_type") != "CNY":
		return channel.Notice{}, errNotice
	default:
		n.Outcome = pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: paymentOf(m)}
	}
	return n, nil
}

// isJSON reports whether a body is an object rather than a message of v2.
func isJSON(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{'
}

// refundNotice decrypts req_info and reads what it hints at.
func (c *Channel) refundNotice(m message) (channel.Notice, error) {
	if m.get("mch_id") != c.mchID || m.get("appid") != c.appID {
		return channel.Notice{}, errNotice
	}
	plain, err := decryptInfo(m.get("req_info"), c.key.Reveal())
	if err != nil {
		return channel.Notice{}, err
	}
	in, err := parseMessage(plain, "root")
	if err != nil || in.get("out_trade_no") == "" || in.get("out_refund_no") == "" {
		return channel.Notice{}, errNotice
	}
	refund := pay.RefundPaid{
		RefundID:    in.get("refund_id"),
		SucceededAt: readTime(refundTime, in.get("success_time")),
		RecvAccount: in.get("refund_recv_accout"), // misspelt on the wire
	}
	refund.Refund, _ = readFen(in, "refund_fee")
	refund.Settlement, _ = readFen(in, "settlement_refund_fee")
	return channel.Notice{
		SubMerchant: m.get("sub_mch_id"), OutTradeNo: in.get("out_trade_no"), OutRefundNo: in.get("out_refund_no"),
		Outcome: pay.Outcome{
			Kind: pay.Unknown, Next: pay.NextQueryFirst, Code: channel.CleanCode(in.get("refund_status")),
		},
		Refund: refund, Ack: ack, AckType: "text/xml",
	}, nil
}

// decryptInfo opens req_info: base64 of AES-256-ECB with PKCS#7 padding, under
// the lower-case hexadecimal MD5 of the API key (upstreams.md §2.7). ECB is
// what upstream uses; nothing that comes out of it is trusted.
func decryptInfo(info, apiKey string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(info)
	if err != nil || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errNotice
	}
	block, err := aes.NewCipher([]byte(infoKey(apiKey)))
	if err != nil {
		return nil, errNotice
	}
	for i := 0; i < len(data); i += aes.BlockSize {
		block.Decrypt(data[i:i+aes.BlockSize], data[i:i+aes.BlockSize])
	}
	pad := int(data[len(data)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, errNotice
	}
	for _, b := range data[len(data)-pad:] {
		if int(b) != pad {
			return nil, errNotice
		}
	}
	return data[:len(data)-pad], nil
}
