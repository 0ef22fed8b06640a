package store

import (
	"context"
	"fmt"

	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
	"cloudpay/internal/wallets"
)

// The store keeps how the wallets' accounts are.
var _ wallets.Keeper = (*Store)(nil)

// PutHealth implements wallets.Keeper.
func (s *Store) PutHealth(ctx context.Context, r wallets.Row) error {
	u, q := s.newUnit("", r.ProviderID)
	u.add(1)(q.PutChannelHealth(ctx, sqlcgen.PutChannelHealthParams{
		ProviderID: r.ProviderID, Channel: string(r.Channel), Account: r.Account, Credentials: r.Credentials,
		VerifiedMs: ms(r.Verified), FailedMs: ms(r.Failed), FailedCall: r.FailedCall, Failure: r.Failure, WrittenMs: ms(r.Written),
	}))
	_, err := s.submit(ctx, u)
	return wrap("write health of an account", err)
}

// Healths implements wallets.Keeper.
func (s *Store) Healths(ctx context.Context, providerID string) ([]wallets.Row, error) {
	rows, err := s.read.ListChannelHealth(ctx, sqlcgen.ListChannelHealthParams{ProviderID: providerID, RowLimit: wallets.MaxAccounts})
	if err != nil {
		return nil, fmt.Errorf("list health of accounts: %w", err)
	}
	return mapped(rows, healthOf), nil
}

func healthOf(r sqlcgen.ChannelHealth) wallets.Row {
	return wallets.Row{
		ProviderID: r.ProviderID, Channel: pay.Channel(r.Channel), Account: r.Account, Credentials: r.Credentials,
		Verified: at(r.VerifiedMs), Failed: at(r.FailedMs), FailedCall: r.FailedCall, Failure: r.Failure, Written: at(r.WrittenMs),
	}
}
