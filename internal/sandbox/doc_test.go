package sandbox_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"cloudpay/internal/sandbox"
)

// TestDocumentListsEveryScenario keeps docs/sandbox.md true: one row per
// scenario, in the program's own words.
func TestDocumentListsEveryScenario(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	for _, s := range sandbox.Scenarios() {
		if row := scenarioRow(s); !strings.Contains(doc, row) {
			t.Errorf("docs/sandbox.md lacks the row\n%s", row)
		}
	}
	for _, c := range sandbox.CodeSuffixes() {
		if row := fmt.Sprintf("| …%s | `%s` |", c.Suffix, c.Scenario); !strings.Contains(doc, row) {
			t.Errorf("docs/sandbox.md lacks the row\n%s", row)
		}
	}
	for _, name := range sandbox.NegativeTests() {
		if !strings.Contains(doc, strings.TrimPrefix(name, "MICROPAY")) {
			t.Errorf("docs/sandbox.md lacks the case %s", name)
		}
	}
	for _, a := range sandbox.ClassicAmounts() {
		if row := fmt.Sprintf("| ¥%s | `%s` |", a.Amount.Yuan(), a.Scenario); !strings.Contains(doc, row) {
			t.Errorf("docs/sandbox.md lacks the row\n%s", row)
		}
	}
}

func scenarioRow(s sandbox.Scenario) string {
	var channels []string
	for _, ch := range s.Channels {
		channels = append(channels, string(ch))
	}
	return fmt.Sprintf("| `%s` | %s | %s | `%s` | %s |",
		s.Name, s.Effect, strings.Join(channels, " "), s.Endpoint, strings.Join(s.Params, " "))
}
