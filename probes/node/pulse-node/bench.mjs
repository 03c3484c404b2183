// What the recorder costs a request while its Redis is frozen, against the same server without it, in one run.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { startRecorder } from './dist/index.js'
import { redis } from '../adapter-host/test/servers.mjs'

const [rounds, requests] = [1500, 20]
const variants = { bare: undefined, 'with the middleware': {}, 'with every request noted as slow': { http: 0.0001 } }

if (process.send) serve(...process.argv.slice(2))
else await measure()

/** A server like many: a route that answers with some JSON. */
function serve(variant, url) {
  const app = express()
  if (variant !== 'bare') app.use(startRecorder({ app: 'bench', redis: url, intervalMs: 1000, slowAfterMs: variants[variant], log: () => {} }).express())
  app.get('/orders/:id', (request, response) => response.json({ id: request.params.id }))
  const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port))
}

async function measure() {
  const cleanups = []
  const server = await redis({ after: (f) => cleanups.push(f) })
  const took = {}
  const ports = {}
  for (const variant of Object.keys(variants)) {
    const child = fork(fileURLToPath(import.meta.url), [variant, server.url])
    cleanups.push(() => child.kill())
    took[variant] = []
    ;[ports[variant]] = await once(child, 'message')
  }
  await new Promise((done) => setTimeout(done, 2000)) // connected, and published once
  await server.signal('SIGSTOP')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  for (let round = -100; round < rounds; round++) {
    // Each goes first in turn: the second finds caches warm.
    const order = Object.keys(variants)
    for (const variant of round % 2 ? order : order.reverse()) {
      for (let i = 0; i < requests; i++) {
        const began = performance.now()
        await new Promise((done, fail) => http.get({ port: ports[variant], host: '127.0.0.1', path: `/orders/${i}`, agent }, (r) => r.resume().once('end', done)).once('error', fail))
        if (round >= 0) took[variant].push(performance.now() - began)
      }
    }
  }
  agent.destroy()
  for (const cleanup of cleanups.reverse()) await cleanup()
  // The median over parts of the run: one pause of a shared machine is in one part only.
  const of = (list, part) => list.toSorted((a, b) => a - b)[Math.floor(list.length * part)]
  const at = (variant, part) => {
    const parts = Array.from({ length: 30 }, (_, i) => took[variant].slice((i * took[variant].length) / 30, ((i + 1) * took[variant].length) / 30))
    return of(parts.map((list) => of(list, part)), 0.5)
  }
  for (const variant of Object.keys(variants).slice(1)) {
    console.log(`${variant}: median ${(at(variant, 0.5) / at('bare', 0.5)).toFixed(2)} of bare, 99th percentile ${(at(variant, 0.99) / at('bare', 0.99)).toFixed(2)}`)
  }
}
