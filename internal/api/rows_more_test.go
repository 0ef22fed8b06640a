package api_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"cloudpay/cpay"
	"cloudpay/internal/day"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// unified is a request for a unified order of WeChat Pay.
func unified(h *house, fen any) object {
	return microPay(h.number(), "", fen).with("pay_content.author_code", nil).with("pay_mch_key.pay_platform", 1)
}

// unifiedRows are the payments that the customer makes on a device of their own.
func unifiedRows(shop map[string]string, orderIs func(string) func(*testing.T, *house, object) string) map[string]row {
	one := func(method string, change func(*house, object) object, need []string, want ...string) (string, row) {
		return method, row{
			good: func(_ *testing.T, h *house) object { return change(h, unified(h, 2)) },
			need: append([]string{"pay_content.out_trade_no", "pay_content.total_fee"}, need...), unknown: shop,
			effect: orderIs("pay_content.out_trade_no"), either: []string{"pay_content.wxpay_pay_content_ext.scene_info"},
			denied: map[string]func(*testing.T, *house) object{
				"another merchant's prefix": func(_ *testing.T, h *house) object {
					return change(h, unified(h, 2)).with("pay_content.out_trade_no", "9000000200001")
				},
				"time_expire is past": func(_ *testing.T, h *house) object {
					return change(h, unified(h, 2)).with("pay_content.time_expire", 1500000000)
				},
			},
			check: func(t *testing.T, h *house, in object, a answer) {
				t.Helper()
				for _, path := range want {
					if a.get(path) == "" {
						t.Errorf("no %s in %s", path, a.content)
					}
				}
				no := in.at("pay_content.out_trade_no").(string)
				q := h.call(t, cpay.MethodQueryOrder, about(no))
				if q.is(t, 0, 0); state(q, pay.Wxpay) != "6" {
					t.Errorf("a prepared order is shown as %s", q.content)
				}
				other := byMAC(in.with("pay_content.total_fee", 3).text())
				h.postTo(t, method, cpay.ResponseMember(method), theKey, bytes.NewReader(other)).is(t, 104, 407)
			},
		}
	}
	wx := func(members ...string) func(*house, object) object {
		return func(h *house, o object) object {
			apps := h.box.Accounts().Providers[0].WeChat.Merchants[0]
			names := strings.NewReplacer("MOBILE", apps.MobAppID, "MINI", apps.MiniAppID)
			for i := 0; i+1 < len(members); i += 2 {
				o = o.with(members[i], names.Replace(members[i+1]))
			}
			return o
		}
	}
	const ext, content = "pay_mch_key.wxpay_pay_mch_key_ext.", "pay_content.wxpay_pay_content_ext."
	rows := map[string]row{}
	add := func(method string, r row) { rows[method] = r }
	add(one(cpay.MethodScanCodePay, wx(content+"product_id", "p1"), []string{"pay_mch_key.pay_platform"}, "code_url"))
	args := "jsapi_args.wxpay.get_brand_wcpay."
	add(one(cpay.MethodOfficialAccountPay, wx(ext+"open_id", "o1"), []string{ext + "open_id"}, "order_content.out_trade_no", "order_content.wxpay_order_content_ext.prepare_id",
		args+"app_id", args+"timestamp", args+"nonce_str", args+"package", args+"sign_type", args+"pay_sign"))
	args = "jsapi_args.wxpay.mini_program_pay."
	add(one(cpay.MethodMiniProgramPay, wx(ext+"sub_open_id", "o1", ext+"mini_program_sub_app_id", "MINI"), []string{},
		args+"nonce_str", args+"package", args+"pay_sign", args+"timestamp", args+"app_id", args+"sign_type"))
	args = "sdk_args.wxpay."
	add(one(cpay.MethodAppPay, wx(ext+"mob_app_id", "MOBILE"), []string{ext + "mob_app_id"},
		args+"app_id", args+"timestamp", args+"nonce_str", args+"package_value", args+"partner_id", args+"sign", args+"prepare_id"))
	add(one(cpay.MethodMobWebPay, wx(content+"scene_info", `{"h5_info":{"type":"Wap","wap_url":"https://shop.example","wap_name":"shop"}}`), []string{content + "scene_info"},
		"mweb_args.wxpay.mweb_url", "mweb_args.wxpay.prepay_id", "wxpay.mweb_url"))
	return rows
}

