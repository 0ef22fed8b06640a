package manage

import (
	"context"
	"net/http"

	"cloudpay/internal/directory"
)

// Prefix is one order prefix (cloud_cashier_id) of a merchant.
type Prefix struct {
	Prefix string `json:"cloud_cashier_id"`
	Kind   string `json:"kind" enum:"digits,letters"`
}

type addPrefixInput struct {
	MerchantPath
	Body struct {
		Kind string `json:"kind" doc:"digits：8 位数字；letters：10 位字母数字" enum:"digits,letters"`
	}
}

func (s *Server) registerPrefixes() {
	const tag, path = "订单前缀", "/v1/merchants/{out_sub_mch_id}/prefixes"
	add(s, operation{id: "list-prefixes", method: http.MethodGet, path: path, summary: "订单前缀", tag: tag}, s.listPrefixes)
	add(s, operation{id: "add-prefix", method: http.MethodPost, path: path, summary: "分配订单前缀，永不重复使用", tag: tag, status: http.StatusCreated}, s.addPrefix)
}

func prefixView(p string) Prefix { return Prefix{Prefix: p, Kind: string(directory.KindOfPrefix(p))} }

func (s *Server) listPrefixes(ctx context.Context, a *actor, in *MerchantPath) (*answer[Page[Prefix]], error) {
	m, err := s.merchant(ctx, a, "", in.Merchant)
	if err != nil {
		return nil, err
	}
	return whole(m.Prefixes, prefixView), nil
}

func (s *Server) addPrefix(ctx context.Context, a *actor, in *addPrefixInput) (*answer[Prefix], error) {
	m, err := s.merchant(ctx, a, directory.ManageMerchants, in.Merchant)
	if err != nil {
		return nil, err
	}
	p, err := s.Directory.AllocatePrefix(ctx, a.by(), m.ID, directory.PrefixKind(in.Body.Kind))
	if err != nil {
		return nil, err
	}
	return ok(prefixView(p)), nil
}
