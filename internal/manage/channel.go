package manage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/wallets"
)

// ChannelKey is one certificate or key of an account, by name only.
type ChannelKey struct {
	Role   string     `json:"role" enum:"ours,platform,public_key,root" doc:"ours 己方证书或密钥，platform 平台证书，public_key 平台公钥，root 根证书"`
	Serial string     `json:"serial,omitempty" doc:"序列号、公钥 ID 或指纹"`
	From   *time.Time `json:"valid_from,omitempty" doc:"生效时间"`
	Until  *time.Time `json:"valid_until,omitempty" doc:"不填为不过期"`
	Used   *time.Time `json:"last_verified_at,omitempty" doc:"最近一次用它验签成功"`
}

// ChannelFailure is the last call that went wrong.
type ChannelFailure struct {
	At   time.Time `json:"at" doc:"时间"`
	Call string    `json:"call" doc:"哪个调用"`
	Kind string    `json:"kind" doc:"timeout、signature 等，或渠道的错误码"`
}

// ChannelWarning is something that somebody should know.
type ChannelWarning struct {
	Code string `json:"code" enum:"unusable,key_ends,unverified,quiet,failed,refresh"`
	Text string `json:"text" doc:"说明"`
}

// Channel is how a provider's account at one wallet is.
type Channel struct {
	ProviderID     string           `json:"out_mch_id"`
	Channel        string           `json:"channel" enum:"wxpay,alipay"`
	API            string           `json:"api,omitempty" doc:"未作选择的子商户使用的接口"`
	Keys           []ChannelKey     `json:"keys"`
	Verified       *time.Time       `json:"last_verified_at,omitempty" doc:"最近一次验签成功的应答或通知"`
	Failure        *ChannelFailure  `json:"last_failure,omitempty" doc:"最近一次失败的调用"`
	Refreshed      *time.Time       `json:"certificates_fetched_at,omitempty" doc:"最近一次下载平台证书"`
	RefreshFailure string           `json:"certificates_failure,omitempty" doc:"最近一次下载失败的原因"`
	Told           *time.Time       `json:"told_at,omitempty" doc:"服务进程最近一次上报"`
	Warnings       []ChannelWarning `json:"warnings" doc:"需要处理的事项"`
	Silent         []Silence        `json:"silent,omitempty" doc:"渠道对哪些子商户没有应答（本进程所见）"`
}

// Silence is a wallet that does not answer for a merchant.
type Silence struct {
	MerchantID string    `json:"out_sub_mch_id"`
	Kind       string    `json:"kind" enum:"settle,refund,refund_ask" doc:"哪一类调用"`
	Since      time.Time `json:"since" doc:"从何时起"`
	Failures   int       `json:"failures" doc:"连续无应答的次数"`
	NextTry    time.Time `json:"next_try_at" doc:"下一次尝试"`
}

// Rehearsal is a rehearsal that an account has passed.
type Rehearsal struct {
	Passed bool     `json:"passed" doc:"演练是否通过"`
	APIs   []string `json:"apis,omitempty" doc:"验签通过的接口"`
}

type listChannelsInput struct {
	ProviderID string `query:"out_mch_id" doc:"只看这个服务商" maxLength:"32"`
}

type rehearseInput struct {
	AccountPath
	Body struct {
		Wechat *WechatAccount `json:"wxpay,omitempty" doc:"channel 为 wxpay 时；都不填则演练已保存的账户"`
		Alipay *AlipayAccount `json:"alipay,omitempty" doc:"channel 为 alipay 时"`
	}
}

func (s *Server) registerChannels() {
	const tag = "渠道账户"
	add(s, operation{id: "list-channels", method: http.MethodGet, path: "/v1/channels", summary: "渠道账户的状况", tag: tag}, s.listChannels)
	add(s, operation{
		id: "rehearse-account", method: http.MethodPost, path: "/v1/providers/{out_mch_id}/accounts/{channel}/rehearsal",
		summary: "演练渠道账户：向渠道提问并验签，不保存", tag: tag,
	}, s.rehearseAccount)
}

func channelView(st wallets.Status) Channel {
	v := Channel{
		ProviderID: st.ProviderID, Channel: string(st.Channel), API: st.API, Keys: make([]ChannelKey, 0, len(st.Keys)),
		Verified: moment(st.Verified), Refreshed: moment(st.Refreshed), RefreshFailure: st.RefreshFailure,
		Told: moment(st.Written), Warnings: make([]ChannelWarning, 0, len(st.Warnings)),
	}
	for _, w := range st.Warnings {
		v.Warnings = append(v.Warnings, ChannelWarning{Code: w.Code, Text: w.Text})
	}
	for _, k := range st.Keys {
		v.Keys = append(v.Keys, ChannelKey{Role: string(k.Role), Serial: k.Serial, From: moment(k.From), Until: moment(k.Until), Used: moment(k.Used)})
	}
	if f := st.Failure; !f.At.IsZero() {
		v.Failure = &ChannelFailure{At: f.At.UTC(), Call: f.Call, Kind: f.Kind}
	}
	return v
}

