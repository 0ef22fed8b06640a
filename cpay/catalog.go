package cpay

// entry is one interface of the protocol.
type entry struct {
	method   Method
	title    string // as the original documents call it
	request  func() Request
	response func() Message
}

// catalog lists all interfaces with a request, in the order of protocol.md §2.
// ping and use_device_setting have none.
func catalog() []entry {
	return []entry{
		{MethodMicroPay, "刷卡支付", newRequest[MicroPayRequest], newMessage[MicroPayResponse]},
		{MethodScanCodePay, "扫码支付", newRequest[ScanCodePayRequest], newMessage[ScanCodePayResponse]},
		{MethodOfficialAccountPay, "公众号支付", newRequest[OfficialAccountPayRequest], newMessage[OfficialAccountPayResponse]},
		{MethodMiniProgramPay, "小程序支付", newRequest[MiniProgramPayRequest], newMessage[MiniProgramPayResponse]},
		{MethodAppPay, "APP支付", newRequest[AppPayRequest], newMessage[AppPayResponse]},
		{MethodMobWebPay, "手机网站支付", newRequest[MobWebPayRequest], newMessage[MobWebPayResponse]},
		{MethodQueryOrder, "查询订单", newRequest[QueryOrderRequest], newMessage[QueryOrderResponse]},
		{MethodCloseOrder, "关闭订单", newRequest[CloseOrderRequest], newMessage[CloseOrderResponse]},
		{MethodReverse, "撤单", newRequest[ReverseRequest], newMessage[ReverseResponse]},
		{MethodRefund, "退款", newRequest[RefundRequest], newMessage[RefundResponse]},
		{MethodQueryRefundOrder, "查询退款单", newRequest[QueryRefundOrderRequest], newMessage[QueryRefundOrderResponse]},
		{MethodClientOrderDetail, "查询订单详情列表", newRequest[ClientOrderDetailRequest], newMessage[ClientOrderDetailResponse]},
		{MethodQueryOrderList, "查询订单列表", newRequest[QueryOrderListRequest], newMessage[QueryOrderListResponse]},
		{
			MethodQueryOrderListOverview, "查询订单列表汇总",
			newRequest[QueryOrderListOverviewRequest], newMessage[QueryOrderListOverviewResponse],
		},
		{
			MethodClientSubMchSalesOverview, "查询子商户交易统计",
			newRequest[ClientSubMchSalesOverviewRequest], newMessage[ClientSubMchSalesOverviewResponse],
		},
		{MethodDownloadBill, "下载对账单", newRequest[DownloadBillRequest], newMessage[DownloadBillResponse]},
		{MethodQuerySubMchShopInfo, "查询门店信息", newRequest[QuerySubMchShopInfoRequest], newMessage[QuerySubMchShopInfoResponse]},
		{MethodSetSubMchShopInfo, "设置门店信息", newRequest[SetSubMchShopInfoRequest], newMessage[SetSubMchShopInfoResponse]},
		{MethodSDKQuerySubMchInfo, "查询子商户信息", newRequest[SDKQuerySubMchInfoRequest], newMessage[SDKQuerySubMchInfoResponse]},
		{MethodQueryIdentityMapping, "查询身份映射", newRequest[QueryIdentityMappingRequest], newMessage[QueryIdentityMappingResponse]},
		{MethodClientInitialize, "客户端授权", newRequest[ClientInitializeRequest], newMessage[ClientInitializeResponse]},
		{
			MethodClientTryGetInitializers, "获取客户端授权结果",
			newRequest[ClientTryGetInitializersRequest], newMessage[ClientTryGetInitializersResponse],
		},
		{MethodUnbindDeviceSNCode, "解绑设备", newRequest[UnbindDeviceSNCodeRequest], newMessage[UnbindDeviceSNCodeResponse]},
		{
			MethodCheckBillDeviceBindInfo, "检查设备绑定信息",
			newRequest[CheckBillDeviceBindInfoRequest], newMessage[CheckBillDeviceBindInfoResponse],
		},
		{
			MethodGenerateBillDeviceBindQRCode, "生成设备绑定二维码",
			newRequest[GenerateBillDeviceBindQRCodeRequest], newMessage[GenerateBillDeviceBindQRCodeResponse],
		},
		{
			MethodGetBillDeviceBindInfo, "获取设备绑定信息",
			newRequest[GetBillDeviceBindInfoRequest], newMessage[GetBillDeviceBindInfoResponse],
		},
		{MethodBriefMicroPay, "刷卡支付（精简）", newRequest[BriefMicroPayRequest], newMessage[BriefMicroPayResponse]},
		{MethodBriefQueryOrder, "查询订单（精简）", newRequest[BriefQueryOrderRequest], newMessage[BriefQueryOrderResponse]},
		{MethodBriefQueryOrderList, "查询订单列表（精简）", newRequest[BriefQueryOrderListRequest], newMessage[BriefQueryOrderListResponse]},
		{
			MethodBriefQueryOrderListOverview, "查询订单列表汇总（精简）",
			newRequest[BriefQueryOrderListOverviewRequest], newMessage[BriefQueryOrderListOverviewResponse],
		},
		{MethodDeviceReport, "支付信息上报", newRequest[DeviceReportRequest], newMessage[DeviceReportResponse]},
		{MethodMicroFreeze, "刷卡押金", newRequest[MicroFreezeRequest], newMessage[MicroFreezeResponse]},
		{MethodScancodeFreeze, "扫码押金", newRequest[ScancodeFreezeRequest], newMessage[ScancodeFreezeResponse]},
		{MethodDepositConsume, "押金消费", newRequest[DepositConsumeRequest], newMessage[DepositConsumeResponse]},
		{MethodUnfreeze, "押金退还", newRequest[UnfreezeRequest], newMessage[UnfreezeResponse]},
		{MethodQueryFreezeOrder, "查询押金订单", newRequest[QueryFreezeOrderRequest], newMessage[QueryFreezeOrderResponse]},
		{MethodQueryUnfreezeOrder, "查询押金退还单", newRequest[QueryUnfreezeOrderRequest], newMessage[QueryUnfreezeOrderResponse]},
		{
			MethodUploadClientMonitorInfo, "上报接口监控",
			newRequest[UploadClientMonitorInfoRequest], newMessage[UploadClientMonitorInfoResponse],
		},
		{MethodUploadClientConfInfo, "上报客户端配置", newRequest[UploadClientConfInfoRequest], newMessage[UploadClientConfInfoResponse]},
	}
}

// newRequest makes an empty request.
func newRequest[T any, R interface {
	*T
	Request
}]() Request {
	return R(new(T))
}

// newMessage makes an empty message.
func newMessage[T any, M interface {
	*T
	Message
}]() Message {
	return M(new(T))
}

// NewRequest returns an empty request of a method, or nil if no interface of that
// name takes one.
func NewRequest(method Method) Request {
	for _, e := range catalog() {
		if e.method == method {
			return e.request()
		}
	}
	return nil
}
