// Limits of a control group, from folders as the kernel makes them.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os, { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { readLimits } from '../dist/cgroup.js'
import { Sampler } from '../dist/sample.js'

// The recorder's own timers keep no process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

/** A control group's folder, from names and contents. */
function cgroup(t, files) {
  const dir = mkdtempSync(join(tmpdir(), 'pulse-cgroup-'))
  t.after(() => rmSync(dir, { recursive: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), `${content}\n`)
  }
  return dir
}

const v2 = { 'cgroup.controllers': 'cpu memory' }
const noLimit = '9223372036854771712'
for (const [name, files, own, want] of [
  ['no control groups', {}, '', {}],
  ['v2 without a limit', { ...v2, 'memory.max': 'max', 'memory.current': '1000', 'cpu.max': 'max 100000' }, '0::/', {}],
  [
    'v2, half a core',
    { ...v2, 'memory.max': '268435456', 'memory.current': '104857600', 'memory.stat': 'anon 1\ninactive_file 4857600\nactive_file 7', 'cpu.max': '50000 100000', 'cpu.stat': 'usage_usec 1500000\nuser_usec 1' },
    '0::/',
    { memory: 268435456, memoryFree: 168435456, cores: 0.5, cpuUsedMs: 1500 },
  ],
  ['v2, more cache than use', { ...v2, 'memory.max': '100', 'memory.current': '10', 'memory.stat': 'inactive_file 20' }, '', { memory: 100, memoryFree: 100 }],
  ['v2, a field that only begins the same', { ...v2, 'memory.max': '100', 'memory.current': '10', 'memory.stat': 'inactive_file_x 3\ninactive_file 4' }, '', { memory: 100, memoryFree: 94 }],
  ['v2, rubbish', { ...v2, 'memory.max': 'lots', 'cpu.max': 'half', 'cpu.stat': 'usage_usec x', 'memory.current': '-1' }, 'rubbish', {}],
  ['v2, a period of nothing', { ...v2, 'cpu.max': '50000 0' }, '', {}],
  [
    'v2, limits of the pod only',
    {
      ...v2, 'kubepods/pod7/memory.max': '1000', 'kubepods/pod7/memory.current': '300', 'kubepods/pod7/cpu.max': '150000 100000', 'kubepods/pod7/cpu.stat': 'usage_usec 7000000',
      'kubepods/pod7/app/memory.max': 'max', 'kubepods/pod7/app/memory.current': '100', 'kubepods/pod7/app/cpu.max': 'max 100000', 'kubepods/pod7/app/cpu.stat': 'usage_usec 1000000',
    },
    '0::/kubepods/pod7/app',
    { memory: 1000, memoryFree: 700, cores: 1.5, cpuUsedMs: 7000 },
  ],
  [
    'v2, a lower limit of the container',
    {
      ...v2, 'pod/memory.max': '1000', 'pod/memory.current': '990', 'pod/cpu.max': '150000 100000', 'pod/cpu.stat': 'usage_usec 7000000',
      'pod/app/memory.max': '500', 'pod/app/memory.current': '100', 'pod/app/cpu.max': '50000 100000', 'pod/app/cpu.stat': 'usage_usec 1000000',
    },
    '0::/pod/app',
    { memory: 500, memoryFree: 10, cores: 0.5, cpuUsedMs: 1000 },
  ],
  ['v2, of another group', { ...v2, 'docker/other/memory.max': '1000', 'docker/own/memory.max': 'max' }, '0::/docker/own', {}],
  ['v2, a group that is not here', { ...v2, 'memory.max': '1000' }, '0::/docker/1f2e', { memory: 1000, memoryFree: 1000 }],
  ['v2, a group outside', { ...v2, 'memory.max': '1000' }, '0::/../..', { memory: 1000, memoryFree: 1000 }],
  ['v2, a service of the host', { ...v2, 'system.slice/shop.service/memory.max': '1000' }, '0::/system.slice/shop.service', {}],
  [
    'v1, half a core',
    {
      'memory/memory.limit_in_bytes': '268435456', 'memory/memory.usage_in_bytes': '104857600', 'memory/memory.stat': 'cache 1\ninactive_file 1\ntotal_inactive_file 4857600',
      'cpu/cpu.cfs_quota_us': '50000', 'cpu/cpu.cfs_period_us': '100000', 'cpuacct/cpuacct.usage': '1500000000',
    },
    '4:memory:/docker/1f2e\n3:cpu,cpuacct:/docker/1f2e',
    { memory: 268435456, memoryFree: 168435456, cores: 0.5, cpuUsedMs: 1500 },
  ],
  ['v1 without a limit', { 'memory/memory.limit_in_bytes': noLimit, 'memory/memory.usage_in_bytes': '5', 'cpu/cpu.cfs_quota_us': '-1', 'cpu/cpu.cfs_period_us': '100000' }, '', { memory: 9223372036854771712, memoryFree: 9223372036854771707 }],
  [
    'v1, a limit of a group above that cannot be seen',
    { 'memory/memory.limit_in_bytes': noLimit, 'memory/memory.usage_in_bytes': '300', 'memory/memory.stat': 'cache 1\nhierarchical_memory_limit 1000\ntotal_inactive_file 100' },
    '4:memory:/kubepods/pod7/app',
    { memory: 1000, memoryFree: 800 },
  ],
  [
    'v1, limits of the pod only',
    {
      'memory/memory.limit_in_bytes': noLimit, 'memory/pod7/memory.limit_in_bytes': '1000', 'memory/pod7/memory.usage_in_bytes': '400',
      'memory/pod7/app/memory.limit_in_bytes': noLimit, 'memory/pod7/app/memory.usage_in_bytes': '100', 'cpu/pod7/cpu.cfs_quota_us': '150000', 'cpu/pod7/cpu.cfs_period_us': '100000',
      'cpu/pod7/app/cpu.cfs_quota_us': '-1', 'cpu/pod7/app/cpu.cfs_period_us': '100000', 'cpuacct/pod7/cpuacct.usage': '7000000000', 'cpuacct/pod7/app/cpuacct.usage': '1000000000',
    },
    '5:memory:/pod7/app\n4:cpu,cpuacct:/pod7/app\n1:name=systemd:/x',
    { memory: 1000, memoryFree: 600, cores: 1.5, cpuUsedMs: 7000 },
  ],
  ['v1, of another controller', { 'memory/a/memory.limit_in_bytes': '1000', 'memory/b/memory.limit_in_bytes': '10' }, '5:memory:/a\n4:cpu:/b', { memory: 1000, memoryFree: 1000 }],
]) {
  test(name, async (t) => assert.deepEqual(await readLimits(cgroup(t, files), cgroup(t, { cgroup: own })), want))
}

