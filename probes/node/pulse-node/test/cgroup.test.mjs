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
for (const [name, files, want] of [
  ['no control groups', {}, {}],
  ['v2 without a limit', { ...v2, 'memory.max': 'max', 'memory.current': '1000', 'cpu.max': 'max 100000' }, { memoryUsed: 1000 }],
  [
    'v2, half a core',
    { ...v2, 'memory.max': '268435456', 'memory.current': '104857600', 'memory.stat': 'anon 1\ninactive_file 4857600\nactive_file 7', 'cpu.max': '50000 100000', 'cpu.stat': 'usage_usec 1500000\nuser_usec 1' },
    { memory: 268435456, memoryUsed: 100000000, cores: 0.5, cpuUsedMs: 1500 },
  ],
  ['v2, more cache than use', { ...v2, 'memory.current': '10', 'memory.stat': 'inactive_file 20' }, { memoryUsed: 0 }],
  ['v2, a field that only begins the same', { ...v2, 'memory.current': '10', 'memory.stat': 'inactive_file_x 3\ninactive_file 4' }, { memoryUsed: 6 }],
  ['v2, rubbish', { ...v2, 'memory.max': 'lots', 'cpu.max': 'half', 'cpu.stat': 'usage_usec x', 'memory.current': '-1' }, {}],
  ['v2, a period of nothing', { ...v2, 'cpu.max': '50000 0' }, {}],
  [
    'v1, half a core',
    {
      'memory/memory.limit_in_bytes': '268435456', 'memory/memory.usage_in_bytes': '104857600', 'memory/memory.stat': 'cache 1\ninactive_file 1\ntotal_inactive_file 4857600',
      'cpu/cpu.cfs_quota_us': '50000', 'cpu/cpu.cfs_period_us': '100000', 'cpuacct/cpuacct.usage': '1500000000',
    },
    { memory: 268435456, memoryUsed: 100000000, cores: 0.5, cpuUsedMs: 1500 },
  ],
  ['v1 without a limit', { 'memory/memory.limit_in_bytes': '9223372036854771712', 'memory/memory.usage_in_bytes': '5', 'cpu/cpu.cfs_quota_us': '-1', 'cpu/cpu.cfs_period_us': '100000' }, { memory: 9223372036854771712, memoryUsed: 5 }],
]) {
  test(name, async (t) => assert.deepEqual(await readLimits(cgroup(t, files), '/nowhere'), want))
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
