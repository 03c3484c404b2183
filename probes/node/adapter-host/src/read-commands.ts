/**
 * The Redis commands that only read, which are all that may be sent, each with which of its words is its
 * key, counted from the first word's 0; 0 is none. The Go host has the same list: a test there compares.
 */
export const readCommands: ReadonlyMap<string, number> = new Map([
  ['CLIENT INFO', 0],
  ['CLIENT LIST', 0],
  ['CLUSTER INFO', 0],
  ['EXISTS', 1],
  ['GET', 1],
  ['HEXISTS', 1],
  ['HGET', 1],
  ['HGETALL', 1],
  ['HLEN', 1],
  ['HMGET', 1],
  ['HSCAN', 1],
  ['LINDEX', 1],
  ['LLEN', 1],
  ['LRANGE', 1],
  ['PTTL', 1],
  ['ROLE', 0],
  ['SCAN', 0],
  ['SCARD', 1],
  ['SISMEMBER', 1],
  ['SMEMBERS', 1],
  ['SSCAN', 1],
  ['STRLEN', 1],
  ['TTL', 1],
  ['TYPE', 1],
  ['XINFO GROUPS', 2],
  ['XINFO STREAM', 2],
  ['XLEN', 1],
  ['XRANGE', 1],
  ['ZCARD', 1],
  ['ZCOUNT', 1],
  ['ZRANGE', 1],
  ['ZSCAN', 1],
  ['ZSCORE', 1],
])

/** Those of them whose answer is small whatever is in the key. The Go host has the same: a test there compares. */
export const sized: ReadonlySet<string> = new Set([
  'CLIENT INFO', 'CLUSTER INFO', 'EXISTS', 'HEXISTS', 'HLEN', 'LLEN', 'PTTL', 'SCARD', 'SISMEMBER', 'STRLEN', 'TTL', 'TYPE',
  'XLEN', 'ZCARD', 'ZCOUNT', 'ZSCORE',
])

/** The commands that have subcommands: their name is their first two words. */
export const withSubcommands: ReadonlySet<string> = new Set(['CLIENT', 'CLUSTER', 'XINFO'])

/** The operations of SQS that only read. Each takes its input as JSON. */
export const readOperations: ReadonlySet<string> = new Set(['GetQueueAttributes', 'GetQueueUrl', 'ListQueues'])
