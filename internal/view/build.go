package view

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Document is a key of the protocol, with its value.
type Document struct {
	Key    string
	SeenAt int64  // when the key was last seen, Unix ms
	Data   []byte // nil where the key is gone
	Err    error  // why it could not be read
	// Last is what a key that is gone last held, if that is known. A builder that has seen the key knows better.
	Last *protocol.QueueSnapshot
}

// Builder makes views: [Builder.Add] takes a reading's documents one by one, and [Builder.Finish] makes a view
// of them. A builder remembers the last document of each key, so that the view shows a lost queue with its last
// numbers, and a document that didn't change is not read again. It is for one reading at a time.
type Builder struct {
	// Budget is about how many bytes the rows of one view may take; 0 is no bound. Beyond it the largest
	// documents of those apps that take more than their share are left out, the youngest first.
	Budget int64

	known map[string]*known // the last view's documents, by key
	said  []Problem         // the last view's problems that are about no document
	build int64             // how many views were made
	at    time.Time         // when the last reading ended
	// Of the reading under way:
	added  map[string]*known
	saying []Problem
	spent  int64 // the cost of all in added, in bytes
}

// known is a document as it was read, and what is remembered of its key.
type known struct {
	key   string
	hash  uint64 // of the document; 0 is no document that could be read
	since int64  // the build in which it was first there
	// changedAt is the reading before the one that found a document with another timestamp under the key, Unix ms: this
	// document is no older, by whatever clock it was made. 0 is that none was found.
	changedAt int64
	changed   bool // the reading under way found such a document
	// isAhead is that the timestamp was in the future when the document was there, so that it never tells its age.
	isAhead bool
	// lateTimes is in how many readings running such a document was found that was too old to be fresh.
	lateTimes uint8
	lost      bool
	leftOut   string // why it has no rows, where there was no room for them
	seenAt    int64  // when its key was last there, where it is lost

	reports   bool   // it reports queues, if it could be read
	app       string // of the snapshot or heartbeat, else of the key
	source    string // of the snapshot
	id        string // of the heartbeat; where only the key is left, its last part
	timestamp int64
	interval  int64 // milliseconds; 0 if it doesn't say
	problems  []Problem
	queues    []*Queue // all of them with one status
	server    *Server
	verdicts  *protocol.Trends // of the recorder; nil in other documents
	cost      int64            // about what it takes, in bytes
}

const (
	// maxProblems bounds the view's list, maxText each text in it.
	maxProblems = 200
	maxText     = 1 << 10
	// keyCost, queueCost, verdictKeyCost, verdictCost and serverCost are about what a document, a queue, a queue with a verdict,
	// a verdict and a server take beside their texts, in bytes, and numberCost what each number of a trend does;
	// TestCostIsWhatItTakes measures it.
	keyCost, queueCost, verdictKeyCost, verdictCost, serverCost, numberCost = 400, 272, 45, 100, 550, 16
)

// Build makes the view of docs at now. docs are all documents that there are.
func (b *Builder) Build(now time.Time, docs []Document) *View {
	for _, d := range docs {
		b.Add(d)
	}
	return b.Finish(now)
}

// Add reads a document, and reports whether it could read anything in it. It does not keep the data. An error of
// a key that is none of the protocol's becomes a problem of the view as it is.
func (b *Builder) Add(d Document) (readable bool) {
	if d.Err != nil && protocol.KindOf(d.Key) == protocol.KindOther {
		b.saying = append(b.saying, Problem{cut(d.Key), cut(d.Err.Error())})
		return false
	}
	k := b.read(d)
	if k == nil {
		return false
	}
	if b.added == nil {
		b.added = make(map[string]*known, len(b.known))
	}
	if twice := b.added[d.Key]; twice != nil {
		b.spent -= twice.cost
	}
	b.added[d.Key] = k
	b.spent += k.cost
	if b.Budget > 0 && b.spent > b.Budget+b.Budget/8 { // now and then, as it looks at all documents
		b.leaveOut()
	}
	return k.reports || k.server != nil || k.verdicts != nil
}

