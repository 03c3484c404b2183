package discover

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// BenchmarkRead reads 1,000 snapshots of 10 queues and 5,000 heartbeats among 200,000 keys of
// others, and beside it fetches the same values with MGET, a thousand a call, knowing their names.
func BenchmarkRead(b *testing.B) {
	server := servertest.Redis(b)
	others(b, server.Client, 200_000)
	ctx := b.Context()
	now := time.Now()
	var names []string
	pipe := server.Client.Pipeline()
	put := func(key, value string) {
		names = append(names, key)
		pipe.Set(ctx, key, value, 0)
		pipe.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: float64(now.UnixMilli()), Member: key})
	}
	queue := `{"name":"queue-%d","driver":"bullmq","metrics":{"waiting":12,"active":3,"delayed":0,"failed":1},"meta":{"completed":1000,"workers":4}}`
	for i := range 1000 {
		var queues []string
		for j := range 10 {
			queues = append(queues, fmt.Sprintf(queue, j))
		}
		put(fmt.Sprintf("pulse:queues:app%d", i), fmt.Sprintf(`{"timestamp":%d,"app":"app%d","queues":[%s]}`, now.UnixMilli(), i, strings.Join(queues, ",")))
	}
	for i := range 5000 {
		put(fmt.Sprintf("pulse:server:app%d:web-%d", i%1000, i), fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":"web-%d","platform":"linux","cpu_usage":12.5,"cpu_cores":4,"memory_total":8589934592,"memory_free":4294967296,"load_avg":[0.5,0.4,0.3]},"process":{"pid":1,"uptime":3600,"cpu_usage":1.5,"memory_rss":104857600,"memory_heap":52428800},"meta":{"app_name":"app%d","environment":"production","runtime":"go1.26","version":"1.0.0"}}`, now.UnixMilli(), i, i%1000))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		b.Fatal(err)
	}
	r := New(server.Client, "redis")
	var ours, raw []time.Duration
	for b.Loop() {
		began := time.Now()
		docs, err := r.Read(ctx, now)
		ours = append(ours, time.Since(began))
		if err != nil || len(docs) != len(names) {
			b.Fatalf("%d documents, %v", len(docs), err)
		}
		began = time.Now()
		for part := range slices.Chunk(names, 1000) {
			if err := server.Client.MGet(ctx, part...).Err(); err != nil {
				b.Fatal(err)
			}
		}
		raw = append(raw, time.Since(began))
	}
	b.ReportMetric(median(ours)/median(raw), "x_of_raw_mget")
	b.ReportMetric(median(ours)*1000, "read-ms")
}

// median is in seconds.
func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds()
}
