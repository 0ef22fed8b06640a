package channel

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// heard is where a Poster leaves the time of the wallet.
type heard struct{ at atomic.Int64 } // Unix seconds, 0 for none

type heardKey struct{}

// WithWalletTime returns a context for one call of a wallet, and how to read
// afterwards what time it was there, to the second, when it answered last; zero
// if no answer said. It is the Date of the answer, which TLS vouches for.
func WithWalletTime(ctx context.Context) (context.Context, func() time.Time) {
	h := &heard{}
	return context.WithValue(ctx, heardKey{}, h), func() time.Time {
		if s := h.at.Load(); s > 0 {
			return time.Unix(s, 0).UTC()
		}
		return time.Time{}
	}
}

// hearTime notes the time of an answer for whoever asked for it.
func hearTime(ctx context.Context, header http.Header) {
	h, ok := ctx.Value(heardKey{}).(*heard)
	if !ok {
		return
	}
	if at, err := http.ParseTime(header.Get("Date")); err == nil {
		h.at.Store(at.Unix())
	}
}
