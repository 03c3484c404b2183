import type { Counts } from './counts.js'
import type { QueueKeys } from './keys.js'

/**
 * How far from its end a list is searched for a marker. A longer list may count one too many until its workers have
 * come that far.
 */
export const markerDepth = 200

/**
 * Whether to search the queue's lists for a marker between the ends that were looked at. It is pushed on an empty list
 * only, and gets between jobs where LIFO or prioritized ones came after it and others before it. Newer versions make
 * none, but may have one left from before an upgrade; so they are searched once, and where one was found as long as it
 * may be there.
 */
export function mustSearch(queue: QueueKeys, counts: Counts): boolean {
  const [wait, paused] = [counts.length('wait'), counts.length('paused')]
  if (wait + paused === 0) {
    queue.isMarkerHidden = false
    return false
  }
  const { makesMarkers } = counts
  if (counts.isMarked) {
    queue.isMarkerHidden = !makesMarkers
    return false
  }
  if (wait < 3 && paused < 3) {
    queue.isMarkerHidden &&= paused > 0 // the ends of wait are all of it
    return false
  }
  if (!makesMarkers && queue.isSearched && !queue.isMarkerHidden) return false
  queue.isSearched = !makesMarkers
  return true
}

/**
 * Remembers a marker of before an upgrade that was found between jobs. One that was and isn't any more has been taken
 * by a worker, or is further from the end than the search went: a LIFO job does that. Only where the search went
 * through the whole list is it surely gone.
 */
export function endSearch(queue: QueueKeys, counts: Counts): void {
  if (counts.isMarked) queue.isMarkerHidden = queue.isSearched
  else if (counts.length('wait') <= markerDepth && counts.length('paused') <= markerDepth) queue.isMarkerHidden = false
  else if (queue.isMarkerHidden) counts.mark()
}
