package reporter

import (
	"fmt"
	"slices"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// lastRows are the rows that one adapter read last, for the time when it cannot read them. A row that left the
// snapshot would be gone from the view, as if its queue had been deleted.
//
// Such a row stands in a snapshot that is newer than its numbers. So it says in as_of and error of when they are, and
// the reason stands once among the problems. It stays until it can be read again, or for as long as the view keeps a
// queue that is lost.
type lastRows struct {
	read []protocol.Queue // by the newest poll that worked
	at   time.Time        // of that poll
	old  []oldRow         // what could not be read since
}

// oldRow is a row whose numbers were read by an earlier poll, and that says so.
type oldRow struct {
	protocol.Queue
	at time.Time
}

// unread are the rows of this adapter that its poll at now could not read, though an earlier one did: those of which
// isUnread says so by their names.
func (l *lastRows) unread(adapter string, now time.Time, isUnread func(name string) bool) []protocol.Queue {
	for _, q := range l.read {
		if isUnread(q.Name) {
			l.old = append(l.old, oldRow{asOf(q, adapter, l.at), l.at})
		}
	}
	l.read = nil
	l.old = slices.DeleteFunc(l.old, func(r oldRow) bool { return !isUnread(r.Name) || now.Sub(r.at) >= protocol.IndexLife })
	rows := make([]protocol.Queue, len(l.old))
	for i, r := range l.old {
		rows[i] = r.Queue
	}
	return rows
}

// asOf is q, saying that its numbers were read at that time. Where they are older than that q says so already.
func asOf(q protocol.Queue, adapter string, at time.Time) protocol.Queue {
	why := fmt.Sprintf("these are the last numbers read, at %s: %s cannot read this queue now, and the problems say why",
		at.UTC().Format("2006-01-02 15:04:05 UTC"), adapter)
	if before := q.Meta.Text("error"); before != "" {
		why = before + "; " + why
	}
	q.Meta.Delete("error") // which copies: an adapter's rows may share the memory of their metas
	q.Meta.SetText("error", why)
	if !q.Meta.Has("as_of") {
		q.Meta.SetInt("as_of", at.UnixMilli())
	}
	return q
}

// unreadNames are the queues that the problems of a snapshot name and that are not among its rows.
func unreadNames(s *protocol.QueueSnapshot) map[string]bool {
	names := map[string]bool{}
	for _, p := range s.Problems {
		if p.Queue != "" {
			names[p.Queue] = true
		}
	}
	for i := 0; i < len(s.Queues) && len(names) > 0; i++ {
		delete(names, s.Queues[i].Name)
	}
	return names
}

// isNamed reports whether names has name, or what stands before a '/' in it: a stream that cannot be read is named alone, and its
// rows are {stream}/{group}.
func isNamed(names map[string]bool, name string) bool {
	for i, c := range name {
		if c == '/' && names[name[:i]] {
			return true
		}
	}
	return names[name]
}
