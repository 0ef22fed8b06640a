package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// ask sends o, authenticated by the merchant's key, to any interface.
func (h *house) ask(t *testing.T, method string, o object) answer {
	t.Helper()
	return h.postTo(t, method, cpay.ResponseMember(method), theKey, bytes.NewReader(byMAC(o.text())))
}

// r06MonitoringIsNeverRefusedForItsContent, be the interface a number, a name
// or nonsense.
func r06MonitoringIsNeverRefusedForItsContent(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for _, name := range []any{100, "100", "scan_code_pay", 1.0, -5, "", nil, true, object{"a": 1}, []any{1}, strings.Repeat("x", 5000)} {
		a := h.ask(t, cpay.MethodUploadClientMonitorInfo, object{
			"out_sub_mch_id": theMerchant, "out_shop_id": 7, "order_client": object{"device_id": 1, "terminal_type": "x"}, "interval": "often",
			"uncompressed_monitor_info": object{"client_int_results": []any{object{"interface": name, "status": "?", "time_cost": -1, "logs": name}}, "machine_info": name},
		})
		if a.is(t, 0, 0); a.get("nonce_str") == "" {
			t.Errorf("%v: %s", name, a.content)
		}
	}
	for _, info := range []any{nil, "text", 5, []any{}, object{}} {
		h.ask(t, cpay.MethodUploadClientMonitorInfo, object{"out_sub_mch_id": theMerchant, "uncompressed_monitor_info": info}).is(t, 0, 0)
		h.ask(t, cpay.MethodUploadClientConfInfo, object{"out_sub_mch_id": theMerchant, "machine_info": info}).is(t, 0, 0)
		h.ask(t, cpay.MethodDeviceReport, object{"out_sub_mch_id": theMerchant, "api_calling_infos": info}).is(t, 0, 0)
	}
}

// r14IdentityConditionsOfAnyShape: flat or wrapped and capitalised, by our ids
// or by the wallet's.
func r14IdentityConditionsOfAnyShape(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{merchant: func(m *directory.Merchant) { m.Shops[0].Number = "42" }})
	wallet := h.box.Accounts().Providers[0]
	byWechat := object{"mch_id": wallet.WeChat.MchID, "sub_mch_id": wallet.WeChat.Merchants[0].SubMchID, "shop_id": "42"}
	byAlipay := object{"sub_mch_id": wallet.Alipay.Merchants[0].UserID, "shop_id": 42}
	for name, o := range map[string]object{
		"out": {"out": mch()}, "Condition.Out": {"Condition": object{"Out": mch()}}, "mch": {"mch": byWechat},
		"Condition.Mch": {"Condition": object{"Mch": byWechat}}, "mch of Alipay": {"mch": byAlipay},
	} {
		a := h.ask(t, cpay.MethodQueryIdentityMapping, o)
		if a.status != 0 || a.get("out_mch_id") != theProvider || a.get("out_sub_mch_id") != theMerchant || a.get("out_shop_id") != theShop ||
			a.get("wx_author_codes.5") != "15" || a.get("ali_author_codes.0") != "25" {
			t.Errorf("%s: %s", name, a.content)
		}
	}
	for name, o := range map[string]object{
		"nobody at a wallet": {"mch": object{"sub_mch_id": "1"}}, "nothing": {}, "empty": {"Condition": object{}}, "no sub_mch_id": {"mch": object{"mch_id": "1"}},
	} {
		if a := h.ask(t, cpay.MethodQueryIdentityMapping, o); a.status != 101 || a.internal != 7 {
			t.Errorf("%s: %s", name, a.content)
		}
	}
	two := object{"out": mch(), "Condition": object{"Out": mch().with("out_sub_mch_id", "sz01OTHERSUBMCH00001")}}
	h.ask(t, cpay.MethodQueryIdentityMapping, two).is(t, 101, 0)
}

