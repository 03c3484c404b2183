// Package recorder publishes from inside a Go program that it is alive, how it and its host are doing,
// and what was slow: requests, jobs, queries.
//
//	r, err := recorder.New(recorder.Options{App: "shop", Environment: "production", Redis: client})
//	…
//	go r.Run(ctx)
//	http.ListenAndServe(addr, r.Middleware(mux))
//
// [Recorder.Run] does all the writing. [Recorder.Middleware] notes slow requests; [Recorder.Time] and
// [Recorder.Slow] note jobs and queries.
//
// It never fails or blocks its program: what goes wrong is logged once, and tried again. While Redis is
// gone a few hundred slow entries wait for it, and what finds no room is dropped and counted.
package recorder

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/protocol"
)

// Options say whose heartbeats these are and where they go. Only App and Redis must be set; without
// Redis there is nothing to [Recorder.Run].
type Options struct {
	App         string                // the app's name
	ID          string                // the server's id within the app, its own for each process; the host's name if empty
	Environment string                // such as "production", which it is if empty
	Version     string                // of the program; what the build knows if empty
	Redis       redis.UniversalClient // where to publish
	RedisName   string                // how errors call it; "redis" if empty
	Interval    time.Duration         // between heartbeats; 10 s if 0
	// SlowAfter is how long each kind may take before it is noted as slow; 1 s where it has none.
	// Near 0, everything is noted, and the stream keeps the newest thousand only.
	SlowAfter map[Kind]time.Duration
	TTL       time.Duration // of the key; 30 s if 0
	Log       *slog.Logger  // [slog.Default] if nil
}

// Recorder publishes the heartbeats and slow entries of one process. Run and Heartbeat are for one
// goroutine at a time, all else for any number.
type Recorder struct {
	o        Options
	store    *publish.Store // nil without Redis
	hostname string
	sampler  *sampler
	slow     *slow
}

// DefaultInterval is how often a heartbeat is published.
const DefaultInterval = 10 * time.Second

// New makes a recorder, or says which option is wrong.
func New(o Options) (*Recorder, error) {
	if err := protocol.CheckName("App", o.App); err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find this host's name: %w", err)
	}
	o.ID = or(o.ID, protocol.NameFrom(hostname))
	if err := protocol.CheckName("ID", o.ID); err != nil {
		return nil, err
	}
	if o.Interval < 0 || o.TTL < 0 {
		return nil, fmt.Errorf("Interval is %v and TTL %v: both take a duration above 0, or 0 for the default", o.Interval, o.TTL)
	}
	for kind, after := range o.SlowAfter {
		if after < 0 {
			return nil, fmt.Errorf("SlowAfter of %s is %v: it takes a duration above 0, or 0 for the default", kind, after)
		}
	}
	o.Environment = or(o.Environment, "production")
	o.Version = or(o.Version, buildVersion())
	o.RedisName = or(o.RedisName, "redis")
	o.Interval, o.TTL = or(o.Interval, DefaultInterval), or(o.TTL, protocol.DefaultTTL)
	o.Log = or(o.Log, slog.Default())
	r := &Recorder{o: o, hostname: hostname, sampler: newSampler(os.DirFS("/sys/fs/cgroup"), os.DirFS("/proc/self")), slow: newSlow(o.SlowAfter)}
	if o.Redis != nil {
		r.store = publish.New(o.Redis, o.RedisName, o.TTL)
	}
	return r, nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// Heartbeat looks once. The first look takes a quarter of a second, to see the processor at work. Its timestamp is by
// the clock of the Redis that is published to, where that tells its time; how far this host's clock is ahead of it
// is in meta's clock_ahead_ms if that is more than five seconds, and negative where it is behind.
func (r *Recorder) Heartbeat(ctx context.Context) (*protocol.Heartbeat, error) {
	h := &protocol.Heartbeat{}
	for _, m := range [][2]string{
		{"app_name", r.o.App}, {"id", r.o.ID}, {"environment", r.o.Environment},
		{"runtime", goruntime.Version()}, {"version", r.o.Version},
	} {
		h.Meta.SetText(m[0], m[1])
	}
	h.System.Hostname, h.System.Platform = r.hostname, goruntime.GOOS
	h.Process.PID = int64(os.Getpid())
	if err := r.sampler.sample(ctx, h); err != nil {
		return nil, fmt.Errorf("look at this host: %w", err)
	}
	h.Timestamp = time.Now().UnixMilli()
	if r.store != nil {
		h.Timestamp = r.store.Now(ctx).UnixMilli()
		if ahead := r.store.ClockAhead(); ahead != 0 {
			h.Meta.SetInt("clock_ahead_ms", ahead.Milliseconds())
		}
	}
	return h, nil
}

// now is the time by Redis' clock, as far as that is known without asking.
func (r *Recorder) now() time.Time {
	if r.store == nil {
		return time.Now()
	}
	return r.store.Time()
}

// Run publishes a heartbeat at once and then at every interval, and slow entries as they come, until
// ctx ends. Without a Redis it returns at once.
func (r *Recorder) Run(ctx context.Context) {
	if r.store == nil {
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() { r.writeSlow(ctx) })
	r.beats(ctx)
	writer.Wait()
}

func (r *Recorder) beats(ctx context.Context) {
	ticker := time.NewTicker(r.o.Interval)
	defer ticker.Stop()
	var outages logonce.Troubles // by cause
	for {
		err := r.beat(ctx)
		log := r.o.Log.With("app", r.o.App, "id", r.o.ID)
		if ctx.Err() != nil {
			return
		}
		if err == nil && outages.AllGone() {
			log.Info("publishes heartbeats again")
		}
		if err != nil {
			if isWorthALine, times := outages.Only(publish.CauseOf(err), time.Now()); isWorthALine {
				warn(log, times, "cannot publish heartbeats; will try again until it works", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// warn logs what has happened so many times since it was logged before.
func warn(log *slog.Logger, times int, message string, attributes ...any) {
	if times > 1 {
		attributes = append(attributes, "times", times)
	}
	log.Warn(message, attributes...)
}

func (r *Recorder) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Interval)
	defer cancel()
	h, err := r.Heartbeat(ctx)
	if err != nil {
		return err
	}
	return r.store.Heartbeat(ctx, r.o.ID, h)
}
