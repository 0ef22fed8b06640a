package wire

import (
	"encoding/json"
	"strings"

	"cloudpay/cpay"
)

// Extra is what a caller sent with an order or refund and only wants to see
// again. It is kept as JSON in pay.Order.Extra and pay.Refund.Extra; an empty
// Extra is kept as "".
type Extra struct { //nolint:recvcheck // Encode cleans a copy, SetNotifyOpenIDs fills the value in
	Detail             string           `json:"detail,omitempty"`
	Remark             string           `json:"remark,omitempty"`
	ClientFlowID       string           `json:"client_flow_id,omitempty"`
	Attach             string           `json:"attach,omitempty"`
	GoodsTag           string           `json:"goods_tag,omitempty"`
	LimitPay           string           `json:"limit_pay,omitempty"`
	SubMchPayInfo      string           `json:"sub_mch_pay_info,omitempty"`
	Discountable       int64            `json:"discountable_amount,omitempty"`
	Undiscountable     int64            `json:"undiscountable_amount,omitempty"`
	DisablePayChannels string           `json:"disable_pay_channels,omitempty"`
	ProductID          string           `json:"product_id,omitempty"`
	ProductCode        string           `json:"product_code,omitempty"`
	ExtendParams       string           `json:"extend_params,omitempty"`
	SceneInfo          string           `json:"scene_info,omitempty"`
	NotifyOpenIDs      string           `json:"notify_open_ids,omitempty"` // SetNotifyOpenIDs
	RefundFlowID       string           `json:"client_refund_flow_id,omitempty"`
	Client             cpay.OrderClient `json:"order_client,omitzero"`
}

// maxOpenIDs bounds the members of staff who are notified of one order.
const maxOpenIDs = 20

// SetNotifyOpenIDs keeps at most 20 openids of staff who are to be notified.
func (e *Extra) SetNotifyOpenIDs(ids []string) {
	e.NotifyOpenIDs = strings.Join(ids[:min(len(ids), maxOpenIDs)], " ")
}

// openIDs is the inverse of SetNotifyOpenIDs, nil for none.
func (e Extra) openIDs() []string {
	if e.NotifyOpenIDs == "" {
		return nil
	}
	return strings.Split(e.NotifyOpenIDs, " ")
}

// Encode returns the JSON of e, "" when there is nothing in it. What no client
// could read back is dropped: numbers beyond 32 bits (protocol.md R24) and a
// detail that is not the JSON text of one (R29).
func (e Extra) Encode() string {
	for _, n := range [...]*int64{&e.Discountable, &e.Undiscountable, &e.Client.TerminalType, &e.Client.SubTerminalType} {
		if *n < 0 || *n > cpay.MaxFee {
			*n = 0
		}
	}
	if e.Detail != "" && cpay.Decode([]byte(e.Detail), new(cpay.Detail)) != nil {
		e.Detail = ""
	}
	if e == (Extra{}) {
		return ""
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic("wire: strings and numbers do not encode: " + err.Error())
	}
	return string(raw)
}

// maxAuthen bounds what is kept of a request's authen_info (pay.Order.Authen).
const maxAuthen = 1 << 10

// KeepAuthen returns how a request was authenticated, as it is kept with the
// order or refund: "" for nothing, and for what is too long to be a signature
// of ours.
func KeepAuthen(info cpay.AuthenInfo) string {
	raw := cpay.Encode(&info)
	if info == (cpay.AuthenInfo{}) || len(raw) > maxAuthen {
		return ""
	}
	return string(raw)
}

// Authen reads what KeepAuthen kept, nil for nothing (client_order_detail).
func Authen(kept string) *cpay.AuthenInfo {
	var info cpay.AuthenInfo
	if kept == "" || cpay.Decode([]byte(kept), &info) != nil {
		return nil
	}
	return &info
}

// decodeExtra reads what Encode wrote. A row that holds anything else shows
// nothing rather than failing an answer about money.
func decodeExtra(s string) Extra {
	var e Extra
	if s == "" || json.Unmarshal([]byte(s), &e) != nil {
		return Extra{}
	}
	return e
}
