package wxpay

import (
	"strings"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// The tables below are vectors/upstream-codes-wechat-v3.json, line by line; a
// test compares them. Codes are compared without their underscores, because
// the documents' generations differ in them. The call's own table comes first,
// then the common one, then v2's of the same call where the shared list says
// so; whatever none of them names is Unknown with Alert (channel.Unlisted).

// codeBook is what one call's codes mean, by normal name.
type codeBook map[string]channel.Rule

// bookOf lays tables over each other, the first one on top.
func bookOf(tables ...channel.Table) codeBook {
	book := codeBook{}
	for _, t := range tables {
		for _, r := range t {
			if _, ok := book[normal(r.Code)]; !ok {
				book[normal(r.Code)] = r
			}
		}
	}
	return book
}

// find returns the rule of a code, or channel.Unlisted and false.
func (b codeBook) find(code string) (channel.Rule, bool) {
	if r, ok := b[normal(code)]; ok {
		return r, true
	}
	return channel.Unlisted, false
}

// normal is a code without the underscores (upstreams.md §3.3).
func normal(code string) string { return strings.ReplaceAll(code, "_", "") }

// The codes of each call.
var (
	v3PayCodes         = bookOf(v3PayTable, v3Common, payCodes)
	v3PrepayCodes      = bookOf(v3PrepayTable, v3Common)
	v3QueryCodes       = bookOf(v3QueryTable, v3Common)
	v3ReverseCodes     = bookOf(v3ReverseTable, v3Common, reverseCodes)
	v3CloseCodes       = bookOf(v3CloseTable, v3Common)
	v3RefundCodes      = bookOf(v3RefundTable, v3Common)
	v3RefundQueryCodes = bookOf(v3RefundQueryTable, v3Common)
)

// v3Common: codes of every call (upstreams.md §3.3).
var v3Common = channel.Table{
	{Code: "PARAM_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "APPID_MCHID_NOT_MATCH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "MCH_NOT_EXISTS", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "INVALID_REQUEST", Class: channel.ClassDeclined, Reason: pay.ReasonRisk},
	{Code: "ORDER_CLOSED", Class: channel.ClassDeclined, Reason: pay.ReasonOrderDead},
	{Code: "SIGN_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "NO_AUTH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "OUT_TRADE_NO_USED", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true},
	{Code: "ORDERPAID", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true},
	{Code: "RULE_LIMIT", Class: channel.ClassDeclined, Reason: pay.ReasonRisk},
	{Code: "TRADE_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonRisk},
	{Code: "NOT_ENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "USER_ACCOUNT_ABNORMAL", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACCOUNT_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "FREQUENCY_LIMITED", Class: channel.ClassRetrySame, Pause: tooMuch},
	{Code: "RATELIMIT_EXCEEDED", Class: channel.ClassRetrySame, Pause: tooMuch},
	{Code: "SYSTEM_ERROR", Class: channel.ClassUnknown},
	{Code: "BANK_ERROR", Class: channel.ClassUnknown},
	{Code: "INVALID_TRANSACTIONID", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration},
	{Code: "OPENID_MISMATCH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration},
	{Code: "SERVICE_UNAVAILABLE", Class: channel.ClassUnknown},
}

// v3PayTable: answers to codepay (upstreams.md §3.5).
var v3PayTable = channel.Table{
	{Code: "USERPAYING", Class: channel.ClassWaiting},
	{Code: "TRADE_ERROR", Class: channel.ClassQueryFirst, Reason: pay.ReasonRisk},
	{Code: "INVALID_REQUEST", Class: channel.ClassQueryFirst, Reason: pay.ReasonRisk},
}

// v3PrepayTable: refusals of native, jsapi, app and h5 (upstreams.md §3.4). An
// order that is prepared is never reversed, so none forbids it.
var v3PrepayTable = channel.Table{
	{Code: "OUT_TRADE_NO_USED", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate},
	{Code: "SYSTEM_ERROR", Class: channel.ClassRetrySame},
}

// v3QueryTable: refusals of the order query. "Does not exist" may mean "not
// arrived yet".
var v3QueryTable = channel.Table{
	{Code: "ORDER_NOT_EXIST", Class: channel.ClassUnknown, Reason: pay.ReasonNotFound},
	{Code: "RESOURCE_NOT_EXISTS", Class: channel.ClassUnknown, Reason: pay.ReasonNotFound},
	{Code: "SYSTEM_ERROR", Class: channel.ClassRetrySame},
}

// v3ReverseTable: refusals of reverse. "Does not exist" carries not_found
// beyond the shared list, because row 11 of money.md §3 is decided by it.
var v3ReverseTable = channel.Table{
	{Code: "SYSTEM_ERROR", Class: channel.ClassRetrySame},
	{Code: "BANK_ERROR", Class: channel.ClassRetrySame},
	{Code: "SERVICE_UNAVAILABLE", Class: channel.ClassRetrySame},
	{Code: "FREQUENCY_LIMITED", Class: channel.ClassRetrySame},
	{Code: "RATELIMIT_EXCEEDED", Class: channel.ClassRetrySame},
	{Code: "USERPAYING", Class: channel.ClassRetrySame, Pause: stillPaying},
	{Code: "REVERSE_EXPIRE", Class: channel.ClassRefundInstead},
	{Code: "ORDER_NOT_EXIST", Class: channel.ClassOperator, Reason: pay.ReasonNotFound},
	{Code: "RESOURCE_NOT_EXISTS", Class: channel.ClassOperator, Reason: pay.ReasonNotFound},
	{Code: "INVALID_TRANSACTIONID", Class: channel.ClassOperator},
	{Code: "PARAM_ERROR", Class: channel.ClassOperator},
	{Code: "SIGN_ERROR", Class: channel.ClassOperator},
	{Code: "TRADE_ERROR", Class: channel.ClassOperator},
	{Code: "INVALID_REQUEST", Class: channel.ClassOperator},
}

// v3CloseTable: refusals of close (upstreams.md §3.4).
var v3CloseTable = channel.Table{
	{Code: "ORDERPAID", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ORDER_CLOSED", Class: channel.ClassPaid},
	{Code: "SYSTEM_ERROR", Class: channel.ClassRetrySame},
	{Code: "ORDER_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
}

// v3RefundTable: refusals of a refund (upstreams.md §3.6). Repetitions keep the
// same out_refund_no.
var v3RefundTable = channel.Table{
	{Code: "SYSTEM_ERROR", Class: channel.ClassRetrySame},
	{Code: "FREQUENCY_LIMITED", Class: channel.ClassRetrySame, Pause: tooMuch},
	{Code: "NOT_ENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "USER_ACCOUNT_ABNORMAL", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "NO_AUTH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "SIGN_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "PARAM_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "REFUND_FEE_MISMATCH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration},
	{Code: "TRADE_OVERDUE", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "RESOURCE_NOT_EXISTS", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "MCH_NOT_EXISTS", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "INVALID_REQUEST", Class: channel.ClassDeclined, Reason: pay.ReasonRisk},
}

// v3RefundStates: status of a refund, refund_status of its notice. ABNORMAL is
// a refund that the bank sent back.
var v3RefundStates = channel.Table{
	{Code: "SUCCESS", Class: channel.ClassPaid},
	{Code: "PROCESSING", Class: channel.ClassWaiting},
	{Code: "CLOSED", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ABNORMAL", Class: channel.ClassOperator},
}

// v3RefundQueryTable: refusals of the refund query.
var v3RefundQueryTable = channel.Table{
	{Code: "RESOURCE_NOT_EXISTS", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "SYSTEM_ERROR", Class: channel.ClassRetrySame},
}
