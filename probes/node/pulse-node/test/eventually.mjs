import { setTimeout as delay } from 'node:timers/promises'

/** Waits until f returns something true, and returns that. */
export async function eventually(f, ms = 30_000) {
  for (const end = Date.now() + ms; ; await delay(20)) {
    const found = await Promise.resolve(f()).catch((err) => {
      if (Date.now() > end) throw err
    })
    if (found) return found
    if (Date.now() > end) throw new Error(`it never came: ${f}`)
  }
}
