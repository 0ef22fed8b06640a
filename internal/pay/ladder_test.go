package pay

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// tableOf reads the table below a heading of docs/settle-ladder.md: the names of
// its columns, and its rows.
func tableOf(t *testing.T, heading string) (columns []string, rows [][]string) {
	t.Helper()
	raw, err := os.ReadFile("../../docs/settle-ladder.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "\n## "+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if columns == nil {
			columns = cells
			continue
		}
		rows = append(rows, cells)
	}
	return columns, rows
}

var trades = map[string]TradeType{"code": TradeMicroPay, "unified": TradeScanCode}

func settingOf(t *testing.T, name string) Setting {
	t.Helper()
	if name == "server" {
		return SettleDefault
	}
	for _, s := range Settings {
		if string(s) == name {
			return s
		}
	}
	t.Fatalf("there is no setting %q", name)
	return ""
}

// TestLadderTableIsTheCode compares docs/settle-ladder.md with the code, cell by cell.
func TestLadderTableIsTheCode(t *testing.T) {
	t.Parallel()
	columns, rows := tableOf(t, "Settings")
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r[0]+r[1]+r[2]] = true
		p := reflect.ValueOf(Profiles[Channel(r[0])].For(trades[r[1]], settingOf(t, r[2])))
		for i, name := range columns[3:] {
			if got := fmt.Sprint(p.FieldByName(name).Interface()); got != r[3+i] {
				t.Errorf("%s %s %s: %s is %s in the code and %s on the page", r[0], r[1], r[2], name, got, r[3+i])
			}
		}
	}
	for ch := range Profiles {
		for _, s := range append([]Setting{"server"}, Settings...) {
			if !seen[string(ch)+"code"+string(s)] {
				t.Errorf("%s %s is not on the page", ch, s)
			}
		}
	}
	columns, rows = tableOf(t, "Decisions")
	if len(rows) < 25 {
		t.Fatalf("%d decisions were read", len(rows))
	}
	for _, r := range rows {
		for i, name := range columns[4:] {
			age, err := time.ParseDuration(r[3])
			if err != nil {
				t.Fatal(err)
			}
			o := knownAs(t, r[1], r[2])
			p, now := Profiles[Wxpay].For(o.TradeType, settingOf(t, name)), begin.Add(age)
			if got := stepText(p.Next(o, now), now); got != r[4+i] {
				t.Errorf("row %s, %s at %s, %s: %s in the code and %q on the page", r[0], r[2], r[3], name, got, r[4+i])
			}
		}
	}
}

// knownAs makes the order that a cell describes.
func knownAs(t *testing.T, trade, text string) Order {
	t.Helper()
	words := strings.Fields(text)
	o := Order{
		TradeType: trades[trade], State: OrderState(words[0]), Channel: Wxpay, Total: total, SentAt: begin, ExpireAt: begin.Add(2 * time.Hour),
	}
	for _, w := range words[1:] {
		what, when, _ := strings.Cut(w, "@")
		var at time.Time
		if when != "" {
			d, err := time.ParseDuration(when)
			if err != nil {
				t.Fatal(err)
			}
			at = begin.Add(d)
		}
		switch what {
		case "unpaid":
			o.UnpaidAt, o.AskedAt, o.Seen, o.AskAt = at, at, Waiting, at.Add(5*time.Second)
			if o.State == REVERSING {
				o.AskAt = time.Time{}
			}
		case "asked":
			o.AskedAt, o.Seen, o.AskAt = at, Unknown, at.Add(5*time.Second)
		case "sent":
			o.ReverseSentAt, o.ReversedAt, o.ReverseTries = at, at, 1
		case "stopped":
			o.Stopped = true
		case "duplicate":
			o.NoReverse = true
		case "instead":
			o.RefundInstead = true
		case "paid":
			o.PaidSeen = true
		case "held":
			o.Late = LateHeld
		case "adopted":
			o.Late = LateAdopted
		case "waits":
			o.HoldLate = true
		default:
			t.Fatalf("%q says nothing", w)
		}
	}
	return o
}

// stepText is how the page writes a step.
func stepText(s Step, now time.Time) string {
	switch {
	case s.Act == ActNone:
		return "nothing"
	case s.At.After(now):
		return string(s.Act) + "@" + s.At.Sub(begin).String()
	}
	return string(s.Act)
}

// TestNoSettingLowersAFloor: whatever a merchant chooses, nothing is reversed
// before 15 s, or blindly but from 90 to 150 s (money.md §3 rows 3, 4 and 7).
func TestNoSettingLowersAFloor(t *testing.T) {
	t.Parallel()
	for ch, base := range Profiles {
		for _, s := range append([]Setting{SettleDefault, "nonsense"}, Settings...) {
			for _, tt := range []TradeType{TradeMicroPay, TradeScanCode, TradeApp} {
				p := base.For(tt, s)
				if p.ReverseFrom < p.EarliestSend || p.EarliestSend != 15*time.Second || p.BlindFrom != 90*time.Second || p.BlindUntil != 150*time.Second {
					t.Errorf("%s %d %q: %+v", ch, tt, s, p)
				}
			}
		}
	}
}
