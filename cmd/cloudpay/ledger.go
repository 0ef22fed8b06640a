package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"cloudpay/internal/ledger"
	"cloudpay/internal/pay"
	"cloudpay/internal/sheet"
	"cloudpay/internal/store"
)

// ledgerCmd reads the ledger. It moves nothing.
type ledgerCmd struct {
	Balance ledgerBalanceCmd `cmd:"" default:"withargs" help:"What stands on every account (the default)."`
	Check   ledgerCheckCmd   `cmd:"" help:"Check the books of every order, and the fold."`
	Export  ledgerExportCmd  `cmd:"" help:"Write a merchant's ledger as CSV or XLSX."`
}

// shanghai is the zone of business days (money.md §7).
var shanghai = time.FixedZone("CST", 8*60*60)

// momentOf reads a moment as a person writes it: a day of Asia/Shanghai, which
// begins at midnight, a time of that day, or RFC 3339. "" is fallback.
func momentOf(flag, s string, fallback time.Time) (time.Time, error) {
	if s == "" {
		return fallback, nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, s, shanghai); err == nil {
			return at, nil
		}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, usage(`--%s %.40q: write a day (2026-11-20), a time of Asia/Shanghai ("2026-11-20 15:04:05") or RFC 3339`, flag, s)
	}
	return at, nil
}

// ledgerFlags name the database, and the merchant.
type ledgerFlags struct {
	dsnFlags
	Merchant string `name:"merchant" placeholder:"OUT_SUB_MCH_ID" help:"Only of this merchant."`
}

func (f ledgerFlags) open(ctx context.Context, e env) (*store.Store, *ledger.Ledger, error) {
	st, err := store.Open(ctx, store.Config{DSN: f.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return nil, nil, err
	}
	return st, ledger.New(ledger.Config{Store: st, Now: time.Now}), nil
}

// ledgerBalanceCmd prints a trial balance.
type ledgerBalanceCmd struct {
	ledgerFlags
	At   string `name:"at" help:"By what was booked before this moment; now, when not said."`
	JSON bool   `name:"json" help:"One JSON object per line."`
}

// balanceLine is one account as the command prints it, in fen.
type balanceLine struct {
	Channel pay.Channel `json:"channel"`
	Account pay.Account `json:"account"`
	Amount  int64       `json:"amount"`
}

// Run prints accounts by channel, and what they sum to.
func (c *ledgerBalanceCmd) Run(ctx context.Context, e env) error {
	at, err := momentOf("at", c.At, time.Now())
	if err != nil {
		return err
	}
	st, l, err := c.open(ctx, e)
	if err != nil {
		return err
	}
	var b []ledger.Balance
	if c.Merchant != "" {
		b, err = l.Balances(ctx, c.Merchant, at)
	} else {
		b, err = l.AllBalances(ctx, at)
	}
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		for _, v := range b {
			if err := enc.Encode(balanceLine{v.Channel, v.Account, int64(v.Amount)}); err != nil {
				return err
			}
		}
	} else if err := printBalances(e.stdout, at, b); err != nil {
		return err
	}
	for channel, sum := range ledger.Sums(b) {
		if sum != 0 {
			return fmt.Errorf("the books are wrong: %s sums to %s, not to zero; run: cloudpay ledger check", channel, sum)
		}
	}
	return nil
}

func printBalances(w io.Writer, at time.Time, b []ledger.Balance) error {
	if _, err := fmt.Fprintf(w, "booked before %s\n", at.In(shanghai).Format(time.DateTime)); err != nil {
		return err
	}
	if len(b) == 0 {
		_, err := fmt.Fprintln(w, "nothing")
		return err
	}
	rows := [][]string{{"CHANNEL", "", "ACCOUNT", "DEBIT", "CREDIT"}}
	for _, v := range b {
		debit, credit := v.Amount.String(), ""
		if v.Amount < 0 {
			debit, credit = "", (-v.Amount).String()
		}
		rows = append(rows, []string{string(v.Channel), string(v.Account), ledger.Name(v.Account), debit, credit})
	}
	return printTable(w, rows)
}

// ledgerCheckCmd checks the books.
type ledgerCheckCmd struct {
	ledgerFlags
}

// Run prints every fault and ends with an error if there is one.
func (c *ledgerCheckCmd) Run(ctx context.Context, e env) error {
	st, l, err := c.open(ctx, e)
	if err != nil {
		return err
	}
	say := func(f ledger.Fault) error {
		what := "order " + f.OutTradeNo
		if f.OutTradeNo == "" {
			what = "the ledger"
		}
		_, err := fmt.Fprintf(e.stdout, "merchant %s, %s: %s\n", f.MerchantID, what, f.Text)
		return err
	}
	var n ledger.Checked
	if c.Merchant != "" {
		n, err = l.Check(ctx, c.Merchant, say)
	} else {
		n, err = l.CheckAll(ctx, say)
	}
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%d merchants, %d orders, %d faults\n", n.Merchants, n.Orders, n.Faults)
	if err == nil && n.Faults > 0 {
		err = errors.New("the books are wrong")
	}
	return err
}

// ledgerExportCmd writes a ledger out.
type ledgerExportCmd struct {
	dsnFlags
	Merchant string `name:"merchant" required:"" placeholder:"OUT_SUB_MCH_ID" help:"Whose ledger."`
	From     string `name:"from" help:"What was booked from this moment on; from the beginning, when not said."`
	To       string `name:"to" help:"What was booked before this moment; now, when not said."`
	File     string `arg:"" help:"Where to; its name ends in .csv or .xlsx, and it must not exist."`
}

// Run writes the file. It is not left behind in half.
func (c *ledgerExportCmd) Run(ctx context.Context, e env) error {
	from, err := momentOf("from", c.From, time.UnixMilli(1))
	if err != nil {
		return err
	}
	to, err := momentOf("to", c.To, time.Now())
	if err != nil {
		return err
	}
	if !from.Before(to) {
		return usage("--from must be before --to")
	}
	st, err := store.Open(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return err
	}
	cfg := ledger.Config{Store: st, Now: time.Now}
	legs := int64(0)
	err = writeSheet(c.File, func(w sheet.Writer) error {
		legs, err = ledger.New(cfg).Export(ctx, ledger.NewFolder(cfg, newLog(e.stderr, "warn")), c.Merchant, from, to, w)
		return err
	})
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s: %d postings\n", c.File, legs)
	return err
}

// writeSheet makes a new file of tables, readable by its owner only, or none.
func writeSheet(path string, f func(sheet.Writer) error) error {
	format, err := sheet.FormatOf(path)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	return newFile(path, func(out *os.File) error {
		w, err := sheet.New(out, format)
		if err == nil {
			err = f(w)
		}
		if err == nil {
			err = w.Close()
		}
		return err
	})
}
