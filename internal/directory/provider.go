package directory

import "time"

// Provider is a service provider (服务商): the owner of merchants and of the
// accounts at the wallets. It is read-only for callers.
type Provider struct {
	ID              string // out_mch_id, at most MaxID characters
	Name            string
	NotifyURL       string // 交易完成回调 URL, "" for none
	RefundNotifyURL string // 退款回调 URL, "" for NotifyURL
	Disabled        bool   // its merchants are refused as if they did not exist
	Profile         ProviderProfile
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// ProviderProfile holds what is read rarely (ux.md C-03, protocol.md §6.8). It
// is stored as JSON: names of members never change.
type ProviderProfile struct {
	ShortName    string `json:"short_name,omitempty"`
	Logo         string `json:"logo,omitempty"` // base64 of an image, at most MaxLogo bytes
	Remark       string `json:"remark,omitempty"`
	Phone        string `json:"phone,omitempty"`
	AdURL        string `json:"ad_url,omitempty"`
	AdPicture    string `json:"ad_picture,omitempty"`
	WxRebatePPM  int64  `json:"wx_rebate_ppm,omitempty"`  // 返佣比例 in 1/1000000
	AliRebatePPM int64  `json:"ali_rebate_ppm,omitempty"` // 返佣比例 in 1/1000000
	Settle              // of merchants that choose nothing
}

// SubProvider is an agent of a provider (子服务商), who sees only the merchants
// that belong to it.
type SubProvider struct {
	ProviderID string
	ID         string // unique within the provider
	Name       string
	Remark     string
	RebatePPM  int64 // its share of the rebate in 1/1000000
	Disabled   bool
	CreatedAt  time.Time
	UpdatedAt  time.Time
}
