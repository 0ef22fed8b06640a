package main

import (
	"context"
	"net/http"
)

// staffCmd manages people of shops.
type staffCmd struct {
	Add    staffAddCmd    `cmd:"" help:"Add a member of staff (店员)."`
	List   staffListCmd   `cmd:"" help:"List a shop's staff."`
	Set    staffSetCmd    `cmd:"" help:"Change a member of staff; what is not named stays, an empty value clears."`
	Delete staffDeleteCmd `cmd:"" help:"Delete a member of staff."`
	PIN    staffPINCmd    `cmd:"" name:"pin" help:"Set or remove a PIN."`
}

type staffFlags struct {
	Name    *string `name:"name" help:"Name."`
	Manager *bool   `name:"shop-manager" negatable:"" help:"Shop manager (店长)."`
	Refund  *bool   `name:"refund-auth" negatable:"" help:"May refund."`
	Phone   *string `name:"phone" help:"Phone."`
}

func (f staffFlags) body() body {
	b := body{}
	set(b, "staff_name", f.Name)
	set(b, "shop_manager", f.Manager)
	set(b, "refund_auth", f.Refund)
	if f.Phone != nil {
		b["profile"] = body{"phone": *f.Phone}
	}
	return b
}

type staffAddCmd struct {
	ofShop
	staffFlags
	ID string `name:"id" required:"" help:"staff_id."`
}

// Run adds the person and prints it.
func (c *staffAddCmd) Run(ctx context.Context, e env) error {
	b := c.body()
	b["staff_id"] = c.ID
	return c.send(ctx, e, http.MethodPost, c.path("staff"), b)
}

type staffListCmd struct{ ofShop }

// Run lists the staff.
func (c *staffListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, c.path("staff"), []column{
		{"店员编号", "staff_id"}, {"姓名", "staff_name"}, {"店长", "shop_manager"}, {"退款权限", "refund_auth"}, {"PIN", "has_pin"},
	})
}

// staffArg names a person.
type staffArg struct {
	ofShop
	Staff string `arg:"" help:"staff_id."`
}

func (c staffArg) path(more ...string) string {
	return c.ofShop.path(append([]string{"staff", c.Staff}, more...)...)
}

type staffSetCmd struct {
	staffArg
	staffFlags
}

// Run changes what was named and prints the person.
func (c *staffSetCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, c.path(), c.body())
}

type staffDeleteCmd struct{ staffArg }

// Run deletes the person.
func (c *staffDeleteCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, c.path(), nil)
}

type staffPINCmd struct {
	staffArg
	PINFile string `name:"pin-file" placeholder:"FILE" help:"File with the PIN, - for standard input; without it the PIN is removed."`
}

// Run sets or removes the PIN and prints the person.
func (c *staffPINCmd) Run(ctx context.Context, e env) error {
	pin := ""
	if c.PINFile != "" {
		var err error
		if pin, err = readSecret(e, c.PINFile, maxToken); err != nil {
			return err
		}
	}
	return c.send(ctx, e, http.MethodPut, c.path("pin"), body{"pin": pin})
}

// adminAccountCmd manages merchants' administrators.
type adminAccountCmd struct {
	Add    adminAddCmd    `cmd:"" help:"Add an administrator (商户管理员)."`
	List   adminListCmd   `cmd:"" help:"List a merchant's administrators."`
	Set    adminSetCmd    `cmd:"" help:"Change an administrator; what is not named stays, an empty value clears."`
	Delete adminDeleteCmd `cmd:"" help:"Delete an administrator, but never the last."`
}

type adminFlags struct {
	Name   *string `name:"name" help:"Name."`
	Refund *bool   `name:"refund-auth" negatable:"" help:"May refund."`
	Phone  *string `name:"phone" help:"Phone."`
	Duty   *string `name:"duty" help:"Duty (职务)."`
}

func (f adminFlags) body() body {
	b := body{}
	set(b, "name", f.Name)
	set(b, "refund_auth", f.Refund)
	set(b, "phone", f.Phone)
	set(b, "duty", f.Duty)
	return b
}

type adminAddCmd struct {
	ofMerchant
	adminFlags
	ID *string `name:"id" help:"admin_id; a new one without it."`
}

// Run adds the administrator and prints it.
func (c *adminAddCmd) Run(ctx context.Context, e env) error {
	b := c.body()
	set(b, "admin_id", c.ID)
	return c.send(ctx, e, http.MethodPost, c.path("admins"), b)
}

type adminListCmd struct{ ofMerchant }

// Run lists the administrators.
func (c *adminListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, c.path("admins"), []column{
		{"编号", "admin_id"}, {"姓名", "name"}, {"退款权限", "refund_auth"}, {"职务", "duty"}, {"电话", "phone"},
	})
}

type adminSetCmd struct {
	ofMerchant
	Admin string `arg:"" help:"admin_id."`
	adminFlags
}

// Run changes what was named and prints the administrator.
func (c *adminSetCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, c.path("admins", c.Admin), c.body())
}

type adminDeleteCmd struct {
	ofMerchant
	Admin string `arg:"" help:"admin_id."`
}

// Run deletes the administrator.
func (c *adminDeleteCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, c.path("admins", c.Admin), nil)
}

// prefixCmd manages order prefixes.
type prefixCmd struct {
	Add  prefixAddCmd  `cmd:"" help:"Allocate an order prefix; it is never given out again."`
	List prefixListCmd `cmd:"" help:"List a merchant's order prefixes."`
}

type prefixAddCmd struct {
	ofMerchant
	Kind string `name:"kind" enum:"digits,letters" default:"digits" help:"digits: 8 digits; letters: 10 letters and digits."`
}

// Run allocates a prefix and prints it.
func (c *prefixAddCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPost, c.path("prefixes"), body{"kind": c.Kind})
}

type prefixListCmd struct{ ofMerchant }

// Run lists the prefixes.
func (c *prefixListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, c.path("prefixes"), []column{{"订单前缀", "cloud_cashier_id"}, {"种类", "kind"}})
}
