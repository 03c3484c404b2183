package logonce

import (
	"fmt"
	"testing"
	"time"
)

// TestANewCauseIsNews: of a trouble with one cause at a time each cause gets a line, and its end one for all of them.
func TestANewCauseIsNews(t *testing.T) {
	t.Parallel()
	var troubles Troubles
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	said := ""
	for _, cause := range []string{"a", "a", "b", "b", "a", "", "", "b", "c", ""} {
		now = now.Add(10 * time.Second)
		if cause == "" {
			if troubles.AllGone() {
				said += "."
			}
			continue
		}
		if isWorthALine, _ := troubles.Only(cause, now); isWorthALine {
			said += cause
		}
	}
	if said != "ab.c." {
		t.Errorf("it said %s", said)
	}
}

func TestWhatLastsGetsOneLineAndWhatFlapsOneInTenMinutes(t *testing.T) {
	t.Parallel()
	var troubles Troubles
	began := time.UnixMilli(1_764_000_000_000)
	for _, step := range []struct {
		at      time.Duration
		isThere bool
		says    bool
		times   int
	}{
		{0, false, false, 0},
		{0, true, true, 1},
		{time.Second, true, false, 0},
		{time.Hour, true, false, 0}, // it lasts
		{2 * time.Hour, false, true, 0},
		{2*time.Hour + time.Second, true, true, 1},
		{2*time.Hour + 2*time.Second, false, true, 0},
		{2*time.Hour + 3*time.Second, true, false, 0}, // it flaps
		{2*time.Hour + 4*time.Second, false, false, 0},
		{2*time.Hour + 5*time.Second, true, false, 0},
		{2*time.Hour + 6*time.Second, false, false, 0},
		{2*time.Hour + 7*time.Second, true, false, 0},
		{2*time.Hour + 10*time.Minute, true, false, 0}, // and then lasts: not for ever without a word
		{2*time.Hour + 10*time.Minute + time.Second, true, true, 3},
		{2*time.Hour + 10*time.Minute + 2*time.Second, true, false, 0},
		{2*time.Hour + 11*time.Minute, false, true, 0},
		{3 * time.Hour, false, false, 0},
	} {
		now := began.Add(step.at)
		var says bool
		var times int
		if step.isThere {
			says, times = troubles.There("x", now)
		} else {
			says = troubles.Gone("x")
		}
		if says != step.says || times != step.times {
			t.Errorf("after %v: %v, %d times", step.at, says, times)
		}
	}
	if says, times := troubles.There("another kind", began); !says || times != 1 {
		t.Errorf("another kind: %v, %d times", says, times)
	}
}

func TestThoseThatAreNotNamedAreGone(t *testing.T) {
	t.Parallel()
	var troubles Troubles
	now := time.UnixMilli(1_764_000_000_000)
	troubles.There("stays", now)
	troubles.There("goes", now)
	troubles.GoneExcept(map[string]bool{"stays": true})
	now = now.Add(Quiet)
	if says, _ := troubles.There("stays", now); says {
		t.Error("what stays has come again")
	}
	if says, times := troubles.There("goes", now); !says || times != 1 {
		t.Errorf("what went and came: %v, %d times", says, times)
	}
}

func TestKindsAreBounded(t *testing.T) {
	t.Parallel()
	var troubles Troubles
	now := time.UnixMilli(1_764_000_000_000)
	said := 0
	for i := range 3 * maxKinds {
		kind := fmt.Sprint("kind ", i)
		if says, _ := troubles.There(kind, now); says {
			said++
		}
		troubles.Gone(kind)
	}
	if said != maxKinds || len(troubles.kinds) != maxKinds {
		t.Errorf("%d lines, %d kinds are remembered", said, len(troubles.kinds))
	}
	if says, _ := troubles.There("a new kind", now.Add(Quiet)); !says || len(troubles.kinds) != 1 {
		t.Errorf("after ten minutes: %v, %d kinds are remembered", says, len(troubles.kinds))
	}
}

func TestKindsOfTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Signature expired: 20261126T200000Z is now earlier than 20261126T201500Z (20261126T203000Z - 15 min.)": "Signature expired: #T#Z is now earlier than #T#Z (#T#Z - # min.)",
		"dial tcp 10.0.0.7:40001: connection refused":                                                           "dial tcp #.#.#.#:#: connection refused",
		"RequestID: 7e1a2b3c-00ff-4d5e-8f90-a1b2c3d4e5f6, denied":                                               "RequestID: #, denied",
		`queue "orders": NOPERM`: `queue "orders": NOPERM`,
		"":                       "",
	} {
		if got := Kind(text); got != want {
			t.Errorf("%q is of kind %q", text, got)
		}
	}
}
