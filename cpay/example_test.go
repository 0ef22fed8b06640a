package cpay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"cloudpay/cpay"
)

// gateway is the smallest server of the protocol: it knows one merchant, and
// every customer pays at once. It stands in for the network in these examples.
type gateway struct{ keys map[string]cpay.Keys }

func (g gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, cpay.MaxBody))
	if err != nil {
		return
	}
	_, _ = w.Write(g.microPay(body))
}

func (g gateway) microPay(body []byte) []byte {
	refused := cpay.Head{Status: cpay.StatusBadCall, InternalStatus: cpay.InternalAuthen, Description: cpay.DescriptionAuthen}
	env, err := cpay.ParseRequest(body)
	if err != nil {
		return cpay.SealResponse(refused, cpay.MethodMicroPay, nil, cpay.Key{})
	}
	hint, err := env.Hint()
	if err != nil {
		return cpay.SealResponse(refused, cpay.MethodMicroPay, nil, cpay.Key{})
	}
	keys := g.keys[hint.OutSubMchID] // an unknown merchant has no key, so nothing verifies
	var req cpay.MicroPayRequest
	if err := env.Verify(keys); err != nil {
		return cpay.SealResponse(refused, cpay.MethodMicroPay, nil, cpay.Key{})
	}
	if err := env.Decode(&req); err != nil || req.PayMchKey.OutSubMchID != hint.OutSubMchID {
		return cpay.SealResponse(cpay.Head{Status: cpay.StatusBadCall}, cpay.MethodMicroPay, nil, cpay.Key{})
	}
	if bad, ok := errors.AsType[*cpay.FieldError](req.Validate()); ok {
		head := cpay.Head{Status: cpay.StatusRefused, Description: bad.Description()}
		return cpay.SealResponse(head, cpay.MethodMicroPay, nil, keys.AuthenKey)
	}
	resp := &cpay.MicroPayResponse{
		PayMchKey: req.PayMchKey,
		OrderContent: cpay.OrderContent{
			OutTradeNo: req.PayContent.OutTradeNo, TransactionID: "4200000001", TotalFee: req.PayContent.TotalFee,
			WxpayExt: &cpay.WxpayOrderContentExt{CurrentTradeState: cpay.WxpayMicroPaid},
		},
	}
	resp.PayMchKey.PayPlatform = req.Platform()
	return cpay.SealResponse(cpay.Head{LogID: 1}, cpay.MethodMicroPay, resp, keys.AuthenKey)
}

// RoundTrip lets a client call the gateway without a socket.
func (g gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Result(), nil
}

func exampleKeys() cpay.Keys {
	return cpay.Keys{AuthenKey: cpay.NewKey("0123456789abcdef0123456789ABCDEF")}
}

func exampleClient() *cpay.Client {
	client, err := cpay.NewClient(cpay.Config{
		Domains:   []string{"pay.example.com"},
		Account:   cpay.Account{OutMchID: "P", OutSubMchID: "A", OutShopID: "S", DeviceID: "till-1"},
		Keys:      exampleKeys(),
		Transport: gateway{keys: map[string]cpay.Keys{"A": exampleKeys()}},
	})
	if err != nil {
		panic(err)
	}
	return client
}

// A till charges the customer whose payment code it has scanned.
func ExampleClient_MicroPayAndWait() {
	result := exampleClient().MicroPayAndWait(context.Background(), &cpay.MicroPayRequest{
		PayContent: cpay.PayContent{
			OutTradeNo: "010082660012611200015411", AuthorCode: "134680423163089456", TotalFee: 1250, Body: "早餐",
		},
	}, cpay.WaitOptions{Progress: func(p cpay.Progress) { fmt.Println(p.Tell) }})

	switch result.State {
	case cpay.StatePaid:
		fmt.Println(result.Tell, result.Order.TotalFee)
	case cpay.StateDeclined:
		fmt.Println(result.Tell, "- try again under a new number")
	case cpay.StateUnknown, cpay.StateWaiting, cpay.StateRefunded, cpay.StateNotOurs:
		fmt.Println(result.Tell, "- do not charge again before looking it up")
	}
	// Output: 微信支付收款成功 1250
}

// An error says whether anything can have happened.
func ExampleUnknown() {
	_, err := exampleClient().MicroPay(context.Background(), &cpay.MicroPayRequest{
		PayContent: cpay.PayContent{OutTradeNo: "1", AuthorCode: "134680423163089456"},
	})
	fmt.Println(err)
	fmt.Println(cpay.Unknown(err))
	// Output:
	// cpay: pay_content.total_fee is missing or zero
	// false
}

