package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokenCmd manages tokens of the management API.
type tokenCmd struct {
	Add    tokenAddCmd    `cmd:"" help:"Make a token; it is printed once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without themselves."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token."`
	Whoami tokenWhoamiCmd `cmd:"" help:"Show as whom this command works."`
}

type tokenAddCmd struct {
	manageFlags
	Name       string   `arg:"" help:"What it is for."`
	Role       string   `name:"role" required:"" help:"operator, or a role: provider, sub_provider, boss, manager, cashier, finance, ops."`
	Scope      []string `name:"scope" placeholder:"KIND=ID" help:"For whom: provider=ID, sub_provider=ID, merchant=ID (repeatable), shop=ID, staff=ID."`
	RefundAuth bool     `name:"refund-auth" help:"It may refund."`
	Days       int      `name:"days" default:"0" help:"How long it is valid; 0 for ever."`
	TokenTo    string   `name:"token-to" placeholder:"FILE" help:"Write the token to a new file of mode 0600 instead of printing it."`
}

// Run makes the token and prints it, for the only time.
func (c *tokenAddCmd) Run(ctx context.Context, e env) error {
	grants := body{"role": c.Role, "refund_auth": c.RefundAuth}
	var merchants []string
	for _, s := range c.Scope {
		kind, id, ok := strings.Cut(s, "=")
		member := map[string]string{"provider": "out_mch_id", "sub_provider": "sub_provider_id", "shop": "out_shop_id", "staff": "staff_id"}[kind]
		switch {
		case !ok || id == "":
			return usage("--scope %s: write it as kind=id", s)
		case kind == "merchant":
			merchants = append(merchants, id)
		case member == "":
			return usage("--scope %s: the kind is provider, sub_provider, merchant, shop or staff", s)
		default:
			grants[member] = id
		}
	}
	if len(merchants) > 0 {
		grants["out_sub_mch_ids"] = merchants
	}
	return c.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, http.MethodPost, pathOf("tokens"), body{"name": c.Name, "grants": grants, "days": c.Days})
		if err != nil {
			return err
		}
		if c.TokenTo != "" {
			var made struct {
				Token string `json:"token"`
			}
			if err := json.Unmarshal(raw, &made); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			if err := writeSecret(c.TokenTo, []byte(made.Token+"\n")); err != nil {
				return err
			}
			if raw, err = withoutMember(raw, "token"); err != nil {
				return err
			}
		}
		return c.print(e, raw)
	})
}

type tokenListCmd struct {
	manageFlags
	listFlags
}

// Run lists tokens.
func (c *tokenListCmd) Run(ctx context.Context, e env) error {
	return c.list(ctx, e, c.listFlags, pathOf("tokens"), nil, []column{
		{"编号", "id"},
		{"名称", "name"},
		{"角色", "grants.role"},
		{"服务商", "grants.out_mch_id"},
		{"创建", "created_at"},
		{"到期", "expires_at"},
		{"最近使用", "used_at"},
		{"吊销", "revoked_at"},
	})
}

type tokenRevokeCmd struct {
	manageFlags
	ID string `arg:"" help:"Id of the token, as listed."`
}

// Run revokes the token and prints it.
func (c *tokenRevokeCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, pathOf("tokens", c.ID), nil)
}

type tokenWhoamiCmd struct{ manageFlags }

// Run prints who the command is.
func (c *tokenWhoamiCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, pathOf("whoami"), nil)
}

// memberCmd manages operator accounts.
type memberCmd struct {
	Add    memberAddCmd    `cmd:"" help:"Add an operator account (成员)."`
	List   memberListCmd   `cmd:"" help:"List operator accounts."`
	Show   memberShowCmd   `cmd:"" help:"Show an operator account."`
	Set    memberSetCmd    `cmd:"" help:"Change an operator account."`
	Delete memberDeleteCmd `cmd:"" help:"Delete an operator account, but never the last administrator."`
	Roles  memberRolesCmd  `cmd:"" help:"Show what every role may do."`
}

