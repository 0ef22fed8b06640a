package docs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// operation is one interface as it is shown.
type operation struct {
	ID, Slug, Tag string
	Method, Path  string
	Summary       string
	Description   []string
	Deprecated    bool
	Parameters    []row
	Request       *body
	Responses     []*body
	order         int
}

// Heading names an interface: its title, or its path.
func (o *operation) Heading() string {
	if o.Summary != "" {
		return o.Summary
	}
	return o.Path
}

// body is a request or one response.
type body struct {
	Status  string // of a response, as OpenAPI writes it
	Media   string
	About   []string
	Rows    []row
	Example string // JSON, indented
	Sealed  string // what is really sent, "" if that is the example
}

// row is one member.
type row struct {
	Depth    int
	Name     string
	Required bool
	Type     string
	Limits   []string
	About    string
}

// Class is the style of the row's indent.
func (r row) Class() string { return fmt.Sprintf("d%d", min(r.Depth, maxDepth)) }

func (r row) equal(o row) bool {
	return r.Depth == o.Depth && r.Name == o.Name && r.Required == o.Required && r.Type == o.Type &&
		slices.Equal(r.Limits, o.Limits) && r.About == o.About
}

// maxDepth bounds how deep members within members are shown.
const maxDepth = 6

// operation reads one operation.
func (d *document) operation(method, path string, o operationJSON) (*operation, error) {
	op := &operation{
		ID: o.OperationID, Method: method, Path: path, Summary: d.say(o.Summary, o.SummaryEN), Deprecated: o.Deprecated,
		Description: paragraphs(d.say(o.Description, o.About)), order: o.Order,
	}
	if op.Summary == "" {
		op.Summary = path
	}
	if len(o.Tags) > 0 {
		op.Tag = o.Tags[0]
	}
	if d.lang == english && len(o.TagsEN) > 0 {
		op.Tag = o.TagsEN[0]
	}
	op.Slug = slug(op.ID)
	if op.Slug == "" {
		op.Slug = slug(method + "-" + path)
	}
	for _, p := range o.Parameters {
		if p.Ref != "" {
			target := d.api.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			if target == nil {
				return nil, fmt.Errorf("%s is not in the document", p.Ref)
			}
			p = target
		}
		r, err := d.row(p.Name, p.Schema, 0, p.Required)
		if err != nil {
			return nil, err
		}
		r.About = d.say(p.Description, p.About)
		r.Type += " · " + p.In
		op.Parameters = append(op.Parameters, r)
	}
	var err error
	if o.RequestBody != nil {
		if op.Request, err = d.body(op, o.RequestBody.Description, o.RequestBody.Content, false); err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
	}
	for _, e := range o.Responses {
		res := e.Value
		if res.Ref != "" {
			res = d.api.Components.Responses[strings.TrimPrefix(res.Ref, "#/components/responses/")]
			if res == nil {
				return nil, fmt.Errorf("%s is not in the document", e.Value.Ref)
			}
		}
		b, err := d.body(op, d.say(res.Description, res.About), res.Content, true)
		if err != nil {
			return nil, fmt.Errorf("response %s: %w", e.Name, err)
		}
		b.Status = e.Name
		op.answer(b)
	}
	return op, nil
}

// answer adds a response, or another status to the one that looks the same:
// refusals mostly do.
func (o *operation) answer(b *body) {
	for _, like := range o.Responses {
		if len(b.Rows) > 0 && slices.EqualFunc(like.Rows, b.Rows, row.equal) {
			like.Status += " · " + b.Status
			like.About = nil // it named one status
			return
		}
	}
	o.Responses = append(o.Responses, b)
}

// body reads the first media type of a request or response.
func (d *document) body(op *operation, about string, content ordered[*mediaType], isResponse bool) (*body, error) {
	b := &body{About: paragraphs(about)}
	if len(content) == 0 {
		return b, nil
	}
	media := content[0].Value
	b.Media = content[0].Name
	if media.Schema == nil {
		return b, nil
	}
	shown := media.Schema
	inner, err := d.inner(media.Schema)
	if err != nil {
		return nil, err
	}
	if inner != nil {
		shown = inner
	}
	if err := d.rows(&b.Rows, shown, 0, nil); err != nil {
		return nil, err
	}
	example := []byte(media.Example)
	if len(example) == 0 || inner != nil {
		if example, err = json.Marshal(d.sample(shown, "", 0)); err != nil {
			return nil, err
		}
	}
	b.Example = indented(example)
	if d.Seal != nil && inner != nil {
		sealed, err := d.Seal(op.ID, example, isResponse)
		if err != nil {
			return nil, fmt.Errorf("seal the example: %w", err)
		}
		b.Sealed = string(sealed)
	}
	return b, nil
}

