import type { Command, Reply } from '@gravito/pulse-protocol/publish'
import { Counts } from './counts.js'
import { counters, type Outcome, perQueue, type QueueKeys, repliesOf } from './keys.js'
import { endSearch, markerDepth, mustSearch } from './marker.js'

/** How long, in milliseconds, a queue without counters is not asked for them: most have none. */
const counterRestMs = 60_000

/** Asks Redis and resolves with a reply each, in order; an Error where Redis refused. Rejects where it could not be asked. */
export type Ask = (commands: readonly Command[]) => Promise<Reply[]>

/** A queue with what it answered. */
export interface Counted {
  readonly queue: QueueKeys
  readonly counts: Counts
}

/**
 * Counts the jobs of some queues of one Redis: one round for all of them, and two more for what only some need. It
 * only reads: BullMQ's own getJobCounts removes markers, ours must not. A queue that cannot be counted says so in
 * `counts.error`; rejects only where `ask` does.
 */
export async function countQueues(queues: readonly QueueKeys[], ask: Ask): Promise<Counted[]> {
  const replies = await ask(queues.flatMap((queue) => queue.commands))
  const all = queues.map((queue, i) => ({ queue, counts: new Counts(repliesOf(replies.slice(i * perQueue, (i + 1) * perQueue))) }))
  const closer = new Questions()
  for (const counted of all) lookCloser(counted, closer)
  await closer.ask(ask)
  const ages = new Questions() // where only the paused list had a next job
  for (const counted of all) {
    const { counts } = counted
    if (counts.error === undefined && counts.next !== '' && !counts.isAgeAsked) askAge(counted, ages)
  }
  await ages.ask(ask)
  return all
}

/** Commands, each with what becomes of its reply. */
class Questions {
  readonly #commands: Command[] = []
  readonly #handlers: ((reply: Reply) => void)[] = []

  add(command: Command, handle: (reply: Reply) => void): void {
    this.#commands.push(command)
    this.#handlers.push(handle)
  }

  async ask(ask: Ask): Promise<void> {
    if (this.#commands.length === 0) return
    const replies = await ask(this.#commands)
    this.#handlers.forEach((handle, i) => handle(replies[i]))
  }
}

/**
 * Asks what only some queues need: the ends of a paused list that holds something, more of a list that may hide a
 * marker, when the next job was made, how far a rate limit is used, since when jobs have failed, and how many have ever
 * finished.
 */
function lookCloser({ queue, counts }: Counted, questions: Questions): void {
  if (counts.error !== undefined) return
  const [wait, paused] = [`${queue.start}wait`, `${queue.start}paused`]
  if (counts.length('paused') > 0) {
    let tail: Reply
    questions.add(['LRANGE', paused, '-2', '-1'], (reply) => (tail = reply))
    questions.add(['LINDEX', paused, '0'], (head) => counts.withoutMarker(tail, head))
  }
  if (mustSearch(queue, counts)) {
    const lists = [...(counts.length('wait') > 2 ? [wait] : []), ...(counts.length('paused') > 2 ? [paused] : [])]
    lists.forEach((list, i) => {
      questions.add(['LRANGE', list, `-${markerDepth}`, '-1'], (jobs) => {
        counts.withoutMarker(jobs, undefined)
        if (i === lists.length - 1) endSearch(queue, counts)
      })
    })
  }
  counts.isAgeAsked = counts.next !== ''
  if (counts.isAgeAsked) askAge({ queue, counts }, questions)
  if (counts.waiting > 0) questions.add(['GET', `${queue.start}limiter`], (reply) => counts.takeLimiter(reply))
  if (counts.length('failed') > 0) {
    questions.add(['ZRANGE', `${queue.start}failed`, '0', '0', 'WITHSCORES'], (reply) => counts.takeOldestFailed(reply))
  }
  const looks = performance.now() - queue.countersLookedForAt >= counterRestMs
  if (looks) queue.countersLookedForAt = performance.now()
  if (!looks && !queue.isCounted) return
  if (queue.isCounted && counts.length('completed') > 0) {
    // Before the counter, which may then only be ahead.
    questions.add(['ZRANGE', `${queue.start}completed`, '-1', '-1', 'WITHSCORES'], (reply) => counts.takeNewestCompleted(reply))
  }
  for (const outcome of Object.keys(counters) as Outcome[]) {
    questions.add(['HMGET', queue.start + counters[outcome], 'count', 'prevTS'], (reply) => {
      counts.takeFinished(outcome, reply)
      queue.isCounted = Object.keys(counts.finished).length > 0
    })
  }
}

function askAge({ queue, counts }: Counted, questions: Questions): void {
  questions.add(['HGET', queue.start + counts.next, 'timestamp'], (reply) => counts.takeAge(reply))
}
