package alipay

import (
	"bytes"
	"context"
	"testing"

	"cloudpay/internal/channel"
)

// keptCall is the last exchange of a call, as evidence keeps it.
func keptCall(t *testing.T, call func(ctx context.Context)) channel.Kept {
	t.Helper()
	var k channel.Kept
	call(channel.WithWitness(t.Context(), func(s channel.Sighting) {
		k = channel.Kept{URL: s.URL, Request: s.Request, Status: s.Status, Header: s.AnswerHeader, Body: s.Answer, Believed: true}
	}))
	if k.Status == 0 {
		t.Fatal("nothing was seen")
	}
	return k
}

// mustFindEveryByte changes one byte after the other: none may go unnoticed.
func mustFindEveryByte(t *testing.T, c *Channel, k channel.Kept, others ...channel.WalletKey) {
	t.Helper()
	if got := c.Recheck(k, others); got != channel.CheckVerified {
		t.Fatalf("untouched: %s", got)
	}
	for i := range k.Body {
		x := k
		x.Body = bytes.Clone(k.Body)
		x.Body[i] ^= 1
		if got := c.Recheck(x, others); got != channel.CheckFailed && got != channel.CheckNoFit {
			t.Errorf("byte %d changed: %s", i, got)
		}
	}
}

func TestAChangedByteOfAKeptAnswerOrNoticeIsFound(t *testing.T) {
	t.Parallel()
	c, _ := play(t, func(request) fieldsOf { return merge(success, paid, fieldsOf{"trade_status": "TRADE_SUCCESS"}) })
	k := keptCall(t, func(ctx context.Context) { c.Query(ctx, order) })
	mustFindEveryByte(t, c, k)
	mustFindEveryByte(t, c, channel.Kept{Notice: true, Body: posted(t, nil), Believed: true})
	refused := k
	refused.Believed, refused.Body = false, []byte(`{"error_response":{"code":"40002","msg":"Invalid Arguments"}}`)
	if got := c.Recheck(refused, nil); got != channel.CheckUnsigned {
		t.Errorf("an unsigned refusal: %s", got)
	}
	if refused.Believed = true; c.Recheck(refused, nil) != channel.CheckFailed {
		t.Error("what was believed has no signature, and nobody says so")
	}
}

// TestKeptBytesVerifyByTheCertificateOfTheirTime: a rotation takes nothing away
// from what was kept, as long as the certificate was.
func TestKeptBytesVerifyByTheCertificateOfTheirTime(t *testing.T) {
	t.Parallel()
	b := newCertBench(t)
	c := b.channel(t)
	k := keptCall(t, func(ctx context.Context) { c.Query(ctx, order) })
	if got := c.Recheck(k, nil); got != channel.CheckVerified {
		t.Errorf("at once: %s", got)
	}
	key := receiver(t) // in key mode: no certificate of its own
	if got := key.Recheck(k, nil); got != channel.CheckNoKey {
		t.Errorf("without the certificate: %s", got)
	}
	mustFindEveryByte(t, key, k, c.WalletKeys()...)
}
