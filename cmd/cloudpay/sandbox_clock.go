package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

// sandboxClockCmd is the time machine.
type sandboxClockCmd struct {
	boxFlags
	Advance time.Duration `name:"advance" placeholder:"DURATION" help:"Move the clock forward, for example 24h4m; what becomes due on the way happens."`
}

// Run prints the time after the move.
func (c *sandboxClockCmd) Run(ctx context.Context, e env) error {
	method, in := http.MethodGet, any(nil)
	if c.Advance != 0 {
		method, in = http.MethodPost, map[string]string{"advance": c.Advance.String()}
	}
	raw, err := c.call(ctx, method, "/clock", in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", bytes.TrimSpace(raw))
	return err
}
