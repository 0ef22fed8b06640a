package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"text/tabwriter"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/manage"
	"cloudpay/internal/store"
)

// dsnFlags name the database for an operator's command.
type dsnFlags struct {
	DSN string `name:"dsn" env:"CLOUDPAY_DSN" required:"" placeholder:"sqlite:FILE|postgres://…" help:"The database, e.g. sqlite:.demo/cloudpay.db."`
}

// migrateCmd brings the database to this binary's schema.
type migrateCmd struct {
	dsnFlags
}

// Run migrates and says from where to where.
func (c *migrateCmd) Run(ctx context.Context, e env) error {
	from, to, err := store.Migrate(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return err
	}
	if from == to {
		_, err = fmt.Fprintf(e.stdout, "schema %d, nothing to do\n", to)
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "schema %d → %d\n", from, to)
	return err
}

// jobsCmd shows and releases durable work.
type jobsCmd struct {
	List    jobsListCmd    `cmd:"" default:"withargs" help:"List work, buried first (the default)."`
	Release jobsReleaseCmd `cmd:"" help:"Put a buried job back to work."`
}

// jobsFlags say where the jobs are: at a running server, or in a database.
type jobsFlags struct {
	serverFlags
	DSN string `name:"dsn" env:"CLOUDPAY_DSN" placeholder:"sqlite:FILE|postgres://…" help:"The database, e.g. sqlite:.demo/cloudpay.db, when no server is used."`
}

// store opens the database, when no server is used.
func (f jobsFlags) store(ctx context.Context, e env) (*store.Store, error) {
	if f.DSN == "" {
		return nil, usage("say which installation: --server URL for one that runs, or --dsn for its database")
	}
	return store.Open(ctx, store.Config{DSN: f.DSN, Log: newLog(e.stderr, "warn")})
}

// jobsListCmd lists jobs.
type jobsListCmd struct {
	jobsFlags
	Buried bool `name:"buried" help:"Only jobs that need a person."`
	Limit  int  `name:"limit" default:"100" help:"At most this many."`
	JSON   bool `name:"json" help:"One JSON object per line."`
}

// jobLine is one job as the command prints it.
type jobLine struct {
	MerchantID string    `json:"merchant_id"`
	Kind       string    `json:"kind"`
	Ref        string    `json:"ref"`
	State      string    `json:"state"`
	RunAt      time.Time `json:"run_at"`
	Attempt    int64     `json:"attempt"`
	LastError  string    `json:"last_error"`
}

// Run prints jobs, buried ones first, then by due time.
func (c *jobsListCmd) Run(ctx context.Context, e env) error {
	const most = 10_000 // what a terminal can still be piped through
	if c.Limit < 1 || c.Limit > most {
		return usage("--limit must be between 1 and %d", most)
	}
	list, err := c.read(ctx, e)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		for _, j := range list {
			if err := enc.Encode(jobLine{j.MerchantID, j.Kind, j.Ref, string(j.State), j.RunAt, j.Attempt, j.LastError}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		_, err = fmt.Fprintln(e.stdout, "no jobs")
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "STATE\tMERCHANT\tKIND\tREF\tDUE\tTRIES\tLAST ERROR")
	for _, j := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", j.State, j.MerchantID, j.Kind, j.Ref,
			j.RunAt.Local().Format(time.RFC3339), j.Attempt, j.LastError)
	}
	return w.Flush()
}

// read returns jobs, buried ones first, from wherever they are.
func (c *jobsListCmd) read(ctx context.Context, e env) ([]jobs.Job, error) {
	find := func(state jobs.State, limit int) ([]jobs.Job, error) { return c.ask(ctx, e, state, limit) }
	if c.Server == "" {
		st, err := c.store(ctx, e)
		if err != nil {
			return nil, err
		}
		defer func() { _ = st.Close() }() // it was only read
		find = func(state jobs.State, limit int) ([]jobs.Job, error) {
			return st.ListJobs(ctx, store.JobFilter{State: state, Limit: limit})
		}
	}
	list, err := find(jobs.Buried, c.Limit)
	if err == nil && !c.Buried && len(list) < c.Limit {
		var ready []jobs.Job
		ready, err = find(jobs.Ready, c.Limit-len(list))
		list = append(list, ready...)
	}
	return list, err
}

// ask reads jobs from a running server.
func (c *jobsListCmd) ask(ctx context.Context, e env, state jobs.State, limit int) ([]jobs.Job, error) {
	const most = 1000 // of the management API
	i, err := c.dial(e)
	if err != nil {
		return nil, err
	}
	raw, err := i.call(ctx, http.MethodGet, pathOf("jobs")+fmt.Sprintf("?state=%s&limit=%d", state, min(limit, most)), nil)
	if err = errors.Join(err, i.close()); err != nil {
		return nil, err
	}
	var p struct {
		Items []manage.Job `json:"items"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	list := make([]jobs.Job, 0, len(p.Items))
	for _, v := range p.Items {
		list = append(list, jobs.Job{
			Key:   jobs.Key{MerchantID: v.MerchantID, Kind: v.Kind, Ref: v.Ref},
			State: jobs.State(v.State), RunAt: v.RunAt, Attempt: v.Attempt, LastError: v.LastError, CreatedAt: v.CreatedAt,
		})
	}
	return list, nil
}

// jobsReleaseCmd releases one buried job.
type jobsReleaseCmd struct {
	jobsFlags
	Merchant string `arg:"" help:"Merchant id, as listed; '' where the list has none."`
	Kind     string `arg:"" help:"Kind, as listed."`
	Ref      string `arg:"" help:"Reference, as listed."`
}

// Run makes the job ready at once, from the first step of its ladder.
func (c *jobsReleaseCmd) Run(ctx context.Context, e env) error {
	if c.Server != "" {
		i, err := c.dial(e)
		if err != nil {
			return err
		}
		_, err = i.call(ctx, http.MethodPost, pathOf("jobs", "release"), body{"out_sub_mch_id": c.Merchant, "kind": c.Kind, "ref": c.Ref})
		if err = errors.Join(err, i.close()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.stdout, "released")
		return err
	}
	st, err := c.store(ctx, e)
	if err != nil {
		return err
	}
	ok, err := st.ReleaseJob(ctx, jobs.Key{MerchantID: c.Merchant, Kind: c.Kind, Ref: c.Ref}, time.Now())
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	if !ok {
		return refused("not found: no buried job has this merchant, kind and reference; see cloudpay jobs --buried")
	}
	_, err = fmt.Fprintln(e.stdout, "released")
	return err
}

// versionCmd prints what this binary is.
type versionCmd struct{}

// Run prints version, revision and toolchain from the build itself.
func (versionCmd) Run(e env) error {
	version, revision := "development", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(e.stdout, "cloudpay %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
