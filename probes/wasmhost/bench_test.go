package wasmhost_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/bullmq"
	"github.com/gravito-framework/pulse/probes/wasmhost"
)

// again drives the poll of now with replies that are there already: what is left is the session's own time. A later poll
// might ask for more: an adapter looks for some things once a minute.
func again(b *testing.B, s adapter.Session, now time.Time, replies [][]adapter.Reply) {
	b.Helper()
	step := s.Poll(b.Context(), now)
	for i := 0; len(step.Requests) > 0; i++ {
		step = s.Next(b.Context(), replies[min(i, len(replies)-1)])
	}
	if step.Err != nil {
		b.Fatal(step.Err)
	}
}

func raw(b *testing.B, client *redis.Client, rounds [][]adapter.Request) {
	b.Helper()
	for _, round := range rounds {
		for batch := range slices.Chunk(round, 1000) {
			pipe := client.Pipeline()
			for _, r := range batch {
				pipe.Do(b.Context(), r.Arguments()...)
			}
			if _, err := pipe.Exec(b.Context()); err != nil && !errors.Is(err, redis.Nil) && !redisconn.IsRefusal(err) {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkThousandQueues reads a thousand queues of BullMQ with the native adapter, with the same in
// wazero, and with it in wazero where it can be stopped, and sends the same commands in a pipeline of
// go-redis that does nothing with the replies. The sessions get the replies of the poll before: what is
// measured of them is their own time, the host's codec included.
func BenchmarkThousandQueues(b *testing.B) {
	const queues = 1000
	server := servertest.Redis(b)
	if out, err := servertest.Node(b, "../bullmq/testdata/node/fill.mjs", "--port", server.Port(), "--queues", strconv.Itoa(queues)).CombinedOutput(); err != nil {
		b.Fatalf("fill: %v\n%s", err, out)
	}
	inWazero := func(trusted bool) adapter.Session {
		s, err := builtinModule(b, trusted).Open(b.Context(), adapter.Settings{"app": "shop", "adapter": "bullmq", bullmq.SettingQueues: "*"})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	native, err := bullmq.Adapter{}.Open(b.Context(), adapter.Settings{"app": "shop", bullmq.SettingQueues: "*"})
	if err != nil {
		b.Fatal(err)
	}
	sessions := map[string]adapter.Session{"native": native, "wazero": inWazero(true), "interruptible": inWazero(false)}
	now := time.Now()
	var last *adaptertest.Noted
	for name, s := range sessions {
		p := &poll.Poller{Adapter: bullmq.Adapter{}.Describe(), Session: s}
		for range 3 { // finds the queues, searches them for markers, and is as every poll
			noted := &adaptertest.Noted{Source: sourceredis.New(server.Client, "redis")}
			p.Source = noted
			if name == "native" { // a stranger, as the one that can be stopped, is asked in more parts
				last = noted
			}
			found, err := p.Poll(b.Context(), now)
			if err != nil || len(found.Queues) != queues {
				b.Fatalf("%s: %v", name, err)
			}
		}
	}
	times := map[string][]time.Duration{}
	for b.Loop() {
		for name, s := range sessions {
			began := time.Now()
			again(b, s, now, last.Replies)
			times[name] = append(times[name], time.Since(began))
		}
		began := time.Now()
		raw(b, server.Client, last.Requests)
		times["raw"] = append(times["raw"], time.Since(began))
	}
	b.ReportMetric(servertest.Median(times["wazero"])/servertest.Median(times["raw"]), "wazero/raw")
	b.ReportMetric(servertest.Median(times["interruptible"])/servertest.Median(times["wazero"]), "interruptible/wazero")
	b.ReportMetric(servertest.Median(times["wazero"])/servertest.Median(times["native"]), "wazero/native")
	b.ReportMetric(servertest.Median(times["wazero"])*1000, "wazero-ms")
	b.ReportMetric(float64(sessions["wazero"].(*wasmhost.Session).Usage().Memory)/(1<<20), "MiB")
}

// BenchmarkLoad loads the built-in module, compiled and from a cache on disk.
func BenchmarkLoad(b *testing.B) {
	wasm := servertest.Adapters(b)
	dir := b.TempDir()
	load := func(o wasmhost.Options) time.Duration {
		began := time.Now()
		m, err := wasmhost.Load(b.Context(), wasm, o)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		_ = m.Close(b.Context())
		return took
	}
	stoppable := wasmhost.Options{CacheDir: dir}
	trusted := wasmhost.Options{CacheDir: b.TempDir(), Trusted: true}
	load(stoppable)
	load(trusted)
	var compiled, cached, cachedTrusted []time.Duration
	for b.Loop() {
		compiled = append(compiled, load(wasmhost.Options{}))
		cached = append(cached, load(stoppable))
		cachedTrusted = append(cachedTrusted, load(trusted))
	}
	b.ReportMetric(servertest.Median(cachedTrusted)*1000, "cached-trusted-ms")
	b.ReportMetric(servertest.Median(compiled)/servertest.Median(cached), "compiled/cached")
	b.ReportMetric(servertest.Median(cached)*1000, "cached-ms")
	b.ReportMetric(servertest.Median(compiled)*1000, "compiled-ms")
	b.ReportMetric(float64(len(wasm))/1e6, "MB")
	entries, _ := filepath.Glob(dir + "/*/*/*")
	for _, e := range entries {
		if info, err := os.Stat(e); err == nil {
			b.ReportMetric(float64(info.Size())/1e6, "entry-MB")
		}
	}
}

// BenchmarkNode polls a thousand queues of BullMQ in Node and in wazero, where the module is trusted, in turn and from the
// same transcript. It needs what make node compiles: build/adapters.wasm and the
// packages.
func BenchmarkNode(b *testing.B) {
	path := filepath.Join(b.TempDir(), "transcript.json")
	inNode := func(args ...string) time.Duration {
		cmd := exec.Command("node", append([]string{"bench.mjs"}, args...)...)
		cmd.Dir = "../node/adapter-host"
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		var said struct {
			MS float64 `json:"replay_ms"`
		}
		if err == nil {
			err = json.Unmarshal(out, &said)
		}
		if err != nil {
			b.Fatalf("bench.mjs %v: %v: %s%s", args, err, out, &stderr)
		}
		return time.Duration(said.MS * float64(time.Millisecond))
	}
	inNode("--polls", "1", "--write", path)
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	tr := &transcript{}
	if err := json.Unmarshal(data, tr); err != nil {
		b.Fatal(err)
	}
	s, err := builtinModule(b, true).Open(b.Context(), tr.settings())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	poll := repeated(b, tr, s)
	var node, wazero []time.Duration
	for b.Loop() {
		node = append(node, inNode("--transcript", path))
		for range 100 {
			began := time.Now()
			poll()
			wazero = append(wazero, time.Since(began))
		}
	}
	b.ReportMetric(servertest.Median(node)/servertest.Median(wazero), "node/wazero")
	b.ReportMetric(servertest.Median(node)*1000, "node-ms")
}

// repeated makes the polls of a transcript, and returns what makes the last one again.
func repeated(t testing.TB, tr *transcript, s adapter.Session) func() {
	t.Helper()
	replay(t, tr, s)
	last := tr.Polls[len(tr.Polls)-1]
	var replies [][]adapter.Reply
	for _, r := range last.Rounds {
		parsed, err := adapter.ParseReplies(r.Replies, 1)
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, parsed)
	}
	return func() {
		step := s.Poll(t.Context(), time.UnixMilli(last.Now))
		for i := 0; len(step.Requests) > 0; i++ {
			step = s.Next(t.Context(), replies[i])
		}
		if step.Snapshot == nil {
			t.Fatal(step.Err)
		}
	}
}

// TestAnInstanceStaysSmall polls a thousand times: without the collector at a poll's end the instance's
// memory, which never gets smaller, passes its limit on the way.
func TestAnInstanceStaysSmall(t *testing.T) {
	t.Parallel()
	tr := readTranscripts(t)["bullmq"]
	s, err := builtinModule(t, true).Open(t.Context(), tr.settings())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	poll := repeated(t, tr, s)
	for range 1000 {
		poll()
	}
	if used := s.(*wasmhost.Session).Usage().Memory; used > 8<<20 {
		t.Errorf("it has %d bytes after 1,000 polls", used)
	}
}
