package bullmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
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

// recorder notes the rounds of requests that pass through it.
type recorder struct {
	poll.Source
	rounds [][]adapter.Request
}

func (r *recorder) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	r.rounds = append(r.rounds, requests)
	return r.Source.Do(ctx, requests)
}

func newPoller(b *testing.B, client *redis.Client) *poll.Poller {
	b.Helper()
	return &poll.Poller{Adapter: bullmq.Adapter{}.Describe(), Session: open(b, adapter.Settings{bullmq.SettingQueues: "*"}), Source: source.New(client, "the bench's redis")}
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
	rec := &recorder{Source: p.Source}
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
		for _, round := range rec.rounds {
			rawPipeline(b, server.Client, round)
		}
		raw = append(raw, time.Since(start))
	}
	b.ReportMetric(median(ours)/median(raw), "x_of_raw_pipeline")
	b.ReportMetric(median(ours)*1000, "poll-ms")
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
			case "CLIENT":
				pipe.ClientList(ctx)
			default:
				b.Fatalf("%v has no typed twin here", r)
			}
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			b.Fatal(err)
		}
	}
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
		b.ReportMetric(median(ours)*1000/rival.Median, fmt.Sprintf("x_of_getJobCounts_%s", mode))
	}
}

// median is in seconds.
func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds()
}
