package manage

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"cloudpay/internal/directory"
)

// ProviderSettings are the members of a provider that can be set. In a PATCH,
// what is absent stays as it is and "" clears.
type ProviderSettings struct {
	Name            string                    `json:"name,omitempty" doc:"名称" maxLength:"128"`
	NotifyURL       string                    `json:"notify_url,omitempty" doc:"交易完成回调 URL" maxLength:"255"`
	RefundNotifyURL string                    `json:"refund_notify_url,omitempty" doc:"退款回调 URL，空为同上" maxLength:"255"`
	Disabled        bool                      `json:"disabled,omitempty" doc:"停用：其子商户的请求都被拒绝"`
	Profile         directory.ProviderProfile `json:"profile,omitzero" doc:"资料"`
}

// Provider is a service provider (服务商).
type Provider struct {
	ID string `json:"out_mch_id"`
	ProviderSettings
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ProviderPath names the provider of an operation.
type ProviderPath struct {
	ID string `path:"out_mch_id" maxLength:"32"`
}

type addProviderInput struct {
	Body struct {
		ID string `json:"out_mch_id,omitempty" doc:"服务商编号，不填则自动分配" maxLength:"32"`
		ProviderSettings
	}
}

type setProviderInput struct {
	ProviderPath
	Body    ProviderSettings
	RawBody []byte
}

func (s *Server) registerProviders() {
	const tag = "服务商"
	add(s, operation{id: "add-provider", method: http.MethodPost, path: "/v1/providers", summary: "新建服务商", tag: tag, status: http.StatusCreated}, s.addProvider)
	add(s, operation{id: "list-providers", method: http.MethodGet, path: "/v1/providers", summary: "服务商列表", tag: tag}, s.listProviders)
	add(s, operation{id: "get-provider", method: http.MethodGet, path: "/v1/providers/{out_mch_id}", summary: "服务商", tag: tag}, s.getProvider)
	add(s, operation{id: "set-provider", method: http.MethodPatch, path: "/v1/providers/{out_mch_id}", summary: "修改服务商", tag: tag}, s.setProvider)
}

func providerView(p directory.Provider) Provider {
	return Provider{ID: p.ID, ProviderSettings: providerSettings(p), CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
}

func providerSettings(p directory.Provider) ProviderSettings {
	return ProviderSettings{Name: p.Name, NotifyURL: p.NotifyURL, RefundNotifyURL: p.RefundNotifyURL, Disabled: p.Disabled, Profile: p.Profile}
}

func (v ProviderSettings) apply(p *directory.Provider) {
	p.Name, p.NotifyURL, p.RefundNotifyURL, p.Disabled, p.Profile = v.Name, v.NotifyURL, v.RefundNotifyURL, v.Disabled, v.Profile
}

// merge overlays the members that a PATCH names on what is stored: absent
// differs from empty. A list that is named is the whole list.
func merge[T any](stored T, raw []byte) (T, error) {
	var named T
	if err := json.Unmarshal(raw, &named); err != nil {
		return stored, invalidField("body", "请求体不是有效的 JSON")
	}
	dropLists(reflect.ValueOf(&stored).Elem(), reflect.ValueOf(&named).Elem())
	if err := json.Unmarshal(raw, &stored); err != nil {
		return stored, invalidField("body", "请求体不是有效的 JSON")
	}
	return stored, nil
}

// dropLists empties the lists of stored that named has. encoding/json would
// decode into their elements and keep what these had and the new ones have not.
func dropLists(stored, named reflect.Value) {
	if stored.Kind() == reflect.Slice && !named.IsNil() {
		stored.SetZero()
	}
	if stored.Kind() != reflect.Struct {
		return
	}
	for i := range stored.NumField() {
		if stored.Field(i).CanSet() {
			dropLists(stored.Field(i), named.Field(i))
		}
	}
}

// ownsProvider reports whether the actor administers the provider itself.
func (a *actor) ownsProvider(id string) error {
	if a.Grants.Role != directory.RoleProvider {
		return a.operator()
	}
	return a.within(target{provider: id})
}

func (s *Server) addProvider(ctx context.Context, a *actor, in *addProviderInput) (*answer[Provider], error) {
	if err := a.operator(); err != nil {
		return nil, err
	}
	if in.Body.Name == "" {
		return nil, invalidField("body.name", "请填写名称")
	}
	p := directory.Provider{ID: in.Body.ID}
	in.Body.apply(&p)
	made, err := s.Directory.CreateProvider(ctx, a.by(), p)
	if err != nil {
		return nil, err
	}
	return ok(providerView(*made)), nil
}

func (s *Server) listProviders(ctx context.Context, a *actor, in *PageQuery) (*answer[Page[Provider]], error) {
	if a.Grants.Role == directory.RoleProvider {
		p, err := s.Directory.Provider(ctx, a.Grants.ProviderID)
		if err != nil {
			return nil, err
		}
		return pageOf([]directory.Provider{*p}, in.Limit, providerView, func(p directory.Provider) string { return p.ID }), nil
	}
	if err := a.operator(); err != nil {
		return nil, err
	}
	rows, err := s.Directory.Providers(ctx, in.After, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, in.Limit, providerView, func(p directory.Provider) string { return p.ID }), nil
}

func (s *Server) getProvider(ctx context.Context, a *actor, in *ProviderPath) (*answer[Provider], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	p, err := s.Directory.Provider(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(providerView(*p)), nil
}

func (s *Server) setProvider(ctx context.Context, a *actor, in *setProviderInput) (*answer[Provider], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	p, err := s.Directory.UpdateProvider(ctx, a.by(), in.ID, func(p *directory.Provider) error {
		v, err := merge(providerSettings(*p), in.RawBody)
		if err != nil {
			return err
		}
		if v.Disabled != p.Disabled {
			if err := a.operator(); err != nil {
				return err
			}
		}
		v.apply(p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok(providerView(*p)), nil
}
