// The aggregator, built from this tree.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { root } from './servers.mjs'

export const aggregatorProgram = join(root, 'build', 'aggregator', 'bootstrap')

/** What the dashboard of a Redis shows, ended when the test t is: a function that gets a route's JSON. */
export async function aggregator(t, redisURL) {
  const child = spawn(aggregatorProgram, { env: { PATH: process.env.PATH, PULSE_REDIS_URL: redisURL, PULSE_LISTEN: '127.0.0.1:0', PULSE_LOG_FORMAT: 'json' }, stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  let log = ''
  child.stderr.on('data', (part) => (log += part))
  const url = await new Promise((done, fail) => {
    child.stderr.on('data', () => {
      const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(log) ?? []
      if (found) done(found)
    })
    child.once('exit', (code) => fail(new Error(`the aggregator ended with ${code}: ${log}`)))
  })
  return async (route) => {
    const response = await fetch(url + route)
    if (!response.ok) throw new Error(`${route}: ${response.status} ${await response.text()}`)
    return response.json()
  }
}
