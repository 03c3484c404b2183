package recorder_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/recorder"
	"github.com/gravito-framework/pulse/protocol"
	"github.com/gravito-framework/pulse/protocol/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAHeartbeatPassesTheProtocolAndItsSchema(t *testing.T) {
	t.Parallel()
	r, err := recorder.New(recorder.Options{App: "shop", ID: "web-1", Environment: "staging", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second look knows the first
		h, err := r.Heartbeat(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		data, err := h.Encode() // validates
		if err != nil {
			t.Fatal(err)
		}
		checkSchema(t, schema.Heartbeat, data)
		want := map[string]any{"app_name": "shop", "id": "web-1", "environment": "staging", "version": "1.2.3", "runtime": runtime.Version()}
		if diff := cmp.Diff(want, h.Meta.Map()); diff != "" {
			t.Errorf("meta: -want +got:\n%s", diff)
		}
		p, s := h.Process, h.System
		if p.PID != int64(os.Getpid()) || *p.MemoryRSS <= 0 || *p.MemoryHeap <= 0 || *p.Uptime < 0 || *p.CPUUsage < 0 {
			t.Errorf("process: %s", data)
		}
		if s.Platform != runtime.GOOS || s.Hostname == "" || *s.MemoryTotal <= 0 || *s.MemoryFree <= 0 || *s.MemoryFree > *s.MemoryTotal || *s.CPUCores <= 0 || *s.CPUUsage < 0 || *s.CPUUsage > 100 {
			t.Errorf("system: %s", data)
		}
	}
}

func checkSchema(t *testing.T, document, data []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%s: %v", data, err)
	}
}

func TestAHeartbeatsDefaults(t *testing.T) {
	t.Parallel()
	r, err := recorder.New(recorder.Options{App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.Heartbeat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hostname, _ := os.Hostname()
	if h.Meta.Text("id") != protocol.NameFrom(hostname) || h.Meta.Text("environment") != "production" || h.Meta.Text("version") == "" {
		t.Errorf("%v", h.Meta)
	}
}

func TestAWrongOptionIsAnError(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]recorder.Options{
		`App is "": it takes `:         {},
		`App is "my shop": it takes `:  {App: "my shop"},
		`ID is "a:b": it takes `:       {App: "shop", ID: "a:b"},
		`Interval is -1s and TTL 0s: `: {App: "shop", Interval: -time.Second},
	} {
		if _, err := recorder.New(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
}

func TestALookEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r, err := recorder.New(recorder.Options{App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if h, err := r.Heartbeat(ctx); err == nil {
		t.Errorf("%+v", h)
	}
}

func TestWithoutRedisThereIsNothingToRun(t *testing.T) {
	t.Parallel()
	r, err := recorder.New(recorder.Options{App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	r.Run(t.Context()) // returns
}

// said are the sentences in a log.
func said(log *servertest.Output) []string {
	var out []string
	for _, m := range regexp.MustCompile(`msg="([^"]*)"`).FindAllStringSubmatch(log.String(), -1) {
		out = append(out, m[1])
	}
	return out
}

func TestAnOutageOfRedisIsOneLineAndThenHeartbeatsGoOn(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DialerRetries: 1, DialTimeout: time.Second})
	defer client.Close()
	l := &servertest.Output{}
	r, err := recorder.New(recorder.Options{
		App: "shop", ID: "web-1", Redis: client, RedisName: "redis " + server.Addr, Interval: 300 * time.Millisecond, Log: slog.New(slog.NewTextHandler(l, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(done)
	}()
	const key = "pulse:server:shop:web-1"
	there := func() bool { return server.Client.Exists(t.Context(), key).Val() == 1 }
	servertest.Eventually(t, "the first heartbeat", there)
	before := len(said(l)) // a slow machine may have missed the first
	server.Stop()
	servertest.Eventually(t, "a word on the outage", func() bool { return len(said(l)) == before+1 })
	server.Start()
	servertest.Eventually(t, "a heartbeat after the restart", func() bool { return there() && len(said(l)) == before+2 })
	if left := server.Client.PTTL(t.Context(), key).Val(); left <= 0 || left > protocol.DefaultTTL {
		t.Errorf("it lives for %v", left)
	}
	cancel()
	<-done
	want := []string{"cannot publish heartbeats; will try again until it works", "publishes heartbeats again"}
	if diff := cmp.Diff(want, said(l)[before:]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var h struct{ Meta struct{ ID string } }
	if err := json.Unmarshal([]byte(server.Client.Get(t.Context(), key).Val()), &h); err != nil || h.Meta.ID != "web-1" {
		t.Errorf("%+v, %v", h, err)
	}
}
