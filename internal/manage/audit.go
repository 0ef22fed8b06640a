package manage

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"cloudpay/internal/directory"
)

// record adds a line to the audit trail for what the directory does not see.
func (s *Server) record(ctx context.Context, a *actor, action, kind, id string, before, after any) error {
	return s.Directory.Record(ctx, a.by(), directory.Event{Action: action, ObjectKind: kind, ObjectID: id, Before: before, After: after})
}

// AuditLine is one line of the trail.
type AuditLine struct {
	ID         string          `json:"id"`
	At         time.Time       `json:"at"`
	ActorKind  string          `json:"actor_kind"`
	ActorID    string          `json:"actor_id"`
	ActorName  string          `json:"actor_name,omitempty"`
	Action     string          `json:"action"`
	ProviderID string          `json:"out_mch_id,omitempty"`
	MerchantID string          `json:"out_sub_mch_id,omitempty"`
	ObjectKind string          `json:"object_kind,omitempty"`
	ObjectID   string          `json:"object_id,omitempty"`
	Before     json.RawMessage `json:"before,omitempty" doc:"变更前，密钥已隐去"`
	After      json.RawMessage `json:"after,omitempty" doc:"变更后，密钥已隐去"`
}

type auditInput struct {
	PageQuery
	ProviderID string    `query:"out_mch_id" maxLength:"32"`
	MerchantID string    `query:"out_sub_mch_id" maxLength:"32"`
	ObjectKind string    `query:"object_kind" maxLength:"32"`
	ObjectID   string    `query:"object_id" maxLength:"120"`
	ActorID    string    `query:"actor_id" maxLength:"120"`
	From       time.Time `query:"from" doc:"从何时起（含）"`
	To         time.Time `query:"to" doc:"到何时止（不含）"`
}

func (s *Server) registerAudit() {
	add(s, operation{id: "list-audit", method: http.MethodGet, path: "/v1/audit", summary: "审计日志，新的在前", tag: "审计"}, s.listAudit)
}

// listAudit shows the trail to whoever administers the provider or merchant
// that it is about.
func (s *Server) listAudit(ctx context.Context, a *actor, in *auditInput) (*answer[Page[AuditLine]], error) {
	f := directory.AuditFilter{
		ProviderID: in.ProviderID, MerchantID: in.MerchantID, ObjectKind: in.ObjectKind, ObjectID: in.ObjectID,
		ActorID: in.ActorID, From: in.From, To: in.To, Before: in.After, Limit: in.Limit + 1,
	}
	switch a.Grants.Role {
	case RoleOperator, directory.RoleOps:
		if a.Grants.ProviderID != "" {
			f.ProviderID = a.Grants.ProviderID
		}
	case directory.RoleProvider:
		f.ProviderID = a.Grants.ProviderID
		if in.ProviderID != "" && in.ProviderID != a.Grants.ProviderID {
			return nil, errForeign
		}
	case directory.RoleBoss:
		f.MerchantID = a.Grants.MerchantIDs[0]
		if in.MerchantID != "" && in.MerchantID != f.MerchantID {
			return nil, errForeign
		}
	case directory.RoleSubProvider, directory.RoleManager, directory.RoleCashier, directory.RoleFinance, directory.RoleDeveloper, directory.RoleVendor:
		return nil, errRole
	default:
		return nil, errRole
	}
	rows, err := s.Directory.Audit(ctx, f)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, in.Limit, auditView, func(r directory.AuditRow) string { return r.ID }), nil
}

func auditView(r directory.AuditRow) AuditLine {
	return AuditLine{
		ID: r.ID, At: r.At, ActorKind: string(r.ActorKind), ActorID: r.ActorID, ActorName: r.ActorName, Action: r.Action,
		ProviderID: r.ProviderID, MerchantID: r.MerchantID, ObjectKind: r.ObjectKind, ObjectID: r.ObjectID,
		Before: rawJSON(r.Before), After: rawJSON(r.After),
	}
}

// rawJSON passes a stored JSON text on, nothing for none.
func rawJSON(text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return nil
	}
	return json.RawMessage(text)
}