for (const [status, want] of [
  ['Cpus_allowed:\tff\nCpus_allowed_list:\t0-2,5\nMems_allowed_list:\t0', [0, 1, 2, 5]],
  ['Cpus_allowed_list:\t3', [3]],
  ['Cpus_allowed_list:\t', undefined],
  ['Cpus_allowed_list:\t0-x', undefined],
  ['', undefined],
]) {
  test(`processors of ${JSON.stringify(status)}`, async (t) => {
    const { processors } = await readLimits('/nowhere', cgroup(t, { status }))
    assert.deepEqual(processors && [...processors], want)
  })
}

test('a cpuset is the machine', async (t) => {
  const sampler = new Sampler('/nowhere', cgroup(t, { status: 'Cpus_allowed_list:\t0' }))
  t.after(() => sampler.stop())
  assert.equal((await sampler.look()).system.cpu_cores, 1)
})

for (const [name, files, total, mostFree, cores] of [
  ['without a limit the host', { ...v2, 'memory.max': 'max', 'cpu.max': 'max 100000' }, os.totalmem(), os.totalmem(), os.cpus().length],
  ['a limit below the host', { ...v2, 'memory.max': '1048576', 'memory.current': '1000000', 'cpu.max': '50000 100000', 'cpu.stat': 'usage_usec 1' }, 1048576, 48576, 0.5],
  ['a limit above the host', { 'memory/memory.limit_in_bytes': '9223372036854771712', 'cpu/cpu.cfs_quota_us': '100000000', 'cpu/cpu.cfs_period_us': '1000' }, os.totalmem(), os.totalmem(), os.cpus().length],
  ['all of it in use', { ...v2, 'memory.max': '1048576', 'memory.current': '2000000' }, 1048576, 0, os.cpus().length],
]) {
  test(`the machine is ${name}`, async (t) => {
    const sampler = new Sampler(cgroup(t, files), '/nowhere')
    t.after(() => sampler.stop())
    const { system, process: own, eventLoopDelayMs } = await sampler.look()
    assert.deepEqual([system.memory_total, system.cpu_cores], [total, cores])
    assert.ok(system.memory_free >= 0 && system.memory_free <= mostFree)
    assert.ok(system.cpu_usage >= 0 && system.cpu_usage <= 100)
    assert.ok(system.disk_total >= system.disk_free && system.disk_free > 0)
    assert.ok(own.cpu_usage >= 0 && own.uptime > 0)
    assert.ok(eventLoopDelayMs >= 0)
  })
}

test('a busy event loop is told from an idle one, and a busy processor', async (t) => {
  const sampler = new Sampler(cgroup(t, {}), '/nowhere')
  t.after(() => sampler.stop())
  await sampler.look()
  const idle = await new Promise((done) => setTimeout(async () => done(await sampler.look()), 300))
  for (let i = 0; i < 3; i++) {
    for (const end = performance.now() + 200; performance.now() < end; ) Math.sqrt(2)
    await new Promise((done) => setTimeout(done, 5))
  }
  const busy = await sampler.look()
  assert.ok(busy.eventLoopDelayMs > 100 && busy.eventLoopDelayMs > idle.eventLoopDelayMs, `${idle.eventLoopDelayMs}, ${busy.eventLoopDelayMs}`)
  assert.ok(busy.process.cpu_usage > idle.process.cpu_usage, `${idle.process.cpu_usage}, ${busy.process.cpu_usage}`)
})
