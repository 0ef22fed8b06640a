package alipay

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestBugRefusedSignatureQuotedWhatWasSigned: when a signature does not verify,
// Alipay's sentence ends with the text that it verified, with the merchant's
// app_auth_token and the payment code in it. Outcome.Text is stored and shown.
func TestBugRefusedSignatureQuotedWhatWasSigned(t *testing.T) {
	t.Parallel()
	const lead = "验签出错, 建议检查签名字符串或签名私钥与应用公钥是否匹配"
	for _, quoted := range []string{
		"，网关生成的验签字符串为：app_auth_token=201510BBtoken&app_id=2021&biz_content={\"auth_code\":\"280000000000000000\"}",
		"，网关生成的验签字符串为：alipay_root_cert_sn=6875_02941e&app_auth_token=201510BBtoken&app_cert_sn=50fa",
		"，网关生成的验签字符串为：app_cert_sn=50fa&app_auth_token=201510BBtoken",
		" app_auth_token=201510BBtoken",
		" biz_content={\"buyer\":\"201510BBtoken\"}",
	} {
		text, err := json.Marshal(lead + quoted)
		if err != nil {
			t.Fatal(err)
		}
		m := members{"code": json.RawMessage(`"40002"`), "sub_code": json.RawMessage(`"isv.invalid-signature"`), "sub_msg": text}
		for _, out := range []string{callPay.unsigned(m).Text, callPay.refused(m).Text} {
			if strings.Contains(out, "201510BBtoken") || !strings.HasPrefix(out, lead) {
				t.Errorf("shown: %s", out)
			}
		}
	}
}
