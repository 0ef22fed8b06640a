package api_test

import (
	"strings"
	"testing"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
)

// A device from the factory.
const (
	theSN   = "BF_M100_BF00000001"
	initKey = "654502BB0F57EC8737B4CF12117575B8"
)

// enrolled enrols the factory device, once.
func (h *house) enrolled(t *testing.T) { t.Helper(); h.enrol(t, theSN, initKey) }

func (h *house) enrol(t *testing.T, sn, key string) {
	t.Helper()
	if _, err := h.people.ImportInitKeys(t.Context(), directory.System, strings.NewReader(sn+" "+key+"\n")); err != nil {
		t.Fatal(err)
	}
}

// bound binds the factory device to till-1 and returns the token that asks for it.
func (h *house) bound(t *testing.T) string { t.Helper(); return h.bind(t, theSN, initKey, "till-1") }

// bind enrols a device and binds it.
func (h *house) bind(t *testing.T, sn, key, device string) string {
	t.Helper()
	h.enrol(t, sn, key)
	o := object{"sn": sn, "nonce_str": "ea90ceba", "timestamp": 1568859333}.text()
	a := h.postTo(t, cpay.MethodGenerateBillDeviceBindQRCode, cpay.MethodGenerateBillDeviceBindQRCode, key,
		strings.NewReader(string(envelope(o, object{"a": object{"authen_type": 1, "authen_code": mac(key, o)}}))))
	a.is(t, 0, 0)
	_, err := h.people.GrantBinding(t.Context(), directory.System, a.get("activator"),
		directory.TicketRequest{MerchantID: theMerchant, ShopID: theShop, DeviceID: device, StaffID: "1003"})
	if err != nil {
		t.Fatal(err)
	}
	return a.get("token")
}

// boundTo is the serial number on a device's record.
func (h *house) boundTo(t *testing.T, device string) string {
	t.Helper()
	h.people.Forget()
	m, err := h.people.Merchant(t.Context(), theMerchant)
	if err != nil {
		t.Fatal(err)
	}
	shop, _ := m.Shop(theShop)
	d, _ := shop.Device(device)
	return "sn " + d.SN
}

// deviceRows are the interfaces of devices.
func deviceRows() map[string]row {
	return map[string]row{
		cpay.MethodUnbindDeviceSNCode: {
			owner: "out_sub_mch_id", need: []string{"out_shop_id", "device_id", "sn_code"},
			unknown: map[string]string{"out_shop_id": "sz01OTHERSHOP0000001", "device_id": "till-9"},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				h.bound(t)
				return object{"out_sub_mch_id": theMerchant, "out_shop_id": theShop, "device_id": "till-1", "sn_code": theSN}
			},
			effect: func(t *testing.T, h *house, _ object) string { t.Helper(); return h.boundTo(t, "till-1") },
			check: func(t *testing.T, h *house, _ object, _ answer) {
				t.Helper()
				if got := h.boundTo(t, "till-1"); got != "sn " {
					t.Errorf("still bound to %q", got)
				}
			},
			denied: map[string]func(*testing.T, *house) object{
				"another terminal's": func(t *testing.T, h *house) object {
					t.Helper()
					h.bound(t)
					return object{"out_sub_mch_id": theMerchant, "out_shop_id": theShop, "device_id": "till-1", "sn_code": "OTHER"}
				},
			},
		},
		cpay.MethodCheckBillDeviceBindInfo: {
			key: initKey, owner: "sn_code", need: []string{"out_shop_id", "device_id", "nonce_str", "hash_content"},
			unknown: map[string]string{"out_shop_id": "sz01OTHERSHOP0000001", "device_id": "till-2", "hash_content": mac("wrong", "ea90ceba")},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				h.bound(t)
				return object{
					"sn_code": theSN, "out_shop_id": theShop, "device_id": "till-1", "nonce_str": "ea90ceba",
					"hash_content": mac(theKey, "ea90ceba"), "timestamp": 1568859333,
				}
			},
		},
		cpay.MethodGenerateBillDeviceBindQRCode: {
			key: initKey, owner: "sn_code",
			good: func(t *testing.T, h *house) object {
				t.Helper()
				h.enrolled(t)
				return object{"sn_code": theSN, "mcc": "bbb", "app_cpay_version": "1.0.0", "nonce_str": "ea90ceba", "timestamp": 1568859333}
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				also, _ := a.inner["generate_bill_device_bind_qr_code_response"].(map[string]any)
				if len(a.get("activator")) != 12 || a.get("interval") == "" || also["token"] != a.get("token") || !strings.HasPrefix(a.get("mini_program_url"), "https://") {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodGetBillDeviceBindInfo: {
			key: initKey, owner: "sn_code", need: []string{"token"}, unknown: map[string]string{"token": "000000000000"},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				return object{"sn_code": theSN, "token": h.bound(t), "nonce_str": "ea90ceba", "timestamp": 1568859333}
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				key, err := cpay.OpenDeviceKey(a.get("e_authen_key"), cpay.NewKey(initKey))
				if err != nil || key.MAC([]byte("x")) != mac(theKey, "x") {
					t.Errorf("e_authen_key does not open: %v", err)
				}
				also, _ := a.inner["get_bill_device_bind_info_response"].(map[string]any)
				if a.get("activated") != "1" || a.get("device_id") != "till-1" || a.get("staff_name") != "clerk" || a.get("cloud_cashier_id") != thePrefix || also["out_shop_id"] != theShop {
					t.Errorf("answered %s", a.content)
				}
				if strings.Contains(a.content, theKey) {
					t.Error("the key is shown")
				}
			},
		},
	}
}

