package wxpay

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"cloudpay/internal/channel"
)

var _ channel.Prober = (*Channel)(nil)

// v3Echo answers what it is sent, signed: the self-test of upstreams.md §3.2.
var v3Echo = v3call{name: "echo", method: http.MethodPost, codes: v3QueryCodes}

// Probe tries the keys of merchant's interface. It implements channel.Prober.
// v2 is asked for an order that nobody has, which it answers under a signature;
// APIv3 signs no refusal, so it is asked to echo.
func (c *Channel) Probe(ctx context.Context, merchant channel.Merchant) error {
	if c.speaksV3(merchant) {
		return c.probeV3(ctx)
	}
	out := c.Query(ctx, channel.OrderRequest{Merchant: merchant, OutTradeNo: channel.ProbeNumber()})
	switch {
	case !out.Verified && out.Code != "":
		return errors.New("微信支付答复 " + out.Code + "，未能验签：" + out.Text)
	case !out.Verified:
		return errors.New("微信支付的应答未能验签：" + out.Text)
	case strings.ReplaceAll(out.Code, "_", "") == "SIGNERROR":
		return errors.New("微信支付答复 " + out.Code)
	}
	return nil
}

// probeV3 downloads the certificates, which tries the APIv3 key too, and has
// something echoed under the key that answers will be signed with.
func (c *Channel) probeV3(ctx context.Context) error {
	if c.v3 == nil {
		return errors.New("没有 APIv3 密钥")
	}
	if err := c.Refresh(ctx); err != nil {
		return errors.New("平台证书：" + err.Error())
	}
	said := struct {
		Message string `json:"message"`
	}{channel.ProbeNumber()}
	heard := said
	heard.Message = ""
	out, ok := c.v3.send(ctx, v3Echo, "/v3/security/echo", said, &heard)
	switch {
	case ok && heard == said:
		return nil
	case ok:
		return errors.New("微信支付的应答与请求不符")
	case out.Code != "":
		return errors.New("微信支付答复 " + out.Code + " " + out.Text)
	}
	return errors.New("微信支付的应答未能验签：" + out.Text)
}
