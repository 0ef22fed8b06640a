package main

import (
	"cloudpay/internal/docs"
)

// documents are the pages below /docs/, made from the documents of the
// interfaces themselves.
func documents(management []byte) (*docs.Site, error) {
	return docs.New(docs.Page{
		Name:  "api",
		Title: docs.Text{ZH: "管理接口", EN: "Management API"},
		Intro: docs.Text{
			ZH: "管理接口 /v1 用于服务商、子商户、门店、设备、店员、密钥、订单、退款、回调和报表。\n请求须带令牌：Authorization: Bearer <令牌>。写操作可带 Idempotency-Key，重复请求得到同一结果。",
			EN: "The management API /v1 is for providers, merchants, shops, devices, staff, keys, orders, refunds, callbacks and reports.\nRequests carry a token: Authorization: Bearer <token>. Writes may carry an Idempotency-Key; a repetition gets the same answer.",
		},
		Document: management,
	})
}
