// The customer's phone in a real browser, against the built binary. Tests are
// named by the checks of acceptance.md that they are.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { browse, Demo, openPage, until, untrusted } from './demo.mjs'

const soon = 15_000 // ms that a page on a busy machine may take to show what happened

let demo
let browser
before(async () => {
  demo = await Demo.start()
  browser = await browse()
})
after(async () => {
  await browser?.close()
  await demo?.stop()
})

afterEach(() => demo.control('PUT', '/scene', {}))

const phoneOf = (customer) => `${demo.sandbox}/phone?customer=${customer}`
const shownCode = async (p) => {
  await p.id('auth-code').waitFor({ timeout: soon })
  return p.id('auth-code').getAttribute('data-code')
}

/** What sticks out of the page, or of anything in it that scrolls sideways. */
const overflow = (page) =>
  page.evaluate(() => {
    const cut = [...document.querySelectorAll('body *')].filter(
      (e) => e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX) && getComputedStyle(e).textOverflow !== 'ellipsis' && !e.matches('.sr, input, textarea'),
    )
    return [document.documentElement.scrollWidth > innerWidth ? 'page' : '', ...cut.map((e) => e.className)].filter(Boolean)
  })

describe('Done-when 6: a payment with the password', () => {
  for (const [width, height] of [[390, 844], [1280, 800], [320, 568]]) {
    test(`AC-062 AC-180 AC-182 AC-185 at ${width} px: code, till, password, statement, refund`, async () => {
      const p = await openPage(browser, phoneOf(`ming${width}`), { width, height, expect: [403] })
      const code = await shownCode(p)
      assert.match(code, /^1[0-5]\d{16}$/)
      for (const symbol of ['code128', 'qr']) assert.equal(await p.id(symbol).getAttribute('data-payload'), code)
      assert.deepEqual(await overflow(p.page), [])

      const order = demo.order()
      const paying = demo.pay(order, code, '600.00')
      await p.id('password').waitFor({ timeout: soon })
      assert.equal((await p.id('ask-amount').innerText()).includes('600.00'), true)
      assert.deepEqual(await overflow(p.page), [])
      await p.page.keyboard.type('654321')
      await p.id('confirm').click()
      await p.page.getByText('支付密码错误').waitFor({ timeout: soon })
      for (const digit of '123456') await p.id(`key-${digit}`).click()
      await p.id('confirm').click()
      await p.id('outcome').waitFor({ timeout: soon })
      assert.equal(await p.id('outcome').getAttribute('data-state'), 'success')
      const till = await paying
      assert.equal(till.code, 0, till.text)
      assert.match(till.text, /等待用户输入密码中/)
      assert.match(till.text, /微信支付收款成功/)
      await p.id('done').click()

      await p.id('balance').getByText('¥9,400.00').waitFor({ timeout: soon })
      assert.notEqual(await shownCode(p), code, 'the used code is still shown')
      assert.equal((await demo.control('PUT', '/scene', { refund: 'late' })).scene.refund, 'late')
      const refunding = demo.cli('refund', order, '--amount', '0.01')
      await p.id('view-bill').click()
      const lines = p.id('line').locator('.line')
      await p.page.locator('[data-kind=refund][data-state=processing]').waitFor({ timeout: soon })
      assert.deepEqual(await lines.evaluateAll((all) => all.map((l) => l.dataset.kind)), ['refund', 'payment'])
      assert.match(await lines.first().innerText(), /处理中[^]*\+0\.01/)
      assert.match(await lines.last().innerText(), /支付成功[^]*-600\.00/)
      await demo.control('POST', '/clock', { advance: '31s' })
      await p.page.locator('[data-kind=refund][data-state=success]').waitFor({ timeout: soon })
      assert.match(await lines.first().innerText(), /已到账/)
      assert.equal((await refunding).code, 0)
      await demo.control('PUT', '/scene', {})

      await lines.last().click()
      await p.id('show-barcode').click()
      assert.equal(await p.id('code128').getAttribute('data-payload'), order)
      assert.deepEqual(await overflow(p.page), [])
      assert.deepEqual(p.wrong, [])
      await p.close()
    })
  }

  test('the customer cancels, and the till hears it', async () => {
    const p = await openPage(browser, phoneOf('canceller'))
    const paying = demo.pay(demo.order(), await shownCode(p), '600.00')
    await p.id('password').waitFor({ timeout: soon })
    await p.page.keyboard.press('Escape')
    await p.id('outcome').waitFor({ timeout: soon })
    assert.equal(await p.id('outcome').getAttribute('data-state'), 'cancelled')
    const till = await paying
    assert.notEqual(till.code, 0)
    assert.match(till.text, /取消/)
    await p.id('done').click()
    await p.id('balance').getByText('¥10,000.00').waitFor({ timeout: soon })
    assert.deepEqual(p.wrong, [])
    await p.close()
  })
})

