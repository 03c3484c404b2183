/** What a module may use. What is left out of {@link Options.limits} is the adapter ABI's default. */
export interface Limits {
  /** How often one poll may ask before it must have its snapshot. Default 64. */
  rounds: number
  /** Requests a round. Default 200,000. */
  requests: number
  /** Bytes of all arguments of a round's requests. Default 16 MiB. */
  requestBytes: number
  /** Bytes of memory an instance. A module that asks for more is told that there is none. Default 64 MiB. */
  memoryBytes: number
  /** Milliseconds that the guest's own code may run in one poll; the wait for replies is not counted. Default 5,000. */
  runTime: number
  /** Bytes that the guest may print in one poll; what is beyond is left out of the log. Default 8 KiB. */
  outputBytes: number
  /** Bytes of a module. Default 16 MiB. */
  moduleBytes: number
}

export const defaultLimits: Limits = {
  rounds: 64,
  requests: 200_000,
  requestBytes: 16 << 20,
  memoryBytes: 64 << 20,
  runTime: 5_000,
  outputBytes: 8 << 10,
  moduleBytes: 16 << 20,
}

/** The defaults with what the caller changed. */
export function limitsOf(changed: Partial<Limits> = {}): Limits {
  const limits = { ...defaultLimits }
  for (const [name, value] of Object.entries(changed)) {
    if (!(name in limits)) throw new TypeError(`there is no limit ${name}: there are ${Object.keys(limits).join(', ')}`)
    if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`limits.${name} is ${value}: it takes a whole number from 1`)
    limits[name as keyof Limits] = value
  }
  return limits
}
