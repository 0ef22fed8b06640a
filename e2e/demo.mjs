// Starts the built binary's demo and a browser, for the tests beside this file.
import { execFile, spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const binary = process.env.CLOUDPAY_BIN ?? new URL('../bin/cloudpay', import.meta.url).pathname
const chromiumPath = process.env.CLOUDPAY_CHROMIUM ?? '/usr/bin/chromium'
const startTime = 60_000 // ms until a demo on a busy machine has made its keys

/** A running demo with its command line. */
export class Demo {
  #serial = 0

  /** Starts a demo on free ports in a directory of its own. */
  static async start() {
    const d = new Demo()
    d.dir = mkdtempSync(join(tmpdir(), 'cloudpay-e2e-'))
    d.out = ''
    d.process = spawn(binary, ['demo', '--data', d.dir, '--addr', '127.0.0.1:0', '--phone-listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'pipe'] })
    d.process.stdout.on('data', (b) => (d.out += b))
    d.process.stderr.on('data', (b) => (d.out += b))
    const file = join(d.dir, 'demo.json')
    await until(() => existsSync(file) && d.out.includes('#pair='), startTime, () => `the demo did not start:\n${d.out}`)
    Object.assign(d, JSON.parse(readFileSync(file, 'utf8')))
    d.pairing = d.out.match(/http:\S+#pair=\S+/)[0]
    return d
  }

  /** Stops it and removes what it kept. */
  async stop() {
    const ended = new Promise((done) => this.process.once('exit', done))
    this.process.kill('SIGTERM')
    await ended
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Makes an order number of the first merchant. */
  order() {
    return this.merchants[0].prefixes[0] + String(++this.#serial).padStart(16, '0')
  }

  /** Runs a command as it is typed; resolves to its exit code and all it printed. */
  cli(...args) {
    return new Promise((done) =>
      execFile(binary, [...args, '--data', this.dir], { timeout: 120_000 }, (e, stdout, stderr) => done({ code: e ? e.code : 0, text: stdout + stderr })),
    )
  }

  /** Charges a code at the shell, looking often. */
  pay(order, code, amount) {
    return this.cli('pay', '--order', order, '--auth-code', code, '--amount', amount, '--interval', '300ms', '--queries', '200')
  }

  /** Calls the sandbox's control API. */
  async control(method, path, body) {
    const res = await fetch(this.sandbox + '/sandbox/v1' + path, { method, body: body && JSON.stringify(body) })
    return res.status === 204 ? null : res.json()
  }

  /** Calls a Cloud Pay interface as a till does. */
  async cpay(method, content, key = {}) {
    const m = this.merchants[0]
    const inner = JSON.stringify({
      pay_mch_key: { out_mch_id: m.out_mch_id, out_sub_mch_id: m.out_sub_mch_id, out_shop_id: m.out_shop_id, ...key },
      order_client: { device_id: m.device_id, staff_id: m.staff_id, terminal_type: 4, sdk_version: 'e2e', spbill_create_ip: '127.0.0.1' },
      nonce_str: randomBytes(16).toString('hex'),
      ...content,
    })
    const code = createHmac('sha256', m.authen_key).update(inner).digest('hex').toUpperCase()
    const res = await fetch(`${this.api}/cpay/${method}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ request_content: inner, authen_info: { a: { authen_type: 1, authen_code: code } } }),
    })
    return JSON.parse((await res.json()).response_content)
  }
}

/** Waits until something holds, looking twenty times a second. */
export async function until(holds, ms, why) {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(typeof why === 'function' ? why() : why)
    await new Promise((r) => setTimeout(r, 50))
  }
}

/**
 * A name for this machine that browsers do not trust as they trust loopback, so
 * that a page there has what it has over plain HTTP in a shop's network.
 */
export const untrusted = 'phone.test'

/** Starts Debian's Chromium. */
export const browse = () =>
  chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox', '--disable-dev-shm-usage', `--host-resolver-rules=MAP ${untrusted} 127.0.0.1`] })

/**
 * Opens a page that keeps a list of everything that is wrong with it: console
 * errors, exceptions, failed requests, violations of its own policy, and
 * requests to anywhere else. A refusal that a test provokes is expected by its
 * status.
 */
export async function openPage(browser, url, { width = 390, height = 844, expect = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale: 'zh-CN', timezoneId: 'America/New_York', ...options })
  const page = await context.newPage()
  const origin = new URL(url).origin
  const wrong = []
  page.on('console', (m) => {
    const text = m.text()
    if ((m.type() === 'error' || m.type() === 'warning') && !expect.some((status) => text.includes(`status of ${status}`))) wrong.push(`console: ${text}`)
  })
  page.on('pageerror', (e) => wrong.push(`exception: ${e.message}`))
  let leaving = false // then what the page still loads is broken off, as it is for everybody
  page.on('requestfailed', (r) => {
    if (!leaving || r.failure()?.errorText !== 'net::ERR_ABORTED') wrong.push(`request failed: ${r.url()} ${r.failure()?.errorText}`)
  })
  page.on('request', (r) => {
    if (!r.url().startsWith(origin) && !r.url().startsWith('blob:')) wrong.push(`request to elsewhere: ${r.url()}`)
  })
  await page.addInitScript(() => addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)))
  await page.goto(url)
  const id = (name) => page.locator(`[data-testid="${name}"]`)
  const reload = async () => {
    leaving = true
    await page.reload()
    leaving = false
  }
  return { page, context, wrong, id, reload, close: () => context.close() }
}
