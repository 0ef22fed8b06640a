package wxpay

import (
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
)

// Pauses that upstream asks for before the same call is repeated.
const (
	stillPaying = 5 * time.Second // "cannot revoke while paying" (upstreams.md §2.5)
	tooMuch     = time.Minute     // rate limits (upstreams.md §2.3, §2.6)
)

// The tables below are vectors/upstream-codes-wechat-v2.json, line by line; a
// test compares them. Codes count only in verified answers, and whatever is
// not listed is Unknown with Alert (channel.Unlisted).

// payCodes: answers to /pay/micropay (upstreams.md §2.3).
var payCodes = channel.Table{
	{Code: "USERPAYING", Class: channel.ClassWaiting},
	{Code: "SYSTEMERROR", Class: channel.ClassUnknown},
	{Code: "BANKERROR", Class: channel.ClassUnknown},
	{Code: "ORDERPAID", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true},
	{Code: "OUT_TRADE_NO_USED", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate, NoReverse: true},
	{Code: "AUTHCODEEXPIRE", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "AUTH_CODE_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "AUTH_CODE_INVALID", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "NOTENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "NOTSUPORTCARD", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "BUYER_MISMATCH", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ORDERCLOSED", Class: channel.ClassDeclined, Reason: pay.ReasonOrderDead},
	{Code: "ORDERREVERSED", Class: channel.ClassDeclined, Reason: pay.ReasonOrderDead},
	{Code: "PARAM_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "NOAUTH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "XML_FORMAT_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "REQUIRE_POST_METHOD", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "SIGNERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "LACK_PARAMS", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "NOT_UTF8", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "APPID_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "MCHID_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "APPID_MCHID_NOT_MATCH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "POST_DATA_EMPTY", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "TRADE_ERROR", Class: channel.ClassQueryFirst, Reason: pay.ReasonRisk},
	{Code: "INVALID_REQUEST", Class: channel.ClassQueryFirst, Reason: pay.ReasonRisk},
	{Code: "RULELIMIT", Class: channel.ClassDeclined, Reason: pay.ReasonRisk},
	{Code: "INVALID_REQ_TOO_MUCH", Class: channel.ClassDeclined, Reason: pay.ReasonRisk, Pause: tooMuch},
}

// prepayCodes: refusals of /pay/unifiedorder (upstreams.md §2.6). An order that
// is prepared is never reversed, so none forbids it.
var prepayCodes = channel.Table{
	{Code: "SYSTEMERROR", Class: channel.ClassRetrySame},
	{Code: "ORDERPAID", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate},
	{Code: "OUT_TRADE_NO_USED", Class: channel.ClassQueryFirst, Reason: pay.ReasonDuplicate},
	{Code: "NOTENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "ORDERCLOSED", Class: channel.ClassDeclined, Reason: pay.ReasonOrderDead},
	{Code: "INVALID_REQUEST", Class: channel.ClassDeclined, Reason: pay.ReasonRisk},
	{Code: "NOAUTH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "APPID_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "MCHID_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "APPID_MCHID_NOT_MATCH", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "LACK_PARAMS", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "SIGNERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "XML_FORMAT_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "REQUIRE_POST_METHOD", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "POST_DATA_EMPTY", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "NOT_UTF8", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
}

// queryStates: trade_state of /pay/orderquery (upstreams.md §2.4). PAYERROR is not
// a safe end: customers were charged after it.
var queryStates = channel.Table{
	{Code: "SUCCESS", Class: channel.ClassPaid},
	{Code: "REFUND", Class: channel.ClassPaid},
	{Code: "NOTPAY", Class: channel.ClassWaiting},
	{Code: "USERPAYING", Class: channel.ClassWaiting},
	{Code: "ACCEPT", Class: channel.ClassWaiting},
	{Code: "CLOSED", Class: channel.ClassDeclined},
	{Code: "REVOKED", Class: channel.ClassDeclined},
	{Code: "PAYERROR", Class: channel.ClassReverse},
}

// queryCodes: refusals of /pay/orderquery. ORDERNOTEXIST may mean "not arrived yet".
var queryCodes = channel.Table{
	{Code: "ORDERNOTEXIST", Class: channel.ClassUnknown, Reason: pay.ReasonNotFound},
	{Code: "SYSTEMERROR", Class: channel.ClassRetrySame},
}

// reverseCodes: refusals of /secapi/pay/reverse (upstreams.md §2.5); the full
// official list is not known. ORDERNOTEXIST carries not_found beyond the shared
// list, because row 11 of money.md §3 is decided by it.
var reverseCodes = channel.Table{
	{Code: "SYSTEMERROR", Class: channel.ClassRetrySame},
	{Code: "USERPAYING", Class: channel.ClassRetrySame, Pause: stillPaying},
	{Code: "REVERSE_EXPIRE", Class: channel.ClassRefundInstead},
	{Code: "ORDERNOTEXIST", Class: channel.ClassOperator, Reason: pay.ReasonNotFound},
	{Code: "INVALID_TRANSACTIONID", Class: channel.ClassOperator},
	{Code: "PARAM_ERROR", Class: channel.ClassOperator},
	{Code: "SIGNERROR", Class: channel.ClassOperator},
	{Code: "TRADE_ERROR", Class: channel.ClassOperator},
	{Code: "TRADE_STATE_ERROR", Class: channel.ClassOperator},
	{Code: "INVALID_REQUEST", Class: channel.ClassOperator},
}

// closeCodes: refusals of /pay/closeorder (upstreams.md §2.6).
var closeCodes = channel.Table{
	{Code: "SYSTEMERROR", Class: channel.ClassRetrySame},
	{Code: "ORDERPAID", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ORDERCLOSED", Class: channel.ClassPaid},
	{Code: "ORDERNOTEXIST", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "SIGNERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "REQUIRE_POST_METHOD", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "XML_FORMAT_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
}

// refundCodes: refusals of /secapi/pay/refund (upstreams.md §2.6). Repetitions keep
// the same out_refund_no.
var refundCodes = channel.Table{
	{Code: "SYSTEMERROR", Class: channel.ClassRetrySame},
	{Code: "BIZERR_NEED_RETRY", Class: channel.ClassRetrySame},
	{Code: "FREQUENCY_LIMITED", Class: channel.ClassRetrySame, Pause: tooMuch},
	{Code: "INVALID_REQ_TOO_MUCH", Class: channel.ClassRetrySame, Pause: tooMuch},
	{Code: "TRADE_OVERDUE", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonRisk},
	{Code: "USER_ACCOUNT_ABNORMAL", Class: channel.ClassDeclined, Reason: pay.ReasonCustomer},
	{Code: "NOTENOUGH", Class: channel.ClassDeclined, Reason: pay.ReasonMerchant},
	{Code: "INVALID_TRANSACTIONID", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "ORDERNOTEXIST", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
	{Code: "PARAM_ERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "APPID_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "MCHID_NOT_EXIST", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
	{Code: "SIGNERROR", Class: channel.ClassDeclined, Reason: pay.ReasonConfiguration, Alert: true},
}

// refundStates: refund_status_$n of /pay/refundquery. CHANGE is a refund that the
// bank sent back.
var refundStates = channel.Table{
	{Code: "SUCCESS", Class: channel.ClassPaid},
	{Code: "PROCESSING", Class: channel.ClassWaiting},
	{Code: "REFUNDCLOSE", Class: channel.ClassDeclined, Reason: pay.ReasonState},
	{Code: "CHANGE", Class: channel.ClassOperator},
}

// refundQueryCodes: refusals of /pay/refundquery.
var refundQueryCodes = channel.Table{
	{Code: "SYSTEMERROR", Class: channel.ClassRetrySame},
	{Code: "REFUNDNOTEXIST", Class: channel.ClassDeclined, Reason: pay.ReasonNotFound},
}
