package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMoneyRulesNameTheirTests reads docs/money-rules.md: every rule names tests
// of this tree, each in the room that stands before it, and no row of the reverse
// policy is missing.
func TestMoneyRulesNameTheirTests(t *testing.T) {
	raw, err := os.ReadFile("docs/money-rules.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for _, want := range []string{"§1", "§2", "§3", "§4", "§5", "§6", "§7", "| row 1 |", "| row 13 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	rooms := map[string]string{} // all test code of a room
	code := func(room string) string {
		if _, read := rooms[room]; !read {
			files, err := filepath.Glob(filepath.Join(filepath.FromSlash(room), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				text, err := os.ReadFile(f) // #nosec G304 -- the tree under test
				if err != nil {
					t.Fatal(err)
				}
				rooms[room] += string(text)
			}
		}
		return rooms[room]
	}
	quoted, rows := regexp.MustCompile("`([^`]+)`"), 0
	for line := range strings.Lines(page) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 2 || strings.HasPrefix(line, "| Rule ") {
			continue
		}
		rows++
		room, named := "", 0
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			switch name := m[1]; {
			case strings.HasPrefix(name, "internal/"):
				room = name
			case !strings.HasPrefix(name, "Test"):
				t.Errorf("%q is neither a room nor a test: %s", name, line)
			case !strings.Contains(code(room), "func "+name+"(t *testing.T)"):
				t.Errorf("%s has no %s", room, name)
			default:
				named++
			}
		}
		if named == 0 {
			t.Errorf("no test of: %s", line)
		}
	}
	if rows < 50 {
		t.Errorf("the page has %d rules, want all of them", rows)
	}
}
