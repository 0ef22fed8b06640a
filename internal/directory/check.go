package directory

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLogo is the largest logo: what a till can still show quickly, and what
// fits into an answer.
const MaxLogo = 32 << 10

// maxRate is the highest fee or share: all of it.
const maxRate = 1_000_000

// text is one text of a row with its limit in characters.
type text struct {
	field string
	value string
	max   int
}

// checkTexts refuses texts that are too long, not UTF-8, or hold control
// characters.
func checkTexts(list ...text) error {
	for _, t := range list {
		if !utf8.ValidString(t.value) || strings.IndexFunc(t.value, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) >= 0 {
			return invalid(t.field, t.field+" 含有无法使用的字符")
		}
		if utf8.RuneCountInString(t.value) > t.max {
			return invalid(t.field, fmt.Sprintf("%s 过长，最多 %d 个字符", t.field, t.max))
		}
	}
	return nil
}

func checkID(field, id string) error {
	if !ValidID(id) {
		return invalid(field, fmt.Sprintf("%s 必须是 1 到 %d 位的字母、数字、下划线或连字符", field, MaxID))
	}
	return nil
}

func checkRate(field string, ppm int64) error {
	if ppm < 0 || ppm > maxRate {
		return invalid(field, field+" 必须在 0 到 1000000 之间（百万分之一）")
	}
	return nil
}

