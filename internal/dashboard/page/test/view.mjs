// Views as the aggregator sends them, with what a test says of each queue.

import { appsOf } from '../dist/model.js'

/** A queue of a view: waiting, and what else is said of it. */
export const queue = (name, waiting, rest = {}) => ({ name, driver: 'sqs', status: 'fresh', metrics: { waiting }, ...rest })

/** The apps of a view with these: {shop: {queues: [...], servers, sources, alerts}}. */
export const apps = (of, frozen = false) => appsOf({
  apps: Object.fromEntries(Object.entries(of).map(([name, { queues = [], ...rest }]) =>
    [name, { queues: Object.fromEntries(queues.map((q) => [`${q.driver}/${q.name}`, q])), ...rest }])),
}, frozen)
