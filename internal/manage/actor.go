package manage

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// RoleOperator is whoever runs the installation: the only one who makes
// providers, wallet accounts and tokens. Everybody else acts for a provider, a
// merchant or a shop, in a role of the directory.
const RoleOperator directory.Role = "operator"

// Grants are what a token may do, and for whom. They are stored: names of
// members never change.
type Grants struct {
	Role          directory.Role `json:"role" doc:"operator，或权限表中的角色" maxLength:"20"`
	ProviderID    string         `json:"out_mch_id,omitempty" doc:"服务商" maxLength:"32"`
	SubProviderID string         `json:"sub_provider_id,omitempty" doc:"子服务商" maxLength:"32"`
	MerchantIDs   []string       `json:"out_sub_mch_ids,omitempty" doc:"子商户" maxItems:"100"`
	ShopID        string         `json:"out_shop_id,omitempty" doc:"门店" maxLength:"32"`
	StaffID       string         `json:"staff_id,omitempty" doc:"店员" maxLength:"32"`
	RefundAuth    bool           `json:"refund_auth,omitempty" doc:"可以退款"`
}

// check reports what a role needs to know and does not.
func (g Grants) check() error {
	need := func(ok bool, field, text string) error {
		if ok {
			return nil
		}
		return invalidField(field, text)
	}
	switch g.Role {
	case RoleOperator:
		return need(g.ProviderID == "" && g.SubProviderID == "" && len(g.MerchantIDs) == 0 && g.ShopID == "" && g.StaffID == "",
			"body.grants", "operator 管理整个系统，不限定范围")
	case directory.RoleOps:
		return nil
	case directory.RoleProvider, directory.RoleDeveloper, directory.RoleVendor:
		return need(g.ProviderID != "", "body.grants.out_mch_id", "该角色必须指定服务商")
	case directory.RoleSubProvider:
		return need(g.ProviderID != "" && g.SubProviderID != "", "body.grants.sub_provider_id", "该角色必须指定服务商和子服务商")
	case directory.RoleBoss:
		return need(len(g.MerchantIDs) == 1, "body.grants.out_sub_mch_ids", "该角色必须指定一个子商户")
	case directory.RoleFinance:
		return need(len(g.MerchantIDs) > 0, "body.grants.out_sub_mch_ids", "该角色必须指定子商户")
	case directory.RoleManager:
		return need(len(g.MerchantIDs) == 1 && g.ShopID != "", "body.grants.out_shop_id", "该角色必须指定子商户和门店")
	case directory.RoleCashier:
		return need(len(g.MerchantIDs) == 1 && g.ShopID != "" && g.StaffID != "", "body.grants.staff_id", "该角色必须指定子商户、门店和店员")
	}
	return invalidField("body.grants.role", "没有这个角色")
}

func invalidField(field, text string) error {
	p := newProblem(http.StatusUnprocessableEntity, "invalid", text)
	p.Errors = append(p.Errors, &huma.ErrorDetail{Message: text, Location: field})
	return p
}

// actor is who makes a request.
type actor struct {
	ID     string // of the token, or the operator's name at the command line
	Name   string
	Kind   directory.ActorKind
	Grants Grants
	host   string // that the request was made to; "" at the command line
}

type actorKey struct{}

// actorOf is who makes this request. Every operation has one.
func actorOf(ctx context.Context) *actor {
	a, ok := ctx.Value(actorKey{}).(*actor)
	if !ok {
		panic("manage: an operation without an actor")
	}
	return a
}

// by is the actor as the audit trail names it.
func (a *actor) by() directory.Actor {
	who := directory.Actor{Kind: a.Kind, ID: a.ID, Name: a.Name, RefundAuth: a.Grants.RefundAuth}
	if a.Grants.Role != RoleOperator {
		who.Role = a.Grants.Role
	}
	return who
}

// target is what an operation is about. Members that do not apply are "".
type target struct {
	provider, subProvider, merchant, shop, staff string
}

func of(m *directory.Merchant) target {
	return target{provider: m.ProviderID, subProvider: m.SubProviderID, merchant: m.ID}
}

func (t target) at(shop string) target { t.shop = shop; return t }

// errForeign answers for what belongs to others exactly as for what does not
// exist: ids of others are not to be found out (design.md §9).
var errForeign = pay.Refuse(pay.ErrNotFound, "not_found", "不存在")

// errRole says that the caller's role does not do this at all.
var errRole = pay.Refuse(pay.ErrDenied, "role", "该令牌的角色没有此权限")

// may reports whether the actor's capability reaches the target: errRole when
// its role has none, errForeign when the target is somebody else's.
func (a *actor) may(c directory.Capability, t target) error {
	if a.Grants.Role == RoleOperator {
		return nil
	}
	if !a.reaches(directory.Allowed(a.Grants.Role, c)) {
		return errRole
	}
	return a.within(t)
}

// reaches reports whether a scope of the matrix gives the actor anything at
// all. Scopes of sandboxes, terminals, brands and sums have no operation here
// that could keep them, so they give nothing.
func (a *actor) reaches(s directory.Scope) bool {
	switch s {
	case directory.Everything, directory.Masked, directory.OwnMerchants, directory.Listed, directory.OneMerchant, directory.OneShop,
		directory.OwnDoing, directory.IfSwitched:
		return true
	case directory.IfPermitted:
		return a.Grants.RefundAuth
	case directory.Nothing, directory.Sandbox, directory.OwnTerminals, directory.Aggregate, directory.OwnBrand, directory.OwnApp, directory.ByKey, directory.BySubTerminal:
	}
	return false
}

// within reports whether the target lies in the actor's scope, whatever the
// role. A scope that is not narrowed at a level reaches all of it.
func (a *actor) within(t target) error {
	g := a.Grants
	switch {
	case g.Role == RoleOperator:
		return nil
	case g.ProviderID != "" && t.provider != g.ProviderID,
		g.SubProviderID != "" && t.subProvider != g.SubProviderID,
		len(g.MerchantIDs) > 0 && !slices.Contains(g.MerchantIDs, t.merchant),
		g.ShopID != "" && t.shop != g.ShopID,
		g.StaffID != "" && t.staff != "" && t.staff != g.StaffID:
		return errForeign
	case g.ProviderID == "" && len(g.MerchantIDs) == 0 && g.Role != directory.RoleOps:
		return errForeign // a grant that names nothing reaches nothing
	}
	return nil
}

// operator reports whether the caller runs the installation.
func (a *actor) operator() error {
	if a.Grants.Role == RoleOperator {
		return nil
	}
	return errRole
}