type memberFlags struct {
	Name     *string `name:"name" help:"Name."`
	Role     *string `name:"role" help:"provider, sub_provider, boss, manager, cashier, finance, ops, developer or vendor."`
	Disabled *bool   `name:"disabled" negatable:"" help:"Disable, or enable with --no-disabled."`

	Provider    *string  `name:"provider" help:"Scope: out_mch_id."`
	SubProvider *string  `name:"sub-provider" help:"Scope: sub_provider_id."`
	Merchants   []string `name:"merchant" help:"Scope: out_sub_mch_id, repeatable."`
	Shop        *string  `name:"shop" help:"Scope: out_shop_id."`
	RefundAuth  *bool    `name:"refund-auth" negatable:"" help:"May refund."`
}

func (f memberFlags) body() body {
	b, scope := body{}, body{}
	set(b, "name", f.Name)
	set(b, "role", f.Role)
	set(b, "disabled", f.Disabled)
	set(scope, "provider_id", f.Provider)
	set(scope, "sub_provider_id", f.SubProvider)
	set(scope, "shop_id", f.Shop)
	set(scope, "refund_auth", f.RefundAuth)
	if len(f.Merchants) > 0 {
		scope["merchants"] = f.Merchants
	}
	if len(scope) > 0 {
		b["scope"] = scope
	}
	return b
}

type memberAddCmd struct {
	manageFlags
	memberFlags
	ID string `name:"id" required:"" help:"member_id."`
}

// Run adds the account and prints it.
func (c *memberAddCmd) Run(ctx context.Context, e env) error {
	b := c.body()
	b["member_id"] = c.ID
	return c.send(ctx, e, http.MethodPost, pathOf("members"), b)
}

type memberListCmd struct {
	manageFlags
	listFlags
}

// Run lists accounts.
func (c *memberListCmd) Run(ctx context.Context, e env) error {
	return c.list(ctx, e, c.listFlags, pathOf("members"), nil, []column{
		{"账号", "member_id"}, {"姓名", "name"}, {"角色", "role"}, {"服务商", "scope.provider_id"}, {"停用", "disabled"},
	})
}

type memberShowCmd struct {
	manageFlags
	Member string `arg:"" help:"member_id."`
}

// Run prints the account.
func (c *memberShowCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, pathOf("members", c.Member), nil)
}

type memberSetCmd struct {
	memberShowCmd
	memberFlags
}

// Run changes what was named and prints the account.
func (c *memberSetCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, pathOf("members", c.Member), c.body())
}

type memberDeleteCmd struct{ memberShowCmd }

// Run deletes the account.
func (c *memberDeleteCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, pathOf("members", c.Member), nil)
}

type memberRolesCmd struct{ manageFlags }

// Run prints the matrix.
func (c *memberRolesCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, pathOf("roles"), nil)
}

// auditCmd shows the audit trail.
type auditCmd struct {
	manageFlags
	listFlags
	Provider string        `name:"provider" help:"Only about this out_mch_id."`
	Merchant string        `name:"merchant" help:"Only about this out_sub_mch_id."`
	Kind     string        `name:"kind" help:"Only about this kind of object, e.g. shop."`
	Object   string        `name:"object" help:"Only about this object."`
	Actor    string        `name:"actor" help:"Only by this actor."`
	Since    time.Duration `name:"since" help:"Only of the last so long, e.g. 24h."`
}

// Run prints the trail, newest first.
func (c *auditCmd) Run(ctx context.Context, e env) error {
	if c.Since < 0 {
		return errors.New("--since must not be negative")
	}
	q := url.Values{}
	for name, v := range map[string]string{
		"out_mch_id": c.Provider, "out_sub_mch_id": c.Merchant, "object_kind": c.Kind, "object_id": c.Object, "actor_id": c.Actor,
	} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if c.Since > 0 {
		q.Set("from", time.Now().Add(-c.Since).UTC().Format(time.RFC3339))
	}
	return c.list(ctx, e, c.listFlags, pathOf("audit"), q, []column{
		{"时间", "at"}, {"操作人", "actor_id"}, {"动作", "action"}, {"子商户", "out_sub_mch_id"}, {"对象", "object_kind"}, {"编号", "object_id"},
	})
}
