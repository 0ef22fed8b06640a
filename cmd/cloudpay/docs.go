package main

import (
	"encoding/json"
	"strings"

	"cloudpay/cpay"
	texts "cloudpay/docs"
	"cloudpay/internal/docs"
)

// exampleKey seals the examples of the pages. It is printed with them, so that
// a developer can check an implementation against the codes.
const exampleKey = "0123456789abcdef0123456789ABCDEF"

// documents are the pages below /docs/, made from the documents of the
// interfaces themselves.
func documents(management []byte) (*docs.Site, error) {
	return docs.New(docs.Page{
		Name: "cpay", Title: docs.Text{ZH: "云支付接口", EN: "Cloud Pay interfaces"},
		Intro: docs.Text{
			ZH: "地址：https://<域名>/cpay/<接口名>，POST，content-type: application/json。表中的参数在 request_content 或 response_content 的 JSON 文本内。\n" +
				"认证码 authen_code = HMAC-SHA256(authen_key, request_content 的原始字节)，64 位大写十六进制。计算后不得再改动该文本，包括末尾换行。\n" +
				"金额单位为分，时间为 UNIX 秒。不填的参数不要发送；发送空串表示清空。\n" +
				"示例均用演示密钥 " + exampleKey + " 计算。认证码不一致时，用 cloudpay verify-request 查看被计算的字节。",
			EN: "Address: https://<host>/cpay/<interface>, POST, content-type: application/json. The members listed stand in the JSON text of request_content or response_content.\n" +
				"authen_code = HMAC-SHA256(authen_key, the exact bytes of request_content), 64 upper-case hexadecimal digits. Do not change the text afterwards, not even its last line break.\n" +
				"Amounts are fen, times UNIX seconds. Leave out what you do not fill in; an empty text clears.\n" +
				"The examples are sealed with the demo key " + exampleKey + ". If a code does not agree, cloudpay verify-request shows which bytes were authenticated.",
		},
		Document: cpay.Schema(), Tables: []docs.Table{statusTable, internalTable}, Values: exampleValues, Seal: sealExample,
	}, docs.Page{
		Name: "api", Title: docs.Text{ZH: "管理接口", EN: "Management API"},
		Intro: docs.Text{
			ZH: "管理接口 /v1 用于服务商、子商户、门店、设备、店员、密钥、订单、退款、回调、对账、关账、账务和报表。\n请求须带令牌：Authorization: Bearer <令牌>。写操作可带 Idempotency-Key，重复请求得到同一结果。",
			EN: "The management API /v1 is for providers, merchants, shops, devices, staff, keys, orders, refunds, callbacks, reconciliation, closed days, the ledger and reports.\nRequests carry a token: Authorization: Bearer <token>. Writes may carry an Idempotency-Key; a repetition gets the same answer.",
		},
		Document: management,
	}, docs.Page{
		Name: "callbacks", Title: docs.Text{ZH: "接收回调", EN: "Receiving callbacks"}, Text: docs.Text{ZH: texts.CallbacksZH, EN: texts.Callbacks},
	})
}

// statusTable is protocol.md §4.1.
var statusTable = docs.Table{
	Title: docs.Text{ZH: "状态码 status", EN: "status"},
	Head:  []docs.Text{{ZH: "值", EN: "Value"}, {ZH: "含义", EN: "Meaning"}, {ZH: "带认证码", EN: "Authenticated"}, {ZH: "调用方", EN: "The caller"}},
	Rows: [][]docs.Text{
		{{ZH: "0"}, {ZH: "请求成功；支付结果看订单状态", EN: "Processed; the order's state is the result"}, {ZH: "是", EN: "yes"}, {ZH: "先验证认证码", EN: "verifies the code first"}},
		{{ZH: "3"}, {ZH: "系统内部错误，结果未知", EN: "Something broke; the result is not known"}, {ZH: "否", EN: "no"}, {ZH: "用原参数重试，或查询", EN: "repeats the same call, or queries"}},
		{{ZH: "101"}, {ZH: "请求有误：认证码、商户或格式", EN: "The call is wrong: code, merchant or form"}, {ZH: "否", EN: "no"}, {ZH: "改正后再调用", EN: "corrects the call"}},
		{{ZH: "102"}, {ZH: "该单号失败", EN: "Refused for this number"}, {ZH: "是", EN: "yes"}, {ZH: "换新单号", EN: "takes a new number"}},
		{{ZH: "103"}, {ZH: "结果未知，或请求过快", EN: "Not known yet, or too many calls"}, {ZH: "是", EN: "yes"}, {ZH: "3 秒后重试或查询", EN: "repeats or queries after 3 seconds"}},
		{{ZH: "104"}, {ZH: "拒绝，原因见 description", EN: "Refused; description says why"}, {ZH: "是", EN: "yes"}, {ZH: "显示原因；不要撤单", EN: "shows the reason; does not reverse"}},
	},
}

