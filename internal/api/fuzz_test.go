package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/api"
	"cloudpay/internal/pay"
)

// hand gives a body to the handler itself and checks that whatever it is, the
// answer is one of the protocol.
func (h *house) hand(t *testing.T, r api.RouteInfo, key, body string) answer {
	t.Helper()
	w := httptest.NewRecorder()
	h.server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, cpay.Path(r.Method), strings.NewReader(body)))
	if w.Code != http.StatusOK {
		t.Fatalf("R20: HTTP %d", w.Code)
	}
	var a answer
	if r.Brief {
		a = h.readBrief(t, r.Method, key, w.Body.Bytes())
	} else {
		a = read(t, r.Member, key, w.Body.Bytes())
	}
	if a.status == 3 || strings.Contains(a.text, "系统内部错误") {
		t.Errorf("%s answers %d %q to %q", r.Method, a.status, a.text, body)
	}
	return a
}

// FuzzBodies gives any bytes to any interface: nobody vouches for them.
func FuzzBodies(f *testing.F) {
	h := newHouse(f, options{})
	files, err := filepath.Glob(filepath.Join("testdata", "requests", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var v requestVector
		if err := json.Unmarshal(raw, &v); err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), v.RawBody)
	}
	f.Add(byte(0), "")
	f.Add(byte(0), "{}")
	f.Add(byte(1), `{"request_content":"{}","authen_info":{"a":{"authen_type":1,"authen_code":"x"},"s":{"sign_type":1,"sign":"AAAA"}}}`)
	all := api.Routes()
	f.Fuzz(func(t *testing.T, n byte, body string) {
		h.hand(t, all[int(n)%len(all)], theKey, body)
	})
}

// maxFuzzed is the longest content that is tried.
const maxFuzzed = 12 << 10

// FuzzContents gives any content, with the right code, to any interface of the
// merchant: it is read, judged and acted upon.
func FuzzContents(f *testing.F) {
	h := newHouse(f, options{})
	no := h.number()
	code := h.code(pay.Wxpay, "")
	seeds := []string{
		"", "{}", "null", "[]", `{"pay_mch_key":null}`,
		microPay(no, code, 2).text(), about(no).text(), refundOf(no, h.number(), 2, 1).text(), unified(h, 2).text(),
		span().with("out_sub_mch_id", theMerchant).with("order_type", 3).with("page_num", 1).with("page_size", 10).with("sub_pay_platforms", []any{100}).text(),
		object{"out_sub_mch_id": theMerchant, "shop_infos": []any{object{"shop_id": "7", "shop_name": "x", "device_infos": []any{object{"device_id": "d"}}}}}.text(),
		object{"out": mch()}.text(), object{"Condition": object{"Mch": object{"sub_mch_id": "1"}}}.text(),
		object{"out_sub_mch_id": theMerchant, "token": "0123456789ab", "out_shop_id": theShop, "device_id": "till-1", "sn_code": "x"}.text(),
		object{"osi": theShop, "otn": no, "ac": code, "tf": 2, "ns": "1"}.text(),
		object{"osmi": theMerchant, "st": 1, "et": 2, "pn": 1, "ps": 1, "ot": 3}.text(),
		object{"out_sub_mch_id": theMerchant, "is_compress": true, "compress_type": 3, "compressed_monitor_info": "H4sIAAAAAAAA/w=="}.text(),
	}
	all := api.Routes()
	for i := range all {
		f.Add(byte(i), seeds[i%len(seeds)])
	}
	for i, s := range seeds {
		f.Add(byte(i), s)
	}
	f.Fuzz(func(t *testing.T, n byte, content string) {
		if len(content) > maxFuzzed {
			t.Skip("long contents only cost time")
		}
		r := all[int(n)%len(all)]
		body := string(byMAC(content))
		if r.Brief {
			body = object{"r": content, "a": mac(theKey, content)}.text()
		}
		h.hand(t, r, theKey, body)
	})
}
