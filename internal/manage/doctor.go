package manage

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/wallets"
)

// Limits of a visit of the doctor.
const (
	// looked is how many merchants are looked at one by one: enough to find what
	// is missing on the way to the first payments.
	looked = 200
	// soon is when the end of a certificate is worth a word.
	soon = 30 * 24 * time.Hour
	// maxSkew is how far the newest line of the trail may lie in the future.
	maxSkew = 2 * time.Minute
	// asking is after how long no more wallets are asked for their time: each may
	// take ten seconds to stay silent, and whoever called the doctor waits a minute.
	asking = 20 * time.Second
)

// Finding is one line of the doctor: what was looked at, how it is, and what to
// do about it.
type Finding struct {
	Check string `json:"check" doc:"看了什么"`
	State string `json:"state" enum:"ok,warn,fail"`
	Text  string `json:"text" doc:"结果"`
	Next  string `json:"next,omitempty" doc:"下一步要输入的命令"`
}

// The states of a finding.
const (
	StateOK   = "ok"
	StateWarn = "warn"
	StateFail = "fail"
)

// checkup collects findings.
type checkup struct {
	begun time.Time
	found []Finding
}

func (c *checkup) ok(check, text string) {
	c.found = append(c.found, Finding{check, StateOK, text, ""})
}

func (c *checkup) warn(check, text, next string) {
	c.found = append(c.found, Finding{check, StateWarn, text, next})
}

func (c *checkup) fail(check, text, next string) {
	c.found = append(c.found, Finding{check, StateFail, text, next})
}

func (s *Server) registerDoctor() {
	add(s, operation{id: "doctor", method: http.MethodGet, path: "/v1/doctor", summary: "检查系统还缺什么", tag: "运维"}, s.doctor)
}

func (s *Server) doctor(ctx context.Context, a *actor, _ *struct{}) (*answer[Page[Finding]], error) {
	if err := a.keepsRunning(); err != nil {
		return nil, err
	}
	return whole(s.Doctor(ctx), func(f Finding) Finding { return f }), nil
}

// Doctor looks at what an installation needs on the way to its payments, in
// the order in which it is set up, and changes nothing.
func (s *Server) Doctor(ctx context.Context) []Finding {
	c := &checkup{begun: s.Now()}
	s.checkClock(ctx, c)
	providers, err := s.Directory.Providers(ctx, "", looked)
	switch {
	case err != nil:
		c.fail("provider", err.Error(), "")
	case len(providers) == 0:
		c.fail("provider", "there is none", "cloudpay provider add --name NAME")
	default:
		c.ok("provider", count(len(providers), looked, "provider"))
		for _, p := range providers {
			s.checkAccounts(ctx, c, p)
		}
		s.checkMerchants(ctx, c, providers)
	}
	s.checkTokens(ctx, c)
	s.checkJobs(ctx, c)
	s.checkAttention(ctx, c)
	return c.found
}

