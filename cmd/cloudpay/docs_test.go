package main

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"cloudpay/cpay"
)

// TestPagesSpeakTheirLanguage: every member is explained, in Chinese on Chinese
// pages, and English pages have no Chinese but in examples.
func TestPagesSpeakTheirLanguage(t *testing.T) {
	t.Parallel()
	management, err := os.ReadFile("../../docs/api-openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	site, err := documents(management)
	if err != nil {
		t.Fatal(err)
	}
	page := func(path string) string {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return regexp.MustCompile(`(?s)<pre.*?</pre>|<a class="lang".*?</a>`).ReplaceAllString(w.Body.String(), "")
	}
	han, rows := regexp.MustCompile(`.*\p{Han}.*`), 0
	for _, path := range []string{"/docs/en", "/docs/en/cpay", "/docs/en/cpay/all", "/docs/en/api", "/docs/en/api/all", "/docs/en/callbacks"} {
		for _, line := range han.FindAllString(page(path), -1) {
			t.Errorf("%s is in English, but says %s", path, line)
		}
	}
	for _, m := range regexp.MustCompile(`<th scope="row">(.*?)</th>.*<td>(.*)</td></tr>`).FindAllStringSubmatch(page("/docs/cpay/all"), -1) {
		if rows++; !han.MatchString(m[2]) {
			t.Errorf("%s is explained so: %s", m[1], m[2])
		}
	}
	if rows < 1000 {
		t.Errorf("only %d members are shown", rows)
	}
}

// TestExamplesOfThePagesVerify reads the examples as a developer copies them
// from the page, and checks them as a server does.
func TestExamplesOfThePagesVerify(t *testing.T) {
	t.Parallel()
	site, err := documents([]byte(`{"paths":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	page := func(path string) string {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("GET %s = %d", path, w.Code)
		}
		return w.Body.String()
	}
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(cpay.Schema(), &document); err != nil {
		t.Fatal(err)
	}
	sealed := regexp.MustCompile(`(?s)<pre class="wrap" tabindex="0"><code>(.*?)</code>`)
	key, verified := cpay.NewKey(exampleKey), 0
	for path := range document.Paths {
		method := strings.TrimPrefix(path, "/cpay/")
		text := page("/docs/cpay/" + method)
		if !strings.Contains(text, path) {
			t.Errorf("the page of %s does not name its path", method)
		}
		for i, m := range sealed.FindAllStringSubmatch(text, -1) {
			raw := html.UnescapeString(m[1])
			var e struct {
				Request  string `json:"request_content"`
				Response string `json:"response_content"`
				R        string `json:"r"`
				RC       string `json:"rc"`
				A        string `json:"a"`
				Authen   struct {
					A struct {
						Code string `json:"authen_code"`
					} `json:"a"`
				} `json:"authen_info"`
			}
			if err := json.Unmarshal([]byte(raw), &e); err != nil {
				t.Fatalf("%s example %d: %v\n%s", method, i, err, raw)
			}
			content, code := e.Request+e.Response+e.R+e.RC, e.A+e.Authen.A.Code
			if !key.Verifies([]byte(content), code) {
				t.Errorf("%s example %d does not verify", method, i)
			}
			if !json.Valid([]byte(content)) {
				t.Errorf("%s example %d holds no JSON: %s", method, i, content)
			}
			verified++
		}
		if r := cpay.NewRequest(method); r != nil && !strings.HasPrefix(method, "brief_") {
			m := sealed.FindStringSubmatch(text)
			if m == nil {
				t.Errorf("%s has no sealed example", method)
				continue
			}
			e, err := cpay.Open([]byte(html.UnescapeString(m[1])), cpay.Keys{AuthenKey: key})
			if err == nil {
				err = e.Decode(r)
			}
			if err == nil {
				err = r.Validate()
			}
			if err != nil {
				t.Errorf("the example of %s is refused: %v", method, err)
			}
		}
	}
	if verified < 70 {
		t.Errorf("only %d examples are sealed", verified)
	}
}
