package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

func day(n int) time.Time { return time.Date(2026, 11, n, 1, 2, 3, 4_000_000, time.UTC) }

func TestTokensAreKeptUsedAndRevoked(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			ctx := t.Context()
			a := store.Token{ID: "a", Hash: "hash a", Name: "till", Grants: `{"role":"ops"}`, CreatedBy: "command:x", CreatedAt: day(1), ExpiresAt: day(9)}
			b := store.Token{ID: "b", Hash: "hash b", Name: "other", Grants: "{}", CreatedBy: "command:x", CreatedAt: day(2)}
			for _, row := range []store.Token{a, b} {
				if won, err := s.AddToken(ctx, row); !won || err != nil {
					t.Fatalf("AddToken = %v, %v", won, err)
				}
			}
			for _, row := range []store.Token{{ID: "a", Hash: "new"}, {ID: "new", Hash: "hash a"}} {
				if won, err := s.AddToken(ctx, row); won || err != nil {
					t.Errorf("AddToken(%+v) = %v, %v, want it refused", row, won, err)
				}
			}
			same(t, "by id", got[store.Token](t)(s.Token(ctx, "a")), a)
			same(t, "by hash", got[store.Token](t)(s.TokenByHash(ctx, "hash b")), b)
			same(t, "first page", got[[]store.Token](t)(s.Tokens(ctx, "", 1)), []store.Token{a})
			same(t, "second page", got[[]store.Token](t)(s.Tokens(ctx, "a", 5)), []store.Token{b})

			for _, at := range []time.Time{day(5), day(4)} { // an older use does not turn back the clock
				if err := s.TouchToken(ctx, "a", at); err != nil {
					t.Fatal(err)
				}
			}
			a.UsedAt = day(5)
			same(t, "used", got[store.Token](t)(s.Token(ctx, "a")), a)
			for i, want := range []bool{true, false} {
				if won, err := s.RevokeToken(ctx, "a", day(6+i)); won != want || err != nil {
					t.Errorf("revoke %d = %v, %v, want %v", i, won, err, want)
				}
			}
			a.RevokedAt = day(6)
			same(t, "revoked", got[store.Token](t)(s.Token(ctx, "a")), a)
			_, e1 := s.Token(ctx, "nobody")
			_, e2 := s.TokenByHash(ctx, "nobody")
			if !errors.Is(e1, pay.ErrNotFound) || !errors.Is(e2, pay.ErrNotFound) {
				t.Errorf("unknown tokens: %v, %v, want ErrNotFound", e1, e2)
			}
			for _, limit := range []int{0, store.MaxTokens + 1} {
				if _, err := s.Tokens(ctx, "", limit); err == nil {
					t.Errorf("a list of %d is allowed", limit)
				}
			}
		})
	}
}

func TestAnIdempotencyKeyIsTakenOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			ctx := t.Context()
			want := store.Answer{Actor: "token:a", Key: "k", Request: "r1", At: day(2)}
			var wg sync.WaitGroup
			winners := make(chan store.Answer, 8)
			for range 8 {
				wg.Go(func() {
					held, won, err := s.TakeAnswer(ctx, want, day(1))
					if err != nil {
						t.Error(err)
					}
					if won {
						winners <- held
					}
				})
			}
			wg.Wait()
			close(winners)
			first, ok := <-winners
			if _, more := <-winners; !ok || more {
				t.Fatalf("not exactly one request took the key")
			}
			other := want
			other.Actor = "token:b" // another's key of the same name
			if _, won, err := s.TakeAnswer(ctx, other, day(1)); !won || err != nil {
				t.Errorf("another actor's key = %v, %v", won, err)
			}
			first.Status, first.Sealed = 201, []byte("sealed")
			stale := first
			stale.Unit, stale.Status = "somebody else", 500
			if err := errors.Join(s.FinishAnswer(ctx, first), s.FinishAnswer(ctx, stale), s.DropAnswer(ctx, stale)); err != nil {
				t.Fatal(err)
			}
			again := store.Answer{Actor: "token:a", Key: "k", Request: "r2", At: day(3)}
			held, won, err := s.TakeAnswer(ctx, again, day(2))
			if won || err != nil {
				t.Fatalf("a taken key = %v, %v", won, err)
			}
			same(t, "held", held, first)
			if _, won, err := s.TakeAnswer(ctx, again, day(3)); !won || err != nil { // the first is older than that
				t.Errorf("an old key = %v, %v, want it to be free", won, err)
			}
		})
	}
}

func TestKeysAreGivenBackAndForgotten(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			ctx := t.Context()
			take := func(key string, at time.Time) store.Answer {
				held, won, err := s.TakeAnswer(ctx, store.Answer{Actor: "a", Key: key, Request: "r", At: at}, day(1))
				if err != nil {
					t.Fatal(err)
				}
				if !won {
					held.Unit = ""
				}
				return held
			}
			mine := take("back", day(2))
			if err := s.DropAnswer(ctx, mine); err != nil || take("back", day(2)).Unit == "" {
				t.Errorf("a key that was given back is still taken: %v", err)
			}
			take("old", day(2))
			take("young", day(4))
			if err := s.SweepAnswers(ctx, day(3)); err != nil {
				t.Fatal(err)
			}
			if take("old", day(4)).Unit == "" || take("young", day(4)).Unit != "" {
				t.Error("SweepAnswers did not forget exactly what is old")
			}
		})
	}
}
