// A real PostgreSQL for the tests.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import { eventually } from './reports.mjs'

/** Where its programs are: on the PATH, or where Debian has them. The PATH's first folder if nowhere. */
const debian = '/usr/lib/postgresql'
const folders = [...(process.env.PATH ?? '').split(delimiter), ...(existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : [])]
const bin = folders.find((dir) => existsSync(join(dir, 'initdb'))) ?? folders[0]
export const initdb = join(bin, 'initdb')

/** PostgreSQL doesn't run as root. */
const nobody = 65_534
const user = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}

/** A server that is ended when the test is, with what pg takes to connect to it. */
export async function postgres(t) {
  const dir = await mkdtemp(join(tmpdir(), 'pulse-postgres-'))
  if (user.uid !== undefined) await chown(dir, user.uid, user.gid)
  const options = { ...user, stdio: 'ignore', cwd: dir, env: { ...process.env, LC_ALL: 'C' } }
  const [status] = await once(spawn(initdb, ['-D', join(dir, 'data'), '-U', 'pulse', '--auth=trust', '--no-sync'], options), 'exit')
  if (status !== 0) throw new Error(`initdb ended with ${status}`)
  const server = spawn(join(bin, 'postgres'), ['-D', join(dir, 'data'), '-k', dir, '-c', 'listen_addresses=', '-c', 'fsync=off'], options)
  const ended = once(server, 'exit')
  const stop = async () => {
    server.kill('SIGINT') // "fast": it waits for no client
    await ended
  }
  t.after(async () => {
    await stop()
    await rm(dir, { recursive: true })
  })
  const connection = { host: dir, user: 'pulse', database: 'postgres' }
  await eventually(async () => {
    const client = new pg.Client(connection)
    client.on('error', () => {})
    await client.connect()
    await client.end()
    return true
  })
  return { connection, stop }
}