// r15AlternativeSpellingsReachTheirPlace over the real server.
func r15AlternativeSpellingsReachTheirPlace(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	h.enrolled(t)
	for _, o := range []object{
		{"sn": theSN, "app_version": "1.0.0", "nonce_str": "ea90ceba", "timestamp": 1568859333},
		{"sn_code": theSN, "app_cpay_version": "1.0.0", "nonce_str": "ea90ceba", "timestamp": 1568859333},
	} {
		content := o.text() + "\n" // as the published vectors have it
		body := envelope(content, object{"a": object{"authen_type": 1, "authen_code": mac(initKey, content)}})
		h.postTo(t, cpay.MethodGenerateBillDeviceBindQRCode, cpay.MethodGenerateBillDeviceBindQRCode, initKey, bytes.NewReader(body)).is(t, 0, 0)
	}
	no := h.paid(t, pay.Wxpay, 100)
	for _, ext := range []string{"wxpay_refund_content_ext", "wx_pay_refund_content_ext", "wxpay_refund_order_content_ext"} {
		refund := h.number()
		h.call(t, cpay.MethodRefund, refundOf(no, refund, 100, 1).with("refund_content."+ext, object{"refund_account": "REFUND_SOURCE_RECHARGE_FUNDS"})).is(t, 0, 0)
		r, err := h.store.Refund(t.Context(), theMerchant, refund)
		if err != nil || r.Account != "REFUND_SOURCE_RECHARGE_FUNDS" {
			t.Errorf("%s: account %q, %v", ext, r.Account, err)
		}
	}
	for _, admin := range []string{"is_sub_admin", "is_sub_mch_admin"} {
		h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 100, 1).with("api_version", 2).with("pay_mch_key."+admin, true)).is(t, 0, 0)
	}
	for _, goods := range []string{"goods_detail", "goods_details"} {
		no := h.number()
		detail := object{goods: []any{object{"goods_name": "茶", "quantity": 1, "price": 2}}}.text()
		h.call(t, cpay.MethodMicroPay, microPay(no, h.code(pay.Wxpay, ""), 2).with("pay_content.detail", detail)).is(t, 0, 0)
		if got := h.call(t, cpay.MethodQueryOrder, about(no)).get("order_content.detail"); !strings.Contains(got, "茶") {
			t.Errorf("%s: detail %q", goods, got)
		}
	}
}

// r31ListsHaveTheirMembersAndTimesAreNumbers, and every answer a description.
func r31ListsHaveTheirMembersAndTimesAreNumbers(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	h.sold(t)
	list := span().with("out_sub_mch_id", theMerchant).with("order_type", 3).with("page_num", 1).with("page_size", 10).with("status", 1)
	for method, o := range map[string]object{
		cpay.MethodQueryOrderList: list, cpay.MethodQueryOrderListOverview: list, cpay.MethodClientOrderDetail: list.with("query_order_type", 3),
		cpay.MethodQuerySubMchShopInfo: {"out_sub_mch_id": theMerchant, "page_num": 1, "page_size": 10},
	} {
		a := h.ask(t, method, o)
		if a.is(t, 0, 0); a.text == "" || len(a.body) < 2 {
			t.Errorf("%s: %s", method, a.content)
		}
		timesAreNumbers(t, method, a.body)
	}
}

// timesAreNumbers looks for times at every depth.
func timesAreNumbers(t *testing.T, method string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			timesAreNumbers(t, method, e)
		}
	case map[string]any:
		for name, e := range v {
			if name == "time_end" || strings.HasSuffix(name, "_time") {
				if _, ok := e.(json.Number); !ok {
					t.Errorf("%s: %s is %v", method, name, e)
				}
			}
			timesAreNumbers(t, method, e)
		}
	}
}

