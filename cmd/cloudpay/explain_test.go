package main

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cloudpay/internal/manage"
)

// TestScriptExplainsAnOrderWhoseAnswerWasLost is what an operator does at night:
// a wallet charged and its answer was lost; how is the order, and who says so?
func TestScriptExplainsAnOrderWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	order := d.file.Merchants[0].Prefixes[0] + "0000000000000001"
	var out struct {
		AuthCode string `json:"auth_code"`
	}
	d.sandboxJSON(t, "POST", "/paycodes", map[string]string{"channel": "wxpay", "scenario": "drop_after"}, &out)
	code := out.AuthCode
	cloudpay(t, "pay", "--data", d.dir, "--order", order, "--auth-code", code, "--amount", "0.02").want(t, exitOK, "收款成功")
	cloudpay(t, "refund", "--data", d.dir, order, "--amount", "0.01").want(t, exitOK, "✔")
	d.end(t) // what had not been written yet is written now
	explain := func(args ...string) string {
		r := cloudpay(t, append([]string{
			"explain", order, "--dsn", "sqlite:" + filepath.Join(d.dir, "cloudpay.db"), "--master-key-file", filepath.Join(d.dir, "master.key"),
		}, args...)...)
		r.want(t, exitOK, "")
		return r.stdout
	}
	said := explain()
	// One line of each kind, in the order in which they must stand.
	story := regexp.MustCompile(`(?s)` + strings.Join([]string{
		`终端  till-1 请求 micro_pay：认证有效，答复 status 103`, `订单  订单落库：付款码支付，0.02 元，微信支付`,
		`调用  微信支付扣款：结果未知（应答丢失：连接中断）`, `调用  微信支付查单：已支付`, `应答的签名有效`, `状态  订单 PAYING → PAID`, `依据 查询`,
		`记账  记账 paid：借 应收钱包 0.02; 贷 应付商户 0.02`, `余额 应收钱包 0.02，应付商户 -0.02`, `订单  退款 \d+ 受理：0.01 元`,
		`结论  已支付 0.02 元，已受理退款 0.01 元`, `依据  渠道已证实：查询的应答`, `接着  `,
	}, ".*"))
	if !story.MatchString(said) {
		t.Errorf("the story is told so:\n%s", said)
	}
	if strings.Contains(said, code) || strings.Contains(said, "auth_code") || strings.Contains(said, "author_code") {
		t.Error("the bytes are shown to whoever did not ask for them")
	}
	raw := explain("--raw", "--merchant", d.file.Merchants[0].OutSubMchID, "--lang", "en")
	for _, want := range []string{
		`> POST https://`, `"auth_code":"` + code, `Authorization: WECHATPAY2-SHA256-RSA2048`, `< HTTP 200`, `< Wechatpay-Signature: `, `< (cut)`,
		`known  paid 0.02 yuan`, `how    confirmed by the wallet: its answer to a query`,
	} {
		if !strings.Contains(raw, want) {
			t.Errorf("--raw --lang en does not say %q:\n%s", want, raw)
		}
	}
	verified := explain("--verify", "--lang", "en")
	for _, want := range []string{`✔ checked again: the signature holds`, ` verified, 0 FAILED, 0 without their key`, `; 0 pages do not open`} {
		if !strings.Contains(verified, want) {
			t.Errorf("--verify does not say %q:\n%s", want, verified)
		}
	}
	var x manage.Explanation
	if err := json.Unmarshal([]byte(explain("--json")), &x); err != nil || x.Order.OutTradeNo != order || len(x.Entries) < 10 {
		t.Errorf("--json: %v, %d entries", err, len(x.Entries))
	}
	if last := explain(); !strings.Contains(last, "人工操作 order.read_raw") {
		t.Errorf("nobody is seen to have read the bytes:\n%s", last)
	}
	cloudpay(t, "explain", "99999999x", "--dsn", "sqlite:"+filepath.Join(d.dir, "cloudpay.db"), "--master-key-file", filepath.Join(d.dir, "master.key")).
		want(t, exitDeclined, "不存在")
}

// TestScriptVerifyFindsAChangedByteOfWhatIsKept: what lies in the database cannot
// be changed unseen.
func TestScriptVerifyFindsAChangedByteOfWhatIsKept(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	order := d.file.Merchants[0].Prefixes[0] + "0000000000000001"
	code := strings.TrimSpace(cloudpay(t, "sandbox", "paycode", "--channel", "alipay", "--data", d.dir).stdout)
	cloudpay(t, "pay", "--data", d.dir, "--order", order, "--auth-code", code, "--amount", "0.02").want(t, exitOK, "收款成功")
	d.end(t)
	args := []string{"explain", order, "--verify", "--dsn", "sqlite:" + filepath.Join(d.dir, "cloudpay.db"), "--master-key-file", filepath.Join(d.dir, "master.key")}
	cloudpay(t, args...).want(t, exitOK, "验签  有效 ")
	db, err := sql.Open("sqlite", filepath.Join(d.dir, "cloudpay.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var merchant, page string
	var sealed []byte
	row := db.QueryRowContext(t.Context(), "SELECT merchant_id, page, sealed FROM evidence_pages ORDER BY LENGTH(sealed) DESC LIMIT 1")
	if err := row.Scan(&merchant, &page, &sealed); err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)/2] ^= 1
	if _, err := db.ExecContext(t.Context(), "UPDATE evidence_pages SET sealed = ? WHERE merchant_id = ? AND page = ?", sealed, merchant, page); err != nil {
		t.Fatal(err)
	}
	r := cloudpay(t, args...)
	r.want(t, exitDeclined, "解不开 1 页")
	if !strings.Contains(r.stderr, "does not verify") {
		t.Errorf("it says %q", r.stderr)
	}
}
