import { ProtocolError } from './error.js'
import { elements, objectOf, pick, textOf } from './json.js'
import { indexLifeMs, isName, nameFrom, nameProblem } from './keys.js'
import { readMeta } from './meta.js'
import { countProblem, readCount, readNumber, readSize, timestampProblem } from './numbers.js'
import { Problems } from './problems.js'
import { readQueues } from './queues.js'
import { quote, shorten } from './text.js'
import type { Heartbeat, Meta, Problem, Process, QueueSnapshot, System } from './types.js'

/** What was read of a snapshot. */
export interface ReadSnapshot {
  /** What of it is usable, without its problems. */
  snapshot: QueueSnapshot
  /** What is wrong with it, and what its reporter could not read: at most 100, and one that says that there were more. */
  problems: Problem[]
}

/** A heartbeat that anybody may have written: of its meta only the app is sure to be there. */
export interface ForeignHeartbeat extends Omit<Heartbeat, 'meta'> {
  meta: Meta & { app_name: string }
}

/** What was read of a heartbeat. */
export interface ReadHeartbeat {
  heartbeat: ForeignHeartbeat
  /** The server's, within its app. */
  id: string
}

/** What was read of a node of the older namespace. */
export interface ReadQuasar extends ReadHeartbeat {
  /** The queues that it carries, if there are any, from the source `quasar`. */
  snapshot?: QueueSnapshot
  /** What is wrong with its queues. */
  problems: Problem[]
}

/**
 * Reads the value of `pulse:queues:…`, which anybody may have written. A queue or a count that is not usable is left out
 * and becomes a problem.
 *
 * @param data - JSON, as text or as UTF-8
 * @throws {@link ProtocolError} where nothing is usable
 */
export function readSnapshot(data: string | Uint8Array): ReadSnapshot {
  const fields = pick(objectOf(data), 'timestamp', 'app', 'source', 'interval_ms', 'queues', 'problems')
  const app = sureName('app', textOf(fields.app))
  const snapshot: QueueSnapshot = { timestamp: readTimestamp(fields.timestamp), app, queues: [] }
  const problems = new Problems()
  const source = textOf(fields.source)
  if (isName(source)) snapshot.source = source
  else if (source !== '') problems.add('', nameProblem('source', source) as string)
  const interval = readCount(fields.interval_ms)
  if (typeof interval === 'number' && interval > 0 && interval <= indexLifeMs) snapshot.interval_ms = interval
  if (fields.queues?.[0] !== '[') problems.add('', 'it has no queues: it takes a list, empty where there are none')
  snapshot.queues = readQueues(fields.queues, 'metrics', problems)
  for (const value of elements(fields.problems)) {
    const { queue, reason } = pick(value, 'queue', 'reason')
    if (textOf(reason) !== '') problems.add(textOf(queue), textOf(reason))
  }
  return { snapshot, problems: problems.list }
}

/**
 * Reads the value of `pulse:server:…`, which anybody may have written. A number that is missing, or is none, is absent.
 *
 * @param key - where it was: its last part is the id, unless `meta.id` is a name
 * @param data - JSON, as text or as UTF-8
 * @throws {@link ProtocolError} where nothing is usable
 */
export function readHeartbeat(key: string, data: string | Uint8Array): ReadHeartbeat {
  const fields = pick(objectOf(data), 'timestamp', 'system', 'process', 'meta')
  const meta = readMeta(fields.meta)
  sureName('meta.app_name', typeof meta.app_name === 'string' ? meta.app_name : '')
  const timestamp = readTimestamp(fields.timestamp)
  // meta is free, and its id may mean something else. An app has no colon, so the key's last part is the id even where
  // the key names another app.
  const id = typeof meta.id === 'string' && isName(meta.id) ? meta.id : sureName("the server's id", key.slice(key.lastIndexOf(':') + 1))
  const system = pick(fields.system, 'hostname', 'platform', 'cpu_usage', 'cpu_cores', 'memory_total', 'memory_free', 'load_avg', 'disk_total', 'disk_free')
  const process = pick(fields.process, 'pid', 'uptime', 'cpu_usage', 'memory_rss', 'memory_heap')
  return {
    heartbeat: {
      timestamp,
      system: present<System>({
        hostname: shorten(textOf(system.hostname)),
        platform: shorten(textOf(system.platform)),
        cpu_usage: readNumber(system.cpu_usage),
        cpu_cores: readNumber(system.cpu_cores),
        memory_total: readSize(system.memory_total),
        memory_free: readSize(system.memory_free),
        load_avg: readLoads(system.load_avg),
        disk_total: readSize(system.disk_total),
        disk_free: readSize(system.disk_free),
      }),
      process: present<Process>({
        pid: readSize(process.pid) ?? 0,
        uptime: readNumber(process.uptime),
        cpu_usage: readNumber(process.cpu_usage),
        memory_rss: readSize(process.memory_rss),
        memory_heap: readSize(process.memory_heap),
      }),
      meta: meta as ForeignHeartbeat['meta'],
    },
    id,
  }
}

