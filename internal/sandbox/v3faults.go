package sandbox

import "time"

// The defaults of the scenarios about keys and clocks.
const (
	staleBy      = 10 * time.Minute // twice the window of §3.1
	overlapSpan  = 24 * time.Hour   // both certificates are listed for so long
	maxRotations = 20               // certificates of one provider that are kept
)

// v3Scenarios are those of APIv3's keys, signatures and notices (upstreams.md
// §8.7). They leave a v2 call alone.
var v3Scenarios = []Scenario{
	{
		Name: "wrong_serial", Effect: "APIv3: carried out, but Wechatpay-Serial is a serial nobody has", Channels: onlyWx, Endpoint: EndpointPay,
		apply: func(e *effect, _ Channel, _ Params) { e.wrongSerial = true },
	},
	{
		Name: "stale_timestamp", Effect: "APIv3: carried out, but signed as of ten minutes ago", Channels: onlyWx, Endpoint: EndpointPay,
		apply: func(e *effect, _ Channel, _ Params) { e.skew = -staleBy },
	},
	{
		Name: "clock_skew", Effect: "APIv3: the wallet's clock is fast (600 s), and signs so", Channels: onlyWx, Endpoint: EndpointAny,
		Params: []string{"seconds"},
		apply:  func(e *effect, _ Channel, p Params) { e.skew = p.wait(staleBy) },
	},
	{
		Name: "cert_rotate", Effect: "APIv3: before the call a new platform certificate takes over and the old ones are dropped", Channels: onlyWx,
		Endpoint: EndpointPay,
		apply:    func(e *effect, _ Channel, _ Params) { e.rotate = &rotation{} },
	},
	{
		Name: "cert_overlap", Effect: "APIv3: as cert_rotate, but the old ones stay listed for a while (24 h)", Channels: onlyWx,
		Endpoint: EndpointPay, Params: []string{"seconds"},
		apply: func(e *effect, _ Channel, p Params) { e.rotate = &rotation{overlap: p.wait(overlapSpan)} },
	},
	{
		Name: "pubkey_migration", Effect: "APIv3: signed with the public key unless the request names another (percent of the calls or notices)",
		Channels: onlyWx, Endpoint: EndpointNotify, Params: []string{"percent"},
		apply: func(e *effect, _ Channel, _ Params) { e.publicKey = true },
	},
	{
		Name: "cert_list_empty", Effect: "APIv3: the list of platform certificates is empty, as for a merchant in public-key mode",
		Channels: onlyWx, Endpoint: EndpointCertificates,
		apply: func(e *effect, _ Channel, _ Params) { e.noCerts = true },
	},
	{
		Name: "notify_foreign_key", Effect: "APIv3: the notice is signed with another's key, under the right serial", Channels: onlyWx,
		Endpoint: EndpointNotify,
		apply:    func(e *effect, _ Channel, _ Params) { e.foreignKey = true },
	},
	{
		Name: "notify_signtest", Effect: "APIv3: a probe comes first, signed WECHATPAY/SIGNTEST/…; taking it spoils the attempt", Channels: onlyWx,
		Endpoint: EndpointNotify,
		apply:    func(e *effect, _ Channel, _ Params) { e.signTest = true },
	},
	{
		Name: "notify_empty_resource", Effect: "APIv3: the notice has no resource, under a good signature", Channels: onlyWx, Endpoint: EndpointNotify,
		apply: func(e *effect, _ Channel, _ Params) { e.noResource = true },
	},
	{
		Name: "notify_bad_nonce", Effect: "APIv3: the nonce of the notice's resource has five bytes, under a good signature", Channels: onlyWx,
		Endpoint: EndpointNotify,
		apply:    func(e *effect, _ Channel, _ Params) { e.badNonce = true },
	},
}
