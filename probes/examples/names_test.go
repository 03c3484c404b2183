package examples_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
)

// Names that are UTF-8, of each length and with all that JSON escapes; and such that aren't.
var (
	goodNames = []string{"mail", "a:b/c {d}", `q"u\\o`, "\x01\t\n\x1f\x7f", "\u00fc", "\u20ac", "\ud7ff\ue000\uffff", "\U00010000\U0001f600\U0010ffff", "null"}
	badNames  = []string{"\xff", "a\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}
)

// TestAQueueMayHaveAnyName: one that isn't UTF-8 can't be in a snapshot, and is said.
func TestAQueueMayHaveAnyName(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		example
		add  func(*servertest.RedisServer, string)
		said string
	}{
		{resque, func(s *servertest.RedisServer, name string) { resqueKeys{t, s.Client, "resque"}.push(name, 1) }, "queues are left out: its name is not UTF-8"},
		{beequeue, func(s *servertest.RedisServer, name string) {
			s.Client.Set(t.Context(), "bq:"+name+":id", "1", 0)
			s.Client.LPush(t.Context(), "bq:"+name+":waiting", "1")
		}, "queues are left out: the name of one is not UTF-8"},
		{dramatiq, func(s *servertest.RedisServer, name string) {
			s.Client.HSet(t.Context(), "dramatiq:"+name+".msgs", "1", "x")
			s.Client.RPush(t.Context(), "dramatiq:"+name, "1")
		}, "queues are left out: its name is not UTF-8"},
		{rq, func(s *servertest.RedisServer, name string) {
			s.Client.SAdd(t.Context(), "rq:queues", "rq:queue:"+name)
			s.Client.RPush(t.Context(), "rq:queue:"+name, "1")
		}, "queues are left out: its name is not UTF-8"},
	} {
		server := servertest.Redis(t)
		waiting := func() map[string]int64 {
			out := map[string]int64{}
			s := mustPoll(t, e.poller(t, server.Client, nil), noon)
			for _, q := range s.Queues {
				out[q.Name] = q.Metrics.Waiting
			}
			if said := reasons(s); said != "" && !strings.HasPrefix(said, e.said) {
				t.Errorf("%s says %s", e.folder, said)
			}
			return out
		}
		want := map[string]int64{}
		for _, name := range goodNames {
			e.add(server, name)
			want[name] = 1
		}
		if diff := cmp.Diff(want, waiting()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.folder, diff)
		}
		for _, name := range badNames {
			e.add(server, name)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(waiting()))); diff != "" {
				t.Errorf("%s with %q beside (-want +got):\n%s", e.folder, name, diff)
			}
		}
	}
}

