//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/runtime/runtimetest"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// container is the memory of the smallest place where these programs run, and memoryLimit what they would set
// themselves there, but no machine that runs tests has such a container.
const (
	container   = 128 << 20
	memoryLimit = "GOMEMLIMIT=102MiB"
)

// snapshotOf is a snapshot of so many queues as any reporter writes it.
func snapshotOf(app, source string, queues int) string {
	return fmt.Sprintf(`{"timestamp":%d,"app":%q,"source":%q,"interval_ms":3600000,"queues":[%s]}`, time.Now().UnixMilli(), app, source, queueListOf(queues))
}

// queueListOf is the JSON of so many queues, made once for each number.
func queueListOf(n int) string {
	made, _ := queueLists.LoadOrStore(n, sync.OnceValue(func() string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"name":"queue-%06d","driver":"bullmq","metrics":{"waiting":%d,"active":3,"delayed":0,"failed":7},"meta":{"oldest_at":1764000000000,"prioritized":0,"workers":4,"completed":%d}}`, i, i, i)
		}
		return b.String()
	}))
	return made.(func() string)()
}

var queueLists sync.Map

const honestQueues = 200

// seeds fill a Redis with data of kinds that other programs may write.
var seeds = []struct {
	name string
	seed func(t *testing.T, pipe redis.Pipeliner)
	said string // in a problem
	// reports is that it is seeded anew before each reading, as reporters do.
	reports bool
}{
	{"42 snapshots of 20,000 queues", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 42 {
			source := fmt.Sprintf("s%d", i)
			pipe.Set(t.Context(), "pulse:queues:flood:"+source, snapshotOf("flood", source, 20_000), 0)
		}
	}, "all values together are larger", false},
	{"300 keys of 1 MB each", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 300 {
			pipe.Set(t.Context(), fmt.Sprintf("pulse:queues:%s%03d", strings.Repeat("n", 1<<20), i), snapshotOf("flood", "", 1), 0)
		}
	}, "keys with names longer than 1024 bytes are not read", false},
	{"300 members of 1 MB in the index", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 300 {
			pipe.ZAdd(t.Context(), protocol.IndexKey, redis.Z{Score: float64(time.Now().UnixMilli()), Member: fmt.Sprintf("pulse:queues:%s%03d", strings.Repeat("n", 1<<20), i)})
		}
	}, "", false},
	{"nested lists in the meta", func(t *testing.T, pipe redis.Pipeliner) {
		list := "[" + strings.Repeat("[],", 8<<20/3-200) + "[]]"
		for i := range 4 {
			source := fmt.Sprintf("s%d", i)
			s := snapshotOf("flood", source, 1)
			pipe.Set(t.Context(), "pulse:queues:flood:"+source, strings.Replace(s, `"workers":4`, `"workers":`+list, 1), 0)
		}
	}, "", false},
	{"a million members in a meta", func(t *testing.T, pipe redis.Pipeliner) {
		var members strings.Builder
		for i := 0; members.Len() < 8<<20-1000; i++ {
			fmt.Fprintf(&members, `"%x":0,`, i)
		}
		for i := range 3 {
			source := fmt.Sprintf("s%d", i)
			s := snapshotOf("flood", source, 1)
			pipe.Set(t.Context(), "pulse:queues:flood:"+source, strings.Replace(s, `"workers":4`, members.String()+`"workers":4`, 1), 0)
		}
	}, "", false},
	{"31 snapshots in odd case", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 31 {
			source := fmt.Sprintf("s%d", i)
			s := snapshotOf("flood", source, 6_000)
			pipe.Set(t.Context(), "pulse:queues:flood:"+source, strings.NewReplacer(`"waiting"`, `"Waiting"`, `"name"`, `"nAme"`).Replace(s), 0)
		}
	}, "it has no name", false},
	{"200 MB where the walk is kept", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 200 {
			pipe.HSet(t.Context(), "pulse:scan", fmt.Sprint("node", i), strings.Repeat("1", 1<<20))
		}
	}, "", false},
	{"many small fields where the walk is kept", func(t *testing.T, pipe redis.Pipeliner) {
		fields := make([]any, 0, 2_000_000)
		for i := range 1_000_000 {
			fields = append(fields, fmt.Sprint("10.0.0.1:", i), "0 0 0")
		}
		pipe.HSet(t.Context(), "pulse:scan", fields...)
	}, "", false},
	{"200,000 members of the index", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 200_000 {
			pipe.ZAdd(t.Context(), protocol.IndexKey, redis.Z{Score: float64(time.Now().UnixMilli()), Member: fmt.Sprintf("pulse:queues:a%d:source", i)})
		}
	}, "what was seen before", false},
	{"1,200 keys of 65 kB", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 1200 {
			pipe.Set(t.Context(), fmt.Sprintf("pulse:queues:a%04d", i), snapshotOf(fmt.Sprintf("a%04d", i), "", 400), 0)
		}
	}, "it is left out", false},
	{"names of control characters", func(t *testing.T, pipe redis.Pipeliner) {
		name := strings.Repeat(`\u0001`, 1000)
		for i := range 200 {
			source := fmt.Sprintf("s%d", i)
			var queues strings.Builder
			for j := range 20 {
				fmt.Fprintf(&queues, `,{"name":"%d%s","driver":"sqs","metrics":{"waiting":1}}`, j, name)
			}
			pipe.Set(t.Context(), "pulse:queues:flood:"+source, strings.Replace(snapshotOf("flood", source, 1), "]}", queues.String()+"]}", 1), 0)
		}
	}, "it is left out", false},
	{"a million small problems", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 10_000 {
			pipe.Set(t.Context(), fmt.Sprintf("pulse:queues:bad%04d", i), `{"timestamp":1,"app":"`+strings.Repeat("é", 2000)+`"}`, 0)
		}
	}, "app is", false},
	{"1,000 sources of an app", func(t *testing.T, pipe redis.Pipeliner) {
		for i := range 1000 {
			source := fmt.Sprintf("s%d", i)
			pipe.Set(t.Context(), "pulse:queues:flood:"+source, snapshotOf("flood", source, 100), 0)
		}
	}, "it is left out", true},
}

// TestRubbishOfAnySizeLeavesTheAggregatorSmall runs an aggregator in a container of 128 MiB.
func TestRubbishOfAnySizeLeavesTheAggregatorSmall(t *testing.T) {
	t.Parallel()
	for _, c := range seeds {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			pipe := server.Client.Pipeline()
			c.seed(t, pipe)
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			report := func() {
				server.Client.Set(t.Context(), "pulse:queues:shop:honest", snapshotOf("shop", "honest", honestQueues), 0)
				if c.reports {
					c.seed(t, pipe)
					if _, err := pipe.Exec(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			report()
			listen := address(t)
			p := program(t, aggregator, "PULSE_REDIS_URL="+server.URL, "PULSE_LISTEN="+listen, memoryLimit)
			servertest.Eventually(t, "the honest queues", func() bool {
				report()
				v, err := view(t, listen)
				return err == nil && len(v.Apps["shop"].Queues) == honestQueues
			})
			readings := 4
			if c.reports { // of two views while a third is made
				readings = 6
			}
			for range readings {
				time.Sleep(1100 * time.Millisecond)
				report()
				v, err := view(t, listen)
				if err != nil {
					t.Fatal(err)
				}
				if shop := v.Apps["shop"]; shop.Sources["honest"].Status != "fresh" || len(shop.Queues) != honestQueues {
					t.Errorf("the reporter of %d honest queues is %q", len(shop.Queues), shop.Sources["honest"].Status)
				}
				if c.said != "" && !slices.ContainsFunc(v.Problems, func(p struct{ Key, Reason string }) bool { return strings.Contains(p.Reason, c.said) }) {
					t.Errorf("%d problems do not say that %q: %.500q", len(v.Problems), c.said, v.Problems)
				}
			}
			most := p.PeakMemory(t)
			t.Logf("it takes %d MiB", most>>20)
			if most > container {
				t.Errorf("it took %d MiB", most>>20)
			}
		})
	}
}

// TestManyHonestQueuesFit: so docs/deploy.md says how much memory an aggregator takes, with a recorder in its process
// and without. Where it is without there are the verdicts of one elsewhere.
func TestManyHonestQueuesFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reports, queues, servers int
		records                  bool
		limit                    string
		most                     int
	}{
		{10, 1000, 5000, true, memoryLimit, 96 << 20},
		{20, 5000, 0, false, "GOMEMLIMIT=204MiB", 256 << 20},
		{20, 5000, 0, true, "GOMEMLIMIT=204MiB", 256 << 20},
	} {
		t.Run(fmt.Sprintf("%d queues,records=%t", c.reports*c.queues, c.records), func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			report := func() {
				pipe := server.Client.Pipeline()
				if !c.records {
					pipe.Set(t.Context(), protocol.TrendKey("shop"), verdictsOn(t, "shop", c.reports, c.queues), 0)
				}
				for i := range c.reports {
					source := fmt.Sprintf("s%d", i)
					pipe.Set(t.Context(), "pulse:queues:shop:"+source, snapshotOf("shop", source, c.queues), 0)
				}
				for i := range c.servers {
					id := fmt.Sprintf("web-%d", i)
					pipe.Set(t.Context(), "pulse:server:shop:"+id, serverBeat("shop", id), 0)
				}
				if _, err := pipe.Exec(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			report()
			var p *servertest.Process
			var read func() (viewJSON, error)
			if c.records {
				listen := address(t)
				p = program(t, aggregator, "PULSE_REDIS_URL="+server.URL, "PULSE_LISTEN="+listen, c.limit)
				read = func() (viewJSON, error) { return view(t, listen) }
			} else { // as in Lambda, where the recorder is another function
				api := runtimetest.New(t)
				p = api.Start(servertest.Build(t, aggregator), "PULSE_REDIS_URL="+server.URL, c.limit)
				request := event(t, "aggregator/events/function-url-dashboard.json", func(e map[string]any) {
					e["rawPath"] = "/api/v1/view"
					e["requestContext"].(map[string]any)["http"].(map[string]any)["path"] = "/api/v1/view"
					delete(e["headers"].(map[string]any), "accept-encoding")
				})
				read = func() (v viewJSON, err error) {
					err = json.Unmarshal(api.Invoke(request, time.Minute).Body, &v)
					return v, err
				}
			}
			all := func() bool {
				v, err := read()
				return err == nil && v.Totals.Queues == int64(c.reports*c.queues) && v.Totals.Servers == int64(c.servers) && v.Totals.Lost.Queues == 0 && len(v.Problems) == 0
			}
			servertest.Eventually(t, "all queues and servers", func() bool { report(); return all() })
			for range 3 {
				time.Sleep(1100 * time.Millisecond)
				report()
				if !all() {
					t.Error("some are not there any more")
				}
			}
			most := p.PeakMemory(t)
			t.Logf("it takes %d MiB", most>>20)
			if most > c.most {
				t.Errorf("it took %d MiB, at most %d are right", most>>20, c.most>>20)
			}
		})
	}
}

// verdictsOn are a recorder's on the queues of so many reports of snapshotOf.
func verdictsOn(t *testing.T, app string, reports, queues int) []byte {
	t.Helper()
	verdicts := protocol.Trends{Timestamp: time.Now().UnixMilli(), App: app, Queues: map[string]*protocol.Verdict{}}
	for i := range queues {
		for report := range reports {
			key := fmt.Sprintf("bullmq/queue-%06d", i)
			if report > 0 { // another has a queue of that name, too
				key += fmt.Sprintf("@s%d", report)
			}
			verdicts.Queues[key] = &protocol.Verdict{Health: protocol.HealthOK, Trend: protocol.Trend{WaitingPerMin: new(0.0)}}
		}
	}
	text, err := verdicts.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// serverBeat is a heartbeat as any agent writes it.
func serverBeat(app, id string) string {
	return fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":%q,"platform":"linux","cpu_usage":3.5,"cpu_cores":4,"memory_total":8589934592,"memory_free":4294967296,"load_avg":[1,1,1]},
		"process":{"pid":7,"uptime":%d,"cpu_usage":1,"memory_rss":50000000,"memory_heap":20000000},"meta":{"app_name":%q,"id":%[2]q,"environment":"production","runtime":"go1.26","version":"1"}}`,
		time.Now().UnixMilli(), id, time.Now().Unix(), app)
}

