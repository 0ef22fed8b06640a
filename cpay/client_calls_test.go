package cpay

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// callRest makes every call that callEach does not, and returns their errors by
// method.
func callRest(ctx context.Context, c *Client) map[string]error {
	errs := map[string]error{}
	pay := PayContent{OutTradeNo: testTradeNo, TotalFee: testFee, WxpayExt: &WxpayPayContentExt{SceneInfo: "{}"}}
	payer := PayMchKey{WxpayExt: &WxpayPayMchKeyExt{OpenID: "o", MobAppID: "wx1"}}
	_, errs[MethodOfficialAccountPay] = c.OfficialAccountPay(ctx, &OfficialAccountPayRequest{PayMchKey: payer, PayContent: pay})
	_, errs[MethodMiniProgramPay] = c.MiniProgramPay(ctx, &MiniProgramPayRequest{PayMchKey: payer, PayContent: pay})
	_, errs[MethodAppPay] = c.AppPay(ctx, &AppPayRequest{PayMchKey: payer, PayContent: pay})
	_, errs[MethodMobWebPay] = c.MobWebPay(ctx, &MobWebPayRequest{PayContent: pay})
	f := OrderFilter{EndTime: 2}
	_, errs[MethodClientOrderDetail] = c.ClientOrderDetail(ctx, &ClientOrderDetailRequest{PageNum: 1, PageSize: 10})
	_, errs[MethodQueryOrderList] = c.QueryOrderList(ctx, &QueryOrderListRequest{OrderFilter: f, PageNum: 1, PageSize: 10})
	_, errs[MethodQueryOrderListOverview] = c.QueryOrderListOverview(ctx, &QueryOrderListOverviewRequest{OrderFilter: f})
	_, errs[MethodClientSubMchSalesOverview] = c.ClientSubMchSalesOverview(ctx, &ClientSubMchSalesOverviewRequest{EndTime: 2})
	_, errs[MethodDownloadBill] = c.DownloadBill(ctx, &DownloadBillRequest{BillDate: "2026-11-20"})
	_, errs[MethodQuerySubMchShopInfo] = c.QuerySubMchShopInfo(ctx, &QuerySubMchShopInfoRequest{PageNum: 1, PageSize: 10})
	_, errs[MethodSetSubMchShopInfo] = c.SetSubMchShopInfo(ctx, &SetSubMchShopInfoRequest{ShopInfos: []ShopInfo{{OutShopID: "S"}}})
	_, errs[MethodSDKQuerySubMchInfo] = c.SDKQuerySubMchInfo(ctx, &SDKQuerySubMchInfoRequest{})
	_, errs[MethodQueryIdentityMapping] = c.QueryIdentityMapping(ctx, &QueryIdentityMappingRequest{})
	_, errs[MethodClientInitialize] = c.ClientInitialize(ctx, &ClientInitializeRequest{})
	_, errs[MethodClientTryGetInitializers] = c.ClientTryGetInitializers(ctx, &ClientTryGetInitializersRequest{Token: "t"})
	_, errs[MethodUnbindDeviceSNCode] = c.UnbindDeviceSNCode(ctx, &UnbindDeviceSNCodeRequest{})
	_, errs[MethodBriefMicroPay] = c.BriefMicroPay(ctx, &BriefMicroPayRequest{OutTradeNo: testTradeNo, AuthorCode: testPayCode, TotalFee: 2})
	_, errs[MethodBriefQueryOrder] = c.BriefQueryOrder(ctx, &BriefQueryOrderRequest{OutTradeNo: testTradeNo})
	b := BriefOrderFilter{EndTime: 2}
	_, errs[MethodBriefQueryOrderList] = c.BriefQueryOrderList(ctx, &BriefQueryOrderListRequest{BriefOrderFilter: b, PageNum: 1, PageSize: 9})
	_, errs[MethodBriefQueryOrderListOverview] = c.BriefQueryOrderListOverview(ctx, &BriefQueryOrderListOverviewRequest{BriefOrderFilter: b})
	_, errs[MethodDeviceReport] = c.DeviceReport(ctx, &DeviceReportRequest{})
	freeze := FreezeContent{OutFreezeNo: "F1", FreezeFee: 5, AuthorCode: testPayCode}
	_, errs[MethodMicroFreeze] = c.MicroFreeze(ctx, &MicroFreezeRequest{FreezeContent: freeze})
	_, errs[MethodScancodeFreeze] = c.ScancodeFreeze(ctx, &ScancodeFreezeRequest{FreezeContent: freeze})
	pay.OutFreezeNo = "F1"
	_, errs[MethodDepositConsume] = c.DepositConsume(ctx, &DepositConsumeRequest{PayContent: pay})
	_, errs[MethodUnfreeze] = c.Unfreeze(ctx, &UnfreezeRequest{
		UnfreezeContent: UnfreezeContent{OutFreezeNo: "F1", OutUnfreezeNo: "U1", UnfreezeFee: 5},
	})
	_, errs[MethodQueryFreezeOrder] = c.QueryFreezeOrder(ctx, &QueryFreezeOrderRequest{OutFreezeNo: "F1"})
	_, errs[MethodQueryUnfreezeOrder] = c.QueryUnfreezeOrder(ctx, &QueryUnfreezeOrderRequest{OutFreezeNo: "F1"})
	_, errs[MethodUploadClientMonitorInfo] = c.UploadClientMonitorInfo(ctx, &UploadClientMonitorInfoRequest{})
	_, errs[MethodUploadClientConfInfo] = c.UploadClientConfInfo(ctx, &UploadClientConfInfoRequest{})
	return errs
}

