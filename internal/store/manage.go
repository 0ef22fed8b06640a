package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// MaxTokens is the most tokens that a list returns: tokens are for programs,
// and an installation has dozens.
const MaxTokens = 500

// Token is one bearer token of the management API as it is kept: without the
// token itself. Times are zero when they have not happened.
type Token struct {
	ID        string
	Hash      string // SHA-256 of the token, hex
	Name      string
	Grants    string // JSON, the management API's
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // zero for never
	UsedAt    time.Time // to the minute
	RevokedAt time.Time
}

// AddToken stores a token. won is false when its id or hash is taken.
func (s *Store) AddToken(ctx context.Context, t Token) (won bool, err error) {
	u, q := s.newUnit("", "")
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		r, err := q.GetToken(ctx, t.ID)
		if errors.Is(absent(err), pay.ErrNotFound) {
			return false, nil
		}
		return r.Unit == u.id, err
	}
	u.add(1)(q.InsertToken(ctx, sqlcgen.InsertTokenParams{
		ID: t.ID, Hash: t.Hash, Name: t.Name, Grants: t.Grants, Unit: u.id, CreatedBy: t.CreatedBy,
		CreatedMs: ms(t.CreatedAt), ExpiresMs: ms(t.ExpiresAt),
	}))
	won, err = s.submit(ctx, u)
	return won, wrap("add token", err)
}

// RevokeToken ends a token at a time. won is false when it is unknown or has
// been revoked before.
func (s *Store) RevokeToken(ctx context.Context, id string, at time.Time) (won bool, err error) {
	u, q := s.newUnit("", "")
	u.add(1)(q.RevokeToken(ctx, sqlcgen.RevokeTokenParams{ID: id, RevokedMs: ms(at)}))
	won, err = s.submit(ctx, u)
	return won, wrap("revoke token", err)
}

// TouchToken notes that a token was used.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time) error {
	u, q := s.newUnit("", "")
	u.add(1)(q.TouchToken(ctx, sqlcgen.TouchTokenParams{ID: id, UsedMs: ms(at)}))
	_, err := s.submit(ctx, u)
	return wrap("note the use of a token", err)
}

// Token reads a token by its id, or returns an error that wraps pay.ErrNotFound.
func (s *Store) Token(ctx context.Context, id string) (Token, error) {
	r, err := s.read.GetToken(ctx, id)
	if err != nil {
		return Token{}, fmt.Errorf("read token %s: %w", id, absent(err))
	}
	return tokenOf(r), nil
}

// TokenByHash reads a token by the hash of what its bearer shows, or returns an
// error that wraps pay.ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash string) (Token, error) {
	r, err := s.read.GetTokenByHash(ctx, hash)
	if err != nil {
		return Token{}, fmt.Errorf("read token: %w", absent(err))
	}
	return tokenOf(r), nil
}

// Tokens lists tokens in the order of their ids, after one of them.
func (s *Store) Tokens(ctx context.Context, after string, limit int) ([]Token, error) {
	if limit < 1 || limit > MaxTokens {
		return nil, fmt.Errorf("list tokens: limit must be between 1 and %d", MaxTokens)
	}
	rows, err := s.read.ListTokens(ctx, sqlcgen.ListTokensParams{After: after, RowLimit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return mapped(rows, tokenOf), nil
}

func tokenOf(r sqlcgen.Token) Token {
	return Token{
		ID: r.ID, Hash: r.Hash, Name: r.Name, Grants: r.Grants, CreatedBy: r.CreatedBy, CreatedAt: at(r.CreatedMs),
		ExpiresAt: at(r.ExpiresMs), UsedAt: at(r.UsedMs), RevokedAt: at(r.RevokedMs),
	}
}

// Answer is what became of a write that carried an Idempotency-Key. Status is 0
// while there is no answer; Sealed is opaque here.
type Answer struct {
	Actor   string
	Key     string
	Request string // hash of the request
	Unit    string // who took the key
	Status  int
	Sealed  []byte
	At      time.Time
}

// TakeAnswer claims a key for a request that is about to run. A row that is
// older than since counts as none. won is false when the key is taken: held is
// the row that has it.
func (s *Store) TakeAnswer(ctx context.Context, a Answer, since time.Time) (held Answer, won bool, err error) {
	u, q := s.newUnit("", "")
	u.found = func(ctx context.Context, q *sqlcgen.Queries) (bool, error) {
		r, err := q.GetAnswer(ctx, sqlcgen.GetAnswerParams{Actor: a.Actor, IdemKey: a.Key})
		if errors.Is(absent(err), pay.ErrNotFound) {
			return false, nil
		}
		return r.Unit == u.id, err
	}
	u.add(1)(q.TakeAnswer(ctx, sqlcgen.TakeAnswerParams{
		Actor: a.Actor, IdemKey: a.Key, Request: a.Request, Unit: u.id, Answer: []byte{}, CreatedMs: ms(a.At), SinceMs: ms(since),
	}))
	if won, err = s.submit(ctx, u); err != nil {
		return Answer{}, false, wrap("take idempotency key", err)
	}
	if won {
		a.Unit = u.id
		return a, true, nil
	}
	r, err := s.read.GetAnswer(ctx, sqlcgen.GetAnswerParams{Actor: a.Actor, IdemKey: a.Key})
	if err != nil {
		return Answer{}, false, fmt.Errorf("read idempotency key: %w", absent(err))
	}
	return Answer{
		Actor: r.Actor, Key: r.IdemKey, Request: r.Request, Unit: r.Unit, Status: int(r.Status), Sealed: r.Answer, At: at(r.CreatedMs),
	}, false, nil
}

// FinishAnswer keeps the answer to the request that took the key.
func (s *Store) FinishAnswer(ctx context.Context, a Answer) error {
	u, q := s.newUnit("", "")
	u.add(1)(q.FinishAnswer(ctx, sqlcgen.FinishAnswerParams{
		Status: int64(a.Status), Answer: sealed(a.Sealed), Actor: a.Actor, IdemKey: a.Key, Unit: a.Unit,
	}))
	_, err := s.submit(ctx, u)
	return wrap("keep the answer", err)
}

// DropAnswer gives a key back whose request changed nothing.
func (s *Store) DropAnswer(ctx context.Context, a Answer) error {
	u, q := s.newUnit("", "")
	u.add(1)(q.DropAnswer(ctx, sqlcgen.DropAnswerParams{Actor: a.Actor, IdemKey: a.Key, Unit: a.Unit}))
	_, err := s.submit(ctx, u)
	return wrap("give back an idempotency key", err)
}

// SweepAnswers forgets every answer from before a time.
func (s *Store) SweepAnswers(ctx context.Context, before time.Time) error {
	u, q := s.newUnit("", "")
	u.add(anyRows)(q.SweepAnswers(ctx, ms(before)))
	_, err := s.submit(ctx, u)
	return wrap("sweep idempotency keys", err)
}
