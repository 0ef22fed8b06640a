package sandbox

import (
	"context"
	"crypto/hmac"
	"fmt"
	"slices"
	"strings"
)

// Invocation is what makes a wallet's app on the customer's phone open an order
// that was prepared. Exactly one member is set.
type Invocation struct {
	// CodeURL is what a QR code holds, of either wallet: code_url or qr_code.
	CodeURL string `json:"code_url,omitempty"`
	// MwebURL is the page of WeChat's H5 payment, or the signed address of
	// Alipay's wap.pay or page.pay.
	MwebURL string `json:"mweb_url,omitempty"`
	// OrderString is what Alipay's app.pay hands to a mobile application.
	OrderString string `json:"order_string,omitempty"`
	// TradeNo is what Alipay's tradePay is called with.
	TradeNo string `json:"trade_no,omitempty"`
	// JSAPI are the parameters of WeChat's getBrandWCPayRequest and
	// wx.requestPayment, where appId is the mini program's own.
	JSAPI *JSAPIArgs `json:"jsapi,omitempty"`
	// App are the parameters of WeChat's request in a mobile application.
	App *AppArgs `json:"app,omitempty"`
}

// JSAPIArgs are the parameters of an official account's page or a mini program,
// under the names WeChat gives them. paySign is over all the others.
type JSAPIArgs struct {
	AppID     string `json:"appId"`     //nolint:tagliatelle // WeChat's name
	TimeStamp string `json:"timeStamp"` //nolint:tagliatelle // WeChat's name
	NonceStr  string `json:"nonceStr"`  //nolint:tagliatelle // WeChat's name
	Package   string `json:"package"`   // "prepay_id=…"
	SignType  string `json:"signType"`  //nolint:tagliatelle // WeChat's name
	PaySign   string `json:"paySign"`   //nolint:tagliatelle // WeChat's name
}

// AppArgs are the parameters of a mobile application, under the names WeChat
// gives them. sign is over all the others.
type AppArgs struct {
	AppID     string `json:"appid"`
	PartnerID string `json:"partnerid"`
	PrepayID  string `json:"prepayid"`
	Package   string `json:"package"` // "Sign=WXPay"
	NonceStr  string `json:"noncestr"`
	Timestamp string `json:"timestamp"`
	Sign      string `json:"sign"`
}

// Identity is a customer under the names the wallets give them.
type Identity struct {
	Customer    string `json:"customer"`
	AppID       string `json:"app_id"`
	OpenID      string `json:"open_id"`       // WeChat, under AppID
	BuyerID     string `json:"buyer_id"`      // Alipay
	BuyerOpenID string `json:"buyer_open_id"` // Alipay, under AppID
}

// Identify tells who a customer is towards an application, as a sign-in inside
// a wallet's app would. An unknown customer is made.
func (s *Sandbox) Identify(ctx context.Context, customer, appID string) (Identity, error) {
	var out Identity
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		id, err := s.ensureCustomer(ctx, tx, customer)
		out = Identity{
			Customer: id, AppID: appID, OpenID: openID(appID, id), BuyerID: buyerID(id), BuyerOpenID: buyerOpenID(appID, id),
		}
		return err
	})
	if err != nil {
		return Identity{}, fmt.Errorf("identify customer: %w", err)
	}
	return out, nil
}

// Open lets a customer open a prepared order: the phone checks what it was
// handed as the wallet's app does, signature and payer included, and shows the
// password dialogue. Answer then pays or cancels it; left alone, the dialogue
// closes and the order can be opened again until it expires. The errors wrap
// ErrNotFound (no such order), ErrInvalid (parameters that do not verify, a
// link that has run out, another customer's order) or ErrConflict (the order is
// paid or closed).
func (s *Sandbox) Open(ctx context.Context, customer string, in Invocation) (WaitingTrade, error) {
	var out WaitingTrade
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		id, err := s.ensureCustomer(ctx, tx, customer)
		if err != nil {
			return err
		}
		t, err := s.invoked(ctx, tx, id, in)
		if err != nil {
			return err
		}
		if t.state == tradePaid {
			return fmt.Errorf("order %s: %w: it is paid", t.outTradeNo, ErrConflict)
		}
		if !t.open() {
			return fmt.Errorf("order %s: %w: it is closed", t.outTradeNo, ErrConflict)
		}
		t.customer, t.state, t.dialogMS = id, tradeWaiting, tx.now.Add(s.c.DialogTimeout).UnixMilli()
		out = t.waiting()
		return tx.saveTrade(ctx, t)
	})
	if err != nil {
		return WaitingTrade{}, fmt.Errorf("open order: %w", err)
	}
	return out, nil
}

