package directory_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

func TestEveryChangeLeavesItsLine(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		last := func() directory.AuditRow {
			t.Helper()
			lines := got[[]directory.AuditRow](t)(h.Audit(ctx, directory.AuditFilter{Limit: 1}))
			return lines[0]
		}
		values := func(text string) map[string]any {
			t.Helper()
			if text == "" {
				return nil
			}
			var v map[string]any
			must(t, json.Unmarshal([]byte(text), &v))
			return v
		}
		h.advance(time.Minute)
		got[directory.Shop](t)(h.UpdateShop(ctx, boss, theMerchant, theShop, func(s *directory.Shop) error { s.Name = "新名"; return nil }))
		l := last()
		want := directory.AuditRow{
			ID: l.ID, At: h.now(), ActorKind: directory.ByAdmin, ActorID: boss.ID, ActorName: "老板", Action: "shop.update",
			ProviderID: theProvider, MerchantID: theMerchant, ObjectKind: "shop", ObjectID: theMerchant + "/" + theShop, Before: l.Before, After: l.After,
		}
		if diff := cmp.Diff(want, l); diff != "" {
			t.Errorf("line (-want +got):\n%s", diff)
		}
		if values(l.Before)["Name"] != "一店" || values(l.After)["Name"] != "新名" {
			t.Errorf("before %s, after %s", l.Before, l.After)
		}
		h.advance(time.Minute)
		must(t, h.DeleteStaff(ctx, boss, theMerchant, theShop, "clerk"))
		if l := last(); l.Action != "staff.delete" || values(l.Before)["Name"] != "店员" || l.After != "" {
			t.Errorf("deletion: %+v", l)
		}
		h.advance(time.Minute)
		got[directory.Staff](t)(h.AddStaff(ctx, boss, theMerchant, theShop, directory.Staff{ID: "clerk", Name: "又来"}))
		if l := last(); l.Before != "" || values(l.After)["Name"] != "又来" {
			t.Errorf("addition: %+v", l)
		}
		h.advance(time.Minute)
		before := h.merchant().AuthenKey
		m := got[*directory.Merchant](t)(h.RotateKeys(ctx, boss, theMerchant, directory.Rotation{NewAuthenKey: true, Grace: time.Hour}))
		must(t, h.SetPIN(ctx, boss, theMerchant, theShop, "clerk", secret.New("987654")))
		lines := got[[]directory.AuditRow](t)(h.Audit(ctx, directory.AuditFilter{MerchantID: theMerchant, Limit: 500}))
		text := fmt.Sprintf("%v", lines)
		for _, s := range []string{before.Reveal(), m.AuthenKey.Reveal(), "987654", "argon2"} {
			if strings.Contains(text, s) {
				t.Error("the trail shows a secret")
			}
		}
		if !strings.Contains(text, `"PIN":"*** `) || !strings.Contains(text, `"Sealed":"*** `) {
			t.Error("a masked change of a secret does not show at all")
		}
		n := len(got[[]directory.AuditRow](t)(h.Audit(ctx, directory.AuditFilter{Limit: 500})))
		_, err := h.UpdateShop(ctx, boss, theMerchant, theShop, func(*directory.Shop) error { return pay.ErrDenied })
		if err == nil {
			t.Error("a refused edit was done")
		}
		got[directory.Shop](t)(h.UpdateShop(ctx, boss, theMerchant, theShop, func(*directory.Shop) error { return nil }))
		if after := len(got[[]directory.AuditRow](t)(h.Audit(ctx, directory.AuditFilter{Limit: 500}))); after != n {
			t.Errorf("%d lines for changes that did not happen", after-n)
		}
	})
}

