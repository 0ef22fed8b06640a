package pay

import "time"

// Setting is a merchant's choice of the ladder for its code payments (money.md
// §3). An order keeps the one that it was opened with. It is stored: names
// never change.
type Setting string

// The settings.
const (
	SettleDefault  Setting = ""         // as the server is set
	SettleStandard Setting = "standard" // reversed at 60 s
	SettleQuick    Setting = "quick"    // S004: reversed at 30 s
	SettleManual   Setting = "manual"   // never by itself: a cashier or an operator asks
)

// Settings are the settings by name, SettleDefault excepted.
var Settings = []Setting{SettleStandard, SettleQuick, SettleManual}

// quickFrom is S004's age of an unpaid code payment at which it is reversed.
const quickFrom = 30 * time.Second

// For returns the profile for orders of one trade type under one setting. A
// setting moves only when an unpaid code payment is reversed, and whether the
// server does it by itself: the floors of money.md §3 (nothing is reversed
// before 15 s, or blindly but from 90 to 150 s) and everything about unified
// orders stay as they are. A setting that is not known is the default.
func (p Profile) For(t TradeType, s Setting) Profile {
	if t.Unified() {
		return p
	}
	switch s {
	case SettleDefault:
	case SettleStandard:
		p.ReverseFrom, p.NeverByItself = wxpayProfile.ReverseFrom, false
	case SettleQuick:
		p.ReverseFrom, p.NeverByItself = quickFrom, false
	case SettleManual:
		p.NeverByItself = true
	}
	return p
}
