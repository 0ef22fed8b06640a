package manage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// MerchantSettings are the members of a merchant that can be set. In a PATCH,
// what is absent stays as it is and "" clears.
type MerchantSettings struct {
	SubProviderID  string                    `json:"sub_provider_id,omitempty" doc:"子服务商" maxLength:"32"`
	Name           string                    `json:"company_name,omitempty" doc:"名称" maxLength:"255"`
	DefaultBody    string                    `json:"default_order_body,omitempty" doc:"默认订单描述" maxLength:"128"`
	NotifyURL      string                    `json:"notify_url,omitempty" doc:"回调 URL，空为服务商的" maxLength:"255"`
	ReversePaid    bool                      `json:"reverse_paid,omitempty" doc:"已支付的订单允许撤单"`
	RefundMustSign bool                      `json:"refund_must_sign,omitempty" doc:"退款必须签名"`
	Disabled       bool                      `json:"disabled,omitempty" doc:"停用：请求都被拒绝"`
	WxSubMchID     string                    `json:"wx_sub_mch_id,omitempty" doc:"微信支付子商户号" maxLength:"32"`
	WxSubAppID     string                    `json:"wx_sub_app_id,omitempty" doc:"子商户 AppID" maxLength:"32"`
	WxMobAppID     string                    `json:"wx_mob_app_id,omitempty" doc:"APP 支付的 AppID" maxLength:"32"`
	WxMiniAppID    string                    `json:"wx_mini_app_id,omitempty" doc:"小程序 AppID" maxLength:"32"`
	WxAPI          string                    `json:"wx_api,omitempty" doc:"微信支付接口：v2 或 v3，空为服务商账户的设置" enum:",v2,v3"`
	AliSellerID    string                    `json:"ali_seller_id,omitempty" doc:"支付宝商户 PID（2088…）" maxLength:"32"`
	AliToken       *string                   `json:"ali_app_auth_token,omitempty" doc:"支付宝应用授权令牌，只写；空串清除" writeOnly:"true" maxLength:"128"`
	Profile        directory.MerchantProfile `json:"profile,omitzero" doc:"资料"`
	Policy         directory.Policy          `json:"policy,omitzero" doc:"开关"`
}

// Merchant is a sub-merchant (子商户) without its keys.
type Merchant struct {
	ID         string `json:"out_sub_mch_id"`
	ProviderID string `json:"out_mch_id"`
	MerchantSettings
	Prefixes     []string   `json:"cloud_cashier_ids" doc:"订单前缀"`
	HasAliToken  bool       `json:"has_ali_app_auth_token"`
	Keys         []Key      `json:"keys" doc:"密钥只有指纹和日期"`
	Shops        int        `json:"shops"`
	Devices      int        `json:"devices"`
	Staff        int        `json:"staff"`
	Admins       int        `json:"admins"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
	DeletedAt    *time.Time `json:"deleted_at,omitempty"`
	AuthenKeyNow string     `json:"authen_key,omitempty" doc:"新生成的认证密钥，只显示这一次"`
}

// MerchantLine is a merchant in a list.
type MerchantLine struct {
	ID            string    `json:"out_sub_mch_id"`
	ProviderID    string    `json:"out_mch_id"`
	SubProviderID string    `json:"sub_provider_id,omitempty"`
	Name          string    `json:"company_name"`
	ShortName     string    `json:"short_name,omitempty"`
	Disabled      bool      `json:"disabled"`
	WxSubMchID    string    `json:"wx_sub_mch_id,omitempty"`
	AliSellerID   string    `json:"ali_seller_id,omitempty"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
}

// MerchantPath names the merchant of an operation.
type MerchantPath struct {
	Merchant string `path:"out_sub_mch_id" maxLength:"32"`
}

type addMerchantInput struct {
	Body struct {
		ProviderID string `json:"out_mch_id" doc:"服务商" minLength:"1" maxLength:"32"`
		ID         string `json:"out_sub_mch_id,omitempty" doc:"子商户编号，不填则自动分配" maxLength:"32"`
		MerchantSettings
		Prefixes  []string `json:"cloud_cashier_ids,omitempty" doc:"订单前缀，不填则自动分配一个 8 位数字和一个 10 位字母数字的" maxItems:"8"`
		AuthenKey string   `json:"authen_key,omitempty" doc:"别处生成的认证密钥（32 位字母数字），不填则生成" writeOnly:"true" maxLength:"32"`
		PublicKey string   `json:"public_key_pem,omitempty" doc:"签名公钥（RSA 2048）" maxLength:"2048"`
	}
}

type setMerchantInput struct {
	MerchantPath
	Body    MerchantSettings
	RawBody []byte
}

type listMerchantsInput struct {
	PageQuery
	ProviderID    string `query:"out_mch_id" maxLength:"32"`
	SubProviderID string `query:"sub_provider_id" maxLength:"32"`
	Text          string `query:"text" doc:"名称的一部分，或编号、订单前缀的开头" maxLength:"64"`
}

