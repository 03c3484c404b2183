package discover

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// BenchmarkRead reads 1,000 snapshots of 10 queues and 5,000 heartbeats among a million keys of other programs,
// after the first walk. Beside it, it reads the index and the same values by name with MGET, a thousand a call.
// It compares the time that Redis spends on either, and the time that the caller waits.
func BenchmarkRead(b *testing.B) {
	server := servertest.Redis(b)
	populate(b, server, 1_000_000)
	ctx := b.Context()
	now := time.Now()
	var names []string
	pipe := server.Client.Pipeline()
	put := func(key, value string) {
		names = append(names, key)
		pipe.Set(ctx, key, value, 0)
		pipe.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: float64(now.UnixMilli()), Member: key})
	}
	for key, value := range documents(now) {
		put(key, value)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		b.Fatal(err)
	}
	r := New(server.Client, "redis", manyKeys)
	for looking := true; looking; now = now.Add(usualGap) {
		_, looking = read(b, r, now)[scanKey]
	}
	var ours, raw, oursOfRedis, rawOfRedis []time.Duration
	read := func() {
		before, began := spent(ctx, b, server.Client), time.Now()
		docs, err := readAll(ctx, r, now)
		ours = append(ours, time.Since(began))
		oursOfRedis = append(oursOfRedis, spent(ctx, b, server.Client)-before)
		if err != nil || len(docs) != len(names) {
			b.Fatalf("%d documents, %v", len(docs), err)
		}
	}
	rival := func() {
		before, began := spent(ctx, b, server.Client), time.Now()
		if _, _, err := r.index(ctx, now); err != nil {
			b.Fatal(err)
		}
		for part := range slices.Chunk(names, 1000) {
			if err := server.Client.MGet(ctx, part...).Err(); err != nil {
				b.Fatal(err)
			}
		}
		raw = append(raw, time.Since(began))
		rawOfRedis = append(rawOfRedis, spent(ctx, b, server.Client)-before)
	}
	for first := true; b.Loop(); first = !first { // each goes first in turn: the second finds caches warm
		now = now.Add(usualGap)
		pipe := server.Client.Pipeline()
		publish.Note(ctx, pipe, now.UnixMilli(), names...) // as reporters do
		if _, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err)
		}
		if first {
			read()
		}
		rival()
		if !first {
			read()
		}
	}
	b.ReportMetric(servertest.Median(oursOfRedis)/servertest.Median(rawOfRedis), "x_of_redis_index+mget")
	b.ReportMetric(servertest.Median(ours)/servertest.Median(raw), "x_of_index+mget")
	b.ReportMetric(servertest.Median(ours)*1000, "read-ms")
}

// documents are 1,000 snapshots of 10 queues and 5,000 heartbeats, all of them others at another time.
func documents(at time.Time) map[string]string {
	docs := make(map[string]string, 6000)
	ms := at.UnixMilli()
	queue := `{"name":"queue-%d","driver":"bullmq","metrics":{"waiting":%d,"active":3,"delayed":0,"failed":1},"meta":{"completed":%d,"workers":4}}`
	for i := range 1000 {
		var queues []string
		for j := range 10 {
			queues = append(queues, fmt.Sprintf(queue, j, ms%1000, ms%7000))
		}
		docs[fmt.Sprintf("pulse:queues:app%d", i)] = fmt.Sprintf(`{"timestamp":%d,"app":"app%d","queues":[%s]}`, ms, i, strings.Join(queues, ","))
	}
	for i := range 5000 {
		docs[fmt.Sprintf("pulse:server:app%d:web-%d", i%1000, i)] = fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":"web-%d","platform":"linux","cpu_usage":12.5,"cpu_cores":4,"memory_total":8589934592,"memory_free":4294967296,"load_avg":[0.5,0.4,0.3]},"process":{"pid":1,"uptime":3600,"cpu_usage":1.5,"memory_rss":104857600,"memory_heap":52428800},"meta":{"app_name":"app%d","environment":"production","runtime":"go1.26","version":"1.0.0"}}`, ms, i, i%1000)
	}
	return docs
}

