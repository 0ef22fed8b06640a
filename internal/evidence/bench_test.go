package evidence

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloudpay/internal/secret"
)

// BenchmarkPack packs the records of a payment as APIv3 makes them: what the
// writer does for one payment beside the database's own work.
func BenchmarkPack(b *testing.B) {
	k, err := secret.OpenKeyring(secret.New(strings.Repeat("k", 32)))
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := k.NewDataKey("*installation")
	if err != nil {
		b.Fatal(err)
	}
	vault, err := k.OpenDataKey("*installation", sealed)
	if err != nil {
		b.Fatal(err)
	}
	noise := func(n int) string {
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		var s strings.Builder
		for range n {
			s.WriteByte(letters[rand.IntN(len(letters))])
		}
		return s.String()
	}
	const payments = 40
	var records []*Record
	for i := range payments {
		no := fmt.Sprintf("9000000000000000%08d", i)
		body := Raw(`{"sp_appid":"wx5b00000000000001","sp_mchid":"1900000001","sub_appid":"wx5ab0000000000101","sub_mchid":"1000000101","out_trade_no":"` + no +
			`","payer":{"auth_code":"13` + no[8:] + `"},"amount":{"total":100,"currency":"CNY"},"scene_info":{"device_id":"till-1"},"trade_state_desc":"支付成功"}`)
		records = append(records, &Record{Kind: Request, OutTradeNo: no, At: time.Unix(1795715494, 0), Name: "micro_pay", Verdict: "0", Exchanges: []Exchange{{
			Request: append(append(Raw{}, body...), []byte(strings.Repeat("x", 300)+noise(64))...),
		}}}, &Record{Kind: Call, OutTradeNo: no, At: time.Unix(1795715494, 0), Name: "pay", Verdict: "Paid", Exchanges: []Exchange{{
			Method: "POST", URL: "https://wallet/v3", Header: Raw("Authorization: " + noise(344+32)), Request: body, Status: 200,
			AnswerHeader: Raw("Wechatpay-Signature: " + noise(344+64)), Answer: body,
		}}}, &Record{Kind: Change, OutTradeNo: no, At: time.Unix(1795715494, 0), Name: Moved, From: "PAYING", Verdict: "PAID", Unit: noise(18)})
	}
	p, n, size := newPacker(vault), 0, 0
	for b.Loop() {
		pages, err := p.pages("m1", records, func() string { n++; return PageID(time.Unix(1795715494, 0)) + strconv.Itoa(n) })
		if err != nil {
			b.Fatal(err)
		}
		size = 0
		for _, v := range pages {
			size += len(v.Sealed)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/payments, "µs/payment")
	b.ReportMetric(float64(size)/payments, "B/payment")
}
