package arch

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestREADMENamesTheProofs reads README's table of promises: ten, each with a
// test that exists in the room it names, and no test of that name beside them,
// so that "go test -run Promise" runs exactly the ten.
func TestREADMENamesTheProofs(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| P([0-9]+) \\| [^|]+ \\| `([a-z/]+)` `(TestPromise([0-9]+)[A-Za-z0-9]+)` \\|$")
	want := map[string]string{} // room by test
	for i, m := range row.FindAllStringSubmatch(string(readme), -1) {
		if m[1] != strconv.Itoa(i+1) || m[4] != m[1] {
			t.Errorf("row %d of README's promises is P%s with %s", i+1, m[1], m[3])
		}
		want[m[3]] = m[2]
	}
	if len(want) != 10 {
		t.Errorf("README names %d tests of promises, want 10", len(want))
	}
	found := map[string]string{}
	test := regexp.MustCompile(`(?m)^func (Test\w*Promise\w*)\(t \*testing\.T\)`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		raw, err := os.ReadFile(path) // #nosec G304 G122 -- the tree under test
		for _, m := range test.FindAllStringSubmatch(string(raw), -1) {
			found[m[1]] = filepath.ToSlash(filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(found, want) {
		for _, name := range slices.Sorted(maps.Keys(found)) {
			t.Logf("found %s in %s", name, found[name])
		}
		t.Errorf("the tree has %d tests with Promise in their names, README names %d: another name keeps go test -run Promise at the ten", len(found), len(want))
	}
}
