/** A document that has nothing usable, or that may not be written. Its message is a sentence for a person, or one a line. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** Throws all of what is wrong, if anything is. */
export function refuse(problems: readonly (string | undefined)[]): void {
  const found = problems.filter((problem) => problem !== undefined)
  if (found.length > 0) throw new ProtocolError(found.join('\n'))
}
