package wxpay

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// v3PathOf is where an order of v2's word for its type is prepared.
var v3PathOf = map[string]string{
	"NATIVE": pathOrders + "native", "JSAPI": pathOrders + "jsapi", "APP": pathOrders + "app", "MWEB": pathOrders + "h5",
}

// v3create is the request that prepares an order (upstreams.md §3.4).
type v3create struct {
	SpAppID     string    `json:"sp_appid"`
	SpMchID     string    `json:"sp_mchid"`
	SubAppID    string    `json:"sub_appid,omitempty"`
	SubMchID    string    `json:"sub_mchid"`
	Description string    `json:"description"`
	OutTradeNo  string    `json:"out_trade_no"`
	TimeExpire  string    `json:"time_expire,omitempty"`
	Attach      string    `json:"attach,omitempty"`
	NotifyURL   string    `json:"notify_url"`
	GoodsTag    string    `json:"goods_tag,omitempty"`
	LimitPay    []string  `json:"limit_pay,omitempty"`
	Detail      *v3detail `json:"detail,omitempty"`
	Amount      v3amount  `json:"amount"`
	Payer       *v3payer  `json:"payer,omitempty"`
	Scene       v3scene   `json:"scene_info"`
}

// v3handle is what an order is paid by.
type v3handle struct {
	PrepayID string `json:"prepay_id"`
	CodeURL  string `json:"code_url"`
	H5URL    string `json:"h5_url"`
}

// Prepay prepares an order. The same request may be sent again.
func (c *v3) Prepay(ctx context.Context, r channel.PrepayRequest) channel.PrepayOutcome {
	kind := wordFor(r.TradeType)
	if kind == "" {
		return channel.PrepayOutcome{Outcome: unsupported}
	}
	sub := merchantOf(r)
	b := v3create{
		SpAppID: cmp.Or(r.AppID, c.appID), SpMchID: c.mchID, SubAppID: sub.SubAppID, SubMchID: sub.SubMchID,
		Description: channel.CutBytes(r.Body, maxBody), OutTradeNo: r.OutTradeNo, Attach: r.Attach,
		NotifyURL: cmp.Or(r.NotifyURL, nowhere), GoodsTag: r.GoodsTag, Detail: detailOf(r.Detail),
		Amount: v3amount{Total: int64(r.Total), Currency: r.Currency},
		Scene:  sceneOf(r.SceneInfo, r.ShopID, r.DeviceID).preparing(r.ClientIP, kind == "MWEB"),
	}
	if !r.Expire.IsZero() {
		b.TimeExpire = r.Expire.In(beijing).Format(time.RFC3339)
	}
	if r.LimitPay != "" {
		b.LimitPay = []string{r.LimitPay}
	}
	if kind == "JSAPI" {
		b.Payer = &v3payer{SubOpenID: r.SubOpenID}
		if r.SubOpenID == "" {
			b.Payer = &v3payer{SpOpenID: r.OpenID}
		}
	}
	var a v3handle
	out, ok := c.send(ctx, v3Prepay, v3PathOf[kind], &b, &a)
	if !ok {
		return channel.PrepayOutcome{Outcome: out}
	}
	p := pay.Prepaid{API: channel.APIv3}
	var fits bool
	switch kind {
	case "NATIVE":
		p.CodeURL = a.CodeURL
		fits = a.CodeURL != "" && len(a.CodeURL) <= maxCodeURL
	case "MWEB":
		p.MwebURL = a.H5URL
		fits = strings.HasPrefix(a.H5URL, "https://") && len(a.H5URL) <= maxMwebURL
	default: // JSAPI and APP
		p.PrepayID = a.PrepayID
		fits = a.PrepayID != "" && len(a.PrepayID) <= maxPrepayID
	}
	if !fits {
		return channel.PrepayOutcome{Outcome: ruled(channel.Unlisted, "SUCCESS", "")}
	}
	return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"}, Prepaid: p}
}

// ClientArgs signs what a page, mini program or application hands to WeChat
// (upstreams.md §3.4). An application signs the bare prepay_id.
func (c *v3) ClientArgs(r channel.PrepayRequest, p pay.Prepaid, now time.Time) (channel.ClientArgs, error) {
	kind := wordFor(r.TradeType)
	if kind != "JSAPI" && kind != "APP" {
		return channel.ClientArgs{}, nil
	}
	if p.PrepayID == "" {
		return channel.ClientArgs{}, errArgs
	}
	a := channel.ClientArgs{
		AppID: invoker(r, cmp.Or(r.AppID, c.appID)), Timestamp: strconv.FormatInt(now.Unix(), 10), NonceStr: nonce(),
		Package: "prepay_id=" + p.PrepayID, SignType: "RSA",
	}
	signed := a.Package
	if kind == "APP" {
		a.Package, a.PartnerID, a.PrepayID = "Sign=WXPay", c.mchID, p.PrepayID
		signed = p.PrepayID
	}
	var err error
	a.PaySign, err = c.sign(a.AppID + "\n" + a.Timestamp + "\n" + a.NonceStr + "\n" + signed + "\n")
	if err != nil {
		return channel.ClientArgs{}, err
	}
	return a, nil
}

