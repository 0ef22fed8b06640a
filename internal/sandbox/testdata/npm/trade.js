// Drives whole trades with Alipay's SDK for Node, unmodified and with validateSign,
// and verifies the notices that come. npm_test.go says where, on stdin.
import assert from 'node:assert/strict';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { AlipaySdk } from 'alipay-sdk';

const conf = JSON.parse(await text(process.stdin));
const keys = { appId: conf.app.app_id, keyType: 'PKCS8', privateKey: conf.app.app_private_key_pem, gateway: conf.gateway, timeout: 20000 };
const sdk = new AlipaySdk(conf.mode === 'certificate'
  ? { ...keys, appCertContent: conf.app.app_cert_pem, alipayPublicCertContent: conf.app.alipay_cert_pem, alipayRootCertContent: conf.app.root_cert_pem }
  : { ...keys, alipayPublicKey: conf.app.alipay_public_key_pem });

const notices = [];
const receiver = http.createServer(async (req, res) => {
  notices.push(Object.fromEntries(new URLSearchParams(await text(req))));
  res.end('success');
});
await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
const notifyUrl = `http://127.0.0.1:${receiver.address().port}/notify`;

const merchant = conf.app.merchants[0];
let serial = 0;
const number = (kind) => `NPM${conf.mode}${kind}${++serial}`;

async function call(method, bizContent) {
  return sdk.exec(method, { notifyUrl, appAuthToken: merchant.app_auth_token, bizContent }, { validateSign: true });
}

async function control(path, body) {
  const res = await fetch(conf.control + path, { method: 'POST', body: JSON.stringify(body ?? {}) });
  assert.equal(res.status, 200, `${path}: ${res.status}`);
  return res.json();
}

async function noticeOf(outTradeNo, refund) {
  await control('/sandbox/v1/notices/send');
  const found = notices.filter((n) => n.out_trade_no === outTradeNo && Boolean(n.refund_fee) === refund);
  assert.equal(found.length, 1, `${found.length} notices of ${outTradeNo}`);
  assert.equal(sdk.checkNotifySignV2(found[0]), true, 'the notice verifies');
  assert.equal(sdk.checkNotifySignV2({ ...found[0], total_amount: '0.01' }), false, 'an altered notice does not verify');
  return found[0];
}

function pay(outTradeNo, totalAmount, code) {
  return call('alipay.trade.pay', {
    outTradeNo, totalAmount, authCode: code.auth_code, subject: '测试商品 100%25 "a\\b"', scene: 'bar_code', productCode: 'FACE_TO_FACE_PAYMENT',
  });
}

// pay, query, refund, refund query
const paid = number('P');
const charged = await pay(paid, '12.34', await control('/sandbox/v1/paycodes', { channel: 'alipay', customer: 'npm' }));
assert.equal(charged.code, '10000', JSON.stringify(charged));
assert.equal(charged.totalAmount, '12.34');
let found = await call('alipay.trade.query', { outTradeNo: paid });
assert.equal(found.tradeStatus, 'TRADE_SUCCESS', JSON.stringify(found));
assert.equal((await noticeOf(paid, false)).trade_status, 'TRADE_SUCCESS');
const refunded = await call('alipay.trade.refund', { outTradeNo: paid, refundAmount: '2.34', outRequestNo: `${paid}R` });
assert.equal(refunded.fundChange, 'Y', JSON.stringify(refunded));
const status = await call('alipay.trade.fastpay.refund.query', { outTradeNo: paid, outRequestNo: `${paid}R` });
assert.equal(status.refundStatus, 'REFUND_SUCCESS', JSON.stringify(status));
const told = await noticeOf(paid, true);
assert.equal(told.refund_fee, '2.34');
assert.equal(told.trade_status, 'TRADE_SUCCESS');

// precreate, paid by scanning
const scanned = number('S');
const prepared = await call('alipay.trade.precreate', { outTradeNo: scanned, totalAmount: '0.56', subject: '测试' });
assert.match(prepared.qrCode, /^https:\/\/qr\.alipay\.com\//);
assert.equal((await call('alipay.trade.query', { outTradeNo: scanned })).subCode, 'ACQ.TRADE_NOT_EXIST');
await control('/sandbox/v1/customers/npm/open', { code_url: prepared.qrCode, action: 'approve' });
assert.equal((await call('alipay.trade.query', { outTradeNo: scanned })).tradeStatus, 'TRADE_SUCCESS');
assert.equal((await noticeOf(scanned, false)).total_amount, '0.56');

// a page, opened by its signed address
const page = number('A');
const address = sdk.pageExecute('alipay.trade.wap.pay', 'GET', {
  notifyUrl, appAuthToken: merchant.app_auth_token,
  bizContent: { outTradeNo: page, totalAmount: '0.44', subject: '测试 页面', productCode: 'QUICK_WAP_WAY' },
});
assert.match(await (await fetch(address)).text(), /¥0\.44/);
await control('/sandbox/v1/customers/npm/open', { mweb_url: address, action: 'approve' });
assert.equal((await noticeOf(page, false)).total_amount, '0.44');

// a password, cancelled
const waiting = number('W');
const asked = await pay(waiting, '900.00', await control('/sandbox/v1/paycodes', { channel: 'alipay', customer: 'npm' }));
assert.equal(asked.code, '10003', JSON.stringify(asked));
const cancelled = await call('alipay.trade.cancel', { outTradeNo: waiting });
assert.equal(cancelled.action, 'close', JSON.stringify(cancelled));
found = await call('alipay.trade.query', { outTradeNo: waiting });
assert.equal(found.tradeStatus, 'TRADE_CLOSED', JSON.stringify(found));

// what is not believed
await control('/sandbox/v1/faults', { scenario: 'bad_sign', channel: 'alipay', endpoint: 'query', count: 1 });
await assert.rejects(call('alipay.trade.query', { outTradeNo: paid }), /验签失败/);
await control('/sandbox/v1/faults', { scenario: 'tamper', channel: 'alipay', endpoint: 'query', count: 1 });
await assert.rejects(call('alipay.trade.query', { outTradeNo: paid }), /验签失败/);

receiver.close();
receiver.closeAllConnections();
console.log(`alipay-sdk: ${conf.mode} mode, ${notices.length} notices verified`);
