import { statfs } from 'node:fs/promises'
import os from 'node:os'
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Process, System } from '@gravito/pulse-protocol'
import { readLimits, type Limits } from './cgroup.js'

/** How long the processor is watched before the first heartbeat, in milliseconds. */
const firstLookMs = 250
/** How often the event loop's delay is measured, in milliseconds. */
const loopResolutionMs = 20

/** How much processor time was used up to a moment, in milliseconds. */
interface Times {
  at: number
  /** That this process may run on. */
  cores: number
  /** Of those. */
  busy: number
  total: number
  ofProcess: number
  /** Of the container. */
  ofLimits: number | undefined
}

/** What one look finds. */
export interface Sample {
  system: System
  process: Process
  /** The 99th percentile since the look before, in milliseconds: how long what is ready waited for its turn. */
  eventLoopDelayMs: number
}

/** Looks at this process and its host. Processor usage and event-loop delay are since the look before. */
export class Sampler {
  readonly #cgroup: string
  readonly #procSelf: string
  readonly #loop: IntervalHistogram
  #before: Times | undefined

  constructor(cgroup: string, procSelf: string) {
    this.#cgroup = cgroup
    this.#procSelf = procSelf
    this.#loop = monitorEventLoopDelay({ resolution: loopResolutionMs })
    this.#loop.enable()
  }

  stop(): void {
    this.#loop.disable()
  }

  async look(): Promise<Sample> {
    let limits = await readLimits(this.#cgroup, this.#procSelf)
    if (this.#before === undefined) {
      this.#before = times(limits)
      await delay(firstLookMs, undefined, { ref: false })
      limits = await readLimits(this.#cgroup, this.#procSelf)
    }
    const [before, now] = [this.#before, times(limits)]
    this.#before = now
    const delayMs = Math.max(this.#loop.percentile(99) / 1e6 - loopResolutionMs, 0)
    this.#loop.reset()
    return {
      system: { hostname: os.hostname(), platform: os.platform(), ...processor(before, now, limits), ...memory(limits), load_avg: loads(), ...(await disk()) },
      process: {
        pid: process.pid,
        uptime: round(process.uptime()),
        cpu_usage: round(Math.max((100 * (now.ofProcess - before.ofProcess)) / (now.at - before.at), 0)),
        memory_rss: process.memoryUsage.rss(),
        memory_heap: process.memoryUsage().heapUsed,
      },
      eventLoopDelayMs: round(delayMs),
    }
  }
}

function times(limits: Limits): Times {
  let [cores, busy, idle] = [0, 0, 0]
  for (const [number, { times: t }] of os.cpus().entries()) {
    if (limits.processors?.has(number) === false) continue
    cores++
    busy += t.user + t.nice + t.sys + t.irq
    idle += t.idle
  }
  const { user, system } = process.cpuUsage()
  return { at: performance.now(), cores, busy, total: busy + idle, ofProcess: (user + system) / 1e3, ofLimits: limits.cpuUsedMs }
}

/** In a container its share is the machine. */
function processor(before: Times, now: Times, limits: Limits): Pick<System, 'cpu_usage' | 'cpu_cores'> {
  const { cores } = limits
  if (cores !== undefined && cores < now.cores && now.ofLimits !== undefined && before.ofLimits !== undefined) {
    return { cpu_cores: cores, cpu_usage: percent(now.ofLimits - before.ofLimits, (now.at - before.at) * cores) }
  }
  return { cpu_cores: now.cores, cpu_usage: percent(now.busy - before.busy, now.total - before.total) }
}

function memory(limits: Limits): Pick<System, 'memory_total' | 'memory_free'> {
  const [total, free] = [os.totalmem(), os.freemem()]
  const limit = limits.memory
  if (limit === undefined || limit >= total) return { memory_total: total, memory_free: free }
  return { memory_total: limit, memory_free: Math.min(limits.memoryFree ?? limit, free) }
}

/** Windows has none, and says 0 of each. */
function loads(): number[] {
  return os.platform() === 'win32' ? [] : os.loadavg().map(round)
}

async function disk(): Promise<Pick<System, 'disk_total' | 'disk_free'>> {
  try {
    const { bsize, blocks, bavail } = await statfs(os.platform() === 'win32' ? `${process.env.SystemDrive ?? 'C:'}\\` : '/')
    return { disk_total: blocks * bsize, disk_free: bavail * bsize }
  } catch {
    return {}
  }
}

/** A part of a whole in percent, 0 to 100. */
function percent(part: number, whole: number): number {
  return whole > 0 ? round(Math.min(Math.max((100 * part) / whole, 0), 100)) : 0
}

/** Two digits: more would be noise, and bytes in Redis. */
function round(n: number): number {
  return Math.round(n * 100) / 100
}
