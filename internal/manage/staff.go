package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/secret"
)

// StaffSettings are the members of a person that can be set.
type StaffSettings struct {
	Name        string                 `json:"staff_name,omitempty" doc:"姓名" maxLength:"128"`
	ShopManager bool                   `json:"shop_manager,omitempty" doc:"店长"`
	RefundAuth  bool                   `json:"refund_auth,omitempty" doc:"可以退款"`
	Profile     directory.StaffProfile `json:"profile,omitzero" doc:"资料"`
}

// Staff is one person (店员) of a shop.
type Staff struct {
	ShopID string `json:"out_shop_id"`
	ID     string `json:"staff_id"`
	StaffSettings
	HasPIN    bool      `json:"has_pin"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// StaffPath names the person of an operation.
type StaffPath struct {
	ShopPath
	Staff string `path:"staff_id" maxLength:"32"`
}

type addStaffInput struct {
	ShopPath
	Body struct {
		ID string `json:"staff_id" doc:"店员编号" minLength:"1" maxLength:"32"`
		StaffSettings
	}
}

type setStaffInput struct {
	StaffPath
	Body    StaffSettings
	RawBody []byte
}

type setPINInput struct {
	StaffPath
	Body struct {
		PIN string `json:"pin" doc:"4 到 12 位数字，空串去掉 PIN" writeOnly:"true" maxLength:"12"`
	}
}

func (s *Server) registerStaff() {
	const tag, path = "店员", shopsPath + "/{out_shop_id}/staff"
	add(s, operation{id: "add-staff", method: http.MethodPost, path: path, summary: "新建店员", tag: tag, status: http.StatusCreated}, s.addStaff)
	add(s, operation{id: "list-staff", method: http.MethodGet, path: path, summary: "店员列表", tag: tag}, s.listStaff)
	add(s, operation{id: "set-staff", method: http.MethodPatch, path: path + "/{staff_id}", summary: "修改店员（R3）", tag: tag}, s.setStaff)
	add(s, operation{id: "delete-staff", method: http.MethodDelete, path: path + "/{staff_id}", summary: "删除店员（R3）", tag: tag}, s.deleteStaff)
	add(s, operation{id: "set-pin", method: http.MethodPut, path: path + "/{staff_id}/pin", summary: "设置店员 PIN", tag: tag}, s.setPIN)
}

func staffView(shopID string, v directory.Staff) Staff {
	return Staff{ShopID: shopID, ID: v.ID, StaffSettings: staffSettings(v), HasPIN: v.HasPIN, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt}
}

func staffSettings(v directory.Staff) StaffSettings {
	return StaffSettings{Name: v.Name, ShopManager: v.ShopManager, RefundAuth: v.RefundAuth, Profile: v.Profile}
}

func (v StaffSettings) apply(p *directory.Staff) {
	p.Name, p.ShopManager, p.RefundAuth, p.Profile = v.Name, v.ShopManager, v.RefundAuth, v.Profile
}

func (s *Server) addStaff(ctx context.Context, a *actor, in *addStaffInput) (*answer[Staff], error) {
	m, _, err := s.shop(ctx, a, directory.ManageStaff, in.ShopPath)
	if err != nil {
		return nil, err
	}
	v := directory.Staff{ID: in.Body.ID}
	in.Body.apply(&v)
	made, err := s.Directory.AddStaff(ctx, a.by(), m.ID, in.Shop, v)
	if err != nil {
		return nil, err
	}
	return ok(staffView(in.Shop, made)), nil
}

func (s *Server) listStaff(ctx context.Context, a *actor, in *ShopPath) (*answer[Page[Staff]], error) {
	_, v, err := s.shop(ctx, a, "", *in)
	if err != nil {
		return nil, err
	}
	return whole(v.Staff, func(p directory.Staff) Staff { return staffView(v.ID, p) }), nil
}

func (s *Server) setStaff(ctx context.Context, a *actor, in *setStaffInput) (*answer[Staff], error) {
	m, _, err := s.shop(ctx, a, directory.ManageStaff, in.ShopPath)
	if err != nil {
		return nil, err
	}
	made, err := s.Directory.UpdateStaff(ctx, a.by(), m.ID, in.Shop, in.Staff, func(p *directory.Staff) error {
		v, err := merge(staffSettings(*p), in.RawBody)
		if err == nil {
			v.apply(p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ok(staffView(in.Shop, made)), nil
}

func (s *Server) deleteStaff(ctx context.Context, a *actor, in *StaffPath) (*struct{}, error) {
	m, _, err := s.shop(ctx, a, directory.ManageStaff, in.ShopPath)
	if err != nil {
		return nil, err
	}
	return nil, s.Directory.DeleteStaff(ctx, a.by(), m.ID, in.Shop, in.Staff)
}

func (s *Server) setPIN(ctx context.Context, a *actor, in *setPINInput) (*answer[Staff], error) {
	m, v, err := s.shop(ctx, a, directory.ManageStaff, in.ShopPath)
	if err != nil {
		return nil, err
	}
	if _, found := v.Person(in.Staff); !found {
		return nil, errForeign
	}
	if in.Body.PIN == "" {
		made, err := s.Directory.UpdateStaff(ctx, a.by(), m.ID, in.Shop, in.Staff, func(p *directory.Staff) error {
			p.HasPIN = false
			return nil
		})
		if err != nil {
			return nil, err
		}
		return ok(staffView(in.Shop, made)), nil
	}
	if err := s.Directory.SetPIN(ctx, a.by(), m.ID, in.Shop, in.Staff, secret.New(in.Body.PIN)); err != nil {
		return nil, err
	}
	if m, err = s.Directory.Merchant(ctx, m.ID); err != nil {
		return nil, err
	}
	shop, _ := m.Shop(in.Shop)
	p, _ := shop.Person(in.Staff)
	return ok(staffView(in.Shop, p)), nil
}
