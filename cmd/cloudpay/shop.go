package main

import (
	"context"
	"net/http"
)

// shopCmd manages shops.
type shopCmd struct {
	Add    shopAddCmd    `cmd:"" help:"Add a shop (门店)."`
	List   shopListCmd   `cmd:"" help:"List a merchant's shops."`
	Show   shopShowCmd   `cmd:"" help:"Show a shop."`
	Set    shopSetCmd    `cmd:"" help:"Change a shop; what is not named stays, an empty value clears."`
	Delete shopDeleteCmd `cmd:"" help:"Delete a shop without trade in 30 days."`
}

// ofMerchant names a merchant by flag, for what is below it.
type ofMerchant struct {
	manageFlags
	Merchant string `name:"merchant" required:"" help:"out_sub_mch_id."`
}

func (c ofMerchant) path(more ...string) string {
	return pathOf(append([]string{"merchants", c.Merchant}, more...)...)
}

type shopFlags struct {
	Name     *string `name:"name" help:"Name (门店名称)."`
	Number   *string `name:"number" help:"shop_id, the merchant's own number."`
	Province *string `name:"province" help:"Province."`
	City     *string `name:"city" help:"City."`
	District *string `name:"district" help:"District."`
	Address  *string `name:"address" help:"Address."`
	Phone    *string `name:"phone" help:"Phone."`
}

func (f shopFlags) body() body {
	b, profile := body{}, body{}
	set(b, "shop_name", f.Name)
	set(b, "shop_id", f.Number)
	set(profile, "province", f.Province)
	set(profile, "city", f.City)
	set(profile, "district", f.District)
	set(profile, "address", f.Address)
	set(profile, "phone", f.Phone)
	if len(profile) > 0 {
		b["profile"] = profile
	}
	return b
}

type shopAddCmd struct {
	ofMerchant
	shopFlags
	ID *string `name:"id" help:"out_shop_id; a new one without it."`
}

// Run adds the shop and prints it.
func (c *shopAddCmd) Run(ctx context.Context, e env) error {
	b := c.body()
	set(b, "out_shop_id", c.ID)
	return c.send(ctx, e, http.MethodPost, c.path("shops"), b)
}

type shopListCmd struct{ ofMerchant }

// Run lists the shops.
func (c *shopListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, c.path("shops"), []column{
		{"门店编号", "out_shop_id"}, {"名称", "shop_name"}, {"商户自编号", "shop_id"}, {"设备", "devices"}, {"店员", "staff"}, {"创建时间", "created_at"},
	})
}

type shopShowCmd struct {
	ofMerchant
	Shop string `arg:"" help:"out_shop_id."`
}

// Run prints the shop.
func (c *shopShowCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, c.path("shops", c.Shop), nil)
}

type shopSetCmd struct {
	shopShowCmd
	shopFlags
}

// Run changes what was named and prints the shop.
func (c *shopSetCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, c.path("shops", c.Shop), c.body())
}

type shopDeleteCmd struct{ shopShowCmd }

// Run deletes the shop.
func (c *shopDeleteCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, c.path("shops", c.Shop), nil)
}

// ofShop names a shop by flags, for what is below it.
type ofShop struct {
	ofMerchant
	Shop string `name:"shop" required:"" help:"out_shop_id."`
}

func (c ofShop) path(more ...string) string {
	return c.ofMerchant.path(append([]string{"shops", c.Shop}, more...)...)
}
