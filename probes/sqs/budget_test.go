package sqs_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/sqs"
)

// allowed is how many calls a budget allows in d.
func allowed(perMonth int, d time.Duration) float64 {
	return float64(perMonth) * float64(d) / float64(30*24*time.Hour)
}

func TestWithoutABudgetEverythingIsReadAtEveryPoll(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 5 {
		w.add(fmt.Sprint("q", i), 0, 0, 0, "")
	}
	session := reading(t, "*")
	const polls = 100
	for i := range polls {
		w.poll(t, session, at(time.Duration(i)*time.Second))
	}
	for i := range 5 {
		if got := w.calls[fmt.Sprint("GetQueueAttributes q", i)]; got != polls {
			t.Errorf("q%d was read %d times in %d polls", i, got, polls)
		}
	}
}

// The session reads new queues on credit, so the bound is the larger of the budget and the first reading of all
// queues. It finds anew each time a queue that is listed but not there, and a dead-letter queue that it may not
// read, and a list has further pages: each is a call that it pays back later.
func TestBudgetIsNeverExceeded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld()
		queues := rapid.IntRange(1, 12).Draw(r, "queues")
		dead := rapid.IntRange(0, 3).Draw(r, "dead-letter queues")
		anew := 0.0
		for i := range queues {
			name, policy := fmt.Sprint("q", i), ""
			if dead > 0 && rapid.Bool().Draw(r, "redrives") {
				policy = redrive(fmt.Sprint("dead", rapid.IntRange(0, dead-1).Draw(r, "to")))
			}
			w.add(name, rapid.IntRange(0, 1).Draw(r, "waiting"), 0, 0, policy)
			if e, bad := rapid.SampledFrom([]adapter.Error{{}, {}, errDenied, errThrottled, errNotThere}).Draw(r, "refusal"), i > 0; bad && e.Code != "" {
				w.refuse["GetQueueAttributes "+name] = e
				if e == errNotThere {
					anew++
				}
			}
		}
		for i := range dead {
			name := fmt.Sprint("dead", i)
			w.add(name, 1, 0, 0, "")
			switch rapid.IntRange(0, 3).Draw(r, "dead-letter queue") {
			case 0:
				w.refuse["GetQueueAttributes "+name] = errDenied
				anew++
			case 1:
				w.refuse["GetQueueUrl 123456789012:"+name] = errNotThere
			}
		}
		if rapid.Bool().Draw(r, "list is refused later") {
			w.refuse["ListQueues"] = errDenied
		}
		w.pageSize = rapid.IntRange(1, 20).Draw(r, "page")
		anew += float64(len(w.queues) / w.pageSize)
		patterns := rapid.SampledFrom([]string{"q*", "*", "q0,q1,missing", "q0,missing,q*"}).Draw(r, "patterns")
		perMonth := rapid.SampledFrom([]int{1, 100, 3_000, 30_000, 300_000, 3_000_000}).Draw(r, "calls per month")
		session := reading(r, patterns, sqs.SettingCallsPerMonth, fmt.Sprint(perMonth))
		gaps := rapid.SliceOfN(rapid.Int64Range(30, 600), 1, 5).Draw(r, "seconds between polls")

		first := 0
		for i, now := 0, time.Duration(0); now <= 24*time.Hour; i++ {
			_, _ = w.try(r, session, at(now)) // a poll of nothing but refusals fails
			if i == 0 {
				first = w.total()
			}
			if got, most := w.total(), max(float64(first), allowed(perMonth, now))+anew; float64(got) > most {
				r.Fatalf("%d calls in %v, at most %.1f are allowed", got, now, most)
			}
			now += time.Duration(gaps[i%len(gaps)]) * time.Second
		}
	})
}

