// Package reporter is the loop of every reporter: poll, publish, wait.
//
// [Reporter.Run] goes on until shortly before the deadline in Lambda, and elsewhere until it is told to stop;
// [Reporter.Poll] polls once.
//
// A poll that hangs or fails costs only itself, and an adapter that fails hides no other's queues. Trouble is logged
// once. Of two reporters that run at once for the same app and source the newest goes on.
package reporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/protocol"
)

// Reporter reports one app's queues from one source.
type Reporter struct {
	App, Source string
	Interval    time.Duration
	Pollers     []*poll.Poller // one an adapter; their queues make one snapshot
	Store       *publish.Store
	Log         *slog.Logger

	last     *protocol.QueueSnapshot      // of the last poll that worked
	rows     []lastRows                   // one an adapter
	problems map[string]*logonce.Troubles // what snapshots could not read, by adapter and kind
	floods   logonce.Troubles             // adapters that have more problems than are logged
	outages  logonce.Troubles             // why it cannot report, by cause
	anothers int                          // how many tries in a row found another reporter's snapshot under our key
}

// Summary is what a Lambda invocation returns.
type Summary struct {
	App        string   `json:"app"`
	Source     string   `json:"source"`
	Polls      int      `json:"polls"`
	Published  int      `json:"published"`
	Queues     int      `json:"queues"` // in the last snapshot
	Problems   []string `json:"problems"`
	DurationMS int64    `json:"duration_ms"`
}

const (
	// deadlineReserve is what is left of an invocation for its end.
	deadlineReserve = 5 * time.Second
	// firstRetry is how soon a failed try is repeated; each further one waits longer, up to the
	// interval, so that a Redis that is back is noticed within one.
	firstRetry = 500 * time.Millisecond
	// minTry is the least time that a poll may take.
	minTry = 5 * time.Second
	// maxProblems bounds a snapshot's and a summary's.
	maxProblems = protocol.MaxProblems
	// manyAnothers is how often in a row another's snapshot must be there before that is a problem. Once or twice it is
	// after a restart, or where two runs overlap, of which one ends.
	manyAnothers = 3
	// maxLines bounds how many problems of one adapter are logged a minute, in case it has other words for them in each
	// poll.
	maxLines = 20
	// manyQueues is how many have one problem in common that gets one line for all of them.
	manyQueues = 3
	// maxReasons bounds why none of the adapters can read anything.
	maxReasons = 10
	// maxQueues bounds a snapshot's queues.
	maxQueues = protocol.MaxQueues
)

var tooMany = fmt.Sprintf("more than %d problems: the rest are not listed", maxProblems)

// Run polls at once and then every interval, until ctx ends or its deadline is near. With an owner
// it also ends when another owner has taken over. It doesn't fail: what went wrong is in the log,
// once, and in the summary.
func (r *Reporter) Run(ctx context.Context, owner string) Summary {
	start := time.Now()
	sum := tally{Summary: Summary{App: r.App, Source: r.Source, Problems: []string{}}, kinds: map[string]bool{}}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deadlineReserve))
		defer cancel()
	}
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = firstRetry, r.Interval
	claimed := owner == ""
	if !claimed {
		r.anothers = 0 // between two invocations another instance of the function may have run
	}
	for next := start; wait(ctx, next); {
		began := time.Now()
		next = began.Add(r.Interval)
		mine, err := r.try(ctx, owner, &claimed, &sum)
		switch {
		case err != nil && ctx.Err() != nil:
			// It was told to stop, which is no trouble.
		case err != nil:
			sum.add(logonce.Kind(short(err)), short(err))
			r.failed(err)
			next = began.Add(min(retry.NextBackOff(), r.Interval))
		default:
			r.recovered()
			retry.Reset()
		}
		if !mine {
			r.Log.Info("a newer run of this reporter has taken over", "app", r.App, "source", r.Source)
			break
		}
	}
	sum.DurationMS = time.Since(start).Milliseconds()
	return sum.Summary
}