// briefRows are the interfaces with the short envelope.
func briefRows(orderIs func(string) func(*testing.T, *house, object) string) map[string]row {
	list := func(t *testing.T, h *house) object {
		t.Helper()
		h.sold(t)
		s := span()
		return object{
			"osmi": theMerchant, "ot": 3, "st": s["start_time"], "et": s["end_time"],
			"pn": 1, "ps": 10, "spps": []any{100, 200}, "ns": "12345678",
		}
	}
	return map[string]row{
		cpay.MethodBriefMicroPay: {
			owner: "osi", need: []string{"otn", "ac", "tf"}, unknown: map[string]string{"di": "till-9"}, effect: orderIs("otn"),
			good: func(_ *testing.T, h *house) object {
				return object{"sc": "sn1", "osi": theShop, "ns": "12345678", "otn": h.number(), "ac": h.code(pay.Wxpay, ""), "tf": 2, "bd": "bread", "di": "till-1", "stt": 2451}
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("wx.cts") != "2" || a.get("wx.tsd") == "" || len(a.get("ns")) != 8 {
					t.Errorf("answered %s", a.content)
				}
			},
			denied: map[string]func(*testing.T, *house) object{
				"another merchant's prefix": func(_ *testing.T, h *house) object {
					return object{"osi": theShop, "ns": "1", "otn": "9000000200001", "ac": h.code(pay.Wxpay, ""), "tf": 2}
				},
			},
		},
		cpay.MethodBriefQueryOrder: {
			owner: "osi", need: []string{"otn"},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				return object{"osi": theShop, "ns": "12345678", "otn": h.paid(t, pay.Alipay, 3)}
			},
			check: func(t *testing.T, _ *house, in object, a answer) {
				t.Helper()
				if a.get("pp") != "2" || a.get("otn") != in["otn"] || a.get("tf") != "3" || a.get("ali.cts") != "2" || a.get("wx.cts") != "" {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodBriefQueryOrderList: {
			owner: "osmi", need: []string{"et", "pn", "ps"}, unknown: map[string]string{"osi": "sz01OTHERSHOP0000001"}, good: list,
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("tc") != "3" || a.get("ods.0.bro.rf") != "100" || a.get("ods.2.bo.wx_cts") != "2" || a.inner["tc"] == nil || a.inner["ods"] == nil {
					t.Errorf("answered %s", a.content)
				}
			},
		},
		cpay.MethodBriefQueryOrderListOverview: {
			owner: "osmi", need: []string{"et"}, unknown: map[string]string{"osi": "sz01OTHERSHOP0000001"},
			good: func(t *testing.T, h *house) object {
				t.Helper()
				return list(t, h).with("pn", nil).with("ps", nil)
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("ovs.1.spp") != "100" || a.get("ovs.1.sa") != "500" || a.get("ovs.0.rca") != "100" || a.inner["ovs"] == nil {
					t.Errorf("answered %s", a.content)
				}
			},
		},
	}
}

// misspelt is how the documented example of device_report has it.
const misspelt = "ali_pay_suc" + "ess_count"

// monitorRows are the interfaces by which clients tell of themselves. Nothing
// they say is refused (R06).
func monitorRows() map[string]row {
	client := object{"device_id": "till-1", "terminal_type": 2}
	ids := object{"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "out_shop_id": theShop, "order_client": client, "nonce_str": "n"}
	return map[string]row{
		cpay.MethodUploadClientMonitorInfo: {
			owner: "out_sub_mch_id",
			loose: []string{"interval", "is_compress", "uncompressed_monitor_info", "order_client", "nonce_str", "machine_info"},
			good: func(*testing.T, *house) object {
				return ids.with("interval", 30).with("is_compress", false).with("uncompressed_monitor_info", object{
					"client_int_results": []any{object{"interface": "scan_code_pay", "status": 0, "time_cost": 120, "log_id": 5, "logs": []any{"a", "b"}}},
				})
			},
			check: func(t *testing.T, _ *house, _ object, a answer) {
				t.Helper()
				if a.get("interval") != "60" {
					t.Errorf("answered %s", a.content)
				}
			},
			denied: map[string]func(*testing.T, *house) object{
				"RAR": func(*testing.T, *house) object {
					return ids.with("is_compress", true).with("compress_type", 2).with("compressed_monitor_info", "UmFyIRoHAM+QcwAADQAAAAAAAAA=")
				},
			},
		},
		cpay.MethodUploadClientConfInfo: {
			owner: "out_sub_mch_id", loose: []string{"machine_info", "order_client", "nonce_str"},
			good: func(*testing.T, *house) object { return ids.with("machine_info", `{"ip":"192.0.2.1","cpu_num":2}`) },
		},
		cpay.MethodDeviceReport: {
			owner: "out_sub_mch_id",
			loose: []string{"device_type", "sn", "device_id", "wx_pay_count", misspelt, "cpu_usage", "api_calling_infos"},
			good: func(_ *testing.T, h *house) object {
				return object{
					"out_mch_id": theProvider, "out_sub_mch_id": theMerchant, "out_shop_id": theShop, "device_id": "till-1", "sn": "sn1", "device_type": 1,
					"wx_pay_count": 3, misspelt: 2, "cpu_usage": "3%",
					"api_calling_infos": []any{object{"out_trade_no": h.number(), "code": 200, "status": 0, "delay_ms": 90}},
				}
			},
		},
	}
}
