// When a queue will be empty, in words.

import { about } from '../format.js'
import { metric, type QueueItem } from '../model.js'
import { num } from '../view.js'

/** "≈ 6 min (4–11)"; nothing of a queue that is empty, or where it is not known. */
export function drainOf(item: QueueItem): string {
  const seconds = metric(item, 'waiting') === 0 ? undefined : num(item.queue.trend?.['drain_seconds'])
  return seconds === undefined ? '' : about(seconds, item.queue.trend?.['drain_range'])
}