describe('S-01 payment code', () => {
  test('AC-181 the code turns over each minute of the sandbox, and an old one is refused', async () => {
    const p = await openPage(browser, phoneOf('minute'))
    const first = await shownCode(p)
    await demo.control('POST', '/clock', { advance: '61s' })
    await until(async () => (await shownCode(p)) !== first, soon, 'the code did not turn over')
    const second = await shownCode(p)
    await p.id('refresh').click()
    await until(async () => (await shownCode(p)) !== second, soon, '立即刷新 did nothing')
    await demo.control('POST', '/clock', { advance: '61s' })
    const till = await demo.pay(demo.order(), first, '0.02')
    assert.notEqual(till.code, 0)
    assert.match(till.text, /付款码/)
    const left = Number((await p.id('countdown').innerText()).match(/\d+/)[0])
    assert.ok(left > 0 && left <= 60, `counts ${left}`)
    assert.deepEqual(p.wrong, [])
    await p.close()
  })

  test('a payment without password shows its result by itself, for both wallets', async () => {
    const p = await openPage(browser, phoneOf('free'))
    for (const [tab, form, text] of [['wxpay', /^1[0-5]\d{16}$/, '微信支付收款成功'], ['alipay', /^(2[5-9]|30)\d{14,22}$/, '支付宝收款成功']]) {
      await p.id(`tab-${tab}`).click()
      await p.page.locator(`[data-channel=${tab}] [data-testid=auth-code]`).waitFor({ timeout: soon })
      const code = await shownCode(p)
      assert.match(code, form)
      const till = await demo.pay(demo.order(), code, '0.02')
      assert.ok(till.text.includes(text), till.text)
      await p.id('outcome').waitFor({ timeout: soon })
      await p.id('done').click()
      await p.id('free-today').getByText('1 / 5').waitFor({ timeout: soon })
    }
    assert.deepEqual(p.wrong, [])
    await p.close()
  })

  test('the symbols are drawn in whole pixels with their quiet zones, and a decoder reads the picture', async () => {
    for (const [width, deviceScaleFactor] of [[320, 1], [390, 1], [390, 3], [1280, 1.25]]) {
      const p = await openPage(browser, phoneOf('pixels'), { width, deviceScaleFactor })
      const code = await shownCode(p)
      for (const [symbol, quiet] of [['code128', 20], ['qr', 8]]) {
        const { modules, shown } = await p.id(symbol).evaluate((e) => ({ modules: Number(e.dataset.modules), shown: Number(e.getAttribute('width')) }))
        const unit = (shown * deviceScaleFactor) / (modules + quiet)
        assert.ok(unit >= 1 && Math.abs(unit - Math.round(unit)) < 1e-6, `${symbol} at ${width}: ${unit} pixels a module`)
      }
      const photo = await p.id('qr').screenshot()
      const read = await (await fetch(`${demo.sandbox}/phone/api/photos`, { method: 'POST', body: photo })).json()
      assert.equal(read.text, code)
      assert.ok(Number(await p.id('qr').getAttribute('width')) >= 200)
      await p.close()
    }
  })
})

