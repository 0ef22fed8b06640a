package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The columns of WeChat's bills (upstreams.md §3.8). Which bill has which of
// the first is in wxTradeBill.
var (
	wxTradeColumns = strings.Split("交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"+
		"应结订单金额,代金券金额,退款申请时间,退款成功时间,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,"+
		"订单金额,申请退款金额,费率备注", ",")
	wxRefundColumns = strings.Split("微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,申请退款金额", ",")
	wxTimeColumns   = []string{"退款申请时间", "退款成功时间"}
)

const (
	wxTradeSums = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
	wxFlowNames = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"
	wxFlowSums  = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
	utf8Mark    = "\ufeff"
)

// The bills of a day that WeChat has.
const (
	wxBillAll     = "ALL"
	wxBillSuccess = "SUCCESS"
	wxBillRefund  = "REFUND"
	wxBillCoupons = "RECHARGE_REFUND" // there never are any
)

// billWriter writes one of WeChat's tables: a back-tick before every value.
type billWriter struct{ text strings.Builder }

// clean keeps a value on its line. Commas and back-ticks stay: whoever splits
// the line must do so at a comma followed by a back-tick.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// row writes one line of values.
func (w *billWriter) row(values []string) {
	ticked := make([]string, len(values))
	for i, v := range values {
		ticked[i] = "`" + clean(v)
	}
	w.line(strings.Join(ticked, ","))
}

// line writes one line as it is.
func (w *billWriter) line(text string) { w.text.WriteString(text + "\r\n") }

// wxTradeBill writes a trade bill. ALL begins with a byte order mark, as the
// samples do; the bills of one kind have only the columns of that kind.
func wxTradeBill(a WeChatAccount, rows []billRow, kind string) []byte {
	var w billWriter
	if kind == wxBillAll {
		w.text.WriteString(utf8Mark)
	}
	keep := func(name string) bool {
		if kind == wxBillSuccess && slices.Contains(wxRefundColumns, name) {
			return false
		}
		return kind == wxBillRefund || !slices.Contains(wxTimeColumns, name)
	}
	names := slices.DeleteFunc(slices.Clone(wxTradeColumns), func(name string) bool { return !keep(name) })
	w.line(strings.Join(names, ","))
	var order, settled, refund, refundSettled, cash, fee Fen
	for _, r := range rows {
		values := r.wx(a)
		line := make([]string, len(names))
		for i, name := range names {
			line[i] = values[name]
		}
		w.row(line)
		if r.kind == billPaid {
			order, settled, fee = order+r.amount, settled+r.settled, fee+r.fee
		} else {
			refund, refundSettled, cash, fee = refund+r.amount, refundSettled+r.settled, cash+r.cash, fee-r.fee
		}
	}
	w.line(wxTradeSums)
	w.row([]string{
		strconv.Itoa(len(rows)), settled.Yuan(), refundSettled.Yuan(), cash.Yuan(), fee.Yuan() + "000", order.Yuan(), refund.Yuan(),
	})
	return []byte(w.text.String())
}

