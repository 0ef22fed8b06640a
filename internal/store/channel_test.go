package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/channel"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/storetest"
	"cloudpay/internal/wallets"
)

// TestHealthOfAnAccountOnlyMovesForward: nodes that have heard nothing for long
// do not hide what others have heard.
func TestHealthOfAnAccountOnlyMovesForward(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			seeded(t, s, "1")
			now := arrived
			row := wallets.Row{
				ProviderID: "p1", Channel: pay.Wxpay, Account: "tag", Credentials: `{"keys":[]}`, Verified: now, Failed: now.Add(-time.Hour),
				FailedCall: "pay", Failure: "timeout", Written: now,
			}
			put := func(r wallets.Row) {
				t.Helper()
				if err := s.PutHealth(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			put(row)
			other := row
			other.Account, other.Verified, other.Failed, other.FailedCall, other.Failure = "tag2", now.Add(-2*time.Hour), now.Add(-2*time.Hour), "query", "dial"
			other.Written = now.Add(time.Minute)
			put(other)
			want := row
			want.Account, want.Written = "tag2", other.Written
			got, err := s.Healths(t.Context(), "")
			if diff := cmp.Diff([]wallets.Row{want}, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			newer := other
			newer.Verified, newer.Failed = now.Add(time.Hour), now.Add(time.Hour)
			put(newer)
			if got, err = s.Healths(t.Context(), "p1"); err != nil || len(got) != 1 || got[0] != newer {
				t.Errorf("%+v, %v, want %+v", got, err, newer)
			}
			if got, err = s.Healths(t.Context(), "nobody"); err != nil || len(got) != 0 {
				t.Errorf("a provider that has none: %+v, %v", got, err)
			}
		})
	}
}

// TestKeysOfAWalletAreKeptForGood: each once, as it was met first.
func TestKeysOfAWalletAreKeptForGood(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s := e.New(t)()
			seeded(t, s, "1")
			a := channel.WalletKey{Role: channel.RolePlatform, Serial: "A", PEM: "pem of A"}
			b := channel.WalletKey{Role: channel.RolePublicKey, Serial: "B", PEM: "pem of B"}
			for i, keys := range [][]channel.WalletKey{{a}, {{Role: a.Role, Serial: "A", PEM: "another"}, b}} {
				if err := s.AddWalletKeys(t.Context(), "p1", pay.Wxpay, keys, arrived.Add(time.Duration(i)*time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := s.WalletKeys(t.Context(), "p1", pay.Wxpay)
			if diff := cmp.Diff([]channel.WalletKey{b, a}, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if got, err := s.WalletKeys(t.Context(), "p1", pay.Alipay); err != nil || len(got) != 0 {
				t.Errorf("of the other wallet: %v, %v", got, err)
			}
		})
	}
}
