package directory

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// maxTries is how often a change is made anew from what somebody else has
// changed meanwhile. Everybody who changes one merchant at the same time would
// have to win before us.
const maxTries = 16

// errReadOnly answers changes in a process that only reads.
var errReadOnly = errors.New("directory: this process may only read")

// errNothing stops a change whose edit found nothing to do.
var errNothing = errors.New("nothing to change")

// Owners of versions. Ids hold no slash and no star, so no two are equal.
func ownerOfMerchant(id string) string { return "m/" + id }
func ownerOfProvider(id string) string { return "p/" + id }

// installation owns what belongs to no provider: members and factory devices.
const installation = "*"

// object names what a row is about, for the trail.
type object struct {
	kind string
	id   string // with the ids of its owners below the merchant
}

// stored is a row whose lines in the trail and whose times the engine keeps.
type stored interface {
	Row
	object() object
	times() Times
}

// changeMerchant applies an edit to a merchant and everything below it, keeps
// the rules, and commits the rows that differ with a line of the trail each.
// When somebody else has changed the merchant meanwhile, it begins again with
// what is stored then. It returns the merchant as it is afterwards.
func (d *Directory) changeMerchant(ctx context.Context, by Actor, action, id string, edit func(*Merchant) error) (*Merchant, error) {
	if d.writer == nil {
		return nil, errReadOnly
	}
	if err := by.check(); err != nil {
		return nil, err
	}
	for range maxTries {
		m, err := d.fresh(ctx, id)
		if err != nil {
			return nil, err
		}
		if !m.DeletedAt.IsZero() {
			return nil, notFound("merchant")
		}
		after := m.clone()
		if err := edit(after); errors.Is(err, errNothing) {
			return m, nil
		} else if err != nil {
			return nil, err
		}
		won, err := d.commitMerchant(ctx, by, action, m, after)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", action, id, err)
		}
		if won {
			d.merchants.drop(id)
			return d.fresh(ctx, id)
		}
	}
	return nil, pay.Refuse(pay.ErrUnavailable, "directory_busy", "资料正在被他人修改，请稍后再试")
}

// fresh reads a merchant as it is stored now.
func (d *Directory) fresh(ctx context.Context, id string) (*Merchant, error) {
	if !ValidID(id) {
		return nil, notFound("merchant")
	}
	return d.loadMerchant(ctx, id)
}

// commitMerchant writes the difference between two states of a merchant. A
// difference that is larger than a unit of work is refused.
func (d *Directory) commitMerchant(ctx context.Context, by Actor, action string, before, after *Merchant) (won bool, err error) {
	now := d.now()
	if err := after.complete(before, now); err != nil {
		return false, err
	}
	if err := d.keepRules(ctx, by, before, after); err != nil {
		return false, err
	}
	p, err := d.provider(ctx, after.ProviderID)
	if err != nil {
		return false, err
	}
	rows, err := d.difference(p.key, before, after, now)
	if err != nil {
		return false, err
	}
	if len(rows) == 0 {
		return true, nil
	}
	if len(rows) > MaxChange {
		return false, pay.Refuse(pay.ErrInvalid, "change_too_large", fmt.Sprintf("一次最多修改 %d 项", MaxChange))
	}
	if n := before.rows.below() + created(rows); created(rows) > 0 && n > MaxBelow {
		return false, pay.Refuse(pay.ErrInvalid, "merchant_too_large",
			fmt.Sprintf("商户的门店、设备、店员、管理员和密钥（含已删除的）最多 %d 项，请联系服务商", MaxBelow))
	}
	c := Change{Owner: ownerOfMerchant(after.ID), Version: before.Version}
	return d.commit(ctx, by, action, c, rows, func(r *AuditRow) { r.ProviderID, r.MerchantID = after.ProviderID, after.ID })
}

// changed is one row that differs; was is nil for a new one.
type changed struct{ was, is stored }

// created counts the rows that are new.
func created(rows []changed) (n int) {
	for _, r := range rows {
		if r.was == nil {
			n++
		}
	}
	return n
}

// commit writes rows with their lines of the trail.
func (d *Directory) commit(ctx context.Context, by Actor, action string, c Change, rows []changed, whose func(*AuditRow)) (bool, error) {
	now := d.now()
	for _, r := range rows {
		line := d.auditRow(by, now, action)
		whose(&line)
		o := r.is.object()
		line.ObjectKind, line.ObjectID = o.kind, o.id
		var err1, err2 error
		if r.was != nil && r.was.times().DeletedAt.IsZero() {
			line.Before, err1 = auditText(masked(r.was))
		}
		if r.is.times().DeletedAt.IsZero() {
			line.After, err2 = auditText(masked(r.is))
		}
		if err := errors.Join(err1, err2); err != nil {
			return false, err
		}
		c.Rows = append(c.Rows, r.is)
		c.Audit = append(c.Audit, line)
	}
	return d.writer.Commit(ctx, c)
}

