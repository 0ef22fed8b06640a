package wxpay

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloudpay/internal/channel"
)

// Times of the platform certificates (upstreams.md §3.2).
const (
	// refreshEvery is under the 12 h that upstream asks for, with room for a
	// failure.
	refreshEvery = 8 * time.Hour
	// refreshPause is the shortest time between two refreshes for age alone.
	refreshPause = time.Minute
	// refreshLimit bounds a refresh that no call waits for.
	refreshLimit = 10 * time.Second
	// stillKnown is how long a certificate that is no longer listed verifies
	// what was signed before: a signature is at most five minutes old.
	stillKnown = 10 * time.Minute
)

// maxCerts is how many certificates one download may hold; upstream lists one,
// or two during a rotation.
const maxCerts = 16

// publicPrefix begins the name of a WeChat Pay public key.
const publicPrefix = "PUB_KEY_ID_"

// platformKey is one key of WeChat's. All but used and gone never change.
type platformKey struct {
	serial      string
	key         *rsa.PublicKey
	der         []byte    // of the certificate, nil for the public key
	from, until time.Time // zero for the public key, which never expires
	gone        time.Time // when it was first missing from the list; zero while listed
	used        *atomic.Int64
}

// verifies reports whether signature is this key's over text.
func (k *platformKey) verifies(text string, signature []byte) bool {
	sum := sha256.Sum256([]byte(text))
	return rsa.VerifyPKCS1v15(k.key, crypto.SHA256, sum[:], signature) == nil
}

// live reports whether the key may verify something that arrives now.
func (k *platformKey) live(now time.Time) bool {
	if k.until.IsZero() {
		return true
	}
	// The clocks of both sides may differ as much as a signature may be old.
	return now.After(k.from.Add(-window)) && now.Before(k.until) && (k.gone.IsZero() || now.Before(k.gone.Add(stillKnown)))
}

// keyring are the keys that WeChat signs with: the public key, platform
// certificates by serial, or both. It is safe for concurrent use.
type keyring struct {
	publicID string
	// fetch downloads and verifies the list of certificates; a nil list without
	// an error says that there are none. fetch is nil when the account has no
	// APIv3 key to open them with.
	fetch func(ctx context.Context, known func(serial string) *platformKey) ([]*platformKey, error)
	now   func() time.Time
	// answers and notices limit how often unknown serials lead to a download.
	// Notices have their own because anybody may send one.
	answers, notices *budget

	byID     atomic.Pointer[map[string]*platformKey]
	fetching turn       // held during a download: those who wait share its result
	mu       sync.Mutex // guards what follows
	asked    time.Time  // last attempt
	fetched  time.Time  // last success
	failure  string     // of the last attempt, "" when it succeeded
	ageing   bool       // a refresh for age is under way
}

// turn is a lock that is waited for no longer than a ctx allows. It has room
// for one.
type turn chan struct{}

