package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
)

// SubProviderSettings are the members of a sub-provider that can be set.
type SubProviderSettings struct {
	Name     string `json:"name,omitempty" doc:"名称" maxLength:"128"`
	Remark   string `json:"remark,omitempty" doc:"备注" maxLength:"255"`
	Rebate   int64  `json:"rebate,omitempty" doc:"返佣比例，百万分之一" minimum:"0" maximum:"1000000"`
	Disabled bool   `json:"disabled,omitempty" doc:"停用"`
}

// SubProvider is an agent of a provider (子服务商).
type SubProvider struct {
	ProviderID string `json:"out_mch_id"`
	ID         string `json:"sub_provider_id"`
	SubProviderSettings
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// SubProviderPath names the sub-provider of an operation.
type SubProviderPath struct {
	ProviderPath
	Sub string `path:"sub_provider_id" maxLength:"32"`
}

type addSubProviderInput struct {
	ProviderPath
	Body struct {
		ID string `json:"sub_provider_id,omitempty" doc:"编号，不填则自动分配" maxLength:"32"`
		SubProviderSettings
	}
}

type setSubProviderInput struct {
	SubProviderPath
	Body    SubProviderSettings
	RawBody []byte
}

func (s *Server) registerSubProviders() {
	const tag, path = "子服务商", "/v1/providers/{out_mch_id}/sub-providers"
	add(s, operation{id: "add-sub-provider", method: http.MethodPost, path: path, summary: "新建子服务商", tag: tag, status: http.StatusCreated}, s.addSubProvider)
	add(s, operation{id: "list-sub-providers", method: http.MethodGet, path: path, summary: "子服务商列表", tag: tag}, s.listSubProviders)
	add(s, operation{id: "set-sub-provider", method: http.MethodPatch, path: path + "/{sub_provider_id}", summary: "修改子服务商", tag: tag}, s.setSubProvider)
	add(s, operation{id: "delete-sub-provider", method: http.MethodDelete, path: path + "/{sub_provider_id}", summary: "删除子服务商", tag: tag}, s.deleteSubProvider)
}

func subProviderView(p directory.SubProvider) SubProvider {
	return SubProvider{ProviderID: p.ProviderID, ID: p.ID, SubProviderSettings: subProviderSettings(p), CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
}

func subProviderSettings(p directory.SubProvider) SubProviderSettings {
	return SubProviderSettings{Name: p.Name, Remark: p.Remark, Rebate: p.RebatePPM, Disabled: p.Disabled}
}

func (v SubProviderSettings) apply(p *directory.SubProvider) {
	p.Name, p.Remark, p.RebatePPM, p.Disabled = v.Name, v.Remark, v.Rebate, v.Disabled
}

func (s *Server) addSubProvider(ctx context.Context, a *actor, in *addSubProviderInput) (*answer[SubProvider], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	if in.Body.Name == "" {
		return nil, invalidField("body.name", "请填写名称")
	}
	p := directory.SubProvider{ProviderID: in.ID, ID: in.Body.ID}
	in.Body.apply(&p)
	made, err := s.Directory.CreateSubProvider(ctx, a.by(), p)
	if err != nil {
		return nil, err
	}
	return ok(subProviderView(made)), nil
}

func (s *Server) listSubProviders(ctx context.Context, a *actor, in *ProviderPath) (*answer[Page[SubProvider]], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	if _, err := s.Directory.Provider(ctx, in.ID); err != nil {
		return nil, err
	}
	list, err := s.Directory.SubProviders(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return whole(list, subProviderView), nil
}

func (s *Server) setSubProvider(ctx context.Context, a *actor, in *setSubProviderInput) (*answer[SubProvider], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	p, err := s.Directory.UpdateSubProvider(ctx, a.by(), in.ID, in.Sub, func(p *directory.SubProvider) error {
		v, err := merge(subProviderSettings(*p), in.RawBody)
		if err == nil {
			v.apply(p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ok(subProviderView(p)), nil
}

func (s *Server) deleteSubProvider(ctx context.Context, a *actor, in *SubProviderPath) (*struct{}, error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	return nil, s.Directory.DeleteSubProvider(ctx, a.by(), in.ID, in.Sub)
}

// whole is a list that needs no pages: the directory bounds it.
func whole[R, T any](rows []R, view func(R) T) *answer[Page[T]] {
	return pageOf(rows, len(rows), view, func(R) string { return "" })
}
