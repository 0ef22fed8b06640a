package directory

import (
	"context"
	"errors"
	"fmt"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// vaultOwner owns the installation's data key. No id holds a star.
const vaultOwner = "*installation"

// Vault returns the installation's data key: for secrets that belong to no
// provider, and for keys that must outlive a rotation of the master key
// (DataKey.Derive). The first call of an installation makes it.
func (d *Directory) Vault(ctx context.Context) (*secret.DataKey, error) {
	return d.vault.get(ctx, vaultOwner)
}

func (d *Directory) loadVault(ctx context.Context, owner string) (*secret.DataKey, error) {
	sealed, err := d.loader.LoadDataKey(ctx, owner)
	if errors.Is(err, pay.ErrNotFound) && d.writer != nil {
		made, failed := d.keys.NewDataKey(owner)
		if failed != nil {
			return nil, failed
		}
		// Somebody else may be first: what is stored counts.
		if err := d.writer.PutDataKey(ctx, owner, made); err != nil {
			return nil, fmt.Errorf("store the installation's data key: %w", err)
		}
		sealed, err = d.loader.LoadDataKey(ctx, owner)
	}
	if err != nil {
		return nil, fmt.Errorf("load the installation's data key: %w", err)
	}
	key, err := d.keys.OpenDataKey(owner, sealed)
	if err != nil {
		return nil, fmt.Errorf("load the installation's data key: %w", err)
	}
	return key, nil
}