describe('S-04 scan', () => {
  test('a code_url of a real order opens its dialogue and is paid; others are explained', async () => {
    const p = await openPage(browser, phoneOf('scanner'), { expect: [400, 404] })
    const order = demo.order()
    const made = await demo.cpay('scan_code_pay', { pay_content: { out_trade_no: order, total_fee: 1250, fee_type: 'CNY', body: '扫码测试', product_id: '1' } }, { pay_platform: 1 })
    const url = made.scan_code_pay?.code_url
    assert.match(url ?? JSON.stringify(made), /^weixin:/)
    await p.id('tab-scan').click()
    await p.id('scan-text').fill('你好')
    await p.id('scan-open').click()
    await p.id('scan-problem').getByText('这不是付款链接').waitFor({ timeout: soon })
    await p.id('scan-text').fill('https://pay.example.com/pay/ABCDEF2345')
    await p.id('scan-open').click()
    await p.id('scan-link').getByRole('link').waitFor({ timeout: soon })
    await p.id('scan-text').fill(url)
    await p.page.getByText('支付宝身份').click()
    await p.id('scan-open').click()
    await p.id('scan-problem').getByText('另一个钱包').waitFor({ timeout: soon })
    await p.page.getByText('微信身份').click()
    await p.id('scan-open').click()
    await p.id('password').waitFor({ timeout: soon })
    await p.page.keyboard.type('123456')
    await p.page.keyboard.press('Enter')
    await p.id('outcome').waitFor({ timeout: soon })
    await until(async () => (await demo.cli('query', order)).text.includes('支付成功'), soon, 'the order is not paid')
    assert.deepEqual(p.wrong, [])
    await p.close()
  })

  test('a photograph of a QR code is read', async () => {
    const p = await openPage(browser, phoneOf('photographer'), { expect: [400, 404] })
    await shownCode(p)
    const photo = await p.id('qr').screenshot()
    const code = await shownCode(p)
    await p.id('tab-scan').click()
    await p.id('photo').setInputFiles({ name: 'photo.png', mimeType: 'image/png', buffer: photo })
    await until(async () => (await p.id('scan-text').inputValue()) === code, soon, 'the photograph was not read')
    assert.deepEqual(p.wrong, [])
    await p.close()
  })
})

describe('S-05 scenario panel', () => {
  test('AC-183 rules and results are set, shown as JSON, used up and reset', async () => {
    const p = await openPage(browser, phoneOf('panel'), { width: 1280, height: 800 })
    await shownCode(p)
    await p.id('rule-always').check({ force: true })
    await p.id('free-rule').getByText('每笔都需要密码').waitFor({ timeout: soon })
    let paying = demo.pay(demo.order(), await shownCode(p), '0.02')
    await p.id('password').waitFor({ timeout: soon })
    await p.page.keyboard.type('123456')
    await p.page.keyboard.press('Enter')
    await p.id('outcome').waitFor({ timeout: soon })
    assert.equal((await paying).code, 0)
    await p.id('done').click()
    await p.id('next-no_money').check({ force: true })
    await p.id('scene-json').getByText('no_money').waitFor({ timeout: soon })
    assert.deepEqual(JSON.parse(await p.id('scene-json').innerText()), { password: 'always', next: 'no_money' })
    const poor = await demo.pay(demo.order(), await shownCode(p), '0.02')
    assert.match(poor.text, /余额不足/)
    await p.page.locator('[data-testid="next-"]:checked').waitFor({ state: 'attached', timeout: soon })
    await p.id('cut-alipay').check({ force: true })
    await p.id('delay').fill('300')
    await p.id('delay').press('Enter')
    await p.id('scene-json').getByText('delay_ms').waitFor({ timeout: soon })
    assert.deepEqual((await demo.control('GET', '/scene')).scene.cut, ['alipay'])
    await p.id('reset').click()
    await until(async () => (await p.id('scene-json').innerText()) === '{}', soon, 'the scene was not reset')
    const before = await p.id('sandbox-time').innerText()
    await p.id('advance-24h').click()
    await until(async () => (await p.id('sandbox-time').innerText()).slice(0, 10) > before.slice(0, 10), soon, 'the clock did not move')
    assert.deepEqual(p.wrong, [])
    await p.close()
  })
})