// A server names the merchant by the hint, verifies, and only then decodes.
func ExampleParseRequest() {
	keys := exampleKeys()
	body, err := cpay.SealRequest(&cpay.QueryOrderRequest{
		PayMchKey: cpay.PayMchKey{OutSubMchID: "A"}, OutTradeNo: "010082660012611200015411",
	}, keys, cpay.ByMAC)
	if err != nil {
		panic(err)
	}

	env, err := cpay.ParseRequest(body)
	if err != nil {
		panic(err)
	}
	hint, err := env.Hint()
	if err != nil {
		panic(err)
	}
	if err := env.Verify(keys); err != nil {
		panic(err)
	}
	var req cpay.QueryOrderRequest
	if err := env.Decode(&req); err != nil {
		panic(err)
	}
	fmt.Println(hint.OutSubMchID, req.OutTradeNo)
	// Output: A 010082660012611200015411
}

// A merchant's server is told of a payment.
func ExampleEnvelope_Callback() {
	keys := exampleKeys()
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, cpay.MaxBody))
		if err != nil {
			return
		}
		env, err := cpay.Open(body, keys)
		if err != nil {
			w.WriteHeader(http.StatusForbidden) // delivered again later
			return
		}
		event, err := env.Callback()
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch event := event.(type) {
		case *cpay.PayCallback: // settle it once, however often it comes
			fmt.Println(event.OrderContent.OutTradeNo, event.OrderContent.Outcome())
		case *cpay.RefundCallback:
			fmt.Println(len(event.RefundOrderContent), "refunds")
		}
		_, _ = w.Write(cpay.SealCallbackReply(cpay.CallbackReply{}, keys.AuthenKey))
	}

	body, err := cpay.SealRequest(&cpay.PayCallback{OrderContent: cpay.OrderContent{
		OutTradeNo: "010082660012611200015411", TotalFee: 1250,
		AlipayExt: &cpay.AlipayOrderContentExt{CurrentTradeState: cpay.AlipayPaid},
	}}, keys, cpay.ByMAC)
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	receive(w, httptest.NewRequest(http.MethodPost, "/notify", bytes.NewReader(body)))
	fmt.Println(cpay.OpenCallbackReply(w.Body.Bytes()))
	// Output:
	// 010082660012611200015411 paid
	// <nil>
}

// Goods travel as JSON text inside the order.
func ExampleDetail() {
	detail := cpay.Detail{GoodsDetail: []cpay.GoodsDetail{{GoodsID: "1", GoodsName: "tea", Quantity: 2, Price: 625}}}
	content := cpay.PayContent{Detail: string(cpay.Encode(&detail))}
	fmt.Println(content.Detail)
	// Output: {"goods_detail":[{"goods_id":"1","goods_name":"tea","quantity":2,"price":625}]}
}

// Keys and payment codes do not show.
func ExampleKey() {
	fmt.Println(cpay.NewKey("0123456789abcdef0123456789ABCDEF"), cpay.PayCode("134680423163089456"))
	// Output: *** 134680************
}

// A request that does not verify is explained: here, the till authenticated the
// text without the newline that its JSON library puts at the end.
func ExampleDiagnose() {
	keys := cpay.Keys{AuthenKey: cpay.NewKey("0123456789ABCDEF0123456789ABCDEF")}
	body, err := cpay.Seal([]byte(`{"out_sub_mch_id":"sz01EXAMPLE"}`), keys, cpay.ByMAC)
	if err != nil {
		panic(err)
	}
	body = bytes.Replace(body, []byte(`}","authen`), []byte(`}\n","authen`), 1)
	got := cpay.Diagnose(body, keys)
	fmt.Println(got.Authentic, got.Cause)
	fmt.Println(got.Explanation)
	fmt.Println("byte", got.Difference.Offset)
	// Output:
	// false newline
	// the code covers the text without the newline at its end
	// byte 32
}

// A till is set up by the address in its configuration code.
func ExampleUseDeviceSetting() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(cpay.Encode(&cpay.UseDeviceSettingResponse{Head: cpay.Head{LogID: 1}, Setting: &cpay.DeviceSetting{
			OutSubMchID: "sz01EXAMPLE", OutShopID: r.FormValue("osi"), ShopName: "Main Street", DeviceID: "till-1",
			AuthenKey: cpay.NewKey("0123456789ABCDEF0123456789ABCDEF"),
		}}))
	}))
	defer service.Close()
	address := service.URL + "/cpay/use_device_setting?osi=sz01SHOP&si=once" // what the code holds

	setting, err := cpay.UseDeviceSetting(context.Background(), http.DefaultTransport, address, "SN0001")
	if refused, ok := errors.AsType[*cpay.Error](err); ok && refused.Internal == cpay.InternalDeviceBound {
		fmt.Println(refused.Description) // bound to another device
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(setting.OutShopID, setting.ShopName, setting.DeviceID, setting.AuthenKey)
	// Output: sz01SHOP Main Street till-1 ***
}
