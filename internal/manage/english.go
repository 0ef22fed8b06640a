package manage

import (
	_ "embed" // the English is a file
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed en.json
var englishJSON []byte

// translate adds the English of every Chinese text of the document, as the
// extensions x-summary-en, x-description-en and x-tags-en that our pages read.
// en.json has it by the Chinese, so that whoever changes a text is told that its
// English is missing. It returns the texts that have none, and the lines for no
// text.
func translate(o *huma.OpenAPI) (missing, unused []string, err error) {
	var english map[string]string
	if err := json.Unmarshal(englishJSON, &english); err != nil {
		return nil, nil, fmt.Errorf("read the English of the document: %w", err)
	}
	used := map[string]bool{}
	in := func(text string) string {
		if text == "" {
			return ""
		}
		used[text] = true
		if english[text] == "" && hasHan(text) && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
		return english[text]
	}
	say := func(ext *map[string]any, name, text string) {
		if en := in(text); en != "" {
			if *ext == nil {
				*ext = map[string]any{}
			}
			(*ext)[name] = en
		}
	}
	for s := range schemasOf(o) {
		say(&s.Extensions, "x-description-en", s.Description)
	}
	for _, path := range o.Paths {
		for _, op := range operationsOf(path) {
			say(&op.Extensions, "x-summary-en", op.Summary)
			say(&op.Extensions, "x-description-en", op.Description)
			if len(op.Tags) == 1 {
				if en := in(op.Tags[0]); en != "" {
					op.Extensions["x-tags-en"] = []string{en} // made above: every operation has a summary
				}
			}
			for _, p := range op.Parameters {
				say(&p.Extensions, "x-description-en", p.Description)
			}
		}
	}
	say(&o.Info.Extensions, "x-title-en", o.Info.Title)
	say(&o.Info.Extensions, "x-description-en", o.Info.Description)
	for _, s := range o.Components.SecuritySchemes {
		say(&s.Extensions, "x-description-en", s.Description)
	}
	for text := range maps.Keys(english) {
		if !used[text] {
			unused = append(unused, text)
		}
	}
	slices.Sort(missing)
	slices.Sort(unused)
	return missing, unused, nil
}

// hasHan reports whether a text holds Chinese.
func hasHan(text string) bool {
	for _, r := range text {
		if '\u4e00' <= r && r <= '\u9fff' {
			return true
		}
	}
	return false
}

// schemasOf lists the schemas of a document: those of its types and parameters,
// and what is in them.
func schemasOf(o *huma.OpenAPI) iter.Seq[*huma.Schema] {
	return func(yield func(*huma.Schema) bool) {
		for _, s := range o.Components.Schemas.Map() {
			if !within(s, yield) {
				return
			}
		}
		for _, path := range o.Paths {
			for _, op := range operationsOf(path) {
				for _, p := range op.Parameters {
					if !within(p.Schema, yield) {
						return
					}
				}
			}
		}
	}
}

// within yields a schema and those of its members and items.
func within(s *huma.Schema, yield func(*huma.Schema) bool) bool {
	if s == nil {
		return true
	}
	if !yield(s) || !within(s.Items, yield) {
		return false
	}
	for _, p := range s.Properties {
		if !within(p, yield) {
			return false
		}
	}
	return true
}
