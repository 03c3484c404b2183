import vm from 'node:vm'
import { Broken } from './errors.js'

/*
 * WebAssembly runs on Node's own thread, and nothing of JavaScript runs beside it. What can stop it is
 * the thread that node:vm starts to watch over a script with a time limit: it ends what the script
 * called, too, a WebAssembly loop included.
 */

let box: { call: (() => unknown) | undefined } | undefined
let script: vm.Script | undefined

/** Runs f, at most for `ms` milliseconds. */
export function runFor<T>(ms: number, f: () => T): T {
  box ??= vm.createContext({ call: undefined }) as { call: undefined }
  script ??= new vm.Script('call()')
  box.call = f
  try {
    return script.runInContext(box, { timeout: Math.max(1, Math.ceil(ms)) }) as T
  } catch (err) {
    if ((err as NodeJS.ErrnoException | undefined)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new Broken('ran for too long')
    throw err
  } finally {
    box.call = undefined
  }
}