// theRest answers these calls with success.
func theRest() map[string][]reply {
	order := *wx(WxpayWaiting)
	script := map[string][]reply{
		MethodOfficialAccountPay: {{body: &OfficialAccountPayResponse{OrderContent: order}}},
		MethodMiniProgramPay:     {{body: &MiniProgramPayResponse{OrderContent: order}}},
		MethodBriefQueryOrder:    {{body: &BriefQueryOrderResponse{OutTradeNo: testTradeNo}}},
		MethodMicroFreeze:        {{body: &MicroFreezeResponse{FreezeOrderContent: FreezeOrderContent{OutFreezeNo: "F1", FreezeFee: 5}}}},
		MethodDepositConsume:     {{body: &DepositConsumeResponse{OrderContent: order}}},
		MethodUnfreeze:           {{body: &UnfreezeResponse{UnfreezeOrderContent: UnfreezeOrderContent{OutUnfreezeNo: "U1"}}}},
		MethodQueryFreezeOrder:   {{body: &QueryFreezeOrderResponse{FreezeOrderContent: FreezeOrderContent{OutFreezeNo: "F1"}}}},
	}
	for _, e := range catalog() {
		if script[e.method] == nil {
			script[e.method] = []reply{{body: e.response()}}
		}
	}
	return script
}

// TestRulesR49R50EveryOtherCall: each call of the SDK that TestEveryCall… does
// not make is filled in, verified, and returns an error for a refusal.
func TestRulesR49R50EveryOtherCall(t *testing.T) {
	t.Parallel()
	s := newServer(t, theRest())
	made := callRest(t.Context(), newTestClient(t, s))
	for method, err := range made {
		if err != nil {
			t.Errorf("%s: %v", method, err)
			continue
		}
		content := string(Encode(s.last(t, method).request))
		merchant := `sub_mch_id":"sz01TESTSUBMCH000001"`
		if Brief(method) {
			merchant = `"osi":"sz01TESTSHOP00000001"`
			if strings.Contains(method, "list") {
				merchant = `"osmi":"sz01TESTSUBMCH000001"`
			}
		}
		if !strings.Contains(content, merchant) {
			t.Errorf("%s lacks the merchant: %s", method, content)
		}
	}
	const elsewhere = 7 + 3 // those of callEach and of a Binder
	left := 0
	for _, e := range catalog() {
		if _, ok := made[e.method]; !ok {
			left++
		}
	}
	if left != elsewhere {
		t.Errorf("%d interfaces are called elsewhere, want %d", left, elsewhere)
	}
	refused := map[string][]reply{}
	for _, e := range catalog() {
		refused[e.method] = []reply{refusal(StatusRefused, 1, "不可以")}
	}
	for method, err := range callRest(t.Context(), newTestClient(t, newServer(t, refused))) {
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != StatusRefused || e.Description != "不可以" {
			t.Errorf("%s: %v, want the refusal", method, err)
		}
	}
	forged := map[string][]reply{}
	for _, e := range catalog() {
		forged[e.method] = []reply{{body: e.response(), key: NewKey("other")}}
	}
	c := newTestClient(t, newServer(t, forged), func(cfg *Config) { cfg.Attempts = 1 })
	for method, err := range callRest(t.Context(), c) {
		if !errors.Is(err, ErrNotAuthentic) || !Unknown(err) {
			t.Errorf("%s: %v, want ErrNotAuthentic", method, err)
		}
	}
}

