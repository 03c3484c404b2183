// The charts of a queue: each number on its own scale from 0, all on one axis of time and under one cursor.

import { signal, useSignal, type Signal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { choice, choose, HOURS } from '../choice.js'
import { compact, count } from '../format.js'
import { historyOf, type Column, type Range } from '../history.js'
import { language, t } from '../messages.js'
import type { Sums } from '../model.js'
import { Time } from './text.js'

const SHOWN = ['waiting', 'active', 'failed', 'delayed'] as const
const HEIGHT = 72
const AXIS = 22 // the time's, below the last chart
const SCALE = 46 // the numbers', left of each

/** Rises when the colours change. */
const theme = signal(0)
const turned = () => { theme.value++ }
for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) matchMedia(query).addEventListener('change', turned)
new MutationObserver(turned).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })

/** The last hours of a queue, by its key in history. */
export function Charts({ of: key }: { of: string }): VNode {
  const hours = choice.value.hours
  const range = historyOf(key, hours * 60)
  /** The minute under the cursor; it stays when the cursor leaves, to be read. */
  const at = useSignal<number | undefined>(undefined)
  const shown = range ? SHOWN.filter((name) => range.columns[name]?.some((v) => v !== null)) : []
  return (
    <section class="charts" aria-label={t('detail.charts')} aria-busy={!range}>
      <div class="charts-head">
        <div class="hours" role="group" aria-label={t('detail.hours')}>
          {HOURS.map((h) => <button key={h} type="button" aria-pressed={h === hours} data-hours={h} onClick={() => { at.value = undefined; choose({ hours: h }) }}>{t('unit.h', { n: String(h) })}</button>)}
        </div>
        <Moment range={range} at={at} />
      </div>
      {range && !shown.length && <p class="muted">{t('detail.charts.none')}</p>}
      {!range && <div class="charts-room" />}
      {range && shown.map((name, i) => <Chart key={`${hours} ${name}`} name={name} range={range} at={at} hasAxis={i === shown.length - 1} />)}
    </section>
  )
}

/** The time under the cursor. */
function Moment({ range, at }: { range: Range | undefined; at: Signal<number | undefined> }): VNode {
  return <span class="at muted">{range && at.value !== undefined ? <Time at={range.from + at.value * 60_000} /> : t('detail.charts.hint')}</span>
}

interface Props {
  name: keyof Sums
  range: Range
  at: Signal<number | undefined>
  hasAxis: boolean
}

function Chart({ name, range, at, hasAxis }: Props): VNode {
  const host = useRef<HTMLDivElement>(null)
  const drawn = useRef<uPlot | undefined>(undefined)
  const column = range.columns[name]!
  useEffect(() => {
    const element = host.current!
    const plot = new uPlot(optionsOf(element, hasAxis, at), dataOf(range, column), element)
    drawn.current = plot
    const fit = new ResizeObserver(() => {
      if (element.clientWidth && element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: plot.height })
    })
    fit.observe(element)
    const paint = theme.subscribe(() => plot.redraw(false))
    return () => {
      paint()
      fit.disconnect()
      plot.destroy()
    }
  }, [hasAxis, language.value])
  useEffect(() => drawn.current?.setData(dataOf(range, column)), [range])
  return (
    <figure class="chart" data-chart={name}>
      <figcaption>{t(`queues.${name}`)} <Value column={column} at={at} /></figcaption>
      <div ref={host} class="plot" role="img" aria-label={wordsOf(name, column, range.minutes / 60)} style={{ height: `${HEIGHT + (hasAxis ? AXIS : 0)}px` }} />
    </figure>
  )
}

/** The number under the cursor, else the newest that is known. */
function Value({ column, at }: { column: Column; at: Signal<number | undefined> }): ComponentChild {
  return <b>{count(at.value === undefined ? column.findLast((v) => v !== null) : column[at.value])}</b>
}

/** What the drawing shows, for those who don't see it. */
function wordsOf(name: keyof Sums, column: Column, hours: number): string {
  const known = column.filter((v) => v !== null)
  // The first and the newest minute may not be whole yet.
  const gaps = column.slice(1, -2).includes(null)
  return t('detail.chart.words', {
    name: t(`queues.${name}`), from: known[0] ?? 0, to: known.at(-1) ?? 0, most: known.reduce((a, b) => Math.max(a, b), 0),
    span: t('detail.span', { n: hours }), gaps: gaps ? t('detail.chart.gaps') : '',
  })
}

const dataOf = (range: Range, column: Column): uPlot.AlignedData => [column.map((_, i) => range.from / 1_000 + i * 60), column]

/** A minute alone between gaps, which no line goes through. */
const alone = (column: ArrayLike<unknown>): number[] =>
  Array.from(column, (v, i) => (v != null && column[i - 1] == null && column[i + 1] == null ? i : -1)).filter((i) => i >= 0)

/** A round number that is no less. */
function roof(n: number): number {
  const size = 10 ** Math.floor(Math.log10(Math.max(1, n)))
  return [1, 2, 4, 5, 10].map((f) => f * size).find((r) => r >= n) ?? n
}

function optionsOf(element: HTMLElement, hasAxis: boolean, at: Signal<number | undefined>): uPlot.Options {
  // Canvas knows no custom property: the element has the colours as its own.
  const colours = () => getComputedStyle(element)
  const axis = { stroke: () => colours().columnRuleColor, font: '11px system-ui, sans-serif', ticks: { show: false } }
  const clock = new Intl.DateTimeFormat(language.value, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  return {
    width: element.clientWidth || 300,
    height: HEIGHT + (hasAxis ? AXIS : 0),
    padding: [6, 16, hasAxis ? 0 : 6, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: 'detail', scales: ['x', null] } },
    hooks: { setCursor: [({ cursor: { idx, left } }) => { if (idx != null && (left ?? -1) >= 0) at.value = idx }] },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, roof(most ?? 1)] } },
    series: [{}, {
      stroke: () => colours().color,
      fill: () => colours().caretColor,
      width: 1.5,
      points: { show: true, size: 5, filter: (u, i) => alone(u.data[i]!) },
    }],
    axes: [
      { ...axis, show: hasAxis, size: AXIS, space: 56, incrs: [600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600], grid: { show: false },
        values: (_, times) => times.map((s) => clock.format(s * 1_000)) },
      { ...axis, size: SCALE, splits: (_, __, least, most) => [least, most], values: (_, numbers) => numbers.map(compact), grid: { stroke: () => colours().borderTopColor, width: 1 } },
    ],
  }
}
