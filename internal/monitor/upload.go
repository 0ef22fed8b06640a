package monitor

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// shanghai is the day of the limits, as of everything that people count by day.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// Day names the day in Shanghai of a time, as Batch.Day does.
func Day(at time.Time) string { return at.In(shanghai).Format("20060102") }

// maxID is the longest identifier that is kept, protocol.md §2.0.
const maxID = 64

// content is what the three interfaces send, each member read leniently.
type content struct {
	OutShopID    loose `json:"out_shop_id"`
	OrderClient  loose `json:"order_client"`
	IsCompress   loose `json:"is_compress"`
	CompressType loose `json:"compress_type"`
	Compressed   loose `json:"compressed_monitor_info"`
	Uncompressed loose `json:"uncompressed_monitor_info"`
	MachineInfo  loose `json:"machine_info"`
	DeviceID     loose `json:"device_id"`
	SN           loose `json:"sn"`
	SNCode       loose `json:"sn_code"`
	ShopID       loose `json:"shop_id"`
	CallingInfos loose `json:"api_calling_infos"`
	Results      loose `json:"client_int_results"` // some put them at the top
}

// info is UncompressedMonitorInfo.
type info struct {
	Results     loose `json:"client_int_results"`
	MachineInfo loose `json:"machine_info"`
	Inner       loose `json:"uncompressed_monitor_info"` // a client that packs its whole request
}

// result is ClientIntResult.
type result struct {
	Interface   loose `json:"interface"`
	Status      loose `json:"status"`
	Description loose `json:"description"`
	TimeCost    loose `json:"time_cost"`
	StartTime   loose `json:"start_time"`
	Logs        loose `json:"logs"`
	LogID       loose `json:"log_id"`
	DomainName  loose `json:"domain_name"`
	Level       loose `json:"level"`
	Channel     loose `json:"channel"`
	OutTradeNo  loose `json:"out_trade_no"`
}

// calling is one element of a device's api_calling_infos.
type calling struct {
	OutTradeNo loose `json:"out_trade_no"`
	Status     loose `json:"status"`
	DelayMS    loose `json:"delay_ms"`
}

// call is one call for the figures.
type call struct {
	name, domain, status string
	cost                 time.Duration
	at                   time.Time
}

// parser reads one upload into records and figures.
type parser struct {
	monitor *Monitor
	upload  Upload
	now     time.Time
	client  Record // who sent it: the members that all records share
	records []Record
	bytes   int64
	calls   []call
	seen    int // calls read, kept or not
}

// parse reads the content. Its error is a refusal for the sender.
func (p *parser) parse() error {
	var c content
	p.client = Record{MerchantID: p.upload.MerchantID, At: p.now, Cost: -1}
	if !loose(p.upload.Content).into(&c) {
		p.add(p.upload.Kind, Record{Cost: -1, Text: p.upload.Content})
		return nil
	}
	p.identify(c)
	switch p.upload.Kind {
	case Conf:
		p.add(Conf, Record{Cost: -1, Text: c.MachineInfo.text()})
	case Device:
		p.device(c)
	case Calls:
		return p.monitorInfo(c)
	}
	return nil
}

// identify reads who sent it.
func (p *parser) identify(c content) {
	var client content
	c.OrderClient.into(&client)
	pick := func(values ...loose) string {
		for _, v := range values {
			if s := p.id(v.text()); s != "" {
				return s
			}
		}
		return ""
	}
	p.client.ShopID = pick(c.OutShopID)
	p.client.DeviceID = pick(client.DeviceID, c.DeviceID)
	p.client.SN = pick(c.SN, c.SNCode, client.SNCode, client.SN)
}

// id reads an identifier: masked, short, on one line.
func (p *parser) id(s string) string {
	return masked(strings.TrimSpace(s), p.upload.Prefixes, maxID)
}

// monitorInfo reads upload_client_monitor_info.
func (p *parser) monitorInfo(c content) error {
	if c.Compressed.empty() || !c.IsCompress.flag() && !c.Uncompressed.empty() {
		var in info
		switch {
		case c.Uncompressed.into(&in):
			p.info(in)
		case !c.Uncompressed.empty():
			p.add(Calls, Record{Cost: -1, Text: c.Uncompressed.text()})
		}
		p.results(c.Results)
		p.machine(c.MachineInfo)
		if len(p.records) == 0 { // nothing that we know: somebody may want to see what
			p.add(Calls, Record{Cost: -1, Text: p.upload.Content})
		}
		return nil
	}
	texts, err := unpack(c.Compressed.text(), c.CompressType.whole())
	if errors.Is(err, errUnreadable) {
		p.add(Calls, Record{Cost: -1, Text: fmt.Sprintf("compressed_monitor_info of %d characters, compress_type %d: not readable",
			utf8.RuneCountInString(c.Compressed.text()), c.CompressType.whole())})
		return nil
	}
	if err != nil {
		return err
	}
	for _, text := range texts {
		var in info
		switch {
		case text.into(&in):
			p.info(in)
		case p.results(text):
		default:
			p.add(Calls, Record{Cost: -1, Text: string(text[:min(len(text), maxText+slack)])})
		}
	}
	return nil
}

// info reads UncompressedMonitorInfo.
func (p *parser) info(in info) {
	var inner info
	if in.Inner.into(&inner) {
		in = inner
	}
	p.results(in.Results)
	p.machine(in.MachineInfo)
}

