package docs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxDocument bounds a document; ours have a few hundred kilobytes.
const maxDocument = 16 << 20

// entry and ordered are a JSON object in the order in which it was written.
type entry[T any] struct {
	Name  string
	Value T
}

type ordered[T any] []entry[T]

// UnmarshalJSON keeps the order.
func (o *ordered[T]) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not an object")
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return errors.New("a member without a name")
		}
		var v T
		if err := dec.Decode(&v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*o = append(*o, entry[T]{name, v})
	}
	return nil
}

// get returns a member, the zero value if there is none.
func (o ordered[T]) get(name string) (v T, ok bool) {
	for _, e := range o {
		if e.Name == name {
			return e.Value, true
		}
	}
	return v, false
}

// openAPI is the part of OpenAPI 3.1 that is shown.
type openAPI struct {
	Paths      ordered[json.RawMessage] `json:"paths"`
	Webhooks   ordered[json.RawMessage] `json:"webhooks"`
	Components struct {
		Schemas    map[string]*schema    `json:"schemas"`
		Parameters map[string]*parameter `json:"parameters"`
		Responses  map[string]*response  `json:"responses"`
	} `json:"components"`
}

type operationJSON struct {
	OperationID string       `json:"operationId"` //nolint:tagliatelle // OpenAPI's own spelling, here and below
	Summary     string       `json:"summary"`
	SummaryEN   string       `json:"x-summary-en"` //nolint:tagliatelle // our extensions, here and below: the same in English
	Description string       `json:"description"`
	About       string       `json:"x-description-en"` //nolint:tagliatelle // see above
	Tags        []string     `json:"tags"`
	TagsEN      []string     `json:"x-tags-en"` //nolint:tagliatelle // see above
	Deprecated  bool         `json:"deprecated"`
	Parameters  []*parameter `json:"parameters"`
	RequestBody *struct {
		Description string              `json:"description"`
		Content     ordered[*mediaType] `json:"content"`
	} `json:"requestBody"` //nolint:tagliatelle // OpenAPI
	Responses ordered[*response] `json:"responses"`
	Order     int                `json:"x-order"` //nolint:tagliatelle // our extension: the place in the protocol
}

type parameter struct {
	Ref         string  `json:"$ref"`
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	About       string  `json:"x-description-en"` //nolint:tagliatelle // our extension: the same in English
	Required    bool    `json:"required"`
	Schema      *schema `json:"schema"`
}

type response struct {
	Ref         string              `json:"$ref"`
	Description string              `json:"description"`
	About       string              `json:"x-description-en"` //nolint:tagliatelle // our extension: the same in English
	Content     ordered[*mediaType] `json:"content"`
}

type mediaType struct {
	Schema  *schema         `json:"schema"`
	Example json.RawMessage `json:"example"`
}

// schema is JSON Schema 2020-12 as far as it is shown.
type schema struct {
	Ref              string            `json:"$ref"`
	Type             typeNames         `json:"type"`
	Format           string            `json:"format"`
	Description      string            `json:"description"`
	About            string            `json:"x-description-en"` //nolint:tagliatelle // our extension: the same in English
	Properties       ordered[*schema]  `json:"properties"`
	Required         []string          `json:"required"`
	Items            *schema           `json:"items"`
	Additional       json.RawMessage   `json:"additionalProperties"` //nolint:tagliatelle // JSON Schema
	Enum             []json.RawMessage `json:"enum"`
	Const            json.RawMessage   `json:"const"`
	MaxLength        *int64            `json:"maxLength"` //nolint:tagliatelle // JSON Schema
	MinLength        *int64            `json:"minLength"` //nolint:tagliatelle // JSON Schema
	MaxItems         *int64            `json:"maxItems"`  //nolint:tagliatelle // JSON Schema
	Minimum          json.Number       `json:"minimum"`
	Maximum          json.Number       `json:"maximum"`
	Pattern          string            `json:"pattern"`
	Default          json.RawMessage   `json:"default"`
	Example          json.RawMessage   `json:"example"`
	Examples         []json.RawMessage `json:"examples"`
	AllOf            []*schema         `json:"allOf"`            //nolint:tagliatelle // JSON Schema
	OneOf            []*schema         `json:"oneOf"`            //nolint:tagliatelle // JSON Schema
	AnyOf            []*schema         `json:"anyOf"`            //nolint:tagliatelle // JSON Schema
	ContentMediaType string            `json:"contentMediaType"` //nolint:tagliatelle // JSON Schema
	ContentSchema    *schema           `json:"contentSchema"`    //nolint:tagliatelle // JSON Schema
	Spellings        []string          `json:"x-spellings"`      //nolint:tagliatelle // our extension: other names that are read
}

// typeNames is a type, or several of which the value has one.
type typeNames []string

