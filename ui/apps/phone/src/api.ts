export type Channel = 'wxpay' | 'alipay'

export interface Waiting {
  channel: Channel
  out_trade_no: string
  amount_fen: number
  subject: string
  expires_at: string
}

export interface Wallet {
  free_today: number
  free_limit: number
  free_up_to_fen: number
  rule: string
  used: string[]
}

export interface Line {
  kind: 'payment' | 'refund' | 'reverse' | 'rollback'
  state: 'success' | 'processing' | 'closed' | 'abnormal'
  channel: Channel
  subject: string
  amount_fen: number
  at: string
  out_trade_no: string
  transaction_id: string
  out_refund_no?: string
  merchant: string
}

export interface State {
  id: string
  balance_fen: number
  waiting: Waiting[]
  wallets: Record<Channel, Wallet>
  last?: Line
  panel: boolean
}

export interface CodeSymbol {
  payload: string
  symbology: 'code128' | 'qr'
  modules: number
  path: string
}

export interface PayCode {
  auth_code: string
  expires_at: string
  barcode: CodeSymbol
  qr: CodeSymbol
}

export interface Scene {
  password: string
  next: string
  delay_ms: number
  lost: boolean
  cut: Channel[]
  refund: string
  notice: string
}

export interface SceneAnswer {
  scene: Scene
  profile: string
  choices: Record<'password' | 'next' | 'refund' | 'notice', string[]>
}

/** A refusal of the sandbox. Status 0 is no answer at all. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message)
  }
}

const keptToken = 'cloudpay.phone.pairing'

/**
 * Takes the pairing token out of the link's fragment, so that it stays in no
 * history, and keeps it for this tab alone. On this computer there is none.
 */
function pairing(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get('pair')
  try {
    if (given) {
      sessionStorage.setItem(keptToken, given)
      history.replaceState(null, '', location.pathname + location.search)
    }
    return given ?? sessionStorage.getItem(keptToken) ?? ''
  } catch {
    return given ?? ''
  }
}

const token = pairing()

/** Called with the sandbox's time, in Unix milliseconds, of every answer. */
export let onTime: (ms: number) => void = () => {}
export function hearTime(f: (ms: number) => void): void {
  onTime = f
}

async function send(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  if (token) headers['Authorization'] = `Bearer ${token}`
  let res: Response
  try {
    res = await fetch(path, { method, headers, body: body ?? null, cache: 'no-store', credentials: 'omit' })
  } catch (e) {
    throw new Refusal(0, 'offline', String(e))
  }
  const ms = Number(res.headers.get('Sandbox-Now'))
  if (ms > 0) onTime(ms)
  if (res.ok || res.status === 304) return res
  const text = await res.text()
  let told: { error?: string; reason?: string } = {}
  try {
    told = JSON.parse(text)
  } catch {
    told = { error: text }
  }
  throw new Refusal(res.status, told.reason ?? '', told.error ?? res.statusText)
}

/** Sends JSON and reads JSON. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' }
  return (await send(method, path, body === undefined ? undefined : JSON.stringify(body), headers)).json() as Promise<T>
}

/** Sends a picture and reads JSON. */
export async function post<T>(path: string, picture: Blob): Promise<T> {
  return (await send('POST', path, picture, { 'Content-Type': picture.type })).json() as Promise<T>
}

/** Reads something again and again; null says that it has not changed. */
export class Watched<T> {
  #tag = ''
  async read(path: string): Promise<T | null> {
    const res = await send('GET', path, undefined, this.#tag ? { 'If-None-Match': this.#tag } : {})
    if (res.status === 304) {
      await res.arrayBuffer() // there is none, but a body left unread counts as a broken request
      return null
    }
    this.#tag = res.headers.get('ETag') ?? ''
    return res.json() as Promise<T>
  }
  forget(): void {
    this.#tag = ''
  }
}