// TestLargeThingsOfAnAppLeaveTheReporterSmall: a reporter counts jobs, however large the application makes them.
func TestLargeThingsOfAnAppLeaveTheReporterSmall(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	large := strings.Repeat("x", 100<<20)
	pipe := server.Client.Pipeline()
	for i := range 20 {
		queue := fmt.Sprintf("bull:q%d:", i)
		pipe.HSet(ctx, queue+"meta", "opts.maxLenEvents", "10000")
		for range 10 {
			pipe.LPush(ctx, queue+"wait", large[:1<<20])
		}
	}
	pipe.HSet(ctx, "bull:large-meta:meta", "version", large, "paused", large)
	pipe.Set(ctx, "bull:large-meta:limiter", large, 0)
	pipe.HSet(ctx, "bull:honest:meta", "opts.maxLenEvents", "10000")
	pipe.LPush(ctx, "bull:honest:wait", "1", "2", "3")
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	p := program(t, redisReporter, "PULSE_REDIS_URL="+server.URL, "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=*", "PULSE_INTERVAL=1s", memoryLimit)
	var last int64
	for range 4 { // polls
		servertest.Eventually(t, "a report", func() bool {
			data, err := server.Client.Get(ctx, "pulse:queues:shop:redis").Bytes()
			if err != nil {
				return false
			}
			s, _, err := protocol.DecodeSnapshot(data)
			if err != nil || s.Timestamp == last {
				return false
			}
			last = s.Timestamp
			i := slices.IndexFunc(s.Queues, func(q protocol.Queue) bool { return q.Name == "honest" })
			if i < 0 || s.Queues[i].Metrics.Waiting != 3 {
				t.Errorf("of %d queues the honest one is not there, or wrong; problems: %.500v", len(s.Queues), s.Problems)
			}
			return true
		})
	}
	most := p.PeakMemory(t)
	t.Logf("it takes %d MiB", most>>20)
	if most > container {
		t.Errorf("it took %d MiB", most>>20)
	}
}

