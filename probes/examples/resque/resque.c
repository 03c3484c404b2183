// Resque's queues for Gravito Pulse, as a WebAssembly adapter. docs/adapters.md says what its exports are for.
//
// Settings: app, source, namespace (resque), queues (comma-separated; all of {namespace}:queues if unset).
//   waiting  LLEN {ns}:queue:{q}
//   active   workers whose {ns}:worker:{id} names the queue; absent where there are more than MAX_WORKERS
//   delayed  absent: Resque itself delays nothing
//   failed   LLEN {ns}:{q}_failed, which the backend RedisMultiQueue keeps. The usual one has a single list,
//            {ns}:failed: while that is empty no queue has any, and else they are absent
#include "pulse.h"

enum { MAX_NAMES = 64 << 10, MAX_NAME = 1024, MAX_QUEUES = 1000, TABLE = 2048 };
enum { MAX_WORKERS = 1000, MAX_ASKED = 512 << 10 }; // bytes of requests that workers may need

static text app, source, ns;
static int64_t now;
static struct queue { text name; int64_t active; } queues[MAX_QUEUES];
static uint16_t table[TABLE]; // a queue's place, counted from 1, by its name's hash
static int count, named;      // queues; of them by the settings
static char name_bytes[MAX_NAMES];
static buffer names = {name_bytes, MAX_NAMES, 0}; // settings and, from kept on, names that a poll found
static int kept, round, workers, active_known;
static enum { NOWHERE, NONE, LISTS } failed; // where failed jobs can be counted

static text keep(text t) {
  put(&names, t);
  return (text){names.at + names.used - t.len, t.len};
}

static struct queue *find(text name, int add) {
  uint32_t slot = 2166136261;
  for (int i = 0; i < name.len; i++) slot = (slot ^ (uint8_t)name.at[i]) * 16777619;
  for (; table[slot %= TABLE]; slot++)
    if (same(queues[table[slot] - 1].name, name)) return &queues[table[slot] - 1];
  if (!add) return 0;
  queues[count].name = keep(name), queues[count].active = 0;
  table[slot] = (uint16_t)++count;
  return &queues[count - 1];
}

static const text no_room = T("there is room for 1000 and 64 KiB of names: set queues to those that matter");

// Adds a queue, or says why not.
static text add(text name) {
  if (name.len == 0 || name.len > MAX_NAME) return T("a name has 1 to 1024 bytes");
  for (text t = name; t.len > 0;) {
    int n = utf8(t);
    if (n == 0) return T("its name is not UTF-8");
    t.at += n, t.len -= n;
  }
  if (find(name, 0)) return T("");
  if (count == MAX_QUEUES || name.len > names.size - names.used) return no_room;
  find(name, 1);
  return T("");
}

// A request whose key is {ns}{before}{name}{after}.
static void ask(text command, text before, text name, text after) {
  text key[] = {ns, before, name, after};
  put(&out, T("*2\r\n$")), number(&out, command.len), put(&out, T("\r\n")), put(&out, command);
  put(&out, T("\r\n$")), number(&out, ns.len + before.len + name.len + after.len), put(&out, T("\r\n"));
  for (int i = 0; i < 4; i++) put(&out, key[i]);
  put(&out, T("\r\n"));
}

// The snapshot, written while the replies to the second round are read.
static uint64_t counted(void) {
  for (int i = 0; i < workers; i++) {
    reply r = next();
    text name = text_of(r.text, T("queue"));
    struct queue *q = find(name, 0);
    if (!r.kind) return broken();
    if (r.kind == 'n') continue; // it has nothing to do
    if (r.kind == '$' && name.at) {
      if (q) q->active++; // else it is another's, that we weren't told to read
      continue;
    }
    if (active_known) PROBLEM("active is absent: what one of the workers works on cannot be read: ", why(r));
    active_known = 0;
  }

  begin(T("S{\"timestamp\":")), number(&out, now), member(&out, T(",\"app\":\""), app);
  if (source.len) member(&out, T(",\"source\":\""), source);
  put(&out, T(",\"queues\":["));
  text refusal = {0};
  int said = 0; // queues that are in the snapshot
  for (int i = 0; i < count; i++) {
    struct queue *q = &queues[i];
    text not = {0};
    reply waiting = next(), f = failed == LISTS ? next() : (reply){':', {0}, failed == NONE ? 0 : ABSENT};
    if (!waiting.kind || !f.kind) return broken();
    if (waiting.kind != ':' || waiting.n == ABSENT) {
      refusal = why(waiting);
      problem(q->name, T("it is left out: LLEN of its list: "), refusal);
      continue;
    }
    if (said++) put(&out, T(","));
    member(&out, T("{\"name\":\""), q->name);
    put(&out, T(",\"driver\":\"other\",\"metrics\":{\"waiting\":")), number(&out, waiting.n);
    if (active_known) put(&out, T(",\"active\":")), number(&out, q->active);
    if (f.kind == ':' && f.n != ABSENT) put(&out, T(",\"failed\":")), number(&out, f.n);
    else if (failed == LISTS) not = why(f);
    put(&out, T("},\"meta\":{\"driver\":\"resque\""));
    if (not.len) member(&out, T(",\"error\":\"failed is absent: LLEN of its list: "), not);
    put(&out, T("}}"));
  }
  if (in.len > 0) return broken();
  if (count > 0 && said == 0) return fail(T("no queue of Resque's can be read: LLEN: "), refusal);
  put(&out, T("],\"problems\":[")), put(&out, (text){problems.at, problems.used}), put(&out, T("]}"));
  return result();
}

