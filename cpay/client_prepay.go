package cpay

import "context"

// currency makes the only currency there is explicit.
func currency(p *string) {
	if *p == "" {
		*p = "CNY"
	}
}

// OfficialAccountPay prepares a payment on a page inside the wallet.
func (c *Client) OfficialAccountPay(ctx context.Context, req *OfficialAccountPayRequest) (*OfficialAccountPayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	currency(&r.PayContent.FeeType)
	if r.TradeType == 0 {
		r.TradeType = TradeOfficialAccount
	}
	resp, err := invoke[OfficialAccountPayResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	if resp.OrderContent.OutTradeNo != r.PayContent.OutTradeNo {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// MiniProgramPay prepares a payment in a mini program.
func (c *Client) MiniProgramPay(ctx context.Context, req *MiniProgramPayRequest) (*MiniProgramPayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	currency(&r.PayContent.FeeType)
	if r.TradeType == 0 {
		r.TradeType = TradeMiniProgram
	}
	resp, err := invoke[MiniProgramPayResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	if resp.OrderContent.OutTradeNo != r.PayContent.OutTradeNo {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// AppPay prepares a payment in the merchant's mobile application.
func (c *Client) AppPay(ctx context.Context, req *AppPayRequest) (*AppPayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	currency(&r.PayContent.FeeType)
	if r.TradeType == 0 {
		r.TradeType = TradeApp
	}
	return invoke[AppPayResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// MobWebPay prepares a payment on a page in a browser.
func (c *Client) MobWebPay(ctx context.Context, req *MobWebPayRequest) (*MobWebPayResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	currency(&r.PayContent.FeeType)
	if r.TradeType == 0 {
		r.TradeType = TradeMobileWeb
	}
	return invoke[MobWebPayResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// MicroFreeze takes a deposit. A server may not offer deposits and refuse.
func (c *Client) MicroFreeze(ctx context.Context, req *MicroFreezeRequest) (*MicroFreezeResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	currency(&r.FreezeContent.FeeType)
	resp, err := invoke[MicroFreezeResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	if got := &resp.FreezeOrderContent; got.OutFreezeNo != r.FreezeContent.OutFreezeNo || got.FreezeFee != r.FreezeContent.FreezeFee {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// ScancodeFreeze makes a code by which the customer leaves a deposit.
func (c *Client) ScancodeFreeze(ctx context.Context, req *ScancodeFreezeRequest) (*ScancodeFreezeResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	currency(&r.FreezeContent.FeeType)
	return invoke[ScancodeFreezeResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// DepositConsume takes money from a deposit.
func (c *Client) DepositConsume(ctx context.Context, req *DepositConsumeRequest) (*DepositConsumeResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	currency(&r.PayContent.FeeType)
	resp, err := invoke[DepositConsumeResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	if got := &resp.OrderContent; got.OutTradeNo != r.PayContent.OutTradeNo || got.TotalFee != r.PayContent.TotalFee {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// Unfreeze returns a part or all of a deposit. The same OutUnfreezeNo again never
// returns it twice.
func (c *Client) Unfreeze(ctx context.Context, req *UnfreezeRequest) (*UnfreezeResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	resp, err := invoke[UnfreezeResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	if resp.UnfreezeOrderContent.OutUnfreezeNo != r.UnfreezeContent.OutUnfreezeNo {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// QueryFreezeOrder asks for a deposit.
func (c *Client) QueryFreezeOrder(ctx context.Context, req *QueryFreezeOrderRequest) (*QueryFreezeOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	resp, err := invoke[QueryFreezeOrderResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	if resp.FreezeOrderContent.OutFreezeNo != r.OutFreezeNo {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// QueryUnfreezeOrder asks for one return of a deposit, or for all of them when
// OutUnfreezeNo is empty.
func (c *Client) QueryUnfreezeOrder(ctx context.Context, req *QueryUnfreezeOrderRequest) (*QueryUnfreezeOrderResponse, error) {
	r := *req
	c.fill(&r.PayMchKey, &r.OrderClient)
	return invoke[QueryUnfreezeOrderResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}
