package monitor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cloudpay/internal/monitor"
	"cloudpay/internal/store/storetest"
)

// sent is an upload in the form of the documents (protocol.md §2.7).
const sent = `{"out_mch_id":"p1","out_sub_mch_id":"m1","out_shop_id":"s1","nonce_str":"n","interval":60,"is_compress":false,
"order_client":{"device_id":"d1","staff_id":"t1","sn_code":"sn1"},
"uncompressed_monitor_info":{"client_int_results":[
{"interface":100,"status":0,"description":"ok","time_cost":120,"start_time":1789999990,"log_id":3637968353,
 "domain_name":"https://pay.example/cpay","logs":["10:00:00.001 start out_trade_no=90000001A1","10:00:00.121 end"]},
{"interface":"query_order","status":"103","description":"","time_cost":"1.5E3","log_id":18,"domain_name":"sz.pay.example:443","logs":"one line"}
],"machine_info":"{\"cpu_num\":4}"}}`

func TestUploadIsKeptAndFoundAgain(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e)
			w.accept(t, monitor.Calls, sent)
			from := monitor.Record{MerchantID: "m1", At: start, ShopID: "s1", DeviceID: "d1", SN: "sn1"}
			first, second, machine := from, from, from
			first.Kind, first.OrderNo, first.Interface, first.Domain = monitor.Calls, "90000001A1", "micro_pay", "pay.example"
			first.LogID, first.StartedAt, first.Cost = 3637968353, time.Unix(1789999990, 0).UTC(), 120*time.Millisecond
			first.Text = "ok\n10:00:00.001 start out_trade_no=90000001A1\n10:00:00.121 end"
			second.Kind, second.Interface, second.Domain, second.Status = monitor.Calls, "query_order", "sz.pay.example", 103
			second.LogID, second.Cost, second.Text = 18, 1500*time.Millisecond, "one line"
			machine.Kind, machine.Cost, machine.Text = monitor.Conf, -time.Millisecond, `{"cpu_num":4}`
			want := []monitor.Record{first, second, machine}
			if d := cmp.Diff(want, w.all(t), cmpopts.IgnoreFields(monitor.Record{}, "ID")); d != "" {
				t.Fatalf("kept (-want +got):\n%s", d)
			}
			for name, f := range map[string]monitor.Filter{
				"log_id": {LogID: 3637968353}, "order": {OrderNo: "90000001A1"},
				"device": {MerchantID: "m1", DeviceID: "d1"}, "sn": {SN: "sn1"}, "time": {MerchantID: "m1", From: start, To: start.Add(1)},
			} {
				if name == "time" {
					f.To = start.Add(time.Millisecond)
				}
				p, err := w.Search(t.Context(), f, "", 1)
				if err != nil || len(p.Records) != 1 {
					t.Errorf("search by %s: %d records, %v", name, len(p.Records), err)
				}
			}
		})
	}
}