// TestAnswersAboutOthersAreRefused: the numbers are what ties an answer to its
// call.
func TestAnswersAboutOthersAreRefused(t *testing.T) {
	t.Parallel()
	script := map[string][]reply{}
	for _, e := range catalog() {
		script[e.method] = []reply{{body: e.response()}}
	}
	errs := callRest(t.Context(), newTestClient(t, newServer(t, script)))
	for _, method := range []string{
		MethodOfficialAccountPay, MethodMiniProgramPay, MethodBriefQueryOrder, MethodMicroFreeze, MethodDepositConsume,
		MethodUnfreeze, MethodQueryFreezeOrder,
	} {
		if !errors.Is(errs[method], ErrNotAuthentic) {
			t.Errorf("%s: %v, want a mismatch", method, errs[method])
		}
	}
}

const (
	testSN      = "TEST_M100_0000000017"
	testInitKey = "654502BB0F57EC8737B4CF12117575B8"
)

// TestBinderBindsADevice is the life of a factory device: check, show a code,
// poll, take the key.
func TestBinderBindsADevice(t *testing.T) {
	t.Parallel()
	initKey, key := NewKey(testInitKey), NewKey("0123456789abcdef0123456789ABCDEF")
	sealedKey, err := SealDeviceKey(key, initKey)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, map[string][]reply{
		MethodCheckBillDeviceBindInfo: {{}, refusal(StatusRefused, 1, "未绑定")},
		MethodGenerateBillDeviceBindQRCode: {{body: &GenerateBillDeviceBindQRCodeResponse{
			Activator: "p9fa01zex4mi", Token: "8azip8115bqx", TTL: 180, Interval: 5, MiniProgramURL: "https://mp.example/bind",
		}}},
		MethodGetBillDeviceBindInfo: {
			{body: new(GetBillDeviceBindInfoResponse)},
			{body: &GetBillDeviceBindInfoResponse{Activated: 1, EAuthenKey: sealedKey, OutShopID: "S"}},
			{body: &GetBillDeviceBindInfoResponse{Activated: 1, EAuthenKey: "AAAA"}},
		},
	})
	s.keys = Keys{AuthenKey: initKey}
	b, err := NewBinder(testConfig(s), testSN, initKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CheckBillDeviceBindInfo(t.Context(), "S", "D", key); err != nil {
		t.Fatal(err)
	}
	check, ok := s.last(t, MethodCheckBillDeviceBindInfo).request.(*CheckBillDeviceBindInfoRequest)
	if !ok || check.SNCode != testSN || !check.Proves(key) || check.Proves(initKey) {
		t.Errorf("check = %+v", check)
	}
	if err := b.CheckBillDeviceBindInfo(t.Context(), "S", "D", key); !isDefinite(err) {
		t.Errorf("not bound: %v", err)
	}
	code, err := b.GenerateBillDeviceBindQRCode(t.Context(), &GenerateBillDeviceBindQRCodeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(b.QRCode(code))
	if err != nil || !strings.HasPrefix(u.String(), "https://mp.example/bind?ac=p9fa01zex4mi&rs=") {
		t.Fatalf("QRCode = %v, %v", u, err)
	}
	q := u.Query()
	if !VerifyBindQRCode(q.Get("ac"), q.Get("rs"), q.Get("sn"), q.Get("sign"), initKey) ||
		VerifyBindQRCode("x", q.Get("rs"), q.Get("sn"), q.Get("sign"), initKey) {
		t.Error("the code does not verify")
	}
	if resp, got, err := b.GetBillDeviceBindInfo(t.Context(), code.Token); err != nil || resp.Activated != 0 || !got.IsZero() {
		t.Errorf("before the scan: %+v, %v", resp, err)
	}
	if resp, got, err := b.GetBillDeviceBindInfo(t.Context(), code.Token); err != nil || resp.OutShopID != "S" || !got.Equal(key) {
		t.Errorf("after the scan: %+v, %v", resp, err)
	}
	if _, _, err := b.GetBillDeviceBindInfo(t.Context(), code.Token); err == nil {
		t.Error("a key that cannot be opened is taken")
	}
	for _, wrong := range []func() (*Binder, error){
		func() (*Binder, error) { return NewBinder(testConfig(s), "", initKey) },
		func() (*Binder, error) { return NewBinder(testConfig(s), testSN, Key{}) },
		func() (*Binder, error) { return NewBinder(Config{}, testSN, initKey) },
	} {
		if _, err := wrong(); err == nil {
			t.Error("a binder without what it needs")
		}
	}
}

// TestBindQRCodeVector is the published vector, whose key is in lower case while
// the console shows upper case.
func TestBindQRCodeVector(t *testing.T) {
	t.Parallel()
	const sign = "E0CA8FDA56464BDF702FCA1AE9692EB99483E065879247763B3A46B576EBF5AC"
	for _, key := range []string{"c852274d372982d5530b692fd77124d3", "C852274D372982D5530B692FD77124D3"} {
		if !VerifyBindQRCode("p9fa01zex4mi", "c44f32e0", "LANDI_QM600_LA190000000", sign, NewKey(key)) {
			t.Errorf("the vector does not verify with %s", key)
		}
	}
}

// settingAt answers GET use_device_setting.
type settingAt struct {
	t    *testing.T
	body string
	http int
	err  error
}

func (s settingAt) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.URL.Query().Get("si") != "one" || r.URL.Query().Get("sn") != "a b" {
		s.t.Errorf("%s %s", r.Method, r.URL)
	}
	if s.err != nil {
		return nil, s.err
	}
	w := newServer(s.t, map[string][]reply{MethodPing: {{raw: s.body, http: max(200, s.http)}}})
	r.URL.Path = Path(MethodPing)
	r.Body = http.NoBody
	return w.RoundTrip(r)
}

