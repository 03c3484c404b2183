// A list of any length in which only the lines near the screen exist.

import { signal, useSignal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

const AHEAD = 8 // lines beyond the screen's edges, so that a slow frame shows no blank
const PRINTED = 2_000 // on paper there is no scrolling

const narrowScreen = matchMedia('(max-width: 820px)')
/** Whether lines are two rows of text high. */
export const narrow = signal(narrowScreen.matches)
narrowScreen.addEventListener('change', () => { narrow.value = narrowScreen.matches })

/** The height of a line in pixels: style/queues.css has the same. */
export const lineHeight = (): number => (narrow.value ? 52 : 32)

interface Props {
  count: number
  /** The element of a line; its key keeps it the same when lines move. */
  line: (index: number) => VNode | null
  /** Takes the element that the lines stand in, to scroll to one of them. */
  bodyRef?: { current: HTMLElement | null }
}

export function VirtualLines({ count, line, bodyRef }: Props): VNode {
  const body = useRef<HTMLDivElement>(null)
  const range = useSignal<[number, number]>([0, 60])
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
      if (a !== first || b !== last) range.value = [first, Math.max(first, last)]
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

  const [first, last] = range.value
  const lines: ComponentChild[] = []
  for (let i = first; i < Math.min(last, count); i++) lines.push(line(i))
  return (
    <div class="lines" role="rowgroup" ref={body} style={{ height: `${count * height}px` }}>
      <div class="window" role="presentation" style={{ transform: `translateY(${first * height}px)` }}>{lines}</div>
    </div>
  )
}
