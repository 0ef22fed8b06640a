package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"cloudpay/internal/directory"
	"cloudpay/internal/secret"
)

// masterKeyCmd manages the key that everything at rest depends on.
type masterKeyCmd struct {
	Create masterKeyCreateCmd `cmd:"" help:"Make a master key where nothing is yet. Back it up: without it the database is worthless."`
	Rotate masterKeyRotateCmd `cmd:"" help:"Seal everything under a new master key while servers run with both."`
}

type masterKeyCreateCmd struct {
	Where string `arg:"" help:"A new file (mode 0600), or passphrase:SALTFILE with the passphrase in CLOUDPAY_PASSPHRASE, or kms:FILE:PROGRAM."`
}

// Run makes the key. It never touches one that exists.
func (c *masterKeyCreateCmd) Run(ctx context.Context, e env) error {
	source, err := secret.ParseSource(c.Where, e.getenv)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	if _, err := secret.Create(ctx, source); errors.Is(err, fs.ErrExist) {
		return usage("%s exists and was left as it is", c.Where)
	} else if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", c.Where)
	return err
}

// masterKeyRotateCmd replaces the master key.
type masterKeyRotateCmd struct {
	dsnFlags
	New string `name:"master-key-file" env:"CLOUDPAY_MASTER_KEY_FILE" required:"" placeholder:"FILE" help:"The new master key, or another source, as for serve."`
	Old string `name:"old-master-key-file" env:"CLOUDPAY_OLD_MASTER_KEY_FILE" required:"" placeholder:"FILE" help:"The master key that it replaces."`
}

// Run seals every data key anew until nothing is left to do. It may be stopped
// and repeated at any point; secrets themselves are not touched.
func (c *masterKeyRotateCmd) Run(ctx context.Context, e env) (err error) {
	keys, err := openKeyring(ctx, e, c.New, c.Old)
	if err != nil {
		return err
	}
	a, err := openApp(ctx, settings{DSN: c.DSN}, keys, newLog(e.stderr, "warn"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	all := 0
	for {
		n, err := a.directory.RotateMaster(ctx, directory.Actor{Kind: directory.ByCommand, ID: operatorName()})
		all += n
		if err != nil {
			return fmt.Errorf("%d data keys are sealed anew, then: %w; run the same command again", all, err)
		}
		if n == 0 {
			break
		}
	}
	_, err = fmt.Fprintf(e.stdout, "%d data keys are sealed anew; start every server with the new key alone, then put the old one away\n", all)
	return err
}
