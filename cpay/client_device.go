package cpay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// UnbindDeviceSNCode frees the device record for another device.
func (c *Client) UnbindDeviceSNCode(ctx context.Context, req *UnbindDeviceSNCodeRequest) (*UnbindDeviceSNCodeResponse, error) {
	r := *req
	a := &c.cfg.Account
	either(&r.OutSubMchID, a.OutSubMchID)
	either(&r.OutShopID, a.OutShopID)
	either(&r.DeviceID, a.DeviceID)
	either(&r.SNCode, c.cfg.Terminal.SNCode)
	return invoke[UnbindDeviceSNCodeResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// DeviceReport tells the service about the device.
func (c *Client) DeviceReport(ctx context.Context, req *DeviceReportRequest) (*DeviceReportResponse, error) {
	r := *req
	a := &c.cfg.Account
	either(&r.OutMchID, a.OutMchID)
	either(&r.OutSubMchID, a.OutSubMchID)
	either(&r.OutShopID, a.OutShopID)
	either(&r.DeviceID, a.DeviceID)
	either(&r.StaffID, a.StaffID)
	either(&r.SNCode, c.cfg.Terminal.SNCode)
	return invoke[DeviceReportResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// BriefMicroPay charges a customer in the short envelope. Read the state as
// MicroPayResponse's; the rules of MicroPay hold.
func (c *Client) BriefMicroPay(ctx context.Context, req *BriefMicroPayRequest) (*BriefMicroPayResponse, error) {
	r := *req
	either(&r.OutShopID, c.cfg.Account.OutShopID)
	either(&r.DeviceID, c.cfg.Account.DeviceID)
	either(&r.SNCode, c.cfg.Terminal.SNCode)
	if r.SubTerminalType == 0 {
		r.SubTerminalType = c.cfg.Terminal.SubTerminalType
	}
	return invoke[BriefMicroPayResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// BriefQueryOrder asks for an order in the short envelope.
func (c *Client) BriefQueryOrder(ctx context.Context, req *BriefQueryOrderRequest) (*BriefQueryOrderResponse, error) {
	r := *req
	either(&r.OutShopID, c.cfg.Account.OutShopID)
	resp, err := invoke[BriefQueryOrderResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
	if err != nil {
		return nil, err
	}
	if resp.OutTradeNo != r.OutTradeNo {
		return nil, mismatch(r.Method())
	}
	return resp, nil
}

// BriefQueryOrderList asks for a page of orders in the short envelope. Only the
// merchant is filled in.
func (c *Client) BriefQueryOrderList(ctx context.Context, req *BriefQueryOrderListRequest) (*BriefQueryOrderListResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[BriefQueryOrderListResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// BriefQueryOrderListOverview asks for sums in the short envelope. Only the
// merchant is filled in.
func (c *Client) BriefQueryOrderListOverview(
	ctx context.Context, req *BriefQueryOrderListOverviewRequest,
) (*BriefQueryOrderListOverviewResponse, error) {
	r := *req
	either(&r.OutSubMchID, c.cfg.Account.OutSubMchID)
	return invoke[BriefQueryOrderListOverviewResponse](ctx, c, &r, ByMAC, c.cfg.Attempts)
}

// Binder makes the calls of a device that has only what the factory gave it: its
// serial number and its init key (protocol.md §2.5). It is safe for concurrent
// use.
type Binder struct {
	client *Client
	sn     string
}

// NewBinder returns a binder for the device sn. Of cfg it uses Domains, Timeout,
// Attempts, Transport and Logger.
func NewBinder(cfg Config, sn string, initKey Key) (*Binder, error) {
	if sn == "" || initKey.IsZero() {
		return nil, errors.New("cpay: a device to bind has a serial number and an init key")
	}
	cfg.Account, cfg.Keys = Account{}, Keys{AuthenKey: initKey}
	client, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Binder{client: client, sn: sn}, nil
}

// CheckBillDeviceBindInfo asks whether the device is still bound to shop and
// record and still has the right key, which it proves without showing it.
func (b *Binder) CheckBillDeviceBindInfo(ctx context.Context, outShopID, deviceID string, key Key) error {
	nonce := newNonce()[:briefNonceLength]
	_, err := invoke[CheckBillDeviceBindInfoResponse](ctx, b.client, &CheckBillDeviceBindInfoRequest{
		SNCode: b.sn, OutShopID: outShopID, DeviceID: deviceID, NonceStr: nonce, HashContent: key.MAC([]byte(nonce)),
	}, ByMAC, b.client.cfg.Attempts)
	return err
}

// GenerateBillDeviceBindQRCode asks for a code to show; see QRCode.
func (b *Binder) GenerateBillDeviceBindQRCode(
	ctx context.Context, req *GenerateBillDeviceBindQRCodeRequest,
) (*GenerateBillDeviceBindQRCodeResponse, error) {
	r := *req
	either(&r.SNCode, b.sn)
	return invoke[GenerateBillDeviceBindQRCodeResponse](ctx, b.client, &r, ByMAC, b.client.cfg.Attempts)
}

// QRCode is what the device's code must hold: the address with the attempt, the
// serial number and a MAC of both by the init key.
func (b *Binder) QRCode(resp *GenerateBillDeviceBindQRCodeResponse) string {
	return BindQRCode(resp.MiniProgramURL, resp.Activator, b.sn, b.client.cfg.Keys.AuthenKey)
}

// GetBillDeviceBindInfo asks whether the code has been scanned. Once Activated is
// 1 the key is returned as well.
func (b *Binder) GetBillDeviceBindInfo(ctx context.Context, token string) (*GetBillDeviceBindInfoResponse, Key, error) {
	resp, err := invoke[GetBillDeviceBindInfoResponse](ctx, b.client, &GetBillDeviceBindInfoRequest{
		SNCode: b.sn, Token: token, NonceStr: newNonce()[:briefNonceLength],
	}, ByMAC, b.client.cfg.Attempts)
	if err != nil || resp.Activated != 1 {
		return resp, Key{}, err
	}
	key, err := OpenDeviceKey(resp.EAuthenKey, b.client.cfg.Keys.AuthenKey)
	if err != nil {
		return nil, Key{}, err
	}
	return resp, key, nil
}

// BindQRCode is the content of a device's code (protocol.md §2.5).
func BindQRCode(miniProgramURL, activator, sn string, initKey Key) string {
	signed := bindText(activator, newNonce()[:briefNonceLength], sn)
	return miniProgramURL + "?" + signed + "&sign=" + initKey.MAC([]byte(signed))
}

// bindText is what the code's sign covers.
func bindText(activator, random, sn string) string {
	return "ac=" + activator + "&rs=" + random + "&sn=" + sn
}

// VerifyBindQRCode reports, in constant time, whether the parameters of a scanned
// code were signed by the device's init key, as the console shows it or in lower
// case (protocol.md §7 row 34).
func VerifyBindQRCode(activator, random, sn, sign string, initKey Key) bool {
	text := []byte(bindText(activator, random, sn))
	as := initKey.Verifies(text, sign)
	lower := NewKey(strings.ToLower(initKey.reveal())).Verifies(text, sign)
	return as || lower
}

// maxSetting bounds the answer of use_device_setting, which has eleven short
// members twice.
const maxSetting = 16 << 10

// UseDeviceSetting trades the address in a configuration code for what the device
// is set up with. The address is good for five minutes; whoever has it gets the
// key, so it must be https, except on the machine itself. A refusal is an *Error,
// InternalDeviceBound for a record that is bound to another device.
func UseDeviceSetting(ctx context.Context, via http.RoundTripper, address, sn string) (*DeviceSetting, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.RawQuery == "" || !strings.HasSuffix(u.Path, Path(MethodUseDeviceSetting)):
		return nil, errors.New("cpay: not the address of a device's setting")
	case u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost"):
		return nil, errors.New("cpay: the address of a device's setting is not https")
	}
	u.RawQuery += "&sn=" + url.QueryEscape(sn)
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("cpay: not the address of a device's setting") // the reason would repeat it
	}
	failed := func(err error) error {
		return &TransportError{Method: MethodUseDeviceSetting, Domain: u.Scheme + "://" + u.Host, Err: err}
	}
	resp, err := via.RoundTrip(req)
	if err != nil {
		return nil, failed(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSetting+1))
	if err != nil {
		return nil, failed(err)
	}
	if resp.StatusCode != http.StatusOK || len(body) > maxSetting {
		return nil, failed(fmt.Errorf("%w: HTTP status %d", ErrMalformed, resp.StatusCode))
	}
	got := UseDeviceSettingResponse{Head: Head{Status: noStatus}}
	if err := Decode(body, &got); err != nil {
		return nil, failed(err)
	}
	// The answer is not authenticated, so only TLS vouches for it.
	if _, err := got.Head.judge(true, got.Setting != nil, MethodUseDeviceSetting, "status", MethodUseDeviceSetting); err != nil {
		return nil, err
	}
	if s := got.Setting; s.AuthenKey.IsZero() || s.OutSubMchID == "" {
		return nil, failed(fmt.Errorf("%w: a setting without key or merchant", ErrMalformed))
	}
	return got.Setting, nil
}
