package wxpay

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the hash and the padding that WeChat uses for bills (upstreams.md §3.8)
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// v3Bill are the calls for a bill. They only ask, so they may be repeated.
var v3Bill = v3call{name: "bill", method: http.MethodGet, codes: bookOf(v3BillTable, v3Common), accepted: channel.Rule{Class: channel.ClassWaiting}}

// v3BillTable: codes of bills (upstreams.md §3.8).
var v3BillTable = channel.Table{
	{Code: codeNoStatement, Class: channel.ClassPaid},
	{Code: "STATEMENT_CREATING", Class: channel.ClassWaiting},
}

// codeNoStatement says that there is no bill: no trades, or not yet.
const codeNoStatement = "NO_STATEMENT_EXIST"

// maxBillParts is how many files one bill of a merchant may be cut into.
const maxBillParts = 100

// errHash says that a bill is not the one that was announced.
var errHash = errors.New("the bill's SHA-1 is not the announced one")

// billFile is where a bill can be downloaded, and its hash. The last three
// members belong to the encrypted bill of one merchant.
type billFile struct {
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"`
	DownloadURL string `json:"download_url"`
	Sequence    int    `json:"bill_sequence"`
	EncryptKey  string `json:"encrypt_key"`
	Nonce       string `json:"nonce"`
}

// billList is the answer about one merchant's bill.
type billList struct {
	Files []billFile `json:"download_bill_list"`
}

// Bill asks for a bill's address, downloads it and reads it.
func (c *v3) Bill(ctx context.Context, r channel.BillRequest) channel.BillOutcome {
	q := billQuery(r)
	if r.Kind == channel.BillFund {
		q.Set("account_type", string(cmp.Or(r.Account, channel.BillBasic)))
		if r.Merchant.SubMchID != "" {
			return c.merchantBill(ctx, r, q)
		}
		return c.oneBill(ctx, r, "/v3/bill/fundflowbill?"+q.Encode())
	}
	q.Set("bill_type", "ALL")
	if r.Merchant.SubMchID != "" {
		q.Set("sub_mchid", r.Merchant.SubMchID)
	}
	return c.oneBill(ctx, r, "/v3/bill/tradebill?"+q.Encode())
}

// oneBill fetches a bill that is one file.
func (c *v3) oneBill(ctx context.Context, r channel.BillRequest, target string) channel.BillOutcome {
	var at billFile
	if out, ok := c.send(ctx, v3Bill, target, nil, &at); !ok {
		return billAnswer(out)
	}
	file, out, ok := c.download(ctx, at)
	if !ok {
		return channel.BillOutcome{Outcome: out}
	}
	bill := openBill(r, file, at.HashType, at.HashValue)
	bill.Verified = bill.Kind == pay.Paid // so was the hash
	return bill
}

// billAnswer tells a verified "there is none" from every other answer without
// a bill.
func billAnswer(out pay.Outcome) channel.BillOutcome {
	if out.Kind == pay.Paid {
		return channel.BillOutcome{Outcome: out, Empty: true}
	}
	return channel.BillOutcome{Outcome: out}
}