// PayPrepared opens an order and approves it at once.
func (s *Sandbox) PayPrepared(ctx context.Context, customer string, in Invocation) (Trade, error) {
	w, err := s.Open(ctx, customer, in)
	if err != nil {
		return Trade{}, err
	}
	return s.answerOne(ctx, customer, ActionApprove, w.OutTradeNo)
}

// invoked finds the order an invocation opens, after everything about it was
// verified.
func (s *Sandbox) invoked(ctx context.Context, tx *txn, customer string, in Invocation) (*trade, error) {
	p, err := s.preparedBy(ctx, tx, in)
	if err != nil {
		return nil, err
	}
	if p.deadMS > 0 || tx.nowMS() >= p.linkMS {
		return nil, fmt.Errorf("%w: what opens the order has run out", ErrInvalid)
	}
	if m := p.memo; m.Payer != "" && m.Payer != openID(m.PayerApp, customer) && m.Payer != buyerID(customer) &&
		m.Payer != buyerOpenID(m.PayerApp, customer) {
		return nil, fmt.Errorf("%w: the order was prepared for another customer", ErrInvalid)
	}
	t, err := s.findTrade(ctx, tx, p.channel, p.merchant, "", p.outTradeNo)
	if err != nil || t != nil {
		return t, err
	}
	return s.newTrade(ctx, tx, p.payment(tx.now)) // an Alipay QR code is scanned for the first time
}

// door is one way to open an order: where its handle is looked up, and which
// orders of each wallet open that way.
type door struct {
	value, where string
	kinds        []string
}

// doors are the members of an invocation that are set.
func (in Invocation) doors() []door {
	const byLink, byNumber = "WHERE link = ?", "WHERE handle = ?"
	list := []door{
		{in.CodeURL, byLink, append([]string{kindNative, kindPrecreate}, aliPageKinds...)},
		{in.MwebURL, byLink, []string{kindMweb}},
		{in.OrderString, byLink, []string{kindAliApp}},
		{in.TradeNo, byNumber, []string{kindCreate}},
	}
	list = slices.DeleteFunc(list, func(d door) bool { return d.value == "" })
	if in.JSAPI != nil {
		list = append(list, door{strings.TrimPrefix(in.JSAPI.Package, "prepay_id="), byNumber, []string{kindJSAPI}})
	}
	if in.App != nil {
		list = append(list, door{in.App.PrepayID, byNumber, []string{kindApp}})
	}
	return list
}

// preparedBy verifies an invocation and finds what it opens.
func (s *Sandbox) preparedBy(ctx context.Context, tx *txn, in Invocation) (*handle, error) {
	doors := in.doors()
	if len(doors) != 1 {
		return nil, fmt.Errorf("%w: give exactly one of code_url, mweb_url, order_string, trade_no, jsapi and app", ErrInvalid)
	}
	if query := in.pageQuery(); query != "" {
		return s.cashierBy(ctx, tx, query)
	}
	list, err := tx.preparedWhere(ctx, doors[0].where, doors[0].value)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: no prepared order is opened by that", ErrNotFound)
	}
	p := list[0]
	if !slices.Contains(doors[0].kinds, p.memo.Kind) {
		return nil, fmt.Errorf("%w: a %s order is not opened that way", ErrInvalid, p.memo.Kind)
	}
	switch {
	case in.JSAPI != nil:
		return p, s.verifyJSAPI(p, *in.JSAPI)
	case in.App != nil:
		return p, s.verifyApp(p, *in.App)
	}
	return p, nil
}

