//go:build linux

package chaos

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// atOnce is how many faults run at once: nearly always they wait.
const atOnce = 8

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(atOnce)); err != nil {
		panic(err)
	}
	servertest.Main(m)
}

// all reports whether every fault is to run, each for longer; else those that are marked short.
var all = os.Getenv("PULSE_CHAOS") == "all"

// TestFaults runs each fault under every program.
func TestFaults(t *testing.T) {
	t.Parallel()
	sqs := servertest.Moto(t)
	servertest.CreateQueue(t, sqs, "invoices", "1")
	for _, f := range faults {
		f.sqs = sqs
		if !all && !f.short {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			h := f.house(t)
			if f.steps == nil {
				f.befall(h)
				f.begin(h) // once more: it must keep nobody from ending
			} else {
				f.befallInTurn(h)
			}
			h.ends()
		})
	}
}

// house is one where the fault is to befall.
func (f *fault) house(t *testing.T) *house {
	t.Helper()
	p := f.where(t)
	p.sqs = f.sqs
	return build(t, p)
}

// befallInTurn lets the steps befall a house. One of which a log has to say something has a house of its own: a
// program that has said that there is trouble says so again ten minutes later.
func (f *fault) befallInTurn(h *house) {
	for _, step := range f.steps(h) {
		step.isStep = true
		said := maps.Clone(step.says)
		delete(said, recorder) // it is another one in each step
		if len(slices.Concat(slices.Collect(maps.Values(said))...)) > 0 {
			own := f.house(h.t)
			step.befall(own)
			own.ends()
			continue
		}
		h.mark()
		step.befall(h)
	}
}

// most is how many lines a program may write about a fault: one for each kind of trouble that there is on the way in
// and out, and that it is over.
const most = 6

// lasts is how long a fault is watched after all has been seen of it.
func (f *fault) lasts() time.Duration {
	switch {
	case f.isStep:
		return time.Second
	case all:
		return 10 * time.Second
	}
	return 2 * time.Second
}

// befall lets the fault befall a house in which all is well, watches, and ends it.
func (f *fault) befall(h *house) {
	t := h.t
	t.Helper()
	var told sync.Map // why there are no slow entries: any of the answers
	stop := h.asksForSlow(func(why string) { told.Store(why, true) })
	t.Cleanup(stop)
	f.begin(h)
	if !f.keepsRecorder {
		h.startRecorder()
	}
	isTold := func() bool {
		is := f.slow == ""
		told.Range(func(why, _ any) bool { is = is || strings.HasPrefix(why.(string), f.slow); return !is })
		return is
	}
	unseen := slices.Clone(f.shows)
	missing := ""
	look := func() bool {
		v := h.look()
		if err := v.keepsRows(); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		reasons, statuses, health := v.reasons(), v.statuses(), h.health()
		if f.isStep {
			reasons += h.slowReasons()
		}
		unseen = slices.DeleteFunc(unseen, func(what string) bool {
			return slices.ContainsFunc(strings.Split(what, "|"), func(what string) bool { return strings.Contains(reasons, what) || statuses[what] })
		})
		for _, never := range f.never {
			if strings.Contains(reasons, never) {
				t.Fatalf("%s: the view says what is not so: %s", f.name, reasons)
			}
		}
		h.live()
		missing = fmt.Sprintf("not in the view: %q, not in the logs: %q; the view says %s%v, /healthz %s", unseen, f.unsaid(h), reasons, statuses, health)
		return len(unseen) == 0 && f.unsaid(h) == nil && isTold() && (f.health == "" || health == f.health)
	}
	isOver := false
	t.Cleanup(func() {
		if t.Failed() && !isOver {
			t.Logf("%s: %s", f.name, missing)
		}
	})
	servertest.Eventually(t, f.name, look)
	if f.heals {
		h.recovers()
	}
	for end := time.Now().Add(f.lasts()); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		look()
		if f.heals {
			if wrong := h.isWellSince(0); wrong != "" {
				t.Fatalf("%s: all was well again, and is not: %s", f.name, wrong)
			}
		}
	}
	if !look() {
		t.Errorf("%s: it is no longer to be seen: %s", f.name, missing)
	}
	f.end(h)
	h.recovers()
	servertest.Eventually(t, "slow entries", func() bool { return h.whyNoSlow(t.Context()) == "" })
	stop()
	if !f.isStep {
		h.recordsAgain()
	}
	f.saidOnce(h)
	isOver = true
}

// unsaid are the words that the programs have not said yet.
func (f *fault) unsaid(h *house) (unsaid []string) {
	for program, words := range f.says {
		said := strings.Join(h.says(program), "\n")
		for _, w := range words {
			if !slices.ContainsFunc(strings.Split(w, "|"), func(w string) bool { return strings.Contains(said, w) }) {
				unsaid = append(unsaid, program+": "+w)
			}
		}
	}
	return unsaid
}

// saidOnce checks that nobody has said anything twice.
func (f *fault) saidOnce(h *house) {
	h.t.Helper()
	for program := range h.programs {
		lines := h.says(program)
		h.t.Logf("%s: %s said:\n%s", f.name, program, strings.Join(lines, "\n"))
		if program == aggregator { // it may have looked in time to record
			lines = withoutOne(withoutOne(lines, cannotRecord), recordsAgain)
		}
		if _, may := f.says[program]; !may && len(lines) > 0 {
			h.t.Errorf("%s: %s has no reason to say anything", f.name, program)
		}
		slices.Sort(lines)
		isTwice := len(slices.Compact(slices.Clone(lines))) != len(lines)
		if isTwice || len(lines) > most {
			h.t.Errorf("%s: %s said more than it must", f.name, program)
		}
	}
}

// withoutOne is lines without the first that says so.
func withoutOne(lines []string, said string) []string {
	i := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, said) })
	if i < 0 {
		return lines
	}
	return slices.Delete(lines, i, i+1)
}
