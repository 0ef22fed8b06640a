package wxpay

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/secret"
)

// kept is the last exchange of a call, as evidence keeps it.
func kept(t *testing.T, call func(ctx context.Context)) channel.Kept {
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
	found := func(k channel.Kept, where string, i int) {
		t.Helper()
		if got := c.Recheck(k, others); got != channel.CheckFailed && got != channel.CheckNoFit {
			t.Errorf("%s, byte %d changed: %s", where, i, got)
		}
	}
	for i := range k.Body {
		x := k
		x.Body = bytes.Clone(k.Body)
		x.Body[i] ^= 1
		found(x, "body", i)
	}
	for _, name := range []string{headerSerial, headerSignature, headerTimestamp, headerNonce, headerType} {
		value := k.Header.Get(name)
		for i := range len(value) {
			b := []byte(value)
			b[i] ^= 1
			x := k
			x.Header = maps.Clone(k.Header)
			x.Header[name] = []string{string(b)}
			found(x, name, i)
		}
	}
}

func TestAChangedByteOfAKeptV3AnswerIsFound(t *testing.T) {
	t.Parallel()
	c, w := play3(t, says(paid3))
	k := kept(t, func(ctx context.Context) { c.Query(ctx, order) })
	mustFindEveryByte(t, c, k)
	notice := []byte(notice3(t, "TRANSACTION.SUCCESS", paid3).json())
	mustFindEveryByte(t, c, channel.Kept{Notice: true, Header: signedHeader(pairs()[1], pairs()[1].serial, testNow, notice), Body: notice, Believed: true})
	// Long after: the process is another and knows no certificate but the kept one.
	later := w.channel()
	if got := later.Recheck(k, nil); got != channel.CheckNoKey {
		t.Errorf("without the certificate: %s", got)
	}
	mustFindEveryByte(t, later, k, c.WalletKeys()...)
	byKey := w.channel(withPublicKey)
	answer := kept(t, func(ctx context.Context) { byKey.Query(ctx, order) })
	mustFindEveryByte(t, byKey, answer)
	if got := later.Recheck(answer, byKey.WalletKeys()); got != channel.CheckVerified {
		t.Errorf("with the kept public key: %s", got)
	}
}

func TestV3RefusalsAreUnsignedAndSuccessesAreNot(t *testing.T) {
	t.Parallel()
	c, _ := play3(t, says(paid3))
	k := kept(t, func(ctx context.Context) { c.Query(ctx, order) })
	bare := k
	bare.Header = http.Header{}
	if got := c.Recheck(bare, nil); got != channel.CheckFailed {
		t.Errorf("a success whose signature was taken away: %s", got)
	}
	bare.Status, bare.Body = http.StatusNotFound, []byte(`{"code":"ORDER_NOT_EXIST","message":"no"}`)
	if got := c.Recheck(bare, nil); got != channel.CheckUnsigned {
		t.Errorf("a refusal: %s", got)
	}
}

func TestAChangedByteOfAKeptV2AnswerIsFound(t *testing.T) {
	t.Parallel()
	for _, st := range []SignType{SignMD5, SignHMAC} {
		c, w := play(t, st, func(request) fieldsOf { return merge(common, paid) })
		k := kept(t, func(ctx context.Context) { c.Query(ctx, order) })
		mustFindEveryByte(t, c, k)
		mustFindEveryByte(t, c, channel.Kept{Notice: true, Body: w.sealed(merge(common, paid)), Believed: true})
		conf := w.config(t)
		conf.APIKey = secret.New("fedcba9876543210fedcba9876543210")
		other, err := New(conf)
		if err != nil {
			t.Fatal(err)
		}
		if got := other.Recheck(k, nil); got != channel.CheckNoFit {
			t.Errorf("with another key: %s", got)
		}
		refusal := k
		refusal.Believed, refusal.Body = false, []byte(`<xml><return_code>FAIL</return_code><return_msg>no</return_msg></xml>`)
		if got := c.Recheck(refusal, nil); got != channel.CheckUnsigned {
			t.Errorf("an unsigned refusal: %s", got)
		}
		info := fieldsOf{"raw": "<xml><return_code>SUCCESS</return_code><req_info>" + encryptInfo(t, "<root></root>", testKey) + "</req_info></xml>"}
		if got := c.Recheck(channel.Kept{Notice: true, Body: w.sealed(info), Believed: true}, nil); got != channel.CheckUnsigned {
			t.Errorf("a refund notice: %s", got)
		}
	}
}
