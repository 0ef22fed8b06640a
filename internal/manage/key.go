package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/secret"
)

// Key is a key of a merchant as it is shown: never itself.
type Key struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind" enum:"authen,public"`
	Fingerprint string     `json:"fingerprint" doc:"SHA-256 的前 16 位十六进制"`
	Current     bool       `json:"current"`
	Verifies    bool       `json:"verifies" doc:"现在是否仍可验证请求"`
	CreatedAt   time.Time  `json:"created_at"`
	EndsAt      *time.Time `json:"ends_at,omitempty" doc:"宽限期结束的时间"`
	SeenAt      *time.Time `json:"seen_at,omitempty" doc:"首次使用"`
}

// Rotated are a merchant's keys after a rotation.
type Rotated struct {
	Keys      []Key  `json:"keys"`
	AuthenKey string `json:"authen_key,omitempty" doc:"新生成的认证密钥，只显示这一次"`
}

type rotateInput struct {
	MerchantPath
	Body struct {
		NewAuthenKey  bool   `json:"new_authen_key,omitempty" doc:"生成新的认证密钥"`
		AuthenKey     string `json:"authen_key,omitempty" doc:"改用别处生成的认证密钥（32 位字母数字）" writeOnly:"true" maxLength:"32"`
		PublicKey     string `json:"public_key_pem,omitempty" doc:"新的签名公钥（RSA 2048）" maxLength:"2048"`
		DropPublicKey bool   `json:"drop_public_key,omitempty" doc:"去掉签名公钥"`
		GraceMinutes  int    `json:"grace_minutes,omitempty" doc:"旧密钥还能用几分钟，0 为立即失效" minimum:"0" maximum:"43200"`
	}
}

func (s *Server) registerKeys() {
	const tag, path = "密钥", "/v1/merchants/{out_sub_mch_id}/keys"
	add(s, operation{id: "list-keys", method: http.MethodGet, path: path, summary: "密钥的指纹和日期", tag: tag}, s.listKeys)
	add(s, operation{id: "rotate-keys", method: http.MethodPost, path: path, summary: "更换密钥", tag: tag, status: http.StatusCreated}, s.rotateKeys)
	add(s, operation{id: "end-grace", method: http.MethodDelete, path: path + "/old", summary: "立即停用宽限期内的旧密钥", tag: tag}, s.endGrace)
}

func (s *Server) keyViews(m *directory.Merchant) []Key {
	views := make([]Key, 0, len(m.Keys))
	for _, k := range m.Keys {
		views = append(views, Key{
			ID: k.ID, Kind: k.Kind, Fingerprint: k.Fingerprint(), Current: k.EndsAt.IsZero(), Verifies: k.Verifies(s.Now()),
			CreatedAt: k.CreatedAt, EndsAt: moment(k.EndsAt), SeenAt: moment(k.SeenAt),
		})
	}
	return views
}

func (s *Server) listKeys(ctx context.Context, a *actor, in *MerchantPath) (*answer[Page[Key]], error) {
	m, err := s.merchant(ctx, a, "", in.Merchant)
	if err != nil {
		return nil, err
	}
	return whole(s.keyViews(m), func(k Key) Key { return k }), nil
}

func (s *Server) rotateKeys(ctx context.Context, a *actor, in *rotateInput) (*answer[Rotated], error) {
	m, err := s.merchant(ctx, a, directory.ManageMerchants, in.Merchant)
	if err != nil {
		return nil, err
	}
	b := in.Body
	if !b.NewAuthenKey && b.AuthenKey == "" && b.PublicKey == "" && !b.DropPublicKey {
		return nil, invalidField("body", "请说明更换哪个密钥")
	}
	if b.NewAuthenKey && b.AuthenKey != "" || b.DropPublicKey && b.PublicKey != "" {
		return nil, invalidField("body", "同一种密钥只能选择一种更换方式")
	}
	m, err = s.Directory.RotateKeys(ctx, a.by(), m.ID, directory.Rotation{
		NewAuthenKey: b.NewAuthenKey, AuthenKey: secret.New(b.AuthenKey), PublicKeyPEM: b.PublicKey, DropPublicKey: b.DropPublicKey,
		Grace: time.Duration(b.GraceMinutes) * time.Minute,
	})
	if err != nil {
		return nil, err
	}
	out := Rotated{Keys: s.keyViews(m)}
	if b.NewAuthenKey {
		out.AuthenKey = m.AuthenKey.Reveal()
	}
	return ok(out), nil
}

func (s *Server) endGrace(ctx context.Context, a *actor, in *MerchantPath) (*answer[Rotated], error) {
	m, err := s.merchant(ctx, a, directory.ManageMerchants, in.Merchant)
	if err != nil {
		return nil, err
	}
	if m, err = s.Directory.EndGrace(ctx, a.by(), m.ID); err != nil {
		return nil, err
	}
	return ok(Rotated{Keys: s.keyViews(m)}), nil
}
