package monitor_test

import (
	"strings"
	"testing"

	"cloudpay/internal/monitor"
)

func TestSecretsAreMaskedBeforeTheyAreKept(t *testing.T) {
	t.Parallel()
	const key = "654502BB0F57EC8737B4CF12117575B8"
	for name, c := range map[string]struct{ in, secret, shown string }{
		"WeChat code":            {`scan 134567890123456789 ok`, "134567890123456789", "134567*** ok"},
		"Alipay code":            {`code=281234567890123456;`, "281234567890123456", "281234***;"},
		"Alipay code of 24":      {`301234567890123456789012`, "301234567890123456789012", "301234***"},
		"UnionPay code":          {`6212345678901234567`, "6212345678901234567", "621234***"},
		"two codes":              {`134567890123456789,289999999999999999`, "289999999999999999", "134567***,289999***"},
		"code by its name":       {`{"author_code":"999999999999999999"}`, "999999999999999999", `999999***`},
		"code in a string":       {`{\"author_code\":\"fp1234567890abcdefghij\"}`, "fp1234567890abcdefghij", `fp1234***`},
		"authen_key":             {`authen_key=` + key, key, "authen_key=***"},
		"key in JSON":            {`{"authen_key" : "` + key + `"}`, key, `"***"`},
		"key in JSON in JSON":    {`{\\\"authen_key\\\":\\\"` + key + `\\\"}`, key, "***"},
		"lower-case key":         {`initKey: ` + strings.ToLower(key), strings.ToLower(key), "initKey: ***"},
		"e_authen_key":           {`"e_authen_key":"AQIDBAUGBwjAvJKgIj0X/3R8+lV5dtP13VbWV4YQJIbGKA="`, "AvJKgIj0X", "***"},
		"password":               {`password: hunter22`, "hunter22", "***"},
		"Chinese name":           {`密钥：` + key, key, "密钥：***"},
		"bearer":                 {`Authorization: Bearer abcdef.ghijkl`, "abcdef.ghijkl", "***"},
		"PIN":                    {`staff_pin=482913`, "482913", "***"},
		"private key":            {"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY----- after", "MIIEvQ", "*** after"},
		"private key cut off":    {"-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADAN", "MIIEvQ", "***"},
		"an order number stays":  {`100000070123456789`, "", "100000070123456789"},
		"a transaction id stays": {`4200001234567890123456789012`, "", "4200001234567890123456789012"},
		"a time stays":           {`20261126103355`, "", "20261126103355"},
		"a MAC stays":            {`"authen_code":"` + strings.Repeat("AB", 32) + `"`, "", strings.Repeat("AB", 32)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSQLite(t)
			w.accept(t, monitor.Calls, `{"uncompressed_monitor_info":{"client_int_results":[{"description":"d","logs":[`+quoted(t, c.in)+`]}]}}`)
			w.accept(t, monitor.Conf, `{"machine_info":`+quoted(t, c.in)+`}`)
			w.accept(t, monitor.Calls, c.in) // not even JSON
			got := w.all(t)
			if len(got) != 3 {
				t.Fatalf("%d records, want 3", len(got))
			}
			for _, r := range got {
				if c.secret != "" && strings.Contains(r.Text, c.secret) {
					t.Errorf("the secret is kept: %q", r.Text)
				}
				if !strings.Contains(r.Text, c.shown) {
					t.Errorf("kept %q, want it to contain %q", r.Text, c.shown)
				}
			}
		})
	}
}

func TestSecretsAreMaskedInEveryMember(t *testing.T) {
	t.Parallel()
	const code = "134567890123456789"
	w := onSQLite(t)
	w.accept(t, monitor.Calls, strings.ReplaceAll(`{"out_shop_id":"CODE","order_client":{"device_id":"CODE","sn_code":"CODE"},
		"uncompressed_monitor_info":{"client_int_results":[{"interface":"CODE","description":"CODE","level":"CODE","channel":"CODE",
		"logs":"out_trade_no=CODE","domain_name":"CODE.example","out_trade_no":"CODE"},"CODE"],"machine_info":{"a":CODE}}}`, "CODE", code))
	w.accept(t, monitor.Device, strings.ReplaceAll(`{"sn":"CODE","api_calling_infos":[{"out_trade_no":"CODE"}]}`, "CODE", code))
	got := w.all(t)
	if len(got) != 5 {
		t.Fatalf("%d records, want 5", len(got))
	}
	for _, r := range got {
		for _, s := range []string{r.ShopID, r.DeviceID, r.SN, r.OrderNo, r.Interface, r.Domain, r.Text} {
			if strings.Contains(s, code[:7]) {
				t.Errorf("kept %q", s)
			}
		}
	}
}

func TestCodeOnTheBorderOfATextIsMasked(t *testing.T) {
	t.Parallel()
	const code = "134567890123456789"
	for _, before := range []int{8<<10 - 20, 8<<10 - 18, 8<<10 - 10, 8<<10 - 7, 8 << 10} {
		w := onSQLite(t)
		w.accept(t, monitor.Conf, `{"machine_info":"`+strings.Repeat("x", before)+code+`"}`)
		if r := w.all(t)[0]; strings.Contains(r.Text, code[:7]) || len(r.Text) > 8<<10 {
			t.Errorf("after %d bytes: %d bytes, ending in %q", before, len(r.Text), r.Text[len(r.Text)-20:])
		}
	}
}
