// Real servers and programs for the tests.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../../../', import.meta.url))
export const builtIn = join(root, 'build', 'adapters.wasm')

/**
 * The reason to skip a test, for its option `skip`, or false. In CI nothing may be missing, and the test
 * runs and fails.
 */
export function without(...needed) {
  const missing = needed.filter((name) => (name.includes('/') ? !existsSync(name) : !(process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, name)))))
  if (missing.length === 0 || process.env.CI === 'true') return false
  return `${missing.join(', ')} missing${missing.includes(builtIn) ? ': make build/adapters.wasm' : ''}`
}

async function freePort() {
  const server = createServer()
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}

/** A redis-server, ended when the test t is. */
export async function redis(t, ...options) {
  const [port, dir] = [await freePort(), await mkdtemp(join(tmpdir(), 'pulse-redis-'))]
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no', '--enable-debug-command', 'yes', ...options]
  let child
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await ended
  }
  const start = async () => {
    child = spawn('redis-server', args, { stdio: 'ignore' })
    await new Promise((done, fail) => child.once('spawn', done).once('error', fail))
    for (const end = Date.now() + 15_000; ; await new Promise((done) => setTimeout(done, 10))) {
      if (await asks(port, 'PING').catch(() => false)) return
      if (Date.now() > end || child.exitCode !== null) throw new Error(`redis-server on port ${port} does not answer`)
    }
  }
  await start()
  t.after(async () => {
    await stop()
    await rm(dir, { recursive: true })
  })
  const signal = async (name) => child.kill(name)
  return { port, url: `redis://127.0.0.1:${port}`, start, stop, signal }
}

/** Sends commands, one array of words each, as RESP2 and returns the bytes that Redis answers. */
export async function asks(port, ...commands) {
  const socket = connect(port, '127.0.0.1')
  const parts = []
  const end = new Promise((done, fail) => socket.on('data', (part) => parts.push(part)).once('end', done).once('error', fail))
  for (const words of [...commands, 'QUIT']) {
    const list = [words].flat()
    socket.write(`*${list.length}\r\n`)
    for (const word of list.map((w) => Buffer.from(w))) {
      socket.write(`$${word.length}\r\n`)
      socket.write(word)
      socket.write('\r\n')
    }
  }
  await end
  const all = Buffer.concat(parts).toString('latin1')
  if (!all.endsWith('+OK\r\n')) throw new Error(`Redis ended with ${JSON.stringify(all)}`)
  return Buffer.from(all.slice(0, -'+OK\r\n'.length), 'latin1')
}

/** Runs a program to its end and returns what it wrote to stdout. */
export async function output(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err] = [[], []]
  child.stdout.on('data', (part) => out.push(part))
  child.stderr.on('data', (part) => err.push(part))
  const code = await new Promise((done, fail) => child.once('close', done).once('error', fail))
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${Buffer.concat(err)}`)
  return Buffer.concat(out).toString()
}
