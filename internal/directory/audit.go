package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
)

// ActorKind says what kind of somebody changed something.
type ActorKind string

// The kinds of actors. They are stored: never change one.
const (
	ByMember   ActorKind = "member"   // an operator account, ID is the member's
	ByAdmin    ActorKind = "admin"    // a merchant's administrator
	ByStaff    ActorKind = "staff"    // a shop's member of staff
	ByMerchant ActorKind = "merchant" // a program with the merchant's key
	ByDevice   ActorKind = "device"   // a terminal that sets itself up
	ByCommand  ActorKind = "command"  // the command line on the server
	BySystem   ActorKind = "system"   // the server itself, e.g. a seed
)

// Actor is who changes something.
type Actor struct {
	Kind ActorKind
	ID   string // at most MaxID characters
	Name string // shown in the trail, at most MaxName bytes
	// Role is the role in which it acts; "" for the system, the command line and
	// programs, which no rule about people binds.
	Role Role
	// RefundAuth says that the person may refund (R3).
	RefundAuth bool
}

// System is the server itself.
var System = Actor{Kind: BySystem, ID: "system"}

// String returns kind and id, as rows name an actor.
func (a Actor) String() string { return string(a.Kind) + ":" + a.ID }

// AuditRow is one line of the append-only trail. Key: ID.
type AuditRow struct {
	// ID is AuditID and a random part.
	ID         string
	At         time.Time
	ActorKind  ActorKind
	ActorID    string
	ActorName  string
	Action     string // e.g. "shop.update"
	ProviderID string // whose people may read it
	MerchantID string // "" above merchants
	ObjectKind string // e.g. "shop"
	ObjectID   string // e.g. "M/S/D" below a merchant
	Before     string // JSON, secrets masked, "" for what did not exist
	After      string // JSON, secrets masked, "" for what exists no more
}

// AuditFilter selects lines of the trail, newest first. Zero members select
// all.
type AuditFilter struct {
	ProviderID string
	MerchantID string
	ObjectKind string
	ObjectID   string
	ActorKind  ActorKind
	ActorID    string
	From       time.Time // inclusive
	To         time.Time // exclusive
	Before     string    // only lines older than the one with this ID: the next page
	Limit      int       // 1 to MaxPage, 0 is DefaultPage
}

// Sizes of pages.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// maxAuditText bounds each side of a line; a merchant with a logo is the
// largest row.
const maxAuditText = 192 << 10

// Audit returns a page of the trail. The last line's ID is the next filter's
// Before; a page that is not full is the last.
func (d *Directory) Audit(ctx context.Context, f AuditFilter) ([]AuditRow, error) {
	limit, err := pageSize(f.Limit)
	if err != nil {
		return nil, err
	}
	f.Limit = limit
	rows, err := d.loader.ListAudit(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("read audit trail: %w", err)
	}
	return rows, nil
}

// Event is something that happened outside the directory and belongs into the
// trail: a sign-in, an order settled by hand.
type Event struct {
	Action     string
	ProviderID string
	MerchantID string
	ObjectKind string
	ObjectID   string
	// Before and After become JSON. They must hold no secret but in values of
	// type secret.Secret, which mask themselves.
	Before, After any
}

// Record adds one line to the trail.
func (d *Directory) Record(ctx context.Context, by Actor, e Event) error {
	if d.writer == nil {
		return errReadOnly
	}
	row, err := d.eventRow(by, e)
	if err != nil {
		return err
	}
	if _, err := d.writer.Commit(ctx, Change{Audit: []AuditRow{row}}); err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	return nil
}

// eventRow is the line of an event.
func (d *Directory) eventRow(by Actor, e Event) (AuditRow, error) {
	row := d.auditRow(by, d.now(), e.Action)
	row.ProviderID, row.MerchantID = e.ProviderID, e.MerchantID
	row.ObjectKind, row.ObjectID = e.ObjectKind, e.ObjectID
	var err1, err2 error
	row.Before, err1 = auditText(e.Before)
	row.After, err2 = auditText(e.After)
	return row, errors.Join(err1, err2)
}

func (d *Directory) auditRow(by Actor, now time.Time, action string) AuditRow {
	return AuditRow{
		ID: AuditID(now) + randomText(lowerDigits, 10), At: now,
		ActorKind: by.Kind, ActorID: by.ID, ActorName: by.Name, Action: action,
	}
}

// AuditID is how the ids of all lines of that millisecond begin: ids are in the
// order of time.
func AuditID(t time.Time) string { return fmt.Sprintf("%011x", t.UnixMilli()) }

// auditText is how one side of a change is kept.
func auditText(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode an audit line: %w", err)
	}
	if len(b) > maxAuditText {
		return "", pay.Refuse(pay.ErrInvalid, "audit_too_long", "内容过长，无法记录")
	}
	return string(b), nil
}

// check refuses an actor that the trail could not name.
func (a Actor) check() error {
	if a.Kind == "" || a.ID == "" || len(a.ID) > MaxActor || len(a.Name) > MaxName {
		return invalid("actor", "操作人不明")
	}
	return nil
}

// MaxActor is the longest id of an actor: a merchant, a shop and a person.
const MaxActor = 3*MaxID + 2
