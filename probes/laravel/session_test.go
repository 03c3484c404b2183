package laravel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/protocol"
)

var noon = time.UnixMilli(1_764_000_000_000)

// server is a Redis of lists, zsets, hashes and texts, as much of one as the adapter asks of. Real
// ones are in real_test.go; this one can be wrong in ways that a real one seldom is.
type server struct {
	keys  map[string]any           // jobs, zset, hash or text
	says  map[string]adapter.Reply // its replies to a command, or to a command on a key, in place of its values
	asked []adapter.Request        // at the last poll
}

type (
	jobs   []string
	text   string
	hash   map[string]string
	zset   []member
	member struct {
		name  string
		score float64
	}
)

// due is a zset of n jobs that are due at a score.
func due(n int, score float64) zset {
	z := zset{}
	for i := range n {
		z = append(z, member{fmt.Sprintf(`{"id":"%d"}`, i), score})
	}
	return z
}

var wrongType = adapter.Refusal("WRONGTYPE Operation against a key holding the wrong kind of value")

func of[T any](s *server, key string) (value T, ok bool) {
	if s.keys[key] == nil {
		return value, true
	}
	value, ok = s.keys[key].(T)
	return value, ok
}

func (s *server) answer(r adapter.Request) adapter.Reply {
	for _, of := range []string{strings.Join(r[:min(len(r), 2)], " "), r[0]} {
		if says, ok := s.says[of]; ok {
			return says
		}
	}
	if r[0] == "SCAN" {
		return s.scan(r)
	}
	nth := func(z zset, score bool) (replies []adapter.Reply) {
		slices.SortStableFunc(z, func(a, b member) int { return int(max(min(a.score-b.score, 1), -1)) })
		from, _ := strconv.Atoi(r[2])
		to, _ := strconv.Atoi(r[3])
		if from < 0 {
			from = max(from+len(z), 0)
		}
		if to < 0 {
			to += len(z)
		}
		for i := from; i <= to && i < len(z); i++ {
			replies = append(replies, adapter.Text(z[i].name))
			if score {
				replies = append(replies, adapter.Text(strconv.FormatFloat(z[i].score, 'f', -1, 64)))
			}
		}
		return replies
	}
	switch l, isList := of[jobs](s, r[1]); r[0] {
	case "LLEN":
		if isList {
			return adapter.Int(int64(len(l)))
		}
	case "LINDEX":
		if isList && len(l) == 0 {
			return adapter.Reply{}
		} else if isList {
			return adapter.Text(l[0])
		}
	case "ZCARD":
		if z, ok := of[zset](s, r[1]); ok {
			return adapter.Int(int64(len(z)))
		}
	case "ZCOUNT":
		if z, ok := of[zset](s, r[1]); ok {
			n := int64(0)
			for _, m := range z {
				if limit, _ := strconv.ParseFloat(r[3][1:], 64); m.score < limit {
					n++
				}
			}
			return adapter.Int(n)
		}
	case "ZRANGE":
		if z, ok := of[zset](s, r[1]); ok {
			return adapter.List(nth(z, len(r) > 4)...)
		}
	case "HGET", "HMGET":
		h, ok := of[hash](s, r[1])
		if !ok {
			break
		}
		var values []adapter.Reply
		for _, field := range r[2:] {
			value := adapter.Reply{}
			if v, ok := h[field]; ok {
				value = adapter.Text(v)
			}
			values = append(values, value)
		}
		if r[0] == "HGET" {
			return values[0]
		}
		return adapter.List(values...)
	case "EXISTS":
		n := int64(0)
		for _, key := range r[1:] {
			if s.keys[key] != nil {
				n++
			}
		}
		return adapter.Int(n)
	case "TYPE":
		name := "none"
		switch s.keys[r[1]].(type) {
		case jobs:
			name = "list"
		case zset:
			name = "zset"
		case hash:
			name = "hash"
		case text:
			name = "string"
		}
		return adapter.Text(name)
	}
	return wrongType
}

func (s *server) scan(r adapter.Request) adapter.Reply {
	return adaptertest.Scan(r, slices.Sorted(maps.Keys(s.keys)), nil)
}

func (s *server) poll(t testing.TB, session adapter.Session, now time.Time) (*protocol.QueueSnapshot, error) {
	t.Helper()
	s.asked = nil
	snapshot, _, err := adaptertest.Poll(t, Adapter{}, session, now, func(r adapter.Request) adapter.Reply {
		s.asked = append(s.asked, slices.Clone(r))
		return s.answer(r)
	})
	return snapshot, err
}

