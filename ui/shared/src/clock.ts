import { computed, onScopeDispose, ref, type ComputedRef } from 'vue'

/** The time of a server, kept between its answers. */
export interface ServerClock {
  /** Unix milliseconds, moving on four times a second. */
  now: ComputedRef<number>
  /** Takes the time that an answer brought. */
  set: (ms: number) => void
}

/**
 * Follows a server's clock. Between answers it moves with performance.now(),
 * which no change of the computer's own clock disturbs.
 */
export function serverClock(): ServerClock {
  let base = Date.now() - performance.now()
  const now = ref(Date.now())
  const tick = () => {
    now.value = Math.round(base + performance.now())
  }
  const timer = setInterval(tick, 250)
  onScopeDispose(() => clearInterval(timer))
  return {
    now: computed(() => now.value),
    set(ms) {
      base = ms - performance.now()
      tick()
    },
  }
}
