package sandbox

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // bills announce SHA-1, and WeChat's OAEP is over it (upstreams.md §3.8)
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// wxHost is where WeChat's downloads are: some clients cut the path there.
const wxHost = "https://api.mch.weixin.qq.com"

// v3BillOps are the calls about bills (upstreams.md §3.8).
var v3BillOps = []v3Op{
	{
		method: http.MethodGet, path: "/v3/bill/tradebill", endpoint: EndpointBill, run: (*Sandbox).v3TradeBill,
		rules: []v3Rule{need("bill_date", 10), may("sub_mchid", maxWxNumber), oneOf("bill_type", false, wxBillAll, wxBillSuccess, wxBillRefund), oneOf("tar_type", false, "GZIP")},
	},
	{
		method: http.MethodGet, path: "/v3/bill/fundflowbill", endpoint: EndpointBill, run: (*Sandbox).v3FundBill,
		rules: []v3Rule{need("bill_date", 10), oneOf("account_type", false, "BASIC", "OPERATION", "FEES"), oneOf("tar_type", false, "GZIP")},
	},
	{
		method: http.MethodGet, path: "/v3/bill/sub-merchant-fundflowbill", endpoint: EndpointBill, run: (*Sandbox).v3MerchantBill,
		rules: []v3Rule{
			need("bill_date", 10), need("sub_mchid", maxWxNumber), oneOf("account_type", true, "BASIC", "OPERATION", "FEES"),
			oneOf("algorithm", true, "AEAD_AES_256_GCM"), oneOf("tar_type", false, "GZIP"),
		},
	},
	{method: http.MethodGet, path: "/v3/billdownload/file", endpoint: EndpointBillFile, run: (*Sandbox).v3BillFile, rules: []v3Rule{need("token", 0)}},
}

// oneOf is a rule for a text out of a list.
func oneOf(field string, must bool, list ...string) v3Rule {
	return v3Rule{field: field, need: must, valid: func(v string) bool { return slices.Contains(list, v) }}
}

// v3TradeBill tells where the trade bill is: of one merchant, or of all.
func (s *Sandbox) v3TradeBill(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	kind := r.fields.text("bill_type")
	if kind == "" {
		kind = wxBillAll
	}
	return s.v3Announce(ctx, tx, r, r.merchant.SubMchID, kind)
}

// v3FundBill tells where the movements of all of the provider's merchants are.
func (s *Sandbox) v3FundBill(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	kind := r.fields.text("account_type")
	if kind == "" {
		kind = "BASIC"
	}
	return s.v3Announce(ctx, tx, r, "", kind)
}

// v3MakeBill makes the bill a call asks for, or the refusal.
func (s *Sandbox) v3MakeBill(ctx context.Context, tx *txn, r *v3Request, merchant, kind string) ([]byte, v3Answer, error) {
	span, ok := spanOf(r.fields.text("bill_date"), "2006-01-02", "")
	badDate := v3Answer{code: "PARAM_ERROR", text: "账单日期无效", detail: &v3Detail{
		Field: "/bill_date", Value: r.fields.text("bill_date"), Issue: "应为三个月内已开始的日期", Location: "query",
	}}
	if !ok {
		return nil, badDate, nil
	}
	switch span.stage(tx.now, r.eff.bill.late) {
	case billCreating:
		return nil, v3Refuse("STATEMENT_CREATING", "账单生成中"), nil
	case billFuture, billGone:
		return nil, badDate, nil
	case billReady:
	}
	content, err := s.wxBill(ctx, tx, r.provider, merchant, kind, span, r.eff)
	if errors.Is(err, errNoBill) {
		return nil, v3Refuse("NO_STATEMENT_EXIST", "账单文件不存在"), nil
	}
	return content, v3Answer{}, err
}

// v3Link is what an answer says of a file.
type v3Link struct {
	Sequence    int    `json:"bill_sequence,omitempty"`
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"`
	DownloadURL string `json:"download_url"`
	EncryptKey  string `json:"encrypt_key,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
}

// v3Keep keeps a file for its download. The hash is over the bill itself,
// whatever it is packed in.
func (s *Sandbox) v3Keep(ctx context.Context, tx *txn, r *v3Request, bill, file []byte, kind string) (v3Link, error) {
	sum := sha1.Sum(bill) //nolint:gosec // see the import
	if r.eff.bill.badHash {
		sum[0]++
	}
	dead := tx.now.Add(tokenLife)
	if r.eff.bill.dead {
		dead = tx.now
	}
	token, err := tx.keepBill(ctx, r.provider.account.MchID, kind, file, dead)
	return v3Link{
		HashType: "SHA1", HashValue: hex.EncodeToString(sum[:]), DownloadURL: s.downloadBase(wxHost) + "/v3/billdownload/file?token=" + token,
	}, err
}

// packed reports whether a bill is compressed.
func (r *v3Request) packed() bool { return r.fields.text("tar_type") == "GZIP" || r.eff.bill.gzip }

// v3Announce makes a bill and tells where it is.
func (s *Sandbox) v3Announce(ctx context.Context, tx *txn, r *v3Request, merchant, kind string) (v3Answer, error) {
	bill, refusal, err := s.v3MakeBill(ctx, tx, r, merchant, kind)
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	file, fileType := bill, "text/plain; charset=utf-8"
	if r.packed() {
		file, fileType = gzipped(bill), "application/x-gzip"
	}
	link, err := s.v3Keep(ctx, tx, r, bill, file, fileType)
	return v3Answer{body: link}, err
}

// v3MerchantBill tells where one merchant's movements are: encrypted with a key
// of their own, which is encrypted for the provider's API certificate.
func (s *Sandbox) v3MerchantBill(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	bill, refusal, err := s.v3MakeBill(ctx, tx, r, r.merchant.SubMchID, r.fields.text("account_type"))
	if err != nil || refusal.code != "" {
		return refusal, err
	}
	plain := bill
	if r.packed() {
		plain = gzipped(bill)
	}
	key, once := []byte(randomHex(16)), randomHex(6)
	block, err := aes.NewCipher(key)
	if err != nil {
		return v3Answer{}, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return v3Answer{}, err
	}
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, r.provider.keys.client(), key, nil) //nolint:gosec // see the import
	if err != nil {
		return v3Answer{}, err
	}
	link, err := s.v3Keep(ctx, tx, r, bill, gcm.Seal(nil, []byte(once), plain, nil), "application/octet-stream")
	link.Sequence, link.EncryptKey, link.Nonce = 1, base64.StdEncoding.EncodeToString(wrapped), once
	return v3Answer{body: struct {
		Count int      `json:"download_bill_count"`
		List  []v3Link `json:"download_bill_list"`
	}{1, []v3Link{link}}}, err
}

// v3BillFile answers a kept file, unsigned. A token is its provider's own.
func (s *Sandbox) v3BillFile(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	kind, content, found, err := tx.bill(ctx, r.fields.text("token"), r.provider.account.MchID)
	if err != nil || !found {
		return v3Refuse("NO_AUTH", "token无效或已过期"), err
	}
	return v3Answer{file: content, fileType: kind}, nil
}

// tokenLife is how long WeChat's download_url works.
const tokenLife = 5 * time.Minute

// downloadBase is the address in front of a download's path: the configured
// one, or else what the wallet's own is.
func (s *Sandbox) downloadBase(fallback string) string {
	if s.c.DownloadURL != "" {
		return strings.TrimSuffix(s.c.DownloadURL, "/")
	}
	return fallback
}
