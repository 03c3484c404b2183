export type { QueueLike } from './queue.js'
export { type QueueReporter, type ReportOptions, reportQueues } from './report.js'
