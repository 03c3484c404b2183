// What the page says, in the reader's language. A language is a file in messages/ and its line below.

import { signal } from '@preact/signals'
import type { ComponentChild } from 'preact'
import en from './messages/en.json' with { type: 'json' }
import zhHant from './messages/zh-Hant.json' with { type: 'json' }

export type Key = keyof typeof en
/** A text, or one for each plural form that the language has: "one", "other". */
type Message = string | Record<string, string>
type Messages = Record<Key, Message>

export const LANGUAGES: Record<string, { name: string; messages: Messages }> = {
  en: { name: 'English', messages: en },
  'zh-Hant': { name: '繁體中文', messages: zhHant },
}

const STORED = 'pulse.language'

/** The first of the reader's languages that there is; a Chinese of any place reads this one. */
function preferred(): string {
  const stored = recall(STORED)
  if (stored && Object.hasOwn(LANGUAGES, stored)) return stored
  for (const wanted of globalThis.navigator?.languages ?? []) {
    const base = wanted.split('-')[0] ?? ''
    const found = Object.keys(LANGUAGES).find((l) => l === wanted || l.split('-')[0] === base)
    if (found) return found
  }
  return 'en'
}

/** What this browser remembers; nothing where it may not. */
export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // It is forgotten with this page.
  }
}

export const language = signal(preferred())

export function speak(chosen: string): void {
  if (!Object.hasOwn(LANGUAGES, chosen)) return
  remember(STORED, chosen)
  language.value = chosen
}

let known: { language: string; plural: Intl.PluralRules; whole: Intl.NumberFormat; digit: Intl.NumberFormat; compact: Intl.NumberFormat } | undefined

/** How the language writes numbers. */
export function writing(): NonNullable<typeof known> {
  if (known?.language !== language.value) {
    const l = language.value
    known = {
      language: l,
      plural: new Intl.PluralRules(l),
      whole: new Intl.NumberFormat(l, { maximumFractionDigits: 0 }),
      digit: new Intl.NumberFormat(l, { maximumFractionDigits: 1 }),
      compact: new Intl.NumberFormat(l, { notation: 'compact', maximumSignificantDigits: 3 }),
    }
  }
  return known
}

function message(key: Key, n: unknown): string {
  const found: Message = LANGUAGES[language.value]?.messages[key] ?? en[key]
  if (typeof found === 'string') return found
  return found[typeof n === 'number' ? writing().plural.select(n) : 'other'] ?? found['other'] ?? ''
}

/** The message with its {names} filled in; a number picks the plural form, by the name n. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return message(key, values['n']).replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    return typeof value === 'number' ? writing().whole.format(value) : (value ?? '')
  })
}

/** The same, with elements among the values. */
export function rich(key: Key, values: Record<string, ComponentChild>): ComponentChild[] {
  return message(key, values['n']).split(/(\{\w+\})/).map((part) => {
    if (!part.startsWith('{')) return part
    const value = values[part.slice(1, -1)]
    return typeof value === 'number' ? writing().whole.format(value) : value
  })
}