func (s *Server) registerMerchants() {
	const tag, path = "子商户", "/v1/merchants/{out_sub_mch_id}"
	add(s, operation{id: "add-merchant", method: http.MethodPost, path: "/v1/merchants", summary: "新建子商户", tag: tag, status: http.StatusCreated}, s.addMerchant)
	add(s, operation{id: "list-merchants", method: http.MethodGet, path: "/v1/merchants", summary: "子商户列表", tag: tag}, s.listMerchants)
	add(s, operation{id: "get-merchant", method: http.MethodGet, path: path, summary: "子商户", tag: tag}, s.getMerchant)
	add(s, operation{id: "set-merchant", method: http.MethodPatch, path: path, summary: "修改子商户", tag: tag}, s.setMerchant)
	add(s, operation{id: "delete-merchant", method: http.MethodDelete, path: path, summary: "删除子商户（R4）", tag: tag}, s.deleteMerchant)
}

func merchantSettings(m *directory.Merchant) MerchantSettings {
	return MerchantSettings{
		SubProviderID: m.SubProviderID, Name: m.Name, DefaultBody: m.DefaultBody, NotifyURL: m.NotifyURL, ReversePaid: m.ReversePaid,
		RefundMustSign: m.RefundMustSign, Disabled: m.Disabled, WxSubMchID: m.Wx.SubMchID, WxSubAppID: m.Wx.SubAppID,
		WxMobAppID: m.Wx.MobAppID, WxMiniAppID: m.Wx.MiniAppID, WxAPI: m.Wx.API, AliSellerID: m.Ali.SellerID, Profile: m.Profile, Policy: m.Policy,
	}
}

func (v MerchantSettings) apply(m *directory.Merchant) {
	m.SubProviderID, m.Name, m.DefaultBody, m.NotifyURL = v.SubProviderID, v.Name, v.DefaultBody, v.NotifyURL
	m.ReversePaid, m.RefundMustSign, m.Disabled = v.ReversePaid, v.RefundMustSign, v.Disabled
	m.Wx = directory.WechatMerchant{SubMchID: v.WxSubMchID, SubAppID: v.WxSubAppID, MobAppID: v.WxMobAppID, MiniAppID: v.WxMiniAppID, API: v.WxAPI}
	m.Ali.SellerID, m.Profile, m.Policy = v.AliSellerID, v.Profile, v.Policy
	if v.AliToken != nil {
		m.Ali.AppAuthToken = secret.New(*v.AliToken)
	}
}

func (s *Server) merchantView(m *directory.Merchant) Merchant {
	v := Merchant{
		ID: m.ID, ProviderID: m.ProviderID, MerchantSettings: merchantSettings(m), Prefixes: append([]string{}, m.Prefixes...),
		HasAliToken: !m.Ali.AppAuthToken.IsZero(), Keys: s.keyViews(m), Shops: len(m.Shops), Admins: len(m.Admins),
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, DeletedAt: moment(m.DeletedAt),
	}
	for i := range m.Shops {
		v.Devices += len(m.Shops[i].Devices)
		v.Staff += len(m.Shops[i].Staff)
	}
	return v
}

// merchant finds the merchant of an operation and checks that the actor's
// capability reaches it. "" as capability asks for the scope only.
func (s *Server) merchant(ctx context.Context, a *actor, c directory.Capability, id string) (*directory.Merchant, error) {
	return s.merchantAt(ctx, a, c, id, "")
}

// merchantAt is merchant for an operation on a shop.
func (s *Server) merchantAt(ctx context.Context, a *actor, c directory.Capability, id, shop string) (*directory.Merchant, error) {
	if err := a.hasRoleFor(c); err != nil {
		return nil, err
	}
	m, err := s.Directory.Merchant(ctx, id)
	if errors.Is(err, pay.ErrNotFound) {
		return nil, errForeign
	} else if err != nil {
		return nil, err
	}
	if c == "" {
		err = a.within(of(m).at(shop))
	} else {
		err = a.may(c, of(m).at(shop))
	}
	if err != nil {
		return nil, err
	}
	if !m.DeletedAt.IsZero() {
		return nil, errForeign
	}
	return m, nil
}

// hasRoleFor refuses before anything is looked up what the actor's role never
// does, so that the refusal says nothing about the target.
func (a *actor) hasRoleFor(c directory.Capability) error {
	if a.Grants.Role == RoleOperator {
		return nil
	}
	if c == "" {
		if a.Grants.Role == directory.RoleDeveloper || a.Grants.Role == directory.RoleVendor {
			return errRole
		}
		return nil
	}
	if !a.reaches(directory.Allowed(a.Grants.Role, c)) {
		return errRole
	}
	return nil
}

