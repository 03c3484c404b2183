// Which element of a list shows which line. Pure.

/**
 * A line keeps its element; one that comes into sight takes that of one that left. To change an element costs
 * a fraction of what it costs to make one.
 */
export function assignSlots(ids: string[], before: Map<string, number>): Map<string, number> {
  const stay = new Set(ids)
  const free: number[] = []
  for (const [id, slot] of before) if (!stay.has(id)) free.push(slot)
  let next = Math.max(-1, ...before.values()) + 1
  return new Map(ids.map((id) => [id, before.get(id) ?? free.shift() ?? next++]))
}
