package manage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

const (
	// answersKept is how long a repeated request gets the first one's answer.
	answersKept = 24 * time.Hour
	// sweepEvery bounds how often old answers are looked for.
	sweepEvery = time.Hour
	// maxIdemKey is the longest Idempotency-Key: two UUIDs.
	maxIdemKey = 80
)

// recorder keeps an answer until it is stored.
type recorder struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{head: http.Header{}} }

// Header returns the header that will be sent.
func (r *recorder) Header() http.Header { return r.head }

// WriteHeader keeps the first status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write keeps a part of the body.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

// send gives the answer to the caller.
func (r *recorder) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.head)
	r.WriteHeader(http.StatusOK)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) //nolint:gosec // JSON, and nosniff says so
}

// problem makes the answer a problem.
func (r *recorder) problem(p *Problem) *recorder {
	writeProblem(r, p)
	return r
}

// once runs a write. With an Idempotency-Key it runs at most once per actor and
// key: a repetition gets the first answer, another request under the same key
// is refused, and one whose first attempt did not end is told to look first.
func (s *Server) once(r *http.Request, a *actor, body []byte) *recorder {
	rec := newRecorder()
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		s.route(rec, r)
		return rec
	}
	if len(key) > maxIdemKey || !printable(key) {
		return rec.problem(newProblem(http.StatusUnprocessableEntity, "idempotency_key", fmt.Sprintf("Idempotency-Key 应为 1 到 %d 个可见字符", maxIdemKey)))
	}
	ctx, now := r.Context(), s.Now()
	s.sweep(ctx, now)
	mine := store.Answer{Actor: string(a.Kind) + ":" + a.ID, Key: key, Request: requestHash(r, body), At: now}
	held, won, err := s.Store.TakeAnswer(ctx, mine, now.Add(-answersKept))
	switch {
	case errors.Is(err, pay.ErrNotFound): // its holder gave it back in this moment
		return rec.problem(unfinished())
	case err != nil:
		return rec.problem(s.refusal(ctx, err))
	case !won:
		return s.replay(ctx, rec, mine, held)
	}
	ended := false
	defer func() {
		if !ended { // it panicked: the key stays taken, because nobody knows how far it came
			s.Log.ErrorContext(ctx, "a request with an idempotency key did not end", slog.String("actor", a.ID))
		}
	}()
	// What was begun is finished, whoever went away: half a change helps nobody.
	s.route(rec, r.WithContext(context.WithoutCancel(ctx)))
	ended = true
	s.keep(context.WithoutCancel(ctx), held, rec)
	return rec
}

// keep stores an answer. A refusal gives the key back, because nothing was
// changed; after a failure of ours the key stays taken without an answer.
func (s *Server) keep(ctx context.Context, held store.Answer, rec *recorder) {
	var err error
	switch {
	case rec.status >= http.StatusInternalServerError:
		return
	case rec.status >= http.StatusBadRequest:
		err = s.Store.DropAnswer(ctx, held)
	default:
		held.Status = rec.status
		if held.Sealed, err = s.seal(ctx, held, rec); err == nil {
			err = s.Store.FinishAnswer(ctx, held)
		}
	}
	if err != nil {
		s.Log.WarnContext(ctx, "answer not kept for repetitions", slog.String("actor", held.Actor), slog.String("error", err.Error()))
	}
}

// seal makes an answer fit for the database: it may hold a key. What is sealed
// is the content type, a line feed and the body.
func (s *Server) seal(ctx context.Context, held store.Answer, rec *recorder) ([]byte, error) {
	key, err := s.Directory.Vault(ctx)
	if err != nil {
		return nil, err
	}
	return key.Seal(placeOf(held), secret.New(rec.head.Get("Content-Type")+"\n"+rec.body.String())), nil
}

// unseal is the inverse of seal.
func (s *Server) unseal(ctx context.Context, held store.Answer) (contentType, body string, err error) {
	key, err := s.Directory.Vault(ctx)
	if err != nil {
		return "", "", err
	}
	text, err := key.Open(placeOf(held), held.Sealed)
	if err != nil {
		return "", "", err
	}
	contentType, body, _ = strings.Cut(text.Reveal(), "\n")
	return contentType, body, nil
}

// replay answers a request whose key is taken.
func (s *Server) replay(ctx context.Context, rec *recorder, mine, held store.Answer) *recorder {
	if mine.Request != held.Request {
		return rec.problem(newProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "Idempotency-Key 已用于另一个请求"))
	}
	if held.Status == 0 {
		return rec.problem(unfinished())
	}
	contentType, body, err := s.unseal(ctx, held)
	if err != nil {
		return rec.problem(newProblem(http.StatusConflict, "idempotency_unfinished", "该请求已经执行，但应答已无法重现，请查询结果"))
	}
	if contentType != "" {
		rec.head.Set("Content-Type", contentType)
	}
	rec.head.Set("Idempotent-Replayed", "true")
	rec.WriteHeader(held.Status)
	_, _ = rec.body.WriteString(body)
	return rec
}

// unfinished answers for a key whose first attempt has no answer.
func unfinished() *Problem {
	return newProblem(http.StatusConflict, "idempotency_unfinished", "同一个 Idempotency-Key 的请求尚未完成或结果未知，请先查询再用新的 Key 重试")
}

// sweep forgets old answers, at most once per sweepEvery.
func (s *Server) sweep(ctx context.Context, now time.Time) {
	last := s.swept.Load()
	if now.Unix()-last < int64(sweepEvery.Seconds()) || !s.swept.CompareAndSwap(last, now.Unix()) {
		return
	}
	if err := s.Store.SweepAnswers(ctx, now.Add(-answersKept)); err != nil {
		s.Log.WarnContext(ctx, "old answers not forgotten", slog.String("error", err.Error()))
	}
}

// requestHash says what a request asks for.
func requestHash(r *http.Request, body []byte) string {
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// placeOf binds a sealed answer to its row.
func placeOf(a store.Answer) secret.Place {
	return secret.Place{Purpose: "answer", Owner: a.Actor + "\x00" + a.Key + "\x00" + a.Request}
}

// printable reports whether s is visible ASCII.
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
