// @ts-check
// JSON Merge Patch, RFC 7396.

// Past this depth a value is replaced whole: a hostile meta nested thousands deep must not exhaust the stack.
const DEEPEST = 64;

/** @param {unknown} v @returns {v is Record<string, any>} */
export const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);

/**
 * The target with the patch applied. Neither is changed, and what the patch does not name is the
 * same object in the result, so identity tells a changed row from an unchanged one.
 * Objects have no prototype: a queue named "__proto__" or "constructor" is a name like any other.
 * @param {unknown} target @param {unknown} patch @returns {any}
 */
export function mergePatch(target, patch, depth = 0) {
  if (!isObject(patch) || depth > DEEPEST) return patch;
  const merged = Object.assign(Object.create(null), isObject(target) ? target : null);
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value, depth + 1);
  }
  return merged;
}