// A budget is there to be used: what is allowed and wanted is asked.
func TestBudgetIsUsed(t *testing.T) {
	t.Parallel()
	const span = 6 * time.Hour
	for _, perMonth := range []int{10_000, 100_000, 1_000_000, 100_000_000} {
		w := newWorld()
		w.pageSize = 4
		for i := range 10 {
			w.add(fmt.Sprint("q", i), i, 0, 0, redrive("dead"))
		}
		w.add("dead", 1, 0, 0, "")
		session := reading(t, "*", sqs.SettingCallsPerMonth, fmt.Sprint(perMonth))
		polls := 0
		for now := time.Duration(0); now < span; now += 10 * time.Second {
			if s := w.poll(t, session, at(now)); len(s.Queues) != 11 {
				t.Fatalf("%d queues are shown at %v", len(s.Queues), now)
			}
			polls++
		}
		all := float64(11*polls) + 3*float64(span/(5*time.Minute)) // every queue, and three pages
		least, most := 0.95*min(allowed(perMonth, span), all), allowed(perMonth, span)
		if got := float64(w.total()); got < least || got > most {
			t.Errorf("%d calls a month: it made %.0f, want %.0f to %.0f", perMonth, got, least, most)
		}
		if lists := float64(w.calls["ListQueues"]); lists > 0.11*allowed(perMonth, span)+1 {
			t.Errorf("%d calls a month: %.0f of %d calls are lists", perMonth, lists, w.total())
		}
	}
}

func TestBusyQueuesAreReadMoreOftenThanIdleOnes(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 5 {
		w.add(fmt.Sprint("busy", i), 1, 0, 0, redrive("dead"))
		w.add(fmt.Sprint("idle", i), 0, 0, 0, "")
	}
	w.add("dead", 100, 0, 0, "")
	session := reading(t, "busy*,idle*", sqs.SettingCallsPerMonth, "500000")
	for now := time.Duration(0); now < 24*time.Hour; now += 10 * time.Second {
		w.poll(t, session, at(now))
	}
	dead := w.calls["GetQueueAttributes dead"]
	for i := range 5 {
		busy, idle := w.calls[fmt.Sprint("GetQueueAttributes busy", i)], w.calls[fmt.Sprint("GetQueueAttributes idle", i)]
		if idle < 100 || busy < 4*idle || busy > 8*idle || dead < idle/2 || dead > idle*2 {
			t.Errorf("busy%d was read %d times, idle%d %d times and the dead-letter queue %d times; want about 6 to 1 to 1", i, busy, i, idle, dead)
		}
	}
}

func TestCarriedNumbersSayTheirAge(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("orders", 5, 0, 0, redrive("dead"))
	w.add("dead", 7, 0, 0, "")
	// A call in 30 s, after the first three are paid back.
	session := reading(t, "orders", sqs.SettingCallsPerMonth, fmt.Sprint(30*24*60*2))
	w.poll(t, session, start)
	expect(t, "carried", table(w.poll(t, session, at(10*time.Second))), "orders 5/0/0/7 as_of=0s dlq=dead failed_as_of=0s")
	w.add("orders", 6, 0, 0, "")
	w.took()
	reads := 0
	for now := 20 * time.Second; now < 10*time.Minute; now += 10 * time.Second {
		q := w.poll(t, session, at(now)).Queues[0]
		read := slices.Contains(w.took(), "GetQueueAttributes orders")
		if carried := q.Meta.Has("as_of"); carried == read {
			t.Errorf("at %v: it was read is %v, and its meta are %v", now, read, q.Meta)
		}
		if read {
			reads++
		}
		if want := int64(min(reads, 1) + 5); q.Metrics.Waiting != want {
			t.Errorf("at %v: waiting is %d, want %d", now, q.Metrics.Waiting, want)
		}
		if text, partial := q.Meta.Text("error"), q.Meta.Has("error"); partial {
			t.Errorf("at %v: numbers that are as old as the budget wants are no error: %v", now, text)
		}
	}
	if reads < 5 {
		t.Errorf("it was read %d times in ten minutes", reads)
	}
}

func TestNewQueueHasItsNumbersAtOnceOnCredit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("orders", 5, 0, 0, "")
	session := reading(t, "*", sqs.SettingCallsPerMonth, "40000") // about 4.6 in 5 minutes
	w.poll(t, session, start)
	for i := range 20 {
		w.add(fmt.Sprint("new", i), i, 0, 0, "")
	}
	now := 10 * time.Second
	for ; w.calls["ListQueues"] < 2; now += 10 * time.Second {
		if s := w.poll(t, session, at(now)); w.calls["ListQueues"] == 2 && len(s.Queues) != 21 {
			t.Errorf("once they are listed %d queues are shown, want 21: %v", len(s.Queues), table(s))
		}
	}
	w.took()
	for until := now + 10*time.Minute; now < until; now += 10 * time.Second {
		w.poll(t, session, at(now))
	}
	expect(t, "asked before that is paid back", w.took())
}

