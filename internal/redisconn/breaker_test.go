package redisconn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestWhatAHungNodeIsStillAsked: commands again soon, for it may be back; which node has which slots only where no
// other node has answered since.
func TestWhatAHungNodeIsStillAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answeredAt atomic.Int64
		frozen, living := &breaker{answeredAt: &answeredAt}, &breaker{answeredAt: &answeredAt}
		ask := func(b *breaker, words ...any) bool {
			sent := false
			_ = b.ProcessHook(func(context.Context, redis.Cmder) error { sent = true; return nil })(t.Context(), redis.NewCmd(t.Context(), words...))
			return sent
		}
		expect := func(when string, commands, slots bool) {
			t.Helper()
			if got := frozen.Allow() == nil; got != commands {
				t.Errorf("%s: it is asked commands: %v", when, got)
			}
			if got := ask(frozen, "cluster", "slots"); got != slots {
				t.Errorf("%s: it is asked for slots: %v", when, got)
			}
		}
		expect("at first", true, true)
		time.Sleep(time.Second)
		frozen.ReportResult(fmt.Errorf("read: %w", os.ErrDeadlineExceeded))
		expect("nobody has answered since", false, true)
		time.Sleep(time.Second)
		living.ReportResult(errors.New("connection refused"))
		expect("nor is that an answer", false, true)
		living.ReportResult(nil)
		expect("another has answered", false, false)
		if !ask(living, "cluster", "slots") || ask(living, "COMMAND") || !ask(frozen, "get", "x") {
			t.Error("the wrong things are kept back")
		}
		frozen.ReportResult(frozen.Allow()) // that it was not asked is no news
		time.Sleep(leftAlone)
		expect("a while later", true, false)
		time.Sleep(slotsFromOthers)
		expect("a minute later", true, true)
		frozen.ReportResult(context.DeadlineExceeded)
		time.Sleep(time.Second)
		living.ReportResult(redis.Nil)
		expect("it hangs again", false, false)
		frozen.ReportResult(nil)
		expect("it has answered", true, true)
	})
}

// TestNobodyIsAskedWhatACommandIs: a user that may do all would get an answer, but ours may not, and then go-redis
// would ask again at each command.
func TestNobodyIsAskedWhatACommandIs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0)
	client := clientOf(t, "redis://"+nodes[0].Addr+","+nodes[1].Addr)
	for i := range 20 {
		key := fmt.Sprint("pulse:queues:shop-", i)
		if err := client.Set(ctx, key, "{}", 0).Err(); err != nil {
			t.Fatal(err)
		}
		// Commands of which the key is not the first word.
		if err := client.Eval(ctx, "return redis.call('GET', KEYS[1])", []string{key}).Err(); err != nil {
			t.Error(err)
		}
		if err := client.Do(ctx, "XINFO", "STREAM", key).Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
			t.Errorf("XINFO answers %v", err)
		}
		if _, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Time(ctx)
			pipe.Do(ctx, "MEMORY", "USAGE", key)
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	for _, node := range nodes {
		if said := node.Client.Info(ctx, "commandstats").Val(); strings.Contains(said, "cmdstat_command") {
			t.Errorf("%s was asked COMMAND:\n%s", node.Addr, said)
		}
	}
}