// r32PagesPastTheEndAreEmpty and status 0.
func r32PagesPastTheEndAreEmpty(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	h.sold(t)
	list := span().with("out_sub_mch_id", theMerchant).with("order_type", 3).with("page_size", 2).with("status", 1)
	brief := object{"osmi": theMerchant, "ot": 3, "st": list["start_time"], "et": list["end_time"], "ps": 2, "ns": "1"}
	page := func(method string, o object, number, name string, n int) (rows int, total string) {
		t.Helper()
		o = o.with(number, n)
		var a answer
		if cpay.Brief(method) {
			content := o.text()
			a = h.postBrief(t, method, theKey, []byte(object{"r": content, "a": mac(theKey, content)}.text()))
		} else {
			a = h.ask(t, method, o)
		}
		a.is(t, 0, 0)
		if _, null := a.body[name]; null && a.body[name] == nil {
			t.Errorf("%s: %s is null", method, name)
		}
		total = a.get("total_count") + a.get("tc")
		return len(a.list(name)), total
	}
	for _, tt := range []struct {
		method, number, name string
		in                   object
		all                  int
	}{
		{cpay.MethodClientOrderDetail, "page_num", "order_details", list, 3},
		{cpay.MethodQueryOrderList, "page_num", "order_details", list, 3},
		{cpay.MethodQuerySubMchShopInfo, "page_num", "shop_infos", object{"out_sub_mch_id": theMerchant, "page_size": 2}, 1},
		{cpay.MethodBriefQueryOrderList, "pn", "ods", brief, 3},
	} {
		seen := 0
		for n := 1; ; n++ {
			rows, total := page(tt.method, tt.in, tt.number, tt.name, n)
			if total != strconv.Itoa(tt.all) {
				t.Errorf("%s page %d: total %s, want %d", tt.method, n, total, tt.all)
			}
			if seen += rows; rows == 0 || n > 10 {
				break
			}
		}
		if seen != tt.all {
			t.Errorf("%s: a paging client sees %d of %d", tt.method, seen, tt.all)
		}
		for _, n := range []int{50, 1 << 30, 1<<31 - 1} {
			if rows, _ := page(tt.method, tt.in, tt.number, tt.name, n); rows != 0 {
				t.Errorf("%s page %d has %d rows", tt.method, n, rows)
			}
		}
	}
}

// r34MiniProgramArguments are where a mini program looks for them.
func r34MiniProgramArguments(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	app := h.box.Accounts().Providers[0].WeChat.Merchants[0].MiniAppID
	a := h.ask(t, cpay.MethodMiniProgramPay, unified(h, 2).with("trade_type", 9).
		with("pay_mch_key.wxpay_pay_mch_key_ext", object{"mini_program_sub_app_id": app, "sub_open_id": "o1"}))
	a.is(t, 0, 0)
	for _, name := range []string{"nonce_str", "package", "pay_sign", "timestamp", "app_id", "sign_type"} {
		if a.get("jsapi_args.wxpay.mini_program_pay."+name) == "" {
			t.Errorf("no %s in %s", name, a.content)
		}
	}
	if p := a.get("jsapi_args.wxpay.mini_program_pay.package"); !strings.HasPrefix(p, "prepay_id=") || a.get("order_content.wxpay_order_content_ext.prepare_id") == "" {
		t.Errorf("package %q in %s", p, a.content)
	}
}

// r37QueryShowsTheCodeOfAScanOrder, for both wallets.
func r37QueryShowsTheCodeOfAScanOrder(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for platform, ch := range []pay.Channel{1: pay.Wxpay, 2: pay.Alipay} {
		if ch == "" {
			continue
		}
		in := unified(h, 2).with("pay_mch_key.pay_platform", platform)
		a := h.ask(t, cpay.MethodScanCodePay, in)
		a.is(t, 0, 0)
		q := h.call(t, cpay.MethodQueryOrder, about(in.at("pay_content.out_trade_no").(string)))
		if code := a.get("code_url"); code == "" || len(code) > 64 || q.get("order_content.code_url") != code {
			t.Errorf("%s: code_url %q, by query %q", ch, code, q.get("order_content.code_url"))
		}
		if want := map[pay.Channel]string{pay.Wxpay: "6", pay.Alipay: "4"}[ch]; state(q, ch) != want {
			t.Errorf("%s: state %s", ch, state(q, ch))
		}
	}
}

// setUp asks for a device's setting, flat and unauthenticated.
func (h *house) setUp(t *testing.T, query string) (flat map[string]any, raw string) {
	t.Helper()
	res := h.send(t, http.MethodGet, "/cpay/use_device_setting?"+query, nil)
	if res.status != http.StatusOK || res.length != int64(len(res.body)) {
		t.Fatalf("HTTP %d, length %d of %d", res.status, res.length, len(res.body))
	}
	d := json.NewDecoder(bytes.NewReader(res.body))
	d.UseNumber()
	if err := d.Decode(&flat); err != nil {
		t.Fatal(err)
	}
	return flat, string(res.body)
}

