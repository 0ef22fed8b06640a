package wire_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// full is an Extra with every member set.
var full = wire.Extra{
	Detail: `{"goods_detail":[{"quantity":1,"price":3}]}`, Remark: "备注", ClientFlowID: "flow-1", Attach: "a<b>&c", GoodsTag: "tag",
	LimitPay: "no_credit", SubMchPayInfo: "opaque", Discountable: 1, Undiscountable: 2, DisablePayChannels: "credit_group",
	RefundFlowID: "flow-2",
	Client: cpay.OrderClient{
		DeviceID: "till-1", StaffID: "1003", TerminalType: 2, SubTerminalType: 900, MachineNo: "02-00", SDKVersion: "1.1",
		SpbillCreateIP: "192.0.2.1", ShopID: "own", SNCode: "SN1",
	},
}

func TestWhatTheCallerSentIsShownAgain(t *testing.T) {
	t.Parallel()
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		o := order(ch, pay.TradeMicroPay)
		o.Extra, o.NotifyURL = full.Encode(), "https://merchant.example/told"
		c := wire.Order(o)
		if c.Detail != full.Detail || c.Remark != full.Remark || c.ClientFlowID != full.ClientFlowID || c.Body != "bread" || c.CallerNotifyURL != o.NotifyURL {
			t.Errorf("%s order shows %+v", ch, c)
		}
		if x := c.WxpayExt; x != nil && (x.Attach != full.Attach || x.GoodsTag != full.GoodsTag || x.LimitPay != full.LimitPay) {
			t.Errorf("wxpay ext shows %+v", x)
		}
		if x := c.AlipayExt; x != nil && (x.DiscountableAmount != 1 || x.UndiscountableAmount != 2 || x.DisablePayChannels != full.DisablePayChannels) {
			t.Errorf("alipay ext shows %+v", x)
		}
		if k := wire.MchKey(o); k.SubMchPayInfo != "opaque" || k.OutMchID != o.ProviderID || k.OutSubMchID != o.MerchantID || k.OutShopID != o.ShopID {
			t.Errorf("pay_mch_key shows %+v", k)
		}
		if diff := cmp.Diff(full.Client, *wire.Client(o)); diff != "" {
			t.Errorf("order_client (-sent +shown):\n%s", diff)
		}
		r := refund(o, pay.RefundPending)
		r.Extra = full.Encode()
		if c := wire.Refund(o, r); c.ClientRefundFlowID != "flow-2" || c.RefundReason != "stale" || c.RefundID == "" {
			t.Errorf("refund shows %+v", c)
		}
	}
}

// TestStoredExtrasStayReadable pins the form that rows of earlier versions
// have: a renamed member would be lost without a sound.
func TestStoredExtrasStayReadable(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "extra.json"))
	if err != nil {
		t.Fatal(err)
	}
	stored := strings.TrimSpace(string(raw))
	if got := full.Encode(); got != stored {
		t.Errorf("an extra is stored as\n%s\nand older rows are\n%s", got, stored)
	}
	o := order(pay.Wxpay, pay.TradeMicroPay)
	o.Extra = stored
	if c := wire.Order(o); c.Remark != "备注" || c.WxpayExt.Attach != "a<b>&c" || *wire.Client(o) != full.Client {
		t.Errorf("a stored extra shows %+v", c)
	}
}

func TestAnEmptyExtraTakesNoRoom(t *testing.T) {
	t.Parallel()
	if got := (wire.Extra{}).Encode(); got != "" {
		t.Errorf("nothing is stored as %q", got)
	}
	o := order(pay.Wxpay, pay.TradeMicroPay)
	if c := wire.Client(o); c.DeviceID != "till-1" || c.StaffID != "1003" {
		t.Errorf("without an order_client the order's own device shows as %+v", c)
	}
}

// TestADamagedExtraDoesNotFailAnAnswerAboutMoney shows the order all the same.
func TestADamagedExtraDoesNotFailAnAnswerAboutMoney(t *testing.T) {
	t.Parallel()
	for _, damaged := range []string{"{", "[]", "null", `{"remark":1}`, `"text"`, `{"remark":"half`} {
		o := paid(order(pay.Alipay, pay.TradeMicroPay))
		o.Extra = damaged
		c := wire.Order(o)
		if c.AlipayExt.CurrentTradeState != cpay.AlipayPaid || c.Remark != "" || wire.Client(o).DeviceID != "till-1" {
			t.Errorf("extra %s: %+v", damaged, c)
		}
	}
}

