package manage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// MemberSettings are the members of an operator account that can be set.
type MemberSettings struct {
	Name     string          `json:"name,omitempty" doc:"姓名" maxLength:"128"`
	Role     string          `json:"role,omitempty" doc:"角色" enum:"provider,sub_provider,boss,manager,cashier,finance,ops,developer,vendor"`
	Disabled bool            `json:"disabled,omitempty" doc:"停用"`
	Reach    directory.Reach `json:"scope,omitzero" doc:"范围"`
}

// Member is an operator account of the console (ux.md C-19).
type Member struct {
	ID string `json:"member_id"`
	MemberSettings
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// RoleLine is one role with what it may do, and how far.
type RoleLine struct {
	Role         string            `json:"role"`
	Capabilities map[string]string `json:"capabilities" doc:"权限与范围；没有列出的都不允许"`
}

// MemberPath names the operator account of an operation.
type MemberPath struct {
	ID string `path:"member_id" maxLength:"32"`
}

type addMemberInput struct {
	Body struct {
		ID string `json:"member_id" doc:"账号" minLength:"1" maxLength:"32"`
		MemberSettings
	}
}

type setMemberInput struct {
	MemberPath
	Body    MemberSettings
	RawBody []byte
}

func (s *Server) registerMembers() {
	const tag, path = "成员与权限", "/v1/members"
	add(s, operation{id: "add-member", method: http.MethodPost, path: path, summary: "新建成员", tag: tag, status: http.StatusCreated}, s.addMember)
	add(s, operation{id: "list-members", method: http.MethodGet, path: path, summary: "成员列表", tag: tag}, s.listMembers)
	add(s, operation{id: "get-member", method: http.MethodGet, path: path + "/{member_id}", summary: "成员", tag: tag}, s.getMember)
	add(s, operation{id: "set-member", method: http.MethodPatch, path: path + "/{member_id}", summary: "修改成员（R1）", tag: tag}, s.setMember)
	add(s, operation{id: "delete-member", method: http.MethodDelete, path: path + "/{member_id}", summary: "删除成员（R1）", tag: tag}, s.deleteMember)
	add(s, operation{id: "list-roles", method: http.MethodGet, path: "/v1/roles", summary: "角色与权限表", tag: tag}, s.listRoles)
}

func memberView(m directory.Member) Member {
	return Member{ID: m.ID, MemberSettings: memberSettings(m), CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt}
}

func memberSettings(m directory.Member) MemberSettings {
	return MemberSettings{Name: m.Name, Role: string(m.Role), Disabled: m.Disabled, Reach: m.Reach}
}

func (v MemberSettings) apply(m *directory.Member) {
	m.Name, m.Role, m.Disabled, m.Reach = v.Name, directory.Role(v.Role), v.Disabled, v.Reach
}

// ownMember reports whether the actor administers that account: an operator
// all of them, a provider's administrator those of the provider.
func (a *actor) ownMember(m directory.Member) error {
	if a.operator() == nil {
		return nil
	}
	if a.Grants.Role != directory.RoleProvider {
		return errRole
	}
	if m.Reach.ProviderID != a.Grants.ProviderID {
		return errForeign
	}
	return nil
}

func (s *Server) addMember(ctx context.Context, a *actor, in *addMemberInput) (*answer[Member], error) {
	v := directory.Member{ID: in.Body.ID}
	in.Body.apply(&v)
	if err := a.ownMember(v); err != nil {
		return nil, err
	}
	made, err := s.Directory.CreateMember(ctx, a.by(), v)
	if err != nil {
		return nil, err
	}
	return ok(memberView(made)), nil
}

// listMembers shows the actor's accounts. Those of others are passed over here,
// so that not even the place where a page goes on names one.
func (s *Server) listMembers(ctx context.Context, a *actor, in *PageQuery) (*answer[Page[Member]], error) {
	if a.operator() != nil && a.Grants.Role != directory.RoleProvider {
		return nil, errRole
	}
	var own []directory.Member
	for after := in.After; len(own) <= in.Limit; {
		rows, err := s.Directory.Members(ctx, after, directory.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, m := range rows {
			if a.ownMember(m) == nil {
				own = append(own, m)
			}
		}
		if len(rows) < directory.MaxPage {
			break
		}
		after = rows[len(rows)-1].ID
	}
	return pageOf(own, in.Limit, memberView, func(m directory.Member) string { return m.ID }), nil
}

// member finds the account of an operation, in the actor's reach.
func (s *Server) member(ctx context.Context, a *actor, id string) (directory.Member, error) {
	if a.operator() != nil && a.Grants.Role != directory.RoleProvider {
		return directory.Member{}, errRole
	}
	m, err := s.Directory.Member(ctx, id)
	if errors.Is(err, pay.ErrNotFound) {
		return directory.Member{}, errForeign // deleted, unknown and foreign look alike
	} else if err != nil {
		return directory.Member{}, err
	}
	return m, a.ownMember(m)
}

func (s *Server) getMember(ctx context.Context, a *actor, in *MemberPath) (*answer[Member], error) {
	m, err := s.member(ctx, a, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(memberView(m)), nil
}

func (s *Server) setMember(ctx context.Context, a *actor, in *setMemberInput) (*answer[Member], error) {
	if _, err := s.member(ctx, a, in.ID); err != nil {
		return nil, err
	}
	m, err := s.Directory.UpdateMember(ctx, a.by(), in.ID, func(m *directory.Member) error {
		v, err := merge(memberSettings(*m), in.RawBody)
		if err != nil {
			return err
		}
		v.apply(m)
		return a.ownMember(*m) // nobody moves an account out of the own provider
	})
	if err != nil {
		return nil, err
	}
	return ok(memberView(m)), nil
}

func (s *Server) deleteMember(ctx context.Context, a *actor, in *MemberPath) (*struct{}, error) {
	if _, err := s.member(ctx, a, in.ID); err != nil {
		return nil, err
	}
	return nil, s.Directory.DeleteMember(ctx, a.by(), in.ID)
}

func (s *Server) listRoles(context.Context, *actor, *struct{}) (*answer[Page[RoleLine]], error) {
	return whole(directory.Roles(), func(r directory.Role) RoleLine {
		line := RoleLine{Role: string(r), Capabilities: map[string]string{}}
		for _, c := range directory.Capabilities() {
			if reach := directory.Allowed(r, c); reach != directory.Nothing {
				line.Capabilities[string(c)] = string(reach)
			}
		}
		return line
	}), nil
}
