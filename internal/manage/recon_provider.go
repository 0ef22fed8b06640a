package manage

import (
	"context"
	"net/http"
	"strings"

	"cloudpay/internal/pay"
	"cloudpay/internal/recon"
	"cloudpay/internal/store"
)

// ProviderSpan is a span of days of a provider.
type ProviderSpan struct {
	ProviderPath
	Days
	State string `query:"state" doc:"只列出此状态的" enum:"open,explained"`
}

type unclaimedInput struct {
	ProviderPath
	Body struct {
		Channel string `json:"channel" enum:"wxpay,alipay"`
		Item    string `json:"item" doc:"如列表所示" minLength:"1" maxLength:"400"`
		Why     string `json:"why" doc:"原因，与处理人一同留存" minLength:"1" maxLength:"200"`
	}
}

func (s *Server) registerUnclaimed() {
	const tag, path = "对账", "/v1/providers/{out_mch_id}/recon"
	add(s, operation{id: "list-unclaimed", method: http.MethodGet, path: path + "/unclaimed", summary: "多个商户共用的账户中，不属于任何商户的账单明细", tag: tag}, s.listUnclaimed)
	add(s, operation{id: "explain-unclaimed", method: http.MethodPost, path: path + "/explain", summary: "说明无主的账单明细", tag: tag}, s.explainUnclaimed)
}

// listUnclaimed lists what the accounts of a provider have that is of none of
// the merchants who share them.
func (s *Server) listUnclaimed(ctx context.Context, a *actor, in *ProviderSpan) (*answer[Page[Difference]], error) {
	if err := s.provider(ctx, a, in.ID); err != nil {
		return nil, err
	}
	return s.differences(ctx, store.DiffFilter{MerchantID: store.OfProvider(in.ID), State: in.State}, in.Days, s.unclaimedView)
}

// unclaimedView is a difference that is of no merchant.
func (s *Server) unclaimedView(d store.Diff) Difference {
	d.MerchantID = ""
	return s.differenceView(d)
}

func (s *Server) explainUnclaimed(ctx context.Context, a *actor, in *unclaimedInput) (*answer[Difference], error) {
	if err := s.provider(ctx, a, in.ID); err != nil {
		return nil, err
	}
	d, err := s.Recon.Repair(ctx, recon.Repair{
		DiffKey: store.DiffKey{MerchantID: store.OfProvider(in.ID), Channel: pay.Channel(in.Body.Channel), Item: in.Body.Item, Type: store.WalletMore},
		By:      a.by(), Why: strings.TrimSpace(in.Body.Why), Explain: true,
	})
	if err != nil {
		return nil, err
	}
	return ok(s.unclaimedView(d)), nil
}

// provider checks that a provider exists and is the actor's own.
func (s *Server) provider(ctx context.Context, a *actor, id string) error {
	if err := a.ownsProvider(id); err != nil {
		return err
	}
	_, err := s.Directory.Provider(ctx, id)
	return err
}
