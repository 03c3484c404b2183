// Bee-Queue's queues for Gravito Pulse, as a WebAssembly adapter. docs/adapters.md says what its exports are for.
//
// Settings: app, source, prefix (bq), queues (comma-separated; those with a key {prefix}:{q}:id if unset).
//   waiting  LLEN {prefix}:{q}:waiting        delayed  ZCARD {prefix}:{q}:delayed
//   active   LLEN {prefix}:{q}:active         failed   SCARD {prefix}:{q}:failed, which is a set
//
// Queues are looked for with SCAN, in parts: a poll takes so many rounds of it, the next goes on, and after
// a whole walk it rests. A queue that a whole walk doesn't see is forgotten.
import {
  ARRAY, BROKEN, INTEGER, REFUSAL, TEXT, broken, fail, isAll, json, kind, next, noProblems, number, problem, problems,
  read, request, result, text, why,
} from "./pulse"
export { pulse_abi, pulse_alloc } from "./pulse"

const MAX_QUEUES = 2000, MAX_NAME = 1024
const SCAN_ROUNDS = 20, SCAN_COUNT = "5000", REST: i64 = 30_000

const parts = ["waiting", "active", "delayed", "failed"]
const commands = ["LLEN", "LLEN", "ZCARD", "SCARD"]

let app = "", source = "", prefix = "bq"
let named = false                    // queues are named by the settings, and not looked for
let queues = new Set<string>()       // what is counted
let seen = new Set<string>()         // by the walk under way
let cursor = "0", rounds = 0         // where that is, and its rounds in this poll
let restUntil: i64 = 0, walked = false
let leftOut = "", leftOutNow = ""    // why queues are, by the last whole walk and the one under way
let now: i64 = 0, scanning = false, refused = false

// Asks for the next part of the walk.
function scan(): u64 {
  let literal = ""
  for (let i = 0; i < prefix.length; i++) {
    literal += ("*?[]\\".includes(prefix.charAt(i)) ? "\\" : "") + prefix.charAt(i)
  }
  scanning = true
  return result("R", [request(["SCAN", cursor, "MATCH", literal + ":*:id", "COUNT", SCAN_COUNT])])
}

// Takes the queues of a part of the walk; asks for the next part, or for the counts.
function found(): u64 {
  next()
  if (kind == REFUSAL) {
    problem("", "find queues: SCAN: " + why())
    cursor = "0" // the next poll begins anew
    refused = true
    return count()
  }
  if (kind != ARRAY || number != 2) return broken()
  next()
  const to = kind == TEXT ? text() : null
  if (to == null || to.length == 0) return broken()
  next()
  if (kind != ARRAY) return broken()
  for (let left = number; left > 0; left--) {
    next()
    if (kind != TEXT) return broken()
    const key = text(), start = prefix + ":"
    if (key == null) {
      leftOutNow = "the name of one is not UTF-8"
      continue
    }
    if (!key.startsWith(start) || !key.endsWith(":id") || key.length < start.length + 4) continue
    const name = key.slice(start.length, -3)
    if (String.UTF8.byteLength(name) > MAX_NAME) {
      leftOutNow = "the name of one has more than 1024 bytes"
    } else if (!seen.has(name) && seen.size == MAX_QUEUES) {
      leftOutNow = "there is room for 2000; set queues to those that matter"
    } else {
      seen.add(name)
      if (queues.size < MAX_QUEUES) queues.add(name)
    }
  }
  if (!isAll()) return broken()
  cursor = to
  if (cursor != "0") return ++rounds < SCAN_ROUNDS ? scan() : count()
  queues = seen
  seen = new Set<string>()
  leftOut = leftOutNow
  leftOutNow = ""
  walked = true
  restUntil = now + REST
  return count()
}

// Asks for the counts of all queues.
function count(): u64 {
  scanning = false
  const names = queues.values(), out: string[] = []
  for (let i = 0; i < names.length; i++)
    for (let c = 0; c < 4; c++) out.push(request([commands[c], prefix + ":" + names[i] + ":" + parts[c]]))
  return names.length > 0 ? result("R", out) : counted()
}