// take waits for the turn and reports whether it came before ctx ended.
func (t turn) take(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// end lets the next one take it.
func (t turn) end() { <-t }

func newKeyring(now func() time.Time, public *platformKey) *keyring {
	k := &keyring{now: now, fetching: make(turn, 1), answers: newBudget(now, 10, 10*time.Second), notices: newBudget(now, 3, time.Minute)}
	keys := map[string]*platformKey{}
	if public != nil {
		k.publicID = public.serial
		keys[public.serial] = public
	}
	k.byID.Store(&keys)
	return k
}

// newV3 checks the APIv3 part of an account.
func newV3(conf Config, ch *Channel, cert *tls.Certificate) (*v3, error) {
	key, ok := cert.PrivateKey.(*rsa.PrivateKey)
	switch {
	case !ok:
		return nil, errors.New("APIv3 signs with RSA, and the client certificate is of another kind")
	case conf.Now == nil:
		return nil, errors.New("APIv3 needs a clock")
	case !conf.APIv3Key.IsZero() && len(conf.APIv3Key.Reveal()) != keyLength:
		return nil, errors.New("the APIv3 key must be 32 characters")
	}
	public, err := parsePublic(conf.PublicKeyID, conf.PublicKeyPEM)
	if err != nil {
		return nil, err
	}
	c := &v3{
		base: ch.base, backup: ch.backup, mchID: conf.MchID, appID: conf.AppID, serial: ch.ours.Serial, key: key,
		secret: conf.APIv3Key, keys: newKeyring(conf.Now, public), poster: ch.open, now: conf.Now, pulse: ch.pulse,
	}
	if !conf.APIv3Key.IsZero() {
		c.keys.fetch = c.certificates
	}
	return c, nil
}

// parsePublic reads WeChat Pay's public key, nil for none.
func parsePublic(id, text string) (*platformKey, error) {
	if id == "" && text == "" {
		return nil, nil
	}
	if !strings.HasPrefix(id, publicPrefix) || len(id) > maxNumber {
		return nil, errors.New("the public key's id must begin with PUB_KEY_ID_; both are in the merchant console")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("WeChat Pay's public key must be PEM (pub_key.pem)")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	rsaKey, ok := key.(*rsa.PublicKey)
	if err != nil || !ok || rsaKey.N.BitLen() < minKeyBits {
		return nil, errors.New("WeChat Pay's public key must be RSA with 2048 bits")
	}
	return &platformKey{serial: id, key: rsaKey, used: new(atomic.Int64)}, nil
}

// get returns a key that is known and may be used now, or nil.
func (k *keyring) get(serial string) *platformKey {
	if key := (*k.byID.Load())[serial]; key != nil && key.live(k.now()) {
		return key
	}
	return nil
}

// errNoKeys says that nothing of WeChat's can be verified.
var errNoKeys = errors.New("wxpay: no platform certificate and no public key")

// ready makes sure that there is a key to verify an answer with, before
// anything is sent whose answer would matter.
func (k *keyring) ready(ctx context.Context) error {
	if k.usable() {
		return nil
	}
	k.refresh(ctx, k.answers, k.usable)
	if k.usable() {
		return nil
	}
	return errNoKeys
}

// usable reports whether any key may verify something now.
func (k *keyring) usable() bool {
	now := k.now()
	for _, key := range *k.byID.Load() {
		if key.live(now) {
			return true
		}
	}
	return false
}

// find returns the key of a serial. An unknown certificate is looked for once,
// within allowed; a public key is never downloaded, so an unknown one is not
// looked for.
func (k *keyring) find(ctx context.Context, serial string, allowed *budget) *platformKey {
	if key := k.get(serial); key != nil {
		k.age(ctx)
		return key
	}
	if !isSerial(serial) {
		return nil
	}
	k.refresh(ctx, allowed, func() bool { return k.get(serial) != nil })
	return k.get(serial)
}

// isSerial reports whether a name has the form of a certificate's serial.
func isSerial(s string) bool {
	return len(s) > 0 && len(s) <= 40 && strings.Trim(s, "0123456789ABCDEF") == ""
}

// refresh downloads the certificates, one caller at a time. Whoever waited and
// finds that enough is known by now leaves it at that.
func (k *keyring) refresh(ctx context.Context, allowed *budget, enough func() bool) {
	if k.fetch == nil {
		return
	}
	if !k.fetching.take(ctx) {
		return
	}
	defer k.fetching.end()
	if enough() || ctx.Err() != nil || !allowed.take() {
		return
	}
	k.load(ctx)
}

// reload downloads the certificates now. Its error is that of the download.
func (k *keyring) reload(ctx context.Context) error {
	if !k.fetching.take(ctx) {
		return channel.ErrTimeout
	}
	defer k.fetching.end()
	k.load(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure != "" {
		return errors.New(k.failure)
	}
	return nil
}

// sealing is the key that sensitive fields are encrypted with: the public key,
// or the certificate that is valid from the latest time on; nil without any.
func (k *keyring) sealing() *platformKey {
	now := k.now()
	var best *platformKey
	for _, key := range *k.byID.Load() {
		switch {
		case !key.live(now) || !key.gone.IsZero():
		case key.until.IsZero():
			return key
		case best == nil || key.from.After(best.from):
			best = key
		}
	}
	return best
}

// load downloads the certificates and puts them in use. The caller holds
// fetching.
func (k *keyring) load(ctx context.Context) {
	list, err := k.fetch(ctx, k.get)
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = now
	if err != nil {
		k.failure = err.Error()
		return
	}
	k.fetched, k.failure = now, ""
	if list == nil {
		return
	}
	was := *k.byID.Load()
	keys := map[string]*platformKey{}
	for _, key := range list {
		if old := was[key.serial]; old != nil {
			key.used = old.used
		}
		keys[key.serial] = key
	}
	for serial, old := range was {
		if keys[serial] != nil {
			continue
		}
		if !old.until.IsZero() { // a certificate that is no longer listed
			left := *old
			if left.gone.IsZero() {
				left.gone = now
			}
			if !left.live(now) {
				continue
			}
			old = &left
		}
		keys[serial] = old
	}
	k.byID.Store(&keys)
}

// age starts a download in the background when the list has grown old. An
// account with a public key that never needed a certificate is left alone.
func (k *keyring) age(ctx context.Context) {
	if k.fetch == nil {
		return
	}
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ageing || k.asked.IsZero() || now.Sub(k.fetched) < refreshEvery || now.Sub(k.asked) < refreshPause {
		return
	}
	k.ageing = true
	go func() {
		// The caller's call may end before the download.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshLimit)
		defer cancel()
		if k.fetching.take(ctx) {
			k.load(ctx)
			k.fetching.end()
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ageing = false
	}()
}

// health adds what is known of the keys.
func (k *keyring) health(h *channel.Health) {
	now := k.now()
	for _, key := range *k.byID.Load() {
		if !key.gone.IsZero() && !key.live(now) {
			continue
		}
		one := channel.KeyHealth{Role: channel.RolePlatform, Serial: key.serial, From: key.from, Until: key.until}
		if key.until.IsZero() {
			one.Role = channel.RolePublicKey
		}
		if ms := key.used.Load(); ms != 0 {
			one.Used = time.UnixMilli(ms).UTC()
		}
		h.Keys = append(h.Keys, one)
	}
	slices.SortFunc(h.Keys[1:], func(a, b channel.KeyHealth) int {
		return strings.Compare(string(a.Role)+a.Serial, string(b.Role)+b.Serial)
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	h.Refreshed, h.RefreshFailure = k.fetched.UTC(), k.failure
}

// budget allows something burst times, and once more after each pause.
type budget struct {
	now   func() time.Time
	burst int
	pause time.Duration
	mu    sync.Mutex
	left  int64
	at    time.Time // when left was last counted up
}

func newBudget(now func() time.Time, burst int, pause time.Duration) *budget {
	return &budget{now: now, burst: burst, pause: pause, left: int64(burst)}
}

// take reports whether it is allowed once more, and counts it.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if b.at.IsZero() || now.Before(b.at) {
		b.at = now
	}
	if n := int64(now.Sub(b.at) / b.pause); n > 0 {
		b.left = min(int64(b.burst), b.left+n)
		b.at = b.at.Add(time.Duration(n) * b.pause)
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

// Why a download of certificates is not used. The texts are shown to operators.
var (
	errCertsEmpty  = errors.New("微信支付没有返回平台证书，且未配置微信支付公钥")
	errCertsForm   = errors.New("平台证书的应答无法识别")
	errCertsSecret = errors.New("平台证书无法解密，请检查 APIv3 密钥")
	errCertsSign   = errors.New("平台证书应答的签名不正确")
)

// certificates downloads and opens the platform certificates
// (GET /v3/certificates, upstreams.md §3.2). The list counts only whole: each
// certificate opens with the APIv3 key, is what its serial says, and the
// answer's own signature is that of a key we knew, or of one of them.
func (c *v3) certificates(ctx context.Context, known func(serial string) *platformKey) ([]*platformKey, error) {
	a, err := c.exchange(ctx, http.MethodGet, "/v3/certificates", nil, "")
	if err != nil {
		return nil, err
	}
	var said struct {
		Code string `json:"code"`
		Data []struct {
			SerialNo string `json:"serial_no"`
			Sealed   sealed `json:"encrypt_certificate"`
		} `json:"data"`
	}
	readable := json.Unmarshal(a.Body, &said) == nil
	empty := a.Status == http.StatusNotFound && readable && normal(said.Code) == "RESOURCENOTEXISTS"
	if a.Status != http.StatusOK && !empty {
		if code := channel.CleanCode(said.Code); readable && code != "" {
			return nil, errors.New(code)
		}
		return nil, channel.ErrStatus
	}
	if !readable || len(said.Data) > maxCerts {
		return nil, errCertsForm
	}
	if len(said.Data) == 0 && c.keys.publicID == "" {
		return nil, errCertsEmpty
	}
	if empty {
		return nil, nil // as unsigned as every refusal: what is known stays
	}
	list := []*platformKey{}
	for _, one := range said.Data {
		plain, err := one.Sealed.open(c.secret.Reveal())
		if err != nil {
			return nil, errCertsSecret
		}
		key, err := parsePlatform(plain)
		if err != nil || key.serial != one.SerialNo {
			return nil, errCertsForm
		}
		list = append(list, key)
	}
	if err := c.verifyList(ctx, a, list, known); err != nil {
		return nil, err
	}
	c.pulse.Good(c.now())
	return list, nil
}

// verifyList checks the signature of a download of certificates.
func (c *v3) verifyList(ctx context.Context, a channel.Answer, list []*platformKey, known func(serial string) *platformKey) error {
	// Another keyring, so that an unknown serial does not lead to another download.
	own := *c
	own.keys = newKeyring(c.now, nil)
	keys := map[string]*platformKey{}
	for _, key := range list {
		keys[key.serial] = key
	}
	serial := a.Header.Get(headerSerial)
	if key := known(serial); key != nil {
		keys[serial] = key
	}
	own.keys.byID.Store(&keys)
	if own.verify(ctx, a.Header, a.Body, own.keys.answers) != nil {
		return errCertsSign
	}
	return nil
}

// parsePlatform reads a certificate that verifies.
func parsePlatform(text []byte) (*platformKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errCertsForm
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errCertsForm
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minKeyBits {
		return nil, errCertsForm
	}
	return &platformKey{serial: serialOf(cert), key: key, der: cert.Raw, from: cert.NotBefore.UTC(), until: cert.NotAfter.UTC(), used: new(atomic.Int64)}, nil
}

// minKeyBits is the size that the scheme names.
const minKeyBits = 2048

// serialOf writes a certificate's serial as WeChat does: upper-case
// hexadecimal in whole bytes.
func serialOf(c *x509.Certificate) string {
	return strings.ToUpper(hex.EncodeToString(c.SerialNumber.Bytes()))
}
