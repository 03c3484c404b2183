// What one poll of many BullMQ queues costs in Node, beside a raw pipeline of the same commands.
//
//   node bench.mjs [--queues 1000] [--polls 100] [--write transcript.json]   needs redis-server
//   node bench.mjs --transcript transcript.json [--polls 100]                only the guest and the host's codec
//
// A transcript has the form of probes/wasm/testdata/transcripts, so that other hosts can be given the
// same one. Prints one JSON line; times are medians in milliseconds.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { AdapterModule, fromIoredis } from '@gravito/pulse-adapter-host'
import { encodeReplies } from './dist/resp.js'
import { redis } from './test/servers.mjs'
import { encodeRequests, settingsOf } from './test/transcript.mjs'

const { values: options } = parseArgs({
  options: { queues: { type: 'string', default: '1000' }, polls: { type: 'string', default: '100' }, write: { type: 'string' }, transcript: { type: 'string' } },
})
const polls = Number(options.polls)
const module = await AdapterModule.load(fileURLToPath(new URL('../../../build/adapters.wasm', import.meta.url)), { trusted: true })

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1]
const rounded = (n) => Math.round(n * 100) / 100

/** Times each of several things in turn, so that what slows the machine down slows all of them. */
async function race(things) {
  const times = Object.fromEntries(Object.keys(things).map((name) => [name, []]))
  for (let i = 0; i < polls; i++) {
    for (const [name, run] of Object.entries(things)) {
      const began = performance.now()
      await run()
      times[name].push(performance.now() - began)
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]))
}

/** Polls a transcript again and again: the last poll in it, after those before it. */
async function replayer({ settings, polls }) {
  const session = await module.open(settingsOf(settings))
  const poll = ({ now, rounds }) => {
    const replies = rounds.map((r) => Buffer.from(r.replies, 'latin1'))
    return () => {
      let i = 0
      return session.poll(async () => replies[i++], now)
    }
  }
  for (const p of polls) await poll(p)()
  return { session, run: poll(polls.at(-1)) }
}

if (options.transcript !== undefined) {
  const { session, run } = await replayer(JSON.parse(readFileSync(options.transcript, 'utf8')))
  const { replay } = await race({ replay: run })
  console.log(JSON.stringify({ polls, replay_ms: rounded(replay), memory_mib: rounded(session.memoryBytes / 2 ** 20) }))
} else {
  const ends = []
  try {
    const server = await redis({ after: (end) => ends.unshift(end) })
    const connection = new Redis(server.url, { maxRetriesPerRequest: null })
    ends.unshift(() => connection.disconnect())
    connection.setMaxListeners(0)
    for (let i = 0; i < Number(options.queues); i++) {
      const queue = new Queue(`queue-${i}`, { connection })
      await queue.addBulk(Array.from({ length: 1 + (i % 5) + (i % 4) }, (_, n) => ({ name: 'job', data: {}, opts: n < i % 4 ? { delay: 3_600_000 } : {} })))
      await queue.close()
    }

    const settings = [['adapter', 'bullmq'], ['app', 'shop'], ['queues', '*']]
    const session = await module.open(settingsOf(settings))
    const send = fromIoredis(connection)
    const transcript = { about: `${options.queues} queues of BullMQ, the second of two polls`, settings, polls: [] }
    const asked = []
    for (let i = 0; i < 2; i++) {
      const rounds = []
      const now = Date.now()
      const { json } = await session.poll(async (requests) => {
        const replies = encodeReplies(await send(requests))
        rounds.push({ requests: encodeRequests(requests).toString('latin1'), replies: replies.toString('latin1') })
        if (i === 1) asked.push(requests.map(([name, ...args]) => [String(name), ...args.map(String)]))
        return replies
      }, now)
      transcript.polls.push({ now, rounds, snapshot: Buffer.from(json).toString('latin1') })
    }
    if (options.write !== undefined) writeFileSync(options.write, JSON.stringify(transcript))

    // The same commands as the client takes them best: as texts.
    const pipeline = async () => {
      for (const round of asked) {
        const p = connection.pipeline()
        for (const [name, ...args] of round) p.call(name, args)
        await p.exec()
      }
    }
    const { session: replayed, run } = await replayer(transcript)
    const times = await race({ pipeline, replay: run, poll: () => session.poll(send, Date.now()) })
    console.log(
      JSON.stringify({
        queues: Number(options.queues),
        rounds: asked.map((round) => round.length),
        polls,
        raw_pipeline_ms: rounded(times.pipeline),
        replay_ms: rounded(times.replay),
        poll_ms: rounded(times.poll),
        replay_of_raw_pipeline: rounded(times.replay / times.pipeline),
        poll_of_raw_pipeline: rounded(times.poll / times.pipeline),
        memory_mib: rounded(replayed.memoryBytes / 2 ** 20),
      }),
    )
  } finally {
    for (const end of ends) await end()
  }
}
