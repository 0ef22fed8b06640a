package cpay

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// words are the Chinese descriptions of zh.json: by type, by member for one that
// means the same wherever it stands, and by Type.member for one that does not.
// The English ones are the comments of the source.
type words struct {
	zh   map[string]string
	used map[string]bool
}

func newWords(t *testing.T) *words {
	t.Helper()
	raw, err := os.ReadFile("zh.json")
	if err != nil {
		t.Fatal(err)
	}
	w := &words{used: map[string]bool{}}
	if err := json.Unmarshal(raw, &w.zh); err != nil {
		t.Fatalf("zh.json: %v", err)
	}
	for _, e := range catalog() {
		for m, what := range map[Message]string{e.request(): "的请求", e.response(): "的应答"} {
			if name := typeName(m); w.zh[name] == "" {
				w.zh[name], w.used[name] = e.title+what, true
			}
		}
	}
	return w
}

// of returns the Chinese description of the first key that has one.
func (w *words) of(keys ...string) string {
	for _, key := range keys {
		if text := w.zh[key]; text != "" {
			w.used[key] = true
			return text
		}
	}
	return ""
}

// TestEveryMemberIsDescribedInChinese: a member without a line in zh.json, or a
// line that describes none, has slipped in.
func TestEveryMemberIsDescribedInChinese(t *testing.T) {
	t.Parallel()
	d := newDescriber(t)
	document := d.document()
	for name, schema := range d.schemas {
		if !isChinese(schema["description"]) {
			t.Errorf("zh.json does not describe %s", name)
		}
		properties, _ := schema["properties"].(object)
		for member, p := range properties {
			if !isChinese(p.(object)["description"]) {
				t.Errorf("zh.json describes neither %s.%s nor %s", name, member, member)
			}
		}
	}
	for key := range d.words.zh {
		if !d.words.used[key] {
			t.Errorf("zh.json describes %s, which is no type or member, or one that other lines describe", key)
		}
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var whole any
	if err := json.Unmarshal(raw, &whole); err != nil {
		t.Fatal(err)
	}
	bothLanguages(t, "", whole)
}

// bothLanguages checks that whatever is said in Chinese is said in English too.
func bothLanguages(t *testing.T, at string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			bothLanguages(t, at, e)
		}
	case object:
		for _, name := range []string{"summary", "description", "title"} {
			zh, said := v[name].(string)
			if en, _ := v["x-"+name+"-en"].(string); said && (en == "" || isChinese(en)) {
				t.Errorf("%s.%s is %q in Chinese and %q in English", at, name, zh, en)
			}
		}
		for name, e := range v {
			if english, ok := e.(string); ok && strings.HasSuffix(name, "-en") && isChinese(english) {
				t.Errorf("%s.%s has Chinese in it: %s", at, name, english)
			}
			bothLanguages(t, at+"."+name, e)
		}
	}
}

