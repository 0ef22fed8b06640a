package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

// merchantCmd manages sub-merchants.
type merchantCmd struct {
	Add     merchantAddCmd     `cmd:"" help:"Add a sub-merchant (子商户); prints its ids, prefixes and, once, its keys."`
	List    merchantListCmd    `cmd:"" help:"List merchants."`
	Show    merchantShowCmd    `cmd:"" help:"Show a merchant: of keys, fingerprints and dates only."`
	Set     merchantSetCmd     `cmd:"" help:"Change a merchant; what is not named stays, an empty value clears."`
	Disable merchantDisableCmd `cmd:"" help:"Refuse a merchant's requests."`
	Enable  merchantEnableCmd  `cmd:"" help:"Undo disable."`
	Delete  merchantDeleteCmd  `cmd:"" help:"Delete a merchant without trade in 30 days; its history stays."`
	Till    merchantTillCmd    `cmd:"" help:"Write the file with which 'cloudpay pay --account FILE' is a till of the merchant."`
}

// merchantFlags are the members of a merchant.
type merchantFlags struct {
	Name           *string `name:"name" help:"Name (名称)."`
	SubProvider    *string `name:"sub-provider" help:"sub_provider_id."`
	DefaultBody    *string `name:"default-body" help:"What a customer reads when an order names nothing."`
	NotifyURL      *string `name:"notify-url" placeholder:"URL" help:"Where payments are told; the provider's without it."`
	WxSubMchID     *string `name:"wx-sub-mch-id" help:"WeChat Pay: 子商户号."`
	WxSubAppID     *string `name:"wx-sub-app-id" help:"WeChat Pay: the merchant's AppID."`
	WxAPI          *string `name:"wx-api" enum:"v2,v3," help:"WeChat Pay: v2 or v3; empty for what the provider's account says."`
	AliSellerID    *string `name:"ali-seller-id" help:"Alipay: the merchant's PID (2088…)."`
	AliTokenFile   string  `name:"ali-token-file" placeholder:"FILE" help:"Alipay: file with the app_auth_token, - for standard input."`
	RefundMustSign *bool   `name:"refund-must-sign" negatable:"" help:"退款必须签名."`
	ReversePaid    *bool   `name:"reverse-paid" negatable:"" help:"Paid orders may be reversed."`
	ShortName      *string `name:"short-name" help:"Short name (简称)."`
	Phone          *string `name:"phone" help:"Phone."`
	ManagerSetup   *bool   `name:"manager-setup" negatable:"" help:"允许店长配置设备."`
	settleFlags
}

// settleFlags choose the ladder of new orders, of a merchant or of a provider.
type settleFlags struct {
	SettleProfile *string `name:"settle-profile" enum:"standard,quick,manual," help:"Unpaid code payments are reversed at 60 s (standard), at 30 s (quick), or only when somebody asks (manual); empty for the provider's or the server's choice. For new orders."`
	LateMoney     *string `name:"late-money" enum:"return,hold," help:"Money that arrives for a dead order goes back at once (return) or waits for a person (hold); empty for the provider's choice. For new orders."`
}

func (f settleFlags) into(b body) {
	set(b, "settle_profile", f.SettleProfile)
	set(b, "late_money", f.LateMoney)
}

func (f merchantFlags) body(e env) (body, error) {
	b, profile, policy := body{}, body{}, body{}
	set(b, "company_name", f.Name)
	set(b, "sub_provider_id", f.SubProvider)
	set(b, "default_order_body", f.DefaultBody)
	set(b, "notify_url", f.NotifyURL)
	set(b, "wx_sub_mch_id", f.WxSubMchID)
	set(b, "wx_sub_app_id", f.WxSubAppID)
	set(b, "wx_api", f.WxAPI)
	set(b, "ali_seller_id", f.AliSellerID)
	set(b, "refund_must_sign", f.RefundMustSign)
	set(b, "reverse_paid", f.ReversePaid)
	set(profile, "short_name", f.ShortName)
	set(profile, "phone", f.Phone)
	set(policy, "manager_setup", f.ManagerSetup)
	f.into(policy)
	if f.AliTokenFile != "" {
		token, err := readSecret(e, f.AliTokenFile, maxToken)
		if err != nil {
			return nil, err
		}
		b["ali_app_auth_token"] = token
	}
	if len(profile) > 0 {
		b["profile"] = profile
	}
	if len(policy) > 0 {
		b["policy"] = policy
	}
	return b, nil
}

type merchantAddCmd struct {
	manageFlags
	merchantFlags
	Provider      string   `name:"provider" required:"" help:"out_mch_id."`
	ID            *string  `name:"id" help:"out_sub_mch_id; a new one without it."`
	Prefix        []string `name:"prefix" help:"Order prefix; without it one of 8 digits and one of 10 characters are allocated."`
	AuthenKeyFile string   `name:"authen-key-file" placeholder:"FILE" help:"Take an authen_key that was made elsewhere, - for standard input."`
	keyFlags
}

// keyFlags say where new keys come from and go to.
type keyFlags struct {
	PublicKeyFile string `name:"public-key-file" placeholder:"FILE" help:"Take a public key that was made elsewhere (RSA 2048, PEM)."`
	PrivateKeyTo  string `name:"private-key-to" placeholder:"FILE" help:"Make a key pair and write the private half to a new file of mode 0600."`
	AuthenKeyTo   string `name:"authen-key-to" placeholder:"FILE" help:"Write the new authen_key to a new file of mode 0600 instead of printing it."`
}

