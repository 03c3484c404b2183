package view

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Document is a key of the protocol and what it holds.
type Document struct {
	Key    string
	SeenAt int64  // when the key was last seen, Unix ms
	Data   []byte // nil where the key is gone
	Err    error  // why it could not be read
}

// Builder makes views. It remembers what each key last held, so that what is lost is shown with its
// last numbers, and what didn't change is not read again. It is for one build at a time.
type Builder struct {
	known map[string]*known
}

// known is a document and what it was read as.
type known struct {
	key      string
	data     []byte
	snapshot *protocol.QueueSnapshot
	app, id  string // of the heartbeat
	beat     *protocol.Heartbeat
	problems []Problem
	lost     bool
	seenAt   int64 // when its key was last there, where it is lost

	// The rows that were made of it, good as long as its status is theirs.
	queues []*Queue
	server *Server
}

const (
	// maxProblems bounds the view's list, maxText each text in it.
	maxProblems = 200
	maxText     = 1 << 10
)

// Build makes the view of docs at now.
func (b *Builder) Build(now time.Time, docs []Document) *View {
	v := &View{GeneratedAt: now.UnixMilli(), Apps: map[string]*App{}, Problems: []Problem{}}
	next := make(map[string]*known, len(docs))
	for _, d := range docs {
		if k := b.read(d); k != nil {
			next[d.Key] = k
		}
	}
	b.known = next
	// In order of their keys, so that of two queues with one name it is always the same one that
	// gets the plain key, and the problems keep their order.
	sorted := slices.SortedFunc(maps.Values(next), func(a, b *known) int { return cmp.Compare(a.key, b.key) })
	for _, k := range sorted {
		k.addQueues(v, now)
		k.addServer(v, now)
	}
	v.addProblems(sorted, now)
	v.sum()
	return v
}

