package cpay

import (
	"errors"
	"fmt"
)

// Status says how a call went (protocol.md §4.1). It is not the result of a
// payment: at StatusOK the state of the trade is.
type Status int64

// Every other non-zero status is treated like StatusInternal.
const (
	// StatusOK means processed. Repeating the call is harmless.
	StatusOK Status = 0
	// StatusInternal means that something broke and the outcome is unknown. The
	// answer is not authenticated. Repeat the same call, or query.
	StatusInternal Status = 3
	// StatusBadCall means refused: wrong authen_code, unknown merchant, not
	// readable. The answer is not authenticated. Fix the call.
	StatusBadCall Status = 101
	// StatusNewNumber means refused for this order number. Try a new one.
	StatusNewNumber Status = 102
	// StatusUnknown means that the outcome is not known yet. Query, or repeat the
	// same call after three seconds.
	StatusUnknown Status = 103
	// StatusRefused means refused for a reason to show to the person at the till.
	StatusRefused Status = 104
)

// Internal statuses that mean something; servers are free to choose all others
// (protocol.md §4.2).
const (
	// InternalAuthen comes with 101: the authen_code is wrong.
	InternalAuthen int64 = 7
	// InternalNoOrder: query_order found no such order.
	InternalNoOrder int64 = 400
	// InternalReentry comes with 104 to micro_pay: the order number belongs to a
	// payment with other parameters. That payment must not be reversed.
	InternalReentry int64 = 407
	// InternalNoRefund: query_refund_order found no refund.
	InternalNoRefund int64 = 426
	// InternalDeviceBound: the device record is bound to another serial number.
	InternalDeviceBound int64 = 3214
)

// DescriptionAuthen is the original service's text for InternalAuthen.
const DescriptionAuthen = "参数authen_code错误."

// Description is the text that goes with a status when there is no better one.
func (s Status) Description() string {
	switch s {
	case StatusOK:
		return "操作成功。"
	case StatusBadCall:
		return "请求错误"
	case StatusNewNumber:
		return "请更换单号重试"
	case StatusRefused:
		return "操作失败"
	case StatusInternal, StatusUnknown:
	}
	return "系统繁忙，结果未知，请稍后查询"
}

// Authenticated reports whether answers with this status carry authen_info
// (protocol.md §1.5).
func (s Status) Authenticated() bool {
	switch s {
	case StatusOK, StatusNewNumber, StatusUnknown, StatusRefused:
		return true
	case StatusInternal, StatusBadCall:
	}
	return false
}

// Definite reports whether the status says for certain that the call was not
// carried out.
func (s Status) Definite() bool {
	switch s {
	case StatusBadCall, StatusNewNumber, StatusRefused:
		return true
	case StatusOK, StatusInternal, StatusUnknown:
	}
	return false
}

// Error is an answer with a non-zero status. Every such answer is an error
// (protocol.md R49), but only a definite one says that nothing happened.
type Error struct {
	// Method is the interface that was called.
	Method string
	// Status is never StatusOK.
	Status Status
	// Internal is the internal_status, see the constants Internal….
	Internal int64
	// Description is for the person at the till; it may be empty.
	Description string
	// LogID is the server's number for the call, to ask its operator about.
	LogID uint32
}

// Error returns method, statuses, the server's number for the call and its
// description.
func (e *Error) Error() string {
	return fmt.Sprintf("cpay: %s: status %d/%d, log_id %d: %s", e.Method, e.Status, e.Internal, e.LogID, e.Description)
}

// Definite reports whether the call was certainly not carried out: 101, 102, 104.
func (e *Error) Definite() bool { return e.Status.Definite() }

// Unknown reports whether the outcome is unknown: 3, 103 and every status that
// the protocol does not list. Query before deciding anything.
func (e *Error) Unknown() bool { return !e.Definite() }

// Retryable reports whether the very same call may be repeated. That is so when
// the outcome is unknown, because calls are idempotent by their numbers.
func (e *Error) Retryable() bool { return e.Unknown() }

// NotFound reports whether the order or refund that was asked for does not exist.
func (e *Error) NotFound() bool {
	return e.Definite() && (e.Internal == InternalNoOrder || e.Internal == InternalNoRefund)
}

// Reentry reports whether the order number belongs to another payment (407).
// Never reverse after it: that payment may be paid (protocol.md §4.4).
func (e *Error) Reentry() bool { return e.Definite() && e.Internal == InternalReentry }

// TransportError means that no answer came which could be verified: the
// connection failed, the time was up, the body was not an answer or its
// authen_code was wrong. The call may have been carried out.
type TransportError struct {
	// Method is the interface that was called.
	Method string
	// Domain is where; empty if no domain could be reached at all.
	Domain string
	// Err is the cause.
	Err error
}

// Error returns method, domain and cause.
func (e *TransportError) Error() string {
	if e.Domain == "" {
		return fmt.Sprintf("cpay: %s: %v", e.Method, e.Err)
	}
	return fmt.Sprintf("cpay: %s at %s: %v", e.Method, e.Domain, e.Err)
}

// Unwrap returns the cause, which wraps ErrMalformed or ErrNotAuthentic if there
// was an answer.
func (e *TransportError) Unwrap() error { return e.Err }

// Unknown reports whether err leaves the outcome of a call open. It is true for
// everything except nil, a definite *Error, and a *FieldError from a request
// that was never sent.
func Unknown(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Unknown()
	}
	if _, ok := errors.AsType[*TransportError](err); ok {
		return true
	}
	_, ok := errors.AsType[*FieldError](err)
	return !ok
}
