import { maxDocument, type QueueSnapshot, readSnapshot as readAny } from '@gravito/pulse-protocol'
import { isDeepStrictEqual } from 'node:util'
import { Broken, messageOf, quote } from './errors.js'
import { utf8 } from './instance.js'

/** What a poll found: what is usable of the adapter's snapshot, and its JSON. */
export interface Poll {
  /** As the adapter wrote it, if that needs no change, else made of `snapshot`. */
  json: string
  snapshot: QueueSnapshot
}

/** What the host says of a snapshot: whose it is, and when it was read. */
export interface Context {
  readonly app: string
  readonly source: string
  readonly now: number
}

/**
 * Reads a snapshot by the rules for one from Redis: a queue or a count that can't be read is left out and
 * becomes a problem, and its neighbours stay. Throws if nothing is usable, or if it is another app's.
 */
export function readSnapshot(data: Uint8Array, { app, source, now }: Context): Poll {
  if (data.length > maxDocument) throw new Broken(`reported a snapshot of ${data.length} bytes: at most ${maxDocument} can be read`)
  const text = utf8(data, 'a snapshot')
  const { snapshot: read, problems } = readText(text)
  if (read.app !== app) throw new Broken(`reported a snapshot of the app ${quote(read.app)}: it was opened for ${quote(app)}`)
  const { interval_ms, queues } = read
  const snapshot: QueueSnapshot = {
    timestamp: now,
    app,
    ...(source !== '' && { source }),
    ...(interval_ms !== undefined && { interval_ms }),
    queues,
    ...(problems.length > 0 && { problems }),
  }
  const json = JSON.stringify(snapshot)
  return { json: json === text || !holds(text, snapshot) ? json : text, snapshot }
}

/** Whether JSON says the same as a snapshot: then a number of a meta may have more digits there than JavaScript keeps. */
function holds(text: string, snapshot: QueueSnapshot): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(text), snapshot)
  } catch {
    return false // a byte order mark stands within its first spaces
  }
}

function readText(text: string): ReturnType<typeof readAny> {
  try {
    return readAny(text)
  } catch (err) {
    throw new Broken(`reported a snapshot that cannot be read: ${messageOf(err)}`)
  }
}
