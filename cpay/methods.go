package cpay

// Method is the last part of an interface's path. The object in its response is
// mostly called the same; see ResponseMember.
type Method = string

// The methods, in the order of protocol.md §2.
const (
	MethodMicroPay           = "micro_pay"
	MethodScanCodePay        = "scan_code_pay"
	MethodOfficialAccountPay = "official_account_pay"
	MethodMiniProgramPay     = "mini_program_pay"
	MethodAppPay             = "app_pay"
	MethodMobWebPay          = "mob_web_pay"

	MethodQueryOrder       = "query_order"
	MethodCloseOrder       = "close_order"
	MethodReverse          = "reverse"
	MethodRefund           = "refund"
	MethodQueryRefundOrder = "query_refund_order"

	MethodClientOrderDetail         = "client_order_detail"
	MethodQueryOrderList            = "query_order_list"
	MethodQueryOrderListOverview    = "query_order_list_overview"
	MethodClientSubMchSalesOverview = "client_sub_mch_sales_overview"
	MethodDownloadBill              = "download_bill"

	MethodQuerySubMchShopInfo      = "query_sub_mch_shop_info"
	MethodSetSubMchShopInfo        = "set_sub_mch_shop_info"
	MethodSDKQuerySubMchInfo       = "sdk_query_sub_mch_info"
	MethodQueryIdentityMapping     = "query_identity_mapping"
	MethodClientInitialize         = "client_initialize"
	MethodClientTryGetInitializers = "client_try_get_initializers"

	MethodPing                         = "ping"
	MethodUseDeviceSetting             = "use_device_setting"
	MethodUnbindDeviceSNCode           = "unbind_device_sn_code"
	MethodCheckBillDeviceBindInfo      = "check_bill_device_bind_info"
	MethodGenerateBillDeviceBindQRCode = "generate_bill_device_bind_qr_code"
	MethodGetBillDeviceBindInfo        = "get_bill_device_bind_info"
	MethodBriefMicroPay                = "brief_micro_pay"
	MethodBriefQueryOrder              = "brief_query_order"
	MethodBriefQueryOrderList          = "brief_query_order_list"
	MethodBriefQueryOrderListOverview  = "brief_query_order_list_overview"
	MethodDeviceReport                 = "device_report"

	MethodMicroFreeze        = "micro_freeze"
	MethodScancodeFreeze     = "scancode_freeze"
	MethodDepositConsume     = "deposit_consume"
	MethodUnfreeze           = "unfreeze"
	MethodQueryFreezeOrder   = "query_freeze_order"
	MethodQueryUnfreezeOrder = "query_unfreeze_order"

	MethodUploadClientMonitorInfo = "upload_client_monitor_info"
	MethodUploadClientConfInfo    = "upload_client_conf_info"
)

// Path is where an interface is found below a domain.
func Path(method Method) string { return "/cpay/" + method }

// ResponseMember is the name of the object in a method's response. It differs
// from the method where the original's does (protocol.md §7 row 29). Interfaces
// whose answer the documents name twice are written under both names; this is
// the first of them.
func ResponseMember(method Method) string {
	name, _ := responseMembers(method)
	return name
}

// responseMembers returns the name of the object in a method's response, and the
// second name under which it is repeated or "".
func responseMembers(method Method) (name, also string) {
	switch method {
	case MethodMobWebPay:
		return "mobile_web_pay", ""
	case MethodClientOrderDetail:
		return "order_detail_query", ""
	case MethodQuerySubMchShopInfo:
		return "query_shop_info", ""
	case MethodSetSubMchShopInfo:
		return "set_shop_info", ""
	case MethodSDKQuerySubMchInfo:
		return "query_sub_mch_info", ""
	case MethodGenerateBillDeviceBindQRCode:
		return method, "generate_bill_device_bind_qr_code_response"
	case MethodGetBillDeviceBindInfo:
		return "bill_device_bind_sn", "get_bill_device_bind_info_response"
	case MethodDeviceReport:
		return "device_info_report", ""
	case MethodScancodeFreeze:
		return "scan_code_freeze", ""
	}
	return method, ""
}

// Limits of whole bodies, in bytes.
const (
	// maxTradeResponse bounds answers that embedded C clients read into 4,096 bytes
	// without a check (protocol.md R21). Tills of the same kind read the other
	// payments, so the limit is theirs too.
	maxTradeResponse = 3500
	// MaxMonitorBody is the longest upload of monitoring data: a day of a busy
	// till's calls with their log lines, uncompressed.
	MaxMonitorBody = 1 << 20
	// MaxResponse is the longest answer that a Client reads: a page of a few hundred
	// orders, whose texts are escaped twice.
	MaxResponse = 4 << 20
)

// MaxRequest is the longest body that a method takes, in bytes.
func MaxRequest(method Method) int {
	switch method {
	case MethodUploadClientMonitorInfo, MethodUploadClientConfInfo:
		return MaxMonitorBody
	}
	return MaxBody
}

// maxResponse is the largest body of a method's answer, or 0 for no limit. Lists
// are paged by their callers and have none.
func maxResponse(method Method) int {
	switch method {
	case MethodMicroPay, MethodScanCodePay, MethodOfficialAccountPay, MethodMiniProgramPay, MethodAppPay, MethodMobWebPay,
		MethodQueryOrder, MethodCloseOrder, MethodReverse, MethodRefund, MethodQueryRefundOrder,
		MethodBriefMicroPay, MethodBriefQueryOrder:
		return maxTradeResponse
	}
	return 0
}

// Brief reports whether a method speaks in the short envelope of protocol.md
// §1.9: ParseBriefRequest, SealBriefResponse and their counterparts.
func Brief(method Method) bool {
	switch method {
	case MethodBriefMicroPay, MethodBriefQueryOrder, MethodBriefQueryOrderList, MethodBriefQueryOrderListOverview:
		return true
	}
	return false
}
