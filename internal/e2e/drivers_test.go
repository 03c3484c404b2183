package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
	"github.com/gravito-framework/pulse/protocol"
)

// queueOf is a queue of one driver as its library leaves it in Redis, and what is to be seen of it.
type queueOf struct {
	settings []string // variables, and what they are
	seed     func(*testing.T, redis.Pipeliner)
	key      string // in the view
	metrics  map[string]int64
}

// queuesOf has one for each driver that reads a Redis, by the adapter's name.
var queuesOf = map[string]queueOf{
	"bullmq": {
		[]string{"PULSE_BULLMQ_QUEUES=*", "PULSE_BULLMQ_PREFIX=shop:bull"},
		func(t *testing.T, r redis.Pipeliner) {
			r.HSet(t.Context(), "shop:bull:orders:meta", "version", "bullmq:5.81.5")
			r.LPush(t.Context(), "shop:bull:orders:wait", "4", "5", "6")
			r.LPush(t.Context(), "shop:bull:orders:active", "3")
			r.ZAdd(t.Context(), "shop:bull:orders:failed", redis.Z{Score: 1_764_000_000_000, Member: "1"}, redis.Z{Score: 1_764_000_000_001, Member: "2"})
		},
		"bullmq/orders", map[string]int64{"waiting": 3, "active": 1, "delayed": 0, "failed": 2},
	},
	"laravel": {
		[]string{"PULSE_LARAVEL_QUEUES=*", "PULSE_LARAVEL_PREFIX=shop_"},
		func(t *testing.T, r redis.Pipeliner) {
			later := float64(time.Now().Add(time.Hour).Unix())
			r.RPush(t.Context(), "shop_queues:mail", "{}", "{}")
			r.ZAdd(t.Context(), "shop_queues:mail:delayed", redis.Z{Score: later, Member: "{}"})
			r.ZAdd(t.Context(), "shop_queues:mail:reserved", redis.Z{Score: later, Member: "1"}, redis.Z{Score: later, Member: "2"}, redis.Z{Score: later, Member: "3"})
		},
		"laravel-horizon/mail", map[string]int64{"waiting": 2, "active": 3, "delayed": 1},
	},
	"gravitostream": {
		[]string{"PULSE_STREAM_QUEUES=*", "PULSE_STREAM_PREFIX=stream:"},
		func(t *testing.T, r redis.Pipeliner) {
			r.RPush(t.Context(), "stream:mail", "a", "b")
			r.RPush(t.Context(), "stream:mail:high", "c")
			r.ZAdd(t.Context(), "stream:mail:delayed", redis.Z{Score: 9_999_999_999_999, Member: "d"})
			r.RPush(t.Context(), "stream:mail:failed", "e", "f")
		},
		"gravito-stream/mail", map[string]int64{"waiting": 3, "delayed": 1, "failed": 2},
	},
	"redislist": {
		[]string{"PULSE_LIST_KEYS=jobs:*"},
		func(t *testing.T, r redis.Pipeliner) { r.RPush(t.Context(), "jobs:resize", "a", "b", "c", "d") },
		"redis-list/jobs:resize", map[string]int64{"waiting": 4},
	},
	"redisstream": {
		[]string{"PULSE_REDIS_STREAMS=events"},
		func(t *testing.T, r redis.Pipeliner) {
			for range 5 {
				r.XAdd(t.Context(), &redis.XAddArgs{Stream: "events", Values: []string{"a", "b"}})
			}
			r.XGroupCreate(t.Context(), "events", "billing", "0")
			r.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "billing", Consumer: "c", Streams: []string{"events", ">"}, Count: 2})
		},
		"redis-stream/events/billing", map[string]int64{"waiting": 3, "active": 2},
	},
}