// merchantBill fetches the fund bill of one merchant: files that are encrypted
// for our API certificate, in the order of their numbers. Each file's hash is
// over what it decrypts to [assumption].
func (c *v3) merchantBill(ctx context.Context, r channel.BillRequest, q url.Values) channel.BillOutcome {
	q.Set("sub_mchid", r.Merchant.SubMchID)
	q.Set("algorithm", "AEAD_AES_256_GCM")
	var list billList
	if out, ok := c.send(ctx, v3Bill, "/v3/bill/sub-merchant-fundflowbill?"+q.Encode(), nil, &list); !ok {
		return billAnswer(out)
	}
	if n := len(list.Files); n == 0 || n > maxBillParts {
		return badBill(nil, errors.New("the wallet's list of the bill's files is empty or too long"))
	}
	slices.SortStableFunc(list.Files, func(a, b billFile) int { return cmp.Compare(a.Sequence, b.Sequence) })
	var whole bytes.Buffer
	for _, at := range list.Files {
		file, out, ok := c.download(ctx, at)
		if !ok {
			return channel.BillOutcome{Outcome: out}
		}
		plain, err := c.decryptBill(file, at)
		if err == nil && isGzip(plain) {
			plain, err = channel.Gunzip(plain)
		}
		if err == nil {
			err = checkHash(plain, at.HashType, at.HashValue)
		}
		if err == nil && whole.Len()+len(plain) > channel.MaxBill {
			err = channel.ErrBillTooLong
		}
		if err != nil {
			return badBill(nil, err)
		}
		whole.Write(plain)
	}
	hashType, hash := "", ""
	if len(list.Files) == 1 {
		hashType, hash = list.Files[0].HashType, list.Files[0].HashValue
	}
	bill := openBill(r, whole.Bytes(), hashType, hash)
	bill.Verified = bill.Kind == pay.Paid
	return bill
}

// download fetches a file by a request signed like any other; the answer is not
// signed. Only path and query of the address are used, at our own base: the
// host that an answer names is no reason to send a signature there.
func (c *v3) download(ctx context.Context, at billFile) (file []byte, out pay.Outcome, ok bool) {
	u, err := url.Parse(at.DownloadURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !strings.HasPrefix(u.Path, "/v3/") {
		return nil, c.lost(v3Bill, channel.ErrUnreadable), false
	}
	to, err := within(c.base, u.RequestURI())
	if err != nil {
		return nil, c.lost(v3Bill, channel.ErrUnreadable), false
	}
	authorization, err := c.authorize(http.MethodGet, to.RequestURI(), nil)
	if err != nil {
		return nil, c.lost(v3Bill, channel.ErrUnreadable), false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), http.NoBody)
	if err != nil {
		return nil, c.lost(v3Bill, channel.ErrDial), false
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Accept", "application/json") // as on every call, whatever comes
	status, file, err := c.poster.Fetch(ctx, req, channel.MaxBill)
	switch {
	case err != nil:
		return nil, c.lost(v3Bill, lossOf(err)), false
	case status != http.StatusOK:
		return nil, c.lost(v3Bill, channel.ErrStatus), false
	}
	return file, pay.Outcome{}, true
}

// checkHash compares a bill with its announced hash, "" for none.
func checkHash(raw []byte, hashType, hash string) error {
	if hashType == "" && hash == "" {
		return nil
	}
	if !strings.EqualFold(hashType, "SHA1") {
		return errors.New("the bill's hash is of a kind that no rule names")
	}
	sum := sha1.Sum(raw) //nolint:gosec // see the import
	if subtle.ConstantTimeCompare([]byte(strings.ToLower(hash)), []byte(hex.EncodeToString(sum[:]))) != 1 {
		return errHash
	}
	return nil
}

// errSealedBill is every reason why an encrypted bill does not open.
var errSealedBill = errors.New("the encrypted bill does not open with the key of our API certificate")

// decryptBill opens a file: its key is encrypted for our API certificate by
// RSA-OAEP with SHA-1, its content by AES-256-GCM.
func (c *v3) decryptBill(file []byte, at billFile) ([]byte, error) {
	wrapped, err := base64.StdEncoding.DecodeString(at.EncryptKey)
	if err != nil {
		return nil, errSealedBill
	}
	key, err := rsa.DecryptOAEP(sha1.New(), nil, c.key, wrapped, nil) //nolint:gosec // see the import
	if err != nil || len(key) != keyLength {
		return nil, errSealedBill
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errSealedBill
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil || len(at.Nonce) != gcm.NonceSize() { // Open panics for another length
		return nil, errSealedBill
	}
	plain, err := gcm.Open(nil, []byte(at.Nonce), file, nil)
	if err != nil {
		return nil, errSealedBill
	}
	return plain, nil
}
