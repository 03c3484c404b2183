// The view as the aggregator sends it: GET /api/v1/view. All of it was written by somebody else, so any
// member may be missing or of another type; what is read of it is checked where it is read.

export type Fields = Record<string, unknown>

export interface Queue {
  name?: unknown
  driver?: unknown
  origin?: unknown
  read_only?: unknown
  source?: unknown
  status?: unknown
  health?: unknown
  health_reason?: unknown
  metrics?: Fields
  trend?: Fields
  meta?: Fields
}

export interface Server {
  status?: unknown
  timestamp?: unknown
  system?: Fields
  process?: Fields
  meta?: Fields
}

export interface App {
  sources?: Fields
  queues?: Fields
  servers?: Fields
  alerts?: Fields
}

export interface View {
  generated_at?: unknown
  redis_down?: { since?: unknown; read_at?: unknown }
  totals?: Fields
  apps?: Fields
  problems?: unknown
}

export const isObject = (v: unknown): v is Fields => typeof v === 'object' && v !== null && !Array.isArray(v)

/** The members that are objects. */
export const entries = (v: unknown): [string, Fields][] =>
  isObject(v) ? (Object.entries(v).filter(([, x]) => isObject(x)) as [string, Fields][]) : []

/** A finite number, or undefined. */
export const num = (v: unknown): number | undefined => (typeof v === 'number' && Number.isFinite(v) ? v : undefined)

export const str = (v: unknown): string => (typeof v === 'string' ? v : '')

export const fields = (v: unknown): Fields => (isObject(v) ? v : {})
