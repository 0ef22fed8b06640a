package api

import (
	"errors"
	"io"
	"log/slog"
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
	if s.limits.flooded(r.RemoteAddr, s.Now()) {
		noticeFail(w, ch, http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, gateway.MaxNotice))
	if err != nil {
		noticeFail(w, ch, http.StatusBadRequest)
		return
	}
	if ch.Platform() == 0 {
		noticeFail(w, ch, http.StatusNotFound)
		return
	}
	ack, ackType, err := s.Gateway.Notice(r.Context(), ch, r.PathValue("provider"), r.PathValue("merchant"), r.Header, body)
	if err != nil {
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
		noticeFail(w, ch, status)
		return
	}
	w.Header().Set("Content-Type", ackType)
	_, _ = io.WriteString(w, ack) //nolint:gosec // the acknowledgement is a constant of the adapter, nothing that came in
}

// noticeFail tells a wallet to send it again, in the wallet's own words.
func noticeFail(w http.ResponseWriter, ch pay.Channel, status int) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if ch == pay.Wxpay {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<xml><return_code><![CDATA[FAIL]]></return_code></xml>")
		return
	}
	text(w, status, "fail")
}
