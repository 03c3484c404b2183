/** The largest count that every reader of JSON keeps exact: 2^53-1. */
export const maxCount: number = Number.MAX_SAFE_INTEGER
/** The longest queue name that is read or written, in bytes of UTF-8. */
export const maxQueueName = 1024
/** The most queues of one snapshot that are read or written. */
export const maxQueues = 100_000
/** The largest document that is written, in bytes of UTF-8. The dashboard reads no larger one. */
export const maxDocument: number = 8 << 20
/** The most problems of one snapshot; one more says that there were more. */
export const maxProblems = 100
/** How deep a meta nests that is read or written, in levels. */
export const maxMetaNesting = 100