// TestManyQueuesLeaveTheReporterSmall fills the Redis of the queues with as many as docs/deploy.md says fit, and with
// more names than any app has, each a kilobyte of what JSON writes six times as long.
func TestManyQueuesLeaveTheReporterSmall(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01", 1010)
	for _, c := range []struct {
		name     string
		drivers  []string
		queues   int
		seed     func(pipe redis.Pipeliner, i int)
		reported int    // at least
		said     string // in a problem; where it is empty there is none
	}{
		{"20,000 queues", []string{"PULSE_BULLMQ_QUEUES=*"}, 20_000, func(pipe redis.Pipeliner, i int) {
			pipe.HSet(t.Context(), fmt.Sprintf("bull:queue-%06d:meta", i), "opts.maxLenEvents", "10000")
		}, 20_000, ""},
		{"long names of BullMQ", []string{"PULSE_BULLMQ_QUEUES=*"}, 9_000, func(pipe redis.Pipeliner, i int) {
			pipe.HSet(t.Context(), fmt.Sprintf("bull:%04d%s:meta", i, long), "opts.maxLenEvents", "10000")
		}, 1000, "one driver keeps 1048576"},
		{"long names of Gravito Stream", []string{"PULSE_STREAM_QUEUES=*"}, 9_000, func(pipe redis.Pipeliner, i int) {
			pipe.LPush(t.Context(), fmt.Sprintf("queue:%04d%s", i, long), "1")
		}, 1000, "one driver keeps 1048576"},
		{"long names of every driver", []string{"PULSE_BULLMQ_QUEUES=*", "PULSE_STREAM_QUEUES=*", "PULSE_LARAVEL_QUEUES=*", "PULSE_LIST_KEYS=jobs:*", "PULSE_REDIS_STREAMS=events:*"}, 9_000, func(pipe redis.Pipeliner, i int) {
			name := fmt.Sprintf("%04d%s", i, long)
			pipe.HSet(t.Context(), "bull:"+name+":meta", "opts.maxLenEvents", "10000")
			pipe.LPush(t.Context(), "queue:"+name, "1")
			pipe.LPush(t.Context(), "laravel_database_queues:"+name, "{}")
			pipe.LPush(t.Context(), "jobs:"+name, "1")
			pipe.XGroupCreateMkStream(t.Context(), "events:"+name, "g", "0")
		}, 1000, "one driver keeps 1048576"},
		{"long names of consumer groups", []string{"PULSE_REDIS_STREAMS=events:*"}, 30_000, func(pipe redis.Pipeliner, i int) {
			pipe.XGroupCreateMkStream(t.Context(), "events:orders", fmt.Sprintf("%05d%s", i, long[:900]), "0")
		}, 1000, "one driver keeps 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			pipe := server.Client.Pipeline()
			for i := range c.queues {
				c.seed(pipe, i)
			}
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := program(t, redisReporter, append([]string{"PULSE_REDIS_URL=" + server.URL, "PULSE_APP=shop", "PULSE_INTERVAL=1s", memoryLimit}, c.drivers...)...)
			var last int64
			for range 8 { // polls
				servertest.Eventually(t, "a report", func() bool {
					data, err := server.Client.Get(t.Context(), "pulse:queues:shop:redis").Bytes()
					if err != nil {
						return false
					}
					s, problems, err := protocol.DecodeSnapshot(data)
					if err != nil || s.Timestamp == last {
						return false
					}
					last = s.Timestamp
					if slices.ContainsFunc(problems, tookTooLong) {
						return false
					}
					isSaid := slices.ContainsFunc(problems, func(p protocol.Problem) bool { return strings.Contains(p.Reason, c.said) })
					if len(s.Queues) < c.reported || c.said != "" && !isSaid || c.said == "" && len(problems) > 0 {
						t.Errorf("%d queues, problems: %.2000v", len(s.Queues), problems)
					}
					return true
				})
			}
			most := p.PeakMemory(t)
			t.Logf("it takes %d MiB", most>>20)
			if most > container {
				t.Errorf("it took %d MiB", most>>20)
			}
		})
	}
}

