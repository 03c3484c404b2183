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
	anywhere bool             // CI has its compiler; if not, its tests are skipped in CI too where that is missing
	largest  int              // bytes that its module may have
	wasi     bool             // its language's runtime imports WASI; if not, it imports nothing
	settings adapter.Settings // what it opens with, beside the app
}

// tool is a program, or a file of the example's folder, that building it takes.
type tool struct{ name, install string }

func (w tool) missing(folder string) bool {
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
)

// examples are all of them: what holds for each is tested once, here.
var examples = []example{resque, beequeue}

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
	m, err := wasmhost.Load(t.Context(), e.module(t), wasmhost.Options{})
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
	maps.Copy(all, e.settings)
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

func (e example) compile(t testing.TB) compiled {
	t.Helper()
	ctx := t.Context()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(1024))
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

// call calls an export whose result is bytes, tag first.
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

// open hands the instance the example's settings with these, and says whether it takes them.
func (i instance) open(e example, settings adapter.Settings) bool {
	i.t.Helper()
	all := adapter.Settings{"app": "shop"}
	maps.Copy(all, e.settings)
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
	var names, keys []adapter.Reply
	for i := range queues {
		names = append(names, adapter.Text(fmt.Sprintf("queue-%d", i)))
		keys = append(keys, adapter.Text(fmt.Sprintf("bq:queue-%d:id", i)))
	}
	return func(r adapter.Request) adapter.Reply {
		switch r[0] {
		case "SCAN":
			return adapter.List(adapter.Text("0"), adapter.List(keys...))
		case "SMEMBERS":
			return adapter.List(names...)
		case "GET":
			return adapter.Text(`{"queue":"queue-1"}`)
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
	const queues = 200
	answer := manyQueues(queues)
	for _, e := range examples {
		t.Run(e.folder, func(t *testing.T) {
			i := e.compile(t).instance(t)
			if !i.open(e, nil) {
				t.Fatal("it doesn't open")
			}
			for poll := range 1000 {
				tag, rest := i.poll(noon.Add(time.Duration(poll)*10*time.Second), func(_ int, requests []adapter.Request) []byte {
					return adapter.AppendReplies(nil, answers(requests, answer))
				})
				if s, _, _ := protocol.DecodeSnapshot(rest); tag != 'S' || len(s.Queues) != queues {
					t.Fatalf("poll %d ends with %q %.200q", poll, tag, rest)
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
		f.Add(w, "a,b\xff,,*", []byte{}, []byte{})
		f.Add(w, "mail", []byte{}, []byte{3, 3, 3, 3})
		f.Add(w, "", []byte{}, []byte{5, 6, 3, 2, 5, 7, 3, 9, 1, 10, 3})
	}
	all := make([]compiled, len(examples))
	for i, e := range examples {
		all[i] = e.compile(f)
	}
	texts := []adapter.Reply{
		adapter.Text("mail"), adapter.Text("m\"\\\x01\u00fc"), adapter.Text("\xed\xa0\x80"), adapter.Text(`{"queue":"mail"}`), adapter.Text("bq:mail:id"), adapter.Refusal("NOPERM \xff"), adapter.Int(0),
	}
	known := append([]adapter.Reply{
		adapter.List(texts[:3]...), adapter.List(adapter.Text("0"), adapter.List(texts[4])), adapter.List(adapter.Text("17"), adapter.List(texts...)),
	}, texts...)
	f.Fuzz(func(t *testing.T, which uint8, queues string, raw, shape []byte) {
		at := int(which) % len(all)
		i := all[at].instance(t)
		if !i.open(examples[at], adapter.Settings{"queues": queues}) {
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
			_, s, err := e.open(b, nil)
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
