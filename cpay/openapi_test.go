package cpay

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// TestSchemaIsWhatTheTypesSay makes the description anew. go test ./cpay -run
// Schema -update writes it.
func TestSchemaIsWhatTheTypesSay(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(newDescriber(t).document(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, Schema()) {
		t.Error("openapi.json is not what the types say; run go test ./cpay -run Schema -update")
	}
	if copied := Schema(); len(copied) > 0 {
		if copied[0] = 'x'; Schema()[0] == 'x' {
			t.Error("Schema hands out its own bytes")
		}
	}
}

// TestEveryMemberIsDescribed: a field without a comment, or one that no member
// sets, has slipped in.
func TestEveryMemberIsDescribed(t *testing.T) {
	t.Parallel()
	d := newDescriber(t)
	d.document()
	for name, schema := range d.schemas {
		properties, _ := schema["properties"].(object)
		if len(properties) == 0 {
			t.Errorf("%s has no members", name)
		}
		if len(properties) > 128 {
			t.Errorf("%s has %d members, more than memberSet holds", name, len(properties))
		}
		if schema["x-description-en"] == "" {
			t.Errorf("%s has no comment", name)
		}
		for member, p := range properties {
			if text, _ := p.(object)["x-description-en"].(string); text == "" {
				t.Errorf("%s.%s has no comment", name, member)
			}
			if strings.ToLower(member) != member { // protocol.md R50
				t.Errorf("%s.%s is not lower case", name, member)
			}
		}
	}
}

type object = map[string]any

// describer makes JSON schemas of messages, with the comments in the source.
type describer struct {
	t       *testing.T
	docs    map[string]string // by Type and Type.Field
	schemas map[string]object // by type
	asked   map[string]bool   // types that a request contains
	words   *words
}

func newDescriber(t *testing.T) *describer {
	t.Helper()
	d := &describer{t: t, docs: map[string]string{}, schemas: map[string]object{}, asked: map[string]bool{}, words: newWords(t)}
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name.Name(), ".go") || strings.HasSuffix(name.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, d.comment)
	}
	return d
}

// comment takes down the comments of a type and its fields.
func (d *describer) comment(n ast.Node) bool {
	decl, ok := n.(*ast.GenDecl)
	if !ok || decl.Tok != token.TYPE {
		return true
	}
	for _, spec := range decl.Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		text := decl.Doc.Text() + typ.Doc.Text()
		d.docs[typ.Name.Name] = oneLine(text)
		st, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range st.Fields.List {
			for _, name := range f.Names {
				d.docs[typ.Name.Name+"."+name.Name] = oneLine(f.Doc.Text())
			}
		}
	}
	return true
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// typeName is the name under which the type of m is described.
func typeName(m Message) string {
	if _, reported := m.(*ReportedClient); reported {
		return "OrderClient"
	}
	return reflect.TypeOf(m).Elem().Name()
}

