package cpay

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// required returns the members that Validate insists on, found by giving an empty
// request what it misses until it is content.
func required(t *testing.T, e entry) []string {
	t.Helper()
	req, names := e.request(), []string{}
	for range 32 {
		err := req.Validate()
		if err == nil {
			return names
		}
		fe, ok := errors.AsType[*FieldError](err)
		if !ok || !strings.HasPrefix(fe.Reason, "is missing") {
			t.Fatalf("%s: Validate = %v", e.method, err)
		}
		names = append(names, fe.Field)
		for _, value := range []string{`"1"`, `{}`, `[{"out_shop_id":"1"}]`} {
			if err = Decode([]byte(nest(fe.Field, value)), req); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatalf("%s: cannot fill in %s: %v", e.method, fe.Field, err)
		}
	}
	t.Fatalf("%s: never content", e.method)
	return nil
}

// nest writes value at a path of objects.
func nest(path, value string) string {
	for _, name := range slices.Backward(strings.Split(path, ".")) {
		value = "{" + strconv.Quote(name) + ":" + value + "}"
	}
	return value
}

// TestRulesR10RequestsNeedNoMoreThanThis pins what a request must bring. What is
// not listed may be left out.
func TestRulesR10RequestsNeedNoMoreThanThis(t *testing.T) {
	t.Parallel()
	const (
		key, no, fee = "pay_mch_key.out_sub_mch_id", "pay_content.out_trade_no", "pay_content.total_fee"
		platform     = "pay_mch_key.pay_platform"
	)
	want := map[Method][]string{
		MethodMicroPay:           {key, no, fee, "pay_content.author_code"},
		MethodScanCodePay:        {key, platform, no, fee},
		MethodOfficialAccountPay: {key, platform, no, fee, "pay_mch_key.wxpay_pay_mch_key_ext.open_id"},
		MethodMiniProgramPay:     {key, platform, no, fee, "pay_mch_key.wxpay_pay_mch_key_ext.open_id"},
		MethodAppPay:             {key, "pay_mch_key.wxpay_pay_mch_key_ext.mob_app_id", no, fee},
		MethodMobWebPay:          {key, no, fee, "pay_content.wxpay_pay_content_ext.scene_info"},
		MethodQueryOrder:         {key, "out_trade_no"},
		MethodCloseOrder:         {key, "out_trade_no"},
		MethodReverse:            {key, "out_trade_no"},
		MethodRefund: {
			key, "refund_content.out_trade_no", "refund_content.out_refund_no", "refund_content.total_fee",
			"refund_content.refund_fee",
		},
		MethodQueryRefundOrder:             {key, "out_trade_no"},
		MethodClientOrderDetail:            {"out_sub_mch_id", "page_num", "page_size"},
		MethodQueryOrderList:               {"out_sub_mch_id", "end_time", "page_num", "page_size"},
		MethodQueryOrderListOverview:       {"out_sub_mch_id", "end_time"},
		MethodClientSubMchSalesOverview:    {"out_sub_mch_id", "end_time"},
		MethodDownloadBill:                 {"out_sub_mch_id", "bill_date"},
		MethodQuerySubMchShopInfo:          {"out_sub_mch_id", "page_num", "page_size"},
		MethodSetSubMchShopInfo:            {"out_sub_mch_id", "shop_infos"},
		MethodSDKQuerySubMchInfo:           {"out_sub_mch_id"},
		MethodQueryIdentityMapping:         {"out", "out.out_sub_mch_id"},
		MethodClientInitialize:             {"out_sub_mch_id"},
		MethodClientTryGetInitializers:     {"out_sub_mch_id", "token"},
		MethodUnbindDeviceSNCode:           {"out_sub_mch_id", "out_shop_id", "device_id", "sn_code"},
		MethodCheckBillDeviceBindInfo:      {"sn_code", "out_shop_id", "device_id", "nonce_str", "hash_content"},
		MethodGenerateBillDeviceBindQRCode: {"sn_code"},
		MethodGetBillDeviceBindInfo:        {"sn_code", "token"},
		MethodBriefMicroPay:                {"osi", "otn", "tf", "ac"},
		MethodBriefQueryOrder:              {"osi", "otn"},
		MethodBriefQueryOrderList:          {"osmi", "et", "pn", "ps"},
		MethodBriefQueryOrderListOverview:  {"osmi", "et"},
		MethodDeviceReport:                 {"out_sub_mch_id"},
		MethodMicroFreeze: {
			key, "freeze_content.out_freeze_no", "freeze_content.freeze_fee", "freeze_content.author_code",
		},
		MethodScancodeFreeze: {key, "freeze_content.out_freeze_no", "freeze_content.freeze_fee"},
		MethodDepositConsume: {key, no, fee, "pay_content.out_freeze_no"},
		MethodUnfreeze: {
			key, "unfreeze_content.out_freeze_no", "unfreeze_content.out_unfreeze_no", "unfreeze_content.unfreeze_fee",
		},
		MethodQueryFreezeOrder:        {key, "out_freeze_no"},
		MethodQueryUnfreezeOrder:      {key, "out_freeze_no"},
		MethodUploadClientMonitorInfo: {"out_sub_mch_id"},
		MethodUploadClientConfInfo:    {"out_sub_mch_id"},
	}
	got := map[Method][]string{}
	for _, e := range catalog() {
		got[e.method] = required(t, e)
		if e.request().Method() != e.method || NewRequest(e.method) == nil {
			t.Errorf("%s: a request of %s", e.method, e.request().Method())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("required members (-want +got):\n%s", diff)
	}
	if NewRequest(MethodPing) != nil {
		t.Error("ping takes a request")
	}
}

// TestResponseMembersAreTheOriginals is protocol.md §7 rows 28, 29 and 32: where
// the object in the answer is not called as the path.
func TestResponseMembersAreTheOriginals(t *testing.T) {
	t.Parallel()
	other := map[Method][]string{
		MethodMobWebPay:                    {"mobile_web_pay"},
		MethodClientOrderDetail:            {"order_detail_query"},
		MethodQuerySubMchShopInfo:          {"query_shop_info"},
		MethodSetSubMchShopInfo:            {"set_shop_info"},
		MethodSDKQuerySubMchInfo:           {"query_sub_mch_info"},
		MethodDeviceReport:                 {"device_info_report"},
		MethodScancodeFreeze:               {"scan_code_freeze"},
		MethodGenerateBillDeviceBindQRCode: {"generate_bill_device_bind_qr_code", "generate_bill_device_bind_qr_code_response"},
		MethodGetBillDeviceBindInfo:        {"bill_device_bind_sn", "get_bill_device_bind_info_response"},
	}
	for _, e := range catalog() {
		if Brief(e.method) {
			continue
		}
		want := other[e.method]
		if want == nil {
			want = []string{e.method}
		}
		for _, status := range []Status{StatusOK, StatusRefused} {
			body := SealResponse(Head{Status: status}, e.method, e.response(), testKeys.AuthenKey)
			content := contentOf(t, body)
			for _, name := range want {
				object, ok := content[name].(map[string]any)
				if !ok || object["nonce_str"] == "" {
					t.Errorf("%s at %d: %s = %v", e.method, status, name, content[name])
				}
			}
			if len(content) != 4+len(want) {
				t.Errorf("%s at %d: %v", e.method, status, content)
			}
			_, err := OpenResponse(body, e.method, e.response(), testKeys.AuthenKey)
			if refused, _ := errors.AsType[*Error](err); (status == StatusOK) != (err == nil) || status != StatusOK && refused == nil {
				t.Errorf("%s at %d: OpenResponse: %v", e.method, status, err)
			}
		}
	}
}

// contentOf returns the content of an answer in either envelope.
func contentOf(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var outer struct {
		Content string `json:"response_content"`
		Brief   string `json:"rc"`
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var tree map[string]any
	if err := json.Unmarshal([]byte(outer.Content+outer.Brief), &tree); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return tree
}

// TestSecondNameIsReadToo: a server that writes only the table's name is
// understood.
func TestSecondNameIsReadToo(t *testing.T) {
	t.Parallel()
	content := `{"status":0,"description":"","log_id":1,"internal_status":0,` +
		`"get_bill_device_bind_info_response":{"activated":1,"authen_key":"e"}}`
	var m GetBillDeviceBindInfoResponse
	_, err := OpenResponse(sealContent([]byte(content), StatusOK, testKeys.AuthenKey), MethodGetBillDeviceBindInfo, &m, testKeys.AuthenKey)
	if err != nil || m.Activated != 1 || m.EAuthenKey != "e" {
		t.Errorf("OpenResponse = %+v, %v", m, err)
	}
}

func TestBriefEnvelopeBothWays(t *testing.T) {
	t.Parallel()
	key := testKeys.AuthenKey
	for _, e := range catalog() {
		if !Brief(e.method) {
			continue
		}
		body, err := SealBriefRequest(e.request(), key)
		if err != nil {
			t.Fatal(err)
		}
		env, err := Parse(e.method, body)
		if err != nil || env.Verify(testKeys) != nil || env.Decode(e.request()) != nil {
			t.Errorf("%s: %s is not opened: %v", e.method, body, err)
		}
		for _, status := range []Status{0, 3, 101, 102, 103, 104} {
			body := SealBriefResponse(Head{Status: status, LogID: 7, InternalStatus: 9}, e.method, e.response(), key)
			if got := strings.Contains(string(body), `,"a":"`); got != status.Authenticated() {
				t.Errorf("%s at %d: %s", e.method, status, body)
			}
			content := contentOf(t, body)
			if content["s"] != float64(status) || content["li"] != 7.0 || content["is"] != 9.0 || content["d"] == "" {
				t.Errorf("%s at %d: %v", e.method, status, content)
			}
			object, ok := content[e.method].(map[string]any)
			if ok != status.Authenticated() || ok && len(object["ns"].(string)) != 8 {
				t.Errorf("%s at %d: %v", e.method, status, content)
			}
			head, err := OpenBriefResponse(body, e.method, e.response(), key)
			refused, _ := errors.AsType[*Error](err)
			if status == StatusOK && err != nil || status != StatusOK && (refused == nil || refused.Status != status || head.LogID != 7) {
				t.Errorf("%s at %d: OpenBriefResponse = %+v, %v", e.method, status, head, err)
			}
			if _, err := OpenBriefResponse(body, e.method, e.response(), NewKey("other")); status.Authenticated() && !errors.Is(err, ErrNotAuthentic) {
				t.Errorf("%s at %d: opened with another key: %v", e.method, status, err)
			}
		}
	}
	if _, err := SealBriefRequest(new(BriefMicroPayRequest), Key{}); err == nil {
		t.Error("sealed without a key")
	}
	for _, body := range []string{
		``, `{}`, `{"rc":{}}`, `{"rc":"{}"}`, `{"rc":"{\"s\":0}"}`, `{"rc":"{\"s\":0,\"li\":-1}"}`, `{"rc":"x"}`,
		string(sealBrief("rc", []byte(`{"s":0}`), true, key)), strings.Repeat(" ", MaxResponse+1),
	} {
		_, err := OpenBriefResponse([]byte(body), MethodBriefMicroPay, new(BriefMicroPayResponse), key)
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("OpenBriefResponse(%.40q) = %v", body, err)
		}
	}
}

// TestBriefListsStandTwice is protocol.md §7 row 33.
func TestBriefListsStandTwice(t *testing.T) {
	t.Parallel()
	resp := &BriefQueryOrderListResponse{TotalCount: 1, OrderDetails: []BriefOrderDetail{{Order: &BriefOrder{OutTradeNo: "1"}}}}
	content := contentOf(t, SealBriefResponse(Head{LogID: 1}, MethodBriefQueryOrderList, resp, testKeys.AuthenKey))
	nested, ok := content[MethodBriefQueryOrderList].(map[string]any)
	if !ok {
		t.Fatal(content)
	}
	for _, name := range []string{"tc", "ods", "ns"} {
		if diff := cmp.Diff(nested[name], content[name]); diff != "" || nested[name] == nil {
			t.Errorf("%s differs: %s", name, diff)
		}
	}
	one := contentOf(t, SealBriefResponse(Head{LogID: 1}, MethodBriefQueryOrder, new(BriefQueryOrderResponse), testKeys.AuthenKey))
	if one["otn"] != nil {
		t.Errorf("a single order stands twice: %v", one)
	}
}

// TestRulesR33AllElevenMembersOfASetting: nested and flat, empty or not, and never
// a member of the setting without success.
func TestRulesR33AllElevenMembersOfASetting(t *testing.T) {
	t.Parallel()
	names := []string{
		"out_mch_id", "out_sub_mch_id", "cloud_cashier_id", "authen_type", "authen_key", "out_shop_id", "shop_name",
		"device_id", "device_name", "staff_id", "staff_name",
	}
	m := &UseDeviceSettingResponse{
		Head:    Head{Description: "ok", LogID: 5},
		Setting: &DeviceSetting{AuthenKey: NewKey("0123456789ABCDEF0123456789ABCDEF"), OutShopID: "S"},
	}
	var tree map[string]any
	if err := json.Unmarshal(Encode(m), &tree); err != nil {
		t.Fatal(err)
	}
	nested, _ := tree["use_device_setting"].(map[string]any)
	for _, name := range names {
		if tree[name] == nil || tree[name] != nested[name] {
			t.Errorf("%s = %v and %v", name, tree[name], nested[name])
		}
	}
	if len(nested) != len(names) || nested["authen_key"] != "0123456789ABCDEF0123456789ABCDEF" || nested["authen_type"] != 1.0 {
		t.Errorf("setting = %v", nested)
	}
	var got UseDeviceSettingResponse
	if err := Decode(Encode(m), &got); err != nil || !got.Setting.AuthenKey.Equal(m.Setting.AuthenKey) {
		t.Errorf("Decode = %v, %v", got, err)
	}
	refused := string(Encode(&UseDeviceSettingResponse{Head: Head{Status: StatusRefused, InternalStatus: InternalDeviceBound, LogID: 1}}))
	if want := `{"status":104,"description":"","log_id":1,"internal_status":3214}`; refused != want {
		t.Errorf("refusal = %s, want %s", refused, want)
	}
}

// TestRulesR14WrappedCondition: one client wraps the condition and capitalises it.
func TestRulesR14WrappedCondition(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]*QueryIdentityMappingRequest{
		`{"out":{"out_sub_mch_id":"A"}}`:               {Out: &OutIDs{OutSubMchID: "A"}},
		`{"mch":{"mch_id":1,"sub_mch_id":"2"}}`:        {Mch: &MchIDs{MchID: "1", SubMchID: "2"}},
		`{"Condition":{"Out":{"out_sub_mch_id":"A"}}}`: {Out: &OutIDs{OutSubMchID: "A"}},
		`{"Condition":{"Mch":{"sub_mch_id":"2"}}}`:     {Mch: &MchIDs{SubMchID: "2"}},
		`{"Condition":null,"out":null}`:                {},
	} {
		got := new(QueryIdentityMappingRequest)
		if err := Decode([]byte(content), got); err != nil {
			t.Errorf("%s: %v", content, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", content, diff)
		}
		if err := got.Validate(); (err == nil) != (got.Out != nil || got.Mch != nil) {
			t.Errorf("%s: Validate = %v", content, err)
		}
	}
	both := &QueryIdentityMappingRequest{Mch: &MchIDs{SubMchID: "1"}, Out: &OutIDs{OutSubMchID: "1"}}
	if both.Validate() == nil {
		t.Error("two conditions are taken")
	}
}

// TestRulesR06MonitoringIsNeverRefused: whatever a till reports about itself is
// read as far as it can be.
func TestRulesR06MonitoringIsNeverRefused(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]*UploadClientMonitorInfoRequest{
		`{"interval":"soon","is_compress":7,"order_client":[],"out_mch_id":{"a":[1]},"uncompressed_monitor_info":"x"}`: {OutMchID: `{"a":[1]}`},
		`{"out_mch_id":"a","out_mch_id":"b","nonce_str":1.5,"order_client":{"terminal_type":"linux","device_id":true}}`: {
			OutMchID: "a", NonceStr: "1.5", OrderClient: ReportedClient{DeviceID: "true"},
		},
		`{"uncompressed_monitor_info":{"machine_info":{"cpu":1},"client_int_results":[{"interface":"scan_code_pay","time_cost":1e3,` +
			`"logs":["a","b"],"log_id":"x"},5,{"interface":{"a":1},"description":"a\u0000b"}]}}`: {
			UncompressedMonitorInfo: &MonitorInfo{
				MachineInfo: `{"cpu":1}`,
				ClientIntResults: []ClientIntResult{
					{Interface: 101, TimeCost: 1000, Logs: `["a","b"]`}, {Description: "ab"},
				},
			},
		},
		`{"uncompressed_monitor_info":{"client_int_results":{"interface":"100"}}}`: {
			UncompressedMonitorInfo: &MonitorInfo{ClientIntResults: []ClientIntResult{{Interface: 100}}},
		},
	} {
		got := new(UploadClientMonitorInfoRequest)
		if err := Decode([]byte(content), got); err != nil {
			t.Errorf("%s: %v", content, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", content, diff)
		}
	}
	for _, content := range []string{`{"interval":`, `{"interval":01}`, `{"order_client":{"a":nul}}`, `[]`} {
		if err := Decode([]byte(content), new(UploadClientMonitorInfoRequest)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", content, err)
		}
	}
	report := new(DeviceReportRequest)
	err := Decode([]byte(`{"out_sub_mch_id":"A","sn_code":"S","ali_pay_suc`+`ess_count":"2","api_calling_infos":[{"code":-2},null],"cpu_usage":0.5}`), report)
	want := &DeviceReportRequest{
		OutSubMchID: "A", SNCode: "S", Alipay: ReportedPayments{SuccessCount: 2}, APICallingInfos: []APICallingInfo{{Code: -2}}, CPUUsage: "0.5",
	}
	if diff := cmp.Diff(want, report); diff != "" || err != nil {
		t.Errorf("device_report: %v\n%s", err, diff)
	}
	long := `{"uncompressed_monitor_info":{"client_int_results":[` + strings.Repeat(`{},`, maxUploads+10) + `{}]}}`
	got := new(UploadClientMonitorInfoRequest)
	if err := Decode([]byte(long), got); err != nil || len(got.UncompressedMonitorInfo.ClientIntResults) != maxUploads {
		t.Errorf("a long list: %v", err)
	}
}

// TestAbsentKeepsAndEmptyClears is the way in which a server changes what it has
// stored (protocol.md §1.1).
func TestAbsentKeepsAndEmptyClears(t *testing.T) {
	t.Parallel()
	e, err := Open(enveloped(t, `{"out_sub_mch_id":"A","n":null,"shop_infos":[{"out_shop_id":"1","phone":"","city":"深圳"},{"shop_name":"x"}]}`), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	stored := ShopInfo{OutShopID: "1", Phone: "0755", City: "广州", ShopName: "店"}
	if err := e.DecodeAt("shop_infos[0]", &stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ShopInfo{OutShopID: "1", City: "深圳", ShopName: "店"}, stored); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for path, want := range map[string]bool{
		"out_sub_mch_id": true, "shop_infos": true, "shop_infos[0].phone": true, "shop_infos[1].phone": false, "shop_infos[2]": false,
		"shop_infos[0].city.x": false, "n": false, "m": false, "out_sub_mch_id[0]": false, "shop_infos[x]": false, "shop_infos[-1]": false,
	} {
		if got := e.Has(path); got != want {
			t.Errorf("Has(%s) = %v", path, got)
		}
	}
	if err := e.DecodeAt("shop_infos[2]", &stored); !errors.Is(err, ErrMalformed) {
		t.Errorf("DecodeAt nothing: %v", err)
	}
	unverified, err := ParseRequest(enveloped(t, `{"a":1}`))
	if err != nil || unverified.Has("a") || !errors.Is(unverified.DecodeAt("a", &stored), ErrNotAuthentic) {
		t.Errorf("looked into what is not verified, %v", err)
	}
}

func TestReverseCallbackIsToldApart(t *testing.T) {
	t.Parallel()
	body, err := SealRequest(&ReverseCallback{OutTradeNo: "90000001x", NonceStr: "n"}, testKeys, ByMAC)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(body, testKeys)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Callback()
	if diff := cmp.Diff(Message(&ReverseCallback{OutTradeNo: "90000001x", NonceStr: "n"}), got); diff != "" || err != nil {
		t.Errorf("Callback: %v\n%s", err, diff)
	}
}

// TestRequestsMayBeAsLongAsTheirInterfaceAllows: only monitoring data may be
// longer than anything else.
func TestRequestsMayBeAsLongAsTheirInterfaceAllows(t *testing.T) {
	t.Parallel()
	for _, e := range catalog() {
		limit := MaxRequest(e.method)
		if want := e.method == MethodUploadClientMonitorInfo || e.method == MethodUploadClientConfInfo; (limit > MaxBody) != want {
			t.Errorf("%s takes %d bytes", e.method, limit)
		}
		body := `{"request_content":"{}","r":"{}"}`
		if _, err := Parse(e.method, []byte(body+strings.Repeat(" ", limit-len(body)))); err != nil {
			t.Errorf("%s: %v", e.method, err)
		}
		if _, err := Parse(e.method, []byte(body+strings.Repeat(" ", limit-len(body)+1))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s takes more than its limit: %v", e.method, err)
		}
	}
}

// TestHintFindsTheMerchantOfEveryRequest is protocol.md §1.4: whose key to verify
// with stands somewhere in each request.
func TestHintFindsTheMerchantOfEveryRequest(t *testing.T) {
	t.Parallel()
	for _, e := range catalog() {
		req := e.request()
		for _, content := range []string{
			`{"pay_mch_key":{"out_sub_mch_id":"A"}}`, `{"out_sub_mch_id":"A"}`, `{"osmi":"A"}`, `{"osi":"A"}`, `{"sn":"A"}`,
			`{"out":{"out_sub_mch_id":"A"}}`,
		} {
			if err := Decode([]byte(content), req); err != nil {
				t.Fatal(err)
			}
		}
		env, err := ParseRequest(enveloped(t, string(Encode(req))))
		if err != nil {
			t.Fatal(err)
		}
		got, err := env.Hint()
		want := Hint{OutSubMchID: "A"}
		switch req.(type) {
		case *BriefMicroPayRequest, *BriefQueryOrderRequest:
			want = Hint{OutShopID: "A"}
		case *BriefQueryOrderListRequest, *BriefQueryOrderListOverviewRequest:
			want = Hint{OutSubMchID: "A", OutShopID: "A"}
		case *UnbindDeviceSNCodeRequest, *DeviceReportRequest:
			want = Hint{OutSubMchID: "A", SNCode: "A"}
		case *CheckBillDeviceBindInfoRequest, *GenerateBillDeviceBindQRCodeRequest, *GetBillDeviceBindInfoRequest:
			want = Hint{SNCode: "A"}
		}
		if got != want || err != nil {
			t.Errorf("%s: Hint = %+v, %v, want %+v", e.method, got, err, want)
		}
	}
}
