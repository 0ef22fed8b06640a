package gateway

import (
	"strings"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
)

// Work that a wallet did not answer waits in a lane of that wallet and merchant
// (jobs.Kind.Lanes): few at once, and one at a time once the wallet is known to
// be silent, so that an outage neither hammers the wallet nor takes the workers
// of others (docs/decisions/0046). What was answered is in no lane.

// silentLane names the lane for work of a merchant at a wallet: "" for none, while
// the wallet answers.
func (g *Gateway) silentLane(kind string, ch pay.Channel, merchantID string, silent bool) string {
	lane := string(ch) + "/" + merchantID
	if silent || g.runner.LaneOpen(kind, lane) {
		return lane
	}
	return ""
}

// answered says whether a wallet has answered: the zero value says that it was
// not asked.
type answered int

const (
	wasSilent answered = iota + 1
	hasAnswered
)

// answeredBy reads an outcome. Whatever the wallet said, it answered; what cannot
// be read or verified is no answer.
func answeredBy(out pay.Outcome) answered {
	if out.Lost {
		return wasSilent
	}
	return hasAnswered
}

// of tells the verdict of a job what its lane is like.
func (a answered) of(v jobs.Verdict) jobs.Verdict {
	if a == 0 {
		return v
	}
	return v.OfLane(a == hasAnswered)
}

// Silence is a wallet that does not answer for a merchant, as this process sees it.
type Silence struct {
	Channel    pay.Channel
	MerchantID string
	Kind       string    // of the work: "settle", "refund" or "refund_ask"
	Since      time.Time // of the first call that was not answered
	Failures   int       // calls in a row
	NextTry    time.Time
}

// Silent lists the wallets that do not answer, by merchant and kind of work. Other
// processes have their own view.
func (g *Gateway) Silent() (list []Silence) {
	for _, l := range g.runner.Lanes() {
		ch, merchant, found := strings.Cut(l.Lane, "/")
		if found && l.Open && l.Kind != kindCallback {
			list = append(list, Silence{
				Channel: pay.Channel(ch), MerchantID: merchant, Kind: l.Kind, Since: l.DownSince, Failures: l.Failures, NextTry: l.NextTry,
			})
		}
	}
	return list
}
