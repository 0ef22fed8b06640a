package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of notices.
const (
	noticeTimeout = 5 * time.Second // for an answer (upstreams.md §8.6)
	noticeLease   = time.Minute     // until an attempt that never reported back is made again
	noticeBatch   = 100             // sent in one go
	maxNoticeAck  = 8 << 10
	noticeTick    = 2 * time.Second // of ServeNotices
	maxNotices    = 1000            // listed by Notices
)

// noticeWaits are the pauses before each repetition (upstreams.md §2.7, §4.7).
// After the last one the wallet gives up.
var noticeWaits = map[Channel][]time.Duration{
	WeChat: {
		15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute,
		30 * time.Minute, 30 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour,
		6 * time.Hour, 6 * time.Hour,
	},
	Alipay: {4 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour},
}

// noticeByCert marks the fields of a notice that is signed in certificate mode.
// It is not sent.
const noticeByCert = ":by_cert"

// The states of a notice.
const (
	noticeWaiting = "waiting"
	noticeTaken   = "taken"    // the merchant acknowledged it
	noticeGivenUp = "given_up" // after the last repetition
)

// Notice is a message to a merchant's notify_url, as the test author sees it.
type Notice struct {
	Channel    Channel   `json:"channel"`
	OutTradeNo string    `json:"out_trade_no"`
	URL        string    `json:"url"`
	State      string    `json:"state"`
	Tries      int64     `json:"tries"`
	NextAt     time.Time `json:"next_at,omitzero"`
	Answer     string    `json:"answer"` // what the last attempt met
}

// notice is one row of notices, with what is needed to send it.
type notice struct {
	seq, tries                    int64
	channel                       Channel
	provider, url, notifyID, text string
	form, answer                  string
	merchant, outTradeNo          string
	total                         Fen
}

// announce writes down that a payment is to be told of, if the request named a
// place. It is part of the transaction that moved the money.
func (s *Sandbox) announce(ctx context.Context, tx *txn, t *trade, refund *refund) error {
	if t.memo.NotifyURL == "" {
		return nil
	}
	if t.channel == WeChat && t.memo.API == apiV3 {
		return s.announceV3(ctx, tx, t)
	}
	var fields map[string]string
	if t.channel == WeChat {
		fields = map[string]string{"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": t.memo.AppID, "mch_id": t.provider, "sub_appid": t.memo.SubAppID, "sub_mch_id": t.merchant}
		for _, e := range wxPaidFields(t.memo.AppID, t) {
			fields[e.name] = e.value
		}
		if t.memo.SignType == signHMAC {
			fields["sign_type"] = signHMAC
		}
	} else {
		fields = s.aliNotice(tx, t, refund)
	}
	return tx.insertNotice(ctx, t, t.memo.NotifyURL, formPlain, fields)
}

// aliNotice is the parameter set of Alipay's notice about a payment or a refund
// (upstreams.md §4.7). No parameter is ever empty: verifiers disagree on those.
func (s *Sandbox) aliNotice(tx *txn, t *trade, refund *refund) map[string]string {
	fields := map[string]string{
		"notify_type": "trade_status_sync", "app_id": t.provider, "auth_app_id": authAppID(t.merchant), "charset": "utf-8", "version": "1.0",
		"sign_type": "RSA2", "trade_no": t.tradeNo, "out_trade_no": t.outTradeNo, "seller_id": t.merchant,
		"trade_status": aliState(t, tx.now), "total_amount": t.total.Yuan(), "receipt_amount": (t.total - t.uncashed()).Yuan(),
		"buyer_pay_amount": (t.total - t.couponTotal()).Yuan(), "invoice_amount": (t.total - t.couponTotal()).Yuan(), "point_amount": "0.00",
		"subject": t.memo.Subject, "gmt_create": at(t.createdMS).Format(longDay), "gmt_payment": at(t.paidMS).Format(longDay),
		"buyer_id": buyerID(t.customer), "buyer_open_id": buyerOpenID(t.provider, t.customer),
		"buyer_logon_id": logonID(t.customer),
	}
	for _, list := range aliLists(t) {
		// A list is JSON text inside a notice, and its members are spelt differently.
		fields[list.name] = strings.NewReplacer(`\/`, "/", "fund_channel", "fundChannel", "merchant_contribute", "merchantContribute",
			"other_contribute", "otherContribute").Replace(list.raw)
	}
	delete(fields, "discount_goods_detail")
	if t.paidMS == 0 {
		fields = t.unpaidNotice(fields)
	}
	if text := t.memo.Options["passback_params"]; text != "" {
		fields["passback_params"] = text
	}
	if t.memo.ByCert {
		fields[noticeByCert] = "true"
	}
	if refund != nil {
		fields["refund_fee"], fields["gmt_refund"], fields["out_biz_no"] = t.returned.Yuan(), at(tx.nowMS()).Format(longDay), refund.outRefundNo
		if t.fullyRefunded() {
			fields["gmt_close"] = at(tx.nowMS()).Format(longDay)
		}
	}
	return fields
}