// ticket makes a configuration QR code and returns the query of its address.
func (h *house) ticket(t *testing.T, device, staff string) string {
	t.Helper()
	k, err := h.people.NewTicket(t.Context(), directory.System, directory.TicketRequest{MerchantID: theMerchant, ShopID: theShop, DeviceID: device, StaffID: staff})
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{"osi": {theShop}, "si": {k.SI.Reveal()}}.Encode()
}

// r33SettingsHaveAllMembers nested and flat, with texts even where nobody was chosen.
func r33SettingsHaveAllMembers(t *testing.T) {
	t.Helper()
	t.Parallel()
	h := newHouse(t, options{})
	for staff, name := range map[string]string{"1003": "clerk", "": ""} {
		flat, raw := h.setUp(t, h.ticket(t, "till-1", staff)+"&sn=SN1")
		nested, _ := flat["use_device_setting"].(map[string]any)
		for member, want := range map[string]string{
			"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "cloud_cashier_id": "", "authen_type": "1", "authen_key": theKey,
			"out_shop_id": theShop, "shop_name": "shop", "device_id": "till-1", "device_name": "1", "staff_id": staff, "staff_name": name,
		} {
			for _, place := range []map[string]any{nested, flat} {
				got, there := place[member]
				if !there || got == nil || want != "" && fmt.Sprint(got) != want {
					t.Errorf("%s is %v, want %q", member, got, want)
				}
			}
		}
		if fmt.Sprint(flat["status"]) != "0" || flat["authen_info"] != nil || nested["staff_id"] != staff || nested["cloud_cashier_id"] == "" {
			t.Errorf("setting %s", raw)
		}
		if id, ok := flat["log_id"].(json.Number); !ok || id == "0" {
			t.Errorf("log_id is %v", flat["log_id"])
		}
	}
	if strings.Contains(h.log.String(), theKey) {
		t.Error("the log shows the key")
	}
}

// r46ADeviceIsBoundToOneTerminal: the same one repeats, another is 3214, and
// after five minutes the code is worth nothing.
func r46ADeviceIsBoundToOneTerminal(t *testing.T) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(b bubble) {
		t, h := b.T, b.house
		query := h.ticket(t, "till-1", "1003")
		status := func(query string) string {
			t.Helper()
			flat, raw := h.setUp(t, query)
			if text, _ := flat["description"].(string); text == "" || fmt.Sprint(flat["status"]) != "0" && strings.Contains(raw, theKey) {
				t.Errorf("answered %s", raw)
			}
			return fmt.Sprint(flat["status"], "/", flat["internal_status"])
		}
		for _, tt := range []struct{ name, query, want string }{
			{"the first terminal", query + "&sn=SN1", "0/0"},
			{"it again", query + "&sn=SN1", "0/0"},
			{"another terminal", query + "&sn=SN2", "104/3214"},
			{"the first once more", query + "&sn=SN1", "0/0"},
			{"no sn", query, "104/0"},
			{"another shop", strings.Replace(query, theShop, "sz01OTHERSHOP0000001", 1) + "&sn=SN1", "104/0"},
			{"a guess", "osi=" + theShop + "&si=00000000000000000000&sn=SN1", "104/0"},
			{"nothing", "", "104/0"},
			{"another terminal by a new code", h.ticket(t, "till-1", "") + "&sn=SN2", "104/3214"},
		} {
			if got := status(tt.query); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
		time.Sleep(5*time.Minute + time.Second)
		if got := status(query + "&sn=SN1"); got != "104/0" {
			t.Errorf("after five minutes: %s", got)
		}
		h.ask(t, cpay.MethodUnbindDeviceSNCode, object{"out_sub_mch_id": theMerchant, "out_shop_id": theShop, "device_id": "till-1", "sn_code": "SN1"}).is(t, 0, 0)
		if got := status(h.ticket(t, "till-1", "") + "&sn=SN2"); got != "0/0" {
			t.Errorf("another terminal after the first was unbound: %s", got)
		}
	})
}
