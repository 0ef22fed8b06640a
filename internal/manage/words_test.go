package manage

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// TestEveryMemberIsExplained: a member or parameter without a doc tag and
// without a line in zh.json, or a line that describes none, has slipped in.
func TestEveryMemberIsExplained(t *testing.T) {
	t.Parallel()
	s := &Server{mux: http.NewServeMux()}
	s.api = humago.New(s.mux, apiConfig())
	s.register()
	unused, err := explain(s.api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if len(unused) > 0 {
		t.Errorf("zh.json has lines for no member: %q", unused)
	}
	han := regexp.MustCompile(`\p{Han}`)
	o := s.api.OpenAPI()
	for name, schema := range o.Components.Schemas.Map() {
		for member, p := range schema.Properties {
			if !han.MatchString(p.Description) {
				t.Errorf("%s.%s is explained so: %q", name, member, p.Description)
			}
		}
	}
	for path, item := range o.Paths {
		for _, op := range operationsOf(item) {
			for _, p := range op.Parameters {
				if !han.MatchString(p.Description) {
					t.Errorf("the parameter %s of %s %s is explained so: %q", p.Name, op.Method, path, p.Description)
				}
			}
		}
	}
}

// TestEveryTextHasItsEnglish: whoever writes or changes a Chinese text of the
// document adds its English to en.json, and takes away the one it had.
func TestEveryTextHasItsEnglish(t *testing.T) {
	t.Parallel()
	s := &Server{mux: http.NewServeMux()}
	s.api = humago.New(s.mux, apiConfig())
	s.register()
	o := s.api.OpenAPI()
	if _, err := explain(o); err != nil {
		t.Fatal(err)
	}
	missing, unused, err := translate(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 {
		t.Errorf("en.json lacks the English of: %q", missing)
	}
	if len(unused) > 0 {
		t.Errorf("en.json has lines for no text: %q", unused)
	}
	op := o.Paths["/v1/merchants"].Get
	if got := op.Extensions["x-summary-en"]; got != "List merchants" {
		t.Errorf("the English of %s is %v", op.Summary, got)
	}
}
