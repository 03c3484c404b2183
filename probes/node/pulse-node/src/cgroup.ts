import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a container may use of its host, and uses. What has no limit, or is not told, is absent. */
export interface Limits {
  /** Bytes. */
  memory?: number
  /** Bytes, without what the kernel could drop at once. */
  memoryUsed?: number
  /** May be a part of one. */
  cores?: number
  /** Milliseconds of processor time since the container began. */
  cpuUsedMs?: number
  /** The numbers of the processors that this process may run on: a container may have a cpuset of a few. */
  processors?: Set<number>
}

/** Reads what a container limits: its control group, /sys/fs/cgroup, and what this process may run on, in /proc/self. */
export async function readLimits(cgroup: string, procSelf: string): Promise<Limits> {
  const [limits, status] = await Promise.all([readControlGroup(cgroup), readFile(join(procSelf, 'status'), 'latin1').catch(() => '')])
  const [, list] = /^Cpus_allowed_list:\s*(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)$/m.exec(status) ?? [] // such as "0-2,7"
  if (list === undefined) return limits
  const processors = new Set<number>()
  for (const part of list.split(',')) {
    const [first, last = first] = part.split('-').map(Number)
    for (let n = first as number; n <= Math.min(last as number, 65_535); n++) processors.add(n)
  }
  return { ...limits, processors }
}

/**
 * Reads the control group at a folder, /sys/fs/cgroup: in a container that is the container's own. Both layouts are
 * described in https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/.
 */
async function readControlGroup(folder: string): Promise<Limits> {
  const text = async (file: string): Promise<string> => (await readFile(join(folder, file), 'latin1').catch(() => '')).trim()
  const number = async (file: string): Promise<number | undefined> => asNumber(await text(file))
  const field = async (file: string, name: string): Promise<number | undefined> => {
    const line = (await text(file)).split('\n').find((l) => l.startsWith(`${name} `))
    return asNumber(line?.slice(name.length + 1))
  }
  if ((await text('cgroup.controllers')) !== '') {
    const [memory, current, cache, cpuUsed, cpuMax] = await Promise.all([
      number('memory.max'),
      number('memory.current'),
      field('memory.stat', 'inactive_file'),
      field('cpu.stat', 'usage_usec'),
      text('cpu.max'),
    ])
    const [quota, period] = cpuMax.split(' ') // "max 100000" or "50000 100000"
    return limits(memory, current, cache, ratio(quota, period), cpuUsed === undefined ? undefined : cpuUsed / 1e3)
  }
  const [memory, current, cache, cpuUsed, quota, period] = await Promise.all([
    number('memory/memory.limit_in_bytes'), // huge where there is no limit
    number('memory/memory.usage_in_bytes'),
    field('memory/memory.stat', 'total_inactive_file'),
    number('cpuacct/cpuacct.usage'),
    text('cpu/cpu.cfs_quota_us'), // -1 where there is no limit
    text('cpu/cpu.cfs_period_us'),
  ])
  return limits(memory, current, cache, ratio(quota, period), cpuUsed === undefined ? undefined : cpuUsed / 1e6)
}

function limits(memory?: number, current?: number, cache: number = 0, cores?: number, cpuUsedMs?: number): Limits {
  return {
    ...(memory !== undefined && memory > 0 && { memory }),
    ...(current !== undefined && { memoryUsed: Math.max(current - cache, 0) }),
    ...(cores !== undefined && { cores }),
    ...(cpuUsedMs !== undefined && { cpuUsedMs }),
  }
}

function asNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

function ratio(quota: string | undefined, period: string | undefined): number | undefined {
  const [q, p] = [asNumber(quota), asNumber(period)]
  return q !== undefined && p !== undefined && q > 0 && p > 0 ? q / p : undefined
}
