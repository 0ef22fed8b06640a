package manage

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

const (
	// tokenMark begins every token, so that a search for leaked ones finds them.
	tokenMark = "cpt_"
	// tokenBytes are random: 256 bits need no slow hash.
	tokenBytes = 32
	// touchEvery is how exactly the last use of a token is known. A commit per
	// request would be too dear for a figure that a person looks at.
	touchEvery = time.Minute
)

// ByToken is the kind of actor that a bearer token is, in the audit trail.
const ByToken directory.ActorKind = "token"

// newToken makes a token and its hash.
func newToken() (token secret.Secret, hash string, err error) {
	b := make([]byte, tokenBytes)
	if _, err := rand.Read(b); err != nil {
		return secret.Secret{}, "", fmt.Errorf("make token: %w", err)
	}
	text := tokenMark + base64.RawURLEncoding.EncodeToString(b)
	return secret.New(text), hashOf(text), nil
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// operatorKey carries the name of an operator at the command line. Only code
// of this process can set it: no header leads here.
type operatorKey struct{}

// AsOperator returns a context whose requests, given to ServeHTTP in this
// process, are made by whoever runs the installation. name goes into the audit
// trail.
func AsOperator(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, operatorKey{}, name)
}

// errUnauthenticated answers for a missing, unknown, expired and revoked token
// alike.
func errUnauthenticated() error {
	return newProblem(http.StatusUnauthorized, "token", "缺少令牌，或令牌无效、已过期、已吊销")
}

// authenticate finds out who makes a request.
func (s *Server) authenticate(r *http.Request) (*actor, error) {
	if name, ok := r.Context().Value(operatorKey{}).(string); ok {
		return &actor{ID: name, Name: name, Kind: directory.ByCommand, Grants: Grants{Role: RoleOperator}}, nil
	}
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(text, tokenMark) {
		return nil, errUnauthenticated()
	}
	// Looking a hash up tells nobody how much of a guess was right.
	t, err := s.Store.TokenByHash(r.Context(), hashOf(text))
	if errors.Is(err, pay.ErrNotFound) {
		return nil, errUnauthenticated()
	} else if err != nil {
		return nil, err
	}
	now := s.Now()
	if !t.RevokedAt.IsZero() || !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
		return nil, errUnauthenticated()
	}
	var g Grants
	if err := json.Unmarshal([]byte(t.Grants), &g); err != nil {
		return nil, fmt.Errorf("grants of token %s are not readable", t.ID)
	}
	if now.Sub(t.UsedAt) >= touchEvery {
		if err := s.Store.TouchToken(r.Context(), t.ID, now); err != nil {
			s.Log.WarnContext(r.Context(), "use of a token not noted", slog.String("token", t.ID), slog.String("error", err.Error()))
		}
	}
	return &actor{ID: t.ID, Name: t.Name, Kind: ByToken, Grants: g, host: r.Host}, nil
}
