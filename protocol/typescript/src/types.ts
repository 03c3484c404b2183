/** The software that keeps a queue. `other` has its own name in `meta.driver`. */
export type Driver = 'gravito-stream' | 'laravel-horizon' | 'bullmq' | 'sqs' | 'other'

/** Counts of jobs: whole numbers from 0 to 2^53-1. A count that its reporter cannot know is absent, never 0. */
export interface Metrics {
  /** Jobs ready to run: every list a worker would take from. */
  waiting: number
  /** Jobs that run now. */
  active?: number
  /** Jobs that become ready later. */
  delayed?: number
  /** Jobs that failed for good and are kept. */
  failed?: number
}

/** One queue's counts. */
export interface Queue {
  /** What the queue is called: 1 to 1,024 bytes of UTF-8. */
  name: string
  driver: Driver
  metrics: Metrics
  /** What else there is to say, by the names in docs/protocol.md. */
  meta?: Meta
}

/** Names and values of anything that JSON has. */
export type Meta = Record<string, unknown>

/** Something that could not be read. */
export interface Problem {
  /** The queue's name, where it is about one queue. */
  queue?: string
  /** A sentence for a person. */
  reason: string
}

/** What one reporter counted in one app's queues at one moment: the value of `pulse:queues:{app}` or `pulse:queues:{app}:{source}`. */
export interface QueueSnapshot {
  /** When the counts were read, in Unix milliseconds. */
  timestamp: number
  app: string
  /** Who reported it, where several reporters share the app. */
  source?: string
  /** How often this reporter reports, in milliseconds; 10 s are assumed where it doesn't say. */
  interval_ms?: number
  queues: Queue[]
  /** What its reporter could not read. */
  problems?: Problem[]
}

/** The machine, or the container whose limits are the machine for what runs in it. A number that its platform does not tell is absent. */
export interface System {
  hostname: string
  /** Such as `linux`. */
  platform: string
  /** Percent of all its cores, 0 to 100. */
  cpu_usage?: number
  /** A container may have a part of one. */
  cpu_cores?: number
  /** Bytes. */
  memory_total?: number
  /** Bytes that could be used without swapping. */
  memory_free?: number
  /** Of 1, 5 and 15 minutes; empty where there is none. */
  load_avg: number[]
  /** Bytes. */
  disk_total?: number
  /** Bytes. */
  disk_free?: number
}

/** The process that reports. A number that its platform does not tell is absent. */
export interface Process {
  pid: number
  /** Seconds. */
  uptime?: number
  /** Percent of one core: of several it may pass 100. */
  cpu_usage?: number
  /** Bytes. */
  memory_rss?: number
  /** Bytes. */
  memory_heap?: number
}

/** What a heartbeat says of its program. */
export interface HeartbeatMeta extends Meta {
  app_name: string
  /** Such as `production`. */
  environment: string
  /** What runs it, such as `node v20.20.2`. */
  runtime: string
  /** The program's own. */
  version: string
  /** The server's id within the app. */
  id?: string
}

/** One process or host is alive, and how it is doing: the value of `pulse:server:{app}:{id}`. */
export interface Heartbeat {
  /** Unix milliseconds. */
  timestamp: number
  system: System
  process: Process
  meta: HeartbeatMeta
}

/** What was slow. */
export type SlowKind = 'http' | 'job' | 'query' | 'other'

/** One request, job or query that took longer than its threshold: an entry of the stream `pulse:slow:{app}`. */
export interface SlowEntry {
  /** Unix milliseconds. */
  timestamp: number
  kind: SlowKind
  /** A route's pattern, a job's class or a statement with placeholders: never a URL or a value. */
  name: string
  /** Milliseconds. */
  duration_ms: number
  /** Milliseconds. */
  threshold_ms: number
  host?: string
  meta?: Meta
}

/** How current something is: `fresh` as often as its reporter reports, `stale` later, `lost` when its key is gone. */
export type Status = 'fresh' | 'stale' | 'lost'

/** How a queue is doing. What needs history is `unknown` without any. */
export type Health = 'ok' | 'growing' | 'stalled' | 'failing' | 'paused' | 'unknown'

/** A row of the view. */
export interface ViewQueue {
  name: string
  driver: Driver
  origin: 'gravito' | 'external'
  read_only: boolean
  /** Which of its app's `sources` it was read by; `-` is one without a name. */
  source: string
  status: Status
  /** The recorder's; `unknown` without one. */
  health: Health
  /** Why, in a sentence. */
  health_reason?: string
  metrics: Partial<Metrics>
  trend?: {
    /** Jobs; negative while it drains. */
    waiting_per_min?: number
    /** Jobs finished and arriving, where the driver counts finished ones. */
    processed_per_min?: number
    arriving_per_min?: number
    /** Seconds that a job which comes now will wait. */
    wait_seconds?: number
    /** Seconds. */
    drain_seconds?: number
    /** Seconds. */
    drain_range?: [least: number, most: number]
  }
  meta?: Meta
}

/** A process or host in the view. */
export interface ViewServer {
  status: Status
  /** Unix milliseconds. */
  timestamp: number
  system?: Partial<System>
  process?: Partial<Process>
  meta?: Meta
}

/** An alert that fires. */
export interface ViewAlert {
  /** Such as `stalled 5m`. */
  rule: string
  kind: 'queue' | 'reporter' | 'server'
  /** Of the queue in its app, of the reporter or the server. */
  key: string
  reason?: string
  /** Unix milliseconds. */
  since: number
  /** When somebody was last told, in Unix milliseconds. */
  sent?: number
}

/** One app in the view. */
export interface ViewApp {
  /** Reporters of queues, and when each last reported, in Unix milliseconds. */
  sources?: Record<string, { status: Status; timestamp: number }>
  /** By `{driver}/{name}`. */
  queues?: Record<string, ViewQueue>
  /** By id. */
  servers?: Record<string, ViewServer>
  /** Those that fire, by fingerprint. */
  alerts?: Record<string, ViewAlert>
}

/** What `GET /api/v1/view` answers, and what the patches of `GET /api/v1/stream` are merged into (RFC 7396). */
export interface View {
  /** Unix milliseconds. */
  generated_at: number
  /** Absent while Redis answers. Since when it does not, and when the numbers were read, in Unix milliseconds. */
  redis_down?: { since: number; read_at: number }
  totals: {
    /** Jobs; absent where no living queue is in the sum. */
    waiting?: number
    active?: number
    delayed?: number
    failed?: number
    /** How many there are, lost ones included. */
    queues: number
    servers: number
    /** Of how many queues a count is in no sum. */
    unknown?: Partial<Record<keyof Metrics, number>>
    lost?: { queues: number; servers: number }
  }
  apps: Record<string, ViewApp>
  problems: { key?: string; queue?: string; reason: string }[]
}
