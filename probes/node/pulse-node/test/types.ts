// What a program in TypeScript writes, checked by the compiler alone.

import http from 'node:http'
import express from 'express'
import fastify from 'fastify'
import fastify4 from 'fastify4'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { createClient, createCluster } from 'redis'
import { createClient as createClient5 } from 'redis5'
import { type Recorder, type RecorderOptions, startRecorder } from '../dist/index.js'

export const recorder: Recorder = startRecorder({ app: 'shop', redis: process.env.REDIS_URL })
export const clients: RecorderOptions['redis'][] = [
  new Redis(),
  new Redis5(),
  new Cluster([]),
  createClient(),
  createClient5(),
  createCluster({ rootNodes: [] }),
  'redis://127.0.0.1',
  undefined,
]

express().use(recorder.express())
express().use(recorder.express((request) => request.baseUrl))
await fastify().register(recorder.fastify())
await fastify4().register(recorder.fastify())
http.createServer(recorder.http((_request, response) => response.end(), (request) => request.method))

export const sync: number = recorder.slow('query', 'select', () => 7)
export const asynchronous: Promise<number> = recorder.slow('job', 'Send', async () => 7)

// @ts-expect-error: an app is due
startRecorder({ redis: undefined })
// @ts-expect-error: so is a word on where to publish
startRecorder({ app: 'shop' })
// @ts-expect-error: no such kind
recorder.note('mail', 'x', 1)
