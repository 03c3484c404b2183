// Queues of the real Bee-Queue in known states: node seed.cjs PORT PREFIX. Prints, as one JSON object, what the
// library itself counts in each.
const BeeQueue = require('bee-queue')

const [port, prefix] = process.argv.slice(2)
const settings = { prefix, redis: { host: '127.0.0.1', port: Number(port) }, activateDelayedJobs: false, removeOnSuccess: false }

async function until(queue, state) {
  for (;;) {
    const health = await queue.checkHealth()
    if (Object.keys(state).every((name) => health[name] === state[name])) return health
    await new Promise((wake) => setTimeout(wake, 10))
  }
}

async function main() {
  const all = {}
  const busy = new BeeQueue('mail', settings)
  busy.on('error', () => {})
  busy.process(1, async (job) => {
    if (job.data === 'fails') throw new Error('as it was told to')
    if (job.data === 'hangs') await new Promise(() => {})
  })
  for (const data of ['fails', 'fails', 'ends']) await busy.createJob(data).save()
  await until(busy, { failed: 2, succeeded: 1 })
  await busy.createJob('hangs').save()
  await until(busy, { active: 1 })
  for (let i = 0; i < 3; i++) await busy.createJob('waits').save()
  for (let i = 0; i < 4; i++) await busy.createJob('later').delayUntil(Date.now() + 3_600_000).save()
  all.mail = await until(busy, { waiting: 3, delayed: 4 })

  const odd = new BeeQueue('a:id "ü', { ...settings, isWorker: false })
  await odd.createJob('waits').save()
  all['a:id "ü'] = await until(odd, { waiting: 1 })

  const gone = new BeeQueue('gone', { ...settings, isWorker: false })
  await gone.createJob('waits').save()
  await gone.destroy()

  console.log(JSON.stringify(all))
  process.exit(0) // the job that hangs stays active
}

main().catch((err) => {
  console.error(err)
  process.exit(1)
})
