// What is copied out of the drawer, for other tools. Names are foreign text: each tool's own quoting keeps them text. Pure.

import { plain } from '../format.js'
import type { QueueItem, ServerItem } from '../model.js'
import { str } from '../view.js'

/** What each tool takes, made when it is asked for. */
export type Copies = Record<string, () => string>

/** base is where the page is: its directory. */
export function copiesOfQueue(item: QueueItem, base: string): Copies {
  const url = apiURL(base, 'api/v1/queues', { app: item.app, queue: item.key })
  return {
    JSON: () => json(item.queue),
    curl: () => curl(url),
    KEDA: () => `triggers:
  - type: metrics-api
    metadata:
      url: ${JSON.stringify(url)}
      format: json
      valueLocation: "queues.0.backlog"
      targetValue: "10"
      authMode: bearer
    authenticationRef:
      name: pulse-token
`,
    PromQL: () => `pulse_queue_jobs${selector({ app: item.app, queue: item.name, driver: item.driver, source: str(item.queue.source) })}`,
  }
}

export function copiesOfServer(item: ServerItem, base: string): Copies {
  return {
    JSON: () => json(item.server),
    curl: () => curl(apiURL(base, 'api/v1/view', { app: item.app })),
    PromQL: () => selector({ __name__: 'pulse_(server|process)_.+', app: item.app, server: item.name }).replace('=', '=~'),
  }
}

function json(row: object): string {
  try {
    return JSON.stringify(row, null, 2)
  } catch {
    return plain(row) // says that it is nested too deep
  }
}

/** Whatever is no letter or digit of a name is escaped, so no tool reads it as its own. */
function apiURL(base: string, path: string, query: Record<string, string>): string {
  const url = new URL(path, base)
  url.search = new URLSearchParams(query).toString()
  return url.href
}

const curl = (url: string) => `curl -H "Authorization: Bearer $PULSE_TOKEN" '${url.replaceAll("'", `'\\''`)}'`

/** JSON's escapes are a part of PromQL's. */
const selector = (labels: Record<string, string>) =>
  `{${Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}}`
