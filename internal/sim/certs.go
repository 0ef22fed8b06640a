package sim

import (
	"context"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/sandbox"
)

// modes are how the wallets are spoken to.
type modes struct {
	api   string // of WeChat Pay
	certs bool   // Alipay by certificates
}

var allModes = []modes{{directory.APIv2, false}, {directory.APIv2, true}, {directory.APIv3, false}, {directory.APIv3, true}}

// certs is when Alipay is spoken to by certificates.
type certs int

// Never, from the beginning, or from some moment of the run on.
const (
	certsNever certs = iota
	certsAlways
	certsLater
)

// throwCerts throws when Alipay is spoken to by certificates.
func (w *world) throwCerts() certs { return certs(w.dice("certificates").IntN(int(certsLater) + 1)) }

// maxAliRotations is how often Alipay's certificate is replaced at most; the kit has
// a spare key for each.
const maxAliRotations = 1

// certify has an account at Alipay use certificates instead of the bare key.
func certify(a *directory.AlipayAccount, by sandbox.AlipayAccount) {
	a.AlipayPublicPEM = ""
	a.AppCertPEM, a.AlipayCertPEM, a.RootCertPEM = by.AppCertPEM, by.AlipayCertPEM, by.RootCertPEM
}

// certFaults are what befalls the certificate that Alipay signs an answer under.
var certFaults = []string{"cert_unknown", "cert_forged", "cert_expired"}

// planCerts throws what befalls Alipay's certificates.
func (w *world) planCerts() {
	r := w.dice("alipay")
	within := func() time.Time { return w.start.Add(between(r, 0, w.weather.lasts)) }
	if w.certs == certsNever {
		return
	}
	if w.certs == certsLater {
		w.at(within(), "", func(ctx context.Context) {
			w.actor(func() {
				w.insist(ctx, "Alipay's certificates", pay.Alipay, func(a *directory.Account) {
					ali := *a.Alipay
					certify(&ali, w.Kit.accounts.Alipay)
					a.Alipay = &ali
				})
			})
		})
	}
	if r.IntN(2) == 0 {
		_, overlap := throwOverlap(r)
		w.at(within(), "", func(ctx context.Context) {
			w.fault("Alipay's certificate rotated")
			w.note("wallet", "Alipay has another certificate, the old one for %v more", overlap)
			if _, err := w.box.RotateAlipay(ctx, w.Kit.accounts.Alipay.AppID, overlap, 0); err != nil {
				w.violated("Alipay's certificate is not replaced: %v", err)
			}
		})
	}
	if r.IntN(4) == 0 {
		f := sandbox.Fault{Scenario: certFaults[r.IntN(len(certFaults))], Rate: .05 + .45*r.Float64(), Seed: new(r.Uint64())}
		if err := w.box.AddFault(f); err != nil {
			w.violated("the sandbox takes no fault %s: %v", f.Scenario, err)
		}
	}
}
