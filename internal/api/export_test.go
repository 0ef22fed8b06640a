package api

import "cloudpay/cpay"

// RouteInfo shows a route to the tests outside.
type RouteInfo struct {
	Method, Member string
	Brief          bool
	ByMerchant     bool
	Limit          int64
}

// Routes is the whole table.
func Routes() []RouteInfo {
	var out []RouteInfo
	for _, r := range routes() {
		out = append(out, RouteInfo{r.method, r.member, cpay.Brief(r.method), r.owner == byMerchant, r.limit})
	}
	return out
}

// MerchantName is merchantName.
var MerchantName = merchantName
