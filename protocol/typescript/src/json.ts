// Documents are checked once and then walked, member by member, as text of one character a byte. JSON.parse would not
// say how a number was written, nor where a document stops being JSON; and what is said of a document is the same in
// every implementation.

import { ProtocolError } from './error.js'
import { fromBytes, latin1, quoteBytes, toBytes } from './text.js'

/** How deep a document may nest, in levels. */
const maxNesting = 10_000

/** The JSON object that a document holds, byte by byte. Throws a sentence if it holds none. */
export function objectOf(data: string | Uint8Array): string {
  const bytes = (typeof data === 'string' ? toBytes(data) : latin1(data)).replace(/^(?:[ \t\r\n]|\xef\xbb\xbf)+/, '')
  if (bytes === '') throw new ProtocolError('it is empty: it takes a JSON object')
  if (bytes[0] !== '{') throw new ProtocolError(`it is not a JSON object: it starts with ${quoteBytes(bytes.slice(0, 20))}`)
  const end = endOfJSON(bytes)
  if (end === undefined) return bytes
  if (end >= bytes.length) throw new ProtocolError(`it is not JSON: it ends, after ${bytes.length} bytes, within a value`)
  throw new ProtocolError(`it is not JSON: what follows its first ${end} bytes is ${quoteBytes(bytes.slice(end, end + 20))}`)
}

/** Up to where bytes that are not one JSON value may be it; undefined if they are. */
export function endOfJSON(bytes: string): number | undefined {
  const closings: number[] = [] // of what is open: a document may nest deeper than calls can
  let i = skipSpace(bytes, 0)
  for (;;) {
    const first = bytes.charCodeAt(i)
    if (first === 0x7b || first === 0x5b) {
      if (closings.length === maxNesting) return i
      const closing = first + 2 // so it is in ASCII
      i = skipSpace(bytes, i + 1)
      if (bytes.charCodeAt(i) !== closing) {
        closings.push(closing)
        if (closing === 0x7d && (i = checkName(bytes, i)) < 0) return ~i
        continue
      }
      i++
    } else if ((i = checkScalar(bytes, i)) < 0) return ~i
    for (;;) {
      i = skipSpace(bytes, i)
      const closing = closings.at(-1)
      if (closing === undefined) return i === bytes.length ? undefined : i
      const next = bytes.charCodeAt(i)
      if (next === closing) {
        closings.pop()
        i++
        continue
      }
      if (next !== 0x2c) return i
      i = skipSpace(bytes, i + 1)
      if (closing === 0x7d && (i = checkName(bytes, i)) < 0) return ~i
      break
    }
  }
}

// Each of these returns where what begins at i ends; or, where it is not what it should be, the complement of up to where
// it may be.

/** A member's name, its colon, and the space behind that. */
function checkName(bytes: string, i: number): number {
  if (bytes.charCodeAt(i) !== 0x22) return ~i
  if ((i = checkText(bytes, i)) < 0) return i
  i = skipSpace(bytes, i)
  return bytes.charCodeAt(i) === 0x3a ? skipSpace(bytes, i + 1) : ~i
}

function checkScalar(bytes: string, i: number): number {
  switch (bytes.charCodeAt(i)) {
    case 0x22:
      return checkText(bytes, i)
    case 0x74:
      return checkWord(bytes, i, 'true')
    case 0x66:
      return checkWord(bytes, i, 'false')
    case 0x6e:
      return checkWord(bytes, i, 'null')
  }
  return checkNumber(bytes, i)
}

function checkWord(bytes: string, i: number, word: string): number {
  return bytes.startsWith(word, i) ? i + word.length : ~i
}

function checkText(bytes: string, i: number): number {
  for (i++; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i)
    if (code === 0x22) return i + 1
    if (code < 0x20) return ~i
    if (code !== 0x5c) continue
    const letter = bytes[++i]
    if (letter === 'u' && /^[0-9A-Fa-f]{4}$/.test(bytes.slice(i + 1, i + 5))) i += 4
    else if (letter === undefined || !'"\\/bfnrt'.includes(letter)) return ~i
  }
  return ~i
}

