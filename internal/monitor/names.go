package monitor

import (
	"net/url"
	"strconv"
	"strings"
)

// Other stands for every interface and domain that is not one of ours, so that
// what clients invent adds no figures and no metrics.
const Other = "other"

// interfaces is the enum of protocol.md §3.12, and the interfaces that came
// after it by name only.
var interfaces = map[int64]string{
	13: "set_sub_mch_shop_info", 14: "query_sub_mch_shop_info",
	100: "micro_pay", 101: "scan_code_pay", 102: "official_account_pay", 103: "close_order", 104: "refund",
	106: "query_order", 107: "query_refund_order", 108: "reverse",
	201: "download_bill", 202: "upload_client_monitor_info", 203: "upload_client_conf_info",
	210: "client_initialize", 212: "client_try_get_initializers", 213: "query_identity_mapping",
	221: "client_order_detail", 224: "client_sub_mch_sales_overview", 50000: "ping", 100000: "app",
}

var interfaceNames = func() map[string]bool {
	names := map[string]bool{}
	for _, n := range interfaces {
		names[n] = true
	}
	for _, n := range []string{
		"app_pay", "mob_web_pay", "mini_program_pay", "query_order_list", "query_order_list_overview",
		"sdk_query_sub_mch_info", "use_device_setting", "unbind_device_sn_code", "check_bill_device_bind_info",
		"generate_bill_device_bind_qr_code", "get_bill_device_bind_info", "device_report",
		"brief_micro_pay", "brief_query_order", "brief_query_order_list", "brief_query_order_list_overview",
		"micro_freeze", "scancode_freeze", "deposit_consume", "unfreeze", "query_freeze_order", "query_unfreeze_order",
	} {
		names[n] = true
	}
	return names
}()

// interfaceName reads an interface by its number or its name (R06). A client
// may send the path or the whole address it called.
func interfaceName(l loose) string {
	if n, ok := l.number(); ok {
		if name, ok := interfaces[n]; ok {
			return name
		}
		return Other
	}
	s := strings.ToLower(strings.TrimSpace(l.text()))
	s = strings.TrimRight(s, "/")
	if name := s[strings.LastIndexByte(s, '/')+1:]; interfaceNames[name] {
		return name
	}
	return Other
}

// statusLabel is a status of the protocol, or Other.
func statusLabel(n int64) string {
	switch n {
	case 0, 3, 101, 102, 103, 104:
		return strconv.FormatInt(n, 10)
	}
	return Other
}

// maxDomain is the longest host name, by DNS.
const maxDomain = 253

// domainOf is the host name of what a client says it called: an address, or a
// host with or without port and path. "" if there is none.
func domainOf(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || len(u.Hostname()) > maxDomain {
		return Other
	}
	return strings.ToLower(u.Hostname())
}

// domainLabel is a domain of ours, or Other. A client that names none is taken
// to have called Other.
func (m *Monitor) domainLabel(domain string) string {
	if m.hosts[domain] {
		return domain
	}
	return Other
}