// TestAnswersThatAreNoneAreSaid: a host may be as broken as a Redis.
func TestAnswersThatAreNoneAreSaid(t *testing.T) {
	t.Parallel()
	const broken = "the answers are not those to what was asked"
	for _, e := range []struct {
		example
		first string            // what the first round is answered with
		wrong []string          // the same, broken
		later map[string]string // how the poll ends after the second round's answers
	}{
		{
			resque, "*1\r\n$4\r\nmail\r\n*0\r\n:0\r\n:0\r\n",
			[]string{
				"", "x", "*1\r\n$9\r\nmail\r\n*0\r\n:0\r\n:0\r\n", "*1\r\n$4\r\nmail\r\n*0\r\n:0\r\n", "*1\r\n$4\r\nmail\r\n*0\r\n:0\r\n:0\r\n:0\r\n", "*1\r\n:4\r\n*0\r\n:0\r\n:0\r\n",
				"*1\r\n$-1\r\n*0\r\n:0\r\n:0\r\n", "$4\r\nmail\r\n*0\r\n:0\r\n:0\r\n", "*0\r\n:0\r\n:0\r\n:0\r\n", "*2\r\n$4\r\nmail\r\n*0\r\n:0\r\n:0\r\n", "*-1\r\n*0\r\n:0\r\n:0\r\n",
			},
			map[string]string{
				":9007199254740991\r\n": `"waiting":9007199254740991,`,
				":9007199254740992\r\n": "no queue of Resque's can be read", ":99999999999999999999\r\n": "no queue of Resque's can be read", ":-1\r\n": "no queue of Resque's can be read",
				":\r\n": "no queue of Resque's can be read", "$1\r\n1\r\n": "no queue of Resque's can be read", "$-1\r\n": "no queue of Resque's can be read",
				"": broken, ":1": broken, ":1\r\n:2\r\n": broken, "*1\r\n:1\r\n": broken,
			},
		},
		{
			beequeue, "*2\r\n$1\r\n0\r\n*1\r\n$10\r\nbq:mail:id\r\n",
			[]string{
				"", "x", "*2\r\n$1\r\n0\r\n", "*2\r\n$1\r\n0\r\n*2\r\n$10\r\nbq:mail:id\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$11\r\nbq:mail:id\r\n", "*2\r\n$1\r\n0\r\n*1\r\n:1\r\n", "*2\r\n:0\r\n*0\r\n",
				"*2\r\n$0\r\n\r\n*0\r\n", "*3\r\n$1\r\n0\r\n*0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n*0\r\n:1\r\n", ":0\r\n", "$-1\r\n", "*-1\r\n", "*2\r\n$1\r\n0\r\n*-1\r\n",
			},
			map[string]string{
				":9007199254740991\r\n:1\r\n:2\r\n:3\r\n":   `"waiting":9007199254740991,"active":1,"delayed":2,"failed":3}`,
				":1\r\n:9007199254740992\r\n:-2\r\n$-1\r\n": `{"waiting":1},"meta":{"driver":"bee-queue","error":"active is absent: LLEN: the answer is of another kind than is due; delayed is absent`,
				":-1\r\n:1\r\n:2\r\n:3\r\n":                 "no queue of Bee-Queue's can be read",
				"":                                          broken, ":1\r\n:1\r\n:2\r\n": broken, ":1\r\n:1\r\n:2\r\n:3": broken, ":1\r\n:1\r\n:2\r\n:3\r\n:4\r\n": broken, "*1\r\n:1\r\n:1\r\n:2\r\n:3\r\n": broken,
			},
		},
		{
			dramatiq, "*2\r\n$1\r\n0\r\n*1\r\n$18\r\ndramatiq:mail.msgs\r\n",
			[]string{
				"", "x", "*2\r\n$1\r\n0\r\n", "*2\r\n$1\r\n0\r\n*2\r\n$18\r\ndramatiq:mail.msgs\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$19\r\ndramatiq:mail.msgs\r\n", "*2\r\n$1\r\n0\r\n*1\r\n:1\r\n", "*2\r\n:0\r\n*0\r\n",
				"*2\r\n$0\r\n\r\n*0\r\n", "*2\r\n$21\r\n000000000000000000000\r\n*0\r\n", "*3\r\n$1\r\n0\r\n*0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n*0\r\n:1\r\n", ":0\r\n", "$-1\r\n", "*-1\r\n", "*2\r\n$1\r\n0\r\n*-1\r\n",
			},
			map[string]string{
				":1\r\n:3\r\n:9007199254740991\r\n:5\r\n":  `"waiting":1,"active":2,"delayed":9007199254740991,"failed":5}`,
				":3\r\n:1\r\n:9007199254740992\r\n$-1\r\n": `{"waiting":3},"meta":{"driver":"dramatiq","error":"active is absent: jobs came while it was read; delayed is absent: HLEN: the answer is of another kind than is due; failed`,
				":-1\r\n:1\r\n:2\r\n:3\r\n":                "no queue of Dramatiq's can be read",
				":1\r\n-NOPERM \xff\"\r\n:2\r\n-ERR\r\n":   `{"waiting":1,"delayed":2},"meta":{"driver":"dramatiq","error":"active is absent: HLEN: NOPERM ?\"; failed is absent: ZCARD: ERR"`,
				"":                                         broken, ":1\r\n:1\r\n:2\r\n": broken, ":1\r\n:1\r\n:2\r\n:3": broken, ":1\r\n:1\r\n:2\r\n:3\r\n:4\r\n": broken, "*1\r\n:1\r\n:1\r\n:2\r\n:3\r\n": broken,
			},
		},
		{
			rq, ":0\r\n*1\r\n$13\r\nrq:queue:mail\r\n",
			[]string{
				"", "x", ":0\r\n", ":0\r\n*1\r\n", ":0\r\n*2\r\n$13\r\nrq:queue:mail\r\n", ":0\r\n*1\r\n$14\r\nrq:queue:mail\r\n", ":0\r\n*1\r\n:1\r\n", "*0\r\n*0\r\n",
				":0\r\n*0\r\n:1\r\n", ":0\r\n*1\r\n$-1\r\n", ":0\r\n*9007199254740991\r\n$1\r\na\r\n",
			},
			map[string]string{
				":1\r\n:2\r\n:3\r\n:4\r\n:9007199254740991\r\n*0\r\n$-1\r\n":       `{"waiting":1,"active":2,"delayed":3,"failed":4},"meta":{"driver":"rq","deferred":9007199254740991,"workers":0}`,
				":1\r\n:9007199254740992\r\n:-2\r\n$-1\r\n-ERR\r\n$-1\r\n-ERR\r\n": `{"waiting":1},"meta":{"driver":"rq","error":"workers is absent: SMEMBERS: the answer is of another kind than is due; active is absent: ZCARD: the answer`,
				":-1\r\n:1\r\n:2\r\n:3\r\n:4\r\n*0\r\n$-1\r\n":                     "no queue of RQ's can be read",
				"": broken, ":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n*0\r\n": broken, ":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n*1\r\n:1\r\n$-1\r\n": broken,
				":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n*0\r\n*0\r\n": broken, ":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n*0\r\n$-1\r\n:1\r\n": broken,
			},
		},
		{
			arq, ":1\r\n:2\r\n*2\r\n$1\r\na\r\n$13\r\n1763999999999\r\n",
			[]string{
				"", "x", ":1\r\n:2\r\n", ":1\r\n:2\r\n*1\r\n$1\r\na\r\n", ":1\r\n:2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", ":1\r\n:2\r\n*2\r\n$1\r\na\r\n:1\r\n", "*0\r\n:2\r\n*0\r\n",
				":1\r\n:2\r\n*0\r\n:1\r\n", ":1\r\n:2\r\n*9007199254740991\r\n",
			},
			map[string]string{
				":0\r\n":         `{"waiting":1,"active":0,"delayed":2},"meta":{"driver":"arq","oldest_at":1763999999999}}`,
				":1\r\n":         `{"waiting":0,"active":1,"delayed":2},"meta":{"driver":"arq"}}`,
				"-NOPERM no\r\n": `{"waiting":1,"delayed":2},"meta":{"driver":"arq","error":"active is absent, and waiting counts it, too: EXISTS: NOPERM no"}}`,
				"$-1\r\n":        `{"waiting":1,"delayed":2},"meta":{"driver":"arq","error":"active is absent, and waiting counts it, too: EXISTS: the answer`,
				"":               broken, ":1": broken, ":1\r\n:1\r\n": broken, "*0\r\n": broken,
			},
		},
	} {
		t.Run(e.folder, func(t *testing.T) {
			t.Parallel()
			module := e.compile(t)
			end := func(rounds ...string) string {
				i := module.instance(t)
				if !i.open(nil) {
					t.Fatal("it doesn't open")
				}
				tag, rest := i.poll(noon, func(round int, _ []adapter.Request) []byte { return []byte(rounds[round]) })
				return string(tag) + string(rest)
			}
			for _, first := range e.wrong {
				if got := end(first, ""); !strings.HasPrefix(got, "E"+broken) {
					t.Errorf("after %q it ends with %s", first, got)
				}
			}
			for second, want := range e.later {
				if got := end(e.first, second); !strings.Contains(got, want) {
					t.Errorf("after %q it ends with %s, want %s", second, got, want)
				}
			}
		})
	}
}

