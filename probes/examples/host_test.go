// Package examples_test builds the adapters of this folder, each by its own build.sh, and runs them as a
// reporter does: in the WebAssembly host, over a source that only reads.
package examples_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/wasmhost"
	"github.com/gravito-framework/pulse/protocol"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// example is an adapter in a folder of this one.
type example struct {
	folder   string
	needs    []tool
	python   []string // packages that building it takes
	anywhere bool     // CI has its compiler; if not, its tests are skipped in CI too where that is missing
	largest  int      // bytes that its module may have
	wasi     bool     // its language's runtime imports WASI; if not, it imports nothing
	byName   bool     // it doesn't find queues, and has to be told which there are
}

// tool is a program, or a file of the example's folder, that building it takes.
type tool struct{ name, install string }

// lacks says that the example cannot be built here.
func (e example) lacks() bool {
	return slices.ContainsFunc(e.needs, func(w tool) bool { return w.missing(e.folder) })
}

// rustTarget is what rustup can add to rustc.
const rustTarget = "wasm32-unknown-unknown"

func (w tool) missing(folder string) bool {
	if w.name == rustTarget {
		dir, err := exec.Command("rustc", "--print", "target-libdir", "--target", rustTarget).Output()
		if err == nil {
			_, err = os.Stat(strings.TrimSpace(string(dir)))
		}
		return err != nil
	}
	if strings.Contains(w.name, "/") {
		_, err := os.Stat(filepath.Join(folder, w.name))
		return err != nil
	}
	_, err := exec.LookPath(w.name)
	return err != nil
}

var (
	resque = example{
		folder: "resque", anywhere: true, largest: 20 << 10,
		needs: []tool{{"clang", "apt-get install clang"}, {"wasm-ld", "apt-get install lld"}},
	}
	beequeue = example{
		folder: "beequeue", anywhere: true, largest: 20 << 10,
		needs: []tool{{"node", "apt-get install nodejs npm"}, {"node_modules/assemblyscript", "npm --prefix probes/examples/beequeue install"}},
	}
	dramatiq = example{folder: "dramatiq", anywhere: true, largest: 30 << 10, python: []string{"ziglang"}}
	rq       = example{folder: "rq", anywhere: true, largest: 2500 << 10, wasi: true}
	// Rust's target for WebAssembly cannot be had everywhere: without it ARQ's tests are skipped in CI, too. They
	// are the only ones.
	arq = example{
		folder: "arq", byName: true, largest: 80 << 10,
		needs: []tool{{"rustc", "https://rustup.rs"}, {rustTarget, "rustup target add " + rustTarget}},
	}
)

// examples are all of them: what holds for each is tested once, here.
var examples = []example{resque, beequeue, dramatiq, rq, arq}

var (
	buildLock sync.Mutex
	built     = map[string][]byte{} // modules, by folder
)

// module builds the example once for all tests of the process, and ends the test where its compiler is missing.
func (e example) module(t testing.TB) []byte {
	t.Helper()
	for _, w := range e.needs {
		switch missing := w.missing(e.folder); {
		case missing && e.anywhere:
			servertest.Missing(t, "probes/examples/%s needs %s: %s", e.folder, w.name, w.install)
		case missing:
			t.Skipf("probes/examples/%s needs %s: %s", e.folder, w.name, w.install)
		}
	}
	if len(e.python) > 0 {
		servertest.Python(t, e.python...)
	}
	buildLock.Lock()
	defer buildLock.Unlock()
	if wasm := built[e.folder]; wasm != nil {
		return wasm
	}
	dependOn(t, e.folder)
	out := filepath.Join(t.TempDir(), "adapter.wasm")
	cmd := exec.Command("sh", filepath.Join(e.folder, "build.sh"), out)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", e.folder, err, said)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("build.sh of %s made no module where it was told to: %v", e.folder, err)
	}
	built[e.folder] = wasm
	return wasm
}