// Finish ends a reading, and makes the view at now of the documents that it found.
func (b *Builder) Finish(now time.Time) *View {
	if b.Budget > 0 && b.spent > b.Budget {
		b.leaveOut()
	}
	b.known, b.said = b.added, b.saying
	last := b.at
	if since := now.Sub(last); since > currentFor && since <= currentFor+lookJitter { // who reads once a minute is not always on time
		last = now.Add(-currentFor)
	}
	for _, k := range b.known {
		if k.changed {
			k.changedAt = last.UnixMilli()
		}
		k.isAhead = k.isAhead || k.timestamp-now.UnixMilli() > clockTolerance.Milliseconds()
		switch {
		case !k.changed:
		case !k.isOld(now):
			k.lateTimes = 0
		case k.lateTimes < oftenLate:
			k.lateTimes++
		}
		k.changed = false
	}
	b.at = now
	b.Forget()
	b.build++
	return b.View(now)
}

// Forget ends a reading that failed, and drops the documents that it found.
func (b *Builder) Forget() { b.added, b.saying, b.spent = nil, nil, 0 }

// View makes the view of the last reading once more, at now.
func (b *Builder) View(now time.Time) *View {
	v := &View{GeneratedAt: now.UnixMilli(), Apps: map[string]*App{}, Problems: []Problem{}}
	// In order of their keys, so that of two queues with one name always the same one gets the plain key, and
	// the problems keep their order.
	sorted := slices.SortedFunc(maps.Values(b.known), func(a, b *known) int { return cmp.Compare(a.key, b.key) })
	judged := verdicts(sorted, now)
	for _, k := range sorted {
		k.addQueues(v, now, judged[k.app])
		k.addServer(v, now)
	}
	for name, app := range v.Apps {
		app.setAlerts(judged[name])
	}
	v.Problems = append(v.Problems, b.said...)
	v.addProblems(sorted, now)
	v.sum()
	return v
}

// oftenLate is how often running a new document must be old before its reporter is told. One that stopped is late once.
const oftenLate = 3

// verdictsDue is how long after their key was last seen verdicts are missed.
const verdictsDue = 2 * time.Minute

// addProblems lists the problems of the documents. Where there are too many, each key's first comes
// before any key's second, so that one full of rubbish doesn't hide its neighbours'.
func (v *View) addProblems(docs []*known, now time.Time) {
	n, all := 0, 0
	problems := make([][]Problem, len(docs))
	for i, k := range docs {
		problems[i] = k.problems
		if k.lost && protocol.KindOf(k.key) == protocol.KindTrend && now.UnixMilli()-k.seenAt < verdictsDue.Milliseconds() {
			problems[i] = nil // Redis may have lost its keys a moment ago: the recorder's next look is due within a minute
		}
		if reason := k.clockProblem(now); reason != "" {
			problems[i] = append(slices.Clone(k.problems), Problem{cut(k.key), reason})
		}
		all += len(problems[i])
	}
	listed := make([]int, len(docs))
	for round := 0; n < min(all, maxProblems); round++ {
		for i := range docs {
			if round < len(problems[i]) && n < maxProblems {
				listed[i]++
				n++
			}
		}
	}
	for i := range docs {
		v.Problems = append(v.Problems, problems[i][:listed[i]]...)
	}
	if all > n {
		v.Problems = append(v.Problems, Problem{Reason: fmt.Sprintf("%d more problems are not listed", all-n)})
	}
}

// problem notes what is wrong with k. Keys and reasons are foreign text, of any length.
func (k *known) problem(reason string) {
	p := Problem{cut(k.key), cut(reason)}
	k.problems = append(k.problems, p)
	k.cost += int64(sizeOf(p.Reason))
}

func cut(s string) string { return protocol.Shorten(s, maxText) }

func newKnown(key string) *known {
	return &known{key: key, cost: keyCost + int64(len(key))}
}

var seed = maphash.MakeSeed()

