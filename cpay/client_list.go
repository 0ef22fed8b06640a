package cpay

import "context"

// either fills in what the caller left empty.
func either(p *string, known string) {
	if *p == "" {
		*p = known
	}
}

// ClientOrderDetail asks for a page of orders and refunds. Only the merchant is
// filled in: a shop, a device or a member of staff narrows the list.
func (c *Client) ClientOrderDetail(ctx context.Context, req *ClientOrderDetailRequest) (*ClientOrderDetailResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[ClientOrderDetailResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// QueryOrderList asks for a page of orders, refunds or deposits. Only the
// merchant is filled in.
func (c *Client) QueryOrderList(ctx context.Context, req *QueryOrderListRequest) (*QueryOrderListResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[QueryOrderListResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// QueryOrderListOverview asks for sums by wallet. Only the merchant is filled in.
func (c *Client) QueryOrderListOverview(
	ctx context.Context, req *QueryOrderListOverviewRequest,
) (*QueryOrderListOverviewResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[QueryOrderListOverviewResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// ClientSubMchSalesOverview asks for sums by period. Only provider and merchant
// are filled in.
func (c *Client) ClientSubMchSalesOverview(
	ctx context.Context, req *ClientSubMchSalesOverviewRequest,
) (*ClientSubMchSalesOverviewResponse, error) {
	r := *req
	either(&r.OutMchID, c.cfg.Account.OutMchID)
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[ClientSubMchSalesOverviewResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// DownloadBill asks for a part of the merchant's statement of a closed day. Only
// provider and merchant are filled in.
func (c *Client) DownloadBill(ctx context.Context, req *DownloadBillRequest) (*DownloadBillResponse, error) {
	r := *req
	either(&r.OutMchID, c.cfg.Account.OutMchID)
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[DownloadBillResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// QuerySubMchShopInfo asks for a page of the merchant's shops.
func (c *Client) QuerySubMchShopInfo(ctx context.Context, req *QuerySubMchShopInfoRequest) (*QuerySubMchShopInfoResponse, error) {
	r := *req
	either(&r.OutMchID, c.cfg.Account.OutMchID)
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[QuerySubMchShopInfoResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// SetSubMchShopInfo adds or changes shops. It is called once only: a new shop has
// no number of ours yet by which a repetition would be known as one.
func (c *Client) SetSubMchShopInfo(ctx context.Context, req *SetSubMchShopInfoRequest) (*SetSubMchShopInfoResponse, error) {
	r := *req
	either(&r.OutMchID, c.cfg.Account.OutMchID)
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[SetSubMchShopInfoResponse](ctx, c, &r, ByMAC, 1)
}

// SDKQuerySubMchInfo asks for what the service knows of the merchant.
func (c *Client) SDKQuerySubMchInfo(ctx context.Context, req *SDKQuerySubMchInfoRequest) (*SDKQuerySubMchInfoResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[SDKQuerySubMchInfoResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// QueryIdentityMapping asks for ids and for the prefixes of payment codes. Without
// a condition it asks for those of the configured account.
func (c *Client) QueryIdentityMapping(ctx context.Context, req *QueryIdentityMappingRequest) (*QueryIdentityMappingResponse, error) {
	r := *req
	if r.Out == nil && r.Mch == nil {
		a := &c.cfg.Account
		r.Out = &OutIDs{OutMchID: a.OutMchID, OutSubMchID: a.OutSubMchID, OutShopID: a.OutShopID}
	}
	return invoke[QueryIdentityMappingResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// ClientInitialize begins a login and returns the code to show.
func (c *Client) ClientInitialize(ctx context.Context, req *ClientInitializeRequest) (*ClientInitializeResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	either(&r.OutShopID, c.cfg.Account.OutShopID)
	return invoke[ClientInitializeResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// ClientTryGetInitializers asks whether the code has been scanned.
func (c *Client) ClientTryGetInitializers(
	ctx context.Context, req *ClientTryGetInitializersRequest,
) (*ClientTryGetInitializersResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[ClientTryGetInitializersResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// UploadClientMonitorInfo reports measured calls.
func (c *Client) UploadClientMonitorInfo(
	ctx context.Context, req *UploadClientMonitorInfoRequest,
) (*UploadClientMonitorInfoResponse, error) {
	r := *req
	c.reporter(&r.OutMchID, &r.OutSubMchID, &r.OutShopID, &r.OrderClient)
	return invoke[UploadClientMonitorInfoResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// UploadClientConfInfo describes the machine.
func (c *Client) UploadClientConfInfo(ctx context.Context, req *UploadClientConfInfoRequest) (*UploadClientConfInfoResponse, error) {
	r := *req
	c.reporter(&r.OutMchID, &r.OutSubMchID, &r.OutShopID, &r.OrderClient)
	return invoke[UploadClientConfInfoResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// reporter is fill for requests that name the merchant at the top.
func (c *Client) reporter(mch, sub, shop *string, client *ReportedClient) {
	key := PayMchKey{OutMchID: *mch, OutSubMchID: *sub, OutShopID: *shop}
	c.fill(&key, (*OrderClient)(client))
	*mch, *sub, *shop = key.OutMchID, key.OutSubMchID, key.OutShopID
}
