package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
)

const benchQueues = 1000

// fill makes the queues with BullMQ itself: waiting, delayed and failed jobs in each.
func fill(b *testing.B, server *servertest.RedisServer) {
	b.Helper()
	if out, err := servertest.Node(b, "testdata/node/fill.mjs", "--port", server.Port(), "--queues", strconv.Itoa(benchQueues)).CombinedOutput(); err != nil {
		b.Fatalf("fill: %v\n%s", err, out)
	}
}

func newPoller(b *testing.B, client *redis.Client) *poll.Poller {
	b.Helper()
	return &poll.Poller{Adapter: bullmq.Adapter{}.Describe(), Session: open(b, adapter.Settings{bullmq.SettingQueues: "*"}), Source: sourceredis.New(client, "the bench's redis")}
}

func mustPoll(b *testing.B, p *poll.Poller) {
	b.Helper()
	s, err := p.Poll(context.Background(), time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if len(s.Queues) != benchQueues {
		b.Fatalf("%d queues were read, want %d", len(s.Queues), benchQueues)
	}
}

// BenchmarkPollAgainstRawPipeline polls a thousand queues, and in turn sends the same commands with
// go-redis' own typed pipeline, a thousand a batch, doing nothing with the replies. The ratio of the
// medians is the price of adapter and source.
func BenchmarkPollAgainstRawPipeline(b *testing.B) {
	server := servertest.Redis(b)
	fill(b, server)
	p := newPoller(b, server.Client)
	mustPoll(b, p) // finds the queues
	mustPoll(b, p) // searches them for markers
	rec := &adaptertest.Noted{Source: p.Source}
	p.Source = rec
	mustPoll(b, p)
	p.Source = rec.Source

	var ours, raw []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		mustPoll(b, p)
		ours = append(ours, time.Since(start))
		start = time.Now()
		for _, round := range rec.Requests {
			rawPipeline(b, server.Client, round)
		}
		raw = append(raw, time.Since(start))
	}
	b.ReportMetric(servertest.Median(ours)/servertest.Median(raw), "x_of_raw_pipeline")
	b.ReportMetric(servertest.Median(ours)*1000, "poll-ms")
}

func rawPipeline(b *testing.B, client *redis.Client, requests []adapter.Request) {
	b.Helper()
	ctx := context.Background()
	for batch := range slices.Chunk(requests, 1000) {
		pipe := client.Pipeline()
		for _, r := range batch {
			switch r[0] {
			case "LLEN":
				pipe.LLen(ctx, r[1])
			case "ZCARD":
				pipe.ZCard(ctx, r[1])
			case "HMGET":
				pipe.HMGet(ctx, r[1], r[2:]...)
			case "LRANGE":
				from, _ := strconv.ParseInt(r[2], 10, 64)
				pipe.LRange(ctx, r[1], from, -1)
			case "LINDEX":
				pipe.LIndex(ctx, r[1], 0)
			case "HGET":
				pipe.HGet(ctx, r[1], r[2])
			case "GET":
				pipe.Get(ctx, r[1])
			case "ZRANGE":
				pipe.ZRangeWithScores(ctx, r[1], 0, 0)
			case "CLIENT", "CLUSTER", "ROLE": // the connected workers, once a poll
				pipe.Do(ctx, toAny(r)...)
			default:
				b.Fatalf("%v has no typed twin here", r)
			}
		}
		// A Redis that is no cluster refuses CLUSTER INFO.
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) && !redisconn.IsRefusal(err) {
			b.Fatal(err)
		}
	}
}

func toAny(r adapter.Request) []any {
	args := make([]any, len(r))
	for i := range r {
		args[i] = r[i]
	}
	return args
}