// read reads a document, or returns what the key held before it was gone.
func (b *Builder) read(d Document) *known {
	before := b.known[d.Key]
	if d.Data != nil && d.Err == nil {
		hash := max(maphash.Bytes(seed, d.Data), 1)
		if before != nil && before.hash == hash {
			return before
		}
		k := decode(d)
		if k == nil {
			return nil
		}
		k.hash, k.since = hash, b.build
		if before != nil {
			k.share(before)
		}
		if before != nil && before.hash != 0 {
			k.since, k.changedAt, k.lateTimes = before.since, before.changedAt, before.lateTimes
			if k.timestamp != before.timestamp {
				k.changed = true
			}
		}
		return k
	}
	k := newKnown(d.Key)
	if before != nil {
		*k = *before
		k.hash = 0
		for _, p := range k.problems {
			k.cost -= int64(sizeOf(p.Reason))
		}
		k.problems = nil
	}
	k.lost, k.seenAt = d.Err == nil, d.SeenAt
	if k.leftOut != "" { // as long as its key is gone, nobody brings them again
		k.problem(k.leftOut)
	}
	if d.Err != nil {
		// It may be readable again in a moment: until then its last numbers grow stale.
		k.problem(d.Err.Error())
		return k
	}
	if d.Last != nil && !k.reports && k.server == nil {
		k.setSnapshot(d.Last, nil)
	}
	kind := protocol.KindOf(d.Key)
	since := time.UnixMilli(d.SeenAt).UTC().Format("2006-01-02 15:04:05 UTC")
	if kind == protocol.KindTrend {
		k.verdicts = nil
		k.problem(fmt.Sprintf("health and trends are unknown since %s: the recorder stopped, or cannot reach Redis. Start one: functions/recorder, or an aggregator outside Lambda", since))
		return k
	}
	if !k.reports && k.server == nil {
		// Only the key and its time are left. A server's key tells its id; a snapshot's key tells no queue.
		address, ok := protocol.ParseKey(d.Key)
		if !ok {
			return nil // rubbish in the index
		}
		k.app, k.id = address.App, address.Rest
		if kind != protocol.KindQueues {
			k.timestamp = d.SeenAt
			k.server = &Server{Timestamp: d.SeenAt}
		}
	}
	if kind != protocol.KindServer {
		k.problem(fmt.Sprintf("nothing has been reported since %s: the reporter stopped, or cannot reach Redis", since))
	}
	return k
}

// share lets k's rows have the texts of the rows before where they are the same: both are in memory until the next view is
// made.
func (k *known) share(before *known) {
	for i := range min(len(k.queues), len(before.queues)) {
		row, was := k.queues[i], before.queues[i]
		if row.key == was.key && row.Name == was.Name {
			row.key, row.Name = was.key, was.Name
		}
		if row.Meta.Equal(was.Meta) {
			row.Meta = was.Meta
		}
	}
}

func decode(d Document) *known {
	k := newKnown(d.Key)
	var err error
	switch protocol.KindOf(d.Key) {
	case protocol.KindQueues:
		var s protocol.QueueSnapshot
		var ps []protocol.Problem
		if s, ps, err = protocol.DecodeSnapshot(d.Data); err == nil {
			k.setSnapshot(&s, ps)
			if k.key != protocol.QueuesKey(s.App, "") { // a reporter that is alone may leave its source out of its key
				k.checkKey(s.Key())
			}
		}
	case protocol.KindServer:
		var h protocol.Heartbeat
		if h, k.id, err = protocol.DecodeHeartbeat(d.Key, d.Data); err == nil {
			k.setServer(&h)
			k.checkKey(protocol.ServerKey(k.app, k.id))
		}
	case protocol.KindQuasar:
		var h protocol.Heartbeat
		var s *protocol.QueueSnapshot
		var ps []protocol.Problem
		if h, k.id, s, ps, err = protocol.DecodeQuasar(d.Data); err == nil {
			k.setServer(&h)
			if s != nil {
				k.setSnapshot(s, ps)
			}
		}
	case protocol.KindTrend:
		var t protocol.Trends
		if t, err = protocol.DecodeTrends(d.Data); err == nil {
			k.setVerdicts(&t)
			k.checkKey(protocol.TrendKey(t.App))
		}
	case protocol.KindOther:
		return nil
	}
	if err != nil {
		k.problem(err.Error())
	}
	return k
}

func (k *known) setSnapshot(s *protocol.QueueSnapshot, ps []protocol.Problem) {
	k.reports, k.app, k.source, k.timestamp, k.interval = true, s.App, s.Source, s.Timestamp, s.IntervalMS
	for _, p := range ps {
		k.problem(p.String())
	}
	k.queues = make([]*Queue, len(s.Queues))
	places := map[place]*place{}
	for i := range s.Queues {
		row := newQueue(s, &s.Queues[i], places)
		k.queues[i] = row
		k.cost += queueCost + int64(row.Meta.Len()+2*sizeOf(row.key)+len(row.dlq)+len(row.dlqFor))
	}
}

func (k *known) setServer(h *protocol.Heartbeat) {
	k.app, k.timestamp = h.App(), h.Timestamp
	k.server = &Server{Status: Fresh, Timestamp: h.Timestamp, System: &h.System, Process: &h.Process, Meta: h.Meta}
	k.server.shorten()
	k.cost += serverCost + int64(k.server.Meta.Len()+sizeOf(h.System.Hostname)+sizeOf(h.System.Platform))
}

