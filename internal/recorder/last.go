package recorder

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// Read takes a reading: see api.Read.
type Read = func(ctx context.Context, now time.Time, add func(view.Document) bool) (ahead time.Duration, err error)

// lastLimit bounds how long one reading reads histories: the others' turn is next.
const lastLimit = 20 * time.Second

// WithLastNumbers makes a reader of read that knows, from history, what a lost key last held. So a program that has
// just started shows lost queues with their last numbers. Each app's history is read once, after all that is there.
//
// A recorder does not record before all are read: what it doesn't see it would drop from history.
func (s *Store) WithLastNumbers(read Read) Read {
	known := map[string]bool{} // by app, after a reading that had its last numbers
	return func(ctx context.Context, now time.Time, add func(view.Document) bool) (time.Duration, error) {
		lost := map[string][]view.Document{} // by app
		var keys []protocol.Address          // of apps of which the last numbers are not known
		ahead, err := read(ctx, now, func(d view.Document) bool {
			address, ok := protocol.ParseKey(d.Key)
			if ok && address.Kind == protocol.KindQueues && !known[address.App] {
				keys = append(keys, address)
			}
			if !ok || d.Data != nil || d.Err != nil || address.Kind != protocol.KindQueues || known[address.App] {
				return add(d)
			}
			lost[address.App] = append(lost[address.App], d)
			return true
		})
		if err != nil {
			return ahead, err
		}
		unread := s.addLast(ctx, lost, sourcesOf(keys, lost), add)
		for app := range lost {
			known[app] = unread[app] == nil
		}
		return ahead, nil
	}
}

// sourcesOf are the sources that keys have in their names, by app, as far as an app has lost ones.
func sourcesOf(keys []protocol.Address, lost map[string][]view.Document) map[string]map[string]bool {
	named := make(map[string]map[string]bool, len(lost))
	for _, key := range keys {
		if lost[key.App] == nil || key.Rest == "" {
			continue
		}
		if named[key.App] == nil {
			named[key.App] = map[string]bool{}
		}
		named[key.App][key.Rest] = true
	}
	return named
}

// addLast adds the documents of lost keys, by app, with what they last held. It returns those of apps of which it could not
// find that out, for now. named are the sources, by app, that keys have in their names, lost or not.
func (s *Store) addLast(ctx context.Context, lost map[string][]view.Document, named map[string]map[string]bool, add func(view.Document) bool) (unread map[string][]view.Document) {
	apps := make(map[string]Wants, len(lost))
	for app := range lost {
		apps[app] = Wants{Queues: func(history.Key) bool { return false }}
	}
	unread = maps.Clone(lost)
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	bad, err := s.History(ctx, time.Now().UnixMilli(), apps, func(app string, dec *history.Decoder) {
		last := lastNumbers(app, dec, lost[app], named[app])
		for _, d := range lost[app] {
			address, _ := protocol.ParseKey(d.Key)
			if d.Last = last[address.Rest]; address.Rest == "" {
				d.Last = lastOfNone(last, named[app])
			}
			add(d)
		}
		delete(unread, app)
	})
	for _, docs := range unread {
		for _, d := range docs {
			add(d)
		}
	}
	for app, err := range bad {
		if isOfKey(err) {
			delete(unread, app) // there are none
		}
	}
	s.unread.Store(0)
	if err != nil { // else they are on a node of a cluster that cannot be reached, and nothing is written there
		s.unread.Store(int64(len(unread)))
	}
	return unread
}

// lastOfNone are the last numbers of a key without a source in its name. Its body may have one: it is the source that no
// key names; of several the one that was seen last.
func lastOfNone(last map[string]*protocol.QueueSnapshot, named map[string]bool) (of *protocol.QueueSnapshot) {
	for _, source := range slices.Sorted(maps.Keys(last)) {
		if snapshot := last[source]; !named[source] && (of == nil || snapshot.Timestamp > of.Timestamp) {
			of = snapshot
		}
	}
	return of
}

// lastNumbers are the last numbers of an app's queues that history has as lost, or had when it was last written, by
// their source, as far as it may be that of a lost key.
func lastNumbers(app string, dec *history.Decoder, lost []view.Document, named map[string]bool) map[string]*protocol.QueueSnapshot {
	isLost := make(map[string]bool, len(lost))
	for _, d := range lost {
		address, _ := protocol.ParseKey(d.Key)
		isLost[address.Rest] = true
	}
	last := map[string]*protocol.QueueSnapshot{}
	for q := range dec.Last() {
		if !isLost[q.Source] && (!isLost[""] || named[q.Source]) {
			continue
		}
		snapshot := last[q.Source]
		if snapshot == nil {
			snapshot = &protocol.QueueSnapshot{App: app, Source: q.Source}
			last[q.Source] = snapshot
		}
		snapshot.Timestamp = max(snapshot.Timestamp, q.Seen)
		queue := protocol.Queue{Name: q.Name, Driver: q.Driver, Metrics: q.Metrics}
		if q.MetaDriver != "" {
			queue.Meta.SetText("driver", q.MetaDriver)
		}
		if q.Place != "" {
			queue.Meta.SetText("url", q.Place+q.Name)
		}
		if q.DLQ != "" {
			queue.Meta.SetText("dlq", q.DLQ)
		}
		if q.DLQFor != "" {
			queue.Meta.SetTexts("dlq_for", []string{q.DLQFor})
		}
		if q.Workers != nil {
			queue.Meta.SetInt("workers", *q.Workers)
		}
		if q.Paused {
			queue.Meta.SetBool("paused", true)
		}
		snapshot.Queues = append(snapshot.Queues, queue)
	}
	return last
}
