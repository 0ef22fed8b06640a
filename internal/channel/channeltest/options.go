package channeltest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// Options that a caller gives, as Cloud Pay has them.
const (
	optionDetail = `{"cost_price":900,"receipt_id":"R1","goods_detail":[{"goods_id":"G1","goods_name":"雪碧/罐","quantity":2,"price":300}]}`
	optionScene  = `{"h5_info":{"type":"Wap","wap_url":"https://shop.example","wap_name":"店"}}`
	optionExtend = `{"hb_fq_num":"3"}`
	// optionDetailV3 is optionDetail as APIv3 spells it.
	optionDetailV3 = `{"cost_price":900,"goods_detail":[{"goods_name":"雪碧/罐","merchant_goods_id":"G1","quantity":2,"unit_price":300}],"invoice_id":"R1"}`
)

// optionsArrive pays and prepares orders with every option that is passed
// through (seed S003), and reads what the wallet got.
func (s *scene) optionsArrive() {
	r, _ := s.request(600, "")
	r.Detail, r.Attach, r.GoodsTag, r.LimitPay, r.SceneInfo = optionDetail, "a=1&b=<2>", "WXG", "no_credit", optionScene
	r.DiscountableAmount, r.UndiscountableAmount, r.DisablePayChannels = 500, 100, "pcredit,credit_group"
	r.ExtendParams, r.ProductCode, r.DeviceID, r.ShopID, r.StaffID, r.ClientIP = optionExtend, "OFFLINE_PAYMENT", "D1", "S1", "E1", "10.1.2.3"
	if s.v3() {
		r.LimitPay = "" // which its code pay cannot say
	}
	s.want("Pay", s.c.Pay(s.t.Context(), r), isPaid)
	s.payOptionsArrived(r)
	for _, kind := range s.Kinds {
		s.preparedOptionsArrive(kind)
	}
	refund := channel.RefundRequest{OrderRequest: r.OrderRequest, OutRefundNo: s.order(), Amount: 100, Account: "REFUND_SOURCE_RECHARGE_FUNDS"}
	if out := s.c.Refund(s.t.Context(), refund); out.Kind != pay.Waiting && out.Kind != pay.Paid {
		s.t.Fatalf("Refund = %+v", out)
	}
	arrived, err := s.bench.box.Arrived(s.t.Context(), r.OutTradeNo)
	want := ""
	if s.Wallet == sandbox.WeChat { // Alipay has no such choice
		want = "REFUND_SOURCE_RECHARGE_FUNDS"
	}
	if err != nil || arrived.RefundAccounts[refund.OutRefundNo] != want {
		s.t.Errorf("refund accounts %v, %v, want %q", arrived.RefundAccounts, err, want)
	}
}

// payOptionsArrived reads what the wallet got of a code payment's options.
func (s *scene) payOptionsArrived(r channel.PayRequest) {
	s.t.Helper()
	if s.v3() { // in its own spelling, with goods and scene turned into it
		s.arrives(r.OutTradeNo, map[sandbox.Channel]map[string]string{
			sandbox.WeChat: {
				"detail": optionDetailV3, "attach": "a=1&b=<2>", "goods_tag": "WXG", "scene_info": `{"device_id":"D1","device_ip":"10.1.2.3"}`,
			},
			sandbox.Alipay: nil,
		})
		return
	}
	start, end := wireTimes(r.Start, r.Expire)
	s.arrives(r.OutTradeNo, map[sandbox.Channel]map[string]string{
		sandbox.WeChat: {
			"detail": optionDetail, "attach": "a=1&b=<2>", "goods_tag": "WXG", "limit_pay": "no_credit", "scene_info": optionScene,
			"device_info": "D1", "spbill_create_ip": "10.1.2.3", "fee_type": "CNY", "time_start": start, "time_expire": end,
		},
		sandbox.Alipay: {
			"goods_detail":        `[{"goods_id":"G1","goods_name":"雪碧/罐","quantity":2,"price":"3.00"}]`,
			"discountable_amount": "5.00", "undiscountable_amount": "1.00", "disable_pay_channels": "pcredit,credit_group",
			"extend_params": optionExtend, "product_code": "OFFLINE_PAYMENT", "store_id": "S1", "operator_id": "E1", "terminal_id": "D1",
			"business_params": `{"mc_create_trade_ip":"10.1.2.3"}`, "timeout_express": "2m", "seller_id": r.Merchant.SellerID,
			"query_options": `["fund_bill_list","voucher_detail_list","discount_goods_detail"]`,
		},
	})
}

