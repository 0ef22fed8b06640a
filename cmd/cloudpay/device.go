package main

import (
	"context"
	"net/http"
)

// deviceCmd manages devices.
type deviceCmd struct {
	Add     deviceAddCmd     `cmd:"" help:"Add a device (设备)."`
	List    deviceListCmd    `cmd:"" help:"List a shop's devices."`
	Set     deviceSetCmd     `cmd:"" help:"Change a device; what is not named stays, an empty value clears."`
	Delete  deviceDeleteCmd  `cmd:"" help:"Delete a device; its terminal must be bound again."`
	Ticket  deviceTicketCmd  `cmd:"" help:"Make a configuration code for a terminal, valid for five minutes."`
	Unbind  deviceUnbindCmd  `cmd:"" help:"Take the terminal off a device, so that another can be bound."`
	Import  deviceImportCmd  `cmd:"" help:"Enrol factory devices from a file of lines 'SN KEY', - for standard input."`
	Bind    deviceBindCmd    `cmd:"" help:"Bind the factory device that shows an activation code."`
	Approve deviceApproveCmd `cmd:"" help:"Let in the cashier desk that shows an activation code (client_initialize)."`
}

type deviceFlags struct {
	Name     *string `name:"name" help:"Name."`
	Type     *int64  `name:"type" help:"1 码枪刷卡, 2 扫码, 3 混合, 4 固定码."`
	Category *int64  `name:"category" help:"1 移动收款机具, 2 云支付收银台, 3 智能POS, 4 其他; 1 and 3 can be set up by code."`
	Remark   *string `name:"remark" help:"Remark."`
}

func (f deviceFlags) body() body {
	b := body{}
	set(b, "device_name", f.Name)
	set(b, "device_type", f.Type)
	set(b, "device_shift_type", f.Category)
	set(b, "remark", f.Remark)
	return b
}

type deviceAddCmd struct {
	ofShop
	deviceFlags
	ID string `name:"id" required:"" help:"device_id."`
}

// Run adds the device and prints it.
func (c *deviceAddCmd) Run(ctx context.Context, e env) error {
	b := c.body()
	b["device_id"] = c.ID
	return c.send(ctx, e, http.MethodPost, c.path("devices"), b)
}

type deviceListCmd struct{ ofShop }

// Run lists the devices.
func (c *deviceListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, c.path("devices"), []column{
		{"设备编号", "device_id"}, {"名称", "device_name"}, {"前缀", "cloud_cashier_id"}, {"序号", "ordinal"}, {"绑定", "bind_state"}, {"序列号", "sn_code"},
	})
}

// deviceArg names a device.
type deviceArg struct {
	ofShop
	Device string `arg:"" help:"device_id."`
}

func (c deviceArg) path(more ...string) string {
	return c.ofShop.path(append([]string{"devices", c.Device}, more...)...)
}

type deviceSetCmd struct {
	deviceArg
	deviceFlags
}

// Run changes what was named and prints the device.
func (c *deviceSetCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, c.path(), c.body())
}

type deviceDeleteCmd struct{ deviceArg }

// Run deletes the device.
func (c *deviceDeleteCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, c.path(), nil)
}

type deviceTicketCmd struct {
	deviceArg
	Staff string `name:"staff" help:"staff_id of who will use it."`
}

// Run prints what the terminal scans.
func (c *deviceTicketCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("tickets"), body{"staff_id": c.Staff})
}

type deviceUnbindCmd struct{ deviceArg }

// Run unbinds the terminal and prints the device.
func (c *deviceUnbindCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("unbind"), nil)
}

type deviceImportCmd struct {
	manageFlags
	File string `arg:"" help:"sn_init_key.txt."`
}

// Run enrols the devices and prints how many were new.
func (c *deviceImportCmd) Run(ctx context.Context, e env) error {
	const maxLines = 180_000 // bytes, of the API; a longer file is imported in parts
	text, err := readSecret(e, c.File, maxLines)
	if err != nil {
		return err
	}
	return c.send(ctx, e, http.MethodPost, pathOf("factory-devices"), body{"lines": text})
}

type deviceBindCmd struct {
	deviceArg
	Activator string `name:"activator" required:"" help:"The activation code that the device shows."`
	Staff     string `name:"staff" help:"staff_id of who will use it."`
}

// Run binds the device and prints what it is bound to.
func (c *deviceBindCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, pathOf("bindings", c.Activator), body{
		"out_sub_mch_id": c.Merchant, "out_shop_id": c.Shop, "device_id": c.Device, "staff_id": c.Staff,
	})
}

type deviceApproveCmd struct {
	ofMerchant
	Activator string `arg:"" help:"The activation code that the cashier desk shows."`
	Role      string `name:"role" enum:"boss,manager,cashier" required:"" help:"As whom: boss, manager or cashier."`
	Shop      string `name:"shop" help:"out_shop_id, for manager and cashier."`
	Staff     string `name:"staff" help:"staff_id, for manager and cashier."`
	Admin     string `name:"admin" help:"admin_id, for boss."`
}

// Run lets the desk in.
func (c *deviceApproveCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, pathOf("clients", c.Activator), body{
		"out_sub_mch_id": c.Merchant, "role": c.Role, "out_shop_id": c.Shop, "staff_id": c.Staff, "admin_id": c.Admin,
	})
}
