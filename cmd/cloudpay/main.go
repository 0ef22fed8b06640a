// Command cloudpay is the whole product in one binary: the gateway, the
// sandbox that plays the wallets, and the tools of an operator and of a
// developer at the shell.
//
// It wires the rooms together by hand and knows configuration, files, signals
// and terminals. It must not hold a rule of money.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes. 0 to 2 are the contract of the paying commands; 64 is usage as
// in sysexits, so that no mistake on the command line looks like "declined".
const (
	exitOK       = 0
	exitDeclined = 1
	exitUnknown  = 2
	exitUsage    = 64
	exitFailed   = 70 // something of ours broke; says nothing about money
)

// exitError carries an exit code and what to print, if anything.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage wraps a mistake of the caller.
func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// refused wraps a wish that was not granted: nothing was changed.
func refused(format string, args ...any) error {
	return &exitError{code: exitDeclined, err: fmt.Errorf(format, args...)}
}

// env is the outside world of one run, so that tests can give their own.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// cli is the command line. The zero value of every flag is usable.
type cli struct {
	ConfigFile string `name:"config" placeholder:"FILE" env:"CLOUDPAY_CONFIG" help:"Read settings from this JSON file; unknown keys are refused."`

	Demo    demoCmd    `cmd:"" help:"Run gateway, sandbox and sample merchants in one process."`
	Serve   serveCmd   `cmd:"" help:"Run the gateway."`
	Sandbox sandboxCmd `cmd:"" help:"Play both wallets and the customer's phone."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this binary's schema."`
	Backup  backupCmd  `cmd:"" help:"Write everything the database holds into one file, while the gateway runs."`
	Restore restoreCmd `cmd:"" help:"Fill an empty database from a backup, on either engine."`
	Move    moveCmd    `cmd:"" help:"Move an installation to another database: SQLite to PostgreSQL, or back."`
	Jobs    jobsCmd    `cmd:"" help:"Show and release durable work."`
	Ledger  ledgerCmd  `cmd:"" help:"What stands on the accounts, the books checked, and written out."`
	Day     dayCmd     `cmd:"" help:"Closed business days: signed, chained, and verified without a database."`
	Doctor  doctorCmd  `cmd:"" help:"Check an installation and say what is wrong."`
	Config  configCmd  `cmd:"" help:"Print the settings in force, secrets hidden."`
	CA      caCmd      `cmd:"" name:"ca" help:"Make a private root and server certificates for terminals that pin one."`
	Verify  verifyCmd  `cmd:"" name:"verify-request" help:"Say why a request does not verify: which bytes, which code, the first difference."`
	Sim     simCmd     `cmd:"" hidden:"" help:"Run simulations on fake time."`
	Version versionCmd `cmd:"" help:"Print version and build."`

	MasterKey masterKeyCmd `cmd:"" name:"master-key" help:"The key that keys at rest are sealed with."`

	Provider    providerCmd     `cmd:"" group:"manage" help:"Service providers (服务商)."`
	Subprovider subproviderCmd  `cmd:"" group:"manage" help:"A provider's agents (子服务商)."`
	Account     accountCmd      `cmd:"" group:"manage" help:"A provider's accounts at the wallets."`
	Channel     channelCmd      `cmd:"" group:"manage" help:"How the accounts at the wallets are."`
	Merchant    merchantCmd     `cmd:"" group:"manage" help:"Sub-merchants (子商户)."`
	Key         keyCmd          `cmd:"" group:"manage" help:"Merchants' keys."`
	Prefix      prefixCmd       `cmd:"" group:"manage" help:"Order prefixes."`
	Admin       adminAccountCmd `cmd:"" group:"manage" help:"Merchants' administrators."`
	Shop        shopCmd         `cmd:"" group:"manage" help:"Shops (门店)."`
	Device      deviceCmd       `cmd:"" group:"manage" help:"Devices (设备)."`
	Staff       staffCmd        `cmd:"" group:"manage" help:"Staff (店员)."`
	Order       orderCmd        `cmd:"" group:"manage" help:"Orders, as an operator sees them."`
	Callback    callbackCmd     `cmd:"" group:"manage" help:"What merchants were told, told again, and test callbacks (回调)."`
	Attention   attentionCmd    `cmd:"" group:"manage" help:"What wants a person."`
	Explain     explainCmd      `cmd:"" group:"manage" help:"One order as one timeline: requests, wallets, notices, ledger, callbacks, devices; and what happens next."`
	Recon       reconCmd        `cmd:"" group:"manage" help:"Reconciliation with the wallets' bills (对账)."`
	Member      memberCmd       `cmd:"" group:"manage" help:"Operator accounts (成员)."`
	Token       tokenCmd        `cmd:"" group:"manage" help:"Tokens of the management API."`
	Audit       auditCmd        `cmd:"" group:"manage" help:"Who changed what, newest first."`
	Request     requestCmd      `cmd:"" group:"manage" help:"Find a Cloud Pay request of a running server by its log_id."`

	Pay     payCmd     `cmd:"" help:"Charge a payment code and wait for the result."`
	Query   queryCmd   `cmd:"" help:"Show an order and its refunds."`
	Refund  refundCmd  `cmd:"" help:"Refund a paid order, in part or in full."`
	Reverse reverseCmd `cmd:"" help:"Undo an unfinished payment."`
}

// gcPercent lets the heap grow to five times what lives. A busy gateway's live
// heap is about 3 MiB; collecting at every doubling of so little runs the
// collector 25 times a second and takes a tenth of the processor.
const gcPercent = 400

// tune sets the collector, unless the operator did (GOGC).
func tune(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

func main() {
	tune(os.Getenv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv})
	stop()
	os.Exit(code)
}

// run parses and executes one command line and returns its exit code.
func run(ctx context.Context, args []string, e env) (code int) {
	c := &cli{}
	exited := -1
	file, err := configFile(args, e.getenv)
	if err != nil {
		_, _ = fmt.Fprintln(e.stderr, "cloudpay:", err)
		return exitUsage
	}
	parser, err := kong.New(c,
		kong.Resolvers(file),
		kong.Name("cloudpay"),
		kong.Description("A self-hosted Cloud Pay. Start with: cloudpay demo"),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(valueHelp),
		kong.PostBuild(nameValues),
		kong.ExplicitGroups([]kong.Group{{Key: "manage", Title: "Who exists:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(e),
	)
	if err != nil {
		_, _ = fmt.Fprintln(e.stderr, "cloudpay:", err)
		return exitFailed
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		_, _ = fmt.Fprintf(e.stderr, "cloudpay: %v\nTry '%s --help'.\n", err, helpFor(err))
		return exitUsage
	}
	return report(e, kctx.Run())
}

// report prints an error once and turns it into an exit code.
func report(e env, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if x, ok := errors.AsType[*exitError](err); ok {
		code, err = x.code, x.err
	}
	if err != nil {
		_, _ = fmt.Fprintln(e.stderr, "cloudpay:", err)
	}
	return code
}