func count(n, limit int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case n >= limit:
		return fmt.Sprintf("%d %ss or more; the first %d were looked at", n, what, limit)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// checkClock compares the clock with what was written last: it must not go
// back, or numbers, tickets and signatures of the day are wrong.
func (s *Server) checkClock(ctx context.Context, c *checkup) {
	rows, err := s.Directory.Audit(ctx, directory.AuditFilter{Limit: 1})
	now := s.Now()
	switch {
	case err != nil:
		c.fail("clock", err.Error(), "")
	case len(rows) == 1 && rows[0].At.Sub(now) > maxSkew:
		c.fail("clock", fmt.Sprintf("it is %s, but something was written at %s", now.UTC().Format(time.RFC3339), rows[0].At.Format(time.RFC3339)), "timedatectl set-ntp true")
	default:
		c.ok("clock", now.UTC().Format(time.RFC3339)+", not behind what was written last")
	}
}

// How far a clock may be off. Wallets refuse signatures that are five minutes
// off, and payments that were sent while the clock was minutes ahead wait for a
// person (decision 0046); half a minute is no accident of a network.
const (
	skewWarn = 30 * time.Second
	skewFail = 2 * time.Minute
)

// setClock is what to do about a wrong clock.
const setClock = "timedatectl set-ntp true; then: timedatectl timesync-status"

// checkSkew compares the clock with that of a wallet, by the Date of an answer.
func (s *Server) checkSkew(ctx context.Context, c *checkup, p directory.Provider, a *directory.Account) {
	if s.Wallets == nil {
		return
	}
	m, err := s.someMerchant(ctx, a)
	if err != nil {
		c.fail("clock", err.Error(), "")
		return
	}
	whose := string(a.Channel) + " of provider " + p.ID
	if s.Now().Sub(c.begun) > asking {
		c.warn("clock", "was not compared with "+whose+": others took too long to answer", "cloudpay channel status --provider "+p.ID)
		return
	}
	ahead, exact, known, err := s.Wallets.Skew(ctx, p.ID, a.Channel, m)
	switch {
	case err != nil:
		c.warn("clock", "was not compared with "+whose+": "+err.Error(), "")
		return
	case !known:
		c.warn("clock", "was not compared with "+whose+": it did not answer", "cloudpay channel status --provider "+p.ID)
		return
	}
	c.found = append(c.found, skewFinding(ahead, exact, whose))
}

// skewFinding says how far a clock is off, and what to do.
func skewFinding(ahead, exact time.Duration, whose string) Finding {
	way := "ahead of"
	if ahead < 0 {
		way = "behind"
	}
	off := max(ahead.Abs()-exact, 0) // what is certain of it
	text := fmt.Sprintf("is %s %s %s (to within %s)", ahead.Abs().Round(time.Second), way, whose, exact.Round(100*time.Millisecond))
	switch {
	case off > skewFail:
		return Finding{"clock", StateFail, text + ": payments wait for a person or are refused", setClock}
	case off > skewWarn:
		return Finding{"clock", StateWarn, text, setClock}
	}
	return Finding{"clock", StateOK, "agrees with " + whose + " to within " + exact.Round(100*time.Millisecond).String(), ""}
}

// checkAccounts looks at the wallets of a provider.
func (s *Server) checkAccounts(ctx context.Context, c *checkup, p directory.Provider) {
	found := 0
	for _, ch := range []pay.Channel{pay.Wxpay, pay.Alipay} {
		a, err := s.Directory.Account(ctx, p.ID, ch)
		if errors.Is(err, pay.ErrNotFound) {
			continue
		}
		found++
		if err != nil {
			c.fail("account", err.Error(), setAccount(p.ID, string(ch)))
			continue
		}
		c.ok("account", string(ch)+" of provider "+p.ID)
		s.checkCertificates(c, a)
		s.checkSkew(ctx, c, p, a)
	}
	if found == 0 {
		c.fail("account", "provider "+p.ID+" has no account at a wallet", setAccount(p.ID, "wxpay"))
		return
	}
	s.checkChannels(ctx, c, p.ID)
}

// checkChannels tells what serving processes have noticed of a provider's
// accounts. That nothing was asked yet is no lack, and the ends of certificates
// that the account itself holds are told by checkCertificates.
func (s *Server) checkChannels(ctx context.Context, c *checkup, providerID string) {
	if s.Wallets == nil {
		return
	}
	list, err := s.Wallets.Status(ctx, providerID)
	if err != nil {
		c.fail("channel", err.Error(), "")
		return
	}
	for _, st := range list {
		for _, w := range st.Warnings {
			known := w.Code == wallets.WarnKeyEnds && st.Channel == pay.Wxpay && w.Role == channel.RoleOurs
			if w.Code != wallets.WarnUnverified && !known {
				c.warn("channel", string(st.Channel)+" of provider "+providerID+": "+w.Text, "cloudpay channel status --provider "+providerID)
			}
		}
	}
}

func setAccount(providerID, channel string) string {
	if channel == string(pay.Alipay) {
		return "cloudpay account set --provider " + providerID + " --channel alipay --app-id ID --private-key-file FILE --alipay-public-key-file FILE"
	}
	return "cloudpay account set --provider " + providerID + " --channel wxpay --mch-id ID --app-id ID --api-key-file FILE --cert-file FILE --key-file FILE"
}

func (s *Server) checkCertificates(c *checkup, a *directory.Account) {
	next := setAccount(a.ProviderID, string(a.Channel))
	ca := ""
	if w := a.Wechat; w != nil {
		ca = w.CAPEM
		if w.CertPEM == "" {
			c.warn("certificate", "wxpay of provider "+a.ProviderID+" has none: refunds and reverses will be refused", next)
		} else {
			s.checkCertificate(c, "wxpay of provider "+a.ProviderID, w.CertPEM, next)
		}
	}
	if l := a.Alipay; l != nil {
		ca = l.CAPEM
	}
	if ca != "" {
		s.checkCertificate(c, "root of "+string(a.Channel)+" of provider "+a.ProviderID, ca, next)
	}
}

// checkCertificate reads a certificate's end.
func (s *Server) checkCertificate(c *checkup, whose, text, next string) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		c.fail("certificate", whose+" is not PEM", next)
		return
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		c.fail("certificate", whose+" is not readable", next)
		return
	}
	end := cert.NotAfter.UTC().Format(time.DateOnly)
	switch left := cert.NotAfter.Sub(s.Now()); {
	case left <= 0:
		c.fail("certificate", whose+" ended on "+end, next)
	case left < soon:
		c.warn("certificate", whose+" ends on "+end, next)
	default:
		c.ok("certificate", whose+", until "+end)
	}
}