// TestRulesR06MonitoringIsNeverRefusedForItsContent names rule R06.
func TestRulesR06MonitoringIsNeverRefusedForItsContent(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for name, c := range map[string]struct {
		content string
		records int
		first   string // interface of the first record
	}{
		"nothing":                    {`{}`, 1, ""},
		"not JSON":                   {`hello`, 1, ""},
		"empty":                      {``, 1, ""},
		"a list":                     {`[1,2]`, 1, ""},
		"interface as a name":        {`{"uncompressed_monitor_info":{"client_int_results":[{"interface":"scan_code_pay"}]}}`, 1, "scan_code_pay"},
		"interface as a path":        {`{"uncompressed_monitor_info":{"client_int_results":[{"interface":"https://pay.example/cpay/refund"}]}}`, 1, "refund"},
		"interface as a text number": {`{"uncompressed_monitor_info":{"client_int_results":[{"interface":"104"}]}}`, 1, "refund"},
		"interface as a double":      {`{"uncompressed_monitor_info":{"client_int_results":[{"interface":1.04E2}]}}`, 1, "refund"},
		"interface unknown":          {`{"uncompressed_monitor_info":{"client_int_results":[{"interface":77}]}}`, 1, monitor.Other},
		"interface an object":        {`{"uncompressed_monitor_info":{"client_int_results":[{"interface":{"a":1}}]}}`, 1, monitor.Other},
		"one result, not a list":     {`{"uncompressed_monitor_info":{"client_int_results":{"interface":108}}}`, 1, "reverse"},
		"results in a string":        {`{"uncompressed_monitor_info":{"client_int_results":"[{\"interface\":108}]"}}`, 1, "reverse"},
		"info in a string":           {`{"uncompressed_monitor_info":"{\"client_int_results\":[{\"interface\":108}]}"}`, 1, "reverse"},
		"results at the top":         {`{"client_int_results":[{"interface":108}]}`, 1, "reverse"},
		"results are texts":          {`{"uncompressed_monitor_info":{"client_int_results":["a","b"]}}`, 2, ""},
		"info is a number":           {`{"uncompressed_monitor_info":5}`, 1, ""},
		"sample without results":     {`{"uncompressed_monitor_info":{"machine_info":"{}"}}`, 1, ""},
		"every member wrong": {`{"order_client":3,"out_shop_id":{},"is_compress":"x","uncompressed_monitor_info":{"client_int_results":[
			{"status":"bad","description":[1],"time_cost":"never","start_time":-1,"logs":{"a":1},"log_id":"x","domain_name":"::::"}]}}`, 1, monitor.Other},
		"numbers beyond":            {`{"uncompressed_monitor_info":{"client_int_results":[{"status":1e300,"time_cost":9e18,"log_id":-5,"start_time":9e30}]}}`, 1, monitor.Other},
		"nested deeply":             {`{"uncompressed_monitor_info":` + deep + `}`, 1, ""},
		"compressed and unreadable": {`{"is_compress":true,"compress_type":1,"compressed_monitor_info":"!!!!"}`, 1, ""},
		"compressed and empty":      {`{"is_compress":true,"compress_type":1,"compressed_monitor_info":""}`, 1, ""},
		"says compressed, is not":   {`{"is_compress":true,"compress_type":3,"compressed_monitor_info":"{\"client_int_results\":[{\"interface\":108}]}"}`, 1, "reverse"},
		"NUL and broken UTF-8":      {"{\"uncompressed_monitor_info\":{\"machine_info\":\"a\\u0000\xff\"}}", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSQLite(t)
			w.accept(t, monitor.Calls, c.content)
			got := w.all(t)
			if len(got) != c.records {
				t.Fatalf("%d records, want %d: %v", len(got), c.records, got)
			}
			if len(got) > 0 && got[0].Interface != c.first {
				t.Errorf("interface = %q, want %q", got[0].Interface, c.first)
			}
			for _, kind := range []monitor.Kind{monitor.Conf, monitor.Device} {
				w.accept(t, kind, c.content)
			}
		})
	}
}

func TestDeviceReportIsKeptWithItsCalls(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	// The documented example: a misspelt member, and short infos.
	w.accept(t, monitor.Device, `{"device_type":1,"model":"QM600","sn":"LANDI1","out_shop_id":"s1","device_id":"d9","ali_pay_suc`+`ess_count":3,
		"api_calling_infos":[{"out_trade_no":"90000001B1","code":200,"status":0,"delay_ms":350,"description":"ok"},{"code":-3}]}`)
	got := w.all(t)
	if len(got) != 3 {
		t.Fatalf("%d records, want 3", len(got))
	}
	if r := got[0]; r.Kind != monitor.Device || r.SN != "LANDI1" || r.DeviceID != "d9" || !strings.Contains(r.Text, "ali_pay_suc"+"ess_count") {
		t.Errorf("report = %+v", r)
	}
	if r := got[1]; r.OrderNo != "90000001B1" || r.Cost != 350*time.Millisecond || r.SN != "LANDI1" {
		t.Errorf("call = %+v", r)
	}
	if r := got[2]; r.OrderNo != "" || r.Cost >= 0 {
		t.Errorf("short call = %+v", r)
	}
}