// v3detail are goods of an order, in APIv3's spelling.
type v3detail struct {
	CostPrice int64     `json:"cost_price,omitempty"`
	InvoiceID string    `json:"invoice_id,omitempty"`
	Goods     []v3goods `json:"goods_detail,omitempty"`
}

type v3goods struct {
	MerchantID string `json:"merchant_goods_id"`
	WechatID   string `json:"wechatpay_goods_id,omitempty"`
	Name       string `json:"goods_name,omitempty"`
	Quantity   int64  `json:"quantity"`
	UnitPrice  int64  `json:"unit_price"`
}

// detailOf turns a caller's goods, which are in v2's spelling, into APIv3's.
// Goods that cannot be read are left out: they only decide about coupons.
func detailOf(text string) *v3detail {
	var in struct {
		CostPrice int64  `json:"cost_price"`
		ReceiptID string `json:"receipt_id"`
		Goods     []struct {
			ID       string `json:"goods_id"`
			WechatID string `json:"wxpay_goods_id"`
			Name     string `json:"goods_name"`
			Quantity int64  `json:"quantity"`
			Price    int64  `json:"price"`
		} `json:"goods_detail"`
	}
	if text == "" || json.Unmarshal([]byte(text), &in) != nil {
		return nil
	}
	d := v3detail{CostPrice: in.CostPrice, InvoiceID: in.ReceiptID}
	for _, g := range in.Goods {
		if g.ID == "" || g.Quantity <= 0 {
			continue // APIv3 requires both
		}
		d.Goods = append(d.Goods, v3goods{MerchantID: g.ID, WechatID: g.WechatID, Name: g.Name, Quantity: g.Quantity, UnitPrice: g.Price})
	}
	if d.CostPrice == 0 && d.InvoiceID == "" && len(d.Goods) == 0 {
		return nil
	}
	return &d
}

// v3scene is where a payment is made.
type v3scene struct {
	DeviceID string   `json:"device_id,omitempty"`
	DeviceIP string   `json:"device_ip,omitempty"`       // code pay
	ClientIP string   `json:"payer_client_ip,omitempty"` // the others
	Store    *v3store `json:"store_info,omitempty"`
	Page     *v3page  `json:"h5_info,omitempty"`
}

type v3store struct {
	ID       string `json:"id,omitempty"`
	OutID    string `json:"out_id,omitempty"` // code pay: the merchant's own number
	Name     string `json:"name,omitempty"`
	AreaCode string `json:"area_code,omitempty"`
	Address  string `json:"address,omitempty"`
}

type v3page struct {
	Type    string `json:"type"`
	AppName string `json:"app_name,omitempty"`
	AppURL  string `json:"app_url,omitempty"`
	Bundle  string `json:"bundle_id,omitempty"`
	Package string `json:"package_name,omitempty"`
}

// sceneOf turns a caller's scene, which is in v2's spelling, into APIv3's: the
// store and the page it names, or else the shop's number.
func sceneOf(said, shopID, deviceID string) v3scene {
	var in struct {
		Store *v3store `json:"store_info"`
		Page  *struct {
			Type    string `json:"type"`
			Name    string `json:"wap_name"`
			URL     string `json:"wap_url"`
			AppName string `json:"app_name"`
			Bundle  string `json:"bundle_id"`
			Package string `json:"package_name"`
		} `json:"h5_info"`
	}
	s := v3scene{DeviceID: channel.Fitting(deviceID, maxDevice)}
	if said != "" && json.Unmarshal([]byte(said), &in) == nil {
		s.Store = in.Store
		if p := in.Page; p != nil {
			s.Page = &v3page{Type: p.Type, AppName: cmp.Or(p.AppName, p.Name), AppURL: p.URL, Bundle: p.Bundle, Package: p.Package}
		}
	}
	if s.Store == nil && said == "" && shopID != "" {
		s.Store = &v3store{ID: channel.Fitting(shopID, maxDevice)}
	}
	if s.Store != nil && s.Store.ID == "" && s.Store.OutID == "" {
		s.Store = nil // APIv3 requires the number
	}
	return s
}

// paying is the scene of a code payment: no page, and the device's address. The
// shop's number is the merchant's own there.
func (s v3scene) paying(ip string) v3scene {
	s.DeviceIP, s.Page = cmp.Or(ip, noAddress), nil
	if s.Store != nil && s.Store.OutID == "" {
		s.Store = &v3store{OutID: s.Store.ID}
	}
	return s
}

// preparing is the scene of a prepared order: the payer's address, and the page
// only where there is one, which must then say its type.
func (s v3scene) preparing(ip string, page bool) v3scene {
	s.ClientIP = cmp.Or(ip, noAddress)
	switch {
	case !page:
		s.Page = nil
	case s.Page == nil:
		s.Page = &v3page{Type: "Wap"}
	case s.Page.Type == "":
		s.Page.Type = "Wap"
	}
	if s.Store != nil {
		s.Store.OutID = ""
		if s.Store.ID == "" {
			s.Store = nil
		}
	}
	return s
}
