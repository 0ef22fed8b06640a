package main

import (
	"strings"
	"testing"

	"cloudpay/internal/manage"
)

// TestAccountsWarnInBothLanguages: channel status says what somebody should do in
// Chinese, with the particulars in English; a code it does not know is not lost.
func TestAccountsWarnInBothLanguages(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	writeChannel(&b, manage.Channel{Warnings: []manage.ChannelWarning{
		{Code: "key_ends", Text: "our certificate 5F ends on 2026-12-01"}, {Code: "quiet", Text: "no answer"}, {Code: "new", Text: "something new"},
	}})
	for _, want := range []string{"  ！ 证书到期 · our certificate 5F ends on 2026-12-01\n", "  ！ 很久没有验签通过的应答 · no answer\n", "  ！ something new\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}
