export * from './keys.js'
export type * from './types.js'