func TestUseDeviceSetting(t *testing.T) {
	t.Parallel()
	setting := &DeviceSetting{OutSubMchID: "A", AuthenKey: NewKey("k"), OutShopID: "S"}
	good := string(Encode(&UseDeviceSettingResponse{Head: Head{LogID: 1}, Setting: setting}))
	const at = "https://pay.example.com/cpay/use_device_setting?osi=S&si=one"
	bound := func(err error) bool {
		e, ok := errors.AsType[*Error](err)
		return ok && e.Internal == InternalDeviceBound
	}
	for _, tt := range []struct {
		name, address string
		via           settingAt
		check         func(error) bool
	}{
		{"good", at, settingAt{body: good}, func(err error) bool { return err == nil }},
		{"on this machine", strings.Replace(at, "https://pay.example.com", "http://127.0.0.1:1", 1), settingAt{body: good}, func(err error) bool { return err == nil }},
		{"bound to another", at, settingAt{body: `{"status":104,"internal_status":3214,"log_id":1,"description":"x"}`}, bound},
		{"no setting", at, settingAt{body: `{"status":0,"log_id":1}`}, func(err error) bool { return errors.Is(err, ErrMalformed) }},
		{"no key", at, settingAt{body: `{"status":0,"log_id":1,"use_device_setting":{"out_sub_mch_id":"A"}}`}, isTransport(ErrMalformed)},
		{"no JSON", at, settingAt{body: "<html>"}, isTransport(ErrMalformed)},
		{"502", at, settingAt{body: good, http: 502}, isTransport(ErrMalformed)},
		{"endless", at, settingAt{body: good + strings.Repeat(" ", maxSetting)}, isTransport(ErrMalformed)},
		{"lost", at, settingAt{err: errLost}, isTransport(errLost)},
		{"http", strings.Replace(at, "https", "http", 1), settingAt{body: good}, func(err error) bool { return err != nil }},
		{"elsewhere", "https://pay.example.com/x?si=one", settingAt{body: good}, func(err error) bool { return err != nil }},
		{"no question mark", "https://pay.example.com/cpay/use_device_setting", settingAt{body: good}, func(err error) bool { return err != nil }},
	} {
		tt.via.t = t
		got, err := UseDeviceSetting(t.Context(), tt.via, tt.address, "a b")
		if !tt.check(err) || (got == nil) == (err == nil) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
		if err == nil && (!got.AuthenKey.Equal(setting.AuthenKey) || got.OutShopID != "S") {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if err != nil && strings.Contains(err.Error(), "si=one") {
			t.Errorf("%s: the credential shows in %v", tt.name, err)
		}
	}
	dumped, err := json.Marshal(setting)
	if err != nil || strings.Contains(string(dumped), `"k"`) {
		t.Errorf("the key shows in %s", dumped)
	}
}