// span is an hour around now.
func span() object {
	now := time.Now().Unix()
	return object{"start_time": now - 1800, "end_time": now + 1800}
}

// sold makes one order of each wallet, the second partly refunded.
func (h *house) sold(t *testing.T) (wx, ali, refund string) {
	t.Helper()
	wx, ali, refund = h.paid(t, pay.Wxpay, 500), h.paid(t, pay.Alipay, 300), h.number()
	h.call(t, cpay.MethodRefund, refundOf(ali, refund, 300, 100)).is(t, 0, 0)
	return wx, ali, refund
}

// listRows are the lists and statistics.
func listRows() map[string]row {
	list := func(t *testing.T, h *house) object {
		t.Helper()
		h.sold(t)
		return span().with("out_sub_mch_id", theMerchant).with("order_type", 3).with("page_num", 1).with("page_size", 10).
			with("out_shop_id", theShop).with("sub_pay_platforms", []any{100, 200}).with("status", 1)
	}
	tooLong := func(good func(*testing.T, *house) object) map[string]func(*testing.T, *house) object {
		return map[string]func(*testing.T, *house) object{
			"more than 90 days": func(t *testing.T, h *house) object {
				t.Helper()
				return good(t, h).with("start_time", time.Now().Add(-91*24*time.Hour).Unix())
			},
		}
	}
	overview := func(t *testing.T, h *house) object {
		t.Helper()
		return list(t, h).with("page_num", nil).with("page_size", nil)
	}
	return map[string]row{
		cpay.MethodClientOrderDetail: {
			owner: "out_sub_mch_id", need: []string{"page_num", "page_size"},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				h.sold(t)
				return span().with("out_sub_mch_id", theMerchant).with("out_shop_id", theShop).with("query_order_type", 3).
					with("page_num", 1).with("page_size", 10).with("enable_overview", true)
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("total_count") != "3" || len(a.list("order_details")) != 3 || a.get("overview.success_amount") != "800" {
					t.Errorf("answered %s", a.content)
				}
				if a.get("order_details.1.receipt.order.order_content.refunded_fee") != "100" ||
					a.get("order_details.0.receipt.refund_order.refund_order_content.refund_fee") != "100" ||
					a.get("order_details.2.receipt.order.authen_info.a.authen_code") == "" ||
					a.get("order_details.2.shop_info.shop_name") != "shop" || a.get("order_details.2.shop_staff_info.staff_name") != "clerk" {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodQueryOrderList: {
			owner: "out_sub_mch_id", need: []string{"page_num", "page_size", "end_time"}, good: list, denied: tooLong(list),
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("total_count") != "3" || a.get("order_details.0.refund_order.refund_fee") != "100" ||
					a.get("order_details.2.order.total_fee") != "500" || a.get("order_details.2.order.shop_name") != "shop" ||
					a.get("order_details.2.order.wxpay_current_trade_state") != "2" || a.get("order_details.1.order.alipay_current_trade_state") != "2" {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodQueryOrderListOverview: {
			owner: "out_sub_mch_id", need: []string{"end_time"}, good: overview, denied: tooLong(overview),
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("total_count") != "2" || a.get("overviews.1.sub_pay_platform") != "100" || a.get("overviews.1.success_amount") != "500" ||
					a.get("overviews.0.refund_create_amount") != "100" || a.get("overviews.0.success_amount") != "300" {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodDownloadBill: billRow(),
		cpay.MethodClientSubMchSalesOverview: {
			owner: "out_sub_mch_id", need: []string{"end_time"},
			unknown: map[string]string{"out_mch_id": "sz01OTHERMCH00000001"},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				h.sold(t)
				return span().with("out_mch_id", theProvider).with("out_sub_mch_id", theMerchant).with("stat_type", 1).
					with("shops", []any{object{"out_shop_id": theShop}}).with("page_num", 1).with("page_size", 10)
			},
			denied: map[string]func(*testing.T, *house) object{
				"another merchant's shop": func(*testing.T, *house) object {
					return span().with("out_sub_mch_id", theMerchant).with("shops", []any{object{"out_shop_id": "sz01OTHERSHOP0000001"}})
				},
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("overview.net_amount") != "700" || a.get("stat_infos.0.out_shop_id") != theShop || a.get("overview.refund_count") != "1" {
					t.Errorf("answered %s", a.content)
				}
			},
		},
	}
}

// closedDay is the last one that is over.
func closedDay() string { return day.DateOf(time.Now().Add(-24 * time.Hour)) }

// billRow is the statement of a closed day.
func billRow() row {
	ask := func(date string) object {
		return object{"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "bill_date": date, "nonce_str": "n"}
	}
	return row{
		owner: "out_sub_mch_id", need: []string{"bill_date"}, unknown: map[string]string{"out_mch_id": "sz01OTHERMCH00000001"},
		good: func(t *testing.T, h *house) object {
			t.Helper()
			date := closedDay()
			if _, err := h.server.Days.Close(t.Context(), theMerchant, date, false); err != nil && !errors.Is(err, day.ErrClosed) {
				t.Fatal(err)
			}
			return ask(date)
		},
		denied: map[string]func(*testing.T, *house) object{
			"a day that is not closed": func(*testing.T, *house) object { return ask("2020-01-01") },
			"what is no day":           func(*testing.T, *house) object { return ask("yesterday") },
		},
		check: func(t *testing.T, _ *house, in object, a answer) {
			t.Helper()
			if a.get("bill_date") != in.at("bill_date") || len(a.get("hash")) != 64 || !strings.Contains(a.get("content"), "out_trade_no") || a.get("next") != "" {
				t.Errorf("answered %s", a.content)
			}
		},
	}
}

// peopleRows are merchants, shops, identities and the login of cashier desks.
func peopleRows() map[string]row {
	shops := func(t *testing.T, h *house) string {
		t.Helper()
		m, err := h.people.Merchant(t.Context(), theMerchant)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range m.Shops {
			all = append(all, s.Number+"/"+s.Name)
		}
		return strings.Join(all, " ")
	}
	other := map[string]string{"out_mch_id": "sz01OTHERMCH00000001"}
	return map[string]row{
		cpay.MethodQuerySubMchShopInfo: {
			owner: "out_sub_mch_id", need: []string{"page_num", "page_size"}, unknown: map[string]string{"out_mch_id": "sz01OTHERMCH00000001", "out_shop_id": "x"},
			good: func(*testing.T, *house) object {
				return object{"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "out_shop_id": theShop, "page_num": 1, "page_size": 100, "nonce_str": "n"}
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("total_count") != "1" || a.get("shop_infos.0.staff_infos.0.staff_id") != "1003" || !strings.Contains(a.content, `"device_id":"till-1"`) ||
					!strings.Contains(a.get("shop_infos.0.out_shop_id_url"), "/cpay/qrcode_shop?id="+theShop) {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodSetSubMchShopInfo: {
			owner: "out_sub_mch_id", need: []string{"shop_infos"}, unknown: other,
			good: func(_ *testing.T, h *house) object {
				return object{"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "is_all": false, "nonce_str": "n", "shop_infos": []any{
					object{"shop_id": "no" + h.number(), "shop_name": "二号店", "city": "深圳"},
				}}
			},
			effect: func(t *testing.T, h *house, _ object) string { t.Helper(); return shops(t, h) },
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if id := a.get("shop_infos.0.out_shop_id"); len(id) != 20 || a.get("set_shop_infos.0.out_shop_id") != id || a.get("shop_infos.0.city") != "深圳" {
					t.Errorf("answered %s", a.content)
				}
			},
			denied: map[string]func(*testing.T, *house) object{
				"another merchant's shop": func(*testing.T, *house) object {
					return object{"out_sub_mch_id": theMerchant, "shop_infos": []any{object{"out_shop_id": "sz01OTHERSHOP0000001", "shop_name": "mine"}}}
				},
			},
		},
		cpay.MethodSDKQuerySubMchInfo: {
			owner: "out_sub_mch_id",
			good: func(*testing.T, *house) object {
				return object{"out_sub_mch_id": theMerchant, "page_num": 1, "page_size": 1, "nonce_str": "n"}
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				info := "sub_mch_infos.0.sub_mch_infos.0."
				if a.get(info+"company_name") != "Test Merchant" || a.get(info+"cloud_cashier_id") != thePrefix || a.get(info+"typed_cashier_ids.1.id") != "sz0100lmnx" {
					t.Errorf("answered %s", a.content)
				}
				if strings.Contains(a.content, theKey) || strings.Contains(a.content, "authen_key") {
					t.Error("the key is shown")
				}
			},
		},
		cpay.MethodQueryIdentityMapping: {
			owner: "out.out_sub_mch_id", unknown: map[string]string{"out.out_shop_id": "x", "out.out_mch_id": "sz01OTHERMCH00000001"},
			good: func(*testing.T, *house) object { return object{"out": mch(), "nonce_str": "n"} },
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("out_shop_id") != theShop || a.get("wx_author_codes.0") != "10" || len(a.list("ali_author_codes")) != 6 {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodClientInitialize: {
			owner: "out_sub_mch_id", unknown: map[string]string{"out_shop_id": "x"},
			good: func(*testing.T, *house) object {
				return object{"out_sub_mch_id": theMerchant, "out_shop_id": theShop, "authorize_terminal_type": 1, "nonce_str": "n"}
			},
			check: func(t *testing.T, h *house, _ object, a answer) {
				t.Helper()
				if len(a.get("activator")) != 12 || len(a.get("token")) != 12 || a.get("ttl") != "180" || !strings.Contains(a.get("qr_code_url"), a.get("activator")) {
					t.Errorf("answered %s", a.content)
				}
				if strings.Contains(h.log.String(), a.get("token")) {
					t.Error("the log shows a token")
				}
			},
		},
		cpay.MethodClientTryGetInitializers: {
			owner: "out_sub_mch_id", need: []string{"token"},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				a := h.call(t, cpay.MethodClientInitialize, object{"out_sub_mch_id": theMerchant, "out_shop_id": theShop})
				err := h.people.GrantClient(t.Context(), directory.System, a.get("activator"), directory.Identity{
					Kind: directory.ByStaff, Name: "Anna", Role: directory.RoleManager, ShopID: theShop, StaffID: "1005",
				})
				if err != nil {
					t.Fatal(err)
				}
				return object{"out_sub_mch_id": theMerchant, "token": a.get("token")}
			},
			denied: map[string]func(*testing.T, *house) object{
				"a token that was never given": func(*testing.T, *house) object { return object{"out_sub_mch_id": theMerchant, "token": "000000000000"} },
			},
			check: func(t *testing.T, h *house, _ object, a answer) {
				t.Helper()
				if a.get("initialization_granted") != "true" || a.get("manager_types.0") != "2" || a.get("staff_id") != "1005" ||
					a.get("sub_mch_info.cloud_cashier_id") != thePrefix || a.get("shop_infos.0.staffs.1.refund_auth") != "true" ||
					len(a.get("sub_mch_info.client_configuration_ciphers.0.key")) != 24 {
					t.Errorf("answered %s", a.content)
				}
				fresh := h.call(t, cpay.MethodClientInitialize, object{"out_sub_mch_id": theMerchant})
				wait := h.postTo(t, cpay.MethodClientTryGetInitializers, cpay.MethodClientTryGetInitializers, theKey,
					strings.NewReader(string(byMAC(object{"out_sub_mch_id": theMerchant, "token": fresh.get("token")}.text()))))
				if wait.is(t, 0, 0); wait.get("initialization_granted") != "false" || wait.get("sub_mch_info.company_name") != "" {
					t.Errorf("before anybody granted it: %s", wait.content)
				}
			},
		},
	}
}
