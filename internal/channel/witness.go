package channel

import (
	"context"
	"net/http"
)

// Sighting is one request as it left for a wallet, and what came back. Its
// bytes hold payment codes and whatever else a wallet is told: they may only be
// kept sealed. They are shared with whoever made the call and must not be changed.
type Sighting struct {
	Method  string
	URL     string // the host that was called, which may be Call.Backup's
	Header  http.Header
	Request []byte
	// Status, AnswerHeader and Answer are what came back; 0 and nil when Lost
	// says that nothing usable did.
	Status       int
	AnswerHeader http.Header
	Answer       []byte
	Lost         LostError // "" when there is an answer
}

// Witness is told of every request of one call, after its answer or its loss.
// It must be quick: the call waits for it.
type Witness func(Sighting)

type witnessKey struct{}

// WithWitness returns a context whose calls w is told of. Who keeps evidence
// makes it; adapters need not know.
func WithWitness(ctx context.Context, w Witness) context.Context {
	return context.WithValue(ctx, witnessKey{}, w)
}

// witnessed tells the witness of ctx, if there is one.
func witnessed(ctx context.Context, c Call, to string, a Answer, err error) {
	w, ok := ctx.Value(witnessKey{}).(Witness)
	if !ok {
		return
	}
	s := Sighting{Method: c.Method, URL: to, Header: c.Header, Request: c.Body, Status: a.Status, AnswerHeader: a.Header, Answer: a.Body}
	if err != nil {
		s.Lost = lossOf(ctx, err)
	}
	w(s)
}
