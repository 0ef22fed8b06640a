package api

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
)

// maxShopPage is the longest page of shops: one shop with its devices and
// staff is a few KiB.
const maxShopPage = 100

// querySubMchShopInfo lists the merchant's shops (protocol.md §2.4 no. 16). A
// page past the end is empty (R32).
func (s *Server) querySubMchShopInfo(_ context.Context, c *call, m *cpay.QuerySubMchShopInfoRequest) (cpay.Message, error) {
	if err := ofProvider(c.merchant, m.OutMchID); err != nil {
		return nil, err
	}
	shops := c.merchant.Shops
	if m.OutShopID != "" {
		shop, ok := c.merchant.Shop(m.OutShopID)
		if !ok {
			return nil, shopUnknown()
		}
		shops = []directory.Shop{shop}
	}
	out := &cpay.QuerySubMchShopInfoResponse{TotalCount: int64(len(shops))}
	size := min(m.PageSize, maxShopPage)
	if m.PageNum-1 >= int64(len(shops)) { // also keeps the product below from overflowing
		return out, nil
	}
	for i := (m.PageNum - 1) * size; i < min(m.PageNum*size, int64(len(shops))); i++ {
		out.ShopInfos = append(out.ShopInfos, s.shopInfo(c, shops[i]))
	}
	return out, nil
}

// setSubMchShopInfo creates and changes shops; with is_all those that are not
// named are deleted (no. 17). The service assigns out_shop_id.
func (s *Server) setSubMchShopInfo(ctx context.Context, c *call, m *cpay.SetSubMchShopInfoRequest) (cpay.Message, error) {
	if err := ofProvider(c.merchant, m.OutMchID); err != nil {
		return nil, err
	}
	edits := make([]directory.ShopEdit, len(m.ShopInfos))
	for i := range m.ShopInfos {
		info := &m.ShopInfos[i]
		edits[i] = directory.ShopEdit{ID: info.OutShopID, Number: info.ShopID, Apply: func(shop *directory.Shop) error {
			// Read once more over what is stored: what is absent stays, what is empty
			// is cleared (protocol.md §1.1).
			is := s.shopInfo(c, *shop)
			if err := c.envelope.DecodeAt(fmt.Sprintf("shop_infos[%d]", i), &is); err != nil {
				return err
			}
			applyShop(shop, &is)
			return nil
		}}
	}
	by := directory.Actor{Kind: directory.ByMerchant, ID: c.merchant.ID}
	shops, err := s.Directory.SetShops(ctx, by, c.merchant.ID, m.IsAll, edits)
	if err != nil {
		return nil, err
	}
	out := &cpay.SetSubMchShopInfoResponse{}
	for _, shop := range shops {
		out.ShopInfos = append(out.ShopInfos, s.shopInfo(c, shop))
	}
	return out, nil
}

// applyShop makes a shop what is said of it. Devices and staff are whole lists;
// bindings and PINs of those who stay are kept. Its id and its times are ours.
func applyShop(shop *directory.Shop, in *cpay.ShopInfo) {
	p := &shop.Profile
	shop.Number, shop.Name, p.Branch = in.ShopID, in.ShopName, in.BranchName
	p.Province, p.City, p.District, p.Address = in.Province, in.City, in.District, in.Address
	p.CoordinateType, p.Longitude, p.Latitude, p.Height = in.CoordinateType, in.Longitude, in.Latitude, in.Height
	p.Phone, p.FeeType, p.GoodsTag, p.GroupID = in.Phone, in.FeeType, in.GoodsTag, in.ShopGroupID
	p.NotesAfterDuty, p.MicroPayNotes, p.NoMembershipCard = in.ReceiveNotifyAfterDuty, in.SendMicroPayNotify, in.DisableMembershipCard
	p.PayPageMode, p.ShopType = in.PayPageMode, in.ShopType
	p.WxSubMchID = ""
	if in.WxpayExt != nil {
		p.WxSubMchID = in.WxpayExt.ExtSubMchID
	}
	shop.Devices, shop.Staff = applyDevices(shop, in.DeviceInfos), applyStaff(shop, in.StaffInfos)
}

// applyDevices makes the devices of a shop out of those that were sent.
func applyDevices(shop *directory.Shop, in []cpay.DeviceInfo) []directory.Device {
	var out []directory.Device
	for _, d := range in {
		device, _ := shop.Device(d.DeviceID)
		device.ID, device.Name = d.DeviceID, d.DeviceName
		device.Type, device.Category = directory.DeviceType(d.DeviceType), directory.DeviceCategory(d.DeviceShiftType)
		device.Profile.Remark, device.Profile.ExtSetting, device.Profile.OutDeviceID = d.Remark, d.ExtSetting, d.OutDeviceID
		out = append(out, device)
	}
	return out
}