// checkMerchants looks at merchants and what is below them. Of many with the
// same lack the first is named.
func (s *Server) checkMerchants(ctx context.Context, c *checkup, providers []directory.Provider) {
	lines, err := s.Directory.Merchants(ctx, directory.MerchantFilter{Limit: looked})
	if err != nil {
		c.fail("merchant", err.Error(), "")
		return
	}
	if len(lines) == 0 {
		c.fail("merchant", "there is none", "cloudpay merchant add --provider "+providers[0].ID+" --name NAME --wx-sub-mch-id ID --private-key-to FILE --authen-key-to FILE")
		return
	}
	c.ok("merchant", count(len(lines), looked, "merchant"))
	w := &ward{c: c, first: map[string]Finding{}, times: map[string]int{}}
	for _, line := range lines {
		m, err := s.Directory.Merchant(ctx, line.ID)
		if err != nil {
			c.fail("merchant", err.Error(), "")
			continue
		}
		if !m.Disabled {
			s.checkMerchant(ctx, w, m)
		}
	}
	w.discharge()
}

// ward collects what merchants lack, the first of each kind in full.
type ward struct {
	c     *checkup
	order []string
	first map[string]Finding
	times map[string]int
}

func (w *ward) lacks(check, state, text, next string) {
	if w.times[check]++; w.times[check] == 1 {
		w.order = append(w.order, check)
		w.first[check] = Finding{check, state, text, next}
	}
}

func (w *ward) discharge() {
	for _, check := range []string{"wallet", "prefix", "shop", "device", "staff", "public key", "callback"} {
		if w.times[check] == 0 {
			w.c.ok(check, "no merchant lacks one")
		}
	}
	for _, check := range w.order {
		f := w.first[check]
		if n := w.times[check] - 1; n > 0 {
			f.Text += " (and " + strconv.Itoa(n) + " more like it)"
		}
		w.c.found = append(w.c.found, f)
	}
}

