package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"cloudpay/cpay"
	"cloudpay/internal/directory"
	"cloudpay/internal/secret"
	"cloudpay/internal/store"
)

// keyEnv may hold the key, so that it need not stand in a file.
const keyEnv = "CLOUDPAY_AUTHEN_KEY"

// verifyCmd tells a developer why a request does not verify.
type verifyCmd struct {
	File      string `arg:"" help:"File that holds the body of the request as it was sent; - reads it from standard input."`
	Method    string `name:"method" placeholder:"NAME" help:"Interface that was called, for example micro_pay; then its members are checked too."`
	KeyFile   string `name:"key-file" placeholder:"FILE" help:"File that holds the authen_key; - reads it from standard input; or set CLOUDPAY_AUTHEN_KEY."`
	PublicKey string `name:"public-key-file" placeholder:"FILE" help:"File that holds the merchant's public key in PEM, for signatures."`

	Merchant      string `name:"merchant" placeholder:"ID" help:"Take the keys of this merchant (out_sub_mch_id) from the database."`
	DSN           string `name:"dsn" env:"CLOUDPAY_DSN" placeholder:"sqlite:FILE|postgres://…" help:"The database, with --merchant."`
	MasterKeyFile string `name:"master-key-file" env:"CLOUDPAY_MASTER_KEY_FILE" placeholder:"FILE" help:"The master key, with --merchant."`
	OldMasterKey  string `name:"old-master-key-file" env:"CLOUDPAY_OLD_MASTER_KEY_FILE" placeholder:"FILE" hidden:"" help:"The master key that is being replaced."`
}

// Run prints what was authenticated, what was expected and received, and the
// first difference. Exit 0 means authentic and complete, 1 that it is not. No
// key is printed.
func (c *verifyCmd) Run(ctx context.Context, e env) error {
	if c.File == "-" && c.KeyFile == "-" {
		return usage("request and key cannot both come from standard input")
	}
	if c.Method != "" && cpay.NewRequest(c.Method) == nil {
		return usage("--method %s is not an interface with a request; they are listed at /docs/cpay", c.Method)
	}
	body, err := c.read(e, c.File, cpay.MaxMonitorBody)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	pairs, err := c.keys(ctx, e)
	if err != nil {
		return err
	}
	d := cpay.Diagnoser{Keys: pairs[0], Method: c.Method, ToGBK: toGBK}
	g := d.Diagnose(body)
	for _, k := range pairs[1:] { // the key before a rotation is good until its grace ends
		if g.Authentic {
			break
		}
		d.Keys = k
		if again := d.Diagnose(body); again.Authentic {
			g = again
		}
	}
	printDiagnosis(e.stdout, g)
	if g.Cause != "" || !g.Authentic {
		return &exitError{code: exitDeclined}
	}
	return nil
}

// read reads a file or standard input up to a limit.
func (*verifyCmd) read(e env, path string, limit int64) ([]byte, error) {
	if path != "-" {
		return readFile(path, limit)
	}
	raw, err := io.ReadAll(io.LimitReader(e.stdin, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("standard input is larger than %d bytes", limit)
	}
	return raw, err
}

// keys returns the keys to check with, the one in force first.
func (c *verifyCmd) keys(ctx context.Context, e env) ([]cpay.Keys, error) {
	if c.Merchant != "" {
		return c.storedKeys(ctx, e)
	}
	var (
		k   cpay.Keys
		err error
	)
	key := secret.New(strings.TrimSpace(e.getenv(keyEnv)))
	if c.KeyFile != "" {
		raw, err := c.read(e, c.KeyFile, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read --key-file: %w", err)
		}
		key = secret.New(strings.TrimSpace(string(raw)))
		if key.IsZero() {
			return nil, fmt.Errorf("%s holds no key", c.KeyFile)
		}
	}
	if !key.IsZero() {
		k.AuthenKey = cpay.NewKey(key.Reveal())
	}
	if c.PublicKey != "" {
		if k.PublicKey, err = readPublicKey(c.PublicKey); err != nil {
			return nil, err
		}
	}
	if k.AuthenKey.IsZero() && k.PublicKey == nil {
		return nil, usage("say with which key: --key-file FILE, %s, --public-key-file FILE, or --merchant ID with --dsn and --master-key-file", keyEnv)
	}
	return []cpay.Keys{k}, nil
}

// storedKeys reads a merchant's keys from the database, and changes nothing.
func (c *verifyCmd) storedKeys(ctx context.Context, e env) (pairs []cpay.Keys, err error) {
	if c.DSN == "" || c.MasterKeyFile == "" {
		return nil, usage("--merchant needs --dsn and --master-key-file")
	}
	if path, ok := strings.CutPrefix(c.DSN, "sqlite:"); ok {
		if _, err := os.Stat(filepath.Clean(path)); err != nil {
			return nil, err
		}
	}
	keyring, err := openKeyring(ctx, e, c.MasterKeyFile, c.OldMasterKey)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, store.Config{DSN: c.DSN, Log: newLog(e.stderr, "warn")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	dir, err := directory.New(st, st, keyring, time.Now)
	if err != nil {
		return nil, err
	}
	m, err := dir.Merchant(ctx, c.Merchant)
	if err != nil {
		return nil, fmt.Errorf("merchant %s: %w", c.Merchant, err)
	}
	now := time.Now()
	public := []*rsa.PublicKey{nil}
	for _, k := range m.VerifyPublicKeys(now) {
		public = append(public, k.Public)
	}
	if len(public) > 1 {
		public = public[1:]
	}
	for _, k := range m.VerifyKeys(now) {
		for _, p := range public {
			pairs = append(pairs, cpay.Keys{AuthenKey: cpay.NewKey(k.Authen.Reveal()), PublicKey: p})
		}
	}
	return pairs, nil
}

// readPublicKey reads an RSA public key in PEM.
func readPublicKey(path string) (*rsa.PublicKey, error) {
	raw, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read --public-key-file: %w", err)
	}
	if block, _ := pem.Decode(raw); block != nil {
		if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if rsaKey, ok := key.(*rsa.PublicKey); ok {
				return rsaKey, nil
			}
		}
	}
	return nil, fmt.Errorf("%s holds no RSA public key in PEM (BEGIN PUBLIC KEY)", path)
}

