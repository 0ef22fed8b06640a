package sandbox

import (
	"context"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
)

// The account every merchant begins with, and what the wallets charge
// (upstreams.md §8.6). A million yuan is enough for every refund of a test that
// is not about running short.
const (
	merchantOpening Fen   = 1_000_000_00
	defaultRate     int64 = 60     // of a payment, in ten-thousandths: 0.60%
	maxRate         int64 = 1000   // 10%
	rateUnit        int64 = 10_000 // 100%
)

// flowKind says what moved a merchant's money.
type flowKind string

// What moves a merchant's money.
const (
	flowPayment  flowKind = "payment"
	flowRefund   flowKind = "refund" // when it is accepted
	flowReverse  flowKind = "reverse"
	flowRollback flowKind = "rollback"
	flowReturned flowKind = "returned" // a refund that was closed: the money stays after all
	flowTopUp    flowKind = "topup"    // by the control API, either way
)

// holding is a merchant's account with one wallet. What was paid today is
// unsettled and becomes available at midnight in Beijing.
type holding struct {
	channel              Channel
	merchant             string
	opening              Fen
	available, unsettled Fen
	rate                 int64 // ten-thousandths
	movedMS              int64
}

// holding reads an account, brought up to the present.
func (t *txn) holding(ctx context.Context, ch Channel, merchant string) (*holding, error) {
	h := &holding{channel: ch, merchant: merchant, opening: merchantOpening, available: merchantOpening, rate: defaultRate}
	_, err := t.row(ctx, "SELECT opening, available, unsettled, rate, moved_ms FROM holdings WHERE channel = ? AND merchant = ?",
		[]any{ch, merchant}, []any{&h.opening, &h.available, &h.unsettled, &h.rate, &h.movedMS})
	if h.movedMS < dayStart(t.now).UnixMilli() {
		h.available, h.unsettled = h.available+h.unsettled, 0
	}
	return h, err
}

// saveHolding writes an account.
func (t *txn) saveHolding(ctx context.Context, h *holding) error {
	return t.exec(ctx, `INSERT INTO holdings (channel, merchant, opening, available, unsettled, rate, moved_ms) VALUES (?,?,?,?,?,?,?)
 ON CONFLICT (channel, merchant) DO UPDATE SET available = excluded.available, unsettled = excluded.unsettled,
 rate = excluded.rate, moved_ms = excluded.moved_ms`,
		h.channel, h.merchant, h.opening, h.available, h.unsettled, h.rate, t.nowMS())
}

// fromAvailable reports whether a refund may take available money only, in
// either interface's words.
func fromAvailable(account string) bool {
	return account == refundRecharge || account == fundsAvailable
}

// take spends unsettled money first. Only a reverse can take more than there is.
func (h *holding) take(amount Fen, account string) {
	first := min(amount, h.unsettled)
	if fromAvailable(account) {
		first = 0
	}
	h.unsettled -= first
	h.available -= amount - first
}

// covers reports whether the account can pay an amount from a source.
func (h *holding) covers(amount Fen, account string) bool {
	if fromAvailable(account) {
		return amount <= h.available
	}
	return amount <= h.available+h.unsettled
}

// portion is n·part/whole rounded half up, without overflow. part must not be
// above whole.
func portion(n Fen, part, whole uint64) Fen {
	if whole == 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(n), part) //nolint:gosec // amounts and rates are never negative
	low, carry := bits.Add64(low, whole/2, 0)
	share, _ := bits.Div64(high+carry, low, whole)
	return Fen(share) //nolint:gosec // at most n
}

// net is what the merchant gets before the fee: all but his own coupons.
func (t *trade) net() Fen { return t.total - t.uncashed() }

// fee is what the wallet keeps of a payment: a share of net, rounded half up.
func (t *trade) fee() Fen {
	return portion(t.net(), uint64(t.memo.FeeRate), uint64(rateUnit)) //nolint:gosec // a rate is not negative
}

// netOf and feeOf are the parts of net and fee that a refund of amount after
// earlier ones of before gives back; the refunds of a whole order give back
// both exactly.
func (t *trade) netOf(before, amount Fen) Fen {
	own := t.uncashed()
	return amount - (t.shareOf(own, before+amount) - t.shareOf(own, before))
}