// ref describes the type of m and refers to it.
func (d *describer) ref(m Message, request bool) object {
	name := typeName(m)
	if _, reported := m.(*ReportedClient); reported {
		m = new(OrderClient)
	}
	if request {
		d.asked[name] = true
	}
	if d.schemas[name] == nil || request {
		d.define(name, m, request)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// define describes the type of m. Which members of an answer are always there is
// said by document, once it is known what no request contains.
func (d *describer) define(name string, m Message, request bool) {
	if schema := d.schemas[name]; schema != nil && schema["x-request"] == true {
		return
	}
	schema := both(object{"type": "object"}, "description", d.words.of(name), d.docs[name])
	if request {
		schema["x-request"] = true
	}
	d.schemas[name] = schema
	properties, must, spellings, members := object{}, []string{}, map[string][]string{}, map[string]string{}
	for i, f := range describe(m, -1) {
		if f.spelling != "" {
			spellings[f.name] = append(spellings[f.name], f.spelling)
			continue
		}
		p := d.value(f, request)
		field := d.field(m, i)
		_, goName, _ := strings.Cut(field, ".")
		said := strings.Replace(d.docs[field], goName+" ", f.name+" ", 1)
		if field == "" {
			said = headDocs[f.name]
		}
		members[goName] = f.name
		both(p, "description", d.words.of(name+"."+f.name, f.name), said)
		if also := spellings[f.name]; len(also) > 0 {
			p["x-spellings"] = also
		}
		properties[f.name] = p
		if f.must {
			must = append(must, f.name)
		}
	}
	for _, p := range properties { // by the names of the wire
		o, _ := p.(object)
		en, _ := o["x-description-en"].(string)
		o["x-description-en"] = fieldName.ReplaceAllStringFunc(en, func(s string) string {
			if wire := members[s]; wire != "" && d.docs[s] == "" {
				return wire
			}
			return s
		})
	}
	schema["properties"], schema["x-always"] = properties, must
}

// fieldName finds what may be the name of a field within a comment.
var fieldName = regexp.MustCompile(`\b[A-Z][a-z]+[A-Z]\w*\b`)

// headDocs are the members of Head, which are not fields of their messages.
var headDocs = map[string]string{
	"status":          "How the call went: 0, 3, 101, 102, 103 or 104.",
	"description":     "For people; always there.",
	"log_id":          "The server's number for the call.",
	"internal_status": "7, 400, 407, 426, 3214, or anything else.",
}

// value is the schema of a member's value.
func (d *describer) value(f member, request bool) object {
	var v object
	switch f.kind {
	case kindText:
		v = object{"type": "string", "maxLength": f.limit}
	case kindInt:
		v = object{"type": "integer", "format": "int64"}
	case kindBool:
		v = object{"type": "boolean"}
	case kindObject:
		v = d.ref(f.of, request)
	}
	if f.many {
		return object{"type": "array", "items": v}
	}
	return v
}

// field names the field behind the i-th member of m as Type.Field: the one that
// is set when the member is marked, or that the object lies in.
func (d *describer) field(m Message, i int) string {
	fresh := reflect.New(reflect.TypeOf(m).Elem())
	f := describe(fresh.Interface().(Message), i)[i]
	if f.kind == kindObject && f.must && !f.many {
		return holder(fresh.Elem(), reflect.ValueOf(f.of))
	}
	return holder(fresh.Elem(), reflect.Value{})
}

// holder finds the field that of points to, or that is not zero.
func holder(v, of reflect.Value) string {
	for i := range v.NumField() {
		f := v.Field(i)
		name := v.Type().Name() + "." + v.Type().Field(i).Name
		if of.IsValid() {
			if f.Kind() == reflect.Struct && f.Addr().Type() == of.Type() && f.Addr().Pointer() == of.Pointer() {
				return name
			}
		} else if f.IsZero() {
			continue
		}
		if f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[Key]() {
			if got := holder(f, of); got != "" {
				return got
			}
			continue
		}
		if !of.IsValid() {
			return name
		}
	}
	return ""
}

// document is the whole description.
func (d *describer) document() object {
	paths := object{}
	for i, e := range catalog() {
		paths[Path(e.method)] = object{"post": d.operation(i, e)}
	}
	d.open(paths)
	d.schemas["Head"] = d.head()
	d.ref(new(Detail), true)
	d.ref(new(MonitorInfo), true)
	hooks := object{}
	for name, m := range map[string]Message{"pay": new(PayCallback), "refund": new(RefundCallback), "reverse": new(ReverseCallback)} {
		en := map[string]string{"pay": "An order is paid", "refund": "Refunds succeeded", "reverse": "An order is reversed"}[name]
		hooks[name] = object{"post": both(object{
			"requestBody": jsonBody(d.envelope("request_content", d.ref(m, false))),
			"responses":   answerOf(d.envelope("response_content", d.ref(new(CallbackReply), false))),
		}, "summary", d.words.of(typeName(m)), en)}
	}
	d.settle()
	return object{
		"openapi": "3.1.0",
		"info": both(both(object{"version": "1"}, "title", "云支付接口", "Cloud Pay interfaces"), "description",
			"由 Go 类型生成。金额单位分，时间为 UNIX 秒。输入的整数可写作 1、1.0、1E0 或 \"1\"，编号可写作数字；未知成员忽略；"+
				"不填的成员不要发送，发送空串表示清空。request_content 与 response_content 是 JSON 文本的字符串，authen_code 是该文本字节的 "+
				"HMAC-SHA256，64 位大写十六进制。状态码 0、102、103、104 的应答带 authen_info，3 和 101 不带。",
			"Made from the Go types. Amounts are fen, times UNIX seconds. An integer in a request may be written 1, 1.0, 1E0 or \"1\", and an id as a "+
				"number; unknown members are ignored; leave out what you do not fill in, an empty text clears. request_content and response_content are "+
				"strings of JSON text, and authen_code is the HMAC-SHA256 of its bytes in 64 upper-case hexadecimal digits. Answers with status 0, 102, "+
				"103 and 104 have authen_info, those with 3 and 101 have not."),
		"paths": paths, "webhooks": hooks, "components": object{"schemas": d.schemas},
	}
}

// open describes the interfaces that are not enveloped.
func (d *describer) open(paths object) {
	paths[Path(MethodPing)] = object{"post": both(both(object{
		"operationId": MethodPing, "tags": []string{"设备"}, "x-tags-en": []string{"Devices"}, "x-order": len(paths),
		"responses": answerOf(d.ref(new(PingResponse), false)),
	}, "summary", "探测", english[MethodPing]), "description", "不认证，不检查请求内容；应答不带信封。",
		"Not authenticated; the request may hold anything. The answer has no envelope.")}
	query := func(name, zh, en string, required bool) object {
		return both(object{"name": name, "in": "query", "required": required, "schema": object{"type": "string"}}, "description", zh, en)
	}
	paths[Path(MethodUseDeviceSetting)] = object{"get": both(both(object{
		"operationId": MethodUseDeviceSetting, "tags": []string{"设备"}, "x-tags-en": []string{"Devices"}, "x-order": len(paths),
		"parameters": []object{
			query("osi", "门店号 out_shop_id", "the shop, out_shop_id", true), query("si", "配置号", "the number of the setting", true),
			query("sn", "设备序列号，建议填写", "the device's serial number; better filled in", false),
		},
		"responses": answerOf(d.ref(new(UseDeviceSettingResponse), false)),
	}, "summary", "设备配置", english[MethodUseDeviceSetting]),
		"description", "不认证：五分钟内有效的 si 即凭证。应答不带信封，配置既嵌套又平铺。internal_status 3214：设备号已绑定其他 sn。",
		"Not authenticated: si is the credential, for five minutes. The answer has no envelope, and holds the setting both nested and flat. "+
			"internal_status 3214: the device record is bound to another sn.")}
}

// head is the part that all answers share.
func (d *describer) head() object {
	properties := object{}
	for _, f := range describeHead() {
		if f.spelling == "" {
			p := d.value(f, false)
			properties[f.name] = both(p, "description", d.words.of("Head."+f.name, f.name), headDocs[f.name])
		}
	}
	return both(object{
		"type": "object", "properties": properties,
		"x-always": []string{"status", "description", "log_id", "internal_status"},
	}, "description", d.words.of("Head"), d.docs["Head"])
}

func describeHead() []member {
	c := walk{mode: describing, mark: -1}
	new(Head).fields(&c)
	return c.told
}

// settle turns what is always written into required members, in messages that no
// request contains: there, Validate decides.
func (d *describer) settle() {
	for name, schema := range d.schemas {
		if must, _ := schema["x-always"].([]string); !d.asked[name] && len(must) > 0 {
			schema["required"] = must
		}
		delete(schema, "x-always")
		delete(schema, "x-request")
	}
}

func jsonBody(schema object) object {
	return object{"required": true, "content": object{"application/json": object{"schema": schema}}}
}

func answerOf(schema object) object {
	return object{"200": both(object{"content": object{"application/json": object{"schema": schema}}},
		"description", "所有状态都以 HTTP 200 应答。", "All statuses are answered with HTTP 200.")}
}

// envelope is the document around a content.
func (d *describer) envelope(name string, content object) object {
	inside := object{"type": "string", "contentMediaType": "application/json", "contentSchema": content}
	if name == "r" || name == "rc" {
		code := both(object{"type": "string", "maxLength": macLength}, "description", "内容的认证码 authen_code", "authen_code of the content")
		return object{"type": "object", "required": with("r", name, "a"), "properties": object{name: inside, "a": code}}
	}
	return object{
		"type": "object", "required": with("request_content", name, "authen_info"),
		"properties": object{name: inside, "authen_info": d.ref(new(AuthenInfo), false)},
	}
}

// with lists the members that an envelope must have: requests are always
// authenticated, answers by their status.
func with(request, name, code string) []string {
	if name == request {
		return []string{name, code}
	}
	return []string{name}
}

// operation describes one interface.
func (d *describer) operation(i int, e entry) object {
	chapter := tagOf(i)
	outside, inside := "request_content", "response_content"
	if Brief(e.method) {
		outside, inside = "r", "rc"
	}
	need := required(d.t, e)
	request := object{"allOf": []object{d.ref(e.request(), true), demand(need)}}
	name, also := responseMembers(e.method)
	members := object{name: d.ref(e.response(), false)}
	if also != "" {
		members[also] = members[name]
	}
	head := object{"$ref": "#/components/schemas/Head"}
	if Brief(e.method) {
		for short, long := range map[string]string{"s": "status", "d": "description", "li": "log_id", "is": "internal_status"} {
			kind := "integer"
			if short == "d" {
				kind = "string"
			}
			members[short] = both(object{"type": kind}, "description", d.words.of("Head."+long, long), long+": "+headDocs[long])
		}
		head = object{"type": "object"}
	}
	zh, en := describeCall(e.method, need)
	whose, _ := authorised(e.method)
	return both(both(object{
		"operationId": e.method, "tags": []string{chapter.zh}, "x-tags-en": []string{chapter.en}, "x-order": i,
		"x-required":   need,
		"x-response":   name,
		"x-max-bytes":  MaxRequest(e.method),
		"requestBody":  jsonBody(d.envelope(outside, request)),
		"responses":    answerOf(d.envelope(inside, object{"allOf": []object{head, {"type": "object", "properties": members}}})),
		"x-statuses":   []Status{StatusOK, StatusInternal, StatusBadCall, StatusNewNumber, StatusUnknown, StatusRefused},
		"x-authorised": whose,
	}, "summary", e.title, english[e.method]), "description", zh, en)
}

// demand is the schema of having the members at paths.
func demand(paths []string) object {
	schema := object{"type": "object"}
	for _, path := range paths {
		at := schema
		names := strings.Split(path, ".")
		for i, name := range names {
			list, _ := at["required"].([]string)
			if !slices.Contains(list, name) {
				at["required"] = append(list, name)
			}
			if i == len(names)-1 {
				break
			}
			properties, _ := at["properties"].(object)
			if properties == nil {
				properties = object{}
				at["properties"] = properties
			}
			next, _ := properties[name].(object)
			if next == nil {
				next = object{"type": "object"}
				properties[name] = next
			}
			at = next
		}
	}
	return schema
}