func (s *Server) addMerchant(ctx context.Context, a *actor, in *addMerchantInput) (*answer[Merchant], error) {
	if err := a.may(directory.ManageMerchants, target{provider: in.Body.ProviderID, subProvider: in.Body.SubProviderID}); err != nil {
		return nil, err
	}
	if in.Body.Name == "" {
		return nil, invalidField("body.company_name", "请填写名称")
	}
	if err := s.checkAPI(ctx, in.Body.ProviderID, in.Body.WxAPI); err != nil {
		return nil, err
	}
	m := directory.Merchant{
		ID: in.Body.ID, ProviderID: in.Body.ProviderID, Prefixes: in.Body.Prefixes,
		AuthenKey: secret.New(in.Body.AuthenKey), PublicKeyPEM: in.Body.PublicKey,
	}
	in.Body.apply(&m)
	made, err := s.Directory.CreateMerchant(ctx, a.by(), m)
	if err != nil {
		return nil, err
	}
	v := s.merchantView(made)
	if in.Body.AuthenKey == "" {
		v.AuthenKeyNow = made.AuthenKey.Reveal()
	}
	return ok(v), nil
}

func (s *Server) listMerchants(ctx context.Context, a *actor, in *listMerchantsInput) (*answer[Page[MerchantLine]], error) {
	if err := a.hasRoleFor(""); err != nil {
		return nil, err
	}
	g := a.Grants
	if g.ProviderID != "" && in.ProviderID != "" && in.ProviderID != g.ProviderID ||
		g.SubProviderID != "" && in.SubProviderID != "" && in.SubProviderID != g.SubProviderID {
		return nil, errForeign
	}
	if len(g.MerchantIDs) > 0 {
		return s.listOwn(ctx, a, in)
	}
	f := directory.MerchantFilter{ProviderID: in.ProviderID, SubProviderID: in.SubProviderID, Text: in.Text, After: in.After, Limit: in.Limit + 1}
	if g.ProviderID != "" {
		f.ProviderID = g.ProviderID
	}
	if g.SubProviderID != "" {
		f.SubProviderID = g.SubProviderID
	}
	if f.ProviderID == "" && g.Role != RoleOperator && g.Role != directory.RoleOps {
		return nil, errRole
	}
	rows, err := s.Directory.Merchants(ctx, f)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, in.Limit, func(r directory.MerchantLine) MerchantLine {
		return MerchantLine{
			ID: r.ID, ProviderID: r.ProviderID, SubProviderID: r.SubProviderID, Name: r.Name, ShortName: r.ShortName, Disabled: r.Disabled,
			WxSubMchID: r.WxSubMchID, AliSellerID: r.AliSellerID, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		}
	}, func(r directory.MerchantLine) string { return r.ID }), nil
}

// listOwn lists the merchants that a token names.
func (s *Server) listOwn(ctx context.Context, a *actor, in *listMerchantsInput) (*answer[Page[MerchantLine]], error) {
	var list []MerchantLine
	for _, id := range a.Grants.MerchantIDs {
		m, err := s.Directory.Merchant(ctx, id)
		if errors.Is(err, pay.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		if !m.DeletedAt.IsZero() || in.ProviderID != "" && m.ProviderID != in.ProviderID {
			continue
		}
		list = append(list, MerchantLine{
			ID: m.ID, ProviderID: m.ProviderID, SubProviderID: m.SubProviderID, Name: m.Name, ShortName: m.Profile.ShortName,
			Disabled: m.Disabled, WxSubMchID: m.Wx.SubMchID, AliSellerID: m.Ali.SellerID, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
		})
	}
	return whole(list, func(l MerchantLine) MerchantLine { return l }), nil
}

func (s *Server) getMerchant(ctx context.Context, a *actor, in *MerchantPath) (*answer[Merchant], error) {
	m, err := s.merchant(ctx, a, "", in.Merchant)
	if err != nil {
		return nil, err
	}
	return ok(s.merchantView(m)), nil
}

func (s *Server) setMerchant(ctx context.Context, a *actor, in *setMerchantInput) (*answer[Merchant], error) {
	m, err := s.merchant(ctx, a, directory.ManageMerchants, in.Merchant)
	if err != nil {
		return nil, err
	}
	if err := s.checkAPI(ctx, m.ProviderID, in.Body.WxAPI); err != nil {
		return nil, err
	}
	m, err = s.Directory.UpdateMerchant(ctx, a.by(), m.ID, func(m *directory.Merchant) error {
		v, err := merge(merchantSettings(m), in.RawBody)
		if err != nil {
			return err
		}
		if v.SubProviderID != m.SubProviderID && a.Grants.SubProviderID != "" {
			return errRole // an agent does not hand its merchants on
		}
		v.apply(m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok(s.merchantView(m)), nil
}

func (s *Server) deleteMerchant(ctx context.Context, a *actor, in *MerchantPath) (*struct{}, error) {
	m, err := s.merchant(ctx, a, directory.ManageMerchants, in.Merchant)
	if err != nil {
		return nil, err
	}
	return nil, s.Directory.DeleteMerchant(ctx, a.by(), m.ID)
}