// UnmarshalJSON reads both forms.
func (t *typeNames) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = typeNames{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// UnmarshalJSON reads a schema; true and false are schemas too.
func (s *schema) UnmarshalJSON(b []byte) error {
	if t := string(bytes.TrimSpace(b)); t == "true" || t == "false" {
		return nil
	}
	type plain schema
	return json.Unmarshal(b, (*plain)(s))
}

// document is one page's document, read for one language. What a document says
// in English beside its own language stands in members x-…-en; where it says
// nothing there, English pages show the other text.
type document struct {
	Page
	lang       string
	api        openAPI
	operations []*operation
	bySlug     map[string]*operation
	blocks     []block // of a page of text
}

// methods of a path item, in the order in which they are shown.
var methods = []string{"get", "post", "put", "patch", "delete"}

// read reads a document and checks that everything it refers to is there.
func read(p Page, lang string) (*document, error) {
	if len(p.Document) > maxDocument {
		return nil, fmt.Errorf("it has more than %d bytes", maxDocument)
	}
	d := &document{Page: p, lang: lang, bySlug: map[string]*operation{}}
	if p.Document == nil {
		var err error
		d.blocks, err = blocksOf(p.Text.in(lang))
		return d, err
	}
	if err := json.Unmarshal(p.Document, &d.api); err != nil {
		return nil, err
	}
	for _, path := range d.api.Paths {
		if err := d.item(path, path.Name, false); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(d.operations, func(a, b *operation) int { return cmp.Compare(a.order, b.order) })
	for _, hook := range d.api.Webhooks { // what we send to others
		if err := d.item(hook, "{notify_url}", true); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// item reads the operations of one path or webhook.
func (d *document) item(e entry[json.RawMessage], path string, hook bool) error {
	var item ordered[json.RawMessage]
	if err := json.Unmarshal(e.Value, &item); err != nil {
		return fmt.Errorf("path %s: %w", e.Name, err)
	}
	for _, method := range methods {
		raw, ok := item.get(method)
		if !ok {
			continue
		}
		var o operationJSON
		if err := json.Unmarshal(raw, &o); err != nil {
			return fmt.Errorf("%s %s: %w", method, e.Name, err)
		}
		if hook && o.OperationID == "" {
			o.OperationID = "callback_" + e.Name
		}
		if hook && len(o.Tags) == 0 {
			o.Tags, o.TagsEN = []string{words[chinese].Callbacks}, []string{words[english].Callbacks}
		}
		op, err := d.operation(strings.ToUpper(method), path, o)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, e.Name, err)
		}
		base := op.Slug
		for n := 2; d.bySlug[op.Slug] != nil || op.Slug == "all"; n++ {
			op.Slug = base + "-" + strconv.Itoa(n)
		}
		d.bySlug[op.Slug] = op
		d.operations = append(d.operations, op)
	}
	return nil
}

// say chooses the language.
func (d *document) say(text, en string) string { return strings.TrimSpace(Text{text, en}.in(d.lang)) }

// flat resolves a schema and folds what it is made of into one: members of all
// parts, and a member that several parts describe made of all of them.
func (d *document) flat(s *schema) (*schema, string, error) { return d.fold(s, 0) }

// maxFold bounds parts within parts.
const maxFold = 16

func (d *document) fold(s *schema, depth int) (*schema, string, error) {
	s, name, err := d.resolve(s)
	if err != nil || s == nil || len(s.AllOf) == 0 {
		return s, name, err
	}
	if depth > maxFold {
		return nil, "", errors.New("a schema is made of itself")
	}
	whole := *s
	whole.AllOf, whole.Properties, whole.Required = nil, nil, slices.Clone(s.Required)
	parts := []*schema{{Properties: s.Properties}}
	for _, part := range s.AllOf {
		full, partName, err := d.fold(part, depth+1)
		if err != nil {
			return nil, "", err
		}
		if full == nil {
			continue
		}
		parts = append(parts, full)
		if name == "" {
			name = partName
		}
	}
	for i, part := range parts {
		whole.Required = append(whole.Required, part.Required...)
		whole.Description, whole.About = cmp.Or(whole.Description, part.Description), cmp.Or(whole.About, part.About)
		if i > 0 && len(whole.Type) == 0 {
			whole.Type = part.Type
		}
		if whole.Items == nil {
			whole.Items = part.Items
		}
		for _, p := range part.Properties {
			if at := slices.IndexFunc(whole.Properties, func(o entry[*schema]) bool { return o.Name == p.Name }); at >= 0 {
				whole.Properties[at].Value = &schema{AllOf: []*schema{whole.Properties[at].Value, p.Value}}
			} else {
				whole.Properties = append(whole.Properties, p)
			}
		}
	}
	return &whole, name, nil
}

// resolve follows references, at most a few.
func (d *document) resolve(s *schema) (*schema, string, error) {
	const prefix, most = "#/components/schemas/", 8
	name := ""
	for range most {
		if s == nil || s.Ref == "" {
			return s, name, nil
		}
		n, ok := strings.CutPrefix(s.Ref, prefix)
		target := d.api.Components.Schemas[n]
		if !ok || target == nil {
			return nil, "", fmt.Errorf("%s is not in the document", s.Ref)
		}
		name = n
		said, about := s.Description, s.About
		s = target
		if said != "" { // what is said at the place goes before what is said of the type
			own := *target
			own.Description, own.About = said, about
			s = &own
		}
	}
	return nil, "", errors.New("references go in a circle")
}
