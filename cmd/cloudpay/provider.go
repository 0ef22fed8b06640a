package main

import (
	"context"
	"net/http"
)

// body collects the members of a request: what was not said is not sent, so
// that it stays as it is.
type body map[string]any

// set adds a member whose flag was given.
func set[T any](b body, name string, v *T) {
	if v != nil {
		b[name] = *v
	}
}

// providerCmd manages service providers.
type providerCmd struct {
	Add     providerAddCmd     `cmd:"" help:"Add a service provider (服务商)."`
	List    providerListCmd    `cmd:"" help:"List providers."`
	Show    providerShowCmd    `cmd:"" help:"Show a provider."`
	Set     providerSetCmd     `cmd:"" help:"Change a provider; what is not named stays, an empty value clears."`
	Disable providerDisableCmd `cmd:"" help:"Refuse everything of a provider's merchants."`
	Enable  providerEnableCmd  `cmd:"" help:"Undo disable."`
}

// providerFlags are the members of a provider.
type providerFlags struct {
	Name            *string `name:"name" help:"Name (名称)."`
	NotifyURL       *string `name:"notify-url" placeholder:"URL" help:"Where payments are told (交易完成回调)."`
	RefundNotifyURL *string `name:"refund-notify-url" placeholder:"URL" help:"Where refunds are told; the same without it."`
	ShortName       *string `name:"short-name" help:"Short name (简称)."`
	Phone           *string `name:"phone" help:"Phone."`
	Remark          *string `name:"remark" help:"Remark."`
	settleFlags
}

func (f providerFlags) body() body {
	b, profile := body{}, body{}
	set(b, "name", f.Name)
	set(b, "notify_url", f.NotifyURL)
	set(b, "refund_notify_url", f.RefundNotifyURL)
	set(profile, "short_name", f.ShortName)
	set(profile, "phone", f.Phone)
	set(profile, "remark", f.Remark)
	f.into(profile)
	if len(profile) > 0 {
		b["profile"] = profile
	}
	return b
}

type providerAddCmd struct {
	manageFlags
	providerFlags
	ID *string `name:"id" help:"out_mch_id; a new one without it."`
}

// Run adds the provider and prints it.
func (c *providerAddCmd) Run(ctx context.Context, e env) error {
	b := c.body()
	set(b, "out_mch_id", c.ID)
	return c.send(ctx, e, http.MethodPost, pathOf("providers"), b)
}

type providerListCmd struct {
	manageFlags
	listFlags
}

// Run lists providers in the order of their ids.
func (c *providerListCmd) Run(ctx context.Context, e env) error {
	return c.list(ctx, e, c.listFlags, pathOf("providers"), nil, []column{
		{"服务商编号", "out_mch_id"}, {"名称", "name"}, {"停用", "disabled"}, {"回调", "notify_url"}, {"创建时间", "created_at"},
	})
}

type providerShowCmd struct {
	manageFlags
	Provider string `arg:"" help:"out_mch_id."`
}

// Run prints the provider.
func (c *providerShowCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, pathOf("providers", c.Provider), nil)
}

type providerSetCmd struct {
	providerShowCmd
	providerFlags
}

// Run changes what was named and prints the provider.
func (c *providerSetCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, pathOf("providers", c.Provider), c.body())
}

type providerDisableCmd struct{ providerShowCmd }

// Run disables the provider.
func (c *providerDisableCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, pathOf("providers", c.Provider), body{"disabled": true})
}

type providerEnableCmd struct{ providerShowCmd }

// Run enables the provider.
func (c *providerEnableCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, pathOf("providers", c.Provider), body{"disabled": false})
}

// subproviderCmd manages a provider's agents.
type subproviderCmd struct {
	Add    subproviderAddCmd    `cmd:"" help:"Add a sub-provider (子服务商)."`
	List   subproviderListCmd   `cmd:"" help:"List a provider's sub-providers."`
	Set    subproviderSetCmd    `cmd:"" help:"Change a sub-provider."`
	Delete subproviderDeleteCmd `cmd:"" help:"Delete a sub-provider without merchants."`
}

type subproviderFlags struct {
	Name     *string `name:"name" help:"Name."`
	Remark   *string `name:"remark" help:"Remark."`
	Rebate   *int64  `name:"rebate" help:"Share of the rebate in 1/1000000."`
	Disabled *bool   `name:"disabled" negatable:"" help:"Disable, or enable with --no-disabled."`
}

func (f subproviderFlags) body() body {
	b := body{}
	set(b, "name", f.Name)
	set(b, "remark", f.Remark)
	set(b, "rebate", f.Rebate)
	set(b, "disabled", f.Disabled)
	return b
}

type subproviderAddCmd struct {
	providerShowCmd
	subproviderFlags
	ID *string `name:"id" help:"sub_provider_id; a new one without it."`
}

// Run adds the sub-provider and prints it.
func (c *subproviderAddCmd) Run(ctx context.Context, e env) error {
	b := c.body()
	set(b, "sub_provider_id", c.ID)
	return c.send(ctx, e, http.MethodPost, pathOf("providers", c.Provider, "sub-providers"), b)
}

type subproviderListCmd struct {
	providerShowCmd
}

// Run lists the sub-providers.
func (c *subproviderListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, pathOf("providers", c.Provider, "sub-providers"), []column{
		{"编号", "sub_provider_id"}, {"名称", "name"}, {"返佣(百万分之一)", "rebate"}, {"停用", "disabled"},
	})
}

type subproviderSetCmd struct {
	providerShowCmd
	Sub string `arg:"" help:"sub_provider_id."`
	subproviderFlags
}

// Run changes what was named and prints the sub-provider.
func (c *subproviderSetCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, pathOf("providers", c.Provider, "sub-providers", c.Sub), c.body())
}

type subproviderDeleteCmd struct {
	providerShowCmd
	Sub string `arg:"" help:"sub_provider_id."`
}

// Run deletes the sub-provider.
func (c *subproviderDeleteCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, pathOf("providers", c.Provider, "sub-providers", c.Sub), nil)
}
