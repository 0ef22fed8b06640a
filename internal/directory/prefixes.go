package directory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"cloudpay/internal/pay"
)

// PrefixKind is the form of an order prefix (typed_cashier_ids).
type PrefixKind string

// The kinds of prefixes.
const (
	DigitPrefix  PrefixKind = "digits"  // 8 digits, the first one 0: short receipts, no payment code (ux.md §2.1)
	LetterPrefix PrefixKind = "letters" // 10 letters and digits
)

// KindOfPrefix tells the kinds apart.
func KindOfPrefix(prefix string) PrefixKind {
	if strings.Trim(prefix, digits) == "" {
		return DigitPrefix
	}
	return LetterPrefix
}

// newPrefix makes a prefix that may be free. Digits begin with 0 and letters
// with a letter, so the kinds never overlap.
func newPrefix(kind PrefixKind) string {
	if kind == DigitPrefix {
		return "0" + randomText(digits, MinPrefix-1)
	}
	return "sz" + randomText(digits, 4) + randomText("abcdefghijklmnopqrstuvwxyz", 4)
}

// AllocatePrefix gives a merchant one more order prefix. Prefixes are
// prefix-free over the whole installation and never given out twice, not even
// after their merchant was deleted (money.md §2).
func (d *Directory) AllocatePrefix(ctx context.Context, by Actor, merchantID string, kind PrefixKind) (string, error) {
	if kind != DigitPrefix && kind != LetterPrefix {
		return "", invalid("kind", "前缀类型只能是 digits 或 letters")
	}
	for range maxTries {
		prefix := newPrefix(kind)
		_, err := d.changeMerchant(ctx, by, "prefix.allocate", merchantID, func(m *Merchant) error {
			if len(m.Prefixes) >= maxPrefixes {
				return pay.Refuse(pay.ErrDenied, "too_many_prefixes", "该商户的订单前缀已达上限")
			}
			m.Prefixes = append(m.Prefixes, prefix)
			return nil
		})
		if !errors.Is(err, pay.ErrConflict) {
			return prefix, err
		}
	}
	return "", pay.Refuse(pay.ErrUnavailable, "prefixes_used_up", "暂时无法分配订单前缀，请稍后再试")
}

const (
	// maxPrefixes bounds the prefixes of one merchant: 32 of them serve 16,000
	// terminals, and every request is compared with each.
	maxPrefixes = 32
	// maxOrdinals is how many terminals share a prefix (ux.md §2.1).
	maxOrdinals = 500
	// ordinalRest is how long the place of a deleted device stays empty: numbers
	// hold the date, so a day later they cannot be equal.
	ordinalRest = 48 * time.Hour
)

// seat is a terminal's place within a prefix.
type seat struct {
	prefix  string
	ordinal int64
}

// placeDevice gives a new device the first free seat of the merchant's numeric
// prefixes, and keeps that of one that exists. Seats of deleted devices come
// last and only after a rest.
func (m *Merchant) placeDevice(before *Merchant, shopID string, d *Device, now time.Time) error {
	if old, ok := before.Shop(shopID); ok {
		if was, ok := old.Device(d.ID); ok {
			d.Prefix, d.Ordinal = was.Prefix, was.Ordinal
			if d.Prefix != "" {
				return nil
			}
		}
	}
	d.Profile.PastSeats = m.pastSeats(shopID, d.ID, now)
	taken, used := m.seats(d, now)
	for _, avoid := range []map[seat]bool{used, nil} {
		for _, p := range m.Prefixes {
			if KindOfPrefix(p) != DigitPrefix {
				continue
			}
			for n := range int64(maxOrdinals) {
				if at := (seat{p, n}); !taken[at] && !avoid[at] {
					d.Prefix, d.Ordinal = p, n
					return nil
				}
			}
		}
	}
	d.Prefix, d.Ordinal = "", -1
	for _, p := range m.Prefixes {
		if KindOfPrefix(p) == DigitPrefix {
			return pay.Refuse(pay.ErrDenied, "terminals_full", "该商户的终端序号已用完，请先分配新的订单前缀")
		}
	}
	return nil
}

// rests reports whether nobody may have the seat yet.
func (p PastSeat) rests(now time.Time) bool { return now.Sub(time.UnixMilli(p.EndedMS)) < ordinalRest }

// pastSeats returns the seats that an id had before it was deleted and that
// still rest: its row is about to be written over.
func (m *Merchant) pastSeats(shopID, deviceID string, now time.Time) []PastSeat {
	want := DeviceRow{MerchantID: m.ID, ShopID: shopID, ID: deviceID}.object()
	old, ok := lookUp(m.rows.Devices, want.id, func(r DeviceRow) string { return r.object().id })
	if !ok || old.Prefix == "" || old.DeletedAt.IsZero() {
		return nil
	}
	var p DeviceProfile
	_ = fromJSON(old.Profile, &p) // written by us; unreadable, it holds no seats
	all := append(p.PastSeats, PastSeat{old.Prefix, old.Ordinal, old.DeletedAt.UnixMilli()})
	return slices.DeleteFunc(all, func(s PastSeat) bool { return !s.rests(now) })
}

// seats returns which seats may not be had, and which were had by devices that
// were deleted.
func (m *Merchant) seats(but *Device, now time.Time) (taken, used map[seat]bool) {
	taken, used = map[seat]bool{}, map[seat]bool{}
	for i := range m.Shops {
		for j := range m.Shops[i].Devices {
			v := &m.Shops[i].Devices[j]
			if v != but && v.Prefix != "" {
				taken[seat{v.Prefix, v.Ordinal}] = true
			}
			for _, p := range v.Profile.PastSeats {
				taken[seat{p.Prefix, p.Ordinal}] = taken[seat{p.Prefix, p.Ordinal}] || p.rests(now)
			}
		}
	}
	gone := map[string]time.Time{}
	for _, s := range m.rows.Shops {
		gone[s.ID] = s.DeletedAt
	}
	for _, r := range m.rows.Devices {
		at, ended := seat{r.Prefix, r.Ordinal}, r.DeletedAt
		if ended.IsZero() {
			ended = gone[r.ShopID] // it went with its shop
		}
		if strings.Contains(r.Profile, `"past_seats"`) && !ended.IsZero() {
			for _, p := range m.pastSeats(r.ShopID, r.ID, now) {
				taken[seat{p.Prefix, p.Ordinal}] = true
			}
		}
		switch {
		case r.Prefix == "":
		case ended.IsZero() || now.Sub(ended) < ordinalRest:
			taken[at] = true // living ones are in the tree, or are deleted by this very change
		default:
			used[at] = true
		}
	}
	return taken, used
}