// addProblems lists the problems of the documents. Where there are too many, each key's first comes
// before any key's second, so that one full of rubbish doesn't hide its neighbours'.
func (v *View) addProblems(docs []*known, now time.Time) {
	n, all := 0, 0
	problems := make([][]Problem, len(docs))
	for i, k := range docs {
		problems[i] = k.problems
		if k.isAhead(now) {
			problems[i] = append(slices.Clone(k.problems), Problem{cut(k.key), "its timestamp is ahead of this server's clock by more than a minute, so its age is unknown: set the reporter's clock"})
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

// problem notes what is wrong with k. Keys and reasons are other people's text, of any length.
func (k *known) problem(reason string) {
	k.problems = append(k.problems, Problem{cut(k.key), cut(reason)})
}

func cut(s string) string { return protocol.Shorten(s, maxText) }

// read makes sense of a document, or remembers what its key held before it was gone.
func (b *Builder) read(d Document) *known {
	before := b.known[d.Key]
	if d.Data != nil && d.Err == nil {
		if before != nil && before.data != nil && bytes.Equal(before.data, d.Data) {
			return before
		}
		return decode(d)
	}
	k := &known{key: d.Key, lost: d.Err == nil, seenAt: d.SeenAt}
	if before != nil {
		k.snapshot, k.app, k.id, k.beat = before.snapshot, before.app, before.id, before.beat
	}
	if d.Err != nil {
		// It may be readable again in a moment: what is known of it grows stale meanwhile.
		k.problem(d.Err.Error())
		return k
	}
	kind := protocol.KindOf(d.Key)
	if k.snapshot == nil && k.beat == nil {
		// Only the key and its time are left. A server is its key; of queues not even the names.
		address, ok := protocol.ParseKey(d.Key)
		if !ok {
			return nil // rubbish in the index
		}
		k.app, k.id = address.App, address.Rest
		if kind != protocol.KindQueues {
			k.beat = &protocol.Heartbeat{Timestamp: d.SeenAt}
		}
	}
	if kind != protocol.KindServer {
		k.problem(fmt.Sprintf("nothing has been reported since %s: the reporter stopped, or cannot reach Redis",
			time.UnixMilli(d.SeenAt).UTC().Format("2006-01-02 15:04:05 UTC")))
	}
	return k
}

func decode(d Document) *known {
	k := &known{key: d.Key, data: d.Data}
	add := func(ps []protocol.Problem) {
		for _, p := range ps {
			k.problem(p.String())
		}
	}
	var err error
	switch protocol.KindOf(d.Key) {
	case protocol.KindQueues:
		var s protocol.QueueSnapshot
		var ps []protocol.Problem
		if s, ps, err = protocol.DecodeSnapshot(d.Data); err == nil {
			k.snapshot = &s
			add(ps)
			if k.key != protocol.QueuesKey(s.App, "") { // enough for a reporter that is alone, whatever its source
				k.checkKey(s.Key())
			}
		}
	case protocol.KindServer:
		var h protocol.Heartbeat
		if h, k.id, err = protocol.DecodeHeartbeat(d.Key, d.Data); err == nil {
			k.beat, k.app = &h, h.App()
			k.checkKey(protocol.ServerKey(k.app, k.id))
		}
	case protocol.KindQuasar:
		var h protocol.Heartbeat
		var ps []protocol.Problem
		if h, k.id, k.snapshot, ps, err = protocol.DecodeQuasar(d.Data); err == nil {
			k.beat, k.app = &h, h.App()
			add(ps)
		}
	case protocol.KindOther:
		return nil
	}
	if err != nil {
		k.problem(err.Error())
	}
	return k
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
	case now.UnixMilli()-k.timestamp() > k.freshFor(), k.isAhead(now):
		return Stale
	}
	return Fresh
}

// freshFor is how old k may be and still be fresh, in milliseconds.
func (k *known) freshFor() int64 {
	if k.snapshot != nil {
		return max(freshFor.Milliseconds(), k.snapshot.IntervalMS*3/2)
	}
	return freshFor.Milliseconds()
}

// timestamp is when what k holds was made, by the clock of whoever made it.
func (k *known) timestamp() int64 {
	switch {
	case k.snapshot != nil:
		return k.snapshot.Timestamp
	case k.beat != nil:
		return k.beat.Timestamp
	}
	return 0
}

// isAhead tells whether k says that it was made in the future, so that nobody knows how old it is.
func (k *known) isAhead(now time.Time) bool {
	return !k.lost && k.timestamp()-now.UnixMilli() > clockTolerance.Milliseconds()
}

func (k *known) addQueues(v *View, now time.Time) {
	s := k.snapshot
	if s == nil {
		if k.lost && k.beat == nil { // nothing but its key is left of it
			v.app(k.app).addSource(k.id, Lost, k.seenAt)
		}
		return
	}
	app := v.app(s.App)
	status := k.status(now)
	app.addSource(s.Source, status, s.Timestamp)
	for _, row := range k.rows(status) {
		key := row.key
		for other := app.Queues[key]; other != nil && (other.Source != row.Source || other.Name != row.Name); other = app.Queues[key] {
			// Another reporter's queue of the same name: perhaps another region, or Redis. Or a
			// queue whose own name ends like this.
			key += "@" + row.Source
		}
		// The same queue twice from one source: agents on several hosts. The newest knows best.
		if same := app.Queues[key]; same == nil || newer(row.Status, row.at, same.Status, same.at) {
			app.Queues[key] = row
		}
	}
}

// addSource notes a reporter. Where several call themselves the same, the newest stands for them.
func (a *App) addSource(name string, status Status, at int64) {
	name = cmp.Or(name, noSource)
	if same := a.Sources[name]; same == nil || newer(status, at, same.Status, same.Timestamp) {
		a.Sources[name] = &Source{status, at}
	}
}

// rows makes a row of each queue, or finds those made before.
func (k *known) rows(status Status) []*Queue {
	if len(k.queues) > 0 && k.queues[0].Status == status {
		return k.queues
	}
	k.queues = make([]*Queue, len(k.snapshot.Queues))
	for i := range k.queues {
		k.queues[i] = newQueue(k.snapshot, &k.snapshot.Queues[i], status)
	}
	return k.queues
}

func newer(status Status, at int64, otherStatus Status, otherAt int64) bool {
	if lost, otherLost := status == Lost, otherStatus == Lost; lost != otherLost {
		return otherLost
	}
	return at > otherAt
}

func newQueue(s *protocol.QueueSnapshot, q *protocol.Queue, status Status) *Queue {
	row := &Queue{
		Name: q.Name, Driver: q.Driver, Origin: "external", ReadOnly: true, Source: s.Source,
		Status: status, Health: UnknownHealth, Metrics: q.Metrics, Meta: q.Meta, at: s.Timestamp,
	}
	if q.Driver == protocol.DriverGravitoStream {
		row.Origin, row.ReadOnly = "gravito", false
	}
	if q.Meta.Bool("paused") {
		row.Health = Paused
	}
	row.key = q.DriverName() + "/" + q.Name
	row.id = identity(s, q, q.Name)
	if dlq := q.Meta.Text("dlq"); dlq != "" {
		row.dlq = identity(s, q, dlq)
	}
	row.isDLQ = len(q.Meta.Texts("dlq_for")) > 0
	// An age changes with every report, a time doesn't.
	if age, ok := q.Meta.Int("oldest_ms"); ok && !q.Meta.Has("oldest_at") {
		row.Meta.Delete("oldest_ms") // this copies: the snapshot stays as it was reported
		row.Meta.SetInt("oldest_at", s.Timestamp-age)
	}
	row.encode()
	return row
}

// identity is the id of the queue called name that q is, or that q names. An SQS queue's URL tells its
// account and region, in which its dead-letter queue is as well; other queues are whose reporter says.
func identity(s *protocol.QueueSnapshot, q *protocol.Queue, name string) string {
	if q.Driver != protocol.DriverSQS {
		return s.App + "\x00" + s.Source + "\x00" + string(q.Driver) + "\x00" + name
	}
	if url := q.Meta.Text("url"); url != "" {
		return url[:strings.LastIndexByte(url, '/')+1] + name
	}
	return strings.Join([]string{s.App, s.Source, string(q.Driver), name}, "\x00")
}

func (k *known) addServer(v *View, now time.Time) {
	h := k.beat
	if h == nil {
		return
	}
	status := k.status(now)
	if k.server == nil || k.server.Status != status {
		k.server = &Server{Status: status, Timestamp: h.Timestamp, Meta: h.Meta}
		if !h.Meta.IsZero() { // else the key is all that is left of it
			k.server.System, k.server.Process = &h.System, &h.Process
		}
		k.server.encode()
	}
	servers := v.app(k.app).Servers
	if same := servers[k.id]; same == nil || newer(status, h.Timestamp, same.Status, same.Timestamp) {
		servers[k.id] = k.server
	}
}
