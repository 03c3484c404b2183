// What any adapter in AssemblyScript needs for the ABI of Gravito Pulse: text, JSON and requests out, RESP in.
const MAX_INPUT = 4 << 20, MAX_PROBLEMS = 100

export function pulse_abi(): i32 { return 1 }

// The host writes what it hands in to input, and reads what it is handed from output, until the next call.
let input = new ArrayBuffer(0), output = new ArrayBuffer(0)

export function pulse_alloc(size: i32): usize {
  if (size < 0 || size > MAX_INPUT) return 0
  if (input.byteLength < size) input = new ArrayBuffer(size)
  return changetype<usize>(input)
}

export function result(tag: string, parts: string[]): u64 {
  output = String.UTF8.encode(tag + parts.join(""), false, String.UTF8.ErrorMode.REPLACE)
  return ((changetype<usize>(output) as u64) << 32) | (output.byteLength as u64)
}

export function fail(sentence: string): u64 { return result("E", [sentence]) }

export function broken(): u64 {
  return fail("the answers are not those to what was asked: a defect of the host or of Redis")
}

// Reading RESP, value by value: those of an array follow it.
export const INTEGER = 58, REFUSAL = 45, SIMPLE = 43, TEXT = 36, ARRAY = 42 // the bytes : - + $ *
export const NOTHING = 110, BROKEN = 0                                      // a missing text; no RESP
let at: usize = 0, end: usize = 0 // what is still to be read
let textAt: usize = 0, textSize: i32 = 0
export let kind: i32 = 0          // of the value that next() has read
export let number: i64 = 0        // what it is, or how long; -1 where that is not from 0 to 2^53 - 1

export function read(from: usize, size: i32): void {
  at = from
  end = from + size
}

export function isAll(): bool { return at >= end }

function stop(): void {
  kind = BROKEN
  at = end
}

export function next(): void {
  const first = at + 1
  kind = at < end ? load<u8>(at) : 0
  while (at < end && load<u8>(at) != 13) at++
  if (at + 2 > end || kind == 13) return stop()
  textAt = first
  textSize = (at - first) as i32
  at += 2
  number = textSize == 0 || textSize > 16 ? -1 : 0
  for (let i = 0; i < textSize && number >= 0; i++) {
    const digit = (load<u8>(textAt + i) as i64) - 48
    number = digit >= 0 && digit <= 9 ? number * 10 + digit : -1
  }
  if (number > 9007199254740991) number = -1
  if (kind == INTEGER || kind == REFUSAL || kind == SIMPLE || (kind == ARRAY && number >= 0)) return
  if (kind == TEXT && textSize == 2 && load<u16>(textAt) == 0x312D) { // -1
    kind = NOTHING
    return
  }
  if (kind != TEXT || number < 0 || number > ((end - at) as i64) - 2) return stop()
  textAt = at
  textSize = number as i32
  at += (textSize as usize) + 2
}

// The text that next() has read; null where that is not UTF-8.
export function text(): string | null {
  const decoded = String.UTF8.decodeUnsafe(textAt, textSize)
  const again = String.UTF8.encode(decoded, false, String.UTF8.ErrorMode.REPLACE)
  const same = again.byteLength == textSize && memory.compare(changetype<usize>(again), textAt, textSize) == 0
  return same ? decoded : null
}

// What to say of a value that is not what was hoped for.
export function why(): string {
  if (kind != REFUSAL) return "the answer is of another kind than is due"
  return String.UTF8.decodeUnsafe(textAt, min(textSize, 200))
}

export function json(text: string): string {
  const out: string[] = ["\""]
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c >= 32 && c != 34 && c != 92) continue
    out.push(text.substring(from, i))
    out.push(c < 32 ? "\\u00" + (c < 16 ? "0" : "1") + (c & 15).toString(16) : "\\" + text.charAt(i))
    from = i + 1
  }
  out.push(text.substring(from) + "\"")
  return out.join("")
}

export let problems: string[] = []

export function noProblems(): void { problems = [] }

export function problem(queue: string, reason: string): void {
  if (problems.length > MAX_PROBLEMS) return
  if (problems.length == MAX_PROBLEMS) { queue = ""; reason = "there are more problems than are told" }
  problems.push((queue.length > 0 ? "{\"queue\":" + json(queue) + "," : "{") + "\"reason\":" + json(reason) + "}")
}

export function request(words: string[]): string {
  let out = "*" + words.length.toString() + "\r\n"
  for (let i = 0; i < words.length; i++) {
    out += "$" + String.UTF8.byteLength(words[i]).toString() + "\r\n" + words[i] + "\r\n"
  }
  return out
}
