package publish

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// machine is one whose clock somebody has set wrong. Sleep suspends it.
type machine struct {
	began time.Time
	ahead time.Duration // of the true time
	slept time.Duration
}

func newMachine(ahead time.Duration) *machine { return &machine{began: time.Now(), ahead: ahead} }

func (m *machine) clock() LocalClock {
	return func() (time.Time, time.Duration) {
		return time.Now().Add(m.ahead).Round(0), time.Since(m.began) - m.slept
	}
}

func (m *machine) store(c redis.UniversalClient) *Store {
	return NewWithClock(c, "redis 10.0.0.7:6379", ttl, m.clock())
}

// publishes publishes what is read now by the clock of store, as reporters do.
func publishes(t *testing.T, store *Store, waiting int64) bool {
	t.Helper()
	published, err := store.Snapshot(t.Context(), snapshot(store.Now(t.Context()).UnixMilli(), waiting))
	if err != nil {
		t.Fatal(err)
	}
	return published
}

// isNow checks that a time is Redis' own, to within a slow test's time.
func isNow(t *testing.T, c redis.UniversalClient, at time.Time) {
	t.Helper()
	if off := c.Time(t.Context()).Val().Sub(at); off.Abs() > 30*time.Second {
		t.Errorf("%v is %v away from Redis' time", at, off)
	}
}

// stamped is the timestamp of what is published.
func stamped(t *testing.T, c redis.UniversalClient) time.Time {
	t.Helper()
	s, _, err := protocol.DecodeSnapshot([]byte(c.Get(t.Context(), "pulse:queues:shop:redis").Val()))
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(s.Timestamp)
}

func TestAWrongClockWritesByRedisTime(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		for _, ahead := range []time.Duration{0, 25 * time.Hour, 40 * time.Second, -40 * time.Second, -time.Hour, 10 * 365 * 24 * time.Hour} {
			c.Del(t.Context(), protocol.IndexKey)
			now := float64(c.Time(t.Context()).Val().UnixMilli())
			c.ZAdd(t.Context(), protocol.IndexKey, redis.Z{Score: now - 80_000_000, Member: "a lost key"}, redis.Z{Score: now, Member: "a living key"})
			store := newMachine(ahead).store(c)
			if !publishes(t, store, 7) {
				t.Errorf("%v ahead: nothing is published", ahead)
			}
			isNow(t, c, stamped(t, c))
			members := index(t, c)
			isNow(t, c, time.UnixMilli(int64(members["pulse:queues:shop:redis"])))
			if len(members) != 3 {
				t.Errorf("%v ahead: the index is %v", ahead, members)
			}
			if err := store.Heartbeat(t.Context(), "web-1", heartbeat(t)); err != nil {
				t.Error(err)
			}
			members = index(t, c)
			isNow(t, c, time.UnixMilli(int64(members["pulse:server:shop:web-1"])))
			if len(members) != 4 {
				t.Errorf("%v ahead: the index is %v", ahead, members)
			}
		}
	})
}

func TestAClockThatIsSetBackSilencesNobody(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		m := newMachine(0)
		store := m.store(c)
		for i, ahead := range []time.Duration{0, -time.Hour, time.Hour, -24 * time.Hour} {
			m.ahead = ahead
			if !publishes(t, store, int64(i)) || waiting(t, c) != int64(i) {
				t.Errorf("%v ahead: it is not published", ahead)
			}
			isNow(t, c, stamped(t, c))
		}
	})
}

func TestATimestampOfTheFutureIsOverwritten(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		for ahead, overwritten := range map[time.Duration]bool{time.Hour: true, time.Minute: true, 20 * 365 * 24 * time.Hour: true, -time.Minute: true} {
			at := c.Time(t.Context()).Val().Add(ahead).UnixMilli()
			c.Set(t.Context(), "pulse:queues:shop:redis", snapshot(at, 1).AppendJSON(nil), time.Hour)
			if got := publishes(t, New(c, "redis", ttl), 2); got != overwritten {
				t.Errorf("%v ahead of Redis' time: published is %v", ahead, got)
			}
		}
	})
}

