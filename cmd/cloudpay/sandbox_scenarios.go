package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"cloudpay/internal/sandbox"
)

// sandboxScenariosCmd lists the scenarios of this binary's sandbox. None needs
// to run.
type sandboxScenariosCmd struct {
	JSON bool `name:"json" help:"Print JSON, as GET /sandbox/v1/scenarios answers."`
}

// Run prints the list, and the ways to set them off.
func (c *sandboxScenariosCmd) Run(e env) error {
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{
			"scenarios": sandbox.Scenarios(), "code_suffixes": sandbox.CodeSuffixes(),
			"negative_tests": sandbox.NegativeTests(), "classic_amounts": sandbox.ClassicAmounts(),
		})
	}
	suffixes, amounts := map[string]string{}, map[string]string{}
	for _, s := range sandbox.CodeSuffixes() {
		suffixes[s.Scenario] = "…" + s.Suffix
	}
	for _, a := range sandbox.ClassicAmounts() {
		amounts[a.Scenario] = "¥" + a.Amount.Yuan()
	}
	rows := [][]string{{"SCENARIO", "WALLETS", "ENDPOINT", "CODE", "CLASSIC", "PARAMS", "EFFECT"}}
	for _, s := range sandbox.Scenarios() {
		var channels []string
		for _, ch := range s.Channels {
			channels = append(channels, string(ch))
		}
		rows = append(rows, []string{
			s.Name, strings.Join(channels, ","), s.Endpoint, dash(suffixes[s.Name]), dash(amounts[s.Name]), dash(strings.Join(s.Params, ",")), s.Effect,
		})
	}
	if err := printTable(e.stdout, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, `
Set one off:
  on the calls it is aimed at   cloudpay sandbox fault drop_after --count 1      (POST /sandbox/v1/faults)
  by the payment code           cloudpay sandbox paycode --channel wxpay --scenario drop_after
  by the amount                 with --profile classic only
  by a header of WeChat Pay's   Wechatpay-Negative-Test: %s
`, strings.Join(sandbox.NegativeTests(), ", "))
	return err
}

// dash stands for nothing in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
