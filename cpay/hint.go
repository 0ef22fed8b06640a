package cpay

import "fmt"

// Hint is what an unauthenticated request says about whose it is, for choosing
// the keys that Verify needs (protocol.md §1.4). It proves nothing.
type Hint struct {
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant, whose key verifies most calls.
	OutSubMchID string
	// OutShopID is the shop. The brief interfaces name nothing else.
	OutShopID string
	// SNCode is the serial number of a device; the bind calls are verified with its
	// init key.
	SNCode string
	// Wallet is set where query_identity_mapping asks by the wallet's ids.
	Wallet MchIDs
}

func (h *Hint) fields(c *walk) {
	c.text("out_mch_id", &h.OutMchID, limitID)
	c.text("out_sub_mch_id", &h.OutSubMchID, limitID)
	c.text("out_shop_id", &h.OutShopID, limitID)
}

// claim is every place where a request may name its merchant: at the top, where
// osi and osmi are the brief spellings, in pay_mch_key, and in the condition of
// query_identity_mapping, which one client wraps and capitalises (R14).
type claim struct {
	top, key, out Hint
	wrapped       wrappedClaim
}

type wrappedClaim struct {
	out Hint
	mch *MchIDs // where the wallet's ids belong
}

func (w *wrappedClaim) fields(c *walk) {
	c.only("Out", "{")
	c.only("Mch", "{")
	c.object("Out", &w.out)
	c.object("Mch", w.mch)
}

func (h *claim) fields(c *walk) {
	c.respell("osmi", "out_sub_mch_id")
	c.respell("osi", "out_shop_id")
	c.respell("sn", "sn_code")
	// These belong to a few interfaces only. Elsewhere they may be members of a
	// till's own, which have any form (R12).
	c.only("out", "{")
	c.only("mch", "{")
	c.only("Condition", "{")
	c.only("sn_code", `"-0123456789`)
	c.object("pay_mch_key", &h.key)
	c.object("out", &h.out)
	c.object("mch", &h.top.Wallet)
	h.wrapped.mch = &h.top.Wallet
	c.object("Condition", &h.wrapped)
	c.text("sn_code", &h.top.SNCode, limitClientText)
	h.top.fields(c)
}

// Hint reads the merchant's ids from the content, before it is verified. A
// request that names two different sub-merchants is refused with ErrMalformed,
// because the key of one must not open the door to the other.
func (e *Envelope) Hint() (Hint, error) {
	var h claim
	if err := decode(e.text, &h); err != nil {
		return Hint{}, err
	}
	got := h.top
	for _, other := range [...]*Hint{&h.key, &h.out, &h.wrapped.out} {
		if !agree(&got.OutMchID, other.OutMchID) || !agree(&got.OutSubMchID, other.OutSubMchID) ||
			!agree(&got.OutShopID, other.OutShopID) {
			return Hint{}, fmt.Errorf("%w: names two merchants", ErrMalformed)
		}
	}
	return got, nil
}

// agree takes over an id where none is known, and reports whether the two places
// that name it say the same.
func agree(got *string, other string) bool {
	if *got == "" {
		*got = other
	}
	return other == "" || *got == other
}