// difference returns the rows that the edit changed, parents first.
func (d *Directory) difference(key *secret.DataKey, before, after *Merchant, now time.Time) ([]changed, error) {
	is, err := after.takeApart(key, now)
	if err != nil {
		return nil, err
	}
	was := before.rows
	var out []changed
	out = differ(out, []MerchantRow{was.Merchant}, []MerchantRow{is.Merchant}, now)
	out = differ(out, was.Keys, is.Keys, now)
	var had []PrefixRow
	for _, p := range was.Prefixes {
		had = append(had, PrefixRow{after.ID, p})
	}
	var has []PrefixRow
	for _, p := range is.Prefixes {
		has = append(has, PrefixRow{after.ID, p})
	}
	out = differ(out, had, has, now)
	out = differ(out, was.Admins, is.Admins, now)
	out = differ(out, was.Shops, is.Shops, now)
	out = differ(out, was.Devices, is.Devices, now)
	out = differ(out, was.Staff, is.Staff, now)
	return out, nil
}

// differ appends the rows of is that are new or differ from was, with their
// times set.
func differ[R stored](out []changed, was, is []R, now time.Time) []changed {
	old := make(map[object]R, len(was))
	for _, r := range was {
		old[r.object()] = r
	}
	for _, r := range is {
		o, had := old[r.object()]
		if had && sameRow(o, r) {
			continue
		}
		if had && !o.times().DeletedAt.IsZero() && r.times().DeletedAt.IsZero() {
			setTimes(&r, Times{CreatedAt: now, UpdatedAt: now}) // it lives again
		} else if had {
			setTimes(&r, Times{CreatedAt: o.times().CreatedAt, UpdatedAt: now, DeletedAt: r.times().DeletedAt})
		} else {
			setTimes(&r, Times{CreatedAt: now, UpdatedAt: now})
		}
		c := changed{is: r}
		if had {
			c.was = o
		}
		out = append(out, c)
	}
	return out
}

// sameRow compares two rows of one object, but for when they were touched and
// for empty and nil bytes.
func sameRow[R stored](a, b R) bool {
	keep := Times{DeletedAt: a.times().DeletedAt}
	setTimes(&a, keep)
	setTimes(&b, Times{DeletedAt: b.times().DeletedAt})
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		fa, fb := va.Field(i), vb.Field(i)
		if fa.Kind() == reflect.Slice && fa.Len() == 0 && fb.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(fa.Interface(), fb.Interface()) {
			return false
		}
	}
	return true
}

// setTimes replaces the times of a row that has some.
func setTimes[R stored](r *R, t Times) {
	if f := reflect.ValueOf(r).Elem().FieldByName("Times"); f.IsValid() {
		f.Set(reflect.ValueOf(t))
	}
}

// buried adds the rows that a tree no longer has, as deleted ones.
func buried[R stored](is, was []R, now time.Time) []R {
	has := make(map[object]bool, len(is))
	for _, r := range is {
		has[r.object()] = true
	}
	for _, r := range was {
		if has[r.object()] {
			continue
		}
		if t := r.times(); t.DeletedAt.IsZero() {
			t.DeletedAt = now
			setTimes(&r, t)
		}
		is = append(is, r)
	}
	return is
}

// masked is a row as the trail shows it: sealed members become *** and a tag
// that changes with them.
func masked(r stored) any {
	v := reflect.ValueOf(r)
	out := make(map[string]any, v.NumField())
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		switch value := f.Interface().(type) {
		case Times:
		case []byte:
			if len(value) > 0 {
				out[name] = "*** " + tagOf(value)
			}
		case time.Time:
			if !value.IsZero() {
				out[name] = value.UTC().Format(time.RFC3339Nano)
			}
		case string:
			if name == "Profile" || name == "Policy" || name == "Scope" {
				if value != "" {
					out[name] = json.RawMessage(value)
				}
				continue
			}
			if value != "" {
				out[name] = value
			}
		default:
			if !f.IsZero() {
				out[name] = value
			}
		}
	}
	return out
}

// The alphabets of random texts.
const (
	lowerDigits  = "0123456789abcdefghijklmnopqrstuvwxyz"
	lettersAndNo = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	upperDigits  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
)

// randomText returns n random characters of the alphabet, each as likely.
func randomText(alphabet string, n int) string {
	out := make([]byte, 0, n)
	limit := 256 - 256%len(alphabet) // bytes from here on would favour the first
	for len(out) < n {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program first
		for _, c := range b {
			if int(c) < limit && len(out) < n {
				out = append(out, alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// NewID makes an id as the original's: sz01 and 16 letters and digits
// (protocol.md §1.4).
func NewID() string { return "sz01" + randomText(lettersAndNo, 16) }

// invalid refuses a field. The text is for a person.
func invalid(field, text string) error {
	return pay.Refuse(pay.ErrInvalid, "invalid_"+field, text)
}

// removed returns the list without the value of that id.
func removed[V any](list []V, id string, of func(V) string) []V {
	return slices.DeleteFunc(slices.Clone(list), func(v V) bool { return of(v) == id })
}
