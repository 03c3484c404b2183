package examples_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
)

// resqueKeys writes what Resque's Ruby gem would. The gem itself cannot be had where these tests run: the keys
// are as its lib/resque/data_store.rb writes them.
type resqueKeys struct {
	t      testing.TB
	client *redis.Client
	ns     string
}

func (k resqueKeys) do(args ...any) {
	k.t.Helper()
	if err := k.client.Do(k.t.Context(), args...).Err(); err != nil {
		k.t.Fatalf("%.100v: %v", args, err)
	}
}

func (k resqueKeys) push(queue string, jobs int) {
	k.do("SADD", k.ns+":queues", queue)
	for i := range jobs {
		k.do("RPUSH", k.ns+":queue:"+queue, fmt.Sprintf(`{"class":"Send","args":[%d]}`, i))
	}
}

// works registers a worker that has this job; "" is none.
func (k resqueKeys) works(id, job string) {
	k.do("SADD", k.ns+":workers", id)
	k.do("SET", k.ns+":worker:"+id+":started", "2026-11-26 12:00:00 UTC")
	if job != "" {
		k.do("SET", k.ns+":worker:"+id, job)
	}
}

func (k resqueKeys) fails(list string, jobs int) {
	for range jobs {
		k.do("RPUSH", k.ns+":"+list, `{"failed_at":"2026/11/26 12:00:00 UTC","queue":"mail","error":"no"}`)
	}
}

func job(queue string) string {
	return `{"queue":"` + queue + `","run_at":"2026-11-26T12:00:00Z","payload":{"class":"Send","args":["queue","sms",{"queue":"sms"}]}}`
}

func resqueOn(t *testing.T) (*servertest.RedisServer, resqueKeys) {
	t.Helper()
	server := servertest.Redis(t)
	return server, resqueKeys{t, server.Client, "resque"}
}

func TestResqueIsCountedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	server, k := resqueOn(t)
	k.push("mail", 3)
	k.push("sms", 1)
	k.push(`a:b "ü\`, 0)
	k.works("web-1:7:mail", job("mail"))
	k.works("web-1:8:*", job("mail"))
	k.works("web-1:9:*", job("another's"))
	k.works("web-2:7:*", "")
	k.works("web-3:7:sms", `{ "payload": {"queue": "mail", "x": [{}, "\"queue\":"]}, "run_at": "queue", "queue" : "sms" }`)
	before := server.Digest()
	p := resque.poller(t, server.Client, adapter.Settings{"source": "resque-1"})
	for range 3 {
		s := mustPoll(t, p, noon)
		if diff := cmp.Diff(map[string]string{"mail": "3 2 - 0", "sms": "1 1 - 0", `a:b "ü\`: "0 0 - 0"}, counts(s)); diff != "" {
			t.Errorf("waiting, active, delayed, failed (-want +got):\n%s", diff)
		}
		if s.App != "shop" || s.Source != "resque-1" || s.Timestamp != noon.UnixMilli() || len(s.Problems) > 0 || s.Queues[0].DriverName() != "resque" {
			t.Errorf("%+v", s)
		}
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
	}
	k.client.LPop(t.Context(), "resque:queue:mail")
	k.client.Del(t.Context(), "resque:worker:web-1:7:mail")
	k.client.SRem(t.Context(), "resque:queues", "sms")
	if diff := cmp.Diff(map[string]string{"mail": "2 1 - 0", `a:b "ü\`: "0 0 - 0"}, counts(mustPoll(t, p, noon))); diff != "" {
		t.Errorf("after a job, a worker and a queue are gone (-want +got):\n%s", diff)
	}
}

// TestFailedOfResqueIsExactOrAbsent: which queue a job of the one list was in is only in the job.
func TestFailedOfResqueIsExactOrAbsent(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		fill       func(k resqueKeys)
		mail, said string
	}{
		{"none", func(resqueKeys) {}, "1 0 - 0", ""},
		{"one list", func(k resqueKeys) { k.fails("failed", 7) }, "1 0 - -", "failed is absent: one list has those of all queues: 7"},
		{"a list each", func(k resqueKeys) {
			k.do("SADD", "resque:failed_queues", "mail_failed")
			k.fails("mail_failed", 2)
		}, "1 0 - 2", ""},
		{"a list each, but of this queue none", func(k resqueKeys) {
			k.do("SADD", "resque:failed_queues", "sms_failed")
			k.fails("sms_failed", 2)
		}, "1 0 - 0", ""},
		{"both", func(k resqueKeys) {
			k.do("SADD", "resque:failed_queues", "mail_failed")
			k.fails("mail_failed", 2)
			k.fails("failed", 3)
		}, "1 0 - -", "failed is absent: one list has those of all queues: 3"},
		{"no list", func(k resqueKeys) { k.do("SET", "resque:failed", "x") }, "1 0 - -", "failed is absent: LLEN of the list failed: WRONGTYPE"},
		{"no set", func(k resqueKeys) { k.do("SET", "resque:failed_queues", "x") }, "1 0 - -", "failed is absent: SCARD of the set failed_queues: WRONGTYPE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server, k := resqueOn(t)
			k.push("mail", 1)
			tc.fill(k)
			s := mustPoll(t, resque.poller(t, server.Client, nil), noon)
			if got := counts(s)["mail"]; got != tc.mail {
				t.Errorf("mail is %s, want %s", got, tc.mail)
			}
			if got := reasons(s); !strings.HasPrefix(got, tc.said) || tc.said == "" && got != "" {
				t.Errorf("problems are %q, want %q", got, tc.said)
			}
		})
	}
}

func TestResqueQueuesMayBeNamed(t *testing.T) {
	t.Parallel()
	server, k := resqueOn(t)
	k.ns = "shop:jobs"
	k.push("mail", 3)
	k.push("sms", 1)
	k.push("push", 1)
	k.works("web-1:7:*", job("push"))
	for setting, want := range map[string]map[string]string{
		"":                  {"mail": "3 0 - 0", "sms": "1 0 - 0", "push": "1 1 - 0"},
		"*":                 {"mail": "3 0 - 0", "sms": "1 0 - 0", "push": "1 1 - 0"},
		"mail,*":            {"mail": "3 0 - 0", "sms": "1 0 - 0", "push": "1 1 - 0"},
		"mail , sms,, mail": {"mail": "3 0 - 0", "sms": "1 0 - 0"},
		"push":              {"push": "1 1 - 0"},
	} {
		p := resque.poller(t, server.Client, adapter.Settings{"namespace": "shop:jobs", "queues": setting})
		for range 2 {
			if diff := cmp.Diff(want, counts(mustPoll(t, p, noon))); diff != "" {
				t.Errorf("queues %q (-want +got):\n%s", setting, diff)
			}
		}
	}
	s := mustPoll(t, resque.poller(t, server.Client, nil), noon)
	if len(s.Queues) != 0 || reasons(s) != "Resque has no queue yet, or another namespace than resque" {
		t.Errorf("of an empty namespace: %+v", s)
	}
}

func TestActiveOfResqueIsExactOrAbsent(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{
		"no JSON": "rubbish", "no object": `["queue","mail"]`, "no queue": `{"payload":{"queue":"mail"}}`, "cut": `{"queue":"mai`,
		"an object": `{"queue":{"mail":"mail"}}`, "a list": `{"queue":["mail"]}`,
		"an escape": `{"queue":"ma\u0069l"}`, "no text": `{"queue":7,"x":"mail"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, k := resqueOn(t)
			k.push("mail", 1)
			k.works("web-1:7:mail", job("mail"))
			k.works("web-1:8:mail", state)
			s := mustPoll(t, resque.poller(t, server.Client, nil), noon)
			if counts(s)["mail"] != "1 - - 0" || !strings.HasPrefix(reasons(s), "active is absent: what one of the workers works on") {
				t.Errorf("%v, %s", counts(s), reasons(s))
			}
		})
	}
	t.Run("many workers", func(t *testing.T) {
		t.Parallel()
		server, k := resqueOn(t)
		k.push("mail", 1)
		for i := range 1000 {
			k.works(fmt.Sprintf("web-1:%d:mail", i), job("mail"))
		}
		p := resque.poller(t, server.Client, nil)
		if s := mustPoll(t, p, noon); counts(s)["mail"] != "1 1000 - 0" || reasons(s) != "" {
			t.Errorf("1000 workers: %v, %s", counts(s), reasons(s))
		}
		k.works("one more", "")
		if s := mustPoll(t, p, noon); counts(s)["mail"] != "1 - - 0" || reasons(s) != "active is absent: there are too many workers to ask" {
			t.Errorf("1001 workers: %v, %s", counts(s), reasons(s))
		}
	})
	t.Run("long names", func(t *testing.T) {
		t.Parallel()
		server, k := resqueOn(t)
		k.push("mail", 1)
		for i := range 600 {
			k.works(fmt.Sprintf("web-1:%d:%s", i, strings.Repeat("x", 1000)), job("mail"))
		}
		if s := mustPoll(t, resque.poller(t, server.Client, nil), noon); counts(s)["mail"] != "1 - - 0" {
			t.Errorf("%v, %s", counts(s), reasons(s))
		}
	})
}

// TestResqueQueueThatCannotBeReportedIsSaid: its neighbours are there.
func TestResqueQueueThatCannotBeReportedIsSaid(t *testing.T) {
	t.Parallel()
	server, k := resqueOn(t)
	k.push("mail", 1)
	k.push("bad\xff", 1)
	k.push(strings.Repeat("x", 1025), 1)
	k.do("SADD", "resque:queues", "other")
	k.do("SET", "resque:queue:other", "no list")
	s := mustPoll(t, resque.poller(t, server.Client, nil), noon)
	if diff := cmp.Diff(map[string]string{"mail": "1 0 - 0"}, counts(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	for _, want := range []string{"its name is not UTF-8", "a name has 1 to 1024 bytes", `queue "other": it is left out: LLEN of its list: WRONGTYPE`} {
		if !strings.Contains(reasons(s), want) {
			t.Errorf("problems don't say %q:\n%s", want, reasons(s))
		}
	}
	k.do("DEL", "resque:queues")
	k.do("SADD", "resque:queues", "other")
	if s, err := resque.poller(t, server.Client, nil).Poll(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "no queue of Resque's can be read: LLEN: WRONGTYPE") {
		t.Errorf("%+v, %v: nothing could be read", s, err)
	}
	k.do("SET", "resque:queues", "no set")
	if s, err := resque.poller(t, server.Client, nil).Poll(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "find Resque's queues: SMEMBERS of the set queues: WRONGTYPE") {
		t.Errorf("%+v, %v: queues could not be found", s, err)
	}
}

func TestMoreResqueQueuesThanThereIsRoomForAreSaid(t *testing.T) {
	t.Parallel()
	server, k := resqueOn(t)
	for i := range 1001 {
		k.do("SADD", "resque:queues", fmt.Sprintf("q%d", i))
	}
	s := mustPoll(t, resque.poller(t, server.Client, nil), noon)
	if len(s.Queues) != 1000 || !strings.HasPrefix(reasons(s), "queues are left out: there is room for 1000") || len(s.Problems) != 1 {
		t.Errorf("%d queues, %s", len(s.Queues), reasons(s))
	}
	long := strings.Repeat("x", 1000)
	k.do("DEL", "resque:queues")
	for i := range 100 {
		k.do("SADD", "resque:queues", fmt.Sprint(long, i))
	}
	if s = mustPoll(t, resque.poller(t, server.Client, nil), noon); len(s.Queues) < 60 || len(s.Queues) > 66 || len(s.Problems) != 1 {
		t.Errorf("of long names %d queues, %s", len(s.Queues), reasons(s))
	}
}

// TestResqueWithFewRights: what a user may not read is absent, and said.
func TestResqueWithFewRights(t *testing.T) {
	t.Parallel()
	server, k := resqueOn(t)
	k.push("mail", 1)
	k.works("web-1:7:mail", job("mail"))
	k.do("ACL", "SETUSER", "few", "reset", "on", ">few", "+llen", "+smembers", "+scard", "~resque:queue*")
	few := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, Username: "few", Password: "few"})
	defer few.Close()
	s := mustPoll(t, resque.poller(t, few, nil), noon)
	if counts(s)["mail"] != "1 - - -" || !strings.Contains(reasons(s), "active is absent: SMEMBERS of the set workers: NOPERM") || !strings.Contains(reasons(s), "failed is absent: SCARD of the set failed_queues: NOPERM") {
		t.Errorf("%v, %s", counts(s), reasons(s))
	}
}

func TestResqueRefusesWrongSettings(t *testing.T) {
	for want, settings := range map[string]adapter.Settings{
		"none that is called namspace":                {"namspace": "x"},
		"comma-separated: a name has 1 to 1024 bytes": {"queues": "a," + strings.Repeat("x", 1025)},
		"comma-separated: its name is not UTF-8":      {"queues": "a,\xff"},
		"comma-separated: there is room for 1000":     {"queues": many(1001)},
		"its settings have more than 64 KiB":          {"namespace": strings.Repeat("x", 70_000)},
	} {
		if _, _, err := resque.open(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80v: %v, want %q", settings, err, want)
		}
	}
}

// many are names of so many queues.
func many(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("q%d", i)
	}
	return strings.Join(names, ",")
}