// dependOn makes the test's result depend on the sources: go test keeps one as long as the files that a
// test looked at are the same, and it cannot see what a compiler looks at.
func dependOn(t testing.TB, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// load builds the example and has the host load it.
func (e example) load(t testing.TB) *wasmhost.Module {
	t.Helper()
	m, err := wasmhost.Load(t.Context(), e.module(t), wasmhost.Options{CacheDir: filepath.Join(servertest.Dir(), "compiled")})
	if err != nil {
		t.Fatalf("load %s: %v", e.folder, err)
	}
	t.Cleanup(func() { _ = m.Close(t.Context()) })
	return m
}

// open opens the example with these settings and the app shop.
func (e example) open(t testing.TB, settings adapter.Settings) (adapter.Description, adapter.Session, error) {
	t.Helper()
	m := e.load(t)
	all := adapter.Settings{"app": "shop"}
	maps.Copy(all, settings)
	s, err := m.Open(t.Context(), all)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return m.Describe(), s, err
}

// poller opens the example over a Redis, as a reporter has a native driver.
func (e example) poller(t testing.TB, client redis.UniversalClient, settings adapter.Settings) *poll.Poller {
	t.Helper()
	about, s, err := e.open(t, settings)
	if err != nil {
		t.Fatal(err)
	}
	return &poll.Poller{Adapter: about, Session: s, Source: source.New(client, "the test's redis")}
}

// all are the settings by which it reads the queues that manyQueues has.
func (e example) all(queues int) adapter.Settings {
	if !e.byName {
		return nil
	}
	return adapter.Settings{"queues": many(queues)}
}

var noon = time.UnixMilli(1_764_000_000_000)

// mustPoll polls, and fails the test where there is no snapshot or where it breaks the protocol.
func mustPoll(t testing.TB, p *poll.Poller, now time.Time) *protocol.QueueSnapshot {
	t.Helper()
	s, err := p.Poll(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Encode(); err != nil {
		t.Fatal(err)
	}
	return s
}

// counts are a snapshot's numbers by queue, as "waiting active delayed failed" where "-" is absent.
func counts(s *protocol.QueueSnapshot) map[string]string {
	out := map[string]string{}
	for _, q := range s.Queues {
		out[q.Name] = words(&q.Metrics.Waiting, q.Metrics.Active, q.Metrics.Delayed, q.Metrics.Failed)
	}
	return out
}

func words(numbers ...*int64) string {
	var out []string
	for _, n := range numbers {
		word := []byte("-")
		if n != nil {
			word, _ = json.Marshal(*n)
		}
		out = append(out, string(word))
	}
	return strings.Join(out, " ")
}

// reasons are a snapshot's problems in one text.
func reasons(s *protocol.QueueSnapshot) string {
	var out []string
	for _, p := range s.Problems {
		out = append(out, p.String())
	}
	return strings.Join(out, "\n")
}

// metaOf is the meta of a queue as JSON.
func metaOf(t testing.TB, s *protocol.QueueSnapshot, queue string) map[string]any {
	t.Helper()
	for _, q := range s.Queues {
		if q.Name == queue {
			data, err := json.Marshal(q.Meta)
			if err != nil {
				t.Fatal(err)
			}
			var out map[string]any
			if err := json.Unmarshal(data, &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	t.Fatalf("there is no queue %q: %+v", queue, s)
	return nil
}

// withRights is a client with a user that has these rights, on all keys.
func withRights(t testing.TB, server *servertest.RedisServer, rules ...string) *redis.Client {
	t.Helper()
	user := []any{"ACL", "SETUSER", "few", "reset", "on", ">few", "~*"}
	for _, rule := range rules {
		user = append(user, rule)
	}
	if err := server.Client.Do(t.Context(), user...).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, Username: "few", Password: "few"})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestExamplesAreSmallAndImportNothing(t *testing.T) {
	for _, e := range examples {
		t.Run(e.folder, func(t *testing.T) {
			wasm := e.module(t)
			if len(wasm) > e.largest {
				t.Errorf("its module has %d bytes, more than %d", len(wasm), e.largest)
			}
			rt := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
			defer rt.Close(t.Context())
			m, err := rt.CompileModule(t.Context(), wasm)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range m.ImportedFunctions() {
				if from, name, _ := f.Import(); !e.wasi || from != wasi_snapshot_preview1.ModuleName {
					t.Errorf("it imports %s of %s", name, from)
				}
			}
		})
	}
}

// compiled is a module ready to be instantiated many times.
type compiled struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// compiledOnce holds machine code for all tests of the process: with the race detector, that of Go's module takes
// half a minute to make.
var compiledOnce = wazero.NewCompilationCache()

func (e example) compile(t testing.TB) compiled {
	t.Helper()
	ctx := t.Context()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(1024).WithCompilationCache(compiledOnce))
	t.Cleanup(func() { rt.Close(ctx) })
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, rt); err != nil {
		t.Fatal(err)
	}
	m, err := rt.CompileModule(ctx, e.module(t))
	if err != nil {
		t.Fatal(err)
	}
	return compiled{rt, m}
}

// instance is a module that a test drives by hand, with bytes that no host would hand in.
type instance struct {
	t      testing.TB
	module api.Module
}

func (c compiled) instance(t testing.TB) instance {
	t.Helper()
	m, err := c.runtime.InstantiateModule(t.Context(), c.module, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	return instance{t, m}
}

// call calls an export that returns bytes, a tag first.
func (i instance) call(export string, args ...uint64) (tag byte, rest []byte) {
	i.t.Helper()
	r, err := i.module.ExportedFunction(export).Call(i.t.Context(), args...)
	if err != nil {
		i.t.Fatalf("%s traps: %v", export, err)
	}
	data, ok := i.module.Memory().Read(uint32(r[0]>>32), uint32(r[0]))
	if !ok || len(data) == 0 {
		i.t.Fatalf("%s returns %#x, which is nothing in its memory", export, r[0])
	}
	return data[0], slices.Clone(data[1:])
}

// give calls an export that takes bytes.
func (i instance) give(export string, data []byte) (tag byte, rest []byte) {
	i.t.Helper()
	r, err := i.module.ExportedFunction("pulse_alloc").Call(i.t.Context(), uint64(len(data)))
	if err != nil {
		i.t.Fatalf("pulse_alloc(%d) traps: %v", len(data), err)
	}
	at := uint32(r[0])
	if at == 0 || !i.module.Memory().Write(at, data) {
		i.t.Fatalf("pulse_alloc(%d) returns %#x", len(data), at)
	}
	return i.call(export, uint64(at), uint64(len(data)))
}

// open hands the instance the app shop and these settings, and says whether it takes them.
func (i instance) open(settings adapter.Settings) bool {
	i.t.Helper()
	all := adapter.Settings{"app": "shop"}
	maps.Copy(all, settings)
	tag, said := i.give("pulse_open", adapter.AppendSettings(nil, all))
	if tag != 'K' && (tag != 'E' || len(said) == 0) {
		i.t.Fatalf("pulse_open answers %q %q", tag, said)
	}
	return tag == 'K'
}

// poll drives one poll, and checks how it ends.
func (i instance) poll(now time.Time, answer func(round int, requests []adapter.Request) []byte) (tag byte, rest []byte) {
	i.t.Helper()
	tag, rest = i.call("pulse_poll", uint64(now.UnixMilli()))
	for round := 0; tag == 'R'; round++ {
		requests, err := adapter.ParseRequests(rest, adapter.MaxRequests)
		if err != nil || len(requests) == 0 || round == adapter.MaxRounds {
			i.t.Fatalf("in round %d it asks %.200q: %v", round, rest, err)
		}
		tag, rest = i.give("pulse_next", answer(round, requests))
	}
	check(i.t, tag, rest)
	return tag, rest
}

// manyQueues answers for a Redis with so many queues of each example's library, of which each has jobs.
func manyQueues(queues int) func(adapter.Request) adapter.Reply {
	list := func(items int, item func(i int) string) adapter.Reply {
		texts := make([]adapter.Reply, items)
		for i := range texts {
			texts[i] = adapter.Text(item(i))
		}
		return adapter.List(texts...)
	}
	name := func(i int) string { return fmt.Sprintf("queue-%d", i) }
	return func(r adapter.Request) adapter.Reply {
		switch r[0] {
		case "SCAN":
			return adapter.List(adapter.Text("0"), list(queues, func(i int) string { return strings.ReplaceAll(r[3], "*", name(i)) }))
		case "SMEMBERS":
			switch {
			case r[1] == "rq:queues":
				return list(queues, func(i int) string { return "rq:queue:" + name(i) })
			case strings.HasPrefix(r[1], "rq:workers:"):
				return list(3, func(i int) string { return fmt.Sprintf("rq:worker:%d", i) })
			}
			return list(queues, name)
		case "GET":
			return adapter.Text(`{"queue":"queue-1"}`)
		case "LINDEX":
			return adapter.Text("2120dd0a-81bf-489d-9ac3-52a850b7de7f")
		case "HGET":
			return adapter.Text("2026-11-26T12:00:00.123456Z")
		case "ZRANGE": // five members, each with its score
			return list(10, func(i int) string { return fmt.Sprint(noon.UnixMilli() - 10 + int64(i)) })
		}
		return adapter.Int(1234567)
	}
}

func answers(requests []adapter.Request, answer func(adapter.Request) adapter.Reply) []adapter.Reply {
	replies := make([]adapter.Reply, len(requests))
	for i, r := range requests {
		replies[i] = answer(r)
	}
	return replies
}

// TestExamplesKeepTheirMemory: a poll's memory is used again by the next.
func TestExamplesKeepTheirMemory(t *testing.T) {
	const queues = 50
	answer := manyQueues(queues)
	for _, e := range examples {
		t.Run(e.folder, func(t *testing.T) {
			i := e.compile(t).instance(t)
			if !i.open(e.all(queues)) {
				t.Fatal("it doesn't open")
			}
			for poll := range 1000 {
				tag, rest := i.poll(noon.Add(time.Duration(poll)*10*time.Second), func(_ int, requests []adapter.Request) []byte {
					return adapter.AppendReplies(nil, answers(requests, answer))
				})
				if tag != 'S' {
					t.Fatalf("poll %d ends with %q %.200q", poll, tag, rest)
				}
				if poll%100 != 99 { // reading each takes the race detector minutes
					continue
				}
				if s, _, _ := protocol.DecodeSnapshot(rest); len(s.Queues) != queues {
					t.Fatalf("poll %d ends with %.200q", poll, rest)
				}
			}
			if size := i.module.Memory().Size(); size > 8<<20 {
				t.Errorf("after 1,000 polls of %d queues it has %d KiB of memory", queues, size>>10)
			}
		})
	}
}

// FuzzGuestTakesAnyReply hands any bytes to each example as settings and as replies, and any replies that are
// RESP. A poll may end with a sentence, but not with a trap, nor with a snapshot that a reader refuses or has
// to mend.
func FuzzGuestTakesAnyReply(f *testing.F) {
	for which := range examples {
		w := uint8(which)
		for _, raw := range []string{
			"*1\r\n$4\r\nmail\r\n*1\r\n$3\r\nh:1\r\n:0\r\n:0\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$10\r\nbq:mail:id\r\n", "*1\r\n$2\r\n\xff\x00\r\n",
			":3\r\n", "$-1\r\n", "-NOPERM no\r\n", "*-1\r\n", "+OK\r\n", "$4\r\nma", "$999999999\r\nx", "*99999999\r\n", ":99999999999999999999\r\n", "$-2\r\n\r\n", "*\r\n", "\r\n", "x",
		} {
			f.Add(w, "", []byte(raw), []byte{1})
		}
		for _, refusals := range []int{1, 2, 4, 7} { // long, and of no character that JSON has
			f.Add(w, "", []byte(strings.Repeat("-"+strings.Repeat("\xff", 300)+"\r\n", refusals)), []byte{})
		}
		f.Add(w, "a,b\xff,,*", []byte{}, []byte{})
		f.Add(w, "mail", []byte{}, []byte{3, 3, 3, 3})
		f.Add(w, "", []byte{}, []byte{5, 6, 3, 2, 5, 7, 3, 9, 1, 10, 3})
	}
	var all []compiled
	for _, e := range examples {
		if e.anywhere || !e.lacks() { // the others are taken along where they can be built
			all = append(all, e.compile(f))
		}
	}
	texts := []adapter.Reply{
		adapter.Text("mail"), adapter.Text("m\"\\\x01\u00fc"), adapter.Text("\xed\xa0\x80"), adapter.Text(`{"queue":"mail"}`), adapter.Text("bq:mail:id"), adapter.Refusal("NOPERM \xff"), adapter.Int(0),
	}
	known := append([]adapter.Reply{
		adapter.List(texts[:3]...), adapter.List(adapter.Text("0"), adapter.List(texts[4])), adapter.List(adapter.Text("17"), adapter.List(texts...)),
	}, texts...)
	known = append(known,
		adapter.List(adapter.Text("0"), adapter.List(adapter.Text("dramatiq:mail.msgs"), adapter.Text("dramatiq:mail.XQ.msgs"), adapter.Text("dramatiq:.msgs"))),
		adapter.List(adapter.Text("rq:queue:mail"), adapter.Text("rq:queue:\xff")), adapter.List(adapter.Text("rq:worker:1")),
		adapter.Text("2026-11-26T12:00:00.123456Z"), adapter.Text("9999-99-99T99:99:99Z"),
		adapter.List(adapter.Text("a"), adapter.Text("1764000000000"), adapter.Text("b"), adapter.Text("1.8e+308")),
	)
	f.Fuzz(func(t *testing.T, which uint8, queues string, raw, shape []byte) {
		at := int(which) % len(all)
		i := all[at].instance(t)
		if !i.open(adapter.Settings{"queues": queues}) {
			return
		}
		anything := adaptertest.Anything{Shape: shape, Also: adaptertest.Fixed(known...)}
		for poll := range 3 {
			i.poll(noon.Add(time.Duration(poll)*time.Minute), func(_ int, requests []adapter.Request) []byte {
				if len(raw) > 0 && poll == 1 {
					return raw
				}
				data := adapter.AppendReplies(nil, answers(requests, anything.Reply))
				if len(raw) > 0 && poll == 2 { // cut somewhere
					return data[:int(raw[0])*len(data)/255]
				}
				return data
			})
		}
	})
}

// check fails the test where a poll's end is none.
func check(t testing.TB, tag byte, rest []byte) {
	t.Helper()
	switch tag {
	case 'E':
		if len(rest) == 0 {
			t.Fatal("it fails without a word")
		}
	case 'S':
		s, problems, err := protocol.DecodeSnapshot(rest)
		if err != nil {
			t.Fatalf("%v: %s", err, rest)
		}
		var own struct{ Problems []protocol.Problem }
		if err := json.Unmarshal(rest, &own); err != nil {
			t.Fatalf("%v: %s", err, rest)
		}
		for _, p := range problems[:min(len(problems), protocol.MaxProblems)] {
			if !slices.Contains(own.Problems, p) {
				t.Fatalf("the reader finds a problem that the snapshot doesn't have itself, %v: %s", p, rest)
			}
		}
		if s.App != "shop" {
			t.Fatalf("its app is %q", s.App)
		}
	default:
		t.Fatalf("the poll ends with %q %q", tag, rest)
	}
}

// BenchmarkPoll is what a poll of a thousand queues costs beside Redis: in the guest, and in the host for it.
func BenchmarkPoll(b *testing.B) {
	answer := manyQueues(1000)
	for _, e := range examples {
		b.Run(e.folder, func(b *testing.B) {
			_, s, err := e.open(b, e.all(1000))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				step := s.Poll(b.Context(), noon)
				for len(step.Requests) > 0 {
					step = s.Next(b.Context(), answers(step.Requests, answer))
				}
				if step.Err != nil || len(step.Snapshot.Queues) != 1000 {
					b.Fatal(step.Err)
				}
			}
		})
	}
}
