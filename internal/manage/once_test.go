package manage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cloudpay/internal/store"
)

func TestOneKeyCreatesOneProvider(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var wg sync.WaitGroup
	codes := make(chan int, 8)
	for range 8 {
		wg.Go(func() {
			w := h.do(t.Context(), request{token: tokens["operator"], method: "POST", path: "/v1/providers", body: `{"name":"同一个"}`, key: "same"})
			codes <- w.Code
		})
	}
	wg.Wait()
	close(codes)
	for c := range codes {
		if c != http.StatusCreated && c != http.StatusConflict {
			t.Errorf("a repetition: %d, want the first answer or 409 while it runs", c)
		}
	}
	if w := h.as(t, "operator", "GET", "/v1/providers", ""); strings.Count(w.Body.String(), "同一个") != 1 {
		t.Errorf("there are %d providers, want 1", strings.Count(w.Body.String(), "同一个"))
	}
}

func TestAnotherActorsKeyIsAnotherKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, who := range []string{"provider", "agent"} {
		body := `{"out_mch_id":"` + providerA + `","company_name":"店","sub_provider_id":"sub1"}`
		if w := h.do(t.Context(), request{token: tokens[who], method: "POST", path: "/v1/merchants", body: body, key: "k"}); w.Code != http.StatusCreated || w.Header().Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
}

func TestAKeyIsFreeAfterARefusalAndAfterADay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	post := func(body string) (int, bool) {
		w := h.do(t.Context(), request{token: tokens["operator"], method: "POST", path: "/v1/providers", body: body, key: "k"})
		return w.Code, w.Header().Get("Idempotent-Replayed") != ""
	}
	if code, _ := post(`{"name":1}`); code != http.StatusUnprocessableEntity {
		t.Fatalf("a bad body: %d", code)
	}
	if code, replayed := post(`{"name":"a"}`); code != http.StatusCreated || replayed {
		t.Fatalf("the corrected body: %d, %v", code, replayed)
	}
	h.clock.advance(24*time.Hour - time.Minute)
	if code, replayed := post(`{"name":"a"}`); code != http.StatusCreated || !replayed {
		t.Errorf("within a day: %d, %v, want the first answer", code, replayed)
	}
	h.clock.advance(2 * time.Minute)
	if code, replayed := post(`{"name":"b"}`); code != http.StatusCreated || replayed {
		t.Errorf("after a day: %d, %v, want a new provider", code, replayed)
	}
}

// TestAnAttemptThatDidNotEndIsNotRepeated is a crash between the write and its
// answer: nobody knows how far it came.
func TestAnAttemptThatDidNotEndIsNotRepeated(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const body = `{"name":"half"}`
	sum := sha256.Sum256([]byte("4:POST13:/v1/providers0:" + body))
	held := store.Answer{Actor: "token:" + h.id(t, "operator"), Key: "k", Request: hex.EncodeToString(sum[:]), At: h.clock.now()}
	if _, won, err := h.store.TakeAnswer(t.Context(), held, time.Time{}); err != nil || !won {
		t.Fatalf("TakeAnswer = %v, %v", won, err)
	}
	w := h.do(t.Context(), request{token: tokens["operator"], method: "POST", path: "/v1/providers", body: body, key: "k"})
	if p := problemOf(t, w); w.Code != http.StatusConflict || !strings.HasSuffix(p.Type, "idempotency_unfinished") {
		t.Errorf("repeated: %d %s, want 409", w.Code, w.Body)
	}
	if w := h.as(t, "operator", "GET", "/v1/providers", ""); strings.Contains(w.Body.String(), "half") {
		t.Error("it was done again")
	}
}

// TestACallerWhoGoesAwayDoesNotHalveAChange lets the caller die before the
// request is read.
func TestACallerWhoGoesAwayDoesNotHalveAChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	q := request{token: tokens["operator"], method: "POST", path: "/v1/providers", body: `{"name":"whole"}`, key: "k"}
	dying, cancel := context.WithCancel(t.Context())
	cancel()
	_ = h.do(dying, q)
	if w := h.do(t.Context(), q); w.Code != http.StatusCreated && w.Code != http.StatusConflict {
		t.Errorf("repeated: %d %s, want it done or told to look", w.Code, w.Body)
	}
	if w := h.as(t, "operator", "GET", "/v1/providers", ""); strings.Count(w.Body.String(), "whole") > 1 {
		t.Error("it was done twice")
	}
}

func TestKeptAnswersAreSealed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.do(t.Context(), request{
		token: tokens["provider"], method: "POST", path: "/v1/merchants/" + merchantA + "/keys", body: `{"new_authen_key":true}`, key: "k",
	})
	_, after, found := strings.Cut(w.Body.String(), `"authen_key":"`)
	if w.Code != http.StatusCreated || !found {
		t.Fatalf("rotate: %d %s", w.Code, w.Body)
	}
	key, _, _ := strings.Cut(after, `"`)
	held, won, err := h.store.TakeAnswer(t.Context(), store.Answer{Actor: "token:" + h.id(t, "provider"), Key: "k", Request: "?"}, time.Time{})
	if err != nil || won {
		t.Fatalf("the answer is not kept: %v", err)
	}
	if held.Status != http.StatusCreated || bytes.Contains(held.Sealed, []byte(key)) {
		t.Errorf("the kept answer has status %d, or shows the key", held.Status)
	}
	if again := h.do(t.Context(), request{
		token: tokens["provider"], method: "POST", path: "/v1/merchants/" + merchantA + "/keys", body: `{"new_authen_key":true}`, key: "k",
	}); !strings.Contains(again.Body.String(), key) {
		t.Error("the repetition does not give the key that a lost answer held")
	}
}

func TestKeysThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, key := range []string{strings.Repeat("k", 81), "a b", "钥匙"} {
		w := h.do(t.Context(), request{token: tokens["operator"], method: "POST", path: "/v1/providers", body: `{"name":"a"}`, key: key})
		if p := problemOf(t, w); w.Code != http.StatusUnprocessableEntity || !strings.HasSuffix(p.Type, "idempotency_key") {
			t.Errorf("%.10q: %d %s, want 422", key, w.Code, w.Body)
		}
	}
}
