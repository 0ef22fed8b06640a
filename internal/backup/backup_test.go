package backup_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/backup"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

var noon = time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)

// busy keeps paying until stop is called, from the first payments on.
func busy(t *testing.T, s *store.Store) (stop func()) {
	t.Helper()
	var ended atomic.Bool
	done := make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			if err := storetest.Payments(t.Context(), s, fmt.Sprintf("b%dn", n), 8, 100); err != nil || ended.Load() {
				done <- err
				return
			}
		}
	}()
	for s.Stats().Units < 400 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		ended.Store(true)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestBackupUnderWritesIsOneInstant takes a backup while payments run and
// restores it to either engine. A payment is two commits: an order with its
// job, then the order paid with its two legs and the job gone. Whatever instant
// the backup shows, it must show each commit whole or not at all.
func TestBackupUnderWritesIsOneInstant(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run("from "+e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			s := storetest.Migrated(t, dsn)()
			stop := busy(t, s)
			var file bytes.Buffer
			before := s.Stats().Units
			written, err := backup.Write(t.Context(), &file, store.Config{DSN: dsn}, noon)
			if err != nil {
				t.Fatal(err)
			}
			for s.Stats().Units == before { // the writers went on
				if err := s.Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			for _, to := range storetest.Engines() {
				target := to.DSN(t)
				restored, err := backup.Restore(t.Context(), bytes.NewReader(file.Bytes()), store.Config{DSN: target})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(written, restored); diff != "" {
					t.Errorf("restored to %s: -written +restored\n%s", to.Name, diff)
				}
				oneInstant(t, target)
			}
		})
	}
}

// oneInstant checks that every commit of Payments is whole.
func oneInstant(t *testing.T, dsn string) {
	t.Helper()
	var tables []store.Table
	states, sums, jobs := map[string]string{}, map[string]int64{}, map[string]int{}
	legs := map[string]int{}
	err := store.ExportTo(t.Context(), store.Config{DSN: dsn}, func(e store.Export) error {
		tables = e.Tables
		return nil
	}, func(table int, values []any) error {
		v := map[string]any{}
		for i, c := range tables[table].Columns {
			v[c.Name] = values[i]
		}
		switch tables[table].Name {
		case "orders":
			states[v["out_trade_no"].(string)] = v["state"].(string)
		case "postings":
			sums[v["out_trade_no"].(string)] += v["amount"].(int64)
			legs[v["out_trade_no"].(string)]++
		case "jobs":
			jobs[v["ref"].(string)]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(states) < 100 {
		t.Fatalf("only %d orders: the backup shows no load", len(states))
	}
	for number, state := range states {
		wantJobs, wantLegs := 1, 0
		if state == "PAID" {
			wantJobs, wantLegs = 0, 2
		}
		if jobs[number] != wantJobs || legs[number] != wantLegs || sums[number] != 0 {
			t.Errorf("order %s is %s with %d jobs and %d legs that sum to %d", number, state, jobs[number], legs[number], sums[number])
		}
	}
	if len(jobs)+len(legs) != len(states) {
		t.Errorf("%d jobs and %d booked orders for %d orders", len(jobs), len(legs), len(states))
	}
}

// TestMoveThereAndBack compares every table at both ends, across the engines.
func TestMoveThereAndBack(t *testing.T) {
	t.Parallel()
	first, second, third := storetest.SQLite(t), storetest.Postgres(t), storetest.SQLite(t)
	s := storetest.Migrated(t, first)()
	if err := storetest.Payments(t.Context(), s, "m", 4, 100); err != nil {
		t.Fatal(err)
	}
	there, err := backup.Move(t.Context(), store.Config{DSN: first}, store.Config{DSN: second}, noon)
	if err != nil {
		t.Fatal(err)
	}
	back, err := backup.Move(t.Context(), store.Config{DSN: second}, store.Config{DSN: third}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(there.Tables, back.Tables); diff != "" || there.Rows() < 300 {
		t.Errorf("%d rows: -there +back\n%s", there.Rows(), diff)
	}
	moved, err := store.Open(t.Context(), store.Config{DSN: third})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(storetest.Payments(t.Context(), moved, "after", 4, 10), moved.Close()); err != nil {
		t.Error("the moved database does not take payments:", err)
	}
	if _, err := backup.Move(t.Context(), store.Config{DSN: first}, store.Config{DSN: second}, noon); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("moving to a database in use: %v", err)
	}
}

// TestMoveNoticesWriters must not leave payments behind in silence.
func TestMoveNoticesWriters(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			stop := busy(t, storetest.Migrated(t, dsn)())
			_, err := backup.Move(t.Context(), store.Config{DSN: dsn}, store.Config{DSN: storetest.SQLite(t)}, noon)
			stop()
			if !errors.Is(err, backup.ErrMoving) {
				t.Errorf("moved under writes: %v", err)
			}
		})
	}
}