// wx is a row in WeChat's words, by column. A payment has a 0 for both refund
// numbers, and so has a reversal, of which no document says otherwise.
func (r billRow) wx(a WeChatAccount) map[string]string {
	t, zero := r.t, Fen(0).Yuan()
	kind := t.memo.Kind
	if kind == "" {
		kind = "MICROPAY"
	}
	v := map[string]string{
		"交易时间": at(r.atMS).Format(longDay), "公众账号ID": a.AppID, "商户号": a.MchID, "特约商户号": t.merchant, "设备号": t.memo.DeviceInfo,
		"微信订单号": t.tradeNo, "商户订单号": t.outTradeNo, "用户标识": openID(a.AppID, t.customer), "交易类型": kind, "交易状态": "SUCCESS",
		"付款银行": "OTHERS", "货币种类": "CNY", "应结订单金额": zero, "代金券金额": zero, "微信退款单号": "0", "商户退款单号": "0",
		"退款金额": zero, "充值券退款金额": zero, "商品名称": t.memo.Subject, "商户数据包": t.memo.Attach, "手续费": (-r.fee).Yuan() + "000",
		"费率": rateText(t.memo.FeeRate), "订单金额": zero, "申请退款金额": zero,
	}
	if r.kind == billPaid {
		v["应结订单金额"], v["代金券金额"], v["手续费"], v["订单金额"] = r.settled.Yuan(), t.couponTotal().Yuan(), r.fee.Yuan()+"000", r.amount.Yuan()
		if r.odd {
			v["交易状态"] = "REVOKED"
		}
		return v
	}
	v["退款金额"], v["充值券退款金额"], v["申请退款金额"] = r.settled.Yuan(), r.cash.Yuan(), r.amount.Yuan()
	v["退款类型"], v["退款状态"], v["退款申请时间"] = "ORIGINAL", wxBillState(r.state), v["交易时间"]
	if r.odd {
		v["退款状态"] = wxBillState(refundClosed)
	}
	v["交易状态"] = "REVOKED"
	if r.kind == billRefund {
		v["交易状态"], v["微信退款单号"], v["商户退款单号"] = "REFUND", r.r.refundID, r.r.outRefundNo
		if r.state == refundSuccess {
			v["退款成功时间"] = at(r.r.doneMS).Format(longDay)
		}
	}
	return v
}

// wxBillState is a refund's state in the words of the bill.
func wxBillState(state refundState) string {
	if state == refundClosed {
		return "FAIL"
	}
	return wxRefundState(state)
}

// rateText writes a rate as the bill does: 0.60%.
func rateText(rate int64) string { return Fen(rate).Yuan() + "%" }

// wxBillOfKind keeps the rows that a kind of bill has.
func wxBillOfKind(rows []billRow, kind string) []billRow {
	return slices.DeleteFunc(rows, func(r billRow) bool {
		return kind == wxBillSuccess && r.kind != billPaid || kind == wxBillRefund && r.kind == billPaid || kind == wxBillCoupons
	})
}

// flowRow is a movement with the numbers of its order and refund.
type flowRow struct {
	seq                int64
	merchant           string
	kind               flowKind
	gross, fee         Fen
	atMS               int64
	tradeNo, outNo     string
	refundID, outRefNo string
	trade              int64
}

// flowsOf lists the movements of a span in their order, and what the accounts
// held before them.
func (s *Sandbox) flowsOf(ctx context.Context, tx *txn, of billScope, merchants []string, span billSpan) (rows []flowRow, before Fen, err error) {
	if err := s.returnDue(ctx, tx); err != nil {
		return nil, 0, err
	}
	for _, m := range merchants {
		h, err := tx.holding(ctx, of.channel, m)
		if err != nil {
			return nil, 0, err
		}
		before += h.opening
	}
	var moved Fen
	_, err = tx.row(ctx, "SELECT coalesce(sum(gross + fee), 0) FROM flows WHERE channel = ?1 AND provider = ?2 AND (?3 = '' OR merchant = ?3) AND at_ms < ?4",
		[]any{of.channel, of.provider, of.merchant, span.from.UnixMilli()}, []any{&moved})
	if err != nil {
		return nil, 0, err
	}
	err = tx.each(ctx, `SELECT f.seq, f.merchant, f.kind, f.gross, f.fee, f.at_ms, f.trade, coalesce(t.trade_no, ''), coalesce(t.out_trade_no, ''),
 coalesce(r.refund_id, ''), coalesce(r.out_refund_no, '')
 FROM flows f LEFT JOIN trades t ON t.seq = f.trade LEFT JOIN refunds r ON r.seq = f.refund
 WHERE f.channel = ?1 AND f.provider = ?2 AND (?3 = '' OR f.merchant = ?3) AND f.at_ms >= ?4 AND f.at_ms < ?5 ORDER BY f.at_ms, f.seq LIMIT ?6`,
		[]any{of.channel, of.provider, of.merchant, span.from.UnixMilli(), span.until.UnixMilli(), maxBillRows}, func(r *sql.Rows) error {
			var f flowRow
			err := r.Scan(&f.seq, &f.merchant, &f.kind, &f.gross, &f.fee, &f.atMS, &f.trade, &f.tradeNo, &f.outNo, &f.refundID, &f.outRefNo)
			rows = append(rows, f)
			return err
		})
	return rows, before + moved, err
}

