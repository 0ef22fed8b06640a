package directory

import (
	"crypto/rsa"
	"strings"

	"cloudpay/internal/secret"
)

// Provider is a service provider (服务商): the owner of merchants and of the
// accounts at the wallets. It is read-only for callers.
type Provider struct {
	ID        string // out_mch_id, at most MaxID characters
	Name      string
	NotifyURL string // 交易完成回调 URL, "" for none
}

// Merchant is a sub-merchant (子商户) with its shops. It is a snapshot shared
// by many requests: read-only for callers.
type Merchant struct {
	ID          string // out_sub_mch_id, unique in the installation
	ProviderID  string // out_mch_id
	Name        string
	DefaultBody string // what a customer reads when an order names nothing
	// Prefixes are the order prefixes (cloud_cashier_id), usually one of 8
	// digits and one of 10 characters. All of them are valid.
	Prefixes []string
	// AuthenKey is the key of the MAC in both directions, KeyLen characters.
	AuthenKey secret.Secret
	// PublicKeyPEM and PublicKey are the merchant's half of its signing key;
	// empty and nil when none is registered.
	PublicKeyPEM string
	PublicKey    *rsa.PublicKey
	NotifyURL    string // "" for the provider's
	// ReversePaid allows a cashier to reverse a paid order (money.md §3 row 8).
	ReversePaid bool
	// RefundMustSign demands a signature on refunds and reverses (退款必须签名).
	RefundMustSign bool
	// Disabled merchants are refused as if they did not exist.
	Disabled bool
	Wx       WechatMerchant
	Ali      AlipayMerchant
	Shops    []Shop
}

// WechatMerchant is how WeChat Pay names a merchant.
type WechatMerchant struct {
	SubMchID string
	SubAppID string // optional
}

// AlipayMerchant is how Alipay names a merchant.
type AlipayMerchant struct {
	AppAuthToken secret.Secret // optional
	SellerID     string        // 2088…, optional
}

// Shop is one shop (门店) of a merchant.
type Shop struct {
	ID      string // out_shop_id, unique in the installation
	Name    string
	Devices []Device
	Staff   []Staff
}

// Device is one till or terminal (设备) of a shop.
type Device struct {
	ID   string // device_id
	Name string
	SN   string // serial number, "" while not bound
}

// Staff is one person (店员) of a shop.
type Staff struct {
	ID          string // staff_id
	Name        string
	ShopManager bool
	RefundAuth  bool // may refund
}

// HasPrefix reports whether the text is an order or refund number that this
// merchant may use: at most MaxNumber characters out of 0-9 A-Z a-z _ -, one
// of the merchant's prefixes and something after it (protocol.md §4.6).
func (m *Merchant) HasPrefix(number string) bool {
	if len(number) > MaxNumber || !plain(number) {
		return false
	}
	for _, p := range m.Prefixes {
		if len(number) > len(p) && strings.HasPrefix(number, p) {
			return true
		}
	}
	return false
}

// Shop returns the shop with that id.
func (m *Merchant) Shop(id string) (Shop, bool) {
	for _, s := range m.Shops {
		if s.ID == id {
			return s, true
		}
	}
	return Shop{}, false
}

// Device returns the shop's device with that id.
func (s Shop) Device(id string) (Device, bool) {
	for _, d := range s.Devices {
		if d.ID == id {
			return d, true
		}
	}
	return Device{}, false
}

// Person returns the shop's member of staff with that id.
func (s Shop) Person(id string) (Staff, bool) {
	for _, p := range s.Staff {
		if p.ID == id {
			return p, true
		}
	}
	return Staff{}, false
}