func (s *Server) checkMerchant(ctx context.Context, w *ward, m *directory.Merchant) {
	who := "merchant " + m.ID
	if m.Wx.SubMchID == "" && m.Ali.SellerID == "" && m.Ali.AppAuthToken.IsZero() {
		w.lacks("wallet", StateFail, who+" is known to no wallet", "cloudpay merchant set "+m.ID+" --wx-sub-mch-id ID")
	}
	if len(m.Prefixes) == 0 {
		w.lacks("prefix", StateFail, who+" has no order prefix", "cloudpay prefix add --merchant "+m.ID)
	}
	devices, staff, shop := 0, 0, ""
	for _, v := range m.Shops {
		devices, staff = devices+len(v.Devices), staff+len(v.Staff)
		if shop == "" {
			shop = v.ID
		}
	}
	switch {
	case len(m.Shops) == 0:
		w.lacks("shop", StateFail, who+" has no shop", "cloudpay shop add --merchant "+m.ID+" --name NAME")
	case devices == 0:
		w.lacks("device", StateFail, who+" has no device", "cloudpay device add --merchant "+m.ID+" --shop "+shop+" --id 1 --name NAME")
	case staff == 0:
		w.lacks("staff", StateWarn, who+" has no staff: orders name nobody", "cloudpay staff add --merchant "+m.ID+" --shop "+shop+" --id 1001 --name NAME")
	}
	if m.PublicKey == nil {
		state, text := StateWarn, who+" has no public key: it can sign nothing"
		if m.RefundMustSign {
			state, text = StateFail, who+" must sign its refunds and has no public key"
		}
		w.lacks("public key", state, text, "cloudpay key rotate "+m.ID+" --private-key-to FILE")
	}
	s.checkCallback(ctx, w, m)
}

// checkCallback looks at the form of where a merchant is told, without calling
// it: notify refuses such addresses at every delivery.
func (s *Server) checkCallback(ctx context.Context, w *ward, m *directory.Merchant) {
	address, next := m.NotifyURL, "cloudpay merchant set "+m.ID+" --notify-url https://HOST/PATH"
	if address == "" {
		p, err := s.Directory.ProviderOf(ctx, m)
		if err != nil {
			w.lacks("callback", StateFail, err.Error(), "")
			return
		}
		address, next = p.NotifyURL, "cloudpay provider set "+p.ID+" --notify-url https://HOST/PATH"
	}
	if address == "" {
		w.lacks("callback", StateWarn, "nobody is told of payments of merchant "+m.ID, next)
		return
	}
	if why := unreachable(address); why != "" && !s.AllowPrivate {
		w.lacks("callback", StateFail, "payments of merchant "+m.ID+" are told to "+address+", which is never called: "+why, next)
	}
}

// unreachable says why an address is never called, "" if it may be.
func unreachable(address string) string {
	const lowest = 1024 // besides 443, as notify has it
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "it is not readable"
	}
	if u.Scheme != "https" {
		return "it is not https"
	}
	if p := u.Port(); p != "" && p != "443" {
		if n, err := strconv.Atoi(p); err != nil || n < lowest {
			return "its port is not allowed"
		}
	}
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || strings.HasSuffix(host, ".local") || err == nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()) {
		return "it is a private address"
	}
	return ""
}

func (s *Server) checkTokens(ctx context.Context, c *checkup) {
	list, err := s.Store.Tokens(ctx, "", store.MaxTokens)
	if err != nil {
		c.fail("token", err.Error(), "")
		return
	}
	live := 0
	for _, t := range list {
		if t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || s.Now().Before(t.ExpiresAt)) {
			live++
		}
	}
	if live == 0 {
		c.warn("token", "there is none: a running server can be managed by nobody", "cloudpay token add --role operator NAME --token-to FILE")
		return
	}
	c.ok("token", count(live, store.MaxTokens, "token"))
}

func (s *Server) checkJobs(ctx context.Context, c *checkup) {
	const most = 1000
	buried, err := s.Store.ListJobs(ctx, store.JobFilter{State: jobs.Buried, Limit: most + 1})
	switch {
	case err != nil:
		c.fail("jobs", err.Error(), "")
	case len(buried) > most:
		c.fail("jobs", fmt.Sprintf("more than %d jobs are buried and need a person", most), "cloudpay jobs --buried")
	case len(buried) > 0:
		c.fail("jobs", fmt.Sprintf("%d jobs are buried and need a person", len(buried)), "cloudpay jobs --buried")
	default:
		c.ok("jobs", "no job is buried")
	}
}
