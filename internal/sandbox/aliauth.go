package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The methods about authorisation (upstreams.md §4.2).
const (
	methodAppToken      = "alipay.open.auth.token.app"       //nolint:gosec // the name of a method
	methodAppTokenQuery = "alipay.open.auth.token.app.query" //nolint:gosec // the name of a method
	methodLoginToken    = "alipay.system.oauth.token"
)

// aliMerchantOf finds whom a token speaks for. The tokens of the accounts are
// good until they are revoked; those handed out since have a life.
func (s *Sandbox) aliMerchantOf(app *aliApp, token string) (AlipayMerchant, aliAnswer) {
	if g, known := s.tokens.find(token); known {
		switch {
		case g.appID != app.account.AppID:
		case g.usedMS > 0: // revoked
			return AlipayMerchant{}, aliRefuse("20001", "aop.invalid-app-auth-token", "应用授权令牌已失效")
		case !g.good(s.c.Now().UnixMilli()):
			return AlipayMerchant{}, aliRefuse("20001", "aop.app-auth-token-time-out", "应用授权令牌已过期")
		default:
			return AlipayMerchant{AppAuthToken: token, UserID: g.subject}, aliAnswer{}
		}
	} else if m, known := app.merchants[token]; known {
		return m, aliAnswer{}
	}
	return AlipayMerchant{}, aliRefuse("20001", "aop.invalid-app-auth-token", "无效的应用授权令牌")
}

// aliAppToken turns an app_auth_code, or a refresh token, into an
// app_auth_token, alipay.open.auth.token.app. A refreshed token stays good for
// its grace (upstreams.md §4.2).
func (s *Sandbox) aliAppToken(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	get, appID := aliOption(r.biz.raw), r.app.account.AppID
	fresh := grant{kind: grantAppToken, appID: appID}
	var old grant
	switch get("grant_type") {
	case "authorization_code":
		code, state, err := tx.useGrant(ctx, grantAppCode, appID, get("code"))
		if err != nil {
			return aliAnswer{}, err
		}
		if state != codeGood {
			return aliRefuse("40002", "isv.code-invalid", "授权码code无效"), nil
		}
		fresh.subject = code.subject
	case "refresh_token":
		var found bool
		var err error
		old, found, err = tx.grantWhere(ctx, "refresh = ? AND kind = ? AND app_id = ?", get("refresh_token"), grantAppToken, appID)
		if err != nil {
			return aliAnswer{}, err
		}
		if get("refresh_token") == "" || !found || old.usedMS > 0 {
			return aliRefuse("40002", "isv.refresh-token-invalid", "刷新令牌refresh_token无效"), nil
		}
		fresh.subject = old.subject
	default:
		return aliRefuse("40002", "isv.grant-type-invalid", "grant_type参数不正确"), nil
	}
	fresh.value, fresh.refresh = newAppToken(tx.now), newAppToken(tx.now)
	if old.value != "" {
		old.refresh, old.untilMS = "", tx.now.Add(appTokenGrace).UnixMilli()
		if err := s.keepToken(ctx, tx, old); err != nil {
			return aliAnswer{}, err
		}
	}
	if err := s.keepToken(ctx, tx, fresh); err != nil {
		return aliAnswer{}, err
	}
	var one aliObject
	one = one.with("app_auth_token", fresh.value)
	one = one.with("app_refresh_token", fresh.refresh)
	one = one.with("auth_app_id", authAppID(fresh.subject))
	one = one.withRaw("expires_in", seconds(366*24*time.Hour))
	one = one.withRaw("re_expires_in", seconds(appTokenGrace))
	one = one.with("user_id", fresh.subject)
	return aliAnswer{fields: append(slices.Clone(one), aliMember{"tokens", "[" + string(one.encode()) + "]"})}, nil
}

// newAppToken is a token in Alipay's form: the month, BB and 32 characters.
func newAppToken(now time.Time) string {
	return now.In(beijing).Format("200601") + "BB" + randomHex(16)
}

// seconds writes a span as Alipay does.
func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// keepToken writes a token down and lets the calls to come see it. They see it
// a moment before it is on disk, and after a failed commit until the next
// start: a token nobody was told.
func (s *Sandbox) keepToken(ctx context.Context, tx *txn, g grant) error {
	g.madeMS = tx.nowMS()
	if err := tx.insertGrant(ctx, g); err != nil {
		return err
	}
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	s.tokens.list[g.value] = g
	return nil
}

