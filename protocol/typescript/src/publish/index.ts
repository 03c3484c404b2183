/**
 * Publishes documents from inside somebody else's program, without ever harming it: what the packages that report from
 * Node share.
 *
 * @packageDocumentation
 */
export type { BullMQClient, IoredisClient, NodeRedisClient, NodeRedisCluster, RedisClient } from './clients.js'
export { type LocalClock, RedisClock } from './clock.js'
export { type Command, type Connection, connectionTo, type Redis, type Reply } from './connection.js'
export { type OptionKind, optionProblem, ttlProblem } from './options.js'
export { type Publication, publish } from './publish.js'
export { type Reporting, type ReportingOptions, sayTo, startReporting } from './reporting.js'
export { Recurring, timesInWords } from './trouble.js'
