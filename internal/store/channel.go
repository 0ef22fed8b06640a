package store

import (
	"context"
	"fmt"
	"time"

	"cloudpay/internal/channel"
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

// AddWalletKeys implements wallets.Keeper.
func (s *Store) AddWalletKeys(ctx context.Context, providerID string, ch pay.Channel, keys []channel.WalletKey, seen time.Time) error {
	for _, k := range keys { // each a unit: the first statement of one says whether it won
		u, q := s.newUnit("", providerID)
		u.add(anyRows)(q.AddWalletKey(ctx, sqlcgen.AddWalletKeyParams{
			ProviderID: providerID, Channel: string(ch), Role: string(k.Role), Serial: k.Serial, Pem: k.PEM, SeenMs: ms(seen),
		}))
		if _, err := s.submit(ctx, u); err != nil {
			return wrap("keep keys of a wallet", err)
		}
	}
	return nil
}

// WalletKeys implements wallets.Keeper.
func (s *Store) WalletKeys(ctx context.Context, providerID string, ch pay.Channel) ([]channel.WalletKey, error) {
	rows, err := s.read.ListWalletKeys(ctx, sqlcgen.ListWalletKeysParams{ProviderID: providerID, Channel: string(ch), RowLimit: wallets.MaxWalletKeys})
	if err != nil {
		return nil, fmt.Errorf("list keys of a wallet: %w", err)
	}
	return mapped(rows, func(r sqlcgen.ListWalletKeysRow) channel.WalletKey {
		return channel.WalletKey{Role: channel.KeyRole(r.Role), Serial: r.Serial, PEM: r.Pem}
	}), nil
}

func healthOf(r sqlcgen.ChannelHealth) wallets.Row {
	return wallets.Row{
		ProviderID: r.ProviderID, Channel: pay.Channel(r.Channel), Account: r.Account, Credentials: r.Credentials,
		Verified: at(r.VerifiedMs), Failed: at(r.FailedMs), FailedCall: r.FailedCall, Failure: r.Failure, Written: at(r.WrittenMs),
	}
}
