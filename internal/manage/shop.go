package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
)

// ShopSettings are the members of a shop that can be set.
type ShopSettings struct {
	Number  string                `json:"shop_id,omitempty" doc:"商户自己的门店编号" maxLength:"64"`
	Name    string                `json:"shop_name,omitempty" doc:"名称" maxLength:"128"`
	Profile directory.ShopProfile `json:"profile,omitzero" doc:"资料"`
}

// Shop is one shop (门店) of a merchant.
type Shop struct {
	MerchantID string `json:"out_sub_mch_id"`
	ID         string `json:"out_shop_id"`
	ShopSettings
	Devices   int       `json:"devices"`
	Staff     int       `json:"staff"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ShopPath names the shop of an operation.
type ShopPath struct {
	MerchantPath
	Shop string `path:"out_shop_id" maxLength:"32"`
}

type addShopInput struct {
	MerchantPath
	Body struct {
		ID string `json:"out_shop_id,omitempty" doc:"门店编号，不填则自动分配" maxLength:"32"`
		ShopSettings
	}
}

type setShopInput struct {
	ShopPath
	Body    ShopSettings
	RawBody []byte
}

const shopsPath = "/v1/merchants/{out_sub_mch_id}/shops"

func (s *Server) registerShops() {
	const tag, path = "门店", shopsPath
	add(s, operation{id: "add-shop", method: http.MethodPost, path: path, summary: "新建门店", tag: tag, status: http.StatusCreated}, s.addShop)
	add(s, operation{id: "list-shops", method: http.MethodGet, path: path, summary: "门店列表", tag: tag}, s.listShops)
	add(s, operation{id: "get-shop", method: http.MethodGet, path: path + "/{out_shop_id}", summary: "门店", tag: tag}, s.getShop)
	add(s, operation{id: "set-shop", method: http.MethodPatch, path: path + "/{out_shop_id}", summary: "修改门店", tag: tag}, s.setShop)
	add(s, operation{id: "delete-shop", method: http.MethodDelete, path: path + "/{out_shop_id}", summary: "删除门店（R4）", tag: tag}, s.deleteShop)
}

func shopView(merchantID string, v directory.Shop) Shop {
	return Shop{
		MerchantID: merchantID, ID: v.ID, ShopSettings: shopSettings(v), Devices: len(v.Devices), Staff: len(v.Staff),
		CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

func shopSettings(v directory.Shop) ShopSettings {
	return ShopSettings{Number: v.Number, Name: v.Name, Profile: v.Profile}
}

func (v ShopSettings) apply(p *directory.Shop) {
	p.Number, p.Name, p.Profile = v.Number, v.Name, v.Profile
}

// shop finds the shop of an operation, in the actor's reach.
func (s *Server) shop(ctx context.Context, a *actor, c directory.Capability, in ShopPath) (*directory.Merchant, directory.Shop, error) {
	m, err := s.merchantAt(ctx, a, c, in.Merchant, in.Shop)
	if err != nil {
		return nil, directory.Shop{}, err
	}
	v, found := m.Shop(in.Shop)
	if !found {
		return nil, directory.Shop{}, errForeign
	}
	return m, v, nil
}

func (s *Server) addShop(ctx context.Context, a *actor, in *addShopInput) (*answer[Shop], error) {
	m, err := s.merchant(ctx, a, directory.ManageShops, in.Merchant)
	if err != nil {
		return nil, err
	}
	if in.Body.Name == "" {
		return nil, invalidField("body.shop_name", "请填写名称")
	}
	v := directory.Shop{ID: in.Body.ID}
	in.Body.apply(&v)
	made, err := s.Directory.CreateShop(ctx, a.by(), m.ID, v)
	if err != nil {
		return nil, err
	}
	return ok(shopView(m.ID, made)), nil
}

func (s *Server) listShops(ctx context.Context, a *actor, in *MerchantPath) (*answer[Page[Shop]], error) {
	m, err := s.merchantAt(ctx, a, "", in.Merchant, a.Grants.ShopID)
	if err != nil {
		return nil, err
	}
	list := make([]directory.Shop, 0, len(m.Shops))
	for _, v := range m.Shops {
		if a.Grants.ShopID == "" || a.Grants.ShopID == v.ID {
			list = append(list, v)
		}
	}
	return whole(list, func(v directory.Shop) Shop { return shopView(m.ID, v) }), nil
}

func (s *Server) getShop(ctx context.Context, a *actor, in *ShopPath) (*answer[Shop], error) {
	m, v, err := s.shop(ctx, a, "", *in)
	if err != nil {
		return nil, err
	}
	return ok(shopView(m.ID, v)), nil
}

func (s *Server) setShop(ctx context.Context, a *actor, in *setShopInput) (*answer[Shop], error) {
	m, _, err := s.shop(ctx, a, directory.ManageShops, in.ShopPath)
	if err != nil {
		return nil, err
	}
	made, err := s.Directory.UpdateShop(ctx, a.by(), m.ID, in.Shop, func(p *directory.Shop) error {
		v, err := merge(shopSettings(*p), in.RawBody)
		if err == nil {
			v.apply(p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ok(shopView(m.ID, made)), nil
}

func (s *Server) deleteShop(ctx context.Context, a *actor, in *ShopPath) (*struct{}, error) {
	m, _, err := s.shop(ctx, a, directory.ManageShops, *in)
	if err != nil {
		return nil, err
	}
	return nil, s.Directory.DeleteShop(ctx, a.by(), m.ID, in.Shop)
}