function checkNumber(bytes: string, i: number): number {
  if (bytes[i] === '-') i++
  let start = i
  i = skipDigits(bytes, i)
  if (i === start || (bytes[start] === '0' && i > start + 1)) return ~i
  if (bytes[i] === '.') {
    start = i + 1
    i = skipDigits(bytes, start)
    if (i === start) return ~i
  }
  if (bytes[i] === 'e' || bytes[i] === 'E') {
    i++
    if (bytes[i] === '+' || bytes[i] === '-') i++
    start = i
    i = skipDigits(bytes, i)
    if (i === start) return ~i
  }
  return i
}

function skipDigits(bytes: string, i: number): number {
  for (let code = bytes.charCodeAt(i); code >= 0x30 && code <= 0x39; code = bytes.charCodeAt(i)) i++
  return i
}

function skipSpace(bytes: string, i: number): number {
  for (let code = bytes.charCodeAt(i); code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d; code = bytes.charCodeAt(i)) i++
  return i
}

// What follows takes values of a document that is valid JSON.

/** Calls `found` with each of an object's names, still quoted, and values; of any other value there are none. */
export function eachMember(value: string | undefined, found: (name: string, value: string) => void): void {
  if (value?.[0] !== '{') return
  for (let i = skipSpace(value, 1); value[i] !== '}'; ) {
    const endOfName = endOf(value, i)
    const start = skipSpace(value, skipSpace(value, endOfName) + 1) // behind the colon
    const end = endOf(value, start)
    found(value.slice(i, endOfName), value.slice(start, end))
    i = skipComma(value, end)
  }
}

/** A list's values; of any other value there are none. */
export function* elements(value: string | undefined): Generator<string> {
  if (value?.[0] !== '[') return
  for (let i = skipSpace(value, 1); value[i] !== ']'; ) {
    const end = endOf(value, i)
    yield value.slice(i, end)
    i = skipComma(value, end)
  }
}

/** Of an object's members those with these names, the last of each. */
export function pick<Name extends string>(value: string | undefined, ...names: Name[]): Partial<Record<Name, string>> {
  const picked: Partial<Record<Name, string>> = {}
  eachMember(value, (quoted, member) => {
    let name = quoted.slice(1, -1) as Name
    if (!names.includes(name) && !isPlain(quoted)) name = textOf(quoted) as Name
    if (names.includes(name)) picked[name] = member
  })
  return picked
}

/** The text that a value is; of any other value it is empty. */
export function textOf(value: string | undefined): string {
  if (value?.[0] !== '"') return ''
  // Also what is plain is parsed: a part of the document's text would keep all of it in memory.
  return isPlain(value) ? (JSON.parse(value) as string) : (JSON.parse(fromBytes(value)) as string).toWellFormed()
}

/** Whether the texts of a value stand for themselves, without an escape. */
export function isPlain(value: string): boolean {
  return !/[\\\x80-\xff]/.test(value)
}

/** A value on one line, as it was written. */
export function* tokens(value: string): Generator<string> {
  for (let i = skipSpace(value, 0); i < value.length; i = skipSpace(value, i)) {
    const start = i
    i = value[i] === '"' ? endOfText(value, i) : i + 1
    yield value.slice(start, i)
  }
}

function skipComma(value: string, i: number): number {
  i = skipSpace(value, i)
  return value[i] === ',' ? skipSpace(value, i + 1) : i
}

function endOf(value: string, i: number): number {
  const first = value.charCodeAt(i)
  if (first === 0x22) return endOfText(value, i)
  if (first !== 0x7b && first !== 0x5b) {
    // A comma, a bracket or space ends it; nothing else that is less than a plus sign is in a number or a word.
    for (let code = first; code >= 0x2b && code !== 0x2c && code !== 0x5d && code !== 0x7d; code = value.charCodeAt(i)) i++
    return i
  }
  for (let depth = 0; ; i++) {
    const code = value.charCodeAt(i)
    if (code === 0x22) i = endOfText(value, i) - 1
    else if (code === 0x7b || code === 0x5b) depth++
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return i + 1
  }
}

function endOfText(value: string, i: number): number {
  for (;;) {
    i = value.indexOf('"', i + 1)
    let backslashes = 0
    while (value.charCodeAt(i - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return i + 1 // else it is escaped
  }
}