// listChannels shows the accounts of the caller's provider, or of all.
func (s *Server) listChannels(ctx context.Context, a *actor, in *listChannelsInput) (*answer[Page[Channel]], error) {
	if in.ProviderID == "" && a.Grants.Role == directory.RoleProvider {
		in.ProviderID = a.Grants.ProviderID
	}
	if err := a.keepsRunning(); err != nil {
		if err := a.ownsProvider(in.ProviderID); err != nil {
			return nil, err
		}
	}
	if in.ProviderID != "" {
		if _, err := s.Directory.Provider(ctx, in.ProviderID); err != nil {
			return nil, err
		}
	}
	var list []wallets.Status
	if s.Wallets != nil {
		var err error
		if list, err = s.Wallets.Status(ctx, in.ProviderID); err != nil {
			return nil, err
		}
	}
	silent, err := s.silences(ctx)
	if err != nil {
		return nil, err
	}
	return whole(list, func(st wallets.Status) Channel {
		v := channelView(st)
		v.Silent = silent[st.ProviderID+"/"+string(st.Channel)]
		return v
	}), nil
}

// silences are the wallets that do not answer, by provider and channel.
func (s *Server) silences(ctx context.Context) (map[string][]Silence, error) {
	by := map[string][]Silence{}
	for _, v := range s.Gateway.Silent() {
		m, err := s.Directory.Merchant(ctx, v.MerchantID)
		if err != nil {
			return nil, err
		}
		k := m.ProviderID + "/" + string(v.Channel)
		by[k] = append(by[k], Silence{MerchantID: v.MerchantID, Kind: v.Kind, Since: v.Since, Failures: v.Failures, NextTry: v.NextTry})
	}
	return by, nil
}

// rehearseAccount tries an account, stored or not, and stores nothing.
func (s *Server) rehearseAccount(ctx context.Context, a *actor, in *rehearseInput) (*answer[Rehearsal], error) {
	if err := a.ownsProvider(in.ID); err != nil {
		return nil, err
	}
	var candidate *directory.Account
	var err error
	if in.Body.Wechat == nil && in.Body.Alipay == nil {
		candidate, err = s.Directory.Account(ctx, in.ID, pay.Channel(in.Channel))
	} else {
		candidate, err = s.candidate(ctx, a, in.AccountPath, in.Body.Wechat, in.Body.Alipay)
	}
	if err != nil {
		return nil, err
	}
	apis, err := s.rehearse(ctx, candidate)
	if err != nil {
		return nil, err
	}
	return ok(Rehearsal{Passed: true, APIs: apis}), nil
}

// rehearse tries an account with one of the provider's merchants.
func (s *Server) rehearse(ctx context.Context, acc *directory.Account) ([]string, error) {
	if s.Wallets == nil {
		return nil, pay.Refuse(pay.ErrUnavailable, "no_wallets", "这里不能演练渠道账户")
	}
	m, err := s.someMerchant(ctx, acc)
	if err != nil {
		return nil, err
	}
	return s.Wallets.Rehearse(ctx, acc, m)
}

// someMerchant is a merchant of the account's provider as the wallet names it;
// empty when it has none yet.
func (s *Server) someMerchant(ctx context.Context, acc *directory.Account) (channel.Merchant, error) {
	const most = 50 // merchants that have no id at this wallet
	lines, err := s.Directory.Merchants(ctx, directory.MerchantFilter{ProviderID: acc.ProviderID, Limit: most})
	if err != nil {
		return channel.Merchant{}, err
	}
	for _, line := range lines {
		m, err := s.Directory.Merchant(ctx, line.ID)
		switch {
		case errors.Is(err, pay.ErrNotFound):
		case err != nil:
			return channel.Merchant{}, err
		case acc.Channel == pay.Wxpay && m.Wx.SubMchID != "":
			return channel.Merchant{SubMchID: m.Wx.SubMchID, SubAppID: m.Wx.SubAppID}, nil
		case acc.Channel == pay.Alipay && !m.Ali.AppAuthToken.IsZero():
			return channel.Merchant{AppAuthToken: m.Ali.AppAuthToken, SellerID: m.Ali.SellerID}, nil
		}
	}
	return channel.Merchant{}, nil
}
