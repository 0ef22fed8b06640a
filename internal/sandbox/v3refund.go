package sandbox

import (
	"context"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // WeChat's OAEP is over SHA-1, whatever one thinks of it
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// fundsAvailable is the one source of a refund that a merchant can name.
const fundsAvailable = "AVAILABLE"

// refundNote is what a refund call said beside the money.
type refundNote struct {
	API       string `json:"api,omitempty"` // v3, or v2 if empty
	NotifyURL string `json:"notify_url,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Context   string `json:"context,omitempty"` // what a repetition by APIv3 must equal
}

// noteRefund keeps what the call that made a refund said beside the money. If
// the refund has ended already, it is told of now.
func (s *Sandbox) noteRefund(ctx context.Context, tx *txn, t *trade, r *refund, note refundNote) error {
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	if err := tx.exec(ctx, "UPDATE refunds SET memo = ? WHERE seq = ?", string(text), r.seq); err != nil {
		return err
	}
	return s.announceRefund(ctx, tx, t, r)
}

// refundNote reads the note of a refund.
func (t *txn) refundNote(ctx context.Context, seq int64) (refundNote, error) {
	var note refundNote
	var text string
	if _, err := t.row(ctx, "SELECT memo FROM refunds WHERE seq = ?", []any{seq}, []any{&text}); err != nil {
		return note, err
	}
	return note, json.Unmarshal([]byte(text), &note)
}

// v3RefundOps are the calls about refunds.
var v3RefundOps = []v3Op{
	{
		method: http.MethodPost, path: "/v3/refund/domestic/refunds", endpoint: EndpointRefund, probed: true, run: (*Sandbox).v3Refund,
		rules: []v3Rule{
			need("sub_mchid", maxWxNumber),
			may("transaction_id", maxWxNumber),
			may("out_trade_no", maxWxNumber),
			{field: "out_refund_no", need: true, most: maxWxRefundNo, valid: func(no string) bool { return validWxNumber(no, maxWxRefundNo) }},
			may("reason", 80),
			{field: "notify_url", most: maxNotifyURL, valid: validNotifyURL},
			{field: "funds_account", most: 32, valid: func(v string) bool { return v == fundsAvailable || v == "UNSETTLED" }},
			{field: "amount", kind: v3Object, need: true},
			{field: "amount.refund", kind: v3Amount, need: true},
			{field: "amount.total", kind: v3Amount, need: true},
			{field: "amount.currency", need: true, most: 16, valid: func(v string) bool { return v == "CNY" }},
		},
	},
	{
		method: http.MethodGet, path: "/v3/refund/domestic/refunds/{out_refund_no}", endpoint: EndpointRefundQuery, probed: true,
		run: (*Sandbox).v3RefundQuery, rules: []v3Rule{need("sub_mchid", maxWxNumber)},
	},
	{
		method: http.MethodPost, path: "/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund", endpoint: EndpointAbnormal, probed: true,
		run: (*Sandbox).v3Abnormal,
		rules: []v3Rule{
			need("sub_mchid", maxWxNumber), need("out_refund_no", maxWxRefundNo),
			{field: "type", need: true, most: 32, valid: func(v string) bool { return v == "USER_BANK_CARD" || v == "MERCHANT_BANK_CARD" }},
			may("bank_type", 16), may("bank_account", 1024), may("real_name", 1024),
		},
	},
}

// v3Refund accepts a refund (upstreams.md §3.6): 200 says PROCESSING, and only
// the query or the notice says how it ended. The same out_refund_no with the
// same parameters is the same refund, however often it is asked for.
func (s *Sandbox) v3Refund(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	f := r.fields
	if f.text("transaction_id") == "" && f.text("out_trade_no") == "" {
		return v3Field("transaction_id", nil, "transaction_id和out_trade_no至少填一个"), nil
	}
	t, err := s.findTrade(ctx, tx, WeChat, r.merchant.SubMchID, f.text("transaction_id"), f.text("out_trade_no"))
	if err != nil {
		return v3Answer{}, err
	}
	total, _ := f.fen("amount.total")
	amount, _ := f.fen("amount.refund")
	switch {
	case t == nil:
		return v3Refuse("RESOURCE_NOT_EXISTS", "订单不存在"), nil
	case t.total != total && t.total > 0: // a tombstone has no amount
		return v3Refuse("REFUND_FEE_MISMATCH", "订单金额与支付时不一致"), nil
	}
	account := ""
	if f.text("funds_account") == fundsAvailable {
		account = refundRecharge
	}
	ref, result, err := s.refundTrade(ctx, tx, t, f.text("out_refund_no"), amount, account, r.eff)
	if err != nil {
		return v3Answer{}, err
	}
	note := refundNote{API: apiV3, NotifyURL: f.text("notify_url"), Reason: f.text("reason"), Context: f.context()}
	if result == refundRepeated {
		first, err := tx.refundNote(ctx, ref.seq)
		if err != nil {
			return v3Answer{}, err
		}
		if first.Context != "" && first.Context != note.Context {
			result = refundDiffers
		}
	}
	if result == refundAccepted {
		if err := s.noteRefund(ctx, tx, t, ref, note); err != nil {
			return v3Answer{}, err
		}
	}
	return v3RefundAnswer(t, ref, result), nil
}

// v3RefundAnswer puts what became of a refund call into APIv3's words.
func v3RefundAnswer(t *trade, ref *refund, result refundResult) v3Answer {
	switch result {
	case refundAccepted, refundRepeated:
		return v3Answer{body: refundV3(t, ref, v3RefundState(ref.state))}
	case refundDiffers:
		return v3Refuse("INVALID_REQUEST", "退款单号已用于另一笔退款，参数与首次不一致")
	case refundTooMuch:
		return v3Refuse("INVALID_REQUEST", "累计退款金额大于支付金额")
	case refundNotPaid:
		return v3Refuse("INVALID_REQUEST", "订单未支付，不能退款")
	case refundEnded:
		return v3Refuse("INVALID_REQUEST", "订单已全额退款或已撤销")
	case refundShort:
		return v3Refuse("NOT_ENOUGH", "基本账户余额不足，请充值后重新发起")
	case refundTooLate:
		return v3Refuse("TRADE_OVERDUE", "订单已超过可退款的最大期限")
	case refundTooMany:
		return v3Refuse("INVALID_REQUEST", "部分退款次数超过50次")
	case refundTooSoon:
		return v3Refuse("FREQUENCY_LIMITED", "同一订单两次退款间隔不足1分钟")
	}
	panic("sandbox: unknown result of a refund " + strconv.Itoa(int(result)))
}

// v3RefundQuery tells the state of a refund, by the merchant's number of it.
func (s *Sandbox) v3RefundQuery(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	t, ref, err := s.v3RefundNamed(ctx, tx, r, "WHERE unique_key = ?",
		refundKey(&trade{channel: WeChat, merchant: r.merchant.SubMchID}, r.path["out_refund_no"]))
	if err != nil {
		return v3Answer{}, err
	}
	if ref == nil {
		return v3Refuse("RESOURCE_NOT_EXISTS", "退款单不存在"), nil
	}
	state := v3RefundState(ref.state)
	if r.eff.state != "" {
		state = r.eff.state
	}
	return v3Answer{body: refundV3(t, ref, state)}, nil
}

// v3RefundNamed finds one refund of the calling shop, brought up to the
// present, and its order. Both are nil when there is none.
func (s *Sandbox) v3RefundNamed(ctx context.Context, tx *txn, r *v3Request, where, number string) (*trade, *refund, error) {
	list, err := tx.refunds(ctx, where, number)
	if err != nil || len(list) == 0 {
		return nil, nil, err
	}
	owner, err := tx.trades(ctx, "WHERE seq = ? AND channel = ? AND merchant = ?", list[0].trade, WeChat, r.merchant.SubMchID)
	if err != nil || len(owner) == 0 {
		return nil, nil, err
	}
	all, err := s.refundsOf(ctx, tx, owner[0])
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(all, func(other *refund) bool { return other.seq == list[0].seq })
	return owner[0], all[i], nil
}

// v3Abnormal sends a refund that its bank refused to another account: it is in
// progress again and succeeds after RefundDelay. The money reaches the customer
// whichever type is asked for, as the sandbox has no bank accounts.
func (s *Sandbox) v3Abnormal(ctx context.Context, tx *txn, r *v3Request) (v3Answer, error) {
	f := r.fields
	for _, name := range []string{"bank_account", "real_name"} {
		if text := f.text(name); text != "" && !s.opensSecret(r, text, tx) {
			return v3Field(name, text, "敏感信息解密失败，请用Wechatpay-Serial对应的公钥加密"), nil
		}
	}
	if f.text("type") == "USER_BANK_CARD" && (f.text("bank_type") == "" || f.text("bank_account") == "" || f.text("real_name") == "") {
		return v3Field("bank_account", f.at("bank_account"), "退至用户银行卡时bank_type、bank_account和real_name必填"), nil
	}
	t, ref, err := s.v3RefundNamed(ctx, tx, r, "WHERE refund_id = ?", r.path["refund_id"])
	switch {
	case err != nil:
		return v3Answer{}, err
	case ref == nil:
		return v3Refuse("RESOURCE_NOT_EXISTS", "退款单不存在"), nil
	case ref.outRefundNo != f.text("out_refund_no"):
		return v3Field("out_refund_no", f.text("out_refund_no"), "与refund_id不是同一笔退款"), nil
	case ref.state != refundAbnormal:
		return v3Refuse("INVALID_REQUEST", "只有异常状态的退款才能发起异常退款"), nil
	}
	ref.state, ref.fate, ref.dueMS, ref.doneMS = refundProcessing, refundSuccess, tx.now.Add(s.c.RefundDelay).UnixMilli(), 0
	err = tx.exec(ctx, "UPDATE refunds SET state = ?, fate = ?, due_ms = ?, done_ms = 0 WHERE seq = ?", ref.state, ref.fate, ref.dueMS, ref.seq)
	return v3Answer{body: refundV3(t, ref, v3RefundState(ref.state))}, err
}

// opensSecret reports whether a member was encrypted for the key that the
// request's Wechatpay-Serial names (upstreams.md §3.1).
func (s *Sandbox) opensSecret(r *v3Request, text string, tx *txn) bool {
	key := r.provider.keys.opening(r.provider.account.PublicKeyID, r.serial, tx.now)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || key == nil {
		return false
	}
	_, err = rsa.DecryptOAEP(sha1.New(), nil, key, raw, nil) //nolint:gosec // see the import
	return err == nil
}
