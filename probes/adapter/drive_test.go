package adapter

import (
	"context"
	"errors"
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
