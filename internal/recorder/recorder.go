package recorder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gravito-framework/pulse/internal/alert"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// Recorder records what a view shows. It is for one goroutine.
type Recorder struct {
	// View takes a reading of Redis. Its error is that Redis doesn't answer.
	View  func(ctx context.Context) (*view.View, error)
	Store *Store
	// IsDown reports whether Redis cannot be read, which somebody else logs; nil is nobody.
	IsDown func(ctx context.Context) bool
	// Alerts looks at each view; nil is no alerts.
	Alerts *alert.Manager
	Log    *slog.Logger

	apps      map[string]*app
	blind     error            // why the alerts could not look at the last view
	untold    bool             // some of what the last look found could not be written
	troubles  logonce.Troubles // why it cannot record, by cause
	standsBy  bool             // another has the claim, as far as is known
	unclaimed error            // why it records without the claim; nil is that it has it
	claims    logonce.Troubles // whether it is without
	defects   logonce.Troubles // the looks that panicked
}

// app is what is remembered of an app between two looks.
type app struct {
	encoder *history.Encoder
	windows map[queue]*history.Window
	at      int64            // of the last entry, Unix ms; 0 is none
	trends  *protocol.Trends // of the last look; nil before the first, and once they are written
	saidCut bool             // the log has that somebody else cut its history
	unread  error            // why its history cannot be read: what it holds must not be lost, so nothing is written
}

// queue is a reporter's, by the key that it had if there were no other: in the view it may be another reporter's.
type queue struct{ key, source string }

func queueOf(s *history.Sample) queue {
	return queue{string(s.Key[:len(cmp.Or(s.MetaDriver, string(s.Driver)))+1+len(s.Name)]), s.Source}
}

const (
	// owned is the name of what recorders claim.
	owned = "recorder"
	// retry is how soon a look that failed is tried again.
	retry = 10 * time.Second
	// lookLimit bounds one look, alerts included.
	lookLimit = 50 * time.Second
	// releaseLimit is how long the end of a recorder may take.
	releaseLimit = 500 * time.Millisecond
	// MaxApps bounds the apps of which history is kept: each is two keys more.
	MaxApps = 1000
	// fewQueues are so few that it is no matter what they take.
	fewQueues = 100
	// missing is how long a queue's looks are remembered while it is in none, or lost: after a longer gap its trend begins anew.
	missing = 3 * time.Minute
	// trendLooks is how far back a recorder reads that has just started, for its first trends.
	trendLooks = 16 * time.Minute
)

// errDefect is that a look panicked; the log says where.
var errDefect = errors.New("a look failed: this is a defect")

// Summary is what one look did.
type Summary struct {
	Apps       int   `json:"apps"`
	Queues     int   `json:"queues"`
	Firing     int   `json:"firing"` // alerts
	DurationMS int64 `json:"duration_ms"`
}

// Run records every minute until ctx ends, as long as no other recorder has claimed to. It doesn't fail: what went
// wrong is in the log, once.
func (r *Recorder) Run(ctx context.Context, owner string) {
	isClaimed := false
	for next := time.Now(); wait(ctx, next); {
		began := time.Now()
		next = began.Add(retry)
		isMine, err := r.own(ctx, owner, isClaimed)
		switch {
		case err == nil && !isMine:
			if !r.standsBy {
				r.Log.Info("another recorder records; this one goes on where it ends")
			}
			r.standsBy = true
			r.apps = nil // what is remembered gets old
			if r.Alerts != nil {
				r.Alerts.Forget()
			}
			next = nextLook(began)
		case err == nil:
			isClaimed, r.standsBy = isClaimed || r.unclaimed == nil, false
			var at time.Time
			if at, _, err = r.record(ctx); err == nil {
				next = began.Add(nextLook(at).Sub(at)) // by Redis' clock
			}
		}
		r.logTrouble(ctx, err)
	}
	if isClaimed && !r.standsBy {
		r.release(ctx, owner)
	}
}

// nextLook is when to look again after a look at a time: in the middle of the next minute, so that clocks which are
// not quite the same see the same minutes.
func nextLook(at time.Time) time.Time { return at.Truncate(time.Minute).Add(90 * time.Second) }

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

