package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// requestVector is one file of testdata/requests.
type requestVector struct {
	Name      string
	Path      string
	AuthenKey string `json:"authen_key"`
	RawBody   string `json:"raw_body"`
	Expect    struct {
		Verdict       string
		Status        *int64
		HasAuthenInfo bool           `json:"response_has_authen_info"`
		HasA          bool           `json:"response_has_a"`
		Decoded       map[string]any `json:"decoded"`
		OtherBodies   []string       `json:"other_bodies"`
	}
}

// TestRequestVectorsGetTheirVerdict posts every vector, as
// the client in the field sent it, to a merchant with the vector's ids and keys.
func TestRequestVectorsGetTheirVerdict(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "requests", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	public, err := os.ReadFile(filepath.Join("testdata", "rsa_test_only_public_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	posted := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v requestVector
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		posted++
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, options{merchant: func(m *directory.Merchant) { m.PublicKeyPEM = string(public) }})
			if v.Path == "/cpay/ping" {
				for _, body := range append(v.Expect.OtherBodies, v.RawBody) {
					h.ping(t, http.MethodPost, body)
				}
				return
			}
			h.judge(t, v)
		})
	}
	if posted != 24 {
		t.Errorf("%d vectors were posted, want all 24", posted)
	}
}

// judge posts one vector.
func (h *house) judge(t *testing.T, v requestVector) {
	t.Helper()
	method := strings.TrimPrefix(v.Path, "/cpay/")
	no, total := contentOf(v)
	if method == cpay.MethodRefund { // the payment that it refunds
		h.call(t, cpay.MethodMicroPay, microPay(no, h.code(pay.Wxpay, ""), total)).is(t, 0, 0)
	}
	if method == cpay.MethodCheckBillDeviceBindInfo { // the device that asks
		h.bind(t, "TEST_M100_0000000017", v.AuthenKey, "17")
	}
	var a answer
	if cpay.Brief(method) {
		a = h.postBrief(t, method, v.AuthenKey, []byte(v.RawBody))
		v.Expect.HasAuthenInfo = v.Expect.HasA
	} else {
		a = h.postTo(t, method, cpay.ResponseMember(method), v.AuthenKey, strings.NewReader(v.RawBody))
	}
	if a.authenticated != v.Expect.HasAuthenInfo {
		t.Errorf("authenticated %v, want %v: %s", a.authenticated, v.Expect.HasAuthenInfo, a.content)
	}
	switch v.Expect.Verdict {
	case "accept":
		if a.status == 101 {
			t.Errorf("refused: %s", a.content)
		}
		h.accepted(t, method, no, v, a)
	case "reject":
		a.is(t, 101, a.internal)
		if v.Expect.Status == nil || a.status != *v.Expect.Status {
			t.Errorf("status %d, want %v", a.status, v.Expect.Status)
		}
	default:
		t.Errorf("verdict %q", v.Expect.Verdict)
	}
}

// accepted checks what a vector that was accepted did.
func (h *house) accepted(t *testing.T, method, no string, v requestVector, a answer) {
	t.Helper()
	switch method {
	case cpay.MethodQueryOrder:
		a.is(t, 104, 400)
	case cpay.MethodMicroPay:
		h.checkDecoded(t, no, v.Expect.Decoded)
	case cpay.MethodBriefMicroPay: // the sandbox knows no such code
		a.is(t, 102, 0)
		if o := h.order("900000010000000116"); o.Total != 16 || o.Channel != pay.Wxpay || o.DeviceID != "16" || o.SubTerminalType != 2451 {
			t.Errorf("the order is %+v", o)
		}
	case cpay.MethodMiniProgramPay: // nor the mini program of this one
		a.is(t, 102, 0)
		o := h.order(no)
		if o.Body != v.Expect.Decoded["pay_content.body"] || o.NotifyURL != v.Expect.Decoded["pay_content.caller_notify_url"] || o.TradeType != pay.TradeMiniProgram {
			t.Errorf("the order is %+v", o)
		}
	default:
		a.is(t, 0, 0)
	}
}

// contentOf reads order number and amount of a vector, leniently.
func contentOf(v requestVector) (no string, total int64) {
	var outer struct {
		Content string `json:"request_content"`
	}
	if json.Unmarshal([]byte(v.RawBody), &outer) != nil {
		return "", 0
	}
	var m struct {
		Pay struct {
			OutTradeNo string   `json:"out_trade_no"`
			TotalFee   cpay.Int `json:"total_fee"`
		} `json:"pay_content"`
		Refund struct {
			OutTradeNo string   `json:"out_trade_no"`
			TotalFee   cpay.Int `json:"total_fee"`
		} `json:"refund_content"`
	}
	_ = json.Unmarshal([]byte(outer.Content), &m) // what is unreadable stays empty
	for _, c := range []struct {
		no    string
		total cpay.Int
	}{{m.Pay.OutTradeNo, m.Pay.TotalFee}, {m.Refund.OutTradeNo, m.Refund.TotalFee}} {
		if c.no != "" {
			return c.no, int64(c.total)
		}
	}
	return "", 0
}

// checkDecoded compares what the vector means with the order that was made.
func (h *house) checkDecoded(t *testing.T, no string, want map[string]any) {
	t.Helper()
	o := h.order(no)
	got := map[string]any{
		"pay_mch_key.pay_platform": float64(o.Channel.Platform()), "pay_content.total_fee": float64(o.Total),
		"order_client.device_id": o.DeviceID, "order_client.staff_id": o.StaffID, "pay_content.body": o.Body,
	}
	q := h.call(t, cpay.MethodQueryOrder, about(no))
	got["pay_content.wxpay_pay_content_ext.attach"] = q.get("order_content.wxpay_order_content_ext.attach")
	var detail struct {
		Goods []struct {
			Name string `json:"goods_name"`
		} `json:"goods_detail"`
	}
	if text := q.get("order_content.detail"); text != "" && json.Unmarshal([]byte(text), &detail) == nil && len(detail.Goods) > 0 {
		got["pay_content.detail.goods_detail[0].goods_name"] = detail.Goods[0].Name
	}
	for path, w := range want {
		if got[path] != w {
			t.Errorf("%s is %v, want %v", path, got[path], w)
		}
	}
}

// ping sends a ping and checks its flat answer (R18).
func (h *house) ping(t *testing.T, verb, body string) {
	t.Helper()
	res := h.send(t, verb, "/cpay/ping", strings.NewReader(body))
	var flat struct {
		Description string
		Status      *int64
		Timestamp   int64
	}
	d := json.NewDecoder(bytes.NewReader(res.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&flat); err != nil || res.status != http.StatusOK || len(res.body) >= 256 ||
		flat.Status == nil || *flat.Status != 0 || flat.Timestamp <= 0 || flat.Description != "ok" {
		t.Errorf("ping with %.20q is answered %d %s, %v", body, res.status, res.body, err)
	}
}
