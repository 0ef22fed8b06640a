import { serverClock } from '@cloudpay/shared/clock'
import { yuan } from '@cloudpay/shared/money'
import { computed, reactive, shallowRef, watch, type ComputedRef } from 'vue'
import { call, hearTime, Refusal, Watched, type Channel, type Line, type State, type Waiting } from './api'
import { t, type Key } from './text'

export type Tab = Channel | 'scan'
export type View = 'pay' | 'bill' | 'scene'

/** What became of a payment, shown until the customer has seen it. */
export interface Outcome {
  kind: 'success' | 'failed' | 'cancelled'
  amount: number
  subject: string
  channel: Channel
  note: string
}

const beat = 1000 // ms between two looks at the sandbox
const toastTime = 2600 // ms a short message stays

/** The customer's id as a person reads it. */
export function nameOf(id: string): string {
  return id === 'xiaoming' ? '小明' : id
}

/** The text of a refusal in the customer's language. */
export function explain(e: unknown): string {
  if (!(e instanceof Refusal)) return t('failed', String(e))
  const known: Record<string, Key> = {
    wrong_password: 'passwordWrong', no_money: 'noMoney', unreadable: 'unreadable', other_wallet: 'otherWallet', no_order: 'noOrder',
    order_ended: 'orderEnded', not_openable: 'notOpenable', no_qr: 'noQr', camera: 'cameraDenied', offline: 'offline',
  }
  const key = known[e.reason]
  return key ? t(key) : t('failed', e.message)
}

const lineKey = (l: Line | undefined) => (l ? `${l.kind}/${l.channel}/${l.merchant}/${l.out_trade_no}/${l.out_refund_no ?? ''}` : '')

/** Makes the phone: its state, its clock, and what a customer can do. */
export function makePhone() {
  const clock = serverClock()
  hearTime(clock.set)
  const asked = new URLSearchParams(location.search)
  const s = reactive({
    customer: asked.get('customer') ?? 'xiaoming',
    state: null as State | null,
    tab: (asked.get('tab') ?? 'wxpay') as Tab,
    view: 'pay' as View,
    offline: false,
    paired: true,
    outcome: null as Outcome | null,
    toast: '',
    busy: false,
  })
  if (!['wxpay', 'alipay', 'scan'].includes(s.tab)) s.tab = 'wxpay'
  const base = () => `/phone/api/customers/${encodeURIComponent(s.customer)}`
  const watched = shallowRef(new Watched<State>())
  let seen: string | null = null // the newest line when we last looked
  let handled = '' // the payment whose outcome is shown already
  let toastTimer = 0
  let looks = 0 // begun so far
  let taken = 0 // the newest of them that was taken

  function say(text: string): void {
    s.toast = text
    clearTimeout(toastTimer)
    toastTimer = window.setTimeout(() => (s.toast = ''), toastTime)
  }

  /** Takes a new state, and tells the customer what happened meanwhile. */
  function take(next: State): void {
    const asked = (no: string) => s.state?.waiting.some((w) => w.out_trade_no === no)
    const l = next.last
    const now = lineKey(l) + (l?.state ?? '')
    if (seen !== null && now !== seen && l) {
      if (l.kind === 'payment' && handled !== l.out_trade_no) {
        s.outcome = { kind: 'success', amount: l.amount_fen, subject: l.subject, channel: l.channel, note: asked(l.out_trade_no) ? '' : t('freePaid') }
      } else if (l.kind !== 'payment' && l.state === 'success') {
        say(t('refundArrived', yuan(l.amount_fen)))
      }
    }
    seen = now
    s.state = next
  }

  /** Looks at the sandbox; the first time it takes the phone up, which makes a customer of a new name. */
  async function look(): Promise<void> {
    const at = ++looks
    const who = s.customer
    try {
      const next = s.state ? await watched.value.read(base()) : await call<State>('PUT', base())
      s.offline = false
      // Looks overlap: one that began before the last one taken is old news.
      if (!next || at < taken || who !== s.customer) return
      taken = at
      take(next)
    } catch (e) {
      if (e instanceof Refusal && e.status === 401) s.paired = false
      else s.offline = true
    }
  }

  let stopped = false
  async function live(): Promise<void> {
    while (!stopped) {
      if (!document.hidden && s.paired) await look()
      await new Promise((r) => setTimeout(r, beat))
    }
  }

  const waiting: ComputedRef<Waiting | null> = computed(() => s.state?.waiting[0] ?? null)
  watch(
    () => waiting.value?.out_trade_no,
    (no, before) => {
      if (no && handled === no) handled = '' // opened again
      // It went without an answer of ours: it ran out, or the merchant took it back.
      if (before && !no && handled !== before && seen !== null && s.state?.last?.out_trade_no !== before) say(t('payGone'))
    },
  )

  async function answer(w: Waiting, action: 'approve' | 'cancel', password: string): Promise<string> {
    s.busy = true
    handled = w.out_trade_no
    const end = (kind: Outcome['kind'], note: string) =>
      (s.outcome = { kind, amount: w.amount_fen, subject: w.subject, channel: w.channel, note })
    try {
      await call('POST', `${base()}/answers`, { out_trade_no: w.out_trade_no, action, password })
      end(action === 'approve' ? 'success' : 'cancelled', action === 'approve' ? '' : t('notCharged'))
    } catch (e) {
      if (e instanceof Refusal && e.reason === 'wrong_password') {
        handled = ''
        return explain(e)
      }
      if (e instanceof Refusal && e.reason === 'no_money') end('failed', t('noMoney'))
      else if (e instanceof Refusal && e.status === 404) end('failed', t('payGone'))
      else {
        handled = ''
        return explain(e)
      }
    } finally {
      s.busy = false
    }
    await look()
    return ''
  }

  function change(customer: string): void {
    s.customer = customer
    s.state = null
    s.outcome = null
    seen = null
    watched.value = new Watched<State>()
    const q = new URLSearchParams(location.search)
    q.set('customer', customer)
    history.replaceState(null, '', `${location.pathname}?${q}`)
    void look()
  }

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void look()
  })
  void live()
  return { s, clock, waiting, base, say, look, answer, change, stop: () => (stopped = true) }
}

export type Phone = ReturnType<typeof makePhone>