// TestASuspendedMachineAsksForTheTime: its date has gone on, and how long it has run has not.
func TestASuspendedMachineAsksForTheTime(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: servertest.Redis(t).Addr, Protocol: 2, DisableIdentity: true})
	defer c.Close()
	trips := &servertest.Trips{}
	c.AddHook(trips)
	m := newMachine(0)
	store := m.store(c)
	for range 3 {
		isNow(t, c, store.Now(t.Context()))
	}
	if n, _ := trips.Since(); n != 1+3 { // isNow asks, too
		t.Errorf("the time was asked for in %d trips", n-3)
	}
	m.slept += time.Hour
	isNow(t, c, store.Now(t.Context()))
	isNow(t, c, store.Time())
	if n, _ := trips.Since(); n != 1+2 {
		t.Errorf("after it slept the time was asked for in %d trips", n-2)
	}
	m.slept += time.Hour
	if err := store.Claim(t.Context(), "shop:redis", "1", time.Second); err != nil {
		t.Fatal(err)
	}
	isNow(t, c, store.Time())
	if n, _ := trips.Since(); n != 1+1 {
		t.Errorf("a claim of a function that was frozen took %d trips", n-1)
	}
}

// TestEachWriteRenewsTheTime has a Redis whose clock goes on while this machine's stands still.
func TestEachWriteRenewsTheTime(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
	defer c.Close()
	at, ran := time.UnixMilli(noon), time.Duration(0)
	store := NewWithClock(c, "redis", ttl, func() (time.Time, time.Duration) { return time.UnixMilli(noon).Add(ran), ran })
	server.SetTime(at)
	if now := store.Now(t.Context()); !now.Equal(at) {
		t.Errorf("it is %v, not %v", now, at)
	}
	for what, write := range map[string]func() error{
		"a heartbeat": func() error { return store.Heartbeat(t.Context(), "web-1", heartbeat(t)) },
		"a snapshot":  func() error { _, err := store.Snapshot(t.Context(), snapshot(noon, 7)); return err },
		"a claim":     func() error { return store.Claim(t.Context(), "shop:redis", "1", time.Second) },
	} {
		at = at.Add(time.Hour)
		server.SetTime(at)
		if err := write(); err != nil {
			t.Fatal(err)
		}
		if now := store.Time(); !now.Equal(at) {
			t.Errorf("after %s it is %v, not %v", what, now, at)
		}
		ran += time.Minute // and then by this machine's
		at = at.Add(time.Minute)
		if now := store.Now(t.Context()); !now.Equal(at) {
			t.Errorf("a minute after %s it is %v, not %v", what, now, at)
		}
	}
}

func TestWhereRedisDoesNotTellItsTimeTheLocalClockIsUsed(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	for user, allowed := range map[string]bool{"without": false, "with": true} {
		args := []any{"ACL", "SETUSER", user, "reset", "on", ">x", "~pulse:*", "+eval", "+getrange", "+pttl", "+set", "+zadd", "+zremrangebyscore"}
		if allowed {
			args = append(args, "+time")
		}
		if err := server.Client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		c := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, Username: user, Password: "x"})
		defer c.Close()
		trips := &servertest.Trips{}
		c.AddHook(trips)
		store := newMachine(-40 * time.Second).store(c)
		var said string
		for range 3 {
			server.Client.ZAdd(t.Context(), protocol.IndexKey, redis.Z{Score: float64(time.Now().Add(30 * time.Second).UnixMilli()), Member: "another's"})
			if !publishes(t, store, 7) {
				t.Errorf("%s: not published", user)
			}
			if problem := store.ClockProblem(); said != "" && problem != said { // a script is refused in other words
				t.Errorf("%q is not %q", problem, said)
			}
			said = store.ClockProblem()
			if err := store.Heartbeat(t.Context(), "web-1", heartbeat(t)); err != nil {
				t.Error(err)
			}
			if err := store.Claim(t.Context(), "shop:redis", "1", time.Second); err != nil {
				t.Error(err)
			}
			problem := store.ClockProblem()
			if said != "" && problem != said {
				t.Errorf("%q is not %q", problem, said)
			}
			said = problem
		}
		if n, _ := trips.Since(); n != 1+3*3 {
			t.Errorf("%s: %d round trips", user, n)
		}
		if _, others := index(t, server.Client)["another's"]; !others {
			t.Errorf("%s: another's key is out of the index", user)
		}
		want := "this reporter's clock is 40 s behind that of redis 10.0.0.7:6379, which is used instead: "
		if !allowed {
			want = "this reporter's own clock is used, right or wrong, for redis 10.0.0.7:6379 does not tell the time: NOPERM "
		}
		if !strings.HasPrefix(said, want) {
			t.Errorf("it says %q, not %q", said, want)
		}
		server.Client.Del(t.Context(), "pulse:queues:shop:redis")
	}
}