// own claims to be the one recorder, or renews that. Where the claim is on a node of a cluster that is dead, one that has just
// started, or had the claim, records without: two that record write one history, and tell of each alert once. One that stood by
// goes on so, as the other does.
func (r *Recorder) own(ctx context.Context, owner string, isClaimed bool) (isMine bool, err error) {
	if isClaimed {
		isMine, err = r.Store.owners.Renew(ctx, owned, owner, time.Minute)
	} else {
		isMine, err = true, r.Store.owners.Claim(ctx, owned, owner, time.Minute)
	}
	r.unclaimed = nil
	if err != nil && !r.standsBy && r.Store.isOnDeadNode(ctx, err) {
		r.unclaimed = fmt.Errorf("this recorder records without its claim, so another may record beside it; nobody is told twice: %w", err)
		return true, nil
	}
	return isMine, err
}

// sayUnclaimed logs once that it records without its claim, and that it has it again.
func (r *Recorder) sayUnclaimed() {
	const kind = "unclaimed"
	if r.unclaimed == nil {
		if r.claims.Gone(kind) {
			r.Log.Info("this recorder has its claim again")
		}
	} else if isWorthALine, times := r.claims.There(kind, time.Now()); isWorthALine {
		r.Log.Warn(protocol.Shorten(r.unclaimed.Error(), 1000), "times", times)
	}
}

// Once records once, as the newest recorder.
func (r *Recorder) Once(ctx context.Context, owner string) (Summary, error) {
	began := time.Now()
	if _, err := r.own(ctx, owner, false); err != nil {
		return Summary{}, err
	}
	_, sum, err := r.record(ctx)
	sum.DurationMS = time.Since(began).Milliseconds()
	return sum, err
}

// OnceBeside records once where another recorder may be running, which goes on at its next minute.
func (r *Recorder) OnceBeside(ctx context.Context, owner string) (Summary, error) {
	defer r.release(ctx, owner)
	return r.Once(ctx, owner)
}

// release ends the claim, so that another recorder need not wait until it has run out.
func (r *Recorder) release(ctx context.Context, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseLimit)
	defer cancel()
	_ = r.Store.owners.Release(ctx, owned, owner) // if it fails the claim runs out
}

func (r *Recorder) logTrouble(ctx context.Context, err error) {
	switch {
	case err == nil:
		if r.troubles.AllGone() {
			r.Log.Info("records again")
		}
	case ctx.Err() != nil: // it was told to stop
	case r.IsDown != nil && r.IsDown(ctx):
	default:
		if isWorthALine, times := r.troubles.Only(publish.CauseOf(err), time.Now()); isWorthALine {
			r.Log.Warn("cannot record; will try again until it works", "error", protocol.Shorten(err.Error(), 1000), "times", times)
		}
	}
}