func (k *known) setVerdicts(t *protocol.Trends) {
	k.app, k.timestamp, k.verdicts = t.App, t.Timestamp, t
	k.interval = protocol.TrendTTL.Milliseconds() * 2 / 3 // so that they count as fresh for as long as they live
	counted, texts := map[*protocol.Verdict]bool{}, map[string]bool{}
	for key, verdict := range t.Queues {
		k.cost += verdictKeyCost + int64(len(key))
		if counted[verdict] {
			continue
		}
		counted[verdict] = true
		k.cost += verdictCost + numberCost*knownOf(&verdict.Trend)
		for _, text := range [...]string{verdict.Source, verdict.Reason} {
			if !texts[text] {
				texts[text] = true
				k.cost += int64(sizeOf(text))
			}
		}
	}
	for _, reason := range t.Problems {
		k.problem(reason)
	}
	for _, a := range t.Alerts {
		k.cost += verdictCost + int64(sizeOf(a.Rule)+sizeOf(a.Key)+sizeOf(a.Reason))
	}
}

// knownOf is how many numbers of a trend are known.
func knownOf(t *protocol.Trend) (n int64) {
	for _, is := range [...]bool{t.WaitingPerMin != nil, t.DrainSeconds != nil, t.DrainRange != nil, t.ProcessedPerMin != nil, t.ArrivingPerMin != nil, t.WaitSeconds != nil} {
		if is {
			n++
		}
	}
	return n
}

// sizeOf is how many bytes a text takes at most where it takes the most: as JSON, in which a control character
// has six.
func sizeOf(text string) int {
	size := len(text)
	for i := range len(text) {
		if text[i] < ' ' || text[i] == '"' || text[i] == '\\' {
			size += 5
		}
	}
	return size
}

// checkKey says so where a document is not where its body says it should be.
func (k *known) checkKey(want string) {
	if k.key != want {
		k.problem(fmt.Sprintf("its body belongs to %s; it is shown as its body says", want))
	}
}

func newApp() *App {
	return &App{Sources: map[string]*Source{}, Queues: map[string]*Queue{}, Servers: map[string]*Server{}}
}

func (v *View) app(name string) *App {
	a := v.Apps[name]
	if a == nil {
		a = newApp()
		v.Apps[name] = a
	}
	return a
}

func (k *known) status(now time.Time) Status {
	switch {
	case k.lost:
		return Lost
	case k.isYounger(now, k.timestamp, k.freshFor()):
		return Fresh
	}
	return Stale
}

// isYounger reports whether what k says of a time by its reporter's clock is known to be at most so many milliseconds old. That
// clock may be wrong: a document that was found made anew is no older than the reading before.
func (k *known) isYounger(now time.Time, at, limit int64) bool {
	made := k.timestamp
	switch {
	case k.changedAt != 0 && (k.isAhead || k.changedAt > k.timestamp):
		made = k.changedAt
	case k.isAhead:
		return false
	}
	return now.UnixMilli()-made+k.timestamp-at <= limit
}

// freshFor is how old k may be and still count as fresh, in milliseconds.
func (k *known) freshFor() int64 { return max(freshFor.Milliseconds(), k.interval*3/2) }

func (k *known) isOld(now time.Time) bool { return now.UnixMilli()-k.timestamp > k.freshFor() }

// isMadeAnew reports whether another document was found under k's key lately.
func (k *known) isMadeAnew(now time.Time) bool {
	return k.changedAt != 0 && now.UnixMilli()-k.changedAt <= max(currentFor.Milliseconds(), k.freshFor())
}

// clockProblem says what is wrong with the clock of the reporter, as far as can be seen.
func (k *known) clockProblem(now time.Time) string {
	switch {
	case k.lost || k.timestamp == 0:
		return ""
	case k.isAhead && k.isMadeAnew(now):
		return "its timestamps are more than a minute ahead of Redis' clock: set the reporter's clock (NTP)"
	case k.isAhead:
		return "its timestamp is more than a minute ahead of Redis' clock, so its age is unknown: set the reporter's clock (NTP)"
	case k.isOld(now) && k.isMadeAnew(now) && k.timestamp < k.changedAt-k.freshFor():
		return "it is made anew, but its timestamps are old when they come: set the reporter's clock (NTP)"
	case k.isOld(now) && k.lateTimes == oftenLate:
		// Who reads once a minute cannot know which: each new document may have been there for a minute.
		return fmt.Sprintf("it is made anew, but its timestamp was more than %d s old each of the last %d times: set the reporter's clock (NTP), "+
			"or report more often, or let it say its interval_ms", k.freshFor()/time.Second.Milliseconds(), oftenLate)
	}
	return ""
}

