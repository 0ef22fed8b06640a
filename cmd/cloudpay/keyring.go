package main

import (
	"context"
	"fmt"

	"cloudpay/internal/secret"
)

// openKeyring opens the keyring of a master key that is named as a flag names
// it: a file, or one of the other sources of secret.ParseSource. old names the
// key that it replaces, "" outside of a rotation.
func openKeyring(ctx context.Context, e env, spec, old string) (*secret.Keyring, error) {
	master, err := readMaster(ctx, e, spec)
	if err != nil {
		return nil, err
	}
	if old == "" {
		return secret.OpenKeyring(master)
	}
	before, err := readMaster(ctx, e, old)
	if err != nil {
		return nil, fmt.Errorf("old master key: %w", err)
	}
	return secret.OpenKeyring(master, before)
}

// readMaster reads one master key from its source.
func readMaster(ctx context.Context, e env, spec string) (secret.Secret, error) {
	source, err := secret.ParseSource(spec, e.getenv)
	if err != nil {
		return secret.Secret{}, &exitError{code: exitUsage, err: err}
	}
	return source.Master(ctx)
}
