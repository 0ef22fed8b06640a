package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"cloudpay/internal/backup"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

const (
	maxPassphrase = 4 << 10  // a line that somebody typed
	maxIdentities = 64 << 10 // some hundred keys of 80 characters
)

// masterKeyNote goes below what these commands did.
const masterKeyNote = "sealed keys stay sealed: the master key is not in a backup, keep it apart"

// passphraseFlags name the passphrase of a backup.
type passphraseFlags struct {
	PassphraseFile string `name:"passphrase-file" env:"CLOUDPAY_BACKUP_PASSPHRASE_FILE" placeholder:"FILE" help:"File whose first line is the backup's passphrase."`
}

func (f passphraseFlags) read() (secret.Secret, error) {
	if f.PassphraseFile == "" {
		return secret.Secret{}, nil
	}
	raw, err := readFile(f.PassphraseFile, maxPassphrase)
	if err != nil {
		return secret.Secret{}, err
	}
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
		return secret.Secret{}, fmt.Errorf("passphrase-file %s: its first line is empty", f.PassphraseFile)
	}
	return secret.New(string(line)), nil
}

// backupCmd writes a backup.
type backupCmd struct {
	dsnFlags
	passphraseFlags
	Recipients []string `name:"recipient" placeholder:"age1…" help:"Encrypt for this age recipient; may be repeated."`
	File       string   `arg:"" help:"Where to write the backup; an existing file is not replaced."`
}

// Run writes the backup beside its place and puts it there when it is whole.
func (c *backupCmd) Run(ctx context.Context, e env) (err error) {
	pass, err := c.read()
	if err != nil {
		return err
	}
	if len(c.Recipients) > 0 && !pass.IsZero() {
		return usage("give --recipient or --passphrase-file, not both")
	}
	if err := absentFile(c.File); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(c.File), ".backup-*") // 0600 by construction
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	s, err := c.write(ctx, f, pass)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, replaces nothing.
	if err := os.Link(f.Name(), c.File); err != nil {
		return err
	}
	if len(c.Recipients) == 0 && pass.IsZero() {
		_, _ = fmt.Fprintln(e.stderr, "cloudpay: the backup is not encrypted: it holds orders and customers' ids in clear; see --recipient")
	}
	return sayTables(e, "written", c.File, s)
}

func (c *backupCmd) write(ctx context.Context, f io.Writer, pass secret.Secret) (backup.Summary, error) {
	w, err := backup.Encrypt(f, c.Recipients, pass)
	if err != nil {
		return backup.Summary{}, &exitError{code: exitUsage, err: err}
	}
	s, err := backup.Write(ctx, w, store.Config{DSN: c.DSN}, time.Now())
	return s, errors.Join(err, w.Close())
}

// absentFile refuses a path where something is.
func absentFile(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return usage("%w", errors.Join(fmt.Errorf("%s exists; a backup replaces nothing", path), err))
	}
	return nil
}

// restoreCmd fills an empty database from a backup.
type restoreCmd struct {
	passphraseFlags
	DSN          string `name:"dsn" env:"CLOUDPAY_DSN" placeholder:"sqlite:FILE|postgres://…" help:"The database to fill: a file that does not exist, or an empty PostgreSQL database."`
	IdentityFile string `name:"identity-file" placeholder:"FILE" help:"File of age identities (AGE-SECRET-KEY-1…) that open the backup."`
	Check        bool   `name:"check" help:"Only read the backup and check it; needs no database."`
	File         string `arg:"" help:"The backup."`
}

// Run checks the whole backup before it touches the database, and reads the
// database back behind that.
func (c *restoreCmd) Run(ctx context.Context, e env) error {
	if c.DSN == "" && !c.Check {
		return usage("say which database to fill by --dsn, or --check to only read the backup")
	}
	var s backup.Summary
	err := c.open(func(r io.Reader) (err error) {
		s, err = backup.Check(r)
		return err
	})
	if err != nil {
		return err
	}
	if c.Check {
		return sayTables(e, "whole", c.File, s)
	}
	err = c.open(func(r io.Reader) (err error) {
		s, err = backup.Restore(ctx, r, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
		return err
	})
	if err != nil {
		return err
	}
	return sayTables(e, "restored and read back", c.File, s)
}

// open reads the backup from its beginning.
func (c *restoreCmd) open(f func(io.Reader) error) (err error) {
	pass, err := c.read()
	if err != nil {
		return err
	}
	identities := secret.Secret{}
	if c.IdentityFile != "" {
		raw, err := readFile(c.IdentityFile, maxIdentities)
		if err != nil {
			return err
		}
		identities = secret.New(string(raw))
	}
	file, err := os.Open(filepath.Clean(c.File)) // the person at the shell names it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r, err := backup.Decrypt(file, identities, pass)
	if err != nil {
		return err
	}
	return f(r)
}

// moveCmd moves an installation to another database.
type moveCmd struct {
	From string `name:"from" required:"" placeholder:"DSN" help:"The database that is left. No cloudpay process may use it."`
	To   string `name:"to" required:"" placeholder:"DSN" help:"The database to fill: a file that does not exist, or an empty PostgreSQL database."`
}

// Run copies everything and compares both ends.
func (c *moveCmd) Run(ctx context.Context, e env) error {
	log := newLog(e.stderr, "warn")
	s, err := backup.Move(ctx, store.Config{DSN: c.From, Log: log}, store.Config{DSN: c.To, Log: log}, time.Now())
	if err != nil {
		return err
	}
	return sayTables(e, "moved, both ends compared", "", s)
}

// sayTables prints what was done, table by table.
func sayTables(e env, what, file string, s backup.Summary) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TABLE\tROWS\tCHECKSUM")
	for _, t := range s.Tables {
		const short = 16 // of 64: enough to compare by eye
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", t.Name, t.Rows, t.Sum[:short])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if file != "" {
		what = file + ": " + what
	}
	_, err := fmt.Fprintf(e.stdout, "%s: %d rows in %d tables, schema %d, taken from %s at %s\n%s\n", what,
		s.Rows(), len(s.Tables), s.Schema, s.Engine, s.TakenAt.Format(time.RFC3339), masterKeyNote)
	return err
}