// verdicts are those of the recorder that are not too old to be true, by app.
func verdicts(docs []*known, now time.Time) map[string]*protocol.Trends {
	judged := map[string]*protocol.Trends{}
	for _, k := range docs {
		if same := judged[k.app]; k.verdicts != nil && !k.lost && now.UnixMilli()-k.timestamp <= protocol.TrendTTL.Milliseconds() &&
			(same == nil || k.timestamp > same.Timestamp) {
			judged[k.app] = k.verdicts
		}
	}
	return judged
}

// verdict is the recorder's on q, which has a key in the view. Where there is none the health is not known. When the recorder looked
// q may have had another key: of two reporters' queues the one that sorts first has the plain one.
func verdict(t *protocol.Trends, key string, q *Queue) protocol.Verdict {
	unknown := protocol.Verdict{Health: protocol.HealthUnknown}
	if t == nil {
		return unknown
	}
	source := cmp.Or(q.Source, NoSource)
	v := t.Queues[key]
	switch {
	case v != nil && (v.Source == "" || v.Source == source):
		return *v
	case key == q.key:
		v = t.Queues[q.key+"@"+q.Source]
	default:
		v = t.Queues[q.key]
	}
	if v != nil && v.Source == source {
		return *v
	}
	return unknown
}

func (k *known) addQueues(v *View, now time.Time, judged *protocol.Trends) {
	if !k.reports {
		if k.lost && k.server == nil && protocol.KindOf(k.key) == protocol.KindQueues { // nothing but its key is left of it
			v.app(k.app).addSource(k.id, Source{Lost, k.seenAt, k.seenAt})
		}
		return
	}
	app := v.app(k.app)
	status := k.status(now)
	app.addSource(k.source, Source{status, k.timestamp, k.seenAt})
	for i, row := range k.queues {
		key := row.key
		for other := app.Queues[key]; other != nil && (other.Source != row.Source || other.Name != row.Name); other = app.Queues[key] {
			// Another reporter has a queue of the same name, perhaps in another region or Redis. Or a
			// queue has a name that ends with another's source.
			key += "@" + row.Source
		}
		status := k.statusOf(row, status, now)
		isCurrent := status == Fresh || status == Stale && k.isYounger(now, row.at, currentFor.Milliseconds())
		row = row.as(status, isCurrent, verdict(judged, key, row))
		row.isShown = true
		k.queues[i] = row
		// The same queue twice from one source: agents on several hosts. The newest snapshot wins.
		if same := app.Queues[key]; same == nil || newer(row.Status, row.at, same.Status, same.at) {
			app.Queues[key] = row
		}
	}
}

// addSource notes a reporter. Of several with the same source the newest wins.
func (a *App) addSource(name string, s Source) {
	name = cmp.Or(name, NoSource)
	if same := a.Sources[name]; same == nil || newer(s.Status, s.Timestamp, same.Status, same.Timestamp) {
		a.Sources[name] = &s
	}
}

// statusOf is the status of a row of k, which has a status itself: numbers that its reporter only repeats, because it
// cannot read them now, are as old as they are.
func (k *known) statusOf(row *Queue, status Status, now time.Time) Status {
	if status == Fresh && row.isRepeated && !k.isYounger(now, row.at, k.freshFor()) {
		return Stale
	}
	return status
}

// as is q with a status and the recorder's verdict. Rows that a view has shown are never changed: it may still be read.
func (q *Queue) as(status Status, isCurrent bool, v protocol.Verdict) *Queue {
	v = q.believe(v, isCurrent)
	if q.Status == status && q.isCurrent == isCurrent && q.has(v) {
		return q
	}
	if q.isShown {
		q = new(*q)
	}
	q.setVerdict(v)
	q.Status, q.isCurrent = status, isCurrent
	return q
}

func (q *Queue) setVerdict(v protocol.Verdict) {
	q.Health, q.Reason, q.Trend = v.Health, v.Reason, v.Trend
}

