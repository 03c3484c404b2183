import { readFile, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

/** What a container may use of its host, and uses. What has no limit, or is not told, is absent. */
export interface Limits {
  /** Bytes. */
  memory?: number
  /** Bytes, also what the kernel could drop at once. */
  memoryFree?: number
  /** May be a part of one. */
  cores?: number
  /** Milliseconds of processor time, of all that share the cores, since their control group began. */
  cpuUsedMs?: number
  /** The numbers of the processors that this process may run on: a container may have a cpuset of a few. */
  processors?: Set<number>
}

/** Reads what a container limits: its control groups, /sys/fs/cgroup, and what this process may run on, in /proc/self. */
export async function readLimits(cgroup: string, procSelf: string): Promise<Limits> {
  const [own, status] = await Promise.all([text(join(procSelf, 'cgroup')), text(join(procSelf, 'status'))])
  const limits = await readControlGroups(cgroup, ownGroups(own))
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
 * Reads the control groups that this process is in: its own, and those above it as far as they can be seen. The least
 * limit counts, of which the usage is, too: a pod may have one for all of its containers. In most containers the root is
 * their own group, and those above cannot be seen.
 *
 * What limits a service of the host alone is not what the host has: of that the root is read only. Both layouts are
 * described in https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/.
 */
async function readControlGroups(root: string, groups: ReadonlyMap<string, string>): Promise<Limits> {
  const found: Limits = {}
  if ((await text(join(root, 'cgroup.controllers'))) !== '') {
    for (const folder of await upwards(root, groups.get(''))) {
      const [limit, used, cache, cpuUsed, cpuMax] = await Promise.all([
        number(join(folder, 'memory.max')),
        number(join(folder, 'memory.current')),
        field(join(folder, 'memory.stat'), 'inactive_file'),
        field(join(folder, 'cpu.stat'), 'usage_usec'),
        text(join(folder, 'cpu.max')),
      ])
      const [quota, period] = cpuMax.split(' ') // "max 100000" or "50000 100000"
      addMemory(found, limit, used, cache)
      addCores(found, ratio(quota, period), cpuUsed === undefined ? undefined : cpuUsed / 1e3)
    }
    return found
  }
  for (const folder of await upwards(join(root, 'memory'), groups.get('memory'))) {
    const [limit, used, cache, least] = await Promise.all([
      number(join(folder, 'memory.limit_in_bytes')), // huge where there is no limit
      number(join(folder, 'memory.usage_in_bytes')),
      field(join(folder, 'memory.stat'), 'total_inactive_file'),
      field(join(folder, 'memory.stat'), 'hierarchical_memory_limit'), // of this group and of those above, also where they cannot be seen
    ])
    addMemory(found, limit, used, cache)
    addMemory(found, least, used, cache)
  }
  for (const folder of await upwards(join(root, 'cpu'), groups.get('cpu'))) {
    const [quota, period, cpuUsed] = await Promise.all([
      text(join(folder, 'cpu.cfs_quota_us')), // -1 where there is no limit
      text(join(folder, 'cpu.cfs_period_us')),
      number(join(root, 'cpuacct', relative(join(root, 'cpu'), folder), 'cpuacct.usage')),
    ])
    addCores(found, ratio(quota, period), cpuUsed === undefined ? undefined : cpuUsed / 1e6)
  }
  return found
}

/** Takes the memory of one control group: what is free is so in all of them. */
function addMemory(found: Limits, limit: number | undefined, used: number = 0, cache: number = 0): void {
  if (limit === undefined || limit === 0) return
  const free = Math.max(limit - Math.max(used - cache, 0), 0)
  found.memory = Math.min(found.memory ?? limit, limit)
  found.memoryFree = Math.min(found.memoryFree ?? free, free)
}

function addCores(found: Limits, cores: number | undefined, usedMs: number | undefined): void {
  if (cores === undefined || (found.cores !== undefined && found.cores <= cores)) return
  found.cores = cores
  if (usedMs === undefined) delete found.cpuUsedMs
  else found.cpuUsedMs = usedMs
}

/**
 * The control groups of a process by controller, '' in version 2, from /proc/self/cgroup: lines such as
 * `0::/docker/1f2e` and `4:cpu,cpuacct:/docker/1f2e`.
 */
function ownGroups(lines: string): Map<string, string> {
  const groups = new Map<string, string>()
  for (const line of lines.split('\n')) {
    const [, controllers, group] = /^\d+:([^:]*):\/?(.*)$/.exec(line) ?? []
    for (const controller of controllers?.split(',') ?? []) groups.set(controller, group as string)
  }
  return groups
}

/**
 * The folders of a control group and of those above it, the root of its hierarchy last. It is the root alone where the
 * group's folder is not to be seen from here, or the group is a service of the host.
 */
async function upwards(root: string, group: string = ''): Promise<string[]> {
  const own = join(root, group)
  const isBelow = own.startsWith(`${root}/`) && !own.endsWith('.service') && (await stat(own).catch(() => undefined))?.isDirectory() === true
  if (!isBelow) return [root]
  const folders: string[] = []
  for (let folder = own.replace(/\/$/, ''); folder !== root; folder = dirname(folder)) folders.push(folder)
  return [...folders, root]
}

async function text(file: string): Promise<string> {
  return (await readFile(file, 'latin1').catch(() => '')).trim()
}

async function number(file: string): Promise<number | undefined> {
  return asNumber(await text(file))
}

/** A number in a file of lines `name number`. */
async function field(file: string, name: string): Promise<number | undefined> {
  const line = (await text(file)).split('\n').find((l) => l.startsWith(`${name} `))
  return asNumber(line?.slice(name.length + 1))
}

function asNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

function ratio(quota: string | undefined, period: string | undefined): number | undefined {
  const [q, p] = [asNumber(quota), asNumber(period)]
  return q !== undefined && p !== undefined && q > 0 && p > 0 ? q / p : undefined
}