// The second round's requests, written while the replies to the first are read.
static uint64_t found(void) {
  begin(T("R"));
  reply r = named ? (reply){.kind = '*'} : next();
  if (r.kind == '-') return fail(T("find Resque's queues: SMEMBERS of the set queues: "), why(r));
  if (r.kind != '*') return broken();
  for (text not = {0}; r.n > 0; r.n--) {
    reply name = next();
    if (name.kind != '$') return broken();
    if (not.at == no_room.at) continue; // said once
    not = add(name.text);
    if (not.len) PROBLEM("queues are left out: ", not);
  }
  if (count == 0) PROBLEM("Resque has no queue yet, or another namespace than ", ns);

  r = next(); // the workers
  if (r.kind != '*' && r.kind != '-') return broken();
  active_known = r.kind == '*' && r.n <= MAX_WORKERS, workers = 0;
  if (r.kind == '-') PROBLEM("active is absent: SMEMBERS of the set workers: ", why(r));
  for (int64_t i = 0; r.kind == '*' && i < r.n; i++) {
    reply id = next();
    if (id.kind != '$') return broken();
    if (active_known) ask(T("GET"), T(":worker:"), id.text, T("")), workers++;
    if (out.used > MAX_ASKED) begin(T("R")), active_known = workers = 0;
  }
  if (r.kind == '*' && !active_known) PROBLEM("active is absent: there are too many workers to ask", T(""));

  reply lists = next(), all = next(); // failed_queues and failed
  if (!lists.kind || !all.kind || in.len > 0) return broken();
  failed = lists.kind != ':' || all.kind != ':' || all.n != 0 ? NOWHERE : lists.n == 0 ? NONE : LISTS;
  if (lists.kind != ':') PROBLEM("failed is absent: SCARD of the set failed_queues: ", why(lists));
  else if (all.kind != ':') PROBLEM("failed is absent: LLEN of the list failed: ", why(all));
  else if (all.n != 0)
    PROBLEM("failed is absent: one list has those of all queues: ", all.n > 0 ? decimal(all.n) : why(all));

  for (int i = 0; i < count; i++) {
    ask(T("LLEN"), T(":queue:"), queues[i].name, T(""));
    if (failed == LISTS) ask(T("LLEN"), T(":"), queues[i].name, T("_failed"));
  }
  return out.used > 1 ? result() : counted();
}

EXPORT(pulse_describe) uint64_t pulse_describe(void) {
  begin(T("{\"name\":\"resque\",\"version\":\"1\",\"source\":\"redis\","
          "\"commands\":[\"GET\",\"LLEN\",\"SCARD\",\"SMEMBERS\"]}"));
  return result();
}

EXPORT(pulse_open) uint64_t pulse_open(const char *at, int len) {
  in = (text){at, len};
  text list = {0};
  reply settings = next();
  if (settings.kind != '*') return broken();
  for (int64_t i = 0; i < settings.n; i += 2) {
    reply name = next(), value = next();
    if (name.kind != '$' || value.kind != '$') return broken();
    if (same(name.text, T("app"))) app = keep(value.text);
    else if (same(name.text, T("source"))) source = keep(value.text);
    else if (same(name.text, T("namespace"))) ns = keep(value.text);
    else if (same(name.text, T("queues"))) list = value.text;
    else return fail(T("it takes the settings namespace and queues, and none that is called "), name.text);
  }
  if (names.used > names.size) return fail(T("its settings have more than 64 KiB"), T(""));
  if (ns.len == 0) ns = T("resque");
  while (list.len > 0) {
    text name = cut(&list, ','), not = name.len ? add(name) : T("");
    if (same(name, T("*"))) list.len = count = 0; // all, as without it
    if (not.len) return fail(T("queues takes names of queues, comma-separated: "), not);
  }
  named = count, kept = names.used;
  return begin(T("K")), result();
}

EXPORT(pulse_poll) uint64_t pulse_poll(int64_t now_ms) {
  now = now_ms < 0 ? 0 : now_ms, round = 1, no_problems();
  for (int i = 0; i < named; i++) queues[i].active = 0;
  if (!named) count = 0, names.used = kept, __builtin_memset(table, 0, sizeof table);
  begin(T("R"));
  if (!named) ask(T("SMEMBERS"), T(":queues"), T(""), T(""));
  ask(T("SMEMBERS"), T(":workers"), T(""), T(""));
  ask(T("SCARD"), T(":failed_queues"), T(""), T(""));
  ask(T("LLEN"), T(":failed"), T(""), T(""));
  return result();
}

EXPORT(pulse_next) uint64_t pulse_next(const char *at, int len) {
  in = (text){at, len};
  return round++ == 1 ? found() : counted();
}
