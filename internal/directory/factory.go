package directory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// FactoryDevice is a device that was made with a key of its own (protocol.md
// §6.3). The binding is what was granted last; whether it still holds says
// CheckBinding.
type FactoryDevice struct {
	SN         string
	InitKey    secret.Secret // 32 characters of 0-9 A-Z
	MerchantID string        // "" while it was never bound
	ShopID     string
	DeviceID   string
	StaffID    string
	BoundAt    time.Time
}

// Limits of sn_init_key.txt.
const (
	maxEnrolLine  = 256
	maxEnrolLines = 100_000
	enrolBatch    = MaxChange
)

// ClaimedDevice returns the factory device that a request, not yet
// authenticated, names as its sender. As in Claimed, an unknown one gets a
// stand-in with a random key, and known is false.
func (d *Directory) ClaimedDevice(ctx context.Context, sn string) (v FactoryDevice, known bool, err error) {
	stranger := FactoryDevice{SN: sn, InitKey: d.stranger.AuthenKey}
	if !validSN(sn) {
		return stranger, false, nil
	}
	key, err := d.Vault(ctx) // before the row, so that both take as long
	if err != nil {
		return FactoryDevice{}, false, err
	}
	r, err := d.loader.LoadInitKey(ctx, sn)
	if errors.Is(err, pay.ErrNotFound) {
		return stranger, false, nil
	}
	if err != nil {
		return FactoryDevice{}, false, fmt.Errorf("load factory device: %w", err)
	}
	v = FactoryDevice{
		SN: r.SN, MerchantID: r.MerchantID, ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID, BoundAt: r.BoundAt,
	}
	if v.InitKey, err = key.Open(initKeyPlace(sn), r.Sealed); err != nil {
		return FactoryDevice{}, false, fmt.Errorf("open the init key of a factory device: %w", err)
	}
	return v, true, nil
}

func initKeyPlace(sn string) secret.Place { return secret.Place{Purpose: purposeInitKey, Owner: sn} }

// ImportInitKeys enrols factory devices from lines of "<sn> <key>" and returns
// how many were new. All lines are read and checked before the first is
// stored; a device that is enrolled already with the same key is left alone,
// with another key it stops the import (conflict).
func (d *Directory) ImportInitKeys(ctx context.Context, by Actor, from io.Reader) (added int, err error) {
	lines, err := readEnrolment(from)
	if err != nil {
		return 0, err
	}
	key, err := d.Vault(ctx)
	if err != nil {
		return 0, err
	}
	for len(lines) > 0 {
		n := min(len(lines), enrolBatch)
		batch, fresh := lines[:n], 0
		err := d.changeOwned(ctx, by, "init_key.import", installation, "", func() ([]changed, error) {
			rows, err := d.enrol(ctx, key, batch)
			fresh = len(rows)
			return rows, err
		})
		if err != nil {
			return added, err
		}
		added, lines = added+fresh, lines[n:]
	}
	return added, nil
}

// enrolment is one line of sn_init_key.txt.
type enrolment struct {
	sn  string
	key secret.Secret
}

func (d *Directory) enrol(ctx context.Context, key *secret.DataKey, batch []enrolment) ([]changed, error) {
	var rows []changed
	for _, e := range batch {
		old, known, err := d.ClaimedDevice(ctx, e.sn)
		switch {
		case err != nil:
			return nil, err
		case known && old.InitKey.Equal(e.key):
		case known:
			return nil, pay.Refuse(pay.ErrConflict, "init_key_differs", "设备 "+e.sn+" 已用另一把密钥登记")
		default:
			r := InitKeyRow{SN: e.sn, Sealed: key.Seal(initKeyPlace(e.sn), e.key), CreatedAt: d.now()}
			rows = append(rows, changed{is: r})
		}
	}
	return rows, nil
}

// readEnrolment reads "<sn> <key>" lines. Errors name the line and never quote
// the key.
func readEnrolment(from io.Reader) ([]enrolment, error) {
	in := bufio.NewScanner(from)
	in.Buffer(make([]byte, 0, maxEnrolLine), maxEnrolLine)
	var lines []enrolment
	seen := map[string]bool{}
	for n := 1; in.Scan(); n++ {
		f := strings.Fields(in.Text())
		if len(f) == 0 {
			continue
		}
		if len(f) != 2 || checkSN(f[0]) != nil || len(f[1]) != KeyLen || strings.Trim(f[1], upperDigits) != "" {
			return nil, invalid("sn_init_key", fmt.Sprintf("第 %d 行必须是“序列号 32位密钥(0-9A-Z)”", n))
		}
		if seen[f[0]] || len(lines) == maxEnrolLines {
			return nil, invalid("sn_init_key", fmt.Sprintf("第 %d 行的序列号重复，或文件超过 %d 行", n, maxEnrolLines))
		}
		seen[f[0]] = true
		lines = append(lines, enrolment{f[0], secret.New(f[1])})
	}
	if err := in.Err(); err != nil {
		return nil, invalid("sn_init_key", "文件无法读取，或有一行过长")
	}
	return lines, nil
}