// BenchmarkView makes the whole view of these when everything has changed, from Redis to the rows, and
// in turn reads the index and the same values with MGET and decodes each once with encoding/json: the
// least that any program could do.
func BenchmarkView(b *testing.B) {
	server := servertest.Redis(b)
	ctx := b.Context()
	now := time.Now()
	r := New(server.Client, "redis", manyKeys)
	var builder view.Builder
	var ours, raw []time.Duration
	for first := true; b.Loop(); first = !first {
		now = now.Add(usualGap)
		var names []string
		pipe := server.Client.Pipeline()
		for key, value := range documents(now) {
			names = append(names, key)
			pipe.Set(ctx, key, value, 0)
		}
		publish.Note(ctx, pipe, now.UnixMilli(), names...)
		if _, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err)
		}
		measure := []func(){
			func() {
				began := time.Now()
				docs, err := readAll(ctx, r, now)
				if err != nil {
					b.Fatal(err)
				}
				if v := builder.Build(now, docs); v.Totals.Queues != 10_000 || v.Totals.Servers != 5000 {
					b.Fatalf("totals are %+v, problems %v", v.Totals, v.Problems)
				}
				ours = append(ours, time.Since(began))
			},
			func() {
				began := time.Now()
				if _, _, err := r.index(ctx, now); err != nil {
					b.Fatal(err)
				}
				for part := range slices.Chunk(names, 1000) {
					values, err := server.Client.MGet(ctx, part...).Result()
					if err != nil {
						b.Fatal(err)
					}
					for _, value := range values {
						var document any
						if err := json.Unmarshal([]byte(value.(string)), &document); err != nil {
							b.Fatal(err)
						}
					}
				}
				raw = append(raw, time.Since(began))
			},
		}
		if !first { // each goes first in turn: the second finds caches warm
			slices.Reverse(measure)
		}
		for _, f := range measure {
			f()
		}
	}
	b.ReportMetric(servertest.Median(ours)/servertest.Median(raw), "x_of_index+mget+unmarshal")
	b.ReportMetric(servertest.Median(ours)*1000, "view-ms")
}

// BenchmarkFirstWalk goes through two million keys of others for the first time, with a reading every two
// seconds of a clock of its own. It reports how long that takes for ten million, and how much of Redis'
// time.
func BenchmarkFirstWalk(b *testing.B) {
	server := servertest.Redis(b)
	const n = 2_000_000
	populate(b, server, n)
	readings := 0
	var took time.Duration
	for b.Loop() {
		server.Client.Del(b.Context(), scanKey)
		r := New(server.Client, "redis", manyKeys)
		before := spent(b.Context(), b, server.Client)
		for looking := true; looking; readings++ {
			_, looking = read(b, r, noon.Add(time.Duration(readings)*usualGap))[scanKey]
		}
		took += spent(b.Context(), b, server.Client) - before
	}
	walk := time.Duration(readings/b.N) * usualGap
	b.ReportMetric(walk.Minutes()*10_000_000/n, "min/10M-keys")
	b.ReportMetric(100*took.Seconds()/(usualGap.Seconds()*float64(readings)), "%_of_redis")
}

// populate fills a Redis with n keys of others.
func populate(b *testing.B, server *servertest.RedisServer, n int) {
	b.Helper()
	const part = 100_000 // so many that a call ends before the client's time limit
	for i := range n / part {
		if err := server.Client.Do(b.Context(), "DEBUG", "POPULATE", part, fmt.Sprintf("session%d", i), 8).Err(); err != nil {
			b.Fatal(err)
		}
	}
}

// spent is how long Redis has worked on commands since it started.
func spent(ctx context.Context, t testing.TB, c *redis.Client) time.Duration {
	t.Helper()
	stats, err := c.Info(ctx, "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, m := range regexp.MustCompile(`cmdstat_(\S+):calls=\d+,usec=(\d+)`).FindAllStringSubmatch(stats, -1) {
		if m[1] != "info" {
			usec, _ := strconv.Atoi(m[2])
			sum += time.Duration(usec) * time.Microsecond
		}
	}
	return sum
}

// median is in seconds.