// entry is one line of the fund bill.
type entry struct {
	business, kind, note string
	amount               Fen // signed
}

// entries are the lines of a movement: a payment has its fee on a line of its
// own, money that goes back has the fee's share in it.
func (f flowRow) entries() []entry {
	switch f.kind {
	case flowPayment:
		list := []entry{{business: "交易", kind: "交易", amount: f.gross}, {business: "交易", kind: "扣除交易手续费", amount: f.fee}}
		return slices.DeleteFunc(list, func(e entry) bool { return e.amount == 0 })
	case flowRefund, flowReverse, flowRollback:
		note := "退款总金额" + (-f.gross).Yuan() + "元;含手续费" + f.fee.Yuan() + "元"
		return []entry{{business: "退款", kind: "退款", note: note, amount: f.gross + f.fee}}
	case flowReturned:
		return []entry{{business: "退款", kind: "退款退回", amount: f.gross + f.fee}}
	case flowTopUp:
		if f.gross < 0 {
			return []entry{{business: "提现", kind: "提现", amount: f.gross}}
		}
		return []entry{{business: "充值", kind: "充值", amount: f.gross}}
	}
	panic("sandbox: unknown movement " + string(f.kind))
}

// businessNo is the wallet's number of what moved the money. A reversal has
// one among the numbers of refunds.
func (f flowRow) businessNo() string {
	switch {
	case f.refundID != "":
		return f.refundID
	case f.kind == flowReverse:
		return "50400000001" + at(f.atMS).Format("20060102") + padded(f.trade, 10)
	case f.tradeNo == "":
		return "10000000001" + at(f.atMS).Format("20060102") + padded(f.seq, 9)
	}
	return f.tradeNo
}

// wxFundBill writes a fund bill of the basic account; n counts its lines.
func wxFundBill(rows []flowRow, balance Fen) (bill []byte, n int) {
	var w billWriter
	w.line(wxFlowNames)
	var in, out Fen
	var ins, outs int
	for _, f := range rows {
		for i, e := range f.entries() {
			balance += e.amount
			way, amount := "收入", e.amount
			if e.amount < 0 {
				way, amount = "支出", -e.amount
				outs, out = outs+1, out+amount
			} else {
				ins, in = ins+1, in+amount
			}
			flowNo := "42000099" + at(f.atMS).Format("20060102") + padded(f.seq*2+int64(i), 12)
			w.row([]string{
				at(f.atMS).Format(longDay), f.businessNo(), flowNo, e.business, e.kind, way, amount.Yuan(), balance.Yuan(),
				f.merchant + "API", e.note, f.outNo,
			})
		}
	}
	w.line(wxFlowSums)
	w.row([]string{strconv.Itoa(ins + outs), strconv.Itoa(ins), in.Yuan(), strconv.Itoa(outs), out.Yuan()})
	return []byte(w.text.String()), ins + outs
}

// errNoBill means that there is nothing to list.
var errNoBill = errors.New("no bill")

// wxBill makes a bill of WeChat's: of trades, or of the basic account, the only
// one on which anything happens here. Without a line it is errNoBill.
func (s *Sandbox) wxBill(ctx context.Context, tx *txn, p *wxProvider, merchant, kind string, span billSpan, eff *effect) ([]byte, error) {
	of := billScope{channel: WeChat, provider: p.account.MchID, merchant: merchant}
	switch strings.ToUpper(kind) {
	case "BASIC":
		rows, before, err := s.flowsOf(ctx, tx, of, p.merchantsOf(merchant), span)
		if err != nil {
			return nil, err
		}
		bill, n := wxFundBill(rows, before)
		if n == 0 {
			return nil, errNoBill
		}
		return bill, nil
	case "OPERATION", "FEES":
		return nil, errNoBill
	}
	rows, err := s.billRows(ctx, tx, of, span, eff)
	if err != nil {
		return nil, err
	}
	if rows = wxBillOfKind(rows, kind); len(rows) == 0 {
		return nil, errNoBill
	}
	return wxTradeBill(p.account, rows, kind), nil
}

// v2Bill is one of the two calls of v2 that answer a file.
type v2Bill struct {
	path string
	fund bool
}

