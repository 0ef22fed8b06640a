package wxpay

import (
	"context"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

var (
	_ channel.Healther         = (*Channel)(nil)
	_ channel.RefundLister     = (*Channel)(nil)
	_ channel.AbnormalRefunder = (*Channel)(nil)
)

// Health tells about the account's API certificate, the wallet's keys (v3) and
// the last calls of both interfaces. It implements channel.Healther.
func (c *Channel) Health() channel.Health {
	h := channel.Health{Keys: []channel.KeyHealth{c.ours}}
	if c.v3 != nil {
		c.v3.keys.health(&h)
	}
	h.Verified, h.Failure = c.pulse.Last()
	return h
}

// Refresh downloads the platform certificates now, whatever their age, for a
// rehearsal or a schedule. The error is fit to be shown; it is nil for an
// account that has none to download.
func (c *Channel) Refresh(ctx context.Context) error {
	if c.v3 == nil || c.v3.keys.fetch == nil {
		return nil
	}
	return c.v3.keys.reload(ctx)
}

// time is the account's clock, zero without one.
func (c *Channel) time() time.Time {
	if c.now == nil {
		return time.Time{}
	}
	return c.now()
}

// speaksV3 reports whether calls of a merchant go by APIv3.
func (c *Channel) speaksV3(m channel.Merchant) bool {
	if m.API != "" {
		return m.API == channel.APIv3
	}
	return c.api == channel.APIv3
}

// speechless is the outcome of a call by an interface that the account has no
// keys for. Nothing was sent; a payment is refused, everything else stays
// unknown until the keys are there.
func speechless(refuse bool) pay.Outcome {
	out := pay.Outcome{Kind: pay.Unknown, Lost: true, Alert: true, Text: "该微信支付账户未配置此接口版本所需的密钥"}
	if refuse {
		out.Kind, out.Lost, out.Reason = pay.Declined, false, pay.ReasonConfiguration
	}
	return out
}
