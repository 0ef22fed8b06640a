package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// value is invented for these tests.
const value = "hunter2-hunter2"

func TestSecretHidesItselfFromEveryPrinter(t *testing.T) {
	t.Parallel()
	type exported struct{ Key Secret }
	type hidden struct{ key Secret }
	s := New(value)
	shapes := map[string]any{
		"value": s, "pointer": &s, "slice": []Secret{s}, "map": map[string]Secret{"k": s},
		"field": exported{s}, "hidden field": hidden{s}, "pointer to hidden": &hidden{s},
	}
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T", "%p", "%t", "%c", "%U", "%e", "%10s", "%-20v"}
	for name, shape := range shapes {
		for _, verb := range verbs {
			got := fmt.Sprintf(verb, shape)
			hexed := fmt.Sprintf("%x", value)
			if strings.Contains(got, value) || strings.Contains(strings.ToLower(strings.ReplaceAll(got, " ", "")), hexed) {
				t.Errorf("Sprintf(%q, %s) = %s, which shows the secret", verb, name, got)
			}
		}
	}
	for _, verb := range []string{"%v", "%s", "%x", "%q", "%d", "%#v"} {
		if got := fmt.Sprintf(verb, s); got != mask {
			t.Errorf("Sprintf(%q, secret) = %q, want %q", verb, got, mask)
		}
	}
	if got := s.String() + s.GoString(); got != mask+mask {
		t.Errorf("String and GoString = %q, want the mask twice", got)
	}
}

func TestSecretHidesItselfFromEncodersAndLogs(t *testing.T) {
	t.Parallel()
	type box struct {
		Key Secret `json:"key" xml:"key"`
	}
	j, err := json.Marshal(box{New(value)})
	if want := `{"key":"***"}`; err != nil || string(j) != want {
		t.Errorf("json = %s, %v, want %s", j, err, want)
	}
	x, err := xml.Marshal(box{New(value)})
	if err != nil || strings.Contains(string(x), value) || !strings.Contains(string(x), mask) {
		t.Errorf("xml = %s, %v, want the mask", x, err)
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("test", slog.Any("key", New(value)), slog.Any("box", box{New(value)}), slog.Any("hidden", struct{ k Secret }{New(value)}))
	}
	if strings.Contains(log.String(), value) || strings.Count(log.String(), mask) < 4 {
		t.Errorf("log shows the secret or no mask: %s", log.String())
	}
}

func TestSecretEqualAndZero(t *testing.T) {
	t.Parallel()
	var zero Secret
	if !zero.IsZero() || !New("").IsZero() || New("a").IsZero() {
		t.Error("IsZero is wrong")
	}
	if zero.Reveal() != "" || New(value).Reveal() != value {
		t.Error("Reveal does not return the value")
	}
	if !New(value).Equal(New(value)) || New(value).Equal(New("other")) || !zero.Equal(New("")) {
		t.Error("Equal does not compare values")
	}
}
