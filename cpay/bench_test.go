package cpay

import (
	"testing"
)

func benchOrder() *MicroPayResponse {
	return &MicroPayResponse{
		PayMchKey: PayMchKey{
			PayPlatform: PlatformWxpay, OutMchID: "sz01TESTMCH000000001",
			OutSubMchID: "sz01TESTSUBMCH000001", OutShopID: "sz01TESTSHOP00000001",
		},
		OrderContent: OrderContent{
			OutTradeNo: "9000000120240102030405", TransactionID: "4200000000202401020000000001", TotalFee: 2,
			CreateTime: 1704067200, LastUpdateTime: 1704067201, TradeType: TradeMicroPay, FeeType: "CNY",
			CashFee: 2, CashFeeType: "CNY", SettlementTotalFee: 2, TimeEnd: 1704067201, Body: "茶叶蛋",
			WxpayExt: &WxpayOrderContentExt{CurrentTradeState: WxpayMicroPaid, BankType: "OTHERS"},
		},
	}
}

// BenchmarkOpenMicroPay is the server's way in: parse, find the merchant, verify,
// decode, validate.
func BenchmarkOpenMicroPay(b *testing.B) {
	keys := Keys{AuthenKey: NewKey("VECTOR0TEST0KEY0ONLY000000000001")}
	body, err := SealRequest(validMicroPay(), keys, ByMAC)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		e, err := ParseRequest(body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Hint(); err != nil {
			b.Fatal(err)
		}
		if err := e.Verify(keys); err != nil {
			b.Fatal(err)
		}
		var req MicroPayRequest
		if err := e.Decode(&req); err != nil {
			b.Fatal(err)
		}
		if err := req.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSealMicroPay is the server's way out.
func BenchmarkSealMicroPay(b *testing.B) {
	key := NewKey("VECTOR0TEST0KEY0ONLY000000000001")
	resp := benchOrder()
	b.ReportAllocs()
	for b.Loop() {
		if len(SealResponse(Head{LogID: 1}, MethodMicroPay, resp, key)) == 0 {
			b.Fatal("nothing sealed")
		}
	}
}

// BenchmarkOpenResponse is the client's way in.
func BenchmarkOpenResponse(b *testing.B) {
	key := NewKey("VECTOR0TEST0KEY0ONLY000000000001")
	body := SealResponse(Head{LogID: 1}, MethodMicroPay, benchOrder(), key)
	b.ReportAllocs()
	for b.Loop() {
		var resp MicroPayResponse
		if _, err := OpenResponse(body, MethodMicroPay, &resp, key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSealRequest is the client's way out.
func BenchmarkSealRequest(b *testing.B) {
	keys := Keys{AuthenKey: NewKey("VECTOR0TEST0KEY0ONLY000000000001")}
	req := validMicroPay()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := SealRequest(req, keys, ByMAC); err != nil {
			b.Fatal(err)
		}
	}
}
