package docs_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cloudpay/internal/docs"
)

// site is one with the sample document, whose examples are sealed with brackets.
func site(t *testing.T) *docs.Site {
	t.Helper()
	raw, err := os.ReadFile("testdata/sample.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := docs.New(docs.Page{
		Name: "cpay", Title: docs.Text{ZH: "样例", EN: "Sample"}, Intro: docs.Text{ZH: "第一段\n第二段", EN: "One\nTwo"}, Document: raw,
		Tables: []docs.Table{{
			Title: docs.Text{ZH: "状态", EN: "Statuses"}, Head: []docs.Text{{ZH: "值", EN: "Value"}},
			Rows: [][]docs.Text{{{ZH: "成功", EN: "fine"}}},
		}},
		Seal: func(operation string, content []byte, response bool) ([]byte, error) {
			if response {
				return []byte("answered " + operation), nil
			}
			return append([]byte("sealed "+operation+" "), content...), nil
		},
	}, docs.Page{Name: "api", Title: docs.Text{EN: "Only English"}, Document: raw})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestPagesShowWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	s := site(t)
	for path, want := range map[string][]string{
		"/docs/":         {"接口文档", "样例", "Only English", `lang="zh-CN"`, `href="/docs/en/"`},
		"/docs/en/":      {"Interface documents", "Sample", `lang="en"`, `href="/docs/"`},
		"/docs/cpay":     {"第一段", "第二段", "状态", "成功", "斑马", "/cpay/zebra", "/v1/apples/{id}", "支付"},
		"/docs/en/cpay":  {"Two", "Statuses", "fine", `href="/docs/cpay"`, "A zebra", "Paying"},
		"/docs/cpay/all": {"/cpay/zebra", "/v1/apples/{id}", "状态"},
		"/docs/cpay/zebra": {
			"斑马 &lt;b&gt;", "First.", "Second &lt;script&gt;", "total_fee", "1…2147483647", "分", "said here", "≤127",
			`class="d1"`, "inner", `class="d2"`, "deep", "&#34;CNY&#34; | &#34;USD&#34;", "by example",
			"sealed zebra {&#34;total_fee&#34;:1,&#34;nested&#34;:{&#34;inner&#34;:[{&#34;deep&#34;:&#34;CNY&#34;}]},&#34;wanted&#34;:&#34;by example&#34;}",
			"string | integer", "any", "Tree", `<b>必填</b>`,
		},
		"/docs/en/cpay/zebra":         {"A zebra", "in fen", "said in English", "First.", "Required", `<b>required</b>`, `href="/docs/cpay/zebra"`, "Interface documents"},
		"/docs/cpay/get-v1-apples-id": {"Get an apple", "≤32", "limit", "50", "an apple", "date-time", "2026", "无内容"},
		"/docs/cpay/delete-apple":     {"DELETE"},
		"/docs/api/zebra":             {"Only English"},
	} {
		w := get(t, s, path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		for _, text := range want {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("GET %s does not show %q", path, text)
			}
		}
	}
	if strings.Contains(get(t, s, "/docs/cpay/zebra").Body.String(), "request_content") {
		t.Error("the envelope is shown as if it were the message")
	}
}

func TestPagesSpeakOneLanguage(t *testing.T) {
	t.Parallel()
	s := site(t)
	for path, other := range map[string][]string{
		"/docs/cpay/zebra":               {"A zebra", "Paying", "in fen", "said in English"},
		"/docs/en/cpay/zebra":            {"斑马", "支付", "分", "said here"},
		"/docs/en/cpay/get-v1-apples-id": {"默认"},
	} {
		for _, text := range other {
			if strings.Contains(get(t, s, path).Body.String(), text) {
				t.Errorf("GET %s shows %q, which is of the other language", path, text)
			}
		}
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	s := site(t)
	links := regexp.MustCompile(`href="([^"#]+)`)
	seen := map[string]bool{}
	for todo := []string{"/docs/"}; len(todo) > 0; todo = todo[1:] {
		w := get(t, s, todo[0])
		if w.Code != http.StatusOK {
			t.Errorf("GET %s = %d", todo[0], w.Code)
		}
		for _, m := range links.FindAllStringSubmatch(w.Body.String(), -1) {
			if !seen[m[1]] {
				seen[m[1]] = true
				todo = append(todo, m[1])
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d links were found: %v", len(seen), seen)
	}
}

func TestPagesRunNoScriptAndLoadNothingForeign(t *testing.T) {
	t.Parallel()
	s := site(t)
	foreign := regexp.MustCompile(`(?i)<script|<style|style=|\son\w+=|javascript:|(?:src|href)="(?:https?:)?//|@import|url\(`)
	for _, path := range []string{"/docs/", "/docs/cpay", "/docs/cpay/zebra", "/docs/en/cpay/all"} {
		w := get(t, s, path)
		if m := foreign.FindString(w.Body.String()); m != "" {
			t.Errorf("GET %s has %q", path, m)
		}
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
				t.Errorf("GET %s has the policy %q", path, policy)
			}
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s may be sniffed", path)
		}
	}
	err := filepath.WalkDir("assets", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), "://") {
			t.Errorf("%s names an address", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnknownPagesAreNotFound(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, path := range []string{"/docs/nothing", "/docs/cpay/nothing", "/docs/cpay/zebra/more", "/docs/english", "/docs/assets/docs.css", "/docs/en/en/cpay", "/docs/cpay/../../etc/passwd"} {
		if w := get(t, s, path); w.Code != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, w.Code)
		}
	}
}

func TestPagesAreKeptByTheirReader(t *testing.T) {
	t.Parallel()
	s := site(t)
	css := regexp.MustCompile(`/docs/assets/docs\.[0-9a-f]+\.css`).FindString(get(t, s, "/docs/").Body.String())
	for path, cache := range map[string]string{"/docs/cpay": "no-cache", css: "public, max-age=31536000, immutable", "/docs/cpay/openapi.json": "no-cache"} {
		first := get(t, s, path)
		if first.Code != http.StatusOK || first.Header().Get("Cache-Control") != cache {
			t.Errorf("GET %s = %d, %q", path, first.Code, first.Header().Get("Cache-Control"))
		}
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", first.Header().Get("Etag"))
		again := httptest.NewRecorder()
		s.ServeHTTP(again, r)
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("GET %s again = %d with %d bytes", path, again.Code, again.Body.Len())
		}
	}
}

func TestDocumentsThatAreNotWholeAreRefused(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"not JSON":            `{`,
		"paths a list":        `{"paths":[]}`,
		"a missing schema":    `{"paths":{"/a":{"get":{"responses":{"200":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/No"}}}}}}}}}`,
		"a missing response":  `{"paths":{"/a":{"get":{"responses":{"200":{"$ref":"#/components/responses/No"}}}}}}`,
		"a missing parameter": `{"paths":{"/a":{"get":{"parameters":[{"$ref":"#/components/parameters/No"}]}}}}`,
		"references in a ring": `{"paths":{"/a":{"get":{"responses":{"200":{"description":"","content":{"application/json":{"schema":{"$ref":"#/components/schemas/A"}}}}}}}},
			"components":{"schemas":{"A":{"$ref":"#/components/schemas/B"},"B":{"$ref":"#/components/schemas/A"}}}}`,
	} {
		if _, err := docs.New(docs.Page{Name: "x", Document: []byte(doc)}); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}
