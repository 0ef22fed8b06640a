package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// MicroPay is a cashier's request to charge a scanned payment code. Amounts in
// fen. Options of the wallets are passed through as they came.
type MicroPay struct {
	OutTradeNo string
	AuthCode   secret.Secret
	Platform   int64 // 0: derive it from the code (protocol.md §3.15)
	Total      pay.Fen
	Currency   string // "CNY", "" for CNY
	ShopID     string
	DeviceID   string
	StaffID    string
	Body       string
	Detail     string
	Attach     string
	GoodsTag   string
	LimitPay   string
	ClientIP   string
	NotifyURL  string
	Extra      string // what the caller wants to see again, JSON
	SceneInfo  string // JSON text
	// The sender's kind, for statistics; 0 and "" when not said.
	TerminalType    int64
	SubTerminalType int64
	QRCodeID        string
	SourceType      int64
	Authen          string // authen_info of the request as JSON, at most maxAuthen bytes; longer is not kept
	// Alipay's options.
	DiscountableAmount   pay.Fen
	UndiscountableAmount pay.Fen
	DisablePayChannels   string
	ExtendParams         string // JSON text
	ProductCode          string
	RoyaltyInfo          string // refused unless ""
}

// maxAuthen bounds what is kept of a request's authen_info: two 2048-bit
// signatures in hex do not fit and are nobody's.
const maxAuthen = 1 << 10

// MicroPay charges a payment code, or answers for the order that exists under
// this number. It returns the order as it stands after at most AnswerWithin;
// order.PayAnswer says what a till is told about it. Errors have a kind of
// package pay; ErrUnavailable says that the result is not known.
func (g *Gateway) MicroPay(ctx context.Context, m *directory.Merchant, in MicroPay) (pay.Order, error) {
	if !g.calls.Open() {
		return pay.Order{}, pay.Refuse(pay.ErrUnavailable, "stopping", "系统正在重启，请稍后重试")
	}
	o, req, err := g.intent(m, in)
	if err != nil {
		return pay.Order{}, err
	}
	wallet, sub, err := g.admit(ctx, m, o)
	if err != nil {
		return g.refusedNow(ctx, o, err)
	}
	req.Merchant = sub
	if o, err = g.settling(ctx, m, o); err != nil {
		return pay.Order{}, err
	}
	for range maxRounds {
		won, err := g.openOrder(ctx, o)
		switch {
		case err != nil:
			return pay.Order{}, err
		case won:
			return g.send(ctx, o, func(ctx context.Context) (pay.Order, error) {
				if late := g.now().Sub(o.SentAt); late > leaveWithin {
					return o, fmt.Errorf("the request was not sent: %v have passed since its commit", late)
				}
				call, cancel := context.WithTimeout(ctx, channel.PayTimeout)
				defer cancel()
				return g.settle(ctx, m, o, pay.CallPay, wallet.Pay(call, req))
			})
		}
		old, found, err := g.replay(ctx, o)
		if err != nil || found {
			return old, err
		}
		// What stood in the way ended in this moment: try again.
	}
	return pay.Order{}, pay.Refuse(pay.ErrUnavailable, "busy", "系统繁忙，请稍后重试")
}

