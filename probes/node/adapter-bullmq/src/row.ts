import type { Meta, Problem, Queue } from '@gravito/pulse-protocol'
import type { Counted } from './count.js'
import type { Counts } from './counts.js'
import type { Place } from './keys.js'
import { codeOf, countOf, messageOf } from './reply.js'
import type { Workers } from './workers.js'

/** What a snapshot says of one queue: its counts, or why there are none. */
export function rowOf({ queue, counts }: Counted, workers: Workers, now: number): Queue | Problem {
  if (counts.error === undefined && !Number.isSafeInteger(counts.waiting)) counts.error = new Error('it has more jobs than can be: this Redis is broken')
  if (counts.error !== undefined) return { queue: queue.name, reason: explain(counts.error, queue.prefix) }

  const { waiting, partial } = counts
  const metrics: Queue['metrics'] = { waiting }
  const meta: Meta = {}
  for (const place of ['active', 'delayed', 'failed'] as const) put(metrics, place, counts, place, queue.prefix)
  for (const [place, name] of [['prioritized', 'prioritized'], ['completed', 'completed'], ['waitingChildren', 'waiting_children']] as const) {
    put(meta, name, counts, place, queue.prefix)
  }
  const { active } = metrics
  const isPaused = counts.field('paused') !== undefined
  if (isPaused) meta.paused = true
  const concurrency = counts.number('concurrency')
  if (concurrency > 0) meta.concurrency = concurrency
  if (counts.isLimited) meta.rate_limited = true
  const runnable = isPaused || counts.isLimited ? 0 : concurrency > 0 && active !== undefined ? Math.max(concurrency - active, 0) : waiting
  if (runnable < waiting) meta.runnable = runnable
  if (counts.madeAt > 0) meta.oldest_at = Math.min(counts.madeAt, now)
  const { completed, failed } = counts.finished
  const [done, failures] = [completed ?? 0, failed ?? 0]
  // Where there is one counter, the other is of an outcome that there was none of yet.
  if ((completed ?? failed) !== undefined && counts.isCountWhole && Math.min(done, failures) >= 0 && Number.isSafeInteger(done + failures)) {
    meta.processed = done + failures
    meta.processed_failed = failures
  }
  if (counts.oldestFailedAt > 0) meta.oldest_failed_at = counts.oldestFailedAt
  const connected = active === undefined ? undefined : workers.of(queue, active)
  if (connected !== undefined) meta.workers = connected
  const groups = counts.length('groups')
  if (groups > 0) partial.push(`it has ${groups} groups of BullMQ Pro: their jobs wait, too, and are not counted`)
  if (partial.length > 0) meta.error = partial.join('; ')
  return { name: queue.name, driver: 'bullmq', metrics, meta }
}

/** Puts a count where it belongs, or notes why it is unknown. */
function put(into: Partial<Queue['metrics']> | Meta, name: string, counts: Counts, place: Place, prefix: string): void {
  try {
    ;(into as Meta)[name] = countOf(counts.replies[place])
  } catch (err) {
    counts.partial.push(`${name}: ${explain(err, prefix)}`)
  }
}

/** Adds to a refusal what to do about it. */
function explain(err: unknown, prefix: string): string {
  switch (codeOf(err)) {
    case 'NOPERM':
      return `${messageOf(err)}; allow +llen +zcard +zrange +hmget +hget +lrange +lindex +get on ~${prefix}:* (docs/acl.md)`
    case 'WRONGTYPE':
      return `${messageOf(err)}; something other than BullMQ wrote to its keys`
  }
  return messageOf(err)
}
