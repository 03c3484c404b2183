/** The longest text of somebody else's within a sentence, and the longest sentence, in bytes. */
const maxText = 500

/** What of a text fits into so many bytes of UTF-8, and an ellipsis where that is not all. */
export function shorten(text: string, bytes: number = maxText): string {
  if (Buffer.byteLength(text) <= bytes) return text
  let size = 0
  let end = 0
  for (const character of text) {
    size += Buffer.byteLength(character)
    if (size > bytes) break
    end += character.length
  }
  return `${text.slice(0, end)}…`
}

/** Text that somebody else wrote, within a sentence: on one line, and cut so that rubbish can't fill a log. */
export function quote(value: unknown, bytes: number = 80): string {
  if (value === undefined) return 'missing'
  if (typeof value !== 'string') return shorten(JSON.stringify(value) ?? typeof value, bytes)
  const short = shorten(value, bytes)
  return JSON.stringify(short) + (short === value ? '' : ` (${Buffer.byteLength(value)} bytes)`)
}