// intent checks a request and turns it into an order and a wallet request.
// Refusals are those of money.md §1.
func (g *Gateway) intent(m *directory.Merchant, in MicroPay) (pay.Order, channel.PayRequest, error) {
	var none channel.PayRequest
	if err := checkIntent(m, in.OutTradeNo, in.Total, in.Currency, in.RoyaltyInfo); err != nil {
		return pay.Order{}, none, err
	}
	code := strings.TrimSpace(in.AuthCode.Reveal())
	ch, err := channel.WalletOf(code)
	if err != nil {
		return pay.Order{}, none, pay.Refuse(pay.ErrInvalid, "auth_code", "付款码无法识别，请让顾客刷新后重新扫码")
	}
	if in.Platform != 0 && in.Platform != ch.Platform() {
		return pay.Order{}, none, pay.Refuse(pay.ErrInvalid, "platform", "付款码与支付平台不一致")
	}
	now := g.now()
	o := pay.Order{
		MerchantID: m.ID, OutTradeNo: in.OutTradeNo, ProviderID: m.ProviderID, Channel: ch, Unit: g.Store.NewUnit(),
		TradeType: pay.TradeMicroPay, State: pay.PAYING, Total: in.Total, Currency: "CNY",
		CodeHash: pay.CodeHash(g.CodeKey, code), ShopID: in.ShopID, DeviceID: in.DeviceID, StaffID: in.StaffID,
		Body: bodyOf(m, in.Body), NotifyURL: in.NotifyURL, Extra: in.Extra,
		TerminalType: in.TerminalType, SubTerminalType: in.SubTerminalType, QRCodeID: in.QRCodeID,
		SourceType: in.SourceType, Authen: authenOf(in.Authen),
		SentAt: now, CreatedAt: now, UpdatedAt: now, Truth: pay.TruthLocal,
	}
	o.TransactionID = ownNumber(now, o.OutTradeNo)
	o.Fingerprint = pay.Intent{
		Total: o.Total, Currency: o.Currency, TradeType: o.TradeType, Channel: o.Channel,
		CodeHash: o.CodeHash, ShopID: o.ShopID, DeviceID: o.DeviceID,
	}.Fingerprint()
	return o, channel.PayRequest{
		OrderRequest: channel.OrderRequest{OutTradeNo: o.OutTradeNo, Total: o.Total},
		AuthCode:     secret.New(code), Currency: o.Currency, Body: o.Body, Detail: in.Detail, Attach: in.Attach,
		GoodsTag: in.GoodsTag, LimitPay: in.LimitPay, DeviceID: in.DeviceID, ShopID: in.ShopID, StaffID: in.StaffID,
		ClientIP: in.ClientIP, DiscountableAmount: in.DiscountableAmount, UndiscountableAmount: in.UndiscountableAmount,
		DisablePayChannels: in.DisablePayChannels, ExtendParams: in.ExtendParams, ProductCode: in.ProductCode,
		SceneInfo: in.SceneInfo, Start: now, Expire: now.Add(g.Profiles[ch].Expire),
	}, nil
}

// checkIntent is what every pay request must satisfy, whichever wallet it is for.
func checkIntent(m *directory.Merchant, outTradeNo string, total pay.Fen, currency, royaltyInfo string) error {
	if err := total.Check(); err != nil {
		return err
	}
	if currency != "" && currency != "CNY" {
		return pay.Refuse(pay.ErrInvalid, "currency", "仅支持人民币（CNY）")
	}
	if !m.HasPrefix(outTradeNo) {
		return pay.Refuse(pay.ErrInvalid, "prefix", "订单号必须以子商户的订单前缀开头，且不超过32位字母数字")
	}
	if royaltyInfo != "" {
		return pay.Refuse(pay.ErrDenied, "royalty_info", "暂不支持分账（royalty_info）")
	}
	return nil
}

// bodyOf is what the customer reads: what the request says, the merchant's
// default_order_body, or its name.
func bodyOf(m *directory.Merchant, body string) string {
	switch {
	case body != "":
		return body
	case m.DefaultBody != "":
		return m.DefaultBody
	}
	return m.Name
}

// authenOf drops an authen_info that is too long to be one.
func authenOf(text string) string {
	if len(text) > maxAuthen {
		return ""
	}
	return text
}

// admit says whether the merchant may take this payment as the directory stands
// now, and at which wallet.
func (g *Gateway) admit(ctx context.Context, m *directory.Merchant, o pay.Order) (channel.Channel, channel.Merchant, error) {
	shop, ok := m.Shop(o.ShopID)
	if !ok {
		return nil, channel.Merchant{}, pay.Refuse(pay.ErrDenied, "shop", "门店不存在")
	}
	if o.DeviceID != "" {
		if _, ok := shop.Device(o.DeviceID); !ok {
			return nil, channel.Merchant{}, pay.Refuse(pay.ErrDenied, "device", "设备不存在")
		}
	}
	if p := &m.Profile; p.Upstream || p.WxUpstream && o.Channel == pay.Wxpay || p.AliUpstream && o.Channel == pay.Alipay {
		return nil, channel.Merchant{}, pay.Refuse(pay.ErrDenied, "upstream", "该商户的支付由上游渠道处理（direct=false），暂不支持")
	}
	wallet, sub, err := g.wallet(ctx, m, o.Channel)
	if errors.Is(err, pay.ErrNotFound) {
		return nil, channel.Merchant{}, pay.Refuse(pay.ErrDenied, "channel_missing", "商户未开通该支付方式")
	} else if err != nil {
		return nil, channel.Merchant{}, fmt.Errorf("find channel: %w", err)
	}
	return wallet, sub, nil
}

// settling gives a new order the ladder that its merchant has chosen, or its
// provider. The order keeps it: what they choose later is for later orders.
func (g *Gateway) settling(ctx context.Context, m *directory.Merchant, o pay.Order) (pay.Order, error) {
	chosen, err := g.Directory.Settling(ctx, m)
	if err != nil {
		return o, fmt.Errorf("find the provider's ladder: %w", err)
	}
	o.Settle, o.HoldLate = chosen.Profile, chosen.HoldsLate()
	return o, nil
}