// preparedOptionsArrive does it for an order that is paid later.
func (s *scene) preparedOptionsArrive(kind pay.TradeType) {
	r, _ := s.prepare(kind, 600)
	r.Detail, r.Attach, r.GoodsTag, r.LimitPay, r.SceneInfo, r.ProductID = optionDetail, "a=1&b=<2>", "WXG", "no_credit", optionScene, "P1"
	r.DiscountableAmount, r.UndiscountableAmount, r.DisablePayChannels = 500, 100, "pcredit,credit_group"
	r.ExtendParams, r.ProductCode, r.DeviceID, r.ShopID, r.StaffID, r.ClientIP = optionExtend, "FACE_TO_FACE_PAYMENT", "D1", "S1", "E1", "10.1.2.3"
	s.want("Prepay", s.c.Prepay(s.t.Context(), r).Outcome, isPaid)
	start, end := wireTimes(r.Start, r.Expire)
	want := map[sandbox.Channel]map[string]string{
		sandbox.WeChat: {
			"detail": optionDetail, "attach": "a=1&b=<2>", "goods_tag": "WXG", "limit_pay": "no_credit", "scene_info": optionScene,
			"device_info": "D1", "spbill_create_ip": "10.1.2.3", "fee_type": "CNY", "time_start": start, "time_expire": end,
		},
		sandbox.Alipay: {
			"goods_detail":        `[{"goods_id":"G1","goods_name":"雪碧/罐","quantity":2,"price":"3.00"}]`,
			"discountable_amount": "5.00", "undiscountable_amount": "1.00", "disable_pay_channels": "pcredit,credit_group",
			"extend_params": optionExtend, "product_code": "FACE_TO_FACE_PAYMENT", "store_id": "S1", "operator_id": "E1",
			"terminal_id": "D1", "business_params": `{"mc_create_trade_ip":"10.1.2.3"}`, "timeout_express": "30m",
			"time_expire": r.Expire.In(beijing).Format("2006-01-02 15:04:05"), "seller_id": r.Merchant.SellerID,
		},
	}
	if s.v3() {
		want[sandbox.WeChat] = map[string]string{
			"detail": optionDetailV3, "attach": "a=1&b=<2>", "goods_tag": "WXG", "time_expire": r.Expire.In(beijing).Format(time.RFC3339),
			"scene_info": `{"device_id":"D1","payer_client_ip":"10.1.2.3"}`,
		}
		if kind == pay.TradeMobileWeb {
			want[sandbox.WeChat]["scene_info"] = `{"device_id":"D1","h5_info":{"app_name":"店","app_url":"https://shop.example","type":"Wap"},"payer_client_ip":"10.1.2.3"}`
		}
	}
	if kind == pay.TradeScanCode && !s.v3() {
		want[sandbox.WeChat]["product_id"] = "P1"
		want[sandbox.Alipay]["qr_code_timeout_express"] = "30m"
	}
	s.arrives(r.OutTradeNo, want)
	if arrived, err := s.bench.box.Arrived(s.t.Context(), r.OutTradeNo); err != nil || arrived.NotifyURL != NotifyURL {
		s.t.Errorf("notify_url %q, %v, want %q", arrived.NotifyURL, err, NotifyURL)
	}
}

func (s *scene) arrives(outTradeNo string, want map[sandbox.Channel]map[string]string) {
	s.t.Helper()
	arrived, err := s.bench.box.Arrived(s.t.Context(), outTradeNo)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(want[s.Wallet], arrived.Options); diff != "" {
		s.t.Errorf("what arrived (-want +got):\n%s", diff)
	}
}

