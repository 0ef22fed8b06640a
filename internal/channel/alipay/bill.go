package alipay

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

// callBill asks where a bill can be downloaded. Its refusals that say "there is
// none" are read by Bill.
var callBill = call{method: "alipay.data.dataservice.bill.downloadurl.query"}

// billHosts are the domains that bills are downloaded from, besides the
// gateway's own host: an answer that names another is not followed.
var billHosts = []string{".alipay.com", ".alipaydev.com"}

// billContent is the biz_content of the call.
type billContent struct {
	BillType string `json:"bill_type"`
	BillDate string `json:"bill_date"`
}

// Bill fetches and reads a trade bill. It implements channel.Biller. Alipay has
// one word for a day without trades and a bill that is not made yet, so Waiting
// does not occur. It announces no hash. The address works for 30 seconds, so it
// is used at once.
func (c *Channel) Bill(ctx context.Context, r channel.BillRequest) channel.BillOutcome {
	if r.Kind != channel.BillTrade {
		return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Declined, Reason: pay.ReasonConfiguration, Text: "支付宝没有此类账单"}}
	}
	m, out, ok := c.send(ctx, callBill, channel.OrderRequest{Merchant: r.Merchant}, billContent{
		BillType: "trade", BillDate: channel.BillDay(r.Day).Format("2006-01-02"),
	})
	if !ok {
		if out.Verified && noBill(out.Code) {
			out = pay.Outcome{Kind: pay.Paid, Verified: true, Code: out.Code, Text: out.Text}
			return channel.BillOutcome{Outcome: out, Empty: true}
		}
		return channel.BillOutcome{Outcome: out}
	}
	raw, err := c.download(ctx, m.get("bill_download_url"))
	if err != nil {
		out := callBill.missing(err)
		c.pulse.Outcome(c.now(), callBill.method, out)
		return channel.BillOutcome{Outcome: out}
	}
	p, err := parseBill(raw)
	switch {
	case err != nil:
	case !p.isDay(r.Day):
		err = errors.New("the bill is of another day than was asked for")
	case r.Merchant.SellerID != "" && p.account != r.Merchant.SellerID:
		err = errors.New("the bill is of another account than was asked for")
	}
	if err != nil {
		return channel.BillOutcome{
			Outcome: pay.Outcome{Kind: pay.Unknown, Alert: true, Text: "账单文件无法使用: " + channel.CleanText(err.Error())},
			Raw:     raw, Err: err,
		}
	}
	return channel.BillOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true}, Raw: raw, Bill: p.bill}
}

// noBill reports whether a sub_code says that there is no bill. Its prefix
// varies from document to document (upstreams.md §4.8).
func noBill(code string) bool {
	last := code[strings.LastIndexByte(code, '.')+1:]
	return strings.EqualFold(last, "BILL_NOT_EXIST") || strings.EqualFold(last, "NO_BILL_DATA")
}

// download fetches the archive. The error is a channel.LostError.
func (c *Channel) download(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || !c.mayServeBills(u) {
		return nil, channel.ErrUnreadable
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, channel.ErrDial
	}
	status, raw, err := c.poster.Fetch(ctx, req, channel.MaxBill)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, channel.ErrStatus
	case !bytes.HasPrefix(raw, []byte("PK")):
		return nil, channel.ErrUnreadable // a page that says why not
	}
	return raw, nil
}

// mayServeBills reports whether an address is the gateway's or Alipay's.
func (c *Channel) mayServeBills(u *url.URL) bool {
	if u.Host == c.gateway.Host {
		return true
	}
	for _, domain := range billHosts {
		if strings.HasSuffix(strings.ToLower(u.Host), domain) {
			return true
		}
	}
	return false
}