func (t *trade) feeOf(before, amount Fen) Fen {
	upTo := func(sum Fen) Fen {
		return portion(t.fee(), uint64(t.netOf(0, sum)), uint64(t.net())) //nolint:gosec // amounts are never negative
	}
	return upTo(before+amount) - upTo(before)
}

// flow is one movement of a merchant's money: gross and fee are signed, so that
// what is left afterwards is what was there plus both.
type flow struct {
	kind       flowKind
	refund     int64 // its row, 0 for none
	gross, fee Fen
	account    string // source of a refund
	atMS       int64
}

// move carries out a flow on the trade's merchant.
func (s *Sandbox) move(ctx context.Context, tx *txn, t *trade, f flow) error {
	h, err := tx.holding(ctx, t.channel, t.merchant)
	if err != nil {
		return err
	}
	if sum := f.gross + f.fee; sum >= 0 {
		h.unsettled += sum
	} else {
		h.take(-sum, f.account)
	}
	if err := tx.saveHolding(ctx, h); err != nil {
		return err
	}
	return tx.insertFlow(ctx, t.channel, t.provider, t.merchant, t.seq, f)
}

func (t *txn) insertFlow(ctx context.Context, ch Channel, provider, merchant string, trade int64, f flow) error {
	return t.exec(ctx, "INSERT INTO flows (channel, provider, merchant, trade, refund, kind, gross, fee, at_ms) VALUES (?,?,?,?,?,?,?,?,?)",
		ch, provider, merchant, trade, f.refund, f.kind, f.gross, f.fee, f.atMS)
}

// earn gives the merchant a payment less the fee, at the rate of today.
func (s *Sandbox) earn(ctx context.Context, tx *txn, t *trade) error {
	h, err := tx.holding(ctx, t.channel, t.merchant)
	if err != nil {
		return err
	}
	t.memo.FeeRate = h.rate
	return s.move(ctx, tx, t, flow{kind: flowPayment, gross: t.net(), fee: -t.fee(), atMS: tx.nowMS()})
}

// giveBack takes a part of a payment from its merchant, with the fee's share
// returned to him.
func (s *Sandbox) giveBack(ctx context.Context, tx *txn, t *trade, kind flowKind, before, amount Fen, atMS int64) error {
	if amount == 0 {
		return nil
	}
	return s.move(ctx, tx, t, flow{kind: kind, gross: -t.netOf(before, amount), fee: t.feeOf(before, amount), atMS: atMS})
}

// giveBackRefund does so for a refund that was accepted.
func (s *Sandbox) giveBackRefund(ctx context.Context, tx *txn, t *trade, r *refund) error {
	return s.move(ctx, tx, t, flow{
		kind: flowRefund, refund: r.seq, gross: -t.netOf(r.before, r.amount), fee: t.feeOf(r.before, r.amount),
		account: r.account, atMS: r.acceptedMS,
	})
}

// short reports whether the merchant cannot pay a refund or reverse.
func (s *Sandbox) short(ctx context.Context, tx *txn, t *trade, before, amount Fen, account string) (bool, error) {
	h, err := tx.holding(ctx, t.channel, t.merchant)
	return !h.covers(t.netOf(before, amount)-t.feeOf(before, amount), account), err
}

// Merchant is a merchant's account with one wallet. Amounts are fen.
type Merchant struct {
	Channel   Channel `json:"channel"`
	Merchant  string  `json:"merchant"` // sub_mch_id or user_id
	Available Fen     `json:"available_fen"`
	// Unsettled is what was paid today; refunds take it first.
	Unsettled Fen `json:"unsettled_fen"`
	// FeeRate is what the wallet keeps of payments from now on, in
	// ten-thousandths: 60 is 0.60%.
	FeeRate int64 `json:"fee_rate"`
}

// MerchantChange is what SetMerchant changes; nil leaves it as it is.
type MerchantChange struct {
	Available *Fen   `json:"available_fen"`
	Unsettled *Fen   `json:"unsettled_fen"`
	FeeRate   *int64 `json:"fee_rate"`
}

