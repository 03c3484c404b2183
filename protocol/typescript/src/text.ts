/** The longest text of somebody else's within a sentence, and the longest sentence, in bytes. */
const maxText = 500

/** What of a text fits into so many bytes of UTF-8, and an ellipsis where that is not all. */
export function shorten(text: string, bytes: number = maxText): string {
  if (text.length * 3 <= bytes || byteLength(text) <= bytes) return text
  let size = 0
  let end = 0
  for (const character of text) {
    size += bytesOf(character.codePointAt(0) as number)
    if (size > bytes) break
    end += character.length
  }
  return `${text.slice(0, end)}…`
}

/** How many bytes of UTF-8 a text takes. */
export function byteLength(text: string): number {
  let size = 0
  for (let i = 0; i < text.length; i++) {
    const codePoint = text.codePointAt(i) as number
    size += bytesOf(codePoint)
    if (codePoint > 0xffff) i++
  }
  return size
}

function bytesOf(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4
}

/** A value that somebody else gave, within a sentence: on one line, escaped, and cut so that rubbish can't fill a log. */
export function quote(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'string') return quoteBytes(toBytes(value))
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch {
    // It holds itself, or a BigInt.
  }
  return shorten(typeof value === 'number' ? String(value) : (json ?? typeof value), 80)
}

/** A text as its UTF-8, one character a byte. Half a surrogate pair becomes U+FFFD. */
export function toBytes(text: string): string {
  return isAscii(text) ? text : latin1(new TextEncoder().encode(text))
}

/** Bytes as text of one character a byte. */
export function latin1(bytes: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  if (isAscii(text)) return text // nearly always, and faster
  const most = 8192 // arguments of a call
  const parts: string[] = []
  for (let i = 0; i < bytes.length; i += most) parts.push(String.fromCharCode.apply(null, bytes.subarray(i, i + most) as unknown as number[]))
  return parts.join('')
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text)
}

/** The bytes of a character beyond ASCII. */
const sequence: string = [
  '[\\xc2-\\xdf][\\x80-\\xbf]',
  '\\xe0[\\xa0-\\xbf][\\x80-\\xbf]',
  '[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}',
  '\\xed[\\x80-\\x9f][\\x80-\\xbf]',
  '\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}',
  '[\\xf1-\\xf3][\\x80-\\xbf]{3}',
  '\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}',
].join('|')
const characters = new RegExp(`${sequence}|[^]`, 'g')
/** A character, or a run of bytes that are of none. */
const charactersAndRuns = new RegExp(`(${sequence})|(?:(?!${sequence})[\\x80-\\xff])+`, 'g')

/** The text whose UTF-8 these bytes are, with U+FFFD for each byte that is of none. */
export function fromBytes(bytes: string): string {
  if (isAscii(bytes)) return bytes
  return bytes.replace(charactersAndRuns, (run: string, character?: string) => (character === undefined ? '\ufffd'.repeat(run.length) : decoded(character)))
}

/** The text whose UTF-8 these bytes are, with one U+FFFD for all neighbours that are of none. */
export function fromBytesInShort(bytes: string): string {
  return bytes.replace(charactersAndRuns, (_run: string, character?: string) => (character === undefined ? '\ufffd' : decoded(character)))
}

function decoded(character: string): string {
  let codePoint = character.charCodeAt(0) & (0x7f >> character.length)
  for (let i = 1; i < character.length; i++) codePoint = (codePoint << 6) | (character.charCodeAt(i) & 0x3f)
  return String.fromCodePoint(codePoint)
}

/** Bytes that should be text, within a sentence. */
export function quoteBytes(bytes: string): string {
  const most = 80
  return `"${bytes.slice(0, most).replace(characters, shown)}"${bytes.length > most ? `… (${bytes.length} bytes)` : ''}`
}

const short: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v' }

/** A character, or a byte that is of none, within quotes: as Go's strconv shows it, by the Unicode of either. */
function shown(bytes: string): string {
  const character = bytes.length > 1 ? decoded(bytes) : bytes
  const codePoint = character.codePointAt(0) as number
  const isByte = codePoint < 0x80 || bytes.length === 1
  if (short[character] !== undefined) return short[character]
  if ((codePoint < 0x80 || !isByte) && /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) return character
  const [letter, digits] = isByte ? ['x', 2] : codePoint < 0x10000 ? ['u', 4] : ['U', 8]
  return `\\${letter}${codePoint.toString(16).padStart(digits, '0')}`
}
