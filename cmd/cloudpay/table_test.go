package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTablesAlignChinese(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := printList(&b, []column{{"名称", "name"}, {"编号", "deep.id"}, {"空", "none"}}, []json.RawMessage{
		json.RawMessage(`{"name":"面包店","deep":{"id":"1"}}`), json.RawMessage(`{"name":"abc","deep":{"id":22}}`),
	})
	want := "名称    编号  空\n面包店  1     \nabc     22    \n"
	if err != nil || b.String() != want {
		t.Errorf("printList = %q, %v, want %q", b.String(), err, want)
	}
}

func TestNamesCannotCommandTheTerminal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"面包店": "面包店", "a\x1b[2Jb": "a·[2Jb", "a\nb": "a·b", "\u202eabc": "·abc", "\u009b2J": "·2J",
	} {
		if got := shown(in); got != want {
			t.Errorf("shown(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAnswersAreFlattenedInOrder(t *testing.T) {
	t.Parallel()
	got, err := flatten([]byte(`{"b":1,"a":{"x":"y","n":null},"l":[true,{"z":12345678901234567890}]}`))
	want := []field{{"b", "1"}, {"a.x", "y"}, {"l.1", "true"}, {"l.2.z", "12345678901234567890"}}
	if err != nil || cmp.Diff(want, got, cmp.AllowUnexported(field{})) != "" {
		t.Errorf("flatten = %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{``, `{`, `{"a"`, `{"a":}`} {
		if _, err := flatten([]byte(bad)); err == nil {
			t.Errorf("flatten(%q) finds nothing wrong", bad)
		}
	}
}

func TestSecretsComeFromPrivateFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := writeSecret(path, []byte(" secret \n")); err != nil {
		t.Fatal(err)
	}
	if got, err := readSecret(env{}, path, 100); err != nil || got != "secret" {
		t.Errorf("readSecret = %q, %v", got, err)
	}
	if err := writeSecret(path, nil); err == nil {
		t.Error("a key was written over another")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret(env{}, path, 100); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
	if got, err := readSecret(env{stdin: strings.NewReader("piped\n")}, "-", 100); err != nil || got != "piped" {
		t.Errorf("standard input: %q, %v", got, err)
	}
	for _, in := range []string{"", " \n", strings.Repeat("x", 101)} {
		if _, err := readSecret(env{stdin: strings.NewReader(in)}, "-", 100); err == nil {
			t.Errorf("%d bytes of standard input: no error", len(in))
		}
	}
}
