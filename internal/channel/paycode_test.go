package channel

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"cloudpay/internal/pay"
)

// TestPaymentCodesFollowTheSharedCases runs vectors/upstream-payment-codes.json.
func TestPaymentCodesFollowTheSharedCases(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/upstream-payment-codes.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct{ In, Wallet, Note string }
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	served := map[string]pay.Channel{"wechat": pay.Wxpay, "alipay": pay.Alipay}
	refused := map[string]string{"unionpay": "code_unionpay", "invalid": "code_invalid"}
	for _, c := range file.Cases {
		got, err := WalletOf(c.In)
		if got != served[c.Wallet] {
			t.Errorf("WalletOf(%q) = %q, want %q (%s)", c.In, got, c.Wallet, c.Note)
		}
		if want := refused[c.Wallet]; want != "" {
			refusal, ok := errors.AsType[*pay.Error](err)
			if !ok || refusal.Code != want || !errors.Is(err, pay.ErrInvalid) {
				t.Errorf("WalletOf(%q) error = %v, want an invalid %s (%s)", c.In, err, want, c.Note)
			}
			if ok && c.In != "" && strings.Contains(refusal.Error(), TrimCode(c.In)) {
				t.Errorf("the refusal of %q repeats the code", c.In)
			}
		} else if err != nil {
			t.Errorf("WalletOf(%q) error = %v, want none", c.In, err)
		}
	}
}

func TestFaceCodesAreRefusedWithTheirOwnReason(t *testing.T) {
	t.Parallel()
	_, err := WalletOf("fp0123456789abcdef0123456789abcdef012")
	if refusal, ok := errors.AsType[*pay.Error](err); !ok || refusal.Code != "code_face" {
		t.Fatalf("WalletOf(face code) error = %v, want code_face", err)
	}
}

func TestTheCodeTableCanBeExtended(t *testing.T) {
	t.Parallel()
	wider := append(CodeTable{{Prefix: [2]string{"31", "33"}, Length: [2]int{16, 24}, Channel: pay.Alipay}}, PaymentCodes...)
	if got, err := wider.Wallet("321234567890123456"); got != pay.Alipay || err != nil {
		t.Errorf("Wallet(32…) = %q, %v, want alipay", got, err)
	}
	if got, _ := WalletOf("321234567890123456"); got != "" {
		t.Errorf("WalletOf(32…) = %q, want a refusal", got)
	}
}

func TestMaskedCodesShowSixDigits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"134567890123456789":    "134567***",
		" 134567890123456789\r": "134567***",
		"123456":                "***",
		"":                      "***",
		"付款码付款码":                "付款***",
	} {
		if got := MaskCode(in); got != want {
			t.Errorf("MaskCode(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTextsAreFitToShow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"plain", "订单已支付", "订单已支付"},
		{"a payment code is masked", "code 134567890123456789 used", "code 134567*** used"},
		{"fifteen digits stay", "123456789012345", "123456789012345"},
		{"sixteen digits go", "x1234567890123456", "x123456***"},
		{"controls and direction marks are dropped", "a\x1b[31m\r\nb\u202ec", "a[31mbc"},
		{"broken UTF-8 is dropped", "a\xffb", "ab"},
	} {
		if got := CleanText(c.in); got != c.want {
			t.Errorf("%s: CleanText(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
	long := CleanText(strings.Repeat("钱", 100))
	if len(long) != 255 || strings.ContainsRune(long, '\ufffd') {
		t.Errorf("a long text has %d bytes, want 255 and whole characters", len(long))
	}
	if got := CleanText("x" + strings.Repeat("钱", 100)); len(got) != 253 {
		t.Errorf("a cut between characters left %d bytes, want 253", len(got))
	}
	if got := CleanCode(strings.Repeat("A", 100)); len(got) != 64 {
		t.Errorf("a long code has %d bytes, want 64", len(got))
	}
	if Fitting("S1", 2) != "S1" || Fitting("S12", 2) != "" {
		t.Error("Fitting must keep a number whole or leave it out")
	}
	if got := CutRunes("钱钱钱", 2); got != "钱钱" {
		t.Errorf("CutRunes = %q, want two characters", got)
	}
}

// A run of digits that is cut by the limit must not escape its mask.
func TestMaskingComesBeforeCutting(t *testing.T) {
	t.Parallel()
	got := CleanText(strings.Repeat("a", 245) + "134567890123456789")
	if strings.Contains(got, "1345678") {
		t.Errorf("CleanText kept %q", got[240:])
	}
}
