/* Compiled, not run: the clients that people have fit what is asked of them. */
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis5'
import { AdapterModule, fromIoredis, fromNodeRedis, type Poll, type Send } from '@gravito/pulse-adapter-host'

export async function uses(): Promise<Poll> {
  const module = await AdapterModule.load('adapters.wasm', { limits: { rounds: 8 }, log: () => {} })
  const session = await module.open({ app: 'shop', adapter: 'bullmq', queues: '*' })
  const sends: Send[] = [fromIoredis(new Redis()), fromNodeRedis(createClient()), fromIoredis(new Redis5()), fromNodeRedis(createClient5()), async () => Buffer.from(':1\r\n'), async (r) => r.map(() => null)]
  return session.poll(sends[0] as Send, Date.now())
}
