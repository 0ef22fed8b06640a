package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Scene is what the scenario panel of the phone's page sets (ux.md S-05): a
// password rule, and a handful of faults in words a tester thinks in. The zero
// value is the sandbox as it was started.
type Scene struct {
	// Password is a preset of when the phone asks for the password, "" for the
	// one the sandbox was started with.
	Password string `json:"password"`
	// Next befalls the next payment only.
	Next string `json:"next"`
	// DelayMS makes every answer of the wallets late.
	DelayMS int `json:"delay_ms"`
	// Lost loses the answer to every payment, which is carried out.
	Lost bool `json:"lost"`
	// Cut are wallets that cannot be reached at all.
	Cut []Channel `json:"cut"`
	// Refund says how refunds arrive.
	Refund string `json:"refund"`
	// Notice says how notices fare.
	Notice string `json:"notice"`
}

// maxSceneDelay bounds DelayMS: half of what a till waits for an answer.
const maxSceneDelay = 10_000

// The values of a scene's choices, each with the faults that make it so. The
// empty value of each is the wallets' ordinary behaviour.
var (
	sceneNext = map[string][]Fault{
		"":              nil,
		"no_money":      {{Scenario: "no_money", Count: 1}},
		"code_expired":  {{Scenario: "code_expired", Count: 1}},
		"password":      {{Scenario: "force_password", Count: 1}},
		"syserr":        {{Scenario: "syserr_uncommitted", Count: 1}},
		"syserr_paid":   {{Scenario: "syserr_committed", Count: 1}},
		"answer_lost":   {{Scenario: "drop_after", Count: 1}},
		"not_delivered": {{Scenario: "drop_before", Count: 1}},
		"duplicate":     {{Scenario: "duplicate", Count: 1, Params: Params{Committed: new(false)}}},
		"bad_signature": {{Scenario: "bad_sign", Count: 1}},
	}
	sceneRefund = map[string][]Fault{
		"":       nil,
		"late":   {{Scenario: "refund_stuck", Params: Params{Seconds: new(30.0)}}},
		"failed": {{Scenario: "refund_abnormal"}, {Scenario: "refund_syserr", Channel: Alipay, Params: Params{Committed: new(false)}}},
	}
	sceneNotice = map[string][]Fault{
		"":         nil,
		"lost":     {{Scenario: "drop_before", Endpoint: EndpointNotify}},
		"unheard":  {{Scenario: "drop_after", Endpoint: EndpointNotify}},
		"late":     {{Scenario: "timeout", Endpoint: EndpointNotify}},
		"twice":    {{Scenario: "notify_dup"}},
		"tampered": {{Scenario: "tamper", Endpoint: EndpointNotify}},
	}
)

// sceneDesk holds the scene in force and which rules of the fault book are its
// own, so that it can be changed without touching anybody else's.
type sceneDesk struct {
	mu sync.Mutex
	deskState
}

// deskState is what of it lasts.
type deskState struct {
	Scene Scene   `json:"scene"`
	Next  []int64 `json:"next_ids"`
	Other []int64 `json:"other_ids"`
}

// get copies the state.
func (d *sceneDesk) get() deskState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.deskState
}

// set replaces it.
func (d *sceneDesk) set(st deskState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deskState = st
}

// passwordPreset names the rule in force.
func (s *Sandbox) passwordPreset() string {
	if p := s.desk.get().Scene.Password; p != "" {
		return p
	}
	return s.c.Profile
}

// faults lists what a scene needs beside its password rule: what befalls the
// next payment, and everything else.
func (sc *Scene) faults() (next, other []Fault, err error) {
	if _, ok := passwordRules[sc.Password]; !ok && sc.Password != "" {
		return nil, nil, fmt.Errorf("%w password %q: use one of %v, or leave it empty", ErrInvalid, sc.Password, slices.Sorted(maps.Keys(passwordRules)))
	}
	if sc.DelayMS < 0 || sc.DelayMS > maxSceneDelay {
		return nil, nil, fmt.Errorf("%w delay_ms: use 0 to %d", ErrInvalid, maxSceneDelay)
	}
	for _, c := range []struct {
		name, value string
		choices     map[string][]Fault
		into        *[]Fault
	}{
		{"next", sc.Next, sceneNext, &next}, {"refund", sc.Refund, sceneRefund, &other}, {"notice", sc.Notice, sceneNotice, &other},
	} {
		list, ok := c.choices[c.value]
		if !ok {
			return nil, nil, fmt.Errorf("%w %s %q: use one of %q", ErrInvalid, c.name, c.value, slices.Sorted(maps.Keys(c.choices)))
		}
		*c.into = append(*c.into, list...)
	}
	if sc.DelayMS > 0 {
		other = append(other, Fault{Scenario: "delay_after", Endpoint: EndpointAny, Params: Params{Seconds: new(float64(sc.DelayMS) / 1000)}})
	}
	if sc.Lost {
		other = append(other, Fault{Scenario: "drop_after"})
	}
	for _, ch := range sc.Cut {
		if ch != WeChat && ch != Alipay {
			return nil, nil, fmt.Errorf("%w cut %q: use %q or %q", ErrInvalid, ch, WeChat, Alipay)
		}
		other = append(other, Fault{Scenario: "drop_before", Endpoint: EndpointAny, Channel: ch})
	}
	return next, other, nil
}