// TestARefusedWalkBeginsAnew: a cursor is good for the walk it is of.
func TestARefusedWalkBeginsAnew(t *testing.T) {
	t.Parallel()
	for _, e := range []example{beequeue, dramatiq} {
		i := e.compile(t).instance(t)
		i.open(nil)
		var asked []string
		scans := []string{"*2\r\n$2\r\n17\r\n*0\r\n", "-ERR no\r\n", "*2\r\n$1\r\n0\r\n*0\r\n"}
		for range 2 {
			i.poll(noon, func(_ int, requests []adapter.Request) []byte {
				asked = append(asked, requests[0][1])
				return []byte(scans[len(asked)-1])
			})
		}
		if diff := cmp.Diff([]string{"0", "17", "0"}, asked); diff != "" {
			t.Errorf("cursors of %s (-want +got):\n%s", e.folder, diff)
		}
	}
}

// TestInputThatIsTooLongIsRefused: before it is written anywhere.
func TestInputThatIsTooLongIsRefused(t *testing.T) {
	t.Parallel()
	for _, e := range examples {
		t.Run(e.folder, func(t *testing.T) {
			t.Parallel()
			i := e.compile(t).instance(t)
			for size, ok := range map[uint64]bool{0: true, 1 << 20: true, 4 << 20: true, 1 << 30: false, 1<<31 + 5: false, 1<<32 - 1: false} {
				r, err := i.module.ExportedFunction("pulse_alloc").Call(t.Context(), size)
				if err != nil {
					t.Fatalf("pulse_alloc(%d) traps: %v", size, err)
				}
				if got := uint32(r[0]) != 0; got != ok || ok && uint64(uint32(r[0]))+size > uint64(i.module.Memory().Size()) {
					t.Errorf("pulse_alloc(%d) is %#x of %#x", size, uint32(r[0]), i.module.Memory().Size())
				}
			}
		})
	}
}