// A queue that fails is not the most urgent one for ever.
func TestRefusedQueuesDoNotUseUpTheBudget(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 5 {
		w.add(fmt.Sprint("good", i), 0, 0, 0, "")
		w.add(fmt.Sprint("secret", i), 0, 0, 0, "")
		w.refuse[fmt.Sprint("GetQueueAttributes secret", i)] = errDenied
	}
	session := reading(t, "good*,secret*", sqs.SettingCallsPerMonth, "100000")
	for now := time.Duration(0); now < 24*time.Hour; now += 10 * time.Second {
		w.poll(t, session, at(now))
	}
	good, secret := w.calls["GetQueueAttributes good0"], w.calls["GetQueueAttributes secret0"]
	if good < secret-1 {
		t.Errorf("a queue that can be read was read %d times, one that can't %d times", good, secret)
	}
}

// Of names that are missing and a list that is refused, too.
func TestBudgetBoundsLookingForQueues(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("gone"))
	w.refuse["ListQueues"] = errDenied
	session := reading(t, "orders,a,b,c,d,e,x-*", sqs.SettingCallsPerMonth, "30000")
	for now := time.Duration(0); now < 24*time.Hour; now += 10 * time.Second {
		if s := w.poll(t, session, at(now)); len(s.Problems) != 6 {
			t.Fatalf("problems at %v: %v, want the five names and the list", now, table(s))
		}
	}
	if reads := w.calls["GetQueueAttributes orders"]; w.total() > 1000 || reads < 700 {
		t.Errorf("%d calls of 1000, %d of them read the queue; looking may take a tenth or so", w.total(), reads)
	}
}

// In Lambda two instances take turns, each for a minute: together they must keep to the budget.
func TestInstancesThatTakeTurnsShareABudget(t *testing.T) {
	t.Parallel()
	const perMonth = 1_000_000
	w := newWorld()
	for i := range 20 {
		w.add(fmt.Sprint("q", i), 1, 0, 0, "")
	}
	var instances [2]adapter.Session
	for i := range instances {
		instances[i] = reading(t, "*", sqs.SettingCallsPerMonth, fmt.Sprint(perMonth))
	}
	for now := time.Duration(0); now < 24*time.Hour; now += 10 * time.Second {
		w.poll(t, instances[int(now/time.Minute)%2], at(now))
	}
	if got, most := float64(w.total()), allowed(perMonth, 24*time.Hour); got > most || got < 0.9*most {
		t.Errorf("%.0f calls, want nearly %.0f and no more", got, most)
	}
}

func TestClockThatGoesBackIsNoTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	session := reading(t, "*", sqs.SettingCallsPerMonth, "1000000")
	w.poll(t, session, start)
	for now := -time.Hour; now < -55*time.Minute; now += 10 * time.Second {
		if s := w.poll(t, session, at(now)); len(s.Queues) != 1 {
			t.Errorf("at %v: %v", now, table(s))
		}
	}
	if n := w.calls["GetQueueAttributes orders"]; n < 25 {
		t.Errorf("in the 5 minutes after the clock went back the queue was read %d times, want about 30", n)
	}
}

func TestUnusedCallsAreNotSavedUp(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("first", 1, 0, 0, "")
	session := reading(t, "*", sqs.SettingCallsPerMonth, fmt.Sprint(30*24*60*60)) // 10 in 10 s
	now := time.Duration(0)
	polls := func(d time.Duration) {
		for until := now + d; now < until; now += 10 * time.Second {
			w.poll(t, session, at(now))
		}
	}
	polls(time.Hour)
	for i := range 100 {
		w.add(fmt.Sprint("q", i), 1, 0, 0, "")
	}
	before := w.total()
	polls(16 * time.Minute) // within which they are listed, and read on credit
	if got := w.total() - before; got > 970 || w.calls["GetQueueAttributes q99"] == 0 {
		t.Errorf("%d calls in 16 minutes, want the 960 of these", got)
	}
}
