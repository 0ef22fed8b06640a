package sandbox

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const (
	methodBill = "alipay.data.dataservice.bill.downloadurl.query"
	// aliBillPath is where a bill is downloaded, by anybody who has its URL.
	aliBillPath = "/downloadBillFile.resource"
	aliBillLife = 30 * time.Second
	// aliAccountTail follows the user id in the number of the account.
	aliAccountTail = "0156"
	aliBillTime    = "2006年01月02日 15:04:05"
)

// The parts of Alipay's two files (upstreams.md §4.8, vectors/bills).
const (
	aliDetailTitle  = "#支付宝业务明细查询"
	aliDetailHead   = "#-----------------------------------------业务明细列表----------------------------------------"
	aliDetailTail   = "#-----------------------------------------业务明细列表结束------------------------------------"
	aliSummaryTitle = "#支付宝业务汇总查询"
	aliSummaryHead  = "#-----------------------------------------业务汇总列表----------------------------------------"
	aliSummaryTail  = "#----------------------------------------业务汇总列表结束-------------------------------------"
	aliDetailNames  = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）," +
		"支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
	aliSummaryNames = "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)

// aliSums are the sums of a store, signed.
type aliSums struct {
	store                      string
	payments, refunds          int
	total, received, cash, own Fen
	fee                        Fen
}

// add counts a row; sign is -1 for money that went back.
func (a *aliSums) add(r billRow, sign Fen) {
	if sign > 0 {
		a.payments++
	} else {
		a.refunds++
	}
	a.total, a.received = a.total+sign*r.amount, a.received+sign*r.settled
	a.cash, a.own, a.fee = a.cash+sign*r.cash, a.own+sign*(r.amount-r.settled), a.fee-sign*r.fee
}

// ali reports how a row is told: as a payment, or as money that went back.
func (r billRow) ali() (kind string, sign Fen) {
	if (r.kind == billPaid) != r.odd {
		return "交易", 1
	}
	return "退款", -1
}

// aliLine writes a row of the detail. Numbers end with a tab and names with
// spaces; a name's commas stay as they are, for nothing here quotes them.
func (r billRow) aliLine() string {
	kind, sign := r.ali()
	request := ""
	if r.kind == billRefund {
		request = r.r.outRefundNo + "\t"
	}
	zero := Fen(0).Yuan()
	return strings.Join([]string{
		r.t.tradeNo + "\t", clean(r.t.outTradeNo) + "\t", kind, clean(r.t.memo.Subject) + "    ",
		at(r.t.createdMS).Format(longDay), at(r.atMS).Format(longDay), clean(r.t.memo.StoreID), clean(r.t.memo.StoreID),
		clean(r.t.memo.Options["operator_id"]), clean(r.t.memo.TerminalID), logonID(r.t.customer) + "\t",
		(sign * r.amount).Yuan(), (sign * r.settled).Yuan(), zero, zero, (sign * r.cash).Yuan(), (sign * (r.amount - r.settled)).Yuan(), zero, "",
		zero, zero, request, (-sign * r.fee).Yuan(), zero, "",
	}, ",") + "\r\n"
}

// aliHead begins both files.
func aliHead(title, account, list string, span billSpan) string {
	return title + "\r\n#账号：[" + account + "]\r\n#起始日期：[" + span.from.Format(aliBillTime) + "]   终止日期：[" + span.until.Format(aliBillTime) + "]\r\n" + list + "\r\n"
}

// aliExported ends both files.
func aliExported(span billSpan) string {
	return "#导出时间：[" + span.ready.Format(aliBillTime) + "]\r\n"
}

// aliDetail writes the detail file.
func aliDetail(account string, rows []billRow, span billSpan) string {
	var b strings.Builder
	b.WriteString(aliHead(aliDetailTitle, account, aliDetailHead, span) + aliDetailNames + "\r\n")
	var paid, back aliSums
	for _, r := range rows {
		b.WriteString(r.aliLine())
		if _, sign := r.ali(); sign > 0 {
			paid.add(r, sign)
		} else {
			back.add(r, sign)
		}
	}
	b.WriteString(aliDetailTail + "\r\n" +
		"#交易合计：" + strconv.Itoa(paid.payments) + "笔，商家实收共" + paid.received.Yuan() + "元，商家优惠共" + paid.own.Yuan() + "元\r\n" +
		"#退款合计：" + strconv.Itoa(back.refunds) + "笔，商家实收退款共" + back.received.Yuan() + "元，商家优惠退款共" + back.own.Yuan() + "元\r\n" +
		aliExported(span))
	return b.String()
}

// aliSummary writes the summary by store, with a total at its end.
func aliSummary(account string, rows []billRow, span billSpan) string {
	all := aliSums{store: "合计"}
	stores := map[string]*aliSums{}
	for _, r := range rows {
		id := clean(r.t.memo.StoreID)
		if stores[id] == nil {
			stores[id] = &aliSums{store: id}
		}
		_, sign := r.ali()
		stores[id].add(r, sign)
		all.add(r, sign)
	}
	list := make([]*aliSums, 0, len(stores)+1)
	for _, a := range stores {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *aliSums) int { return cmp.Compare(a.store, b.store) })
	var b strings.Builder
	b.WriteString(aliHead(aliSummaryTitle, account, aliSummaryHead, span) + aliSummaryNames + "\r\n")
	for _, a := range append(list, &all) {
		id, name := a.store+"\t", a.store
		if a == &all {
			id, name = a.store, ""
		}
		b.WriteString(strings.Join([]string{
			id, name, strconv.Itoa(a.payments), strconv.Itoa(a.refunds), a.total.Yuan(), a.received.Yuan(), a.cash.Yuan(), a.own.Yuan(),
			Fen(0).Yuan(), a.fee.Yuan(), Fen(0).Yuan(), (a.received + a.fee).Yuan(),
		}, ",") + "\r\n")
	}
	b.WriteString(aliSummaryTail + "\r\n" + aliExported(span))
	return b.String()
}

