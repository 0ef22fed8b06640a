package sandbox

import (
	"context"
	"crypto/aes"
	"crypto/md5" //nolint:gosec // WeChat v2's key of refund notices is an MD5, whatever one thinks of it
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// The forms of a WeChat notice. The plain one is v2's of a payment.
const (
	formPlain    = ""
	formV3       = "v3"
	formRefundV2 = "v2-refund" // XML with an encrypted req_info
)

// The events of APIv3 (upstreams.md §3.7).
const (
	eventPaid     = "TRANSACTION.SUCCESS"
	eventRefunded = "REFUND.SUCCESS"
	eventAbnormal = "REFUND.ABNORMAL"
	eventClosed   = "REFUND.CLOSED"
)

// v3Event is a notice of APIv3 as it is kept: everything but what is made anew
// for each attempt.
type v3Event struct {
	Created  string `json:"created"` // create_time
	Event    string `json:"event"`
	Summary  string `json:"summary"`
	Original string `json:"original"` // original_type, and associated_data
	Plain    string `json:"plain"`    // what is encrypted
}

// v3Told is a refund as its notice tells it: refund_status, where answers say
// status.
type v3Told struct {
	SpMchID       string     `json:"sp_mchid"`
	SubMchID      string     `json:"sub_mchid"`
	TransactionID string     `json:"transaction_id"`
	OutTradeNo    string     `json:"out_trade_no"`
	RefundID      string     `json:"refund_id"`
	OutRefundNo   string     `json:"out_refund_no"`
	RefundStatus  string     `json:"refund_status"`
	SuccessTime   string     `json:"success_time,omitempty"`
	Received      string     `json:"user_received_account"`
	Amount        v3ToldPart `json:"amount"`
}

// v3ToldPart are the amounts of a refund notice.
type v3ToldPart struct {
	Total       Fen `json:"total"`
	Refund      Fen `json:"refund"`
	PayerTotal  Fen `json:"payer_total"`
	PayerRefund Fen `json:"payer_refund"`
}

// announceV3 writes down that the payment of an APIv3 order is to be told of.
func (s *Sandbox) announceV3(ctx context.Context, tx *txn, t *trade) error {
	order := orderV3(s.wx[t.provider].account, t, "SUCCESS", true)
	return tx.insertNotice(ctx, t, t.memo.NotifyURL, formV3, v3Event{
		Created: rfc3339(tx.nowMS()), Event: eventPaid, Summary: "支付成功", Original: "transaction", Plain: string(encodeV3(order)),
	})
}

// announceRefund writes down that a WeChat refund that has just ended is to be
// told of: at its own notify_url in the form of the interface it came by. A
// refund by APIv3 without one is told of in v2's form, as upstream tells it at
// the console's URL (upstreams.md §3.6); the order's stands for that here.
func (s *Sandbox) announceRefund(ctx context.Context, tx *txn, t *trade, r *refund) error {
	if r.state == refundProcessing {
		return nil
	}
	note, err := tx.refundNote(ctx, r.seq)
	switch {
	case err != nil:
		return err
	case note.API == apiV3 && note.NotifyURL != "":
		return s.announceRefundV3(ctx, tx, t, r, note.NotifyURL)
	case note.NotifyURL != "":
		return s.announceRefundV2(ctx, tx, t, r, note.NotifyURL)
	case note.API == apiV3 && t.memo.NotifyURL != "":
		return s.announceRefundV2(ctx, tx, t, r, t.memo.NotifyURL)
	}
	return nil
}

// announceRefundV3 writes down the notice of a refund in APIv3's form.
func (s *Sandbox) announceRefundV3(ctx context.Context, tx *txn, t *trade, r *refund, url string) error {
	back := t.backOf(r, t.couponTotal())
	told := v3Told{
		SpMchID: t.provider, SubMchID: t.merchant, TransactionID: t.tradeNo, OutTradeNo: t.outTradeNo, RefundID: r.refundID,
		OutRefundNo: r.outRefundNo, RefundStatus: v3RefundState(r.state), Received: received,
		Amount: v3ToldPart{Total: t.total, Refund: r.amount, PayerTotal: t.total - t.couponTotal(), PayerRefund: r.amount - back},
	}
	event := v3Event{Created: rfc3339(tx.nowMS()), Original: "refund"}
	switch r.state {
	case refundSuccess:
		event.Event, event.Summary, told.SuccessTime = eventRefunded, "退款成功", rfc3339(r.doneMS)
	case refundAbnormal:
		event.Event, event.Summary = eventAbnormal, "退款异常"
	case refundClosed:
		event.Event, event.Summary = eventClosed, "退款关闭"
	case refundProcessing:
		return nil
	}
	event.Plain = string(encodeV3(told))
	return tx.insertNotice(ctx, t, url, formV3, event)
}

// announceRefundV2 writes down the notice of a refund in v2's form (upstreams.md
// §2.7): the members of req_info and of what is around it.
func (s *Sandbox) announceRefundV2(ctx context.Context, tx *txn, t *trade, r *refund, url string) error {
	inner := map[string]string{
		"transaction_id": t.tradeNo, "out_trade_no": t.outTradeNo, "refund_id": r.refundID, "out_refund_no": r.outRefundNo,
		"total_fee": t.total.fenText(), "settlement_total_fee": (t.total - t.uncashed()).fenText(), "refund_fee": r.amount.fenText(),
		"settlement_refund_fee": (r.amount - t.backOf(r, t.uncashed())).fenText(), "refund_status": wxRefundState(r.state),
		"refund_recv_accout": received, "refund_account": refundUnsettled, "refund_request_source": "API",
	}
	if r.account != "" {
		inner["refund_account"] = r.account
	}
	if r.state == refundSuccess {
		inner["success_time"] = at(r.doneMS).Format(longDay)
	}
	return tx.insertNotice(ctx, t, url, formRefundV2, map[string]map[string]string{
		"outer": {"return_code": "SUCCESS", "appid": s.wx[t.provider].account.AppID, "mch_id": t.provider, "sub_appid": t.memo.SubAppID, "sub_mch_id": t.merchant},
		"inner": inner,
	})
}

// insertNotice writes a notice down, due at once.
func (t *txn) insertNotice(ctx context.Context, tr *trade, url, form string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	seq, err := t.next(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM notices")
	if err != nil {
		return err
	}
	id := randomHex(17)
	if form == formV3 {
		id = newUUID()
	}
	return t.exec(ctx, `INSERT INTO notices (seq, trade, channel, provider, url, notify_id, fields, made_ms, due_ms, tries, state, answer, form)
 VALUES (?,?,?,?,?,?,?,?,?,0,'waiting','',?)`,
		seq, tr.seq, tr.channel, tr.provider, url, id, string(text), t.nowMS(), t.nowMS(), form)
}

// newUUID is a random identifier in the form of APIv3's notices.
func newUUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: the runtime ends the process instead
	b[6], b[8] = 0x40|b[6]&0x0f, 0x80|b[8]&0x3f
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// v3Resource is the encrypted content of a notice.
type v3Resource struct {
	OriginalType   string `json:"original_type"`
	Algorithm      string `json:"algorithm"`
	Ciphertext     string `json:"ciphertext"`
	AssociatedData string `json:"associated_data"`
	Nonce          string `json:"nonce"`
}

// v3Notice is a notice on the wire.
type v3Notice struct {
	ID           string      `json:"id"`
	CreateTime   string      `json:"create_time"`
	ResourceType string      `json:"resource_type"`
	EventType    string      `json:"event_type"`
	Summary      string      `json:"summary"`
	Resource     *v3Resource `json:"resource,omitempty"`
}

// noticeV3 encrypts and signs one attempt: the id stays, everything that is
// drawn is drawn anew (upstreams.md §3.7). What a fault wants told is told
// under a good signature, unless it is the signature that it spoils.
func (s *Sandbox) noticeV3(n notice, eff *effect) (packet, error) {
	var event v3Event
	if err := json.Unmarshal([]byte(n.text), &event); err != nil {
		return packet{}, err
	}
	account, keys := s.wx[n.provider].account, s.wx[n.provider].keys
	plain := []byte(event.Plain)
	if eff.wrongAmount {
		plain = tamperV3(plain, tampering{field: "amount.total", value: (n.total + 1).fenText()}, "")
	}
	if eff.stranger {
		plain = tamperV3(plain, tampering{field: "sub_mchid", value: "1999999999"}, "")
	}
	word := nonce()[:gcmNonce]
	sealed, err := sealGCM(account.APIv3Key, word, event.Original, plain)
	if err != nil {
		return packet{}, err
	}
	if eff.badNonce {
		word = word[:5]
	}
	out := v3Notice{
		ID: n.notifyID, CreateTime: event.Created, ResourceType: "encrypt-resource", EventType: event.Event, Summary: event.Summary,
		Resource: &v3Resource{OriginalType: event.Original, Algorithm: gcmName, Ciphertext: sealed, AssociatedData: event.Original, Nonce: word},
	}
	if eff.noResource {
		out.Resource = nil
	}
	p := packet{body: encodeV3(out), header: map[string]string{
		"Accept": "*/*", "Cache-Control": "no-cache", "Pragma": "no-cache", "Content-Type": "application/json", "Request-Id": "08" + randomHex(16),
	}}
	key := keys.telling(account.PublicKeyID, n.notifyID, eff, s.c.Now())
	if eff.foreignKey {
		if key.key, err = foreignKey(); err != nil {
			return packet{}, err
		}
	}
	if !eff.unsigned {
		if err := s.signV3(p.header, key, p.body, eff); err != nil {
			return packet{}, err
		}
	}
	if t := eff.tampered; t != nil {
		if t.field == "" {
			t = &tampering{field: "summary", value: "沙箱"}
		}
		p.body = tamperV3(p.body, *t, "")
	}
	return p, nil
}

// probe turns a notice into one of WeChat's probes: everything as in a true
// one, but signed with what is no signature. A receiver must refuse it.
func (p packet) probe() packet {
	header := maps.Clone(p.header)
	header["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + header["Wechatpay-Signature"]
	return packet{body: p.body, header: header}
}

// noticeRefundV2 encrypts one attempt of v2's notice about a refund. It has no
// signature.
func (s *Sandbox) noticeRefundV2(n notice, eff *effect) (packet, error) {
	var content map[string]map[string]string
	if err := json.Unmarshal([]byte(n.text), &content); err != nil {
		return packet{}, err
	}
	outer, inner := content["outer"], content["inner"]
	if eff.wrongAmount {
		inner["total_fee"] = (n.total + 1).fenText()
	}
	if eff.stranger {
		outer["sub_mch_id"] = "1999999999"
	}
	body := wxFieldsOf(inner).encode()
	root := strings.Replace(strings.TrimSuffix(string(body), "</xml>"), "<xml>", "<root>", 1) + "</root>"
	sealed, err := sealECB(s.wx[n.provider].account.APIv2Key, []byte(root))
	if err != nil {
		return packet{}, err
	}
	if eff.badSign { // there is none; what integrity it has is in its encryption
		sealed = spoil(sealed)
	}
	outer["nonce_str"], outer["req_info"] = nonce(), sealed
	return packet{body: wxFieldsOf(outer).encode(), header: map[string]string{"Content-Type": "text/xml"}}, nil
}

// sealECB encrypts req_info: AES-256-ECB with PKCS#7 under the lower-case
// hexadecimal MD5 of the API key.
func sealECB(apiKey string, plain []byte) (string, error) {
	sum := md5.Sum([]byte(apiKey)) //nolint:gosec // see the import
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		return "", fmt.Errorf("encrypt req_info: %w", err)
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	for range pad {
		plain = append(plain, byte(pad))
	}
	for i := 0; i < len(plain); i += aes.BlockSize {
		block.Encrypt(plain[i:i+aes.BlockSize], plain[i:i+aes.BlockSize])
	}
	return base64.StdEncoding.EncodeToString(plain), nil
}
