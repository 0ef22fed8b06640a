package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/day"
	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// dayCmd closes business days and shows closed ones.
type dayCmd struct {
	Close     dayCloseCmd     `cmd:"" help:"Close a day now; a server closes days by itself once their bills are reconciled."`
	Show      dayShowCmd      `cmd:"" help:"Show a closed day."`
	Export    dayExportCmd    `cmd:"" help:"Write a merchant's closed days into a file that can be verified anywhere."`
	Statement dayStatementCmd `cmd:"" help:"Write a merchant's statement of a closed day as CSV or XLSX."`
	Verify    dayVerifyCmd    `cmd:"" help:"Verify such a file; needs no database."`
	Key       dayKeyCmd       `cmd:"" help:"Print the keys that days are signed with, or make a new one."`
}

// daysOf closes and reads the days of an installation that is open.
func (a *app) daysOf() *day.Days {
	return day.New(day.Config{Store: a.store, Vault: a.directory.Vault, Trust: a.trust, Now: a.now, Log: a.log})
}

// trust notes that an order rests on the wallet's bill.
func (a *app) trust(ctx context.Context, merchantID, outTradeNo string) error {
	m, err := a.directory.Merchant(ctx, merchantID)
	if err != nil {
		return err
	}
	return a.gateway.TrustBill(ctx, m, outTradeNo)
}

// signerFlags name a database and the key that its signing keys are sealed with.
type signerFlags struct {
	dsnFlags
	MasterKeyFile string `name:"master-key-file" env:"CLOUDPAY_MASTER_KEY_FILE" required:"" placeholder:"FILE" help:"File of the master key, or another source, as for serve."`
}

func (f signerFlags) open(ctx context.Context, e env) (*app, error) {
	keys, err := openKeyring(ctx, e, f.MasterKeyFile, "")
	if err != nil {
		return nil, err
	}
	return openApp(ctx, settings{DSN: f.DSN}, keys, newLog(e.stderr, "warn"))
}

// businessDay is a date as the commands of days and of reconciliation write it,
// 2026-11-20 or 20261120; it is kept in the first form.
type businessDay string