// internalTable is protocol.md §4.2.
var internalTable = docs.Table{
	Title: docs.Text{ZH: "internal_status", EN: "internal_status"},
	Head:  []docs.Text{{ZH: "值", EN: "Value"}, {ZH: "含义", EN: "Meaning"}},
	Rows: [][]docs.Text{
		{{ZH: "7"}, {ZH: "认证码错误（status 101）", EN: "Wrong authen_code (status 101)"}},
		{{ZH: "400"}, {ZH: "订单不存在", EN: "No such order"}},
		{{ZH: "407"}, {ZH: "单号已用于另一笔支付（micro_pay，status 104）；切勿撤单", EN: "The number belongs to another payment (micro_pay, status 104); never reverse it"}},
		{{ZH: "426"}, {ZH: "退款单不存在", EN: "No such refund"}},
		{{ZH: "3214"}, {ZH: "设备已绑定其他终端", EN: "The device is bound to another terminal"}},
	},
}

// exampleValues are what members hold in examples: an invented merchant.
var exampleValues = map[string]string{
	"out_mch_id": `"sz01TESTMCH000000001"`, "out_sub_mch_id": `"sz01TESTSUBMCH000001"`, "out_shop_id": `"sz01TESTSHOP00000001"`,
	"osmi": `"sz01TESTSUBMCH000001"`, "osi": `"sz01TESTSHOP00000001"`, "device_id": `"till-1"`, "staff_id": `"staff-1"`,
	"nonce_str": `"5K8264ILTKCH16CQ2502SI8ZNMTM67VS"`, "pay_platform": `1`, "out_trade_no": `"900000012611261033050001"`,
	"otn": `"900000012611261033050001"`, "out_refund_no": `"900000012611261033050002"`, "author_code": `"130000000000000000"`,
	"ac": `"130000000000000000"`, "total_fee": `1250`, "tf": `1250`, "refund_fee": `1250`, "fee_type": `"CNY"`, "refund_fee_type": `"CNY"`,
	"body": `"开心便利店消费"`, "terminal_type": `2`, "sdk_version": `"1.0"`, "spbill_create_ip": `"203.0.113.7"`, "machine_no": `"9F1C2D"`,
	"status": `0`, "description": `"操作成功。"`, "log_id": `3637968353`, "internal_status": `0`, "trade_type": `1`,
	"create_time": `1795660385`, "last_update_time": `1795660386`, "time_end": `1795660386`, "sn": `"LANDI_QM600_0001"`, "sn_code": `"LANDI_QM600_0001"`,
	"out_freeze_no": `"900000012611261033050003"`, "out_unfreeze_no": `"900000012611261033050004"`, "freeze_fee": `10000`, "unfreeze_fee": `10000`,
	"timestamp": `1795660385`, "s": `0`, "d": `"操作成功。"`, "li": `3637968353`, "is": `0`,
}

// sealExample turns the content of an example into what is sent.
func sealExample(operation string, content []byte, response bool) ([]byte, error) {
	key := cpay.NewKey(exampleKey)
	text, err := json.Marshal(string(content))
	if err != nil {
		return nil, err
	}
	code := key.MAC(content)
	switch brief := strings.HasPrefix(operation, "brief_"); {
	case brief && response:
		return []byte(`{"rc":` + string(text) + `,"a":"` + code + `"}`), nil
	case brief:
		return []byte(`{"r":` + string(text) + `,"a":"` + code + `"}`), nil
	case response:
		return []byte(`{"response_content":` + string(text) + `,"authen_info":{"a":{"authen_type":1,"authen_code":"` + code + `"}}}`), nil
	}
	return cpay.Seal(content, cpay.Keys{AuthenKey: key}, cpay.ByMAC)
}
