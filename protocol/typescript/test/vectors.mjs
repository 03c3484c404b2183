// The protocol's vectors, and how a document is read by its key.

import { readdirSync, readFileSync } from 'node:fs'
import { kindOf, readHeartbeat, readQuasar, readSlowEntry, readSnapshot, slowFields } from '@gravito/pulse-protocol'

const dir = new URL('../../vectors/', import.meta.url)

/** Every vector: its file, what it is about, its key and document, and what must be read. */
export const vectors = readdirSync(dir).map((file) => ({ file, ...JSON.parse(readFileSync(new URL(file, dir), 'utf8')) }))

/** A vector's document as it stands in Redis; of a slow entry its fields. */
export function documentOf({ key, document }) {
  return kindOf(key) === 'slow' || typeof document === 'string' ? document : JSON.stringify(document)
}

/** What is read of a document: its error, or what it holds. A slow entry is as it would be written. */
export function read(key, document) {
  try {
    switch (kindOf(key)) {
      case 'queues':
        return readSnapshot(document)
      case 'server':
        return { ...readHeartbeat(key, document), problems: [] }
      case 'quasar':
        return readQuasar(document)
      case 'slow':
        return { slow: slowFields(readSlowEntry(document)), problems: [] }
    }
  } catch (err) {
    if (err.name !== 'ProtocolError') throw err
    return { error: err.message }
  }
  throw new Error(`${key} is no key of a document`)
}