// inner returns the schema of the JSON text within a sealed envelope, nil if
// there is none: a member that is a string whose content has a schema.
func (d *document) inner(s *schema) (*schema, error) {
	s, _, err := d.flat(s)
	if err != nil || s == nil {
		return nil, err
	}
	for _, p := range s.Properties {
		v, _, err := d.resolve(p.Value)
		if err != nil {
			return nil, err
		}
		if v != nil && v.ContentSchema != nil {
			return v.ContentSchema, nil
		}
	}
	return nil, nil //nolint:nilnil // most bodies are what they are
}

// rows lists the members of a schema, and theirs. seen are the names of the
// types on the way, so that a type within itself ends.
func (d *document) rows(out *[]row, s *schema, depth int, seen []string) error {
	s, name, err := d.flat(s)
	if err != nil || s == nil || depth > maxDepth || name != "" && slices.Contains(seen, name) {
		return err
	}
	if name != "" {
		seen = append(slices.Clone(seen), name)
	}
	if s.Items != nil {
		return d.rows(out, s.Items, depth, seen)
	}
	must := func(e entry[*schema]) int {
		if slices.Contains(s.Required, e.Name) {
			return 0
		}
		return 1
	}
	members := slices.Clone(s.Properties)
	slices.SortStableFunc(members, func(a, b entry[*schema]) int { return must(a) - must(b) })
	for _, p := range members {
		r, err := d.row(p.Name, p.Value, depth, slices.Contains(s.Required, p.Name))
		if err != nil {
			return err
		}
		*out = append(*out, r)
		for _, of := range slices.Concat([]*schema{p.Value}, alternatives(p.Value)) {
			if err := d.rows(out, of, depth+1, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func alternatives(s *schema) []*schema {
	if s == nil {
		return nil
	}
	return slices.Concat(s.OneOf, s.AnyOf)
}

// row describes one member.
func (d *document) row(name string, s *schema, depth int, required bool) (row, error) {
	r := row{Depth: depth, Name: name, Required: required}
	full, typeName, err := d.flat(s)
	if err != nil {
		return row{}, err
	}
	if full == nil {
		return r, nil
	}
	r.Type, r.About = d.typeOf(full, typeName), d.say(full.Description, full.About)
	limit := func(format string, args ...any) { r.Limits = append(r.Limits, fmt.Sprintf(format, args...)) }
	if full.MaxLength != nil {
		limit("≤%d", *full.MaxLength)
	}
	if full.MinLength != nil && *full.MinLength > 0 {
		limit("≥%d", *full.MinLength)
	}
	if full.MaxItems != nil {
		limit("[≤%d]", *full.MaxItems)
	}
	switch {
	case full.Minimum != "" && full.Maximum != "":
		limit("%s…%s", full.Minimum, full.Maximum)
	case full.Minimum != "":
		limit("≥ %s", full.Minimum)
	case full.Maximum != "":
		limit("≤ %s", full.Maximum)
	}
	if len(full.Enum) > 0 {
		var values []string
		for _, v := range full.Enum {
			values = append(values, string(v))
		}
		limit("%s", strings.Join(values, " | "))
	}
	if len(full.Const) > 0 {
		limit("= %s", full.Const)
	}
	if full.Pattern != "" {
		limit("%s", full.Pattern)
	}
	if len(full.Spellings) > 0 {
		limit("%s %s", words[d.lang].Also, strings.Join(full.Spellings, ", "))
	}
	if len(full.Default) > 0 {
		limit("%s %s", words[d.lang].Default, full.Default)
	}
	return r, nil
}

func (s *schema) isObject() bool { return len(s.Properties) > 0 || slices.Contains(s.Type, "object") }

// typeOf names a type for a person.
func (d *document) typeOf(s *schema, name string) string {
	kinds := slices.DeleteFunc(slices.Clone(s.Type), func(t string) bool { return t == "null" })
	t := strings.Join(kinds, "|")
	switch {
	case s.Items != nil:
		item, itemName, err := d.resolve(s.Items)
		if err == nil && item != nil {
			return d.typeOf(item, itemName) + "[]"
		}
		return "array"
	case name != "" && s.isObject():
		return name
	case t == "" && len(alternatives(s)) > 0:
		var names []string
		for _, a := range alternatives(s) {
			if full, n, err := d.resolve(a); err == nil && full != nil {
				names = append(names, d.typeOf(full, n))
			}
		}
		return strings.Join(names, " | ")
	case t == "":
		return "any"
	case s.Format != "" && s.Format != t:
		return t + " (" + s.Format + ")"
	}
	return t
}

// humps splits a name such as AlipayPayContentExt where it may break.
func humps(name string) (parts []string) {
	from := 0
	for i := 1; i < len(name); i++ {
		if 'A' <= name[i] && name[i] <= 'Z' && 'a' <= name[i-1] && name[i-1] <= 'z' {
			parts, from = append(parts, name[from:i]), i
		}
	}
	return append(parts, name[from:])
}

// paragraphs splits text at empty lines.
func paragraphs(s string) (out []string) {
	for p := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// slug is a name that stands in an address.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '_':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}