// wait waits for the time. It returns false where ctx ends before that.
func wait(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// try polls and publishes once, if the reporter is still the owner's. What Redis is asked here has
// the client's own time limits.
func (r *Reporter) try(ctx context.Context, owner string, claimed *bool, sum *tally) (mine bool, err error) {
	name := r.App + ":" + r.Source
	switch {
	case owner == "":
	case !*claimed:
		if err := r.Store.Claim(ctx, name, owner, r.Interval); err != nil {
			return true, err
		}
		*claimed = true
	default:
		if mine, err := r.Store.Renew(ctx, name, owner, r.Interval); err != nil || !mine {
			return mine || err != nil, err
		}
	}
	sum.Polls++
	s, err := r.Poll(ctx)
	if errors.Is(ctx.Err(), context.Canceled) { // told to stop: what it did not read because of that is no problem
		return true, ctx.Err()
	}
	if err != nil {
		r.publishWhy(ctx, err)
		return true, err
	}
	if r.anothers >= manyAnothers {
		s.Problems = slices.Insert(s.Problems, 0, protocol.Problem{Reason: fmt.Sprintf(
			"another reporter of app %s and source %s publishes, too, and only the newer snapshot is shown: stop one of the two, or give it a PULSE_SOURCE of its own", r.App, r.Source)})
	}
	published, err := r.Store.Snapshot(ctx, s)
	r.last = s
	sum.Queues = len(s.Queues)
	if published {
		sum.Published++
	}
	switch {
	case r.Store.MetAnothers(s.Key()):
		r.anothers++
	case published:
		r.anothers = 0
	}
	r.log(s.Problems, sum)
	return true, err
}

// now is the time by the clock of the Redis that is published to, and what is wrong with the clocks, if anything.
// Where nothing is published it is the machine's.
func (r *Reporter) now(ctx context.Context) (time.Time, []protocol.Problem) {
	if r.Store == nil {
		return time.Now(), nil
	}
	now := r.Store.Now(ctx)
	if reason := r.Store.ClockProblem(); reason != "" {
		return now, []protocol.Problem{{Reason: reason}}
	}
	return now, nil
}

// publishWhy publishes that nothing can be read now, and why: the queues of the last poll that worked, with
// the time when they were read. Without it they would end as if this reporter had stopped.
func (r *Reporter) publishWhy(ctx context.Context, why error) {
	now, problems := r.now(ctx)
	s := protocol.QueueSnapshot{Timestamp: now.UnixMilli(), App: r.App, Source: r.Source, IntervalMS: r.Interval.Milliseconds(), Queues: []protocol.Queue{}}
	if r.last != nil {
		s = *r.last
	}
	s.Problems = problems
	reasons := []string{short(why)}
	if all, is := errors.AsType[unreadable](why); is {
		reasons = all.reasons
	}
	for _, reason := range reasons {
		s.Problems = append(s.Problems, protocol.Problem{Reason: reason})
	}
	// Where that fails the reason is most likely the same, and there is nothing more to say.
	_, _ = r.Store.Snapshot(ctx, &s)
}

// Poll polls every adapter at once and makes one snapshot of what they read. One that fails, or takes
// too long, is a problem beside the others' queues, and its own stand there with their last numbers; err is that all
// did.
func (r *Reporter) Poll(ctx context.Context) (*protocol.QueueSnapshot, error) {
	now, problems := r.now(ctx)
	read := make([]*protocol.QueueSnapshot, len(r.Pollers))
	errs := make([]error, len(r.Pollers))
	var group errgroup.Group
	for i, p := range r.Pollers {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, r.limit())
			defer cancel()
			read[i], errs[i] = p.Poll(ctx, now)
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	out := &protocol.QueueSnapshot{
		Timestamp: now.UnixMilli(), App: r.App, Source: r.Source, IntervalMS: r.Interval.Milliseconds(), Queues: []protocol.Queue{},
		Problems: problems,
	}
	failed := 0
	for i, err := range errs {
		if err != nil {
			failed++
			out.Problems = append(out.Problems, protocol.Problem{Reason: r.nameOf(i) + ": " + short(err)})
		}
	}
	r.share(out, read, now)
	if failed == len(r.Pollers) {
		return nil, r.allFailed(errs)
	}
	if len(out.Problems) > maxProblems {
		out.Problems = append(out.Problems[:maxProblems], protocol.Problem{Reason: tooMany})
	}
	return out, nil
}

// nameOf is what reasons call an adapter.
func (r *Reporter) nameOf(i int) string { return r.Pollers[i].Adapter.Name }

// share adds what the adapters read to out, and the last rows of what they could not read. Where that is too much for
// one snapshot, none takes more than its share, so that one of them does not crowd out its neighbours.
func (r *Reporter) share(out *protocol.QueueSnapshot, read []*protocol.QueueSnapshot, now time.Time) {
	if r.rows == nil {
		r.rows = make([]lastRows, len(read))
	}
	old := make([][]protocol.Queue, len(read))
	queues, problems := 0, len(out.Problems)
	for i, s := range read {
		isUnread := func(string) bool { return true }
		if s != nil {
			names := unreadNames(s)
			isUnread = func(name string) bool { return isNamed(names, name) }
			queues += len(s.Queues)
			problems += len(s.Problems)
		}
		old[i] = r.rows[i].unread(r.nameOf(i), now, isUnread)
		queues += len(old[i])
	}
	hasNeighbours := len(read) > 1 // else what is too much is said where it is cut
	reported := reportedBy{}
	cutQueues, cutProblems := hasNeighbours && queues > maxQueues, hasNeighbours && problems > maxProblems
	for i, s := range read {
		if s == nil {
			s = &protocol.QueueSnapshot{}
		}
		name := r.nameOf(i)
		q, p, o := s.Queues, s.Problems, old[i]
		if hasNeighbours {
			var twice []protocol.Problem
			q, o, twice = reported.first(name, q, o)
			out.Problems = append(out.Problems, twice...)
		}
		if most := maxQueues / len(read); cutQueues && len(q)+len(o) > most {
			out.Problems = append(out.Problems, protocol.Problem{Reason: fmt.Sprintf(
				"%s: %d of its %d queues are left out: give it a reporter with a source of its own", name, len(q)+len(o)-most, len(q)+len(o))})
			q = q[:min(len(q), most)]
			o = o[:min(len(o), most-len(q))]
		}
		if most := maxProblems / (2 * len(read)); cutProblems && len(p) > most {
			out.Problems = append(out.Problems, protocol.Problem{Reason: fmt.Sprintf("%s: %d of its %d problems are not listed", name, len(p)-most, len(p))})
			p = p[:most]
		}
		if read[i] != nil {
			first := len(out.Queues)
			out.Queues = append(out.Queues, q...)
			r.rows[i].read, r.rows[i].at = out.Queues[first:len(out.Queues):len(out.Queues)], now
		}
		out.Queues = append(out.Queues, o...)
		for _, p := range p {
			if hasNeighbours && !strings.HasPrefix(p.Reason, name+": ") {
				p.Reason = name + ": " + p.Reason
			}
			out.Problems = append(out.Problems, p)
		}
	}
}

// reportedBy are the adapters that report the queues of one snapshot, by the queues' drivers and names.
type reportedBy map[[2]string]string

// first is what of the rows and old rows of an adapter no other one has reported before it. What another has is left out,
// and a problem for each other names both.
func (b reportedBy) first(name string, rows, old []protocol.Queue) (_, _ []protocol.Queue, problems []protocol.Problem) {
	twice := map[string][]protocol.Queue{} // by the other adapter
	isOthers := func(q protocol.Queue) bool {
		id := [2]string{q.DriverName(), q.Name}
		other, is := b[id]
		if !is {
			b[id] = name
		}
		if !is || other == name { // what an adapter has twice itself is said where the snapshot is written
			return false
		}
		twice[other] = append(twice[other], q)
		return true
	}
	rows, old = slices.DeleteFunc(rows, isOthers), slices.DeleteFunc(old, isOthers)
	for _, other := range slices.Sorted(maps.Keys(twice)) {
		q := twice[other][0]
		problems = append(problems, protocol.Problem{Queue: q.Name, Reason: fmt.Sprintf(
			"%s: %d of its queues are left out, such as %.80q, as %s reports them, too: let one of the two do it", name, len(twice[other]), q.DriverName()+"/"+q.Name, other)})
	}
	return rows, old, problems
}

// unreadable is that no adapter could read anything: the reasons, each with the names of the adapters that have it.
type unreadable struct {
	reasons []string
	errs    []error // the adapters' own
}

func (u unreadable) Error() string   { return strings.Join(u.reasons, "\n") }
func (u unreadable) Unwrap() []error { return u.errs }

// allFailed makes one error of the adapters'. Where all of them say that their Redis cannot be asked, that stands there
// without their names. Each reason is cut by itself, so that none hides the next one.
func (r *Reporter) allFailed(errs []error) unreadable {
	var reasons []string
	names := map[string][]string{}
	ofTheSource := true
	for i, err := range errs {
		_, is := errors.AsType[*poll.SourceError](err)
		ofTheSource = ofTheSource && is
		reason := short(err)
		if names[reason] == nil {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], r.nameOf(i))
	}
	if ofTheSource && len(reasons) == 1 {
		return unreadable{reasons, errs}
	}
	left := 0
	for i, reason := range reasons {
		if i >= maxReasons {
			left += len(names[reason])
			continue
		}
		reasons[i] = strings.Join(names[reason], ", ") + ": " + reason
	}
	if left > 0 {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("%d more adapters cannot read anything, and why is not listed", left))
	}
	return unreadable{reasons, errs}
}