/**
 * Reads the value of `gravito:quasar:node:…`, where older agents write: a node is a heartbeat, and a snapshot of the
 * queues that it carries. Services and ids were free text there: what a name cannot hold becomes `-`.
 *
 * @param data - JSON, as text or as UTF-8
 * @throws {@link ProtocolError} where nothing is usable
 */
export function readQuasar(data: string | Uint8Array): ReadQuasar {
  const fields = pick(objectOf(data), 'service', 'id', 'language', 'version', 'hostname', 'platform', 'pid', 'timestamp', 'queues', 'cpu', 'memory', 'runtime')
  const [service, ident] = [textOf(fields.service), textOf(fields.id)]
  const [app, id] = [nameFrom(service), nameFrom(ident)]
  if (app === '' || id === '') throw new ProtocolError(`service is ${quote(service)} and id is ${quote(ident)}: both must be there`)
  const timestamp = readTimestamp(fields.timestamp)
  const cpu = pick(fields.cpu, 'system', 'process', 'cores')
  const memory = pick(fields.memory, 'system', 'process')
  const machine = pick(memory.system, 'total', 'free')
  const program = pick(memory.process, 'rss', 'heapUsed')
  const runtime = pick(fields.runtime, 'uptime', 'framework')
  const framework = textOf(runtime.framework)
  const problems = new Problems()
  const queues = readQueues(fields.queues, 'size', problems)
  return {
    heartbeat: {
      timestamp,
      system: present<System>({
        hostname: shorten(textOf(fields.hostname)),
        platform: shorten(textOf(fields.platform)),
        cpu_usage: readNumber(cpu.system),
        cpu_cores: readNumber(cpu.cores),
        memory_total: readSize(machine.total),
        memory_free: readSize(machine.free),
        load_avg: [], // these agents don't tell it
      }),
      process: present<Process>({
        pid: readSize(fields.pid) ?? 0,
        uptime: readNumber(runtime.uptime),
        cpu_usage: readNumber(cpu.process),
        memory_rss: readSize(program.rss),
        memory_heap: readSize(program.heapUsed),
      }),
      meta: { app_name: app, id, runtime: textOf(fields.language), version: textOf(fields.version), ...(framework !== '' && { framework }) },
    },
    id,
    ...((queues.length > 0 || problems.list.length > 0) && { snapshot: { timestamp, app, source: 'quasar', queues } }),
    problems: problems.list,
  }
}

function readTimestamp(value: string | undefined): number {
  const count = readCount(value)
  if (typeof count !== 'number') throw new ProtocolError(countProblem('timestamp', count))
  const problem = timestampProblem(count)
  if (problem !== undefined) throw new ProtocolError(problem)
  return count
}

function sureName(what: string, name: string): string {
  const problem = nameProblem(what, name)
  if (problem !== undefined) throw new ProtocolError(problem)
  return name
}

/** A list of numbers is kept only whole: a load average with a hole is none. */
function readLoads(value: string | undefined): number[] {
  const most = 3 // 1, 5 and 15 minutes
  const loads: number[] = []
  for (const element of elements(value)) {
    const load = readNumber(element)
    if (load === undefined) return []
    loads.push(load)
    if (loads.length === most) break
  }
  return loads
}

/** An object without its members that are undefined. */
function present<T extends object>(members: { [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T
}
