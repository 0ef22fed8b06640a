package evidence_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cloudpay/internal/channel"
	"cloudpay/internal/evidence"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/storetest"
)

// answering is a wallet that answers everything with one outcome, after a
// request through a Poster.
type answering struct {
	channel.Channel
	poster *channel.Poster
	to     *url.URL
}

var said = pay.Outcome{Kind: pay.Waiting, Verified: true, Code: "USERPAYING", Reason: "paying", Text: "等待"}

func (a answering) send(ctx context.Context, body string) pay.Outcome {
	_, err := a.poster.Send(ctx, channel.Call{
		Method: http.MethodPost, URL: a.to, Header: http.Header{"Authorization": {"signed"}, "X-Other": {"1"}}, Body: []byte(body),
	})
	if err != nil {
		return pay.Outcome{Kind: pay.Unknown, Lost: true}
	}
	return said
}

func (a answering) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	return a.send(ctx, "pay "+r.OutTradeNo)
}

func (a answering) Prepay(ctx context.Context, r channel.PrepayRequest) channel.PrepayOutcome {
	return channel.PrepayOutcome{Outcome: a.send(ctx, "prepay "+r.OutTradeNo)}
}

func (a answering) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	return a.send(ctx, "query "+r.OutTradeNo)
}

func (a answering) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	return a.send(ctx, "reverse "+r.OutTradeNo)
}

func (a answering) Close(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	return a.send(ctx, "close "+r.OutTradeNo)
}

func (a answering) Refund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	return channel.RefundOutcome{Outcome: a.send(ctx, "refund "+r.OutTradeNo)}
}

func (a answering) QueryRefund(ctx context.Context, r channel.RefundRequest) channel.RefundOutcome {
	return channel.RefundOutcome{Outcome: a.send(ctx, "query_refund "+r.OutTradeNo)}
}

// listing can list refunds too, and able can send abnormal ones on besides.
type listing struct{ answering }

func (l listing) Refunds(ctx context.Context, r channel.OrderRequest) channel.RefundList {
	return channel.RefundList{Outcome: l.send(ctx, "list_refunds "+r.OutTradeNo)}
}

type able struct{ listing }

func (a able) RefundAbnormal(ctx context.Context, r channel.AbnormalRefund) channel.RefundOutcome {
	return channel.RefundOutcome{Outcome: a.send(ctx, "refund_abnormal "+r.OutTradeNo)}
}

func wallet(t *testing.T) answering {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Wechatpay-Signature", "sig")
		w.Header().Set("X-Other", "1")
		_, _ = io.WriteString(w, "heard "+string(body))
	}))
	t.Cleanup(srv.Close)
	to, err := url.Parse(srv.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	return answering{poster: channel.NewPoster(channel.PosterConfig{}), to: to}
}

func TestEveryCallOfAWalletIsKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storetest.Engines()[0].New(t)(), vault(t))
	w, ctx := d.Watch(able{listing{wallet(t)}}, "m1", pay.Wxpay), t.Context()
	o := channel.OrderRequest{OutTradeNo: "o1"}
	f := channel.RefundRequest{OrderRequest: o, OutRefundNo: "f1"}
	w.Pay(ctx, channel.PayRequest{OrderRequest: o})
	w.Prepay(ctx, channel.PrepayRequest{OrderRequest: o})
	w.Query(ctx, o)
	w.Reverse(ctx, o)
	w.Close(ctx, o)
	w.Refund(ctx, f)
	w.QueryRefund(ctx, f)
	w.(channel.RefundLister).Refunds(ctx, o)
	w.(channel.AbnormalRefunder).RefundAbnormal(ctx, channel.AbnormalRefund{RefundRequest: f})
	names := []string{"pay", "prepay", "query", "reverse", "close", "refund", "query_refund", "list_refunds", "refund_abnormal"}
	got := d.find(t, "m1", "o1").Records
	if len(got) != len(names) {
		t.Fatalf("%d records, want %d", len(got), len(names))
	}
	for i, r := range got {
		if r.Kind != evidence.Call || r.Name != names[i] || r.Verdict != "WAITING" && r.Verdict != string(pay.Waiting) || !r.Verified || r.Code != "USERPAYING" || len(r.Exchanges) != 1 {
			t.Errorf("call %d is kept as %+v", i, r)
			continue
		}
		x := r.Exchanges[0]
		if !strings.HasPrefix(string(x.Request), names[i]) || string(x.Answer) != "heard "+string(x.Request) || x.Status != 200 ||
			string(x.Header) != "Authorization: signed\n" || string(x.AnswerHeader) != "Content-Type: text/plain; charset=utf-8\nDate: "+dateOf(x)+"\nWechatpay-Signature: sig\n" {
			t.Errorf("call %d: %q %q %q %q", i, string(x.Header), string(x.Request), string(x.AnswerHeader), string(x.Answer))
		}
	}
}

// dateOf is the server's own clock.
func dateOf(x evidence.Exchange) string {
	_, after, _ := strings.Cut(string(x.AnswerHeader), "Date: ")
	date, _, _ := strings.Cut(after, "\n")
	return date
}

func TestALostCallIsKeptWithItsRequestAndItsReason(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storetest.Engines()[0].New(t)(), vault(t))
	a := wallet(t)
	a.to.Host = "127.0.0.1:1" // nobody listens
	d.Watch(a, "m1", pay.Alipay).Query(t.Context(), channel.OrderRequest{OutTradeNo: "o1"})
	got := d.find(t, "m1", "o1").Records
	if len(got) != 1 || got[0].Verdict != string(pay.Unknown) || len(got[0].Exchanges) != 1 ||
		got[0].Exchanges[0].Lost != "dial" || string(got[0].Exchanges[0].Request) != "query o1" {
		t.Errorf("kept %+v", got)
	}
}

func TestAWatchedChannelCanDoWhatItCouldBefore(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storetest.Engines()[0].New(t)(), vault(t))
	for _, c := range []channel.Channel{answering{}, listing{}, able{}, struct {
		answering
		channel.AbnormalRefunder
	}{}} {
		w := d.Watch(c, "m", pay.Wxpay)
		_, list := c.(channel.RefundLister)
		_, send := c.(channel.AbnormalRefunder)
		_, wList := w.(channel.RefundLister)
		_, wSend := w.(channel.AbnormalRefunder)
		if list != wList || send != wSend {
			t.Errorf("%T lists %v and sends %v; watched %v and %v", c, list, send, wList, wSend)
		}
	}
}
