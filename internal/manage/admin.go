package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
)

// AdminSettings are the members of an administrator that can be set.
type AdminSettings struct {
	Name         string `json:"name,omitempty" doc:"姓名" maxLength:"128"`
	RefundAuth   bool   `json:"refund_auth,omitempty" doc:"可以退款"`
	OneCodeNotes bool   `json:"receive_one_code_pay_notify,omitempty" doc:"接收一码付通知"`
	OpenID       string `json:"cloud_pay_open_id,omitempty" maxLength:"128"`
	MchOpenID    string `json:"mch_open_id,omitempty" maxLength:"128"`
	Duty         string `json:"duty,omitempty" doc:"职务" maxLength:"64"`
	Phone        string `json:"phone,omitempty" doc:"电话" maxLength:"64"`
}

// Admin is an administrator of a merchant (商户管理员).
type Admin struct {
	ID string `json:"admin_id"`
	AdminSettings
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// AdminPath names the administrator of an operation.
type AdminPath struct {
	MerchantPath
	Admin string `path:"admin_id" maxLength:"32"`
}

type addAdminInput struct {
	MerchantPath
	Body struct {
		ID string `json:"admin_id,omitempty" doc:"编号，不填则自动分配" maxLength:"32"`
		AdminSettings
	}
}

type setAdminInput struct {
	AdminPath
	Body    AdminSettings
	RawBody []byte
}

func (s *Server) registerAdmins() {
	const tag, path = "管理员", "/v1/merchants/{out_sub_mch_id}/admins"
	add(s, operation{id: "add-admin", method: http.MethodPost, path: path, summary: "新建管理员", tag: tag, status: http.StatusCreated}, s.addAdmin)
	add(s, operation{id: "list-admins", method: http.MethodGet, path: path, summary: "管理员列表", tag: tag}, s.listAdmins)
	add(s, operation{id: "set-admin", method: http.MethodPatch, path: path + "/{admin_id}", summary: "修改管理员（R2、R3）", tag: tag}, s.setAdmin)
	add(s, operation{id: "delete-admin", method: http.MethodDelete, path: path + "/{admin_id}", summary: "删除管理员（R1、R2、R3）", tag: tag}, s.deleteAdmin)
}

func adminView(v directory.Admin) Admin {
	return Admin{ID: v.ID, AdminSettings: adminSettings(v), CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt}
}

func adminSettings(v directory.Admin) AdminSettings {
	return AdminSettings{
		Name: v.Name, RefundAuth: v.RefundAuth, OneCodeNotes: v.OneCodeNotes, OpenID: v.OpenID, MchOpenID: v.MchOpenID, Duty: v.Duty, Phone: v.Phone,
	}
}

func (v AdminSettings) apply(p *directory.Admin) {
	p.Name, p.RefundAuth, p.OneCodeNotes, p.OpenID, p.MchOpenID, p.Duty, p.Phone = v.Name, v.RefundAuth, v.OneCodeNotes, v.OpenID, v.MchOpenID, v.Duty, v.Phone
}

func (s *Server) addAdmin(ctx context.Context, a *actor, in *addAdminInput) (*answer[Admin], error) {
	m, err := s.merchant(ctx, a, directory.ManageShops, in.Merchant)
	if err != nil {
		return nil, err
	}
	if in.Body.Name == "" {
		return nil, invalidField("body.name", "请填写姓名")
	}
	v := directory.Admin{ID: in.Body.ID}
	in.Body.apply(&v)
	made, err := s.Directory.AddAdmin(ctx, a.by(), m.ID, v)
	if err != nil {
		return nil, err
	}
	return ok(adminView(made)), nil
}

func (s *Server) listAdmins(ctx context.Context, a *actor, in *MerchantPath) (*answer[Page[Admin]], error) {
	m, err := s.merchant(ctx, a, "", in.Merchant)
	if err != nil {
		return nil, err
	}
	return whole(m.Admins, adminView), nil
}

func (s *Server) setAdmin(ctx context.Context, a *actor, in *setAdminInput) (*answer[Admin], error) {
	m, err := s.merchant(ctx, a, directory.ManageShops, in.Merchant)
	if err != nil {
		return nil, err
	}
	made, err := s.Directory.UpdateAdmin(ctx, a.by(), m.ID, in.Admin, func(p *directory.Admin) error {
		v, err := merge(adminSettings(*p), in.RawBody)
		if err == nil {
			v.apply(p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ok(adminView(made)), nil
}

func (s *Server) deleteAdmin(ctx context.Context, a *actor, in *AdminPath) (*struct{}, error) {
	m, err := s.merchant(ctx, a, directory.ManageShops, in.Merchant)
	if err != nil {
		return nil, err
	}
	return nil, s.Directory.DeleteAdmin(ctx, a.by(), m.ID, in.Admin)
}