// limit is how long one adapter's poll may take. With neighbours it is shorter: they wait for it, and
// are to be fresh when they are published.
func (r *Reporter) limit() time.Duration {
	if len(r.Pollers) > 1 {
		return max(r.Interval/2, minTry)
	}
	return max(r.Interval, minTry)
}

// short is what err says, cut: a server that is no Redis can make it say anything.
// What no adapter could read is cut already, reason by reason.
func short(err error) string {
	if all, is := errors.AsType[unreadable](err); is {
		return all.Error()
	}
	const most = 1000 // bytes
	return protocol.Shorten(err.Error(), most)
}

// failed logs that there is trouble, once a cause while it lasts.
func (r *Reporter) failed(err error) {
	if isWorthALine, times := r.outages.Only(publish.CauseOf(err), time.Now()); isWorthALine {
		r.warn("cannot report; will try again until it works", times, "error", short(err))
	}
}

// warn logs what has happened so many times since it was logged before.
func (r *Reporter) warn(message string, times int, attributes ...any) {
	attributes = append([]any{"app", r.App, "source", r.Source}, attributes...)
	if times > 1 {
		attributes = append(attributes, "times", times)
	}
	r.Log.Warn(message, attributes...)
}

func (r *Reporter) recovered() {
	if r.outages.AllGone() {
		r.Log.Info("reports again", "app", r.App, "source", r.Source)
	}
}

