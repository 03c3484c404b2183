package adapter

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/protocol"
)

// oneRound asks once, and keeps the replies.
type oneRound struct {
	requests []Request
	replies  []Reply
}

func (s *oneRound) Poll(context.Context, time.Time) Step { return Step{Requests: s.requests} }

func (s *oneRound) Next(_ context.Context, replies []Reply) Step {
	s.replies = replies
	return Step{Snapshot: &protocol.QueueSnapshot{}}
}

func (*oneRound) Close() error { return nil }

var stranger = Description{Name: "crow", Source: Redis, Commands: []string{"LLEN", "LRANGE", "ZSCORE", "HGET"}, IsStranger: true}

// TestAStrangersLargeAnswersAreAskedForAlone: Redis keeps all answers to what it is asked at once.
func TestAStrangersLargeAnswersAreAskedForAlone(t *testing.T) {
	t.Parallel()
	requests := []Request{{"LRANGE", "a", "0", "-1"}, {"LLEN", "b"}, {"HGET", "c", "f"}, {"ZSCORE", "d", "m"}}
	for _, tc := range []struct {
		about Description
		want  []string
	}{
		{stranger, []string{"LLEN b, ZSCORE d m", "LRANGE a 0 -1", "HGET c f"}},
		{Description{Name: "pulse", Source: Redis, Commands: stranger.Commands}, []string{"LRANGE a 0 -1, LLEN b, HGET c f, ZSCORE d m"}},
	} {
		var asked []string
		s := &oneRound{requests: requests}
		_, err := Drive(t.Context(), tc.about, s, time.Now(), func(part []Request) ([]Reply, error) {
			var texts []string
			var replies []Reply
			for _, r := range part {
				texts = append(texts, strings.Join(r, " "))
				replies = append(replies, Text(r[1]))
			}
			asked = append(asked, strings.Join(texts, ", "))
			return replies, nil
		})
		if diff := cmp.Diff(tc.want, asked); diff != "" || err != nil {
			t.Errorf("%s: %v, asked was (-want +got)\n%s", tc.about.Name, err, diff)
		}
		for i, r := range s.replies {
			if text, _ := r.Text(); text != requests[i][1] {
				t.Errorf("%s: reply %d is that of %s", tc.about.Name, i, text)
			}
		}
	}
}

