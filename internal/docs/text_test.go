package docs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestATextIsReadInBlocks(t *testing.T) {
	t.Parallel()
	got, err := blocksOf("# One\n\nA **b** `c*d`\nsecond <b>\n```go\nx := `**`\n\n# no\n```\n## Two\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []block{
		{Kind: "h1", Parts: []span{{Text: "One"}}},
		{Kind: "p", Parts: []span{{Text: "A "}, {Text: "b", Bold: true}, {Text: " "}, {Text: "c*d", Code: true}, {Text: " second <b>"}}},
		{Kind: "pre", Lang: "go", Code: "x := `**`\n\n# no"},
		{Kind: "h2", Parts: []span{{Text: "Two"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, bad := range []string{"```go\nx", "- a list", "### three", "| a |", "> said"} {
		if _, err := blocksOf(bad); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v, want an error", bad, err)
		}
	}
}

func TestATextIsAPageInBothLanguages(t *testing.T) {
	t.Parallel()
	s, err := New(Page{Name: "calls", Title: Text{"回调", "Callbacks"}, Text: Text{"# 标题\n\n`x` <b>\n", "# Title\n\n```go\na < b\n```\n"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/docs/calls": "<code>x</code> &lt;b&gt;", "/docs/en/calls": "<code>a &lt; b</code>", "/docs/": `href="/docs/calls"`, "/docs/en/": ">Callbacks<",
	} {
		v, found := s.find(strings.TrimSuffix(path, "/"))
		if !found {
			t.Errorf("%s is not there", path)
			continue
		}
		page, err := s.render(v)
		if err != nil || !strings.Contains(string(page), want) || strings.Contains(string(page), "openapi.json") {
			t.Errorf("%s: %v, want %s in\n%s", path, err, want, page)
		}
	}
	for _, path := range []string{"/docs/calls/all", "/docs/calls/x"} {
		if _, found := s.find(path); found {
			t.Errorf("%s is there", path)
		}
	}
	if _, err := New(Page{Name: "bad", Text: Text{ZH: "- x"}}); err == nil {
		t.Error("a text that cannot be shown is taken")
	}
}