func (p *parser) machine(l loose) {
	if !l.empty() {
		p.add(Conf, Record{Cost: -1, Text: l.text()})
	}
}

// results reads client_int_results.
func (p *parser) results(list loose) bool {
	return list.elements(func(e loose) bool {
		var r result
		if !e.into(&r) {
			p.add(Calls, Record{Cost: -1, Text: e.text()})
			return p.more()
		}
		domain := domainOf(r.DomainName.text())
		rec := Record{
			Interface: interfaceName(r.Interface), Domain: masked(domain, p.upload.Prefixes, maxDomain), Status: r.Status.whole(), LogID: max(0, r.LogID.whole()),
			StartedAt: p.started(r.StartTime), Cost: cost(r.TimeCost), OrderNo: p.orderNo(r.OutTradeNo, r.Logs, r.Description),
		}
		rec.Text = joined(r.Description.text(), r.Level.text(), r.Channel.text(), r.Logs.text())
		if rec.Interface == Other && !r.Interface.empty() {
			rec.Text = joined("interface "+r.Interface.text(), rec.Text)
		}
		p.count(rec, domain)
		p.add(Calls, rec)
		return p.more()
	})
}

// device reads device_report: one record of the whole, and one of each call.
func (p *parser) device(c content) {
	p.add(Device, Record{Interface: "device_report", Cost: -1, Text: p.upload.Content})
	c.CallingInfos.elements(func(e loose) bool {
		var i calling
		e.into(&i)
		rec := Record{
			Interface: Other, Status: i.Status.whole(), Cost: cost(i.DelayMS),
			OrderNo: p.orderNo(i.OutTradeNo), Text: e.text(),
		}
		p.count(rec, "")
		p.add(Calls, rec)
		return p.more()
	})
}

// more counts a call and says whether the next is read.
func (p *parser) more() bool {
	p.seen++
	return p.seen < maxUploadCalls
}

// joined joins what is not empty, line by line.
func joined(texts ...string) string {
	kept := texts[:0]
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, "\n")
}

// maxCost is the longest time that a call is believed to have taken.
const maxCost = time.Hour

// cost reads milliseconds, negative if there are none.
func cost(l loose) time.Duration {
	n, ok := l.number()
	if !ok || n < 0 {
		return -1
	}
	return min(time.Duration(min(n, maxCost.Milliseconds()))*time.Millisecond, maxCost)
}

// Clocks of clients are believed within these; what lies outside is the time of arrival.
const (
	oldestStart = 24 * time.Hour
	newestStart = 5 * time.Minute
)

// started reads a time in seconds, or in milliseconds as some clients write
// it; zero if there is none.
func (p *parser) started(l loose) time.Time {
	const msFrom = 100_000_000_000 // in seconds, the year 5138
	n := l.whole()
	switch {
	case n <= 0 || n >= msFrom*1000:
		return time.Time{}
	case n >= msFrom:
		return time.UnixMilli(n).UTC()
	}
	return time.Unix(n, 0).UTC()
}

// orderNumber finds an order's or refund's number in a log.
var orderNumber = regexp.MustCompile(`(?i)out_(?:trade|refund)_no[\\"'\s]{0,8}[:=][\\"'\s]{0,8}([0-9a-z_\-|*@]{1,32})`)

// orderNo takes the number that a call names, or the first one in its texts.
func (p *parser) orderNo(named loose, texts ...loose) string {
	if s := p.id(named.text()); s != "" && len(s) <= 32 {
		return s
	}
	for _, l := range texts {
		s := l.text()
		if m := orderNumber.FindStringSubmatch(s[:min(len(s), maxText)]); m != nil {
			return p.id(m[1])
		}
	}
	return ""
}

// count takes a call into the figures. Calls of an upload beyond the records
// that are kept count as well.
func (p *parser) count(r Record, domain string) {
	if r.Cost < 0 {
		return
	}
	at := p.now
	if !r.StartedAt.IsZero() && r.StartedAt.After(at.Add(-oldestStart)) && r.StartedAt.Before(at.Add(newestStart)) {
		at = r.StartedAt
	}
	p.calls = append(p.calls, call{r.Interface, p.monitor.domainLabel(domain), statusLabel(r.Status), r.Cost, at})
}

// add keeps a record while there is room in the upload.
func (p *parser) add(kind Kind, r Record) {
	if len(p.records) >= MaxUploadRecords || p.bytes >= maxUploadText {
		return
	}
	r.MerchantID, r.At, r.Kind = p.client.MerchantID, p.client.At, kind
	r.ShopID, r.DeviceID, r.SN = p.client.ShopID, p.client.DeviceID, p.client.SN
	r.Text = masked(r.Text, p.upload.Prefixes, maxText)
	p.bytes += int64(len(r.Text))
	p.records = append(p.records, r)
}

// batch is what is to be written.
func (p *parser) batch() Batch {
	device := p.client.DeviceID
	if device == "" {
		device = p.client.SN
	}
	if device == "" {
		device = "-" // an anonymous device has limits too; "" stands for the merchant
	}
	return Batch{
		MerchantID: p.upload.MerchantID, Device: device, Day: Day(p.now),
		Records: p.records, Bytes: p.bytes, Latency: hours(p.calls),
	}
}