// The kinds of activations.
const (
	KindDevice = "device" // a factory device that wants to be bound
	KindClient = "client" // a cashier desk that wants to be set up
)

// Limits of activations (protocol.md §2.5 no. 26, 27).
const (
	activatorLen  = 12
	ActivationTTL = 180 * time.Second
	PollInterval  = 3 * time.Second
)

// Activation is a request to be let in. Activator goes into a QR code that a
// person scans; Token is the asker's own and is shown to nobody.
type Activation struct {
	Activator string
	Token     secret.Secret
	TTL       time.Duration
	Interval  time.Duration
}

func (d *Directory) newActivation(ctx context.Context, r ActivationRow) (Activation, error) {
	if d.writer == nil {
		return Activation{}, errReadOnly
	}
	token, now := randomText(lettersAndNo, activatorLen), d.now()
	r.Activator, r.TokenHash = randomText(lettersAndNo, activatorLen), hashOf(token)
	r.CreatedAt, r.EndsAt = now, now.Add(ActivationTTL)
	if err := d.writer.PutActivation(ctx, r, now.Add(-shortLived)); err != nil {
		return Activation{}, fmt.Errorf("store an activation: %w", err)
	}
	return Activation{Activator: r.Activator, Token: secret.New(token), TTL: ActivationTTL, Interval: PollInterval}, nil
}

// activationByToken returns a living activation of that kind.
func (d *Directory) activationByToken(ctx context.Context, kind, token string) (ActivationRow, error) {
	ended := errTokenExpired()
	if len(token) != activatorLen {
		return ActivationRow{}, ended
	}
	r, err := d.loader.LoadActivationByToken(ctx, hashOf(token))
	switch {
	case errors.Is(err, pay.ErrNotFound):
		return ActivationRow{}, ended
	case err != nil:
		return ActivationRow{}, fmt.Errorf("load an activation: %w", err)
	case r.Kind != kind || !d.now().Before(r.EndsAt):
		return ActivationRow{}, ended
	}
	return r, nil
}

// StartBinding answers generate_bill_device_bind_qr_code: the device, whose
// request verified under its init key, asks to be bound.
func (d *Directory) StartBinding(ctx context.Context, v FactoryDevice) (Activation, error) {
	return d.newActivation(ctx, ActivationRow{Kind: KindDevice, SN: v.SN})
}

// grantedDevice is what a person granted to a factory device.
type grantedDevice struct {
	MerchantID string `json:"merchant_id"`
	ShopID     string `json:"shop_id"`
	DeviceID   string `json:"device_id"`
	StaffID    string `json:"staff_id,omitempty"`
}

// GrantBinding binds the factory device that shows that activator to a device
// of a shop, in the name of whoever scanned it, with the rights and rules of
// NewTicket and UseDeviceSetting.
func (d *Directory) GrantBinding(ctx context.Context, by Actor, activator string, r TicketRequest) (FactoryDevice, error) {
	a, err := d.grantable(ctx, KindDevice, activator)
	if err != nil {
		return FactoryDevice{}, err
	}
	m, err := d.fresh(ctx, r.MerchantID)
	if err != nil {
		return FactoryDevice{}, err
	}
	if err := m.maySetUp(by, r); err != nil {
		return FactoryDevice{}, err
	}
	if _, err := d.bind(ctx, a.SN, r.MerchantID, r.ShopID, r.DeviceID, r.StaffID, true); err != nil {
		return FactoryDevice{}, err
	}
	err = d.changeOwned(ctx, by, "init_key.bind", installation, m.ProviderID, func() ([]changed, error) {
		was, err := d.loader.LoadInitKey(ctx, a.SN)
		if err != nil {
			return nil, err
		}
		is := was
		is.MerchantID, is.ShopID, is.DeviceID, is.StaffID, is.BoundAt = r.MerchantID, r.ShopID, r.DeviceID, r.StaffID, d.now()
		return []changed{{was: was, is: is}}, nil
	})
	if err != nil {
		return FactoryDevice{}, err
	}
	if err := d.grant(ctx, by, m, a, grantedDevice(r)); err != nil {
		return FactoryDevice{}, err
	}
	v, _, err := d.ClaimedDevice(ctx, a.SN)
	return v, err
}

