// @vitest-environment node
import { readFileSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'

const source = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8')

/** Reads a dictionary out of the source, so that no document is needed. */
function dictionary(start: string): Map<string, string> {
  const body = source('./text.ts').split(start)[1]!.split('\n}')[0]!
  return new Map([...body.matchAll(/^ {2}(\w+): (['"])(.*)\2,$/gm)].map((m) => [m[1]!, m[3]!]))
}

const zh = dictionary('const zh = {')
const en = dictionary('const en: Record<Key, string> = {')

test('both languages say everything, with the same values in it', () => {
  expect(zh.size).toBeGreaterThan(100)
  expect([...en.keys()].sort()).toEqual([...zh.keys()].sort())
  for (const [key, text] of zh) {
    expect(en.get(key)!.match(/\{\d\}/g)?.sort() ?? [], key).toEqual(text.match(/\{\d\}/g)?.sort() ?? [])
    expect(text, key).not.toBe('')
  }
})

test('English has no Chinese but the name of the other language', () => {
  for (const [key, text] of en) {
    if (key !== 'otherLanguage' && key !== 'switchLanguage') expect(text, key).not.toMatch(/[\u4e00-\u9fff]/)
  }
})

test('every text is used', () => {
  const all = readdirSync(new URL('.', import.meta.url)).filter((n) => n.endsWith('.vue') || n === 'phone.ts').map((n) => source(`./${n}`)).join('\n')
  for (const key of zh.keys()) {
    const family = /^(rule|next|refund|notice)_/.exec(key)?.[0]
    expect(all.includes(`'${key}'`) || (family !== undefined && all.includes(`\`${family}$`)), key).toBe(true)
  }
})