func TestTheTrailIsReadByObjectActorAndTime(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		start := h.now()
		clerk := directory.Actor{Kind: directory.ByStaff, ID: "m/s/clerk"}
		for i := range 12 {
			h.advance(time.Second)
			by := boss
			if i%3 == 0 {
				by = clerk
			}
			must(t, h.Record(ctx, by, directory.Event{
				Action: "sign_in", ProviderID: "p", MerchantID: fmt.Sprint("m", i%2), ObjectKind: "session", ObjectID: strconv.Itoa(i),
				After: map[string]any{"token": secret.New("hunter2")},
			}))
		}
		read := func(f directory.AuditFilter) (ids []string) {
			t.Helper()
			f.ProviderID = "p"
			for {
				f.Limit = 2
				page := got[[]directory.AuditRow](t)(h.Audit(ctx, f))
				for _, l := range page {
					ids = append(ids, l.ObjectID)
					if strings.Contains(l.After, "hunter2") || l.Action != "sign_in" {
						t.Errorf("line %+v", l)
					}
				}
				if len(page) < 2 {
					return ids
				}
				f.Before = page[1].ID
			}
		}
		for _, tt := range []struct {
			name string
			f    directory.AuditFilter
			want string
		}{
			{"all", directory.AuditFilter{}, "[11 10 9 8 7 6 5 4 3 2 1 0]"},
			{"merchant", directory.AuditFilter{MerchantID: "m1"}, "[11 9 7 5 3 1]"},
			{"actor", directory.AuditFilter{ActorKind: clerk.Kind, ActorID: clerk.ID}, "[9 6 3 0]"},
			{"actor and merchant", directory.AuditFilter{ActorKind: clerk.Kind, ActorID: clerk.ID, MerchantID: "m0"}, "[6 0]"},
			{"object", directory.AuditFilter{ObjectKind: "session", ObjectID: "5"}, "[5]"},
			{"kind", directory.AuditFilter{ObjectKind: "shop"}, "[]"},
			{"time", directory.AuditFilter{From: start.Add(3 * time.Second), To: start.Add(6 * time.Second)}, "[4 3 2]"},
			{"merchant and time", directory.AuditFilter{MerchantID: "m0", From: start.Add(3 * time.Second)}, "[10 8 6 4 2]"},
		} {
			if got := fmt.Sprint(read(tt.f)); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
		_, err := h.Audit(ctx, directory.AuditFilter{Limit: 501})
		refused(t, err, pay.ErrInvalid, "invalid_limit")
	})
}

func TestListsAreReadByPages(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, h *house) {
		t.Helper()
		ctx := t.Context()
		sub := got[directory.SubProvider](t)(h.CreateSubProvider(ctx, byOperator, directory.SubProvider{ProviderID: theProvider, ID: "south"}))
		got[*directory.Provider](t)(h.CreateProvider(ctx, byOperator, directory.Provider{ID: "other"}))
		for i := range 4 {
			m := directory.Merchant{ID: fmt.Sprint("a", i), ProviderID: theProvider, Name: fmt.Sprint("老王面馆", i)}
			if i == 1 {
				m.SubProviderID = sub.ID
			}
			if i == 2 {
				m.ProviderID, m.Prefixes = "other", []string{"77777777"}
			}
			got[*directory.Merchant](t)(h.CreateMerchant(ctx, byOperator, m))
			got[directory.Member](t)(h.CreateMember(ctx, byOperator, directory.Member{ID: fmt.Sprint("u", i), Role: directory.RoleOps}))
		}
		ids := func(f directory.MerchantFilter) (ids []string) {
			t.Helper()
			for _, m := range got[[]directory.MerchantLine](t)(h.Merchants(ctx, f)) {
				ids = append(ids, m.ID)
			}
			return ids
		}
		for _, tt := range []struct {
			name string
			f    directory.MerchantFilter
			want string
		}{
			{"page", directory.MerchantFilter{Limit: 2}, "[a0 a1]"},
			{"next page", directory.MerchantFilter{Limit: 2, After: "a1"}, "[a2 a3]"},
			{"last page", directory.MerchantFilter{Limit: 2, After: "a3"}, "[" + theMerchant + "]"},
			{"provider", directory.MerchantFilter{ProviderID: "other"}, "[a2]"},
			{"sub-provider", directory.MerchantFilter{ProviderID: theProvider, SubProviderID: "south"}, "[a1]"},
			{"name", directory.MerchantFilter{Text: "馆3"}, "[a3]"},
			{"beginning of an id", directory.MerchantFilter{Text: "sz01HOUSE"}, "[" + theMerchant + "]"},
			{"prefix", directory.MerchantFilter{Text: "7777"}, "[a2]"},
			{"nothing", directory.MerchantFilter{Text: "%"}, "[]"},
		} {
			if got := fmt.Sprint(ids(tt.f)); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
		if list := got[[]directory.Provider](t)(h.Providers(ctx, "", 1)); len(list) != 1 || list[0].ID != "other" {
			t.Errorf("providers: %v", list)
		}
		if list := got[[]directory.Provider](t)(h.Providers(ctx, "other", 0)); len(list) != 1 || list[0].ID != theProvider {
			t.Errorf("providers behind the first: %v", list)
		}
		must(t, h.DeleteMember(ctx, byOperator, "u1"))
		if list := got[[]directory.Member](t)(h.Members(ctx, "u0", 2)); len(list) != 2 || list[0].ID != "u2" || list[1].ID != "u3" {
			t.Errorf("members: %v", list)
		}
	})
}
