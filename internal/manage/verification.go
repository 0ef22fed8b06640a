package manage

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/textproto"

	"cloudpay/internal/channel"
	"cloudpay/internal/evidence"
	"cloudpay/internal/pay"
	"cloudpay/internal/timeline"
)

// Recheck is what checking kept bytes again came to.
type Recheck struct {
	Result string `json:"result" enum:"verified,failed,no_key,unsigned,refused,lost,incomplete" doc:"verified 签名有效；failed 与所签的不符；no_key 当时的密钥已不保存；unsigned 协议规定不签名；refused 当时即未采信，现在也验不过；lost 没有应答；incomplete 过长未存全"`
	Text   string `json:"text" doc:"说明"`
}

// Verification is the sum of all checks of one order.
type Verification struct {
	Good       bool  `json:"good" doc:"没有一条不符，也没有解不开的证据"`
	Counts     Tally `json:"counts" doc:"各种结果的条数"`
	Unreadable int   `json:"unreadable_pages" doc:"解不开的证据页数：被改动，或不是用本系统的密钥封存的"`
	Whole      bool  `json:"whole" doc:"证据全部看过；false 表示证据太多，只看了一部分"`
}

// Tally counts results.
type Tally struct {
	Verified   int `json:"verified" doc:"签名有效的条数"`
	Failed     int `json:"failed" doc:"与所签的不符的条数"`
	NoKey      int `json:"no_key" doc:"当时的密钥已不保存的条数"`
	Unsigned   int `json:"unsigned" doc:"协议规定不签名的条数"`
	Refused    int `json:"refused" doc:"当时即未采信的条数"`
	Lost       int `json:"lost" doc:"没有应答的条数"`
	Incomplete int `json:"incomplete" doc:"过长未存全的条数"`
}

// The results of Recheck that are none of channel.Check.
const (
	recheckRefused    = "refused"
	recheckLost       = "lost"
	recheckIncomplete = "incomplete"
)

// recheckTexts say what a result means.
var recheckTexts = map[string][2]string{
	string(channel.CheckVerified): {"重新验签：有效", "checked again: the signature holds"},
	string(channel.CheckFailed):   {"重新验签：不符！所存的字节不是钱包所签的", "checked again: FAILED, the kept bytes are not what the wallet signed"},
	string(channel.CheckNoKey):    {"重新验签：当时的密钥已不保存，无法判断", "checked again: the key of that time is no longer kept, nobody can tell"},
	string(channel.CheckUnsigned): {"重新验签：协议规定此类报文不签名", "checked again: by the protocol such a message is not signed"},
	recheckRefused:                {"重新验签：验不过；当时也已拒绝，未采信", "checked again: it does not verify, and was not believed then either"},
	recheckLost:                   {"没有应答，无可验签", "no answer came, there is nothing to check"},
	recheckIncomplete:             {"过长，字节未存全，无法验签", "too long to be kept whole, it cannot be checked"},
}

// verify checks every kept answer and notice of an explanation again, and adds
// the results to its entries.
func (s *Server) verify(ctx context.Context, o pay.Order, e *timeline.Explanation, into []TimelineEntry, english bool) (*Verification, error) {
	v := &Verification{Unreadable: e.Unreadable, Whole: !e.Stopped}
	which := 0
	if english {
		which = 1
	}
	for i, entry := range e.Entries {
		if entry.Said == nil {
			continue
		}
		for n := range entry.Said.Exchanges {
			result, err := s.recheck(ctx, o, entry.Said, n)
			if err != nil {
				return nil, err
			}
			v.Counts.add(result)
			into[i].Checks = append(into[i].Checks, Recheck{Result: result, Text: recheckTexts[result][which]})
		}
	}
	v.Good = v.Counts.Failed == 0 && v.Unreadable == 0
	return v, nil
}

func (t *Tally) add(result string) {
	switch result {
	case string(channel.CheckVerified):
		t.Verified++
	case string(channel.CheckNoKey):
		t.NoKey++
	case string(channel.CheckUnsigned):
		t.Unsigned++
	case recheckRefused:
		t.Refused++
	case recheckLost:
		t.Lost++
	case recheckIncomplete:
		t.Incomplete++
	default: // whatever is not known to be well
		t.Failed++
	}
}

// recheck checks exchange n of a record. What was not believed when it came is
// no failure now: anybody may send a notice.
func (s *Server) recheck(ctx context.Context, o pay.Order, r *evidence.Record, n int) (string, error) {
	x := r.Exchanges[n]
	if x.Lost != "" {
		return recheckLost, nil
	}
	if s.Wallets == nil {
		return string(channel.CheckNoKey), nil
	}
	last := n == len(r.Exchanges)-1
	k := channel.Kept{Notice: r.Kind == evidence.Notice, URL: x.URL, Request: x.Request, Status: int(x.Status), Header: headerOf(x.AnswerHeader), Body: x.Answer, Believed: r.Verified && last}
	if k.Notice {
		k.Request, k.Header, k.Body = nil, headerOf(x.Header), x.Request
	}
	got, err := s.Wallets.Recheck(ctx, o.ProviderID, r.Channel, r.At, k)
	if err != nil {
		return "", err
	}
	// Only what is signed makes a payment paid or keeps it waiting.
	money := r.Kind == evidence.Call && (pay.Kind(r.Verdict) == pay.Paid || pay.Kind(r.Verdict) == pay.Waiting)
	if got == channel.CheckUnsigned && k.Believed && money {
		got = channel.CheckFailed
	}
	switch {
	case got == channel.CheckFailed && x.Cut > 0:
		return recheckIncomplete, nil
	case got == channel.CheckFailed && last && !r.Verified:
		return recheckRefused, nil
	}
	return string(got), nil
}

// headerOf reads lines of "Name: value" as evidence keeps them.
func headerOf(raw evidence.Raw) http.Header {
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(raw), "\r\n"...)))).ReadMIMEHeader()
	if err != nil {
		return http.Header{} // then nothing verifies
	}
	return http.Header(h)
}
