package api_test

import (
	"fmt"
	"maps"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// rows has one row for every interface of the table.
func rows() map[string]row {
	shop := map[string]string{
		"pay_mch_key.out_shop_id": "sz01OTHERSHOP0000001", "pay_mch_key.out_mch_id": "sz01OTHERMCH00000001", "order_client.device_id": "till-9",
	}
	orderIs := func(path string) func(*testing.T, *house, object) string {
		return func(t *testing.T, h *house, in object) string {
			t.Helper()
			o := h.order(in.at(path).(string))
			return fmt.Sprint(o.State, o.Total, o.Reserved, o.Refunded)
		}
	}
	aboutPaid := func(t *testing.T, h *house) object { t.Helper(); return about(h.paid(t, pay.Wxpay, 2)) }
	rows := map[string]row{
		cpay.MethodMicroPay: {
			good:    func(_ *testing.T, h *house) object { return microPay(h.number(), h.code(pay.Wxpay, ""), 2) },
			need:    []string{"pay_content.out_trade_no", "pay_content.author_code", "pay_content.total_fee"},
			unknown: shop, effect: orderIs("pay_content.out_trade_no"),
			denied: map[string]func(*testing.T, *house) object{
				"another merchant's prefix": func(_ *testing.T, h *house) object { return microPay("9000000200001", h.code(pay.Wxpay, ""), 2) },
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("order_content.wxpay_order_content_ext.current_trade_state") != "2" || a.get("pay_mch_key.pay_platform") != "1" {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodQueryOrder: {
			good: aboutPaid, need: []string{"out_trade_no"},
			check: func(t *testing.T, _ *house, in object, a answer) {
				t.Helper()
				if a.get("order_content.out_trade_no") != in["out_trade_no"] || a.get("order_content.total_fee") != "2" {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodReverse: {
			// 103: it is accepted, and leaves 15 s after the payment (money.md §3 row 7).
			good: aboutPaid, status: 103, need: []string{"out_trade_no"}, effect: orderIs("out_trade_no"),
			house: options{merchant: func(m *directory.Merchant) { m.ReversePaid = true }},
			denied: map[string]func(*testing.T, *house) object{
				"another device": func(t *testing.T, h *house) object {
					t.Helper()
					return about(h.paid(t, pay.Wxpay, 2)).with("order_client.device_id", "till-2")
				},
				"a refunded order": func(t *testing.T, h *house) object {
					t.Helper()
					no := h.paid(t, pay.Wxpay, 2)
					h.call(t, cpay.MethodRefund, refundOf(no, h.number(), 2, 1)).is(t, 0, 0)
					return about(no)
				},
			},
		},
		cpay.MethodRefund: {
			good: func(t *testing.T, h *house) object {
				t.Helper()
				return refundOf(h.paid(t, pay.Alipay, 3), h.number(), 3, 1).with("api_version", 2).with("pay_mch_key.is_sub_mch_admin", true)
			},
			need: []string{
				"refund_content.out_trade_no", "refund_content.out_refund_no", "refund_content.total_fee", "refund_content.refund_fee",
			},
			unknown: map[string]string{"pay_mch_key.out_mch_id": "sz01OTHERMCH00000001"},
			effect:  orderIs("refund_content.out_trade_no"),
			check: func(t *testing.T, _ *house, in object, a answer) {
				t.Helper()
				if a.get("refund_order_content.out_refund_no") != in.at("refund_content.out_refund_no") {
					t.Errorf("answered %s", a.content)
				}
			},
			denied: map[string]func(*testing.T, *house) object{
				"more than was paid": func(t *testing.T, h *house) object {
					t.Helper()
					return refundOf(h.paid(t, pay.Wxpay, 2), h.number(), 2, 3)
				},
				"api_version 2 and nobody": func(t *testing.T, h *house) object {
					t.Helper()
					return refundOf(h.paid(t, pay.Wxpay, 2), h.number(), 2, 1).with("api_version", 2)
				},
				"api_version 2 and a clerk": func(t *testing.T, h *house) object {
					t.Helper()
					return refundOf(h.paid(t, pay.Wxpay, 2), h.number(), 2, 1).with("api_version", 2).with("pay_mch_key.authorization_staff_id", "1003")
				},
			},
		},
		cpay.MethodQueryRefundOrder: {
			good: func(t *testing.T, h *house) object {
				t.Helper()
				no, refund := h.paid(t, pay.Wxpay, 3), h.number()
				h.call(t, cpay.MethodRefund, refundOf(no, refund, 3, 1)).is(t, 0, 0)
				return about(no).with("out_refund_no", refund)
			},
			need: []string{"out_trade_no"},
			check: func(t *testing.T, _ *house, in object, a answer) {
				t.Helper()
				if a.get("refund_order_content.0.out_refund_no") != in["out_refund_no"] || len(a.list("refund_order_content")) != 1 {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodCloseOrder: {
			good: aboutPaid, status: 104, need: []string{"out_trade_no"}, effect: orderIs("out_trade_no"),
		},
		"micro_freeze": deposit(), "scancode_freeze": deposit(), "deposit_consume": deposit(), "unfreeze": deposit(),
		"query_freeze_order": deposit(), "query_unfreeze_order": deposit(),
	}
	for _, more := range []map[string]row{unifiedRows(shop, orderIs), listRows(), peopleRows(), deviceRows(), briefRows(orderIs), monitorRows()} {
		maps.Copy(rows, more)
	}
	return rows
}

// deposit is the row of every interface of deposits: refused, whatever it holds.
func deposit() row {
	return row{
		good: func(_ *testing.T, h *house) object {
			return object{
				"pay_mch_key": mch(), "freeze_content": object{"out_freeze_no": h.number(), "author_code": h.code(pay.Wxpay, ""), "freeze_fee": 2},
				"unfreeze_content": object{"out_freeze_no": h.number()}, "out_freeze_no": h.number(),
			}
		},
		status: 104, loose: []string{"freeze_content", "unfreeze_content", "out_freeze_no"},
		effect: func(t *testing.T, h *house, in object) string {
			t.Helper()
			if _, err := h.store.Order(t.Context(), theMerchant, in.at("out_freeze_no").(string)); err == nil {
				t.Error("a deposit made an order")
			}
			return "nothing"
		},
		check: func(t *testing.T, _ *house, _ object, a answer) {
			t.Helper()
			if a.text != "暂不支持押金" {
				t.Errorf("described as %q", a.text)
			}
		},
	}
}
