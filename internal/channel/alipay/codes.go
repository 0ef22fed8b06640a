package alipay

import (
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Pauses that upstream asks for before the same call is repeated.
const (
	limited     = time.Second      // isv.app-call-limited (upstreams.md §4.3)
	cancelPause = 10 * time.Second // between two cancels (upstreams.md §4.6)
	refundPause = 3 * time.Second  // between two refunds of one trade (upstreams.md §4.6)
	askPause    = 10 * time.Second // before a refund is asked for (upstreams.md §4.4)
)

// The tables below are vectors/upstream-codes-alipay.json, line by line; a
// test compares them. A sub_code is matched without a leading "aop." and with
// AQC. read as ACQ., and whatever is not listed is Unknown with Alert
// (channel.Unlisted).

// topLevel: the code member of every answer (upstreams.md §4.3). 10000 and 40004
// decide nothing by themselves: the call does, or its sub_code.
var topLevel = channel.Table{
	{Code: "10000", Class: channel.ClassPaid},
	{Code: "10003", Class: channel.ClassWaiting},
	{Code: "20000", Class: channel.ClassUnknown},
	{Code: "20001", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "40001", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "40002", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "40003", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "40006", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "40004", Class: channel.ClassUnknown},
	{Code: "40005", Class: channel.ClassRetrySame, Pause: limited},
}

// payCodes: sub_code of alipay.trade.pay (upstreams.md §4.5).
var payCodes = channel.Table{
	{Code: "ACQ.SYSTEM_ERROR", Class: channel.ClassUnknown},
	{Code: "ACQ.TRADE_HAS_SUCCESS", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true},
	{Code: "ACQ.CONTEXT_INCONSISTENT", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true},
	{Code: "ACQ.TRADE_HAS_CLOSE", Class: channel.ClassDeclined, Reason: pay.ReasonOrderDead},
	{Code: "ACQ.PAYMENT_AUTH_CODE_INVALID", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.BUYER_BALANCE_NOT_ENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.ERROR_BALANCE_PAYMENT_DISABLE", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.PULL_MOBILE_CASHIER_FAIL", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.MOBILE_PAYMENT_SWITCH_OFF", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.USER_FACE_PAYMENT_SWITCH_OFF", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.PAYMENT_FAIL", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.BUYER_ENABLE_STATUS_FORBID", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.BUYER_SELLER_EQUAL", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.TRADE_BUYER_NOT_MATCH", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.PAYMENT_REQUEST_HAS_RISK", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ACQ.INVALID_PARAMETER", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.ACCESS_FORBIDDEN", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.EXIST_FORBIDDEN_WORD", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.PARTNER_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.TOTAL_FEE_EXCEED", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.SELLER_BEEN_BLOCKED", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.BEYOND_PAY_RESTRICTION", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.BEYOND_PER_RECEIPT_RESTRICTION", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.MERCHANT_STATUS_NOT_NORMAL", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.MERCHANT_PERM_RECEIPT_SINGLE_LIMIT", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.MERCHANT_PERM_RECEIPT_DAY_LIMIT", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.INVALID_STORE_ID", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.SUB_MERCHANT_*", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.APPLY_PC_MERCHANT_CODE_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
}

// prepayCodes: sub_code of alipay.trade.precreate and .create, which the shared
// list has "as alipay.trade.pay". An order that is prepared is never reversed
// for its number, and the calls can be repeated.
var prepayCodes = payCodes

// tradeStates: trade_status of alipay.trade.query and of notices.
var tradeStates = channel.Table{
	{Code: "WAIT_BUYER_PAY", Class: channel.ClassWaiting},
	{Code: "TRADE_SUCCESS", Class: channel.ClassPaid},
	{Code: "TRADE_FINISHED", Class: channel.ClassPaid},
	{Code: "TRADE_CLOSED", Class: channel.ClassDeclined},
}

// queryCodes: sub_code of alipay.trade.query. TRADE_NOT_EXIST may mean "not
// arrived yet".
var queryCodes = channel.Table{
	{Code: "ACQ.TRADE_NOT_EXIST", Class: channel.ClassUnknown, Reason: pay.ReasonNotFound},
	{Code: "ACQ.SYSTEM_ERROR", Class: channel.ClassRetrySame},
	{Code: "ACQ.INVALID_PARAMETER", Class: channel.ClassOperator},
}

// cancelCodes: sub_code of alipay.trade.cancel (upstreams.md §4.6).
var cancelCodes = channel.Table{
	{Code: "ACQ.SYSTEM_ERROR", Class: channel.ClassRetrySame, Pause: cancelPause},
	{Code: "ACQ.SELLER_BALANCE_NOT_ENOUGH", Class: channel.ClassRetrySame, Reason: pay.ReasonMerchant, Alert: true, Pause: cancelPause},
	{Code: "ACQ.TRADE_CANCEL_TIME_OUT", Class: channel.ClassRefundInstead},
	{Code: "ACQ.REASON_TRADE_BEEN_FREEZEN", Class: channel.ClassOperator},
	{Code: "ACQ.REASON_TRADE_REFUND_FEE_ERR", Class: channel.ClassOperator},
	{Code: "ACQ.CANCEL_NOT_ALLOWED", Class: channel.ClassOperator},
	{Code: "ACQ.TRADE_HAS_FINISHED", Class: channel.ClassOperator},
	{Code: "ACQ.INVALID_PARAMETER", Class: channel.ClassOperator},
}

// closeCodes: sub_code of alipay.trade.close (upstreams.md §4.6).
var closeCodes = channel.Table{
	{Code: "ACQ.TRADE_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "ACQ.TRADE_STATUS_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.REASON_TRADE_STATUS_INVALID", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.REASON_ILLEGAL_STATUS", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.SYSTEM_ERROR", Class: channel.ClassRetrySame},
}

// refundCodes: sub_code of alipay.trade.refund (upstreams.md §4.6). Repetitions
// keep out_request_no and amount.
var refundCodes = channel.Table{
	{Code: "ACQ.SYSTEM_ERROR", Class: channel.ClassRetrySame, Pause: refundPause},
	{Code: "ACQ.SELLER_BALANCE_NOT_ENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.REASON_TRADE_REFUND_FEE_ERR", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.TRADE_HAS_FINISHED", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.TRADE_HAS_CLOSE", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.TRADE_NOT_ALLOW_REFUND", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.NOT_ALLOW_PARTIAL_REFUND", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.TRADE_STATUS_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.REASON_TRADE_BEEN_FREEZEN", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ACQ.DISCORDANT_REPEAT_REQUEST", Class: channel.ClassDeclined, Reason: pay.ReasonDuplicate, Alert: true},
	{Code: "ACQ.TRADE_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "ACQ.INVALID_PARAMETER", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
}

// refundQueryCodes: sub_code of alipay.trade.fastpay.refund.query.
var refundQueryCodes = channel.Table{
	{Code: "ACQ.SYSTEM_ERROR", Class: channel.ClassRetrySame, Pause: askPause},
}
