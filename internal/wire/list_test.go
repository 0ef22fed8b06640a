package wire_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/cpay"
	"cloudpay/internal/pay"
	"cloudpay/internal/wire"
)

// sold is a refunded order and its refund, made at another till, with a
// different number in each member.
func sold() (pay.Order, pay.Refund) {
	o := pay.Order{
		ProviderID: "p", MerchantID: "m", OutTradeNo: "o1", Channel: pay.Wxpay, TradeType: pay.TradeScanCode, State: pay.PAID, Currency: "CNY",
		Total: 100, Settlement: 90, Cash: 80, Reserved: 30, Refunded: 20, TransactionID: "t1", ShopID: "s1", DeviceID: "d1", StaffID: "1",
		QRCodeID: "q1", SourceType: 4, Body: "bread", CreatedAt: time.Unix(1, 0), PaidAt: time.Unix(2, 0), UpdatedAt: time.Unix(3, 0),
	}
	r := pay.Refund{
		MerchantID: "m", OutTradeNo: "o1", OutRefundNo: "r1", Channel: pay.Wxpay, State: pay.RefundSucceeded, Origin: pay.OriginAPI, Total: 100,
		Amount: 20, Settlement: 18, Cash: 16, RefundID: "w1", Reason: "sour", ShopID: "s2", DeviceID: "d2", StaffID: "2",
		TerminalType: 5, SubTerminalType: 6, CreatedAt: time.Unix(4, 0), UpdatedAt: time.Unix(5, 0), SucceededAt: time.Unix(6, 0),
	}
	return o, r
}

func TestFlatOrderHasItsMembers(t *testing.T) {
	t.Parallel()
	o, _ := sold()
	got := wire.ListOrder(o, 7, wire.Names{Shop: "S", Staff: "P", Device: "D", QRCode: "Q"})
	want := &cpay.ListOrder{
		ListPlace: cpay.ListPlace{
			OutMchID: "p", OutSubMchID: "m", OutShopID: "s1", ShopName: "S", StaffID: "1", StaffName: "P", DeviceID: "d1", DeviceName: "D",
			QRCodeID: "q1", QRCodeName: "Q", SourceType: 4, SubPayPlatform: 100, TradeType: 2, OutTradeNo: "o1", TransactionID: "t1", TotalFee: 100,
		},
		FeeType: "CNY", CashFee: 80, CashFeeType: "CNY", SettlementTotalFee: 90, DiscountFee: 10, Poundage: 7, IncomeFee: 83,
		TimeEnd: 2, CreateTime: 1, LastUpdateTime: 3, Body: "bread", RefundedFee: 20, WxpayCurrentTradeState: 4,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if fee := wire.ReceiptOrder(o).OrderContent.RefundedFee; fee != 20 {
		t.Errorf("refunded_fee of client_order_detail is %d, want 20", fee)
	}
	brief := &cpay.BriefOrder{SubPayPlatform: 100, TradeType: 2, OutTradeNo: "o1", TotalFee: 100, CreateTime: 1, WxpayState: 4}
	if diff := cmp.Diff(brief, wire.BriefOrder(o)); diff != "" {
		t.Errorf("brief: -want +got:\n%s", diff)
	}
}

func TestFlatRefundHasItsMembersForEachWallet(t *testing.T) {
	t.Parallel()
	o, r := sold()
	want := &cpay.ListRefundOrder{
		ListPlace: cpay.ListPlace{
			OutMchID: "p", OutSubMchID: "m", OutShopID: "s2", StaffID: "2", DeviceID: "d2",
			QRCodeID: "q1", SourceType: 4, SubPayPlatform: 100, TradeType: 2, OutTradeNo: "o1", TransactionID: "t1", TotalFee: 100,
		},
		OutRefundNo: "r1", RefundID: "w1", RefundFee: 20, SettlementTotalFee: 90, SettlementRefundFee: 18, RefundFeeType: "CNY", Poundage: 3,
		IncomeFee: 15, CreateTime: 4, LastUpdateTime: 5, RefundStartProcessingTime: 4, PayLastUpdateTime: 3, RefundReason: "sour",
		WxpayRefundState: 2, CashRefundFee: 16, CashRefundFeeType: "CNY",
	}
	if diff := cmp.Diff(want, wire.ListRefund(o, r, 3, wire.Names{})); diff != "" {
		t.Errorf("WeChat Pay: -want +got:\n%s", diff)
	}
	receipt := wire.ReceiptRefund(o, r)
	client := &cpay.OrderClient{DeviceID: "d2", StaffID: "2", TerminalType: 5, SubTerminalType: 6}
	if diff := cmp.Diff(client, receipt.OrderClient); diff != "" || receipt.RefundOrderMch.OutShopID != "s2" || receipt.Originator != 2 {
		t.Errorf("receipt %+v, order_client -want +got:\n%s", receipt, diff)
	}
	o.Channel, r.Channel, r.Origin = pay.Alipay, pay.Alipay, pay.OriginChannel
	r.ShopID, r.DeviceID, r.StaffID = "", "", "" // made outside: it stands where the order was paid
	want.OutShopID, want.DeviceID, want.StaffID, want.SubPayPlatform = "s1", "d1", "1", 200
	want.WxpayRefundState, want.CashRefundFee, want.CashRefundFeeType, want.AlipayRefundState = 0, 0, "", 2
	if diff := cmp.Diff(want, wire.ListRefund(o, r, 3, wire.Names{})); diff != "" {
		t.Errorf("Alipay: -want +got:\n%s", diff)
	}
	if by := wire.ReceiptRefund(o, r).Originator; by != 1 {
		t.Errorf("originator of a refund made at the wallet is %d, want 1", by)
	}
	brief := &cpay.BriefRefundOrder{SubPayPlatform: 200, TradeType: 2, OutTradeNo: "o1", TotalFee: 100, OutRefundNo: "r1", RefundFee: 20, CreateTime: 4, AlipayState: 2}
	if diff := cmp.Diff(brief, wire.BriefRefund(o, r)); diff != "" {
		t.Errorf("brief: -want +got:\n%s", diff)
	}
}
