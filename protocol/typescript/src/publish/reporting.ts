import { Recurring, timesInWords } from './trouble.js'

/** What is reported again and again. */
export interface ReportingOptions {
  /** What it is, for the log, such as `heartbeats of shop/web-1`. */
  readonly what: string
  /** Between the beginnings of two reports, in milliseconds. */
  readonly intervalMs: number
  /** How long a report may take before the log says so, in milliseconds. */
  readonly timeoutMs: number
  /** Gets one line when reporting begins to fail, and one when it works again, at most one pair in ten minutes. */
  readonly log: (line: string) => unknown
  /** Reports once; rejects with a sentence where it could not. It is never called before it has ended. */
  report(): Promise<void>
  /** Called when a report has taken too long, so that what is under way can be ended. */
  giveUp?(): void
}

/** What {@link startReporting} started. */
export interface Reporting {
  /**
   * Ends it. Resolves when the report that is under way has ended, and after it `last`, or when that took as long as
   * one report may take.
   */
  stop(last?: () => Promise<void>): Promise<void>
}

/** Writes lines to a program's log. A log that fails does not end the program. */
export function sayTo(log: (line: string) => unknown): (line: string) => void {
  return (line) => {
    try {
      Promise.resolve(log(`gravito-pulse: ${line}`)).catch(() => {})
    } catch {
      // The log itself failed: there is nowhere to say so.
    }
  }
}

/** After how long a first failure is tried again, in milliseconds, before the log says so. */
const secondTryMs = 1_000

/**
 * Reports at once, and then at every interval. Nothing is thrown, and no timer keeps the process alive. One report is
 * under way at a time: while a Redis that hangs keeps one, no other begins.
 */
export function startReporting(options: ReportingOptions): Reporting {
  const { what, intervalMs, timeoutMs, report } = options
  const say = sayTo(options.log)
  let underWay: Promise<void> | undefined
  const trouble = new Recurring()
  let failures = 0
  let isStopped = false
  let secondTry: NodeJS.Timeout | undefined

  const failed = (reason: string): void => {
    failures++
    if (isStopped) return
    if (failures === 1 && intervalMs > secondTryMs) {
      secondTry = setTimeout(begin, secondTryMs).unref()
      return
    }
    const times = trouble.there()
    if (times > 0) say(`cannot publish ${what}: ${reason}; will try again every ${intervalMs / 1000} s until it works${timesInWords(times)}`)
  }
  const worked = (): void => {
    failures = 0
    if (trouble.gone()) say(`publishes ${what} again`)
  }
  const run = async (): Promise<void> => {
    let isLate = false
    const late = setTimeout(() => {
      isLate = true
      failures++ // it was tried for long enough
      failed(`nothing came back within ${timeoutMs / 1000} s`)
      options.giveUp?.()
    }, timeoutMs).unref()
    try {
      await report()
      if (!isLate) worked()
    } catch (err) {
      if (!isLate) failed(err instanceof Error ? err.message : String(err))
    } finally {
      clearTimeout(late)
      underWay = undefined
    }
  }
  function begin(): void {
    if (!isStopped) underWay ??= run()
  }

  const timer = setInterval(begin, intervalMs).unref()
  begin()
  return {
    async stop(last) {
      isStopped = true
      clearInterval(timer)
      clearTimeout(secondTry)
      let limit: NodeJS.Timeout | undefined
      const tooLong = new Promise<void>((resolve) => (limit = setTimeout(resolve, timeoutMs)))
      const ended = Promise.resolve(underWay).then(last)
      await Promise.race([ended.catch(() => {}), tooLong])
      clearTimeout(limit)
    },
  }
}
