// JSON Merge Patch, RFC 7396.

import { isObject, type Fields } from './view.js'

// Past this depth a value is replaced whole: a hostile meta nested thousands deep must not exhaust the stack.
const DEEPEST = 64

/**
 * The target with the patch applied. Neither is changed, and what the patch does not name is the same
 * object in the result, so identity tells a changed row from an unchanged one.
 */
export function mergePatch(target: unknown, patch: unknown, depth = 0): unknown {
  if (!isObject(patch) || depth > DEEPEST) return patch
  const merged: Fields = isObject(target) ? { ...target } : {}
  for (const key of Object.keys(patch)) {
    const value = patch[key]
    const before = Object.hasOwn(merged, key) ? merged[key] : undefined // no "constructor" that objects inherit
    if (value === null) delete merged[key]
    else if (key === '__proto__') Object.defineProperty(merged, key, { value: mergePatch(before, value, depth + 1), enumerable: true, configurable: true, writable: true })
    else merged[key] = mergePatch(before, value, depth + 1)
  }
  return merged
}
