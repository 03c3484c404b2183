// Keeps the view current: the event stream, and polling whenever that has nothing to say.

import { ask } from './ask.js'
import { t } from './messages.js'
import { mergePatch } from './patch.js'
import { isObject, type View } from './view.js'

export type Connection = 'connecting' | 'live' | 'polling' | 'reconnecting'

const POLL = 5_000
const GRACE = 2_000 // a stream that ends as planned is back within this
const FIRST = 15_000 // a stream without its view by then is being buffered somewhere
const SILENCE = 20_000 // a stream this quiet has nothing to say, or is dead: asking anew shows which
const BRIEF = 4_000 // a stream that ends this soon is a whole answer, not a stream
const RETRY = 5_000
const RETRY_MOST = 60_000
// A browser opens six connections to a host: tabs that nobody looks at must leave some to the next. Their
// title is still read, so they ask now and then.
const HIDDEN = 30_000
const HIDDEN_POLL = 60_000

export class Live {
  view: View | undefined
  /** Why the last attempt failed, for a person. */
  failure = ''
  /** When the server was last heard, by this machine's clock. */
  heard = 0

  #stream: EventSource | undefined
  #synced = false // the stream has sent its view: patches apply to what we hold
  #began = 0
  #ended = 0
  #retryAt = 0
  #refusals = 0
  #briefs = 0
  #polled = 0
  #polling = false
  #pollWorks = false
  #hiddenAt = Infinity
  #resting = false
  #onView

  /** streamed: it is the whole view, straight from the stream. */
  constructor(onView: (view: View, streamed: boolean) => void) {
    this.#onView = onView
  }

  start(): void {
    this.#ended = Date.now()
    this.#open()
    addEventListener('online', () => this.#resting || this.#open())
    document.addEventListener('visibilitychange', () => this.#look())
    this.#look()
  }

  get state(): Connection {
    const now = Date.now()
    const quiet = now - this.heard
    if (!this.view) return 'connecting'
    if (this.#resting) return quiet < 3 * HIDDEN_POLL ? 'polling' : 'reconnecting'
    if (this.#synced && quiet < SILENCE && (!this.#briefs || now - this.#began > BRIEF)) return 'live'
    if (!this.#synced && !this.#briefs && !this.#pollWorks && now - this.#ended < GRACE && quiet < SILENCE + GRACE) return 'live'
    return (this.#pollWorks || this.#synced) && quiet < 3 * POLL ? 'polling' : 'reconnecting'
  }

  /** Once a second. */
  tick(): void {
    const now = Date.now()
    if (!this.#resting && now - this.#hiddenAt >= HIDDEN) {
      this.#resting = true
      this.#close()
    }
    if (this.#resting) {
      if (now - Math.max(this.heard, this.#polled) >= HIDDEN_POLL) void this.#poll()
      return
    }
    if (this.#stream && this.#synced && now - this.heard > SILENCE) {
      this.#ended = now
      this.#open()
    } else if (this.#stream && !this.#synced && now - this.#began > FIRST) {
      this.#later()
    } else if (!this.#stream && now >= this.#retryAt) {
      this.#open()
    }
    if (!this.#synced && now - this.#ended >= GRACE && now - this.#polled >= POLL) void this.#poll()
  }

  /** A tab that is looked at again opens its stream, which begins with the whole view. */
  #look(): void {
    this.#hiddenAt = document.hidden ? Date.now() : Infinity
    if (document.hidden || !this.#resting) return
    this.#resting = false
    this.#ended = Date.now()
    this.#open()
  }

  #close(): void {
    this.#stream?.close()
    this.#stream = undefined
    this.#synced = false
  }

  #open(): void {
    this.#close()
    this.#began = Date.now()
    const stream = (this.#stream = new EventSource('api/v1/stream'))
    const guarded = (use: (data: unknown) => void) => (event: MessageEvent<string>) => {
      if (stream !== this.#stream) return
      try {
        use(JSON.parse(event.data))
      } catch (error) {
        // What we hold may no longer be what the next patch is made for.
        this.failure = t('live.unreadable', { error: error instanceof Error ? error.message : String(error) })
        this.#later()
      }
    }
    stream.addEventListener('view', guarded((view) => {
      this.#began = Date.now()
      this.#synced = true
      this.#refusals = 0
      this.#pollWorks = false
      this.#accept(whole(view), true)
    }))
    stream.addEventListener('patch', guarded((patch) => {
      if (this.#synced) this.#accept(mergePatch(this.view, patch) as View, false)
    }))
    stream.addEventListener('error', () => {
      if (stream !== this.#stream) return
      const now = Date.now()
      if (this.#synced) {
        this.#briefs = now - this.#began < BRIEF ? this.#briefs + 1 : 0
        this.#pollWorks = this.#briefs > 0
        this.#ended = now
      }
      this.#synced = false
      this.#began = now
      // CLOSED: the answer was not 200, and the browser will not ask again by itself.
      if (stream.readyState === EventSource.CLOSED || this.#briefs > 1) this.#later()
    })
  }

  /** Leaves the stream and polls until it is worth another try. */
  #later(): void {
    this.#close()
    const wait = Math.min(RETRY_MOST, RETRY * 2 ** Math.min(this.#refusals++ + this.#briefs, 8))
    this.#retryAt = Date.now() + wait * (0.75 + Math.random() / 2)
    void this.#poll()
  }

  async #poll(): Promise<void> {
    if (this.#polling) return
    this.#polling = true
    this.#polled = Date.now()
    try {
      const view = await ask('api/v1/view')
      if (!this.#synced) {
        this.#pollWorks = true
        this.#accept(whole(view), false)
      }
    } catch (error) {
      this.#pollWorks = false
      this.failure = error instanceof Error ? error.message : String(error)
    } finally {
      this.#polling = false
    }
  }

  #accept(view: View, streamed: boolean): void {
    this.view = view
    this.heard = Date.now()
    this.failure = ''
    // A fault in showing it is not a fault in getting it, and must not be taken for one.
    queueMicrotask(() => this.#onView(view, streamed))
  }
}

function whole(body: unknown): View {
  if (!isObject(body)) throw new Error(t('live.noview'))
  return body as View
}
