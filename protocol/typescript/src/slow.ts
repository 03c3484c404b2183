import { ProtocolError, refuse } from './error.js'
import { endOfJSON } from './json.js'
import { metaJSON, readMeta } from './meta.js'
import { countProblem, numberProblem, readCount, timestampProblem } from './numbers.js'
import { quote, toBytes } from './text.js'
import type { SlowEntry, SlowKind } from './types.js'

const kinds: readonly string[] = ['http', 'job', 'query', 'other']

function isKind(kind: unknown): kind is SlowKind {
  return typeof kind === 'string' && kinds.includes(kind)
}

/**
 * Reads the fields of an entry of `pulse:slow:{app}`, which anybody may have written. An unknown kind reads as `other`,
 * and a meta that is no JSON object is dropped.
 *
 * @throws {@link ProtocolError} where nothing is usable
 */
export function readSlowEntry(fields: Readonly<Record<string, string | undefined>>): SlowEntry {
  const { kind, name, host, meta } = fields
  const numberOf = (name: 'timestamp' | 'duration_ms' | 'threshold_ms'): number => {
    const text = fields[name]
    const count = readCount(text === undefined ? undefined : toBytes(text))
    if (typeof count !== 'number') throw new ProtocolError(countProblem(name, count))
    return count
  }
  const entry: SlowEntry = {
    timestamp: numberOf('timestamp'),
    kind: isKind(kind) ? kind : 'other',
    name: (name ?? '').toWellFormed(),
    duration_ms: numberOf('duration_ms'),
    threshold_ms: numberOf('threshold_ms'),
  }
  if (host) entry.host = host.toWellFormed()
  const json = toBytes(meta ?? '').replace(/^[ \t\r\n]+/, '')
  const members = endOfJSON(json) === undefined ? readMeta(json) : {}
  if (Object.keys(members).length > 0) entry.meta = members
  refuse(problemsOf(entry))
  return entry
}

/**
 * The stream fields of an entry, for `XADD pulse:slow:{app} MAXLEN ~ 1000 *`.
 *
 * @throws {@link ProtocolError} that says everything that is wrong with it
 */
export function slowFields(entry: SlowEntry): Record<string, string> {
  const problems = problemsOf(entry)
  let json = '{}'
  try {
    json = metaJSON(entry.meta)
  } catch (err) {
    problems.push((err as Error).message)
  }
  refuse(problems)
  const { timestamp, kind, name, duration_ms, threshold_ms, host } = entry
  const fields: Record<string, string> = { timestamp: String(timestamp), kind, name, duration_ms: String(duration_ms), threshold_ms: String(threshold_ms) }
  if (host) fields.host = host
  if (json !== '{}') fields.meta = json
  return fields
}

function problemsOf({ timestamp, kind, name, duration_ms, threshold_ms, host }: SlowEntry): (string | undefined)[] {
  return [
    timestampProblem(timestamp),
    isKind(kind) ? undefined : `kind is ${quote(kind)}: it takes http, job, query or other`,
    name === '' ? 'name is empty' : textProblem('name', name),
    host === undefined ? undefined : textProblem('host', host),
    numberProblem('duration_ms', duration_ms, { isWhole: true }),
    numberProblem('threshold_ms', threshold_ms, { isWhole: true }),
  ]
}

function textProblem(name: string, text: unknown): string | undefined {
  if (typeof text !== 'string') return `${name} is ${quote(text)}: it takes a text`
  return text.isWellFormed() ? undefined : `${name} is not UTF-8`
}
