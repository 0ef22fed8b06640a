package manage_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestPermissionsAreAsWritten compares who is let near each operation with a
// table that reviewers read: testdata/permissions.golden, rewritten by -update.
// An operation that the role is not refused may still be out of reach (404) or
// against a rule, which other tests cover.
func TestPermissionsAreAsWritten(t *testing.T) { //nolint:tparallel // "ask" waits for all answers
	t.Parallel()
	const path = "testdata/permissions.golden"
	roles := []string{"operator", "provider", "agent", "boss", "weak boss", "manager", "cashier", "finance", "ops", "developer", "vendor"}
	table := rows()
	var mu sync.Mutex
	var lines []string
	t.Run("ask", func(t *testing.T) {
		for _, op := range operations(t, newHouse(t)) {
			r := table[op.id]
			t.Run(op.id, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				path, body := r.path, r.body
				if path == "" {
					path = usual.Replace(op.path)
				}
				if r.before != nil {
					path, body = r.before(t, h)
				}
				var let []string
				for _, role := range slices.Backward(roles) { // who may least comes first: what is gone afterwards is 404
					w := h.do(t.Context(), request{token: tokens[role], method: op.method, path: path, body: body})
					switch {
					case w.Code >= http.StatusInternalServerError:
						t.Errorf("%s: %d %s", role, w.Code, w.Body)
					case w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), `error:role"`):
					default:
						let = append(let, role)
					}
				}
				slices.Reverse(let)
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, fmt.Sprintf("%-20s %s", op.id, strings.Join(let, ", ")))
			})
		}
	})
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("who may do what is not as written; run with -update and look at the difference\n%s", got)
	}
}
