package directory

import (
	"context"

	"cloudpay/internal/pay"
)

// Settle is which ladder a merchant, or a provider for all of its merchants, has
// chosen for new orders (docs/settle-ladder.md). It is stored as JSON: names of
// members never change. The zero value chooses nothing.
type Settle struct {
	// Profile says when the server reverses an unpaid code payment by itself.
	Profile pay.Setting `json:"settle_profile,omitempty" enum:"standard,quick,manual," doc:"刷卡未支付的处理：standard 60 秒撤单，quick 30 秒撤单，manual 不自动撤单；空为服务商或系统的设置"`
	// Late says what becomes of money that arrives for a dead order: LateReturn,
	// LateHold, or "" for the provider's choice.
	Late string `json:"late_money,omitempty" enum:"return,hold," doc:"迟到资金：return 自动退回顾客，hold 等待人工处理；空为服务商的设置，默认 return"`
}

// The choices for late money. They are stored: never change one.
const (
	LateReturn = "return" // it goes back to the customer at once
	LateHold   = "hold"   // it waits for a person, who adopts or returns it
)

// HoldsLate reports whether late money waits for a person.
func (s Settle) HoldsLate() bool { return s.Late == LateHold }

// check refuses choices that do not exist.
func (s Settle) check() error {
	known := s.Profile == pay.SettleDefault
	for _, p := range pay.Settings {
		known = known || s.Profile == p
	}
	if !known {
		return invalid("settle_profile", "settle_profile 只能是 standard、quick 或 manual，空为服务商或系统的设置")
	}
	if s.Late != "" && s.Late != LateReturn && s.Late != LateHold {
		return invalid("late_money", "late_money 只能是 return 或 hold，空为服务商的设置")
	}
	return nil
}

// or fills in what s leaves open.
func (s Settle) or(d Settle) Settle {
	if s.Profile == pay.SettleDefault {
		s.Profile = d.Profile
	}
	if s.Late == "" {
		s.Late = d.Late
	}
	return s
}

// Settling returns the merchant's choice for new orders, with its provider's
// where it has none. Errors as in Merchant.
func (d *Directory) Settling(ctx context.Context, m *Merchant) (Settle, error) {
	if m.Policy.Profile != "" && m.Policy.Late != "" {
		return m.Policy.Settle, nil
	}
	p, err := d.ProviderOf(ctx, m)
	if err != nil {
		return Settle{}, err
	}
	return m.Policy.or(p.Profile.Settle), nil
}
