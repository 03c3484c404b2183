package discover

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// TestTheClockIsRedis sets this machine's clock wrong.
func TestTheClockIsRedis(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	for ours, said := range map[time.Duration]string{
		-40 * time.Second: "this server's clock is 40 s behind that of redis, whose time is used instead: set the one that is wrong (NTP)",
		25 * time.Hour:    "this server's clock is 25 h ahead of that of redis, whose time is used instead: set the one that is wrong (NTP)",
		time.Second:       "",
	} {
		r := New(server.Client, "redis", manyKeys)
		for range 2 {
			var problems []string
			local := time.Now().Add(ours)
			ahead, err := r.Read(t.Context(), local, func(d view.Document) bool {
				if d.Err != nil {
					problems = append(problems, d.Err.Error())
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if wrong := time.Until(local.Add(ahead)).Abs(); wrong > time.Minute { // a machine may be busy
				t.Errorf("with our clock %s ahead, Redis' is thought to be %s away", ours, wrong)
			}
			if got := strings.Join(problems, "\n"); got != said {
				t.Errorf("with our clock %s ahead it says %q, want %q", ours, got, said)
			}
		}
	}
}

// TestTheFutureOfTheIndexIsNotBelieved: a reporter with tomorrow's clock must not push all others out of the
// index, and not for ever.
func TestTheFutureOfTheIndexIsNotBelieved(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	const keys = 10
	server.Client.Set(ctx, "pulse:queues:shop", text, 0)
	server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: float64(noon.UnixMilli()), Member: "pulse:server:shop:lost"})
	for i := range keys {
		server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: float64(noon.Add(time.Duration(i+1) * time.Hour).UnixMilli()), Member: "pulse:queues:flood:" + string(rune('a'+i))})
	}
	r := New(server.Client, "redis", keys)
	docs := read(t, r, noon)
	if _, ok := docs["pulse:server:shop:lost"]; !ok || len(docs) != 2 {
		t.Errorf("documents are %v", docs)
	}
	if n := server.Client.ZCount(ctx, protocol.IndexKey, "("+"1764000060000", "+inf").Val(); n != 0 {
		t.Errorf("%d keys of the future are still in the index", n)
	}
}

// TestKeysWithoutEndAreRemovedFromTheIndex, and those with the same score stay.
func TestKeysWithoutEndAreRemovedFromTheIndex(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	score := float64(noon.UnixMilli())
	for _, member := range []string{"pulse:queues:" + strings.Repeat("n", maxKey), "pulse:queues:" + strings.Repeat("m", 1<<20), "pulse:server:shop:lost", "pulse:server:shop:lost-2"} {
		server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: score, Member: member})
	}
	server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: score - 1, Member: "pulse:server:shop:before"})
	r := New(connect(t, server.Addr), "redis", manyKeys)
	want := []string{"pulse:index", "pulse:server:shop:before", "pulse:server:shop:lost", "pulse:server:shop:lost-2"}
	if diff := cmp.Diff(want, keys(read(t, r, noon))); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:], server.Client.ZRange(ctx, protocol.IndexKey, 0, -1).Val()); diff != "" {
		t.Errorf("the index holds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:], keys(read(t, r, noon))); diff != "" {
		t.Errorf("documents after that (-want +got):\n%s", diff)
	}
}

// TestWhatWasThereIsReadBeforeWhatIsNew: a flood of larger keys than their share takes nothing from anybody.
func TestWhatWasThereIsReadBeforeWhatIsNew(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	large := strings.Repeat("x", 6<<20)
	server.Client.Set(ctx, "pulse:queues:zzz", large, 0)
	r := New(server.Client, "redis", manyKeys)
	read(t, r, noon)
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		server.Client.Set(ctx, "pulse:queues:"+key, large, 0)
	}
	server.Client.Set(ctx, "pulse:queues:small", text, 0)
	for i := range 3 {
		docs := read(t, r, noon.Add(time.Duration(i+1)*time.Second))
		refused := 0
		for _, d := range docs {
			if d.Err != nil {
				refused++
			}
		}
		if docs["pulse:queues:zzz"].Err != nil || docs["pulse:queues:small"].Err != nil || refused != 4 {
			t.Errorf("reading %d: %v, %v, and %d are refused", i, docs["pulse:queues:zzz"].Err, docs["pulse:queues:small"].Err, refused)
		}
	}
}
