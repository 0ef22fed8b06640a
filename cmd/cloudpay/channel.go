package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloudpay/internal/manage"
	"cloudpay/internal/wallets"
)

// channelCmd looks at the accounts in use.
type channelCmd struct {
	Status   channelStatusCmd   `cmd:"" help:"How the accounts at the wallets are: certificates and their ends, the last verified answer, the last failure, warnings."`
	Rehearse channelRehearseCmd `cmd:"" help:"Try an account without storing anything: ask the wallet something harmless and verify the answer."`
}

type channelStatusCmd struct {
	manageFlags
	Provider string `name:"provider" help:"Only of this out_mch_id."`
}

// Run prints one block per account. It asks no wallet: serving processes keep
// what they see.
func (c *channelStatusCmd) Run(ctx context.Context, e env) error {
	path := pathOf("channels")
	if c.Provider != "" {
		path += "?out_mch_id=" + url.QueryEscape(c.Provider)
	}
	return c.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		var p struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if c.JSON || len(p.Items) == 0 {
			return c.printAll(e, p.Items, nil)
		}
		var b strings.Builder
		for _, item := range p.Items {
			var v manage.Channel
			if err := json.Unmarshal(item, &v); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			writeChannel(&b, v)
		}
		_, err = fmt.Fprint(e.stdout, b.String())
		return err
	})
}

// roleNames are the roles of keys in people's words.
var roleNames = map[string]string{"ours": "己方", "platform": "平台证书", "public_key": "平台公钥", "root": "根证书"}

// warningNames are warnings in people's words, by their codes.
var warningNames = map[string]string{
	wallets.WarnUnusable: "账户不可用", wallets.WarnKeyEnds: "证书到期", wallets.WarnUnverified: "还没有验签通过的应答",
	wallets.WarnQuiet: "很久没有验签通过的应答", wallets.WarnFailed: "最近一次调用失败", wallets.WarnRefresh: "平台证书没有更新",
}

// warningText is a warning in Chinese, and in English with its particulars.
func warningText(w manage.ChannelWarning) string {
	if name := warningNames[w.Code]; name != "" {
		return name + " · " + shown(w.Text)
	}
	return shown(w.Text)
}

func writeChannel(b *strings.Builder, v manage.Channel) {
	day := func(t *time.Time, none string) string {
		if t == nil {
			return none
		}
		return t.UTC().Format(time.RFC3339)
	}
	_, _ = fmt.Fprintf(b, "%s  %s", shown(v.ProviderID), v.Channel)
	if v.API != "" {
		_, _ = fmt.Fprintf(b, " %s", v.API)
	}
	_, _ = fmt.Fprintf(b, "  最近验签 %s", day(v.Verified, "无"))
	if f := v.Failure; f != nil {
		_, _ = fmt.Fprintf(b, "  最近失败 %s %s %s", f.At.UTC().Format(time.RFC3339), shown(f.Call), shown(f.Kind))
	}
	b.WriteByte('\n')
	for _, k := range v.Keys {
		_, _ = fmt.Fprintf(b, "  %s%s %s  到期 %s", roleNames[k.Role], strings.Repeat(" ", max(0, 8-columnsOf(roleNames[k.Role]))), shown(k.Serial), day(k.Until, "无"))
		if k.Used != nil {
			_, _ = fmt.Fprintf(b, "  最近使用 %s", day(k.Used, ""))
		}
		b.WriteByte('\n')
	}
	for _, w := range v.Warnings {
		_, _ = fmt.Fprintf(b, "  ！ %s\n", warningText(w))
	}
	for _, q := range v.Silent {
		_, _ = fmt.Fprintf(b, "  ！ %s %s 无应答 自 %s 连续 %d 次 下次 %s\n", shown(q.MerchantID), shown(q.Kind),
			q.Since.UTC().Format(time.RFC3339), q.Failures, q.NextTry.UTC().Format(time.RFC3339))
	}
}

type channelRehearseCmd struct {
	accountShowCmd
	candidateFlags
}

// Run rehearses the account that the flags describe, or the stored one when
// they describe none.
func (c *channelRehearseCmd) Run(ctx context.Context, e env) error {
	in := body{}
	if c.AppID != "" {
		account, err := c.account(e, c.Channel)
		if err != nil {
			return err
		}
		in[c.Channel] = account
	}
	return c.send(ctx, e, http.MethodPost, pathOf("providers", c.Provider, "accounts", c.Channel, "rehearsal"), in)
}
