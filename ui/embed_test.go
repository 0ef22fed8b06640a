package ui_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloudpay/ui"
)

// TestBuiltPagesAreOfTheseSources fails when a source was changed and 'make ui'
// was not run. scripts/sources.mjs writes the list.
func TestBuiltPagesAreOfTheseSources(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("dist/SOURCES")
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("dist/SOURCES: unreadable line %q", line)
		}
		built[name] = sum
	}
	if len(built) < 10 {
		t.Fatalf("dist/SOURCES lists %d files only", len(built))
	}
	err = fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"node_modules", "dist"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) == ".go" {
			return nil
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(raw)
		if built[name] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s is not what dist was built from: run 'make ui' and commit ui/dist", name)
		}
		delete(built, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range built {
		t.Errorf("dist was built from %s, which is gone: run 'make ui' and commit ui/dist", name)
	}
}

// TestPagesAreTheirOwn holds the pages to the policy they are served under: no
// script or style inside the page, and nothing from elsewhere.
func TestPagesAreTheirOwn(t *testing.T) {
	t.Parallel()
	page, err := fs.ReadFile(ui.Phone(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`<style`, `\sstyle=`, `\son[a-z]+=`, `<script(\s+[a-z]+(="[^"]*")?)*>\s*[^<\s]`, `(src|href)="(https?:)?//`} {
		if found := regexp.MustCompile(bad).Find(page); found != nil {
			t.Errorf("index.html has %q", found)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="/phone/([^"]+)"`).FindAllSubmatch(page, -1) {
		if _, err := fs.Stat(ui.Phone(), string(m[1])); err != nil {
			t.Errorf("index.html names %s: %v", m[1], err)
		}
	}
}