// applyStaff makes the staff of a shop out of those who were sent.
func applyStaff(shop *directory.Shop, in []cpay.StaffInfo) []directory.Staff {
	var out []directory.Staff
	for _, p := range in {
		person, _ := shop.Person(p.StaffID)
		person.ID, person.Name, person.ShopManager, person.RefundAuth = p.StaffID, p.StaffName, p.ShopManager, p.RefundAuth
		f := &person.Profile
		f.Remark, f.NationalCode, f.Phone, f.OutStaffID = p.Remark, p.NationalCode, p.MobilePhone, p.OutStaffID
		f.OneCodeNotes, f.MchOpenID, f.OpenID = p.ReceiveOneCodePayNotify, p.MchOpenID, p.CloudPayOpenID
		out = append(out, person)
	}
	return out
}

// relationID is the rid of the addresses of QR codes (protocol.md §2.0).
const relationID = "11"

// entry is the address of a browser entry point (protocol.md §2.8): below the
// public address of the installation, or under the name that the caller reached
// us by where none is configured.
func (s *Server) entry(c *call, path string, query ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		v.Set(query[i], query[i+1])
	}
	base := &url.URL{Scheme: "https", Host: c.host}
	if u, err := url.Parse(s.PublicURL); err == nil && u.Host != "" {
		base = u
	}
	base = base.JoinPath(cpay.Path(path))
	base.RawQuery = v.Encode()
	return base.String()
}

// shopInfo shows a shop with its devices and staff.
func (s *Server) shopInfo(c *call, shop directory.Shop) cpay.ShopInfo {
	p := &shop.Profile
	out := cpay.ShopInfo{
		ShopID: shop.Number, ShopName: shop.Name, BranchName: p.Branch, Province: p.Province, City: p.City, District: p.District,
		Address: p.Address, CoordinateType: p.CoordinateType, Longitude: p.Longitude, Latitude: p.Latitude, Height: p.Height, Phone: p.Phone,
		OutShopID: shop.ID, OutShopIDURL: s.entry(c, "qrcode_shop", "id", shop.ID, "rid", relationID), FeeType: p.FeeType,
		CreateTime: unix(shop.CreatedAt), UpdateTime: unix(shop.UpdatedAt), GoodsTag: p.GoodsTag,
		ReceiveNotifyAfterDuty: p.NotesAfterDuty, PayPageMode: p.PayPageMode, ShopType: p.ShopType,
		SendMicroPayNotify: p.MicroPayNotes, ShopGroupID: p.GroupID, DisableMembershipCard: p.NoMembershipCard,
	}
	if out.FeeType == "" {
		out.FeeType = "CNY"
	}
	for _, q := range p.QRCodes {
		out.QRCodeInfos = append(out.QRCodeInfos, cpay.QRCodeInfo{QRCodeID: q.ID, QRCodeName: q.Name, Type: q.Type, StaffID: q.StaffID})
	}
	if p.WxSubMchID != "" {
		out.WxpayExt = &cpay.WxpayShopInfoExt{ExtSubMchID: p.WxSubMchID}
	}
	if p.AliAuthorizeURL != "" {
		out.AlipayExt = &cpay.AlipayShopInfoExt{AliAuthorizationURL: p.AliAuthorizeURL}
	}
	for _, d := range shop.Devices {
		out.DeviceInfos = append(out.DeviceInfos, cpay.DeviceInfo{
			DeviceID: d.ID, DeviceType: int64(d.Type), Remark: d.Profile.Remark, DeviceName: d.Name, ExtSetting: d.Profile.ExtSetting,
			DeviceShiftType: int64(d.Category), SNCode: d.SN, BindStatus: int64(c.merchant.BindStateOf(d)),
			BindQRCodeSourceType: d.Profile.BindQRSource, BindQRCodeID: d.Profile.BindQRID, BillChannelID: d.Profile.BillChannelID,
			OutDeviceID: d.Profile.OutDeviceID,
		})
	}
	for _, p := range shop.Staff {
		staff := staffInfo(p)
		staff.TradeQRCode = s.entry(c, "qrcode_person", "id", p.ID, "out_shop_id", shop.ID, "rid", relationID)
		out.StaffInfos = append(out.StaffInfos, staff)
	}
	return out
}

// staffInfo shows a member of staff.
func staffInfo(p directory.Staff) cpay.StaffInfo {
	f := &p.Profile
	return cpay.StaffInfo{
		StaffID: p.ID, StaffName: p.Name, Remark: f.Remark, ShopManager: p.ShopManager, ReceiveOneCodePayNotify: f.OneCodeNotes,
		MchOpenID: f.MchOpenID, CloudPayOpenID: f.OpenID, RefundAuth: p.RefundAuth, NationalCode: f.NationalCode,
		MobilePhone: f.Phone, OutStaffID: f.OutStaffID,
	}
}

// unix is a time on the wire, 0 for none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