// TestWhatNoClientCouldReadIsDropped is R24 and R29: another till must be able
// to read an order whatever the first one sent along with it.
func TestWhatNoClientCouldReadIsDropped(t *testing.T) {
	t.Parallel()
	sent := wire.Extra{
		Discountable: cpay.MaxFee + 1, Undiscountable: -1,
		Client: cpay.OrderClient{TerminalType: 1 << 40, SubTerminalType: -5, DeviceID: "x"},
	}
	o := order(pay.Alipay, pay.TradeMicroPay)
	o.Extra = sent.Encode()
	c, client := wire.Order(o), wire.Client(o)
	if c.AlipayExt.DiscountableAmount != 0 || c.AlipayExt.UndiscountableAmount != 0 || client.TerminalType != 0 || client.SubTerminalType != 0 || client.DeviceID != "x" {
		t.Errorf("numbers beyond 32 bits are shown: %+v, %+v", c.AlipayExt, client)
	}
	if sent.Discountable != cpay.MaxFee+1 {
		t.Error("Encode changes the extra of its caller")
	}
	for detail, shown := range map[string]bool{
		`{"goods_detail":[]}`: true, `{"goods_details":[{"quantity":1.0,"price":"3"}],"x":1}`: true, `{}`: true,
		`two loaves`: false, `[]`: false, `{"goods_detail":{}}`: false, `{"goods_detail":[]`: false, `1`: false,
	} {
		o.Extra = wire.Extra{Detail: detail}.Encode()
		if got := wire.Order(o).Detail; (got == detail) != shown || !shown && got != "" {
			t.Errorf("detail %s is shown as %q", detail, got)
		}
	}
}

// TestCallbacksComeBackThroughTheSDK seals both callbacks as the server does and
// reads them as a merchant does.
func TestCallbacksComeBackThroughTheSDK(t *testing.T) {
	t.Parallel()
	keys := cpay.Keys{AuthenKey: cpay.NewKey("VECTOR0TEST0KEY0ONLY000000000001")}
	read := func(m cpay.Message) cpay.Message {
		body, err := cpay.SealRequest(m, keys, cpay.ByMAC)
		if err != nil {
			t.Fatal(err)
		}
		e, err := cpay.Open(body, keys)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Callback()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		o := paid(order(ch, pay.TradeMicroPay))
		o.Extra = full.Encode()
		sent := &cpay.PayCallback{NonceStr: "n", PayMchKey: wire.MchKey(o), OrderContent: wire.Order(o), OrderClient: wire.Client(o)}
		sent.OrderContent.NonceStr = "o"
		if diff := cmp.Diff(cpay.Message(sent), read(sent)); diff != "" {
			t.Errorf("%s pay callback (-sent +read):\n%s", ch, diff)
		}
		o.Reserved, o.Refunded = 40, 40
		back := &cpay.RefundCallback{
			NonceStr: "n", PayMchKey: wire.MchKey(o),
			RefundOrderContent: []cpay.RefundOrderContent{wire.Refund(o, refund(o, pay.RefundSucceeded))},
		}
		back.RefundOrderContent[0].NonceStr = "r"
		if diff := cmp.Diff(cpay.Message(back), read(back)); diff != "" {
			t.Errorf("%s refund callback (-sent +read):\n%s", ch, diff)
		}
		if back.RefundOrderContent[0].Local() != cpay.LocalRefundSuccess {
			t.Errorf("%s refund callback is not a success", ch)
		}
	}
}

func TestAuthenInfoIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	info := cpay.AuthenInfo{
		A: &cpay.Authen{AuthenType: 1, AuthenCode: strings.Repeat("A", 64)}, S: &cpay.Signature{SignType: 1, Sign: strings.Repeat("s", 344)},
	}
	kept := wire.KeepAuthen(info)
	if diff := cmp.Diff(&info, wire.Authen(kept)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", kept, diff)
	}
	info.S.Sign = strings.Repeat("s", 2000)
	if got := wire.KeepAuthen(info); got != "" {
		t.Errorf("a signature of nobody's key is kept in %d bytes", len(got))
	}
	if got := wire.KeepAuthen(cpay.AuthenInfo{}); got != "" || wire.Authen("") != nil || wire.Authen("{") != nil {
		t.Errorf("nothing is kept as %q", got)
	}
}