// refusedNow answers a request that the directory does not admit any more. An
// order that was admitted before is answered as it stands (money.md §2): a
// refusal would hide that it may be paid.
func (g *Gateway) refusedNow(ctx context.Context, o pay.Order, refusal error) (pay.Order, error) {
	switch old, err := g.sameNumber(ctx, o); {
	case errors.Is(err, pay.ErrNotFound):
		return pay.Order{}, refusal
	default:
		return old, err
	}
}

// ownNumber is the transaction_id of an order until the wallet's is known: a
// till asserts that there is one at once (protocol.md R39). It is shorter than
// 32 characters and cannot be taken for a wallet's, which begins with a digit.
func ownNumber(now time.Time, outTradeNo string) string {
	n := "cp" + strconv.FormatInt(now.UnixMilli(), 10)
	return n + outTradeNo[max(0, len(outTradeNo)-(31-len(n))):]
}

// send makes the pay or prepay call of an order and settles its answer, both by
// do. The call outlives the caller: a request's death must not abort a settle.
func (g *Gateway) send(ctx context.Context, o pay.Order, do func(context.Context) (pay.Order, error)) (pay.Order, error) {
	type result struct {
		order pay.Order
		err   error
	}
	done := make(chan result, 1)
	after := context.WithoutCancel(ctx)
	began := g.calls.Go(func() {
		settled, err := g.sendOnce(after, o, do)
		done <- result{settled, err}
	})
	if !began { // stopping between the intent and the call: the order's job closes it after the next start
		return o, pay.Refuse(pay.ErrUnavailable, "stopping", "系统正在重启，请稍后查询")
	}
	timer := time.NewTimer(g.AnswerWithin)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.order, r.err
	case <-timer.C:
		// The order itself says PAYING and that nothing was heard: 103.
		return g.Store.Order(ctx, o.MerchantID, o.OutTradeNo)
	case <-ctx.Done():
		return o, pay.Refuse(pay.ErrUnavailable, "caller_gone", "支付结果未知，请稍后查询")
	}
}

// sendOnce runs do. Whatever goes wrong of ours from here on, a panic included,
// leaves the result unknown and never refused: the request may have left. The
// order's job finds out.
func (g *Gateway) sendOnce(ctx context.Context, o pay.Order, do func(context.Context) (pay.Order, error)) (settled pay.Order, err error) {
	defer func() {
		stack := ""
		if p := recover(); p != nil {
			err, stack = fmt.Errorf("panic: %v", p), string(debug.Stack())
		}
		if err != nil {
			g.Log.ErrorContext(ctx, "answer not settled: the order's job asks for it",
				slog.String("merchant_id", o.MerchantID), slog.String("out_trade_no", o.OutTradeNo),
				slog.String("error", err.Error()), slog.String("stack", stack))
			settled, err = o, pay.Refuse(pay.ErrUnavailable, "unsettled", "支付结果未知，请稍后查询")
		}
	}()
	return do(ctx)
}

// replay answers a request whose order could not be opened: the order of the
// same number if the fingerprint agrees, 407 if not, or the open order that
// holds the payment code. found is false when neither exists any more.
func (g *Gateway) replay(ctx context.Context, o pay.Order) (old pay.Order, found bool, err error) {
	if old, err = g.sameNumber(ctx, o); !errors.Is(err, pay.ErrNotFound) {
		return old, true, err
	}
	holder, err := g.Store.OrderByCode(ctx, o.MerchantID, o.CodeHash)
	switch {
	case err == nil:
		return pay.Order{}, true, pay.Refuse(pay.ErrDenied, "code_in_use", "该付款码正用于订单"+holder.OutTradeNo+"，请先查询该订单")
	case !errors.Is(err, pay.ErrNotFound):
		return pay.Order{}, true, fmt.Errorf("read order by code: %w", err)
	}
	return pay.Order{}, false, nil
}

// sameNumber returns the order that has o's number, if it is the same payment:
// 407 if it is not, an error that wraps pay.ErrNotFound if there is none.
func (g *Gateway) sameNumber(ctx context.Context, o pay.Order) (pay.Order, error) {
	old, err := g.Store.Order(ctx, o.MerchantID, o.OutTradeNo)
	switch {
	case err != nil:
		return pay.Order{}, fmt.Errorf("read order: %w", err)
	case old.Fingerprint != o.Fingerprint:
		return pay.Order{}, pay.Refuse(pay.ErrConflict, "reentry", "订单号重复且参数不一致，请更换订单号，禁止撤单")
	}
	return old, nil
}