func checkAddress(field, url string) error {
	if err := checkURL(url); err != nil {
		return invalid(field, field+": "+err.Error())
	}
	return nil
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

const nameChars = 128 // protocol.md §1.8

func (p Provider) check() error {
	if len(p.Profile.Logo) > 4*MaxLogo/3+4 {
		return invalid("logo", fmt.Sprintf("logo 过大，最多 %d KiB", MaxLogo>>10))
	}
	return first(
		checkID("out_mch_id", p.ID),
		checkTexts(text{"name", p.Name, nameChars}, text{"short_name", p.Profile.ShortName, nameChars},
			text{"remark", p.Profile.Remark, 255}, text{"phone", p.Profile.Phone, 64}, text{"ad_picture", p.Profile.AdPicture, MaxURL}),
		checkAddress("notify_url", p.NotifyURL), checkAddress("refund_notify_url", p.RefundNotifyURL),
		checkAddress("ad_url", p.Profile.AdURL), p.Profile.check(),
		checkRate("wx_rebate", p.Profile.WxRebatePPM), checkRate("ali_rebate", p.Profile.AliRebatePPM),
	)
}

func (s SubProvider) check() error {
	return first(checkID("sub_provider_id", s.ID), checkRate("rebate", s.RebatePPM),
		checkTexts(text{"name", s.Name, nameChars}, text{"remark", s.Remark, 255}))
}

// check refuses a merchant that cannot be stored or used.
func (m *Merchant) check() error {
	p := m.Profile
	if len(p.Logo) > MaxLogo {
		return invalid("logo", fmt.Sprintf("logo 过大，最多 %d KiB", MaxLogo>>10))
	}
	if err := first(
		checkID("out_sub_mch_id", m.ID), checkID("out_mch_id", m.ProviderID),
		checkTexts(text{"company_name", m.Name, 255}, text{"default_order_body", m.DefaultBody, nameChars},
			text{"short_name", p.ShortName, nameChars}, text{"merchant_name", p.MerchantName, 256}, text{"desc", p.Desc, 255},
			text{"admin_email", p.AdminEmail, 255}, text{"phone", p.Phone, 255}, text{"picture", p.AdPicture, MaxURL},
			text{"url", p.AdURL, MaxURL}, text{"ad_page_url", p.AdPageURL, MaxURL}, text{"buslic_id", p.LicenceID, 32},
			text{"upstream_out_channel_id", p.UpstreamID, 32}, text{"upstream_company_name", p.UpstreamCompany, 255},
			text{"ali_sub_app_id", p.AliSubAppID, 32}, text{"ali_authorization_url", p.AliAuthorizeURL, MaxURL},
			text{"remark", p.Remark, 255}, text{"wx_sub_mch_id", m.Wx.SubMchID, 32}, text{"wx_sub_app_id", m.Wx.SubAppID, 32},
			text{"mob_app_id", m.Wx.MobAppID, 32}, text{"mini_program_sub_app_id", m.Wx.MiniAppID, 32},
			text{"seller_id", m.Ali.SellerID, 32}, text{"app_auth_token", m.Ali.AppAuthToken.Reveal(), 128}),
		checkAddress("notify_url", m.NotifyURL), checkRate("bank_rate", p.BankRatePPM), m.Policy.check(),
	); err != nil {
		return err
	}
	if m.Wx.API != "" && m.Wx.API != APIv2 && m.Wx.API != APIv3 {
		return invalid("wx_api", "wx_api 只能是 v2 或 v3，空为服务商账户的设置")
	}
	if m.SubProviderID != "" {
		if err := checkID("sub_provider_id", m.SubProviderID); err != nil {
			return err
		}
	}
	for _, prefix := range m.Prefixes {
		if !ValidPrefix(prefix) {
			return invalid("cloud_cashier_id", "订单前缀必须是 8 到 10 位数字，或 10 位字母和数字")
		}
	}
	return m.checkBelow()
}

// checkBelow checks what belongs to a merchant, and that ids occur once.
func (m *Merchant) checkBelow() error {
	if err := once("admin_id", m.Admins, adminID, Admin.check); err != nil {
		return err
	}
	if err := once("out_shop_id", m.Shops, shopID, Shop.check); err != nil {
		return err
	}
	for _, s := range m.Shops {
		if err := once("device_id", s.Devices, deviceID, Device.check); err != nil {
			return err
		}
		if err := once("staff_id", s.Staff, staffID, Staff.check); err != nil {
			return err
		}
	}
	return nil
}

func once[V any](field string, list []V, of func(V) string, check func(V) error) error {
	seen := make(map[string]bool, len(list))
	for _, v := range list {
		if err := first(checkID(field, of(v)), check(v)); err != nil {
			return err
		}
		if seen[of(v)] {
			return invalid(field, fmt.Sprintf("%s %s 重复", field, of(v)))
		}
		seen[of(v)] = true
	}
	return nil
}

func (p Policy) check() error {
	switch p.DefaultRefund {
	case "", "total", "remaining", "empty":
	default:
		return invalid("default_refund", "default_refund 只能是 total、remaining 或 empty")
	}
	if p.LargeAmountAlert < 0 {
		return invalid("large_amount_alert", "large_amount_alert 不能为负")
	}
	return p.Settle.check()
}

func (a Admin) check() error {
	return checkTexts(text{"name", a.Name, nameChars}, text{"cloud_pay_open_id", a.OpenID, nameChars},
		text{"mch_open_id", a.MchOpenID, nameChars}, text{"duty", a.Duty, 64}, text{"phone", a.Phone, 64})
}

// maxQRCodes bounds the codes of a shop: more than a shop has tables.
const maxQRCodes = 500

func (s Shop) check() error {
	p := s.Profile
	if p.FeeType != "" && p.FeeType != "CNY" {
		return invalid("fee_type", "fee_type 只支持 CNY")
	}
	if len(p.QRCodes) > maxQRCodes {
		return invalid("qrcode_infos", fmt.Sprintf("qrcode_infos 最多 %d 个", maxQRCodes))
	}
	err := once("qrcode_id", p.QRCodes, func(q QRCode) string { return q.ID }, func(q QRCode) error {
		return checkTexts(text{"qrcode_name", q.Name, nameChars}, text{"staff_id", q.StaffID, MaxID})
	})
	return first(err, checkTexts(text{"shop_id", s.Number, 64}, text{"shop_name", s.Name, nameChars},
		text{"branch_name", p.Branch, nameChars}, text{"province", p.Province, 32}, text{"city", p.City, 32},
		text{"district", p.District, 32}, text{"address", p.Address, 128}, text{"longitude", p.Longitude, 16},
		text{"latitude", p.Latitude, 16}, text{"height", p.Height, 16}, text{"phone", p.Phone, 64},
		text{"goods_tag", p.GoodsTag, 32}, text{"shop_group_id", p.GroupID, 32}, text{"ext_sub_mch_id", p.WxSubMchID, 32},
		text{"ali_authorization_url", p.AliAuthorizeURL, MaxURL}))
}

func (d Device) check() error {
	if d.Type < 0 || d.Type > DeviceFixedQR {
		return invalid("device_type", "device_type 只能是 1 到 4")
	}
	if d.Category < 0 || d.Category > CategoryOther {
		return invalid("device_shift_type", "device_shift_type 只能是 1 到 4")
	}
	return checkTexts(text{"device_name", d.Name, nameChars}, text{"sn_code", d.SN, maxSN}, text{"remark", d.Profile.Remark, 64},
		text{"ext_setting", d.Profile.ExtSetting, 1024}, text{"out_device_id", d.Profile.OutDeviceID, 64},
		text{"bind_qrcode_id", d.Profile.BindQRID, 64}, text{"bill_channel_id", d.Profile.BillChannelID, 64})
}

func (s Staff) check() error {
	p := s.Profile
	return checkTexts(text{"staff_name", s.Name, nameChars}, text{"remark", p.Remark, 64}, text{"national_code", p.NationalCode, 8},
		text{"mobile_phone", p.Phone, 32}, text{"mch_open_id", p.MchOpenID, 128}, text{"cloud_pay_open_id", p.OpenID, 128},
		text{"out_staff_id", p.OutStaffID, 64}, text{"duty", p.Duty, 64})
}

// maxSN is the longest serial number (protocol.md §2.0: 64 to 127 were seen).
const maxSN = 127