// verifyJSAPI checks a page's or mini program's parameters (upstreams.md §2.2):
// the signature of the order's provider over exactly the five other members,
// with the algorithm the order was made with, under the application that the
// payer's openid belongs to.
func (s *Sandbox) verifyJSAPI(p *handle, a JSAPIArgs) error {
	signed := wxFields{
		{"appId", a.AppID}, {"timeStamp", a.TimeStamp}, {"nonceStr", a.NonceStr}, {"package", a.Package}, {"signType", a.SignType},
	}
	switch {
	case !strings.HasPrefix(a.Package, "prepay_id="):
		return fmt.Errorf("%w package: write prepay_id=…", ErrInvalid)
	case a.AppID != p.memo.PayerApp:
		return fmt.Errorf("%w appId: the payer's openid belongs to another application", ErrInvalid)
	case a.SignType != p.memo.SignType:
		return fmt.Errorf("%w signType: the order was made with %s", ErrInvalid, p.memo.SignType)
	}
	return s.verifyInvocation(p, "paySign", signed, a.TimeStamp, a.NonceStr, a.PaySign)
}

// verifyApp does the same for a mobile application, whose members have names
// of their own and which does not say the algorithm.
func (s *Sandbox) verifyApp(p *handle, a AppArgs) error {
	signed := wxFields{
		{"appid", a.AppID},
		{"partnerid", a.PartnerID},
		{"prepayid", a.PrepayID},
		{"package", a.Package},
		{"noncestr", a.NonceStr},
		{"timestamp", a.Timestamp},
	}
	switch {
	case a.Package != "Sign=WXPay":
		return fmt.Errorf("%w package: write Sign=WXPay", ErrInvalid)
	case a.AppID != p.memo.PayerApp:
		return fmt.Errorf("%w appid: the order was made for another application", ErrInvalid)
	case a.PartnerID != p.provider:
		return fmt.Errorf("%w partnerid: write the provider's mch_id", ErrInvalid)
	}
	return s.verifyInvocation(p, "sign", signed, a.Timestamp, a.NonceStr, a.Sign)
}

// verifyInvocation checks what both have in common.
func (s *Sandbox) verifyInvocation(p *handle, member string, signed wxFields, timestamp, nonceStr, sign string) error {
	if len(timestamp) != len("1767225600") || !allDigits(timestamp) {
		return fmt.Errorf("%w timestamp: write ten digits, the seconds since 1970", ErrInvalid)
	}
	if nonceStr == "" || len(nonceStr) > 32 {
		return fmt.Errorf("%w nonce: use 1 to 32 characters", ErrInvalid)
	}
	if p.memo.API == apiV3 {
		return s.verifyInvocationV3(p, member, signed, sign)
	}
	want := wxSign(signed, s.wx[p.provider].account.APIv2Key, p.memo.SignType)
	if !hmac.Equal([]byte(want), []byte(sign)) {
		return fmt.Errorf("%w %s: the signature is wrong", ErrInvalid, member)
	}
	return nil
}

// verifyInvocationV3 checks the parameters of an order made with APIv3: RSA by
// the provider's API certificate over four lines, the last of which is the
// package of a page and the bare prepay_id of an application (upstreams.md §3.4).
func (s *Sandbox) verifyInvocationV3(p *handle, member string, signed wxFields, sign string) error {
	lines := []string{signed.get("appId"), signed.get("timeStamp"), signed.get("nonceStr"), signed.get("package")}
	if member == "sign" {
		lines = []string{signed.get("appid"), signed.get("timestamp"), signed.get("noncestr"), signed.get("prepayid")}
	}
	if !rsa2Verify(s.wx[p.provider].keys.client(), []byte(strings.Join(lines, "\n")+"\n"), sign) {
		return fmt.Errorf("%w %s: the signature is wrong", ErrInvalid, member)
	}
	return nil
}

// waiting is the open dialogue about a trade.
func (t *trade) waiting() WaitingTrade {
	return WaitingTrade{
		Channel: t.channel, OutTradeNo: t.outTradeNo, Amount: t.total, Subject: t.memo.Subject,
		ExpiresAt: at(min(t.dialogMS, t.expireMS)),
	}
}