// check refuses to write over files before anything is made.
func (f keyFlags) check() error {
	if f.PublicKeyFile != "" && f.PrivateKeyTo != "" {
		return usage("--public-key-file and --private-key-to exclude each other")
	}
	for _, path := range []string{f.PrivateKeyTo, f.AuthenKeyTo} {
		if path == "" {
			continue
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			return usage("%s exists: a key is never written over another", path)
		}
	}
	return nil
}

// public returns the public key that a request carries, "" for none. A new
// private key is on disk before the server hears of its other half.
func (f keyFlags) public() (string, error) {
	if f.PublicKeyFile != "" {
		raw, err := readFile(f.PublicKeyFile, maxKeyFile)
		return string(raw), err
	}
	if f.PrivateKeyTo == "" {
		return "", nil
	}
	private, public, err := newKeyPair()
	if err != nil {
		return "", err
	}
	return public, writeSecret(f.PrivateKeyTo, private)
}

// keep moves the new authen_key from the answer into its file, if it has one.
func (f keyFlags) keep(raw json.RawMessage) (json.RawMessage, error) {
	if f.AuthenKeyTo == "" {
		return raw, nil
	}
	var key struct {
		AuthenKey string `json:"authen_key"`
	}
	if err := json.Unmarshal(raw, &key); err != nil || key.AuthenKey == "" {
		return raw, nil //nolint:nilerr // no new key came, so none is to be kept
	}
	if err := writeSecret(f.AuthenKeyTo, []byte(key.AuthenKey+"\n")); err != nil {
		return raw, fmt.Errorf("%w; the key is lost, make another with: cloudpay key rotate --authen", err)
	}
	return withoutMember(raw, "authen_key")
}

// withoutMember drops the last member of an object, which has that name.
func withoutMember(raw json.RawMessage, name string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	delete(members, name)
	return json.Marshal(members)
}

// Run adds the merchant and prints it, with its new key for the only time.
func (c *merchantAddCmd) Run(ctx context.Context, e env) error {
	b, err := c.body(e)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return err
	}
	b["out_mch_id"] = c.Provider
	set(b, "out_sub_mch_id", c.ID)
	if len(c.Prefix) > 0 {
		b["cloud_cashier_ids"] = c.Prefix
	}
	if c.AuthenKeyFile != "" {
		if b["authen_key"], err = readSecret(e, c.AuthenKeyFile, maxToken); err != nil {
			return err
		}
	}
	return c.with(ctx, e, func(i *installation) error {
		public, err := c.public()
		if err != nil {
			return err
		}
		if public != "" {
			b["public_key_pem"] = public
		}
		raw, err := i.call(ctx, http.MethodPost, pathOf("merchants"), b)
		if err != nil {
			return err
		}
		raw, err = c.keep(raw)
		return errors.Join(err, c.print(e, raw))
	})
}

type merchantListCmd struct {
	manageFlags
	listFlags
	Provider string `name:"provider" help:"Only of this out_mch_id."`
	Text     string `name:"text" help:"Only those whose name holds this, or whose id or prefix begins with it."`
}

// Run lists merchants in the order of their ids.
func (c *merchantListCmd) Run(ctx context.Context, e env) error {
	q := url.Values{}
	if c.Provider != "" {
		q.Set("out_mch_id", c.Provider)
	}
	if c.Text != "" {
		q.Set("text", c.Text)
	}
	return c.list(ctx, e, c.listFlags, pathOf("merchants"), q, []column{
		{"子商户编号", "out_sub_mch_id"},
		{"名称", "company_name"},
		{"服务商", "out_mch_id"},
		{"微信子商户号", "wx_sub_mch_id"},
		{"支付宝PID", "ali_seller_id"},
		{"停用", "disabled"},
		{"创建时间", "created_at"},
	})
}

// merchantArg names a merchant.
type merchantArg struct {
	manageFlags
	Merchant string `arg:"" help:"out_sub_mch_id."`
}

func (c merchantArg) path(more ...string) string {
	return pathOf(append([]string{"merchants", c.Merchant}, more...)...)
}

type merchantShowCmd struct{ merchantArg }

// Run prints the merchant.
func (c *merchantShowCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodGet, c.path(), nil)
}

type merchantSetCmd struct {
	merchantArg
	merchantFlags
}

// Run changes what was named and prints the merchant.
func (c *merchantSetCmd) Run(ctx context.Context, e env) error {
	b, err := c.body(e)
	if err != nil {
		return err
	}
	return c.send(ctx, e, http.MethodPatch, c.path(), b)
}

type merchantDisableCmd struct{ merchantArg }

// Run disables the merchant.
func (c *merchantDisableCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, c.path(), body{"disabled": true})
}

type merchantEnableCmd struct{ merchantArg }

// Run enables the merchant.
func (c *merchantEnableCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodPatch, c.path(), body{"disabled": false})
}

type merchantDeleteCmd struct{ merchantArg }

// Run deletes the merchant.
func (c *merchantDeleteCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, c.path(), nil)
}
