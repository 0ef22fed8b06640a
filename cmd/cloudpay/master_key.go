package main

import (
	"errors"
	"fmt"
	"io/fs"

	"cloudpay/internal/secret"
)

// masterKeyCmd manages the key that everything at rest depends on.
type masterKeyCmd struct {
	Create masterKeyCreateCmd `cmd:"" help:"Make a master key in a new file of mode 0600. Back it up: without it the database is worthless."`
}

type masterKeyCreateCmd struct {
	File string `arg:"" help:"New file."`
}

// Run makes the key. It never touches one that exists.
func (c *masterKeyCreateCmd) Run(e env) error {
	if _, err := secret.CreateMasterFile(c.File); errors.Is(err, fs.ErrExist) {
		return usage("%s exists and was left as it is", c.File)
	} else if err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "%s\n", c.File)
	return err
}
