package alipay

import (
	"context"
	"errors"
	"strings"

	"cloudpay/internal/channel"
)

var _ channel.Prober = (*Channel)(nil)

// Probe asks for an order that nobody has. It implements channel.Prober. That
// there is none is the answer of a wallet whose key verifies and that took ours;
// any other verified business answer will do, since it is about the merchant.
func (c *Channel) Probe(ctx context.Context, merchant channel.Merchant) error {
	out := c.Query(ctx, channel.OrderRequest{Merchant: merchant, OutTradeNo: channel.ProbeNumber()})
	switch {
	case !out.Verified:
		if out.Code != "" {
			return errors.New("支付宝答复 " + out.Code + "，未能验签")
		}
		return errors.New("支付宝的应答未能验签：" + out.Text)
	case strings.HasPrefix(out.Code, "isv.") || strings.HasPrefix(out.Code, "isp."):
		return errors.New("支付宝答复 " + out.Code)
	}
	return nil
}