// TestWithoutRedisTimeOnesOwnTimestampsSilenceNobody: such a writer's clock is set back.
func TestWithoutRedisTimeOnesOwnTimestampsSilenceNobody(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.Do(t.Context(), "ACL", "SETUSER", "default", "-time").Err(); err != nil {
		t.Fatal(err)
	}
	m := newMachine(0)
	store := m.store(server.Client)
	for i, ahead := range []time.Duration{0, -time.Minute, -time.Hour} {
		m.ahead = ahead
		if !publishes(t, store, int64(i)) || waiting(t, server.Client) != int64(i) {
			t.Errorf("%v ahead: it is not published", ahead)
		}
	}
	if publishes(t, m.store(server.Client), 9) != true {
		t.Error("the same moment again is not published")
	}
	m.ahead -= time.Minute
	if publishes(t, m.store(server.Client), 9) {
		t.Error("another's newer snapshot is overwritten")
	}
}

func TestASkewIsToldInStepsAndStaysWhileItIsTheSame(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(noon)
	var ahead time.Duration
	store := NewWithClock(nil, "redis", ttl, func() (time.Time, time.Duration) { return now.Add(ahead), 0 })
	for _, step := range []struct {
		ahead time.Duration
		want  string
	}{
		{0, ""}, {5 * time.Second, ""}, {-5 * time.Second, ""},
		{5100 * time.Millisecond, "5 s ahead"}, {4500 * time.Millisecond, "5 s ahead"}, {3900 * time.Millisecond, ""}, {4900 * time.Millisecond, ""},
		{-42_400 * time.Millisecond, "40 s behind"}, {-42_600 * time.Millisecond, "40 s behind"}, {-38 * time.Second, "40 s behind"}, {-45_100 * time.Millisecond, "45 s behind"},
		{90 * time.Second, "2 min ahead"}, {100 * time.Second, "2 min ahead"}, {-59 * time.Minute, "59 min behind"},
		{25 * time.Hour, "25 h ahead"}, {25*time.Hour + 50*time.Minute, "25 h ahead"}, {-119*time.Minute - 40*time.Second, "2 h behind"}, {0, ""},
	} {
		ahead = step.ahead
		store.clock.answered(now, 0)
		got := store.ClockProblem()
		if step.want == "" {
			if got != "" || store.ClockAhead() != 0 {
				t.Errorf("%v ahead: %q", ahead, got)
			}
		} else if want := "this reporter's clock is " + step.want + " "; !strings.HasPrefix(got, want) || (store.ClockAhead() > 0) != (ahead > 0) {
			t.Errorf("%v ahead: %q, not %q", ahead, got, want)
		}
	}
}

// TestASlowAnswerIsNoSkew: somewhere in its six seconds Redis looked at its clock.
func TestASlowAnswerIsNoSkew(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(noon)
	store := NewWithClock(nil, "redis", ttl, func() (time.Time, time.Duration) { return now, 6 * time.Second })
	for _, redis := range []time.Time{now, now.Add(-6 * time.Second)} {
		if store.clock.answered(redis, 0); store.ClockProblem() != "" {
			t.Errorf("%v: %s", now.Sub(redis), store.ClockProblem())
		}
	}
	if store.clock.answered(now.Add(-20*time.Second), 0); store.ClockProblem() == "" {
		t.Error("20 s are no skew")
	}
}

func TestARedisWhoseClockIsAt1970IsNotBelieved(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: servertest.Redis(t).Addr})
	defer c.Close()
	store := New(c, "redis", ttl)
	store.clock.answered(time.UnixMilli(60_000), 0)
	if !strings.Contains(store.ClockProblem(), "its clock says 1970-01-01") {
		t.Errorf("%q", store.ClockProblem())
	}
	isNow(t, c, store.Time())
}
