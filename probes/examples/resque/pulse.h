// What any adapter in C needs for the ABI of Gravito Pulse: text, JSON and requests out, RESP in.
// Nothing is imported and nothing is allocated but room for the input.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define T(literal) ((text){literal, sizeof(literal) - 1})
enum { MAX_INPUT = 16 << 20, MAX_OUTPUT = 1 << 20, MAX_PROBLEMS = 64 << 10, ABSENT = -1 };

typedef struct { const char *at; int len; } text;

static int same(text a, text b) {
  if (a.len != b.len) return 0;
  for (int i = 0; i < a.len; i++)
    if (a.at[i] != b.at[i]) return 0;
  return 1;
}

// Takes off what stands before the next separator, without the spaces around it.
static text cut(text *list, char separator) {
  text t = {list->at, 0};
  while (t.len < list->len && t.at[t.len] != separator) t.len++;
  int taken = t.len < list->len ? t.len + 1 : t.len;
  list->at += taken, list->len -= taken;
  while (t.len > 0 && *t.at == ' ') t.at++, t.len--;
  while (t.len > 0 && t.at[t.len - 1] == ' ') t.len--;
  return t;
}

// Writing. After something that didn't fit, used is more than size, and nothing is written any more.
typedef struct { char *at; int size, used; } buffer;

static void put(buffer *b, text t) {
  if (t.len > b->size - b->used) {
    b->used = b->size + 1;
    return;
  }
  __builtin_memcpy(b->at + b->used, t.at, t.len);
  b->used += t.len;
}

static text decimal(int64_t n) { // which is not negative; it stands until the next call
  static char digits[20];
  int i = sizeof digits;
  do digits[--i] = '0' + n % 10;
  while (n /= 10);
  return (text){digits + i, sizeof digits - i};
}

static void number(buffer *b, int64_t n) { put(b, decimal(n)); }

// How many bytes the character has that t begins with; 0 where that is not UTF-8.
static int utf8(text t) {
  const uint8_t *p = (const uint8_t *)t.at;
  uint8_t c = p[0];
  int n = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
  if (n > t.len) return 0;
  for (int i = 1; i < n; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F)) return 0; // too long; a surrogate
  if ((c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F)) return 0; // too long; beyond Unicode
  return n;
}

// t as it stands between the quotes of JSON.
static void escaped(buffer *b, text t) {
  for (int n; t.len > 0; t.at += n, t.len -= n) {
    uint8_t c = *t.at;
    char code[] = {'\\', 'u', '0', '0', '0' + (c >> 4), "0123456789abcdef"[c & 15]};
    n = utf8(t);
    if (n == 0) n = 1, put(b, T("?"));
    else if (c < ' ') put(b, (text){code, sizeof code});
    else if (c == '"' || c == '\\') put(b, T("\\")), put(b, (text){t.at, 1});
    else put(b, (text){t.at, n});
  }
}

// A text member of a JSON object; before is what stands before its text: ,"name":"
static void member(buffer *b, text before, text value) { put(b, before), escaped(b, value), put(b, T("\"")); }

static char out_bytes[MAX_OUTPUT], problem_bytes[MAX_PROBLEMS];
static buffer out = {out_bytes, MAX_OUTPUT, 0}, problems = {problem_bytes, 0, 0};
static int silenced; // problems that had no room

static void begin(text tag) { out.used = 0, put(&out, tag); }

static uint64_t result(void) {
  if (out.used > out.size) begin(T("Ethis adapter has no memory for so much: let it read fewer queues"));
  return (uint64_t)(uintptr_t)out.at << 32 | (uint32_t)out.used;
}

static uint64_t fail(text a, text b) {
  begin(T("E")), put(&out, a), put(&out, b);
  return result();
}

