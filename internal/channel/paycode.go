package channel

import (
	"strings"

	"cloudpay/internal/pay"
)

// CodeRule is one row of the payment-code table (upstreams.md §5): the first
// two digits and the length decide whose code it is. Prefixes have been
// widened before, so the table is data and may be extended.
type CodeRule struct {
	Prefix   [2]string // first two digits, from and to, both included
	Length   [2]int    // digits, from and to, both included
	Channel  pay.Channel
	Refusal  string // for wallets that are known and not served; Channel is "" then
	RefuseAs string // the Code of the *pay.Error that carries Refusal
}

// CodeTable classifies payment codes. The ranges of its rows do not overlap.
type CodeTable []CodeRule

// PaymentCodes is the table of upstreams.md §5. Digital yuan (prefix 01) is
// not in it: there is no source for its form.
var PaymentCodes = CodeTable{
	{Prefix: [2]string{"10", "15"}, Length: [2]int{18, 18}, Channel: pay.Wxpay},
	{Prefix: [2]string{"25", "30"}, Length: [2]int{16, 24}, Channel: pay.Alipay},
	{Prefix: [2]string{"62", "62"}, Length: [2]int{19, 19}, RefuseAs: "code_unionpay", Refusal: "暂不支持云闪付付款码，请使用微信或支付宝"},
}

// facePrefix begins the codes of Alipay's face payment, which are letters and
// digits and need another scene than a scanned code (upstreams.md §5).
const facePrefix = "fp"

// WalletOf says which wallet a scanned payment code belongs to, by
// PaymentCodes. The refusal is a *pay.Error of kind pay.ErrInvalid whose text
// a cashier can act on; it never holds the code.
func WalletOf(code string) (pay.Channel, error) {
	return PaymentCodes.Wallet(code)
}

// Wallet is WalletOf by another table.
func (t CodeTable) Wallet(code string) (pay.Channel, error) {
	code = TrimCode(code)
	if strings.HasPrefix(code, facePrefix) {
		return "", pay.Refuse(pay.ErrInvalid, "code_face", "暂不支持支付宝刷脸付，请出示付款码")
	}
	if len(code) >= 2 && strings.Trim(code, "0123456789") == "" {
		for _, r := range t {
			if code[:2] < r.Prefix[0] || code[:2] > r.Prefix[1] || len(code) < r.Length[0] || len(code) > r.Length[1] {
				continue
			}
			if r.Refusal != "" {
				return "", pay.Refuse(pay.ErrInvalid, r.RefuseAs, r.Refusal)
			}
			return r.Channel, nil
		}
	}
	return "", pay.Refuse(pay.ErrInvalid, "code_invalid", "付款码无效，请顾客刷新付款码后重新扫码")
}

// TrimCode removes what scanners add around a code: white space and a trailing CR.
func TrimCode(code string) string { return strings.TrimSpace(code) }

// shownDigits is how much of a payment code may be shown: enough to tell the
// wallet, useless for paying (upstreams.md §5).
const shownDigits = 6

// MaskCode returns the first six characters of a payment code and three stars.
// A code is a bearer credential for about a minute: log and show it only so.
func MaskCode(code string) string {
	code = TrimCode(code)
	if len(code) <= shownDigits {
		return "***"
	}
	return strings.ToValidUTF8(code[:shownDigits], "") + "***"
}