func open(t testing.TB, settings adapter.Settings) adapter.Session {
	t.Helper()
	settings["app"] = "shop"
	session, err := Adapter{}.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// row is a queue as text: "mail 1/2/3/-" and its meta, less what is 0.
func row(q protocol.Queue) string {
	n := func(count *int64) string {
		if count == nil {
			return "-"
		}
		return strconv.FormatInt(*count, 10)
	}
	m := q.Metrics
	line := fmt.Sprintf("%s %d/%s/%s/%s", q.Name, m.Waiting, n(m.Active), n(m.Delayed), n(m.Failed))
	for name, value := range q.Meta.All() {
		if !slices.Contains([]string{"error", "reserved"}, string(name)) && string(value) != "0" || string(name) == "workers" {
			line += fmt.Sprintf(" %s=%s", name, value)
		}
	}
	return line
}

func rows(s *protocol.QueueSnapshot) []string {
	lines := []string{}
	for _, q := range s.Queues {
		lines = append(lines, row(q))
	}
	return lines
}

func problems(s *protocol.QueueSnapshot) []string {
	lines := []string{}
	for _, p := range s.Problems {
		lines = append(lines, p.String())
	}
	return lines
}

// redis makes a server of keys under the default prefix, or of whole ones that begin with '='.
func redis(keys map[string]any) *server {
	s := &server{keys: map[string]any{}, says: map[string]adapter.Reply{}}
	for key, value := range keys {
		if whole, ok := strings.CutPrefix(key, "="); ok {
			s.keys[whole] = value
		} else {
			s.keys["laravel_database_queues:"+key] = value
		}
	}
	return s
}

func TestCounts(t *testing.T) {
	past, future := float64(noon.Unix()-1), float64(noon.Unix())
	mixed := append(due(2, past), member{"x", future}, member{"y", future + 60})
	for _, tc := range []struct {
		name, queues string
		keys         map[string]any
		want         []string
	}{
		{"a queue is a list and two zsets", "mail", map[string]any{
			"mail": jobs{"{}", "{}", "{}"}, "mail:delayed": due(2, future), "mail:reserved": due(1, future+60), "mail:notify": jobs{"1", "1", "1"},
		}, []string{"mail 3/1/2/-"}},
		{"a queue without a key is empty", "mail", nil, []string{"mail 0/0/0/-"}},
		{"a reservation that is over is stalled, until then it isn't", "mail", map[string]any{"mail:reserved": mixed}, []string{"mail 0/4/0/- stalled=2"}},
		{"notify is no queue", "*", map[string]any{"mail": jobs{"{}"}, "mail:notify": jobs{"1"}, "gone:notify": jobs{"1"}}, []string{"mail 1/0/0/-"}},
		{"any of the three keys is found", "*", map[string]any{"a": jobs{"{}"}, "b:delayed": due(1, future), "c:reserved": due(1, future)}, []string{"a 1/0/0/-", "b 0/0/1/-", "c 0/1/0/-"}},
		{"names hold colons", "*", map[string]any{"a:b": jobs{"{}"}, "a:b:c:delayed": due(1, future)}, []string{"a:b 1/0/0/-", "a:b:c 0/0/1/-"}},
		{"a glob selects", "mail*", map[string]any{"mail": jobs{"{}"}, "mail-2": jobs{"{}"}, "other": jobs{"{}"}}, []string{"mail 1/0/0/-", "mail-2 1/0/0/-"}},
		{"a name and a glob", "mail*,zero", map[string]any{"mail": jobs{"{}"}}, []string{"mail 1/0/0/-", "zero 0/0/0/-"}},
		{"what has another type is no queue", "*", map[string]any{"a": text("x"), "b": hash{"x": "y"}, "c": due(1, 1), "d:delayed": text("x")}, []string{}},
		{"a queue's own name ends like a key of one", "*", map[string]any{"mail:delayed": jobs{"{}"}, "b:reserved": jobs{"{}", "{}"}, ":delayed": jobs{"{}"}}, []string{":delayed 1/0/0/-", "b:reserved 2/0/0/-", "mail:delayed 1/0/0/-"}},
		{"and has such keys itself", "*", map[string]any{"mail:delayed:delayed": due(2, future), "mail:notify:reserved": due(1, future)}, []string{"mail:delayed 0/0/2/-", "mail:notify 0/1/0/-"}},
		{"a cluster's braces are not part of the name", "*", map[string]any{"{mail}": jobs{"{}"}, "{mail}:delayed": due(1, future), "{mail}:notify": jobs{"1"}}, []string{"mail 1/0/1/-"}},
		{"found by name without braces", "mail", map[string]any{"{mail}": jobs{"{}"}, "{mail}:reserved": due(1, future)}, []string{"mail 1/1/0/-"}},
		{"found by name with braces", "{mail}", map[string]any{"{mail}": jobs{"{}"}}, []string{"mail 1/0/0/-"}},
		{"two spellings are one queue", "*", map[string]any{"mail": jobs{"{}"}, "{mail}": jobs{"{}", "{}"}, "mail:reserved": due(1, past), "{mail}:reserved": due(1, past)}, []string{"mail 3/2/0/- stalled=2"}},
		{"two spellings in the settings are one queue", "mail,{mail}", map[string]any{"mail": jobs{"{}"}, "{mail}": jobs{"{}", "{}"}}, []string{"mail 3/0/0/-"}},
		{"a name and a glob of the other spelling", "mail,{*}", map[string]any{"mail": jobs{"{}"}, "{mail}": jobs{"{}", "{}"}}, []string{"mail 3/0/0/-"}},
		{"braces around a part are the name's", "*", map[string]any{"{shop}mail": jobs{"{}"}, "{a}{b}": jobs{"{}"}, "{}": jobs{"{}"}, "{{a}}": jobs{"{}"}, "}{": jobs{"{}"}}, []string{"{shop}mail 1/0/0/-", "{a}{b} 1/0/0/-", "{{a}} 1/0/0/-", "{} 1/0/0/-", "}{ 1/0/0/-"}},
		{"no name at all", "*", map[string]any{"": jobs{"{}"}}, []string{}},
		{"keys of others", "*", map[string]any{"=laravel_database_queues": jobs{"{}"}, "=queues:a": jobs{"{}"}, "=xlaravel_database_queues:a": jobs{"{}"}}, []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := redis(tc.keys)
			session := open(t, adapter.Settings{SettingQueues: tc.queues})
			for range 2 {
				got, err := s.poll(t, session, noon)
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(tc.want)
				have := rows(got)
				slices.Sort(have)
				if diff := cmp.Diff(tc.want, have); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

func TestEveryPrefixIsLiteral(t *testing.T) {
	for _, tc := range []struct{ setting, prefix string }{
		{"", "laravel_database_"},
		{`""`, ""},
		{`"laravel-database-"`, "laravel-database-"},
		{"[a-z]*?", "[a-z]*?"},
		{`a\b`, `a\b`},
		{"{laravel}:", "{laravel}:"},
		{"queues:", "queues:"},
		{`" x "`, " x "},
		{`"`, `"`},
		{`""quoted""`, `"quoted"`},
		{"app:v1,", "app:v1,"},
	} {
		for _, queues := range []string{"mail", "*"} {
			t.Run(tc.setting+" "+queues, func(t *testing.T) {
				s := redis(map[string]any{"=" + tc.prefix + "queues:mail": jobs{"{}"}})
				got, err := s.poll(t, open(t, adapter.Settings{SettingQueues: queues, SettingPrefix: tc.setting}), noon)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]string{"mail 1/0/0/-"}, rows(got)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for setting, settings := range map[string]adapter.Settings{
		SettingQueues:        {SettingQueues: "[a"},
		SettingPrefix:        {SettingQueues: "a", SettingPrefix: strings.Repeat("x", 1025)},
		SettingHorizonPrefix: {SettingQueues: "a", SettingHorizonPrefix: strings.Repeat("x", 1025)},
	} {
		_, err := Adapter{}.Open(t.Context(), settings)
		var wrong *adapter.SettingError
		if !errors.As(err, &wrong) || wrong.Setting != setting {
			t.Errorf("%s: the error is %v", setting, err)
		}
	}
}

func metaError(s *protocol.QueueSnapshot, name string) string {
	for _, q := range s.Queues {
		if q.Name == name {
			return q.Meta.Text("error")
		}
	}
	return "there is no queue " + name
}

func TestNamedQueueThatWasNeverThereHasAHint(t *testing.T) {
	s := redis(nil)
	session := open(t, adapter.Settings{SettingQueues: "mail"})
	got, _ := s.poll(t, session, noon)
	if why := metaError(got, "mail"); !strings.Contains(why, `its name or the prefix "laravel_database_" is wrong`) {
		t.Errorf("meta.error is %q", why)
	}
	s.keys["laravel_database_queues:mail:reserved"] = due(1, 1)
	_, _ = s.poll(t, session, noon)
	delete(s.keys, "laravel_database_queues:mail:reserved")
	got, _ = s.poll(t, session, noon)
	if why := metaError(got, "mail"); why != "" {
		t.Errorf("it was there, and meta.error is %q", why)
	}
}

func TestFoundQueueStaysBetweenItsJobs(t *testing.T) {
	s := redis(map[string]any{"mail": jobs{"{}"}, "other": jobs{"{}"}})
	session := open(t, adapter.Settings{SettingQueues: "*"})
	at := func(after time.Duration) []string {
		got, err := s.poll(t, session, noon.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return rows(got)
	}
	at(0)
	mail := s.keys["laravel_database_queues:mail"]
	delete(s.keys, "laravel_database_queues:mail")
	for _, tc := range []struct {
		after time.Duration
		back  bool
		want  []string
	}{
		{10 * time.Second, false, []string{"mail 0/0/0/-", "other 1/0/0/-"}},
		{time.Minute, false, []string{"mail 0/0/0/-", "other 1/0/0/-"}},
		{70 * time.Second, true, []string{"mail 1/0/0/-", "other 1/0/0/-"}},
		{70*time.Second + 24*time.Hour, false, []string{"mail 0/0/0/-", "other 1/0/0/-"}},
		{25 * time.Hour, false, []string{"other 1/0/0/-"}},
		{26 * time.Hour, true, []string{"mail 1/0/0/-", "other 1/0/0/-"}},
	} {
		if delete(s.keys, "laravel_database_queues:mail"); tc.back {
			s.keys["laravel_database_queues:mail"] = mail
		}
		if diff := cmp.Diff(tc.want, at(tc.after)); diff != "" {
			t.Errorf("after %v, -want +got:\n%s", tc.after, diff)
		}
	}
}

func TestEmptyQueuesAreForgottenWhereTheyAreTooMany(t *testing.T) {
	s := redis(nil)
	for i := range rememberMost + 10 {
		s.keys[fmt.Sprintf("laravel_database_queues:job-%05d", i)] = jobs{"{}"}
	}
	session := open(t, adapter.Settings{SettingQueues: "*"})
	if got, _ := s.poll(t, session, noon); len(got.Queues) != rememberMost+10 {
		t.Fatalf("%d queues", len(got.Queues))
	}
	// Of those that are empty the ones that had jobs last are kept, and the one that has some anyway.
	keep := map[string]any{}
	for i := range 3 {
		key := fmt.Sprintf("laravel_database_queues:job-%05d", i)
		keep[key] = s.keys[key]
	}
	s.keys = maps.Clone(keep)
	_, _ = s.poll(t, session, noon.Add(10*time.Second))
	clear(s.keys)
	s.keys["laravel_database_queues:job-00000"] = keep["laravel_database_queues:job-00000"]
	_, _ = s.poll(t, session, noon.Add(20*time.Second))
	got, _ := s.poll(t, session, noon.Add(30*time.Second))
	if len(got.Queues) != rememberMost+1 || got.Queues[0].Name != "job-00000" || got.Queues[1].Name != "job-00001" || got.Queues[2].Name != "job-00002" {
		t.Errorf("%d queues, the first are %s, %s and %s", len(got.Queues), got.Queues[0].Name, got.Queues[1].Name, got.Queues[2].Name)
	}
}

func TestQueueNamedLikeTheKeyOfAnother(t *testing.T) {
	s := redis(map[string]any{"mail": jobs{"{}"}, "mail:delayed": jobs{"{}", "{}"}})
	session := open(t, adapter.Settings{SettingQueues: "*"})
	got, _ := s.poll(t, session, noon)
	if diff := cmp.Diff([]string{"mail 1/0/-/-", "mail:delayed 2/0/0/-"}, rows(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if why := metaError(got, "mail"); !strings.Contains(why, `perhaps a queue of the name "mail:delayed"`) {
		t.Errorf("meta.error is %q", why)
	}

	t.Run("and comes later", func(t *testing.T) {
		s := redis(map[string]any{"mail": jobs{"{}"}})
		session := open(t, adapter.Settings{SettingQueues: "*"})
		_, _ = s.poll(t, session, noon)
		s.keys["laravel_database_queues:mail:delayed"] = jobs{"{}"}
		_, _ = s.poll(t, session, noon.Add(time.Minute))
		got, _ := s.poll(t, session, noon.Add(2*time.Minute))
		if diff := cmp.Diff([]string{"mail 1/0/-/-", "mail:delayed 1/0/0/-"}, rows(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestNameThatIsNoQueueIsSaid(t *testing.T) {
	s := redis(map[string]any{
		"mail": jobs{"{}"}, "mail:delayed": due(1, 1), "mail:notify": jobs{"1"}, "text": text("x"), "true:notify": jobs{"{}"},
	})
	got, err := s.poll(t, open(t, adapter.Settings{SettingQueues: "mail,mail:delayed,mail:notify,text,true:notify"}), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"mail 1/0/1/-", "true:notify 1/0/0/-"}, rows(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	all := strings.Join(problems(got), "\n")
	for _, want := range []string{
		`is where the queue "mail" keeps its delayed jobs, so there is no queue of this name`,
		`it is what Laravel keeps beside the queue "mail" to wake workers`,
		`something other than a queue of Laravel is at laravel_database_queues:text`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the problems are\n%s\nwithout %s", all, want)
		}
	}
}

func TestOldestJob(t *testing.T) {
	at := noon.UnixMilli() - 60_000
	for _, tc := range []struct {
		name, payload string
		want          int64
	}{
		{"of Laravel before 12", `{"uuid":"x","displayName":"Job","data":{"createdAt":1763999940},"id":"y","attempts":0}`, 0},
		{"of Laravel 12", `{"uuid":"x","createdAt":1763999940,"id":"y"}`, at},
		{"of Horizon", `{"id":"y","pushedAt":"1763999940.1234"}`, at + 123},
		{"of both", `{"id":"y","pushedAt":"1763999940.1234","createdAt":1763999940}`, at + 123},
		{"pushed again", `{"id":"y","pushedAt":"1763999990.5","createdAt":1763999940}`, at},
		{"names are exact", `{"CreatedAt":1763999940,"createdat":1763999940}`, 0},
		{"in milliseconds is no time", `{"createdAt":1763999940000}`, 0},
		{"no number", `{"createdAt":{"a":1},"pushedAt":[1]}`, 0},
		{"in the future is now", `{"createdAt":1764000100}`, noon.UnixMilli()},
		{"no JSON", `{"createdAt":1763999940`, 0},
		{"no object", `[1763999940]`, 0},
		{"not text", "\xff\xfe", 0},
		{"too long", `{"createdAt":1763999940,"x":"` + strings.Repeat("x", 64<<10) + `"}`, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := redis(map[string]any{"mail": jobs{tc.payload, `{"createdAt":1763990000}`}})
			got, _ := s.poll(t, open(t, adapter.Settings{SettingQueues: "mail"}), noon)
			if n, _ := got.Queues[0].Meta.Int("oldest_at"); n != tc.want {
				t.Errorf("oldest_at is %d, want %d", n, tc.want)
			}
		})
	}
}

func asked(s *server, command string) (n int) {
	for _, r := range s.asked {
		if r[0] == command {
			n++
		}
	}
	return n
}

func TestPayloadsThatTellNoTimeAreSeldomRead(t *testing.T) {
	s := redis(map[string]any{"mail": jobs{"{}"}, "timed": jobs{`{"createdAt":1763999940}`}})
	session := open(t, adapter.Settings{SettingQueues: "mail,timed"})
	for i, want := range []int{2, 1, 1, 1, 1, 1, 2, 1} {
		if _, err := s.poll(t, session, noon.Add(time.Duration(i)*10*time.Second)); err != nil {
			t.Fatal(err)
		}
		if n := asked(s, "LINDEX"); n != want {
			t.Errorf("poll %d asks for %d payloads, want %d", i, n, want)
		}
	}
}

// TestBraceInANameIsNoSpelling: a queue of such a name is asked for as it is.
func TestBraceInANameIsNoSpelling(t *testing.T) {
	for _, name := range []string{"{mail", "mail}", "{a}b"} {
		s := redis(map[string]any{name: jobs{"{}"}})
		_, _ = s.poll(t, open(t, adapter.Settings{SettingQueues: name}), noon)
		for _, r := range s.asked {
			if r[0] == "EXISTS" {
				t.Errorf("of %s it asks %v", name, r)
			}
		}
	}
}

func TestOldestJobOfTwoSpellingsIsTheOlder(t *testing.T) {
	job := func(ago int64) jobs { return jobs{fmt.Sprintf(`{"createdAt":%d}`, noon.Unix()-ago)} }
	for plain, braces := range map[int64]int64{10: 20, 20: 10} {
		got, err := redis(map[string]any{"mail": job(plain), "{mail}": job(braces)}).poll(t, open(t, adapter.Settings{SettingQueues: "*"}), noon)
		if err != nil {
			t.Fatal(err)
		}
		if at, _ := got.Queues[0].Meta.Int("oldest_at"); at != noon.UnixMilli()-20_000 {
			t.Errorf("of jobs made %d and %d seconds ago the oldest is made at %d", plain, braces, at)
		}
	}
}

// TestBellIsNoJob is also about an item of a queue that looks like a bell: it is a job.
func TestBellIsNoJob(t *testing.T) {
	s := redis(map[string]any{"q": jobs{"1"}, "mail:notify": jobs{"{}"}})
	session := open(t, adapter.Settings{SettingQueues: "q,mail:notify"})
	got, err := s.poll(t, session, noon)
	if err != nil || !slices.Equal(rows(got), []string{"mail:notify 1/0/0/-", "q 1/0/0/-"}) {
		t.Fatalf("%q, %v", rows(got), err)
	}
	s.keys["laravel_database_queues:mail:notify"] = jobs{"1"}
	got, err = s.poll(t, session, noon.Add(time.Second)) // while jobs that tell no time are seldom read
	if err != nil || !slices.Equal(rows(got), []string{"q 1/0/0/-"}) || len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Reason, "holds no jobs") {
		t.Errorf("%q, problems %q, %v", rows(got), problems(got), err)
	}
}

func TestKeyThatIsGoneSinceItWasFoundIsWhatItLooksLike(t *testing.T) {
	for key, want := range map[string]string{"mail": "mail", "mail:delayed": "mail", "{mail}:reserved": "{mail}"} {
		for _, reply := range []adapter.Reply{adapter.Text("none"), adapter.Text(""), {}, noPerm} {
			if got := spellingOf(key, reply); got != want {
				t.Errorf("%s of the type %v belongs to %q, want %q", key, reply, got, want)
			}
		}
	}
}

func TestSumOfCountsStaysExact(t *testing.T) {
	n := int64(1)
	if err := add(&n, protocol.MaxCount-1); err != nil || n != protocol.MaxCount {
		t.Errorf("the largest sum is %d, %v", n, err)
	}
	if err := add(&n, 1); err == nil {
		t.Errorf("one more is %d", n)
	}
}

func TestIdleQueuesCostThreeCommandsFoundAndFourNamed(t *testing.T) {
	for queues, want := range map[string]int{"*": 3, "mail": 4} {
		s := redis(map[string]any{"mail:delayed": due(1, 1e12)})
		session := open(t, adapter.Settings{SettingQueues: queues})
		_, _ = s.poll(t, session, noon)
		_, _ = s.poll(t, session, noon.Add(10*time.Second))
		if n := len(s.asked) - perHorizon; n != want {
			t.Errorf("%s: %d commands, want %d: %v", queues, n, want, s.asked)
		}
	}
}

var noPerm = adapter.Refusal("NOPERM this user has no permissions to access one of the keys used as arguments")

func TestRefusalsStayWithTheirQueue(t *testing.T) {
	const k = "laravel_database_queues:"
	for _, tc := range []struct {
		name        string
		says        map[string]adapter.Reply
		want        []string
		says2, hint string // in a problem, in the error of mail
	}{
		{"its length", map[string]adapter.Reply{"LLEN " + k + "mail": noPerm}, []string{"other 1/0/0/-"}, "queue \"mail\": NOPERM", ""},
		{"delayed", map[string]adapter.Reply{"ZCARD " + k + "mail:delayed": noPerm}, []string{"mail 1/1/-/-", "other 1/0/0/-"}, "", "delayed: NOPERM"},
		{"reserved", map[string]adapter.Reply{"ZCARD " + k + "mail:reserved": noPerm}, []string{"mail 1/-/1/-", "other 1/0/0/-"}, "", "+zcard"},
		{"stalled", map[string]adapter.Reply{"ZCOUNT": noPerm}, []string{"mail 1/1/1/-", "other 1/0/0/-"}, "", "stalled: NOPERM"},
		{"the next job", map[string]adapter.Reply{"LINDEX": noPerm}, []string{"mail 1/1/1/-", "other 1/0/0/-"}, "", "oldest_at: NOPERM"},
		{"the other spelling", map[string]adapter.Reply{"EXISTS": noPerm}, []string{"mail 1/1/1/-", "other 1/0/0/-"}, "", ""},
		{"Horizon", map[string]adapter.Reply{"ZRANGE": noPerm}, []string{"mail 1/1/1/-", "other 1/0/0/-"}, "read Horizon's keys, laravel_horizon:*, whether there are any or not: NOPERM", ""},
		{"a negative length", map[string]adapter.Reply{"LLEN " + k + "mail": adapter.Int(-1)}, []string{"other 1/0/0/-"}, "this Redis is broken", ""},
		{"another kind of answer", map[string]adapter.Reply{"LLEN " + k + "mail": adapter.Text("OK")}, []string{"other 1/0/0/-"}, "where an integer is due", ""},
		{"more than there can be", map[string]adapter.Reply{"ZCARD " + k + "mail:reserved": adapter.Int(1 << 53)}, []string{"mail 1/-/1/-", "other 1/0/0/-"}, "", "this Redis is broken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := redis(map[string]any{"mail": jobs{"{}"}, "mail:delayed": due(1, 1e12), "mail:reserved": due(1, 1e12), "other": jobs{"{}"}})
			s.says = tc.says
			got, err := s.poll(t, open(t, adapter.Settings{SettingQueues: "mail,other"}), noon)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, rows(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			all := strings.Join(problems(got), "\n")
			if !strings.Contains(all, tc.says2) || tc.says2 == "" && all != "" {
				t.Errorf("the problems are %q, want %q", all, tc.says2)
			}
			if why := metaError(got, "mail"); tc.hint != "" && !strings.Contains(why, tc.hint) {
				t.Errorf("meta.error is %q, want %q", why, tc.hint)
			}
		})
	}
}

func TestPollFailsWhereEveryQueueDoes(t *testing.T) {
	s := redis(nil)
	s.says["LLEN"] = noPerm
	_, err := s.poll(t, open(t, adapter.Settings{SettingQueues: "a,b", SettingPrefix: "[x]"}), noon)
	if err == nil || !strings.Contains(err.Error(), `allow +llen`) || !strings.Contains(err.Error(), `~\[x\]queues:*`) {
		t.Errorf("the error is %v", err)
	}
}

func TestDiscoverySaysWhatItLacks(t *testing.T) {
	t.Run("no permission to look", func(t *testing.T) {
		s := redis(nil)
		s.says["SCAN"] = noPerm
		got, err := s.poll(t, open(t, adapter.Settings{SettingQueues: "*,a"}), noon)
		if err != nil || len(problems(got)) != 1 || !strings.Contains(problems(got)[0], "find queues: NOPERM") {
			t.Errorf("problems %v, error %v", problems(got), err)
		}
		if got, err := s.poll(t, open(t, adapter.Settings{SettingQueues: "*"}), noon); err == nil || !strings.HasPrefix(err.Error(), "find queues: NOPERM") {
			t.Errorf("where nothing is named: %v, error %v", got, err)
		}
	})
	t.Run("no permission to ask for types", func(t *testing.T) {
		s := redis(map[string]any{"mail": jobs{"{}"}, "b:delayed": due(1, 1e12)})
		s.says["TYPE"] = noPerm
		got, _ := s.poll(t, open(t, adapter.Settings{SettingQueues: "*"}), noon)
		if diff := cmp.Diff([]string{"b 0/0/1/-", "mail 1/0/0/-"}, rows(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("nothing there", func(t *testing.T) {
		got, _ := redis(nil).poll(t, open(t, adapter.Settings{SettingQueues: "*"}), noon)
		if !strings.Contains(strings.Join(problems(got), "\n"), "no queue was found under laravel_database_queues:") {
			t.Errorf("problems %v", problems(got))
		}
	})
	t.Run("a name that can't be written", func(t *testing.T) {
		s := redis(map[string]any{"\xff": jobs{"{}"}, strings.Repeat("x", 1025): jobs{"{}"}, "a": jobs{"{}"}})
		got, _ := s.poll(t, open(t, adapter.Settings{SettingQueues: "*"}), noon)
		if diff := cmp.Diff([]string{"a 1/0/0/-"}, rows(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if !strings.Contains(strings.Join(problems(got), "\n"), `queue "\xff" is left out, and perhaps others: its name is not UTF-8`) {
			t.Errorf("problems %v", problems(got))
		}
	})
	t.Run("more keys than one poll looks at", func(t *testing.T) {
		s := redis(map[string]any{"=z": text("x")})
		s.says["SCAN"] = adapter.List(adapter.Text("1.532"), adapter.List(adapter.Text("laravel_database_queues:mail")))
		session := open(t, adapter.Settings{SettingQueues: "*"})
		got, _ := s.poll(t, session, noon)
		if asked(s, "SCAN") != 50 || !slices.Contains(problems(got), adapter.StillLooking) {
			t.Errorf("%d SCANs, problems %v", asked(s, "SCAN"), problems(got))
		}
	})
}

// FuzzReplies answers with anything: a poll may fail, but not panic, hang or break the protocol.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, `{"redis:default,{mail}":2}`)
	f.Add([]byte{6, 0, 5, 5, 2, 1, 9, 3}, "laravel_database_queues:{q}:reserved")
	f.Add([]byte{1, 1, 2, 4, 3, 2}, "1764000000")
	f.Fuzz(func(t *testing.T, shape []byte, text string) {
		s, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingQueues: "*,q,{w},z:notify"})
		if err != nil {
			t.Fatal(err)
		}
		anything := adaptertest.Anything{Shape: shape, Also: adaptertest.Fixed(
			adapter.Text(text), adapter.Refusal(text), adapter.Text("laravel_database_queues:"+text),
			adapter.Text("list"), adapter.Text("zset"), adapter.Text("1764000000"), adapter.Text("0"), adapter.Text(`{"redis:q":1}`), adapter.Text("1"), adapter.Text("paused"),
		)}
		for round := range 4 {
			_, _, _ = adaptertest.Poll(t, Adapter{}, s, noon.Add(time.Duration(round)*11*time.Hour), anything.Reply)
		}
	})
}

// BenchmarkPoll is a poll of a thousand queues, each with jobs, and a Horizon, without any Redis.
func BenchmarkPoll(b *testing.B) {
	var names []string
	s := redis(map[string]any{})
	for i := range 1000 {
		name := fmt.Sprintf("queue-%04d", i)
		names = append(names, name)
		s.keys["laravel_database_queues:"+name] = jobs{`{"uuid":"x","displayName":"Job","data":{"command":"O:8:\"App\\Job\""},"createdAt":1763999940}`}
		s.keys["laravel_database_queues:"+name+":reserved"] = due(1, 1)
	}
	session := open(b, adapter.Settings{SettingQueues: strings.Join(names, ",")})
	if _, err := s.poll(b, session, noon); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var replies []adapter.Reply
	for b.Loop() {
		step := session.Poll(context.Background(), noon)
		for step.Requests != nil {
			b.StopTimer()
			replies = make([]adapter.Reply, len(step.Requests))
			for i, r := range step.Requests {
				replies[i] = s.answer(r)
			}
			b.StartTimer()
			step = session.Next(context.Background(), replies)
		}
		if step.Err != nil || len(step.Snapshot.Queues) != 1000 {
			b.Fatal(step.Err)
		}
	}
}

func TestMoreQueuesThanAReportHasRoomForAreSaid(t *testing.T) {
	s := open(t, adapter.Settings{SettingQueues: "*"}).(*session)
	names := map[string]bool{}
	for i := range protocol.MaxQueues {
		names[strconv.Itoa(i)] = true
	}
	s.walk.room = adapter.RoomBeside(names)
	s.found("one-more")
	if len(s.names) > 0 || !strings.Contains(s.walk.Problem(), "100000 queues are the most that one reporter reports") {
		t.Errorf("%d queues, it says %q", len(s.names), s.walk.Problem())
	}
}
