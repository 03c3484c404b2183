package laravel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// withHorizon adds what a Horizon keeps. It is not in Debian, so that no test runs one: these are its
// keys as they were read off a real one (FACTS2.md, A: v5.14.1 on Laravel 8), scores negative and
// fractional, a throughput that is text.
func withHorizon(s *server, prefix string) *server {
	now := float64(noon.Unix())
	for key, value := range map[string]any{
		"masters":                            zset{{"web-1-Ab3x", now - 2}},
		"supervisors":                        zset{{"web-1-Ab3x:supervisor-1", now - 3}, {"web-1-Ab3x:supervisor-2", now - 29}, {"old-Zz9y:supervisor-1", now - 30}},
		"supervisor:web-1-Ab3x:supervisor-1": hash{"name": "web-1-Ab3x:supervisor-1", "pid": "17", "status": "running", "processes": `{"redis:default":1,"redis:mail":2}`, "options": "{}"},
		"supervisor:web-1-Ab3x:supervisor-2": hash{"status": "paused", "processes": `{"redis-long:mail,slow":3}`},
		"supervisor:old-Zz9y:supervisor-1":   hash{"status": "running", "processes": `{"redis:mail":100}`},
		"failed_jobs":                        zset{{"a", -1763999978.9537}, {"b", -1763999900.5}, {"c", -1763999800.25}, {"gone", -1763000000}},
		"recent_failed_jobs":                 zset{{"a", -1763999978.9537}},
		"a":                                  hash{"id": "a", "queue": "mail", "status": "failed"},
		"b":                                  hash{"queue": "mail"},
		"c":                                  hash{"queue": "{default}"},
		"measured_queues":                    jobs{"queue:default"}, // a set
		"measured_jobs":                      jobs{"job:App\\Jobs\\Mail"},
		"queue:default":                      hash{"throughput": "3", "runtime": "1.69"},
		"snapshot:queue:default":             zset{{`{"throughput":"3","runtime":"1.6933333","wait":0,"time":1763999970}`, 1763999970}},
		"last_snapshot_at":                   text("1763999970"),
		"metrics:snapshot":                   text("1"),
		"monitor:time-to-clear":              text("1"),
		"pending_jobs":                       zset{{"x", -1763999978.1}},
		"completed_jobs":                     zset{{"y", -1763999978.2}},
		"recent_jobs":                        zset{{"a", -1763999978.9}},
	} {
		s.keys[prefix+key] = value
	}
	return s
}