// believe is what is true of a verdict. That a queue is paused, its own report says first. Of one whose numbers are
// old nothing is known. That it is empty, or how soon it is, was true a minute ago: the row shows whether it still is.
func (q *Queue) believe(v protocol.Verdict, isCurrent bool) protocol.Verdict {
	switch {
	case !isCurrent:
		return protocol.Verdict{Health: protocol.HealthUnknown}
	case q.isPaused:
		v.Health, v.Reason = protocol.HealthPaused, ""
	}
	if drain := v.Trend.DrainSeconds; drain != nil && (*drain == 0) != (q.Metrics.Waiting == 0) {
		v.Trend.DrainSeconds, v.Trend.DrainRange = nil, nil
	}
	if wait := v.Trend.WaitSeconds; wait != nil && (*wait == 0) != (q.Metrics.Waiting == 0) {
		v.Trend.WaitSeconds = nil
	}
	return v
}

func (q *Queue) has(v protocol.Verdict) bool {
	return q.Health == v.Health && q.Reason == v.Reason && q.Trend.Equal(v.Trend)
}

func (a *App) setAlerts(t *protocol.Trends) {
	if t == nil || len(t.Alerts) == 0 {
		return
	}
	a.Alerts = make(map[string]Alert, len(t.Alerts))
	for fingerprint, alert := range t.Alerts {
		a.Alerts[fingerprint] = Alert(alert)
	}
}

// Judge calls see for each queue of a as a view shows it that has read the verdicts t, as the recorder needs it that has
// just made them; without any, as it is. A row is good until see returns: there is one for all, because copies of all rows
// would take as much memory as the view.
func (a *App) Judge(t *protocol.Trends, see func(key string, q *Queue)) {
	var judged Queue
	for key, q := range a.Queues {
		if t != nil {
			if v := q.believe(verdict(t, key, q), q.isCurrent); !q.has(v) {
				judged = *q
				judged.setVerdict(v)
				q = &judged
			}
		}
		see(key, q)
	}
}

func newer(status Status, at int64, otherStatus Status, otherAt int64) bool {
	if lost, otherLost := status == Lost, otherStatus == Lost; lost != otherLost {
		return otherLost
	}
	return at > otherAt
}

// newQueue makes the row of one of s' queues. places are those that rows of one snapshot share.
func newQueue(s *protocol.QueueSnapshot, q *protocol.Queue, places map[place]*place) *Queue {
	key := q.DriverName() + "/" + q.Name
	row := &Queue{
		Name: key[len(key)-len(q.Name):], Driver: q.Driver, Source: s.Source,
		Status: Fresh, Health: protocol.HealthUnknown, Metrics: q.Metrics, Meta: q.Meta, key: key, at: s.Timestamp, isPaused: q.Meta.Bool("paused"),
	}
	if asOf, ok := q.Meta.Int("as_of"); ok && q.Meta.Has("error") {
		row.at, row.isRepeated = min(row.at, asOf), true
	}
	at := place{scope: scope(s, q), dlq: q.Meta.Text("dlq")}
	if of := q.Meta.Texts("dlq_for"); len(of) > 0 {
		at.dlqFor = of[0]
	}
	if places[at] == nil {
		places[at] = new(at)
	}
	row.place = places[at]
	// An age changes with every report, a time doesn't.
	if age, ok := q.Meta.Int("oldest_ms"); ok && !q.Meta.Has("oldest_at") {
		row.Meta.Delete("oldest_ms") // this copies: the snapshot stays as it was reported
		row.Meta.SetInt("oldest_at", s.Timestamp-age)
	}
	row.shorten()
	return row
}

// scope is where the names of q and of its dead-letter queue are unique. An SQS queue's URL tells its
// account and region; other queues belong to their reporter.
func scope(s *protocol.QueueSnapshot, q *protocol.Queue) string {
	if q.Driver == protocol.DriverSQS {
		if url := q.Meta.Text("url"); url != "" {
			return url[:strings.LastIndexByte(url, '/')+1]
		}
	}
	return s.App + "\x00" + s.Source + "\x00" + string(q.Driver) + "\x00"
}

func (k *known) addServer(v *View, now time.Time) {
	if k.server == nil {
		return
	}
	if status := k.status(now); k.server.Status != status {
		server := *k.server
		server.Status = status
		k.server = &server
	}
	servers := v.app(k.app).Servers
	if same := servers[k.id]; same == nil || newer(k.server.Status, k.server.Timestamp, same.Status, same.Timestamp) {
		servers[k.id] = k.server
	}
}
