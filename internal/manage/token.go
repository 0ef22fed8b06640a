package manage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
)

// Token is a bearer token as everybody may see it: without itself.
type Token struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Grants    Grants     `json:"grants"`
	CreatedBy string     `json:"created_by"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	UsedAt    *time.Time `json:"used_at,omitempty" doc:"最近使用，精确到分钟"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

// NewToken is a token that has just been made: the only time that it is shown.
type NewToken struct {
	Token
	Value string `json:"token" doc:"只显示这一次"`
}

type addTokenInput struct {
	Body struct {
		Name   string `json:"name" doc:"给人看的名称" minLength:"1" maxLength:"64"`
		Grants Grants `json:"grants"`
		Days   int    `json:"days,omitempty" doc:"有效天数，0 为长期有效" minimum:"0" maximum:"3650"`
	}
}

// TokenPath names the token of an operation.
type TokenPath struct {
	ID string `path:"id" maxLength:"40"`
}

func (s *Server) registerTokens() {
	const tag = "令牌"
	add(s, operation{id: "add-token", method: http.MethodPost, path: "/v1/tokens", summary: "新建令牌", tag: tag, status: http.StatusCreated}, s.addToken)
	add(s, operation{id: "list-tokens", method: http.MethodGet, path: "/v1/tokens", summary: "令牌列表", tag: tag}, s.listTokens)
	add(s, operation{id: "get-token", method: http.MethodGet, path: "/v1/tokens/{id}", summary: "令牌", tag: tag}, s.getToken)
	add(s, operation{id: "revoke-token", method: http.MethodDelete, path: "/v1/tokens/{id}", summary: "吊销令牌", tag: tag}, s.revokeToken)
	add(s, operation{id: "whoami", method: http.MethodGet, path: "/v1/whoami", summary: "当前令牌的身份", tag: tag}, s.whoAmI)
}

func (s *Server) addToken(ctx context.Context, a *actor, in *addTokenInput) (*answer[NewToken], error) {
	if err := a.operator(); err != nil {
		return nil, err
	}
	if err := in.Body.Grants.check(); err != nil {
		return nil, err
	}
	grants, err := json.Marshal(in.Body.Grants)
	if err != nil {
		return nil, fmt.Errorf("encode grants: %w", err)
	}
	value, hash, err := newToken()
	if err != nil {
		return nil, err
	}
	row := store.Token{
		ID: "tk_" + strings.ToLower(rand.Text()[:16]), Hash: hash, Name: in.Body.Name, Grants: string(grants),
		CreatedBy: a.by().String(), CreatedAt: s.Now().UTC().Truncate(time.Millisecond),
	}
	if in.Body.Days > 0 {
		row.ExpiresAt = row.CreatedAt.AddDate(0, 0, in.Body.Days)
	}
	won, err := s.Store.AddToken(ctx, row)
	if err != nil {
		return nil, err
	}
	if !won {
		return nil, pay.Refuse(pay.ErrUnavailable, "busy", "系统繁忙，请重试")
	}
	if err := s.record(ctx, a, "token.add", "token", row.ID, nil, in.Body.Grants); err != nil {
		return nil, err
	}
	return ok(NewToken{Token: tokenView(row), Value: value.Reveal()}), nil
}

func (s *Server) listTokens(ctx context.Context, a *actor, in *PageQuery) (*answer[Page[Token]], error) {
	if err := a.operator(); err != nil {
		return nil, err
	}
	rows, err := s.Store.Tokens(ctx, in.After, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, in.Limit, tokenView, func(t store.Token) string { return t.ID }), nil
}

func (s *Server) getToken(ctx context.Context, a *actor, in *TokenPath) (*answer[Token], error) {
	if err := a.operator(); err != nil && a.ID != in.ID {
		return nil, err
	}
	t, err := s.Store.Token(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(tokenView(t)), nil
}

func (s *Server) revokeToken(ctx context.Context, a *actor, in *TokenPath) (*answer[Token], error) {
	if err := a.operator(); err != nil && a.ID != in.ID {
		return nil, err
	}
	won, err := s.Store.RevokeToken(ctx, in.ID, s.Now())
	if err != nil {
		return nil, err
	}
	if won {
		if err := s.record(ctx, a, "token.revoke", "token", in.ID, nil, nil); err != nil {
			return nil, err
		}
	}
	t, err := s.Store.Token(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(tokenView(t)), nil
}

// WhoAmI is the caller as the server sees it.
type WhoAmI struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Grants Grants `json:"grants"`
}

func (s *Server) whoAmI(_ context.Context, a *actor, _ *struct{}) (*answer[WhoAmI], error) {
	return ok(WhoAmI{ID: a.ID, Name: a.Name, Kind: string(a.Kind), Grants: a.Grants}), nil
}

func tokenView(t store.Token) Token {
	v := Token{
		ID: t.ID, Name: t.Name, CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt,
		ExpiresAt: moment(t.ExpiresAt), UsedAt: moment(t.UsedAt), RevokedAt: moment(t.RevokedAt),
	}
	// An unreadable row shows no grants, and authenticates nobody.
	_ = json.Unmarshal([]byte(t.Grants), &v.Grants)
	return v
}

// moment is a time in an answer, absent when it has not happened.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