// SendNotices sends what is due and returns how many attempts it made. It does
// nothing without Config.Notify. Paying by Answer, Open and the control API
// sends what is due by itself, so a test needs it for repetitions only.
func (s *Sandbox) SendNotices(ctx context.Context) (int, error) {
	if s.c.Notify == nil {
		return 0, nil
	}
	due, err := s.takeNotices(ctx)
	if err != nil {
		return 0, err
	}
	for _, n := range due {
		answer, taken, err := s.sendNotice(ctx, n)
		if errors.Is(err, errHeld) {
			continue
		}
		if err == nil {
			err = s.noticeDone(ctx, n, answer, taken)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// ServeNotices sends notices as they become due until ctx ends or the sandbox
// closes. The bench calls it where nobody else would look.
func (s *Sandbox) ServeNotices(ctx context.Context) {
	for s.wait(ctx, noticeTick) {
		s.clock.moving.Lock()
		_, err := s.SendNotices(ctx)
		s.clock.moving.Unlock()
		if err != nil && !errors.Is(err, errClosed) && ctx.Err() == nil {
			s.c.Log.ErrorContext(ctx, "notices not sent", slog.String("error", err.Error()))
		}
	}
}

// sendSoon sends what a payment just made due. That it could not is no error
// of the payment.
func (s *Sandbox) sendSoon(ctx context.Context) {
	if _, err := s.SendNotices(ctx); err != nil {
		s.c.Log.ErrorContext(ctx, "notices not sent", slog.String("error", err.Error()))
	}
}

// takeNotices claims what is due, so that two senders never make one attempt twice.
func (s *Sandbox) takeNotices(ctx context.Context) ([]notice, error) {
	var due []notice
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.settleRefunds(ctx, tx); err != nil { // one that has ended is told of
			return err
		}
		if err := tx.releaseNotices(ctx); err != nil {
			return err
		}
		err := tx.each(ctx, `SELECT n.seq, n.tries, n.channel, n.provider, n.url, n.notify_id, n.fields, n.form, n.answer, t.merchant, t.out_trade_no, t.total
 FROM notices n JOIN trades t ON t.seq = n.trade WHERE n.state = 'waiting' AND n.due_ms <= ? ORDER BY n.due_ms, n.seq LIMIT ? + 0`,
			[]any{tx.nowMS(), noticeBatch}, func(r *sql.Rows) error {
				var n notice
				err := r.Scan(&n.seq, &n.tries, &n.channel, &n.provider, &n.url, &n.notifyID, &n.text, &n.form, &n.answer, &n.merchant, &n.outTradeNo, &n.total)
				due = append(due, n)
				return err
			})
		if err != nil {
			return err
		}
		for _, n := range due {
			if err := tx.exec(ctx, "UPDATE notices SET due_ms = ? WHERE seq = ?", tx.now.Add(noticeLease).UnixMilli(), n.seq); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// sendNotice makes one attempt, with what befalls it, and says what it met and
// whether the merchant took it.
func (s *Sandbox) sendNotice(ctx context.Context, n notice) (answer string, taken bool, err error) {
	ctx = context.WithValue(ctx, exchangeKey{}, s.beginExchange(kindNotice, n.channel))
	eff, err := s.takeFaults(ctx, call{channel: n.channel, endpoint: EndpointNotify, merchant: n.merchant, outTradeNo: n.outTradeNo, amount: n.total})
	if err != nil {
		return "", false, err
	}
	if eff.hold != "" && n.tries == 0 && n.answer == "" {
		if err := s.holdNotice(ctx, n, eff); err != nil {
			return "", false, err
		}
		return "", false, errHeld
	}
	if eff.drop {
		s.unsent(eff.log, n, "fault: not sent")
		return "fault: not sent", false, nil
	}
	if eff.hang > 0 && !s.wait(ctx, eff.hang) {
		s.unsent(eff.log, n, "fault: held back")
		return "fault: held back", false, nil
	}
	if turn := eff.rotate; turn != nil && n.channel == WeChat {
		if err := s.rotatePlatform(ctx, n.provider, *turn); err != nil {
			return "", false, err
		}
	}
	p, err := s.noticePacket(ctx, n, eff)
	if err != nil {
		return "", false, err
	}
	if eff.signTest && n.form == formV3 {
		if answer, taken = s.postNotice(ctx, n, p.probe()); taken {
			return "fault: a WECHATPAY/SIGNTEST/ probe was taken: " + answer, false, nil
		}
	}
	copies := 1
	if eff.twice {
		copies = 2
	}
	for range copies {
		answer, taken = s.postNotice(ctx, n, p)
	}
	if eff.lose {
		return "fault: the acknowledgement was lost after " + answer, false, nil
	}
	return answer, taken, nil
}

// packet is one attempt of a notice as it goes on the wire.
type packet struct {
	body   []byte
	header map[string]string
}

// noticePacket writes and signs one attempt in the form the notice has.
func (s *Sandbox) noticePacket(ctx context.Context, n notice, eff *effect) (packet, error) {
	switch n.form {
	case formV3:
		if err := s.renewPlatform(ctx, s.wx[n.provider]); err != nil {
			return packet{}, err
		}
		return s.noticeV3(n, eff)
	case formRefundV2:
		return s.noticeRefundV2(n, eff)
	}
	body, contentType, err := s.noticeBody(n, eff)
	return packet{body: body, header: map[string]string{"Content-Type": contentType}}, err
}

// noticeBody writes and signs one attempt: a new time, nonce and signature, the
// same id.
func (s *Sandbox) noticeBody(n notice, eff *effect) (body []byte, contentType string, err error) {
	var fields map[string]string
	if err := json.Unmarshal([]byte(n.text), &fields); err != nil {
		return nil, "", err
	}
	amount := "total_fee"
	if n.channel == Alipay {
		amount = "total_amount"
	}
	if eff.wrongAmount {
		fields[amount] = map[Channel]string{WeChat: (n.total + 1).fenText(), Alipay: (n.total + 1).Yuan()}[n.channel]
	}
	if eff.stranger {
		fields[map[Channel]string{WeChat: "sub_mch_id", Alipay: "seller_id"}[n.channel]] = "2088999999999999"
	}
	tamper := func() {
		if t := eff.tampered; t != nil {
			field, value := t.field, t.value
			if field == "" {
				field, value = amount, "1"
			}
			fields[field] = value
		}
	}
	if n.channel == WeChat {
		fields["nonce_str"] = nonce()
		eff.log.signed(wxSignText(wxFieldsOf(fields), "***"))
		sign := wxSign(wxFieldsOf(fields), s.wx[n.provider].account.APIv2Key, fields["sign_type"])
		sealNotice(fields, sign, eff)
		tamper()
		return wxFieldsOf(fields).encode(), "text/xml", nil
	}
	now := at(s.wireNow().UnixMilli())
	byCert := fields[noticeByCert] != ""
	delete(fields, noticeByCert)
	fields["notify_id"], fields["notify_time"] = n.notifyID, now.Format(longDay)
	signed := map[string]string{}
	for name, value := range fields {
		if name != "sign_type" {
			signed[name] = value
		}
	}
	text := aliSignText(signed)
	eff.log.signed(text)
	sign, err := rsa2Sign(s.ali[n.provider].noticeKey(byCert), []byte(text))
	if err != nil {
		return nil, "", err
	}
	sealNotice(fields, sign, eff)
	tamper()
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	return []byte(form.Encode()), "application/x-www-form-urlencoded; charset=utf-8", nil
}

// sealNotice puts the signature in, or what a fault makes of it.
func sealNotice(fields map[string]string, sign string, eff *effect) {
	if eff.badSign {
		sign = spoil(sign)
	}
	if !eff.unsigned {
		fields["sign"] = sign
	}
}

// wxFieldsOf is a flat document of named values.
func wxFieldsOf(values map[string]string) wxFields {
	var f wxFields
	for name, value := range values {
		f = f.with(name, value)
	}
	return f
}

// unsent logs an attempt that did not leave the wallet.
func (s *Sandbox) unsent(x *exchange, n notice, why string) {
	x.Method, x.URL, x.Cut, x.Verdict = http.MethodPost, n.url, true, Verdict{Result: verdictRefused, Why: why}
	s.endExchange(x)
}

// postNotice sends one copy and logs it.
func (s *Sandbox) postNotice(ctx context.Context, n notice, p packet) (answer string, taken bool) {
	x := s.beginExchange(kindNotice, n.channel)
	if about := exchangeOf(ctx); about != nil {
		x.Endpoint, x.OutTradeNo, x.Faults, x.signs = about.Endpoint, about.OutTradeNo, about.Faults, about.signs
	}
	x.Method, x.URL, x.Cut = http.MethodPost, n.url, true
	answer, taken = s.exchangeNotice(ctx, n, p, x)
	x.Verdict = Verdict{Result: verdictRefused, Why: answer}
	if taken {
		x.Verdict = Verdict{Result: verdictTaken}
	}
	s.endExchange(x)
	return answer, taken
}

// exchangeNotice is the round trip of postNotice. Redirects are not followed.
func (s *Sandbox) exchangeNotice(ctx context.Context, n notice, p packet, x *exchange) (answer string, taken bool) {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, strings.NewReader(string(p.body)))
	if err != nil {
		return err.Error(), false
	}
	for name, value := range p.header {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", "Mozilla/4.0")
	x.Request.Header = headerLines(req.Header)
	_, _ = x.in.Write(p.body)
	res, err := s.c.Notify.RoundTrip(req)
	if err != nil {
		return cut(err.Error()), false
	}
	defer func() { _ = res.Body.Close() }()
	x.Status, x.Answer.Header = res.StatusCode, headerLines(res.Header)
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxNoticeAck))
	_, _ = x.out.Write(raw)
	if err != nil {
		return cut(err.Error()), false
	}
	x.Cut = false
	if n.form == formV3 { // the status decides, not the body (upstreams.md §3.7)
		return cut(res.Status + " " + string(raw)), res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNoContent
	}
	if res.StatusCode != http.StatusOK {
		return res.Status, false
	}
	if n.channel == Alipay {
		return cut(string(raw)), string(raw) == "success"
	}
	ack, err := parseWx(raw)
	return cut(string(raw)), err == nil && ack.get("return_code") == "SUCCESS"
}

// cut bounds what is kept of an answer.
func cut(text string) string {
	if len(text) > maxParamBytes {
		return strings.ToValidUTF8(text[:maxParamBytes], "")
	}
	return text
}

// noticeDone writes down what an attempt met and when the next one is due.
func (s *Sandbox) noticeDone(ctx context.Context, n notice, answer string, taken bool) error {
	return s.run(ctx, func(ctx context.Context, tx *txn) error {
		state, due := noticeTaken, int64(0)
		if waits := noticeWaits[n.channel]; !taken && n.tries < int64(len(waits)) {
			state, due = noticeWaiting, tx.now.Add(waits[n.tries]).UnixMilli()
		} else if !taken {
			state = noticeGivenUp
		}
		return tx.exec(ctx, "UPDATE notices SET tries = ?, state = ?, due_ms = ?, answer = ? WHERE seq = ?", n.tries+1, state, due, answer, n.seq)
	})
}

// Notices lists the notices about an order number, or the newest thousand, newest first.
func (s *Sandbox) Notices(ctx context.Context, outTradeNo string) ([]Notice, error) {
	list := []Notice{}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		return tx.each(ctx, `SELECT n.channel, t.out_trade_no, n.url, n.state, n.tries, n.due_ms, n.answer
 FROM notices n JOIN trades t ON t.seq = n.trade WHERE ? = '' OR t.out_trade_no = ? ORDER BY n.seq DESC LIMIT ?`,
			[]any{outTradeNo, outTradeNo, maxNotices}, func(r *sql.Rows) error {
				var n Notice
				var due int64
				if err := r.Scan(&n.Channel, &n.OutTradeNo, &n.URL, &n.State, &n.Tries, &due, &n.Answer); err != nil {
					return err
				}
				if due > 0 {
					n.NextAt = time.UnixMilli(due).UTC()
				}
				list = append(list, n)
				return nil
			})
	})
	return list, err
}