// promotions pays with coupons of both kinds, by code and by phone, and refunds
// in two parts, to the fen.
func (s *scene) promotions() {
	for _, kind := range []string{"CASH", "NO_CASH"} {
		gift := func(endpoint string) func(f *sandbox.Fault) {
			return func(f *sandbox.Fault) {
				f.Endpoint, f.Params.AmountFen, f.Params.Coupons, f.Params.Kind = endpoint, 101, 2, kind
			}
		}
		r, _ := s.request(1000, "")
		s.fault("coupon", r.OutTradeNo, gift(sandbox.EndpointPay))
		out := s.c.Pay(s.t.Context(), r)
		s.want("Pay", out, isPaid)
		s.promoted(out.Payment, kind)
		s.promoted(s.c.Query(s.t.Context(), r.OrderRequest).Payment, kind)
		s.refundsCoupons(r.OrderRequest, kind)

		later, customer := s.prepare(pay.TradeScanCode, 1000)
		s.fault("coupon", later.OutTradeNo, gift(sandbox.EndpointPrepay))
		prepared := s.c.Prepay(s.t.Context(), later)
		s.bench.taken()
		s.paysBy(customer, s.invocation(later, prepared.Prepaid))
		n, err := s.parse(s.bench.taken()[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.promoted(s.c.Query(s.t.Context(), later.OrderRequest).Payment, kind)
		if s.Wallet == sandbox.WeChat { // Alipay's notices leave the goods out
			s.promoted(n.Outcome.Payment, kind)
		}
	}
}

// promoted checks a payment of 10.00 with coupons of 0.50 and 0.51.
func (s *scene) promoted(p pay.Payment, kind string) {
	s.t.Helper()
	settled := map[string]pay.Fen{"CASH": 1000, "NO_CASH": 899}[kind]
	if p.Total != 1000 || p.Settlement != settled || p.Cash != 899 {
		s.t.Errorf("%s: total %d, settlement %d, cash %d, want 1000, %d, 899", kind, p.Total, p.Settlement, p.Cash, settled)
	}
	got := pay.DecodePromotion(p.Promo)
	want := pay.Promotion{
		CouponFee: 101, Subscribed: "N",
		Coupons: []pay.Coupon{{ID: "2026112000000001", Fee: 50, Type: kind}, {ID: "2026112000000002", Fee: 51, Type: kind}},
	}
	if s.v3() { // which tells the batch, and not who follows whom
		want.Subscribed = ""
		for i, c := range got.Coupons[:min(2, len(got.Coupons))] {
			if want.Coupons[i].BatchID = c.BatchID; c.BatchID == "" {
				s.t.Errorf("%s: no batch", kind)
			}
		}
	}
	if s.Wallet == sandbox.Alipay {
		if got.BuyerLogon == "" {
			s.t.Errorf("%s: no buyer_logon_id", kind)
		}
		fund, voucher := "COUPON", "ALIPAY_CASH_VOUCHER"
		own, other := [2]int64{}, [2]int64{50, 51}
		if kind == "NO_CASH" {
			fund, voucher, own, other = "MCOUPON", "ALIPAY_FIX_VOUCHER", other, own
		}
		want = pay.Promotion{
			InvoiceFee: 899, BuyerLogon: got.BuyerLogon,
			FundBills: []pay.FundBill{
				{Channel: "ALIPAYACCOUNT", Amount: 899, RealAmount: 899}, {Channel: fund, Amount: 50, RealAmount: 50}, {Channel: fund, Amount: 51, RealAmount: 51},
			},
			Vouchers: []pay.Voucher{
				{ID: "2026112000000001", Name: "沙箱代金券", Type: voucher, Amount: 50, MerchantAmount: own[0], OtherAmount: other[0], Memo: "沙箱/优惠"},
				{ID: "2026112000000002", Name: "沙箱代金券", Type: voucher, Amount: 51, MerchantAmount: own[1], OtherAmount: other[1], Memo: "沙箱/优惠"},
			},
			GoodsDetail: `[{"goods_id":"SANDBOX1","goods_name":"沙箱商品","discount_amount":"0.50","voucher_id":"2026112000000001"},` +
				`{"goods_id":"SANDBOX1","goods_name":"沙箱商品","discount_amount":"0.51","voucher_id":"2026112000000002"}]`,
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s: promotion (-want +got):\n%s", kind, diff)
	}
}

// refundsCoupons refunds 3.33 and the rest of an order of promoted's, and
// checks that both refunds together return what each source paid.
func (s *scene) refundsCoupons(order channel.OrderRequest, kind string) {
	s.t.Helper()
	var settled, coupons pay.Fen
	for _, amount := range []pay.Fen{333, 667} {
		r := channel.RefundRequest{OrderRequest: order, OutRefundNo: s.order(), Amount: amount}
		sent := s.c.Refund(s.t.Context(), r)
		s.bench.advance(3 * time.Second)
		asked := s.c.QueryRefund(s.t.Context(), r)
		if asked.Kind != pay.Paid {
			s.t.Fatalf("QueryRefund = %+v, want Paid", asked)
		}
		if sent.Refund.Promo != asked.Refund.Promo || sent.Refund.Settlement != asked.Refund.Settlement {
			s.t.Errorf("the refund said %+v, the query %+v", sent.Refund, asked.Refund)
		}
		p := pay.DecodePromotion(asked.Refund.Promo)
		back, sum := p.CouponFee, int64(0)
		for _, c := range p.Coupons {
			sum += c.Fee
		}
		for _, b := range p.FundBills {
			if b.Channel == "COUPON" {
				back = b.Amount
				sum = b.Amount
			}
		}
		if s.Wallet == sandbox.WeChat && (len(p.Coupons) != 2 || asked.Refund.Cash != amount-pay.Fen(back)) || sum != back || back == 0 {
			s.t.Errorf("a refund of %d returns %+v", int64(amount), p)
		}
		settled, coupons = settled+asked.Refund.Settlement, coupons+pay.Fen(back)
	}
	if want := map[string]pay.Fen{"CASH": 1000, "NO_CASH": 899}[kind]; settled != want || coupons != 101 {
		s.t.Errorf("%s: refunds settle %d and return coupons of %d, want %d and 101", kind, settled, coupons, want)
	}
}