// Takes the counts, and makes the snapshot.
function counted(): u64 {
  const names = queues.values(), out: string[] = []
  let refusal = ""
  for (let i = 0; i < names.length; i++) {
    let metrics = "", absent = ""
    for (let c = 0; c < 4; c++) {
      next()
      if (kind == BROKEN) return broken()
      if (kind == INTEGER && number >= 0) metrics += ",\"" + parts[c] + "\":" + number.toString()
      else absent += (absent.length > 0 ? "; " : "") + parts[c] + " is absent: " + commands[c] + ": " + why()
    }
    if (!metrics.startsWith(",\"waiting")) {
      refusal = absent
      problem(names[i], "it is left out: " + absent)
      continue
    }
    const error = absent.length > 0 ? ",\"error\":" + json(absent) : ""
    const rest = metrics.slice(1) + "},\"meta\":{\"driver\":\"bee-queue\"" + error + "}}"
    out.push("{\"name\":" + json(names[i]) + ",\"driver\":\"other\",\"metrics\":{" + rest)
  }
  if (!isAll()) return broken()
  if (names.length > 0 && out.length == 0) return fail("no queue of Bee-Queue's can be read: " + refusal)
  const left = leftOut.length > 0 ? leftOut : leftOutNow
  if (left.length > 0) problem("", "queues are left out: " + left)
  if (!named && !walked && !refused) {
    problem("", "still looking for queues, this Redis has many keys; set queues to their names")
  } else if (names.length == 0 && !refused) {
    problem("", "no key is called " + prefix + ":*:id: there is no queue yet, or the prefix is another one")
  }
  const by = source.length > 0 ? ",\"source\":" + json(source) : ""
  const head = "{\"timestamp\":" + now.toString() + ",\"app\":" + json(app) + by + ",\"queues\":["
  return result("S", [head, out.join(","), "],\"problems\":[", problems.join(","), "]}"])
}

export function pulse_describe(): u64 {
  const commands = "[\"LLEN\",\"SCAN\",\"SCARD\",\"ZCARD\"]"
  return result("", ["{\"name\":\"beequeue\",\"version\":\"1\",\"source\":\"redis\",\"commands\":" + commands + "}"])
}

export function pulse_open(ptr: usize, size: i32): u64 {
  read(ptr, size)
  next()
  if (kind != ARRAY) return broken()
  let list = ""
  for (let left = number; left > 0; left -= 2) {
    next()
    const name = kind == TEXT ? text() : null
    next()
    const value = kind == TEXT ? text() : null
    if (name == null || value == null) return fail("its settings are to be text in UTF-8")
    if (name == "app") app = value
    else if (name == "source") source = value
    else if (name == "prefix") prefix = value
    else if (name == "queues") list = value
    else return fail("it takes the settings prefix and queues, and none that is called " + name)
  }
  if (prefix.length > 256 || list.length > 256 << 10) return fail("prefix takes at most 256 characters, queues 256 Ki")
  const given = list.split(",")
  for (let i = 0; i < given.length; i++) {
    const name = given[i].trim()
    if (name == "*") { // all, as without it
      queues.clear()
      break
    }
    if (name.length > 0) queues.add(name)
    if (String.UTF8.byteLength(name) > MAX_NAME || queues.size > MAX_QUEUES) {
      return fail("queues takes up to 2000 names of up to 1024 bytes, comma-separated")
    }
  }
  named = queues.size > 0
  return result("K", [])
}

// Nothing but the variables above refers to memory while none of these functions runs: the time to collect.
export function pulse_poll(now_ms: i64): u64 {
  __collect()
  now = now_ms
  rounds = 0
  refused = false
  noProblems()
  read(0, 0)
  return named || now < restUntil ? count() : scan()
}

export function pulse_next(ptr: usize, size: i32): u64 {
  __collect()
  read(ptr, size)
  return scanning ? found() : counted()
}
