import { ProtocolError, refuse } from './error.js'
import { indexLifeMs, nameProblem } from './keys.js'
import { maxDocument, maxQueues } from './limits.js'
import { metaJSON } from './meta.js'
import { numberProblem, timestampProblem } from './numbers.js'
import { Problems } from './problems.js'
import { driverName, isDriver, queueId, queueNameProblem } from './queues.js'
import { byteLength, quote } from './text.js'
import type { Heartbeat, Problem, Queue, QueueSnapshot } from './types.js'

/**
 * A snapshot's JSON, which begins with its timestamp. Members that the protocol does not know are left out.
 *
 * @throws {@link ProtocolError} that says everything that is wrong with it
 */
export function encodeSnapshot(snapshot: QueueSnapshot): string {
  const written = writeQueues(snapshot.queues)
  refuse([...headProblems(snapshot), ...written.map(({ i, name, problem }) => problem && `queue ${i} (${quote(name)}): ${problem}`)])
  return withinBounds(snapshot, jsonOf(snapshot, written))
}

/** A snapshot that was written, and its JSON. */
export interface WrittenSnapshot {
  json: string
  /** What is in the JSON. */
  snapshot: QueueSnapshot
}

/**
 * {@link encodeSnapshot} for a snapshot that must not be lost for one of its queues: a queue that may not be written, or
 * that makes the document too large, is left out and named among the problems instead.
 *
 * @throws {@link ProtocolError} where nothing can be written, which says everything that is wrong beside its queues
 */
export function encodeUsableSnapshot(snapshot: QueueSnapshot): WrittenSnapshot {
  refuse(headProblems(snapshot))
  const written = writeQueues(snapshot.queues)
  if (written.every(({ problem }) => problem === undefined)) {
    const json = jsonOf(snapshot, written)
    if (isWithinBounds(json)) return { json, snapshot }
  }
  const problems = new Problems(snapshot.problems)
  for (const { name, problem } of written) {
    if (problem !== undefined) problems.add(typeof name === 'string' ? name.toWellFormed() : '', `it is left out: ${problem}`)
  }
  const usable: Written[] = []
  let size = 0
  for (const queue of written) {
    if (queue.problem !== undefined) continue
    size += byteLength(queue.json)
    if (size > maxDocument - spare) {
      problems.add('', `${written.length - queue.i} queues are left out: all together are more than ${maxDocument} bytes; give each reporter fewer, with a source of its own`)
      break
    }
    usable.push(queue)
  }
  const rest: QueueSnapshot = { ...snapshot, queues: usable.map(({ i }) => snapshot.queues[i] as Queue), problems: problems.list }
  return { json: withinBounds(rest, jsonOf(rest, usable)), snapshot: rest }
}

/** What a snapshot may take beside its queues, in bytes: its problems, mostly, and a comma a queue. */
const spare = 1 << 20

/** A queue as JSON, or why it may not be written. */
interface Written {
  /** Its place in the snapshot. */
  i: number
  name: unknown
  json: string
  problem?: string
}

function writeQueues(queues: readonly Queue[]): Written[] {
  const seen = new Set<string>()
  return Array.from(Array.isArray(queues) ? queues : [], (queue: Queue, i) => {
    const written: Written = { i, name: queue?.name, json: '' }
    try {
      written.json = queueJSON(queue)
      const id = queueId(queue)
      if (seen.has(id)) throw new ProtocolError(`${driverName(queue)} has this name twice`)
      if (seen.size === maxQueues) throw new ProtocolError(`it is one of more than ${maxQueues} in a snapshot: give each reporter fewer, with a source of its own`)
      seen.add(id)
    } catch (err) {
      if (!(err instanceof ProtocolError)) throw err
      written.problem = err.message
    }
    return written
  })
}

function queueJSON(queue: Queue): string {
  const { name, driver, metrics, meta } = queue ?? {}
  if (typeof name !== 'string' && name !== undefined) throw new ProtocolError(`its name is ${quote(name)}: it takes a text`)
  const metricsJSON: Record<string, number> = {}
  const [problem] = [
    queueNameProblem(name ?? ''),
    isDriver(driver) ? undefined : `driver is ${quote(driver)}: it takes gravito-stream, laravel-horizon, bullmq, sqs or other`,
    ...(['waiting', 'active', 'delayed', 'failed'] as const).map((kind) => {
      const count: unknown = metrics?.[kind]
      if (kind !== 'waiting' && (count === undefined || count === null)) return undefined
      metricsJSON[kind] = count as number
      return countProblem(kind, count)
    }),
  ].filter((problem) => problem !== undefined)
  if (problem !== undefined) throw new ProtocolError(problem)
  const json = metaJSON(meta)
  return `{"name":${JSON.stringify(name)},"driver":"${driver}","metrics":${JSON.stringify(metricsJSON)}${json === '{}' ? '' : `,"meta":${json}`}}`
}

function countProblem(kind: string, count: unknown): string | undefined {
  const problem = numberProblem(kind, count, { isWhole: true })
  return typeof count === 'number' ? problem?.replace(/: it takes 0 to/, ': a count is 0 to') : problem
}

