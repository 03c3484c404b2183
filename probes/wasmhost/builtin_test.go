package wasmhost_test

import (
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/wasmhost"
)

func TestMain(m *testing.M) { servertest.Main(m) }

func TestTheBuiltInModuleReadsARealRedis(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.RPush(t.Context(), "jobs", "a", "b", "c").Err(); err != nil {
		t.Fatal(err)
	}
	module, err := wasmhost.Load(t.Context(), servertest.Adapters(t), wasmhost.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close(t.Context())
	session, err := module.Open(t.Context(), adapter.Settings{"adapter": "redislist", "app": "shop", "keys": "jobs"})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	p := &poll.Poller{Adapter: module.Describe(), Session: session, Source: sourceredis.New(server.Client, "redis")}
	for range 3 {
		s, err := p.Poll(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Queues) != 1 || s.Queues[0].Metrics.Waiting != 3 {
			t.Fatalf("%+v", s)
		}
	}
	t.Logf("%+v %+v", module.Describe(), session.(*wasmhost.Session).Usage())
}