// UnmarshalText refuses what is no date.
func (d *businessDay) UnmarshalText(text []byte) error {
	s := string(text)
	if len(s) == 8 {
		s = s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	if _, _, err := day.ParseDate(s); err != nil {
		return err
	}
	*d = businessDay(s)
	return nil
}

// dayCloseCmd closes one day.
type dayCloseCmd struct {
	signerFlags
	Date        businessDay `name:"date" required:"" placeholder:"2026-11-20" help:"The day, of Asia/Shanghai."`
	Merchant    string      `name:"merchant" placeholder:"OUT_SUB_MCH_ID" help:"Only of this merchant."`
	WithoutBill bool        `name:"without-bill" help:"Close it although a bill is not reconciled: the record says so for ever."`
}

// Run closes the day of one merchant, or of all, and says what came of each.
func (c *dayCloseCmd) Run(ctx context.Context, e env) (err error) {
	a, err := c.open(ctx, e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	merchants := []string{c.Merchant}
	if c.Merchant == "" {
		if merchants, err = allMerchants(ctx, a.store); err != nil {
			return err
		}
	}
	var failed []error
	for _, id := range merchants {
		r, err := a.daysOf().Close(ctx, id, string(c.Date), c.WithoutBill)
		switch {
		case c.Merchant == "" && errors.Is(err, day.ErrClosed):
			_, err = fmt.Fprintf(e.stdout, "%s %s: closed before\n", c.Date, id)
		case err == nil:
			_, err = fmt.Fprintln(e.stdout, dayLine(r))
		}
		if c.Merchant != "" && (errors.Is(err, day.ErrBill) || errors.Is(err, day.ErrBusy) || errors.Is(err, day.ErrClosed)) {
			return refused("%w", err)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// allMerchants reads the ids of all merchants.
func allMerchants(ctx context.Context, st *store.Store) (all []string, err error) {
	const page = 500
	for after := ""; ; after = all[len(all)-1] {
		ids, err := st.ReportMerchants(ctx, after, page)
		all = append(all, ids...)
		if err != nil || len(ids) < page {
			return all, err
		}
	}
}

// dayLine says what a closed day comes to.
func dayLine(r day.Record) string {
	word := "balanced"
	if !r.Balanced {
		word = fmt.Sprintf("NOT balanced, %d differences", int64(len(r.Differences))+r.MoreDiffs)
	}
	return fmt.Sprintf("%s %s: day %d, %d items, %s, %d adjustments", r.Date, r.Merchant, r.Number, r.Items, word, int64(len(r.Adjustments))+r.MoreAdjusts)
}

// dayShowCmd shows one day.
type dayShowCmd struct {
	dsnFlags
	Merchant string      `name:"merchant" required:"" placeholder:"OUT_SUB_MCH_ID" help:"Whose day."`
	Date     businessDay `name:"date" placeholder:"2026-11-20" help:"The day; all of them in short, when not said."`
	JSON     bool        `name:"json" help:"The record as it is signed."`
}

// Run prints the sums of a day and everything that is listed in it.
func (c *dayShowCmd) Run(ctx context.Context, e env) (err error) {
	st, err := store.Open(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	days := day.New(day.Config{Store: st, Now: time.Now, Log: newLog(e.stderr, "warn")})
	if c.Date == "" {
		none := true
		err := days.Each(ctx, c.Merchant, func(row store.ClosedDay) error {
			none = false
			if c.JSON {
				_, err := fmt.Fprintln(e.stdout, row.Record)
				return err
			}
			var r day.Record
			if err := json.Unmarshal([]byte(row.Record), &r); err != nil {
				return err
			}
			_, err := fmt.Fprintln(e.stdout, dayLine(r))
			return err
		})
		if err == nil && none && !c.JSON {
			_, err = fmt.Fprintln(e.stdout, "no closed days")
		}
		return err
	}
	r, hash, err := days.Show(ctx, c.Merchant, string(c.Date))
	if errors.Is(err, pay.ErrNotFound) {
		return refused("%s of merchant %s is not closed", c.Date, c.Merchant)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		row, err := st.Day(ctx, c.Merchant, string(c.Date))
		if err == nil {
			_, err = fmt.Fprintln(e.stdout, row.Record)
		}
		return err
	}
	return printDay(e, r, hash)
}

func printDay(e env, r day.Record, hash string) error {
	if _, err := fmt.Fprintf(e.stdout, "%s\nhash     %s\nprevious %s\nkey      %s\nclosed   %s\n\n", dayLine(r), hash, r.Previous, r.Key, r.ClosedAt); err != nil {
		return err
	}
	rows := [][]string{{"CHANNEL", "BY", "PAYMENTS", "AMOUNT", "BACK", "AMOUNT"}}
	for _, ch := range r.Channels {
		for _, by := range []struct {
			name string
			sums day.Sums
		}{{"orders", ch.Orders}, {"ledger", ch.Ledger}, {"bill (" + ch.BillState + ")", ch.Bill}, {"callbacks", ch.Callbacks}} {
			rows = append(rows, []string{
				string(ch.Channel), by.name, strconv.FormatInt(by.sums.InCount, 10), by.sums.In.String(),
				strconv.FormatInt(by.sums.BackCount, 10), by.sums.Back.String(),
			})
		}
	}
	if err := printTable(e.stdout, rows); err != nil {
		return err
	}
	if len(r.Differences) > 0 {
		rows = [][]string{{"\nDIFFERENCE", "CHANNEL", "ITEM", "OURS", "THEIRS", "STATE", "WHY"}}
		for _, d := range r.Differences {
			rows = append(rows, []string{d.Kind, string(d.Channel), shown(d.Item), d.Ours.String(), d.Theirs.String(), d.State, shown(d.Why)})
		}
		if err := printTable(e.stdout, rows); err != nil {
			return err
		}
	}
	if len(r.Adjustments) > 0 {
		rows = [][]string{{"\nADJUSTMENT OF", "CHANNEL", "ITEM", "PAYMENTS", "BACK"}}
		for _, a := range r.Adjustments {
			rows = append(rows, []string{a.Of, string(a.Channel), shown(a.Item), a.In.String(), a.Back.String()})
		}
		return printTable(e.stdout, rows)
	}
	return nil
}

// dayExportCmd writes closed days.
type dayExportCmd struct {
	dsnFlags
	Merchant string `name:"merchant" required:"" placeholder:"OUT_SUB_MCH_ID" help:"Whose days."`
	File     string `arg:"" help:"Where to; it must not exist."`
}

// Run writes the file, or none.
func (c *dayExportCmd) Run(ctx context.Context, e env) (err error) {
	st, err := store.Open(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	n := int64(0)
	err = newFile(c.File, func(out *os.File) error {
		w := bufio.NewWriter(out)
		n, err = day.New(day.Config{Store: st, Now: time.Now, Log: newLog(e.stderr, "warn")}).Export(ctx, c.Merchant, w)
		if err == nil && n == 0 {
			err = fmt.Errorf("merchant %s has no closed day", c.Merchant)
		}
		return errors.Join(err, w.Flush())
	})
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "%s: %d days\n", c.File, n)
	}
	return err
}

// dayStatementCmd writes a statement.
type dayStatementCmd struct {
	dsnFlags
	Merchant string      `name:"merchant" required:"" placeholder:"OUT_SUB_MCH_ID" help:"Whose statement."`
	Date     businessDay `name:"date" required:"" placeholder:"2026-11-20" help:"The closed day."`
	File     string      `arg:"" help:"Where to; its name ends in .csv or .xlsx, and it must not exist."`
}

// Run writes every payment, reversal and refund of the day as it was closed.
func (c *dayStatementCmd) Run(ctx context.Context, e env) (err error) {
	st, err := store.Open(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	days := day.New(day.Config{Store: st, Now: time.Now, Log: newLog(e.stderr, "warn")})
	err = writeSheet(c.File, func(w sheet.Writer) error { return days.WriteStatement(ctx, w, c.Merchant, string(c.Date)) })
	if errors.Is(err, pay.ErrNotFound) {
		return refused("%s of merchant %s is not closed", c.Date, c.Merchant)
	}
	if err == nil {
		_, err = fmt.Fprintln(e.stdout, c.File)
	}
	return err
}

// newFile makes a new file, readable by its owner only, or none.
func newFile(path string, f func(*os.File) error) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // #nosec G304 -- the operator names the file
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err = f(out); err == nil {
		err = out.Sync()
	}
	return err
}

// dayVerifyCmd verifies a file.
type dayVerifyCmd struct {
	File     string `arg:"" help:"A file of cloudpay day export."`
	Key      string `name:"key" placeholder:"BASE64" help:"The key of its first day, as cloudpay day key has printed it."`
	Previous string `name:"previous" placeholder:"HASH" help:"The hash of the day before its first, for a file that does not begin with day 1."`
}

// Run reads the file to its end and says what it holds.
func (c *dayVerifyCmd) Run(_ context.Context, e env) (err error) {
	trust := day.Trust{Previous: strings.ToLower(c.Previous)}
	if c.Key != "" {
		if trust.Key, err = day.ParseKey(c.Key); err != nil {
			return usage("--key: %w", err)
		}
	}
	in, err := os.Open(c.File) // #nosec G304 -- the operator names the file
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	v, err := day.Verify(in, trust, nil)
	if err != nil {
		return fmt.Errorf("%s: NOT good: %w", c.File, err)
	}
	if _, err := fmt.Fprintf(e.stdout, "%s: good: %d days of merchant %s, %s to %s, the last is day %d with hash %s\n",
		c.File, v.Days, shown(v.Merchant), v.First, v.Last, v.LastNumber, v.LastHash); err != nil {
		return err
	}
	if len(v.Unbalanced) > 0 {
		if _, err := fmt.Fprintf(e.stdout, "not balanced: %s\n", strings.Join(v.Unbalanced, " ")); err != nil {
			return err
		}
	}
	if trust.Key == nil {
		_, err = fmt.Fprintf(e.stderr, "no --key was given: nothing was changed since it was signed by %s; whether that is the right key is for you to say\n", v.LastKey)
	}
	return err
}

// dayKeyCmd shows and replaces the signing key.
type dayKeyCmd struct {
	signerFlags
	Rotate bool `name:"rotate" help:"Make a new key; the old one endorses it in the next record of every merchant."`
}

// Run prints public keys, the newest first. The first run makes one.
func (c *dayKeyCmd) Run(ctx context.Context, e env) (err error) {
	a, err := c.open(ctx, e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	if c.Rotate {
		if _, err := a.daysOf().Rotate(ctx); err != nil {
			return err
		}
	}
	keys, err := a.daysOf().Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := fmt.Fprintf(e.stdout, "%s  key %d, made %s\n", k.Public, k.Number, k.MadeAt.In(shanghai).Format(time.DateTime)); err != nil {
			return err
		}
	}
	return nil
}