// BenchmarkPollAgainstGetJobCounts compares with what BullMQ's own client takes for the counts of
// the same queues, in the two ways that dashboards do it.
func BenchmarkPollAgainstGetJobCounts(b *testing.B) {
	server := servertest.Redis(b)
	fill(b, server)
	p := newPoller(b, server.Client)
	mustPoll(b, p)
	var ours []time.Duration
	for b.Loop() {
		start := time.Now()
		mustPoll(b, p)
		ours = append(ours, time.Since(start))
	}
	for _, mode := range []string{"all", "sequential"} {
		out, err := servertest.Node(b, "testdata/node/counts.mjs", "--port", server.Port(), "--queues", strconv.Itoa(benchQueues), "--mode", mode, "--rounds", "11").Output()
		if err != nil {
			b.Fatalf("counts: %v", err)
		}
		var rival struct {
			Median float64 `json:"median_ms"`
		}
		if err := json.Unmarshal(out, &rival); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(servertest.Median(ours)*1000/rival.Median, fmt.Sprintf("x_of_getJobCounts_%s", mode))
	}
}

// median is in seconds.
// replay answers each round of a poll as it was answered once.
type replay struct {
	rounds [][]adapter.Reply
	next   int
}

func (r *replay) Do(context.Context, []adapter.Request) ([]adapter.Reply, error) {
	answers := r.rounds[r.next]
	r.next = (r.next + 1) % len(r.rounds)
	return answers, nil
}

// BenchmarkAdapterAlone polls a thousand queues with answers in memory, to measure the adapter itself.
func BenchmarkAdapterAlone(b *testing.B) {
	server := servertest.Redis(b)
	fill(b, server)
	p := newPoller(b, server.Client)
	mustPoll(b, p) // finds the queues
	mustPoll(b, p) // searches them for markers
	noted := &adaptertest.Noted{Source: p.Source}
	p.Source = noted
	mustPoll(b, p)
	p.Source = &replay{rounds: noted.Replies}
	b.ReportAllocs()
	for b.Loop() {
		mustPoll(b, p)
	}
}

// TestAPollOfAThousandQueuesAllocatesLittle holds what the benchmark above measures: 18,038 once.
func TestAPollOfAThousandQueuesAllocatesLittle(t *testing.T) {
	const most = 4000
	names := make([]string, benchQueues)
	for i := range names {
		names[i] = fmt.Sprintf("queue-%d", i)
	}
	session := open(t, adapter.Settings{bullmq.SettingQueues: strings.Join(names, ",")})
	answer := source(func(r adapter.Request) adapter.Reply {
		switch {
		case r[0] == "LRANGE" && strings.HasSuffix(r[1], ":wait"):
			return busyTail
		case r[0] == "LINDEX":
			return adapter.Text("9")
		case r[0] == "HMGET":
			return busyMeta
		case r[0] == "HGET":
			return adapter.Text("1763999000000")
		case r[0] == "ZRANGE":
			return busyFailure
		case r[0] == "LLEN" && strings.HasSuffix(r[1], ":paused"), r[0] == "ZCARD" && strings.HasSuffix(r[1], ":groups"):
			return adapter.Int(0)
		case r[0] == "LLEN" || r[0] == "ZCARD":
			return adapter.Int(7)
		}
		return adapter.Reply{}
	})
	p := &poll.Poller{Adapter: bullmq.Adapter{}.Describe(), Session: session, Source: answer}
	once := func() {
		if s, err := p.Poll(context.Background(), time.UnixMilli(1_764_000_000_000)); err != nil || len(s.Queues) != benchQueues || s.Queues[0].Metrics.Waiting != 14 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	once() // searches for markers
	if n := testing.AllocsPerRun(5, once); n > most {
		t.Errorf("a poll of %d busy queues takes %v allocations, at most %d", benchQueues, n, most)
	}
}

// source answers in memory, without allocating more than its two rounds of replies.
type source func(adapter.Request) adapter.Reply

func (s source) Do(_ context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	replies := make([]adapter.Reply, len(requests))
	for i, r := range requests {
		replies[i] = s(r)
	}
	return replies, nil
}

var (
	busyTail    = adapter.List(adapter.Text("2"), adapter.Text("1"))
	busyFailure = adapter.List(adapter.Text("3"), adapter.Text("1763999000000"))
	busyMeta    = adapter.List(adapter.Text("bullmq:6.7.0"), adapter.Text("10000"), adapter.Reply{}, adapter.Reply{}, adapter.Reply{})
)