// record takes a look, and returns when it was by Redis' clock. It runs in programs that have more to do: a panic is an
// error of this look.
func (r *Recorder) record(ctx context.Context) (at time.Time, sum Summary, err error) {
	defer func() {
		if v := recover(); v != nil {
			if isWorthALine, times := r.defects.There(fmt.Sprint(v), time.Now()); isWorthALine {
				r.Log.Error("a look failed: this is a defect", "panic", v, "times", times, "stack", string(debug.Stack()))
			}
			r.apps, err = nil, errDefect
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	v, err := r.View(ctx)
	if err != nil {
		return time.Now(), sum, err
	}
	now := v.GeneratedAt
	at = time.UnixMilli(now)
	if len(v.Apps) == 0 && len(v.Problems) > 0 {
		return at, sum, fmt.Errorf("nothing can be read: %s: %s", v.Problems[0].Key, v.Problems[0].Reason)
	}
	if n := r.Store.unread.Load(); n > 0 { // an entry would drop their lost queues from history, and end their alerts
		return at, sum, fmt.Errorf("the last numbers of %d apps with lost queues cannot be read yet", n)
	}
	r.sayUnclaimed()
	names, more := r.choose(v)
	forgotten := r.forget(ctx, names)
	if err := r.remember(ctx, v, names); err != nil {
		return at, sum, err
	}
	judged := make(map[string]*protocol.Trends, len(names))
	records := make([]record, 0, len(names))
	parts := v.Parts()
	for _, name := range names {
		app := r.apps[name]
		if app.at >= minuteOf(now) { // there was a look in this minute, by this recorder or another
			if app.trends != nil {
				if judged[name] = app.trends; r.untold {
					records = append(records, record{app: name})
				}
			}
			continue
		}
		samples := SamplesOf(v.Apps[name], parts)
		sum.Queues += len(samples)
		app.judge(name, now, samples)
		judged[name] = app.trends
		if app.unread != nil {
			records = append(records, record{app: name})
			continue
		}
		entry, _ := app.encoder.Encode(now, samples) // what it leaves out no chart shows
		keyframeAt, err := history.KeyframeOf(now, entry)
		records = append(records, record{app: name, entry: slices.Clone(entry), isKeyframe: err == nil && keyframeAt == minuteOf(now)})
	}
	sum.Apps = len(records)
	wasBlind := r.blind != nil
	if len(records) == 0 && len(names) > 0 && !wasBlind {
		err = errors.Join(r.readAlerts(ctx, &sum), forgotten)
		return at, sum, err
	}
	r.blind = r.alert(ctx, v, judged, &sum)
	if wasBlind && r.blind == nil && len(records) == 0 { // say so, without waiting for the next minute
		for _, name := range slices.Sorted(maps.Keys(judged)) {
			records = append(records, record{app: name})
		}
	}
	r.setProblems(judged)
	if len(records) > 0 { // it is of no app, and said once
		t := judged[records[0].app]
		if more > 0 {
			t.Problems = append(t.Problems, fmt.Sprintf("%d apps more are not recorded: their queues have no health, no history and no alerts. A recorder keeps %d", more, MaxApps))
		}
		if r.unclaimed != nil {
			t.Problems = append(t.Problems, r.unclaimed.Error())
		}
		switch {
		case r.blind != nil:
			t.Problems = append(t.Problems, "alerts are not looked at: "+r.blind.Error())
		case r.Alerts != nil && r.Alerts.Untold() != "":
			t.Problems = append(t.Problems, r.Alerts.Untold())
		}
	}
	err = errors.Join(r.blind, r.keep(ctx, now, records), r.unread(names), forgotten)
	if err == nil { // what is written need not be made or told again
		for _, app := range r.apps {
			app.trends = nil
		}
	}
	return at, sum, err
}

// choose returns the names of the apps to record, in their order, and how many more there are: those that it has recorded
// come first, then those with numbers of now, so that rubbish takes no app's place.
func (r *Recorder) choose(v *view.View) (names []string, more int) {
	names = slices.Sorted(maps.Keys(v.Apps))
	more = len(names) - MaxApps
	if more <= 0 {
		return names, 0
	}
	ranks := make(map[string]int, len(names))
	for _, name := range names {
		switch {
		case r.apps[name] != nil:
			ranks[name] = 0
		case hasCurrent(v.Apps[name]):
			ranks[name] = 1
		default:
			ranks[name] = 2
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(ranks[a], ranks[b]) })
	names = names[:MaxApps]
	slices.Sort(names)
	return names, more
}

// hasCurrent reports whether an app has a queue with numbers of now.
func hasCurrent(a *view.App) bool {
	for _, q := range a.Queues {
		if q.IsCurrent() {
			return true
		}
	}
	return false
}

// unread is why some app has no history.
func (r *Recorder) unread(names []string) error {
	n, first := 0, error(nil)
	for _, name := range names {
		if err := r.apps[name].unread; err != nil {
			if n++; n == 1 {
				first = err
			}
		}
	}
	if n > 1 {
		return fmt.Errorf("the history of %d apps cannot be kept, the first's because: %w", n, first)
	}
	return first
}

// setProblems says with the verdicts on each app what could not be done for it.
func (r *Recorder) setProblems(judged map[string]*protocol.Trends) {
	var leftOut map[string]int
	if r.Alerts != nil {
		leftOut = r.Alerts.LeftOut()
	}
	for name, t := range judged {
		t.Problems = nil
		if err := r.apps[name].unread; err != nil {
			t.Problems = append(t.Problems, "its history cannot be kept: "+err.Error())
		}
		if n := leftOut[name]; n > 0 {
			t.Problems = append(t.Problems, fmt.Sprintf("too many alerts: nobody is told of %d more of this app", n))
		}
	}
}

func minuteOf(ms int64) int64 { return ms - ms%time.Minute.Milliseconds() }

// alert lets the alerts look, and adds those that fire to the verdicts.
func (r *Recorder) alert(ctx context.Context, v *view.View, judged map[string]*protocol.Trends, sum *Summary) error {
	if r.Alerts == nil {
		return nil
	}
	err := r.Alerts.Look(ctx, v, judged)
	for app, fires := range r.Alerts.Firing() {
		sum.Firing += len(fires)
		if t := judged[app]; t != nil {
			t.Alerts = fires
		}
	}
	return err
}

// readAlerts counts the alerts that fire where there was a look in this minute.
func (r *Recorder) readAlerts(ctx context.Context, sum *Summary) error {
	if r.Alerts == nil {
		return nil
	}
	err := r.Alerts.Read(ctx)
	for _, fires := range r.Alerts.Firing() {
		sum.Firing += len(fires)
	}
	return err
}

// keep writes the records.
func (r *Recorder) keep(ctx context.Context, now int64, records []record) error {
	if len(records) == 0 {
		return nil
	}
	for i := range records {
		rec := &records[i]
		var err error
		if rec.trends, err = encode(r.apps[rec.app].trends); err != nil {
			return fmt.Errorf("encode the verdicts on %s: %w", rec.app, err)
		}
	}
	wrote, err := r.Store.write(ctx, now, records)
	r.untold = err != nil
	for app, isThere := range wrote {
		if isThere {
			r.apps[app].at = minuteOf(now)
		} else {
			r.apps[app].encoder.Restart() // what it says now builds on what is not there
		}
	}
	var keyframes []string
	for _, rec := range records {
		if rec.isKeyframe && wrote[rec.app] {
			keyframes = append(keyframes, rec.app)
		}
	}
	return errors.Join(err, r.Store.trim(ctx, now, keyframes))
}

// encode encodes verdicts. Of an app with so many queues that nobody would read them, some are left out, so that the
// others are there: those that say that all is well first. Where there is none a queue's health is unknown.
func encode(t *protocol.Trends) ([]byte, error) {
	data, err := t.Encode()
	if err != nil || len(data) <= protocol.MaxDocument {
		return data, err
	}
	tooMuch := len(data) - protocol.MaxDocument
	kept := *t
	kept.Queues = maps.Clone(t.Queues)
	keys := slices.Sorted(maps.Keys(t.Queues))
	for _, isFine := range []bool{true, false} {
		for _, key := range slices.Backward(keys) {
			v, is := kept.Queues[key]
			if tooMuch > 0 && is && isFine == (v.Health == protocol.HealthOK || v.Health == protocol.HealthUnknown) {
				tooMuch -= len(key) + len(v.Reason) + len(v.Health) // at least that
				delete(kept.Queues, key)
			}
		}
	}
	return kept.Encode()
}

// remember reads the history of the apps that this recorder doesn't know, or not as it is now.
func (r *Recorder) remember(ctx context.Context, v *view.View, names []string) error {
	now := v.GeneratedAt
	if r.apps == nil {
		r.apps = map[string]*app{}
	}
	bases := make(map[string]int64, len(r.apps))
	for name, app := range r.apps {
		bases[name] = app.encoder.KeyframeAt()
	}
	newest, cut, bad, err := r.Store.newest(ctx, names, bases)
	if err != nil {
		return err
	}
	for _, name := range cut {
		app := r.apps[name]
		if app.at != newest[name] { // another recorder goes on with it, or it is gone
			continue
		}
		if app.encoder.Restart(); !app.saidCut {
			r.Log.Warn("an app's history was trimmed by somebody else: up to now it is a gap, and goes on with an entry of everything. Leave pulse:history:* to the recorder", "app", name)
			app.saidCut = true
		}
	}
	unknown := map[string]Wants{}
	var ahead []string // apps whose history was ahead
	for _, name := range names {
		if newest[name] > now+future.Milliseconds() {
			last, err := r.Store.removeFrom(ctx, name, minuteOf(now))
			if err != nil {
				bad[name] = err
				continue
			}
			newest[name] = last
			ahead = append(ahead, name)
		}
		known := r.apps[name]
		if isRead := known != nil && known.unread == nil && known.at == newest[name]; !isRead && bad[name] == nil {
			queues := v.Apps[name].Queues
			unknown[name] = Wants{Queues: func(key history.Key) bool { return queues[string(key)] != nil }}
		}
	}
	if len(ahead) > 0 {
		r.Log.Warn("the history of apps had entries of the future, which keep out all others: they are removed, what is older is kept. "+
			"Either Redis' clock was set back, or somebody else wrote them", "from", time.UnixMilli(minuteOf(now)).UTC(), "apps", len(ahead), "first", ahead[0])
	}
	if len(unknown) > 0 {
		unread, err := r.Store.History(ctx, now-trendLooks.Milliseconds(), unknown, func(name string, dec *history.Decoder) {
			r.apps[name] = r.goOn(dec, newest[name], v.Apps[name])
			delete(unknown, name)
		})
		if err != nil {
			return err
		}
		for name := range unknown { // those that were not handed over
			bad[name] = unread[name]
		}
	}
	for name, err := range bad {
		if r.apps[name] == nil {
			r.apps[name] = r.goOn(&history.Decoder{}, 0, v.Apps[name])
		}
		r.apps[name].unread = err
	}
	return nil
}

// goOn is what is remembered of an app, from its history up to its newest entry.
func (r *Recorder) goOn(dec *history.Decoder, newest int64, of *view.App) *app {
	a := &app{windows: map[queue]*history.Window{}, at: newest}
	for key, q := range of.Queues {
		at := history.Key(key)
		source, is := dec.Source(at)
		if !is || source != q.Source { // it may have had its plain key
			if before, had := dec.Source(history.Key(q.PlainKey())); had && before == q.Source {
				at, is = history.Key(q.PlainKey()), false
			}
		}
		if !is || source == q.Source { // else the key was another's
			w := dec.Window(at)
			a.windows[queue{q.PlainKey(), q.Source}] = &w
		}
	}
	isRead := dec.At() == newest
	if dec.Len() > 2*len(of.Queues)+fewQueues { // most are gone, and would take memory: better a keyframe of those that are there
		dec = nil
	}
	if a.encoder = history.NewEncoder(r.Store.life, dec); !isRead {
		a.encoder.Restart() // the newest entry could not be read
	}
	return a
}

// forget forgets the apps that are no longer in the view: their last queue was lost a day ago.
func (r *Recorder) forget(ctx context.Context, names []string) error {
	var gone []string
	for name := range r.apps {
		if _, is := slices.BinarySearch(names, name); !is {
			gone = append(gone, name)
			delete(r.apps, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return r.Store.forget(ctx, gone)
}

// judge adds a look to the app's windows, and makes a verdict of each. The samples are in the order of their keys.
func (a *app) judge(name string, now int64, samples []history.Sample) {
	t := &protocol.Trends{Timestamp: now, App: name, Queues: make(map[string]*protocol.Verdict, len(samples))}
	for i := range samples {
		s := &samples[i]
		w := a.windows[queueOf(s)]
		switch {
		case s.Lost:
			continue
		case w == nil:
			w = new(history.Window)
			a.windows[queueOf(s)] = w
		}
		w.Add(now, s)
		health, reason := w.Judge(s)
		t.Queues[string(s.Key)] = &protocol.Verdict{Source: cmp.Or(s.Source, view.NoSource), Health: health, Reason: reason, Trend: trendOf(w.Trend())}
	}
	a.trends = t
	if len(a.windows) <= len(samples) {
		return
	}
	maps.DeleteFunc(a.windows, func(_ queue, w *history.Window) bool { return now-w.At() > missing.Milliseconds() })
}

// trendOf is t with rates in thousandths: a patch should not carry digits that mean nothing.
func trendOf(t history.Trend) protocol.Trend {
	for _, rate := range []**float64{&t.WaitingPerMin, &t.ProcessedPerMin, &t.ArrivingPerMin} {
		if *rate != nil {
			*rate = new(math.Round(**rate*1000)/1000 + 0) // no -0
		}
	}
	return t.Trend
}

// SamplesOf are the queues of an app, in the order of their keys. parts are those of its view.
func SamplesOf(a *view.App, parts map[*view.Queue]view.Part) []history.Sample {
	samples := make([]history.Sample, 0, len(a.Queues))
	for _, key := range slices.Sorted(maps.Keys(a.Queues)) {
		q := a.Queues[key]
		s := history.Sample{
			Key: history.Key(key), Name: q.Name, Driver: q.Driver, Source: q.Source, Metrics: q.Metrics,
			Paused: q.IsPaused(), Part: history.Part(parts[q]), Lost: !q.IsCurrent(), Seen: q.ReportedAt(),
		}
		s.Place, s.DLQ, s.DLQFor = q.Links()
		if q.Driver == protocol.DriverOther {
			if name := q.DriverName(); name != string(protocol.DriverOther) {
				s.MetaDriver = name
			}
		}
		if n, ok := q.Meta.Int("workers"); ok {
			s.Workers = &n
		}
		if n, ok := q.Meta.Int("processed"); ok {
			s.Processed = &n
		}
		samples = append(samples, s)
	}
	return samples
}
