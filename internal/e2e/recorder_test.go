package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/runtime/runtimetest"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

const recorder = "functions/recorder"

// recorded is a recorder's summary.
type recorded struct {
	Apps, Queues, Firing *int
	DurationMS           *int64 `json:"duration_ms"`
}

func summaryOf(t *testing.T, text []byte) (apps, queues int) {
	t.Helper()
	var sum recorded
	if err := json.Unmarshal(text, &sum); err != nil || sum.Apps == nil || sum.Queues == nil || sum.Firing == nil || sum.DurationMS == nil {
		t.Fatalf("the summary is %s, %v", text, err)
	}
	return *sum.Apps, *sum.Queues
}

// aMinuteLater makes all that is recorded of an app a minute older, so that the minute that runs can be recorded.
func aMinuteLater(t *testing.T, server *servertest.RedisServer, apps ...string) {
	t.Helper()
	pipe := server.Client.Pipeline()
	for _, app := range apps {
		key := protocol.HistoryKey(app)
		entries, err := server.Client.XRange(t.Context(), key, "-", "+").Result()
		if err != nil || len(entries) == 0 {
			t.Fatalf("%s has %d entries, %v", key, len(entries), err)
		}
		pipe.Del(t.Context(), key)
		for _, e := range entries {
			ms, _, _ := strings.Cut(e.ID, "-")
			at, err := strconv.ParseInt(ms, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: key, ID: strconv.FormatInt(at-time.Minute.Milliseconds(), 10) + "-0", Values: e.Values})
		}
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func setWaiting(t *testing.T, server *servertest.RedisServer, waiting int) {
	t.Helper()
	server.Client.Set(t.Context(), "pulse:queues:shop", fmt.Sprintf(
		`{"timestamp":%d,"app":"shop","queues":[{"name":"mail","driver":"other","metrics":{"waiting":%d}}]}`, time.Now().UnixMilli(), waiting), time.Minute)
}

func TestRecorderOncePrintsWhatItDid(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	setWaiting(t, redis, 5)
	p := servertest.Run(t, servertest.Build(t, recorder), []string{"PULSE_REDIS_URL=" + redis.URL}, "-once")
	if status := p.Wait(); status != 0 || p.Stderr() != "" {
		t.Fatalf("status %d, it said %s", status, p.Stderr())
	}
	if apps, queues := summaryOf(t, []byte(p.Stdout())); apps != 1 || queues != 1 {
		t.Errorf("it printed %s", p.Stdout())
	}
	if n := redis.Client.XLen(t.Context(), "pulse:history:shop").Val(); n != 1 {
		t.Errorf("history has %d entries", n)
	}
	if owner := redis.Client.Get(t.Context(), "pulse:owner:recorder").Val(); owner != "" {
		t.Errorf("it has ended, and %q still has the claim", owner)
	}
}

// TestRecorderIsALambda: what it has recorded in two invocations is what an aggregator shows.
func TestRecorderIsALambda(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	api := runtimetest.New(t)
	p := api.Start(servertest.Build(t, recorder), "PULSE_REDIS_URL="+redis.URL)
	schedule := event(t, "recorder/events/schedule.json", nil)
	for i, waiting := range []int{5, 7} { // the second is a warm start
		if i > 0 {
			aMinuteLater(t, redis, "shop")
		}
		setWaiting(t, redis, waiting)
		r := api.Invoke(schedule, time.Minute)
		if apps, queues := summaryOf(t, r.Body); r.Error != "" || apps != 1 || queues != 1 {
			t.Fatalf("it answered %s, error %q", r.Body, r.Error)
		}
	}
	if owner := redis.Client.Get(t.Context(), "pulse:owner:recorder").Val(); owner != "request-2" {
		t.Errorf("the owner is %q", owner)
	}
	if text := redis.Client.Get(t.Context(), "pulse:trend:shop").Val(); !strings.Contains(text, `"other/mail"`) {
		t.Errorf("the verdicts are %s", text)
	}
	listen := address(t)
	program(t, aggregator, "PULSE_REDIS_URL="+redis.URL, "PULSE_LISTEN="+listen)
	var got struct {
		Series map[string]struct{ Waiting []*int }
	}
	servertest.Eventually(t, "history", func() bool {
		body, err := get(t, listen, "/api/v1/history?key=shop/other/mail")
		return err == nil && json.Unmarshal(body, &got) == nil
	})
	var shown []int
	for _, n := range got.Series["shop/other/mail"].Waiting {
		if n != nil {
			shown = append(shown, *n)
		}
	}
	if len(shown) < 2 || !slices.Equal(shown[:2], []int{5, 7}) {
		t.Errorf("the chart has %v", shown)
	}
	fitsInMemory(t, p)
}

// TestRecorderSaysWhatIsWrong: by status 2, and without a secret.
func TestRecorderSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const redis = "PULSE_REDIS_URL=redis://127.0.0.1:1"
	for _, c := range []struct {
		variable, want string
	}{
		{"PULSE_ALERTS=https://hooks.slack.com/services/hunter2,ftp://hunter2.example.com", "PULSE_ALERTS: its channel 2: it takes https://hooks.slack.com/…"},
		{"PULSE_ALERTS=pagerduty:hunter2 hunter2", "PULSE_ALERTS: its channel 1: what follows pagerduty:"},
		{"PULSE_ALERTS=sns:hunter2", "PULSE_ALERTS: its channel 1: what follows sns:"},
		{"PULSE_ALERT_RULES=stalled 5", `PULSE_ALERT_RULES: "stalled 5": "5" is no duration`},
		{"PULSE_ALERT_REPEAT=4", `PULSE_ALERT_REPEAT is "4": it takes`},
		{"PULSE_HISTORY=1m", `PULSE_HISTORY is "1m": it takes a duration from 1h to 168h`},
		{"PULSE_PUBLIC_URL=https://ada:hunter2@pulse.example.com", "PULSE_PUBLIC_URL is no address of a page"},
	} {
		t.Run(c.variable, func(t *testing.T) {
			t.Parallel()
			p := program(t, recorder, redis, c.variable)
			status, said := p.Wait(), p.Stderr()
			if status != 2 || !strings.Contains(said, c.want) || strings.Count(said, "\n") != 1 || strings.Contains(said, "hunter2") {
				t.Errorf("status %d; it said:\n%s", status, said)
			}
		})
	}
	// A channel that cannot be reached: nothing of its address but the host.
	p := servertest.Run(t, servertest.Build(t, recorder), []string{redis, "PULSE_ALERTS=https://127.0.0.1:1/hunter2?key=hunter2"}, "-test-alert")
	status, said := p.Wait(), p.Stderr()
	if status != 1 || !strings.Contains(said, "channel 1 (webhook at 127.0.0.1)") || !strings.Contains(said, "connection refused") || strings.Contains(said, "hunter2") {
		t.Errorf("status %d; it said:\n%s", status, said)
	}
}

