package sandbox_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/smartwalle/alipay/v3"

	"cloudpay/internal/sandbox"
)

// TestAlipayLibraryIsServed drives a whole trade with a client library that
// neither side of this project wrote (upstreams.md §8.1).
func TestAlipayLibraryIsServed(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]func(*alipay.Client, sandbox.AlipayAccount) error{
		"key mode": func(c *alipay.Client, a sandbox.AlipayAccount) error {
			return c.LoadAliPayPublicKey(a.AlipayPublicKeyPEM)
		},
		"certificate mode": func(c *alipay.Client, a sandbox.AlipayAccount) error {
			return errors.Join(c.LoadAppCertPublicKey(a.AppCertPEM), c.LoadAlipayCertPublicKey(a.AlipayCertPEM), c.LoadAliPayRootCert(a.RootCertPEM))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serveLibrary(t, load)
		})
	}
}

func serveLibrary(t *testing.T, load func(*alipay.Client, sandbox.AlipayAccount) error) {
	t.Helper()
	b, box := newInbox(t, "success")
	a := b.Accounts().Providers[0].Alipay
	client, err := alipay.New(a.AppID, a.AppPrivateKeyPEM, false,
		alipay.WithSandboxGateway(b.wallet.URL+"/gateway.do"), alipay.WithHTTPClient(b.client(-1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := load(client, a); err != nil {
		t.Fatal(err)
	}
	token, no := a.Merchants[0].AppAuthToken, b.no()
	pay := func(no, amount string) (*alipay.TradePayRsp, error) {
		return client.TradePay(t.Context(), alipay.TradePay{
			Trade: alipay.Trade{
				AppAuthToken: token, NotifyURL: "https://merchant.example/notify", Subject: "测试 商品 50%", OutTradeNo: no, TotalAmount: amount, ProductCode: "FACE_TO_FACE_PAYMENT",
			},
			Scene: "bar_code", AuthCode: b.code(sandbox.Alipay, ""),
		})
	}
	paid, err := pay(no, "0.02")
	if err != nil || paid.Code != "10000" || paid.TotalAmount != "0.02" {
		t.Fatalf("TradePay = %+v, %v", paid, err)
	}
	found, err := client.TradeQuery(t.Context(), alipay.TradeQuery{AppAuthToken: token, OutTradeNo: no})
	if err != nil || found.TradeStatus != "TRADE_SUCCESS" || found.TradeNo != paid.TradeNo {
		t.Errorf("TradeQuery = %+v, %v", found, err)
	}
	refunded, err := client.TradeRefund(t.Context(), alipay.TradeRefund{AppAuthToken: token, OutTradeNo: no, RefundAmount: "0.01", OutRequestNo: "R1"})
	if err != nil || refunded.FundChange != "Y" || refunded.RefundFee != "0.01" {
		t.Errorf("TradeRefund = %+v, %v", refunded, err)
	}
	status, err := client.TradeFastPayRefundQuery(t.Context(), alipay.TradeFastPayRefundQuery{AppAuthToken: token, OutTradeNo: no, OutRequestNo: "R1"})
	if err != nil || status.RefundStatus != "REFUND_SUCCESS" || status.RefundAmount != "0.01" {
		t.Errorf("TradeFastPayRefundQuery = %+v, %v", status, err)
	}
	waiting := b.no()
	if got, err := pay(waiting, "600.00"); err != nil || got.Code != "10003" {
		t.Errorf("TradePay of 600 yuan = %+v, %v", got, err)
	}
	cancelled, err := client.TradeCancel(t.Context(), alipay.TradeCancel{AppAuthToken: token, OutTradeNo: waiting})
	if err != nil || cancelled.Action != "close" || cancelled.RetryFlag != "N" {
		t.Errorf("TradeCancel = %+v, %v", cancelled, err)
	}
	if _, err := b.SendNotices(t.Context()); err != nil {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(box.taken()[0])
	if err != nil {
		t.Fatal(err)
	}
	if n, err := client.DecodeNotification(t.Context(), form); err != nil || n.OutTradeNo != no || n.TradeStatus != "TRADE_SUCCESS" {
		t.Errorf("DecodeNotification = %+v, %v", n, err)
	}
	form.Set("total_amount", "0.03")
	if n, err := client.DecodeNotification(t.Context(), form); err == nil {
		t.Errorf("DecodeNotification of an altered notice = %+v, want an error", n)
	}
	b.fault(sandbox.Fault{Scenario: "bad_sign", Channel: sandbox.Alipay})
	if got, err := pay(b.no(), "0.01"); err == nil {
		t.Errorf("TradePay with a bad signature = %+v, want an error", got)
	}
}

// codeTable is the part of the classification vectors this test drives.
type codeTable struct {
	TopLevel []struct{ Code string } `json:"top_level"`
	Calls    map[string]struct {
		Path     string
		Codes    []struct{ Code string }
		SubCodes json.RawMessage `json:"sub_codes"`
		States   []map[string]any
	}
}

func readTable(t *testing.T, name string) codeTable {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var table codeTable
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	return table
}

// TestEveryListedWeChatCodeCanBeAnswered drives each row of the table that the
// adapter classifies by, so that its suite can too.
func TestEveryListedWeChatCodeCanBeAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	rows := 0
	for name, call := range readTable(t, "upstream-codes-wechat-v2.json").Calls {
		if !slices.Contains([]string{"micropay", "orderquery", "reverse", "refund", "refundquery", "closeorder", "unifiedorder"}, name) {
			continue
		}
		for _, row := range call.Codes {
			b.fault(sandbox.Fault{Scenario: "answer_code", Channel: sandbox.WeChat, Endpoint: name, Count: 1, Params: sandbox.Params{Code: row.Code}})
			if got, _ := b.wx(call.Path, kv{"out_trade_no": "X"}); got != row.Code {
				t.Errorf("%s = %s, want %s", name, got, row.Code)
			}
			rows++
		}
	}
	t.Logf("%d codes answered", rows)
	if rows < 60 {
		t.Errorf("only %d rows were found in the table", rows)
	}
}

// TestEveryListedAlipayCodeCanBeAnswered is the same for Alipay, the top-level
// codes included.
func TestEveryListedAlipayCodeCanBeAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	table := readTable(t, "upstream-codes-alipay.json")
	rows := 0
	for _, name := range slices.Sorted(maps.Keys(table.Calls)) {
		var subs []struct{ Code string }
		if !strings.HasPrefix(name, "alipay.trade.") || name == "alipay.trade.create" || name == "alipay.trade.precreate" { // as alipay.trade.pay
			continue
		}
		if err := json.Unmarshal(table.Calls[name].SubCodes, &subs); err != nil {
			t.Fatal(err)
		}
		codes := subs
		if name == "alipay.trade.pay" {
			codes = append(codes, table.TopLevel...)
		}
		for _, row := range codes {
			b.fault(sandbox.Fault{Scenario: "answer_code", Channel: sandbox.Alipay, Endpoint: name, Count: 1, Params: sandbox.Params{Code: row.Code}})
			want := row.Code
			if want == "40004" { // a refusal without a sub_code
				out, err := b.aliCall(name, kv{"out_trade_no": "X"})
				if err != nil || out["code"] != "40004" {
					t.Errorf("%s = %v, %v, want a bare 40004", name, out, err)
				}
				continue
			}
			if got, _ := b.ali(name, kv{"out_trade_no": "X"}); got != want {
				t.Errorf("%s = %s, want %s", name, got, want)
			}
			rows++
		}
	}
	t.Logf("%d codes answered", rows)
	if rows < 60 {
		t.Errorf("only %d rows were found in the table", rows)
	}
}

// readJSON reads one of the vectors.
func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}