// gbkText encodes a text; a character that GBK does not have becomes a question mark.
func gbkText(text string) []byte {
	e := simplifiedchinese.GBK.NewEncoder()
	if out, err := e.Bytes([]byte(text)); err == nil {
		return out
	}
	var b bytes.Buffer
	for _, r := range text {
		e.Reset()
		one, err := e.Bytes(utf8.AppendRune(nil, r))
		if err != nil {
			one = []byte("?")
		}
		b.Write(one)
	}
	return b.Bytes()
}

// aliZip packs the two files. The names of the entries are GBK without the flag
// for UTF-8, as Alipay's are.
func aliZip(account, date string, rows []billRow, span billSpan) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	name := account + "_" + strings.ReplaceAll(date, "-", "") + "_业务明细"
	for _, f := range []struct{ name, text string }{
		{name + ".csv", aliDetail(account, rows, span)},
		{name + "(汇总).csv", aliSummary(account, rows, span)},
	} {
		h := &zip.FileHeader{Name: string(gbkText(f.name)), NonUTF8: true, Method: zip.Deflate, Modified: span.ready}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(gbkText(f.text))
		}
		if err != nil {
			panic("sandbox: a zip archive in memory cannot be written: " + err.Error())
		}
	}
	_ = z.Close() // into memory: it does not fail
	return b.Bytes()
}

// aliBill tells where a merchant's bill can be downloaded for the next 30
// seconds. Before it is made Alipay knows no bill; it has no word for "later".
func (s *Sandbox) aliBill(ctx context.Context, tx *txn, r *aliRequest) (aliAnswer, error) {
	var biz struct {
		Type string `json:"bill_type"`
		Date string `json:"bill_date"`
	}
	for name, into := range map[string]*string{"bill_type": &biz.Type, "bill_date": &biz.Date} {
		err := json.Unmarshal(r.biz.raw[name], into)
		if ok := err == nil && *into != ""; !ok {
			return aliRefuse("40002", "isv.invalid-arguments", "参数无效: "+name), nil
		}
	}
	none := failed("isp.BILL_NOT_EXIST", "账单不存在")
	span, ok := spanOf(biz.Date, "2006-01-02", "2006-01")
	switch {
	case !ok:
		return aliRefuse("40002", "isv.invalid-arguments", "bill_date参数无效"), nil
	case biz.Type == "signcustomer": // of an account's movements, which are not kept here
		return none, nil
	case biz.Type != "trade":
		return aliRefuse("40002", "isv.invalid-arguments", "bill_type参数无效"), nil
	case span.stage(tx.now, r.eff.bill.late) != billReady:
		return none, nil
	}
	account := r.merchant.UserID + aliAccountTail
	rows, err := s.billRows(ctx, tx, billScope{channel: Alipay, provider: r.app.account.AppID, merchant: r.merchant.UserID}, span, r.eff)
	if err != nil {
		return aliAnswer{}, err
	}
	if len(rows) == 0 {
		return none, nil
	}
	dead := tx.now.Add(aliBillLife)
	if r.eff.bill.dead {
		dead = tx.now
	}
	token, err := tx.keepBill(ctx, string(Alipay), "application/zip", aliZip(account, biz.Date, rows, span), dead)
	if err != nil {
		return aliAnswer{}, err
	}
	compact := strings.ReplaceAll(biz.Date, "-", "")
	query := url.Values{
		"bizType": {"trade"}, "userId": {account}, "fileType": {"csv.zip"}, "bizDates": {compact},
		"downloadFileName": {account + "_" + compact + ".csv.zip"}, "token": {token},
	}
	var out aliAnswer
	out.fields = out.fields.with("bill_download_url", s.downloadBase(r.base)+aliBillPath+"?"+query.Encode())
	return out, nil
}

// serveAliBill answers a download. The URL is all it takes.
func (s *Sandbox) serveAliBill(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if r.Method != http.MethodGet {
		sendText(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	eff, err := s.takeFaults(ctx, call{channel: Alipay, endpoint: EndpointBillFile})
	if err != nil {
		s.abort(ctx, "take faults", err)
	}
	s.holdBefore(ctx, eff)
	var content []byte
	var found bool
	err = s.run(ctx, func(ctx context.Context, tx *txn) error {
		var err error
		_, content, found, err = tx.bill(ctx, r.URL.Query().Get("token"), string(Alipay))
		return err
	})
	switch {
	case errors.Is(err, errClosed):
		panic(http.ErrAbortHandler)
	case err != nil:
		s.abort(ctx, "read bill", err)
	case !found:
		sendText(w, http.StatusForbidden, "下载链接已失效")
		return
	}
	s.deliver(w, r, eff, content, "application/zip")
}

// addressOf is how the caller reached the wallet.
func addressOf(r *http.Request) string {
	if r.TLS == nil {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}
