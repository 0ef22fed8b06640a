package alipay

import (
	"context"
	"errors"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Prepay follows channel.Channel.
func (c *Channel) Prepay(context.Context, channel.PrepayRequest) channel.PrepayOutcome {
	return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Unknown, Lost: true}}
}

// ClientArgs follows channel.Channel.
func (c *Channel) ClientArgs(channel.PrepayRequest, pay.Prepaid, time.Time) (channel.ClientArgs, error) {
	return channel.ClientArgs{}, errors.New("not available")
}