var v2Bills = []v2Bill{{path: "/pay/downloadbill"}, {path: "/pay/downloadfundflow", fund: true}}

// The refusals of the calls for bills; error_code beside those of 20002 is our
// choice (upstreams.md §2.2).
var (
	v2NoBill    = wxRefuse("20002", "No Bill Exist")
	v2Creating  = wxRefuse("20003", "Bill Creating")
	v2BadDate   = wxRefuse("20001", "invalid bill_date")
	v2BadType   = wxRefuse("20001", "invalid bill_type")
	v2BadPacked = wxRefuse("20001", "invalid tar_type")
)

// serveV2Bill answers a bill as it is, unsigned, and a refusal in XML, unsigned
// too (upstreams.md §2.2, §2.9).
func (s *Sandbox) serveV2Bill(w http.ResponseWriter, r *http.Request, b v2Bill) {
	ctx := r.Context()
	req, err := s.readWx(r)
	op := wxOp{path: b.path, endpoint: EndpointBill, mtls: b.fund}
	if op.mtls && !s.admitWx(w, r, op, req) {
		return
	}
	if comm := (wxCommError{}); errors.As(err, &comm) {
		s.sendWxComm(w, comm)
		return
	}
	c := call{channel: WeChat, endpoint: EndpointBill, merchant: req.fields.get("sub_mch_id"), header: r.Header.Get("Wechatpay-Negative-Test")}
	if req.eff, err = s.takeFaults(ctx, c); err != nil {
		s.abort(ctx, "take faults", err)
	}
	s.holdBefore(ctx, req.eff)
	var content []byte
	var refusal wxAnswer
	err = s.run(ctx, func(ctx context.Context, tx *txn) error {
		var err error
		content, refusal, err = s.v2Bill(ctx, tx, b, req)
		return err
	})
	if err != nil {
		s.abort(ctx, "make bill", err)
	}
	if f := req.eff.forced; f != nil {
		refusal = wxRefuse(f.code, f.message)
	}
	if refusal.code != "" {
		body := wxFields{{"return_code", "FAIL"}, {"return_msg", refusal.text}, {"error_code", refusal.code}}.encode()
		s.deliver(w, r, req.eff, body, "text/plain")
		return
	}
	kind := "text/plain"
	if req.fields.get("tar_type") == "GZIP" || req.eff.bill.gzip {
		kind, content = "application/x-gzip", gzipped(content)
	}
	s.deliver(w, r, req.eff, content, kind)
}

// v2Bill checks the fields and makes the bill.
func (s *Sandbox) v2Bill(ctx context.Context, tx *txn, b v2Bill, req *wxRequest) ([]byte, wxAnswer, error) {
	f := req.fields
	kind, kinds := f.get("bill_type"), []string{wxBillAll, wxBillSuccess, wxBillRefund, wxBillCoupons}
	if b.fund {
		kind, kinds = f.get("account_type"), []string{"Basic", "Operation", "Fees"}
	} else if kind == "" {
		kind = wxBillAll
	}
	span, ok := spanOf(f.get("bill_date"), "20060102", "")
	switch {
	case f.get("sub_mch_id") != "" && req.merchant.SubMchID == "":
		return nil, wxRefuse("20001", "invalid sub_mch_id"), nil
	case b.fund && req.signType != signHMAC:
		return nil, wxRefuse("20001", "sign_type only supports HMAC-SHA256"), nil
	case !ok:
		return nil, v2BadDate, nil
	case !slices.Contains(kinds, kind):
		return nil, v2BadType, nil
	case f.get("tar_type") != "" && f.get("tar_type") != "GZIP":
		return nil, v2BadPacked, nil
	}
	switch span.stage(tx.now, req.eff.bill.late) {
	case billCreating:
		return nil, v2Creating, nil
	case billFuture, billGone:
		return nil, v2BadDate, nil
	case billReady:
	}
	content, err := s.wxBill(ctx, tx, req.provider, req.merchant.SubMchID, kind, span, req.eff)
	if errors.Is(err, errNoBill) {
		return nil, v2NoBill, nil
	}
	return content, wxAnswer{}, err
}
