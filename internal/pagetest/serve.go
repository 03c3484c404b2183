// Package pagetest tests the page in a real Chromium, as the aggregator serves it over a real Redis.
//
// The tests of internal/api seed and serve in the same way: Serve, Set and Record are for both.
package pagetest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/discover"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// Serve is the whole aggregator over a real Redis.
func Serve(t testing.TB, server *servertest.RedisServer, token string) *httptest.Server {
	t.Helper()
	address, err := redisconn.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := address.Client(t.Context()) // as the program has it: with bounds
	t.Cleanup(func() { _ = client.Close() })
	s := &api.Server{
		History: recorder.NewStore(client, "the test's redis", 24*time.Hour).History,
		Live:    api.NewLive(discover.New(client, "the test's redis", 100_000).Read, 0, slog.New(slog.DiscardHandler)),
		Redis:   client,
		Ping:    func(ctx context.Context) error { return client.Ping(ctx).Err() },
		Token:   token,
		Log:     slog.New(slog.DiscardHandler),
	}
	served := httptest.NewServer(s.Handler())
	t.Cleanup(served.Close)
	return served
}

// Set writes a document under key, with a timestamp of now before what format and args make.
func Set(t *testing.T, server *servertest.RedisServer, key, format string, args ...any) {
	t.Helper()
	args = append([]any{time.Now().UnixMilli()}, args...)
	if err := server.Client.Set(t.Context(), key, fmt.Sprintf(`{"timestamp":%d,`+format+`}`, args...), 10*time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
}

// Record writes the history of an app: how many jobs wait in each queue, minute by minute up to now; -1 is a minute
// without a look.
func Record(tb testing.TB, client redis.UniversalClient, app string, waiting map[string][]int64) {
	tb.Helper()
	RecordAs(tb, client, app, waiting, func(n int64) protocol.Metrics { return protocol.Metrics{Waiting: n} })
}

// RecordAs is the same, of numbers that metrics makes of each.
func RecordAs(tb testing.TB, client redis.UniversalClient, app string, columns map[string][]int64, metrics func(int64) protocol.Metrics) {
	tb.Helper()
	now := time.Now().UnixMilli()
	encoder := history.NewEncoder(24*time.Hour, nil)
	minutes := 0
	for _, column := range columns {
		minutes = len(column)
	}
	pipe := client.Pipeline()
	for i := range minutes {
		at := now - int64(minutes-1-i)*time.Minute.Milliseconds()
		var samples []history.Sample
		for name, column := range columns {
			if column[i] >= 0 {
				samples = append(samples, history.Sample{Key: history.Key("sqs/" + name), Name: name, Driver: protocol.DriverSQS, Metrics: metrics(column[i])})
			}
		}
		if len(samples) == 0 {
			continue
		}
		entry, _ := encoder.Encode(at, samples)
		pipe.XAdd(tb.Context(), &redis.XAddArgs{Stream: protocol.HistoryKey(app), ID: history.EntryID(at), Values: []string{history.Field, string(entry)}})
	}
	if _, err := pipe.Exec(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}
