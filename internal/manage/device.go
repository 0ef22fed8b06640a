package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
)

// DeviceSettings are the members of a device that can be set. Its binding is
// not: bind by QR code, unbind by its operation.
type DeviceSettings struct {
	Name          string `json:"device_name,omitempty" doc:"名称" maxLength:"128"`
	Type          int64  `json:"device_type,omitempty" doc:"1 刷卡、2 扫码、3 混合、4 固定码" minimum:"0" maximum:"4"`
	Category      int64  `json:"device_shift_type,omitempty" doc:"1 移动收款机具、2 云支付收银台、3 智能POS、4 其他" minimum:"0" maximum:"4"`
	Remark        string `json:"remark,omitempty" doc:"备注" maxLength:"64"`
	ExtSetting    string `json:"ext_setting,omitempty" doc:"扩展设置" maxLength:"1024"`
	OutDeviceID   string `json:"out_device_id,omitempty" maxLength:"64"`
	BillChannelID string `json:"bill_channel_id,omitempty" maxLength:"64"`
}

// Device is one till or terminal (设备) of a shop.
type Device struct {
	ShopID string `json:"out_shop_id"`
	ID     string `json:"device_id"`
	DeviceSettings
	SN        string    `json:"sn_code,omitempty" doc:"已绑定终端的序列号"`
	Prefix    string    `json:"cloud_cashier_id,omitempty" doc:"终端所用的订单前缀"`
	Ordinal   int64     `json:"ordinal" doc:"前缀内的终端序号，-1 为没有"`
	BindState string    `json:"bind_state" enum:"unbound,bound,bind_again"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// DevicePath names the device of an operation.
type DevicePath struct {
	ShopPath
	Device string `path:"device_id" maxLength:"32"`
}

type addDeviceInput struct {
	ShopPath
	Body struct {
		ID string `json:"device_id" doc:"设备编号" minLength:"1" maxLength:"32"`
		DeviceSettings
	}
}

type setDeviceInput struct {
	DevicePath
	Body    DeviceSettings
	RawBody []byte
}

func (s *Server) registerDevices() {
	const tag, path = "设备", shopsPath + "/{out_shop_id}/devices"
	add(s, operation{id: "add-device", method: http.MethodPost, path: path, summary: "新建设备", tag: tag, status: http.StatusCreated}, s.addDevice)
	add(s, operation{id: "list-devices", method: http.MethodGet, path: path, summary: "设备列表", tag: tag}, s.listDevices)
	add(s, operation{id: "set-device", method: http.MethodPatch, path: path + "/{device_id}", summary: "修改设备", tag: tag}, s.setDevice)
	add(s, operation{id: "delete-device", method: http.MethodDelete, path: path + "/{device_id}", summary: "删除设备（R10）", tag: tag}, s.deleteDevice)
	add(s, operation{id: "unbind-device", method: http.MethodPost, path: path + "/{device_id}/unbind", summary: "解绑终端", tag: tag}, s.unbindDevice)
}

func deviceView(m *directory.Merchant, shopID string, v directory.Device) Device {
	state := "unbound"
	switch m.BindStateOf(v) {
	case directory.Unbound:
	case directory.Bound:
		state = "bound"
	case directory.BindAgain:
		state = "bind_again"
	}
	return Device{
		ShopID: shopID, ID: v.ID, DeviceSettings: deviceSettings(v), SN: v.SN, Prefix: v.Prefix, Ordinal: v.Ordinal, BindState: state,
		CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

func deviceSettings(v directory.Device) DeviceSettings {
	p := v.Profile
	return DeviceSettings{
		Name: v.Name, Type: int64(v.Type), Category: int64(v.Category), Remark: p.Remark, ExtSetting: p.ExtSetting,
		OutDeviceID: p.OutDeviceID, BillChannelID: p.BillChannelID,
	}
}

func (v DeviceSettings) apply(d *directory.Device) {
	d.Name, d.Type, d.Category = v.Name, directory.DeviceType(v.Type), directory.DeviceCategory(v.Category)
	d.Profile.Remark, d.Profile.ExtSetting = v.Remark, v.ExtSetting
	d.Profile.OutDeviceID, d.Profile.BillChannelID = v.OutDeviceID, v.BillChannelID
}

func (s *Server) addDevice(ctx context.Context, a *actor, in *addDeviceInput) (*answer[Device], error) {
	m, _, err := s.shop(ctx, a, directory.ManageDevices, in.ShopPath)
	if err != nil {
		return nil, err
	}
	v := directory.Device{ID: in.Body.ID}
	in.Body.apply(&v)
	made, err := s.Directory.AddDevice(ctx, a.by(), m.ID, in.Shop, v)
	if err != nil {
		return nil, err
	}
	return ok(deviceView(m, in.Shop, made)), nil
}

func (s *Server) listDevices(ctx context.Context, a *actor, in *ShopPath) (*answer[Page[Device]], error) {
	m, v, err := s.shop(ctx, a, "", *in)
	if err != nil {
		return nil, err
	}
	return whole(v.Devices, func(d directory.Device) Device { return deviceView(m, v.ID, d) }), nil
}

func (s *Server) setDevice(ctx context.Context, a *actor, in *setDeviceInput) (*answer[Device], error) {
	m, _, err := s.shop(ctx, a, directory.ManageDevices, in.ShopPath)
	if err != nil {
		return nil, err
	}
	made, err := s.Directory.UpdateDevice(ctx, a.by(), m.ID, in.Shop, in.Device, func(d *directory.Device) error {
		v, err := merge(deviceSettings(*d), in.RawBody)
		if err == nil {
			v.apply(d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ok(deviceView(m, in.Shop, made)), nil
}

func (s *Server) deleteDevice(ctx context.Context, a *actor, in *DevicePath) (*struct{}, error) {
	m, _, err := s.shop(ctx, a, directory.ManageDevices, in.ShopPath)
	if err != nil {
		return nil, err
	}
	return nil, s.Directory.DeleteDevice(ctx, a.by(), m.ID, in.Shop, in.Device)
}

func (s *Server) unbindDevice(ctx context.Context, a *actor, in *DevicePath) (*answer[Device], error) {
	m, _, err := s.shop(ctx, a, directory.UnbindTerminals, in.ShopPath)
	if err != nil {
		return nil, err
	}
	if err := s.Directory.UnbindDevice(ctx, a.by(), m.ID, in.Shop, in.Device, ""); err != nil {
		return nil, err
	}
	if m, err = s.Directory.Merchant(ctx, m.ID); err != nil {
		return nil, err
	}
	shop, _ := m.Shop(in.Shop)
	v, _ := shop.Device(in.Device)
	return ok(deviceView(m, in.Shop, v)), nil
}
