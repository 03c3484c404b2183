// A list of any length in which only the lines near the screen exist.

import { batch, signal, useSignal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { assignSlots } from './slots.js'

const AHEAD = 4 // lines beyond the screen's edges, so that a slow frame shows no blank
const PRINTED = 2_000 // on paper there is no scrolling

const FAST = 10 // lines a frame: faster than anybody reads
const LANDED = 120 // ms without such a frame

/** Whether lines fly by: then they show little. */
export const flying = signal(false)
let landing: ReturnType<typeof setTimeout> | undefined

function fly(): void {
  flying.value = true
  clearTimeout(landing)
  landing = setTimeout(() => { flying.value = false }, LANDED)
}

const narrowScreen = matchMedia('(max-width: 820px)')
/** Whether lines are two rows of text high. */
export const narrow = signal(narrowScreen.matches)
narrowScreen.addEventListener('change', () => { narrow.value = narrowScreen.matches })

/** The height of a line in pixels: style/queues.css has the same. */
export const lineHeight = (): number => (narrow.value ? 52 : 32)

interface Props {
  count: number
  /** What a line shows, by a name of its own. */
  id: (index: number) => string
  line: (index: number) => VNode | null
  /** Takes the element that the lines stand in, to scroll to one of them. */
  bodyRef?: { current: HTMLElement | null }
}

export function VirtualLines({ count, id, line, bodyRef }: Props): VNode {
  const body = useRef<HTMLDivElement>(null)
  const range = useSignal<[number, number]>([0, 60])
  const slots = useRef(new Map<string, number>())
  const height = lineHeight()

  useLayoutEffect(() => {
    if (bodyRef) bodyRef.current = body.current
    let frame = 0
    const look = () => {
      frame = 0
      if (!body.current) return
      const top = -body.current.getBoundingClientRect().top
      const first = Math.max(0, Math.floor(top / height) - AHEAD)
      const last = Math.min(count, Math.ceil((top + innerHeight) / height) + AHEAD)
      const [a, b] = range.peek()
      if (a === first && b === last) return
      batch(() => {
        if (Math.abs(first - a) > FAST) fly()
        range.value = [first, Math.max(first, last)]
      })
    }
    const later = () => { frame ||= requestAnimationFrame(look) }
    const print = () => { range.value = [0, Math.min(count, PRINTED)] }
    look()
    addEventListener('scroll', later, { passive: true })
    addEventListener('resize', later)
    addEventListener('beforeprint', print)
    addEventListener('afterprint', later)
    // What stands above may grow or shrink.
    const above = new ResizeObserver(later)
    above.observe(document.body)
    return () => {
      cancelAnimationFrame(frame)
      removeEventListener('scroll', later)
      removeEventListener('resize', later)
      removeEventListener('beforeprint', print)
      removeEventListener('afterprint', later)
      above.disconnect()
    }
  }, [count, height])

  const [first, end] = range.value
  const last = Math.min(end, count)
  const ids: string[] = []
  for (let i = first; i < last; i++) ids.push(id(i))
  const before = slots.current
  slots.current = assignSlots(ids, before)
  leaveFocus(body.current, before, slots.current)
  return (
    <div class="lines" role="rowgroup" ref={body} style={{ height: `${count * height}px` }}>
      <div class="window" role="presentation" style={{ transform: `translateY(${first * height}px)` }}>
        {ids.map((name, i) => <Line key={slots.current.get(name)} at={first + i} show={line} />)}
      </div>
    </div>
  )
}

/** What a line shows is made in here, so that its element stays when a slot shows another line. */
const Line = ({ at, show }: { at: number; show: (index: number) => VNode | null }): ComponentChild => show(at)

/** A press of Enter must not open the line that took over the element of the one that had the focus. */
function leaveFocus(body: HTMLElement | null, before: Map<string, number>, after: Map<string, number>): void {
  const focused = document.activeElement
  const line = focused instanceof HTMLElement && body?.contains(focused) ? focused.closest<HTMLElement>('[data-line]')?.dataset['line'] : undefined
  if (line !== undefined && before.has(line) && !after.has(line)) (focused as HTMLElement).blur()
}
