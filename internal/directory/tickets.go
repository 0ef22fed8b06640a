package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// Limits of configuration QR codes (protocol.md §1.8).
const (
	TicketLen = 20 // characters of si
	TicketTTL = 5 * time.Minute
	// shortLived is how long rows of tickets and activations are kept after
	// their end, for whoever asks what happened.
	shortLived = 24 * time.Hour
)

// TicketRequest says what a configuration QR code sets a terminal up for.
type TicketRequest struct {
	MerchantID string
	ShopID     string
	DeviceID   string
	StaffID    string // "" for none (继续), unless Policy.StaffRequired
}

// Ticket is the content of a configuration QR code. SI is a credential until
// EndsAt: whoever shows it gets the merchant's key.
type Ticket struct {
	SI     secret.Secret
	EndsAt time.Time
}

// NewTicket makes a configuration QR code for a device, which must be a mobile
// one or a smart POS (protocol.md §3.13). A shop manager needs
// Policy.ManagerSetup (K5).
func (d *Directory) NewTicket(ctx context.Context, by Actor, r TicketRequest) (Ticket, error) {
	if d.writer == nil {
		return Ticket{}, errReadOnly
	}
	m, err := d.fresh(ctx, r.MerchantID)
	if err != nil {
		return Ticket{}, err
	}
	if err := m.maySetUp(by, r); err != nil {
		return Ticket{}, err
	}
	si, now := randomText(lettersAndNo, TicketLen), d.now()
	row := TicketRow{
		Hash: hashOf(si), MerchantID: r.MerchantID, ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID,
		MadeBy: by.String(), CreatedAt: now, EndsAt: now.Add(TicketTTL),
	}
	line, err := d.eventRow(by, Event{
		Action: "device.ticket", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "device",
		ObjectID: m.ID + "/" + r.ShopID + "/" + r.DeviceID, After: map[string]any{"StaffID": r.StaffID, "EndsAt": row.EndsAt},
	})
	if err != nil {
		return Ticket{}, err
	}
	if err := d.writer.PutTicket(ctx, row, now.Add(-shortLived), line); err != nil {
		return Ticket{}, fmt.Errorf("store a configuration ticket: %w", err)
	}
	return Ticket{SI: secret.New(si), EndsAt: row.EndsAt}, nil
}

// maySetUp refuses who may not set up a device, and what cannot be set up.
func (m *Merchant) maySetUp(by Actor, r TicketRequest) error {
	if err := by.check(); err != nil {
		return err
	}
	if by.Role != "" {
		scope := Allowed(by.Role, SetUpDevices)
		if scope == Nothing || scope == IfSwitched && !m.Policy.ManagerSetup {
			return pay.Refuse(pay.ErrDenied, "setup_not_permitted", "没有配置设备的权限，请联系商户管理员")
		}
	}
	s, ok := m.Shop(r.ShopID)
	if !ok || m.Disabled || !m.DeletedAt.IsZero() {
		return notFound("shop")
	}
	v, ok := s.Device(r.DeviceID)
	if !ok {
		return notFound("device")
	}
	if v.Category != CategoryMobile && v.Category != CategorySmart {
		return pay.Refuse(pay.ErrDenied, "category_without_setup", "只有移动收款机具和智能POS可以生成配置二维码")
	}
	if r.StaffID == "" && m.Policy.StaffRequired {
		return invalid("staff_id", "必须选择店员")
	}
	if _, ok := s.Person(r.StaffID); r.StaffID != "" && !ok {
		return notFound("staff")
	}
	return nil
}

// DeviceSetting is what a terminal is set up with (protocol.md §1.8). Merchant
// holds the key and the ids; Device its prefix and ordinal.
type DeviceSetting struct {
	Merchant *Merchant
	Shop     Shop
	Device   Device
	Staff    Staff // the zero value when no one was chosen
}