// A problem of the snapshot, at whose end all of them are written.
static void problem(text queue, text a, text b) {
  int before = problems.used;
  put(&problems, before ? T(",{") : T("{"));
  if (queue.len) member(&problems, T("\"queue\":\""), queue), put(&problems, T(","));
  put(&problems, T("\"reason\":\"")), escaped(&problems, a), escaped(&problems, b), put(&problems, T("\"}"));
  if (problems.used <= problems.size) return;
  problems.used = before; // the last that has room says that there are more
  problems.size = MAX_PROBLEMS;
  if (!silenced++) problem(T(""), T("there are more problems than there is room for"), T(""));
}

#define PROBLEM(about, ...) problem(T(""), T(about), __VA_ARGS__) // which is no single queue's

static void no_problems(void) { silenced = problems.used = 0, problems.size = MAX_PROBLEMS - 100; }

static uint64_t broken(void) {
  return fail(T("the answers are not those to what was asked: a defect of the host or of Redis"), T(""));
}

// Reading RESP, value by value: those of an array ('*') follow it. 'n' is nothing, and 0 is no RESP.
typedef struct {
  char kind;
  text text; // of '$', '+' and '-'
  int64_t n; // of ':' and '*'; ABSENT where it is not from 0 to 2^53 - 1
} reply;

static text in; // what is still to be read

static reply next(void) {
  int end = 1;
  while (end < in.len && in.at[end] != '\r') end++;
  if (end > in.len - 2) return in.len = 0, (reply){0};
  reply r = {in.at[0], {in.at + 1, end - 1}, end == 1 || end > 17 ? ABSENT : 0};
  for (int i = 1; i < end && r.n != ABSENT; i++)
    r.n = in.at[i] >= '0' && in.at[i] <= '9' ? r.n * 10 + in.at[i] - '0' : ABSENT;
  if (r.n > 9007199254740991) r.n = ABSENT; // of more not every reader of JSON is sure
  in.at += end + 2, in.len -= end + 2;
  if (r.kind == '+' || r.kind == '-' || r.kind == ':' || (r.kind == '*' && r.n != ABSENT)) return r;
  if (r.kind == '$' && same(r.text, T("-1"))) return (reply){.kind = 'n'};
  if (r.kind != '$' || r.n == ABSENT || r.n > in.len - 2) return in.len = 0, (reply){0};
  r.text = (text){in.at, (int)r.n};
  in.at += r.text.len + 2, in.len -= r.text.len + 2;
  return r;
}

// What to say of a reply that is not what was hoped for.
static text why(reply r) {
  if (r.kind != '-') return T("the answer is of another kind than is due");
  return (text){r.text.at, r.text.len < 200 ? r.text.len : 200};
}

// The text that an object's own member is. There is none in what is no object, nor of one with an escape.
static text text_of(text json, text name) {
  for (int i = 0, depth = 0, due = 0; i < json.len; i++) {
    char c = json.at[i];
    if (c == '{' || c == '[') depth++;
    else if (c == '}' || c == ']') depth--;
    else if (c == ',') due = 0;
    else if (c == ':' && due == 1) due = 2; // that was its name, and its value comes next
    else if (c == '"') {
      text s = {json.at + ++i, 0};
      int plain = 1;
      for (; i < json.len && json.at[i] != '"'; i++)
        if (json.at[i] == '\\') i++, plain = 0;
      s.len = (int)(json.at + i - s.at);
      if (depth == 1 && due == 2 && plain && i < json.len) return s;
      due = depth == 1 && same(s, name);
    }
  }
  return (text){0};
}

EXPORT(pulse_abi) int pulse_abi(void) { return 1; }

// The input lies behind everything else, in memory that grows to what it needs.
EXPORT(pulse_alloc) void *pulse_alloc(uint32_t size) {
  extern char __heap_base;
  if (size > MAX_INPUT) return 0;
  uintptr_t end = (uintptr_t)&__heap_base + size, have = __builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (uintptr_t)-1) return 0;
  return &__heap_base;
}
