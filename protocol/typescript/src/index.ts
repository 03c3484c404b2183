/**
 * The Gravito Pulse Protocol: what reporters and hosts write to Redis, and what the dashboard reads.
 *
 * Writing is strict, reading is forgiving: most programs need {@link encodeSnapshot} and {@link queuesKey}, or
 * {@link readSnapshot}. Timestamps are Unix milliseconds, sizes bytes, durations milliseconds unless it says seconds,
 * percentages 0 to 100. A count that cannot be known is absent, never 0.
 *
 * @packageDocumentation
 */
export { ProtocolError } from './error.js'
export * from './keys.js'
export * from './limits.js'
export * from './read.js'
export { readSlowEntry, slowFields } from './slow.js'
export { shorten } from './text.js'
export type * from './types.js'
export { encodeHeartbeat, encodeSnapshot, encodeUsableSnapshot, type WrittenSnapshot } from './write.js'
