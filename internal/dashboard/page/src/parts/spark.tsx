// A line of numbers as small as a word.

import type { ComponentChild } from 'preact'
import type { Column } from '../history.js'

const WIDTH = 64
const HEIGHT = 18

/** The paths that were drawn, by what they show. */
const paths = new WeakMap<Column, string>()

/** The last hour of a number; nothing where fewer than two minutes are known. */
export function Spark({ column }: { column: Column | undefined }): ComponentChild {
  if (!column) return <span class="spark" />
  let d = paths.get(column)
  if (d === undefined) paths.set(column, (d = pathOf(column, WIDTH, HEIGHT)))
  return <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true"><path d={d} /></svg>
}

/** From the left edge to the right one; the lowest number shown is 0, so that a level looks as high as it is. A gap is no line. */
export function pathOf(column: Column, width: number, height: number): string {
  const highest = Math.max(1, ...column.filter((v) => v !== null))
  const step = width / Math.max(1, column.length - 1)
  const pad = 1.5
  let d = ''
  let open = false
  for (const [i, v] of column.entries()) {
    if (v === null) {
      open = false
      continue
    }
    const y = height - pad - (v / highest) * (height - 2 * pad)
    // A minute alone between gaps is a dot: a line of no length with round ends.
    d += `${open ? 'L' : 'M'}${round(i * step)} ${round(y)}${!open && column[i + 1] == null ? 'h0' : ''}`
    open = true
  }
  return d
}

const round = (n: number) => Math.round(n * 10) / 10