// readerOf makes the user of docs/acl.md that may only read, and is the URL of a Redis for it.
func readerOf(t *testing.T, server *servertest.RedisServer) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, user, _ := strings.Cut(string(page), "ACL SETUSER pulse-reader ")
	user, _, _ = strings.Cut(user, "\n")
	words := []any{"ACL", "SETUSER", "pulse-reader"}
	for word := range strings.FieldsSeq(user) {
		words = append(words, word)
	}
	if err := server.Client.Do(t.Context(), words...).Err(); err != nil {
		t.Fatal(err)
	}
	return "redis://pulse-reader:reader-password@" + server.Addr
}

// TestAggregatorThatMayNotRecordServesAndSaysSoOnce runs one as a user that may only read.
func TestAggregatorThatMayNotRecordServesAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	listen := address(t)
	p := program(t, aggregator, "PULSE_REDIS_URL="+readerOf(t, server), "PULSE_LISTEN="+listen)
	servertest.Eventually(t, "the third try to record", func() bool {
		setWaiting(t, server, 5)
		tries := int64(0)
		for _, denial := range server.Client.ACLLog(t.Context(), 100).Val() {
			if denial.Object == "set" {
				tries += denial.Count
			}
		}
		return tries >= 3
	})
	if v, err := view(t, listen); err != nil || v.Totals.Waiting == nil || *v.Totals.Waiting != 5 {
		t.Errorf("the view has %v, %v", v.Totals, err)
	}
	const why = "allow +set on ~pulse:owner:recorder (docs/acl.md)"
	if said := p.Stderr(); strings.Count(said, "cannot record") != 1 || strings.Count(said, why) != 1 {
		t.Errorf("it said:\n%s", said)
	}
}