// aliAppTokenQuery tells about an app_auth_token, alipay.open.auth.token.app.query.
func (s *Sandbox) aliAppTokenQuery(_ context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	token := aliOption(r.biz.raw)("app_auth_token")
	g, known := s.tokens.find(token)
	if !known {
		m, account := r.app.merchants[token]
		if !account {
			return failed("APP_AUTH_TOKEN_NOT_EXIST", "应用授权令牌不存在"), nil
		}
		g = grant{appID: r.app.account.AppID, subject: m.UserID}
	}
	if g.appID != r.app.account.AppID {
		return failed("APP_AUTH_TOKEN_NOT_EXIST", "应用授权令牌不存在"), nil
	}
	status := "valid"
	if g.usedMS > 0 || !g.good(tx.nowMS()) {
		status = "invalid"
	}
	end := g.untilMS
	if end == 0 {
		end = tx.now.AddDate(1, 0, 0).UnixMilli()
	}
	var out aliAnswer
	out.fields = out.fields.with("user_id", g.subject)
	out.fields = out.fields.with("auth_app_id", authAppID(g.subject))
	out.fields = out.fields.withRaw("expires_in", seconds(time.Duration(max(0, end-tx.nowMS()))*time.Millisecond))
	out.fields = out.fields.withRaw("auth_methods", `["alipay.trade.pay","alipay.trade.precreate","alipay.trade.create","alipay.trade.refund"]`)
	out.fields = out.fields.with("auth_start", at(g.madeMS).Format(longDay))
	out.fields = out.fields.with("auth_end", at(end).Format(longDay))
	out.fields = out.fields.with("status", status)
	return out, nil
}

// aliLoginToken tells an application who signed in, alipay.system.oauth.token.
// Its parameters stand beside biz_content; a success has no code, and a refusal
// comes under error_response.
func (s *Sandbox) aliLoginToken(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	appID, refused := r.app.account.AppID, func(sub, text string) (aliAnswer, error) {
		out := aliRefuse("40002", sub, text)
		out.key = "error_response"
		return out, nil
	}
	var who grant
	switch r.params["grant_type"] {
	case "authorization_code":
		code, state, err := tx.useGrant(ctx, grantLoginCode, appID, r.params["code"])
		if err != nil {
			return aliAnswer{}, err
		}
		if state != codeGood {
			return refused("isv.code-invalid", "授权码code无效")
		}
		who = code
	case "refresh_token":
		old, found, err := tx.grantWhere(ctx, "refresh = ? AND kind = ? AND app_id = ?", r.params["refresh_token"], grantLoginToken, appID)
		if err != nil {
			return aliAnswer{}, err
		}
		if !found || r.params["refresh_token"] == "" {
			return refused("isv.refresh-token-invalid", "刷新令牌refresh_token无效")
		}
		who = old
	default:
		return refused("isv.grant-type-invalid", "grant_type参数不正确")
	}
	token := grant{
		value: "auth" + randomHex(16), kind: grantLoginToken, appID: appID, subject: who.subject, scope: who.scope,
		refresh: "refresh" + randomHex(16), untilMS: tx.now.Add(loginTokenLife).UnixMilli(),
	}
	if err := tx.insertGrant(ctx, token); err != nil {
		return aliAnswer{}, err
	}
	out := aliAnswer{bare: true}
	out.fields = out.fields.with("user_id", buyerID(who.subject))
	out.fields = out.fields.with("open_id", buyerOpenID(appID, who.subject))
	out.fields = out.fields.with("access_token", token.value)
	out.fields = out.fields.withRaw("expires_in", seconds(loginTokenLife))
	out.fields = out.fields.with("refresh_token", token.refresh)
	out.fields = out.fields.withRaw("re_expires_in", seconds(2*loginTokenLife))
	out.fields = out.fields.with("auth_start", at(tx.nowMS()).Format(longDay))
	return out, nil
}

// RevokeAlipay withdraws an app_auth_token, as its merchant would in Alipay's
// console: every call with it is refused from then on. The error wraps
// ErrNotFound.
func (s *Sandbox) RevokeAlipay(ctx context.Context, token string) error {
	g, known := s.tokens.find(token)
	for appID, app := range s.ali {
		if m, account := app.merchants[token]; account && !known {
			g, known = grant{value: token, kind: grantAppToken, appID: appID, subject: m.UserID}, true
		}
	}
	if !known {
		return fmt.Errorf("app_auth_token: %w", ErrNotFound)
	}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.keepToken(ctx, tx, g); err != nil {
			return err
		}
		return tx.exec(ctx, "UPDATE grants SET used_ms = ? WHERE value = ?", tx.nowMS(), token)
	})
	if err != nil {
		return fmt.Errorf("revoke app_auth_token: %w", err)
	}
	return s.run(ctx, s.tokens.load)
}

// postAlipayRevocation is RevokeAlipay.
func (s *Sandbox) postAlipayRevocation(r *http.Request) (int, any, error) {
	var in struct {
		Token string `json:"app_auth_token"`
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Token == "" {
		return 0, nil, errors.Join(ErrInvalid, errors.New("app_auth_token is empty"))
	}
	return http.StatusNoContent, nil, s.RevokeAlipay(r.Context(), in.Token)
}
