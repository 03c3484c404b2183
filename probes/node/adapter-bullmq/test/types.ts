/* Compiled, not run: the queues of each library, and the clients that people have, fit what is asked of them. */
import Bull from 'bull4'
import { Queue as Queue3 } from 'bullmq3'
import { Queue as Queue4 } from 'bullmq4'
import { Queue as Queue5 } from 'bullmq5'
import { Queue as Queue6 } from 'bullmq6'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { createClient } from 'redis'
import { reportQueues, type QueueLike, type QueueReporter } from '@gravito/adapter-bullmq'

export async function uses(): Promise<void> {
  const connection = { host: 'redis' }
  const queues: QueueLike[] = [new Queue6('a', { connection }), new Queue5<{ id: string }>('b', { connection }), new Queue4('c', { connection }), new Queue3('d', { connection }), new Bull('e')]
  const reporter: QueueReporter = reportQueues(queues, { app: 'shop' })
  await reporter.stop()
  reportQueues([new Queue6('a', { connection })], { app: 'shop', source: 'web', redis: 'redis://redis', intervalMs: 5_000, ttlMs: 30_000, log: console.error })
  for (const redis of [new Redis(), new Redis5(), createClient()]) reportQueues(queues, { app: 'shop', redis })
  const inRedis = new Queue5('f', { connection })
  reportQueues(queues, { app: 'shop', redis: await inRedis.client, source: process.env.SOURCE, intervalMs: undefined })
  // @ts-expect-error: an app is wanted
  reportQueues(queues, {})
  // @ts-expect-error: a name is no queue
  reportQueues(['emails'], { app: 'shop' })
}