func isChinese(v any) bool {
	text, _ := v.(string)
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// both describes something in Chinese and English.
func both(o object, name, zh, en string) object {
	o[name], o["x-"+name+"-en"] = zh, en
	return o
}

// english are the titles of catalog in English.
var english = map[Method]string{
	MethodMicroPay: "Micro pay", MethodScanCodePay: "Scan-code pay", MethodOfficialAccountPay: "Official-account pay",
	MethodMiniProgramPay: "Mini-program pay", MethodAppPay: "App pay", MethodMobWebPay: "Mobile-web pay",
	MethodQueryOrder: "Query an order", MethodCloseOrder: "Close an order", MethodReverse: "Reverse an order",
	MethodRefund: "Refund", MethodQueryRefundOrder: "Query refunds",
	MethodClientOrderDetail: "List orders in detail", MethodQueryOrderList: "List orders", MethodQueryOrderListOverview: "Sums of a list of orders",
	MethodClientSubMchSalesOverview: "Sums by period", MethodDownloadBill: "Download the statement", MethodQuerySubMchShopInfo: "Query shops", MethodSetSubMchShopInfo: "Set shops",
	MethodSDKQuerySubMchInfo: "Query the merchant", MethodQueryIdentityMapping: "Map ids",
	MethodClientInitialize: "Authorise a till", MethodClientTryGetInitializers: "Poll a till's authorisation",
	MethodUnbindDeviceSNCode: "Unbind a device", MethodCheckBillDeviceBindInfo: "Check a device's binding",
	MethodGenerateBillDeviceBindQRCode: "Make a device's binding code", MethodGetBillDeviceBindInfo: "Poll a device's binding",
	MethodBriefMicroPay: "Micro pay (brief)", MethodBriefQueryOrder: "Query an order (brief)",
	MethodBriefQueryOrderList: "List orders (brief)", MethodBriefQueryOrderListOverview: "Sums of a list of orders (brief)",
	MethodDeviceReport: "Report payments", MethodMicroFreeze: "Deposit by payment code", MethodScancodeFreeze: "Deposit by scan code",
	MethodDepositConsume: "Pay from a deposit", MethodUnfreeze: "Return a deposit", MethodQueryFreezeOrder: "Query a deposit",
	MethodQueryUnfreezeOrder: "Query returns of a deposit", MethodUploadClientMonitorInfo: "Upload monitoring",
	MethodUploadClientConfInfo: "Upload the machine's description", MethodPing: "Ping", MethodUseDeviceSetting: "Device settings",
}

// tag is a chapter of protocol.md §2.
type tag struct {
	first  Method // its first interface
	zh, en string
}

var tags = []tag{
	{MethodMicroPay, "支付", "Payment"},
	{MethodQueryOrder, "查询、关单、撤单、退款", "Query, close, reverse, refund"},
	{MethodClientOrderDetail, "列表与统计", "Lists and sums"},
	{MethodQuerySubMchShopInfo, "门店、商户与身份", "Shops, merchants and identities"},
	{MethodUnbindDeviceSNCode, "设备", "Devices"},
	{MethodMicroFreeze, "押金", "Deposits"},
	{MethodUploadClientMonitorInfo, "监控", "Monitoring"},
}

// tagOf returns the chapter of the i-th interface of catalog.
func tagOf(i int) (last tag) {
	for _, have := range catalog()[:i+1] {
		if at := slices.IndexFunc(tags, func(t tag) bool { return t.first == have.method }); at >= 0 {
			last = tags[at]
		}
	}
	return last
}

// describeCall says in both languages what a call takes beyond its members.
func describeCall(method Method, need []string) (zh, en string) {
	whose, whoseEN := authorised(method)
	zh = "认证：" + whose + "。\n必填：" + strings.Join(need, "、") + "。\n应答对象：" + ResponseMember(method) + "。"
	en = "Authenticated by " + whoseEN + ".\nRequired: " + strings.Join(need, ", ") + ".\nThe answer stands in " + ResponseMember(method) + "."
	switch method {
	case MethodOfficialAccountPay, MethodMiniProgramPay:
		zh += "\n微信支付须有 open_id 或 sub_open_id，支付宝须有 user_id；pay_platform 可由扩展推出。"
		en += "\nWeChat Pay needs open_id or sub_open_id, Alipay needs user_id; pay_platform may follow from the ext."
	case MethodMicroPay, MethodBriefMicroPay:
		zh += "\n支付平台可由付款码推出。"
		en += "\nThe wallet may follow from the payment code."
	case MethodQueryIdentityMapping:
		zh += "\n条件 out 与 mch 二选一。"
		en += "\nOne of out and mch is set."
	case MethodBriefQueryOrderList, MethodBriefQueryOrderListOverview:
		zh += "\nosmi 与 osi 至少有一个；对象的成员在应答中另平铺一份。"
		en += "\nAt least one of osmi and osi is set; the members of the answer stand beside it once more."
	}
	return zh, en
}

// authorised says in both languages whose key authenticates a call.
func authorised(method Method) (zh, en string) {
	switch method {
	case MethodCheckBillDeviceBindInfo, MethodGenerateBillDeviceBindQRCode, MethodGetBillDeviceBindInfo:
		return "a（设备初始密钥）", "a (the device's init key)"
	case MethodRefund, MethodReverse:
		return "a 或 s（子商户密钥）", "a or s (the merchant's keys)"
	}
	return "a（子商户密钥）", "a (the merchant's key)"
}
