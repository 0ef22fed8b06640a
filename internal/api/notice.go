package api

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"

	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// noticePattern is where wallets tell of payments and refunds; the gateway
// hands the address out with each prepared order.
const noticePattern = "POST " + gateway.NoticePath + "{channel}/{provider}/{merchant}"

// notice takes a wallet's message. It is acknowledged after what it says is
// committed; anything else is refused without a reason, and the wallet sends it
// again. An address that brings only what is refused is not looked at for a while.
func (s *Server) notice(w http.ResponseWriter, r *http.Request) {
	ch := pay.Channel(r.PathValue("channel"))
	fail := noticeFail{w, ch, isJSON(r.Header)}
	if s.limits.flooded(r.RemoteAddr, s.Now()) {
		fail.with(http.StatusServiceUnavailable)
		return
	}
	// The bytes stay as they came: they are what was signed.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, gateway.MaxNotice))
	if err != nil {
		fail.with(http.StatusBadRequest)
		return
	}
	if ch.Platform() == 0 {
		fail.with(http.StatusNotFound)
		return
	}
	ack, ackType, err := s.Gateway.Notice(r.Context(), ch, r.PathValue("provider"), r.PathValue("merchant"), r.Header, body)
	if err != nil {
		if e, ok := errors.AsType[*pay.Error](err); ok && e.Code == gateway.NoticeProbe {
			// WeChat looks whether we verify at all: nothing is wrong with its address.
			s.Log.InfoContext(r.Context(), "probe of a wallet refused", slog.String("channel", string(ch)))
			fail.with(http.StatusBadRequest)
			return
		}
		status := http.StatusServiceUnavailable
		switch {
		case errors.Is(err, pay.ErrNotFound):
			status = http.StatusNotFound
		case errors.Is(err, pay.ErrDenied):
			status = http.StatusBadRequest
		}
		if status != http.StatusServiceUnavailable { // somebody may be guessing
			s.limits.refused(r.RemoteAddr, s.Now())
		}
		s.Log.WarnContext(r.Context(), "notice refused", slog.String("channel", string(ch)), slog.Int("http_status", status),
			slog.String("error", err.Error()))
		fail.with(status)
		return
	}
	w.Header().Set("Content-Type", ackType)
	_, _ = io.WriteString(w, ack) //nolint:gosec // the acknowledgement is a constant of the adapter, nothing that came in
}

// noticeFail tells a wallet to send it again, in the wallet's own words and in
// the form that it came in.
type noticeFail struct {
	w    http.ResponseWriter
	ch   pay.Channel
	json bool
}

func (f noticeFail) with(status int) {
	f.w.Header().Set("X-Content-Type-Options", "nosniff")
	if f.ch != pay.Wxpay {
		text(f.w, status, "fail")
		return
	}
	contentType, body := "text/xml; charset=utf-8", "<xml><return_code><![CDATA[FAIL]]></return_code></xml>"
	if f.json {
		contentType, body = "application/json; charset=utf-8", `{"code":"FAIL","message":"`+failMessage(status)+`"}`
	}
	f.w.Header().Set("Content-Type", contentType)
	f.w.WriteHeader(status)
	_, _ = io.WriteString(f.w, body)
}

// failMessage says no more than the status: whoever guesses learns nothing.
func failMessage(status int) string {
	switch status {
	case http.StatusNotFound:
		return "没有这个地址"
	case http.StatusServiceUnavailable:
		return "请稍后重试"
	}
	return "通知未通过校验"
}

// isJSON reports whether a notice is of APIv3.
func isJSON(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && t == "application/json"
}
