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

// WrappedKey is a data key as it is stored. Key: Owner, which is a provider's
// id or one with a star.
type WrappedKey struct {
	Owner  string
	Sealed []byte
}

// RotateMaster seals every data key anew under the present master key of the
// keyring, which must hold the old one too (secret.OpenKeyring), and returns
// how many it changed. It stops at the first error and may be repeated until
// it returns 0: what is done is skipped. Meanwhile every process that holds
// both master keys goes on as before; one that holds only the old cannot read
// what is done. The secrets themselves are not touched.
func (d *Directory) RotateMaster(ctx context.Context, by Actor) (changed int, err error) {
	if d.writer == nil {
		return 0, errReadOnly
	}
	if err := by.check(); err != nil {
		return 0, err
	}
	if _, err := d.Vault(ctx); err != nil {
		return 0, err
	}
	sealed, err := d.loader.LoadDataKey(ctx, vaultOwner)
	if err != nil {
		return 0, fmt.Errorf("rotate master key: %w", err)
	}
	won, err := d.rewrap(ctx, by, WrappedKey{vaultOwner, sealed})
	if err != nil {
		return 0, fmt.Errorf("rotate master key: the installation's data key: %w", err)
	}
	changed, after := btoi(won), ""
	for {
		keys, err := d.loader.ListWrapped(ctx, after, MaxPage)
		if err != nil {
			return changed, fmt.Errorf("rotate master key: %w", err)
		}
		for _, k := range keys {
			won, err = d.rewrap(ctx, by, k)
			if err != nil {
				return changed, fmt.Errorf("rotate master key: the data key of %s: %w", k.Owner, err)
			}
			if won {
				changed++
			}
		}
		if len(keys) < MaxPage {
			d.Forget()
			return changed, nil
		}
		after = keys[len(keys)-1].Owner
	}
}

func (d *Directory) rewrap(ctx context.Context, by Actor, k WrappedKey) (bool, error) {
	sealed, changed, err := d.keys.Rewrap(k.Owner, k.Sealed)
	if err != nil || !changed {
		return false, err
	}
	line := d.auditRow(by, d.now(), "master_key.rotate")
	line.ObjectKind, line.ObjectID = "data_key", k.Owner
	line.Before, line.After = `"*** `+tagOf(k.Sealed)+`"`, `"*** `+tagOf(sealed)+`"`
	return d.writer.Rewrap(ctx, k, sealed, line)
}