func errTokenExpired() error {
	return pay.Refuse(pay.ErrDenied, "token_expired", "token 已失效，请重新获取二维码")
}

func errActivatorExpired() error {
	return pay.Refuse(pay.ErrDenied, "activator_expired", "二维码已失效，请重新获取")
}

// grantable returns an activation that a person may grant.
func (d *Directory) grantable(ctx context.Context, kind, activator string) (ActivationRow, error) {
	a, err := d.loader.LoadActivation(ctx, activator)
	if err != nil {
		return ActivationRow{}, fmt.Errorf("load an activation: %w", err)
	}
	if a.Kind != kind || !a.GrantedAt.IsZero() || !d.now().Before(a.EndsAt) {
		return ActivationRow{}, errActivatorExpired()
	}
	return a, nil
}

func (d *Directory) grant(ctx context.Context, by Actor, m *Merchant, a ActivationRow, what any) error {
	if d.writer == nil {
		return errReadOnly
	}
	b, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("encode a grant: %w", err)
	}
	line, err := d.eventRow(by, Event{
		Action: a.Kind + ".grant", ProviderID: m.ProviderID, MerchantID: m.ID, ObjectKind: "activation", ObjectID: a.Activator,
		After: json.RawMessage(b),
	})
	if err != nil {
		return err
	}
	now := d.now()
	a.Granted, a.GrantedBy, a.GrantedAt = string(b), by.String(), now
	won, err := d.writer.GrantActivation(ctx, a, now, line)
	if err != nil {
		return fmt.Errorf("grant an activation: %w", err)
	}
	if !won {
		return errActivatorExpired()
	}
	return nil
}

// BindingOf answers get_bill_device_bind_info: what the device was bound to
// since it asked with that token. activated is false while nobody has granted
// it. The error is of kind pay.ErrDenied with code token_expired when the
// token is not the device's, its time is over, or the device was unbound since.
func (d *Directory) BindingOf(ctx context.Context, v FactoryDevice, token string) (s DeviceSetting, activated bool, err error) {
	a, err := d.activationByToken(ctx, KindDevice, token)
	if err != nil {
		return DeviceSetting{}, false, err
	}
	if a.SN != v.SN {
		return DeviceSetting{}, false, errTokenExpired()
	}
	if a.GrantedAt.IsZero() {
		return DeviceSetting{}, false, nil
	}
	var g grantedDevice
	if err := fromJSON(a.Granted, &g); err != nil {
		return DeviceSetting{}, false, err
	}
	m, err := d.fresh(ctx, g.MerchantID) // another process may have bound it just now
	if err != nil {
		return DeviceSetting{}, false, err
	}
	s, err = settingOf(m, g.ShopID, g.DeviceID, g.StaffID)
	if errors.Is(err, pay.ErrNotFound) || err == nil && (s.Device.SN != v.SN || m.Disabled || !m.DeletedAt.IsZero()) {
		return DeviceSetting{}, false, errTokenExpired() // unbound since: it gets no key any more
	}
	return s, err == nil, err
}

// CheckBinding answers check_bill_device_bind_info: whether the device may go
// on as that device of that shop. It returns the merchant, whose key the
// caller compares hash_content with; sentences of refusals are for the user.
func (d *Directory) CheckBinding(ctx context.Context, v FactoryDevice, shopID, deviceID string) (*Merchant, error) {
	again := func(text string) error { return pay.Refuse(pay.ErrDenied, "not_bound", text) }
	m, err := d.MerchantOfShop(ctx, shopID)
	if errors.Is(err, pay.ErrNotFound) {
		return nil, again("门店不存在，请重新绑定设备")
	}
	if err != nil {
		return nil, err
	}
	if m, err = d.fresh(ctx, m.ID); err != nil { // another process may have bound it just now
		return nil, err
	}
	s, _ := m.Shop(shopID)
	device, ok := s.Device(deviceID)
	switch {
	case !ok:
		return nil, again("设备已被删除，请重新绑定")
	case device.SN != v.SN:
		return nil, again("设备未绑定到该门店，请重新绑定")
	case m.Disabled || !m.DeletedAt.IsZero():
		return nil, again("商户已停用，请联系服务商")
	case m.BindStateOf(device) == BindAgain:
		return nil, again("认证密钥已更新，请重新绑定设备")
	}
	return m, nil
}