// log logs the problems of a snapshot, and adds them to the summary: one of a kind. Each adapter has its own bounds, so
// that no other's problems are missing for it.
func (r *Reporter) log(problems []protocol.Problem, sum *tally) {
	now := time.Now()
	if r.problems == nil {
		r.problems = map[string]*logonce.Troubles{}
	}
	type cause struct{ adapter, kind string }
	causes, queues := make([]cause, len(problems)), map[cause]int{}
	for i, p := range problems {
		name, text := r.split(p.Reason)
		causes[i] = cause{name, logonce.Kind(text)}
		queues[causes[i]]++
	}
	there := map[string]map[string]bool{} // kinds by adapter
	for i, p := range problems {
		name, kind := causes[i].adapter, causes[i].kind
		n := queues[causes[i]]
		if n < manyQueues {
			kind = p.Queue + "\x00" + kind
		}
		sum.add(name+"\x00"+p.Queue+"\x00"+kind, p.String())
		if there[name][kind] {
			continue
		}
		if there[name] == nil {
			there[name] = map[string]bool{}
		}
		there[name][kind] = true
		if r.problems[name] == nil {
			r.problems[name] = &logonce.Troubles{Most: maxLines}
		}
		if isWorthALine, times := r.problems[name].There(kind, now); isWorthALine && n < manyQueues {
			r.warn("reports with a problem", times, "problem", p.String())
		} else if isWorthALine {
			r.warn("reports with a problem of many queues", times, "problem", p.String(), "queues", n)
		}
	}
	floods := map[string]bool{}
	for name, troubles := range r.problems {
		troubles.GoneExcept(there[name])
		if floods[name] = troubles.Holds(now); !floods[name] {
			continue
		}
		if isWorthALine, times := r.floods.There(name, now); isWorthALine {
			r.warn(fmt.Sprintf("more than %d new problems in a minute: more are not logged, and the page has them", maxLines), times, "adapter", name)
		}
	}
	r.floods.GoneExcept(floods)
}

// split is the adapter that a reason is of, "" where it says of none, and the rest of it. The name may have digits, which
// are not what changes. Of an only adapter the reasons have no name.
func (r *Reporter) split(reason string) (name, rest string) {
	for i := range r.Pollers {
		if rest, is := strings.CutPrefix(reason, r.nameOf(i)+": "); is {
			return r.nameOf(i), rest
		}
	}
	if len(r.Pollers) == 1 {
		return r.nameOf(0), reason
	}
	return "", reason
}

// tally is a summary while it grows.
type tally struct {
	Summary
	kinds map[string]bool // of its problems
}

// add adds a problem, if there is none of its kind.
func (s *tally) add(kind, text string) {
	switch {
	case s.kinds[kind]:
	case len(s.Problems) < maxProblems:
		s.kinds[kind] = true
		s.Problems = append(s.Problems, text)
	case len(s.Problems) == maxProblems:
		s.Problems = append(s.Problems, tooMany)
	}
}
