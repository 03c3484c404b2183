import { ProtocolError } from './error.js'
import { eachMember, elements, isPlain, textOf, tokens } from './json.js'
import { maxMetaNesting } from './limits.js'
import { quote } from './text.js'
import type { Meta } from './types.js'

const tooDeep: unique symbol = Symbol()

/**
 * A meta, without members where the value is no object. Members that nest too deep are left out, and `error` says so. A
 * number that no double holds reads as null.
 */
export function readMeta(value: string | undefined): Meta {
  if (value?.[0] !== '{') return {}
  const hasOnlySmallNumbers = !/\d[eE]|\d{300}/.test(value)
  if (hasOnlySmallNumbers && isPlain(value) && isShallow(value)) return JSON.parse(value) as Meta // nearly every one, and faster
  const whole = valueOf(value, maxMetaNesting)
  if (whole !== tooDeep) return whole as Meta
  const meta: Meta = {}
  eachMember(value, (name, member) => {
    const inner = valueOf(member, maxMetaNesting - 1)
    if (inner !== tooDeep) define(meta, textOf(name), inner)
  })
  if (!Object.hasOwn(meta, 'error')) meta.error = `what nests deeper than ${maxMetaNesting} levels is left out`
  return meta
}

function valueOf(value: string, levels: number): unknown {
  switch (value[0]) {
    case '{':
    case '[':
      return levels === 0 ? tooDeep : value[0] === '[' ? listOf(value, levels - 1) : objectOf(value, levels - 1)
    case '"':
      return textOf(value)
    case 't':
      return true
    case 'f':
      return false
    case 'n':
      return null
  }
  const n = Number(value)
  return Number.isFinite(n) ? n : null
}

function listOf(value: string, levels: number): unknown {
  const list: unknown[] = []
  for (const element of elements(value)) {
    const inner = valueOf(element, levels)
    if (inner === tooDeep) return tooDeep
    list.push(inner)
  }
  return list
}

function objectOf(value: string, levels: number): unknown {
  const last = new Map<string, string>() // of the members of one name
  eachMember(value, (name, member) => last.set(textOf(name), member))
  const object: Meta = {}
  for (const [name, member] of last) {
    const inner = valueOf(member, levels)
    if (inner === tooDeep) return tooDeep
    define(object, name, inner)
  }
  return object
}

/** Sets a member of any name: one called `__proto__` is a member, too. */
function define(object: Meta, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
  else object[name] = value
}

/** A meta as JSON, `{}` where there is none. Throws a sentence where it may not be written. */
export function metaJSON(meta: unknown): string {
  if (meta === undefined) return '{}'
  let json: string | undefined
  try {
    json = JSON.stringify(meta)
  } catch (err) {
    throw new ProtocolError(`meta cannot be written as JSON: ${err instanceof Error ? err.message.replace(/\s+/g, ' ') : String(err)}`)
  }
  if (json?.[0] !== '{') throw new ProtocolError(`meta is ${quote(meta)}: it takes an object`)
  if (nestsTooDeep(json)) throw new ProtocolError(`meta nests deeper than ${maxMetaNesting} levels, which nobody would read`)
  return json
}

/** Whether JSON has so few objects and lists that it can't nest too deep. */
function isShallow(json: string): boolean {
  return json.split(/[[{]/, maxMetaNesting + 2).length <= maxMetaNesting + 1
}

function nestsTooDeep(json: string): boolean {
  if (isShallow(json)) return false
  let depth = 0
  for (const token of tokens(json)) {
    if (token === '{' || token === '[') {
      if (++depth > maxMetaNesting) return true
    } else if (token === '}' || token === ']') depth--
  }
  return false
}