describe('all screens', () => {
  test('AC-001 Chinese first; English is complete, remembered and declared', async () => {
    const p = await openPage(browser, phoneOf('tongues'))
    await shownCode(p)
    const lang = () => p.page.evaluate(() => document.documentElement.lang)
    assert.equal(await lang(), 'zh-CN')
    await p.id('language').click()
    assert.equal(await lang(), 'en')
    await p.reload()
    await shownCode(p)
    assert.equal(await lang(), 'en')
    for (const view of ['view-pay', 'tab-scan', 'view-bill', 'view-scene']) {
      await p.id(view).click()
      const text = (await p.page.locator('#app').innerText()).replace(/中$/m, '')
      assert.doesNotMatch(text, /[\u4e00-\u9fff]/, view)
      assert.doesNotMatch(text, /^[a-z]+(\.[a-z]+)+$/m)
      assert.deepEqual(await overflow(p.page), [], view)
    }
    assert.deepEqual(p.wrong, [])
    await p.close()
  })

  test('AC-002 AC-004 AC-005 AC-184 nothing is wrong, sticks out or is too small at any width', async () => {
    for (const width of [320, 360, 390, 768, 1280]) {
      const p = await openPage(browser, phoneOf('widths'), { width, height: width < 700 ? 700 : 800 })
      await shownCode(p)
      for (const view of ['view-pay', 'tab-alipay', 'tab-scan', 'view-bill', 'view-scene']) {
        if (view === 'view-scene' && width >= 900) continue // it is beside the phone
        await p.id(view).click()
        assert.deepEqual(await overflow(p.page), [], `${view} at ${width}`)
        assert.equal(await p.id('sandbox-badge').isVisible(), true)
        const small = await p.id('phone').evaluate((root) =>
          [...root.querySelectorAll('button, a, select, textarea, input:not([type=radio], [type=checkbox], [type=file])')]
            .filter((e) => e.getClientRects().length && (e.getBoundingClientRect().height < 43.5 || e.getBoundingClientRect().width < 43.5))
            .map((e) => e.outerHTML.slice(0, 80)),
        )
        assert.deepEqual(small, [], `${view} at ${width}`)
        const nameless = await p.page.evaluate(() =>
          [...document.querySelectorAll('button, a, input, textarea, svg[role=img]')]
            .filter((e) => e.getClientRects().length && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
            .map((e) => e.outerHTML.slice(0, 80)),
        )
        assert.deepEqual(nameless, [])
      }
      assert.deepEqual(p.wrong, [])
      await p.close()
    }
  })

  test('AC-008 AC-009 reduced motion stands still; codes are black on white in the dark', async () => {
    const p = await openPage(browser, phoneOf('dark'), { colorScheme: 'dark', reducedMotion: 'reduce' })
    await shownCode(p)
    const seen = await p.page.evaluate(() => ({
      plate: getComputedStyle(document.querySelector('.plate')).backgroundColor,
      bars: document.querySelector('svg[data-symbology=code128] path').getAttribute('fill'),
      longest: Math.max(...[...document.querySelectorAll('*')].map((e) => Math.max(parseFloat(getComputedStyle(e).transitionDuration), parseFloat(getComputedStyle(e).animationDuration)))),
    }))
    assert.equal(seen.plate, 'rgb(255, 255, 255)')
    assert.equal(seen.bars, '#000')
    assert.ok(seen.longest <= 0.01, `something moves for ${seen.longest} s`)
    await p.close()
  })

  test('a keyboard alone does everything, and the focus is where the eye is', async () => {
    const p = await openPage(browser, phoneOf('keys'), { width: 1280, height: 800 })
    await shownCode(p)
    const focus = () => p.page.evaluate(() => document.activeElement?.dataset.testid ?? document.activeElement?.tagName)
    const tabTo = async (id) => {
      for (let i = 0; i < 60 && (await focus()) !== id; i++) await p.page.keyboard.press('Tab')
      assert.equal(await focus(), id)
    }
    await tabTo('tab-wxpay')
    await p.page.keyboard.press('ArrowRight')
    assert.equal(await focus(), 'tab-alipay')
    await p.page.locator('[data-channel=alipay] [data-testid=auth-code]').waitFor({ timeout: soon })
    await p.page.keyboard.press('ArrowLeft')
    await p.page.locator('[data-channel=wxpay] [data-testid=auth-code]').waitFor({ timeout: soon })
    const first = await shownCode(p)
    await tabTo('refresh')
    assert.notEqual(await p.id('refresh').evaluate((e) => getComputedStyle(e).outlineStyle), 'none')
    await p.page.keyboard.press('Enter')
    await until(async () => (await shownCode(p)) !== first, soon, 'Enter did not refresh')
    const paying = demo.pay(demo.order(), await shownCode(p), '600.00')
    await p.id('password').waitFor({ timeout: soon })
    assert.equal(await focus(), 'password-field')
    for (let i = 0; i < 3; i++) await p.page.keyboard.press('Tab') // not behind the dialogue
    assert.equal(await p.page.evaluate(() => document.activeElement.closest('.screen') === null), true)
    await p.id('password-field').focus()
    await p.page.keyboard.type('123456')
    await p.page.keyboard.press('Enter')
    await p.id('outcome').waitFor({ timeout: soon })
    assert.equal(await focus(), 'done')
    await p.page.keyboard.press('Enter')
    await p.id('outcome').waitFor({ state: 'detached', timeout: soon })
    assert.equal((await paying).code, 0)
    await tabTo('view-bill')
    await p.page.keyboard.press('Enter')
    await p.id('line').first().waitFor({ timeout: soon })
    await tabTo('line')
    await p.page.keyboard.press('Enter')
    await p.id('detail').waitFor({ timeout: soon })
    assert.equal(await focus(), 'back')
    await p.page.keyboard.press('Escape')
    await p.id('statement').waitFor({ timeout: soon })
    assert.equal(await focus(), 'line')
    assert.deepEqual(p.wrong, [])
    await p.close()
  })
})

describe('a real phone in the network', () => {
  test('the link pairs it, keeps no token in the address, and gives one customer and no panel', async () => {
    const p = await openPage(browser, demo.pairing.replace('127.0.0.1', untrusted), { width: 390, height: 664, hasTouch: true, isMobile: true, deviceScaleFactor: 3 })
    const code = await shownCode(p)
    assert.equal(p.page.url().includes('pair'), false)
    await p.reload()
    await shownCode(p)
    assert.equal(await p.id('view-scene').count(), 0)
    assert.match(await p.id('customer').innerText(), /小明/)
    const till = await demo.pay(demo.order(), code, '0.02')
    assert.equal(till.code, 0, till.text)
    await p.id('outcome').waitFor({ timeout: soon })
    await p.id('done').tap()
    assert.equal(await p.page.evaluate(() => isSecureContext), false)
    await p.id('view-bill').tap()
    await p.id('line').first().tap()
    await p.page.getByRole('button', { name: '复制' }).first().tap()
    await p.id('toast').getByText('已复制').waitFor({ timeout: soon })
    assert.deepEqual(p.wrong, [])
    await p.close()
  })

  test('without the link it is told to pair', async () => {
    const p = await openPage(browser, demo.pairing.split('#')[0], { expect: [401] })
    await p.id('unpaired').waitFor({ timeout: soon })
    assert.equal(await p.id('auth-code').count(), 0)
    assert.deepEqual(p.wrong, [])
    await p.close()
  })
})