// Scene tells the scene in force. Next is empty once it has befallen a payment.
func (s *Sandbox) Scene() Scene {
	st := s.desk.get()
	rules := s.faults.snapshot()
	armed := slices.ContainsFunc(rules, func(r *faultRule) bool { return slices.Contains(st.Next, r.ID) && !r.exhausted() })
	if !armed {
		st.Scene.Next = ""
	}
	if st.Scene.Cut == nil {
		st.Scene.Cut = []Channel{}
	}
	return st.Scene
}

// SetScene replaces the scene: its faults take the place of the ones the last
// scene made. Rules that somebody else added stay. It survives a restart.
func (s *Sandbox) SetScene(ctx context.Context, sc Scene) error {
	next, other, err := sc.faults()
	if err != nil {
		return err
	}
	err = s.run(ctx, func(ctx context.Context, tx *txn) error {
		old, st := s.desk.get(), deskState{Scene: sc}
		rules := slices.DeleteFunc(s.faults.snapshot(), func(r *faultRule) bool {
			return r.exhausted() || slices.Contains(old.Next, r.ID) || slices.Contains(old.Other, r.ID)
		})
		for _, id := range append(slices.Clone(old.Next), old.Other...) {
			if err := tx.exec(ctx, "DELETE FROM faults WHERE seq = ?", id); err != nil {
				return err
			}
		}
		for _, part := range []struct {
			faults []Fault
			ids    *[]int64
		}{{next, &st.Next}, {other, &st.Other}} {
			for _, f := range part.faults {
				rule, err := tx.insertFault(ctx, f, len(rules))
				if err != nil {
					return err
				}
				rules = append(rules, rule)
				*part.ids = append(*part.ids, rule.ID)
			}
		}
		raw, err := json.Marshal(st)
		if err != nil {
			return err
		}
		if err := tx.exec(ctx, "INSERT INTO meta (name, value) VALUES ('scene', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", raw); err != nil {
			return err
		}
		s.faults.replace(rules)
		s.desk.set(st)
		return nil
	})
	if err != nil {
		return fmt.Errorf("set scene: %w", err)
	}
	return nil
}

// loadScene takes up the scene of an earlier start. One that this binary does
// not understand is forgotten: it is a setting, not money.
func (s *Sandbox) loadScene(ctx context.Context, tx *txn) error {
	var raw []byte
	found, err := tx.row(ctx, "SELECT value FROM meta WHERE name = 'scene'", nil, []any{&raw})
	if err != nil || !found {
		return err
	}
	var st deskState
	if err := json.Unmarshal(raw, &st); err != nil {
		return fmt.Errorf("read scene: %w", err)
	}
	if _, ok := passwordRules[st.Scene.Password]; !ok {
		st.Scene.Password = ""
	}
	s.desk.set(st)
	return nil
}

// getScene tells the scene, and what can be chosen.
func (s *Sandbox) getScene(*http.Request) (int, any, error) {
	return http.StatusOK, struct {
		Scene Scene `json:"scene"`
		// Profile is the password preset the sandbox was started with.
		Profile string              `json:"profile"`
		Choices map[string][]string `json:"choices"`
	}{s.Scene(), s.c.Profile, map[string][]string{
		"password": slices.Sorted(maps.Keys(passwordRules)), "next": slices.Sorted(maps.Keys(sceneNext)),
		"refund": slices.Sorted(maps.Keys(sceneRefund)), "notice": slices.Sorted(maps.Keys(sceneNotice)),
	}}, nil
}

// putScene replaces the scene; members left out are the ordinary behaviour.
func (s *Sandbox) putScene(r *http.Request) (int, any, error) {
	var in Scene
	if err := readControl(r, &in); err != nil {
		return 0, nil, err
	}
	if err := s.SetScene(r.Context(), in); err != nil {
		return 0, nil, err
	}
	return s.getScene(r)
}