// CashierID returns the order prefix that the terminal is to use: its own, or
// any of the merchant's.
func (s DeviceSetting) CashierID() string {
	if s.Device.Prefix != "" || len(s.Merchant.Prefixes) == 0 {
		return s.Device.Prefix
	}
	return s.Merchant.Prefixes[0]
}

// UseDeviceSetting sets up the terminal sn with a configuration QR code: it
// binds sn to the device and returns what the terminal needs (R9, R46). Within
// the life of the code the same terminal may repeat it. The error is of kind
// pay.ErrDenied with code setting_expired for a code that is unknown, of
// another shop, or too old, and pay.ErrConflict with code device_bound when
// the device is bound to another terminal.
func (d *Directory) UseDeviceSetting(ctx context.Context, osi, si, sn string) (DeviceSetting, error) {
	if err := checkSN(sn); err != nil {
		return DeviceSetting{}, err
	}
	expired := pay.Refuse(pay.ErrDenied, "setting_expired", "配置二维码已失效，请重新获取")
	if len(si) != TicketLen || !ValidID(osi) {
		return DeviceSetting{}, expired
	}
	t, err := d.loader.LoadTicket(ctx, hashOf(si))
	switch {
	case errors.Is(err, pay.ErrNotFound):
		return DeviceSetting{}, expired
	case err != nil:
		return DeviceSetting{}, fmt.Errorf("load a configuration ticket: %w", err)
	case t.ShopID != osi || !d.now().Before(t.EndsAt):
		return DeviceSetting{}, expired
	}
	m, err := d.bind(ctx, sn, t.MerchantID, t.ShopID, t.DeviceID, t.StaffID, false)
	if errors.Is(err, pay.ErrNotFound) {
		return DeviceSetting{}, expired // what it is for was deleted meanwhile
	}
	if err != nil {
		return DeviceSetting{}, err
	}
	return settingOf(m, t.ShopID, t.DeviceID, t.StaffID)
}

// bind binds a terminal to a device's record.
func (d *Directory) bind(ctx context.Context, sn, merchantID, shopID, deviceID, staffID string, factory bool) (*Merchant, error) {
	by := Actor{Kind: ByDevice, ID: shortSN(sn)}
	return d.editMerchant(ctx, by, "device.bind", merchantID, func(m *Merchant) error {
		i := indexOf(m.Shops, shopID, func(s Shop) string { return s.ID })
		if i < 0 || m.Disabled {
			return notFound("shop")
		}
		j := indexOf(m.Shops[i].Devices, deviceID, func(v Device) string { return v.ID })
		if j < 0 {
			return notFound("device")
		}
		v := &m.Shops[i].Devices[j]
		err := bindTo(v, sn, m.currentKeyID(KindAuthen), staffID, d.now().UnixMilli())
		v.Profile.BoundByFactory = factory
		return err
	})
}

func settingOf(m *Merchant, shopID, deviceID, staffID string) (DeviceSetting, error) {
	s := DeviceSetting{Merchant: m}
	var ok bool
	if s.Shop, ok = m.Shop(shopID); !ok {
		return DeviceSetting{}, notFound("shop")
	}
	if s.Device, ok = s.Shop.Device(deviceID); !ok {
		return DeviceSetting{}, notFound("device")
	}
	s.Staff, _ = s.Shop.Person(staffID)
	return s, nil
}

// checkSN refuses what cannot be a serial number.
func checkSN(sn string) error {
	if sn == "" {
		return invalid("sn", "缺少设备序列号 sn")
	}
	if len(sn) > maxSN {
		return invalid("sn", fmt.Sprintf("sn 过长，最多 %d 个字符", maxSN))
	}
	for _, c := range []byte(sn) {
		if c <= ' ' || c > '~' {
			return invalid("sn", "sn 含有无法使用的字符")
		}
	}
	return nil
}

func validSN(sn string) bool { return checkSN(sn) == nil }

// shortSN is a serial number as an actor's id.
func shortSN(sn string) string { return sn[:min(len(sn), MaxActor)] }

// hashOf is how a bearer credential is kept.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