function headProblems({ timestamp, app, source, interval_ms, queues, problems }: QueueSnapshot): (string | undefined)[] {
  const isInterval = interval_ms === undefined || (Number.isInteger(interval_ms) && interval_ms >= 0 && interval_ms <= indexLifeMs)
  return [
    timestampProblem(timestamp),
    nameProblem('app', app),
    source === undefined || source === '' ? undefined : nameProblem('source', source),
    isInterval ? undefined : `interval_ms is ${quote(interval_ms)}: it takes milliseconds up to a day`,
    Array.isArray(queues) ? undefined : `queues is ${quote(queues)}: it takes a list, empty where there are none`,
    ...(problems === undefined || Array.isArray(problems) ? (problems ?? []).map(problemProblem) : [`problems is ${quote(problems)}: it takes a list`]),
  ]
}

function problemProblem(problem: Problem, i: number): string | undefined {
  const { queue, reason } = problem ?? {}
  if (typeof reason !== 'string') return `problems[${i}].reason is ${quote(reason)}: it takes a sentence`
  return queue === undefined || typeof queue === 'string' ? undefined : `problems[${i}].queue is ${quote(queue)}: it takes a queue's name`
}

function jsonOf({ timestamp, app, source, interval_ms, problems = [] }: QueueSnapshot, queues: readonly Written[]): string {
  const head = JSON.stringify({ timestamp, app, ...(source && { source }), ...(interval_ms && { interval_ms }) })
  const tail = problems.map(({ queue, reason }) => ({ ...(queue && { queue }), reason }))
  return `${head.slice(0, -1)},"queues":[${queues.map(({ json }) => json).join(',')}]${tail.length > 0 ? `,"problems":${JSON.stringify(tail)}` : ''}}`
}

function isWithinBounds(json: string): boolean {
  return json.length * 3 <= maxDocument || byteLength(json) <= maxDocument
}

function withinBounds({ app }: QueueSnapshot, json: string): string {
  if (isWithinBounds(json)) return json
  throw new ProtocolError(`the snapshot of app ${app} has ${byteLength(json)} bytes: at most ${maxDocument} can be read; give each reporter fewer queues, with a source of its own`)
}

/**
 * A heartbeat's JSON, which begins with its timestamp. Numbers that {@link Heartbeat} lets be absent must be there:
 * only a disk's may be missing.
 *
 * @throws {@link ProtocolError} that says everything that is wrong with it
 */
export function encodeHeartbeat({ timestamp, system, process, meta }: Heartbeat): string {
  let json = '{}'
  const problems = [timestampProblem(timestamp), nameProblem('meta.app_name', meta?.app_name)]
  if (typeof system?.hostname !== 'string' || system.hostname === '') problems.push('system.hostname is empty')
  if (typeof (system?.platform ?? '') !== 'string') problems.push(`system.platform is ${quote(system.platform)}: it takes a text`)
  for (const name of ['environment', 'runtime', 'version'] as const) {
    if (typeof meta?.[name] !== 'string') problems.push(`meta.${name} is missing`)
  }
  if (meta?.id !== undefined) problems.push(nameProblem('meta.id', meta.id))
  const { hostname, platform = '', cpu_usage, cpu_cores, memory_total, memory_free, load_avg = [], disk_total, disk_free } = system ?? {}
  problems.push(
    numberProblem('system.cpu_usage', cpu_usage, { most: 100 }),
    numberProblem('system.cpu_cores', cpu_cores),
    numberProblem('system.memory_total', memory_total, { isWhole: true }),
    numberProblem('system.memory_free', memory_free, { isWhole: true }),
    numberProblem('system.disk_total', disk_total ?? 0, { isWhole: true }), // may be missing
    numberProblem('system.disk_free', disk_free ?? 0, { isWhole: true }),
    numberProblem('process.pid', process?.pid, { isWhole: true }),
    numberProblem('process.uptime', process?.uptime),
    numberProblem('process.cpu_usage', process?.cpu_usage), // of one core: it may pass 100
    numberProblem('process.memory_rss', process?.memory_rss, { isWhole: true }),
    numberProblem('process.memory_heap', process?.memory_heap, { isWhole: true }),
    ...(Array.isArray(load_avg) ? load_avg : [undefined]).map((load, i) => numberProblem(`system.load_avg[${i}]`, load)),
  )
  try {
    json = metaJSON(meta)
  } catch (err) {
    problems.push((err as Error).message)
  }
  refuse(problems)
  const { pid, uptime, cpu_usage: ofOneCore, memory_rss, memory_heap } = process
  const document = {
    timestamp,
    system: { hostname, platform, cpu_usage, cpu_cores, memory_total, memory_free, load_avg, ...(typeof disk_total === 'number' && { disk_total }), ...(typeof disk_free === 'number' && { disk_free }) },
    process: { pid, uptime, cpu_usage: ofOneCore, memory_rss, memory_heap },
  }
  return `${JSON.stringify(document).slice(0, -1)},"meta":${json}}`
}
