import { isName } from '@gravito/pulse-protocol'
import { Broken, quote, shorten } from './errors.js'
import { readCommands } from './read-commands.js'

/** What an adapter says of itself. */
export interface Description {
  readonly name: string
  readonly version: string
  /** The kind of server that its requests are for. */
  readonly source: 'redis' | 'sqs'
  /** The Redis commands or SQS operations it asks. It may ask no other. */
  readonly commands: readonly string[]
}

const maxCommands = 100

/** Reads what `pulse_describe` returned. */
export function parseDescription(text: string): Description {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Broken(`describes itself with ${quote(text)}, which is not JSON`)
  }
  const { name, version, source, commands } = (value ?? {}) as Record<string, unknown>
  if (typeof name !== 'string' || !isName(name)) {
    throw new Broken(`describes its name as ${shown(name)}: it takes letters, digits and . _ @ -, at most 128`)
  }
  if (typeof version !== 'string') throw new Broken(`describes its version as ${shown(version)}: it takes a text`)
  if (source !== 'redis' && source !== 'sqs') throw new Broken(`describes its source as ${shown(source)}: it takes "redis" or "sqs"`)
  if (!Array.isArray(commands) || !commands.every((c) => typeof c === 'string')) {
    throw new Broken(`describes its commands as ${shown(commands)}: it takes a list of names, such as ["LLEN"]`)
  }
  if (commands.length === 0 || commands.length > maxCommands) {
    throw new Broken(`describes ${commands.length} commands: it takes those that it asks, 1 to ${maxCommands}`)
  }
  // What would be refused when it is asked.
  const others = source === 'redis' ? commands.filter((c) => !readCommands.has(c)) : []
  if (others.length > 0) {
    throw new Broken(`describes ${others.map((c) => quote(c, 40)).join(', ')}: a host sends only commands that read, by their names in capitals`)
  }
  return Object.freeze({ name, version: shorten(version, 128), source, commands: Object.freeze([...commands]) })
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : shorten(JSON.stringify(value), 80)
}
