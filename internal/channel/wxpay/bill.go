package wxpay

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

var _ channel.Biller = (*Channel)(nil)

// The endpoints of v2 that answer a file.
const (
	pathTradeBill = "/pay/downloadbill"
	pathFundBill  = "/pay/downloadfundflow"
)

// Refusals of v2's calls for bills (upstreams.md §2.2). error_code is not
// documented for each, the texts are.
const (
	codeNoBill   = "20002"
	textNoBill   = "No Bill Exist"
	textCreating = "Bill Creating"
	textBadType  = "invalid bill_type"
)

// Bill fetches and reads a bill, by downloadbill and downloadfundflow, or by
// /v3/bill. It implements channel.Biller. A fund bill of one merchant exists in
// APIv3 only.
func (c *Channel) Bill(ctx context.Context, r channel.BillRequest) channel.BillOutcome {
	if c.speaksV3(r.Merchant) {
		if c.v3 == nil {
			return channel.BillOutcome{Outcome: speechless(false)}
		}
		return c.v3.Bill(ctx, r)
	}
	return c.billV2(ctx, r)
}

// billV2 asks v2. What comes back is told apart by its first bytes; neither a
// bill nor a refusal is signed (upstreams.md §2.9).
func (c *Channel) billV2(ctx context.Context, r channel.BillRequest) channel.BillOutcome {
	if c.key.IsZero() {
		return channel.BillOutcome{Outcome: speechless(false)}
	}
	if r.Kind == channel.BillFund && r.Merchant.SubMchID != "" {
		return noSuchBill("微信支付v2没有单个商户的资金账单")
	}
	path, poster, sign := pathTradeBill, c.open, c.signType
	var m message
	m.set("appid", c.appID)
	m.set("mch_id", c.mchID)
	m.set("sub_mch_id", r.Merchant.SubMchID)
	m.set("nonce_str", nonce())
	m.set("bill_date", channel.BillDay(r.Day).Format("20060102"))
	m.set("tar_type", "GZIP")
	if r.Kind == channel.BillFund {
		path, poster, sign = pathFundBill, c.mutual, SignHMAC // the only algorithm it takes
		m.set("account_type", v2Account(r.Account))
	} else {
		m.set("bill_type", "ALL")
	}
	if sign == SignHMAC {
		m.set("sign_type", string(SignHMAC))
	}
	m.set("sign", sign.signature(m, c.key.Reveal()))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), bytes.NewReader(m.encode()))
	if err != nil {
		return channel.BillOutcome{Outcome: channel.ErrDial.Outcome()}
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	status, body, err := poster.Fetch(ctx, req, channel.MaxBill)
	if err == nil && status != http.StatusOK {
		err = channel.ErrStatus
	}
	if err != nil {
		return c.billLost(path, lossOutcome(err))
	}
	if start := bytes.TrimSpace(bytes.TrimPrefix(body, []byte(bom))); bytes.HasPrefix(start, []byte("<")) || len(start) == 0 {
		return c.billRefused(path, start)
	}
	return openBill(r, body, "", "")
}

// billLost notes how a call for a bill failed.
func (c *Channel) billLost(path string, out pay.Outcome) channel.BillOutcome {
	c.pulse.Outcome(c.time(), path, out)
	return channel.BillOutcome{Outcome: out}
}

// billRefused classifies v2's refusal of a bill.
func (c *Channel) billRefused(path string, body []byte) channel.BillOutcome {
	m, err := parseMessage(body, "xml")
	if err != nil {
		return c.billLost(path, channel.ErrUnreadable.Outcome())
	}
	code, text := m.get("error_code"), m.get("return_msg")
	out := pay.Outcome{Code: channel.CleanCode(code), Text: channel.CleanText(text)}
	switch {
	case m.get("return_code") != "FAIL":
	case code == codeNoBill, strings.EqualFold(text, textNoBill):
		out.Kind = pay.Paid
		return channel.BillOutcome{Outcome: out, Empty: true}
	case strings.EqualFold(text, textCreating):
		out.Kind = pay.Waiting
		return channel.BillOutcome{Outcome: out}
	case strings.EqualFold(text, textBadType):
		out.Kind, out.Reason, out.Alert = pay.Declined, pay.ReasonConfiguration, true
		return c.billLost(path, out)
	}
	if code == "" {
		code = m.get("return_code")
	}
	return c.billLost(path, lossOutcome(&refusedError{code: channel.CleanCode(code), text: out.Text}))
}

// v2Account is an account in v2's spelling.
func v2Account(a channel.BillAccount) string {
	switch a {
	case channel.BillOperation:
		return "Operation"
	case channel.BillFees:
		return "Fees"
	case channel.BillBasic:
	}
	return "Basic"
}

// noSuchBill is the answer to a request that the interface has no call for.
// Nobody was asked.
func noSuchBill(text string) channel.BillOutcome {
	return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonConfiguration, Text: text}}
}

// badBill is a bill that arrived and cannot be used. raw is kept for a person.
func badBill(raw []byte, err error) channel.BillOutcome {
	return channel.BillOutcome{
		Outcome: pay.Outcome{Kind: pay.Unknown, Alert: true, Text: "账单文件无法使用: " + channel.CleanText(err.Error())},
		Raw:     raw, Err: err,
	}
}

// openBill decompresses a file, compares it with the hash that was announced
// over its uncompressed bytes (upstreams.md §3.8; "" for none), and reads it.
func openBill(r channel.BillRequest, file []byte, hashType, hash string) channel.BillOutcome {
	raw := file
	if isGzip(file) {
		var err error
		if raw, err = channel.Gunzip(file); err != nil {
			return badBill(nil, err)
		}
	}
	if err := checkHash(raw, hashType, hash); err != nil {
		return badBill(raw, err)
	}
	bill, kind, err := readBill(raw)
	switch {
	case err != nil:
		return badBill(raw, err)
	case kind != r.Kind:
		return badBill(raw, errors.New("the bill is of another kind than was asked for"))
	}
	for _, l := range bill.Lines {
		if r.Merchant.SubMchID != "" && l.Merchant != r.Merchant.SubMchID {
			return badBill(raw, errors.New("the bill has a line of another merchant than was asked for"))
		}
	}
	return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Paid}, Raw: raw, Hash: strings.ToLower(hash), HashType: hashType, Bill: bill}
}

// billQuery is what every call of APIv3 for a bill says.
func billQuery(r channel.BillRequest) url.Values {
	return url.Values{"bill_date": {channel.BillDay(r.Day).Format("2006-01-02")}, "tar_type": {"GZIP"}}
}
