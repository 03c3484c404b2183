package gravitostream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/gravitostream"
)

// Gravito Stream itself can't be had where these tests run. So they write the keys that its Redis driver
// was seen to write, to a real Redis; what the library says of the same queues is not compared.

// count is what is true of a queue; -1 is unknown.
type count struct{ Waiting, Delayed, Failed, Stranded int64 }

// seed writes queues as Gravito Stream does, and what lies beside them.
func seed(t *testing.T, c redis.UniversalClient, prefix string) map[string]count {
	t.Helper()
	ctx := t.Context()
	job := func(i int) string { return fmt.Sprintf(`{"id":"%d","data":{}}`, i) }
	push := func(key string, n int) {
		for i := range n {
			if err := c.RPush(ctx, prefix+key, job(i)).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	delay := func(key string, n int) {
		for i := range n {
			due := time.Now().Add(time.Hour).UnixMilli()
			if err := c.ZAdd(ctx, prefix+key, redis.Z{Score: float64(due), Member: job(i)}).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	push("mail", 3)
	push("mail:critical", 1)
	push("mail:high", 2)
	push("mail:low", 4)
	delay("mail:delayed", 2)
	delay("mail:high:delayed", 3)
	push("mail:failed", 5)
	c.Set(ctx, prefix+"mail:paused", "1", 0)
	push("mail:7", 2)
	push("img:resize", 1) // a name with a colon
	delay("img:resize:low:delayed", 1)
	push("full", 1)
	for range 1100 {
		c.LPush(ctx, prefix+"full:failed", job(1))
	}
	c.LTrim(ctx, prefix+"full:failed", 0, 999)

	c.SAdd(ctx, prefix+"active", "group-1")
	push("pending:group-1", 2)
	c.HSet(ctx, prefix+"worker:w1", "beat", "1")
	push("logs:mail", 3)
	c.ZAdd(ctx, prefix+"schedules", redis.Z{Score: 1, Member: "x"})
	c.HSet(ctx, prefix+"schedule:x", "cron", "* * * * *")
	c.Set(ctx, prefix+"lock:x", "1", 0)
	c.Set(ctx, prefix+"mail:ratelimit:1764000", "3", 0)
	return map[string]count{
		"mail":       {10, 5, 5, 2},
		"img:resize": {1, 1, 0, 0},
		"full":       {1, 0, 1000, 0},
	}
}

func newPoller(t *testing.T, client redis.UniversalClient, queues, prefix string) *poll.Poller {
	t.Helper()
	a := gravitostream.Adapter{}
	session, err := a.Open(t.Context(), adapter.Settings{"app": "shop", gravitostream.SettingQueues: queues, gravitostream.SettingPrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return &poll.Poller{Adapter: a.Describe(), Session: session, Source: source.New(client, "the test's redis")}
}

func check(t *testing.T, p *poll.Poller, now time.Time, want map[string]count) {
	t.Helper()
	s, err := p.Poll(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Encode(); err != nil || len(s.Problems) > 0 {
		t.Errorf("problems %v, %v", s.Problems, err)
	}
	got := map[string]count{}
	for _, q := range s.Queues {
		stranded, _ := q.Meta.Int("stranded")
		got[q.Name] = count{q.Metrics.Waiting, *q.Metrics.Delayed, *q.Metrics.Failed, stranded}
		if q.Metrics.Active != nil {
			t.Errorf("active of %s is %d: Redis does not tell it", q.Name, *q.Metrics.Active)
		}
		if q.Meta.Bool("paused") != (q.Name == "mail") || q.Meta.Bool("failed_capped") != (q.Name == "full") {
			t.Errorf("meta of %s is %s", q.Name, q.Meta.AppendJSON(nil))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
}

func TestQueuesAreCountedAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"queue:", "{my*app}:q:"} {
		server := servertest.Redis(t)
		want := seed(t, server.Client, prefix)
		before := server.Digest()
		for _, queues := range []string{"*", "mail,img:resize,full"} {
			p := newPoller(t, server.Client, queues, prefix)
			for i := range 3 {
				check(t, p, time.Now().Add(time.Duration(i)*time.Minute), want)
			}
		}
		if diff := cmp.Diff(before, server.Digest()); diff != "" {
			t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
		}
	}
}

func TestQueuesOfAClusterAreFoundOnAllItsMasters(t *testing.T) {
	t.Parallel()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: servertest.Cluster(t), Protocol: 2})
	defer c.Close()
	check(t, newPoller(t, c, "*", "queue:"), time.Now(), seed(t, c, "queue:"))
}