// tookTooLong is what a machine makes of a poll that has other things to do, as a first one may be of a walk.
func tookTooLong(p protocol.Problem) bool {
	return strings.Contains(p.Reason, "timeout") || strings.Contains(p.Reason, "deadline exceeded") || strings.Contains(p.Reason, "still looking")
}

// TestManyQueuesLeaveTheRecorderSmall: so docs/deploy.md says what the smallest function holds.
func TestManyQueuesLeaveTheRecorderSmall(t *testing.T) {
	t.Parallel()
	const apps, each, most = 50, 200, 64 << 20
	server := servertest.Redis(t)
	api := runtimetest.New(t)
	p := api.Start(servertest.Build(t, recorder), "PULSE_REDIS_URL="+server.URL)
	names := make([]string, apps)
	for minute := range 3 {
		pipe := server.Client.Pipeline()
		for i := range apps {
			names[i] = fmt.Sprintf("app-%d", i)
			pipe.Set(t.Context(), "pulse:queues:"+names[i]+":s", snapshotOf(names[i], "s", each), 0)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		if minute > 0 {
			aMinuteLater(t, server, names...)
		}
		r := api.Invoke(event(t, "recorder/events/schedule.json", nil), time.Minute)
		if got, queues := summaryOf(t, r.Body); r.Error != "" || got != apps || queues != apps*each {
			t.Fatalf("it answered %s, error %q", r.Body, r.Error)
		}
	}
	took := p.PeakMemory(t)
	t.Logf("it takes %d MiB", took>>20)
	if took > most {
		t.Errorf("it took %d MiB, at most %d are right", took>>20, most>>20)
	}
}
