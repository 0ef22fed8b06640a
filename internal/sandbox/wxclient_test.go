package sandbox_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func v2Sign(values kv, key string, useHMAC bool) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name != "sign" && values[name] != "" {
			parts = append(parts, name+"="+values[name])
		}
	}
	text := strings.Join(parts, "&") + "&key=" + key
	if useHMAC {
		h := hmac.New(sha256.New, []byte(key))
		io.WriteString(h, text)
		return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
	}
	sum := md5.Sum([]byte(text))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func v2XML(values kv) string {
	var b strings.Builder
	b.WriteString("<xml>")
	for name, value := range values {
		b.WriteString("<" + name + ">")
		xml.EscapeText(&b, []byte(value))
		b.WriteString("</" + name + ">")
	}
	b.WriteString("</xml>")
	return b.String()
}

func v2Parse(body []byte) (kv, error) {
	out := kv{}
	d := xml.NewDecoder(bytes.NewReader(body))
	name, depth := "", 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && depth == 0 && name != "" {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("answer is not XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			name, depth = t.Name.Local, depth+1
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 2 {
				out[name] += string(t)
			}
		}
	}
}

// wxBase signs values as provider 0 for its first merchant.
func (b *bench) wxSigned(values kv, useHMAC bool) kv {
	w := b.Accounts().Providers[0].WeChat
	all := kv{"appid": w.AppID, "mch_id": w.MchID, "sub_mch_id": w.Merchants[0].SubMchID, "nonce_str": rand.Text()}
	maps.Copy(all, values)
	if useHMAC {
		all["sign_type"] = "HMAC-SHA256"
	}
	if _, set := values["sign"]; !set {
		all["sign"] = v2Sign(all, w.APIv2Key, useHMAC)
	}
	return all
}

// post sends a body to the wallet and reads the answer.
func (b *bench) post(client *http.Client, path, contentType, body string, header http.Header) (int, http.Header, []byte, error) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.wallet.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, raw, err
}

var errUnsigned = errors.New("answer is not signed as it should be")

// wxCall sends a signed call with provider 0's certificate and verifies the
// answer. A transport error, a bad signature and return_code=FAIL are errors.
func (b *bench) wxCall(path string, values kv) (kv, error) {
	b.t.Helper()
	return b.wxCallAs(b.client(0), path, values, false)
}

func (b *bench) wxCallAs(client *http.Client, path string, values kv, useHMAC bool) (kv, error) {
	b.t.Helper()
	status, header, raw, err := b.post(client, path, "text/xml", v2XML(b.wxSigned(values, useHMAC)), nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK || header.Get("Content-Type") != "text/plain" {
		return nil, fmt.Errorf("HTTP %d %s", status, header.Get("Content-Type"))
	}
	out, err := v2Parse(raw)
	if err != nil {
		return nil, err
	}
	if out["return_code"] != "SUCCESS" {
		return out, fmt.Errorf("return_code %s: %s", out["return_code"], out["return_msg"])
	}
	if out["sign"] == "" || out["sign"] != v2Sign(out, b.Accounts().Providers[0].WeChat.APIv2Key, useHMAC) {
		return out, errUnsigned
	}
	return out, nil
}

// wx is wxCall for calls that must be answered properly. It returns the code:
// "SUCCESS", or the err_code.
func (b *bench) wx(path string, values kv) (string, kv) {
	b.t.Helper()
	out, err := b.wxCall(path, values)
	if err != nil {
		b.t.Fatalf("%s %v: %v", path, values, err)
	}
	if out["result_code"] == "SUCCESS" {
		return "SUCCESS", out
	}
	return out["err_code"], out
}

func (b *bench) wxPay(no, code string, fen int) (string, kv) {
	b.t.Helper()
	return b.wx("/pay/micropay", payValues(no, code, fen))
}

func payValues(no, code string, fen int) kv {
	return kv{
		"body": "测试商品", "out_trade_no": no, "total_fee": strconv.Itoa(fen), "spbill_create_ip": "127.0.0.1", "auth_code": code,
	}
}

// wxState is what orderquery says: a trade_state, or the err_code.
func (b *bench) wxState(no string) string {
	b.t.Helper()
	code, out := b.wx("/pay/orderquery", kv{"out_trade_no": no})
	if code != "SUCCESS" {
		return code
	}
	return out["trade_state"]
}

func (b *bench) wxReverse(no string) string {
	b.t.Helper()
	code, out := b.wx("/secapi/pay/reverse", kv{"out_trade_no": no})
	if out["recall"] == "Y" {
		return "recall"
	}
	return code
}

func (b *bench) wxRefund(no, refundNo string, total, fen int) (string, kv) {
	b.t.Helper()
	return b.wx("/secapi/pay/refund", kv{
		"out_trade_no": no, "out_refund_no": refundNo, "total_fee": strconv.Itoa(total), "refund_fee": strconv.Itoa(fen),
	})
}

// wxRefundState is what refundquery says of one refund number.
func (b *bench) wxRefundState(refundNo string) string {
	b.t.Helper()
	code, out := b.wx("/pay/refundquery", kv{"out_refund_no": refundNo})
	if code != "SUCCESS" {
		return code
	}
	return out["refund_status_0"]
}
