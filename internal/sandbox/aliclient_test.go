package sandbox_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// aliParams signs a call as provider 0's application for its first merchant.
func (b *bench) aliParams(method string, biz, change kv) url.Values {
	b.t.Helper()
	a := b.Accounts().Providers[0].Alipay
	content, err := json.Marshal(biz)
	if err != nil {
		b.t.Fatal(err)
	}
	all := kv{
		"app_id": a.AppID, "method": method, "format": "JSON", "charset": "utf-8", "sign_type": "RSA2",
		"timestamp": "2026-11-20 12:00:00", "version": "1.0", "app_auth_token": a.Merchants[0].AppAuthToken,
		"biz_content": string(content),
	}
	maps.Copy(all, change)
	if _, set := change["sign"]; !set {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if all[name] != "" {
				parts = append(parts, name+"="+all[name])
			}
		}
		all["sign"] = b.rsaSign(a.AppPrivateKeyPEM, strings.Join(parts, "&"))
	}
	form := url.Values{}
	for name, value := range all {
		form.Set(name, value)
	}
	return form
}

func (b *bench) rsaSign(keyPEM, text string) string {
	b.t.Helper()
	block, _ := pem.Decode([]byte(keyPEM))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		b.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	sign, err := rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	if err != nil {
		b.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sign)
}

// aliRead cuts the answer object out of the body and verifies it.
func (b *bench) aliRead(raw []byte) (map[string]any, string, error) {
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &outer); err != nil {
		return nil, "", err
	}
	var sign string
	json.Unmarshal(outer["sign"], &sign)
	delete(outer, "sign")
	if len(outer) != 1 {
		return nil, "", fmt.Errorf("answer has members %v", slices.Collect(maps.Keys(outer)))
	}
	for key, object := range outer {
		var out map[string]any
		if err := json.Unmarshal(object, &out); err != nil {
			return nil, key, err
		}
		block, _ := pem.Decode([]byte(b.Accounts().Providers[0].Alipay.AlipayPublicKeyPEM))
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, key, err
		}
		der, err := base64.StdEncoding.DecodeString(sign)
		if err != nil {
			return out, key, errUnsigned
		}
		sum := sha256.Sum256(object)
		if rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, sum[:], der) != nil {
			return out, key, errUnsigned
		}
		return out, key, nil
	}
	return nil, "", errors.New("empty answer")
}

func (b *bench) aliCall(method string, biz kv) (map[string]any, error) {
	b.t.Helper()
	form := b.aliParams(method, biz, nil)
	status, header, raw, err := b.post(b.client(-1), "/gateway.do", "application/x-www-form-urlencoded;charset=utf-8", form.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK || header.Get("Content-Type") != "text/html;charset=utf-8" {
		return nil, fmt.Errorf("HTTP %d %s", status, header.Get("Content-Type"))
	}
	out, key, err := b.aliRead(raw)
	if err == nil && key != strings.ReplaceAll(method, ".", "_")+"_response" {
		err = fmt.Errorf("answer under %q", key)
	}
	return out, err
}

// ali is aliCall for calls that must be answered properly. It returns the
// code: the sub_code of a business refusal, or the top-level code.
func (b *bench) ali(method string, biz kv) (string, map[string]any) {
	b.t.Helper()
	out, err := b.aliCall(method, biz)
	if err != nil {
		b.t.Fatalf("%s %v: %v", method, biz, err)
	}
	if out["code"] == "40004" {
		return out["sub_code"].(string), out
	}
	return out["code"].(string), out
}

func (b *bench) aliPay(no, code, yuan string) (string, map[string]any) {
	b.t.Helper()
	return b.ali("alipay.trade.pay", kv{
		"out_trade_no": no, "total_amount": yuan, "subject": "测试商品", "auth_code": code, "scene": "bar_code",
	})
}

// aliState is what trade.query says: a trade_status, or the sub_code.
func (b *bench) aliState(no string) string {
	b.t.Helper()
	code, out := b.ali("alipay.trade.query", kv{"out_trade_no": no})
	if code != "10000" {
		return code
	}
	return out["trade_status"].(string)
}

// aliCancel is what trade.cancel says: its action, or the sub_code.
func (b *bench) aliCancel(no string) string {
	b.t.Helper()
	code, out := b.ali("alipay.trade.cancel", kv{"out_trade_no": no})
	if code != "10000" {
		return code
	}
	action, _ := out["action"].(string)
	return action + "/" + out["retry_flag"].(string)
}

func (b *bench) aliRefund(no, requestNo, yuan string) (string, map[string]any) {
	b.t.Helper()
	return b.ali("alipay.trade.refund", kv{"out_trade_no": no, "out_request_no": requestNo, "refund_amount": yuan})
}
