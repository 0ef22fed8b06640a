import { computed, ref, type ComputedRef } from 'vue'

export type Language = 'zh-CN' | 'en'

const kept = 'cloudpay.lang'

/** What a page uses to speak. */
export interface Speech<K extends string> {
  /** The language in use. */
  language: ComputedRef<Language>
  /** Changes it, remembers it, and tells the document. */
  speak: (to: Language) => void
  /** The text of a key, with {0}, {1} … replaced. */
  t: (key: K, ...values: (string | number)[]) => string
}

/**
 * Makes the speech of a page from complete dictionaries: a key that one lacks
 * does not compile. Chinese comes first; English only if it was chosen.
 */
export function makeSpeech<K extends string>(texts: Record<Language, Record<K, string>>): Speech<K> {
  const now = ref<Language>(remembered())
  const speak = (to: Language) => {
    now.value = to
    document.documentElement.lang = to
    try {
      localStorage.setItem(kept, to)
    } catch {
      // Storage is off: the choice lasts as long as the page.
    }
  }
  document.documentElement.lang = now.value
  return {
    language: computed(() => now.value),
    speak,
    t: (key, ...values) => texts[now.value][key].replace(/\{(\d)\}/g, (_, n: string) => String(values[Number(n)] ?? '')),
  }
}

function remembered(): Language {
  try {
    return localStorage.getItem(kept) === 'en' ? 'en' : 'zh-CN'
  } catch {
    return 'zh-CN'
  }
}