// small is a backup of a few payments, and its lines.
func small(t *testing.T) ([]byte, []string) {
	t.Helper()
	dsn := storetest.SQLite(t)
	if err := storetest.Payments(t.Context(), storetest.Migrated(t, dsn)(), "s", 1, 3); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := backup.Write(t.Context(), &file, store.Config{DSN: dsn}, noon); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), strings.SplitAfter(string(text), "\n")
}

// TestDamagedBackupsAreNoticed cuts a file everywhere, changes each of its
// bytes, and changes its lines with what gzip checks put right.
func TestDamagedBackupsAreNoticed(t *testing.T) {
	t.Parallel()
	file, lines := small(t)
	whole, err := backup.Check(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for n := range file {
		if _, err := backup.Check(bytes.NewReader(file[:n])); err == nil {
			t.Errorf("cut after %d bytes it passes", n)
		}
		changed := bytes.Clone(file)
		changed[n] ^= 0x10
		// A few bytes of gzip's head say nothing about the content.
		if s, err := backup.Check(bytes.NewReader(changed)); err == nil && !cmp.Equal(s, whole) {
			t.Errorf("with byte %d changed it passes as another", n)
		}
	}
	zipped := func(lines []string) io.Reader {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, strings.Join(lines, ""))
		_ = z.Close()
		return &b
	}
	if _, err := backup.Check(zipped(lines)); err != nil {
		t.Fatal(err)
	}
	for i := range lines[:len(lines)-1] {
		without := append(append([]string{}, lines[:i]...), lines[i+1:]...)
		if _, err := backup.Check(zipped(without)); err == nil {
			t.Errorf("without line %d it passes", i+1)
		}
		for old, with := range map[string]string{"1250": "1251", "true": "null", `"PAID"`: `"PAYING"`, `"rows":3`: `"rows":4`} {
			if strings.Contains(lines[i], old) {
				changed := append([]string{}, lines...)
				changed[i] = strings.Replace(lines[i], old, with, 1)
				if _, err := backup.Check(zipped(changed)); err == nil {
					t.Errorf("with %s for %s in line %d it passes", with, old, i+1)
				}
			}
		}
	}
	if _, err := backup.Check(zipped(append(append([]string{}, lines...), "[]\n"))); err == nil {
		t.Error("with a line behind its end it passes")
	}
}

// TestEncryption opens a file with what it was made for, and with nothing else.
func TestEncryption(t *testing.T) {
	t.Parallel()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	const text = "what a backup holds"
	none, identity, phrase := secret.Secret{}, secret.New("# a comment\n"+key.String()+"\n"), secret.New("correct horse")
	sealed := func(recipients []string, pass secret.Secret) []byte {
		var b bytes.Buffer
		w, err := backup.Encrypt(&b, recipients, pass)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	forKey, forPhrase, plain := sealed([]string{key.Recipient().String()}, none), sealed(nil, phrase), sealed(nil, none)
	for _, c := range []struct {
		name             string
		file             []byte
		identity, phrase secret.Secret
		fails            string
	}{
		{"its key", forKey, identity, none, ""},
		{"its passphrase", forPhrase, none, phrase, ""},
		{"no encryption, no key", plain, none, none, ""},
		{"another key", forKey, secret.New(other.String()), none, "decrypt"},
		{"another passphrase", forPhrase, none, secret.New("wrong horse"), "decrypt"},
		{"no key", forKey, none, none, "is encrypted"},
		{"a key for a file in clear", plain, identity, none, "is not encrypted"},
		{"a cut file", forKey[:len(forKey)-1], identity, none, "decrypt"},
		{"a changed file", append(forKey[:len(forKey)-1:len(forKey)-1], forKey[len(forKey)-1]^1), identity, none, "decrypt"},
		{"no identity", forKey, secret.New("AGE-SECRET-KEY-1JUNK"), none, "no age identity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := backup.Decrypt(bytes.NewReader(c.file), c.identity, c.phrase)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(r)
			}
			switch {
			case c.fails == "" && (err != nil || string(got) != text):
				t.Errorf("opened as %q, %v", got, err)
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Errorf("error is %v, want one with %q", err, c.fails)
			case err != nil && strings.Contains(err.Error(), "JUNK"):
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
	if bytes.Contains(forKey, []byte(text)) || bytes.Contains(forPhrase, []byte(text)) {
		t.Error("the text shows in the file")
	}
}
