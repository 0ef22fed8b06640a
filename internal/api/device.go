package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// flatSetting is use_device_setting in the words of the table, for log and metrics.
var flatSetting = &route{method: cpay.MethodUseDeviceSetting}

// useDeviceSetting answers the address of a configuration QR code, which is the
// credential: flat, not enveloped and not authenticated (protocol.md §1.8).
func (s *Server) useDeviceSetting(w http.ResponseWriter, r *http.Request) {
	start := s.Now()
	c := &call{route: flatSetting, host: r.Host, head: cpay.Head{LogID: s.logIDs.next()}}
	out := &cpay.UseDeviceSettingResponse{}
	_, err := guarded(r.Context(), s, c, func(ctx context.Context) (cpay.Message, error) {
		if s.limits.flooded(r.RemoteAddr, start) {
			return nil, errFlood
		}
		q := r.URL.Query()
		set, err := s.Directory.UseDeviceSetting(ctx, q.Get("osi"), q.Get("si"), q.Get("sn"))
		switch {
		case errors.Is(err, pay.ErrDenied) || errors.Is(err, pay.ErrInvalid):
			s.limits.refused(r.RemoteAddr, start) // somebody may be guessing
			return nil, err
		case err != nil:
			return nil, err
		}
		c.merchant, c.about.device, out.Setting = set.Merchant, set.Device.ID, setting(set)
		return nil, nil
	})
	c.known = err == nil || errors.As(err, new(*pay.Error)) // there is no code to leave out of the answer
	s.status(c, err)
	c.head.Description = cmp.Or(c.head.Description, c.head.Status.Description())
	out.Head = c.head
	write(w, cpay.Encode(out))
	s.done(r.Context(), c, err, s.Now().Sub(start))
}

// setting is what a device is set up with.
func setting(d directory.DeviceSetting) *cpay.DeviceSetting {
	return &cpay.DeviceSetting{
		OutMchID: d.Merchant.ProviderID, OutSubMchID: d.Merchant.ID, CloudCashierID: d.CashierID(),
		AuthenKey: cpay.NewKey(d.Merchant.AuthenKey.Reveal()), OutShopID: d.Shop.ID, ShopName: d.Shop.Name,
		DeviceID: d.Device.ID, DeviceName: d.Device.Name, StaffID: d.Staff.ID, StaffName: d.Staff.Name,
	}
}

// unbindDeviceSNCode frees a device's record for another terminal (protocol.md §2.5 no. 24).
func (s *Server) unbindDeviceSNCode(ctx context.Context, c *call, m *cpay.UnbindDeviceSNCodeRequest) (cpay.Message, error) {
	by := directory.Actor{Kind: directory.ByMerchant, ID: c.merchant.ID}
	if err := s.Directory.UnbindDevice(ctx, by, c.merchant.ID, m.OutShopID, m.DeviceID, m.SNCode); err != nil {
		return nil, err
	}
	return &cpay.UnbindDeviceSNCodeResponse{}, nil
}

// checkBillDeviceBindInfo tells a device from the factory whether it is still
// bound as it believes (no. 25). What it refuses is shown to the user.
func (s *Server) checkBillDeviceBindInfo(ctx context.Context, c *call, m *cpay.CheckBillDeviceBindInfoRequest) (cpay.Message, error) {
	merchant, err := s.Directory.CheckBinding(ctx, c.device, m.OutShopID, m.DeviceID)
	if err != nil {
		return nil, err
	}
	proven := false
	for _, k := range merchant.VerifyKeys(s.Now()) { // all of them, so that time does not tell which
		proven = m.Proves(cpay.NewKey(k.Authen.Reveal())) || proven
	}
	if !proven {
		return nil, pay.Refuse(pay.ErrDenied, "device_key", "设备的认证密钥不正确，请重新绑定设备")
	}
	return &cpay.CheckBillDeviceBindInfoResponse{}, nil
}

// generateBillDeviceBindQRCode begins the binding of a device from the factory
// (no. 26).
func (s *Server) generateBillDeviceBindQRCode(ctx context.Context, c *call, _ *cpay.GenerateBillDeviceBindQRCodeRequest) (cpay.Message, error) {
	a, err := s.Directory.StartBinding(ctx, c.device)
	if err != nil {
		return nil, err
	}
	return &cpay.GenerateBillDeviceBindQRCodeResponse{
		Activator: a.Activator, Token: a.Token.Reveal(), TTL: int64(a.TTL.Seconds()), Interval: int64(a.Interval.Seconds()),
		MiniProgramURL: cmp.Or(s.BindURL, DefaultBindURL),
	}, nil
}

// DefaultBindURL is the beginning of the QR codes of devices from the factory:
// the mini program of the original (protocol.md §6.3).
const DefaultBindURL = "https://payapp.weixin.qq.com/smartqr/entry/home"

// getBillDeviceBindInfo tells such a device what it was bound to, with the key
// encrypted under its own (no. 27, §1.11).
func (s *Server) getBillDeviceBindInfo(ctx context.Context, c *call, m *cpay.GetBillDeviceBindInfoRequest) (cpay.Message, error) {
	set, activated, err := s.Directory.BindingOf(ctx, c.device, m.Token)
	if err != nil || !activated {
		return &cpay.GetBillDeviceBindInfoResponse{}, err
	}
	sealed, err := cpay.SealDeviceKey(cpay.NewKey(set.Merchant.AuthenKey.Reveal()), cpay.NewKey(c.device.InitKey.Reveal()))
	if err != nil {
		return nil, err
	}
	return &cpay.GetBillDeviceBindInfoResponse{
		Activated: 1, OutMchID: set.Merchant.ProviderID, OutSubMchID: set.Merchant.ID, CloudCashierID: set.CashierID(),
		AuthenType: 1, EAuthenKey: sealed, OutShopID: set.Shop.ID, ShopName: set.Shop.Name,
		DeviceID: set.Device.ID, DeviceName: set.Device.Name, StaffID: set.Staff.ID, StaffName: set.Staff.Name,
		DeviceShiftType: int64(set.Device.Category),
	}, nil
}
