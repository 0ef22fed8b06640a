package docs_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cloudpay/docs"
)

// TestBothLanguagesHaveTheSamePrograms: only those of the English text are run.
func TestBothLanguagesHaveTheSamePrograms(t *testing.T) {
	t.Parallel()
	program := regexp.MustCompile("(?s)```(?:go|python|java|php|json|text)\n.*?```")
	en := program.FindAllString(docs.Callbacks, -1)
	if diff := cmp.Diff(en, program.FindAllString(docs.CallbacksZH, -1)); diff != "" || len(en) != 6 {
		t.Errorf("%d programs: -English +Chinese\n%s", len(en), diff)
	}
}
