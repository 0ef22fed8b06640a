package cpay

import (
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readVectors(tb testing.TB, name string, v any) {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
}

func testPublicKey(tb testing.TB) *rsa.PublicKey {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "rsa_test_only_public_key.pem"))
	if err != nil {
		tb.Fatal(err)
	}
	key, err := ParsePublicKey(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

type hmacVector struct {
	Name, Key, Message string
	Code               string `json:"authen_code"`
}

func TestVectorsOfHMAC(t *testing.T) {
	t.Parallel()
	var file struct {
		Vectors []hmacVector
		MustNot []hmacVector `json:"must_not_match"`
	}
	readVectors(t, "hmac.json", &file)
	if len(file.Vectors) != 5 || len(file.MustNot) != 3 {
		t.Fatalf("got %d and %d vectors", len(file.Vectors), len(file.MustNot))
	}
	for _, v := range file.Vectors {
		key := NewKey(v.Key)
		if got := key.MAC([]byte(v.Message)); got != v.Code {
			t.Errorf("%s: MAC = %s, want %s", v.Name, got, v.Code)
		}
		if !key.Verifies([]byte(v.Message), v.Code) {
			t.Errorf("%s: does not verify", v.Name)
		}
		if key.Verifies([]byte(v.Message), strings.ToLower(v.Code)) {
			t.Errorf("%s: verifies in lower case (R16)", v.Name)
		}
	}
	for _, v := range file.MustNot {
		if NewKey(v.Key).Verifies([]byte(v.Message), v.Code) {
			t.Errorf("%s: verifies", v.Name)
		}
	}
}

func TestVectorsOfRSA(t *testing.T) {
	t.Parallel()
	var file struct {
		Vectors []struct {
			Name, Message, Sign string
			Valid               bool
		}
	}
	readVectors(t, "rsa_pss.json", &file)
	if len(file.Vectors) != 8 {
		t.Fatalf("got %d vectors", len(file.Vectors))
	}
	key := testPublicKey(t)
	for _, v := range file.Vectors {
		if got := VerifySign(key, []byte(v.Message), v.Sign); got != v.Valid {
			t.Errorf("%s: VerifySign = %v, want %v", v.Name, got, v.Valid)
		}
	}
}

func TestVectorsOfDeviceKey(t *testing.T) {
	t.Parallel()
	var file struct {
		Vectors []struct {
			InitKey string `json:"init_key"`
			Salt    string `json:"salt_hex"`
			Key     string `json:"authen_key"`
			Sealed  string `json:"e_authen_key"`
		}
	}
	readVectors(t, "device_key.json", &file)
	for _, v := range file.Vectors {
		raw, err := hex.DecodeString(v.Salt)
		if err != nil {
			t.Fatal(err)
		}
		got, err := sealDeviceKey(NewKey(v.Key), NewKey(v.InitKey), [deviceSaltLength]byte(raw))
		if err != nil || got != v.Sealed {
			t.Errorf("sealDeviceKey = %s, %v, want %s", got, err, v.Sealed)
		}
		key, err := OpenDeviceKey(v.Sealed, NewKey(v.InitKey))
		if err != nil || key.reveal() != v.Key {
			t.Errorf("OpenDeviceKey: %v", err)
		}
	}
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
}

// numberProbe is a message with one member of each kind.
type numberProbe struct {
	n   int64
	s   string
	is  bool
	got bool
}

func (p *numberProbe) fields(c *walk) {
	p.got = p.got || c.name == "n" || c.name == "s"
	c.int("n", &p.n)
	c.text("s", &p.s, limitID)
	c.bool("is", &p.is)
}

type numberVector struct {
	JSON    string
	Verdict string
	Value   json.RawMessage
}

func TestVectorsOfNumbers(t *testing.T) {
	t.Parallel()
	var file struct {
		Integer   []numberVector
		Amount    []numberVector
		IDString  []numberVector `json:"id_string"`
		Interface []numberVector
	}
	readVectors(t, "numbers.json", &file)
	if len(file.Integer) != 40 || len(file.Amount) != 13 || len(file.IDString) != 14 || len(file.Interface) != 8 {
		t.Fatalf("got %d, %d, %d and %d vectors", len(file.Integer), len(file.Amount), len(file.IDString), len(file.Interface))
	}
	const before = -77 // what an absent member must leave alone
	for _, v := range file.Integer {
		n := Int(before)
		err := json.Unmarshal([]byte(v.JSON), &n)
		judge(t, "Int", v, err, n == before, jsonOf(t, n))
		p := numberProbe{n: before}
		err = Decode([]byte(`{"n":`+v.JSON+`}`), &p)
		judge(t, "integer member", v, err, p.n == before, jsonOf(t, p.n))
	}
	for _, v := range file.Amount {
		req := validMicroPay()
		req.PayContent.TotalFee = 0
		err := Decode([]byte(`{"pay_content":{"total_fee":`+v.JSON+`}}`), req)
		if err == nil {
			err = req.Validate()
		}
		judge(t, "amount", v, err, false, jsonOf(t, req.PayContent.TotalFee))
	}
	for _, v := range file.IDString {
		s := Text("before")
		err := json.Unmarshal([]byte(v.JSON), &s)
		judge(t, "Text", v, err, s == "before", jsonOf(t, s))
		p := numberProbe{s: "before"}
		err = Decode([]byte(`{"s":`+v.JSON+`}`), &p)
		judge(t, "text member", v, err, p.s == "before", jsonOf(t, p.s))
	}
	for _, v := range file.Interface {
		n := Interface(before)
		err := json.Unmarshal([]byte(v.JSON), &n)
		judge(t, "Interface", v, err, n == before, jsonOf(t, n))
	}
}

func judge(t *testing.T, kind string, v numberVector, err error, untouched bool, got string) {
	t.Helper()
	switch v.Verdict {
	case "accept":
		if err != nil || got != string(v.Value) {
			t.Errorf("%s %s = %s, %v, want %s", kind, v.JSON, got, err, v.Value)
		}
	case "reject":
		if err == nil {
			t.Errorf("%s %s = %s, want an error", kind, v.JSON, got)
		}
	case "absent":
		if err != nil || !untouched {
			t.Errorf("%s %s = %s, %v, want the value left alone", kind, v.JSON, got, err)
		}
	default:
		t.Errorf("verdict %q", v.Verdict)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

type requestVector struct {
	Name, Path  string
	AuthenKey   string  `json:"authen_key"`
	RawBody     string  `json:"raw_body"`
	MACInput    *string `json:"mac_input"`
	CorrectCode string  `json:"correct_authen_code"`
	Expect      struct {
		Verdict       string
		Authenticated *bool
		Decoded       map[string]any
	}
}

func requestVectors(tb testing.TB) []requestVector {
	tb.Helper()
	names, err := filepath.Glob("testdata/requests/*.json")
	if err != nil || len(names) != 24 {
		tb.Fatalf("found %d request vectors, %v", len(names), err)
	}
	list := make([]requestVector, len(names))
	for i, name := range names {
		readVectors(tb, strings.TrimPrefix(name, "testdata"+string(filepath.Separator)), &list[i])
	}
	return list
}

// TestVectorsOfRequests is protocol.md §8.4 C02 and C03: every body gives its
// verdict, and every decoded value stands at its canonical place.
func TestVectorsOfRequests(t *testing.T) {
	t.Parallel()
	keys := Keys{PublicKey: testPublicKey(t)}
	for _, v := range requestVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			keys := keys
			keys.AuthenKey = NewKey(v.AuthenKey)
			parse := ParseRequest
			if strings.Contains(v.Path, "/brief_") {
				parse = ParseBriefRequest
			}
			e, err := parse([]byte(v.RawBody))
			if v.MACInput == nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("parse: %v, want ErrMalformed", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(e.Content()); got != *v.MACInput {
				t.Fatalf("content = %q, want %q", got, *v.MACInput)
			}
			if got := keys.AuthenKey.MAC(e.Content()); got != v.CorrectCode {
				t.Errorf("MAC = %s, want %s", got, v.CorrectCode)
			}
			err = e.Verify(keys)
			if v.Expect.Verdict == "reject" {
				if !errors.Is(err, ErrNotAuthentic) {
					t.Fatalf("Verify: %v, want ErrNotAuthentic", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if v.Expect.Authenticated == nil {
				return // a ping; its content is not looked at
			}
			checkHint(t, e, v)
			decoded := decodeVector(t, e, v.Path)
			for path, want := range v.Expect.Decoded {
				if got := lookup(decoded, path); jsonOf(t, got) != jsonOf(t, want) {
					t.Errorf("%s = %v, want %v", path, got, want)
				}
			}
		})
	}
}

func checkHint(t *testing.T, e *Envelope, v requestVector) {
	t.Helper()
	h, err := e.Hint()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasSuffix(v.Path, "/check_bill_device_bind_info"):
		if h.SNCode != "TEST_M100_0000000017" {
			t.Errorf("Hint = %+v", h)
		}
	case strings.Contains(v.Path, "/brief_"):
		if h.OutShopID != "sz01TESTSHOP00000001" {
			t.Errorf("Hint = %+v", h)
		}
	default:
		if h.OutSubMchID != "sz01TESTSUBMCH000001" {
			t.Errorf("Hint = %+v", h)
		}
	}
}

// decodeVector decodes the content by path and returns it as plain JSON values at
// their canonical places.
func decodeVector(t *testing.T, e *Envelope, path string) map[string]any {
	t.Helper()
	decode := func(m Message) map[string]any {
		if err := e.Decode(m); err != nil {
			t.Fatal(err)
		}
		tree := map[string]any{}
		if err := json.Unmarshal(Encode(m), &tree); err != nil {
			t.Fatal(err)
		}
		return tree
	}
	m := NewRequest(strings.TrimPrefix(path, "/cpay/"))
	if m == nil {
		t.Fatalf("no interface at %s", path)
	}
	tree := decode(m)
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	switch m := m.(type) {
	case *MicroPayRequest:
		m.PayMchKey.PayPlatform = m.Platform()
		tree = decode(m)
		tree["pay_mch_key"].(map[string]any)["pay_platform"] = m.Platform()
		if m.PayContent.Detail != "" {
			var d Detail
			if err := Decode([]byte(m.PayContent.Detail), &d); err != nil {
				t.Fatal(err)
			}
			var goods any
			if err := json.Unmarshal(Encode(&d), &goods); err != nil {
				t.Fatal(err)
			}
			tree["pay_content"].(map[string]any)["detail"] = goods
		}
	case *BriefMicroPayRequest:
		tree["pay_platform"] = m.Platform()
	}
	return tree
}

// lookup follows a path such as pay_content.detail.goods_detail[0].goods_name.
func lookup(tree any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		name, index, isElement := strings.Cut(part, "[")
		m, _ := tree.(map[string]any)
		tree = m[name]
		if isElement {
			list, _ := tree.([]any)
			tree = list[int(index[0]-'0')]
		}
	}
	return tree
}

// validMicroPay is a request that passes Validate.
func validMicroPay() *MicroPayRequest {
	return &MicroPayRequest{
		PayMchKey: PayMchKey{
			OutMchID: "sz01TESTMCH000000001", OutSubMchID: "sz01TESTSUBMCH000001", OutShopID: "sz01TESTSHOP00000001",
		},
		PayContent: PayContent{
			OutTradeNo: "9000000120240102030405", AuthorCode: "134680423163089456", TotalFee: 2, FeeType: "CNY", Body: "茶叶蛋",
		},
		OrderClient: OrderClient{
			DeviceID: "dev01", TerminalType: 2, SubTerminalType: 900, MachineNo: "020000000001",
			SDKVersion: "1.1", SpbillCreateIP: "192.0.2.11",
		},
	}
}