func TestAStrangerIsAnsweredSoMuchARound(t *testing.T) {
	t.Parallel()
	s := &oneRound{requests: slices.Repeat([]Request{{"LRANGE", "jobs", "0", "-1"}}, 100)}
	asked := 0
	_, err := Drive(t.Context(), stranger, s, time.Now(), func(part []Request) ([]Reply, error) {
		asked += len(part)
		return []Reply{List(Text(strings.Repeat("x", maxReplyBytes/4)), Text(""))}, nil
	})
	if asked != 4 || err == nil || err.Error() != `the adapter crow asked for more than it may be answered in a round, which is 16777216 bytes: "LRANGE jobs 0 -1"` {
		t.Errorf("%d were asked, %v", asked, err)
	}
	gone := errors.New("gone")
	if _, err := Drive(t.Context(), stranger, s, time.Now(), func([]Request) ([]Reply, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
}

// breaking is a session that is told what it broke.
type breaking struct {
	oneRound
	told string
}

func (s *breaking) Break(_ context.Context, why error) Step {
	s.told = why.Error()
	return Fail("it was closed")
}

// TestASessionIsToldWhichRuleItBroke: the sessions of a wasmhost then close their instance.
func TestASessionIsToldWhichRuleItBroke(t *testing.T) {
	t.Parallel()
	for want, request := range map[string]Request{
		`asked for more than it may be answered in a round, which is 16777216 bytes: "HGET a f"`:   {"HGET", "a", "f"},
		`asked "SCAN", which it does not describe: it describes ["LLEN" "LRANGE" "ZSCORE" "HGET"]`: {"SCAN", "0"},
	} {
		s := &breaking{oneRound: oneRound{requests: []Request{request}}}
		_, err := Drive(t.Context(), stranger, s, time.Now(), func([]Request) ([]Reply, error) {
			return []Reply{Text(strings.Repeat("x", maxReplyBytes))}, nil
		})
		if err == nil || err.Error() != "it was closed" || s.told != want || s.replies != nil {
			t.Errorf("%v, it was told %s", err, s.told)
		}
	}
}

// TestAStrangersAnswersCountAsTheyAreSent: 450,000 items of a byte take 18 MB in Go, and 3.2 MB as RESP.
func TestAStrangersAnswersCountAsTheyAreSent(t *testing.T) {
	t.Parallel()
	full := Text(strings.Repeat("x", maxReplyBytes-len("$16777216\r\n\r\n")))
	for name, c := range map[string]struct {
		replies []Reply
		allowed bool
	}{
		"many items":         {[]Reply{List(slices.Repeat([]Reply{Text("x")}, 450_000)...)}, true},
		"as much as may be":  {[]Reply{full}, true},
		"a little more":      {[]Reply{full, {}}, false},
		"one byte more":      {[]Reply{Text(full.text + "x")}, false},
		"integers of a list": {[]Reply{List(slices.Repeat([]Reply{Int(1)}, maxReplyBytes/4)...)}, false},
	} {
		s := &oneRound{}
		for range c.replies {
			s.requests = append(s.requests, Request{"LRANGE", "jobs", "0", "-1"})
		}
		left := c.replies
		_, err := Drive(t.Context(), stranger, s, time.Now(), func([]Request) ([]Reply, error) {
			r := left[0]
			left = left[1:]
			return []Reply{r}, nil
		})
		if (err == nil) != c.allowed {
			t.Errorf("%s: %d bytes, %v", name, len(AppendReplies(nil, c.replies)), err)
		}
	}
}

func TestTheSizeOfAReplyIsThatOfItsBytes(t *testing.T) {
	t.Parallel()
	replies := []Reply{{}, Text(""), Text("x"), Refusal("NOPERM no\r\naccess"), Refusal(""), List(), List(Int(1), List(Text("a"), Reply{}))}
	for _, n := range []int64{0, 1, 9, 10, 99, 100, 12345, -1, -9, -10, math.MaxInt64, math.MinInt64} {
		replies = append(replies, Int(n))
	}
	for _, n := range []int{9, 10, 11, 99, 100, 101, 999, 1000} {
		replies = append(replies, Text(strings.Repeat("x", n)), List(slices.Repeat([]Reply{Int(7)}, n)...))
	}
	for _, r := range replies {
		if data := AppendReplies(nil, []Reply{r}); replySize(&r) != len(data) {
			t.Errorf("%d, want %d: %q", replySize(&r), len(data), data)
		}
	}
}

func TestSCANLooksAtFewKeysAtATime(t *testing.T) {
	t.Parallel()
	for text, sent := range map[string]bool{
		"SCAN 0":                               true,
		"SCAN 0 COUNT 10000":                   true,
		"SCAN 0 COUNT 10001":                   false,
		"scan 0 count 999999999":               false,
		"SCAN 0 MATCH x COUNT 99999":           false,
		"SCAN 0 COUNT 1 COUNT 99999":           false,
		"SCAN 0 COUNT 99999999999999999999999": false,
		"SCAN 0 MATCH COUNT COUNT 10":          true,
		"HSCAN h 0 COUNT 99999":                false,
		"SSCAN s 0 COUNT 99999":                false,
		"ZSCAN z 0 COUNT 99999":                false,
		"ZSCAN COUNT 99999":                    true, // its key is COUNT
		"SCAN":                                 true, // Redis refuses it
		"XRANGE s - + COUNT 99999":             true,
	} {
		_, err := Request(strings.Fields(text)).ReadOnly()
		if (err == nil) != sent || err != nil && !strings.Contains(err.Error(), "its COUNT is more than 10000") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestEachPartOfAStrangersRoundIsAnsweredOnce: a reply that is missing is not an empty queue.
func TestEachPartOfAStrangersRoundIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct {
		command string
		replies int
	}{{"LLEN", 0}, {"LLEN", 1}, {"LLEN", 3}, {"HGET", 0}, {"HGET", 2}} {
		s := &oneRound{requests: []Request{{"LRANGE", "a", "0", "-1"}, {"LLEN", "b"}, {"HGET", "c", "f"}, {"LLEN", "d"}}}
		_, err := Drive(t.Context(), stranger, s, time.Now(), func(part []Request) ([]Reply, error) {
			if part[0][0] == wrong.command {
				return make([]Reply, wrong.replies), nil
			}
			return make([]Reply, len(part)), nil
		})
		if !errors.Is(err, ErrReplies) || s.replies != nil {
			t.Errorf("%+v: %v, the adapter got %v", wrong, err, s.replies)
		}
	}
}

func TestAStrangerIsNotAskedForOnceThePollIsOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := &oneRound{requests: []Request{{"HGET", "a", "f"}, {"HGET", "b", "f"}, {"HGET", "c", "f"}}}
	asked := 0
	_, err := Drive(ctx, stranger, s, time.Now(), func(part []Request) ([]Reply, error) {
		asked += len(part)
		cancel()
		return make([]Reply, len(part)), nil
	})
	if asked != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d were asked, %v", asked, err)
	}
}
