package directory

import (
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// Account is a provider's account at one wallet. Exactly the member that
// belongs to Channel is set. It is read-only for callers.
type Account struct {
	ProviderID string
	Channel    pay.Channel
	Wechat     *WechatAccount
	Alipay     *AlipayAccount
	// Tag changes whenever the stored row changes, so that whoever built a
	// channel from an account knows when to build it again. "" before storing.
	Tag string
}

// WechatAccount is what it takes to speak WeChat Pay v2 as a provider.
type WechatAccount struct {
	MchID    string
	AppID    string
	APIKey   secret.Secret // the APIv2 key, 32 characters
	SignType string        // SignMD5 or SignHMAC
	CertPEM  string        // client certificate, for the calls that want mTLS
	KeyPEM   secret.Secret // its private key
	BaseURL  string        // https://host[:port], no path
	CAPEM    string        // roots for BaseURL, "" for the system's
}

// The sign types of WeChat Pay v2, as they stand on the wire.
const (
	SignMD5  = "MD5"
	SignHMAC = "HMAC-SHA256"
)

// AlipayAccount is what it takes to speak Alipay's open API as an ISV.
type AlipayAccount struct {
	AppID           string
	PrivateKeyPEM   secret.Secret // ours, signs requests (RSA2)
	AlipayPublicPEM string        // Alipay's, verifies answers and notices
	GatewayURL      string        // https://host[:port]/gateway.do
	CAPEM           string        // roots for GatewayURL, "" for the system's
}