func TestHorizonAddsFailedJobsAndProcesses(t *testing.T) {
	for _, tc := range []struct{ setting, prefix string }{
		{"", "laravel_horizon:"}, {"horizon:", "horizon:"}, {"[h]*", "[h]*"}, {`""`, ""}, {"laravel_database_queues:", "laravel_database_queues:"},
	} {
		t.Run(tc.prefix, func(t *testing.T) {
			s := withHorizon(redis(map[string]any{"mail": jobs{"{}"}, "{default}": jobs{"{}"}}), tc.prefix)
			session := open(t, adapter.Settings{SettingQueues: "default,mail,slow,none", SettingHorizonPrefix: tc.setting})
			for range 3 {
				got, err := s.poll(t, session, noon)
				if err != nil {
					t.Fatal(err)
				}
				want := []string{
					"default 1/0/0/1 workers=1",
					"mail 1/0/0/2 workers=5",
					"none 0/0/0/0 workers=0",
					"slow 0/0/0/0 workers=3 paused=true",
				}
				if diff := cmp.Diff(want, rows(got)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if len(got.Problems) > 0 {
					t.Errorf("problems: %v", problems(got))
				}
			}
		})
	}
}

func TestWithoutHorizonFailedAndWorkersAreAbsent(t *testing.T) {
	s := withHorizon(redis(map[string]any{"mail": jobs{"{}"}}), "horizon:")
	got, _ := s.poll(t, open(t, adapter.Settings{SettingQueues: "mail"}), noon)
	if diff := cmp.Diff([]string{"mail 1/0/0/-"}, rows(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHorizonThatEnded(t *testing.T) {
	s := redis(map[string]any{"mail": jobs{"{}"}, "busy:reserved": due(1, 1e12), "stuck:reserved": due(1, 1)})
	s.keys["laravel_horizon:masters"] = zset{{"web-1", 1}}
	session := open(t, adapter.Settings{SettingQueues: "mail,busy,stuck"})
	got, _ := s.poll(t, session, noon)
	// The worker of busy is none of Horizon's processes, and may work on other queues.
	want := []string{"busy 0/1/0/0", "mail 1/0/0/0 workers=0", "stuck 0/1/0/0 stalled=1 workers=0"}
	if diff := cmp.Diff(want, rows(got)); diff != "" {
		t.Errorf("killed, -want +got:\n%s", diff)
	}
	clear(s.keys)
	got, _ = s.poll(t, session, noon)
	if diff := cmp.Diff([]string{"busy 0/0/0/0", "mail 0/0/0/0", "stuck 0/0/0/0"}, rows(got)); diff != "" {
		t.Errorf("terminated, -want +got:\n%s", diff)
	}
}

func TestProcesses(t *testing.T) {
	now := float64(noon.Unix())
	for _, tc := range []struct {
		name, processes, status, want string
	}{
		{"PHP's empty map", "[]", "running", " workers=0"},
		{"none of this queue", `{"redis:other":1}`, "running", " workers=0"},
		{"no process now", `{"redis:mail":0}`, "running", " workers=0"},
		{"paused", `{"redis:mail":2}`, "paused", " workers=2 paused=true"},
		{"a queue twice", `{"redis:mail,{mail}":2}`, "running", " workers=2"},
		{"not JSON", `{"redis:mail":`, "running", ""},
		{"not numbers", `{"redis:mail":"many"}`, "running", ""},
		{"negative", `{"redis:mail":-1}`, "running", ""},
		{"too many to be true", `{"redis:mail":4000000000}`, "running", ""},
		{"no connection", `{"mail":1}`, "running", ""},
		{"too long", `{"redis:mail":1` + strings.Repeat(" ", 64<<10) + `}`, "running", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := redis(map[string]any{"mail": jobs{"{}"}})
			s.keys["laravel_horizon:supervisors"] = zset{{"a", now}, {"expired since", now}}
			s.keys["laravel_horizon:supervisor:a"] = hash{"processes": tc.processes, "status": tc.status}
			got, _ := s.poll(t, open(t, adapter.Settings{SettingQueues: "mail"}), noon)
			if diff := cmp.Diff([]string{"mail 1/0/0/0" + tc.want}, rows(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMoreSupervisorsThanAreReadAreUnknown(t *testing.T) {
	s := redis(map[string]any{"mail": jobs{"{}"}})
	z := zset{}
	for i := range maxSupervisors + 1 {
		z = append(z, member{fmt.Sprint(i), float64(noon.Unix())})
	}
	s.keys["laravel_horizon:supervisors"] = z
	got, _ := s.poll(t, open(t, adapter.Settings{SettingQueues: "mail"}), noon)
	if diff := cmp.Diff([]string{"mail 1/0/0/0"}, rows(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	z[0].score, z[1].score = 1, 1 // one that was read is dead: then all the living were read
	got, _ = s.poll(t, open(t, adapter.Settings{SettingQueues: "mail"}), noon)
	if diff := cmp.Diff([]string{"mail 1/0/0/0 workers=0"}, rows(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func failedServer(n int) *server {
	s := redis(map[string]any{"mail": jobs{"{}"}})
	z := zset{}
	for i := range n {
		id := fmt.Sprintf("job-%d", i)
		z = append(z, member{id, -1763999000 - float64(i)})
		s.keys["laravel_horizon:"+id] = hash{"queue": []string{"mail", "other"}[i%2]}
	}
	s.keys["laravel_horizon:failed_jobs"] = z
	return s
}

func TestTallyIsMadeOnlyOfWhatChanged(t *testing.T) {
	s := failedServer(1000)
	session := open(t, adapter.Settings{SettingQueues: "mail"})
	at := noon
	poll := func(want string, hgets, zranges int) {
		t.Helper()
		got, err := s.poll(t, session, at)
		at = at.Add(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{want}, rows(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if n := asked(s, "HGET"); n != hgets {
			t.Errorf("%d HGETs, want %d", n, hgets)
		}
		if n := asked(s, "ZRANGE") - 2; n != zranges { // of the supervisors and of the newest
			t.Errorf("%d more ZRANGEs, want %d", n, zranges)
		}
	}
	const key = "laravel_horizon:failed_jobs"
	poll("mail 1/0/0/500", 1000, 1)
	poll("mail 1/0/0/500", 0, 0)
	z := s.keys[key].(zset)
	s.keys[key] = z[:999] // the oldest went: of mail
	poll("mail 1/0/0/499", 0, 1)
	s.keys[key] = append(z[:998:998], member{"new", -1764000000})
	poll("mail 1/0/0/499", 1, 1) // not written yet, or gone
	s.keys["laravel_horizon:new"] = hash{"queue": "mail"}
	poll("mail 1/0/0/500", 1, 1)
	poll("mail 1/0/0/500", 0, 0)
	delete(s.keys, "laravel_horizon:new")
	at = at.Add(5 * time.Minute)
	poll("mail 1/0/0/499", 999, 1) // expired
	poll("mail 1/0/0/499", 1, 1)
	poll("mail 1/0/0/499", 0, 0)
	delete(s.keys, key)
	poll("mail 1/0/0/0", 0, 0)
}

func TestTooManyFailedJobsAreNotTold(t *testing.T) {
	s := failedServer(1001)
	session := open(t, adapter.Settings{SettingQueues: "mail"})
	got, _ := s.poll(t, session, noon)
	if diff := cmp.Diff([]string{"mail 1/0/0/-"}, rows(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if why := metaError(got, "mail"); why != "failed: Horizon keeps the 1001 failed jobs of all queues together; up to 1000 are told apart" {
		t.Errorf("meta.error is %q", why)
	}
	s.keys["laravel_horizon:failed_jobs"] = s.keys["laravel_horizon:failed_jobs"].(zset)[:4]
	got, _ = s.poll(t, session, noon)
	if diff := cmp.Diff([]string{"mail 1/0/0/2"}, rows(got)); diff != "" {
		t.Errorf("fewer now, -want +got:\n%s", diff)
	}
}

func TestLongestIDOfAFailedJobIsRead(t *testing.T) {
	for length, read := range map[int]bool{maxJobID: true, maxJobID + 1: false} {
		var tally tally
		tally.takeJobs(adapter.List(adapter.Text(strings.Repeat("x", length))))
		if tally.why == "" != read || len(tally.ids) == 1 != read {
			t.Errorf("an id of %d bytes: %d are read, %q", length, len(tally.ids), tally.why)
		}
	}
}

func TestTallyThatIsRefusedIsUnknown(t *testing.T) {
	for _, command := range []string{"HGET", "ZCARD laravel_horizon:failed_jobs"} {
		s := failedServer(3)
		s.keys["laravel_horizon:masters"] = zset{{"web-1", 1}}
		s.says[command] = noPerm
		session := open(t, adapter.Settings{SettingQueues: "mail"})
		got, _ := s.poll(t, session, noon)
		if why := metaError(got, "mail"); got.Queues[0].Metrics.Failed != nil || !strings.Contains(why, "failed: NOPERM") {
			t.Errorf("%s: failed is %v, meta.error %q", command, got.Queues[0].Metrics.Failed, why)
		}
		clear(s.says)
		got, _ = s.poll(t, session, noon)
		if diff := cmp.Diff("mail 1/0/0/2", rows(got)[0][:12]); diff != "" {
			t.Errorf("%s, allowed now, -want +got:\n%s", command, diff)
		}
	}
}
