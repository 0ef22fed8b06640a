package manage

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cloudpay/internal/directory"
)

// Ticket is the content of a configuration QR code. It is a credential until
// it ends: whoever shows it is given the merchant's key.
type Ticket struct {
	OutShopID string    `json:"osi" doc:"门店编号"`
	SI        string    `json:"si" doc:"一次性配置串，只显示这一次"`
	Link      string    `json:"link" doc:"二维码内容：终端在其后加上 &sn=序列号 请求；不知道公网地址时只有路径和参数"`
	EndsAt    time.Time `json:"ends_at"`
}

type ticketInput struct {
	DevicePath
	Body struct {
		StaffID string `json:"staff_id,omitempty" doc:"店员，空为不指定" maxLength:"32"`
	}
}

type initKeysInput struct {
	Body struct {
		Lines string `json:"lines" doc:"sn_init_key.txt 的内容：每行“序列号 32位密钥”" writeOnly:"true" minLength:"1" maxLength:"180000"`
	}
}

// Imported says how many factory devices were enrolled.
type Imported struct {
	Added int `json:"added"`
}

type grantBindingInput struct {
	Activator string `path:"activator" maxLength:"32"`
	Body      struct {
		MerchantID string `json:"out_sub_mch_id" minLength:"1" maxLength:"32"`
		ShopID     string `json:"out_shop_id" minLength:"1" maxLength:"32"`
		DeviceID   string `json:"device_id" minLength:"1" maxLength:"32"`
		StaffID    string `json:"staff_id,omitempty" maxLength:"32"`
	}
}

// BoundDevice is a factory device and what it is bound to.
type BoundDevice struct {
	SN         string    `json:"sn_code"`
	MerchantID string    `json:"out_sub_mch_id"`
	ShopID     string    `json:"out_shop_id"`
	DeviceID   string    `json:"device_id"`
	StaffID    string    `json:"staff_id,omitempty"`
	BoundAt    time.Time `json:"bound_at"`
}

type grantClientInput struct {
	Activator string `path:"activator" maxLength:"32"`
	Body      struct {
		MerchantID string `json:"out_sub_mch_id" doc:"收银台所属的子商户" minLength:"1" maxLength:"32"`
		Role       string `json:"role" doc:"以何身份登录" enum:"boss,manager,cashier"`
		Name       string `json:"name,omitempty" maxLength:"128"`
		ShopID     string `json:"out_shop_id,omitempty" maxLength:"32"`
		StaffID    string `json:"staff_id,omitempty" maxLength:"32"`
		AdminID    string `json:"admin_id,omitempty" maxLength:"32"`
	}
}

func (s *Server) registerSetup() {
	const tag = "终端配置"
	add(s, operation{id: "make-ticket", method: http.MethodPost, path: shopsPath + "/{out_shop_id}/devices/{device_id}/tickets", summary: "设备配置二维码（5 分钟）", tag: tag, status: http.StatusCreated}, s.makeTicket)
	add(s, operation{id: "import-init-keys", method: http.MethodPost, path: "/v1/factory-devices", summary: "登记出厂设备的初始密钥", tag: tag, status: http.StatusCreated}, s.importInitKeys)
	add(s, operation{id: "grant-binding", method: http.MethodPost, path: "/v1/bindings/{activator}", summary: "把出厂设备绑定到门店的设备", tag: tag, status: http.StatusCreated}, s.grantBinding)
	add(s, operation{id: "grant-client", method: http.MethodPost, path: "/v1/clients/{activator}", summary: "允许收银台登录（client_initialize）", tag: tag}, s.grantClient)
}

func (s *Server) makeTicket(ctx context.Context, a *actor, in *ticketInput) (*answer[Ticket], error) {
	m, v, err := s.shop(ctx, a, directory.SetUpDevices, in.ShopPath)
	if err != nil {
		return nil, err
	}
	t, err := s.Directory.NewTicket(ctx, a.by(), directory.TicketRequest{
		MerchantID: m.ID, ShopID: v.ID, DeviceID: in.Device, StaffID: in.Body.StaffID,
	})
	if err != nil {
		return nil, err
	}
	si := t.SI.Reveal()
	return ok(Ticket{OutShopID: v.ID, SI: si, Link: s.link(a) + "?osi=" + v.ID + "&si=" + si, EndsAt: t.EndsAt}), nil
}

// settingPath is what a terminal asks for its setting (use_device_setting).
const settingPath = "/cpay/use_device_setting"

// link is the address of settingPath for terminals: below the public address, or
// under the name that the caller used. At the command line without a server
// nobody knows a name, and only the path is left.
func (s *Server) link(a *actor) string {
	switch {
	case s.PublicURL != "":
		return strings.TrimRight(s.PublicURL, "/") + settingPath
	case a.host != "":
		return "https://" + a.host + settingPath
	}
	return settingPath
}

func (s *Server) importInitKeys(ctx context.Context, a *actor, in *initKeysInput) (*answer[Imported], error) {
	if err := a.operator(); err != nil {
		return nil, err
	}
	n, err := s.Directory.ImportInitKeys(ctx, a.by(), strings.NewReader(in.Body.Lines))
	if err != nil {
		return nil, err
	}
	return ok(Imported{n}), nil
}

func (s *Server) grantBinding(ctx context.Context, a *actor, in *grantBindingInput) (*answer[BoundDevice], error) {
	b := in.Body
	m, v, err := s.shop(ctx, a, directory.SetUpDevices, ShopPath{MerchantPath{b.MerchantID}, b.ShopID})
	if err != nil {
		return nil, err
	}
	d, err := s.Directory.GrantBinding(ctx, a.by(), in.Activator, directory.TicketRequest{
		MerchantID: m.ID, ShopID: v.ID, DeviceID: b.DeviceID, StaffID: b.StaffID,
	})
	if err != nil {
		return nil, err
	}
	return ok(BoundDevice{SN: d.SN, MerchantID: d.MerchantID, ShopID: d.ShopID, DeviceID: d.DeviceID, StaffID: d.StaffID, BoundAt: d.BoundAt}), nil
}

// grantClient lets a cashier desk in. Nobody lets in somebody with more rights
// than a merchant's administrator has.
func (s *Server) grantClient(ctx context.Context, a *actor, in *grantClientInput) (*struct{}, error) {
	b := in.Body
	m, err := s.merchantAt(ctx, a, directory.ManageStaff, b.MerchantID, b.ShopID)
	if err != nil {
		return nil, err
	}
	if a.Grants.ShopID != "" && b.Role == string(directory.RoleBoss) {
		return nil, errRole
	}
	return nil, s.Directory.GrantClient(ctx, a.by(), in.Activator, directory.Identity{
		Kind: a.Kind, Name: b.Name, Role: directory.Role(b.Role), Merchant: m.ID, ShopID: b.ShopID, StaffID: b.StaffID, AdminID: b.AdminID,
	})
}
