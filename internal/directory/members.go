package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloudpay/internal/pay"
)

// Member is an operator account (ux.md C-19): who signs in to the console or
// holds a token of the management API. How it proves who it is, is not kept
// here.
type Member struct {
	ID        string
	Name      string
	Role      Role
	Disabled  bool
	Reach     Reach
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Reach names what a member's scopes are about: a provider-wide role needs
// ProviderID only, one of a shop all down to ShopID. ProviderID "" is the
// whole installation, for RoleProvider and RoleOps only. It is stored as JSON:
// names of members never change.
type Reach struct {
	ProviderID    string   `json:"provider_id,omitempty"`
	SubProviderID string   `json:"sub_provider_id,omitempty"`
	Merchants     []string `json:"merchants,omitempty"` // one for RoleBoss and below, a list for RoleFinance
	ShopID        string   `json:"shop_id,omitempty"`
	StaffID       string   `json:"staff_id,omitempty"` // its own id as staff
	AdminID       string   `json:"admin_id,omitempty"` // its own id as administrator
	RefundAuth    bool     `json:"refund_auth,omitempty"`
}

// maxListed bounds the merchants of one member.
const maxListed = 200

// Actor returns the member as somebody who changes things.
func (m Member) Actor() Actor {
	return Actor{Kind: ByMember, ID: m.ID, Name: m.Name, Role: m.Role, RefundAuth: m.Reach.RefundAuth}
}

// Reaches reports whether the merchant is within the member's reach at all,
// whatever the capability.
func (m Member) Reaches(x *Merchant) bool {
	r := m.Reach
	if r.ProviderID != "" && r.ProviderID != x.ProviderID || r.SubProviderID != "" && r.SubProviderID != x.SubProviderID {
		return false
	}
	return len(r.Merchants) == 0 || slices.Contains(r.Merchants, x.ID)
}

func memberOf(r MemberRow) (Member, error) {
	m := Member{
		ID: r.ID, Name: r.Name, Role: Role(r.Role), Disabled: r.Disabled, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	return m, fromJSON(r.Scope, &m.Reach)
}

func (m Member) row() (MemberRow, error) {
	scope, err := toJSON(m.Reach)
	return MemberRow{ID: m.ID, Name: m.Name, Role: string(m.Role), Disabled: m.Disabled, Scope: scope}, err
}

// check refuses a member whose reach does not fit its role.
func (m Member) check() error {
	if err := first(checkID("member_id", m.ID), checkTexts(text{"name", m.Name, nameChars})); err != nil {
		return err
	}
	if !ValidRole(m.Role) {
		return invalid("role", "没有这个角色")
	}
	r, bad := m.Reach, ""
	switch m.Role {
	case RoleProvider, RoleOps:
	case RoleSubProvider:
		if r.SubProviderID == "" {
			bad = "子服务商成员必须指定 sub_provider_id"
		}
	case RoleBoss:
		if len(r.Merchants) != 1 {
			bad = "商户管理员必须指定一个商户"
		}
	case RoleManager, RoleCashier:
		if len(r.Merchants) != 1 || r.ShopID == "" {
			bad = "店长和店员必须指定商户和门店"
		}
	case RoleFinance:
		if len(r.Merchants) == 0 {
			bad = "查账成员必须指定商户"
		}
	case RoleDeveloper, RoleVendor:
	}
	if r.ProviderID == "" && m.Role != RoleProvider && m.Role != RoleOps {
		bad = "必须指定服务商 provider_id"
	}
	if len(r.Merchants) > maxListed {
		bad = fmt.Sprintf("最多指定 %d 个商户", maxListed)
	}
	if bad != "" {
		return invalid("scope", bad)
	}
	return nil
}

// Member returns an operator account that was not deleted. Disabled ones are
// returned: who authenticates must look.
func (d *Directory) Member(ctx context.Context, id string) (Member, error) {
	if !ValidID(id) {
		return Member{}, notFound("member")
	}
	r, err := d.loader.LoadMember(ctx, id)
	if err != nil {
		return Member{}, fmt.Errorf("load member %s: %w", id, err)
	}
	if !r.DeletedAt.IsZero() {
		return Member{}, notFound("member")
	}
	return memberOf(r)
}

// Members returns a page of operator accounts in the order of their ids.
func (d *Directory) Members(ctx context.Context, after string, limit int) ([]Member, error) {
	limit, err := pageSize(limit)
	if err != nil {
		return nil, err
	}
	rows, err := d.loader.ListMembers(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	list := make([]Member, 0, len(rows))
	for _, r := range rows {
		m, err := memberOf(r)
		if err != nil {
			return nil, fmt.Errorf("list members: %s: %w", r.ID, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// CreateMember adds an operator account. An empty ID is replaced.
func (d *Directory) CreateMember(ctx context.Context, by Actor, m Member) (Member, error) {
	if m.ID == "" {
		m.ID = randomText(lowerDigits, 12)
	}
	if err := m.check(); err != nil { // before its id is looked for
		return Member{}, err
	}
	return d.changeMember(ctx, by, "member.create", m.ID, func(old MemberRow, had bool) (MemberRow, error) {
		if had && old.DeletedAt.IsZero() {
			return MemberRow{}, pay.Refuse(pay.ErrConflict, "member_exists", "该成员编号已存在")
		}
		return m.row()
	})
}

// UpdateMember applies edit to an account. Edit does not change the id. The
// last administrator of a provider can neither be disabled nor change role (R1).
func (d *Directory) UpdateMember(ctx context.Context, by Actor, id string, edit func(*Member) error) (Member, error) {
	return d.changeMember(ctx, by, "member.update", id, func(old MemberRow, had bool) (MemberRow, error) {
		if !had || !old.DeletedAt.IsZero() {
			return MemberRow{}, notFound("member")
		}
		m, err := memberOf(old)
		if err != nil {
			return MemberRow{}, err
		}
		if err := edit(&m); err != nil {
			return MemberRow{}, err
		}
		m.ID = id
		if err := m.check(); err != nil {
			return MemberRow{}, err
		}
		return m.row()
	})
}

// DeleteMember removes an account, unless it is the last administrator (R1).
func (d *Directory) DeleteMember(ctx context.Context, by Actor, id string) error {
	_, err := d.changeMember(ctx, by, "member.delete", id, func(old MemberRow, had bool) (MemberRow, error) {
		if !had || !old.DeletedAt.IsZero() {
			return MemberRow{}, notFound("member")
		}
		old.DeletedAt = d.now()
		return old, nil
	})
	return err
}

func (d *Directory) changeMember(ctx context.Context, by Actor, action, id string, edit func(old MemberRow, had bool) (MemberRow, error)) (Member, error) {
	var is MemberRow
	err := d.changeOwned(ctx, by, action, installation, "", func() ([]changed, error) {
		was, err := d.loader.LoadMember(ctx, id)
		had := err == nil
		if err != nil && !errors.Is(err, pay.ErrNotFound) {
			return nil, err
		}
		if is, err = edit(was, had); err != nil {
			return nil, err
		}
		var old []MemberRow
		if had {
			old = []MemberRow{was}
			if err := d.keepLastMember(ctx, was, is); err != nil {
				return nil, err
			}
		}
		rows := differ(nil, old, []MemberRow{is}, d.now())
		for _, r := range rows {
			is, _ = r.is.(MemberRow)
		}
		return rows, nil
	})
	if err != nil {
		return Member{}, err
	}
	return memberOf(is)
}

// keepLastMember is R1 for operators: of those who administer a provider, or
// the installation, one stays able to act.
func (d *Directory) keepLastMember(ctx context.Context, was, is MemberRow) error {
	old, err1 := memberOf(was)
	now, err2 := memberOf(is)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	able := func(m Member) bool { return m.Role == RoleProvider && !m.Disabled }
	if !able(old) || able(now) && is.DeletedAt.IsZero() && now.Reach.ProviderID == old.Reach.ProviderID {
		return nil
	}
	after := ""
	for {
		rows, err := d.loader.ListMembers(ctx, after, MaxPage)
		if err != nil {
			return err
		}
		for _, r := range rows {
			m, err := memberOf(r)
			if err != nil {
				return err
			}
			if m.ID != was.ID && able(m) && m.Reach.ProviderID == old.Reach.ProviderID {
				return nil
			}
		}
		if len(rows) < MaxPage {
			return pay.Refuse(pay.ErrDenied, "last_admin", "最后一个管理员不能删除或停用")
		}
		after = rows[len(rows)-1].ID
	}
}
