package manage

import (
	_ "embed" // what members mean is a file
	"encoding/json"
	"fmt"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed zh.json
var meaningsJSON []byte

// explain describes the members and parameters that no doc tag describes, in
// Chinese: those of the directory's types, which know nothing of documents, and
// those that mean the same wherever they stand. The words are in zh.json, by
// Type.member, which goes before a tag, and by member. It returns the lines that
// describe nothing.
func explain(o *huma.OpenAPI) (unused []string, err error) {
	var meanings map[string]string
	if err := json.Unmarshal(meaningsJSON, &meanings); err != nil {
		return nil, fmt.Errorf("read the meanings of members: %w", err)
	}
	used := map[string]bool{}
	say := func(text *string, key string, evenIfSaid bool) {
		if meaning := meanings[key]; meaning != "" && (evenIfSaid || *text == "") {
			*text, used[key] = meaning, true
		}
	}
	for name, schema := range o.Components.Schemas.Map() {
		for member, s := range schema.Properties {
			say(&s.Description, name+"."+member, true)
			say(&s.Description, member, false)
		}
	}
	for _, path := range o.Paths {
		for _, op := range operationsOf(path) {
			for _, p := range op.Parameters {
				say(&p.Description, p.Name, false)
			}
		}
	}
	for key := range meanings {
		if !used[key] {
			unused = append(unused, key)
		}
	}
	return unused, nil
}

// operationsOf lists what can be done at a path.
func operationsOf(path *huma.PathItem) []*huma.Operation {
	all := []*huma.Operation{path.Get, path.Put, path.Post, path.Delete, path.Patch}
	return slices.DeleteFunc(all, func(op *huma.Operation) bool { return op == nil })
}