// providerOf finds whose merchant it is.
func (s *Sandbox) providerOf(ch Channel, merchant string) (string, bool) {
	for _, p := range s.accounts.Providers {
		if ch == WeChat && slices.ContainsFunc(p.WeChat.Merchants, func(m WeChatMerchant) bool { return m.SubMchID == merchant }) {
			return p.WeChat.MchID, true
		}
		if ch == Alipay && slices.ContainsFunc(p.Alipay.Merchants, func(m AlipayMerchant) bool { return m.UserID == merchant }) {
			return p.Alipay.AppID, true
		}
	}
	return "", false
}

// merchantsOf lists a WeChat provider's merchants, or the one that is named.
func (w *wxProvider) merchantsOf(merchant string) []string {
	if merchant != "" {
		return []string{merchant}
	}
	var list []string
	for _, m := range w.account.Merchants {
		list = append(list, m.SubMchID)
	}
	return list
}

// Merchants lists every merchant's account with both wallets.
func (s *Sandbox) Merchants(ctx context.Context) ([]Merchant, error) {
	list := []Merchant{}
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		if err := s.returnDue(ctx, tx); err != nil {
			return err
		}
		add := func(ch Channel, merchant string) error {
			h, err := tx.holding(ctx, ch, merchant)
			list = append(list, h.shown())
			return err
		}
		for _, p := range s.accounts.Providers {
			for _, m := range p.WeChat.Merchants {
				if err := add(WeChat, m.SubMchID); err != nil {
					return err
				}
			}
			for _, m := range p.Alipay.Merchants {
				if err := add(Alipay, m.UserID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list merchants: %w", err)
	}
	return list, nil
}

// shown is the account as the control API tells it.
func (h *holding) shown() Merchant {
	return Merchant{Channel: h.channel, Merchant: h.merchant, Available: h.available, Unsettled: h.unsettled, FeeRate: h.rate}
}

// SetMerchant changes a merchant's account. The difference stands in the fund
// bill as money paid in or out.
func (s *Sandbox) SetMerchant(ctx context.Context, ch Channel, merchant string, c MerchantChange) (Merchant, error) {
	provider, known := s.providerOf(ch, merchant)
	if !known {
		return Merchant{}, fmt.Errorf("%w: merchant %q of %q", ErrNotFound, cut(merchant), cut(string(ch)))
	}
	for _, amount := range []*Fen{c.Available, c.Unsettled} {
		if amount != nil && (*amount < 0 || *amount > maxTotal) {
			return Merchant{}, fmt.Errorf("%w available_fen or unsettled_fen: use 0 to %d", ErrInvalid, maxTotal)
		}
	}
	if c.FeeRate != nil && (*c.FeeRate < 0 || *c.FeeRate > maxRate) {
		return Merchant{}, fmt.Errorf("%w fee_rate: use 0 to %d ten-thousandths", ErrInvalid, maxRate)
	}
	var out Merchant
	err := s.run(ctx, func(ctx context.Context, tx *txn) error {
		h, err := tx.holding(ctx, ch, merchant)
		if err != nil {
			return err
		}
		before := h.available + h.unsettled
		if c.Available != nil {
			h.available = *c.Available
		}
		if c.Unsettled != nil {
			h.unsettled = *c.Unsettled
		}
		if c.FeeRate != nil {
			h.rate = *c.FeeRate
		}
		out = h.shown()
		if err := tx.saveHolding(ctx, h); err != nil {
			return err
		}
		if added := h.available + h.unsettled - before; added != 0 {
			return tx.insertFlow(ctx, ch, provider, merchant, 0, flow{kind: flowTopUp, gross: added, atMS: tx.nowMS()})
		}
		return nil
	})
	if err != nil {
		return Merchant{}, fmt.Errorf("set merchant: %w", err)
	}
	return out, nil
}

// getMerchants lists the accounts of all merchants.
func (s *Sandbox) getMerchants(r *http.Request) (int, any, error) {
	list, err := s.Merchants(r.Context())
	return http.StatusOK, map[string][]Merchant{"merchants": list}, err
}

// postMerchant changes one: SetMerchant.
func (s *Sandbox) postMerchant(r *http.Request) (int, any, error) {
	var in struct {
		Channel  Channel `json:"channel"`
		Merchant string  `json:"merchant"`
		MerchantChange
	}
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	m, err := s.SetMerchant(r.Context(), in.Channel, in.Merchant, in.MerchantChange)
	return http.StatusOK, m, err
}
