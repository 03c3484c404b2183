package examples_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/redislist"
	"github.com/gravito-framework/pulse/probes/wasmhost"
)

// BenchmarkThousandLists reads a thousand lists: with Resque's adapter in C, where it cannot be stopped and
// where it can, and with the native adapter of plain lists, which asks one LLEN a list as well. There is no
// native adapter of Resque. What is measured is the sessions' own time, with the host's codec and reading of the
// snapshot, and, as guest, without. A guest takes and makes bytes: so it is compared as well with the native adapter
// behind the codec of the built-in module, which does the same.
func BenchmarkThousandLists(b *testing.B) {
	server := servertest.Redis(b)
	for i := range 1000 {
		name := fmt.Sprintf("queue-%d", i)
		server.Client.SAdd(b.Context(), "resque:queues", name)
		server.Client.RPush(b.Context(), "resque:queue:"+name, "a", "b")
	}
	inC := func(trusted bool) adapter.Session {
		m, err := wasmhost.Load(b.Context(), resque.module(b), wasmhost.Options{Trusted: trusted})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = m.Close(context.Background()) })
		s, err := m.Open(b.Context(), adapter.Settings{"app": "shop"})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	native, err := redislist.Adapter{}.Open(b.Context(), adapter.Settings{"app": "shop", redislist.SettingKeys: "resque:queue:*"})
	if err != nil {
		b.Fatal(err)
	}
	sessions := map[string]adapter.Session{"native": native, "c": inC(true), "interruptible": inC(false)}
	last := map[string]*adaptertest.Noted{}
	for name, s := range sessions {
		for range 2 { // finds the lists, and is as every poll
			last[name] = &adaptertest.Noted{Source: source.New(server.Client, "redis")}
			found, err := (&poll.Poller{Adapter: redislist.Adapter{}.Describe(), Session: s, Source: last[name]}).Poll(b.Context(), time.Now())
			if err != nil || len(found.Queues) != 1000 {
				b.Fatalf("%s: %v", name, err)
			}
		}
	}
	last["interruptible"] = last["c"] // it asks the same, and as a stranger's in more parts
	var replies, out []byte
	for _, round := range last["native"].Replies {
		replies = adapter.AppendReplies(replies, round)
	}
	times := map[string][]time.Duration{}
	for b.Loop() {
		began := time.Now()
		out = inBytes(b, native, replies, out)
		times["native in bytes"] = append(times["native in bytes"], time.Since(began))
		for name, s := range sessions {
			began := time.Now()
			step := s.Poll(b.Context(), began)
			for i := 0; len(step.Requests) > 0; i++ {
				step = s.Next(b.Context(), last[name].Replies[i])
			}
			if step.Err != nil {
				b.Fatal(step.Err)
			}
			times[name] = append(times[name], time.Since(began))
			if s, ok := s.(*wasmhost.Session); ok {
				times[name+" guest"] = append(times[name+" guest"], s.Usage().RunTime)
			}
		}
	}
	median := func(name string) float64 { return servertest.Median(times[name]) }
	b.ReportMetric(median("c")/median("native"), "c/native")
	b.ReportMetric(median("c guest")/median("native"), "guest/native")
	b.ReportMetric(median("c guest")/median("native in bytes"), "guest/native-in-bytes")
	b.ReportMetric(median("interruptible guest")/median("c guest"), "interruptible/guest")
	b.ReportMetric(median("c")*1000, "c-ms")
}

// inBytes makes a poll of one round as a guest does: requests to bytes, replies from bytes, a snapshot to JSON. What it
// makes is in out, which it returns for the next poll.
func inBytes(b *testing.B, s adapter.Session, replies, out []byte) []byte {
	b.Helper()
	step := s.Poll(b.Context(), time.Now())
	out = adapter.AppendRequests(out[:0], step.Requests)
	parsed, err := adapter.ParseReplies(replies, len(step.Requests))
	if err != nil {
		b.Fatal(err)
	}
	if step = s.Next(b.Context(), parsed); step.Snapshot == nil {
		b.Fatalf("%+v: it takes one round, once it knows the lists", step)
	}
	return step.Snapshot.AppendJSON(out[:0])
}
