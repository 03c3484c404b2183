import { elements, pick, textOf } from './json.js'
import { maxQueueName, maxQueues } from './limits.js'
import { readMeta } from './meta.js'
import { countProblem, readCount } from './numbers.js'
import type { Problems } from './problems.js'
import { byteLength } from './text.js'
import type { Driver, Queue } from './types.js'

const drivers: readonly string[] = ['gravito-stream', 'laravel-horizon', 'bullmq', 'sqs', 'other']

/** Whether a text is a driver that has a name of its own. */
export function isDriver(text: unknown): text is Driver {
  return typeof text === 'string' && drivers.includes(text)
}

/** What is wrong with a queue's name; undefined if nothing is. */
export function queueNameProblem(name: string): string | undefined {
  if (name === '') return 'it has no name'
  const size = byteLength(name)
  if (size > maxQueueName) return `its name has ${size} bytes: at most ${maxQueueName}`
  return name.isWellFormed() ? undefined : 'its name is not UTF-8'
}

/** What a queue's driver is called: of `other` that is in `meta.driver`, unless that is too long for a name. */
export function driverName({ driver, meta }: Queue): string {
  const name = driver === 'other' ? meta?.driver : undefined
  return typeof name === 'string' && name !== '' && byteLength(name) <= maxQueueName ? name : driver
}

/** What a queue is known by within a snapshot. */
export function queueId(queue: Queue): string {
  const driver = driverName(queue)
  return `${driver.length} ${driver} ${queue.name}`
}

/** The queues of a list that can be read, each driver and name once. Their counts are in the member called `counts`. */
export function readQueues(list: string | undefined, counts: 'metrics' | 'size', problems: Problems): Queue[] {
  const queues: Queue[] = []
  const at = new Map<string, number>()
  let i = 0
  for (const value of elements(list)) {
    const queue = readQueue(value, counts, i++, problems)
    if (queue === undefined) continue
    const id = queueId(queue)
    const twice = at.get(id)
    if (twice !== undefined) {
      problems.add(queue.name, 'it is in the snapshot twice; the later one is shown')
      queues[twice] = queue
    } else if (queues.length === maxQueues) {
      problems.add('', `it has more than ${maxQueues} queues, and the rest are not read: give each reporter fewer, with a source of its own`)
      break
    } else {
      at.set(id, queues.length)
      queues.push(queue)
    }
  }
  return queues
}

function readQueue(value: string, counts: 'metrics' | 'size', i: number, problems: Problems): Queue | undefined {
  const fields = pick(value, 'name', 'driver', counts, 'meta')
  const name = textOf(fields.name)
  const nameProblem = queueNameProblem(name)
  if (nameProblem !== undefined) {
    problems.add('', `queue ${i} is left out: ${nameProblem}`)
    return undefined
  }
  const { waiting, ...others } = pick(fields[counts], 'waiting', 'active', 'delayed', 'failed')
  const ready = readCount(waiting)
  if (typeof ready !== 'number') {
    problems.add(name, `it is left out: ${countProblem('waiting', ready)}`)
    return undefined
  }
  const queue: Queue = { name, driver: 'other', metrics: { waiting: ready } }
  for (const kind of ['active', 'delayed', 'failed'] as const) {
    const count = readCount(others[kind])
    if (typeof count === 'number') queue.metrics[kind] = count
    else if (count !== undefined) problems.add(name, `its ${countProblem(kind, count)}; shown as unknown`)
  }
  const meta = readMeta(fields.meta)
  const driver = textOf(fields.driver)
  if (isDriver(driver)) queue.driver = driver
  else if (driver !== '') meta.driver = driver // the name of one that this version doesn't know is kept
  if (Object.keys(meta).length > 0) queue.meta = meta
  return queue
}