func TestEachDriverFromRedisToTheView(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	var all []string // settings
	pipe := server.Client.Pipeline()
	drivers := builtin.Of(adapter.Redis)
	for _, d := range drivers {
		q, ok := queuesOf[d.Adapter.Describe().Name]
		if !ok {
			t.Fatalf("%s has no queue here: add one to queuesOf", d.Adapter.Describe().Name)
		}
		q.seed(t, pipe)
		all = append(all, q.settings...)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := server.Digest()
	common := []string{"PULSE_REDIS_URL=" + server.URL, "PULSE_APP=shop", "PULSE_INTERVAL=1s"}
	block := func(settings []string) string { return "PULSE_SETTINGS=" + strings.Join(settings, "; ") }

	// Each alone shows its queue and no other, with the settings in either place.
	for _, d := range drivers {
		q := queuesOf[d.Adapter.Describe().Name]
		for how, settings := range map[string][]string{"variables": q.settings, "one block": {block(q.settings)}} {
			p := servertest.Run(t, servertest.Build(t, redisReporter), append(settings, common...), "-once")
			if status := p.Wait(); status != 0 {
				t.Fatalf("%s, by %s: status %d", q.key, how, status)
			}
			s, problems, err := protocol.DecodeSnapshot([]byte(p.Stdout()))
			if err != nil || len(problems) > 0 || len(s.Queues) != 1 {
				t.Fatalf("%s, by %s: it printed %s (%v, %v)", q.key, how, p.Stdout(), problems, err)
			}
			if diff := cmp.Diff(q.metrics, metrics(s.Queues[0].Metrics)); diff != "" || s.Queues[0].DriverName()+"/"+s.Queues[0].Name != q.key {
				t.Errorf("%s, by %s: it printed %s\n-want +got:\n%s", q.key, how, p.Stdout(), diff)
			}
		}
	}

	// All in one reporter.
	listen := address(t)
	program(t, redisReporter, append(common, block(all))...)
	program(t, aggregator, append(common, "PULSE_LISTEN="+listen)...)
	var v viewJSON
	servertest.Eventually(t, "the view with a queue of each driver", func() bool {
		var err error
		v, err = view(t, listen)
		return err == nil && v.Totals.Queues == int64(len(drivers))
	})
	for _, d := range drivers {
		want := queuesOf[d.Adapter.Describe().Name]
		got := v.Apps["shop"].Queues[want.key]
		if diff := cmp.Diff(want.metrics, got.Metrics); diff != "" || got.Status != "fresh" || got.Source != "redis" {
			t.Errorf("%s is %+v (-want +got):\n%s", want.key, got, diff)
		}
	}
	if source := v.Apps["shop"].Sources["redis"]; source.Status != "fresh" || time.Since(time.UnixMilli(source.Timestamp)).Abs() > time.Minute {
		t.Errorf("the source is %+v", source)
	}
	if len(v.Problems) > 0 {
		t.Errorf("problems: %v", v.Problems)
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("watching changed the queues (-before +after):\n%s", diff)
	}
}

// metrics are a queue's known counts by name.
func metrics(m protocol.Metrics) map[string]int64 {
	known := map[string]int64{"waiting": m.Waiting}
	for name, n := range map[string]*int64{"active": m.Active, "delayed": m.Delayed, "failed": m.Failed} {
		if n != nil {
			known[name] = *n
		}
	}
	return known
}

// wrong has a value of each variable that its driver doesn't take; of one that takes anything, nothing.
var wrong = map[string]string{
	"PULSE_BULLMQ_QUEUES":       "[x",
	"PULSE_BULLMQ_PREFIX":       "",
	"PULSE_LARAVEL_QUEUES":      "[x",
	"PULSE_LARAVEL_PREFIX":      strings.Repeat("x", 1025),
	"PULSE_HORIZON_PREFIX":      strings.Repeat("x", 1025),
	"PULSE_STREAM_QUEUES":       "[x",
	"PULSE_STREAM_PREFIX":       "",
	"PULSE_LIST_KEYS":           "[x",
	"PULSE_REDIS_STREAMS":       "[x",
	"PULSE_SQS_QUEUES":          "[x",
	"PULSE_SQS_CALLS_PER_MONTH": "many",
}

func TestWrongValueOfADriversVariableIsStatus2(t *testing.T) {
	t.Parallel()
	for _, d := range builtin.Drivers {
		program := redisReporter
		if d.Adapter.Describe().Source == adapter.SQS {
			program = sqsReporter
		}
		for _, s := range d.Settings {
			value, ok := wrong[s.Variable]
			if !ok {
				t.Errorf("%s has no wrong value here: add one", s.Variable)
			}
			if value == "" {
				continue
			}
			want := fmt.Sprintf("%s: %s is %.200q: it takes ", program[len("functions/"):], s.Variable, value)
			for _, setting := range []string{s.Variable + "=" + value, "PULSE_SETTINGS=" + s.Variable + "=" + value} {
				env := []string{"PULSE_REDIS_URL=redis://127.0.0.1:1", "PULSE_APP=shop", setting}
				if s != d.Settings[0] {
					env = append(env, d.Settings[0].Variable+"=x")
				}
				p := servertest.Run(t, servertest.Build(t, program), env)
				if status := p.Wait(); status != 2 || !strings.HasPrefix(p.Stderr(), want) || strings.Count(p.Stderr(), "\n") != 1 {
					t.Errorf("%.60s: status %d, it said:\n%s", setting, status, p.Stderr())
				}
			}
		}
	}
}
