// The transcripts of probes/wasm/testdata: what a module asked, was answered, and reported. Texts in them
// are Latin-1: a code point is a byte.

/** Settings as open takes them, from their list of pairs. */
export const settingsOf = (pairs) => Object.fromEntries(pairs)

/** Requests as RESP arrays of bulk strings, back to back. */
export function encodeRequests(requests) {
  return Buffer.concat(
    requests.flatMap((words) => [Buffer.from(`*${words.length}\r\n`), ...words.flatMap((w) => [Buffer.from(`$${w.length}\r\n`), w, Buffer.from('\r\n')])]),
  )
}
