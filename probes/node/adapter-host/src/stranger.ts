import { Broken } from './errors.js'
import { nameOf } from './guard.js'
import { sized } from './read-commands.js'
import { splitReplies } from './resp.js'

/** How many bytes the replies to one round of a stranger's module may have. */
const maxReplyBytes = 16 << 20

/**
 * Asks a round of a module that a stranger wrote: what has a small answer at once, each other request alone. Redis keeps all
 * answers to what it is asked at once, and removes keys for them where its memory is bounded. Answers of more than 16 MiB break
 * a rule. `ask` returns RESP2, one reply a request.
 */
export async function askApart(requests: Buffer[][], ask: (part: Buffer[][]) => Promise<Buffer>): Promise<Buffer> {
  const small: number[] = []
  const parts: number[][] = []
  for (const [i, request] of requests.entries()) {
    if (sized.has(nameOf(request))) small.push(i)
    else parts.push([i])
  }
  if (small.length > 0) parts.unshift(small)

  const replies = new Array<Buffer>(requests.length)
  let left = maxReplyBytes
  for (const part of parts) {
    const answers = Buffer.from(await ask(part.map((i) => requests[i] as Buffer[]))) // which may be used again
    left -= answers.length
    if (left < 0) throw new Broken(`asked for more than it may be answered in a round, which is ${maxReplyBytes} bytes`)
    for (const [k, answer] of (part.length === 1 ? [answers] : splitReplies(answers)).entries()) replies[part[k] as number] = answer
  }
  return Buffer.concat(replies)
}