// toGBK writes a text as old terminals do.
func toGBK(text string) ([]byte, bool) {
	out, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(text))
	return out, err == nil
}

// advice is what a developer does about each cause.
var advice = map[cpay.Cause]string{
	cpay.CauseNotJSON:        "请求体不是 JSON 对象。请检查是否完整发送。",
	cpay.CauseNoContent:      "缺少 request_content（或 r）。",
	cpay.CauseObject:         "request_content 必须是字符串，不能是对象。把内层 JSON 文本作为字符串写入。",
	cpay.CauseNoAuthenInfo:   "缺少 authen_info 中的 a.authen_code 或 s.sign。",
	cpay.CauseAuthenType:     "认证码正确，但 authen_type 应为 1。",
	cpay.CauseLowerCase:      "认证码正确，但应为大写十六进制。",
	cpay.CauseBase64:         "认证码应为 64 位大写十六进制，不是 base64。",
	cpay.CauseNewline:        "末尾换行不一致：计算与发送须是同样的字节。",
	cpay.CauseWhiteSpace:     "空白字符不一致：计算与发送须是同样的字节。",
	cpay.CauseDoubleEncoding: "双重转义：应对转义前的文本计算，且只转义一次。",
	cpay.CauseSerialised:     "计算后又重新序列化了。请先生成文本，再计算，再原样发送。",
	cpay.CauseGBK:            "按 GBK 计算，应按 UTF-8。",
	cpay.CauseHexKey:         "密钥不要做十六进制解码，直接使用 32 个字符。",
	cpay.CauseKeyText:        "密钥大小写有误，或前后有空白。",
	cpay.CauseOtherKey:       "使用了另一个密钥。",
	cpay.CauseMD5:            "使用了 MD5，应为 HMAC-SHA256。",
	cpay.CauseNotHMAC:        "应为 HMAC-SHA256(密钥, 内容)，不是拼接后再 SHA-256，密钥与内容也不能互换。",
	cpay.CauseSign:           "签名应为 RSA-2048 PSS，SHA-256，base64。",
	cpay.CauseUnhashed:       "签名前应先做 SHA-256。",
	cpay.CauseMember:         "认证通过，但参数有误。",
	cpay.CauseUnknown:        "原因不明：请核对密钥，并与下列字节逐一比较。",
}

// printDiagnosis prints a diagnosis in short lines, Chinese and English.
func printDiagnosis(w io.Writer, g cpay.Diagnosis) {
	line := func(zh, en, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(w, "%s %s: %s\n", zh, en, value)
		}
	}
	switch {
	case g.Authentic && g.Cause == "":
		line("结论", "verdict", "认证通过 authentic")
	case g.Authentic:
		line("结论", "verdict", "认证通过，但不被接受 authentic, not accepted")
	default:
		line("结论", "verdict", "认证不通过 not authentic")
	}
	line("原因", "cause", strings.TrimSpace(advice[g.Cause]+" "+g.Explanation))
	if g.SHA256 != "" {
		line("被计算的字节", "authenticated bytes", fmt.Sprintf("%d, SHA-256 %s", g.Length, g.SHA256))
		line("  开头", "begin", g.Begin)
		line("  结尾", "end", g.End)
	}
	if g.Expected != "" {
		line("期望", "expected", strconv.Quote(g.Expected)) // in quotes, as what was received
	}
	line("收到", "received", g.Received)
	if f := g.Difference; f != nil {
		line("首个不同", "first difference", fmt.Sprintf("第 %d 字节 byte %d", f.Offset, f.Offset))
		line("  发送的是", "sent", f.Sent)
		line("  计算的是", "computed over", f.Authenticated)
	}
}