func TestLatencyIsPerInterfaceDomainAndStatus(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e)
			var results []string
			for i := range 100 { // 1 … 100 × 10 ms
				results = append(results, fmt.Sprintf(`{"interface":100,"status":0,"time_cost":%d,"domain_name":"https://PAY.example/cpay"}`, (i+1)*10))
			}
			results = append(results,
				`{"interface":100,"status":103,"time_cost":7000,"domain_name":"pay.example"}`,
				`{"interface":"invented","status":9,"time_cost":1,"domain_name":"evil.example"}`)
			w.accept(t, monitor.Calls, `{"uncompressed_monitor_info":{"client_int_results":[`+strings.Join(results, ",")+`]}}`)
			w.accept(t, monitor.Calls, `{"uncompressed_monitor_info":{"client_int_results":[{"interface":100,"status":0,"time_cost":20000,"domain_name":"pay.example"}]}}`)
			want := []monitor.Latency{
				{Interface: "micro_pay", Domain: "pay.example", Status: "0", Count: 101, P50MS: 510, P95MS: 960, P99MS: 1000, MaxMS: 20000},
				{Interface: "micro_pay", Domain: "pay.example", Status: "103", Count: 1, P50MS: 7000, P95MS: 7000, P99MS: 7000, MaxMS: 7000},
				{Interface: "other", Domain: "other", Status: "other", Count: 1, P50MS: 1, P95MS: 1, P99MS: 1, MaxMS: 1},
			}
			for _, merchant := range []string{"m1", ""} {
				got, err := w.Latency(t.Context(), merchant, start.Add(-time.Hour), start.Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("latency of %q (-want +got):\n%s", merchant, d)
				}
			}
			if got, err := w.Latency(t.Context(), "m2", start.Add(-time.Hour), start.Add(time.Hour)); err != nil || len(got) != 0 {
				t.Errorf("latency of another merchant = %v, %v", got, err)
			}
			if _, err := w.Latency(t.Context(), "", start, start.Add(monitor.Retention+1)); err == nil {
				t.Error("a range beyond 30 days is answered")
			}
		})
	}
}

func TestMetricsHaveFewLabels(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for i := range 50 {
		w.accept(t, monitor.Calls, fmt.Sprintf(`{"uncompressed_monitor_info":{"client_int_results":[
			{"interface":"made-up-%d","status":%d,"time_cost":5,"domain_name":"h%d.example"}]}}`, i, 200+i, i))
	}
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range families {
		series += len(f.GetMetric())
	}
	if series != 2 { // one of uploads, one of calls
		t.Errorf("%d series after 50 inventions, want 2", series)
	}
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	many := strings.Repeat(`{"interface":100,"time_cost":1},`, 3000)
	w.accept(t, monitor.Calls, `{"order_client":{"device_id":"d1"},"uncompressed_monitor_info":{"client_int_results":[`+many+`{}]}}`)
	if n := len(w.all(t)); n != monitor.MaxUploadRecords {
		t.Errorf("%d records of one upload, want %d", n, monitor.MaxUploadRecords)
	}
	if l, err := w.Latency(t.Context(), "m1", start.Add(-time.Hour), start.Add(time.Hour)); err != nil || len(l) != 1 || l[0].Count != 2000 {
		t.Errorf("latency = %v, %v; want 2000 calls", l, err)
	}
	w.accept(t, monitor.Conf, `{"machine_info":`+quoted(t, strings.Repeat("字", 10_000))+`}`)
	last := w.all(t)
	if got := last[len(last)-1].Text; len(got) > 8<<10 || strings.Trim(got, "字") != "" {
		t.Errorf("a text of %d bytes was kept, ending in %q", len(got), got[len(got)-6:])
	}
}

func TestDayHasALimitPerDevice(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	upload := monitor.Upload{Kind: monitor.Calls, MerchantID: "m1", Content: `{"order_client":{"device_id":"d1"},
		"uncompressed_monitor_info":{"client_int_results":[` + strings.Repeat(`{},`, monitor.MaxUploadRecords-1) + `{}]}}`}
	uploads := monitor.MaxDeviceRecords / monitor.MaxUploadRecords
	for i := range uploads + 1 {
		interval, err := w.Accept(t.Context(), upload)
		if over := i == uploads; err != nil || over != (interval > 0) {
			t.Fatalf("upload %d of 200: interval %d, %v", i, interval, err)
		}
	}
	upload.Content = strings.Replace(upload.Content, "d1", "d2", 1)
	if interval, err := w.Accept(t.Context(), upload); err != nil || interval != 0 {
		t.Errorf("another device: interval %d, %v", interval, err)
	}
	w.now = w.now.Add(24 * time.Hour)
	upload.Content = strings.Replace(upload.Content, "d2", "d1", 1)
	if interval, err := w.Accept(t.Context(), upload); err != nil || interval != 0 {
		t.Errorf("the next day: interval %d, %v", interval, err)
	}
}
